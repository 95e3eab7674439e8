"""The plain words of the status page, as the program's own messages and a real refresh make them."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from exporter.intervals.model import Interval, Location, LocationKey, Meter, MeterInfo, Snapshot
from exporter.intervals.samples import version
from exporter.portal.timezone import ZoneState, ZoneVerdict
from exporter.refresh.status import Failure, FailureKind, LocationStatus, LoginStatus
from exporter.simulator.settings import Poll, SignIn
from exporter.simulator.specs import MeterSpec, Resolution, UserSpec
from exporter.simulator.world import World
from exporter.status_page.condition import Condition, Severity
from exporter.status_page.summary import Summary, summarize

from ..support.clocks import ManualClock
from ..support.exporter import Exporter, StartExporter
from ..support.portal import StartPortal, change, login_of
from ..support.worlds import BARN, HOUSE, METER, SMALL, TWO

HOUR, DAY = 3600, 86400
T = 1_795_001_400  # 2026-11-18 11:30 UTC, 06:30 in New York
NOT_REFRESHED = "What is shown is what was known before; the reason stands at the login."


def location(number: int, age: float = 0.0, *, name: str = "", zone: str = "America/New_York") -> Location:
    """A location of one meter whose newest data ended so many seconds before T."""
    end = int(T - age)
    intervals = (Interval(end - 900, end, 0.2, version(end, T)),)
    key = LocationKey("novec", "55001", str(number))
    return Location(key, name, zone, (Meter(MeterInfo(f"8{number}"), intervals),))


def snapshot(*locations: Location) -> Snapshot:
    return Snapshot({each.key: each for each in locations})


def status(*locations: Location, **failed: str) -> LoginStatus:
    """A login after a refresh of these locations; failed: what failed by `_number`."""
    failures = {number: Failure(FailureKind.FAILED, what) for number, what in failed.items()}
    found = {each.key: failures.get(f"_{each.key.location}") for each in locations}
    return LoginStatus(
        up=not failed,
        failures=tuple(failures.values()),
        last_refresh=T,
        last_success=T,
        locations={key: LocationStatus(failure is None, failure) for key, failure in found.items()},
    )


def seen(snapshot: Snapshot, *statuses: LoginStatus, is_alive: bool = True) -> Summary:
    names = ("farm", "cabin", "mill")
    return summarize(snapshot, dict(zip(names, statuses, strict=False)), T, is_alive=is_alive)


def now(exporter: Exporter, clock: ManualClock) -> Summary:
    statuses = {each.login.name: each.status for each in exporter.logins}
    return summarize(exporter.store.snapshot, statuses, clock.now())


def problems(view: Summary, login: int = 0) -> list[tuple[Severity, str, str, tuple[str, ...]]]:
    return [
        (each.condition.severity, each.condition.words, each.condition.detail, each.locations)
        for each in view.logins[login].problems
    ]


# -- all is well, or not yet anything


def test_fresh_data_of_a_working_login_are_well() -> None:
    farm = location(70001, 2 * HOUR, name="Farm")
    view = seen(snapshot(farm), status(farm))
    assert view.condition == Condition(Severity.GOOD, "All is well")
    assert view.more == ()
    assert view.logins[0].condition == Condition(Severity.GOOD, "Working")
    assert view.meters[0].conditions == (Condition(Severity.GOOD, "Up to date"),)


def test_what_only_a_backfill_can_bring_is_told_with_the_command() -> None:
    farm, cabin = location(70001, 2 * HOUR, name="Farm"), location(70002, 2 * HOUR)
    midnight = int(datetime(2026, 10, 3, tzinfo=ZoneInfo("America/New_York")).timestamp())
    needed = {farm.key: midnight + 30 * 86400, cabin.key: midnight}
    view = summarize(snapshot(farm, cabin), {"farm": status(farm, cabin)}, T, backfill_needed=needed)
    assert view.condition == Condition(Severity.GOOD, "All is well")
    (told,) = view.more
    assert told == (
        "Older data have changed at Farm, Location 70002: smarthub-exporter backfill --start 2026-10-03 brings them to"
        " the database."
    )


def test_before_the_first_refresh_nothing_is_well_nor_wrong() -> None:
    view = seen(Snapshot(), LoginStatus())
    assert view.condition.severity is Severity.WAIT
    assert view.condition.words == "The first refresh is under way"
    assert view.condition.detail == (
        "It reaches back 35 days: seconds to minutes, longer where the portal computes. Reload to see more."
    )
    assert view.logins[0].condition == Condition(Severity.WAIT, "First refresh under way")
    assert (view.logins[0].problems, view.meters) == ((), ())


def test_data_from_before_a_restart_are_not_called_up_to_date() -> None:
    farm = location(70001, 2 * HOUR)
    waiting = LoginStatus(locations={farm.key: LocationStatus(up=False)})
    view = seen(snapshot(farm), waiting)
    assert view.meters[0].conditions == (
        Condition(Severity.WAIT, "Not refreshed yet", "Kept from before the exporter started."),
    )


def test_a_thread_that_has_ended_is_said_first() -> None:
    farm = location(70001, 100 * HOUR, name="Farm")
    view = seen(snapshot(farm), status(farm), is_alive=False)
    assert view.condition == Condition(
        Severity.BAD, "Refreshing has stopped", "A refresh thread has ended: restart the exporter; its log tells why."
    )
    assert view.more == ("Data are stale: Farm",)


# -- old data


def test_stale_data_are_called_stale_though_the_login_works() -> None:
    farm, barn = location(70001, 100 * HOUR, name="Farm"), location(70002, HOUR, name="Barn")
    view = seen(snapshot(farm, barn), status(farm, barn))
    assert view.condition == Condition(Severity.BAD, "Data are stale: Farm", "Nothing newer for 4 days.")
    assert [each.conditions for each in view.meters] == [
        (Condition(Severity.BAD, "Stale", "Nothing newer for 4 days."),),
        (Condition(Severity.GOOD, "Up to date"),),
    ]


def test_many_stale_locations_are_named_as_far_as_there_is_room() -> None:
    many = [location(70000 + each, (80 + each) * HOUR) for each in range(6)]
    view = seen(snapshot(*many), status(*many))
    assert view.condition.words == (
        "Data are stale: Location 70000, Location 70001, Location 70002, Location 70003 and 2 more"
    )
    assert view.condition.detail == "Nothing newer for up to 3 days."


def test_data_later_than_at_any_portal_that_is_read_daily_are_late() -> None:
    farm = location(70001, 50 * HOUR)
    view = seen(snapshot(farm), status(farm))
    assert view.condition == Condition(Severity.WAIT, "Data are late: Location 70001")
    assert view.meters[0].conditions == (Condition(Severity.WAIT, "Late", "More than two days behind."),)


def test_data_later_than_usual_for_the_meter_are_late() -> None:
    farm = location(70001)
    ends = range(T - 12 * DAY, T - 20 * HOUR, 900)
    intervals = tuple(Interval(end - 900, end, 0.2, version(end, end + 2 * HOUR)) for end in ends)
    farm = replace(farm, meters=(Meter(MeterInfo("81001"), intervals),))
    view = seen(snapshot(farm), status(farm))
    assert view.meters[0].conditions == (
        Condition(Severity.WAIT, "Late", "Usually the data are here after 2 hours or sooner."),
    )


# -- each reason for a failure, in the words of a real refresh


@pytest.mark.parametrize(
    ("switches", "severity", "words", "told"),
    [
        ({"sign_in": SignIn.FAILURE}, Severity.BAD, "Last refresh failed", "user name or password"),
        ({"sign_in": SignIn.SECOND_FACTOR}, Severity.BAD, "Last refresh failed", "set totp_secret"),
        ({"poll": Poll.STATUS_403}, Severity.BAD, "Last refresh failed", "Login coop may not see it (status 403)"),
        ({"poll": Poll.PENDING}, Severity.WAIT, "Portal still computing", "still computing after"),
        ({"poll": Poll.STATUS_503}, Severity.BAD, "Last refresh failed", "(poll: status 503); later it may work."),
        ({"poll": Poll.WRONG_SHAPE}, Severity.BAD, "Last refresh failed", "data.ELECTRIC"),
    ],
    ids=["credentials", "two_factor", "permission", "pending", "transport", "protocol"],
)
def test_a_failed_refresh_says_why_once_for_all_locations(  # noqa: PLR0917 - pytest names them all
    switches: dict[str, object],
    severity: Severity,
    words: str,
    told: str,
    clock: ManualClock,
    start_portal: StartPortal,
    start_exporter: StartExporter,
) -> None:
    server = start_portal(TWO, **switches)
    exporter = start_exporter(login_of(server))
    exporter.refresh()
    view = now(exporter, clock)
    ((*problem, detail, places),) = problems(view)
    assert (problem, places) == ([severity, words], ())
    assert told in detail
    assert view.logins[0].condition == Condition(severity, words)
    assert (view.condition.severity, view.condition.words) == (severity, words)


def test_what_was_known_before_a_failure_is_not_called_up_to_date(
    clock: ManualClock, start_portal: StartPortal, start_exporter: StartExporter
) -> None:
    server = start_portal(SMALL, 2)
    exporter = start_exporter(login_of(server))
    exporter.refresh()
    change(server, poll=Poll.STATUS_500)
    exporter.refresh()
    assert now(exporter, clock).meters[0].conditions == (Condition(Severity.BAD, "Not refreshed", NOT_REFRESHED),)
    change(server, poll=Poll.PENDING)
    exporter.refresh()
    assert now(exporter, clock).meters[0].conditions == (Condition(Severity.WAIT, "Not refreshed", NOT_REFRESHED),)
    clock.advance(80 * HOUR)
    assert now(exporter, clock).meters[0].conditions == (
        Condition(Severity.BAD, "Stale", "Nothing newer for 3 days."),
        Condition(Severity.WAIT, "Not refreshed", NOT_REFRESHED),
    )


def test_paused_sign_ins_are_said_with_what_ends_the_pause(
    clock: ManualClock, start_portal: StartPortal, start_exporter: StartExporter
) -> None:
    exporter = start_exporter(login_of(start_portal(sign_in=SignIn.FAILURE)))
    for _ in range(3):
        exporter.refresh()
    view = now(exporter, clock)
    assert view.condition == Condition(Severity.BAD, "Sign-ins paused")
    assert problems(view) == [
        (
            Severity.BAD,
            "Sign-ins paused",
            (
                "Sign-ins are paused, the portal refused user name or password 2 times in a row and locks accounts"
                " after five; one more try after 2026-01-15 17:00 UTC, or at once when the configuration is corrected."
            ),
            (),
        )
    ]


def test_a_login_without_any_electric_location_says_what_it_sees(
    clock: ManualClock, start_portal: StartPortal, start_exporter: StartExporter
) -> None:
    well = replace(HOUSE, industries=("WATER",), service_code="WATER")
    exporter = start_exporter(login_of(start_portal(World(locations=(well,)))))
    exporter.refresh()
    view = now(exporter, clock)
    assert problems(view) == [
        (
            Severity.BAD,
            "Last refresh failed",
            "Login coop sees no active electric service location; it sees location 70001 of account 55001.",
            (),
        )
    ]
    assert view.meters == ()


@pytest.mark.parametrize("poll", [Poll.NO_DATA, Poll.NO_POINTS])
def test_an_empty_answer_is_a_success_without_data(
    poll: Poll, clock: ManualClock, start_portal: StartPortal, start_exporter: StartExporter
) -> None:
    exporter = start_exporter(login_of(start_portal(poll=poll)))
    exporter.refresh()
    view = now(exporter, clock)
    assert view.logins[0].condition == Condition(Severity.GOOD, "Working")
    assert view.condition == Condition(
        Severity.WAIT, "No data", "The refresh worked, and the portal gave no intervals and no days."
    )


def test_a_meter_that_is_read_by_the_month_has_no_data_and_says_why_that_may_be(
    clock: ManualClock, start_portal: StartPortal, start_exporter: StartExporter
) -> None:
    monthly = replace(BARN, meters=(replace(BARN.meters[0], resolution=Resolution.MONTHS),))
    exporter = start_exporter(login_of(start_portal(World(locations=(HOUSE, monthly)), 2)))
    exporter.refresh()
    house, barn = now(exporter, clock).meters
    assert house.conditions == (Condition(Severity.GOOD, "Up to date"),)
    assert barn.conditions == (
        Condition(
            Severity.WAIT,
            "No data",
            "The portal answered, and has neither intervals nor days of it: some meters are read by the month only.",
        ),
    )


# -- several of everything


def test_a_failure_of_some_locations_names_them(
    clock: ManualClock, start_portal: StartPortal, start_exporter: StartExporter
) -> None:
    server = start_portal(TWO, 2)
    exporter = start_exporter(login_of(server))
    exporter.refresh()
    change(server, refused_locations=("70002",))
    exporter.refresh()
    view = now(exporter, clock)
    assert view.condition == Condition(Severity.BAD, "1 of 2 locations not refreshed")
    assert [(words, places) for _, words, _, places in problems(view)] == [("Last refresh failed", ("Barn",))]
    assert "may not see it (status 403)" in problems(view)[0][2]
    assert [each.conditions[0].words for each in view.meters] == ["Up to date", "Not refreshed"]


def test_different_failures_are_said_beside_each_other() -> None:
    places = [location(70001 + each) for each in range(3)]
    failed = status(*places, _70001="no answer", _70002="no sense", _70003="no answer")
    view = seen(snapshot(*places), failed)
    assert [(detail, names) for _, _, detail, names in problems(view)] == [
        ("No answer.", ("Location 70001", "Location 70003")),
        ("No sense.", ("Location 70002",)),
    ]


def test_of_several_logins_the_one_that_fails_is_named() -> None:
    farm, cabin = location(70001), location(70002)
    working, failing = status(farm), status(cabin, _70002="no answer")
    view = seen(snapshot(farm, cabin), working, failing)
    assert [each.name for each in view.logins] == ["farm", "cabin"]
    assert view.condition == Condition(Severity.BAD, "cabin: Last refresh failed")
    assert problems(view, 1) == [(Severity.BAD, "Last refresh failed", "No answer.", ())]


def test_the_worst_is_said_first_and_the_rest_below_it() -> None:
    farm, cabin = location(70001, 50 * HOUR), location(70002)
    failing = status(cabin, _70002="no answer")
    view = seen(snapshot(farm, cabin), status(farm), failing, LoginStatus())
    assert view.condition.words == "cabin: Last refresh failed"
    assert view.more == ("The first refresh is under way", "Data are late: Location 70001")


def test_a_location_that_another_login_reads_is_not_waiting_for_this_one() -> None:
    farm = location(70001)
    waiting = LoginStatus(locations={farm.key: LocationStatus(up=False)})
    assert seen(snapshot(farm), status(farm), waiting).meters[0].conditions == (Condition(Severity.GOOD, "Up to date"),)


def test_a_location_that_nobody_reads_any_more_says_so() -> None:
    farm, cabin = location(70001), location(70002)
    view = seen(snapshot(farm, cabin), status(farm))
    assert view.meters[1].conditions == (
        Condition(Severity.WAIT, "Not read", "No login reads this location; these are the last known figures."),
    )


def test_a_location_that_was_never_read_is_there_without_data() -> None:
    farm = location(70001)
    view = seen(Snapshot(), status(farm, _70001="no answer"))
    assert [condition.words for condition in view.meters[0].conditions] == ["No data", "Not refreshed"]
    assert view.meters[0].condition.detail == "Nothing is known of it yet."


@pytest.mark.parametrize(
    ("zones", "cure"),
    [
        ((), "(smarthub-exporter check tells which fits)"),
        (("America/Chicago",), "to America/Chicago, which fits"),
        (("America/Denver", "America/Phoenix"), "to America/Denver or America/Phoenix, which fits"),
    ],
)
def test_a_zone_that_the_data_contradict_is_a_failure_though_the_refresh_works(
    zones: tuple[str, ...], cure: str
) -> None:
    farm = location(70001)
    view = seen(snapshot(farm), replace(status(farm), zone=ZoneVerdict(ZoneState.CONTRADICTED, zones)))
    assert view.condition == Condition(Severity.BAD, "Time zone does not fit")
    assert problems(view) == [
        (
            Severity.BAD,
            "Time zone does not fit",
            (
                "The portal's times contradict the configured timezone: every figure may be off by hours. Correct"
                f" timezone in the configuration {cure}, and restart."
            ),
            (),
        )
    ]


def test_several_meters_of_a_location_are_told_apart_by_their_numbers() -> None:
    farm = location(70001, name="Farm")
    farm = replace(farm, meters=(*farm.meters, Meter(MeterInfo("89999"))))
    assert [each.title for each in seen(snapshot(farm), status(farm)).meters] == [
        "Farm, meter 870001",
        "Farm, meter 89999",
    ]


@pytest.mark.parametrize(
    ("key", "title"),
    [
        (LocationKey("novec", "55001", "70001"), "Location 70001"),
        (LocationKey("novec", "55001", ""), "Account 55001"),
        (LocationKey("novec", "", ""), "novec"),
    ],
)
def test_a_location_without_a_name_goes_by_what_is_known_of_it(key: LocationKey, title: str) -> None:
    assert (
        seen(Snapshot(), LoginStatus(last_refresh=T, locations={key: LocationStatus(up=False)})).meters[0].title
        == title
    )


def test_a_host_at_the_beginning_of_a_message_keeps_its_spelling() -> None:
    failure = Failure(FailureKind.FAILED, "novec.smarthub.coop did not answer in time")
    failing = LoginStatus(failures=(failure,), last_refresh=T)
    assert problems(seen(Snapshot(), failing))[0][2] == "novec.smarthub.coop did not answer in time."


def test_a_zone_that_this_machine_does_not_know_is_shown_as_utc() -> None:
    farm = location(70001, zone="Mars/Olympus")
    assert seen(snapshot(farm), status(farm)).meters[0].zone.key == "UTC"


def test_the_words_name_no_user(clock: ManualClock, start_portal: StartPortal, start_exporter: StartExporter) -> None:
    user = UserSpec(username="someone@example.org")
    server = start_portal(
        World(users=(user,), locations=(replace(HOUSE, meters=(MeterSpec("81001", METER.household),)),))
    )
    for password in (user.password, "wrong"):
        exporter = start_exporter(login_of(server, user, password=password))
        exporter.refresh()
        said = repr(now(exporter, clock))
        assert "someone" not in said
        assert "Secret Lane" not in said
