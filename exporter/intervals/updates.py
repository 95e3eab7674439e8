"""Merge a fetch into one meter, with its day totals and late changes."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from .days import Calendar, full_days
from .merge import merge, with_later_versions
from .model import Change, Interval, Meter, MeterInfo, Reading
from .samples import version

_REVISION = 0.001  # kWh; smaller differences come from rounding


class FetchedMeter(Protocol):
    """One meter as a fetch returns it."""

    @property
    def info(self) -> MeterInfo:
        """What the portal says about the meter."""
        ...

    @property
    def readings(self) -> Sequence[Reading]:
        """The readings of the meter."""
        ...


@dataclass(frozen=True, slots=True)
class MeterUpdate:
    """A meter after a merge, and what changed in it.

    changes: Changed intervals. days: Changed day totals. dropped: Starts of intervals that others replaced.
    late: Changed intervals that were known before or follow a known one. A database that was scraped all along misses
    them once they have left the window.
    """

    meter: Meter
    changes: tuple[Change, ...]
    days: tuple[Change, ...]
    dropped: tuple[int, ...]
    late: tuple[Change, ...]


def update_meter(
    before: Meter | None, fetched: FetchedMeter, calendar: Calendar, *, now: float, keep_from: int
) -> MeterUpdate:
    """Merge a fetch into what is known of a meter.

    now: Seconds UTC. keep_from: Intervals that ended before it are dropped.
    """
    before = before or Meter(fetched.info)
    known = {interval.start: interval for interval in before.intervals}
    known_days = {day.start: day for day in before.days}
    info = _joined(before.info, fetched.info)
    readings = [reading for reading in fetched.readings if reading.end > keep_from]
    changes: list[Change] = []
    if info.signed:
        readings, changes = _with_export(readings, known, now) if info.exports else (_without_export(readings), [])
    known.update({change.after.start: change.after for change in changes})
    merged, merged_changes = merge(known, readings, now=now)
    changes += merged_changes
    totals = full_days(merged, [change.after.start for change in changes], calendar)
    days, day_changes = merge(known_days, totals, now=now, hold_zeros=False)
    oldest = min(known, default=math.inf)
    late = [change for change in changes if change.before or change.after.start > oldest]
    meter = Meter(info, *(tuple(each[start] for start in sorted(each)) for each in (merged, days)))
    dropped = tuple(known.keys() - merged.keys())
    return MeterUpdate(drop_before(meter, keep_from), tuple(changes), tuple(day_changes), dropped, tuple(late))


def raise_versions(update: MeterUpdate, former: Meter | None) -> MeterUpdate:
    """Raise versions after the time zone changed, so that new values win.

    former: The meter as computed with the other zone; databases may still contain its samples.
    """
    if former is None:
        return update
    intervals = _raised(update.meter.intervals, former.intervals)
    days = _raised(update.meter.days, former.days)
    # Nothing was known under this zone, so all of it changed.
    changes, day_changes = (tuple(Change(None, each) for each in known) for known in (intervals, days))
    return replace(
        update, meter=replace(update.meter, intervals=intervals, days=days), changes=changes, days=day_changes
    )


def _raised(intervals: Iterable[Interval], former: Iterable[Interval]) -> tuple[Interval, ...]:
    by_end = {each.end: each for each in former}
    return tuple(with_later_versions(each, by_end.get(each.end)) for each in intervals)


def _joined(before: MeterInfo, after: MeterInfo) -> MeterInfo:
    """Return the newest info, completed by the known one; an export stays known."""
    return replace(
        after,
        flows=after.flows or before.flows,
        exports=before.exports or after.exports,
        signed=before.signed and after.signed,
        step=after.step or before.step,
    )


def _with_export(
    readings: Iterable[Reading], known: Mapping[int, Interval], now: float
) -> tuple[list[Reading], list[Change]]:
    """Set export to 0 wherever it is missing (docs/samples.md, "Usage and export")."""
    filled = [
        replace(reading, export=0.0) if reading.export is None and reading.usage is not None else reading
        for reading in readings
    ]
    changes = [
        Change(interval, replace(interval, export=0.0, export_k=version(interval.end, now)))
        for interval in known.values()
        if interval.export is None and interval.usage is not None
    ]
    return filled, changes


def _without_export(readings: Iterable[Reading]) -> list[Reading]:
    """Drop negative usage that is too small to show that a meter exports."""
    return [replace(reading, export=None) if reading.export else reading for reading in readings]


def drop_before(meter: Meter, keep_from: int) -> Meter:
    """Return the meter without intervals and days that ended before `keep_from`."""
    return replace(
        meter,
        intervals=tuple(each for each in meter.intervals if each.end > keep_from),
        days=tuple(each for each in meter.days if each.end > keep_from),
    )


def revision_direction(change: Change) -> str | None:
    """Return `up` or `down` if the portal changed known energy, else None."""
    before, after = change.before, change.after
    if before is None:
        return None
    for old, new in ((before.usage, after.usage), (before.export, after.export)):
        if old is not None and new is not None and round(abs(new - old), 6) >= _REVISION:
            return "up" if new > old else "down"
    return None
