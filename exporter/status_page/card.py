"""One meter on the status page: its charts, and their values as tables for keyboards and screen readers."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date

from ..formatting import day_text, every, local, number
from ..intervals.interval import Interval
from ..intervals.model import DAILY
from .charts import Hour, cost_chart, energy_chart, hourly_power, power_chart
from .figures import DIRECTIONS, DayFigures
from .markup import badges, cell, day_name, severity, table, text
from .summary import MeterView
from .svg import Days, days_until

_POWER_DAYS = 7
_ENERGY_DAYS = 35
_FEWEST_DAYS = 14


def card(view: MeterView, place: str, now: float, *, is_open: bool) -> str:
    """Return the section of a meter, whose content has the id `c` and its place.

    `now` is in seconds UTC. A link to the content opens it, also in a section that is not open at first.
    """
    state = ' open=""' if is_open else ""
    return (
        f'<section class="card meter {severity(view.condition)}" aria-labelledby="m{place}">'
        f'<details{state}><summary class="title"><h2 id="m{place}">{text(view.title)}: charts</h2>'
        f'{badges([view.condition])}</summary><div id="c{place}"><p class="sub">{_numbers(view)}</p>'
        f"{_charts(view, view.figures.newest, now) if view.figures.newest else ''}</div></details></section>"
    )


def _numbers(view: MeterView) -> str:
    key, meter = view.key, view.meter
    said = (
        f"meter {meter.info.number}",
        f"part of meter {view.submeter_of}" if view.submeter_of else "",
        f"read {every(meter.info.step)}" if meter.intervals else "",
        f"times in {view.zone.key}",
        f"location {key.location}" if key.location else "",
        f"account {key.account}" if key.account else "",
        key.portal,
    )
    return text(" · ".join(filter(None, said)))


# -- charts


def _charts(view: MeterView, newest: Interval, now: float) -> str:
    today = local(now, view.zone).date()
    days, meter = view.figures.days, view.meter
    exports = any(day.export is not None for day in days) or newest.export is not None
    names = [name for name, _ in DIRECTIONS if name == "used" or exports]
    charts = tables = ""
    if meter.info.step < DAILY:
        newest_day = local(newest.end - 1, view.zone).date()
        # Up to today, so that missing data shows as a gap; if there were only a gap, up to the newest day.
        last = today if (today - newest_day).days < _POWER_DAYS - 1 else newest_day
        title = f"Power, last {_POWER_DAYS} days" if last == today else f"Power, {_POWER_DAYS} days to {day_text(last)}"
        shown = days_until(last, _POWER_DAYS, view.zone)
        inside = list(meter.intervals.between(shown.bounds[0] - DAILY, shown.bounds[-1]))
        hours = hourly_power(inside, shown)
        charts += _figure(title, power_chart(inside, hours, shown, now), [*names, "no data"])
        tables += _power_table(hours, shown)
    if days:
        count = min(max((today - days[0].date).days + 1, _FEWEST_DAYS), _ENERGY_DAYS)
        shown = days_until(today, count, view.zone)
        pair = _figure("Energy per day", energy_chart(days, shown), [*names, "incomplete", "no data"])
        if any(day.cost is not None for day in days):
            pair += _figure("Cost per day", cost_chart(days, shown), ["cost", "incomplete", "no data"])
        charts += f'<div class="pair">{pair}</div>'
        tables = _day_table(days, exports=exports) + tables
    return charts + tables


def _figure(title: str, chart: str, keys: Iterable[str]) -> str:
    keyed = "".join(f'<span class="key {key.replace(" ", "-")}">{key}</span>' for key in keys)
    return f"<figure><figcaption><h3>{title}</h3>{keyed}</figcaption>{chart}</figure>"


# -- tables


def _day_table(days: Sequence[DayFigures], *, exports: bool) -> str:
    columns: dict[str, Callable[[DayFigures], float | None]] = {"Used, kWh": lambda day: day.usage}
    if exports:
        columns["Exported, kWh"] = lambda day: day.export
    if any(day.cost is not None for day in days):
        columns["Cost, USD"] = lambda day: day.cost
    rows = [[day_name(day), *(cell(pick(day), number) for pick in columns.values())] for day in reversed(days)]
    return _folded("Daily figures as a table", "Local days, newest first", table(["Day", *columns], rows))


def _power_table(hours: Sequence[Hour], days: Days) -> str:
    """Return the averages of the power chart's hours, a column for each day."""
    tables = ""
    for name, _ in DIRECTIONS:
        if any(name in hour.watts for hour in hours):
            columns = ["Hour", *(f"{day:%a} {day.day}" for day in days.dates)]
            tables += _folded(
                f"Power {name}, by hour, as a table",
                "Average power in W; two values where the clock was set back",
                table(columns, _power_rows(name, hours, days)),
                "hours",
            )
    return tables


def _power_rows(name: str, hours: Iterable[Hour], days: Days) -> list[list[str]]:
    known: defaultdict[tuple[int, date], list[str]] = defaultdict(list)
    for hour in hours:
        if name in hour.watts:
            start = local(hour.start, days.zone)
            known[start.hour, start.date()].append(number(hour.watts[name], 0))
    return [
        [f"{hour:02}:00", *(" / ".join(known[hour, day]) or cell(None, str) for day in days.dates)]
        for hour in range(24)
    ]


def _folded(title: str, caption: str, content: str, class_: str = "") -> str:
    look = f' class="{class_}"' if class_ else ""
    return (
        f'<details class="values"><summary>{title}</summary><div class="scroll"><table{look}>'
        f"<caption>{caption}</caption>{content}</table></div></details>"
    )
