"""The limit on sign-ins that protects accounts from being locked, for all commands together.

Portals lock an account after five rejected sign-ins (docs/portal.md, "Rejected sign-ins"). Each sign-in is counted
before it is sent, so that a crash or an unexpected answer never makes the count too low.
"""

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from zoneinfo import ZoneInfo

from .clock import Clock
from .config import Login
from .errors import (
    AccessError,
    CredentialsError,
    PortalError,
    ProtocolError,
    Reason,
    TransportError,
    TwoFactorError,
)
from .formatting import moment
from .storage.sign_ins import ACCEPTED, ANY_ACCOUNT, MOST_TRIES, UNCOUNTED, SentSignIn
from .storage.state import StateFile

_FREE_TRIES = 2  # with one secret, or in a row without a clear answer
_PAUSE = 24 * 3600  # seconds
_FIX, _REPEAT = "fix the configuration", "run this command again"
_FIX_OF_SERVE = f"{_FIX} (a changed secret file is read by itself, anything else needs a restart)"
_FIRST = "sign in on the SmartHub website first, which resets its count; then"
_ERRORS: dict[Reason, type[PortalError]] = {
    each.reason: each for each in (CredentialsError, TwoFactorError, AccessError, TransportError, ProtocolError)
}


class Lockout:
    """The limit on one login's sign-ins."""

    def __init__(self, login: Login, state: StateFile, clock: Clock) -> None:
        self._file = state.sign_ins
        self._name = login.name
        self._clock = clock
        # The user name may be an email address, so the file does not contain it. Earlier versions did not fold it.
        names = (login.username.strip().casefold(), login.username)
        self._account, self._old_account = [
            hashlib.sha256(f"{login.portal.label}\n{name}".encode()).hexdigest() for name in names
        ]
        self._secret = ""
        self._sent: SentSignIn | None = None

    @property
    def has_signed_in(self) -> bool:
        """Whether the portal has ever accepted a sign-in of this login."""
        return any(
            each.outcome == ACCEPTED and each.account in (self._account, self._old_account)
            for each in self._file.read()
        )

    def turn(self) -> AbstractContextManager[None]:
        """Wait until no other process or thread is signing in with this account."""
        return self._file.turn(self._account)

    def check(self, login: Login) -> bool:
        """Return whether the last answer was unclear. Raises PortalError if no sign-in is allowed now."""
        now = self._clock.now()
        if any(each.at > now for each in self._file.read()):
            # Recorded by a clock that was wrong then, or at an unknown time.
            self._file.change(lambda known: [replace(each, at=min(each.at, now)) for each in known])
        self._require_count()
        tries = self._tries()
        self._secret = self._fingerprint(login)
        own = [each for each in tries if each.secret == self._secret]
        rejected = [each for each in own if Reason(each.outcome).is_rejected_sign_in]
        resumes_at: float | None = now
        if self._file.has_unsaved(self._account):
            resumes_at = None
        elif len(tries) >= MOST_TRIES:
            resumes_at = None if rejected else tries[-1].at + _PAUSE
        elif len(rejected) >= _FREE_TRIES:
            resumes_at = own[-1].at + _PAUSE if len(rejected) == _FREE_TRIES else None
        elif len(own) >= _FREE_TRIES and not any(each in rejected for each in own[-_FREE_TRIES:]):
            resumes_at = own[-1].at + _PAUSE
        if resumes_at is None or resumes_at > now:
            raise self._pause(login, tries, rejected, resumes_at)
        return bool(tries) and not Reason(tries[-1].outcome).is_rejected_sign_in

    def wait_for_code(self, interval: float) -> None:
        """Wait until the last one-time code has ended, so that none is sent twice.

        interval: how long a code lasts, in seconds.
        """
        known = self._file.read()
        ends = [each.code_until for each in known if each.account == self._account][-1:]
        ends += [each.at + interval for each in known if each.account == ANY_ACCOUNT]
        left = max(ends, default=0.0) - self._clock.now()
        if 0 < left <= 2 * interval:  # otherwise the clock has been corrected
            self._clock.sleep(left)

    def count(self, code_until: float = 0.0) -> None:
        """Count a sign-in that is about to be sent. code_until: when its one-time code ends, in seconds UTC."""
        self._sent = SentSignIn(self._account, self._secret, self._clock.now(), Reason.TRANSPORT, code_until)
        self._file.add(self._sent)
        if self._file.unreadable:
            self._settle(UNCOUNTED)
        self._require_count()

    def _require_count(self) -> None:
        """Raise PortalError while the file that counts rejected sign-ins cannot be read."""
        if self._file.unreadable:
            what = f"sign-ins are paused: {self._file.unreadable}"
            error = ProtocolError(what, about=f"login {self._name}")
            error.is_pause = True
            raise error

    def failed(self, error: PortalError) -> None:
        """Note why the sign-in failed; without an answer it no longer counts."""
        self._settle(error.reason if error.answered else UNCOUNTED)

    def accepted(self) -> None:
        """Forget the rejected sign-ins."""
        self._settle(ACCEPTED)

    def _settle(self, outcome: str) -> None:
        sent, accounts = self._sent, (self._account, self._old_account)
        if sent is None:
            return

        def settle(known: list[SentSignIn]) -> Iterable[SentSignIn]:
            for each in known:
                is_over = outcome == ACCEPTED or each.outcome == UNCOUNTED or each.id == sent.id
                if each.account not in accounts or not is_over:
                    yield each
            yield replace(sent, outcome=outcome)

        self._file.change(settle)

    def _tries(self) -> list[SentSignIn]:
        """Return the sign-ins that the portal may have counted since the last success."""
        tries: list[SentSignIn] = []
        for each in self._file.read():
            if each.account in (self._account, self._old_account, ANY_ACCOUNT):
                tries = [] if each.outcome == ACCEPTED else [*tries, each]
        return [each for each in tries if each.counts]

    def _pause(
        self, login: Login, tries: Sequence[SentSignIn], rejected: Sequence[SentSignIn], resumes_at: float | None
    ) -> PortalError:
        reason = Reason((rejected or tries)[-1].outcome)
        what = {Reason.CREDENTIALS: "the user name or password", Reason.TWO_FACTOR: "the second factor"}.get(reason, "")
        advice = "{fix} to sign in at once; otherwise {again}"
        if reason is Reason.TWO_FACTOR and login.totp_secret is None:
            what = "sign-ins without a second factor"
            advice = "set totp_secret to sign in at once; otherwise {again}"
        why = f"the portal rejected {what} {len(rejected)} times in a row and locks accounts after five"
        if self._file.has_unsaved(self._account):
            why = "the portal rejected a sign-in, and the number of rejected ones cannot be saved"
            advice = "make the state directory writable, and {fix}"
        elif any(each.account == ANY_ACCOUNT for each in tries):
            why = "the file that counts rejected sign-ins was lost or damaged"
            advice = f"{_FIRST} delete {{file}} and {{repeat}} for one more attempt; otherwise {{again}}"
        elif len(tries) >= MOST_TRIES:
            why = f"the portal rejected {len(tries)} sign-ins in a row and locks accounts after five"
            advice = f"{_FIRST} {{fix}}; {{again}}" + (" with the current one" if rejected else "")
        elif not rejected:
            why = f"the portal answered {len(tries)} sign-ins in a row with neither a session nor a reason"
            advice = "sign in on the SmartHub website to find out why; {again}"
        error = _ERRORS[reason](f"sign-ins are paused: {why}", about=f"login {login.name}")
        # By the co-op's clock, like the times beside it on the status page.
        zone = login.zone or ZoneInfo("UTC")
        until = None if resumes_at is None else f"after {moment(resumes_at, zone, self._clock.now())}"

        def advise(fix: str, repeat: str, wait: str) -> str:
            again = f"{wait} {until}" if until else "there are no more attempts"
            return advice.format(fix=fix, repeat=repeat, again=again, file=self._file.pattern)

        error.advice = advise(_FIX, _REPEAT, _REPEAT)
        error.advice_of_serve = advise(_FIX_OF_SERVE, "restart", "the exporter retries by itself")
        error.is_pause = True
        return error

    def _fingerprint(self, login: Login) -> str:
        """Return a digest of everything that decides whether a sign-in succeeds.

        It is slow to compute, so that guessing is slow.
        """
        totp = login.totp_secret.reveal() if login.totp_secret else ""
        name = login.username.strip().casefold()
        secret = f"{login.portal.base_url}\x00{name}\x00{login.password.reveal()}\x00{totp}"
        return hashlib.scrypt(secret.encode(), salt=self._account.encode(), n=2**12, r=8, p=1, dklen=16).hex()
