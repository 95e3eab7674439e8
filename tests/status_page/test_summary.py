"""The conditions of logins, locations and the whole status page."""

from dataclasses import replace
from datetime import date

import pytest

from exporter.formatting import midnight
from exporter.intervals.interval import Interval
from exporter.intervals.model import Location, LocationKey, Meter, MeterInfo, Snapshot
from exporter.intervals.samples import version
from exporter.portal.timezone import ZoneState, ZoneVerdict
from exporter.refresh.status import Failure, FailureKind, LocationStatus, LoginStatus
from exporter.simulator.settings import Poll, SignIn
from exporter.simulator.specs import UserSpec
from exporter.simulator.world import World
from exporter.status_page.condition import Condition, Severity, bad, good, wait
from exporter.status_page.summary import Summary, summarize

from ..support.clocks import ManualClock
from ..support.exporter import Exporter, StartExporter
from ..support.portal import StartPortal, change, login_of
from ..support.status import HOUR, NOON, full_day, location, login, snapshot_of
from ..support.worlds import HOUSE, SMALL, TWO, ZONE

DAY = 86400
FARM, BARN = location(name="Farm"), location(number=70002, name="Barn")


def seen(snapshot: Snapshot, *statuses: LoginStatus, is_alive: bool = True, **needed: int) -> Summary:
    logins = dict(zip(("farm", "cabin", "mill"), statuses, strict=False))
    backfill_needed = {LocationKey("novec", "55001", name.strip("_")): day for name, day in needed.items()}
    return summarize(snapshot, logins, NOON, is_alive=is_alive, backfill_needed=backfill_needed)


def seen_of(*locations: Location) -> Summary:
    """Return the summary of a login that read all its locations."""
    return seen(snapshot_of(*locations), login(*locations))


def conditions(view: Summary) -> tuple[Condition, ...]:
    """Return the conditions of the first location."""
    return view.locations[0].conditions


def now(exporter: Exporter, clock: ManualClock) -> Summary:
    statuses = {each.login.name: each.status for each in exporter.logins}
    return summarize(exporter.store.snapshot, statuses, clock.now(), is_alive=True, backfill_needed={})


# -- working, or nothing known yet


def test_fresh_data_of_a_working_login_is_well() -> None:
    view = seen_of(FARM)
    assert (view.condition, view.more) == (good("Everything is working"), [])
    assert view.logins[0].condition == good("Working")
    assert conditions(view) == (good("On schedule"),)


def test_a_state_that_cannot_be_saved_is_shown_with_its_reason() -> None:
    statuses = {"farm": login(FARM)}
    view = summarize(
        snapshot_of(FARM), statuses, NOON, is_alive=True, backfill_needed={}, state_problem="database or disk is full"
    )
    assert view.condition.severity is Severity.BAD
    assert "(database or disk is full)" in view.condition.detail


def test_a_needed_backfill_is_shown_with_its_command() -> None:
    first = midnight(date(2026, 3, 3), ZONE)
    view = seen(snapshot_of(FARM), login(FARM), _70009=first + 30 * DAY, _70001=first)
    assert view.condition == good("Everything is working")
    command = "smarthub-exporter backfill --start 2026-03-03"
    assert view.more == [
        good("Older data has changed: Farm, Location 70009", f"To update the database, run: {command}")
    ]


def test_before_the_first_refresh_nothing_is_well_or_wrong() -> None:
    view = seen(snapshot_of(FARM), LoginStatus(locations={FARM.key: LocationStatus(up=False)}))
    assert view.condition == wait(
        "The first refresh is running",
        "It reads 35 days, which takes seconds to minutes, and longer if the portal has to compute them.",
    )
    assert view.logins[0].condition == wait("First refresh is running")
    assert not view.logins[0].problems
    assert conditions(view) == (wait("Not refreshed yet", "Loaded from saved state."),)


def test_a_refresh_thread_that_ended_is_reported_first() -> None:
    stale = location(age=100 * HOUR, name="Farm")
    view = seen(snapshot_of(stale), login(stale), is_alive=False)
    assert view.condition == bad(
        "Refreshing has stopped", "A refresh thread has ended. Restart the exporter; its log shows the reason."
    )
    assert view.more == [bad("Data is stale: Farm", "No new data for 4 days.")]


@pytest.mark.parametrize("snapshot", [Snapshot(), snapshot_of(replace(FARM, meters=(Meter.of(MeterInfo("81001")),)))])
def test_a_location_without_data_shows_possible_reasons(snapshot: Snapshot) -> None:
    view = seen(snapshot, login(FARM))
    assert view.condition == wait(
        "No usable data", "The refresh worked. If the portal sent data, the log shows why it is not used."
    )
    reason = "The portal answered, but without intervals or days: some meters are read only once a month."
    assert conditions(view) == (wait("No data", reason),)
    failed = seen(snapshot, login(down={"no answer": [FARM]}))
    assert wait("No data", "There is no data yet.") in conditions(failed)


# -- old data


def test_stale_data_is_stale_even_if_the_login_works() -> None:
    farm = location(age=100 * HOUR, name="Farm")
    view = seen_of(farm, BARN)
    assert view.condition == bad("Data is stale: Farm", "No new data for 4 days.")
    assert [each.conditions for each in view.locations] == [
        (bad("Stale", "No new data for 4 days."),),
        (good("On schedule"),),
    ]


def test_only_the_first_of_many_stale_locations_are_named() -> None:
    many = [location(number=70000 + each, age=(80 + 10 * each) * HOUR) for each in range(6)]
    assert seen_of(*many).condition == bad(
        "Data is stale: Location 70000, Location 70001, Location 70002, Location 70003 and 2 more",
        "No new data for up to 5 days.",
    )


def test_late_data_is_judged_by_the_usual_delay_of_the_meter() -> None:
    farm = location(age=50 * HOUR)
    ends = range(NOON - 12 * DAY, NOON - 20 * HOUR, 900)
    often = tuple(Interval(end - 900, end, 0.2, version(end, end + 2 * HOUR)) for end in ends)
    for late, detail in (
        (farm, "More than two days behind."),
        (
            replace(farm, meters=(Meter.of(MeterInfo("81001"), often),)),
            "Data usually arrives within 2 hours.",
        ),
    ):
        view = seen_of(late)
        assert view.condition == wait("Data is late: Location 70001")
        assert conditions(view) == (wait("Late", detail),)


# -- failures


@pytest.mark.parametrize(
    ("switches", "times", "condition"),
    [
        ({"poll": Poll.STATUS_500}, 1, wait("Last refresh failed")),
        ({"poll": Poll.STATUS_403}, 1, bad("Action needed")),
        ({"poll": Poll.PENDING}, 1, wait("Portal still computing")),
        ({"sign_in": SignIn.FAILURE}, 3, bad("Sign-ins paused")),
    ],
)
def test_one_failure_of_all_locations_is_reported_once(  # noqa: PLR0917 - pytest names them all
    switches: dict[str, object],
    times: int,
    condition: Condition,
    clock: ManualClock,
    start_portal: StartPortal,
    start_exporter: StartExporter,
) -> None:
    exporter = start_exporter(login_of(start_portal(TWO, **switches)))
    for _ in range(times):
        exporter.refresh()
    view = now(exporter, clock)
    (problem,) = view.logins[0].problems
    assert replace(problem, detail="") == view.logins[0].condition == replace(view.condition, detail="") == condition
    assert "This affects" not in problem.detail


def test_data_from_before_a_failure_is_not_on_schedule(
    clock: ManualClock, start_portal: StartPortal, start_exporter: StartExporter
) -> None:
    server = start_portal(SMALL, 2)
    exporter = start_exporter(login_of(server))
    exporter.refresh()
    told = "Showing the last known data; see above for the reason."
    for poll, refresh in ((Poll.STATUS_403, bad("Not refreshed", told)), (Poll.PENDING, wait("Not refreshed", told))):
        change(server, poll=poll)
        exporter.refresh()
        assert conditions(now(exporter, clock)) == (refresh,)
    clock.advance(80 * HOUR)
    stale = bad("Stale", "No new data for 3 days.")
    assert conditions(now(exporter, clock)) == (stale, wait("Not refreshed", told))


@pytest.mark.parametrize(
    ("what", "advice", "detail"),
    [
        ("no answer", "", "No answer."),
        ("no answer", "try later.", "No answer; try later."),
        ("novec.smarthub.coop did not answer", "", "novec.smarthub.coop did not answer."),
    ],
)
def test_a_failure_is_a_sentence(what: str, advice: str, detail: str) -> None:
    failing = LoginStatus(last_refresh=NOON, failures=(Failure(FailureKind.FAILED, what, "there", advice),))
    assert seen(Snapshot(), failing).logins[0].problems == (wait("Last refresh failed", detail),)


def test_failures_of_some_locations_name_them() -> None:
    many = [location(number=70001 + each) for each in range(8)]
    view = seen(snapshot_of(*many), login(many[0], down={"no answer": [many[1], many[3]], "no sense": [many[2]]}))
    assert replace(view.condition, detail="") == view.logins[0].condition == wait("3 of 4 locations not refreshed")
    assert [each.detail for each in view.logins[0].problems] == [
        "No answer. This affects Location 70002, Location 70004.",
        "No sense. This affects Location 70003.",
    ]
    (problem,) = seen(Snapshot(), login(many[0], down={"no answer": many[1:]})).logins[0].problems
    assert problem.detail.endswith("Location 70005 and 3 more.")


@pytest.mark.parametrize(
    ("kind", "hours", "condition"),
    [
        (FailureKind.FAILED, 5.9, wait("Last refresh failed")),
        (FailureKind.FAILED, 6, bad("Refreshes have failed for 6 hours")),
        (FailureKind.COMPUTING, 6, wait("Portal still computing")),
        (FailureKind.ACTION_NEEDED, 0, bad("Action needed")),
        (FailureKind.PAUSED, 0, bad("Sign-ins paused")),
    ],
)
def test_only_failures_that_last_or_need_someone_are_red(kind: FailureKind, hours: float, condition: Condition) -> None:
    view = seen(snapshot_of(FARM), login(down={"no answer": [FARM]}, kind=kind, failing_for=hours * HOUR))
    assert view.logins[0].condition == condition
    assert view.condition.severity is condition.severity is conditions(view)[0].severity


@pytest.mark.parametrize(
    ("kind", "success", "saved", "next_try", "outlook"),
    [
        (
            FailureKind.FAILED,
            NOON - 1200,
            [FARM],
            NOON + 240,
            "Last success: 20 minutes ago. Next attempt: in 4 minutes.",
        ),
        (
            FailureKind.FAILED,
            0,
            [FARM],
            NOON + 30,
            "Last success: before the exporter started. Next attempt: in less than a minute.",
        ),
        (FailureKind.FAILED, 0, [], NOON - 30, "Last success: never. Next attempt: refreshing now."),
        (FailureKind.PAUSED, 0, [], NOON + 240, "Last success: never."),
    ],
)
def test_a_failure_names_the_last_success_and_the_next_try(
    kind: FailureKind, success: float, saved: list[Location], next_try: float, outlook: str
) -> None:
    status = replace(login(down={"no answer": [FARM]}, kind=kind), last_success=success, next_refresh=next_try)
    assert seen(snapshot_of(*saved), status).condition.detail == f"No answer. {outlook}"


def test_the_worst_problem_comes_first_with_its_login() -> None:
    late = location(age=50 * HOUR)
    needy = login(down={"no answer": [BARN]}, kind=FailureKind.ACTION_NEEDED)
    view = seen(snapshot_of(late, BARN), login(late), needy, LoginStatus())
    assert [each.problems for each in view.logins] == [(), (bad("Action needed", "No answer."),), ()]
    assert view.condition.words == "cabin: Action needed"
    assert [each.words for each in view.more] == ["The first refresh is running", "Data is late: Location 70001"]


def test_a_location_of_another_login_waits_for_no_refresh() -> None:
    waiting = LoginStatus(locations={FARM.key: LocationStatus(up=False)})
    assert conditions(seen(snapshot_of(FARM), login(FARM), waiting)) == (good("On schedule"),)


def test_a_location_that_is_no_longer_read_says_so() -> None:
    assert conditions(seen(snapshot_of(FARM), login())) == (
        wait("Not read", "No login reads this location; these are the last known figures."),
    )


def test_a_contradicted_zone_is_a_failure() -> None:
    zone = ZoneVerdict(ZoneState.CONTRADICTED, ("America/Denver",), ZONE.key)
    view = seen(snapshot_of(FARM), replace(login(FARM), zone=zone))
    assert replace(view.condition, detail="") == view.logins[0].condition == bad("Wrong time zone")
    (problem,) = view.logins[0].problems
    assert problem.detail == (
        f"No data of this login is on /metrics because {zone.message}. After the fix, restart the exporter."
        " Until then, the figures below may be off by hours."
    )
    assert [each.words for each in conditions(view)] == ["Wrong time zone"]
    both = seen(snapshot_of(FARM), replace(login(FARM, down={"no answer": [BARN]}), zone=zone))
    assert both.logins[0].condition == bad("Wrong time zone")
    assert len(both.logins[0].problems) == 2


# -- locations


def test_a_location_leaves_its_submeters_out_of_its_days() -> None:
    day = date(2026, 6, 14)
    house, barn = (
        Meter.of(MeterInfo(number, parents=parents), FARM.meters[0].intervals, (full_day(day, usage),))
        for number, parents, usage in (("M1", (), 30.0), ("M2", ("M1",), 12.0))
    )
    (view,) = seen_of(replace(FARM, meters=(house, barn))).locations
    assert [each.submeter_of for each in view.meters] == ["", "M1"]
    assert [each.usage for each in view.days if each.date == day] == [30.0]
    assert view.newest == view.meters[0]


def test_a_location_has_the_conditions_of_all_its_meters() -> None:
    (fresh,), (old,) = FARM.meters, location(age=100 * HOUR).meters
    both = replace(FARM, meters=(fresh, replace(old, info=MeterInfo("89999"))))
    assert [each.words for each in conditions(seen_of(both))] == ["Stale"]


# -- names


def test_several_meters_of_a_location_have_their_numbers() -> None:
    farm = replace(FARM, meters=(*FARM.meters, Meter.of(MeterInfo("89999"))))
    titles = [each.title for each in seen_of(farm).locations[0].meters]
    assert titles == ["Farm, meter 870001", "Farm, meter 89999"]


def test_a_location_without_a_name_shows_its_numbers() -> None:
    keys = [LocationKey("novec", *numbers) for numbers in (("", ""), ("55001", ""), ("55001", "70001"))]
    view = seen(Snapshot(), login(*(replace(FARM, key=key) for key in keys)))
    assert [each.title for each in view.locations] == ["novec", "Account 55001", "Location 70001"]


def test_a_zone_unknown_to_this_machine_is_shown_as_utc() -> None:
    mars = location(zone="Mars/Olympus")
    view = seen_of(mars)
    assert (view.locations[0].zone.key, view.logins[0].zone.key) == ("UTC", "UTC")


def test_a_login_without_locations_has_its_configured_zone() -> None:
    status = LoginStatus(last_refresh=NOON, zone=ZoneVerdict(zone="America/Denver"))
    assert seen(Snapshot(), status).logins[0].zone.key == "America/Denver"


def test_no_text_names_the_user(clock: ManualClock, start_portal: StartPortal, start_exporter: StartExporter) -> None:
    user = UserSpec(username="someone@example.org")
    server = start_portal(World(users=(user,), locations=(HOUSE,)))
    for password in (user.password, "wrong"):
        exporter = start_exporter(login_of(server, user, password=password))
        exporter.refresh()
        said = repr(now(exporter, clock))
        assert "someone" not in said
        assert "Secret Lane" not in said
