"""Rejected sign-ins, counted in the state file by all commands together.

Portals lock an account after five of them (docs/portal.md, "Rejected sign-ins").
"""

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
_MOST_TRIES = 4  # with any secrets, because portals lock the account at five


class Lockout:
    """The limit on one login's sign-ins.

    A rejected sign-in is tried once more at once and once a day later, then never again.
    """

    def __init__(self, login: Login, state: StateFile, clock: Clock) -> None:
        self._login = login
        self._state = state
        self._clock = clock
        # The user name may be an e-mail address, so the state file does not contain it.
        self._key = hashlib.sha256(f"{login.portal.label}\n{login.username}".encode()).hexdigest()

    def turn(self) -> AbstractContextManager[None]:
        """Wait until no other process or thread is signing in with this login."""
        return self._state.exclusive(f"sign-in-{self._key[:12]}")

    def check(self) -> None:
        """Raise CredentialsError or TwoFactorError if no sign-in is allowed now."""
        own = self._state.rejected_sign_ins(self._key, self._fingerprint())
        in_all = self._state.rejected_sign_ins(self._key)
        if in_all is not None and in_all.count >= _MOST_TRIES and (own is not None or self._is_recent(in_all)):
            raise self._paused(own or in_all)
        if own is not None and own.count >= _FREE_TRIES and (own.count > _FREE_TRIES or self._is_recent(own)):
            raise self._paused(own)

    def _is_recent(self, rejected: RejectedSignIns) -> bool:
        # A rejection in the future was recorded by a clock that has been corrected since.
        return 0 <= self._clock.now() - rejected.last < _LAST_TRY_AFTER

    def rejected(self, reason: Reason) -> None:
        """Count a rejected sign-in."""
        self._state.count_rejected_sign_in(self._key, self._fingerprint(), self._clock.now(), reason.value)

    def accepted(self) -> None:
        """Forget the rejected sign-ins."""
        self._state.forget_rejected_sign_ins(self._key)

    def _paused(self, rejected: RejectedSignIns) -> PortalError:
        second_factor = rejected.reason == Reason.TWO_FACTOR
        what = "the second factor" if second_factor else "the user name or password"
        fix = "fix the configuration"
        if second_factor and self._login.totp_secret is None:
            what, fix = "sign-ins without a second factor", "set totp_secret"
        otherwise = "there are no more attempts"
        if rejected.count == _FREE_TRIES:
            again = datetime.fromtimestamp(rejected.last + _LAST_TRY_AFTER, UTC)
            otherwise = f"the next attempt is after {again:%Y-%m-%d %H:%M} UTC"
        error = (TwoFactorError if second_factor else CredentialsError)(
            f"sign-ins are paused: the portal rejected {what} {rejected.count} times in a row and locks accounts after"
            " five",
            about=f"login {self._login.name}",
            advice=f"{fix} to sign in at once; otherwise {otherwise}",
        )
        error.is_pause = True
        return error

    def _fingerprint(self) -> str:
        """Return a digest of everything that decides whether a sign-in succeeds.

        It is slow to compute, so that guessing is slow.
        """
        login = self._login
        totp = login.totp_secret.reveal() if login.totp_secret else ""
        secret = f"{login.portal.base_url}\x00{login.username}\x00{login.password.reveal()}\x00{totp}"
        return hashlib.scrypt(secret.encode(), salt=self._key.encode(), n=2**12, r=8, p=1, dklen=16).hex()
