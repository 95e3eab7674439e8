"""One gzip member out of parts that were compressed before."""

import gzip
import struct
import zlib
from collections.abc import Iterable
from functools import cached_property

_HEADER = gzip.compress(b"", mtime=0)[:10]
_LAST_BLOCK = zlib.compressobj(wbits=-zlib.MAX_WBITS).flush()


class PagePart:
    """Some finished text, compressed at most once and ready to be followed by more in one gzip stream."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    @cached_property
    def deflated(self) -> bytes:
        """Raw deflate data that end on a byte and may be followed by more."""
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return packer.compress(self.body) + packer.flush(zlib.Z_FULL_FLUSH)


def gzipped(parts: Iterable[PagePart]) -> bytes:
    """One gzip member with all texts."""
    checksum = size = 0
    pieces = [_HEADER]
    for part in parts:
        checksum = zlib.crc32(part.body, checksum)
        size += len(part.body)
        pieces.append(part.deflated)
    return b"".join((*pieces, _LAST_BLOCK, struct.pack("<II", checksum, size & 0xFFFFFFFF)))
