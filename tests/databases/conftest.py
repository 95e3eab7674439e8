"""A stand-in for a database, which answers as it is told and remembers what it was asked."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes


Body = bytes | Callable[[Asked], bytes]


@dataclass
class Database:
    """Answers by path; what is not told is 404."""

    answers: dict[str, tuple[int, dict[str, str], Body]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, body: Body | str = b"", status: int = 200, **headers: str) -> None:
        """Header names with _ for -. A body may be made of the request."""
        body = body.encode() if isinstance(body, str) else body
        self.answers[path] = status, {name.replace("_", "-"): value for name, value in headers.items()}, body


@pytest.fixture
def database() -> Iterator[Database]:
    told = Database()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            params = dict(parse_qsl(address.query))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, address.path, params, headers, body)
            told.asked.append(asked)
            status, extra, said = told.answers.get(address.path, (404, {}, b"not found"))
            content = said(asked) if callable(said) else said
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_port}"
    yield told
    server.shutdown()
    thread.join()
    server.server_close()
