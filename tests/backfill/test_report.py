"""What a person reads before and after a backfill, word for word, and what of its progress."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from rich.console import Console

from exporter.backfill.chunks import coverage_of
from exporter.backfill.journal import CompletedChunk, Coverage, Totals
from exporter.backfill.plan import Job
from exporter.backfill.progress_bar import Bar, Lines, Warnings, progress_for, summed
from exporter.backfill.report import plan_lines, summary_lines
from exporter.backfill.result import BackfillResult
from exporter.intervals.model import Interval, Meter, MeterInfo
from exporter.sinks.base import Chunk, Sink, Written

from ..support.jobs import BARN, HOUSE, NEW_YORK, instant, job
from ..support.portal_answers import bounds_of
from ..support.worlds import NOW

HOUR = 3600
WINTER = job("2024-01-01", "2024-03-31", name="Farm house")
DENVER = job("2024-11-03", "2024-11-03", BARN, zone="America/Denver")


class Nowhere(Sink):
    name = "victoriametrics http://127.0.0.1:8428"

    def open(self, oldest: int) -> list[str]:
        return []

    def write(self, chunk: Chunk) -> Written:
        raise NotImplementedError

    def finish(self) -> None:
        pass

    def close(self) -> None:
        pass


SINK = Nowhere()


def done(count: int) -> list[CompletedChunk]:
    return [CompletedChunk(HOUSE, number, number + 1, Totals()) for number in range(count)]


def test_the_plan_names_the_days_by_both_clocks() -> None:
    house = "2024-01-01 to 2024-03-31, 91 days in America/New_York (2024-01-01 05:00 to 2024-04-01 04:00 UTC), 4 chunks"
    barn = "2024-11-03 to 2024-11-03, 1 day in America/Denver (2024-11-03 06:00 to 2024-11-04 07:00 UTC), 1 chunk"
    assert list(plan_lines([WINTER, DENVER], SINK, ["it keeps little"], [])) == [
        "Into victoriametrics http://127.0.0.1:8428:",
        f'  novec, account 55001, location 70001 "Farm house": {house}',
        f"  novec, account 55002, location 70002: {barn}",
        "  Note: it keeps little",
    ]


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "An earlier run did 1 chunk of it, which is not done again (but with --restart)."),
        (3, "An earlier run did 3 chunks of it, which are not done again (but with --restart)."),
    ],
)
def test_the_plan_tells_what_an_earlier_run_did(count: int, said: str) -> None:
    assert list(plan_lines([WINTER], SINK, [], done(count)))[-1] == said


def holding(totals: Totals = Totals(24, 1.0), coverage: Coverage = Coverage(), **others: Any) -> BackfillResult:  # noqa: ANN401, B008 - frozen
    """An outcome with one chunk that the sink holds."""
    done = CompletedChunk(HOUSE, WINTER.start, WINTER.end, totals, coverage)
    return BackfillResult({done.chunk_key: done}, **{"done": 1, **others})


def summary(result: BackfillResult, sink: Sink = SINK, *jobs: Job) -> list[str]:
    return list(summary_lines(result, jobs or [WINTER], sink, 1234, 3725.4))


def test_the_summary_of_all_that_can_be_told() -> None:
    totals = Totals(8760, 12345.678, 987.654, 1234.5, 26280, 12, 3)
    result = holding(totals, done=4, already=2, connected={HOUSE: instant("2024-01-15")})
    assert summary(result) == [
        "All is stored and was read back: victoriametrics http://127.0.0.1:8428",
        "  intervals   8,760 (2 chunks of it by an earlier run)",
        "  energy      12,345.68 kWh drawn, 987.65 kWh sent",
        "  cost        $1,234.50",
        "  samples     26,280 sent",
        "  corrected   12 intervals of which another value was stored",
        "  gone        3 stored samples that the portal no longer has; nothing is deleted",
        "  location 70001 was connected on 2024-01-15: nothing is older",
        "  requests    1234 to the portal",
        "  duration    1 hour 2 minutes",
    ]


def test_the_summary_leaves_out_what_there_is_none_of() -> None:
    assert summary(holding(coverage=Coverage(spans={"81001": (WINTER.start, WINTER.end)}))) == [
        "All is stored and was read back: victoriametrics http://127.0.0.1:8428",
        "  intervals   24",
        "  energy      1.00 kWh drawn",
        "  samples     0 sent",
        "  requests    1234 to the portal",
        "  duration    1 hour 2 minutes",
    ]


@pytest.mark.parametrize(
    ("finished", "left", "said"),
    [(3, 2, "3 of 5 chunks are done"), (1, 1, "1 of 2 chunks is done"), (0, 1, "0 of 1 chunk is done")],
)
def test_the_summary_of_a_part_says_how_much(finished: int, left: int, said: str) -> None:
    assert summary(BackfillResult(done=finished, left=left))[0] == f"{said}: victoriametrics http://127.0.0.1:8428"


def test_a_file_is_written_and_not_read_back() -> None:
    sink = Nowhere()
    sink.resumes, sink.is_verified, sink.name = False, False, "csv out.csv"
    assert summary(holding(), sink)[0] == "All is written: csv out.csv"


# -- holes


def with_holes(*missing: str, first: str = "2024-01-01", last: str = "2024-01-31") -> BackfillResult:
    """An outcome whose data lack the hours from eight to ten of these days."""
    gaps = {instant(f"{day} {hour:02}:00") for day in missing for hour in (8, 9)}
    hours = range(instant(first), bounds_of(date.fromisoformat(last), NEW_YORK)[1], HOUR)
    intervals = tuple(Interval(each, each + HOUR, 1.0, 1) for each in hours if each not in gaps)
    meter = Meter(MeterInfo("81001", step=HOUR), intervals)
    chunk = Chunk(HOUSE, WINTER.wall.zone, WINTER.start, WINTER.end, (meter,))
    return holding(coverage=coverage_of(chunk, WINTER.wall, NOW))


def holes(result: BackfillResult) -> str:
    (line,) = [line for line in summary(result) if line.startswith("  holes")]
    return line.removeprefix("  holes       location 70001: ")


def test_one_day_that_is_not_whole() -> None:
    assert holes(with_holes("2024-01-09")) == "1 day is not whole at the portal: 2024-01-09 (2 of 24)"


def test_the_last_whole_day_counts_and_the_days_without_data_around_them_do_not() -> None:
    assert holes(with_holes("2024-01-01", "2024-01-31")) == (
        "2 days are not whole at the portal: 2024-01-01 (2 of 24), 2024-01-31 (2 of 24)"
    )
    assert not any("holes" in line for line in summary(with_holes()))


@pytest.mark.parametrize(("count", "more"), [(6, ""), (7, " and 1 earlier one"), (9, " and 3 earlier ones")])
def test_of_many_days_the_newest_are_named(count: int, more: str) -> None:
    days = [(date(2024, 1, 3) + timedelta(days=number)).isoformat() for number in range(count)]
    named = ", ".join(f"{day} (2 of 24)" for day in days[-6:])
    assert holes(with_holes(*days)) == f"{count} days are not whole at the portal: {named}{more}"


# -- progress


def test_figures_in_a_few_words() -> None:
    assert summed(Totals()) == "0 intervals, 0.00 kWh drawn"
    assert summed(Totals(2880, 1234.567, 0.5, 99.999)) == (
        "2,880 intervals, 1,234.57 kWh drawn, 0.50 kWh sent, $100.00"
    )


def test_elsewhere_than_on_a_terminal_a_chunk_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = progress_for(wanted=True)
    assert isinstance(lines, Lines)
    lines.begin(91, 0)
    lines.waits("victoriametrics to have all of it on its disk")
    lines.wrote(WINTER, instant("2024-03-02"), instant("2024-04-01"), Totals(2880, 12.5, samples=8640))
    lines.retries("is in trouble; trying again in 2 s")
    lines.retries("")
    lines.warn("location 70001: odd [bold]data[/bold] :smile:")
    lines.end()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        "location 70001, 2024-03-02 to 2024-03-31: 2,880 intervals, 12.50 kWh drawn, 8,640 samples sent",
        "is in trouble; trying again in 2 s",
        "location 70001: odd [bold]data[/bold] :smile:",
    ]


def test_where_it_is_not_wanted_only_warnings_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = progress_for(wanted=False)
    assert type(quiet) is Warnings
    quiet.begin(91, 0)
    quiet.retries("is in trouble; trying again in 2 s")
    quiet.wrote(WINTER, WINTER.start, WINTER.end, Totals(1))
    quiet.warn("mind this")
    quiet.end()
    assert capsys.readouterr() == ("", "mind this\n")


def test_the_bar_counts_days_and_goes_on_from_those_that_are_done() -> None:
    bar = Bar(Console(force_terminal=True, width=200))
    bar.begin(91, 31)
    (task,) = bar._bar.tasks
    assert (task.completed, task.total) == (31, 91)
    bar.wrote(WINTER, instant("2024-03-02"), instant("2024-04-01"), replace(Totals(), intervals=720))
    (task,) = bar._bar.tasks
    assert (task.completed, task.description) == (61, "location 70001")
    assert task.fields["speed"].endswith(" intervals/s")
    bar.waits("the database")
    assert bar._bar.tasks[0].fields["waiting"] == "waiting for the database"
    bar.retries("it is away; trying again in 2 s")
    assert bar._bar.tasks[0].fields["waiting"] == "it is away; trying again in 2 s"
    bar.retries("")
    assert bar._bar.tasks[0].fields["waiting"] == ""
    bar.end()


# -- what is not proven, not whole, or not all


def sink_like(*, resumes: bool, is_verified: bool, name: str) -> Sink:
    sink = Nowhere()
    sink.resumes, sink.is_verified, sink.name = resumes, is_verified, name
    return sink


CSV = sink_like(resumes=False, is_verified=False, name="csv out.csv")
UNREAD = sink_like(resumes=True, is_verified=False, name="influxdb http://127.0.0.1:8086/electric (per interval)")


def test_what_cannot_be_read_back_is_not_called_verified() -> None:
    assert summary(holding(is_finished=True), UNREAD)[0] == (
        "All is written, not verified: influxdb http://127.0.0.1:8086/electric (per interval)"
    )


@pytest.mark.parametrize(
    "result",
    [
        BackfillResult(done=1, errors=["csv out.csv: no room"]),
        BackfillResult(done=1, left=1, errors=["csv out.csv: no room"]),
    ],
)
def test_a_file_that_is_not_whole_is_not_written_and_the_reason_is_told(result: BackfillResult) -> None:
    assert summary(result, CSV)[:2] == ["Nothing is written: csv out.csv", "  not done    csv out.csv: no room"]


def test_a_file_that_was_broken_off_is_not_written() -> None:
    assert summary(BackfillResult(done=1, left=3, is_stopped=True), CSV)[:2] == [
        "Nothing is written: csv out.csv",
        "  intervals   0",
    ]


@pytest.mark.parametrize(
    ("sink", "said"),
    [
        (CSV, "2 of 2 chunks are done: csv out.csv"),
        (UNREAD, f"2 of 2 chunks are done: {UNREAD.name}"),
        (SINK, f"2 of 2 chunks are done: {SINK.name}"),
    ],
)
def test_what_could_not_even_be_asked_for_is_not_all(sink: Sink, said: str) -> None:
    result = BackfillResult(done=2, is_finished=True, errors=["login old: sign-ins are paused"])
    assert summary(result, sink)[:2] == [said, "  not done    login old: sign-ins are paused"]


def beginning(first: str, *, left: int = 0) -> list[str]:
    spans = {"81001": (instant(first), WINTER.end), "81002": (instant("2024-03-01"), WINTER.end)}
    result = holding(coverage=Coverage(spans=spans), left=left)
    return [line for line in summary(result) if line.startswith("  begins")]


def test_where_the_intervals_begin_is_told_where_that_is_later_than_was_asked_for() -> None:
    assert beginning("2024-02-10 05:00") == ["  begins      location 70001: the portal's intervals begin on 2024-02-10"]
    assert beginning("2024-01-01 05:00") == []
    assert beginning("2024-02-10", left=1) == []
