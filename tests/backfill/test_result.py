"""Test the start of the data and the incomplete days over all chunks."""

from collections.abc import Collection

from exporter.backfill.journal import CompletedChunk, Coverage, Totals
from exporter.backfill.result import BackfillResult
from exporter.intervals.model import LocationKey

from ..support.jobs import BARN, HOUSE, job
from ..support.worlds import instant

WALL = job("2026-01-01", "2026-03-31").wall
FIRST, SECOND, THIRD, END = (instant(day) for day in ("2026-01-01", "2026-01-04", "2026-01-06", "2026-01-08"))


def chunk(
    start: int, end: int, *numbers: str, missing: Collection[int] = (), earlier: bool = False, key: LocationKey = HOUSE
) -> CompletedChunk:
    """Return a chunk with energy of these meters.

    Its days are full except the missing ones.
    """
    full = dict.fromkeys(numbers, {*WALL.midnights(start, end)[:-1]} - {*missing})
    coverage = Coverage(dict.fromkeys(numbers, (start, end)))
    return CompletedChunk(key, start, end, Totals(intervals=1), coverage, full_days=None if earlier else full)


def result(*chunks: CompletedChunk) -> BackfillResult:
    return BackfillResult({each.chunk_key: each for each in chunks})


def incomplete(*chunks: CompletedChunk) -> int:
    return result(*chunks).incomplete_days(HOUSE, WALL)


def test_totals_and_first_interval_cover_all_chunks() -> None:
    found = result(chunk(SECOND, THIRD, "81001"), chunk(FIRST, SECOND, "81002"))
    assert found.totals == Totals(intervals=2)
    assert (found.first(HOUSE), found.first(BARN)) == (FIRST, None)
    assert BackfillResult().totals == Totals()


def test_an_incomplete_day_counts_once_for_all_meters() -> None:
    other = chunk(FIRST, END, "81009", key=BARN)
    assert incomplete(chunk(FIRST, END, "81001", "81002"), other) == 0
    assert incomplete(chunk(FIRST, END, "81001", "81002", missing=[SECOND, THIRD])) == 2
    assert result(chunk(FIRST, END, "81001", missing=[SECOND])).incomplete_days(BARN, WALL) == 0


def test_days_of_an_earlier_run_are_not_counted() -> None:
    chunks = chunk(FIRST, SECOND, "81001", missing=[FIRST], earlier=True), chunk(SECOND, END, "81001", missing=[THIRD])
    assert incomplete(*chunks) == 1


def test_a_chunk_without_a_meter_has_no_full_day_for_it() -> None:
    assert incomplete(chunk(FIRST, SECOND, "81001"), chunk(SECOND, THIRD), chunk(THIRD, END, "81001")) == 2


def test_days_outside_a_meters_data_are_not_missing() -> None:
    assert incomplete(chunk(FIRST, SECOND), chunk(SECOND, THIRD, "81001"), chunk(THIRD, END)) == 0
    assert incomplete(chunk(FIRST, SECOND, "81001"), chunk(SECOND, THIRD, "81002")) == 0
