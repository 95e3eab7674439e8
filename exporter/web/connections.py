"""The open connections of the HTTP server, each with a deadline."""

import contextlib
import errno
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_SPARE_CONNECTIONS = 16
"""The number of connections beyond the limit that are kept just long enough to receive a 503."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on what one client can take up. Times are in seconds."""

    request_seconds: float = 10.0
    """From the connection, or the first byte of a later request, to the end of the headers, with TLS handshake."""
    response_seconds: float = 60.0
    """For receiving the response, and again for computing it."""
    idle_seconds: float = 120.0
    """Between two requests on one connection."""
    connections: int = 256


DEFAULT_LIMITS = Limits()


@dataclass(slots=True, eq=False)
class Connection:
    """A client's connection, with a deadline by the monotonic clock.

    busy: A request is being answered. gone: The server has shut the connection.
    """

    sock: socket.socket
    deadline: float
    surplus: bool
    busy: bool = False
    gone: bool = False


class Connections:
    """The open connections, oldest first, by the accepted socket."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._changed = threading.Condition()
        self._open: dict[Any, Connection] = {}

    def __getitem__(self, accepted: object) -> Connection:
        with self._changed:
            return self._open[accepted]

    def admit(self, accepted: socket.socket) -> bool:
        """Make room for a new connection.

        Returns False if even the spare connections are all busy.
        """
        with self._changed:
            alive = [connection for connection in self._open.values() if not connection.gone]
            regular = [connection for connection in alive if not connection.surplus]
            spare = [connection for connection in alive if connection.surplus]
            surplus = len(regular) >= self._limits.connections and not self._evict(regular)
            if surplus and len(spare) >= _SPARE_CONNECTIONS and not self._evict(spare):
                return False
            accepted.settimeout(self._limits.request_seconds)
            self._open[accepted] = Connection(accepted, time.monotonic() + self._limits.request_seconds, surplus)
            return True

    def make_room(self) -> None:
        """Close the oldest connection that is not busy, if there is one."""
        with self._changed:
            self._evict(self._open.values())

    def secure(self, connection: Connection, context: ssl.SSLContext) -> ssl.SSLSocket:
        """Start TLS on a connection; the caller does the handshake."""
        # Under the lock because the accepted socket hands its descriptor over to the wrapped one,
        # and a shutdown in between would be lost.
        with self._changed:
            wrapped = context.wrap_socket(connection.sock, server_side=True, do_handshake_on_connect=False)
            connection.sock = wrapped
            return wrapped

    def enter(self, connection: Connection, seconds: float, *, busy: bool) -> None:
        """Start a phase with a limit of `seconds`.

        Raises ConnectionAbortedError if the connection is gone.
        """
        with self._changed:
            if connection.gone:
                raise ConnectionAbortedError(errno.ECONNABORTED, "closed by the server")
            connection.busy = busy
            connection.deadline = time.monotonic() + seconds
            connection.sock.settimeout(seconds)

    def discard(self, accepted: object) -> None:
        """Close a connection after its thread has finished, or if it was not admitted."""
        with self._changed:
            connection = self._open.pop(accepted, None)
            self._changed.notify_all()
        for sock in (accepted, connection and connection.sock):
            if isinstance(sock, socket.socket):
                sock.close()

    def shut_overdue(self) -> None:
        """Shut every connection whose deadline has passed; its thread notices and ends."""
        now = time.monotonic()
        with self._changed:
            for connection in self._open.values():
                if not connection.gone and connection.deadline <= now:
                    self._shut(connection)

    def shut_all(self, grace_seconds: float) -> None:
        """Shut all connections, busy ones after `grace_seconds`.

        Then wait as long again for the threads.
        """
        with self._changed:
            for connection in self._open.values():
                if not connection.busy:
                    self._shut(connection)
            self._changed.wait_for(lambda: not self._open, grace_seconds)
            for connection in self._open.values():
                self._shut(connection)
            self._changed.wait_for(lambda: not self._open, grace_seconds)

    def _evict(self, candidates: Iterable[Connection]) -> bool:
        for connection in candidates:
            if not connection.busy and not connection.gone:
                self._shut(connection)
                return True
        return False

    @staticmethod
    def _shut(connection: Connection) -> None:
        connection.gone = True
        with contextlib.suppress(OSError):
            # SSLSocket.shutdown drops the TLS layer first, so a thread that is writing would continue in clear text.
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
