"""Signing in: one form post, and the many ways in which a portal rejects it.

See docs/portal.md, "Rejected sign-ins".
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Protocol

from ..config import Login, second_factor
from ..errors import (
    TRY_LATER,
    AccessError,
    CredentialsError,
    PortalError,
    ProtocolError,
    Reason,
    TransportError,
    TwoFactorError,
)
from ..httpcall import ClientResponse
from .http import Transport, read_json
from .parsing import Json, safe_word, text

SIGN_IN = "/services/oauth/auth/v2"
RENEW = "/services/oauth/auth/v2/refresh"
METHOD = "/services/two-factor/method"

_LIFE = 299.0  # seconds, if the response does not say
_MILLISECONDS = 10**11
_SKEW = 25.0  # seconds: a code is valid for half a minute, and portals accept the previous one
_REJECTED_SECOND_FACTOR = "your data could not be verified"  # status 500, plain text
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class Token:
    """The result of a sign-in. expires_at: seconds UTC by this machine's clock.

    owner: whose data to ask for, for a secondary login the owner of the registration.
    """

    value: str
    owner: str
    expires_at: float

    def __repr__(self) -> str:
        return "<token>"


class SignInGate(Protocol):
    """Remembers rejected sign-ins, so that they never lock the account."""

    def turn(self) -> AbstractContextManager[None]:
        """Wait until no other sign-in of this login is in progress."""
        ...

    def check(self) -> None:
        """Raise CredentialsError or TwoFactorError while no sign-in is allowed."""
        ...

    def rejected(self, reason: Reason) -> None:
        """Count a rejected sign-in."""
        ...

    def accepted(self) -> None:
        """Forget the rejected sign-ins."""
        ...


def sign_in(login: Login, transport: Transport, gate: SignInGate, now: Callable[[], float]) -> Token:
    """Sign in once.

    now: the clock, read when this login may sign in, because a code is valid for half a minute only. Raises
    PortalError; the gate has counted it if it may lock the account.
    """
    try:
        if login.has_placeholder:
            raise CredentialsError(
                "the password is still the placeholder from the example; sign-in is skipped",
                about=_about(login),
                advice="set password",
            )
        with gate.turn():
            gate.check()
            token = _try(login, transport, gate, now())
            gate.accepted()
            return token
    except PortalError as error:
        error.while_signing_in = True
        raise


def _try(login: Login, transport: Transport, gate: SignInGate, now: float) -> Token:
    form = {"userId": login.username, "password": login.password.reveal()}
    if login.totp_secret is not None:
        form["twoFactorCode"] = second_factor(login.totp_secret.reveal()).at(int(now))
    response = transport.call("auth", "POST", SIGN_IN, data=form)
    try:
        token = _judge(login, response, now)
        if token is None:
            raise _rejection(login, transport, response)
    except PortalError as error:
        if error.reason.is_rejected_sign_in:
            gate.rejected(error.reason)
        raise
    return token


def renew(token: Token, transport: Transport, now: float) -> Token | None:
    """Renew a valid token without a sign-in; None if the portal does not support it."""
    try:
        response = transport.call("renew", "POST", RENEW, data={"token": token.value})
        answer = read_json(response, "renewing the token") if response.status == 200 else None  # noqa: PLR2004
    except PortalError:
        return None
    return _token(answer, token.owner, now) if isinstance(answer, dict) else None


def _judge(login: Login, response: ClientResponse, now: float) -> Token | None:
    """Return the token of a response; None if the credentials were rejected."""
    about = _about(login)
    match response.status:
        case 200:
            answer = read_json(response, f"{about}: sign-in")
        case 400 | 401:
            return None
        case 403:
            raise AccessError(
                "the portal blocked this sign-in (status 403)",
                about=about,
                advice="sign in on its web page from the same network; it may block this IP address or ask you to"
                " accept new terms",
            )
        case 500 if _REJECTED_SECOND_FACTOR in response.body[:500].decode("utf-8", "replace").lower():
            raise second_factor_error(login, None if response.date is None else now - response.date)
        case status if status >= 500:  # noqa: PLR2004
            raise TransportError(f"the portal's sign-in is failing (status {status})", about=about, advice=TRY_LATER)
        case status:
            raise ProtocolError(f"unexpected status {status} of the sign-in", about=about, advice="check api_url")
    if not isinstance(answer, dict):
        raise ProtocolError("unexpected response to the sign-in", about=about)
    token = _token(answer, login.username, now)
    if token is None and text(answer.get("status")).upper() == "SUCCESS":
        raise ProtocolError("the portal accepted the sign-in but returned no token", about=about)
    return token


def _token(answer: dict[str, Json], owner: str, now: float) -> Token | None:
    """Return the token in an answer, if any (docs/portal.md, "Tokens")."""
    value = answer.get("authorizationToken")
    if not isinstance(value, str) or not value or text(answer.get("status")).upper() not in ("", "SUCCESS"):
        return None
    given: list[Json] = [answer.get("expiresIn"), answer.get("expiration")]
    life, expiration = [float(each) if type(each) in (int, float) else 0.0 for each in given]
    if not life > 0:  # NaN is possible
        left = (expiration / 1000 if expiration > _MILLISECONDS else expiration) - now
        life = left if 0 < left < 86400 else _LIFE  # noqa: PLR2004
    return Token(value, text(answer.get("primaryUsername")) or owner, now + life)


def _rejection(login: Login, transport: Transport, response: ClientResponse) -> PortalError:
    """Return the error for a wrong password or a missing second factor.

    Many portals respond to both in the same way.
    """
    with suppress(PortalError):
        if login.totp_secret is None and has_second_factor(login, transport):
            return second_factor_error(login)
    said = f"status {response.status}"
    if response.status == 200:  # noqa: PLR2004
        word = safe_word(text(read_json(response, "sign-in").get("status")))
        said += f", {word}" if word else ""
    return CredentialsError(
        f"the portal rejected the user name or password ({said})",
        about=_about(login),
        advice="check username and password by signing in on its web page, then fix the configuration",
    )


def has_second_factor(login: Login, transport: Transport) -> bool:
    """Check whether a login has a second factor.

    Raises TransportError if the portal cannot be reached.
    """
    response = transport.call("two_factor", "GET", METHOD, params={"userId": login.username})
    try:
        return response.status == 200 and read_json(response, "second factor") == "TOTP"  # noqa: PLR2004
    except PortalError:
        return False


def second_factor_error(login: Login, ahead: float | None = None) -> TwoFactorError:
    """Return the error for a second factor that is missing or rejected.

    ahead: how far this machine's clock is ahead of the portal's, in seconds; None if that is not known.
    """
    what = "the portal rejected the second factor"
    advice = "check totp_secret and this machine's clock"
    if login.totp_secret is None:
        what = "the portal requires a second factor"
        advice = "set totp_secret to the secret of the authenticator app (base32 or otpauth:// URI)"
    elif ahead is not None and abs(ahead) > _SKEW:
        side = "ahead of" if ahead > 0 else "behind"
        advice = f"fix this machine's clock, which is {abs(ahead):.0f} s {side} the portal's"
    return TwoFactorError(what, about=_about(login), advice=advice)


def _about(login: Login) -> str:
    return f"login {login.name}"
