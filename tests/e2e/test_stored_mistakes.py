"""The classic mistakes made for real, each with the finding that names it; and the right setup, with none."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import isnan
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.checks.comparison import PortalValues, stored_findings
from exporter.checks.findings import Finding, Verdict
from exporter.checks.stored_series import DEDUP, HONOR, LABELDROP, NO_STALE_MARKERS, series_of
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
from exporter.simulator.specs import UserSpec
from exporter.simulator.world import World

from ..support.exporter_process import Exporter, house, meter
from ..support.services import (
    INTERVALS_JOB,
    Labels,
    Services,
    VictoriaMetrics,
    VmAgent,
    http,
    job,
    scrape_config,
    wait_until,
)
from ..support.truth import expected

HOUSE = World(users=(UserSpec(),), locations=(house(1, meter(1, step=3600)),))
WINDOW = 3 * 86400
OF_HOUSE = "victoriametrics 70001"
OF_ALL = "victoriametrics"
RETENTION = Finding(
    Verdict.WARNING,
    OF_ALL,
    "-retentionPeriod is not set: VictoriaMetrics keeps one month and drops what is older without a word",
    "start VictoriaMetrics with -retentionPeriod=10y (in a cluster: vmstorage), then run smarthub-exporter backfill",
)
NOTHING = Finding(
    Verdict.WARNING,
    OF_HOUSE,
    "nothing of this location is stored",
    "see whether the scrape job of the intervals is there and its target up, or run smarthub-exporter backfill",
)


@dataclass
class Home:
    """A house, its exporter, and what of its last days a database should hold."""

    exporter: Exporter
    recent: PortalValues
    services: Services

    def scraper(self, database: VictoriaMetrics, *flags: str, **of_job: object) -> VmAgent:
        """A vmagent that has scraped the intervals several times."""
        config = scrape_config([job({**INTERVALS_JOB, **of_job}, self.exporter.address)])
        agent = self.services.vmagent(config, database, extra_args=flags)
        wait_until(lambda: agent.metrics()["vm_promscrape_scrapes_total"] >= 4, "several scrapes")
        agent.wait_until_sent()
        return agent

    def findings(self, database: VictoriaMetrics) -> list[Finding]:
        database.force_flush()
        with Client(VictoriaMetricsConfig(database.url)) as client:
            return stored_findings(client, [self.recent], time.time(), page_bytes=self.page_size)

    @property
    def page_size(self) -> int:
        return len(self.exporter.page(collect="intervals").encode())

    @property
    def equal(self) -> list[Finding]:
        """What is said of values that are all there."""
        ends = {
            prefix: {
                end for (name, _), values in self.recent.values.items() if name.startswith(prefix) for end in values
            }
            for prefix in ("smarthub_interval_", "smarthub_day_")
        }
        hours, days = len(ends["smarthub_interval_"]), len(ends["smarthub_day_"])
        assert hours in {71, 72}
        assert days in {2, 3}
        return [
            Finding(Verdict.OK, OF_HOUSE, f"{hours} intervals of the last 3 days equal the portal's"),
            Finding(Verdict.OK, OF_HOUSE, f"{days} day totals of the last 3 days equal the portal's"),
        ]

    def size_finding(self) -> Finding:
        shown = f"{self.page_size / 1024:.1f} KiB"
        text = f"the page of the intervals has {shown}, less than 16.0 MiB, the default of -promscrape.maxScrapeSize"
        return Finding(Verdict.OK, OF_ALL, text)


@pytest.fixture
def home(services: Services, tmp_path: Path) -> Iterator[Home]:
    portal = SimulatedPortal(HOUSE, SystemClock(), Settings(pending=0))
    with PortalServer(portal) as server:
        began = int(time.time())
        exporter = Exporter(services, tmp_path / "exporter", server, window="3d", refresh_interval="1h")
        exporter.wait_for_data()
        since = began - WINDOW + 300
        values = {series_of(dict(key)): ends for key, ends in expected(portal, server.host, since, began).items()}
        key = LocationKey(server.host, "55001", "70001")
        wall = WallClock(ZoneInfo(HOUSE.zone))
        midnights = frozenset(wall.midnights(wall.day(since).start, wall.day(began).end))
        yield Home(exporter, PortalValues(key, since, began, {"80001": 3600}, values, midnights), services)


def of_location(findings: Sequence[Finding]) -> list[Finding]:
    return [each for each in findings if each.step == OF_HOUSE]


def of_all(findings: Sequence[Finding]) -> list[Finding]:
    return [each for each in findings if each.step == OF_ALL]


def stored(database: VictoriaMetrics, home: Home) -> dict[Labels, list[tuple[int, float]]]:
    """What the database gives back of the time that is looked at."""
    first, last = home.recent.since * 1000 + 1, time.time() * 1000
    found = {
        labels: [sample for sample in samples if first <= sample[0] <= last]
        for labels, samples in database.export(home.recent.selector).items()
    }
    return {labels: samples for labels, samples in found.items() if samples}


def test_the_right_setup_gives_nothing_but_figures(home: Home, services: Services) -> None:
    config = scrape_config([job(INTERVALS_JOB, home.exporter.address)])
    database = services.victoria_metrics(scrape_config=config)
    wait_until(lambda: database.metrics()["vm_promscrape_scrapes_total"] >= 4, "several scrapes")

    samples = sum(len(each) for each in stored(database, home).values())
    history = time.strftime(
        "%Y-%m-%d", time.gmtime(min(s[0][0] for s in database.export(home.recent.selector).values()) / 1000)
    )
    text = f"{samples} samples in 5 series, each once and in the last second of its interval"
    assert home.findings(database) == [
        Finding(Verdict.OK, OF_HOUSE, text),
        *home.equal,
        Finding(
            Verdict.OK,
            OF_ALL,
            f"-retentionPeriod=100y; history before {history} UTC is not there",
            "smarthub-exporter backfill --start DATE brings it",
        ),
        Finding(Verdict.OK, OF_ALL, "-dedup.minScrapeInterval=1s"),
        home.size_finding(),
    ]


def test_a_job_that_does_not_honor_timestamps_is_named(home: Home, services: Services) -> None:
    database = services.victoria_metrics()
    home.scraper(database, honor_timestamps=False).terminate()

    samples = sum(len(each) for each in stored(database, home).values())
    assert samples >= 5
    text = f"{samples} of {samples} samples have the time of a scrape, not of their interval"
    assert of_location(home.findings(database)) == [Finding(Verdict.WARNING, OF_HOUSE, text, HONOR)]


def test_a_database_without_deduplication_is_named(home: Home, services: Services) -> None:
    database = services.victoria_metrics(without=["-dedup.minScrapeInterval"])
    home.scraper(database).terminate()

    found = stored(database, home)
    distinct = sum(len(set(samples)) for samples in found.values())
    assert sum(len(samples) for samples in found.values()) >= 4 * distinct
    findings = home.findings(database)
    text = f"{distinct} values are stored more than once, so sums count them again"
    assert of_location(findings) == [Finding(Verdict.WARNING, OF_HOUSE, text, DEDUP), *home.equal]
    assert [each.text for each in of_all(findings) if "dedup" in each.text] == []


def test_a_database_without_deduplication_is_named_before_there_is_anything_to_deduplicate(
    home: Home, services: Services
) -> None:
    database = services.victoria_metrics(without=["-dedup.minScrapeInterval"])

    text = "-dedup.minScrapeInterval is not set: every scrape stores its samples once more"
    assert home.findings(database) == [
        NOTHING,
        Finding(Verdict.OK, OF_ALL, "-retentionPeriod=100y; nothing is stored yet"),
        Finding(Verdict.WARNING, OF_ALL, text, DEDUP),
        home.size_finding(),
    ]


def test_stale_markers_of_a_target_that_went_away_are_named(home: Home, services: Services) -> None:
    database = services.victoria_metrics()
    agent = home.scraper(database, "-promscrape.noStaleMarkers=false")
    home.exporter.process.terminate()

    def markers() -> int:
        return sum(isnan(value) for samples in stored(database, home).values() for _, value in samples)

    wait_until(lambda: markers() > 0, "stale markers")
    agent.wait_until_sent()
    agent.terminate()
    found: list[Finding] = []

    def is_told() -> bool:
        # 1.79.5 lets a marker or its value win as it merges, which goes on meanwhile.
        before = markers()
        with Client(VictoriaMetricsConfig(database.url)) as client:
            found[:] = of_location(stored_findings(client, [home.recent], time.time()))
        text = f"{before} stale markers among the values"
        return found[0] == Finding(Verdict.WARNING, OF_HOUSE, text, NO_STALE_MARKERS)

    wait_until(is_told, "a finding that tells the stale markers")
    assert "intervals of the last 3 days are missing" in found[1].text, "1.79.5 lets markers win"


def test_the_default_retention_is_named_after_it_has_dropped_what_it_took(home: Home, services: Services) -> None:
    database = services.victoria_metrics(without=["-retentionPeriod"])
    name, labels = next(iter(home.recent.values))
    key: Labels = tuple(sorted({"__name__": name, **dict(labels)}.items()))
    now = int(time.time()) // 3600 * 3600
    old, young = now - 40 * 86400, now - 10 * 86400
    database.import_samples({key: [(old * 1000 - 999, 1.5), (young * 1000 - 999, 2.5)]})

    assert database.export(home.recent.selector) == {key: [(young * 1000 - 999, 2.5)]}
    assert of_all(home.findings(database))[0] == RETENTION


def test_a_job_that_keeps_the_labels_of_the_scrape_is_named(home: Home, services: Services) -> None:
    database = services.victoria_metrics()
    home.scraper(database, metric_relabel_configs=[]).terminate()

    labelled = Finding(Verdict.WARNING, OF_HOUSE, "5 of 5 series have the labels job or instance", LABELDROP)
    assert of_location(home.findings(database)) == [labelled, *home.equal]

    scraped = database.export(home.recent.selector)
    key, samples = next(
        (key, samples) for key, samples in scraped.items() if ("__name__", "smarthub_interval_usage_kwh") in key
    )
    backfilled = tuple(label for label in key if label[0] not in ("job", "instance"))
    database.import_samples({backfilled: samples})
    text = "1 series is stored with and without job and instance, so sums count them again"
    assert of_location(home.findings(database)) == [
        Finding(Verdict.WARNING, OF_HOUSE, "5 of 6 series have the labels job or instance", LABELDROP),
        Finding(Verdict.WARNING, OF_HOUSE, text, LABELDROP),
        *home.equal,
    ]


def test_a_page_larger_than_the_limit_of_the_scraper_is_refused_and_named(home: Home, services: Services) -> None:
    config = scrape_config([job(INTERVALS_JOB, home.exporter.address)])
    # Smaller than the packed page, by which 1.79.5 judges; newer ones count it unpacked.
    database = services.victoria_metrics(scrape_config=config, extra_args=["-promscrape.maxScrapeSize=1KiB"])

    def up() -> list[float]:
        database.force_flush()
        return list(
            database.query('up{job="smarthub_intervals"}', time.time(), nocache="1", latency_offset="1ms").values()
        )

    wait_until(lambda: up() != [], "a scrape", within=60)
    assert up() == [0.0]
    shown = f"{home.page_size / 1024:.1f} KiB"
    assert home.findings(database) == [
        NOTHING,
        Finding(Verdict.OK, OF_ALL, "-retentionPeriod=100y; nothing is stored yet"),
        Finding(Verdict.OK, OF_ALL, "-dedup.minScrapeInterval=1s"),
        Finding(
            Verdict.WARNING,
            OF_ALL,
            f"the page of the intervals has {shown}, more than -promscrape.maxScrapeSize=1KiB",
            "raise -promscrape.maxScrapeSize on the scraper (VictoriaMetrics or vmagent), or shorten window",
        ),
    ]


def test_a_wrong_password_is_told_in_one_line_though_the_database_calls_itself_healthy(services: Services) -> None:
    database = services.victoria_metrics(extra_args=["-httpAuth.username=me", "-httpAuth.password=right"])
    right, wrong = Secret("right"), Secret("wr0ng")
    with Client(VictoriaMetricsConfig(database.url, username="me", password=right)) as client:
        client.ping()
        assert (client.flags() or {})["retentionPeriod"] == "100y"
    with (
        Client(VictoriaMetricsConfig(database.url, username="me", password=wrong)) as client,
        pytest.raises(DatabaseError) as caught,
    ):
        client.ping()
    assert str(caught.value) == (
        f"victoriametrics {database.url}: refused the credentials (status 401);"
        " check username and password, or bearer_token"
    )
    with InfluxDB(InfluxDBConfig(database.url, Secret("me:right"), database="electric")) as influx:
        assert influx.check() == InfluxState("VictoriaMetrics", "", None)
    with (
        InfluxDB(InfluxDBConfig(database.url, Secret("me:wr0ng"), database="electric")) as influx,
        pytest.raises(DatabaseError, match="refused the credentials"),
    ):
        influx.check()


def message_of(action: Callable[[], object]) -> str:
    with pytest.raises(DatabaseError) as caught:
        action()
    return str(caught.value)


def test_what_a_vmauth_does_not_let_in_is_told_without_the_credentials_that_it_repeats(services: Services) -> None:
    proxy = services.vmauth(services.victoria_metrics(), "", "/.*")
    said = http("GET", f"{proxy.url}/api/v1/query?query=1", headers={"Authorization": "Bearer my-very-secret-token"})
    repeated = 'cannot find the provided auth token "Bearer my-very-secret-token" in config\n'
    assert (said.status_code, said.text) == (400, repeated)

    wrong = (
        VictoriaMetricsConfig(proxy.url, username="alice", password=Secret("hunter2")),
        VictoriaMetricsConfig(proxy.url, bearer_token=Secret("my-very-secret-token")),
    )
    for config in wrong:
        with Client(config) as client:
            refused = (
                f"victoriametrics {proxy.url}: refused the credentials (status 400); check username and password, or"
                " bearer_token"
            )
            assert message_of(client.ping) == refused
            assert message_of(partial(list, client.export("up", 0, 1000))) == refused
            assert stored_findings(client, [], time.time()) == [Finding(Verdict.FAILED, OF_ALL, refused)]
    for token in ("alice:hunter2", "my-very-secret-token"):
        with InfluxDB(InfluxDBConfig(proxy.url, Secret(token), database="electric")) as influx:
            assert message_of(influx.check) == (
                f"influxdb {proxy.url}: refused the credentials (status 400); check auth_token: user:password for"
                " InfluxDB 1, an API token for InfluxDB 2"
            )
    with InfluxDB(InfluxDBConfig(proxy.url, None, database="electric")) as influx:
        assert message_of(influx.check) == (
            f"influxdb {proxy.url}: wants credentials (status 401); set auth_token: user:password for InfluxDB 1, an"
            " API token for InfluxDB 2"
        )


def test_whom_a_vmauth_lets_in_may_write_as_to_an_influxdb_and_needs_no_more_than_what_backfill_asks(
    services: Services,
) -> None:
    proxy = services.vmauth(services.victoria_metrics(), "", "/write", "/api/v1/export")
    credentials = Secret(f"{proxy.username}:{proxy.password}")
    with InfluxDB(InfluxDBConfig(proxy.url, credentials, database="electric")) as influx:
        assert influx.check() == InfluxState("VictoriaMetrics", "", None)


def test_a_path_that_the_database_does_not_have_is_named(services: Services) -> None:
    database = services.victoria_metrics()
    with (
        Client(VictoriaMetricsConfig(f"{database.url}/select/0/prometheus")) as client,
        pytest.raises(DatabaseError) as caught,
    ):
        client.ping()
    assert str(caught.value) == (
        f"victoriametrics {database.url}: has no /api/v1/query (status 400); check the path: a single node has none, a"
        " cluster has url: http://vminsert:8480/insert/0/prometheus and query_url:"
        " http://vmselect:8481/select/0/prometheus, with the tenant"
    )


def test_raw_copies_are_read_only_when_asked_for(services: Services) -> None:
    database = services.victoria_metrics()
    stamp = int(time.time()) // 900 * 900_000 - 999
    key: Labels = (("__name__", "smarthub_interval_usage_kwh"), ("location", "1"))
    for value in (1.0, 2.0):
        database.import_samples({key: [(stamp + int(value), value)]})
        database.force_flush()
    with Client(VictoriaMetricsConfig(database.url)) as client:
        hidden = [each.samples for each in client.export("smarthub_interval_usage_kwh", stamp, stamp + 998)]
        raw = [
            s
            for each in client.export("smarthub_interval_usage_kwh", stamp, stamp + 998, raw=True)
            for s in each.samples
        ]
        assert client.query("smarthub_interval_usage_kwh", stamp / 1000 + 1) == [(dict(key), 2.0)]
        assert [each.samples for each in client.export("smarthub_interval_usage_kwh", stamp + 3, stamp + 998)] == []
    assert hidden == [((stamp + 2, 2.0),)]
    assert sorted(raw) == [(stamp + 1, 1.0), (stamp + 2, 2.0)]
