"""The timestamped families as text, rendered once for each snapshot and not for each scrape.

The client library's encoder takes some 6 us a sample (tsdb-facts A6); joining strings takes a twentieth of that, and a
page may have hundreds of thousands of samples. Tests hold its output against the library's parsers.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from operator import itemgetter

from ..intervals.model import LocationKey, Meter, Snapshot
from .compression import PagePart
from .families import TIMESTAMPED, Family, Sample


class Format(Enum):
    """The two formats of the page."""

    TEXT = "text"
    OPENMETRICS = "openmetrics"


@dataclass(frozen=True, slots=True)
class Page:
    """The timestamped part of /metrics for one snapshot.

    whole: the text of all families. places: where in it each family stands, by name.
    oldest: the timestamp in ms of its oldest sample; infinite where it has none.
    """

    snapshot: Snapshot
    whole: PagePart
    places: Mapping[str, slice]
    oldest: float

    def only(self, names: Collection[str]) -> PagePart:
        """The text of some families; a name that is none of them gives nothing."""
        return PagePart(b"".join(self.whole.body[place] for name, place in self.places.items() if name in names))


def render(snapshot: Snapshot, since_ms: int, form: Format) -> Page:
    """Every sample with a timestamp of at least `since_ms`, grouped by series, oldest first."""
    oldest = math.inf
    texts: list[bytes] = []
    places: dict[str, slice] = {}
    size = 0
    for family, samples_of in TIMESTAMPED:
        lines = [header(family)]
        for key, location in snapshot.locations.items():
            for meter in location.meters:
                samples = [sample for sample in samples_of(meter) if sample[2] >= since_ms]
                oldest = min([oldest, *(stamp for _, _, stamp in samples)])
                lines += sample_lines(family, key, meter, samples, form)
        texts.append("".join(lines).encode())
        places[family.name] = slice(size, size := size + len(texts[-1]))
    return Page(snapshot, PagePart(b"".join(texts)), places, oldest)


def header(family: Family) -> str:
    """What stands before the samples of a family in both formats."""
    return f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n"


def sample_lines(family: Family, key: LocationKey, meter: Meter, samples: list[Sample], form: Format) -> list[str]:
    """A meter's samples of a family as text, each with its line end, grouped by series."""
    written = str if form is Format.TEXT else _as_seconds
    lines: list[str] = []
    # A series' samples stand together (tsdb-facts A2); only rate periods make several series of a meter.
    for period, series in groupby(sorted(samples, key=itemgetter(0, 2)), itemgetter(0)):
        values = key.labels() | {"meter": meter.info.number, "period": period}
        written_labels = ",".join(f'{name}="{escaped(values[name])}"' for name in family.labels)
        start = f"{family.name}{{{written_labels}}}"
        lines += [f"{start} {value!r} {written(stamp)}\n" for _, value, stamp in series]
    return lines


def _as_seconds(stamp: int) -> str:
    """Milliseconds written as decimals: no division that could be cut short (tsdb-facts A4)."""
    return f"{stamp // 1000}.{stamp % 1000:03d}"


def escaped(value: str) -> str:
    """A label value as both formats want it."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
