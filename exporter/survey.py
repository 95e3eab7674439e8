"""A look around: what a login's locations have, from a few polls. For `discover` and `check`; nothing is stored."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from itertools import pairwise
from zoneinfo import ZoneInfo

from .clock import Clock
from .errors import AccessError, PendingError, PortalError, ProtocolError, TransportError
from .intervals import DAILY as DAILY_STEP
from .intervals import Reading
from .portal.answer import Answer
from .portal.client import PortalClient
from .portal.discovery import FoundLocation
from .portal.history import LONGEST_RANGE, History, KnownMeters, LocationHistory
from .portal.placing import day_steps
from .portal.usagequery import HOURLY, MONTHLY, UsageQuery
from .portal.walltime import WallClock
from .portal.zones import Sighting, fits, fitting, other_season, sightings_in, sightings_of_bills
from .snapshot import Meter, update_meter

Busy = Callable[[str], None]
"""Told what is waited for; empty when nothing is."""

RECENT = 7  # days that a survey looks back
PENDING_BUDGET = 60.0  # seconds that somebody who waits at a terminal is kept while the portal computes
_BRIEF_BUDGET = 10.0  # seconds, where it did not come to an end before
_MOST_IN_VAIN = 2  # so many locations in a row that stay pending are enough
_LONG_AGO = 35  # days, where the recent ones have nothing
_EARLIEST = 15 * 366  # days: no portal was seen with a longer history
_MONTHS = 400  # days in which a meter that is read by the month has a reading
_PROBE = 86400 * 2
_PROBE_AGE = 86400 * 9  # by then all data of a probe should be posted
_LONG_PROBE = 86400 * 28
_DAY = 86400
_HOUR = 3600
_YOUNG = 86400 * 8  # what is younger than this is in none of the probes
_FARTHEST_WEST = 11 * 3600  # Pago Pago, behind UTC
_FARTHEST_EAST = 10 * 3600  # Guam, ahead of UTC
_SHORTEST_PROBE = 2 * 3600  # a meter that is read by the hour shows its step by two points


class _Purpose(Enum):
    """What a range is asked for."""

    RECENT = auto()
    FIRST_DAY = auto()
    FIGURES = auto()


@dataclass(frozen=True, slots=True)
class LocationSurvey:
    """What one location has. Times in seconds UTC.

    meters: with the intervals and whole days of the last `days` local days. sightings: what shows its portal's zone.
    connected: start of the day on which it was connected, where the portal tells. monthly: there are figures by the
    month and no finer ones. has_hourly: the portal says that there are finer than daily ones. error: what kept some of
    it from coming.
    """

    place: FoundLocation
    meters: tuple[Meter, ...] = ()
    days: int = RECENT
    sightings: tuple[Sighting, ...] = ()
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
        self._in_vain: Counter[_Purpose] = Counter()

    def recent(self, place: FoundLocation) -> LocationSurvey:
        """The last days of a location, further back where they have nothing. An error is part of the result."""
        survey = self._look(place, RECENT)
        if survey.error is None and survey.newest is None:
            survey = self._look(place, _LONG_AGO)
        if survey.error is None and survey.newest is None and not survey.has_hourly:
            survey = self._with_months(survey)
        return survey

    def first_day(self, survey: LocationSurvey) -> int | None:
        """The start of the first local day that has data; None where there are none. Raises PortalError.

        Looks at the days since the location was connected; where these have nothing it halves its way through the time
        since then. Some weeks without data amid older ones may mislead it.
        """
        newest = survey.newest
        if newest is None:
            return None
        known = KnownMeters({meter.info.number: meter.info.step for meter in survey.meters})
        last = self._wall.day(newest - 1).end
        begin = min(survey.connected or self._wall.days_before(newest, _EARLIEST), self._wall.days_before(last, 1))
        midnights = self._wall.midnights(begin, last)
        borders = [*midnights[:-1:LONGEST_RANGE], midnights[-1]]

        def first_in(window: int) -> int | None:
            fetched = self._fetch(
                _Purpose.FIRST_DAY,
                survey.place,
                (borders[window], borders[window + 1]),
                known,
                try_hourly=not known.only_daily,
            )
            if fetched.error is not None:
                raise fetched.error
            return min((meter.readings[0].start for meter in fetched.meters if meter.readings), default=None)

        first = _first(len(borders) - 1, first_in, begins_there=survey.connected is not None)
        if first is None:
            first = min(meter.intervals[0].start for meter in survey.meters if meter.intervals)
        return self._wall.day(first).start

    def daily_figures(self, survey: LocationSurvey) -> Mapping[str, Mapping[int, Reading]]:
        """The portal's own figures of the days of a survey, by meter and start of the day. Raises PortalError."""
        only_daily = KnownMeters({meter.info.number: DAILY_STEP for meter in survey.meters})
        fetched = self._fetch(_Purpose.FIGURES, survey.place, self._range(survey.days), only_daily, try_hourly=False)
        if fetched.error is not None:
            raise fetched.error
        return {meter.info.number: {each.start: each for each in meter.readings} for meter in fetched.meters}

    def _look(self, place: FoundLocation, days: int) -> LocationSurvey:
        fetched = self._fetch(_Purpose.RECENT, place, self._range(days), KnownMeters(), try_hourly=True)
        now = self._clock.now()
        return LocationSurvey(
            place,
            tuple(update_meter(None, each, self._wall, now=now, keep_from=0).meter for each in fetched.meters),
            days,
            (*fetched.sightings, *sightings_of_bills(place.bill_reads)),
            fetched.connected,
            has_hourly=bool(fetched.has_hourly),
            warnings=tuple(fetched.warnings),
            error=fetched.error,
        )

    def _fetch(
        self, purpose: _Purpose, place: FoundLocation, bounds: tuple[int, int], known: KnownMeters, *, try_hourly: bool
    ) -> History:
        """A range of local midnights. Where the portal keeps computing it is waited for ever less, then not asked."""
        if self._in_vain[purpose] >= _MOST_IN_VAIN:
            return History(error=_not_asked(PendingError()))
        fetched = self._history(place).fetch(*bounds, known, try_hourly=try_hourly)
        if isinstance(fetched.error, PendingError):
            self._in_vain[purpose] += 1
            self._client.pending_budget = min(self._client.pending_budget, _BRIEF_BUDGET)
        else:
            self._in_vain[purpose] = 0
        return fetched

    def _range(self, days: int) -> tuple[int, int]:
        """So many whole local days, and today."""
        now = int(self._clock.now())
        return self._wall.days_before(now, days), self._wall.days_before(now, -1)

    def _with_months(self, survey: LocationSurvey) -> LocationSurvey:
        """The survey of a location without finer figures, with whether it has some by the month."""
        place, (start, end) = survey.place, self._range(_MONTHS)
        try:
            answer = self._client.usage(UsageQuery(place.account, place.number, MONTHLY, start, end, self._wall))
        except ProtocolError:
            return survey
        except PortalError as error:
            return replace(survey, error=error)
        return replace(survey, monthly=any(value is not None for each in answer.usage for _, value in each.points))

    def _history(self, place: FoundLocation) -> LocationHistory:
        key = (place.account, place.number)
        if key not in self._histories:
            self._histories[key] = LocationHistory(self._client.usage, *key, self._wall)
        return self._histories[key]


def _first(count: int, first_in: Callable[[int], int | None], *, begins_there: bool) -> int | None:
    """The first start in the earliest of `count` windows that has one, if all later ones do.

    begins_there: the first window is the likeliest.
    """
    if begins_there and (found := first_in(0)) is not None:
        return found
    empty, filled = (0 if begins_there else -1), count
    first: int | None = None
    while filled - empty > 1:
        middle = (empty + filled) // 2
        found = first_in(middle)
        if found is None:
            empty = middle
        else:
            filled, first = middle, found
    return first


def _not_asked(before: PortalError) -> PortalError:
    """What to say of a location that was not asked for, by what had gone wrong before."""
    if isinstance(before, PendingError):
        return PendingError("not asked, since the portal was still computing what was asked before; later it may work")
    return TransportError("not asked, since the portal had failed before; later it may work")


@dataclass(frozen=True, slots=True)
class ZoneSearch:
    """What a portal showed of its clock before anybody knew its zone.

    errors: why nothing at all could be had of a location, by location. error: what kept more from being seen, None
    where every location answered.
    """

    sightings: tuple[Sighting, ...]
    errors: Mapping[FoundLocation, PortalError] = field(default_factory=dict)
    error: PortalError | None = None


def seek_zone(client: PortalClient, places: Sequence[FoundLocation], clock: Clock) -> ZoneSearch:
    """What the portal shows of its clock, in summer and in winter. Raises a PortalError where nobody is signed in.

    Bill dates cost nothing; beyond them it asks for two days in each half of the year, of one location after the other
    until one zone is left, and where all these are too young for a day inside their data. A portal that is down or
    keeps computing is not asked for more.
    """
    seeker = _ZoneSeeker(client, places)
    try:
        seeker.seek(int(clock.now()))
    except (PendingError, TransportError) as error:
        if error.while_signing_in:
            raise
        return seeker.result(error)
    return seeker.result()


class _ZoneSeeker:
    """One search: what was seen so far, and which locations answered."""

    def __init__(self, client: PortalClient, places: Sequence[FoundLocation]) -> None:
        self._client = client
        self._places = places
        self._utc = WallClock(ZoneInfo("UTC"))
        self._sightings = [sighting for place in places for sighting in sightings_of_bills(place.bill_reads)]
        self._answered: set[FoundLocation] = set()
        self._errors: dict[FoundLocation, PortalError] = {}

    def seek(self, now: int) -> None:
        """Ask until one zone is left or nothing else is to be asked. Raises what would keep other calls from it."""
        for place in self._places:
            for instant in (now - _PROBE_AGE, other_season(now - _PROBE_AGE)):
                start = self._utc.day(instant).start
                for length in (_PROBE, _LONG_PROBE):
                    if self._look(place, start, start + length):
                        break
            if self._is_certain and len(fitting(self._sightings)) == 1:
                return
        today = self._utc.day(now)
        for place in self._places:
            if self._is_certain:
                return
            newest = self._ask(place, today.start - _YOUNG, today.end)
            if newest and (inside := _inside(newest)):
                self._look(place, *inside)

    def result(self, error: PortalError | None = None) -> ZoneSearch:
        """What came of it. error: what ended it early."""
        silent = {place: found for place, found in self._errors.items() if place not in self._answered}
        if error:
            unasked = (place for place in self._places if place not in {*self._answered, *silent})
            silent |= {place: _not_asked(error) for place in unasked}
        last = error or next(reversed(silent.values()), None)
        return ZoneSearch(tuple(self._sightings), silent, last)

    @property
    def _is_certain(self) -> bool:
        return any(sighting.certain for sighting in self._sightings)

    def _look(self, place: FoundLocation, start: int, end: int) -> bool:
        """Ask for a range; gives whether it shows the clock for certain."""
        answer = self._ask(place, start, end)
        seen = sightings_in(answer, start, end) if answer else ()
        self._sightings += seen
        return any(sighting.certain for sighting in seen)

    def _ask(self, place: FoundLocation, start: int, end: int) -> Answer | None:
        try:
            answer = self._client.usage(UsageQuery(place.account, place.number, HOURLY, start, end, self._utc))
        except PortalError as error:
            if error.while_signing_in:
                raise
            self._errors[place] = error
            if not isinstance(error, AccessError | ProtocolError):
                raise
            return None
        self._answered.add(place)
        return answer


def _inside(answer: Answer) -> tuple[int, int] | None:
    """The last day, or less, that lies inside the data of an answer whatever the zone; None where they are too few.

    Only where there are data at both ends of a range do its first and last x tell the offset (portal-facts 4.2), and
    when the data really begin and end is as unknown as the zone.
    """
    walls = sorted({wall for series in answer.usage for wall, _ in series.points})
    step = min(day_steps(walls, dict(answer.interval_ends)).values(), default=0)
    if not step:
        return None
    begins = [walls[0], *(later for earlier, later in pairwise(walls) if later - earlier > step)]
    ends = [*(earlier + step for earlier, later in pairwise(walls) if later - earlier > step), walls[-1] + step]
    begin, end = max(zip(begins, ends, strict=True), key=lambda run: run[1] - run[0])
    last = (end - _FARTHEST_EAST) // _HOUR * _HOUR
    first = max(last - _DAY, -(-(begin + _FARTHEST_WEST) // _HOUR) * _HOUR)
    return (first, last) if last - first >= _SHORTEST_PROBE else None


@dataclass(frozen=True, slots=True)
class ZoneVerdict:
    """Whether a portal can be of a zone; None where it shows no times. others: zones that fit where this one does not.

    error: what kept the portal from being looked at more closely, where that leaves doubt.
    """

    fits: bool | None
    others: tuple[str, ...] = ()
    error: PortalError | None = None


def verify_zone(  # noqa: PLR0917
    zone: ZoneInfo,
    sightings: tuple[Sighting, ...],
    client: PortalClient,
    places: Sequence[FoundLocation],
    clock: Clock,
    busy: Busy,
) -> ZoneVerdict:
    """Judge a zone by what was seen; look closer where it does not fit, or where others fit as well.

    The last days show one season only, in which Denver and Phoenix have the same clock.
    """
    verdict = fits(zone, sightings)
    if verdict and set(fitting(sightings)) <= {zone.key}:
        return ZoneVerdict(verdict)
    busy("more data that tell the zone")
    try:
        search = seek_zone(client, places, clock)
    except PortalError as error:
        return ZoneVerdict(verdict, () if verdict else fitting(sightings), error)
    sightings += search.sightings
    verdict = fits(zone, sightings)
    is_certain = any(sighting.certain for sighting in sightings)
    return ZoneVerdict(
        verdict, () if verdict is not False else fitting(sightings), None if is_certain else search.error
    )
