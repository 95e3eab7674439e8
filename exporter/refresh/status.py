"""How the refreshing goes: what each login and location last said. Immutable, swapped as a whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from ..errors import PortalError, Reason
from ..intervals.model import LocationKey


class FailureKind(Enum):
    """What kept something from being refreshed, as far as it asks different things of a person."""

    FAILED = auto()
    COMPUTING = auto()
    """The portal keeps computing: the data come by themselves."""
    PAUSED = auto()
    """Sign-ins wait for somebody to correct the configuration."""

    @classmethod
    def of(cls, error: PortalError) -> "FailureKind":
        """The trouble that an error tells of."""
        if error.is_pause:
            return cls.PAUSED
        return cls.COMPUTING if error.reason is Reason.PENDING else cls.FAILED


@dataclass(frozen=True, slots=True)
class LocationStatus:
    """The outcome of a location's last refresh. `message` is empty where it succeeded, and `trouble` means nothing."""

    up: bool
    message: str = ""
    failure_kind: FailureKind = FailureKind.FAILED


@dataclass(frozen=True, slots=True)
class LoginStatus:
    """The outcome of a login's last refresh; times in seconds UTC, 0 where there was none yet.

    up: every location of the last refresh succeeded. message, trouble: what kept it from that.
    zone_contradicted: the portal's times do not fit the configured zone. fitting_zones: those that they do fit.
    """

    up: bool = False
    message: str = "the first refresh is under way"
    failure_kind: FailureKind = FailureKind.FAILED
    last_refresh: float = 0.0
    last_success: float = 0.0
    duration: float = 0.0
    next_refresh: float = 0.0
    zone_contradicted: bool = False
    fitting_zones: tuple[str, ...] = ()
    locations: Mapping[LocationKey, LocationStatus] = field(default_factory=dict)


def location_statuses(statuses: Iterable[LoginStatus]) -> dict[LocationKey, LocationStatus]:
    """How each location does: where several logins know it, as the one says that reads it."""
    found: dict[LocationKey, LocationStatus] = {}
    for status in statuses:
        for key, result in status.locations.items():
            if key not in found or result.up:
                found[key] = result
    return dict(sorted(found.items()))
