"""Proof by a snapshot that a killed database can no longer lose what was written."""

from collections.abc import Callable
from hashlib import blake2b

from ..errors import DatabaseError
from ..sinks.base import Sink
from ..storage.state import StateFile
from .journal import Journal


def destination_of(sink: Sink) -> str:
    """Return what identifies a destination; only a digest, since a URL may hold a secret."""
    return blake2b(sink.identity.encode(), digest_size=8).hexdigest()


class Durability:
    """Makes snapshots of a sink, and deletes them.

    A snapshot is noted in the state as soon as it has a name, so that the next run deletes it if this one is killed.
    After a failed one, neither this run nor those that resume it try again. `announce` is called with the reason.
    """

    def __init__(self, sink: Sink, state: StateFile, journal: Journal | None, announce: Callable[[str], None]) -> None:
        self._sink = sink
        self._state = state
        self._journal = journal
        self._announce = announce
        self._destination = destination_of(sink)

    def prove(self) -> bool:
        """Return whether everything that was written, and was not lost since, is on disk."""
        if self._journal is None or self._journal.snapshots_fail:
            return False
        try:
            name = self._sink.make_snapshot()
        except DatabaseError as error:
            self._journal.note_snapshot_failure()
            self._announce(f"could not make a snapshot, waiting instead: {error}")
            return False
        if not name:
            return False
        self._state.note_snapshot(self._destination, name)
        self.delete_left()
        return True

    def delete_left(self) -> None:
        """Delete the snapshots that this run or an earlier one has made; what fails is left to the next run."""
        for name in self._state.snapshots_left(self._destination):
            try:
                self._sink.delete_snapshot(name)
            except DatabaseError:
                return
            self._state.forget_snapshot(self._destination, name)
