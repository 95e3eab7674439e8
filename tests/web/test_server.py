"""The HTTP server on loopback, mostly with plain sockets as clients."""

import base64
import http.client
import logging
import os
import resource
import socket
import ssl
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Protocol

import bcrypt
import pytest
import trustme

from exporter.errors import ConfigError, ListenError
from exporter.web.auth import WebConfig
from exporter.web.connections import Connections, Limits
from exporter.web.server import Server
from exporter.web.types import Request, Response

from ..support.config_files import exactly
from ..support.deadlines import AT_ONCE, DEADLINE, until
from ..support.fuzz_requests import bear_requests

LOOPBACK = "127.0.0.1:0"
GET = b"GET / HTTP/1.1\r\n\r\n"
SLOW = b"GET /slow HTTP/1.1\r\n\r\n"
BIG = b"0123456789abcdef" * 2_000_000
TIMEOUT = DEADLINE / 2
"""How long clients wait in seconds: less than the limits of PATIENT."""

PATIENT = Limits(request_seconds=DEADLINE, response_seconds=DEADLINE, idle_seconds=DEADLINE)
"""Limits so long that slow clients would delay prompt ones, if they could."""

SHORT = 0.2
"""A limit in seconds that only a slow client meets."""

BEARABLE = 2.0
"""A limit that a prompt client stays within even on a busy machine."""


def echo(request: Request) -> Response:
    if request.path == "/missing":
        return Response(404, b"no such page\n", headers=(("X-Reason", "missing"),))
    if request.path == "/broken":
        raise RuntimeError("two\nlines")
    if request.path == "/big":
        return Response(200, BIG, "application/octet-stream")
    return Response(200, f"{request.method} {request.path} {dict(request.query)}".encode())


class Gate:
    """An application that delays every request to /slow until it is opened."""

    def __init__(self) -> None:
        self._entered = threading.Semaphore(0)
        self.opened = threading.Event()

    def __call__(self, request: Request) -> Response:
        if request.path == "/slow":
            self._entered.release()
            assert self.opened.wait(DEADLINE)
        return Response(200, b"passed")

    def wait_for_request(self) -> None:
        assert self._entered.acquire(timeout=DEADLINE)


class Connect(Protocol):
    """Connects a client, which may send something at once."""

    def __call__(self, server: Server, start: bytes = b"") -> socket.socket: ...


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(LOOPBACK, echo) as server:
        yield server


@pytest.fixture
def connect() -> Iterator[Connect]:
    with ExitStack() as stack:

        def connect_it(server: Server, start: bytes = b"") -> socket.socket:
            client = stack.enter_context(socket.create_connection(server.address, timeout=TIMEOUT))
            client.sendall(start)
            return client

        yield connect_it


@pytest.fixture
def tls(tmp_path: Path, authority: trustme.CA) -> WebConfig:
    issued = authority.issue_cert("127.0.0.1", "localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    path = tmp_path / "web.yaml"
    path.write_text("tls_server_config: {cert_file: server.pem, key_file: server.pem}")
    return WebConfig(path)


def everything(client: socket.socket) -> bytes:
    """Return what comes until the server closes or resets the connection."""
    received = bytearray()
    try:
        while block := client.recv(1 << 20):
            received += block
    except ConnectionResetError:
        pass
    return bytes(received)


def answer(client: socket.socket, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    with closing(http.client.HTTPResponse(client, method=method)) as response:
        response.begin()
        return response.status, dict(response.getheaders()), response.read()


def get(server: Server, path: str = "/", context: ssl.SSLContext | None = None) -> str:
    if context is None:
        connection = http.client.HTTPConnection(*server.address, timeout=TIMEOUT)
    else:
        connection = http.client.HTTPSConnection(*server.address, context=context, timeout=TIMEOUT)
    with closing(connection):
        connection.request("GET", path)
        with connection.getresponse() as response:
            return response.read().decode()


def open_connections(server: Server) -> int:
    return len(server._listener.connections._open)


# Addresses


@pytest.mark.parametrize(
    ("listen_address", "host", "url_host", "clients"),
    [
        (LOOPBACK, "127.0.0.1", "127.0.0.1", ["127.0.0.1"]),
        (":0", "::", "localhost", ["127.0.0.1", "::1"]),
        ("[::1]:0", "::1", "[::1]", ["::1"]),
        ("localhost:0", "127.0.0.1", "127.0.0.1", ["127.0.0.1"]),
    ],
)
def test_an_address_is_bound_and_served(listen_address: str, host: str, url_host: str, clients: list[str]) -> None:
    with Server(listen_address, echo) as server:
        port = server.address[1]
        assert server.address == (host, port)
        assert port > 0
        assert server.url == f"http://{url_host}:{port}"
        for client_host in clients:
            with socket.create_connection((client_host, port), timeout=TIMEOUT) as client:
                client.sendall(GET)
                assert answer(client)[2] == b"GET / {}"


def test_a_port_alone_is_ipv4_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with Server(":0", echo) as server:
        assert server.address[0] == "0.0.0.0"
        assert server.url == f"http://localhost:{server.address[1]}"
        assert get(server) == "GET / {}"


IN_USE = "the address is already in use; stop the other program or choose another address with"


def assert_cannot_listen(listen_address: str, problem: str) -> None:
    message = f"cannot listen on {listen_address}: {problem} --web.listen-address"
    with pytest.raises(ListenError, match=exactly(message)):
        Server(listen_address, echo)


def test_an_address_of_another_machine_is_refused() -> None:
    problem = "not an address of this machine; choose another, or :PORT for all addresses, with"
    assert_cannot_listen("192.0.2.1:0", problem)


def test_a_port_in_use_is_refused(server: Server) -> None:
    assert_cannot_listen(f"127.0.0.1:{server.address[1]}", IN_USE)


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (PermissionError(13, "Permission denied"), "permission denied; choose a port above 1023 with"),
        (socket.gaierror(-2, "Name not known"), "Name not known; choose another address with"),
        (OSError(97, "Address family not supported"), "Address family not supported; choose another address with"),
    ],
)
def test_other_errors_of_the_system_are_one_line(monkeypatch: pytest.MonkeyPatch, error: OSError, problem: str) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr("socketserver.TCPServer.server_bind", refuse)
    assert_cannot_listen("127.0.0.1:80", problem)


def test_an_invalid_address_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match=r"^--web\.listen-address: "):
        Server("10058", echo)


# Requests and responses


def test_the_application_gets_a_decoded_request(connect: Connect) -> None:
    seen: list[Request] = []

    def app(request: Request) -> Response:
        seen.append(request)
        return Response(200, b"ok")

    target = b"GET /a%20b%2Fc?collect[]=a&collect%5B%5D=b&empty=&plus=1+2&flag HTTP/1.1\r\n"
    with Server(LOOPBACK, app) as server:
        answer(connect(server, target + b"Host: x\r\nX-Twice: 1\r\nX-TWICE: 2\r\n\r\n"))
    assert seen == [
        Request(
            method="GET",
            path="/a b/c",
            query={"collect[]": ["a", "b"], "empty": [""], "plus": ["1 2"], "flag": [""]},
            headers={"host": "x", "x-twice": "1, 2"},
        )
    ]


@pytest.mark.parametrize(("method", "body"), [("GET", b"no such page\n"), ("HEAD", b"")])
def test_the_response_is_what_the_application_returns(
    server: Server, connect: Connect, method: str, body: bytes
) -> None:
    client = connect(server, f"{method} /missing HTTP/1.1\r\n\r\n".encode())
    status, headers, received = answer(client, method)
    assert (status, received) == (404, body)
    assert headers.pop("Date").endswith(" GMT")
    assert headers == {"Content-Type": "text/plain; charset=utf-8", "Content-Length": "13", "X-Reason": "missing"}
    client.sendall(GET)
    assert answer(client)[2] == b"GET / {}"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_other_methods_do_not_reach_the_application(connect: Connect, method: str) -> None:
    def app(request: Request) -> Response:
        raise AssertionError

    with Server(LOOPBACK, app) as server:
        status, headers, body = answer(connect(server, f"{method} /metrics HTTP/1.1\r\n\r\n".encode()))
    assert (status, headers["Allow"], body) == (405, "GET, HEAD", b"405 Method Not Allowed\n")


@pytest.mark.parametrize(
    ("request_bytes", "status", "text"),
    [
        (b"nonsense\r\n\r\n", 400, b"400 Bad Request: malformed request line\n"),
        (b"GET / HTTP/2.0\r\n\r\n", 505, b"505 HTTP Version Not Supported\n"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414, b"414 Request-URI Too Long\n"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 150 + b"\r\n", 431, b"431 Request Header Fields Too Large\n"),
    ],
)
def test_a_bad_request_gets_plain_text_and_is_closed(
    server: Server, connect: Connect, request_bytes: bytes, status: int, text: bytes
) -> None:
    got, headers, body = answer(connect(server, request_bytes))
    assert (got, headers["Connection"]) == (status, "close")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert body == text


def test_fuzzed_requests_leave_the_server_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def app(request: Request) -> Response:
        seen.append(request.path)
        return Response(200, b"ok")

    with caplog.at_level(logging.INFO), Server(LOOPBACK, app) as server:
        bear_requests(server, seen, 1, number=100)
        tracemalloc.start()
        try:
            bear_requests(server, seen, 2, number=100)
            before = tracemalloc.get_traced_memory()[0]
            bear_requests(server, seen, 3, number=1000)
            until(lambda: open_connections(server) == 0)
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert get(server) == "ok"
    assert caplog.messages == []
    assert grown < 200_000


def test_an_absolute_target_is_reduced_to_its_path(server: Server, connect: Connect) -> None:
    assert answer(connect(server, b"GET http://host/page?a=1 HTTP/1.1\r\n\r\n"))[2] == b"GET /page {'a': ['1']}"


def test_a_failing_application_is_a_500_and_one_log_line(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert get(server, "/broken") == "500 Internal Server Error\n"
        assert get(server, "/fine") == "GET /fine {}"
    assert [(record.name, record.getMessage(), bool(record.exc_info)) for record in caplog.records] == [
        ("exporter.web", "GET '/broken' failed: RuntimeError: two lines", False)
    ]


def test_requests_are_only_logged_for_debugging(
    server: Server, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO):
        get(server)
    assert caplog.messages == []
    with caplog.at_level(logging.DEBUG, "exporter.web"):
        get(server)
        until(lambda: any(record.name == "exporter.web" for record in caplog.records))
    assert capfd.readouterr() == ("", "")


# Connections


def test_requests_on_one_connection_are_answered_in_order(server: Server, connect: Connect) -> None:
    client = connect(server)
    for path in ("/1", "/2"):
        client.sendall(f"GET {path} HTTP/1.1\r\n\r\n".encode())
        status, headers, body = answer(client)
        assert (status, body) == (200, f"GET {path} {{}}".encode())
        assert "Connection" not in headers
    client.sendall(b"GET /3 HTTP/1.1\r\n\r\nGET /4 HTTP/1.1\r\nConnection: close\r\n\r\n")
    received = everything(client)
    assert received.index(b"GET /3 {}") < received.index(b"GET /4 {}")


@pytest.mark.parametrize(
    ("request_bytes", "connection"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", "close"),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive"),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "close"),
    ],
)
def test_the_client_is_told_whether_the_connection_stays(
    server: Server, connect: Connect, request_bytes: bytes, connection: str
) -> None:
    assert answer(connect(server, request_bytes))[1]["Connection"] == connection


@pytest.mark.parametrize(("method", "expected"), [("GET", 200), ("POST", 405)])
@pytest.mark.parametrize(
    "header",
    ["Content-Length: 4000000", "Transfer-Encoding: chunked", "Expect: 100-continue\r\nContent-Length: 4000000"],
)
def test_a_body_is_not_read_and_the_client_is_answered(
    server: Server, connect: Connect, method: str, expected: int, header: str
) -> None:
    client = connect(server, f"{method} / HTTP/1.1\r\n{header}\r\n\r\n".encode() + b"x" * 4_000_000)
    status, headers, _ = answer(client)
    assert (status, headers["Connection"]) == (expected, "close")
    assert everything(client) == b""


def test_a_client_that_waits_to_send_its_body_is_answered(server: Server, connect: Connect) -> None:
    client = connect(server, b"POST / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert client.recv(12) == b"HTTP/1.1 405"


def test_forty_requests_at_once_are_all_answered(gate: Gate) -> None:
    with Server(LOOPBACK, gate) as server, ThreadPoolExecutor(40) as pool:
        answers = [pool.submit(get, server, "/slow") for _ in range(40)]
        for _ in range(40):
            gate.wait_for_request()
        gate.opened.set()
        assert [one.result() for one in answers] == ["passed"] * 40


# Clients that are silent or slow


@pytest.mark.slow
@pytest.mark.parametrize(("start", "is_secure"), [(b"", False), (b"GET /big HTTP/1.1\r\n\r\n", False), (b"", True)])
def test_slow_clients_do_not_delay_others(
    tls: WebConfig, trusting: ssl.SSLContext, connect: Connect, start: bytes, *, is_secure: bool
) -> None:
    with Server(LOOPBACK, echo, tls if is_secure else None, limits=PATIENT) as server:
        for _ in range(20):
            connect(server, start)
        assert get(server, "/prompt", trusting if is_secure else None) == "GET /prompt {}"


@pytest.mark.parametrize("is_secure", [False, True])
def test_silent_clients_are_cut_off(tls: WebConfig, connect: Connect, *, is_secure: bool) -> None:
    limits = Limits(request_seconds=SHORT)
    with Server(LOOPBACK, echo, tls if is_secure else None, limits=limits) as server:
        silent = [connect(server) for _ in range(20)]
        assert [everything(one) for one in silent] == [b""] * 20


def test_a_client_that_is_silent_after_the_handshake_is_cut_off(
    tls: WebConfig, trusting: ssl.SSLContext, connect: Connect
) -> None:
    with (
        Server(LOOPBACK, echo, tls, limits=Limits(request_seconds=BEARABLE)) as server,
        trusting.wrap_socket(connect(server), server_hostname="127.0.0.1") as client,
    ):
        assert everything(client) == b""


def assert_is_cut_off_while_it_trickles(client: socket.socket, start: bytes) -> None:
    """Send a byte every 20 ms, the last one repeatedly, until the server closes."""
    client.settimeout(0.02)
    end = time.monotonic() + DEADLINE
    sent = 0
    while time.monotonic() < end:
        try:
            client.sendall(start[sent : sent + 1] or start[-1:])
            sent += 1
            if client.recv(1) == b"":
                return
        except TimeoutError:
            continue
        except (BrokenPipeError, ConnectionResetError):
            return
    pytest.fail("was not cut off")


HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03a"


@pytest.mark.parametrize(
    ("start", "rest", "is_secure"),
    [(b"", b"GET /trickle", False), (b"GET / HTTP/1.1\r\n", b"Host: x", False), (b"", HELLO, True)],
    ids=["line", "headers", "handshake"],
)
def test_a_client_that_sends_byte_by_byte_is_cut_off(
    tls: WebConfig, connect: Connect, start: bytes, rest: bytes, *, is_secure: bool
) -> None:
    seen: list[Request] = []

    def app(request: Request) -> Response:
        seen.append(request)
        return Response(200, b"")

    with Server(LOOPBACK, app, tls if is_secure else None, limits=Limits(request_seconds=SHORT)) as server:
        assert_is_cut_off_while_it_trickles(connect(server, start), rest)
    assert seen == []


def test_a_second_request_byte_by_byte_is_cut_off(connect: Connect) -> None:
    with Server(LOOPBACK, echo, limits=Limits(request_seconds=BEARABLE)) as server:
        client = connect(server, GET)
        assert answer(client)[2] == b"GET / {}"
        assert_is_cut_off_while_it_trickles(client, b"GET /trickle")


def test_a_client_that_does_not_read_is_cut_off(connect: Connect) -> None:
    with Server(LOOPBACK, echo, limits=Limits(response_seconds=SHORT)) as server:
        slow = connect(server, b"GET /big HTTP/1.1\r\n\r\n")
        until(lambda: open_connections(server) == 1)
        until(lambda: open_connections(server) == 0)
        assert len(everything(slow)) < len(BIG)


def test_a_client_that_reads_bit_by_bit_is_cut_off(tls: WebConfig, trusting: ssl.SSLContext, connect: Connect) -> None:
    with (
        Server(LOOPBACK, echo, tls, limits=Limits(response_seconds=SHORT)) as server,
        trusting.wrap_socket(connect(server), server_hostname="127.0.0.1") as slow,
    ):
        slow.sendall(b"GET /big HTTP/1.1\r\n\r\n")
        until(lambda: open_connections(server) == 0 or not slow.recv(1000))


def test_a_client_that_reads_gets_a_big_response(server: Server) -> None:
    assert get(server, "/big").encode() == BIG


def test_an_idle_connection_is_closed_after_its_limit(connect: Connect) -> None:
    with Server(LOOPBACK, echo, limits=Limits(idle_seconds=SHORT)) as server:
        client = connect(server, GET)
        assert answer(client)[2] == b"GET / {}"
        assert everything(client) == b""


def test_clients_that_disconnect_are_not_logged(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for start in (b"", b"GET", b"GET / HTTP/1.1\r\nHo", b"GET /big HTTP/1.1\r\n\r\n"):
            with socket.create_connection(server.address, timeout=TIMEOUT) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.sendall(start)
        until(lambda: open_connections(server) == 0)
        assert get(server) == "GET / {}"
    assert caplog.messages == []


# The limit on connections


def test_the_oldest_idle_connection_makes_room_for_a_new_one(gate: Gate, connect: Connect) -> None:
    with Server(LOOPBACK, gate, limits=Limits(connections=3)) as server:
        busy = connect(server, SLOW)
        gate.wait_for_request()
        oldest, younger = connect(server), connect(server)
        assert get(server) == "passed"
        assert everything(oldest) == b""
        gate.opened.set()
        for client in (busy, younger):
            client.sendall(GET)
            assert answer(client)[2] == b"passed"


def test_a_new_client_gets_503_if_all_are_busy(gate: Gate, connect: Connect) -> None:
    with Server(LOOPBACK, gate, limits=Limits(connections=2)) as server:
        for _ in range(2):
            connect(server, SLOW)
            gate.wait_for_request()
        status, headers, body = answer(connect(server, GET))
        assert (status, headers["Connection"]) == (503, "close")
        assert body == b"503 Service Unavailable: too many connections\n"
        gate.opened.set()
        until(lambda: get(server) == "passed")


def test_what_comes_first_is_answered_if_all_are_busy(tmp_path: Path, gate: Gate, connect: Connect) -> None:
    stored = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yaml").write_text(f"basic_auth_users: {{me: {stored}}}")
    slow = SLOW.replace(b"\r\n\r\n", b"\r\nAuthorization: Basic %s\r\n\r\n" % base64.b64encode(b"me:right"))
    with Server(LOOPBACK, gate, WebConfig(tmp_path / "web.yaml"), limits=Limits(connections=1)) as server:
        connect(server, slow)
        gate.wait_for_request()
        requests = {
            b"GET /-/healthy HTTP/1.1\r\n\r\n": 200,
            slow.replace(b"/slow", b"/prompt"): 200,
            slow.replace(b"/slow", b"/prompt").replace(b"Basic ", b"Basic b"): 503,
            GET: 503,
        }
        got = {request: answer(connect(server, request)) for request in requests}
        assert {request: status for request, (status, *_) in got.items()} == requests
        assert {headers["Connection"] for _, headers, _ in got.values()} == {"close"}


def test_silent_clients_beyond_the_limit_do_not_pile_up(gate: Gate, connect: Connect) -> None:
    with Server(LOOPBACK, gate, limits=Limits(connections=1)) as server:
        busy = connect(server, SLOW)
        gate.wait_for_request()
        silent = [connect(server) for _ in range(30)]
        assert everything(silent[0]) == b""
        assert answer(connect(server, GET))[0] == 503
        until(lambda: open_connections(server) <= 17)
        gate.opened.set()
        assert answer(busy)[2] == b"passed"


def test_no_client_is_admitted_if_the_spare_ones_are_busy() -> None:
    connections = Connections(Limits(connections=1))
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(18)]
        for one in sockets[:17]:
            assert connections.admit(one)
            connections.enter(connections[one], 5, busy=True)
        assert not connections.admit(sockets[17])
        connections.discard(sockets[0])
        assert connections.admit(sockets[17])


def test_a_client_that_is_not_admitted_is_closed(
    server: Server, monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    monkeypatch.setattr(Connections, "admit", lambda *_: False)
    assert everything(connect(server)) == b""


def test_three_hundred_silent_clients_leave_room_for_a_scrape(server: Server, connect: Connect) -> None:
    silent = [connect(server) for _ in range(300)]
    assert get(server) == "GET / {}"
    assert everything(silent[0]) == b""
    until(lambda: open_connections(server) <= 256)


def test_the_server_survives_a_lack_of_file_descriptors(server: Server, connect: Connect) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as client:
        client.settimeout(TIMEOUT)
        silent = connect(server)
        until(lambda: open_connections(server) == 1)
        fillers = [os.open(os.devnull, os.O_RDONLY) for _ in range(3)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(fillers), hard))
        try:
            client.connect(server.address)
            assert everything(silent) == b""
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for filler in fillers:
                os.close(filler)
        client.sendall(GET)
        assert answer(client)[2] == b"GET / {}"


def test_a_thread_that_cannot_start_costs_one_connection(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, connect: Connect
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        assert everything(connect(server)) == b""
    assert get(server) == "GET / {}"
    assert len(caplog.messages) == 1
    assert caplog.messages[0].endswith(" failed: RuntimeError: can't start new thread")


# Stopping


def test_stop_returns_at_once_and_closes_every_connection(gate: Gate, connect: Connect) -> None:
    with Server(LOOPBACK, gate) as server:
        silent, idle, busy = connect(server), connect(server, GET), connect(server, SLOW)
        answer(idle)
        gate.wait_for_request()
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < AT_ONCE
        assert [everything(client) for client in (silent, idle, busy)] == [b"", b"", b""]
        with pytest.raises(ConnectionRefusedError):
            connect(server)
        gate.opened.set()
        until(lambda: open_connections(server) == 0)


def test_stop_lets_a_response_finish_that_is_nearly_done(gate: Gate, connect: Connect) -> None:
    with Server(LOOPBACK, gate) as server:
        client, silent = connect(server, SLOW), connect(server)
        gate.wait_for_request()
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        assert everything(silent) == b""
        gate.opened.set()
        assert answer(client)[2] == b"passed"
        assert everything(client) == b""
        stopping.join()


def test_a_server_that_was_never_started_frees_its_port() -> None:
    server = Server(LOOPBACK, echo)
    server.stop()
    server.stop()
    with Server(f"127.0.0.1:{server.address[1]}", echo) as next_one:
        assert get(next_one) == "GET / {}"


def test_no_thread_is_left_behind() -> None:
    before = set(threading.enumerate())
    with Server(LOOPBACK, echo) as server:
        get(server)
        assert {"web", "web-deadlines"} <= {thread.name for thread in set(threading.enumerate()) - before}
    until(lambda: set(threading.enumerate()) <= before)


# TLS


def test_tls_serves_and_keeps_the_connection(tls: WebConfig, trusting: ssl.SSLContext, connect: Connect) -> None:
    with (
        Server(LOOPBACK, echo, tls) as server,
        trusting.wrap_socket(connect(server), server_hostname="127.0.0.1") as client,
    ):
        assert server.url == f"https://127.0.0.1:{server.address[1]}"
        for _ in range(2):
            client.sendall(GET)
            assert answer(client)[2] == b"GET / {}"


def test_clear_text_on_the_tls_port_gets_no_response(
    tls: WebConfig, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with Server(LOOPBACK, echo, tls) as server:
        assert b"GET / {}" not in everything(connect(server, GET))
    assert caplog.messages == []


def test_stop_is_quick_and_never_drops_tls(
    tls: WebConfig, trusting: ssl.SSLContext, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[object] = []
    monkeypatch.setattr(ssl.SSLSocket, "shutdown", lambda *arguments: dropped.append(arguments))
    with Server(LOOPBACK, echo, tls) as server:
        silent = connect(server)
        with trusting.wrap_socket(connect(server), server_hostname="127.0.0.1") as idle:
            began = time.monotonic()
            server.stop()
            assert time.monotonic() - began < AT_ONCE
            assert [everything(client) for client in (silent, idle)] == [b"", b""]
    assert dropped == []
