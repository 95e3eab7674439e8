"""Everything that one login sees: what `discover` prints and writes."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from ..clock import Clock
from ..config import Login
from ..errors import PortalError
from ..locations import choose, unseen_message
from ..portal.accounts import AccountLocation
from ..portal.client import PortalClient
from ..portal.timezone import matching_zones, zone_fits
from ..portal.timezone_search import Busy, search_zone, verify_zone
from ..portal.walltime import WallClock
from .describe import location_text
from .survey import LocationSurvey, Surveyor

log = logging.getLogger(__name__)

PickZone = Callable[[Sequence[str]], str]
"""Picks one of several zones that fit alike."""


@dataclass(frozen=True, slots=True)
class ExploredLocation:
    """A location of a login. survey is None where nobody would read it. first_day: instant at which that day begins.

    first_day_error: why that day is not known, which takes nothing from the survey.
    """

    location: AccountLocation
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
    locations: tuple[ExploredLocation, ...]


def explore(login: Login, client: PortalClient, clock: Clock, *, pick_zone: PickZone, busy: Busy) -> Exploration:
    """Ask the portal for all that a login sees. Raises PortalError where that cannot be had at all.

    Without a zone no location can be surveyed; then its survey tells only what kept the portal from answering.
    """
    busy("the list of accounts")
    found = client.locations()
    chosen, missing = choose(login, found)
    for choice in missing:
        log.warning("%s", unseen_message(login, choice, found))
    read = list(dict.fromkeys([*(location for location in found if location.active and location.electric), *chosen]))
    if login.zone is not None:
        seen = _look_at_all(found, read, client, login.zone, clock, busy)
        return _verified(Exploration(login, login.zone, None, (), seen), client, read, clock, busy)
    busy("data that tell the zone")
    search = search_zone(client, read, clock)
    zones = matching_zones(search.evidence)
    if not zones:
        surveys = {location: LocationSurvey(location, error=search.errors.get(location)) for location in read}
        return Exploration(
            login, None, None, (), tuple(ExploredLocation(location, surveys.get(location)) for location in found)
        )
    zone = ZoneInfo(pick_zone(zones) if len(zones) > 1 else zones[0])
    seen = _look_at_all(found, read, client, zone, clock, busy)
    return Exploration(login, zone, zone_fits(zone, search.evidence), zones, seen)


def _look_at_all(  # noqa: PLR0917
    found: Sequence[AccountLocation],
    read: Sequence[AccountLocation],
    client: PortalClient,
    zone: ZoneInfo,
    clock: Clock,
    busy: Busy,
) -> tuple[ExploredLocation, ...]:
    surveyor = Surveyor(client, WallClock(zone), clock)
    return tuple(
        _look_at(location, surveyor, busy) if location in read else ExploredLocation(location) for location in found
    )


def _look_at(location: AccountLocation, surveyor: Surveyor, busy: Busy) -> ExploredLocation:
    busy(f"the data of {location_text(location)}")
    survey = surveyor.recent(location)
    if survey.error is not None and survey.error.while_signing_in:
        raise survey.error
    busy(f"the oldest data of {location_text(location)}")
    try:
        return ExploredLocation(location, survey, surveyor.first_day(survey))
    except PortalError as error:
        if error.while_signing_in:
            raise
        return ExploredLocation(location, survey, first_day_error=error)


def _verified(
    exploration: Exploration, client: PortalClient, read: Sequence[AccountLocation], clock: Clock, busy: Busy
) -> Exploration:
    """Whether the configured zone fits, and which one does where it does not."""
    assert exploration.zone is not None
    surveys = [each.survey for each in exploration.locations if each.survey]
    evidence = tuple(sighting for survey in surveys for sighting in survey.evidence)
    verdict = verify_zone(exploration.zone, evidence, client, read, clock, busy)
    return replace(exploration, zone_fits=verdict.zone_fits, zones=verdict.others)
