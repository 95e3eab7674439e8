"""The answer of the usage poll as typed series (docs/portal.md, "Shape of a usage answer"). Times are wall-clock.

`meterToChartData` and `baseSeries` repeat the same points and are never read.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from operator import itemgetter

from ..errors import ProtocolError
from .directions import FLOWS, Channel, Flow
from .parsing import Json, all_seconds, flag, mapping, optional_numbers, sequence, text

INDUSTRY = "ELECTRIC"


WallPoint = tuple[int, float | None]
"""Wall-clock seconds and a value, None if the portal has none."""


@dataclass(frozen=True, slots=True)
class ChannelSeries:
    """The points of one channel, sorted by wall time; repeated times stay in the portal's order."""

    channel: Channel
    points: tuple[WallPoint, ...]


@dataclass(frozen=True, slots=True)
class UsageAnswer:
    """A decoded poll; every part is empty if the portal sent nothing.

    periods: TIME_OF_USE series with the name of their rate period.
    interval_ends: the charted intervals, start to end, both wall-clock.
    has_hourly: whether the portal says that finer than daily data exists; None if it says nothing.
    connected: the local day on which the location was connected, if the portal says it.
    warnings: what was ignored, each a sentence without personal data.
    """

    channels: tuple[Channel, ...] = ()
    usage: tuple[ChannelSeries, ...] = ()
    cost: tuple[ChannelSeries, ...] = ()
    periods: tuple[tuple[str, ChannelSeries], ...] = ()
    interval_ends: tuple[tuple[int, int], ...] = ()
    has_hourly: bool | None = None
    connected: date | None = None
    warnings: tuple[str, ...] = ()


def decode(data: Json) -> UsageAnswer:
    """Decode the `data` of a COMPLETE poll. Raises ProtocolError if its shape is unknown.

    No data, no ELECTRIC in it, an empty list or no USAGE entry are normal and make an empty answer.
    """
    industries = mapping({} if data is None else data, "data")
    entries = [mapping(entry, "data.ELECTRIC[]") for entry in sequence(industries.get(INDUSTRY), "data.ELECTRIC")]
    decoder = _Decoder()
    by_type: dict[str, list[dict[str, Json]]] = {}
    for entry in entries:
        by_type.setdefault(text(entry.get("type")).upper(), []).append(entry)
    for entry in by_type.get("USAGE", []):
        decoder.usage_entry(entry)
    for entry in by_type.get("COST", []):
        decoder.cost_entry(entry)
    for entry in by_type.get("TIME_OF_USE", []):
        decoder.time_of_use_entry(entry)
    return decoder.answer()


class _Decoder:
    """Collects the entries of one answer, USAGE first: the others are joined to its meters."""

    def __init__(self) -> None:
        self._channels: list[Channel] = []
        self._usage: list[ChannelSeries] = []
        self._cost: list[ChannelSeries] = []
        self._periods: list[tuple[str, ChannelSeries]] = []
        self._ends: dict[int, int] = {}
        self._has_hourly: bool | None = None
        self._connected: date | None = None
        self._warnings: list[str] = []

    def answer(self) -> UsageAnswer:
        return UsageAnswer(
            channels=tuple(self._channels),
            usage=tuple(self._usage),
            cost=tuple(self._cost),
            periods=tuple(self._periods),
            interval_ends=tuple(sorted(self._ends.items())),
            has_hourly=self._has_hourly,
            connected=self._connected,
            warnings=tuple(dict.fromkeys(self._warnings)),
        )

    def usage_entry(self, entry: dict[str, Json]) -> None:
        channels = list(self._decode_channels(entry, "USAGE"))
        self._channels += channels
        for series in _series(entry, "USAGE"):
            channel = _join(series, channels)
            if channel is None:
                channel = _channel_of_series(series)
                self._channels.append(channel)
                channels.append(channel)
            if not channel.direction and flag(series.get("isNet")):
                net = replace(channel, flow=Flow.NET)
                for known in (channels, self._channels):
                    known[known.index(channel)] = net
                channel = net
            unit = (channel.unit or text(entry.get("unitOfMeasure"))).upper()
            if unit not in ("", "KWH"):
                self._warnings.append(f"a USAGE series in {_word(unit)} was passed over, only KWH is energy")
                continue
            self._usage.append(ChannelSeries(channel, _points(series, "USAGE")))
        self._ends.update(_interval_ends(entry.get("xToOrderedInterval")))
        hourly = flag(entry.get("hasHourly"))
        self._has_hourly = hourly if self._has_hourly is None else self._has_hourly or bool(hourly)
        self._connected = _date(text(entry.get("connectDate"))) or self._connected

    def cost_entry(self, entry: dict[str, Json]) -> None:
        unit = text(entry.get("unitOfMeasure")).upper()
        if unit not in ("", "USD", "$", "DOLLARS"):
            self._warnings.append(f"costs in {_word(unit)} were passed over, only USD are known")
            return
        own = list(self._decode_channels(entry, "COST"))
        for series in _series(entry, "COST"):
            channel = (
                _join(series, self._channels)
                or self._join_through(_join(series, own))
                or self._meter_channel(text(series.get("meterNumber")) or text(series.get("name")))
            )
            if channel is None:
                self._warnings.append("a COST series belongs to no meter of USAGE and was dropped")
                continue
            self._cost.append(ChannelSeries(channel, _points(series, "COST")))

    def time_of_use_entry(self, entry: dict[str, Json]) -> None:
        own = list(self._decode_channels(entry, "TIME_OF_USE"))
        rates = {
            text(meter.get("seriesId")): text(meter.get("rateName")) or text(meter.get("rate"))
            for meter in _mappings(entry.get("meters"), "TIME_OF_USE.meters")
        }
        for series in _series(entry, "TIME_OF_USE"):
            name = text(series.get("name"))
            channel = _join(series, own) or self._meter_channel(text(series.get("meterNumber")))
            if channel is None:
                self._warnings.append("a TIME_OF_USE series belongs to no meter and was dropped")
                continue
            if channel.flow in (Flow.EXPORT, Flow.NET):
                continue
            period = text(series.get("rateName")) or rates.get(name, "") or name.rpartition(" - ")[2]
            self._periods.append((period, ChannelSeries(channel, _points(series, "TIME_OF_USE"))))

    def _decode_channels(self, entry: dict[str, Json], where: str) -> Iterator[Channel]:
        for meter in _mappings(entry.get("meters"), f"{where}.meters"):
            direction = text(meter.get("flowDirection")).upper()
            if direction not in FLOWS:
                self._warnings.append(f"unknown flow direction {_word(direction)}, counted as import")
            series_id = text(meter.get("seriesId"))
            yield Channel(
                meter=text(meter.get("meterNumber")) or series_id,
                series_id=series_id,
                number=text(meter.get("channel")),
                flow=FLOWS.get(direction, Flow.IMPORT),
                direction=direction,
                parent=flag(meter.get("isParentMeter")) or False,
                net=flag(meter.get("isNetMeter")) or False,
                unit=text(meter.get("unitOfMeasure")),
            )

    def _join_through(self, channel: Channel | None) -> Channel | None:
        """Find the channel by a COST entry's own meters if its series do not name it."""
        if channel is None:
            return None
        same = [known for known in self._channels if known.meter == channel.meter]
        return next((known for known in same if known.number == channel.number), self._meter_channel(channel.meter))

    def _meter_channel(self, meter: str) -> Channel | None:
        same = [known for known in self._channels if known.meter == meter]
        return next((known for known in same if known.flow in (Flow.IMPORT, Flow.TOTAL)), same[0] if same else None)


def _join(series: dict[str, Json], channels: Iterable[Channel]) -> Channel | None:
    """Find the channel of a series: by seriesId, by meter and channel, or as the meter's only one."""
    name, meter, number = (text(series.get(key)) for key in ("name", "meterNumber", "channel"))
    channels = list(channels)
    for channel in channels:
        if name and channel.series_id == name:
            return channel
    same_meter = [channel for channel in channels if channel.meter in (meter, name)] if meter or name else []
    for channel in same_meter:
        if number and channel.number == number:
            return channel
    if len(same_meter) == 1 and (not number or not same_meter[0].number):
        return same_meter[0]
    return None


def _channel_of_series(series: dict[str, Json]) -> Channel:
    """Make a channel of a series that no `meters` entry describes."""
    name, meter = text(series.get("name")), text(series.get("meterNumber"))
    net = flag(series.get("isNet")) or False
    if not (meter or name):
        raise ProtocolError("the portal's answer is not understood: a USAGE series has neither name nor meter")
    return Channel(
        meter=meter or name,
        series_id=name,
        number=text(series.get("channel")),
        flow=Flow.NET if net else Flow.IMPORT,
        direction="NET" if net else "",
        net=net,
    )


def _mappings(value: Json, where: str) -> list[dict[str, Json]]:
    items = sequence(value, where)
    # One look at all types is much faster than one per point.
    return items if set(map(type, items)) <= {dict} else [mapping(item, f"{where}[]") for item in items]


def _series(entry: dict[str, Json], where: str) -> list[dict[str, Json]]:
    return _mappings(entry.get("series"), f"{where}.series")


def _points(series: dict[str, Json], where: str) -> tuple[WallPoint, ...]:
    data = _mappings(series.get("data"), f"{where}.series[].data")
    walls = all_seconds([point.get("x") for point in data], f"{where}.series[].data[].x")
    values = optional_numbers([point.get("y") for point in data], f"{where}.series[].data[].y")
    return tuple(sorted(zip(walls, values, strict=True), key=itemgetter(0)))


def _interval_ends(value: Json) -> dict[int, int]:
    """Read `xToOrderedInterval`: a map by x, or a list whose items name their x."""
    where = "xToOrderedInterval"
    if isinstance(value, list):
        items = [(fields.get("x"), fields) for fields in _mappings(value, where)]
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


def _word(value: str) -> str:
    """Return a word of the portal in a form that is safe for a log line."""
    return "".join(character for character in value[:20] if character.isalnum() or character == "_") or "(unreadable)"
