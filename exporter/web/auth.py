"""TLS and basic authentication by a web configuration file.

The format is that of the exporter-toolkit (docs/web-configuration.md there). A key that this program does not support
is refused, because ignoring it could leave open what the user believes is protected.
"""

import base64
import hashlib
import logging
import re
import secrets
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import bcrypt
import yaml
from cachetools import LRUCache, TTLCache

from ..errors import ConfigError
from .types import Request, Response

_Stamp = tuple[int, int, int] | None
_log = logging.getLogger("exporter.web")
_T = TypeVar("_T")

_TOP_KEYS = ("tls_server_config", "http_server_config", "basic_auth_users")
_TLS_KEYS = ("cert_file", "key_file", "client_auth_type", "client_ca_file", "min_version", "max_version")
_HTTP_KEYS = ("headers", "http2")
# Without the types that request a certificate and do not verify it: Python cannot do that.
_NO_CLIENT_AUTH = "NoClientCert"
_CLIENT_AUTH = {
    _NO_CLIENT_AUTH: ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_TLS_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_HEADERS: Mapping[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
"""The headers that can be set, and their values if only some are allowed."""

_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_LIKE_BCRYPT = re.compile(r"\$2[a-z]?\$\S*")
_LONGEST_PASSWORD = 72
"""In bytes; bcrypt would ignore the rest."""

OPEN_TO_ALL = "/-/healthy"
"""The path that needs no password."""


@dataclass(frozen=True, slots=True)
class _Version:
    """One version of the web configuration file and of the files that it names."""

    context: ssl.SSLContext | None
    headers: tuple[tuple[str, str], ...]
    users: dict[bytes, bytes]


class WebConfig:
    """A web configuration file, reloaded when it or a file it names has changed.

    If the new version is invalid, this is reported once and the old one stays in use. TLS cannot be turned on or off
    later: a file that is just being written must not make passwords travel in clear text. The constructor raises
    ConfigError with all problems; they never show a hash.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: dict[Path, _Stamp] = {path: _stamp(path)}
        self._version = self._load()
        self._passwords = _Passwords()
        self._failed_logins = _FailedLogins()
        self.uses_tls = self._version.context is not None

    def context(self) -> ssl.SSLContext | None:
        """Return the TLS context for a new connection, None for plain HTTP."""
        return self._current().context

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers of every response; they replace an application's own."""
        return self._current().headers

    def remembers(self, request: Request) -> bool:
        """Return whether the password of a request is known to be right, without computing anything."""
        credentials = _credentials(request)
        return credentials is not None and self._passwords.remembers(self._current().users, *credentials)

    def refusal(self, request: Request, address: str) -> Response | None:
        """Return the response to a request without valid credentials, else None. Failed logins are logged.

        address: The client's.
        """
        if request.path == OPEN_TO_ALL or not (users := self._current().users):
            return None
        credentials = _credentials(request)
        is_right = credentials is not None and self._passwords.match(users, *credentials)
        if is_right is None:
            return Response(
                429, b"too many passwords are being checked; try again later\n", headers=(("Retry-After", "1"),)
            )
        if is_right:
            return None
        if "authorization" in request.headers:
            self._failed_logins.report(address)
        return Response(401, b"Unauthorized\n", headers=(("WWW-Authenticate", "Basic"),))

    def _current(self) -> _Version:
        with self._lock:
            stamps = {path: _stamp(path) for path in self._seen}
            if stamps != self._seen:
                self._seen = stamps
                try:
                    version = self._load()
                    if (version.context is not None) != self.uses_tls:
                        raise ConfigError(f"{self._path}: TLS was turned on or off; restart the exporter")  # noqa: TRY301
                except ConfigError as error:
                    _log.warning(
                        "invalid web configuration, the previous one stays in use: %s", "; ".join(error.problems)
                    )
                else:
                    self._version = version
                    _log.info("web configuration reloaded")
            return self._version

    def _load(self) -> _Version:
        reader = _Reader(self._path)
        try:
            return reader.read()
        finally:
            # Keep the stamps from before reading, so that a change in the meantime is noticed.
            self._seen = {path: self._seen.get(path, _stamp(path)) for path in reader.files or self._seen}


class _Reader:
    """Reads one version and collects all problems."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._problems: list[str] = []
        self.files: list[Path] = []

    def read(self) -> _Version:
        top = self._section(self._document(), "", _TOP_KEYS)
        context = None
        if "tls_server_config" in top:
            context = self._tls(self._section(top["tls_server_config"], "tls_server_config", _TLS_KEYS))
        http = self._section(top.get("http_server_config"), "http_server_config", _HTTP_KEYS)
        if http.get("http2"):
            self._problem("http_server_config.http2: not supported; remove it or set it to false")
        headers = self._headers(self._section(http.get("headers"), "http_server_config.headers", _HEADERS))
        users = self._users(self._section(top.get("basic_auth_users"), "basic_auth_users"))
        if self._problems:
            raise ConfigError([f"{self._path}: {_LIKE_BCRYPT.sub('<hash>', problem)}" for problem in self._problems])
        return _Version(context, headers, users)

    def _document(self) -> object:
        try:
            document = yaml.safe_load(self._path.read_bytes())
        except OSError as error:
            raise ConfigError(f"{self._path}: cannot be read: {error.strerror}") from error
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            where = f" in line {mark.line + 1}" if mark else ""
            # Without the reason, which can quote the file and so a secret.
            raise ConfigError(f"{self._path}: not valid YAML{where}") from None
        if document is None:
            # The file is probably just being written; an empty one would allow access without a password.
            raise ConfigError(f"{self._path}: the file is empty; write {{}} for plain HTTP without passwords")
        self.files.append(self._path)
        return document

    def _section(self, value: object, name: str, known: Iterable[str] | None = None) -> dict[str, Any]:
        """Return the keys of a section; none, and a problem, for anything but a mapping.

        known: The keys that are supported; None supports any.
        """
        if not isinstance(value, dict):
            if value is not None:
                self._problem(f"{name or 'the file'}: must be key: value pairs")
            return {}
        for key in value:
            if known and key not in known:
                place = f"{name}.{key}" if name else key
                self._problem(f"{place}: not supported; use one of {', '.join(known)}")
        return value

    def _tls(self, section: dict[str, Any]) -> ssl.SSLContext | None:
        cert = self._file(section, "cert_file", "CERTIFICATE", required=True)
        key = self._file(section, "key_file", "PRIVATE KEY", required=True)
        authority = self._file(section, "client_ca_file", "CERTIFICATE")
        client_auth = self._choice(section, "client_auth_type", _CLIENT_AUTH, _NO_CLIENT_AUTH)
        lowest = self._choice(section, "min_version", _TLS_VERSIONS, "TLS12")
        highest = self._choice(section, "max_version", _TLS_VERSIONS, "TLS13")
        if lowest > highest:
            self._problem("tls_server_config: min_version is higher than max_version")
        verifies = section.get("client_auth_type", _NO_CLIENT_AUTH) != _NO_CLIENT_AUTH
        if verifies == (section.get("client_ca_file") is None):
            self._problem("tls_server_config: client_ca_file and client_auth_type belong together; set both or neither")
        if cert is None or key is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version, context.maximum_version = lowest, highest
        context.verify_mode = client_auth
        self._try(lambda: context.load_cert_chain(cert, key), f"{cert} and {key}")
        if authority is not None:
            self._try(lambda: context.load_verify_locations(authority), str(authority))
        return context

    def _try(self, load: Callable[[], None], files: str) -> None:
        try:
            load()
        except ssl.SSLError as error:
            reason = (error.reason or "damaged").replace("_", " ").lower()
            self._problem(f"tls_server_config: cannot use {files}: {reason}")

    def _file(self, section: dict[str, Any], name: str, content: str, *, required: bool = False) -> Path | None:
        """Return the path of a PEM file, None if it is not set.

        A file that cannot be used is a problem and returns None.
        """
        place = f"tls_server_config.{name}"
        if section.get(name) is None:
            if required:
                self._problem(f"{place}: missing")
            return None
        path = self._path.parent / str(section[name])
        self.files.append(path)
        try:
            text = path.read_bytes()
        except (OSError, ValueError) as error:
            self._problem(f"{place}: {path} cannot be read: {getattr(error, 'strerror', 'not a file name')}")
            return None
        if f"{content}-----".encode() not in text:
            self._problem(f"{place}: {path} contains no {content.lower()} in PEM format")
        elif b"ENCRYPTED" in text:
            # OpenSSL would ask for the passphrase on the terminal and wait.
            self._problem(f"{place}: {path} is protected by a passphrase; use a key without one")
        else:
            return path
        return None

    def _choice(self, section: dict[str, Any], name: str, choices: Mapping[str, _T], default: str) -> _T:
        value = section.get(name, default)
        if not isinstance(value, str) or value not in choices:
            self._problem(f"tls_server_config.{name}: {value} is not supported; use one of {', '.join(choices)}")
            return choices[default]
        return choices[value]

    def _headers(self, section: dict[str, Any]) -> tuple[tuple[str, str], ...]:
        headers = []
        for name, value in section.items():
            place = f"http_server_config.headers.{name}"
            # YAML reads `X-XSS-Protection: 0` as a number; an empty value means unset.
            text = "" if value is None else str(value) if type(value) is int else value
            if not isinstance(text, str) or not (text.isascii() and text.isprintable()):
                self._problem(f"{place}: must be one line of plain text")
            elif text and (allowed := _HEADERS.get(name)) and text not in allowed:
                self._problem(f"{place}: must be {' or '.join(allowed)}")
            elif text:
                headers.append((name, text))
        return tuple(headers)

    def _users(self, section: dict[Any, Any]) -> dict[bytes, bytes]:
        users = {}
        for name, stored in section.items():
            if not isinstance(name, str) or ":" in name:
                self._problem(f"basic_auth_users.{name}: the name must be text without a colon; put it in quotes")
            elif not isinstance(stored, str) or not _BCRYPT.fullmatch(stored):
                self._problem(f"basic_auth_users.{name}: not a bcrypt hash; create one with: htpasswd -nBC 10 {name}")
            else:
                users[name.encode()] = stored.encode()
        return users

    def _problem(self, problem: str) -> None:
        self._problems.append(problem)


class _Passwords:
    """Checks passwords by bcrypt, which is slow, and caches the results.

    remembered: The number of right and of wrong ones that are cached. waiting: The number of passwords that wait to be
    checked at the same time.
    """

    def __init__(self, remembered: int = 100, waiting: int = 8) -> None:
        # Keyed with a secret of this process, so that a password cannot be guessed from a memory dump, nor the time
        # of a look-up reveal anything about it.
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._computing = threading.Lock()
        # Two caches, so that many wrong passwords do not evict the right ones.
        self._results = {matched: LRUCache[bytes, bool](remembered) for matched in (True, False)}
        self._waiting = Counter[bytes]()
        self._most_waiting = waiting

    def match(self, users: Mapping[bytes, bytes], name: bytes, password: bytes) -> bool | None:
        """Return whether name and password are valid; None if too many others wait to be checked.

        An unknown name takes as long as a known one.
        """
        if len(password) > _LONGEST_PASSWORD:
            return False
        against = users.get(name) or _fake_hash(users)
        key = self._key(name, password, against)
        with self._lock:
            result = self._recall(key)
            if result is not None:
                return result
            # Requests with the same password wait for one result. They are limited too, as each takes up a connection.
            if len({*self._waiting, key}) > self._most_waiting or self._waiting.total() >= 8 * self._most_waiting:
                return None
            self._waiting[key] += 1
        try:
            # One at a time, so that guessing takes one processor at most; the others then find the result.
            with self._computing:
                with self._lock:
                    result = self._recall(key)
                if result is None:
                    result = bcrypt.checkpw(password, against) and name in users
                    with self._lock:
                        self._results[result][key] = True
                return result
        finally:
            with self._lock:
                self._waiting -= Counter([key])

    def remembers(self, users: Mapping[bytes, bytes], name: bytes, password: bytes) -> bool:
        """Return whether name and password are cached as valid."""
        stored = users.get(name)
        with self._lock:
            return stored is not None and self._recall(self._key(name, password, stored)) is True

    def _recall(self, key: bytes) -> bool | None:
        return next((matched for matched, keys in self._results.items() if keys.get(key)), None)

    def _key(self, *parts: bytes) -> bytes:
        return hashlib.blake2b(repr(parts).encode(), key=self._secret).digest()


class _FailedLogins:
    """Logs failed logins, each address once a minute, and at most so many addresses a minute."""

    def __init__(self, most: int = 100, timer: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._logged = TTLCache[str, bool](most, ttl=60, timer=timer)

    def report(self, address: str) -> None:
        """Log a failed login from an IP address."""
        with self._lock:
            if address in self._logged or len(self._logged) >= self._logged.maxsize:
                return
            self._logged[address] = True
        _log.warning("failed login from %s: wrong user name or password", address)


def _fake_hash(users: Mapping[bytes, bytes]) -> bytes:
    """Return a hash without a known password, as slow to check as the slowest real one."""
    cost = max(stored[4:6] for stored in users.values())
    return b"$2b$" + cost + b"$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"


def _credentials(request: Request) -> tuple[bytes, bytes] | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(token.strip(), validate=True).partition(b":")
    except ValueError:
        return None
    return (name, password) if colon else None


def _stamp(path: Path) -> _Stamp:
    """Return what changes when a file is written; None if it does not exist."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
