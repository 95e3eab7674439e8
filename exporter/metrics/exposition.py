"""The timestamped families as text, rendered once for each snapshot and not for each scrape.

The client library's encoder takes some 6 us a sample (tsdb-facts A6); joining strings takes a twentieth of that, and a
page may have hundreds of thousands of samples. Tests hold its output against the library's parsers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from ..intervals.model import LocationKey, Meter, Snapshot
from .compression import PagePart
from .families import TIMESTAMPED, Family, Sample, TimestampedFamily


class Format(Enum):
    """The two formats of the page."""

    TEXT = "text"
    OPENMETRICS = "openmetrics"


@dataclass(frozen=True, slots=True)
class Page:
    """The timestamped part of /metrics for one snapshot.

    whole: the text of all families. places: where in it each family stands, by name.
    oldest: the timestamp in ms of its oldest sample, None where it has none.
    """

    whole: PagePart
    places: Mapping[str, slice]
    oldest: int | None

    def only(self, names: Iterable[str]) -> PagePart:
        """The text of some families; a name that is none of them gives nothing."""
        wanted = set(names)
        return PagePart(b"".join(self.whole.body[place] for name, place in self.places.items() if name in wanted))


def render(snapshot: Snapshot, since_ms: int, form: Format) -> Page:
    """Every sample with a timestamp of at least `since_ms`, grouped by series, oldest first."""
    oldest: int | None = None
    texts: list[bytes] = []
    places: dict[str, slice] = {}
    size = 0
    for timestamped in TIMESTAMPED:
        lines: list[str] = []
        for key, location in snapshot.locations.items():
            for meter in location.meters:
                samples = [sample for sample in timestamped.samples(meter) if sample[2] >= since_ms]
                if samples:
                    first = min(stamp for _, _, stamp in samples)
                    oldest = first if oldest is None else min(oldest, first)
                    lines += sample_lines(timestamped.family, key, meter, samples, form)
        texts.append(_with_header(timestamped, lines))
        places[timestamped.family.name] = slice(size, size := size + len(texts[-1]))
    return Page(PagePart(b"".join(texts)), places, oldest)


def _with_header(timestamped: TimestampedFamily, lines: list[str]) -> bytes:
    return (header(timestamped.family) + "".join(lines)).encode()


def header(family: Family) -> str:
    """What stands before the samples of a family in both formats."""
    return f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n"


def sample_lines(family: Family, key: LocationKey, meter: Meter, samples: list[Sample], form: Format) -> list[str]:
    """A meter's samples of a family as text, each with its line end, grouped by series."""
    values = (key.portal, key.account, key.location, meter.info.number)
    labels = ",".join(f'{name}="{escaped(value)}"' for name, value in zip(family.labels, values, strict=False))
    # A series' samples stand together (tsdb-facts A2); only rate periods make several series of a meter.
    if len(family.labels) > len(values):
        samples.sort(key=lambda sample: (sample[0], sample[2]))
        starts = {period: f'{family.name}{{{labels},period="{escaped(period)}"}} ' for period, _, _ in samples}
    else:
        starts = {"": f"{family.name}{{{labels}}} "}
    if form is Format.TEXT:
        return [f"{starts[extra]}{value!r} {stamp}\n" for extra, value, stamp in samples]
    # Milliseconds written as decimals: no division that could be cut short (tsdb-facts A4).
    return [f"{starts[extra]}{value!r} {stamp // 1000}.{stamp % 1000:03d}\n" for extra, value, stamp in samples]


def escaped(value: str) -> str:
    """A label value as both formats want it."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
