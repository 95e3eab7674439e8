"""One SQLite file of checksummed entries, written whenever the file allows it.

What cannot be written now, because the file is locked or read-only or the disk is full, stays in memory, is read from
there, and is written as soon as possible. A damaged file, or one of a newer version, is set aside for a fresh one.
"""

import errno
import logging
import os
import sqlite3
import stat
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from heapq import merge
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

from ..intervals.model import LocationKey
from .entries import Changes, EntryKey
from .old_format import OLD_TABLES, converted
from .owners import create

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")
_Row = Sequence[Any]
"""A key, its data and its checksum."""

_FORMAT = 2
_KEY = "kind, portal, account, location, name, start"
_TABLE = (
    "CREATE TABLE entry (kind TEXT NOT NULL, portal TEXT NOT NULL, account TEXT NOT NULL, location TEXT NOT NULL,"
    f" name TEXT NOT NULL, start INTEGER NOT NULL, data BLOB NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY ({_KEY}))"
)
_LOCATION = itemgetter(1, 2, 3)  # the columns of a row that name its location
# Bytes 18 and 19 of the file. With other values, SQLite would open it read-only or start a log beside it.
_WRITTEN_WITH = b"\1\1"
_BUSY_MS = 2000
_OCCUPIED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL}
_INACCESSIBLE = {sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}


class _NewerFormatError(Exception):
    """The file was written by a newer version."""


class Database:
    """Entries in a file, or in memory if `path` is None.

    Safe to use from several threads. problem: Why the file cannot be written now; empty if it can.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.RLock()
        self._path = path
        self._file: sqlite3.Connection | None = None
        self._inode: tuple[int, ...] = ()
        self._left: tuple[int, ...] = ()
        self._loads = 0
        self._seen: tuple[int, int] | None = None
        self._pending: Changes = {}
        self.problem = ""
        self._flush()
        self._seen = self._version()

    @property
    def is_kept(self) -> bool:
        """Whether everything survives a restart."""
        return self._path is not None and not self.problem

    def close(self) -> None:
        """Close the file. From then on, changes are in memory only."""
        with self._lock:
            if self._pending:
                self._flush()
            self._disconnect()
            self._path = None

    def changed_elsewhere(self) -> bool:
        """Return whether the file holds other entries than before, except for own writes.

        What is pending is written, if possible.
        """
        with self._lock:
            if self._pending or self.problem:
                self._flush()
            version = self._version()
            if version in (None, self._seen):
                return False
            self._seen = version
            return True

    def read(
        self, parse: Callable[[dict[EntryKey, bytes]], _Result], *kinds: str, of: LocationKey | None = None
    ) -> _Result:
        """Return what `parse` makes of the entries of these kinds, sorted by key.

        If it raises any exception, the file counts as damaged. of: Only the entries of this location.
        """
        changed = {
            key: data for key, data in self._pending.items() if key.kind in kinds and of in (None, key.location_key)
        }
        return self._read(lambda file: parse(_current(_rows(file, kinds, of), changed)))

    def read_by_location(
        self, parse: Callable[[dict[EntryKey, bytes]], _Result], *kinds: str, wanted: Callable[[LocationKey], bool]
    ) -> list[_Result]:
        """Return what `parse` makes of the entries of each wanted location, in one pass over the file.

        If it raises any exception, the file counts as damaged.
        """

        def parsed(file: sqlite3.Connection | None) -> Iterator[_Result]:
            changed: defaultdict[LocationKey, Changes] = defaultdict(dict)
            for key, data in self._pending.items():
                if key.kind in kinds:
                    changed[key.location_key][key] = data
            in_order = merge(*(_rows(file, [kind]) for kind in kinds), key=_LOCATION)
            for names, rows in groupby(in_order, _LOCATION):
                location = LocationKey(*names)
                own = changed.pop(location, {})
                if wanted(location):
                    yield parse(_current(rows, own))
            yield from (parse(_current((), own)) for location, own in changed.items() if wanted(location))

        return self._read(lambda file: list(parsed(file)))

    def _read(self, action: Callable[[sqlite3.Connection | None], _Result]) -> _Result:
        """Return the result of an action, which gets no file if it cannot be read now."""
        with self._lock:
            found = self._on_file(lambda file: (action(file),))
            if found is None:
                self._seen = None  # so that it is loaded as soon as it can be
                return action(None)
            return found[0]

    def keys_before(self, kind: str, start: int) -> list[EntryKey]:
        """Return the keys of the stored entries of a kind that start before `start`."""
        statement = f"SELECT {_KEY} FROM entry WHERE kind = ? AND start < ?"  # noqa: S608 - here and below: no values
        with self._lock:
            rows = self._on_file(lambda file: _is_created(file) and file.execute(statement, (kind, start)).fetchall())
            return [EntryKey(*row) for row in rows or ()]

    def write(self, changes: Changes) -> None:
        """Replace entries, and delete those that are None: all or nothing, now or as soon as possible."""
        for key in changes:
            "".join(key[:-1]).encode()  # text that SQLite cannot store must not look like a damaged file
        with self._lock:
            self._pending.update(changes)
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            if self._on_file(self._write):
                self._pending.clear()
                if self.problem:
                    log.info("the state in %s is saved again", self._path and self._path.parent)
                self.problem = ""

    def _write(self, file: sqlite3.Connection) -> bool:
        with file:
            file.execute("BEGIN IMMEDIATE")
            if not _is_created(file):
                drops = [f"DROP TABLE IF EXISTS {name}" for name in OLD_TABLES]
                for statement in (*drops, _TABLE, f"PRAGMA user_version = {_FORMAT}"):
                    file.execute(statement)
            file.executemany(
                "REPLACE INTO entry VALUES (?,?,?,?,?,?,?,?)",
                [(*key, data, _checksum(key, data)) for key, data in self._pending.items() if data is not None],
            )
            file.executemany(
                f"DELETE FROM entry WHERE ({_KEY}) = (?,?,?,?,?,?)",  # noqa: S608
                [key for key, data in self._pending.items() if data is None],
            )
        return True

    def _version(self) -> tuple[int, int] | None:
        """Return what changes with each write of another process; None if the file cannot be read."""
        return self._on_file(lambda file: (self._loads, _pragma(file, "data_version")))

    # -- the file

    def _on_file(self, action: Callable[[sqlite3.Connection], _Result]) -> _Result | None:
        """Return the result of an action; None if the file cannot be used now."""
        if self._path is None:
            return None
        try:
            try:
                return action(self._connected(self._path))
            except Exception as error:
                if isinstance(error, OSError | MemoryError) or _code(error) in _OCCUPIED | _INACCESSIBLE:
                    raise
                self._set_aside(self._path, "newer" if isinstance(error, _NewerFormatError) else "damaged")
                return action(self._connected(self._path))
        except (OSError, sqlite3.Error) as error:
            if _code(error) not in _OCCUPIED:
                self._disconnect()
            reason = getattr(error, "strerror", None) or str(error)
            if not self.problem:
                log.warning(
                    "cannot save the state in %s (%s), will retry; until then a restart loses the latest changes. Check"
                    " that the directory is writable and the disk has space",
                    self._path.parent,
                    reason,
                )
            self.problem = reason
            return None

    def _connected(self, path: Path) -> sqlite3.Connection:
        """Return the connection to the file, which may have been deleted or replaced."""
        if self._file is None or self._inode != _signature(path)[:1]:
            self._disconnect()
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not os.path.lexists(path):
                os.close(create(path))
                log.info("starting fresh: no saved state in %s", path.parent)
            elif not _leads_to_file(path):
                self._inode = _signature(path)[:1]
                raise sqlite3.DatabaseError("not a regular file")
            self._file = self._connect(path)
        # While there is a problem, nothing waits for a lock, because every change is another attempt.
        self._file.execute(f"PRAGMA busy_timeout = {0 if self.problem else _BUSY_MS}")
        return self._file

    def _connect(self, path: Path) -> sqlite3.Connection:
        signature = _signature(path)
        self._inode = signature[:1]
        wait = 0.0 if self.problem else _BUSY_MS / 1000
        file = sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=False)
        try:
            file.execute("PRAGMA cache_size = -256")
            if signature != self._left:
                self._examine(file, path)
                self._loads += 1
            elif self._seen:
                self._seen = self._loads, _pragma(file, "data_version")
        except BaseException:
            file.close()
            raise
        return file

    def _examine(self, file: sqlite3.Connection, path: Path) -> None:
        """Raise an exception if the file is not what this version writes; convert what an earlier one wrote."""
        with path.open("rb") as content:
            written_with = content.read(20)[18:]
        version = _pragma(file, "user_version")
        if version > _FORMAT:
            raise _NewerFormatError
        tables = {sql for (sql,) in file.execute("SELECT sql FROM sqlite_master WHERE name = 'entry'")}
        if written_with not in (b"", _WRITTEN_WITH) or tables != ({_TABLE} if version == _FORMAT else set()):
            raise sqlite3.DatabaseError("unknown format")
        if file.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("damaged")
        if version < _FORMAT:
            self._pending = {**converted(file), **self._pending}

    def _disconnect(self) -> None:
        """Close the file, and note whether all of it was seen."""
        if self._file and self._path:
            signature = _signature(self._path)
            with suppress(sqlite3.Error):
                seen = self._loads, _pragma(self._file, "data_version")
                self._left = signature if seen == self._seen else ()
            self._file.close()
            self._file = None

    def _set_aside(self, path: Path, why: str) -> None:
        """Rename the file, unless another process already did."""
        self._disconnect()
        if self._inode != _signature(path)[:1]:
            return
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        aside = path.with_name(f"{path.name}.{why}-{stamp}")
        # First, because SQLite would apply the journal to any file that has the old name.
        with suppress(FileNotFoundError):
            Path(f"{path}-journal").rename(f"{aside}-journal")
        path.rename(aside)
        reason = "was written by a newer version" if why == "newer" else "is damaged"
        log.warning("the state file %s %s; renamed it to %s and starting fresh", path, reason, aside.name)


def _rows(file: sqlite3.Connection | None, kinds: Iterable[str], of: LocationKey | None = None) -> Iterator[_Row]:
    """Return the entries of each kind, sorted by key."""
    if file is None or not _is_created(file):
        return iter(())
    values = of.labels() if of else {}
    where = "".join(f" AND {name} = :{name}" for name in values)
    statement = f"SELECT * FROM entry WHERE kind = :kind{where} ORDER BY {_KEY}"  # noqa: S608
    return chain.from_iterable(file.execute(statement, {**values, "kind": kind}) for kind in kinds)


def _current(rows: Iterable[_Row], changed: Changes) -> dict[EntryKey, bytes]:
    """Return entries with their changes, sorted by key."""
    entries: Changes = {}
    for *names, data, checksum in rows:
        key = EntryKey(*names)
        if checksum != _checksum(key, data):
            raise ValueError("wrong checksum")
        entries[key] = data
    entries.update(changed)
    return {key: data for key, data in sorted(entries.items()) if data is not None}


def _checksum(key: EntryKey, data: bytes) -> int:
    return crc32(data, crc32(repr(tuple(key)).encode()))


def _pragma(file: sqlite3.Connection, name: str) -> int:
    ((value,),) = file.execute(f"PRAGMA {name}")
    assert isinstance(value, int)
    return value


def _is_created(file: sqlite3.Connection) -> bool:
    """Whether the file has entries, and is neither empty nor of an earlier version."""
    return _pragma(file, "user_version") == _FORMAT


def _signature(path: Path) -> tuple[int, ...]:
    """Return what changes when a file is replaced, first, or written; empty if it cannot be reached."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _leads_to_file(path: Path) -> bool:
    """Whether this is a regular file or a link to one. Raises OSError if it cannot be reached."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return False
        raise


def _code(error: Exception) -> int:
    """Return the primary result code of SQLite; 0 for another error."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
