"""The steps of `check` up to the zone, with their exact words where they are made here."""

import json
import socket
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from exporter.checks.findings import Finding, Verdict, ok
from exporter.checks.login import login_findings
from exporter.config import LocationChoice
from exporter.discovery.look_around import LookAround, Step
from exporter.intervals.model import LocationKey
from exporter.portal.timezone import ZoneState, ZoneVerdict, zone_advice
from exporter.portal.us_timezones import offset_at, other_season
from exporter.simulator.demo_homes import DEMO_HOMES
from exporter.simulator.portal import Call, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Hourly, Poll, SignIn, Span
from exporter.simulator.specs import Channels, Resolution, UserSpec
from exporter.simulator.world import World
from exporter.storage.state import StateFile

from ..support.check_reports import Check, checked, lines, run_check
from ..support.clocks import ManualClock
from ..support.portal import Intercept, StartPortal, change, login_of
from ..support.surveys import answer_polls, houses
from ..support.worlds import DAY, HOUSE, METER, NOW, TWO, WALL

TOTP = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
CAREFUL = World(users=(UserSpec(totp_secret=TOTP),), locations=(HOUSE,))
SIGNED_IN = "ok sign-in: signed in with user name and password"
ONE_READ = "ok accounts: reading 1 of 1 location"
POLL = 'poll: location 70001 of account 55001 "House"'
HAS_DATA = f"ok {POLL} has data"
NO_DATA = (
    f"warning {POLL} has no data for the last 35 days"
    " -> check whether the SmartHub website shows any; a new or unused location may have none"
)
WHY = "the next lines say why"
FITS = "ok zone: the portal's times match America/New_York"
MISSING = "failed zone: timezone is missing; serve and backfill need it"
NO_HELP = "failed zone: timezone is missing, and the portal's data did not show it: "


def sign_ins(server: PortalServer) -> int:
    return sum(count for (endpoint, _), count in server.portal.calls.items() if endpoint == "auth")


def verdicts(said: list[str]) -> list[str]:
    """Return the verdict and step of each line."""
    return [line.partition(":")[0] for line in said]


def test_each_step_of_a_good_login_is_ok(portal: PortalServer, clock: ManualClock) -> None:
    look, items = run_check(login_of(portal), clock)

    said = lines(items)
    assert said[:7] == [
        "# Login coop",
        f"ok address: {portal.host} answers",
        SIGNED_IN,
        ONE_READ,
        HAS_DATA,
        FITS,
        '# Location 70001 of account 55001 "House"',
    ]
    assert sign_ins(portal) == 1
    assert look.zone == ZoneInfo("America/New_York")
    assert [location.number for location in look.surveys] == ["70001"]


# -- what the portal says of itself


def portal_findings(server: PortalServer, clock: ManualClock) -> list[Finding]:
    with closing(StateFile(None)) as state:
        items = list(login_findings(LookAround(login_of(server), state, clock), {}))
    return [each for each in items if isinstance(each, Finding) and each.step is Step.PORTAL]


def test_the_name_of_the_portal_is_the_first_step(portal: PortalServer, clock: ManualClock) -> None:
    assert portal_findings(portal, clock) == [ok(Step.PORTAL, "the portal of Piedmont Simulated Electric")]


def test_a_portal_without_a_name_is_no_finding(portal: PortalServer, clock: ManualClock) -> None:
    change(portal, nameless=True)
    assert portal_findings(portal, clock) == []


def test_a_host_that_is_no_smarthub_is_only_a_warning(portal: PortalServer, clock: ManualClock) -> None:
    change(portal, foreign=True)
    (finding,) = portal_findings(portal, clock)
    assert finding.verdict is Verdict.WARNING


# -- address and sign-in


def test_a_portal_that_is_down_fails_at_its_address(clock: ManualClock) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, but not listening
        host = f"127.0.0.1:{nobody.getsockname()[1]}"
        assert verdicts(checked(login_of(f"http://{host}"), clock)) == ["# Login coop", "failed address"]


@pytest.mark.parametrize(
    ("path", "status", "steps"),
    [
        *(("/method", status, ["failed address"]) for status in (301, 429, 503)),
        ("", 404, ["ok address", "failed sign-in"]),
    ],
)
def test_a_server_that_is_not_a_working_portal_fails(  # noqa: PLR0917
    portal: PortalServer, clock: ManualClock, intercept: Intercept, path: str, status: int, steps: list[str]
) -> None:
    intercept(portal, path, SimulatedResponse(status, b"<html>not found</html>", "text/html"))
    assert verdicts(checked(login_of(portal), clock)[1:]) == steps
    assert sign_ins(portal) == 0


@pytest.mark.parametrize("how", [each for each in SignIn if each not in (SignIn.OK, SignIn.COOKIE)])
def test_a_failed_sign_in_is_the_last_step(portal: PortalServer, clock: ManualClock, how: SignIn) -> None:
    change(portal, sign_in=how)
    assert verdicts(checked(login_of(portal), clock)[1:]) == ["ok address", "failed sign-in"]
    assert sign_ins(portal) == 1


def test_a_missing_second_factor_costs_no_sign_in(start_portal: StartPortal, clock: ManualClock) -> None:
    server = start_portal(CAREFUL)
    assert verdicts(checked(login_of(server), clock)[1:]) == ["ok address", "failed sign-in"]
    assert server.portal.calls == {("site_name", 200): 1, ("two_factor", 200): 1}


def test_an_accepted_second_factor_is_mentioned(check: Check) -> None:
    assert check(CAREFUL)[2:6] == [
        "ok sign-in: signed in with user name, password and second factor",
        ONE_READ,
        HAS_DATA,
        FITS,
    ]


# -- the accounts


def test_a_chosen_location_that_is_not_there_fails(check: Check) -> None:
    wrong, right = LocationChoice("55001", "70009"), LocationChoice("55002", "70002")
    (alone,) = check(TWO, wrong)[3:]
    assert alone.startswith("failed accounts: login coop does not see location 70009 of account 55001; it sees ")
    assert check(TWO, wrong, right)[3:8] == [
        alone,
        "ok accounts: reading 1 of 2 locations; skipped: location 70001 (not chosen)",
        'ok poll: location 70002 of account 55002 "Barn" has data',
        FITS,
        '# Location 70002 of account 55002 "Barn"',
    ]


def test_skipped_locations_are_listed_with_the_reason(check: Check) -> None:
    assert check(World(locations=DEMO_HOMES))[3] == (
        "ok accounts: reading 3 of 5 locations; skipped: location 70005 (no electricity, only water), location 70004"
        " (closed)"
    )


def test_a_location_chosen_by_number_is_read(check: Check) -> None:
    said = check(World(locations=DEMO_HOMES), LocationChoice("55002", "70005"))[3:]
    assert verdicts(said) == ["ok accounts", "warning poll", "ok zone"]
    assert said[0].startswith("ok accounts: reading 1 of 5 locations; skipped: ")


@pytest.mark.parametrize("world", [World(users=(UserSpec(accounts=("1",)),)), World(locations=DEMO_HOMES[3:])])
def test_a_login_without_an_active_electric_location_fails(check: Check, world: World) -> None:
    assert verdicts(check(world)[3:]) == ["failed accounts"]


def test_without_any_list_the_accounts_are_the_last_step(check: Check) -> None:
    said = check(discovery=Poll.STATUS_500, accounts=Poll.STATUS_403)[2:]
    assert verdicts(said) == ["ok sign-in", "failed accounts"]


def test_what_stands_in_for_user_data_is_a_warning(check: Check) -> None:
    said = check(discovery=Poll.NO_ENTRY)[3:6]
    assert verdicts(said) == ["warning accounts", "ok accounts", "ok poll"]
    # The plain list has no nicknames.
    assert said[1:] == [ONE_READ, "ok poll: location 70001 of account 55001 has data"]


# -- the poll

EMPTY = (Poll.NO_DATA, Poll.NO_ELECTRIC, Poll.NO_ENTRY, Poll.NO_USAGE, Poll.NO_POINTS)


@pytest.mark.parametrize("how", [each for each in Poll if each not in (Poll.OK, Poll.NO_SERIES, *EMPTY)])
def test_a_failed_poll_is_reported_and_bills_show_the_zone(check: Check, how: Poll) -> None:
    failure, zone = check(poll=how)[4:]
    assert failure.startswith(f"failed {POLL}: ")
    assert zone == FITS


@pytest.mark.parametrize("how", EMPTY)
def test_an_empty_answer_is_a_warning(check: Check, how: Poll) -> None:
    first, *more, zone = check(poll=how)[4:]
    assert (first, zone) == (NO_DATA, FITS)
    assert all(line.startswith(f"warning {POLL}: ") for line in more)


def test_cost_without_usage_is_a_warning(check: Check) -> None:
    assert verdicts(check(poll=Poll.NO_SERIES)[4:]) == ["warning poll", "warning poll", "ok zone"]


def test_data_that_cannot_be_used_is_not_called_missing(start_portal: StartPortal, clock: ManualClock) -> None:
    server = start_portal(hourly=Hourly.DAILY)
    nothing = SimulatedResponse(200, b'{"status": "COMPLETE"}')
    server.portal.override = lambda call: nothing if b'"DAILY"' in call.body else None
    said = checked(login_of(server), clock)
    assert said[4:6] == [
        f"warning {POLL}: the portal sent data for the last 35 days, but none that can be used -> {WHY}",
        f"warning {POLL}: meter 81001: skipped HOURLY data that has only one point per day",
    ]


def test_a_forbidden_location_does_not_stop_the_others(check: Check) -> None:
    said = check(TWO, refused_locations=("70001",))[4:]
    assert said[0].startswith(f"failed {POLL}: ")
    assert said[0].count("location 70001") == 1
    assert said[1:4] == [
        'ok poll: location 70002 of account 55002 "Barn" has data',
        FITS,
        '# Location 70002 of account 55002 "Barn"',
    ]
    assert not [line for line in said[4:] if line.startswith("#")]


def test_monthly_figures_only_are_a_warning(check: Check) -> None:
    assert check(houses(1, meters=(replace(METER, resolution=Resolution.MONTHS),)))[4:] == [
        (
            f"warning {POLL} has only monthly figures; its refreshes succeed, but /metrics has nothing to show"
            " -> ask the co-op for a meter that reports hourly or daily"
        ),
        FITS,
    ]


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        (Channels.UNKNOWN, ["failed poll"]),
        (Channels.UNKNOWN_LABELLED, ["failed poll"]),
        (Channels.BILL_WORDS, ["warning poll"] * 2),
        (Channels.FORWARD_RETURN, []),
    ],
)
def test_words_for_directions_are_judged_once(check: Check, channels: Channels, expected: list[str]) -> None:
    said = check(houses(2, meters=(replace(METER, channels=channels),)))
    assert [each for each in verdicts(said) if each in ("failed poll", "warning poll")] == expected


@pytest.mark.parametrize("zone", [ZoneInfo("America/New_York"), None])
def test_a_login_that_is_signed_out_asks_nothing_more(
    start_portal: StartPortal, clock: ManualClock, zone: ZoneInfo | None
) -> None:
    """The portal ends all sessions and rejects new sign-ins, as when it shuts down."""
    server = start_portal(TWO)

    def close(_: Call) -> SimulatedResponse:
        server.portal.sign_everybody_out()
        change(server, sign_in=SignIn.STATUS_500)
        return SimulatedResponse(401, b"")

    answer_polls(server, close)
    said = checked(replace(login_of(server), zone=zone), clock)[4:]
    assert verdicts(said) == ["failed poll" if zone else "failed zone"]
    assert "login coop: " in said[0]
    assert sign_ins(server) == 2


# -- the zone

ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Honolulu",
    "America/Adak",
    "America/Puerto_Rico",
    "Pacific/Guam",
)
SUMMER = int(datetime(2026, 7, 15, 17, tzinfo=UTC).timestamp())


def in_zone(name: str, **changes: object) -> World:
    return replace(houses(1, **changes), zone=name)


def zone_step(server: PortalServer, clock: ManualClock, zone: str | None = "America/New_York") -> str:
    login = replace(login_of(server), zone=ZoneInfo(zone) if zone else None)
    (said,) = [line for line in checked(login, clock) if line.partition(" ")[2].startswith("zone: ")]
    return said


def at(server: PortalServer, now: int) -> ManualClock:
    """Set the clock of a portal, and return it."""
    clock = server.portal.clock = ManualClock(now)
    return clock


@pytest.mark.slow
@pytest.mark.parametrize("now", [NOW, SUMMER], ids=["winter", "summer"])
@pytest.mark.parametrize("true", ["America/New_York", "America/Phoenix", "Pacific/Honolulu", "Pacific/Guam"])
def test_a_zone_is_judged_by_both_halves_of_the_year(start_portal: StartPortal, true: str, now: int) -> None:
    server = start_portal(in_zone(true))
    clock = at(server, now)
    for zone in (*ZONES, "UTC", "US/Eastern"):
        alike = [
            offset_at(ZoneInfo(zone), when) == offset_at(ZoneInfo(true), when) for when in (now, other_season(now))
        ]
        said = zone_step(server, clock, zone)
        if all(alike):
            assert said == f"ok zone: the portal's times match {zone}"
        elif any(alike):
            assert said.startswith(f"warning zone: not all of the portal's times match {zone} -> set timezone: {true}")
        else:
            assert said.startswith(f"failed zone: the portal's times do not match {zone} -> set timezone: {true}")


def test_times_of_one_season_leave_zones_open(start_portal: StartPortal, clock: ManualClock) -> None:
    server = start_portal(in_zone("America/Phoenix", connected="2025-12-20"))
    both = zone_advice(("America/Denver", "America/Phoenix"))
    for zone in ("America/Denver", "America/Phoenix"):
        assert zone_step(server, clock, zone) == f"ok zone: the portal's times match {zone}"
    assert zone_step(server, clock) == f"failed zone: the portal's times do not match America/New_York -> {both}"
    assert zone_step(server, clock, None) == f"{MISSING} -> {both}"


def test_a_zone_outside_the_us_contradicts_none(start_portal: StartPortal, clock: ManualClock) -> None:
    server = start_portal(in_zone("Asia/Kathmandu"))
    unverified = ZoneVerdict(ZoneState.NO_ZONE, (), "America/New_York")
    assert zone_step(server, clock) == f"warning zone: {unverified.problem} -> {unverified.advice}"
    assert zone_step(server, clock, "Asia/Kathmandu") == "ok zone: the portal's times match Asia/Kathmandu"


def test_bills_may_confirm_a_zone_against_the_other_times(start_portal: StartPortal, clock: ManualClock) -> None:
    """A portal that labels intervals with their end seems to be one zone further east."""
    server = start_portal(in_zone("America/Chicago"), end_labels=True)
    verdict = ZoneVerdict(ZoneState.END_LABELS, (), "America/Chicago")
    assert zone_step(server, clock, "America/Chicago") == f"warning zone: {verdict.problem} -> {verdict.advice}"


UNBILLED = houses(1, connected="2026-01-14")
"""A house connected today: no bill shows its zone."""


def test_without_times_the_zone_is_open(start_portal: StartPortal, clock: ManualClock) -> None:
    server = start_portal(UNBILLED, poll=Poll.NO_POINTS)
    assert zone_step(server, clock) == (
        "warning zone: not enough data yet to verify America/New_York -> run this check again once the portal has data"
    )
    assert zone_step(server, clock, None) == (f"{MISSING} -> set timezone to the co-op's, such as America/New_York")


def test_waiting_is_advised_only_if_it_helps(start_portal: StartPortal, clock: ManualClock) -> None:
    """A meter with daily data, or with none at night, never shows the zone; a bill may."""
    wait = "not enough data yet to verify America/New_York -> run this check again in two days"
    never = (
        "the portal's data does not show whether America/New_York is right -> compare the energy of a day with the"
        " SmartHub website, or run this check again after the first bill"
    )
    today = WALL.day(NOW).start
    nights = tuple(
        Span("81001", today - back * DAY - 6 * 3600, today - back * DAY + 7 * 3600) for back in range(-1, 400)
    )
    new, daily, solar = (
        start_portal(UNBILLED),
        start_portal(houses(1, connected="2026-01-10", meters=(replace(METER, resolution=Resolution.DAYS),))),
        start_portal(houses(1, connected="2026-01-10"), gaps=nights),
    )
    assert [zone_step(server, clock) for server in (new, daily, solar)] == [
        f"warning zone: {each}" for each in (wait, never, never)
    ]


def test_a_shared_location_is_looked_at_once(portal: PortalServer, clock: ManualClock) -> None:
    readers: dict[LocationKey, str] = {}
    with closing(StateFile(None)) as state:
        one, other = (LookAround(login_of(portal, name=name), state, clock) for name in ("one", "other"))
        first, second = (lines(login_findings(look, readers)) for look in (one, other))
    assert any("poll: location 70001" in line for line in first)
    assert second[-1] == "ok accounts: reading 0 of 1 location; skipped: location 70001 (read by login one)"
    assert (len(one.surveys), len(other.surveys)) == (1, 0)


@pytest.mark.parametrize("how", [Poll.PAGE, Poll.STATUS_403, Poll.WRONG_SHAPE, Poll.FAILED, Poll.STATUS_500])
def test_a_failing_portal_leaves_the_zone_open(start_portal: StartPortal, clock: ManualClock, how: Poll) -> None:
    server = start_portal(UNBILLED, poll=how)
    assert zone_step(server, clock).startswith("warning zone: could not verify America/New_York: ")
    (last,) = checked(replace(login_of(server), zone=None), clock)[4:]
    assert last.startswith(NO_HELP)


@pytest.mark.parametrize("status", [403, 500])
def test_failures_of_old_data_do_not_affect_the_zone(
    start_portal: StartPortal, clock: ManualClock, status: int
) -> None:
    server = start_portal(in_zone("America/Phoenix"))

    def refuse_old_data(call: Call) -> SimulatedResponse | None:
        is_old = json.loads(call.body)["startDateTime"] / 1000 < NOW - 60 * DAY
        return SimulatedResponse(status, b"no access", "text/plain") if is_old else None

    answer_polls(server, refuse_old_data)
    assert zone_step(server, clock, "America/Phoenix") == "ok zone: the portal's times match America/Phoenix"
    assert zone_step(server, clock).endswith("set timezone: America/Denver (America/Phoenix would also match)")


# -- a missing zone


def test_with_a_missing_zone_the_found_one_is_used(portal: PortalServer, clock: ManualClock) -> None:
    look, items = run_check(replace(login_of(portal), zone=None), clock)
    said = lines(items)
    assert said[3:6] == [ONE_READ, f"{MISSING} -> set timezone: America/New_York", HAS_DATA]
    assert verdicts(said[6:10]) == [
        '# Location 70001 of account 55001 "House"',
        "ok resolution",
        "ok newest data",
        "ok day totals",
    ]
    assert look.zone == ZoneInfo("America/New_York")


def test_bills_show_the_zone_of_a_failing_portal(start_portal: StartPortal, clock: ManualClock) -> None:
    assert zone_step(start_portal(poll=Poll.PAGE), clock, None) == f"{MISSING} -> set timezone: America/New_York"


@pytest.mark.parametrize("days", [2, 5, 8])
@pytest.mark.parametrize("true", ["America/New_York", "Pacific/Honolulu", "Pacific/Guam"])
def test_a_few_days_of_data_show_the_zone(start_portal: StartPortal, clock: ManualClock, true: str, days: int) -> None:
    connected = datetime.fromtimestamp(NOW, ZoneInfo(true)).date() - timedelta(days=days)
    server = start_portal(in_zone(true, connected=connected.isoformat()))
    assert zone_step(server, clock, true) == f"ok zone: the portal's times match {true}"
    assert zone_step(server, clock, None).partition(" (")[0] == f"{MISSING} -> set timezone: {true}"
    wrong = zone_step(server, clock, "America/Chicago")
    assert verdicts([wrong]) != ["ok zone"]
    assert wrong.partition(" (")[0].endswith(f" America/Chicago -> set timezone: {true}")


# -- waiting


@pytest.mark.parametrize(("zone", "most"), [(ZoneInfo("America/New_York"), 140), (None, 60)])
def test_waiting_for_a_pending_portal_is_limited(
    start_portal: StartPortal, clock: ManualClock, zone: ZoneInfo | None, most: int
) -> None:
    server = start_portal(houses(3, connected="2026-01-14"), poll=Poll.PENDING)
    said = checked(replace(login_of(server), zone=zone), clock)[4:]
    assert verdicts(said) == (["failed poll"] * 3 + ["warning zone"] if zone else ["failed zone"])
    assert sum(clock.slept) <= most


def test_waiting_for_daily_figures_is_limited(start_portal: StartPortal, clock: ManualClock) -> None:
    server = start_portal(houses(6))
    pending = SimulatedResponse(200, b'{"status": "PENDING"}')
    answer_polls(server, lambda call: pending if b'"DAILY"' in call.body else None)
    checked(login_of(server), clock)
    assert 60 <= sum(clock.slept) <= 2 * (60 + 10)


def test_the_spinner_shows_what_is_waited_for(portal: PortalServer, clock: ManualClock) -> None:
    waited: list[str] = []
    run_check(login_of(portal), clock, waited.append)
    house = 'location 70001 of account 55001 "House"'
    assert waited == [
        portal.host,
        "the list of accounts",
        f"the data of {house}",
        "more data to verify the zone",
        f"the daily figures of {house}",
    ]
