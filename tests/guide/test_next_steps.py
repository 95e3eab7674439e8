"""Tests of what is left to do: the scrape jobs are the shipped ones, and everything fits a terminal."""

import pytest
import yaml

from exporter.guide.database import DEDUPLICATION, RETENTION, FoundDatabase
from exporter.guide.next_steps import SCRAPE_JOBS, next_steps

from ..support.project_files import read, scraping_guide

GOOD = FoundDatabase("http://localhost:8428")
BARE = FoundDatabase(
    "http://localhost:8428", problems=("one loses data " * 8, "two"), changes=(RETENTION, DEDUPLICATION)
)
PROMETHEUS = FoundDatabase("http://localhost:9090", is_prometheus=True, problems=("x",), changes=("y",))
PROBLEM = "http://localhost:8428 (connection refused), http://localhost:9090 (connection refused)"


def steps(found: FoundDatabase | None, problem: str = "", flag: str = "") -> list[str]:
    return list(next_steps(found, problem, target="localhost:10058", config_flag=flag))


@pytest.mark.parametrize("path", ["compose/vmagent.yml", "compose/prometheus.yml"])
def test_the_scrape_jobs_are_those_of_the_shipped_files(path: str) -> None:
    shown = yaml.safe_load(SCRAPE_JOBS.format(target="exporter:10058", stale_markers=""))
    assert shown["scrape_configs"] == yaml.safe_load(read(path))["scrape_configs"]


def test_scrape_jobs_of_victoriametrics_are_those_of_the_guide() -> None:
    own, *_ = scraping_guide()
    assert jobs_in(steps(GOOD)) == jobs_in(steps(None)) == own["scrape_configs"]


def jobs_in(lines: list[str]) -> object:
    first = lines.index("scrape_configs:")
    return yaml.safe_load("\n".join(lines[first : lines.index("", first)]))["scrape_configs"]


@pytest.mark.parametrize("found", [GOOD, BARE, PROMETHEUS, None])
def test_every_line_fits_80_columns(found: FoundDatabase | None) -> None:
    lines = steps(found, "" if found else PROBLEM, " --config.file new.yaml")
    assert max(map(len, lines)) < 80
    text = "\n".join(lines)
    assert jobs_in(lines)
    scraper = " \\\n      --scraper.url http://localhost:9090" if found is PROMETHEUS else ""
    assert f"\n  smarthub-exporter check --config.file new.yaml{scraper}\n" in text


def test_good_settings_need_no_change() -> None:
    assert steps(GOOD)[1:3] == ["Found VictoriaMetrics at http://localhost:8428; its settings are fine.", ""]
    assert steps(GOOD)[-1] == "  smarthub-exporter backfill --start first"


def test_each_problem_and_change_is_listed() -> None:
    lines = steps(BARE)
    assert lines[1] == "Found VictoriaMetrics at http://localhost:8428. It would lose data:"
    assert [line for line in lines if line.startswith("- ")][1] == "- two"
    at = lines.index("see docs/scraping.md. Otherwise change this, then restart it:")
    assert lines[at + 1 : at + 3] == [f"  {RETENTION}", f"  {DEDUPLICATION}"]


def test_prometheus_takes_history_as_blocks() -> None:
    text = "\n".join(steps(PROMETHEUS))
    assert "tale" not in text
    assert "backfill --start first \\\n      --to openmetrics --output history.om\n  promtool tsdb" in text


def test_without_a_database_it_says_what_one_needs() -> None:
    text = " ".join(steps(None, PROBLEM))
    assert f"No database found: {PROBLEM}." in text
    assert f"{RETENTION} {DEDUPLICATION}" in text
    assert "No database found" not in " ".join(steps(None))
