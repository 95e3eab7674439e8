"""`discover` as people run it: what it prints, what it asks on a terminal, what it writes, and what it never tells."""

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
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, SignIn
from exporter.simulator.specs import Channels, LocationSpec, MeterSpec, Resolution, UserSpec
from exporter.simulator.world import World

from ..support.deadlines import DEADLINE
from ..support.portal import StartPortal, change
from ..support.program import Program, Starter, one_line
from ..support.typist import Typist
from ..support.worlds import DAY

USER = UserSpec()
TOTP = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
OTHER_TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
STREET = "12 Secret Lane"
ZONE = ZoneInfo("America/New_York")

ASK_URL = "The co-op's SmartHub (name, host or URL, such as novec.smarthub.coop): "
ASK_USER = "User name (the e-mail address that you sign in with): "
ASK_PASSWORD = "Password (not shown): "
ASK_AGAIN = "Password (not shown, empty to stop): "
ASK_TOTP = "Secret of your authenticator app, base32 or otpauth:// URI (not shown, empty to stop): "
ASK_ANYWAY = "Try once more nevertheless? [y/N]: "
ASK_FILE = "Put the password into a file of its own beside it, readable by you alone? [y/N]: "

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


Sit = Callable[..., Typist]
Discover = Callable[..., Program]


@pytest.fixture
def clock() -> SystemClock:
    """The portals here keep the real time, as the programs do."""
    return SystemClock()


@pytest.fixture
def sit_down(starter: Starter) -> Iterator[Sit]:
    """Runs `discover` on a terminal."""
    with ExitStack() as stack:

        def start(*arguments: str, **variables: str) -> Typist:
            environment = {**starter.environment, **variables, "TERM": "xterm"}
            typist = Typist(
                "discover",
                *arguments,
                folder=starter.folder,
                environment={**environment, "TERM": "xterm"},
                result_apart=True,
            )
            stack.callback(typist.close)
            return typist

        yield start


@pytest.fixture
def discover(starter: Starter) -> Discover:
    """Runs `discover` without a terminal, configured for a portal by the environment."""

    def run(portal: PortalServer | str, *arguments: str, user: UserSpec = USER, **variables: str) -> Program:
        return starter.run("discover", *arguments, **{**environment_of(portal, user), **variables})

    return run


def environment_of(portal: PortalServer | str, user: UserSpec = USER) -> dict[str, str]:
    given = {
        "SMARTHUB_API_URL": portal if isinstance(portal, str) else portal.url,
        "SMARTHUB_USERNAME": user.username,
        "SMARTHUB_PASSWORD": user.password,
        "SMARTHUB_TIMEZONE": "America/New_York",
    }
    return given | ({"SMARTHUB_TOTP_SECRET": user.totp_secret} if user.totp_secret else {})


def newest() -> int:
    """The local midnight up to which `lag` lets the data go."""
    now = datetime.now(ZONE)
    day = (now - timedelta(minutes=20)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return int(day.timestamp())


def lag() -> float:
    """Posted until ten minutes after midnight: no interval ends there, so that nothing changes during a test."""
    return time.time() - newest() - 600


def as_json(program: Program) -> list[dict[str, Any]]:
    assert program.wait() == 0, program.stderr
    logins: list[dict[str, Any]] = json.loads(program.stdout)["logins"]
    return logins


def read(login: Mapping[str, Any]) -> dict[str, bool]:
    return {place["service_location"]: place["is_read"] for place in login["locations"]}


def refused(portal: PortalServer, user: UserSpec = USER) -> int:
    return portal.portal.most_refused[user.username]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def config_of(path: Path) -> dict[str, Any]:
    section: dict[str, Any] = yaml.safe_load(path.read_text())["smarthub"]
    return section


def sign_in_by_hand(typist: Typist, portal: PortalServer, password: str = USER.password) -> None:
    typist.answer(ASK_URL, portal.url)
    typist.answer(ASK_USER, USER.username)
    typist.answer(ASK_PASSWORD, password)


# -- what is printed


def test_the_table_shows_every_location_and_meter(start_portal: StartPortal, discover: Discover) -> None:
    midnight = newest()
    portal = start_portal(ALL, lag=lag())
    program = discover(portal)
    assert (program.wait(), program.stderr) == (0, "")
    lines = [re.sub(r"\d+ (h|min|d) ago$", "(age)", line.rstrip()) for line in program.stdout.splitlines()]
    stamp = f"newest {datetime.fromtimestamp(midnight, ZONE):%Y-%m-%d %H:%M}, (age)"
    head = "0055001  {}     {:8}  {}  "
    rest = " " * len(head.format("70001", "", "81001"))
    assert lines == [
        "Account  Location  Name      Meter  Data",
        head.format("70001", "House", "81001") + "every hour (FORWARD): usage, cost, 3 rate periods",
        rest + f"since 2024-03-01, {stamp}",
        rest + "the location has water too",
        head.format("70002", "", "81002") + "every 30 minutes (FORWARD, REVERSE): usage, export, cost",
        rest + f"since 2025-01-15, {stamp}",
        "55002    70003     Barn      81003  once a day (FORWARD): usage",
        rest + f"since 2023-07-20, {stamp}",
        "55002    70005     Well      -      not read: no electricity (water)",
        "55003    70004     Old flat  -      not read: closed",
        "",
        f"{portal.host}: the portal's times fit the zone America/New_York",
    ]


def test_the_json_holds_all_of_it(start_portal: StartPortal, discover: Discover) -> None:
    midnight, started = newest(), time.time()
    portal = start_portal(ALL, lag=lag())
    program = discover(portal, "--format", "json")
    (login,) = as_json(program)
    assert program.stderr == ""
    locations = {place["service_location"]: place for place in login.pop("locations")}
    assert login == {
        "login": portal.host,
        "portal": portal.host,
        "timezone": "America/New_York",
        "timezone_fits": True,
        "timezones_that_fit": ["America/New_York"],
    }
    stamp = datetime.fromtimestamp(midnight, ZONE).isoformat()
    house = locations["70001"]
    assert started - midnight - 1 <= house.pop("lag_seconds") <= time.time() - midnight
    assert house == {
        "account": "0055001",
        "service_location": "70001",
        "name": "House",
        "industries": ["ELECTRIC", "WATER"],
        "active": True,
        "electric": True,
        "is_read": True,
        "first_day": "2024-03-01",
        "newest_data": stamp,
        "monthly_only": False,
        "meters": [
            {
                "meter": "81001",
                "flows": ["FORWARD"],
                "interval_seconds": 3600,
                "exports": False,
                "has_cost": True,
                "periods": ["Off Peak", "On Peak", "Super Off Peak"],
                "parent": False,
                "net": False,
                "newest_data": stamp,
            }
        ],
        "error": None,
        "warnings": [],
    }
    steps = {number: [each["interval_seconds"] for each in place["meters"]] for number, place in locations.items()}
    assert steps == {"70001": [3600], "70002": [1800], "70003": [DAY], "70004": [], "70005": []}
    assert read({"locations": locations.values()}) == {
        "70001": True,
        "70002": True,
        "70003": True,
        "70004": False,
        "70005": False,
    }
    assert [locations[number]["active"] for number in ("70003", "70004", "70005")] == [True, False, True]
    assert [locations[number]["electric"] for number in ("70003", "70004", "70005")] == [True, True, False]


def test_the_portal_is_asked_sparingly(start_portal: StartPortal, discover: Discover) -> None:
    portal = start_portal(ONE)
    assert discover(portal).wait() == 0
    counts = {endpoint: count for (endpoint, _), count in portal.portal.calls.items()}
    assert (counts["auth"], counts["user_data"]) == (1, 1)
    assert counts["poll"] <= 2


@pytest.mark.parametrize("form", ["table", "json"])
def test_nothing_personal_is_in_any_output_even_when_debugging(
    start_portal: StartPortal, discover: Discover, tmp_path: Path, form: str
) -> None:
    user = replace(USER, totp_secret=TOTP)
    portal = start_portal(replace(ALL, users=(user,)))
    arguments = ("--format", form, "--log.level", "debug", "--write", "new.yaml", "--secrets", "omit")
    program = discover(portal, *arguments, user=user)
    assert program.wait() == 0
    everything = program.stdout + program.stderr
    for private in (USER.username, USER.password, TOTP, STREET, "Secret", "A MEMBER OF THE COOP", "Bearer"):
        assert private not in everything
    assert USER.username in (tmp_path / "new.yaml").read_text()


# -- the zone


@pytest.mark.parametrize("zone", ["America/New_York", "America/Phoenix", "Pacific/Honolulu"])
def test_a_zone_that_nobody_gave_is_proposed(start_portal: StartPortal, discover: Discover, zone: str) -> None:
    portal = start_portal(replace(ONE, zone=zone))
    (login,) = as_json(discover(portal, "--format", "json", SMARTHUB_TIMEZONE=""))
    assert (login["timezone"], login["timezone_fits"], login["timezones_that_fit"]) == (zone, True, [zone])


def test_a_zone_that_is_wrong_is_told_with_the_one_that_fits(start_portal: StartPortal, discover: Discover) -> None:
    portal = start_portal(replace(ONE, zone="America/Denver"))
    program = discover(portal)
    assert program.wait() == 0
    told = "the portal's times do not fit the zone America/New_York; set timezone: America/Denver"
    assert f"{portal.host}: {told}" in program.stdout.splitlines()


def alike(zone: str, *days: datetime) -> list[str]:
    """The zones that show the same times on these days."""
    names = ("America/Denver", "America/Phoenix", "America/Los_Angeles")
    return [
        name
        for name in names
        if all(day.astimezone(ZoneInfo(name)).utcoffset() == day.astimezone(ZoneInfo(zone)).utcoffset() for day in days)
    ]


@pytest.mark.parametrize("answer", ["", "America/Phoenix"])
def test_a_person_chooses_among_zones_that_fit_alike(
    start_portal: StartPortal, sit_down: Sit, tmp_path: Path, answer: str
) -> None:
    # A history of twelve days lies in one season, unless the clocks have just changed.
    now = datetime.now(UTC)
    zones = alike("America/Phoenix", *(now - timedelta(days=ago) for ago in range(13)))
    if len(zones) == 1:
        pytest.skip("the clocks have just changed")
    house = replace(HOUSE, connected=(date.today() - timedelta(days=12)).isoformat())  # noqa: DTZ011
    portal = start_portal(World(zone="America/Phoenix", locations=(house,)))
    variables = environment_of(portal) | {"SMARTHUB_TIMEZONE": ""}
    typist = sit_down("--write", "config.yaml", "--secrets", "omit", **variables)
    typist.see(f"The portal's times fit several zones: {', '.join(zones)}")
    typist.answer(f"The co-op's zone [{zones[0]}]: ", "Europe/Berlin")
    typist.see(f"give one of {', '.join(zones)}")
    typist.answer(f"The co-op's zone [{zones[0]}]: ", answer)
    assert typist.wait() == 0
    picked = answer or zones[0]
    (other,) = [zone for zone in zones if zone != picked]
    assert f"the portal's times fit the zone {picked}; {other} would fit as well" in typist.stdout
    assert f'timezone: "{picked}"  # {other} would fit as well' in (tmp_path / "config.yaml").read_text()


def test_where_nothing_tells_the_zone_it_is_left_to_the_person(
    start_portal: StartPortal, discover: Discover, tmp_path: Path
) -> None:
    portal = start_portal(World(locations=(replace(HOUSE, connected=date.today().isoformat()),)), poll=Poll.NO_POINTS)  # noqa: DTZ011
    program = discover(portal, "--write", "config.yaml", SMARTHUB_TIMEZONE="")
    assert program.wait() == 0
    assert "the portal did not tell its time zone; set timezone to the co-op's" in program.stdout
    assert "timezone" not in config_of(tmp_path / "config.yaml")
    assert (
        '#   - {account: "0055001", service_location: "70001", name: "House"}' in (tmp_path / "config.yaml").read_text()
    )


# -- typed by a person


def test_from_nothing_to_a_configuration_by_typing(
    start_portal: StartPortal,
    sit_down: Sit,
    starter: Starter,
    tmp_path: Path,
) -> None:
    portal = start_portal(ALL)
    typist = sit_down("--write", "config.yaml")
    typist.answer(ASK_URL, "ftp://example.org")
    typist.see("must begin with http:// or https://")
    sign_in_by_hand(typist, portal)
    typist.answer(ASK_FILE, "y")
    assert typist.wait() == 0
    typist.see("Wrote config.password, readable by you alone.")
    typist.see("Wrote config.yaml. Next: smarthub-exporter check")
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
    listed = re.findall(r'service_location: "(\d+)"', text)
    assert listed == ["70001", "70002", "70003"]
    assert (tmp_path / "config.password").read_text() == USER.password + "\n"
    assert {mode(tmp_path / name) for name in ("config.yaml", "config.password")} == {0o600}
    assert starter.run("serve", "--config.check", "--config.file", "config.yaml").wait() == 0


def test_the_bare_minimum_is_asked_for(start_portal: StartPortal, sit_down: Sit) -> None:
    portal = start_portal(ONE)
    variables = environment_of(portal)
    del variables["SMARTHUB_USERNAME"]
    typist = sit_down(**variables)
    typist.answer(ASK_USER, USER.username)
    assert typist.wait() == 0
    assert ASK_URL not in typist.shown
    assert "Password" not in typist.shown


def test_a_password_file_is_a_password(start_portal: StartPortal, sit_down: Sit, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(USER.password + "\n")
    variables = environment_of(start_portal(ONE)) | {"SMARTHUB_PASSWORD": "", "SMARTHUB_PASSWORD_FILE": "secret"}
    typist = sit_down(**variables)
    assert typist.wait() == 0
    assert "Password" not in typist.shown


def test_whoever_has_a_configuration_is_told_that_it_is_read_and_how_to_be_asked(
    start_portal: StartPortal, sit_down: Sit, starter: Starter
) -> None:
    portal = start_portal(ONE)
    starter.config(several(portal, USER))
    typist = sit_down()
    typist.see("Reads config.yaml; --config.file /dev/null asks for another login.\r\n")
    assert typist.wait() == 0
    assert ASK_URL not in typist.shown
    other = sit_down("--config.file", "/dev/null")
    sign_in_by_hand(other, portal)
    assert other.wait() == 0
    assert "Reads config.yaml" not in other.shown


def test_enter_instead_of_answers_is_a_configuration_that_lacks_them(sit_down: Sit) -> None:
    typist = sit_down()
    for question in (ASK_URL, ASK_USER, ASK_PASSWORD):
        typist.answer(question, "")
    assert typist.wait() == 2
    for variable in ("SMARTHUB_API_URL", "SMARTHUB_USERNAME", "SMARTHUB_PASSWORD"):
        assert f"{variable}: missing" in typist.shown
    assert "TIMEZONE" not in typist.shown


def test_an_interrupted_question_ends_it_in_one_line(sit_down: Sit) -> None:
    typist = sit_down()
    typist.answer(ASK_URL, "novec")
    typist.see(ASK_USER)
    typist.type("\x03")
    assert typist.wait() == 1
    assert "interrupted" in typist.shown


def test_keys_that_are_no_text_are_no_traceback(start_portal: StartPortal, sit_down: Sit) -> None:
    portal = start_portal(ONE)
    typist = sit_down(PYTHONUTF8="1", **environment_of(portal) | {"SMARTHUB_PASSWORD": ""})
    typist.see(ASK_PASSWORD)
    typist.type(b"caf\xe9\n")
    typist.see("that is no text in the encoding of this terminal")
    typist.answer(ASK_PASSWORD, USER.password)
    assert typist.wait() == 0
    assert refused(portal) == 0


# -- refused sign-ins


def test_a_wrong_password_is_asked_for_again(start_portal: StartPortal, sit_down: Sit) -> None:
    portal = start_portal(ONE)
    typist = sit_down()
    sign_in_by_hand(typist, portal, "mistyped")
    typist.see("the portal refused user name or password")
    typist.answer(ASK_AGAIN, USER.password)
    assert typist.wait() == 0
    assert refused(portal) == 1
    assert "House" in typist.stdout
    for password in ("mistyped", USER.password):
        assert password not in typist.shown + typist.stdout


def test_enter_gives_up(start_portal: StartPortal, sit_down: Sit) -> None:
    portal = start_portal(ONE)
    typist = sit_down("--write", "config.yaml")
    sign_in_by_hand(typist, portal, "mistyped")
    typist.answer(ASK_AGAIN, "")
    assert typist.wait() == 1
    assert refused(portal) == 1
    assert typist.stdout == ""


def test_a_third_try_is_asked_about_and_enter_means_no(
    start_portal: StartPortal, sit_down: Sit, tmp_path: Path
) -> None:
    portal = start_portal(ONE)
    typist = sit_down("--write", "config.yaml")
    sign_in_by_hand(typist, portal, "one")
    typist.answer(ASK_AGAIN, "two")
    typist.answer(ASK_AGAIN, "three")
    typist.see("sign-ins are paused, the portal refused user name or password 2 times in a row")
    typist.answer(ASK_ANYWAY, "")
    assert typist.wait() == 1
    assert refused(portal) == 2
    assert not (tmp_path / "config.yaml").exists()


def test_whatever_is_typed_there_are_never_more_than_four_refusals(start_portal: StartPortal, sit_down: Sit) -> None:
    portal = start_portal(ONE)
    insist_with_passwords(sit_down(), portal)
    assert refused(portal) == 3
    for _ in range(3):
        insist_with_passwords(sit_down(), portal)
        assert refused(portal) == 4
    typist = sit_down()
    sign_in_by_hand(typist, portal)
    typist.see("4 times in a row and locks accounts after five; no more tries")
    typist.answer(ASK_AGAIN, "")
    assert typist.wait() == 1
    assert ASK_ANYWAY not in typist.shown


def insist_with_passwords(typist: Typist, portal: PortalServer) -> None:
    """Type wrong passwords and yes as long as anything is asked."""
    sign_in_by_hand(typist, portal, "wrong 0")
    insist(typist, "wrong {}")


def insist(typist: Typist, secret: str) -> None:
    deadline = time.monotonic() + DEADLINE
    number, at = 0, len(typist.shown)
    while typist.reads():
        assert time.monotonic() < deadline
        questions = [(typist.shown.find(text, at), text) for text in (ASK_AGAIN, ASK_TOTP, ASK_ANYWAY)]
        for found, question in sorted(each for each in questions if each[0] >= 0):
            at = found + len(question)
            number += 1
            line = "y" if question == ASK_ANYWAY else secret.format(number)
            typist.type(f"{line}\n")
    assert typist.process.wait(DEADLINE) == 1
    assert "Traceback" not in typist.shown


def test_a_configured_password_is_paused_and_asked_about_too(start_portal: StartPortal, sit_down: Sit) -> None:
    portal = start_portal(ONE)
    variables = environment_of(portal) | {"SMARTHUB_PASSWORD": "wrong"}
    for times in (1, 2):
        typist = sit_down(**variables)
        assert typist.wait() == 1
        assert refused(portal) == times
        assert "Password" not in typist.shown
    for times in (3, 4):
        typist = sit_down(**variables)
        typist.answer(ASK_ANYWAY, "yes")
        assert typist.wait() == 1
        assert refused(portal) == times
    typist = sit_down(**variables)
    assert typist.wait() == 1
    assert ASK_ANYWAY not in typist.shown
    assert refused(portal) == 4


def test_trying_nevertheless_can_succeed(start_portal: StartPortal, sit_down: Sit) -> None:
    portal = start_portal(ONE, sign_in=SignIn.FAILURE)
    variables = environment_of(portal)
    for _ in range(2):
        assert sit_down(**variables).wait() == 1
    change(portal, sign_in=SignIn.OK)
    typist = sit_down(**variables)
    typist.answer(ASK_ANYWAY, "y")
    assert typist.wait() == 0
    assert "House" in typist.stdout


def test_without_a_terminal_nothing_is_asked_and_the_pause_holds(start_portal: StartPortal, discover: Discover) -> None:
    portal = start_portal(ONE)
    said: list[str] = []
    for times in (1, 2, 2, 2):
        program = discover(portal, SMARTHUB_PASSWORD="wrong")
        assert (program.wait(), refused(portal)) == (1, times)
        said.append(one_line(program))
    assert "wrong" not in "".join(said)
    paused = "sign-ins are paused, the portal refused user name or password 2 times in a row"
    assert [paused in line for line in said] == [False, False, True, True]


# -- the second factor


def test_a_second_factor_is_asked_for_where_the_portal_wants_one(
    start_portal: StartPortal, sit_down: Sit, tmp_path: Path
) -> None:
    portal = start_portal(replace(ONE, users=(replace(USER, totp_secret=TOTP),)))
    typist = sit_down("--write", "config.yaml")
    sign_in_by_hand(typist, portal)
    typist.see("the portal wants a second factor")
    typist.answer(ASK_TOTP, "0189 is no base32")
    typist.see("neither base32 text nor an otpauth://totp URI")
    typist.answer(ASK_TOTP, TOTP.lower())
    typist.answer(ASK_FILE, "y")
    assert typist.wait() == 0
    assert refused(portal) == 0
    for secret in (TOTP, TOTP.lower(), "0189", USER.password):
        assert secret not in typist.shown + typist.stdout
    assert config_of(tmp_path / "config.yaml")["totp_secret_file"] == "config.totp_secret"
    assert (tmp_path / "config.totp_secret").read_text() == TOTP.lower() + "\n"
    assert mode(tmp_path / "config.totp_secret") == 0o600


def test_wrong_second_factors_never_lock_the_account(start_portal: StartPortal, sit_down: Sit) -> None:
    portal = start_portal(replace(ONE, users=(replace(USER, totp_secret=TOTP),)))
    others = ("GEZDGNBVGY3TQOJQ", OTHER_TOTP, "MFRGGZDFMZTWQ2LK", "KRUGS4ZANFZSAYJA")
    for other in others:
        insist(sit_down(**environment_of(portal)), other)
        assert refused(portal) <= 4
    assert refused(portal) == 4


# -- what is written


def test_secrets_can_be_left_out(start_portal: StartPortal, sit_down: Sit, tmp_path: Path) -> None:
    portal = start_portal(ONE)
    typist = sit_down("--write", "config.yaml")
    sign_in_by_hand(typist, portal)
    typist.answer(ASK_FILE, "")
    assert typist.wait() == 0
    text = (tmp_path / "config.yaml").read_text()
    assert "# password: not written; set SMARTHUB_PASSWORD or SMARTHUB_PASSWORD_FILE" in text
    assert not (tmp_path / "config.password").exists()
    assert USER.password not in text


@pytest.mark.parametrize(("secrets", "kept"), [("file", True), ("omit", False)])
def test_a_flag_answers_that_question(
    start_portal: StartPortal, sit_down: Sit, tmp_path: Path, secrets: str, *, kept: bool
) -> None:
    portal = start_portal(ONE)
    typist = sit_down("--write", "config.yaml", "--secrets", secrets, **environment_of(portal))
    assert typist.wait() == 0
    assert ASK_FILE not in typist.shown
    assert (tmp_path / "config.password").exists() is kept


def test_without_a_terminal_secrets_are_left_out(start_portal: StartPortal, discover: Discover, tmp_path: Path) -> None:
    program = discover(start_portal(ONE), "--write", "config.yaml")
    assert program.wait() == 0
    assert not (tmp_path / "config.password").exists()
    assert "password_file" not in config_of(tmp_path / "config.yaml")
    assert "Wrote config.yaml. Next: smarthub-exporter check" in program.stderr


def test_json_stays_json_while_a_file_is_written(start_portal: StartPortal, discover: Discover) -> None:
    program = discover(start_portal(ONE), "--format", "json", "--write", "config.yaml", "--secrets", "file")
    (login,) = as_json(program)
    assert read(login) == {"70001": True}
    assert "Wrote config.yaml" in program.stderr


def test_a_file_that_is_there_is_kept_and_nothing_is_asked_first(
    start_portal: StartPortal, sit_down: Sit, tmp_path: Path
) -> None:
    portal = start_portal(ONE)
    (tmp_path / "new.yaml").write_text("mine\n")
    typist = sit_down("--write", "new.yaml")
    assert typist.wait() == 2
    told = "new.yaml: is there already, --force writes over it and keeps it as new.yaml.bak"
    assert typist.shown.strip() == f"smarthub-exporter: {told}"
    assert (tmp_path / "new.yaml").read_text() == "mine\n"
    assert portal.portal.count == 0


def test_force_writes_over_it_and_keeps_it(start_portal: StartPortal, discover: Discover, tmp_path: Path) -> None:
    portal = start_portal(ONE)
    (tmp_path / "new.yaml").write_text("mine\n")
    program = discover(portal, "--write", "new.yaml", "--force", "--secrets", "file")
    assert program.wait() == 0
    assert (tmp_path / "new.yaml.bak").read_text() == "mine\n"
    assert config_of(tmp_path / "new.yaml")["password_file"] == "new.password"
    assert "Wrote new.yaml; the one before is new.yaml.bak, with its other sections." in program.stderr


def test_force_never_loses_the_file_that_was_written_by_hand(
    start_portal: StartPortal, discover: Discover, tmp_path: Path
) -> None:
    portal = start_portal(ONE)
    file = tmp_path / "new.yaml"
    file.write_text("mine\n")
    said = []
    for text in ("", "edited\n"):
        file.write_text(file.read_text() + text)
        program = discover(portal, "--write", "new.yaml", "--force", "--secrets", "file")
        assert program.wait() == 0
        said.append(program.stderr.splitlines()[-1].partition(".yaml; ")[2])
    kept = "the one before is {}, with its other sections. Next: smarthub-exporter check --config.file new.yaml"
    assert said == [kept.format("new.yaml.bak"), kept.format("new.yaml.bak.2")]
    assert (tmp_path / "new.yaml.bak").read_text() == "mine\n"
    assert (tmp_path / "new.yaml.bak.2").read_text().endswith("edited\n")
    # The password is the same, so that there is nothing to keep.
    assert sorted(each.name for each in tmp_path.glob("new*")) == [
        "new.password",
        "new.yaml",
        "new.yaml.bak",
        "new.yaml.bak.2",
    ]


def test_a_configuration_that_is_a_link_stays_one(
    start_portal: StartPortal, discover: Discover, tmp_path: Path
) -> None:
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "dotfiles" / "mine.yaml").write_text("mine\n")
    (tmp_path / "new.yaml").symlink_to("dotfiles/mine.yaml")
    program = discover(start_portal(ONE), "--write", "new.yaml", "--force")
    assert program.wait() == 0
    backup = tmp_path / "dotfiles" / "mine.yaml.bak"
    assert f"the one before is {backup}, with its other sections" in program.stderr
    assert (tmp_path / "new.yaml").is_symlink()
    assert config_of(tmp_path / "dotfiles" / "mine.yaml")["username"] == USER.username
    assert backup.read_text() == "mine\n"


IN_THE_WAY = "new.password: is there already, --force writes over it and keeps it as new.password.bak"


def test_a_secret_file_that_is_in_the_way_is_noticed_before_anybody_signs_in(
    start_portal: StartPortal, discover: Discover, tmp_path: Path
) -> None:
    portal = start_portal(ONE)
    (tmp_path / "new.password").write_text("mine\n")
    program = discover(portal, "--write", "new.yaml", "--secrets", "file")
    assert (program.wait(), one_line(program)) == (2, IN_THE_WAY)
    assert portal.portal.count == 0
    assert (tmp_path / "new.password").read_text() == "mine\n"
    assert not (tmp_path / "new.yaml").exists()


def test_a_secret_file_that_is_in_the_way_is_noticed_before_anything_is_asked(sit_down: Sit, tmp_path: Path) -> None:
    (tmp_path / "new.password").write_text("mine\n")
    typist = sit_down("--write", "new.yaml", "--secrets", "file")
    assert typist.wait() == 2
    assert typist.shown.strip() == f"smarthub-exporter: {IN_THE_WAY}"


def test_a_secret_file_that_is_in_the_way_of_the_answer_leaves_everything_as_it_was(
    start_portal: StartPortal, sit_down: Sit, tmp_path: Path
) -> None:
    portal = start_portal(replace(ONE, users=(replace(USER, totp_secret=TOTP),)))
    (tmp_path / "new.totp_secret").write_text("mine\n")
    typist = sit_down("--write", "new.yaml", **environment_of(portal))
    typist.answer(ASK_TOTP, TOTP)
    typist.answer(ASK_FILE, "y")
    assert typist.wait() == 2
    assert IN_THE_WAY.replace("password", "totp_secret") in typist.shown
    assert [each.name for each in tmp_path.glob("new*")] == ["new.totp_secret"]


def test_a_secret_file_of_one_of_several_logins_in_the_way_is_noticed_first(
    start_portal: StartPortal, starter: Starter, tmp_path: Path
) -> None:
    portal = start_portal(ONE)
    starter.config(several(portal, USER, USER))
    (tmp_path / "new.2.password").write_text("mine\n")
    program = starter.run("discover", "--write", "new.yaml", "--secrets", "file")
    assert (program.wait(), one_line(program)) == (2, IN_THE_WAY.replace("new.", "new.2."))
    assert portal.portal.count == 0
    assert not (tmp_path / "new.1.password").exists()


@pytest.mark.parametrize("flags", [("--secrets", "file"), ("--force",)])
def test_flags_of_writing_need_a_file(discover: Discover, flags: tuple[str, ...]) -> None:
    program = discover("http://127.0.0.1:9", *flags)
    assert program.wait() == 2
    assert one_line(program) == "--secrets and --force belong to --write FILE"


def test_what_was_chosen_in_the_configuration_stays_chosen(
    start_portal: StartPortal,
    discover: Discover,
    starter: Starter,
    tmp_path: Path,
) -> None:
    portal = start_portal(ALL)
    program = discover(portal, "--write", "new.yaml", "--secrets", "file", SMARTHUB_ACCOUNT="0055001")
    assert program.wait() == 0
    assert config_of(tmp_path / "new.yaml")["account"] == "0055001"
    assert starter.run("serve", "--config.check", "--config.file", "new.yaml").wait() == 0


# -- other logins and portals


def test_a_secondary_login_sees_what_its_owner_shares(start_portal: StartPortal, discover: Discover) -> None:
    guest = UserSpec("guest@example.org", "guest-pass", owner=USER.username, accounts=("55002",))
    portal = start_portal(replace(ALL, users=(USER, guest)))
    (login,) = as_json(discover(portal, "--format", "json", user=guest))
    assert read(login) == {"70003": True, "70005": False}


def several(portal: PortalServer, *users: UserSpec) -> dict[str, object]:
    return {
        "smarthub": [
            {"name": f"login {number}", "api_url": portal.url, "username": user.username, "password": user.password}
            for number, user in enumerate(users)
        ]
    }


def test_several_logins_are_shown_and_written(
    start_portal: StartPortal,
    starter: Starter,
    tmp_path: Path,
) -> None:
    guest = UserSpec("guest@example.org", "guest-pass", owner=USER.username, accounts=("55002",))
    portal = start_portal(replace(ALL, users=(USER, guest)))
    starter.config(several(portal, USER, guest))
    program = starter.run("discover", "--format", "json", "--write", "new.yaml", "--secrets", "file")
    first, second = as_json(program)
    assert [(login["login"], login["timezone"]) for login in (first, second)] == [
        ("login 0", "America/New_York"),
        ("login 1", "America/New_York"),
    ]
    assert (len(read(first)), read(second)) == (5, {"70003": True, "70005": False})
    files = [tmp_path / f"new.{number}.password" for number in (1, 2)]
    assert [file.read_text() for file in files] == [USER.password + "\n", guest.password + "\n"]
    assert starter.run("serve", "--config.check", "--config.file", "new.yaml").stdout == (
        "The configuration is valid: 2 login(s).\n"
    )


def test_one_of_several_that_fails_does_not_hide_the_others(
    start_portal: StartPortal,
    starter: Starter,
) -> None:
    portal = start_portal(ONE)
    starter.config(several(portal, replace(USER, password="wrong"), USER))
    program = starter.run("discover", "--format", "json")
    assert program.wait() == 1
    assert [login["login"] for login in json.loads(program.stdout)["logins"]] == ["login 1"]
    assert "login 0" in program.stderr
    assert "Traceback" not in program.stderr


def test_a_closed_account_with_the_same_numbers_does_not_hide_the_active_one(
    start_portal: StartPortal, discover: Discover
) -> None:
    closed = replace(HOUSE, inactive=True, nickname="Former")
    for locations in ((HOUSE, closed), (closed, HOUSE)):
        (login,) = as_json(discover(start_portal(World(locations=locations)), "--format", "json"))
        (place,) = login["locations"]
        assert (place["name"], place["active"], place["is_read"]) == ("House", True, True)


def test_a_login_with_water_alone_is_told_so(start_portal: StartPortal, discover: Discover) -> None:
    program = discover(start_portal(World(locations=(WELL,))))
    assert program.wait() == 0
    assert "not read: no electricity (water)" in program.stdout


def test_a_portal_that_is_not_there_is_one_line(discover: Discover) -> None:
    program = discover("http://127.0.0.1:9")
    assert program.wait() == 1
    assert one_line(program) == "127.0.0.1:9 refuses the connection: nothing listens there; check api_url"


def test_a_portal_that_is_down_is_one_line(start_portal: StartPortal, discover: Discover) -> None:
    program = discover(start_portal(ONE, sign_in=SignIn.PAGE), "--write", "config.yaml")
    assert program.wait() == 1
    assert "the portal sent a web page instead of data (status 200); it may be down for maintenance" in one_line(
        program
    )


@pytest.mark.parametrize("how", [Poll.STATUS_403, Poll.NO_JSON, Poll.WRONG_SHAPE])
def test_a_broken_list_of_accounts_is_replaced_by_the_plain_one(
    start_portal: StartPortal, discover: Discover, how: Poll
) -> None:
    program = discover(start_portal(World(locations=(HOUSE, FLAT)), discovery=how), "--format", "json")
    (login,) = as_json(program)
    (house,) = login["locations"]
    assert (house["service_location"], house["name"], house["industries"]) == ("70001", "", [])
    assert (house["first_day"], house["is_read"]) == ("2024-03-01", True)
    assert "asking for the plain list of accounts instead" in program.stderr


def test_a_location_that_is_refused_is_told_and_the_others_are_read(
    start_portal: StartPortal, discover: Discover
) -> None:
    portal = start_portal(ALL, refused_locations=("70002",))
    program = discover(portal)
    assert program.wait() == 0
    lines = program.stdout.splitlines()
    assert any(re.match(r"0055001 +70002 +- +not readable, see below", line) for line in lines)
    (note,) = [line for line in lines if "70002: " in line]
    assert note.startswith(f"{portal.host}, location 70002: login {portal.host} may not see location 70002 of account")
    assert "81001" in program.stdout
    assert "81003" in program.stdout


def test_a_portal_that_gives_no_data_of_anything_is_a_failure(start_portal: StartPortal, discover: Discover) -> None:
    program = discover(start_portal(ONE, poll=Poll.STATUS_500))
    assert program.wait() == 1
    assert "the portal has trouble" in program.stdout + program.stderr


def test_without_any_configuration_and_terminal_it_is_told_what_to_do(starter: Starter) -> None:
    program = starter.run("discover")
    assert program.wait() == 2
    assert one_line(program).startswith("no configuration: write a config.yaml, name a file with --config.file, or set")


def test_a_chosen_location_that_the_login_does_not_see_is_told_with_those_that_it_sees(
    start_portal: StartPortal, discover: Discover
) -> None:
    program = discover(start_portal(ALL), SMARTHUB_SERVICE_LOCATION="71000")
    assert program.wait() == 0
    assert "does not see location 71000; it sees location 70001 of account 0055001, location 70002" in program.stderr
    assert "81001" in program.stdout


def test_the_help_names_its_flags(starter: Starter) -> None:
    program = starter.run("discover", "-h")
    assert (program.wait(), program.stderr) == (0, "")
    flags = {"--config.file", "--config", "--state.dir", "--format", "--write", "--secrets", "--force", "--log.level"}
    assert flags <= set(program.stdout.replace(",", " ").replace("[", " ").split())
