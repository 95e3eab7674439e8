"""Test calls to a database: requests, responses, and failures without secrets."""

import gzip
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from exporter import __version__
from exporter.config import Secret, VictoriaMetricsConfig
from exporter.databases.http import DatabaseHttp, Json
from exporter.databases.victoriametrics import VictoriaMetrics
from exporter.errors import DatabaseError
from exporter.httpcall import Authorization, CallLimits

from ..support.fake_database import Database
from ..support.http_server import Asked
from ..support.raw_server import Listen, listening, sends

PATH = (
    "check the path: none for a single node; for a cluster url: http://vminsert:8480/insert/0/prometheus and query_url:"
    " http://vmselect:8481/select/0/prometheus, with the tenant"
)


def api_of(url: str, **settings: object) -> DatabaseHttp:
    return VictoriaMetrics(VictoriaMetricsConfig(url, **settings)).reading  # type: ignore[arg-type]


def as_is(answer: Json) -> Json:
    return answer


def failure_of(call: Callable[[], object]) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught:
        call()
    return caught.value


def message_of(call: Callable[[], object]) -> str:
    return str(failure_of(call))


@pytest.fixture
def listen() -> Iterator[Listen]:
    with listening() as start:
        yield start


# -- requests


def test_calls_have_a_user_agent_and_the_path_of_the_url(database: Database) -> None:
    database.answer("/select/0/prometheus/x", "ok")
    assert api_of(f"{database.url}/select/0/prometheus").get("/x", {"a": "b c"}).body == b"ok"
    (asked,) = database.asked
    assert (asked.method, asked.path, asked.params) == ("GET", "/select/0/prometheus/x", {"a": "b c"})
    assert asked.headers["user-agent"] == f"smarthub-exporter/{__version__}"
    assert "authorization" not in asked.headers


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({"username": "me", "password": Secret("p:w ä")}, "Basic bWU6cDp3IMOk"),
        ({"username": "me"}, "Basic bWU6"),
        ({"bearer_token": Secret("abc")}, "Bearer abc"),
    ],
)
def test_credentials_are_sent_as_configured(database: Database, settings: dict[str, object], header: str) -> None:
    database.answer("/x")
    api_of(database.url, **settings).get("/x")
    assert database.asked[0].headers["authorization"] == header


def test_only_other_machines_are_reached_through_a_proxy(
    database: Database, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = listen(sends(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nproxied"))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", f"http://{proxy}")
    database.answer("/x", "direct")
    assert api_of(database.url).get("/x").body == b"direct"
    assert api_of("http://vm.invalid").get("/x").body == b"proxied"


def test_a_body_is_compressed(database: Database) -> None:
    database.answer("/api/v1/import", status=204)
    body = b'{"metric":{}}\n' * 1000
    assert api_of(database.url).post("/api/v1/import", body, {"a": "1"}).status == 204
    (asked,) = database.asked
    assert (asked.method, asked.params) == ("POST", {"a": "1"})
    assert asked.headers["content-encoding"] == "gzip"
    assert len(asked.body) < len(body) / 10
    assert gzip.decompress(asked.body) == body


# -- responses


def test_lines_are_read_compressed_or_not(database: Database) -> None:
    text = b'["one"]\n\n["two"]\n["' + b"3" * 200_000 + b'"]\n["last"]'
    database.answer("/plain", text)
    database.answer("/packed", gzip.compress(text), Content_Encoding="gzip")
    for path in ("/plain", "/packed"):
        found = api_of(database.url).lines(path, {}, lambda line: json.loads(line)[0])
        assert list(found) == ["one", "two", "3" * 200_000, "last"]


# -- failures


@pytest.mark.parametrize(
    ("status", "body", "settings", "told"),
    [
        (401, "", {}, "requires credentials (status 401); set username and password, or bearer_token"),
        (
            403,
            "",
            {"bearer_token": Secret("hidden")},
            "refused the credentials (status 403); check username and password, or bearer_token",
        ),
        (302, "", {}, "redirects to another address (status 302); fix url"),
        (404, "", {}, f"has no /x (status 404); {PATH}"),
        (400, 'unsupported path requested: "/x"', {}, f"has no /x (status 400); {PATH}"),
        (503, "out of\nmemory", {}, "returned an error (status 503: out of memory); check its log, or try again later"),
        (500, "<html>secret page</html>", {}, "returned an error (status 500); check its log, or try again later"),
        (429, "", {}, "returned an error (status 429); check its log, or try again later"),
        (
            422,
            'remoteAddr: "127.0.0.1:35310"; requestURI: /x?a=b; too many series\x1b[31m',
            {},
            "refused /x (status 422: too many series [31m); check its log",
        ),
        (
            400,
            'cannot find the provided auth token "Basic bWU6cHc=" in config\n',
            {"username": "me", "password": Secret("pw")},
            "refused the credentials (status 400); check username and password, or bearer_token",
        ),
        (
            400,
            'remoteAddr: "127.0.0.1:9"; requestURI: /x; cannot find the provided auth token "" in config',
            {},
            "requires credentials (status 400); set username and password, or bearer_token",
        ),
    ],
)
def test_a_bad_status_is_one_line_with_advice(
    database: Database, status: int, body: str, settings: dict[str, object], told: str
) -> None:
    database.answer("/x", body, status)
    expected = f"victoriametrics {database.url}: {told}"
    assert message_of(lambda: api_of(database.url, **settings).get("/x")) == expected
    error = failure_of(lambda: list(api_of(database.url, **settings).lines("/x", {}, json.loads)))
    assert (str(error), error.passes_by_itself) == (expected, status in (429, 500, 503))


def test_a_requested_wait_is_passed_on(database: Database) -> None:
    database.answer("/x", status=503, Retry_After="7")
    assert failure_of(lambda: api_of(database.url).get("/x")).retry_after == 7.0


def test_messages_name_the_address_without_its_path(database: Database) -> None:
    assert message_of(lambda: api_of(f"{database.url}/hidden-token").get("/x")).startswith(
        f"victoriametrics {database.url}: has no /x"
    )


def test_an_accepted_status_is_a_response(database: Database) -> None:
    database.answer("/x", "no", 404)
    assert api_of(database.url).get("/x", accept=(404,)).status == 404


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("\n <html>", "returned a web page instead of data; check that url is the right address"),
        ("hello", "returned an unexpected response (5 bytes: hello); check url"),
        ("[" * 100_000, f"returned an unexpected response (100,000 bytes: {'[' * 200}); check url"),
        ("7", "returned an unexpected response (1 byte: 7); check url"),
    ],
)
def test_an_unexpected_response_is_reported(database: Database, body: str, told: str) -> None:
    database.answer("/x", body)
    api = api_of(database.url)
    assert message_of(lambda: api.json("/x", {}, lambda answer: answer["data"])) == (
        f"victoriametrics {database.url}: {told}"
    )


def test_a_closed_port_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert message_of(lambda: api_of(f"http://127.0.0.1:{port}").get("/x")) == (
        f"victoriametrics http://127.0.0.1:{port}: connection refused; start it, or fix url"
    )


def test_an_unknown_host_names_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("HTTP_PROXY", raising=False)

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    vm = VictoriaMetrics(VictoriaMetricsConfig("http://one.invalid", "http://other.invalid:8481/select/0"))
    assert message_of(vm.ping) == ("victoriametrics http://other.invalid:8481: host not found; fix query_url")


def test_a_timeout_is_reported(listen: Listen) -> None:
    done = threading.Event()

    def wait(_: socket.socket) -> None:
        done.wait()

    url = f"http://{listen(wait)}"
    error = failure_of(lambda: DatabaseHttp(api_of(url).target, limits=CallLimits(read=0.05)).get("/x"))
    done.set()
    assert error.passes_by_itself
    assert str(error) == (
        f"victoriametrics {url}: did not answer in time; check whether it is overloaded, or try again later"
    )


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", b""])
def test_a_lost_connection_is_reported(listen: Listen, answer: bytes) -> None:
    url = f"http://{listen(sends(answer))}"
    told = f"victoriametrics {url}: cannot be reached, or the connection was lost; check url and the network"
    api = api_of(url)
    assert message_of(lambda: api.get("/x")) == told
    error = failure_of(lambda: list(api.lines("/x", {}, json.loads)))
    assert (str(error), error.passes_by_itself) == (told, True)


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


def test_an_untrusted_certificate_is_reported(secure: str) -> None:
    error = failure_of(lambda: api_of(secure).get("/x"))
    assert not error.passes_by_itself
    assert str(error) == (
        f"victoriametrics {secure}: its certificate is not trusted;"
        " set ca_file to its CA certificate, or set insecure: true"
    )


def test_ca_file_names_the_authority(secure: str, authority: trustme.CA, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    assert api_of(secure, ca_file=file).get("/x").body == b"ok"


def test_insecure_overrides_the_environment(secure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    assert api_of(secure, insecure=True).get("/x").body == b"ok"


def test_a_missing_ca_file_is_reported(secure: str, tmp_path: Path) -> None:
    assert message_of(lambda: api_of(secure, ca_file=tmp_path / "gone.pem").get("/x")) == (
        f"victoriametrics {secure}: cannot read the file with CA certificates;"
        " set ca_file to its CA certificate, or set insecure: true"
    )


def test_http_behind_an_https_url_is_reported(database: Database) -> None:
    url = database.url.replace("http:", "https:")
    assert message_of(lambda: api_of(url).get("/x")) == (
        f"victoriametrics {url}: TLS handshake failed; set ca_file to its CA certificate, or set insecure: true,"
        " or use http:// in url if it has no TLS"
    )


# -- secrets


def test_credentials_are_never_shown(database: Database) -> None:
    api = api_of(database.url, username="me", password=Secret("hidden"))
    shown = repr(Authorization.basic("me", "hidden")) + repr(api.target) + message_of(lambda: api.get("/x"))
    assert "hidden" not in shown
    assert "bWU6" not in shown


def echo(asked: Asked) -> bytes:
    """Return what a server that repeats the request might say."""
    return f"no {asked.headers['authorization']} at {asked.path}".encode()


@pytest.mark.parametrize("status", [200, 400, 422, 503])
@pytest.mark.parametrize(
    ("settings", "secret"),
    [
        ({"username": "alice", "password": Secret("hunter2")}, b"hunter2"),
        ({"username": "alice", "password": Secret("hunter2")}, b"ALICE"),
        ({"username": "alice", "password": Secret("hunter2")}, b""),
        ({"username": "t0ken"}, b"t0ken"),
        ({"bearer_token": Secret("my+very/secret==")}, b"my%2Bvery%2Fsecret%3D%3D"),
        ({"bearer_token": Secret("my+very/secret==")}, b"/hidden-path"),
    ],
)
def test_text_with_a_secret_is_not_quoted(
    database: Database, status: int, settings: dict[str, object], secret: bytes
) -> None:
    database.answer("/hidden-path/x", (b"w" * 150 + b" " + secret) if secret else echo, status)
    told = message_of(lambda: api_of(f"{database.url}/hidden-path", **settings).json("/x", {}, as_is))
    assert "www" not in told
    assert "no Basic" not in told
