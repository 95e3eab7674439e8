"""The points that an answer of the poll has for a meter: what is posted of its energy, at wall-clock x."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from .billing import BillingPeriod, billing_periods
from .calendar import local_days, midnight, pieces, steps, wall
from .energy import ChannelValue, MeteredEnergy, channels_of, together
from .settings import Dst, Settings, covers
from .specs import LocationSpec, MeterSpec, Resolution
from .truth import Almanac

OPEN_MONTH = date(9999, 12, 1)
"""What the period is called that has no bill yet (portal-facts 4.4)."""
_HOUR = 3600
_Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Question:
    """A poll's request: `start` and `end` are real instants in seconds UTC."""

    location: LocationSpec
    time_frame: str
    start: int
    end: int
    echo: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Point:
    """wall: x in seconds. values: by channel, None for null. periods: kWh of the first channel by rate period.

    read: the instants between which its energy crossed the meter; None where nothing has been read.
    """

    wall: int
    values: tuple[ChannelValue, ...] | None
    periods: Mapping[str, float] = field(default_factory=dict)
    cost: bool = True
    read: _Span | None = None


@dataclass(frozen=True)
class Points:
    """The points that one question is answered with. `now` is the present in seconds UTC."""

    zone: ZoneInfo
    almanac: Almanac
    question: Question
    settings: Settings
    now: float

    @property
    def is_monthly(self) -> bool:
        """Whether billing periods are asked for."""
        return self.question.time_frame == "MONTHLY"

    @property
    def _posted(self) -> float:
        return self.now - self.settings.lag

    def of(self, meter: MeterSpec) -> list[Point]:
        """The points of a meter, in the order of time."""
        settings = self.settings
        points: list[Point] = []
        for x, (start, end) in self._spans(meter):
            if covers(settings.gaps, meter.number, start):
                continue
            if self.is_monthly or settings.share(start, end, self._posted):
                points.append(self._point(meter, x, start, end))
            elif settings.placeholders and self._by_interval(meter):
                points.append(Point(x, nothing(meter)))
        return self._as_clocks_change(meter, points)

    @cached_property
    def billing_periods(self) -> dict[int, BillingPeriod]:
        """The periods that begin within the range asked for and of which something is posted, by x in seconds."""
        periods = billing_periods(
            self.question.location.connected, self.zone, self.settings.shifted, until=self._posted
        )
        return {
            midnight(each.month if each.end <= self._posted else OPEN_MONTH, UTC): each
            for each in periods
            if self.question.start <= each.start < self.question.end
        }

    def wall(self, instant: int) -> int:
        """What the portal's wall clock shows, in seconds as if it were UTC."""
        return wall(instant, self.zone) + self.settings.shifted

    def _spans(self, meter: MeterSpec) -> Iterable[tuple[int, _Span]]:
        """The times that the points of a meter stand for, by x in seconds."""
        if self.is_monthly:
            return [(x, (each.start, each.end)) for x, each in self.billing_periods.items()]
        spans: Iterable[_Span] = ()
        if self._by_interval(meter):
            spans = steps(self._first(meter), self.question.end, meter.step)
        elif self.question.time_frame == "DAILY" and meter.resolution is not Resolution.MONTHS:
            spans = local_days(self._first(meter), self.question.end, self.zone)
        return [(self.wall(start), (start, end)) for start, end in spans]

    def _by_interval(self, meter: MeterSpec) -> bool:
        return self.question.time_frame == "HOURLY" and meter.resolution is Resolution.INTERVALS

    def _first(self, meter: MeterSpec) -> int:
        """The first instant asked for at which there can be data of a meter."""
        days = [self.question.location.connected]
        if self._by_interval(meter) and meter.hourly_since:
            days.append(meter.hourly_since)
        return max(self.question.start, *(midnight(date.fromisoformat(day), self.zone) for day in days))

    def _point(self, meter: MeterSpec, x: int, start: int, end: int) -> Point:
        cost = end <= self._posted - self.settings.cost_lag
        if covers(self.settings.nulls, meter.number, start):
            return Point(x, None, cost=cost)
        parts = self._parts(meter, start, end)
        values = channels_of(meter, together(parts))
        periods = {
            period: channels_of(meter, together([part for part in parts if part.period == period]))[0].kwh
            for period in ({part.period for part in parts} if meter.periods else ())
        }
        return Point(x, values, periods, cost, (start, int(min(end, self._posted))))

    def _parts(self, meter: MeterSpec, start: int, end: int) -> list[MeteredEnergy]:
        """What is posted of a time, in the pieces in which the meter is read."""
        if meter.resolution is Resolution.DAYS:
            spans = local_days(start, end, self.zone)
        else:
            spans = pieces(start, end, meter.step if meter.resolution is Resolution.INTERVALS else _HOUR)
        shares = ((span, self.settings.share(*span, self._posted)) for span in spans)
        return [self.almanac.metered_energy(meter, *span).scaled(share) for span, share in shares if share]

    # -- the days on which clocks change

    def _as_clocks_change(self, meter: MeterSpec, points: list[Point]) -> list[Point]:
        mode = self.settings.dst
        if mode is Dst.PHANTOM:
            return points + self._phantoms(meter)
        if mode is Dst.DUPLICATE:
            return points
        by_wall: dict[int, Point] = {}
        for point in points:
            before = by_wall.get(point.wall)
            by_wall[point.wall] = _merged(before, point) if before and mode is Dst.MERGED else point
        return list(by_wall.values())

    def _phantoms(self, meter: MeterSpec) -> list[Point]:
        """Zeros in the hour of spring that does not exist."""
        if not self._by_interval(meter):
            return []
        found = []
        for start in range(self._first(meter), self.question.end, meter.step):
            shown = wall(start, self.zone)
            gap = shown - wall(start - 1, self.zone) - 1
            if gap > 0:
                found += [Point(x, nothing(meter)) for x in range(shown - gap, shown, meter.step)]
        return found


def nothing(meter: MeterSpec) -> tuple[ChannelValue, ...]:
    """The channels of a meter without any energy."""
    empty = channels_of(meter, MeteredEnergy(0.0, 0.0, "", 0.0))
    return tuple(ChannelValue(each.direction, each.label, 0.0, 0.0) for each in empty)


def _merged(one: Point, other: Point) -> Point:
    if one.values is None or other.values is None:
        return other
    return Point(
        one.wall,
        tuple(_sum(*both) for both in zip(one.values, other.values, strict=True)),
        {
            period: round(one.periods.get(period, 0.0) + other.periods.get(period, 0.0), 2)
            for period in {**one.periods, **other.periods}
        },
        one.cost and other.cost,
        (one.read[0], other.read[1]) if one.read and other.read else one.read or other.read,
    )


def _sum(one: ChannelValue, other: ChannelValue) -> ChannelValue:
    return ChannelValue(one.direction, one.label, round(one.kwh + other.kwh, 2), round(one.usd + other.usd, 2))
