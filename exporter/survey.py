"""A look around: what a login's locations have, from a few polls. For `discover` and `check`; nothing is stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from .clock import Clock
from .errors import AccessError, PendingError, PortalError, ProtocolError
from .intervals import DAILY as DAILY_STEP
from .intervals import Reading
from .portal.client import PortalClient
from .portal.discovery import FoundLocation
from .portal.history import LONGEST_RANGE, KnownMeters, LocationHistory
from .portal.usagequery import HOURLY, MONTHLY, UsageQuery
from .portal.walltime import WallClock
from .portal.zones import Sighting, fits, fitting, other_season, sightings_in, sightings_of_bills
from .snapshot import Meter, update_meter

Busy = Callable[[str], None]
"""Told what is waited for; empty when nothing is."""

RECENT = 7  # days that a survey looks back
_LONG_AGO = 35  # days, where the recent ones have nothing
_EARLIEST = 15 * 366  # days: no portal was seen with a longer history
_MONTHS = 400  # days in which a meter that is read by the month has a reading
_PROBE = 86400 * 2
_PROBE_AGE = 86400 * 9  # by then all data of a probe should be posted
_LONG_PROBE = 86400 * 28


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

    def recent(self, place: FoundLocation) -> LocationSurvey:
        """The last days of a location, further back where they have nothing. An error is part of the result."""
        survey = self._look(place, RECENT)
        if survey.error is None and survey.newest is None:
            survey = self._look(place, _LONG_AGO)
        if survey.error is None and survey.newest is None and not survey.has_hourly:
            survey = replace(survey, monthly=self._has_months(place))
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
            fetched = self._history(survey.place).fetch(
                borders[window], borders[window + 1], known, try_hourly=not known.only_daily
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
        start, end = self._range(survey.days)
        only_daily = KnownMeters({meter.info.number: DAILY_STEP for meter in survey.meters})
        fetched = self._history(survey.place).fetch(start, end, only_daily, try_hourly=False)
        if fetched.error is not None:
            raise fetched.error
        return {meter.info.number: {each.start: each for each in meter.readings} for meter in fetched.meters}

    def _look(self, place: FoundLocation, days: int) -> LocationSurvey:
        start, end = self._range(days)
        fetched = self._history(place).fetch(start, end, KnownMeters(), try_hourly=True)
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

    def _range(self, days: int) -> tuple[int, int]:
        """So many whole local days, and today."""
        now = int(self._clock.now())
        return self._wall.days_before(now, days), self._wall.days_before(now, -1)

    def _has_months(self, place: FoundLocation) -> bool:
        try:
            answer = self._client.usage(self._query(place, MONTHLY, *self._range(_MONTHS)))
        except ProtocolError:
            return False
        return any(value is not None for series in answer.usage for _, value in series.points)

    def _query(self, place: FoundLocation, time_frame: str, start: int, end: int) -> UsageQuery:
        return UsageQuery(place.account, place.number, time_frame, start, end, self._wall)

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


def seek_zone(client: PortalClient, places: Sequence[FoundLocation], clock: Clock) -> tuple[Sighting, ...]:
    """What the portal shows of its clock, in summer and in winter, before anybody knows its zone. Raises PortalError.

    Bill dates cost nothing; beyond them it asks for two days in each half of the year, of one location after the other
    until one zone is left.
    """
    utc = WallClock(ZoneInfo("UTC"))
    probe = int(clock.now()) - _PROBE_AGE
    sightings = [sighting for place in places for sighting in sightings_of_bills(place.bill_reads)]
    for place in places:
        for instant in (probe, other_season(probe)):
            start = utc.day(instant).start
            for length in (_PROBE, _LONG_PROBE):
                query = UsageQuery(place.account, place.number, HOURLY, start, start + length, utc)
                try:
                    seen = sightings_in(client.usage(query), start, start + length)
                except (AccessError, PendingError, ProtocolError) as error:
                    if error.while_signing_in:
                        raise
                    seen = ()
                sightings += seen
                if any(sighting.certain for sighting in seen):
                    break
        if any(sighting.certain for sighting in sightings) and len(fitting(sightings)) == 1:
            break
    return tuple(sightings)


@dataclass(frozen=True, slots=True)
class ZoneVerdict:
    """Whether a portal can be of a zone; None where it shows no times. others: zones that fit where this one does not.

    error: what kept the portal from being looked at more closely.
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
        sightings += seek_zone(client, places, clock)
    except PortalError as error:
        return ZoneVerdict(verdict, () if verdict else fitting(sightings), error)
    verdict = fits(zone, sightings)
    return ZoneVerdict(verdict, () if verdict is not False else fitting(sightings))
