"""The JSON of the usage poll, as nasty as portals are: wall-clock x, doubled data, stretched ends (portal-facts 3)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from .billing import BillingPeriod
from .calendar import midnight
from .energy import ChannelValue
from .points import OPEN_MONTH, Point, Points, Question, nothing
from .settings import MonthlyBounds, Poll, Settings
from .specs import MeterSpec, Resolution
from .truth import Almanac

__all__ = ["Answerer", "Question"]

_PERIODS = ("Super Off Peak", "Off Peak", "On Peak")
_DAY = 86400
_END_OF_TIME = date(9999, 12, 31)
Json = dict[str, Any]
_EMPTY: dict[Poll, Json] = {
    Poll.NO_DATA: {},
    Poll.NO_ELECTRIC: {"data": {}},
    Poll.NO_ENTRY: {"data": {"ELECTRIC": []}},
}
"""What answers without any entry have beside their status."""


class Answerer:
    """Answers polls of one co-op. `now` is the present in seconds UTC."""

    def __init__(self, zone: str, almanac: Almanac) -> None:
        self._zone = ZoneInfo(zone)
        self._almanac = almanac

    def answer(self, question: Question, settings: Settings, now: float) -> Json:
        """The whole answer of a finished job."""
        if settings.poll in _EMPTY:
            return {"status": "COMPLETE"} | _EMPTY[settings.poll]
        entries = _Entries(Points(self._zone, self._almanac, question, settings, now)).all()
        return {"status": "COMPLETE", "data": {"ELECTRIC": entries}}


@dataclass(frozen=True, slots=True)
class _Channel:
    """A channel of a meter, with the meter's points. value: without energy. is_only: the meter has no other one."""

    meter: MeterSpec
    number: int
    value: ChannelValue
    is_only: bool
    points: Sequence[Point]

    @property
    def name(self) -> str:
        """What joins an entry's meter to its series."""
        return self.meter.number if self.is_only else f"{self.meter.number} - {self.value.label}"

    def values(self) -> Iterator[tuple[Point, ChannelValue | None]]:
        """The points with the values of this channel, None for null."""
        return ((point, point.values[self.number - 1] if point.values else None) for point in self.points)

    def read_dates(self) -> dict[str, int]:
        """Between which instants (seconds UTC) the meter has data (portal-facts 3.5)."""
        read = [point.read for point in self.points if point.read]
        return {"minReadDate": min(read)[0], "maxReadDate": max(end for _, end in read)} if read else {}


class _Entries:
    """The entries of one answer."""

    def __init__(self, points: Points) -> None:
        self._points = points
        self._question, self._settings = points.question, points.settings
        location = points.question.location
        self._ids = {
            "serviceLocationNumber": points.settings.identifier(location.number),
            "accountNumber": points.settings.identifier(location.account),
        }
        self._channels = [channel for meter in location.meters for channel in self._channels_of(meter)]

    def _channels_of(self, meter: MeterSpec) -> list[_Channel]:
        points = [] if self._settings.poll is Poll.NO_POINTS else self._points.of(meter)
        channels = nothing(meter)
        return [_Channel(meter, n, value, len(channels) == 1, points) for n, value in enumerate(channels, 1)]

    def all(self) -> list[Json]:
        """Every entry: usage, cost and rate periods, as far as the co-op has them."""
        entries = [] if self._settings.poll is Poll.NO_USAGE else [self._usage()]
        if any(each.meter.cost and each.points for each in self._channels):
            entries.insert(0, self._cost())  # the order of entries is not guaranteed
        if not self._points.is_monthly and any(each.meter.periods and each.points for each in self._channels):
            entries.append(self._periods())
        return entries

    def _usage(self) -> Json:
        question = self._question
        connected = date.fromisoformat(question.location.connected)
        series = [self._series(each, _usage_points(each)) for each in self._channels]
        for each, one in zip(self._channels, series, strict=True):
            one["data"] += self._strays(each)
        first = series[0]["data"] if series else []
        entry: Json = {
            "type": "USAGE",
            "industry": "ELECTRIC",
            "timeFrame": question.time_frame,
            "unitOfMeasure": "KWH",
            **self._ids,
            "startDateTime": question.start * 1000,
            "endDateTime": question.end * 1000,
            "baseUsageParameters": question.echo,
            "connectDate": f"{connected:%B} {connected.day}, {connected.year}",
            "meters": [
                self._meter(each) | {name: instant * 1000 for name, instant in each.read_dates().items()}
                for each in self._channels
            ],
            "series": [] if self._settings.poll is Poll.NO_SERIES else series,
            "estimatedSeries": {},
            "editedSeries": {},
            "xToOrderedInterval": self._chart(sorted({point["x"] for one in series for point in one["data"]})),
            "baseSeries": {"name": "base", "lineWidth": 0, "data": first},
            "meterToChartData": {
                f"Meter{{serviceLocationNumber='{question.location.number}', flowDirection=FORWARD, rate='null'}}": (
                    first + first
                )
            },
        }
        if not self._settings.silent_flags:
            finest = {meter.resolution for meter in question.location.meters}
            entry["hasHourly"] = Resolution.INTERVALS in finest
            entry["hasDaily"] = finest != {Resolution.MONTHS}
        return entry

    def _cost(self) -> Json:
        series = [self._series(each, _cost_points(each)) for each in self._channels if each.meter.cost]
        return {"type": "COST", "industry": "ELECTRIC", "unitOfMeasure": "USD", "meters": [], "series": series}

    def _periods(self) -> Json:
        series, meters = [], []
        for each in self._channels:
            if not each.meter.periods or each.number > 1:
                continue
            dates = {key: self._points.wall(instant) * 1000 for key, instant in each.read_dates().items()}
            for period in _PERIODS:
                name = f"{each.meter.number} - {period}"
                data = [{"x": at.wall * 1000, "y": at.periods.get(period, 0.0)} for at in each.points if at.values]
                series.append(
                    {"name": name, "meterNumber": each.meter.number, "channel": 1, "rateName": period, "data": data}
                )
                rate = {"seriesId": name, "rate": period[:2].upper(), "rateName": period}
                meters.append(self._meter(each) | dates | rate)
        return {
            "type": "TIME_OF_USE",
            "unitOfMeasure": "KWH",
            "startDateTime": self._points.wall(self._question.start) * 1000,
            "endDateTime": self._points.wall(self._question.end) * 1000,
            "meters": meters,
            "series": series,
        }

    def _meter(self, channel: _Channel) -> Json:
        meter, direction = channel.meter, channel.value.direction
        entry: Json = {
            **self._ids,
            "industry": "ELECTRIC",
            "meterNumber": self._settings.identifier(meter.number),
            "meterName": meter.number,
            "meterLocation": "88",
            "channel": channel.number,
            "unitOfMeasure": "KWH",
            "isParentMeter": meter.parent,
            "parentMeters": [],
            "isNetMeter": not channel.is_only,
            "visible": True,
            "seriesId": channel.name,
        }
        return entry | ({"flowDirection": direction} if direction and not self._points.is_monthly else {})

    def _series(self, channel: _Channel, data: list[Json]) -> Json:
        if self._settings.shuffled:
            # A repeated x keeps its order: it is all that tells the two autumn hours apart.
            places = Random(len(data))  # noqa: S311 - disorder, not a secret
            order = {x: places.random() for x in dict.fromkeys(point["x"] for point in data)}
            data = sorted(data, key=lambda point: order[point["x"]])
        return {
            "name": channel.name,
            "meterNumber": channel.meter.number,
            "channel": channel.number,
            "isNet": channel.value.direction == "NET",
            "type": "column",
            "data": data,
        }

    def _strays(self, channel: _Channel) -> list[Json]:
        if self._points.is_monthly or channel.number > 1 or not channel.points:
            return []
        return [
            {"x": stray.wall * 1000, "y": stray.value, "enableDrilldown": False}
            for stray in self._settings.strays
            if stray.meter == channel.meter.number
        ]

    def _chart(self, walls: Sequence[int]) -> Json:
        """Each charted x with the next one as its end: it stretches over gaps, and a map cannot hold an x twice."""
        if self._points.is_monthly:
            periods = self._points.billing_periods
            return {str(x): self._charted_month(x // 1000, periods[x // 1000]) for x in walls}
        steps = [meter.step for meter in self._question.location.meters]
        step = 1000 * (_DAY if self._question.time_frame == "DAILY" else min(steps, default=900))
        ends = [*walls[1:], walls[-1] + step] if walls else []
        return {
            str(x): {"createTickDrillDownLink": False, "interval": {"start": x, "end": end}}
            for x, end in zip(walls, ends, strict=True)
        }

    def _charted_month(self, x: int, period: BillingPeriod) -> Json:
        start, end = period.start, period.end
        if x == midnight(OPEN_MONTH, UTC):
            end = midnight(_END_OF_TIME, self._points.zone) - self._settings.shifted
        if self._settings.monthly_bounds is MonthlyBounds.WALL:
            start, end = self._points.wall(start), self._points.wall(end)
        return {
            "orderedName": f"{datetime.fromtimestamp(x, UTC):%b %Y}",
            "createTickDrillDownLink": False,
            "interval": {"start": start * 1000, "end": end * 1000},
        }


def _usage_points(channel: _Channel) -> list[Json]:
    data: list[Json] = []
    for n, (point, value) in enumerate(channel.values()):
        item: Json = {"x": point.wall * 1000, "enableDrilldown": False}
        if value or n % 2:
            item["y"] = value and value.kwh
        data.append(item)
    return data


def _cost_points(channel: _Channel) -> list[Json]:
    return [{"x": point.wall * 1000, "y": value.usd} for point, value in channel.values() if value and point.cost]
