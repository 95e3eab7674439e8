"""The answer of the usage poll as typed series with wall-clock times.

See docs/portal.md, "Shape of a usage answer". `meterToChartData` and `baseSeries` repeat the same points and are never
read.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..errors import ProtocolError
from ..intervals.industries import ELECTRIC
from .channels import (
    channel_of_meter,
    channels_of,
    completed,
    english_date,
    interval_ends,
    join,
    meter_in,
    points_of,
    series_of,
    take_nameless,
    undescribed,
)
from .cost import read_cost
from .directions import DOUBTFUL, USAGE, Channel, Flow, settled
from .parsing import Json, flag, mapping, mappings, safe_word, text
from .units import conversion, known_units
from .usage_answer import ChannelSeries, UsageAnswer, WallPoint

_MOST_ENTRIES = 10  # a portal has four types


def decode(data: Json, industry: str = ELECTRIC) -> UsageAnswer:
    """Decode the `data` of a COMPLETE poll for one industry.

    Raises ProtocolError if its shape is unknown. Missing data, no key of the industry, an empty list and no USAGE entry
    are all normal: the answer is then empty. Only energy has directions and rate periods.
    """
    industries = mapping({} if data is None else data, "data")
    entries: dict[str, list[dict[str, Json]]] = defaultdict(list)
    key = industry.upper()
    for entry in mappings(industries.get(key), f"data.{key}")[:_MOST_ENTRIES]:
        entries[text(entry.get("type")).upper()].append(entry)
    answer = UsageAnswer(industry)
    for entry in entries["USAGE"]:
        _read_usage(answer, entry)
    if industry == ELECTRIC:
        _settle(answer)
        _read_periods(answer, entries["TIME_OF_USE"])
    else:
        answer.words = []
    unusable = {meter for entry in entries["COST"] for meter in read_cost(answer, entry)}
    answer.cost = [each for each in answer.cost if each.channel.meter not in unusable]
    answer.words = list(dict.fromkeys(answer.words))
    answer.warnings = list(dict.fromkeys(answer.warnings))
    return answer


# -- USAGE


def _read_usage(answer: UsageAnswer, entry: dict[str, Json]) -> None:
    described = channels_of(answer, entry, "USAGE")
    named = [channel for channel in described if channel.meter]
    nameless = [channel for channel in described if not channel.meter]
    channels = dict.fromkeys(named)
    for series in series_of(entry, "USAGE"):
        joined = join(series, named) or take_nameless(series, nameless) or undescribed(answer, series)
        channel = completed(joined, series)
        if not channel.meter:
            raise ProtocolError("unexpected response from the portal: a USAGE series has neither name nor meter")
        if channel in channels and not channel.is_described:
            answer.warnings.append("left out a USAGE series that has the name and number of another one")
            continue
        channels.pop(joined, None)
        if answer.industry != ELECTRIC:
            channel = replace(channel, flow=Flow.TOTAL, direction="")
        channels[channel] = None
        size = _size_of_unit(answer, channel, text(entry.get("unitOfMeasure")))
        if size is None:
            answer.skipped |= bool(series.get("data"))
            continue
        points = points_of(series, "USAGE")
        answer.usage.append(
            ChannelSeries(channel, points if answer.industry == ELECTRIC else _volumes(answer, points, size))
        )
    answer.channels += channels
    _read_chart(answer, entry)


def _size_of_unit(answer: UsageAnswer, channel: Channel, of_entry: str) -> float | None:
    """Return how many of our units one of the series' unit is, None if its points are of no use."""
    word = (channel.unit or of_entry).upper()
    known = conversion(answer.industry, word)
    if known is None:
        shown = safe_word(word) or ("(unreadable)" if word else "an unnamed unit")
        units = known_units(answer.industry)
        answer.warnings.append(f"skipped a USAGE series in {shown}; known units of {answer.industry}: {units}")
        return None
    unit, size = known
    if answer.units.setdefault(channel.meter, unit) != unit:
        answer.warnings.append(f"skipped a USAGE series in {unit}, because the meter has a series in another unit")
        return None
    return size


def _volumes(answer: UsageAnswer, points: Sequence[WallPoint], size: float) -> tuple[WallPoint, ...]:
    """Return volumes in our unit. They have no direction, so a negative one is a mistake."""
    if any(value is not None and value < 0 for _, value in points):
        answer.warnings.append(f"dropped negative {answer.industry} values")
    return tuple((wall, None if value is None or value < 0 else value * size) for wall, value in points)


def _read_chart(answer: UsageAnswer, entry: dict[str, Json]) -> None:
    answer.interval_ends |= interval_ends(entry.get("xToOrderedInterval"))
    hourly = flag(entry.get("hasHourly"))
    answer.has_hourly = hourly if answer.has_hourly is None else answer.has_hourly or bool(hourly)
    answer.connected = english_date(text(entry.get("connectDate"))) or answer.connected


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


def _read_periods(answer: UsageAnswer, entries: Sequence[dict[str, Json]]) -> None:
    for entry in entries:
        _read_time_of_use(answer, entry)
    if not answer.has_usage and answer.periods:
        _count_periods(answer)
        for entry in entries:
            _read_chart(answer, entry)


def _read_time_of_use(answer: UsageAnswer, entry: dict[str, Json]) -> None:
    own = channels_of(answer, entry, "TIME_OF_USE")
    rates = {
        text(meter.get("seriesId")): text(meter.get("rateName")) or text(meter.get("rate"))
        for meter in mappings(entry.get("meters"), "TIME_OF_USE.meters")
    }
    for series in series_of(entry, "TIME_OF_USE"):
        name = text(series.get("name"))
        joined = join(series, own)
        meter = joined.meter if joined else text(series.get("meterNumber")) or meter_in(name)
        # Only USAGE shows whether a channel without a known direction counts.
        channel = joined if joined and joined.flow not in DOUBTFUL and not joined.is_by_label else None
        channel = channel or channel_of_meter(answer, meter, joined.number if joined else None) or _lowest(own, joined)
        if channel is None:
            answer.warnings.append("skipped a TIME_OF_USE series that belongs to no meter")
        elif channel.flow in USAGE:
            period = text(series.get("rateName")) or rates.get(name, "") or name.rpartition(" - ")[2]
            answer.periods.append((period, ChannelSeries(channel, points_of(series, "TIME_OF_USE"))))


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
        channel = channel_of_meter(answer, number)
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
