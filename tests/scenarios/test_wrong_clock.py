"""A machine whose clock is days ahead or behind until it is corrected, as after a start without a network."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from exporter.metrics.endpoint import MetricsEndpoint
from exporter.simulator.server import PortalServer
from exporter.web.types import Request

from ..support.clocks import ManualClock
from ..support.exporter import Exporter
from ..support.portal import StartPortal, login_of
from ..support.worlds import DAY, SMALL

HOUR = 3600
WINDOW = 7 * DAY
HISTORY = 60


class MachineClock(ManualClock):
    """The clock of the exporter's machine, `off` seconds from the right one."""

    def __init__(self, right: ManualClock, off: float = 0) -> None:
        super().__init__(right.now())
        self.right = right
        self.off = off

    def now(self) -> float:
        return self.right.now() + self.off

    def monotonic(self) -> float:
        return self.right.monotonic()

    def sleep(self, seconds: float) -> None:
        self.right.sleep(seconds)


@pytest.fixture
def server(start_portal: StartPortal) -> PortalServer:
    return start_portal(SMALL, HISTORY)


@pytest.fixture
def machine(clock: ManualClock) -> MachineClock:
    return MachineClock(clock)


@pytest.fixture
def exporter(machine: MachineClock, server: PortalServer, tmp_path: Path) -> Iterator[Exporter]:
    with closing(Exporter(machine, login_of(server), folder=tmp_path, window=WINDOW)) as exporter:
        yield exporter


def served(exporter: Exporter) -> list[tuple[object, ...]]:
    """Return the values that are served, without their versions."""
    meter = exporter.location().meters[0]
    return [(each.start, each.end, each.usage, each.cost) for each in (*meter.intervals, *meter.days)]


def intervals_page(endpoint: MetricsEndpoint) -> set[str]:
    """Return the samples on the page of intervals, without their timestamps."""
    body = endpoint(Request("GET", "/metrics", {"collect[]": ["intervals"]}, {})).body.decode()
    return {line.rpartition(" ")[0] for line in body.splitlines() if not line.startswith("#")}


def endpoint_of(exporter: Exporter, clock: ManualClock) -> MetricsEndpoint:
    return MetricsEndpoint(
        exporter.store, exporter.refresher, exporter.ownership, exporter.telemetry, window=WINDOW, clock=clock
    )


@pytest.mark.parametrize("starts_wrong", [True, False], ids=["from the start", "later"])
@pytest.mark.parametrize("days", [3, 10, 20, 31, 40, 400, -3, -10, -20, -40, -60, -400])
def test_a_corrected_clock_leaves_no_trace(
    exporter: Exporter,
    machine: MachineClock,
    *,
    server: PortalServer,
    clock: ManualClock,
    days: int,
    starts_wrong: bool,
) -> None:
    page = endpoint_of(exporter, machine)
    if not starts_wrong:
        exporter.refresh()
    machine.off = days * DAY
    for _ in range(2):
        exporter.refresh()
        intervals_page(page)
        clock.advance(13 * HOUR)
    machine.off = 0
    exporter.refresh()

    with closing(Exporter(clock, login_of(server), window=WINDOW)) as other:
        other.refresh()
        assert served(exporter) == served(other)
        assert intervals_page(page) == intervals_page(endpoint_of(other, clock))
    assert exporter.store.backfill_needed == {}


def test_the_page_returns_as_soon_as_the_clock_is_right(exporter: Exporter, machine: MachineClock) -> None:
    page = endpoint_of(exporter, machine)
    exporter.refresh()
    before = intervals_page(page)
    machine.off = 10 * DAY
    assert intervals_page(page) == set()
    machine.off = 0
    assert intervals_page(page) == before != set()
