"""Calls to a database: what goes out, and every way in which they fail as one line with advice and no secret."""

import gzip
import json
import socket
import ssl
import threading
import tracemalloc
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme

from exporter import __version__
from exporter.config import Secret, VictoriaMetricsConfig
from exporter.databases import http as module
from exporter.databases.http import Authorization, DatabaseHttp
from exporter.databases.victoriametrics import VictoriaMetrics
from exporter.errors import DatabaseError

from ..support.fake_database import Database
from ..support.http_server import Asked

PATH = (
    "check the path: a single node has none, a cluster has url: http://vminsert:8480/insert/0/prometheus and query_url:"
    " http://vmselect:8481/select/0/prometheus, with the tenant"
)

Serve = Callable[[socket.socket], None]
Listen = Callable[[Serve], int]


def api_of(url: str, **settings: object) -> DatabaseHttp:
    return VictoriaMetrics(VictoriaMetricsConfig(url, **settings)).reading  # type: ignore[arg-type]


def message_of(call: Callable[[], object]) -> str:
    with pytest.raises(DatabaseError) as caught:
        call()
    return str(caught.value)


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Serves every connection with a function; gives the port."""
    with ExitStack() as stack:

        def start(serve: Serve) -> int:
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
            port: int = server.getsockname()[1]
            return port

        yield start


def sends(answer: bytes) -> Serve:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    return serve


# -- what goes out


def test_calls_say_who_asks_and_keep_the_path_of_the_url(database: Database) -> None:
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
def test_credentials_go_out_as_configured(database: Database, settings: dict[str, object], header: str) -> None:
    database.answer("/x")
    api_of(database.url, **settings).get("/x")
    assert database.asked[0].headers["authorization"] == header


@pytest.mark.parametrize("settings", [{}, {"bearer_token": Secret("abc")}])
def test_netrc_never_adds_credentials(
    database: Database, settings: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    database.answer("/x")
    api_of(database.url, **settings).get("/x")
    assert database.asked[0].headers.get("authorization") == ("Bearer abc" if settings else None)


def test_this_machine_is_never_asked_through_a_proxy_and_others_are(
    database: Database, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = listen(sends(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nproxied"))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    database.answer("/x", "direct")
    assert api_of(database.url).get("/x").body == b"direct"
    assert api_of("http://vm.invalid").get("/x").body == b"proxied"


def test_a_body_is_packed(database: Database) -> None:
    database.answer("/api/v1/import", status=204)
    body = b'{"metric":{}}\n' * 1000
    answer = api_of(database.url).post("/api/v1/import", body, params={"a": "1"}, headers={"X-Any": "y"})
    assert answer.status == 204
    (asked,) = database.asked
    assert (asked.method, asked.params, asked.headers["x-any"]) == ("POST", {"a": "1"}, "y")
    assert asked.headers["content-encoding"] == "gzip"
    assert len(asked.body) < len(body) / 10
    assert gzip.decompress(asked.body) == body


# -- what comes back


def test_headers_are_found_in_any_case(database: Database) -> None:
    database.answer("/x", X_Influxdb_Version="1.8")
    assert api_of(database.url).get("/x").headers["x-influxdb-version"] == "1.8"


def test_lines_come_one_by_one_packed_or_not_and_without_empty_ones(database: Database) -> None:
    text = b"one\n\ntwo\n" + b"3" * 200_000 + b"\nlast"
    database.answer("/plain", text)
    database.answer("/packed", gzip.compress(text), Content_Encoding="gzip")
    for path in ("/plain", "/packed"):
        assert list(api_of(database.url).lines(path, {})) == [b"one", b"two", b"3" * 200_000, b"last"]


def test_memory_does_not_grow_with_the_lines(database: Database) -> None:
    line = b"x" * 9_999 + b"\n"
    database.answer("/x", gzip.compress(line * 10_000), Content_Encoding="gzip")
    api = api_of(database.url)
    tracemalloc.start()
    try:
        assert sum(len(each) for each in api.lines("/x", {})) == 9_999 * 10_000
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


# -- what fails


@pytest.mark.parametrize(
    ("status", "body", "settings", "told"),
    [
        (401, "", {}, "wants credentials (status 401); set username and password, or bearer_token"),
        (
            403,
            "",
            {"bearer_token": Secret("hidden")},
            "refused the credentials (status 403); check username and password, or bearer_token",
        ),
        (302, "", {}, "redirects elsewhere (status 302); correct url"),
        (
            404,
            "",
            {},
            f"has no /x (status 404); {PATH}",
        ),
        (503, "out of\nmemory", {}, "is in trouble (status 503: out of memory); look into its log, try again later"),
        (500, "<html>secret page</html>", {}, "is in trouble (status 500); look into its log, try again later"),
        (429, "", {}, "is in trouble (status 429); look into its log, try again later"),
        (
            422,
            'remoteAddr: "127.0.0.1:35310"; requestURI: /x?a=b; too many series\x1b[31m',
            {},
            "refused /x (status 422: too many series [31m); look into its log",
        ),
        (400, "x" * 500, {}, f"refused /x (status 400: {'x' * 200}); look into its log"),
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
            "wants credentials (status 400); set username and password, or bearer_token",
        ),
    ],
)
def test_a_bad_status_is_one_line_that_says_what_to_do(
    database: Database, status: int, body: str, settings: dict[str, object], told: str
) -> None:
    database.answer("/x", body, status)
    expected = f"victoriametrics {database.url}: {told}"
    assert message_of(lambda: api_of(database.url, **settings).get("/x")) == expected
    assert message_of(lambda: list(api_of(database.url, **settings).lines("/x", {}))) == expected


def test_a_wrong_path_of_victoria_metrics_is_one_too_though_it_says_400(database: Database) -> None:
    database.answer("/x", 'unsupported path requested: "/x"', 400)
    assert "has no /x (status 400); check the path" in message_of(lambda: api_of(database.url).get("/x"))


def test_messages_name_the_address_without_its_path(database: Database) -> None:
    assert message_of(lambda: api_of(f"{database.url}/hidden-token").get("/x")).startswith(
        f"victoriametrics {database.url}: has no /x"
    )


def test_a_status_to_accept_is_an_answer(database: Database) -> None:
    database.answer("/x", "no", 404)
    assert api_of(database.url).get("/x", accept=(404,)).status == 404


@pytest.mark.parametrize("page", ["<!DOCTYPE html><html>", "\n <html>"])
def test_a_web_page_is_not_data(database: Database, page: str) -> None:
    database.answer("/x", page)
    assert message_of(lambda: api_of(database.url).json("/x")) == (
        f"victoriametrics {database.url}: answered with a web page instead of data;"
        " url is not this database, correct it"
    )


def test_anything_else_than_json_is_told_with_its_beginning(database: Database) -> None:
    database.answer("/x", "hello")
    assert message_of(lambda: api_of(database.url).json("/x")) == (
        f"victoriametrics {database.url}: answered what cannot be understood (5 bytes: hello); check url"
    )


def test_a_closed_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert message_of(lambda: api_of(f"http://127.0.0.1:{port}").get("/x")) == (
        f"victoriametrics http://127.0.0.1:{port}: connection refused; start it, or correct url"
    )


def test_a_host_that_does_not_exist_is_told_by_the_key_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("HTTP_PROXY", raising=False)

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    vm = VictoriaMetrics(VictoriaMetricsConfig("http://one.invalid", "http://other.invalid:8481/select/0"))
    assert message_of(vm.ping) == (
        "victoriametrics http://other.invalid:8481: there is no such host; correct query_url"
    )


def test_silence_is_told(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_READ_SECONDS", 0.05)
    done = threading.Event()

    def wait(_: socket.socket) -> None:
        done.wait(5)

    port = listen(wait)
    assert message_of(lambda: api_of(f"http://127.0.0.1:{port}").get("/x")) == (
        f"victoriametrics http://127.0.0.1:{port}: did not answer in time;"
        " see whether it is overloaded, try again later"
    )
    done.set()


def test_an_answer_that_dribbles_in_is_told(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TOTAL_SECONDS", 0.05)
    done = threading.Event()

    def dribble(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not done.wait(0.01):
            connection.sendall(b"x")

    port = listen(dribble)
    assert "did not answer in time" in message_of(lambda: api_of(f"http://127.0.0.1:{port}").get("/x"))
    done.set()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf",
        b"nonsense\r\n\r\n",
        b"",
    ],
)
def test_an_answer_that_breaks_off_is_told(listen: Listen, answer: bytes) -> None:
    port = listen(sends(answer))
    told = f"victoriametrics http://127.0.0.1:{port}: cannot be reached, or broke off; check url and the network"
    api = api_of(f"http://127.0.0.1:{port}")
    assert message_of(lambda: api.get("/x")) == told
    assert message_of(lambda: list(api.lines("/x", {}))) == told


def test_an_endless_answer_and_an_endless_line_are_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST_BODY", 1000)
    monkeypatch.setattr(module, "_LARGEST_LINE", 1000)
    database.answer("/x", b"x" * 200_000)
    assert "cannot be reached, or broke off" in message_of(lambda: api_of(database.url).get("/x"))
    assert "cannot be reached, or broke off" in message_of(lambda: list(api_of(database.url).lines("/x", {})))


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

    return f"https://127.0.0.1:{listen(serve)}"


def test_a_certificate_that_nobody_vouches_for_is_told(secure: str) -> None:
    assert message_of(lambda: api_of(secure).get("/x")) == (
        f"victoriametrics {secure}: its certificate is not trusted;"
        " name its authority in ca_file, or set insecure: true"
    )


def test_ca_file_names_the_authority(secure: str, authority: trustme.CA, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    assert api_of(secure, ca_file=file).get("/x").body == b"ok"


def test_insecure_trusts_without_a_warning_whatever_the_environment_says(
    secure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    assert api_of(secure, insecure=True).get("/x").body == b"ok"


def test_a_ca_file_that_is_gone_is_told(secure: str, tmp_path: Path) -> None:
    assert message_of(lambda: api_of(secure, ca_file=tmp_path / "gone.pem").get("/x")) == (
        f"victoriametrics {secure}: the file of trusted authorities cannot be read;"
        " name its authority in ca_file, or set insecure: true"
    )


def test_http_where_https_is_asked_for_is_told(database: Database) -> None:
    url = database.url.replace("http:", "https:")
    assert message_of(lambda: api_of(url).get("/x")) == (
        f"victoriametrics {url}: TLS failed; name its authority in ca_file, or set insecure: true,"
        " or correct url where it speaks http"
    )


# -- secrets


def test_credentials_do_not_show_themselves(database: Database) -> None:
    authorization = Authorization.basic("me", "hidden")
    api = api_of(database.url, username="me", password=Secret("hidden"))
    shown = repr(authorization) + repr(api.target) + message_of(lambda: api.get("/x"))
    assert "hidden" not in shown
    assert "bWU6" not in shown
    with closing(api):
        assert not Authorization().is_given


def echo(asked: Asked) -> bytes:
    """What a server might say that thinks it helps."""
    sent = asked.headers["authorization"]
    scheme, _, token = sent.partition(" ")
    plain = b64decode(token).decode() if scheme == "Basic" else token
    words = [sent, f'"{token}"', plain, plain.rpartition(":")[2], quote(sent, safe=""), quote(plain, safe="")]
    return f"no {' '.join(words)} {json.dumps(words)} at {asked.path}".encode()


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 409, 422, 429, 500, 503])
@pytest.mark.parametrize(
    ("settings", "secrets"),
    [
        ({"username": "alice", "password": Secret("hünter 2")}, ["nter", "alice", "YWxp"]),
        ({"username": "t0ken%2"}, ["t0ken", "dDBr"]),
        ({"bearer_token": Secret("my+very/secret==")}, ["my", "secret"]),
    ],
)
def test_no_secret_comes_back_in_what_a_server_says(
    database: Database, status: int, settings: dict[str, object], secrets: list[str]
) -> None:
    database.answer("/hidden-path/x", echo, status)
    api = api_of(f"{database.url}/hidden-path", **settings)
    told = message_of(lambda: api.json("/x"))
    assert [each for each in (*secrets, "hidden-path") if each in told] == []


def test_a_secret_is_hidden_before_its_end_is_cut_off(database: Database) -> None:
    database.answer("/x", "x" * 195 + " hunter2", 409)
    told = message_of(lambda: api_of(database.url, bearer_token=Secret("hunter2")).get("/x"))
    assert told.endswith(f"refused /x (status 409: {'x' * 195} ...); look into its log")


def test_the_rest_of_what_a_server_says_is_told(database: Database) -> None:
    database.answer("/x", echo, 409)
    api = api_of(database.url, bearer_token=Secret("hunter2"))
    assert message_of(lambda: api.get("/x")) == (
        f'victoriametrics {database.url}: refused /x (status 409: no Bearer ... "..." ... ... Bearer%20... ...'
        ' ["Bearer ...", "\\"...\\"", "...", "...", "Bearer%20...", "..."] at /x); look into its log'
    )
