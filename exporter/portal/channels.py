"""The channels and series of a usage answer, and which belong together.

See docs/portal.md, "Shape of a usage answer".
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime

from .directions import DOUBTFUL, FLOWS, USAGE, Channel, Flow, flow_of, last_word
from .parsing import Json, all_seconds, flag, mapping, mappings, optional_numbers, safe_word, text
from .poll_json import IntervalEnds, WallPoints
from .usage_answer import UsageAnswer, WallPoint

_MOST_SERIES = 2000  # of an entry; each is compared with each channel


def channels_of(answer: UsageAnswer, entry: dict[str, Json], where: str) -> list[Channel]:
    """Read the items of an entry's `meters`, and remember their unusual words for directions."""
    channels = [_channel(meter) for meter in mappings(entry.get("meters"), f"{where}.meters")[:_MOST_SERIES]]
    answer.words += [channel.direction for channel in channels if channel.direction not in ("", *FLOWS)]
    return channels


def _channel(meter: dict[str, Json]) -> Channel:
    """Read an item of `meters`. Without number and series id its meter is empty: `completed` adds it."""
    direction = text(meter.get("flowDirection")).upper()
    direction = direction and (safe_word(direction) or "(unreadable)")
    series_id = text(meter.get("seriesId"))
    flow = flow_of(direction, series_id)
    parents = meter.get("parentMeters")
    return Channel(
        meter=text(meter.get("meterNumber")) or meter_in(series_id),
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


def undescribed(answer: UsageAnswer, series: dict[str, Json]) -> Channel:
    """Make a channel of a series that no item of `meters` describes: its label is all there is."""
    name = text(series.get("name"))
    if " - " in name and flow_of("", name, is_net=bool(flag(series.get("isNet")))) in DOUBTFUL:
        answer.words.append(safe_word(last_word(name).upper()) or "(unreadable)")
    return Channel("", "", text(series.get("channel")), Flow.UNNAMED, "", is_described=False)


def completed(channel: Channel, series: dict[str, Json]) -> Channel:
    """Add what only the series of a channel shows: its meter and, by its label, the direction."""
    name = text(series.get("name"))
    meter = channel.meter
    if meter in ("", meter_in(channel.series_id)):
        meter = text(series.get("meterNumber")) or meter or meter_in(name)
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


def meter_in(label: str) -> str:
    """Return the meter that a label names: the part before the dash."""
    return label.partition(" - ")[0].strip()


def channel_of_meter(answer: UsageAnswer, meter: str, number: str | None = None) -> Channel | None:
    """Return a meter's channel in USAGE.

    This is the channel with this number, or the one for usage, or any.
    """
    same_meter = [channel for channel in answer.channels if channel.meter == meter]
    return min(
        same_meter,
        key=lambda channel: (channel.number != number, channel.flow not in USAGE),
        default=None,
    )


def join(series: dict[str, Json], channels: Iterable[Channel]) -> Channel | None:
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


def take_nameless(series: dict[str, Json], nameless: list[Channel]) -> Channel | None:
    """Take the next item of `meters` without number and series id that has the channel number of a series.

    Each is taken once, because two meters may lack their numbers.
    """
    number = text(series.get("channel"))
    found = next((each for each in nameless if not (number and each.number) or each.number == number), None)
    if found:
        nameless.remove(found)
    return found


def series_of(entry: dict[str, Json], where: str) -> list[dict[str, Json]]:
    """Return the series of an entry, as many as are looked at."""
    return mappings(entry.get("series"), f"{where}.series")[:_MOST_SERIES]


def points_of(series: dict[str, Json], where: str) -> tuple[WallPoint, ...]:
    """Return the points of a series in the portal's order. Raises ProtocolError."""
    points = series.get("data")
    if isinstance(points, WallPoints):
        return tuple(zip(*points, strict=True))
    data = mappings(points, f"{where}.series[].data")
    walls = all_seconds([point.get("x") for point in data], f"{where}.series[].data[].x")
    values = optional_numbers([point.get("y") for point in data], f"{where}.series[].data[].y")
    return tuple(zip(walls, values, strict=True))


def interval_ends(value: Json) -> dict[int, int]:
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


def english_date(value: str) -> date | None:
    """Read an English date such as `May 4, 2019`, in a year in which there were meters."""
    try:
        read = datetime.strptime(value, "%B %d, %Y").replace(tzinfo=UTC).date()
    except ValueError:
        return None
    return read if 1900 <= read.year < 2100 else None  # noqa: PLR2004
