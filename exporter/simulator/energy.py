"""The energy of a meter, interval by interval at real instants, as the simulated co-op meters and bills it.

Everything the portal answers, and everything that is true, comes from here; nothing here knows the exporter's code.
Each series is rounded to two decimals by itself, as portals do (portal-facts 3.4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from .specs import Channels, MeterSpec

_CREDIT = 0.04  # USD per kWh sent
_OVERLAP = 0.05  # energy goes both ways within an interval


@dataclass(frozen=True, slots=True)
class MeteredEnergy:
    """What crossed the meter in an interval: raw kWh drawn and sent, by the co-op's rate period."""

    drawn: float
    sent: float
    period: str
    price: float

    def scaled(self, factor: float) -> "MeteredEnergy":
        """The same with another amount of energy."""
        return MeteredEnergy(self.drawn * factor, self.sent * factor, self.period, self.price)


@dataclass(frozen=True, slots=True)
class ChannelValue:
    """One channel's value as the portal shows it: direction, label of the series, kWh and USD."""

    direction: str
    label: str
    kwh: float
    usd: float


@lru_cache(maxsize=400_000)
def metered_energy(meter: MeterSpec, start: int, seconds: int, zone: ZoneInfo) -> MeteredEnergy:
    """What crosses a meter in the `seconds` from `start` (UTC)."""
    local = datetime.fromtimestamp(start, zone)
    load = meter.household.load(local) * seconds / 3600
    sun = meter.household.sun(local) * seconds / 3600
    overlap = _OVERLAP * min(load, sun)
    period, price = _rate(local)
    return MeteredEnergy(
        max(0.0, load - sun) + overlap, (max(0.0, sun - load) + overlap) if sun else 0.0, period, price
    )


def together(parts: Sequence[MeteredEnergy]) -> MeteredEnergy:
    """The energy of several times, at its mean price; one alone keeps its rate period."""
    if len(parts) == 1:
        return parts[0]
    drawn, paid = sum(part.drawn for part in parts), sum(part.drawn * part.price for part in parts)
    return MeteredEnergy(drawn, sum(part.sent for part in parts), "", paid / drawn if drawn else 0.0)


def _rate(local: datetime) -> tuple[str, float]:
    if local.hour < 6:  # noqa: PLR2004
        return "Super Off Peak", 0.07
    if local.weekday() < 5 and 14 <= local.hour < 20:  # noqa: PLR2004
        return "On Peak", 0.19
    return "Off Peak", 0.11


def channels_of(meter: MeterSpec, each: MeteredEnergy) -> tuple[ChannelValue, ...]:
    """The values of all channels of a meter."""
    drawn, sent, net = round(each.drawn, 2), round(each.sent, 2), round(each.drawn - each.sent, 2)
    paid, earned = round(each.drawn * each.price, 2), -round(each.sent * _CREDIT, 2)
    forward = ChannelValue("FORWARD", "Consumption", drawn, paid)
    by_name = {
        "forward": forward,
        "reverse": ChannelValue("REVERSE", "Generation", -sent, earned),
        "return": ChannelValue("RETURN", "Returned", sent, earned),
        "net": ChannelValue("NET", "Net", net, round(paid + earned, 2)),
        "total": ChannelValue("TOTAL", "Total", drawn, paid),
        "unnamed": ChannelValue("", "Usage", drawn, paid),
        "unknown": ChannelValue("SIDEWAYS", "Usage", drawn, paid),
        "signed": ChannelValue("FORWARD", "Consumption", net, paid),
    }
    if meter.channels is Channels.FORWARD_TOTAL:
        return forward, ChannelValue("TOTAL", "Total", round(drawn + 0.5, 2), 0.0)
    if meter.channels is Channels.SAME_TWICE:
        return forward, ChannelValue("FORWARD", "Copy", drawn, 0.0)
    if meter.channels is Channels.TWO_FORWARD:
        half = round(each.drawn / 2, 2)
        rest = round(drawn - half + 0.01, 2)
        return (
            ChannelValue("FORWARD", "Consumption A", half, paid),
            ChannelValue("FORWARD", "Consumption B", rest, 0.0),
        )
    return tuple(by_name[name] for name in meter.channels.split("+"))
