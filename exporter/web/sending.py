"""Send many parts with few system calls."""

import socket
import ssl
from collections.abc import Sequence

_MOST_PARTS = 1024
"""Parts of one system call; Linux takes no more."""


def send_parts(sock: socket.socket, parts: Sequence[bytes]) -> None:
    """Send parts that follow each other, without a copy of the whole. Each wait is limited by the socket's timeout."""
    if isinstance(sock, ssl.SSLSocket):
        sock.sendall(b"".join(parts))  # TLS has no such call, and copies everything anyway
        return
    left = [memoryview(part) for part in parts if part]
    left.reverse()  # the next one is the last, so that what was sent is dropped from the end
    while left:
        sent = sock.sendmsg(left[: -_MOST_PARTS - 1 : -1])
        while left and sent >= len(left[-1]):
            sent -= len(left.pop())
        if sent:
            left[-1] = left[-1][sent:]
