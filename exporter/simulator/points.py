"""The points in the answer to a poll: the posted energy of a meter, at wall-clock x."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date
from functools import cached_property
from typing import Any

from .calendar import local_days, midnight, once_per_x, pieces, wall
from .energy import ChannelValue, MeteredEnergy, channels_of, together
from .settings import Dst, covers
from .specs import LocationSpec, MeterSpec, Resolution
from .truth import Almanac, BillingPeriod

OPEN_MONTH = date(9999, 12, 1)
"""The month of a billing period that is still running (docs/portal.md, "Monthly data")."""


@dataclass(frozen=True, slots=True)
class Question:
    """The request of a poll, from `start` to `end` in seconds UTC. `echo` is its JSON."""

    location: LocationSpec
    time_frame: str
    start: int
    end: int
    echo: dict[str, Any]
    industry: str = "ELECTRIC"

    @property
    def meters(self) -> list[MeterSpec]:
        """The meters that it is about."""
        return [meter for meter in self.location.meters if meter.industry == self.industry]


@dataclass(frozen=True, slots=True)
class Point:
    """A point at `x`, in milliseconds on the wall clock.

    `values` has one value per channel, or is None for null. `periods` has the kWh of the first channel by rate period.
    `cost` says if its cost is posted. `read` has the instants at which the meter was read for it.
    """

    x: int
    values: tuple[ChannelValue, ...] | None
    periods: dict[str, float] = field(default_factory=dict)
    cost: bool = True
    read: tuple[int, ...] = ()


@dataclass(frozen=True)
class Points:
    """The data points returned for one request."""

    almanac: Almanac
    question: Question

    @property
    def is_monthly(self) -> bool:
        """Whether the question is about billing periods."""
        return self.question.time_frame == "MONTHLY"

    def of(self, meter: MeterSpec) -> list[Point]:
        """List the points of a meter, oldest first and phantoms last."""
        settings = self.almanac.settings
        points: list[Point] = []
        for x, start, end in self._spans(meter):
            if covers(settings.gaps, meter.number, start):
                continue
            if self.is_monthly or self.almanac.share(start, end):
                points.append(self._point(meter, x, start, end))
            elif settings.placeholders and self._by_interval(meter):
                points.append(Point(x, nothing(meter)))
        if settings.dst is Dst.PHANTOM:
            return points + self._phantoms(meter)
        if settings.dst is Dst.DUPLICATE:
            return points
        join = _merged if settings.dst is Dst.MERGED else lambda _, second: second
        return once_per_x(((point.x, point) for point in points), join)

    @cached_property
    def billing_periods(self) -> dict[int, BillingPeriod]:
        """The billing periods that begin in the range and have posted energy, by x."""
        posted = self.almanac.posted
        return {
            midnight(each.month if each.end <= posted else OPEN_MONTH, UTC) * 1000: each
            for each in self.almanac.billing_periods(self.question.location.connected, until=posted)
            if self.question.start <= each.start < self.question.end
        }

    def x(self, instant: int) -> int:
        """Return what the portal's wall clock shows, in milliseconds as if it were UTC."""
        return (wall(instant, self.almanac.zone) + self.almanac.settings.shifted) * 1000

    def _spans(self, meter: MeterSpec) -> list[tuple[int, int, int]]:
        """Return x, start and end of each point of a meter."""
        if self.is_monthly:
            return [(x, each.start, each.end) for x, each in self.billing_periods.items()]
        question, by_interval = self.question, self._by_interval(meter)
        if not by_interval and (question.time_frame != "DAILY" or meter.resolution is Resolution.MONTHS):
            return []
        until = question.end + self.almanac.settings.inclusive_end
        spans = self.almanac.spans(meter, question.location.connected, question.start, until, by_interval=by_interval)
        is_late = by_interval and self.almanac.settings.end_labels
        return [(self.x(end if is_late else start), start, end) for start, end in spans]

    def _by_interval(self, meter: MeterSpec) -> bool:
        return self.question.time_frame == "HOURLY" and meter.resolution is Resolution.INTERVALS

    def _point(self, meter: MeterSpec, x: int, start: int, end: int) -> Point:
        settings, posted = self.almanac.settings, self.almanac.posted
        cost = end <= posted - settings.cost_lag
        if covers(settings.nulls, meter.number, start):
            return Point(x, None, cost=cost)
        if meter.resolution is Resolution.DAYS:
            read = local_days(start, end, self.almanac.zone)
        else:
            read = pieces(start, end, meter.step if meter.resolution is Resolution.INTERVALS else 3600)
        parts = [
            self.almanac.metered_energy(meter, *span).scaled(share)
            for span in read
            if (share := self.almanac.share(*span))
        ]
        values = channels_of(meter, together(parts))
        periods = {
            period: channels_of(meter, together([part for part in parts if part.period == period]))[0].kwh
            for period in ({part.period for part in parts} if meter.periods else ())
        }
        return Point(x, values, periods, cost, (start, int(min(end, posted))))

    def _phantoms(self, meter: MeterSpec) -> list[Point]:
        """Return zeros for the hour that does not exist in spring."""
        zone = self.almanac.zone
        return [
            Point(x * 1000, nothing(meter))
            for _, start, _ in (self._spans(meter) if self._by_interval(meter) else ())
            for x in range(wall(start - 1, zone) + 1, wall(start, zone), meter.step)
        ]


def nothing(meter: MeterSpec) -> tuple[ChannelValue, ...]:
    """Return the channels of a meter with zeros."""
    empty = channels_of(meter, MeteredEnergy(0.0, 0.0, "", 0.0))
    return tuple(replace(each, kwh=0.0, usd=0.0) for each in empty)


def _merged(first: Point, second: Point) -> Point:
    if first.values is None or second.values is None:
        return second
    return Point(
        first.x,
        tuple(
            replace(one, kwh=round(one.kwh + other.kwh, 2), usd=round(one.usd + other.usd, 2))
            for one, other in zip(first.values, second.values, strict=True)
        ),
        {
            period: round(first.periods.get(period, 0.0) + second.periods.get(period, 0.0), 2)
            for period in first.periods | second.periods
        },
        first.cost and second.cost,
        first.read + second.read,
    )
