"""`discover` as people run it: its output, its questions, the files it writes, and what it never shows."""

import json
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from exporter.clock import SystemClock
from exporter.simulator.household import Household
from exporter.simulator.portal import Call
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, Search, SignIn
from exporter.simulator.specs import Channels, LocationSpec, MeterSpec, Resolution, UserSpec
from exporter.simulator.world import World

from ..support.deadlines import DEADLINE
from ..support.http_server import serving
from ..support.portal import Record, StartPortal
from ..support.program import Result, Starter, one_line
from ..support.typist import Typist

USER = UserSpec()
TOTP = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
STREET = "12 Secret Lane"
ZONE = ZoneInfo("America/New_York")

ASK_URL = "Your co-op, or its SmartHub address (such as novec.smarthub.coop): "
NAME = "Piedmont Simulated Electric"
RETYPE = "Your co-op, or its SmartHub address [{}]: "
ASK_COOP = "Is this your co-op? [Y/n]: "
ASK_USER = "User name (the email address you sign in with): "
ASK_PASSWORD = "Password (not shown): "
ASK_AGAIN = "Password (not shown, press Enter to stop): "
ASK_TOTP = "Authenticator secret or otpauth:// URI (not shown, press Enter to stop): "
ASK_USER_AGAIN = "User name [{}]: "
ASK_FILE = "Save the password in config.password, readable only by you? [Y/n]: "
ASK_FILES = "Save the secrets in {}.password and 1 more, readable only by you? [Y/n]: "

HOUSE = LocationSpec(
    "0055001",
    "70001",
    (MeterSpec("81001", Household(1), step=3600, periods=True),),
    nickname="House",
    industries=("ELECTRIC", "WATER"),
    connected="2024-03-01",
)
SOLAR = LocationSpec(
    "0055001",
    "70002",
    (MeterSpec("81002", Household(2, solar=6.5), channels=Channels.FORWARD_REVERSE, step=1800),),
    connected="2025-01-15",
)
BARN = LocationSpec(
    "55002",
    "70003",
    (MeterSpec("81003", Household(3), resolution=Resolution.DAYS, cost=False),),
    nickname="Barn",
    connected="2023-07-20",
)
FLAT = LocationSpec("55003", "70004", (), nickname="Old flat", inactive=True)
WELL = LocationSpec("55002", "70005", (), nickname="Well", industries=("WATER",), service_code="WATER")
ONE = World(locations=(HOUSE,))
ALL = World(locations=(HOUSE, SOLAR, BARN, FLAT, WELL))
CAREFUL = replace(ONE, users=(replace(USER, totp_secret=TOTP),))
GUEST = UserSpec("guest@example.org", "guest-pass", owner=USER.username, accounts=("55002",))


Sit = Callable[..., Typist]
Discover = Callable[..., Result]


@pytest.fixture
def clock() -> SystemClock:
    """The portals use the real time, as the programs do."""
    return SystemClock()


@pytest.fixture
def sit_down(starter: Starter) -> Iterator[Sit]:
    """Runs `discover` on a terminal, by default without a database on this machine."""
    with ExitStack() as stack:

        def start(*arguments: str, **variables: str) -> Typist:
            environment = {**starter.environment, **variables, "TERM": "xterm"}
            if "--write" in arguments and "--database" not in arguments:
                arguments += ("--database", "none")
            typist = Typist("discover", *arguments, folder=starter.folder, environment=environment, result_apart=True)
            stack.callback(typist.close)
            return typist

        yield start


@pytest.fixture
def discover(starter: Starter, start_portal: StartPortal) -> Discover:
    """Runs `discover` without a terminal; the environment configures it for this portal, or for a new one."""

    def run(where: PortalServer | World | str, *arguments: str, user: UserSpec = USER, **variables: str) -> Result:
        portal = start_portal(where) if isinstance(where, World) else where
        return starter.call("discover", *arguments, **{**environment_of(portal, user), **variables})

    return run


def environment_of(portal: PortalServer | str, user: UserSpec = USER) -> dict[str, str]:
    given = {
        "SMARTHUB_API_URL": portal if isinstance(portal, str) else portal.url,
        "SMARTHUB_USERNAME": user.username,
        "SMARTHUB_PASSWORD": user.password,
        "SMARTHUB_TIMEZONE": "America/New_York",
    }
    return given | ({"SMARTHUB_TOTP_SECRET": user.totp_secret} if user.totp_secret else {})


def as_json(program: Result, code: int = 0) -> list[dict[str, Any]]:
    assert program.wait() == code, program.stderr
    logins: list[dict[str, Any]] = json.loads(program.stdout)["logins"]
    return logins


def read(login: Mapping[str, Any]) -> dict[str, bool]:
    return {location["service_location"]: location["is_read"] for location in login["locations"]}


def refused(portal: PortalServer) -> int:
    return portal.portal.most_rejected[USER.username]


def config_of(path: Path) -> dict[str, Any]:
    """Return the login in a configuration that only its owner can read."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    section: dict[str, Any] = yaml.safe_load(path.read_text())["smarthub"]
    return section


def sign_in_by_hand(typist: Typist, portal: PortalServer, password: str = USER.password) -> None:
    typist.answer(ASK_URL, portal.url)
    typist.answer(ASK_COOP, "")
    typist.answer(ASK_USER, USER.username)
    typist.answer(ASK_PASSWORD, password)


def is_valid(starter: Starter, file: str) -> bool:
    return starter.call("serve", "--config.check", "--config.file", file).wait() == 0


# -- what is printed


def test_the_table_shows_every_location_and_meter(start_portal: StartPortal, discover: Discover) -> None:
    # Data ends ten minutes after midnight, within an interval, so that nothing changes during the test.
    day = (datetime.now(ZONE) - timedelta(minutes=20)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    portal = start_portal(ALL, lag=time.time() - int(day.timestamp()) - 600)
    program = discover(portal)
    assert (program.wait(), program.stderr) == (0, "")
    lines = [re.sub(r"\d+ (h|min|d) ago$", "(age)", line.rstrip()) for line in program.stdout.splitlines()]
    stamp = f"newest {day:%Y-%m-%d %H:%M}, (age)"
    head = "0055001  {}     {:8}  {}  "
    rest = " " * len(head.format("70001", "", "81001"))
    assert lines == [
        "Account  Location  Name      Meter  Data",
        head.format("70001", "House", "81001") + "every hour (FORWARD): usage, cost, 3 rate",
        rest + "periods",
        rest + "since 2024-03-01",
        rest + stamp,
        rest + "location also has water",
        head.format("70002", "", "81002") + "every 30 minutes (FORWARD, REVERSE): usage,",
        rest + "export, cost",
        rest + "since 2025-01-15",
        rest + stamp,
        "55002    70003     Barn      81003  once a day (FORWARD): usage",
        rest + "since 2023-07-20",
        rest + stamp,
        "55002    70005     Well      -      skipped: no electricity, only water",
        "55003    70004     Old flat  -      skipped: closed",
        "",
        f"{portal.host}: the portal of {NAME}",
        f"{portal.host}: the portal's times match the zone America/New_York",
    ]


def test_the_json_holds_all_of_it(start_portal: StartPortal, discover: Discover) -> None:
    portal = start_portal(ALL)
    program = discover(portal, "--format", "json")
    (login,) = as_json(program)
    assert program.stderr == ""
    assert (login["login"], login["timezone"], login["timezone_fits"]) == (portal.host, "America/New_York", True)
    assert read(login) == {"70001": True, "70002": True, "70003": True, "70004": False, "70005": False}
    assert [len(location["meters"]) for location in login["locations"]] == [1, 1, 1, 0, 0]
    counts = {endpoint: count for (endpoint, _), count in portal.portal.calls.items()}
    assert (counts["auth"], counts["user_data"]) == (1, 1)
    assert counts["poll"] <= 2 * 3 + 2


@pytest.mark.parametrize("form", ["table", "json"])
def test_nothing_personal_is_in_any_output_even_when_debugging(
    start_portal: StartPortal, discover: Discover, tmp_path: Path, form: str
) -> None:
    (user,) = CAREFUL.users
    arguments = ("--format", form, "--log.level", "debug", "--write", "new.yaml", "--secrets", "omit")
    program = discover(start_portal(replace(ALL, users=(user,))), *arguments, user=user)
    assert program.wait() == 0
    everything = program.stdout + program.stderr
    for private in (USER.username, USER.password, TOTP, STREET, "Secret", "A MEMBER OF THE COOP", "Bearer"):
        assert private not in everything
    assert USER.username in (tmp_path / "new.yaml").read_text()


# -- the zone


def alike(zone: str, *days: datetime) -> list[str]:
    """Return the zones that show the same times on these days."""
    names = ("America/Denver", "America/Phoenix", "America/Los_Angeles")
    return [
        name
        for name in names
        if all(day.astimezone(ZoneInfo(name)).utcoffset() == day.astimezone(ZoneInfo(zone)).utcoffset() for day in days)
    ]


@pytest.mark.parametrize("answer", ["", "America/Phoenix"])
def test_one_of_several_zones_that_fit_can_be_chosen(
    start_portal: StartPortal, sit_down: Sit, tmp_path: Path, answer: str
) -> None:
    # Twelve days are in one season, unless the clocks have just changed.
    now = datetime.now(UTC)
    zones = alike("America/Phoenix", *(now - timedelta(days=ago) for ago in range(13)))
    if len(zones) == 1:
        pytest.skip("the clocks have just changed")
    house = replace(HOUSE, connected=(date.today() - timedelta(days=12)).isoformat())  # noqa: DTZ011
    portal = start_portal(World(zone="America/Phoenix", locations=(house,)))
    variables = environment_of(portal) | {"SMARTHUB_TIMEZONE": ""}
    typist = sit_down("--write", "config.yaml", "--secrets", "omit", **variables)
    typist.see(f"Several time zones fit the portal's times: {', '.join(zones)}")
    typist.answer(f"Your co-op's time zone [{zones[0]}]: ", "Europe/Berlin")
    typist.see(f"enter one of {', '.join(zones)}")
    typist.answer(f"Your co-op's time zone [{zones[0]}]: ", answer)
    assert typist.wait() == 0
    picked = answer or zones[0]
    (other,) = [zone for zone in zones if zone != picked]
    assert f"the portal's times match the zone {picked}; {other} would also match" in " ".join(typist.stdout.split())
    assert f'timezone: "{picked}"  # {other} would also match' in (tmp_path / "config.yaml").read_text()


def test_a_zone_that_was_not_found_is_left_out(start_portal: StartPortal, discover: Discover, tmp_path: Path) -> None:
    young = replace(HOUSE, connected=date.today().isoformat())  # noqa: DTZ011
    portal = start_portal(World(locations=(young,)), poll=Poll.NO_POINTS)
    program = discover(portal, "--write", "config.yaml", SMARTHUB_TIMEZONE="")
    assert program.wait() == 0
    assert "could not find the time zone" in program.stdout
    assert "timezone" not in config_of(tmp_path / "config.yaml")
    assert 'service_location: "70001"' in (tmp_path / "config.yaml").read_text()


# -- typed by a person


def test_typed_answers_become_a_configuration(
    start_portal: StartPortal, sit_down: Sit, starter: Starter, tmp_path: Path
) -> None:
    portal = start_portal(ALL)
    typist = sit_down("--write", "config.yaml")
    sign_in_by_hand(typist, portal)
    typist.answer(ASK_FILE, "")
    assert typist.wait() == 0
    typist.see("Wrote config.password, readable only by you.")
    typist.see("Wrote config.yaml.")
    assert USER.password not in typist.shown + typist.stdout
    assert typist.shown.count(USER.username) == 1  # the terminal's own echo
    assert USER.username not in typist.stdout

    assert config_of(tmp_path / "config.yaml") == {
        "api_url": portal.url,
        "username": USER.username,
        "password_file": "config.password",
        "timezone": "America/New_York",
    }
    text = (tmp_path / "config.yaml").read_text()
    assert re.findall(r'service_location: "(\d+)"', text) == ["70001", "70002", "70003"]
    assert (tmp_path / "config.password").read_text() == USER.password + "\n"
    assert stat.S_IMODE((tmp_path / "config.password").stat().st_mode) == 0o600
    assert is_valid(starter, "config.yaml")


def test_only_missing_keys_are_asked_for(start_portal: StartPortal, sit_down: Sit, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(USER.password + "\n")
    variables = environment_of(start_portal(ONE)) | {"SMARTHUB_PASSWORD": "", "SMARTHUB_PASSWORD_FILE": "secret"}
    typist = sit_down(**variables | {"SMARTHUB_USERNAME": ""})
    typist.see(NAME)
    typist.answer(ASK_COOP, "y")
    typist.answer(ASK_USER, USER.username)
    assert typist.wait() == 0
    assert ASK_URL not in typist.shown
    assert "Password" not in typist.shown


def test_an_existing_configuration_is_used_and_announced(
    start_portal: StartPortal, sit_down: Sit, starter: Starter
) -> None:
    portal = start_portal(ONE)
    starter.config(several(portal, USER))
    typist = sit_down()
    typist.see("Using config.yaml; to sign in with another login, add --config.file /dev/null.\r\n")
    assert typist.wait() == 0
    assert ASK_URL not in typist.shown
    other = sit_down("--config.file", "/dev/null")
    sign_in_by_hand(other, portal)
    assert other.wait() == 0
    assert "Using config.yaml" not in other.shown


def test_empty_answers_are_missing_keys(sit_down: Sit) -> None:
    typist = sit_down()
    for question in (ASK_URL, ASK_USER, ASK_PASSWORD):
        typist.answer(question, "")
    assert typist.wait() == 2
    for variable in ("SMARTHUB_API_URL", "SMARTHUB_USERNAME", "SMARTHUB_PASSWORD"):
        assert f"{variable}: missing" in typist.shown
    assert "TIMEZONE" not in typist.shown


def test_an_interrupted_question_ends_discover_with_one_line(sit_down: Sit) -> None:
    typist = sit_down()
    typist.see(ASK_URL)
    typist.type("\x03")
    assert typist.wait() == 1
    assert "interrupted" in typist.shown


# -- which co-op


def paths(calls: list[Call]) -> list[str]:
    return [call.path for call in calls]


def is_silent(calls: list[Call]) -> bool:
    """Check that no call has a user name, a password, or anything else that was typed for them."""
    sent = "".join(f"{call.path} {dict(call.query)} {dict(call.headers)} {call.body!r}" for call in calls)
    return not any(private in sent for private in ("@", "%40", "correct"))


def test_nothing_is_sent_before_the_name_is_confirmed(start_portal: StartPortal, sit_down: Sit, record: Record) -> None:
    portal = start_portal(ONE)
    calls = record(portal)
    typist = sit_down(SMARTHUB_DIRECTORY_URL=portal.url)
    typist.answer(ASK_URL, "piedmont")
    typist.see(f"{portal.host}: {NAME}")
    typist.see(ASK_COOP)
    before = list(calls)
    assert paths(before) == ["/services/memberLookup/name", "/services/member/siteName"]
    assert dict(before[0].query) == {"name": "piedmont"}
    typist.type("\n")
    typist.answer(ASK_USER, USER.username)
    typist.see(ASK_PASSWORD)
    assert paths(calls) == paths(before)
    typist.type(f"{USER.password}\n")
    assert typist.wait() == 0
    assert is_silent(before)
    assert not is_silent(calls)
    assert paths(calls).count("/services/member/siteName") == 1


def test_the_whole_way_from_a_name_to_a_configuration(
    start_portal: StartPortal, sit_down: Sit, starter: Starter, tmp_path: Path
) -> None:
    portal = start_portal(ALL, directory=Search.THREE)
    with serving(lambda asked: (200, {}, "-retentionPeriod=10y\n" if asked.path == "/flags" else "")) as database:
        typist = sit_down(
            "--write", "config.yaml", "--database", database, SMARTHUB_DIRECTORY_URL=portal.url, COLUMNS="80"
        )
        typist.answer(ASK_URL, "pi")
        typist.answer(RETYPE.format("pi"), "127.0.0.1:9")
        typist.answer(RETYPE.format("127.0.0.1:9"), "Piedmont")
        typist.answer("Which one? Type its number, or press Enter for another name: ", "1")
        typist.answer(ASK_COOP, "")
        typist.answer(ASK_USER, "typo@example.org")
        typist.answer(ASK_PASSWORD, "mistyped")
        typist.answer(ASK_USER_AGAIN.format("typo@example.org"), USER.username)
        typist.answer(ASK_AGAIN, USER.password)
        typist.answer(ASK_FILE, "")
        assert typist.wait() == 0
    assert portal.portal.most_rejected == {"typo@example.org": 1}
    assert max(map(len, typist.text.splitlines())) <= 80
    assert f"Found VictoriaMetrics at {database}. " in typist.text
    for said in ("  -dedup.minScrapeInterval=1s", "scrape_configs:", "  smarthub-exporter backfill --start first"):
        assert f"\n{said}\n" in typist.text
    assert config_of(tmp_path / "config.yaml")["username"] == USER.username
    written = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert written["victoriametrics"] == {"url": database}
    assert is_valid(starter, "config.yaml")


def test_a_changed_user_name_is_one_of_the_tries(start_portal: StartPortal, sit_down: Sit) -> None:
    """Three sign-ins in one dialog, whatever is typed; each user name has its own limit on top."""
    portal = start_portal(ONE)
    typist = sit_down()
    sign_in_by_hand(typist, portal, "wrong")
    for name, before in (("a@example.org", USER.username), ("b@example.org", "a@example.org")):
        typist.answer(ASK_USER_AGAIN.format(before), name)
        typist.answer(ASK_AGAIN, "wrong")
    assert typist.wait() == 1
    assert sum(portal.portal.most_rejected.values()) == 3


def test_a_foreign_host_gets_no_user_name(start_portal: StartPortal, sit_down: Sit, record: Record) -> None:
    portal = start_portal(ONE, foreign=True)
    calls = record(portal)
    typist = sit_down()
    typist.answer(ASK_URL, portal.url)
    typist.answer("  Use it anyway? [y/N]: ", "")
    typist.see(RETYPE.format(portal.url))
    typist.type("\x03")
    assert typist.wait() == 1
    assert is_silent(calls)


def test_without_a_terminal_a_foreign_host_is_a_failure(
    start_portal: StartPortal, discover: Discover, record: Record
) -> None:
    portal = start_portal(ONE, foreign=True)
    calls = record(portal)
    program = discover(portal)
    assert program.wait() == 1
    assert one_line(program).startswith(f"{portal.host} ")
    assert is_silent(calls)


@pytest.mark.parametrize(("how", "code"), [(Search.OK, 0), (Search.THREE, 2), (Search.NONE, 2)])
def test_a_name_without_a_terminal_needs_a_single_hit(
    start_portal: StartPortal, discover: Discover, how: Search, code: int
) -> None:
    portal = start_portal(replace(ONE, name="Piedmont Power"), directory=how)
    name = "Piedmont I" if how is Search.THREE else "Piedmont Power"
    program = discover(portal, SMARTHUB_API_URL=name, SMARTHUB_DIRECTORY_URL=portal.url)
    assert program.wait() == code


def test_search_lists_co_ops_and_ends(start_portal: StartPortal, starter: Starter) -> None:
    portal = start_portal(ONE, directory=Search.THREE)
    program = starter.call("discover", "--search", "piedmont", SMARTHUB_DIRECTORY_URL=portal.url)
    assert (program.wait(), program.stderr) == (0, "")
    assert [re.split(r"  +", line.rstrip()) for line in program.stdout.splitlines()] == [
        ["Co-op", "Place", "Address"],
        [NAME, "Springfield, NC", portal.host],
        ["Piedmont Imagined Power", "Fairview, VA", "imagined.smarthub.coop"],
        ["Piedmont Invented Light", "Riverside, VA", "invented.smarthub.coop"],
    ]


@pytest.mark.parametrize(
    ("arguments", "directory", "code"),
    [
        (("--search", "ec"), None, 1),
        (("--search", "nowhere"), None, 1),
        (("--search", "novec.smarthub.coop"), None, 2),
        (("--search", "piedmont"), "ftp://x", 2),
        (("--search", "piedmont"), "http://127.0.0.1:9", 1),
        (("--write", "new.yaml", "--database", "ftp://x"), None, 2),
    ],
)
def test_a_search_that_finds_nothing_is_one_line(
    portal: PortalServer, starter: Starter, arguments: tuple[str, ...], directory: str | None, code: int
) -> None:
    program = starter.call("discover", *arguments, SMARTHUB_DIRECTORY_URL=directory or portal.url)
    assert (program.wait(), program.stdout) == (code, "")
    one_line(program)
    assert portal.portal.calls.keys() <= {("directory", 200)}


# -- rejected sign-ins


def test_a_wrong_password_is_asked_for_again(start_portal: StartPortal, sit_down: Sit) -> None:
    """This also goes for input that is not text in the encoding of the terminal."""
    portal = start_portal(ONE)
    typist = sit_down(PYTHONUTF8="1")
    sign_in_by_hand(typist, portal, "mistyped")
    typist.answer(ASK_USER_AGAIN.format(USER.username), "")
    typist.see(ASK_AGAIN)
    typist.type(b"caf\xe9\n")
    typist.answer(ASK_AGAIN, USER.password)
    assert typist.wait() == 0
    assert refused(portal) == 1
    assert "House" in typist.stdout
    for password in ("mistyped", USER.password):
        assert password not in typist.shown + typist.stdout


def test_enter_stops_asking(start_portal: StartPortal, sit_down: Sit) -> None:
    portal = start_portal(ONE)
    typist = sit_down("--write", "config.yaml")
    sign_in_by_hand(typist, portal, "mistyped")
    typist.answer(ASK_USER_AGAIN.format(USER.username), "")
    typist.answer(ASK_AGAIN, "")
    assert typist.wait() == 1
    assert (refused(portal), typist.stdout) == (1, "")


def insist(typist: Typist, secret: str) -> None:
    """Type secrets as long as they are asked for."""
    deadline = time.monotonic() + DEADLINE
    number, at = 0, len(typist.shown)
    while typist.reads():
        assert time.monotonic() < deadline
        for question in (ASK_USER_AGAIN.format(USER.username), ASK_AGAIN, ASK_TOTP):
            if (found := typist.shown.find(question, at)) >= 0:
                at = found + len(question)
                is_secret = "User name" not in question
                number += is_secret
                typist.type(f"{secret.format(number)}\n" if is_secret else "\n")
    assert typist.process.wait(DEADLINE) == 1
    assert "Traceback" not in typist.shown


def test_typing_never_causes_more_than_four_rejected_sign_ins(
    start_portal: StartPortal, sit_down: Sit, tmp_path: Path
) -> None:
    portal = start_portal(ONE)
    for count in (3, 4, 4):
        typist = sit_down("--write", "config.yaml")
        sign_in_by_hand(typist, portal, "wrong 0")
        insist(typist, "wrong {}")
        assert refused(portal) == count
    assert not (tmp_path / "config.yaml").exists()
    typist = sit_down()
    sign_in_by_hand(typist, portal)
    typist.see("sign-ins are paused")
    assert typist.wait() == 1
    assert "Password" not in typist.shown.partition("paused")[2]


def test_without_a_terminal_the_limit_holds_and_nothing_is_asked(start_portal: StartPortal, discover: Discover) -> None:
    portal = start_portal(ONE)
    said = []
    for times in (1, 2, 2):
        program = discover(portal, SMARTHUB_PASSWORD="wrong")
        assert (program.wait(), refused(portal)) == (1, times)
        said.append(one_line(program))
    assert "wrong" not in "".join(said)
    assert ["sign-ins are paused" in line for line in said] == [False, False, True]


# -- the second factor


def test_a_missing_second_factor_is_asked_for(start_portal: StartPortal, sit_down: Sit, tmp_path: Path) -> None:
    portal = start_portal(CAREFUL)
    typist = sit_down("--write", "config.yaml")
    sign_in_by_hand(typist, portal)
    typist.answer(ASK_TOTP, "0189 is not base32")
    typist.answer(ASK_TOTP, TOTP.lower())
    typist.answer(ASK_FILES.format("config"), "y")
    assert typist.wait() == 0
    assert refused(portal) == 0
    for secret in (TOTP, TOTP.lower(), "0189", USER.password):
        assert secret not in typist.shown + typist.stdout
    assert config_of(tmp_path / "config.yaml")["totp_secret_file"] == "config.totp_secret"
    assert (tmp_path / "config.totp_secret").read_text() == TOTP.lower() + "\n"


def test_wrong_second_factors_never_lock_the_account(start_portal: StartPortal, sit_down: Sit) -> None:
    portal = start_portal(CAREFUL)
    for secret in ("GEZDGNBVGY3TQOJQ", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "MFRGGZDFMZTWQ2LK", "KRUGS4ZANFZSAYJA") * 2:
        insist(sit_down(**environment_of(portal)), secret)
    assert refused(portal) == 4


# -- what is written


@pytest.mark.parametrize(
    ("arguments", "answer", "kept"),
    [((), "", True), ((), "n", False), (("file",), None, True), (("omit",), None, False)],
)
def test_the_password_is_saved_where_it_is_wanted(
    start_portal: StartPortal,
    sit_down: Sit,
    tmp_path: Path,
    arguments: tuple[str, ...],
    answer: str | None,
    *,
    kept: bool,
) -> None:
    flags = ("--secrets", *arguments) if arguments else ()
    typist = sit_down("--write", "config.yaml", *flags, **environment_of(start_portal(ONE)))
    question = ASK_FILE
    if answer is not None:
        typist.answer(question, answer)
    assert typist.wait() == 0
    assert (question in typist.shown) == (answer is not None)
    assert (tmp_path / "config.password").exists() is kept
    assert ("password_file" in config_of(tmp_path / "config.yaml")) is kept
    how = "The password is not saved: set SMARTHUB_PASSWORD, SMARTHUB_PASSWORD_FILE, or password_file in config.yaml."
    assert (how in " ".join(typist.text.split())) is not kept
    assert USER.password not in (tmp_path / "config.yaml").read_text()


def test_without_a_terminal_secrets_are_left_out(discover: Discover, tmp_path: Path) -> None:
    """JSON output stays JSON while a file is written."""
    program = discover(ONE, "--format", "json", "--write", "config.yaml")
    assert [read(login) for login in as_json(program)] == [{"70001": True}]
    assert not (tmp_path / "config.password").exists()
    assert "password_file" not in config_of(tmp_path / "config.yaml")
    assert "Wrote config.yaml. Next: smarthub-exporter check" in program.stderr


IN_THE_WAY = "new.{0}: already exists; use --force to overwrite it (kept as new.{0}.bak)"


@pytest.mark.parametrize("name", ["yaml", "password"])
def test_an_existing_file_is_reported_before_any_question(sit_down: Sit, tmp_path: Path, name: str) -> None:
    (tmp_path / f"new.{name}").write_text("mine\n")
    typist = sit_down("--write", "new.yaml", "--secrets", "file")
    assert typist.wait() == 2
    assert typist.shown.strip() == f"smarthub-exporter: {IN_THE_WAY.format(name)}"
    assert (tmp_path / f"new.{name}").read_text() == "mine\n"


def test_an_existing_secret_file_leaves_everything_unchanged(
    start_portal: StartPortal, sit_down: Sit, tmp_path: Path
) -> None:
    (tmp_path / "new.totp_secret").write_text("mine\n")
    typist = sit_down("--write", "new.yaml", **environment_of(start_portal(CAREFUL)))
    typist.answer(ASK_TOTP, TOTP)
    typist.answer(ASK_FILES.format("new"), "y")
    assert typist.wait() == 2
    assert IN_THE_WAY.format("totp_secret") in typist.shown
    assert [each.name for each in tmp_path.glob("new*")] == ["new.totp_secret"]


def test_a_secret_file_of_any_login_is_reported_first(
    start_portal: StartPortal, starter: Starter, tmp_path: Path
) -> None:
    portal = start_portal(ONE)
    starter.config(several(portal, USER, USER))
    (tmp_path / "new.2.password").write_text("mine\n")
    program = starter.call("discover", "--write", "new.yaml", "--secrets", "file")
    assert (program.wait(), one_line(program)) == (2, IN_THE_WAY.format("2.password"))
    assert portal.portal.count == 0
    assert not (tmp_path / "new.1.password").exists()


def test_force_overwrites_files_and_keeps_the_old_ones(discover: Discover, tmp_path: Path) -> None:
    for name in ("yaml", "password"):
        (tmp_path / f"new.{name}").write_text("mine\n")
    program = discover(ONE, "--write", "new.yaml", "--force", "--secrets", "file")
    assert program.wait() == 0
    for name in ("yaml", "password"):
        assert (tmp_path / f"new.{name}.bak").read_text() == "mine\n"
    assert config_of(tmp_path / "new.yaml")["password_file"] == "new.password"
    assert program.stderr.splitlines() == [
        "Wrote new.password, readable only by you; the previous version is saved as new.password.bak.",
        (
            "Wrote new.yaml; the previous version is saved as new.yaml.bak; copy its other sections over."
            " Next: smarthub-exporter check --config.file new.yaml"
        ),
    ]


@pytest.mark.parametrize("flags", [("--secrets", "file"), ("--force",), ("--database", "none")])
def test_secrets_and_force_need_a_file_to_write(discover: Discover, flags: tuple[str, ...]) -> None:
    program = discover("http://127.0.0.1:9", *flags)
    assert program.wait() == 2
    assert one_line(program) == "--secrets, --force and --database can only be used with --write FILE"


def test_configured_choices_are_kept(discover: Discover, starter: Starter, tmp_path: Path) -> None:
    program = discover(ALL, "--write", "new.yaml", "--secrets", "file", SMARTHUB_ACCOUNT="0055001")
    assert program.wait() == 0
    assert config_of(tmp_path / "new.yaml")["account"] == "0055001"
    assert is_valid(starter, "new.yaml")


# -- other logins and portals


def several(portal: PortalServer, *users: UserSpec) -> dict[str, object]:
    return {
        "smarthub": [
            {"name": f"login {number}", "api_url": portal.url, "username": user.username, "password": user.password}
            for number, user in enumerate(users)
        ]
    }


def test_several_logins_are_shown_and_written(start_portal: StartPortal, starter: Starter, tmp_path: Path) -> None:
    starter.config(several(start_portal(replace(ALL, users=(USER, GUEST))), USER, GUEST))
    program = starter.call("discover", "--format", "json", "--write", "new.yaml", "--secrets", "file")
    first, second = as_json(program)
    assert [(login["login"], login["timezone"]) for login in (first, second)] == [
        ("login 0", "America/New_York"),
        ("login 1", "America/New_York"),
    ]
    # The guest can see what the owner shares.
    assert (len(read(first)), read(second)) == (5, {"70003": True, "70005": False})
    files = [tmp_path / f"new.{number}.password" for number in (1, 2)]
    assert [file.read_text() for file in files] == [USER.password + "\n", GUEST.password + "\n"]
    assert is_valid(starter, "new.yaml")


def test_one_failed_login_does_not_hide_the_others(start_portal: StartPortal, starter: Starter, tmp_path: Path) -> None:
    """But no configuration is written without it."""
    starter.config(several(start_portal(ONE), replace(USER, password="wrong"), USER))
    program = starter.call("discover", "--format", "json", "--write", "new.yaml")
    assert [login["login"] for login in as_json(program, 1)] == ["login 1"]
    assert "login 0" in program.stderr
    assert "new.yaml was not written" in program.stderr
    assert not (tmp_path / "new.yaml").exists()


def test_a_login_with_only_water_is_reported(discover: Discover) -> None:
    program = discover(World(locations=(WELL,)))
    assert program.wait() == 0
    assert "skipped: no electricity, only water" in program.stdout


@pytest.mark.parametrize(
    "switches",
    [
        {"sign_in": SignIn.PAGE},
        {"discovery": Poll.STATUS_503, "accounts": Poll.STATUS_503},
        {"discovery": Poll.NO_ENTRY, "accounts": Poll.NO_ENTRY},
        {"poll": Poll.STATUS_500},
    ],
)
def test_a_portal_without_answers_is_a_failure(
    start_portal: StartPortal, discover: Discover, switches: dict[str, object]
) -> None:
    program = discover(start_portal(ONE, **switches))
    assert program.wait() == 1
    assert len(program.stderr.splitlines()) == ("poll" not in switches)


def test_what_stands_in_for_user_data_is_reported(start_portal: StartPortal, discover: Discover) -> None:
    program = discover(start_portal(ONE, discovery=Poll.NO_ENTRY))
    assert program.wait() == 0
    assert "81001" in program.stdout
    assert len(program.stderr.splitlines()) == 1


def test_a_refused_location_does_not_hide_the_others(start_portal: StartPortal, discover: Discover) -> None:
    program = discover(start_portal(ALL, refused_locations=("70002",)))
    assert program.wait() == 0
    assert ", location 70002: " in program.stdout
    assert "81003" in program.stdout


def test_without_configuration_and_terminal_it_ends_with_2(starter: Starter) -> None:
    program = starter.call("discover")
    assert program.wait() == 2
    assert one_line(program).startswith("config.yaml: ")


def test_a_chosen_location_that_is_not_there_is_reported(discover: Discover) -> None:
    program = discover(ALL, SMARTHUB_SERVICE_LOCATION="71000")
    assert program.wait() == 0
    assert "location 71000" in program.stderr
    assert "81001" in program.stdout


# -- coming from the Go tool


def test_an_older_file_of_the_go_tool_works(start_portal: StartPortal, starter: Starter) -> None:
    portal = start_portal(ONE)
    starter.config(
        {"utility": {"api_url": portal.url, "username": USER.username, "password": USER.password}, "extract_days": 11}
    )
    program = starter.call("discover")
    assert program.wait() == 0
    assert f"{portal.host}: the portal's times match the zone America/New_York" in program.stdout
    assert program.stderr.count("level=warn") == 2
    assert [starter.call(each, *more).wait() for each, *more in (("check",), ("serve", "--config.check"))] == [1, 2]
