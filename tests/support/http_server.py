"""A small HTTP server on loopback whose answers a test decides."""

import gzip
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request. Header names are in lower case."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @cached_property
    def lines(self) -> list[Any]:
        """The JSON lines of a compressed body. Lines that are not JSON are left out."""
        lines = []
        if self.headers.get("content-encoding") == "gzip":
            for line in gzip.decompress(self.body).splitlines():
                with suppress(ValueError):
                    lines.append(json.loads(line))
        return lines


Answer = tuple[int, Mapping[str, str], bytes | str]
"""Status, headers and body. Content-Length is added unless it is given."""


class _QuietServer(ThreadingHTTPServer):
    """A server that says nothing about clients that leave early."""

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the standard library
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(answer: Callable[[Asked], Answer]) -> Iterator[str]:
    """Serve answers until the end of the block and yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, address.path, dict(parse_qsl(address.query)), headers, body)
            status, extra, text = answer(asked)
            content = text.encode() if isinstance(text, str) else text
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = _QuietServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
