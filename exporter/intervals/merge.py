"""Merge readings into known intervals.

Energy is in kWh, money in USD, times in seconds UTC. A reading is what the portal says now. Merged into what was known,
readings become intervals, in which each value has a version (docs/samples.md, "Timestamps and versions").
"""

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import gt

from .columns import Intervals, Period, Quantity, Whole, joined, starts_column
from .interval import Change, Interval, Reading
from .samples import amount, newer_version, version

PLACEHOLDER_AGE = 48 * 3600
_AGE_WITHOUT_ELECTRICITY = 24 * 3600


@dataclass(frozen=True, slots=True)
class Placeholders:
    """Which zeros at the very end of a meter's data may only be placeholders, and are held back.

    after: Those that end later, in seconds UTC. age: As long as they are younger, in seconds.
    """

    after: float = -math.inf
    age: int = PLACEHOLDER_AGE


ENERGY_PLACEHOLDERS = Placeholders()


def volume_placeholders(newest_electric: int | None) -> Placeholders:
    """Return the rule for water and gas: a house may use none for hours.

    newest_electric: The end of the newest electric interval of the location in seconds UTC; None if it has none.
    """
    if newest_electric is None:
        return Placeholders(age=_AGE_WITHOUT_ELECTRICITY)
    return Placeholders(after=newest_electric)


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge made.

    added: The starts of new intervals that overlap none. changes: All other changes.
    """

    intervals: Intervals
    added: Whole
    changes: tuple[Change, ...] = ()

    def changed_starts(self) -> list[int]:
        """Return the starts of all intervals that changed or are new."""
        return sorted({*self.added, *(change.after.start for change in self.changes)})


def merge(
    known: Intervals, readings: Intervals, *, now: float, placeholders: Placeholders | None = ENERGY_PLACEHOLDERS
) -> Merged:
    """Return known intervals merged with readings.

    A new value replaces the old one with a later version; a value that the portal withdraws keeps its last state.
    Readings that have not ended yet are skipped. If a meter's resolution changes, new intervals replace the known ones
    that they overlap, so that no energy counts twice.

    placeholders: Which zeros at the very end are held back until something follows, as in
    docs/samples.md, "Intervals and days". None for day totals and for a chunk of history, which has no such end.
    """
    readings = readings.select([end <= now for end in readings.ends()])
    if placeholders:
        readings = _without_placeholders(known, readings, now, placeholders)
    if not readings:
        return Merged(known, starts_column())
    first, last = _overlap(known, readings.starts[0], max(readings.ends()))
    middle = known.cut(first, last)
    if not middle:
        added = _fresh(readings, now)
        if not added:
            return Merged(known, added.starts)
        return Merged(joined((known.cut(0, first), added, known.cut(first, len(known)))), added.starts)
    # Only readings that meet known intervals are looked at one by one.
    begin, end = _overlap(readings, middle.starts[0], middle.starts[-1] + middle.lengths[-1])
    merged, changes = _merge_each({each.start: each for each in middle}, readings.cut(begin, end).readings(), now=now)
    older, newer = _fresh(readings.cut(0, begin), now), _fresh(readings.cut(end, len(readings)), now)
    if not (changes or older or newer):
        return Merged(known, starts_column())
    parts = known.cut(0, first), older, Intervals.of(merged), newer, known.cut(last, len(known))
    return Merged(joined(parts), older.starts + newer.starts, tuple(changes))


def _overlap(known: Intervals, start: int, end: int) -> tuple[int, int]:
    """Return the positions of the intervals that overlap a time."""
    first = bisect_left(known.starts, start)
    if first and known.starts[first - 1] + known.lengths[first - 1] > start:
        first -= 1
    return first, bisect_left(known.starts, end)


def _fresh(readings: Intervals, now: float) -> Intervals:
    """Return new readings as intervals."""
    if not readings:
        return readings
    periods = _without_zeros(readings.periods)
    missing = [quantity.is_missing() for quantity in (readings.usage, readings.export, readings.cost)]
    if any(missing[0]):
        known = {start for period in periods for start in period.starts}
        keep = [not all(flags) or start in known for start, *flags in zip(readings.starts, *missing, strict=True)]
        if not all(keep):
            return _fresh(replace(readings, periods=periods).select(keep), now)
    versions = versions_at(readings.ends(), now)

    def versioned(quantity: Quantity, flags: list[bool]) -> Quantity:
        if not any(flags):
            return Quantity(quantity.values, versions)
        return Quantity(
            quantity.values, array("H", [0 if flag else k for flag, k in zip(flags, versions, strict=True)])
        )

    at = dict(zip(readings.starts, versions, strict=True)) if periods else {}
    return Intervals(
        readings.starts,
        readings.lengths,
        versioned(readings.usage, missing[0]),
        versioned(readings.export, missing[1]),
        versioned(readings.cost, missing[2]),
        tuple(
            Period(each.name, each.starts, each.values, array("H", [at[start] for start in each.starts]))
            for each in periods
        ),
    )


def _without_zeros(periods: Sequence[Period]) -> tuple[Period, ...]:
    """Drop zeros where another rate period has the energy (docs/samples.md, "Rate periods")."""
    used = {start for each in periods for start, kwh in zip(each.starts, each.values, strict=True) if kwh}
    kept = (
        each.select([kwh != 0 or start not in used for start, kwh in zip(each.starts, each.values, strict=True)])
        for each in periods
    )
    return tuple(each for each in kept if each.starts)


def versions_at(ends: Sequence[int], now: float) -> Whole:
    """Return the version of values that are first seen now.

    Few versions differ, so their borders are found by bisection, if the ends are in order.
    """
    if any(map(gt, ends, ends[1:])):
        return array("H", [version(end, now) for end in ends])
    versions = array("H")
    while len(versions) < len(ends):
        first = len(versions)
        k = version(ends[first], now)
        last = bisect_right(ends, -k, first, key=lambda end: -version(end, now))
        versions += array("H", [k]) * (last - first)
    return versions


def _merge_each(
    known: Mapping[int, Interval], readings: Iterable[Reading], *, now: float
) -> tuple[list[Interval], list[Change]]:
    """Merge intervals and readings that overlap: return all intervals, and the changes."""
    merged = dict(known)
    starts = sorted(known)
    changes: list[Change] = []
    for reading in readings:
        before = known.get(reading.start)
        replaced = [] if before and before.end == reading.end else _overlapped(starts, known, reading)
        after = _merge_interval(before, reading, now, replaced)
        if after != before and after is not None:
            for each in replaced:
                if merged.get(each.start) is each:
                    del merged[each.start]
            merged[reading.start] = after
            changes.append(Change(before, after))
    return [merged[start] for start in sorted(merged)], changes


def _overlapped(starts: Sequence[int], known: Mapping[int, Interval], reading: Reading) -> list[Interval]:
    """Return the known intervals that overlap a reading of another length."""
    first = bisect_left(starts, reading.start)
    if first and known[starts[first - 1]].end > reading.start:
        first -= 1
    return [known[start] for start in starts[first : bisect_left(starts, reading.end)]]


def _without_placeholders(known: Intervals, readings: Intervals, now: float, rule: Placeholders) -> Intervals:
    """Hold back zeros after the newest energy until they are old enough."""
    newest = _newest_energy(readings)
    later = readings.between(newest + 1, math.inf).readings()
    zeros = {each.start for each in later if each.is_zero}
    newest = max(newest, _newest_energy(known, zeros))
    held = {each.start for each in later if each.start > newest and _is_placeholder(each, now, rule)}
    return readings.select([start not in held for start in readings.starts]) if held else readings


def _newest_energy(intervals: Intervals, zeros: Container[int] = ()) -> int:
    """Return the start of the newest interval with energy, except those that are zero now; -1 if there is none."""
    backwards = slice(None, None, -1)
    columns = intervals.starts[backwards], intervals.usage.values[backwards], intervals.export.values[backwards]
    for start, usage, export in zip(*columns, strict=True):
        if (usage > 0 or export > 0) and start not in zeros:
            return start
    return -1


def _is_placeholder(reading: Reading, now: float, rule: Placeholders) -> bool:
    if reading.end <= rule.after or now - reading.end >= rule.age or reading.usage or reading.export:
        return False
    return reading.is_zero or not (reading.cost or any(kwh for _, kwh in reading.periods))


_NOTHING = Interval(0, 0)


def _merge_interval(
    before: Interval | None, reading: Reading, now: float, replaced: Sequence[Interval]
) -> Interval | None:
    fresh = version(reading.end, now)
    old = before if before and before.end == reading.end else _NOTHING
    # The sample of an overlapped interval with the same end is in the same second of the same series.
    last = next((each for each in replaced if each.end == reading.end), old)

    def newer(known: float | None, known_k: int, new: float | None) -> tuple[float | None, int]:
        if new is None or new == known:
            return known, known_k
        return new, newer_version(fresh, known_k)

    after = Interval(
        reading.start,
        reading.end,
        *newer(old.usage, last.usage_k, reading.usage),
        *newer(old.export, last.export_k, reading.export),
        *newer(old.cost, last.cost_k, reading.cost),
        _merge_periods(old.periods, reading, fresh),
    )
    return after if after.has_energy or after.cost is not None or after.periods else None


def with_later_versions(interval: Interval, former: Interval | None) -> Interval:
    """Raise the versions to replace the samples of `former` in the same second."""
    if former is None:
        return interval

    def k(new: float | None, new_k: int, old: float | None, old_k: int) -> int:
        return new_k if new is None or old is None or new == old else newer_version(new_k, old_k)

    known = {period: (kwh, old_k) for period, kwh, old_k in former.periods}
    return replace(
        interval,
        usage_k=k(interval.usage, interval.usage_k, former.usage, former.usage_k),
        export_k=k(interval.export, interval.export_k, former.export, former.export_k),
        cost_k=k(interval.cost, interval.cost_k, former.cost, former.cost_k),
        periods=tuple(
            (period, kwh, k(kwh, own_k, *known.get(period, (None, 0)))) for period, kwh, own_k in interval.periods
        ),
    )


def _merge_periods(
    before: tuple[tuple[str, float, int], ...], reading: Reading, fresh: int
) -> tuple[tuple[str, float, int], ...]:
    """Merge the rate periods of an interval (docs/samples.md, "Rate periods").

    A zero is ignored if another period has the energy, unless it replaces a known value. A known period that is missing
    becomes 0 if the others have all of the energy.
    """
    known = {period: (kwh, k) for period, kwh, k in before}
    given = dict(reading.periods)
    elsewhere = any(given.values())
    if elsewhere and reading.usage is not None and amount(sum(given.values())) == reading.usage:
        given = dict.fromkeys(known, 0.0) | given
    for period, kwh in given.items():
        old, k = known.get(period, (None, 0))
        if kwh != old and (kwh or not elsewhere or period in known):
            known[period] = (kwh, newer_version(fresh, k))
    return tuple((period, kwh, k) for period, (kwh, k) in sorted(known.items()))
