"""Pieces of HTML that the whole status page is made of; every text from outside goes through `text`."""

from html import escape
from zoneinfo import ZoneInfo

from ..formatting import iso, moment, number
from .condition import Condition
from .figures import DayFigures
from .summary import MeterView


def text(value: str) -> str:
    """A text as HTML, also within an attribute."""
    return escape(value)


def unusual(day: DayFigures) -> str:
    """The length of a day on which clocks change."""
    return "" if day.hours == 24 else f" ({day.hours} hours)"  # noqa: PLR2004 - most days


def cell(value: float | None) -> str:
    """A figure of a table; one that is not known is told to those who cannot see the hole."""
    return '<span class="hidden">not known</span>' if value is None else data(value, number(value))


def data(value: float, shown: str) -> str:
    """A figure with the exact value for machines."""
    return f'<data value="{value!r}">{shown}</data>'


def time(instant: float, zone: ZoneInfo, now: float) -> str:
    """An instant for people and for machines."""
    return f'<time datetime="{iso(instant, zone)}">{text(moment(instant, zone, now))}</time>'


def note(condition: Condition) -> str:
    """A sentence on a state."""
    return f'<p class="note {severity(condition)}">{text(condition.detail)}</p>'


def badge(condition: Condition) -> str:
    """The few words of a state."""
    return f'<span class="badge {severity(condition)}">{text(condition.words)}</span>'


def badges(view: MeterView) -> str:
    """What is to be said of a meter, in few words."""
    return " ".join(badge(condition) for condition in view.conditions)


def severity(condition: Condition) -> str:
    """The class name of a state."""
    return condition.severity.name.lower()
