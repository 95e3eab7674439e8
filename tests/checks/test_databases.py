"""The steps of `check` that concern databases: whether they answer, and with what they are compared."""

import json
import socket
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest

from exporter.checks.databases import database_findings
from exporter.checks.login import LoginCheck
from exporter.config import Config, ExporterConfig, InfluxDBConfig, Secret, VictoriaMetricsConfig
from exporter.discovery.survey import LocationSurvey
from exporter.intervals.model import Interval, Meter, MeterInfo
from exporter.portal.accounts import AccountLocation
from exporter.portal.walltime import WallClock
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll

from ..support.check_reports import check_of, lines
from ..support.clocks import ManualClock
from ..support.fake_database import Database
from ..support.portal import StartPortal, login_of
from ..support.worlds import DAY, NOW, TWO, ZONE

TODAY = WallClock(ZONE).day(NOW).start
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


def v1(database: Database, names: object = None) -> None:
    """Make it an InfluxDB 1.8."""
    database.answer("/ping", status=204, X_Influxdb_Version="1.8.10", X_Influxdb_Build="OSS")
    database.answer("/query", json.dumps(NAMES if names is None else names))


def influx(url: str, token: str | None = "user:password", name: str = "electric", org: str = "") -> InfluxDBConfig:
    return InfluxDBConfig(url, Secret(token) if token else None, org, name)


def test_an_influxdb_that_has_the_database_is_ok(database: Database) -> None:
    v1(database)
    assert said(influxdb=influx(database.url)) == [
        f"# InfluxDB {database.url}",
        "ok influxdb: InfluxDB 1.8.10 answers and has the database electric",
    ]


def test_a_retention_policy_behind_the_name_is_no_part_of_it(database: Database) -> None:
    v1(database)
    assert said(influxdb=influx(database.url, name="electric/autogen"))[1] == (
        "ok influxdb: InfluxDB 1.8.10 answers and has the database electric/autogen"
    )


def test_an_absent_database_fails_with_how_to_make_it(database: Database) -> None:
    v1(database)
    assert said(influxdb=influx(database.url, name="energy"))[1:] == [
        (
            "failed influxdb: InfluxDB 1.8.10 answers and has no database energy -> create it: CREATE DATABASE"
            ' "energy", or a bucket of that name in InfluxDB 2'
        )
    ]


@pytest.mark.parametrize(
    ("buckets", "line"),
    [
        ([{"name": "electric"}], "ok influxdb: InfluxDB 2.7.4 answers and has the database electric"),
        (
            [],
            (
                "failed influxdb: InfluxDB 2.7.4 answers and has no database electric -> create it: CREATE DATABASE"
                ' "electric", or a bucket of that name in InfluxDB 2'
            ),
        ),
    ],
)
def test_an_influxdb_2_is_asked_for_the_bucket(database: Database, buckets: list[object], line: str) -> None:
    database.answer("/ping", status=204, X_Influxdb_Version="v2.7.4", X_Influxdb_Build="OSS")
    database.answer("/api/v2/buckets", json.dumps({"buckets": buckets}))
    assert said(influxdb=influx(database.url, TOKEN, org="coop"))[1:] == [line]
    assert database.asked[-1].params == {"name": "electric", "org": "coop"}


def test_an_organization_that_there_is_not_is_named_by_its_key(database: Database) -> None:
    database.answer("/ping", status=204, X_Influxdb_Version="v2.7.4", X_Influxdb_Build="OSS")
    database.answer("/api/v2/buckets", '{"message": "organization name \\"cop\\" not found"}', 404)
    assert said(influxdb=influx(database.url, TOKEN, org="cop"))[1:] == [
        f"failed influxdb: influxdb {database.url}: has no such organization, or the token may not see it; correct org"
    ]


def test_a_victoriametrics_in_its_place_is_called_by_its_name_and_has_any_database(database: Database) -> None:
    database.answer("/ping", status=204, X_Server_Hostname="vm", X_Influxdb_Version="1.8.0")
    database.answer("/api/v1/export")
    assert said(influxdb=influx(database.url, None, name="anything"))[1:] == ["ok influxdb: VictoriaMetrics answers"]


def test_credentials_that_are_refused_fail_with_what_to_check(database: Database) -> None:
    v1(database)
    database.answer("/query", '{"error": "authorization failed"}', 401)
    assert said(influxdb=influx(database.url))[1:] == [
        (
            f"failed influxdb: influxdb {database.url}: refused the credentials (status 401); check auth_token:"
            " user:password for InfluxDB 1, an API token for InfluxDB 2"
        )
    ]
    assert said(influxdb=influx(database.url, None))[1:] == [
        (
            f"failed influxdb: influxdb {database.url}: wants credentials (status 401); set auth_token: user:password"
            " for InfluxDB 1, an API token for InfluxDB 2"
        )
    ]


def test_credentials_that_a_vmauth_refuses_fail_with_what_to_check_and_are_not_shown(database: Database) -> None:
    database.answer("/ping", status=204, X_Server_Hostname="vmauth")
    token = b64encode(b"user:password").decode()
    for path in ("/query", "/api/v1/export", "/api/v1/query"):
        database.answer(path, f'cannot find the provided auth token "Basic {token}" in config\n', 400)
    config = VictoriaMetricsConfig(database.url, username="user", password=Secret("password"))
    assert said(influxdb=influx(database.url), victoriametrics=config) == [
        f"# VictoriaMetrics {database.url}",
        (
            f"failed victoriametrics: victoriametrics {database.url}: refused the credentials (status 400); check"
            " username and password, or bearer_token"
        ),
        f"# InfluxDB {database.url}",
        (
            f"failed influxdb: influxdb {database.url}: refused the credentials (status 400); check auth_token:"
            " user:password for InfluxDB 1, an API token for InfluxDB 2"
        ),
    ]


def test_an_influxdb_that_does_not_answer_fails(nobody: str) -> None:
    assert said(influxdb=influx(nobody, TOKEN)) == [
        f"# InfluxDB {nobody}",
        f"failed influxdb: influxdb {nobody}: connection refused; start it, or correct host",
    ]


def test_something_else_at_its_address_fails(database: Database) -> None:
    database.answer("/ping", "<html>a router</html>")
    database.answer("/query", "<html>a router</html>")
    assert said(influxdb=influx(database.url, None))[1:] == [
        (
            f"failed influxdb: influxdb {database.url}: answered with a web page instead of data; host is not this"
            " database, correct it"
        )
    ]


# -- VictoriaMetrics


def test_a_victoriametrics_that_does_not_answer_fails(nobody: str) -> None:
    assert said(victoriametrics=VictoriaMetricsConfig(nobody)) == [
        f"# VictoriaMetrics {nobody}",
        f"failed victoriametrics: victoriametrics {nobody}: connection refused; start it, or correct url",
    ]


def test_a_victoriametrics_that_refuses_the_credentials_fails(database: Database) -> None:
    database.answer("/api/v1/query", "", 401)
    config = VictoriaMetricsConfig(database.url, username="member", password=Secret(TOKEN))
    assert said(victoriametrics=config)[1:] == [
        (
            f"failed victoriametrics: victoriametrics {database.url}: refused the credentials (status 401); check"
            " username and password, or bearer_token"
        )
    ]


def test_a_path_under_which_there_is_none_fails_with_how_paths_look(database: Database) -> None:
    assert said(victoriametrics=VictoriaMetricsConfig(f"{database.url}/vm"))[1:] == [
        (
            f"failed victoriametrics: victoriametrics {database.url}: has no /api/v1/query (status 404); check the"
            " path: a single node has none, a cluster has url: http://vminsert:8480/insert/0/prometheus and query_url:"
            " http://vmselect:8481/select/0/prometheus, with the tenant"
        )
    ]


def test_both_databases_are_checked_even_if_one_fails(database: Database, nobody: str) -> None:
    v1(database)
    report = said(victoriametrics=VictoriaMetricsConfig(nobody), influxdb=influx(database.url))
    assert [line.partition(":")[0] for line in report] == [
        "# VictoriaMetrics http",
        "failed victoriametrics",
        "# InfluxDB http",
        "ok influxdb",
    ]


@pytest.fixture
def empty(database: Database) -> Database:
    """A VictoriaMetrics that holds nothing."""
    database.answer("/api/v1/query", '{"data": {"resultType": "vector", "result": []}}')
    database.answer("/api/v1/export", "")
    database.answer("/flags", "-retentionPeriod=10y\n-dedup.minScrapeInterval=1s\n")
    return database


def test_the_last_days_of_each_location_are_read_back_by_its_own_labels(
    start_portal: StartPortal, clock: ManualClock, empty: Database
) -> None:
    server = start_portal(TWO)
    check = check_of(login_of(server), clock)
    list(check.run())

    report = said(victoriametrics=VictoriaMetricsConfig(empty.url), checks=[check])

    assert [line for line in report if "70001" in line or "70002" in line] == [
        f"warning victoriametrics {number}: nothing of this location is stored -> see whether the scrape job of the"
        " intervals is there and its target up, or run smarthub-exporter backfill"
        for number in ("70001", "70002")
    ]
    exports = [asked.params for asked in empty.asked if asked.path == "/api/v1/export"]
    assert len(exports) == 2
    for params, numbers in zip(exports, (("55001", "70001"), ("55002", "70002")), strict=True):
        account, location = numbers
        host = urlsplit(server.url).netloc
        assert f'portal="{host}",account="{account}",location="{location}"' in params["match[]"]
        # Of the seven days before today, and a second more.
        assert int(params["start"]) == TODAY - 7 * DAY - 1


def test_a_location_without_data_is_not_looked_for(
    start_portal: StartPortal, clock: ManualClock, empty: Database
) -> None:
    check = check_of(login_of(start_portal(poll=Poll.NO_DATA)), clock)
    list(check.run())
    said(victoriametrics=VictoriaMetricsConfig(empty.url), checks=[check])
    assert not [asked for asked in empty.asked if asked.path == "/api/v1/export"]


KEPT = "ok victoriametrics: -retentionPeriod=10y"
DEDUPLICATED = "ok victoriametrics: -dedup.minScrapeInterval=1s"
NOT_READ = "skipped victoriametrics: not read back: the portal gave nothing to compare with"


def polled(server: PortalServer, clock: ManualClock, password: str | None = None) -> LoginCheck:
    """A login after its check."""
    check = check_of(login_of(server, password=password), clock)
    list(check.run())
    return check


@pytest.mark.parametrize("poll", [Poll.STATUS_500, Poll.STATUS_403, Poll.NO_DATA])
def test_where_the_portal_gave_no_data_nothing_is_said_of_what_is_stored_or_of_the_page(
    start_portal: StartPortal, clock: ManualClock, empty: Database, poll: Poll
) -> None:
    check = polled(start_portal(poll=poll), clock)
    assert [survey.newest for survey in check.surveys] == [None]
    assert said(victoriametrics=VictoriaMetricsConfig(empty.url), checks=[check])[1:] == [NOT_READ, KEPT, DEDUPLICATED]


def test_where_nobody_could_sign_in_nothing_is_said_of_what_is_stored_or_of_the_page(
    start_portal: StartPortal, clock: ManualClock, empty: Database
) -> None:
    check = polled(start_portal(), clock, password="wrong")
    assert check.surveys == []
    assert said(victoriametrics=VictoriaMetricsConfig(empty.url), checks=[check])[1:] == [NOT_READ, KEPT, DEDUPLICATED]


def test_a_login_that_failed_leaves_open_what_is_stored_beside_the_locations_of_another(
    start_portal: StartPortal, clock: ManualClock, empty: Database
) -> None:
    server = start_portal()
    checks = [polled(server, clock), polled(server, clock, password="wrong")]
    report = said(victoriametrics=VictoriaMetricsConfig(empty.url), checks=checks)[1:]
    assert report[0].startswith("warning victoriametrics 70001: nothing of this location is stored")
    assert report[1:4] == [
        (
            "skipped victoriametrics: the other locations are not read back: the portal gave nothing of them to"
            " compare with"
        ),
        KEPT,
        DEDUPLICATED,
    ]
    assert report[4].startswith("ok victoriametrics: the page of the intervals has ")


def test_where_all_was_asked_for_an_empty_database_is_called_empty(
    start_portal: StartPortal, clock: ManualClock, empty: Database
) -> None:
    report = said(victoriametrics=VictoriaMetricsConfig(empty.url), checks=[polled(start_portal(), clock)])
    assert report[2:4] == [f"{KEPT}; nothing is stored yet", DEDUPLICATED]


def hours(number: str, start: int, end: int) -> Meter:
    intervals = (Interval(each, each + 3600, usage=1.0, usage_k=1) for each in range(start, end, 3600))
    return Meter(MeterInfo(number, step=3600), tuple(intervals))


def test_of_each_meter_the_newest_day_is_left_out(clock: ManualClock, empty: Database) -> None:
    """What one meter posts late is as new to the exporter as what another posts at once."""
    soon, late = hours("81001", TODAY - 4 * DAY, TODAY + 4 * 3600), hours("81002", TODAY - 4 * DAY, TODAY - 2 * DAY)
    check = check_of(login_of("http://127.0.0.1:9"), clock)
    check.surveys.append(
        LocationSurvey(AccountLocation("55001", "70001", None, electric=True, active=True), (soon, late))
    )
    place = {"portal": "127.0.0.1:9", "account": "55001", "location": "70001"}
    stored = [
        {
            "metric": {"__name__": family, "meter": meter.info.number} | place,
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


def test_the_url_of_a_vminsert_alone_cannot_be_read_back() -> None:
    config = VictoriaMetricsConfig("http://127.0.0.1:9/insert/0/prometheus")
    assert said(victoriametrics=config)[1:] == [
        (
            "warning victoriametrics: cannot read back: url is the one of a vminsert -> set query_url, such as"
            " http://vmselect:8481/select/0/prometheus with the tenant of url"
        )
    ]


# -- secrets


def test_no_secret_and_no_path_is_in_what_is_said(database: Database, tmp_path: Path) -> None:
    secret = VictoriaMetricsConfig(f"{database.url}/{TOKEN}", bearer_token=Secret(TOKEN), ca_file=tmp_path)
    findings = said(victoriametrics=secret, influxdb=influx(database.url, TOKEN))
    assert findings[0] == f"# VictoriaMetrics {database.url}"
    assert not [line for line in findings if TOKEN in line]


def test_a_zone_that_is_only_proposed_will_do(start_portal: StartPortal, clock: ManualClock, empty: Database) -> None:
    check = check_of(login_of(start_portal()), clock)
    check.login = login_of(check.login.portal.base_url)
    check.zone = ZoneInfo("America/New_York")
    list(check.run())
    report = said(victoriametrics=VictoriaMetricsConfig(empty.url), checks=[check])
    assert any("70001" in line for line in report)
