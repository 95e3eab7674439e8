"""Test the plan, the summary and the progress of a backfill word by word."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from exporter.backfill.journal import CompletedChunk, Coverage, Totals
from exporter.backfill.plan import Job
from exporter.backfill.progress import Bar, progress_for
from exporter.backfill.report import plan, summary_lines
from exporter.backfill.result import BackfillResult
from exporter.sinks.base import Sink

from ..support.jobs import BARN, HOUSE, job
from ..support.sinks import IdleSink
from ..support.worlds import instant

WINTER = job("2024-01-01", "2024-03-31", name="Farm house")
BARN_WINTER = job("2024-01-01", "2024-03-31", BARN)
DENVER = job("2024-11-03", "2024-11-03", BARN, zone="America/Denver")


class Nowhere(IdleSink):
    """A sink that writes nothing; a file can neither resume nor be verified."""

    def __init__(self, name: str = "vm", *, resumes: bool = True, is_verified: bool = True) -> None:
        self.name = self.title = name
        self.resumes, self.is_verified = resumes, is_verified


SINK = Nowhere()
CSV = Nowhere("out.csv", resumes=False, is_verified=False)
UNREAD = Nowhere("influx", is_verified=False)


def planned(jobs: Sequence[Job], notes: Sequence[str] = (), done: Sequence[CompletedChunk] = ()) -> list[str]:
    """Return the lines of a plan on a terminal with 80 columns."""
    parts = plan(jobs, SINK, notes, done, 80)
    return [line for part in parts for line in str(part).splitlines() or [""]]


def test_the_plan_shows_local_days() -> None:
    assert planned([WINTER, BARN_WINTER, DENVER], ["it keeps little"]) == [
        "Writing to vm",
        "",
        "  novec, local days in America/New_York",
        "  Location  Account  First day   Last day    Days  Name",
        "  70001     55001    2024-01-01  2024-03-31  91    Farm house",
        "  70002     55002    2024-01-01  2024-03-31  91",
        "",
        "  novec, local days in America/Denver",
        "  Location  Account  First day   Last day    Days",
        "  70002     55002    2024-11-03  2024-11-03  1",
        "",
        "  Note: it keeps little",
    ]


def test_the_plan_does_not_guess_how_far_back_it_goes() -> None:
    done = [CompletedChunk(HOUSE, *chunk, Totals()) for chunk in WINTER.chunks()[1:]]
    assert planned([replace(WINTER, from_first=True)], done=done) == [
        "Writing to vm",
        "",
        "  novec, local days in America/New_York",
        "  Location  Account  First day  Last day    Name",
        "  70001     55001    first      2024-03-31  Farm house",
        "",
        "  As far back as the portal has intervals: 30 days per request, newest first.",
        "Resuming: 61 days already stored (use --restart to start over).",
    ]


def test_long_names_keep_the_table_within_the_terminal() -> None:
    lines = planned([replace(WINTER, name="A farm house with a very long name")])
    assert max(map(len, lines)) <= 80
    assert "70001     55001    2024-01-01  2024-03-31  91" in lines[4]


def test_the_plan_says_what_an_earlier_run_did() -> None:
    done = [CompletedChunk(HOUSE, *chunk, Totals()) for chunk in WINTER.chunks()[1:]]
    line = "Resuming: 61 of 92 days already stored (use --restart to start over)."
    assert planned([WINTER, DENVER], done=done)[-1] == line
    again = "The newest days are fetched again: the portal may still add to them."
    assert planned([WINTER, DENVER], done=done[:-1])[-2:] == [line.replace("61", "60"), again]


def holding(
    totals: Totals = Totals(24, 1.0),  # noqa: B008 - frozen
    coverage: Coverage = Coverage(),  # noqa: B008 - frozen
    full_days: Mapping[str, Collection[int]] | None = None,
    **others: Any,  # noqa: ANN401
) -> BackfillResult:
    """Return a result with one chunk that the sink holds."""
    done = CompletedChunk(HOUSE, WINTER.start, WINTER.end, totals, coverage, full_days=full_days)
    return BackfillResult({done.chunk_key: done}, **{"done": 1, **others})


def summary(result: BackfillResult, sink: Sink = SINK) -> list[str]:
    return list(summary_lines(result, [WINTER], sink, 1234, 3725.4))


def test_the_full_summary() -> None:
    totals = Totals(8760, 12345.678, 987.654, 1234.5, 26280, 12, 3)
    result = holding(totals, done=4, days_done=91, already=2, days_already=60, connected={HOUSE: instant("2024-01-15")})
    assert summary(result) == [
        "Done: stored and verified in vm",
        "  days        91 verified, 60 by an earlier run",
        "  intervals   8,760",
        "  energy      12,345.68 kWh used, 987.65 kWh exported",
        "  cost        $1,234.50",
        "  samples     26,280 sent and verified",
        "  corrected   12 intervals with a different stored value",
        "  gone        3 stored samples no longer at the portal; nothing was deleted",
        "  connected   location 70001: on 2024-01-15; it has no older data",
        "  requests    1234 to the portal",
        "  duration    1 hour 2 minutes",
    ]


def test_the_summary_omits_empty_lines() -> None:
    assert summary(holding(coverage=Coverage({"81001": (WINTER.start, WINTER.end)}), days_done=1)) == [
        "Done: stored and verified in vm",
        "  days        1 verified",
        "  intervals   24",
        "  energy      1.00 kWh used",
        "  samples     0 sent and verified",
        "  requests    1234 to the portal",
        "  duration    1 hour 2 minutes",
    ]


def test_what_is_left_is_told_apart_from_what_is_stored() -> None:
    unconfirmed = {(HOUSE, number, number + 1): Totals(720, 5.0, samples=2160) for number in range(2)}
    result = holding(done=1, days_done=30, left=3, days_left=61, unconfirmed=unconfirmed, is_stopped=True)
    assert summary(result) == [
        "Interrupted: 30 of 91 days stored and verified",
        "  days        30 verified, 61 left",
        "  intervals   24",
        "  energy      1.00 kWh used",
        "  samples     0 sent and verified",
        "  also        1,440 intervals in 4,320 samples sent for days that are left",
        "  requests    1234 to the portal",
        "  duration    1 hour 2 minutes",
    ]


def test_a_walk_that_did_not_end_says_how_far_it_came() -> None:
    result = holding(done=1, days_done=30, left=2, days_left=30, unread={HOUSE: instant("2024-02-10")}, is_stopped=True)
    lines = summary(result)
    assert lines[:2] == [
        "Interrupted: 30 days stored and verified; how many are left is not known",
        "  days        30 verified, at least 30 left",
    ]
    assert "  older       location 70001: days before 2024-02-10 are not read yet" in lines
    result.connected, result.days_left = {HOUSE: instant("2019-05-04")}, 2000
    lines = summary(result)
    assert lines[:2] == [
        "Interrupted: 30 of about 2,030 days stored and verified",
        "  days        30 verified, about 2,000 left",
    ]
    older = "2019-05-04 to 2024-02-09 are not read yet"
    assert [line for line in lines if "location" in line] == [f"  older       location 70001: {older}"]
    result.connected = {}
    result.unread = {HOUSE: WINTER.end}
    assert "  older       location 70001: nothing is read yet" in summary(result)


PAUSED = ["login old: sign-ins are paused"]


@pytest.mark.parametrize(
    ("result", "sink", "said"),
    [
        (
            BackfillResult(done=3, left=2, days_done=30, days_left=15),
            SINK,
            "Not finished: 30 of 45 days stored and verified",
        ),
        (BackfillResult(left=1, days_left=1), SINK, "Not finished: 0 of 1 day stored and verified"),
        (BackfillResult(done=2), SINK, "The portal has no usable intervals for these days: vm"),
        (holding(), CSV, "Wrote to out.csv"),
        (holding(is_finished=True), UNREAD, "Done: written to influx, not verified"),
        (BackfillResult(done=1, errors=PAUSED), CSV, "Nothing was written to out.csv"),
        (BackfillResult(done=1, left=3, is_stopped=True), CSV, "Nothing was written to out.csv"),
        # Logins that could not sign in are missing from the result.
        (
            BackfillResult(done=2, is_finished=True, errors=PAUSED),
            CSV,
            "Only part of the data was written to out.csv",
        ),
    ],
)
def test_the_headline_says_how_much_is_done(result: BackfillResult, sink: Sink, said: str) -> None:
    first, *others = summary(result, sink)
    assert first == said
    assert [line for line in others if "not done" in line] == [f"  not done    {error}" for error in result.errors]


def test_an_interrupted_stream_is_partly_written() -> None:
    sink = Nowhere("csv", resumes=False, is_verified=False)
    assert summary(BackfillResult(left=1), sink)[0] == "Nothing was written to csv"
    sink.has_streamed = True
    assert summary(BackfillResult(left=1), sink)[0] == "Only part of the data was written to csv"


def test_a_finished_file_has_its_size() -> None:
    sink = Nowhere("out.csv", resumes=False, is_verified=False)
    sink.size = 58_000_000
    assert summary(holding(), sink)[0] == "Wrote out.csv (58.0 MB)"


def test_days_of_several_locations_are_counted_together() -> None:
    lines = list(summary_lines(holding(days_done=182), [WINTER, BARN_WINTER], SINK, 1, 1))
    assert "  days        182 verified, 2 locations together" in lines


def test_incomplete_days_are_counted() -> None:
    full = {*WINTER.wall.midnights(WINTER.start, WINTER.end)[2:]}
    coverage = Coverage({"81001": (WINTER.start, WINTER.end)})
    result = holding(coverage=coverage, full_days={"81001": full})
    assert "  incomplete  location 70001: 2 days with gaps at the portal" in summary(result)


@pytest.mark.parametrize(
    ("first", "left", "said"),
    [
        ("2024-02-10 05:00", 0, ["  begins      location 70001: the portal's intervals start on 2024-02-10"]),
        ("2024-01-01 05:00", 0, []),
        ("2024-02-10", 1, []),
    ],
)
def test_a_later_start_of_the_intervals_is_reported(first: str, left: int, said: list[str]) -> None:
    spans = {"81001": (instant(first), WINTER.end), "81002": (instant("2024-03-01"), WINTER.end)}
    lines = summary(holding(coverage=Coverage(spans), left=left))
    assert [line for line in lines if line.startswith("  begins")] == said


# -- progress


def march(totals: Totals) -> CompletedChunk:
    return CompletedChunk(HOUSE, instant("2024-03-02"), instant("2024-04-01"), totals)


DAYS = "location 70001, 2024-03-02 to 2024-03-31"
LINES = [
    f"{DAYS}: 720 intervals, 12.50 kWh used, 0 samples sent",
    f"{DAYS}: no intervals",
    f"{DAYS}: 2,880 intervals, 1,234.57 kWh used, 0.50 kWh exported, $100.00, 8,640 samples sent",
    "is in trouble; retrying in 2 s",
    "location 70001: odd [bold]data[/bold] :smile:",
]


@pytest.mark.parametrize(("wanted", "shown"), [(True, LINES), (False, LINES[4:])])
def test_without_a_terminal_progress_is_printed_in_lines(
    capsys: pytest.CaptureFixture[str],
    wanted: bool,  # noqa: FBT001
    shown: list[str],
) -> None:
    progress = progress_for(wanted=wanted)
    progress.begin([WINTER], 91, 0)
    progress.waits("vm to have all of it on its disk")
    progress.wrote(WINTER, march(Totals(720, 12.5)), None)
    progress.wrote(WINTER, march(Totals()), None)
    progress.wrote(WINTER, march(Totals(2880, 1234.567, 0.5, 99.999, 8640)), None)
    progress.retries(LINES[3])
    progress.retries("")
    progress.warn(LINES[4])
    progress.end()
    out, error = capsys.readouterr()
    assert (out, error.splitlines()) == ("", shown)


def bar_of(days: int | None, done: int = 0) -> tuple[Bar, StringIO]:
    """Return a bar on a terminal with 80 columns, and what it shows there."""
    shown = StringIO()
    bar = Bar(Console(force_terminal=True, color_system=None, width=80, file=shown))
    bar.begin([BARN_WINTER, WINTER], days, done)
    return bar, shown


def last_line(shown: StringIO) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue()).rstrip("\r\n").splitlines()[-1].strip("\r")


def test_the_bar_continues_from_the_days_already_done() -> None:
    bar, shown = bar_of(91, 31)
    bar.wrote(WINTER, march(Totals(720)), None)
    bar.waits("vm")
    assert last_line(shown) == "  waiting for vm"
    bar.waits("")
    line = last_line(shown)
    assert line.startswith("location 2 of 2 ")
    assert " 67% 61/91 days " in line
    assert " intervals/s" in line
    bar.end()


def test_a_bar_without_an_end_shows_how_far_back_it_is() -> None:
    bar, shown = bar_of(None)
    bar.wrote(replace(WINTER, from_first=True), march(Totals(720)), instant("2019-05-04"))
    bar.waits("")
    line = last_line(shown)
    assert line.startswith("location 2 of 2, back to 2024-03-02 of 2019-05-04 ")
    assert " 30 days" in line
    assert "%" not in line
    bar.end()


def test_days_of_a_file_count_when_they_are_read() -> None:
    whole = replace(WINTER, from_first=True)
    bar, shown = bar_of(None)
    bar.read(whole, instant("2024-03-02"), instant("2024-04-01"), None)
    bar.waits("")
    assert last_line(shown).startswith("location 2 of 2, read back to 2024-03-02 ")
    bar.wrote(whole, march(Totals(720)), None)
    bar.waits("")
    assert " 30 days" in last_line(shown)
    bar.end()


def test_a_retry_is_a_line_of_its_own_above_the_bar() -> None:
    bar, shown = bar_of(91)
    bar.retries("away; retrying in 2 s")
    bar.retries("")
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue()).splitlines()
    assert sum(line.strip("\r") == "away; retrying in 2 s" for line in lines) == 1
    bar.end()
