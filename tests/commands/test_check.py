"""`check` as people run it: its output, its exit codes, its behavior on a terminal, and what it never shows."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from exporter.clock import SystemClock
from exporter.portal.walltime import WallClock
from exporter.simulator.demo_homes import DEMO_HOMES
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, SignIn
from exporter.simulator.specs import MeterSpec, UserSpec
from exporter.simulator.world import World
from exporter.terminal import chart

from ..support.deadlines import AT_ONCE, DEADLINE
from ..support.fake_database import Database
from ..support.portal import StartPortal, change
from ..support.program import PASSWORD, Result, Starter
from ..support.typist import Typist
from ..support.worlds import HOUSE

ZONE = ZoneInfo("America/New_York")
WALL = WallClock(ZONE)
HOUR = 3600
TOTP = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
USER = UserSpec(password=PASSWORD)
HOUSE_ONLY = World(users=(USER,), locations=(HOUSE,))
ALL = World(users=(USER,), locations=DEMO_HOMES)
PERSONAL = ("@", PASSWORD, TOTP, "Secret Lane", "Springfield", "MEMBER OF")
Sit = Callable[..., Typist]


@pytest.fixture
def clock() -> SystemClock:
    """The portals use the real time, as the program does."""
    return SystemClock()


@pytest.fixture
def sit_down(starter: Starter) -> Iterator[Sit]:
    """Runs `check` on a terminal."""
    with ExitStack() as stack:

        def start(*arguments: str) -> Typist:
            environment = {**starter.environment, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
            screen = Typist("check", *arguments, folder=starter.folder, environment=environment)
            stack.callback(screen.close)
            return screen

        yield start


def configure(starter: Starter, server: PortalServer, **more: object) -> None:
    """Write the config.yaml of a login."""
    login: dict[str, object] = {
        "name": "coop",
        "api_url": server.url,
        "username": "member@example.org",
        "password": PASSWORD,
        "timezone": "America/New_York",
    }
    sections: dict[str, object] = {
        name: more.pop(name) for name in ("victoriametrics", "influxdb", "exporter") if name in more
    }
    starter.config({**sections, "smarthub": {**login, **more}})


def said(program: Result) -> list[str]:
    """Return the lines of its output, which contain nothing personal and no traceback."""
    for word in (*PERSONAL, "Traceback", "\x1b"):
        assert word not in program.stdout + program.stderr
    return program.stdout.splitlines()


def yesterday() -> tuple[int, int]:
    today = WALL.day(int(time.time())).start
    return WALL.days_before(today, 1), today


def bars(server: PortalServer, meter: MeterSpec, what: str = "usage", *, plain: bool = False) -> list[str]:
    """Return the chart of the last full day from the truth of the meter."""
    start, end = yesterday()
    values = [
        (f"{datetime.fromtimestamp(hour, ZONE):%H}", getattr(server.portal.truth(meter, hour, hour + HOUR), what))
        for hour in range(start, end, HOUR)
    ]
    return [f"  {line}" for line in chart(values, 78, plain=plain)]


def day_of(server: PortalServer, meter: MeterSpec) -> str:
    """Return the title of the chart of the last full day."""
    start, end = yesterday()
    truth = server.portal.truth(meter, start, end)
    exported = "" if truth.export is None else f", {truth.export:.2f} kWh exported"
    cost = "" if truth.cost is None else f", {'-' if truth.cost < 0 else ''}${abs(truth.cost):.2f}"
    return (
        f"  Meter {meter.number}, {datetime.fromtimestamp(start, ZONE):%A %Y-%m-%d}: {truth.usage:.2f} kWh used"
        f"{exported}{cost}"
    )


def at_rest(
    run: Callable[[], Result], server: PortalServer, *, plain: bool = False
) -> tuple[Result, dict[str, list[str]]]:
    """Run the program without a midnight passing; return the expected charts too."""
    while True:
        before = yesterday()
        program = run()
        charts = {
            meter.number: ["", day_of(server, meter), *bars(server, meter, plain=plain)]
            for location in server.portal.world.locations
            for meter in location.meters
        }
        if yesterday() == before:
            return program, charts


AGE = re.compile(r"(ok       newest data  until )\d{4}-\d\d-\d\d \d\d:\d\d, .+ ago$")


# -- what it prints


def test_the_whole_output_for_a_healthy_home(starter: Starter, start_portal: StartPortal) -> None:
    server = start_portal(ALL)
    configure(starter, server)

    program, charts = at_rest(lambda: starter.call("check"), server)

    assert (program.wait(), program.stderr) == (0, "")
    solar = DEMO_HOMES[1].meters[0]
    exported = (
        ["", "  Meter 81002, exported to the grid", *bars(server, solar, "export")]
        if server.portal.truth(solar, *yesterday()).export
        else []
    )
    added = [
        "  ok       day totals   meter {}: intervals add up to the portal's own daily",
        "                        figures for 7 days",
    ]
    assert [AGE.sub(r"\1<age>", line) for line in said(program)] == [
        "",
        "Configuration",
        "  ok       config       valid, 1 login: coop",
        "",
        "Login coop",
        "  ok       portal       the portal of Piedmont Simulated Electric",
        f"  ok       address      {server.host} answers",
        "  ok       sign-in      signed in with user name and password",
        "  ok       accounts     reading 3 of 5 locations; skipped: location 70005 (no",
        "                        electricity, only water), location 70004 (closed)",
        '  ok       poll         location 70001 of account 55001 "House" has data',
        '  ok       poll         location 70002 of account 55001 "Solar house" has data',
        '  ok       poll         location 70003 of account 55002 "Barn" has data',
        "  ok       zone         the portal's times match America/New_York",
        "",
        'Location 70001 of account 55001 "House"',
        "  ok       resolution   meter 81001: usage, cost, 3 rate periods every 15",
        "                        minutes (FORWARD)",
        "  ok       newest data  until <age>",
        *(line.format("81001") for line in added),
        *charts["81001"],
        "",
        'Location 70002 of account 55001 "Solar house"',
        "  ok       resolution   meter 81002: usage, export, cost every 15 minutes",
        "                        (FORWARD, NET, REVERSE)",
        "  ok       newest data  until <age>",
        *(line.format("81002") for line in added),
        *charts["81002"],
        *exported,
        "",
        'Location 70003 of account 55002 "Barn"',
        "  ok       resolution   meter 81003: usage every hour (FORWARD)",
        "  ok       newest data  until <age>",
        *(line.format("81003") for line in added),
        *charts["81003"],
        "",
        "Not checked",
        "  skipped  database     no database configured",
        "  skipped  scraper      no scraper given (--scraper.url)",
        "                        -> add --scraper.url URL, the address of the Prometheus,",
        "                           vmagent or VictoriaMetrics that scrapes",
        "",
        "No problems found, 2 steps skipped.",
    ]


def test_what_to_do_is_on_the_line_below_a_failure(starter: Starter, start_portal: StartPortal) -> None:
    configure(starter, start_portal(HOUSE_ONLY), timezone="UTC")
    program = starter.call("check")
    assert program.wait() == 1
    lines = said(program)
    failure = lines.index("  failed   zone         the portal's times do not match UTC")
    assert lines[failure + 1] == "                        -> set timezone: America/New_York"


def test_a_failed_login_does_not_stop_the_others(starter: Starter, start_portal: StartPortal) -> None:
    server = start_portal(World(users=(USER, UserSpec("other@example.org", "other")), locations=(HOUSE,)))
    login = {"api_url": server.url, "password": PASSWORD, "timezone": "America/New_York"}
    logins = [
        {"name": "wrong", **login, "username": "other@example.org"},
        {"name": "farm", **login, "username": "member@example.org"},
    ]
    starter.config({"smarthub": logins})
    program = starter.call("check")
    lines = said(program)
    assert program.wait() == 1
    assert lines[:3] == ["", "Configuration", "  ok       config       valid, 2 logins: wrong, farm"]
    assert any(line.startswith("  failed   sign-in      login wrong: ") for line in lines)
    assert lines.index("Login wrong") < lines.index("Login farm") < len(lines) - 1
    assert '  ok       poll         location 70001 of account 55001 "House" has data' in lines
    assert lines[-1] == "1 failed, 0 warnings, 2 steps skipped."


# -- exit codes


@pytest.mark.parametrize(
    ("switches", "code", "last"),
    [
        ({}, 0, "No problems found, 2 steps skipped."),
        ({"lag": 4 * 86400.0}, 0, "No failures, 1 warning, 2 steps skipped."),
        ({"poll": Poll.NO_USAGE}, 0, "No failures, 2 warnings, 2 steps skipped."),
        ({"poll": Poll.PAGE}, 1, "1 failed, 0 warnings, 2 steps skipped."),
        ({"sign_in": SignIn.STATUS_500}, 1, "1 failed, 0 warnings, 2 steps skipped."),
    ],
)
def test_warnings_end_with_0_and_failures_with_1(
    starter: Starter, start_portal: StartPortal, switches: dict[str, object], code: int, last: str
) -> None:
    server = start_portal(HOUSE_ONLY, **switches)
    configure(starter, server)
    program = starter.call("check")
    assert (program.wait(), program.stderr, said(program)[-1]) == (code, "", last)


def test_a_wrong_configuration_ends_with_2_and_all_errors(starter: Starter, start_portal: StartPortal) -> None:
    server = start_portal(HOUSE_ONLY)
    starter.config(
        "smarthub:\n"
        f"  api_url: {server.url}\n"
        "  usrname: member@example.org\n"
        f"  password: {PASSWORD}\n"
        "  timezone: Mars/Olympus\n"
        "extract_days: many\n",
        "mine.yaml",
    )
    program = starter.call("check", "--config.file", "mine.yaml")
    assert (program.wait(), program.stdout) == (2, "")
    said(program)
    places = [line.split(": ")[1] for line in program.stderr.splitlines()]
    assert places == ["mine.yaml:3", "mine.yaml:5", "mine.yaml:6"]
    assert server.portal.count == 0


def test_warnings_of_the_configuration_are_part_of_its_step(starter: Starter, start_portal: StartPortal) -> None:
    configure(starter, start_portal(HOUSE_ONLY))
    (starter.folder / "config.yaml").chmod(0o644)
    program = starter.call("check", SMARTHUB_USERNAMES="x")
    assert program.wait() == 0
    lines = [line for line in said(program) if line[11:].startswith("config ")]
    assert lines[0] == "  ok       config       valid, 1 login: coop"
    assert lines[1].startswith("  warning  config       config.yaml: ")
    assert lines[2].startswith("  warning  config       SMARTHUB_USERNAMES: ")


def test_databases_are_checked_after_the_portal(starter: Starter, start_portal: StartPortal) -> None:
    closed = "http://127.0.0.1:9"
    databases = {"victoriametrics": {"url": closed}, "influxdb": {"host": closed, "database": "electric"}}
    configure(starter, start_portal(HOUSE_ONLY), **databases)
    program = starter.call("check")
    assert program.wait() == 1
    lines = said(program)
    assert lines.index("Login coop") < lines.index(f"VictoriaMetrics {closed}") < lines.index(f"InfluxDB {closed}")
    assert lines[-1] == "2 failed, 0 warnings, 1 step skipped."


def test_the_url_of_a_scraper_needs_no_scheme(starter: Starter, start_portal: StartPortal) -> None:
    configure(starter, start_portal(HOUSE_ONLY))
    program = starter.call("check", "--scraper.url", "127.0.0.1:9")
    assert program.wait() == 1
    assert "Scraper http://127.0.0.1:9" in said(program)


def test_an_unwritable_state_directory_stops_nothing(starter: Starter, start_portal: StartPortal) -> None:
    configure(starter, start_portal(HOUSE_ONLY))
    (starter.folder / "file").write_text("not a directory")
    program = starter.call("check", "--state.dir", "file")
    assert (program.wait(), said(program)[-1]) == (0, "No failures, 1 warning, 2 steps skipped.")
    assert all(" level=warn " in line for line in program.stderr.splitlines())


def test_the_last_line_says_that_data_is_lost(starter: Starter, start_portal: StartPortal) -> None:
    with Database() as database:
        database.answer("/api/v1/query", json.dumps({"data": {"resultType": "vector", "result": []}}))
        database.answer("/api/v1/export")
        database.answer("/flags", "-httpListenAddr=:8428\n")
        configure(starter, start_portal(HOUSE_ONLY), victoriametrics={"url": database.url})
        program = starter.call("check")
        last = "No failures, 3 warnings, 1 step skipped; data is lost until they are fixed."
        assert (program.wait(), said(program)[-1]) == (0, last)


# -- where the output goes


def test_on_an_ascii_terminal_the_bars_are_ascii(starter: Starter, start_portal: StartPortal) -> None:
    server = start_portal(World(users=(USER,), locations=(replace(HOUSE, nickname="Käthes Häuschen"),)))
    configure(starter, server)
    variables = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    program, charts = at_rest(lambda: starter.run("check", **variables), server, plain=True)
    expected = charts["81001"][2:]
    assert (program.wait(), program.stderr) == (0, "")
    assert program.stdout.isascii()
    lines = said(program)
    # Letters that cannot be shown become question marks.
    assert '  ok       poll         location 70001 of account 55001 "K?thes H?uschen" has' in lines
    end = lines.index("Not checked") - 1
    assert lines[end - len(expected) : end] == expected
    assert "##" in expected[-3]


def test_a_closed_pipe_causes_no_traceback(starter: Starter, start_portal: StartPortal) -> None:
    configure(starter, start_portal(ALL))
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" -m exporter check | head -n 1', sys.executable],
        cwd=starter.folder,
        env=starter.environment,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.stdout, done.stderr) == (b"\n", b"")


# -- on a terminal


def test_a_terminal_has_colors_a_spinner_and_the_same_text(
    starter: Starter, sit_down: Sit, start_portal: StartPortal
) -> None:
    server = start_portal(HOUSE_ONLY, latency=0.3)
    configure(starter, server)
    screen = sit_down()
    screen.see(f"waiting for {server.host}")
    screen.see("waiting for the data of location 70001")
    assert screen.wait() == 0
    assert "\x1b[32mok" in screen.shown
    assert "\x1b[1mLogin coop\x1b[0m" in screen.shown
    assert "waiting" not in screen.text
    assert "  ok       sign-in      signed in with user name and password\n" in screen.text
    assert screen.text.rstrip().endswith("No problems found, 2 steps skipped.")
    # The cursor is shown again.
    assert screen.shown.rfind("\x1b[?25h") > screen.shown.rfind("\x1b[?25l")


def test_a_failure_is_red_and_a_warning_yellow(starter: Starter, sit_down: Sit, start_portal: StartPortal) -> None:
    configure(starter, start_portal(HOUSE_ONLY, lag=4 * 86400.0), timezone="UTC")
    screen = sit_down()
    assert screen.wait() == 1
    assert "\x1b[33mwarning" in screen.shown
    assert "\x1b[1;31mfailed" in screen.shown


# -- interrupted


def test_ctrl_c_ends_check_with_one_line(starter: Starter, sit_down: Sit, start_portal: StartPortal) -> None:
    server = start_portal(HOUSE_ONLY)
    configure(starter, server)
    change(server, latency=30.0)
    screen = sit_down()
    screen.see(f"waiting for {server.host}")
    screen.type("\x03")
    assert screen.wait() == 1
    assert "Traceback" not in screen.shown
    assert screen.text.splitlines()[-1] == "smarthub-exporter: interrupted"
    assert screen.shown.rfind("\x1b[?25h") > screen.shown.rfind("\x1b[?25l")


def test_an_interrupt_without_a_terminal_is_one_line(starter: Starter, start_portal: StartPortal) -> None:
    server = start_portal(HOUSE_ONLY)
    change(server, latency=30.0)
    configure(starter, server)
    program = starter.start("check")
    program.wait_for(lambda: "Login coop" in program.stdout, "the first call")
    code, seconds = program.end(signal.SIGINT)
    assert (code, program.stderr) == (1, "\nsmarthub-exporter: interrupted\n")
    assert seconds < AT_ONCE
