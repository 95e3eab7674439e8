"""Client of a scraper: Prometheus, vmagent, or a VictoriaMetrics that scrapes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import yaml

from ..config import VictoriaMetricsConfig
from ..config.yaml_nodes import NULL_TAG, YamlError, parse_yaml
from ..httpcall import CallLimits
from .http import DatabaseHttp, Json, Target
from .redaction import without_urls
from .victoriametrics import authorization_of
from .vm_flags import parsed_flags, prometheus_flags, seconds

FLAG = "--scraper.url"

Settings = Mapping[str, Any]
"""A section of a configuration; its scalars are texts, as in the file."""

_LIMITS = CallLimits(total=60.0)
_CREDENTIALS = f"use an address for {FLAG} that needs none, or the one in victoriametrics, whose credentials are used"
_TRUST = f"give {FLAG} an address whose certificate is trusted"
_PATH = f"check that {FLAG} is the address of Prometheus, vmagent or a VictoriaMetrics that scrapes"
_OK = 200
_NEVER = ("0001-", "1970-")  # how Prometheus and VictoriaMetrics say that there was no scrape yet


@dataclass(frozen=True, slots=True)
class ScrapeTarget:
    """An address that is scraped.

    url: what is fetched. is_up: how the last scrape went; None before the first. error: why it failed, without secrets.
    took, timeout: how long the last scrape took and may take, in seconds. samples: how many it had; None if unknown.
    """

    job: str
    url: str
    is_up: bool | None
    error: str
    took: float
    timeout: float | None
    samples: int | None

    @property
    def place(self) -> str:
        """The address without its parameters and credentials."""
        parts = urlsplit(self.url)
        return f"{parts.netloc.rpartition('@')[2]}{parts.path}"

    def parameter(self, name: str) -> frozenset[str]:
        """Return the values of a parameter."""
        return frozenset(parse_qs(urlsplit(self.url).query).get(name, ()))


@dataclass(frozen=True, slots=True)
class ScraperSettings:
    """What a scraper says about itself.

    config: its configuration. flags: None if they are unknown, as behind a proxy. targets: those of all jobs.
    is_prometheus: otherwise it is vmagent or VictoriaMetrics.
    """

    config: Settings
    flags: Mapping[str, str] | None
    targets: Sequence[ScrapeTarget]
    is_prometheus: bool

    @property
    def jobs(self) -> Mapping[str, Settings]:
        """The scrape jobs by name."""
        return {job["job_name"]: job for job in self.config.get("scrape_configs") or () if job.get("job_name")}


class Scraper:
    """A scraper at a URL. The database of the configuration, if it is the same, has credentials."""

    def __init__(self, url: str, database: VictoriaMetricsConfig | None = None) -> None:
        known = database if database and url in (database.url, database.query_url) else VictoriaMetricsConfig(url)
        authorization = authorization_of(known)
        target = Target("scraper", FLAG, url, _CREDENTIALS, _TRUST, _PATH, authorization, known.ca_file, known.insecure)
        self._http = DatabaseHttp(target, limits=_LIMITS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    @property
    def address(self) -> str:
        """The URL without its path."""
        return self._http.target.address

    def settings(self) -> ScraperSettings:
        """Return its configuration, flags and targets. Raises DatabaseError."""
        config = self._http.json("/api/v1/status/config", {}, _config, is_quoted=False)
        targets = self._http.json("/api/v1/targets", {"state": "active"}, self._targets)
        # Prometheus has a page for people at /flags, VictoriaMetrics nothing at the other path.
        answer = self._http.get("/api/v1/status/flags", accept=range(300, 500))
        flags = prometheus_flags(answer)
        is_prometheus = flags is not None
        if not is_prometheus:
            flags = parsed_flags(self._http.get("/flags", accept=range(300, 500)))
        return ScraperSettings(config, flags, targets, is_prometheus)

    def _targets(self, answer: Json) -> list[ScrapeTarget]:
        return [self._target(each) for each in answer["data"]["activeTargets"]]

    def _target(self, found: Json) -> ScrapeTarget:
        # VictoriaMetrics leaves them out with -promscrape.dropOriginalLabels.
        discovered = found.get("discoveredLabels") or {}
        is_new = found["lastScrape"].startswith(_NEVER)
        samples = found.get("lastSamplesScraped")
        return ScrapeTarget(
            # VictoriaMetrics has the label of the target here, which may have been changed.
            job=discovered.get("job") or found["scrapePool"],
            url=found["scrapeUrl"],
            is_up=None if is_new else found["health"] == "up",
            error=self._http.target.quoted(without_urls(found["lastError"])),
            took=float(found["lastScrapeDuration"]),
            timeout=seconds(discovered.get("__scrape_timeout__", "") or "?"),
            samples=None if samples is None or is_new else int(samples),
        )


def _config(answer: Json) -> Settings:
    try:
        root = _plain(parse_yaml(answer["data"]["yaml"].encode()))
    except YamlError:
        raise ValueError from None
    return root if isinstance(root, dict) else {}


def _plain(node: yaml.Node) -> Any:  # noqa: ANN401 - a text, list or dict
    match node:
        case yaml.MappingNode():
            return {key.value: _plain(value) for key, value in node.value}
        case yaml.SequenceNode():
            return [_plain(each) for each in node.value]
        case _:
            return "" if node.tag == NULL_TAG else node.value
