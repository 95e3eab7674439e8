"""The two charts of a meter as inline SVG: pure functions from figures to text.

Missing data is drawn as a gray gap, never as 0.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
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
_ENERGY = 132
_BAR = 0.68  # of a day's width
_KILO = 1000
_FINE = 10  # units of a path per pixel
_HOVER = 3600  # seconds per column of hover text; text for every 15 minutes would double the page
_SEEN = 60  # seconds; a shorter gap is not visible


def power_chart(intervals: Iterable[Interval], days: Days, now: float) -> str:
    """Return the chart of average power: usage above zero, export below."""
    first, last = days.bounds[0], days.bounds[-1]
    inside = [each for each in intervals if each.end > first and each.start < last and each.has_energy]
    drawn, sent = (
        [
            PowerStep(each.start, each.end, watts(value, each.end - each.start))
            for each in inside
            if (value := pick(each)) is not None
        ]
        for _, pick in DIRECTIONS
    )
    scaled = scale(_highest(step.watts for step in drawn), _highest(step.watts for step in sent), _POWER)
    # A line along zero for intervals without export would hide the line of the usage.
    below = [PowerStep(start, end, -value) for start, end, value in sent if value]
    paths = _paths("drawn", drawn, days, scaled) + _paths("sent", below, days, scaled)
    # x is in minutes, left to right; y is in tenths of a pixel, top to bottom, at the chart's full width.
    box = f'viewBox="0 0 {(last - first) // 60} {_POWER * _FINE}" preserveAspectRatio="none"'
    parts = (
        day_lines(days, _POWER),
        _gaps(inside, days, now),
        grid(scaled),
        f'<svg y="{TOP}" width="100%" height="{_POWER}" {box}>{paths}</svg>',
        day_labels(days, _POWER),
        hover_words(_power_words(inside, days), days),
    )
    unit, factor = ("kW", _KILO) if max(scaled.top, scaled.bottom) >= _KILO else ("W", 1)
    return framed(scaled, parts, _power_label(drawn, sent, days), unit, factor)


def energy_chart(figures: Sequence[DayFigures], days: Days) -> str:
    """Return the chart of full days: bars for usage above zero and export below."""
    known = {day.date: day for day in figures}
    inside = [known[each] for each in days.dates if each in known]
    scaled = scale(_highest(day.usage for day in inside), _highest(day.export for day in inside), _ENERGY)
    bars: list[str] = []
    words: list[Words] = []
    for each, (start, end) in zip(days.dates, pairwise(days.bounds), strict=True):
        day = known.get(each)
        said = told(day, kwh) if day else ["not known as a whole"]
        if day and day.cost is not None:
            said.append(usd(day.cost))
        words.append((start, end, day_text(each), ", ".join(said)))
        margin = (end - start) * (1 - _BAR) / 2
        bars.append(_bars(day, days.across(start + margin, end - margin), scaled))
    parts = (grid(scaled), *bars, day_labels(days, _ENERGY), hover_words(words, days))
    return framed(scaled, parts, _energy_label(inside, days), "kWh", 1)


def _highest(values: Iterable[float | None]) -> float:
    return max([0.0, *filter(None, values)])


def _bars(day: DayFigures | None, place: str, scaled: Scale) -> str:
    if day is None:
        return f'<rect class="missing" {place} y="{short(TOP + scaled.y(0) - 3)}" height="3"/>'
    bars = ""
    for name, value in (("drawn", day.usage or 0.0), ("sent", -(day.export or 0.0))):
        if value:
            upper, lower = sorted((scaled.y(value), scaled.y(0)))
            height = short(max(1.0, lower - upper))  # a small value is not zero
            bars += f'<rect class="{name}-bar" {place} y="{short(TOP + upper)}" height="{height}" rx="1.5"/>'
    return bars


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


def _power_words(inside: Iterable[Interval], days: Days) -> Iterator[Words]:
    for _, group in groupby(inside, lambda each: (each.start - days.bounds[0]) // _HOVER):
        hour = list(group)
        start, end = hour[0].start, hour[-1].end
        said: list[str] = []
        for name, pick in DIRECTIONS:
            known = [(value, each.end - each.start) for each in hour if (value := pick(each)) is not None]
            if known:
                energies, lengths = zip(*known, strict=True)
                said.append(f"{power(watts(math.fsum(energies), sum(lengths)))} {name}")
        yield start, end, span(start, end, days.zone), ", ".join(said)


def _power_label(drawn: Sequence[PowerStep], sent: Sequence[PowerStep], days: Days) -> str:
    label = f"Average power from {day_text(days.dates[0])} to {day_text(days.dates[-1])}."
    for name, steps in (("drawn from", drawn), ("sent to", sent)):
        if steps:
            most = max(steps, key=lambda step: step.watts)
            label += f" Most {name} the grid: {power(most.watts)}, {moment(most.start, days.zone)}."
    return label if drawn or sent else f"{label} No data."


def _energy_label(inside: Sequence[DayFigures], days: Days) -> str:
    label = f"Energy by day from {day_text(days.dates[0])} to {day_text(days.dates[-1])}."
    for name, pick in DIRECTIONS:
        known = [(value, day.date) for day in inside if (value := pick(day)) is not None]
        if known:
            most, when = max(known)
            label += f" Most {name}: {kwh(most)} on {day_text(when)}."
    return label + " The table below has every figure."
