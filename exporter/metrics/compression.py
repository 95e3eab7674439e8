"""One gzip member out of parts that were compressed before."""

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

_LEVEL = 6
_SHORT = 16
_GZIP_HEADER = gzip.compress(b"", mtime=0)[:10]


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
