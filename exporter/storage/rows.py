"""The rows of the state: locations, meters, intervals and rate periods, read and written within a transaction."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..intervals.model import Interval, Location, LocationKey, Meter, MeterInfo
from ..intervals.samples import VERSIONS

_COLUMNS = ("start", "end", "usage", "usage_k", "export", "export_k", "cost", "cost_k")


def read_locations(database: sqlite3.Connection, wanted: Callable[[LocationKey], bool]) -> list[Location]:
    """Read the locations that `wanted` accepts, each with its meters."""
    meters: dict[LocationKey, list[Meter]] = defaultdict(list)
    for row in database.execute("SELECT * FROM meter ORDER BY number").fetchall():
        identifier, portal, account, location, *info = row
        key = LocationKey(portal, account, location)
        if wanted(key):
            meters[key].append(_read_meter(database, identifier, info))
    rows = database.execute("SELECT * FROM location ORDER BY portal, account, location").fetchall()
    return [Location(key, row[3], row[4], tuple(meters[key])) for row in rows if wanted(key := LocationKey(*row[:3]))]


def _read_meter(database: sqlite3.Connection, identifier: int, info: Sequence[object]) -> Meter:
    number, flows, parent, net, exports, signed, step = info
    periods: dict[int, list[tuple[str, float, int]]] = defaultdict(list)
    for start, name, kwh, k in database.execute(
        "SELECT start, name, kwh, k FROM period WHERE meter = ? ORDER BY start, name", (identifier,)
    ):
        periods[start].append((name, kwh, k))
    intervals: tuple[list[Interval], list[Interval]] = ([], [])
    for whole_day, *values in database.execute(
        "SELECT whole_day, start, end, usage, usage_k, export, export_k, cost, cost_k FROM interval"
        " WHERE meter = ? ORDER BY start",
        (identifier,),
    ):
        own_periods = () if whole_day else tuple(periods.get(values[0], ()))
        start, end, usage, usage_k, export, export_k, cost, cost_k = values
        versions = VERSIONS[usage_k], VERSIONS[export_k], VERSIONS[cost_k]
        intervals[bool(whole_day)].append(
            Interval(start, end, usage, versions[0], export, versions[1], cost, versions[2], own_periods)
        )
    names = tuple(str(flows).split(",")) if flows else ()
    meter = MeterInfo(str(number), names, bool(parent), bool(net), bool(exports), bool(signed), int(str(step)))
    return Meter(meter, tuple(intervals[0]), tuple(intervals[1]))


def save_meter(database: sqlite3.Connection, key: tuple[str, str, str], info: MeterInfo) -> int:
    """Insert or update a meter and return its row id."""
    values = (",".join(info.flows), info.parent, info.net, info.exports, info.signed, info.step)
    row = database.execute(
        "INSERT INTO meter (portal, account, location, number, flows, parent, net, exports, signed, step)"
        " VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT (portal, account, location, number) DO UPDATE SET"
        " flows = excluded.flows, parent = excluded.parent, net = excluded.net, exports = excluded.exports,"
        " signed = excluded.signed, step = excluded.step RETURNING id",
        (*key, info.number, *values),
    ).fetchone()
    return int(row[0])


def forget_meters(database: sqlite3.Connection, key: tuple[str, str, str], kept: Mapping[str, int]) -> None:
    """Meters that the location no longer has and whose intervals have all been forgotten."""
    rows = database.execute(
        "SELECT id, number FROM meter WHERE portal = ? AND account = ? AND location = ?", key
    ).fetchall()
    gone = [(identifier,) for identifier, number in rows if number not in kept]
    for table, column in (("interval", "meter"), ("period", "meter"), ("meter", "id")):
        database.executemany(f"DELETE FROM {table} WHERE {column} = ?", gone)  # noqa: S608 - names of our own


def drop_interval(database: sqlite3.Connection, meter: int, start: int) -> None:
    """Delete one interval of a meter and its rate periods."""
    database.execute("DELETE FROM interval WHERE meter = ? AND NOT whole_day AND start = ?", (meter, start))
    database.execute("DELETE FROM period WHERE meter = ? AND start = ?", (meter, start))


def forget_before(database: sqlite3.Connection, condition: str, keep_from: int, *values: int) -> None:
    """Delete what ended before `keep_from`, of the rows that match `condition`."""
    database.execute(f"DELETE FROM interval WHERE {condition} end <= ?", (*values, keep_from))  # noqa: S608
    database.execute(f"DELETE FROM period WHERE {condition} start < ?", (*values, keep_from - 86400))  # noqa: S608


def save_intervals(database: sqlite3.Connection, meter: int, intervals: Iterable[Interval], *, whole_day: bool) -> None:
    """Replace intervals or day totals of a meter, with their rate periods."""
    intervals = list(intervals)
    database.executemany(
        "REPLACE INTO interval VALUES (?,?,?,?,?,?,?,?,?,?)",
        [(meter, whole_day, *(getattr(each, column) for column in _COLUMNS)) for each in intervals],
    )
    if not whole_day:
        database.executemany(
            "DELETE FROM period WHERE meter = ? AND start = ?", [(meter, each.start) for each in intervals]
        )
    database.executemany(
        "REPLACE INTO period VALUES (?,?,?,?,?)",
        [(meter, each.start, *period) for each in intervals for period in each.periods],
    )
