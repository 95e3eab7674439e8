"""The database that is there already: what it is, and which of its settings must change."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import yaml

from ..checks import vm_settings
from ..checks.findings import Verdict
from ..config import VictoriaMetricsConfig
from ..databases.http import DatabaseHttp, Target
from ..databases.victoriametrics import VictoriaMetrics
from ..databases.vm_flags import DAY, seconds
from ..errors import DatabaseError
from ..httpcall import Authorization, CallLimits

LOOKED_AT = ("http://localhost:8428", "http://localhost:9090")
"""Where VictoriaMetrics and Prometheus listen by default."""

RETENTION, DEDUPLICATION = "-retentionPeriod=10y", "-dedup.minScrapeInterval=1s"
_LIMITS = CallLimits(connect=5, read=10, total=20)
_SHORT_RETENTION = 60 * DAY
_DEFAULT_RETENTION = 15 * DAY  # of Prometheus


@dataclass(frozen=True, slots=True)
class FoundDatabase:
    """A database that answers. problems: what loses data there. changes: the flags and settings that fix it."""

    url: str
    is_prometheus: bool = False
    problems: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Product and address."""
        return f"{'Prometheus' if self.is_prometheus else 'VictoriaMetrics'} at {self.url}"


def look_at(config: VictoriaMetricsConfig, window: int, now: float) -> FoundDatabase:
    """Look at the settings of a VictoriaMetrics or Prometheus. Raises DatabaseError if neither answers there.

    window: how far back the exporter serves intervals, in seconds. now: seconds UTC.
    """
    with VictoriaMetrics(config) as database:
        flags = database.flags()
        if flags is None and (prometheus := _prometheus(config.url, window)):
            return prometheus
        if flags is None:
            database.ping()
    return _victoriametrics(config.url, flags, now)


def _victoriametrics(url: str, flags: Mapping[str, str] | None, now: float) -> FoundDatabase:
    if flags is None:  # a cluster, or one behind a proxy
        return FoundDatabase(url, problems=("it does not show its flags",), changes=(RETENTION, DEDUPLICATION))
    problems, changes = [], []
    findings = (vm_settings.retention(flags, None, now, ""), vm_settings.deduplication(flags, ""))
    for finding, change in zip(findings, (RETENTION, DEDUPLICATION), strict=True):
        if finding is not None and finding.verdict is Verdict.WARNING:
            problems.append(finding.text)
            changes.append(change)
    return FoundDatabase(url, problems=tuple(problems), changes=tuple(changes))


def _prometheus(url: str, window: int) -> FoundDatabase | None:
    """Return the Prometheus at an address, None if it is none. Raises DatabaseError."""
    target = Target(
        "Prometheus", "--database", url, "username and password", "use its address without TLS", "", Authorization()
    )
    with closing(DatabaseHttp(target, limits=_LIMITS)) as http:
        flags = _data(http, "flags")
        settings = _data(http, "config") if flags else None
    if not flags or settings is None:
        return None
    tsdb = _tsdb(settings)
    needs = list(_prometheus_needs(flags, tsdb, window))
    return FoundDatabase(
        url,
        is_prometheus=True,
        problems=tuple(problem for problem, _ in needs),
        changes=tuple(change for _, change in needs),
    )


def _prometheus_needs(flags: Mapping[str, Any], tsdb: Mapping[str, Any], window: int) -> Iterator[tuple[str, str]]:
    """Yield each problem and the change that fixes it."""
    in_file = tsdb.get("retention")
    given = (in_file.get("time") if isinstance(in_file, dict) else None) or flags.get("storage.tsdb.retention.time")
    period = seconds(str(given or "0s")) or _DEFAULT_RETENTION
    if period < _SHORT_RETENTION:
        yield (
            f"it deletes samples after {period / DAY:.0f} days",
            "--storage.tsdb.retention.time=10y (a flag)",
        )
    late = seconds(str(tsdb.get("out_of_order_time_window") or "0s")) or 0
    if late < 2 * window:
        days = -(-2 * window // DAY)
        yield (
            "it drops late samples, and the whole scrape with them",
            f"storage: {{tsdb: {{out_of_order_time_window: {days}d}}}} (in its config file)",
        )


def _data(http: DatabaseHttp, what: str) -> dict[str, Any] | None:
    """Return a part of the status of Prometheus; None if it is no Prometheus. Raises DatabaseError."""
    answer = http.get(f"/api/v1/status/{what}", accept=range(300, 500))
    try:
        data = json.loads(answer.body)["data"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _tsdb(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return storage.tsdb of a configuration, empty if it has none."""
    try:
        tsdb = yaml.safe_load(str(settings.get("yaml", "")))["storage"]["tsdb"]
    except (yaml.YAMLError, TypeError, LookupError):
        return {}
    return tsdb if isinstance(tsdb, dict) else {}


def find(config: VictoriaMetricsConfig | None, window: int, now: float) -> tuple[FoundDatabase | None, str]:
    """Return the database of a configuration, else the first one on this machine; if there is none, why not."""
    candidates = [config] if config else [VictoriaMetricsConfig(url) for url in LOOKED_AT]
    problems = []
    for candidate in candidates:
        try:
            return look_at(candidate, window, now), ""
        except DatabaseError as error:
            problems.append(f"{candidate.url} ({error.what})")
    return None, ", ".join(problems)
