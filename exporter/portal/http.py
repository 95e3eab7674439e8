"""One HTTP call to a portal: counted, traced, and a TransportError with advice if it fails."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from ..clock import Clock
from ..errors import ProtocolError, TransportError
from ..httpcall import Authorization, CallFailedError, CallFailure, CallLimits, ClientResponse, HttpClient
from . import debug_trace
from .parsing import Json

LIMITS = CallLimits(body=128 * 1024 * 1024)

_BUSY = (429, 502, 503, 504)
_LATER = "later it may work"
_CHECK = "check api_url and the network"
_FAILURES = {
    CallFailure.UNTRUSTED: (
        "{} has no certificate that this machine trusts",
        "check api_url and the machine's clock",
    ),
    CallFailure.TLS: ("{} does not speak TLS as it should", "check api_url, also whether it is https or http"),
    CallFailure.UNKNOWN_HOST: ("there is no host {}", "check api_url"),
    CallFailure.REFUSED: ("{} refuses the connection: nothing listens there", "check api_url"),
    CallFailure.TIMED_OUT: ("{} did not answer in time", _LATER),
    CallFailure.PROXY: ("cannot reach {}, or it broke off", _CHECK),
    CallFailure.UNREACHABLE: ("cannot reach {}, or it broke off", _CHECK),
    CallFailure.NO_CA_FILE: ("cannot reach {}, or it broke off", _CHECK),
    CallFailure.BROKE_OFF: ("{} broke off in the middle of its answer", _LATER),
    CallFailure.UNREADABLE: ("{} sent an answer that cannot be read", _LATER),
}
"""What to say of each failure, and what to do."""

Observer = Callable[[str, str, float], None]
"""Called for each call with its endpoint, its status code or `error`, and its duration in seconds."""


def read_json(response: ClientResponse, what: str) -> Json:
    """Read a response as JSON. Raises TransportError for a web page, ProtocolError for anything else."""
    if response.is_page:
        raise TransportError(
            f"the portal sent a web page instead of data (status {response.status})",
            about=what,
            advice="it may be down for maintenance, or api_url is not a SmartHub portal",
        )
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        raise ProtocolError(f"the portal's answer is no JSON ({len(response.body)} bytes)", about=what) from None


class Transport:
    """The connection to one portal."""

    def __init__(self, base_url: str, clock: Clock, observer: Observer, *, limits: CallLimits = LIMITS) -> None:
        self._host = urlsplit(base_url).netloc
        self._clock = clock
        self._observer = observer
        self._client = HttpClient(base_url, limits, headers={"Accept": "application/json"}, ticks=clock.monotonic)

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
        headers: Mapping[str, str] | None = None,
        **content: Any,  # noqa: ANN401 - params, data: whatever requests takes
    ) -> ClientResponse:
        """Make one call and read the whole response. Raises TransportError; most bad statuses are not errors here.

        endpoint: the call's name in metrics and logs. Neither it nor the path contains a value of the user.
        """
        started = self._clock.monotonic()
        code = "error"
        try:
            response = self._client.call(method, path, auth=auth or Authorization(), headers=headers, **content)
            code = str(response.status)
        except CallFailedError as failed:
            debug_trace.trace_failure(endpoint, method, path, self._clock.monotonic() - started, failed.error)
            what, advice = _FAILURES[failed.kind]
            raise TransportError(what.format(self._host), advice=advice) from failed
        finally:
            seconds = self._clock.monotonic() - started
            self._observer(endpoint, code, seconds)
        debug_trace.trace_response(endpoint, method, path, seconds, response)
        self._refuse_trouble(endpoint, response)
        return response

    def _refuse_trouble(self, endpoint: str, response: ClientResponse) -> None:
        """Raise for statuses that mean the same for every call."""
        if 300 <= response.status < 400:  # noqa: PLR2004
            raise TransportError(f"{self._host} redirects elsewhere (status {response.status})", advice="check api_url")
        if response.status in _BUSY:
            error = TransportError(
                f"{self._host} is busy or down ({endpoint}: status {response.status})", advice=_LATER
            )
            error.retry_after = response.retry_after
            raise error
