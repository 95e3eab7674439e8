"""The simulated portal's endpoints: sign-in, two-factor, lockout, tokens, accounts, polls, and its switches."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from exporter.clock import SystemClock
from exporter.config import second_factor
from exporter.errors import ListenError
from exporter.simulator.portal import Call, SimulatedPortal, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Hourly, Poll, Settings, SignIn
from exporter.simulator.specs import LocationSpec, UserSpec
from exporter.simulator.world import World

from ..support.member import AUTH, DAY, MIDNIGHT, NEXT, NOW, POLL, Json, Member, home, meter

USER_DATA = "/services/secured/user-data"
FAILURE = {"status": "FAILURE", "isBusinessUser": False}
NOT_RENEWED = {"isBusinessUser": False}
SECRET = "JBSWY3DPEHPK3PXP"
"""80 bits, as many sites issue them and as in the example configuration."""
NAME = UserSpec().username
OTHER = UserSpec("other@example.org", "another")


def set_to(member: Member, **switches: Any) -> None:  # noqa: ANN401
    member.portal.settings = replace(member.portal.settings, **switches)


def renew(member: Member, token: str) -> Json:
    return json.loads(member.post_form(f"{AUTH}/refresh", token=token).body)


def poll(member: Member, **changes: Json) -> SimulatedResponse:
    return member.poll(MIDNIGHT, NEXT, **changes)


@pytest.fixture
def member() -> Member:
    """Return a member who is signed in, with no calls counted yet."""
    member = Member()
    member.sign_in()
    member.portal.calls.clear()
    return member


# -- signing in


def test_a_sign_in_returns_a_token_and_its_lifetime(member: Member) -> None:
    answer = member.sign_in()
    assert answer == {
        "authorizationToken": member.token,
        "status": "SUCCESS",
        "username": NAME,
        "primaryUsername": NAME,
        "isSecondaryRegistration": False,
        "isBusinessUser": False,
        "expiration": NOW + 299,
        "expiresIn": 299,
    }


def test_the_expiration_can_be_in_milliseconds_only() -> None:
    answer = Member(expires_in_ms=True).sign_in()
    assert (answer["expiration"], answer.get("expiresIn")) == ((NOW + 299) * 1000, None)


@pytest.mark.parametrize("form", [{"password": "wrong"}, {"userId": "nobody@example.org"}])
def test_wrong_credentials_return_failure_with_status_200(member: Member, form: dict[str, str]) -> None:
    assert member.sign_in(**form) == FAILURE
    assert member.portal.calls == {("auth", 200): 1}


def test_a_login_is_locked_after_five_rejected_sign_ins_in_a_row() -> None:
    member = Member(users=(UserSpec(), OTHER))
    for times in (4, 5):
        assert [member.sign_in(password="wrong") for _ in range(times)] == [FAILURE] * times
        assert (member.sign_in() == FAILURE) is (times == 5)
    assert member.portal.most_rejected == {NAME: 6}
    assert member.sign_in(userId=OTHER.username, password=OTHER.password)["status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("how", "status", "start", "counts"),
    [
        (SignIn.FAILURE, 200, b'{"status": "FAILURE"', True),
        (SignIn.NO_TOKEN, 200, b'{"status": "LOCKED_OUT"', True),
        (SignIn.NO_SESSION, 200, b'{"status": "SUCCESS"', True),
        (SignIn.STATUS_400, 400, b"", True),
        (SignIn.STATUS_401, 401, b"", True),
        (SignIn.SECOND_FACTOR, 500, b"Your data could not be verified", True),
        (SignIn.STATUS_403, 403, b"The current user does not have access", True),
        (SignIn.STATUS_500, 500, b"Internal error", True),
        (SignIn.REDIRECT, 302, b"", True),
        (SignIn.PAGE, 200, b"<!DOCTYPE html", True),
        (SignIn.DOWN, 200, b"<!DOCTYPE html", False),
        (SignIn.STATUS_503, 503, b"<!DOCTYPE html", False),
    ],
)
def test_a_sign_in_fails_as_configured(how: SignIn, status: int, start: bytes, counts: bool) -> None:  # noqa: FBT001
    member = Member(sign_in=how)
    response = member.post_form(AUTH, userId=NAME, password=member.user.password)
    assert (response.status, response.body[: len(start)]) == (status, start)
    assert b"authorizationToken" not in response.body
    assert member.portal.rejected_sign_ins[NAME] == counts


# -- two-factor authentication


def test_the_current_two_factor_code_is_accepted() -> None:
    member = Member(users=(UserSpec(totp_secret=SECRET),))
    assert member.sign_in(twoFactorCode=second_factor(SECRET).at(NOW))["status"] == "SUCCESS"


@pytest.mark.parametrize("form", [{}, {"twoFactorCode": second_factor(SECRET).at(NOW - 120)}])
def test_a_missing_or_old_code_counts_as_a_rejection(form: dict[str, str]) -> None:
    member = Member(users=(UserSpec(totp_secret=SECRET),))
    response = member.post_form(AUTH, userId=NAME, password=member.user.password, **form)
    assert (response.status, response.content_type) == (500, "text/plain")
    assert response.body == b"Your data could not be verified. Please contact customer service."
    assert member.portal.rejected_sign_ins[NAME] == 1


def test_the_two_factor_method_needs_no_sign_in() -> None:
    member = Member(users=(UserSpec(totp_secret=SECRET), OTHER))
    methods = {name: member.get("/services/two-factor/method", userId=name).body for name in (NAME, OTHER.username)}
    assert methods == {NAME: b'"TOTP"', OTHER.username: b'"NONE"'}


# -- tokens


def test_a_token_expires() -> None:
    member = Member(token_life=5.0)
    assert member.sign_in()["expiresIn"] == 5
    member.clock.advance(4)
    assert poll(member).status == 200
    member.clock.advance(1)
    assert [response.status for response in (poll(member), member.user_data())] == [401, 401]
    assert renew(member, member.token) == NOT_RENEWED


def test_a_valid_token_can_be_renewed_once(member: Member) -> None:
    old = member.token
    answer = renew(member, old)
    assert answer["status"] == "SUCCESS"
    assert poll(member).status == 401
    member.token = answer["authorizationToken"]
    assert poll(member).status == 200
    assert renew(member, old) == NOT_RENEWED


def test_signing_everybody_out_invalidates_all_tokens(member: Member) -> None:
    tokens = member.token, member.sign_in()["authorizationToken"]
    for status in (200, 401):
        for member.token in tokens:
            assert poll(member).status == status
        member.portal.sign_everybody_out()


def test_data_needs_both_token_and_user_name(member: Member) -> None:
    token, name = member.credentials().items()
    for headers in ({}, dict([token]), dict([name]), dict([token, (name[0], OTHER.username)])):
        assert member.call("POST", POLL, headers=headers).status == 401


# -- accounts


def test_the_plain_list_of_accounts_omits_closed_locations(member: Member) -> None:
    member.portal.world = World()
    plain = json.loads(member.get("/services/secured/accounts", user=NAME).body)
    assert plain == [
        {"account": "55001", "serviceLocations": ["70001", "70002"]},
        {"account": "55002", "serviceLocations": ["70003", "70005"]},
    ]


def test_a_secondary_login_reads_the_data_of_its_owner() -> None:
    member = Member(users=(UserSpec(owner="owner@example.org"),))
    answer = member.sign_in()
    assert (answer["primaryUsername"], answer["isSecondaryRegistration"]) == ("owner@example.org", True)
    assert [member.user_data(name).status for name in ("owner@example.org", NAME)] == [200, 403]


def test_a_login_sees_only_its_own_accounts() -> None:
    elsewhere = LocationSpec("55009", "79999", (meter(),))
    member = Member(home(meter()), elsewhere, users=(UserSpec(accounts=("55001",)),))
    member.sign_in()
    assert [each["account"] for each in json.loads(member.user_data().body)] == ["55001"]
    assert poll(member, accountNumber="55009", serviceLocationNumber="79999").status == 403


def test_user_data_or_one_location_can_fail_alone(member: Member) -> None:
    for switches, expected in (
        ({"discovery": Poll.STATUS_503}, [503, 200]),
        ({"refused_locations": ("70001",)}, [503, 403]),
    ):
        set_to(member, **switches)
        assert [response.status for response in (member.user_data(), poll(member))] == expected


@pytest.mark.parametrize(
    ("how", "status", "body"),
    [
        (Poll.NO_DATA, 200, b"null"),
        (Poll.NO_ENTRY, 200, b"[]"),
        (Poll.NO_POINTS, 200, b'[{"account": "55001"}]'),
        (Poll.STATUS_204, 204, b""),
    ],
)
def test_lists_of_locations_can_be_empty(member: Member, how: Poll, status: int, body: bytes) -> None:
    set_to(member, discovery=how, accounts=how)
    for response in (member.user_data(), member.get("/services/secured/accounts", user=NAME)):
        assert (response.status, response.body) == (status, body)


# -- polls


def statuses(member: Member, *days: int) -> str:
    """Poll for so many days, one range after the other; return the first letter of each status."""
    return "".join(json.loads(member.poll(MIDNIGHT, MIDNIGHT + count * DAY).body)["status"][0] for count in days)


def test_each_request_body_is_a_job_of_its_own(member: Member) -> None:
    set_to(member, pending=2)
    assert statuses(member, 1, 1, 2, 1, 1, 2, 2) == "PPPCPPC"
    set_to(member, pending=1)
    first = json.dumps(member.question(MIDNIGHT, NEXT)).encode()
    bodies = [first.replace(b": ", b":"), first]
    answers = [member.call("POST", POLL, body, headers=member.credentials()).body for body in bodies]
    assert [b"COMPLETE" in response for response in answers] == [False, True]


def test_long_ranges_can_fail_or_stay_pending(member: Member) -> None:
    set_to(member, longest_days=30)
    assert statuses(member, 30, 31) == "CF"
    set_to(member, longest_days=1000, slow_days=3)
    assert statuses(member, 3, 4, 4, 4) == "CPPP"


def test_each_day_of_an_answer_can_be_large(member: Member) -> None:
    set_to(member, pending=0)
    plain = len(member.poll(MIDNIGHT, MIDNIGHT + 3 * DAY).body)
    set_to(member, padding=1000)
    assert len(member.poll(MIDNIGHT, MIDNIGHT + 3 * DAY).body) == plain + 3000


@pytest.mark.parametrize(
    ("how", "status", "start"),
    [(Hourly.FAILED, 200, b'{"status": "FAILED"}'), (Hourly.STATUS_500, 500, b"Internal error")],
)
def test_hourly_polls_can_fail_alone(member: Member, how: Hourly, status: int, start: bytes) -> None:
    set_to(member, hourly=how)
    assert (poll(member).status, poll(member).body) == (status, start)
    assert b"COMPLETE" in poll(member, timeFrame="DAILY").body


def test_hourly_polls_can_be_answered_with_days(member: Member) -> None:
    days = poll(member, timeFrame="DAILY")
    set_to(member, hourly=Hourly.DAILY)
    found, expected = (
        [each["series"] for each in json.loads(answer.body)["data"]["ELECTRIC"]] for answer in (poll(member), days)
    )
    assert found == expected


def test_a_poll_must_be_one_that_portals_accept(member: Member) -> None:
    unknown: Json = {"screen": "BILLING", "industries": ["SEWER"], "userId": OTHER.username, "startDateTime": "now"}
    assert [poll(member, **{name: value}).status for name, value in unknown.items()] == [400] * 4
    for name in ("accountNumber", "serviceLocationNumber"):
        assert poll(member, **{name: "99999"}).status == 403
    assert poll(member, startDateTime=str(MIDNIGHT * 1000), endDateTime=str(NEXT * 1000)).status == 200


@pytest.mark.parametrize(
    ("how", "status", "start"),
    [
        (Poll.PAGE, 200, b"<!DOCTYPE html>"),
        (Poll.STATUS_401, 401, b""),
        (Poll.STATUS_403, 403, b"The current user does not have access"),
        (Poll.STATUS_429, 429, b""),
        (Poll.STATUS_500, 500, b"Internal error"),
        (Poll.STATUS_503, 503, b"<!DOCTYPE html>"),
        (Poll.NO_JSON, 200, b'{"status": "COMPLETE", "data": '),
        (Poll.WRONG_SHAPE, 200, b'{"status": "COMPLETE", "data": {"ELECTRIC": {'),
        (Poll.FAILED, 200, b'{"status": "FAILED"}'),
        (Poll.PENDING, 200, b'{"status": "PENDING"}'),
    ],
)
def test_a_poll_fails_as_configured(member: Member, how: Poll, status: int, start: bytes) -> None:
    set_to(member, poll=how)
    response = poll(member)
    assert (response.status, response.body[: len(start)]) == (status, start)
    assert response.retry_after == (7 if how is Poll.STATUS_429 else 0)


def test_other_paths_and_methods_are_rejected(member: Member) -> None:
    calls = ("GET", "/nothing"), ("GET", AUTH), ("POST", USER_DATA), ("GET", POLL)
    assert [member.call(*each).status for each in calls] == [404, 405, 405, 405]


def test_a_call_can_be_answered_in_place_of_the_portal(member: Member) -> None:
    member.portal.override = lambda call: SimulatedResponse(418, b"") if b"DAILY" in call.body else None
    assert [poll(member, timeFrame=frame).status for frame in ("DAILY", "HOURLY")] == [418, 200]
    assert member.portal.calls == {("poll", 418): 1, ("poll", 200): 1}


def test_answers_can_be_slow(member: Member) -> None:
    set_to(member, latency=4.0)
    assert (poll(member).status, member.clock.slept) == (200, [4.0])


# -- on a socket

ODD = UserSpec(password="a&b=c+d%20 é#$*")


@pytest.fixture(scope="module")
def server() -> Iterator[PortalServer]:
    with PortalServer(SimulatedPortal(World(users=(ODD,)), SystemClock(), Settings(pending=0))) as server:
        yield server


@pytest.fixture
def http(server: PortalServer) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session
    server.portal.settings = Settings(pending=0)
    server.portal.calls.clear()
    server.portal.rejected_sign_ins.clear()


def sign_in(server: PortalServer, http: requests.Session) -> Json:
    """Sign in with a password that has every character that a form must escape."""
    form = {"userId": ODD.username, "password": ODD.password}
    return http.post(server.url + AUTH, data=form, timeout=5).json()


def test_switches_can_be_read_and_changed_over_http(server: PortalServer, http: requests.Session) -> None:
    url = f"{server.url}/simulator/settings"
    assert http.get(url, timeout=5).json() == json.loads(server.portal.settings.as_json())
    response = http.post(url, json={"sign_in": "failure", "lag": 60}, timeout=5)
    assert (response.status_code, response.json()["sign_in"], response.json()["lag"]) == (200, "failure", 60.0)
    assert sign_in(server, http) == FAILURE
    assert http.post(url, json={"sign_in": "ok"}, timeout=5).json()["lag"] == 60.0
    assert sign_in(server, http)["status"] == "SUCCESS"


@pytest.mark.parametrize("body", [b'{"poll": "nonsense"}', b"no json", b"[1]"])
def test_invalid_switches_are_rejected_with_400(server: PortalServer, http: requests.Session, body: bytes) -> None:
    response = http.post(f"{server.url}/simulator/settings", data=body, timeout=5)
    assert (response.status_code, response.text[-1]) == (400, "\n")
    assert server.portal.settings == Settings(pending=0)


def test_calls_to_the_simulator_itself_are_not_counted(server: PortalServer, http: requests.Session) -> None:
    for path in ("/services/two-factor/method?userId=x", "/simulator/settings", "/nothing"):
        http.get(server.url + path, timeout=5)
    assert http.get(f"{server.url}/simulator/calls", timeout=5).json() == {"two_factor 200": 1, "other 404": 1}


def test_a_response_can_be_cut_off(server: PortalServer, http: requests.Session) -> None:
    member = Member(*server.portal.world.locations)
    member.token = sign_in(server, http)["authorizationToken"]
    server.portal.settings = Settings(pending=0, poll=Poll.CUT_OFF)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        http.post(server.url + POLL, json=member.question(MIDNIGHT, NEXT), headers=member.credentials(), timeout=5)


def test_an_address_in_use_is_a_listen_error(server: PortalServer) -> None:
    host, _, port = server.host.rpartition(":")
    with pytest.raises(ListenError, match=f"cannot listen on {server.host}: .+; use another address"):
        PortalServer(server.portal, host, int(port))


# -- names


def call(member: Member, path: str, **query: str) -> SimulatedResponse:
    return member.portal.respond(Call("GET", path, query, {"host": "127.0.0.1:1"}, b"", {}))


def test_the_name_needs_no_sign_in() -> None:
    member = Member()
    assert call(member, "/services/member/siteName").body == b"Loading Piedmont Simulated Electric SmartHub Application"
    found = json.loads(call(member, "/services/memberLookup/domain", domain="here").body)
    assert (found["domain"], found["name"]) == ("here", "Piedmont Simulated Electric")
    (found,) = json.loads(call(member, "/services/memberLookup/name", name="piedmont").body)
    assert found["domain"] == "http://127.0.0.1:1"
    page = call(member, "/ui/")
    assert (page.content_type, b"<title>SmartHub" in page.body, page.cookie) == (
        "text/html",
        True,
        "XSRF-TOKEN=1; Path=/",
    )


def test_a_portal_may_not_say_its_name() -> None:
    member = Member(nameless=True)
    paths = ("/services/member/siteName", "/services/memberLookup/domain")
    assert [call(member, path).status for path in paths] == [404, 404]


def test_a_foreign_host_answers_everything_with_a_page() -> None:
    member = Member(foreign=True)
    for path in ("/services/member/siteName", "/services/memberLookup/name", AUTH, "/ui/", "/x"):
        answer = call(member, path)
        assert (answer.status, answer.content_type, b"<title>Welcome" in answer.body) == (200, "text/html", True)
