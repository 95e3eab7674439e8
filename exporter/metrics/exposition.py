"""The timestamped families as text, rendered once for each snapshot and not for each scrape.

The client library's encoder takes some 6 us a sample (tsdb-facts A6); joining strings takes a twentieth of that, and a
page may have hundreds of thousands of samples. Tests hold its output against the library's parsers.
"""

import gzip
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from ..intervals.model import LocationKey, Meter, Snapshot
from .families import TIMESTAMPED, Family, Sample, TimestampedFamily

_LEVEL = 6
_SHORT = 16
_GZIP_HEADER = gzip.compress(b"", mtime=0)[:10]


class Format(Enum):
    """The two formats of the page."""

    TEXT = "text"
    OPENMETRICS = "openmetrics"


@dataclass(slots=True)
class PagePart:
    """Some finished text with its compressed form, ready to be followed by more in one gzip stream."""

    body: bytes
    _deflated: bytes | None = field(default=None, repr=False)
    _checksum: int | None = field(default=None, repr=False)
    _packed: tuple[bytes, bytes] | None = field(default=None, repr=False)

    def deflated(self) -> bytes:
        """Raw deflate data that end on a byte and may be followed by more."""
        if self._deflated is None:
            packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
            self._deflated = packer.compress(self.body) + packer.flush(zlib.Z_FULL_FLUSH)
        return self._deflated

    def checksum(self, before: int | None) -> int:
        """The CRC-32 of what came before and this text; that of this text alone is kept, a page may be long."""
        if before is not None:
            return zlib.crc32(self.body, before)
        if self._checksum is None:
            self._checksum = zlib.crc32(self.body)
        return self._checksum

    def packed(self, rest: bytes) -> bytes:
        """This text and a short, always equal rest as one gzip member, kept whole."""
        if self._packed is None or self._packed[0] != rest:
            self._packed = rest, _member((self,), rest)
        return self._packed[1]


def gzipped(parts: Sequence[PagePart], rest: bytes) -> bytes:
    """One gzip member with all texts, where only the last one is compressed now."""
    return parts[0].packed(rest) if len(parts) == 1 and len(rest) < _SHORT else _member(parts, rest)


def _member(parts: Sequence[PagePart], rest: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    tail = packer.compress(rest) + packer.flush()
    checksum: int | None = None
    for part in parts:
        checksum = part.checksum(checksum)
    checksum = zlib.crc32(rest, checksum or 0)
    size = sum(len(part.body) for part in parts) + len(rest)
    end = checksum.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")
    return b"".join((_GZIP_HEADER, *(part.deflated() for part in parts), tail, end))


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
