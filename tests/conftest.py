"""A simulated portal on loopback with a clock of its own, and the refreshing part of an exporter beside it."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from socketserver import StreamRequestHandler
from zoneinfo import ZoneInfo

import pytest

from exporter import app
from exporter.config import Config, ExporterConfig, LocationChoice, Login, Secret, portal_address
from exporter.intervals.model import Location, LocationKey
from exporter.lockout import Lockout
from exporter.portal.client import PortalClient
from exporter.portal.walltime import WallClock
from exporter.refresh.refresher import LoginRefresher
from exporter.refresh.status import LoginStatus
from exporter.simulator.household import Household
from exporter.simulator.portal import Call, SimulatedPortal, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Settings, Span
from exporter.simulator.world import LocationSpec, MeterSpec, UserSpec, World
from exporter.storage.state import StateFile

from .clocks import ManualClock
from .scheduling import BySetUp

DAY = 86400
NOW = int(datetime(2026, 1, 14, 17, tzinfo=UTC).timestamp())
"""Noon in Virginia on a Wednesday in winter, with no change of clocks within 35 days."""
ZONE = ZoneInfo("America/New_York")

METER = MeterSpec("81001", Household(1), step=3600)
HOUSE = LocationSpec("55001", "70001", (METER,), nickname="House")
BARN_METER = MeterSpec("81002", Household(2), step=3600, cost=False)
BARN = LocationSpec("55002", "70002", (BARN_METER,), nickname="Barn")
SMALL = World(locations=(HOUSE,))
"""One house read by the hour: quick to ask for."""
TWO = World(locations=(HOUSE, BARN))

StartPortal = Callable[..., PortalServer]
StartExporter = Callable[..., "Exporter"]
Record = Callable[[PortalServer], list[Call]]
Intercept = Callable[[PortalServer, str, SimulatedResponse | None], None]


def pytest_configure() -> None:
    """What a shell starts in the background ignores Ctrl-C, and so would every program that the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> BySetUp:
    """Of several workers each gets what shares a set-up."""
    return BySetUp(config, log)


def login_of(
    portal: PortalServer | str,
    user: UserSpec | None = None,
    *locations: LocationChoice,
    name: str = "coop",
    zone: ZoneInfo = ZONE,
    password: str | None = None,
) -> Login:
    """A login of the simulated portal, or of any address, as its user."""
    user = user or UserSpec()
    return Login(
        name,
        portal_address(portal if isinstance(portal, str) else portal.url),
        user.username,
        Secret(user.password if password is None else password),
        Secret(user.totp_secret) if user.totp_secret else None,
        zone,
        locations,
    )


class Exporter(app.Exporter):
    """The shipped exporter without its HTTP side, on a state folder. A second one on it is the one after a restart."""

    def __init__(
        self,
        clock: ManualClock,
        *logins: Login,
        folder: Path | None = None,
        window: int = 7 * DAY,
        interval: int = 3600,
    ) -> None:
        config = Config(logins, ExporterConfig(refresh_interval=interval, window=window))
        super().__init__(config, StateFile(folder), clock)

    @property
    def logins(self) -> tuple[LoginRefresher, ...]:
        return self.refresher.logins

    def refresh(self, login: int = 0) -> float:
        """Refresh once; gives the seconds to wait."""
        return self.logins[login].refresh()

    def refresh_all(self) -> None:
        for login in self.logins:
            login.refresh()

    @property
    def status(self) -> LoginStatus:
        """How the first login does."""
        return self.logins[0].status

    @property
    def locations(self) -> dict[LocationKey, Location]:
        return dict(self.store.snapshot.locations)

    def location(self, number: str = "70001") -> Location:
        return next(location for key, location in self.locations.items() if key.location == number)

    def metric(self, name: str, /, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def failures(self, login: str = "coop") -> dict[str, float]:
        """How often a refresh failed, by reason, without the reasons that never occurred."""
        reasons = ("credentials", "two_factor", "permission", "pending", "transport", "protocol")
        counts = {
            reason: self.metric("smarthub_refresh_failures_total", login=login, reason=reason) for reason in reasons
        }
        assert None not in counts.values()
        return {reason: count for reason, count in counts.items() if count}

    def close(self) -> None:
        for login in self.logins:
            login._client.close()
        self.state.close()


def change(server: PortalServer, **switches: object) -> None:
    """Throw switches of a running portal."""
    server.portal.settings = replace(server.portal.settings, **switches)  # type: ignore[arg-type]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture(scope="session")
def stopping() -> Iterator[Executor]:
    """Stops servers while the next test runs: a server looks only now and then whether it shall stop."""
    with ThreadPoolExecutor(4) as executor:
        yield executor


@pytest.fixture
def start_portal(clock: ManualClock, monkeypatch: pytest.MonkeyPatch, stopping: Executor) -> Iterator[StartPortal]:
    """Starts simulated portals of any world: start_portal(world, lag=3600.0).

    history: for how many days before today there are data, None for as many as are asked for.
    """
    monkeypatch.setattr(StreamRequestHandler, "disable_nagle_algorithm", True)
    with ExitStack() as stack:

        def start(world: World = SMALL, history: int | None = None, **switches: object) -> PortalServer:
            settings = replace(Settings(pending=0), **switches)  # type: ignore[arg-type]
            if history is not None:
                first = WallClock(ZoneInfo(world.zone)).days_before(int(clock.now()), history)
                meters = [meter.number for location in world.locations for meter in location.meters]
                settings = replace(settings, gaps=(*settings.gaps, *(Span(number, 0, first) for number in meters)))
            server = PortalServer(SimulatedPortal(world, clock, settings)).start()
            stack.callback(stopping.submit, server.stop)
            return server

        yield start


@pytest.fixture
def portal(start_portal: StartPortal) -> PortalServer:
    """A running portal of one small house, whose only member is UserSpec()."""
    return start_portal()


@pytest.fixture
def start_exporter(clock: ManualClock) -> Iterator[StartExporter]:
    """Starts exporters: start_exporter(login_of(portal), folder=tmp_path)."""
    with ExitStack() as stack:

        def start(*logins: Login, **options: object) -> Exporter:
            exporter = Exporter(clock, *logins, **options)  # type: ignore[arg-type]
            stack.callback(exporter.close)
            return exporter

        yield start


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Record:
    """Records the calls that a portal gets from now on."""

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
    """Makes a portal give one answer of our own to a path that ends so; None for its own answer again."""
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
def sign_in(clock: ManualClock) -> Iterator[Callable[..., PortalClient]]:
    """Gives a client of a portal that is signed in already, so that only what is asked for is counted."""
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
