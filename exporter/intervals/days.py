"""Totals of full local days (docs/samples.md, "Intervals and days")."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from .model import Interval, Reading
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


def full_days(intervals: Mapping[int, Interval], changed: Iterable[int], calendar: Calendar) -> Iterator[Reading]:
    """Yield the totals of the days with a changed interval; None if a day is not full.

    intervals: All known intervals of a meter, by start. changed: The starts of the changed ones.
    """
    starts = sorted(intervals)
    for day in sorted({calendar.day(instant) for instant in changed}):
        first, last = bisect_left(starts, day.start), bisect_left(starts, day.end)
        yield _total(day, [intervals[start] for start in starts[first:last]], calendar)


def _total(day: Day, intervals: list[Interval], calendar: Calendar) -> Reading:
    # The most common length; the shortest if several are equally common.
    ((step, _),) = Counter(sorted(each.end - each.start for each in intervals)).most_common(1)
    grid = calendar.grid(day, step)

    def total(name: str) -> float | None:
        values = {each.start: value for each in intervals if (value := getattr(each, name)) is not None}
        is_full = all(any(instant in values for instant in wall_time) for wall_time in grid)
        return amount(math.fsum(values.values())) if is_full else None

    return Reading(day.start, day.end, total("usage"), total("export"), total("cost"))
