"""A server that hands each connection, as a bare socket, to a function of the test."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

Serve = Callable[[socket.socket], None]
Listen = Callable[[Serve], str]


@contextmanager
def listening() -> Iterator[Listen]:
    """Serve every connection with a function; each call starts a server and returns its host and port."""
    with ExitStack() as stack:

        def start(serve: Serve) -> str:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def run() -> None:
                while True:
                    try:
                        connection, _ = server.accept()
                    except OSError:
                        return
                    with connection, suppress(OSError):
                        serve(connection)

            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            stack.callback(thread.join, 5)
            stack.callback(server.shutdown, socket.SHUT_RDWR)
            return f"127.0.0.1:{server.getsockname()[1]}"

        yield start


def sends(*parts: bytes) -> Serve:
    """Return a function that reads one request and answers it with these bytes."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        for part in parts:
            connection.sendall(part)

    return serve
