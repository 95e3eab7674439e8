"""Which chunks a backfill needs: none before a connection, before the first interval, or after many failures."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from ..intervals.model import LocationKey
from ..portal.history import LONGEST_RANGE
from .fetcher import Fetched, ends_run
from .journal import ChunkKey, CompletedChunk
from .plan import Job, JobChunk, in_order
from .progress import Progress

EMPTY_CHUNKS = 13
"""Full chunks in a row without an interval after which nothing older is expected: a vacancy may last a year."""
_FAILURES = 3  # failed chunks in a row after which a location is given up


class Walk:
    """The chunks of all jobs in the order in which they are fetched, and which of them are needed.

    With `from_first` a job is fetched newest first until nothing older is expected. A chunk that failed may hold
    intervals, so it does not count as empty. `oldest_first` is the order of dated jobs.
    """

    def __init__(self, jobs: Sequence[Job], *, oldest_first: bool = False) -> None:
        self.jobs = jobs
        self.is_open = any(job.from_first for job in jobs)
        self.chunks = in_order(jobs, oldest_first=oldest_first and not self.is_open)
        self._newest_first = {job.key: job.chunks()[::-1] for job in jobs}
        self._positions = {
            (key, *chunk): position
            for key, chunks in self._newest_first.items()
            for position, chunk in enumerate(chunks)
        }
        self._holds: dict[ChunkKey, bool] = {}
        self._failures: dict[LocationKey, int] = defaultdict(int)
        self._contradicted: set[LocationKey] = set()
        self._connected: dict[LocationKey, int] = {}
        self._distrusted: set[LocationKey] = set()

    def notice_done(self, done: Iterable[CompletedChunk]) -> None:
        """Learn from the chunks of an earlier run which ones hold intervals."""
        self._holds |= {each.chunk_key: bool(each.coverage.spans) for each in done}

    def notice(self, fetched: Fetched) -> None:
        """Learn from a fetched chunk, before the next one is considered."""
        key, error = fetched.job.key, fetched.error
        self._holds[key, fetched.start, fetched.end] = error is not None or _holds_energy(fetched)
        self._failures[key] = 0 if error is None else self._failures[key] + 1
        if fetched.zone.is_contradicted:
            self._contradicted.add(key)
        connected = fetched.history.connected
        if connected is not None:
            self._connected[key] = connected
            if _is_energy_before(fetched, connected):
                self._distrusted.add(key)

    def connected(self, key: LocationKey) -> int | None:
        """Return the start of the day on which a location was connected.

        None if the portal does not report it, or if there is energy before it.
        """
        return None if key in self._distrusted else self._connected.get(key)

    def is_needed(self, chunk: JobChunk) -> bool:
        """Check whether a chunk has to be fetched. Chunks between that are not known yet count as empty."""
        job, start, end = chunk
        is_given_up = job.key in self._contradicted or self._failures[job.key] >= _FAILURES
        return not is_given_up and self._may_hold(job, self._positions[job.key, start, end])

    def is_before_connection(self, chunk: JobChunk) -> bool:
        """Check whether nothing of a chunk is expected, since the location was connected later.

        The day before the connection is still read: energy in it shows that the date is wrong.
        """
        job, _, end = chunk
        connected = self.connected(job.key)
        return connected is not None and end < connected

    def counted(self) -> list[JobChunk]:
        """Return the chunks that the figures count.

        Those of a job with `from_first` end with its oldest interval, or with the next chunk to fetch.
        """
        return [(job, *chunk) for job in self.jobs for chunk in self._counted(job)]

    def next_end(self, job: Job) -> int | None:
        """Return the instant before which nothing is known of a job with `from_first`; None if nothing is left."""
        position = self._next(job)
        return None if position is None else self._newest_first[job.key][position][1]

    def turned(self, fetched: Iterable[Fetched], progress: Progress) -> Iterator[Fetched]:
        """Turn the chunks of each location around, which come newest first.

        They are held back as columns until the location is complete. An error that ends the run comes by itself.
        """
        held: list[Fetched] = []
        for each in fetched:
            if ends_run(each.error):
                yield each
                return
            if held and held[0].job.key != each.job.key:
                yield from _taken_from(held)
            held.append(each)
            progress.read(each.job, each.start, each.end, self.connected(each.job.key))
        yield from _taken_from(held)

    def _counted(self, job: Job) -> Sequence[tuple[int, int]]:
        chunks = self._newest_first[job.key]
        if not job.from_first:
            return chunks
        last = self._next(job)
        if last is None:
            holding = (place for place, chunk in enumerate(chunks) if self._holds.get((job.key, *chunk)))
            last = max(holding, default=-1)
        return chunks[: last + 1]

    def _next(self, job: Job) -> int | None:
        """Return the position of the newest chunk of a job with `from_first` that was never fetched but is needed."""
        chunks = self._newest_first[job.key] if job.from_first else []
        for position, chunk in enumerate(chunks):
            if (job.key, *chunk) not in self._holds and self._may_hold(job, position):
                return position
        return None

    def _may_hold(self, job: Job, position: int) -> bool:
        chunks = self._newest_first[job.key]
        if self.is_before_connection((job, *chunks[position])):
            return False
        if not job.from_first:
            return True
        newer = chunks[max(0, position - EMPTY_CHUNKS) : position]
        if position <= EMPTY_CHUNKS and job.wall.days_between(*chunks[0]) < LONGEST_RANGE:
            newer = newer[1:]  # the newest chunk is not a full one
        return len(newer) < EMPTY_CHUNKS or any(self._holds.get((job.key, *chunk)) for chunk in newer)


def _taken_from(held: list[Fetched]) -> Iterator[Fetched]:
    while held:
        yield held.pop()


def _holds_energy(fetched: Fetched) -> bool:
    return any(meter.readings.with_energy() for meter in fetched.history.meters)


def _is_energy_before(fetched: Fetched, instant: int) -> bool:
    """Check for energy other than 0, which a portal may send for any time."""
    earlier = [meter.readings.between(0, instant) for meter in fetched.history.meters]
    values = (value for each in earlier for value in (*each.usage.values, *each.export.values))
    return any(value and not math.isnan(value) for value in values)
