"""Simulated households are plausible by day and night, on weekends and in each season, and never random."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
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
    """Return the mean power on the given days, in the given hours or all day."""
    return fmean(
        power(day.replace(hour=hour, minute=minute))
        for day in days
        for hour in hours or range(24)
        for minute in (0, 15, 30, 45)
    )


@houses
def test_nights_weekends_and_seasons_differ(house: Household) -> None:
    assert mean(house.load, YEAR, 2, 3, 4) < 0.7 * mean(house.load, YEAR, 18, 19, 20)
    assert mean(house.load, WEEKENDS, 12, 13, 14) > 1.05 * mean(house.load, WORKDAYS, 12, 13, 14)
    assert mean(house.load, WEEKENDS, 6) < mean(house.load, WORKDAYS, 6)
    assert min(mean(house.load, WINTER), mean(house.load, SUMMER)) > 1.1 * mean(house.load, AUTUMN)


def test_winter_heats_at_night_and_summer_cools_in_the_afternoon() -> None:
    house = Household(1, people=0.0)
    assert mean(house.load, WINTER, 5) > mean(house.load, WINTER, 17)
    assert mean(house.load, SUMMER, 17) > 2 * mean(house.load, SUMMER, 5)


@houses
def test_usage_is_never_zero_or_absurd(house: Household) -> None:
    powers = [house.load(day.replace(hour=hour, minute=30)) for day in YEAR for hour in range(24)]
    assert 0 < min(powers) < 0.5 < max(powers) < 15


def test_the_sun_only_shines_by_day() -> None:
    for day in YEAR:
        assert {SOLAR.sun(day.replace(hour=hour)) for hour in (21, 22, 23, 0, 1, 2, 3, 4)} == {0.0}
        assert SOLAR.sun(day.replace(hour=13)) > 0.5
    assert {SOLAR.sun(day.replace(hour=hour)) for day in WINTER for hour in (7, 18)} == {0.0}


def test_the_sun_is_strongest_at_noon_and_in_summer() -> None:
    assert mean(SOLAR.sun, YEAR, 13) > 1.5 * mean(SOLAR.sun, YEAR, 9)
    assert mean(SOLAR.sun, SUMMER) > 1.5 * mean(SOLAR.sun, WINTER)
    assert max(SOLAR.sun(day.replace(hour=hour)) for day in YEAR for hour in range(24)) <= 6.5


def test_households_are_the_same_in_every_run() -> None:
    powers = [mean(power, YEAR) for house in (HOUSES[0], SOLAR) for power in (house.load, house.sun)]
    assert powers == pytest.approx([1.0818001264393529, 0.0, 1.070620071386306, 0.9438198617387701], rel=1e-9)


def test_usage_and_export_balance_load_and_sun() -> None:
    for hour in range(24):
        local = datetime(2026, 6, 10, hour, tzinfo=ZONE)
        each = metered_energy(MeterSpec("81002", SOLAR), int(local.timestamp()), 900, ZONE)
        load, sun = SOLAR.load(local) / 4, SOLAR.sun(local) / 4
        assert each.usage - each.export == pytest.approx(load - sun)
        assert min(each.usage, each.export) == pytest.approx(0.05 * min(load, sun))


def test_rate_periods_follow_the_local_clock() -> None:
    night, off, peak = ("Super Off Peak", 0.07), ("Off Peak", 0.11), ("On Peak", 0.19)
    for day, expected in ((10, [night] * 6 + [off] * 8 + [peak] * 6 + [off] * 4), (13, [night] * 6 + [off] * 18)):
        midnight = int(datetime(2026, 6, day, tzinfo=ZONE).timestamp())
        hours = [metered_energy(MeterSpec("81001", SOLAR), midnight + hour * 3600, 900, ZONE) for hour in range(24)]
        assert [(each.period, each.price) for each in hours] == expected
