"""The recent data of each location, from a few polls; nothing is stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..clock import Clock
from ..errors import PendingError, PortalError, ProtocolError
from ..intervals.interval import Interval
from ..intervals.model import DAILY, Meter
from ..intervals.updates import update_meter
from ..portal.accounts import AccountLocation
from ..portal.client import PortalClient
from ..portal.history import History, KnownMeters, LocationHistory
from ..portal.query import MONTHLY, UsageQuery
from ..portal.timezone import OffsetEvidence
from ..portal.timezone_search import not_asked
from ..portal.walltime import WallClock

RECENT = 7  # full days before today
PENDING_BUDGET = 60.0  # seconds to wait while the portal computes: someone is watching the terminal
_BRIEF_BUDGET = 10.0  # seconds to wait once the portal used up the budget before
_MOST_IN_VAIN = 2  # locations in a row that stay pending, after which no other is asked
_LONG_AGO = 35  # days to look back if the recent ones have no data
_MONTHS = 400  # days within which a meter that is read monthly has a reading


@dataclass(frozen=True, slots=True)
class LocationSurvey:
    """What one location has. Times in seconds UTC.

    meters: with their intervals and full days of the last `days` local days. evidence: what shows the portal's zone.
    connected: start of the day on which the location was connected, if the portal provides it. monthly: there are only
    monthly figures. has_hourly: the portal says it has data finer than daily. dropped: the portal sent data, but none
    that could be used. words: the words for directions that are not known for certain. error: why some or all of it is
    missing.
    """

    location: AccountLocation
    meters: tuple[Meter, ...] = ()
    days: int = RECENT
    evidence: tuple[OffsetEvidence, ...] = ()
    connected: int | None = None
    monthly: bool = False
    has_hourly: bool = False
    dropped: bool = False
    words: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    error: PortalError | None = None

    @property
    def newest(self) -> int | None:
        """The end of the newest interval of any meter."""
        return max((meter.latest.end for meter in self.meters if meter.latest), default=None)


@dataclass(slots=True)
class Surveyor:
    """Reads recent data of the locations of one login, by the clock of one zone.

    submeters: returns the configured sub-meters of a location, with their parents.
    """

    client: PortalClient
    wall: WallClock
    clock: Clock
    submeters: Callable[[AccountLocation], Mapping[str, str]] = lambda _: {}
    _histories: dict[AccountLocation, LocationHistory] = field(default_factory=dict)
    _in_vain: int = 0

    def recent(self, location: AccountLocation) -> LocationSurvey:
        """Return the last days of a location, or older ones if those are empty. An error is part of the result."""
        survey = self._look(location, RECENT)
        if survey.error is None and survey.newest is None:
            survey = self._look(location, _LONG_AGO)
        if survey.error is None and survey.newest is None and not survey.has_hourly:
            survey = self._with_months(survey)
        return survey

    def daily_figures(self, survey: LocationSurvey) -> Mapping[str, Mapping[int, Interval]]:
        """Return the portal's own daily figures of a survey, by meter and start of the day. Raises PortalError."""
        fetched = self._fetch(survey.location, survey.days, survey.meters)
        if fetched.error is not None:
            raise fetched.error
        return {meter.info.number: {each.start: each for each in meter.readings} for meter in fetched.meters}

    def _look(self, location: AccountLocation, days: int) -> LocationSurvey:
        fetched = self._fetch(location, days)
        now = self.clock.now()
        return LocationSurvey(
            location,
            tuple(update_meter(None, each, self.wall, now=now, keep_from=0).meter for each in fetched.meters),
            days,
            tuple(fetched.evidence),
            fetched.connected,
            has_hourly=bool(fetched.has_hourly),
            dropped=fetched.dropped,
            words=tuple(fetched.words),
            warnings=tuple(fetched.warnings),
            error=fetched.error,
        )

    def _fetch(self, location: AccountLocation, days: int, only_daily: Sequence[Meter] = ()) -> History:
        """Fetch the last days of a location. A portal that keeps computing gets less time, then no more requests.

        only_daily: its meters if only their daily figures are wanted.
        """
        if self._in_vain >= _MOST_IN_VAIN:
            return History(error=not_asked(PendingError()))
        fresh = LocationHistory(
            self.client.usage, location.account, location.number, self.wall, submeters=self.submeters(location)
        )
        history = self._histories.setdefault(location, fresh)
        known = KnownMeters({meter.info.number: DAILY for meter in only_daily})
        fetched = history.fetch(*self._range(days), known, try_hourly=not only_daily)
        if isinstance(fetched.error, PendingError):
            self._in_vain += 1
            self.client.pending_budget = min(self.client.pending_budget, _BRIEF_BUDGET)
        else:
            self._in_vain = 0
        return fetched

    def _range(self, days: int) -> tuple[int, int]:
        """Return the start and end of this many full local days and today."""
        now = int(self.clock.now())
        return self.wall.days_before(now, days), self.wall.days_before(now, -1)

    def _with_months(self, survey: LocationSurvey) -> LocationSurvey:
        """Add whether a location without hourly or daily data has monthly figures."""
        location, (start, end) = survey.location, self._range(_MONTHS)
        try:
            answer = self.client.usage(UsageQuery(location.account, location.number, MONTHLY, start, end, self.wall))
        except ProtocolError:
            return survey
        except PortalError as error:
            return replace(survey, error=error)
        return replace(survey, monthly=any(value is not None for each in answer.usage for _, value in each.points))
