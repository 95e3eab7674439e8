"""Figures in the words of a person who reads them on a terminal."""

from datetime import datetime
from zoneinfo import ZoneInfo

from .intervals.model import DAILY, Meter
from .portal.accounts import FoundLocation

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def length(seconds: float) -> str:
    """A length of time in its two largest units: `2 days 3 hours`, `15 minutes`, `0 seconds`."""
    rest = int(seconds)
    words: list[str] = []
    for size, name in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute"), (1, "second")):
        count, rest = divmod(rest, size)
        if count or (size == 1 and not words):
            words.append(f"{count} {name}" + ("" if count == 1 else "s"))
        if len(words) == 2 or (words and size == _MINUTE):  # noqa: PLR2004
            break
    return " ".join(words)


def every(step: int) -> str:
    """How often a meter of this resolution, in seconds, is read: `every 15 minutes`."""
    if step in (DAILY, _HOUR):
        return "once a day" if step == DAILY else "every hour"
    return f"every {length(step)}" if step else "at unknown intervals"


def briefly(seconds: float) -> str:
    """A length of time in its largest unit, for a table: `15 min`, `2 d`."""
    for size, name in ((2 * _DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= size:
            return f"{seconds // (_DAY if name == 'd' else size):.0f} {name}"
    return f"{max(0.0, seconds):.0f} s"


def local_time(instant: float, zone: ZoneInfo) -> str:
    """An instant by the co-op's clock, to the minute."""
    return f"{datetime.fromtimestamp(instant, zone):%Y-%m-%d %H:%M}"


def local_date(instant: float, zone: ZoneInfo) -> str:
    """The co-op's date of an instant."""
    return datetime.fromtimestamp(instant, zone).date().isoformat()


def place_of(place: FoundLocation) -> str:
    """A location by its numbers, and the member's nickname for it."""
    return f"location {place.number} of account {place.account}" + (f' "{place.name}"' if place.name else "")


def gives(meter: Meter) -> list[str]:
    """What there is of a meter beside the energy that it draws."""
    periods = {period for interval in meter.intervals for period, _, _ in interval.periods}
    return [
        *(["export"] if meter.info.exports else []),
        *(["cost"] if any(interval.cost is not None for interval in meter.intervals) else []),
        *([f"{len(periods)} rate period" + ("s" if len(periods) > 1 else "")] if periods else []),
    ]


def why_unread(place: FoundLocation) -> str:
    """Why a location is not read unless it is chosen by its number; empty where it is."""
    if not place.active:
        return "closed"
    if not place.electric:
        return f"no electricity ({', '.join(place.industries).lower() or 'unknown service'})"
    return ""
