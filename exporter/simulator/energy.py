"""The energy of a meter per interval, as the simulated co-op meters and bills it.

Both the portal's answers and the truth are made from it. Nothing here uses the exporter's code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from .specs import MeterSpec

_CREDIT = 0.04  # USD per exported kWh
_SMALL = 0.02  # kWh per interval
VOLUMES = {
    "WATER": {"GAL": (1.0, 0), "KGAL": (1000.0, 3), "FT3": (7.480519, 0), "CCF": (748.0519, 2)},
    "GAS": {"CCF": (1.0, 2), "FT3": (0.01, 0), "MCF": (10.0, 3), "THERM": (1.0, 2), "THERMS": (1.0, 2)},
}
"""The size of the portal's units in gallons, hundreds of cubic feet, or therms, and their decimals."""
_PRICES = {"WATER": 0.01, "GAS": 1.2}  # USD per unit of ours
_OVERLAP = 0.05  # share of energy that flows both ways within an interval


@dataclass(frozen=True, slots=True)
class MeteredEnergy:
    """Unrounded kWh measured by a meter, with the co-op's rate period and its price in USD per kWh.

    Of water and gas it is in the meter's own unit.
    """

    usage: float
    export: float
    period: str
    price: float

    def scaled(self, factor: float) -> "MeteredEnergy":
        """Multiply the energy by a factor."""
        return MeteredEnergy(self.usage * factor, self.export * factor, self.period, self.price)


@dataclass(frozen=True, slots=True)
class ChannelValue:
    """One channel's value as the portal shows it: direction, label of the series, kWh and USD."""

    direction: str
    label: str
    kwh: float
    usd: float


@lru_cache(maxsize=400_000)
def metered_energy(meter: MeterSpec, start: int, seconds: int, zone: ZoneInfo) -> MeteredEnergy:
    """Meter `seconds` of energy from `start` (seconds UTC) on."""
    local = datetime.fromtimestamp(start, zone)
    if meter.industry != "ELECTRIC":
        in_ours = meter.household.water(local) if meter.industry == "WATER" else meter.household.gas(local)
        size, price = VOLUMES[meter.industry][meter.unit][0], _PRICES[meter.industry]
        return MeteredEnergy(in_ours * seconds / 3600 / size, 0.0, "", price * size)
    load = meter.household.load(local) * seconds / 3600
    sun = meter.household.sun(local) * seconds / 3600
    overlap = _OVERLAP * min(load, sun)
    return MeteredEnergy(max(0.0, load - sun) + overlap, max(0.0, sun - load) + overlap, *_rate(local))


def together(parts: Sequence[MeteredEnergy]) -> MeteredEnergy:
    """Add up energy at its mean price; a single part keeps its rate period."""
    if len(parts) == 1:
        return parts[0]
    usage, cost = sum(part.usage for part in parts), sum(part.usage * part.price for part in parts)
    return MeteredEnergy(usage, sum(part.export for part in parts), "", cost / usage if usage else 0.0)


def _rate(local: datetime) -> tuple[str, float]:
    if local.hour < 6:  # noqa: PLR2004
        return "Super Off Peak", 0.07
    if local.weekday() < 5 and 14 <= local.hour < 20:  # noqa: PLR2004
        return "On Peak", 0.19
    return "Off Peak", 0.11


def without_sign_of_solar(usage: float) -> float:
    """Turn small values into a correction that is slightly negative."""
    return usage if usage > _SMALL else -0.01


def channels_of(meter: MeterSpec, energy: MeteredEnergy) -> tuple[ChannelValue, ...]:
    """Round each channel of a meter by itself, energy to two decimals (docs/portal.md, "Resolution")."""
    if meter.industry != "ELECTRIC":
        amount = round(energy.usage, VOLUMES[meter.industry][meter.unit][1])
        return (ChannelValue("TOTAL", "Usage", amount, round(energy.usage * energy.price, 2)),)
    usage, export, net = round(energy.usage, 2), round(energy.export, 2), round(energy.usage - energy.export, 2)
    cost, credit = round(energy.usage * energy.price, 2), -round(energy.export * _CREDIT, 2)
    half = round(energy.usage / 2, 2)
    values = {
        "forward": ("FORWARD", "Consumption", usage, cost),
        "reverse": ("REVERSE", "Generation", -export, credit),
        "return": ("RETURN", "Returned", export, credit),
        "net": ("NET", "Net", net, round(cost + credit, 2)),
        "total": ("TOTAL", "Total", usage, cost),
        "unnamed": ("", "Usage", usage, cost),
        "unknown": ("SIDEWAYS", "Usage", usage, cost),
        "signed": ("FORWARD", "Consumption", net, cost),
        "higher total": ("TOTAL", "Total", round(usage + 0.5, 2), 0.0),
        "delivered": ("DELIVERED", "Delivered", usage, cost),
        "received": ("RECEIVED", "Received", export, credit),
        "received as delivered": ("DELIVERED", "Delivered", export, credit),
        "delivered as received": ("RECEIVED", "Received", usage, cost),
        "aside": ("SIDEWAYS", "Received", export, credit),
        "unknown generation": ("SIDEWAYS", "Generation", export, credit),
        "slightly negative": ("FORWARD", "Consumption", without_sign_of_solar(usage), cost),
        "copy": ("FORWARD", "Copy", usage, 0.0),
        "half": ("FORWARD", "Consumption A", half, cost),
        "rest": ("FORWARD", "Consumption B", round(usage - half + 0.01, 2), 0.0),
    }
    return tuple(ChannelValue(*values[word]) for word in meter.channels.split("+"))
