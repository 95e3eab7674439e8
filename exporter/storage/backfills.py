"""Finished chunks of backfills in progress."""

from ..intervals.model import LocationKey
from .database import Database
from .entries import CHUNK, EntryKey, decode_chunk, encode_chunk, task_name


class BackfillEntries(Database):
    """The part of the state that lets a backfill resume."""

    def chunks_done(self, task: str) -> list[tuple[LocationKey, int, int, str]]:
        """Return the finished chunks of a task: location, start, end and text of each."""
        name = task_name(task)
        return [(key.location_key, key.start, end, text) for key, (end, _, text) in self._chunks() if key.name == name]

    def begin_backfill(self, task: str, expired: float, *, restart: bool) -> None:
        """Drop the chunks of all tasks that were finished before `expired`.

        restart: All chunks of this task are dropped too.
        """
        name = task_name(task)
        self.write({key: None for key, (_, at, _) in self._chunks() if at < expired or (restart and key.name == name)})

    def note_chunk(self, task: str, now: float, chunk: tuple[LocationKey, int, int], text: str) -> None:
        """Record a chunk, given as location, start and end, as finished."""
        location, start, end = chunk
        self.write({EntryKey.of(CHUNK, location, task_name(task), start): encode_chunk(end, now, text)})

    def forget_chunk(self, task: str, location: LocationKey, start: int) -> None:
        """Remove a finished chunk, so that it is done again."""
        self.write({EntryKey.of(CHUNK, location, task_name(task), start): None})

    def forget_backfill(self, task: str) -> None:
        """Remove all chunks of a task."""
        name = task_name(task)
        self.write({key: None for key, _ in self._chunks() if key.name == name})

    def _chunks(self) -> list[tuple[EntryKey, tuple[int, float, str]]]:
        return self.read(lambda found: [(key, decode_chunk(data)) for key, data in found.items()], CHUNK)
