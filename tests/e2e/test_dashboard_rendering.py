"""What a person reads on the dashboards, drawn by Grafana's own libraries in a browser in another time zone."""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from exporter.metrics import families
from exporter.simulator.demo_homes import DEMO_HOMES
from exporter.simulator.household import Household
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.settings import Settings
from exporter.simulator.specs import LocationSpec, MeterSpec
from exporter.simulator.world import World

from ..support.browser import Browser
from ..support.clocks import ManualClock
from ..support.dashboard_data import constant, current, healthy, minutes, of_location, scraped
from ..support.dashboard_truth import LAG, NOW, ZONE, Truth, last
from ..support.rendering import NARROW, WIDE, Drawn, draw
from ..support.services import Database, Services, find_program
from ..support.truth import Expected, expected

WORKSHOP: Final = LocationSpec(
    "55001",
    "70006",
    (
        MeterSpec("81061", Household(6), step=1800, cost=False),
        MeterSpec("81062", Household(7, idle=0.02, people=0.1), step=1800, cost=False, part_of="81061"),
    ),
    nickname="Workshop",
)
UNNAMED: Final = LocationSpec("55001", "70007", (MeterSpec("81007", Household(8), step=3600, cost=False),))
HOMES: Final = (*(each for each in DEMO_HOMES if each.meters), WORKSHOP, UNNAMED)
PLACES: Final = ["70007 81007", "Barn", "House", "Solar house", "Workshop 81061", "Workshop 81062"]
DAYS: Final = 45

NUMBER: Final = re.compile(r"\b[78][01]0\d\d\b")
WHOLE: Final = r"-?\d{1,3}(?:,\d{3})*"
ENERGY: Final = re.compile(rf"{WHOLE}\.\d kWh")
MONEY: Final = re.compile(rf"\${WHOLE}\.\d\d")
POWER: Final = re.compile(rf"{WHOLE} W")
TIME: Final = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d\d?/\d\d?, \d\d?:00 [AP]M")
DATE: Final = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d\d?/\d\d?/2025")


@pytest.fixture(scope="module")
def portal() -> SimulatedPortal:
    return SimulatedPortal(World(locations=HOMES), ManualClock(NOW.timestamp()), Settings(lag=LAG))


@pytest.fixture(scope="module")
def values(portal: SimulatedPortal) -> Expected:
    return expected(portal, "novec", (NOW - timedelta(days=DAYS)).timestamp(), NOW.timestamp())


@pytest.fixture(scope="module")
def database(portal: SimulatedPortal, values: Expected, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with Services(tmp_path_factory.mktemp("drawn")) as services:
        found = services.victoria_metrics()
        found.import_samples(healthy(portal, values, NOW))
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(find_program("chromium"), "Asia/Tokyo") as started:
        yield started


@pytest.fixture(scope="module")
def home(browser: Browser, database: Database, tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """The dashboard of four weeks, with all rows open."""
    return draw(browser, database, "home", last(28), tmp_path_factory.mktemp("home"), opened=True)


def test_the_browser_is_in_another_zone(browser: Browser, home: Drawn) -> None:
    assert home.panels
    assert browser.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone") == "Asia/Tokyo"


def test_lists_show_names_and_queries_get_numbers(home: Drawn) -> None:
    assert [each.text for each in home.variables["meter"]] == PLACES
    assert {each.text: each.value for each in home.variables["location"]} == {
        "70007": "70007",
        "Barn": "70003",
        "House": "70001",
        "Solar house": "70002",
        "Workshop": "70006",
    }
    assert [each.value for each in home.variables["timezone"]] == ["America/New_York"]


def test_everything_has_data_but_the_thermostat(home: Drawn) -> None:
    # The thermostat's panel still shows the power.
    assert [title for title, panel in home.panels.items() if "nothing" in panel] == ["Same month last year"]


def test_no_text_is_a_number_where_there_is_a_name(home: Drawn) -> None:
    shown = {
        text for panel in home.panels.values() for text in (*panel["visible"], *panel["drawn"]) if NUMBER.search(text)
    }
    rest = {
        f"{title}{place}"
        for title in ("", "Power per day: ")
        for place in ("70007 81007", "Workshop 81061", "Workshop 81062")
    }
    assert shown - rest == set()


def test_the_first_table_is_read_at_a_glance(home: Drawn) -> None:
    title = "Newest data"
    names = ["Location", "Data until", "Age", "Latest power", "Last full day", "Energy that day", "Cost that day"]
    assert home.names(title) == names
    assert home.column(title, "Location") == PLACES
    assert set(home.column(title, "Data until")) == {"Wed 3/19, 4:00 AM"}
    assert set(home.column(title, "Age")) == {"30 hours"}
    assert set(home.column(title, "Last full day")) == {"Tue 3/18"}
    assert all(map(POWER.fullmatch, home.column(title, "Latest power")))
    assert all(map(ENERGY.fullmatch, home.column(title, "Energy that day")))
    assert [bool(MONEY.fullmatch(each)) for each in home.column(title, "Cost that day")] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]


def test_values_are_those_of_the_meter(home: Drawn, values: Expected) -> None:
    truth = Truth.of_series(values)
    title = "Newest data"
    for number, place in (("81001", "House"), ("81003", "Barn")):
        row = PLACES.index(place)
        days = truth.of("smarthub_day_usage_kwh", number)
        watts = truth.of("smarthub_interval_usage_watts", number)
        assert home.column(title, "Energy that day")[row] == f"{days[max(days)]:.1f} kWh"
        assert in_watts(home.column(title, "Latest power")[row]) == pytest.approx(watts[max(watts)], rel=0.01)


def in_watts(text: str) -> float:
    return float(text.removesuffix(" W").replace(",", ""))


def test_energy_and_money_are_never_rescaled(home: Drawn) -> None:
    texts = [
        text
        for panel in home.panels.values()
        for text in (*panel["visible"], *panel["drawn"], *(each["text"] for each in panel.get("values", ())))
    ]
    assert not [text for text in texts if re.search(r"\d ?(MWh|GWh|Wh|mWh)\b|\$.*[KM]\b|USD", text)]
    energy = [text for text in texts if text.endswith("kWh")]
    assert len(energy) > 50
    assert not [text for text in energy if not re.fullmatch(rf"{WHOLE}(\.\d\d?)? kWh", text)]
    assert not [text for text in texts if text.startswith("$") and not MONEY.fullmatch(text)]


def test_power_is_in_whole_watts(home: Drawn) -> None:
    texts = [text for panel in home.panels.values() for text in (*panel["visible"], *panel["drawn"])]
    power = [text for text in texts if re.search(r"\d \w?W$", text)]
    assert len(power) > 50
    assert not [text for text in power if not POWER.fullmatch(text)]


def test_months_show_energy_cost_and_the_average_day(home: Drawn) -> None:
    shown = {each["name"]: each["text"] for each in home.panels["This month so far"]["values"]}
    assert list(shown) == ["Energy", "Cost", "Energy per day"]
    assert re.fullmatch(rf"{WHOLE} kWh", shown["Energy"])
    assert MONEY.fullmatch(shown["Cost"])


def test_days_and_hours_follow_the_clock_of_the_coop(home: Drawn, values: Expected) -> None:
    for title in ("Energy per day", "Cost per day", "Used and exported per day"):
        dates = home.column(title, "Time")
        assert all(map(DATE.fullmatch, dates))
        assert dates[-1] == "Tue 3/18/2025"
    hours = home.column("Peak hours", "Hour")
    assert len(hours) == 10
    assert all(map(TIME.fullmatch, hours))
    assert f"{busiest(values):%a %-m/%-d, %-I:%M %p}" == hours[0]
    usage = Truth.of_series(values).of("smarthub_day_usage_kwh", "81001")
    shown = dict(zip(home.column("Energy per day", "Time"), home.column("Energy per day", "House"), strict=True))
    assert shown["Tue 3/18/2025"] == f"{usage[max(usage)]:.1f} kWh"


def busiest(values: Expected) -> datetime:
    """Return the beginning of the hour with the most energy of one meter, by the co-op's clock."""
    sums: defaultdict[tuple[str, int], float] = defaultdict(float)
    for labels, found in values.items():
        known = dict(labels)
        for end, kwh in found.items() if known["__name__"] == "smarthub_interval_usage_kwh" else ():
            if end > NOW.timestamp() - 28 * 86400 + 3600:
                sums[known["meter"], (end - 1) // 3600 * 3600] += kwh
    return datetime.fromtimestamp(max(sums, key=sums.__getitem__)[1], ZONE)


def test_the_heat_map_has_all_hours_from_monday_to_sunday(home: Drawn) -> None:
    title = "Average energy by hour and weekday (kWh)"
    assert home.names(title) == ["Day", *(f"{hour or 12} {half}" for half in ("AM", "PM") for hour in range(12))]
    assert home.column(title, "Day") == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    # People are up in the evening, by the co-op's clock.
    evening, night = (sum(map(float, home.column(title, hour))) for hour in ("7 PM", "2 AM"))
    assert evening > 1.3 * night


def test_a_submeter_is_not_stacked_on_its_parent(home: Drawn) -> None:
    assert "Workshop 81061" in home.names("Energy per day")
    assert "Workshop 81062" not in home.names("Energy per day")


def test_the_band_is_drawn_for_each_meter(home: Drawn) -> None:
    titles = [title for title in home.panels if title.startswith("Power per day: ")]
    assert titles == [f"Power per day: {place}" for place in PLACES]
    assert home.names(titles[0]) == ["Lowest", "Average", "Lowest to highest", "7-day average"]
    assert "Lowest" not in home.panels[titles[0]]["visible"]


@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("name", ["home", "exporter"])
def test_nothing_is_cut_off(name: str, width: int, browser: Browser, database: Database, tmp_path: Path) -> None:
    drawn = draw(browser, database, name, last(7 if name == "home" else 0.25), tmp_path, width=width, opened=True)
    misfits = {title: panel["misfits"] for title, panel in drawn.panels.items() if panel["misfits"]}
    # Six meters are more than the table shows without scrolling.
    assert [title for title in misfits if title != "Newest data"] == []
    assert not [each for each in misfits.get("Newest data", ()) if not each.startswith("taller")]


def test_a_healthy_exporter_needs_no_attention(browser: Browser, database: Database, tmp_path: Path) -> None:
    drawn = draw(browser, database, "exporter", last(0.25), tmp_path)
    assert drawn.panels["What needs attention"]["nothing"] == "Everything is working"
    assert {title for title, panel in drawn.panels.items() if "nothing" in panel} == {
        "What needs attention",
        "Missing corrections since",
        "Failed refreshes by reason",
    }
    scrapes = {each["name"]: each["text"] for each in drawn.panels["Read by the database"]["values"]}
    assert scrapes == {"smarthub_exporter": "ok", "smarthub_intervals": "ok"}


def test_problems_are_listed_with_the_names_of_locations(
    services: Services, portal: SimulatedPortal, values: Expected, browser: Browser, tmp_path: Path
) -> None:
    broken = {
        scraped(families.UP.name, login="novec"): 0.0,
        scraped(families.LAST_SUCCESS.name, login="novec"): 0.0,
        scraped("up", "smarthub_intervals"): 0.0,
        of_location(families.LOCATION_UP.name, "70002"): 0.0,
        of_location(families.LATEST_END.name, "70001", meter="81001"): NOW.timestamp() - 80 * 3600,
    }
    database = services.victoria_metrics()
    database.import_samples(constant({**current(portal, values, NOW), **broken}, minutes(NOW, 1)))
    drawn = draw(browser, database, "exporter", last(0.25), tmp_path)
    title = "What needs attention"
    assert drawn.names(title) == ["Where", "Problem"]
    assert sorted(drawn.column(title, "Where")) == ["House", "Solar house", "novec", "smarthub_intervals"]
    assert drawn.panels["Last success"]["values"][0]["text"] == "never"
