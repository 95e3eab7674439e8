"""A portal that answers queries from simple data."""

from collections.abc import Callable, Iterable, Sequence

from exporter.errors import PortalError
from exporter.portal.query import DAILY, HOURLY, UsageQuery
from exporter.portal.usage import decode
from exporter.portal.usage_answer import UsageAnswer

from .portal_answers import DAY, HOUR, Pair, chart, electric, meter, series, usage, wall_of

ZONE = "America/New_York"


class Portal:
    """Answers queries from simple data: three intervals per day from noon, and daily values.

    hourly, daily: the meters that have such data; every meter is listed in each answer, as far as `lists` says so.
    refuses: the error with which a query ends, if any. longest: days of a range that can be answered.
    """

    def __init__(
        self,
        hourly: Sequence[str] = ("M1",),
        daily: Sequence[str] = (),
        *,
        zone: str = ZONE,
        has_hourly: bool | None = None,
        lists: Sequence[str] | None = None,
        refuses: Callable[[UsageQuery], PortalError | None] = lambda query: None,
    ) -> None:
        self.zone = zone
        self.hourly = list(hourly)
        self.daily = [*hourly, *daily]
        self.lists = list(self.daily if lists is None else lists)
        self.has_hourly = has_hourly
        self.refuses = refuses
        self.asked: list[UsageQuery] = []

    def __call__(self, query: UsageQuery) -> UsageAnswer:
        self.asked.append(query)
        error = self.refuses(query)
        if error:
            raise error
        assert wall_of(query.start, self.zone) % DAY == wall_of(query.end, self.zone) % DAY == 0, "whole days"
        numbers = self.hourly if query.time_frame == HOURLY else self.daily
        pairs = list(self._pairs(query))
        listed = [meter(number) for number in dict.fromkeys([*self.lists, *numbers])]
        flags = {} if self.has_hourly is None else {"hasHourly": self.has_hourly, "hasDaily": True}
        charted = chart((time for time, _ in pairs), HOUR) if query.time_frame == HOURLY else {}
        entry = usage(listed, [series(number, pairs) for number in numbers], xToOrderedInterval=charted, **flags)
        return decode(electric(entry))

    def _pairs(self, query: UsageQuery) -> Iterable[Pair]:
        start, end = wall_of(query.start, self.zone), wall_of(query.end, self.zone)
        for day in range(start, end, DAY):
            if query.time_frame == DAILY:
                yield day, 24.5
            else:
                yield from ((day + hour * HOUR, 1.0) for hour in (12, 13, 14))

    def days(self, time_frame: str = HOURLY) -> list[int]:
        """Return how many days each query requested."""
        return [days_of(query) for query in self.asked if query.time_frame == time_frame]

    def frames(self) -> set[str]:
        return {query.time_frame for query in self.asked}


def days_of(query: UsageQuery) -> int:
    return round((query.end - query.start) / DAY)
