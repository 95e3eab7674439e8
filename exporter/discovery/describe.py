"""Locations and meters in words for people."""

from ..errors import PortalError
from ..formatting import counted, every
from ..intervals.model import Meter
from ..portal.accounts import AccountLocation


def location_text(location: AccountLocation) -> str:
    """Name a location by its numbers and the member's nickname for it."""
    return _numbers(location) + (f' "{location.name}"' if location.name else "")


def _numbers(location: AccountLocation) -> str:
    return f"location {location.number} of account {location.account}"


def problem_text(location: AccountLocation, error: PortalError) -> str:
    """Return an error for a line that already names the location."""
    return str(error).removeprefix(f"{_numbers(location)}: ")


def resolution_text(meter: Meter) -> str:
    """Describe how often a meter is read, with the portal's words for the directions of its channels."""
    return every(meter.info.step) + (f" ({', '.join(meter.info.flows)})" if meter.info.flows else "")


def submeter_text(parent: str | None) -> str:
    """Describe that a meter is part of another one; empty if it is not."""
    return f"; part of meter {parent}, so sums leave it out" if parent else ""


def values_text(meter: Meter) -> str:
    """List the values that a meter has."""
    values = ["usage"]
    if meter.info.exports:
        values.append("export")
    if has_cost(meter):
        values.append("cost")
    if periods := periods_of(meter):
        values.append(counted(len(periods), "rate period"))
    return ", ".join(values)


def has_cost(meter: Meter) -> bool:
    """Whether the portal provides the cost of the energy."""
    return any(interval.cost is not None for interval in meter.intervals)


def periods_of(meter: Meter) -> list[str]:
    """The names of the rate periods of a meter, sorted."""
    return sorted({period for interval in meter.intervals for period, _, _ in interval.periods})
