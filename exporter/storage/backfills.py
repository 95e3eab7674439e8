"""Backfills that were begun, each with the chunks that are done. What is told of a chunk is the journal's own text."""

import sqlite3
from collections.abc import Mapping

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
            " JOIN backfill ON backfill.id = backfill WHERE task = ? ORDER BY portal, account, location, start",
            (task,),
        )
        return [(LocationKey(*row[:3]), *row[3:]) for row in rows]

    def begin_backfill(self, task: str, now: float, expired: float, *, anew: bool) -> None:
        """Make room for a task; forget what was done of it where to begin anew, and all that was last touched before.

        expired: the time before which a task is not believed any more.
        """
        values = {"task": task, "now": now, "expired": expired, "anew": anew}

        def begin(database: sqlite3.Connection) -> None:
            _delete(database, "touched < :expired OR (:anew AND task = :task)", values)
            database.execute("INSERT OR IGNORE INTO backfill (task, touched) VALUES (:task, :now)", values)

        self.run(begin)

    def note_chunk(self, task: str, now: float, chunk: tuple[LocationKey, int, int], text: str) -> None:
        """A chunk of a location, from its start to its end, is done."""
        key, start, end = chunk
        values = {"task": task, "now": now, **key.labels(), "start": start, "end": end, "text": text}

        def note(database: sqlite3.Connection) -> None:
            database.execute("UPDATE backfill SET touched = :now WHERE task = :task", values)
            database.execute(
                "REPLACE INTO backfill_done SELECT id, :portal, :account, :location, :start, :end, :text FROM backfill"
                " WHERE task = :task",
                values,
            )

        self.run(note)

    def forget_chunk(self, task: str, key: LocationKey, start: int) -> None:
        """A chunk has to be done again."""
        self.execute(
            "DELETE FROM backfill_done WHERE portal = :portal AND account = :account AND location = :location"
            " AND start = :start AND backfill IN (SELECT id FROM backfill WHERE task = :task)",
            {**key.labels(), "start": start, "task": task},
        )

    def forget_backfill(self, task: str) -> None:
        """All of a task is done."""
        self.run(lambda database: _delete(database, "task = :task", {"task": task}))


def _delete(database: sqlite3.Connection, which: str, values: Mapping[str, object]) -> None:
    tasks = f"SELECT id FROM backfill WHERE {which}"  # noqa: S608 - conditions of our own
    database.execute(f"DELETE FROM backfill_done WHERE backfill IN ({tasks})", values)  # noqa: S608
    database.execute(f"DELETE FROM backfill WHERE {which}", values)  # noqa: S608
