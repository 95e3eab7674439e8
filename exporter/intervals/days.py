"""Totals of whole local days (contract 4). A day is two instants; which instants, the co-op's calendar knows."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol

from .model import Interval, Reading
from .samples import amount


@dataclass(frozen=True, slots=True, order=True)
class Day:
    """One local day as real instants in seconds UTC: 23, 24 or 25 hours in most zones."""

    start: int
    end: int


class Calendar(Protocol):
    """The local days of one zone."""

    def day(self, instant: int) -> Day:
        """The local day that holds an instant."""
        ...

    def grid(self, day: Day, step: int) -> tuple[tuple[int, ...], ...]:
        """The interval starts of a day, one tuple for each wall time: two instants in the autumn hour, else one."""
        ...


def full_days(intervals: Mapping[int, Interval], changed: Iterable[int], calendar: Calendar) -> Iterator[Reading]:
    """The totals of the days in which an interval changed, as far as they are whole.

    intervals: everything known of a meter, by start. changed: starts of the changed ones.
    """
    starts = sorted(intervals)
    for day in _days_of(changed, calendar):
        first, last = bisect_left(starts, day.start), bisect_left(starts, day.end)
        yield _total(day, [intervals[start] for start in starts[first:last]], calendar)


def _days_of(instants: Iterable[int], calendar: Calendar) -> Iterator[Day]:
    day: Day | None = None
    for instant in sorted(instants):
        if day is None or instant >= day.end:
            day = calendar.day(instant)
            yield day


def _total(day: Day, intervals: list[Interval], calendar: Calendar) -> Reading:
    steps = Counter(interval.end - interval.start for interval in intervals)
    step = min(steps, key=lambda length: (-steps[length], length))
    grid = ((day.start,),) if step >= day.end - day.start else calendar.grid(day, step)

    def total(value: Callable[[Interval], float | None]) -> float | None:
        values = {each.start: known for each in intervals if (known := value(each)) is not None}
        is_full = all(any(instant in values for instant in wall_time) for wall_time in grid)
        return amount(math.fsum(values.values())) if is_full else None

    usage, export, cost = (total(attrgetter(name)) for name in ("usage", "export", "cost"))
    return Reading(day.start, day.end, usage, export, cost)
