"""A portal that fails in every known way: no data is lost, no account is locked."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from exporter.intervals.interval import Interval
from exporter.intervals.model import LocationKey
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, Revision, SignIn
from exporter.storage.state import FILE

from ..support.clocks import ManualClock
from ..support.exporter import Exporter, StartExporter
from ..support.portal import Record, StartPortal, change, login_of
from ..support.worlds import BARN_METER, DAY, METER, NOW, TWO, WALL

pytestmark = pytest.mark.slow

HOUR = 3600
MEMBER = "member@example.org"
HISTORY = 6
WINDOW = 2 * DAY

# The reason that each fault is reported with. Empty answers are no faults.
POLLS = {
    Poll.PAGE: "transport",
    Poll.STATUS_401: "permission",
    Poll.STATUS_403: "permission",
    Poll.STATUS_429: "transport",
    Poll.STATUS_500: "transport",
    Poll.STATUS_503: "transport",
    Poll.CUT_OFF: "transport",
    Poll.NO_JSON: "protocol",
    Poll.WRONG_SHAPE: "protocol",
    Poll.FAILED: "protocol",
    Poll.PENDING: "pending",
}
EMPTY = [Poll.NO_DATA, Poll.NO_ELECTRIC, Poll.NO_ENTRY, Poll.NO_USAGE, Poll.NO_SERIES, Poll.NO_POINTS]
REFUSALS = {
    SignIn.FAILURE: "credentials",
    SignIn.NO_TOKEN: "credentials",
    SignIn.STATUS_400: "credentials",
    SignIn.STATUS_401: "credentials",
    SignIn.SECOND_FACTOR: "two_factor",
}
SIGN_INS = {
    SignIn.STATUS_403: "permission",
    SignIn.STATUS_404: "protocol",
    SignIn.STATUS_422: "protocol",
    SignIn.STATUS_423: "protocol",
    SignIn.STATUS_500: "transport",
    SignIn.PAGE: "transport",
    SignIn.TEXT: "protocol",
    SignIn.LIST: "protocol",
    SignIn.REDIRECT: "transport",
    SignIn.CUT_OFF: "transport",
    SignIn.NO_SESSION: "protocol",
}
"""Answers that let nobody in and do not say why."""
LISTS = [Poll.PAGE, Poll.STATUS_401, Poll.STATUS_403, Poll.STATUS_500, Poll.STATUS_503, Poll.WRONG_SHAPE, Poll.NO_ENTRY]
"""Failures of lists of locations, for which something else stands in."""
FAULTS: list[tuple[str, Poll | SignIn, str]] = [
    *(("poll", how, reason) for how, reason in POLLS.items()),
    *(("sign_in", how, reason) for how, reason in SIGN_INS.items()),
]
"""The switch of the simulated portal, what it is set to, and the reason."""
WELL = {"poll": Poll.OK, "sign_in": SignIn.OK, "discovery": Poll.OK, "accounts": Poll.OK}

Restart = Callable[[], Exporter]
Known = dict[tuple[LocationKey, str], list[Interval]]


@pytest.fixture
def server(start_portal: StartPortal) -> PortalServer:
    return start_portal(TWO, HISTORY)


@pytest.fixture
def restart(server: PortalServer, start_exporter: StartExporter, tmp_path: Path) -> Restart:
    """Start a new exporter on the same state file."""
    return lambda: start_exporter(login_of(server), folder=tmp_path, window=WINDOW)


def known(exporter: Exporter) -> Known:
    """Return the intervals in memory by location and meter."""
    return {
        (key, meter.info.number): list(meter.intervals)
        for key, location in exporter.locations.items()
        for meter in location.meters
    }


def truth(server: PortalServer) -> dict[str, list[tuple[float | None, ...]]]:
    """Return the true values of each meter over the 35 days that an exporter keeps."""
    now = int(server.portal.clock.now())
    return {
        meter.number: [
            (each.start, each.end, each.usage, each.export, each.cost)
            for each in server.portal.almanac.intervals(meter, WALL.days_before(now, 35), now)
        ]
        for meter in (METER, BARN_METER)
    }


def served(exporter: Exporter) -> dict[str, list[tuple[float | None, ...]]]:
    return {
        number: [(each.start, each.end, each.usage, each.export, each.cost) for each in intervals]
        for (_, number), intervals in known(exporter).items()
    }


def sign_ins(server: PortalServer) -> int:
    return sum(count for (endpoint, _), count in server.portal.calls.items() if endpoint == "auth")


def ups(exporter: Exporter) -> set[float | None]:
    """Return the values of the `up` metrics of the login and its locations."""
    locations = {
        exporter.metric("smarthub_location_up", portal=key.portal, account=key.account, location=key.location)
        for key in exporter.status.locations
    }
    return {exporter.metric("smarthub_up", login="coop"), *locations}


def assert_fails(exporter: Exporter, reason: str, before: Known) -> None:
    """Refresh once; expect it to fail for `reason` and to keep the data in `before`."""
    counted = exporter.failures().get(reason, 0.0)
    others = {key: count for key, count in exporter.failures().items() if key != reason}

    wait = exporter.refresh()

    assert wait >= 57
    assert exporter.failures() == {**others, reason: counted + 1}
    assert ups(exporter) == {0.0}
    assert len(exporter.status.locations) == 2
    assert exporter.status.message
    assert "\n" not in exporter.status.message
    assert "@" not in exporter.status.message
    assert known(exporter) == before


def assert_recovers(exporter: Exporter, server: PortalServer) -> None:
    """Refresh once; expect it to succeed and to know everything."""
    exporter.refresh()
    assert ups(exporter) == {1.0}
    assert served(exporter) == truth(server)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_keeps_what_is_known_until_it_ends(
    server: PortalServer, restart: Restart, clock: ManualClock, fault: tuple[str, Poll | SignIn, str]
) -> None:
    switch, how, reason = fault
    exporter = restart()
    exporter.refresh()
    assert ups(exporter) == {1.0}
    before = known(exporter)
    change(server, **{switch: how})
    used = sign_ins(server)

    for turn in range(6):
        clock.advance(HOUR)
        if turn in (0, 3):
            exporter = restart()
            assert known(exporter) == before
        assert_fails(exporter, reason, before)

    # A token lives five minutes, so each refresh signs in once, and again if a token stops working. A sign-in without a
    # clear answer is tried twice, then once a day.
    expected = range(2, 3) if switch == "sign_in" else range(6, 13 if how is Poll.STATUS_401 else 7)
    assert sign_ins(server) - used in expected
    assert server.portal.most_rejected[MEMBER] == (2 if switch == "sign_in" else 0)
    change(server, **WELL)
    clock.advance(DAY)
    assert_recovers(exporter, server)


@pytest.mark.parametrize("how", EMPTY)
def test_empty_answers_are_no_fault_and_remove_nothing(
    server: PortalServer, restart: Restart, clock: ManualClock, how: Poll
) -> None:
    exporter = restart()
    exporter.refresh()
    before = known(exporter)
    change(server, poll=how)

    for turn in range(3):
        clock.advance(HOUR)
        if turn == 1:
            exporter = restart()
        exporter.refresh()
        assert ups(exporter) == {1.0}
        assert exporter.failures() == {}
        for meter, intervals in before.items():
            assert set(intervals) <= set(known(exporter)[meter])

    change(server, poll=Poll.OK)
    exporter.refresh()
    assert served(exporter) == truth(server)


@pytest.mark.parametrize("how", LISTS)
def test_failed_lists_stop_no_refresh(
    server: PortalServer, restart: Restart, clock: ManualClock, record: Record, how: Poll
) -> None:
    sent = record(server)
    change(server, discovery=how)
    exporter = restart()
    assert_recovers(exporter, server)

    change(server, discovery=Poll.OK)
    clock.advance(HOUR)
    assert_recovers(exporter, server)
    names = [location.name for location in exporter.locations.values()]

    change(server, discovery=how, accounts=how)
    for turn in range(3):
        clock.advance(DAY)
        if turn == 1:
            exporter = restart()
        sent.clear()
        assert_recovers(exporter, server)
        assert [location.name for location in exporter.locations.values()] == names
        assert {call.path.rpartition("/")[2] for call in sent} >= {"user-data", "poll"}


@pytest.mark.parametrize(("how", "reason"), REFUSALS.items())
def test_rejected_sign_ins_stop_before_the_portal_locks(
    server: PortalServer, restart: Restart, clock: ManualClock, how: SignIn, reason: str
) -> None:
    exporter = restart()
    exporter.refresh()
    before = known(exporter)
    change(server, sign_in=how)
    used = sign_ins(server)

    refused = []
    for turn in range(10):
        clock.advance(5 * HOUR)
        if turn % 3 == 2:
            exporter = restart()
        assert_fails(exporter, reason, before)
        refused.append(server.portal.most_rejected[MEMBER])

    # Tried after 5, 10 and 35 hours, the last one a day after the second rejection.
    assert refused == [1, 2, 2, 2, 2, 2, 3, 3, 3, 3]
    assert sign_ins(server) - used == 3
    change(server, sign_in=SignIn.OK)
    exporter.refresh()
    assert ups(exporter) == {0.0}
    assert known(exporter) == before


def test_a_third_sign_in_that_succeeds_ends_the_pause(
    server: PortalServer, restart: Restart, clock: ManualClock
) -> None:
    change(server, sign_in=SignIn.FAILURE)
    for _ in range(4):
        restart().refresh()
    change(server, sign_in=SignIn.OK)
    clock.advance(DAY)

    exporter = restart()
    assert_recovers(exporter, server)


def test_a_fault_at_the_first_refresh_is_a_state(
    start_portal: StartPortal, start_exporter: StartExporter, tmp_path: Path
) -> None:
    server = start_portal(TWO, 1)
    for switch, how, reason in [*FAULTS, *(("sign_in", how, reason) for how, reason in REFUSALS.items())]:
        change(server, **{switch: how})
        exporter = start_exporter(login_of(server), window=WINDOW, folder=tmp_path / f"{switch}-{how}")

        exporter.refresh()

        assert exporter.metric("smarthub_up", login="coop") == 0
        assert exporter.failures() == {reason: 1}
        change(server, **WELL)
        server.portal.rejected_sign_ins.clear()
        assert_recovers(exporter, server)


def test_a_portal_that_is_gone_comes_back(server: PortalServer, restart: Restart, clock: ManualClock) -> None:
    exporter = restart()
    exporter.refresh()
    before = known(exporter)
    server.stop()
    exporter.logins[0]._client.close()

    for turn in range(4):
        clock.advance(HOUR)
        if turn == 2:
            exporter = restart()
        assert_fails(exporter, "transport", before)

    with PortalServer(server.portal, port=int(server.host.rpartition(":")[2])):
        assert_recovers(exporter, server)


@pytest.mark.parametrize("broken", ["garbage", "deleted"])
def test_a_broken_state_file_does_not_stop_the_refreshes(
    server: PortalServer, restart: Restart, clock: ManualClock, tmp_path: Path, broken: str
) -> None:
    exporter = restart()
    exporter.refresh()
    if broken == "garbage":
        (tmp_path / FILE).write_bytes(b"garbage " * 4000)
    else:
        (tmp_path / FILE).unlink()

    for _ in range(3):
        clock.advance(HOUR)
        assert_recovers(exporter, server)


# -- everything at once


@dataclass
class Storm:
    """A day of random faults and random restarts of the exporter."""

    server: PortalServer
    restart: Restart
    clock: ManualClock
    rng: random.Random
    outcomes: list[tuple[str, ...]] = field(default_factory=list)

    def weather(self) -> set[str]:
        """Set random faults and return the reasons for which a refresh may now fail."""
        polls = [Poll.OK] * len(POLLS) + list(POLLS) + EMPTY[:2]
        poll = self.rng.choice(polls)
        unclear = self.rng.choice(list(SIGN_INS))
        sign_in = self.rng.choice([SignIn.OK] * 24 + [unclear, SignIn.FAILURE, SignIn.SECOND_FACTOR])
        discovery = self.rng.choice([Poll.OK] * 9 + LISTS)
        change(self.server, poll=poll, sign_in=sign_in, discovery=discovery, pending=self.rng.choice((0, 0, 1)))
        if self.rng.random() < 0.2:
            self.server.portal.sign_everybody_out()
        possible = {POLLS.get(poll, ""), SIGN_INS.get(sign_in, "")}
        if poll is Poll.CUT_OFF:
            possible.add("pending")  # the simulated portal starts its job again after every answer, even a broken one
        return (possible | set(SIGN_INS.values()) | {"credentials", "two_factor"}) - {""}

    def revise(self) -> None:
        meter = self.rng.choice((METER, BARN_METER))
        start = WALL.days_before(NOW, self.rng.randrange(1, HISTORY - 1)) + self.rng.randrange(24) * HOUR
        revision = Revision(meter.number, start, self.clock.now(), self.rng.choice((0.5, 2.0)))
        change(self.server, revisions=(*self.server.portal.settings.revisions, revision))

    def blow(self, until: float) -> None:
        exporter = self.restart()
        while self.clock.now() < until:
            if self.rng.random() < 0.15:
                before = known(exporter)
                exporter.close()
                exporter = self.restart()
                assert known(exporter) == before
            if self.rng.random() < 0.1:
                self.revise()
            possible = self.weather()
            self._refresh(exporter, possible)

    def _refresh(self, exporter: Exporter, possible: set[str]) -> None:
        before, failed = known(exporter), exporter.failures()
        used, started = sign_ins(self.server), self.clock.now()

        wait = exporter.refresh()

        reasons = tuple(reason for reason, count in exporter.failures().items() if count != failed.get(reason, 0.0))
        self.outcomes.append(reasons)
        assert set(reasons) <= possible, (self.server.portal.settings, exporter.status.message)
        assert exporter.metric("smarthub_up", login="coop") == (0.0 if reasons else 1.0)
        assert bool(exporter.status.message) == bool(reasons)
        assert exporter.status.up == all(status.up for status in exporter.status.locations.values()) or reasons
        for meter, intervals in before.items():
            starts = {interval.start for interval in known(exporter)[meter]}
            assert {interval.start for interval in intervals} <= starts
        assert sign_ins(self.server) - used <= 2 + (self.clock.now() - started) / 280
        assert self.server.portal.most_rejected[MEMBER] <= 4
        self.clock.advance(wait)


@pytest.mark.parametrize("seed", range(2))
def test_a_day_of_all_faults_in_random_order(
    server: PortalServer, restart: Restart, clock: ManualClock, tmp_path: Path, seed: int
) -> None:
    random.seed(seed)  # the exporter's own jitter
    storm = Storm(server, restart, clock, random.Random(seed))

    storm.blow(NOW + DAY)

    assert len({reason for reasons in storm.outcomes for reason in reasons}) >= 3
    assert server.portal.most_rejected[MEMBER] <= 4
    change(server, **WELL, pending=1)
    # Four rejected sign-ins end all with the same password; who deletes the file gets one more.
    for path in tmp_path.glob("sign-ins*"):
        path.unlink()
    # Sign-ins may be paused for a day; by then a full refresh is due.
    clock.advance(DAY)
    exporter = restart()
    assert_recovers(exporter, server)
    assert {number: len(intervals) for number, intervals in served(restart()).items()} == {
        number: len(intervals) for number, intervals in truth(server).items()
    }
