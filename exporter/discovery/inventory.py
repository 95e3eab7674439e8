"""What was found of logins, locations and meters, as the rows of a table and as JSON."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from ..formatting import briefly, every, local_date, local_time
from ..intervals.model import Meter
from ..portal.accounts import AccountLocation
from ..portal.usage import INDUSTRY
from .describe import extra_values, unread_reason
from .look_around import LookAround
from .survey import LocationSurvey

_COLUMNS = ("Account", "Location", "Name", "Meter", "Data")


def columns() -> tuple[str, ...]:
    """The heads of the table."""
    return _COLUMNS


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
    if survey is None:
        yield (*head, "-", f"not read: {unread_reason(location)}")
        return
    if look.zone is None or survey.newest is None:
        silent = "figures by the month only" if survey.monthly else "no data"
        why = silent if look.zone else "the zone is not known"
        yield (*head, "-", "not readable, see below" if survey.error else why)
        return
    for meter in survey.meters:
        others = [industry.lower() for industry in location.industries if industry != INDUSTRY]
        also = f"\nthe location has {', '.join(others)} too" if others else ""
        yield (*head, meter.info.number, _data_of(meter, survey.connected, look.zone, now) + also)


def _data_of(meter: Meter, connected: int | None, zone: ZoneInfo, now: float) -> str:
    flows = f" ({', '.join(meter.info.flows)})" if meter.info.flows else ""
    what = f"{every(meter.info.step)}{flows}: {', '.join(['usage', *extra_values(meter)])}"
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
    elif look.login.zone is None:
        also = f"; {others} would fit as well" if others else ""
        yield f"{name}: the portal's times fit the zone {zone}{also}"
    elif look.zone_fits is False:
        yield f"{name}: the portal's times do not fit the zone {zone}; set timezone: {look.zones[0]}"
    elif look.zone_fits:
        yield f"{name}: the portal's times fit the zone {zone}"
    else:
        yield f"{name}: nothing at the portal tells whether the zone {zone} is right"
    for location, survey in look.surveys.items():
        problems = [*([str(survey.error)] if survey.error else []), *survey.warnings]
        yield from (f"{name}, location {location.number}: {problem}" for problem in problems)


def _login(look: LookAround, now: float) -> dict[str, object]:
    return {
        "login": look.login.name,
        "portal": look.login.portal.label,
        "timezone": str(look.zone) if look.zone else None,
        "timezone_fits": look.zone_fits,
        "timezones_that_fit": list(look.zones) or ([str(look.zone)] if look.zone_fits else []),
        "locations": [_location(location, look.surveys.get(location), look.zone, now) for location in look.found],
    }


def _location(
    location: AccountLocation, survey: LocationSurvey | None, zone: ZoneInfo | None, now: float
) -> dict[str, object]:
    newest = survey.newest if survey else None
    connected = survey.connected if survey else None
    return {
        "account": location.account,
        "service_location": location.number,
        "name": location.name or "",
        "industries": list(location.industries),
        "active": location.active,
        "electric": location.electric,
        "is_read": survey is not None,
        "first_day": local_date(connected, zone) if zone and connected is not None else None,
        "newest_data": _iso(newest, zone),
        "lag_seconds": None if newest is None else int(now - newest),
        "monthly_only": survey.monthly if survey else False,
        "meters": [_meter(meter, zone) for meter in survey.meters] if survey else [],
        "error": str(survey.error) if survey and survey.error else None,
        "warnings": list(survey.warnings) if survey else [],
    }


def _meter(meter: Meter, zone: ZoneInfo | None) -> dict[str, object]:
    info = meter.info
    return {
        "meter": info.number,
        "flows": list(info.flows),
        "interval_seconds": info.step,
        "exports": info.exports,
        "has_cost": any(interval.cost is not None for interval in meter.intervals),
        "periods": sorted({period for interval in meter.intervals for period, _, _ in interval.periods}),
        "parent": info.parent,
        "net": info.net,
        "newest_data": _iso(meter.latest.end if meter.latest else None, zone),
    }


def _iso(instant: int | None, zone: ZoneInfo | None) -> str | None:
    return None if instant is None or zone is None else datetime.fromtimestamp(instant, zone).isoformat()
