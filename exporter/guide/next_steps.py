"""The next steps after writing a configuration: the database, the scrape jobs, the history."""

import shlex
from collections.abc import Iterator
from textwrap import wrap

from .database import DEDUPLICATION, RETENTION, FoundDatabase

_WIDTH = 79
NO_STALE_MARKERS = "-promscrape.noStaleMarkers"
_PROGRAM = "smarthub-exporter"

SCRAPE_JOBS = """\
scrape_configs:
  - job_name: smarthub_intervals
    params: {{"collect[]": [intervals]}}
    scrape_interval: 15m
    honor_timestamps: true
{stale_markers}    metric_relabel_configs: [{{action: labeldrop, regex: "instance|job"}}]
    static_configs: [{{targets: ["{target}"]}}]
  - job_name: smarthub_exporter
    params: {{"collect[]": [exporter]}}
    scrape_interval: 1m
    static_configs: [{{targets: ["{target}"]}}]
"""
"""The scrape jobs. target: the exporter's host and port. stale_markers: a line that Prometheus does not know."""
_STALE_MARKERS = "    no_stale_markers: true\n"


def next_steps(found: FoundDatabase | None, problem: str, *, target: str, config_flag: str) -> Iterator[str]:
    """Yield lines of at most 79 characters.

    found: the database; None if there is none, and `problem` says why. target: the exporter's host and port.
    config_flag: the flag that names the configuration, if commands need it.
    """
    yield ""
    yield from _database(found, problem)
    yield ""
    if found and found.is_prometheus:
        yield "Add these jobs to its config:"
    else:
        yield "Add these jobs to the scrape config of VictoriaMetrics or vmagent. Versions"
        yield f"before 1.83 need the flag {NO_STALE_MARKERS} instead of the line"
        yield "no_stale_markers:"
    yield ""
    stale_markers = "" if found and found.is_prometheus else _STALE_MARKERS
    yield from SCRAPE_JOBS.format(target=target, stale_markers=stale_markers).splitlines()
    yield ""
    yield "If the database also holds other data, read docs/scraping.md first: a second,"
    yield "small VictoriaMetrics for energy data is the easier way."
    yield ""
    yield "Then check everything, start the exporter, and load the whole history:"
    yield ""
    scraper = f" \\\n      --scraper.url {found.url}" if found and found.is_prometheus else ""
    yield from f"  {_PROGRAM} check{config_flag}{scraper}".splitlines()
    yield f"  {_PROGRAM} serve{config_flag}"
    yield from _history(found, config_flag)


def _database(found: FoundDatabase | None, problem: str) -> Iterator[str]:
    if found is None:
        if problem:
            yield from wrap(f"No database found: {problem}.", _WIDTH, break_on_hyphens=False)
        yield "If you have none yet, start VictoriaMetrics with"
        yield f"  {RETENTION} {DEDUPLICATION}"
        yield "and set victoriametrics.url in the configuration, or use the home stack,"
        yield "docker-compose.yml, which is set up already."
        return
    if not found.problems:
        yield f"Found {found.name}; its settings are fine."
        return
    yield f"Found {found.name}. It would lose data:"
    for each in found.problems:
        yield from wrap(each, _WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)
    yield "These settings affect all data in that database; a second one leaves it alone:"
    yield "see docs/scraping.md. Otherwise change this, then restart it:"
    yield from (f"  {change}" for change in found.changes)


def _history(found: FoundDatabase | None, config_flag: str) -> Iterator[str]:
    backfill = f"  {_PROGRAM} backfill{config_flag} --start first"
    if not (found and found.is_prometheus):
        yield backfill
        return
    yield f"{backfill} \\"
    yield "      --to openmetrics --output history.om"
    yield from promtool_lines("history.om")


def promtool_lines(file: str) -> Iterator[str]:
    """Yield the command that loads an OpenMetrics file into Prometheus. file: its path."""
    yield "  promtool tsdb create-blocks-from openmetrics --max-block-duration=8760h \\"
    yield f"      {shlex.quote(file)} /path/to/prometheus/data"
