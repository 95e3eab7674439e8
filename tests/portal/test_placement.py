"""Tests of placing points at instants, and of the step of a meter on each day.

See docs/portal.md, "Daylight saving changes", and docs/portal.md, "Resolution".
"""

from collections.abc import Sequence
from datetime import date
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.portal.placement import Placed, day_steps, place, place_days, step_of_day
from exporter.portal.walltime import WallClock

from ..support.portal_answers import (
    CHANGING_ZONES,
    DAY,
    HOUR,
    MINUTE,
    ODD_ZONE,
    QUARTER,
    STEPS,
    US_ZONES,
    Pair,
    bounds_of,
    changes,
    examples,
    firsts_of,
    instant,
    instants_of,
    spring,
    wall,
    wall_of,
    walls_of,
)

ZONE = "America/New_York"
SPRING, AUTUMN = date(2026, 3, 8), date(2026, 11, 1)
WIDE = (0, wall("2099-01-01"))
LATER_WINS = "a time occurs twice with different values; used the later one"


def placed(points: Sequence[Pair], zone: str = ZONE, bounds: tuple[int, int] = WIDE) -> Placed:
    return place(points, WallClock(ZoneInfo(zone)), bounds)


def day_bounds(day: date) -> tuple[int, int]:
    return wall(day.isoformat()), wall(day.isoformat()) + DAY


# -- the four ways to write a day with a clock change


def days_of(zone: str, year: int = 2026) -> Sequence[date]:
    return changes(zone, year) or (SPRING, AUTUMN)


@pytest.mark.parametrize("zone", [*US_ZONES, ODD_ZONE])
def test_day_has_exactly_its_instants(zone: str) -> None:
    """The repeated hour may come twice or once, and the missing hour with or without zeros."""
    for number, step in enumerate(STEPS if zone != ODD_ZONE else (5 * MINUTE, QUARTER, 2 * QUARTER)):
        for day in days_of(zone, 2024 + 2 * (number % 2)):
            instants, firsts = instants_of(day, zone, step), firsts_of(day, zone, step)
            real = {wall_of(moment, zone) for moment in firsts}
            zeros: list[Pair] = [(time, 0.0) for time in walls_of(day, step) if time not in real]
            for written, more in ((instants, []), (firsts, []), (firsts, zeros)):
                expected: dict[int, float | None] = {moment: float(moment % DAY + 1) for moment in written}
                points = [(wall_of(moment, zone), value) for moment, value in expected.items()]
                found = placed([*points, *more], zone, day_bounds(day))
                assert (found.values, found.warnings) == (expected, [])


@pytest.mark.parametrize("zone", CHANGING_ZONES)
def test_energy_at_a_missing_time_is_an_hour_later(zone: str) -> None:
    for year in (2022, 2026):
        gap = day_bounds(spring(zone, year))[0] + 2 * HOUR
        for time in range(gap, gap + HOUR, 5 * MINUTE):
            ((moment, value),) = placed([(time, 0.5)], zone).values.items()
            assert (wall_of(moment, zone), value) == (time + HOUR, 0.5)


@pytest.mark.parametrize(
    ("missing", "there", "expected"),
    [
        ([0.0], [], None),
        ([-0.5], [], -0.5),
        ([0.5], [0.2], 0.7),
        ([0.5], [None], 0.5),
        ([0.5, 0.5], [0.2], 0.7),
        ([0.5, 0.25], [0.2], 0.45),
    ],
)
def test_energy_at_a_missing_time_is_added_to_the_point_there(
    missing: list[float | None], there: list[float | None], expected: float | None
) -> None:
    points = [(wall("2026-03-08 02:00"), value) for value in missing]
    found = placed([*points, *((wall("2026-03-08 03:00"), value) for value in there)])
    joined = {} if expected is None else {instant("2026-03-08 03:00-04:00"): pytest.approx(expected)}
    assert found.values == joined
    assert found.warnings == ([LATER_WINS] if missing == [0.5, 0.25] else [])


# -- the n-th point with a wall time is its n-th instant

FIRST, SECOND = instant("2026-11-01 01:30-04:00"), instant("2026-11-01 01:30-05:00")
DOUBLED = wall("2026-11-01 01:30")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 1.0], {FIRST: 1.0, SECOND: 1.0}),
        ([None, 2.0], {FIRST: None, SECOND: 2.0}),
        ([1.0, None], {FIRST: 1.0, SECOND: None}),
        ([1.0, 2.0, 2.0], {FIRST: 1.0, SECOND: 2.0}),
    ],
)
def test_nth_point_of_the_repeated_hour_is_the_nth_instant(
    values: list[float | None], expected: dict[int, float | None]
) -> None:
    found = placed([(DOUBLED, value) for value in values])
    assert found.values == expected
    assert found.warnings == []


def in_the_hour(*minutes: int) -> list[Pair]:
    """Return points of the repeated hour in this order, each with its place in it as value."""
    return [(wall("2026-11-01 01:00") + minute * MINUTE, float(number)) for number, minute in enumerate(minutes)]


@pytest.mark.parametrize(
    ("minutes", "second"),
    [
        ([0, 15, 45, 0, 15, 30, 45], {3, 4, 5, 6}),  # the first 01:30 is missing
        ([0, 15, 30, 45, 0, 15, 45], {4, 5, 6}),  # the second one is missing
        ([45, 0, 15, 30], {1, 2, 3}),
        ([0, 15, 0, 15, 30, 45], {2, 3}),  # nothing later than 01:30 and 01:45 came before them
        ([0, 15, 30, 45], set()),
        ([0, 0, 15, 30, 30, 45, 45], {1, 4, 6}),
        ([30, 0, 45, 15], set()),  # no order at all
    ],
)
def test_the_portals_order_shows_the_second_pass(minutes: list[int], second: set[int]) -> None:
    first = instant("2026-11-01 01:00-04:00")
    expected = {first + minute * MINUTE + (n in second) * HOUR: float(n) for n, minute in enumerate(minutes)}
    around: list[Pair] = [(wall("2026-11-01 02:00"), -1.0)]
    found = placed([*in_the_hour(*minutes), *around])
    assert found.values == expected | {first + 2 * HOUR: -1.0}
    assert found.warnings == []


@pytest.mark.parametrize(
    ("values", "kept", "warnings"),
    [
        ([1.0, 1.0, 1.0], 1.0, 0),
        ([1.0, 0.0], 0.0, 1),
        ([1.0, 2.0, 3.0], 3.0, 1),
        ([None, 2.0], 2.0, 0),
        ([1.0, None], 1.0, 0),
    ],
)
def test_later_of_different_points_wins_elsewhere(
    values: list[float | None], kept: float | None, warnings: int
) -> None:
    found = placed([(wall("2026-06-01 01:30"), value) for value in values])
    assert found.values == {instant("2026-06-01 01:30-04:00"): kept}
    assert set(found.warnings) == ({LATER_WINS} if warnings else set())


# -- points outside the range


@pytest.mark.parametrize(
    ("shown", "inside", "warnings"),
    [
        ("2026-10-31 23:45", False, 1),
        ("2026-11-01 00:00", True, 0),
        ("2026-11-01 23:45", True, 0),
        ("2026-11-02 00:00", False, 0),  # the next request has it too
        ("2026-11-02 00:15", False, 1),
    ],
)
def test_range_includes_its_start_but_not_its_end(shown: str, *, inside: bool, warnings: int) -> None:
    found = placed([(wall(shown), 1.0)], bounds=day_bounds(AUTUMN))
    assert len(found.values) == int(inside)
    assert len(found.warnings) == warnings


@pytest.mark.parametrize("time", [wall("9999-12-31 23:59"), 10**300, -1])
def test_impossible_time_is_dropped_in_any_range(time: int) -> None:
    found = placed([(time, 1.0)], bounds=(-(10**18), 10**18))
    assert found.values == {}
    assert len(found.warnings) == 1


# -- daily points


@pytest.mark.parametrize("zone", [*US_ZONES, ODD_ZONE])
def test_daily_point_is_at_the_start_of_its_local_day(zone: str) -> None:
    for day in days_of(zone):
        found = place_days([(wall(day.isoformat()), 24.5)], WallClock(ZoneInfo(zone)), day_bounds(day))
        assert (found.values, found.warnings) == ({bounds_of(day, zone)[0]: 24.5}, [])


def test_daily_point_off_midnight_or_range_is_dropped() -> None:
    points = [(wall("2026-10-31"), 1.0), (wall("2026-11-01"), 2.0), (wall("2026-11-01 05:00"), 3.0)]
    found = place_days([*points, (wall("2026-11-01 06:00"), 0.0)], WallClock(ZoneInfo(ZONE)), day_bounds(AUTUMN))
    assert found.values == {instant("2026-11-01 00:00-04:00"): 2.0}
    assert len(found.warnings) == 2


@pytest.mark.parametrize(("day", "start"), [("2026-03-08", "01:00-04:00"), ("2026-11-01", "00:00-04:00")])
def test_day_that_begins_with_a_clock_change_begins_once(day: str, start: str) -> None:
    found = place_days([(wall(day), 1.0)] * 2, WallClock(ZoneInfo("America/Havana")), WIDE)
    assert found.values == {instant(f"{day} {start}"): 1.0}


# -- the step of a meter on each day

MONDAY = wall("2026-01-05")
NUMBER = MONDAY // DAY


def chart_of(walls: Sequence[int], last: int = QUARTER) -> dict[int, int]:
    """Return charted intervals in which each time ends at the next one, as the portal does."""
    times = sorted(set(walls))
    return dict(zip(times, [*times[1:], times[-1] + last], strict=True))


def every(step: int, start: int = MONDAY, span: int = DAY) -> list[int]:
    return list(range(start, start + span, step))


@examples
@given(st.sampled_from(STEPS), st.sets(st.integers(0, 287), max_size=60), st.randoms(use_true_random=False))
def test_gaps_and_disorder_do_not_stretch_the_step(step: int, missing: set[int], random: Random) -> None:
    walls = [time for number, time in enumerate(every(step)) if number % 4 or number not in missing]
    chart = chart_of(walls, step)
    random.shuffle(walls)
    assert day_steps(walls, chart) == {NUMBER: step}
    assert day_steps(walls, {}) == {NUMBER: step}


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
@pytest.mark.parametrize("step", STEPS)
def test_clock_change_does_not_alter_the_step(step: int, day: date) -> None:
    walls = [wall_of(moment, ZONE) for moment in instants_of(day, ZONE, step)]
    assert day_steps(walls, chart_of(walls, step)) == day_steps(walls, {}) == {walls[0] // DAY: step}


def test_chart_is_preferred_to_distances() -> None:
    walls = [MONDAY, MONDAY + 30 * MINUTE]
    assert day_steps(walls, {time: time + QUARTER for time in walls}) == {NUMBER: QUARTER}


def test_most_common_length_counts() -> None:
    walls = [*every(QUARTER, span=6 * HOUR), *every(HOUR, MONDAY + 6 * HOUR, 18 * HOUR)]
    assert day_steps(walls, chart_of(walls, HOUR)) == {NUMBER: QUARTER}


@pytest.mark.parametrize("numbers", [(0, 1, 3), (0, 2, 3)])
def test_longer_of_two_equally_common_lengths_is_a_gap(numbers: Sequence[int]) -> None:
    walls = [MONDAY + number * QUARTER for number in numbers]
    assert day_steps(walls, {}) == {NUMBER: QUARTER}


@pytest.mark.parametrize("chart", [{}, {MONDAY: MONDAY}, {MONDAY: MONDAY + 3 * HOUR}])
def test_single_point_without_an_interval_shows_no_step(chart: dict[int, int]) -> None:
    assert day_steps([MONDAY], chart) == {}
    assert day_steps([MONDAY], {MONDAY: MONDAY + QUARTER}) == {NUMBER: QUARTER}


def test_each_day_has_its_own_step() -> None:
    walls = [*every(HOUR), *every(QUARTER, MONDAY + DAY)]
    assert day_steps(walls, chart_of(walls)) == {NUMBER: HOUR, NUMBER + 1: QUARTER}
    assert day_steps(walls, {}) == {NUMBER: HOUR, NUMBER + 1: QUARTER}


COARSE = every(HOUR)


@pytest.mark.parametrize(
    "walls",
    [
        COARSE[:4],
        COARSE[:5] + COARSE[8:],
        [MONDAY, MONDAY + QUARTER, *COARSE[1:]],
        [time for number, time in enumerate(COARSE) if number not in (3, 4, 10, 15)],
    ],
)
def test_coarser_meter_on_a_finer_chart_keeps_its_step(walls: list[int]) -> None:
    assert day_steps(walls, chart_of(every(QUARTER))) == {NUMBER: HOUR}


def test_coarser_meter_keeps_its_step_early_in_the_day() -> None:
    today = MONDAY + DAY
    walls = [*COARSE, *every(HOUR, today, 2 * HOUR)]
    assert day_steps(walls, chart_of(every(QUARTER, span=2 * DAY))) == {NUMBER: HOUR, NUMBER + 1: HOUR}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ({5: QUARTER, 6: HOUR}, QUARTER),
        ({4: QUARTER, 6: HOUR}, QUARTER),
        ({1: QUARTER, 7: HOUR}, HOUR),
    ],
)
def test_day_without_a_step_uses_the_nearest_day(steps: dict[int, int], expected: int) -> None:
    assert step_of_day(5, steps) == expected
