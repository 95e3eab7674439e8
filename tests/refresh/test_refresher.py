"""Tests of the refresh: requests and their times, and the status of logins and locations."""

import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.config import LocationChoice
from exporter.intervals.model import Location, LocationKey
from exporter.intervals.submeters import submeters_of
from exporter.portal.accounts import AccountLocation
from exporter.portal.timezone import ZoneVerdict
from exporter.portal.zone_judge import ZoneJudge
from exporter.refresh.refresher import Refresher
from exporter.refresh.status import FailureKind, withheld_locations
from exporter.simulator.household import Household
from exporter.simulator.portal import Call, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Cost, Hourly, Meters, Poll, Revision, SignIn, Span
from exporter.simulator.specs import Channels, LocationSpec, MeterSpec, Resolution, UserSpec
from exporter.simulator.world import World
from exporter.storage.state import StateFile

from ..support.clocks import ManualClock
from ..support.exporter import Exporter, StartExporter
from ..support.portal import Intercept, Record, StartPortal, change, login_of
from ..support.worlds import BARN, BARN_METER, DAY, HOUSE, METER, NOW, SMALL, TWO, WALL, ZONE, instant

HOUR = 3600
LITTLE = 3  # days of history, enough for tests that are not about data
ADVICE = "; fix the configuration"


@pytest.fixture
def portal(start_portal: StartPortal) -> PortalServer:
    return start_portal(history=LITTLE)


@pytest.fixture
def old_portal(start_portal: StartPortal) -> PortalServer:
    return start_portal()


def asked(calls: list[Call]) -> list[tuple[str, str, int, int]]:
    """Return each distinct poll: time frame, location, first and last local day from today."""
    found = []
    for call in calls:
        if call.path.endswith("/poll"):
            body = json.loads(call.body)
            days = [(body[key] // 1000 - WALL.day(NOW).start) / DAY for key in ("startDateTime", "endDateTime")]
            assert days == [int(day) for day in days]
            found.append((body["timeFrame"], body["serviceLocationNumber"], int(days[0]), int(days[1]) - 1))
    return list(dict.fromkeys(found))


def key_of(portal: PortalServer, location: LocationSpec = HOUSE) -> LocationKey:
    return LocationKey(portal.host, location.account, location.number)


def up(exporter: Exporter, portal: PortalServer, location: LocationSpec) -> float | None:
    return exporter.metric(
        "smarthub_location_up", portal=portal.host, account=location.account, location=location.number
    )


def name_of(exporter: Exporter, number: str = "70001") -> str:
    return exporter.location(number).name


def assert_true(exporter: Exporter, portal: PortalServer, days: int = 35) -> None:
    """Check that everything true is served, and nothing else."""
    now = int(portal.portal.clock.now())
    start, end = WALL.days_before(now, days), WALL.days_before(now, -1)
    for location in portal.portal.world.locations:
        served = {meter.info.number: meter for meter in exporter.location(location.number).meters}
        for meter in location.meters:
            truth = portal.portal.almanac.intervals(meter, start, end)
            got = served[meter.number].intervals
            assert [(each.start, each.end, each.usage, each.export, each.cost) for each in got] == [
                (each.start, each.end, each.usage, each.export, each.cost) for each in truth
            ]


# -- requests


def test_first_refresh_after_each_start_reads_35_days(
    portal: PortalServer, start_exporter: StartExporter, clock: ManualClock, record: Record, tmp_path: Path
) -> None:
    sent = record(portal)

    for _ in range(2):
        sent.clear()
        start_exporter(login_of(portal), folder=tmp_path).refresh()
        assert asked(sent) == [("HOURLY", "70001", -29, 0), ("HOURLY", "70001", -35, -30)]
        clock.advance(HOUR)


def test_later_refreshes_read_the_window_and_a_day(
    portal: PortalServer, start_exporter: StartExporter, clock: ManualClock, record: Record
) -> None:
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    sent = record(portal)

    for _ in range(3):
        clock.advance(HOUR)
        exporter.refresh()

    assert asked(sent) == [("HOURLY", "70001", -8, 0)]
    assert not [call for call in sent if call.path.endswith("user-data")]


# -- the portal's own name


def names_asked(portal: PortalServer) -> int:
    return sum(count for (endpoint, _), count in portal.portal.calls.items() if endpoint == "site_name")


def portal_name(exporter: Exporter, portal: PortalServer, name: str = "Piedmont Simulated Electric") -> float | None:
    return exporter.metric("smarthub_portal_info", portal=portal.host, name=name)


def test_the_name_comes_with_the_daily_list_of_accounts(
    portal: PortalServer, start_exporter: StartExporter, clock: ManualClock
) -> None:
    exporter = start_exporter(login_of(portal))
    assert portal_name(exporter, portal) is None
    for asked_so_far in (1, 1, 2):
        exporter.refresh()
        assert portal_name(exporter, portal) == 1
        assert names_asked(portal) == asked_so_far
        clock.advance(DAY / 2)


@pytest.mark.parametrize("broken", [SimulatedResponse(503, b""), SimulatedResponse(200, b"x", cut_off=True)])
def test_without_a_name_nothing_else_changes(
    portal: PortalServer,
    start_exporter: StartExporter,
    clock: ManualClock,
    intercept: Intercept,
    broken: SimulatedResponse,
) -> None:
    """It is asked for again with the next list."""
    exporter = start_exporter(login_of(portal))
    intercept(portal, "/siteName", broken)
    for _ in range(2):
        exporter.refresh()
        assert (exporter.status.up, exporter.failures(), portal_name(exporter, portal)) == (True, {}, None)
        clock.advance(HOUR)
    intercept(portal, "/siteName", None)
    exporter.refresh()
    assert names_asked(portal) == 0
    clock.advance(DAY)
    exporter.refresh()
    assert (portal_name(exporter, portal), names_asked(portal)) == (1, 1)


def test_a_known_name_is_kept_while_it_is_not_given(
    portal: PortalServer, start_exporter: StartExporter, clock: ManualClock
) -> None:
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    change(portal, nameless=True)
    clock.advance(DAY)
    exporter.refresh()
    assert (portal_name(exporter, portal), names_asked(portal)) == (1, 2)


def test_the_name_is_asked_for_daily_without_a_list_too(
    portal: PortalServer, start_exporter: StartExporter, clock: ManualClock
) -> None:
    """A list that something else stands in for is requested at each refresh."""
    change(portal, discovery=Poll.NO_ENTRY)
    exporter = start_exporter(login_of(portal))
    for _ in range(3):
        exporter.refresh()
        clock.advance(HOUR)
    assert names_asked(portal) == 1


@pytest.mark.parametrize(
    ("window", "ranges"),
    [(3600, [(-3, 0)]), (DAY, [(-3, 0)]), (3 * DAY, [(-4, 0)]), (35 * DAY, [(-29, 0), (-36, -30)])],
)
def test_days_read_follow_the_window(  # noqa: PLR0917 - fixtures
    portal: PortalServer,
    start_exporter: StartExporter,
    clock: ManualClock,
    record: Record,
    window: int,
    ranges: list[tuple[int, int]],
) -> None:
    exporter = start_exporter(login_of(portal), window=window)
    exporter.refresh()
    sent = record(portal)
    clock.advance(60)

    exporter.refresh()

    assert asked(sent) == [("HOURLY", "70001", *days) for days in ranges]


def test_daily_refresh_is_full_and_lists_locations(
    portal: PortalServer, start_exporter: StartExporter, clock: ManualClock, record: Record
) -> None:
    exporter = start_exporter(login_of(portal))
    sent = record(portal)

    deep = []
    for hour in range(0, 72, 4):
        sent.clear()
        exporter.refresh()
        if len(asked(sent)) > 1:
            deep.append(hour)
            assert [call for call in sent if call.path.endswith("user-data")]
        clock.advance(4 * HOUR)

    assert deep == [0, 24, 48]


def test_failed_full_refresh_is_made_up_for(
    old_portal: PortalServer, start_exporter: StartExporter, clock: ManualClock
) -> None:
    exporter = start_exporter(login_of(old_portal))
    change(old_portal, poll=Poll.STATUS_500)
    exporter.refresh()
    change(old_portal, poll=Poll.OK)
    clock.advance(60)

    exporter.refresh()

    assert_true(exporter, old_portal)


@pytest.mark.parametrize(
    ("switches", "refreshes"),
    [({"longest_days": 4}, 1), ({"slow_days": 12}, 2), ({"pending": 2}, 1), ({"padding": 600_000}, 1)],
    ids=str,
)
def test_portal_that_fails_on_long_ranges_gets_shorter_ones(
    start_portal: StartPortal, start_exporter: StartExporter, switches: dict[str, int], refreshes: int
) -> None:
    portal = start_portal(SMALL, **switches)
    exporter = start_exporter(login_of(portal))

    for _ in range(refreshes):
        exporter.refresh()

    assert exporter.status.up
    assert_true(exporter, portal)


@pytest.mark.parametrize("channels", list(Channels))
def test_every_kind_of_meter_is_read_correctly(
    start_portal: StartPortal, start_exporter: StartExporter, channels: Channels
) -> None:
    meter = MeterSpec("81001", Household(4, solar=6.0), channels=channels, step=3600)
    portal = start_portal(World(locations=(replace(HOUSE, meters=(meter,)),)), LITTLE)
    exporter = start_exporter(login_of(portal))

    exporter.refresh()

    assert exporter.status.message == ""
    assert_true(exporter, portal)


@pytest.mark.parametrize("how", [Meters.NO_NUMBERS, Meters.NONE])
@pytest.mark.parametrize("channels", [Channels.FORWARD, Channels.FORWARD_REVERSE, Channels.THREE, Channels.NET])
def test_labels_describe_channels_that_meters_do_not(
    start_portal: StartPortal, start_exporter: StartExporter, channels: Channels, how: Meters
) -> None:
    meters = [MeterSpec(number, Household(4, solar=6.0), channels, step=3600) for number in ("81001", "81002")]
    portal = start_portal(World(locations=(replace(HOUSE, meters=tuple(meters)),)), LITTLE, meters=how)
    exporter = start_exporter(login_of(portal))

    exporter.refresh()

    assert_true(exporter, portal)


@pytest.mark.parametrize("how", list(Cost))
@pytest.mark.parametrize("channels", [Channels.FORWARD, Channels.THREE])
def test_every_kind_of_cost_is_read_correctly(
    start_portal: StartPortal, start_exporter: StartExporter, channels: Channels, how: Cost
) -> None:
    meter = MeterSpec("81001", Household(4, solar=6.0), channels, step=3600)
    portal = start_portal(World(locations=(replace(HOUSE, meters=(meter,)),)), LITTLE, cost=how)
    exporter = start_exporter(login_of(portal))

    exporter.refresh()

    assert_true(exporter, portal)


def test_periods_are_the_usage_of_a_meter_without_any(start_portal: StartPortal, start_exporter: StartExporter) -> None:
    portal = start_portal(
        World(locations=(replace(HOUSE, meters=(replace(METER, periods=True),)),)),
        LITTLE,
        poll=Poll.NO_USAGE,
    )
    exporter = start_exporter(login_of(portal))

    exporter.refresh()

    assert_true(exporter, portal)


def test_parents_come_from_the_portal_and_the_configuration(
    start_portal: StartPortal, start_exporter: StartExporter
) -> None:
    house, barn, well = (replace(METER, number=number) for number in ("A", "B", "C"))
    portal = start_portal(World(locations=(replace(HOUSE, meters=(house, replace(barn, part_of="A"), well)),)), LITTLE)
    choice = LocationChoice(service_location=HOUSE.number, submeters=(("C", "A"),))
    exporter = start_exporter(replace(login_of(portal), locations=(choice,)))

    exporter.refresh()

    assert submeters_of(exporter.location().meters) == {"B": "A", "C": "A"}


def test_daily_meter_has_daily_intervals(
    start_portal: StartPortal, start_exporter: StartExporter, clock: ManualClock, record: Record
) -> None:
    meter = replace(METER, resolution=Resolution.DAYS)
    portal = start_portal(World(locations=(replace(HOUSE, meters=(meter,)),)), LITTLE)
    exporter = start_exporter(login_of(portal))

    exporter.refresh()
    assert_true(exporter, portal)
    assert exporter.location().meters[0].info.step == DAY

    clock.advance(DAY / 2)
    sent = record(portal)
    exporter.refresh()
    assert {frame for frame, *_ in asked(sent)} == {"DAILY"}


@pytest.mark.parametrize("how", [Hourly.FAILED, Hourly.DAILY])
def test_meter_without_usable_hours_has_daily_intervals(
    start_portal: StartPortal, start_exporter: StartExporter, clock: ManualClock, record: Record, how: Hourly
) -> None:
    meter = replace(METER, resolution=Resolution.DAYS)
    portal = start_portal(World(locations=(replace(HOUSE, meters=(meter,)),)), LITTLE, hourly=how)
    exporter = start_exporter(login_of(portal))
    sent = record(portal)

    exporter.refresh()

    assert exporter.status.up
    assert_true(exporter, portal)
    assert len(asked(sent)) <= 11
    for days, frames in ((0.5, {"DAILY"}), (0.5, {"DAILY", "HOURLY"})):
        sent.clear()
        clock.advance(days * DAY)
        exporter.refresh()
        assert_true(exporter, portal)
        frames_asked = [json.loads(call.body)["timeFrame"] for call in sent if call.path.endswith("/poll")]
        assert set(frames_asked) == frames
        assert len(frames_asked) <= 5


def test_hours_that_come_later_replace_the_days(
    portal: PortalServer, start_exporter: StartExporter, clock: ManualClock
) -> None:
    change(portal, hourly=Hourly.FAILED)
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    assert {each.info.step for each in exporter.location().meters} == {DAY}

    change(portal, hourly=Hourly.OK)
    clock.advance(DAY)
    exporter.refresh()

    assert exporter.status.up
    assert_true(exporter, portal)


def test_lone_point_of_the_repeated_hour_is_at_its_instant(
    start_portal: StartPortal, start_exporter: StartExporter, clock: ManualClock
) -> None:
    meter = replace(METER, step=900)
    missing = Span(meter.number, instant("2025-11-02 01:30"), instant("2025-11-02 01:45"))
    clock.advance(instant("2025-11-03 12:00") - NOW)
    portal = start_portal(World(locations=(replace(HOUSE, meters=(meter,)),)), 2, gaps=(missing,))
    exporter = start_exporter(login_of(portal))

    exporter.refresh()

    assert_true(exporter, portal)


def test_monthly_meter_is_a_success_without_samples(start_portal: StartPortal, start_exporter: StartExporter) -> None:
    portal = start_portal(
        World(locations=(replace(HOUSE, meters=(replace(METER, resolution=Resolution.MONTHS),)),)), LITTLE
    )
    exporter = start_exporter(login_of(portal))

    exporter.refresh()

    assert exporter.status.up
    assert [len(meter.intervals) for meter in exporter.location().meters] == [0]


# -- schedule


def test_wait_follows_from_the_outcome(portal: PortalServer, start_exporter: StartExporter) -> None:
    exporter = start_exporter(login_of(portal))
    for how, wait in (
        (Poll.STATUS_500, 60),
        (Poll.STATUS_500, 120),
        (Poll.OK, HOUR),
        (Poll.STATUS_500, 60),
        (Poll.STATUS_403, HOUR),
    ):
        change(portal, poll=how)
        assert exporter.refresh() == pytest.approx(wait, rel=0.05)


def test_requested_wait_is_obeyed(portal: PortalServer, start_exporter: StartExporter, intercept: Intercept) -> None:
    intercept(portal, "/poll", SimulatedResponse(429, b"", retry_after=3000))

    assert start_exporter(login_of(portal)).refresh() == 3000


def test_run_refreshes_now_and_ends_with_the_clock(
    portal: PortalServer, start_exporter: StartExporter, clock: ManualClock
) -> None:
    exporter = start_exporter(login_of(portal), window=DAY)
    clock.ends_at = NOW + 5.5 * HOUR

    exporter.logins[0].run()

    assert exporter.metric("smarthub_refreshes_total", login="coop") == 6
    # Every ten seconds it checks whether a backfill wrote to the state.
    assert max(clock.slept) == 10


def test_refresh_thread_ends_with_the_clock(
    portal: PortalServer, start_exporter: StartExporter, clock: ManualClock
) -> None:
    refresher = Refresher(start_exporter(login_of(portal, name="one"), window=DAY).logins)
    assert not refresher.is_alive
    clock.ends_at = NOW + 2.5 * HOUR

    refresher.start()
    (thread,) = refresher._threads
    thread.join(20)

    assert not refresher.is_alive
    assert [(name, status.up) for name, status in refresher.statuses().items()] == [("one", True)]
    assert clock.now() >= clock.ends_at


# -- status


def test_status_shows_time_and_duration_of_a_success(
    start_portal: StartPortal, start_exporter: StartExporter, clock: ManualClock
) -> None:
    portal = start_portal(SMALL, pending=1)
    exporter = start_exporter(login_of(portal))

    exporter.refresh()

    assert exporter.metric("smarthub_up", login="coop") == 1
    assert exporter.metric("smarthub_last_refresh_timestamp_seconds", login="coop") == NOW
    assert exporter.metric("smarthub_last_refresh_success_timestamp_seconds", login="coop") == NOW
    # Two ranges, each pending for a second.
    assert exporter.metric("smarthub_last_refresh_duration_seconds", login="coop") == 2.0
    assert up(exporter, portal, HOUSE) == 1
    assert exporter.status.message == ""
    assert clock.now() == NOW + 2


def test_failure_keeps_the_time_of_the_last_success(
    portal: PortalServer, start_exporter: StartExporter, clock: ManualClock
) -> None:
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    clock.advance(HOUR)
    change(portal, poll=Poll.STATUS_500)

    exporter.refresh()

    assert exporter.metric("smarthub_up", login="coop") == 0
    assert exporter.metric("smarthub_last_refresh_timestamp_seconds", login="coop") == NOW + HOUR
    assert exporter.metric("smarthub_last_refresh_success_timestamp_seconds", login="coop") == NOW
    assert exporter.failures() == {"transport": 1}
    assert exporter.metric("smarthub_refreshes_total", login="coop") == 2
    assert exporter.status.message.endswith("the portal returned a server error (status 500); will retry")


def test_restart_knows_locations_that_are_not_refreshed_yet(
    portal: PortalServer, start_exporter: StartExporter, tmp_path: Path
) -> None:
    first = start_exporter(login_of(portal), folder=tmp_path)
    first.refresh()

    again = start_exporter(login_of(portal), folder=tmp_path)

    assert again.locations == first.locations
    assert up(again, portal, HOUSE) == 0
    assert again.metric("smarthub_up", login="coop") == 0
    assert again.status.message == "the first refresh is running"


def test_same_error_is_logged_once(
    portal: PortalServer, start_exporter: StartExporter, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = start_exporter(login_of(portal))
    change(portal, poll=Poll.STATUS_403)

    for _ in range(5):
        exporter.refresh()

    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


# -- failures


def test_failing_since_is_the_first_failure_in_a_row(
    portal: PortalServer, start_exporter: StartExporter, clock: ManualClock
) -> None:
    exporter = start_exporter(login_of(portal))
    seen: list[tuple[float, float]] = []
    for poll in (Poll.OK, Poll.STATUS_500, Poll.STATUS_500, Poll.OK, Poll.STATUS_500):
        clock.advance(HOUR)
        change(portal, poll=poll)
        began = clock.now()
        exporter.refresh()
        seen.append((began, exporter.status.failing_since))
    first = seen[1][0]
    assert [since for _, since in seen] == [0.0, first, first, 0.0, seen[4][0]]


def test_location_fails_alone(start_portal: StartPortal, start_exporter: StartExporter, clock: ManualClock) -> None:
    portal = start_portal(TWO, LITTLE)
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    before = exporter.location("70001")
    change(portal, refused_locations=("70001",))
    clock.advance(3 * HOUR)

    exporter.refresh()

    assert exporter.location("70001") == before
    assert exporter.location("70002").meters[0].intervals[-1].end == NOW + 3 * HOUR
    assert (up(exporter, portal, HOUSE), up(exporter, portal, BARN)) == (0, 1)
    assert exporter.metric("smarthub_up", login="coop") == 0
    assert exporter.failures() == {"permission": 1}
    failure = exporter.status.locations[key_of(portal)].failure
    assert failure is not None
    assert failure.about == "location 70001 of account 55001"
    assert exporter.status.message == failure.message
    assert exporter.status.locations[key_of(portal, BARN)].failure is None


def test_failed_sign_in_fails_every_location(
    start_portal: StartPortal, start_exporter: StartExporter, clock: ManualClock
) -> None:
    portal = start_portal(TWO, LITTLE)
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    before = exporter.locations
    change(portal, sign_in=SignIn.STATUS_403)
    clock.advance(HOUR)

    exporter.refresh()

    assert (up(exporter, portal, HOUSE), up(exporter, portal, BARN)) == (0, 0)
    assert {status.failure for status in exporter.status.locations.values()} == set(exporter.status.failures)
    assert exporter.failures() == {"permission": 1}
    assert exporter.locations == before


@pytest.mark.parametrize(("folder", "sign_ins"), [("kept", 2), ("", 1)])
def test_paused_sign_in_is_a_failure_with_its_reason(
    portal: PortalServer, start_exporter: StartExporter, tmp_path: Path, folder: str, sign_ins: int
) -> None:
    exporter = start_exporter(login_of(portal), folder=tmp_path / folder if folder else None)
    change(portal, sign_in=SignIn.SECOND_FACTOR)

    for _ in range(5):
        exporter.refresh()

    assert exporter.failures() == {"two_factor": 5}
    assert portal.portal.most_rejected["member@example.org"] == sign_ins
    assert [each.kind for each in exporter.status.failures] == [FailureKind.PAUSED]


def test_unreachable_portal_fails_all_its_locations(
    start_portal: StartPortal, start_exporter: StartExporter, clock: ManualClock
) -> None:
    third = LocationSpec("55003", "70003", (replace(METER, number="81003"),))
    portal = start_portal(World(locations=(*TWO.locations, third)), LITTLE)
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    change(portal, poll=Poll.STATUS_503)
    clock.advance(HOUR)

    exporter.refresh()

    assert [up(exporter, portal, each) for each in (HOUSE, BARN, third)] == [0, 0, 0]
    assert exporter.failures() == {"transport": 1}


def test_data_before_a_failure_is_kept(
    old_portal: PortalServer, start_exporter: StartExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = start_exporter(login_of(old_portal))
    respond = old_portal.portal.respond

    def fail_for_the_older_range(call: Call) -> SimulatedResponse:
        if call.path.endswith("/poll") and json.loads(call.body)["endDateTime"] < NOW * 1000:
            return SimulatedResponse(500, b"")
        return respond(call)

    monkeypatch.setattr(old_portal.portal, "respond", fail_for_the_older_range)

    exporter.refresh()

    assert not exporter.status.up
    assert exporter.location().meters[0].intervals[0].start == WALL.days_before(NOW, 29)


@pytest.mark.parametrize("broken", ["merge", "reload_if_changed"])
def test_internal_error_does_not_end_the_refresh(  # noqa: PLR0917 - fixtures
    portal: PortalServer,
    start_exporter: StartExporter,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    broken: str,
) -> None:
    exporter = start_exporter(login_of(portal))

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret")

    with monkeypatch.context() as patch:
        patch.setattr(exporter.store, broken, fail)
        thread = threading.Thread(target=exporter.logins[0].run)
        clock.ends_at = NOW + 1000
        thread.start()
        thread.join(20)

    assert exporter.metric("smarthub_refreshes_total", login="coop") == 5
    assert exporter.failures() == {"protocol": 5}
    assert exporter.status.message == "login coop: internal error (bug); please report it with the log"
    assert "ZeroDivisionError" in caplog.text

    exporter.refresh()
    assert exporter.status.up


# -- locations


def test_all_active_electric_locations_are_read_by_default(
    start_portal: StartPortal, start_exporter: StartExporter
) -> None:
    others = (
        LocationSpec("55003", "70003", (replace(METER, number="81003"),), inactive=True),
        LocationSpec("55004", "70004", (), industries=("WATER",), service_code="WATER"),
        LocationSpec("55005", "70005", (replace(METER, number="81005"),), service_code="1ELEC"),
    )
    portal = start_portal(World(locations=(*TWO.locations, *others)), LITTLE)
    exporter = start_exporter(login_of(portal))

    exporter.refresh()

    assert [key.location for key in exporter.locations] == ["70001", "70002", "70005"]


@pytest.mark.parametrize(
    ("choices", "numbers"),
    [
        ([LocationChoice(account="55001")], ["70001", "70003"]),
        ([LocationChoice(service_location="70002")], ["70002"]),
        ([LocationChoice("55001", "70003")], ["70003"]),
        ([LocationChoice("55001", "70003"), LocationChoice(None, "70002")], ["70002", "70003"]),
    ],
    ids=str,
)
def test_locations_are_chosen_by_account_and_number(
    start_portal: StartPortal, start_exporter: StartExporter, choices: list[LocationChoice], numbers: list[str]
) -> None:
    third = LocationSpec("55001", "70003", (replace(METER, number="81003"),))
    portal = start_portal(World(locations=(*TWO.locations, third)), LITTLE)
    exporter = start_exporter(login_of(portal, None, *choices))

    exporter.refresh()

    assert exporter.status.up
    assert sorted(key.location for key in exporter.locations) == numbers
    assert sorted(key.location for key in exporter.status.locations) == numbers


def test_configured_inactive_location_is_read(start_portal: StartPortal, start_exporter: StartExporter) -> None:
    portal = start_portal(World(locations=(replace(HOUSE, inactive=True), BARN)), LITTLE)
    exporter = start_exporter(login_of(portal, None, LocationChoice("55001", "70001")))

    exporter.refresh()

    assert exporter.status.up
    assert_intervals(exporter)


def assert_intervals(exporter: Exporter, number: str = "70001") -> None:
    assert len(exporter.location(number).meters[0].intervals) == LITTLE * 24 + 12


SEES = "it sees location 70001 of account 55001, location 70002 of account 55002"


@pytest.mark.parametrize(
    ("choice", "what"),
    [
        (LocationChoice("55001", "79999"), "location 79999 of account 55001"),
        (LocationChoice(None, "79999"), "location 79999"),
        (LocationChoice("55009", "70001"), "location 70001 of account 55009"),
        (LocationChoice("55009"), "an active electric location of account 55009"),
    ],
    ids=str,
)
def test_location_the_login_does_not_see_fails_with_advice(
    start_portal: StartPortal, start_exporter: StartExporter, choice: LocationChoice, what: str
) -> None:
    portal = start_portal(TWO, LITTLE)
    exporter = start_exporter(login_of(portal, None, choice))

    exporter.refresh()

    assert exporter.failures() == {"permission": 1}
    assert exporter.status.message == f"login coop does not see {what}; {SEES}{ADVICE}"
    assert exporter.metric("smarthub_up", login="coop") == 0


def test_missing_location_does_not_stop_the_others(start_portal: StartPortal, start_exporter: StartExporter) -> None:
    portal = start_portal(TWO, LITTLE)
    exporter = start_exporter(
        login_of(portal, None, LocationChoice("55001", "79999"), LocationChoice("55002", "70002"))
    )

    exporter.refresh()

    assert_intervals(exporter, "70002")
    assert up(exporter, portal, BARN) == 1
    labels = {"portal": portal.host, "account": "55001", "location": "79999"}
    assert exporter.metric("smarthub_location_up", **labels) == 0
    assert exporter.failures() == {"permission": 1}


def test_login_without_electric_locations_lists_what_it_sees(
    start_portal: StartPortal, start_exporter: StartExporter
) -> None:
    water = LocationSpec("55004", "70004", (), industries=("WATER",), service_code="WATER")
    portal = start_portal(World(locations=(water,)), LITTLE)
    exporter = start_exporter(login_of(portal))

    exporter.refresh()

    assert exporter.failures() == {"permission": 1}
    assert "location 70004 of account 55004 (no electricity, only water)" in exporter.status.message


@pytest.mark.parametrize("how", [Poll.STATUS_403, Poll.STATUS_500, Poll.NO_ENTRY])
def test_fully_configured_location_is_read_without_lists(
    portal: PortalServer, start_exporter: StartExporter, how: Poll
) -> None:
    change(portal, discovery=how, accounts=how)
    exporter = start_exporter(login_of(portal, None, LocationChoice("55001", "70001", "Home")))

    exporter.refresh()

    assert exporter.status.up
    assert name_of(exporter) == "Home"
    assert_intervals(exporter)


def test_stand_in_for_user_data_is_not_kept_for_a_day(
    portal: PortalServer, start_exporter: StartExporter, clock: ManualClock, record: Record
) -> None:
    change(portal, discovery=Poll.NO_ENTRY)
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    assert (exporter.status.up, name_of(exporter)) == (True, "")

    change(portal, accounts=Poll.STATUS_500)
    clock.advance(HOUR)
    exporter.refresh()
    assert exporter.status.up

    change(portal, discovery=Poll.OK)
    for lists in (1, 0):
        clock.advance(HOUR)
        sent = record(portal)
        exporter.refresh()
        assert sum(call.path.endswith("user-data") for call in sent) == lists
        assert name_of(exporter) == "House"


def test_location_that_the_login_lost_is_no_longer_served(
    start_portal: StartPortal, start_exporter: StartExporter, clock: ManualClock
) -> None:
    portal = start_portal(TWO, LITTLE)
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    portal.portal.world = SMALL
    clock.advance(DAY)

    exporter.refresh()

    assert [key.location for key in exporter.locations] == ["70001"]
    assert exporter.status.up
    assert up(exporter, portal, BARN) is None


# -- names


@pytest.mark.parametrize(
    ("nickname", "choices", "name"),
    [
        ("House", [], "House"),
        ("", [], ""),
        ("House", [LocationChoice("55001", "70001", "Farm house")], "Farm house"),
        ("", [LocationChoice(None, "70001", "Farm house")], "Farm house"),
        ("House", [LocationChoice("55001", "70001")], "House"),
        ("12 Secret Lane", [], ""),
        ("12 SECRET LANE, Springfield", [], ""),
    ],
)
def test_location_name_is_configured_or_the_nickname(
    start_portal: StartPortal,
    start_exporter: StartExporter,
    nickname: str,
    choices: list[LocationChoice],
    name: str,
) -> None:
    portal = start_portal(World(locations=(replace(HOUSE, nickname=nickname),)), LITTLE)
    exporter = start_exporter(login_of(portal, None, *choices))

    exporter.refresh()

    labels = {"portal": portal.host, "account": "55001", "location": "70001", "name": name}
    assert exporter.metric("smarthub_location_info", **labels, timezone="America/New_York") == 1


# -- several logins

OWNER = UserSpec()
TENANT = UserSpec(username="tenant@example.org", password="other", accounts=("55002",))
SHARED = World(users=(OWNER, TENANT), locations=TWO.locations)


def test_shared_location_is_read_by_one_login(
    start_portal: StartPortal, start_exporter: StartExporter, clock: ManualClock, record: Record
) -> None:
    portal = start_portal(SHARED, LITTLE)
    exporter = start_exporter(login_of(portal, TENANT, name="tenant"), login_of(portal, OWNER, name="owner"))
    sent = record(portal)

    for _ in range(6):
        exporter.refresh_all()
        clock.advance(5 * HOUR)

    readers = {(body["serviceLocationNumber"], body["userId"]) for body in map(body_of, sent) if body}
    assert readers == {("70002", "tenant@example.org"), ("70001", "member@example.org")}
    assert [sorted(key.location for key in each.status.locations) for each in exporter.logins] == [["70002"], ["70001"]]
    assert [key.location for key in exporter.locations] == ["70001", "70002"]


def body_of(call: Call) -> dict[str, str]:
    return dict(json.loads(call.body)) if call.path.endswith("/poll") else {}


def test_login_with_only_shared_locations_is_up(start_portal: StartPortal, start_exporter: StartExporter) -> None:
    portal = start_portal(SHARED, LITTLE)
    exporter = start_exporter(login_of(portal, OWNER, name="owner"), login_of(portal, TENANT, name="tenant"))

    exporter.refresh_all()

    assert exporter.metric("smarthub_up", login="tenant") == 1
    assert exporter.failures("tenant") == {}


def test_second_login_reads_while_the_first_fails(start_portal: StartPortal, start_exporter: StartExporter) -> None:
    portal = start_portal(SHARED, LITTLE)
    exporter = start_exporter(
        login_of(portal, TENANT, name="tenant", password="wrong"), login_of(portal, OWNER, name="owner")
    )

    exporter.refresh_all()

    assert exporter.metric("smarthub_up", login="tenant") == 0
    assert exporter.metric("smarthub_up", login="owner") == 1
    assert [key.location for key in exporter.locations] == ["70001", "70002"]


def test_logins_of_two_portals_fail_alone(
    start_portal: StartPortal, start_exporter: StartExporter, clock: ManualClock
) -> None:
    here, there = start_portal(SMALL, LITTLE), start_portal(SMALL, LITTLE)
    exporter = start_exporter(login_of(here, name="here"), login_of(there, name="there"))
    exporter.refresh_all()
    change(here, poll=Poll.STATUS_500)
    clock.advance(HOUR)

    exporter.refresh_all()

    assert [exporter.metric("smarthub_up", login=name) for name in ("here", "there")] == [0, 1]
    assert exporter.failures("here") == {"transport": 1}
    assert exporter.failures("there") == {}
    assert [up(exporter, each, HOUSE) for each in (here, there)] == [0, 1]
    assert len(exporter.locations) == 2


# -- revisions


def test_revisions_are_counted_inside_and_outside_the_window(
    old_portal: PortalServer, start_exporter: StartExporter, clock: ManualClock
) -> None:
    exporter = start_exporter(login_of(old_portal))
    exporter.refresh()
    old, recent = WALL.days_before(NOW, 20) + 5 * HOUR, WALL.days_before(NOW, 2)
    revisions = (Revision("81001", old, NOW, 0.5), Revision("81001", recent, NOW, 3.0))
    change(old_portal, revisions=revisions)
    labels = {"portal": old_portal.host, "account": "55001", "location": "70001"}

    clock.advance(HOUR)
    exporter.refresh()
    assert exporter.metric("smarthub_interval_revisions_total", login="coop", direction="up", reach="window") == 1
    assert exporter.metric("smarthub_backfill_needed_since_timestamp_seconds", **labels) is None

    clock.advance(DAY)
    exporter.refresh()
    assert exporter.metric("smarthub_interval_revisions_total", login="coop", direction="down", reach="older") == 1
    assert exporter.metric("smarthub_backfill_needed_since_timestamp_seconds", **labels) == WALL.days_before(NOW, 20)
    assert_true(exporter, old_portal)


def test_gap_filled_by_the_portal_is_filled(
    portal: PortalServer, start_exporter: StartExporter, clock: ManualClock
) -> None:
    start = WALL.days_before(NOW, 3)
    change(portal, gaps=(Span("81001", start, start + 5 * HOUR),))
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    change(portal, gaps=())
    clock.advance(HOUR)

    exporter.refresh()

    assert_true(exporter, portal)


def test_placeholders_are_not_served(
    start_portal: StartPortal, start_exporter: StartExporter, clock: ManualClock
) -> None:
    portal = start_portal(SMALL, lag=20.0 * HOUR, placeholders=True)
    exporter = start_exporter(login_of(portal))

    for _ in range(12):
        exporter.refresh()
        meter = exporter.location().meters[0]
        assert meter.intervals[-1].usage
        assert meter.intervals[-1].end <= clock.now() - 20 * HOUR
        assert not [day for day in meter.days if day.end > clock.now() - 20 * HOUR]
        clock.advance(7 * HOUR)
    assert exporter.metric("smarthub_interval_revisions_total", login="coop", direction="up", reach="window") == 0


# -- the zone


@pytest.mark.parametrize(("hours", "mismatch"), [(-3, 1), (1, 0)])
def test_other_wall_clock_contradicts_if_a_zone_has_it(
    old_portal: PortalServer, start_exporter: StartExporter, hours: int, mismatch: int
) -> None:
    change(old_portal, shifted=hours * HOUR)
    exporter = start_exporter(login_of(old_portal))

    exporter.refresh()

    assert exporter.metric("smarthub_timezone_mismatch", login="coop") == mismatch


@pytest.mark.parametrize(
    ("zone", "mismatch"),
    [
        ("America/New_York", 0),
        ("America/Detroit", 0),
        ("America/Puerto_Rico", 0),  # equal in summer
        ("UTC", 1),
    ],
)
def test_wrong_zone_is_contradicted_and_the_right_one_is_not(
    old_portal: PortalServer, start_exporter: StartExporter, zone: str, mismatch: int
) -> None:
    exporter = start_exporter(login_of(old_portal, zone=ZoneInfo(zone)))

    exporter.refresh()

    assert exporter.metric("smarthub_timezone_mismatch", login="coop") == mismatch


def test_wrong_zone_is_logged_with_the_one_that_fits(
    old_portal: PortalServer, start_exporter: StartExporter, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = start_exporter(login_of(old_portal, zone=ZoneInfo("America/Chicago")))
    exporter.refresh()
    assert exporter.status.zone.others == ("America/New_York",)
    warned = [record.getMessage() for record in caplog.records if exporter.status.zone.message in record.getMessage()]
    assert warned == [f"login coop: data is withheld from /metrics: {exporter.status.zone.message}"]


def withheld(exporter: Exporter) -> set[str]:
    return {key.location for key in withheld_locations(exporter.refresher.statuses().values())}


def test_wrong_hours_are_never_served(
    start_portal: StartPortal, start_exporter: StartExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each location is withheld before its data is merged."""
    exporter = start_exporter(login_of(start_portal(TWO), zone=ZoneInfo("America/Los_Angeles")))
    merge, seen = exporter.store.merge, []

    def merge_after_look(location: Location, *args: object, **options: object) -> list[tuple[str, str]]:
        seen.append(location.key.location in withheld(exporter))
        return merge(location, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(exporter.store, "merge", merge_after_look)
    exporter.refresh()
    assert seen == [True, True]
    assert withheld(exporter) == {"70001", "70002"}
    assert (exporter.status.up, len(exporter.location().meters)) == (True, 1), "state and up are unaffected"


def test_wrong_hours_stay_withheld_after_a_restart(
    old_portal: PortalServer, start_exporter: StartExporter, tmp_path: Path
) -> None:
    login = login_of(old_portal, zone=ZoneInfo("America/Los_Angeles"))
    start_exporter(login, folder=tmp_path).refresh()
    change(old_portal, poll=Poll.STATUS_503)
    again = start_exporter(login, folder=tmp_path)
    for _ in range(2):
        assert again.location().meters[0].intervals
        assert withheld(again) == {"70001"}
        assert again.metric("smarthub_timezone_mismatch", login="coop") == 1
        again.refresh()

    change(old_portal, poll=Poll.OK)
    fixed = start_exporter(login_of(old_portal), folder=tmp_path)
    assert withheld(fixed) == set()
    fixed.refresh()
    assert_true(fixed, old_portal)


@pytest.mark.parametrize("step", [900, 3600])
def test_included_end_bound_changes_no_value(
    start_portal: StartPortal, start_exporter: StartExporter, step: int
) -> None:
    house = replace(HOUSE, meters=(replace(METER, step=step),))
    portal = start_portal(World(locations=(house,)), inclusive_end=True)
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    assert exporter.status.zone.fits
    assert_true(exporter, portal)


def test_daylight_only_meter_is_served(start_portal: StartPortal, start_exporter: StartExporter) -> None:
    portal = start_portal(SMALL, daylight_only=("81001",))
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    assert withheld(exporter) == set()
    assert_true(exporter, portal)


def test_contradiction_lasts_until_the_times_fit(
    start_portal: StartPortal, start_exporter: StartExporter, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    portal = start_portal(World(zone="America/Denver", locations=(HOUSE,)))
    exporter = start_exporter(login_of(portal))
    for _ in range(3):
        exporter.refresh()
        clock.advance(HOUR)
        assert exporter.metric("smarthub_timezone_mismatch", login="coop") == 1
    warned = [record.getMessage() for record in caplog.records if "do not match" in record.getMessage()]
    assert len(warned) == 1

    change(portal, shifted=2 * HOUR)
    exporter.refresh()
    assert exporter.metric("smarthub_timezone_mismatch", login="coop") == 1, "a wrong zone may fit for some months"
    clock.advance(DAY)
    exporter.refresh()

    assert exporter.metric("smarthub_timezone_mismatch", login="coop") == 0


def test_only_a_full_refresh_ends_a_contradiction(
    old_portal: PortalServer, start_exporter: StartExporter, clock: ManualClock
) -> None:
    """With a long window, every refresh reads enough to show the zone."""
    exporter = start_exporter(login_of(old_portal, zone=ZoneInfo("America/Los_Angeles")), window=40 * DAY)
    exporter.refresh()
    change(old_portal, shifted=-3 * HOUR)
    for wait, is_wrong in ((HOUR, True), (DAY, False)):
        clock.advance(wait)
        exporter.refresh()
        assert withheld(exporter) == ({"70001"} if is_wrong else set())


def test_equal_evidence_of_many_locations_is_judged_once(
    start_portal: StartPortal, start_exporter: StartExporter, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[int] = []
    judge = ZoneJudge.judge

    def count(self: ZoneJudge, shown: Mapping[AccountLocation, object], *more: object) -> ZoneVerdict:
        judged.append(len(shown))
        return judge(self, shown, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(ZoneJudge, "judge", count)
    locations = tuple(replace(BARN, number=number) for number in ("1", "2", "3", "4", "5"))
    exporter = start_exporter(login_of(start_portal(World(locations=locations))))
    for _ in range(2):
        exporter.refresh()
        clock.advance(DAY)
    assert judged == [1, 5, 5, 5]


def test_search_is_repeated_while_the_portal_is_down(
    old_portal: PortalServer, start_exporter: StartExporter, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    respond, is_down = old_portal.portal.respond, True

    def respond_or_fail(call: Call) -> SimulatedResponse:
        is_search = call.path.endswith("/poll") and json.loads(call.body)["startDateTime"] % (DAY * 1000) == 0
        return SimulatedResponse(503, b"") if is_search and is_down else respond(call)

    monkeypatch.setattr(old_portal.portal, "respond", respond_or_fail)
    exporter = start_exporter(login_of(old_portal, zone=ZoneInfo("America/Los_Angeles")))
    exporter.refresh()
    assert withheld(exporter) == set()
    is_down = False
    clock.advance(HOUR)
    exporter.refresh()
    assert withheld(exporter) == {"70001"}


def test_no_data_is_a_success_and_contradicts_nothing(portal: PortalServer, start_exporter: StartExporter) -> None:
    change(portal, poll=Poll.NO_POINTS)
    exporter = start_exporter(login_of(portal))

    exporter.refresh()

    assert (exporter.status.up, up(exporter, portal, HOUSE)) == (True, 1)
    assert exporter.metric("smarthub_timezone_mismatch", login="coop") == 0


def test_meter_of_another_location_is_never_mixed_in(start_portal: StartPortal, start_exporter: StartExporter) -> None:
    same = replace(BARN, meters=(replace(BARN_METER, number="81001"),))
    portal = start_portal(World(locations=(HOUSE, same)), LITTLE)
    exporter = start_exporter(login_of(portal))

    exporter.refresh()

    assert_true(exporter, portal)


# -- beside a backfill


NEEDED = "smarthub_backfill_needed_since_timestamp_seconds"


def during_rests(clock: ManualClock, monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """Call an action during each wait of up to a minute, with the number of the wait."""
    sleep, count = clock.sleep, iter(range(10**6))

    def act_and_sleep(seconds: float) -> None:
        if 0 < seconds <= 60:
            act(next(count))
        sleep(seconds)

    monkeypatch.setattr(clock, "sleep", act_and_sleep)


def test_data_of_a_backfill_is_loaded_within_a_minute(
    portal: PortalServer,
    start_exporter: StartExporter,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    key = key_of(portal)
    labels = {"portal": key.portal, "account": key.account, "location": key.location}
    old = WALL.days_before(NOW, 20)
    with closing(StateFile(tmp_path)) as backfill:
        backfill.save(None, Location(key, "House", ZONE.key), needed_days=[old])
        exporter = start_exporter(login_of(portal), window=DAY, folder=tmp_path)
        seen: list[float | None] = []

        def act(number: int) -> None:
            seen.append(exporter.metric(NEEDED, **labels))
            if number == 4:
                backfill.backfilled(key, old, old + DAY)

        during_rests(clock, monkeypatch, act)
        clock.ends_at = NOW + HOUR / 2
        exporter.logins[0].run()

    assert exporter.metric("smarthub_refreshes_total", login="coop") == 1
    assert seen[:7] == [old] * 5 + [None] * 2
    assert len(exporter.location().meters[0].intervals) == LITTLE * 24 + 12


def test_broken_state_file_does_not_end_the_refresh(
    portal: PortalServer,
    start_exporter: StartExporter,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    error = sqlite3.DatabaseError("malformed")
    exporter = start_exporter(login_of(portal), window=DAY, folder=tmp_path)
    take_over, broken = exporter.store.reload_if_changed, []

    def fail_at_first() -> None:
        if exporter.metric("smarthub_refreshes_total", login="coop") == 1:
            broken.append(error)
            raise error
        take_over()

    monkeypatch.setattr(exporter.store, "reload_if_changed", fail_at_first)
    # The refresh checks too, and must not be the one that fails.
    attempt = exporter.logins[0]._attempt

    def attempt_with_a_whole_state(now: float) -> object:
        with monkeypatch.context() as patch:
            patch.setattr(exporter.store, "reload_if_changed", take_over)
            return attempt(now)

    monkeypatch.setattr(exporter.logins[0], "_attempt", attempt_with_a_whole_state)
    clock.ends_at = NOW + 1.5 * HOUR
    exporter.logins[0].run()

    assert len(broken) > 50
    assert exporter.metric("smarthub_refreshes_total", login="coop") == 2
    assert exporter.failures() == {}
    assert exporter.status.up


def test_login_reads_at_most_1000_locations(
    portal: PortalServer, start_exporter: StartExporter, intercept: Intercept, caplog: pytest.LogCaptureFixture
) -> None:
    industries = {str(number): ["ELECTRIC"] for number in range(1001)}
    listed = json.dumps([{"account": "55001", "serviceLocationToIndustries": industries}]).encode()
    intercept(portal, "/user-data", SimulatedResponse(200, listed))
    change(portal, poll=Poll.STATUS_500)
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    exporter.refresh()
    assert len(exporter.status.locations) == 1000
    assert [text for text in caplog.messages if "1000" in text] == [
        "login coop: 1000 locations or more; only the first 1000 are read"
    ]
