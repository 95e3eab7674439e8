"""One HTTP call, for portals and databases alike: bounded in time and size, and classified if it fails."""

import codecs
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
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError
from urllib3.exceptions import ProtocolError as BrokenMessage
from urllib3.exceptions import TimeoutError as TimedOut

from . import __version__

_CHUNK = 64 * 1024


class CallFailure(Enum):
    """Why a call brought no response."""

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


_KINDS: tuple[tuple[tuple[type[BaseException], ...], CallFailure], ...] = (
    ((ssl.SSLCertVerificationError,), CallFailure.UNTRUSTED),
    ((requests.exceptions.SSLError, ssl.SSLError), CallFailure.TLS),
    ((requests.exceptions.ProxyError,), CallFailure.PROXY),
    ((NameResolutionError,), CallFailure.UNKNOWN_HOST),
    ((ConnectionRefusedError,), CallFailure.REFUSED),
    ((NewConnectionError,), CallFailure.UNREACHABLE),  # which is a kind of time-out to urllib3
    ((requests.Timeout, TimedOut), CallFailure.TIMED_OUT),
    ((requests.ConnectionError,), CallFailure.UNREACHABLE),
    ((BrokenMessage,), CallFailure.BROKE_OFF),
)
"""What each failure is told by; the first that fits counts."""


class CallFailedError(Exception):
    """A call brought no response, or none that could be read to its end."""

    def __init__(self, error: Exception) -> None:
        super().__init__(type(error).__name__)
        self.kind = _kind_of(error)
        self.error = error


def _kind_of(error: Exception) -> CallFailure:
    if type(error) is OSError:  # requests looks for the file of authorities itself
        return CallFailure.NO_CA_FILE
    behind = tuple(_causes(error))
    fitting = (kind for types, kind in _KINDS if any(isinstance(cause, types) for cause in behind))
    return next(fitting, CallFailure.UNREADABLE)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything that it came from: libraries wrap errors several times over."""
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

    Always given explicitly and never falsy, so that requests does not look into ~/.netrc for one.
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
        """User name and password, in UTF-8."""
        return cls("Basic " + b64encode(f"{username}:{password}".encode()).decode())

    @classmethod
    def bearer(cls, token: str) -> "Authorization":
        """A token."""
        return cls(f"Bearer {token}")


@dataclass(frozen=True, slots=True)
class ClientResponse:
    """A response, read whole. Header names in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_page(self) -> bool:
        """An HTML page, where data were expected."""
        return self.body.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"<"

    @property
    def content_type(self) -> str:
        """The header of that name, empty if there is none."""
        return self.headers.get("Content-Type", "")

    @property
    def retry_after(self) -> float | None:
        """The seconds of a Retry-After header; its date form is not worth a dependency on the server's clock."""
        value = self.headers.get("Retry-After", "")
        return float(value) if value.isdecimal() else None

    @property
    def date(self) -> float | None:
        """The server's clock, seconds UTC, if it tells."""
        try:
            date = parsedate_to_datetime(self.headers["Date"])
        except (KeyError, ValueError):
            return None
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What a call may take: seconds to connect, between two packets and in all; bytes of a body and of a line."""

    connect: float = 10.0
    read: float = 60.0
    total: float = 120.0
    stream: float = 3600.0
    body: int = 32 * 1024 * 1024
    line: int = 32 * 1024 * 1024


DEFAULT_LIMITS = CallLimits()


class HttpClient:
    """The connections to one server. Redirects are not followed.

    ticks: a clock that only grows, for the total time. options: what requests takes for every call.
    """

    def __init__(
        self,
        base_url: str,
        limits: CallLimits,
        *,
        headers: Mapping[str, str] | None = None,
        ticks: Callable[[], float] = time.monotonic,
        **options: Any,  # noqa: ANN401 - verify, proxies: whatever requests takes
    ) -> None:
        self._base_url = base_url
        self._limits = limits
        self._ticks = ticks
        self._options = options
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": f"smarthub-exporter/{__version__}", **(headers or {})})

    def close(self) -> None:
        """End the connections."""
        self._session.close()

    def call(self, method: str, path: str, **content: Any) -> ClientResponse:  # noqa: ANN401
        """Make one call and read its response whole. Raises CallFailedError; a bad status is not one."""
        with self.open(method, path, **content) as response:
            return self.read(response)

    @contextmanager
    def open(self, method: str, path: str, **content: Any) -> Iterator[requests.Response]:  # noqa: ANN401
        """Make one call whose body is still to be read. Raises CallFailedError, also out of the block."""
        limits = self._limits
        try:
            with self._session.request(
                method,
                self._base_url + path,
                timeout=(limits.connect, limits.read),
                allow_redirects=False,
                stream=True,
                **self._options,
                **content,
            ) as response:
                yield response
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise CallFailedError(error) from error

    def read(self, response: requests.Response) -> ClientResponse:
        """Read the body of an open response, up to the limit."""
        body = bytearray()
        for part in self._parts(response, self._limits.total):
            body += part
            if len(body) > self._limits.body:
                raise requests.ConnectionError("the response is too large")
        return ClientResponse(response.status_code, response.headers, bytes(body))

    def lines(self, response: requests.Response) -> Iterator[bytes]:
        """Read an open response line by line, however long it is; empty lines are left out."""
        rest = b""
        for part in self._parts(response, self._limits.stream):
            *whole, rest = (rest + part).split(b"\n")
            yield from filter(None, whole)
            if len(rest) > self._limits.line:
                raise requests.ConnectionError("a line is too large")
        if rest:
            yield rest

    def _parts(self, response: requests.Response, seconds: float) -> Iterator[bytes]:
        """The body as it comes. A read timeout alone would bear one that dribbles in forever."""
        until = self._ticks() + seconds
        # read1 gives what has come so far; iter_content would wait for a full chunk.
        while part := response.raw.read1(_CHUNK, decode_content=True):
            yield part
            if self._ticks() > until:
                raise requests.Timeout("the response took too long")
