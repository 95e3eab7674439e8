"""The calendar of a co-op at instants in seconds UTC: days, intervals and the wall clock."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TypeVar

T = TypeVar("T")


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
    """Join items with the same x into one, at the position of the first."""
    by_x: dict[int, T] = {}
    for x, each in items:
        by_x[x] = join(by_x[x], each) if x in by_x else each
    return list(by_x.values())
