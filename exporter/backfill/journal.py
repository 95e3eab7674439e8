"""What of a backfill is done, kept in the state so that the same command goes on where it stopped (contract 2)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from operator import add

from ..clock import Clock
from ..intervals.model import LocationKey
from ..storage.state import StateFile

_LIFE = 24 * 3600.0  # seconds: by then the portal may have corrected what is done


@dataclass(frozen=True, slots=True)
class Totals:
    """What a chunk or a whole backfill came to: counts, kWh and USD."""

    intervals: int = 0
    usage: float = 0.0
    export: float = 0.0
    cost: float = 0.0
    samples: int = 0
    corrected: int = 0
    gone: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        """Both together."""
        return Totals(*map(add, astuple(self), astuple(other)))


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was seen of a chunk, in seconds UTC.

    spans: by meter the start of its first and the end of its last interval with energy. one_way: meters that would show
    export as negative import, and show none here.
    """

    spans: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    one_way: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class CompletedChunk:
    """A chunk of a location that the sink holds; start and end are local midnights, seconds UTC.

    seal: what the sink told of it, to see whether it still holds it.
    """

    key: LocationKey
    start: int
    end: int
    totals: Totals
    coverage: Coverage = field(default_factory=Coverage)
    digest: bytes = field(default=b"", repr=False)

    @property
    def chunk_key(self) -> "ChunkKey":
        """Which chunk it is."""
        return self.key, self.start, self.end


ChunkKey = tuple[LocationKey, int, int]
"""A chunk of a location: its local midnights, seconds UTC."""


class Journal:
    """The journal of one task: a destination, a range of days and a set of locations."""

    def __init__(self, state: StateFile, clock: Clock, task: Sequence[object]) -> None:
        self._state = state
        self._clock = clock
        self._task = json.dumps([str(each) for each in task])

    def read(self) -> list[CompletedChunk]:
        """What earlier runs of the same task did within a day."""
        since = self._clock.now() - _LIFE
        entries = [_read(*row) for row in self._state.chunks_done(self._task)]
        return [done for noted, done in filter(None, entries) if noted >= since]

    def begin(self, *, anew: bool) -> None:
        """Make room for the task; forget what was done where to begin anew, and whatever nobody believes any more."""
        now = self._clock.now()
        self._state.begin_backfill(self._task, now, now - _LIFE, anew=anew)

    def note(self, done: CompletedChunk) -> None:
        """A chunk is done, and with it what it was needed for."""
        now = self._clock.now()
        text = json.dumps([now, asdict(done.totals), asdict(done.coverage), done.digest.hex()])
        self._state.note_chunk(self._task, now, done.chunk_key, text)

    def forget(self, done: CompletedChunk) -> None:
        """A chunk has to be done again."""
        self._state.forget_chunk(self._task, done.key, done.start)

    def remove(self) -> None:
        """All of it is done."""
        self._state.forget_backfill(self._task)


def _read(key: LocationKey, start: int, end: int, text: str) -> tuple[float, CompletedChunk] | None:
    """When it was noted, and what; None where another version of this program wrote it: then the chunk is not done."""
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
