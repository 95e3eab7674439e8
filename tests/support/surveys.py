"""Worlds and helpers for the tests of discovery and of the time zone search."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

from exporter.portal.client import PortalClient
from exporter.simulator.portal import Call, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.specs import MeterSpec
from exporter.simulator.world import World

from .worlds import HOUSE, METER, instant

HOUR = 3600

Sign = Callable[..., PortalClient]


def world(meter: MeterSpec = METER, connected: str = "2019-05-04", zone: str = "America/New_York") -> World:
    return World(zone=zone, locations=(replace(HOUSE, meters=(meter,), connected=connected),))


def houses(count: int, **changes: object) -> World:
    numbers = [f"7000{number}" for number in range(1, count + 1)]
    return World(locations=tuple(replace(HOUSE, number=each, **changes) for each in numbers))  # type: ignore[arg-type]


def answer_polls(portal: PortalServer, answer: Callable[[Call], SimulatedResponse | None]) -> None:
    """Make a portal answer polls as a function does, where that returns a response."""
    respond = portal.portal.respond

    def changed(call: Call) -> SimulatedResponse:
        return (answer(call) if call.path.endswith("/poll") else None) or respond(call)

    portal.portal.respond = changed  # type: ignore[method-assign]


def polls(portal: PortalServer) -> int:
    return sum(count for (endpoint, _), count in portal.portal.calls.items() if endpoint == "poll")


def days_ago(days: int) -> int:
    return instant((date(2026, 1, 14) - timedelta(days=days)).isoformat())
