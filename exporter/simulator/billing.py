"""When the co-op bills: from the 5th of a month to the 5th of the next, local days (portal-facts 2.1 and 4.4)."""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from .calendar import midnight
from .settings import Settings

_BILLING_DAY = 5


@dataclass(frozen=True, slots=True)
class BillingPeriod:
    """A billing period in seconds UTC, with the month that its bill is called by: the one it ends in."""

    start: int
    end: int
    month: date


def billing_periods(connected: str, zone: ZoneInfo, settings: Settings, until: float) -> list[BillingPeriod]:
    """The periods that begin before `until`, from the day of the connection on; the last one may still run.

    A portal whose wall clock is `shifted` has its midnights that much earlier.
    """
    days = [date.fromisoformat(connected)]
    while _instant(days[-1], zone, settings) < until:
        days.append(_next_billing_day(days[-1]))
    return [
        BillingPeriod(_instant(first, zone, settings), _instant(last, zone, settings), last.replace(day=1))
        for first, last in pairwise(days)
    ]


def _next_billing_day(day: date) -> date:
    if day.day < _BILLING_DAY:
        return day.replace(day=_BILLING_DAY)
    return (day.replace(day=1) + timedelta(days=32)).replace(day=_BILLING_DAY)


def _instant(day: date, zone: ZoneInfo, settings: Settings) -> int:
    return midnight(day, zone) - settings.shifted
