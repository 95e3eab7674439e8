"""Backfills that were begun, each with the chunks that are done. What is told of a chunk is the journal's own text."""

from ..intervals.model import LocationKey
from .database import Database

TABLES = """
CREATE TABLE backfill (id INTEGER PRIMARY KEY, task TEXT NOT NULL UNIQUE, touched REAL NOT NULL);
CREATE TABLE backfill_done (
    backfill INTEGER NOT NULL, portal TEXT NOT NULL, account TEXT NOT NULL, location TEXT NOT NULL,
    start INTEGER NOT NULL, end INTEGER NOT NULL, figures TEXT NOT NULL,
    PRIMARY KEY (backfill, portal, account, location, start)) WITHOUT ROWID;
"""


class BackfillTables(Database):
    """The part of the state that lets a backfill go on where it stopped."""

    def chunks_done(self, task: str) -> list[tuple[LocationKey, int, int, str]]:
        """The chunks of a task, each with its start, its end and its text."""
        rows = self.execute(
            "SELECT portal, account, location, start, end, figures FROM backfill_done"
            " JOIN backfill ON backfill.id = backfill WHERE task = :task ORDER BY portal, account, location, start",
            task=task,
        )
        return [(LocationKey(*row[:3]), *row[3:]) for row in rows]

    def begin_backfill(self, task: str, now: float, expired: float, *, anew: bool) -> None:
        """Make room for a task; forget what was done of it where to begin anew, and all that was last touched before.

        expired: the time before which a task is not believed any more.
        """
        self.execute(
            *_deletions("touched < :expired OR (:anew AND task = :task)"),
            "INSERT OR IGNORE INTO backfill (task, touched) VALUES (:task, :now)",
            task=task,
            now=now,
            expired=expired,
            anew=anew,
        )

    def note_chunk(self, task: str, now: float, chunk: tuple[LocationKey, int, int], text: str) -> None:
        """A chunk of a location, from its start to its end, is done."""
        key, start, end = chunk
        self.execute(
            "UPDATE backfill SET touched = :now WHERE task = :task",
            "REPLACE INTO backfill_done SELECT id, :portal, :account, :location, :start, :end, :text FROM backfill"
            " WHERE task = :task",
            task=task,
            now=now,
            start=start,
            end=end,
            text=text,
            **key.labels(),
        )

    def forget_chunk(self, task: str, key: LocationKey, start: int) -> None:
        """A chunk has to be done again."""
        self.execute(
            "DELETE FROM backfill_done WHERE portal = :portal AND account = :account AND location = :location"
            " AND start = :start AND backfill IN (SELECT id FROM backfill WHERE task = :task)",
            start=start,
            task=task,
            **key.labels(),
        )

    def forget_backfill(self, task: str) -> None:
        """All of a task is done."""
        self.execute(*_deletions("task = :task"), task=task)


def _deletions(which: str) -> tuple[str, str]:
    chunks = f"DELETE FROM backfill_done WHERE backfill IN (SELECT id FROM backfill WHERE {which})"  # noqa: S608
    return chunks, f"DELETE FROM backfill WHERE {which}"  # noqa: S608
