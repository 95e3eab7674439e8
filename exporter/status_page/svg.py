"""What all charts share: scale, days, frame and hover text.

Horizontal positions are percentages of the width by real time, so that a chart fits a phone without smaller text and a
day of 25 hours is wider than one of 24. Vertical positions are in pixels. The scale has its own column at the left.
Hovering needs no script: each period has an invisible column with its text, which the style sheet shows.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape
from itertools import pairwise
from zoneinfo import ZoneInfo

from ..formatting import midnights, number

TOP = 22  # pixels for the hover text
_BOTTOM = 36  # pixels for the dates
_AXIS = 46
_TICKS = 4
_NAMED_DAYS = 7  # with more days only Mondays are named
_MONDAY = 0
_EDGE = 5  # percent of the width in which a name would be cut off
_NEAR = 1e-9
_CLOSE = 0.7
_ROOM = 0.03


@dataclass(frozen=True, slots=True)
class Scale:
    """Values as pixels: `top` above zero, `bottom` below it, a mark every `tick`."""

    top: float
    bottom: float
    tick: float
    height: int

    def y(self, value: float) -> float:
        """Return the pixels from the top of the plot down to a value."""
        return (self.top - value) * self.height / (self.top + self.bottom)

    def ticks(self) -> list[float]:
        """Return the marked values in descending order."""
        most, least = math.floor(self.top / self.tick + _NEAR), -math.floor(self.bottom / self.tick + _NEAR)
        return [self.tick * each for each in range(most, least - 1, -1)]


def scale(above: float, below: float, height: int) -> Scale:
    """Return a scale for values from `-below` to `above`, with few and round ticks."""
    whole = above + below
    if not whole:
        return Scale(1.0, 0.0, 1.0, height)
    rough = whole / _TICKS
    magnitude = 10.0 ** math.floor(math.log10(rough))
    tick = magnitude * next(each for each in (1, 2, 2.5, 5, 10) if each * magnitude >= _CLOSE * rough)
    # The baseline and the highest mark must be visible, and a line at the very top must not be cut off.
    room = _ROOM * whole
    return Scale(above + room if above else 0.0, below + room if below else 0.0, tick, height)


@dataclass(frozen=True, slots=True)
class Days:
    """Consecutive local days: dates, and the instants of all their midnights."""

    dates: Sequence[date]
    bounds: Sequence[int]
    zone: ZoneInfo

    def percent(self, instant: float) -> float:
        """Return the position of an instant, in percent of the width."""
        return 100 * (instant - self.bounds[0]) / (self.bounds[-1] - self.bounds[0])

    def across(self, start: float, end: float) -> str:
        """Return the attributes of a rectangle from one instant to another."""
        x = self.percent(start)
        return f'x="{short(x)}%" width="{short(self.percent(end) - x)}%"'


def days_until(last: date, count: int, zone: ZoneInfo) -> Days:
    """Return `count` local days up to and including `last`."""
    first = last - timedelta(days=count - 1)
    return Days([first + timedelta(days=each) for each in range(count)], midnights(first, count, zone), zone)


def framed(scaled: Scale, parts: Iterable[str], label: str, unit: str, factor: int) -> str:
    """Return a chart with its scale.

    `label` is for screen readers; `factor` converts values to `unit`.
    """
    height = TOP + scaled.height + _BOTTOM
    decimals = len(f"{scaled.tick / factor:.4f}".rstrip("0").partition(".")[2])
    marks = "".join(
        f'<text x="{_AXIS - 8}" y="{short(TOP + scaled.y(value) + 4)}">'
        f"{number(abs(value) / factor, decimals if value else 0)}</text>"
        for value in scaled.ticks()
    )
    return (
        f'<div class="chart"><svg class="axis" width="{_AXIS}" height="{height}" aria-hidden="true">'
        f'<text class="unit" x="{_AXIS - 8}" y="10">{unit}</text>{marks}</svg>'
        f'<svg class="plot" width="100%" height="{height}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg></div>"
    )


HATCHES = (
    '<svg class="hidden" aria-hidden="true"><defs>'
    + "".join(
        f'<pattern id="{name}-part" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect class="{name}-area" width="6" height="6"/><rect class="{name}-bar" width="2.5" height="6"/></pattern>'
        for name in ("used", "exported", "cost")
    )
    + "</defs></svg>"
)
"""The fills for incomplete days, once per page: `url(#used-part)` and so on."""


def grid(scaled: Scale) -> str:
    """Return a line for each tick."""
    lines = ""
    for value in scaled.ticks():
        y = short(TOP + scaled.y(value))
        lines += f'<line class="{"zero" if value == 0 else "grid"}" x2="100%" y1="{y}" y2="{y}"/>'
    return lines


def day_lines(days: Days, height: int) -> str:
    """Return a line for each midnight."""
    lines = ""
    for instant in days.bounds[1:-1]:
        x = short(days.percent(instant))
        lines += f'<line class="day" x1="{x}%" x2="{x}%" y1="{TOP}" y2="{TOP + height}"/>'
    return lines


def day_labels(days: Days, height: int) -> str:
    """Return weekday and date of each day, or of each Monday if there are many days."""
    are_many = len(days.dates) > _NAMED_DAYS
    labels = ""
    for each, (start, end) in zip(days.dates, pairwise(days.bounds), strict=True):
        middle = days.percent((start + end) / 2)
        if are_many and (each.weekday() != _MONDAY or not _EDGE <= middle <= 100 - _EDGE):
            continue
        month = f"{each:%b} " if are_many or each.day == 1 or each == days.dates[0] else ""
        x = short(middle)
        labels += (
            f'<text class="weekday" x="{x}%" y="{TOP + height + 16}">{each:%a}</text>'
            f'<text class="date" x="{x}%" y="{TOP + height + 31}">{month}{each.day}</text>'
        )
    return labels


Words = tuple[int, int, str, str]
"""Hover text from one instant to another: the time and the amount, both as HTML."""


def hover_words(words: Iterable[Words], days: Days) -> str:
    """Return a column for each period, with its text on two lines to fit a phone."""
    columns = (
        f"<g><rect {days.across(start, end)}/><text>{when}</text><text>{what}</text></g>"
        for start, end, when, what in words
    )
    return f'<g class="hover">{"".join(columns)}</g>'


def short(value: float) -> str:
    """Return a coordinate in as few characters as possible."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
