"""Counters of the exporter's own work: refreshes, revisions, portal requests."""

import platform
from collections.abc import Collection, Iterable
from itertools import product
from typing import cast

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from .. import __version__
from ..errors import Reason
from .families import BUILD_INFO, FAILURES, REFRESHES, REQUEST_SECONDS, REQUESTS, REVISIONS
from .scope import Scope

_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Telemetry:
    """The counters of all logins, which only change with a refresh, and families about the process.

    logins: The counters of each login. version: A new object after each change. process: Families that differ at each
    scrape.
    """

    def __init__(self) -> None:
        # See docs/samples.md, "Choices of the exposition".
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.logins: dict[str, CollectorRegistry] = {}
        self._steady = CollectorRegistry(auto_describe=True)
        Gauge(*BUILD_INFO[:3], registry=self._steady).labels(__version__, platform.python_version()).set(1)
        PlatformCollector(registry=self._steady)
        self.process = CollectorRegistry()
        ProcessCollector(registry=self.process)
        self.version = object()

    def collect(self, names: Collection[str], scope: Scope) -> Iterable[Metric]:
        """Return the counters of the logins in scope, and what never changes; only these families, if there are any."""
        families: dict[str, Metric] = {}
        in_scope = [registry for login, registry in self.logins.items() if scope.has_login(login)]
        for registry in (*in_scope, self._steady):
            for each in restricted(registry, names).collect():
                families.setdefault(each.name, Metric(each.name, each.documentation, each.type)).samples += each.samples
        return families.values()


def restricted(registry: CollectorRegistry, names: Collection[str]) -> CollectorRegistry:
    """Return a registry of these families, or of all if there are no names."""
    return cast("CollectorRegistry", registry.restricted_registry(names)) if names else registry


class LoginTelemetry:
    """The counters of one login; all of them exist from the start."""

    def __init__(self, telemetry: Telemetry, login: str) -> None:
        self._telemetry = telemetry
        self._login = login
        registry = telemetry.logins[login] = CollectorRegistry(auto_describe=True)
        self._refreshes, self._failures, self._revisions, self._requests = (
            Counter(*family[:3], registry=registry) for family in (REFRESHES, FAILURES, REVISIONS, REQUESTS)
        )
        self._seconds = Histogram(*REQUEST_SECONDS[:3], buckets=_BUCKETS, registry=registry)
        self._refreshes.labels(login)
        for reason in Reason:
            self._failures.labels(login, reason.value)
        for direction, reach in product(("up", "down"), ("window", "older")):
            self._revisions.labels(login, direction, reach)

    def refreshed(self, failures: Iterable[Reason]) -> None:
        """Count a refresh, and each reason why part of it failed."""
        self._refreshes.labels(self._login).inc()
        for reason in failures:
            self._failures.labels(self._login, reason.value).inc()
        self._telemetry.version = object()

    def revised(self, direction: str, reach: str) -> None:
        """Count an interval that the portal changed."""
        self._revisions.labels(self._login, direction, reach).inc()
        self._telemetry.version = object()

    def portal_call(self, endpoint: str, code: str, seconds: float) -> None:
        """Count a request to the portal."""
        self._requests.labels(self._login, endpoint, code).inc()
        self._seconds.labels(self._login, endpoint).observe(seconds)
        self._telemetry.version = object()
