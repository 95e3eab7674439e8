"""The answer of the usage poll as typed series with wall-clock times.

See docs/portal.md, "Shape of a usage answer". `meterToChartData` and `baseSeries` repeat the same points and are never
read.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from operator import itemgetter

from ..errors import ProtocolError
from .directions import DOUBTFUL, FLOWS, USAGE, Channel, Flow, flow_of, last_word, settled
from .parsing import Json, all_seconds, flag, mapping, mappings, optional_numbers, safe_word, text
from .poll_json import IntervalEnds, WallPoints

INDUSTRY = "ELECTRIC"

_DOLLARS = ("USD", "$", "DOLLAR", "DOLLARS", "US_DOLLARS", "CURRENCY")
_CENTS = ("CENT", "CENTS", "USC")
_QUANTITIES = frozenset(("WH", "KWH", "MWH", "KVAH", "KVARH", "BTU", "MMBTU", "THERM", "THERMS"))
_QUANTITIES |= {"W", "KW", "MW", "KVA", "KVAR", "GAL", "GALLON", "GALLONS", "KGAL", "FT3", "CF", "CCF", "MCF", "M3"}
"""Units of energy, power and volume."""
_value = itemgetter(1)
_MOST_ENTRIES = 10  # a portal has four types
_MOST_SERIES = 2000  # of an entry; each is compared with each channel


WallPoint = tuple[int, float | None]
"""Wall-clock seconds and a value, None if the portal has none."""


@dataclass(frozen=True, slots=True)
class ChannelSeries:
    """The points of one channel, in the portal's order."""

    channel: Channel
    points: tuple[WallPoint, ...]


@dataclass(slots=True)
class UsageAnswer:
    """A decoded poll; every part is empty if the portal sent nothing.

    periods: TIME_OF_USE series with the name of their rate period.
    interval_ends: the charted intervals, end by start, both wall-clock.
    has_hourly: whether the portal says it has data finer than daily; None if it does not say.
    connected: the local day on which the location was connected, if the portal says it.
    skipped: whether points of USAGE were left out because of their unit.
    words: the words for directions that are not known for certain.
    warnings: what was ignored, each a sentence without personal data.
    """

    channels: list[Channel] = field(default_factory=list)
    usage: list[ChannelSeries] = field(default_factory=list)
    cost: list[ChannelSeries] = field(default_factory=list)
    periods: list[tuple[str, ChannelSeries]] = field(default_factory=list)
    interval_ends: dict[int, int] = field(default_factory=dict)
    has_hourly: bool | None = None
    connected: date | None = None
    skipped: bool = False
    words: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def has_usage(self) -> bool:
        """Whether USAGE has any value."""
        return any(value is not None for each in self.usage for _, value in each.points)

    @property
    def has_points(self) -> bool:
        """Whether the portal sent any energy, even if it is not used."""
        return self.skipped or self.has_usage

    def add_points_at(self, wall: int, other: "UsageAnswer") -> bool:
        """Add the points of another answer at one wall time to the same channels; return whether there are any."""
        has_usage = self.has_usage_at(wall)
        self.usage = [_extended(each, other.usage, wall) for each in self.usage]
        self.cost = [_extended(each, other.cost, wall) for each in self.cost]
        self.periods = [
            (period, _extended(each, [found for name, found in other.periods if name == period], wall))
            for period, each in self.periods
        ]
        return self.has_usage_at(wall) and not has_usage

    def has_usage_at(self, wall: int) -> bool:
        """Check whether USAGE has a point at a wall time."""
        return any(wall == each for series in self.usage for each, _ in series.points)


def _extended(series: ChannelSeries, others: Iterable[ChannelSeries], wall: int) -> ChannelSeries:
    """Add the points of the same channel in other series that are at one wall time."""
    added = [point for each in others if each.channel == series.channel for point in each.points if point[0] == wall]
    return replace(series, points=(*added, *series.points))


def decode(data: Json) -> UsageAnswer:
    """Decode the `data` of a COMPLETE poll.

    Raises ProtocolError if its shape is unknown. Missing data, no ELECTRIC key, an empty list and no USAGE entry are
    all normal: the answer is then empty.
    """
    industries = mapping({} if data is None else data, "data")
    entries: dict[str, list[dict[str, Json]]] = defaultdict(list)
    for entry in mappings(industries.get(INDUSTRY), "data.ELECTRIC")[:_MOST_ENTRIES]:
        entries[text(entry.get("type")).upper()].append(entry)
    answer = UsageAnswer()
    for entry in entries["USAGE"]:
        _read_usage(answer, entry)
    _settle(answer)
    for entry in entries["TIME_OF_USE"]:
        _read_time_of_use(answer, entry)
    if not answer.has_usage and answer.periods:
        _count_periods(answer)
        for entry in entries["TIME_OF_USE"]:
            _read_chart(answer, entry)
    unusable = {meter for entry in entries["COST"] for meter in _read_cost(answer, entry)}
    answer.cost = [each for each in answer.cost if each.channel.meter not in unusable]
    answer.words = list(dict.fromkeys(answer.words))
    answer.warnings = list(dict.fromkeys(answer.warnings))
    return answer


# -- USAGE


def _read_usage(answer: UsageAnswer, entry: dict[str, Json]) -> None:
    described = _channels(answer, entry, "USAGE")
    named = [channel for channel in described if channel.meter]
    nameless = [channel for channel in described if not channel.meter]
    channels = dict.fromkeys(named)
    for series in _series(entry, "USAGE"):
        joined = _join(series, named) or _take_nameless(series, nameless) or _undescribed(answer, series)
        channel = _completed(joined, series)
        if not channel.meter:
            raise ProtocolError("unexpected response from the portal: a USAGE series has neither name nor meter")
        if channel in channels and not channel.is_described:
            answer.warnings.append("left out a USAGE series that has the name and number of another one")
            continue
        channels.pop(joined, None)
        channels[channel] = None
        unit = (channel.unit or text(entry.get("unitOfMeasure"))).upper()
        if unit not in ("", "KWH"):
            answer.warnings.append(f"skipped a USAGE series in {safe_word(unit) or '(unreadable)'}; only KWH is energy")
            answer.skipped |= bool(series.get("data"))
            continue
        answer.usage.append(ChannelSeries(channel, _points(series, "USAGE")))
    answer.channels += channels
    _read_chart(answer, entry)


def _read_chart(answer: UsageAnswer, entry: dict[str, Json]) -> None:
    answer.interval_ends |= _interval_ends(entry.get("xToOrderedInterval"))
    hourly = flag(entry.get("hasHourly"))
    answer.has_hourly = hourly if answer.has_hourly is None else answer.has_hourly or bool(hourly)
    answer.connected = _date(text(entry.get("connectDate"))) or answer.connected


def _settle(answer: UsageAnswer) -> None:
    """Decide which of the channels without a known direction count."""
    by_meter: dict[str, list[Channel]] = defaultdict(list)
    for channel in answer.channels:
        by_meter[channel.meter].append(channel)
    with_series = {each.channel for each in answer.usage}
    found = {
        before: after
        for channels in by_meter.values()
        for before, after in zip(channels, settled(channels, with_series), strict=True)
    }
    if any(found[each].flow is Flow.IGNORED for each in with_series):
        answer.warnings.append("left out a USAGE series without a known direction, which may repeat another one")
    answer.channels = [found[each] for each in answer.channels]
    answer.usage = [replace(each, channel=found[each.channel]) for each in answer.usage]


# -- TIME_OF_USE


def _read_time_of_use(answer: UsageAnswer, entry: dict[str, Json]) -> None:
    own = _channels(answer, entry, "TIME_OF_USE")
    rates = {
        text(meter.get("seriesId")): text(meter.get("rateName")) or text(meter.get("rate"))
        for meter in mappings(entry.get("meters"), "TIME_OF_USE.meters")
    }
    for series in _series(entry, "TIME_OF_USE"):
        name = text(series.get("name"))
        joined = _join(series, own)
        meter = joined.meter if joined else text(series.get("meterNumber")) or _meter_in(name)
        # Only USAGE shows whether a channel without a known direction counts.
        channel = joined if joined and joined.flow not in DOUBTFUL and not joined.is_by_label else None
        channel = channel or _channel_of_meter(answer, meter, joined.number if joined else None) or _lowest(own, joined)
        if channel is None:
            answer.warnings.append("skipped a TIME_OF_USE series that belongs to no meter")
        elif channel.flow in USAGE:
            period = text(series.get("rateName")) or rates.get(name, "") or name.rpartition(" - ")[2]
            answer.periods.append((period, ChannelSeries(channel, _points(series, "TIME_OF_USE"))))


def _lowest(channels: Sequence[Channel], wanted: Channel | None) -> Channel | None:
    """Return a channel without a known direction as one for usage if its meter has none with a lower number."""
    if wanted is None:
        return None
    same_meter = [replace(each, series_id="") for each in channels if each.meter == wanted.meter]
    kinds = list(dict.fromkeys(same_meter))
    found = dict(zip(kinds, settled(kinds, kinds), strict=True))
    return replace(found[replace(wanted, series_id="")], series_id=wanted.series_id)


def _count_periods(answer: UsageAnswer) -> None:
    """Take the sum of the periods as usage if USAGE has none."""
    by_meter: dict[str, list[ChannelSeries]] = defaultdict(list)
    for _, series in answer.periods:
        by_meter[series.channel.meter].append(series)
    for number, serieses in by_meter.items():
        channel = _channel_of_meter(answer, number)
        if channel is None or channel.flow not in USAGE:
            channel = replace(serieses[0].channel, series_id=number)
            answer.channels.append(channel)
        answer.usage.append(ChannelSeries(channel, _added([each.points for each in serieses])))


def _added(serieses: Iterable[Sequence[WallPoint]]) -> tuple[WallPoint, ...]:
    """Add points up by their wall time; the n-th of several with the same time belong together."""
    sums: dict[tuple[int, int], float | None] = {}
    for points in serieses:
        turns: Counter[int] = Counter()
        for wall, value in points:
            key = wall, turns[wall]
            turns[wall] += 1
            before = sums.get(key)
            sums[key] = value if before is None else before + (value or 0.0)
    return tuple((wall, sums[wall, turn]) for wall, turn in sorted(sums))


# -- COST


def _read_cost(answer: UsageAnswer, entry: dict[str, Json]) -> set[str]:
    """Read the costs, and return the meters that have one with unusable points: what is left of it is no sum."""
    unusable: set[str] = set()
    own = _channels(answer, entry, "COST")
    for series in _series(entry, "COST"):
        named = _join(series, own)
        channel = _channel_of_cost(answer, series, named)
        scale = _scale_of_cost(answer, _unit(series.get("unitOfMeasure")), named, _unit(entry.get("unitOfMeasure")))
        if channel is None:
            answer.warnings.append("skipped a COST series that belongs to no meter of USAGE")
        elif scale is not None:
            try:
                points = _points(series, "COST")
            except ProtocolError as error:
                answer.warnings.append(f"left out the cost of a meter; {error.what}")
                unusable.add(channel.meter)
                continue
            if _is_cost(points, [each.points for each in answer.usage if each.channel.meter == channel.meter]):
                priced = tuple((wall, None if value is None else value * scale) for wall, value in points)
                answer.cost.append(ChannelSeries(channel, priced))
    return unusable


def _channel_of_cost(answer: UsageAnswer, series: dict[str, Json], named: Channel | None) -> Channel | None:
    """Find the channel of a cost: through the meters of USAGE, by the label's prefix, or because there is one meter."""
    channel = _join(series, answer.channels) or (named and _channel_of_meter(answer, named.meter, named.number))
    if channel:
        return channel
    number, name = text(series.get("meterNumber")), text(series.get("name"))
    meters = {each.meter for each in answer.channels}
    only = meters.pop() if len(meters) == 1 and not number else ""
    found = (_channel_of_meter(answer, meter) for meter in (number, _meter_in(name), only))
    channel = next(filter(None, found), None)
    flow = flow_of("", name, is_net=bool(flag(series.get("isNet"))))
    return channel if channel is None or flow in DOUBTFUL else replace(channel, flow=flow)


def _scale_of_cost(answer: UsageAnswer, own: str, named: Channel | None, of_entry: str) -> float | None:
    """Return USD per unit of a COST series, None if it is no money.

    Portals repeat the energy's unit in the entry or its meters, where it means nothing.
    """
    if own in _QUANTITIES:
        answer.warnings.append(f"skipped a COST series in {own}, which is not money")
        return None
    units = (own, _unit(named.unit) if named else "", of_entry)
    unit = next((each for each in units if each and each not in _QUANTITIES), "USD")
    if unit in _CENTS:
        return 0.01
    if unit not in _DOLLARS:
        answer.warnings.append(f"costs in {safe_word(unit) or '(unreadable)'} are taken as USD")
    return 1.0


def _is_cost(points: Sequence[WallPoint], usages: Sequence[Sequence[WallPoint]]) -> bool:
    """Check that a COST series is neither all zeros, in spite of energy, nor the energy itself."""
    if not any(any(map(_value, each)) for each in usages):
        return True
    first = next((point for point in points if point[1]), None)
    if first is None:
        return False
    alike = [each for each in usages if first in each]  # most differ at once
    priced = {point for point in points if alike and point[1] is not None}
    return not any(priced <= {*each} for each in alike)


def _unit(value: Json) -> str:
    return text(value).upper().replace(" ", "_")


# -- channels and series


def _channels(answer: UsageAnswer, entry: dict[str, Json], where: str) -> list[Channel]:
    channels = [_channel(meter) for meter in mappings(entry.get("meters"), f"{where}.meters")[:_MOST_SERIES]]
    answer.words += [channel.direction for channel in channels if channel.direction not in ("", *FLOWS)]
    return channels


def _channel(meter: dict[str, Json]) -> Channel:
    """Read an item of `meters`. Without number and series id its meter is empty: `_completed` adds it."""
    direction = text(meter.get("flowDirection")).upper()
    direction = direction and (safe_word(direction) or "(unreadable)")
    series_id = text(meter.get("seriesId"))
    flow = flow_of(direction, series_id)
    parents = meter.get("parentMeters")
    return Channel(
        meter=text(meter.get("meterNumber")) or _meter_in(series_id),
        series_id=series_id,
        number=text(meter.get("channel")),
        flow=flow,
        direction=direction,
        parent=flag(meter.get("isParentMeter")) or False,
        net=flag(meter.get("isNetMeter")) or False,
        unit=text(meter.get("unitOfMeasure")),
        parents=tuple(filter(None, map(text, parents))) if isinstance(parents, list) else (),
        is_by_label=flow not in DOUBTFUL and flow_of(direction) in DOUBTFUL,
    )


def _undescribed(answer: UsageAnswer, series: dict[str, Json]) -> Channel:
    """Make a channel of a series that no item of `meters` describes: its label is all there is."""
    name = text(series.get("name"))
    if " - " in name and flow_of("", name, is_net=bool(flag(series.get("isNet")))) in DOUBTFUL:
        answer.words.append(safe_word(last_word(name).upper()) or "(unreadable)")
    return Channel("", "", text(series.get("channel")), Flow.UNNAMED, "", is_described=False)


def _completed(channel: Channel, series: dict[str, Json]) -> Channel:
    """Add what only the series of a channel tells: its meter, and by its label the direction."""
    name = text(series.get("name"))
    meter = channel.meter
    if meter in ("", _meter_in(channel.series_id)):
        meter = text(series.get("meterNumber")) or meter or _meter_in(name)
    flow, is_by_label = channel.flow, channel.is_by_label
    if flow in DOUBTFUL:
        flow = flow_of(channel.direction, name, is_net=bool(flag(series.get("isNet"))))
        is_by_label = flow not in DOUBTFUL
    direction = channel.direction or ("NET" if flow is Flow.NET else "")
    return replace(
        channel,
        meter=meter,
        series_id=channel.series_id or name,
        flow=flow,
        direction=direction,
        is_by_label=is_by_label,
    )


def _meter_in(label: str) -> str:
    """Return the meter that a label names: the part before the dash."""
    return label.partition(" - ")[0].strip()


def _channel_of_meter(answer: UsageAnswer, meter: str, number: str | None = None) -> Channel | None:
    """Return a meter's channel in USAGE.

    This is the channel with this number, or the one for usage, or any.
    """
    same_meter = [channel for channel in answer.channels if channel.meter == meter]
    return min(
        same_meter,
        key=lambda channel: (channel.number != number, channel.flow not in USAGE),
        default=None,
    )


def _join(series: dict[str, Json], channels: Iterable[Channel]) -> Channel | None:
    """Find the channel of a series.

    A series is joined by seriesId, where several channels have it by channel number too, by meter and channel number,
    or because the meter has only one channel.
    """
    name, meter, number = (text(series.get(key)) for key in ("name", "meterNumber", "channel"))
    by_id = [channel for channel in channels if name and channel.series_id == name]
    by_id.sort(key=lambda channel: channel.number != number)
    same_meter = [channel for channel in channels if channel.meter and channel.meter in (meter, name)]
    by_number = [channel for channel in same_meter if number and channel.number == number]
    is_only = len(same_meter) == 1 and not (number and same_meter[0].number)
    return next(iter([*by_id, *by_number, *(same_meter if is_only else [])]), None)


def _take_nameless(series: dict[str, Json], nameless: list[Channel]) -> Channel | None:
    """Take the next item of `meters` without number and series id that has the channel number of a series.

    Each is taken once, because two meters may lack their numbers.
    """
    number = text(series.get("channel"))
    found = next((each for each in nameless if not (number and each.number) or each.number == number), None)
    if found:
        nameless.remove(found)
    return found


def _series(entry: dict[str, Json], where: str) -> list[dict[str, Json]]:
    return mappings(entry.get("series"), f"{where}.series")[:_MOST_SERIES]


def _points(series: dict[str, Json], where: str) -> tuple[WallPoint, ...]:
    points = series.get("data")
    if isinstance(points, WallPoints):
        return tuple(zip(*points, strict=True))
    data = mappings(points, f"{where}.series[].data")
    walls = all_seconds([point.get("x") for point in data], f"{where}.series[].data[].x")
    values = optional_numbers([point.get("y") for point in data], f"{where}.series[].data[].y")
    return tuple(zip(walls, values, strict=True))


def _interval_ends(value: Json) -> dict[int, int]:
    """Read `xToOrderedInterval`: a map by x, or a list whose items name their x."""
    where = "xToOrderedInterval"
    if isinstance(value, IntervalEnds):
        return value
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
    """Read an English date such as `May 4, 2019`, in a year in which there were meters."""
    try:
        read = datetime.strptime(value, "%B %d, %Y").replace(tzinfo=UTC).date()
    except ValueError:
        return None
    return read if 1900 <= read.year < 2100 else None  # noqa: PLR2004
