"""Test which locations are read through which login, and the errors."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.backfill.plan import DayRange, KnownSteps
from exporter.backfill.sources import Sources
from exporter.config import Config, ExporterConfig, LocationChoice, Login, Secret
from exporter.errors import (
    AccessError,
    ConfigError,
    PortalError,
    ProtocolError,
    SmartHubError,
    TransportError,
)
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Hourly, Poll
from exporter.simulator.specs import LocationSpec, Resolution, UserSpec
from exporter.simulator.world import World
from exporter.storage.state import StateFile

from ..support.clocks import ManualClock
from ..support.exporter import StartExporter
from ..support.portal import StartPortal, change, login_of
from ..support.worlds import BARN, BARN_METER, HOUSE, SMALL, TWO

DAYS = DayRange(None, None, 3)
FLAT = LocationSpec("55003", "70004", (), nickname="Old flat", inactive=True)
WELL = LocationSpec("55002", "70005", (), nickname="Well", industries=("WATER",), service_code="WATER")
ALL = World(locations=(HOUSE, BARN, FLAT, WELL))

USERS = UserSpec("a@example.org", accounts=("55002",)), UserSpec("b@example.org")
BOTH = "location 70001 of account 55001, location 70002 of account 55002"

MakeSources = Callable[..., Sources]


@pytest.fixture
def sources_of(clock: ManualClock, tmp_path: Path) -> Iterator[MakeSources]:
    with ExitStack() as stack:

        def make(*logins: Login, folder: Path | None = None) -> Sources:
            state = stack.enter_context(closing(StateFile(folder or tmp_path)))
            return stack.enter_context(closing(Sources(Config(logins, ExporterConfig()), state, clock)))

        yield make


def read(sources: Sources, *only: str) -> list[tuple[int, str, str | None]]:
    return [(job.source, job.key.location, job.name) for job in sources.jobs(DAYS, frozenset(only))]


def refusal(sources: Sources, kind: type[SmartHubError], *only: str) -> str:
    with pytest.raises(kind) as caught:
        sources.jobs(DAYS, frozenset(only))
    return str(caught.value)


def two_logins(portal: PortalServer) -> list[Login]:
    """Return `a`, which sees only the barn, and `b`, which sees both locations."""
    return [login_of(portal, user, name=name) for name, user in zip("ab", USERS, strict=True)]


def test_every_active_electric_location_is_read(sources_of: MakeSources, start_portal: StartPortal) -> None:
    portal = start_portal(ALL)
    jobs = sources_of(login_of(portal)).jobs(DAYS, frozenset())
    assert [(job.source, job.key.location, job.name) for job in jobs] == [(0, "70001", "House"), (0, "70002", "Barn")]
    assert {(job.key.portal, job.days, str(job.wall.zone)) for job in jobs} == {(portal.host, 3, "America/New_York")}


def test_a_job_has_the_configured_submeters(sources_of: MakeSources, start_portal: StartPortal) -> None:
    choices = (
        LocationChoice(service_location="70001", submeters=(("B7001", "7001"),)),
        LocationChoice(service_location="70002"),
    )
    jobs = sources_of(replace(login_of(start_portal(ALL)), locations=choices)).jobs(DAYS, frozenset())
    assert [job.submeters for job in jobs] == [{"B7001": "7001"}, {}]


@pytest.mark.parametrize(
    ("choices", "only", "expected"),
    [
        ((), ("70002",), [(0, "70002", "Barn")]),
        ((), ("70002", "70001"), [(0, "70001", "House"), (0, "70002", "Barn")]),
        # A closed location may still have history.
        ((), ("70004",), [(0, "70004", "Old flat")]),
        ((LocationChoice("55001", "70001", "Farm house"),), (), [(0, "70001", "Farm house")]),
        ((LocationChoice(None, "70001"),), ("70001",), [(0, "70001", "House")]),
    ],
)
def test_locations_are_chosen_by_flag_and_configuration(
    sources_of: MakeSources,
    start_portal: StartPortal,
    choices: tuple[LocationChoice, ...],
    only: tuple[str, ...],
    expected: list[tuple[int, str, str]],
) -> None:
    assert read(sources_of(login_of(start_portal(ALL), None, *choices)), *only) == expected


def test_the_plain_account_list_has_no_names(sources_of: MakeSources, start_portal: StartPortal) -> None:
    portal = start_portal(SMALL, discovery=Poll.WRONG_SHAPE)
    assert read(sources_of(login_of(portal))) == [(0, "70001", None)]


@pytest.mark.parametrize("how", [Poll.NO_ENTRY, Poll.STATUS_500, Poll.STATUS_404])
def test_a_location_named_in_full_needs_no_list(sources_of: MakeSources, start_portal: StartPortal, how: Poll) -> None:
    portal = start_portal(SMALL, discovery=how, accounts=how)
    sources = sources_of(login_of(portal, None, LocationChoice("55001", "70001", "Farm house")))
    assert read(sources) == [(0, "70001", "Farm house")]
    assert len(sources.notes) == 1


def test_a_shared_location_belongs_to_the_first_login(sources_of: MakeSources, start_portal: StartPortal) -> None:
    logins = two_logins(start_portal(replace(TWO, users=USERS)))
    sources = sources_of(*logins)
    assert read(sources) == [(0, "70002", "Barn"), (1, "70001", "House")]
    assert (sources.notes, sources.problems) == (
        ["location 70002 is read by login a, the first in the file; login b skips it"],
        [],
    )
    assert read(sources_of(*reversed(logins))) == [(0, "70001", "House"), (0, "70002", "Barn")]
    assert read(sources_of(*logins), "70002") == [(0, "70002", "Barn")]
    assert read(sources_of(*logins), "70001") == [(1, "70001", "House")]


def test_a_number_at_another_portal_is_another_location(sources_of: MakeSources, start_portal: StartPortal) -> None:
    portals = start_portal(TWO), start_portal(replace(TWO, zone="America/Denver"))
    logins = [login_of(portals[0], name="one"), login_of(portals[1], name="two", zone=ZoneInfo("America/Denver"))]
    jobs = sources_of(*logins).jobs(DAYS, frozenset(["70001"]))
    assert [(job.source, job.key.portal) for job in jobs] == [(0, portals[0].host), (1, portals[1].host)]
    assert jobs[1].start - jobs[0].start == 2 * 3600


@pytest.mark.parametrize(
    ("choices", "only", "kind", "said"),
    [
        (
            (),
            ("70001", "79999"),
            ConfigError,
            f"--location 79999 is not visible to any login; the logins can see {BOTH}",
        ),
        (
            (LocationChoice("55001", "70001"),),
            ("70002",),
            ConfigError,
            "--location 70002 is not among the configured locations; add it to the configuration",
        ),
        ((LocationChoice(None, "79999"),), (), AccessError, "login coop does not see location 79999"),
    ],
)
def test_a_location_that_cannot_be_read_is_reported(  # noqa: PLR0917 - fixtures
    sources_of: MakeSources,
    start_portal: StartPortal,
    choices: tuple[LocationChoice, ...],
    only: tuple[str, ...],
    kind: type[SmartHubError],
    said: str,
) -> None:
    assert refusal(sources_of(login_of(start_portal(TWO), None, *choices)), kind, *only).startswith(said)


def test_a_login_with_nothing_to_read_is_an_error(sources_of: MakeSources, start_portal: StartPortal) -> None:
    refusal(sources_of(login_of(start_portal(World(locations=(FLAT, WELL))))), AccessError)


def test_calls_are_counted_by_endpoint(sources_of: MakeSources, portal: PortalServer) -> None:
    sources = sources_of(login_of(portal))
    sources.jobs(DAYS, frozenset())
    assert dict(sources.requests) == {endpoint: count for (endpoint, _), count in portal.portal.calls.items()}
    assert sources.requests["poll"] == 0


def test_one_rejected_login_does_not_stop_the_others(sources_of: MakeSources, start_portal: StartPortal) -> None:
    portal = start_portal(TWO)
    sources = sources_of(login_of(portal, name="old", password="wrong"), login_of(portal, name="new"))
    assert read(sources) == [(1, "70001", "House"), (1, "70002", "Barn")]
    (problem,) = sources.problems
    assert problem.startswith("login old: ")


def test_if_all_logins_fail_all_reasons_are_reported(sources_of: MakeSources, start_portal: StartPortal) -> None:
    portal = start_portal(TWO)
    sources = sources_of(*(login_of(portal, name=name, password=name) for name in ("one", "two")))
    told = refusal(sources, AccessError)
    assert [part.partition(":")[0] for part in told.split("; login ")] == ["login one", "two"]


def test_a_missing_location_does_not_stop_the_others(sources_of: MakeSources, start_portal: StartPortal) -> None:
    choices = LocationChoice(None, "79999"), LocationChoice(None, "70001")
    sources = sources_of(login_of(start_portal(TWO), None, *choices))
    assert read(sources) == [(0, "70001", "House")]
    (problem,) = sources.problems
    assert "79999" in problem


@pytest.mark.parametrize("number", ["79999", "70001"])
def test_a_missing_number_names_the_login_that_failed(
    sources_of: MakeSources, start_portal: StartPortal, number: str
) -> None:
    portal = start_portal(replace(TWO, users=USERS))
    new, old = two_logins(portal)
    old = replace(old, password=Secret("wrong"))
    sources = sources_of(old, new)
    told = refusal(sources, AccessError, number, "70002")
    assert told == f"location {number} was not found, and not every login could be checked: {sources.problems[0]}"
    alone = sources_of(old, new)
    assert refusal(alone, AccessError, number) == alone.problems[0]


# -- current meters


def test_current_meters_have_a_resolution(sources_of: MakeSources, start_portal: StartPortal) -> None:
    daily = replace(BARN_METER, resolution=Resolution.DAYS)
    barn = replace(BARN, meters=(daily, replace(BARN_METER, number="81003", step=900)))
    sources = sources_of(login_of(start_portal(World(locations=(HOUSE, barn)))))
    house_job, barn_job = sources.jobs(DAYS, frozenset())
    assert sources.steps(house_job).steps == {"81001": 3600}
    assert sources.requests["poll"] == 1
    assert sources.steps(barn_job).steps == {"81002": 86400, "81003": 900}


@pytest.mark.parametrize(("poll", "error"), [(Poll.STATUS_503, TransportError), (Poll.FAILED, ProtocolError)])
def test_unknown_meters_are_an_error_not_a_guess(
    sources_of: MakeSources, start_portal: StartPortal, poll: Poll, error: type[PortalError]
) -> None:
    portal = start_portal(SMALL)
    sources = sources_of(login_of(portal))
    (only,) = sources.jobs(DAYS, frozenset())
    change(portal, poll=poll)
    with pytest.raises(error):
        sources.steps(only)


def test_finer_data_in_the_state_counts(
    sources_of: MakeSources, start_portal: StartPortal, start_exporter: StartExporter, tmp_path: Path
) -> None:
    portal = start_portal(SMALL)
    start_exporter(login_of(portal), folder=tmp_path).refresh()
    change(portal, hourly=Hourly.FAILED)
    fresh = sources_of(login_of(portal), folder=tmp_path / "fresh")
    (only,) = fresh.jobs(DAYS, frozenset())
    assert fresh.steps(only).steps == {"81001": 86400}
    with pytest.raises(ProtocolError):
        sources_of(login_of(portal), folder=tmp_path).steps(only)


def test_daily_data_beside_a_server_error_is_in_doubt(sources_of: MakeSources, start_portal: StartPortal) -> None:
    sources = sources_of(login_of(start_portal(SMALL, hourly=Hourly.STATUS_500)))
    (only,) = sources.jobs(DAYS, frozenset())
    known = sources.steps(only)
    assert known.steps == {"81001": 86400}
    assert isinstance(known.doubt, TransportError)


def test_meters_without_data_have_no_resolution(sources_of: MakeSources, start_portal: StartPortal) -> None:
    sources = sources_of(login_of(start_portal(SMALL, poll=Poll.NO_POINTS)))
    (only,) = sources.jobs(DAYS, frozenset())
    assert sources.steps(only) == KnownSteps()
