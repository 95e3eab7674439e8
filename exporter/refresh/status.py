"""How the refreshing goes: what each login and location last said. Immutable, swapped as a whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from ..errors import TRY_LATER, PortalError, Reason, one_line
from ..intervals.model import LocationKey
from ..portal.timezone import ZoneVerdict

NOT_REFRESHED = "the first refresh is under way"


class FailureKind(Enum):
    """What kept something from being refreshed, as far as it asks different things of a person."""

    FAILED = auto()
    COMPUTING = auto()
    """The portal keeps computing: the data come by themselves."""
    PAUSED = auto()
    """Sign-ins wait for somebody to correct the configuration."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What kept something from being refreshed: an error without its traceback.

    about: the login or the range that it concerns. what, advice: the same for every location that fails alike.
    """

    kind: FailureKind
    what: str
    about: str = ""
    advice: str = ""

    @classmethod
    def of(cls, error: PortalError) -> "Failure":
        """Return the failure for an error."""
        kind = FailureKind.FAILED
        if error.is_pause:
            kind = FailureKind.PAUSED
        elif error.reason is Reason.PENDING:
            kind = FailureKind.COMPUTING
        return cls(kind, error.what, error.about, "will retry" if error.advice == TRY_LATER else error.advice)

    @property
    def message(self) -> str:
        """All of it in one line."""
        return one_line(self.what, self.about, self.advice)


@dataclass(frozen=True, slots=True)
class LocationStatus:
    """The result of a location's last refresh. failure: what kept it from succeeding, once it was tried."""

    up: bool
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class LoginStatus:
    """The result of a login's last refresh; times in seconds UTC, 0 where there was none yet.

    up: every location of the last refresh succeeded. failures: what kept it from that. zone: the verdict on the
    configured zone.
    """

    up: bool = False
    failures: tuple[Failure, ...] = ()
    last_refresh: float = 0.0
    last_success: float = 0.0
    duration: float = 0.0
    next_refresh: float = 0.0
    zone: ZoneVerdict = field(default_factory=ZoneVerdict)
    locations: Mapping[LocationKey, LocationStatus] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """Why it is not up, in one line; empty where it is."""
        if not self.last_refresh:
            return NOT_REFRESHED
        return "; ".join(dict.fromkeys(failure.message for failure in self.failures))


def location_statuses(statuses: Iterable[LoginStatus]) -> dict[LocationKey, LocationStatus]:
    """How each location does: where several logins know it, as the one says that reads it."""
    found: dict[LocationKey, LocationStatus] = {}
    for status in statuses:
        for key, location in status.locations.items():
            if key not in found or location.up:
                found[key] = location
    return dict(sorted(found.items()))
