"""Which locations are read, through which login, and what is said where that cannot be."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from exporter.backfill.plan import DayRange, Job
from exporter.backfill.sources import Sources
from exporter.config import Config, ExporterConfig, LocationChoice, Login
from exporter.errors import AccessError, ConfigError, CredentialsError, PortalError, ProtocolError, TransportError
from exporter.simulator.demo_homes import DEMO_HOMES
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll
from exporter.simulator.specs import LocationSpec, Resolution, UserSpec
from exporter.simulator.world import World
from exporter.storage.state import StateFile

from ..support.clocks import ManualClock
from ..support.portal import StartPortal, change, login_of
from ..support.worlds import BARN, BARN_METER, HOUSE, SMALL, TWO

DAYS = DayRange(None, None, 3)
FLAT = LocationSpec("55003", "70004", (), nickname="Old flat", inactive=True)
WELL = LocationSpec("55002", "70005", (), nickname="Well", industries=("WATER",), service_code="WATER")
ALL = World(locations=(HOUSE, BARN, FLAT, WELL))

Ask = Callable[..., list[Job]]


@pytest.fixture
def sources_of(clock: ManualClock) -> Iterator[Callable[..., Sources]]:
    with ExitStack() as stack:

        def make(*logins: Login) -> Sources:
            state = stack.enter_context(closing(StateFile(None)))
            return stack.enter_context(Sources(Config(logins, ExporterConfig()), state, clock))

        yield make


@pytest.fixture
def ask(sources_of: Callable[..., Sources]) -> Ask:
    return lambda *logins, only=(): sources_of(*logins).jobs(DAYS, frozenset(only))


def read(jobs: list[Job]) -> list[tuple[int, str, str]]:
    return [(job.source, job.key.location, job.name) for job in jobs]


def test_every_active_electric_location_is_read(ask: Ask, start_portal: StartPortal) -> None:
    portal = start_portal(ALL)
    jobs = ask(login_of(portal))
    assert read(jobs) == [(0, "70001", "House"), (0, "70002", "Barn")]
    assert {(job.key.portal, job.days, str(job.wall.zone)) for job in jobs} == {(portal.host, 3, "America/New_York")}


def test_a_configured_name_is_used_instead_of_the_members_own(ask: Ask, start_portal: StartPortal) -> None:
    choice = LocationChoice("55001", "70001", "Farm house")
    assert read(ask(login_of(start_portal(ALL), None, choice))) == [(0, "70001", "Farm house")]


def test_a_location_that_several_logins_see_belongs_to_the_first(ask: Ask, start_portal: StartPortal) -> None:
    users = UserSpec("a@example.org", accounts=("55002",)), UserSpec("b@example.org")
    portal = start_portal(replace(TWO, users=users))
    logins = [login_of(portal, user, name=user.username) for user in users]
    assert read(ask(*logins)) == [(0, "70002", "Barn"), (1, "70001", "House")]
    assert read(ask(*reversed(logins))) == [(0, "70001", "House"), (0, "70002", "Barn")]
    assert read(ask(*logins, only=["70002"])) == [(0, "70002", "Barn")]
    assert read(ask(*logins, only=["70001"])) == [(1, "70001", "House")]


def test_the_same_numbers_at_another_portal_are_another_location(ask: Ask, start_portal: StartPortal) -> None:
    portals = start_portal(TWO), start_portal(replace(TWO, zone="America/Denver"))
    zones = ZoneInfo("America/New_York"), ZoneInfo("America/Denver")
    logins = [
        login_of(portal, name=f"coop{number}", zone=zone)
        for number, (portal, zone) in enumerate(zip(portals, zones, strict=True))
    ]
    jobs = ask(*logins, only=["70001"])
    assert [(job.source, job.key.portal, job.key.location) for job in jobs] == [
        (0, portals[0].host, "70001"),
        (1, portals[1].host, "70001"),
    ]
    assert jobs[1].start - jobs[0].start == 2 * 3600


def test_locations_are_chosen_by_their_numbers(ask: Ask, start_portal: StartPortal) -> None:
    login = login_of(start_portal(ALL))
    assert read(ask(login, only=["70002"])) == [(0, "70002", "Barn")]
    assert read(ask(login, only=["70002", "70001"])) == [(0, "70001", "House"), (0, "70002", "Barn")]


def test_a_closed_location_is_read_when_it_is_named(ask: Ask, start_portal: StartPortal) -> None:
    """Its history may still be wanted."""
    assert read(ask(login_of(start_portal(ALL)), only=["70004"])) == [(0, "70004", "Old flat")]


@pytest.mark.parametrize("only", [["79999"], ["70001", "79999"]])
def test_a_number_that_nobody_sees_is_told_with_those_that_are_seen(
    ask: Ask, start_portal: StartPortal, only: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        ask(login_of(start_portal(TWO)), only=only)
    assert str(caught.value) == (
        "--location 79999: no login sees it; they see location 70001 of account 55001, location 70002 of account 55002"
    )


def test_a_number_that_the_configuration_leaves_out_is_told_as_that(ask: Ask, start_portal: StartPortal) -> None:
    login = login_of(start_portal(TWO), None, LocationChoice("55001", "70001"))
    with pytest.raises(ConfigError) as caught:
        ask(login, only=["70002"])
    assert str(caught.value) == "--location 70002: the configuration names other locations; add it there"


def test_a_configured_location_that_the_login_does_not_see_is_told(ask: Ask, start_portal: StartPortal) -> None:
    with pytest.raises(AccessError) as caught:
        ask(login_of(start_portal(TWO), None, LocationChoice(None, "79999")))
    assert str(caught.value) == (
        "login coop does not see location 79999; it sees location 70001 of account 55001, location 70002 of account"
        " 55002; correct the configuration"
    )
    assert read(ask(login_of(start_portal(TWO), None, LocationChoice(None, "70001")), only=["70001"]))


def test_a_login_with_nothing_to_read_is_told(ask: Ask, start_portal: StartPortal) -> None:
    portal = start_portal(World(locations=(FLAT, WELL)))
    with pytest.raises(AccessError) as caught:
        ask(login_of(portal))
    assert str(caught.value).startswith("login coop sees no active electric service location; it sees ")


def test_a_wrong_password_is_tried_once(ask: Ask, portal: PortalServer) -> None:
    with pytest.raises(CredentialsError):
        ask(login_of(portal, password="wrong"))
    assert portal.portal.most_refused["member@example.org"] == 1


def test_calls_are_counted_by_what_was_called(sources_of: Callable[..., Sources], portal: PortalServer) -> None:
    sources = sources_of(login_of(portal))
    sources.jobs(DAYS, frozenset())
    assert dict(sources.requests) == {endpoint: count for (endpoint, _), count in portal.portal.calls.items()}
    assert sum(sources.requests.values()) == portal.portal.count
    assert sources.requests["poll"] == 0


def test_the_home_of_the_demo_is_read_as_it_is_served(ask: Ask, start_portal: StartPortal) -> None:
    jobs = ask(login_of(start_portal(World(locations=DEMO_HOMES))))
    assert [job.key.location for job in jobs] == ["70001", "70002", "70003"]


def test_what_another_login_reads_already_is_noted(
    sources_of: Callable[..., Sources], start_portal: StartPortal
) -> None:
    users = UserSpec("a@example.org", accounts=("55002",)), UserSpec("b@example.org")
    portal = start_portal(replace(TWO, users=users))
    sources = sources_of(*(login_of(portal, user, name=name) for user, name in zip(users, "ab", strict=True)))
    assert read(sources.jobs(DAYS, frozenset())) == [(0, "70002", "Barn"), (1, "70001", "House")]
    assert (sources.notes, sources.problems) == (["location 70002 is read by login a, not by login b too"], [])


def test_one_login_that_is_refused_does_not_keep_the_others(
    sources_of: Callable[..., Sources], start_portal: StartPortal
) -> None:
    portal = start_portal(TWO)
    sources = sources_of(login_of(portal, name="old", password="wrong"), login_of(portal, name="new"))
    assert read(sources.jobs(DAYS, frozenset())) == [(1, "70001", "House"), (1, "70002", "Barn")]
    (problem,) = sources.problems
    assert problem.startswith("login old: the portal refused user name or password (status 200, it said FAILURE);")


def test_where_no_login_can_be_asked_all_the_reasons_are_told(
    sources_of: Callable[..., Sources], start_portal: StartPortal
) -> None:
    portal = start_portal(TWO)
    sources = sources_of(*(login_of(portal, name=name, password=name) for name in ("one", "two")))
    with pytest.raises(AccessError) as caught:
        sources.jobs(DAYS, frozenset())
    assert [part.partition(":")[0] for part in str(caught.value).split("; login ")] == ["login one", "two"]


def test_one_chosen_location_that_is_not_seen_does_not_keep_the_others(
    sources_of: Callable[..., Sources], start_portal: StartPortal
) -> None:
    choices = LocationChoice(None, "79999"), LocationChoice(None, "70001")
    sources = sources_of(login_of(start_portal(TWO), None, *choices))
    assert read(sources.jobs(DAYS, frozenset())) == [(0, "70001", "House")]
    (problem,) = sources.problems
    assert problem == (
        "login coop does not see location 79999; it sees location 70001 of account 55001, location 70002 of account"
        " 55002; correct the configuration"
    )


@pytest.mark.parametrize("number", ["79999", "70001"])
def test_a_number_that_the_login_that_could_not_be_asked_may_see_is_told_with_its_reason(
    sources_of: Callable[..., Sources], start_portal: StartPortal, number: str
) -> None:
    users = UserSpec("a@example.org"), UserSpec("b@example.org", accounts=("55002",))
    portal = start_portal(replace(TWO, users=users))
    old, new = login_of(portal, users[0], name="old", password="wrong"), login_of(portal, users[1], name="new")
    sources = sources_of(old, new)
    with pytest.raises(AccessError) as caught:
        sources.jobs(DAYS, frozenset([number, "70002"]))
    (problem,) = sources.problems
    assert problem.startswith("login old: the portal refused user name or password")
    assert str(caught.value) == f"location {number} was not found, and not every login could be asked: {problem}"
    assert caught.value.exit_code == 1
    with pytest.raises(AccessError) as alone:
        sources_of(old, new).jobs(DAYS, frozenset([number]))
    assert str(alone.value) == problem


# -- the present meters


def test_the_present_meters_tell_their_resolution(
    sources_of: Callable[..., Sources], start_portal: StartPortal
) -> None:
    daily = replace(BARN_METER, resolution=Resolution.DAYS)
    barn = replace(BARN, meters=(daily, replace(BARN_METER, number="81003", step=900)))
    sources = sources_of(login_of(start_portal(World(locations=(HOUSE, barn)))))
    house_job, barn_job = sources.jobs(DAYS, frozenset())
    assert sources.steps(house_job) == {"81001": 3600}
    assert sources.requests["poll"] == 1
    assert sources.steps(barn_job) == {"81002": 86400, "81003": 900}


@pytest.mark.parametrize(("poll", "error"), [(Poll.STATUS_503, TransportError), (Poll.FAILED, ProtocolError)])
def test_a_portal_that_does_not_tell_the_present_meters_is_an_error_and_no_guess(
    sources_of: Callable[..., Sources], start_portal: StartPortal, poll: Poll, error: type[PortalError]
) -> None:
    portal = start_portal(SMALL)
    sources = sources_of(login_of(portal))
    (only,) = sources.jobs(DAYS, frozenset())
    change(portal, poll=poll)
    with pytest.raises(error):
        sources.steps(only)


def test_meters_that_do_not_show_tell_nothing(sources_of: Callable[..., Sources], start_portal: StartPortal) -> None:
    sources = sources_of(login_of(start_portal(SMALL, poll=Poll.NO_POINTS)))
    (only,) = sources.jobs(DAYS, frozenset())
    assert sources.steps(only) == {}
