"""A look around: what a login's locations have, from a few polls. For `discover` and `check`; nothing is stored."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..clock import Clock
from ..errors import PendingError, PortalError, ProtocolError
from ..intervals.model import DAILY as DAILY_STEP
from ..intervals.model import Meter, Reading
from ..intervals.updates import update_meter
from ..portal.accounts import AccountLocation
from ..portal.client import PortalClient
from ..portal.history import History, KnownMeters, LocationHistory
from ..portal.query import MONTHLY, UsageQuery
from ..portal.timezone import OffsetEvidence
from ..portal.timezone_search import not_asked
from ..portal.walltime import WallClock

RECENT = 7  # days that a survey looks back
PENDING_BUDGET = 60.0  # seconds that somebody who waits at a terminal is kept while the portal computes
_BRIEF_BUDGET = 10.0  # seconds, where it did not come to an end before
_MOST_IN_VAIN = 2  # so many locations in a row that stay pending are enough
_LONG_AGO = 35  # days, where the recent ones have nothing
_MONTHS = 400  # days in which a meter that is read by the month has a reading


@dataclass(frozen=True, slots=True)
class LocationSurvey:
    """What one location has. Times in seconds UTC.

    meters: with the intervals and whole days of the last `days` local days. evidence: what shows its portal's zone.
    connected: start of the day on which it was connected, where the portal tells. monthly: there are figures by the
    month and no finer ones. has_hourly: the portal says that there are finer than daily ones. error: what kept some of
    it from coming.
    """

    location: AccountLocation
    meters: tuple[Meter, ...] = ()
    days: int = RECENT
    evidence: tuple[OffsetEvidence, ...] = ()
    connected: int | None = None
    monthly: bool = False
    has_hourly: bool = False
    warnings: tuple[str, ...] = ()
    error: PortalError | None = None

    @property
    def newest(self) -> int | None:
        """The end of the newest interval of any meter."""
        return max((meter.latest.end for meter in self.meters if meter.latest), default=None)


class Surveyor:
    """Looks at the locations of one login by the clock of one zone."""

    def __init__(self, client: PortalClient, wall: WallClock, clock: Clock) -> None:
        self._client = client
        self._wall = wall
        self._clock = clock
        self._histories: dict[tuple[str, str], LocationHistory] = {}
        self._in_vain = 0

    def recent(self, location: AccountLocation) -> LocationSurvey:
        """The last days of a location, further back where they have nothing. An error is part of the result."""
        survey = self._look(location, RECENT)
        if survey.error is None and survey.newest is None:
            survey = self._look(location, _LONG_AGO)
        if survey.error is None and survey.newest is None and not survey.has_hourly:
            survey = self._with_months(survey)
        return survey

    def daily_figures(self, survey: LocationSurvey) -> Mapping[str, Mapping[int, Reading]]:
        """The portal's own figures of the days of a survey, by meter and start of the day. Raises PortalError."""
        only_daily = KnownMeters({meter.info.number: DAILY_STEP for meter in survey.meters})
        fetched = self._fetch(survey.location, survey.days, only_daily, try_hourly=False)
        if fetched.error is not None:
            raise fetched.error
        return {meter.info.number: {each.start: each for each in meter.readings} for meter in fetched.meters}

    def _look(self, location: AccountLocation, days: int) -> LocationSurvey:
        fetched = self._fetch(location, days, KnownMeters(), try_hourly=True)
        now = self._clock.now()
        return LocationSurvey(
            location,
            tuple(update_meter(None, each, self._wall, now=now, keep_from=0).meter for each in fetched.meters),
            days,
            tuple(fetched.evidence),
            fetched.connected,
            has_hourly=bool(fetched.has_hourly),
            warnings=tuple(fetched.warnings),
            error=fetched.error,
        )

    def _fetch(self, location: AccountLocation, days: int, known: KnownMeters, *, try_hourly: bool) -> History:
        """The last days of a location. Where the portal keeps computing it is waited for ever less, then not asked."""
        if self._in_vain >= _MOST_IN_VAIN:
            return History(error=not_asked(PendingError()))
        fetched = self._history(location).fetch(*self._range(days), known, try_hourly=try_hourly)
        if isinstance(fetched.error, PendingError):
            self._in_vain += 1
            self._client.pending_budget = min(self._client.pending_budget, _BRIEF_BUDGET)
        else:
            self._in_vain = 0
        return fetched

    def _range(self, days: int) -> tuple[int, int]:
        """So many whole local days, and today."""
        now = int(self._clock.now())
        return self._wall.days_before(now, days), self._wall.days_before(now, -1)

    def _with_months(self, survey: LocationSurvey) -> LocationSurvey:
        """The survey of a location without finer figures, with whether it has some by the month."""
        location, (start, end) = survey.location, self._range(_MONTHS)
        try:
            answer = self._client.usage(UsageQuery(location.account, location.number, MONTHLY, start, end, self._wall))
        except ProtocolError:
            return survey
        except PortalError as error:
            return replace(survey, error=error)
        return replace(survey, monthly=any(value is not None for each in answer.usage for _, value in each.points))

    def _history(self, location: AccountLocation) -> LocationHistory:
        key = (location.account, location.number)
        if key not in self._histories:
            self._histories[key] = LocationHistory(self._client.usage, *key, self._wall)
        return self._histories[key]
