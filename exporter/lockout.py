"""Refused sign-ins, counted in the state by all commands together: portals lock an account after five (contract 2)."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from .clock import Clock
from .config import Login
from .errors import CredentialsError, PortalError, Reason, TwoFactorError
from .state import RefusedSignIns, State

_FREE_TRIES = 2
_LAST_TRY_AFTER = 24 * 3600
_MOST_TRIES = 4  # also for somebody who insists: portals lock at five

TryAnyway = Callable[[str], bool]
"""Tells a person why sign-ins are paused and asks whether to try nevertheless."""


class Lockout:
    """The gate before the sign-ins of one login: two tries in a row, one more a day later, then none.

    try_anyway: asks the person at the terminal, where there is one, before a try that is one too many. is_typed: the
    password comes from the keyboard; then each one that is tried counts, as it does at the portal.
    """

    def __init__(
        self, login: Login, state: State, clock: Clock, try_anyway: TryAnyway | None = None, *, is_typed: bool = False
    ) -> None:
        self._login = login
        self._state = state
        self._clock = clock
        self._try_anyway = try_anyway
        self._is_typed = is_typed
        # The user name may be an e-mail address, which the state has no need to know.
        self._key = hashlib.sha256(f"{login.portal.label}\n{login.username}".encode()).hexdigest()

    def turn(self) -> AbstractContextManager[None]:
        """Wait until nobody else, in this process or another on the same state, signs in with this login."""
        return self._state.exclusive(f"sign-in-{self._key[:12]}")

    def check(self) -> None:
        """Raise CredentialsError or TwoFactorError while no sign-in may be tried."""
        if not self._state.has_refused_sign_ins(self._key):
            return
        refused = self._refused()
        if refused is None or refused.count < _FREE_TRIES:
            return
        # A refusal from the future was counted by a clock that has been put right since.
        if refused.count == _FREE_TRIES and not 0 <= self._clock.now() - refused.last < _LAST_TRY_AFTER:
            return
        error = self._paused(refused)
        if self._try_anyway and refused.count < _MOST_TRIES and self._try_anyway(str(error)):
            return
        raise error

    def _refused(self) -> RefusedSignIns | None:
        if self._is_typed:
            return self._state.all_refused_sign_ins(self._key)
        return self._state.refused_sign_ins(self._key, self._fingerprint())

    def refused(self, reason: Reason) -> None:
        """Count a refused sign-in."""
        self._state.count_refused_sign_in(self._key, self._fingerprint(), self._clock.now(), reason.value)

    def accepted(self) -> None:
        """Forget the refused ones."""
        self._state.forget_refused_sign_ins(self._key)

    def _paused(self, refused: RefusedSignIns) -> PortalError:
        second_factor = refused.reason == Reason.TWO_FACTOR
        what = "the second factor" if second_factor else "user name or password"
        cure = "the configuration is corrected"
        if second_factor and self._login.totp_secret is None:
            what, cure = "to sign in without a second factor", "totp_secret is set"
        if refused.count == _FREE_TRIES:
            again = datetime.fromtimestamp(refused.last + _LAST_TRY_AFTER, UTC)
            until = f"one more try after {again:%Y-%m-%d %H:%M} UTC"
        else:
            until = "no more tries"
        message = (
            f"login {self._login.name}: sign-ins are paused, the portal refused {what} {refused.count} times in a row"
            f" and locks accounts after five; {until}, or at once when {cure}"
        )
        return TwoFactorError(message) if second_factor else CredentialsError(message)

    def _fingerprint(self) -> str:
        """Changes with anything that may make the next sign-in succeed; slow to compute, so that guessing is slow."""
        login = self._login
        totp = login.totp_secret.reveal() if login.totp_secret else ""
        secret = f"{login.portal.base_url}\x00{login.username}\x00{login.password.reveal()}\x00{totp}"
        return hashlib.scrypt(secret.encode(), salt=self._key.encode(), n=2**12, r=8, p=1, dklen=16).hex()
