"""Tests of one HTTP call: requests, responses and kinds of failures."""

import gzip
import socket
import ssl
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import requests
import requests_mock
import trustme

from exporter import __version__
from exporter.httpcall import Authorization, CallFailedError, CallFailure, CallLimits, ClientResponse, HttpClient

from .support.clocks import ManualClock
from .support.raw_server import Listen, Serve, listening, sends

URL = "https://novec.smarthub.coop"
LIMITS = CallLimits()


@pytest.fixture
def client() -> Iterator[HttpClient]:
    with closing(HttpClient(URL, LIMITS, headers={"Accept": "application/json"})) as made:
        yield made


@pytest.fixture
def listen() -> Iterator[Listen]:
    with listening() as start:
        yield start


def call(url: str, limits: CallLimits = LIMITS, clock: ManualClock | None = None, **options: object) -> ClientResponse:
    ticks = {"ticks": clock.monotonic} if clock else {}
    with closing(HttpClient(url, limits, **ticks, **options)) as client:  # type: ignore[arg-type]
        return client.call("GET", "/x")


def failure_of(
    url: str, limits: CallLimits = LIMITS, clock: ManualClock | None = None, **options: object
) -> CallFailure:
    with pytest.raises(CallFailedError) as caught:
        call(url, limits, clock, **options)
    return caught.value.kind


# -- requests


@pytest.mark.parametrize("password", [*"&$*#+% é\"'=;\\", "日本", "a&userId=x", "p%41ss", " end ", "&$*#+% é日本\"'"])
def test_form_field_arrives_unchanged(client: HttpClient, requests_mock: requests_mock.Mocker, password: str) -> None:
    requests_mock.post(f"{URL}/sign-in", text="{}")
    client.call("POST", "/sign-in", data={"userId": "member@example.org", "password": password})
    sent = requests_mock.request_history[0]
    assert sent.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(sent.text, keep_blank_values=True, strict_parsing=True) == {
        "userId": ["member@example.org"],
        "password": [password],
    }
    assert not sent.query


def test_call_sends_user_agent_and_accept(client: HttpClient, requests_mock: requests_mock.Mocker) -> None:
    requests_mock.get(f"{URL}/x")
    client.call("GET", "/x")
    sent = requests_mock.request_history[0].headers
    assert (sent["User-Agent"], sent["Accept"]) == (f"smarthub-exporter/{__version__}", "application/json")


@pytest.mark.parametrize(
    ("authorization", "header"),
    [
        (Authorization(), None),
        (Authorization.bearer("abc"), "Bearer abc"),
        (Authorization.basic("me", "p:w ä"), "Basic bWU6cDp3IMOk"),
    ],
)
def test_netrc_is_never_used(  # noqa: PLR0917 - fixtures
    client: HttpClient,
    requests_mock: requests_mock.Mocker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    authorization: Authorization,
    header: str | None,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine novec.smarthub.coop login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    requests_mock.get(f"{URL}/x")
    client.call("GET", "/x", auth=authorization)
    assert requests_mock.request_history[0].headers.get("Authorization") == header


def test_credentials_are_not_in_their_repr() -> None:
    assert repr(Authorization.basic("me", "hidden")) == repr(Authorization.bearer("hidden")) == "<authorization>"


# -- responses


@pytest.mark.parametrize("status", [200, 204, 302, 400, 404, 500, 503])
def test_any_status_is_a_response(client: HttpClient, requests_mock: requests_mock.Mocker, status: int) -> None:
    requests_mock.get(f"{URL}/x", status_code=status, headers={"Location": "https://elsewhere.example/"}, content=b"b")
    assert client.call("GET", "/x").status == status
    assert len(requests_mock.request_history) == 1


@pytest.mark.parametrize("encoding", ["", "Content-Encoding: gzip\r\n"], ids=["plain", "gzip"])
@pytest.mark.parametrize("how", ["length", "chunked", "closed"])
def test_large_body_arrives_complete(listen: Listen, how: str, encoding: str) -> None:
    text = b"".join(b"%d," % number for number in range(60_000))
    body = gzip.compress(text) if encoding else text
    heads = {"length": f"Content-Length: {len(body)}", "chunked": "Transfer-Encoding: chunked", "closed": "X-Y: z"}
    parts = [body[at : at + 30_011] for at in range(0, len(body), 30_011)]
    if how == "chunked":
        parts = [*(b"%x\r\n%s\r\n" % (len(part), part) for part in parts), b"0\r\n\r\n"]
    host = listen(sends(f"HTTP/1.1 200 OK\r\n{encoding}{heads[how]}\r\n\r\n".encode(), *parts))
    assert call(f"http://{host}").body == text


def test_lines_are_read_one_by_one_without_empty_ones(client: HttpClient, requests_mock: requests_mock.Mocker) -> None:
    requests_mock.get(f"{URL}/x", content=b"one\n\ntwo\n" + b"3" * 200_000 + b"\nlast")
    with client.open("GET", "/x") as response:
        assert list(client.lines(response)) == [b"one", b"two", b"3" * 200_000, b"last"]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_lines(listen: Listen) -> None:
    body = gzip.compress((b"x" * 9_999 + b"\n") * 10_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    client = HttpClient(f"http://{listen(sends(head, body))}", LIMITS)
    tracemalloc.start()
    try:
        with closing(client), client.open("GET", "/x") as response:
            assert sum(map(len, client.lines(response))) == 9_999 * 10_000
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_header_names_are_case_insensitive(client: HttpClient, requests_mock: requests_mock.Mocker) -> None:
    requests_mock.get(f"{URL}/x", headers={"content-TYPE": "text/plain"})
    assert client.call("GET", "/x").content_type == "text/plain"


@pytest.mark.parametrize(
    ("body", "is_page"),
    [(b"<!DOCTYPE html>", True), (b"\r\n \t<html>", True), (b"\xef\xbb\xbf<html>", True), (b'{"a": "<"}', False)],
)
def test_web_page_is_recognized_by_its_start(body: bytes, *, is_page: bool) -> None:
    assert ClientResponse(200, {}, body).is_page is is_page


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("0", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-3", None), ("", None)]
)
def test_retry_after_is_read_in_seconds(header: str, seconds: float | None) -> None:
    assert ClientResponse(503, {"Retry-After": header}, b"").retry_after == seconds


@pytest.mark.parametrize(
    ("header", "date"),
    [
        ("Wed, 14 Jan 2026 17:00:00 GMT", 1768410000.0),
        ("Wed, 14 Jan 2026 12:00:00 -0500", 1768410000.0),
        ("Wed, 14 Jan 2026 17:00:00", 1768410000.0),
        ("yesterday", None),
        ("Wed, 99 Jan 99999 99:99:99 GMT", None),
    ],
)
def test_server_date_is_read(header: str, date: float | None) -> None:
    assert ClientResponse(200, {"Date": header}, b"").date == date
    assert ClientResponse(200, {}, b"").date is None


HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GOING_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize("interim", [HINTS, 5 * HINTS, GOING_ON + HINTS, HINTS + GOING_ON + HINTS])
def test_interim_responses_are_skipped(listen: Listen, interim: bytes) -> None:
    response = call(f"http://{listen(sends(interim, OK))}")
    assert (response.status, response.body) == (200, b"ok")
    assert "Link" not in response.headers


def test_interim_responses_are_skipped_behind_a_proxy(listen: Listen) -> None:
    proxy = listen(sends(HINTS, OK))
    assert call("http://novec.smarthub.coop", proxies={"http": f"http://{proxy}"}).body == b"ok"


@pytest.mark.parametrize(
    "head",
    [1000 * HINTS, b"HTTP/1.1 200 OK\r\n" + 200 * b"X: y\r\n", b"HTTP/1.1 200 OK\r\nX: " + 100_000 * b"y"],
    ids=["interim", "many", "long"],
)
def test_head_has_a_maximum_size(listen: Listen, head: bytes) -> None:
    assert failure_of(f"http://{listen(sends(head))}") is CallFailure.UNREACHABLE


# -- cookies


def cookies_sent(listen: Listen, client_of: Callable[[str], HttpClient], *set_cookie: str) -> list[str]:
    """Return the Cookie header of three calls, each answered with these cookies."""
    sent: list[str] = []

    def serve(connection: socket.socket) -> None:
        lines = connection.recv(65536).decode().splitlines()
        sent.append(next((line.removeprefix("Cookie: ") for line in lines if line.startswith("Cookie: ")), ""))
        cookies = "".join(f"Set-Cookie: {each.replace('#', str(len(sent)))}\r\n" for each in set_cookie)
        connection.sendall(f"HTTP/1.1 200 OK\r\nConnection: close\r\n{cookies}\r\n".encode())

    with closing(client_of(f"http://{listen(serve)}")) as client:
        for _ in range(3):
            client.call("GET", "/x")
    return sent


def keeping(url: str) -> HttpClient:
    client = HttpClient(url, LIMITS)
    client.keeps_cookies = True
    return client


def test_cookies_are_dropped_after_each_call(listen: Listen) -> None:
    assert cookies_sent(listen, lambda url: HttpClient(url, LIMITS), "session=abc") == ["", "", ""]


def test_cookies_are_sent_back_if_they_are_kept(listen: Listen) -> None:
    assert cookies_sent(listen, keeping, "session=abc") == ["", "session=abc", "session=abc"]


def test_few_and_small_cookies_are_kept(listen: Listen) -> None:
    many = [f"c{number}x#={'y' * 100}" for number in range(15)]
    last = cookies_sent(listen, keeping, f"large={'y' * 5000}", *many)[-1]
    assert last.count("=") == 20
    assert "large" not in last


# -- failures


def test_connection_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert failure_of(f"http://127.0.0.1:{port}") is CallFailure.REFUSED


def test_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert failure_of(URL) is CallFailure.UNKNOWN_HOST


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (requests.ReadTimeout, CallFailure.TIMED_OUT),
        (requests.ConnectTimeout, CallFailure.TIMED_OUT),
        (requests.ConnectionError, CallFailure.UNREACHABLE),
        (requests.exceptions.ProxyError, CallFailure.PROXY),
        (requests.exceptions.SSLError, CallFailure.TLS),
        (requests.TooManyRedirects, CallFailure.UNREADABLE),
    ],
)
def test_errors_of_the_library_are_told_apart(
    client: HttpClient, requests_mock: requests_mock.Mocker, error: type[Exception], kind: CallFailure
) -> None:
    requests_mock.get(f"{URL}/x", exc=error("userId=member@example.org password=secret"))
    with pytest.raises(CallFailedError) as caught:
        client.call("GET", "/x")
    assert caught.value.kind is kind
    assert str(caught.value) == error.__name__


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", CallFailure.UNREACHABLE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", CallFailure.BROKE_OFF),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf", CallFailure.BROKE_OFF),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf", CallFailure.BROKE_OFF),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nhalf", CallFailure.UNREADABLE),
        (b"SSH-2.0-OpenSSH_9.6\r\n", CallFailure.UNREACHABLE),
        (b"HTTP/1.1 twohundred OK\r\n\r\n", CallFailure.UNREACHABLE),
    ],
    ids=["nothing", "cut off", "no chunk", "half a chunk", "no gzip", "another protocol", "no status"],
)
def test_response_that_breaks_off_or_is_not_http(listen: Listen, answer: bytes, kind: CallFailure) -> None:
    assert failure_of(f"http://{listen(sends(answer))}") is kind


def dribbles(clock: ManualClock, start: str, piece: bytes) -> Serve:
    """Send a response that never ends: a piece every ten seconds."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(f"HTTP/1.1 {start}".encode())
        for _ in range(1000):
            connection.sendall(piece)
            clock.advance(10.0)
            threading.Event().wait(0.002)

    return serve


ENDLESS = {
    "length": ("200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
    "closed": ("200 OK\r\nConnection: close\r\n\r\n", b"x"),
    "identity": ("200 OK\r\nContent-Encoding: identity\r\n\r\n", b"x"),
    "empty gzip": ("200 OK\r\nContent-Encoding: gzip\r\n\r\n", gzip.compress(b"")),
    "redirect": ("302 Found\r\nLocation: /x\r\n\r\n", b"x"),
    "header": ("200 OK\r\nX-Y: ", b"x"),
    "interim": ("100 Continue\r\n\r\n", GOING_ON),
    "chunk size": ("200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "trailer": ("200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
}


@pytest.mark.parametrize(("start", "piece"), ENDLESS.values(), ids=ENDLESS)
def test_endless_response_is_given_up(listen: Listen, clock: ManualClock, start: str, piece: bytes) -> None:
    started, url = clock.monotonic(), f"http://{listen(dribbles(clock, start, piece))}"
    assert failure_of(url, CallLimits(total=120.0), clock) is CallFailure.TIMED_OUT
    assert 120.0 < clock.monotonic() - started < 500.0


def test_endless_lines_are_given_up(listen: Listen, clock: ManualClock) -> None:
    started, url = clock.monotonic(), f"http://{listen(dribbles(clock, *ENDLESS['closed']))}"
    client = HttpClient(url, CallLimits(total=20.0, stream=120.0), ticks=clock.monotonic)
    with closing(client), pytest.raises(CallFailedError) as caught, client.open("GET", "/x", is_stream=True) as got:
        list(client.lines(got))
    assert caught.value.kind is CallFailure.TIMED_OUT
    assert 120.0 < clock.monotonic() - started < 500.0


def test_stalled_body_is_given_up(listen: Listen) -> None:
    finished = threading.Event()

    def serve(connection: socket.socket) -> None:
        sends(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")(connection)
        finished.wait(5)

    assert failure_of(f"http://{listen(serve)}", CallLimits(read=0.1)) is CallFailure.TIMED_OUT
    finished.set()


def test_body_and_line_have_a_maximum_size(requests_mock: requests_mock.Mocker) -> None:
    requests_mock.get(f"{URL}/x", content=b"x" * 200_000)
    assert len(call(URL, CallLimits(body=200_000)).body) == 200_000
    assert failure_of(URL, CallLimits(body=199_999)) is CallFailure.TOO_LARGE
    client = HttpClient(URL, CallLimits(line=1000))
    with closing(client), pytest.raises(CallFailedError) as caught, client.open("GET", "/x") as response:
        list(client.lines(response))
    assert caught.value.kind is CallFailure.TOO_LARGE


BOMB = gzip.compress(bytes(64 << 20))


@pytest.mark.parametrize("status", ["200 OK", "302 Found\r\nLocation: /elsewhere"], ids=["body", "redirect"])
def test_unpacking_stops_at_the_limit(listen: Listen, status: str) -> None:
    head = f"HTTP/1.1 {status}\r\nContent-Encoding: gzip\r\nContent-Length: {len(BOMB)}\r\n\r\n"
    url = f"http://{listen(sends(head.encode(), BOMB))}"
    tracemalloc.start()
    try:
        assert failure_of(url, CallLimits(body=1 << 20)) is CallFailure.TOO_LARGE
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_body_that_is_packed_twice_is_not_unpacked(listen: Listen) -> None:
    body = gzip.compress(gzip.compress(b"text"))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    assert failure_of(f"http://{listen(sends(head.encode(), body))}") is CallFailure.UNREADABLE


# -- TLS


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(listen: Listen, authority: trustme.CA) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(secured)

    return f"https://{listen(serve)}"


def test_certificate_needs_a_trusted_authority(secure: str, authority: trustme.CA, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    assert failure_of(secure) is CallFailure.UNTRUSTED
    assert call(secure, verify=str(file)).body == b"ok"
    assert failure_of(secure, verify=str(tmp_path / "gone.pem")) is CallFailure.NO_CA_FILE


def test_http_behind_an_https_url(listen: Listen) -> None:
    assert failure_of(f"https://{listen(sends(b'HTTP/1.1 400 Bad Request'))}") is CallFailure.TLS
