"""The figures of meters and locations: days, the month, the newest data and its delay.

Energy in kWh, money in USD, times in seconds UTC. A full day has the same total as in /metrics; of an incomplete one,
the intervals that are known are added up, and the page marks it.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import Enum
from itertools import pairwise
from zoneinfo import ZoneInfo

from ..formatting import local, midnights
from ..intervals.columns import Intervals, outside
from ..intervals.interval import Interval
from ..intervals.model import Meter
from ..intervals.samples import amount, version

_STALE = 72 * 3600
_BEHIND = 48 * 3600  # older data is late even if the meter is read once a day
_SEEN_SOON = version(0, 96 * 3600.0)  # a higher version comes from a first refresh, which reads old intervals
_SETTLED = 96 * 3600
_ENDED = timedelta(days=3)
_ENOUGH = 3 * 86400  # seconds of data that are enough to know the usual delay
_QUARTERS = range(4 * 24 * 4)


@dataclass(frozen=True, slots=True)
class DayFigures:
    """What is known of one local day. A value that the co-op does not provide is None.

    is_full: whether every interval of the day is known.
    """

    date: date
    hours: int
    usage: float | None
    export: float | None
    cost: float | None
    is_full: bool = True


Energy = Interval | DayFigures
DIRECTIONS: tuple[tuple[str, Callable[[Energy], float | None]], ...] = (
    ("used", lambda energy: energy.usage),
    ("exported", lambda energy: energy.export),
)
"""The two directions of energy with their words, in the order of the page."""


def told(energy: Energy, shown: Callable[[float], str]) -> list[str]:
    """Return usage and export as texts, without unknown ones.

    `shown` formats an amount.
    """
    return [f"{shown(value)} {name}" for name, pick in DIRECTIONS if (value := pick(energy)) is not None]


@dataclass(frozen=True, slots=True)
class MonthFigures:
    """The sums of the days of a month that are known, in full or in part.

    first, newest: the first and the last of these days. days: how many there are. days_with_cost: how many of them have
    a cost. gaps: how many days before the newest are missing or incomplete.
    """

    first: date
    newest: date
    usage: float | None
    export: float | None
    cost: float | None
    days: int
    days_with_cost: int
    gaps: int


@dataclass(frozen=True, slots=True)
class Figures:
    """A meter's figures. `usual` is the usual delay of its data in seconds, if it is known."""

    days: tuple[DayFigures, ...] = ()
    newest: Interval | None = None
    usual: int | None = None

    def age(self, now: float) -> float:
        """Return the seconds since the end of the newest data, infinite if there is none."""
        return now - self.newest.end if self.newest else math.inf


class Freshness(Enum):
    """How old the newest data is, compared with the usual delay."""

    NONE = "none"
    FRESH = "fresh"
    LATE = "late"
    STALE = "stale"


def figures_of(meter: Meter, zone: ZoneInfo) -> Figures:
    """Return the figures of a meter, with the days of a zone."""
    return Figures(tuple(_days(meter, zone)), meter.latest, _usual_lag(meter.intervals))


def _days(meter: Meter, zone: ZoneInfo) -> Iterator[DayFigures]:
    """Yield the days of a meter that have energy, in part or in full."""
    full = {local(each.start, zone).date(): each for each in meter.days if each.has_energy}
    starts = [column[at] for column in (meter.days.starts, meter.intervals.starts) if column for at in (0, -1)]
    if not starts:
        return
    first, last = (local(each, zone).date() for each in (min(starts), max(starts)))
    count = (last - first).days + 1
    for at, (start, end) in enumerate(pairwise(midnights(first, count, zone))):
        day, hours = first + timedelta(days=at), (end - start) // 3600
        if each := full.get(day):
            yield DayFigures(day, hours, each.usage, each.export, each.cost)
        elif part := _partial_day(day, hours, meter.intervals.between(start, end)):
            yield part


def _partial_day(day: date, hours: int, inside: Intervals) -> DayFigures | None:
    """Return what is known of an incomplete day; None without energy.

    A cost is shown only if it covers all of the usage that is shown.
    """
    usage, export, cost = ([outside(value) for value in quantity.values] for quantity in inside.quantities())
    figures = DayFigures(day, hours, _sum(usage), _sum(export), _sum(cost), is_full=False)
    if figures.usage is None and figures.export is None:
        return None
    if any(energy is not None and money is None for energy, money in zip(usage, cost, strict=True)):
        return replace(figures, cost=None)
    return figures


def sum_of_days(meters: Sequence[Sequence[DayFigures]]) -> tuple[DayFigures, ...]:
    """Return the days of a location: the sums over its meters, which must not contain each other.

    A day is full if it is full for every meter that has started and not ended. A meter ends three days after its newest
    data, because until then the data may only be late.
    """
    known = [{day.date: day for day in days} for days in meters if days]
    spans = [(min(days), max(days) + _ENDED) for days in known]
    with_cost = [any(day.cost is not None for day in days.values()) for days in known]

    def total(day: date) -> DayFigures:
        parts = [days[day] for days in known if day in days]
        expected = sum(first <= day <= last for first, last in spans)
        costs = [days[day].cost for days, priced in zip(known, with_cost, strict=True) if priced and day in days]
        return DayFigures(
            day,
            parts[0].hours,
            usage=_sum(each.usage for each in parts),
            export=_sum(each.export for each in parts),
            cost=None if None in costs else _sum(costs),
            is_full=len(parts) == expected and all(each.is_full for each in parts),
        )

    return tuple(map(total, sorted(set().union(*known))))


def month_of(days: Sequence[DayFigures]) -> MonthFigures | None:
    """Return the sums of the month of the newest day; None without days."""
    inside = [day for day in days if day.date >= days[-1].date.replace(day=1)]
    if not inside:
        return None
    first, newest = inside[0].date, inside[-1].date
    return MonthFigures(
        first,
        newest,
        usage=_sum(day.usage for day in inside),
        export=_sum(day.export for day in inside),
        cost=_sum(day.cost for day in inside),
        days=len(inside),
        days_with_cost=sum(day.cost is not None for day in inside),
        gaps=(newest - first).days - sum(day.is_full for day in inside[:-1]),
    )


def freshness(figures: Figures, now: float) -> Freshness:
    """Return stale from 72 hours on, and late from an unusual delay or 48 hours on."""
    if figures.newest is None:
        return Freshness.NONE
    age = figures.age(now)
    if age >= _STALE:
        return Freshness.STALE
    allowed = _BEHIND if figures.usual is None else 1.5 * figures.usual + 3 * 3600
    return Freshness.LATE if age >= allowed else Freshness.FRESH


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return amount(math.fsum(known)) if known else None


def _usual_lag(intervals: Intervals) -> int | None:
    """Return the delay in seconds within which nearly all intervals came.

    It is derived from the versions, so it survives a restart (docs/samples.md, "Timestamps and versions"). The first
    refresh reads old intervals, which are left out.
    """
    versions = zip(intervals.ends(), intervals.usage.versions, intervals.export.versions, strict=True)
    seen = [(end, usage_k or export_k) for end, usage_k, export_k in versions if usage_k or export_k]
    soon = next((end for end, k in seen if k <= _SEEN_SOON), math.inf)
    settled = [(end, k) for end, k in seen if end > soon + _SETTLED]
    if not settled or settled[-1][0] - settled[0][0] < _ENOUGH:
        return None
    sorted_k = sorted(k for _, k in settled)
    k = sorted_k[int(0.95 * (len(sorted_k) - 1))]
    return 900 * bisect_left(_QUARTERS, k, key=lambda quarters: version(0, quarters * 900.0))
