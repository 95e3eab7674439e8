"""What a location and its meters are, in words for people."""

from ..formatting import counted, every
from ..intervals.model import Meter
from ..portal.accounts import AccountLocation


def location_text(location: AccountLocation) -> str:
    """A location by its numbers, and the member's nickname for it."""
    return f"location {location.number} of account {location.account}" + (
        f' "{location.name}"' if location.name else ""
    )


def resolution_text(meter: Meter) -> str:
    """How often a meter is read, and the words of the portal for the directions of its channels."""
    return every(meter.info.step) + (f" ({', '.join(meter.info.flows)})" if meter.info.flows else "")


def values_text(meter: Meter) -> str:
    """What there is of a meter."""
    values = ["usage"]
    if meter.info.exports:
        values.append("export")
    if has_cost(meter):
        values.append("cost")
    if periods := periods_of(meter):
        values.append(counted(len(periods), "rate period"))
    return ", ".join(values)


def has_cost(meter: Meter) -> bool:
    """Whether the portal tells what the energy costs."""
    return any(interval.cost is not None for interval in meter.intervals)


def periods_of(meter: Meter) -> list[str]:
    """The names of the rate periods of a meter, sorted."""
    return sorted({period for interval in meter.intervals for period, _, _ in interval.periods})


def unread_reason(location: AccountLocation) -> str:
    """Why a location is not read unless it is chosen by its number; empty where it is."""
    if not location.active:
        return "closed"
    if not location.electric:
        return f"no electricity ({', '.join(location.industries).lower() or 'unknown service'})"
    return ""
