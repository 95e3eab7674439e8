"""What a scraper says about itself: its configuration, flags and targets."""

import json

import pytest

from exporter.config import Secret, VictoriaMetricsConfig
from exporter.databases.scraper import Scraper, ScraperSettings, ScrapeTarget
from exporter.errors import DatabaseError

from ..support.fake_database import Database

CONFIG = """\
scrape_configs:
- job_name: smarthub_intervals
  honor_timestamps: true
  basic_auth: {username: me, password: <secret>}
  metric_relabel_configs:
  - {regex: [instance, job], action: labeldrop}
- static_configs: []
"""
URL = "http://me:hunter2@exporter:10058/metrics?collect%5B%5D=intervals&login=a&login=b&token=hunter3"
TARGET = {
    "discoveredLabels": {"job": "smarthub_intervals", "__scrape_timeout__": "10s"},
    "scrapePool": "renamed",
    "scrapeUrl": URL,
    "lastError": "",
    "lastScrape": "2026-11-28T10:48:06.271Z",
    "lastScrapeDuration": 0.25,
    "lastSamplesScraped": 12,
    "health": "up",
}


def reply(data: object) -> str:
    return json.dumps({"status": "success", "data": data})


@pytest.fixture
def agent(database: Database) -> Database:
    """A vmagent with one target."""
    database.answer("/api/v1/status/config", reply({"yaml": CONFIG}))
    database.answer("/api/v1/targets", reply({"activeTargets": [TARGET]}))
    database.answer("/api/v1/status/flags", "unsupported path requested", 400)
    database.answer("/flags", '-promscrape.noStaleMarkers="true"\n-remoteWrite.url="secret"\n')
    return database


def settings(server: Database) -> ScraperSettings:
    with Scraper(server.url) as scraper:
        return scraper.settings()


def test_vmagent_and_victoriametrics_are_read(agent: Database) -> None:
    found = settings(agent)
    assert not found.is_prometheus
    assert found.flags == {"promscrape.noStaleMarkers": "true", "remoteWrite.url": "secret"}
    (job,) = found.jobs.values()
    assert job["honor_timestamps"] == "true"
    assert job["metric_relabel_configs"] == [{"regex": ["instance", "job"], "action": "labeldrop"}]
    assert found.targets == [
        ScrapeTarget("smarthub_intervals", URL, is_up=True, error="", took=0.25, timeout=10.0, samples=12)
    ]
    assert found.targets[0].place == "exporter:10058/metrics"
    assert found.targets[0].parameter("login") == {"a", "b"}


def test_prometheus_is_recognized_by_its_flags(agent: Database) -> None:
    agent.answer("/api/v1/status/flags", reply({"config.file": "p.yml"}))
    agent.answer("/flags", "<html>")
    agent.answer("/api/v1/targets", reply({"activeTargets": [{**TARGET, "lastSamplesScraped": None}]}))
    found = settings(agent)
    assert (found.is_prometheus, found.flags, found.targets[0].samples) == (True, {"config.file": "p.yml"}, None)


@pytest.mark.parametrize(
    ("changes", "is_up"),
    [
        ({"health": "down"}, False),
        ({"health": "unknown", "lastScrape": "0001-01-01T00:00:00Z"}, None),
        ({"health": "down", "lastScrape": "1970-01-01T00:00:00Z"}, None),
    ],
)
def test_a_target_is_up_down_or_new(agent: Database, changes: dict[str, str], *, is_up: bool | None) -> None:
    agent.answer("/api/v1/targets", reply({"activeTargets": [{**TARGET, **changes}]}))
    assert settings(agent).targets[0].is_up is is_up


def test_without_original_labels_the_pool_is_the_job(agent: Database) -> None:
    agent.answer("/api/v1/targets", reply({"activeTargets": [{**TARGET, "discoveredLabels": {}}]}))
    (target,) = settings(agent).targets
    assert (target.job, target.timeout) == ("renamed", None)


def test_an_error_of_a_target_is_quoted_without_secrets(agent: Database) -> None:
    error = f'error when scraping "{URL}":\n dial tcp: connection refused'
    agent.answer("/api/v1/targets", reply({"activeTargets": [{**TARGET, "lastError": error}]}))
    (target,) = settings(agent).targets
    assert target.error == 'error when scraping "http://exporter:10058/metrics": dial tcp: connection refused'


@pytest.mark.parametrize("flags", ["<html>", ""])
def test_unreadable_flags_are_unknown(agent: Database, flags: str) -> None:
    agent.answer("/flags", flags, 401 if not flags else 200)
    assert settings(agent).flags is None


@pytest.mark.parametrize("text", ["", "[]", "global: {}"])
def test_a_scraper_may_have_no_jobs(agent: Database, text: str) -> None:
    agent.answer("/api/v1/status/config", reply({"yaml": text}))
    assert settings(agent).jobs == {}


@pytest.mark.parametrize("answer", [reply({"yaml": "a: &b c"}), reply({"yaml": "\t:"}), reply({}), "[]", "{", "<html>"])
def test_anything_else_is_an_error(agent: Database, answer: str) -> None:
    agent.answer("/api/v1/status/config", answer)
    with pytest.raises(DatabaseError, check=lambda error: "&b" not in str(error)):
        settings(agent)


def test_credentials_are_those_of_the_same_database(agent: Database) -> None:
    with Scraper(agent.url, VictoriaMetricsConfig(agent.url, username="me", password=Secret("pw"))) as scraper:
        scraper.settings()
    with Scraper(agent.url, VictoriaMetricsConfig("http://other:8428", username="me")) as scraper:
        scraper.settings()
    assert ["authorization" in asked.headers for asked in agent.asked] == [True] * 4 + [False] * 4
