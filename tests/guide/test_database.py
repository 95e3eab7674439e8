"""Tests of the look at a database: what it is, and which of its settings lose data."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.checks.vm_settings import Needs
from exporter.config import VictoriaMetricsConfig
from exporter.errors import DatabaseError
from exporter.guide import database as guide
from exporter.guide.database import DEDUPLICATION, RETENTION, FoundDatabase, find, look_at

from ..support.fake_database import Database
from ..support.services import Services, prometheus_config
from ..support.worlds import DAY, NOW

WINDOW = 7 * DAY
LATE = "storage: {tsdb: {out_of_order_time_window: 14d}} (in its config file)"
LONGER = "--storage.tsdb.retention.time=10y (a flag)"


@pytest.fixture
def database() -> Iterator[Database]:
    with Database() as made:
        yield made


def look(url: str, window: int = WINDOW) -> FoundDatabase:
    return look_at(VictoriaMetricsConfig(url), window, NOW, Needs(900, NOW - 400 * DAY))


def prometheus(database: Database, flags: object, config: object) -> FoundDatabase:
    database.answer("/flags", "<html>the user interface</html>")
    database.answer("/api/v1/targets", json.dumps({"status": "success", "data": {"activeTargets": []}}))
    database.answer("/api/v1/status/flags", json.dumps({"status": "success", "data": flags}))
    database.answer("/api/v1/status/config", json.dumps({"status": "success", "data": config}))
    return look(database.url)


# -- VictoriaMetrics


@pytest.mark.parametrize(
    ("flags", "changes"),
    [
        ("-retentionPeriod=10y\n-dedup.minScrapeInterval=1s\n", ()),
        ("-retentionPeriod=10y\n", (DEDUPLICATION,)),
        ("-dedup.minScrapeInterval=1s\n-retentionPeriod=1\n", (RETENTION,)),
        ("-retentionPeriod=3\n-dedup.minScrapeInterval=30m\n", (RETENTION, DEDUPLICATION)),
        ("-httpListenAddr=:8428\n", (RETENTION, DEDUPLICATION)),
    ],
)
def test_flags_show_what_to_change(database: Database, flags: str, changes: tuple[str, ...]) -> None:
    database.answer("/flags", flags)
    found = look(database.url)
    assert (found.name, found.changes) == (f"VictoriaMetrics at {database.url}", changes)
    assert len(found.problems) == len(changes)


def test_a_cluster_does_not_show_its_flags(database: Database) -> None:
    body = {"status": "success", "data": {"resultType": "scalar", "result": [NOW, "1"]}}
    database.answer("/api/v1/query", json.dumps(body))
    found = look(database.url)
    assert (found.is_prometheus, found.changes) == (False, (RETENTION, DEDUPLICATION))


# -- Prometheus


@pytest.mark.parametrize(
    ("flags", "yaml", "changes"),
    [
        ({"storage.tsdb.retention.time": "0s"}, "", (LONGER, LATE)),
        ({"storage.tsdb.retention.time": "10y"}, "storage: {tsdb: {out_of_order_time_window: 14d}}", ()),
        ({"storage.tsdb.retention.time": "90d"}, "storage: {tsdb: {out_of_order_time_window: 336h}}", ()),
        ({"storage.tsdb.retention.time": "10y"}, "storage: {tsdb: {out_of_order_time_window: 7d}}", (LATE,)),
        ({"storage.tsdb.retention.time": "15d"}, "storage: {tsdb: {retention: {time: 5y}}}", (LATE,)),
        ({"web.listen-address": ":9090"}, "storage: {tsdb: []}", (LONGER, LATE)),
    ],
)
def test_the_status_of_prometheus_shows_what_to_change(
    database: Database, flags: dict[str, str], yaml: str, changes: tuple[str, ...]
) -> None:
    found = prometheus(database, flags, {"yaml": yaml})
    assert (found.name, found.changes) == (f"Prometheus at {database.url}", changes)


@pytest.mark.parametrize(("flags", "config"), [(None, {"yaml": ""}), ({"a": "b"}, None), ({"a": "b"}, {"yaml": "{"})])
def test_another_status_is_no_prometheus(database: Database, flags: object, config: object) -> None:
    with pytest.raises(DatabaseError):
        prometheus(database, flags, config)


def test_a_longer_window_needs_more_room(database: Database) -> None:
    prometheus(database, {"storage.tsdb.retention.time": "10y"}, {"yaml": ""})
    (change,) = look(database.url, 35 * DAY).changes
    assert "out_of_order_time_window: 70d" in change


# -- which one


def test_a_configured_database_is_the_only_one_looked_at(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    database.answer("/flags", "-retentionPeriod=10y\n")
    monkeypatch.setattr(guide, "LOOKED_AT", (database.url,))
    found, problem = find(VictoriaMetricsConfig("http://127.0.0.1:9"), WINDOW, NOW)
    assert (found, problem) == (None, "http://127.0.0.1:9 (connection refused)")
    found, problem = find(None, WINDOW, NOW)
    assert (found and found.url, problem) == (database.url, "")


def test_without_any_each_one_is_named(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guide, "LOOKED_AT", ("http://127.0.0.1:9", database.url))
    assert find(None, WINDOW, NOW) == (
        None,
        f"http://127.0.0.1:9 (connection refused), {database.url} (has no /api/v1/query (status 404))",
    )


# -- real ones


@pytest.mark.e2e
def test_a_real_victoriametrics_shows_its_settings(tmp_path: Path) -> None:
    with Services(tmp_path) as services:
        good = services.victoria_metrics()
        bare = services.victoria_metrics(without=("-retentionPeriod", "-dedup.minScrapeInterval"))
        assert [look(each.url).changes for each in (good, bare)] == [(), (RETENTION, DEDUPLICATION)]


@pytest.mark.e2e
def test_a_real_prometheus_shows_its_settings(tmp_path: Path) -> None:
    with Services(tmp_path) as services:
        good, bare = services.prometheus(prometheus_config()), services.prometheus(prometheus_config(window=None))
        assert [look(each.url).changes for each in (good, bare)] == [(), (LATE,)]
        assert look(good.url).is_prometheus
