"""The result of a backfill: what is stored, what is left, what was learned."""

from dataclasses import dataclass, field
from itertools import pairwise

from ..intervals.model import LocationKey
from ..portal.walltime import WallClock
from .journal import ChunkKey, CompletedChunk, Totals


@dataclass(slots=True)
class BackfillResult:
    """The result of a backfill.

    `held` are the chunks that the sink holds. `unconfirmed` are those of the others that this run wrote, in part or
    without proof that they are stored. `errors` say why chunks are missing. `done` and `left` count chunks, `days_done`
    and `days_left` their local days, the latter without unread ones if their number is not known; `already` counts the
    done chunks of an earlier run, `days_already` their days. `is_finished` is set once the
    sink has completed its output, `is_stopped` if the backfill was interrupted. `connected` is the connection day of
    each location whose requested days start earlier, `unread` the end of the days of each location that were not asked
    for because an earlier end of its history was not found; both in seconds UTC.
    """

    held: dict[ChunkKey, CompletedChunk] = field(default_factory=dict)
    unconfirmed: dict[ChunkKey, Totals] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    done: int = 0
    left: int = 0
    days_done: int = 0
    days_left: int = 0
    already: int = 0
    days_already: int = 0
    is_finished: bool = False
    is_stopped: bool = False
    connected: dict[LocationKey, int] = field(default_factory=dict)
    unread: dict[LocationKey, int] = field(default_factory=dict)

    @property
    def has_unknown_days(self) -> bool:
        """Whether it is not known how far back some location goes."""
        return not self.unread.keys() <= self.connected.keys()

    @property
    def totals(self) -> Totals:
        """The totals of all chunks."""
        return sum((each.totals for each in self.held.values()), Totals())

    def first(self, key: LocationKey) -> int | None:
        """Return the start of a location's oldest interval."""
        return min((first for first, _ in self._spans(key).values()), default=None)

    def incomplete_days(self, key: LocationKey, wall: WallClock) -> int:
        """Count the days with gaps that this run wrote."""
        spans = self._spans(key)
        return sum(
            any(
                first <= day and following <= last and day not in each.full_days.get(meter, ())
                for meter, (first, last) in spans.items()
            )
            for each in self.held.values()
            if each.key == key and each.full_days is not None
            for day, following in pairwise(wall.midnights(each.start, each.end))
        )

    def _spans(self, key: LocationKey) -> dict[str, tuple[int, int]]:
        """Return the start of the first and the end of the last energy of each meter."""
        spans: dict[str, tuple[int, int]] = {}
        for each in self.held.values():
            for meter, (first, last) in each.coverage.spans.items() if each.key == key else ():
                before = spans.get(meter, (first, last))
                spans[meter] = min(first, before[0]), max(last, before[1])
        return spans
