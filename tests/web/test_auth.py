"""The web configuration file: its rules, its effects and its reloading."""

import base64
import logging
import os
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPSConnection
from pathlib import Path

import bcrypt
import pytest
import requests
import trustme

from exporter.errors import ConfigError
from exporter.web.auth import WebConfig, _FailedLogins, _Passwords
from exporter.web.server import Server
from exporter.web.types import Request, Response

from ..support.deadlines import DEADLINE, until

LOOPBACK = "127.0.0.1:0"
ADDRESS = "203.0.113.7"
_SALT = b"$2b$04$adD5lssDEYpQLerJq/ngke"  # the same in every process that collects these tests
HASH = bcrypt.hashpw(b"right", _SALT).decode()
OTHER_HASH = bcrypt.hashpw(b"other", _SALT).decode()


def app(request: Request) -> Response:
    return Response(200, request.path.encode(), headers=(("X-Frame-Options", "sameorigin"), ("X-Own", "kept")))


@pytest.fixture
def folder(tmp_path: Path, authority: trustme.CA) -> Path:
    """A directory with the certificates of a server and its CA."""
    renew(tmp_path, authority)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path


def renew(folder: Path, authority: trustme.CA) -> None:
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")


def written(folder: Path, text: str) -> Path:
    path = folder / "web.yaml"
    path.write_text(text)
    return path


def access_of(folder: Path, text: str) -> WebConfig:
    return WebConfig(written(folder, text))


@pytest.fixture
def guarded(tmp_path: Path) -> WebConfig:
    """A configuration with one user, `me`, whose password is `right`."""
    return access_of(tmp_path, f"basic_auth_users: {{me: {HASH}}}")


def problems_of(folder: Path, text: str) -> list[str]:
    """Return the problems of a file, without its name at their beginning."""
    path = written(folder, text)
    with pytest.raises(ConfigError) as caught:
        WebConfig(path)
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in caught.value.problems)
    return [line.removeprefix(f"{path}: ") for line in caught.value.problems]


def basic(name_and_password: str) -> str:
    return "Basic " + base64.b64encode(name_and_password.encode()).decode()


def signed_in(name: str, password: str) -> Request:
    return request_with(basic(f"{name}:{password}"))


def request_with(authorization: str | None, path: str = "/metrics") -> Request:
    return Request("GET", path, {}, {} if authorization is None else {"authorization": authorization})


def status_of(access: WebConfig, request: Request) -> int:
    refusal = access.refusal(request, ADDRESS)
    return refusal.status if refusal else 200


def certificate_of(server: Server, context: ssl.SSLContext) -> bytes | None:
    with (
        socket.create_connection(server.address, timeout=5) as client,
        context.wrap_socket(client, server_hostname="127.0.0.1") as secured,
    ):
        return secured.getpeercert(binary_form=True)


def reply(server: Server, context: ssl.SSLContext) -> bytes:
    """Return the response to a request over TLS, empty if the server hangs up."""
    with closing(HTTPSConnection(*server.address, context=context, timeout=5)) as connection:
        connection.request("GET", "/page")
        with connection.getresponse() as response:
            return response.read()


TLS = "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"
TOP_KEYS = "not supported; use one of tls_server_config, http_server_config, basic_auth_users"
TOGETHER = "client_ca_file and client_auth_type belong together; set both or neither"


# Problems


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", ["the file is empty; write {} for plain HTTP without passwords"]),
        ("- a list", ["the file: must be key: value pairs"]),
        ("a: 1\nb: [", ["not valid YAML in line 2"]),
        ("\0", ["not valid YAML"]),
        ("a: 2026-13-45", ["not valid YAML"]),
        ("rate_limit: {}\n1: 2", [f"rate_limit: {TOP_KEYS}", f"1: {TOP_KEYS}"]),
        ("http_server_config: [1]", ["http_server_config: must be key: value pairs"]),
        (
            "http_server_config: {http2: true}",
            ["http_server_config.http2: not supported; remove it or set it to false"],
        ),
        (
            "http_server_config: {header: {}}",
            ["http_server_config.header: not supported; use one of headers, http2"],
        ),
        (
            "http_server_config: {headers: {Server: mine}}",
            [
                (
                    "http_server_config.headers.Server: not supported; use one of "
                    "Content-Security-Policy, Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, "
                    "X-XSS-Protection"
                )
            ],
        ),
        (
            "http_server_config: {headers: {X-Frame-Options: allow, X-Content-Type-Options: sniff}}",
            [
                "http_server_config.headers.X-Frame-Options: must be deny or sameorigin",
                "http_server_config.headers.X-Content-Type-Options: must be nosniff",
            ],
        ),
        (
            'http_server_config: {headers: {X-XSS-Protection: true, Content-Security-Policy: "a\\r\\nSet-Cookie: b"}}',
            [
                "http_server_config.headers.X-XSS-Protection: must be one line of plain text",
                "http_server_config.headers.Content-Security-Policy: must be one line of plain text",
            ],
        ),
        (
            "tls_server_config: yes",
            [
                "tls_server_config: must be key: value pairs",
                "tls_server_config.cert_file: missing",
                "tls_server_config.key_file: missing",
            ],
        ),
        (
            "tls_server_config:",
            ["tls_server_config.cert_file: missing", "tls_server_config.key_file: missing"],
        ),
        (
            TLS.replace("}", ", cipher_suites: []}"),
            [
                (
                    "tls_server_config.cipher_suites: not supported; use one of cert_file, key_file, "
                    "client_auth_type, client_ca_file, min_version, max_version"
                )
            ],
        ),
        (
            "tls_server_config: {cert_file: cert.pem, key_file: key.pem, min_version: TLS10, max_version: 1.3}",
            [
                "tls_server_config.min_version: TLS10 is not supported; use one of TLS12, TLS13",
                "tls_server_config.max_version: 1.3 is not supported; use one of TLS12, TLS13",
            ],
        ),
        (
            "tls_server_config: {cert_file: cert.pem, key_file: key.pem, min_version: TLS13, max_version: TLS12}",
            ["tls_server_config: min_version is higher than max_version"],
        ),
        (
            "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem}",
            [f"tls_server_config: {TOGETHER}"],
        ),
        (
            "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_auth_type: VerifyClientCertIfGiven}",
            [f"tls_server_config: {TOGETHER}"],
        ),
        (
            TLS.replace("}", ", client_ca_file: ca.pem, client_auth_type: RequireAnyClientCert}"),
            [
                (
                    "tls_server_config.client_auth_type: RequireAnyClientCert is not supported; "
                    "use one of NoClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert"
                )
            ],
        ),
        ("basic_auth_users: [a]", ["basic_auth_users: must be key: value pairs"]),
        (
            f"basic_auth_users: {{7: {HASH}, 'a:b': {HASH}}}",
            [
                "basic_auth_users.7: the name must be text without a colon; put it in quotes",
                "basic_auth_users.a:b: the name must be text without a colon; put it in quotes",
            ],
        ),
    ],
)
def test_a_problem_is_reported_with_what_to_do(folder: Path, text: str, problems: list[str]) -> None:
    assert problems_of(folder, text) == problems


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "absent.yaml"
    with pytest.raises(ConfigError) as caught:
        WebConfig(path)
    assert caught.value.problems == (f"{path}: cannot be read: No such file or directory",)


def test_all_problems_are_reported_at_once(folder: Path) -> None:
    text = "tls_server_config: {cert_file: none.pem}\nhttp_server_config: {http2: 1}\nbasic_auth_users: {me: pw}"
    assert problems_of(folder, text) == [
        f"tls_server_config.cert_file: {folder}/none.pem cannot be read: No such file or directory",
        "tls_server_config.key_file: missing",
        "http_server_config.http2: not supported; remove it or set it to false",
        "basic_auth_users.me: not a bcrypt hash; create one with: htpasswd -nBC 10 me",
    ]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("[a]", "{folder}/['a'] cannot be read: No such file or directory"),
        ('"a\\0b"', "{folder}/a\0b cannot be read: not a file name"),
        ("''", "{folder} cannot be read: Is a directory"),
        ("key.pem", "{folder}/key.pem contains no certificate in PEM format"),
    ],
)
def test_a_certificate_must_be_a_readable_file(folder: Path, value: str, problem: str) -> None:
    text = f"tls_server_config: {{cert_file: {value}, key_file: key.pem}}"
    assert problems_of(folder, text) == [f"tls_server_config.cert_file: {problem.format(folder=folder)}"]


def test_a_key_of_another_certificate_is_refused(folder: Path, authority: trustme.CA) -> None:
    authority.issue_cert("127.0.0.1").private_key_pem.write_to_path(folder / "key.pem")
    assert problems_of(folder, TLS) == [
        f"tls_server_config: cannot use {folder}/cert.pem and {folder}/key.pem: key values mismatch"
    ]


def test_a_damaged_certificate_is_refused(folder: Path) -> None:
    for name in ("cert.pem", "ca.pem"):
        (folder / name).write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    text = TLS.replace("}", ", client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert}")
    # The reason comes from OpenSSL and depends on its version.
    assert [problem.rpartition(": ")[0] for problem in problems_of(folder, text)] == [
        f"tls_server_config: cannot use {folder}/cert.pem and {folder}/key.pem",
        f"tls_server_config: cannot use {folder}/ca.pem",
    ]


def test_a_key_with_a_passphrase_is_refused(folder: Path) -> None:
    name = "ENCRYPTED PRIVATE KEY"
    (folder / "key.pem").write_text(f"-----BEGIN {name}-----\nAAAA\n-----END {name}-----\n")
    assert problems_of(folder, TLS) == [
        f"tls_server_config.key_file: {folder}/key.pem is protected by a passphrase; use a key without one"
    ]


@pytest.mark.parametrize(
    "stored", ["", "secret", "5", "[a]", HASH[:-1], HASH + "a", "$2x" + HASH[3:], "$2b$03" + HASH[6:], f"'{HASH} '"]
)
def test_an_invalid_hash_is_refused_and_not_shown(folder: Path, stored: str) -> None:
    assert problems_of(folder, f"basic_auth_users:\n  me: {stored}") == [
        "basic_auth_users.me: not a bcrypt hash; create one with: htpasswd -nBC 10 me"
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"basic_auth_users: {{{HASH}: me}}",
        f"{HASH}: me",
        f"basic_auth_users: *{HASH}",
        f"basic_auth_users: !{HASH} x",
        f"basic_auth_users:\n  me: {HASH}\n bad",
        f"tls_server_config: {{cert_file: '{HASH}', key_file: key.pem, min_version: {HASH}}}",
    ],
)
def test_no_message_shows_a_hash(folder: Path, text: str) -> None:
    assert not any(HASH[4:] in problem or "$2b$" in problem for problem in problems_of(folder, text))


# Passwords


@pytest.mark.parametrize("authorization", [basic("me:right"), basic("me:right").replace("Basic", "bASIC ")])
def test_the_right_password_is_accepted(guarded: WebConfig, authorization: str) -> None:
    assert guarded.refusal(request_with(authorization), ADDRESS) is None


@pytest.mark.parametrize(
    "authorization",
    [
        *map(basic, ["me:wrong", "me:", "you:right", ":right", "me:" + "r" * 73, "me", "me:\xff\0"]),
        *(None, "", "Bearer abc", "Basic", "Basic !!!", "Basic é"),
    ],
)
def test_anything_else_is_refused(guarded: WebConfig, authorization: str | None) -> None:
    refusal = Response(401, b"Unauthorized\n", headers=(("WWW-Authenticate", "Basic"),))
    assert guarded.refusal(request_with(authorization), ADDRESS) == refusal


@pytest.mark.parametrize(("path", "status"), [("/-/healthy", 200), ("/-/healthy/", 401), ("/-/ready", 401), ("/", 401)])
def test_only_the_health_check_needs_no_password(guarded: WebConfig, path: str, status: int) -> None:
    assert [status_of(guarded, request_with(header, path)) for header in (None, basic("me:wrong"))] == [status] * 2


@pytest.mark.parametrize("text", ["{}", "basic_auth_users:", "basic_auth_users: {}"])
def test_without_users_no_password_is_needed(tmp_path: Path, text: str) -> None:
    assert status_of(access_of(tmp_path, text), request_with(None)) == 200


@pytest.mark.parametrize("kind", ["2a", "2b", "2y"])
def test_every_current_kind_of_bcrypt_hash_works(tmp_path: Path, kind: str) -> None:
    access = access_of(tmp_path, f"basic_auth_users: {{me: '${kind}{HASH[3:]}'}}")
    assert status_of(access, signed_in("me", "right")) == 200
    assert status_of(access, signed_in("me", "wrong")) == 401


def test_a_password_has_at_most_72_bytes(tmp_path: Path) -> None:
    stored = bcrypt.hashpw(b"p" * 72, bcrypt.gensalt(4)).decode()
    access = access_of(tmp_path, f"basic_auth_users: {{me: {stored}}}")
    assert status_of(access, signed_in("me", "p" * 72)) == 200
    assert status_of(access, signed_in("me", "p" * 73)) == 401


class CountingCheck:
    """Counts the calls of bcrypt.checkpw and slows them down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._check = bcrypt.checkpw
        self._running = threading.Lock()
        self.hashes: list[bytes] = []
        self.overlapped = False
        self.seconds = 0.0
        monkeypatch.setattr(bcrypt, "checkpw", self)

    def __call__(self, password: bytes, stored: bytes) -> bool:
        self.hashes.append(stored)
        if not self._running.acquire(blocking=False):
            self.overlapped = True
            return False
        try:
            threading.Event().wait(self.seconds)
            return self._check(password, stored)
        finally:
            self._running.release()


def test_a_password_is_checked_once_and_then_cached(guarded: WebConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = CountingCheck(monkeypatch)
    for _ in range(3):
        assert status_of(guarded, signed_in("me", "right")) == 200
        assert status_of(guarded, signed_in("me", "wrong")) == 401
    assert len(checks.hashes) == 2


def test_parallel_requests_compute_one_hash_at_a_time(guarded: WebConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = CountingCheck(monkeypatch)
    checks.seconds = 0.02
    passwords = ["right", "wrong", "right", "other"] * 3
    with ThreadPoolExecutor(len(passwords)) as pool:
        statuses = list(pool.map(lambda password: status_of(guarded, signed_in("me", password)), passwords))
    assert statuses == [200, 401, 200, 401] * 3
    assert len(checks.hashes) == 3
    assert not checks.overlapped


class StuckCheck:
    """Stands for a bcrypt.checkpw that takes until it is released."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.released = threading.Event()
        monkeypatch.setattr(bcrypt, "checkpw", self)

    def __call__(self, password: bytes, stored: bytes) -> bool:
        assert self.released.wait(DEADLINE)
        return False


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as pool:
        yield pool


@pytest.fixture
def stuck(guarded: WebConfig, monkeypatch: pytest.MonkeyPatch, pool: ThreadPoolExecutor) -> Iterator[StuckCheck]:
    """Passwords are no longer checked; the right one was checked before.

    It ends before the pool, whose threads may wait for it.
    """
    assert status_of(guarded, signed_in("me", "right")) == 200
    stuck = StuckCheck(monkeypatch)
    yield stuck
    stuck.released.set()


def wait_with(access: WebConfig, passwords: Iterable[str], pool: ThreadPoolExecutor) -> list[Future[int]]:
    """Let requests wait until their passwords are checked; return their statuses."""
    statuses = [pool.submit(status_of, access, signed_in("me", password)) for password in passwords]
    until(lambda: access._passwords._waiting.total() == len(statuses))
    return statuses


def test_few_passwords_wait_and_the_others_are_429(
    guarded: WebConfig, stuck: StuckCheck, pool: ThreadPoolExecutor
) -> None:
    waiting = wait_with(guarded, map(str, range(8)), pool)
    refusal = guarded.refusal(signed_in("me", "another"), ADDRESS)
    assert refusal is not None
    assert (refusal.status, dict(refusal.headers)) == (429, {"Retry-After": "1"})
    assert status_of(guarded, signed_in("nobody", "another")) == 429
    stuck.released.set()
    assert [status.result() for status in waiting] == [401] * 8
    assert status_of(guarded, signed_in("me", "another")) == 401


def test_few_requests_wait_for_the_same_password(
    guarded: WebConfig, stuck: StuckCheck, pool: ThreadPoolExecutor
) -> None:
    waiting = wait_with(guarded, ["wrong"] * 64, pool)
    assert status_of(guarded, signed_in("me", "wrong")) == 429
    stuck.released.set()
    assert [status.result() for status in waiting] == [401] * 64


@pytest.mark.usefixtures("stuck")
def test_a_remembered_password_and_the_health_check_go_first(guarded: WebConfig, pool: ThreadPoolExecutor) -> None:
    wait_with(guarded, map(str, range(8)), pool)
    assert status_of(guarded, signed_in("me", "right")) == 200
    assert status_of(guarded, request_with(basic("me:wrong"), "/-/healthy")) == 200
    assert status_of(guarded, request_with(None)) == 401


def test_only_a_right_password_is_remembered(tmp_path: Path, guarded: WebConfig) -> None:
    right = signed_in("me", "right")
    assert not guarded.remembers(right)
    assert [status_of(guarded, signed_in(*each)) for each in (("me", "right"), ("me", "wrong"))] == [200, 401]
    assert guarded.remembers(right)
    others = signed_in("me", "wrong"), signed_in("you", "right"), request_with(None), request_with("Basic !!!")
    assert not any(map(guarded.remembers, others))
    written(tmp_path, f"basic_auth_users: {{me: {OTHER_HASH}}}")
    assert not guarded.remembers(right)
    written(tmp_path, "{}")
    assert not guarded.remembers(right)


def test_an_unknown_name_takes_as_long_as_a_known_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    costly = "$2b$05" + HASH[6:]
    access = access_of(tmp_path, f"basic_auth_users: {{me: {HASH}, you: {costly}}}")
    checks = CountingCheck(monkeypatch)
    assert status_of(access, signed_in("nobody", "right")) == 401
    assert checks.hashes == [b"$2b$05$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"]


def test_the_password_of_the_fake_hash_is_rejected(guarded: WebConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bcrypt, "checkpw", lambda *_: True)
    assert status_of(guarded, signed_in("nobody", "whatever")) == 401
    assert status_of(guarded, signed_in("me", "whatever")) == 200


def test_guesses_do_not_evict_the_right_password(guarded: WebConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = CountingCheck(monkeypatch)
    assert status_of(guarded, signed_in("me", "right")) == 200
    for number in range(150):
        assert status_of(guarded, signed_in("me", f"guess{number}")) == 401
    assert {matched: len(keys) for matched, keys in guarded._passwords._results.items()} == {True: 1, False: 100}
    assert status_of(guarded, signed_in("me", "right")) == 200
    assert len(checks.hashes) == 151


def test_the_cache_contains_no_password() -> None:
    key, other = (_Passwords()._key(b"me", b"right", HASH.encode()) for _ in range(2))
    assert b"right" not in key
    assert key != other


def test_name_and_password_have_a_clear_border_in_the_cache() -> None:
    passwords = _Passwords()
    assert passwords._key(b"ab", b"c", b"d") != passwords._key(b"a", b"bc", b"d")


def test_the_server_checks_the_password_first(guarded: WebConfig) -> None:
    with Server(LOOPBACK, app, guarded) as server:
        for method, path, authorization, status in (
            ("GET", "/metrics", basic("me:right"), 200),
            ("GET", "/metrics", basic("me:wrong"), 401),
            ("POST", "/metrics", "", 401),
            ("POST", "/metrics", basic("me:right"), 405),
            ("GET", "/-/healthy", "", 200),
            ("GET", "/-/healthy%2F..%2Fmetrics", "", 401),
        ):
            headers = {"Authorization": authorization}
            assert requests.request(method, server.url + path, headers=headers, timeout=5).status_code == status


# Failed logins


def test_a_failed_login_is_logged_with_its_address(guarded: WebConfig, caplog: pytest.LogCaptureFixture) -> None:
    for request in (signed_in("me", "wrong"), signed_in("nobody", "wrong"), request_with("Basic !!!")):
        assert status_of(guarded, request) == 401
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, f"failed login from {ADDRESS}: wrong user name or password")
    ]


def test_no_login_is_no_failed_one(guarded: WebConfig, caplog: pytest.LogCaptureFixture) -> None:
    assert status_of(guarded, request_with(None)) == 401
    assert status_of(guarded, signed_in("me", "right")) == 200
    assert caplog.messages == []


def test_failed_logins_are_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    logins = _FailedLogins(most=2, timer=lambda: now)
    counts = []
    for now in (0.0, 30.0, 59.0, 60.0, 89.0, 90.0):
        for address in ("192.0.2.1",) if not now else ("192.0.2.1", "2001:db8::2", "192.0.2.3"):
            logins.report(address)
        counts.append(len(caplog.records))
    assert counts == [1, 2, 2, 3, 3, 4]


def test_the_server_logs_the_address_of_a_failed_login(guarded: WebConfig, caplog: pytest.LogCaptureFixture) -> None:
    with Server(":0", app, guarded) as server:
        url = f"http://127.0.0.1:{server.address[1]}/"
        assert requests.get(url, headers={"Authorization": basic("me:wrong")}, timeout=5).status_code == 401
    assert ["from 127.0.0.1:" in message for message in caplog.messages] == [True]


# Headers


def test_configured_headers_replace_those_of_responses(tmp_path: Path) -> None:
    access = access_of(
        tmp_path,
        "http_server_config:\n"
        "  http2: false\n"
        "  headers: {X-Frame-Options: deny, X-Content-Type-Options: nosniff, X-XSS-Protection: 0,\n"
        "    Strict-Transport-Security: '', Content-Security-Policy: }\n",
    )
    with Server(LOOPBACK, app, access) as server:
        for answer in (requests.get(server.url, timeout=5), requests.post(server.url, timeout=5)):
            assert answer.headers["X-Frame-Options"] == "deny"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["X-XSS-Protection"] == "0"
            assert "Strict-Transport-Security" not in answer.headers
            assert "Content-Security-Policy" not in answer.headers
        assert requests.get(server.url, timeout=5).headers["X-Own"] == "kept"


# TLS


@pytest.mark.parametrize(
    ("setting", "lowest", "highest"),
    [
        ("", ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
        (", min_version: TLS13", ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3),
        (", max_version: TLS12", ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
    ],
)
def test_tls_is_1_2_or_newer_or_as_configured(
    folder: Path, setting: str, lowest: ssl.TLSVersion, highest: ssl.TLSVersion
) -> None:
    access = access_of(folder, TLS.replace("}", f"{setting}}}"))
    context = access.context()
    assert context is not None
    assert (context.minimum_version, context.maximum_version) == (lowest, highest)
    assert context.verify_mode is ssl.CERT_NONE
    assert access.uses_tls


REQUIRED = TLS.replace("}", ", client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert}")
IF_GIVEN = REQUIRED.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven")
NO_CERTIFICATE = "SSLV3_ALERT_HANDSHAKE_FAILURE"
UNKNOWN_AUTHORITY = "TLSV1_ALERT_UNKNOWN_CA"


@pytest.mark.parametrize(
    ("text", "certificate", "reason"),
    [
        (REQUIRED, "ours", ""),
        (REQUIRED, "foreign", UNKNOWN_AUTHORITY),
        (REQUIRED, "none", NO_CERTIFICATE),
        (IF_GIVEN, "foreign", UNKNOWN_AUTHORITY),
        (IF_GIVEN, "none", ""),
    ],
)
def test_client_certificates_are_verified(  # noqa: PLR0917
    folder: Path, authority: trustme.CA, trusting: ssl.SSLContext, text: str, certificate: str, reason: str
) -> None:
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2  # where the handshake includes the refusal
    if certificate != "none":
        issuer = authority if certificate == "ours" else trustme.CA()
        issuer.issue_cert("client@example.org").configure_cert(trusting)
    with Server(LOOPBACK, app, access_of(folder, text)) as server:
        if not reason:
            assert reply(server, trusting) == b"/page"
            return
        with pytest.raises(ssl.SSLError) as caught:
            reply(server, trusting)
    assert caught.value.reason == reason


# Reloading


def test_a_renewed_certificate_applies_to_new_connections(
    folder: Path, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    with (
        Server(LOOPBACK, app, access_of(folder, TLS)) as server,
        closing(HTTPSConnection(*server.address, context=trusting, timeout=5)) as old,
    ):
        before = certificate_of(server, trusting)
        old.connect()
        renew(folder, authority)
        after = certificate_of(server, trusting)
        assert after != before
        assert certificate_of(server, trusting) == after
        old.request("GET", "/old")
        with old.getresponse() as response:
            assert response.read() == b"/old"


def test_an_unfinished_renewal_keeps_the_old_certificate(
    folder: Path, authority: trustme.CA, trusting: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    with Server(LOOPBACK, app, access_of(folder, TLS)) as server:
        before = certificate_of(server, trusting)
        issued = authority.issue_cert("127.0.0.1")
        issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        assert [certificate_of(server, trusting) for _ in range(3)] == [before] * 3
        assert [(record.name, record.levelno) for record in caplog.records] == [("exporter.web", logging.WARNING)]
        issued.private_key_pem.write_to_path(folder / "key.pem")
        assert certificate_of(server, trusting) not in (before, None)
        assert len(caplog.records) == 1


def test_changed_users_apply_to_the_next_request(tmp_path: Path, guarded: WebConfig) -> None:
    assert status_of(guarded, signed_in("me", "right")) == 200
    written(tmp_path, f"basic_auth_users: {{me: {OTHER_HASH}, you: {HASH}}}")
    assert status_of(guarded, signed_in("me", "right")) == 401
    assert status_of(guarded, signed_in("me", "other")) == 200
    assert status_of(guarded, signed_in("you", "right")) == 200


@pytest.mark.parametrize("text", ["", "basic_auth_users: {me: ", "basic_auth_users: {me: plain}", None])
def test_an_invalid_new_version_lets_nobody_else_in(
    tmp_path: Path, guarded: WebConfig, caplog: pytest.LogCaptureFixture, text: str | None
) -> None:
    if text is None:
        (tmp_path / "web.yaml").unlink()
    else:
        written(tmp_path, text)
    for _ in range(3):
        assert status_of(guarded, request_with(None)) == 401
        assert status_of(guarded, signed_in("me", "right")) == 200
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("before", "after"), [(TLS, "{}"), ("{}", TLS)])
def test_tls_is_only_turned_on_or_off_by_a_restart(
    folder: Path, caplog: pytest.LogCaptureFixture, before: str, after: str
) -> None:
    access = access_of(folder, before)
    written(folder, after)
    assert (access.context() is not None) == (before == TLS)
    assert caplog.messages == [
        (
            f"invalid web configuration, the previous one stays in use: {folder}/web.yaml: "
            "TLS was turned on or off; restart the exporter"
        )
    ]


def test_files_of_an_invalid_version_are_watched_too(folder: Path, authority: trustme.CA) -> None:
    access = access_of(folder, TLS)
    before = access.context()
    written(folder, TLS.replace("cert.pem", "next.pem"))
    assert access.context() is before
    (folder / "next.pem").write_bytes((folder / "cert.pem").read_bytes())
    assert access.context() is not before


def test_a_replaced_file_of_the_same_size_and_time_is_noticed(tmp_path: Path, guarded: WebConfig) -> None:
    path, fresh = tmp_path / "web.yaml", tmp_path / "fresh.yaml"
    fresh.write_text(f"basic_auth_users: {{me: {OTHER_HASH}}}")
    times = path.stat()
    os.utime(fresh, ns=(times.st_atime_ns, times.st_mtime_ns))
    fresh.replace(path)
    assert status_of(guarded, signed_in("me", "other")) == 200


def test_an_unchanged_file_is_not_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    access = access_of(folder, TLS)
    context = access.context()
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("read"))
    assert access.context() is context
