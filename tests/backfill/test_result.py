"""What of all chunks together is told of a location: where its data begin, and which days are not whole."""

from exporter.backfill.journal import CompletedChunk, Coverage, Totals
from exporter.backfill.result import BackfillResult

from ..support.jobs import BARN, HOUSE, instant, job

HOUR = 3600
WALL = job("2026-01-01", "2026-03-31").wall
FIRST, SECOND, THIRD, END = (instant(day) for day in ("2026-01-01", "2026-01-04", "2026-01-06", "2026-01-08"))
HOURLY = {"81001": HOUR}


def result(*coverages: tuple[int, int, Coverage]) -> BackfillResult:
    held = [CompletedChunk(HOUSE, start, end, Totals(intervals=1), coverage) for start, end, coverage in coverages]
    return BackfillResult({done.chunk_key: done for done in held})


def whole(start: int, end: int, number: str = "81001", step: int = HOUR) -> tuple[int, int, Coverage]:
    return start, end, Coverage({number: step}, {number: (start, end)})


def test_figures_are_those_of_all_chunks() -> None:
    assert result(whole(FIRST, SECOND), whole(SECOND, THIRD)).totals == Totals(intervals=2)
    assert BackfillResult().totals == Totals()


def test_a_location_begins_with_the_oldest_interval_of_any_meter() -> None:
    found = result(whole(SECOND, THIRD), whole(FIRST, SECOND, "81002"))
    assert (found.first(HOUSE), found.first(BARN)) == (FIRST, None)


def test_days_of_a_chunk_in_which_the_portal_does_not_even_name_a_meter_are_holes() -> None:
    found = result(whole(FIRST, SECOND), (SECOND, THIRD, Coverage()), whole(THIRD, END))
    assert found.holes(HOUSE, WALL) == [(SECOND, 24, 24), (instant("2026-01-05"), 24, 24)]


def test_days_before_a_meter_is_named_and_after_it_are_none() -> None:
    found = result((FIRST, SECOND, Coverage()), whole(SECOND, THIRD), (THIRD, END, Coverage()))
    assert found.holes(HOUSE, WALL) == []


def test_a_meter_that_takes_the_place_of_another_one_leaves_no_holes() -> None:
    assert result(whole(FIRST, SECOND), whole(SECOND, THIRD, "81002")).holes(HOUSE, WALL) == []


def test_holes_of_several_meters_on_a_day_are_one() -> None:
    steps = {"81001": HOUR, "81002": 900}
    holes = (("81001", SECOND, 2, 24), ("81002", SECOND, 3, 96))
    found = result((FIRST, END, Coverage(steps, dict.fromkeys(steps, (FIRST, END)), holes)))
    assert found.holes(HOUSE, WALL) == [(SECOND, 5, 120)]


def test_a_day_on_which_clocks_change_has_as_many_hours_as_the_wall_shows() -> None:
    """Of the autumn hour that comes twice, one is enough (contract 3)."""
    autumn = instant("2026-11-01"), instant("2026-11-02")
    before, after = instant("2026-10-31"), instant("2026-11-03")
    found = result(whole(before, autumn[0]), (*autumn, Coverage()), whole(autumn[1], after))
    assert found.holes(HOUSE, WALL) == [(autumn[0], 24, 24)]
