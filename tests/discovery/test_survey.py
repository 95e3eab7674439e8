"""What is found at the simulated portal, and in how few calls."""

import json
from collections.abc import Callable

import pytest

from exporter.discovery.survey import PENDING_BUDGET, LocationSurvey, Surveyor
from exporter.errors import AccessError, PendingError, PortalError, TransportError
from exporter.portal.walltime import WallClock
from exporter.simulator.household import Household
from exporter.simulator.portal import Call, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, Span
from exporter.simulator.specs import MeterSpec, Resolution

from ..support.clocks import ManualClock
from ..support.portal import StartPortal
from ..support.surveys import HOUR, Sign, answer_polls, days_ago, houses, polls, world
from ..support.worlds import DAY, METER, NOW, TWO, ZONE, instant

DAYS_METER = MeterSpec("81009", Household(9), resolution=Resolution.DAYS)
MONTHS_METER = MeterSpec("81008", Household(8), resolution=Resolution.MONTHS)

Look = Callable[..., tuple[Surveyor, list[LocationSurvey]]]


@pytest.fixture
def look(sign_in: Sign, clock: ManualClock) -> Look:
    """Looks at each location of a portal; returns the surveyor too."""

    def run(portal: PortalServer) -> tuple[Surveyor, list[LocationSurvey]]:
        client = sign_in(portal)
        client.pending_budget = PENDING_BUDGET
        surveyor = Surveyor(client, WallClock(ZONE), clock)
        return surveyor, [surveyor.recent(location) for location in client.locations()]

    return run


def test_seven_days_and_today_take_one_call(start_portal: StartPortal, look: Look) -> None:
    portal = start_portal(lag=5.0 * HOUR)
    _, (survey,) = look(portal)

    (meter,) = survey.meters
    assert (survey.location.number, survey.days, survey.error, survey.monthly) == ("70001", 7, None, False)
    assert (meter.intervals[0].start, survey.newest) == (instant("2026-01-07"), NOW - 5 * HOUR)
    assert len(meter.intervals) == 7 * 24 + 7
    truth = portal.portal.truth(METER, instant("2026-01-07"), instant("2026-01-08"))
    assert meter.days[0].usage == pytest.approx(truth.usage)
    assert [each.start for each in meter.days] == [days_ago(ago) for ago in range(7, 0, -1)]
    assert (survey.connected, polls(portal)) == (instant("2019-05-04"), 1)


def test_without_recent_data_five_weeks_are_read(start_portal: StartPortal, look: Look) -> None:
    portal = start_portal(gaps=(Span("81001", days_ago(20), NOW),))
    _, (survey,) = look(portal)

    (meter,) = survey.meters
    assert (survey.days, survey.newest) == (35, days_ago(20))
    assert (meter.intervals[0].start, len(meter.intervals)) == (days_ago(35), 15 * 24)
    assert polls(portal) <= 4


def test_a_meter_read_daily_has_full_days(start_portal: StartPortal, look: Look) -> None:
    portal = start_portal(world(DAYS_METER))
    _, (survey,) = look(portal)

    (meter,) = survey.meters
    assert (meter.info.step, survey.days, survey.newest) == (DAY, 7, days_ago(0))
    assert [each.start for each in meter.intervals] == [days_ago(ago) for ago in range(7, 0, -1)]
    assert polls(portal) == 2


@pytest.mark.parametrize(("switches", "monthly"), [({}, True), ({"poll": Poll.NO_POINTS}, False)])
def test_a_meter_read_monthly_is_recognized(
    start_portal: StartPortal, look: Look, switches: dict[str, object], *, monthly: bool
) -> None:
    portal = start_portal(world(MONTHS_METER), **switches)
    _, (survey,) = look(portal)
    assert (survey.monthly, survey.newest, survey.error) == (monthly, None, None)
    assert polls(portal) <= 7


@pytest.mark.parametrize(("status", "error"), [(500, TransportError), (200, type(None))])
def test_monthly_figures_may_fail(start_portal: StartPortal, look: Look, status: int, error: type) -> None:
    """An unexpected answer only means that there are none."""
    portal = start_portal(world(MONTHS_METER))
    nonsense = SimulatedResponse(status, b"nonsense")
    answer_polls(portal, lambda call: nonsense if b"MONTHLY" in call.body else None)
    _, (survey,) = look(portal)
    assert isinstance(survey.error, error)
    assert not survey.monthly


def test_a_refusal_is_part_of_the_survey(start_portal: StartPortal, look: Look) -> None:
    portal = start_portal(TWO, refused_locations=("70001",))
    _, (refused, other) = look(portal)
    assert isinstance(refused.error, AccessError)
    assert (refused.meters, refused.monthly) == ((), False)
    assert (other.error, polls(portal)) == (None, 2)


# -- the portal's own daily figures


def test_daily_figures_agree_with_the_intervals(portal: PortalServer, look: Look) -> None:
    surveyor, (survey,) = look(portal)
    figures = surveyor.daily_figures(survey)
    assert set(figures) == {"81001"}
    for day in survey.meters[0].days:
        assert figures["81001"][day.start].usage == pytest.approx(day.usage, abs=0.15)
    assert polls(portal) == 2


# -- a portal that keeps computing


def test_after_two_pending_locations_no_other_is_asked(
    start_portal: StartPortal, look: Look, clock: ManualClock
) -> None:
    _, surveys = look(start_portal(houses(8), poll=Poll.PENDING))
    errors: list[PortalError | None] = [survey.error for survey in surveys]
    assert all(isinstance(error, PendingError) for error in errors)
    assert ["not requested" in str(error) for error in errors] == [False] * 2 + [True] * 6
    assert 60 <= sum(clock.slept) <= 2 * (60 + 10)


def test_one_pending_location_does_not_hide_the_others(start_portal: StartPortal, look: Look) -> None:
    portal = start_portal(houses(5), pending=1)

    def keep_computing(call: Call) -> SimulatedResponse | None:
        is_stuck = json.loads(call.body)["serviceLocationNumber"] in {"70001", "70003"}
        return SimulatedResponse(200, b'{"status": "PENDING"}') if is_stuck else None

    answer_polls(portal, keep_computing)
    _, surveys = look(portal)
    assert [survey.newest == NOW for survey in surveys] == [False, True, False, True, True]
