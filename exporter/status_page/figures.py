"""What the status page tells of a meter: whole days, the month, what is newest and if that is later than it should be.

Energy in kWh, money in USD, times in seconds UTC. Sums are sums of whole local days, the very ones that /metrics has.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from zoneinfo import ZoneInfo

from ..formatting import local
from ..intervals.model import Interval, Meter
from ..intervals.samples import amount, version

_STALE = 72 * 3600
_BEHIND = 48 * 3600  # what is later than this is late at any portal that is read once a day
_SEEN_SOON = version(0, 96 * 3600.0)  # a higher version was seen by a first refresh that reached back
_SETTLED = 96 * 3600
_ENOUGH = 3 * 86400  # seconds of data from which a usual lag can be told
_QUARTERS = range(4 * 24 * 4)


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One whole local day; None is what the co-op does not give."""

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
"""What energy can do, in the order in which it is told."""


def told(energy: Energy, shown: Callable[[float], str]) -> list[str]:
    """What was drawn and sent, as far as it is known. shown: words for an amount."""
    return [f"{shown(value)} {name}" for name, pick in DIRECTIONS if (value := pick(energy)) is not None]


@dataclass(frozen=True, slots=True)
class MonthFigures:
    """The whole days of a calendar month, added, as of the day `today`. cost: of the days that have one."""

    days: tuple[DayFigures, ...]
    today: date
    usage: float | None
    export: float | None
    cost: float | None

    @property
    def is_running(self) -> bool:
        """Whether it is the present month."""
        return self.days[0].date.replace(day=1) == self.today.replace(day=1)


@dataclass(frozen=True, slots=True)
class Figures:
    """A meter's figures as of one local day. month: the one of the newest whole day.

    usual: seconds in which its data usually come, if known.
    """

    days: tuple[DayFigures, ...] = ()
    month: MonthFigures | None = None
    newest: Interval | None = None
    usual: int | None = None

    def age(self, now: float) -> float:
        """Seconds since the end of the newest data; infinite where there are none."""
        return now - self.newest.end if self.newest else math.inf


class Freshness(Enum):
    """How old the newest data are, measured by what is usual."""

    NONE = "none"
    FRESH = "fresh"
    LATE = "late"
    STALE = "stale"


def figures_of(meter: Meter, zone: ZoneInfo, today: date) -> Figures:
    """The figures of a meter on a local day."""
    days = tuple(
        DayFigures(local(each.start, zone).date(), (each.end - each.start) // 3600, each.usage, each.export, each.cost)
        for each in meter.days
        if each.has_energy
    )
    return Figures(days, _month(days, today), meter.latest, _usual_lag(meter.intervals))


def freshness(figures: Figures, now: float) -> Freshness:
    """Stale from 72 hours on; late from what is unusual for this meter, else from 48 hours on."""
    if figures.newest is None:
        return Freshness.NONE
    age = figures.age(now)
    if age >= _STALE:
        return Freshness.STALE
    allowed = _BEHIND if figures.usual is None else 1.5 * figures.usual + 3 * 3600
    return Freshness.LATE if age >= allowed else Freshness.FRESH


def _month(days: Sequence[DayFigures], today: date) -> MonthFigures | None:
    """This month; before it has a whole day, the last one that has."""
    if not days:
        return None
    begin = days[-1].date.replace(day=1)
    inside = tuple(day for day in days if day.date >= begin)
    return MonthFigures(
        inside,
        today,
        usage=_sum(day.usage for day in inside),
        export=_sum(day.export for day in inside),
        cost=_sum(day.cost for day in inside),
    )


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return amount(math.fsum(known)) if known else None


def _usual_lag(intervals: Sequence[Interval]) -> int | None:
    """How long after their end intervals were first seen, of nearly all that came while the exporter ran.

    Their versions tell (contract 3), also after a restart. The first refresh saw old ones late: they are left out.
    """
    seen = [(each.end, each.usage_k or each.export_k) for each in intervals if each.has_energy]
    soon = next((end for end, k in seen if k <= _SEEN_SOON), math.inf)
    settled = [(end, k) for end, k in seen if end > soon + _SETTLED]
    if not settled or settled[-1][0] - settled[0][0] < _ENOUGH:
        return None
    versions = sorted(k for _, k in settled)
    k = versions[int(0.95 * (len(versions) - 1))]
    return 900 * bisect_left(_QUARTERS, k, key=lambda quarters: version(0, quarters * 900.0))
