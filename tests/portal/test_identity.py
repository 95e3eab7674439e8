"""Tests of what a host says about itself: when it is SmartHub, and how few requests show it."""

import ssl
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import requests
import requests_mock

from exporter.config import portal_address
from exporter.errors import ProtocolError, TransportError
from exporter.portal.identity import PortalIdentity, identify, site_name
from exporter.simulator.server import PortalServer

from ..support.clocks import ManualClock
from ..support.portal import Record, change

HOST = "novec.smarthub.coop"
URL = f"https://{HOST}"
PORTAL = portal_address("novec")
SITE_NAME, LOOKUP, METHOD, UI = (
    "/services/member/siteName",
    "/services/memberLookup/domain",
    "/services/two-factor/method",
    "/ui/",
)
PATHS = (SITE_NAME, LOOKUP, METHOD, UI)
Answer = Mapping[str, Any]
Answers = Mapping[str, Answer]
Ask = Callable[[Answers], tuple[PortalIdentity, list[str]]]
PAGE = {"text": "<!DOCTYPE html><html><title>Welcome</title><body>Pay with SmartHub</body></html>"}
MISSING: Answer = {"status_code": 404, "text": "not found"}
LOADING = {"text": "Loading Northern Electric SmartHub Application"}
COOP = {"domain": "novec", "name": "Northern Electric", "addressList": []}


def always(answer: Answer) -> Answers:
    return dict.fromkeys(PATHS, answer)


@pytest.fixture
def ask(requests_mock: requests_mock.Mocker, clock: ManualClock) -> Ask:
    """Return what a host with these answers is, and the paths that were asked for; others are 404."""

    def identified(answers: Answers) -> tuple[PortalIdentity, list[str]]:
        for path in PATHS:
            requests_mock.get(f"{URL}{path}", **answers.get(path, MISSING))
        found = identify(PORTAL, clock)
        return found, [each.url.removeprefix(URL) for each in requests_mock.request_history]

    return identified


@pytest.mark.parametrize(
    ("answers", "name", "asked"),
    [
        ({SITE_NAME: LOADING}, "Northern Electric", 1),
        ({SITE_NAME: {"text": '"Loading Northern Electric SmartHub Application"'}}, "Northern Electric", 1),
        ({SITE_NAME: {"text": "Loading SmartHub Application"}}, "", 1),
        ({SITE_NAME: {"text": "Loading SmartHub SmartHub Application"}}, "SmartHub", 1),
        ({LOOKUP: {"json": COOP}}, "Northern Electric", 2),
        ({LOOKUP: {"json": [COOP]}, SITE_NAME: PAGE}, "Northern Electric", 2),
        ({LOOKUP: {"json": {"domain": "novec"}}}, "", 2),
        ({METHOD: {"json": "NONE"}}, "", 3),
        ({METHOD: {"json": "TOTP"}, SITE_NAME: {"status_code": 302}, LOOKUP: {"status_code": 503}}, "", 3),
        ({UI: {"text": "<html><head><title>My SmartHub</title>"}}, "", 4),
        ({UI: {"text": "<html>SmartHub", "headers": {"Set-Cookie": "XSRF-TOKEN=1"}}}, "", 4),
    ],
)
def test_the_first_answer_like_smarthub_is_enough(ask: Ask, answers: Answers, name: str, asked: int) -> None:
    found, paths = ask(answers)
    assert found == PortalIdentity(name)
    assert paths == [SITE_NAME, f"{LOOKUP}?domain=novec", METHOD, UI][:asked]


@pytest.mark.parametrize(
    "answers",
    [
        always(PAGE),
        {},
        {SITE_NAME: {**LOADING, "status_code": 404}, LOOKUP: {"json": COOP, "status_code": 500}},
        {SITE_NAME: {"text": "Northern Electric"}, LOOKUP: {"json": []}, METHOD: {"json": {"method": "NONE"}}},
        {LOOKUP: {"json": None}, METHOD: {"text": "[" * 100_000}, UI: {"text": "SmartHub"}},
        {LOOKUP: {"json": [7]}, METHOD: {"json": 7}, UI: {"text": "<html>", "headers": {"Set-Cookie": "XSRF-TOKEN=1"}}},
        {SITE_NAME: {"content": b"x" * 2**21}, METHOD: {"status_code": 503}},
        always({"status_code": 302}),
    ],
)
def test_a_host_with_other_answers_is_foreign(ask: Ask, answers: Answers) -> None:
    found, paths = ask(answers)
    assert (found.is_foreign, found.name, len(paths)) == (True, "", 4)


def test_a_foreign_host_is_reported_by_its_name(ask: Ask) -> None:
    found, _ = ask({})
    assert str(found.error) == f"{HOST} does not look like a SmartHub portal; check api_url"


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError,
        requests.exceptions.SSLError(ssl.SSLError("wrong version number")),
        requests.exceptions.ConnectTimeout,
    ],
)
def test_a_host_that_cannot_be_reached_is_asked_once(ask: Ask, error: Exception) -> None:
    found, paths = ask(always({"exc": error}))
    assert isinstance(found.error, TransportError)
    assert (found.is_foreign, paths) == (False, [SITE_NAME])


def test_a_portal_that_is_down_is_not_foreign(ask: Ask) -> None:
    found, paths = ask(always({"status_code": 503}))
    assert isinstance(found.error, TransportError)
    assert len(paths) == 4


def test_a_portal_that_is_overloaded_is_not_asked_again(ask: Ask) -> None:
    found, paths = ask({SITE_NAME: {"status_code": 429}})
    assert (found.is_foreign, paths) == (False, [SITE_NAME])


def test_nothing_about_the_member_is_sent(portal: PortalServer, clock: ManualClock, record: Record) -> None:
    calls = record(portal)
    change(portal, foreign=True)
    assert identify(portal_address(portal.url), clock).is_foreign
    assert [(each.method, dict(each.query), each.body) for each in calls] == [
        ("GET", {}, b""),
        ("GET", {"domain": portal.host}, b""),
        ("GET", {}, b""),
        ("GET", {}, b""),
    ]
    assert not [each for each in calls if {"authorization", "cookie"} & each.headers.keys()]


@pytest.mark.parametrize(("nameless", "asked"), [(False, 1), (True, 3)])
def test_the_simulated_portal_is_smarthub(
    portal: PortalServer, clock: ManualClock, *, nameless: bool, asked: int
) -> None:
    change(portal, nameless=nameless)
    found = identify(portal_address(portal.url), clock)
    assert found == PortalIdentity("" if nameless else "Piedmont Simulated Electric")
    assert portal.portal.count == asked


# -- the name alone


def test_the_site_name_is_one_counted_request(portal: PortalServer, clock: ManualClock) -> None:
    seen: list[tuple[str, str]] = []
    name = site_name(portal_address(portal.url), clock, lambda endpoint, code, _: seen.append((endpoint, code)))
    assert (name, seen) == ("Piedmont Simulated Electric", [("site_name", "200")])


def test_a_missing_site_name_is_empty_or_an_error(requests_mock: requests_mock.Mocker, clock: ManualClock) -> None:
    requests_mock.get(f"{URL}{SITE_NAME}", [{**PAGE}, {"status_code": 503}, {"content": b"x" * 2**21}])
    assert site_name(PORTAL, clock, lambda *_: None) == ""
    for expected in (TransportError, ProtocolError):
        with pytest.raises(expected):
            site_name(PORTAL, clock, lambda *_: None)
