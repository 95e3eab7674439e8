"""What came of a backfill: what the sink holds, what is left, and what was seen on the way."""

from dataclasses import dataclass, field
from itertools import pairwise

from ..intervals.model import LocationKey
from ..portal.walltime import WallClock
from .journal import ChunkKey, CompletedChunk, Totals


@dataclass(slots=True)
class BackfillResult:
    """What came of a backfill.

    held: the chunks that the sink holds. full_days: of those that this run wrote, by meter the starts of its full days.
    errors: what kept others from being done. done, left: how many chunks are done and how many are not; already: how
    many of the former an earlier run did. is_finished: the sink has put all of it where it belongs. is_stopped:
    somebody asked it to end. connected: the first day of locations that were asked for an earlier one.
    """

    held: dict[ChunkKey, CompletedChunk] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    done: int = 0
    left: int = 0
    already: int = 0
    is_finished: bool = False
    is_stopped: bool = False
    connected: dict[LocationKey, int] = field(default_factory=dict)

    @property
    def totals(self) -> Totals:
        """All chunks together."""
        return sum((each.totals for each in self.held.values()), Totals())

    def first(self, key: LocationKey) -> int | None:
        """The start of the oldest interval of a location."""
        return min((first for first, _ in self._spans(key).values()), default=None)

    def incomplete_days(self, key: LocationKey, wall: WallClock) -> int:
        """How many days that this run wrote lack an interval of a meter, between its first and its last data."""
        spans = self._spans(key)
        count = 0
        for each in self.held.values():
            full = each.full_days
            for day, following in pairwise(wall.midnights(each.start, each.end)):
                count += (each.key == key and full is not None) and any(
                    first <= day and following <= last and day not in full.get(meter, ())
                    for meter, (first, last) in spans.items()
                )
        return count

    def _spans(self, key: LocationKey) -> dict[str, tuple[int, int]]:
        """By meter the start of its first and the end of its last data."""
        spans: dict[str, tuple[int, int]] = {}
        for each in self.held.values():
            for meter, (first, last) in each.coverage.spans.items() if each.key == key else ():
                before = spans.get(meter, (first, last))
                spans[meter] = min(first, before[0]), max(last, before[1])
        return spans
