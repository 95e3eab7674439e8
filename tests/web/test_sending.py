"""Parts that are sent with few system calls, to clients that read little at a time."""

import random
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.sending import send_parts

MANY = [random.Random(number).randbytes(number % 300) for number in range(5000)]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        yield ours, theirs


def received(sender: socket.socket, receiver: socket.socket, parts: list[bytes]) -> bytes:
    """Send parts in another thread, and return what arrives."""

    def send() -> None:
        send_parts(sender, parts)
        sender.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    found = b"".join(iter(lambda: receiver.recv(1000), b""))
    thread.join()
    return found


@given(parts=st.lists(st.binary(max_size=10), max_size=20))
def test_all_parts_arrive_in_order(parts: list[bytes]) -> None:
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        assert received(ours, theirs, parts) == b"".join(parts)


def test_more_parts_arrive_than_one_call_takes(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    ours.settimeout(10)
    assert received(ours, theirs, MANY) == b"".join(MANY)


def test_a_client_that_does_not_read_is_given_up(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, _ = pair
    ours.settimeout(0.05)
    with pytest.raises(TimeoutError):
        send_parts(ours, [bytes(1 << 20)] * 64)


def test_parts_arrive_over_tls(
    pair: tuple[socket.socket, socket.socket], authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    accepted: list[ssl.SSLSocket] = []
    handshake = threading.Thread(target=lambda: accepted.append(context.wrap_socket(pair[0], server_side=True)))
    handshake.start()
    with trusting.wrap_socket(pair[1], server_hostname="localhost") as theirs:
        handshake.join()
        (ours,) = accepted
        with ours:
            assert received(ours, theirs, MANY) == b"".join(MANY)
