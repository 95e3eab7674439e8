"""What a person gets who cannot set it up: every failure of portal-facts 1.3 and the complaints of its section 9.

Of that section these are about setting up, and here: 1 to 28, 31 to 33, 38 to 42 and 48. The others are not: 29, 30, 34
to 37, 43, 44, 46, 47 and 50 to 54 are about what is stored and shown later; 45 is a key that exists (test_databases has
its wrong values), 49 has no counterpart here.
"""

import json
import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import yaml

from exporter import cli
from exporter.commands import check, discover
from exporter.simulator.demo_homes import DEMO_HOMES
from exporter.simulator.household import Household
from exporter.simulator.portal import Call, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, SignIn, Span
from exporter.simulator.specs import Channels, Resolution, UserSpec
from exporter.simulator.world import World

from ..support.clocks import ManualClock
from ..support.portal import Intercept, StartPortal
from ..support.worlds import BARN, DAY, HOUSE, METER, NOW, SMALL, TWO

TOTP = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
OTHER_TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PASSWORD = "correct horse & battery+staple"
CAREFUL = World(users=(UserSpec(totp_secret=TOTP),), locations=(HOUSE,))
PERSONAL = ("member@example.org", PASSWORD, TOTP, OTHER_TOTP, "Secret Lane", "MEMBER OF", "Springfield")
QUARTERS = replace(METER, step=900)


@dataclass(frozen=True)
class Run:
    """What a command came to. Lines with single spaces."""

    code: int
    lines: list[str]
    errors: list[str]
    out: str

    @property
    def troubles(self) -> list[str]:
        """The lines of steps that were not ok, with what to do."""
        found = []
        for line, following in zip(self.lines, [*self.lines[1:], ""], strict=False):
            if line.startswith(("failed ", "warning ")):
                found.append(f"{line} {following}" if following.startswith("->") else line)
        return found


Try = Callable[..., Run]


@pytest.fixture
def attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clock: ManualClock
) -> Iterator[Try]:
    """Runs a command as typed in a folder with this login in config.yaml: attempt("check", {"api_url": ...})."""
    root, ours = logging.getLogger(), logging.getLogger("exporter")
    before = root.handlers[:], root.level, ours.level
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))
    monkeypatch.setenv("NO_PROXY", "*")
    for module in (check, discover):
        monkeypatch.setattr(module, "SystemClock", lambda: clock)

    def run(command: str, login: Mapping[str, object] | None = None, *, config: str = "") -> Run:
        if login is not None or config:
            file = Path("config.yaml")
            file.write_text(
                config or yaml.safe_dump({"smarthub": dict(login or {})}, sort_keys=False, allow_unicode=True),
                encoding="utf-8",
            )
            file.chmod(0o600)
        code = cli.main(command.split())
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        for word in PERSONAL:
            assert word not in said.out + said.err
        lines = [" ".join(line.split()) for line in said.out.splitlines()]
        return Run(code, [line for line in lines if line], said.err.splitlines(), said.out)

    yield run
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


def login_to(server: PortalServer | None, **changes: object) -> dict[str, object]:
    given = {
        "name": "coop",
        "api_url": server.url if server else "http://127.0.0.1:9",
        "username": "member@example.org",
        "password": PASSWORD,
        "timezone": "America/New_York",
        **changes,
    }
    return {key: value for key, value in given.items() if value is not None}


def house(**meter: object) -> World:
    return World(locations=(replace(HOUSE, meters=(replace(METER, **meter),)),))  # type: ignore[arg-type]


# -- what goes wrong, and what is said

REJECTED = "failed sign-in login coop: the portal rejected the user name or password"
SECOND_FACTOR = "failed sign-in login coop: the portal requires a second factor"
OF_HOUSE = 'poll location 70001 of account 55001 "House"'
EMPTY = f"warning {OF_HOUSE} has no data"
OUTSIDE = f"warning {OF_HOUSE}: meter 81001: points outside"


@dataclass(frozen=True)
class Trouble:
    """A portal and a login for which `check` says lines that begin so, and nothing else that is not ok."""

    numbers: str
    said: list[str]
    world: World = SMALL
    switches: Mapping[str, object] = field(default_factory=dict)
    login: Mapping[str, object] = field(default_factory=dict)
    clock_ahead: float = 0


TROUBLES = [
    Trouble("1.3: 200 FAILURE; 4", [REJECTED], switches={"sign_in": SignIn.FAILURE}),
    Trouble("1.3: 200 no token; 5", [REJECTED], switches={"sign_in": SignIn.NO_TOKEN}),
    Trouble("1.3: a wrong password", [REJECTED], login={"password": "wrong"}),
    Trouble("1.3: 200 a page", ["failed sign-in login coop: sign-in: "], switches={"sign_in": SignIn.PAGE}),
    Trouble("1.3: 400; 2", [REJECTED], switches={"sign_in": SignIn.STATUS_400}),
    Trouble("1.3: 401", [REJECTED], switches={"sign_in": SignIn.STATUS_401}),
    Trouble("1.3: 403", ["failed sign-in login coop: "], switches={"sign_in": SignIn.STATUS_403}),
    Trouble("1.3: 500 second factor; 3", [SECOND_FACTOR], switches={"sign_in": SignIn.SECOND_FACTOR}),
    Trouble("1.3: 500 other", ["failed sign-in login coop: "], switches={"sign_in": SignIn.STATUS_500}),
    Trouble("10: second factor missing", [SECOND_FACTOR], CAREFUL),
    Trouble(
        "10: another second factor",
        ["failed sign-in login coop: the portal rejected the second factor; check totp_secret"],
        CAREFUL,
        login={"totp_secret": OTHER_TOTP},
    ),
    Trouble(
        "10: a wrong clock",
        ["failed sign-in login coop: the portal rejected the second factor; fix this machine's clock"],
        CAREFUL,
        login={"totp_secret": TOTP},
        clock_ahead=300,
    ),
    Trouble("1.3: 403 of a data call; 9", [f"failed {OF_HOUSE}: "], TWO, {"refused_locations": ("70001",)}),
    Trouble(
        "9, 11: a number of another login",
        ["failed accounts login coop does not see location 123456 of account 1234567001"],
        TWO,
        login={"account": "1234567001", "service_location": "123456"},
    ),
    Trouble(
        "12: the location of another account",
        ["failed accounts login coop does not see location 70002 of account 55001"],
        TWO,
        login={"account": "55001", "service_location": "70002"},
    ),
    Trouble(
        "16: nothing but water",
        ["failed accounts login coop sees no active electric service location"],
        World(locations=DEMO_HOMES[4:]),
    ),
    Trouble("18, 19: pending for ever", [f"failed {OF_HOUSE}: "], switches={"poll": Poll.PENDING}),
    Trouble("19: long ranges stay pending, shorter ones do not", [], switches={"slow_days": 5}),
    *(
        Trouble(f"20, 40: {each}", [EMPTY], switches={"poll": each})
        for each in (Poll.NO_POINTS, Poll.NO_DATA, Poll.NO_ELECTRIC, Poll.NO_ENTRY)
    ),
    Trouble("22: no USAGE", [EMPTY, f"warning {OF_HOUSE}: skipped a COST series"], switches={"poll": Poll.NO_USAGE}),
    Trouble(
        "24: a direction that nobody knows",
        [f"warning {OF_HOUSE}: unknown flow direction SIDEWAYS"],
        house(channels=Channels.UNKNOWN),
    ),
    Trouble(
        "31: a Mountain portal, the zone left at Eastern",
        [OUTSIDE, "failed zone the portal's times do not fit America/New_York -> set timezone: America/Denver"],
        replace(SMALL, zone="America/Denver"),
    ),
    Trouble(
        "31: Arizona in winter, the zone left at Mountain",
        ["warning zone not all of the portal's times fit America/Denver -> set timezone: America/Phoenix"],
        replace(SMALL, zone="America/Phoenix"),
        login={"timezone": "America/Denver"},
    ),
    Trouble(
        "32: the zone left at UTC",
        [
            "warning configuration config.yaml:6: smarthub.timezone: UTC has no daylight saving time",
            OUTSIDE,
            "failed zone the portal's times do not fit UTC -> set timezone: America/New_York",
        ],
        login={"timezone": "UTC"},
    ),
    Trouble(
        "31: no zone",
        ["failed zone timezone is missing; serve and backfill need it -> set timezone: America/New_York"],
        login={"timezone": None},
    ),
    Trouble(
        "6, 33: the sign-in works, the data are late",
        ["warning newest data until 2026-01-10 12:00, 4 days ago -> "],
        switches={"lag": 4 * 86400.0},
    ),
    Trouble("41: a page instead of data", [f"failed {OF_HOUSE}: "], switches={"poll": Poll.PAGE}),
    Trouble("41: no JSON", [f"failed {OF_HOUSE}: "], switches={"poll": Poll.NO_JSON}),
    Trouble("8: in section 8, maintenance", ["failed accounts "], switches={"discovery": Poll.STATUS_503}),
    Trouble(
        "42: figures by the month only",
        [f"warning {OF_HOUSE} has only monthly figures"],
        house(resolution=Resolution.MONTHS),
    ),
]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.numbers)
def test_check_says_what_is_wrong(
    attempt: Try, start_portal: StartPortal, clock: ManualClock, trouble: Trouble
) -> None:
    server = start_portal(trouble.world, **trouble.switches)
    if trouble.clock_ahead:
        server.portal.clock = ManualClock(NOW)
        clock.advance(trouble.clock_ahead)

    run = attempt("check", login_to(server, **trouble.login))

    for line, beginning in zip(run.troubles, trouble.said, strict=True):
        assert line.startswith(beginning)
    # What was wrong is said once: on standard output.
    assert run.errors == []
    failed = sum(line.startswith("failed ") for line in run.troubles)
    warnings = len(run.troubles) - failed
    count = f"{warnings} warning{'' if warnings == 1 else 's'}"
    end = f"{failed} failed, {count}." if failed else f"No failures, {count}." if warnings else "All good."
    assert (run.code, run.lines[-1]) == (int(failed > 0), end)


def test_no_trouble_costs_a_second_sign_in_or_tells_a_secret(attempt: Try, start_portal: StartPortal) -> None:
    """In the debug trace either: it is meant to be shown in public."""
    for trouble in TROUBLES:
        if trouble.clock_ahead or "pending" in trouble.numbers:
            continue  # the one is told above, the others outlive a token
        server = start_portal(trouble.world, **trouble.switches)
        run = attempt("check --log.level debug", login_to(server, **trouble.login))
        assert any("portal call" in line for line in run.errors)
        assert sum(count for (name, _), count in server.portal.calls.items() if name == "auth") <= 1, trouble.numbers


# -- addresses

# 1.3 and 7: a host that there is not, and the host `https`; 48: nothing there.
BAD_ADDRESSES = {
    "https://nobody.invalid/": "host not found: nobody.invalid; check api_url",
    "https//novec.smarthub.coop": "host not found: https.smarthub.coop; check api_url",
    "http://127.0.0.1:9": "127.0.0.1:9 refused the connection",
}


@pytest.mark.parametrize(("url", "said"), BAD_ADDRESSES.items())
def test_an_address_without_a_portal_is_the_first_step_that_fails(
    attempt: Try, portal: PortalServer, monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    known = socket.getaddrinfo

    def nobody(host: str, *others: object) -> object:
        if host == "127.0.0.1":
            return known(host, *others)  # type: ignore[arg-type]
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    run = attempt("check", login_to(portal, api_url=url, password="Secret-4-me"))
    (trouble,) = run.troubles
    assert trouble.startswith(f"failed address {said}")
    assert (run.code, run.lines[-1]) == (1, "1 failed, 0 warnings.")


def test_the_portal_of_another_vendor_is_told_by_its_sign_in(
    attempt: Try, portal: PortalServer, intercept: Intercept
) -> None:
    """No. 48: SEDC and Meridian co-ops have a "SmartApp" instead."""
    intercept(portal, "", SimulatedResponse(404, b"<html>SmartApp</html>", "text/html"))
    (trouble,) = attempt("check", login_to(portal)).troubles
    assert trouble.startswith("failed sign-in login coop: unexpected status 404")


# The file has `smarthub` in line 1 and the keys of login_to in the lines after it.
BAD_CONFIGS: dict[str, tuple[dict[str, object], str]] = {
    "7: half an address": ({"api_url": "https:novec.smarthub.coop"}, "config.yaml:3: smarthub.api_url: "),
    "2: no password": ({"password": None}, "config.yaml:1: smarthub.password: missing"),
    "10: the code instead of the secret": ({"totp_secret": "123 456"}, "config.yaml:7: smarthub.totp_secret: "),
    "31: a zone that there is not": ({"timezone": "Mountain"}, "config.yaml:6: smarthub.timezone: unknown time zone"),
    "39: a key of another version": ({"poll_interval": "1h"}, "config.yaml:7: smarthub.poll_interval: unknown key"),
}


@pytest.mark.parametrize("numbers", BAD_CONFIGS)
@pytest.mark.parametrize("command", ["check", "discover"])
def test_a_wrong_configuration_ends_it_before_anybody_is_asked(
    attempt: Try, portal: PortalServer, command: str, numbers: str
) -> None:
    changes, said = BAD_CONFIGS[numbers]
    run = attempt(command, login_to(portal, **changes))
    (error,) = run.errors
    assert error.startswith(f"smarthub-exporter: {said}")
    assert (run.code, run.out) == (2, "")
    assert portal.portal.count == 0


def test_who_begins_without_anything_is_told_what_to_give(attempt: Try) -> None:
    run = attempt("check")
    (error,) = run.errors
    assert error.startswith("smarthub-exporter: config.yaml: no login is configured; ")
    assert run.code == 2


# -- refused again and again


def test_rejected_sign_ins_add_up_over_commands(attempt: Try, portal: PortalServer, clock: ManualClock) -> None:
    """Portal-facts 1.3: five wrong passwords lock an account."""
    login = login_to(portal, password="wrong")

    def is_paused() -> list[bool]:
        said = [*attempt("check", login).troubles, *attempt("discover", login).errors]
        return ["sign-ins are paused" in line for line in said]

    assert [is_paused() for _ in range(3)] == [[False, False], [True, True], [True, True]]
    clock.advance(DAY)
    assert [is_paused() for _ in range(2)] == [[False, True], [True, True]]
    assert portal.portal.most_refused["member@example.org"] == 3
    assert attempt("check", login_to(portal)).code == 0


@pytest.mark.parametrize("command", ["check", "discover"])
def test_a_missing_second_factor_costs_no_sign_in(attempt: Try, start_portal: StartPortal, command: str) -> None:
    server = start_portal(CAREFUL)
    for _ in range(6):
        run = attempt(command, login_to(server))
        (told,) = run.troubles or run.errors
        assert "login coop: the portal requires a second factor" in told
    assert set(server.portal.calls) == {("two_factor", 200)}
    assert attempt(command, login_to(server, totp_secret=TOTP)).code == 0


def test_discover_asks_no_portal_with_the_password_of_the_example(attempt: Try, portal: PortalServer) -> None:
    run = attempt("discover", login_to(portal, password="CHANGE-ME"))
    assert run.errors[-1].startswith(
        "smarthub-exporter: login coop: the password is still the placeholder from the example"
    )
    assert (run.code, portal.portal.count) == (1, 0)


# -- what discover shows of a portal that gives only a part


@pytest.mark.parametrize(
    "answer",
    [
        SimulatedResponse(500, b""),
        SimulatedResponse(403, b"no access", "text/plain"),
        SimulatedResponse(200, b'{"status": "PENDING"}'),
    ],
    ids=["500", "403", "pending"],
)
@pytest.mark.parametrize("timezone", ["America/New_York", None])
def test_an_error_of_old_data_hides_nothing_of_the_new_ones(
    attempt: Try, portal: PortalServer, monkeypatch: pytest.MonkeyPatch, answer: SimulatedResponse, timezone: str | None
) -> None:
    respond = portal.portal.respond

    def respond_to_new(call: Call) -> SimulatedResponse:
        is_old = call.path.endswith("/poll") and json.loads(call.body)["startDateTime"] / 1000 < NOW - 60 * DAY
        return answer if is_old else respond(call)

    monkeypatch.setattr(portal.portal, "respond", respond_to_new)
    run = attempt("discover --write new.yaml", login_to(portal, timezone=timezone))
    assert run.code == 0
    assert any(line.startswith("since 2019-05-04, newest 2026-01-14 12:00, ") for line in run.lines)
    assert run.lines[-1] == "coop: the portal's times fit the zone America/New_York"
    assert 'timezone: "America/New_York"' in Path("new.yaml").read_text(encoding="utf-8")


YOUNG = World(locations=tuple(replace(each, connected="2026-01-12", nickname="") for each in (HOUSE, BARN)))


@pytest.mark.parametrize("how", [Poll.STATUS_403, Poll.WRONG_SHAPE, Poll.PENDING, Poll.STATUS_500])
def test_without_a_zone_what_the_portal_refuses_is_a_failure(
    attempt: Try, start_portal: StartPortal, clock: ManualClock, how: Poll
) -> None:
    run = attempt("discover", login_to(start_portal(YOUNG, poll=how), timezone=None))
    assert run.code == 1
    assert run.lines[1:3] == [
        "55001 70001 - not readable, see below",
        "55002 70002 - not readable, see below",
    ]
    assert run.lines[3].startswith("coop: could not find the time zone")
    assert [line.partition(": ")[0] for line in run.lines[4:]] == ["coop, location 70001", "coop, location 70002"]
    assert ("not requested" in run.lines[5]) == (how in (Poll.PENDING, Poll.STATUS_500))
    assert sum(clock.slept) <= 60


def test_without_a_zone_one_location_that_answers_is_enough(attempt: Try, start_portal: StartPortal) -> None:
    silent = replace(YOUNG, locations=tuple(replace(each, connected="2026-01-14") for each in YOUNG.locations))
    run = attempt("discover", login_to(start_portal(silent, refused_locations=("70002",)), timezone=None))
    assert run.code == 0
    assert run.lines[1:3] == ["55001 70001 - time zone unknown", "55002 70002 - not readable, see below"]


# -- what must simply not happen

HOSTILE = (*"&$*#+%=:;?/@!~`|<>[]{}", " ", '"', "'", "\\", "ü", "€", "a&b=c", "100%25", "é ", "no", "1e5", "0012", "~")


def everything(password: str) -> str:
    return f"{password}{''.join(HOSTILE)}{password}"


@pytest.mark.parametrize("character", [*HOSTILE, everything("x")])
def test_no_password_is_too_hostile(
    attempt: Try, start_portal: StartPortal, monkeypatch: pytest.MonkeyPatch, character: str
) -> None:
    """No. 1, in the file, in a file of its own and in the environment."""
    for password in (character, f"a{character}b{character}"):
        server = start_portal(World(users=(UserSpec(password=password),), locations=(HOUSE,)))
        Path("secret").write_text(f"{password}\n", encoding="utf-8")
        Path("secret").chmod(0o600)
        given = login_to(server, password=password)
        by_file = login_to(server, password=None, password_file="secret")
        for login in (given, by_file):
            run = attempt("check", login)
            assert (run.code, run.lines[-1]) == (0, "All good.")
        monkeypatch.setenv("SMARTHUB_PASSWORD", password)
        assert attempt("check", login_to(server, password="another")).code == 0
        monkeypatch.delenv("SMARTHUB_PASSWORD")
        assert not server.portal.most_refused


@pytest.mark.parametrize("ending", ["", "/", "//", "/ui/", "/ui/#/login", "/ui/?x=1#/home", "/services/oauth/auth/v2"])
def test_a_pasted_address_is_understood(attempt: Try, portal: PortalServer, ending: str) -> None:
    """No. 7 and 8."""
    run = attempt("check", login_to(portal, name=None, api_url=f"  {portal.url}{ending} "))
    assert run.code == 0
    assert f"Login {portal.host}" in run.lines
    assert f"ok address {portal.host} answers" in run.lines


def found_by(run: Run) -> list[tuple[str, str]]:
    """The accounts and locations with data that `discover` found."""
    assert (run.code, run.errors) == (0, [])
    (login,) = json.loads(run.out)["logins"]
    assert login["timezone_fits"] is True
    return [
        (place["account"], place["service_location"])
        for place in login["locations"]
        if place["newest_data"] == "2026-01-14T12:00:00-05:00"
    ]


def test_nobody_has_to_know_a_location_and_each_goes_with_its_own_account(
    attempt: Try, start_portal: StartPortal
) -> None:
    """No. 11 and 12."""
    server = start_portal(TWO)
    login = login_to(server)
    assert found_by(attempt("discover --format json", login)) == [("55001", "70001"), ("55002", "70002")]
    run = attempt("check", login)
    assert (run.code, run.troubles) == (0, [])
    assert "ok accounts reading 2 of 2 locations" in run.lines


@pytest.mark.parametrize("code", ["1ELEC", "VELEC", "GELEC", "WATER|NGAS|ELEC|SEWER|TRASH", "ELEC"])
def test_electricity_is_found_whatever_the_co_op_calls_it(attempt: Try, start_portal: StartPortal, code: str) -> None:
    """No. 13 to 15: also where the portal names no industries."""
    for industries in (("ELECTRIC", "WATER"), ("ELECTRIC",), ()):
        place = replace(HOUSE, service_code=code, industries=industries)
        server = start_portal(World(locations=(place,)))
        assert found_by(attempt("discover --format json", login_to(server))) == [("55001", "70001")]


def test_water_beside_electricity_harms_nothing_and_is_named(attempt: Try, start_portal: StartPortal) -> None:
    """No. 16 and 17."""
    server = start_portal(World(locations=(HOUSE, DEMO_HOMES[4])))
    run = attempt("check", login_to(server))
    assert (run.code, run.troubles) == (0, [])
    assert "ok accounts reading 1 of 2 locations; skipped: location 70005 (no electricity, only water)" in run.lines


def test_numbers_may_be_numbers(attempt: Try, start_portal: StartPortal) -> None:
    server = start_portal(TWO, numeric_ids=True)
    numbers = {"account": 55002, "service_location": 70002}
    assert found_by(attempt("discover --format json", login_to(server))) == [("55001", "70001"), ("55002", "70002")]
    run = attempt("check", login_to(server, **numbers))
    assert "ok accounts reading 1 of 2 locations; skipped: location 70001 (not chosen)" in run.lines
    assert run.code == 0


def test_a_secondary_login_and_a_second_factor_are_no_trouble(attempt: Try, start_portal: StartPortal) -> None:
    """No. 10, with the secret as the portal shows it and as authenticator programs do."""
    user = UserSpec("child@example.org", "s3cret-of-a-child", totp_secret=TOTP, owner="owner@example.org")
    server = start_portal(World(users=(user,), locations=(HOUSE,)))
    who = {"username": user.username, "password": user.password}
    spaced = " ".join(TOTP[place : place + 4].lower() for place in range(0, len(TOTP), 4))
    for secret in (TOTP, spaced, f"otpauth://totp/Coop:child?secret={TOTP}"):
        run = attempt("check", login_to(server, totp_secret=secret, **who))
        assert (run.code, run.troubles) == (0, [])
        assert "ok sign-in signed in with user name, password and second factor" in run.lines


WELL: dict[str, tuple[World, dict[str, object], str]] = {
    "18: pending a few times": (SMALL, {"pending": 4}, "usage, cost every hour (FORWARD)"),
    "21: the first point at a quarter past": (
        World(locations=(replace(HOUSE, meters=(QUARTERS,)),)),
        {"gaps": (Span("81001", 0, NOW - 4 * DAY + 900),)},
        "usage, cost every 15 minutes (FORWARD)",
    ),
    "23, 24: TOTAL": (house(channels=Channels.TOTAL), {}, "usage, cost every hour (TOTAL)"),
    "25: REVERSE, negative": (
        house(channels=Channels.FORWARD_REVERSE, household=Household(2, solar=6.5)),
        {},
        "usage, export, cost every hour (FORWARD, REVERSE)",
    ),
    "26, 27: three series of one meter": (
        house(channels=Channels.THREE, household=Household(2, solar=6.5)),
        {},
        "usage, export, cost every hour (FORWARD, NET, REVERSE)",
    ),
    "26: net energy alone": (
        house(channels=Channels.NET, household=Household(2, heating=0.2, solar=6.5)),
        {},
        "usage, export, cost every hour (NET)",
    ),
    "28: no cost": (house(cost=False), {}, "usage every hour (FORWARD)"),
    "42: figures by the day only": (house(resolution=Resolution.DAYS), {}, "usage, cost once a day (FORWARD)"),
}


@pytest.mark.parametrize("numbers", WELL)
def test_what_broke_others_is_no_trouble(attempt: Try, start_portal: StartPortal, numbers: str) -> None:
    world, switches, what = WELL[numbers]
    run = attempt("check", login_to(start_portal(world, **switches)))
    assert (run.code, run.troubles, run.lines[-1]) == (0, [], "All good.")
    assert f"ok resolution meter 81001: {what}" in run.lines


def test_an_address_as_nickname_is_not_shown(attempt: Try, start_portal: StartPortal) -> None:
    """No. 38: many portals fill the description with the address."""
    server = start_portal(World(locations=(replace(HOUSE, nickname="12 Secret Lane"), BARN)))
    for command in ("check", "discover", "discover --format json"):
        run = attempt(command, login_to(server))
        assert run.code == 0
        assert "Barn" in run.out


def test_four_values_are_enough_in_the_environment_too(
    attempt: Try, portal: PortalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No. 39: whatever has a default needs no key."""
    for name, value in {
        "API_URL": portal.url,
        "USERNAME": "member@example.org",
        "PASSWORD": PASSWORD,
        "TIMEZONE": "America/New_York",
    }.items():
        monkeypatch.setenv(f"SMARTHUB_{name}", value)
    assert attempt("check").lines[-1] == "All good."


def test_the_go_tools_configuration_works_with_its_numbers_unquoted(attempt: Try, start_portal: StartPortal) -> None:
    server = start_portal(World(locations=(replace(HOUSE, account="0012345001"), BARN)))
    run = attempt(
        "check",
        config=(
            "extract_days: 10\n"
            f"smarthub:\n  api_url: {server.url}\n  username: member@example.org\n  password: {PASSWORD}\n"
            "  account: 0012345001\n  service_location: 70001\n  timezone: America/New_York\n"
        ),
    )
    assert (run.code, run.troubles) == (0, [])
    assert "ok accounts reading 1 of 2 locations; skipped: location 70002 (not chosen)" in run.lines
