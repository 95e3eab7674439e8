"""The answer of the usage poll as typed series with wall-clock times.

See docs/portal.md, "Shape of a usage answer". `meterToChartData` and `baseSeries` repeat the same points and are never
read.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from operator import itemgetter

from ..errors import ProtocolError
from .directions import FLOWS, Channel, Flow
from .parsing import Json, all_seconds, flag, mapping, mappings, optional_numbers, safe_word, text

INDUSTRY = "ELECTRIC"


WallPoint = tuple[int, float | None]
"""Wall-clock seconds and a value, None if the portal has none."""


@dataclass(frozen=True, slots=True)
class ChannelSeries:
    """The points of one channel, sorted by wall time.

    Repeated times stay in the portal's order.
    """

    channel: Channel
    points: tuple[WallPoint, ...]


@dataclass(slots=True)
class UsageAnswer:
    """A decoded poll; every part is empty if the portal sent nothing.

    periods: TIME_OF_USE series with the name of their rate period.
    interval_ends: the charted intervals, end by start, both wall-clock.
    has_hourly: whether the portal says it has data finer than daily; None if it does not say.
    connected: the local day on which the location was connected, if the portal says it.
    warnings: what was ignored, each a sentence without personal data.
    """

    channels: list[Channel] = field(default_factory=list)
    usage: list[ChannelSeries] = field(default_factory=list)
    cost: list[ChannelSeries] = field(default_factory=list)
    periods: list[tuple[str, ChannelSeries]] = field(default_factory=list)
    interval_ends: dict[int, int] = field(default_factory=dict)
    has_hourly: bool | None = None
    connected: date | None = None
    warnings: list[str] = field(default_factory=list)


def decode(data: Json) -> UsageAnswer:
    """Decode the `data` of a COMPLETE poll.

    Raises ProtocolError if its shape is unknown. Missing data, no ELECTRIC key, an empty list and no USAGE entry are
    all normal: the answer is then empty.
    """
    industries = mapping({} if data is None else data, "data")
    entries = mappings(industries.get(INDUSTRY), "data.ELECTRIC")
    answer = UsageAnswer()
    # USAGE first: the others are joined to its meters.
    for kind, read in (("USAGE", _read_usage), ("COST", _read_cost), ("TIME_OF_USE", _read_time_of_use)):
        for entry in entries:
            if text(entry.get("type")).upper() == kind:
                read(answer, entry)
    answer.warnings = list(dict.fromkeys(answer.warnings))
    return answer


def _read_usage(answer: UsageAnswer, entry: dict[str, Json]) -> None:
    channels = _channels(answer, entry, "USAGE")
    for series in _series(entry, "USAGE"):
        channel = _join(series, channels)
        if channel is None:
            channel = _channel_of_series(series)
            channels.append(channel)
        if not channel.direction and flag(series.get("isNet")):
            place = channels.index(channel)
            channel = channels[place] = replace(channel, flow=Flow.NET)
        unit = (channel.unit or text(entry.get("unitOfMeasure"))).upper()
        if unit not in ("", "KWH"):
            answer.warnings.append(f"skipped a USAGE series in {safe_word(unit) or '(unreadable)'}; only KWH is energy")
            continue
        answer.usage.append(ChannelSeries(channel, _points(series, "USAGE")))
    answer.channels += channels
    answer.interval_ends |= _interval_ends(entry.get("xToOrderedInterval"))
    hourly = flag(entry.get("hasHourly"))
    answer.has_hourly = hourly if answer.has_hourly is None else answer.has_hourly or bool(hourly)
    answer.connected = _date(text(entry.get("connectDate"))) or answer.connected


def _read_cost(answer: UsageAnswer, entry: dict[str, Json]) -> None:
    unit = text(entry.get("unitOfMeasure")).upper()
    if unit not in ("", "USD", "$", "DOLLARS"):
        answer.warnings.append(f"skipped costs in {safe_word(unit) or '(unreadable)'}; only USD is supported")
        return
    own = _channels(answer, entry, "COST")
    for series in _series(entry, "COST"):
        named = _join(series, own)
        channel = (
            _join(series, answer.channels)
            or (named and _channel_of_meter(answer, named.meter, named.number))
            or _channel_of_meter(answer, text(series.get("meterNumber")) or text(series.get("name")))
        )
        if channel is None:
            answer.warnings.append("skipped a COST series that belongs to no meter of USAGE")
            continue
        answer.cost.append(ChannelSeries(channel, _points(series, "COST")))


def _read_time_of_use(answer: UsageAnswer, entry: dict[str, Json]) -> None:
    own = _channels(answer, entry, "TIME_OF_USE")
    rates = {
        text(meter.get("seriesId")): text(meter.get("rateName")) or text(meter.get("rate"))
        for meter in mappings(entry.get("meters"), "TIME_OF_USE.meters")
    }
    for series in _series(entry, "TIME_OF_USE"):
        name = text(series.get("name"))
        channel = _join(series, own) or _channel_of_meter(answer, text(series.get("meterNumber")))
        if channel is None:
            answer.warnings.append("skipped a TIME_OF_USE series that belongs to no meter")
        elif channel.flow in (Flow.IMPORT, Flow.TOTAL):
            period = text(series.get("rateName")) or rates.get(name, "") or name.rpartition(" - ")[2]
            answer.periods.append((period, ChannelSeries(channel, _points(series, "TIME_OF_USE"))))


def _channels(answer: UsageAnswer, entry: dict[str, Json], where: str) -> list[Channel]:
    channels = [_channel(meter) for meter in mappings(entry.get("meters"), f"{where}.meters")]
    answer.warnings += [
        f"unknown flow direction {safe_word(channel.direction) or '(unreadable)'}; counted as usage"
        for channel in channels
        if channel.direction not in FLOWS
    ]
    return channels


def _channel(meter: dict[str, Json]) -> Channel:
    direction = text(meter.get("flowDirection")).upper()
    series_id = text(meter.get("seriesId"))
    return Channel(
        meter=text(meter.get("meterNumber")) or series_id,
        series_id=series_id,
        number=text(meter.get("channel")),
        flow=FLOWS.get(direction, Flow.IMPORT),
        direction=direction,
        parent=flag(meter.get("isParentMeter")) or False,
        net=flag(meter.get("isNetMeter")) or False,
        unit=text(meter.get("unitOfMeasure")),
    )


def _channel_of_series(series: dict[str, Json]) -> Channel:
    """Make a channel of a series that no `meters` entry describes."""
    is_net = flag(series.get("isNet"))
    channel = _channel(
        {
            "meterNumber": series.get("meterNumber"),
            "seriesId": series.get("name"),
            "channel": series.get("channel"),
            "flowDirection": "NET" if is_net else "",
            "isNetMeter": is_net,
        }
    )
    if not channel.meter:
        raise ProtocolError("unexpected response from the portal: a USAGE series has neither name nor meter")
    return channel


def _channel_of_meter(answer: UsageAnswer, meter: str, number: str | None = None) -> Channel | None:
    """Return a meter's channel in USAGE.

    This is the channel with this number, or the one for usage, or any.
    """
    same_meter = [channel for channel in answer.channels if channel.meter == meter]
    return min(
        same_meter,
        key=lambda channel: (channel.number != number, channel.flow not in (Flow.IMPORT, Flow.TOTAL)),
        default=None,
    )


def _join(series: dict[str, Json], channels: Iterable[Channel]) -> Channel | None:
    """Find the channel of a series.

    A series is joined by seriesId, by meter and channel number, or because the meter has only one channel.
    """
    name, meter, number = (text(series.get(key)) for key in ("name", "meterNumber", "channel"))
    by_id = [channel for channel in channels if name and channel.series_id == name]
    same_meter = [channel for channel in channels if (meter or name) and channel.meter in (meter, name)]
    by_number = [channel for channel in same_meter if number and channel.number == number]
    is_only = len(same_meter) == 1 and not (number and same_meter[0].number)
    return next(iter([*by_id, *by_number, *(same_meter if is_only else [])]), None)


def _series(entry: dict[str, Json], where: str) -> list[dict[str, Json]]:
    return mappings(entry.get("series"), f"{where}.series")


def _points(series: dict[str, Json], where: str) -> tuple[WallPoint, ...]:
    data = mappings(series.get("data"), f"{where}.series[].data")
    walls = all_seconds([point.get("x") for point in data], f"{where}.series[].data[].x")
    values = optional_numbers([point.get("y") for point in data], f"{where}.series[].data[].y")
    return tuple(sorted(zip(walls, values, strict=True), key=itemgetter(0)))


def _interval_ends(value: Json) -> dict[int, int]:
    """Read `xToOrderedInterval`: a map by x, or a list whose items name their x."""
    where = "xToOrderedInterval"
    if isinstance(value, list):
        items = [(fields.get("x"), fields) for fields in mappings(value, where)]
    else:
        items = [(key, mapping(item, f"{where}[]")) for key, item in mapping(value or {}, where).items()]
    starts: list[Json] = []
    ends: list[Json] = []
    for key, item in items:
        interval = item.get("interval")
        if isinstance(interval, dict) and interval.get("end") is not None:
            start = interval.get("start")
            starts.append(key if start is None else start)
            ends.append(interval["end"])
    return dict(zip(all_seconds(starts, where), all_seconds(ends, where), strict=True))


def _date(value: str) -> date | None:
    """Read an English date such as `May 4, 2019`."""
    try:
        return datetime.strptime(value, "%B %d, %Y").replace(tzinfo=UTC).date()
    except ValueError:
        return None
