"""Made-up HTTP requests, valid, ambiguous or damaged, and a server that has to bear them.

Everything follows from the seed.
"""

import itertools
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from random import Random

from exporter.web.server import Server

from .deadlines import DEADLINE

SMUGGLED = "/smuggled"
_HIDDEN = f"GET {SMUGGLED} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
"""A request that no server must find in the body of another one."""

_TARGETS = (
    b"/",
    b"/metrics",
    b"/metrics?collect[]=intervals&name[]=a%20b",
    b"/a%2Fb",
    b"http://host:1/metrics",
    b"//a/b",
)
_HEADERS = (
    b"User-Agent: vmagent",
    b"accept: text/plain;version=0.0.4;q=1,*/*;q=0.1",
    b"Accept-Encoding:gzip",
    b"Authorization: Basic bWU6cmlnaHQ=",
    b"X-Empty:",
    b"X-Spaces: \t a b \t ",
    b"X-Obs-Text: K\xe4se",
)
_AMBIGUOUS_HEADERS = (
    b"Content-Length: 0\r\nContent-Length: %d",
    b"Content-Length: %d\r\nContent-Length: %d",
    b"Content-Length: 0, %d",
    b"Content-Length: +%d",
    b"Content-Length: 0x%d",
    b"Content-Length: -%d",
    b"Content-Length:",
    b"Content-Length : %d",
    b"Content-Length\t: %d",
    b" Content-Length: %d",
    b"X-Folded: a\r\n Content-Length: %d",
    b"X-Folded: a\r\n\tb",
    b"X-Feed: a\nContent-Length: %d",
    b"X-Return: a\rContent-Length: %d",
    b"X-Nul: a\0Content-Length: %d",
    b"X-Control: a\x0bb",
    b"Content-\0Length: %d",
    b"Content-Length\xa0: %d",
    b"Content-Length",
    b": %d",
    b"Transfer-Encoding: chunked\r\nContent-Length: %d",
    b"Content-Length: %d\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding : chunked",
    b"Host: a\r\nHost: b",
)
_AMBIGUOUS_LINES = (
    b"GET  / HTTP/1.1",
    b"GET\t/ HTTP/1.1",
    b" GET / HTTP/1.1",
    b"GET / HTTP/1.1 ",
    b"GET /",
    b"GET / HTTP/0.9",
    b"GET / HTTP/1.2",
    b"GET / HTTP/1.10",
    b"GET / HTTP/01.1",
    b"GET / http/1.1",
    b"GET /\x00 HTTP/1.1",
    b"GET /\xc3\xa4 HTTP/1.1",
    b"GET /a b HTTP/1.1",
    b"GET /a\rb HTTP/1.1",
    b"GET /%zz HTTP/1.1",
    b"GET /a#b HTTP/1.1",
    b"GET metrics HTTP/1.1",
    b"GET http://[ HTTP/1.1",
    b"GET * HTTP/1.1",
    b"G(T / HTTP/1.1",
    b"/ HTTP/1.1",
    b"",
)
_STATUSES = {b"200", b"400", b"405", b"414", b"431", b"505"}


class Kind(Enum):
    """What a server has to do with a request."""

    VALID = "answer it"
    AMBIGUOUS = "answer 400 and close the connection"
    DAMAGED = "answer something or close the connection"


@dataclass(frozen=True)
class FuzzedRequest:
    """The bytes of a request, followed by a hidden one unless it is valid."""

    kind: Kind
    data: bytes


def fuzzed_requests(seed: int) -> Iterator[FuzzedRequest]:
    """Yield requests forever."""
    random = Random(seed)
    while True:
        kind = random.choice(list(Kind))
        line = b"%s %s HTTP/1.1" % (random.choice((b"GET", b"HEAD", b"POST")), random.choice(_TARGETS))
        headers = random.sample(_HEADERS, random.randrange(len(_HEADERS)))
        if kind is Kind.AMBIGUOUS:
            if random.random() < len(_AMBIGUOUS_LINES) / len(_AMBIGUOUS_LINES + _AMBIGUOUS_HEADERS):
                line = random.choice(_AMBIGUOUS_LINES)
            else:
                bad = random.choice(_AMBIGUOUS_HEADERS).replace(b"%d", b"%d" % len(_HIDDEN))
                headers.insert(random.randrange(len(headers) + 1), bad)
        end = random.choice((b"\n", b"\n\n")) if kind is Kind.AMBIGUOUS and random.random() < 0.1 else b"\r\n"
        data = end.join((line, *headers, b"", b""))
        if kind is Kind.DAMAGED:
            data = _damaged(random, data)
        yield FuzzedRequest(kind, data if kind is Kind.VALID else data + _HIDDEN)


def _damaged(random: Random, data: bytes) -> bytes:
    damaged = bytearray(data)
    for _ in range(random.randint(1, 8)):
        place = random.randrange(len(damaged) + 1)
        length = random.choice((1, 2, 16, 1000))
        filler = random.choice((random.randbytes(length), b"\r\n", b"\0", b" ", b":", b"%", b"a" * 40_000))
        damaged[place : place + random.choice((0, 1, length))] = filler
    return bytes(damaged)


def bear_requests(server: Server, seen: list[str], seed: int, *, number: float, seconds: float = DEADLINE) -> int:
    """Send up to `number` fuzzed requests for up to `seconds`; return how many.

    seen: The paths that the application was asked for, which it appends. Asserts that each request gets what its kind
    demands, and that all that comes back is complete responses.
    """
    end = time.monotonic() + seconds
    count = 0
    for count, request in enumerate(fuzzed_requests(seed)):
        if count >= number or time.monotonic() > end:
            break
        seen.clear()
        received = _exchange(server, request.data, cut=count % 3)
        statuses = _statuses(received, request.data)
        assert set(statuses) <= _STATUSES, (seed, request.data, received)
        if request.kind is Kind.VALID:
            assert statuses in ([b"200"], [b"405"]), (seed, request.data, received)
        elif request.kind is Kind.AMBIGUOUS:
            assert (statuses, seen) == ([b"400"], []), (seed, request.data, received)
    return count


def _exchange(server: Server, data: bytes, cut: int) -> bytes:
    """Send a request in one or more pieces, and return what comes until the server closes."""
    received = bytearray()
    with socket.create_connection(server.address, timeout=DEADLINE) as client:
        try:
            for piece in (data,) if not cut else (data[: len(data) // (cut + 1)], data[len(data) // (cut + 1) :]):
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # The server has seen enough.
        try:
            while block := client.recv(1 << 16):
                received += block
        except ConnectionResetError:
            pass
    return bytes(received)


def _statuses(received: bytes, request: bytes) -> list[bytes]:
    """Take apart what a server sent; it must be complete responses."""
    statuses = []
    while received:
        matched = re.match(
            rb"HTTP/1\.1 (\d{3}) [ -~]+\r\n(?:[ -~]+\r\n)*?Content-Length: (\d+)\r\n(?:[ -~]+\r\n)*\r\n", received
        )
        assert matched, (request, received)
        statuses.append(matched[1])
        received = received[matched.end() :]
        body = received[: int(matched[2])]
        # A response to HEAD has no body.
        if not received.startswith(b"HTTP/1.1 "):
            assert len(body) == int(matched[2]) or not received, (request, received)
            received = received[len(body) :]
    return statuses


def first_requests(seed: int, number: int) -> list[FuzzedRequest]:
    """Return the first of the requests of a seed."""
    return list(itertools.islice(fuzzed_requests(seed), number))
