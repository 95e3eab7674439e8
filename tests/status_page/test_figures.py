"""The figures of the status page: whole days, the month, and what is usual for a meter."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from exporter.formatting import local, midnight
from exporter.intervals.model import Interval, Meter, MeterInfo
from exporter.intervals.samples import version
from exporter.simulator.household import Household
from exporter.simulator.settings import Span
from exporter.simulator.specs import Channels, LocationSpec, MeterSpec
from exporter.simulator.world import World
from exporter.status_page.figures import Figures, Freshness, figures_of, freshness

from ..support.clocks import ManualClock
from ..support.exporter import StartExporter
from ..support.portal import StartPortal, login_of
from ..support.worlds import ZONE

HOUR, DAY = 3600, 86400
T = int(datetime(2026, 6, 15, 12, tzinfo=UTC).timestamp())


def whole(day: date, usage: float | None = 10.0, **values: float) -> Interval:
    return Interval(midnight(day, ZONE), midnight(date.fromordinal(day.toordinal() + 1), ZONE), usage, **values)  # type: ignore[arg-type]


def june(*numbers: int) -> list[Interval]:
    return [whole(date(2026, 6, number)) for number in numbers]


def meter_of(days: Iterable[Interval] = (), intervals: Iterable[Interval] = ()) -> Meter:
    return Meter(MeterInfo("81001"), tuple(intervals), tuple(days))


def seen(lags: Iterable[tuple[int, float]]) -> list[Interval]:
    """Quarter hours by their end, each first seen so many hours after it."""
    return [Interval(end - 900, end, 0.2, version(end, end + hours * HOUR)) for end, hours in lags]


def of(meter: Meter, today: date = date(2026, 6, 15)) -> Figures:
    return figures_of(meter, ZONE, today)


# -- days and months


def test_a_meter_without_anything_has_no_figures() -> None:
    assert of(meter_of()) == Figures((), None, None, None)


def test_the_latest_day_is_the_newest_whole_one_with_energy() -> None:
    days = [*june(11, 12), whole(date(2026, 6, 13), None, cost=2.0)]
    latest = of(meter_of(days)).latest_day
    assert latest is not None
    assert latest.date == date(2026, 6, 12)


def test_a_month_adds_its_whole_days_and_says_which_they_are() -> None:
    days = [whole(date(2026, 5, 31), 99.0), *(replace(day, cost=1.1) for day in june(1, 2, 3))]
    month = of(meter_of(days)).month
    assert month is not None
    assert (month.first, month.last, month.days, month.missing) == (date(2026, 6, 1), date(2026, 6, 3), 3, 0)
    assert (month.usage, month.cost, month.export, month.cost_days) == (30.0, 3.3, None, 3)
    assert month.is_running


def test_a_month_counts_the_days_that_are_missing_between_but_not_those_before() -> None:
    month = of(meter_of(june(5, 6, 9))).month
    assert month is not None
    assert (month.first.day, month.days, month.missing, month.usage) == (5, 3, 2, 30.0)


def test_a_month_says_of_how_many_days_it_knows_the_cost() -> None:
    month = of(meter_of([whole(date(2026, 6, 1), cost=1.5), whole(date(2026, 6, 2))])).month
    assert month is not None
    assert (month.days, month.cost_days, month.cost) == (2, 1, 1.5)


def test_before_a_month_has_a_whole_day_the_last_one_is_told_and_not_called_this_one() -> None:
    month = of(meter_of([whole(date(2026, 5, day)) for day in (30, 31)]), date(2026, 6, 1)).month
    assert month is not None
    assert (month.first, month.last, month.is_running) == (date(2026, 5, 30), date(2026, 5, 31), False)


def test_the_same_month_of_another_year_is_not_this_one() -> None:
    month = of(meter_of(june(1)), date(2027, 6, 1)).month
    assert month is not None
    assert not month.is_running


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 6, 1), 24)])
def test_a_day_knows_how_long_it_was(day: date, hours: int) -> None:
    latest = of(meter_of([whole(day)])).latest_day
    assert latest is not None
    assert (latest.date, latest.hours) == (day, hours)


# -- what is usual


def test_from_72_hours_on_data_are_stale() -> None:
    figures = of(meter_of(intervals=seen([(T, 1.0)])))
    assert freshness(figures, T + 72 * HOUR - 1) is Freshness.LATE
    assert freshness(figures, T + 72 * HOUR) is Freshness.STALE


def test_without_knowing_what_is_usual_data_are_late_from_48_hours_on() -> None:
    figures = of(meter_of(intervals=seen([(T, 1.0)])))
    assert figures.usual is None
    assert freshness(figures, T + 48 * HOUR - 1) is Freshness.FRESH
    assert freshness(figures, T + 48 * HOUR) is Freshness.LATE


def test_a_meter_that_comes_within_an_hour_is_late_after_some() -> None:
    figures = of(meter_of(intervals=seen((T - back, 0.5) for back in range(10 * DAY, 0, -900))))
    assert figures.usual is not None
    assert 1800 <= figures.usual <= 2700
    assert freshness(figures, T + 2 * HOUR) is Freshness.FRESH
    assert freshness(figures, T + 6 * HOUR) is Freshness.LATE


def test_a_meter_that_is_read_once_a_day_is_not_late_for_that() -> None:
    # Each day's intervals come together at six in the morning of the next day.
    figures = of(meter_of(intervals=seen((T - back, 6 + (back % DAY) / HOUR) for back in range(10 * DAY, 0, -900))))
    assert figures.usual is not None
    assert 28 * HOUR <= figures.usual <= 30.5 * HOUR
    assert freshness(figures, T + 40 * HOUR) is Freshness.FRESH


def test_what_the_first_refresh_found_says_nothing_on_what_is_usual() -> None:
    found = seen((T - back, back / HOUR + 2) for back in range(35 * DAY, 0, -900))
    assert of(meter_of(intervals=found)).usual is None
    later = seen((T + ahead, 2.0) for ahead in range(0, 2 * DAY, 900))
    assert of(meter_of(intervals=[*found, *later])).usual is None
    much_later = seen((T + ahead, 2.0) for ahead in range(0, 8 * DAY, 900))
    usual = of(meter_of(intervals=[*found, *much_later])).usual
    assert usual is not None
    assert 1.7 * HOUR <= usual <= 2.3 * HOUR


def test_a_few_values_that_were_corrected_late_do_not_change_what_is_usual() -> None:
    lags = [(T - back, 90.0 if back % (30 * 900) == 0 else 1.0) for back in range(12 * DAY, 0, -900)]
    usual = of(meter_of(intervals=seen(lags))).usual
    assert usual is not None
    assert usual <= 1.5 * HOUR


# -- against what is true

SOLAR = MeterSpec("81002", Household(2, people=1.3, heating=2.2, solar=6.5), channels=Channels.THREE)
HOUSE = LocationSpec("55001", "70002", (SOLAR,), nickname="Solar house")


@pytest.mark.parametrize("now", [datetime(2026, 11, 8, 15, tzinfo=UTC), datetime(2026, 3, 15, 15, tzinfo=UTC)])
def test_days_and_months_are_those_of_the_portal_also_when_clocks_change(
    now: datetime, clock: ManualClock, start_portal: StartPortal, start_exporter: StartExporter
) -> None:
    clock.move_to(now.timestamp())
    gap = Span(
        "81002",
        midnight(date(now.year, now.month, 5), ZONE) + 7200,
        midnight(date(now.year, now.month, 5), ZONE) + 9000,
    )
    server = start_portal(World(locations=(HOUSE,)), gaps=(gap,), lag=5400.0)
    exporter = start_exporter(login_of(server))
    exporter.refresh()
    meter = exporter.location("70002").meters[0]
    figures = figures_of(meter, ZONE, local(now.timestamp(), ZONE).date())

    assert len(figures.days) > 30
    for day in figures.days:
        start, end = midnight(day.date, ZONE), midnight(date.fromordinal(day.date.toordinal() + 1), ZONE)
        truth = server.portal.truth(SOLAR, start, end)
        assert (day.usage, day.export, day.cost) == (truth.usage, truth.export, truth.cost)
    assert date(now.year, now.month, 5) not in {day.date for day in figures.days}

    month = figures.month
    assert month is not None
    assert (month.first.day, month.last.day, month.days, month.missing) == (1, now.day - 1, now.day - 2, 1)
    whole_month = server.portal.truth(
        SOLAR, midnight(month.first, ZONE), midnight(local(now.timestamp(), ZONE).date(), ZONE)
    )
    broken = server.portal.truth(
        SOLAR, midnight(date(now.year, now.month, 5), ZONE), midnight(date(now.year, now.month, 6), ZONE)
    )
    for name in ("usage", "export", "cost"):
        expected = getattr(whole_month, name) - getattr(broken, name)
        assert getattr(month, name) == pytest.approx(expected, abs=1e-6)


def test_midnight_is_that_of_the_zone() -> None:
    assert midnight(date(2026, 6, 1), ZoneInfo("America/Denver")) == int(
        datetime(2026, 6, 1, 6, tzinfo=UTC).timestamp()
    )
