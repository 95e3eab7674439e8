"""One location at a glance: today, yesterday, the month and the newest reading.

A later block of the same location, such as a bill, is one more function in `glance`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from ..formatting import counted, day_text, iso, kwh, lasting, local, number, power, span, usd
from ..intervals.model import DAILY
from ..intervals.samples import watts
from .figures import DayFigures, MonthFigures, month_of, told
from .markup import badges, cell, note, severity, table, text
from .summary import LocationView
from .svg import short

_HOUR = 3600
_YESTERDAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the table.

    energy: its figures, None without any. extent: what the figures cover. has_bar: whether they are of one day, so that
    they can be compared.
    """

    name: str
    energy: DayFigures | MonthFigures | None
    extent: str = ""
    has_bar: bool = True


def glance(view: LocationView, place: int, now: float) -> str:
    """Return the section of a location, the one at `place` on the page.

    `now` is in seconds UTC. The heading leads to the charts of its first meter.
    """
    title = f'<a href="#c{place}-0">{text(view.title)}</a>' if view.days else text(view.title)
    blocks = (_figures(view), _newest(view, now)) if view.days else ()
    return (
        f'<section class="card {severity(view.conditions[0])}" aria-labelledby="l{place}"><div class="head">'
        f'<h2 id="l{place}">{title}</h2>{badges(view.conditions)}</div>'
        f"{''.join(map(note, view.conditions))}{''.join(blocks)}</section>"
    )


def _figures(view: LocationView) -> str:
    rows = list(_rows(view))
    columns = ['<span class="hidden">Time</span>', "Used <span>kWh</span>"]
    exports = any(day.export is not None for day in view.days)
    if exports:
        columns.append('Exported<span class="hidden"> kWh</span>')
    has_cost = any(day.cost is not None for day in view.days)
    if has_cost:
        columns.append("Cost")
    most = max((row.energy.usage or 0.0 for row in rows if row.has_bar and row.energy), default=0.0)
    cells = [[_label(row, most), *_cells(row.energy, exports=exports, has_cost=has_cost)] for row in rows]
    return f'<table class="glance">{table(columns, cells)}</table>'


def _rows(view: LocationView) -> Iterator[_Row]:
    """Yield today, yesterday, the last full day if it is neither, and the month of the newest data."""
    known = {day.date: day for day in view.days}
    yesterday = view.today - _YESTERDAY
    for name, day in (("Today so far", view.today), ("Yesterday", yesterday)):
        figures = known.get(day)
        yield _Row(name, figures, "no data yet" if figures is None else _until(view, figures) or day_text(day))
    last = next((day for day in reversed(view.days) if day.is_full), None)
    if last is None or last.date < yesterday:
        yield _Row("Last full day", last, day_text(last.date) if last else "none yet")
    if month := month_of(view.days):
        yield _Row(f"{month.newest:%B}", month, ", ".join(_extent(month, view.today)), has_bar=False)


def _until(view: LocationView, day: DayFigures) -> str:
    """Return how much of an incomplete day is known; empty for a full day."""
    if day.is_full:
        return ""
    meter = view.newest
    newest = meter.figures.newest if meter else None
    if newest is None or len(view.counted_meters) > 1 or local(newest.end - 1, view.zone).date() != day.date:
        return "incomplete"
    return f"until {local(newest.end, view.zone):%H:%M}"


def _extent(month: MonthFigures, today: date) -> Iterator[str]:
    """Yield what a sum covers."""
    if month.newest.replace(day=1) == today.replace(day=1):
        yield "so far"
    else:
        yield f"no data for {today:%B} yet"
    if month.first.day > 1:
        yield f"since {day_text(month.first)}"
    if month.gaps:
        yield f"{counted(month.gaps, 'day')} incomplete"
    if 0 < month.days_with_cost < month.days:
        yield f"cost of {counted(month.days_with_cost, 'day')}"


def _label(row: _Row, most: float) -> str:
    """Return the name of a line, with a bar as long as its usage; `most` fills the width."""
    label = f"{row.name} <span>{row.extent}</span>" if row.extent else row.name
    if not row.has_bar or row.energy is None or not row.energy.usage or row.energy.usage < 0:
        return label
    is_full = not isinstance(row.energy, DayFigures) or row.energy.is_full
    look = 'class="used-bar"' if is_full else 'fill="url(#used-part)"'
    width = short(100 * row.energy.usage / most)
    return f'{label}<svg width="100%" height="7" aria-hidden="true"><rect {look} width="{width}%" height="7"/></svg>'


def _cells(energy: DayFigures | MonthFigures | None, *, exports: bool, has_cost: bool) -> Iterator[str]:
    yield cell(energy.usage if energy else None, number)
    if exports:
        yield cell(energy.export if energy else None, number)
    if has_cost:
        yield cell(energy.cost if energy else None, usd)


def _newest(view: LocationView, now: float) -> str:
    """Return the newest reading and its age; of several meters, that of the one with the newest data."""
    meter = view.newest
    if meter is None or meter.figures.newest is None:
        return ""
    newest = meter.figures.newest
    length = newest.end - newest.start
    if length >= DAILY - _HOUR:
        said = told(newest, kwh)
        when = day_text(local(newest.start, view.zone))
    else:
        said = told(newest, lambda energy: power(watts(energy, length)))
        when = span(newest.start, newest.end, view.zone)
    who = f"meter {meter.meter.info.number}, " if len(view.meters) > 1 else ""
    return (
        f'<p class="newest {severity(meter.condition)}">Newest reading: <strong>{", ".join(said)}</strong>, {text(who)}'
        f'<time datetime="{iso(newest.end, view.zone)}">{text(when)}</time>,'
        f' <span class="age">{lasting(max(0.0, now - newest.end))} ago</span></p>'
    )
