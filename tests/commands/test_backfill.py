"""`backfill` as people run it: the plan, the question, the summary, how it ends, and how it goes on."""

import csv
import re
import shlex
import signal
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.clock import SystemClock
from exporter.portal.query import POLL
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, Revision, SignIn, Span
from exporter.simulator.specs import Channels, UserSpec
from exporter.simulator.world import World
from exporter.storage.state import FILE

from ..support.deadlines import AT_ONCE, DEADLINE
from ..support.metrics_double import Call, MetricsDouble
from ..support.portal import Record, StartPortal, change
from ..support.program import Program, Starter, one_line
from ..support.typist import Typist
from ..support.worlds import BARN, DAY, HOUSE, METER, SMALL, TWO

ZONE = ZoneInfo("America/New_York")
USAGE = "smarthub_interval_usage_kwh"
QUESTION = "Go on? [Y/n]: "
HASTE = """
import exporter.backfill.retry
import exporter.databases.victoriametrics
import exporter.sinks.victoriametrics

exporter.backfill.retry._WAITS = (0.05, 0.05, 0.05)
exporter.sinks.victoriametrics.VictoriaMetricsSink.settling = 0.2
exporter.databases.victoriametrics._VISIBLE_WITHIN = 0.2
"""
"""Python runs this at its start: a database that is waited for for 42 seconds, and 15 to settle, would take long."""

Backfill = Callable[..., Program]
Sit = Callable[..., Typist]


@pytest.fixture
def clock() -> SystemClock:
    """The portals here keep the real time, as the programs do."""
    return SystemClock()


@pytest.fixture
def vm(clock: SystemClock) -> Iterator[MetricsDouble]:
    with MetricsDouble(clock) as double:
        yield double


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[Starter]:
    starter = Starter(tmp_path)
    (tmp_path / "haste").mkdir()
    (tmp_path / "haste" / "sitecustomize.py").write_text(HASTE)
    starter.environment["PYTHONPATH"] = f"{tmp_path / 'haste'}:{starter.environment['PYTHONPATH']}"
    yield starter
    starter.close()


@pytest.fixture
def configure(starter: Starter) -> Callable[..., None]:
    """Writes a configuration with a portal and a database; further sections by name."""

    def write(portal: PortalServer | str, database: MetricsDouble | str | None, **sections: object) -> None:
        user = UserSpec()
        content: dict[str, object] = {
            "smarthub": {
                "api_url": portal if isinstance(portal, str) else portal.url,
                "username": user.username,
                "password": user.password,
                "timezone": "America/New_York",
            },
            **sections,
        }
        if database is not None:
            content["victoriametrics"] = {"url": database if isinstance(database, str) else database.url}
        starter.config(content)

    return write


Configure = Callable[..., None]


@pytest.fixture
def sit_down(starter: Starter) -> Iterator[Sit]:
    """Runs `backfill` on a terminal."""
    with ExitStack() as stack:

        def start(*arguments: str) -> Typist:
            environment = {**starter.environment, "TERM": "xterm"}
            typist = Typist("backfill", *arguments, folder=starter.folder, environment=environment, result_apart=True)
            stack.callback(typist.close)
            return typist

        yield start


def midnight(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=ZONE).timestamp())


def held(vm: MetricsDouble, location: str = "70001") -> dict[int, float]:
    """kWh by the second in which the sample lies."""
    return {
        stamp // 1000: value
        for labels, samples in vm.held.items()
        for stamp, value in sorted(samples.items())
        if dict(labels)["__name__"] == USAGE and dict(labels)["location"] == location
    }


def assert_true(vm: MetricsDouble, portal: PortalServer, first: str, behind: str) -> None:
    """It holds every interval from one local day until before another, each once, as it really was."""
    truth = portal.portal.almanac.intervals(METER, midnight(first), midnight(behind))
    assert held(vm) == {each.end - 1: each.usage for each in truth}


def polls(portal: PortalServer) -> int:
    return sum(count for (endpoint, _), count in portal.portal.calls.items() if endpoint == "poll")


def plain(text: str) -> str:
    """What a duration is does not matter."""
    return re.sub(r"(duration +).*", r"\1(some)", text)


WINTER = ("--start", "2024-01-01", "--end", "2024-02-04")
MARCH = ("--start", "2024-03-09", "--end", "2024-03-11")


# -- all in order


def test_a_plan_and_a_summary_tell_what_was_done(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(SMALL)
    configure(portal, vm)
    program = starter.run("backfill", *WINTER)
    assert program.wait() == 0, program.stderr
    truth = portal.portal.truth(METER, midnight("2024-01-01"), midnight("2024-02-05"))
    requests = portal.portal.count
    days = "2024-01-01 to 2024-02-04, 35 days in America/New_York (2024-01-01 05:00 to 2024-02-05 05:00 UTC), 2 chunks"
    assert plain(program.stdout).splitlines() == [
        f"Into victoriametrics {vm.url}:",
        f'  {portal.host}, account 55001, location 70001 "House": {days}',
        "Nobody is there to be asked: going on.",
        f"All is stored and was read back: victoriametrics {vm.url}",
        "  intervals   840",
        f"  energy      {truth.usage:,.2f} kWh drawn",
        f"  cost        ${truth.cost:,.2f}",
        f"  samples     {3 * 840 + 2 * 35:,} sent",
        f"  requests    {requests} to the portal",
        "  duration    (some)",
    ]
    first, second = program.stderr.splitlines()
    assert re.fullmatch(
        r"location 70001, 2024-01-31 to 2024-02-04: 120 intervals, [\d.]+ kWh drawn, \$[\d.]+, 370 samples sent", first
    )
    assert re.fullmatch(
        r"location 70001, 2024-01-01 to 2024-01-30: 720 intervals, .* kWh drawn, \$.*, 2,220 samples sent", second
    )
    assert_true(vm, portal, "2024-01-01", "2024-02-05")
    assert vm.count("/internal/resetRollupResultCache") == 1


def test_running_it_again_sends_nothing_and_a_correction_alone(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(SMALL)
    configure(portal, vm)
    assert starter.run("backfill", *MARCH, "--no-progress").wait() == 0
    again = starter.run("backfill", *MARCH, "--no-progress")
    assert "  samples     0 sent\n" in again.stdout
    assert "corrected" not in again.stdout
    labels = next(labels for labels in vm.held if dict(labels)["__name__"] == USAGE)
    stamp, value = next(iter(vm.held[labels].items()))
    vm.held[labels][stamp] = value + 1
    corrected = starter.run("backfill", *MARCH, "--no-progress")
    assert corrected.wait() == 0
    assert "  samples     1 sent\n  corrected   1 interval of which another value was stored\n" in corrected.stdout
    assert_true(vm, portal, "2024-03-09", "2024-03-12")
    assert len(held(vm)) == 71


def test_a_dry_run_shows_the_plan_and_does_nothing(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(TWO)
    configure(portal, vm)
    program = starter.run("backfill", *MARCH, "--dry-run")
    assert (program.wait(), program.stderr) == (0, "")
    where = "3 days in America/New_York (2024-03-09 05:00 to 2024-03-12 04:00 UTC), 1 chunk"
    assert program.stdout.splitlines() == [
        f"Into victoriametrics {vm.url}:",
        f'  {portal.host}, account 55001, location 70001 "House": 2024-03-09 to 2024-03-11, {where}',
        f'  {portal.host}, account 55002, location 70002 "Barn": 2024-03-09 to 2024-03-11, {where}',
        "Nothing is done: --dry-run.",
    ]
    assert polls(portal) == 0
    assert vm.count("/api/v1/import") == 0
    assert journals(starter) == 0


def journals(starter: Starter) -> int:
    path = starter.folder / "state-home" / "smarthub-exporter" / FILE
    database = sqlite3.connect(path)
    try:
        return int(database.execute("SELECT count(*) FROM backfill").fetchone()[0])
    finally:
        database.close()


def test_days_count_back_from_today_and_an_end_in_the_future_is_told(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(SMALL)
    configure(portal, vm, extract_days=4)
    today = datetime.now(ZONE).date()

    def plan(days: int) -> str:
        return f": {today - timedelta(days=days - 1)} to {today}, {days} day"

    programs = starter.run_all(
        {
            "": ("backfill", "--dry-run"),
            "days": ("backfill", "--dry-run", "--days", "1"),
            "end": ("backfill", "--dry-run", "--end", "9999-12-31"),
        }
    )
    assert plan(4) + "s in" in programs[""].stdout
    assert plan(1) + " in" in programs["days"].stdout
    assert "Note" not in programs[""].stdout + programs["days"].stdout
    assert plan(4) + "s in" in programs["end"].stdout
    assert "  Note: --end 9999-12-31 lies in the future: the days end with today\n" in programs["end"].stdout


def test_one_location_can_be_chosen(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    configure(start_portal(TWO), vm)
    program = starter.run("backfill", *MARCH, "--location", "70002", "--no-progress")
    assert program.wait() == 0
    assert len(held(vm, "70002")) == 71
    assert held(vm, "70001") == {}


def test_a_database_that_keeps_too_little_is_told_before_and_after(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    vm.retention, vm.flags = 31 * DAY, '-httpListenAddr=":8428"\n'
    configure(start_portal(SMALL), vm)
    program = starter.run("backfill", *MARCH, "--no-progress")
    assert program.wait() == 1
    assert (
        "  Note: it keeps only 31 days (-retentionPeriod) and drops what is older without a word: start it with"
        " -retentionPeriod=10y first\n"
    ) in program.stdout
    assert f"0 of 1 chunk is done: victoriametrics {vm.url}\n" in program.stdout
    (line,) = program.stderr.splitlines()
    assert line.startswith(f"victoriametrics {vm.url}: took 219 samples and did not keep 219 of them")
    assert line.endswith("start it with -retentionPeriod=10y and run the same command again")


def test_holes_and_the_day_of_connection_are_in_the_summary(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    house = replace(HOUSE, connected="2024-03-05")
    portal = start_portal(replace(SMALL, locations=(house,)))
    change(portal, gaps=(Span("81001", midnight("2024-03-10"), midnight("2024-03-10") + 2 * 3600),))
    configure(portal, vm)
    program = starter.run("backfill", "--start", "2024-03-01", "--end", "2024-03-11", "--no-progress")
    assert program.wait() == 0
    assert (
        "  location 70001 was connected on 2024-03-05: nothing is older\n"
        "  holes       location 70001: 1 day is not whole at the portal: 2024-03-10 (2 of 23)\n"
    ) in program.stdout


# -- on a terminal


@pytest.mark.parametrize("answer", ["", "y", "YES"])
def test_a_person_is_asked_and_may_agree(
    start_portal: StartPortal, vm: MetricsDouble, sit_down: Sit, configure: Configure, answer: str
) -> None:
    portal = start_portal(SMALL)
    configure(portal, vm)
    typist = sit_down(*MARCH)
    typist.see(QUESTION)
    assert polls(portal) == 0
    typist.answer("", answer)
    assert typist.wait() == 0
    assert "Nobody is there" not in typist.stdout
    assert_true(vm, portal, "2024-03-09", "2024-03-12")


@pytest.mark.parametrize("answer", ["n", "No", "what?", "\x04"])
def test_a_person_may_refuse(
    start_portal: StartPortal, vm: MetricsDouble, sit_down: Sit, configure: Configure, answer: str
) -> None:
    portal = start_portal(SMALL)
    configure(portal, vm)
    typist = sit_down(*MARCH)
    typist.answer(QUESTION, answer)
    assert typist.wait() == 1
    assert typist.stdout.splitlines()[-1] == "Nothing is done."
    assert polls(portal) == 0
    assert vm.count("/api/v1/import") == 0


def test_yes_asks_nobody_and_a_bar_shows_how_far_it_is(
    start_portal: StartPortal, vm: MetricsDouble, sit_down: Sit, configure: Configure
) -> None:
    configure(start_portal(SMALL), vm)
    typist = sit_down(*WINTER, "--yes")
    assert typist.wait() == 0
    assert QUESTION not in typist.shown
    assert "35/35 days" in typist.shown
    assert "intervals/s" in typist.shown
    assert "samples sent" not in typist.shown


def test_no_progress_shows_neither_bar_nor_lines(
    start_portal: StartPortal, vm: MetricsDouble, sit_down: Sit, starter: Starter, configure: Configure
) -> None:
    configure(start_portal(SMALL), vm)
    typist = sit_down(*MARCH, "--yes", "--no-progress")
    assert (typist.wait(), typist.shown) == (0, "")
    program = starter.run("backfill", *MARCH, "--yes", "--no-progress")
    assert (program.wait(), program.stderr) == (0, "")
    assert "Nobody is there" not in program.stdout


# -- being stopped, and going on


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_it_cleanly_and_the_same_command_goes_on(  # noqa: PLR0917 - pytest names them all
    start_portal: StartPortal,
    vm: MetricsDouble,
    starter: Starter,
    configure: Configure,
    record: Record,
    number: signal.Signals,
) -> None:
    portal = start_portal(SMALL, latency=0.25)
    # As they come: one that is under way at the stop is answered, and counted by the portal, only later.
    arrived = record(portal)
    configure(portal, vm)
    arguments = ("backfill", "--start", "2024-01-01", "--end", "2024-12-31", "--no-progress")
    program = starter.start(*arguments)
    program.wait_for(lambda: done_chunks(starter) >= 2, "two chunks to be done")
    code, seconds = program.end(number)
    assert code == 3, program.stderr
    assert seconds < AT_ONCE
    assert program.stderr == (
        "The same command goes on where it stopped: smarthub-exporter backfill --start 2024-01-01 --end 2024-12-31"
        " --no-progress\n"
    )
    done = done_chunks(starter)
    assert 2 <= done < 13
    assert f"\n{done} of 13 chunks are done: victoriametrics {vm.url}\n" in program.stdout
    change(portal, latency=0.0)
    arrived.clear()
    again = starter.run(*arguments)
    assert again.wait() == 0
    assert f"An earlier run did {done} chunks of it, which are not done again (but with --restart).\n" in again.stdout
    # One more for the present meters.
    assert sum(call.path == POLL for call in arrived) == 1 + 13 - done
    assert f"  intervals   {366 * 24:,} ({done} chunks of it by an earlier run)\n" in again.stdout
    assert_true(vm, portal, "2024-01-01", "2025-01-01")
    assert journals(starter) == 0


def done_chunks(starter: Starter) -> int:
    path = starter.folder / "state-home" / "smarthub-exporter" / FILE
    if not path.exists():
        return 0
    database = sqlite3.connect(path)
    try:
        return int(database.execute("SELECT count(*) FROM backfill_done").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        database.close()


def break_off(starter: Starter, vm: MetricsDouble, *arguments: str) -> Program:
    """A run that loses its database after the first chunk is there."""
    vm.takes = lambda _, stamp, __: stamp > midnight("2024-01-31") * 1000
    program = starter.run("backfill", *WINTER, "--no-progress", *arguments)
    vm.takes = lambda *_: True
    return program


def test_what_was_done_before_a_failure_is_kept_and_told(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(SMALL)
    configure(portal, vm)
    program = break_off(starter, vm, "--restart")
    assert program.wait() == 3
    assert f"1 of 2 chunks is done: victoriametrics {vm.url}\n" in program.stdout
    error, hint = program.stderr.splitlines()
    assert error.startswith(f"victoriametrics {vm.url}: took ")
    assert hint == (
        "The same command goes on where it stopped: smarthub-exporter backfill --start 2024-01-01 --end 2024-02-04"
        " --no-progress"
    )
    before = polls(portal)
    assert starter.run("backfill", *WINTER, "--no-progress").wait() == 0
    assert polls(portal) - before == 1 + 1
    assert_true(vm, portal, "2024-01-01", "2024-02-05")


def test_restart_begins_anew(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(SMALL)
    configure(portal, vm)
    assert break_off(starter, vm).wait() == 3
    before = polls(portal)
    program = starter.run("backfill", *WINTER, "--no-progress", "--restart")
    assert program.wait() == 0
    assert "An earlier run" not in program.stdout
    assert polls(portal) - before == 1 + 2


def test_whoever_takes_back_a_restart_has_lost_nothing(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, sit_down: Sit, configure: Configure
) -> None:
    configure(start_portal(SMALL), vm)
    assert break_off(starter, vm).wait() == 3
    typist = sit_down(*WINTER, "--restart")
    typist.answer(QUESTION, "n")
    assert typist.wait() == 1
    dry = starter.run("backfill", *WINTER, "--dry-run")
    assert dry.wait() == 0
    assert "An earlier run did 1 chunk of it, which is not done again (but with --restart).\n" in dry.stdout
    assert done_chunks(starter) == 1


def test_what_is_not_there_any_more_is_told_and_fetched_again(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(SMALL)
    configure(portal, vm)
    assert break_off(starter, vm).wait() == 3
    vm.kill()
    program = starter.run("backfill", *WINTER, "--no-progress")
    assert program.wait() == 0
    assert "  Note: 1 chunk of an earlier run is not there any more as written: fetched again\n" in program.stdout
    assert "An earlier run" not in program.stdout
    assert_true(vm, portal, "2024-01-01", "2024-02-05")


def test_a_stop_does_not_wait_for_a_database_that_hangs_however_often_it_is_asked(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    configure(start_portal(SMALL), vm)
    asked, ends = threading.Event(), threading.Event()

    def hang(call: Call) -> None:
        if call.path == "/api/v1/import":
            asked.set()
            ends.wait(30)

    vm.before = hang
    program = starter.start("backfill", *WINTER, "--no-progress")
    program.wait_for(asked.is_set, "the database to be written to")
    program.process.send_signal(signal.SIGINT)
    code, seconds = program.end(signal.SIGTERM)
    ends.set()
    assert (code, seconds < AT_ONCE) == (3, True)
    assert program.stderr == (
        "The same command goes on where it stopped: smarthub-exporter backfill --start 2024-01-01 --end 2024-02-04"
        " --no-progress\n"
    )


def test_a_stop_before_anything_was_begun_says_so(vm: MetricsDouble, starter: Starter, configure: Configure) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(DEADLINE)
        configure(f"http://127.0.0.1:{silent.getsockname()[1]}", vm)
        program = starter.start("backfill", *WINTER)
        connection, _ = silent.accept()
        with connection:
            code, seconds = program.end(signal.SIGTERM)
    assert (code, seconds < AT_ONCE) == (3, True)
    assert program.stderr == "\nNothing was begun. The same command begins it.\n"


def test_another_tenant_of_the_same_database_has_nothing_done_yet(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(SMALL)
    configure(portal, vm)
    assert break_off(starter, vm).wait() == 3
    vm.prefix = "/tenant/7"
    configure(portal, vm.url + "/tenant/7")
    vm.held.clear()
    program = starter.run("backfill", *WINTER, "--no-progress")
    assert program.wait() == 0
    assert "An earlier run" not in program.stdout
    assert_true(vm, portal, "2024-01-01", "2024-02-05")


# -- what goes wrong


BAD_FLAGS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "no date": (("--start", "yesterday"), "--start yesterday: is no date, write it as YYYY-MM-DD"),
    "a variable that is not set": (("--start", ""), "--start '': is no date, write it as YYYY-MM-DD"),
    "the wrong way round": (
        ("--start", "2024-02-01", "--end", "2024-01-01"),
        "--start 2024-02-01 lies behind --end 2024-01-01",
    ),
    "before all meters": (
        ("--end", "1970-01-01"),
        "--end 1970-01-01: lies before 1990-01-01, when no meter was read from afar",
    ),
    "days and a start": (
        ("--days", "3", "--start", "2024-01-01"),
        "--days: not together with --start and --end, it counts back from today",
    ),
    "no days": (("--days", "0"), "--days 0: at least 1, which is today"),
    "a file for a database": (
        ("--output", "x.csv"),
        "--output: only for --to csv and --to openmetrics, victoriametrics is a database",
    ),
    "a database that is not configured": (
        ("--to", "influxdb"),
        "--to influxdb: the configuration has no influxdb section with host and database",
    ),
    "an unknown location": (
        ("--location", "79999"),
        "--location 79999: no login sees it; they see location 70001 of account 55001",
    ),
    "an unknown sink": (("--to", "postgres"), "error: argument --to: invalid choice: 'postgres'"),
    "an unknown number": (("--days", "many"), "error: argument --days: invalid int value: 'many'"),
}


def test_a_bad_command_line_is_one_line_and_exit_code_2(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(SMALL)
    configure(portal, vm)
    programs = starter.run_all({name: ("backfill", *flags) for name, (flags, _) in BAD_FLAGS.items()})
    assert {name: each.wait() for name, each in programs.items()} == dict.fromkeys(programs, 2)
    for name, program in programs.items():
        assert one_line(program).startswith(BAD_FLAGS[name][1])
    assert polls(portal) == 0
    assert vm.calls == []


def test_a_start_in_the_future_is_told_with_the_day_there(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    configure(start_portal(SMALL), vm)
    program = starter.run("backfill", "--start", "2124-01-01")
    assert program.wait() == 2
    today = datetime.now(ZONE).date()
    assert today >= date(2024, 1, 1)
    assert one_line(program) == f"--start 2124-01-01: lies in the future, today is {today} there"


def test_a_portal_that_is_not_there_is_one_line(vm: MetricsDouble, starter: Starter, configure: Configure) -> None:
    configure("http://127.0.0.1:9", vm)
    program = starter.run("backfill", *MARCH)
    assert program.wait() == 1
    assert one_line(program) == "127.0.0.1:9 refuses the connection: nothing listens there; check api_url"
    assert vm.calls == []


def test_a_refused_sign_in_is_one_line_and_counted(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(SMALL, sign_in=SignIn.STATUS_401)
    configure(portal, vm)
    for _ in range(2):
        program = starter.run("backfill", *MARCH)
        assert program.wait() == 1
        assert "Traceback" not in program.stderr
    asked = portal.portal.most_refused[UserSpec().username]
    paused = starter.run("backfill", *MARCH)
    assert paused.wait() == 1
    assert "paused" in one_line(paused)
    assert portal.portal.most_refused[UserSpec().username] == asked == 2


def test_a_location_that_is_refused_is_told(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    configure(start_portal(TWO, refused_locations=("70001",)), vm)
    program = starter.run("backfill", *MARCH, "--no-progress")
    assert program.wait() == 3
    error, hint = program.stderr.splitlines()
    assert error.startswith("location 70001: login ")
    assert "may not see location 70001 of account 55001 (status 403)" in error
    assert hint.startswith("The same command goes on where it stopped: ")
    assert len(held(vm, "70002")) == 71


def test_a_portal_that_fails_on_everything_ends_with_1(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    configure(start_portal(SMALL, poll=Poll.FAILED), vm)
    program = starter.run("backfill", *MARCH, "--no-progress")
    assert program.wait() == 1
    (error,) = program.stderr.splitlines()
    assert error.startswith("location 70001: ")
    assert "the portal gave up on it (status FAILED)" in error


def test_a_database_that_is_not_there_is_tried_again_and_told_before_anything_is_asked(
    start_portal: StartPortal, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(SMALL)
    configure(portal, "http://127.0.0.1:9")
    program = starter.run("backfill", *MARCH)
    assert program.wait() == 1
    refused = "victoriametrics http://127.0.0.1:9: connection refused; start it, or correct url"
    assert (program.stdout, program.stderr.splitlines()) == (
        "",
        [f"{refused}; trying again in 0 s"] * 3 + [f"smarthub-exporter: {refused}"],
    )
    assert polls(portal) == 0


def test_a_database_in_trouble_is_tried_again_and_then_told(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    configure(start_portal(SMALL), vm)
    vm.always["/api/v1/import"] = (503, "disk full")
    program = starter.run("backfill", *MARCH)
    assert program.wait() == 1
    trouble = f"victoriametrics {vm.url}: is in trouble (status 503: disk full); look into its log, try again later"
    assert program.stderr.splitlines() == [f"{trouble}; trying again in 0 s"] * 3 + [trouble]
    assert vm.count("/api/v1/import") == 4
    del vm.always["/api/v1/import"]
    vm.replies["/api/v1/import"] = [(503, "")] * 3
    assert starter.run("backfill", *MARCH, "--no-progress").wait() == 0


def test_a_database_that_loses_what_it_took_is_written_again(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(SMALL)
    configure(portal, vm)
    kills = iter([3])

    def kill_once(call: object) -> None:
        if vm.count("/api/v1/export") == 2 and next(kills, 0):
            vm.kill()

    vm.before = kill_once
    program = starter.run("backfill", *MARCH, "--no-progress")
    assert program.wait() == 0
    assert vm.count("/api/v1/import") == 2
    assert_true(vm, portal, "2024-03-09", "2024-03-12")


def test_nothing_personal_is_in_any_output(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    configure(start_portal(SMALL), vm)
    program = starter.run("backfill", *MARCH, "--log.level", "debug")
    assert program.wait() == 0
    user = UserSpec()
    for private in (user.username, user.password, HOUSE.street, "Bearer"):
        assert private not in program.stdout + program.stderr


def test_the_help_names_its_flags(starter: Starter) -> None:
    program = starter.run("backfill", "-h")
    assert (program.wait(), program.stderr) == (0, "")
    flags = {"--start", "--end", "--days", "--to", "--output", "--location", "--dry-run", "--restart", "--yes"}
    assert {*flags, "--no-progress", "--config.file", "--state.dir"} <= set(program.stdout.replace("[", " ").split())


# -- a wrong zone


def test_a_wrong_zone_is_told_and_nothing_is_written(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    configure(start_portal(SMALL, shifted=-2 * 3600), vm)
    program = starter.run("backfill", *WINTER, "--no-progress")
    assert program.wait() == 1
    said = (
        "location 70001: the portal's times do not fit the zone America/New_York; nothing more is written of it,"
        " smarthub-exporter check tells which zone does"
    )
    assert program.stderr == f"{said}\n"
    assert f"\n0 of 2 chunks are done: victoriametrics {vm.url}\n  not done    {said}\n" in program.stdout
    assert vm.count("/api/v1/import") == 0


def test_the_location_of_another_login_goes_on_where_the_zone_of_one_is_wrong(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    wrong, right = start_portal(SMALL, shifted=-2 * 3600), start_portal(World(locations=(BARN,)))
    configure(wrong, vm, smarthub=[login(wrong, UserSpec(), "wrong"), login(right, UserSpec(), "right")])
    program = starter.run("backfill", *MARCH, "--no-progress")
    assert program.wait() == 3
    assert f"\n1 of 2 chunks is done: victoriametrics {vm.url}\n  not done    location 70001: the " in program.stdout
    assert (len(held(vm)), len(held(vm, "70002"))) == (0, 71)


def login(portal: PortalServer, user: UserSpec, name: str, **more: object) -> dict[str, object]:
    """One of several logins."""
    return {
        "name": name,
        "api_url": portal.url,
        "username": user.username,
        "password": user.password,
        "timezone": "America/New_York",
        **more,
    }


# -- files: all or nothing


def to_csv(*days: str) -> tuple[str, ...]:
    return ("backfill", *days, "--to", "csv", "--output", "out.csv", "--no-progress")


def test_a_file_that_could_not_be_completed_is_not_written(
    start_portal: StartPortal, starter: Starter, configure: Configure
) -> None:
    configure(start_portal(TWO, refused_locations=("70001",)), None)
    program = starter.run(*to_csv(*MARCH))
    assert program.wait() == 1
    lines = program.stdout.splitlines()
    at = lines.index("Nothing is written: csv out.csv")
    assert lines[at + 1].startswith("  not done    location 70001: login ")
    assert "may not see location 70001 of account 55001 (status 403)" in lines[at + 1]
    assert program.stderr == lines[at + 1].removeprefix("  not done    ") + "\n"
    assert not (starter.folder / "out.csv").exists()


def test_a_file_that_somebody_else_made_meanwhile_is_left_alone(
    start_portal: StartPortal, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(SMALL, latency=0.1)
    configure(portal, None)
    program = starter.start(*to_csv(*WINTER))
    program.wait_for(lambda: polls(portal) >= 1, "the first question")
    (starter.folder / "out.csv").write_text("mine")
    assert program.wait() == 1
    said = "csv out.csv: somebody else made it meanwhile; remove it and run this again"
    assert f"\nNothing is written: csv out.csv\n  not done    {said}\n" in program.stdout
    assert program.stderr == f"{said}\n"
    assert (starter.folder / "out.csv").read_text() == "mine"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_file_that_is_broken_off_begins_anew(
    start_portal: StartPortal, starter: Starter, configure: Configure, number: signal.Signals
) -> None:
    portal = start_portal(SMALL, latency=0.25)
    configure(portal, None)
    program = starter.start(*to_csv("--start", "2024-01-01", "--end", "2024-12-31"))
    program.wait_for(lambda: polls(portal) >= 4, "some questions")
    code, _ = program.end(number)
    assert code == 3
    assert program.stderr == (
        "The same command begins anew: smarthub-exporter backfill --start 2024-01-01 --end 2024-12-31 --to csv"
        " --output out.csv --no-progress\n"
    )
    assert "\nNothing is written: csv out.csv\n  intervals " in program.stdout
    assert not (starter.folder / "out.csv").exists()


# -- one of several logins, or one of several locations

FRIENDS = UserSpec("a@example.org"), UserSpec("b@example.org", accounts=("55002",))


def test_a_login_that_is_paused_does_not_keep_the_others_and_leaves_no_journal(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(replace(TWO, users=FRIENDS))
    old, new = login(portal, FRIENDS[0], "old", password="wrong"), login(portal, FRIENDS[1], "new")
    configure(portal, vm, smarthub=[old, new])
    reasons = []
    for _ in range(3):
        program = starter.run("backfill", *MARCH, "--no-progress")
        assert program.wait() == 3
        lines = program.stdout.splitlines()
        at = lines.index(f"1 of 1 chunk is done: victoriametrics {vm.url}")
        assert lines[at + 1].startswith("  not done    login old: ")
        reasons.append(lines[at + 1].removeprefix("  not done    "))
        assert f"  Note: {reasons[-1]}" in lines[:at]
        assert not any(line.startswith("All ") for line in lines)
        assert program.stderr == (
            "The same command begins anew: smarthub-exporter backfill --start 2024-03-09 --end 2024-03-11"
            " --no-progress\n"
        )
        assert journals(starter) == 0
        assert len(held(vm, "70002")) == 71
        assert held(vm) == {}
    assert reasons[0] == reasons[1]
    assert reasons[0].startswith("login old: the portal refused user name or password (status 200, it said FAILURE);")
    assert reasons[2].startswith("login old: sign-ins are paused, the portal refused user name or password 2 times")


def test_a_configured_location_that_is_missing_does_not_keep_the_others_and_what_is_corrected_comes(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(SMALL)
    places = [{"service_location": "79999"}, {"service_location": "70001"}]
    configure(portal, vm, smarthub=login(portal, UserSpec(), "farm", locations=places))
    said = "login farm does not see location 79999; it sees location 70001 of account 55001; correct the configuration"
    first = starter.run("backfill", *MARCH, "--no-progress")
    assert first.wait() == 3
    assert f"\n1 of 1 chunk is done: victoriametrics {vm.url}\n  not done    {said}\n" in first.stdout
    assert journals(starter) == 0
    before = polls(portal)
    start = midnight("2024-03-10")
    change(portal, revisions=(Revision("81001", start, 0.0, 2.0),))
    second = starter.run("backfill", *MARCH, "--no-progress")
    assert second.wait() == 3
    assert polls(portal) - before == 1 + 1
    assert "  corrected   1 interval of which another value was stored\n" in second.stdout
    assert "An earlier run" not in second.stdout
    assert_true(vm, portal, "2024-03-09", "2024-03-12")


def test_a_file_without_what_one_login_could_not_be_asked_is_written_and_not_called_all(
    start_portal: StartPortal, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(replace(TWO, users=FRIENDS))
    logins = [login(portal, FRIENDS[0], "old", password="wrong"), login(portal, FRIENDS[1], "new")]
    configure(portal, None, smarthub=logins)
    program = starter.run(*to_csv(*MARCH))
    assert program.wait() == 3
    assert "\n1 of 1 chunk is done: csv out.csv\n  not done    login old: the portal refused " in program.stdout
    assert program.stderr == ""
    assert len(rows(starter.folder / "out.csv")) == 71


def test_a_location_that_was_not_found_while_a_login_could_not_be_asked_is_told_with_its_reason(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(replace(TWO, users=FRIENDS))
    logins = [login(portal, FRIENDS[0], "old", password="wrong"), login(portal, FRIENDS[1], "new")]
    configure(portal, vm, smarthub=logins)
    refused = "login old: the portal refused user name or password (status 200, it said FAILURE);"
    alone = starter.run("backfill", *MARCH, "--location", "70001")
    assert alone.wait() == 1
    assert one_line(alone).startswith(refused)
    both = starter.run("backfill", *MARCH, "--location", "70001", "--location", "70002")
    assert both.wait() == 1
    assert one_line(both).startswith(f"location 70001 was not found, and not every login could be asked: {refused}")
    found = starter.run("backfill", *MARCH, "--location", "70002", "--no-progress")
    assert found.wait() == 3
    assert len(held(vm, "70002")) == 71


def test_a_warning_of_the_data_is_said_once_and_not_once_a_chunk(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    house = replace(HOUSE, meters=(replace(METER, channels=Channels.UNKNOWN),))
    configure(start_portal(World(locations=(house,))), vm)
    program = starter.run("backfill", *WINTER, "--no-progress")
    assert program.wait() == 0
    (line,) = program.stderr.splitlines()
    assert line.startswith("location 70001: unknown flow direction ")


# -- a meter that is read by the hour only since some day

SINCE = replace(METER, hourly_since="2024-02-10")
SPRING = ("--start", "2024-01-01", "--end", "2024-03-20")
BEGINS = "  begins      location 70001: the portal's intervals begin on 2024-02-10\n"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_order_of_the_chunks_does_not_decide_what_is_written_of_a_meter(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(World(locations=(replace(HOUSE, meters=(SINCE,)),)))
    configure(portal, vm)
    truth = portal.portal.almanac.intervals(SINCE, midnight("2024-01-01"), midnight("2024-03-21"))
    assert (truth[0].start, len(truth)) == (midnight("2024-02-10"), 40 * 24 - 1)
    oldest_first = starter.run(*to_csv(*SPRING))
    newest_first = starter.run("backfill", *SPRING, "--no-progress")
    for program in (oldest_first, newest_first):
        assert (program.wait(), program.stderr) == (0, "")
        assert BEGINS in program.stdout
        assert "holes" not in program.stdout
        assert f"  intervals   {len(truth)}\n" in program.stdout
    written = rows(starter.folder / "out.csv")
    assert [tuple(datetime.fromisoformat(row[name]).timestamp() for name in ("start", "end")) for row in written] == [
        (each.start, each.end) for each in truth
    ]
    assert [(float(row["usage_kwh"]), float(row["cost_usd"])) for row in written] == [
        (each.usage, each.cost) for each in truth
    ]
    assert held(vm) == {each.end - 1: each.usage for each in truth}
    days = vm.series("smarthub_day_usage_kwh")
    assert len(days) == 40
    assert min(days) // 1000 == midnight("2024-02-11") - 1


def test_the_present_meters_are_asked_for_once_and_only_where_the_state_does_not_know_them(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(World(locations=(replace(HOUSE, meters=(SINCE,)),)))
    configure(portal, vm)

    def asked(*arguments: str) -> int:
        before = polls(portal)
        assert starter.run("backfill", *SPRING, "--restart", "--no-progress", *arguments).wait() == 0
        return polls(portal) - before

    without = asked()
    assert asked() == without, "history alone tells the state nothing"
    assert starter.run("backfill", "--days", "2", "--no-progress").wait() == 0
    assert asked() == without - 1
    assert asked("--state.dir", "another") == without
    assert without >= 1 + 3


# -- how to go on


def test_days_that_count_back_go_on_by_their_first_date(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(SMALL)
    configure(portal, vm)
    first = datetime.now(ZONE).date() - timedelta(days=39)
    # Chunks are counted from the first day on: the second one has ten days.
    border = midnight((first + timedelta(days=30)).isoformat())
    vm.takes = lambda _, stamp, __: stamp > border * 1000
    program = starter.run("backfill", "--days", "40", "--no-progress", "--restart")
    vm.takes = lambda *_: True
    assert program.wait() == 3
    hint = program.stderr.splitlines()[-1]
    assert hint == (
        f"The same command goes on where it stopped: smarthub-exporter backfill --no-progress --start {first}"
    )
    before = polls(portal)
    again = starter.run(*shlex.split(hint.partition(": smarthub-exporter ")[2]))
    assert again.wait() == 0
    # The chunk that ends today may have more by now and is asked for again; the state knows the meter.
    assert polls(portal) - before == 2
    truth = portal.portal.almanac.intervals(METER, midnight(first.isoformat()), midnight("2100-01-01"))
    assert held(vm).keys() <= {each.end - 1 for each in truth}
    assert len(truth) - 1 <= len(held(vm)) <= len(truth)
    assert journals(starter) == 0


@pytest.mark.parametrize(
    "days", [("--days=40", "--location", "70001"), ("--location", "70001", "--days", "40"), ("--location", "70001")]
)
def test_however_the_days_were_given_the_date_stands_instead(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure, days: tuple[str, ...]
) -> None:
    configure(start_portal(SMALL), vm, extract_days=40)
    first = datetime.now(ZONE).date() - timedelta(days=39)
    border = midnight((first + timedelta(days=30)).isoformat())
    vm.takes = lambda _, stamp, __: stamp > border * 1000
    program = starter.run("backfill", *days)
    assert program.wait() == 3
    assert program.stderr.splitlines()[-1] == (
        f"The same command goes on where it stopped: smarthub-exporter backfill --location 70001 --start {first}"
    )


def test_without_a_state_that_is_kept_it_begins_anew(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(SMALL, latency=0.25)
    configure(portal, vm)
    (starter.folder / "file").write_text("no folder")
    arguments = ("backfill", "--start", "2024-01-01", "--end", "2024-12-31", "--no-progress", "--state.dir", "file/x")
    program = starter.start(*arguments)
    program.wait_for(lambda: vm.count("/api/v1/import") >= 2, "two chunks to be written")
    code, _ = program.end(signal.SIGINT)
    assert code == 3
    warning, hint = program.stderr.splitlines()
    assert "the state cannot be kept in file/x (Not a directory)" in warning
    assert hint == f"The same command begins anew: smarthub-exporter {shlex.join(arguments)}"
    again = starter.run("backfill", *MARCH, "--no-progress", "--state.dir", "file/x")
    assert again.wait() == 0
    assert "An earlier run" not in again.stdout


def test_a_start_before_all_meters_gets_its_note(
    start_portal: StartPortal, vm: MetricsDouble, starter: Starter, configure: Configure
) -> None:
    portal = start_portal(SMALL)
    configure(portal, vm)
    early, late = (
        starter.run("backfill", "--start", start, "--end", "1990-01-02", "--dry-run")
        for start in ("1989-12-31", "1990-01-01")
    )
    assert (early.wait(), late.wait()) == (0, 0)
    note = "  Note: --start 1989-12-31: no portal reaches back that far, the days begin with 1990-01-01\n"
    assert note in early.stdout
    assert early.stdout.replace(note, "") == late.stdout
    assert ": 1990-01-01 to 1990-01-02, 2 days in America/New_York (1990-01-01 05:00 to 1990-01-03 05:00" in late.stdout
