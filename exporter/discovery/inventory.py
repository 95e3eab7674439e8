"""What was found of logins, locations and meters, as the rows of a table and as JSON."""

import json
from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from ..formatting import briefly, iso, local_date, local_time
from ..intervals.model import Meter
from ..portal.accounts import AccountLocation
from ..portal.usage import INDUSTRY
from .describe import has_cost, periods_of, resolution_text, unread_reason, values_text
from .look_around import LookAround
from .survey import LocationSurvey

COLUMNS = ("Account", "Location", "Name", "Meter", "Data")
"""The heads of the table."""


def rows(looks: Sequence[LookAround], now: float) -> list[tuple[str, ...]]:
    """A row for each meter, and one for each location without any."""
    return [row for look in looks for location in look.found for row in _rows_of(look, location, now)]


def notes(looks: Sequence[LookAround]) -> list[str]:
    """What else there is to say: the zone of each login, and what could not be read."""
    return [note for look in looks for note in _notes_of(look)]


def as_json(looks: Sequence[LookAround], now: float) -> str:
    """Everything, for scripts. Times are ISO 8601 by the co-op's clock, lengths are seconds."""
    return json.dumps({"logins": [_login(each, now) for each in looks]}, indent=2)


def _rows_of(look: LookAround, location: AccountLocation, now: float) -> Iterator[tuple[str, ...]]:
    survey = look.surveys.get(location)
    head = (location.account, location.number, location.name or "")
    if survey is None or look.zone is None or survey.newest is None:
        yield (*head, "-", _why_nothing(look, location, survey))
        return
    others = [industry.lower() for industry in location.industries if industry != INDUSTRY]
    also = f"\nthe location has {', '.join(others)} too" if others else ""
    for meter in survey.meters:
        yield (*head, meter.info.number, _data_of(meter, survey.connected, look.zone, now) + also)


def _why_nothing(look: LookAround, location: AccountLocation, survey: LocationSurvey | None) -> str:
    if survey is None:
        return f"not read: {unread_reason(location)}"
    if survey.error:
        return "not readable, see below"
    if look.zone is None:
        return "the zone is not known"
    return "figures by the month only" if survey.monthly else "no data"


def _data_of(meter: Meter, connected: int | None, zone: ZoneInfo, now: float) -> str:
    what = f"{resolution_text(meter)}: {values_text(meter)}"
    if meter.latest is None:
        return f"{what}\nno recent data"
    since = "" if connected is None else f"since {local_date(connected, zone)}, "
    newest = meter.latest.end
    return f"{what}\n{since}newest {local_time(newest, zone)}, {briefly(now - newest)} ago"


def _notes_of(look: LookAround) -> Iterator[str]:
    name, zone = look.login.name, look.zone
    others = " or ".join(other for other in look.zones if other != str(zone))
    if zone is None:
        yield f"{name}: the portal did not tell its time zone; set timezone to the co-op's, such as America/New_York"
    elif look.zone_fits:
        also = f"; {others} would fit as well" if others else ""
        yield f"{name}: the portal's times fit the zone {zone}{also}"
    elif look.zone_fits is False:
        yield f"{name}: the portal's times do not fit the zone {zone}; set timezone: {look.zones[0]}"
    else:
        yield f"{name}: nothing at the portal tells whether the zone {zone} is right"
    for location, survey in look.surveys.items():
        for problem in filter(None, (survey.error, *survey.warnings)):
            yield f"{name}, location {location.number}: {problem}"


def _login(look: LookAround, now: float) -> dict[str, object]:
    return {
        "login": look.login.name,
        "portal": look.login.portal.label,
        "timezone": str(look.zone) if look.zone else None,
        "timezone_fits": look.zone_fits,
        "timezones_that_fit": list(look.zones) or ([str(look.zone)] if look.zone_fits else []),
        "locations": [_location(look, location, now) for location in look.found],
    }


def _location(look: LookAround, location: AccountLocation, now: float) -> dict[str, object]:
    survey = look.surveys.get(location)
    seen, zone = survey or LocationSurvey(location), look.zone
    return {
        "account": location.account,
        "service_location": location.number,
        "name": location.name or "",
        "industries": list(location.industries),
        "active": location.active,
        "electric": location.electric,
        "is_read": survey is not None,
        "first_day": None if seen.connected is None or zone is None else local_date(seen.connected, zone),
        "newest_data": _iso(seen.newest, zone),
        "lag_seconds": None if seen.newest is None else int(now - seen.newest),
        "monthly_only": seen.monthly,
        "meters": [_meter(meter, zone) for meter in seen.meters],
        "error": None if seen.error is None else str(seen.error),
        "warnings": list(seen.warnings),
    }


def _meter(meter: Meter, zone: ZoneInfo | None) -> dict[str, object]:
    info = meter.info
    return {
        "meter": info.number,
        "flows": list(info.flows),
        "interval_seconds": info.step,
        "exports": info.exports,
        "has_cost": has_cost(meter),
        "periods": periods_of(meter),
        "parent": info.parent,
        "net": info.net,
        "newest_data": _iso(meter.latest.end if meter.latest else None, zone),
    }


def _iso(instant: int | None, zone: ZoneInfo | None) -> str | None:
    return None if instant is None or zone is None else iso(instant, zone)
