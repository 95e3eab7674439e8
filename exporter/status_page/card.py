"""One meter on the status page: its state, the big figures, the charts, and the table behind them."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from ..formatting import counted, day_text, every, iso, kwh, lasting, local, number, power, span, usd
from ..intervals.model import DAILY, Interval, Meter
from ..intervals.samples import watts
from .cache import MeterCache, Place
from .charts import energy_chart, power_chart
from .figures import DayFigures, Figures, MonthFigures
from .markup import badges, cell, data, note, severity, text, unusual
from .summary import MeterView
from .svg import days_between

_POWER_DAYS = 7
_ENERGY_DAYS = 35
_FEWEST_DAYS = 14
_FEW_METERS = 4  # so many have words for each interval of the chart of power
_SOME_METERS = 25  # so many have them for each hour; more would make a page of many megabytes
_QUARTER_HOUR, _HOUR = 900, 3600


class Cards:
    """Renders meters, and keeps their charts as long as nothing in them changes."""

    def __init__(self) -> None:
        self._charts: MeterCache[str] = MeterCache()

    def card(self, view: MeterView, place: int, now: float, meters: int) -> str:
        """A meter's section, the one at `place` of so many `meters`. now: seconds UTC."""
        meter, figures = view.meter, view.figures
        charts = ""
        if meter and figures:
            hover = _QUARTER_HOUR if meters <= _FEW_METERS else _HOUR if meters <= _SOME_METERS else 0
            as_of = now // _QUARTER_HOUR, view.zone, hover
            charts = self._charts.get(
                (view.key, meter.info.number), meter, as_of, lambda: _charts_of(meter, figures, view.zone, now, hover)
            )
        return _meter(view, place, now, charts)

    def only(self, places: Iterable[Place]) -> None:
        """Forget the charts of other meters than these."""
        self._charts.only(places)


def _meter(view: MeterView, place: int, now: float, charts: str) -> str:
    figures = view.figures
    notes = [note(condition) for condition in view.conditions if condition.detail]
    tiles = ""
    if figures and figures.newest:
        newest = _newest_tile(view, figures.newest, now)
        tiles = f'<dl class="tiles">{_day_tile(figures)}{_month_tile(figures)}{newest}</dl>'
    return (
        f'<section class="card {severity(view.condition)}" aria-labelledby="m{place}"><div class="head">'
        f'<h2 id="m{place}">{text(view.title)}</h2>{badges(view)}<p class="sub">{_numbers(view)}</p></div>'
        f"{''.join(notes)}{tiles}{charts}</section>"
    )


def _numbers(view: MeterView) -> str:
    key, info = view.key, view.meter.info if view.meter else None
    said = [
        key.portal,
        *([f"account {key.account}"] if key.account else []),
        *([f"location {key.location}"] if key.location else []),
        *(
            [f"meter {info.number}", *([f"read {every(info.step)}"] if view.meter and view.meter.intervals else [])]
            if info
            else []
        ),
        f"times in {view.zone.key}",
    ]
    return " · ".join(text(each) for each in said)


def _day_tile(figures: Figures) -> str:
    day = figures.latest_day
    if day is None:
        return _tile("Latest whole day", "none yet", [])
    has_cost = any(each.cost is not None for each in figures.days)
    when = f'<time datetime="{day.date.isoformat()}">{day_text(day.date)}</time>{unusual(day)}'
    big, lines = _amounts(day.usage, day.export, day.cost, has_cost=has_cost)
    return _tile("Latest whole day", big, [*lines, f'<dd class="sub">{when}</dd>'])


def _month_tile(figures: Figures) -> str:
    month = figures.month
    if month is None:
        return ""
    has_cost = any(each.cost is not None for each in figures.days)
    big, lines = _amounts(month.usage, month.export, month.cost, has_cost=has_cost)
    return _tile(
        f"{month.first:%B}" + (" so far" if month.is_running else ""),
        big,
        [*lines, f'<dd class="sub">{_extent(month)}</dd>'],
    )


def _extent(month: MonthFigures) -> str:
    """Of which days a sum is: never more than is known."""
    said = f"{day_text(month.first)} to {day_text(month.last)}, {counted(month.days, 'whole day')}"
    if month.missing:
        said += f"; {counted(month.missing, 'day')} between missing or not whole"
    if month.first.day > 1:
        said += "; nothing whole before"
    if month.cost is not None and month.cost_days < month.days:
        said += f"; cost of {counted(month.cost_days, 'day')} only"
    if not month.is_running:
        said += f"; no whole day of {month.today:%B} yet"
    return said


def _newest_tile(view: MeterView, newest: Interval, now: float) -> str:
    length = newest.end - newest.start
    values = [(newest.usage, "drawn"), (newest.export, "sent")]
    if length >= DAILY - _HOUR:
        said = ", ".join(f"{kwh(value)} {name}" for value, name in values if value is not None)
        when = day_text(local(newest.start, view.zone))
    else:
        said = ", ".join(f"{power(watts(value, length))} {name}" for value, name in values if value is not None)
        when = span(newest.start, newest.end, view.zone)
    ends = f'<time datetime="{iso(newest.end, view.zone)}">{text(when)}</time>'
    age = f'<span class="age">{lasting(max(0.0, now - newest.end))}</span> <span>old</span>'
    return (
        f'<div class="{severity(view.condition)}"><dt>Newest data</dt>'
        f'<dd class="big">{age}</dd><dd>{said}</dd><dd class="sub">{ends}</dd></div>'
    )


def _amounts(usage: float | None, export: float | None, cost: float | None, *, has_cost: bool) -> tuple[str, list[str]]:
    """The big figure of a tile, and the lines below it."""
    big = "–" if usage is None else f"{data(usage, number(usage))} <span>kWh</span>"  # noqa: RUF001 - a dash
    lines = [f'<dd class="sent">{data(export, kwh(export))} sent</dd>'] if export is not None else []
    if cost is not None:
        lines.append(f'<dd class="money">{data(cost, usd(cost))}</dd>')
    elif has_cost:
        lines.append('<dd class="sub">cost not known yet</dd>')
    return big, lines


def _tile(name: str, big: str, lines: Iterable[str]) -> str:
    return f'<div><dt>{name}</dt><dd class="big">{big}</dd>{"".join(lines)}</div>'


def _charts_of(meter: Meter, figures: Figures, zone: ZoneInfo, now: float, hover: int) -> str:
    if figures.newest is None:
        return ""
    today = local(now, zone).date()
    exports = any(day.export is not None for day in figures.days) or figures.newest.export is not None
    sent = '<span class="key sent">sent</span>' if exports else ""
    parts: list[str] = []
    if meter.info.step < DAILY:
        last = _last_day_of_power(local(figures.newest.end - 1, zone).date(), today)
        days = days_between(last - timedelta(days=_POWER_DAYS - 1), last, zone)
        title = f"Power, last {_POWER_DAYS} days" if last == today else f"Power, {_POWER_DAYS} days to {day_text(last)}"
        parts.append(
            f'<figure><figcaption><h3>{title}</h3><span class="key">drawn</span>{sent}<span class="key none">no data'
            f"</span></figcaption>{power_chart(meter.intervals, days, now, hover)}</figure>"
        )
    if figures.days:
        known = (today - figures.days[0].date).days + 1
        count = min(max(known, _FEWEST_DAYS), _ENERGY_DAYS)
        days = days_between(today - timedelta(days=count - 1), today, zone)
        parts.append(
            f'<figure><figcaption><h3>Energy by day</h3><span class="key">drawn</span>{sent}'
            f'<span class="key none">not whole</span></figcaption>{energy_chart(figures.days, days)}</figure>'
            f"{_table(figures.days, exports=exports)}"
        )
    return "".join(parts)


def _last_day_of_power(newest: date, today: date) -> date:
    """Today, so that a silence shows as a gap; where it would be all that shows, the newest day that there is."""
    return today if newest > today - timedelta(days=_POWER_DAYS - 1) else newest


def _table(days: Iterable[DayFigures], *, exports: bool) -> str:
    newest_first = sorted(days, key=lambda day: day.date, reverse=True)
    columns: list[tuple[str, Callable[[DayFigures], float | None]]] = [("Drawn, kWh", lambda day: day.usage)]
    if exports:
        columns.append(("Sent, kWh", lambda day: day.export))
    if any(day.cost is not None for day in newest_first):
        columns.append(("Cost, USD", lambda day: day.cost))
    head = "".join(f'<th scope="col">{name}</th>' for name, _ in columns)
    rows = "".join(
        f'<tr><th scope="row"><time datetime="{day.date.isoformat()}">{day_text(day.date)}</time>{unusual(day)}</th>'
        + "".join(f"<td>{cell(pick(day))}</td>" for _, pick in columns)
        + "</tr>"
        for day in newest_first
    )
    return (
        f"<details><summary>Daily figures as a table</summary><table><caption>Whole local days, newest first</caption>"
        f'<thead><tr><th scope="col">Day</th>{head}</tr></thead><tbody>{rows}</tbody></table></details>'
    )
