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
from ..support.status import HOUR, NOON, location, login, snapshot_of
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


def now(exporter: Exporter, clock: ManualClock) -> Summary:
    statuses = {each.login.name: each.status for each in exporter.logins}
    return summarize(exporter.store.snapshot, statuses, clock.now(), is_alive=True, backfill_needed={})


# -- working, or nothing known yet


def test_fresh_data_of_a_working_login_is_well() -> None:
    view = seen_of(FARM)
    assert (view.condition, view.more) == (good("All is well"), [])
    assert view.logins[0].condition == good("Working")
    assert view.meters[0].conditions == (good("Up to date"),)


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
    assert view.condition == good("All is well")
    told = "Older data have changed at Farm, Location 70009: smarthub-exporter backfill --start 2026-03-03"
    assert view.more == [f"{told} brings them to the database."]


def test_before_the_first_refresh_nothing_is_well_or_wrong() -> None:
    view = seen(snapshot_of(FARM), LoginStatus(locations={FARM.key: LocationStatus(up=False)}))
    assert view.condition == wait(
        "The first refresh is under way",
        "It reaches back 35 days: seconds to minutes, longer where the portal computes. Reload to see more.",
    )
    assert view.logins[0].condition == wait("First refresh under way")
    assert not view.logins[0].problems
    assert view.meters[0].conditions == (wait("Not refreshed yet", "Kept from before the exporter started."),)


def test_a_refresh_thread_that_ended_is_reported_first() -> None:
    stale = location(age=100 * HOUR, name="Farm")
    view = seen(snapshot_of(stale), login(stale), is_alive=False)
    assert view.condition == bad(
        "Refreshing has stopped", "A refresh thread has ended: restart the exporter; its log tells why."
    )
    assert view.more == ["Data are stale: Farm"]


@pytest.mark.parametrize("snapshot", [Snapshot(), snapshot_of(replace(FARM, meters=(Meter.of(MeterInfo("81001")),)))])
def test_a_location_without_data_shows_possible_reasons(snapshot: Snapshot) -> None:
    view = seen(snapshot, login(FARM))
    assert view.condition == wait(
        "No usable data", "The refresh worked. If the portal sent data, the log says why it is left out."
    )
    reason = "The portal answered, and has neither intervals nor days of it: some meters are read by the month only."
    assert view.meters[0].conditions == (wait("No data", reason),)
    failed = seen(snapshot, login(down={"no answer": [FARM]}))
    assert failed.meters[0].condition == wait("No data", "Nothing is known of it yet.")


# -- old data


def test_stale_data_is_stale_even_if_the_login_works() -> None:
    farm = location(age=100 * HOUR, name="Farm")
    view = seen_of(farm, BARN)
    assert view.condition == bad("Data are stale: Farm", "Nothing newer for 4 days.")
    assert [each.conditions for each in view.meters] == [
        (bad("Stale", "Nothing newer for 4 days."),),
        (good("Up to date"),),
    ]


def test_only_the_first_of_many_stale_locations_are_named() -> None:
    many = [location(number=70000 + each, age=(80 + 10 * each) * HOUR) for each in range(6)]
    assert seen_of(*many).condition == bad(
        "Data are stale: Location 70000, Location 70001, Location 70002, Location 70003 and 2 more",
        "Nothing newer for up to 5 days.",
    )


def test_late_data_is_judged_by_the_usual_delay_of_the_meter() -> None:
    farm = location(age=50 * HOUR)
    ends = range(NOON - 12 * DAY, NOON - 20 * HOUR, 900)
    often = tuple(Interval(end - 900, end, 0.2, version(end, end + 2 * HOUR)) for end in ends)
    for late, detail in (
        (farm, "More than two days behind."),
        (
            replace(farm, meters=(Meter.of(MeterInfo("81001"), often),)),
            "Usually the data are here after 2 hours or sooner.",
        ),
    ):
        view = seen_of(late)
        assert view.condition == wait("Data are late: Location 70001")
        assert view.meters[0].conditions == (wait("Late", detail),)


# -- failures


@pytest.mark.parametrize(
    ("switches", "times", "condition"),
    [
        ({"poll": Poll.STATUS_403}, 1, bad("Last refresh failed")),
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
    assert replace(problem, detail="") == view.logins[0].condition == view.condition == condition
    assert "Concerns" not in problem.detail


def test_data_from_before_a_failure_is_not_up_to_date(
    clock: ManualClock, start_portal: StartPortal, start_exporter: StartExporter
) -> None:
    server = start_portal(SMALL, 2)
    exporter = start_exporter(login_of(server))
    exporter.refresh()
    told = "What is shown is what was known before; the reason stands at the login."
    for poll, refresh in ((Poll.STATUS_500, bad("Not refreshed", told)), (Poll.PENDING, wait("Not refreshed", told))):
        change(server, poll=poll)
        exporter.refresh()
        assert now(exporter, clock).meters[0].conditions == (refresh,)
    clock.advance(80 * HOUR)
    stale = bad("Stale", "Nothing newer for 3 days.")
    assert now(exporter, clock).meters[0].conditions == (stale, wait("Not refreshed", told))


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
    assert seen(Snapshot(), failing).logins[0].problems == (bad("Last refresh failed", detail),)


def test_failures_of_some_locations_name_them() -> None:
    many = [location(number=70001 + each) for each in range(8)]
    view = seen(snapshot_of(*many), login(many[0], down={"no answer": [many[1], many[3]], "no sense": [many[2]]}))
    assert view.condition == view.logins[0].condition == bad("3 of 4 locations not refreshed")
    assert [each.detail for each in view.logins[0].problems] == [
        "No answer. Concerns Location 70002, Location 70004.",
        "No sense. Concerns Location 70003.",
    ]
    (problem,) = seen(Snapshot(), login(many[0], down={"no answer": many[1:]})).logins[0].problems
    assert problem.detail.endswith("Location 70005 and 3 more.")


def test_the_worst_problem_comes_first_with_its_login() -> None:
    late = location(age=50 * HOUR)
    view = seen(snapshot_of(late, BARN), login(late), login(down={"no answer": [BARN]}), LoginStatus())
    assert [each.problems for each in view.logins] == [(), (bad("Last refresh failed", "No answer."),), ()]
    assert view.condition == bad("cabin: Last refresh failed")
    assert view.more == ["The first refresh is under way", "Data are late: Location 70001"]


def test_a_location_of_another_login_waits_for_no_refresh() -> None:
    waiting = LoginStatus(locations={FARM.key: LocationStatus(up=False)})
    assert seen(snapshot_of(FARM), login(FARM), waiting).meters[0].conditions == (good("Up to date"),)


def test_a_location_that_is_no_longer_read_says_so() -> None:
    assert seen(snapshot_of(FARM), login()).meters[0].conditions == (
        wait("Not read", "No login reads this location; these are the last known figures."),
    )


def test_a_contradicted_zone_is_a_failure() -> None:
    zone = ZoneVerdict(ZoneState.CONTRADICTED, ("America/Denver",), ZONE.key)
    view = seen(snapshot_of(FARM), replace(login(FARM), zone=zone))
    assert view.condition == view.logins[0].condition == bad("Wrong time zone")
    (problem,) = view.logins[0].problems
    assert problem.detail == (
        f"No data of this login is on /metrics because {zone.message}. Restart the exporter after the fix."
        " The figures below may be off by hours."
    )
    assert [each.words for each in view.meters[0].conditions] == ["Wrong time zone"]
    both = seen(snapshot_of(FARM), replace(login(FARM, down={"no answer": [BARN]}), zone=zone))
    assert both.logins[0].condition == bad("Wrong time zone")
    assert len(both.logins[0].problems) == 2


# -- names


def test_several_meters_of_a_location_have_their_numbers() -> None:
    farm = replace(FARM, meters=(*FARM.meters, Meter.of(MeterInfo("89999"))))
    titles = [each.title for each in seen_of(farm).meters]
    assert titles == ["Farm, meter 870001", "Farm, meter 89999"]


def test_a_location_without_a_name_shows_its_numbers() -> None:
    keys = [LocationKey("novec", *numbers) for numbers in (("", ""), ("55001", ""), ("55001", "70001"))]
    view = seen(Snapshot(), login(*(replace(FARM, key=key) for key in keys)))
    assert [each.title for each in view.meters] == ["novec", "Account 55001", "Location 70001"]


def test_a_zone_unknown_to_this_machine_is_shown_as_utc() -> None:
    mars = location(zone="Mars/Olympus")
    view = seen_of(mars)
    assert (view.meters[0].zone.key, view.logins[0].zone.key) == ("UTC", "UTC")


def test_no_text_names_the_user(clock: ManualClock, start_portal: StartPortal, start_exporter: StartExporter) -> None:
    user = UserSpec(username="someone@example.org")
    server = start_portal(World(users=(user,), locations=(HOUSE,)))
    for password in (user.password, "wrong"):
        exporter = start_exporter(login_of(server, user, password=password))
        exporter.refresh()
        said = repr(now(exporter, clock))
        assert "someone" not in said
        assert "Secret Lane" not in said
