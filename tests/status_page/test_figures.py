"""The figures of the status page: days, sums of locations, the month, and the usual delay."""

from collections.abc import Iterable
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.formatting import midnight
from exporter.intervals.interval import Interval
from exporter.intervals.model import Meter, MeterInfo
from exporter.intervals.samples import version
from exporter.status_page.figures import (
    DayFigures,
    Figures,
    Freshness,
    MonthFigures,
    figures_of,
    freshness,
    month_of,
    sum_of_days,
)

from ..support.portal_answers import examples
from ..support.status import HOUR, NOON, full_day
from ..support.worlds import ZONE

DAY = 86400


def of(days: Iterable[Interval] = (), intervals: Iterable[Interval] = ()) -> Figures:
    return figures_of(Meter.of(MeterInfo("81001"), tuple(intervals), tuple(days)), ZONE)


def june(*numbers: int, cost: float | None = None) -> list[Interval]:
    return [full_day(date(2026, 6, number), cost=cost) for number in numbers]


def quarters(first: int, *values: tuple[float | None, float | None, float | None]) -> list[Interval]:
    """Return 15-minute intervals of June 2 with usage, export and cost, from the quarter `first` on."""
    begin = midnight(date(2026, 6, 2), ZONE) + first * 900
    return [
        Interval(begin + at * 900, begin + at * 900 + 900, usage, 1, export, 1, cost, 1)
        for at, (usage, export, cost) in enumerate(values)
    ]


# -- days


def test_days_with_energy_are_listed_with_their_length() -> None:
    dates = [date(2026, 3, 8), date(2026, 6, 1), date(2026, 11, 1)]
    days = [*map(full_day, dates), full_day(date(2026, 11, 2), None, cost=2.0)]
    assert [(day.date, day.hours) for day in of(days).days] == list(zip(dates, (23, 24, 25), strict=True))


def test_an_incomplete_day_has_what_is_known_of_it() -> None:
    first, part = of(june(1), quarters(8, (0.5, None, 0.1), (0.25, 1.0, 0.2), (None, 2.0, None))).days
    assert (first.is_full, part.is_full) == (True, False)
    assert (part.date, part.usage, part.export, part.cost) == (date(2026, 6, 2), 0.75, 3.0, 0.3)


def test_a_cost_that_covers_only_part_of_the_usage_is_unknown() -> None:
    (part,) = of(intervals=quarters(0, (0.5, None, 0.1), (0.25, None, None))).days
    assert (part.usage, part.cost) == (0.75, None)


def test_the_total_of_a_full_day_is_not_added_up_again() -> None:
    (day,) = of([full_day(date(2026, 6, 2), 31.0)], quarters(0, (0.5, None, None))).days
    assert (day.usage, day.is_full) == (31.0, True)


@examples
@given(known=st.sets(st.integers(0, 99)), last=st.sampled_from([date(2026, 3, 9), date(2026, 6, 3), date(2026, 11, 2)]))
def test_incomplete_days_add_up_to_all_that_is_known(known: set[int], last: date) -> None:
    begin = midnight(last - timedelta(days=3), ZONE)
    hours = [Interval(begin + at * HOUR, begin + at * HOUR + HOUR, 2.0**-at, 1) for at in sorted(known) if at < 70]
    days = of(intervals=hours).days
    assert sum(day.usage or 0.0 for day in days) == pytest.approx(sum(each.usage or 0.0 for each in hours), abs=1e-5)
    assert not any(day.is_full for day in days)


# -- locations


def day(number: int, usage: float = 10.0, cost: float | None = None, *, is_full: bool = True) -> DayFigures:
    return DayFigures(date(2026, 6, number), 24, usage, None, cost, is_full)


def test_a_location_has_the_sums_of_its_meters() -> None:
    assert sum_of_days([[day(1, 10.0, 1.0), day(2, 5.0, 0.5)], [day(1, 1.0), day(2, 2.0)], []]) == (
        day(1, 11.0, 1.0),
        day(2, 7.0, 0.5),
    )


def test_a_day_is_full_if_it_is_for_every_meter() -> None:
    late = [day(1), day(2, is_full=False)]
    assert [each.is_full for each in sum_of_days([[day(1), day(2), day(3)], late])] == [True, False, False]


def test_a_meter_that_was_replaced_makes_no_day_incomplete() -> None:
    old, new = [day(each) for each in range(1, 6)], [day(each) for each in range(6, 15)]
    assert [each.date.day for each in sum_of_days([old, new]) if not each.is_full] == [6, 7, 8]


def test_a_cost_that_a_meter_still_lacks_is_unknown() -> None:
    priced = [day(1, cost=1.0), day(2)]
    assert [each.cost for each in sum_of_days([priced, [day(1, cost=2.0), day(2, cost=3.0)]])] == [3.0, None]


# -- months


def test_a_month_sums_what_is_known_since_its_first_day() -> None:
    days = [DayFigures(date(2026, 5, 31), 24, 99.0, None, None), day(1, cost=1.1), day(2), day(4, 5.0, is_full=False)]
    month = month_of(days)
    assert month == MonthFigures(date(2026, 6, 1), date(2026, 6, 4), 25.0, None, 1.1, days=3, days_with_cost=1, gaps=1)
    assert month_of([]) is None


@pytest.mark.parametrize(
    ("days", "gaps"),
    [([day(3), day(4)], 0), ([day(3, is_full=False), day(4)], 1), ([day(3), day(5)], 1), ([day(3, is_full=False)], 0)],
)
def test_gaps_are_days_before_the_newest(days: list[DayFigures], gaps: int) -> None:
    month = month_of(days)
    assert month is not None
    assert month.gaps == gaps


# -- the usual delay


@pytest.mark.parametrize(
    ("usual", "hours", "expected"),
    [
        (None, 48, Freshness.LATE),
        (None, 72, Freshness.STALE),
        (HOUR, 4.5, Freshness.LATE),
        (30 * HOUR, 48, Freshness.LATE),
        (50 * HOUR, 72, Freshness.STALE),
    ],
)
def test_data_is_late_after_the_usual_and_stale_after_72_hours(
    usual: int | None, hours: float, expected: Freshness
) -> None:
    figures = Figures(newest=Interval(NOON - 900, NOON, 0.2), usual=usual)
    assert freshness(figures, NOON + hours * HOUR) is expected
    just_before = Freshness.LATE if (usual, hours) == (None, 72) else Freshness.FRESH
    assert freshness(figures, NOON + hours * HOUR - 1) is just_before


def seen(start: int, end: int, hours: float) -> list[Interval]:
    """Return 15-minute intervals, each first seen a number of hours after its end."""
    return [Interval(at - 900, at, 0.2, version(at, at + hours * HOUR)) for at in range(start, end, 900)]


def test_the_usual_delay_covers_nearly_all_data() -> None:
    assert of(intervals=seen(NOON - 10 * DAY, NOON, 0.5)).usual == pytest.approx(HOUR / 2, abs=900)
    corrected = [
        each
        for start in range(NOON - 12 * DAY, NOON, 27000)
        for each in (*seen(start, start + 26100, 1.0), *seen(start + 26100, start + 27000, 90.0))
    ]
    assert of(intervals=corrected).usual == pytest.approx(HOUR, abs=900)


def test_a_daily_meter_usually_takes_more_than_a_day() -> None:
    daily = [
        each
        for back in range(10 * DAY, 0, -900)
        for each in seen(NOON - back, NOON - back + 1, 6 + (back % DAY) / HOUR)
    ]
    assert of(intervals=daily).usual == pytest.approx(29 * HOUR, abs=1.5 * HOUR)


def test_a_first_refresh_does_not_count_for_the_usual_delay() -> None:
    found = [each for back in range(35 * DAY, 0, -900) for each in seen(NOON - back, NOON - back + 1, back / HOUR + 2)]
    assert of(intervals=seen(NOON - 10 * DAY, NOON, 100.0)).usual is None
    for days, usual in ((3, None), (4, 2 * HOUR)):
        assert of(intervals=[*found, *seen(NOON, NOON + days * DAY, 2.0)]).usual == (
            usual and pytest.approx(usual, abs=900)
        )
