"""What a location and its meters are, in words for people."""

from ..intervals.model import Meter
from ..portal.accounts import AccountLocation


def location_text(location: AccountLocation) -> str:
    """A location by its numbers, and the member's nickname for it."""
    return f"location {location.number} of account {location.account}" + (
        f' "{location.name}"' if location.name else ""
    )


def extra_values(meter: Meter) -> list[str]:
    """What there is of a meter beside the energy that it draws."""
    periods = {period for interval in meter.intervals for period, _, _ in interval.periods}
    return [
        *(["export"] if meter.info.exports else []),
        *(["cost"] if any(interval.cost is not None for interval in meter.intervals) else []),
        *([f"{len(periods)} rate period" + ("s" if len(periods) > 1 else "")] if periods else []),
    ]


def unread_reason(location: AccountLocation) -> str:
    """Why a location is not read unless it is chosen by its number; empty where it is."""
    if not location.active:
        return "closed"
    if not location.electric:
        return f"no electricity ({', '.join(location.industries).lower() or 'unknown service'})"
    return ""
