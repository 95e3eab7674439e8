"""Simulated households behave like households: by day and night, on weekends, through the seasons, and every time."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import fmean
from zoneinfo import ZoneInfo

import pytest

from exporter.simulator.demo_homes import DEMO_HOMES
from exporter.simulator.energy import metered_energy
from exporter.simulator.household import Household
from exporter.simulator.specs import MeterSpec

ZONE = ZoneInfo("America/New_York")
READ = [location for location in DEMO_HOMES if location.meters]
HOUSES = [location.meters[0].household for location in READ]
SOLAR = Household(7, solar=6.5)
YEAR = [datetime(2026, 1, 1, tzinfo=ZONE) + timedelta(days=n) for n in range(365)]
WORKDAYS = [day for day in YEAR if day.weekday() < 5]
WEEKENDS = [day for day in YEAR if day.weekday() >= 5]
SUMMER, WINTER, AUTUMN = ([day for day in YEAR if day.month == month] for month in (7, 1, 10))

houses = pytest.mark.parametrize("house", HOUSES, ids=[location.nickname for location in READ])


def mean(power: Callable[[datetime], float], days: Iterable[datetime], *hours: int) -> float:
    """The mean power of these days in these hours, by default in all."""
    return fmean(
        power(day.replace(hour=hour, minute=minute))
        for day in days
        for hour in hours or range(24)
        for minute in (0, 15, 30, 45)
    )


@houses
def test_nights_are_below_evenings(house: Household) -> None:
    assert mean(house.load, YEAR, 2, 3, 4) < 0.7 * mean(house.load, YEAR, 18, 19, 20)


def test_mornings_have_a_peak_of_their_own() -> None:
    house = Household(1, heating=0.0, cooling=0.0)
    morning, night, noon = (mean(house.load, WORKDAYS, hour) for hour in (7, 4, 11))
    assert morning > 1.3 * max(night, noon)


@houses
def test_weekends_differ_from_workdays(house: Household) -> None:
    assert mean(house.load, WEEKENDS, 12, 13, 14) > 1.05 * mean(house.load, WORKDAYS, 12, 13, 14)
    assert mean(house.load, WEEKENDS, 6) < mean(house.load, WORKDAYS, 6)


@houses
def test_winter_and_summer_take_more_than_the_time_between(house: Household) -> None:
    between = mean(house.load, AUTUMN)
    assert mean(house.load, WINTER) > 1.1 * between
    assert mean(house.load, SUMMER) > 1.1 * between


def test_winter_heats_at_night_and_summer_cools_in_the_afternoon() -> None:
    house = Household(1, people=0.0)
    assert mean(house.load, WINTER, 5) > mean(house.load, WINTER, 17)
    assert mean(house.load, SUMMER, 17) > 2 * mean(house.load, SUMMER, 5)


@houses
def test_a_household_always_draws_something_and_nothing_absurd(house: Household) -> None:
    powers = [house.load(day.replace(hour=hour, minute=30)) for day in YEAR for hour in range(24)]
    assert 0 < min(powers) < 0.5
    assert max(powers) < 15


def test_no_day_is_like_the_other() -> None:
    days = [mean(HOUSES[0].load, [day]) for day in YEAR]
    assert len({round(power, 6) for power in days}) == 365
    assert all(one != other for one, other in pairwise(days))


def test_the_sun_only_shines_by_day() -> None:
    for day in YEAR:
        assert {SOLAR.sun(day.replace(hour=hour)) for hour in (21, 22, 23, 0, 1, 2, 3, 4)} == {0.0}
        assert SOLAR.sun(day.replace(hour=13)) > 0.5
    assert {SOLAR.sun(day.replace(hour=hour)) for day in WINTER for hour in (7, 18)} == {0.0}


def test_the_sun_is_strongest_at_noon_and_in_summer() -> None:
    assert mean(SOLAR.sun, YEAR, 13) > 1.5 * mean(SOLAR.sun, YEAR, 9)
    assert mean(SOLAR.sun, SUMMER) > 1.5 * mean(SOLAR.sun, WINTER)
    powers = [SOLAR.sun(day.replace(hour=hour)) for day in YEAR for hour in range(24)]
    assert (min(powers), max(powers) <= 6.5) == (0.0, True)


def test_a_roof_without_panels_gives_nothing() -> None:
    assert {HOUSES[0].sun(day.replace(hour=13)) for day in YEAR} == {0.0}


def test_the_same_household_is_the_same_at_every_run_and_another_one_is_not() -> None:
    noon = datetime(2026, 6, 10, 12, tzinfo=ZONE)
    assert Household(1).load(noon) == Household(1).load(noon)
    assert Household(1).load(noon) != Household(2).load(noon)
    assert Household(1).load(noon) == pytest.approx(1.0, abs=1.0)


def test_energy_flows_in_at_night_and_out_on_a_sunny_day() -> None:
    meter = MeterSpec("81002", SOLAR)
    night, noon = (
        metered_energy(meter, int(datetime(2026, 6, 10, hour, tzinfo=ZONE).timestamp()), 3600, ZONE) for hour in (2, 13)
    )
    assert (night.drawn > 0, night.sent) == (True, 0.0)
    assert noon.sent > noon.drawn > 0


def test_what_is_drawn_and_sent_balances_what_is_used_and_produced() -> None:
    meter = MeterSpec("81002", SOLAR)
    for hour in range(24):
        local = datetime(2026, 6, 10, hour, tzinfo=ZONE)
        each = metered_energy(meter, int(local.timestamp()), 900, ZONE)
        assert each.drawn - each.sent == pytest.approx((SOLAR.load(local) - SOLAR.sun(local)) / 4)


@pytest.mark.parametrize(
    ("day", "hour", "period"),
    [
        (10, 0, "Super Off Peak"),
        (10, 5, "Super Off Peak"),
        (10, 6, "Off Peak"),
        (10, 14, "On Peak"),
        (10, 19, "On Peak"),
        (10, 20, "Off Peak"),
        (13, 15, "Off Peak"),
    ],
)
def test_rate_periods_follow_the_local_clock_and_spare_the_weekend(day: int, hour: int, period: str) -> None:
    start = int(datetime(2026, 6, day, hour, tzinfo=ZONE).timestamp())
    assert metered_energy(MeterSpec("81001", HOUSES[0]), start, 900, ZONE).period == period
