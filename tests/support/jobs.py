"""Backfill jobs with known days, for a co-op in any zone."""

from datetime import date
from zoneinfo import ZoneInfo

from exporter.backfill.plan import DayRange, Job
from exporter.intervals.model import LocationKey
from exporter.portal.accounts import AccountLocation
from exporter.portal.walltime import WallClock

from .worlds import instant

NEW_YORK = "America/New_York"
HOUSE = LocationKey("novec", "55001", "70001")
BARN = LocationKey("novec", "55002", "70002")
LONG_AFTER = instant("2035-01-01")
"""An instant at which every day of these tests is in the past."""


def place_of(key: LocationKey, name: str | None = None) -> AccountLocation:
    return AccountLocation(key.account, key.location, name, electric=True, active=True)


def job(
    first: str, last: str, key: LocationKey = HOUSE, *, zone: str = NEW_YORK, name: str = "", source: int = 0
) -> Job:
    """Return the job for the local days from `first` to `last`, both included."""
    days = DayRange(date.fromisoformat(first), date.fromisoformat(last), 10)
    wall = WallClock(ZoneInfo(zone))
    return Job(source, key, place_of(key), name, wall, *days.bounds(wall, LONG_AFTER))
