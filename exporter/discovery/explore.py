"""Everything that one login sees: what `discover` prints and writes."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from ..clock import Clock
from ..config import Login
from ..errors import PortalError
from ..locations import choose, unseen
from ..portal.accounts import FoundLocation
from ..portal.client import PortalClient
from ..portal.timezone import fits, fitting
from ..portal.timezone_search import Busy, seek_zone, verify_zone
from ..portal.walltime import WallClock
from .describe import place_of
from .survey import LocationSurvey, Surveyor

log = logging.getLogger(__name__)

PickZone = Callable[[Sequence[str]], str]
"""Picks one of several zones that fit alike."""


@dataclass(frozen=True, slots=True)
class SeenLocation:
    """A location of a login. survey is None where nobody would read it. first_day: instant at which that day begins.

    first_day_error: why that day is not known, which takes nothing from the survey.
    """

    place: FoundLocation
    survey: LocationSurvey | None = None
    first_day: int | None = None
    first_day_error: PortalError | None = None


@dataclass(frozen=True, slots=True)
class Exploration:
    """What a login sees.

    zone: that of the configuration, else the one that fits; None where the portal did not tell. zone_fits: whether the
    portal's times agree with it; None where they tell nothing. zones: all that fit equally well, the likeliest first.
    """

    login: Login
    zone: ZoneInfo | None
    zone_fits: bool | None
    zones: tuple[str, ...]
    locations: tuple[SeenLocation, ...]


def explore(login: Login, client: PortalClient, clock: Clock, *, pick_zone: PickZone, busy: Busy) -> Exploration:
    """Ask the portal for all that a login sees. Raises PortalError where that cannot be had at all.

    Without a zone no location can be surveyed; then its survey tells only what kept the portal from answering.
    """
    busy("the list of accounts")
    found = client.locations()
    chosen, missing = choose(login, found)
    for choice in missing:
        log.warning("%s", unseen(login, choice, found))
    read = list(dict.fromkeys([*(place for place in found if place.active and place.electric), *chosen]))
    if login.zone is not None:
        seen = _look_at_all(found, read, client, login.zone, clock, busy)
        return _verified(Exploration(login, login.zone, None, (), seen), client, read, clock, busy)
    busy("data that tell the zone")
    search = seek_zone(client, read, clock)
    zones = fitting(search.sightings)
    if not zones:
        surveys = {place: LocationSurvey(place, error=search.errors.get(place)) for place in read}
        return Exploration(login, None, None, (), tuple(SeenLocation(place, surveys.get(place)) for place in found))
    zone = ZoneInfo(pick_zone(zones) if len(zones) > 1 else zones[0])
    seen = _look_at_all(found, read, client, zone, clock, busy)
    return Exploration(login, zone, fits(zone, search.sightings), zones, seen)


def _look_at_all(  # noqa: PLR0917
    found: Sequence[FoundLocation],
    read: Sequence[FoundLocation],
    client: PortalClient,
    zone: ZoneInfo,
    clock: Clock,
    busy: Busy,
) -> tuple[SeenLocation, ...]:
    surveyor = Surveyor(client, WallClock(zone), clock)
    return tuple(_look_at(place, surveyor, busy) if place in read else SeenLocation(place) for place in found)


def _look_at(place: FoundLocation, surveyor: Surveyor, busy: Busy) -> SeenLocation:
    busy(f"the data of {place_of(place)}")
    survey = surveyor.recent(place)
    if survey.error is not None and survey.error.while_signing_in:
        raise survey.error
    busy(f"the oldest data of {place_of(place)}")
    try:
        return SeenLocation(place, survey, surveyor.first_day(survey))
    except PortalError as error:
        if error.while_signing_in:
            raise
        return SeenLocation(place, survey, first_day_error=error)


def _verified(
    exploration: Exploration, client: PortalClient, read: Sequence[FoundLocation], clock: Clock, busy: Busy
) -> Exploration:
    """Whether the configured zone fits, and which one does where it does not."""
    assert exploration.zone is not None
    surveys = [each.survey for each in exploration.locations if each.survey]
    sightings = tuple(sighting for survey in surveys for sighting in survey.sightings)
    verdict = verify_zone(exploration.zone, sightings, client, read, clock, busy)
    return replace(exploration, zone_fits=verdict.fits, zones=verdict.others)
