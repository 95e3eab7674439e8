"""The steps of `check` for one location: what its meters have, how recent it is, and whether it adds up."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from ..discovery.describe import location_text, resolution_text, submeter_text, values_text
from ..discovery.survey import LocationSurvey, Surveyor
from ..errors import PortalError
from ..formatting import counted, length, local_date, local_time
from ..intervals.interval import Interval
from ..intervals.model import DAILY, Meter
from ..intervals.submeters import submeters_of
from ..portal.directions import GUESSES
from ..portal.walltime import WallClock
from .findings import Bars, CheckItem, Finding, Heading, ok, skipped, warning

_STALE = 72 * 3600
_HOUR = 3600
_ROUNDING = 0.005  # kWh, since the portal rounds each value to two decimals: docs/portal.md, "Resolution"
_DERIVING = 4  # times that for a direction derived from NET: docs/samples.md, "Usage and export"


def location_findings(
    survey: LocationSurvey, surveyor: Surveyor, zone: ZoneInfo, *, now: float, is_doubtful: bool
) -> Iterator[CheckItem]:
    """Report on a location that has data; one without data was reported when it was polled.

    now: seconds UTC. is_doubtful: days may lack intervals for another reason, such as a wrong zone.
    """
    newest = survey.newest
    if newest is None:
        return
    name = location_text(survey.location)
    yield Heading(name[0].upper() + name[1:])
    submeters = submeters_of(survey.meters)
    for meter in survey.meters:
        about = f"meter {meter.info.number}"
        if meter.latest is None:
            yield warning("resolution", f"{about} has no data")
        else:
            part = submeter_text(submeters.get(meter.info.number))
            yield ok("resolution", f"{about}: {values_text(meter)} {resolution_text(meter)}{part}")
    yield _freshness(newest, zone, now)
    silent = [meter for meter in survey.meters if meter.latest and now - meter.latest.end > _STALE >= now - newest]
    for meter in silent:
        yield _silence(meter, zone, now)
    yield from _day_totals(survey, surveyor, zone, now, is_doubtful=is_doubtful)
    for meter in survey.meters:
        if meter not in silent:
            yield from _last_day(meter, zone)


def _freshness(newest: int, zone: ZoneInfo, now: float) -> Finding:
    text = f"until {local_time(newest, zone)}, {length(now - newest)} ago"
    if now - newest <= _STALE:
        return ok("newest data", text)
    advice = "check whether the SmartHub website has newer data; if not, ask the co-op"
    return warning("newest data", text, advice)


def _silence(meter: Meter, zone: ZoneInfo, now: float) -> Finding:
    """Report a meter without new data while another one still has some."""
    assert meter.latest is not None
    end = meter.latest.end
    text = f"meter {meter.info.number} has had no data since {local_time(end, zone)}, {length(now - end)} ago"
    advice = "expected if the meter was replaced; otherwise check whether the SmartHub website has newer data for it"
    return warning("newest data", text, advice)


def _day_totals(
    survey: LocationSurvey, surveyor: Surveyor, zone: ZoneInfo, now: float, *, is_doubtful: bool
) -> Iterator[Finding]:
    """Compare day totals with the portal's own daily figures, and report days that have no total."""
    meters = [meter for meter in survey.meters if meter.info.step != DAILY and meter.latest]
    wall = WallClock(zone)
    today = wall.day(int(now)).start
    past = wall.midnights(wall.days_before(today, survey.days), today)[:-1]
    if not any(meter.intervals[0].start < today for meter in meters):
        if meters:
            yield skipped("day totals", "no full day yet")
        return
    figures: Mapping[str, Mapping[int, Interval]] | None = None
    try:
        figures = surveyor.daily_figures(survey)
    except PortalError as error:
        yield warning("day totals", f"could not get the portal's daily figures to compare with: {error}")
    for meter in meters:
        own = (figures or {}).get(meter.info.number, {})
        incomplete = [] if is_doubtful else _incomplete_days(meter, own, past, wall, survey.connected)
        if incomplete:
            yield _incomplete_finding(meter, incomplete, survey.days, zone)
        if meter.days and figures is not None:
            yield _compared(meter, own, zone)
        elif not meter.days and not incomplete:
            yield skipped("day totals", f"meter {meter.info.number}: no full day yet")


def _incomplete_days(
    meter: Meter, figures: Mapping[int, Interval], past: Sequence[int], wall: WallClock, connected: int | None
) -> list[int]:
    """Return the starts of past days with missing intervals, if later days have some.

    Days at the end of the data may still arrive. Days before the first data are not missing, and its first day need not
    be full. Data begins with the first interval, or with the first day for which the portal has a figure.
    """
    assert meter.latest is not None
    newest = wall.day(meter.latest.start).start
    full = set(meter.days.with_energy().starts)
    known = {wall.day(start).start for start in meter.intervals.with_energy().starts}
    known |= {start for start, figure in figures.items() if figure.usage or figure.export}
    first = min(known)
    begins = first if first > past[0] or first == connected else None
    return [day for day in past if first <= day < newest and day not in full and day != begins]


def _incomplete_finding(meter: Meter, incomplete: Sequence[int], days: int, zone: ZoneInfo) -> Finding:
    text = (
        f"meter {meter.info.number}: missing intervals on {len(incomplete)} of the last {days} days, first on"
        f" {local_date(incomplete[0], zone)}; incomplete days have no day total"
    )
    advice = (
        "check whether the SmartHub website has these hours; if not, wait for the co-op to post them, or ask for them"
    )
    return warning("day totals", text, advice)


def _compared(meter: Meter, figures: Mapping[int, Interval], zone: ZoneInfo) -> Finding:
    number = meter.info.number
    derives = "NET" in meter.info.flows and len(meter.info.flows) == 2  # noqa: PLR2004 - the other direction
    tolerance = _ROUNDING * (DAILY / max(meter.info.step, 1) + 1) * (_DERIVING if derives else 1)
    pairs = [
        (day.start, ours, theirs)
        for day in meter.days
        if day.start in figures
        for ours, theirs in zip(_figures_of(day, meter), _figures_of(figures[day.start], meter), strict=True)
        if ours is not None and theirs is not None
    ]
    if not pairs:
        return skipped("day totals", f"meter {number}: the portal has no daily figures for these days")
    wrong = [
        f"{local_date(start, zone)}: {ours:.2f} kWh from intervals, {theirs:.2f} kWh from the portal"
        for start, ours, theirs in pairs
        if abs(ours - theirs) > tolerance
    ]
    if not wrong:
        days = counted(len({start for start, _, _ in pairs}), "day")
        return ok("day totals", f"meter {number}: intervals add up to the portal's own daily figures for {days}")
    text = f"meter {number}: {len(wrong)} of {len(pairs)} daily figures differ, most recently on {wrong[-1]}"
    advice = "the portal may still be correcting these days; check again tomorrow"
    return warning("day totals", text, advice)


def _figures_of(day: Interval, meter: Meter) -> tuple[float | None, float | None]:
    """Return kWh used and exported on a day; only their difference if the portal nets them over the day too."""
    has_only_net = "NET" in meter.info.flows and {"NET", *GUESSES}.issuperset(meter.info.flows)
    nets = meter.info.exports and (meter.info.signed or has_only_net)
    if nets and day.usage is not None:
        return day.usage - (day.export or 0.0), None
    return day.usage, day.export


def _last_day(meter: Meter, zone: ZoneInfo) -> Iterator[Bars]:
    """Show the last full day by the hour, or the last days of a meter that is read daily."""
    if not meter.days:
        return
    day = meter.days[-1]
    number = meter.info.number
    if meter.info.step == DAILY:
        bars = [(f"{datetime.fromtimestamp(each.start, zone):%d}", each.usage) for each in meter.days]
        yield Bars(f"Meter {number}, kWh per day until {local_date(day.start, zone)}", bars)
        return
    title = f"Meter {number}, {datetime.fromtimestamp(day.start, zone):%A %Y-%m-%d}: {_sums(day)}"
    inside = [each for each in meter.intervals if day.start <= each.start < day.end]
    yield Bars(title, _by_hour(day, ((each.start, each.usage) for each in inside), zone))
    if day.export:
        exported = _by_hour(day, ((each.start, each.export) for each in inside), zone)
        yield Bars(f"Meter {number}, exported to the grid", exported)


def _sums(day: Interval) -> str:
    energy = ((day.usage, "used"), (day.export, "exported"))
    sums = [f"{value:.2f} kWh {what}" for value, what in energy if value is not None]
    if day.cost is not None:
        sums.append(f"{'-' if day.cost < 0 else ''}${abs(day.cost):.2f}")
    return ", ".join(sums)


def _by_hour(
    day: Interval, values: Iterable[tuple[int, float | None]], zone: ZoneInfo
) -> list[tuple[str, float | None]]:
    energy: dict[int, float | None] = dict.fromkeys(range(day.start, day.end, _HOUR))
    for start, value in values:
        hour = start - (start - day.start) % _HOUR
        if value is not None:
            energy[hour] = (energy[hour] or 0.0) + value
    return [(f"{datetime.fromtimestamp(hour, zone):%H}", value) for hour, value in energy.items()]
