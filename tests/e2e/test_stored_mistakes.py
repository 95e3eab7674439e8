"""Common mistakes in a real setup, each with the finding that names it."""

import re
import shlex
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan
from zoneinfo import ZoneInfo

import pytest

from exporter.checks.comparison import STEP, PortalValues, stored_findings
from exporter.checks.findings import Finding, Verdict
from exporter.checks.stored_series import DEDUP, HONOR, LABELDROP, NO_STALE_MARKERS, STORED_STEP, series_of
from exporter.clock import SystemClock
from exporter.config import InfluxDBConfig, Secret, VictoriaMetricsConfig
from exporter.databases.influxdb import InfluxDB, InfluxState
from exporter.databases.victoriametrics import VictoriaMetrics as Client
from exporter.errors import DatabaseError
from exporter.intervals.model import LocationKey
from exporter.portal.walltime import WallClock
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Settings
from exporter.simulator.world import World

from ..support.exporter_process import Exporter, house, meter
from ..support.services import (
    INTERVALS_JOB,
    Labels,
    Sample,
    Services,
    VictoriaMetrics,
    VmAgent,
    http,
    job,
    scrape_config,
    series,
    wait_until,
)
from ..support.truth import expected

HOUSE = World(locations=(house(1, meter(1, step=3600)),))
WINDOW = 3 * 86400
OF_HOUSE = "location 70001: "
Told = tuple[Verdict, list[int], str]
"""Verdict, the numbers in the text, and the advice."""


@dataclass
class Home:
    """A house, its exporter, and the recent samples that a database should hold."""

    exporter: Exporter
    recent: PortalValues

    def scraper(self, services: Services, database: VictoriaMetrics, *flags: str, **of_job: object) -> VmAgent:
        """Return a vmagent that has scraped the intervals several times."""
        agent = services.vmagent(scrape_config(job(INTERVALS_JOB, self.exporter.address, **of_job)), database, *flags)
        agent.wait_for_scrapes(4)
        agent.wait_until_sent()
        return agent

    def findings(self, database: VictoriaMetrics) -> list[Finding]:
        database.force_flush()
        page = self.exporter.page("intervals").encode()
        with Client(VictoriaMetricsConfig(database.url)) as client:
            return stored_findings(client, [self.recent], time.time(), page_bytes=len(page))

    @property
    def equal(self) -> list[Told]:
        """The findings for a complete database."""
        told: list[Told] = []
        for prefix, counts in (("smarthub_interval_", {71, 72}), ("smarthub_day_", {2, 3})):
            ends = {
                end for (name, _), values in self.recent.values.items() if name.startswith(prefix) for end in values
            }
            assert len(ends) in counts
            told.append((Verdict.OK, [len(ends), 3], ""))
        return told

    def stored(self, database: VictoriaMetrics) -> dict[Labels, list[Sample]]:
        """Return the stored samples of the period that is checked."""
        first, last = self.recent.since * 1000 + 1, time.time() * 1000
        found = {
            labels: [sample for sample in samples if first <= sample[0] <= last]
            for labels, samples in database.export(self.recent.selector).items()
        }
        return {labels: samples for labels, samples in found.items() if samples}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("home")
    portal = SimulatedPortal(HOUSE, SystemClock(), Settings(pending=0))
    with PortalServer(portal) as server, Services(folder) as services:
        began = int(time.time())
        exporter = Exporter(services, folder / "exporter", server, window="3d", refresh_interval="1h")
        since = began - WINDOW + 1800  # the window moves while these tests run
        wanted = {series_of(dict(key)): ends for key, ends in expected(portal, server.host, since, began).items()}
        values = {key: ends for key, ends in wanted.items() if not key[0].endswith("_info")}
        key = LocationKey(server.host, "55001", "70001")
        wall = WallClock(ZoneInfo(HOUSE.zone))
        midnights = frozenset(wall.midnights(wall.day(since).start, wall.day(began).end))
        yield Home(exporter, PortalValues(key, since, began, {"80001": 3600}, values, midnights))


@pytest.fixture
def database(services: Services) -> VictoriaMetrics:
    return services.victoria_metrics()


def of_location(findings: Sequence[Finding]) -> list[Told]:
    return [
        (each.verdict, [int(figure) for figure in re.findall(r"\d+", each.text.removeprefix(OF_HOUSE))], each.advice)
        for each in findings
        if each.step == STORED_STEP
    ]


def of_all(findings: Sequence[Finding]) -> dict[str, Verdict]:
    """Return the verdicts on the settings of the database, by the flag that is named."""
    return {re.findall(r"-[\w.]{9,}|$", each.text)[0]: each.verdict for each in findings if each.step == STEP}


ALL_GOOD = dict.fromkeys(("-retentionPeriod", "-dedup.minScrapeInterval", "-promscrape.maxScrapeSize"), Verdict.OK)


def test_the_right_setup_has_no_findings(home: Home, services: Services) -> None:
    database = services.victoria_metrics(scrape=scrape_config(job(INTERVALS_JOB, home.exporter.address)))
    database.wait_for_scrapes(4)

    findings = home.findings(database)
    samples = sum(len(each) for each in home.stored(database).values())
    assert of_location(findings) == [(Verdict.OK, [samples, 5], ""), *home.equal]
    assert of_all(findings) == ALL_GOOD
    first = min(samples[0][0] for samples in database.export(home.recent.selector).values())
    history = next(each for each in findings if "-retentionPeriod" in each.text)
    assert time.strftime("%Y-%m-%d", time.gmtime(first / 1000)) in history.text
    assert "backfill" in history.advice


def test_a_job_that_does_not_honor_timestamps_is_named(
    home: Home, services: Services, database: VictoriaMetrics
) -> None:
    home.scraper(services, database, honor_timestamps=False).terminate()

    samples = sum(len(each) for each in home.stored(database).values())
    assert samples >= 5
    assert of_location(home.findings(database)) == [(Verdict.WARNING, [samples, samples], HONOR)]


def test_an_empty_database_is_checked_too(home: Home, services: Services) -> None:
    findings = home.findings(services.victoria_metrics(without=["-dedup.minScrapeInterval"]))
    assert [verdict for verdict, _, _ in of_location(findings)] == [Verdict.WARNING]
    assert of_all(findings) == {**ALL_GOOD, "-dedup.minScrapeInterval": Verdict.WARNING}


def test_a_database_without_deduplication_is_named(home: Home, services: Services) -> None:
    database = services.victoria_metrics(without=["-dedup.minScrapeInterval"])
    home.scraper(services, database).terminate()
    found = home.stored(database)
    distinct = sum(len(set(samples)) for samples in found.values())
    assert sum(len(samples) for samples in found.values()) >= 4 * distinct
    findings = home.findings(database)
    assert of_location(findings) == [(Verdict.WARNING, [distinct], DEDUP), *home.equal]
    assert "-dedup.minScrapeInterval" not in of_all(findings)


def test_stale_markers_of_a_lost_target_are_named(home: Home, services: Services, database: VictoriaMetrics) -> None:
    agent = home.scraper(services, database, "-promscrape.noStaleMarkers=false")
    home.exporter.terminate()

    def markers() -> int:
        return sum(isnan(value) for samples in home.stored(database).values() for _, value in samples)

    wait_until(lambda: markers() > 0, "stale markers")
    agent.wait_until_sent()
    agent.terminate()
    home.exporter.start()
    found: list[Told] = []

    def is_told() -> bool:
        # In 1.79.5 either a marker or its value wins each merge, and merges continue.
        before = markers()
        found[:] = of_location(home.findings(database))
        return found[0] == (Verdict.WARNING, [before], NO_STALE_MARKERS)

    wait_until(is_told, "a finding that tells the stale markers")
    assert found[1][0] is Verdict.WARNING, "1.79.5 lets markers win"


def test_the_default_retention_is_named(home: Home, services: Services) -> None:
    database = services.victoria_metrics(without=["-retentionPeriod"])
    name, labels = next(iter(home.recent.values))
    key = series(name, **dict(labels))
    now = int(time.time()) // 3600 * 3600
    old, young = now - 40 * 86400, now - 10 * 86400
    database.import_samples({key: [(old * 1000 - 999, 1.5), (young * 1000 - 999, 2.5)]})

    assert database.export(home.recent.selector) == {key: [(young * 1000 - 999, 2.5)]}
    assert of_all(home.findings(database))["-retentionPeriod"] is Verdict.WARNING


def test_a_job_that_keeps_the_labels_of_the_scrape_is_named(
    home: Home, services: Services, database: VictoriaMetrics
) -> None:
    home.scraper(services, database, metric_relabel_configs=[]).terminate()
    assert of_location(home.findings(database)) == [(Verdict.WARNING, [5, 5], LABELDROP), *home.equal]

    scraped = database.export('{__name__="smarthub_interval_usage_kwh"}')
    ((key, samples),) = scraped.items()
    database.import_samples({tuple(label for label in key if label[0] not in ("job", "instance")): samples})
    assert of_location(home.findings(database)) == [
        (Verdict.WARNING, [5, 6], LABELDROP),
        (Verdict.WARNING, [1], "as above"),
        *home.equal,
    ]

    other = series("smarthub_latest_usage_watts", job="j")
    database.import_samples({other: [(int(time.time()) * 1000, 1.0)]})
    before = database.export('{__name__!=""}').keys()
    prefixes = ("smarthub_interval_", "smarthub_day_")
    scraped_before = {key for key in before if "job" in dict(key) and dict(key)["__name__"].startswith(prefixes)}
    assert len(scraped_before) >= 5
    (command,) = {each.command for each in home.findings(database) if each.advice == LABELDROP}
    subprocess.run(shlex.split(command), check=True)
    assert database.export('{__name__!=""}').keys() == before - scraped_before


def test_a_page_too_large_for_the_scraper_is_named(home: Home, services: Services) -> None:
    config = scrape_config(job(INTERVALS_JOB, home.exporter.address))
    # Smaller than the compressed page, which 1.79.5 measures; newer versions measure the uncompressed one.
    database = services.victoria_metrics("-promscrape.maxScrapeSize=1KiB", scrape=config)

    def up() -> list[float]:
        database.force_flush()
        return list(database.query('up{job="smarthub_intervals"}', time.time(), latency_offset="1ms").values())

    wait_until(lambda: up() != [], "a scrape")
    assert up() == [0.0]
    findings = home.findings(database)
    assert [verdict for verdict, _, _ in of_location(findings)] == [Verdict.WARNING]
    assert of_all(findings) == {**ALL_GOOD, "-promscrape.maxScrapeSize": Verdict.WARNING}


# -- credentials, paths and raw copies


def client_of(url: str, username: str = "", password: str = "", token: str = "") -> Client:
    return Client(
        VictoriaMetricsConfig(
            url,
            username=username,
            password=Secret(password) if password else None,
            bearer_token=Secret(token) if token else None,
        )
    )


def influx_of(url: str, token: str | None) -> InfluxDB:
    return InfluxDB(InfluxDBConfig(url, Secret(token) if token else None, database="electric"))


def test_a_wrong_password_is_not_a_healthy_database(services: Services) -> None:
    database = services.victoria_metrics("-httpAuth.username=me", "-httpAuth.password=right")
    with client_of(database.url, "me", "right") as client:
        client.ping()
        assert (client.flags() or {})["retentionPeriod"] == "100y"
    with client_of(database.url, "me", "wr0ng") as client, pytest.raises(DatabaseError, match="credentials"):
        client.ping()
    with influx_of(database.url, "me:right") as influx:
        assert influx.check() == InfluxState("VictoriaMetrics", "", None)
    with influx_of(database.url, "me:wr0ng") as influx, pytest.raises(DatabaseError, match="credentials"):
        influx.check()


def test_credentials_quoted_by_vmauth_are_not_shown(services: Services, database: VictoriaMetrics) -> None:
    proxy = services.vmauth(database, "", "/.*")
    said = http("GET", f"{proxy.url}/api/v1/query?query=1", headers={"Authorization": "Bearer my-very-secret-token"})
    assert (said.status_code, "my-very-secret-token" in said.text) == (400, True)

    def is_refused(error: Exception | str) -> bool:
        text = str(error)
        return "credentials" in text and not any(secret in text for secret in ("hunter2", "my-very-secret-token"))

    for client in (client_of(proxy.url, "alice", "hunter2"), client_of(proxy.url, token="my-very-secret-token")):
        with client:
            with pytest.raises(DatabaseError, check=is_refused):
                client.ping()
            with pytest.raises(DatabaseError, check=is_refused):
                list(client.export("up", 0, 1000))
            (finding,) = stored_findings(client, [], time.time())
            assert (finding.verdict, is_refused(finding.text)) == (Verdict.FAILED, True)
    for token in ("alice:hunter2", "my-very-secret-token", None):
        with influx_of(proxy.url, token) as influx, pytest.raises(DatabaseError, check=is_refused):
            influx.check()


def test_behind_vmauth_the_paths_of_a_backfill_are_enough(services: Services, database: VictoriaMetrics) -> None:
    proxy = services.vmauth(database, "", "/write", "/api/v1/export")
    with influx_of(proxy.url, f"{proxy.username}:{proxy.password}") as influx:
        assert influx.check() == InfluxState("VictoriaMetrics", "", None)


def test_a_wrong_path_is_named(database: VictoriaMetrics) -> None:
    client = client_of(f"{database.url}/select/0/prometheus")
    with client, pytest.raises(DatabaseError, match="check the path"):
        client.ping()


def test_raw_copies_are_read_only_on_request(database: VictoriaMetrics) -> None:
    stamp = int(time.time()) // 900 * 900_000 - 999
    name = "smarthub_interval_usage_kwh"
    key = series(name, location="1")
    for value in (1.0, 2.0):
        database.import_samples({key: [(stamp + int(value), value)]})
    with client_of(database.url) as client:

        def samples(first: int, *, raw: bool = False) -> list[tuple[int, float]]:
            found = client.export(name, stamp + first, stamp + 998, raw=raw)
            return sorted(sample for each in found for sample in zip(each.stamps, each.values, strict=True))

        assert samples(0) == [(stamp + 2, 2.0)]
        assert samples(0, raw=True) == [(stamp + 1, 1.0), (stamp + 2, 2.0)]
        assert samples(3) == []
        assert client.query(name, stamp / 1000 + 1) == [(dict(key), 2.0)]
