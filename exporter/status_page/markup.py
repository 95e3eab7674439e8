"""Pieces of HTML that the whole status page is made of; every text from outside goes through `text`."""

from collections.abc import Iterable, Sequence
from html import escape
from zoneinfo import ZoneInfo

from ..formatting import day_text, iso, moment
from .condition import Condition
from .figures import DayFigures

DASH = "–"  # noqa: RUF001 - for what there is not


def text(value: str) -> str:
    """A text as HTML, also within an attribute."""
    return escape(value)


def data(value: float, shown: str) -> str:
    """A figure with the exact value for machines."""
    return f'<data value="{value!r}">{shown}</data>'


def time(instant: float, zone: ZoneInfo, now: float) -> str:
    """An instant for people and for machines."""
    return f'<time datetime="{iso(instant, zone)}">{text(moment(instant, zone, now))}</time>'


def day_name(day: DayFigures) -> str:
    """A day, with its length where clocks change."""
    length = "" if day.hours == 24 else f" ({day.hours} hours)"  # noqa: PLR2004 - most days
    return f'<time datetime="{day.date.isoformat()}">{day_text(day.date)}</time>{length}'


def note(condition: Condition) -> str:
    """The sentence on a state, where there is one."""
    return f'<p class="note {severity(condition)}">{text(condition.detail)}</p>' if condition.detail else ""


def badges(conditions: Iterable[Condition]) -> str:
    """The few words of states."""
    return " ".join(f'<span class="badge {severity(each)}">{text(each.words)}</span>' for each in conditions)


def severity(condition: Condition) -> str:
    """The class name of a state."""
    return condition.severity.name.lower()


def table(columns: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """The head and the rows of a table, whose first cells are headings."""
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>' for first, *rest in rows
    )
    return f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
