"""Test backfills from a simulated portal into a database that may fail."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from exporter.backfill.fetcher import Fetched, Fetcher
from exporter.backfill.journal import CompletedChunk, Journal, Totals
from exporter.backfill.plan import Job, JobChunk, KnownSteps, read_range
from exporter.backfill.progress import Progress
from exporter.backfill.result import BackfillResult
from exporter.backfill.runner import Backfill
from exporter.backfill.sources import Sources
from exporter.config import Config, ExporterConfig, Login
from exporter.errors import DatabaseError
from exporter.intervals.interval import Interval
from exporter.intervals.model import Location, LocationKey
from exporter.portal.directions import about_word
from exporter.portal.query import POLL
from exporter.portal.timezone import ZoneState, ZoneVerdict
from exporter.simulator.household import Household
from exporter.simulator.portal import Call, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, SignIn, Span
from exporter.simulator.specs import Channels, LocationSpec, MeterSpec
from exporter.simulator.world import World
from exporter.sinks.base import Chunk, Sink, Written
from exporter.storage.snapshots import SnapshotStore
from exporter.storage.state import StateFile

from ..support.clocks import ManualClock
from ..support.exporter import Exporter
from ..support.portal import StartPortal, change, login_of
from ..support.worlds import BARN_METER, DAY, METER, SMALL, TWO, WALL

HOUR = 3600
WINDOW = 7 * DAY
PASSES = DatabaseError("connection refused", passes_by_itself=True)
LASTS = DatabaseError("keeps only 31 days")
SOLAR = MeterSpec("81001", Household(2, solar=0.9), channels=Channels.SIGNED, step=HOUR)
"""It has only a net channel, and exports in summer only."""


class FakeSink(Sink):
    """Keeps chunks in memory.

    Each list of errors says how the next calls end. `loses` says which chunks are gone at the second look.
    """

    name = title = "fake"
    settling = 15.0

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.held: dict[tuple[str, int], Chunk] = {}
        self.written_at: dict[tuple[str, int], float] = {}
        self.looked_after: list[float] = []
        self.writes: list[int] = []
        self.begin_errors: list[DatabaseError | None] = []
        self.write_errors: list[DatabaseError | None] = []
        self.look_errors: list[DatabaseError | None] = []
        self.finish_errors: list[DatabaseError | None] = []
        self.loses: Callable[[Written], bool] = lambda _: False
        self.on_write: Callable[[Chunk], None] = lambda _: None
        self.finished = 0
        self.sends = True
        self.can_snapshot = False
        self.snapshot_errors: list[DatabaseError | None] = []
        self.snapshots = 0
        self.instances = [""]  # before the first chunk, then after each snapshot; the last one stays

    def instance(self) -> str:
        return self.instances.pop(0) if len(self.instances) > 1 else self.instances[0]

    def make_snapshot(self) -> str:
        if not self.can_snapshot:
            return ""
        self.snapshots += 1
        _end_with(self.snapshot_errors)
        return f"snapshot-{self.snapshots}"

    def open(self, oldest: int) -> list[str]:
        return []

    def begin(self) -> None:
        _end_with(self.begin_errors)

    def write(self, chunk: Chunk) -> Written:
        self.writes.append(chunk.start)
        _end_with(self.write_errors)
        self.on_write(chunk)
        key = chunk.key.location, chunk.start
        self.held[key] = chunk
        self.written_at[key] = self.clock.monotonic()
        count = self.sends * sum(len(meter.intervals) for meter in chunk.meters)
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


class Seen(Progress):
    """A progress that records what it shows."""

    def __init__(self) -> None:
        self.waited: list[str] = []
        self.chunks: list[CompletedChunk] = []
        self.warned: list[str] = []

    def waits(self, what: str) -> None:
        if what:
            self.waited.append(what)

    def retries(self, why: str) -> None:
        self.waits(why)

    def wrote(self, job: Job, done: CompletedChunk, connected: int | None) -> None:
        self.chunks.append(done)

    def warn(self, message: str) -> None:
        self.warned.append(message)


def unjudged(fetched: Fetched) -> Fetched:
    return replace(fetched, zone=ZoneVerdict())


class LateVerdict(Fetcher):
    """The first chunk has no verdict on the zone."""

    def fetch(
        self,
        chunks: Sequence[JobChunk],
        is_wanted: Callable[[JobChunk], bool] = lambda _: True,
        notice: Callable[[Fetched], None] = lambda _: None,
    ) -> Iterator[Fetched]:
        newest = chunks[0]

        def hide(each: Fetched) -> Fetched:
            return unjudged(each) if (each.job, each.start, each.end) == newest else each

        yield from map(hide, super().fetch(chunks, is_wanted, lambda each: notice(hide(each))))


class AllAhead(Fetcher):
    """Fetches everything first; only the first chunk has a verdict on the zone."""

    def fetch(
        self,
        chunks: Sequence[JobChunk],
        is_wanted: Callable[[JobChunk], bool] = lambda _: True,
        notice: Callable[[Fetched], None] = lambda _: None,
    ) -> Iterator[Fetched]:
        first, *others = super().fetch(chunks, is_wanted, lambda each: notice(unjudged(each)))
        yield first
        yield from map(unjudged, others)


@dataclass
class Result:
    """The result of a run; `polls` counts those of this run."""

    result: BackfillResult
    seen: Seen
    jobs: list[Job]
    done: list[CompletedChunk]
    polls: int

    @property
    def counts(self) -> tuple[int, int, int]:
        """The numbers of chunks done, left, and done by an earlier run."""
        return self.result.done, self.result.left, self.result.already

    @property
    def incomplete(self) -> int:
        (job,) = self.jobs
        return self.result.incomplete_days(job.key, job.wall)


Run = Callable[..., Result]


@pytest.fixture
def run(clock: ManualClock, tmp_path: Path) -> Iterator[Run]:
    """Run a backfill like the command.

    A second run on the same folder is the same command.
    """
    with ExitStack() as stack:

        def start(
            sink: Sink,
            *portals: PortalServer,
            start: str | None = None,
            end: str | None = None,
            days: int | None = None,
            logins: Sequence[Login] = (),
            fetching: type[Fetcher] = Fetcher,
        ) -> Result:
            logins = logins or [login_of(portal, name=f"coop{index}") for index, portal in enumerate(portals)]
            config = Config(logins=tuple(logins), exporter=ExporterConfig(window=WINDOW))
            state = stack.enter_context(closing(StateFile(tmp_path)))
            sources = stack.enter_context(closing(Sources(config, state, clock)))
            jobs = sources.jobs(read_range(start, end, days, 10), frozenset())
            journal = Journal(state, clock, (sink.name, *(f"{job.key} {job.start} {job.end}" for job in jobs)))
            done = journal.read()
            journal.begin(restart=False)
            seen = Seen()
            backfill = Backfill(
                jobs,
                sink,
                fetching(sources.clients, sources.judges, lambda _: KnownSteps(), clock, seen.retries),
                journal=journal,
                store=SnapshotStore(state, WINDOW, lambda _: "America/New_York"),
                state=state,
                window=WINDOW,
                clock=clock,
                progress=seen,
            )
            return Result(backfill.run(done), seen, jobs, done, sources.requests["poll"])

        yield start


@pytest.fixture
def sink(clock: ManualClock) -> FakeSink:
    return FakeSink(clock)


Instead = Callable[[PortalServer, Callable[[Call], SimulatedResponse | None]], None]


@pytest.fixture
def instead(monkeypatch: pytest.MonkeyPatch) -> Instead:
    """Replace the portal's responses to the polls for which a function returns one."""

    def start(portal: PortalServer, answer: Callable[[Call], SimulatedResponse | None]) -> None:
        respond = portal.portal.respond

        def respond_instead(call: Call) -> SimulatedResponse:
            return (answer(call) if call.path == POLL else None) or respond(call)

        monkeypatch.setattr(portal.portal, "respond", respond_instead)

    return start


def day(text: str) -> int:
    return WALL.midnight_of(date.fromisoformat(text))


def assert_true(sink: FakeSink, portal: PortalServer, job: Job, meter: MeterSpec = METER) -> None:
    """Check that the sink holds every true interval of the job exactly once."""
    truth = portal.portal.almanac.intervals(meter, job.start, job.end)
    held = sink.intervals(job.key.location)
    assert [(each.start, each.end, each.usage, each.export, each.cost) for each in held] == [
        (each.start, each.end, each.usage, each.export, each.cost) for each in truth
    ]


# -- without failures


@pytest.mark.slow
def test_all_data_arrives_and_adds_up(run: Run, sink: FakeSink, portal: PortalServer) -> None:
    result = run(sink, portal, start="2025-08-01")
    (job,) = result.jobs
    assert (result.counts, result.result.errors, result.result.is_stopped, result.polls) == ((6, 0, 0), [], False, 6)
    assert_true(sink, portal, job)
    truth = portal.portal.truth(METER, job.start, job.end)
    totals = result.result.totals
    assert (totals.intervals, totals.samples) == (len(sink.intervals()), len(sink.intervals()))
    assert totals.usage == pytest.approx(truth.usage)
    assert totals.cost == pytest.approx(truth.cost)
    assert (totals.export, totals.corrected, totals.gone) == (0.0, 12, 6)
    assert (sink.finished, result.incomplete) == (1, 0)
    assert [(each.start, each.end) for each in result.seen.chunks] == job.chunks()[::-1]
    assert sum((each.totals for each in result.seen.chunks), Totals()) == totals
    # The daylight saving change in autumn has its 25 hours.
    autumn = day("2025-11-02")
    assert sum(autumn <= each.start < autumn + 25 * HOUR for each in sink.intervals()) == 25


def export_of(sink: FakeSink) -> set[bool]:
    return {each.export is not None for each in sink.intervals() if each.usage is not None}


@pytest.mark.slow
def test_a_meter_found_to_export_gets_zeros_everywhere(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    """It exports in summer only, and the newest chunks are written first."""
    portal = start_portal(World(locations=(LocationSpec("55001", "70001", (SOLAR,)),)))
    assert run(sink, portal, start="2025-12-01", end="2026-01-05").result.totals.export == 0.0
    assert export_of(sink) == {False}
    sink.held.clear()
    result = run(sink, portal, start="2025-06-01", end="2026-01-05")
    truth = portal.portal.truth(SOLAR, result.jobs[0].start, result.jobs[0].end)
    assert 0.0 < result.result.totals.export == pytest.approx(truth.export)
    assert export_of(sink) == {True}
    assert result.counts[:2] == (8, 0)
    assert result.result.totals.intervals == len(sink.intervals())
    assert_true(sink, portal, result.jobs[0], SOLAR)


@pytest.mark.slow
def test_earlier_chunks_without_zeros_are_written_again(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    portal = start_portal(World(locations=(LocationSpec("55001", "70001", (SOLAR,)),)))
    sink.write_errors = [None, LASTS]
    assert run(sink, portal, start="2025-06-01", end="2025-12-31").result.done == 1
    second = run(sink, portal, start="2025-06-01", end="2025-12-31")
    assert (len(second.done), second.counts[:2]) == (1, (8, 0))
    assert export_of(sink) == {True}
    assert second.result.totals.intervals == len(sink.intervals())


# -- settling


def test_chunks_are_done_only_after_settling(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock, tmp_path: Path
) -> None:
    def noted() -> int:
        with closing(StateFile(tmp_path)) as state:
            return len(state.read(list, "chunk"))

    before: list[int] = []
    sink.on_write = lambda _: before.append(noted())
    result = run(sink, portal, start="2025-10-01", end="2025-12-31")
    assert before == [0, 0, 0, 0]
    assert noted() == result.result.done == 4
    assert min(sink.looked_after) >= 15.0
    assert any("disk" in each for each in result.seen.waited)


def test_chunks_settle_while_others_are_written(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock
) -> None:
    sink.on_write = lambda _: clock.advance(10)
    started = clock.monotonic()
    result = run(sink, portal, start="2025-10-01")
    assert result.result.done == 4
    assert clock.monotonic() - started == pytest.approx(4 * 10 + 15)


def test_a_snapshot_at_the_end_saves_the_wait(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock
) -> None:
    sink.can_snapshot = True
    sink.on_write = lambda _: clock.advance(10)
    started = clock.monotonic()
    result = run(sink, portal, start="2025-10-01", end="2025-12-31")
    assert (result.counts, sink.snapshots) == ((4, 0, 0), 1)
    assert clock.monotonic() - started == pytest.approx(4 * 10)
    # The first ones had settled before, the others were looked at after the snapshot.
    assert sink.looked_after == [20.0, 20.0, 10.0, 0.0]


@pytest.mark.parametrize(("instances", "looks"), [(["1"], 0), (["1", "2"], 4), (["", "2"], 4), (["1", ""], 4)])
def test_only_a_restart_makes_it_read_back_again(
    run: Run, sink: FakeSink, portal: PortalServer, instances: list[str], looks: int
) -> None:
    sink.can_snapshot, sink.instances = True, instances
    result = run(sink, portal, start="2025-10-01", end="2025-12-31")
    assert (result.counts, len(sink.looked_after), sink.snapshots) == ((4, 0, 0), looks, 1)


def test_what_was_lost_before_a_snapshot_is_written_again(run: Run, sink: FakeSink, portal: PortalServer) -> None:
    sink.can_snapshot = True
    lost = iter([True, False])
    sink.loses = lambda _: next(lost, False)
    result = run(sink, portal, start="2025-10-01", end="2025-12-31")
    assert (result.counts, result.result.errors, sink.snapshots) == ((4, 0, 0), [], 2)
    assert sorted(Counter(sink.writes).values()) == [1, 1, 1, 2]
    assert_true(sink, portal, result.jobs[0])


def test_after_a_snapshot_that_failed_it_waits(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock
) -> None:
    sink.can_snapshot, sink.snapshot_errors = True, [LASTS]
    sink.look_errors = [LASTS]
    assert run(sink, portal, start="2025-12-01", end="2025-12-02").counts == (0, 1, 0)
    assert run(sink, portal, start="2025-12-01", end="2025-12-02").counts == (1, 0, 0)
    assert sink.snapshots == 1
    assert min(sink.looked_after) >= 15.0


def test_a_run_that_sends_nothing_needs_no_proof(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock
) -> None:
    run(sink, portal, start="2025-10-01", end="2025-12-31")
    clock.advance(25 * HOUR)
    sink.can_snapshot, sink.sends = True, False
    sink.looked_after.clear()
    started = clock.monotonic()
    assert run(sink, portal, start="2025-10-01", end="2025-12-31").counts == (4, 0, 0)
    assert (sink.snapshots, sink.looked_after, clock.monotonic() - started) == (0, [], 0)


def test_clearing_a_needed_backfill_needs_proof(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock, tmp_path: Path
) -> None:
    run(sink, portal, start="2025-12-01", end="2025-12-02")
    clock.advance(25 * HOUR)
    sink.can_snapshot, sink.sends = True, False
    key = LocationKey(portal.host, "55001", "70001")
    with closing(StateFile(tmp_path)) as state:
        state.save(None, Location(key, "", "America/New_York"), needed_days=[day("2025-12-03")])
    assert run(sink, portal, start="2025-12-01", end="2025-12-02").counts == (1, 0, 0)
    assert sink.snapshots == 0
    clock.advance(25 * HOUR)
    assert run(sink, portal, start="2025-12-03", end="2025-12-03").counts == (1, 0, 0)
    assert sink.snapshots == 1


def test_what_was_written_before_a_stop_is_proven(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock
) -> None:
    sink.can_snapshot = True
    sink.on_write = lambda _: clock.stop() if len(sink.writes) == 3 else None
    result = run(sink, portal, start="2025-10-01", end="2025-12-31")
    assert (result.counts[0], result.result.is_stopped, sink.snapshots) == (len(result.seen.chunks), True, 1)
    assert result.counts[0] >= 2


def test_a_stop_does_not_wait(run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock) -> None:
    sink.on_write = lambda _: clock.stop()
    result = run(sink, portal, start="2025-10-01", end="2025-12-31")
    assert (result.counts[0], result.result.is_stopped) == (0, True)


def test_chunks_lost_before_settling_are_written_again(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    portal = start_portal(SMALL, gaps=(Span("81001", day("2025-12-03"), day("2025-12-03") + 2 * HOUR),))
    lost = iter([True, False, True])
    sink.loses = lambda _: next(lost, False)
    result = run(sink, portal, start="2025-10-01")
    assert (result.counts, result.result.errors) == ((4, 0, 0), [])
    assert_true(sink, portal, result.jobs[0])
    assert sorted(Counter(sink.writes).values()) == [1, 1, 2, 2]
    assert result.polls == 6
    # Chunks written twice count once.
    assert (result.result.totals.intervals, result.incomplete) == (len(sink.intervals()), 1)


def test_a_database_that_loses_everything_is_reported(run: Run, sink: FakeSink, portal: PortalServer) -> None:
    sink.loses = lambda _: True
    result = run(sink, portal, start="2025-12-01", end="2025-12-02")
    said = ["fake: stored data disappeared again; check whether something restarts or kills it"]
    assert (len(sink.writes), result.counts, result.result.errors) == (3, (0, 1, 0), said)
    assert (result.seen.warned, result.result.totals) == (said, Totals())


# -- a database that fails


def test_writes_are_retried_while_the_database_restarts(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock
) -> None:
    sink.write_errors, sink.look_errors = [PASSES, PASSES, PASSES], [PASSES]
    result = run(sink, portal, start="2025-12-01", end="2025-12-02")
    assert (result.counts, result.result.errors, result.polls) == ((1, 0, 0), [], 1)
    assert [seconds for seconds in clock.slept if seconds] == [2, 10, 30, 15, 2]
    assert sum("connection refused" in text for text in result.seen.waited) == 4


def test_a_database_that_stays_away_ends_the_run(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock
) -> None:
    sink.write_errors = [None, *[PASSES] * 4]
    started = clock.monotonic()
    result = run(sink, portal, start="2025-10-01")
    assert (result.counts, result.result.errors) == ((0, 4, 0), [str(PASSES)])
    assert (len(sink.writes), sink.finished) == (5, 0)
    # It does not wait again for chunks that have to settle.
    assert clock.monotonic() - started == pytest.approx(42)


@pytest.mark.slow
def test_the_same_command_resumes_after_a_permanent_error(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock
) -> None:
    sink.write_errors = [None, None, LASTS]
    first = run(sink, portal, start="2025-10-01", end="2025-12-31")
    assert (first.counts, first.result.errors, len(sink.writes)) == ((2, 2, 0), [str(LASTS)], 3)
    assert not [seconds for seconds in clock.slept if seconds > 15]
    sink.writes.clear()
    second = run(sink, portal, start="2025-10-01", end="2025-12-31")
    assert second.done == sorted(first.seen.chunks, key=lambda each: each.start)
    assert (second.polls, len(sink.writes), second.counts) == (2, 2, (4, 0, 2))
    assert_true(sink, portal, second.jobs[0])
    truth = portal.portal.truth(METER, second.jobs[0].start, second.jobs[0].end)
    assert second.result.totals.usage == pytest.approx(truth.usage)
    assert second.result.totals.intervals == len(sink.intervals())
    third = run(sink, portal, start="2025-10-01", end="2025-12-31")
    assert (third.polls, third.counts, third.result.totals) == (0, (4, 0, 4), second.result.totals)
    assert run(sink, portal, start="2025-10-02", end="2025-12-31").polls == 4, "another range starts from scratch"
    clock.advance(25 * HOUR)
    assert run(sink, portal, start="2025-10-01", end="2025-12-31").polls == 4, "completed chunks are trusted for a day"


def test_without_proof_nothing_counts_as_stored(run: Run, sink: FakeSink, portal: PortalServer) -> None:
    """Not even what an earlier run has done."""
    days = {"start": "2025-10-01", "end": "2025-12-31"}
    sink.write_errors = [None, LASTS]
    assert run(sink, portal, **days).result.done == 1
    sink.begin_errors = [PASSES, LASTS]
    second = run(sink, portal, **days)
    assert (len(second.done), second.counts, second.result.errors) == (1, (0, 4, 0), [str(LASTS)])
    assert (len(sink.writes), second.polls, sink.finished) == (2, 0, 0)
    assert run(sink, portal, **days).counts == (4, 0, 1)


def test_a_sink_that_cannot_finish_is_an_error(run: Run, sink: FakeSink, portal: PortalServer) -> None:
    sink.finish_errors = [LASTS]
    result = run(sink, portal, days=3)
    assert (result.counts, result.result.errors, result.result.is_finished) == ((1, 0, 0), [str(LASTS)], False)


@pytest.mark.parametrize(("lag", "again"), [(40 * HOUR, 1), (0, 0)])
def test_a_recent_chunk_that_may_grow_is_fetched_again(
    run: Run, sink: FakeSink, start_portal: StartPortal, lag: float, again: int
) -> None:
    portal = start_portal(SMALL, lag=lag)
    assert run(sink, portal, start="2025-11-01", end="2026-01-13").result.done == 3
    change(portal, lag=0)
    second = run(sink, portal, start="2025-11-01", end="2026-01-13")
    assert (second.polls, len(second.done)) == (again, 3 - again)
    assert_true(sink, portal, second.jobs[0])


# -- stops


def test_the_same_command_resumes_after_a_stop(
    run: Run, sink: FakeSink, portal: PortalServer, clock: ManualClock
) -> None:
    def end_at_the_third(_: Chunk) -> None:
        clock.advance(20)
        if len(sink.writes) == 3:
            clock.ends_at = clock.now()

    sink.on_write = end_at_the_third
    first = run(sink, portal, start="2025-10-01", end="2025-12-31")
    assert (first.result.is_stopped, first.result.errors) == (True, [])
    assert first.result.done + first.result.left == 4
    assert 1 <= first.result.done <= 3
    assert sink.finished == 0
    clock.ends_at = float("inf")
    sink.on_write = lambda _: None
    second = run(sink, portal, start="2025-10-01", end="2025-12-31")
    assert (second.counts, second.result.errors) == ((4, 0, first.result.done), [])
    assert second.polls == first.result.left
    assert_true(sink, portal, second.jobs[0])


# -- a portal that fails


@pytest.mark.slow
def test_a_refused_location_does_not_stop_the_others(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    portal = start_portal(TWO, refused_locations=("70001",))
    result = run(sink, portal, start="2025-06-01")
    house, barn = result.jobs
    assert (len(house.chunks()), len(barn.chunks())) == (8, 8)
    assert (result.counts, sink.finished, result.result.is_finished) == ((8, 8, 0), 1, True)
    (said,) = result.result.errors
    assert said.startswith("location 70001: ")
    assert_true(sink, portal, barn, BARN_METER)
    # It is given up after three chunks in a row; one more may have been fetched ahead.
    assert 3 <= result.polls - 8 <= 4


def test_failures_not_in_a_row_do_not_end_a_location(
    run: Run, sink: FakeSink, portal: PortalServer, instead: Instead
) -> None:
    turns = iter(range(100))
    instead(portal, lambda _: SimulatedResponse(403, b"") if next(turns) % 2 == 0 else None)
    result = run(sink, portal, start="2025-06-01")
    assert (result.counts, result.polls) == ((4, 4, 0), 8)


def test_days_with_errors_do_not_stop_the_others(
    run: Run, sink: FakeSink, portal: PortalServer, instead: Instead
) -> None:
    bad, works = day("2025-11-10"), False

    def fail(call: Call) -> SimulatedResponse | None:
        asked = json.loads(call.body)
        is_bad = asked["startDateTime"] <= bad * 1000 < asked["endDateTime"] and not works
        return SimulatedResponse(200, b'{"status": "FAILED"}') if is_bad else None

    instead(portal, fail)
    first = run(sink, portal, start="2025-10-01", end="2025-12-29")
    assert first.counts == (2, 1, 0)
    (said,) = first.result.errors
    assert said.startswith("location 70001: ")
    held = {each.start for each in sink.intervals()}
    assert held.isdisjoint(range(bad, bad + DAY, HOUR))
    assert len(held) == 90 * 24 + 1 - 24
    works = True
    second = run(sink, portal, start="2025-10-01", end="2025-12-29")
    assert (second.polls, second.counts, second.result.errors) == (1, (3, 0, 2), [])
    assert_true(sink, portal, second.jobs[0])


def test_a_portal_that_stays_down_ends_the_run(run: Run, sink: FakeSink, portal: PortalServer) -> None:
    sink.on_write = lambda _: change(portal, poll=Poll.STATUS_500)
    result = run(sink, portal, start="2025-06-01", end="2025-12-31")
    assert 1 <= result.result.done <= 2
    assert result.result.done + result.result.left == 8
    assert len(result.result.errors) == 1
    change(portal, poll=Poll.OK)
    sink.on_write = lambda _: None
    second = run(sink, portal, start="2025-06-01", end="2025-12-31")
    assert (second.result.left, second.polls) == (0, result.result.left)
    assert_true(sink, portal, second.jobs[0])


def test_a_rejected_sign_in_ends_the_run(run: Run, sink: FakeSink, portal: PortalServer) -> None:
    rejected: list[int] = []

    def sign_out(_: Chunk) -> None:
        rejected.append(portal.portal.most_rejected["member@example.org"])
        change(portal, sign_in=SignIn.STATUS_401)
        portal.portal.sign_everybody_out()

    sink.on_write = sign_out
    result = run(sink, portal, start="2025-06-01")
    assert portal.portal.most_rejected["member@example.org"] == 1
    assert result.result.done == len(sink.writes) <= 2
    assert result.result.left == 8 - result.result.done
    assert (rejected[0], len(result.result.errors), sink.finished) == (0, 1, 0)


@pytest.mark.slow
def test_warnings_appear_once_per_location(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    meters = [replace(each, channels=Channels.UNKNOWN, part_of=each.number) for each in (METER, BARN_METER)]
    places = LocationSpec("55001", "70001", (meters[0],)), LocationSpec("55002", "70002", (meters[1],))
    result = run(sink, start_portal(World(locations=places)), start="2025-10-01")
    assert len(sink.writes) == 8
    circle, word, other_circle = result.seen.warned
    assert word == f"location 70001: {about_word('SIDEWAYS')}"  # once per login
    assert [each.partition(": ")[0] for each in (circle, other_circle)] == ["location 70001", "location 70002"]


# -- how far back, and incomplete days


def test_days_before_the_connection_need_no_request(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    portal = start_portal(World(locations=(LocationSpec("55001", "70001", (METER,), connected="2025-12-10"),)))
    result = run(sink, portal, start="2020-01-01")
    (job,) = result.jobs
    assert result.counts == (74, 0, 0)
    assert len(job.chunks()) == 74
    assert result.result.connected == {job.key: day("2025-12-10")}
    assert result.polls <= 3
    assert_true(sink, portal, job)
    assert run(sink, portal, start="2025-12-10", end="2025-12-20").result.connected == {}


def first_of(world: World, start_portal: StartPortal, **switches: Any) -> PortalServer:  # noqa: ANN401 - any switch
    """Return a portal without a connection date whose history begins on 2024-11-20."""
    return start_portal(world, **{"history_from": "2024-11-20", "connect_date": "", **switches})


@pytest.mark.slow
def test_the_whole_history_arrives_and_no_more_is_asked(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    gaps = (Span("81001", day("2024-12-20"), day("2025-11-28")),)  # a vacancy
    portal = first_of(SMALL, start_portal, gaps=gaps)
    result = run(sink, portal, start="first")
    (job,) = result.jobs
    assert_true(sink, portal, job)
    assert sink.intervals()[0].start == day("2024-11-20")
    holding = result.result.done
    assert (result.counts, result.result.errors, result.result.unread) == ((holding, 0, 0), [], {})
    assert (result.polls, len(sink.writes)) == (holding + 13, holding + 13)
    assert result.result.days_done == sum(job.wall.days_between(*chunk) for chunk in job.chunks()[-holding:])
    assert (result.result.days_left, result.result.unconfirmed) == (0, {})
    assert result.result.totals.samples == result.result.totals.intervals == len(sink.intervals())


@pytest.mark.slow
@pytest.mark.parametrize("connected", ["2025-12-24", "2025-12-10", "2024-11-20"])
def test_a_connection_date_ends_it_unless_it_is_wrong(
    run: Run, sink: FakeSink, start_portal: StartPortal, connected: str
) -> None:
    portal = first_of(SMALL, start_portal, connect_date=connected)
    result = run(sink, portal, start="first")
    (job,) = result.jobs
    assert_true(sink, portal, job)
    is_right = connected == "2024-11-20"
    assert result.result.connected == ({job.key: day(connected)} if is_right else {})
    assert result.polls - result.result.done in ((0, 1) if is_right else (13,))


@pytest.mark.slow
def test_two_locations_end_on_their_own_days(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    barn = replace(TWO.locations[1], connected="2025-11-05")
    portal = start_portal(replace(TWO, locations=(TWO.locations[0], barn)), history_from="2025-03-10", connect_date="")
    result = run(sink, portal, start="first", end="2026-01-05")
    house_job, barn_job = result.jobs
    assert_true(sink, portal, house_job)
    assert_true(sink, portal, barn_job, BARN_METER)
    assert result.polls == result.result.done + 2 * 13
    assert result.result.left == 0


@pytest.mark.slow
def test_errors_within_the_history_do_not_end_it(
    run: Run, sink: FakeSink, start_portal: StartPortal, instead: Instead
) -> None:
    portal, bad, works = first_of(SMALL, start_portal), day("2024-10-10"), False

    def fail(call: Call) -> SimulatedResponse | None:
        asked = json.loads(call.body)
        is_bad = asked["startDateTime"] <= bad * 1000 < asked["endDateTime"] and not works
        return SimulatedResponse(200, b'{"status": "FAILED"}') if is_bad else None

    instead(portal, fail)
    first = run(sink, portal, start="first", end="2026-01-05")
    (job,) = first.jobs
    assert_true(sink, portal, job)
    # The days that failed are before the first interval, which nobody knows.
    assert (first.result.left, first.result.days_left, len(first.result.errors)) == (1, 30, 1)
    assert first.result.unread == {}
    works = True
    second = run(sink, portal, start="first", end="2026-01-05")
    # One more for daily data, since the meters of the newer chunks are not known to this run.
    assert (second.polls, second.result.left, second.result.errors) == (2, 0, [])
    assert second.result.totals.intervals == first.result.totals.intervals


@pytest.mark.slow
def test_a_broken_walk_says_what_is_left_and_resumes(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    portal = first_of(SMALL, start_portal)
    sink.on_write = lambda _: change(portal, poll=Poll.STATUS_500)
    first = run(sink, portal, start="first", end="2026-01-05")
    (job,) = first.jobs
    done = first.result.done
    assert 1 <= done <= 2
    assert (first.result.left, first.result.days_left) == (
        2,
        30,
    )  # the one that failed; how many days are older is not known
    assert first.result.unread == {job.key: job.chunks()[-done - 1][0]}
    change(portal, poll=Poll.OK)
    sink.on_write = lambda _: None
    second = run(sink, portal, start="first", end="2026-01-05")
    assert (second.result.left, second.result.unread, second.result.already) == (0, {}, done)
    assert second.polls == second.result.done - done + 13
    assert_true(sink, portal, job)


def test_chunks_that_are_sent_but_not_settled_are_counted_apart(run: Run, sink: FakeSink, portal: PortalServer) -> None:
    sink.look_errors = [LASTS]
    result = run(sink, portal, start="2025-12-01", end="2025-12-31").result
    assert (result.done, result.days_done, result.left, result.days_left) == (0, 0, 2, 31)
    (sent, more) = result.unconfirmed.values()
    assert sent.samples + more.samples == 31 * 24
    assert result.totals == Totals()


@pytest.mark.slow
def test_a_whole_file_is_read_backwards_and_written_forwards(
    run: Run, sink: FakeSink, start_portal: StartPortal
) -> None:
    portal = first_of(TWO, start_portal)
    sink.oldest_first, sink.resumes, sink.is_verified, sink.settling = True, False, False, 0.0
    result = run(sink, portal, start="first")
    house_job, barn_job = result.jobs
    assert_true(sink, portal, house_job)
    assert_true(sink, portal, barn_job, BARN_METER)
    half = len(sink.writes) // 2
    assert [sorted(sink.writes[:half]), sorted(sink.writes[half:])] == [sink.writes[:half], sink.writes[half:]]
    assert result.polls == result.result.done + 2 * 13 == len(sink.writes)


@pytest.mark.slow
def test_a_file_that_broke_off_holds_nothing(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    portal = first_of(TWO, start_portal)
    sink.oldest_first, sink.resumes, sink.is_verified, sink.settling = True, False, False, 0.0
    sink.on_write = lambda _: change(portal, poll=Poll.STATUS_500)
    result = run(sink, portal, start="first").result
    assert (result.done, result.days_done, result.totals, result.unconfirmed) == (0, 0, Totals(), {})
    assert (sink.finished, len(result.errors)) == (0, 1)
    assert result.left >= 15


@pytest.mark.slow
def test_a_wrong_zone_ends_the_walk_of_a_file_at_once(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    portal = first_of(SMALL, start_portal, shifted=-2 * HOUR)
    sink.oldest_first = True
    result = run(sink, portal, start="first")
    assert (sink.writes, result.result.done, len(result.result.errors)) == ([], 0, 1)
    assert result.polls <= 6


def test_each_run_counts_the_incomplete_days_it_wrote(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    gaps = (
        Span("81001", day("2025-11-20") + 5 * HOUR, day("2025-11-20") + 7 * HOUR),
        Span("81001", day("2025-12-03"), day("2025-12-05")),
        Span("81001", day("2025-12-31") + 10 * HOUR, day("2025-12-31") + 11 * HOUR),
    )
    portal = start_portal(SMALL, gaps=gaps)
    sink.write_errors = [None, LASTS]
    assert run(sink, portal, start="2025-11-15", end="2025-12-31").incomplete == 1
    second = run(sink, portal, start="2025-11-15", end="2025-12-31")
    assert (second.incomplete, second.counts) == (3, (2, 0, 1))
    assert_true(sink, portal, second.jobs[0])


# -- together with the exporter


@pytest.mark.parametrize(
    ("is_verified", "loses", "start", "left"),
    [
        (True, False, "2025-12-01", "2025-11-03"),
        (True, False, "2025-11-01", "2026-01-02"),
        (True, True, "2025-11-01", "2025-11-03"),
        (False, False, "2025-11-01", "2025-11-03"),
    ],
)
def test_only_verified_days_clear_the_needed_backfill(  # noqa: PLR0917 - fixtures
    run: Run,
    sink: FakeSink,
    portal: PortalServer,
    tmp_path: Path,
    is_verified: bool,  # noqa: FBT001
    loses: bool,  # noqa: FBT001
    start: str,
    left: str,
) -> None:
    key = LocationKey(portal.host, "55001", "70001")
    sink.is_verified, sink.loses = is_verified, lambda _: loses
    needed = [day("2025-11-03"), day("2025-12-05"), day("2026-01-02")]
    with closing(StateFile(tmp_path)) as state:
        state.save(None, Location(key, "", "America/New_York"), needed_days=needed)
        run(sink, portal, start=start, end="2025-12-31")
        assert state.backfill_needed() == {key: day(left)}


def test_the_exporter_and_a_backfill_have_equal_samples(
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


# -- several portals, and a wrong zone


def test_a_location_with_a_wrong_zone_is_not_written(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    barn = World(locations=(LocationSpec("55002", "70002", (BARN_METER,)),))
    portals = start_portal(SMALL, shifted=-2 * HOUR), start_portal(barn)
    result = run(sink, *portals, start="2025-06-01", end="2025-12-31")
    assert result.counts == (8, 8, 0)
    assert result.result.errors == result.seen.warned
    (said,) = result.seen.warned
    verdict = ZoneVerdict(ZoneState.CONTRADICTED, ("America/Denver",), "America/New_York")
    assert said == f"location 70001: skipped, {verdict.message}"
    assert {location for location, _ in sink.held} == {"70002"}
    assert len(sink.writes) == 8
    assert_true(sink, portals[1], result.jobs[1], BARN_METER)
    # One chunk, one poll of each half of the year, and perhaps one fetched ahead.
    assert result.polls - 8 in (3, 4)


def test_a_file_with_days_at_wrong_times_is_not_finished(run: Run, sink: FakeSink, portal: PortalServer) -> None:
    login = login_of(portal, zone=ZoneInfo("America/Chicago"))
    result = run(sink, start="2025-10-05", end="2025-12-10", logins=[login], fetching=LateVerdict)
    assert (len(sink.writes), result.counts, sink.finished) == (1, (1, 2, 0), 0)


def test_a_file_without_any_data_is_not_finished(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    result = run(sink, start_portal(SMALL, refused_locations=("70001",)), days=3)
    assert (result.counts, sink.finished) == ((0, 1, 0), 0)


def test_a_suspect_zone_is_not_written_while_the_portal_is_down(
    run: Run, sink: FakeSink, portal: PortalServer, instead: Instead
) -> None:
    """Only the search begins at UTC midnights."""
    instead(
        portal,
        lambda call: (
            SimulatedResponse(503, b"") if json.loads(call.body)["startDateTime"] % (DAY * 1000) == 0 else None
        ),
    )
    login = login_of(portal, zone=ZoneInfo("America/Los_Angeles"))
    result = run(sink, start="2025-10-05", end="2025-12-10", logins=[login])
    assert (result.counts, len(result.result.errors)) == ((0, 3, 0), 1)
    assert sink.intervals("70001") == []


def test_doubt_about_a_zone_is_a_warning(run: Run, sink: FakeSink, start_portal: StartPortal) -> None:
    portal = start_portal(replace(SMALL, zone="Etc/GMT+5"))
    result = run(sink, portal, start="2025-08-01", end="2025-11-30")
    assert result.counts[1] == 0
    verdict = ZoneVerdict(ZoneState.PARTLY, ("Etc/GMT+5",), "America/New_York")
    assert result.seen.warned[-1] == f"location 70001: {verdict.message}"
    assert result.result.errors == []


def test_chunks_fetched_ahead_are_not_written_either(run: Run, sink: FakeSink, portal: PortalServer) -> None:
    """A wrong zone may fit part of the year."""
    login = login_of(portal, zone=ZoneInfo("America/Chicago"))
    result = run(sink, start="2025-10-05", end="2025-12-10", logins=[login], fetching=AllAhead)
    assert (sink.writes, result.counts, sink.finished) == ([], (0, 3, 0), 0)
    assert len(result.result.errors) == 1
