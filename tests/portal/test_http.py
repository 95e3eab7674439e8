"""One HTTP call: what goes out as it was meant, and every broken answer a one-line error."""

import gzip
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import requests
import requests_mock
import trustme

from exporter.errors import PortalError, ProtocolError, TransportError
from exporter.portal import http as module
from exporter.portal.http import BearerToken, PortalResponse, Transport

from ..support.clocks import ManualClock

HOST = "novec.smarthub.coop"
URL = f"https://{HOST}"
PAGE = b"<!DOCTYPE html><html>offline</html>"

Seen = list[tuple[str, str, float]]
Broken = Callable[[bytes], str]


@pytest.fixture
def seen() -> Seen:
    return []


@pytest.fixture
def transport(clock: ManualClock, seen: Seen) -> Iterator[Transport]:
    with closing(Transport(URL, clock, lambda *call: seen.append(call))) as made:
        yield made


def transport_to(url: str, clock: ManualClock) -> Transport:
    return Transport(url, clock, lambda *_: None)


@pytest.fixture
def listener() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Serves every connection with a function; gives host and port."""
    with ExitStack() as stack:

        def start(serve: Callable[[socket.socket], None]) -> str:
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


@pytest.fixture
def broken(listener: Callable[[Callable[[socket.socket], None]], str]) -> Broken:
    """A server that sends these bytes and hangs up."""

    def start(answer: bytes) -> str:
        def serve(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(answer)

        return listener(serve)

    return start


def message_of(call: Callable[[], object], kind: type[PortalError] = TransportError) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    return str(caught.value)


# -- what goes out


@pytest.mark.parametrize(
    "password",
    [
        "&",
        "$",
        "*",
        "#",
        "+",
        "%",
        " ",
        "é",
        "日本",
        '"',
        "'",
        "=",
        ";",
        "\\",
        "a&userId=x",
        "p%41ss",
        " end ",
        "&$*#+% é日本\"'",
    ],
)
def test_a_form_field_arrives_as_it_was_typed(
    transport: Transport, requests_mock: requests_mock.Mocker, password: str
) -> None:
    requests_mock.post(f"{URL}/sign-in", text="{}")

    transport.call("auth", "POST", "/sign-in", data={"userId": "member@example.org", "password": password})

    sent = requests_mock.request_history[0]
    assert sent.headers["Content-Type"] == "application/x-www-form-urlencoded"
    body = sent.body if isinstance(sent.body, str) else sent.body.decode("ascii")
    assert parse_qs(body, keep_blank_values=True, strict_parsing=True) == {
        "userId": ["member@example.org"],
        "password": [password],
    }
    assert not sent.query


def test_a_call_without_a_token_takes_none_from_netrc(
    transport: Transport, requests_mock: requests_mock.Mocker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {HOST} login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    requests_mock.get(f"{URL}/open", text="{}")

    transport.call("open", "GET", "/open")

    assert "Authorization" not in requests_mock.request_history[0].headers


def test_a_token_is_sent_even_where_netrc_knows_the_host(
    transport: Transport, requests_mock: requests_mock.Mocker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {HOST} login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    requests_mock.get(f"{URL}/secured", text="{}")

    transport.call("secured", "GET", "/secured", auth=BearerToken("abc"), headers={"X-One": "1"})

    sent = requests_mock.request_history[0].headers
    assert sent["Authorization"] == "Bearer abc"
    assert sent["X-One"] == "1"


def test_a_token_does_not_show_itself() -> None:
    assert "abc" not in repr(BearerToken("abc"))


# -- what comes back


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 405, 500])
def test_a_status_that_each_call_reads_in_its_own_way_is_a_reply(
    transport: Transport, requests_mock: requests_mock.Mocker, seen: Seen, status: int
) -> None:
    requests_mock.get(f"{URL}/x", status_code=status, content=b"body")

    assert transport.call("x", "GET", "/x") == PortalResponse(status, b"body", None)
    assert seen == [("x", str(status), 0.0)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(
    transport: Transport, requests_mock: requests_mock.Mocker, seen: Seen, status: int
) -> None:
    requests_mock.post(f"{URL}/x", status_code=status, headers={"Location": "https://elsewhere.example/"})

    message = message_of(lambda: transport.call("x", "POST", "/x", data={"password": "secret"}))

    assert message == f"{HOST} redirects elsewhere (status {status}); check api_url"
    assert len(requests_mock.request_history) == 1
    assert seen == [("x", str(status), 0.0)]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize(
    ("header", "seconds"), [(None, None), ("7", 7.0), ("0", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-3", None)]
)
def test_a_busy_portal_says_how_long_to_leave_it_alone(
    transport: Transport, requests_mock: requests_mock.Mocker, status: int, header: str | None, seconds: float | None
) -> None:
    headers = {} if header is None else {"Retry-After": header}
    requests_mock.get(f"{URL}/x", status_code=status, headers=headers, content=PAGE)

    with pytest.raises(TransportError) as caught:
        transport.call("x", "GET", "/x")

    assert str(caught.value) == f"{HOST} is busy or down (x: status {status}); later it may work"
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize("body", [PAGE, b"\r\n \t<html>", b"<?xml version='1.0'?><html/>", b"\xef\xbb\xbf<html>"])
def test_a_web_page_instead_of_data_is_no_usable_answer(body: bytes) -> None:
    message = message_of(lambda: PortalResponse(200, body).json("the list"))

    assert message == (
        "the list: the portal sent a web page instead of data (status 200); it may be down for maintenance, or api_url"
        " is not a SmartHub portal"
    )


@pytest.mark.parametrize(
    "body",
    [b"", b'{"status": "COMPLETE", "data": ', b"nonsense", b"\xff\xfe\x00", b"[" * 200_000, b"1" * 10_000],
    ids=["empty", "cut", "words", "bytes", "deep", "huge number"],
)
def test_what_is_no_json_is_not_understood(body: bytes) -> None:
    message = message_of(lambda: PortalResponse(200, body).json("the list"), ProtocolError)

    assert message == f"the list: the portal's answer is no JSON ({len(body)} bytes)"


def test_json_is_read_whatever_its_type_is_called(transport: Transport, requests_mock: requests_mock.Mocker) -> None:
    requests_mock.get(f"{URL}/x", content='{"name": "é"}'.encode(), headers={"Content-Type": "text/plain"})

    assert transport.call("x", "GET", "/x").json("it") == {"name": "é"}


# -- the network


def test_a_refused_connection(clock: ManualClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"

    message = message_of(lambda: transport_to(f"http://{host}", clock).call("x", "GET", "/x"))

    assert message == f"{host} refuses the connection: nothing listens there; check api_url"


def test_a_host_that_there_is_not(transport: Transport, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    message = message_of(lambda: transport.call("x", "GET", "/x"))

    assert message == f"there is no host {HOST}; check api_url"
    assert seen == [("x", "error", 0.0)]


def test_a_certificate_that_nobody_vouches_for(
    clock: ManualClock, listener: Callable[[Callable[[socket.socket], None]], str]
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    def serve(connection: socket.socket) -> None:
        context.wrap_socket(connection, server_side=True).close()

    host = listener(serve)

    message = message_of(lambda: transport_to(f"https://{host}", clock).call("x", "GET", "/x"))

    assert message == f"{host} has no certificate that this machine trusts; check api_url and the machine's clock"


@pytest.mark.parametrize("error", [requests.ReadTimeout, requests.ConnectTimeout])
def test_no_answer_in_time(
    transport: Transport, requests_mock: requests_mock.Mocker, error: type[requests.Timeout]
) -> None:
    requests_mock.get(f"{URL}/x", exc=error)

    message = message_of(lambda: transport.call("x", "GET", "/x"))

    assert message == f"{HOST} did not answer in time; later it may work"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nhalf",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 twohundred OK\r\n\r\n",
    ],
    ids=["nothing", "cut off", "no chunk", "half a chunk", "no gzip", "another protocol", "no status"],
)
def test_an_answer_that_breaks_off_or_is_no_http_is_one_line_about_the_host(
    clock: ManualClock, broken: Broken, answer: bytes
) -> None:
    host = broken(answer)

    message = message_of(lambda: transport_to(f"http://{host}", clock).call("x", "GET", "/x"))

    assert host in message
    assert "\n" not in message
    assert len(message) < 150


@pytest.mark.parametrize("encoding", ["", "Content-Encoding: gzip\r\n"], ids=["plain", "gzip"])
@pytest.mark.parametrize("how", ["length", "chunked", "closed"])
def test_a_large_answer_arrives_whole_in_whatever_pieces(
    clock: ManualClock, listener: Callable[[Callable[[socket.socket], None]], str], how: str, encoding: str
) -> None:
    text = b"".join(b"%d," % number for number in range(60_000))
    body = gzip.compress(text) if encoding else text
    heads = {"length": f"Content-Length: {len(body)}", "chunked": "Transfer-Encoding: chunked", "closed": "X-Y: z"}

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(f"HTTP/1.1 200 OK\r\n{encoding}{heads[how]}\r\n\r\n".encode())
        for at in range(0, len(body), 30_011):
            part = body[at : at + 30_011]
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part) if how == "chunked" else part)
        connection.sendall(b"0\r\n\r\n" if how == "chunked" else b"")

    host = listener(serve)

    assert transport_to(f"http://{host}", clock).call("x", "GET", "/x").body == text


@pytest.mark.parametrize("head", ["Content-Length: 100000", "Connection: close", "Content-Encoding: identity"])
def test_a_body_that_never_ends_is_given_up_after_two_minutes(
    clock: ManualClock, listener: Callable[[Callable[[socket.socket], None]], str], head: str
) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode())
        for _ in range(1000):
            connection.sendall(b"x")
            clock.advance(10.0)
            threading.Event().wait(0.002)

    host = listener(serve)
    started = clock.monotonic()

    message = message_of(lambda: transport_to(f"http://{host}", clock).call("x", "GET", "/x"))

    assert message == f"{host} did not answer in time; later it may work"
    assert 120.0 < clock.monotonic() - started < 500.0


def test_a_body_that_stops_coming_is_no_answer_in_time(
    clock: ManualClock,
    listener: Callable[[Callable[[socket.socket], None]], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_READ_SECONDS", 0.1)
    finished = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        finished.wait(5)

    host = listener(serve)

    message = message_of(lambda: transport_to(f"http://{host}", clock).call("x", "GET", "/x"))
    finished.set()

    assert message == f"{host} did not answer in time; later it may work"


def test_a_body_without_measure_is_given_up(
    transport: Transport, requests_mock: requests_mock.Mocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LARGEST_BODY", 10_000)
    requests_mock.get(f"{URL}/x", content=b"x" * 10_000)
    assert len(transport.call("x", "GET", "/x").body) == 10_000
    requests_mock.get(f"{URL}/x", content=b"x" * 10_001)

    assert HOST in message_of(lambda: transport.call("x", "GET", "/x"))


# -- what is told of a call


def test_each_call_is_told_with_its_endpoint_status_and_seconds(
    transport: Transport, requests_mock: requests_mock.Mocker, clock: ManualClock, seen: Seen
) -> None:
    def answer(*_: object) -> str:
        clock.advance(1.5)
        return "{}"

    requests_mock.get(f"{URL}/x", text=answer)

    transport.call("user_data", "GET", "/x", params={"userId": "member@example.org"})

    assert seen == [("user_data", "200", 1.5)]


def test_the_log_of_a_call_holds_nothing_personal(
    transport: Transport, requests_mock: requests_mock.Mocker, caplog: pytest.LogCaptureFixture
) -> None:
    requests_mock.post(f"{URL}/x", text="{}")
    caplog.set_level(logging.DEBUG, logger="exporter")

    transport.call(
        "x",
        "POST",
        "/x",
        auth=BearerToken("the-token"),
        params={"userId": "member@example.org"},
        data={"password": "the-password"},
    )

    (record,) = caplog.records
    told = str(record.__dict__)
    assert record.message == "portal call"
    assert not [word for word in ("the-token", "member", "the-password") if word in told]


@pytest.mark.parametrize("error", [requests.ConnectionError, requests.exceptions.SSLError, requests.TooManyRedirects])
def test_what_a_library_says_does_not_reach_the_message(
    transport: Transport, requests_mock: requests_mock.Mocker, error: type[requests.RequestException]
) -> None:
    requests_mock.get(f"{URL}/x", exc=error("userId=member@example.org password=secret\nsecond line"))

    message = message_of(lambda: transport.call("x", "GET", "/x"))

    assert "member" not in message
    assert "secret" not in message
    assert "\n" not in message


# -- the portal's clock


@pytest.mark.parametrize(
    ("header", "date"),
    [
        ("Wed, 14 Jan 2026 17:00:00 GMT", 1768410000.0),
        ("Wed, 14 Jan 2026 12:00:00 -0500", 1768410000.0),
        ("Wed, 14 Jan 2026 17:00:00 -0000", 1768410000.0),
        ("Wed, 14 Jan 2026 17:00:00", 1768410000.0),
        ("yesterday", None),
        ("", None),
        ("Wed, 99 Jan 99999 99:99:99 GMT", None),
        (None, None),
    ],
)
def test_a_reply_has_the_portals_date_where_it_tells_one(
    transport: Transport,
    requests_mock: requests_mock.Mocker,
    monkeypatch: pytest.MonkeyPatch,
    header: str | None,
    date: float | None,
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    requests_mock.get(f"{URL}/x", text="{}", headers={} if header is None else {"Date": header})
    try:
        assert transport.call("x", "GET", "/x").date == date
    finally:
        monkeypatch.undo()
        time.tzset()
