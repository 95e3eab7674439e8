"""Pages made of parts that are compressed once and joined into one gzip member."""

import gzip
import struct
import zlib
from collections.abc import Iterable, Sequence
from functools import cached_property

_HEADER = gzip.compress(b"", mtime=0)[:10]
_LAST_BLOCK = zlib.compressobj(wbits=-zlib.MAX_WBITS).flush()


class PagePart:
    """A part of a page, compressed at most once."""

    __slots__ = ("_deflated", "body")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._deflated: bytes | None = None

    @property
    def deflated(self) -> bytes:
        """Raw deflate data that ends on a byte boundary, so that more can follow."""
        if self._deflated is None:
            self._deflated = _deflate(self.body)
        return self._deflated


def _deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush(zlib.Z_FULL_FLUSH)


class Parts:
    """Parts that follow each other on a page; what all of them need is computed once."""

    def __init__(self, parts: Iterable[PagePart]) -> None:
        self._parts = tuple(parts)

    @cached_property
    def bodies(self) -> Sequence[bytes]:
        """The text of each part."""
        return tuple(part.body for part in self._parts)

    @cached_property
    def deflated(self) -> bytes:
        """The deflate data of all parts: a twentieth of the text, so a copy in one piece costs less than its parts."""
        return b"".join(part.deflated for part in self._parts)

    @cached_property
    def size(self) -> int:
        """The length of the text."""
        return sum(map(len, self.bodies))

    @cached_property
    def _checksum(self) -> int:
        return self._checksum_after(0)

    def checksum(self, before: int) -> int:
        """Return the checksum of a page up to the end of these parts, from the one before them."""
        return self._checksum_after(before) if before else self._checksum

    def _checksum_after(self, before: int) -> int:
        for body in self.bodies:
            before = zlib.crc32(body, before)
        return before


def gzipped(texts: Sequence[Parts]) -> list[bytes]:
    """Return one gzip member that contains all texts, in pieces."""
    checksum = 0
    pieces = [_HEADER]
    for text in texts:
        checksum = text.checksum(checksum)
        pieces.append(text.deflated)
    size = sum(text.size for text in texts)
    return [*pieces, _LAST_BLOCK, struct.pack("<II", checksum, size & 0xFFFFFFFF)]
