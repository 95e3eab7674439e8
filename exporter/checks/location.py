"""The steps of `check` that concern one location: what its meters give, how fresh it is, and whether it adds up."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from ..discovery.describe import location_text, resolution_text, values_text
from ..discovery.survey import LocationSurvey, Surveyor
from ..errors import PortalError
from ..formatting import counted, length, local_date, local_time
from ..intervals.model import DAILY, Interval, Meter, Reading
from ..portal.walltime import WallClock
from .findings import Bars, CheckItem, Finding, Heading, by_count, ok, skipped, warning

_STALE = 72 * 3600
_HOUR = 3600
_ROUNDING = 0.005  # kWh: the portal rounds every value to two decimals by itself (portal-facts 3.4)
_DERIVING = 4  # a direction derived from another and NET is good to 0.02 kWh (contract 3)


def location_findings(
    survey: LocationSurvey, surveyor: Surveyor, zone: ZoneInfo, *, now: float, is_doubtful: bool
) -> Iterator[CheckItem]:
    """Everything about a location that has data; nothing of one without, which was said already.

    is_doubtful: days may lack intervals for another reason, as with a wrong zone.
    """
    newest = survey.newest
    if newest is None:
        return
    name = location_text(survey.location)
    yield Heading(name[0].upper() + name[1:])
    for meter in survey.meters:
        yield _resolution(meter)
    yield _freshness(newest, zone, now)
    silent = [meter for meter in survey.meters if meter.latest and now - meter.latest.end > _STALE >= now - newest]
    for meter in silent:
        yield _silence(meter, zone, now)
    yield from _day_totals(survey, surveyor, zone, now, is_doubtful=is_doubtful)
    for meter in survey.meters:
        if meter not in silent:
            yield from _last_day(meter, zone)


def _resolution(meter: Meter) -> Finding:
    if meter.latest is None:
        return warning("resolution", f"meter {meter.info.number} has no data")
    return ok("resolution", f"meter {meter.info.number}: {values_text(meter)} {resolution_text(meter)}")


def _freshness(newest: int, zone: ZoneInfo, now: float) -> Finding:
    text = f"until {local_time(newest, zone)}, {length(now - newest)} ago"
    if now - newest <= _STALE:
        return ok("newest data", text)
    advice = "see whether the portal's own page has newer data; if not, the co-op has to read the meter"
    return warning("newest data", text, advice)


def _silence(meter: Meter, zone: ZoneInfo, now: float) -> Finding:
    """A meter that gives nothing any more, beside one that does."""
    assert meter.latest is not None
    end = meter.latest.end
    text = f"meter {meter.info.number} has nothing since {local_time(end, zone)}, {length(now - end)} ago"
    advice = "fine for a meter that was exchanged; else see whether the portal's own page has newer data of it"
    return warning("newest data", text, advice)


def _day_totals(
    survey: LocationSurvey, surveyor: Surveyor, zone: ZoneInfo, now: float, *, is_doubtful: bool
) -> Iterator[Finding]:
    """The sums of intervals against what the portal itself says of the same days, and days that have no sum."""
    meters = [meter for meter in survey.meters if meter.info.step != DAILY and meter.latest]
    wall = WallClock(zone)
    today = wall.day(int(now)).start
    past = wall.midnights(wall.days_before(today, survey.days), today)[:-1]
    if not any(meter.intervals[0].start < today for meter in meters):
        if meters:
            yield skipped("day totals", "no day is complete yet")
        return
    figures: Mapping[str, Mapping[int, Reading]] | None = None
    try:
        figures = surveyor.daily_figures(survey)
    except PortalError as error:
        yield warning("day totals", f"the portal gives no daily figures to compare with: {error}")
    for meter in meters:
        own = (figures or {}).get(meter.info.number, {})
        lacking = [] if is_doubtful else _lacking(meter, own, past, wall, survey.connected)
        if lacking:
            yield _incomplete(meter, lacking, survey.days, zone)
        if meter.days and figures is not None:
            yield _compared(meter, own, zone)
        elif not meter.days and not lacking:
            yield skipped("day totals", f"meter {meter.info.number}: no day is complete yet")


def _lacking(
    meter: Meter, figures: Mapping[int, Reading], past: Sequence[int], wall: WallClock, connected: int | None
) -> list[int]:
    """The starts of those of the past days that lack intervals though there are later ones.

    The days at the end of the data may still come. The day on which the data begin need not be whole, nor are days
    missing before it: they begin with the first interval, or with the first day for which the portal has a figure.
    """
    assert meter.latest is not None
    newest = wall.day(meter.latest.start).start
    whole = {day.start for day in meter.days if day.has_energy}
    known = {wall.day(each.start).start for each in meter.intervals if each.has_energy}
    known |= {start for start, figure in figures.items() if figure.usage or figure.export}
    first = min(known)
    begins = first if first > past[0] or first == connected else None
    return [day for day in past if first <= day < newest and day not in whole and day != begins]


def _incomplete(meter: Meter, lacking: Sequence[int], days: int, zone: ZoneInfo) -> Finding:
    count = len(lacking)
    lack = by_count(count, "lacks intervals,", "lack intervals, the first")
    text = (
        f"meter {meter.info.number}: {count} of the last {days} days {lack} {local_date(lacking[0], zone)}: no day"
        f" total is exported for {by_count(count, 'it', 'them')}"
    )
    advice = "see whether the portal's own page has these hours; if not, the co-op may still post them, or be asked to"
    return warning("day totals", text, advice)


def _compared(meter: Meter, figures: Mapping[int, Reading], zone: ZoneInfo) -> Finding:
    number = meter.info.number
    tolerance = _ROUNDING * (DAILY / max(meter.info.step, 1) + 1) * (_DERIVING if _derives(meter) else 1)
    pairs = [
        (day.start, ours, theirs)
        for day in meter.days
        if day.start in figures
        for ours, theirs in zip(_figures_of(day, meter), _figures_of(figures[day.start], meter), strict=True)
        if ours is not None and theirs is not None
    ]
    if not pairs:
        return skipped("day totals", f"meter {number}: the portal has no daily figures of these days")
    wrong = [
        f"{local_date(start, zone)}: {ours:.2f} kWh in its intervals, {theirs:.2f} kWh by the portal's day"
        for start, ours, theirs in pairs
        if abs(ours - theirs) > tolerance
    ]
    if not wrong:
        days = counted(len({start for start, _, _ in pairs}), "day")
        return ok("day totals", f"meter {number}: the intervals of {days} add up to the portal's own daily figures")
    text = f"meter {number}: {len(wrong)} of {len(pairs)} daily figures differ, {wrong[-1]}"
    advice = "the portal may still be correcting these days: look again tomorrow"
    return warning("day totals", text, advice)


def _derives(meter: Meter) -> bool:
    """Whether one direction is derived from the other and NET."""
    return "NET" in meter.info.flows and len(meter.info.flows) == 2  # noqa: PLR2004


def _figures_of(day: Interval | Reading, meter: Meter) -> tuple[float | None, float | None]:
    """What can be compared of a day: kWh drawn and sent; their difference where the portal nets them over a day too."""
    nets = meter.info.exports and (meter.info.signed or meter.info.flows == ("NET",))
    if nets and day.usage is not None:
        return day.usage - (day.export or 0.0), None
    return day.usage, day.export


def _last_day(meter: Meter, zone: ZoneInfo) -> Iterator[Bars]:
    """The last complete day by the hour; of a meter that is read once a day its last days."""
    if not meter.days:
        return
    day = meter.days[-1]
    number = meter.info.number
    if meter.info.step == DAILY:
        bars = [(f"{datetime.fromtimestamp(each.start, zone):%d}", each.usage) for each in meter.days]
        yield Bars(f"Meter {number}, kWh a day until {local_date(day.start, zone)}", bars)
        return
    title = f"Meter {number}, {datetime.fromtimestamp(day.start, zone):%A %Y-%m-%d}: {_sums(day)}"
    inside = [each for each in meter.intervals if day.start <= each.start < day.end]
    yield Bars(title, _by_hour(day, ((each.start, each.usage) for each in inside), zone))
    if day.export:
        sent = _by_hour(day, ((each.start, each.export) for each in inside), zone)
        yield Bars(f"Meter {number}, sent to the grid", sent)


def _sums(day: Interval) -> str:
    drawn = [] if day.usage is None else [f"{day.usage:.2f} kWh drawn"]
    sent = [] if day.export is None else [f"{day.export:.2f} kWh sent"]
    cost = [] if day.cost is None else [f"{'-' if day.cost < 0 else ''}${abs(day.cost):.2f}"]
    return ", ".join([*drawn, *sent, *cost])


def _by_hour(
    day: Interval, values: Iterable[tuple[int, float | None]], zone: ZoneInfo
) -> list[tuple[str, float | None]]:
    energy: dict[int, float | None] = dict.fromkeys(range(day.start, day.end, _HOUR))
    for start, value in values:
        hour = start - (start - day.start) % _HOUR
        if value is not None:
            energy[hour] = (energy[hour] or 0.0) + value
    return [(f"{datetime.fromtimestamp(hour, zone):%H}", value) for hour, value in energy.items()]
