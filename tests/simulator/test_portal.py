"""The simulated portal's doors: sign-in, second factor, lockout, tokens, discovery, jobs, and switches over HTTP."""

import hmac
import json
from base64 import b32decode
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from exporter.clock import SystemClock
from exporter.errors import ListenError
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, Settings, SignIn
from exporter.simulator.specs import LocationSpec, UserSpec
from exporter.simulator.world import World

from ..support.member import AUTH, DAY, MIDNIGHT, NEXT, NOON_AFTER, Member, meter, place

Json = Any
RENEW = f"{AUTH}/refresh"
USER_DATA = "/services/secured/user-data"
METHOD = "/services/two-factor/method"
FAILURE = {"status": "FAILURE", "isBusinessUser": False}
SHORT_SECRET = "JBSWY3DPEHPK3PXP"
"""The 80 bits that many sites hand out, and the example of the configuration."""
SECRET = SHORT_SECRET + SHORT_SECRET
WITH_TOTP = UserSpec(totp_secret=SECRET)


def code_at(moment: float, secret: str = SECRET) -> str:
    """The six digits of RFC 6238."""
    digest = hmac.digest(b32decode(secret), int(moment // 30).to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"


def set_to(member: Member, **switches: Any) -> None:  # noqa: ANN401
    member.portal.settings = replace(member.portal.settings, **switches)


@pytest.fixture
def member() -> Member:
    return Member(place(meter()))


# -- signing in


def test_a_sign_in_gives_a_token_and_how_long_it_lives(member: Member) -> None:
    said = member.sign_in()
    assert said.pop("authorizationToken")
    assert said == {
        "status": "SUCCESS",
        "username": "member@example.org",
        "primaryUsername": "member@example.org",
        "isSecondaryRegistration": False,
        "isBusinessUser": False,
        "expiration": NOON_AFTER + 299,
        "expiresIn": 299,
    }


def test_each_sign_in_gives_another_token_and_all_of_them_work(member: Member) -> None:
    tokens = [member.sign_in()["authorizationToken"] for _ in range(3)]
    assert len(set(tokens)) == 3
    for member.token in tokens:
        assert member.poll(MIDNIGHT, NEXT).status == 200


def test_the_end_of_a_token_can_be_told_in_milliseconds_alone() -> None:
    said = Member(place(meter()), settings=Settings(expires_in_ms=True)).sign_in()
    assert said["expiration"] == (NOON_AFTER + 299) * 1000
    assert "expiresIn" not in said


@pytest.mark.parametrize("password", ["wrong", "", "correct horse"])
def test_a_wrong_password_is_a_failure_with_status_200(member: Member, password: str) -> None:
    assert member.sign_in(password=password) == FAILURE
    assert member.portal.calls == {("auth", 200): 1}


def test_an_unknown_name_is_answered_like_a_wrong_password(member: Member) -> None:
    assert member.sign_in(userId="nobody@example.org") == FAILURE


def test_the_account_is_locked_after_five_refused_sign_ins(member: Member) -> None:
    for _ in range(4):
        assert member.sign_in(password="wrong") == FAILURE
    assert member.sign_in()["status"] == "SUCCESS"
    for _ in range(5):
        assert member.sign_in(password="wrong") == FAILURE
    assert member.sign_in() == FAILURE
    assert member.portal.most_refused["member@example.org"] == 6


def test_a_lock_is_for_one_login_only() -> None:
    other = UserSpec("other@example.org", "another")
    member = Member(place(meter()), users=(other,))
    for _ in range(5):
        member.sign_in(password="wrong")
    assert member.sign_in(userId=other.username, password=other.password)["status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("how", "status", "counts"),
    [
        (SignIn.FAILURE, 200, True),
        (SignIn.NO_TOKEN, 200, True),
        (SignIn.STATUS_400, 400, True),
        (SignIn.STATUS_401, 401, True),
        (SignIn.SECOND_FACTOR, 500, True),
        (SignIn.STATUS_403, 403, False),
        (SignIn.STATUS_500, 500, False),
        (SignIn.PAGE, 200, False),
    ],
)
def test_a_sign_in_fails_as_it_is_set_to(member: Member, how: SignIn, status: int, counts: bool) -> None:  # noqa: FBT001
    set_to(member, sign_in=how)
    answer = member.post_form(AUTH, userId=member.user.username, password=member.user.password)
    assert answer.status == status
    assert b"SUCCESS" not in answer.body
    assert member.portal.rejected_sign_ins[member.user.username] == counts
    assert answer.body.startswith(b"<!DOCTYPE html") is (how is SignIn.PAGE)
    assert answer.body.startswith(b"Your data could not be verified") is (how is SignIn.SECOND_FACTOR)


# -- the second factor


@pytest.mark.parametrize("secret", [SECRET, SHORT_SECRET], ids=["160 bits", "80 bits"])
def test_a_login_with_a_second_factor_needs_the_code_of_now(secret: str) -> None:
    member = Member(place(meter()), user=UserSpec(totp_secret=secret))
    assert member.sign_in(twoFactorCode=code_at(member.clock.now(), secret))["status"] == "SUCCESS"


@pytest.mark.parametrize("form", [{}, {"twoFactorCode": "000000"}, {"twoFactorCode": ""}])
def test_a_missing_or_wrong_code_is_500_with_a_text_and_counts(form: dict[str, str]) -> None:
    member = Member(place(meter()), user=WITH_TOTP)
    answer = member.post_form(AUTH, userId=member.user.username, password=member.user.password, **form)
    assert (answer.status, answer.content_type) == (500, "text/plain")
    assert answer.body == b"Your data could not be verified. Please contact customer service."
    assert member.portal.rejected_sign_ins[member.user.username] == 1


def test_a_code_of_long_ago_is_worth_nothing() -> None:
    member = Member(place(meter()), user=WITH_TOTP)
    code = code_at(member.clock.now() - 120)
    answer = member.post_form(AUTH, userId=member.user.username, password=member.user.password, twoFactorCode=code)
    assert answer.status == 500


@pytest.mark.parametrize(("user", "method"), [(WITH_TOTP, "TOTP"), (UserSpec(), "NONE")])
def test_anybody_can_ask_if_a_login_needs_a_second_factor(user: UserSpec, method: str) -> None:
    answer = Member(place(meter()), user=user).call("GET", METHOD, query={"userId": user.username})
    assert json.loads(answer.body) == method


# -- tokens


def test_a_token_is_worth_nothing_after_its_life(member: Member) -> None:
    member.sign_in()
    member.clock.advance(298)
    assert member.poll(MIDNIGHT, NEXT).status == 200
    member.clock.advance(1)
    assert member.poll(MIDNIGHT, NEXT).status == 401


def test_the_life_of_a_token_can_be_set(member: Member) -> None:
    set_to(member, token_life=5.0)
    assert member.sign_in()["expiresIn"] == 5
    member.clock.advance(5)
    assert member.get(USER_DATA, userId=member.user.username).status == 401


def test_a_living_token_can_be_renewed_once(member: Member) -> None:
    old = member.sign_in()["authorizationToken"]
    said = json.loads(member.post_form(RENEW, token=old).body)
    assert said["status"] == "SUCCESS"
    assert member.poll(MIDNIGHT, NEXT).status == 401
    member.token = said["authorizationToken"]
    assert member.poll(MIDNIGHT, NEXT).status == 200
    assert json.loads(member.post_form(RENEW, token=old).body) == {"isBusinessUser": False}


def test_a_dead_token_cannot_be_renewed(member: Member) -> None:
    old = member.sign_in()["authorizationToken"]
    member.clock.advance(299)
    assert json.loads(member.post_form(RENEW, token=old).body) == {"isBusinessUser": False}


def test_everybody_can_be_signed_out(member: Member) -> None:
    member.sign_in()
    member.portal.sign_everybody_out()
    assert member.poll(MIDNIGHT, NEXT).status == 401


def test_data_are_only_for_who_says_who_they_are(member: Member) -> None:
    member.sign_in()
    body = json.dumps(member.question(MIDNIGHT, NEXT)).encode()
    path = "/services/secured/utility-usage/poll"
    token = {"authorization": f"Bearer {member.token}"}
    for headers in ({}, token, {**token, "x-nisc-smarthub-username": "other@example.org"}):
        assert member.call("POST", path, body, headers=headers).status == 401


# -- discovery


def test_a_member_sees_each_account_with_its_locations() -> None:
    locations = (
        place(meter()),
        LocationSpec("55001", "70002", (), "Barn", industries=("WATER",)),
        LocationSpec("55002", "70003", (), inactive=True),
    )
    member = Member(*locations)
    member.sign_in()
    accounts = json.loads(member.get(USER_DATA, userId=member.user.username).body)
    assert [(each["account"], each["inactive"]) for each in accounts] == [("55001", False), ("55002", True)]
    assert accounts[0]["serviceLocationToIndustries"] == {"70001": ["ELECTRIC"], "70002": ["WATER"]}
    summaries = accounts[0]["serviceLocationToUserDataServiceLocationSummaries"]
    assert [summaries[number][0]["description"] for number in ("70001", "70002")] == ["House", "Barn"]
    plain = json.loads(member.get("/services/secured/accounts", user=member.user.username).body)
    assert plain == [{"account": "55001", "serviceLocations": ["70001", "70002"]}]


def test_a_secondary_login_asks_for_the_data_of_its_owner() -> None:
    member = Member(place(meter()), user=UserSpec(owner="owner@example.org"))
    said = member.sign_in()
    assert (said["primaryUsername"], said["isSecondaryRegistration"]) == ("owner@example.org", True)
    assert member.get(USER_DATA, userId="owner@example.org").status == 200
    assert member.get(USER_DATA, userId=member.user.username).status == 403


def test_a_login_sees_only_its_own_accounts() -> None:
    other = LocationSpec("55009", "79999", (meter(),))
    member = Member(place(meter()), other, user=UserSpec(accounts=("55001",)))
    member.sign_in()
    accounts = json.loads(member.get(USER_DATA, userId=member.user.username).body)
    assert [each["account"] for each in accounts] == ["55001"]
    foreign = member.poll(MIDNIGHT, NEXT, accountNumber="55009", serviceLocationNumber="79999")
    assert foreign.status == 403


def test_discovery_can_fail_by_itself(member: Member) -> None:
    set_to(member, discovery=Poll.STATUS_503)
    member.sign_in()
    assert member.get(USER_DATA, userId=member.user.username).status == 503
    assert member.poll(MIDNIGHT, NEXT).status == 200


# -- jobs


def statuses(member: Member, *days: int) -> list[str]:
    """What is said when the member asks for so many days, one after the other."""
    return [json.loads(member.poll(MIDNIGHT, MIDNIGHT + count * DAY).body)["status"] for count in days]


def test_a_job_is_pending_as_often_as_it_is_set_to(member: Member) -> None:
    member.sign_in()
    set_to(member, pending=2)
    assert statuses(member, 1, 1, 1, 1) == ["PENDING", "PENDING", "COMPLETE", "PENDING"]
    assert json.loads(member.poll(MIDNIGHT, MIDNIGHT + 2 * DAY).body) == {"status": "PENDING"}


def test_another_body_is_another_job(member: Member) -> None:
    member.sign_in()
    set_to(member, pending=1)
    assert statuses(member, 1, 2, 1, 2) == ["PENDING", "PENDING", "COMPLETE", "COMPLETE"]
    first = json.dumps(member.question(MIDNIGHT, NEXT)).encode()
    path = "/services/secured/utility-usage/poll"
    bodies = [first, first.replace(b": ", b":"), first]
    answers = [json.loads(member.call("POST", path, body, headers=member.credentials()).body) for body in bodies]
    assert [answer["status"] for answer in answers] == ["PENDING", "PENDING", "COMPLETE"]


def test_ranges_can_be_too_long_or_stay_pending(member: Member) -> None:
    member.sign_in()
    set_to(member, longest_days=30)
    assert statuses(member, 30, 31) == ["COMPLETE", "FAILED"]
    set_to(member, longest_days=1000, slow_days=3)
    assert statuses(member, 3, 4, 4, 4) == ["COMPLETE", "PENDING", "PENDING", "PENDING"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"screen": "BILLING"}, 400),
        ({"industries": ["WATER"]}, 400),
        ({"userId": "other@example.org"}, 400),
        ({"startDateTime": "yesterday"}, 400),
        ({"accountNumber": "99999"}, 403),
        ({"serviceLocationNumber": "99999"}, 403),
        ({"startDateTime": str(MIDNIGHT * 1000), "endDateTime": str(NEXT * 1000)}, 200),
    ],
)
def test_a_question_must_be_one_that_portals_understand(member: Member, change: Json, status: int) -> None:
    member.sign_in()
    assert member.poll(MIDNIGHT, NEXT, **change).status == status


def test_a_location_can_be_refused(member: Member) -> None:
    member.sign_in()
    set_to(member, refused_locations=("70001",))
    assert member.poll(MIDNIGHT, NEXT).status == 403


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
def test_a_poll_fails_as_it_is_set_to(member: Member, how: Poll, status: int, start: bytes) -> None:
    member.sign_in()
    set_to(member, poll=how)
    answer = member.poll(MIDNIGHT, NEXT)
    assert answer.status == status
    assert answer.body.startswith(start)
    assert answer.retry_after == (7 if how is Poll.STATUS_429 else 0)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", AUTH, 405),
        ("POST", USER_DATA, 405),
        ("GET", "/services/secured/utility-usage/poll", 405),
    ],
)
def test_other_paths_and_methods_are_not_there(member: Member, method: str, path: str, status: int) -> None:
    assert member.call(method, path).status == status


def test_every_call_is_counted_by_endpoint_and_status(member: Member) -> None:
    member.sign_in()
    member.poll(MIDNIGHT, NEXT)
    member.get(USER_DATA, userId=member.user.username)
    member.call("GET", "/nothing")
    assert member.portal.calls == {("auth", 200): 1, ("poll", 200): 1, ("user_data", 200): 1, ("other", 404): 1}
    assert member.portal.count == 4


# -- on a socket


@pytest.fixture(scope="module")
def server() -> Iterator[PortalServer]:
    with PortalServer(SimulatedPortal(World(), SystemClock(), Settings(pending=0))) as server:
        yield server


@pytest.fixture
def http(server: PortalServer) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session
    server.portal.settings = Settings(pending=0)
    server.portal.calls.clear()


def test_switches_can_be_read_and_changed_over_http(server: PortalServer, http: requests.Session) -> None:
    url = f"{server.url}/simulator/settings"
    assert http.get(url, timeout=5).json() == json.loads(server.portal.settings.as_json())
    answer = http.post(url, json={"sign_in": "failure", "lag": 60}, timeout=5)
    assert (answer.status_code, answer.json()["sign_in"], answer.json()["lag"]) == (200, "failure", 60.0)
    user = server.portal.world.users[0]
    form = {"userId": user.username, "password": user.password}
    assert http.post(server.url + AUTH, data=form, timeout=5).json() == FAILURE
    http.post(url, json={"sign_in": "ok"}, timeout=5)
    server.portal.rejected_sign_ins.clear()
    assert http.post(server.url + AUTH, data=form, timeout=5).json()["status"] == "SUCCESS"
    assert http.get(url, timeout=5).json()["lag"] == 60.0


@pytest.mark.parametrize("body", [b'{"nonsense": 1}', b'{"poll": "nonsense"}', b"no json", b"[1]", b'"text"', b"3"])
def test_nonsense_changes_nothing_and_is_400(server: PortalServer, http: requests.Session, body: bytes) -> None:
    answer = http.post(f"{server.url}/simulator/settings", data=body, timeout=5)
    assert answer.status_code == 400
    assert answer.text.endswith("\n")
    assert "Traceback" not in answer.text
    assert server.portal.settings == Settings(pending=0)


def test_calls_are_counted_over_http_without_those_to_the_simulator(
    server: PortalServer, http: requests.Session
) -> None:
    http.get(f"{server.url}/services/two-factor/method?userId=x", timeout=5)
    http.get(f"{server.url}/simulator/settings", timeout=5)
    http.get(f"{server.url}/nothing", timeout=5)
    assert http.get(f"{server.url}/simulator/calls", timeout=5).json() == {"two_factor 200": 1, "other 404": 1}


def test_a_password_of_any_kind_survives_the_form() -> None:
    user = UserSpec(password="a&b=c+d%20 é#$*")
    portal = SimulatedPortal(World(users=(user,)), SystemClock())
    with PortalServer(portal) as server, requests.Session() as session:
        session.trust_env = False
        form = {"userId": user.username, "password": user.password}
        assert session.post(server.url + AUTH, data=form, timeout=5).json()["status"] == "SUCCESS"


def test_a_cut_off_answer_breaks_in_the_middle(server: PortalServer, http: requests.Session) -> None:
    user = server.portal.world.users[0]
    token = http.post(server.url + AUTH, data={"userId": user.username, "password": user.password}, timeout=5).json()[
        "authorizationToken"
    ]
    member = Member(*server.portal.world.locations)
    server.portal.settings = Settings(pending=0, poll=Poll.CUT_OFF)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        http.post(
            f"{server.url}/services/secured/utility-usage/poll",
            json=member.question(MIDNIGHT, NEXT),
            headers={"Authorization": f"Bearer {token}", "X-Nisc-Smarthub-Username": user.username},
            timeout=5,
        )


def test_a_second_portal_cannot_have_the_same_address(server: PortalServer) -> None:
    host, _, port = server.host.rpartition(":")
    with pytest.raises(ListenError, match=f"the simulated portal cannot listen on {server.host}: "):
        PortalServer(server.portal, host, int(port))


def test_an_answer_can_take_its_time(member: Member) -> None:
    member.sign_in()
    set_to(member, latency=4.0)
    assert member.poll(MIDNIGHT, NEXT).status == 200
    assert member.clock.slept == [4.0]
