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
    TransportError,
    TwoFactorError,
)
from ..httpcall import ClientResponse
from .http import Transport, read_json
from .parsing import Json, safe_word, text

SIGN_IN = "/services/oauth/auth/v2"
RENEW = "/services/oauth/auth/v2/refresh"
METHOD = "/services/two-factor/method"

TOTP = "TOTP"
"""The method of a login with an authenticator app."""
_MESSAGES = ("MAIL", "SMS", "TEXT", "PHONE", "CALL", "VOICE")  # in a method that sends codes to the member
_LIFE = 299.0  # seconds, if the response does not say
_LONGEST_LIFE = 86400.0
_MILLISECONDS = 10**11
_LARGEST = 1e15
_SKEW = 25.0  # seconds: a code is valid for half a minute, and portals accept the previous one
_REJECTED_SECOND_FACTOR = "your data could not be verified"  # status 500, plain text
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class Token:
    """The result of a sign-in. expires_at: seconds UTC by this machine's clock.

    value: empty if the session is a cookie. owner: whose data to ask for, for a secondary login the owner of the
    registration.
    """

    value: str
    owner: str
    expires_at: float

    def __repr__(self) -> str:
        return "<token>"


class SignInGate(Protocol):
    """Counts sign-ins, so that rejected ones never lock the account."""

    @property
    def has_signed_in(self) -> bool:
        """Whether the portal has ever accepted a sign-in of this login."""
        ...

    def turn(self) -> AbstractContextManager[None]:
        """Wait until no other sign-in of this login is in progress."""
        ...

    def check(self, login: Login) -> bool:
        """Return whether the last answer was unclear. Raises PortalError while no sign-in is allowed."""
        ...

    def wait_for_code(self, interval: float) -> None:
        """Wait until the last one-time code has ended; `interval` is how long a code lasts, in seconds."""
        ...

    def count(self, code_until: float = 0.0) -> None:
        """Count a sign-in that is about to be sent. code_until: when its one-time code ends, in seconds UTC."""
        ...

    def failed(self, error: PortalError) -> None:
        """Note why the sign-in failed; without an answer it no longer counts."""
        ...

    def accepted(self) -> None:
        """Forget the rejected sign-ins."""
        ...


def sign_in(login: Login, transport: Transport, gate: SignInGate, now: Callable[[], float]) -> Token:
    """Sign in once, with what the secret files hold now.

    now: the clock, read when this login may sign in, because a code is valid for half a minute only. Raises
    PortalError. The gate has counted what may lock the account; if the session is a cookie, that ends only once the
    portal accepts it in another call.
    """
    transport.keep_cookies(keep=False)
    try:
        login = login.reread()
        if login.has_placeholder:
            raise CredentialsError(
                "the password is still the placeholder from the example; sign-in is skipped",
                about=_about(login),
                advice="set password",
            )
        with gate.turn():
            is_doubtful = gate.check(login)
            method = ""
            try:
                method = second_factor_method(login, transport, is_doubtful=is_doubtful)
            except TransportError as error:
                if not error.answered:
                    raise
            if any(word in method for word in _MESSAGES):
                raise TwoFactorError(
                    f"the portal sends its one-time codes in messages ({safe_word(method) or 'email or text'}), which"
                    " the exporter cannot read",
                    about=_about(login),
                    advice="switch to an authenticator app in the portal's settings (docs/two-factor.md)",
                )
            return _try(login, transport, gate, now, method)
    except PortalError as error:
        error.while_signing_in = True
        raise


def _try(login: Login, transport: Transport, gate: SignInGate, now: Callable[[], float], method: str) -> Token:
    form = {"userId": login.username, "password": login.password.reveal()}
    if login.totp_secret is None:
        gate.count()
    else:
        codes = second_factor(login.totp_secret.reveal())
        gate.wait_for_code(codes.interval)
        moment = int(now())
        form["twoFactorCode"] = codes.at(moment)
        gate.count(moment - moment % codes.interval + codes.interval)
    try:
        response = transport.call("auth", "POST", SIGN_IN, data=form)
        token = _judge(login, response, now(), method, has_cookies=transport.has_cookies)
    except PortalError as error:
        gate.failed(error)
        raise
    if token.value:
        gate.accepted()
    else:
        transport.keep_cookies(keep=True)
    return token


def renew(token: Token, transport: Transport, now: float) -> Token | None:
    """Renew a valid token without a sign-in; None if the portal does not support it."""
    try:
        response = transport.call("renew", "POST", RENEW, data={"token": token.value})
        answer = read_json(response, "renewing the token") if response.status == 200 else None  # noqa: PLR2004
    except PortalError:
        return None
    return _token(answer, token.owner, now) if isinstance(answer, dict) else None


def _judge(login: Login, response: ClientResponse, now: float, method: str, *, has_cookies: bool) -> Token:
    """Return the token of a response. Raises PortalError."""
    about = _about(login)
    match response.status:
        case 200:
            answer = read_json(response, f"{about}: sign-in")
        case 400 | 401:
            raise _rejection(login, method, f"status {response.status}")
        case 403:
            raise AccessError(
                "the portal blocked this sign-in (status 403)",
                about=about,
                advice="sign in on the SmartHub website from the same network; it may block this IP address or ask you"
                " to accept new terms",
            )
        case 500 if _REJECTED_SECOND_FACTOR in response.body[:500].decode("utf-8", "replace").lower():
            raise second_factor_error(login, None if response.date is None else now - response.date, method)
        case status if status >= 500:  # noqa: PLR2004
            raise TransportError(f"the portal's sign-in is failing (status {status})", about=about, advice=TRY_LATER)
        case status:
            error = ProtocolError(
                f"unexpected response to the sign-in (status {status})", about=about, advice="check api_url"
            )
            error.doubts_address = True
            raise error
    if not isinstance(answer, dict):
        raise ProtocolError("unexpected response to the sign-in", about=about)
    token = _token(answer, login.username, now)
    if token is not None:
        return token
    word = text(answer.get("status"))
    if word.upper() != "SUCCESS":
        raise _rejection(login, method, f"status 200, {safe_word(word)}".removesuffix(", "))
    if not has_cookies:
        raise ProtocolError("the portal accepted the sign-in but returned no token", about=about)
    return Token("", _owner(answer) or login.username, now + _LIFE)


def _token(answer: dict[str, Json], owner: str, now: float) -> Token | None:
    """Return the token in an answer, if any (docs/portal.md, "Tokens")."""
    value = answer.get("authorizationToken")
    if not isinstance(value, str) or not value or text(answer.get("status")).upper() not in ("", "SUCCESS"):
        return None
    given: list[Json] = [answer.get("expiresIn"), answer.get("expiration")]
    life, expiration = [each if type(each) in (int, float) and 0 < each < _LARGEST else 0.0 for each in given]
    if not life:
        left = (expiration / 1000 if expiration > _MILLISECONDS else expiration) - now
        life = left if 0 < left < _LONGEST_LIFE else _LIFE
    return Token(value, _owner(answer) or owner, now + min(life, _LONGEST_LIFE))


def _owner(answer: dict[str, Json]) -> str:
    return text(answer.get("primaryUsername"))


def _rejection(login: Login, method: str, said: str) -> PortalError:
    """Return the error for a wrong password or a missing second factor.

    Many portals respond to both in the same way.
    """
    if login.totp_secret is None and method == TOTP:
        return second_factor_error(login)
    return CredentialsError(
        f"the portal rejected the user name or password ({said}{_named(method)})",
        about=_about(login),
        advice="check username and password by signing in on the SmartHub website, then fix the configuration",
    )


def second_factor_method(login: Login, transport: Transport, *, is_doubtful: bool = False) -> str:
    """Return the portal's word for a login's second factor, in upper case; empty if it is not known.

    is_doubtful: whether the last sign-in was answered as if the portal were down. Raises TransportError if the portal
    cannot be reached, or then is down.
    """
    response = transport.call("two_factor", "GET", METHOD, params={"userId": login.username})
    if is_doubtful and (response.status >= 500 or response.is_page):  # noqa: PLR2004
        error = TransportError("the portal is down; no sign-in was sent", about=_about(login), advice=TRY_LATER)
        error.answered = False
        raise error
    word: Json = None
    with suppress(PortalError):
        word = read_json(response, "second factor") if response.status == 200 else None  # noqa: PLR2004
    return word.upper() if isinstance(word, str) else ""


def second_factor_error(login: Login, ahead: float | None = None, method: str = "") -> TwoFactorError:
    """Return the error for a second factor that is missing or rejected.

    ahead: how far this machine's clock is ahead of the portal's, in seconds; None if that is not known. method: the
    portal's word for the second factor.
    """
    what = f"the portal rejected the second factor{_named(method, ' ({})')}"
    advice = "check totp_secret and this machine's clock"
    if login.totp_secret is None:
        what = f"the portal requires a second factor{_named(method, ' ({})')}"
        advice = "set totp_secret to the secret of the authenticator app (base32 or otpauth:// URI)"
    elif ahead is not None and abs(ahead) > _SKEW:
        side = "ahead of" if ahead > 0 else "behind"
        advice = f"fix this machine's clock, which is {abs(ahead):.0f} s {side} the portal's"
    return TwoFactorError(what, about=_about(login), advice=advice)


def _named(method: str, form: str = ", method {}") -> str:
    """Name a method that is not a usual one."""
    return form.format(safe_word(method)) if method not in (TOTP, "NONE") and safe_word(method) else ""


def _about(login: Login) -> str:
    return f"login {login.name}"
