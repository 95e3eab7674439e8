"""The timestamped families as text.

The client library takes twenty times as long as joining strings (docs/samples.md, "Page size"), and a page may have
hundreds of thousands of samples. The tests read the text back with the library's parsers.
"""

from enum import Enum

from .families import Family, Series


class Format(Enum):
    """The formats of the page."""

    TEXT = "text"
    OPENMETRICS = "openmetrics"


def header(family: Family) -> str:
    """Return the HELP and TYPE lines of a family, the same in both formats."""
    return f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n"


def sample_lines(series: Series, form: Format) -> list[str]:
    """Return the lines of a series."""
    family, labels, samples = series
    written_labels = ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())
    start = f"{family.name}{{{written_labels}}}"
    stamps = samples.stamps if form is Format.TEXT else map(_as_seconds, samples.stamps)
    return [f"{start} {value!r} {stamp}\n" for stamp, value in zip(stamps, samples.values, strict=True)]


def _as_seconds(stamp: int) -> str:
    """Format milliseconds as seconds, without the rounding of a float.

    See docs/samples.md, "Timestamps and versions".
    """
    return f"{stamp // 1000}.{stamp % 1000:03d}"


def escaped(value: str) -> str:
    """Escape a label value, in the way of both formats."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
