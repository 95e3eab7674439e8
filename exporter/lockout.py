"""Refused sign-ins, counted in the state by all commands together: portals lock an account after five (contract 2)."""

import hashlib
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from .clock import Clock
from .config import Login
from .errors import CredentialsError, PortalError, Reason, TwoFactorError
from .storage.sign_ins import RejectedSignIns
from .storage.state import StateFile

_FREE_TRIES = 2
_LAST_TRY_AFTER = 24 * 3600
_MOST_TRIES = 4  # with whatever secrets: portals lock at five


class Lockout:
    """The gate before the sign-ins of one login: two tries in a row, one more a day later, then none."""

    def __init__(self, login: Login, state: StateFile, clock: Clock) -> None:
        self._login = login
        self._state = state
        self._clock = clock
        # The user name may be an e-mail address, which the state has no need to know.
        self._key = hashlib.sha256(f"{login.portal.label}\n{login.username}".encode()).hexdigest()

    def turn(self) -> AbstractContextManager[None]:
        """Wait until nobody else, in this process or another on the same state, signs in with this login."""
        return self._state.exclusive(f"sign-in-{self._key[:12]}")

    def check(self) -> None:
        """Raise CredentialsError or TwoFactorError while no sign-in may be tried."""
        own = self._state.rejected_sign_ins(self._key, self._fingerprint())
        in_all = self._state.all_rejected_sign_ins(self._key)
        if in_all is not None and in_all.count >= _MOST_TRIES and (own is not None or self._is_recent(in_all)):
            raise self._paused(own or in_all)
        if own is None or own.count < _FREE_TRIES:
            return
        if own.count > _FREE_TRIES or self._is_recent(own):
            raise self._paused(own)

    def _is_recent(self, rejected: RejectedSignIns) -> bool:
        # A rejection from the future was counted by a clock that has been put right since.
        return 0 <= self._clock.now() - rejected.last < _LAST_TRY_AFTER

    def rejected(self, reason: Reason) -> None:
        """Count a refused sign-in."""
        self._state.count_rejected_sign_in(self._key, self._fingerprint(), self._clock.now(), reason.value)

    def accepted(self) -> None:
        """Forget the refused ones."""
        self._state.forget_rejected_sign_ins(self._key)

    def _paused(self, rejected: RejectedSignIns) -> PortalError:
        second_factor = rejected.reason == Reason.TWO_FACTOR
        what = "the second factor" if second_factor else "user name or password"
        cure = "the configuration is corrected"
        if second_factor and self._login.totp_secret is None:
            what, cure = "to sign in without a second factor", "totp_secret is set"
        until = "no more tries"
        if rejected.count == _FREE_TRIES:
            again = datetime.fromtimestamp(rejected.last + _LAST_TRY_AFTER, UTC)
            until = f"one more try after {again:%Y-%m-%d %H:%M} UTC"
        error = (TwoFactorError if second_factor else CredentialsError)(
            f"sign-ins are paused, the portal refused {what} {rejected.count} times in a row and locks accounts after"
            " five",
            about=f"login {self._login.name}",
            advice=f"{until}, or at once when {cure}",
        )
        error.is_pause = True
        return error

    def _fingerprint(self) -> str:
        """Changes with anything that may make the next sign-in succeed; slow to compute, so that guessing is slow."""
        login = self._login
        totp = login.totp_secret.reveal() if login.totp_secret else ""
        secret = f"{login.portal.base_url}\x00{login.username}\x00{login.password.reveal()}\x00{totp}"
        return hashlib.scrypt(secret.encode(), salt=self._key.encode(), n=2**12, r=8, p=1, dklen=16).hex()
