"""Tests of the signed-in client: tokens, pending polls and broken responses.

See docs/portal.md, "Tokens", and docs/portal.md, "Pending answers".
"""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.config import Login
from exporter.errors import (
    TRY_LATER,
    AccessError,
    CredentialsError,
    PendingError,
    PortalError,
    ProtocolError,
    TransportError,
)
from exporter.lockout import Lockout
from exporter.portal.accounts import AccountLocation
from exporter.portal.client import PortalClient
from exporter.portal.query import POLL, UsageQuery
from exporter.portal.signin import SIGN_IN
from exporter.portal.usage_answer import UsageAnswer as Decoded
from exporter.simulator.portal import Call, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, SignIn
from exporter.simulator.specs import LocationSpec, UserSpec
from exporter.simulator.world import World
from exporter.storage.state import StateFile

from ..support.clocks import ManualClock
from ..support.portal import Intercept, Record, StartPortal, change, login_of
from ..support.worlds import DAY, HOUSE, METER, NOW, TWO, WALL, instant

TODAY = WALL.day(NOW).start
YESTERDAY = UsageQuery("55001", "70001", "HOURLY", TODAY - DAY, TODAY, WALL)
THE_DATA = "HOURLY data of location 70001 from 2026-01-13 to 2026-01-13"
THE_PLACE = "location 70001 of account 55001"
THE_PASSWORD = "Swordfish7"

StartClient = Callable[..., PortalClient]


@pytest.fixture
def start_client(clock: ManualClock) -> Iterator[StartClient]:
    with ExitStack() as stack:

        def start(login: Login, folder: Path | None = None) -> PortalClient:
            state = StateFile(folder)
            client = PortalClient(login, Lockout(login, state, clock), clock, lambda *_: None)
            stack.callback(state.close)
            stack.callback(client.close)
            return client

        yield start


@pytest.fixture
def client(portal: PortalServer, start_client: StartClient) -> PortalClient:
    return start_client(login_of(portal))


def calls(portal: PortalServer) -> dict[str, int]:
    """Return how often each endpoint was called, without the question that comes before each sign-in."""
    counts: dict[str, int] = {}
    for (endpoint, _), count in portal.portal.calls.items():
        if endpoint != "two_factor":
            counts[endpoint] = counts.get(endpoint, 0) + count
    return counts


def points(answer: Decoded) -> int:
    return sum(len(series.points) for series in answer.usage)


# -- several threads


@pytest.fixture
def busy(portal: PortalServer, clock: ManualClock) -> Iterator[PortalClient]:
    """A client for two polls at a time."""
    login = login_of(portal)
    with closing(StateFile(None)) as state:
        client = PortalClient(login, Lockout(login, state, clock), clock, lambda *_: None, concurrency=2)
        with closing(client):
            yield client


def at_once(*actions: Callable[[], object]) -> list[object]:
    """Return the results of actions in several threads, or their errors."""
    with ThreadPoolExecutor(len(actions)) as pool:
        return [each.exception() or each.result() for each in [pool.submit(action) for action in actions]]


class Holding:
    """Holds the calls of a portal to one path until `count` of them have come, or `seconds` have passed."""

    def __init__(self, server: PortalServer, path: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most = self._now = 0
        self._lock = threading.Lock()
        self._together = threading.Barrier(count)
        respond = server.portal.respond

        def hold(call: Call) -> SimulatedResponse:
            if call.path != path:
                return respond(call)
            with self._lock:
                self._now += 1
                self.most = max(self.most, self._now)
            with suppress(threading.BrokenBarrierError):
                self._together.wait(0.3)
            response = respond(call)
            with self._lock:
                self._now -= 1
            return response

        monkeypatch.setattr(server.portal, "respond", hold)


def test_only_one_of_several_threads_signs_in(
    portal: PortalServer, busy: PortalClient, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_ins = Holding(portal, SIGN_IN, 2, monkeypatch)
    answers = at_once(*[lambda: points(busy.usage(YESTERDAY))] * 4)
    assert (answers, sign_ins.most, calls(portal)["auth"]) == ([24] * 4, 1, 1)
    clock.advance(300)
    answers = at_once(*[lambda: points(busy.usage(YESTERDAY))] * 4)
    assert (answers, sign_ins.most, calls(portal)["auth"]) == ([24] * 4, 1, 2)


def test_threads_share_a_rejected_sign_in(
    portal: PortalServer, busy: PortalClient, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy.usage(YESTERDAY)
    clock.advance(300)
    change(portal, sign_in=SignIn.FAILURE)
    Holding(portal, SIGN_IN, 2, monkeypatch)
    errors = at_once(*[lambda: busy.usage(YESTERDAY)] * 2)
    assert [type(each) for each in errors] == [CredentialsError] * 2
    assert calls(portal)["auth"] == 2


def test_threads_sign_in_once_after_a_token_is_rejected(
    portal: PortalServer, busy: PortalClient, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy.usage(YESTERDAY)
    clock.advance(61)
    portal.portal.sign_everybody_out()
    Holding(portal, POLL, 2, monkeypatch)
    assert at_once(*[lambda: points(busy.usage(YESTERDAY))] * 2) == [24, 24]
    assert calls(portal)["auth"] == 2


@pytest.mark.parametrize(("concurrency", "most"), [(1, 1), (2, 2)])
def test_no_more_polls_than_allowed_are_in_progress(
    portal: PortalServer, clock: ManualClock, concurrency: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = login_of(portal)
    with closing(StateFile(None)) as state:
        client = PortalClient(login, Lockout(login, state, clock), clock, lambda *_: None, concurrency=concurrency)
        with closing(client):
            client.locations()
            polls = Holding(portal, POLL, 2, monkeypatch)
            assert at_once(*[lambda: points(client.usage(YESTERDAY))] * 4) == [24] * 4
    assert (polls.most, client.concurrency) == (most, most)


@pytest.mark.parametrize("trouble", [Poll.STATUS_429, Poll.STATUS_503, Poll.PENDING])
def test_an_overloaded_portal_gets_one_poll_at_a_time(
    portal: PortalServer, busy: PortalClient, trouble: Poll, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert busy.concurrency == 1, "there is no session yet"
    busy.usage(YESTERDAY)
    assert (busy.concurrency, busy.is_overloaded) == (2, False)
    change(portal, poll=trouble)
    with pytest.raises(PortalError):
        busy.usage(YESTERDAY)
    assert (busy.concurrency, busy.is_overloaded) == (1, True)
    change(portal, poll=Poll.OK)
    polls = Holding(portal, POLL, 2, monkeypatch)
    assert at_once(*[lambda: points(busy.usage(YESTERDAY))] * 2) == [24, 24]
    assert polls.most == 1


def test_a_session_that_is_a_cookie_has_one_connection(portal: PortalServer, busy: PortalClient) -> None:
    change(portal, sign_in=SignIn.COOKIE)
    assert at_once(*[lambda: points(busy.usage(YESTERDAY))] * 3) == [24] * 3
    assert (busy.concurrency, busy.is_overloaded, calls(portal)["auth"]) == (1, False, 1)


# -- headers and bodies


def test_calls_for_data_carry_user_name_and_token(portal: PortalServer, client: PortalClient, record: Record) -> None:
    sent = record(portal)

    client.locations()
    client.usage(YESTERDAY)

    assert [call.path.rpartition("/")[2] for call in sent] == ["method", "v2", "user-data", "poll"]
    (token,) = {call.headers["authorization"] for call in sent[2:]}
    assert token.startswith("Bearer ")
    assert {call.headers["x-nisc-smarthub-username"] for call in sent[2:]} == {"member@example.org"}
    assert "authorization" not in {*sent[0].headers, *sent[1].headers}


def test_secondary_login_requests_the_owners_data(
    start_portal: StartPortal, start_client: StartClient, record: Record
) -> None:
    second = UserSpec(username="second@example.org", password="other", owner="member@example.org")
    server = start_portal(World(users=(UserSpec(), second), locations=(HOUSE,)))
    client = start_client(login_of(server, second))
    sent = record(server)

    assert [place.number for place in client.locations()] == ["70001"]
    assert points(client.usage(YESTERDAY)) == 24

    user_data, poll = sent[2:]
    assert user_data.query == {"userId": "member@example.org"}
    assert user_data.headers["x-nisc-smarthub-username"] == "second@example.org"
    assert poll.headers["x-nisc-smarthub-username"] == "second@example.org"
    assert json.loads(poll.body) == YESTERDAY.body("second@example.org")
    assert poll.headers["content-type"] == "application/json"


# -- the token


def test_token_is_renewed_before_it_expires(portal: PortalServer, client: PortalClient, clock: ManualClock) -> None:
    for _ in range(60):
        client.usage(YESTERDAY)
        clock.advance(30)

    assert calls(portal) == {"auth": 1, "renew": 7, "poll": 60}


def test_expired_token_costs_one_sign_in(portal: PortalServer, client: PortalClient, clock: ManualClock) -> None:
    for _ in range(3):
        client.usage(YESTERDAY)
        clock.advance(3600)

    assert calls(portal) == {"auth": 3, "poll": 3}


def test_failed_renewal_is_followed_by_a_sign_in_at_expiry(
    portal: PortalServer, client: PortalClient, clock: ManualClock, intercept: Intercept, record: Record
) -> None:
    intercept(portal, "/refresh", SimulatedResponse(404, b"<html>"))
    sent = record(portal)

    for _ in range(21):
        assert points(client.usage(YESTERDAY)) == 24
        clock.advance(30)

    # Ten minutes in tokens of 299 seconds.
    assert calls(portal) == {"auth": 3, "poll": 21}
    assert sum(call.path.endswith("/refresh") for call in sent) == 2


@pytest.mark.parametrize(("age", "wait"), [(10, 50), (60, 0)])
def test_forgotten_token_costs_one_sign_in_per_minute(
    portal: PortalServer, client: PortalClient, clock: ManualClock, age: float, wait: float
) -> None:
    client.usage(YESTERDAY)
    portal.portal.sign_everybody_out()
    clock.advance(age)

    assert points(client.usage(YESTERDAY)) == 24

    assert calls(portal) == {"auth": 2, "poll": 3}
    assert sum(clock.slept) == wait


def test_token_that_is_never_accepted_costs_one_sign_in(portal: PortalServer, client: PortalClient) -> None:
    change(portal, poll=Poll.STATUS_401)

    for _ in range(5):
        with pytest.raises(AccessError) as caught:
            client.usage(YESTERDAY)
        assert str(caught.value) == f"login coop: the portal issued a token but rejects it for {THE_DATA}"

    assert portal.portal.calls["auth", 200] == 1
    client.begin()
    with pytest.raises(AccessError):
        client.usage(YESTERDAY)
    assert portal.portal.calls["auth", 200] == 2


@pytest.mark.parametrize("renewals", [12, 0])
def test_token_said_to_live_shortly_is_used_a_minute(
    portal: PortalServer, client: PortalClient, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, renewals: int
) -> None:
    give = portal.portal._give_token

    def give_briefly(user: UserSpec) -> SimulatedResponse:
        answer = json.loads(give(user).body)
        return SimulatedResponse(200, json.dumps(answer | {"expiresIn": 5, "expiration": 0}).encode())

    monkeypatch.setattr(portal.portal, "_give_token", give_briefly)
    if not renewals:
        monkeypatch.setattr(portal.portal, "_renew", lambda _: SimulatedResponse(404, b""))
    for _ in range(120):
        assert points(client.usage(YESTERDAY)) == 24
        clock.advance(2)

    assert calls(portal) == {"auth": 4, "poll": 120, "renew": renewals or 4}


def test_forgotten_token_is_replaced_after_a_time_of_401(portal: PortalServer, client: PortalClient) -> None:
    change(portal, poll=Poll.STATUS_401)
    with pytest.raises(AccessError):
        client.usage(YESTERDAY)
    change(portal, poll=Poll.OK)
    client.usage(YESTERDAY)
    portal.portal.sign_everybody_out()

    client.usage(YESTERDAY)

    assert portal.portal.calls["auth", 200] == 2


# -- a cookie instead of a token


def test_cookie_is_the_session_where_no_token_comes(
    portal: PortalServer, client: PortalClient, clock: ManualClock, record: Record
) -> None:
    change(portal, sign_in=SignIn.COOKIE)
    sent = record(portal)

    for _ in range(3):
        assert [place.number for place in client.locations()] == ["70001"]
        assert points(client.usage(YESTERDAY)) == 24
        clock.advance(3600)

    assert calls(portal) == {"auth": 3, "user_data": 3, "poll": 3}
    assert all(("cookie" in call.headers) is call.path.startswith("/services/secured") for call in sent)
    assert not [call for call in sent if "authorization" in call.headers]


def test_cookie_beside_a_token_is_not_kept(portal: PortalServer, client: PortalClient, record: Record) -> None:
    give = portal.portal._give_token
    portal.portal._give_token = lambda user: replace(give(user), cookie="SESSION=other")  # type: ignore[method-assign]
    sent = record(portal)

    client.usage(YESTERDAY)

    assert not [call for call in sent if "cookie" in call.headers]


@pytest.mark.parametrize("how", [Poll.STATUS_401, Poll.STATUS_403, Poll.PAGE])
def test_cookie_counts_as_rejected_until_a_call_accepts_it(
    portal: PortalServer, start_client: StartClient, tmp_path: Path, how: Poll
) -> None:
    change(portal, sign_in=SignIn.COOKIE, poll=how)

    for _ in range(4):
        client = start_client(login_of(portal), tmp_path)
        with pytest.raises(PortalError):
            client.usage(YESTERDAY)
    assert portal.portal.calls["auth", 200] == 2


def test_rejected_sign_in_after_a_forgotten_token_is_raised(portal: PortalServer, client: PortalClient) -> None:
    client.usage(YESTERDAY)
    portal.portal.sign_everybody_out()
    change(portal, sign_in=SignIn.FAILURE)

    with pytest.raises(CredentialsError):
        client.usage(YESTERDAY)

    assert portal.portal.most_rejected["member@example.org"] == 1


# -- PENDING


def test_pending_poll_is_repeated_with_growing_waits(
    portal: PortalServer, client: PortalClient, clock: ManualClock, record: Record
) -> None:
    change(portal, pending=6)
    sent = record(portal)

    assert points(client.usage(YESTERDAY)) == 24

    bodies = [call.body for call in sent if call.path.endswith("poll")]
    assert (len(bodies), len(set(bodies))) == (7, 1)
    assert clock.slept == [1, 2, 4, 5, 5, 5]


def test_endless_pending_ends_after_two_minutes_or_more(
    portal: PortalServer, client: PortalClient, clock: ManualClock
) -> None:
    change(portal, poll=Poll.PENDING)

    with pytest.raises(PendingError) as caught:
        client.usage(YESTERDAY)

    assert 120 <= clock.now() - NOW <= 300
    assert str(caught.value) == f"{THE_DATA}: the portal was still computing after 150 s; try again later"


def test_token_is_renewed_while_a_poll_is_pending(portal: PortalServer, client: PortalClient, record: Record) -> None:
    change(portal, pending=25, token_life=40.0)
    sent = record(portal)

    assert points(client.usage(YESTERDAY)) == 24

    assert len({call.body for call in sent if call.path.endswith("poll")}) == 1
    assert portal.portal.calls["auth", 200] == 1


def test_an_address_that_worked_is_not_doubted(portal: PortalServer, clock: ManualClock, intercept: Intercept) -> None:
    login, advice = login_of(portal), []
    with closing(StateFile(None)) as state:
        for _ in range(2):  # as by two commands with one state
            with closing(PortalClient(login, Lockout(login, state, clock), clock, lambda *_: None)) as client:
                intercept(portal, "/two-factor/method", SimulatedResponse(302, b""))
                with pytest.raises(TransportError) as caught:
                    client.second_factor_method()
                advice.append(caught.value.advice)
                intercept(portal, "/two-factor/method", None)
                client.sign_in()
    assert advice == ["check api_url", TRY_LATER]


# -- broken responses

WRONG = "unexpected response from the portal: "
PAGE = f"{THE_DATA}: the portal sent a web page instead of data (status 200); try again later"
REFUSED = (
    f"{THE_PLACE}: login coop does not have access (status 403); check account and service_location, or leave both"
)
REFUSED += " out to read every location that the login sees"


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        (Poll.PAGE, TransportError, PAGE),
        (Poll.STATUS_403, AccessError, REFUSED),
        (
            Poll.STATUS_500,
            TransportError,
            f"{THE_DATA}: the portal returned a server error (status 500); try again later",
        ),
        (
            Poll.CUT_OFF,
            TransportError,
            "{host} closed the connection during its response; try again later",
        ),
        (Poll.WRONG_SHAPE, ProtocolError, f"{WRONG}data.ELECTRIC is an object, expected a list"),
        (Poll.FAILED, ProtocolError, f"{THE_DATA}: the portal could not compute it (status FAILED)"),
    ],
)
def test_broken_response_is_one_line_of_its_class(
    portal: PortalServer, client: PortalClient, how: Poll, kind: type[PortalError], message: str
) -> None:
    change(portal, poll=how)

    with pytest.raises(PortalError) as caught:
        client.usage(YESTERDAY)
    assert getattr(caught.value, "is_answer", False) == (how in (Poll.PAGE, Poll.STATUS_500))

    assert (type(caught.value), str(caught.value)) == (kind, message.replace("{host}", portal.host))


@pytest.mark.parametrize("how", list(Poll))
def test_no_message_or_log_contains_a_secret(
    start_portal: StartPortal, start_client: StartClient, record: Record, caplog: pytest.LogCaptureFixture, how: Poll
) -> None:
    user = UserSpec(password=THE_PASSWORD)
    server = start_portal(World(users=(user,), locations=(HOUSE,)), poll=how, discovery=how, accounts=how)
    client = start_client(login_of(server, user))
    sent = record(server)
    caplog.set_level(logging.DEBUG, logger="exporter")
    said = []

    for ask in (client.locations, client.plain_locations, lambda: client.usage(YESTERDAY)):
        try:
            ask()
        except PortalError as error:
            said.append(str(error))

    assert not [line for line in said if "\n" in line]
    said += [str(each.__dict__) for each in caplog.records]
    tokens = {call.headers.get("authorization", "Bearer none").removeprefix("Bearer ") for call in sent}
    for secret in {THE_PASSWORD, "member@example.org", "Secret Lane", *tokens}:
        assert not [line for line in said if secret in line]


def test_empty_answer_is_no_error(portal: PortalServer, client: PortalClient) -> None:
    change(portal, poll=Poll.NO_DATA)

    assert points(client.usage(YESTERDAY)) == 0


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (200, b"[]", f"{WRONG}{THE_DATA} is a list, expected an object"),
        (200, b"{}", f"{THE_DATA}: the portal could not compute it (status missing)"),
        (200, b'{"status": "IN_PROGRESS"}', f"{THE_DATA}: the portal could not compute it (status IN_PROGRESS)"),
        (200, b'{"status": "<b>no</b>"}', f"{THE_DATA}: the portal could not compute it (status missing)"),
        (404, b"", f"{THE_DATA}: unexpected status 404"),
    ],
)
def test_another_shape_or_status_is_a_protocol_error(  # noqa: PLR0917 - fixtures
    portal: PortalServer, client: PortalClient, intercept: Intercept, status: int, body: bytes, message: str
) -> None:
    intercept(portal, "/poll", SimulatedResponse(status, body))

    with pytest.raises(ProtocolError) as caught:
        client.usage(YESTERDAY)

    assert str(caught.value) == message


def test_retry_after_is_passed_on_without_a_retry(portal: PortalServer, client: PortalClient) -> None:
    change(portal, poll=Poll.STATUS_429)

    with pytest.raises(TransportError) as caught:
        client.usage(YESTERDAY)

    assert caught.value.retry_after == 7.0
    assert portal.portal.calls["poll", 429] == 1


def test_lost_connection_is_retried_once(
    portal: PortalServer, client: PortalClient, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(portal, poll=Poll.CUT_OFF)
    sleep = clock.sleep

    def sleep_and_mend(seconds: float) -> None:
        sleep(seconds)
        change(portal, poll=Poll.OK)

    monkeypatch.setattr(clock, "sleep", sleep_and_mend)

    assert points(client.usage(YESTERDAY)) == 24
    assert calls(portal) == {"auth": 1, "poll": 2}


def test_connection_that_stays_lost_is_tried_twice_only(portal: PortalServer, client: PortalClient) -> None:
    change(portal, poll=Poll.CUT_OFF)

    with pytest.raises(TransportError):
        client.usage(YESTERDAY)

    assert calls(portal) == {"auth": 1, "poll": 2}


@pytest.mark.parametrize("how", [SignIn.STATUS_500, SignIn.FAILURE])
def test_failed_sign_in_is_not_retried(portal: PortalServer, client: PortalClient, how: SignIn) -> None:
    change(portal, sign_in=how)

    with pytest.raises(PortalError):
        client.usage(YESTERDAY)

    assert (calls(portal)["auth"], "poll" in calls(portal)) == (1, False)


# -- locations


def test_locations_have_accounts_and_nicknames(start_portal: StartPortal, start_client: StartClient) -> None:
    gone = LocationSpec("55003", "70003", (METER,), inactive=True)
    water = LocationSpec("55002", "70004", (), industries=("WATER",), service_code="WATER")
    server = start_portal(World(locations=(*TWO.locations, water, gone)))

    found = {place.number: place for place in start_client(login_of(server)).locations()}

    reads = (instant("2025-12-05"), instant("2026-01-05"))
    assert found["70001"] == AccountLocation("55001", "70001", "House", True, True, ("ELECTRIC",), reads)  # noqa: FBT003
    assert found["70002"] == AccountLocation("55002", "70002", "Barn", True, True, ("ELECTRIC",), reads)  # noqa: FBT003
    assert not found["70004"].electric
    assert not found["70003"].active


def test_plain_list_has_numbers_alone(start_portal: StartPortal, start_client: StartClient) -> None:
    found = start_client(login_of(start_portal(TWO))).plain_locations()

    assert [(each.account, each.number, each.name) for each in found] == [
        ("55001", "70001", None),
        ("55002", "70002", None),
    ]


@pytest.mark.parametrize("how", [Poll.NO_DATA, Poll.NO_ENTRY, Poll.NO_POINTS])
def test_list_without_locations_is_an_error(portal: PortalServer, client: PortalClient, how: Poll) -> None:
    change(portal, discovery=how, accounts=how)

    for ask in (client.locations, client.plain_locations):
        with pytest.raises(AccessError, match="list of accounts: it has no locations"):
            ask()
