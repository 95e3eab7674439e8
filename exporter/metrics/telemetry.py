"""Counters of the exporter's own work: refreshes, revisions, portal requests."""

import platform
from collections.abc import Iterable
from itertools import product

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from .. import __version__
from ..errors import Reason
from .families import BUILD_INFO, FAILURES, REFRESHES, REQUEST_SECONDS, REQUESTS, REVISIONS

_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Telemetry:
    """The counters of all logins.

    registry: Families that only change with a refresh; `version` is a new object after each change.
    process: Families that differ at each scrape.
    """

    def __init__(self) -> None:
        # See docs/samples.md, "Choices of the exposition".
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=True)
        self.refreshes, self.failures, self.revisions, self.requests = (
            Counter(*family[:3], registry=self.registry) for family in (REFRESHES, FAILURES, REVISIONS, REQUESTS)
        )
        self.seconds = Histogram(*REQUEST_SECONDS[:3], buckets=_BUCKETS, registry=self.registry)
        Gauge(*BUILD_INFO[:3], registry=self.registry).labels(__version__, platform.python_version()).set(1)
        PlatformCollector(registry=self.registry)
        self.process = CollectorRegistry()
        ProcessCollector(registry=self.process)
        self.version = object()


class LoginTelemetry:
    """The counters of one login; all of them exist from the start."""

    def __init__(self, telemetry: Telemetry, login: str) -> None:
        self._telemetry = telemetry
        self._login = login
        telemetry.refreshes.labels(login)
        for reason in Reason:
            telemetry.failures.labels(login, reason.value)
        for direction, reach in product(("up", "down"), ("window", "older")):
            telemetry.revisions.labels(login, direction, reach)

    def refreshed(self, failures: Iterable[Reason]) -> None:
        """Count a refresh, and each reason why part of it failed."""
        self._telemetry.refreshes.labels(self._login).inc()
        for reason in failures:
            self._telemetry.failures.labels(self._login, reason.value).inc()
        self._telemetry.version = object()

    def revised(self, direction: str, reach: str) -> None:
        """Count an interval that the portal changed."""
        self._telemetry.revisions.labels(self._login, direction, reach).inc()
        self._telemetry.version = object()

    def portal_call(self, endpoint: str, code: str, seconds: float) -> None:
        """Count a request to the portal."""
        self._telemetry.requests.labels(self._login, endpoint, code).inc()
        self._telemetry.seconds.labels(self._login, endpoint).observe(seconds)
        self._telemetry.version = object()
