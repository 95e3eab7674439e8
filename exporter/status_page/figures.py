"""The figures of a meter: full days, the month, the newest data and its delay.

Energy in kWh, money in USD, times in seconds UTC. Sums are sums of full local days, the same as in /metrics.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from zoneinfo import ZoneInfo

from ..formatting import local
from ..intervals.interval import Interval
from ..intervals.model import Meter
from ..intervals.samples import amount, version

_STALE = 72 * 3600
_BEHIND = 48 * 3600  # older data is late even if the meter is read once a day
_SEEN_SOON = version(0, 96 * 3600.0)  # a higher version comes from a first refresh, which reads old intervals
_SETTLED = 96 * 3600
_ENOUGH = 3 * 86400  # seconds of data that are enough to know the usual delay
_QUARTERS = range(4 * 24 * 4)


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One full local day. A value that the co-op does not provide is None."""

    date: date
    hours: int
    usage: float | None
    export: float | None
    cost: float | None


Energy = Interval | DayFigures
DIRECTIONS: tuple[tuple[str, Callable[[Energy], float | None]], ...] = (
    ("drawn", lambda energy: energy.usage),
    ("sent", lambda energy: energy.export),
)
"""The two directions of energy with their words, in the order of the page."""


def told(energy: Energy, shown: Callable[[float], str]) -> list[str]:
    """Return usage and export as texts, without unknown ones.

    `shown` formats an amount.
    """
    return [f"{shown(value)} {name}" for name, pick in DIRECTIONS if (value := pick(energy)) is not None]


@dataclass(frozen=True, slots=True)
class MonthFigures:
    """The sums of the full days of a month, as of the day `today`.

    `cost` is the sum over the days that have a cost.
    """

    days: tuple[DayFigures, ...]
    today: date
    usage: float | None
    export: float | None
    cost: float | None

    @property
    def is_running(self) -> bool:
        """Whether it is the current month."""
        return self.days[0].date.replace(day=1) == self.today.replace(day=1)


@dataclass(frozen=True, slots=True)
class Figures:
    """A meter's figures as of one local day. `month` is that of the newest full day.

    `usual` is the usual delay of its data in seconds, if it is known.
    """

    days: tuple[DayFigures, ...] = ()
    month: MonthFigures | None = None
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


def figures_of(meter: Meter, zone: ZoneInfo, today: date) -> Figures:
    """Return the figures of a meter as of a local day."""
    days = tuple(
        DayFigures(local(each.start, zone).date(), (each.end - each.start) // 3600, each.usage, each.export, each.cost)
        for each in meter.days
        if each.has_energy
    )
    # The current month or, before its first full day, the previous month.
    inside = tuple(day for day in days if day.date >= days[-1].date.replace(day=1))
    month = MonthFigures(
        inside,
        today,
        usage=_sum(day.usage for day in inside),
        export=_sum(day.export for day in inside),
        cost=_sum(day.cost for day in inside),
    )
    return Figures(days, month if days else None, meter.latest, _usual_lag(meter.intervals))


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


def _usual_lag(intervals: Sequence[Interval]) -> int | None:
    """Return the delay in seconds within which nearly all intervals came.

    It is derived from the versions, so it survives a restart (docs/samples.md, "Timestamps and versions"). The first
    refresh reads old intervals, which are left out.
    """
    seen = [(each.end, each.usage_k or each.export_k) for each in intervals if each.has_energy]
    soon = next((end for end, k in seen if k <= _SEEN_SOON), math.inf)
    settled = [(end, k) for end, k in seen if end > soon + _SETTLED]
    if not settled or settled[-1][0] - settled[0][0] < _ENOUGH:
        return None
    versions = sorted(k for _, k in settled)
    k = versions[int(0.95 * (len(versions) - 1))]
    return 900 * bisect_left(_QUARTERS, k, key=lambda quarters: version(0, quarters * 900.0))
