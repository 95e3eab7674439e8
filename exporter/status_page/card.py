"""One meter on the status page: condition, main figures, charts and table."""

from collections.abc import Callable, Sequence

from ..formatting import counted, day_text, every, iso, kwh, lasting, local, number, power, span, usd
from ..intervals.interval import Interval
from ..intervals.model import DAILY, Meter
from ..intervals.samples import watts
from .charts import energy_chart, power_chart
from .figures import DayFigures, MonthFigures, told
from .markup import DASH, badges, data, day_name, note, severity, table, text
from .summary import MeterView
from .svg import days_until

_POWER_DAYS = 7
_ENERGY_DAYS = 35
_FEWEST_DAYS = 14
_HOUR = 3600


def card(view: MeterView, place: int, now: float) -> str:
    """Return the section of a meter, the one at `place` on the page.

    `now` is in seconds UTC.
    """
    newest = view.figures.newest
    content = _tiles(view, newest, now) + _charts(view.meter, view, newest, now) if view.meter and newest else ""
    return (
        f'<section class="card {severity(view.condition)}" aria-labelledby="m{place}"><div class="head">'
        f'<h2 id="m{place}">{text(view.title)}</h2>{badges(view.conditions)}<p class="sub">{_numbers(view)}</p></div>'
        f"{''.join(map(note, view.conditions))}{content}</section>"
    )


def _numbers(view: MeterView) -> str:
    key, meter = view.key, view.meter
    said = (
        key.portal,
        f"account {key.account}" if key.account else "",
        f"location {key.location}" if key.location else "",
        f"meter {meter.info.number}" if meter else "",
        f"part of meter {view.submeter_of}" if view.submeter_of else "",
        f"read {every(meter.info.step)}" if meter and meter.intervals else "",
        f"times in {view.zone.key}",
    )
    return text(" · ".join(filter(None, said)))


# -- main figures


def _tiles(view: MeterView, newest: Interval, now: float) -> str:
    tiles = '<div><dt>Latest whole day</dt><dd class="big">none yet</dd></div>'
    if month := view.figures.month:
        has_cost = any(day.cost is not None for day in view.figures.days)
        day = month.days[-1]
        title = f"{day.date:%B}" + (" so far" if month.is_running else "")
        tiles = _energy_tile("Latest whole day", day, day_name(day), has_cost=has_cost)
        tiles += _energy_tile(title, month, _extent(month), has_cost=has_cost)
    return f'<dl class="tiles">{tiles}{_newest_tile(view, newest, now)}</dl>'


def _energy_tile(title: str, energy: DayFigures | MonthFigures, extent: str, *, has_cost: bool) -> str:
    """Return a tile.

    With `has_cost`, the meter has costs, so a missing one is still to come.
    """
    big = DASH if energy.usage is None else f"{data(energy.usage, number(energy.usage))} <span>kWh</span>"
    tile = f'<dt>{title}</dt><dd class="big">{big}</dd>'
    if energy.export is not None:
        tile += f'<dd class="sent">{data(energy.export, kwh(energy.export))} sent</dd>'
    if energy.cost is not None:
        tile += f'<dd class="money">{data(energy.cost, usd(energy.cost))}</dd>'
    elif has_cost:
        tile += '<dd class="sub">cost not known yet</dd>'
    return f'<div>{tile}<dd class="sub">{extent}</dd></div>'


def _extent(month: MonthFigures) -> str:
    """Describe which days a sum covers."""
    first, last, count = month.days[0].date, month.days[-1].date, len(month.days)
    missing = (last - first).days + 1 - count
    with_cost = sum(day.cost is not None for day in month.days)
    said = f"{day_text(first)} to {day_text(last)}, {counted(count, 'whole day')}"
    if missing:
        said += f"; {counted(missing, 'day')} between missing or not whole"
    if first.day > 1:
        said += "; nothing whole before"
    if 0 < with_cost < count:
        said += f"; cost of {counted(with_cost, 'day')} only"
    if not month.is_running:
        said += f"; no whole day of {month.today:%B} yet"
    return said


def _newest_tile(view: MeterView, newest: Interval, now: float) -> str:
    length = newest.end - newest.start
    if length >= DAILY - _HOUR:
        said = told(newest, kwh)
        when = day_text(local(newest.start, view.zone))
    else:
        said = told(newest, lambda energy: power(watts(energy, length)))
        when = span(newest.start, newest.end, view.zone)
    age = lasting(max(0.0, now - newest.end))
    return (
        f'<div class="{severity(view.condition)}"><dt>Newest data</dt>'
        f'<dd class="big"><span class="age">{age}</span> <span>old</span></dd><dd>{", ".join(said)}</dd>'
        f'<dd class="sub"><time datetime="{iso(newest.end, view.zone)}">{text(when)}</time></dd></div>'
    )


# -- charts and table


def _charts(meter: Meter, view: MeterView, newest: Interval, now: float) -> str:
    today = local(now, view.zone).date()
    days = view.figures.days
    exports = any(day.export is not None for day in days) or newest.export is not None
    charts = ""
    if meter.info.step < DAILY:
        newest_day = local(newest.end - 1, view.zone).date()
        # Up to today, so that missing data shows as a gap; if there were only a gap, up to the newest day.
        last = today if (today - newest_day).days < _POWER_DAYS - 1 else newest_day
        title = f"Power, last {_POWER_DAYS} days" if last == today else f"Power, {_POWER_DAYS} days to {day_text(last)}"
        chart = power_chart(meter.intervals, days_until(last, _POWER_DAYS, view.zone), now)
        charts += _figure(title, chart, "no data", exports=exports)
    if days:
        known = (today - days[0].date).days + 1
        count = min(max(known, _FEWEST_DAYS), _ENERGY_DAYS)
        chart = energy_chart(days, days_until(today, count, view.zone))
        charts += _figure("Energy by day", chart, "not whole", exports=exports) + _table(days, exports=exports)
    return charts


def _figure(title: str, chart: str, missing: str, *, exports: bool) -> str:
    sent = '<span class="key sent">sent</span>' if exports else ""
    return (
        f'<figure><figcaption><h3>{title}</h3><span class="key">drawn</span>{sent}'
        f'<span class="key none">{missing}</span></figcaption>{chart}</figure>'
    )


def _table(days: Sequence[DayFigures], *, exports: bool) -> str:
    columns: dict[str, Callable[[DayFigures], float | None]] = {"Drawn, kWh": lambda day: day.usage}
    if exports:
        columns["Sent, kWh"] = lambda day: day.export
    if any(day.cost is not None for day in days):
        columns["Cost, USD"] = lambda day: day.cost
    rows = [[day_name(day), *(_cell(pick(day)) for pick in columns.values())] for day in reversed(days)]
    return (
        "<details><summary>Daily figures as a table</summary><table><caption>Whole local days, newest first</caption>"
        f"{table(['Day', *columns], rows)}</table></details>"
    )


def _cell(value: float | None) -> str:
    """Return a table cell. A missing value has a text for screen readers."""
    return '<span class="hidden">not known</span>' if value is None else data(value, number(value))
