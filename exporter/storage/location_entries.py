"""A location as entries: what is stored for it, and what a change of it writes."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, time, timedelta
from operator import attrgetter
from zoneinfo import ZoneInfo

from ..intervals.days import Day
from ..intervals.model import Interval, Location, LocationKey, Meter, MeterInfo
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

_start = attrgetter("start")


def location_of(found: Mapping[EntryKey, bytes]) -> Location | None:
    """Return the location whose entries these are; None if there are none."""
    described: Location | None = None
    infos: list[MeterInfo] = []
    known: dict[tuple[str, str], dict[int, Interval]] = defaultdict(dict)
    for key, data in found.items():
        if key.kind == LOCATION:
            described = Location(key.location_key, *decode_location(data))
        elif key.kind == METER:
            infos.append(decode_meter(key.name, data))
        else:
            known[key.kind, key.name].update((each.start, each) for each in decode_intervals(data))

    def sorted_known(kind: str, number: str) -> tuple[Interval, ...]:
        return tuple(each for _, each in sorted(known[kind, number].items()))

    meters = (Meter(info, sorted_known(INTERVALS, info.number), sorted_known(DAYS, info.number)) for info in infos)
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
    days = after.days if after else ()
    if days != (before.days if before else ()):
        yield EntryKey.of(DAYS, key, number), encode_intervals(days) if days else None
    intervals = after.intervals if after else ()
    old, new = ({each.start: each for each in known} for known in (before.intervals if before else (), intervals))
    day = Day(0, 0)
    # Unchanged intervals are the same objects, so that a comparison of all their values is not needed.
    for changed in sorted(start for start in old.keys() | new.keys() if old.get(start) is not new.get(start)):
        if changed >= day.end:
            day = _local_day(changed, zone)
            first, last = (bisect_left(intervals, instant, key=_start) for instant in (day.start, day.end))
            inside = intervals[first:last]
            yield EntryKey.of(INTERVALS, key, number, day.start), encode_intervals(inside) if inside else None


def _local_day(instant: int, zone: ZoneInfo) -> Day:
    date = datetime.fromtimestamp(instant, zone).date()
    start, end = (datetime.combine(date + timedelta(days), time.min, zone) for days in (0, 1))
    return Day(int(start.timestamp()), int(end.timestamp()))
