"""Every query of every dashboard and alert, compared with the true values.

The databases hold what the exporter writes for a solar house (15 minutes, cost, rate periods), a barn (60 minutes, no
cost) and, in the last weeks, meters of 5 and 30 minutes: with gaps, and with many values that were corrected later.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from math import fsum
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.intervals.samples import timestamp_ms
from exporter.metrics import families
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.settings import Settings, Span
from exporter.simulator.specs import Channels, LocationSpec
from exporter.simulator.world import World

from ..support import dashboard_truth
from ..support.clocks import ManualClock
from ..support.dashboard_data import constant, counted, minutes, of_location, scraped, written
from ..support.dashboard_truth import (
    BARN,
    BEGAN,
    FINE,
    HALF,
    LAG,
    LIMIT,
    NOW,
    SOLAR,
    STEPS,
    ZONE,
    Points,
    Truth,
    by_date,
    close,
    last,
    run,
    value,
    whole_days,
)
from ..support.dashboards import RULES, Panel, TimeRange, all_panels, find
from ..support.exporter_process import house, meter
from ..support.project_files import read
from ..support.services import (
    Database,
    Labels,
    Sample,
    Service,
    Services,
    free_address,
    http,
    prometheus_config,
    series,
    wait_until,
)
from ..support.truth import Expected, expected, local_days
from ..support.worlds import instant

SPRINGS = (datetime(2024, 3, 10, tzinfo=ZONE), datetime(2025, 3, 9, tzinfo=ZONE))
AUTUMN = datetime(2024, 11, 3, tzinfo=ZONE)


GAPS = (
    Span(SOLAR, instant("2025-03-12 14:00"), instant("2025-03-12 15:30")),
    Span(BARN, instant("2025-03-13 09:00"), instant("2025-03-13 11:00")),
)
ask = partial(dashboard_truth.ask, portal="novec")
"""Excludes the meters that exist only for the alerts."""

NAMES = {"70002": "Solar house", "70003": "Barn"}
PLACES = {SOLAR: "Solar house", BARN: "Barn", FINE: "70005 80005", HALF: "70006 80006"}
"""The names that people see: the location's, or its number and the meter's."""

KINDS = ("victoria-metrics", "victoria-metrics without deduplication", "prometheus")


def _portal(*locations: LocationSpec) -> SimulatedPortal:
    return SimulatedPortal(World(locations=locations), ManualClock(NOW.timestamp()), Settings(lag=LAG, gaps=GAPS))


@pytest.fixture(scope="module")
def expected_values() -> Expected:
    """All samples with timestamps, by the end of their interval or day."""
    year = _portal(
        house(2, meter(2, Channels.THREE, periods=True), nickname=NAMES["70002"]),
        house(3, meter(3, step=3600, cost=False), nickname=NAMES["70003"]),
    )
    weeks = _portal(house(5, meter(5, step=300, cost=False)), house(6, meter(6, step=1800, cost=False)))
    since = (NOW - timedelta(days=20)).replace(hour=0, minute=0, second=0)
    return {
        **expected(year, "novec", BEGAN.timestamp(), NOW.timestamp()),
        **expected(weeks, "novec", since.timestamp(), NOW.timestamp()),
    }


@pytest.fixture(scope="module")
def truth(expected_values: Expected) -> Truth:
    return Truth.of_series(expected_values)


def _state(truth: Truth) -> dict[Labels, list[Sample]]:
    """Return six hours of both scrape jobs: healthy series and one of each problem."""
    values: dict[Labels, float] = {
        scraped("up"): 1,
        scraped("up", "smarthub_intervals"): 0,
        scraped(families.STATE_KEPT.name): 0,
        scraped(families.BUILD_INFO.name, version="1.2.3", pythonversion="3.11.9"): 1,
        _meter(families.LATEST_END.name, "99999", portal="other"): NOW.timestamp() - 100 * 3600,
        of_location(families.BACKFILL_NEEDED.name, "79999", portal="other"): instant("2024-11-02"),
        of_location(families.LOCATION_UP.name, "79999", portal="other"): 0,
    }
    for login, up, mismatch in (("novec", 1, 0), ("refused", 0, 0), ("down", 0, 1)):
        values |= {
            scraped(families.UP.name, login=login): up,
            scraped(families.TIMEZONE_MISMATCH.name, login=login): mismatch,
            scraped(families.LAST_REFRESH.name, login=login): NOW.timestamp() - 1800,
            scraped(families.LAST_SUCCESS.name, login=login): (NOW.timestamp() - 1800) * up,
            scraped(families.LAST_DURATION.name, login=login): 3.5,
        }
    for number, location in ((SOLAR, "70002"), (BARN, "70003")):
        newest = max(truth.of("smarthub_interval_usage_kwh", number))
        values |= {
            _meter(families.LATEST_END.name, number): newest,
            _meter(families.LATEST_WATTS.name, number): truth.of("smarthub_interval_usage_watts", number)[newest],
            _meter(families.INTERVAL_SECONDS.name, number): STEPS[number],
            _meter(families.METER_INFO.name, number, flows="FORWARD", parent="false", net="false"): 1,
            of_location(families.LOCATION_INFO.name, location, name=NAMES[location], timezone=ZONE.key): 1,
            of_location(families.LOCATION_UP.name, location): 1,
        }
    for number, parent in (("OUTER", ""), ("INNER", "OUTER")):
        labels = {"meter": number, "flows": "", "parent": "false", "net": "false", "submeter_of": parent}
        values[of_location(families.METER_INFO.name, "78888", "nested", **labels)] = 1
    moments = minutes(NOW)
    return constant(values, moments) | counted(_counters(), moments)


def _counters() -> dict[Labels, Callable[[int], float]]:
    """Return counters of an exporter with hourly refreshes, as functions of time."""

    def hourly(moment: int) -> float:
        return moment // 3600 - NOW.timestamp() // 3600 + 24

    def never(_: int) -> float:
        return 0.0

    found: dict[Labels, Callable[[int], float]] = {}
    for login, failing in (("novec", ""), ("refused", "credentials"), ("down", "transport")):
        found[scraped(families.REFRESHES.name, login=login)] = hourly
        for reason in ("credentials", "two_factor", "transport"):
            found[scraped(families.FAILURES.name, login=login, reason=reason)] = hourly if reason == failing else never
        found[scraped(families.REVISIONS.name, login=login, direction="up", reach="window")] = hourly
        for code in ("200", "503"):
            found[scraped(families.REQUESTS.name, login=login, endpoint="poll", code=code)] = hourly
        for suffix, labels in (("count", {}), ("sum", {}), ("bucket", {"le": "1.0"}), ("bucket", {"le": "+Inf"})):
            name = f"{families.REQUEST_SECONDS.name}_{suffix}"
            found[scraped(name, login=login, endpoint="poll", **labels)] = hourly
    return found


def _meter(name: str, number: str, portal: str = "novec", **labels: str) -> Labels:
    return of_location(name, f"7{number[1:]}", portal, meter=number, **labels)


def _unusual() -> dict[Labels, list[Sample]]:
    """Return a meter with three times its usual energy, and with cost a day late."""
    known = {"portal": "other", "account": "55001", "location": "79999", "meter": "99999"}
    ends = [end for _, end in local_days(ZONE, NOW.timestamp() - 45 * 86400, NOW.timestamp() - 2 * 86400)]
    energy = [(timestamp_ms(end, 9), 60.0 if end == ends[-1] else 20.0) for end in ends]
    return {
        series("smarthub_day_usage_kwh", **known): energy,
        series("smarthub_day_cost_usd", **known): [(stamp, kwh / 8) for stamp, kwh in energy[:-1]],
    }


def _nested(truth: Truth) -> dict[Labels, list[Sample]]:
    """Return a meter, and one that is part of it with a tenth of its energy."""
    known = {"portal": "nested", "account": "55001", "location": "78888"}
    day, interval = "smarthub_day_usage_kwh", "smarthub_interval_usage_kwh"
    families_of_both = [
        (day, {}, truth.of(day, BARN)),
        ("smarthub_day_cost_usd", {}, truth.of(day, BARN)),
        (interval, {}, truth.of(interval, HALF)),
        ("smarthub_interval_tou_usage_kwh", {"period": "On Peak"}, truth.of(interval, HALF)),
        ("smarthub_day_export_kwh", {}, truth.of(day, BARN)),
    ]
    ends = truth.of(day, BARN)
    parents = {
        series("smarthub_day_meter_info", **known, **labels): [(timestamp_ms(end, 9), 1.0) for end in ends]
        for labels in ({"meter": "OUTER"}, {"meter": "INNER", "submeter_of": "OUTER"})
    }
    return parents | {
        series(name, **known, meter=number, **labels): [
            (timestamp_ms(end, 9), amount * share) for end, amount in sorted(values.items())
        ]
        for number, share in (("OUTER", 1.0), ("INNER", 0.1))
        for name, labels, values in families_of_both
    }


def _runs(name: str, moment: int) -> float:
    """Return 1 while a stage of the thermostat is running."""
    length = {"heat_1": 1200, "heat_2": 600, "cool_1": 1500, "cool_2": 300, "aux_heat_1": 2400}[name]
    return float(moment % 3600 < length)


STAGES = ("heat_1", "heat_2", "cool_1", "cool_2", "aux_heat_1")


def _thermostat() -> dict[Labels, list[Sample]]:
    first = int((NOW - timedelta(days=8)).timestamp()) // 3600 * 3600 + 30
    moments = range(first, int(NOW.timestamp()), 60)
    return {series(f"thermostat_{name}"): [(each * 1000, _runs(name, each)) for each in moments] for name in STAGES}


def _openmetrics(folder: Path, samples: Mapping[Labels, Sequence[Sample]]) -> Path:
    """Write a file for `promtool tsdb create-blocks-from openmetrics`.

    The type unknown allows any name.
    """
    lines: list[str] = []
    for labels in sorted(samples, key=lambda each: dict(each)["__name__"]):
        known = dict(labels)
        name = known.pop("__name__")
        selector = ",".join(f'{label}="{value}"' for label, value in known.items())
        # repr is exact, and so is one division of milliseconds (docs/samples.md, "Timestamps and versions").
        lines += [f"{name}{{{selector}}} {value!r} {stamp / 1000!r}" for stamp, value in samples[labels]]
    file = folder / "history.om"
    file.write_text("\n".join([*lines, "# EOF", ""]), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def databases(
    expected_values: Expected, truth: Truth, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Database]]:
    history = written(expected_values, corrected=True)
    samples = {**history, **_state(truth), **_unusual(), **_nested(truth), **_thermostat()}
    folder = tmp_path_factory.mktemp("dashboards")
    with Services(folder / "services") as services:
        deduplicating = services.victoria_metrics()
        plain = services.victoria_metrics("-dedup.minScrapeInterval=0", LIMIT)
        # Copies of everything, scraped and backfilled, for the database that removes them.
        for each in (deduplicating, plain, plain):
            each.import_samples(samples)
        prometheus = services.prometheus(prometheus_config(), history=_openmetrics(folder, samples))
        yield dict(zip(KINDS, (deduplicating, plain, prometheus), strict=True))


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, databases: dict[str, Database]) -> Database:
    return databases[request.param]


@pytest.fixture(params=KINDS[1:])
def unlimited(request: pytest.FixtureRequest, databases: dict[str, Database]) -> Database:
    """A database that can evaluate subqueries over a year."""
    return databases[request.param]


def absolute(start: datetime, end: datetime) -> TimeRange:
    return TimeRange(start.timestamp(), end.timestamp(), ZONE)


# -- all queries


@pytest.mark.parametrize("panel", all_panels(), ids=str)
def test_all_databases_show_the_same_and_no_panel_is_empty(panel: Panel, databases: dict[str, Database]) -> None:
    shown = last(7 if panel.dashboard == "home" else 0.2)
    for letter, target in panel.targets.items():
        first, *others = (run(each, panel, letter, shown, {}) for each in databases.values())
        assert first, letter
        for other in others:
            assert other.keys() == first.keys()
            if "increase(" in target["expr"]:
                continue  # Prometheus extrapolates, VictoriaMetrics does not
            for labels, points in first.items():
                assert other[labels] == close(points), letter


TROUBLES = {
    "SmartHubDataStale": {("meter", "99999")},
    "SmartHubSignInRefused": {("login", "refused"), ("reason", "credentials")},
    "SmartHubRefreshFailing": {("login", "down")},
    "SmartHubIntervalsNotScraped": {("job", "smarthub_intervals"), ("instance", "exporter:10058")},
    "SmartHubTimezoneMismatch": {("login", "down")},
    "SmartHubStateNotKept": {("instance", "exporter:10058")},
    "SmartHubBackfillNeeded": {("location", "79999")},
    "SmartHubUnusualUsage": {("meter", "99999")},
}


@pytest.mark.parametrize("alert", RULES)
def test_every_alert_finds_its_problem_and_no_other(alert: str, database: Database) -> None:
    (labels,) = database.query(RULES[alert]["expr"], NOW.timestamp())
    assert TROUBLES[alert] <= set(labels)
    assert "__name__" not in dict(labels)


# -- days and months


@pytest.mark.parametrize("zone", [ZONE, ZoneInfo("America/Los_Angeles"), ZoneInfo("Asia/Tokyo")], ids=str)
@pytest.mark.parametrize(
    ("title", "name", "meters"),
    [
        ("Energy per day", "smarthub_day_usage_kwh", (SOLAR, BARN, FINE, HALF)),
        ("Cost per day", "smarthub_day_cost_usd", (SOLAR,)),
    ],
)
def test_bars_are_the_local_days_of_a_year(  # noqa: PLR0917
    title: str, name: str, meters: Sequence[str], zone: ZoneInfo, database: Database, truth: Truth
) -> None:
    shown = last(400, zone=zone)
    found = ask(database, title, "A", shown)

    assert found.keys() == set(meters)
    for number in meters:
        wanted = whole_days(truth, name, number, shown)
        assert by_date(found[number]) == close(wanted)
    changes = [f"{each:%Y-%m-%d}" for each in (*SPRINGS, AUTUMN)]
    assert set(changes) < by_date(found[meters[0]]).keys()
    assert len(found[SOLAR]) == 397  # without the day with the gap, the newest day, and the first one, cut at 10:07


def test_bars_are_local_days_with_longer_steps_too(unlimited: Database, truth: Truth) -> None:
    for days, step in ((2 * 365, 7200), (3 * 365, 10800), (9 * 365, 43200)):
        shown = last(days)
        assert find("Energy per day").step(shown) == step
        found = ask(unlimited, "Energy per day", "A", shown)
        assert by_date(found[SOLAR]) == close(whole_days(truth, "smarthub_day_usage_kwh", SOLAR, shown))
        assert by_date(found[BARN]) == close(whole_days(truth, "smarthub_day_usage_kwh", BARN, shown))


def test_usage_and_export_are_of_meters_that_export(database: Database, truth: Truth) -> None:
    shown = last(400)
    used, exported = (whole_days(truth, f"smarthub_day_{each}_kwh", SOLAR, shown) for each in ("usage", "export"))
    for letter, days in (("A", used), ("B", {day: -kwh for day, kwh in exported.items()})):
        found = ask(database, "Used and exported per day", letter, shown)
        assert found.keys() == {SOLAR}
        assert by_date(found[SOLAR]) == close(days)
    assert ask(database, "Energy per day", "B", shown) == ask(database, "Used and exported per day", "B", shown)


MOMENTS = (
    NOW,
    datetime(2025, 3, 9, 23, 59, 58, 700_000, tzinfo=ZONE),
    datetime(2025, 3, 10, 0, 10, 0, 400_000, tzinfo=ZONE),
    datetime(2025, 2, 28, 18, 30, 0, 500_000, tzinfo=ZONE),
    datetime(2024, 12, 31, 18, tzinfo=ZONE),
)
MONTHS_KNOWN = [
    (panel, now)
    for panel in all_panels()
    if "timeFrom" in panel.json
    for now in MOMENTS
    if panel.own_range(last(7, now)).start >= BEGAN.timestamp()
]


@pytest.mark.parametrize(("panel", "now"), MONTHS_KNOWN, ids=str)
def test_months_are_sums_of_their_full_local_days(
    panel: Panel, now: datetime, database: Database, truth: Truth
) -> None:
    month = panel.own_range(last(7, now))
    found = {letter: value(ask(database, panel, letter, last(7, now))) for letter in panel.targets}

    energy = [
        days
        for number in (SOLAR, BARN, FINE, HALF)
        if (days := _compared(truth, "smarthub_day_usage_kwh", number, month, now))
    ]
    assert len(energy[0]) >= 7
    assert found == close(
        {
            "A": fsum(map(fsum, energy)),
            "B": fsum(_compared(truth, "smarthub_day_cost_usd", SOLAR, month, now)),
            "C": fsum(fsum(days) / len(days) for days in energy),
        }
    )


def _compared(truth: Truth, name: str, number: str, month: TimeRange, now: datetime) -> list[float]:
    """Return the full days of a month that are full days of the month of `now` too."""
    known = {datetime.fromtimestamp(end - 1, ZONE).date() for end in truth.of(name, number)}
    return [
        total
        for end, total in truth.within(name, number, month.start + 1, month.end).items()
        if datetime.fromtimestamp(end - 1, ZONE).date().replace(year=now.year, month=now.month) in known
    ]


@pytest.mark.parametrize("title", ["This month so far", "Last month to the same day", "Same month last year"])
@pytest.mark.parametrize("number", [SOLAR, BARN])
def test_months_count_the_same_number_of_days(title: str, number: str, database: Database) -> None:
    total, per_day = (value(ask(database, title, letter, last(7), meter=number)) for letter in "AC")
    # The newest full day is the 18th, and one before it has a gap.
    assert total / per_day == close(17)


SUMS = [
    (panel, letter)
    for panel in all_panels()
    for letter, target in panel.targets.items()
    if 'label_replace(${meters:raw}, "inside"' in target["expr"]
    and (panel.json["title"], letter) != ("Energy by rate period", "B")  # a share of the sum beside it
]
PAST = NOW - timedelta(days=3)
"""Before the exporter's own metrics begin, and after a full day of every meter."""


@pytest.mark.parametrize("now", [NOW, PAST], ids=["now", "past"])
@pytest.mark.parametrize(("panel", "letter"), SUMS, ids=str)
def test_a_submeter_counts_only_beside_its_parent(panel: Panel, letter: str, now: datetime, database: Database) -> None:
    both, outer, inner = (
        dashboard_truth.ask(database, panel, letter, last(7, now), by="period", portal="nested", meter=chosen)
        for chosen in (".+", "OUTER", "INNER")
    )
    assert outer
    assert both == outer
    assert {key: sum(points.values()) for key, points in inner.items()} == close(
        {key: 0.1 * sum(points.values()) for key, points in outer.items()}
    )


NEWEST = "Newest data"


def test_the_last_full_day_shows_its_energy_cost_and_date(database: Database, truth: Truth) -> None:
    date, energy, cost = (ask(database, NEWEST, letter, last(7), by="place") for letter in "DEF")
    assert energy.keys() == set(PLACES.values())
    for number, place in PLACES.items():
        days = truth.of("smarthub_day_usage_kwh", number)
        assert value(energy, place) == days[max(days)]
        assert by_date({value(date, place) / 1000: 0.0}).keys() == {"2025-03-18"}
    costs = truth.of("smarthub_day_cost_usd", SOLAR)
    assert value(cost, PLACES[SOLAR]) == costs[max(costs)]


def test_the_last_full_day_shows_no_cost_of_another_day(database: Database) -> None:
    panel = find(NEWEST)
    (energy,) = run(database, panel, "E", last(7), {"portal": "other"}).values()
    assert list(energy.values()) == [60.0]
    assert run(database, panel, "F", last(7), {"portal": "other"}) == {}


# -- names


Fill = Callable[[Mapping[Labels, Sequence[Sample]]], Database]


@pytest.fixture(params=["victoria-metrics", "prometheus"])
def fill(request: pytest.FixtureRequest, services: Services, tmp_path: Path) -> Fill:
    """Return a function that starts a database with these samples."""

    def filled(samples: Mapping[Labels, Sequence[Sample]]) -> Database:
        if request.param == "prometheus":
            return services.prometheus(prometheus_config(), history=_openmetrics(tmp_path, samples))
        database = services.victoria_metrics()
        database.import_samples(samples)
        return database

    return filled


def test_two_locations_with_one_name_stay_apart(fill: Fill) -> None:
    infos = {
        of_location(families.LOCATION_INFO.name, location, account=account, name=name, timezone=ZONE.key): 1.0
        for location, account, name in (("1", "A", "Rental"), ("2", "B", "Rental"), ("3", "A", "Shop"), ("4", "A", ""))
    }
    meters = {
        of_location(families.METER_INFO.name, location, account=account, meter=meter): 1.0
        for location, account, meter in (("1", "A", "11"), ("2", "B", "22"), ("3", "A", "33"), ("4", "A", "44"))
    }
    database = fill(constant(infos | meters, minutes(NOW, 1)))
    shared = find(NEWEST).constants
    assert _places(database, shared["meters"]) == {"11": "Rental 11", "22": "Rental 22", "33": "Shop", "44": "4 44"}
    assert _places(database, shared["locations"], "location") == {
        "1": "Rental 1",
        "2": "Rental 2",
        "3": "Shop",
        "4": "4",
    }


def test_the_newest_name_and_parent_win(fill: Fill) -> None:
    known = {"portal": "novec", "account": "A", "location": "1"}
    ends = [end for _, end in local_days(ZONE, NOW.timestamp() - 30 * 86400, NOW.timestamp() - 2 * 86400)]
    # The days of the window have both names after a change (docs/samples.md, "Names in history").
    history = {
        series("smarthub_day_location_info", **known, name="Old name"): ends[:17],
        series("smarthub_day_location_info", **known, name="New name"): ends[10:],
        series("smarthub_day_meter_info", **known, meter="11", submeter_of="99"): ends[:17],
        series("smarthub_day_meter_info", **known, meter="11"): ends[10:],
    }
    database = fill({labels: [(timestamp_ms(end, 9), 1.0) for end in found] for labels, found in history.items()})
    meters, locations = (find(NEWEST).constants[name] for name in ("meters", "locations"))
    # At any moment, one name and one parent of each meter.
    names = [_places(database, meters, now=end) for end in ends[1:]]
    assert {len(each) for each in names} == {1}
    assert (names[0], names[-1]) == ({"11": "Old name"}, {"11": "New name"})
    assert _places(database, locations, "location") == {"1": "New name"}
    assert _places(database, meters, label="submeter_of") == {"": "New name"}
    assert _places(database, meters, label="submeter_of", now=ends[8]) == {"99": "Old name"}


def test_the_current_name_wins(fill: Fill) -> None:
    known = {"portal": "novec", "account": "55001", "location": "1"}
    ends = [end for _, end in local_days(ZONE, NOW.timestamp() - 9 * 86400, NOW.timestamp() - 2 * 86400)]
    stamps = [(timestamp_ms(end, 9), 1.0) for end in ends]
    current = of_location(families.LOCATION_INFO.name, "1", name="New name", timezone=ZONE.key)
    database = fill(
        {
            series("smarthub_day_location_info", **known, name="Old name"): stamps,
            series("smarthub_day_usage_kwh", **known, meter="11"): stamps,
            **constant({current: 1.0}, minutes(NOW, 1)),
        }
    )
    shared = find(NEWEST).constants
    assert _places(database, shared["meters"]) == {"11": "New name"}
    assert _places(database, shared["locations"], "location") == {"1": "New name"}
    assert _places(database, shared["meters"], now=ends[-1] + 86400) == {"11": "Old name"}


def _places(database: Database, expression: str, label: str = "meter", now: float | None = None) -> dict[str, str]:
    """Return what people see of each meter or location."""
    found = database.query(expression, now or NOW.timestamp())
    return {dict(labels).get(label, ""): dict(labels)["place"] for labels in found}


# -- power


WEEKS = [
    absolute(SPRINGS[1] - timedelta(days=2), SPRINGS[1] + timedelta(days=6)),
    absolute(AUTUMN - timedelta(days=2), AUTUMN + timedelta(days=3)),
    last(7),
]


@pytest.mark.parametrize("shown", WEEKS, ids=["spring", "autumn", "now"])
@pytest.mark.parametrize("title", ["Power", "Thermostat over power"])
def test_power_shows_the_interval_that_contains_each_point(
    title: str, shown: TimeRange, database: Database, truth: Truth
) -> None:
    found = ask(database, title, "A", shown)
    assert find(title).step(shown) == 900
    start, stop = (int(each) // 900 * 900 for each in (shown.start, shown.end))
    for number, points in found.items():
        ends = truth.within("smarthub_interval_usage_watts", number, start, stop + 3600)
        wanted: Points = {}
        for moment in range(start, stop + 1, 900):
            # For a meter with shorter intervals, a point is their mean.
            inside = [watts for end, watts in ends.items() if max(moment, end - STEPS[number]) < min(moment + 900, end)]
            if inside:
                wanted[moment] = fsum(inside) / len(inside)
        assert points == close(wanted), number
    assert {SOLAR, BARN} <= found.keys()


@pytest.mark.parametrize("title", ["Power", "Thermostat over power"])
@pytest.mark.parametrize(("days", "width", "step"), [(30, 1900, 1200), (30, 1200, 1800), (50, 1200, 3600)])
def test_power_zoomed_out_is_the_mean_of_each_step_by_time(  # noqa: PLR0917
    title: str, days: int, width: int, step: int, database: Database, truth: Truth
) -> None:
    shown = last(days)
    panel = find(title).of_width(width)
    assert panel.step(shown) == step
    found = ask(database, panel, "A", shown)
    assert found.keys() == {SOLAR, BARN, FINE, HALF}
    for number, points in found.items():
        known = truth.of("smarthub_interval_usage_watts", number)
        moments = range(int(shown.start) // step * step, int(shown.end) + 1, step)
        means = {float(each): _mean(known, STEPS[number], each, each + step) for each in moments}
        assert points == close({each: watts for each, watts in means.items() if watts is not None}), number


def _mean(known: Mapping[int, float], length: int, start: int, end: int) -> float | None:
    """Return the mean of the known values over a period, weighted by time."""
    grid = range(start // length * length + length, end + length, length)
    shares = [(min(each, end) - max(each - length, start), known[each]) for each in grid if each in known]
    return fsum(share * watts for share, watts in shares) / sum(share for share, _ in shares) if shares else None


PER_DAY = "Power per day: $meter"


@pytest.mark.parametrize("shown", WEEKS, ids=["spring", "autumn", "now"])
def test_the_band_is_lowest_mean_and_highest_of_each_day(shown: TimeRange, database: Database, truth: Truth) -> None:
    assert find(PER_DAY).step(shown) == 86400
    lowest, mean, highest, week = (ask(database, PER_DAY, letter, shown) for letter in "ABCD")
    assert {SOLAR, BARN} <= lowest.keys()
    for number in (SOLAR, BARN):
        assert len(lowest[number]) >= (shown.end - shown.start) / 86400 - 2
        for moment in lowest[number]:
            day = moment + 86400
            watts = truth.within("smarthub_interval_usage_watts", number, moment, day).values()
            found = [each[number][moment] for each in (lowest, mean, highest, week)]
            trailing = truth.mean("smarthub_interval_usage_watts", number, day - 604800, day)
            assert found == close([min(watts), fsum(watts) / len(watts), max(watts), trailing])


@pytest.mark.parametrize("shown", [*WEEKS, last(50)], ids=["spring", "autumn", "now", "50 days"])
def test_the_cumulative_curve_starts_at_the_left_edge(shown: TimeRange, database: Database, truth: Truth) -> None:
    found = ask(database, "Energy added up", "A", shown)
    assert {SOLAR, BARN} <= found.keys()
    for number in (SOLAR, BARN):
        assert len(found[number]) > 300
        known = sorted(truth.within("smarthub_interval_usage_kwh", number, shown.start, shown.end).items())
        for moment, kwh in found[number].items():
            assert kwh == close(fsum(each for end, each in known if end <= moment)), (number, moment)


@pytest.mark.parametrize("years", [1, 9])
def test_years_of_power_and_energy_are_correct(years: int, unlimited: Database, truth: Truth) -> None:
    shown = last(years * 365.25)
    power, cumulative = (ask(unlimited, title, "A", shown) for title in ("Power", "Energy added up"))
    step = find("Power").step(shown)
    for number in (SOLAR, BARN):
        moment = max(cumulative[number])
        total = truth.total("smarthub_interval_usage_kwh", number, shown.start, moment)
        assert cumulative[number][moment] == close(total)
        whole = sorted(power[number])[1:-1]
        assert len(whole) > 300
        for each in whole[::20]:
            mean = truth.mean("smarthub_interval_usage_watts", number, each, each + step)
            assert power[number][each] == close(mean)


# -- sums of a range


IN_RANGE = "In this range"


def test_energy_and_cost_of_a_range_are_sums_of_its_intervals(database: Database, truth: Truth) -> None:
    month = absolute(datetime(2025, 3, 1, tzinfo=ZONE), datetime(2025, 3, 18, tzinfo=ZONE))
    numbers = {place: number for number, place in PLACES.items()}
    solar = PLACES[SOLAR]
    for shown in (*WEEKS, last(50), month):
        energy, cost = (ask(database, IN_RANGE, letter, shown, by="place") for letter in "AB")
        for place, points in energy.items():
            wanted = truth.total("smarthub_interval_usage_kwh", numbers[place], shown.start, shown.end)
            assert list(points.values()) == [close(wanted)], (place, shown)
        assert value(cost, solar) == close(truth.total("smarthub_interval_cost_usd", SOLAR, shown.start, shown.end))
        used, sent, net = (
            value(ask(database, "Exported in this range", letter, shown, by="place"), solar) for letter in "ABC"
        )
        exported = truth.total("smarthub_interval_export_kwh", SOLAR, shown.start, shown.end)
        assert used == value(energy, solar)
        assert sent == close(exported)
        assert net == close(value(energy, solar) - exported)


@pytest.mark.parametrize("shown", WEEKS, ids=["spring", "autumn", "now"])
def test_base_load_and_peak_are_those_of_the_range(shown: TimeRange, database: Database, truth: Truth) -> None:
    base, peak = (ask(database, IN_RANGE, letter, shown, by="place") for letter in "CD")
    for number in (SOLAR, BARN):
        watts = sorted(truth.within("smarthub_interval_usage_watts", number, shown.start, shown.end).values())
        rank = 0.05 * (len(watts) - 1)
        low = int(rank)
        assert value(base, PLACES[number]) == close(watts[low] + (watts[low + 1] - watts[low]) * (rank - low))
        assert value(peak, PLACES[number]) == watts[-1]


def test_rate_periods_show_their_energy_and_share(database: Database, truth: Truth) -> None:
    shown = last(30)
    energy, share = (ask(database, "Energy by rate period", letter, shown, by="period") for letter in "AB")
    names = [name for name, number in truth.values if name.startswith("smarthub_interval_tou") and number == SOLAR]
    assert len(names) >= 2
    assert {period: value(energy, period) for period in energy} == close(
        {name.partition(" ")[2]: truth.total(name, SOLAR, shown.start, shown.end) for name in names}
    )
    total = fsum(value(energy, period) for period in energy)
    assert {period: value(share, period) for period in share} == close(
        {period: value(energy, period) / total for period in energy}
    )


# -- hours

HEAT_MAP = "Average energy by hour and weekday (kWh)"


def hours(truth: Truth, number: str, name: str = "usage") -> dict[int, float]:
    """Return energy by the start of its hour."""
    found: defaultdict[int, float] = defaultdict(float)
    for end, kwh in truth.of(f"smarthub_interval_{name}_kwh", number).items():
        found[(end - 1) // 3600 * 3600] += kwh
    return dict(found)


def test_the_heat_map_is_the_mean_of_each_local_hour_of_the_week(database: Database, truth: Truth) -> None:
    shown = absolute(AUTUMN - timedelta(days=30), AUTUMN + timedelta(days=30))
    (points,) = ask(database, HEAT_MAP, "A", shown, by="").values()

    def mean(of: Mapping[float, float]) -> dict[str, float]:
        cells: defaultdict[str, list[float]] = defaultdict(list)
        for moment, kwh in of.items():
            cells[f"{datetime.fromtimestamp(moment, ZONE):%u %H:00}"].append(kwh)
        return {cell: fsum(each) / len(each) for cell, each in cells.items()}

    solar, barn = (hours(truth, number) for number in (SOLAR, BARN))
    wanted = {hour: solar[hour] + barn[hour] for hour in solar if shown.start <= hour <= shown.end}
    assert len(mean(points)) == 7 * 24
    assert mean(points) == close(mean({float(hour): kwh for hour, kwh in wanted.items()}))


def test_peak_hours_are_those_with_the_most_energy(database: Database, truth: Truth) -> None:
    shown = last(90)
    found = ask(database, "Peak hours", "A", shown, by="place")

    def most(of: Mapping[float, float]) -> list[tuple[float, float]]:
        return sorted(((moment, round(kwh, 6)) for moment, kwh in of.items()), key=lambda each: (-each[1], each[0]))[
            :10
        ]

    for number in (SOLAR, BARN, FINE, HALF):
        wanted = {float(hour): kwh for hour, kwh in hours(truth, number).items() if shown.start - 3600 < hour}
        assert most(found[PLACES[number]]) == most(wanted)


@pytest.mark.parametrize("title", [HEAT_MAP, "Peak hours"])
def test_hours_are_shown_only_with_one_point_each(title: str, unlimited: Database) -> None:
    assert find(title).step(last(456)) == 3600
    assert run(unlimited, find(title), "A", last(456), {})
    # Otherwise every other hour would be missing, and others after a daylight saving change.
    assert find(title).step(last(2 * 365)) == 7200
    assert run(unlimited, find(title), "A", last(2 * 365), {}) == {}


def test_solar_power_is_the_usage_and_export_of_each_hour(database: Database, truth: Truth) -> None:
    shown = absolute(SPRINGS[1] - timedelta(days=20), SPRINGS[1] + timedelta(days=2))
    used, sent = (hours(truth, SOLAR, name) for name in ("usage", "export"))
    found = [ask(database, "Power used, exported and net", letter, shown) for letter in "ABC"]
    assert [each.keys() for each in found] == [{SOLAR}] * 3
    moments = {hour for hour in used if shown.start <= hour <= shown.end}
    assert [each[SOLAR].keys() for each in found] == [moments] * 3
    for moment in moments:
        watts = [each[SOLAR][moment] for each in found]
        wanted = [1000 * used[moment], -1000 * sent[moment], 1000 * (used[moment] - sent[moment])]
        assert watts == close(wanted)


# -- current values


def test_newest_power_time_and_age_are_of_one_interval(database: Database, truth: Truth) -> None:
    end, age, power = (ask(database, NEWEST, letter, last(7), by="place") for letter in "ABC")
    for number in (SOLAR, BARN):
        watts = truth.of("smarthub_interval_usage_watts", number)
        assert value(power, PLACES[number]) == watts[max(watts)]
        assert value(end, PLACES[number]) == max(watts) * 1000
        assert value(age, PLACES[number]) == close((NOW.timestamp() - max(watts)) / 3600)


@pytest.mark.parametrize(("letter", "stage"), list(zip("BCDEF", STAGES, strict=True)))
def test_the_thermostat_shows_the_share_of_a_step(letter: str, stage: str, database: Database) -> None:
    (points,) = ask(database, "Thermostat over power", letter, last(3), by="").values()
    assert len(points) > 3 * 95
    for moment, share in points.items():
        running = [_runs(stage, int(moment) + 30 + 60 * each) for each in range(15)]
        if moment + 900 < NOW.timestamp():
            assert share == close(sum(running) / 15)


# -- alerts from end to end


def test_vmalert_and_prometheus_send_the_same_alerts(services: Services, tmp_path: Path) -> None:
    now = int(time.time())
    moments = range(now - 7200, now + 300, 60)
    values = {
        scraped(families.UP.name, login="novec"): 0.0,
        scraped(families.LAST_SUCCESS.name, login="novec"): 0.0,
        scraped(families.FAILURES.name, login="novec", reason="credentials"): 0.0,
        scraped(families.TIMEZONE_MISMATCH.name, login="novec"): 1.0,
        scraped(families.STATE_KEPT.name): 0.0,
        of_location(families.BACKFILL_NEEDED.name, "70001"): instant("2025-11-02"),
        of_location(families.LOCATION_INFO.name, "70001", name="House", timezone=ZONE.key): 1.0,
        _meter(families.LATEST_END.name, "80001"): now - 100 * 3600 - 1900,
        scraped("up", "smarthub_intervals"): 0.0,
    }
    samples = constant(values, moments)
    refused = scraped(families.FAILURES.name, login="novec", reason="two_factor")
    samples[refused] = [(each * 1000, float((each - moments[0]) // 3600)) for each in moments]
    # Evaluated every second, not every minute; everything else is as shipped.
    rules = tmp_path / "smarthub.yml"
    shipped = read("grafana/alerts/smarthub.yml")
    rules.write_text(shipped.replace("interval: 1m", "interval: 1s"), encoding="utf-8")

    database = services.victoria_metrics()
    database.import_samples(samples)
    address = free_address()
    flags = [f"-rule={rules}", f"-datasource.url={database.url}", "-notifier.url=http://127.0.0.1:9"]
    arguments = [*flags, f"-httpListenAddr={address}"]
    vmalert = services.start(Service, "vmalert", arguments, address=address, ready="/health")
    config = prometheus_config(rule_files=[str(rules)])
    prometheus = services.prometheus(config, history=_openmetrics(tmp_path, samples))
    wanted = set(RULES) - {"SmartHubUnusualUsage", "SmartHubRefreshFailing"}
    answers: list[dict[str, dict[str, str]]] = []
    for url in (vmalert.url, prometheus.url):
        wait_until(lambda url=url: _alerts(url).keys() == wanted, f"the alerts of {url}")  # type: ignore[misc]
        answers.append(_alerts(url))

    ours, theirs = answers
    # Ages depend on the second of the evaluation.
    assert {found.pop("SmartHubDataStale")["description"].partition(" 4d 4h ")[0] for found in answers} == {
        "House: the newest data is"
    }
    assert ours == theirs
    assert ours["SmartHubBackfillNeeded"]["description"].startswith(
        "The portal has changed data of House from 2025-11-02"
    )
    assert "(two_factor). Set totp_secret" in ours["SmartHubSignInRefused"]["description"]
    assert "smarthub_intervals of exporter:10058 has not" in ours["SmartHubIntervalsNotScraped"]["description"]


def _alerts(url: str) -> dict[str, dict[str, str]]:
    """Return the annotations of pending and firing alerts, by alert."""
    found = http("GET", f"{url}/api/v1/alerts").json()["data"]["alerts"] or []
    return {each["labels"].get("alertname", each.get("name")): each["annotations"] for each in found}
