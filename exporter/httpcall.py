"""HTTP calls to portals and databases: limited in time and size."""

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


_KINDS: tuple[tuple[tuple[type[BaseException], ...], CallFailure], ...] = (
    ((ssl.SSLCertVerificationError,), CallFailure.UNTRUSTED),
    ((requests.exceptions.SSLError, ssl.SSLError), CallFailure.TLS),
    ((requests.exceptions.ProxyError,), CallFailure.PROXY),
    ((NameResolutionError,), CallFailure.UNKNOWN_HOST),
    ((ConnectionRefusedError,), CallFailure.REFUSED),
    ((NewConnectionError,), CallFailure.UNREACHABLE),  # urllib3 derives it from its timeout error
    ((requests.Timeout, TimedOut), CallFailure.TIMED_OUT),
    ((requests.ConnectionError,), CallFailure.UNREACHABLE),
    ((BrokenMessage,), CallFailure.BROKE_OFF),
)
"""The exceptions behind each kind of failure; the first match wins."""


class CallFailedError(Exception):
    """A call got no response, or one that could not be read to the end."""

    def __init__(self, error: Exception) -> None:
        super().__init__(type(error).__name__)
        self.error = error
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
        except (KeyError, ValueError):
            return None
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Limits of a call.

    connect, read, total: seconds to connect, between two packets, and for a complete response. stream: seconds for a
    response that is read line by line. body, line: bytes.
    """

    connect: float = 10.0
    read: float = 60.0
    total: float = 120.0
    stream: float = 3600.0
    body: int = 32 * 1024 * 1024
    line: int = 32 * 1024 * 1024


DEFAULT_LIMITS = CallLimits()


class HttpClient:
    """The connections to one server. Redirects are not followed.

    ticks: a monotonic clock that limits the total time. options: arguments for the requests library on every call.
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
        self._base_url = base_url
        self._limits = limits
        self._ticks = ticks
        self._options = options
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": f"smarthub-exporter/{__version__}", **(headers or {})})

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
    def open(self, method: str, path: str, **content: Any) -> Iterator[requests.Response]:  # noqa: ANN401
        """Make one call without reading the body.

        Raises CallFailedError, also for errors inside the block.
        """
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
        """Read an open response of any length line by line, without empty lines."""
        rest = b""
        for part in self._parts(response, self._limits.stream):
            *whole, rest = (rest + part).split(b"\n")
            yield from filter(None, whole)
            if len(rest) > self._limits.line:
                raise requests.ConnectionError("a line is too large")
        if rest:
            yield rest

    def _parts(self, response: requests.Response, seconds: float) -> Iterator[bytes]:
        """Read the body as it arrives.

        A read timeout alone would not end a response that trickles in forever.
        """
        until = self._ticks() + seconds
        # read1 returns what has arrived so far; iter_content would wait for a full chunk.
        while part := response.raw.read1(_CHUNK, decode_content=True):
            yield part
            if self._ticks() > until:
                raise requests.Timeout("the response took too long")
