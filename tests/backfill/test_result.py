"""What of all chunks together is told of a location: where its data begin, and how many days are incomplete."""

from collections.abc import Collection, Mapping

from exporter.backfill.journal import CompletedChunk, Coverage, Totals
from exporter.backfill.result import BackfillResult

from ..support.jobs import BARN, HOUSE, instant, job

WALL = job("2026-01-01", "2026-03-31").wall
FIRST, SECOND, THIRD, END = (instant(day) for day in ("2026-01-01", "2026-01-04", "2026-01-06", "2026-01-08"))


class Chunk:
    """What a chunk showed: by meter the range of its energy; its days in it are full but for the missing ones."""

    def __init__(
        self, start: int, end: int, *numbers: str, missing: Collection[int] = (), earlier: bool = False
    ) -> None:
        self.done = CompletedChunk(
            HOUSE, start, end, Totals(intervals=1), Coverage(dict.fromkeys(numbers, (start, end)))
        )
        full = {*WALL.midnights(start, end)[:-1]} - {*missing}
        self.full_days: Mapping[str, Collection[int]] = dict.fromkeys(numbers, full)
        self.earlier = earlier


def result(*chunks: Chunk) -> BackfillResult:
    held = {each.done.chunk_key: each.done for each in chunks}
    return BackfillResult(held, {each.done.chunk_key: each.full_days for each in chunks if not each.earlier})


def incomplete(*chunks: Chunk) -> int:
    return result(*chunks).incomplete_days(HOUSE, WALL)


def test_totals_and_the_first_interval_are_those_of_all_chunks() -> None:
    found = result(Chunk(SECOND, THIRD, "81001"), Chunk(FIRST, SECOND, "81002"))
    assert found.totals == Totals(intervals=2)
    assert (found.first(HOUSE), found.first(BARN)) == (FIRST, None)
    assert BackfillResult().totals == Totals()


def test_a_day_is_incomplete_once_however_many_meters_lack_some() -> None:
    assert incomplete(Chunk(FIRST, END, "81001", "81002")) == 0
    assert incomplete(Chunk(FIRST, END, "81001", "81002", missing=[SECOND, THIRD])) == 2
    assert result(Chunk(FIRST, END, "81001", missing=[SECOND])).incomplete_days(BARN, WALL) == 0


def test_days_of_an_earlier_run_are_not_counted() -> None:
    chunks = Chunk(FIRST, SECOND, "81001", missing=[FIRST], earlier=True), Chunk(SECOND, END, "81001", missing=[THIRD])
    assert incomplete(*chunks) == 1


def test_a_chunk_without_a_meter_has_no_full_day_of_it() -> None:
    assert incomplete(Chunk(FIRST, SECOND, "81001"), Chunk(SECOND, THIRD), Chunk(THIRD, END, "81001")) == 2


def test_days_outside_a_meters_data_are_not_missing() -> None:
    assert incomplete(Chunk(FIRST, SECOND), Chunk(SECOND, THIRD, "81001"), Chunk(THIRD, END)) == 0
    assert incomplete(Chunk(FIRST, SECOND, "81001"), Chunk(SECOND, THIRD, "81002")) == 0
