"""A look around a login, against the simulated portal: what it finds, and with how few calls."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from exporter.errors import AccessError, PendingError, TransportError
from exporter.lockout import Lockout
from exporter.portal.client import PortalClient
from exporter.portal.discovery import FoundLocation
from exporter.portal.walltime import WallClock
from exporter.portal.zones import fitting
from exporter.simulator.household import Household
from exporter.simulator.portal import Answer, Call
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, SignIn, Span
from exporter.simulator.world import MeterSpec, Resolution, World
from exporter.state import State
from exporter.survey import PENDING_BUDGET, LocationSurvey, Surveyor, seek_zone

from .clocks import ManualClock
from .conftest import BARN, BARN_METER, DAY, HOUSE, METER, NOW, ZONE, Record, StartPortal, change, login_of

DAYS_METER = MeterSpec("81009", Household(9), resolution=Resolution.DAYS)
MONTHS_METER = MeterSpec("81008", Household(8), resolution=Resolution.MONTHS)
HOUR = 3600

Sign = Callable[..., PortalClient]
MakeSurveyor = Callable[..., Surveyor]


@pytest.fixture
def sign_in(clock: ManualClock) -> Iterator[Sign]:
    """Gives a client of a portal that is signed in already, so that only what is asked for is counted."""
    with ExitStack() as stack:

        def start(portal: PortalServer, zone: ZoneInfo = ZONE) -> PortalClient:
            state = stack.enter_context(closing(State(None)))
            login = login_of(portal, zone=zone)
            client = stack.enter_context(closing(PortalClient(login, Lockout(login, state, clock), clock, drop)))
            client.sign_in()
            return client

        yield start


def drop(*_: object) -> None:
    """Nobody observes."""


def surveyor(client: PortalClient, clock: ManualClock, zone: ZoneInfo = ZONE) -> Surveyor:
    return Surveyor(client, WallClock(zone), clock)


def found(client: PortalClient, number: str = "70001") -> FoundLocation:
    return next(each for each in client.locations() if each.number == number)


def world(meter: MeterSpec = METER, connected: str = "2019-05-04", zone: str = "America/New_York") -> World:
    return World(zone=zone, locations=(replace(HOUSE, meters=(meter,), connected=connected),))


def polls(portal: PortalServer) -> int:
    return sum(count for (endpoint, _), count in portal.portal.calls.items() if endpoint == "poll")


def midnight(day: str, zone: ZoneInfo = ZONE) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=zone).timestamp())


def day_of(instant: int | None, zone: ZoneInfo = ZONE) -> str | None:
    if instant is None:
        return None
    local = datetime.fromtimestamp(instant, zone)
    assert (local.hour, local.minute, local.second) == (0, 0, 0)
    return local.date().isoformat()


def days_ago(days: int) -> int:
    return midnight((date(2026, 1, 14) - timedelta(days=days)).isoformat())


# -- the last days


def test_the_last_seven_days_and_today_take_one_call(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    portal = start_portal(lag=5.0 * HOUR)
    client = sign_in(portal)
    place = found(client)
    survey = surveyor(client, clock).recent(place)

    (meter,) = survey.meters
    assert (survey.place, survey.days, survey.error, survey.monthly, survey.warnings) == (place, 7, None, False, ())
    assert (meter.intervals[0].start, survey.newest) == (midnight("2026-01-07"), NOW - 5 * HOUR)
    assert len(meter.intervals) == 7 * 24 + 7
    truth = portal.portal.truth(METER, midnight("2026-01-07"), midnight("2026-01-08"))
    assert meter.days[0].usage == pytest.approx(truth.usage)
    assert [each.start for each in meter.days] == [days_ago(ago) for ago in range(7, 0, -1)]
    assert (survey.connected, polls(portal)) == (midnight("2019-05-04"), 1)


def test_a_location_without_recent_data_is_looked_at_over_five_weeks(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    portal = start_portal(gaps=(Span("81001", days_ago(20), NOW),))
    client = sign_in(portal)
    survey = surveyor(client, clock).recent(found(client))

    (meter,) = survey.meters
    assert (survey.days, survey.newest) == (35, days_ago(20))
    assert meter.intervals[0].start == days_ago(35)
    assert len(meter.intervals) == 15 * 24
    assert polls(portal) <= 4


def test_a_meter_that_is_read_by_the_month_is_told_as_such(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    portal = start_portal(world(MONTHS_METER))
    client = sign_in(portal)
    survey = surveyor(client, clock).recent(found(client))

    assert (survey.monthly, survey.newest, survey.error) == (True, None, None)
    assert surveyor(client, clock).first_day(survey) is None
    assert polls(portal) <= 7


def test_a_location_without_any_data_has_no_months_either(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    portal = start_portal(poll=Poll.NO_POINTS)
    client = sign_in(portal)
    survey = surveyor(client, clock).recent(found(client))

    assert (survey.monthly, survey.newest, survey.error) == (False, None, None)
    assert surveyor(client, clock).first_day(survey) is None


def test_a_meter_that_is_read_by_the_day_has_whole_days(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    portal = start_portal(world(DAYS_METER))
    client = sign_in(portal)
    survey = surveyor(client, clock).recent(found(client))

    (meter,) = survey.meters
    assert (meter.info.step, survey.days, survey.newest) == (DAY, 7, days_ago(0))
    assert [each.start for each in meter.intervals] == [days_ago(ago) for ago in range(7, 0, -1)]
    assert polls(portal) == 2


@pytest.mark.parametrize("step", [900, 1800, 3600])
def test_the_resolution_is_the_meters(start_portal: StartPortal, sign_in: Sign, clock: ManualClock, step: int) -> None:
    client = sign_in(start_portal(world(replace(METER, step=step))))
    (meter,) = surveyor(client, clock).recent(found(client)).meters
    assert meter.info.step == step


def test_what_the_portal_refuses_is_part_of_the_survey(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    portal = start_portal(World(locations=(HOUSE, BARN)), refused_locations=("70001",))
    client = sign_in(portal)
    look = surveyor(client, clock)
    refused = look.recent(found(client))

    assert isinstance(refused.error, AccessError)
    assert "location 70001 of account 55001" in str(refused.error)
    assert (refused.meters, refused.monthly) == ((), False)
    assert polls(portal) == 1
    assert look.recent(found(client, "70002")).error is None


def test_a_portal_that_is_down_is_part_of_the_survey(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    portal = start_portal()
    client = sign_in(portal)
    place = found(client)
    change(portal, poll=Poll.STATUS_503)
    assert isinstance(surveyor(client, clock).recent(place).error, TransportError)


@pytest.mark.parametrize(
    ("zone", "fits"),
    [("America/New_York", ("America/New_York",)), ("America/Phoenix", ("America/Denver", "America/Phoenix"))],
)
def test_the_last_days_and_bills_show_the_portals_clock(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, zone: str, fits: tuple[str, ...]
) -> None:
    client = sign_in(start_portal(world(zone=zone)))
    survey = surveyor(client, clock, ZoneInfo(zone)).recent(found(client))
    bills = {midnight(day, ZoneInfo(zone)) for day in ("2025-12-05", "2026-01-05")}
    assert bills <= {each.instant for each in survey.sightings}
    assert fitting(survey.sightings) == fits


# -- the first day


def first_day(client: PortalClient, clock: ManualClock, number: str = "70001") -> str | None:
    look = surveyor(client, clock)
    return day_of(look.first_day(look.recent(found(client, number))))


@pytest.mark.parametrize("connected", ["2012-02-29", "2019-05-04", "2025-11-02", "2025-12-20", "2026-01-10"])
def test_the_day_of_the_connection_is_the_first_where_it_has_data(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, connected: str
) -> None:
    portal = start_portal(world(connected=connected))
    assert first_day(sign_in(portal), clock) == connected
    assert polls(portal) == 2


@pytest.mark.parametrize("first", ["2019-05-05", "2021-03-14", "2023-07-20", "2025-12-31"])
def test_a_first_day_long_after_the_connection_takes_a_dozen_calls(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, first: str
) -> None:
    portal = start_portal(gaps=(Span("81001", 0, midnight(first)),))
    assert first_day(sign_in(portal), clock) == first
    assert polls(portal) <= 12


@pytest.mark.parametrize("since", ["2019-05-05", "2022-06-15", "2025-10-01"])
def test_days_before_the_intervals_begin_do_not_count(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, since: str
) -> None:
    portal = start_portal(world(replace(METER, hourly_since=since)))
    assert first_day(sign_in(portal), clock) == since
    assert polls(portal) <= 12


def test_the_first_day_of_a_meter_that_is_read_by_the_day(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    portal = start_portal(world(DAYS_METER, connected="2020-09-17"))
    assert first_day(sign_in(portal), clock) == "2020-09-17"
    assert polls(portal) == 3


@pytest.mark.parametrize("first", ["2011-06-01", "2019-05-04", "2025-12-30", "2026-01-08", "2026-01-14"])
def test_where_the_portal_tells_no_day_of_connection_it_is_halved(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, first: str
) -> None:
    portal = start_portal(world(connected=first))
    client = sign_in(portal)
    look = surveyor(client, clock)
    survey = replace(look.recent(found(client)), connected=None)
    before = polls(portal)
    assert day_of(look.first_day(survey)) == first
    assert polls(portal) - before <= 8


def test_a_first_interval_at_noon_begins_its_day_at_midnight(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    portal = start_portal(gaps=(Span("81001", 0, midnight("2025-12-01") + 12 * HOUR),))
    assert first_day(sign_in(portal), clock) == "2025-12-01"


def test_of_several_meters_the_one_with_the_longest_history_counts(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    other = MeterSpec("81005", Household(5), step=3600)
    both = World(locations=(replace(HOUSE, meters=(METER, other), connected="2024-01-01"),))
    portal = start_portal(both, gaps=(Span("81001", 0, midnight("2025-06-01")),))
    assert first_day(sign_in(portal), clock) == "2024-01-01"


def test_a_portal_that_breaks_while_it_is_looked_for_raises_its_error(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    portal = start_portal()
    client = sign_in(portal)
    look = surveyor(client, clock)
    survey = look.recent(found(client))
    change(portal, refused_locations=("70001",))
    with pytest.raises(AccessError):
        look.first_day(survey)


def test_nothing_is_asked_for_a_location_without_data(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    portal = start_portal()
    client = sign_in(portal)
    assert surveyor(client, clock).first_day(LocationSurvey(found(client))) is None
    assert polls(portal) == 0


def test_halving_keeps_to_thirty_days_a_call(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, record: Record
) -> None:
    portal = start_portal(longest_days=30, gaps=(Span("81001", 0, midnight("2023-07-20")),))
    calls = record(portal)
    assert first_day(sign_in(portal), clock) == "2023-07-20"
    assert not any(b"FAILED" in call.body for call in calls)
    assert polls(portal) <= 12


# -- the portal's own figures of days


def test_the_portals_own_days_agree_with_the_sums_of_their_intervals(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    portal = start_portal()
    client = sign_in(portal)
    look = surveyor(client, clock)
    survey = look.recent(found(client))
    figures = look.daily_figures(survey)

    assert set(figures) == {"81001"}
    for day in survey.meters[0].days:
        assert figures["81001"][day.start].usage == pytest.approx(day.usage, abs=0.15)
    assert polls(portal) == 2


# -- the zone, before anybody knows it


def zones_of(client: PortalClient, clock: ManualClock) -> tuple[str, ...]:
    return fitting(seek_zone(client, client.locations(), clock).sightings)


@pytest.mark.parametrize("zone", ["America/New_York", "America/Denver", "America/Phoenix", "Pacific/Honolulu"])
@pytest.mark.parametrize("step", [900, 3600])
def test_two_calls_tell_the_zone(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, zone: str, step: int
) -> None:
    portal = start_portal(world(replace(METER, step=step), zone=zone))
    client = sign_in(portal)
    assert zones_of(client, clock) == (zone,)
    assert polls(portal) == 2


@pytest.mark.parametrize("now", [f"2026-{month:02}-{day:02}" for month in (3, 11) for day in (1, 9, 12, 16, 20)])
@pytest.mark.parametrize("zone", ["America/Phoenix", "America/Denver", "Pacific/Honolulu", "America/Adak"])
def test_the_zone_is_told_also_just_after_the_clocks_have_changed(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, zone: str, now: str
) -> None:
    clock.move_to(datetime.fromisoformat(now).replace(hour=17, tzinfo=UTC).timestamp())
    client = sign_in(start_portal(world(replace(METER, step=3600), zone=zone)))
    assert zones_of(client, clock) == (zone,)


def test_palau_is_told_too(start_portal: StartPortal, sign_in: Sign, clock: ManualClock) -> None:
    client = sign_in(start_portal(world(zone="Pacific/Palau")))
    assert zones_of(client, clock) == ("Pacific/Palau",)


def test_where_one_location_shows_nothing_the_next_is_asked(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    zone = "America/Phoenix"
    portal = start_portal(World(zone=zone, locations=(HOUSE, BARN)), gaps=(Span("81001", 0, NOW),))
    client = sign_in(portal)
    assert zones_of(client, clock) == (zone,)
    assert polls(portal) <= 6


def test_a_location_that_may_not_be_read_does_not_keep_the_zone_away(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    portal = start_portal(World(locations=(HOUSE, BARN)), refused_locations=("70001",))
    client = sign_in(portal)
    assert zones_of(client, clock) == ("America/New_York",)


def test_a_meter_that_is_read_by_the_day_shows_the_zone_by_its_bills(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    client = sign_in(start_portal(world(DAYS_METER)))
    assert zones_of(client, clock) == ("America/New_York",)


def test_a_history_of_one_season_leaves_the_zones_that_look_alike_in_it(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    client = sign_in(start_portal(world(connected="2025-12-01", zone="America/Phoenix")))
    assert zones_of(client, clock) == ("America/Denver", "America/Phoenix")


def unbilled(*meters: MeterSpec, connected: str = "2026-01-14", zone: str = "America/New_York") -> World:
    """Houses that were connected lately, so that no bill tells the zone."""
    houses = [
        replace(HOUSE, number=f"7000{number}", meters=(meter,), connected=connected)
        for number, meter in enumerate(meters, start=1)
    ]
    return World(zone=zone, locations=tuple(houses))


@pytest.mark.parametrize("how", [Poll.STATUS_500, Poll.STATUS_503, Poll.PENDING])
def test_a_portal_that_is_down_or_keeps_computing_is_not_asked_for_more(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, how: Poll
) -> None:
    portal = start_portal(unbilled(METER, BARN_METER))
    client = sign_in(portal)
    client.pending_budget = PENDING_BUDGET
    first, second = client.locations()
    change(portal, poll=how)
    search = seek_zone(client, (first, second), clock)

    assert search.sightings == ()
    assert search.error is search.errors[first]
    expected = PendingError if how is Poll.PENDING else TransportError
    assert isinstance(search.error, expected)
    assert "HOURLY data of location 70001 from 2026-01-05 to 2026-01-06" in str(search.error) or how is Poll.STATUS_503
    assert isinstance(search.errors[second], expected)
    assert str(search.errors[second]).startswith("not asked, since the portal ")
    assert sum(clock.slept) <= 60


def test_what_was_seen_before_a_portal_fails_is_kept(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal = start_portal(unbilled(METER, connected="2025-12-01"))
    client = sign_in(portal)
    poll, seen = portal.portal._poll, []

    def first_poll_only(call: Call) -> Answer:
        seen.append(call)
        return poll(call) if len(seen) == 1 else Answer(500, b"")

    monkeypatch.setattr(portal.portal, "_poll", first_poll_only)
    search = seek_zone(client, client.locations(), clock)
    assert fitting(search.sightings) == ("America/New_York",)
    assert isinstance(search.error, TransportError)
    assert search.errors == {}


def test_what_every_location_refuses_is_told_of_each(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    portal = start_portal(unbilled(METER, BARN_METER), poll=Poll.STATUS_403)
    client = sign_in(portal)
    search = seek_zone(client, client.locations(), clock)
    assert [(place.number, type(error)) for place, error in search.errors.items()] == [
        ("70001", AccessError),
        ("70002", AccessError),
    ]
    assert search.error is list(search.errors.values())[-1]


def test_a_location_that_answers_something_has_no_error(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its old data are refused, as by a portal that keeps a year."""
    portal = start_portal(unbilled(METER))
    client = sign_in(portal)
    refuse_before(portal, midnight("2026-01-05"), monkeypatch)
    search = seek_zone(client, client.locations(), clock)
    assert (search.errors, search.error) == ({}, None)


def refuse_before(portal: PortalServer, instant: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a portal refuse what begins before an instant."""
    poll = portal.portal._poll

    def poll_or_refuse(call: Call) -> Answer:
        is_old = json.loads(call.body)["startDateTime"] < instant * 1000
        return Answer(403, b"no access", "text/plain") if is_old else poll(call)

    monkeypatch.setattr(portal.portal, "_poll", poll_or_refuse)


ZONES = ("America/New_York", "America/Los_Angeles", "Pacific/Honolulu", "Pacific/Guam", "Pacific/Pago_Pago")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("days", [2, 3, 5, 8])
def test_a_location_of_two_days_shows_the_zone(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, zone: str, days: int
) -> None:
    """Whatever the zone, the range that is asked for last lies inside the data."""
    connected = (datetime.fromtimestamp(NOW, ZoneInfo(zone)).date() - timedelta(days=days)).isoformat()
    for step in (900, 3600):
        portal = start_portal(unbilled(replace(METER, step=step), connected=connected, zone=zone), lag=3.0 * HOUR)
        client = sign_in(portal)
        search = seek_zone(client, client.locations(), clock)
        certain = {sighting.offset % DAY for sighting in search.sightings if sighting.certain}
        assert certain == {offset(zone).total_seconds() % DAY}
        assert zone in fitting(search.sightings)
        assert polls(portal) == 6


def offset(zone: str) -> timedelta:
    found = datetime.fromtimestamp(NOW, ZoneInfo(zone)).utcoffset()
    assert found is not None
    return found


def test_a_gap_in_young_data_feigns_no_zone(start_portal: StartPortal, sign_in: Sign, clock: ManualClock) -> None:
    gap = midnight("2026-01-13") + 5 * HOUR
    portal = start_portal(unbilled(METER, connected="2026-01-10"), gaps=(Span("81001", gap, gap + 2 * HOUR),))
    assert zones_of(sign_in(portal), clock) == ("America/New_York",)


def test_data_of_half_a_day_tell_no_zone(start_portal: StartPortal, sign_in: Sign, clock: ManualClock) -> None:
    portal = start_portal(unbilled(METER))
    client = sign_in(portal)
    search = seek_zone(client, client.locations(), clock)
    assert (search.sightings, search.error, polls(portal)) == ((), None, 5)


def test_who_is_signed_out_meanwhile_gets_the_reason(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    portal = start_portal()
    client = sign_in(portal)
    places = client.locations()
    portal.portal.sign_everybody_out()
    change(portal, sign_in=SignIn.STATUS_500)
    with pytest.raises(TransportError) as caught:
        seek_zone(client, places, clock)
    assert caught.value.while_signing_in


# -- a portal that keeps computing

STUCK = "not asked, since the portal was still computing what was asked before; later it may work"


def test_after_two_locations_that_stay_pending_no_other_is_asked(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    houses = [replace(HOUSE, number=f"7000{number}") for number in range(1, 9)]
    portal = start_portal(World(locations=tuple(houses)))
    client = sign_in(portal)
    places = client.locations()
    client.pending_budget = PENDING_BUDGET
    change(portal, poll=Poll.PENDING)
    look = surveyor(client, clock)
    errors = [look.recent(place).error for place in places]

    assert all(isinstance(error, PendingError) for error in errors)
    assert [str(error).partition("was still computing ")[2] for error in errors[:2]] == [
        "after 60 s; later it may work",
        "after 10 s; later it may work",
    ]
    assert [str(error) for error in errors[2:]] == [STUCK] * 6
    assert sum(clock.slept) <= 2 * (60 + 10)


def test_one_location_that_stays_pending_hides_no_other(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    houses = [replace(HOUSE, number=f"7000{number}") for number in range(1, 6)]
    portal = start_portal(World(locations=tuple(houses)), pending=1)
    client = sign_in(portal)
    client.pending_budget = PENDING_BUDGET
    poll = portal.portal._poll

    def poll_or_wait(call: Call) -> Answer:
        is_stuck = json.loads(call.body)["serviceLocationNumber"] in {"70001", "70003"}
        return Answer(200, b'{"status": "PENDING"}') if is_stuck else poll(call)

    monkeypatch.setattr(portal.portal, "_poll", poll_or_wait)
    look = surveyor(client, clock)
    surveys = [look.recent(place) for place in client.locations()]
    assert [survey.newest == NOW for survey in surveys] == [False, True, False, True, True]


def test_old_data_that_stay_pending_keep_no_recent_ones_away(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    houses = [replace(HOUSE, number=f"7000{number}") for number in range(1, 5)]
    portal = start_portal(World(locations=tuple(houses)))
    client = sign_in(portal)
    poll = portal.portal._poll

    def poll_or_wait(call: Call) -> Answer:
        is_old = json.loads(call.body)["startDateTime"] < midnight("2025-12-01") * 1000
        return Answer(200, b'{"status": "PENDING"}') if is_old else poll(call)

    monkeypatch.setattr(portal.portal, "_poll", poll_or_wait)
    look = surveyor(client, clock)
    said = []
    for place in client.locations():
        survey = look.recent(place)
        assert survey.newest == NOW
        with pytest.raises(PendingError) as caught:
            look.first_day(survey)
        said.append(str(caught.value))
    assert [line == STUCK for line in said] == [False, False, True, True]


def test_a_portal_that_fails_at_figures_by_the_month_is_part_of_the_survey(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal = start_portal(world(MONTHS_METER))
    client = sign_in(portal)
    poll = portal.portal._poll
    monkeypatch.setattr(
        portal.portal, "_poll", lambda call: Answer(500, b"") if b"MONTHLY" in call.body else poll(call)
    )
    survey = surveyor(client, clock).recent(found(client))
    assert isinstance(survey.error, TransportError)
    assert not survey.monthly
