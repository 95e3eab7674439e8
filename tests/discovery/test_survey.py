"""A look around a login, against the simulated portal: what it finds, and with how few calls."""

import json
from collections.abc import Callable
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from exporter.discovery.survey import PENDING_BUDGET, LocationSurvey, Surveyor
from exporter.errors import AccessError, PendingError, TransportError
from exporter.portal.client import PortalClient
from exporter.portal.timezone import matching_zones
from exporter.simulator.household import Household
from exporter.simulator.portal import Call, SimulatedResponse
from exporter.simulator.settings import Poll, Span
from exporter.simulator.specs import MeterSpec, Resolution
from exporter.simulator.world import World

from ..support.clocks import ManualClock
from ..support.portal import Record, StartPortal, change
from ..support.surveys import HOUR, Sign, day_of, days_ago, found, midnight, polls, surveyor, world
from ..support.worlds import BARN, DAY, HOUSE, METER, NOW

DAYS_METER = MeterSpec("81009", Household(9), resolution=Resolution.DAYS)
MONTHS_METER = MeterSpec("81008", Household(8), resolution=Resolution.MONTHS)

MakeSurveyor = Callable[..., Surveyor]


# -- the last days


def test_the_last_seven_days_and_today_take_one_call(
    start_portal: StartPortal, sign_in: Sign, clock: ManualClock
) -> None:
    portal = start_portal(lag=5.0 * HOUR)
    client = sign_in(portal)
    place = found(client)
    survey = surveyor(client, clock).recent(place)

    (meter,) = survey.meters
    assert (survey.location, survey.days, survey.error, survey.monthly, survey.warnings) == (place, 7, None, False, ())
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
    assert bills <= {each.instant for each in survey.evidence}
    assert matching_zones(survey.evidence) == fits


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

    def poll_or_wait(call: Call) -> SimulatedResponse:
        is_stuck = json.loads(call.body)["serviceLocationNumber"] in {"70001", "70003"}
        return SimulatedResponse(200, b'{"status": "PENDING"}') if is_stuck else poll(call)

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

    def poll_or_wait(call: Call) -> SimulatedResponse:
        is_old = json.loads(call.body)["startDateTime"] < midnight("2025-12-01") * 1000
        return SimulatedResponse(200, b'{"status": "PENDING"}') if is_old else poll(call)

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
        portal.portal, "_poll", lambda call: SimulatedResponse(500, b"") if b"MONTHLY" in call.body else poll(call)
    )
    survey = surveyor(client, clock).recent(found(client))
    assert isinstance(survey.error, TransportError)
    assert not survey.monthly
