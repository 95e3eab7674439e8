"""Totals of full local days (docs/samples.md, "Intervals and days")."""

import math
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from .columns import Intervals, Quantity
from .interval import Reading
from .samples import amount


@dataclass(frozen=True, slots=True, order=True)
class Day:
    """One local day as instants in seconds UTC; 23, 24 or 25 hours in most zones."""

    start: int
    end: int


class Calendar(Protocol):
    """The local days of one time zone."""

    def day(self, instant: int) -> Day:
        """Return the local day that contains an instant."""
        ...

    def grid(self, day: Day, step: int) -> tuple[tuple[int, ...], ...]:
        """Return the interval starts of a day, grouped into one tuple per wall time.

        A tuple has two instants in the repeated hour of autumn, otherwise one.
        """
        ...


def full_days(intervals: Intervals, changed: Iterable[int], calendar: Calendar) -> Intervals:
    """Return the totals of the days with a changed interval, as readings; a day that is not full has no values.

    intervals: All known intervals of a meter. changed: The starts of the changed ones, sorted.
    """
    totals: list[Reading] = []
    day = Day(0, 0)
    for instant in changed:
        if instant >= day.end:
            day = calendar.day(instant)
            inside = intervals.between(day.start, day.end)
            if inside:  # a changed interval may have been replaced by one that starts on another day
                totals.append(_total(day, inside, calendar))
    return Intervals.of_readings(totals)


def _total(day: Day, inside: Intervals, calendar: Calendar) -> Reading:
    # The most common length; the shortest if several are equally common.
    ((step, _),) = Counter(sorted(inside.lengths)).most_common(1)
    if inside.starts == array("q", range(day.start, day.end, step)):
        usage, export, cost = (_sum(quantity.values) for quantity in inside.quantities())
        return Reading(day.start, day.end, usage, export, cost)
    grid = calendar.grid(day, step)

    def total(quantity: Quantity) -> float | None:
        known = {
            start: value for start, value in zip(inside.starts, quantity.values, strict=True) if not math.isnan(value)
        }
        is_full = all(any(instant in known for instant in wall_time) for wall_time in grid)
        return _sum(known.values()) if is_full else None

    return Reading(day.start, day.end, total(inside.usage), total(inside.export), total(inside.cost))


def _sum(values: Iterable[float]) -> float | None:
    """Return the exact sum; None if a value is missing."""
    total = math.fsum(values)
    return None if math.isnan(total) else amount(total)
