"""The routes of the HTTP server: status page, metrics, health and readiness."""

import threading

from .clock import Clock
from .refresh.refresher import Refresher
from .status_page.page import POLICY, render
from .status_page.summary import summarize
from .storage.snapshots import SnapshotStore
from .web.types import App, Request, Response

_HTML = "text/html; charset=utf-8"
_SECURITY = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)

_HEALTHY = "/-/healthy"
_LOADING_SECONDS = 2.0  # less than any usual timeout of a scrape


class PagesOnceLoaded:
    """Answers requests while the saved state is being loaded: they wait until the pages are there.

    patience: How many seconds they wait; then they get 503.
    """

    def __init__(self, patience: float = _LOADING_SECONDS) -> None:
        self._patience = patience
        self._opened = threading.Event()
        self._pages: App = _loading

    def open(self, pages: App) -> None:
        """Let these pages answer everything."""
        self._pages = pages
        self._opened.set()

    def __call__(self, request: Request) -> Response:
        """Answer a request."""
        if request.path != _HEALTHY:
            self._opened.wait(self._patience)
        return self._pages(request)


def _loading(request: Request) -> Response:
    if request.path == _HEALTHY:
        return Response(200, b"healthy\n")
    return Response(503, b"not ready: loading the saved state; try again in a few seconds\n")


class Pages:
    """Answers every request from memory."""

    def __init__(
        self, metrics: App, telemetry_path: str, store: SnapshotStore, refresher: Refresher, clock: Clock
    ) -> None:
        self._telemetry_path = telemetry_path
        self._store = store
        self._refresher = refresher
        self._clock = clock
        self._was_ready = False
        self._routes: dict[str, App] = {
            "/": self._status_page,
            _HEALTHY: self._healthy,
            "/-/ready": self._ready,
            telemetry_path: metrics,
        }

    def __call__(self, request: Request) -> Response:
        """Answer a request; 404 for an unknown path."""
        route = self._routes.get(request.path)
        return route(request) if route else Response(404, b"not found\n")

    def _healthy(self, _: Request) -> Response:
        if self._refresher.is_alive:
            return Response(200, b"healthy\n")
        return Response(503, b"a refresh thread has stopped; restart the exporter\n")

    def _ready(self, _: Request) -> Response:
        statuses = self._refresher.statuses().values()
        has_data = any(meter.intervals for each in self._store.snapshot.locations.values() for meter in each.meters)
        self._was_ready |= has_data or any(each.up for status in statuses for each in status.locations.values())
        zones = "".join(
            f"login {name}: no data on /metrics because {status.zone.message}\n"
            for name, status in self._refresher.statuses().items()
            if status.zone.is_contradicted
        )
        if self._was_ready:
            return Response(200, f"ready\n{zones}".encode())
        reasons = "; ".join(dict.fromkeys(status.message for status in statuses if status.message))
        return Response(503, f"not ready: {reasons}\n{zones}".encode(errors="replace"))

    def _status_page(self, _: Request) -> Response:
        seen = summarize(
            self._store.snapshot,
            self._refresher.statuses(),
            self._clock.now(),
            is_alive=self._refresher.is_alive,
            backfill_needed=self._store.backfill_needed,
            state_problem=self._store.problem,
        )
        return Response(200, render(seen, self._telemetry_path), _HTML, _SECURITY)
