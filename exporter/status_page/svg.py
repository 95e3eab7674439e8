"""What all charts share: the scale, the days across, the frame, and the words of what is hovered.

Across, everything stands by real time in percent of the width, so that a chart fits a phone without shrinking its
text, and a day of 25 hours is wider than one of 24. Down, everything is in pixels. A column of its own at the left
carries the scale. Hovering needs no script: each piece of time has an invisible column with its words, which the style
sheet shows.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from html import escape
from itertools import pairwise
from zoneinfo import ZoneInfo

from ..formatting import midnights, number
from .figures import dates

TOP = 22  # pixels for the words of what is hovered
FINE = 10  # units of a path to the pixel
_BOTTOM = 36  # pixels for the dates
_AXIS = 46
_TICKS = 4
_MONDAY = 0
_NEAR = 1e-9
_CLOSE = 0.7
_ROOM = 0.03


@dataclass(frozen=True, slots=True)
class Scale:
    """From a value to pixels: `top` above zero and `bottom` below it; every `tick` there is a mark."""

    top: float
    bottom: float
    tick: float
    height: int

    @property
    def zero(self) -> float:
        """Pixels from the top of the plot down to zero."""
        return self.y(0)

    def y(self, value: float) -> float:
        """Pixels from the top of the plot down to a value."""
        return (self.top - value) * self.height / (self.top + self.bottom)

    def ticks(self) -> list[float]:
        """The values that are marked, from the greatest to the least."""
        most, least = math.floor(self.top / self.tick + _NEAR), -math.floor(self.bottom / self.tick + _NEAR)
        return [self.tick * each for each in range(most, least - 1, -1)]


def scale(highest: float, lowest: float, height: int) -> Scale:
    """A scale for values from `lowest` (not above 0) to `highest`, with few and round ticks."""
    above, below = max(highest, 0.0), max(-lowest, 0.0)
    if not above + below:
        return Scale(1.0, 0.0, 1.0, height)
    rough = (above + below) / _TICKS
    magnitude = 10.0 ** math.floor(math.log10(rough))
    tick = magnitude * next(each for each in (1, 2, 2.5, 5, 10) if each * magnitude >= _CLOSE * rough)
    # The ground and the highest mark shall be seen, and a line at the very top shall not be cut.
    room = _ROOM * (above + below)
    return Scale(above + room if above else 0.0, below + room if below else 0.0, tick, height)


@dataclass(frozen=True, slots=True)
class Days:
    """Some local days of a zone: their dates, and the instants at which they begin, and at which the last one ends."""

    dates: tuple[date, ...]
    bounds: tuple[int, ...]
    zone: ZoneInfo

    def percent(self, instant: float) -> float:
        """Where an instant stands, in percent of the width."""
        return 100 * (instant - self.bounds[0]) / (self.bounds[-1] - self.bounds[0])


def days_between(first: date, last: date, zone: ZoneInfo) -> Days:
    """The local days from the first to the last."""
    every = dates(first, last)
    return Days(tuple(every), tuple(midnights(first, len(every), zone)), zone)


def framed(scaled: Scale, parts: Iterable[str], label: str, unit: str, factor: int) -> str:
    """A chart with its scale at the left. label: for who cannot see it. factor: how much of a value one unit is."""
    height = TOP + scaled.height + _BOTTOM
    decimals = _decimals(scaled.tick / factor)
    marks = "".join(
        f'<text x="{_AXIS - 8}" y="{short(TOP + scaled.y(value) + 4)}">{shown}</text>'
        for value in scaled.ticks()
        for shown in (number(abs(value) / factor, decimals if value else 0),)
    )
    return (
        f'<div class="chart"><svg class="axis" width="{_AXIS}" height="{height}" aria-hidden="true">'
        f'<text class="unit" x="{_AXIS - 8}" y="10">{unit}</text>{marks}</svg>'
        f'<svg class="plot" width="100%" height="{height}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg></div>"
    )


def stretched(paths: str, minutes: int, height: int) -> str:
    """Paths in minutes across and tenths of pixels down, as wide as the chart is."""
    box = f'viewBox="0 0 {minutes} {height * FINE}" preserveAspectRatio="none"'
    return f'<svg y="{TOP}" width="100%" height="{height}" {box}>{paths}</svg>'


def _decimals(tick: float) -> int:
    return next((each for each in range(4) if abs(round(tick, each) - tick) < 1e-9), 4)  # noqa: PLR2004


def grid(scaled: Scale) -> str:
    """A line for each tick."""
    return "".join(
        f'<line class="{"zero" if value == 0 else "grid"}" x2="100%" y1="{y}" y2="{y}"/>'
        for value in scaled.ticks()
        for y in (short(TOP + scaled.y(value)),)
    )


def day_lines(days: Days, height: int) -> str:
    """A line for each midnight."""
    return "".join(
        f'<line class="day" x1="{x}%" x2="{x}%" y1="{TOP}" y2="{TOP + height}"/>'
        for instant in days.bounds[1:-1]
        for x in (short(days.percent(instant)),)
    )


def day_labels(days: Days, height: int) -> str:
    """The weekday and date of each day."""
    y = TOP + height
    return "".join(
        f'<text class="weekday" x="{x}%" y="{y + 16}">{each:%a}</text>'
        f'<text class="date" x="{x}%" y="{y + 31}">{_date(each, days)}</text>'
        for each, (start, end) in zip(days.dates, pairwise(days.bounds), strict=True)
        for x in (short(days.percent((start + end) / 2)),)
    )


def _date(each: date, days: Days) -> str:
    """The day of the month, with the month where it begins to be another one."""
    return f"{each:%b} {each.day}" if each.day == 1 or each == days.dates[0] else f"{each.day}"


def week_labels(days: Days, height: int) -> str:
    """The Mondays; one too near to an edge would be cut off."""
    return "".join(
        f'<text class="weekday" x="{x}%" y="{TOP + height + 16}">{each:%a}</text>'
        f'<text class="date" x="{x}%" y="{TOP + height + 31}">{each:%b} {each.day}</text>'
        for each, (start, end) in zip(days.dates, pairwise(days.bounds), strict=True)
        if each.weekday() == _MONDAY
        for middle in (days.percent((start + end) / 2),)
        if 5 <= middle <= 95  # noqa: PLR2004 - percent
        for x in (short(middle),)
    )


Words = tuple[int, int, str, str]
"""What hovering the time from an instant to another tells: when that is, and how much, both as HTML."""


def hover_words(words: Iterable[Words], days: Days) -> str:
    """A column for each piece of time, with its words in two lines, so that they fit a phone."""
    columns = "".join(
        f'<g><rect x="{short(x)}%" width="{short(days.percent(end) - x)}%"/><text>{when}</text><text>{what}</text></g>'
        for start, end, when, what in words
        for x in (days.percent(start),)
    )
    return f'<g class="hover">{columns}</g>' if columns else ""


def short(value: float) -> str:
    """A coordinate in as few characters as can be."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
