"""The HTTP server on loopback, with plain sockets as clients where a polite library would hide what happens."""

import http.client
import logging
import os
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import requests
import trustme

from exporter.errors import ConfigError, ListenError
from exporter.web.auth import WebConfig, load_web_config
from exporter.web.connections import Connections, Limits
from exporter.web.server import Server
from exporter.web.types import Request, Response

from ..support.deadlines import AT_ONCE, DEADLINE

LOOPBACK = "127.0.0.1:0"
QUICK = Limits(request_seconds=0.2, response_seconds=0.2, idle_seconds=0.2)
BIG = b"0123456789abcdef" * 2_000_000


def echo(request: Request) -> Response:
    if request.path == "/missing":
        return Response(404, b"no such page\n", headers=(("X-Reason", "missing"),))
    if request.path == "/broken":
        raise RuntimeError("two\nlines")
    if request.path == "/big":
        return Response(200, BIG, "application/octet-stream")
    return Response(200, f"{request.method} {request.path} {dict(request.query)}".encode())


class Gate:
    """An application that holds every request to /slow until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()

    def __call__(self, request: Request) -> Response:
        if request.path == "/slow":
            self.entered.release()
            assert self.opened.wait(5)
        return Response(200, b"passed")


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture
def clients() -> Iterator[Callable[[Server], socket.socket]]:
    with ExitStack() as stack:

        def connect(server: Server) -> socket.socket:
            return stack.enter_context(socket.create_connection(server.address, timeout=5))

        yield connect


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(tmp_path: Path, authority: trustme.CA) -> WebConfig:
    issued = authority.issue_cert("127.0.0.1", "localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    path = tmp_path / "web.yaml"
    path.write_text("tls_server_config: {cert_file: server.pem, key_file: server.pem}")
    return load_web_config(path)


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def everything(client: socket.socket) -> bytes:
    """What comes until the server closes, which may also be by a reset."""
    received = bytearray()
    try:
        while block := client.recv(1 << 20):
            received += block
    except ConnectionResetError:
        pass
    return bytes(received)


def exchange(server: Server, request: bytes) -> tuple[int, dict[str, str], bytes]:
    with socket.create_connection(server.address, timeout=5) as client:
        client.sendall(request)
        return answer(client)


def answer(client: socket.socket, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    with closing(http.client.HTTPResponse(client, method=method)) as response:
        response.begin()
        return response.status, dict(response.getheaders()), response.read()


def get(server: Server, path: str = "/") -> str:
    return requests.get(server.url + path, timeout=5).text


def closes_within(client: socket.socket) -> float:
    """Seconds until the server closes."""
    began = time.monotonic()
    client.settimeout(2 * AT_ONCE)
    everything(client)
    return time.monotonic() - began


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


# Addresses


def test_port_zero_binds_a_free_port_and_tells_which() -> None:
    with Server(LOOPBACK, echo) as server:
        host, port = server.address
        assert host == "127.0.0.1"
        assert port > 0
        assert server.url == f"http://127.0.0.1:{port}"
        assert get(server) == "GET / {}"


def test_a_bare_port_serves_ipv4_and_ipv6_under_a_url_that_a_person_can_open() -> None:
    with Server(":0", echo) as server:
        host, port = server.address
        assert host == "::"
        assert server.url == f"http://localhost:{port}"
        for address in ("127.0.0.1", "::1"):
            with socket.create_connection((address, port), timeout=5) as client:
                client.sendall(b"GET /both HTTP/1.1\r\nHost: x\r\n\r\n")
                assert answer(client)[2] == b"GET /both {}"


def test_a_bare_port_serves_ipv4_where_there_is_no_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with Server(":0", echo) as server:
        assert server.address[0] == "0.0.0.0"
        assert server.url == f"http://localhost:{server.address[1]}"
        assert get(server) == "GET / {}"


def test_an_ipv6_address_in_brackets_is_served() -> None:
    with Server("[::1]:0", echo) as server:
        assert server.address[0] == "::1"
        assert server.url == f"http://[::1]:{server.address[1]}"
        assert get(server) == "GET / {}"


def test_localhost_means_ipv4() -> None:
    with Server("localhost:0", echo) as server:
        assert server.address[0] == "127.0.0.1"


def test_a_port_in_use_says_what_to_do() -> None:
    with Server(LOOPBACK, echo) as first:
        taken = f"127.0.0.1:{first.address[1]}"
        with pytest.raises(ListenError) as caught:
            Server(taken, echo)
    assert str(caught.value) == (
        f"cannot listen on {taken}: the address is already in use; "
        "stop the other program or choose another with --web.listen-address"
    )


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ListenError) as caught:
        Server("192.0.2.1:0", echo)
    assert str(caught.value) == (
        "cannot listen on 192.0.2.1:0: it is not an address of this machine; "
        "choose another, or only :PORT for all, with --web.listen-address"
    )


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (PermissionError(13, "Permission denied"), "permission denied; choose a port above 1023 with"),
        (OSError(97, "Address family not supported"), "Address family not supported; choose another address with"),
    ],
)
def test_other_refusals_of_the_system_are_one_line(
    monkeypatch: pytest.MonkeyPatch, error: OSError, problem: str
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr("socketserver.TCPServer.server_bind", refuse)
    with pytest.raises(ListenError) as caught:
        Server("127.0.0.1:80", echo)
    assert str(caught.value) == f"cannot listen on 127.0.0.1:80: {problem} --web.listen-address"


@pytest.mark.parametrize("host", ["no such host", "a..b", "a\0b"])
def test_a_host_that_cannot_be_resolved_is_refused(host: str) -> None:
    with pytest.raises(ListenError) as caught:
        Server(f"{host}:0", echo)
    assert str(caught.value) == (
        f"cannot listen on {host}:0: the host name cannot be resolved; "
        "choose an address of this machine with --web.listen-address"
    )


@pytest.mark.parametrize("text", ["", "10058", "localhost", "localhost:", ":http", ":65536", ":-1", "::1:9", ":²"])
def test_text_that_is_no_address_is_a_mistake_in_the_configuration(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Server(text, echo)
    assert str(caught.value) == f"{text!r} is no address to listen on: write HOST:PORT, :PORT or [IPv6]:PORT"


# Requests and responses


def test_get_reaches_the_application_with_decoded_path_and_every_query_value() -> None:
    seen: list[Request] = []

    def app(request: Request) -> Response:
        seen.append(request)
        return Response(200, b"ok")

    with Server(LOOPBACK, app) as server:
        exchange(
            server,
            b"GET /a%20b%2Fc?collect[]=a&collect%5B%5D=b&empty=&plus=1+2&flag HTTP/1.1\r\n"
            b"Host: x\r\nX-Twice: 1\r\nX-TWICE: 2\r\n\r\n",
        )
    assert seen == [
        Request(
            method="GET",
            path="/a b/c",
            query={"collect[]": ["a", "b"], "empty": [""], "plus": ["1 2"], "flag": [""]},
            headers={"host": "x", "x-twice": "1, 2"},
        )
    ]


def test_the_whole_response_is_what_the_application_gave() -> None:
    with Server(LOOPBACK, echo) as server:
        status, headers, body = exchange(server, b"GET /missing HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (status, body) == (404, b"no such page\n")
    assert headers.pop("Date").endswith(" GMT")
    assert headers == {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": "13",
        "X-Reason": "missing",
    }


def test_head_gives_the_headers_of_get_without_the_body() -> None:
    with Server(LOOPBACK, echo) as server, socket.create_connection(server.address, timeout=5) as client:
        client.sendall(b"HEAD /missing HTTP/1.1\r\nHost: x\r\n\r\n")
        status, headers, body = answer(client, "HEAD")
        assert (status, headers["Content-Length"], headers["X-Reason"], body) == (404, "13", "missing", b"")
        client.sendall(b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer(client)[2] == b"GET /next {}"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_other_methods_are_refused_without_asking_the_application(method: str) -> None:
    def app(request: Request) -> Response:
        raise AssertionError

    with Server(LOOPBACK, app) as server:
        status, headers, body = exchange(server, f"{method} /metrics HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (status, headers["Allow"], body) == (405, "GET, HEAD", b"405 Method Not Allowed\n")


@pytest.mark.parametrize(
    ("request_bytes", "status", "text"),
    [
        (b"nonsense\r\n\r\n", 400, b"400 Bad Request: Bad request syntax ('nonsense')\n"),
        (b"GET / HTTP/x\r\n\r\n", 400, b"400 Bad Request: Bad request version ('HTTP/x')\n"),
        (b"GET /\r\n\r\n", 400, b"400 Bad Request\n"),
        (b"GET metrics HTTP/1.1\r\n\r\n", 400, b"400 Bad Request\n"),
        (b"GET http://[ HTTP/1.1\r\n\r\n", 400, b"400 Bad Request\n"),
        (b"GET / HTTP/2.0\r\n\r\n", 505, b"505 HTTP Version Not Supported: Invalid HTTP version (2.0)\n"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414, b"414 Request-URI Too Long\n"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 150 + b"\r\n", 431, b"431 Request Header Fields Too Large"),
    ],
)
def test_a_bad_request_gets_plain_text_and_the_connection_is_closed(
    request_bytes: bytes, status: int, text: bytes
) -> None:
    with Server(LOOPBACK, echo) as server:
        got, headers, body = exchange(server, request_bytes)
    assert (got, headers["Connection"]) == (status, "close")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert body.startswith(text)


def test_an_absolute_target_is_reduced_to_its_path() -> None:
    with Server(LOOPBACK, echo) as server:
        assert exchange(server, b"GET http://host/page?a=1 HTTP/1.1\r\n\r\n")[2] == b"GET /page {'a': ['1']}"


def test_a_failing_application_is_a_500_and_one_logged_line_and_the_server_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Server(LOOPBACK, echo) as server, caplog.at_level(logging.INFO):
        status, _, body = exchange(server, b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (status, body) == (500, b"500 Internal Server Error\n")
        assert get(server, "/fine") == "GET /fine {}"
    assert [(record.name, record.getMessage(), bool(record.exc_info)) for record in caplog.records] == [
        ("exporter.web", "GET '/broken' failed: RuntimeError: two lines", False)
    ]


def test_requests_are_logged_for_debugging_only(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with Server(LOOPBACK, echo) as server:
        with caplog.at_level(logging.INFO):
            get(server)
        assert caplog.messages == []
        with caplog.at_level(logging.DEBUG, "exporter.web"):
            get(server)
            until(lambda: any(record.name == "exporter.web" for record in caplog.records))
    assert capfd.readouterr() == ("", "")


# Connections


def test_a_connection_is_kept_and_used_again() -> None:
    with Server(LOOPBACK, echo) as server, socket.create_connection(server.address, timeout=5) as client:
        for number in range(3):
            client.sendall(f"GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            status, headers, body = answer(client)
            assert (status, body) == (200, f"GET /{number} {{}}".encode())
            assert "Connection" not in headers


def test_requests_that_were_sent_ahead_are_answered_in_their_order() -> None:
    with Server(LOOPBACK, echo) as server, socket.create_connection(server.address, timeout=5) as client:
        client.sendall(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\nConnection: close\r\n\r\n")
        received = everything(client)
    assert received.index(b"GET /1 {}") < received.index(b"GET /2 {}")


@pytest.mark.parametrize(
    ("request_bytes", "connection"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", "close"),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive"),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "close"),
    ],
)
def test_the_client_is_told_whether_the_connection_stays(request_bytes: bytes, connection: str) -> None:
    with Server(LOOPBACK, echo) as server:
        assert exchange(server, request_bytes)[1]["Connection"] == connection


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("header", ["Content-Length: 4000000", "Transfer-Encoding: chunked", "Expect: 100-continue"])
def test_a_body_is_not_read_and_the_client_still_gets_its_answer(method: str, header: str) -> None:
    extra = "Content-Length: 4000000\r\n" if header.startswith("Expect") else ""
    with Server(LOOPBACK, echo) as server, socket.create_connection(server.address, timeout=5) as client:
        client.sendall(f"{method} / HTTP/1.1\r\nHost: x\r\n{header}\r\n{extra}\r\n".encode() + b"x" * 4_000_000)
        status, headers, _ = answer(client)
        assert status == (200 if method == "GET" else 405)
        assert headers["Connection"] == "close"
        assert everything(client) == b""


def test_a_client_that_asks_before_sending_its_body_gets_the_final_answer_at_once() -> None:
    with Server(LOOPBACK, echo) as server, socket.create_connection(server.address, timeout=5) as client:
        client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 405"


def test_forty_requests_at_once_are_all_answered(gate: Gate) -> None:
    with Server(LOOPBACK, gate) as server, ThreadPoolExecutor(40) as pool:
        answers = [pool.submit(get, server, "/slow") for _ in range(40)]
        for _ in range(40):
            assert gate.entered.acquire(timeout=5)
        gate.opened.set()
        assert [one.result() for one in answers] == ["passed"] * 40


# Clients that are silent or slow


def test_silent_clients_are_closed_in_time_and_keep_nobody_waiting(clients: Callable[[Server], socket.socket]) -> None:
    with Server(LOOPBACK, echo, limits=QUICK) as server:
        silent = [clients(server) for _ in range(20)]
        assert get(server, "/prompt") == "GET /prompt {}"
        assert closes_within(silent[0]) < AT_ONCE
        assert [everything(one) for one in silent] == [b""] * 20


def test_silent_clients_of_a_tls_server_are_closed_in_time_and_keep_nobody_waiting(
    tls: WebConfig, trusting: ssl.SSLContext, clients: Callable[[Server], socket.socket]
) -> None:
    with Server(LOOPBACK, echo, tls, limits=QUICK) as server:
        silent = [clients(server) for _ in range(20)]
        assert secure_get(server, trusting) == b"GET / {}"
        assert closes_within(silent[0]) < AT_ONCE
        assert [everything(one) for one in silent] == [b""] * 20


def test_a_tls_client_that_is_silent_after_the_handshake_is_closed_in_time(
    tls: WebConfig, trusting: ssl.SSLContext, clients: Callable[[Server], socket.socket]
) -> None:
    with (
        Server(LOOPBACK, echo, tls, limits=QUICK) as server,
        trusting.wrap_socket(clients(server), server_hostname="127.0.0.1") as client,
    ):
        assert closes_within(client) < AT_ONCE


def trickle(client: socket.socket, data: bytes) -> float:
    """Seconds until the server has had enough of a byte every 20 ms."""
    began = time.monotonic()
    client.settimeout(0.02)
    for byte in data:
        try:
            client.sendall(bytes([byte]))
            if client.recv(1) == b"":
                break
        except TimeoutError:
            continue
        except (BrokenPipeError, ConnectionResetError):
            break
    return time.monotonic() - began


@pytest.mark.parametrize(
    "start", [b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["line", "headers", "second"]
)
def test_a_client_that_sends_byte_by_byte_is_cut_off_without_reaching_the_application(start: bytes) -> None:
    seen = []

    def app(request: Request) -> Response:
        seen.append(request.path)
        return Response(200, b"")

    is_second = start.endswith(b"\r\n\r\n")
    with (
        Server(LOOPBACK, app, limits=Limits(request_seconds=0.2)) as server,
        socket.create_connection(server.address, timeout=5) as client,
    ):
        client.sendall(start)
        if is_second:
            answer(client)
        assert 0.1 < trickle(client, b"GET /trickle" + b"a" * 500) < AT_ONCE
    assert seen == (["/"] if is_second else [])


def test_a_tls_handshake_byte_by_byte_is_cut_off(tls: WebConfig, clients: Callable[[Server], socket.socket]) -> None:
    with Server(LOOPBACK, echo, tls, limits=QUICK) as server:
        assert 0.1 < trickle(clients(server), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 400) < AT_ONCE


def test_a_client_that_does_not_take_its_answer_is_cut_off_and_keeps_nobody_waiting(
    clients: Callable[[Server], socket.socket],
) -> None:
    with Server(LOOPBACK, echo, limits=QUICK) as server:
        slow = clients(server)
        slow.sendall(b"GET /big HTTP/1.1\r\n\r\n")
        assert get(server, "/prompt") == "GET /prompt {}"
        until(lambda: not server._listener.connections._open)
        assert len(everything(slow)) < len(BIG)


def test_a_client_that_takes_its_answer_bit_by_bit_is_cut_off(
    tls: WebConfig, trusting: ssl.SSLContext, clients: Callable[[Server], socket.socket]
) -> None:
    limits = Limits(response_seconds=0.2)
    with (
        Server(LOOPBACK, echo, tls, limits=limits) as server,
        trusting.wrap_socket(clients(server), server_hostname="127.0.0.1") as slow,
    ):
        slow.sendall(b"GET /big HTTP/1.1\r\n\r\n")
        began = time.monotonic()
        while server._listener.connections._open or time.monotonic() - began < 0.1:
            slow.recv(1000)
            time.sleep(0.005)
            assert time.monotonic() - began < AT_ONCE


def test_a_big_answer_reaches_a_client_that_takes_it() -> None:
    with Server(LOOPBACK, echo) as server:
        assert requests.get(server.url + "/big", timeout=5).content == BIG


def test_an_idle_connection_is_closed_after_its_time(clients: Callable[[Server], socket.socket]) -> None:
    with Server(LOOPBACK, echo, limits=Limits(idle_seconds=0.2)) as server:
        client = clients(server)
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        answer(client)
        assert 0.1 < closes_within(client) < AT_ONCE


def test_clients_that_leave_at_any_moment_cause_no_log_line(caplog: pytest.LogCaptureFixture) -> None:
    with Server(LOOPBACK, echo) as server, caplog.at_level(logging.INFO):
        for start in (b"", b"GET", b"GET / HTTP/1.1\r\nHo", b"GET /big HTTP/1.1\r\n\r\n"):
            with socket.create_connection(server.address, timeout=5) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.sendall(start)
        until(lambda: not server._listener.connections._open)
        assert get(server) == "GET / {}"
    assert caplog.messages == []


# The cap on connections


def test_the_oldest_connection_that_is_not_answering_makes_room_for_a_new_one(
    gate: Gate, clients: Callable[[Server], socket.socket]
) -> None:
    with Server(LOOPBACK, gate, limits=Limits(connections=3)) as server:
        busy = clients(server)
        busy.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
        assert gate.entered.acquire(timeout=5)
        oldest, younger = clients(server), clients(server)
        assert get(server) == "passed"
        assert everything(oldest) == b""
        gate.opened.set()
        for client in (busy, younger):
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert answer(client)[2] == b"passed"


def test_a_newcomer_is_told_503_when_everybody_is_busy(gate: Gate, clients: Callable[[Server], socket.socket]) -> None:
    with Server(LOOPBACK, gate, limits=Limits(connections=2)) as server:
        for busy in (clients(server), clients(server)):
            busy.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
            assert gate.entered.acquire(timeout=5)
        status, headers, body = exchange(server, b"GET / HTTP/1.1\r\n\r\n")
        assert (status, headers["Connection"]) == (503, "close")
        assert body == b"503 Service Unavailable: too many connections\n"
        gate.opened.set()
        deadline = time.monotonic() + 5
        while get(server) != "passed":
            assert time.monotonic() < deadline


def test_silent_newcomers_beyond_the_cap_do_not_pile_up(gate: Gate, clients: Callable[[Server], socket.socket]) -> None:
    with Server(LOOPBACK, gate, limits=Limits(connections=1)) as server:
        busy = clients(server)
        busy.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
        assert gate.entered.acquire(timeout=5)
        silent = [clients(server) for _ in range(30)]
        assert everything(silent[0]) == b""
        assert exchange(server, b"GET / HTTP/1.1\r\n\r\n")[0] == 503
        until(lambda: len(server._listener.connections._open) <= 17)
        gate.opened.set()
        assert answer(busy)[2] == b"passed"


def test_a_newcomer_is_hung_up_on_when_even_the_spare_connections_are_busy() -> None:
    connections = Connections(Limits(connections=1))
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(18)]
        for one in sockets[:17]:
            assert connections.admit(one)
            connections.enter(connections[one], 5, busy=True)
        assert not connections.admit(sockets[17])
        connections.discard(sockets[0])
        assert connections.admit(sockets[17])


def test_who_is_not_admitted_is_closed_at_once(
    monkeypatch: pytest.MonkeyPatch, clients: Callable[[Server], socket.socket]
) -> None:
    monkeypatch.setattr(Connections, "admit", lambda *_: False)
    with Server(LOOPBACK, echo) as server:
        assert everything(clients(server)) == b""


def test_three_hundred_silent_clients_leave_room_for_a_scrape(clients: Callable[[Server], socket.socket]) -> None:
    with Server(LOOPBACK, echo) as server:
        silent = [clients(server) for _ in range(300)]
        assert get(server) == "GET / {}"
        assert everything(silent[0]) == b""
        until(lambda: len(server._listener.connections._open) <= 256)


def test_running_out_of_file_descriptors_does_not_end_the_server(clients: Callable[[Server], socket.socket]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Server(LOOPBACK, echo) as server, socket.socket() as client:
        client.settimeout(5)
        silent = clients(server)
        until(lambda: len(server._listener.connections._open) == 1)
        fillers = [os.open(os.devnull, os.O_RDONLY) for _ in range(3)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(fillers), hard))
        try:
            client.connect(server.address)
            assert everything(silent) == b""
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for filler in fillers:
                os.close(filler)
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert answer(client)[2] == b"GET / {}"


def test_a_thread_that_cannot_be_started_costs_one_connection_and_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, clients: Callable[[Server], socket.socket]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with Server(LOOPBACK, echo) as server:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", fail)
            assert everything(clients(server)) == b""
        assert get(server) == "GET / {}"
    assert len(caplog.messages) == 1
    assert caplog.messages[0].endswith(" ended: RuntimeError: can't start new thread")


# Stopping


def test_stop_returns_at_once_and_closes_every_connection(
    gate: Gate, clients: Callable[[Server], socket.socket]
) -> None:
    with Server(LOOPBACK, gate) as server:
        silent, idle, busy = (clients(server) for _ in range(3))
        idle.sendall(b"GET / HTTP/1.1\r\n\r\n")
        answer(idle)
        busy.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
        assert gate.entered.acquire(timeout=5)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < AT_ONCE
        assert [everything(client) for client in (silent, idle, busy)] == [b"", b"", b""]
        with pytest.raises(ConnectionRefusedError):
            clients(server)
        gate.opened.set()
        until(lambda: not server._listener.connections._open)


def test_stop_lets_an_answer_that_is_nearly_done_out(gate: Gate, clients: Callable[[Server], socket.socket]) -> None:
    with Server(LOOPBACK, gate) as server:
        client, silent = clients(server), clients(server)
        client.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
        assert gate.entered.acquire(timeout=5)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        assert everything(silent) == b""
        gate.opened.set()
        assert answer(client)[2] == b"passed"
        assert everything(client) == b""
        stopping.join()


def test_a_server_that_was_never_started_gives_its_port_back() -> None:
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


def secure_get(server: Server, context: ssl.SSLContext, path: str = "/") -> bytes:
    with closing(http.client.HTTPSConnection(*server.address, context=context, timeout=5)) as connection:
        connection.request("GET", path)
        with connection.getresponse() as response:
            return response.read()


def test_tls_serves_and_keeps_the_connection(tls: WebConfig, trusting: ssl.SSLContext) -> None:
    with Server(LOOPBACK, echo, tls) as server:
        assert server.url == f"https://127.0.0.1:{server.address[1]}"
        with closing(http.client.HTTPSConnection(*server.address, context=trusting, timeout=5)) as connection:
            for path in ("/1", "/2"):
                connection.request("GET", path)
                with connection.getresponse() as response:
                    assert response.read() == f"GET {path} {{}}".encode()


def test_clear_text_on_the_tls_port_gets_no_answer_and_no_log_line(
    tls: WebConfig, caplog: pytest.LogCaptureFixture
) -> None:
    with Server(LOOPBACK, echo, tls) as server, socket.create_connection(server.address, timeout=5) as client:
        client.sendall(b"GET /clear HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"GET /clear" not in everything(client)
    assert caplog.messages == []


def test_tls_below_1_2_is_refused(tls: WebConfig, trusting: ssl.SSLContext) -> None:
    trusting.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSVersion.TLSv1"):
        trusting.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSVersion.TLSv1"):
        trusting.maximum_version = ssl.TLSVersion.TLSv1_1
    with Server(LOOPBACK, echo, tls) as server, pytest.raises(ssl.SSLError) as caught:
        secure_get(server, trusting)
    assert caught.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION"


def test_stop_is_quick_with_silent_tls_clients(
    tls: WebConfig, trusting: ssl.SSLContext, clients: Callable[[Server], socket.socket]
) -> None:
    with Server(LOOPBACK, echo, tls) as server:
        silent = clients(server)
        with trusting.wrap_socket(clients(server), server_hostname="127.0.0.1") as idle:
            began = time.monotonic()
            server.stop()
            assert time.monotonic() - began < AT_ONCE
            assert [everything(client) for client in (silent, idle)] == [b"", b""]


def test_a_tls_connection_is_not_shut_in_the_way_that_drops_its_encryption_first(
    tls: WebConfig,
    trusting: ssl.SSLContext,
    clients: Callable[[Server], socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dropped: list[object] = []
    monkeypatch.setattr(ssl.SSLSocket, "shutdown", lambda *arguments: dropped.append(arguments))
    with (
        Server(LOOPBACK, echo, tls) as server,
        trusting.wrap_socket(clients(server), server_hostname="127.0.0.1") as idle,
    ):
        server.stop()
        assert everything(idle) == b""
    assert dropped == []
