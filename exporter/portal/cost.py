"""COST in a usage answer: what is money, and which meter it belongs to (docs/portal.md, "Cost")."""

from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter

from ..errors import ProtocolError
from .channels import channel_of_meter, channels_of, join, meter_in, points_of, series_of
from .directions import DOUBTFUL, Channel, flow_of
from .parsing import Json, flag, safe_word, text
from .usage_answer import ChannelSeries, UsageAnswer, WallPoint

_DOLLARS = ("USD", "$", "DOLLAR", "DOLLARS", "US_DOLLARS", "CURRENCY")
_CENTS = ("CENT", "CENTS", "USC")
_QUANTITIES = frozenset(("WH", "KWH", "MWH", "KVAH", "KVARH", "BTU", "MMBTU", "THERM", "THERMS"))
_QUANTITIES |= {"W", "KW", "MW", "KVA", "KVAR", "GAL", "GALLON", "GALLONS", "KGAL", "FT3", "CF", "CCF", "MCF", "M3"}
"""Units of energy, power and volume."""
_value = itemgetter(1)


def read_cost(answer: UsageAnswer, entry: dict[str, Json]) -> set[str]:
    """Read the costs, and return the meters whose cost has unusable points: the rest would not be a full sum."""
    unusable: set[str] = set()
    own = channels_of(answer, entry, "COST")
    for series in series_of(entry, "COST"):
        named = join(series, own)
        channel = _channel_of_cost(answer, series, named)
        scale = _scale_of_cost(answer, _unit(series.get("unitOfMeasure")), named, _unit(entry.get("unitOfMeasure")))
        if channel is None:
            answer.warnings.append("skipped a COST series that belongs to no meter of USAGE")
        elif scale is not None:
            try:
                points = points_of(series, "COST")
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
    channel = join(series, answer.channels) or (named and channel_of_meter(answer, named.meter, named.number))
    if channel:
        return channel
    number, name = text(series.get("meterNumber")), text(series.get("name"))
    meters = {each.meter for each in answer.channels}
    only = meters.pop() if len(meters) == 1 and not number else ""
    found = (channel_of_meter(answer, meter) for meter in (number, meter_in(name), only))
    channel = next(filter(None, found), None)
    flow = flow_of("", name, is_net=bool(flag(series.get("isNet"))))
    return channel if channel is None or flow in DOUBTFUL else replace(channel, flow=flow)


def _scale_of_cost(answer: UsageAnswer, own: str, named: Channel | None, of_entry: str) -> float | None:
    """Return USD per unit of a COST series, None if it is not money.

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
        answer.warnings.append(f"read costs in {safe_word(unit) or '(unreadable)'} as USD")
    return 1.0


def _is_cost(points: Sequence[WallPoint], usages: Sequence[Sequence[WallPoint]]) -> bool:
    """Check that a COST series is neither all zeros despite energy, nor the energy itself."""
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
