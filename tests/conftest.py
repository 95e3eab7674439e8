"""Fixtures: simulated portals with a clock that tests advance, and exporters."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from socketserver import StreamRequestHandler
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, settings

from exporter.config import Login
from exporter.lockout import Lockout
from exporter.portal.client import PortalClient
from exporter.portal.walltime import WallClock
from exporter.simulator.portal import Call, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Settings, Span
from exporter.simulator.world import World
from exporter.storage.state import StateFile

from .support.clocks import ManualClock
from .support.exporter import Exporter, StartExporter
from .support.portal import CachingPortal, Intercept, Record, StartPortal, login_of
from .support.program import Starter
from .support.scheduling import BySetUp
from .support.worlds import NOW, SMALL, ZONE

# A busy machine is no failure.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_configure() -> None:
    """Restore Ctrl-C for the programs of the tests; background jobs ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> BySetUp:
    """Keep tests that share a setup on one worker."""
    return BySetUp(config, log)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture(scope="session")
def stopping() -> Iterator[Executor]:
    """Stop servers while the next test runs, since stopping takes a while."""
    with ThreadPoolExecutor(4) as executor:
        yield executor


@pytest.fixture
def start_portal(clock: ManualClock, monkeypatch: pytest.MonkeyPatch, stopping: Executor) -> Iterator[StartPortal]:
    """Start simulated portals: start_portal(world, lag=3600.0).

    `history` limits the data to that many days before today; by default there is no limit.
    """
    monkeypatch.setattr(StreamRequestHandler, "disable_nagle_algorithm", True)
    with ExitStack() as stack:

        def start(world: World = SMALL, history: int | None = None, **switches: object) -> PortalServer:
            settings = replace(Settings(pending=0), **switches)  # type: ignore[arg-type]
            if history is not None:
                first = WallClock(ZoneInfo(world.zone)).days_before(int(clock.now()), history)
                meters = [meter.number for location in world.locations for meter in location.meters]
                settings = replace(settings, gaps=(*settings.gaps, *(Span(number, 0, first) for number in meters)))
            server = PortalServer(CachingPortal(world, clock, settings)).start()
            stack.callback(stopping.submit, server.stop)
            return server

        yield start


@pytest.fixture
def portal(start_portal: StartPortal) -> PortalServer:
    """A running portal with one small house. Its only member is UserSpec()."""
    return start_portal()


@pytest.fixture
def start_exporter(clock: ManualClock) -> Iterator[StartExporter]:
    """Start exporters: start_exporter(login_of(portal), folder=tmp_path)."""
    with ExitStack() as stack:

        def start(*logins: Login, **options: object) -> Exporter:
            exporter = Exporter(clock, *logins, **options)  # type: ignore[arg-type]
            stack.callback(exporter.close)
            return exporter

        yield start


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Record:
    """Record the calls that a portal receives from now on."""

    def start(server: PortalServer) -> list[Call]:
        calls: list[Call] = []
        respond = server.portal.respond

        def respond_and_record(call: Call) -> SimulatedResponse:
            calls.append(call)
            return respond(call)

        monkeypatch.setattr(server.portal, "respond", respond_and_record)
        return calls

    return start


@pytest.fixture
def intercept(monkeypatch: pytest.MonkeyPatch) -> Intercept:
    """Replace the answers of a portal to some paths; None restores its own."""
    answers: dict[tuple[PortalServer, str], SimulatedResponse | None] = {}

    def start(server: PortalServer, path: str, answer: SimulatedResponse | None) -> None:
        is_new = all(known is not server for known, _ in answers)
        answers[server, path] = answer
        if not is_new:
            return
        respond = server.portal.respond

        def respond_instead(call: Call) -> SimulatedResponse:
            for (known, ending), instead in answers.items():
                if known is server and instead is not None and call.path.endswith(ending):
                    return instead
            return respond(call)

        monkeypatch.setattr(server.portal, "respond", respond_instead)

    return start


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here / "commands") or item.path == here / "test_cli.py":
            item.add_marker(pytest.mark.process)


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[Starter]:
    """Start programs in their own folder and end them with the test."""
    starter = Starter(tmp_path)
    yield starter
    starter.close()


@pytest.fixture
def sign_in(clock: ManualClock) -> Iterator[Callable[..., PortalClient]]:
    """Return a client that is already signed in, so that only later calls are counted."""
    with ExitStack() as stack:

        def start(portal: PortalServer, zone: ZoneInfo = ZONE) -> PortalClient:
            state = stack.enter_context(closing(StateFile(None)))
            login = login_of(portal, zone=zone)
            client = stack.enter_context(
                closing(PortalClient(login, Lockout(login, state, clock), clock, lambda *_: None))
            )
            client.sign_in()
            return client

        yield start
