"""Tests of wall time and instants, against the zone's rules at each date.

See docs/portal.md, "Wall-clock times".
"""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.intervals.days import Day
from exporter.portal.walltime import WallClock, plausible

from ..support.portal_answers import (
    CHANGING_ZONES,
    DAY,
    HOUR,
    MINUTE,
    ODD_ZONE,
    STEPS,
    US_ZONES,
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

ZONES = st.sampled_from([*US_ZONES, ODD_ZONE])
MOMENTS = st.integers(instant("2006-01-01 00:00+00:00"), instant("2037-12-31 00:00+00:00"))
DAYS = st.dates(date(2006, 1, 1), date(2037, 12, 30))


def clock_of(zone: str) -> WallClock:
    return WallClock(ZoneInfo(zone))


@examples
@given(ZONES, MOMENTS)
def test_instant_is_shown_with_the_offset_of_the_zone(zone: str, moment: int) -> None:
    clock = clock_of(zone)
    shown = clock.wall(moment)
    instants = clock.instants(shown)
    assert shown == wall_of(moment, zone)
    assert moment in instants
    assert list(instants) == sorted(set(instants))
    assert {clock.wall(each) for each in instants} == {shown}


@pytest.mark.parametrize("zone", US_ZONES)
def test_wall_times_of_a_clock_change_convert_back(zone: str) -> None:
    clock = clock_of(zone)
    for year, step in enumerate(STEPS, start=2022):
        for day in changes(zone, year):
            instants = instants_of(day, zone, step)
            walls = {clock.wall(moment) for moment in instants}
            assert sorted(moment for time in walls for moment in clock.instants(time)) == instants


@pytest.mark.parametrize(
    ("zone", "shown", "instants"),
    [
        ("America/New_York", "2026-03-08 02:00", []),
        ("America/New_York", "2026-03-08 02:59", []),
        ("America/New_York", "2026-03-08 03:00", ["2026-03-08 03:00-04:00"]),
        ("America/New_York", "2026-11-01 01:00", ["2026-11-01 01:00-04:00", "2026-11-01 01:00-05:00"]),
        ("America/New_York", "2026-11-01 02:00", ["2026-11-01 02:00-05:00"]),
        ("America/Phoenix", "2026-03-08 02:30", ["2026-03-08 09:30+00:00"]),
        ("Australia/Lord_Howe", "2026-04-05 01:45", ["2026-04-04 14:45+00:00", "2026-04-04 15:15+00:00"]),
        ("Australia/Lord_Howe", "2026-10-04 02:15", []),
        ("Australia/Lord_Howe", "2026-10-04 02:30", ["2026-10-03 15:30+00:00"]),
    ],
)
def test_wall_time_has_no_instant_in_spring_and_two_in_autumn(zone: str, shown: str, instants: list[str]) -> None:
    assert clock_of(zone).instants(wall(shown)) == tuple(map(instant, instants))


@pytest.mark.parametrize("zone", CHANGING_ZONES)
def test_time_in_the_spring_gap_has_the_offset_before_it(zone: str) -> None:
    clock = clock_of(zone)
    for year in (2020, 2026, 2029):
        for minutes in (0, 30, 59):
            missing = wall(spring(zone, year).isoformat()) + 2 * HOUR + minutes * MINUTE
            assert clock.instants(missing) == ()
            assert clock.wall(clock.instant_before_change(missing)) == missing + HOUR


def test_spring_gap_of_lord_howe_is_half_an_hour() -> None:
    clock = clock_of(ODD_ZONE)
    assert clock.instant_before_change(wall("2026-10-04 02:15")) == instant("2026-10-04 02:45+11:00")


@examples
@given(ZONES, DAYS)
def test_local_day_is_from_midnight_to_midnight(zone: str, day: date) -> None:
    clock = clock_of(zone)
    start, end = bounds_of(day, zone)
    for moment in (start, (start + end) // 2, end - 1):
        assert clock.day(moment) == Day(start, end)
    assert clock.day(start - 1).end == start
    assert clock.day(end).start == end


@pytest.mark.parametrize(
    ("zone", "noon", "start", "end"),
    [
        # Havana: 00:00 does not exist in spring, 00:00 to 00:59 occurs twice in autumn.
        ("America/Havana", "2026-03-08 12:00-04:00", "2026-03-08 01:00-04:00", "2026-03-09 00:00-04:00"),
        ("America/Havana", "2026-11-01 12:00-05:00", "2026-11-01 00:00-04:00", "2026-11-02 00:00-05:00"),
    ],
)
def test_day_begins_once_if_clocks_change_at_midnight(zone: str, noon: str, start: str, end: str) -> None:
    assert clock_of(zone).day(instant(noon)) == Day(instant(start), instant(end))


@examples
@given(ZONES, DAYS, st.integers(0, 400), st.integers(0, DAY // 2))
def test_days_before_counts_local_days(zone: str, day: date, days: int, seconds: int) -> None:
    moment = bounds_of(day, zone)[0] + seconds
    assert clock_of(zone).days_before(moment, days) == bounds_of(day - timedelta(days=days), zone)[0]


def test_days_before_can_go_forward_across_a_change() -> None:
    clock = clock_of("America/New_York")
    assert clock.days_before(instant("2026-11-01 23:30-05:00"), -1) == instant("2026-11-02 00:00-05:00")
    assert clock.days_before(instant("2026-03-08 00:00-05:00"), -1) == instant("2026-03-09 00:00-04:00")


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-01-01 04:59+00:00", "2025-12-31"),
        ("2026-01-01 05:00+00:00", "2026-01-01"),
        ("2026-11-02 04:59+00:00", "2026-11-01"),
    ],
)
def test_date_in_a_message_is_local(moment: str, text: str) -> None:
    assert clock_of("America/New_York").date_text(instant(moment)) == text


@examples
@given(ZONES, DAYS, st.integers(0, 60))
def test_midnights_include_both_ends(zone: str, day: date, days: int) -> None:
    every = [bounds_of(day + timedelta(days=number), zone)[0] for number in range(days + 1)]
    assert clock_of(zone).midnights(every[0], every[-1]) == every
    assert clock_of(zone).days_between(every[0], every[-1]) == len(every) - 1


@pytest.mark.parametrize("zone", US_ZONES)
def test_grid_has_each_instant_once(zone: str) -> None:
    clock = clock_of(zone)
    for year, step in enumerate(STEPS, start=2022):
        for day in [*changes(zone, year), date(year, 6, 1)]:
            grid = clock.grid(Day(*bounds_of(day, zone)), step)
            assert sorted(moment for group in grid for moment in group) == instants_of(day, zone, step)
            assert [group[0] for group in grid] == firsts_of(day, zone, step)
            shown = [{wall_of(moment, zone) for moment in group} for group in grid]
            assert all(len(times) == 1 for times in shown)
            assert set.union(*shown) <= set(walls_of(day, step))


def test_only_times_from_1970_to_2100_are_plausible() -> None:
    assert plausible((-5, wall("9999-12-31"))) == (0, wall("2100-01-01"))
    assert plausible((wall("2026-01-01"), wall("2026-02-01"))) == (wall("2026-01-01"), wall("2026-02-01"))


@examples
@given(ZONES, st.integers(0, wall("2099-12-31")))
def test_every_plausible_wall_time_can_be_converted(zone: str, time: int) -> None:
    clock = clock_of(zone)
    assert plausible((time, time + 1)) == (time, time + 1)
    for moment in clock.instants(time) or (clock.instant_before_change(time),):
        assert abs(moment - time) < DAY
