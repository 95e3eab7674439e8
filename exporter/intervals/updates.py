"""One meter: what was fetched put over what was known, with its day totals and what came late."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from .days import Calendar, full_days
from .merge import merge, with_later_versions
from .model import Change, Interval, Meter, MeterInfo, Reading
from .samples import version

_REVISION = 0.001  # kWh: less is rounding


class FetchedMeter(Protocol):
    """What a fetch gives for a meter."""

    @property
    def info(self) -> MeterInfo:
        """The meter."""
        ...

    @property
    def readings(self) -> Sequence[Reading]:
        """Its readings."""
        ...


@dataclass(frozen=True, slots=True)
class MeterUpdate:
    """A meter after a merge, with what changed in it.

    changes: changed intervals. days: changed day totals. dropped: starts of intervals that others took the place of.
    late: those changed intervals that were known before, or lie amid or behind known ones: what a database that was
    fed all along would miss if nobody told it.
    """

    meter: Meter
    changes: tuple[Change, ...]
    days: tuple[Change, ...]
    dropped: tuple[int, ...]
    late: tuple[Change, ...]


def update_meter(
    before: Meter | None, fetched: FetchedMeter, calendar: Calendar, *, now: float, keep_from: int
) -> MeterUpdate:
    """Merge what was fetched into what was known of a meter; what ended before `keep_from` is forgotten."""
    before = before or Meter(fetched.info)
    known = {interval.start: interval for interval in before.intervals}
    known_days = {day.start: day for day in before.days}
    info = _joined(before.info, fetched.info)
    readings = [reading for reading in fetched.readings if reading.end > keep_from]
    changes: list[Change] = []
    if info.exports and info.signed:
        readings, changes = _with_export(readings, known, now)
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
    """The first update of a meter that was known by another zone's clock: what was served then may stand in databases.

    Of the same second the present value has to win there.
    """
    if former is None:
        return update
    intervals = _raised(update.meter.intervals, former.intervals)
    days = _raised(update.meter.days, former.days)
    # All of it is new.
    changes, day_changes = (tuple(Change(None, each) for each in known) for known in (intervals, days))
    return replace(
        update, meter=replace(update.meter, intervals=intervals, days=days), changes=changes, days=day_changes
    )


def _raised(intervals: Iterable[Interval], former: Iterable[Interval]) -> tuple[Interval, ...]:
    by_end = {each.end: each for each in former}
    return tuple(with_later_versions(each, by_end.get(each.end)) for each in intervals)


def _joined(before: MeterInfo, after: MeterInfo) -> MeterInfo:
    """The newest word on a meter; that it exports is never forgotten."""
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
    """A meter that shows export as negative import exports 0 in every other interval (contract 3)."""
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


def drop_before(meter: Meter, keep_from: int) -> Meter:
    """A meter without what ended before `keep_from`."""
    return replace(
        meter,
        intervals=tuple(each for each in meter.intervals if each.end > keep_from),
        days=tuple(each for each in meter.days if each.end > keep_from),
    )


def revision_direction(change: Change) -> str | None:
    """`up` or `down` where the portal changed the energy of an interval that was known, else None."""
    before, after = change.before, change.after
    if before is None:
        return None
    for old, new in ((before.usage, after.usage), (before.export, after.export)):
        if old is not None and new is not None and round(abs(new - old), 6) >= _REVISION:
            return "up" if new > old else "down"
    return None
