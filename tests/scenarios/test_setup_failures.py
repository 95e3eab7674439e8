"""What users see when a setup fails, for all known and reported failures.

How the portal answers: docs/portal.md, "Rejected sign-ins" and docs/portal.md, "Oddities of usage answers".
"""

import json
import logging
import re
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

pytestmark = pytest.mark.slow

TOTP = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
OTHER_TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PASSWORD = "correct horse & battery+staple"
CAREFUL = World(users=(UserSpec(totp_secret=TOTP),), locations=(HOUSE,))
PERSONAL = ("member@example.org", PASSWORD, TOTP, OTHER_TOTP, "Secret Lane", "MEMBER OF", "Springfield")
NO_PROBLEM = "No problems found, 2 steps skipped."
"""Without a database and a scraper."""
QUARTERS = replace(METER, step=900)


@dataclass(frozen=True)
class Run:
    """The result of a command.

    `lines` is its output with single spaces, without blank lines, and without the line breaks inside a finding.
    """

    code: int
    lines: list[str]
    errors: list[str]
    out: str

    @property
    def findings(self) -> list[str]:
        """The lines of steps that are not ok, each with its advice."""
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
    """Run a command with a login in config.yaml: attempt("check", {"api_url": ...})."""
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
        # Without the line breaks of findings and notes.
        out = re.sub(r"\n {24}(?!-> )" if command.startswith("check") else r"\n  (?=\S)", " ", said.out)
        lines = [" ".join(line.split()) for line in out.splitlines()]
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


# -- what goes wrong, and what check reports

REJECTED = "failed sign-in: password"
SECOND_FACTOR = "failed sign-in: totp_secret"
POLL_FAILED = 'failed poll: location 70001 of account 55001 "House"'
NO_DATA = POLL_FAILED.replace("failed", "warning")


@dataclass(frozen=True)
class Trouble:
    """A portal, a login, and what `check` finds: verdict and step, then a fact."""

    name: str
    found: list[str]
    world: World = SMALL
    switches: Mapping[str, object] = field(default_factory=dict)
    login: Mapping[str, object] = field(default_factory=dict)
    clock_ahead: float = 0


TROUBLES = [
    Trouble("200 with FAILURE", [REJECTED], switches={"sign_in": SignIn.FAILURE}),
    Trouble("200 without a token", [REJECTED], switches={"sign_in": SignIn.NO_TOKEN}),
    Trouble("wrong password", [REJECTED], login={"password": "wrong"}),
    Trouble("200 with a web page", ["failed sign-in: api_url"], switches={"sign_in": SignIn.PAGE}),
    Trouble("400", [REJECTED], switches={"sign_in": SignIn.STATUS_400}),
    Trouble("401", [REJECTED], switches={"sign_in": SignIn.STATUS_401}),
    Trouble("403", ["failed sign-in: 403"], switches={"sign_in": SignIn.STATUS_403}),
    Trouble("500 for a second factor", [SECOND_FACTOR], switches={"sign_in": SignIn.SECOND_FACTOR}),
    Trouble("500", ["failed sign-in: 500"], switches={"sign_in": SignIn.STATUS_500}),
    Trouble("second factor missing", [SECOND_FACTOR], CAREFUL),
    Trouble("second factor of another login", [SECOND_FACTOR], CAREFUL, login={"totp_secret": OTHER_TOTP}),
    Trouble("clock ahead", ["failed sign-in: clock"], CAREFUL, login={"totp_secret": TOTP}, clock_ahead=300),
    Trouble("403 of a data call", [POLL_FAILED], TWO, {"refused_locations": ("70001",)}),
    Trouble(
        "location of another login",
        ["failed accounts: location 123456 of account 1234567001"],
        TWO,
        login={"account": "1234567001", "service_location": "123456"},
    ),
    Trouble(
        "location of another account",
        ["failed accounts: location 70002 of account 55001"],
        TWO,
        login={"account": "55001", "service_location": "70002"},
    ),
    Trouble("only water", ["failed accounts: location 70005 of account 55002"], World(locations=DEMO_HOMES[4:])),
    Trouble("pending forever", [POLL_FAILED], switches={"poll": Poll.PENDING}),
    Trouble("only long ranges pending", [], switches={"slow_days": 5}),
    *(
        Trouble(f"empty: {each}", [NO_DATA], switches={"poll": each})
        for each in (Poll.NO_POINTS, Poll.NO_DATA, Poll.NO_ELECTRIC, Poll.NO_ENTRY)
    ),
    Trouble("no USAGE", [NO_DATA, "warning poll: COST"], switches={"poll": Poll.NO_USAGE}),
    Trouble("unknown direction", ["failed poll: SIDEWAYS"], house(channels=Channels.UNKNOWN)),
    Trouble(
        "Mountain portal with Eastern zone",
        ["warning poll: meter 81001", "failed zone: -> set timezone: America/Denver"],
        replace(SMALL, zone="America/Denver"),
    ),
    Trouble(
        "Arizona in winter with Mountain zone",
        ["warning zone: -> set timezone: America/Phoenix"],
        replace(SMALL, zone="America/Phoenix"),
        login={"timezone": "America/Denver"},
    ),
    Trouble(
        "zone left at UTC",
        [
            "warning config: config.yaml:6",
            "warning poll: meter 81001",
            "failed zone: -> set timezone: America/New_York",
        ],
        login={"timezone": "UTC"},
    ),
    Trouble("no zone", ["failed zone: -> set timezone: America/New_York"], login={"timezone": None}),
    Trouble("late data", ["warning newest data: 2026-01-10 12:00, 4 days ago"], switches={"lag": 4 * 86400.0}),
    Trouble("web page instead of data", [POLL_FAILED], switches={"poll": Poll.PAGE}),
    Trouble("not JSON", [POLL_FAILED], switches={"poll": Poll.NO_JSON}),
    Trouble(
        "maintenance",
        ["failed accounts: 503"],
        switches={"discovery": Poll.STATUS_503, "accounts": Poll.STATUS_503},
    ),
    Trouble("monthly data only", [NO_DATA], house(resolution=Resolution.MONTHS)),
]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_check_finds_what_is_wrong(
    attempt: Try, start_portal: StartPortal, clock: ManualClock, trouble: Trouble
) -> None:
    server = start_portal(trouble.world, **trouble.switches)
    if trouble.clock_ahead:
        server.portal.clock = ManualClock(NOW)
        clock.advance(trouble.clock_ahead)

    run = attempt("check", login_to(server, **trouble.login))

    for line, expected in zip(run.findings, trouble.found, strict=True):
        step, _, fact = expected.partition(": ")
        assert line.startswith(f"{step} ")
        assert fact in line
    # Reported once: on standard output, not in the log too.
    assert run.errors == []
    failed = sum(line.startswith("failed ") for line in run.findings)
    warnings = len(run.findings) - failed
    count = f"{warnings} warning{'' if warnings == 1 else 's'}"
    end = f"{failed} failed, {count}, " if failed else f"No failures, {count}, " if warnings else NO_PROBLEM
    assert run.code == int(failed > 0)
    assert run.lines[-1].startswith(end)


def test_no_trouble_costs_a_second_sign_in_or_shows_a_secret(attempt: Try, start_portal: StartPortal) -> None:
    """Not even in the debug trace, which is meant to be shown in public."""
    for trouble in TROUBLES:
        if trouble.clock_ahead or "pending" in trouble.name:
            continue  # the first is tested above, the others last longer than a token
        server = start_portal(trouble.world, **trouble.switches)
        run = attempt("check --log.level debug", login_to(server, **trouble.login))
        assert any("portal call" in line for line in run.errors)
        assert sum(count for (name, _), count in server.portal.calls.items() if name == "auth") <= 1, trouble.name


# -- addresses


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://nobody.invalid/", "nobody.invalid"),
        ("https//novec.smarthub.coop", "https.smarthub.coop"),
        ("http://127.0.0.1:9", "127.0.0.1:9"),
    ],
)
def test_an_address_without_a_portal_fails_the_first_step(
    attempt: Try, portal: PortalServer, monkeypatch: pytest.MonkeyPatch, url: str, host: str
) -> None:
    known = socket.getaddrinfo

    def lookup(name: str, *others: object) -> object:
        if name == "127.0.0.1":
            return known(name, *others)  # type: ignore[arg-type]
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    run = attempt("check", login_to(portal, api_url=url, password="Secret-4-me"))
    (finding,) = run.findings
    assert finding.startswith("failed address ")
    assert host in finding
    assert (run.code, run.lines[-1]) == (1, "1 failed, 0 warnings, 2 steps skipped.")


def test_another_vendors_portal_fails_the_sign_in(attempt: Try, portal: PortalServer, intercept: Intercept) -> None:
    """Co-ops of SEDC and Meridian have a "SmartApp" instead."""
    intercept(portal, "", SimulatedResponse(404, b"<html>SmartApp</html>", "text/html"))
    foreign, finding = attempt("check", login_to(portal)).findings
    assert foreign.startswith("warning portal ")
    assert finding.startswith("failed sign-in login coop: ")
    assert "404" in finding


# The file has `smarthub` in line 1 and the keys of login_to in the lines after it.
BAD_CONFIGS: dict[str, tuple[dict[str, object], str]] = {
    "half an address": ({"api_url": "https:novec.smarthub.coop"}, "config.yaml:3: smarthub.api_url: "),
    "no password": ({"password": None}, "config.yaml:1: smarthub.password: "),
    "the code instead of the secret": ({"totp_secret": "123 456"}, "config.yaml:7: smarthub.totp_secret: "),
    "unknown zone": ({"timezone": "Mountain"}, "config.yaml:6: smarthub.timezone: "),
    "unknown key": ({"poll_interval": "1h"}, "config.yaml:7: smarthub.poll_interval: "),
}


@pytest.mark.parametrize(("changes", "where"), BAD_CONFIGS.values(), ids=BAD_CONFIGS)
@pytest.mark.parametrize("command", ["check", "discover"])
def test_an_invalid_configuration_ends_before_any_request(
    attempt: Try, portal: PortalServer, command: str, changes: dict[str, object], where: str
) -> None:
    run = attempt(command, login_to(portal, **changes))
    (error,) = run.errors
    assert error.startswith(f"smarthub-exporter: {where}")
    assert (run.code, run.out, portal.portal.count) == (2, "", 0)


# -- rejected again and again


def test_rejected_sign_ins_add_up_over_commands(attempt: Try, portal: PortalServer, clock: ManualClock) -> None:
    """The portal locks an account after five (docs/portal.md, "Rejected sign-ins")."""
    login = login_to(portal, password="wrong")

    def is_paused() -> list[bool]:
        lines = [*attempt("check", login).findings, *attempt("discover", login).errors]
        return ["sign-ins are paused" in line for line in lines]

    assert [is_paused() for _ in range(3)] == [[False, False], [True, True], [True, True]]
    clock.advance(DAY)
    assert [is_paused() for _ in range(2)] == [[False, True], [True, True]]
    assert portal.portal.most_rejected["member@example.org"] == 3
    assert attempt("check", login_to(portal)).code == 0


@pytest.mark.parametrize("command", ["check", "discover"])
def test_a_missing_second_factor_costs_no_sign_in(attempt: Try, start_portal: StartPortal, command: str) -> None:
    server = start_portal(CAREFUL)
    for _ in range(6):
        run = attempt(command, login_to(server))
        (line,) = run.findings or run.errors
        assert "totp_secret" in line
    assert set(server.portal.calls) == {("site_name", 200), ("two_factor", 200)}
    assert attempt(command, login_to(server, totp_secret=TOTP)).code == 0


def test_discover_sends_no_placeholder_password(attempt: Try, portal: PortalServer) -> None:
    run = attempt("discover", login_to(portal, password="CHANGE-ME"))
    assert (run.code, portal.portal.calls) == (1, {("site_name", 200): 1})


# -- what discover shows of a portal that answers in part


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
def test_an_error_for_old_data_hides_no_new_data(
    attempt: Try, portal: PortalServer, monkeypatch: pytest.MonkeyPatch, answer: SimulatedResponse, timezone: str | None
) -> None:
    respond = portal.portal.respond

    def respond_to_new(call: Call) -> SimulatedResponse:
        is_old = call.path.endswith("/poll") and json.loads(call.body)["startDateTime"] / 1000 < NOW - 60 * DAY
        return answer if is_old else respond(call)

    monkeypatch.setattr(portal.portal, "respond", respond_to_new)
    run = attempt("discover --write new.yaml", login_to(portal, timezone=timezone))
    assert run.code == 0
    assert any(line.startswith("newest 2026-01-14 12:00, ") for line in run.lines)
    assert run.lines[-1] == "coop: the portal's times match the zone America/New_York"
    assert 'timezone: "America/New_York"' in Path("new.yaml").read_text(encoding="utf-8")


YOUNG = World(locations=tuple(replace(each, connected="2026-01-12", nickname="") for each in (HOUSE, BARN)))


@pytest.mark.parametrize("how", [Poll.STATUS_403, Poll.WRONG_SHAPE, Poll.PENDING, Poll.STATUS_500])
def test_without_a_zone_unreadable_locations_are_a_failure(
    attempt: Try, start_portal: StartPortal, clock: ManualClock, how: Poll
) -> None:
    run = attempt("discover", login_to(start_portal(YOUNG, poll=how), timezone=None))
    assert run.code == 1
    assert run.lines[1:3] == [
        "55001 70001 - not readable, see below",
        "55002 70002 - not readable, see below",
    ]
    assert run.lines[4].startswith("coop: could not find the time zone")
    assert [line.partition(": ")[0] for line in run.lines[5:]] == ["coop, location 70001", "coop, location 70002"]
    assert ("not requested" in run.lines[6]) == (how in (Poll.PENDING, Poll.STATUS_500))
    assert sum(clock.slept) <= 60


def test_without_a_zone_one_readable_location_is_enough(attempt: Try, start_portal: StartPortal) -> None:
    silent = replace(YOUNG, locations=tuple(replace(each, connected="2026-01-14") for each in YOUNG.locations))
    run = attempt("discover", login_to(start_portal(silent, refused_locations=("70002",)), timezone=None))
    assert run.code == 0
    assert run.lines[1:3] == ["55001 70001 - time zone unknown", "55002 70002 - not readable, see below"]


# -- what must not fail

HOSTILE = (*"&$*#+%=:;?/@!~`|<>[]{}", " ", '"', "'", "\\", "ü", "€", "a&b=c", "100%25", "é ", "no", "1e5", "0012", "~")


@pytest.mark.parametrize("character", [*HOSTILE, "".join(HOSTILE)])
def test_no_password_is_too_hostile(
    attempt: Try, start_portal: StartPortal, monkeypatch: pytest.MonkeyPatch, character: str
) -> None:
    """In config.yaml, in a file of its own and in the environment."""
    for password in (character, f"a{character}b{character}"):
        server = start_portal(World(users=(UserSpec(password=password),), locations=(HOUSE,)))
        Path("secret").write_text(f"{password}\n", encoding="utf-8")
        Path("secret").chmod(0o600)
        given = login_to(server, password=password)
        by_file = login_to(server, password=None, password_file="secret")
        for login in (given, by_file):
            run = attempt("check", login)
            assert (run.code, run.lines[-1]) == (0, NO_PROBLEM)
        monkeypatch.setenv("SMARTHUB_PASSWORD", password)
        assert attempt("check", login_to(server, password="another")).code == 0
        monkeypatch.delenv("SMARTHUB_PASSWORD")
        assert not server.portal.most_rejected


@pytest.mark.parametrize("ending", ["", "/", "//", "/ui/", "/ui/#/login", "/ui/?x=1#/home", "/services/oauth/auth/v2"])
def test_an_address_copied_from_a_browser_works(attempt: Try, portal: PortalServer, ending: str) -> None:
    run = attempt("check", login_to(portal, name=None, api_url=f"  {portal.url}{ending} "))
    assert run.code == 0
    assert f"Login {portal.host}" in run.lines
    assert f"ok address {portal.host} answers" in run.lines


def found_by(run: Run) -> list[tuple[str, str]]:
    """Return the accounts and locations for which `discover` found data."""
    assert (run.code, run.errors) == (0, [])
    (login,) = json.loads(run.out)["logins"]
    assert login["timezone_fits"] is True
    return [
        (place["account"], place["service_location"])
        for place in login["locations"]
        if place["newest_data"] == "2026-01-14T12:00:00-05:00"
    ]


def test_locations_are_found_with_their_own_accounts(attempt: Try, start_portal: StartPortal) -> None:
    server = start_portal(TWO)
    login = login_to(server)
    assert found_by(attempt("discover --format json", login)) == [("55001", "70001"), ("55002", "70002")]
    run = attempt("check", login)
    assert (run.code, run.findings) == (0, [])
    assert "ok accounts reading 2 of 2 locations" in run.lines


@pytest.mark.parametrize("code", ["1ELEC", "VELEC", "GELEC", "WATER|NGAS|ELEC|SEWER|TRASH", "ELEC"])
def test_electricity_is_found_by_any_service_code(attempt: Try, start_portal: StartPortal, code: str) -> None:
    """Even if the portal names no industries."""
    for industries in (("ELECTRIC", "WATER"), ("ELECTRIC",), ()):
        place = replace(HOUSE, service_code=code, industries=industries)
        server = start_portal(World(locations=(place,)))
        assert found_by(attempt("discover --format json", login_to(server))) == [("55001", "70001")]


def test_water_beside_electricity_is_named_and_left_out(attempt: Try, start_portal: StartPortal) -> None:
    server = start_portal(World(locations=(HOUSE, DEMO_HOMES[4])))
    run = attempt("check", login_to(server))
    assert (run.code, run.findings) == (0, [])
    assert "ok accounts reading 1 of 2 locations; skipped: location 70005 (no electricity, only water)" in run.lines


def test_account_numbers_may_be_json_numbers(attempt: Try, start_portal: StartPortal) -> None:
    server = start_portal(TWO, numeric_ids=True)
    numbers = {"account": 55002, "service_location": 70002}
    assert found_by(attempt("discover --format json", login_to(server))) == [("55001", "70001"), ("55002", "70002")]
    run = attempt("check", login_to(server, **numbers))
    assert "ok accounts reading 1 of 2 locations; skipped: location 70001 (not chosen)" in run.lines
    assert run.code == 0


def test_a_secondary_login_with_a_second_factor_works(attempt: Try, start_portal: StartPortal) -> None:
    """With the secret in the notations of portals and of authenticator apps."""
    user = UserSpec("child@example.org", "s3cret-of-a-child", totp_secret=TOTP, owner="owner@example.org")
    server = start_portal(World(users=(user,), locations=(HOUSE,)))
    who = {"username": user.username, "password": user.password}
    spaced = " ".join(TOTP[place : place + 4].lower() for place in range(0, len(TOTP), 4))
    for secret in (TOTP, spaced, f"otpauth://totp/Coop:child?secret={TOTP}"):
        run = attempt("check", login_to(server, totp_secret=secret, **who))
        assert (run.code, run.findings) == (0, [])
        assert "ok sign-in signed in with user name, password and second factor" in run.lines


WELL: dict[str, tuple[World, dict[str, object], str]] = {
    "pending a few times": (SMALL, {"pending": 4}, "usage, cost every hour (FORWARD)"),
    "first point at a quarter past": (
        World(locations=(replace(HOUSE, meters=(QUARTERS,)),)),
        {"gaps": (Span("81001", 0, NOW - 4 * DAY + 900),)},
        "usage, cost every 15 minutes (FORWARD)",
    ),
    "TOTAL": (house(channels=Channels.TOTAL), {}, "usage, cost every hour (TOTAL)"),
    "REVERSE, negative": (
        house(channels=Channels.FORWARD_REVERSE, household=Household(2, solar=6.5)),
        {},
        "usage, export, cost every hour (FORWARD, REVERSE)",
    ),
    "three series of one meter": (
        house(channels=Channels.THREE, household=Household(2, solar=6.5)),
        {},
        "usage, export, cost every hour (FORWARD, NET, REVERSE)",
    ),
    "net energy alone": (
        house(channels=Channels.NET, household=Household(2, heating=0.2, solar=6.5)),
        {},
        "usage, export, cost every hour (NET)",
    ),
    "no cost": (house(cost=False), {}, "usage every hour (FORWARD)"),
    "daily data only": (house(resolution=Resolution.DAYS), {}, "usage, cost once a day (FORWARD)"),
}


@pytest.mark.parametrize("name", WELL)
def test_what_broke_other_clients_works(attempt: Try, start_portal: StartPortal, name: str) -> None:
    world, switches, what = WELL[name]
    run = attempt("check", login_to(start_portal(world, **switches)))
    assert (run.code, run.findings, run.lines[-1]) == (0, [], NO_PROBLEM)
    assert f"ok resolution meter 81001: {what}" in run.lines


def test_an_address_as_nickname_is_not_shown(attempt: Try, start_portal: StartPortal) -> None:
    """Many portals put the address into the description."""
    server = start_portal(World(locations=(replace(HOUSE, nickname="12 Secret Lane"), BARN)))
    for command in ("check", "discover", "discover --format json"):
        run = attempt(command, login_to(server))
        assert run.code == 0
        assert "Barn" in run.out


def test_four_environment_variables_are_enough(
    attempt: Try, portal: PortalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "API_URL": portal.url,
        "USERNAME": "member@example.org",
        "PASSWORD": PASSWORD,
        "TIMEZONE": "America/New_York",
    }.items():
        monkeypatch.setenv(f"SMARTHUB_{name}", value)
    assert attempt("check").lines[-1] == NO_PROBLEM


def test_the_go_tools_configuration_works_unquoted(attempt: Try, start_portal: StartPortal) -> None:
    server = start_portal(World(locations=(replace(HOUSE, account="0012345001"), BARN)))
    run = attempt(
        "check",
        config=(
            "extract_days: 10\n"
            f"smarthub:\n  api_url: {server.url}\n  username: member@example.org\n  password: {PASSWORD}\n"
            "  account: 0012345001\n  service_location: 70001\n  timezone: America/New_York\n"
        ),
    )
    assert (run.code, run.findings) == (0, [])
    assert "ok accounts reading 1 of 2 locations; skipped: location 70002 (not chosen)" in run.lines
