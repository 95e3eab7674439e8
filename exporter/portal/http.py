"""HTTP calls to a portal: counted, traced, and failures turned into advice."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from ..clock import Clock
from ..errors import TRY_LATER, ProtocolError, TooLargeError, TransportError
from ..httpcall import Authorization, CallFailedError, CallFailure, CallLimits, ClientResponse, HttpClient
from .debug_trace import trace
from .parsing import Json, loads

_LIMITS = CallLimits(body=64 * 1024 * 1024)
RETRY_WAITS = (2.0,)  # one retry after a failed connection costs the portal less than another refresh
_TOO_MANY = 429
_BUSY = (_TOO_MANY, 502, 503, 504)
_UNREACHABLE = ("cannot reach {}, or the connection was lost", "check api_url and the network")
_FAILURES = {
    CallFailure.UNTRUSTED: (
        "this machine does not trust the certificate of {}",
        "check api_url and the machine's clock",
    ),
    CallFailure.TLS: ("TLS handshake with {} failed", "check api_url, and whether it should be https or http"),
    CallFailure.UNKNOWN_HOST: ("host not found: {}", "check api_url"),
    CallFailure.REFUSED: ("{} refused the connection", "check api_url"),
    CallFailure.TIMED_OUT: ("{} did not answer in time", TRY_LATER),
    CallFailure.BROKE_OFF: ("{} closed the connection during its response", TRY_LATER),
    CallFailure.UNREADABLE: ("{} sent a response that cannot be read", TRY_LATER),
    CallFailure.TOO_LARGE: ("{} sent a response of more than {:.0f} MiB", ""),
}
"""What happened, and what to do."""
_IN_PROGRESS = (CallFailure.TIMED_OUT, CallFailure.BROKE_OFF, CallFailure.UNREADABLE, CallFailure.TOO_LARGE)
"""Failures of a host that is there."""

Observer = Callable[[str, str, float], None]
"""Called for each call with its endpoint, its status code or `error`, and its duration in seconds."""


def read_json(response: ClientResponse, what: str, parse: Callable[[bytes], Json] = loads) -> Json:
    """Read a response as JSON.

    Raises TransportError for a web page, TooLargeError for too many values, and ProtocolError for anything else.
    """
    if response.is_page:
        error = TransportError.of_answer(
            f"the portal sent a web page instead of data (status {response.status})",
            about=what,
            advice="it may be down for maintenance, or api_url is not a SmartHub portal",
        )
        error.doubts_address = True
        raise error
    try:
        return parse(response.body)
    except (ValueError, RecursionError):
        raise ProtocolError(f"the portal's response is not JSON ({len(response.body)} bytes)", about=what) from None


class Transport:
    """The connection to one portal."""

    def __init__(self, base_url: str, clock: Clock, observer: Observer, limits: CallLimits = _LIMITS) -> None:
        self._host = urlsplit(base_url).netloc
        self._clock = clock
        self._observer = observer
        self._limits = limits
        self._client = HttpClient(base_url, limits, headers={"Accept": "application/json"}, ticks=clock.monotonic)

    @property
    def has_cookies(self) -> bool:
        """Whether the last response set a cookie, or cookies are kept."""
        return self._client.has_cookies

    def keep_cookies(self, *, keep: bool) -> None:
        """Send the cookies of each response with the next call, or forget them."""
        self._client.keeps_cookies = keep

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(
        self,
        endpoint: str,
        method: str,
        path: str,
        *,
        auth: Authorization | None = None,
        **content: Any,  # noqa: ANN401 - headers, params, data: arguments of requests
    ) -> ClientResponse:
        """Make one call and read the complete response.

        endpoint: the call's name in metrics and logs. Neither it nor the path may contain personal data. Raises
        TransportError, but only for error statuses that mean the same for every call, and TooLargeError.
        """
        started = self._clock.monotonic()

        def note(code: str, outcome: ClientResponse | Exception) -> None:
            seconds = self._clock.monotonic() - started
            self._observer(endpoint, code, seconds)
            trace(endpoint, method, path, seconds, outcome)

        try:
            response = self._client.call(method, path, auth=auth or Authorization(), **content)
        except CallFailedError as failed:
            note("error", failed.error)
            what, advice = _FAILURES.get(failed.kind, _UNREACHABLE)
            kind = TooLargeError if failed.kind is CallFailure.TOO_LARGE else TransportError
            error = kind(what.format(self._host, self._limits.body / 2**20), advice=advice)
            error.answered = failed.answered and failed.kind is not CallFailure.TIMED_OUT
            error.doubts_address = failed.kind not in _IN_PROGRESS
            raise error from failed
        note(str(response.status), response)
        # These statuses mean the same for every call.
        if 300 <= response.status < 400:  # noqa: PLR2004
            error = TransportError(
                f"{self._host} redirects to another address (status {response.status})", advice="check api_url"
            )
            error.doubts_address = True
            raise error
        if response.status in _BUSY:
            error = TransportError(
                f"{self._host} is busy or down ({endpoint}: status {response.status})", advice=TRY_LATER
            )
            error.retry_after = response.retry_after
            error.is_answer = response.status != _TOO_MANY
            error.answered = False
            raise error
        return response
