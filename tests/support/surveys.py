"""What tests of looking around a login share."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from exporter.discovery.survey import Surveyor
from exporter.portal.accounts import AccountLocation
from exporter.portal.client import PortalClient
from exporter.portal.walltime import WallClock
from exporter.simulator.server import PortalServer
from exporter.simulator.specs import MeterSpec
from exporter.simulator.world import World

from .clocks import ManualClock
from .worlds import HOUSE, METER, ZONE

HOUR = 3600

Sign = Callable[..., PortalClient]


def surveyor(client: PortalClient, clock: ManualClock, zone: ZoneInfo = ZONE) -> Surveyor:
    return Surveyor(client, WallClock(zone), clock)


def found(client: PortalClient, number: str = "70001") -> AccountLocation:
    return next(each for each in client.locations() if each.number == number)


def world(meter: MeterSpec = METER, connected: str = "2019-05-04", zone: str = "America/New_York") -> World:
    return World(zone=zone, locations=(replace(HOUSE, meters=(meter,), connected=connected),))


def polls(portal: PortalServer) -> int:
    return sum(count for (endpoint, _), count in portal.portal.calls.items() if endpoint == "poll")


def midnight(day: str, zone: ZoneInfo = ZONE) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=zone).timestamp())


def day_of(instant: int | None, zone: ZoneInfo = ZONE) -> str | None:
    if instant is None:
        return None
    local = datetime.fromtimestamp(instant, zone)
    assert (local.hour, local.minute, local.second) == (0, 0, 0)
    return local.date().isoformat()


def days_ago(days: int) -> int:
    return midnight((date(2026, 1, 14) - timedelta(days=days)).isoformat())
