"""The points that an answer of the poll has for a meter: what is posted of its energy, at wall-clock x."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from .billing import BillingPeriod, billing_periods
from .calendar import local_days, midnight, steps, wall
from .energy import ChannelValue, MeteredEnergy, channels_of
from .settings import Dst, Settings, Span
from .specs import LocationSpec, MeterSpec, Resolution
from .truth import Almanac

OPEN_MONTH = date(9999, 12, 1)
"""What the period is called that has no bill yet (portal-facts 4.4)."""
_HOUR = 3600


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
    read: tuple[int, int] | None = None


class Points:
    """Gives the points of one co-op's meters. `now` is the present in seconds UTC."""

    def __init__(self, zone: ZoneInfo, almanac: Almanac) -> None:
        self._zone = zone
        self._almanac = almanac

    def of(self, meter: MeterSpec, question: Question, settings: Settings, now: float) -> list[Point]:
        """The points of a meter, in the order of time."""
        if question.time_frame == "MONTHLY":
            return self._months(meter, question, settings, now)
        if question.time_frame == "DAILY" and meter.resolution is not Resolution.MONTHS:
            return self._days_or_intervals(meter, question, settings, now)
        if question.time_frame == "HOURLY" and meter.resolution is Resolution.INTERVALS:
            return self._days_or_intervals(meter, question, settings, now)
        return []

    def billing_periods(self, question: Question, settings: Settings, now: float) -> dict[int, BillingPeriod]:
        """The periods that begin within the range asked for and of which something is posted, by x in seconds."""
        posted = now - settings.lag
        periods = billing_periods(question.location.connected, self._zone, settings, posted)
        return {
            midnight(each.month if each.end <= posted else OPEN_MONTH, UTC): each
            for each in periods
            if question.start <= each.start < question.end
        }

    def wall(self, instant: int, settings: Settings) -> int:
        """What the portal's wall clock shows, in seconds as if it were UTC."""
        return wall(instant, self._zone) + settings.shifted

    # -- intervals and days

    def _days_or_intervals(self, meter: MeterSpec, question: Question, settings: Settings, now: float) -> list[Point]:
        daily = question.time_frame == "DAILY"
        posted = now - settings.lag
        points: list[Point] = []
        for start, end in self._spans(meter, question, daily=daily):
            if _covers(settings.gaps, meter, start):
                continue
            x = self.wall(start, settings)
            if _share(start, end, posted, settings):
                points.append(self._point(meter, x, (start, end), posted, settings))
            elif settings.placeholders and not daily:
                points.append(Point(x, nothing(meter)))
        return self._as_clocks_change(meter, points, question, settings)

    def _spans(self, meter: MeterSpec, question: Question, *, daily: bool) -> Iterable[tuple[int, int]]:
        since = self._since(meter, question)
        if daily:
            return [each for each in local_days(question.start, question.end, self._zone) if each[0] >= since]
        return steps(max(since, question.start), question.end, meter.step)

    def _since(self, meter: MeterSpec, question: Question) -> int:
        days = [question.location.connected]
        if question.time_frame == "HOURLY" and meter.hourly_since:
            days.append(meter.hourly_since)
        return max(midnight(date.fromisoformat(day), self._zone) for day in days)

    def _point(self, meter: MeterSpec, x: int, span: tuple[int, int], posted: float, settings: Settings) -> Point:
        start, end = span
        cost = end <= posted - settings.cost_lag
        if _covers(settings.nulls, meter, start):
            return Point(x, None, cost=cost)
        parts = self._parts(meter, start, end, posted, settings)
        values = channels_of(meter, _together(parts))
        periods = {
            period: channels_of(meter, _together([part for part in parts if part.period == period]))[0].kwh
            for period in ({part.period for part in parts} if meter.periods else ())
        }
        return Point(x, values, periods, cost, (start, int(min(end, posted))))

    def _parts(self, meter: MeterSpec, start: int, end: int, posted: float, settings: Settings) -> list[MeteredEnergy]:
        """What is posted of a time, in the pieces in which the meter is read."""
        spans: Iterable[tuple[int, int]] = ((each, each + _HOUR) for each in range(start, end, _HOUR))
        if meter.resolution is Resolution.INTERVALS:
            spans = ((each, each + meter.step) for each in range(start, end, meter.step))
        elif meter.resolution is Resolution.DAYS:
            spans = local_days(start, end, self._zone)
        shares = ((span, _share(*span, posted, settings)) for span in spans)
        return [self._almanac.metered_energy(meter, *span).scaled(share) for span, share in shares if share]

    # -- billing periods

    def _months(self, meter: MeterSpec, question: Question, settings: Settings, now: float) -> list[Point]:
        posted = now - settings.lag
        periods = self.billing_periods(question, settings, now)
        return [
            self._point(meter, x, (each.start, each.end), posted, settings)
            for x, each in periods.items()
            if not _covers(settings.gaps, meter, each.start)
        ]

    # -- the days on which clocks change

    def _as_clocks_change(
        self, meter: MeterSpec, points: list[Point], question: Question, settings: Settings
    ) -> list[Point]:
        if settings.dst is Dst.PHANTOM:
            return points + self._phantoms(meter, question)
        if settings.dst is Dst.DUPLICATE:
            return points
        by_wall: dict[int, Point] = {}
        for point in points:
            before = by_wall.get(point.wall)
            merges = before and before.values and point.values and settings.dst is Dst.MERGED
            by_wall[point.wall] = _merged(before, point) if before and merges else point
        return list(by_wall.values())

    def _phantoms(self, meter: MeterSpec, question: Question) -> list[Point]:
        """Zeros in the hour of spring that does not exist."""
        if question.time_frame == "DAILY":
            return []
        found = []
        for start in range(max(question.start, self._since(meter, question)), question.end, meter.step):
            before = datetime.fromtimestamp(start - 1, self._zone).utcoffset()
            after = datetime.fromtimestamp(start, self._zone).utcoffset()
            if before is not None and after is not None and after > before:
                gap = int((after - before).total_seconds())
                first = wall(start, self._zone) - gap
                found += [Point(x, nothing(meter)) for x in range(first, first + gap, meter.step)]
        return found


def nothing(meter: MeterSpec) -> tuple[ChannelValue, ...]:
    """The channels of a meter without any energy."""
    empty = channels_of(meter, MeteredEnergy(0.0, 0.0, "", 0.0))
    return tuple(ChannelValue(each.direction, each.label, 0.0, 0.0) for each in empty)


def _share(start: int, end: int, posted: float, settings: Settings) -> float:
    """How much of a time is posted, from 0 to 1: all or nothing, unless the newest is given in part."""
    if end <= posted:
        return 1.0
    return max(0.0, (posted - start) / (end - start)) if settings.partial_newest else 0.0


def _together(parts: Sequence[MeteredEnergy]) -> MeteredEnergy:
    if len(parts) == 1:
        return parts[0]
    drawn, paid = sum(part.drawn for part in parts), sum(part.drawn * part.price for part in parts)
    return MeteredEnergy(drawn, sum(part.sent for part in parts), "", paid / drawn if drawn else 0.0)


def _merged(one: Point, other: Point) -> Point:
    assert one.values is not None
    assert other.values is not None
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


def _covers(spans: Iterable[Span], meter: MeterSpec, start: int) -> bool:
    return any(span.meter == meter.number and span.start <= start < span.end for span in spans)
