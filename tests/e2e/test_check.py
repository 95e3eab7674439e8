"""`check` on real databases and scrapers: a correct setup is fine, and each mistake is named."""

import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.checks.databases import database_findings
from exporter.checks.findings import CheckItem, Finding, Verdict
from exporter.checks.page_sizes import PageSizes
from exporter.checks.scraper import scraper_findings
from exporter.checks.stored_series import STORED_STEP
from exporter.clock import SystemClock
from exporter.config import Config, ExporterConfig, LocationChoice, Login, VictoriaMetricsConfig
from exporter.discovery.look_around import LookAround
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Settings
from exporter.simulator.world import World

from ..support.check_reports import run_check
from ..support.exporter_process import STREET, Exporter, house, meter
from ..support.portal import login_of
from ..support.program import Starter
from ..support.project_files import documented_jobs_by_login, read
from ..support.services import ROOT, Service, Services, VictoriaMetrics, free_address, wait_until

HOUSE = World(locations=(house(1, meter(1)),))
WINDOW = 7 * 86400
Scrape = dict[str, Any]
Start = Callable[..., Service]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def portal() -> Iterator[PortalServer]:
    with PortalServer(SimulatedPortal(HOUSE, SystemClock(), Settings(pending=0))) as server:
        yield server


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Services]:
    with Services(folder) as services:
        yield services


@pytest.fixture(scope="module")
def exporter(running: Services, folder: Path, portal: PortalServer) -> Exporter:
    return Exporter(running, folder / "exporter", portal, refresh_interval="1h")


@pytest.fixture(scope="module")
def sink(running: Services) -> VictoriaMetrics:
    """The database of each vmagent."""
    return running.victoria_metrics()


@pytest.fixture
def start(services: Services, sink: VictoriaMetrics) -> Start:
    """Starts the scraper of a shipped configuration: start("vmagent", config, flag)."""

    def run(kind: str, config: Scrape, *flags: str) -> Service:
        if kind != "prometheus":
            return services.vmagent(config, sink, *flags)
        prometheus = services.prometheus(config)
        wait_until(lambda: prometheus.active_targets() != [], "its targets")
        return prometheus

    return run


@pytest.fixture(scope="module")
def look(portal: PortalServer, exporter: Exporter) -> LookAround:
    """What `check` has seen of the login."""
    return run_check(login_of(portal), SystemClock())[0]


def shipped(file: str, address: str, **changes: object) -> Scrape:
    """Return a shipped scrape configuration with changes to the interval job; None removes a line."""
    config = yaml.safe_load(read(f"compose/{file}.yml"))
    config.pop("rule_files", None)
    for job in config["scrape_configs"]:
        job |= {"scrape_interval": "1s", "static_configs": [{"targets": [address]}]}
    intervals, others = config["scrape_configs"][0], config["scrape_configs"][1:]
    if changes.pop("alone", False):
        others = []
    intervals = {key: value for key, value in {**intervals, **changes}.items() if value is not None}
    return {**config, "scrape_configs": [intervals, *others]}


def scraped(server: Service, look: LookAround, exporter: Service, *logins: Login) -> list[Finding]:
    """Return the findings about a scraper once it has scraped."""
    config = Config(logins or (look.login,), ExporterConfig(listen_address=exporter.address, window=WINDOW))
    found: list[Finding] = []

    def is_scraped() -> bool:
        pages = PageSizes.of([look], WINDOW)
        found[:] = [each for each in scraper_findings(server.url, config, pages) if isinstance(each, Finding)]
        return not any(each.verdict is Verdict.SKIPPED for each in found if each.step != STORED_STEP)

    wait_until(is_scraped, "a scrape of each target")
    return found


def problems(found: Sequence[Finding]) -> list[tuple[Verdict, str]]:
    """Return the verdict and the text of each warning and failure."""
    return [(each.verdict, each.text) for each in found if each.verdict in (Verdict.WARNING, Verdict.FAILED)]


MISTAKES: dict[str, tuple[dict[str, object], Verdict, str]] = {
    "false timestamps": ({"honor_timestamps": False}, Verdict.WARNING, "honor_timestamps"),
    "labels": ({"metric_relabel_configs": None}, Verdict.WARNING, "labels job and instance"),
    "sample limit": ({"sample_limit": 100}, Verdict.WARNING, "sample_limit"),
    "other job missing": ({"alone": True}, Verdict.WARNING, "collect[]=exporter"),
    "other name": ({"job_name": "power"}, Verdict.WARNING, "smarthub_intervals"),
    "other path": ({"metrics_path": "/metric"}, Verdict.FAILED, "/metric is not"),
    "no target": ({"static_configs": []}, Verdict.FAILED, "no target"),
    "one page": ({"params": None, "alone": True}, Verdict.WARNING, "together"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("kind", ["vmagent", "prometheus"])
def test_a_mistake_in_a_job_is_named(
    start: Start, exporter: Exporter, look: LookAround, kind: str, mistake: str
) -> None:
    changes, verdict, word = MISTAKES[mistake]
    config = shipped(kind, exporter.address, **changes)
    started = start(kind, config)
    # A limit that is exceeded is named again by the error of the target.
    assert [each for each, text in problems(scraped(started, look, exporter)) if word in text][:1] == [verdict]


@pytest.mark.parametrize("kind", ["vmagent", "prometheus"])
def test_the_shipped_jobs_are_fine(start: Start, exporter: Exporter, look: LookAround, kind: str) -> None:
    assert problems(scraped(start(kind, shipped(kind, exporter.address)), look, exporter)) == []


def test_a_scraping_victoria_metrics_is_read(services: Services, exporter: Exporter, look: LookAround) -> None:
    database = services.victoria_metrics(scrape=shipped("vmagent", exporter.address))
    assert problems(scraped(database, look, exporter)) == []
    idle = services.victoria_metrics()
    assert [verdict for verdict, _ in problems(scraped(idle, look, exporter))] == [Verdict.FAILED]


@pytest.mark.parametrize(
    ("flag", "word"),
    [
        ("-promscrape.noStaleMarkers=false", "no_stale_markers"),
        ("-promscrape.maxScrapeSize=1KiB", "maxScrapeSize"),
    ],
)
def test_a_missing_flag_is_named(start: Start, exporter: Exporter, look: LookAround, flag: str, word: str) -> None:
    found = problems(scraped(start("vmagent", shipped("vmagent", exporter.address), flag), look, exporter))
    assert (Verdict.WARNING, True) in [(verdict, word in text) for verdict, text in found]


@pytest.mark.parametrize("window", [None, "13d"])
def test_a_short_window_of_prometheus_is_named(
    start: Start, exporter: Exporter, look: LookAround, window: str | None
) -> None:
    config = shipped("prometheus", exporter.address)
    storage = {"tsdb": {"out_of_order_time_window": window}} if window else {}
    found = problems(scraped(start("prometheus", {**config, "storage": storage}), look, exporter))
    assert [(verdict, "out_of_order_time_window" in text) for verdict, text in found] == [(Verdict.WARNING, True)]


def test_a_limit_of_bytes_in_prometheus_is_named(start: Start, exporter: Exporter, look: LookAround) -> None:
    config = shipped("prometheus", exporter.address, body_size_limit="1KB")
    (limit, down) = problems(scraped(start("prometheus", config), look, exporter))
    assert (limit[0], down[0]) == (Verdict.WARNING, Verdict.FAILED)
    assert "body_size_limit" in limit[1]


@pytest.mark.parametrize("kind", ["vmagent", "prometheus"])
def test_a_target_that_is_down_is_told_without_secrets(
    start: Start, exporter: Exporter, look: LookAround, kind: str
) -> None:
    params = {"collect[]": ["intervals"], "token": ["hunter2"]}
    config = shipped(kind, "127.0.0.1:9", params=params, basic_auth={"username": "me", "password": "hunter3"})
    started = start(kind, config)
    found = problems(scraped(started, look, exporter))
    assert [verdict for verdict, _ in found] == [Verdict.FAILED] * 2
    for _, text in found:
        assert "connection refused" in text
        assert "hunter" not in text


# -- the database


def stored(database: VictoriaMetrics, look: LookAround) -> list[Finding]:
    config = Config((look.login,), ExporterConfig(), VictoriaMetricsConfig(database.url))
    database.force_flush()
    parts: Iterator[CheckItem] = database_findings(config, [look], now=time.time())
    return [part for part in parts if isinstance(part, Finding)]


def test_a_fresh_setup_is_fine_and_a_lost_day_is_not(services: Services, exporter: Exporter, look: LookAround) -> None:
    """Without a backfill, after one scrape."""
    database = services.victoria_metrics()
    started = services.vmagent(shipped("vmagent", exporter.address), database)
    started.wait_until_sent()
    started.terminate()
    found = stored(database, look)
    assert problems(found) == []
    assert sum("values match" in each.text for each in found) == 2

    samples = database.export('{location="70001"}')
    lost = range(int(time.time() - 4 * 86400) * 1000, int(time.time() - 3 * 86400) * 1000)
    rest = services.victoria_metrics()
    rest.import_samples({key: [sample for sample in every if sample[0] not in lost] for key, every in samples.items()})
    (missing, *_) = problems(stored(rest, look))
    assert missing[0] is Verdict.WARNING
    assert "missing 96 of " in missing[1]


def test_a_vmagent_or_prometheus_is_not_taken_for_the_database(
    start: Start, exporter: Exporter, look: LookAround
) -> None:
    for kind in ("vmagent", "prometheus"):
        server = start(kind, shipped(kind, exporter.address))
        config = Config((look.login,), ExporterConfig(), VictoriaMetricsConfig(server.url))
        found = [each for each in database_findings(config, [look], now=time.time()) if isinstance(each, Finding)]
        assert [(each.verdict, f"this is {kind}" in each.text.lower()) for each in found] == [(Verdict.FAILED, True)]


# -- several jobs


def test_the_documented_jobs_by_login_fetch_everything(services: Services, tmp_path: Path, look: LookAround) -> None:
    # Debian's vmagent does not know the key yet; it runs with the flag instead.
    jobs = [{key: each for key, each in job.items() if key != "no_stale_markers"} for job in documented_jobs_by_login()]
    names = [name for job in jobs for name in job["params"]["login"]]
    with PortalServer(SimulatedPortal(STREET, SystemClock(), Settings(pending=0))) as server:
        choices = [LocationChoice(each.account, each.number) for each in STREET.locations]
        logins = [
            login_of(server, STREET.users[0], choice, name=name) for choice, name in zip(choices, names, strict=False)
        ]
        address = free_address()
        given = [
            {
                "name": login.name,
                "api_url": server.url,
                "username": login.username,
                "password": login.password.reveal(),
                "timezone": STREET.zone,
                "account": login.locations[0].account,
                "service_location": login.locations[0].service_location,
            }
            for login in logins
        ]
        own = {"listen_address": address, "state_dir": str(tmp_path / "state")}
        file = Starter(tmp_path).config({"smarthub": given, "exporter": own})
        exporter = services.start(
            Service,
            sys.executable,
            ["-m", "exporter", "serve", "--config.file", str(file)],
            address=address,
            ready="/-/healthy",
            environment={"PYTHONPATH": str(ROOT)},
            name="exporter",
        )
        wait_until(lambda: exporter.metrics()["smarthub_up"] == len(logins), "all logins")
        database = services.victoria_metrics()
        every = [{**job, "scrape_interval": "1s", "static_configs": [{"targets": [address]}]} for job in jobs]
        own_metrics = shipped("vmagent", address)["scrape_configs"][1]
        agent = services.vmagent({"scrape_configs": [*every, own_metrics]}, database)
        assert problems(scraped(agent, look, exporter, *logins)) == []
        agent.wait_for_scrapes(2 * len(every))
        agent.wait_until_sent()

    found = {dict(labels)["location"] for labels in database.export("smarthub_interval_usage_kwh")}
    page = exporter.ask("GET", "/metrics", params={"name[]": "smarthub_interval_usage_kwh"}).text
    assert found == set(re.findall(r'location="(\d+)"', page))
    assert len(found) >= len(names) - 2
