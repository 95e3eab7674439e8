"""A whole backfill from a simulated portal into a database that loses, lies, refuses, dies and comes back."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.backfill.fetcher import Fetched, Fetcher
from exporter.backfill.journal import CompletedChunk, Journal, Totals
from exporter.backfill.plan import Job, read_range
from exporter.backfill.report import summary_lines
from exporter.backfill.result import BackfillResult
from exporter.backfill.runner import Backfill
from exporter.backfill.sources import Sources
from exporter.config import Config, ExporterConfig, Login
from exporter.errors import DatabaseError
from exporter.intervals.model import Interval, Location, LocationKey
from exporter.simulator.household import Household
from exporter.simulator.portal import Call, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, Revision, SignIn, Span
from exporter.simulator.specs import Channels, LocationSpec, MeterSpec, UserSpec
from exporter.simulator.world import World
from exporter.sinks.base import Chunk, Sink, Written
from exporter.storage.snapshots import SnapshotStore
from exporter.storage.state import StateFile

from ..support.clocks import ManualClock
from ..support.exporter import Exporter
from ..support.portal import StartPortal, change, login_of
from ..support.worlds import BARN_METER, DAY, METER, NOW, SMALL, TWO, WALL

HOUR = 3600
WINDOW = 7 * DAY
PASSES = DatabaseError("fake: connection refused")
PASSES.passes_by_itself = True
LASTS = DatabaseError("fake: keeps only 31 days")


class FakeSink(Sink):
    """Keeps chunks in memory. plans: what happens to the next writes and looks, an error or nothing.

    loses: which chunks are gone when it is looked again, by start. settles: seconds.
    """

    name = "fake"

    def __init__(self, clock: ManualClock, *, settling: float = 15.0, oldest_first: bool = False) -> None:
        self.clock = clock
        self.settling = settling
        self.oldest_first = oldest_first
        self.held: dict[tuple[str, int], Chunk] = {}
        self.written_at: dict[tuple[str, int], float] = {}
        self.looked_after: list[float] = []
        self.writes: list[int] = []
        self.write_errors: list[DatabaseError | None] = []
        self.look_errors: list[DatabaseError | None] = []
        self.finish_errors: list[DatabaseError | None] = []
        self.loses: Callable[[Written], bool] = lambda _: False
        self.on_write: Callable[[Chunk], None] = lambda _: None
        self.finished = 0

    def open(self, oldest: int) -> list[str]:
        return []

    def write(self, chunk: Chunk) -> Written:
        self.writes.append(chunk.start)
        _end_with(self.write_errors)
        self.on_write(chunk)
        key = chunk.key.location, chunk.start
        self.held[key] = chunk
        self.written_at[key] = self.clock.monotonic()
        count = sum(len(meter.intervals) for meter in chunk.meters)
        return Written(chunk.key, chunk.start, chunk.end, count, corrected=2, gone=1)

    def still_holds(self, written: Written) -> bool:
        _end_with(self.look_errors)
        key = written.key.location, written.start
        self.looked_after.append(self.clock.monotonic() - self.written_at[key])
        if self.loses(written):
            self.held.pop(key, None)
        return key in self.held

    def finish(self) -> None:
        _end_with(self.finish_errors)
        self.finished += 1

    def close(self) -> None:
        pass

    def intervals(self, number: str = "70001") -> list[Interval]:
        chunks = [chunk for (location, _), chunk in sorted(self.held.items()) if location == number]
        return [each for chunk in chunks for meter in chunk.meters for each in meter.intervals]


def _end_with(errors: list[DatabaseError | None]) -> None:
    error = errors.pop(0) if errors else None
    if error is not None:
        raise error


@dataclass
class Seen:
    """A progress that remembers."""

    waited: list[str] = field(default_factory=list)
    chunks: list[tuple[str, int, int, Totals]] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)

    def begin(self, days: int, done: int) -> None:
        pass

    def waits(self, what: str) -> None:
        if what:
            self.waited.append(what)

    retries = waits

    def wrote(self, job: Job, start: int, end: int, totals: Totals) -> None:
        self.chunks.append((job.key.location, start, end, totals))

    def warn(self, message: str) -> None:
        self.warned.append(message)

    def end(self) -> None:
        pass


@dataclass
class Result:
    """What came of a run; polls: of the portals, in this run alone."""

    result: BackfillResult
    seen: Seen
    jobs: list[Job]
    done: list[CompletedChunk]
    polls: int


Run = Callable[..., Result]


@pytest.fixture
def run(clock: ManualClock, tmp_path: Path) -> Iterator[Run]:
    """Runs a backfill as the command does; again on the same folder it is the same command."""
    with ExitStack() as stack:

        def start(
            sink: Sink,
            *portals: PortalServer,
            start: str | None = None,
            end: str | None = None,
            days: int | None = None,
            only: Sequence[str] = (),
            logins: Sequence[Login] = (),
        ) -> Result:
            logins = logins or [login_of(portal, name=f"coop{index}") for index, portal in enumerate(portals)]
            config = Config(logins=tuple(logins), exporter=ExporterConfig(window=WINDOW))
            state = stack.enter_context(closing(StateFile(tmp_path)))
            sources = stack.enter_context(Sources(config, state, clock))
            jobs = sources.jobs(read_range(start, end, days, 10), frozenset(only))
            journal = Journal(state, clock, (sink.name, *(f"{job.key} {job.start} {job.end}" for job in jobs)))
            done = journal.read()
            journal.begin(anew=False)
            seen = Seen()
            store = SnapshotStore(state, WINDOW, lambda _: "America/New_York")
            fetcher = Fetcher(sources.clients, lambda _: {}, clock, seen.retries)
            backfill = Backfill(
                jobs,
                sink,
                fetcher,
                journal=journal,
                store=store,
                state=state,
                window=WINDOW,
                clock=clock,
                progress=seen,
            )
            result = backfill.run(done)
            return Result(result, seen, jobs, done, sources.requests["poll"])

        yield start


@pytest.fixture
def sink(clock: ManualClock) -> FakeSink:
    return FakeSink(clock)


def summary(result: BackfillResult) -> tuple[int, int, int, list[str], bool]:
    return result.done, result.left, result.already, result.errors, result.is_stopped


def day(text: str) -> int:
    return WALL.midnight_of(date.fromisoformat(text))


def assert_true(sink: FakeSink, portal: PortalServer, job: Job, meter: MeterSpec = METER) -> None:
    """It holds every interval of the job as it really was, and each one once."""
    truth = portal.portal.almanac.intervals(meter, job.start, job.end)
    held = sink.intervals(job.key.location)
    assert [(each.start, each.end, each.usage, each.export, each.cost) for each in held] == [
        (each.start, each.end, each.usage, each.export, each.cost) for each in truth
    ]


# -- when nothing is wrong


def test_everything_arrives_and_the_figures_are_those_of_the_portal(
    run: Run, sink: FakeSink, portal: PortalServer
) -> None:
    result = run(sink, portal, start="2025-08-01")
    (job,) = result.jobs
    assert summary(result.result) == (6, 0, 0, [], False)
    assert_true(sink, portal, job)
    truth = portal.portal.truth(METER, job.start, job.end)
    totals = result.result.totals
    assert (totals.intervals, totals.samples) == (len(sink.intervals()), len(sink.intervals()))
    assert totals.usage == pytest.approx(truth.usage)
    assert totals.cost == pytest.approx(truth.cost)
    assert (totals.export, totals.corrected, totals.gone) == (0.0, 12, 6)
    assert sink.finished == 1
    assert result.result.holes(job.key, job.wall) == []
    # The change of clocks in autumn has its 25 hours.
    autumn = day("2025-11-02")
    assert sum(autumn <= each.start < autumn + 25 * HOUR for each in sink.intervals()) == 25


def test_a_signed_solar_meter_is_true_over_all_chunks(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    solar = MeterSpec("81001", Household(2, solar=6.5), channels=Channels.SIGNED, step=HOUR)
    portal = start_portal(World(locations=(LocationSpec("55001", "70001", (solar,)),)))
    result = run(sink, portal, start="2025-10-01")
    assert_true(sink, portal, result.jobs[0], solar)
    truth = portal.portal.truth(solar, result.jobs[0].start, result.jobs[0].end)
    assert result.result.totals.export == pytest.approx(truth.export)


def export_of(sink: FakeSink) -> set[bool]:
    return {each.export is not None for each in sink.intervals() if each.usage is not None}


def test_a_signed_meter_that_turns_out_to_export_has_its_zeros_in_all_chunks(
    run: Run, sink: FakeSink, start_portal: StartPortal
) -> None:
    """It exports in summer only, and the newest chunks are written first."""
    solar = MeterSpec("81001", Household(2, solar=0.9), channels=Channels.SIGNED, step=HOUR)
    portal = start_portal(World(locations=(LocationSpec("55001", "70001", (solar,)),)))
    assert run(sink, portal, start="2025-12-01", end="2026-01-05").result.totals.export == 0.0
    assert export_of(sink) == {False}
    sink.held.clear()
    result = run(sink, portal, start="2025-06-01", end="2026-01-05")
    assert result.result.totals.export > 0.0
    assert export_of(sink) == {True}
    assert summary(result.result)[:2] == (8, 0)
    assert result.result.totals.intervals == len(sink.intervals())
    assert_true(sink, portal, result.jobs[0], solar)


def test_what_an_earlier_run_wrote_without_zeros_is_written_again(
    run: Run, sink: FakeSink, start_portal: StartPortal
) -> None:
    solar = MeterSpec("81001", Household(2, solar=0.9), channels=Channels.SIGNED, step=HOUR)
    portal = start_portal(World(locations=(LocationSpec("55001", "70001", (solar,)),)))
    sink.write_errors = [None, LASTS]
    assert run(sink, portal, start="2025-06-01", end="2025-12-31").result.done == 1
    second = run(sink, portal, start="2025-06-01", end="2025-12-31")
    assert (len(second.done), summary(second.result)[:2]) == (1, (8, 0))
    assert export_of(sink) == {True}
    assert second.result.totals.intervals == len(sink.intervals())


@pytest.mark.parametrize("oldest_first", [False, True])
def test_chunks_are_written_in_the_order_that_the_sink_wants(
    run: Run,
    clock: ManualClock,
    portal: PortalServer,
    oldest_first: bool,  # noqa: FBT001
) -> None:
    sink = FakeSink(clock, oldest_first=oldest_first)
    run(sink, portal, start="2025-10-01")
    assert sink.writes == sorted(sink.writes, reverse=not oldest_first)
    assert len(sink.writes) == 4


def test_each_chunk_is_asked_for_once(run: Run, sink: FakeSink, portal: PortalServer) -> None:
    assert run(sink, portal, start="2025-08-01").polls == 6


def test_the_progress_is_told_of_each_chunk(run: Run, sink: FakeSink, portal: PortalServer) -> None:
    result = run(sink, portal, start="2025-12-01", end="2026-01-05")
    assert [each[:3] for each in result.seen.chunks] == [
        ("70001", day("2025-12-31"), day("2026-01-06")),
        ("70001", day("2025-12-01"), day("2025-12-31")),
    ]
    assert [each[3].intervals for each in result.seen.chunks] == [6 * 24, 30 * 24]
    assert sum((each[3] for each in result.seen.chunks), Totals()) == result.result.totals


# -- settling


def test_nothing_is_done_before_it_has_settled(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock, tmp_path: Path
) -> None:
    def noted() -> int:
        with closing(StateFile(tmp_path)) as state:
            count: int = state.run(
                lambda database: database.execute("SELECT count(*) FROM backfill_done").fetchone()[0]
            )
            return count

    before: list[int] = []
    sink.on_write = lambda _: before.append(noted())
    result = run(sink, portal, start="2025-10-01", end="2025-12-31")
    assert before == [0, 0, 0, 0]
    assert noted() == result.result.done == 4
    assert min(sink.looked_after) >= 15.0
    assert "fake to have all of it on its disk" in result.seen.waited


def test_chunks_settle_while_others_are_written(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock
) -> None:
    sink.on_write = lambda _: clock.advance(10)
    started = clock.monotonic()
    result = run(sink, portal, start="2025-10-01")
    assert result.result.done == 4
    assert clock.monotonic() - started == pytest.approx(4 * 10 + 15)


def test_what_is_lost_before_it_has_settled_is_fetched_and_written_again(
    run: Run, sink: FakeSink, portal: PortalServer
) -> None:
    lost = iter([True, False, True])
    sink.loses = lambda _: next(lost, False)
    result = run(sink, portal, start="2025-10-01")
    assert summary(result.result) == (4, 0, 0, [], False)
    assert_true(sink, portal, result.jobs[0])
    assert Counter(sink.writes).most_common(3)[-1][1] == 1
    assert len(sink.writes) == 6
    assert result.polls == 6
    # What was written twice counts once.
    assert result.result.totals.intervals == len(sink.intervals())


def test_a_database_that_loses_everything_again_and_again_is_told(
    run: Run, sink: FakeSink, portal: PortalServer
) -> None:
    sink.loses = lambda _: True
    result = run(sink, portal, start="2025-12-01", end="2025-12-02")
    assert len(sink.writes) == 3
    said = "fake: what it held is gone again; see whether something restarts or kills it"
    assert summary(result.result) == (0, 1, 0, [said], False)
    assert result.seen.warned == [said]
    assert result.result.totals == Totals()
    assert sink.finished == 0


# -- a database that refuses


def test_a_database_that_is_being_restarted_is_waited_for(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock
) -> None:
    sink.write_errors = [PASSES, PASSES, PASSES]
    result = run(sink, portal, start="2025-12-01", end="2025-12-02")
    assert summary(result.result) == (1, 0, 0, [], False)
    assert [text for text in result.seen.waited if "again" in text] == [
        f"fake: connection refused; trying again in {seconds} s" for seconds in (2, 10, 30)
    ]
    assert result.polls == 1


def test_a_database_that_stays_away_ends_the_run_after_all_waits(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock
) -> None:
    sink.write_errors = [None, *[PASSES] * 4]
    started = clock.monotonic()
    result = run(sink, portal, start="2025-10-01")
    assert summary(result.result) == (0, 4, 0, ["fake: connection refused"], False)
    assert len(sink.writes) == 5
    # It is not waited for a second time on behalf of what was to settle.
    assert clock.monotonic() - started == pytest.approx(42)
    assert sink.finished == 0


def test_a_database_that_is_away_when_it_is_looked_again_is_waited_for(
    run: Run, sink: FakeSink, portal: PortalServer
) -> None:
    sink.look_errors = [PASSES]
    assert summary(run(sink, portal, days=3).result) == (1, 0, 0, [], False)


def test_what_lasts_is_not_tried_again_and_what_was_written_before_is_done(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock
) -> None:
    sink.write_errors = [None, None, LASTS]
    result = run(sink, portal, start="2025-10-01")
    assert summary(result.result) == (2, 2, 0, ["fake: keeps only 31 days"], False)
    assert len(sink.writes) == 3
    assert not [seconds for seconds in clock.slept if seconds > 15]


def test_a_sink_that_cannot_be_finished_is_an_error(run: Run, sink: FakeSink, portal: PortalServer) -> None:
    sink.finish_errors = [LASTS]
    assert summary(run(sink, portal, days=3).result) == (1, 0, 0, ["fake: keeps only 31 days"], False)


# -- going on


def test_the_same_command_goes_on_where_it_stopped(run: Run, sink: FakeSink, portal: PortalServer) -> None:
    sink.write_errors = [None, None, LASTS]
    first = run(sink, portal, start="2025-10-01", end="2025-12-31")
    sink.writes.clear()
    second = run(sink, portal, start="2025-10-01", end="2025-12-31")
    assert [(each.start, each.end) for each in second.done] == sorted(each[1:3] for each in first.seen.chunks)
    assert second.polls == len(sink.writes) == 2
    assert summary(second.result) == (4, 0, 2, [], False)
    assert_true(sink, portal, second.jobs[0])
    truth = portal.portal.truth(METER, second.jobs[0].start, second.jobs[0].end)
    assert second.result.totals.usage == pytest.approx(truth.usage)
    assert second.result.totals.intervals == len(sink.intervals())


def test_where_all_is_done_nothing_is_asked_for(run: Run, sink: FakeSink, portal: PortalServer) -> None:
    first = run(sink, portal, start="2025-11-01", end="2025-12-10")
    again = run(sink, portal, start="2025-11-01", end="2025-12-10")
    assert (again.polls, len(sink.writes)) == (0, 2)
    assert summary(again.result) == (2, 0, 2, [], False)
    assert again.result.totals == first.result.totals


@pytest.mark.parametrize(("lag", "again"), [(40 * HOUR, 1), (0, 0)])
def test_what_may_still_be_posted_to_a_young_chunk_is_asked_for_by_the_same_command(
    run: Run, sink: FakeSink, start_portal: StartPortal, lag: float, again: int
) -> None:
    portal = start_portal(SMALL, lag=lag)
    first = run(sink, portal, start="2025-11-01", end="2026-01-13")
    assert first.result.done == 3
    change(portal, lag=0)
    second = run(sink, portal, start="2025-11-01", end="2026-01-13")
    assert (second.polls, len(second.done)) == (again, 3 - again)
    assert_true(sink, portal, second.jobs[0])


def test_another_range_begins_from_nothing(run: Run, sink: FakeSink, portal: PortalServer) -> None:
    run(sink, portal, start="2025-10-01", end="2025-12-31")
    other = run(sink, portal, start="2025-10-02", end="2025-12-31")
    assert (other.done, other.polls) == ([], 4)


def test_what_is_done_is_believed_for_a_day_only(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock
) -> None:
    run(sink, portal, start="2025-12-01", end="2025-12-02")
    clock.advance(25 * HOUR)
    assert run(sink, portal, start="2025-12-01", end="2025-12-02").polls == 1


# -- being stopped


def test_a_stop_ends_it_with_what_had_settled_and_the_same_command_completes(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock
) -> None:
    def stop_at_the_third(_: Chunk) -> None:
        clock.advance(20)
        if len(sink.writes) == 3:
            clock.stop()

    sink.on_write = stop_at_the_third
    first = run(sink, portal, start="2025-10-01", end="2025-12-31")
    assert first.result.is_stopped
    assert first.result.errors == []
    assert first.result.done + first.result.left == 4
    assert 1 <= first.result.done <= 3
    assert sink.finished == 0
    clock._stopped = False
    sink.on_write = lambda _: None
    second = run(sink, portal, start="2025-10-01", end="2025-12-31")
    assert summary(second.result) == (4, 0, first.result.done, [], False)
    assert second.polls == first.result.left
    assert_true(sink, portal, second.jobs[0])


def test_a_stop_while_the_database_is_waited_for_ends_it(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock
) -> None:
    sink.write_errors = [PASSES] * 10
    clock.ends_at = NOW + 5
    result = run(sink, portal, days=3)
    assert summary(result.result) == (0, 1, 0, [], True)
    assert len(sink.writes) == 2


# -- a portal that fails


def test_a_location_that_is_refused_keeps_no_other_away(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    portal = start_portal(TWO, refused_locations=("70001",))
    result = run(sink, portal, start="2025-06-01")
    house, barn = result.jobs
    assert (len(house.chunks()), len(barn.chunks())) == (8, 8)
    assert (result.result.done, result.result.left) == (8, 8)
    (said,) = result.result.errors
    assert said.startswith("location 70001: login coop0 may not see location 70001 of account 55001 (status 403); ")
    assert_true(sink, portal, barn, BARN_METER)
    # After three chunks in a row it is left alone; one more may be under way.
    assert 3 <= result.polls - 8 <= 4


def test_failures_that_are_not_in_a_row_leave_nothing_else_out(
    run: Run, sink: FakeSink, portal: PortalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    question, turns = portal.portal._question, iter(range(100))

    def refuses_every_other(asked: dict[str, object], user: UserSpec) -> object:
        return None if next(turns) % 2 == 0 else question(asked, user)

    monkeypatch.setattr(portal.portal, "_question", refuses_every_other)
    result = run(sink, portal, start="2025-06-01")
    assert (result.result.done, result.result.left, result.polls) == (4, 4, 8)


def test_days_that_the_portal_fails_on_are_left_and_the_others_of_the_chunk_written(
    run: Run, sink: FakeSink, portal: PortalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = (day("2025-11-10"), day("2025-11-11"))
    job_of_question = portal.portal._job

    def fails(question: object, *rest: object) -> object:
        start, end = question.start, question.end  # type: ignore[attr-defined]
        if start <= bad[0] < end:
            return replace(job_of_question(question, *rest), body=b'{"status": "FAILED"}')  # type: ignore[arg-type]
        return job_of_question(question, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(portal.portal, "_job", fails)
    first = run(sink, portal, start="2025-10-01", end="2025-12-29")
    assert (first.result.done, first.result.left) == (2, 1)
    (said,) = first.result.errors
    assert said.startswith(
        "location 70001: HOURLY data of location 70001 from 2025-11-10 to 2025-11-10: the portal gave"
    )
    held = {each.start for each in sink.intervals()}
    assert held.isdisjoint(range(*bad, HOUR))
    assert len(held) == 90 * 24 + 1 - 24
    monkeypatch.setattr(portal.portal, "_job", job_of_question)
    second = run(sink, portal, start="2025-10-01", end="2025-12-29")
    assert (second.polls, summary(second.result)) == (1, (3, 0, 2, [], False))
    assert_true(sink, portal, second.jobs[0])


def test_a_portal_that_is_down_for_a_minute_is_waited_for(
    run: Run, sink: FakeSink, portal: PortalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll, failures = portal.portal._poll, iter([True] * 3)

    def troubled(call: Call) -> SimulatedResponse:
        change(portal, poll=Poll.STATUS_503 if next(failures, False) else Poll.OK)
        return poll(call)

    monkeypatch.setattr(portal.portal, "_poll", troubled)
    result = run(sink, portal, days=3)
    assert summary(result.result) == (1, 0, 0, [], False)
    assert_true(sink, portal, result.jobs[0])
    assert any("asking again in" in text for text in result.seen.waited)


def test_a_portal_that_stays_down_ends_the_run_with_what_was_done(
    run: Run, sink: FakeSink, portal: PortalServer
) -> None:
    sink.on_write = lambda _: change(portal, poll=Poll.STATUS_500)
    result = run(sink, portal, start="2025-06-01", end="2025-12-31")
    assert 1 <= result.result.done <= 2
    assert result.result.done + result.result.left == 8
    (said,) = result.result.errors
    assert "the portal has trouble (status 500)" in said
    change(portal, poll=Poll.OK)
    sink.on_write = lambda _: None
    second = run(sink, portal, start="2025-06-01", end="2025-12-31")
    assert (second.result.left, second.polls) == (0, result.result.left)
    assert_true(sink, portal, second.jobs[0])


def test_a_sign_in_that_is_refused_on_the_way_ends_the_run(run: Run, sink: FakeSink, portal: PortalServer) -> None:
    def sign_out(_: Chunk) -> None:
        change(portal, sign_in=SignIn.STATUS_401)
        portal.portal.sign_everybody_out()

    sink.on_write = sign_out
    result = run(sink, portal, start="2025-06-01")
    assert 1 <= result.result.done <= 2
    assert len(result.result.errors) == 1
    assert portal.portal.most_refused["member@example.org"] == 1


def test_warnings_of_the_portals_data_are_told_with_their_location(
    run: Run, sink: FakeSink, start_portal: StartPortal
) -> None:
    meter = replace(METER, channels=Channels.UNKNOWN)
    portal = start_portal(World(locations=(LocationSpec("55001", "70001", (meter,)),)))
    result = run(sink, portal, days=3)
    assert len(result.seen.warned) == 1
    assert result.seen.warned[0].startswith("location 70001: unknown flow direction ")


# -- how far back, and holes


def test_days_before_the_connection_are_done_without_asking(
    run: Run, sink: FakeSink, start_portal: StartPortal
) -> None:
    house = LocationSpec("55001", "70001", (METER,), connected="2025-12-10")
    portal = start_portal(World(locations=(house,)))
    result = run(sink, portal, start="2020-01-01")
    (job,) = result.jobs
    assert result.result.left == 0
    assert result.result.done == len(job.chunks()) == 74
    assert result.result.connected == {job.key: day("2025-12-10")}
    assert result.polls <= 3
    assert_true(sink, portal, job)


def test_a_connection_within_the_range_is_told_and_one_before_it_is_not(
    run: Run, sink: FakeSink, start_portal: StartPortal
) -> None:
    house = LocationSpec("55001", "70001", (METER,), connected="2025-12-10")
    portal = start_portal(World(locations=(house,)))
    assert list(run(sink, portal, start="2025-12-05", end="2025-12-20").result.connected.values()) == [
        day("2025-12-10")
    ]
    assert run(sink, portal, start="2025-12-10", end="2025-12-20").result.connected == {}


def test_days_that_are_not_whole_are_told_with_how_much_is_missing(
    run: Run, sink: FakeSink, start_portal: StartPortal
) -> None:
    gaps = (
        Span("81001", day("2025-11-20") + 5 * HOUR, day("2025-11-20") + 7 * HOUR),
        Span("81001", day("2025-12-03"), day("2025-12-05")),
        Span("81001", day("2025-12-31") + 10 * HOUR, day("2025-12-31") + 11 * HOUR),
    )
    portal = start_portal(SMALL, gaps=gaps)
    result = run(sink, portal, start="2025-11-15", end="2025-12-31")
    (job,) = result.jobs
    assert result.result.holes(job.key, job.wall) == [
        (day("2025-11-20"), 2, 24),
        (day("2025-12-03"), 24, 24),
        (day("2025-12-04"), 24, 24),
        (day("2025-12-31"), 1, 24),
    ]
    assert_true(sink, portal, job)


def test_what_is_before_the_first_and_behind_the_last_data_is_no_hole(
    run: Run, sink: FakeSink, start_portal: StartPortal
) -> None:
    portal = start_portal(SMALL, history=5, lag=30 * HOUR)
    result = run(sink, portal, days=10)
    assert result.result.holes(result.jobs[0].key, result.jobs[0].wall) == []
    assert len(sink.intervals()) == 5 * 24 - 18


def test_an_exchange_of_meters_leaves_no_holes(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    """The old one has nothing behind that day, and the new one nothing before it."""
    change_of_meters = day("2025-12-15") + 10 * HOUR
    old, new = METER, MeterSpec("81009", Household(4), step=HOUR)
    gaps = (Span("81001", change_of_meters, NOW), Span("81009", 0, change_of_meters))
    portal = start_portal(World(locations=(LocationSpec("55001", "70001", (old, new)),)), gaps=gaps)
    result = run(sink, portal, start="2025-12-01", end="2025-12-31")
    assert result.result.holes(result.jobs[0].key, result.jobs[0].wall) == []
    assert result.result.totals.intervals == 31 * 24


# -- together with the exporter


def test_what_a_backfill_was_needed_for_is_done_with_it(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock, tmp_path: Path
) -> None:
    needed = [day("2025-11-03"), day("2025-12-05"), day("2026-01-02")]
    key = LocationKey(portal.host, "55001", "70001")
    with closing(StateFile(tmp_path)) as state:
        state.save(Location(key, "", "America/New_York"), [], needed, 0)
        run(sink, portal, start="2025-12-01", end="2025-12-31")
        assert state.backfill_needed() == {key: needed[0]}
        run(sink, portal, start="2025-11-01", end="2025-11-10")
        assert state.backfill_needed() == {key: needed[2]}


def test_what_is_lost_again_is_still_needed(run: Run, sink: FakeSink, portal: PortalServer, tmp_path: Path) -> None:
    key = LocationKey(portal.host, "55001", "70001")
    with closing(StateFile(tmp_path)) as state:
        state.save(Location(key, "", "America/New_York"), [], [day("2025-12-05")], 0)
        sink.loses = lambda _: True
        run(sink, portal, start="2025-12-01", end="2025-12-31")
        assert state.backfill_needed() == {key: day("2025-12-05")}


def test_the_exporter_and_a_backfill_write_the_very_same_samples(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock, tmp_path: Path
) -> None:
    exporter = Exporter(clock, login_of(portal), folder=tmp_path)
    exporter.refresh()
    clock.advance(3 * HOUR)
    run(sink, portal, days=5)
    served = {each.start: each for each in exporter.location().meters[0].intervals}
    held = sink.intervals()
    assert [served.get(each.start, each) for each in held] == held
    assert len([each for each in held if each.start in served]) == len(held) - 3
    exporter.store.reload_if_changed()
    assert exporter.location().meters[0].intervals[-1] == held[-1]
    exporter.close()


# -- several locations and portals


def test_several_portals_fill_the_same_database(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    barn = World("America/Denver", locations=(LocationSpec("55002", "70002", (BARN_METER,)),))
    portals = start_portal(SMALL), start_portal(barn)
    logins = [
        login_of(portals[0], name="first"),
        login_of(portals[1], name="second", zone=ZoneInfo("America/Denver")),
    ]
    result = run(sink, *portals, days=40, logins=logins)
    assert (result.result.done, result.result.left, result.polls) == (4, 0, 4)
    starts = defaultdict(set)
    for location, start in sink.held:
        starts[location].add(start)
    assert {start % DAY // HOUR for start in starts["70001"]} == {5}
    assert {start % DAY // HOUR for start in starts["70002"]} == {7}
    assert_true(sink, portals[0], result.jobs[0])
    assert_true(sink, portals[1], result.jobs[1], BARN_METER)


def told(result: Result, sink: Sink) -> list[str]:
    """The summary of a run."""
    return list(summary_lines(result.result, result.jobs, sink, 1, 1.0))


# -- a wrong zone

UNFIT = (
    "location {}: the portal's times do not fit the zone {}; nothing more is written of it,"
    " smarthub-exporter check tells which zone does"
)


def test_of_a_location_whose_zone_is_wrong_nothing_is_written_and_others_go_on(
    run: Run, sink: FakeSink, start_portal: StartPortal
) -> None:
    barn = World(locations=(LocationSpec("55002", "70002", (BARN_METER,)),))
    portals = start_portal(SMALL, shifted=-2 * HOUR), start_portal(barn)
    result = run(sink, *portals, start="2025-06-01")
    said = UNFIT.format("70001", "America/New_York")
    assert summary(result.result) == (8, 8, 0, [said], False)
    assert result.seen.warned == [said]
    assert {location for location, _ in sink.held} == {"70002"}
    assert len(sink.writes) == 8
    assert_true(sink, portals[1], result.jobs[1], BARN_METER)
    assert told(result, sink)[:2] == ["8 of 16 chunks are done: fake", f"  not done    {said}"]
    # One more may be under way.
    assert 1 <= polls(portals[0]) <= 2


def polls(portal: PortalServer) -> int:
    return sum(count for (endpoint, _), count in portal.portal.calls.items() if endpoint == "poll")


def test_a_wrong_zone_that_agrees_in_summer_writes_nothing_of_summer(
    run: Run, sink: FakeSink, portal: PortalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Puerto Rico has all year the time that New York has in summer; the older chunk is under way by then."""
    take = Backfill._take

    def take_late(backfill: Backfill, fetched: Fetched) -> None:
        deadline = time.monotonic() + 10
        while polls(portal) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        take(backfill, fetched)

    monkeypatch.setattr(Backfill, "_take", take_late)
    login = login_of(portal, zone=ZoneInfo("America/Puerto_Rico"))
    result = run(sink, portal, start="2025-10-05", end="2025-11-10", logins=[login])
    assert result.polls == 2
    assert sink.writes == []
    said = UNFIT.format("70001", "America/Puerto_Rico")
    assert summary(result.result) == (0, 2, 0, [said], False)
    assert sink.finished == 0


def test_a_wrong_zone_shows_in_days_up_to_now_too_by_the_bills(run: Run, sink: FakeSink, portal: PortalServer) -> None:
    result = run(sink, portal, days=3, logins=[login_of(portal, zone=ZoneInfo("America/Chicago"))])
    said = UNFIT.format("70001", "America/Chicago")
    assert summary(result.result) == (0, 1, 0, [said], False)
    assert sink.writes == []


# -- what cannot be read back, and what is whole or nothing


@pytest.mark.parametrize(
    ("is_verified", "said", "is_needed"),
    [(False, "All is written, not verified: fake", True), (True, "All is stored and was read back: fake", False)],
)
def test_only_what_was_read_back_is_no_longer_needed(  # noqa: PLR0917 - fixtures
    run: Run,
    sink: FakeSink,
    portal: PortalServer,
    tmp_path: Path,
    is_verified: bool,  # noqa: FBT001
    said: str,
    is_needed: bool,  # noqa: FBT001
) -> None:
    key = LocationKey(portal.host, "55001", "70001")
    needed = {key: day("2025-12-05")}
    sink.is_verified = is_verified
    with closing(StateFile(tmp_path)) as state:
        state.save(Location(key, "", "America/New_York"), [], needed.values(), 0)
        result = run(sink, portal, start="2025-12-01", end="2025-12-31")
        assert summary(result.result) == (2, 0, 0, [], False)
        assert told(result, sink)[0] == said
        assert state.backfill_needed() == (needed if is_needed else {})


def test_a_file_that_cannot_be_put_in_its_place_is_not_written(run: Run, sink: FakeSink, portal: PortalServer) -> None:
    sink.resumes = sink.is_verified = False
    sink.finish_errors = [LASTS]
    result = run(sink, portal, days=3)
    assert not result.result.is_finished
    assert told(result, sink)[:2] == ["Nothing is written: fake", "  not done    fake: keeps only 31 days"]


def test_a_file_of_which_something_is_left_is_not_written(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    sink.resumes = sink.is_verified = False
    result = run(sink, start_portal(TWO, refused_locations=("70001",)), days=3)
    assert (sink.finished, result.result.is_finished) == (0, False)
    first, reason, *_ = told(result, sink)
    assert first == "Nothing is written: fake"
    assert reason.startswith("  not done    location 70001: login coop0 may not see location 70001 of account 55001")


# -- what an earlier run saw


def test_holes_and_figures_of_what_an_earlier_run_did_are_in_the_summary(
    run: Run, sink: FakeSink, start_portal: StartPortal
) -> None:
    gaps = (
        Span("81001", day("2025-12-20") + 5 * HOUR, day("2025-12-20") + 7 * HOUR),
        Span("81001", day("2025-10-10"), day("2025-10-11")),
    )
    portal = start_portal(SMALL, gaps=gaps)
    sink.write_errors = [None, None, LASTS]
    first = run(sink, portal, start="2025-10-01", end="2025-12-29")
    assert (first.result.done, first.result.left) == (2, 1)
    holes = "  holes       location 70001: {}"
    assert holes.format("1 day is not whole at the portal: 2025-12-20 (2 of 24)") in told(first, sink)
    second = run(sink, portal, start="2025-10-01", end="2025-12-29")
    assert second.polls == 1
    assert [each.coverage.holes for each in second.done] == [(), (("81001", day("2025-12-20"), 2, 24),)]
    both = holes.format("2 days are not whole at the portal: 2025-10-10 (24 of 24), 2025-12-20 (2 of 24)")
    assert both in told(second, sink)
    truth = portal.portal.truth(METER, second.jobs[0].start, second.jobs[0].end)
    assert f"  energy      {truth.usage:,.2f} kWh drawn" in told(second, sink)
    assert f"  intervals   {90 * 24 + 1 - 26:,} (2 chunks of it by an earlier run)" in told(second, sink)
    third = run(sink, portal, start="2025-10-01", end="2025-12-29")
    assert third.polls == 0
    assert both in told(third, sink)


def test_holes_of_what_was_lost_and_written_again_count_once(
    run: Run, sink: FakeSink, start_portal: StartPortal
) -> None:
    portal = start_portal(SMALL, gaps=(Span("81001", day("2025-12-03"), day("2025-12-03") + 2 * HOUR),))
    lost = iter([True])
    sink.loses = lambda _: next(lost, False)
    result = run(sink, portal, start="2025-12-01", end="2025-12-10")
    assert len(sink.writes) == 2
    assert result.result.holes(result.jobs[0].key, result.jobs[0].wall) == [(day("2025-12-03"), 2, 24)]


def test_a_warning_is_said_once_a_location_and_not_once_a_chunk(
    run: Run, sink: FakeSink, start_portal: StartPortal
) -> None:
    meters = replace(METER, channels=Channels.UNKNOWN), replace(BARN_METER, channels=Channels.UNKNOWN)
    places = LocationSpec("55001", "70001", (meters[0],)), LocationSpec("55002", "70002", (meters[1],))
    result = run(sink, start_portal(World(locations=places)), start="2025-10-01")
    assert len(sink.writes) == 8
    first, second = result.seen.warned
    assert first.startswith("location 70001: unknown flow direction ")
    assert second == first.replace("70001", "70002")


def test_a_state_that_nobody_kept_up_to_date_changes_nothing(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock, tmp_path: Path
) -> None:
    exporter = Exporter(clock, login_of(portal), folder=tmp_path)
    exporter.refresh()
    exporter.close()
    clock.advance(12 * DAY)
    changed = tuple(
        Revision("81001", day(date) + 5 * HOUR, NOW + 1, 3.0) for date in ("2025-12-12", "2025-12-21", "2025-12-30")
    )
    change(portal, revisions=changed)
    result = run(sink, portal, days=60)
    assert_true(sink, portal, result.jobs[0])
    truth = portal.portal.truth(METER, result.jobs[0].start, result.jobs[0].end)
    assert result.result.totals.usage == pytest.approx(truth.usage)
    assert result.result.totals.intervals == len(sink.intervals())
