"""The intervals of a meter as columns: typed arrays instead of an object per interval.

Starts are in seconds UTC, lengths in seconds, energy in kWh, cost in USD. A missing value is NaN inside a column and
None outside. Columns are sorted by start and never changed once they are made.
"""

import math
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import add, and_, not_
from typing import NamedTuple, TypeAlias, TypeVar, overload

from .interval import Interval, Reading

Whole: TypeAlias = "array[int]"
Real: TypeAlias = "array[float]"

_MISSING = math.nan
_Number = TypeVar("_Number", int, float)


def starts_column(values: Iterable[int] = ()) -> Whole:
    """Return instants as a column."""
    return array("q", list(values))  # a list, since an array that grows keeps room for more


def lengths_column(values: Iterable[int] = ()) -> Whole:
    """Return lengths in seconds as a column."""
    return array("i", list(values))


def values_column(values: Iterable[float | None] = ()) -> Real:
    """Return values as a column."""
    return array("d", [_MISSING if value is None else value for value in values])


def versions_column(values: Iterable[int] = ()) -> Whole:
    """Return versions as a column."""
    return array("H", list(values))


def outside(value: float) -> float | None:
    """Return a value of a column, or None if it is missing."""
    return None if value != value else value  # noqa: PLR0124 - only NaN differs from itself


class Quantity(NamedTuple):
    """The usage, export or cost of each interval."""

    values: Real
    versions: Whole

    def is_missing(self) -> list[bool]:
        """Return which values are missing."""
        return list(map(math.isnan, self.values))

    def select(self, keep: Sequence[bool]) -> "Quantity":
        """Return the values whose flag is set."""
        return Quantity(array("d", list(compress(self.values, keep))), versions_column(compress(self.versions, keep)))

    def cut(self, first: int, last: int) -> "Quantity":
        """Return a part of it."""
        return Quantity(self.values[first:last], self.versions[first:last])


def readings_column(values: Iterable[float | None]) -> Quantity:
    """Return values as a column of readings, which have no versions yet."""
    column = values_column(values)
    return Quantity(column, array("H", [0]) * len(column))


def missing_quantity(count: int) -> Quantity:
    """Return a column without a value."""
    return Quantity(array("d", [_MISSING]) * count, array("H", [0]) * count)


class Period(NamedTuple):
    """The usage in one rate period, for the intervals that have it."""

    name: str
    starts: Whole
    values: Real
    versions: Whole

    def select(self, keep: Sequence[bool]) -> "Period":
        """Return the intervals whose flag is set."""
        return Period(
            self.name,
            starts_column(compress(self.starts, keep)),
            array("d", list(compress(self.values, keep))),
            versions_column(compress(self.versions, keep)),
        )

    def cut(self, start: float, end: float) -> "Period":
        """Return the part for intervals that start in [start, end)."""
        part = slice(bisect_left(self.starts, start), bisect_left(self.starts, end))
        return Period(self.name, self.starts[part], self.values[part], self.versions[part])


@dataclass(frozen=True, slots=True, eq=False)
class Intervals(Sequence[Interval]):
    """Intervals, sorted by start. Readings have versions of 0.

    As a sequence it makes an object for each interval that is looked at.
    """

    starts: Whole
    lengths: Whole
    usage: Quantity
    export: Quantity
    cost: Quantity
    periods: tuple[Period, ...] = ()

    @classmethod
    def of(cls, intervals: Iterable[Interval]) -> "Intervals":
        """Return the columns of intervals that are sorted by start."""
        every = list(intervals)
        periods: defaultdict[str, list[tuple[int, float, int]]] = defaultdict(list)
        for each in every:
            for name, kwh, k in each.periods:
                periods[name].append((each.start, kwh, k))
        return cls(
            starts_column(each.start for each in every),
            lengths_column(each.end - each.start for each in every),
            Quantity(values_column(each.usage for each in every), versions_column(each.usage_k for each in every)),
            Quantity(values_column(each.export for each in every), versions_column(each.export_k for each in every)),
            Quantity(values_column(each.cost for each in every), versions_column(each.cost_k for each in every)),
            tuple(
                Period(name, starts_column(starts), values_column(values), versions_column(versions))
                for name, rows in sorted(periods.items())
                for starts, values, versions in [zip(*rows, strict=True)]
            ),
        )

    @classmethod
    def of_readings(cls, readings: Iterable[Reading]) -> "Intervals":
        """Return the columns of readings that are sorted by start."""
        return cls.of(
            Interval(
                each.start,
                each.end,
                each.usage,
                0,
                each.export,
                0,
                each.cost,
                0,
                tuple((name, kwh, 0) for name, kwh in each.periods),
            )
            for each in readings
        )

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> Interval: ...
    @overload
    def __getitem__(self, index: slice) -> "Intervals": ...
    def __getitem__(self, index: int | slice) -> "Interval | Intervals":
        if isinstance(index, slice):
            first, last, _ = index.indices(len(self))
            return self.cut(first, max(first, last))
        (found,) = self.cut(at := range(len(self))[index], at + 1)
        return found

    def __iter__(self) -> Iterator[Interval]:
        periods: defaultdict[int, list[tuple[str, float, int]]] = defaultdict(list)
        for name, starts, values, versions in self.periods:
            for start, kwh, k in zip(starts, values, versions, strict=True):
                periods[start].append((name, kwh, k))
        columns = self.starts, self.lengths, *self.usage, *self.export, *self.cost
        for start, length, usage, usage_k, export, export_k, cost, cost_k in zip(*columns, strict=True):
            yield Interval(
                start,
                start + length,
                outside(usage),
                usage_k,
                outside(export),
                export_k,
                outside(cost),
                cost_k,
                tuple(periods[start]) if start in periods else (),
            )

    def readings(self) -> list[Reading]:
        """Return the intervals as readings, without versions."""
        return [
            Reading(
                each.start,
                each.end,
                each.usage,
                each.export,
                each.cost,
                tuple((name, kwh) for name, kwh, _ in each.periods),
            )
            for each in self
        ]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Intervals):
            return NotImplemented
        return self is other or self._bytes() == other._bytes()

    def __hash__(self) -> int:
        return hash(bytes(self.starts))

    def _bytes(self) -> list[object]:
        columns: tuple[Whole | Real, ...] = self.starts, self.lengths, *self.usage, *self.export, *self.cost
        periods = ((name, bytes(starts), bytes(values), bytes(ks)) for name, starts, values, ks in self.periods)
        return [*map(bytes, columns), *periods]

    def quantities(self) -> tuple[Quantity, Quantity, Quantity]:
        """Return usage, export and cost."""
        return self.usage, self.export, self.cost

    def with_energy(self) -> "Intervals":
        """Return the intervals with a value for usage or export, even if it is 0."""
        neither = map(and_, self.usage.is_missing(), self.export.is_missing())
        return self.select(list(map(not_, neither)))

    def at(self, start: int) -> Interval:
        """Return the interval that begins at an instant. Raises IndexError."""
        return self[self._position(start)]

    def end_of(self, start: int) -> int:
        """Return the end of the interval that begins at an instant. Raises IndexError."""
        return start + self.lengths[self._position(start)]

    def _position(self, start: int) -> int:
        found = bisect_left(self.starts, start)
        if found == len(self) or self.starts[found] != start:
            raise IndexError(start)
        return found

    def ends(self) -> list[int]:
        """Return the end of each interval."""
        return list(map(add, self.starts, self.lengths))

    def cut(self, first: int, last: int) -> "Intervals":
        """Return the intervals from one position up to another."""
        if (first, last) == (0, len(self)):
            return self
        starts = self.starts[first:last]
        bounds = (starts[0], starts[-1] + 1) if starts else (0, 0)
        periods = (period.cut(*bounds) for period in self.periods)
        return Intervals(
            starts,
            self.lengths[first:last],
            self.usage.cut(first, last),
            self.export.cut(first, last),
            self.cost.cut(first, last),
            tuple(period for period in periods if period.starts),
        )

    def select(self, keep: Sequence[bool]) -> "Intervals":
        """Return the intervals whose flag is set."""
        if all(keep):
            return self

        starts = starts_column(compress(self.starts, keep))
        known = set(starts)
        periods = (period.select([start in known for start in period.starts]) for period in self.periods)
        return Intervals(
            starts,
            lengths_column(compress(self.lengths, keep)),
            self.usage.select(keep),
            self.export.select(keep),
            self.cost.select(keep),
            tuple(period for period in periods if period.starts),
        )

    def between(self, start: float, end: float) -> "Intervals":
        """Return the intervals that start in [start, end)."""
        return self.cut(bisect_left(self.starts, start), bisect_left(self.starts, end))


NOTHING = Intervals.of(())


def joined(parts: Iterable[Intervals]) -> Intervals:
    """Return parts that follow each other as one."""
    several = [part for part in parts if part]
    if len(several) < 2:  # noqa: PLR2004
        return several[0] if several else NOTHING

    def quantity(name: str) -> Quantity:
        every = [getattr(part, name) for part in several]
        return Quantity(_sum(each.values for each in every), _sum(each.versions for each in every))

    periods: defaultdict[str, list[Period]] = defaultdict(list)
    for part in several:
        for period in part.periods:
            periods[period.name].append(period)
    return Intervals(
        _sum(part.starts for part in several),
        _sum(part.lengths for part in several),
        quantity("usage"),
        quantity("export"),
        quantity("cost"),
        tuple(
            Period(
                name,
                _sum(each.starts for each in found),
                _sum(each.values for each in found),
                _sum(each.versions for each in found),
            )
            for name, found in sorted(periods.items())
        ),
    )


def _sum(columns: "Iterable[array[_Number]]") -> "array[_Number]":
    parts = list(columns)
    return array(parts[0].typecode, b"".join(map(bytes, parts)))
