"""When the co-op bills: from the 5th of a month to the 5th of the next, local days (portal-facts 2.1 and 4.4)."""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from .calendar import midnight

_BILLING_DAY = 5


@dataclass(frozen=True, slots=True)
class BillingPeriod:
    """A billing period in seconds UTC, with the month that its bill is called by: the one it ends in."""

    start: int
    end: int
    month: date


def billing_periods(connected: str, zone: ZoneInfo, shifted: int, until: float) -> list[BillingPeriod]:
    """The periods that begin before `until`, from the day of the connection on; the last one may still run.

    A portal whose wall clock is `shifted` has its midnights that much earlier.
    """
    day = date.fromisoformat(connected)
    bounds = [(day, midnight(day, zone) - shifted)]
    while bounds[-1][1] < until:
        day = _next_billing_day(day)
        bounds.append((day, midnight(day, zone) - shifted))
    return [BillingPeriod(start, end, last.replace(day=1)) for (_, start), (last, end) in pairwise(bounds)]


def _next_billing_day(day: date) -> date:
    if day.day >= _BILLING_DAY:
        day = day.replace(day=1) + timedelta(days=32)
    return day.replace(day=_BILLING_DAY)
