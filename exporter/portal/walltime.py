"""A co-op's wall clock and the instants behind it.

See docs/portal.md, "Wall-clock times". The portal writes local times as if they were UTC. Here, and nowhere else, they
become instants, by the zone's rules at that date. `wall` is always seconds since 1970 on the wall clock, `instant`
seconds since 1970 UTC.
"""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from ..intervals.days import Day

DAY = 86400
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock has no zone
# No real wall time is outside these; MONTHLY answers use the year 9999.
_EARLIEST = 0
_LATEST = 4_102_444_800


def plausible(bounds: tuple[int, int]) -> tuple[int, int]:
    """Limit a range of wall times to the years 1970-2100, which can be converted."""
    return max(bounds[0], _EARLIEST), min(bounds[1], _LATEST)


class WallClock:
    """The wall clock of one zone."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        # Called for every point of a history, but only two days a year differ from the rest.
        cached = lru_cache(maxsize=4096)
        self._instants = cached(self._find_instants)
        self.ahead_on = cached(self._find_ahead_on)
        self._ahead_at = cached(self._find_ahead_at)

    def instants(self, wall: int) -> tuple[int, ...]:
        """Return the instants at which the clock shows this time.

        There are none in the missing hour in spring, two in the repeated hour in autumn, and one otherwise.
        """
        ahead = self.ahead_on(wall // DAY)
        return self._instants(wall) if ahead is None else (wall - ahead,)

    def _find_ahead_on(self, day: int) -> int | None:
        """Return how far the clock is ahead of UTC on a day; None if that changes.

        day: its number on the wall clock. The result is in seconds.
        """
        first, last = self._find_instants(day * DAY), self._find_instants((day + 1) * DAY)
        is_plain = len(first) == len(last) == 1 and last[0] - first[0] == DAY
        return day * DAY - first[0] if is_plain else None

    def _find_instants(self, wall: int) -> tuple[int, ...]:
        first, second = (self._with_fold(wall, fold) for fold in (0, 1))
        if first == second:
            return (first,)
        # In a gap, fold=0 uses the offset before the change and so ends up after fold=1 (PEP 495).
        return (first, second) if first < second else ()

    def instant_before_change(self, wall: int) -> int:
        """Return a missing wall time's instant, by the offset before the change."""
        return self._with_fold(wall, 0)

    def _with_fold(self, wall: int, fold: int) -> int:
        local = (_EPOCH + timedelta(seconds=wall)).replace(tzinfo=self.zone, fold=fold)
        return int(local.timestamp())

    def wall(self, instant: int) -> int:
        """Return what the clock shows at an instant."""
        ahead = self._ahead_at(instant // DAY)
        return self._find_wall(instant) if ahead is None else instant + ahead

    def _find_ahead_at(self, day: int) -> int | None:
        """Return how far the clock is ahead on a day of UTC; None if that changes."""
        first, last = self._find_wall(day * DAY), self._find_wall((day + 1) * DAY)
        return first - day * DAY if last - first == DAY else None

    def _find_wall(self, instant: int) -> int:
        local = datetime.fromtimestamp(instant, UTC).astimezone(self.zone).replace(tzinfo=None)
        return int((local - _EPOCH).total_seconds())

    def day(self, instant: int) -> Day:
        """Return the local day that contains an instant."""
        midnight = self.wall(instant) // DAY * DAY
        return Day(self._start_of_day(midnight), self._start_of_day(midnight + DAY))

    def _start_of_day(self, midnight: int) -> int:
        """Return the first instant of a local day, even if clocks change at midnight."""
        instants = self.instants(midnight)
        return instants[0] if instants else self.instant_before_change(midnight)

    def days_before(self, instant: int, days: int) -> int:
        """Return the start of the local day that lies `days` before the one of an instant."""
        return self._start_of_day((self.wall(instant) // DAY - days) * DAY)

    def midnight_of(self, date: date) -> int:
        """Return the instant at which a local date begins."""
        return self._start_of_day((date - _EPOCH.date()).days * DAY)

    def date_text(self, instant: int) -> str:
        """Return the local date of an instant, for people."""
        return (_EPOCH + timedelta(seconds=self.wall(instant))).date().isoformat()

    def days_between(self, start: int, end: int) -> int:
        """Return how many local days lie between two local midnights."""
        return self.wall(end) // DAY - self.wall(start) // DAY

    def midnights(self, start: int, end: int) -> list[int]:
        """Return every local midnight from `start` to `end`, both included."""
        first, last = (self.wall(instant) // DAY for instant in (start, end))
        return [self._start_of_day(day * DAY) for day in range(first, last + 1)]

    def grid(self, day: Day, step: int) -> tuple[tuple[int, ...], ...]:
        """Return the interval starts of a day, one tuple per wall time.

        A tuple has two instants in autumn's repeated hour, and one otherwise.
        """
        by_wall: dict[int, list[int]] = defaultdict(list)
        for start in range(day.start, day.end, step):
            by_wall[self.wall(start)].append(start)
        return tuple(tuple(instants) for instants in by_wall.values())
