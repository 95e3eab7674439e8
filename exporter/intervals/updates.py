"""Merge a fetch into one meter, with its day totals and late changes."""

import math
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from .columns import Intervals, Quantity, readings_column
from .days import Calendar, full_days
from .interval import Change
from .merge import ENERGY_PLACEHOLDERS, Placeholders, merge, versions_at, with_later_versions
from .model import Meter, MeterInfo

_REVISION = 0.001  # kWh; smaller differences come from rounding


class FetchedMeter(Protocol):
    """One meter as a fetch returns it."""

    @property
    def info(self) -> MeterInfo:
        """What the portal says about the meter."""
        ...

    @property
    def readings(self) -> Intervals:
        """The readings of the meter."""
        ...


@dataclass(frozen=True, slots=True)
class MeterUpdate:
    """A meter after a merge, and what changed in it.

    newest: End of the newest interval that changed or is new; 0 if none did. revised: Changes of intervals that were
    known before. late: Start and end of changed intervals that were known before or follow a known one, and whether
    they were known. A database that was scraped all along misses them once they have left the window.
    """

    meter: Meter
    newest: int = 0
    revised: Sequence[Change] = ()
    late: Sequence[tuple[int, int, bool]] = ()


def update_meter(
    before: Meter | None,
    fetched: FetchedMeter,
    calendar: Calendar,
    *,
    now: float,
    keep_from: int,
    placeholders: Placeholders = ENERGY_PLACEHOLDERS,
) -> MeterUpdate:
    """Merge a fetch into what is known of a meter.

    now: Seconds UTC. keep_from: Intervals that ended before it are dropped. placeholders: Which zeros are held back.
    """
    before = before or Meter(fetched.info)
    if fetched.info.unit and before.info.unit not in ("", fetched.info.unit):
        before = Meter(before.info)  # values in another unit cannot be kept beside the new ones
    info = _joined(before.info, fetched.info)
    known, readings, filled = before.intervals, _after(fetched.readings, keep_from), list[int]()
    if info.signed and info.exports:
        readings, _ = _with_export(readings, now)
        known, filled = _with_export(known, now)
    elif info.signed:  # negative usage that is too small to show that a meter exports
        readings = replace(readings, export=readings_column(None if kwh else kwh for kwh in readings.export.values))
    merged = merge(known, readings, now=now, placeholders=placeholders)
    changed = sorted({*filled, *merged.changed_starts()})
    days = merge(before.days, full_days(merged.intervals, changed, calendar), now=now, placeholders=None)
    revised = [change for change in merged.changes if change.before]
    oldest = known.starts[0] if known else math.inf
    were_known = {*filled, *(change.after.start for change in revised)}
    ends = dict(zip(merged.intervals.starts, merged.intervals.ends(), strict=True)) if changed else {}
    late = [
        (start, ends[start], start in were_known)
        for start in changed
        if (start in were_known or start > oldest) and start in ends
    ]
    meter = drop_before(Meter(info, merged.intervals, days.intervals), keep_from)
    return MeterUpdate(meter, max((ends.get(start, 0) for start in changed), default=0), revised, late)


def raise_versions(update: MeterUpdate, former: Meter | None) -> MeterUpdate:
    """Raise versions after the time zone changed, so that new values win.

    former: The meter as computed with the other zone; databases may still contain its samples.
    """
    if former is None:
        return update
    intervals = _raised(update.meter.intervals, former.intervals)
    days = _raised(update.meter.days, former.days)
    return replace(update, meter=replace(update.meter, intervals=intervals, days=days), revised=())


def _raised(intervals: Intervals, former: Intervals) -> Intervals:
    by_end = {each.end: each for each in former}
    return Intervals.of(with_later_versions(each, by_end.get(each.end)) for each in intervals)


def _joined(before: MeterInfo, after: MeterInfo) -> MeterInfo:
    """Return the newest info, completed by the known one; an export stays known."""
    return replace(
        after,
        flows=after.flows or before.flows,
        exports=before.exports or after.exports,
        signed=before.signed and after.signed,
        step=after.step or before.step,
        unit=after.unit or before.unit,
    )


def _with_export(intervals: Intervals, now: float) -> tuple[Intervals, list[int]]:
    """Set export to 0 wherever it is missing (docs/samples.md, "Usage and export"); return the starts of those."""
    lacking = [
        math.isnan(export) and not math.isnan(usage)
        for usage, export in zip(intervals.usage.values, intervals.export.values, strict=True)
    ]
    if not any(lacking):
        return intervals, []
    columns = zip(lacking, *intervals.export, versions_at(intervals.ends(), now), strict=True)
    filled = [(0.0, fresh) if lacks else (value, k) for lacks, value, k, fresh in columns]
    export = Quantity(array("d", [value for value, _ in filled]), array("H", [k for _, k in filled]))
    return replace(intervals, export=export), [
        start for start, lacks in zip(intervals.starts, lacking, strict=True) if lacks
    ]


def drop_before(meter: Meter, keep_from: int) -> Meter:
    """Return the meter without intervals and days that ended before `keep_from`."""
    intervals, days = _after(meter.intervals, keep_from), _after(meter.days, keep_from)
    if intervals is meter.intervals and days is meter.days:
        return meter
    return replace(meter, intervals=intervals, days=days)


def _after(intervals: Intervals, keep_from: int) -> Intervals:
    """Return the intervals that end after `keep_from`."""
    first = bisect_left(intervals.starts, keep_from)
    while first and intervals.starts[first - 1] + intervals.lengths[first - 1] > keep_from:
        first -= 1
    return intervals.cut(first, len(intervals))


def revision_direction(change: Change) -> str | None:
    """Return `up` or `down` if the portal changed known energy, else None."""
    before, after = change.before, change.after
    if before is None:
        return None
    for old, new in ((before.usage, after.usage), (before.export, after.export)):
        if old is not None and new is not None and round(abs(new - old), 6) >= _REVISION:
            return "up" if new > old else "down"
    return None
