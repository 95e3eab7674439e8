"""What is left to do once the configuration is written: the database, the scrape jobs, the history."""

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
    metric_relabel_configs: [{{action: labeldrop, regex: "instance|job"}}]
    static_configs: [{{targets: ["{target}"]}}]
  - job_name: smarthub_exporter
    params: {{"collect[]": [exporter]}}
    scrape_interval: 1m
    static_configs: [{{targets: ["{target}"]}}]
"""
"""The scrape jobs for Prometheus, VictoriaMetrics and vmagent; `target` is the exporter's host and port."""


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
        yield "Add these jobs to the scrape config of VictoriaMetrics or vmagent, and start"
        yield f"the one that scrapes with {NO_STALE_MARKERS}:"
    yield ""
    yield from SCRAPE_JOBS.format(target=target).splitlines()
    yield ""
    yield "Then check everything, start the exporter, and load the whole history:"
    yield ""
    yield f"  {_PROGRAM} check{config_flag}"
    yield f"  {_PROGRAM} serve{config_flag}"
    yield from _history(found, config_flag)


def _database(found: FoundDatabase | None, problem: str) -> Iterator[str]:
    if found is None:
        if problem:
            yield from wrap(f"No database found: {problem}.", _WIDTH, break_on_hyphens=False)
        yield "If you have none yet, start VictoriaMetrics with"
        yield f"  {RETENTION} {DEDUPLICATION}"
        yield "and set victoriametrics.url in the configuration, or use the home stack"
        yield "(docker-compose.yml), which has all of it."
        return
    if not found.problems:
        yield f"Found {found.name}; its settings are good."
        return
    yield f"Found {found.name}, but"
    for each in found.problems:
        yield from wrap(each, _WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)
    yield "Change this, then restart it:"
    yield from (f"  {change}" for change in found.changes)


def _history(found: FoundDatabase | None, config_flag: str) -> Iterator[str]:
    backfill = f"  {_PROGRAM} backfill{config_flag} --start first"
    if not (found and found.is_prometheus):
        yield backfill
        return
    yield f"{backfill} \\"
    yield "      --to openmetrics --output history.om"
    yield "  promtool tsdb create-blocks-from openmetrics --max-block-duration=8760h \\"
    yield "      history.om /path/to/prometheus/data"
