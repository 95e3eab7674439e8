"""The JSON of the usage poll, with the oddities of portals (docs/portal.md, "Shape of a usage answer")."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from random import Random
from typing import Any

from .calendar import midnight
from .energy import ChannelValue
from .points import OPEN_MONTH, Point, Points, Question, nothing
from .settings import Cost, Meters, MonthlyBounds, Poll
from .specs import MeterSpec, Resolution
from .truth import Almanac, BillingPeriod

_PERIODS = ("Super Off Peak", "Off Peak", "On Peak")
_DAY = 86400
_END_OF_TIME = date(9999, 12, 31)
Json = dict[str, Any]


def usage_answer(question: Question, almanac: Almanac) -> Json:
    """Return the complete answer of a finished job."""
    how = almanac.settings.poll
    if how is Poll.NO_DATA:
        return {"status": "COMPLETE"}
    entries = [] if how is Poll.NO_ENTRY else _Entries(Points(almanac, question)).all()
    return {"status": "COMPLETE", "data": {} if how is Poll.NO_ELECTRIC else {question.industry: entries}}


@dataclass(frozen=True, slots=True)
class _Channel:
    """A channel of a meter, with the points of the meter.

    `value` is its value without energy. `is_only` says that the meter has no other channel.
    """

    meter: MeterSpec
    number: int
    value: ChannelValue
    is_only: bool
    points: Sequence[Point]

    @property
    def name(self) -> str:
        """The name that joins a meter of an entry to its series."""
        return self.meter.number if self.is_only else f"{self.meter.number} - {self.value.label}"

    def values(self) -> Iterator[tuple[Point, ChannelValue | None]]:
        """Return the points with the values of this channel, None for null."""
        return ((point, point.values[self.number - 1] if point.values else None) for point in self.points)


class _Entries:
    """The entries of one answer."""

    def __init__(self, points: Points) -> None:
        self._points = points
        self._question, self._settings = points.question, points.almanac.settings
        location = points.question.location
        self._ids = {
            "serviceLocationNumber": self._settings.identifier(location.number),
            "accountNumber": self._settings.identifier(location.account),
        }
        self._channels: list[_Channel] = []
        for meter in points.question.meters:
            values = nothing(meter)
            of_meter = [] if self._settings.poll is Poll.NO_POINTS else points.of(meter)
            self._channels += [
                _Channel(meter, number, value, len(values) == 1, of_meter) for number, value in enumerate(values, 1)
            ]

    def all(self) -> list[Json]:
        """Return the entries for usage, cost and rate periods, as far as the co-op has them."""
        entries = [] if self._settings.poll is Poll.NO_USAGE else [self._usage()]
        if any(each.meter.cost and each.points for each in self._channels):
            entries.insert(0, self._cost())  # USAGE is not always the first entry
        if not self._points.is_monthly and any(each.meter.periods and each.points for each in self._channels):
            entries.append(self._periods())
        return entries

    def _usage(self) -> Json:
        question = self._question
        series = [self._series(each, _usage_points(each), self._strays(each)) for each in self._channels]
        entry: Json = {
            "type": "USAGE",
            "industry": question.industry,
            "timeFrame": question.time_frame,
            "unitOfMeasure": next((meter.unit for meter in question.meters), "KWH"),
            **self._ids,
            "startDateTime": _milliseconds(question.start),
            "endDateTime": _milliseconds(question.end),
            "baseUsageParameters": question.echo,
            **self._connected(),
            "meters": self._meters(),
            "series": [] if self._settings.poll is Poll.NO_SERIES else series,
            **self._repetitions(series),
        }
        if not self._settings.silent_flags:
            finest = {meter.resolution for meter in question.meters}
            entry["hasHourly"] = Resolution.INTERVALS in finest
            entry["hasDaily"] = finest != {Resolution.MONTHS}
        return entry

    def _connected(self) -> Json:
        told = self._settings.connect_date
        if not told:
            return {}
        day = date.fromisoformat(self._question.location.connected if told == "own" else told)
        return {"connectDate": f"{day:%B} {day.day}, {day.year}"}

    def _meters(self) -> list[Json]:
        how = self._settings.meters
        every = [] if how is Meters.NONE else [self._meter(each, _milliseconds) for each in self._channels]
        hidden = ("meterNumber", "meterName", "seriesId") if how is Meters.NO_NUMBERS else ()
        return [{name: value for name, value in each.items() if name not in hidden} for each in every]

    def _cost(self) -> Json:
        how = self._settings.cost
        shown: Callable[[ChannelValue], float] = {
            Cost.CENTS: lambda value: round(100 * value.usd),
            Cost.ZEROS: lambda _: 0.0,
            Cost.USAGE: lambda value: value.kwh,
        }.get(how, lambda value: value.usd)
        series = [
            self._series(each, [_drawn(at.x, shown(value)) for at, value in each.values() if value and at.cost])
            for each in self._channels
            if each.meter.cost
        ]
        if how is Cost.LABELLED:
            for each in series:
                meter, _, label = each["name"].partition(" - ")
                each |= {"name": f"{meter} - Cost {label}".strip(), "meterNumber": None}
        unit = "CENTS" if how is Cost.CENTS else "USD"
        entry = {
            "type": "COST",
            "industry": self._question.industry,
            "unitOfMeasure": unit,
            "meters": [],
            "series": series,
        }
        return entry | self._repetitions(series)

    def _periods(self) -> Json:
        series, meters = [], []
        for each in (each for each in self._channels if each.meter.periods and each.number == 1):
            for period in _PERIODS:
                name = f"{each.meter.number} - {period}"
                data = [_drawn(at.x, at.periods.get(period, 0.0)) for at in each.points if at.values]
                series.append(
                    {"name": name, "meterNumber": each.meter.number, "channel": 1, "rateName": period, "data": data}
                )
                rate = {"seriesId": name, "rate": period[:2].upper(), "rateName": period}
                meters.append(self._meter(each, self._points.x) | rate)
        return {
            "type": "TIME_OF_USE",
            "unitOfMeasure": "KWH",
            "startDateTime": self._points.x(self._question.start),
            "endDateTime": self._points.x(self._question.end),
            "meters": meters,
            "series": series,
            **self._repetitions(series),
        }

    def _repetitions(self, series: Sequence[Json]) -> Json:
        """Return an entry's repetitions of its series, which are most of an answer."""
        location = self._question.location.number
        return {
            "estimatedSeries": {},
            "editedSeries": {},
            "xToOrderedInterval": self._chart(sorted({point["x"] for one in series for point in one["data"]})),
            "baseSeries": {"name": "base", "lineWidth": 0, "data": series[0]["data"] if series else []},
            "meterToChartData": {
                f"Meter{{serviceLocationNumber='{location}', seriesId='{one['name']}', channel={one['channel']}}}": (
                    one["data"] * 2
                )
                for one in series
            },
        }

    def _meter(self, channel: _Channel, shown: Callable[[int], int]) -> Json:
        """Return a channel's entry among the meters. `shown` converts its read dates."""
        meter, direction = channel.meter, channel.value.direction
        entry: Json = {
            **self._ids,
            "industry": meter.industry,
            "meterNumber": self._settings.identifier(meter.number),
            "meterName": meter.number,
            "meterLocation": "88",
            "channel": channel.number,
            "unitOfMeasure": meter.unit,
            "isParentMeter": meter.number in [each.part_of for each in self._question.meters],
            "parentMeters": [meter.part_of] if meter.part_of else [],
            "isNetMeter": not channel.is_only,
            "visible": True,
            "seriesId": channel.name,
        }
        if direction and not self._points.is_monthly:
            entry["flowDirection"] = direction
        if read := [instant for point in channel.points for instant in point.read]:
            entry |= {"minReadDate": shown(min(read)), "maxReadDate": shown(max(read))}
        return entry

    def _series(self, channel: _Channel, data: list[Json], strays: Sequence[Json] = ()) -> Json:
        if self._settings.shuffled:
            # Points with the same x stay in order: nothing else distinguishes the two repeated hours in autumn.
            random = Random(len(data))  # noqa: S311 - not a secret
            order = {x: random.random() for x in dict.fromkeys(point["x"] for point in data)}
            data = sorted(data, key=lambda point: order[point["x"]])
        return {
            "name": channel.name,
            "meterNumber": None if self._settings.meters is Meters.NO_NUMBERS else channel.meter.number,
            "channel": channel.number,
            "isNet": channel.value.direction == "NET",
            "type": "column",
            "data": [*data, *strays],
        }

    def _strays(self, channel: _Channel) -> list[Json]:
        if self._points.is_monthly or channel.number > 1 or not channel.points:
            return []
        return [
            _drawn(stray.wall * 1000, stray.value)
            for stray in self._settings.strays
            if stray.meter == channel.meter.number
        ]

    def _chart(self, xs: Sequence[int]) -> Json:
        """Return each charted x once, with the next one as its end, so that an interval stretches over gaps."""
        if self._points.is_monthly:
            periods = self._points.billing_periods
            return {str(x): self._charted_month(x, periods[x]) for x in xs}
        steps = [meter.step for meter in self._question.meters]
        step = 1000 * (_DAY if self._question.time_frame == "DAILY" else min(steps, default=900))
        ends = [*xs[1:], xs[-1] + step] if xs else []
        return {
            str(x): {"createTickDrillDownLink": False, "interval": {"start": x, "end": end}}
            for x, end in zip(xs, ends, strict=True)
        }

    def _charted_month(self, x: int, period: BillingPeriod) -> Json:
        end = period.end
        if x == midnight(OPEN_MONTH, UTC) * 1000:
            end = midnight(_END_OF_TIME, self._points.almanac.zone) - self._settings.shifted
        shown = self._points.x if self._settings.monthly_bounds is MonthlyBounds.WALL else _milliseconds
        return {
            "orderedName": f"{datetime.fromtimestamp(x // 1000, UTC):%b %Y}",
            "createTickDrillDownLink": False,
            "interval": {"start": shown(period.start), "end": shown(end)},
        }


def _milliseconds(instant: int) -> int:
    return instant * 1000


def _drawn(x: int, y: float) -> Json:
    return {"x": x, "y": y, "enableDrilldown": False}


def _usage_points(channel: _Channel) -> list[Json]:
    return [
        _drawn(point.x, value.kwh)
        if value
        else {"x": point.x, "enableDrilldown": False} | ({"y": None} if n % 2 else {})
        for n, (point, value) in enumerate(channel.values())
    ]
