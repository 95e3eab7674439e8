"""Test `backfill` as users run it, from the plan to the exit code."""

import csv
import json
import re
import shlex
import signal
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.clock import SystemClock
from exporter.portal.query import POLL
from exporter.simulator.portal import Call, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, Revision, SignIn
from exporter.simulator.specs import UserSpec
from exporter.simulator.world import World
from exporter.sinks import factory
from exporter.storage.state import FILE

from ..support import hasty
from ..support.deadlines import DEADLINE
from ..support.http_server import Asked
from ..support.metrics_double import MetricsDouble
from ..support.portal import Record, StartPortal, change
from ..support.program import Ended, Starter, one_line
from ..support.services import free_address
from ..support.typist import Typist
from ..support.worlds import DAY, HOUSE, METER, SMALL, TWO

ZONE = ZoneInfo("America/New_York")
USAGE = "smarthub_interval_usage_kwh"
QUESTION = "Continue? [Y/n]: "
WINTER = ("--start", "2024-01-01", "--end", "2024-02-04")
MARCH = ("--start", "2024-03-09", "--end", "2024-03-11")
YEAR = ("--start", "2024-01-01", "--end", "2024-12-31", "--no-progress")
AGAIN = "To resume, run: smarthub-exporter backfill "


class Bench(Starter):
    """Runs `backfill` on a portal and a database, and checks the result."""

    def __init__(self, folder: Path, vm: MetricsDouble, start_portal: StartPortal) -> None:
        super().__init__(folder, hasty.MODULE)
        self.vm = vm
        self._start_portal = start_portal
        self.state = folder / "state-home" / "smarthub-exporter" / FILE

    def main(self) -> int:
        return hasty.main()

    def portal(self, world: World = SMALL, **switches: object) -> PortalServer:
        """Start a portal and configure it together with the database."""
        portal = self._start_portal(world, **switches)
        self.configure([login(portal, UserSpec(), "farm")])
        return portal

    def configure(self, logins: list[dict[str, object]], url: str = "", **sections: object) -> None:
        self.config({"smarthub": logins, "victoriametrics": {"url": url or self.vm.url}, **sections})

    def backfill(self, *arguments: str, code: int = 0) -> Ended:
        """Run without progress output."""
        program = self.call("backfill", *arguments, "--no-progress")
        assert program.wait() == code, program.stderr
        return program

    def broken_off(self, *arguments: str) -> Ended:
        """Run with a database that stores only the first chunk."""
        self.vm.takes = lambda _, stamp, __: stamp > midnight("2024-01-31") * 1000
        program = self.backfill(*WINTER, *arguments, code=3)
        self.vm.takes = lambda *_: True
        return program

    def chunks(self) -> int:
        """Return the number of finished chunks in the state."""
        with closing(sqlite3.connect(self.state)) as database:
            try:
                return int(database.execute("SELECT count(*) FROM entry WHERE kind = 'chunk'").fetchone()[0])
            except sqlite3.OperationalError:
                return 0

    def held(self, location: str = "70001") -> dict[int, float]:
        """Return the stored kWh by the second of the sample."""
        return {
            stamp // 1000: value
            for labels, samples in self.vm.held.items()
            for stamp, value in sorted(samples.items())
            if dict(labels)["__name__"] == USAGE and dict(labels)["location"] == location
        }

    def assert_true(self, portal: PortalServer, first: str, behind: str) -> None:
        """Check that the database holds every true interval of these local days."""
        truth = portal.portal.almanac.intervals(METER, midnight(first), midnight(behind))
        assert self.held() == {each.end - 1: each.usage for each in truth}


@pytest.fixture
def clock() -> SystemClock:
    """The portals use the real time, like the programs."""
    return SystemClock()


@pytest.fixture
def bench(tmp_path: Path, clock: SystemClock, start_portal: StartPortal) -> Iterator[Bench]:
    with MetricsDouble(clock) as vm, closing(Bench(tmp_path, vm, start_portal)) as bench:
        yield bench


Sit = Callable[..., Typist]


@pytest.fixture
def sit_down(bench: Bench) -> Iterator[Sit]:
    """Run `backfill` on a terminal."""
    with ExitStack() as stack:

        def start(*arguments: str) -> Typist:
            environment = {**bench.environment, "TERM": "xterm"}
            typist = Typist(
                *("backfill", *arguments),
                folder=bench.folder,
                environment=environment,
                result_apart=True,
                module=hasty.MODULE,
            )
            return stack.enter_context(closing(typist))

        yield start


def login(portal: PortalServer | str, user: UserSpec, name: str, **more: object) -> dict[str, object]:
    """Return the configuration of one login."""
    return {
        "name": name,
        "api_url": portal if isinstance(portal, str) else portal.url,
        "username": user.username,
        "password": user.password,
        "timezone": "America/New_York",
        **more,
    }


def midnight(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=ZONE).timestamp())


def polls(portal: PortalServer) -> int:
    return sum(count for (endpoint, _), count in portal.portal.calls.items() if endpoint == "poll")


# -- without failures


def test_plan_and_summary_show_what_was_done(bench: Bench) -> None:
    portal = bench.portal()
    program = bench.call("backfill", *WINTER, "--log.level", "debug")
    assert program.wait() == 0, program.stderr
    truth = portal.portal.truth(METER, midnight("2024-01-01"), midnight("2024-02-05"))
    *lines, _ = (line.rstrip() for line in program.stdout.splitlines())
    at = lines.index("Not a terminal: continuing without confirmation.")
    assert lines[0] == f"Writing to VictoriaMetrics at {bench.vm.url}"
    assert lines[2] == f"  {portal.host}, local days in America/New_York"
    assert "  70001     55001    2024-01-01  2024-02-04  35    House" in lines[:at]
    assert lines[at + 1].endswith(f" VictoriaMetrics at {bench.vm.url}")
    assert lines[at + 2 :] == [
        "  days        35 verified",
        "  intervals   840",
        f"  energy      {truth.usage:,.2f} kWh used",
        f"  cost        ${truth.cost:,.2f}",
        f"  samples     {3 * 840 + 4 * 35:,} sent and verified",
        f"  requests    {portal.portal.count} to the portal",
    ]
    first, second = re.findall(r"location 70001, (.*): ", program.stderr)
    assert (first, second) == ("2024-01-31 to 2024-02-04", "2024-01-01 to 2024-01-30")
    bench.assert_true(portal, "2024-01-01", "2024-02-05")
    assert bench.vm.count("/internal/resetRollupResultCache") == 1
    for private in (UserSpec().username, UserSpec().password, HOUSE.street, "Bearer"):
        assert private not in program.stdout + program.stderr


def test_a_dry_run_only_shows_the_plan(bench: Bench) -> None:
    portal = bench.portal(TWO)
    program = bench.call("backfill", *MARCH, "--dry-run")
    assert (program.wait(), program.stderr) == (0, "")
    assert re.findall(r"^  (7000\d) ", program.stdout, re.MULTILINE) == ["70001", "70002"]
    assert program.stdout.endswith("\nDry run: nothing was changed.\n")
    assert (polls(portal), bench.vm.count("/api/v1/import"), bench.chunks()) == (0, 0, 0)


def test_days_count_back_from_today(bench: Bench) -> None:
    portal = bench.portal()
    bench.configure([login(portal, UserSpec(), "farm")], extract_days=4)
    today = datetime.now(ZONE).date()
    early = "--start 1989-12-31: no portal goes back that far; starting on 1990-01-01"
    late = "--end 9999-12-31 is in the future; ending today"
    expected = {
        (): (f"{today - timedelta(days=3)}  {today}  4", []),
        ("--days", "1"): (f"{today}  {today}  1", []),
        ("--end", "9999-12-31"): (f"{today - timedelta(days=3)}  {today}  4", [late]),
        ("--start", "1989-12-31", "--end", "1990-01-02"): ("1990-01-01  1990-01-02  2", [early]),
        ("--start", "1990-01-01", "--end", "1990-01-02"): ("1990-01-01  1990-01-02  2", []),
    }
    programs = bench.call_all({" ".join(flags): ("backfill", *flags, "--dry-run") for flags in expected})
    for flags, (days, notes) in expected.items():
        lines = programs[" ".join(flags)].stdout.splitlines()
        assert f"  {days} " in next(line for line in lines if line.startswith("  70001 "))
        assert [line for line in lines if "Note" in line] == [f"  Note: {note}" for note in notes]


def test_a_short_retention_is_reported_first(bench: Bench) -> None:
    bench.vm.retention, bench.vm.flags = 31 * DAY, '-httpListenAddr=":8428"\n'
    bench.portal()
    program = bench.backfill(*MARCH, code=1)
    assert "  Note: retention is 31 days " in program.stdout
    assert "\nNot finished: 0 of 3 days " in program.stdout
    assert "retention" in program.stderr


@pytest.mark.parametrize("to", [(), ("--to", "csv", "--output", "out.csv")])
def test_the_whole_history_is_loaded(bench: Bench, to: tuple[str, ...]) -> None:
    today = datetime.now(ZONE).date()
    since, last = today - timedelta(days=70), today - timedelta(days=3)
    portal = bench.portal(history_from=since.isoformat(), connect_date="")
    flags = ("--start", "first", "--end", last.isoformat(), *to)
    plan = bench.backfill(*flags, "--dry-run")
    assert (polls(portal), "not asked how far back" in plan.stdout) == (0, True)
    program = bench.backfill(*flags)
    truth = portal.portal.almanac.intervals(METER, midnight(since.isoformat()), midnight(str(last + timedelta(1))))
    assert f"  intervals   {len(truth):,}\n" in program.stdout
    assert f"  begins      location 70001: the portal's intervals start on {since}\n" in program.stdout
    if to:
        starts = [datetime.fromisoformat(row["start"]).timestamp() for row in csv_rows(bench.folder / "out.csv")]
        assert starts == [each.start for each in truth]
    else:
        assert bench.held() == {each.end - 1: each.usage for each in truth}
        assert bench.chunks() == 0


def test_the_whole_history_resumes_with_the_same_command(bench: Bench) -> None:
    portal = bench.portal(latency=0.25, history_from="2025-01-01", connect_date="")
    program = bench.start("backfill", "--start", "first", "--no-progress")
    program.wait_for(lambda: bench.state.exists() and bench.chunks() >= 2, "two chunks to be done")
    code, _ = program.end(signal.SIGINT)
    assert (code, program.stderr) == (3, f"{AGAIN}--start first --no-progress\n")
    done = bench.chunks()
    assert re.search(r"^Interrupted: \d+ days ", program.stdout, re.MULTILINE)
    assert "\n  older       location 70001: days before " in program.stdout
    change(portal, latency=0.0)
    again = bench.backfill("--start", "first")
    assert f"\nResuming: {30 * done} days " in again.stdout
    truth = portal.portal.almanac.intervals(METER, midnight("2025-01-01"), midnight("2100-01-01"))
    assert bench.held().items() <= {each.end - 1: each.usage for each in truth}.items()
    assert len(truth) - 1 <= len(bench.held())


# -- on a terminal


@pytest.mark.parametrize("answer", ["", "y", "YES"])
def test_the_user_can_confirm(bench: Bench, sit_down: Sit, answer: str) -> None:
    portal = bench.portal()
    typist = sit_down(*MARCH)
    typist.see(QUESTION)
    assert polls(portal) == 0
    typist.answer("", answer)
    assert typist.wait() == 0
    assert "Not a terminal" not in typist.stdout
    bench.assert_true(portal, "2024-03-09", "2024-03-12")


@pytest.mark.parametrize("answer", ["n", "No", "what?", "\x04"])
def test_the_user_can_cancel_and_loses_nothing(bench: Bench, sit_down: Sit, answer: str) -> None:
    portal = bench.portal()
    bench.broken_off()
    before = polls(portal), bench.vm.count("/api/v1/import")
    typist = sit_down(*WINTER, "--restart")
    typist.answer(QUESTION, answer)
    assert typist.wait() == 1
    assert typist.stdout.splitlines()[-1] == "Canceled; nothing was sent."
    assert (polls(portal), bench.vm.count("/api/v1/import")) == before
    assert bench.chunks() == 1


def test_yes_skips_the_question_and_a_bar_is_shown(bench: Bench, sit_down: Sit) -> None:
    bench.portal()
    typist = sit_down(*WINTER, "--yes")
    assert typist.wait() == 0
    assert QUESTION not in typist.shown
    assert "35/35 days" in typist.shown
    assert "samples sent" not in typist.shown


def test_no_progress_shows_nothing(bench: Bench, sit_down: Sit) -> None:
    bench.portal()
    typist = sit_down(*MARCH, "--yes", "--no-progress")
    assert (typist.wait(), typist.shown) == (0, "")
    program = bench.backfill(*MARCH, "--yes")
    assert (program.stderr, "Not a terminal" in program.stdout) == ("", False)


# -- stopping and resuming


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_same_command_resumes_after_a_stop(bench: Bench, record: Record, number: signal.Signals) -> None:
    portal = bench.portal(latency=0.25)
    # Counted on arrival: the portal counts a request only when it is answered, perhaps after the stop.
    arrived = record(portal)
    program = bench.start("backfill", *YEAR)
    program.wait_for(lambda: bench.state.exists() and bench.chunks() >= 2, "two chunks to be done")
    code, _ = program.end(number)
    assert (code, program.stderr) == (3, AGAIN + shlex.join(YEAR) + "\n")
    done = bench.chunks()
    assert 2 <= done < 13
    days = int(re.findall(r"^Interrupted: (\d+) of 366 days ", program.stdout, re.MULTILINE)[0])
    assert days == (done - 1) * 30 + 6
    change(portal, latency=0.0)
    arrived.clear()
    again = bench.call("backfill", *YEAR)
    assert again.wait() == 0
    assert f"Resuming: {days} of 366 days " in again.stdout
    # One more for the current meters.
    assert sum(call.path == POLL for call in arrived) == 1 + 13 - done
    assert f"  days        366 verified, {days} by an earlier run\n" in again.stdout
    assert f"  intervals   {366 * 24:,}\n" in again.stdout
    bench.assert_true(portal, "2024-01-01", "2025-01-01")
    assert bench.chunks() == 0


def test_chunks_before_a_failure_are_kept(bench: Bench) -> None:
    portal = bench.portal()
    program = bench.broken_off("--restart")
    assert "\nNot finished: 5 of 35 days " in program.stdout
    error, hint = program.stderr.splitlines()
    assert error.startswith(f"victoriametrics {bench.vm.url}: lost ")
    assert hint == f"{AGAIN}{shlex.join(WINTER)} --no-progress"
    before = polls(portal)
    bench.backfill(*WINTER)
    assert polls(portal) - before == 1 + 1
    bench.assert_true(portal, "2024-01-01", "2024-02-05")


def test_restart_starts_over(bench: Bench) -> None:
    portal = bench.portal()
    bench.broken_off()
    before = polls(portal)
    assert "Resuming" not in bench.backfill(*WINTER, "--restart").stdout
    assert polls(portal) - before == 1 + 2


def test_lost_chunks_are_reported_and_fetched_again(bench: Bench) -> None:
    portal = bench.portal()
    bench.broken_off()
    bench.vm.kill()
    program = bench.backfill(*WINTER)
    assert "  Note: 5 days from an earlier run changed or disappeared and will be fetched again\n" in program.stdout
    assert "Resuming" not in program.stdout
    bench.assert_true(portal, "2024-01-01", "2024-02-05")


def test_a_stop_does_not_wait_for_a_database_that_hangs(bench: Bench) -> None:
    """It ends cleanly even after two signals."""
    bench.portal()
    asked, ends = threading.Event(), threading.Event()

    def hang(call: Asked) -> None:
        if call.path == "/api/v1/import":
            asked.set()
            ends.wait()

    bench.vm.before = hang
    program = bench.start("backfill", *WINTER)
    program.wait_for(asked.is_set, "the database to be written to")
    program.process.send_signal(signal.SIGINT)
    code, _ = program.end(signal.SIGTERM)
    ends.set()
    assert (code, program.stderr) == (3, f"{AGAIN}{shlex.join(WINTER)}\n")


def test_a_stop_before_the_start_says_so(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(DEADLINE)
        bench.configure([login(f"http://127.0.0.1:{silent.getsockname()[1]}", UserSpec(), "farm")])
        program = bench.start("backfill", *WINTER)
        connection, _ = silent.accept()
        with connection:
            code, _ = program.end(signal.SIGTERM)
    assert (code, program.stderr) == (3, "\nCanceled; nothing was sent. Run the same command to start.\n")


def test_another_tenant_starts_from_scratch(bench: Bench) -> None:
    portal = bench.portal()
    bench.broken_off()
    bench.vm.prefix = "/tenant/7"
    bench.configure([login(portal, UserSpec(), "farm")], bench.vm.url + "/tenant/7")
    bench.vm.held.clear()
    assert "Resuming" not in bench.backfill(*WINTER).stdout
    bench.assert_true(portal, "2024-01-01", "2024-02-05")


@pytest.mark.parametrize("days", [("--days=40",), ("--days", "40"), ()])
def test_counted_days_resume_from_their_first_date(bench: Bench, days: tuple[str, ...]) -> None:
    portal = bench.portal()
    bench.configure([login(portal, UserSpec(), "farm")], extract_days=40)
    first = datetime.now(ZONE).date() - timedelta(days=39)
    # Chunks start at the first day, so the second one has ten days.
    border = midnight((first + timedelta(days=30)).isoformat())
    bench.vm.takes = lambda _, stamp, __: stamp > border * 1000
    program = bench.backfill("--location", "70001", *days, "--restart", code=3)
    bench.vm.takes = lambda *_: True
    hint = program.stderr.splitlines()[-1]
    assert hint == f"{AGAIN}--location 70001 --no-progress --start {first}"
    before = polls(portal)
    assert bench.call(*shlex.split(hint.partition(": smarthub-exporter ")[2])).wait() == 0
    # The chunk that ends today may have grown and is fetched again; the state knows the meter.
    assert polls(portal) - before == 2
    truth = portal.portal.almanac.intervals(METER, midnight(first.isoformat()), midnight("2100-01-01"))
    assert bench.held().keys() <= {each.end - 1 for each in truth}
    assert len(truth) - 1 <= len(bench.held()) <= len(truth)
    assert bench.chunks() == 0


def test_without_saved_state_it_starts_over(bench: Bench) -> None:
    bench.portal(latency=0.25)
    (bench.folder / "file").write_text("no folder")
    arguments = ("backfill", *YEAR, "--state.dir", "file/x")
    program = bench.start(*arguments)
    program.wait_for(lambda: bench.vm.count("/api/v1/import") >= 2, "two chunks to be written")
    code, _ = program.end(signal.SIGINT)
    *warnings, hint = program.stderr.splitlines()
    assert (code, all("file/x" in warning for warning in warnings)) == (3, True)
    assert hint == f"To start over, run: smarthub-exporter {shlex.join(arguments)}"
    assert "Resuming" not in bench.backfill(*MARCH, "--state.dir", "file/x").stdout


# -- failures


BAD_FLAGS = {
    ("--start", "yesterday"): "--start yesterday is not a date",
    (
        "--output",
        "x.csv",
    ): "--output cannot be used with victoriametrics, which is a database; use it with --to csv or --to openmetrics",
    ("--to", "csv"): "--to csv needs a file; name one with --output FILE, or - for standard output",
    (
        "--to",
        "influxdb",
    ): "--to influxdb needs an influxdb section; add one with host and database to the configuration",
    ("--location", "79999"): "--location 79999 ",
    ("--to", "postgres"): "error: argument --to: invalid choice: 'postgres'",
}


def test_invalid_flags_are_one_line_and_exit_code_2(bench: Bench) -> None:
    portal = bench.portal()
    programs = bench.call_all({" ".join(flags): ("backfill", *flags) for flags in BAD_FLAGS})
    for flags, said in BAD_FLAGS.items():
        program = programs[" ".join(flags)]
        assert (program.wait(), one_line(program)[: len(said)]) == (2, said)
    assert (polls(portal), bench.vm.calls) == (0, [])


def test_an_unreachable_portal_is_one_line(bench: Bench) -> None:
    bench.configure([login("http://127.0.0.1:9", UserSpec(), "farm")])
    assert "127.0.0.1:9" in one_line(bench.backfill(*MARCH, code=1))
    assert bench.vm.calls == []


def test_a_rejected_sign_in_is_one_line_and_counted(bench: Bench) -> None:
    portal = bench.portal(sign_in=SignIn.STATUS_401)
    for attempts in (1, 2, 2):
        one_line(bench.backfill(*MARCH, code=1))
        assert portal.portal.most_rejected[UserSpec().username] == attempts


@pytest.mark.parametrize(
    ("world", "switches", "code"),
    [
        (TWO, {"refused_locations": ("70001",)}, 3),
        (SMALL, {"poll": Poll.FAILED}, 1),
        (SMALL, {"shifted": -2 * 3600}, 1),
    ],
)
def test_portal_failures_set_the_exit_code(bench: Bench, world: World, switches: dict[str, object], code: int) -> None:
    bench.portal(world, **switches)
    program = bench.backfill("--start", "2024-01-09", "--end", "2024-01-11", code=code)
    error, *hint = program.stderr.splitlines()
    assert error.startswith("location 70001: ")
    assert f"\n  not done    {error}\n" in program.stdout
    assert (len(hint), bench.held(), len(bench.held("70002"))) == ((1, {}, 72) if code == 3 else (0, {}, 0))


def test_an_unreachable_database_is_reported_first(bench: Bench) -> None:
    portal = bench.portal()
    bench.configure([login(portal, UserSpec(), "farm")], "http://127.0.0.1:9")
    program = bench.backfill(*MARCH, code=1)
    *tries, last = program.stderr.splitlines()
    assert (program.stdout, tries) == ("", [f"{last.partition(': ')[2].partition(';')[0]}; retrying in 0 s"] * 3)
    assert polls(portal) == 0


def test_without_a_configured_database_it_does_not_wait(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    portal = bench.portal()
    bench.config({"smarthub": [login(portal, UserSpec(), "farm")]})
    monkeypatch.setattr(factory, "LOCAL_VICTORIAMETRICS", f"http://{free_address()}")
    program = bench.backfill(*WINTER, code=1)
    (line,) = program.stderr.splitlines()
    assert line.endswith(
        ": no database is configured, and none answers there; set victoriametrics.url, or write a file with"
        " --to csv --output FILE"
    )


def test_a_dry_run_does_without_the_database(bench: Bench) -> None:
    portal = bench.portal()
    bench.configure([login(portal, UserSpec(), "farm")], "http://127.0.0.1:9")
    program = bench.call("backfill", *MARCH, "--dry-run")
    assert program.wait() == 0
    assert [line.count("level=warn ") for line in program.stderr.splitlines()] == [1]
    assert "  70001 " in program.stdout
    assert "\n  Note: the database was not reached, " in program.stdout
    assert program.stdout.endswith("\nDry run: nothing was changed.\n")
    bench.vm.always["/api/v1/query"] = (401, "")
    bench.configure([login(portal, UserSpec(), "farm")])
    one_line(bench.backfill(*MARCH, "--dry-run", code=1))


def test_a_failing_database_is_retried_then_reported(bench: Bench) -> None:
    bench.portal()
    bench.vm.always["/api/v1/import"] = (503, "disk full")
    program = bench.call("backfill", *MARCH)
    assert program.wait() == 1
    *tries, failure = program.stderr.splitlines()
    assert tries == [f"{failure.partition(';')[0]}; retrying in 0 s"] * 3
    assert bench.vm.count("/api/v1/import") == 4
    del bench.vm.always["/api/v1/import"]
    bench.vm.replies["/api/v1/import"] = [(503, "")] * 3
    bench.backfill(*MARCH)


# -- files are written completely or not at all


def to_csv(*days: str) -> tuple[str, ...]:
    return (*days, "--to", "csv", "--output", "out.csv")


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kind", ["csv", "openmetrics"])
def test_a_refused_location_does_not_stop_a_file(bench: Bench, kind: str) -> None:
    bench.portal(TWO, refused_locations=("70001",))
    program = bench.backfill(*MARCH, "--to", kind, "--output", "out", code=3)
    assert "\n  not done    location 70001: " in program.stdout
    assert len(program.stderr.splitlines()) == 1
    text = (bench.folder / "out").read_text(encoding="utf-8")
    if kind == "csv":
        assert {row["location"] for row in csv_rows(bench.folder / "out")} == {"70002"}
        assert text.count("\n") == 1 + 71
    else:
        assert len(re.findall(rf'^{USAGE}{{.*location="70002"', text, re.MULTILINE)) == text.count(f"{USAGE}{{") == 71
        assert text.endswith("# EOF\n")


def test_a_day_that_fails_does_not_stop_a_file(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    portal = bench.portal().portal
    respond, bad = portal.respond, midnight("2024-03-09") * 1000

    def fail(call: Call) -> SimulatedResponse:
        is_bad = call.path == POLL and json.loads(call.body)["startDateTime"] <= bad
        return SimulatedResponse(200, b'{"status": "FAILED"}') if is_bad else respond(call)

    monkeypatch.setattr(portal, "respond", fail)
    program = bench.backfill(*to_csv(*MARCH), code=3)
    assert "\n  not done    location 70001: " in program.stdout
    days = {row["start"][:10] for row in csv_rows(bench.folder / "out.csv")}
    assert days == {"2024-03-10", "2024-03-11"}


def test_a_file_without_any_data_is_not_written(bench: Bench) -> None:
    bench.portal(refused_locations=("70001",))
    program = bench.backfill(*to_csv(*MARCH), code=1)
    assert "\nNothing was written to out.csv\n  not done    location 70001: " in program.stdout
    assert len(program.stderr.splitlines()) == 1
    assert not (bench.folder / "out.csv").exists()


def test_another_database_at_the_query_url_stores_nothing(bench: Bench, clock: SystemClock) -> None:
    portal = bench.portal()
    bench.backfill(*MARCH)
    polled = polls(portal)
    with MetricsDouble(clock) as empty:
        bench.config(
            {
                "smarthub": [login(portal, UserSpec(), "farm")],
                "victoriametrics": {"url": empty.url, "query_url": bench.vm.url},
            }
        )
        program = bench.backfill(*MARCH, code=1)
        assert [name for name, _, _ in empty.imported()] == ["smarthub_backfill_probe"]
    assert "\nNot finished: 0 of 3 days " in program.stdout
    assert (polls(portal), len(program.stderr.splitlines())) == (polled, 1)


def test_an_interrupted_file_starts_over(bench: Bench) -> None:
    portal = bench.portal(latency=0.25)
    arguments = to_csv(*YEAR)
    program = bench.start("backfill", *arguments)
    program.wait_for(lambda: polls(portal) >= 4, "some questions")
    code, _ = program.end(signal.SIGINT)
    assert (code, program.stderr) == (
        3,
        f"To start over, run: smarthub-exporter backfill {shlex.join(arguments)}\n",
    )
    assert "\nNothing was written to out.csv\n  days        0 written, 366 left\n" in program.stdout
    assert not (bench.folder / "out.csv").exists()


# -- one of several logins, or one of several locations

FRIENDS = UserSpec("a@example.org"), UserSpec("b@example.org", accounts=("55002",))


def one_rejected(bench: Bench) -> None:
    portal = bench.portal(replace(TWO, users=FRIENDS))
    bench.configure([login(portal, FRIENDS[0], "old", password="wrong"), login(portal, FRIENDS[1], "new")])


@pytest.mark.parametrize("number", ["0", "5", "many"])
def test_other_numbers_of_polls_are_refused(bench: Bench, number: str) -> None:
    portal = bench.portal()
    assert "--concurrency" in bench.backfill(*MARCH, "--concurrency", number, code=2).stderr
    assert polls(portal) == 0


def test_the_number_of_polls_does_not_change_the_result(bench: Bench) -> None:
    portal = bench.portal(pending=1)
    bench.backfill(*WINTER, "--concurrency", "1")
    before = {labels: dict(samples) for labels, samples in bench.vm.held.items()}
    bench.vm.kill()
    bench.backfill(*WINTER, "--restart", "--concurrency", "4")
    assert {labels: sorted(samples) for labels, samples in bench.vm.held.items()} == {
        labels: sorted(samples) for labels, samples in before.items()
    }
    bench.assert_true(portal, "2024-01-01", "2024-02-05")


def test_a_rejected_login_does_not_stop_the_others(bench: Bench) -> None:
    one_rejected(bench)
    reasons = []
    for _ in range(3):
        program = bench.backfill(*MARCH, code=3)
        lines = program.stdout.splitlines()
        at = next(at for at, line in enumerate(lines) if line.startswith("Not finished: 3 days "))
        assert lines[at + 1].startswith("  not done    login old: ")
        reasons.append(lines[at + 1].removeprefix("  not done    "))
        assert f"  Note: {reasons[-1]}" in lines[:at]
        assert program.stderr.startswith("To start over, run: ")
        assert (bench.chunks(), len(bench.held("70002")), bench.held()) == (0, 71, {})
    assert reasons[0] == reasons[1] != reasons[2]


def test_a_file_without_a_rejected_login_is_partial(bench: Bench) -> None:
    one_rejected(bench)
    program = bench.backfill(*to_csv(*MARCH), code=3)
    assert "\n  not done    login old: " in program.stdout
    assert (program.stderr, len(csv_rows(bench.folder / "out.csv"))) == ("", 71)


def test_a_missing_location_does_not_stop_the_others(bench: Bench) -> None:
    portal = bench.portal()
    places = [{"service_location": "79999"}, {"service_location": "70001"}]
    bench.configure([login(portal, UserSpec(), "farm", locations=places)])
    first = bench.backfill(*MARCH, code=3)
    assert "\n  not done    login farm does not see location 79999; " in first.stdout
    assert bench.chunks() == 0
    before = polls(portal)
    change(portal, revisions=(Revision("81001", midnight("2024-03-10"), 0.0, 2.0),))
    second = bench.backfill(*MARCH, code=3)
    assert polls(portal) - before == 1 + 1
    assert "  corrected   1 interval " in second.stdout
    bench.assert_true(portal, "2024-03-09", "2024-03-12")


# -- a meter with hourly data only since some day

SINCE = replace(METER, hourly_since="2024-02-10")
SPRING = ("--start", "2024-01-01", "--end", "2024-03-20")


def test_the_order_of_chunks_does_not_change_the_result(bench: Bench) -> None:
    portal = bench.portal(World(locations=(replace(HOUSE, meters=(SINCE,)),)))
    truth = portal.portal.almanac.intervals(SINCE, midnight("2024-01-01"), midnight("2024-03-21"))
    assert (truth[0].start, len(truth)) == (midnight("2024-02-10"), 40 * 24 - 1)
    for program in (bench.backfill(*to_csv(*SPRING)), bench.backfill(*SPRING)):
        assert "  begins      location 70001: the portal's intervals start on 2024-02-10\n" in program.stdout
        assert "incomplete" not in program.stdout
        assert f"  intervals   {len(truth)}\n" in program.stdout
    assert [
        (datetime.fromisoformat(row["start"]).timestamp(), float(row["usage_kwh"]), float(row["cost_usd"]))
        for row in csv_rows(bench.folder / "out.csv")
    ] == [(each.start, each.usage, each.cost) for each in truth]
    assert bench.held() == {each.end - 1: each.usage for each in truth}
    days = bench.vm.series("smarthub_day_usage_kwh")
    assert (len(days), min(days) // 1000) == (40, midnight("2024-02-11") - 1)


def test_current_meters_are_fetched_only_if_unknown(bench: Bench) -> None:
    portal = bench.portal(World(locations=(replace(HOUSE, meters=(SINCE,)),)))

    def asked(*arguments: str) -> int:
        before = polls(portal)
        bench.backfill(*SPRING, "--restart", *arguments)
        return polls(portal) - before

    without = asked()
    assert asked() == without, "old history does not reach the state"
    bench.backfill("--days", "2")
    assert asked() == without - 1
    assert asked("--state.dir", "another") == without
    assert without >= 1 + 3
