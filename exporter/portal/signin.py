"""Signing in: one form post, and the many ways in which a portal rejects it (docs/portal.md, "Rejected sign-ins")."""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Protocol

from ..config import Login, second_factor
from ..errors import (
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
from .parsing import Json, text

SIGN_IN = "/services/oauth/auth/v2"
RENEW = "/services/oauth/auth/v2/refresh"
METHOD = "/services/two-factor/method"

_LIFE = 299.0  # seconds, if the portal does not say
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
        """Wait until no other sign-in of this login is under way, so that each knows of the others."""
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
    """Sign in once. Raises PortalError; the gate has counted those that may lock the account.

    now: the clock, read when it is this login's turn: a code is valid for half a minute only.
    """
    try:
        if login.has_placeholder:
            raise CredentialsError(
                "the password is still the one of the example, the portal was not asked",
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
    """Renew a valid token without another sign-in. Returns None if the portal does not do that."""
    try:
        response = transport.call("renew", "POST", RENEW, data={"token": token.value})
        answer = read_json(response, "renewing the token") if response.status == 200 else None  # noqa: PLR2004
    except PortalError:
        return None
    return _token(answer, token.owner, now) if isinstance(answer, dict) else None


def _judge(login: Login, response: ClientResponse, now: float) -> Token | None:
    """Return the token of a successful answer, None if user name or password were rejected."""
    if response.status == 500 and _REJECTED_SECOND_FACTOR in response.body[:500].decode("utf-8", "replace").lower():  # noqa: PLR2004
        raise second_factor_error(login, None if response.date is None else now - response.date)
    if response.status >= 500:  # noqa: PLR2004
        raise TransportError(
            f"the portal has trouble signing anybody in (status {response.status})", about=_about(login)
        )
    if response.status in (400, 401):
        return None
    if response.status == 403:  # noqa: PLR2004
        raise AccessError(
            "the portal does not let this login or this machine sign in (status 403)", about=_about(login)
        )
    if response.status != 200:  # noqa: PLR2004
        raise ProtocolError(
            f"unexpected status {response.status} of the sign-in", about=_about(login), advice="check api_url"
        )
    answer = read_json(response, f"{_about(login)}: sign-in")
    if not isinstance(answer, dict):
        raise ProtocolError("the answer to the sign-in is not understood", about=_about(login))
    token = _token(answer, login.username, now)
    if token is None and text(answer.get("status")).upper() == "SUCCESS":
        raise ProtocolError("the portal accepted the sign-in but gave no token", about=_about(login))
    return token


def _token(answer: dict[str, Json], owner: str, now: float) -> Token | None:
    value = answer.get("authorizationToken")
    if not isinstance(value, str) or not value or text(answer.get("status")).upper() not in ("", "SUCCESS"):
        return None
    return Token(value, text(answer.get("primaryUsername")) or owner, now + _life(answer, now))


def _life(answer: dict[str, Json], now: float) -> float:
    """Return how long a token is valid, in seconds: `expiresIn`, else `expiration` (docs/portal.md, "Tokens")."""
    expires_in, expiration = answer.get("expiresIn"), answer.get("expiration")
    if isinstance(expires_in, int | float) and not isinstance(expires_in, bool) and expires_in > 0:
        return float(expires_in)
    if isinstance(expiration, int | float) and not isinstance(expiration, bool):
        seconds = expiration / 1000 if expiration > _MILLISECONDS else expiration
        if 0 < seconds - now < 86400:  # noqa: PLR2004
            return float(seconds - now)
    return _LIFE


def _rejection(login: Login, transport: Transport, response: ClientResponse) -> PortalError:
    """Tell a wrong password from a missing second factor, which many portals answer alike."""
    with suppress(PortalError):
        if login.totp_secret is None and has_second_factor(login, transport):
            return second_factor_error(login)
    said = ""
    if response.status == 200:  # noqa: PLR2004
        word = text(read_json(response, "sign-in").get("status"))
        said = f", it said {word}" if word.replace("_", "").isalnum() else ""
    return CredentialsError(
        f"the portal refused user name or password (status {response.status}{said})",
        about=_about(login),
        advice="check username and password by signing in on its web page, then correct the configuration",
    )


def has_second_factor(login: Login, transport: Transport) -> bool:
    """Ask the portal whether a login has a second factor. Raises TransportError if it cannot be reached."""
    response = transport.call("two_factor", "GET", METHOD, params={"userId": login.username})
    try:
        return response.status == 200 and read_json(response, "second factor") == "TOTP"  # noqa: PLR2004
    except PortalError:
        return False


def second_factor_error(login: Login, ahead: float | None = None) -> TwoFactorError:
    """Return the error for a second factor that is missing or rejected. ahead: our clock minus theirs, in seconds."""
    if login.totp_secret is None:
        what = "the portal wants a second factor"
        advice = "set totp_secret to the secret of the authenticator app (base32 or otpauth:// URI)"
    elif ahead is not None and abs(ahead) > _SKEW:
        side = "ahead of" if ahead > 0 else "behind"
        what = "the portal refused the second factor"
        advice = f"this machine's clock is {abs(ahead):.0f} s {side} the portal's: set it right"
    else:
        what = "the portal refused the second factor"
        advice = "check totp_secret and this machine's clock"
    return TwoFactorError(what, about=_about(login), advice=advice)


def _about(login: Login) -> str:
    return f"login {login.name}"
