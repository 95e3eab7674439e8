"""The calendar of a co-op at instants in seconds UTC: days, intervals, billing periods and the wall clock."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TypeVar

_BILLING_DAY = 5
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BillingPeriod:
    """A billing period in seconds UTC, and the month it ends in, which its bill is named after."""

    start: int
    end: int
    month: date


def midnight(day: date, zone: tzinfo) -> int:
    """Return the instant at which a local day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def local_days(start: int, end: int, zone: tzinfo) -> list[tuple[int, int]]:
    """List start and end of each local day that begins in [start, end)."""
    day = datetime.fromtimestamp(start, zone).date()
    days: list[tuple[int, int]] = []
    while (first := midnight(day, zone)) < end:
        day += timedelta(days=1)
        if first >= start:
            days.append((first, midnight(day, zone)))
    return days


def pieces(start: int, end: int, step: int) -> list[tuple[int, int]]:
    """Cut the time from `start` on into pieces of `step` seconds that begin before `end`."""
    return [(each, each + step) for each in range(start, end, step)]


def wall(instant: int, zone: tzinfo) -> int:
    """Return what the local clock shows, in seconds as if it were UTC (docs/portal.md, "Wall-clock times")."""
    return int(datetime.fromtimestamp(instant, zone).replace(tzinfo=UTC, fold=0).timestamp())


def once_per_x(items: Iterable[tuple[int, T]], join: Callable[[T, T], T]) -> list[T]:
    """Join the items that have the same x into one, in the place of the first."""
    by_x: dict[int, T] = {}
    for x, each in items:
        by_x[x] = join(by_x[x], each) if x in by_x else each
    return list(by_x.values())


def billing_periods(connected: str, zone: tzinfo, shifted: int, until: float) -> list[BillingPeriod]:
    """List the periods that begin before `until`, from the connection on; the last one may still be running.

    A period runs from the 5th of a month to the 5th of the next, in local days. `shifted` is how many seconds the
    portal's wall clock is ahead; its midnights come that much earlier.
    """
    day = date.fromisoformat(connected)
    start = midnight(day, zone) - shifted
    periods: list[BillingPeriod] = []
    while start < until:
        if day.day >= _BILLING_DAY:
            day = day.replace(day=1) + timedelta(days=32)
        day = day.replace(day=_BILLING_DAY)
        end = midnight(day, zone) - shifted
        periods.append(BillingPeriod(start, end, day.replace(day=1)))
        start = end
    return periods
