"""The JSON of the usage poll, as nasty as portals are: wall-clock x, doubled data, stretched ends (portal-facts 3)."""

from collections.abc import Sequence
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
Read = list[tuple[MeterSpec, list[Point]]]
"""The meters of a location with their points."""


class Answerer:
    """Answers polls of one co-op. `now` is the present in seconds UTC."""

    def __init__(self, zone: str, almanac: Almanac) -> None:
        self._zone = ZoneInfo(zone)
        self._points = Points(self._zone, almanac)

    def answer(self, question: Question, settings: Settings, now: float) -> Json:
        """The whole answer of a finished job."""
        if settings.poll is Poll.NO_DATA:
            return {"status": "COMPLETE"}
        if settings.poll is Poll.NO_ELECTRIC:
            return {"status": "COMPLETE", "data": {}}
        entries = [] if settings.poll is Poll.NO_ENTRY else self._entries(question, settings, now)
        if settings.poll is Poll.NO_USAGE:
            entries = [entry for entry in entries if entry["type"] != "USAGE"]
        return {"status": "COMPLETE", "data": {"ELECTRIC": entries}}

    def _entries(self, question: Question, settings: Settings, now: float) -> list[Json]:
        meters: Read = []
        for meter in question.location.meters:
            empty = settings.poll is Poll.NO_POINTS
            meters.append((meter, [] if empty else self._points.of(meter, question, settings, now)))
        usage = self._usage(question, settings, meters, now)
        entries = [usage]
        if any(meter.cost and points for meter, points in meters):
            entries.insert(0, self._cost(meters, settings))  # the order of entries is not guaranteed
        if question.time_frame != "MONTHLY" and any(meter.periods and points for meter, points in meters):
            entries.append(self._periods(question, meters, settings))
        if settings.poll is Poll.NO_SERIES:
            usage["series"] = []
        return entries

    # -- entries

    def _usage(self, question: Question, settings: Settings, meters: Read, now: float) -> Json:
        location = question.location
        connected = date.fromisoformat(location.connected)
        entry: Json = {
            "type": "USAGE",
            "industry": "ELECTRIC",
            "timeFrame": question.time_frame,
            "unitOfMeasure": "KWH",
            "serviceLocationNumber": _id(location.number, settings),
            "accountNumber": _id(location.account, settings),
            "startDateTime": question.start * 1000,
            "endDateTime": question.end * 1000,
            "baseUsageParameters": question.echo,
            "connectDate": f"{connected:%B} {connected.day}, {connected.year}",
            "meters": [
                _meter_entry(question, meter, number, value, settings)
                | {name: instant * 1000 for name, instant in _read_dates(points).items()}
                for meter, points in meters
                for number, value in enumerate(nothing(meter), 1)
            ],
            "series": [
                _series(meter, number, _values(points, number - 1), settings)
                for meter, points in meters
                for number, _ in enumerate(nothing(meter), 1)
            ],
            "estimatedSeries": {},
            "editedSeries": {},
        }
        if question.time_frame != "MONTHLY":
            self._add_strays(entry, meters, settings)
        entry["xToOrderedInterval"] = self._chart(entry, question, settings, now)
        first = entry["series"][0]["data"] if entry["series"] else []
        entry["baseSeries"] = {"name": "base", "lineWidth": 0, "data": first}
        entry["meterToChartData"] = {
            f"Meter{{serviceLocationNumber='{location.number}', flowDirection=FORWARD, rate='null'}}": first + first
        }
        if not settings.silent_flags:
            finest = {meter.resolution for meter, _ in meters}
            entry["hasHourly"] = Resolution.INTERVALS in finest
            entry["hasDaily"] = finest != {Resolution.MONTHS}
        return entry

    def _add_strays(self, entry: Json, meters: Read, settings: Settings) -> None:
        for stray in settings.strays:
            for series in entry["series"]:
                if (
                    series["meterNumber"] == stray.meter
                    and series["channel"] == 1
                    and any(point for meter, point in meters if meter.number == stray.meter)
                ):
                    series["data"].append({"x": stray.wall * 1000, "y": stray.value, "enableDrilldown": False})

    def _cost(self, meters: Read, settings: Settings) -> Json:
        series = [
            _series(meter, number, _costs(points, number - 1), settings)
            for meter, points in meters
            if meter.cost
            for number, _ in enumerate(nothing(meter), 1)
        ]
        return {"type": "COST", "industry": "ELECTRIC", "unitOfMeasure": "USD", "meters": [], "series": series}

    def _periods(self, question: Question, meters: Read, settings: Settings) -> Json:
        series, described = [], []
        for meter, points in meters:
            if not meter.periods:
                continue
            for period in _PERIODS:
                name = f"{meter.number} - {period}"
                data = [
                    {"x": point.wall * 1000, "y": point.periods.get(period, 0.0)} for point in points if point.values
                ]
                series.append(
                    {"name": name, "meterNumber": meter.number, "channel": 1, "rateName": period, "data": data}
                )
                value = nothing(meter)[0]
                entry = _meter_entry(question, meter, 1, value, settings)
                dates = {
                    key: self._points.wall(instant, settings) * 1000 for key, instant in _read_dates(points).items()
                }
                described.append(entry | dates | {"seriesId": name, "rate": period[:2].upper(), "rateName": period})
        return {
            "type": "TIME_OF_USE",
            "unitOfMeasure": "KWH",
            "startDateTime": self._points.wall(question.start, settings) * 1000,
            "endDateTime": self._points.wall(question.end, settings) * 1000,
            "meters": described,
            "series": series,
        }

    def _chart(self, entry: Json, question: Question, settings: Settings, now: float) -> Json:
        walls = sorted({point["x"] for series in entry["series"] for point in series["data"]})
        if question.time_frame == "MONTHLY":
            periods = self._points.billing_periods(question, settings, now)
            return {str(x): self._charted_month(x // 1000, periods[x // 1000], settings) for x in walls}
        steps = [meter.step for meter in question.location.meters]
        return _charted(walls, 1000 * (_DAY if question.time_frame == "DAILY" else min(steps, default=900)))

    def _charted_month(self, x: int, period: BillingPeriod, settings: Settings) -> Json:
        is_open = x == midnight(OPEN_MONTH, UTC)
        bounds = period.start, midnight(_END_OF_TIME, self._zone) - settings.shifted if is_open else period.end
        if settings.monthly_bounds is MonthlyBounds.WALL:
            bounds = self._points.wall(bounds[0], settings), self._points.wall(bounds[1], settings)
        return {
            "orderedName": f"{datetime.fromtimestamp(x, UTC):%b %Y}",
            "createTickDrillDownLink": False,
            "interval": {"start": bounds[0] * 1000, "end": bounds[1] * 1000},
        }


def _id(number: str, settings: Settings) -> str | int:
    return int(number) if settings.numeric_ids and number.isdecimal() else number


def _label(meter: MeterSpec, value: ChannelValue) -> str:
    several = len(nothing(meter)) > 1
    return f"{meter.number} - {value.label}" if several else meter.number


def _read_dates(points: Sequence[Point]) -> dict[str, int]:
    """Between which instants (seconds UTC) a meter has data (portal-facts 3.5)."""
    read = [point.read for point in points if point.read]
    return {"minReadDate": min(read)[0], "maxReadDate": max(end for _, end in read)} if read else {}


def _meter_entry(question: Question, meter: MeterSpec, number: int, value: ChannelValue, settings: Settings) -> Json:
    location = question.location
    several = len(nothing(meter)) > 1
    entry: Json = {
        "serviceLocationNumber": _id(location.number, settings),
        "accountNumber": _id(location.account, settings),
        "industry": "ELECTRIC",
        "meterNumber": _id(meter.number, settings),
        "meterName": meter.number,
        "meterLocation": "88",
        "channel": number,
        "unitOfMeasure": "KWH",
        "isParentMeter": meter.parent,
        "parentMeters": [],
        "isNetMeter": several,
        "visible": True,
        "seriesId": _label(meter, value),
    }
    has_direction = value.direction and question.time_frame != "MONTHLY"
    return entry | ({"flowDirection": value.direction} if has_direction else {})


def _series(meter: MeterSpec, number: int, points: list[Json], settings: Settings) -> Json:
    value = nothing(meter)[number - 1]
    if settings.shuffled:
        # A repeated x keeps its order: it is all that tells the two autumn hours apart.
        places = Random(len(points))  # noqa: S311 - disorder, not a secret
        order = {x: places.random() for x in dict.fromkeys(point["x"] for point in points)}
        points = sorted(points, key=lambda point: order[point["x"]])
    return {
        "name": _label(meter, value),
        "meterNumber": meter.number,
        "channel": number,
        "isNet": value.direction == "NET",
        "type": "column",
        "data": points,
    }


def _values(points: Sequence[Point], channel: int) -> list[Json]:
    data: list[Json] = []
    for point in points:
        item: Json = {"x": point.wall * 1000, "enableDrilldown": False}
        if point.values is not None:
            item["y"] = point.values[channel].kwh
        elif len(data) % 2:
            item["y"] = None
        data.append(item)
    return data


def _costs(points: Sequence[Point], channel: int) -> list[Json]:
    return [{"x": point.wall * 1000, "y": point.values[channel].usd} for point in points if point.values and point.cost]


def _charted(walls: Sequence[int], step: int) -> Json:
    """Each charted x with the next one as its end: it stretches over gaps, and a map cannot hold an x twice."""
    ends = [*walls[1:], walls[-1] + step] if walls else []
    return {
        str(wall): {"createTickDrillDownLink": False, "interval": {"start": wall, "end": end}}
        for wall, end in zip(walls, ends, strict=True)
    }
