"""The JSON of the usage poll, as nasty as portals are: wall-clock x, doubled data, stretched ends (portal-facts 3)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from .energy import ChannelValue, Flow, channels_of, flow
from .settings import Dst, Poll, Settings, Span
from .truth import Almanac
from .world import LocationSpec, MeterSpec, Resolution

_PERIODS = ("Super Off Peak", "Off Peak", "On Peak")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A poll's request: `start` and `end` are real instants in seconds UTC."""

    location: LocationSpec
    time_frame: str
    start: int
    end: int
    echo: Json


@dataclass(frozen=True, slots=True)
class _Point:
    wall: int
    values: tuple[ChannelValue, ...] | None  # None is null
    period: str = ""
    cost: bool = True


class Answerer:
    """Answers polls of one co-op. `now` is the present in seconds UTC."""

    def __init__(self, zone: str, almanac: Almanac) -> None:
        self._zone = ZoneInfo(zone)
        self._almanac = almanac

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
        meters: list[tuple[MeterSpec, list[_Point]]] = []
        for meter in question.location.meters:
            has_points = _is_read(meter, question.time_frame) and settings.poll is not Poll.NO_POINTS
            meters.append((meter, self._points(meter, question, settings, now) if has_points else []))
        usage = self._usage(question, settings, meters)
        entries = [usage]
        if any(meter.cost and points for meter, points in meters):
            entries.insert(0, self._cost(meters, settings))  # the order of entries is not guaranteed
        if any(meter.periods and points for meter, points in meters):
            entries.append(self._periods(question, meters, settings))
        if settings.poll is Poll.NO_SERIES:
            usage["series"] = []
        return entries

    # -- points

    def _points(self, meter: MeterSpec, question: Question, settings: Settings, now: float) -> list[_Point]:
        daily = question.time_frame == "DAILY"
        points: list[_Point] = []
        for start, end in self._spans(meter, question, daily=daily):
            if _covers(settings.gaps, meter, start) or (start > now and not settings.placeholders):
                continue
            posted = now - settings.lag
            if end > posted and not (settings.partial_newest and start < posted):
                if settings.placeholders and not daily:
                    nothing = tuple(_nothing(value) for value in channels_of(meter, Flow(0.0, 0.0, "", 0.0)))
                    points.append(_Point(self._wall(start, settings), nothing))
                continue
            share = min(1.0, (posted - start) / (end - start))
            crossed = self._flow(meter, start, end, daily=daily).scaled(share)
            values = None if _covers(settings.nulls, meter, start) else channels_of(meter, crossed)
            cost = end <= posted - settings.cost_lag
            points.append(_Point(self._wall(start, settings), values, crossed.period, cost))
        return self._as_clocks_change(meter, points, question, settings)

    def _flow(self, meter: MeterSpec, start: int, end: int, *, daily: bool) -> Flow:
        if not daily or meter.resolution is Resolution.DAYS:
            return self._almanac.flow(meter, start, end)
        parts = [flow(meter, each, meter.step, self._zone) for each in range(start, end, meter.step)]
        return Flow(sum(part.drawn for part in parts), sum(part.sent for part in parts), "", 0.11)

    def _spans(self, meter: MeterSpec, question: Question, *, daily: bool) -> Iterable[tuple[int, int]]:
        if not daily:
            first = -(-question.start // meter.step) * meter.step
            return [(each, each + meter.step) for each in range(first, question.end, meter.step)]
        days = []
        day = datetime.fromtimestamp(question.start, self._zone).replace(hour=0, minute=0, second=0, fold=0)
        while day.timestamp() < question.end:
            following = (day.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=self._zone)
            if day.timestamp() >= question.start:
                days.append((int(day.timestamp()), int(following.timestamp())))
            day = following
        return days

    def _wall(self, instant: int, settings: Settings) -> int:
        local = datetime.fromtimestamp(instant, self._zone).replace(tzinfo=UTC, fold=0)
        return int(local.timestamp()) + settings.shifted

    def _as_clocks_change(
        self, meter: MeterSpec, points: list[_Point], question: Question, settings: Settings
    ) -> list[_Point]:
        if settings.dst is Dst.PHANTOM:
            return points + self._phantoms(meter, question)
        if settings.dst is Dst.DUPLICATE:
            return points
        by_wall: dict[int, _Point] = {}
        for point in points:
            before = by_wall.get(point.wall)
            if before and before.values and point.values and settings.dst is Dst.MERGED:
                merged = tuple(_sum(one, other) for one, other in zip(before.values, point.values, strict=True))
                by_wall[point.wall] = _Point(point.wall, merged, point.period, before.cost and point.cost)
            else:
                by_wall[point.wall] = point
        return list(by_wall.values())

    def _phantoms(self, meter: MeterSpec, question: Question) -> list[_Point]:
        """Zeros in the hour of spring that does not exist."""
        if question.time_frame == "DAILY":
            return []
        nothing = tuple(_nothing(value) for value in channels_of(meter, Flow(0.0, 0.0, "", 0.0)))
        found = []
        for start in range(question.start, question.end, meter.step):
            before = datetime.fromtimestamp(start - 1, self._zone).utcoffset()
            after = datetime.fromtimestamp(start, self._zone).utcoffset()
            if before is not None and after is not None and after > before:
                gap = int((after - before).total_seconds())
                first = int(datetime.fromtimestamp(start, self._zone).replace(tzinfo=UTC).timestamp()) - gap
                found += [_Point(wall, nothing) for wall in range(first, first + gap, meter.step)]
        return found

    # -- entries

    def _usage(self, question: Question, settings: Settings, meters: list[tuple[MeterSpec, list[_Point]]]) -> Json:
        location = question.location
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
            "connectDate": "May 4, 2019",
            "meters": [
                _meter_entry(location, meter, number, value, settings)
                for meter, _ in meters
                for number, value in enumerate(channels_of(meter, Flow(0.0, 0.0, "", 0.0)), 1)
            ],
            "series": [
                _series(meter, number, _values(points, number - 1), settings)
                for meter, points in meters
                for number, _ in enumerate(channels_of(meter, Flow(0.0, 0.0, "", 0.0)), 1)
            ],
            "estimatedSeries": {},
            "editedSeries": {},
        }
        self._add_strays(entry, meters, settings)
        walls = sorted({point["x"] for series in entry["series"] for point in series["data"]})
        step = 86400 if question.time_frame == "DAILY" else min((meter.step for meter, _ in meters), default=900)
        entry["xToOrderedInterval"] = _charted(walls, step * 1000)
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

    def _add_strays(self, entry: Json, meters: list[tuple[MeterSpec, list[_Point]]], settings: Settings) -> None:
        for stray in settings.strays:
            for series in entry["series"]:
                if (
                    series["meterNumber"] == stray.meter
                    and series["channel"] == 1
                    and any(point for meter, point in meters if meter.number == stray.meter)
                ):
                    series["data"].append({"x": stray.wall * 1000, "y": stray.value, "enableDrilldown": False})

    def _cost(self, meters: list[tuple[MeterSpec, list[_Point]]], settings: Settings) -> Json:
        series = [
            _series(meter, number, _costs(points, number - 1), settings)
            for meter, points in meters
            if meter.cost
            for number, _ in enumerate(channels_of(meter, Flow(0.0, 0.0, "", 0.0)), 1)
        ]
        return {"type": "COST", "industry": "ELECTRIC", "unitOfMeasure": "USD", "meters": [], "series": series}

    def _periods(self, question: Question, meters: list[tuple[MeterSpec, list[_Point]]], settings: Settings) -> Json:
        series, described = [], []
        for meter, points in meters:
            if not meter.periods:
                continue
            for period in _PERIODS:
                name = f"{meter.number} - {period}"
                data = [
                    {"x": point.wall * 1000, "y": point.values[0].kwh if point.period == period else 0.0}
                    for point in points
                    if point.values
                ]
                series.append(
                    {"name": name, "meterNumber": meter.number, "channel": 1, "rateName": period, "data": data}
                )
                value = channels_of(meter, Flow(0.0, 0.0, "", 0.0))[0]
                entry = _meter_entry(question.location, meter, 1, value, settings)
                described.append(entry | {"seriesId": name, "rate": period[:2].upper(), "rateName": period})
        wall = {"startDateTime": self._wall(question.start, settings) * 1000}
        return {"type": "TIME_OF_USE", "unitOfMeasure": "KWH", "meters": described, "series": series} | wall


def _is_read(meter: MeterSpec, time_frame: str) -> bool:
    if time_frame == "HOURLY":
        return meter.resolution is Resolution.INTERVALS
    return time_frame == "DAILY" and meter.resolution is not Resolution.MONTHS


def _id(number: str, settings: Settings) -> str | int:
    return int(number) if settings.numeric_ids and number.isdecimal() else number


def _label(meter: MeterSpec, value: ChannelValue) -> str:
    several = len(channels_of(meter, Flow(0.0, 0.0, "", 0.0))) > 1
    return f"{meter.number} - {value.label}" if several else meter.number


def _meter_entry(
    location: LocationSpec, meter: MeterSpec, number: int, value: ChannelValue, settings: Settings
) -> Json:
    several = len(channels_of(meter, Flow(0.0, 0.0, "", 0.0))) > 1
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
    return entry | ({"flowDirection": value.direction} if value.direction else {})


def _series(meter: MeterSpec, number: int, points: list[Json], settings: Settings) -> Json:
    value = channels_of(meter, Flow(0.0, 0.0, "", 0.0))[number - 1]
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


def _values(points: Sequence[_Point], channel: int) -> list[Json]:
    data: list[Json] = []
    for point in points:
        item: Json = {"x": point.wall * 1000, "enableDrilldown": False}
        if point.values is not None:
            item["y"] = point.values[channel].kwh
        elif len(data) % 2:
            item["y"] = None
        data.append(item)
    return data


def _costs(points: Sequence[_Point], channel: int) -> list[Json]:
    return [{"x": point.wall * 1000, "y": point.values[channel].usd} for point in points if point.values and point.cost]


def _charted(walls: Sequence[int], step: int) -> Json:
    """Each charted x with the next one as its end: it stretches over gaps, and a map cannot hold an x twice."""
    ends = [*walls[1:], walls[-1] + step] if walls else []
    return {
        str(wall): {"createTickDrillDownLink": False, "interval": {"start": wall, "end": end}}
        for wall, end in zip(walls, ends, strict=True)
    }


def _sum(one: ChannelValue, other: ChannelValue) -> ChannelValue:
    return ChannelValue(one.direction, one.label, round(one.kwh + other.kwh, 2), round(one.usd + other.usd, 2))


def _nothing(value: ChannelValue) -> ChannelValue:
    return ChannelValue(value.direction, value.label, 0.0, 0.0)


def _covers(spans: Iterable[Span], meter: MeterSpec, start: int) -> bool:
    return any(span.meter == meter.number and span.start <= start < span.end for span in spans)
