"""Months with a daylight saving change in real databases."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isclose
from pathlib import Path

import pytest

from exporter.config import InfluxDBConfig, Secret
from exporter.errors import DatabaseError
from exporter.intervals.model import LocationKey
from exporter.intervals.updates import update_meter
from exporter.metrics.families import TIMESTAMPED
from exporter.portal.client import PortalClient
from exporter.portal.history import KnownMeters, LocationHistory
from exporter.portal.raw_series import RawSeries, raw_series
from exporter.portal.usage_answer import UsageAnswer
from exporter.simulator.energy import channels_of
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.settings import Revision
from exporter.simulator.specs import Channels, LocationSpec, MeterSpec
from exporter.simulator.world import World
from exporter.sinks.base import Chunk, Sink, Written
from exporter.sinks.influxdb import InfluxDBSink
from exporter.sinks.openmetrics import OpenMetricsSink

from ..support.clocks import ManualClock
from ..support.exporter_process import house, meter
from ..support.portal import StartPortal
from ..support.services import InfluxDB, Services, VictoriaMetrics, prometheus_config, series
from ..support.truth import by_end, differences, expected, local_days
from ..support.worlds import WALL, ZONE, instant

PLAIN, SOLAR, HOURS = meter(1, periods=True), meter(2, Channels.THREE), meter(3, step=3600, cost=False)
WORLD = World(locations=(house(1, PLAIN), house(2, SOLAR, HOURS)))
ONE_METER, TWO_METERS = WORLD.locations
AUTUMN = ("2025-11-01", "2025-12-01")
SPRING = ("2026-03-01", "2026-04-01")
NOW = instant("2026-04-10 12:00")
PORTAL = "coop"

Point = tuple[float | None, ...]
Points = Mapping[int, Point]
"""The fields of points, by time in seconds."""


@dataclass
class Coop:
    """A simulated portal, read by the real client."""

    portal: SimulatedPortal
    client: PortalClient
    clock: ManualClock

    def chunk(self, location: LocationSpec, first: str, after: str) -> Chunk:
        """Return a backfill's chunk for the local days from `first` to before `after`."""
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

    def revise(self, *factors: tuple[str, float]) -> None:
        """Multiply the energy of some intervals of PLAIN from now on.

        Times look like `2026-03-08 13:45`.
        """
        self.clock.advance(3600)
        revisions = tuple(Revision(PLAIN.number, instant(text), self.clock.now(), factor) for text, factor in factors)
        self.portal.settings = replace(self.portal.settings, revisions=revisions)

    def intervals(self, each: MeterSpec, *month: str) -> Points:
        """Return watts, kWh, US cents and exported kWh of each interval of a month."""
        return {
            true.start: (
                round((true.usage or 0) * 3_600_000 / each.step, 3),
                true.usage,
                None if true.cost is None else true.cost * 100,
                true.export,
            )
            for true in self.portal.almanac.intervals(each, *map(instant, month))
        }

    def minutes(self, each: MeterSpec, *month: str) -> dict[str, Points]:
        """Return watts and cents per minute, as in docs/samples.md, "InfluxDB layouts"."""
        start, end = map(instant, month)
        found: dict[str, dict[int, Point]] = {}
        for first in range(start, end, each.step):
            for channel in channels_of(each, self.portal.almanac.metered_energy(each, first, first + each.step)):
                watts, cents = channel.kwh * 3_600_000 / each.step, channel.usd * 6000 / each.step
                points = found.setdefault(channel.label, {})
                points.update(dict.fromkeys(range(first, first + each.step, 60), (watts, cents if each.cost else None)))
        return dict(found)


@pytest.fixture
def coop(clock: ManualClock, start_portal: StartPortal, sign_in: Callable[..., PortalClient]) -> Coop:
    clock.move_to(NOW)
    server = start_portal(WORLD)
    return Coop(server.portal, sign_in(server), clock)


@pytest.fixture
def influxdb(services: Services) -> InfluxDB:
    return services.influxdb()


@pytest.fixture
def database(services: Services) -> VictoriaMetrics:
    return services.victoria_metrics()


def influx_config(service: InfluxDB | VictoriaMetrics, token: str = "", *, per_minute: bool = False) -> InfluxDBConfig:
    return InfluxDBConfig(service.url, Secret(token) if token else None, "home", "electric", per_minute=per_minute)


def write(sink: Sink, *chunks: Chunk) -> list[Written]:
    """Write chunks as a backfill does and finish."""
    with closing(sink):
        assert sink.open(min(each.start for each in chunks)) == []
        written = [sink.write(each) for each in chunks]
        assert all(sink.still_holds(each) for each in written)
        sink.finish()
        return written


def stored(influxdb: InfluxDB, fields: str, where: str = "") -> dict[tuple[str, ...], Points]:
    """Return the points of each series by its tags."""
    return {
        tuple(value for _, value in sorted(each.get("tags", {}).items()) if value): {
            second: tuple(values) for second, *values in each["values"]
        }
        for each in influxdb.query(f"SELECT {fields} FROM electric {where} GROUP BY *")
    }


def assert_same(found: Mapping[tuple[str, ...], Points], wanted: Mapping[tuple[str, ...], Points]) -> None:
    """Compare all points of all series, up to rounding errors."""
    assert found.keys() == wanted.keys()
    for tags, points in found.items():
        assert points.keys() == wanted[tags].keys()
        for second, fields in points.items():
            for value, right in zip(fields, wanted[tags][second], strict=True):
                # isclose, since approx takes seconds for so many.
                same = value is right is None or (value is not None and right is not None and isclose(value, right))
                assert same, (tags, second, value, right)


# -- InfluxDB


def test_every_point_in_influxdb_is_correct(coop: Coop, influxdb: InfluxDB) -> None:
    chunks = [coop.chunk(location, *month) for location in WORLD.locations for month in (AUTUMN, SPRING)]
    written = write(InfluxDBSink(influx_config(influxdb), coop.clock), *chunks)
    quarters = (30 * 96 + 4, 31 * 96 - 4)
    hours = (30 * 24 + 1, 31 * 24 - 1)
    assert [each.samples for each in written] == [*quarters, quarters[0] + hours[0], quarters[1] + hours[1]]
    assert {(each.corrected, each.gone) for each in written} == {(0, 0)}
    wanted: dict[tuple[str, ...], Points] = {
        (location.account, location.number, each.number, PORTAL): {
            **coop.intervals(each, *AUTUMN),
            **coop.intervals(each, *SPRING),
        }
        for location in WORLD.locations
        for each in location.meters
    }
    assert_same(stored(influxdb, "watts, kwh, cost, exported_kwh"), wanted)


@pytest.mark.parametrize(("location", "month"), [(ONE_METER, AUTUMN), (TWO_METERS, SPRING)])
def test_points_per_minute_are_correct(
    coop: Coop, influxdb: InfluxDB, location: LocationSpec, month: tuple[str, str]
) -> None:
    write(InfluxDBSink(influx_config(influxdb, per_minute=True), coop.clock), coop.chunk(location, *month))
    if location is ONE_METER:
        (only,) = coop.minutes(PLAIN, *month).values()
        wanted: dict[tuple[str, ...], Points] = {(): only}
    else:
        wanted = {(label,): points for label, points in coop.minutes(SOLAR, *month).items()}
        assert wanted.keys() == {("Consumption",), ("Generation",), ("Net",)}
        wanted[HOURS.number,] = coop.minutes(HOURS, *month)["Consumption"]
    assert_same(stored(influxdb, "watts, cost"), wanted)


@pytest.mark.parametrize("per_minute", [False, True])
def test_corrections_up_and_down_reach_influxdb(coop: Coop, influxdb: InfluxDB, per_minute: bool) -> None:  # noqa: FBT001
    config = influx_config(influxdb, per_minute=per_minute)
    write(InfluxDBSink(config, coop.clock), coop.chunk(ONE_METER, *SPRING))
    coop.revise(("2026-03-08 03:00", 5.0), ("2026-03-20 18:15", 0.0))
    (written,) = write(InfluxDBSink(config, coop.clock), coop.chunk(ONE_METER, *SPRING))
    assert (written.samples, written.corrected, written.gone) == (30 if per_minute else 2, 2, 0)
    if per_minute:
        (wanted,) = coop.minutes(PLAIN, *SPRING).values()
        assert_same(stored(influxdb, "watts, cost"), {(): wanted})
    else:
        tags = (ONE_METER.account, ONE_METER.number, PLAIN.number, PORTAL)
        found = stored(influxdb, "watts, kwh, cost, exported_kwh")
        assert_same(found, {tags: coop.intervals(PLAIN, *SPRING)})
    (again,) = write(InfluxDBSink(config, coop.clock), coop.chunk(ONE_METER, *SPRING))
    assert (again.samples, again.corrected, again.gone) == (0, 0, 0)


def test_points_in_influxdb_survive_a_kill(coop: Coop, influxdb: InfluxDB) -> None:
    sink = InfluxDBSink(influx_config(influxdb), coop.clock)
    each = coop.chunk(TWO_METERS, *AUTUMN)
    with closing(sink):
        sink.open(each.start)
        sink.write(each)
        influxdb.kill()
    influxdb.start()
    (written,) = write(InfluxDBSink(influx_config(influxdb), coop.clock), each)
    assert written.samples == 0


def test_other_points_in_influxdb_stay_unchanged(coop: Coop, influxdb: InfluxDB) -> None:
    start = instant(SPRING[0])
    influxdb.write(f"electric,host=garage kwh=7,cost=3 {start}", f"gas kwh=9 {start}", f"electric watts=5 {start}")
    (written,) = write(InfluxDBSink(influx_config(influxdb), coop.clock), coop.chunk(ONE_METER, *SPRING))
    assert (written.corrected, written.gone) == (0, 0)
    found = stored(influxdb, "watts, kwh, cost", f"WHERE time = {start}s")
    assert (found["garage",], found[()]) == ({start: (None, 7, 3)}, {start: (5, None, None)})


def test_errors_of_influxdb_are_reported(coop: Coop, influxdb: InfluxDB) -> None:
    each = coop.chunk(ONE_METER, "2026-03-01", "2026-03-02")
    config = influx_config(influxdb)
    influxdb.query("CREATE RETENTION POLICY day ON electric DURATION 1d REPLICATION 1")
    influxdb.write(f'electric kwh="seven" {each.start}')
    for named, telling in (
        ("other", "CREATE DATABASE"),
        ("electric/day", "partial write: .*DURATION INF"),
        ("electric", "field type conflict: .*another database"),
    ):
        with pytest.raises(DatabaseError, match=telling):
            write(InfluxDBSink(replace(config, database=named), coop.clock), each)


# -- VictoriaMetrics in its place


@pytest.mark.parametrize(("token", "label"), [("me:pw", {"db": "electric"}), ("token", {})])
def test_the_go_tools_panel_shows_correct_daily_averages(
    coop: Coop, database: VictoriaMetrics, token: str, label: dict[str, str]
) -> None:
    sink = InfluxDBSink(influx_config(database, token, per_minute=True), coop.clock)
    (written,) = write(sink, coop.chunk(ONE_METER, *SPRING))
    assert written.samples == 31 * 1440 - 60
    for start, end in local_days(ZONE, *map(instant, SPRING)):
        usage = coop.portal.truth(PLAIN, start, end).usage
        assert usage is not None
        window = "1d" if end - start == 86400 else "23h"
        # Points are at the start of their minute: the last one of a day at 23:59.
        found = database.query(f"avg_over_time(electric_watts[{window}])", end - 1)
        assert found == {series("electric_watts", **label): pytest.approx(usage * 3_600_000 / (end - start))}


def test_the_go_tools_series_continue_in_victoria_metrics(coop: Coop, database: VictoriaMetrics) -> None:
    # Like its client library, with user and password as the token.
    path = "/api/v2/write?org=&bucket=electric&precision=ns"
    database.ask("POST", path, data=f"electric watts=100,cost=1 {instant('2026-02-28')}000000000")
    database.force_flush()
    sink = InfluxDBSink(influx_config(database, "me:pw", per_minute=True), coop.clock)
    write(sink, coop.chunk(ONE_METER, "2026-03-01", "2026-03-03"))
    found = database.export('{__name__="electric_watts"}')
    assert {labels: len(samples) for labels, samples in found.items()} == {series("electric_watts"): 1 + 2 * 1440}


def test_points_per_interval_in_victoria_metrics_are_correct(coop: Coop, database: VictoriaMetrics) -> None:
    write(InfluxDBSink(influx_config(database), coop.clock), coop.chunk(TWO_METERS, *AUTUMN))
    labels = {
        "db": "electric",
        "portal": PORTAL,
        "account": TWO_METERS.account,
        "location": TWO_METERS.number,
        "meter": SOLAR.number,
    }
    true = coop.portal.almanac.intervals(SOLAR, *map(instant, AUTUMN))
    assert database.export('{__name__="electric_exported_kwh"}') == {
        series("electric_exported_kwh", **labels): [(each.start * 1000, each.export) for each in true]
    }


@pytest.mark.parametrize("factor", [5.0, 0.0])
def test_victoria_metrics_takes_a_correction_or_it_is_an_error(
    coop: Coop, database: VictoriaMetrics, factor: float
) -> None:
    config = influx_config(database)
    write(InfluxDBSink(config, coop.clock), coop.chunk(ONE_METER, *SPRING))
    coop.revise(("2026-03-20 18:15", factor))
    sink = InfluxDBSink(config, coop.clock)
    each = coop.chunk(ONE_METER, *SPRING)
    with closing(sink):
        sink.open(each.start)
        try:
            assert sink.write(each).corrected == 1
        except DatabaseError as error:
            assert "write --to victoriametrics" in str(error)  # noqa: PT017 - versions keep different values
        else:
            (samples,) = database.export('{__name__="electric_kwh"}').values()
            true = coop.portal.almanac.intervals(PLAIN, each.start, each.end)
            assert samples == [(each.start * 1000, each.usage) for each in true]


# -- OpenMetrics


def test_prometheus_blocks_from_the_file_are_correct(coop: Coop, services: Services, tmp_path: Path) -> None:
    output = tmp_path / "history.om"
    first, after = instant(AUTUMN[0]), instant(SPRING[1])
    borders = ["2025-11-01", "2025-12-01", "2025-12-31", "2026-01-30", "2026-03-01", "2026-04-01"]
    chunks = [coop.chunk(location, *days) for location in WORLD.locations for days in pairwise(borders)]
    write(OpenMetricsSink(output, overwrite=False), *chunks)

    database = services.prometheus(prometheus_config(), history=output)

    families = {each.family.name for each in TIMESTAMPED}
    found = database.series_samples(f'{{__name__=~"{"|".join(families)}"}}', first, after)
    assert {dict(labels)["__name__"] for labels in found} == families
    assert differences(by_end(found), expected(coop.portal, PORTAL, first, after)) == []
