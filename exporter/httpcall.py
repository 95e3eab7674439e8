"""HTTP calls to portals and databases: limited in time and size."""

import codecs
import http.client
import io
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError
from urllib3.exceptions import ProtocolError as BrokenMessage
from urllib3.exceptions import TimeoutError as TimedOut

from . import __version__

_CHUNK = 64 * 1024
_MOST_INTERIM = 20  # responses before the real one, such as 103 Early Hints
_MOST_COOKIES = 20
_LONGEST_COOKIE = 4096  # characters


class CallFailure(Enum):
    """Why a call got no response."""

    UNTRUSTED = auto()
    NO_CA_FILE = auto()
    TLS = auto()
    PROXY = auto()
    UNKNOWN_HOST = auto()
    REFUSED = auto()
    TIMED_OUT = auto()
    UNREACHABLE = auto()
    BROKE_OFF = auto()
    UNREADABLE = auto()
    TOO_LARGE = auto()


class _TooLargeError(requests.RequestException):
    """The response, or one of its lines, is larger than the limit."""


_KINDS: tuple[tuple[tuple[type[BaseException], ...], CallFailure], ...] = (
    ((_TooLargeError,), CallFailure.TOO_LARGE),
    ((ssl.SSLCertVerificationError,), CallFailure.UNTRUSTED),
    ((requests.exceptions.SSLError, ssl.SSLError), CallFailure.TLS),
    ((requests.exceptions.ProxyError,), CallFailure.PROXY),
    ((NameResolutionError,), CallFailure.UNKNOWN_HOST),
    ((ConnectionRefusedError,), CallFailure.REFUSED),
    ((NewConnectionError,), CallFailure.UNREACHABLE),  # urllib3 derives it from its timeout error
    ((requests.Timeout, TimedOut, TimeoutError), CallFailure.TIMED_OUT),
    ((requests.ConnectionError,), CallFailure.UNREACHABLE),
    ((BrokenMessage,), CallFailure.BROKE_OFF),
)
"""The exceptions behind each kind of failure; the first match wins."""


class CallFailedError(Exception):
    """A call got no response, or one that could not be read to the end.

    answered: whether the response began.
    """

    def __init__(self, error: Exception, *, answered: bool = False) -> None:
        super().__init__(type(error).__name__)
        self.error = error
        self.answered = answered
        behind = tuple(_causes(error))
        fitting = (kind for types, kind in _KINDS if any(isinstance(cause, types) for cause in behind))
        self.kind = next(fitting, CallFailure.UNREADABLE)
        if type(error) is OSError:  # requests raises it if the CA file is missing
            self.kind = CallFailure.NO_CA_FILE


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Return an error and all errors behind it: libraries wrap them several times."""
    pending: list[object] = [error]
    seen: set[int] = set()
    while pending:
        item = pending.pop()
        if id(item) not in seen and isinstance(item, BaseException):
            seen.add(id(item))
            yield item
            pending += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]


class Authorization(requests.auth.AuthBase):
    """The `Authorization` header of a call, or none.

    Every call passes one, and it is never falsy, so that requests does not read ~/.netrc.
    """

    def __init__(self, header: str = "") -> None:
        self.header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        if self.header:
            request.headers["Authorization"] = self.header
        return request

    def __repr__(self) -> str:
        return "<authorization>"

    @classmethod
    def basic(cls, username: str, password: str) -> "Authorization":
        """Return the header for a user name and password, in UTF-8."""
        return cls("Basic " + b64encode(f"{username}:{password}".encode()).decode())

    @classmethod
    def bearer(cls, token: str) -> "Authorization":
        """Return the header for a token."""
        return cls(f"Bearer {token}")


@dataclass(frozen=True, slots=True)
class ClientResponse:
    """A complete response. Header names are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_page(self) -> bool:
        """Whether the body is an HTML page instead of data."""
        return self.body.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"<"

    @property
    def content_type(self) -> str:
        """The Content-Type header, empty if there is none."""
        return self.headers.get("Content-Type", "")

    @property
    def retry_after(self) -> float | None:
        """The seconds of a Retry-After header.

        Its date form is ignored, because it depends on the server's clock.
        """
        value = self.headers.get("Retry-After", "")
        return float(value) if value.isdecimal() else None

    @property
    def date(self) -> float | None:
        """The server's clock in seconds UTC; None if there is no valid Date header."""
        try:
            date = parsedate_to_datetime(self.headers["Date"])
            return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
        except (KeyError, ValueError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Limits of a call.

    connect, read, total: seconds to connect, between two packets, and for a complete response. stream: seconds for a
    response that is read line by line. body, line: bytes after unpacking.
    """

    connect: float = 10.0
    read: float = 60.0
    total: float = 120.0
    stream: float = 3600.0
    body: int = 32 * 1024 * 1024
    line: int = 32 * 1024 * 1024


DEFAULT_LIMITS = CallLimits()


class _TimedReader(io.RawIOBase):
    """The bytes of a connection, as long as there is time for the response.

    A timeout of the socket would not end a response that trickles in forever.
    """

    def __init__(self, raw: io.RawIOBase, is_late: Callable[[], bool]) -> None:
        self._raw = raw
        self._is_late = is_late

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:  # noqa: ANN401 - a writable buffer
        if self._is_late():
            raise TimeoutError("the response took too long")
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """A response that skips interim ones; http.client takes any but 100 for the real one."""

    def __init__(self, sock: socket.socket, *, is_late: Callable[[], bool], **options: Any) -> None:  # noqa: ANN401
        super().__init__(sock, **options)
        self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), is_late))

    def begin(self) -> None:
        for _ in range(_MOST_INTERIM):
            super().begin()
            if self.status not in range(http.HTTPStatus.PROCESSING, http.HTTPStatus.OK):
                return
            self.headers = self.msg = None  # type: ignore[assignment]  # the next begin() reads again
        raise http.client.HTTPException("too many interim responses")


class _Adapter(HTTPAdapter):
    """The connections of a session; `respond` makes their responses, in place of http.client.HTTPResponse."""

    def __init__(self, respond: Callable[..., http.client.HTTPResponse]) -> None:
        self._respond = respond
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        super().init_poolmanager(*args, **options)
        self._set_up(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401
        return self._set_up(super().proxy_manager_for(proxy, **options))

    def _set_up(self, manager: Any) -> Any:  # noqa: ANN401 - requests has no types for it
        attributes = {"response_class": staticmethod(self._respond)}
        manager.pool_classes_by_scheme = {
            scheme: type("Pool", (pool,), {"ConnectionCls": type("Connection", (pool.ConnectionCls,), attributes)})
            for scheme, pool in manager.pool_classes_by_scheme.items()
        }
        return manager


class _CookieJar(RequestsCookieJar):
    """Few and small cookies: a portal that sets new ones with each response would reject its own request headers."""

    def set_cookie(self, cookie: Any, *args: Any, **options: Any) -> None:  # noqa: ANN401
        if len(self) < _MOST_COOKIES and len(cookie.value or "") <= _LONGEST_COOKIE:
            super().set_cookie(cookie, *args, **options)


class _Session(requests.Session):
    """A session that follows no redirects; requests would read their bodies without a limit."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - named by the base class
        return None


class HttpClient:
    """The connections to one server. Redirects are not followed.

    keeps_cookies: whether the cookies of one response go into the next call. ticks: a monotonic clock that limits the
    total time. options: arguments for the requests library on every call.
    """

    def __init__(
        self,
        base_url: str,
        limits: CallLimits,
        *,
        headers: Mapping[str, str] | None = None,
        ticks: Callable[[], float] = time.monotonic,
        **options: Any,  # noqa: ANN401 - verify, proxies: arguments of requests
    ) -> None:
        self.keeps_cookies = False
        self._base_url = base_url
        self._limits = limits
        self._ticks = ticks
        self._until = 0.0
        self._options = options
        self._session = _Session()
        self._session.cookies = _CookieJar()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(self._respond))
        self._session.headers.update({"User-Agent": f"smarthub-exporter/{__version__}", **(headers or {})})

    @property
    def has_cookies(self) -> bool:
        """Whether the last response set a cookie, or cookies are kept."""
        return bool(self._session.cookies)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def call(self, method: str, path: str, **content: Any) -> ClientResponse:  # noqa: ANN401
        """Make one call and read the complete response.

        Raises CallFailedError, but not for an error status.
        """
        with self.open(method, path, **content) as response:
            return self.read(response)

    @contextmanager
    def open(self, method: str, path: str, *, is_stream: bool = False, **content: Any) -> Iterator[requests.Response]:  # noqa: ANN401
        """Make one call without reading the body.

        is_stream: it is read line by line, which may take longer. Raises CallFailedError, also for errors inside the
        block.
        """
        limits = self._limits
        self._until = self._ticks() + (limits.stream if is_stream else limits.total)
        answered = False
        if not self.keeps_cookies:
            self._session.cookies.clear()
        try:
            with self._session.request(
                method,
                self._base_url + path,
                timeout=(limits.connect, limits.read),
                stream=True,
                **self._options,
                **content,
            ) as response:
                answered = True
                # Each layer may multiply what the one above it makes, without any output.
                if "," in response.headers.get("Content-Encoding", ""):
                    raise requests.exceptions.ContentDecodingError("packed several times")
                yield response
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise CallFailedError(error, answered=answered) from error

    def read(self, response: requests.Response) -> ClientResponse:
        """Read the body of an open response, up to the limit."""
        body = bytearray()
        for part in _parts(response):
            body += part
            if len(body) > self._limits.body:
                raise _TooLargeError("the response is too large")
        return ClientResponse(response.status_code, response.headers, bytes(body))

    def lines(self, response: requests.Response) -> Iterator[bytes]:
        """Read an open response of any length line by line, without empty lines."""
        rest = b""
        for part in _parts(response):
            *whole, rest = (rest + part).split(b"\n")
            yield from filter(None, whole)
            if len(rest) > self._limits.line:
                raise _TooLargeError("a line is too large")
        if rest:
            yield rest

    def _respond(self, sock: socket.socket, **options: Any) -> http.client.HTTPResponse:  # noqa: ANN401
        until = self._until
        return _Response(sock, is_late=lambda: self._ticks() > until, **options)


def _parts(response: requests.Response) -> Iterator[bytes]:
    """Read the body as it arrives, unpacked, in small parts."""
    # read1 returns what has arrived so far; iter_content would wait for a full chunk.
    return iter(lambda: response.raw.read1(_CHUNK, decode_content=True), b"")
