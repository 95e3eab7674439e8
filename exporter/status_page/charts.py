"""The two charts of a meter as inline SVG: pure functions from figures to text, with no style but class names.

What is missing is a grey gap, never a 0.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise

from ..formatting import day_text, kwh, moment, power, span, usd
from ..intervals.model import Interval
from ..intervals.samples import watts
from .figures import DayFigures
from .svg import (
    FINE,
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
    stretched,
    week_labels,
)

_POWER = 168  # pixels of the plots
_ENERGY = 132
_BAR = 0.68  # of a day's width
_KILO = 1000


def power_chart(intervals: Sequence[Interval], days: Days, now: float, hover: int) -> str:
    """Average power, drawn above and sent below zero, in steps of real time.

    hover: seconds that one column of words stands for at least; 0 for none.
    """
    inside = [
        each for each in intervals if each.end > days.bounds[0] and each.start < days.bounds[-1] and each.has_energy
    ]
    drawn = _steps([(each.start, each.end, each.usage) for each in inside])
    sent = _steps([(each.start, each.end, each.export) for each in inside])
    highest = max((value for _, _, value in drawn), default=0.0)
    most_sent = max((value for _, _, value in sent), default=0.0)
    scaled = scale(highest, -most_sent, _POWER)
    minutes = (days.bounds[-1] - days.bounds[0]) // 60
    paths = "".join(
        f'<path class="{name}-area" d="{area}"/><path class="{name}-line" d="{line}"/>'
        for name, steps, sign in (("drawn", drawn, 1), ("sent", sent, -1))
        if any(value for _, _, value in steps)
        for area, line in (_area_and_line(steps, days, scaled, sign),)
    )
    label = _power_label(drawn, sent, days)
    parts = (
        day_lines(days, _POWER),
        _gaps([(each.start, each.end) for each in inside], days, now),
        grid(scaled),
        stretched(paths, minutes, _POWER),
        day_labels(days, _POWER),
        hover_words(_power_words(inside, days, hover) if hover else (), days),
    )
    unit = "kW" if max(scaled.top, scaled.bottom) >= _KILO else "W"
    factor = _KILO if unit == "kW" else 1
    return framed(scaled, parts, label, unit, factor)


def energy_chart(figures: Sequence[DayFigures], days: Days) -> str:
    """Energy of each whole day as bars, drawn above and sent below zero; a day that is not whole has no bar."""
    known = {day.date: day for day in figures}
    inside = [known[each] for each in days.dates if each in known]
    scaled = scale(
        max((day.usage or 0.0 for day in inside), default=0.0),
        -max((day.export or 0.0 for day in inside), default=0.0),
        _ENERGY,
    )
    bars: list[str] = []
    words: list[Words] = []
    for each, (start, end) in zip(days.dates, pairwise(days.bounds), strict=True):
        day = known.get(each)
        words.append((start, end, day_text(each), _day_words(day)))
        width = days.percent(end) - days.percent(start)
        place = f'x="{short(days.percent(start) + width * (1 - _BAR) / 2)}%" width="{short(width * _BAR)}%"'
        if day is None:
            bars.append(f'<rect class="missing" {place} y="{short(TOP + scaled.zero - 3)}" height="3"/>')
            continue
        for name, value in (("drawn", day.usage or 0.0), ("sent", -(day.export or 0.0))):
            if value:
                upper, lower = sorted((scaled.y(value), scaled.zero))
                # Little is not nothing.
                height = max(1.0, lower - upper)
                bars.append(
                    f'<rect class="{name}-bar" {place} y="{short(TOP + upper)}" height="{short(height)}" rx="1.5"/>'
                )
    parts = (grid(scaled), "".join(bars), week_labels(days, _ENERGY), hover_words(words, days))
    return framed(scaled, parts, _energy_label(inside, days), "kWh", 1)


# -- paths


def _gaps(known: Sequence[tuple[int, int]], days: Days, now: float) -> str:
    """What there are no data of, from the first day to now."""
    found: list[str] = []
    last = days.bounds[0]
    until = min(int(now), days.bounds[-1])
    for start, end in [*known, (until, until)]:
        if start - last >= 60:  # noqa: PLR2004 - less cannot be seen
            x, width = days.percent(last), days.percent(start) - days.percent(last)
            found.append(f'<rect class="gap" x="{short(x)}%" width="{short(width)}%" y="{TOP}" height="{_POWER}"/>')
        last = max(last, end)
    return "".join(found)


Steps = Sequence[tuple[int, int, float]]
"""Start and end of intervals, and their average power in W."""


def _steps(energies: Iterable[tuple[int, int, float | None]]) -> list[tuple[int, int, float]]:
    return [(start, end, watts(kwh, end - start)) for start, end, kwh in energies if kwh is not None]


def _runs(steps: Steps) -> Iterator[Steps]:
    """Intervals that follow one another without a gap."""
    begin = 0
    for index in range(1, len(steps) + 1):
        if index == len(steps) or steps[index][0] != steps[index - 1][1]:
            yield steps[begin:index]
            begin = index


def _area_and_line(steps: Steps, days: Days, scaled: Scale, sign: int) -> tuple[str, str]:
    if sign < 0:
        # A line along zero for all that is not sent would hide the one for what is drawn.
        steps = [step for step in steps if step[2]]
    zero = round(scaled.zero * FINE)
    outlines = [_outline(run, days, scaled, sign) for run in _runs(steps)]
    return "".join(f"{path}V{zero}H{begin}z" for path, begin in outlines), "".join(path for path, _ in outlines)


def _outline(run: Steps, days: Days, scaled: Scale, sign: int) -> tuple[str, int]:
    """A path in minutes and tenths of pixels, relative to keep it short, and the minute at which it begins."""
    origin = days.bounds[0]
    x = begin = (run[0][0] - origin) // 60
    y = round(scaled.y(sign * run[0][2]) * FINE)
    pieces = [f"M{x} {y}"]
    for _, end, value in run:
        level = round(scaled.y(sign * value) * FINE)
        until = (end - origin) // 60
        pieces.append(f"v{level - y}h{until - x}" if level != y else f"h{until - x}")
        x, y = until, level
    return "".join(pieces), begin


# -- words


def _power_words(inside: Sequence[Interval], days: Days, hover: int) -> Iterator[Words]:
    for _, group in groupby(inside, lambda each: (each.start - days.bounds[0]) // hover):
        intervals = list(group)
        start, end = intervals[0].start, intervals[-1].end
        said = [
            f"{_average(values)} {name}"
            for name, values in (
                ("drawn", [(each.usage, each.end - each.start) for each in intervals]),
                ("sent", [(each.export, each.end - each.start) for each in intervals]),
            )
            if any(value is not None for value, _ in values)
        ]
        yield start, end, span(start, end, days.zone), ", ".join(said)


def _average(values: Sequence[tuple[float | None, int]]) -> str:
    known = [(value, seconds) for value, seconds in values if value is not None]
    return power(watts(math.fsum(value for value, _ in known), sum(seconds for _, seconds in known)))


def _day_words(day: DayFigures | None) -> str:
    if day is None:
        return "not known as a whole"
    said = [f"{kwh(value)} {name}" for name, value in (("drawn", day.usage), ("sent", day.export)) if value is not None]
    return ", ".join([*said, *([usd(day.cost)] if day.cost is not None else [])])


def _power_label(drawn: Steps, sent: Steps, days: Days) -> str:
    label = f"Average power from {day_text(days.dates[0])} to {day_text(days.dates[-1])}."
    for name, steps in (("drawn from", drawn), ("sent to", sent)):
        if steps:
            start, _, most = max(steps, key=lambda step: step[2])
            label += f" Most {name} the grid: {power(most)}, {moment(start, days.zone)}."
    return label if drawn or sent else f"{label} No data."


def _energy_label(inside: Sequence[DayFigures], days: Days) -> str:
    label = f"Energy by day from {day_text(days.dates[0])} to {day_text(days.dates[-1])}."
    for name, values in (("drawn", [day.usage for day in inside]), ("sent", [day.export for day in inside])):
        known = [(value, day.date) for value, day in zip(values, inside, strict=True) if value is not None]
        if known:
            most, when = max(known)
            label += f" Most {name}: {kwh(most)} on {day_text(when)}."
    return label + " The table below has every figure."
