"""Search for data that shows a portal's time zone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from zoneinfo import ZoneInfo

from ..clock import Clock
from ..errors import TRY_LATER, AccessError, PendingError, PortalError, ProtocolError, TransportError
from .accounts import AccountLocation
from .client import PortalClient
from .query import HOURLY, UsageQuery
from .timezone import OffsetEvidence, are_independent, evidence_in, has_both_seasons, matching_zones, walls_and_step
from .us_timezones import may_change, other_season
from .usage_answer import UsageAnswer
from .walltime import WallClock

_UTC = WallClock(ZoneInfo("UTC"))
_DAY = 86400
_HOUR = 3600
_PROBE = 2 * _DAY
_PROBE_AGE = 9 * _DAY  # old enough that all its data should be posted
_LONG_PROBE = 28 * _DAY
_YOUNG = 8 * _DAY  # no probe contains newer data
_FARTHEST_WEST = 11 * _HOUR  # Pago Pago, the farthest behind UTC
_FARTHEST_EAST = 10 * _HOUR  # Guam, the farthest ahead of UTC
_SHORTEST_PROBE = 2 * _HOUR  # an hourly meter needs two points to show its step


def not_asked(before: PortalError) -> PortalError:
    """Return the error of a location that was skipped because another location failed."""
    if isinstance(before, PendingError):
        return PendingError("not requested because the portal was still computing an earlier request", advice=TRY_LATER)
    return TransportError("not requested because an earlier request failed", advice=TRY_LATER)


@dataclass(frozen=True, slots=True)
class ZoneSearch:
    """The result of a search.

    zones: those that fit, most likely first. errors: why a location returned nothing. error: why there is no more
    evidence, None if every location answered.
    """

    evidence: tuple[OffsetEvidence, ...] = ()
    zones: tuple[str, ...] = ()
    errors: Mapping[AccountLocation, PortalError] = field(default_factory=dict)
    error: PortalError | None = None


def bill_reads_of(locations: Iterable[AccountLocation]) -> list[int]:
    """Return when the meters of these locations were read for bills, in seconds UTC."""
    return [instant for location in locations for instant in location.bill_reads]


def search_zone(client: PortalClient, locations: Sequence[AccountLocation], clock: Clock) -> ZoneSearch:
    """Search for the zone of a portal, in summer and in winter.

    Requests two days in each half of the year, location by location, until one zone is left. If the locations are too
    new for that, it requests two days inside their data. It stops if the portal is down or still computing. Raises
    PortalError if the sign-in fails.
    """
    searcher = _ZoneSearcher(client, locations)
    try:
        searcher.search(int(clock.now()))
    except (PendingError, TransportError) as error:
        if error.while_signing_in:
            raise
        return searcher.result(error)
    return searcher.result()


def _probe(client: PortalClient, location: AccountLocation, start: int, end: int) -> UsageAnswer:
    return client.usage(UsageQuery(location.account, location.number, HOURLY, start, end, _UTC))


def _probe_start(instant: int) -> int:
    """Return the last midnight (UTC) that starts a probe without a clock change."""
    start = _UTC.day(instant).start
    while may_change(start, start + _PROBE):
        start -= _DAY
    return start


class _ZoneSearcher:
    """One search: its evidence so far, and which locations answered."""

    def __init__(self, client: PortalClient, locations: Sequence[AccountLocation]) -> None:
        self._client = client
        self._locations = locations
        self._evidence: list[OffsetEvidence] = []
        self._answered: set[AccountLocation] = set()
        self._errors: dict[AccountLocation, PortalError] = {}

    def search(self, now: int) -> None:
        """Probe until one zone is left or nothing is left to probe.

        Raises errors that other calls would meet too.
        """
        for location in self._locations:
            recent = _probe_start(now - _PROBE_AGE)
            self._look(location, recent, recent + _PROBE)
            other = _probe_start(other_season(now - _PROBE_AGE))
            if not self._look(location, other, other + _PROBE):
                self._look(location, other, other + _LONG_PROBE)
            if has_both_seasons(self._evidence) and len(self._zones) == 1:
                return
        today = _UTC.day(now)
        for location in self._locations:
            if are_independent(self._evidence):
                return
            newest = self._ask(location, today.start - _YOUNG, today.end)
            for inside in _inside(newest) if newest else ():
                self._look(location, *inside)

    @property
    def _zones(self) -> tuple[str, ...]:
        return matching_zones(self._evidence, bill_reads_of(self._locations))

    def result(self, error: PortalError | None = None) -> ZoneSearch:
        """Return the result. error: what ended the search early."""
        silent = {location: found for location, found in self._errors.items() if location not in self._answered}
        if error:
            unasked = (location for location in self._locations if location not in {*self._answered, *silent})
            silent |= {location: not_asked(error) for location in unasked}
        last = error or next(reversed(silent.values()), None)
        return ZoneSearch(tuple(self._evidence), self._zones, silent, last)

    def _look(self, location: AccountLocation, start: int, end: int) -> bool:
        """Request a range. Returns whether the answer revealed the offset."""
        answer = self._ask(location, start, end)
        seen = evidence_in(answer, start, end) if answer else ()
        self._evidence += seen
        return bool(seen)

    def _ask(self, location: AccountLocation, start: int, end: int) -> UsageAnswer | None:
        try:
            answer = _probe(self._client, location, start, end)
        except PortalError as error:
            if error.while_signing_in:
                raise
            self._errors[location] = error
            if not isinstance(error, AccessError | ProtocolError):
                raise
            return None
        self._answered.add(location)
        return answer


def _inside(answer: UsageAnswer) -> list[tuple[int, int]]:
    """Return up to two separate ranges of up to a day that are inside the data of an answer in any zone.

    Only a range with data at both its ends shows the offset, and when the data really begins and ends depends on the
    zone that is looked for.
    """
    walls, step = walls_and_step(answer)
    if not step:
        return []
    gaps = [(earlier + step, later) for earlier, later in pairwise(walls) if later - earlier > step]
    edges = [walls[0], *chain.from_iterable(gaps), walls[-1] + step]
    begin, end = max(zip(edges[::2], edges[1::2], strict=True), key=lambda run: run[1] - run[0])
    earliest = -(-(begin + _FARTHEST_WEST) // _HOUR) * _HOUR
    last = (end - _FARTHEST_EAST) // _HOUR * _HOUR
    ranges = [(max(until - _DAY, earliest), until) for until in (last, last - _DAY - _HOUR)]
    return [each for each in ranges if each[1] - each[0] >= _SHORTEST_PROBE]
