"""The head of a request: what is understood, what is refused, and how much is read."""

import io
from http import HTTPStatus

import pytest

from exporter.web.request_head import BadRequestError, RequestHead, read_head
from exporter.web.types import Request

from ..support.fuzz_requests import Kind, first_requests

LINE = b"GET / HTTP/1.1\r\n"
END = b"\r\n"
KIB = 1024


def head_of(data: bytes) -> RequestHead:
    head = read_head(io.BytesIO(data))
    assert head is not None
    return head


def refusal_of(data: bytes) -> tuple[int, str | None]:
    with pytest.raises(BadRequestError) as caught:
        read_head(io.BytesIO(data))
    return caught.value.status, caught.value.detail


# What is understood


def test_a_head_has_decoded_path_query_and_headers() -> None:
    stream = io.BytesIO(
        b"GET /a%20b%2Fc?x[]=1&x%5B%5D=2&y HTTP/1.0\r\n"
        b"Host: x\r\nAccept:\t a, b \t\r\nACCEPT: c\r\nX: K\xe4se\r\nY:\r\n\r\nrest"
    )
    assert read_head(stream) == RequestHead(
        Request(
            "GET",
            "/a b/c",
            {"x[]": ["1", "2"], "y": [""]},
            {"host": "x", "accept": "a, b, c", "x": "Käse", "y": ""},
        ),
        version="1.0",
        keeps_open=False,
        has_body=False,
    )
    assert stream.read() == b"rest"


def test_no_more_requests_are_no_head() -> None:
    assert read_head(io.BytesIO()) is None


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://host:1/page?a=1", "/page"),
        (b"HTTPS://host/page", "/page"),
        (b"//host/page", "//host/page"),
        (b"/%00%ff", "/\0\ufffd"),
    ],
)
def test_the_path_of_a_target(target: bytes, path: str) -> None:
    assert head_of(b"GET %s HTTP/1.1\r\n\r\n" % target).request.path == path


@pytest.mark.parametrize("target", [b"*", b"host:443", b"metrics"])
def test_other_methods_may_have_other_targets(target: bytes) -> None:
    assert head_of(b"OPTIONS %s HTTP/1.1\r\n\r\n" % target).request.path == target.decode()


@pytest.mark.parametrize(
    ("version", "connection", "keeps_open"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: Close\r\n", False),
        (b"1.1", b"Connection: TE, close\r\n", False),
        (b"1.1", b"Connection: TE\r\nConnection: close\r\n", False),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: Keep-Alive\r\n", True),
    ],
)
def test_the_client_says_if_the_connection_stays(version: bytes, connection: bytes, *, keeps_open: bool) -> None:
    assert head_of(b"GET / HTTP/%s\r\n%s\r\n" % (version, connection)).keeps_open == keeps_open


@pytest.mark.parametrize(
    ("header", "has_body"),
    [
        (b"Content-Length: 0", False),
        (b"Content-Length: 00", False),
        (b"Content-Length: 5", True),
        (b"Content-Length: " + b"9" * 5000, True),
        (b"Transfer-Encoding: Chunked", True),
    ],
)
def test_the_head_says_if_a_body_follows(header: bytes, *, has_body: bool) -> None:
    assert head_of(LINE + header + END + END).has_body == has_body


# What is refused


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"GET /\r\n", "malformed request line"),
        (b"GET / HTTP/1.1\n\n", "malformed request line"),
        (b"\r\nGET / HTTP/1.1\r\n\r\n", "malformed request line"),
        (b"GET / HTTP/0.9\r\n\r\n", "unknown version of HTTP"),
        (b"GET metrics HTTP/1.1\r\n\r\n", "malformed request target"),
        (LINE + b"Content-Length : 5\r\n\r\n", "malformed header"),
        (LINE + b"A: b\r\n c\r\n\r\n", "malformed header"),
        (LINE + b"A: b\n\r\n", "malformed header"),
        (LINE + b"A: b", "malformed header"),
        (LINE, "malformed header"),
        (LINE + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n", "ambiguous Content-Length"),
        (LINE + b"Content-Length: \xb2\r\n\r\n", "ambiguous Content-Length"),
        (LINE + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "ambiguous Transfer-Encoding"),
        (b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "ambiguous Transfer-Encoding"),
        (LINE + b"Host: a\r\nHost: a\r\n\r\n", "ambiguous Host"),
    ],
)
def test_what_is_ambiguous_is_a_bad_request(data: bytes, detail: str) -> None:
    assert refusal_of(data) == (HTTPStatus.BAD_REQUEST, detail)


def test_a_newer_protocol_is_not_supported() -> None:
    assert refusal_of(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == (HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, None)


def test_fuzzed_heads_are_read_or_refused() -> None:
    expected = {Kind.VALID: HTTPStatus.OK, Kind.AMBIGUOUS: HTTPStatus.BAD_REQUEST}
    for request in first_requests(1, 3000):
        status = HTTPStatus.OK
        try:
            read_head(io.BytesIO(request.data))
        except BadRequestError as error:
            status = error.status
        assert status == expected.get(request.kind, status), request


# How much is read


class Endless(io.RawIOBase):
    """Sends the same bytes forever after a beginning."""

    def __init__(self, beginning: bytes, repeated: bytes) -> None:
        self._rest, self._repeated = beginning, repeated
        self.sent = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._rest = self._rest or self._repeated
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        self.sent += count
        return count


@pytest.mark.parametrize(
    ("beginning", "repeated", "status", "most"),
    [
        (b"", b"a", HTTPStatus.REQUEST_URI_TOO_LONG, 64 * KIB),
        (LINE, b"a", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, 32 * KIB),
        (LINE, b"A: " + b"b" * KIB + END, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, 32 * KIB),
        (LINE, b"A:\r\n", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, 1 * KIB),
    ],
)
def test_a_head_without_end_is_read_up_to_a_limit(beginning: bytes, repeated: bytes, status: int, most: int) -> None:
    client = Endless(beginning, repeated)
    with pytest.raises(BadRequestError) as caught:
        read_head(io.BufferedReader(client))
    assert caught.value.status == status
    assert client.sent <= len(beginning) + most + io.DEFAULT_BUFFER_SIZE


def test_headers_have_at_most_32_kib() -> None:
    header = b"A: " + b"b" * (32 * KIB - len("A: \r\n")) + END
    assert len(head_of(LINE + header + END).request.headers["a"]) == 32 * KIB - len("A: \r\n")
    assert refusal_of(LINE + b"X" + header + END)[0] == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    assert refusal_of(LINE + b"X:\r\n" + header + END)[0] == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


def test_there_are_at_most_100_headers() -> None:
    assert len(head_of(LINE + b"A: b\r\n" * 100 + END).request.headers["a"]) == len("b, ") * 100 - 2
    assert refusal_of(LINE + b"A: b\r\n" * 101 + END)[0] == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
