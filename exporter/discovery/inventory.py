"""What was found, as the rows of a table, as notes below it, and as JSON."""

import json
from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from ..formatting import briefly, iso, local_date, local_time
from ..intervals.industries import ELECTRIC
from ..intervals.model import Meter
from ..intervals.submeters import submeters_of
from ..locations import unread_reason
from ..portal.accounts import AccountLocation
from ..portal.directions import UnusualWords, about_word
from .describe import has_cost, periods_of, problem_text, resolution_text, submeter_text, values_text
from .look_around import LookAround
from .survey import LocationSurvey

COLUMNS = ("Account", "Location", "Name", "Meter", "Data")
"""The headings of the table."""


def rows(look: LookAround, now: float) -> Iterator[tuple[str, ...]]:
    """Yield a row for each meter, and one for each location without any."""
    for location in look.found:
        survey = look.surveys.get(location)
        head = (location.account, location.number, location.name or "")
        if survey is None or look.zone is None or survey.newest is None:
            yield (*head, "-", _why_nothing(look, location, survey))
            continue
        others = [industry.lower() for industry in location.industries if industry.lower() != ELECTRIC]
        also = f"\nlocation also has {', '.join(others)}" if others else ""
        submeters = submeters_of(survey.meters)
        for meter in survey.meters:
            part = submeter_text(submeters.get(meter.info.number))
            yield (*head, meter.info.number, _data_of(meter, survey.connected, look.zone, now) + part + also)


def _why_nothing(look: LookAround, location: AccountLocation, survey: LocationSurvey | None) -> str:
    if survey is None:
        return f"skipped: {unread_reason(location)}"
    if survey.error:
        return "not readable, see below"
    if look.zone is None:
        return "time zone unknown"
    if survey.dropped:
        return "data that cannot be used, see below"
    return "monthly figures only" if survey.monthly else "no data"


def _data_of(meter: Meter, connected: int | None, zone: ZoneInfo, now: float) -> str:
    what = f"{resolution_text(meter)}: {values_text(meter)}"
    if meter.latest is None:
        return f"{what}\nno recent data"
    since = "" if connected is None else f"since {local_date(connected, zone)}\n"
    newest = meter.latest.end
    return f"{what}\n{since}newest {local_time(newest, zone)}, {briefly(now - newest)} ago"


def notes(look: LookAround) -> Iterator[str]:
    """Yield notes on the zone of a login, then on what could not be read."""
    name, zone = look.login.name, look.zone
    if look.identity is not None and look.identity.name:
        yield f"{name}: the portal of {look.identity.name}"
    others = " or ".join(other for other in look.zones if other != str(zone))
    if zone is None:
        yield f"{name}: could not find the time zone; set timezone to the co-op's, such as America/New_York"
    elif look.verdict.fits:
        yield f"{name}: the portal's times match the zone {zone}{others and f'; {others} would also match'}"
    elif look.verdict.message:
        yield f"{name}: {look.verdict.message}"
    else:
        yield f"{name}: not enough data yet to verify the zone {zone}"
    for location, survey in look.surveys.items():
        if survey.error is not None:
            yield f"{name}, location {location.number}: {problem_text(location, survey.error)}"
        for warning in survey.warnings:
            yield f"{name}, location {location.number}: {warning}"
    for word in UnusualWords().new(word for survey in look.surveys.values() for word in survey.words):
        yield f"{name}: {about_word(word)}"


def as_json(looks: Sequence[LookAround], now: float) -> str:
    """Return everything, for scripts. Times are ISO 8601 by the co-op's clock, durations are in seconds."""
    return json.dumps({"logins": [_login(each, now) for each in looks]}, indent=2)


def _login(look: LookAround, now: float) -> dict[str, object]:
    zone = str(look.zone) if look.zone else None
    return {
        "login": look.login.name,
        "portal": look.login.portal.label,
        "portal_name": look.identity.name if look.identity else "",
        "timezone": zone,
        "timezone_fits": look.verdict.fits,
        "timezones_that_fit": list(look.zones) or ([zone] if look.verdict.fits else []),
        "locations": [_location(look, location, now) for location in look.found],
    }


def _location(look: LookAround, location: AccountLocation, now: float) -> dict[str, object]:
    seen, zone = look.surveys.get(location, LocationSurvey(location)), look.zone
    submeters = submeters_of(seen.meters)
    return {
        "account": location.account,
        "service_location": location.number,
        "name": location.name or "",
        "industries": list(location.industries),
        "active": location.active,
        "electric": location.electric,
        "is_read": location in look.surveys,
        "first_day": None if seen.connected is None or zone is None else local_date(seen.connected, zone),
        "newest_data": _iso(seen.newest, zone),
        "lag_seconds": None if seen.newest is None else int(now - seen.newest),
        "monthly_only": seen.monthly,
        "meters": [_meter(meter, zone, submeters.get(meter.info.number, "")) for meter in seen.meters],
        "error": None if seen.error is None else str(seen.error),
        "warnings": [*seen.warnings, *map(about_word, seen.words)],
    }


def _meter(meter: Meter, zone: ZoneInfo | None, submeter_of: str) -> dict[str, object]:
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
        "submeter_of": submeter_of,
        "newest_data": _iso(meter.latest.end if meter.latest else None, zone),
    }


def _iso(instant: int | None, zone: ZoneInfo | None) -> str | None:
    return None if instant is None or zone is None else iso(instant, zone)
