"""What the HTTP server serves beside /metrics: the status page, health and readiness."""

import html
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from .. import __version__
from ..clock import Clock
from ..snapshot import LocationKey, Snapshot
from ..status import LoginStatus, outcomes
from .types import App, Request, Response

_HTML = "text/html; charset=utf-8"
_SECURITY = (
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)
_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;padding:0 1rem 3rem;max-width:60rem}
header{border-bottom:4px solid #e6522c;margin-bottom:1.5rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #8886;vertical-align:top}
.bad{font-weight:bold}
.scroll{overflow-x:auto}
"""


class Pages:
    """Routes requests; everything it shows is in memory."""

    def __init__(
        self,
        *,
        metrics: App,
        telemetry_path: str,
        snapshot: Callable[[], Snapshot],
        statuses: Callable[[], Mapping[str, LoginStatus]],
        is_alive: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._telemetry_path = telemetry_path
        self._snapshot = snapshot
        self._statuses = statuses
        self._is_alive = is_alive
        self._clock = clock
        self._was_ready = False
        self._routes: dict[str, App] = {
            "/": self._status_page,
            "/-/healthy": self._healthy,
            "/-/ready": self._ready,
            telemetry_path: metrics,
        }

    def __call__(self, request: Request) -> Response:
        """Answer a request; 404 for what there is not."""
        route = self._routes.get(request.path)
        return route(request) if route else Response(404, b"there is nothing here\n")

    def _healthy(self, _: Request) -> Response:
        if self._is_alive():
            return Response(200, b"healthy\n")
        return Response(503, b"a refresh thread has ended, restart the exporter\n")

    def _ready(self, _: Request) -> Response:
        statuses = self._statuses().values()
        has_data = any(meter.intervals for each in self._snapshot().locations.values() for meter in each.meters)
        self._was_ready |= has_data or any(each.up for status in statuses for each in status.locations.values())
        if self._was_ready:
            return Response(200, b"ready\n")
        reasons = "; ".join(dict.fromkeys(status.message for status in statuses if status.message))
        return Response(503, f"not ready: {reasons}\n".encode())

    def _status_page(self, _: Request) -> Response:
        snapshot, statuses = self._snapshot(), self._statuses()
        body = "".join(
            (
                "<!DOCTYPE html><html lang=en><meta charset=utf-8>",
                '<meta name=viewport content="width=device-width,initial-scale=1">',
                f"<title>SmartHub exporter</title><style>{_STYLE}</style>",
                (
                    f"<header><h1>SmartHub exporter</h1><p>Version {_text(__version__)}."
                    " Usage and cost from NISC SmartHub portals, interval by interval.</p></header>"
                ),
                (
                    f'<p><a href="{_text(self._telemetry_path)}">Metrics</a> · <a href="/-/healthy">Health</a> ·'
                    ' <a href="/-/ready">Readiness</a></p>'
                ),
                "<h2>Logins</h2>",
                _table(("Login", "State", "Last refresh", "Last success", "Next refresh"), self._login_rows(statuses)),
                "<h2>Locations</h2>",
                _table(
                    ("Portal", "Account", "Location", "Name", "State", "Meter", "Newest data", "Age"),
                    self._location_rows(snapshot, statuses),
                ),
                "</html>",
            )
        )
        return Response(200, body.encode(), _HTML, _SECURITY)

    def _login_rows(self, statuses: Mapping[str, LoginStatus]) -> Iterable[tuple[str, ...]]:
        for name, status in statuses.items():
            state = "ok" if status.up else status.message
            if status.zone_contradicted:
                state += "; the portal's times do not fit the time zone"
            times = (_time(status.last_refresh), _time(status.last_success), _time(status.next_refresh))
            yield name, state, *times

    def _location_rows(self, snapshot: Snapshot, statuses: Mapping[str, LoginStatus]) -> Iterable[tuple[str, ...]]:
        known = outcomes(statuses.values())
        now = self._clock.now()
        for key in sorted({*snapshot.locations, *known}):
            location = snapshot.locations.get(key)
            outcome = known.get(key)
            state = "not read" if outcome is None else "ok" if outcome.up else outcome.message
            name = location.name if location else ""
            meters = location.meters if location else ()
            for meter in meters:
                newest = meter.latest.end if meter.latest else 0
                age = _duration(now - newest) if newest else ""
                yield *_cells(key), name, state, meter.info.number, _time(newest), age
            if not meters:
                yield *_cells(key), name, state, "", "no data", ""


def _cells(key: LocationKey) -> tuple[str, str, str]:
    return key.portal, key.account, key.location


def _table(head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    titles = "".join(f"<th scope=col>{_text(title)}" for title in head)
    lines = "".join("<tr>" + "".join(f"<td>{_text(cell)}" for cell in row) for row in rows)
    return f"<div class=scroll><table><thead><tr>{titles}<tbody>{lines}</table></div>"


def _text(value: str) -> str:
    return html.escape(value)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC") if seconds else "never"


def _duration(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"  # noqa: PLR2004
