"""The existing database: what it is, and which of its settings must change."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..checks import vm_settings
from ..checks.findings import Verdict
from ..config import VictoriaMetricsConfig
from ..databases.scraper import Scraper, Settings
from ..databases.victoriametrics import VictoriaMetrics
from ..databases.vm_flags import DAY, seconds
from ..errors import DatabaseError

LOOKED_AT = ("http://localhost:8428", "http://localhost:9090")
"""The default addresses of VictoriaMetrics and Prometheus."""

RETENTION, DEDUPLICATION = "-retentionPeriod=10y", "-dedup.minScrapeInterval=1s"
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
        if flags is None and (prometheus := _prometheus(config, window)):
            return prometheus
        if flags is None:
            database.ping()
    return _victoriametrics(config.url, flags, now)


def _victoriametrics(url: str, flags: Mapping[str, str] | None, now: float) -> FoundDatabase:
    if flags is None:  # a cluster, or one behind a proxy
        return FoundDatabase(url, problems=("its flags cannot be read",), changes=(RETENTION, DEDUPLICATION))
    problems, changes = [], []
    findings = (vm_settings.retention(flags, None, now, ""), vm_settings.deduplication(flags, ""))
    for finding, change in zip(findings, (RETENTION, DEDUPLICATION), strict=True):
        if finding is not None and finding.verdict is Verdict.WARNING:
            problems.append(finding.text)
            changes.append(change)
    return FoundDatabase(url, problems=tuple(problems), changes=tuple(changes))


def _prometheus(config: VictoriaMetricsConfig, window: int) -> FoundDatabase | None:
    """Return the Prometheus at an address; None if it is something else."""
    try:
        with Scraper(config.url, config) as scraper:
            settings = scraper.settings()
    except DatabaseError:
        return None
    if not settings.is_prometheus:
        return None
    needs = list(_prometheus_needs(settings.flags or {}, settings.config, window))
    return FoundDatabase(
        config.url,
        is_prometheus=True,
        problems=tuple(problem for problem, _ in needs),
        changes=tuple(change for _, change in needs),
    )


def _prometheus_needs(flags: Mapping[str, str], config: Settings, window: int) -> Iterator[tuple[str, str]]:
    """Yield each problem and the change that fixes it."""
    tsdb = _section(_section(config, "storage"), "tsdb")
    given = _section(tsdb, "retention").get("time") or flags.get("storage.tsdb.retention.time")
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
            "it drops late samples, and the entire scrape with them",
            f"storage: {{tsdb: {{out_of_order_time_window: {days}d}}}} (in its config file)",
        )


def _section(parent: Settings, key: str) -> Settings:
    section = parent.get(key)
    return section if isinstance(section, dict) else {}


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
