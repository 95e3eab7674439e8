"""Months of a simulated portal in a real InfluxDB, VictoriaMetrics and Prometheus, both changes of clocks amid."""

import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from math import isclose
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.config import InfluxDBConfig, Login, Secret, portal_address
from exporter.errors import DatabaseError
from exporter.intervals.model import LocationKey
from exporter.intervals.updates import update_meter
from exporter.lockout import Lockout
from exporter.metrics.families import TIMESTAMPED
from exporter.portal.client import PortalClient
from exporter.portal.history import KnownMeters, LocationHistory
from exporter.portal.raw_series import RawSeries, raw_series
from exporter.portal.usage import UsageAnswer
from exporter.portal.walltime import WallClock
from exporter.simulator.energy import channels_of
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Revision, Settings
from exporter.simulator.specs import Channels, LocationSpec, MeterSpec
from exporter.simulator.world import World
from exporter.sinks.base import Chunk, Sink, Written
from exporter.sinks.influxdb import InfluxDBSink
from exporter.sinks.openmetrics import OpenMetricsSink
from exporter.storage.state import StateFile

from ..support.clocks import ManualClock
from ..support.exporter_process import house, meter
from ..support.services import InfluxDB, Services, VictoriaMetrics, find_program, prometheus_config, series
from ..support.truth import by_end, differences, expected, local_days

ZONE = ZoneInfo("America/New_York")
WALL = WallClock(ZONE)
PLAIN, SOLAR, HOURS = meter(1, periods=True), meter(2, Channels.THREE), meter(3, step=3600, cost=False)
WORLD = World(zone=ZONE.key, locations=(house(1, PLAIN), house(2, SOLAR, HOURS)))
ONE_METER, TWO_METERS = WORLD.locations
AUTUMN = ("2025-11-01", "2025-12-01")
SPRING = ("2026-03-01", "2026-04-01")
NOW = datetime(2026, 4, 10, 12, 0, tzinfo=ZONE).timestamp()
PORTAL = "coop"

Point = tuple[float | None, ...]


def instant(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=ZONE).timestamp())


def days_of(month: tuple[str, str]) -> list[tuple[int, int]]:
    return list(local_days(ZONE, *map(instant, month)))


@dataclass
class Coop:
    """A simulated portal, read as the program reads it."""

    portal: SimulatedPortal
    client: PortalClient
    clock: ManualClock

    def chunk(self, location: LocationSpec, first: str, after: str) -> Chunk:
        """What a backfill passes to a sink of the local days from `first` to before `after`."""
        shown: dict[tuple[str, str], RawSeries] = {}

        def watch(answer: UsageAnswer, time_frame: str, start: int, end: int) -> None:
            for each in raw_series(answer, time_frame, WALL, start, end):
                before = shown.get((each.meter, each.name), RawSeries(each.meter, each.name, ()))
                points = tuple(sorted((*before.points, *each.points)))
                shown[each.meter, each.name] = replace(before, points=points)

        start, end = instant(first), instant(after)
        history = LocationHistory(self.client.usage, location.account, location.number, WALL, watch)
        fetched = history.fetch(start, end, KnownMeters(), try_hourly=True)
        assert (fetched.error, fetched.warnings) == (None, [])
        meters = tuple(
            update_meter(None, each, WALL, now=self.clock.now(), keep_from=0).meter for each in fetched.meters
        )
        key = LocationKey(PORTAL, location.account, location.number)
        return Chunk(key, ZONE, start, end, meters, tuple(shown.values()))

    def revise(self, each: MeterSpec, *factors: tuple[str, float]) -> None:
        """From now on some intervals have other energy; times as `2026-03-08 13:45`."""
        self.clock.advance(3600)
        revisions = tuple(Revision(each.number, instant(text), self.clock.now(), factor) for text, factor in factors)
        self.portal.settings = replace(self.portal.settings, revisions=revisions)

    def minutes(self, each: MeterSpec, month: tuple[str, str]) -> dict[str, dict[int, Point]]:
        """Watts and US cents of each minute by the label of the channel, as contract 6 has them."""
        start, end = map(instant, month)
        found: dict[str, dict[int, Point]] = {}
        for first in range(start, end, each.step):
            for channel in channels_of(each, self.portal.almanac.metered_energy(each, first, first + each.step)):
                watts, cents = channel.kwh * 3_600_000 / each.step, channel.usd * 6000 / each.step
                points = found.setdefault(channel.label, {})
                points.update(dict.fromkeys(range(first, first + each.step, 60), (watts, cents if each.cost else None)))
        return found


@pytest.fixture
def coop() -> Iterator[Coop]:
    clock = ManualClock(NOW)
    with PortalServer(SimulatedPortal(WORLD, clock, Settings(pending=0))) as server, closing(StateFile(None)) as state:
        user = WORLD.users[0]
        login = Login("coop", portal_address(server.url), user.username, Secret(user.password), zone=ZONE)
        with closing(PortalClient(login, Lockout(login, state, clock), clock, lambda *_: None)) as client:
            yield Coop(server.portal, client, clock)


@pytest.fixture
def influxdb(services: Services) -> InfluxDB:
    return services.influxdb()


@pytest.fixture
def database(services: Services) -> VictoriaMetrics:
    return services.victoria_metrics()


def influx_config(service: InfluxDB | VictoriaMetrics, token: str = "", *, per_minute: bool = False) -> InfluxDBConfig:
    return InfluxDBConfig(service.url, Secret(token) if token else None, "home", "electric", per_minute=per_minute)


def write(sink: Sink, *chunks: Chunk) -> list[Written]:
    """Write as a backfill does, to the end."""
    with closing(sink):
        assert sink.open(min(each.start for each in chunks)) == []
        written = [sink.write(each) for each in chunks]
        assert all(sink.still_holds(each) for each in written)
        sink.finish()
        return written


def rows(influxdb: InfluxDB, statement: str) -> dict[tuple[str, ...], list[list[float | None]]]:
    """What a query with GROUP BY * gives, by the tags that a series has."""
    return {
        tuple(value for _, value in sorted(each.get("tags", {}).items()) if value): each["values"]
        for each in influxdb.query(statement)
    }


# -- InfluxDB


def sums(influxdb: InfluxDB, first: int, after: int) -> dict[str, Point]:
    statement = "SELECT sum(kwh), sum(exported_kwh), sum(cost) FROM electric"
    found = influxdb.query(f"{statement} WHERE time >= {first}s AND time < {after}s GROUP BY meter")
    return {each["tags"]["meter"]: tuple(each["values"][0][1:]) for each in found}


def true_sums(coop: Coop, first: int, after: int) -> dict[str, Point]:
    def of(each: MeterSpec) -> Point:
        total = coop.portal.truth(each, first, after)
        return total.usage, total.export, None if total.cost is None else total.cost * 100

    return {each.number: of(each) for each in (PLAIN, SOLAR, HOURS)}


def is_close(found: dict[str, Point], true: dict[str, Point]) -> bool:
    assert found.keys() == true.keys()
    return all(found[number] == pytest.approx(true[number], abs=1e-6) for number in true)


def test_influxdb_sums_months_and_days_to_the_truth(coop: Coop, influxdb: InfluxDB) -> None:
    chunks = [coop.chunk(location, *month) for location in WORLD.locations for month in (AUTUMN, SPRING)]
    written = write(InfluxDBSink(influx_config(influxdb), coop.clock), *chunks)
    quarters = (30 * 96 + 4, 31 * 96 - 4)
    hours = (30 * 24 + 1, 31 * 24 - 1)
    assert [each.samples for each in written] == [*quarters, quarters[0] + hours[0], quarters[1] + hours[1]]
    assert {(each.corrected, each.gone) for each in written} == {(0, 0)}
    for month in (AUTUMN, SPRING):
        assert is_close(sums(influxdb, *map(instant, month)), true_sums(coop, *map(instant, month)))
        for day in days_of(month):
            assert is_close(sums(influxdb, *day), true_sums(coop, *day))


def test_every_point_of_influxdb_is_true(coop: Coop, influxdb: InfluxDB) -> None:
    each = coop.chunk(TWO_METERS, *SPRING)
    write(InfluxDBSink(influx_config(influxdb), coop.clock), each)
    found = rows(influxdb, "SELECT watts, kwh, cost, exported_kwh FROM electric GROUP BY *")
    assert found.keys() == {(TWO_METERS.account, TWO_METERS.number, one.number, PORTAL) for one in (SOLAR, HOURS)}
    for (_, _, number, _), values in found.items():
        spec = SOLAR if number == SOLAR.number else HOURS
        assert values == [
            [
                true.start,
                round((true.usage or 0) * 3_600_000 / spec.step, 3),
                true.usage,
                pytest.approx(true.cost * 100) if true.cost is not None else None,
                true.export,
            ]
            for true in coop.portal.almanac.intervals(spec, each.start, each.end)
        ]


@pytest.mark.parametrize("month", [AUTUMN, SPRING])
def test_a_point_a_minute_of_a_single_series_is_as_promised(
    coop: Coop, influxdb: InfluxDB, month: tuple[str, str]
) -> None:
    write(InfluxDBSink(influx_config(influxdb, per_minute=True), coop.clock), coop.chunk(ONE_METER, *month))
    found = rows(influxdb, "SELECT watts, cost FROM electric GROUP BY *")
    (true,) = coop.minutes(PLAIN, month).values()
    assert found.keys() == {()}
    assert_points(found[()], true)


def test_a_point_a_minute_of_several_series_is_as_promised(coop: Coop, influxdb: InfluxDB) -> None:
    write(InfluxDBSink(influx_config(influxdb, per_minute=True), coop.clock), coop.chunk(TWO_METERS, *SPRING))
    found = rows(influxdb, "SELECT watts, cost FROM electric GROUP BY *")
    true = coop.minutes(SOLAR, SPRING) | {HOURS.number: coop.minutes(HOURS, SPRING)["Consumption"]}
    assert found.keys() == {("Consumption",), ("Generation",), ("Net",), (HOURS.number,)}
    for (name,), values in found.items():
        assert_points(values, true[name])


def assert_points(found: list[list[float | None]], true: dict[int, Point]) -> None:
    assert [second for second, *_ in found] == sorted(true)
    for second, *fields in found:
        for value, right in zip(fields, true[int(second or 0)], strict=True):
            # isclose and not approx, which takes seconds for so many.
            same = value is right is None or (value is not None and right is not None and isclose(value, right))
            assert same, (second, value, right)


@pytest.mark.parametrize("per_minute", [False, True])
def test_corrections_up_and_down_reach_influxdb(coop: Coop, influxdb: InfluxDB, per_minute: bool) -> None:  # noqa: FBT001
    config = influx_config(influxdb, per_minute=per_minute)
    write(InfluxDBSink(config, coop.clock), coop.chunk(ONE_METER, *SPRING))
    coop.revise(PLAIN, ("2026-03-08 03:00", 5.0), ("2026-03-20 18:15", 0.0))
    (written,) = write(InfluxDBSink(config, coop.clock), coop.chunk(ONE_METER, *SPRING))
    assert (written.samples, written.corrected, written.gone) == (30 if per_minute else 2, 2, 0)
    first, after = map(instant, SPRING)
    usage = coop.portal.truth(PLAIN, first, after).usage
    if per_minute:
        ((_, watt_minutes),) = influxdb.query("SELECT sum(watts) FROM electric")[0]["values"]
        assert watt_minutes / 60_000 == pytest.approx(usage)
    else:
        assert sums(influxdb, first, after)[PLAIN.number][0] == pytest.approx(usage)
    (again,) = write(InfluxDBSink(config, coop.clock), coop.chunk(ONE_METER, *SPRING))
    assert (again.samples, again.corrected, again.gone) == (0, 0, 0)


def test_what_influxdb_has_taken_outlasts_a_kill(coop: Coop, influxdb: InfluxDB) -> None:
    sink = InfluxDBSink(influx_config(influxdb), coop.clock)
    each = coop.chunk(TWO_METERS, *AUTUMN)
    with closing(sink):
        sink.open(each.start)
        sink.write(each)
        influxdb.kill()
    influxdb.start()
    (written,) = write(InfluxDBSink(influx_config(influxdb), coop.clock), each)
    assert written.samples == 0


def test_points_of_others_in_influxdb_stay_as_they_are(coop: Coop, influxdb: InfluxDB) -> None:
    start = instant(SPRING[0])
    influxdb.write(f"electric,host=garage kwh=7,cost=3 {start}", f"gas kwh=9 {start}", f"electric watts=5 {start}")
    (written,) = write(InfluxDBSink(influx_config(influxdb), coop.clock), coop.chunk(ONE_METER, *SPRING))
    assert (written.corrected, written.gone) == (0, 0)
    found = rows(influxdb, f"SELECT watts, kwh, cost FROM electric WHERE time = {start}s GROUP BY *")
    assert (found["garage",], found[()]) == ([[start, None, 7, 3]], [[start, 5, None, None]])


def test_influxdb_tells_what_is_wrong_with_it(coop: Coop, influxdb: InfluxDB) -> None:
    each = coop.chunk(ONE_METER, "2026-03-01", "2026-03-02")
    config = influx_config(influxdb)

    def failure(config: InfluxDBConfig) -> str:
        sink = InfluxDBSink(config, coop.clock)
        with pytest.raises(DatabaseError) as caught:
            write(sink, each)
        return str(caught.value).removeprefix(f"influxdb {influxdb.url}: ")

    assert failure(replace(config, database="other")) == 'has no database other; make it: CREATE DATABASE "other"'
    influxdb.query("CREATE RETENTION POLICY day ON electric DURATION 1d REPLICATION 1")
    told = failure(replace(config, database="electric/day"))
    assert "partial write: points beyond retention policy dropped=" in told
    assert told.endswith("; it keeps less than is to be written; ALTER RETENTION POLICY ... DURATION INF first")
    influxdb.write(f'electric kwh="seven" {each.start}')
    told = failure(config)
    assert "partial write: field type conflict: input field" in told
    assert told.endswith("; another program writes this field as another type; set another database")


# -- VictoriaMetrics in its place


@pytest.mark.parametrize(("token", "label"), [("me:pw", {"db": "electric"}), ("token", {})])
def test_the_go_tools_panel_shows_the_true_average_of_each_day(
    coop: Coop, database: VictoriaMetrics, token: str, label: dict[str, str]
) -> None:
    sink = InfluxDBSink(influx_config(database, token, per_minute=True), coop.clock)
    (written,) = write(sink, coop.chunk(ONE_METER, *SPRING))
    assert written.samples == 31 * 1440 - 60
    for start, end in days_of(SPRING):
        usage = coop.portal.truth(PLAIN, start, end).usage
        assert usage is not None
        window = "1d" if end - start == 86400 else "23h"
        # Points stand at the start of their minute: the last one of a day at 23:59.
        found = database.query(f"avg_over_time(electric_watts[{window}])", end - 1)
        assert found == {series("electric_watts", **label): pytest.approx(usage * 3_600_000 / (end - start))}


def test_the_go_tools_series_go_on_in_victoria_metrics(coop: Coop, database: VictoriaMetrics) -> None:
    # As its client library does, with user and password for a token.
    path = "/api/v2/write?org=&bucket=electric&precision=ns"
    database.ask("POST", path, data=f"electric watts=100,cost=1 {instant('2026-02-28')}000000000")
    database.force_flush()
    write(
        InfluxDBSink(influx_config(database, "me:pw", per_minute=True), coop.clock),
        coop.chunk(ONE_METER, "2026-03-01", "2026-03-03"),
    )
    stored = database.export('{__name__="electric_watts"}')
    assert {labels: len(samples) for labels, samples in stored.items()} == {
        (("__name__", "electric_watts"),): 1 + 2 * 1440
    }


def test_a_point_an_interval_in_victoria_metrics_is_true(coop: Coop, database: VictoriaMetrics) -> None:
    write(InfluxDBSink(influx_config(database), coop.clock), coop.chunk(TWO_METERS, *AUTUMN))
    stored = database.export('{__name__="electric_exported_kwh"}')
    ((labels, samples),) = stored.items()
    true = coop.portal.almanac.intervals(SOLAR, *map(instant, AUTUMN))
    assert samples == [(each.start * 1000, each.export) for each in true]
    assert dict(labels) == {
        "__name__": "electric_exported_kwh",
        "db": "electric",
        "portal": PORTAL,
        "account": TWO_METERS.account,
        "location": TWO_METERS.number,
        "meter": SOLAR.number,
    }


@pytest.mark.parametrize("factor", [5.0, 0.0])
def test_a_correction_is_shown_by_victoria_metrics_or_told_to_be_impossible(
    coop: Coop, database: VictoriaMetrics, factor: float
) -> None:
    config = influx_config(database)
    write(InfluxDBSink(config, coop.clock), coop.chunk(ONE_METER, *SPRING))
    coop.revise(PLAIN, ("2026-03-20 18:15", factor))
    sink = InfluxDBSink(config, coop.clock)
    each = coop.chunk(ONE_METER, *SPRING)
    with closing(sink):
        sink.open(each.start)
        try:
            assert sink.write(each).corrected == 1
        except DatabaseError as error:
            assert "write --to victoriametrics" in str(error)  # noqa: PT017 - versions differ in what they keep
        else:
            (samples,) = database.export('{__name__="electric_kwh"}').values()
            true = coop.portal.almanac.intervals(PLAIN, each.start, each.end)
            assert samples == [(each.start * 1000, each.usage) for each in true]


# -- OpenMetrics


def test_promtool_makes_blocks_of_the_file_of_which_prometheus_gives_the_truth(
    coop: Coop, services: Services, tmp_path: Path
) -> None:
    output = tmp_path / "history.om"
    first, after = instant(AUTUMN[0]), instant(SPRING[1])
    borders = ["2025-11-01", "2025-12-01", "2025-12-31", "2026-01-30", "2026-03-01", "2026-04-01"]
    chunks = [coop.chunk(location, *days) for location in WORLD.locations for days in pairwise(borders)]
    write(OpenMetricsSink(output, overwrite=False), *chunks)
    blocks = tmp_path / "blocks"
    create = ["tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=8760h"]
    subprocess.run([find_program("promtool"), *create, output, blocks], check=True, capture_output=True, timeout=120)

    database = services.prometheus(prometheus_config([]))
    database.terminate()
    for block in blocks.iterdir():
        block.rename(database.folder / "data" / block.name)
    database.start()

    families = "|".join(each.family.name for each in TIMESTAMPED)
    stored = database.series_samples(f'{{__name__=~"{families}"}}', first, after)
    assert {dict(labels)["__name__"] for labels in stored} == {each.family.name for each in TIMESTAMPED}
    assert differences(by_end(stored), expected(coop.portal, PORTAL, first, after)) == []

    for month in (AUTUMN, SPRING):
        start, end = map(instant, month)
        for name, spec, attribute in (
            ("usage_kwh", PLAIN, "usage"),
            ("usage_kwh", SOLAR, "usage"),
            ("export_kwh", SOLAR, "export"),
            ("cost_usd", SOLAR, "cost"),
        ):
            selector = f'smarthub_interval_{name}{{meter="{spec.number}"}}'
            query = f"sum_over_time(last_over_time({selector}[15m])[{end - start - 1}s:15m])"
            (value,) = database.query(query, end).values()
            assert value == pytest.approx(getattr(coop.portal.truth(spec, start, end), attribute), abs=1e-6), query
