"""The results of the last refresh of each login and location.

They are immutable and replaced as a whole.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from ..errors import TRY_LATER, PortalError, Reason, one_line
from ..intervals.model import LocationKey
from ..portal.timezone import ZoneVerdict

NOT_REFRESHED = "the first refresh is running"

_ALARM_AFTER = 6 * 3600  # seconds; portals are down for hours at night, and the alert waits as long


class FailureKind(Enum):
    """Kinds of failures, by what the user has to do."""

    FAILED = auto()
    """It is usually temporary, so there is nothing to do at first."""
    COMPUTING = auto()
    """The portal is still computing; nothing to do."""
    ACTION_NEEDED = auto()
    """It lasts until someone fixes the configuration or signs in at the portal."""
    PAUSED = auto()
    """Sign-ins are paused until the configuration is fixed."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a refresh failed: an error without its traceback.

    about: the login or range in question. what, advice: the same for all locations that fail for the same reason.
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
        elif not error.reason.passes_by_itself:
            kind = FailureKind.ACTION_NEEDED
        elif error.reason is Reason.PENDING:
            kind = FailureKind.COMPUTING
        advice = "will retry" if error.advice == TRY_LATER else error.advice_of_serve or error.advice
        return cls(kind, error.what, error.about, advice)

    @property
    def message(self) -> str:
        """What happened and what to do, in one line."""
        return one_line(self.what, self.about, self.advice)


@dataclass(frozen=True, slots=True)
class LocationStatus:
    """The result of a location's last refresh.

    failure: why it failed; None if it succeeded or was not refreshed yet.
    """

    up: bool
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class LoginStatus:
    """The result of a login's last refresh.

    Times are in seconds UTC, 0 before the first refresh. up: whether every location succeeded. failures: why not.
    failing_since: when the first of the failed refreshes in a row began, 0 if the last one succeeded. zone: the verdict
    on the configured zone. portal_name: the portal and its own name for the co-op; None if not known.
    """

    up: bool = False
    failures: tuple[Failure, ...] = ()
    last_refresh: float = 0.0
    last_success: float = 0.0
    failing_since: float = 0.0
    duration: float = 0.0
    next_refresh: float = 0.0
    zone: ZoneVerdict = field(default_factory=ZoneVerdict)
    portal_name: tuple[str, str] | None = None
    locations: Mapping[LocationKey, LocationStatus] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """Why it is not up, in one line; empty if it is."""
        if not self.last_refresh:
            return NOT_REFRESHED
        return "; ".join(dict.fromkeys(failure.message for failure in self.failures))

    def is_failing_long(self, now: float) -> bool:
        """Whether all refreshes of the last six hours failed, which is longer than usual maintenance."""
        return bool(self.failing_since) and now - self.failing_since >= _ALARM_AFTER


def withheld_locations(statuses: Iterable[LoginStatus]) -> frozenset[LocationKey]:
    """Return the locations whose data is not on /metrics because the portal's times contradict their zone."""
    read = {False: set[LocationKey](), True: set[LocationKey]()}
    for status in statuses:
        is_wrong = status.zone.is_contradicted
        # Before its first refresh, a login has the stored locations of other logins too.
        read[is_wrong].update(key for key, each in status.locations.items() if is_wrong or each.up)
    return frozenset(read[True] - read[False])


def location_statuses(statuses: Iterable[LoginStatus]) -> dict[LocationKey, LocationStatus]:
    """Return the status of each location, as reported by the login that reads it."""
    found: dict[LocationKey, LocationStatus] = {}
    for status in statuses:
        for key, location in status.locations.items():
            if key not in found or location.up:
                found[key] = location
    return dict(sorted(found.items()))
