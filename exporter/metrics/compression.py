"""Join parts that are already compressed into one gzip member."""

import gzip
import struct
import zlib
from collections.abc import Iterable
from functools import cached_property

_HEADER = gzip.compress(b"", mtime=0)[:10]
_LAST_BLOCK = zlib.compressobj(wbits=-zlib.MAX_WBITS).flush()


class PagePart:
    """A part of a page, compressed at most once."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    @cached_property
    def deflated(self) -> bytes:
        """Raw deflate data that ends on a byte boundary, so that more can follow."""
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return packer.compress(self.body) + packer.flush(zlib.Z_FULL_FLUSH)


def gzipped(parts: Iterable[PagePart]) -> bytes:
    """Return one gzip member that contains all parts."""
    checksum = size = 0
    pieces = [_HEADER]
    for part in parts:
        checksum = zlib.crc32(part.body, checksum)
        size += len(part.body)
        pieces.append(part.deflated)
    return b"".join((*pieces, _LAST_BLOCK, struct.pack("<II", checksum, size & 0xFFFFFFFF)))
