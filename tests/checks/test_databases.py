"""The steps of `check` that concern databases: whether they answer, and with what they are compared."""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from exporter.checks.databases import database_findings
from exporter.checks.login import LoginCheck
from exporter.config import Config, ExporterConfig, InfluxDBConfig, Secret, VictoriaMetricsConfig
from exporter.discovery.survey import LocationSurvey
from exporter.intervals.model import Interval, Meter, MeterInfo
from exporter.portal.accounts import AccountLocation
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll

from ..support.check_reports import lines, run_check
from ..support.clocks import ManualClock
from ..support.fake_database import Database
from ..support.portal import StartPortal, login_of
from ..support.worlds import DAY, NOW, TWO, WALL

TODAY = WALL.day(NOW).start
TOKEN = "a-token-that-nobody-may-see"


def said(
    *,
    influxdb: InfluxDBConfig | None = None,
    victoriametrics: VictoriaMetricsConfig | None = None,
    checks: Sequence[LoginCheck] = (),
    window: int = 7 * DAY,
) -> list[str]:
    config = Config((), ExporterConfig(window=window), victoriametrics, influxdb)
    return lines(database_findings(config, checks, now=NOW))


def test_without_databases_there_is_nothing_to_say() -> None:
    assert said() == []


@pytest.fixture
def nobody() -> Iterator[str]:
    """A URL at which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


# -- InfluxDB

NAMES = {"results": [{"series": [{"name": "databases", "values": [["_internal"], ["electric"]]}]}]}


def influx(url: str, name: str = "electric", token: str = "user:password") -> InfluxDBConfig:
    return InfluxDBConfig(url, Secret(token), "", name)


def absent(product: str, name: str) -> str:
    return (
        f"failed influxdb: {product} answers and has no database {name} -> create it: CREATE DATABASE"
        f' "{name}", or a bucket of that name in InfluxDB 2'
    )


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("electric", "ok influxdb: InfluxDB 1.8.10 answers and has the database electric"),
        ("energy", absent("InfluxDB 1.8.10", "energy")),
    ],
)
def test_an_influxdb_1_is_asked_for_its_databases(database: Database, name: str, line: str) -> None:
    database.answer("/ping", status=204, X_Influxdb_Version="1.8.10", X_Influxdb_Build="OSS")
    database.answer("/query", json.dumps(NAMES))
    assert said(influxdb=influx(database.url, name)) == [f"# InfluxDB {database.url}", line]


@pytest.mark.parametrize(
    ("buckets", "line"),
    [
        ([{"name": "electric"}], "ok influxdb: InfluxDB 2.7.4 answers and has the database electric"),
        ([], absent("InfluxDB 2.7.4", "electric")),
    ],
)
def test_an_influxdb_2_is_asked_for_the_bucket(database: Database, buckets: list[object], line: str) -> None:
    database.answer("/ping", status=204, X_Influxdb_Version="v2.7.4", X_Influxdb_Build="OSS")
    database.answer("/api/v2/buckets", json.dumps({"buckets": buckets}))
    assert said(influxdb=influx(database.url, token=TOKEN))[1:] == [line]


def test_a_victoriametrics_in_its_place_has_any_database(database: Database) -> None:
    database.answer("/ping", status=204, X_Server_Hostname="vm", X_Influxdb_Version="1.8.0")
    database.answer("/api/v1/export")
    assert said(influxdb=influx(database.url, "anything"))[1:] == ["ok influxdb: VictoriaMetrics answers"]


# -- databases that fail


def test_databases_that_do_not_answer_fail_each(nobody: str) -> None:
    assert said(victoriametrics=VictoriaMetricsConfig(nobody), influxdb=influx(nobody)) == [
        f"# VictoriaMetrics {nobody}",
        f"failed victoriametrics: victoriametrics {nobody}: connection refused; start it, or correct url",
        f"# InfluxDB {nobody}",
        f"failed influxdb: influxdb {nobody}: connection refused; start it, or correct host",
    ]


def test_something_else_at_its_address_fails(database: Database) -> None:
    for path in ("/ping", "/query"):
        database.answer(path, "<html>a router</html>")
    assert said(influxdb=influx(database.url))[1].startswith("failed influxdb: ")


def test_no_secret_and_no_path_is_in_what_is_said(database: Database, tmp_path: Path) -> None:
    secret = VictoriaMetricsConfig(f"{database.url}/{TOKEN}", bearer_token=Secret(TOKEN), ca_file=tmp_path)
    findings = said(victoriametrics=secret, influxdb=influx(database.url, token=TOKEN))
    assert findings[0] == f"# VictoriaMetrics {database.url}"
    assert not [line for line in findings if TOKEN in line]


# -- what is read back

KEPT = "ok victoriametrics: -retentionPeriod=10y"
DEDUPLICATED = "ok victoriametrics: -dedup.minScrapeInterval=1s"
NOT_READ = "skipped victoriametrics: not read back: the portal gave nothing to compare with"
NOTHING = "warning victoriametrics {}: nothing of this location is stored"


@pytest.fixture
def empty(database: Database) -> Database:
    """A VictoriaMetrics that holds nothing."""
    database.answer("/api/v1/query", '{"data": {"resultType": "vector", "result": []}}')
    database.answer("/api/v1/export", "")
    database.answer("/flags", "-retentionPeriod=10y\n-dedup.minScrapeInterval=1s\n")
    return database


Polled = Callable[..., LoginCheck]


@pytest.fixture
def polled(clock: ManualClock) -> Polled:
    """Gives a login of a portal after its check."""

    def run(server: PortalServer, password: str | None = None, *, has_zone: bool = True) -> LoginCheck:
        login = login_of(server, password=password)
        return run_check(login if has_zone else replace(login, zone=None), clock)[0]

    return run


@pytest.mark.parametrize("has_zone", [True, False])
def test_the_last_days_of_each_location_are_read_back(
    start_portal: StartPortal, polled: Polled, empty: Database, *, has_zone: bool
) -> None:
    """Each by its own labels; a zone that is only proposed will do."""
    server = start_portal(TWO)

    report = said(victoriametrics=VictoriaMetricsConfig(empty.url), checks=[polled(server, has_zone=has_zone)])

    assert [line.partition(" -> ")[0] for line in report[1:3]] == [NOTHING.format(70001), NOTHING.format(70002)]
    assert report[3:5] == [f"{KEPT}; nothing is stored yet", DEDUPLICATED]
    host = urlsplit(server.url).netloc
    exports = [asked.params for asked in empty.asked if asked.path == "/api/v1/export"]
    for params, (account, location) in zip(exports, (("55001", "70001"), ("55002", "70002")), strict=True):
        assert f'portal="{host}",account="{account}",location="{location}"' in params["match[]"]
        # Of the seven days before today, and a second more.
        assert int(params["start"]) == TODAY - 7 * DAY - 1


@pytest.mark.parametrize("poll", [Poll.STATUS_500, Poll.NO_DATA])
def test_without_data_nothing_is_said_of_what_is_stored(
    start_portal: StartPortal, polled: Polled, empty: Database, poll: Poll
) -> None:
    """Nor of the page of the intervals."""
    check = polled(start_portal(poll=poll))
    assert [survey.newest for survey in check.surveys] == [None]
    assert said(victoriametrics=VictoriaMetricsConfig(empty.url), checks=[check])[1:] == [NOT_READ, KEPT, DEDUPLICATED]
    assert not [asked for asked in empty.asked if asked.path == "/api/v1/export"]


def test_a_login_that_failed_leaves_open_what_is_stored(portal: PortalServer, polled: Polled, empty: Database) -> None:
    wrong = polled(portal, "wrong")
    report = said(victoriametrics=VictoriaMetricsConfig(empty.url), checks=[wrong])
    assert report[1:] == [NOT_READ, KEPT, DEDUPLICATED]
    report = said(victoriametrics=VictoriaMetricsConfig(empty.url), checks=[polled(portal), wrong])[1:]
    assert report[0].startswith(NOTHING.format(70001))
    assert report[1:4] == [
        (
            "skipped victoriametrics: the other locations are not read back: the portal gave nothing of them to"
            " compare with"
        ),
        KEPT,
        DEDUPLICATED,
    ]


def test_the_page_is_as_large_as_the_window_is_long(portal: PortalServer, polled: Polled, empty: Database) -> None:
    sizes = []
    for days in (7, 35):
        report = said(victoriametrics=VictoriaMetricsConfig(empty.url), checks=[polled(portal)], window=days * DAY)
        words = report[-1].removeprefix("ok victoriametrics: the page of the intervals has ").split()
        assert words[1] == "KiB,"
        sizes.append(float(words[0]))
    assert 40 < sizes[0] < 120
    assert sizes[1] == pytest.approx(5 * sizes[0], rel=0.01)


def hours(number: str, start: int, end: int) -> Meter:
    intervals = (Interval(each, each + 3600, usage=1.0, usage_k=1) for each in range(start, end, 3600))
    return Meter(MeterInfo(number, step=3600), tuple(intervals))


def test_of_each_meter_the_newest_day_is_left_out(clock: ManualClock, empty: Database) -> None:
    """What one meter posts late is as new to the exporter as what another posts at once."""
    soon, late = hours("81001", TODAY - 4 * DAY, TODAY + 4 * 3600), hours("81002", TODAY - 4 * DAY, TODAY - 2 * DAY)
    check, _ = run_check(login_of("http://127.0.0.1:9"), clock)
    location = AccountLocation("55001", "70001", None, electric=True, active=True)
    check.look.surveys[location] = LocationSurvey(location, (soon, late))
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
    assert said(victoriametrics=VictoriaMetricsConfig(empty.url), checks=[check])[1:3] == [
        "ok victoriametrics 70001: 240 samples in 4 series, each once and in the last second of its interval",
        "ok victoriametrics 70001: 120 intervals of the last 8 days equal the portal's",
    ]
