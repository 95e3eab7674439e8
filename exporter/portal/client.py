"""A signed-in client of one portal, which keeps and renews its token."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

from ..backoff import Backoff, retry
from ..clock import Clock
from ..config import Login
from ..errors import TRY_LATER, AccessError, PendingError, PortalError, ProtocolError, SmartHubError, TransportError
from ..httpcall import Authorization, ClientResponse
from .accounts import AccountLocation, from_accounts, from_user_data
from .http import RETRY_WAITS, Observer, Transport, read_json
from .parsing import Json, loads, mapping, safe_word, text
from .poll_json import read_poll
from .query import POLL, UsageQuery
from .signin import SignInGate, Token, renew, second_factor_method, sign_in
from .transports import Transports
from .usage import decode
from .usage_answer import UsageAnswer

USER_DATA = "/services/secured/user-data"
ACCOUNTS = "/services/secured/accounts"

_RENEW_BEFORE = 60.0  # seconds before its end at which a token is renewed
_EXPIRED_BEFORE = 10.0  # seconds before its end at which a token counts as expired
_BETWEEN_SIGN_INS = 60.0  # seconds, whatever lifetime the portal states
_BETWEEN_RENEWALS = 15.0
_PENDING_BUDGET = 150.0  # seconds; a range that is requested for the first time may take over a minute
_PENDING_WAITS = (1.0, 2.0, 4.0)  # then always 5
_LAST_PENDING_WAIT = 5.0


@dataclass(frozen=True, slots=True)
class _Call:
    """A call in progress. failed_sign_ins: how many there were when it began."""

    transport: Transport
    failed_sign_ins: int


class PortalClient:
    """The client of one login. Safe to use from several threads: they share a session, and one of them signs in.

    pending_budget: how long to keep polling while the portal is computing, in seconds; may be changed between calls.
    concurrency: how many polls may be in progress; others wait. It is one before a token was accepted, for a session
    that is a cookie, and once the portal is overloaded.
    """

    def __init__(
        self,
        login: Login,
        gate: SignInGate,
        clock: Clock,
        observer: Observer,
        *,
        pending_budget: float = _PENDING_BUDGET,
        concurrency: int = 1,
    ) -> None:
        self.pending_budget = pending_budget
        self._login = login
        self._gate = gate
        self._clock = clock
        self._transports = Transports(login.portal.base_url, clock, observer, concurrency)
        self._session = threading.RLock()  # held while the token is looked at or replaced
        self._failed_sign_ins = 0
        self._failure: PortalError | None = None
        self._token: Token | None = None
        self._token_works = False
        self._next_sign_in = self._next_renewal = float("-inf")  # on the monotonic clock
        self._renewal_works = True

    def begin(self) -> None:
        """Begin a round of calls, with another sign-in if the portal has not accepted the last token in any call."""
        with self._session:
            if not self._token_works and not self._transports.in_progress:
                self._token = None

    @property
    def concurrency(self) -> int:
        """How many polls may be in progress now."""
        return self._transports.most

    @property
    def is_overloaded(self) -> bool:
        """Whether the portal asked for fewer calls, or did not complete an answer in time."""
        return self._transports.is_overloaded

    def second_factor_method(self) -> str:
        """Return the portal's word for this login's second factor, without a sign-in; empty if it is not known.

        Raises TransportError if the portal cannot be reached.
        """
        with self._call() as call:
            return second_factor_method(self._login, call.transport)

    def sign_in(self) -> None:
        """Sign in now, unless there is a valid token. Raises PortalError."""
        with self._call() as call:
            self._fresh_token(call)

    def close(self) -> None:
        """Close the connections."""
        self._transports.close()

    def locations(self) -> list[AccountLocation]:
        """Return every location of `user-data`. Raises PortalError, also if it has none."""
        with self._call() as call:
            params = {"userId": self._fresh_token(call).owner}
        return self._list("the list of accounts", "user_data", USER_DATA, params, from_user_data)

    def plain_locations(self) -> list[AccountLocation]:
        """Return every location of the plain list of accounts. Raises PortalError, also if it has none."""
        params = {"user": self._login.username}
        return self._list("the plain list of accounts", "accounts", ACCOUNTS, params, from_accounts)

    def _list(
        self, what: str, endpoint: str, path: str, params: dict[str, str], read: Callable[[Json], list[AccountLocation]]
    ) -> list[AccountLocation]:
        with self._call() as call:
            found = read(self._ask(call, what, endpoint, "GET", path, params=params))
        if not found:
            raise AccessError("it has no locations", about=what)
        return found

    def usage(self, query: UsageQuery) -> UsageAnswer:
        """Return the usage of one range, asking until the answer is complete.

        Raises PendingError when the time for that is used up, ProtocolError if the portal answers FAILED or something
        unknown, and the other PortalErrors.
        """
        with self._call() as call:
            return self._usage(call, query)

    def _usage(self, call: _Call, query: UsageQuery) -> UsageAnswer:
        body = query.body(self._login.username)
        what = query.what
        location = f"location {query.location} of account {query.account}"
        waits = chain(_PENDING_WAITS, repeat(_LAST_PENDING_WAIT))
        backoff = Backoff(waits, self._clock, budget=self.pending_budget)
        while True:
            answer = mapping(self._ask(call, what, "poll", "POST", POLL, location=location, json=body), what)
            status = text(answer.get("status")).upper()
            if status == "COMPLETE":
                return decode(answer.get("data"), query.industry)
            if status != "PENDING":
                raise ProtocolError(
                    f"the portal could not compute it (status {safe_word(status) or 'missing'})", about=what
                )
            if not backoff.wait():
                self._transports.is_overloaded = True
                raise PendingError(
                    f"the portal was still computing after {self.pending_budget:.0f} s", about=what, advice=TRY_LATER
                )

    @contextmanager
    def _call(self) -> Iterator[_Call]:
        failed_sign_ins = self._failed_sign_ins
        with self._transports.one() as transport:
            try:
                yield _Call(transport, failed_sign_ins)
            except PortalError as error:
                if error.doubts_address and self._gate.has_signed_in:
                    error.advice = TRY_LATER
                raise

    def _ask(
        self,
        call: _Call,
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
        token, response = self._send(call, endpoint, method, path, **content)
        if response.status == 401 and self._drop(token):  # noqa: PLR2004
            token, response = self._send(call, endpoint, method, path, **content)
        is_cookie = not token.value
        if response.status != 401 and not is_cookie:  # noqa: PLR2004
            self._note_that_it_works(token)
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
                raise TransportError.of_answer(
                    f"the portal returned a server error (status {status})", about=what, advice=TRY_LATER
                )
            case status if not response.is_page:
                raise ProtocolError(f"unexpected status {status}", about=what)
        answer = read_json(response, what, read_poll if endpoint == "poll" else loads)
        if is_cookie and self._note_that_it_works(token):  # the cookie is a session
            self._gate.accepted()
        return answer

    def _send(self, call: _Call, endpoint: str, method: str, path: str, **content: Any) -> tuple[Token, ClientResponse]:  # noqa: ANN401
        """Return the response, and the token with which it was requested."""

        def send() -> tuple[Token, ClientResponse]:
            token = self._fresh_token(call)
            auth = Authorization.bearer(token.value) if token.value else None
            headers = {"X-Nisc-Smarthub-Username": self._login.username}
            return token, call.transport.call(endpoint, method, path, auth=auth, headers=headers, **content)

        def is_worth_it(error: SmartHubError) -> bool:
            return isinstance(error, TransportError) and error.retry_after is None and not error.while_signing_in

        return retry(send, Backoff(RETRY_WAITS, self._clock), if_=is_worth_it)

    def _drop(self, token: Token) -> bool:
        """Drop a token that is rejected; return whether there is or may be another one that works."""
        with self._session:
            if token is self._token:
                if not self._token_works:
                    return False
                self._token = None
            return True

    def _note_that_it_works(self, token: Token) -> bool:
        """Return whether this was not known of the token."""
        with self._session:
            is_news = token is self._token and not self._token_works
            if is_news:
                self._token_works = True
                self._transports.share(is_possible=bool(token.value))
            return is_news

    def _fresh_token(self, call: _Call) -> Token:
        """Return a valid token. Only one call at a time signs in, and others in progress share its failure."""
        with self._session:
            if self._failure and self._failed_sign_ins > call.failed_sign_ins:
                raise self._failure
            try:
                return self._token_for(call.transport)
            except PortalError as error:
                self._failure, self._failed_sign_ins = error, self._failed_sign_ins + 1
                raise

    def _token_for(self, transport: Transport) -> Token:
        now = self._clock.now()
        left = self._token.expires_at - now if self._token else 0.0
        ticks = self._clock.monotonic()
        if self._token and (left > _EXPIRED_BEFORE or ticks < self._next_sign_in):
            is_due = left <= _RENEW_BEFORE and ticks >= self._next_renewal
            if is_due and self._renewal_works and self._token.value:
                renewed = renew(self._token, transport, now)
                self._renewal_works = renewed is not None
                self._token = renewed or self._token
                self._next_renewal = ticks + _BETWEEN_RENEWALS
            return self._token
        self._token, self._token_works = None, False
        if ticks < self._next_sign_in:
            self._clock.sleep(self._next_sign_in - ticks)
        self._token = sign_in(self._login, transport, self._gate, self._clock.now)
        if not self._token.value:
            self._transports.share(is_possible=False)
        ticks = self._clock.monotonic()
        self._next_sign_in, self._next_renewal = ticks + _BETWEEN_SIGN_INS, ticks + _BETWEEN_RENEWALS
        self._renewal_works = True
        return self._token
