"""HTTP server for the simulated portal, with endpoints to change its switches and to count its calls."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from ..config import bracketed
from ..errors import ListenError
from .portal import Call, SimulatedPortal, SimulatedResponse

SETTINGS = "/simulator/settings"
CALLS = "/simulator/calls"


class PortalServer:
    """Serves a SimulatedPortal on `host` and `port`, 0 for any free port. Raises ListenError."""

    def __init__(self, portal: SimulatedPortal, host: str = "127.0.0.1", port: int = 0) -> None:
        self.portal = portal
        kind = _Server6 if ":" in host else _Server
        try:
            self._server = kind((host, port), _handler_of(portal))
        except OSError as error:
            raise ListenError(
                f"the simulated portal cannot listen on {host}:{port}: {error.strerror};"
                " use another address (--listen-address)"
            ) from None
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def host(self) -> str:
        """Host and port, as in the label `portal`."""
        host, port = str(self._server.server_address[0]), self._server.server_address[1]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - clients cannot connect to these
        return f"{bracketed(host)}:{port}"

    @property
    def url(self) -> str:
        """The portal's `api_url`."""
        return f"http://{self.host}"

    def start(self) -> Self:
        """Serve in a background thread."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    __enter__ = start

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that close the connection."""


class _Server6(_Server):
    address_family = socket.AF_INET6


def _handler_of(portal: SimulatedPortal) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            form = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
            is_form = self.headers.get_content_type() == "application/x-www-form-urlencoded"
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            call = Call(self.command, parts.path, query, headers, body, dict(form) if is_form else {})
            response = _of_simulator(portal, call) or portal.respond(call)
            self.send_response(response.status)
            self.send_header("Content-Type", response.content_type)
            self.send_header("Content-Length", str(len(response.body)))
            if response.retry_after:
                self.send_header("Retry-After", str(response.retry_after))
            if response.cookie:
                self.send_header("Set-Cookie", response.cookie)
            self.end_headers()
            self.wfile.write(response.body[: len(response.body) // 2] if response.cut_off else response.body)
            self.close_connection |= response.cut_off

        do_POST = do_GET  # noqa: N815 - the name comes from the base class

        def date_time_string(self, timestamp: float | None = None) -> str:
            """Return the Date header, based on the portal's clock."""
            return super().date_time_string(portal.clock.now() if timestamp is None else timestamp)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name comes from the base class
            """Log nothing; the exporter logs its own requests."""

    return Handler


def _of_simulator(portal: SimulatedPortal, call: Call) -> SimulatedResponse | None:
    """Answer requests to the simulator itself: read or change its switches, count the portal's calls."""
    if call.path == CALLS:
        counts = {f"{endpoint} {status}": n for (endpoint, status), n in portal.calls.items()}
        return SimulatedResponse(200, json.dumps(counts).encode())
    if call.path != SETTINGS:
        return None
    if call.method == "POST":
        try:
            portal.settings = portal.settings.changed(json.loads(call.body))
        except ValueError as error:
            return SimulatedResponse(400, f"{error}\n".encode(), "text/plain")
    return SimulatedResponse(200, portal.settings.as_json().encode())
