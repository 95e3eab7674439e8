"""What outlives a restart: one SQLite file with intervals of 35 days, refused sign-ins, days to do, backfills begun.

Every write is one transaction. Where the file cannot be used the same database lives in memory and is lost at the end.
"""

import fcntl
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from ..intervals.model import Interval, Location, LocationKey
from .rows import drop_interval, forget_before, forget_meters, read_locations, save_intervals, save_meter

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")

FILE = "state.db"
_BUSY_SECONDS = 20.0
_KEPT_UNREAD = 30 * 86400
_SCHEMA = """
CREATE TABLE location (
    portal TEXT NOT NULL, account TEXT NOT NULL, location TEXT NOT NULL, name TEXT NOT NULL, timezone TEXT NOT NULL,
    PRIMARY KEY (portal, account, location)) WITHOUT ROWID;
CREATE TABLE meter (
    id INTEGER PRIMARY KEY, portal TEXT NOT NULL, account TEXT NOT NULL, location TEXT NOT NULL, number TEXT NOT NULL,
    flows TEXT NOT NULL, parent INTEGER NOT NULL, net INTEGER NOT NULL, exports INTEGER NOT NULL,
    signed INTEGER NOT NULL, step INTEGER NOT NULL, UNIQUE (portal, account, location, number));
CREATE TABLE interval (
    meter INTEGER NOT NULL, whole_day INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL,
    usage REAL, usage_k INTEGER NOT NULL, export REAL, export_k INTEGER NOT NULL, cost REAL, cost_k INTEGER NOT NULL,
    PRIMARY KEY (meter, whole_day, start)) WITHOUT ROWID;
CREATE TABLE period (
    meter INTEGER NOT NULL, start INTEGER NOT NULL, name TEXT NOT NULL, kwh REAL NOT NULL, k INTEGER NOT NULL,
    PRIMARY KEY (meter, start, name)) WITHOUT ROWID;
CREATE TABLE refused_sign_ins (
    login TEXT NOT NULL, fingerprint TEXT NOT NULL, count INTEGER NOT NULL, last REAL NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (login, fingerprint)) WITHOUT ROWID;
CREATE TABLE backfill_needed (
    portal TEXT NOT NULL, account TEXT NOT NULL, location TEXT NOT NULL, day INTEGER NOT NULL,
    PRIMARY KEY (portal, account, location, day)) WITHOUT ROWID;
CREATE TABLE backfill (id INTEGER PRIMARY KEY, task TEXT NOT NULL UNIQUE, touched REAL NOT NULL);
CREATE TABLE backfill_done (
    backfill INTEGER NOT NULL, portal TEXT NOT NULL, account TEXT NOT NULL, location TEXT NOT NULL,
    start INTEGER NOT NULL, end INTEGER NOT NULL, figures TEXT NOT NULL,
    PRIMARY KEY (backfill, portal, account, location, start)) WITHOUT ROWID;
"""
_TABLES = tuple(statement.strip() for statement in _SCHEMA.split(";") if statement.strip())


@dataclass(frozen=True, slots=True)
class RejectedSignIns:
    """How often in a row a login was refused with one and the same configuration."""

    count: int
    last: float
    reason: str


class StateFile:
    """The state of one folder, or of nothing (None): in memory. Safe to use from several threads."""

    def __init__(self, folder: Path | None) -> None:
        self._lock = threading.Lock()
        self._path = folder / FILE if folder else None
        self._database = self._open()
        self._names: dict[str, threading.Lock] = {}
        self._seen_version = self.run(_data_version)

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
        version = self.run(_data_version)
        changed = self.is_kept and version != self._seen_version
        self._seen_version = version
        return changed

    # -- intervals

    def locations(self, wanted: Callable[[LocationKey], bool] = lambda _: True) -> list[Location]:
        """Everything that is stored of the wanted locations."""
        return self.run(lambda database: read_locations(database, wanted))

    def save(
        self,
        location: Location,
        changed: Iterable[tuple[str, Iterable[Interval], Iterable[Interval]]],
        needed_days: Iterable[int],
        keep_from: int,
        dropped: Iterable[tuple[str, int]] = (),
    ) -> None:
        """Write what a refresh of a location changed, all or nothing.

        changed: for each meter number the changed intervals and days. needed_days: starts of local days that only a
        backfill can bring to the databases now. keep_from: what ended before it is forgotten. dropped: meter number
        and start of intervals that are no more.
        """
        key = (location.key.portal, location.key.account, location.key.location)
        rows = [(number, list(intervals), list(days)) for number, intervals, days in changed]
        gone = list(dropped)
        days_to_do = [(*key, day) for day in needed_days]

        def write(database: sqlite3.Connection) -> None:
            database.execute("REPLACE INTO location VALUES (?,?,?,?,?)", (*key, location.name, location.timezone))
            identifiers = {meter.info.number: save_meter(database, key, meter.info) for meter in location.meters}
            for number, start in gone:
                drop_interval(database, identifiers[number], start)
            for number, intervals, days in rows:
                save_intervals(database, identifiers[number], intervals, whole_day=False)
                save_intervals(database, identifiers[number], days, whole_day=True)
            forget_meters(database, key, identifiers)
            database.executemany("INSERT OR IGNORE INTO backfill_needed VALUES (?,?,?,?)", days_to_do)
            for identifier in identifiers.values():
                forget_before(database, "meter = ? AND", keep_from, identifier)
            # Of locations that nobody reads any more.
            forget_before(database, "", keep_from - _KEPT_UNREAD)

        self.run(write)

    def forget(self, key: LocationKey) -> None:
        """Forget all that is stored of a location."""

        def write(database: sqlite3.Connection) -> None:
            names = (key.portal, key.account, key.location)
            forget_meters(database, names, {})
            for table in ("location", "backfill_needed"):
                database.execute(f"DELETE FROM {table} WHERE portal = ? AND account = ? AND location = ?", names)  # noqa: S608

        self.run(write)

    # -- days that only a backfill can bring to the databases

    def backfill_needed(self) -> dict[LocationKey, int]:
        """The start of the oldest such day of each location that has one."""
        query = "SELECT portal, account, location, min(day) FROM backfill_needed GROUP BY portal, account, location"
        rows = self.run(lambda database: database.execute(query).fetchall())
        return {LocationKey(*row[:3]): row[3] for row in rows}

    def backfilled(self, key: LocationKey, start: int, end: int) -> None:
        """The databases have now got the days of a location that begin in [start, end)."""
        place = "portal = ? AND account = ? AND location = ?"
        query = f"DELETE FROM backfill_needed WHERE {place} AND day >= ? AND day < ?"  # noqa: S608 - our own words
        self.run(lambda database: database.execute(query, (key.portal, key.account, key.location, start, end)))

    # -- refused sign-ins

    def has_rejected_sign_ins(self, login: str) -> bool:
        """Whether any configuration of this login was refused since it was last accepted."""
        query = "SELECT 1 FROM refused_sign_ins WHERE login = ? LIMIT 1"
        return bool(self.run(lambda database: database.execute(query, (login,)).fetchone()))

    def rejected_sign_ins(self, login: str, fingerprint: str) -> RejectedSignIns | None:
        """What is remembered of a login with one configuration, None where it was not refused."""
        query = "SELECT count, last, reason FROM refused_sign_ins WHERE login = ? AND fingerprint = ?"
        row = self.run(lambda database: database.execute(query, (login, fingerprint)).fetchone())
        return RejectedSignIns(*row) if row else None

    def all_rejected_sign_ins(self, login: str) -> RejectedSignIns | None:
        """The same over all configurations of a login together."""
        query = "SELECT sum(count), max(last), reason FROM refused_sign_ins WHERE login = ? GROUP BY login"
        row = self.run(lambda database: database.execute(query, (login,)).fetchone())
        return RejectedSignIns(*row) if row else None

    def count_rejected_sign_in(self, login: str, fingerprint: str, now: float, reason: str) -> None:
        """Count one more for this configuration; others of the same login keep their own counts."""
        self.run(
            lambda database: database.execute(
                "INSERT INTO refused_sign_ins VALUES (?1, ?2, 1, ?3, ?4) ON CONFLICT (login, fingerprint) DO UPDATE"
                " SET count = count + 1, last = ?3, reason = ?4",
                (login, fingerprint, now, reason),
            )
        )

    def forget_rejected_sign_ins(self, login: str) -> None:
        """The login was accepted."""
        if self.has_rejected_sign_ins(login):
            self.run(lambda database: database.execute("DELETE FROM refused_sign_ins WHERE login = ?", (login,)))

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

    # -- the file

    def _open(self) -> sqlite3.Connection:
        if self._path is None:
            return _connect(":memory:")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self._path.exists():
                log.info("there is no state in %s yet, starting without it", self._path.parent)
                self._path.touch(mode=0o600)
            try:
                return _connect(str(self._path))
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                self._set_aside()
                self._path.touch(mode=0o600)
                return _connect(str(self._path))
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)
            return _connect(":memory:")

    def _set_aside(self) -> None:
        assert self._path is not None
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        aside = self._path.with_name(f"{FILE}.damaged-{stamp}")
        self._path.rename(aside)
        journal = self._path.with_name(f"{FILE}-journal")
        if journal.exists():
            journal.rename(aside.with_name(f"{aside.name}-journal"))
        log.warning("the state in %s is damaged: set aside as %s, starting without it", self._path, aside.name)

    def _give_up(self, error: Exception) -> None:
        log.warning(
            "the state cannot be kept in %s (%s): after a restart the exporter starts empty and has forgotten refused"
            " sign-ins, corrections and what a backfill did; give it a folder that it may write to with --state.dir",
            self._path and self._path.parent,
            error.strerror if isinstance(error, OSError) else error,
        )
        self._path = None

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
                self._database = _in_memory(self._database)
                with _transaction(self._database):
                    return action(self._database)


def _data_version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA data_version").fetchone()[0])


def _connect(path: str) -> sqlite3.Connection:
    """Open a database. Raises sqlite3.DatabaseError where it is damaged or not one of ours."""
    database = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA cache_size = -256")
        with _transaction(database):
            _prepare(database)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection) -> None:
    if database.execute("PRAGMA quick_check").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("damaged")
    tables = {row[0] for row in database.execute("SELECT sql FROM sqlite_master WHERE type = 'table'")}
    if not tables <= set(_TABLES):
        raise sqlite3.DatabaseError("not one of this version")
    for statement in _TABLES:
        if statement not in tables:  # new, or of a version that had fewer of them
            database.execute(statement)


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


def _in_memory(database: sqlite3.Connection) -> sqlite3.Connection:
    """The same content without the file; empty where not even reading works any more."""
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        database.backup(copy)
    except sqlite3.Error:
        copy.close()
        copy = _connect(":memory:")
    database.close()
    return copy
