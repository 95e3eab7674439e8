"""Refused sign-ins, counted in the state by all commands together: portals lock an account after five (contract 2)."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from .clock import Clock
from .config import Login
from .errors import CredentialsError, PortalError, Reason, TwoFactorError
from .storage.state import RejectedSignIns, StateFile

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
        self,
        login: Login,
        state: StateFile,
        clock: Clock,
        try_anyway: TryAnyway | None = None,
        *,
        is_typed: bool = False,
    ) -> None:
        self._login = login
        self._state = state
        self._clock = clock
        self._try_anyway = try_anyway
        self._is_typed = is_typed
        self._allowed: int | None = None  # so many refused ones, and a person said to try nevertheless
        # The user name may be an e-mail address, which the state has no need to know.
        self._key = hashlib.sha256(f"{login.portal.label}\n{login.username}".encode()).hexdigest()

    def ask(self) -> None:
        """Where sign-ins are paused, ask the person at the terminal for one more; not while others wait for their turn.

        Raises what `check` raises where the answer is no.
        """
        self._allowed = None
        if self._try_anyway is None:
            return
        try:
            self.check()
        except PortalError as error:
            in_all = self._state.all_rejected_sign_ins(self._key)
            count = in_all.count if in_all else 0
            if count >= _MOST_TRIES or not self._try_anyway(str(error)):
                raise
            self._allowed = count

    def turn(self) -> AbstractContextManager[None]:
        """Wait until nobody else, in this process or another on the same state, signs in with this login."""
        return self._state.exclusive(f"sign-in-{self._key[:12]}")

    def check(self) -> None:
        """Raise CredentialsError or TwoFactorError while no sign-in may be tried."""
        in_all = self._state.all_rejected_sign_ins(self._key)
        if in_all is None:
            return
        rejected = in_all if self._is_typed else self._state.rejected_sign_ins(self._key, self._fingerprint())
        if in_all.count == self._allowed:
            return
        # What was typed counts too at the portal: whoever types gets four tries in all, of the configuration too.
        is_last = in_all.count >= _MOST_TRIES
        if rejected is None or (rejected.count < _FREE_TRIES and not (is_last and self._try_anyway)):
            return
        # A refusal from the future was counted by a clock that has been put right since.
        waits = 0 <= self._clock.now() - rejected.last < _LAST_TRY_AFTER
        if rejected.count == _FREE_TRIES and not waits and not is_last:
            return
        raise self._paused(rejected, is_last=is_last)

    def rejected(self, reason: Reason) -> None:
        """Count a refused sign-in."""
        self._state.count_rejected_sign_in(self._key, self._fingerprint(), self._clock.now(), reason.value)

    def accepted(self) -> None:
        """Forget the refused ones."""
        self._state.forget_rejected_sign_ins(self._key)

    def _paused(self, rejected: RejectedSignIns, *, is_last: bool) -> PortalError:
        second_factor = rejected.reason == Reason.TWO_FACTOR
        what = "the second factor" if second_factor else "user name or password"
        cure = "the configuration is corrected"
        if second_factor and self._login.totp_secret is None:
            what, cure = "to sign in without a second factor", "totp_secret is set"
        if rejected.count == _FREE_TRIES and not is_last:
            again = datetime.fromtimestamp(rejected.last + _LAST_TRY_AFTER, UTC)
            until = f"one more try after {again:%Y-%m-%d %H:%M} UTC"
        else:
            until = "no more tries"
        message = (
            f"login {self._login.name}: sign-ins are paused, the portal refused {what} {rejected.count} times in a row"
            f" and locks accounts after five; {until}, or at once when {cure}"
        )
        error = TwoFactorError(message) if second_factor else CredentialsError(message)
        error.is_pause = True
        return error

    def _fingerprint(self) -> str:
        """Changes with anything that may make the next sign-in succeed; slow to compute, so that guessing is slow."""
        login = self._login
        totp = login.totp_secret.reveal() if login.totp_secret else ""
        secret = f"{login.portal.base_url}\x00{login.username}\x00{login.password.reveal()}\x00{totp}"
        return hashlib.scrypt(secret.encode(), salt=self._key.encode(), n=2**12, r=8, p=1, dklen=16).hex()
