"""Test which days the flags select, and how they are split into chunks."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.backfill.plan import DayRange, Job, expected_start, in_order, read_range, task_of
from exporter.errors import ConfigError
from exporter.portal.walltime import WallClock

from ..support.jobs import BARN, HOUSE, NEW_YORK, job, place_of
from ..support.portal_answers import US_ZONES, bounds_of, examples
from ..support.worlds import instant

TODAY = date(2026, 1, 14)
DAY = 86400


def dates(start: str | None = None, end: str | None = None, days: int | None = None) -> tuple[str, str]:
    """Return the first and the last day of a command line if `extract_days` is 10."""
    first, last = read_range(start, end, days, 10).dates(TODAY)
    return first.isoformat(), last.isoformat()


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ({}, ("2026-01-05", "2026-01-14")),
        ({"days": 1}, ("2026-01-14", "2026-01-14")),
        ({"start": "2025-12-01"}, ("2025-12-01", "2026-01-14")),
        ({"end": "2026-01-10"}, ("2026-01-01", "2026-01-10")),
        ({"end": "2030-01-01"}, ("2026-01-05", "2026-01-14")),
        ({"start": "1890-01-01", "end": "1990-01-01"}, ("1990-01-01", "1990-01-01")),
        ({"days": 10**9}, ("1990-01-01", "2026-01-14")),
        ({"start": "first"}, ("1990-01-01", "2026-01-14")),
        ({"start": "first", "end": "2026-01-10"}, ("1990-01-01", "2026-01-10")),
    ],
)
def test_flags_select_the_days(asked: dict[str, str], meant: tuple[str, str]) -> None:
    assert dates(**asked) == meant  # type: ignore[arg-type]


TOGETHER = "--days cannot be combined with --start or --end; it counts back from today"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"start": "yesterday"}, "--start yesterday is not a date; write it as YYYY-MM-DD, or first"),
        ({"start": ""}, "--start '' is not a date; write it as YYYY-MM-DD, or first"),
        ({"end": "2025-02-29"}, "--end 2025-02-29 is not a date; write it as YYYY-MM-DD"),
        ({"start": "2026-01-15"}, "--start 2026-01-15 is in the future; today at the co-op is 2026-01-14"),
        (
            {"start": "2026-01-10", "end": "2026-01-09"},
            "--start 2026-01-10 is after --end 2026-01-09; use an earlier start or a later end",
        ),
        (
            {"end": "1989-12-31"},
            "--end 1989-12-31 is before 1990-01-01, when no meter was read remotely; use a later date",
        ),
        ({"days": 0}, "--days 0 is too small; use 1 (only today) or more"),
        ({"days": 3, "start": "2026-01-01"}, TOGETHER),
        ({"days": 3, "start": "first"}, TOGETHER),
        ({"days": 3, "end": "2026-01-01"}, TOGETHER),
    ],
)
def test_invalid_flags_are_reported_in_one_line(asked: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        dates(**asked)  # type: ignore[arg-type]
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("zone", "now", "today"),
    [
        ("America/New_York", "2026-01-14T04:59:59", "2026-01-13"),
        ("America/New_York", "2026-01-14T05:00:00", "2026-01-14"),
        ("Pacific/Palau", "2026-01-14T15:00:00", "2026-01-15"),
        ("America/New_York", "2026-03-09T03:59:59", "2026-03-08"),
    ],
)
def test_today_is_the_date_at_the_co_op(zone: str, now: str, today: str) -> None:
    instant = datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp()
    bounds = read_range(None, None, 1, 10).bounds(WallClock(ZoneInfo(zone)), instant)
    assert bounds == bounds_of(date.fromisoformat(today), zone)


DATES = st.dates(date(2019, 1, 1), date(2027, 12, 31))


@pytest.mark.slow
@examples
@given(first=DATES, length=st.integers(1, 400), zone=st.sampled_from(US_ZONES))
def test_chunks_cover_every_day_exactly_once(first: date, length: int, zone: str) -> None:
    last = first + timedelta(days=length - 1)
    days = job(first.isoformat(), last.isoformat(), zone=zone)
    chunks = days.chunks()
    assert (chunks[0][0], chunks[-1][1]) == (bounds_of(first, zone)[0], bounds_of(last, zone)[1])
    assert all(earlier[1] == later[0] for earlier, later in pairwise(chunks))
    midnights = {bounds_of(first + timedelta(days=number), zone)[0] for number in range(length + 1)}
    assert {border for chunk in chunks for border in chunk} <= midnights
    counts = [len([each for each in midnights if start <= each < end]) for start, end in chunks]
    assert counts == [30] * (length // 30) + ([length % 30] if length % 30 else [])
    assert days.days == length


@pytest.mark.slow
@examples
@given(first=DATES, length=st.integers(1, 100), later=st.integers(0, 1000), second=st.integers(0, DAY - 1))
def test_chunks_of_a_range_do_not_depend_on_today(first: date, length: int, later: int, second: int) -> None:
    """The journal knows chunks by their bounds."""
    last = first + timedelta(days=length - 1)
    now = bounds_of(last + timedelta(days=later), NEW_YORK)[0] + second % 80000
    then = job_at(DayRange(first, last, 10), now)
    assert then.chunks() == job(first.isoformat(), last.isoformat()).chunks()


def test_the_first_interval_has_the_same_chunks_every_day() -> None:
    wanted = read_range("first", None, None, 10)
    today, tomorrow = (job_at(wanted, instant(text)) for text in ("2026-01-14 23:59", "2026-01-15 00:01"))
    assert wanted.from_first
    assert task_of(today, wanted) == task_of(tomorrow, wanted)
    assert today.chunks()[:-1] == tomorrow.chunks()[:-1]
    assert today.days > expected_days(today) == 9 * 365


def expected_days(job: Job) -> int:
    """Return how many days of a job the destination must keep."""
    return job.wall.days_between(expected_start(job), job.end)


def test_chunks_are_ordered_by_location_then_time() -> None:
    house, barn = job("2026-01-01", "2026-02-10"), job("2026-01-05", "2026-01-06", BARN)
    borders = [instant(text) for text in ("2026-01-01", "2026-01-31", "2026-02-11")]
    first, second = [(house, *bounds) for bounds in pairwise(borders)]
    third = (barn, instant("2026-01-05"), instant("2026-01-07"))
    assert in_order([house, barn], oldest_first=False) == [second, first, third]
    assert in_order([house, barn], oldest_first=True) == [first, second, third]


def job_at(wanted: DayRange, now: float) -> Job:
    wall = WallClock(ZoneInfo(NEW_YORK))
    return Job(0, HOUSE, place_of(HOUSE), "", wall, *wanted.bounds(wall, now), from_first=wanted.from_first)


def test_ranges_with_other_ends_are_other_tasks() -> None:
    first, second = (job("2025-11-01", last) for last in ("2026-01-14", "2026-01-15"))
    wanted = DayRange(date(2025, 11, 1), date(2026, 1, 14), 10)
    assert task_of(first, wanted) != task_of(second, wanted)


def test_counted_days_resume_tomorrow_from_their_first_date() -> None:
    counted = read_range(None, None, 75, 10)
    today = job_at(counted, instant("2026-01-14 23:59"))
    named = read_range(today.wall.date_text(today.start), None, None, 10)
    tomorrow = job_at(named, instant("2026-01-15 00:01"))
    assert task_of(tomorrow, named) == task_of(today, counted)
    assert (today.days, tomorrow.days, tomorrow.chunks()[:2]) == (75, 76, today.chunks()[:2])
    # By then the same number of days is another range.
    other = job_at(counted, instant("2026-01-15 00:01"))
    assert task_of(other, counted) != task_of(today, counted)
