"""One SQLite file: opened, or set aside where it is damaged; every read and write is one transaction.

Where the file cannot be used the same database lives in memory and is lost at the end.
"""

import fcntl
import logging
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")

_BUSY_SECONDS = 20.0


class Database:
    """A file of these tables, or a database in memory (None). Safe to use from several threads."""

    def __init__(self, path: Path | None, tables: Collection[str]) -> None:
        self._lock = threading.Lock()
        self._path = path
        self._tables = tables
        self._database = self._open()
        self._names: dict[str, threading.Lock] = {}
        self._seen_version = self._data_version()

    @property
    def is_kept(self) -> bool:
        """Whether the state outlives the program."""
        return self._path is not None

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._database.close()

    def changed_elsewhere(self) -> bool:
        """Whether another process has written since this was last asked."""
        version = self._data_version()
        changed = self.is_kept and version != self._seen_version
        self._seen_version = version
        return changed

    def run(self, action: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Read or write in one transaction. Where the file fails, go on in memory: serving is worth more."""
        with self._lock:
            try:
                with _transaction(self._database):
                    return action(self._database)
            except sqlite3.DatabaseError as error:
                if self._path is None:
                    raise
                self._give_up(error)
                self._database = self._moved_to_memory()
                with _transaction(self._database):
                    return action(self._database)

    def execute(self, statement: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[Any]:
        """Run one statement in a transaction of its own and give its rows."""
        return self.run(lambda database: database.execute(statement, values).fetchall())

    @contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Hold a lock that one holder at a time can have, among all processes on this state; freed when one dies."""
        with self._lock:
            lock = self._names.setdefault(name, threading.Lock())
            path = self._path
        with lock, ExitStack() as stack:
            if path is not None:
                try:
                    file = stack.enter_context(path.with_name(f"{name}.lock").open("w"))
                    fcntl.flock(file, fcntl.LOCK_EX)
                except OSError as error:
                    log.warning("cannot lock %s in %s (%s)", name, path.parent, error.strerror)
            yield

    def _data_version(self) -> int:
        return int(self.execute("PRAGMA data_version")[0][0])

    def _open(self) -> sqlite3.Connection:
        if self._path is None:
            return self._connect(":memory:")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self._path.exists():
                log.info("there is no state in %s yet, starting without it", self._path.parent)
                self._path.touch(mode=0o600)
            try:
                return self._connect(self._path)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                _set_aside(self._path)
                self._path.touch(mode=0o600)
                return self._connect(self._path)
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)
            return self._connect(":memory:")

    def _connect(self, path: Path | str) -> sqlite3.Connection:
        """Open a database. Raises sqlite3.DatabaseError where it is damaged or not one of ours."""
        database = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA cache_size = -256")
            with _transaction(database):
                self._prepare(database)
        except BaseException:
            database.close()
            raise
        return database

    def _prepare(self, database: sqlite3.Connection) -> None:
        if database.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("damaged")
        tables = {row[0] for row in database.execute("SELECT sql FROM sqlite_master WHERE type = 'table'")}
        if not tables.issubset(self._tables):
            raise sqlite3.DatabaseError("not one of this version")
        for statement in self._tables:
            if statement not in tables:  # new, or of a version that had fewer of them
                database.execute(statement)

    def _give_up(self, error: Exception) -> None:
        log.warning(
            "the state cannot be kept in %s (%s): after a restart the exporter starts empty and has forgotten refused"
            " sign-ins, corrections and what a backfill did; give it a folder that it may write to with --state.dir",
            self._path and self._path.parent,
            error.strerror if isinstance(error, OSError) else error,
        )
        self._path = None

    def _moved_to_memory(self) -> sqlite3.Connection:
        """The same content without the file; empty where not even reading works any more."""
        copy = self._connect(":memory:")
        with suppress(sqlite3.Error):
            self._database.backup(copy)
        self._database.close()
        return copy


def _set_aside(path: Path) -> None:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    path.rename(aside)
    journal = path.with_name(f"{path.name}-journal")
    if journal.exists():
        journal.rename(aside.with_name(f"{aside.name}-journal"))
    log.warning("the state in %s is damaged: set aside as %s, starting without it", path, aside.name)


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
