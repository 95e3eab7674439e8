"""The timestamped families as text, rendered once for each snapshot and not for each scrape.

The client library's encoder takes some 6 us a sample (tsdb-facts A6); joining strings takes a twentieth of that, and a
page may have hundreds of thousands of samples. Tests hold its output against the library's parsers.
"""

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from ..snapshot import LocationKey, Meter, Snapshot
from .families import TIMESTAMPED, Family, Sample, TimestampedFamily

_LEVEL = 6


class Format(Enum):
    """The two formats of the page."""

    TEXT = "text"
    OPENMETRICS = "openmetrics"


@dataclass(slots=True)
class Part:
    """Some finished text with its compressed form, ready to be followed by more in one gzip stream."""

    body: bytes
    _deflated: bytes | None = field(default=None, repr=False)
    _checksum: int = 0

    def deflated(self) -> tuple[bytes, int]:
        """Raw deflate data that end on a byte and may be followed by more, and the CRC-32 of the text."""
        if self._deflated is None:
            packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
            packed = packer.compress(self.body) + packer.flush(zlib.Z_FULL_FLUSH)
            self._checksum = zlib.crc32(self.body)
            self._deflated = packed
        return self._deflated, self._checksum


def gzipped(first: Part, rest: bytes) -> bytes:
    """One gzip member with both texts, where only the second is compressed now."""
    packed, checksum = first.deflated()
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    tail = packer.compress(rest) + packer.flush()
    checksum = zlib.crc32(rest, checksum)
    size = (len(first.body) + len(rest)) & 0xFFFFFFFF
    header = gzip.compress(b"", mtime=0)[:10]
    return header + packed + tail + checksum.to_bytes(4, "little") + size.to_bytes(4, "little")


@dataclass(frozen=True, slots=True)
class Page:
    """The timestamped part of /metrics for one snapshot.

    families: the text of each family by name. whole: all of them.
    oldest: the timestamp in ms of its oldest sample, None where it has none.
    """

    families: Mapping[str, bytes]
    whole: Part
    oldest: int | None


def render(snapshot: Snapshot, since_ms: int, form: Format) -> Page:
    """Every sample with a timestamp of at least `since_ms`, grouped by series, oldest first."""
    oldest: int | None = None
    families: dict[str, bytes] = {}
    for timestamped in TIMESTAMPED:
        lines: list[str] = []
        for key, location in snapshot.locations.items():
            for meter in location.meters:
                samples = [sample for sample in timestamped.samples(meter) if sample[2] >= since_ms]
                if samples:
                    first = min(stamp for _, _, stamp in samples)
                    oldest = first if oldest is None else min(oldest, first)
                    lines += _lines(timestamped.family, key, meter, samples, form)
        families[timestamped.family.name] = _with_header(timestamped, lines)
    return Page(families, Part(b"".join(families.values())), oldest)


def _with_header(timestamped: TimestampedFamily, lines: list[str]) -> bytes:
    family = timestamped.family
    head = f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n"
    return (head + "".join(lines)).encode()


def _lines(family: Family, key: LocationKey, meter: Meter, samples: list[Sample], form: Format) -> list[str]:
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
