"""The figures of the status page: full days, the month, and the usual delay."""

from collections.abc import Iterable
from datetime import date

import pytest

from exporter.intervals.interval import Interval
from exporter.intervals.model import Meter, MeterInfo
from exporter.intervals.samples import version
from exporter.status_page.figures import Figures, Freshness, MonthFigures, figures_of, freshness

from ..support.status import HOUR, NOON, full_day
from ..support.worlds import ZONE

DAY = 86400


def of(days: Iterable[Interval] = (), intervals: Iterable[Interval] = (), today: date = date(2026, 6, 15)) -> Figures:
    return figures_of(Meter.of(MeterInfo("81001"), tuple(intervals), tuple(days)), ZONE, today)


def june(*numbers: int, cost: float | None = None) -> list[Interval]:
    return [full_day(date(2026, 6, number), cost=cost) for number in numbers]


# -- days and months


def test_days_with_energy_are_listed_with_their_length() -> None:
    dates = [date(2026, 3, 8), date(2026, 6, 1), date(2026, 11, 1)]
    days = [*map(full_day, dates), full_day(date(2026, 11, 2), None, cost=2.0)]
    assert [(day.date, day.hours) for day in of(days).days] == list(zip(dates, (23, 24, 25), strict=True))


def test_a_month_sums_its_known_full_days() -> None:
    figures = of([full_day(date(2026, 5, 31), 99.0), *june(1, 2, cost=1.1), *june(5)])
    assert figures.month == MonthFigures(figures.days[1:], date(2026, 6, 15), 30.0, None, 2.2)


def test_a_month_is_running_until_it_ends() -> None:
    months = [of(june(1), today=today).month for today in (date(2026, 6, 30), date(2026, 7, 1), date(2027, 6, 1))]
    assert [month and month.is_running for month in months] == [True, False, False]


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
