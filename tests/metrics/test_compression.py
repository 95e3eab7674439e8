"""Parts that are compressed once and joined into one gzip member."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.compression import PagePart, Parts, gzipped


@given(texts=st.lists(st.lists(st.binary(max_size=1000), max_size=3), max_size=3))
def test_several_parts_make_one_valid_gzip_member(texts: list[list[bytes]]) -> None:
    pages = [Parts(map(PagePart, bodies)) for bodies in texts]
    for pieces in (gzipped(pages), gzipped(pages)):
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        assert member.decompress(b"".join(pieces)) + member.flush() == b"".join(map(b"".join, texts))
        assert (member.eof, member.unused_data) == (True, b"")


def test_a_part_is_compressed_once() -> None:
    part = PagePart(b"some text " * 1000)
    assert part.deflated is part.deflated
    assert len(b"".join(gzipped([Parts([part])]))) < 1000
