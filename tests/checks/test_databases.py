"""The steps of `check` for databases: whether they answer, and what they are compared with."""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from exporter.checks.databases import database_findings
from exporter.config import Config, ExporterConfig, InfluxDBConfig, Secret, VictoriaMetricsConfig
from exporter.discovery.look_around import LookAround
from exporter.discovery.survey import LocationSurvey
from exporter.intervals.interval import Interval
from exporter.intervals.model import Meter, MeterInfo
from exporter.portal.accounts import AccountLocation
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll
from exporter.simulator.world import World

from ..support.check_reports import lines, run_check
from ..support.clocks import ManualClock
from ..support.fake_database import Database
from ..support.portal import StartPortal, login_of
from ..support.worlds import DAY, HOUSE, NOW, TWO, WALL

TODAY = WALL.day(NOW).start
TOKEN = "a-token-to-keep-secret"


def said(
    *,
    influxdb: InfluxDBConfig | None = None,
    victoriametrics: VictoriaMetricsConfig | None = None,
    looks: Sequence[LookAround] = (),
) -> list[str]:
    config = Config((), ExporterConfig(), victoriametrics, influxdb)
    return lines(database_findings(config, looks, now=NOW))


def test_without_databases_nothing_is_reported() -> None:
    assert said() == []


@pytest.fixture
def nobody() -> Iterator[str]:
    """A URL where nothing is listening."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


# -- InfluxDB


def named(name: str) -> object:
    """Return the answer of an InfluxDB 1 with one database."""
    return {"results": [{"series": [{"name": "databases", "values": [["_internal"], [name]]}]}]}


def influx(url: str, name: str = "electric", token: str = "user:password") -> InfluxDBConfig:
    return InfluxDBConfig(url, Secret(token), "", name)


HAS = "ok influxdb: InfluxDB {} answers and has database electric"
LACKS = (
    "failed influxdb: InfluxDB {} answers, but has no database electric -> create it with CREATE DATABASE"
    ' "electric" (InfluxDB 2: create a bucket with that name)'
)


@pytest.mark.parametrize(
    ("version", "path", "answer", "line"),
    [
        ("1.8.10", "/query", named("electric"), HAS),
        ("1.8.10", "/query", named("energy"), LACKS),
        ("2.7.4", "/api/v2/buckets", {"buckets": [{"name": "electric"}]}, HAS),
        ("2.7.4", "/api/v2/buckets", {"buckets": []}, LACKS),
    ],
)
def test_influxdb_is_checked_for_the_database(
    database: Database, version: str, path: str, answer: object, line: str
) -> None:
    database.answer("/ping", status=204, X_Influxdb_Version=version, X_Influxdb_Build="OSS")
    database.answer(path, json.dumps(answer))
    assert said(influxdb=influx(database.url))[:2] == [f"# InfluxDB {database.url}", line.format(version)]


def test_victoriametrics_as_influxdb_has_any_database(database: Database) -> None:
    database.answer("/ping", status=204, X_Server_Hostname="vm", X_Influxdb_Version="1.8.0")
    database.answer("/api/v1/export")
    assert said(influxdb=influx(database.url, "anything"))[1:] == [
        "ok influxdb: VictoriaMetrics answers",
        "skipped influxdb: stored values are not compared with the portal's",
    ]


# -- databases that fail


def test_each_database_that_does_not_answer_fails(nobody: str) -> None:
    vm, vm_failure, other, other_failure = said(victoriametrics=VictoriaMetricsConfig(nobody), influxdb=influx(nobody))
    assert (vm, other) == (f"# VictoriaMetrics {nobody}", f"# InfluxDB {nobody}")
    assert vm_failure.startswith(f"failed database: victoriametrics {nobody}: ")
    assert other_failure.startswith(f"failed influxdb: influxdb {nobody}: ")


def test_findings_contain_no_secret_and_no_path(database: Database, tmp_path: Path) -> None:
    secret = VictoriaMetricsConfig(f"{database.url}/{TOKEN}", bearer_token=Secret(TOKEN), ca_file=tmp_path)
    findings = said(victoriametrics=secret, influxdb=influx(database.url, token=TOKEN))
    assert findings[0] == f"# VictoriaMetrics {database.url}"
    assert not [line for line in findings if TOKEN in line]


# -- what is read back

KEPT = "ok database: -retentionPeriod=10y"
DEDUPLICATED = "ok database: -dedup.minScrapeInterval=1s"
NOT_READ = "skipped database: locations not read back; the portal sent no data to compare with"
NOTHING = "warning stored data: location {}: nothing stored yet"


@pytest.fixture
def empty(database: Database) -> Database:
    """An empty VictoriaMetrics."""
    database.answer("/api/v1/query", '{"data": {"resultType": "vector", "result": []}}')
    database.answer("/api/v1/export", "")
    database.answer("/flags", "-retentionPeriod=10y\n-dedup.minScrapeInterval=1s\n")
    return database


def read_back(database: Database, *looks: LookAround) -> list[str]:
    """Return what is said of a VictoriaMetrics below its heading."""
    return said(victoriametrics=VictoriaMetricsConfig(database.url), looks=looks)[1:]


Polled = Callable[..., LookAround]


@pytest.fixture
def polled(clock: ManualClock) -> Polled:
    """Returns the look around of a checked login."""

    def run(server: PortalServer, password: str | None = None, *, has_zone: bool = True) -> LookAround:
        login = login_of(server, password=password)
        return run_check(login if has_zone else replace(login, zone=None), clock)[0]

    return run


@pytest.mark.parametrize("has_zone", [True, False])
def test_the_last_days_of_each_location_are_read_back(
    start_portal: StartPortal, polled: Polled, empty: Database, *, has_zone: bool
) -> None:
    """Each by its own labels; a proposed zone is enough."""
    server = start_portal(TWO)

    report = read_back(empty, polled(server, has_zone=has_zone))

    assert report[:2] == [f"{KEPT}; nothing stored yet", DEDUPLICATED]
    nothing = NOTHING.replace("location {}", "for 2 locations")
    assert [line.partition(" -> ")[0] for line in report[2:]][:1] == [nothing]
    host = urlsplit(server.url).netloc
    exports = [asked.params for asked in empty.asked if asked.path == "/api/v1/export"]
    for params, (account, location) in zip(exports, (("55001", "70001"), ("55002", "70002")), strict=True):
        assert f'portal="{host}",account="{account}",location="{location}"' in params["match[]"]
        # The seven days before today, and one second.
        assert int(params["start"]) == TODAY - 7 * DAY - 1


@pytest.mark.parametrize("poll", [Poll.STATUS_500, Poll.NO_DATA])
def test_without_data_stored_values_are_not_judged(
    start_portal: StartPortal, polled: Polled, empty: Database, poll: Poll
) -> None:
    """The size of the interval page is unknown too."""
    look = polled(start_portal(poll=poll))
    assert [survey.newest for survey in look.surveys.values()] == [None]
    assert read_back(empty, look) == [NOT_READ, KEPT, DEDUPLICATED]
    assert not [asked for asked in empty.asked if asked.path == "/api/v1/export"]


def test_locations_that_were_not_read_are_not_read_back(
    start_portal: StartPortal, portal: PortalServer, polled: Polled, empty: Database
) -> None:
    """Neither those of a failed login nor those without a zone."""
    new = World(locations=(replace(HOUSE, connected="2026-01-14"),))
    zoneless = polled(start_portal(new, poll=Poll.NO_POINTS), has_zone=False)
    for other in (polled(portal, "wrong"), zoneless):
        assert read_back(empty, other) == [NOT_READ, KEPT, DEDUPLICATED]
        report = read_back(empty, polled(portal), other)
        assert report[-1].startswith(NOTHING.format(70001))
        assert report[:3] == [NOT_READ.replace("locations", "other locations"), KEPT, DEDUPLICATED]


def hours(number: str, start: int, end: int) -> Meter:
    intervals = (Interval(each, each + 3600, usage=1.0, usage_k=1) for each in range(start, end, 3600))
    return Meter.of(MeterInfo(number, step=3600), tuple(intervals))


def test_the_newest_day_of_each_meter_is_left_out(clock: ManualClock, empty: Database) -> None:
    """Late data of one meter is as new to the exporter as fresh data of another."""
    soon, late = hours("81001", TODAY - 4 * DAY, TODAY + 4 * 3600), hours("81002", TODAY - 4 * DAY, TODAY - 2 * DAY)
    look, _ = run_check(login_of("http://127.0.0.1:9"), clock)
    location = AccountLocation("55001", "70001", None, electric=True, active=True)
    look.surveys[location] = LocationSurvey(location, (soon, late))
    labels = {"portal": "127.0.0.1:9", "account": "55001", "location": "70001"}
    stored = [
        {
            "metric": {"__name__": family, "meter": meter.info.number} | labels,
            "timestamps": [each.end * 1000 - 999 for each in meter.intervals if each.end <= end],
            "values": [value for each in meter.intervals if each.end <= end],
        }
        for meter, end in ((soon, TODAY), (late, TODAY - 3 * DAY))
        for family, value in (("smarthub_interval_usage_kwh", 1.0), ("smarthub_interval_usage_watts", 1000.0))
    ]
    empty.answer("/api/v1/export", "\n".join(map(json.dumps, stored)))
    assert read_back(empty, look)[-2:] == [
        "ok stored data: location 70001: 240 samples in 4 series, each stored once, in the last second of its interval",
        "ok stored data: location 70001: values match the portal in 120 intervals of the last 8 days",
    ]
