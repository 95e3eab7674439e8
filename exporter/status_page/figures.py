"""What the status page tells of a meter: whole days, the month, what is newest and if that is later than it should be.

Energy in kWh, money in USD, times in seconds UTC. Sums are sums of whole local days, the very ones that /metrics has.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from ..formatting import local
from ..intervals.model import Interval, Meter
from ..intervals.samples import amount, version

STALE = 72 * 3600
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


@dataclass(frozen=True, slots=True)
class MonthFigures:
    """The whole days of a calendar month, added. days: how many they are.

    missing: how many between the first and the last are not whole. cost_days: how many of the whole ones have a cost.
    today: the day as of which this is.
    """

    first: date
    last: date
    days: int
    missing: int
    usage: float | None
    export: float | None
    cost: float | None
    cost_days: int
    today: date

    @property
    def is_running(self) -> bool:
        """Whether it is the present month."""
        return (self.first.year, self.first.month) == (self.today.year, self.today.month)


@dataclass(frozen=True, slots=True)
class Figures:
    """A meter's figures as of one local day. usual: seconds in which its data usually come, if known."""

    days: tuple[DayFigures, ...]
    month: MonthFigures | None
    newest: Interval | None
    usual: int | None

    @property
    def latest_day(self) -> DayFigures | None:
        """The newest whole day."""
        return self.days[-1] if self.days else None


class Freshness(Enum):
    """How old the newest data are, measured by what is usual."""

    NONE = "none"
    FRESH = "fresh"
    LATE = "late"
    STALE = "stale"


def figures_of(meter: Meter, zone: ZoneInfo, today: date) -> Figures:
    """The figures of a meter on a local day."""
    days = tuple(_day(each, zone) for each in meter.days if each.has_energy)
    return Figures(days, _month(days, today), meter.latest, _usual_lag(meter.intervals))


def freshness(figures: Figures, now: float) -> Freshness:
    """Stale from 72 hours on; late from what is unusual for this meter, else from 48 hours on."""
    if figures.newest is None:
        return Freshness.NONE
    age = now - figures.newest.end
    if age >= STALE:
        return Freshness.STALE
    allowed = _BEHIND if figures.usual is None else 1.5 * figures.usual + 3 * 3600
    return Freshness.LATE if age >= allowed else Freshness.FRESH


def _day(day: Interval, zone: ZoneInfo) -> DayFigures:
    return DayFigures(local(day.start, zone).date(), (day.end - day.start) // 3600, day.usage, day.export, day.cost)


def _month(days: Sequence[DayFigures], today: date) -> MonthFigures | None:
    """This month; before it has a whole day, the last one that has."""
    if not days:
        return None
    of = days[-1].date.replace(day=1)
    inside = [day for day in days if day.date >= of]
    first, last = inside[0].date, inside[-1].date
    return MonthFigures(
        first,
        last,
        len(inside),
        (last - first).days + 1 - len(inside),
        _sum([day.usage for day in inside]),
        _sum([day.export for day in inside]),
        _sum([day.cost for day in inside]),
        sum(day.cost is not None for day in inside),
        today,
    )


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return amount(math.fsum(known)) if known else None


def _usual_lag(intervals: Sequence[Interval]) -> int | None:
    """How long after their end intervals were first seen, of nearly all that came while the exporter ran.

    Their versions tell (contract 3), also after a restart. The first refresh saw old ones late: they are left out.
    """
    seen = [(each.end, each.usage_k or each.export_k) for each in intervals if each.has_energy]
    soon = next((end for end, k in seen if k <= _SEEN_SOON), None)
    if soon is None:
        return None
    settled = [each for each in seen if each[0] > soon + _SETTLED]
    if not settled or settled[-1][0] - settled[0][0] < _ENOUGH:
        return None
    versions = sorted(k for _, k in settled)
    k = versions[int(0.95 * (len(versions) - 1))]
    return 900 * bisect_left(_QUARTERS, k, key=lambda quarters: version(0, quarters * 900.0))


def dates(first: date, last: date) -> list[date]:
    """Every date from the first to the last."""
    return [first + timedelta(days=each) for each in range((last - first).days + 1)]
