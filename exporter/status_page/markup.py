"""Pieces of HTML for the whole status page.

Every text from outside goes through `text`.
"""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from zoneinfo import ZoneInfo

from ..formatting import day_text, iso, moment
from .condition import Condition
from .figures import DayFigures

DASH = "–"  # noqa: RUF001 - for missing values


def text(value: str) -> str:
    """Escape text for use in HTML, including attributes."""
    return escape(value)


def data(value: float, shown: str) -> str:
    """Return a figure with its exact value for machines."""
    return f'<data value="{value!r}">{shown}</data>'


def time(instant: float, zone: ZoneInfo, now: float) -> str:
    """Return an instant for people and for machines."""
    return f'<time datetime="{iso(instant, zone)}">{text(moment(instant, zone, now))}</time>'


def day_name(day: DayFigures) -> str:
    """Return the name of a day, with its length if it is not 24 hours, and whether it is incomplete."""
    length = "" if day.hours == 24 else f" ({day.hours} hours)"  # noqa: PLR2004 - most days
    part = "" if day.is_full else ' <span class="sub">incomplete</span>'
    return f'<time datetime="{day.date.isoformat()}">{day_text(day.date)}</time>{length}{part}'


def cell(value: float | None, shown: Callable[[float], str]) -> str:
    """Return a table cell. A missing value is a dash, and has a text for screen readers."""
    if value is None:
        return f'<span aria-hidden="true">{DASH}</span><span class="hidden">not known</span>'
    return data(value, shown(value))


def note(condition: Condition) -> str:
    """Return the sentence of a condition, if it has one."""
    return f'<p class="note {severity(condition)}">{text(condition.detail)}</p>' if condition.detail else ""


def badges(conditions: Iterable[Condition]) -> str:
    """Return conditions as badges."""
    return " ".join(f'<span class="badge {severity(each)}">{text(each.words)}</span>' for each in conditions)


def severity(condition: Condition) -> str:
    """Return the class name for the severity of a condition."""
    return condition.severity.name.lower()


def table(columns: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Return the head and rows of a table. The first cell of each row is a heading."""
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>' for first, *rest in rows
    )
    return f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
