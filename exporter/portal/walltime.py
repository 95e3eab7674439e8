"""A co-op's wall clock and the real instants behind it.

The portal writes local wall-clock times as if they were UTC (portal-facts 4.1). Here, and nowhere else, they become
real instants, by the zone's rules at that date. `wall` is always seconds since 1970 on the wall clock, `instant`
seconds since 1970 UTC.
"""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from ..days import Day

DAY = 86400
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock has no zone
# Beyond these a wall time cannot be meant (MONTHLY answers name the year 9999, portal-facts 4.4).
_EARLIEST = 0
_LATEST = 4_102_444_800


def is_plausible(wall: int) -> bool:
    """Whether a wall time lies between 1970 and 2100, where the conversions below are defined."""
    return _EARLIEST <= wall < _LATEST


class WallClock:
    """The wall clock of one zone."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self._instants = lru_cache(maxsize=4096)(self._find_instants)

    def instants(self, wall: int) -> tuple[int, ...]:
        """The instants at which the clock shows this: none in the spring gap, two in the autumn hour, else one."""
        return self._instants(wall)

    def _find_instants(self, wall: int) -> tuple[int, ...]:
        first, second = (self._with_fold(wall, fold) for fold in (0, 1))
        if first == second:
            return (first,)
        # In a gap fold=0 still uses the offset before the change and so lands after fold=1 (PEP 495).
        return (first, second) if first < second else ()

    def instant_before_change(self, wall: int) -> int:
        """The instant by the offset before the change: what a wall time that does not exist stands for (contract 3)."""
        return self._with_fold(wall, 0)

    def _with_fold(self, wall: int, fold: int) -> int:
        local = (_EPOCH + timedelta(seconds=wall)).replace(tzinfo=self.zone, fold=fold)
        return int(local.timestamp())

    def wall(self, instant: int) -> int:
        """What the clock shows at an instant."""
        local = datetime.fromtimestamp(instant, UTC).astimezone(self.zone).replace(tzinfo=None)
        return int((local - _EPOCH).total_seconds())

    def day(self, instant: int) -> Day:
        """The local day that holds an instant."""
        midnight = self.wall(instant) // DAY * DAY
        return Day(self._start_of_day(midnight), self._start_of_day(midnight + DAY))

    def _start_of_day(self, midnight: int) -> int:
        """Where clocks change at midnight itself: the first instant of the new day."""
        instants = self.instants(midnight)
        return instants[0] if instants else self.instant_before_change(midnight)

    def days_before(self, instant: int, days: int) -> int:
        """The local midnight at which the day `days` before the one of this instant begins."""
        return self._start_of_day((self.wall(instant) // DAY - days) * DAY)

    def midnight_of(self, date: date) -> int:
        """The instant at which a local date begins."""
        return self._start_of_day((date - _EPOCH.date()).days * DAY)

    def date_text(self, instant: int) -> str:
        """The local date of an instant, for people."""
        return (_EPOCH + timedelta(seconds=self.wall(instant))).date().isoformat()

    def midnights(self, start: int, end: int) -> list[int]:
        """Every local midnight from `start` to `end`, both included; both must be local midnights."""
        first, last = (self.wall(instant) // DAY for instant in (start, end))
        return [self._start_of_day(day * DAY) for day in range(first, last + 1)]

    def grid(self, day: Day, step: int) -> tuple[tuple[int, ...], ...]:
        """The interval starts of a day, one tuple for each wall time: two instants in the autumn hour, else one."""
        by_wall: dict[int, list[int]] = defaultdict(list)
        for start in range(day.start, day.end, step):
            by_wall[self.wall(start)].append(start)
        return tuple(tuple(instants) for instants in by_wall.values())
