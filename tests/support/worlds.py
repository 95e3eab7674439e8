"""Small worlds for the simulated portal, and the time of most tests."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from exporter.portal.walltime import WallClock
from exporter.simulator.household import Household
from exporter.simulator.specs import LocationSpec, MeterSpec
from exporter.simulator.world import World

DAY = 86400
NOW = int(datetime(2026, 1, 14, 17, tzinfo=UTC).timestamp())
"""Noon in Virginia on a Wednesday in winter, 35 days from any clock change."""
ZONE = ZoneInfo("America/New_York")
WALL = WallClock(ZONE)


def instant(text: str, zone: ZoneInfo = ZONE) -> int:
    """Return the instant of a local time such as `2026-01-05 13:45`, the first of two."""
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())


METER = MeterSpec("81001", Household(1), step=3600)
HOUSE = LocationSpec("55001", "70001", (METER,), nickname="House")
BARN_METER = MeterSpec("81002", Household(2), step=3600, cost=False)
BARN = LocationSpec("55002", "70002", (BARN_METER,), nickname="Barn")
SMALL = World(locations=(HOUSE,))
"""One house with an hourly meter, which is quick to read."""
TWO = World(locations=(HOUSE, BARN))
