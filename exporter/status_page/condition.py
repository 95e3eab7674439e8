"""The words of states, and what they are said of: shared by logins, locations and the page as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..intervals.model import Location, LocationKey

UTC = ZoneInfo("UTC")

_MOST_NAMES = 4


class Severity(IntEnum):
    """How bad it is; the greater, the worse."""

    GOOD = 0
    WAIT = 1
    BAD = 2


@dataclass(frozen=True, slots=True)
class Condition:
    """A few words, how bad they are, and a sentence more where one helps."""

    severity: Severity
    words: str
    detail: str = ""


good, wait, bad = (partial(Condition, severity) for severity in Severity)


def title_of(key: LocationKey, location: Location | None) -> str:
    """What to call a location: the user's or the member's name for it, else its numbers."""
    if location and location.name:
        return location.name
    if key.location:
        return f"Location {key.location}"
    return f"Account {key.account}" if key.account else key.portal


def zone_of(location: Location | None) -> ZoneInfo:
    """The zone of a location's co-op; UTC as long as none is known."""
    try:
        return ZoneInfo(location.timezone) if location and location.timezone else UTC
    except (ValueError, OSError, ZoneInfoNotFoundError):  # a name that was stored and that this machine does not know
        return UTC


def listed(names: Sequence[str]) -> str:
    """Some names; of many the first ones and how many more there are."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
