"""The HTTP server, plain or TLS: no client can make another one wait.

The accept loop never reads, writes or does a handshake; each connection has its own thread. Every wait for a client has
a deadline, and another thread shuts the sockets whose deadline has passed. So a client that sends or receives byte by
byte cannot hold a connection.
"""

import contextlib
import errno
import io
import logging
import socket
import socketserver
import sys
import threading
import time
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any, Self

from ..config import bracketed, parse_listen_address
from ..errors import ConfigError, ListenError
from .auth import OPEN_TO_ALL, WebConfig
from .connections import DEFAULT_LIMITS, Connection, Connections, Limits
from .request_head import BadRequestError, RequestHead, read_head
from .sending import send_parts
from .types import App, Request, Response

_log = logging.getLogger("exporter.web")

_LINGER_SECONDS = 1.0
"""How long a client may keep sending a body that is not read, so that it sees the response, not a reset."""

_ACCEPT_SECONDS = 0.1
_GRACE_SECONDS = 0.15
"""Stopping takes at most the first and twice the second: less than half a second in all."""

_FLAG = "--web.listen-address"
_LISTEN_PROBLEMS = {
    errno.EADDRINUSE: f"the address is already in use; stop the other program or choose another address with {_FLAG}",
    errno.EACCES: f"permission denied; choose a port above 1023 with {_FLAG}",
    errno.EADDRNOTAVAIL: f"not an address of this machine; choose another, or :PORT for all addresses, with {_FLAG}",
}


class _Handler(socketserver.StreamRequestHandler):
    """One connection, in its own thread."""

    # Otherwise the last, small segment of a response waits until the others are acknowledged.
    disable_nagle_algorithm = True
    server: "_Listener"
    rfile: io.BufferedReader

    def __init__(self, connection: Connection, client_address: object, server: "_Listener") -> None:
        self._held = connection
        self._head: RequestHead | None = None
        self._stays_open = self._unread_body = False
        super().__init__(connection.sock, client_address, server)

    def handle(self) -> None:
        limits = self.server.limits
        self._answer()
        while self._stays_open:
            self.server.connections.enter(self._held, limits.idle_seconds, busy=False)
            self.rfile.peek(1)
            self.server.connections.enter(self._held, limits.request_seconds, busy=False)
            self._answer()
        if self._unread_body:
            self._linger()

    def _answer(self) -> None:
        """Read a request and respond to it. A bad one ends the connection."""
        self._head, self._stays_open = None, False
        try:
            head = self._head = read_head(self.rfile)
        except BadRequestError as error:
            self._unread_body = True
            self._send(_plain(error.status, error.detail))
            return
        if head is not None:
            # From here on the connection is busy; a request whose deadline has passed ends here.
            self.server.connections.enter(self._held, self.server.limits.response_seconds, busy=True)
            self._unread_body = head.has_body
            self._stays_open = head.keeps_open and not head.has_body and not self._held.surplus
            self._send(self._respond(head.request))

    def _respond(self, request: Request) -> Response:
        access = self.server.web_config
        try:
            if self._held.surplus and request.path != OPEN_TO_ALL and not (access and access.remembers(request)):
                return _plain(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
            refusal = access.refusal(request, self.client_address[0].removeprefix("::ffff:")) if access else None
            if refusal is not None:
                return refusal
            if request.method not in ("GET", "HEAD"):
                return _plain(HTTPStatus.METHOD_NOT_ALLOWED, headers=(("Allow", "GET, HEAD"),))
            return self.server.app(request)
        except Exception as error:  # noqa: BLE001 - the server continues after any error of an application
            reason = " ".join(str(error).split())
            # One line; a traceback only at level debug.
            in_debug = _log.isEnabledFor(logging.DEBUG)
            _log.error(
                "%s %r failed: %s: %s", request.method, request.path, type(error).__name__, reason, exc_info=in_debug
            )
            return _plain(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _send(self, response: Response) -> None:
        self.server.connections.enter(self._held, self.server.limits.response_seconds, busy=True)
        fields = {
            "Date": formatdate(usegmt=True),
            "Content-Type": response.content_type,
            "Content-Length": str(sum(map(len, response.parts))),
        }
        if not self._stays_open:
            fields["Connection"] = "close"
        elif self._head and self._head.version == "1.0":
            fields["Connection"] = "keep-alive"
        configured = self.server.web_config.headers() if self.server.web_config else ()
        replaced = {name.lower() for name, _ in configured}
        own = [(name, value) for name, value in response.headers if name.lower() not in replaced]
        lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in (*fields.items(), *own, *configured)]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        request = self._head and self._head.request
        send_parts(self.connection, [head] if request and request.method == "HEAD" else [head, *response.parts])
        asked = f"{request.method} {request.path!r}" if request else "bad request"
        _log.debug("%s from %s: %d", asked, self.client_address, response.status)

    def _linger(self) -> None:
        """Let the client read the response.

        Closing while bytes of the client are unread would reset the connection.
        """
        self.server.connections.enter(self._held, _LINGER_SECONDS, busy=False)
        # Below the TLS layer, which has no half-closed connections; the bytes are discarded anyway.
        socket.socket.shutdown(self.connection, socket.SHUT_WR)
        while socket.socket.recv(self.connection, 1 << 16):
            pass


class _Listener(ThreadingHTTPServer):
    """The accept loop of socketserver, with limits on connections."""

    # If the queue is full, the next client waits a second until its system retries.
    request_queue_size = 512
    # Otherwise two exporters on one port would share the scrapes.
    allow_reuse_port = False

    def __init__(
        self,
        family: socket.AddressFamily,
        address: tuple[str, int],
        app: App,
        web_config: WebConfig | None,
        limits: Limits,
    ) -> None:
        self.address_family = family
        self.app = app
        self.web_config = web_config
        self.limits = limits
        self.connections = Connections(limits)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # Not that of HTTPServer, which looks up the name of the address in DNS.
        socketserver.TCPServer.server_bind(self)

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                # The client stays in the queue, so accept would fail again at once.
                self.connections.make_room()
                time.sleep(0.02)
            raise

    def process_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        if self.connections.admit(request):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def finish_request(self, request: object, client_address: object) -> None:
        connection = self.connections[request]
        context = self.web_config.context() if self.web_config else None
        if context is not None:
            self.connections.secure(connection, context).do_handshake()
        _Handler(connection, client_address, self)

    def shutdown_request(self, request: object) -> None:
        self.connections.discard(request)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        error = sys.exception()
        level = logging.DEBUG if isinstance(error, OSError) else logging.ERROR
        _log.log(level, "connection from %s failed: %s: %s", client_address, type(error).__name__, error)


def _plain(status: int, detail: str | None = None, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    text = f"{status} {HTTPStatus(status).phrase}" + (f": {detail}" if detail else "")
    return Response(status, f"{text}\n".encode(), headers=headers)


class Server:
    """Serves an application on one address; as a context manager it starts and stops.

    The constructor binds the address. It raises ConfigError if the address is invalid, ListenError if it cannot be
    bound. `address` is the actual host and port, `url` the URL to open in a browser.
    """

    def __init__(
        self, listen_address: str, app: App, web_config: WebConfig | None = None, *, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        try:
            self._listener = _Listener(*_resolve(*parse_listen_address(listen_address)), app, web_config, limits)
        except ValueError as error:
            raise ConfigError(f"{_FLAG}: {error}") from None
        except OSError as error:
            problem = _LISTEN_PROBLEMS.get(error.errno or 0, f"{error.strerror}; choose another address with {_FLAG}")
            raise ListenError(f"cannot listen on {listen_address}: {problem}") from error
        host, port = self._listener.socket.getsockname()[:2]
        self.address: tuple[str, int] = (host, port)
        name = "localhost" if host in ("::", "0.0.0.0") else bracketed(host)  # noqa: S104
        self.url = f"{'https' if web_config and web_config.uses_tls else 'http'}://{name}:{port}"
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start to respond, in the background."""
        accept = partial(self._listener.serve_forever, poll_interval=_ACCEPT_SECONDS)
        for name, work in (("web", accept), ("web-deadlines", self._watch_deadlines)):
            thread = threading.Thread(target=work, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Close the address and all connections within half a second.

        Responses get a part of that time to finish.
        """
        self._stopping.set()
        if self._threads:
            with contextlib.suppress(OSError):
                # Wakes the accept loop at once if the system allows it.
                self._listener.socket.shutdown(socket.SHUT_RDWR)
            self._listener.shutdown()
        self._listener.server_close()
        self._listener.connections.shut_all(_GRACE_SECONDS)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _watch_deadlines(self) -> None:
        limits = self._listener.limits
        shortest = min(limits.request_seconds, limits.response_seconds, limits.idle_seconds)
        while not self._stopping.wait(min(1.0, shortest / 10)):
            self._listener.connections.shut_overdue()


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    if not host:
        has_both = socket.has_dualstack_ipv6()
        return (socket.AF_INET6, ("::", port)) if has_both else (socket.AF_INET, ("0.0.0.0", port))  # noqa: S104
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # If a name has both, as localhost often does, choose IPv4, like servers in Go.
    family, *_, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    return family, (str(address[0]), port)
