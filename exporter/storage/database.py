"""One SQLite file, in which every read and write is one transaction.

A damaged file is set aside. If the file cannot be used, the database lives in memory and is lost at exit.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from .lock_files import LockFiles

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")

_BUSY_SECONDS = 20.0


class Database:
    """A database in a file, or in memory if `path` is None.

    Safe to use from several threads. tables: The statements that create its tables.
    """

    def __init__(self, path: Path | None, tables: frozenset[str]) -> None:
        self._lock = threading.RLock()
        self._path = path
        self._tables = tables
        self._database = self._open()
        self._lock_files = LockFiles()
        self._seen_version = self._data_version()

    @property
    def is_kept(self) -> bool:
        """Whether the state survives a restart."""
        return self._path is not None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def changed_elsewhere(self) -> bool:
        """Return whether another process has written since the last call."""
        before, self._seen_version = self._seen_version, self._data_version()
        return self.is_kept and self._seen_version != before

    def run(self, action: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Read or write in one transaction.

        If the file fails, continue in memory: serving matters more.
        """
        with self._lock:
            try:
                return _in_transaction(self._database, action)
            except sqlite3.DatabaseError as error:
                if self._path is None:
                    raise
                self._give_up(error)
                self._move_to_memory()
                return self.run(action)

    def execute(self, *statements: str, **values: object) -> list[Any]:
        """Run statements in one transaction and return the rows of the last one."""
        return self.run(lambda database: [database.execute(each, values).fetchall() for each in statements][-1])

    def exclusive(self, name: str) -> AbstractContextManager[None]:
        """Hold a lock that all processes with this state share."""
        return self._lock_files.hold(name, self._path and self._path.parent)

    def _data_version(self) -> list[Any]:
        return self.execute("PRAGMA data_version")

    def _open(self) -> sqlite3.Connection:
        if self._path is not None:
            try:
                return self._open_file(self._path)
            except (OSError, sqlite3.Error) as error:
                self._give_up(error)
        return self._connect(":memory:")

    def _open_file(self, path: Path) -> sqlite3.Connection:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            log.info("starting fresh: no saved state in %s", path.parent)
            path.touch(mode=0o600)
        try:
            return self._connect(path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
            aside = path.rename(path.with_name(f"{path.name}.damaged-{stamp}"))
            with suppress(FileNotFoundError):
                Path(f"{path}-journal").rename(f"{aside}-journal")
            log.warning("the state file %s is damaged; renamed it to %s and starting fresh", path, aside.name)
            path.touch(mode=0o600)
            return self._connect(path)

    def _connect(self, path: Path | str) -> sqlite3.Connection:
        """Open a database and create what is missing in it.

        Raises sqlite3.DatabaseError if it is damaged or not one of ours.
        """
        database = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA cache_size = -256")
            _in_transaction(database, self._prepare)
        except BaseException:
            database.close()
            raise
        return database

    def _prepare(self, database: sqlite3.Connection) -> None:
        if database.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("damaged")
        tables = {row[0] for row in database.execute("SELECT sql FROM sqlite_master WHERE type = 'table'")}
        if tables - self._tables:
            raise sqlite3.DatabaseError("unknown tables")
        for statement in sorted(self._tables - tables):  # a new file, or one of a version with fewer tables
            database.execute(statement)

    def _give_up(self, error: Exception) -> None:
        log.warning(
            "cannot save the state in %s (%s), so a restart will start fresh, without rejected sign-ins, corrections"
            " and backfill progress; set --state.dir to a writable directory",
            self._path and self._path.parent,
            getattr(error, "strerror", error),
        )
        self._path = None

    def _move_to_memory(self) -> None:
        """Continue in memory with the content of the file, or empty if it cannot be read."""
        copy = self._connect(":memory:")
        with suppress(sqlite3.Error), closing(self._database) as file:
            file.backup(copy)
        self._database = copy


def _in_transaction(database: sqlite3.Connection, action: Callable[[sqlite3.Connection], _Result]) -> _Result:
    with database:
        database.execute("BEGIN IMMEDIATE")
        return action(database)
