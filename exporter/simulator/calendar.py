"""The local calendar of a co-op at real instants (seconds UTC): midnights, whole days, and the wall clock as `x`."""

from datetime import UTC, date, datetime, timedelta, tzinfo


def midnight(day: date, zone: tzinfo) -> int:
    """The instant at which a local day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def local_days(start: int, end: int, zone: tzinfo) -> list[tuple[int, int]]:
    """Start and end of each local day that begins in [start, end)."""
    day = datetime.fromtimestamp(start, zone).date()
    days: list[tuple[int, int]] = []
    while (first := midnight(day, zone)) < end:
        day += timedelta(days=1)
        if first >= start:
            days.append((first, midnight(day, zone)))
    return days


def pieces(start: int, end: int, step: int) -> list[tuple[int, int]]:
    """Start and end of each `step` seconds from `start` on that begin before `end`."""
    return [(each, each + step) for each in range(start, end, step)]


def steps(start: int, end: int, step: int) -> list[tuple[int, int]]:
    """Start and end of each interval of `step` seconds that begins in [start, end)."""
    return pieces(-(-start // step) * step, end, step)


def wall(instant: int, zone: tzinfo) -> int:
    """What the local clock shows, in seconds as if it were UTC (portal-facts 4.1)."""
    return int(datetime.fromtimestamp(instant, zone).replace(tzinfo=UTC, fold=0).timestamp())
