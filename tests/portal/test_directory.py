"""Tests of the directory of co-ops what is looked up, what is sent, and each kind of answer."""

import socket
from dataclasses import replace
from typing import Any

import pytest
import requests_mock

from exporter.errors import DirectoryError
from exporter.httpcall import CallLimits
from exporter.portal.directory import Coop, Directory, is_name
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Search

from ..support.portal import Record, change
from ..support.raw_server import listening

URL = "https://config.smarthub.coop/services/memberLookup/name"
HIT = {"domain": "novec", "name": "Northern Electric", "addressList": [{"city": "Manassas", "state": "VA"}]}


def found(name: str, mocker: requests_mock.Mocker, **answer: Any) -> list[Coop]:  # noqa: ANN401
    mocker.get(URL, **answer)
    return Directory().search(name)


def failure(mocker: requests_mock.Mocker, **answer: Any) -> str:  # noqa: ANN401
    with pytest.raises(DirectoryError) as caught:
        found("northern", mocker, **answer)
    return str(caught.value)


@pytest.mark.parametrize("text", ["Wake Electric", " wemc ", "Mt. Wheeler Power", "St. Croix", "novec123"])
def test_names_may_be_looked_up(text: str) -> None:
    assert is_name(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://wemc",
        "https://wemc.smarthub.coop/ui",
        "wemc.smarthub.coop",
        "wemc.smarthub.coop.",
        "wemc/",
        "127.0.0.1",
        "127.0.0.1:10059",
        "192.168.1.7",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "[::1]",
        "::1",
        "member@example.org",
        "Wake wemc.smarthub.coop",
    ],
)
def test_addresses_are_never_looked_up(text: str) -> None:
    assert not is_name(text)


def test_only_what_was_typed_is_sent(requests_mock: requests_mock.Mocker) -> None:
    found(" Wake & Electric ", requests_mock, json=[])
    (request,) = requests_mock.request_history
    assert (request.method, request.qs, request.body) == ("GET", {"name": ["wake & electric"]}, None)
    assert not {"Authorization", "Cookie", "X-Nisc-Smarthub-Username"} & request.headers.keys()


@pytest.mark.parametrize("text", ["", "  ", "ec", "e. c.", "--"])
def test_few_letters_are_refused_before_any_request(requests_mock: requests_mock.Mocker, text: str) -> None:
    with pytest.raises(DirectoryError, match="at least 3 letters"):
        found(text, requests_mock, json=[HIT])
    assert requests_mock.request_history == []


def test_a_hit_has_its_portal_name_and_place(requests_mock: requests_mock.Mocker) -> None:
    (coop,) = found("northern", requests_mock, json=[HIT])
    assert (coop.portal.base_url, coop.name, coop.place) == (
        "https://novec.smarthub.coop",
        "Northern Electric",
        "Manassas, VA",
    )


@pytest.mark.parametrize("addresses", [None, [], [7], "Manassas", [{}], [{"city": None, "state": 7}]])
def test_a_place_may_be_missing(requests_mock: requests_mock.Mocker, addresses: object) -> None:
    (coop,) = found("northern", requests_mock, json=[{**HIT, "addressList": addresses}])
    assert coop.place == ""


def test_no_hit_and_several(requests_mock: requests_mock.Mocker) -> None:
    assert found("northern", requests_mock, json=[]) == []
    several = found("northern", requests_mock, json=[HIT, {**HIT, "domain": "nrec.smarthub.coop"}])
    assert [each.portal.label for each in several] == ["novec", "nrec"]


@pytest.mark.parametrize("domain", ["evil.example", "https://evil.example", "127.0.0.1:80", "a b", "", None, 7])
def test_a_hit_elsewhere_is_left_out(requests_mock: requests_mock.Mocker, domain: object) -> None:
    """Only portals of SmartHub are offered: a password is typed next."""
    hits = [{**HIT, "domain": domain}, HIT]
    assert [each.portal.label for each in found("northern", requests_mock, json=hits)] == ["novec"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"text": "<html>offline"}, "the directory of co-ops sent a web page instead of data; try again later"),
        ({"status_code": 404}, "the directory of co-ops returned status 404; try again later"),
        ({"text": "{"}, "the directory of co-ops sent a response of unknown shape"),
        ({"json": {"hits": []}}, "the directory of co-ops sent a response of unknown shape"),
        ({"json": [7]}, "the directory of co-ops sent a response of unknown shape"),
        ({"json": [{"name": "Northern Electric"}]}, "the directory of co-ops lists it without an address"),
        ({"exc": OSError}, "the directory of co-ops cannot be reached; check the network"),
    ],
)
def test_a_failure_is_one_line(requests_mock: requests_mock.Mocker, answer: dict[str, object], message: str) -> None:
    assert failure(requests_mock, **answer) == message


def test_a_silent_directory_is_not_waited_for() -> None:
    limits = CallLimits(connect=0.05, read=0.05, total=0.1)
    with listening() as listen, pytest.raises(DirectoryError):
        Directory(f"http://{listen(drain)}", limits).search("northern")


def drain(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


# -- the simulated directory


def test_the_simulated_directory_leads_to_its_portal(portal: PortalServer, record: Record) -> None:
    calls = record(portal)
    (coop,) = Directory(portal.url).search("Piedmont")
    assert (coop.portal.base_url, coop.name) == (portal.url, "Piedmont Simulated Electric")
    assert [(each.path, dict(each.query)) for each in calls] == [
        ("/services/memberLookup/name", {"name": "Piedmont"}),
    ]


def test_its_name_can_be_anything(portal: PortalServer) -> None:
    portal.portal.world = replace(portal.portal.world, name="<b>Wake</b>\x1b[31m &amp; Electric " + "x" * 10_000)
    (coop,) = Directory(portal.url).search("electric")
    assert coop.name.startswith("Wake [31m & Electric xxx")
    assert len(coop.name) == 80


@pytest.mark.parametrize(("how", "count"), [(Search.OK, 1), (Search.THREE, 3), (Search.NONE, 0)])
def test_its_hits_can_be_chosen(portal: PortalServer, how: Search, count: int) -> None:
    change(portal, directory=how)
    assert len(Directory(portal.url).search("piedmont")) == count
    assert len(Directory(portal.url).search("simulated")) == min(count, 1)
    assert Directory(portal.url).search("iedmont") == []


@pytest.mark.parametrize("how", [Search.PAGE, Search.STATUS_404, Search.NO_DOMAIN])
def test_its_failures_can_be_chosen(portal: PortalServer, how: Search) -> None:
    change(portal, directory=how)
    with pytest.raises(DirectoryError):
        Directory(portal.url).search("piedmont")


def test_it_can_be_slow(portal: PortalServer) -> None:
    before = portal.portal.clock.now()
    change(portal, directory=Search.SLOW)
    assert len(Directory(portal.url).search("piedmont")) == 1
    assert portal.portal.clock.now() - before == 60
