"""Which zone a portal keeps, sought before anybody knows it and verified where one is configured. Nothing is stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from zoneinfo import ZoneInfo

from ..clock import Clock
from ..errors import AccessError, PendingError, PortalError, ProtocolError, TransportError
from .accounts import AccountLocation
from .client import PortalClient
from .placement import day_steps
from .query import HOURLY, UsageQuery
from .timezone import OffsetEvidence, evidence_in, evidence_of_bills, matching_zones, zone_fits
from .us_timezones import other_season
from .usage import UsageAnswer
from .walltime import WallClock

Busy = Callable[[str], None]
"""Told what is waited for; empty when nothing is."""

_DAY = 86400
_HOUR = 3600
_PROBE = 2 * _DAY
_PROBE_AGE = 9 * _DAY  # by then all data of a probe should be posted
_LONG_PROBE = 28 * _DAY
_YOUNG = 8 * _DAY  # what is younger than this is in none of the probes
_FARTHEST_WEST = 11 * _HOUR  # Pago Pago, behind UTC
_FARTHEST_EAST = 10 * _HOUR  # Guam, ahead of UTC
_SHORTEST_PROBE = 2 * _HOUR  # a meter that is read by the hour shows its step by two points


def not_asked(before: PortalError) -> PortalError:
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

    evidence: tuple[OffsetEvidence, ...]
    errors: Mapping[AccountLocation, PortalError] = field(default_factory=dict)
    error: PortalError | None = None


def search_zone(client: PortalClient, locations: Sequence[AccountLocation], clock: Clock) -> ZoneSearch:
    """What the portal shows of its clock, in summer and in winter. Raises a PortalError where nobody is signed in.

    Bill dates cost nothing; beyond them it asks for two days in each half of the year, of one location after the other
    until one zone is left, and where all these are too young for a day inside their data. A portal that is down or
    keeps computing is not asked for more.
    """
    seeker = _ZoneSearcher(client, locations)
    try:
        seeker.seek(int(clock.now()))
    except (PendingError, TransportError) as error:
        if error.while_signing_in:
            raise
        return seeker.result(error)
    return seeker.result()


class _ZoneSearcher:
    """One search: what was seen so far, and which locations answered."""

    def __init__(self, client: PortalClient, locations: Sequence[AccountLocation]) -> None:
        self._client = client
        self._locations = locations
        self._utc = WallClock(ZoneInfo("UTC"))
        self._sightings = [each for location in locations for each in evidence_of_bills(location.bill_reads)]
        self._answered: set[AccountLocation] = set()
        self._errors: dict[AccountLocation, PortalError] = {}

    def seek(self, now: int) -> None:
        """Ask until one zone is left or nothing else is to be asked. Raises what would keep other calls from it."""
        for location in self._locations:
            for instant in (now - _PROBE_AGE, other_season(now - _PROBE_AGE)):
                start = self._utc.day(instant).start
                for length in (_PROBE, _LONG_PROBE):
                    if self._look(location, start, start + length):
                        break
            if self._is_certain and len(matching_zones(self._sightings)) == 1:
                return
        today = self._utc.day(now)
        for location in self._locations:
            if self._is_certain:
                return
            newest = self._ask(location, today.start - _YOUNG, today.end)
            if newest and (inside := _inside(newest)):
                self._look(location, *inside)

    def result(self, error: PortalError | None = None) -> ZoneSearch:
        """What came of it. error: what ended it early."""
        silent = {location: found for location, found in self._errors.items() if location not in self._answered}
        if error:
            unasked = (location for location in self._locations if location not in {*self._answered, *silent})
            silent |= {location: not_asked(error) for location in unasked}
        last = error or next(reversed(silent.values()), None)
        return ZoneSearch(tuple(self._sightings), silent, last)

    @property
    def _is_certain(self) -> bool:
        return any(each.certain for each in self._sightings)

    def _look(self, location: AccountLocation, start: int, end: int) -> bool:
        """Ask for a range; gives whether it shows the clock for certain."""
        answer = self._ask(location, start, end)
        seen = evidence_in(answer, start, end) if answer else ()
        self._sightings += seen
        return any(each.certain for each in seen)

    def _ask(self, location: AccountLocation, start: int, end: int) -> UsageAnswer | None:
        try:
            answer = self._client.usage(UsageQuery(location.account, location.number, HOURLY, start, end, self._utc))
        except PortalError as error:
            if error.while_signing_in:
                raise
            self._errors[location] = error
            if not isinstance(error, AccessError | ProtocolError):
                raise
            return None
        self._answered.add(location)
        return answer


def _inside(answer: UsageAnswer) -> tuple[int, int] | None:
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

    zone_fits: bool | None
    others: tuple[str, ...] = ()
    error: PortalError | None = None


def verify_zone(  # noqa: PLR0917
    zone: ZoneInfo,
    evidence: tuple[OffsetEvidence, ...],
    client: PortalClient,
    locations: Sequence[AccountLocation],
    clock: Clock,
    busy: Busy,
) -> ZoneVerdict:
    """Judge a zone by what was seen; look closer where it does not fit, or where others fit as well.

    The last days show one season only, in which Denver and Phoenix have the same clock.
    """
    verdict = zone_fits(zone, evidence)
    if verdict and set(matching_zones(evidence)) <= {zone.key}:
        return ZoneVerdict(verdict)
    busy("more data that tell the zone")
    try:
        search = search_zone(client, locations, clock)
    except PortalError as error:
        return ZoneVerdict(verdict, () if verdict else matching_zones(evidence), error)
    evidence += search.evidence
    verdict = zone_fits(zone, evidence)
    is_certain = any(each.certain for each in evidence)
    return ZoneVerdict(
        verdict, () if verdict is not False else matching_zones(evidence), None if is_certain else search.error
    )
