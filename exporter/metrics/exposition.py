"""The timestamped families as text, rendered once per snapshot, not per scrape.

The client library takes twenty times as long as joining strings (docs/samples.md, "Page size"), and a page may have
hundreds of thousands of samples. The tests read the text back with the library's parsers.
"""

import math
from bisect import bisect_left
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum

from ..intervals.model import LocationKey, Snapshot
from ..web.rows import encodable
from .compression import PagePart
from .families import TIMESTAMPED, Family, Samples


class Format(Enum):
    """The formats of the page."""

    TEXT = "text"
    OPENMETRICS = "openmetrics"


@dataclass(frozen=True, slots=True)
class Page:
    """The timestamped part of /metrics for one snapshot.

    withheld: The locations that it leaves out. since: Where it begins, in ms. whole: The text of all families. places:
    The position of each family in it, by name. oldest: The timestamp of the oldest sample in ms; infinite if there is
    none.
    """

    snapshot: Snapshot
    withheld: Collection[LocationKey]
    since: int
    whole: PagePart
    places: Mapping[str, slice]
    oldest: float

    def only(self, names: Collection[str]) -> PagePart:
        """Return the text of some families; unknown names are ignored."""
        return PagePart(b"".join(self.whole.body[place] for name, place in self.places.items() if name in names))


def render(snapshot: Snapshot, since_ms: int, form: Format, withheld: Collection[LocationKey] = ()) -> Page:
    """Render the samples since `since_ms`, grouped by series, oldest first, without those of withheld locations."""
    oldest = math.inf
    texts: list[bytes] = []
    places: dict[str, slice] = {}
    size = 0
    for family, samples_of in TIMESTAMPED:
        lines = [header(family)]
        for key, location in snapshot.locations.items():
            for meter in () if key in withheld else location.meters:
                # OpenMetrics needs the samples of a series together; only rate periods make several series per meter.
                for period, samples in samples_of(meter).items():
                    first = bisect_left(samples.stamps, since_ms)
                    inside = Samples(samples.stamps[first:], samples.values[first:])
                    oldest = min([oldest, *inside.stamps[:1]])
                    labels = key.labels() | {"meter": meter.info.number, "period": period}
                    lines += sample_lines(family, labels, inside, form)
        texts.append(_encoded(lines))
        places[family.name] = slice(size, size := size + len(texts[-1]))
    return Page(snapshot, withheld, since_ms, PagePart(b"".join(texts)), places, oldest)


def _encoded(lines: list[str]) -> bytes:
    try:
        return "".join(lines).encode()
    except UnicodeEncodeError:
        return "".join(filter(encodable, lines)).encode()


def header(family: Family) -> str:
    """Return the HELP and TYPE lines of a family, the same in both formats."""
    return f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n"


def sample_lines(family: Family, labels: Mapping[str, str], samples: Samples, form: Format) -> list[str]:
    """Return the lines of the series with these labels."""
    written_labels = ",".join(f'{name}="{escaped(labels[name])}"' for name in family.labels)
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
