"""A location as entries: what is stored for it, and what a change of it writes."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from ..intervals.columns import NOTHING, Intervals
from ..intervals.days import Day
from ..intervals.model import Location, LocationKey, Meter, MeterInfo
from .entries import (
    DAYS,
    INTERVALS,
    LOCATION,
    METER,
    Changes,
    EntryKey,
    decode_intervals,
    decode_location,
    decode_meter,
    encode_intervals,
    encode_location,
    encode_meter,
)


def location_of(found: Mapping[EntryKey, bytes]) -> Location | None:
    """Return the location whose entries these are; None if there are none."""
    described: Location | None = None
    infos: list[MeterInfo] = []
    entries: dict[tuple[str, str], list[bytes]] = defaultdict(list)
    for key, data in found.items():
        if key.kind == LOCATION:
            described = Location(key.location_key, *decode_location(data))
        elif key.kind == METER:
            infos.append(decode_meter(key.name, data))
        else:
            entries[key.kind, key.name].append(data)
    known = {each: decode_intervals(*data) for each, data in entries.items()}
    meters = (
        Meter(info, known.get((INTERVALS, info.number), NOTHING), known.get((DAYS, info.number), NOTHING))
        for info in infos
    )
    return described and replace(described, meters=tuple(meters))


def changes_of(before: Location | None, after: Location) -> Changes:
    """Return the entries that differ between two states of a location."""
    changes: Changes = {}
    if before is None or (before.name, before.timezone) != (after.name, after.timezone):
        changes[EntryKey.of(LOCATION, after.key)] = encode_location(after.name, after.timezone)
    zone = ZoneInfo(after.timezone or "UTC")
    old, new = ({meter.info.number: meter for meter in each.meters} if each else {} for each in (before, after))
    for number in old.keys() | new.keys():
        changes.update(_meter_changes(after.key, zone, old.get(number), new.get(number)))
    return changes


def _meter_changes(
    key: LocationKey, zone: ZoneInfo, before: Meter | None, after: Meter | None
) -> Iterator[tuple[EntryKey, bytes | None]]:
    number = (after or before or Meter(MeterInfo(""))).info.number
    if before is None or after is None or before.info != after.info:
        yield EntryKey.of(METER, key, number), encode_meter(after.info) if after else None
    old, new = (each or Meter(MeterInfo("")) for each in (before, after))
    if old.days != new.days:
        yield EntryKey.of(DAYS, key, number), encode_intervals(new.days) if new.days else None
    for day in () if old.intervals is new.intervals else _local_days(zone, old.intervals, new.intervals):
        inside = new.intervals.between(day.start, day.end)
        if inside != old.intervals.between(day.start, day.end):
            yield EntryKey.of(INTERVALS, key, number, day.start), encode_intervals(inside) if inside else None


def _local_days(zone: ZoneInfo, *several: Intervals) -> Iterator[Day]:
    """Yield the local days on which any of several columns has intervals."""
    day = Day(0, 0)
    while starts := [later.starts[0] for each in several if (later := each.between(day.end, math.inf))]:
        day = _local_day(min(starts), zone)
        yield day


def _local_day(instant: int, zone: ZoneInfo) -> Day:
    date = datetime.fromtimestamp(instant, zone).date()
    start, end = (datetime.combine(date + timedelta(days), time.min, zone) for days in (0, 1))
    return Day(int(start.timestamp()), int(end.timestamp()))
