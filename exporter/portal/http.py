"""One HTTP call to a portal: bounded in time and size, counted, and every failure a TransportError with advice."""

import codecs
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError
from urllib3.exceptions import ProtocolError as BrokenAnswer
from urllib3.exceptions import TimeoutError as TimedOut

from .. import __version__
from ..clock import Clock
from ..errors import ProtocolError, TransportError
from ..httpcall import causes
from . import debug_trace
from .parsing import Json

_CONNECT_SECONDS = 10.0
_READ_SECONDS = 60.0
_TOTAL_SECONDS = 120.0
_LARGEST_BODY = 128 * 1024 * 1024
_CHUNK = 64 * 1024

Observer = Callable[[str, str, float], None]
"""Told of each call: endpoint, status code or `error`, seconds."""


@dataclass(frozen=True, slots=True)
class PortalResponse:
    """What came back, whatever its status. `date` is the portal's clock, seconds UTC, where it tells."""

    status: int
    body: bytes
    retry_after: float | None = None
    content_type: str = ""
    date: float | None = None

    @property
    def is_page(self) -> bool:
        """An HTML page where data were expected: maintenance, or not a portal (portal-facts 1.3, 8)."""
        return self.body.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"<"

    def json(self, what: str) -> Json:
        """The body as JSON. Raises TransportError for a page or server trouble, ProtocolError for anything else."""
        if self.is_page:
            raise TransportError(
                f"{what}: the portal sent a web page instead of data (status {self.status}); it may be down for"
                " maintenance, or api_url is not a SmartHub portal"
            )
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise ProtocolError(f"{what}: the portal's answer is no JSON ({len(self.body)} bytes)") from None


class NoCredentials(requests.auth.AuthBase):
    """Says explicitly that a call carries none, so that requests does not look into ~/.netrc for some."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Leave the request as it is."""
        return request


@dataclass(frozen=True, slots=True)
class BearerToken(requests.auth.AuthBase):
    """The token of a sign-in, sent as a header."""

    token: str

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request

    def __repr__(self) -> str:
        return "<token>"


class Transport:
    """The connection to one portal."""

    def __init__(self, base_url: str, clock: Clock, observer: Observer) -> None:
        self._base_url = base_url
        self._host = urlsplit(base_url).netloc
        self._clock = clock
        self._observer = observer
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"smarthub-exporter/{__version__}"
        self._session.headers["Accept"] = "application/json"

    def close(self) -> None:
        """End the connections."""
        self._session.close()

    def call(
        self,
        endpoint: str,
        method: str,
        path: str,
        *,
        auth: requests.auth.AuthBase | None = None,
        headers: Mapping[str, str] | None = None,
        **content: Any,  # noqa: ANN401 - params, data: whatever requests takes
    ) -> PortalResponse:
        """Make one call and read its answer whole. Raises TransportError; a bad status is not an error here.

        endpoint: the call's name in metrics and logs, never with a value of the user's in it; nor has path one.
        """
        started = self._clock.monotonic()
        code = "error"
        try:
            with self._session.request(
                method,
                self._base_url + path,
                auth=auth or NoCredentials(),
                headers=headers,
                timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                allow_redirects=False,
                stream=True,
                **content,
            ) as response:
                body, kind = self._read(response, started), response.headers.get("Content-Type", "")
                reply = PortalResponse(response.status_code, body, _retry_after(response), kind, _date(response))
                code = str(reply.status)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            debug_trace.trace_failure(endpoint, method, path, self._clock.monotonic() - started, error)
            raise TransportError(self._explain(error)) from error
        finally:
            seconds = self._clock.monotonic() - started
            self._observer(endpoint, code, seconds)
        debug_trace.trace_response(endpoint, method, path, seconds, reply)
        self._refuse_trouble(endpoint, reply)
        return reply

    def _read(self, response: requests.Response, started: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        # read1 gives what has come so far; iter_content would wait for a full chunk, however slowly it dribbles in.
        while part := response.raw.read1(_CHUNK, decode_content=True):
            parts.append(part)
            size += len(part)
            if size > _LARGEST_BODY:
                raise requests.ConnectionError("the answer is too large")
            if self._clock.monotonic() - started > _TOTAL_SECONDS:
                raise requests.Timeout("the answer took too long")
        return b"".join(parts)

    def _refuse_trouble(self, endpoint: str, reply: PortalResponse) -> None:
        """Statuses that mean the same for every call: redirection, too many requests, server trouble behind a page."""
        if 300 <= reply.status < 400:  # noqa: PLR2004
            raise TransportError(f"{self._host} redirects elsewhere (status {reply.status}); check api_url")
        if reply.status in (429, 502, 503, 504):
            error = TransportError(
                f"{self._host} is busy or down ({endpoint}: status {reply.status}); later it may work"
            )
            error.retry_after = reply.retry_after
            raise error

    def _explain(self, error: Exception) -> str:
        host = self._host
        untrusted = f"{host} has no certificate that this machine trusts; check api_url and the machine's clock"
        unreachable = f"cannot reach {host}, or it broke off; check api_url and the network"
        cases: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
            ((ssl.SSLCertVerificationError,), untrusted),
            (
                (requests.exceptions.SSLError,),
                f"{host} does not speak TLS as it should; check api_url, also whether it is https or http",
            ),
            ((NameResolutionError,), f"there is no host {host}; check api_url"),
            ((ConnectionRefusedError,), f"{host} refuses the connection: nothing listens there; check api_url"),
            ((NewConnectionError,), unreachable),  # which is a kind of time-out to urllib3
            ((requests.Timeout, TimedOut), f"{host} did not answer in time; later it may work"),
            ((requests.ConnectionError,), unreachable),
            ((BrokenAnswer,), f"{host} broke off in the middle of its answer; later it may work"),
        )
        behind = tuple(causes(error))
        fitting = (text for kinds, text in cases if any(isinstance(cause, kinds) for cause in behind))
        other = f"{host} sent an answer that cannot be read ({type(error).__name__}); later it may work"
        return next(fitting, other)


def _date(response: requests.Response) -> float | None:
    try:
        date = parsedate_to_datetime(response.headers["Date"])
    except (KeyError, ValueError):
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _retry_after(response: requests.Response) -> float | None:
    """The seconds of a Retry-After header; its date form is not worth a dependency on the portal's clock."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None
