"""The backfill itself: fetch, write, read back, and note as done what has settled."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ..clock import Clock, Stopped
from ..errors import AccessError, DatabaseError, PendingError, PortalError, ProtocolError
from ..portal.walltime import WallClock
from ..portal.zones import contradict, sightings_of_bills
from ..reach import kept_from
from ..sinks.sink import Sink, Written
from ..snapshot import LocationKey
from ..state import State
from ..store import Store
from .content import chunk_of, figures_of, sight_of
from .fetching import Fetched, Fetcher
from .journal import Done, Figures, Journal, Sight
from .plan import Job, in_order
from .progress import Progress

_WAITS = (2.0, 10.0, 30.0)  # seconds before a chunk is offered to the database again
_ROUNDS = 3  # so often what did not settle is fetched and written anew
_FAILURES = 3  # so many chunks in a row of one location are enough
_ZONE_ADVICE = "nothing more is written of it, smarthub-exporter check tells which zone does"

_Result = TypeVar("_Result")

Piece = tuple[Job, int, int]
"""A chunk of a job: its local midnights, seconds UTC."""


@dataclass(slots=True)
class Outcome:
    """What came of a backfill.

    errors: what kept some of it from being done. done, left: chunks that the sink holds and those that it does not;
    already: how many of the former an earlier run did. is_finished: the sink has put all of it where it belongs.
    is_stopped: somebody asked it to end. connected: the first day of locations that were asked for an earlier one.
    """

    figures: Figures = field(default_factory=Figures)
    errors: list[str] = field(default_factory=list)
    done: int = 0
    left: int = 0
    already: int = 0
    is_finished: bool = False
    is_stopped: bool = False
    connected: dict[LocationKey, int] = field(default_factory=dict)
    _sights: dict[LocationKey, list[Sight]] = field(default_factory=lambda: defaultdict(list))

    def see(self, key: LocationKey, sight: Sight) -> None:
        """Note what was seen of a chunk."""
        self._sights[key].append(sight)

    def first(self, key: LocationKey) -> int | None:
        """The start of the oldest interval of a location."""
        return min((first for sight in self._sights[key] for first, _ in sight.spans.values()), default=None)

    def holes(self, key: LocationKey, wall: WallClock) -> list[tuple[int, int, int]]:
        """The days of a location that are not whole, between the first and the last data of the meter.

        Start of the day, and how many of how many intervals of all meters are missing.
        """
        spans: dict[str, tuple[int, int]] = {}
        for sight in self._sights[key]:
            for meter, (first, last) in sight.spans.items():
                before = spans.get(meter, (first, last))
                spans[meter] = min(first, before[0]), max(last, before[1])
        days: dict[int, tuple[int, int]] = {}
        for sight in self._sights[key]:
            for meter, day, missing, all_ in sight.holes:
                first, last = spans.get(meter, (0, 0))
                if first <= day and wall.day(day).end <= last:
                    before = days.get(day, (0, 0))
                    days[day] = before[0] + missing, before[1] + all_
        return [(day, *count) for day, count in sorted(days.items())]


def _is_contradicted(fetched: Fetched) -> bool:
    """Whether the portal's times are those of another zone; days up to now show it only together with the bills."""
    bills = sightings_of_bills(fetched.job.place.bill_reads)
    return bool(fetched.history.zone_contradicted) or contradict(
        fetched.job.wall.zone, (*fetched.history.sightings, *bills)
    )


def patiently(action: Callable[[], _Result], clock: Clock, retries: Callable[[str], None]) -> _Result:
    """Give a database that is being restarted some time. Raises DatabaseError where that does not help.

    retries: told why it is tried again and when; empty when it is.
    """
    for wait in _WAITS:
        try:
            return action()
        except DatabaseError as error:
            if not error.passes_by_itself:
                raise
            retries(f"{error}; trying again in {wait:.0f} s")
            clock.sleep(wait)
            retries("")
    return action()


@dataclass(frozen=True, slots=True)
class _Settling:
    """A chunk that was read back, and may still be lost if the database is killed now."""

    job: Job
    written: Written
    figures: Figures
    sight: Sight
    since: float


class Backfill:
    """One task: some jobs into one sink. `run` does what the journal does not call done."""

    def __init__(
        self,
        jobs: Sequence[Job],
        sink: Sink,
        fetcher: Fetcher,
        *,
        journal: Journal | None,
        store: Store,
        state: State,
        window: int,
        clock: Clock,
        progress: Progress,
    ) -> None:
        self._jobs = jobs
        self._sink = sink
        self._fetcher = fetcher
        self._journal = journal
        self._store = store
        self._state = state
        self._window = window
        self._clock = clock
        self._progress = progress
        self._settling: list[_Settling] = []
        self._finished: set[tuple[LocationKey, int, int]] = set()
        self._failures: dict[LocationKey, int] = defaultdict(int)
        self._contradicted: set[LocationKey] = set()
        self._warned: set[tuple[LocationKey, str]] = set()
        self.outcome = Outcome()

    def run(self, done: Sequence[Done]) -> Outcome:
        """Do all that is not done. Errors of portal and database, and being stopped, are part of the outcome.

        done: what an earlier run did.
        """
        outcome = self.outcome
        everything = list(in_order(self._jobs, oldest_first=self._sink.oldest_first))
        outcome.figures = sum((each.figures for each in done), Figures())
        for each in done:
            outcome.see(each.key, each.sight)
        self._finished = {(each.key, each.start, each.end) for each in done}
        outcome.already = outcome.done = self._count(everything)
        try:
            for _ in range(_ROUNDS):
                self._round(everything)
                if self._count(everything) == len(everything) or outcome.errors:
                    break
            else:
                self._say(f"{self._sink.name}: what it held is gone again; see whether something restarts or kills it")
            if not outcome.errors:
                self._patiently(self._sink.finish)
                outcome.is_finished = True
        except (PortalError, DatabaseError) as error:
            self._say(str(error))
        except Stopped:
            outcome.is_stopped = True
        outcome.done = self._count(everything)
        outcome.left = len(everything) - outcome.done
        return outcome

    def _round(self, everything: Sequence[Piece]) -> None:
        """Fetch, write and settle what is not done; what has settled is done also where the rest fails."""
        try:
            for fetched in self._fetcher.fetch(self._unfinished(everything)):
                self._take(fetched)
                self._settle(wait=False)
        except PortalError:
            self._settle(wait=True)
            raise
        except DatabaseError as error:
            if not error.passes_by_itself:  # one that did not answer in all this time need not be waited for again
                self._settle(wait=True)
            raise
        self._settle(wait=True)
        for job, start, end in everything:
            connected = self._fetcher.connected(job.key)
            if connected is not None and job.start < connected:
                self.outcome.connected[job.key] = connected
                if end <= connected:
                    self._finished.add((job.key, start, end))

    def _unfinished(self, everything: Sequence[Piece]) -> Iterator[Piece]:
        for job, start, end in everything:
            is_given_up = job.key in self._contradicted or self._failures[job.key] >= _FAILURES
            if (job.key, start, end) not in self._finished and not is_given_up:
                yield job, start, end

    def _count(self, everything: Sequence[Piece]) -> int:
        return sum((job.key, start, end) in self._finished for job, start, end in everything)

    def _take(self, fetched: Fetched) -> None:
        """Write what came, and note what did not."""
        job, error = fetched.job, fetched.error
        now = self._clock.now()
        if job.key in self._contradicted:
            return  # it was under way, and a wrong zone may agree for part of the year
        if _is_contradicted(fetched):
            # What is written under a wrong clock stays in a database for ever.
            self._contradicted.add(job.key)
            zone = job.wall.zone
            self._say(f"location {job.key.location}: the portal's times do not fit the zone {zone}; {_ZONE_ADVICE}")
            return
        chunk = chunk_of(fetched, self._store, now=now, keep_from=kept_from(job.wall, now, self._window))
        written = self._patiently(lambda: self._sink.write(chunk))
        for warning in fetched.history.warnings:
            if (job.key, warning) not in self._warned:
                self._warned.add((job.key, warning))
                self._progress.warn(f"location {job.key.location}: {warning}")
        if error is not None:
            if error.while_signing_in or not isinstance(error, AccessError | PendingError | ProtocolError):
                raise error
            self._failures[job.key] += 1
            self._say(f"location {job.key.location}: {error}")
            return
        self._failures[job.key] = 0
        figures = replace(figures_of(chunk), samples=written.samples, corrected=written.corrected, gone=written.gone)
        sight = sight_of(chunk, job.wall, now)
        self._settling.append(_Settling(job, written, figures, sight, self._clock.monotonic()))
        self._progress.wrote(job, fetched.start, fetched.end, figures)

    def _patiently(self, action: Callable[[], _Result]) -> _Result:
        return patiently(action, self._clock, self._progress.retries)

    def _settle(self, *, wait: bool) -> None:
        """Look once more at what was written long enough ago that no kill can take it back (tsdb-facts D6)."""
        while self._settling:
            first = self._settling[0]
            left = first.since + self._sink.settling - self._clock.monotonic()
            if left > 0 and not wait:
                return
            if left > 0:
                self._progress.waits(f"{self._sink.name} to have all of it on its disk")
                self._clock.sleep(left)
                self._progress.waits("")
            if self._patiently(lambda: self._sink.still_holds(first.written)):  # noqa: B023 - used before the next turn
                self._note(first)
            del self._settling[0]

    def _note(self, settled: _Settling) -> None:
        written = settled.written
        if self._journal is not None:
            self._journal.note(Done(written.key, written.start, written.end, settled.figures, settled.sight))
        if self._sink.is_verified:
            self._state.backfilled(written.key, written.start, written.end)
        self._finished.add((written.key, written.start, written.end))
        self.outcome.figures += settled.figures
        self.outcome.see(written.key, settled.sight)

    def _say(self, message: str) -> None:
        if message not in self.outcome.errors:
            self.outcome.errors.append(message)
            self._progress.warn(message)
