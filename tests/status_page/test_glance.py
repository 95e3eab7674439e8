"""A location at a glance: its lines, what they cover, and the newest reading."""

# ruff: noqa: RUF001 - typographic dashes

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest

from exporter.formatting import local, midnight
from exporter.intervals.interval import Interval
from exporter.intervals.model import Location, Meter, MeterInfo
from exporter.status_page.glance import glance
from exporter.status_page.summary import summarize

from ..support.html import Element, all_of, one, parsed, rows, words
from ..support.status import HOUR, NOON, full_day, location, login, snapshot_of
from ..support.worlds import ZONE

DAY = 86400
NOTHING = "– not known"


def shown(place: Location, now: float = NOON) -> Element:
    seen = summarize(snapshot_of(place), {"farm": login(place)}, now, is_alive=True, backfill_needed={})
    return parsed(glance(seen.locations[0], 0, now))


def june(*days: int, usage: float = 10.0, export: float | None = None, cost: float | None = None) -> list[Interval]:
    return [full_day(date(2026, 6, day), usage, export, cost) for day in days]


def with_data(days: Sequence[Interval], until: float, cost: float | None = None, now: float = NOON) -> Location:
    """Return a location with full days, and 1 kWh in each hour from the last midnight to `until` before `now`."""
    end = int(now - until)
    start = midnight(local(end - 1, ZONE).date(), ZONE)
    hours = tuple(Interval(at, at + HOUR, 1.0, 1, cost=cost) for at in range(start, end, HOUR))
    return replace(location(), meters=(Meter.of(MeterInfo("81001", step=HOUR), hours, days),))


@pytest.mark.parametrize(
    ("place", "table"),
    [
        (
            with_data(june(*range(1, 15), cost=2.0), 2 * HOUR, cost=0.1),
            [
                ["Time", "Used kWh", "Cost"],
                ["Today so far until 10:00", "10.00", "$1.00"],
                ["Yesterday Sun Jun 14", "10.00", "$2.00"],
                ["June so far", "150.00", "$29.00"],
            ],
        ),
        (
            with_data(june(*range(5, 14)), 18 * HOUR),
            [
                ["Time", "Used kWh"],
                ["Today so far no data yet", NOTHING],
                ["Yesterday until 18:00", "18.00"],
                ["Last full day Sat Jun 13", "10.00"],
                ["June so far, since Fri Jun 5", "108.00"],
            ],
        ),
        (
            with_data([*june(3, 5, cost=1.0), *june(6, export=1.5)], 90 * HOUR),
            [
                ["Time", "Used kWh", "Exported kWh", "Cost"],
                ["Today so far no data yet", NOTHING, NOTHING, NOTHING],
                ["Yesterday no data yet", NOTHING, NOTHING, NOTHING],
                ["Last full day Sat Jun 6", "10.00", "1.50", NOTHING],
                [
                    "June so far, since Wed Jun 3, 5 days incomplete, cost of 2 days",
                    *("48.00", "1.50", "$2.00"),
                ],
            ],
        ),
        (
            replace(location(), meters=(Meter.of(MeterInfo("81001"), (), [full_day(date(2026, 5, 31))]),)),
            [
                ["Time", "Used kWh"],
                ["Today so far no data yet", NOTHING],
                ["Yesterday no data yet", NOTHING],
                ["Last full day Sun May 31", "10.00"],
                ["May no data for June yet, since Sun May 31", "10.00"],
            ],
        ),
    ],
)
def test_each_line_says_what_it_covers(place: Location, table: list[list[str]]) -> None:
    assert rows(one(shown(place), "table")) == table


def test_incomplete_days_are_hatched_and_compared() -> None:
    bars = all_of(shown(with_data(june(13, usage=36.0), 18 * HOUR)), "rect")
    assert [(each.get("fill"), each.get("class"), each.get("width")) for each in bars] == [
        ("url(#used-part)", None, "50%"),
        (None, "used-bar", "100%"),
    ]


@pytest.mark.parametrize(
    ("place", "said", "severity"),
    [
        (
            location(export=0.1),
            "Newest reading: 1,000 W used, 400 W exported, Mon Jun 15 09:45–10:00 EDT, 2 hours ago",
            "good",
        ),
        (location(age=100 * HOUR), "Newest reading: 1,000 W used, Thu Jun 11 07:45–08:00 EDT, 4 days ago", "bad"),
        (
            replace(location(), meters=(Meter.of(MeterInfo("81001", step=DAY), june(14), june(14)),)),
            "Newest reading: 10.00 kWh used, Sun Jun 14, 12 hours ago",
            "good",
        ),
    ],
)
def test_the_newest_reading_has_its_age(place: Location, said: str, severity: str) -> None:
    newest = one(shown(place), "p", class_="newest")
    assert words(newest) == said
    assert newest.get("class") == f"newest {severity}"


def test_the_newest_reading_of_several_meters_names_its_meter() -> None:
    (old,), (new,) = location(age=5 * HOUR).meters, location().meters
    place = replace(location(), meters=(replace(old, info=MeterInfo("8A")), replace(new, info=MeterInfo("8B"))))
    assert "1,000 W used, meter 8B, " in words(one(shown(place), "p", class_="newest"))
    assert "incomplete" in words(one(shown(place), "table"))


def test_stale_data_looks_stale() -> None:
    section = shown(location(age=100 * HOUR))
    assert section.get("class") == "card bad"
    assert words(one(section, "p", class_="note")) == "No new data for 4 days."


def test_a_location_without_data_has_no_figures() -> None:
    section = shown(replace(location(), meters=()))
    assert words(one(section, "span", class_="badge")) == "No data"
    assert not all_of(section, "table")
