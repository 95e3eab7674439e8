"""What was found of logins, locations and meters, as the rows of a table and as JSON."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from ..errors import AccessError
from ..formatting import briefly, every, local_date, local_time
from ..intervals.model import Meter
from ..portal.usage import INDUSTRY
from .describe import extra_values, unread_reason
from .explore import Exploration, ExploredLocation
from .survey import LocationSurvey

_COLUMNS = ("Account", "Location", "Name", "Meter", "Data")


def columns() -> tuple[str, ...]:
    """The heads of the table."""
    return _COLUMNS


def rows(found: Sequence[Exploration], now: float) -> list[tuple[str, ...]]:
    """A row for each meter, and one for each location without any."""
    return [row for exploration in found for seen in exploration.locations for row in _rows_of(exploration, seen, now)]


def notes(found: Sequence[Exploration]) -> list[str]:
    """What else there is to say: the zone of each login, and what could not be read."""
    return [note for exploration in found for note in _notes_of(exploration)]


def as_json(found: Sequence[Exploration], now: float) -> str:
    """Everything, for scripts. Times are ISO 8601 by the co-op's clock, lengths are seconds."""
    return json.dumps({"logins": [_login(each, now) for each in found]}, indent=2)


def _rows_of(exploration: Exploration, seen: ExploredLocation, now: float) -> Iterator[tuple[str, ...]]:
    location, survey = seen.location, seen.survey
    head = (location.account, location.number, location.name or "")
    if survey is None:
        yield (*head, "-", f"not read: {unread_reason(location)}")
        return
    if exploration.zone is None or survey.newest is None:
        silent = "figures by the month only" if survey.monthly else "no data"
        why = silent if exploration.zone else "the zone is not known"
        yield (*head, "-", "not readable, see below" if survey.error else why)
        return
    for meter in survey.meters:
        others = [industry.lower() for industry in location.industries if industry != INDUSTRY]
        also = f"\nthe location has {', '.join(others)} too" if others else ""
        yield (*head, meter.info.number, _data_of(meter, seen.first_day, exploration.zone, now) + also)


def _data_of(meter: Meter, first_day: int | None, zone: ZoneInfo, now: float) -> str:
    flows = f" ({', '.join(meter.info.flows)})" if meter.info.flows else ""
    what = f"{every(meter.info.step)}{flows}: {', '.join(['usage', *extra_values(meter)])}"
    if meter.latest is None:
        return f"{what}\nno recent data"
    since = "" if first_day is None else f"since {local_date(first_day, zone)}, "
    newest = meter.latest.end
    return f"{what}\n{since}newest {local_time(newest, zone)}, {briefly(now - newest)} ago"


def _notes_of(exploration: Exploration) -> Iterator[str]:
    name, zone = exploration.login.name, exploration.zone
    others = [other for other in exploration.zones if other != str(zone)]
    if zone is None:
        yield f"{name}: the portal did not tell its time zone; set timezone to the co-op's, such as America/New_York"
    elif exploration.login.zone is None:
        also = f"; {' or '.join(others)} would fit as well" if others else ""
        yield f"{name}: the portal's times fit the zone {zone}{also}"
    elif exploration.zone_fits is False:
        advice = f"set timezone: {exploration.zones[0]}" if exploration.zones else "set timezone to the co-op's zone"
        yield f"{name}: the portal's times do not fit the zone {zone}; {advice}"
    elif exploration.zone_fits:
        yield f"{name}: the portal's times fit the zone {zone}"
    else:
        yield f"{name}: nothing at the portal tells whether the zone {zone} is right"
    for seen in exploration.locations:
        if seen.survey is not None:
            problems = [*([str(seen.survey.error)] if seen.survey.error else []), *_warnings(seen, seen.survey)]
            yield from (f"{name}, location {seen.location.number}: {problem}" for problem in problems)


def _warnings(seen: ExploredLocation, survey: LocationSurvey) -> list[str]:
    error = seen.first_day_error
    if error is None:
        return list(survey.warnings)
    # The error's own advice is about a location that may not be seen at all.
    why = "the portal refuses to give older data" if isinstance(error, AccessError) else str(error)
    return [*survey.warnings, f"first day not known: {why}"]


def _login(exploration: Exploration, now: float) -> dict[str, object]:
    return {
        "login": exploration.login.name,
        "portal": exploration.login.portal.label,
        "timezone": str(exploration.zone) if exploration.zone else None,
        "timezone_fits": exploration.zone_fits,
        "timezones_that_fit": list(exploration.zones) or ([str(exploration.zone)] if exploration.zone_fits else []),
        "locations": [_location(seen, exploration.zone, now) for seen in exploration.locations],
    }


def _location(seen: ExploredLocation, zone: ZoneInfo | None, now: float) -> dict[str, object]:
    location, survey = seen.location, seen.survey
    newest = survey.newest if survey else None
    return {
        "account": location.account,
        "service_location": location.number,
        "name": location.name or "",
        "industries": list(location.industries),
        "active": location.active,
        "electric": location.electric,
        "is_read": survey is not None,
        "first_day": local_date(seen.first_day, zone) if zone and seen.first_day is not None else None,
        "newest_data": _iso(newest, zone),
        "lag_seconds": None if newest is None else int(now - newest),
        "monthly_only": survey.monthly if survey else False,
        "meters": [_meter(meter, zone) for meter in survey.meters] if survey else [],
        "error": str(survey.error) if survey and survey.error else None,
        "warnings": _warnings(seen, survey) if survey else [],
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
