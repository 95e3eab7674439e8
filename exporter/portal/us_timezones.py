"""The time zones of US co-ops, their offsets, and when their clocks change."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

US_ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Honolulu",
    "America/Adak",
    "America/Puerto_Rico",
    "Pacific/Guam",
    "Pacific/Pago_Pago",
    "Pacific/Palau",
)
"""The zones of co-ops, those with more co-ops first (docs/portal.md, "Where co-ops are")."""

STANDARD_ZONES = tuple(f"Etc/GMT+{hours}" for hours in range(4, 11))
"""Standard time all year, which some portals might use (docs/portal.md, "Daylight saving changes")."""


def is_summer(instant: int) -> bool:
    """Check whether most co-ops have daylight saving time at an instant."""
    return bool(datetime.fromtimestamp(instant, ZoneInfo(US_ZONES[0])).dst())


def other_season(instant: int) -> int:
    """Return noon (UTC) of the last 20 January or 20 July in the other season."""
    year = datetime.fromtimestamp(instant, UTC).year
    days = [int(datetime(each, month, 20, 12, tzinfo=UTC).timestamp()) for each in (year - 1, year) for month in (1, 7)]
    return max(day for day in days if day < instant and is_summer(day) != is_summer(instant))


def may_change(start: int, end: int) -> bool:
    """Check whether the clocks of any zone change within a range."""
    return any(offset_at(zone, start) != offset_at(zone, end) for zone in map(ZoneInfo, US_ZONES))


def offset_at(zone: ZoneInfo, instant: int) -> float:
    """Return how far a zone was ahead of UTC at an instant, in seconds."""
    offset = datetime.fromtimestamp(instant, zone).utcoffset()
    assert offset is not None
    return offset.total_seconds()
