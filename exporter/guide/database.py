"""The existing database: what it is, and which of its settings must change."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..checks import prometheus_settings, vm_settings
from ..checks.findings import Finding, Verdict
from ..checks.vm_settings import NO_NEEDS, Needs
from ..config import LOCAL_VICTORIAMETRICS, VictoriaMetricsConfig
from ..databases.scraper import Scraper
from ..databases.victoriametrics import VictoriaMetrics
from ..databases.vm_flags import DAY
from ..errors import DatabaseError

LOOKED_AT = (LOCAL_VICTORIAMETRICS, "http://localhost:9090")
"""The default addresses of VictoriaMetrics and Prometheus."""

RETENTION, DEDUPLICATION = "-retentionPeriod=10y", "-dedup.minScrapeInterval=1s"
_LONGER = "--storage.tsdb.retention.time=10y (a flag)"


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


def look_at(config: VictoriaMetricsConfig, window: int, now: float, needs: Needs = NO_NEEDS) -> FoundDatabase:
    """Look at the settings of a VictoriaMetrics or Prometheus. Raises DatabaseError if neither answers there.

    window: how far back the exporter serves intervals, in seconds. now: seconds UTC. needs: of the locations.
    """
    with VictoriaMetrics(config) as database:
        flags = database.flags()
        if flags is None and (prometheus := _prometheus(config, window)):
            return prometheus
        if flags is None:
            database.ping()
    return _victoriametrics(config.url, flags, now, needs)


def _victoriametrics(url: str, flags: Mapping[str, str] | None, now: float, needs: Needs) -> FoundDatabase:
    if flags is None:  # a cluster, or one behind a proxy
        return FoundDatabase(
            url,
            problems=("its flags cannot be read; the defaults keep one month, and every copy",),
            changes=(RETENTION, DEDUPLICATION),
        )
    retention = vm_settings.retention(flags, None, now, "", first=needs.first)
    deduplication = vm_settings.deduplication(flags, "", needs.shortest)
    return _found(url, ((retention, RETENTION), (deduplication, DEDUPLICATION)))


def _prometheus(config: VictoriaMetricsConfig, window: int) -> FoundDatabase | None:
    """Return the Prometheus at an address; None if it is something else."""
    try:
        with Scraper(config.url, config) as scraper:
            settings = scraper.settings()
    except DatabaseError:
        return None
    if not settings.is_prometheus:
        return None
    late = f"storage: {{tsdb: {{out_of_order_time_window: {-(-2 * window // DAY)}d}}}} (in its config file)"
    findings = (
        (prometheus_settings.retention(settings.flags or {}, settings.config, ""), _LONGER),
        (prometheus_settings.late_samples(settings.config, window, ""), late),
    )
    return _found(config.url, findings, is_prometheus=True)


def _found(url: str, findings: Iterable[tuple[Finding | None, str]], *, is_prometheus: bool = False) -> FoundDatabase:
    """Return a database with what loses data there. findings: each with the change that fixes it."""
    lost = [(finding.text, change) for finding, change in findings if finding and finding.verdict is Verdict.WARNING]
    return FoundDatabase(
        url, is_prometheus, tuple(text for text, _ in lost), tuple(dict.fromkeys(change for _, change in lost))
    )


def find(
    config: VictoriaMetricsConfig | None, window: int, now: float, needs: Needs = NO_NEEDS
) -> tuple[FoundDatabase | None, str]:
    """Return the database of a configuration, else the first one on this machine; if there is none, why not."""
    candidates = [config] if config else [VictoriaMetricsConfig(url) for url in LOOKED_AT]
    problems = []
    for candidate in candidates:
        try:
            return look_at(candidate, window, now, needs), ""
        except DatabaseError as error:
            problems.append(f"{candidate.url} ({error.what})")
    return None, ", ".join(problems)
