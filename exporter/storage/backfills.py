"""Finished chunks of backfills in progress, and snapshots of databases that are left to delete."""

from ..intervals.model import LocationKey
from .database import Database
from .entries import CHUNK, EntryKey, decode_chunk, encode_chunk, task_name

_SNAPSHOT = "database_snapshot"
_FAILED = "database_snapshot_failed"


class BackfillEntries(Database):
    """The part of the state that lets a backfill resume."""

    def chunks_done(self, task: str) -> list[tuple[LocationKey, int, int, str]]:
        """Return the finished chunks of a task: location, start, end and text of each."""
        name = task_name(task)
        return [(key.location_key, key.start, end, text) for key, (end, _, text) in self._chunks() if key.name == name]

    def begin_backfill(self, task: str, expired: float, *, restart: bool) -> None:
        """Drop what was noted of all tasks before `expired`.

        restart: Everything that was noted of this task is dropped too.
        """
        name = task_name(task)
        self.write({key: None for key, at in self._noted() if at < expired or (restart and key.name == name)})

    def note_chunk(self, task: str, now: float, chunk: tuple[LocationKey, int, int], text: str) -> None:
        """Record a chunk, given as location, start and end, as finished."""
        location, start, end = chunk
        self.write({EntryKey.of(CHUNK, location, task_name(task), start): encode_chunk(end, now, text)})

    def forget_chunk(self, task: str, location: LocationKey, start: int) -> None:
        """Remove a finished chunk, so that it is done again."""
        self.write({EntryKey.of(CHUNK, location, task_name(task), start): None})

    def forget_backfill(self, task: str) -> None:
        """Remove everything that was noted of a task."""
        name = task_name(task)
        self.write({key: None for key, _ in self._noted() if key.name == name})

    def snapshots_left(self, database: str) -> list[str]:
        """Return the names of the snapshots of a database that are not deleted."""
        return self.read(lambda found: [key.name for key in found if key.account == database], _SNAPSHOT)

    def note_snapshot(self, database: str, name: str) -> None:
        """Note a snapshot that has to be deleted."""
        self.write({EntryKey(_SNAPSHOT, "", database, "", name): b""})

    def forget_snapshot(self, database: str, name: str) -> None:
        """Forget a snapshot that is deleted."""
        self.write({EntryKey(_SNAPSHOT, "", database, "", name): None})

    def snapshots_fail(self, task: str) -> bool:
        """Return whether a run of a task could not make a snapshot."""
        return task_name(task) in self.read(lambda found: [key.name for key in found], _FAILED)

    def note_snapshot_failure(self, task: str, now: float) -> None:
        """Note that a run of a task could not make a snapshot."""
        self.write({EntryKey(_FAILED, "", "", "", task_name(task), int(now)): b""})

    def _noted(self) -> list[tuple[EntryKey, float]]:
        """Return everything that is noted of tasks, and when."""
        chunks = [(key, at) for key, (_, at, _) in self._chunks()]
        return chunks + self.read(lambda found: [(key, float(key.start)) for key in found], _FAILED)

    def _chunks(self) -> list[tuple[EntryKey, tuple[int, float, str]]]:
        return self.read(lambda found: [(key, decode_chunk(data)) for key, data in found.items()], CHUNK)
