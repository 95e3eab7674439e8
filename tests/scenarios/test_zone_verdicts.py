"""One verdict on the zone of a portal, whichever command asks."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from exporter.backfill.fetcher import Fetcher
from exporter.backfill.plan import KnownSteps, in_order, read_range
from exporter.backfill.sources import Sources
from exporter.config import Config, ExporterConfig, Login
from exporter.portal.timezone import ZoneState, ZoneVerdict
from exporter.simulator.world import World
from exporter.storage.state import StateFile

from ..support.check_reports import run_check
from ..support.clocks import ManualClock
from ..support.exporter import StartExporter
from ..support.portal import StartPortal, login_of
from ..support.worlds import HOUSE

AUTUMN = int(datetime(2026, 11, 28, 17, tzinfo=UTC).timestamp())
"""Soon after a change, so that the days that a refresh reads are in both halves of the year."""


def verdict_of_backfill(login: Login, clock: ManualClock) -> ZoneVerdict:
    """Return the verdict with which the last of a few chunks would be written."""
    config = Config((login,), ExporterConfig())
    with closing(StateFile(None)) as state, closing(Sources(config, state, clock)) as sources:
        jobs = sources.jobs(read_range("2026-10-05", "2026-10-06", None, 10), frozenset())
        fetcher = Fetcher(sources.clients, sources.judges, lambda _: KnownSteps(), clock, lambda _: None)
        (fetched,) = fetcher.fetch(in_order(jobs, oldest_first=False))
        assert fetched.history.error is None
        return fetched.zone


class Case(NamedTuple):
    """The zone of a portal, the configured one, and the verdict."""

    state: ZoneState
    true: str = "America/New_York"
    configured: str = "America/New_York"
    connected: str = "2019-05-04"
    switches: Mapping[str, object] = {}


CASES = {
    "right": Case(ZoneState.FITS),
    "wrong": Case(ZoneState.CONTRADICTED, configured="America/Los_Angeles"),
    "wrong, new location": Case(ZoneState.CONTRADICTED, configured="America/Los_Angeles", connected="2026-10-02"),
    "wrong, end included": Case(
        ZoneState.CONTRADICTED, configured="America/Los_Angeles", switches={"inclusive_end": True}
    ),
    "end included": Case(ZoneState.FITS, switches={"inclusive_end": True}),
    "end labels": Case(ZoneState.END_LABELS, "America/Chicago", "America/Chicago", switches={"end_labels": True}),
    "standard time all year": Case(ZoneState.PARTLY, "Etc/GMT+5"),
    "daylight only": Case(ZoneState.FITS, switches={"daylight_only": ("81001",)}),
    "another continent": Case(ZoneState.NO_ZONE, "Asia/Kathmandu"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_command_has_the_same_verdict(
    start_portal: StartPortal, start_exporter: StartExporter, clock: ManualClock, case: Case
) -> None:
    clock.move_to(AUTUMN)
    world = World(case.true, locations=(replace(HOUSE, connected=case.connected),))
    login = login_of(start_portal(world, **case.switches), zone=ZoneInfo(case.configured))
    exporter = start_exporter(login)
    exporter.refresh()
    look, _ = run_check(login, clock)
    assert exporter.status.zone.state is case.state
    assert look.verdict == exporter.status.zone == verdict_of_backfill(login, clock)
