"""The tables of earlier versions, with a row per interval, and their conversion to entries."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from ..intervals.interval import Interval
from ..intervals.model import Location, LocationKey, Meter, MeterInfo
from .entries import CHUNK, NEEDED, EntryKey, checked_time, decode_chunk, encode_chunk, task_name
from .location_entries import changes_of, location_of

OLD_TABLES = ("location", "meter", "interval", "period", "backfill_needed", "backfill", "backfill_done")
"""The tables that are dropped once they are converted."""
SIGN_INS = "refused_sign_ins"
"""The table that stays, because rejected sign-ins are not among the entries."""


def converted(file: sqlite3.Connection) -> dict[EntryKey, bytes]:
    """Return the content as entries. Raises an exception if there is anything that no earlier version wrote."""
    tables = {name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables - {*OLD_TABLES, SIGN_INS}:
        raise ValueError("unknown tables")
    if not tables - {SIGN_INS}:
        return {}
    entries: dict[EntryKey, bytes] = {}
    for *names, name, timezone in file.execute("SELECT * FROM location"):
        key = LocationKey(*names)
        location = Location(key, name, timezone, tuple(_meters(file, key)))
        written = {key: data for key, data in sorted(changes_of(None, location).items()) if data is not None}
        if location_of(written) != location:
            raise ValueError("not a location")
        entries |= written
    for *names, day in file.execute("SELECT * FROM backfill_needed"):
        entries[EntryKey.of(NEEDED, LocationKey(*names), start=checked_time(day))] = b""
    for task, touched, _, *names, start, end, figures in file.execute(
        "SELECT task, touched, backfill_done.* FROM backfill_done JOIN backfill ON id = backfill"
    ):
        entries[EntryKey.of(CHUNK, LocationKey(*names), task_name(task), start)] = encode_chunk(end, touched, figures)
        decode_chunk(encode_chunk(end, touched, figures))
    if not all(isinstance(each, str) for key in entries for each in key[:-1]):
        raise TypeError("not text")
    return entries


def _meters(file: sqlite3.Connection, key: LocationKey) -> Iterator[Meter]:
    of_location = "portal = :portal AND account = :account AND location = :location"
    rows = file.execute(f"SELECT * FROM meter WHERE {of_location} ORDER BY number", key.labels())  # noqa: S608
    for identifier, _, _, _, number, flows, *flags, step in rows:
        info = MeterInfo(*(number, tuple(filter(None, flows.split(","))), *map(bool, flags), step))
        periods = defaultdict(list)
        for start, *period in _of_meter(file, "start, name, kwh, k FROM period", identifier):
            periods[start].append(tuple(period))
        intervals: tuple[list[Interval], list[Interval]] = ([], [])
        for _, whole_day, start, *values in _of_meter(file, "* FROM interval", identifier):
            intervals[whole_day].append(Interval(*(start, *values, () if whole_day else tuple(periods[start]))))
        yield Meter.of(info, *intervals)


def _of_meter(file: sqlite3.Connection, columns: str, meter: int) -> list[Any]:
    return file.execute(f"SELECT {columns} WHERE meter = ? ORDER BY start", (meter,)).fetchall()
