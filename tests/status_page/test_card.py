"""The charts of a meter: which there are, and the tables with their values."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from exporter.formatting import midnight
from exporter.intervals.interval import Interval
from exporter.intervals.model import Location, Meter, MeterInfo
from exporter.status_page.card import card
from exporter.status_page.summary import summarize

from ..support.html import Element, all_of, one, parsed, rows, words
from ..support.status import HOUR, NOON, full_day, location, login, snapshot_of
from ..support.worlds import ZONE

DAY = 86400


def shown(place: Location, meter: int = 0, now: float = NOON) -> Element:
    seen = summarize(snapshot_of(place), {"farm": login(place)}, now, is_alive=True, backfill_needed={})
    return parsed(card(seen.locations[0].meters[meter], "0-0", now, is_open=True))


def of(days: Iterable[Interval] = (), intervals: Iterable[Interval] = (), step: int = HOUR) -> Location:
    return replace(location(), meters=(Meter.of(MeterInfo("81001", step=step), intervals, days),))


def captions(element: Element) -> list[str]:
    return [words(each) for each in all_of(element, "h3")]


# -- which charts


@pytest.mark.parametrize(
    ("place", "titles"),
    [
        (location(full_day(date(2026, 6, 14))), ["Power, last 7 days", "Energy per day"]),
        (location(full_day(date(2026, 6, 14), cost=1.0)), ["Power, last 7 days", "Energy per day", "Cost per day"]),
        (of([full_day(date(2026, 6, 14))], [full_day(date(2026, 6, 14))], DAY), ["Energy per day"]),
        (of(), []),
    ],
)
def test_a_meter_has_the_charts_for_its_data(place: Location, titles: list[str]) -> None:
    assert captions(shown(place)) == titles


@pytest.mark.parametrize(
    ("age", "title"), [(5.4 * DAY, "Power, last 7 days"), (5.5 * DAY, "Power, 7 days to Tue Jun 9")]
)
def test_missing_data_shows_as_a_gap_after_the_newest(age: float, title: str) -> None:
    element = shown(location(age=age))
    assert captions(element)[0] == title
    assert all_of(element, "path", class_="used-line")
    assert all_of(element, "rect", class_="gap")


@pytest.mark.parametrize(("known", "count"), [(1, 14), (20, 21), (40, 35)])
def test_bars_show_up_to_35_known_days(known: int, count: int) -> None:
    days = [full_day(date(2026, 6, 15) - timedelta(days=each)) for each in range(known, 0, -1)]
    chart = all_of(shown(location(*days)), "figure")[-1]
    assert len(all_of(one(chart, "g", class_="hover"), "rect")) == count


@pytest.mark.parametrize(
    ("place", "numbers"),
    [
        (
            location(),
            "meter 870001 · read every 15 minutes · times in America/New_York · location 70001 · account 55001 · novec",
        ),
        (of(), "meter 81001 · times in America/New_York · location 70001 · account 55001 · novec"),
    ],
)
def test_all_numbers_and_the_zone_are_named(place: Location, numbers: str) -> None:
    assert words(one(shown(place), "p", class_="sub")) == numbers


def test_a_submeter_names_the_meter_that_contains_it() -> None:
    (house,) = location().meters
    barn = replace(house, info=MeterInfo("B7001", parents=(house.info.number,)))
    said = words(one(shown(replace(location(), meters=(house, barn)), 1), "p", class_="sub"))
    assert said.startswith("meter B7001 · part of meter 870001 · ")


# -- values as tables


@pytest.mark.parametrize(
    ("days", "table"),
    [
        (
            [full_day(date(2026, 3, 8), 23.0, 0.5, -0.25), full_day(date(2026, 3, 9), 24.0, 0.0)],
            [
                ["Day", "Used, kWh", "Exported, kWh", "Cost, USD"],
                ["Mon Mar 9", "24.00", "0.00", "– not known"],  # noqa: RUF001 - a dash
                ["Sun Mar 8 (23 hours)", "23.00", "0.50", "-0.25"],
            ],
        ),
        ([full_day(date(2026, 6, 14))], [["Day", "Used, kWh"], ["Sun Jun 14", "10.00"]]),
    ],
)
def test_the_table_of_days_has_every_day_newest_first(days: list[Interval], table: list[list[str]]) -> None:
    daily = all_of(shown(location(*days)), "table")[0]
    assert [row for row in rows(daily) if "incomplete" not in row[0]] == table


def test_an_incomplete_day_is_marked_in_the_table() -> None:
    daily = all_of(shown(location(full_day(date(2026, 6, 14)))), "table")[0]
    assert rows(daily)[1] == ["Mon Jun 15 incomplete", "0.25"]


def test_the_values_of_the_power_chart_are_in_a_table() -> None:
    begin = midnight(date(2026, 6, 14), ZONE)
    hours = [
        Interval(begin, begin + HOUR, 1.5),
        Interval(begin + HOUR, begin + 2 * HOUR, 0.0, export=2.0),
        Interval(begin + DAY, begin + DAY + HOUR, 0.25),
    ]
    used, exported = all_of(shown(of(intervals=hours)), "table", class_="hours")
    assert rows(used)[0] == ["Hour", "Tue 9", "Wed 10", "Thu 11", "Fri 12", "Sat 13", "Sun 14", "Mon 15"]
    assert [row[-2:] for row in rows(used)[1:3]] == [["1,500", "250"], ["0", "– not known"]]  # noqa: RUF001 - a dash
    assert rows(exported)[2][-2] == "2,000"


def test_both_hours_called_one_oclock_are_in_the_table() -> None:
    begin = midnight(date(2026, 11, 1), ZONE)
    hours = [Interval(begin + at * HOUR, begin + at * HOUR + HOUR, float(at)) for at in range(25)]
    (used,) = all_of(shown(of(intervals=hours), now=begin + 30 * HOUR), "table", class_="hours")
    assert [row[-2] for row in rows(used)[1:5]] == ["0", "1,000 / 2,000", "3,000", "4,000"]
