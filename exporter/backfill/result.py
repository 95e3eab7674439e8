"""What came of a backfill: what the sink holds, what is left, and what was seen on the way."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from ..intervals.model import LocationKey
from ..portal.walltime import WallClock
from .chunks import interval_starts
from .journal import ChunkKey, CompletedChunk, Coverage, Totals


@dataclass(slots=True)
class BackfillResult:
    """What came of a backfill.

    held: the chunks that the sink holds. errors: what kept others from being done. done, left: how many chunks are done
    and how many are not; already: how many of the former an earlier run did. is_finished: the sink has put all of it
    where it belongs. is_stopped: somebody asked it to end. connected: the first day of locations that were asked for an
    earlier one.
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

    def holes(self, key: LocationKey, wall: WallClock) -> list[tuple[int, int, int]]:
        """The days of a location that are not whole, between the first and the last data of the meter.

        Start of the day, and how many of how many intervals of all meters are missing.
        """
        spans = self._spans(key)
        days: dict[int, tuple[int, int]] = {}
        for meter, day, missing, all_ in (*self._holes_in_chunks(key), *self._chunks_without(key, wall)):
            first, last = spans.get(meter, (0, 0))
            if first <= day and wall.day(day).end <= last:
                before = days.get(day, (0, 0))
                days[day] = before[0] + missing, before[1] + all_
        return [(day, *count) for day, count in sorted(days.items())]

    def _coverages(self, key: LocationKey) -> list[tuple[int, int, Coverage]]:
        return [(each.start, each.end, each.coverage) for each in self.held.values() if each.key == key]

    def _spans(self, key: LocationKey) -> dict[str, tuple[int, int]]:
        spans: dict[str, tuple[int, int]] = {}
        for _, _, coverage in self._coverages(key):
            for meter, (first, last) in coverage.spans.items():
                before = spans.get(meter, (first, last))
                spans[meter] = min(first, before[0]), max(last, before[1])
        return spans

    def _holes_in_chunks(self, key: LocationKey) -> Iterator[tuple[str, int, int, int]]:
        for _, _, coverage in self._coverages(key):
            yield from coverage.holes

    def _chunks_without(self, key: LocationKey, wall: WallClock) -> Iterator[tuple[str, int, int, int]]:
        """The days of chunks in which the portal does not name a meter that it names before and after."""
        steps = {
            meter: step for _, _, coverage in self._coverages(key) for meter, step in coverage.steps.items() if step > 0
        }
        for start, end, coverage in self._coverages(key):
            for meter in steps.keys() - coverage.steps.keys():
                for midnight, following in pairwise(wall.midnights(start, end)):
                    count = len(interval_starts(wall, midnight, following, steps[meter]))
                    yield meter, midnight, count, count
