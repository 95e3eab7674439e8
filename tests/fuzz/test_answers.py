"""Damaged answers, from the portal to the pages: each value is true or absent."""

import json
from contextlib import closing
from dataclasses import replace
from random import Random

import pytest

from exporter.simulator.household import Household
from exporter.simulator.portal import Call, SimulatedPortal, SimulatedResponse
from exporter.simulator.specs import Channels, LocationSpec, MeterSpec
from exporter.simulator.world import World

from ..support.clocks import ManualClock
from ..support.exporter import Exporter
from ..support.portal import StartPortal, login_of
from ..support.truth import expected
from ..support.worlds import DAY, instant
from .damage import Json, damaged
from .pages import shown, wrong_values
from .rounds import rounds

pytestmark = pytest.mark.slow

WINDOW = 2 * DAY
NOW = instant("2026-11-02 12:00")  # the day after clocks went back
HOMES = {
    "solar": MeterSpec("81001", Household(5, solar=7.0), Channels.THREE, step=3600, periods=True, cost=False),
    "plain": MeterSpec("81001", Household(1), step=3600),
}


class DamagedPortal:
    """Damages each HOURLY answer of a portal, which has no DAILY data."""

    def __init__(self, portal: SimulatedPortal) -> None:
        self.random = Random()
        self.damage: list[str] = []
        self._portal = portal
        self._answers: dict[bytes, Json] = {}

    def __call__(self, call: Call) -> SimulatedResponse | None:
        if not call.path.endswith("/poll"):
            return None
        if b"DAILY" in call.body:
            return SimulatedResponse(200, b'{"status": "COMPLETE"}')
        if call.body not in self._answers:
            self._answers[call.body] = json.loads(self._portal._poll(call).body)
        what, answer = damaged(self._answers[call.body], self.random)
        self.damage.append(what)
        return SimulatedResponse(200, json.dumps(answer).encode())


@pytest.mark.parametrize("home", HOMES)
def test_damaged_answers_make_no_wrong_values(start_portal: StartPortal, clock: ManualClock, home: str) -> None:
    clock.move_to(NOW)
    spec = replace(HOMES[home], hourly_since="2026-10-30")
    server = start_portal(World(locations=(LocationSpec("55001", "70001", (spec,), "House"),)))
    login = login_of(server)
    truth = expected(server.portal, login.portal.label, NOW - 40 * DAY, NOW)
    portal = DamagedPortal(server.portal)
    for random in rounds(60):
        portal.random, portal.damage = random, []
        server.portal.override = portal
        with closing(Exporter(clock, login, window=WINDOW)) as exporter:
            exporter.refresh()
            wrong = list(wrong_values(shown(exporter, clock, WINDOW), truth))
            assert not wrong, (portal.damage, wrong[:5])


def test_undamaged_answers_make_all_values(start_portal: StartPortal, clock: ManualClock) -> None:
    clock.move_to(NOW)
    server = start_portal(World(locations=(LocationSpec("55001", "70001", (HOMES["plain"],), "House"),)))
    login = login_of(server)
    with closing(Exporter(clock, login, window=WINDOW)) as exporter:
        exporter.refresh()
        truth = expected(server.portal, login.portal.label, NOW - WINDOW, NOW)
        assert shown(exporter, clock, WINDOW) == truth
