"""The charts of a meter as inline SVG: pure functions from figures to text.

Missing data is drawn as a gray gap, an incomplete day hatched, and zero as nothing but the baseline.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from ..formatting import day_text, kwh, moment, power, span, usd
from ..intervals.interval import Interval
from ..intervals.samples import watts
from .figures import DIRECTIONS, DayFigures, told
from .svg import (
    TOP,
    Days,
    Scale,
    Words,
    day_labels,
    day_lines,
    framed,
    grid,
    hover_words,
    scale,
    short,
)

_POWER = 168  # pixels of the plots
_DAYS = 132
_BAR = 0.68  # of a day's width
_KILO = 1000
_FINE = 10  # units of a path per pixel
_HOVER = 3600  # seconds per column of hover text; text for every 15 minutes would double the page
_SEEN = 60  # seconds; a shorter gap is not visible


def power_chart(intervals: Iterable[Interval], hours: Iterable["Hour"], days: Days, now: float) -> str:
    """Return the chart of average power: usage above zero, export below.

    hours: the same intervals by hour, for the hover text.
    """
    first, last = days.bounds[0], days.bounds[-1]
    inside = [each for each in intervals if each.end > first and each.start < last and each.has_energy]
    used, exported = (
        [
            PowerStep(each.start, each.end, watts(value, each.end - each.start))
            for each in inside
            if (value := pick(each)) is not None
        ]
        for _, pick in DIRECTIONS
    )
    scaled = scale(_highest(step.watts for step in used), _highest(step.watts for step in exported), _POWER)
    # A line along zero for intervals without export would hide the line of the usage.
    below = [PowerStep(start, end, -value) for start, end, value in exported if value]
    paths = _paths("used", used, days, scaled) + _paths("exported", below, days, scaled)
    # x is in minutes, left to right; y is in tenths of a pixel, top to bottom, at the chart's full width.
    box = f'viewBox="0 0 {(last - first) // 60} {_POWER * _FINE}" preserveAspectRatio="none"'
    parts = (
        day_lines(days, _POWER),
        _gaps(inside, days, now),
        grid(scaled),
        f'<svg y="{TOP}" width="100%" height="{_POWER}" {box}>{paths}</svg>',
        day_labels(days, _POWER),
        hover_words(_power_words(hours, days), days),
    )
    unit, factor = ("kW", _KILO) if max(scaled.top, scaled.bottom) >= _KILO else ("W", 1)
    return framed(scaled, parts, _power_label(used, exported, days), unit, factor)


def energy_chart(figures: Sequence[DayFigures], days: Days) -> str:
    """Return the chart of the energy of each day: bars for usage above zero and export below."""

    def bars(day: DayFigures) -> list[_Bar]:
        return [("used", day.usage or 0.0), ("exported", -(day.export or 0.0))]

    label = f"Energy per day from {day_text(days.dates[0])} to {day_text(days.dates[-1])}."
    for name, pick in DIRECTIONS:
        label += _most(f"Most {name}", figures, pick, kwh)
    return _day_chart(figures, days, bars, lambda day: told(day, kwh), label, "kWh")


def cost_chart(figures: Sequence[DayFigures], days: Days) -> str:
    """Return the chart of the cost of each day, with credits below zero."""
    known = [day for day in figures if day.cost is not None]

    def words(day: DayFigures) -> list[str]:
        return [] if day.cost is None else [usd(day.cost)]

    label = f"Cost per day from {day_text(days.dates[0])} to {day_text(days.dates[-1])}."
    label += _most("Highest", known, lambda day: day.cost, usd)
    return _day_chart(known, days, lambda day: [("cost", day.cost or 0.0)], words, label, "USD")


_Bar = tuple[str, float]
"""The kind and the value of a bar; a negative one is drawn below zero."""


def _day_chart(  # noqa: PLR0917 - one chart's own part after the other
    figures: Sequence[DayFigures],
    days: Days,
    bars: Callable[[DayFigures], list[_Bar]],
    words: Callable[[DayFigures], list[str]],
    label: str,
    unit: str,
) -> str:
    known = {day.date: day for day in figures}
    values = [value for each in days.dates if each in known for _, value in bars(known[each])]
    scaled = scale(_highest(values), _highest(-value for value in values), _DAYS)
    drawn = ""
    hover: list[Words] = []
    for each, (start, end) in zip(days.dates, pairwise(days.bounds), strict=True):
        day, when = known.get(each), day_text(each)
        if day is None:
            drawn += f'<rect class="gap" {days.across(start, end)} y="{TOP}" height="{_DAYS}"/>'
            hover.append((start, end, when, "no data"))
        else:
            margin = (end - start) * (1 - _BAR) / 2
            across = days.across(start + margin, end - margin)
            drawn += "".join(_bar(bar, across, scaled, is_full=day.is_full) for bar in bars(day))
            hover.append((start, end, when if day.is_full else f"{when}, incomplete", ", ".join(words(day))))
    parts = (grid(scaled), drawn, day_labels(days, _DAYS), hover_words(hover, days))
    return framed(scaled, parts, f"{label} The table below has every figure.", unit, 1)


def _most(
    name: str,
    figures: Iterable[DayFigures],
    pick: Callable[[DayFigures], float | None],
    shown: Callable[[float], str],
) -> str:
    known = [(value, day.date) for day in figures if (value := pick(day)) is not None]
    if not known:
        return ""
    most, when = max(known)
    return f" {name}: {shown(most)} on {day_text(when)}."


def _highest(values: Iterable[float | None]) -> float:
    return max([0.0, *filter(None, values)])


def _bar(bar: _Bar, across: str, scaled: Scale, *, is_full: bool) -> str:
    name, value = bar
    if not value:
        return ""
    upper, lower = sorted((scaled.y(value), scaled.y(0)))
    height = short(max(1.0, lower - upper))  # a small value is not zero
    look = f'class="{name}-bar"' if is_full else f'class="part" fill="url(#{name}-part)"'
    return f'<rect {look} {across} y="{short(TOP + upper)}" height="{height}" rx="1.5"/>'


# -- paths


def _gaps(known: Sequence[Interval], days: Days, now: float) -> str:
    """Return the gaps in the data, from the first day to now."""
    until = min(int(now), days.bounds[-1])
    ends = [days.bounds[0], *(each.end for each in known)]
    starts = [*(each.start for each in known), until]
    return "".join(
        f'<rect class="gap" {days.across(end, start)} y="{TOP}" height="{_POWER}"/>'
        for end, start in zip(ends, starts, strict=True)
        if start - end >= _SEEN
    )


class PowerStep(NamedTuple):
    """The average power of an interval, in W."""

    start: int
    end: int
    watts: float


def _paths(name: str, steps: Sequence[PowerStep], days: Days, scaled: Scale) -> str:
    """Return a line along the steps and the area between it and zero (x in minutes, y in tenths of a pixel)."""
    if not any(step.watts for step in steps):
        return ""
    zero, origin = round(scaled.y(0) * _FINE), days.bounds[0]
    area = line = ""
    for run in _runs(steps):
        x = begin = (run[0].start - origin) // 60
        y = round(scaled.y(run[0].watts) * _FINE)
        path = f"M{x} {y}"
        for step in run:
            level = round(scaled.y(step.watts) * _FINE)
            until = (step.end - origin) // 60
            path += f"v{level - y}h{until - x}" if level != y else f"h{until - x}"
            x, y = until, level
        area += f"{path}V{zero}H{begin}z"
        line += path
    return f'<path class="{name}-area" d="{area}"/><path class="{name}-line" d="{line}"/>'


def _runs(steps: Iterable[PowerStep]) -> Iterator[list[PowerStep]]:
    """Yield runs of intervals without a gap."""
    run: list[PowerStep] = []
    for step in steps:
        if run and run[-1].end != step.start:
            yield run
            run = []
        run.append(step)
    yield run


# -- texts


class Hour(NamedTuple):
    """The average power of the intervals of one hour, in W by direction."""

    start: int
    end: int
    watts: dict[str, float]


def hourly_power(intervals: Iterable[Interval], days: Days) -> list[Hour]:
    """Return the average power of each hour with data."""
    inside = [each for each in intervals if each.end > days.bounds[0] and each.start < days.bounds[-1]]
    hours: list[Hour] = []
    for _, group in groupby(inside, lambda each: (each.start - days.bounds[0]) // _HOVER):
        hour = list(group)
        averages: dict[str, float] = {}
        for name, pick in DIRECTIONS:
            known = [(value, each.end - each.start) for each in hour if (value := pick(each)) is not None]
            if known:
                energies, lengths = zip(*known, strict=True)
                averages[name] = watts(math.fsum(energies), sum(lengths))
        if averages:
            hours.append(Hour(hour[0].start, hour[-1].end, averages))
    return hours


def _power_words(hours: Iterable[Hour], days: Days) -> Iterator[Words]:
    for hour in hours:
        said = [f"{power(value)} {name}" for name, value in hour.watts.items()]
        yield hour.start, hour.end, span(hour.start, hour.end, days.zone), ", ".join(said)


def _power_label(used: Sequence[PowerStep], exported: Sequence[PowerStep], days: Days) -> str:
    label = f"Average power from {day_text(days.dates[0])} to {day_text(days.dates[-1])}."
    for name, steps in (("used", used), ("exported", exported)):
        if steps:
            most = max(steps, key=lambda step: step.watts)
            label += f" Most {name}: {power(most.watts)}, {moment(most.start, days.zone)}."
    return label if used or exported else f"{label} No data."
