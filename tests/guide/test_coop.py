"""Tests of the dialog about the co-op: from what is typed to a confirmed address."""

import getpass
import io
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from exporter.clock import Clock
from exporter.config import PortalAddress, portal_address
from exporter.errors import ConfigError, DirectoryError, PortalError, TransportError
from exporter.guide.coop import CoopDialog, described, find_portal, search_rows
from exporter.portal.directory import Coop, Directory
from exporter.portal.identity import PortalIdentity, identify
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Search
from exporter.terminal import Terminal, input_on_stderr

from ..support.portal import Record, StartPortal, change

NAME = "Piedmont Simulated Electric"
QUESTION = "Your co-op, or its SmartHub address"
FIRST = f"{QUESTION} (such as novec.smarthub.coop): "
CONFIRM = "Is this your co-op? [Y/n]: "
NOWHERE = "127.0.0.1:9"  # nothing listens on the discard port
Talk = Callable[..., tuple[str, str]]


@pytest.fixture
def talk(
    portal: PortalServer, clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Talk:
    """Type lines at the dialog; return its answer and everything on the screen."""

    def typed(*lines: str) -> tuple[str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        monkeypatch.setattr(getpass, "getpass", input_on_stderr)
        answer = CoopDialog(Terminal(), Directory(portal.url), clock).ask()
        return answer, capsys.readouterr().err

    return typed


def searches(portal: PortalServer) -> int:
    return sum(count for (endpoint, _), count in portal.portal.calls.items() if endpoint == "directory")


# -- an address


def test_an_address_is_confirmed_by_its_name(portal: PortalServer, talk: Talk) -> None:
    answer, shown = talk(portal.url, "")
    assert answer == portal.url
    assert shown == f"{FIRST}{portal.host}: {NAME}\n{CONFIRM}"
    assert portal.portal.calls == {("site_name", 200): 1}


def test_another_co_op_can_be_typed_after_no(start_portal: StartPortal, portal: PortalServer, talk: Talk) -> None:
    other = start_portal(replace(portal.portal.world, name="Another Electric"))
    answer, shown = talk(other.url, "n", portal.url, "y")
    assert answer == portal.url
    assert f"{QUESTION} [{other.url}]: " in shown


def test_a_typo_is_found_at_once_and_offered_again(portal: PortalServer, talk: Talk) -> None:
    answer, shown = talk(f"http://{NOWHERE}", "", "ftp://x", portal.url, "")
    assert answer == portal.url
    assert shown.count(f"  {NOWHERE} refused the connection\n") == 2
    assert "  must begin with http:// or https://\n" in shown
    assert f"{QUESTION} [http://{NOWHERE}]: " in shown


@pytest.mark.parametrize(("wanted", "expected"), [("y", True), ("", False), ("n", False)])
def test_a_foreign_host_is_used_only_if_wanted(
    portal: PortalServer, talk: Talk, wanted: str, *, expected: bool
) -> None:
    change(portal, foreign=True)
    answer, shown = talk(portal.url, wanted)
    assert (answer == portal.url) is expected
    assert "\n  Use it anyway? [y/N]: " in shown


def test_a_portal_without_a_name_is_asked_about_too(portal: PortalServer, talk: Talk) -> None:
    change(portal, nameless=True)
    answer, shown = talk(portal.url, "")
    assert answer == portal.url
    assert f"{portal.host}: a SmartHub portal that does not name its co-op\n{CONFIRM}" in shown


def test_no_answer_ends_the_dialog(portal: PortalServer, talk: Talk) -> None:
    assert talk()[0] == talk("")[0] == ""
    assert talk(portal.url)[0] == ""  # the end of the input confirms nothing


# -- a name


def test_one_hit_is_confirmed(portal: PortalServer, talk: Talk) -> None:
    answer, shown = talk("Piedmont", "")
    assert answer == portal.url
    assert shown == f"{FIRST}{portal.host}: {NAME}\n{CONFIRM}"
    assert searches(portal) == 1


def test_several_hits_are_listed_with_their_places(portal: PortalServer, talk: Talk) -> None:
    change(portal, directory=Search.THREE)
    answer, shown = talk("piedmont", "4", "x", "1", "")
    assert answer == portal.url
    assert f"   1  {NAME} (Springfield, NC)\n   2  Piedmont Imagined Power (Fairview, VA)\n" in shown
    assert shown.count("  enter a number from 1 to 3\n") == 2


def test_none_of_several_hits_may_be_right(portal: PortalServer, talk: Talk) -> None:
    change(portal, directory=Search.THREE)
    answer, shown = talk("piedmont", "", portal.url, "")
    assert answer == portal.url
    assert f"{QUESTION} [piedmont]: " in shown


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        (Search.NONE, "not in the directory of co-ops"),
        (Search.PAGE, "the directory of co-ops sent a web page instead of data"),
        (Search.STATUS_404, "the directory of co-ops returned status 404"),
        (Search.NO_DOMAIN, "the directory of co-ops lists it without an address"),
    ],
)
def test_without_a_hit_the_name_may_be_the_host(
    portal: PortalServer, talk: Talk, monkeypatch: pytest.MonkeyPatch, how: Search, problem: str
) -> None:
    change(portal, directory=how)
    asked: list[str] = []

    def unreachable(where: PortalAddress, _: Clock) -> PortalIdentity:
        asked.append(where.base_url)
        return PortalIdentity(error=TransportError("host not found"))

    monkeypatch.setattr("exporter.guide.coop.identify", unreachable)  # tests reach nothing but loopback
    _, shown = talk("piedmont", "", "Piedmont Electric")
    assert f"  {problem}; trying piedmont.smarthub.coop\n" in shown
    assert asked == ["https://piedmont.smarthub.coop"] * 2
    assert shown.count("; type the address of the page where you sign in\n") == 1


def test_few_letters_cause_no_request(portal: PortalServer, talk: Talk) -> None:
    answer, shown = talk("ec", portal.url, "")
    assert answer == portal.url
    assert "  type at least 3 letters of the name, or the whole address\n" in shown
    assert searches(portal) == 0


def test_the_directory_gets_only_what_was_typed(portal: PortalServer, talk: Talk, record: Record) -> None:
    calls = record(portal)
    talk("Piedmont Simulated", "")
    assert [dict(each.query) for each in calls if each.path.endswith("/name")] == [{"name": "Piedmont Simulated"}]
    assert not any(each.body for each in calls)


# -- an address from the configuration


def dialog(portal: PortalServer, clock: Clock) -> CoopDialog:
    return CoopDialog(Terminal(), Directory(portal.url), clock)


def test_a_configured_address_is_confirmed_before_a_question(
    portal: PortalServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    coop = dialog(portal, clock)
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    for _ in ("user name", "password"):
        coop.check(portal.url)
    assert portal.portal.count == 1
    coop.check("not valid: reported with the configuration")


@pytest.mark.parametrize(("switches", "kind"), [({}, ConfigError), ({"foreign": True}, PortalError)])
def test_a_configured_address_may_be_the_wrong_one(
    portal: PortalServer,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    switches: dict[str, object],
    kind: type[Exception],
) -> None:
    change(portal, **switches)
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    with pytest.raises(kind):
        dialog(portal, clock).check(portal.url)


def test_without_a_terminal_a_foreign_host_is_an_error(portal: PortalServer, clock: Clock) -> None:
    change(portal, foreign=True)
    where = portal_address(portal.url)
    with pytest.raises(PortalError):
        dialog(portal, clock).accept(where, identify(where, clock), is_interactive=False)


# -- without asking


def coops(*names: str) -> list[Coop]:
    return [Coop(portal_address(name[:3].lower()), name, "Springfield", "NC") for name in names]


def test_a_single_hit_needs_no_question() -> None:
    assert find_portal("Wake Electric", lambda _: coops("Wake Electric")) == "https://wak.smarthub.coop"


def test_several_hits_are_listed_as_a_usage_error() -> None:
    with pytest.raises(ConfigError) as caught:
        find_portal("Wake", lambda _: coops("Wake Electric", "Elk Wake"))
    assert caught.value.problems == (
        "SMARTHUB_API_URL: 2 co-ops have this name; set the address of the portal",
        "  Wake Electric (Springfield, NC): wak.smarthub.coop",
        "  Elk Wake (Springfield, NC): elk.smarthub.coop",
    )


def refuse(_: str) -> list[Coop]:
    raise DirectoryError("it is down")


@pytest.mark.parametrize("search", [lambda _: [], refuse])
def test_no_hit_is_a_usage_error(search: Callable[[str], list[Coop]]) -> None:
    with pytest.raises(ConfigError, match="set the address of the portal"):
        find_portal("Wake", search)


def test_a_co_op_fits_on_a_line() -> None:
    (coop,) = coops("Wake " + "x" * 100)
    assert described(coop) == "Wake " + "x" * 45 + " (Springfield, NC)"
    assert search_rows([coop]) == [(coop.name, "Springfield, NC", "wak.smarthub.coop")]
