"""Merge readings into known intervals.

Energy is in kWh, money in USD, times in seconds UTC. A reading is what the portal says now. Merged into what was known,
readings become intervals, in which each value has a version (docs/samples.md, "Timestamps and versions").
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from .model import Change, Interval, Reading
from .samples import amount, newer_version, version

PLACEHOLDER_AGE = 48 * 3600


def merge(
    known: Mapping[int, Interval], readings: Iterable[Reading], *, now: float, hold_zeros: bool = True
) -> tuple[dict[int, Interval], list[Change]]:
    """Return known intervals merged with readings, by start, and the changes.

    A new value replaces the old one with a later version; a value that the portal withdraws keeps its last state.
    Intervals that have not ended yet are skipped. If a meter's resolution changes, new intervals replace the known ones
    that they overlap, so that no energy counts twice.

    hold_zeros: Zeros at the very end are held back as placeholders until something follows or they are 48 hours old
    (docs/samples.md, "Intervals and days"). Off for day totals and for a chunk of history, which has no such end.
    """
    ended = {reading.start: reading for reading in readings if reading.end <= now}
    last_energy = _last_energy(known, ended) if hold_zeros else None
    merged = dict(known)
    starts = sorted(known)
    changes: list[Change] = []
    for start, reading in sorted(ended.items()):
        if last_energy is not None and start > last_energy and _is_placeholder(reading, now):
            continue
        before = known.get(start)
        replaced = [] if before and before.end == reading.end else _overlapped(starts, known, reading)
        after = _merge_interval(before, reading, now, replaced)
        if after != before and after is not None:
            for each in replaced:
                if merged.get(each.start) is each:
                    del merged[each.start]
            merged[start] = after
            changes.append(Change(before, after))
    return merged, changes


def _overlapped(starts: Sequence[int], known: Mapping[int, Interval], reading: Reading) -> list[Interval]:
    """Return the known intervals that overlap a reading of another length."""
    first = bisect_left(starts, reading.start)
    if first and known[starts[first - 1]].end > reading.start:
        first -= 1
    return [known[start] for start in starts[first : bisect_left(starts, reading.end)]]


def _last_energy(known: Mapping[int, Interval], readings: Mapping[int, Reading]) -> int:
    """Return the start of the newest interval with energy; readings take precedence."""
    zeros = {start for start, reading in readings.items() if reading.is_zero}
    everything = chain[Interval | Reading](known.values(), readings.values())
    with_energy = {each.start for each in everything if each.usage or each.export}
    return max(with_energy - zeros, default=-1)


def _is_placeholder(reading: Reading, now: float) -> bool:
    if now - reading.end >= PLACEHOLDER_AGE or reading.usage or reading.export:
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
