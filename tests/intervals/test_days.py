"""Totals of full local days, also on days of daylight saving changes."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.intervals.columns import NOTHING, Intervals
from exporter.intervals.days import Day, full_days
from exporter.intervals.interval import Interval, Reading
from exporter.intervals.merge import merge

HOUR = 3600
ZONE = ZoneInfo("America/New_York")


class ZoneCalendar:
    """The local days of a zone whose clock never changes at midnight."""

    def __init__(self, zone: ZoneInfo = ZONE) -> None:
        self._zone = zone

    def day(self, instant: int) -> Day:
        midnight = datetime.fromtimestamp(instant, self._zone).replace(hour=0, minute=0, second=0, tzinfo=None)
        start, end = (each.replace(tzinfo=self._zone) for each in (midnight, midnight + timedelta(days=1)))
        return Day(int(start.timestamp()), int(end.timestamp()))

    def grid(self, day: Day, step: int) -> tuple[tuple[int, ...], ...]:
        by_wall: dict[datetime, list[int]] = defaultdict(list)
        for start in range(day.start, day.end, step):
            wall = datetime.fromtimestamp(start, UTC).astimezone(self._zone).replace(tzinfo=None, fold=0)
            by_wall[wall].append(start)
        return tuple(tuple(instants) for instants in by_wall.values())


CALENDAR = ZoneCalendar()


def day_of(year: int, month: int, day: int) -> Day:
    return CALENDAR.day(int(datetime(year, month, day, 12, tzinfo=ZONE).timestamp()))


ORDINARY = day_of(2026, 6, 10)
SPRING = day_of(2026, 3, 8)
AUTUMN = day_of(2026, 11, 1)


def full(day: Day, step: int = 900, usage: float = 0.1, **values: float) -> dict[int, Interval]:
    """Every interval of a day."""
    starts = range(day.start, day.end, step)
    return {start: Interval(start, start + step, usage, 1, **values) for start in starts}  # type: ignore[arg-type]


def columns(intervals: dict[int, Interval]) -> Intervals:
    return Intervals.of(intervals[start] for start in sorted(intervals))


def totals(intervals: dict[int, Interval], changed: Iterable[int] | None = None) -> list[Reading]:
    starts = sorted(intervals if changed is None else changed)
    return full_days(columns(intervals), starts, CALENDAR).readings()


def without(intervals: dict[int, Interval], *starts: int) -> dict[int, Interval]:
    return {start: interval for start, interval in intervals.items() if start not in starts}


@pytest.mark.parametrize(
    ("day", "step", "count"),
    [
        pytest.param(ORDINARY, 900, 96, id="24 hours in quarter hours"),
        pytest.param(ORDINARY, 300, 288, id="24 hours in steps of five minutes"),
        pytest.param(SPRING, 900, 92, id="23 hours in quarter hours"),
        pytest.param(AUTUMN, 900, 100, id="25 hours in quarter hours"),
        pytest.param(AUTUMN, 1800, 50, id="25 hours in half hours"),
    ],
)
def test_a_full_day_is_the_exact_sum_of_its_intervals(day: Day, step: int, count: int) -> None:
    intervals = full(day, step, 0.1)
    assert len(intervals) == count
    assert totals(intervals) == [Reading(day.start, day.end, round(count / 10, 6))]


@pytest.mark.parametrize("day", [ORDINARY, SPRING], ids=["24 hours", "23 hours"])
@given(number=st.integers(0, 95))
def test_a_day_with_a_missing_interval_is_not_full(day: Day, number: int) -> None:
    intervals = full(day)
    del intervals[day.start + number % len(intervals) * 900]
    assert totals(intervals) == [Reading(day.start, day.end)]


REPEATED = range(AUTUMN.start + HOUR, AUTUMN.start + 3 * HOUR, 900)


def same_wall_time(start: int) -> set[int]:
    """The instants of the autumn day with the same wall time as this one."""
    if start not in REPEATED:
        return {start}
    first = start if start < AUTUMN.start + 2 * HOUR else start - HOUR
    return {first, first + HOUR}


@given(st.sets(st.integers(0, 99), max_size=8))
def test_the_repeated_hour_in_autumn_is_needed_once(missing: set[int]) -> None:
    intervals = without(full(AUTUMN), *(AUTUMN.start + number * 900 for number in missing))
    is_full = all(same_wall_time(start) & intervals.keys() for start in range(AUTUMN.start, AUTUMN.end, 900))
    usage = round(len(intervals) / 10, 6) if is_full else None
    assert totals(intervals) == [Reading(AUTUMN.start, AUTUMN.end, usage)]


@pytest.mark.parametrize("hour", [1, 2], ids=["only the first", "only the second"])
def test_an_autumn_day_with_the_repeated_hour_once_is_full(hour: int) -> None:
    other = 3 - hour
    dropped = [start for start in REPEATED if (start - AUTUMN.start) // HOUR == other]
    intervals = without(full(AUTUMN), *dropped)
    assert totals(intervals) == [Reading(AUTUMN.start, AUTUMN.end, 9.6)]


def test_usage_export_and_cost_are_full_independently() -> None:
    intervals = full(ORDINARY, 900, 0.1, export=0.01, cost=0.02)
    bare = ORDINARY.start + 900
    intervals[bare] = Interval(bare, bare + 900, 0.1, 1, export=0.01)
    assert totals(intervals) == [Reading(ORDINARY.start, ORDINARY.end, 9.6, 0.96, None)]
    intervals[bare] = Interval(bare, bare + 900, None, export=0.01, cost=0.02)
    assert totals(intervals) == [Reading(ORDINARY.start, ORDINARY.end, None, 0.96, 1.92)]


@pytest.mark.parametrize("day", [ORDINARY, SPRING, AUTUMN], ids=["24 hours", "23 hours", "25 hours"])
def test_the_day_of_a_daily_meter_is_its_only_interval(day: Day) -> None:
    intervals = {day.start: Interval(day.start, day.end, 21.5, 1, cost=2.4, cost_k=1)}
    assert totals(intervals) == [Reading(day.start, day.end, 21.5, None, 2.4)]


def test_the_finer_of_two_resolutions_decides() -> None:
    noon = ORDINARY.start + 12 * HOUR
    intervals = {ORDINARY.start: Interval(ORDINARY.start, noon, 1.0, 1), noon: Interval(noon, noon + 900, 1.0, 1)}
    assert totals(intervals) == [Reading(ORDINARY.start, ORDINARY.end)]


def test_each_day_with_a_change_is_totaled_once() -> None:
    days = [ORDINARY, CALENDAR.day(ORDINARY.end), CALENDAR.day(ORDINARY.end + 86400)]
    intervals = {start: interval for day in days for start, interval in full(day).items()}
    changed = [days[2].start, days[2].end - 900, days[0].start, days[0].start + 900]
    assert [reading.start for reading in totals(intervals, changed)] == [days[0].start, days[2].start]
    assert totals(intervals, []) == []


def test_energy_of_adjacent_days_does_not_count() -> None:
    intervals = full(ORDINARY)
    for start in (ORDINARY.start - 900, ORDINARY.end):
        intervals[start] = Interval(start, start + 900, 100.0, 1)
    assert totals(intervals, [ORDINARY.start]) == [Reading(ORDINARY.start, ORDINARY.end, 9.6)]


def test_a_day_that_is_no_longer_full_keeps_its_total() -> None:
    intervals = full(ORDINARY)
    full_day = Intervals.of_readings(totals(intervals))
    days = merge(NOTHING, full_day, now=ORDINARY.end, placeholders=None).intervals
    assert list(days) == [Interval(ORDINARY.start, ORDINARY.end, 9.6, 1)]
    fewer = Intervals.of_readings(totals(without(intervals, ORDINARY.start)))
    assert merge(days, fewer, now=ORDINARY.end + HOUR, placeholders=None).intervals is days
