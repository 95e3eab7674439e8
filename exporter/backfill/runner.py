"""Fetch, write and read back chunks, and record what has settled as done."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from ..clock import Clock, Stopped
from ..errors import DatabaseError, PortalError, TransportError
from ..intervals.model import LocationKey
from ..portal.directions import UnusualWords, about_word
from ..refresh.schedule import kept_from
from ..sinks.base import DEFAULT_PATIENCE, Chunk, Patience, Sink, Written
from ..storage.snapshots import SnapshotStore
from ..storage.state import StateFile
from .chunks import build_chunk, coverage_of, full_days_of, totals_of
from .durability import Durability
from .fetcher import Fetched, Fetcher, is_hopeless
from .journal import CompletedChunk, Journal
from .plan import Job, JobChunk, days_in
from .progress import Progress
from .result import BackfillResult
from .retry import in_background, interruptible, retry_database
from .walk import Walk

_ROUNDS = 3  # how often chunks that did not settle are fetched and written
_LAST_CALL = 5.0  # seconds for a snapshot when the program is asked to stop
_POSTED_WITHIN = 7 * 86400  # seconds: data arrives a day or two late, later after problems at a co-op

_Result = TypeVar("_Result")


def still_holds(sink: Sink, done: CompletedChunk) -> bool:
    """Check whether a sink still holds a chunk as it was written.

    Raises DatabaseError.
    """
    return sink.still_holds(Written(done.key, done.start, done.end, digest=done.digest))


def _may_grow(done: CompletedChunk, now: float) -> bool:
    """Check whether the portal may still add data at the end of a chunk."""
    if done.end < now - _POSTED_WITHIN:
        return False
    return min((last for _, last in done.coverage.spans.values()), default=0) < done.end


@dataclass
class Backfill:
    """Writes the chunks of some jobs to a sink, except those already done."""

    jobs: Sequence[Job]
    sink: Sink
    fetcher: Fetcher
    journal: Journal | None
    store: SnapshotStore
    state: StateFile
    window: int
    clock: Clock
    progress: Progress
    patience: Patience = DEFAULT_PATIENCE

    def __post_init__(self) -> None:
        self._walk = Walk(self.jobs, oldest_first=self.sink.oldest_first)
        self._durability = Durability(self.sink, self.state, self.journal, self.progress.warn)
        # Chunks that were read back, and when; a killed database may still lose them.
        self._settling: list[tuple[CompletedChunk, float]] = []
        self._instance = ""
        self._contradicted: set[LocationKey] = set()
        self._written: set[LocationKey] = set()
        self._exporting: dict[LocationKey, set[str]] = defaultdict(set)
        self._warned: set[tuple[LocationKey, str]] = set()
        self._words: dict[int, UnusualWords] = defaultdict(UnusualWords)
        self.result = BackfillResult()

    def run(self, done: Sequence[CompletedChunk]) -> BackfillResult:
        """Process every chunk except those an earlier run has `done`.

        Errors of portal and database, and interruptions, are reported in the result.
        """
        result = self.result
        try:
            self.progress.waits(f"{self.sink.title} to be ready")
            self._retry(self.sink.begin)
            self._call(self._durability.delete_left)
            self._instance = self._call(self.sink.instance)
            self.progress.waits("")
            result.held = {each.chunk_key: each for each in done}
            self._walk.notice_done(done)
            for _ in range(_ROUNDS):
                self._round()
                if all(map(self._is_finished, self._walk.counted())) or result.errors:
                    break
            else:
                self._say(
                    f"{self.sink.name}: stored data disappeared again; check whether something restarts or kills it"
                )
            # What could be read is worth a file, unless a zone was contradicted after days of it were written.
            if (self._written or not result.errors) and self._contradicted.isdisjoint(self._written):
                self._retry(self.sink.finish)
                result.is_finished = True
        except (PortalError, DatabaseError) as error:
            self._say(str(error), ends=True)
        except Stopped:
            result.is_stopped = True
            self._settle_quickly()
        if not (self.sink.resumes or self.sink.streams or result.is_finished):
            result.held, result.unconfirmed = {}, {}  # the parts of a file are removed
        self._sum_up(done)
        return result

    def _round(self) -> None:
        """Fetch, write and settle what is not done.

        What has settled stays done even if the rest fails.
        """
        try:
            chunks = self.fetcher.fetch(self._walk.chunks, self._is_wanted, self._walk.notice)
            turns = self.sink.oldest_first and self._walk.is_open
            for fetched in self._walk.turned(chunks, self.progress) if turns else chunks:
                self._take(fetched)
                self._settle()
        except (PortalError, DatabaseError) as error:
            # A database that did not answer during all retries is not worth another wait.
            if not (isinstance(error, DatabaseError) and error.passes_by_itself):
                self._settle_all()
            raise
        self._settle_all()

    def _is_wanted(self, chunk: JobChunk) -> bool:
        job, start, end = chunk
        return (job.key, start, end) not in self.result.held and self._walk.is_needed(chunk)

    def _is_finished(self, chunk: JobChunk) -> bool:
        job, start, end = chunk
        return (job.key, start, end) in self.result.held or self._walk.is_before_connection(chunk)

    def _sum_up(self, earlier: Sequence[CompletedChunk]) -> None:
        """Count what is done and what is left."""
        result, counted = self.result, self._walk.counted()
        kept = {(job.key, start, end) for job, start, end in counted}
        result.held = {key: each for key, each in result.held.items() if key in kept}
        held_before = [each for each in earlier if result.held.get(each.chunk_key) is each]
        result.days_already = days_in(self.jobs, held_before)
        result.already = len(held_before)
        result.done = sum(map(self._is_finished, counted))
        result.left = len(counted) - result.done
        for job in self.jobs:
            connected, unread = self._walk.connected(job.key), self._walk.next_end(job)
            if connected is not None and job.start < connected:
                result.connected[job.key] = connected
            if unread is not None:
                result.unread[job.key] = unread
                if connected is not None:
                    result.days_left += job.wall.days_between(connected, max(connected, unread))
        for job, start, end in counted:
            days = job.wall.days_between(start, end)
            if (job.key, start, end) in result.held:
                result.days_done += days
            elif not self._is_finished((job, start, end)) and end != result.unread.get(job.key):
                result.days_left += days

    def _take(self, fetched: Fetched) -> None:
        """Write a fetched chunk, or record why it is missing."""
        job, error = fetched.job, fetched.error
        now = self.clock.now()
        if is_hopeless(error):
            raise error
        if job.key in self._contradicted:
            return  # fetched before the zone was contradicted; a wrong zone may fit part of the year
        if fetched.zone.is_contradicted:
            # Data written with wrong times stays in a database forever.
            self._contradicted.add(job.key)
            self._say(f"location {job.key.location}: skipped, {fetched.zone.message}")
            return
        chunk = build_chunk(
            fetched,
            self.store,
            now=now,
            keep_from=kept_from(job.wall, now, self.window),
            exporting=self._exporting[job.key],
        )
        self._learn_directions(chunk)
        written = self._retry(lambda: self.sink.write(chunk))
        if written.samples:
            self._written.add(job.key)
        self._warn(fetched)
        totals = replace(totals_of(chunk), samples=written.samples, corrected=written.corrected, gone=written.gone)
        done = CompletedChunk(
            chunk.key, chunk.start, chunk.end, totals, coverage_of(chunk), written.digest, full_days_of(chunk)
        )
        if totals.intervals:
            self.result.unconfirmed[done.chunk_key] = totals
        if error is not None:
            if isinstance(error, TransportError):
                raise error
            self._say(f"location {job.key.location}: {error}")
            return
        self._settling.append((done, self.clock.monotonic()))
        self.progress.wrote(job, done, self._walk.connected(job.key))

    def _warn(self, fetched: Fetched) -> None:
        job = fetched.job
        for warning in filter(None, [*fetched.history.warnings, fetched.zone.message]):
            if (job.key, warning) not in self._warned:
                self._warned.add((job.key, warning))
                self.progress.warn(f"location {job.key.location}: {warning}")
        for word in self._words[job.source].new(fetched.history.words):
            self.progress.warn(f"location {job.key.location}: {about_word(word)}")

    def _learn_directions(self, chunk: Chunk) -> None:
        """Schedule chunks without the zeros of a newly found export to be written again.

        A meter without an export channel shows export only on days on which it exports: see
        docs/samples.md, "Usage and export". A file keeps such days as they are.
        """
        new = {meter.info.number for meter in chunk.meters if meter.info.signed and meter.info.exports}
        new -= self._exporting[chunk.key]
        self._exporting[chunk.key] |= new
        if not new or not self.sink.resumes:
            return

        def lacks_zeros(done: CompletedChunk) -> bool:
            return done.key == chunk.key and not new.isdisjoint(done.coverage.one_way)

        self._settling = [each for each in self._settling if not lacks_zeros(each[0])]
        for done in [each for each in self.result.held.values() if lacks_zeros(each)]:
            del self.result.held[done.chunk_key]
            if self.journal is not None:
                self.journal.forget(done)

    def _retry(self, action: Callable[[], _Result]) -> _Result:
        """Retry while the database is away.

        A stop interrupts both a wait and a call that hangs.
        """
        return retry_database(lambda: self._call(action), self.clock, self.progress.retries, self.patience.retries)

    def _call(self, action: Callable[[], _Result]) -> _Result:
        return interruptible(action, self.clock) if self.sink.is_remote else action()

    def _settle(self) -> None:
        """Look again at the chunks that were read back long enough ago.

        See docs/samples.md, "Durability".
        """
        while self._settling and self._left_to_settle() <= 0:
            done, _ = self._settling[0]
            # Without a time to settle, the chunk was read back just now.
            is_held = not self.sink.settling or self._retry(partial(still_holds, self.sink, done))
            self._record(done, is_held=is_held)

    def _settle_all(self) -> None:
        """Settle every chunk, by a snapshot or by waiting."""
        self._settle()
        if not self._settling:
            return
        self.progress.waits(f"{self.sink.title} to write everything to disk")
        self._record_proven(self._retry(self._proven))
        while self._settling:
            self.clock.sleep(max(0.0, self._left_to_settle()))
            self._settle()
        self.progress.waits("")

    def _settle_quickly(self) -> None:
        """Settle what a snapshot can still prove before the program ends."""
        if self._settling:
            proven = in_background(self._proven)
            if wait([proven], _LAST_CALL).done and proven.exception() is None:
                self._record_proven(proven.result())

    def _left_to_settle(self) -> float:
        _, since = self._settling[0]
        return since + self.sink.settling - self.clock.monotonic()

    def _proven(self) -> list[CompletedChunk] | None:
        """Return those of the settling chunks that the sink will hold from now on; None if there is no proof."""
        chunks = [done for done, _ in self._settling]
        if not self._written and not any(self.state.needs_backfill(each.key, each.start, each.end) for each in chunks):
            return chunks
        if not self._durability.prove():
            return None
        before, self._instance = self._instance, self.sink.instance()
        if before and before == self._instance:
            return chunks  # only a restart can lose what was read back
        return [each for each in chunks if still_holds(self.sink, each)]

    def _record_proven(self, held: Sequence[CompletedChunk] | None) -> None:
        if held is not None:
            for done, _ in list(self._settling):
                self._record(done, is_held=done in held)

    def _record(self, done: CompletedChunk, *, is_held: bool) -> None:
        """Record the first chunk that settles as done; one that is gone is written again."""
        if is_held:
            if self.journal is not None and not _may_grow(done, self.clock.now()):
                self.journal.note(done)
            if self.sink.is_verified:
                self.state.backfilled(done.key, done.start, done.end)
            self.result.held[done.chunk_key] = done
            self.result.unconfirmed.pop(done.chunk_key, None)
        del self._settling[0]

    def _say(self, message: str, *, ends: bool = False) -> None:
        if message not in self.result.errors:
            self.result.errors.append(message)
            (self.progress.fails if ends else self.progress.warn)(message)
