"""The errors that users see: each is one line with what happened and what to do.

SmartHubError
├── ConfigError            the configuration or the command line is wrong (exit 2)
├── ListenError            the HTTP server cannot listen on its address (exit 1)
├── DirectoryError         the directory of co-ops did not answer (exit 1)
├── DatabaseError          a database call failed (exit 1)
└── PortalError            a portal did not return the requested data (exit 1)
    ├── CredentialsError   user name or password rejected
    ├── TwoFactorError     second factor missing or rejected
    ├── AccessError        signed in, but without access to this
    ├── PendingError       the portal is still computing
    ├── TransportError     no usable response: network, server error, maintenance page
    └── ProtocolError      a response of unknown shape
        └── TooLargeError  a response that is too large to read

Messages never contain passwords, tokens, names of people or addresses.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar, Self

TRY_LATER = "try again later"
"""The advice for temporary failures; `serve` says "will retry" instead."""

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
        """Whether the failure may be temporary, so that an early retry makes sense."""
        return self in (Reason.PENDING, Reason.TRANSPORT, Reason.PROTOCOL)

    @property
    def is_rejected_sign_in(self) -> bool:
        """Whether the portal may count this toward locking the account."""
        return self in (Reason.CREDENTIALS, Reason.TWO_FACTOR)


def one_line(what: str, about: str, advice: str) -> str:
    """Return the line `about: what; advice`, without the parts that are empty."""
    return "; ".join(filter(None, (f"{about}: {what}" if about else what, advice)))


class SmartHubError(Exception):
    """Base of all errors that are reported in one line instead of a traceback.

    The line is `about: what; advice`. about: the login, location or database in question. advice: what to do next.
    retry_after: how long the server asked clients to wait, in seconds; None if it did not.
    """

    exit_code: ClassVar[int] = EXIT_FAILED
    retry_after: float | None = None

    def __init__(self, what: str = "", *, about: str = "", advice: str = "") -> None:
        self.what = what
        self.about = about
        self.advice = advice
        super().__init__(what)

    def __str__(self) -> str:
        """Return the line."""
        return one_line(self.what, self.about, self.advice)


class ConfigError(SmartHubError):
    """One or more mistakes in the configuration, each on its own line."""

    exit_code = EXIT_USAGE

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class ListenError(SmartHubError):
    """The listen address is in use, not permitted, or not an address of this machine."""


class DirectoryError(SmartHubError):
    """The directory of co-ops is unreachable, refused a name, or sent an unexpected response."""


class DatabaseError(SmartHubError):
    """A database is unreachable, refused a call, or sent an unexpected response.

    passes_by_itself: whether a retry may help, for example because the database is restarting. said: the body of its
    error response, which is examined but never shown.
    """

    def __init__(
        self, what: str, *, about: str = "", advice: str = "", passes_by_itself: bool = False, said: bytes = b""
    ) -> None:
        super().__init__(what, about=about, advice=advice)
        self.passes_by_itself = passes_by_itself
        self.said = said


class PortalError(SmartHubError):
    """A portal did not return the requested data.

    reason: the label value for the metrics.
    while_signing_in: whether the sign-in failed, so that other calls would fail the same way.
    answered: whether the portal answered, so that a sign-in may have been counted as rejected.
    is_pause: whether nothing was sent, because sign-ins are paused until the configuration is fixed.
    doubts_address: whether `api_url` may be wrong, if nobody has ever signed in there.
    advice_of_serve: what to do when `serve` reports it, which continues by itself; empty if the advice is the same.
    """

    reason: ClassVar[Reason]
    while_signing_in: bool = False
    answered: bool = True
    is_pause: bool = False
    doubts_address: bool = False
    advice_of_serve: str = ""

    def forget_frames(self) -> None:
        """Forget where the error was raised; these frames would keep a large response for as long as the error."""
        self.__traceback__ = self.__cause__ = self.__context__ = None


class CredentialsError(PortalError):
    """The portal rejected the user name or password.

    See docs/portal.md, "Rejected sign-ins".
    """

    reason = Reason.CREDENTIALS


class TwoFactorError(PortalError):
    """The portal requires a second factor, or rejected it.

    See docs/portal.md, "Rejected sign-ins".
    """

    reason = Reason.TWO_FACTOR


class AccessError(PortalError):
    """This login may not see the account or location.

    See docs/portal.md, "Accounts and locations".
    """

    reason = Reason.PERMISSION


class PendingError(PortalError):
    """The portal was still computing when time was up.

    See docs/portal.md, "Pending answers".
    """

    reason = Reason.PENDING


class TransportError(PortalError):
    """No usable response: network, TLS, server error or a web page instead of data.

    See docs/portal.md, "Trouble and maintenance". is_answer: whether the portal answered the request with a server
    error or a web page; it may answer other requests well.
    """

    reason = Reason.TRANSPORT
    is_answer: bool = False

    @classmethod
    def of_answer(cls, what: str, *, about: str = "", advice: str = "") -> Self:
        """Return the error for an answer that is a server error or a web page."""
        error = cls(what, about=about, advice=advice)
        error.is_answer = True
        return error


class ProtocolError(PortalError):
    """A response of unknown shape.

    See docs/portal.md, "Shape of a usage answer".
    """

    reason = Reason.PROTOCOL


class TooLargeError(ProtocolError):
    """A response that is too large to read.

    See docs/portal.md, "Ranges".
    """
