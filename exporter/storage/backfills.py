"""Backfills in progress and their finished chunks."""

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
    """The part of the state that lets a backfill resume."""

    def chunks_done(self, task: str) -> list[tuple[LocationKey, int, int, str]]:
        """Return the finished chunks of a task: location, start, end and text of each."""
        rows = self.execute(
            "SELECT portal, account, location, start, end, figures FROM backfill_done"
            " JOIN backfill ON backfill.id = backfill WHERE task = :task ORDER BY portal, account, location, start",
            task=task,
        )
        return [(LocationKey(*row[:3]), *row[3:]) for row in rows]

    def begin_backfill(self, task: str, now: float, expired: float, *, restart: bool) -> None:
        """Register a task and drop expired ones.

        expired: Tasks that were last written before this time are dropped, with their chunks.
        restart: Earlier chunks of this task are dropped too.
        """
        self.execute(
            *_deletions("touched < :expired OR (:restart AND task = :task)"),
            "INSERT OR IGNORE INTO backfill (task, touched) VALUES (:task, :now)",
            task=task,
            now=now,
            expired=expired,
            restart=restart,
        )

    def note_chunk(self, task: str, now: float, chunk: tuple[LocationKey, int, int], text: str) -> None:
        """Record a chunk, given as location, start and end, as finished."""
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
        """Remove a finished chunk, so that it is done again."""
        self.execute(
            "DELETE FROM backfill_done WHERE portal = :portal AND account = :account AND location = :location"
            " AND start = :start AND backfill IN (SELECT id FROM backfill WHERE task = :task)",
            start=start,
            task=task,
            **key.labels(),
        )

    def forget_backfill(self, task: str) -> None:
        """Remove a task with its chunks."""
        self.execute(*_deletions("task = :task"), task=task)


def _deletions(which: str) -> tuple[str, str]:
    chunks = f"DELETE FROM backfill_done WHERE backfill IN (SELECT id FROM backfill WHERE {which})"  # noqa: S608
    return chunks, f"DELETE FROM backfill WHERE {which}"  # noqa: S608
