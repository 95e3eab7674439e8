"""Tests of the search for the zone of a portal with few calls."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from exporter.discovery.survey import PENDING_BUDGET
from exporter.errors import AccessError, PendingError, TransportError
from exporter.portal.client import PortalClient
from exporter.portal.timezone_search import search_zone
from exporter.simulator.household import Household
from exporter.simulator.portal import Call, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, SignIn, Span
from exporter.simulator.specs import MeterSpec, Resolution
from exporter.simulator.world import World

from ..support.clocks import ManualClock
from ..support.portal import StartPortal, change
from ..support.surveys import HOUR, Sign, polls, world
from ..support.worlds import BARN, BARN_METER, HOUSE, METER, NOW, instant

DAYS_METER = MeterSpec("81009", Household(9), resolution=Resolution.DAYS)
MONTHS_METER = MeterSpec("81008", Household(8), resolution=Resolution.MONTHS)


def zones_of(client: PortalClient, clock: ManualClock) -> tuple[str, ...]:
    return search_zone(client, client.locations(), clock).zones


@pytest.mark.parametrize("zone", ["America/New_York", "America/Phoenix", "Pacific/Palau"])
@pytest.mark.parametrize("step", [900, 3600])
def test_two_calls_show_the_zone(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, zone: str, step: int
) -> None:
    portal = start_portal(world(replace(METER, step=step), zone=zone))
    client = sign_in(portal)
    assert zones_of(client, clock) == (zone,)
    assert polls(portal) == 2


@pytest.mark.parametrize("now", [f"2026-{month:02}-{day:02}" for month in (3, 11) for day in (1, 9, 12, 16, 20)])
@pytest.mark.parametrize("zone", ["America/Phoenix", "America/Denver", "Pacific/Honolulu", "America/Adak"])
def test_zone_is_found_just_after_a_clock_change(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, zone: str, now: str
) -> None:
    clock.move_to(datetime.fromisoformat(now).replace(hour=17, tzinfo=UTC).timestamp())
    client = sign_in(start_portal(world(replace(METER, step=3600), zone=zone)))
    assert zones_of(client, clock) == (zone,)


def test_next_location_is_probed_if_one_shows_nothing(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    zone = "America/Phoenix"
    portal = start_portal(World(zone=zone, locations=(HOUSE, BARN)), gaps=(Span("81001", 0, NOW),))
    client = sign_in(portal)
    assert zones_of(client, clock) == (zone,)
    assert polls(portal) <= 6


def test_location_without_access_does_not_hide_the_zone(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    portal = start_portal(World(locations=(HOUSE, BARN)), refused_locations=("70001",))
    client = sign_in(portal)
    assert zones_of(client, clock) == ("America/New_York",)


def test_daily_meter_shows_the_zone_by_its_bills(start_portal: StartPortal, sign_in: Sign, clock: ManualClock) -> None:
    client = sign_in(start_portal(world(DAYS_METER)))
    assert zones_of(client, clock) == ("America/New_York",)


def test_history_of_one_season_leaves_the_equal_zones(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    client = sign_in(start_portal(world(connected="2025-12-01", zone="America/Phoenix")))
    assert zones_of(client, clock) == ("America/Denver", "America/Phoenix")


def unbilled(*meters: MeterSpec, connected: str = "2026-01-14", zone: str = "America/New_York") -> World:
    """Return a world of houses connected recently, so that no bill shows the zone."""
    houses = [
        replace(HOUSE, number=f"7000{number}", meters=(meter,), connected=connected)
        for number, meter in enumerate(meters, start=1)
    ]
    return World(zone=zone, locations=tuple(houses))


@pytest.mark.parametrize("how", [Poll.STATUS_500, Poll.STATUS_503, Poll.PENDING])
def test_search_ends_if_the_portal_is_down_or_computing(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, how: Poll
) -> None:
    portal = start_portal(unbilled(METER, BARN_METER))
    client = sign_in(portal)
    client.pending_budget = PENDING_BUDGET
    first, second = client.locations()
    change(portal, poll=how)
    search = search_zone(client, (first, second), clock)

    assert search.evidence == ()
    assert search.error is search.errors[first]
    expected = PendingError if how is Poll.PENDING else TransportError
    assert isinstance(search.error, expected)
    assert "HOURLY data of location 70001 from 2026-01-05 to 2026-01-06" in str(search.error) or how is Poll.STATUS_503
    assert isinstance(search.errors[second], expected)
    assert str(search.errors[second]).startswith("not requested because ")
    assert sum(clock.slept) <= 60


def test_evidence_before_a_failure_is_kept(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal = start_portal(unbilled(METER, connected="2025-12-01"))
    client = sign_in(portal)
    poll, seen = portal.portal._poll, []

    def first_poll_only(call: Call) -> SimulatedResponse:
        seen.append(call)
        return poll(call) if len(seen) == 1 else SimulatedResponse(500, b"")

    monkeypatch.setattr(portal.portal, "_poll", first_poll_only)
    search = search_zone(client, client.locations(), clock)
    assert search.zones == ("America/New_York",)
    assert isinstance(search.error, TransportError)
    assert search.errors == {}


def test_error_of_each_location_is_reported(start_portal: StartPortal, sign_in: Sign, clock: ManualClock) -> None:
    portal = start_portal(unbilled(METER, BARN_METER), poll=Poll.STATUS_403)
    client = sign_in(portal)
    search = search_zone(client, client.locations(), clock)
    assert [(place.number, type(error)) for place, error in search.errors.items()] == [
        ("70001", AccessError),
        ("70002", AccessError),
    ]
    assert search.error is list(search.errors.values())[-1]


def test_location_that_answers_has_no_error(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only old data is refused, as by a portal that keeps one year."""
    portal = start_portal(unbilled(METER))
    client = sign_in(portal)
    refuse_before(portal, instant("2026-01-05"), monkeypatch)
    search = search_zone(client, client.locations(), clock)
    assert (search.errors, search.error) == ({}, None)


def refuse_before(portal: PortalServer, instant: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a portal refuse ranges that begin before an instant."""
    poll = portal.portal._poll

    def poll_or_refuse(call: Call) -> SimulatedResponse:
        is_old = json.loads(call.body)["startDateTime"] < instant * 1000
        return SimulatedResponse(403, b"no access", "text/plain") if is_old else poll(call)

    monkeypatch.setattr(portal.portal, "_poll", poll_or_refuse)


ZONES = ("America/New_York", "America/Los_Angeles", "Pacific/Honolulu", "Pacific/Guam", "Pacific/Pago_Pago")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("days", [2, 3, 5, 8])
def test_location_with_two_days_of_data_shows_the_zone(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, zone: str, days: int
) -> None:
    """In any zone, the range that is requested last is inside the data."""
    connected = (datetime.fromtimestamp(NOW, ZoneInfo(zone)).date() - timedelta(days=days)).isoformat()
    for step in (900, 3600):
        portal = start_portal(unbilled(replace(METER, step=step), connected=connected, zone=zone), lag=3.0 * HOUR)
        client = sign_in(portal)
        search = search_zone(client, client.locations(), clock)
        assert {each.offset for each in search.evidence} == {offset(zone).total_seconds()}
        assert zone in search.zones
        assert polls(portal) <= 6


def offset(zone: str) -> timedelta:
    found = datetime.fromtimestamp(NOW, ZoneInfo(zone)).utcoffset()
    assert found is not None
    return found


def test_gap_in_new_data_fakes_no_zone(start_portal: StartPortal, sign_in: Sign, clock: ManualClock) -> None:
    gap = instant("2026-01-13") + 5 * HOUR
    portal = start_portal(unbilled(METER, connected="2026-01-10"), gaps=(Span("81001", gap, gap + 2 * HOUR),))
    assert zones_of(sign_in(portal), clock) == ("America/New_York",)


def test_half_a_day_of_data_shows_no_zone(start_portal: StartPortal, sign_in: Sign, clock: ManualClock) -> None:
    portal = start_portal(unbilled(METER))
    client = sign_in(portal)
    search = search_zone(client, client.locations(), clock)
    assert (search.evidence, search.error, polls(portal)) == ((), None, 4)


def test_failed_sign_in_during_the_search_is_raised(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    portal = start_portal()
    client = sign_in(portal)
    places = client.locations()
    portal.portal.sign_everybody_out()
    change(portal, sign_in=SignIn.STATUS_500)
    with pytest.raises(TransportError) as caught:
        search_zone(client, places, clock)
    assert caught.value.while_signing_in
