from collections.abc import Iterator

import pytest

from exporter.config import LocationChoice
from exporter.simulator.world import World

from ..support.check_reports import Check, checked
from ..support.clocks import ManualClock
from ..support.fake_database import Database
from ..support.portal import StartPortal, login_of
from ..support.worlds import SMALL


@pytest.fixture
def database() -> Iterator[Database]:
    with Database() as running:
        yield running


@pytest.fixture
def check(start_portal: StartPortal, clock: ManualClock) -> Check:
    """Returns what the check says about a new portal: check(world, poll=...)."""

    def run(world: World = SMALL, *choices: LocationChoice, **switches: object) -> list[str]:
        return checked(login_of(start_portal(world, **switches), world.users[0], *choices), clock)

    return run
