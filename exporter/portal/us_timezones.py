"""The time zones of US co-ops: which there are, their offsets, and when their clocks change."""

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
"""Zones of co-ops, those with more of them first (portal-facts 10)."""


def other_season(instant: int) -> int:
    """Noon (UTC) of the last 20 January or 20 July before: whichever lies in the other half of the clock's year."""
    now = datetime.fromtimestamp(instant, UTC)
    new_york = ZoneInfo(US_ZONES[0])
    days = [datetime(year, month, 20, 12, tzinfo=UTC) for year in (now.year - 1, now.year) for month in (1, 7)]
    summer = now.astimezone(new_york).dst()
    return max(int(day.timestamp()) for day in days if day < now and day.astimezone(new_york).dst() != summer)


def may_change(start: int, end: int) -> bool:
    """Whether the clocks of some zone change within a range."""
    return any(offset_at(zone, start) != offset_at(zone, end) for zone in map(ZoneInfo, US_ZONES))


def offset_at(zone: ZoneInfo, instant: int) -> float:
    """Return how far a zone was ahead of UTC at an instant, in seconds."""
    offset = datetime.fromtimestamp(instant, zone).utcoffset()
    assert offset is not None
    return offset.total_seconds()
