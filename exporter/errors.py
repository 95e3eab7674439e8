"""The errors that reach a person, each one line that says what happened and what to do next.

SmartHubError
├── ConfigError            the configuration or the command line is wrong (exit 2)
├── ListenError            the HTTP server cannot have its address (exit 1)
├── DatabaseError          a database did not do what was asked of it (exit 1)
└── PortalError            a portal did not give what was asked for (exit 1)
    ├── CredentialsError   user name or password refused
    ├── TwoFactorError     second factor missing or refused
    ├── AccessError        signed in, but not allowed to see this
    ├── PendingError       the portal keeps computing
    ├── TransportError     no usable answer: network, server trouble, a maintenance page
    └── ProtocolError      an answer, but not one that can be understood

Messages never hold passwords, tokens, names of people or addresses.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar

TRY_LATER = "try again later"
"""The advice for what passes by itself; `serve` says that it will retry instead."""

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_PARTLY = 3


class Reason(StrEnum):
    """Why a refresh failed: the `reason` label of smarthub_refresh_failures_total."""

    CREDENTIALS = "credentials"
    TWO_FACTOR = "two_factor"
    PERMISSION = "permission"
    PENDING = "pending"
    TRANSPORT = "transport"
    PROTOCOL = "protocol"

    @property
    def passes_by_itself(self) -> bool:
        """Whether trying again soon can help, without anybody changing anything."""
        return self in (Reason.PENDING, Reason.TRANSPORT, Reason.PROTOCOL)

    @property
    def is_rejected_sign_in(self) -> bool:
        """Whether the portal may count this towards locking the account."""
        return self in (Reason.CREDENTIALS, Reason.TWO_FACTOR)


def one_line(what: str, about: str, advice: str) -> str:
    """Return the line `about: what; advice`, without the parts that are empty."""
    return "; ".join(filter(None, (f"{about}: {what}" if about else what, advice)))


class SmartHubError(Exception):
    """Base of everything that this program reports in one line instead of a traceback.

    The line is `about: what; advice`. about: the login, location or database that it concerns. advice: what to do next.
    retry_after: seconds for which a server asked to be left alone, if it did.
    """

    exit_code: ClassVar[int] = EXIT_FAILED
    retry_after: float | None = None

    def __init__(self, what: str = "", *, about: str = "", advice: str = "") -> None:
        self.what = what
        self.about = about
        self.advice = advice
        super().__init__(one_line(what, about, advice))


class ConfigError(SmartHubError):
    """One or several mistakes in the configuration, each a line of its own."""

    exit_code = EXIT_USAGE

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class ListenError(SmartHubError):
    """The listen address is taken, not ours, or not an address of this machine."""


class DatabaseError(SmartHubError):
    """A database cannot be reached, refused a call, or answered what cannot be understood.

    passes_by_itself: trying again soon can help, as with one that is being restarted. said: the body of its refusal,
    for looking at and not for showing.
    """

    def __init__(
        self, what: str, *, about: str = "", advice: str = "", passes_by_itself: bool = False, said: bytes = b""
    ) -> None:
        super().__init__(what, about=about, advice=advice)
        self.passes_by_itself = passes_by_itself
        self.said = said


class PortalError(SmartHubError):
    """A portal did not give what was asked for; `reason` is its class for the metrics.

    while_signing_in: nobody is signed in, so that other calls would fail alike.
    is_pause: nothing was asked of the portal, since sign-ins wait for somebody.
    """

    reason: ClassVar[Reason]
    while_signing_in: bool = False
    is_pause: bool = False


class CredentialsError(PortalError):
    """The portal refused user name or password (portal-facts 1.3)."""

    reason = Reason.CREDENTIALS


class TwoFactorError(PortalError):
    """The portal wants a second factor, or refused the one it got (portal-facts 1.3)."""

    reason = Reason.TWO_FACTOR


class AccessError(PortalError):
    """Signed in, but this login may not see what was asked for (portal-facts 1.3, status 403)."""

    reason = Reason.PERMISSION


class PendingError(PortalError):
    """The portal answered PENDING until the time for it was used up (portal-facts 3.2)."""

    reason = Reason.PENDING


class TransportError(PortalError):
    """No usable answer: unreachable, TLS, server trouble, or a page instead of data (portal-facts 8)."""

    reason = Reason.TRANSPORT


class ProtocolError(PortalError):
    """An answer whose shape is not the one that is known (portal-facts 3.5)."""

    reason = Reason.PROTOCOL
