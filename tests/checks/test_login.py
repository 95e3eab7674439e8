"""The steps of `check` up to the zone: each way in which they go wrong, with its exact words and what to do."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import trustme

from exporter.config import LocationChoice, Login, Secret
from exporter.portal.walltime import WallClock
from exporter.simulator.demo_homes import DEMO_HOMES
from exporter.simulator.portal import Call, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, SignIn, Span
from exporter.simulator.specs import Channels, MeterSpec, Resolution, UserSpec
from exporter.simulator.world import World
from exporter.storage.state import StateFile

from ..support.check_reports import check_of, checked, lines, without_zone
from ..support.clocks import ManualClock
from ..support.portal import Intercept, Record, StartPortal, change, login_of
from ..support.worlds import BARN, BARN_METER, DAY, HOUSE, METER, NOW, SMALL, TWO, ZONE

TOTP = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
OTHER_TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
CAREFUL = UserSpec(totp_secret=TOTP)
SIGNED_IN = "ok sign-in: the portal accepted user name and password"
ONE_READ = "ok accounts: 1 of 1 locations is read"
ANSWERS = 'ok poll: location 70001 of account 55001 "House" answers'
FAILS = 'failed poll: location 70001 of account 55001 "House": '
NO_DATA = (
    'warning poll: location 70001 of account 55001 "House" has no data for the last 35 days'
    " -> see whether the portal's own page has some; a new or unused location may have none"
)
FITS = "ok zone: the portal's times fit America/New_York"
PAGE = (
    "the portal sent a web page instead of data (status 200); it may be down for maintenance, or api_url is not a"
    " SmartHub portal"
)
WHOLE_WEEK = "HOURLY data of location 70001 from 2026-01-07 to 2026-01-14"
ONE_DAY = "HOURLY data of location 70001 from 2026-01-14 to 2026-01-14"


def answers(server: PortalServer) -> str:
    return f"ok address: {server.host} answers"


def yesterday(server: PortalServer, meter: MeterSpec) -> str:
    """The true sums of the day before NOW."""
    midnight = WallClock(ZONE).day(NOW).start
    truth = server.portal.truth(meter, midnight - DAY, midnight)
    return f"{truth.usage:.2f} kWh drawn" + ("" if truth.cost is None else f", ${truth.cost:.2f}")


def sign_ins(server: PortalServer) -> int:
    return sum(count for (endpoint, _), count in server.portal.calls.items() if endpoint == "auth")


def test_where_all_is_well_each_step_says_so_in_the_order_in_which_it_is_taken(
    portal: PortalServer, clock: ManualClock
) -> None:
    assert checked(login_of(portal), clock) == [
        "# Login coop",
        answers(portal),
        SIGNED_IN,
        ONE_READ,
        ANSWERS,
        FITS,
        '# Location 70001 of account 55001 "House"',
        "ok resolution: meter 81001: usage, cost every hour (FORWARD)",
        "ok newest data: until 2026-01-14 12:00, 0 seconds ago",
        "ok day totals: meter 81001: the intervals of 7 days add up to the portal's own daily figures",
        f"| Meter 81001, Tuesday 2026-01-13: {yesterday(portal, METER)}",
    ]


def test_a_check_signs_in_once_and_leaves_its_zone_and_surveys_behind(portal: PortalServer, clock: ManualClock) -> None:
    check = check_of(login_of(portal), clock)

    list(check.run())

    assert sign_ins(portal) == 1
    assert check.zone == ZoneInfo("America/New_York")
    assert [survey.location.number for survey in check.surveys] == ["70001"]


# -- the address


def test_a_portal_that_is_not_running_fails_at_its_address(clock: ManualClock) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, and not listened on
        host = f"127.0.0.1:{nobody.getsockname()[1]}"
        assert checked(login_of(f"http://{host}"), clock) == [
            "# Login coop",
            f"failed address: {host} refuses the connection: nothing listens there; check api_url",
        ]


def test_a_host_that_there_is_not_fails_at_its_address(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    monkeypatch.setenv("NO_PROXY", "*")
    assert checked(login_of("https://nobody.invalid"), clock) == [
        "# Login coop",
        "failed address: there is no host nobody.invalid; check api_url",
    ]


@pytest.fixture
def untrusted() -> Iterator[str]:
    """The host of a TLS server whose certificate comes from an authority of nobody's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)
    assert not thread.is_alive()


def test_a_certificate_that_is_not_trusted_fails_at_the_address(untrusted: str, clock: ManualClock) -> None:
    said = f"{untrusted} has no certificate that this machine trusts; check api_url and the machine's clock"
    assert checked(login_of(f"https://{untrusted}"), clock) == ["# Login coop", f"failed address: {said}"]


def test_a_server_that_is_no_portal_fails_when_signing_in(
    portal: PortalServer, clock: ManualClock, intercept: Intercept
) -> None:
    intercept(portal, "", SimulatedResponse(404, b"<html>not found</html>", "text/html"))
    assert checked(login_of(portal), clock)[1:] == [
        answers(portal),
        "failed sign-in: login coop: unexpected status 404 of the sign-in; check api_url",
    ]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (301, "{} redirects elsewhere (status 301); check api_url"),
        (429, "{} is busy or down (two_factor: status 429); later it may work"),
        (503, "{} is busy or down (two_factor: status 503); later it may work"),
    ],
)
def test_a_server_that_sends_us_away_fails_at_its_address(
    portal: PortalServer, clock: ManualClock, intercept: Intercept, status: int, said: str
) -> None:
    intercept(portal, "/method", SimulatedResponse(status, b""))
    assert checked(login_of(portal), clock)[1:] == [f"failed address: {said.format(portal.host)}"]
    assert sign_ins(portal) == 0


# -- the sign-in

CHECK_THEM = "check username and password by signing in on its web page, then correct the configuration"
WANTS_SECOND_FACTOR = (
    "failed sign-in: login coop: the portal wants a second factor; set totp_secret to the secret of the authenticator"
    " app (base32 or otpauth:// URI)"
)
REFUSALS = {
    SignIn.FAILURE: f"the portal refused user name or password (status 200, it said FAILURE); {CHECK_THEM}",
    SignIn.NO_TOKEN: f"the portal refused user name or password (status 200, it said LOCKED_OUT); {CHECK_THEM}",
    SignIn.STATUS_400: f"the portal refused user name or password (status 400); {CHECK_THEM}",
    SignIn.STATUS_401: f"the portal refused user name or password (status 401); {CHECK_THEM}",
    SignIn.SECOND_FACTOR: WANTS_SECOND_FACTOR.removeprefix("failed sign-in: login coop: "),
    SignIn.STATUS_403: "the portal does not let this login or this machine sign in (status 403)",
    SignIn.STATUS_500: "the portal has trouble signing anybody in (status 500)",
    SignIn.PAGE: f"sign-in: {PAGE}",
}


@pytest.mark.parametrize(("how", "said"), REFUSALS.items())
def test_a_refused_sign_in_is_the_last_step_and_says_why(
    portal: PortalServer, clock: ManualClock, how: SignIn, said: str
) -> None:
    change(portal, sign_in=how)
    assert checked(login_of(portal), clock) == ["# Login coop", answers(portal), f"failed sign-in: login coop: {said}"]
    assert sign_ins(portal) == 1


def test_every_way_of_refusing_is_in_the_table() -> None:
    assert set(REFUSALS) == set(SignIn) - {SignIn.OK}


def test_a_missing_second_factor_is_told_without_a_sign_in(
    start_portal: StartPortal, clock: ManualClock, record: Record
) -> None:
    server = start_portal(World(users=(CAREFUL,), locations=(HOUSE,)))
    calls = record(server)
    state = StateFile(None)
    login = login_of(server)
    assert login.totp_secret is None

    for _ in range(6):
        assert checked(login, clock, state) == ["# Login coop", answers(server), WANTS_SECOND_FACTOR]

    assert {(call.method, call.path) for call in calls} == {("GET", "/services/two-factor/method")}
    assert server.portal.calls == {("two_factor", 200): 6}
    assert not server.portal.most_refused


@pytest.mark.parametrize("secret", [TOTP, TOTP.lower(), f"otpauth://totp/Coop:me?secret={TOTP}&issuer=Coop"])
def test_a_second_factor_that_is_accepted_is_mentioned(
    start_portal: StartPortal, clock: ManualClock, secret: str
) -> None:
    server = start_portal(World(users=(CAREFUL,), locations=(HOUSE,)))
    said = checked(replace(login_of(server), totp_secret=Secret(secret)), clock)
    assert said[2] == "ok sign-in: the portal accepted user name and password with a second factor"
    assert said[3:6] == [ONE_READ, ANSWERS, FITS]


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (600, "this machine's clock is 600 s ahead of the portal's: set it right"),
        (-86400, "this machine's clock is 86400 s behind the portal's: set it right"),
    ],
)
def test_a_clock_that_is_wrong_is_named_where_the_second_factor_is_refused(
    start_portal: StartPortal, ahead: int, said: str
) -> None:
    server = start_portal(World(users=(CAREFUL,), locations=(HOUSE,)))
    report = checked(login_of(server, CAREFUL), ManualClock(NOW + ahead))
    assert report[1:] == [
        answers(server),
        f"failed sign-in: login coop: the portal refused the second factor; {said}",
    ]


def test_a_wrong_secret_is_suspected_where_the_clocks_agree(start_portal: StartPortal, clock: ManualClock) -> None:
    server = start_portal(World(users=(CAREFUL,), locations=(HOUSE,)))
    report = checked(login_of(server, UserSpec(totp_secret=OTHER_TOTP)), clock)
    assert report[1:] == [
        answers(server),
        "failed sign-in: login coop: the portal refused the second factor; check totp_secret and this machine's clock",
    ]


def paused(count: int, until: str) -> str:
    return (
        f"login coop: sign-ins are paused, the portal refused user name or password {count} times in a row and locks"
        f" accounts after five; {until}, or at once when the configuration is corrected"
    )


TOMORROW = "one more try after 2026-01-15 17:00 UTC"


def test_after_two_refusals_no_check_tries_again_unless_somebody_insists(
    portal: PortalServer, clock: ManualClock, tmp_path: Path
) -> None:
    change(portal, sign_in=SignIn.FAILURE)
    login, state = login_of(portal), StateFile(tmp_path)
    refused = f"failed sign-in: login coop: {REFUSALS[SignIn.FAILURE]}"
    assert [checked(login, clock, state)[-1] for _ in range(3)] == [
        refused,
        refused,
        f"failed sign-in: {paused(2, TOMORROW)}",
    ]
    assert sign_ins(portal) == 2

    asked: list[str] = []

    def insist(why: str) -> bool:
        asked.append(why)
        return True

    said = [lines(check_of(login, clock, state, insist).run())[-1] for _ in range(3)]

    # Four in all at most, for portals lock accounts at five; then nobody is asked any more.
    assert asked == [paused(2, TOMORROW), paused(3, "no more tries")]
    assert said == [refused, refused, f"failed sign-in: {paused(4, 'no more tries')}"]
    assert sign_ins(portal) == portal.portal.most_refused["member@example.org"] == 4
    state.close()


# -- the accounts

SEEN = (
    "it sees location 70001 of account 55001, location 70002 of account 55001, location 70003 of account 55002,"
    " location 70005 of account 55002, location 70004 of account 55003"
)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (LocationChoice("55001", "70009"), "location 70009 of account 55001"),
        (LocationChoice(None, "70009"), "location 70009"),
        (LocationChoice("55002", "70001"), "location 70001 of account 55002"),
        (LocationChoice("55009"), "an active electric location of account 55009"),
        (LocationChoice("55003"), "an active electric location of account 55003"),
    ],
)
def test_a_choice_that_the_login_does_not_see_fails_and_names_all_that_it_sees(
    start_portal: StartPortal, clock: ManualClock, choice: LocationChoice, said: str
) -> None:
    server = start_portal(World(locations=DEMO_HOMES))
    assert checked(login_of(server, None, choice), clock)[2:] == [
        SIGNED_IN,
        f"failed accounts: login coop does not see {said}; {SEEN}; correct the configuration",
    ]


def test_a_wrong_choice_does_not_keep_the_right_ones_from_being_checked(
    start_portal: StartPortal, clock: ManualClock
) -> None:
    server = start_portal(TWO)
    choices = LocationChoice("55001", "70009"), LocationChoice("55002", "70002")
    assert checked(login_of(server, None, *choices), clock)[3:8] == [
        (
            "failed accounts: login coop does not see location 70009 of account 55001; it sees location 70001 of"
            " account 55001, location 70002 of account 55002; correct the configuration"
        ),
        "ok accounts: 1 of 2 locations is read, the others not (location 70001: not chosen)",
        'ok poll: location 70002 of account 55002 "Barn" answers',
        FITS,
        '# Location 70002 of account 55002 "Barn"',
    ]


def test_what_is_not_read_is_named_with_the_reason(start_portal: StartPortal, clock: ManualClock) -> None:
    assert checked(login_of(start_portal(World(locations=DEMO_HOMES))), clock)[3] == (
        "ok accounts: 3 of 5 locations are read, the others not (location 70005: no electricity (water); location"
        " 70004: closed)"
    )


def test_a_location_that_is_chosen_by_its_number_is_read_whatever_it_is(
    start_portal: StartPortal, clock: ManualClock
) -> None:
    server = start_portal(World(locations=DEMO_HOMES))
    said = checked(login_of(server, None, LocationChoice("55002", "70005")), clock)
    assert said[3].startswith("ok accounts: 1 of 5 locations is read, the others not (")
    assert said[4].startswith('warning poll: location 70005 of account 55002 "Well" has no data for the last 35 days')


@pytest.mark.parametrize(
    ("world", "said"),
    [
        (World(users=(UserSpec(accounts=("1",)),)), "none at all"),
        (World(locations=DEMO_HOMES[3:]), "location 70004 of account 55003, location 70005 of account 55002"),
    ],
)
def test_a_login_without_any_active_electric_location_fails(
    start_portal: StartPortal, clock: ManualClock, world: World, said: str
) -> None:
    assert checked(login_of(start_portal(world)), clock)[3:] == [
        f"failed accounts: login coop sees no active electric service location; it sees {said}"
    ]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (Poll.PAGE, f"the list of accounts: {PAGE}"),
        (Poll.STATUS_429, "{} is busy or down (user_data: status 429); later it may work"),
        (Poll.STATUS_500, "the list of accounts: the portal has trouble (status 500); later it may work"),
        (Poll.STATUS_503, "{} is busy or down (user_data: status 503); later it may work"),
    ],
)
def test_a_list_of_accounts_that_cannot_be_had_is_the_last_step(
    portal: PortalServer, clock: ManualClock, how: Poll, said: str
) -> None:
    change(portal, discovery=how)
    assert checked(login_of(portal), clock)[2:] == [SIGNED_IN, f"failed accounts: {said.format(portal.host)}"]


@pytest.mark.parametrize("how", [Poll.STATUS_401, Poll.STATUS_403, Poll.NO_JSON, Poll.WRONG_SHAPE])
def test_a_list_of_accounts_that_the_plain_one_makes_up_for_stops_nothing(
    portal: PortalServer, clock: ManualClock, how: Poll
) -> None:
    change(portal, discovery=how)
    # The plain list has no nicknames.
    assert checked(login_of(portal), clock)[3:5] == [ONE_READ, "ok poll: location 70001 of account 55001 answers"]


def test_a_secondary_login_sees_what_its_owner_has(start_portal: StartPortal, clock: ManualClock) -> None:
    user = UserSpec("child@example.org", "s3cret", owner="owner@example.org")
    server = start_portal(World(users=(user,), locations=(HOUSE,)))
    assert checked(login_of(server, user), clock)[2:6] == [SIGNED_IN, ONE_READ, ANSWERS, FITS]


# -- the poll

POLLS = {
    Poll.PAGE: f"{WHOLE_WEEK}: {PAGE}",
    Poll.STATUS_401: f"login coop: the portal gave a token and does not accept it for {WHOLE_WEEK}",
    Poll.STATUS_403: (
        "login coop may not see location 70001 of account 55001 (status 403); check account and service_location, or"
        " leave both out to read every location that the login sees"
    ),
    Poll.STATUS_429: "{} is busy or down (poll: status 429); later it may work",
    Poll.STATUS_500: f"{WHOLE_WEEK}: the portal has trouble (status 500); later it may work",
    Poll.STATUS_503: "{} is busy or down (poll: status 503); later it may work",
    Poll.CUT_OFF: "{} broke off in the middle of its answer; later it may work",
    Poll.NO_JSON: f"{ONE_DAY}: the portal's answer is no JSON (31 bytes)",
    Poll.WRONG_SHAPE: "the portal's answer is not understood: data.ELECTRIC is an object, not a list",
    Poll.FAILED: f"{ONE_DAY}: the portal gave up on it (status FAILED)",
    Poll.PENDING: (
        "HOURLY data of location 70001 from 2026-01-11 to 2026-01-14: the portal was still computing after 60 s;"
        " later it may work"
    ),
}
EMPTY: dict[Poll, list[str]] = {
    Poll.NO_DATA: [],
    Poll.NO_ELECTRIC: [],
    Poll.NO_ENTRY: [],
    Poll.NO_USAGE: [
        (
            'warning poll: location 70001 of account 55001 "House": a COST series belongs to no meter of USAGE and was'
            " dropped"
        )
    ],
    Poll.NO_SERIES: [
        (
            'warning poll: location 70001 of account 55001 "House": meter 81001: too few points to tell how long their'
            " intervals are, they wait for more"
        )
    ],
    Poll.NO_POINTS: [],
}


def test_every_way_in_which_a_poll_goes_wrong_is_in_a_table() -> None:
    assert {*POLLS, *EMPTY} == set(Poll) - {Poll.OK}


@pytest.mark.parametrize(("how", "said"), POLLS.items())
def test_a_poll_that_fails_is_told_and_the_bills_still_tell_the_zone(
    portal: PortalServer, clock: ManualClock, how: Poll, said: str
) -> None:
    change(portal, poll=how)
    assert checked(login_of(portal), clock)[4:] == [FAILS + said.format(portal.host), FITS]


@pytest.mark.parametrize(("how", "more"), EMPTY.items())
def test_an_empty_answer_is_a_warning_and_no_failure(
    portal: PortalServer, clock: ManualClock, how: Poll, more: list[str]
) -> None:
    change(portal, poll=how)
    assert checked(login_of(portal), clock)[4:] == [NO_DATA, *more, FITS]


def test_of_two_locations_the_one_that_is_forbidden_fails_and_the_other_is_checked(
    start_portal: StartPortal, clock: ManualClock
) -> None:
    server = start_portal(TWO, refused_locations=("70001",))
    assert checked(login_of(server), clock)[4:] == [
        FAILS + POLLS[Poll.STATUS_403],
        'ok poll: location 70002 of account 55002 "Barn" answers',
        FITS,
        '# Location 70002 of account 55002 "Barn"',
        "ok resolution: meter 81002: usage every hour (FORWARD)",
        "ok newest data: until 2026-01-14 12:00, 0 seconds ago",
        "ok day totals: meter 81002: the intervals of 7 days add up to the portal's own daily figures",
        f"| Meter 81002, Tuesday 2026-01-13: {yesterday(server, BARN_METER)}",
    ]


def test_without_a_token_no_other_location_is_tried(start_portal: StartPortal, clock: ManualClock) -> None:
    # The portal signs everybody out and refuses to sign in again, as while it goes down.
    server = start_portal(TWO)
    respond = server.portal._user_data

    def respond_and_close(call: Call) -> SimulatedResponse:
        answer = respond(call)
        server.portal.sign_everybody_out()
        change(server, sign_in=SignIn.STATUS_500)
        return answer

    server.portal._user_data = respond_and_close  # type: ignore[method-assign]
    assert checked(login_of(server), clock)[4:] == [
        f"{FAILS}login coop: the portal has trouble signing anybody in (status 500)"
    ]


def monthly(zone: str = "America/New_York") -> World:
    return World(zone, locations=(replace(HOUSE, meters=(replace(METER, resolution=Resolution.MONTHS),)),))


def test_a_location_with_figures_by_the_month_only_is_a_warning(start_portal: StartPortal, clock: ManualClock) -> None:
    assert checked(login_of(start_portal(monthly())), clock)[4:] == [
        (
            'warning poll: location 70001 of account 55001 "House" has figures by the month only: there is nothing to'
            " export, and no refresh will fail for it -> ask the co-op for a meter that is read by the hour or day"
        ),
        FITS,
    ]


def test_what_the_answers_hold_of_the_unknown_is_told_with_the_poll(
    start_portal: StartPortal, clock: ManualClock
) -> None:
    server = start_portal(World(locations=(replace(HOUSE, meters=(replace(METER, channels=Channels.UNKNOWN),)),)))
    assert checked(login_of(server), clock)[4:6] == [
        ANSWERS,
        'warning poll: location 70001 of account 55001 "House": unknown flow direction SIDEWAYS, counted as import',
    ]


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


def in_zone(name: str) -> World:
    return replace(SMALL, zone=name)


def zone_step(login: Login, clock: ManualClock) -> str:
    (said,) = [line for line in checked(login, clock) if line.partition(" ")[2].startswith("zone: ")]
    return said


@pytest.mark.parametrize("now", [NOW, SUMMER], ids=["winter", "summer"])
@pytest.mark.parametrize("true", ZONES)
def test_each_zone_of_the_us_is_told_from_each_other(start_portal: StartPortal, true: str, now: int) -> None:
    """Also those that have the same clock in the season of the last days, such as Denver and Phoenix in winter."""
    clock = ManualClock(now)
    server = start_portal(in_zone(true))
    server.portal._clock = clock
    server.portal.almanac._now = clock.now
    for set_to in ZONES:
        said = zone_step(login_of(server, zone=ZoneInfo(set_to)), clock)
        if set_to == true:
            assert said == f"ok zone: the portal's times fit {true}"
        else:
            assert said == f"failed zone: the portal's times do not fit {set_to} -> set timezone: {true}"


def offset(zone: str, when: int) -> float:
    found = datetime.fromtimestamp(when, ZoneInfo(zone)).utcoffset()
    assert found is not None
    return found.total_seconds()


@pytest.mark.parametrize("now", [NOW, SUMMER], ids=["winter", "summer"])
def test_with_data_of_one_season_alone_what_can_be_told_is_told(start_portal: StartPortal, now: int) -> None:
    clock = ManualClock(now)
    for true, set_to in product(("America/Denver", "America/Phoenix", "Pacific/Honolulu"), ZONES):
        # Connected four weeks ago, so that no bill and no reading is of another season.
        connected = datetime.fromtimestamp(now - 28 * DAY, UTC).date().isoformat()
        house = replace(HOUSE, connected=connected)
        server = start_portal(World(true, locations=(house,)))
        server.portal._clock = clock
        server.portal.almanac._now = clock.now
        said = zone_step(login_of(server, zone=ZoneInfo(set_to)), clock)
        if offset(set_to, now) == offset(true, now):
            assert said == f"ok zone: the portal's times fit {set_to}"
        else:
            alike = [zone for zone in ZONES if offset(zone, now) == offset(true, now)]
            others = f" ({' or '.join(alike[1:])} would fit as well)" if alike[1:] else ""
            advice = f"set timezone: {alike[0]}{others}"
            assert said == f"failed zone: the portal's times do not fit {set_to} -> {advice}"


@pytest.mark.parametrize("alias", ["US/Eastern", "America/Detroit", "EST5EDT"])
def test_another_name_of_the_same_clock_fits(portal: PortalServer, clock: ManualClock, alias: str) -> None:
    assert zone_step(login_of(portal, zone=ZoneInfo(alias)), clock) == f"ok zone: the portal's times fit {alias}"


def test_utc_which_some_leave_as_it_was_does_not_fit(portal: PortalServer, clock: ManualClock) -> None:
    assert zone_step(login_of(portal, zone=ZoneInfo("UTC")), clock) == (
        "failed zone: the portal's times do not fit UTC -> set timezone: America/New_York"
    )


def test_a_clock_that_no_zone_of_co_ops_has_is_no_reason_to_propose_one(
    start_portal: StartPortal, clock: ManualClock
) -> None:
    server = start_portal(in_zone("Asia/Kathmandu"))
    assert zone_step(login_of(server), clock) == (
        "failed zone: the portal's times do not fit America/New_York"
        " -> set timezone to the zone of the co-op, such as America/New_York"
    )
    assert zone_step(login_of(server, zone=ZoneInfo("Asia/Kathmandu")), clock) == (
        "ok zone: the portal's times fit Asia/Kathmandu"
    )


def unbilled() -> World:
    """A house that was connected today: no bill tells its zone."""
    return World(locations=(replace(HOUSE, connected="2026-01-14"),))


def test_where_the_portal_shows_no_times_the_zone_is_not_verified(
    start_portal: StartPortal, clock: ManualClock
) -> None:
    server = start_portal(unbilled(), poll=Poll.NO_POINTS)
    assert zone_step(login_of(server), clock) == (
        "warning zone: not enough data yet to verify America/New_York"
        " -> look again in two days, or after the first bill"
    )


def test_where_the_portal_fails_the_zone_is_not_verified_and_that_is_the_reason(
    start_portal: StartPortal, clock: ManualClock
) -> None:
    server = start_portal(unbilled(), poll=Poll.STATUS_500)
    assert zone_step(login_of(server), clock) == (
        "warning zone: America/New_York could not be verified: HOURLY data of location 70001 from 2026-01-05 to"
        " 2026-01-06: the portal has trouble (status 500); later it may work"
    )


def test_a_portal_that_fails_at_a_closer_look_takes_back_no_agreement(
    start_portal: StartPortal, clock: ManualClock
) -> None:
    """In winter Phoenix fits as well as Denver; the summer cannot be had."""
    server = start_portal(in_zone("America/Phoenix"))
    poll = server.portal._poll
    seen: list[bytes] = []

    def first_poll_only(call: Call) -> SimulatedResponse:
        seen.append(call.body)
        return poll(call) if len(seen) == 1 or b"DAILY" in seen[-1] else SimulatedResponse(500, b"")

    server.portal._poll = first_poll_only  # type: ignore[method-assign]
    assert zone_step(login_of(server, zone=ZoneInfo("America/Phoenix")), clock) == (
        "ok zone: the portal's times fit America/Phoenix"
    )
    assert len(seen) > 2


# -- a missing zone


def test_a_missing_zone_fails_with_the_one_to_set_and_all_else_is_checked_with_it(
    portal: PortalServer, clock: ManualClock
) -> None:
    check = check_of(without_zone(login_of(portal)), clock)
    assert lines(check.run())[3:] == [
        ONE_READ,
        "failed zone: timezone is missing, serve and backfill need it -> set timezone: America/New_York",
        ANSWERS,
        '# Location 70001 of account 55001 "House"',
        "ok resolution: meter 81001: usage, cost every hour (FORWARD)",
        "ok newest data: until 2026-01-14 12:00, 0 seconds ago",
        "ok day totals: meter 81001: the intervals of 7 days add up to the portal's own daily figures",
        f"| Meter 81001, Tuesday 2026-01-13: {yesterday(portal, METER)}",
    ]
    assert check.zone == ZoneInfo("America/New_York")


@pytest.mark.parametrize("true", ZONES)
def test_each_zone_of_the_us_is_proposed_where_it_is_missing(
    start_portal: StartPortal, clock: ManualClock, true: str
) -> None:
    assert zone_step(without_zone(login_of(start_portal(in_zone(true)))), clock) == (
        f"failed zone: timezone is missing, serve and backfill need it -> set timezone: {true}"
    )


def test_zones_that_fit_alike_are_all_named(start_portal: StartPortal, clock: ManualClock) -> None:
    house = replace(HOUSE, connected="2025-12-20")
    server = start_portal(World("America/Phoenix", locations=(house,)))
    assert zone_step(without_zone(login_of(server)), clock) == (
        "failed zone: timezone is missing, serve and backfill need it"
        " -> set timezone: America/Denver (America/Phoenix would fit as well)"
    )


def test_a_missing_zone_that_nothing_tells_ends_the_check_of_the_login(
    start_portal: StartPortal, clock: ManualClock
) -> None:
    check = check_of(without_zone(login_of(start_portal(unbilled(), poll=Poll.NO_POINTS))), clock)
    assert lines(check.run())[3:] == [
        ONE_READ,
        (
            "failed zone: timezone is missing, serve and backfill need it"
            " -> set timezone to the zone of the co-op, such as America/New_York"
        ),
    ]
    assert check.zone is None
    assert check.surveys == []


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (Poll.PAGE, f"HOURLY data of location 70001 from 2026-01-05 to 2026-01-06: {PAGE}"),
        (Poll.STATUS_403, POLLS[Poll.STATUS_403]),
        (Poll.WRONG_SHAPE, POLLS[Poll.WRONG_SHAPE]),
        (
            Poll.FAILED,
            "HOURLY data of location 70001 from 2026-01-06 to 2026-01-14: the portal gave up on it (status FAILED)",
        ),
    ],
)
def test_a_portal_that_does_not_help_with_a_missing_zone_is_the_reason_that_is_given(
    start_portal: StartPortal, clock: ManualClock, how: Poll, why: str
) -> None:
    server = start_portal(unbilled(), poll=how)
    assert checked(without_zone(login_of(server)), clock)[4:] == [
        f"failed zone: timezone is missing, and the portal did not help: {why}"
    ]


def test_where_the_portal_fails_bills_still_tell_a_missing_zone(portal: PortalServer, clock: ManualClock) -> None:
    change(portal, poll=Poll.PAGE)
    assert checked(without_zone(login_of(portal)), clock)[4:] == [
        "failed zone: timezone is missing, serve and backfill need it -> set timezone: America/New_York",
        FAILS + POLLS[Poll.PAGE],
    ]


@pytest.mark.parametrize("days", [2, 5, 8])
@pytest.mark.parametrize("true", ["America/New_York", "America/Los_Angeles", "Pacific/Honolulu", "Pacific/Guam"])
def test_the_zone_of_a_location_of_a_few_days_is_verified_and_proposed(
    start_portal: StartPortal, clock: ManualClock, true: str, days: int
) -> None:
    connected = (datetime.fromtimestamp(NOW, ZoneInfo(true)).date() - timedelta(days=days)).isoformat()
    server = start_portal(World(true, locations=(replace(HOUSE, connected=connected),)))
    for set_to in ("America/New_York", "America/Chicago", "Pacific/Honolulu", "Pacific/Guam"):
        said = zone_step(login_of(server, zone=ZoneInfo(set_to)), clock)
        fit = f"ok zone: the portal's times fit {true}"
        wrong = f"failed zone: the portal's times do not fit {set_to} -> set timezone: {true}"
        assert said.partition(" (")[0] == (fit if set_to == true else wrong)
    assert zone_step(without_zone(login_of(server)), clock).partition(" (")[0] == (
        f"failed zone: timezone is missing, serve and backfill need it -> set timezone: {true}"
    )


def test_old_data_that_are_refused_say_nothing_against_the_zone(
    start_portal: StartPortal, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_portal(in_zone("America/Phoenix"))
    poll = server.portal._poll

    def refuse_old_data(call: Call) -> SimulatedResponse:
        is_old = json.loads(call.body)["startDateTime"] / 1000 < NOW - 60 * DAY
        return SimulatedResponse(403, b"no access", "text/plain") if is_old else poll(call)

    monkeypatch.setattr(server.portal, "_poll", refuse_old_data)
    assert zone_step(login_of(server, zone=ZoneInfo("America/Phoenix")), clock) == (
        "ok zone: the portal's times fit America/Phoenix"
    )
    assert zone_step(login_of(server), clock) == (
        "failed zone: the portal's times do not fit America/New_York"
        " -> set timezone: America/Denver (America/Phoenix would fit as well)"
    )


# -- a portal that keeps computing

THREE = tuple(replace(HOUSE, number=f"7000{number}", nickname="") for number in (1, 2, 3))
WAITED = "failed poll: location {} of account 55001: HOURLY data of location {} from 2026-01-11 to 2026-01-14: "
NOT_ASKED = "not asked, since the portal was still computing what was asked before; later it may work"


def test_a_portal_that_keeps_computing_is_waited_for_some_minutes_in_all(
    start_portal: StartPortal, clock: ManualClock
) -> None:
    server = start_portal(World(locations=THREE), poll=Poll.PENDING)
    assert checked(login_of(server), clock)[4:] == [
        f"{WAITED.format(70001, 70001)}the portal was still computing after 60 s; later it may work",
        f"{WAITED.format(70002, 70002)}the portal was still computing after 10 s; later it may work",
        f"failed poll: location 70003 of account 55001: {NOT_ASKED}",
        FITS,
    ]
    assert sum(clock.slept) <= 140


def test_without_a_zone_a_portal_that_keeps_computing_is_waited_for_once(
    start_portal: StartPortal, clock: ManualClock
) -> None:
    young = tuple(replace(each, connected="2026-01-14") for each in THREE)
    server = start_portal(World(locations=young), poll=Poll.PENDING)
    assert checked(without_zone(login_of(server)), clock)[4:] == [
        (
            "failed zone: timezone is missing, and the portal did not help: HOURLY data of location 70001 from"
            " 2026-01-05 to 2026-01-06: the portal was still computing after 60 s; later it may work"
        )
    ]
    assert sum(clock.slept) <= 60


def test_a_gap_in_the_data_does_not_feign_another_zone(start_portal: StartPortal, clock: ManualClock) -> None:
    """The week begins an hour late, as it would in the zone to the west."""
    start = int(datetime(2026, 1, 7, 5, tzinfo=UTC).timestamp())
    server = start_portal(gaps=(Span(METER.number, start, start + 3600),))
    assert zone_step(login_of(server), clock) == FITS


def test_meters_of_several_locations_agree_on_the_zone(start_portal: StartPortal, clock: ManualClock) -> None:
    silent = replace(BARN, meters=(MeterSpec("81009", METER.household, resolution=Resolution.MONTHS),))
    server = start_portal(World(locations=(silent, HOUSE)))
    assert zone_step(without_zone(login_of(server)), clock) == (
        "failed zone: timezone is missing, serve and backfill need it -> set timezone: America/New_York"
    )


# -- what is waited for


def test_what_is_waited_for_is_told_in_words_without_secrets(portal: PortalServer, clock: ManualClock) -> None:
    waited: list[str] = []
    check = check_of(login_of(portal), clock)
    check._busy = waited.append
    list(check.run())
    assert waited == [
        portal.host,
        'the data of location 70001 of account 55001 "House"',
        'the daily figures of location 70001 of account 55001 "House"',
    ]
