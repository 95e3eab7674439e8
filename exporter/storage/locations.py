"""Stored locations with their meters and intervals, and days to backfill."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict
from operator import attrgetter

from ..intervals.model import Interval, Location, LocationKey, Meter, MeterInfo
from ..intervals.samples import VERSIONS
from ..intervals.updates import MeterUpdate
from .database import Database

TABLES = """
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
CREATE TABLE backfill_needed (
    portal TEXT NOT NULL, account TEXT NOT NULL, location TEXT NOT NULL, day INTEGER NOT NULL,
    PRIMARY KEY (portal, account, location, day)) WITHOUT ROWID;
"""
_OF_LOCATION = "portal = :portal AND account = :account AND location = :location"
_METERS = f"SELECT id FROM meter WHERE {_OF_LOCATION}"  # noqa: S608 - here and below: no values from outside
_FORGET_METERS = [
    f"DELETE FROM {rows} IN ({_METERS} AND number NOT IN (SELECT value FROM json_each(:kept)))"  # noqa: S608
    for rows in ("interval WHERE meter", "period WHERE meter", "meter WHERE id")
]
_KEPT_UNREAD = 30 * 86400  # seconds longer, for locations that no login reads


class LocationTables(Database):
    """The part of the state that the snapshot is loaded from."""

    def locations(self, wanted: Callable[[LocationKey], bool] = lambda _: True) -> list[Location]:
        """Return everything that is stored for the wanted locations."""

        def read(database: sqlite3.Connection) -> list[Location]:
            rows = database.execute("SELECT * FROM location ORDER BY portal, account, location").fetchall()
            return [
                Location(key, name, zone, tuple(_read_meters(database, key)))
                for *names, name, zone in rows
                if wanted(key := LocationKey(*names))
            ]

        return self.run(read)

    def save(
        self,
        location: Location,
        updates: Collection[MeterUpdate],
        needed_days: Collection[int],
        keep_from: int,
    ) -> None:
        """Write what a refresh of a location changed, all or nothing.

        updates: The changes in its meters. needed_days: Starts of local days that now need a backfill.
        keep_from: Intervals that ended before it are deleted.
        """
        labels = location.key.labels()

        def write(database: sqlite3.Connection) -> None:
            database.execute(
                "REPLACE INTO location VALUES (?,?,?,?,?)", (*labels.values(), location.name, location.timezone)
            )
            identifiers = {each.info.number: _save_meter(database, labels, each.info) for each in location.meters}
            for update in updates:
                _save_changes(database, identifiers[update.meter.info.number], update)
            for statement in _FORGET_METERS:
                database.execute(statement, {**labels, "kept": json.dumps([*identifiers])})
            database.executemany(
                "INSERT OR IGNORE INTO backfill_needed VALUES (?,?,?,?)",
                [(*labels.values(), day) for day in needed_days],
            )
            # Other locations may no longer be configured; their intervals are kept a while longer.
            for rows in ("interval WHERE end <=", "period WHERE start + 86400 <"):
                database.execute(
                    f"DELETE FROM {rows} :keep_from - iif(meter IN ({_METERS}), 0, {_KEPT_UNREAD})",  # noqa: S608
                    {**labels, "keep_from": keep_from},
                )

        self.run(write)

    def forget(self, key: LocationKey) -> None:
        """Delete everything that is stored for a location."""
        rest = (f"DELETE FROM {table} WHERE {_OF_LOCATION}" for table in ("location", "backfill_needed"))  # noqa: S608
        self.execute(*_FORGET_METERS, *rest, kept="[]", **key.labels())

    def backfill_needed(self) -> dict[LocationKey, int]:
        """Return the start of the oldest day that needs a backfill, by location."""
        rows = self.execute(
            "SELECT portal, account, location, min(day) FROM backfill_needed GROUP BY portal, account, location"
        )
        return {LocationKey(*names): day for *names, day in rows}

    def backfilled(self, key: LocationKey, start: int, end: int) -> None:
        """Remove the needed days of a location that start in [start, end)."""
        self.execute(
            f"DELETE FROM backfill_needed WHERE {_OF_LOCATION} AND day >= :start AND day < :end",  # noqa: S608
            start=start,
            end=end,
            **key.labels(),
        )


def _read_meters(database: sqlite3.Connection, key: LocationKey) -> Iterator[Meter]:
    statement = f"SELECT * FROM meter WHERE {_OF_LOCATION} ORDER BY number"  # noqa: S608
    rows = database.execute(statement, key.labels()).fetchall()
    for identifier, _, _, _, number, flows, *flags, step in rows:
        info = MeterInfo(*(number, tuple(filter(None, flows.split(","))), *map(bool, flags), step))
        yield Meter(info, *_read_intervals(database, identifier))


def _read_intervals(database: sqlite3.Connection, meter: int) -> tuple[tuple[Interval, ...], tuple[Interval, ...]]:
    """Return the intervals and the days of a meter."""
    periods = defaultdict(list)
    for _, start, *period in database.execute("SELECT * FROM period WHERE meter = ? ORDER BY start, name", (meter,)):
        periods[start].append(tuple(period))
    intervals: tuple[list[Interval], list[Interval]] = ([], [])
    for _, whole_day, start, *values in database.execute(
        "SELECT * FROM interval WHERE meter = ? ORDER BY start", (meter,)
    ):
        values[2::2] = [VERSIONS[k] for k in values[2::2]]
        intervals[whole_day].append(Interval(*(start, *values, () if whole_day else tuple(periods[start]))))
    return tuple(intervals[0]), tuple(intervals[1])


def _save_meter(database: sqlite3.Connection, labels: Mapping[str, str], info: MeterInfo) -> int:
    """Insert or update a meter and return its row id."""
    identifier: int
    ((identifier,),) = database.execute(
        "INSERT INTO meter (portal, account, location, number, flows, parent, net, exports, signed, step)"
        " VALUES (:portal, :account, :location, :number, :flows, :parent, :net, :exports, :signed, :step)"
        " ON CONFLICT (portal, account, location, number) DO UPDATE SET flows = :flows, parent = :parent, net = :net,"
        " exports = :exports, signed = :signed, step = :step RETURNING id",
        {**labels, **asdict(info), "flows": ",".join(info.flows)},
    ).fetchall()
    return identifier


def _save_changes(database: sqlite3.Connection, meter: int, update: MeterUpdate) -> None:
    """Replace intervals, with their rate periods, and day totals of a meter."""
    dropped = [(meter, start) for start in update.dropped]
    changed = [change.after for change in update.changes]
    database.executemany("DELETE FROM interval WHERE meter = ? AND NOT whole_day AND start = ?", dropped)
    columns = attrgetter("start", "end", "usage", "usage_k", "export", "export_k", "cost", "cost_k")
    database.executemany(
        "REPLACE INTO interval VALUES (?,?,?,?,?,?,?,?,?,?)",
        [
            *((meter, False, *columns(each)) for each in changed),
            *((meter, True, *columns(change.after)) for change in update.days),
        ],
    )
    database.executemany(
        "DELETE FROM period WHERE meter = ? AND start = ?", [*dropped, *((meter, each.start) for each in changed)]
    )
    # An interval may be in the changes twice: once for its export, once for its energy.
    database.executemany(
        "REPLACE INTO period VALUES (?,?,?,?,?)",
        [(meter, each.start, *period) for each in changed for period in each.periods],
    )
