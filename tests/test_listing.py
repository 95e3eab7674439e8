"""Test where the locations of a login are taken from, and what is reported if they come from nowhere."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from exporter.config import LocationChoice, Login
from exporter.errors import AccessError, CredentialsError, PortalError, TransportError
from exporter.listing import Listing, list_locations
from exporter.lockout import Lockout
from exporter.portal.client import PortalClient
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, SignIn
from exporter.simulator.specs import LocationSpec
from exporter.simulator.world import World
from exporter.storage.state import StateFile

from .support.clocks import ManualClock
from .support.portal import StartPortal, change, login_of
from .support.worlds import BARN, HOUSE, METER, SMALL

CLOSED = LocationSpec("55001", "70003", (METER,), inactive=True)
WELL = LocationSpec("55002", "70004", (), industries=("WATER",), service_code="WATER")
ALL = World(locations=(HOUSE, BARN, CLOSED, WELL))
NAMED = LocationChoice("55001", "70001", "Farm house")
UNUSABLE = [
    *(Poll.PAGE, Poll.STATUS_401, Poll.STATUS_403, Poll.STATUS_404, Poll.STATUS_429, Poll.STATUS_500, Poll.STATUS_503),
    *(Poll.STATUS_204, Poll.NO_JSON, Poll.WRONG_SHAPE, Poll.NO_DATA, Poll.NO_ENTRY, Poll.NO_POINTS),
]
"""Answers to a request for a list that name no location."""

List = Callable[[Login], Listing]


@pytest.fixture
def state() -> Iterator[StateFile]:
    with closing(StateFile(None)) as state:
        yield state


@pytest.fixture
def listed(state: StateFile, clock: ManualClock) -> List:
    """List the locations of a login with a new client, as another process does."""

    def listed(login: Login) -> Listing:
        with closing(PortalClient(login, Lockout(login, state, clock), clock, lambda *_: None)) as client:
            return list_locations(login, client, state)

    return listed


def numbers(listing: Listing) -> list[str]:
    return [each.number for each in listing.locations]


def test_user_data_is_enough(portal: PortalServer, listed: List) -> None:
    listing = listed(login_of(portal))
    assert (numbers(listing), listing.warning) == (["70001"], "")
    assert portal.portal.calls == {("two_factor", 200): 1, ("auth", 200): 1, ("user_data", 200): 1}


@pytest.mark.parametrize("how", UNUSABLE)
def test_each_source_stands_in_for_the_one_before(
    portal: PortalServer, listed: List, state: StateFile, how: Poll
) -> None:
    change(portal, discovery=how)
    login = login_of(portal, None, NAMED)

    listing = listed(login)
    assert (numbers(listing), listing.locations[0].name) == (["70001"], None)
    assert listing.warning.endswith("; using the plain list of accounts")

    change(portal, accounts=how)
    listing = listed(login)
    assert numbers(listing) == ["70001"]
    assert listing.warning.endswith("; using the configured locations")

    change(portal, discovery=Poll.OK)
    first = listed(login)
    change(portal, discovery=how)
    listing = listed(login)
    assert listing.locations == first.locations
    assert listing.warning.endswith("; using the locations that it listed last")


@pytest.mark.parametrize("how", UNUSABLE)
def test_stand_ins_add_nothing_that_user_data_closed(start_portal: StartPortal, listed: List, how: Poll) -> None:
    portal = start_portal(ALL)
    before = listed(login_of(portal)).locations
    change(portal, discovery=how)
    for each in (CLOSED, WELL):
        portal.portal.world = World(locations=(replace(each, inactive=False),))
        assert listed(login_of(portal)).locations == before


def test_another_login_has_its_own_list(portal: PortalServer, listed: List) -> None:
    listed(login_of(portal))
    change(portal, discovery=Poll.NO_ENTRY)
    portal.portal.world = replace(SMALL, users=(replace(SMALL.users[0], username="other@example.org"),))
    listing = listed(login_of(portal, portal.portal.world.users[0]))
    assert listing.warning.endswith("; using the plain list of accounts")


@pytest.mark.parametrize("text", ["", "[]", "{", "[1]", '[{"account": "1"}]', "null"])
def test_a_list_of_another_version_is_not_used(portal: PortalServer, listed: List, state: StateFile, text: str) -> None:
    listed(login_of(portal))
    (login,) = state.read(lambda found: [key.account for key in found], "listing")
    state.keep_listing(login, text)
    change(portal, discovery=Poll.NO_ENTRY)
    assert listed(login_of(portal)).warning.endswith("; using the plain list of accounts")


@pytest.mark.parametrize(
    ("user_data", "plain", "kind"),
    [
        (Poll.NO_ENTRY, Poll.NO_DATA, AccessError),
        (Poll.STATUS_403, Poll.STATUS_401, AccessError),
        (Poll.NO_ENTRY, Poll.STATUS_500, TransportError),
        (Poll.STATUS_503, Poll.STATUS_403, TransportError),
    ],
)
def test_without_any_source_the_error_is_the_likeliest_to_pass(
    portal: PortalServer, listed: List, user_data: Poll, plain: Poll, kind: type[PortalError]
) -> None:
    change(portal, discovery=user_data, accounts=plain)
    # Neither choice names a location in full.
    login = login_of(portal, None, LocationChoice("55001"), LocationChoice(None, "70001"))
    with pytest.raises(PortalError) as caught:
        listed(login)
    assert type(caught.value) is kind


def test_the_error_says_what_was_tried(portal: PortalServer, listed: List) -> None:
    change(portal, discovery=Poll.STATUS_500, accounts=Poll.NO_ENTRY)
    with pytest.raises(TransportError) as caught:
        listed(login_of(portal))
    said, _, advice = str(caught.value).rpartition("); ")
    assert said.startswith("login coop: found no locations (the list of accounts: ")
    assert "; the plain list of accounts: " in said
    assert advice == "check whether the SmartHub website shows an account, or set account and service_location"


def test_the_error_carries_how_long_to_wait(portal: PortalServer, listed: List) -> None:
    change(portal, discovery=Poll.STATUS_429, accounts=Poll.NO_ENTRY)
    with pytest.raises(TransportError) as caught:
        listed(login_of(portal))
    assert caught.value.retry_after == 7


def test_a_failed_sign_in_is_not_repeated(portal: PortalServer, listed: List) -> None:
    change(portal, sign_in=SignIn.FAILURE)
    with pytest.raises(CredentialsError):
        listed(login_of(portal, None, NAMED))
    assert portal.portal.rejected_sign_ins["member@example.org"] == 1
