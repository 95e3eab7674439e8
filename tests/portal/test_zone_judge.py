"""Tests of the verdict on a login's zone: what is searched, when, and how long a contradiction lasts."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from exporter.portal.timezone import OffsetEvidence, ZoneState, ZoneVerdict
from exporter.portal.zone_judge import ZoneJudge
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, SignIn
from exporter.simulator.world import World
from exporter.storage.state import StateFile

from ..support.portal import StartPortal, change, login_of
from ..support.surveys import HOUR, Sign, polls, world
from ..support.worlds import BARN, DAY, HOUSE, NOW

NEW_YORK, CHICAGO, LOS_ANGELES = map(ZoneInfo, ("America/New_York", "America/Chicago", "America/Los_Angeles"))


class Court:
    """A judge of a simulated portal, and the locations that it judges by."""

    def __init__(self, portal: PortalServer, sign_in: Sign, state: StateFile, zone: ZoneInfo) -> None:
        self.portal = portal
        client = sign_in(portal)
        self.places = client.locations()
        self.judge = ZoneJudge(login_of(portal, zone=zone), client, state, portal.portal.clock)

    def verdict(self, *shown: OffsetEvidence, is_thorough: bool = False) -> ZoneVerdict:
        """Judge by what the first location showed; the others showed nothing."""
        evidence = {place: shown if place is self.places[0] else () for place in self.places}
        return self.judge.judge(evidence, (), is_thorough=is_thorough)


Open = Callable[..., Court]


@pytest.fixture
def state() -> Iterator[StateFile]:
    with closing(StateFile(None)) as state:
        yield state


@pytest.fixture
def opened(sign_in: Sign, state: StateFile) -> Open:
    """Return a function that opens a court; a second one acts as after a restart."""

    def start(portal: PortalServer, zone: ZoneInfo = NEW_YORK) -> Court:
        return Court(portal, sign_in, state, zone)

    return start


def seen(days_ago: int, hours: int) -> OffsetEvidence:
    """Return evidence of two days, of a clock this many hours ahead of UTC."""
    start = NOW // DAY * DAY - days_ago * DAY
    return OffsetEvidence(start, start + 2 * DAY, hours * HOUR)


def test_zone_that_fits_is_not_searched_for(portal: PortalServer, opened: Open) -> None:
    court = opened(portal)
    assert court.verdict(seen(30, -5)).fits
    assert polls(portal) == 0


@pytest.mark.parametrize("known", [(), (seen(30, -5),), (seen(30, -5), seen(20, -5))])
def test_wrong_zone_is_contradicted_by_one_search(
    portal: PortalServer, opened: Open, known: tuple[OffsetEvidence, ...]
) -> None:
    court = opened(portal, LOS_ANGELES)
    for _ in range(3):
        assert court.verdict(*known) == ZoneVerdict(
            ZoneState.CONTRADICTED, ("America/New_York",), "America/Los_Angeles"
        )
    assert polls(portal) == 2


def test_other_half_of_the_year_may_save_a_zone(start_portal: StartPortal, opened: Open) -> None:
    """In summer, Arizona has the time of California."""
    court = opened(start_portal(replace(World(), zone="America/Phoenix", locations=(HOUSE,))), LOS_ANGELES)
    verdict = court.verdict(seen(30, -7), seen(20, -7))
    assert (verdict.state, verdict.others) == (ZoneState.PARTLY, ("America/Phoenix",))


@pytest.mark.parametrize("days", [5, 8, 12, 25])
@pytest.mark.parametrize("is_thorough", [False, True])
def test_recent_days_are_enough_for_a_new_location(
    start_portal: StartPortal, opened: Open, days: int, *, is_thorough: bool
) -> None:
    connected = datetime.fromtimestamp(NOW - days * DAY, NEW_YORK).date().isoformat()
    court = opened(start_portal(world(connected=connected)), LOS_ANGELES)
    assert court.verdict(is_thorough=is_thorough).is_contradicted
    assert polls(court.portal) <= 6


def test_only_a_thorough_judge_asks_every_location(start_portal: StartPortal, opened: Open) -> None:
    """The first location has no data."""
    portal = start_portal(World(locations=(replace(HOUSE, connected="2026-01-14"), BARN)))
    assert opened(portal, LOS_ANGELES).verdict().state is ZoneState.UNKNOWN
    assert opened(portal, LOS_ANGELES).verdict(is_thorough=True).is_contradicted


def test_portal_without_evidence_is_searched_once(start_portal: StartPortal, opened: Open) -> None:
    court = opened(start_portal(daylight_only=("81001",)), CHICAGO)
    for _ in range(3):
        assert court.verdict().state is ZoneState.UNKNOWN
    assert polls(court.portal) == 4


def test_later_evidence_is_searched_again(start_portal: StartPortal, opened: Open) -> None:
    court = opened(start_portal(daylight_only=("81001",)), CHICAGO)
    court.verdict()
    change(court.portal, daylight_only=())
    assert court.verdict(seen(30, -5)).is_contradicted


def test_login_without_intervals_is_not_searched(portal: PortalServer, opened: Open) -> None:
    assert opened(portal).judge.judge({}, ()).state is ZoneState.UNKNOWN
    assert polls(portal) == 0


@pytest.mark.parametrize("trouble", [{"poll": Poll.STATUS_503}, {"sign_in": SignIn.STATUS_503}])
def test_zone_is_not_contradicted_before_the_search(
    portal: PortalServer, opened: Open, trouble: dict[str, object]
) -> None:
    court = opened(portal, LOS_ANGELES)
    change(portal, **trouble)
    portal.portal.sign_everybody_out()
    assert court.verdict(seen(30, -5), seen(20, -5)).state is ZoneState.SUSPECT
    assert court.judge.error is not None
    change(portal, poll=Poll.OK, sign_in=SignIn.OK)
    assert court.verdict(seen(30, -5), seen(20, -5)).is_contradicted


def test_refused_search_counts_as_done(portal: PortalServer, opened: Open) -> None:
    court = opened(portal, LOS_ANGELES)
    change(portal, poll=Poll.STATUS_403)
    assert court.verdict(seen(30, -5)).state is ZoneState.SUSPECT
    assert court.verdict(seen(30, -5), seen(20, -5)).is_contradicted


def test_contradiction_outlives_a_restart(portal: PortalServer, opened: Open) -> None:
    contradicted = opened(portal, LOS_ANGELES).verdict()
    change(portal, poll=Poll.STATUS_503)
    court = opened(portal, LOS_ANGELES)
    assert court.judge.verdict == contradicted
    assert court.verdict() == court.verdict(seen(30, -5)) == contradicted
    assert opened(portal, CHICAGO).judge.verdict.state is ZoneState.UNKNOWN


def test_contradiction_ends_with_times_that_fit(portal: PortalServer, opened: Open) -> None:
    opened(portal, LOS_ANGELES).verdict()
    change(portal, shifted=-3 * HOUR)
    assert opened(portal, LOS_ANGELES).verdict(seen(30, -8)).fits
    assert opened(portal, LOS_ANGELES).judge.verdict.state is ZoneState.UNKNOWN


# -- portals with other habits


@pytest.mark.parametrize(
    ("zone", "switches", "verdict"),
    [
        ("America/New_York", {"inclusive_end": True}, ZoneVerdict(ZoneState.FITS)),
        ("America/New_York", {"daylight_only": ("81001",)}, ZoneVerdict(ZoneState.UNKNOWN)),
        ("America/New_York", {"end_labels": True}, ZoneVerdict(ZoneState.NO_ZONE)),
        ("America/Chicago", {}, ZoneVerdict(ZoneState.CONTRADICTED, ("America/Chicago",))),
        ("Etc/GMT+5", {}, ZoneVerdict(ZoneState.PARTLY, ("Etc/GMT+5",))),
        ("Asia/Kathmandu", {}, ZoneVerdict(ZoneState.NO_ZONE)),
    ],
)
def test_habits_of_portals_are_told_apart(
    start_portal: StartPortal, opened: Open, zone: str, switches: dict[str, object], verdict: ZoneVerdict
) -> None:
    court = opened(start_portal(world(zone=zone), **switches))
    assert court.verdict(is_thorough=True) == replace(verdict, zone="America/New_York")
