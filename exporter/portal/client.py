"""A signed-in client of one portal, which keeps and renews its token."""

from collections.abc import Callable
from itertools import chain, repeat
from typing import Any

from ..backoff import Backoff, retry
from ..clock import Clock
from ..config import Login
from ..errors import TRY_LATER, AccessError, PendingError, ProtocolError, SmartHubError, TransportError
from ..httpcall import Authorization, ClientResponse
from .accounts import AccountLocation, from_accounts, from_user_data
from .http import RETRY_WAITS, Observer, Transport, read_json
from .parsing import Json, loads, mapping, safe_word, text
from .poll_json import read_poll
from .query import POLL, UsageQuery
from .signin import SignInGate, Token, renew, second_factor_method, sign_in
from .usage import UsageAnswer, decode

USER_DATA = "/services/secured/user-data"
ACCOUNTS = "/services/secured/accounts"

_RENEW_BEFORE = 60.0  # seconds before its end at which a token is renewed
_EXPIRED_BEFORE = 10.0  # seconds before its end at which a token counts as expired
_BETWEEN_SIGN_INS = 60.0  # seconds, whatever the portal says of a token's life
_BETWEEN_RENEWALS = 15.0
_PENDING_BUDGET = 150.0  # seconds; a range that is requested for the first time may take over a minute
_PENDING_WAITS = (1.0, 2.0, 4.0)  # then always 5
_LAST_PENDING_WAIT = 5.0


class PortalClient:
    """The client of one login, for one thread: one poll at a time per login.

    pending_budget: how long to keep polling while the portal is computing, in seconds; may be changed between calls.
    """

    def __init__(
        self,
        login: Login,
        gate: SignInGate,
        clock: Clock,
        observer: Observer,
        *,
        pending_budget: float = _PENDING_BUDGET,
    ) -> None:
        self.pending_budget = pending_budget
        self._login = login
        self._gate = gate
        self._clock = clock
        self._transport = Transport(login.portal.base_url, clock, observer)
        self._token: Token | None = None
        self._token_works = False
        self._next_sign_in = self._next_renewal = float("-inf")  # on the monotonic clock
        self._renewal_works = True

    def begin(self) -> None:
        """Begin a round of calls, with another sign-in if the portal has not accepted the last token in any call."""
        if not self._token_works:
            self._token = None

    def second_factor_method(self) -> str:
        """Return the portal's word for this login's second factor, without a sign-in; empty if it is not known.

        Raises TransportError if the portal cannot be reached.
        """
        return second_factor_method(self._login, self._transport)

    def sign_in(self) -> None:
        """Sign in now, unless there is a valid token. Raises PortalError."""
        self._fresh_token()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def locations(self) -> list[AccountLocation]:
        """Return every location of `user-data`. Raises PortalError, also if it has none."""
        params = {"userId": self._fresh_token().owner}
        return self._list("the list of accounts", "user_data", USER_DATA, params, from_user_data)

    def plain_locations(self) -> list[AccountLocation]:
        """Return every location of the plain list of accounts. Raises PortalError, also if it has none."""
        params = {"user": self._login.username}
        return self._list("the plain list of accounts", "accounts", ACCOUNTS, params, from_accounts)

    def _list(
        self, what: str, endpoint: str, path: str, params: dict[str, str], read: Callable[[Json], list[AccountLocation]]
    ) -> list[AccountLocation]:
        found = read(self._ask(what, endpoint, "GET", path, params=params))
        if not found:
            raise AccessError("there are no locations in it", about=what)
        return found

    def usage(self, query: UsageQuery) -> UsageAnswer:
        """Return the usage of one range, asking until the answer is complete.

        Raises PendingError when the time for that is used up, ProtocolError if the portal answers FAILED or something
        unknown, and the other PortalErrors.
        """
        body = query.body(self._login.username)
        what = query.what
        location = f"location {query.location} of account {query.account}"
        waits = chain(_PENDING_WAITS, repeat(_LAST_PENDING_WAIT))
        backoff = Backoff(waits, self._clock, budget=self.pending_budget)
        while True:
            answer = mapping(self._ask(what, "poll", "POST", POLL, location=location, json=body), what)
            status = text(answer.get("status")).upper()
            if status == "COMPLETE":
                return decode(answer.get("data"))
            if status != "PENDING":
                raise ProtocolError(
                    f"the portal could not compute it (status {safe_word(status) or 'missing'})", about=what
                )
            if not backoff.wait():
                raise PendingError(
                    f"the portal was still computing after {self.pending_budget:.0f} s", about=what, advice=TRY_LATER
                )

    def _ask(
        self,
        what: str,
        endpoint: str,
        method: str,
        path: str,
        *,
        location: str = "",
        **content: Any,  # noqa: ANN401 - params, json: arguments of requests
    ) -> Json:
        """Make a call and return its JSON, signing in again if a token that worked is rejected.

        what, location: what was requested, for messages.
        """
        response = self._call(endpoint, method, path, **content)
        if response.status == 401 and self._token_works:  # noqa: PLR2004
            self._token = None
            response = self._call(endpoint, method, path, **content)
        is_cookie = self._token is not None and not self._token.value
        if response.status != 401 and not is_cookie:  # noqa: PLR2004
            self._token_works = True
        login = self._login.name
        match response.status:
            case 200:
                pass
            case 403:
                raise AccessError(
                    f"login {login} does not have access (status 403)",
                    about=location or what,
                    advice="check account and service_location, or leave both out to read every location that the login"
                    " sees",
                )
            case 401:
                session = "accepted the sign-in without a token" if is_cookie else "issued a token"
                raise AccessError(f"the portal {session} but rejects it for {what}", about=f"login {login}")
            case status if status >= 500:  # noqa: PLR2004
                raise TransportError(
                    f"the portal returned a server error (status {status})", about=what, advice=TRY_LATER
                )
            case status if not response.is_page:
                raise ProtocolError(f"unexpected status {status}", about=what)
        answer = read_json(response, what, read_poll if endpoint == "poll" else loads)
        if not self._token_works:  # the cookie is a session
            self._token_works = True
            self._gate.accepted()
        return answer

    def _call(self, endpoint: str, method: str, path: str, **content: Any) -> ClientResponse:  # noqa: ANN401
        def call() -> ClientResponse:
            token = self._fresh_token().value
            auth = Authorization.bearer(token) if token else None
            headers = {"X-Nisc-Smarthub-Username": self._login.username}
            return self._transport.call(endpoint, method, path, auth=auth, headers=headers, **content)

        def is_worth_it(error: SmartHubError) -> bool:
            return isinstance(error, TransportError) and error.retry_after is None and self._token is not None

        return retry(call, Backoff(RETRY_WAITS, self._clock), if_=is_worth_it)

    def _fresh_token(self) -> Token:
        now = self._clock.now()
        left = self._token.expires_at - now if self._token else 0.0
        ticks = self._clock.monotonic()
        if self._token and (left > _EXPIRED_BEFORE or ticks < self._next_sign_in):
            is_due = left <= _RENEW_BEFORE and ticks >= self._next_renewal
            if is_due and self._renewal_works and self._token.value:
                renewed = renew(self._token, self._transport, now)
                self._renewal_works = renewed is not None
                self._token = renewed or self._token
                self._next_renewal = ticks + _BETWEEN_RENEWALS
            return self._token
        self._token, self._token_works = None, False
        if ticks < self._next_sign_in:
            self._clock.sleep(self._next_sign_in - ticks)
        self._token = sign_in(self._login, self._transport, self._gate, self._clock.now)
        ticks = self._clock.monotonic()
        self._next_sign_in, self._next_renewal = ticks + _BETWEEN_SIGN_INS, ticks + _BETWEEN_RENEWALS
        self._renewal_works = True
        return self._token
