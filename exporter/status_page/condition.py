"""Conditions of logins, locations and the whole page, and names of locations."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..intervals.model import Location, LocationKey

UTC = ZoneInfo("UTC")

_MOST_NAMES = 4


class Severity(IntEnum):
    """How serious a condition is. Larger is worse."""

    GOOD = 0
    WAIT = 1
    BAD = 2


@dataclass(frozen=True, slots=True)
class Condition:
    """A few words, how serious they are, and one more sentence if it helps."""

    severity: Severity
    words: str
    detail: str = ""


good, wait, bad = (partial(Condition, severity) for severity in Severity)


def title_of(key: LocationKey, location: Location | None) -> str:
    """Return the name of a location: configured, the member's nickname, or numbers."""
    if location and location.name:
        return location.name
    if key.location:
        return f"Location {key.location}"
    return f"Account {key.account}" if key.account else key.portal


def zone_of(location: Location | None) -> ZoneInfo:
    """Return the time zone of a location, or UTC while none is known."""
    return zone_named(location.timezone if location else "")


def zone_named(name: str) -> ZoneInfo:
    """Return the time zone of that name, or UTC while it is empty."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ValueError, OSError, ZoneInfoNotFoundError):  # a stored name that this machine does not know
        return UTC


def listed(names: Sequence[str]) -> str:
    """Return a list of names. A long one is cut, with the number of the others."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
