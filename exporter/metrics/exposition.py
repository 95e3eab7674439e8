"""The timestamped families as text, rendered once per snapshot, not per scrape.

The client library takes twenty times as long as joining strings (docs/samples.md, "Page size"), and a page may have
hundreds of thousands of samples. The tests read the text back with the library's parsers.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from operator import itemgetter

from ..intervals.model import LocationKey, Meter, Snapshot
from ..web.rows import encodable
from .compression import PagePart
from .families import TIMESTAMPED, Family, Sample


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
                samples = [sample for sample in samples_of(meter) if sample[2] >= since_ms]
                oldest = min([oldest, *(stamp for _, _, stamp in samples)])
                lines += sample_lines(family, key, meter, samples, form)
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


def sample_lines(family: Family, key: LocationKey, meter: Meter, samples: list[Sample], form: Format) -> list[str]:
    """Return the sample lines of a family for one meter, grouped by series."""
    written = str if form is Format.TEXT else _as_seconds
    lines: list[str] = []
    # OpenMetrics needs the samples of a series together; only rate periods make several series per meter.
    for period, series in groupby(sorted(samples, key=itemgetter(0, 2)), itemgetter(0)):
        values = key.labels() | {"meter": meter.info.number, "period": period}
        written_labels = ",".join(f'{name}="{escaped(values[name])}"' for name in family.labels)
        start = f"{family.name}{{{written_labels}}}"
        lines += [f"{start} {value!r} {written(stamp)}\n" for _, value, stamp in series]
    return lines


def _as_seconds(stamp: int) -> str:
    """Format milliseconds as seconds, without the rounding of a float.

    See docs/samples.md, "Timestamps and versions".
    """
    return f"{stamp // 1000}.{stamp % 1000:03d}"


def escaped(value: str) -> str:
    """Escape a label value, in the way of both formats."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
