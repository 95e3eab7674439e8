"""Jobs made by hand, for a co-op of any zone."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from exporter.backfill.plan import DayRange, Job
from exporter.intervals.model import LocationKey
from exporter.portal.accounts import AccountLocation
from exporter.portal.walltime import WallClock

NEW_YORK = "America/New_York"
HOUSE = LocationKey("novec", "55001", "70001")
BARN = LocationKey("novec", "55002", "70002")
LONG_AFTER = int(datetime.fromisoformat("2035-01-01T00:00+00:00").timestamp())
"""An instant by which every day of these tests is past."""


def instant(text: str, zone: str = NEW_YORK) -> int:
    """A local time, given as `2026-01-05` or `2026-01-05 13:45`; the first of two."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def place_of(key: LocationKey, name: str | None = None) -> AccountLocation:
    return AccountLocation(key.account, key.location, name, electric=True, active=True)


def job(
    first: str, last: str, key: LocationKey = HOUSE, *, zone: str = NEW_YORK, name: str = "", source: int = 0
) -> Job:
    """Local days, both included."""
    days = DayRange(date.fromisoformat(first), date.fromisoformat(last), 10)
    wall = WallClock(ZoneInfo(zone))
    return Job(source, key, place_of(key), name, wall, *days.bounds(wall, LONG_AFTER))
