"""Progress of a backfill, kept in the state so that the same command resumes."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from operator import add

from ..clock import Clock
from ..intervals.model import LocationKey
from ..storage.state import StateFile

_LIFE = 24 * 3600.0  # seconds; after that the portal may have corrected the data


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts and sums of a chunk or a whole backfill, in kWh and USD."""

    intervals: int = 0
    usage: float = 0.0
    export: float = 0.0
    cost: float = 0.0
    samples: int = 0
    corrected: int = 0
    gone: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        """Return the sum of both."""
        return Totals(*map(add, astuple(self), astuple(other)))


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the data of a chunk covers; times in seconds UTC.

    spans: The start of the first and the end of the last interval with energy, by meter. one_way: Meters that would
    show export as negative usage and show none here.
    """

    spans: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    one_way: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class CompletedChunk:
    """A chunk of a location that the sink has stored.

    start, end: Local midnights in seconds UTC. digest: Returned by the sink, to check later whether it still has the
    chunk. full_days: The starts of the full days of each meter; None if an earlier run wrote the chunk.
    """

    key: LocationKey
    start: int
    end: int
    totals: Totals
    coverage: Coverage = field(default_factory=Coverage)
    digest: bytes = field(default=b"", repr=False)
    full_days: Mapping[str, Collection[int]] | None = field(default=None, repr=False, compare=False)

    @property
    def chunk_key(self) -> "ChunkKey":
        """The key of the chunk."""
        return self.key, self.start, self.end


ChunkKey = tuple[LocationKey, int, int]
"""A chunk: its location and its local midnights in seconds UTC."""


class Journal:
    """The journal of one task: a destination, a range of days and a set of locations."""

    def __init__(self, state: StateFile, clock: Clock, task: Sequence[object]) -> None:
        self._state = state
        self._clock = clock
        self._task = json.dumps([str(each) for each in task])

    def read(self) -> list[CompletedChunk]:
        """Return the chunks that runs of the same task finished in the last 24 hours."""
        since = self._clock.now() - _LIFE
        entries = [_read(*row) for row in self._state.chunks_done(self._task)]
        return [done for noted, done in filter(None, entries) if noted >= since]

    def begin(self, *, restart: bool) -> None:
        """Register the task and drop expired ones.

        restart: Chunks that earlier runs of the task finished are dropped too.
        """
        self._state.begin_backfill(self._task, self._clock.now() - _LIFE, restart=restart)

    def note(self, done: CompletedChunk) -> None:
        """Record a chunk as finished."""
        now = self._clock.now()
        text = json.dumps([now, asdict(done.totals), asdict(done.coverage), done.digest.hex()])
        self._state.note_chunk(self._task, now, done.chunk_key, text)

    def forget(self, done: CompletedChunk) -> None:
        """Remove a finished chunk, so that it is done again."""
        self._state.forget_chunk(self._task, done.key, done.start)

    @property
    def snapshots_fail(self) -> bool:
        """Whether this run or an earlier one of the same task could not make a snapshot."""
        return self._state.snapshots_fail(self._task)

    def note_snapshot_failure(self) -> None:
        """Record that no snapshot could be made."""
        self._state.note_snapshot_failure(self._task, self._clock.now())

    def remove(self) -> None:
        """Remove the task, once all of it is done."""
        self._state.forget_backfill(self._task)


def _read(key: LocationKey, start: int, end: int, text: str) -> tuple[float, CompletedChunk] | None:
    """Return the time a chunk was recorded, and the chunk itself.

    None if another version of the program wrote it; the chunk then counts as not done.
    """
    try:
        noted, totals, told, digest = json.loads(text)
        coverage = Coverage(
            {meter: (int(first), int(last)) for meter, (first, last) in told["spans"].items()},
            tuple(map(str, told["one_way"])),
        )
        done = CompletedChunk(key, start, end, Totals() + Totals(**totals), coverage, bytes.fromhex(digest))
        return float(noted), done
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
