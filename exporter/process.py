"""The process itself: signals, the allocator, the garbage collector."""

import ctypes
import gc
import select
import signal
import socket

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_BYTES = 128 * 1024


def return_large_buffers() -> None:
    """Return the memory of large buffers to the system as soon as it is freed.

    After the first large buffer is freed, glibc takes buffers of up to 32 MB from the heap. Portal responses and pages
    then leave holes in it, and in the heap of each thread (measured with ten meters: 15 of 85 MB). Without glibc, does
    nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _BYTES)
        mallopt(_M_ARENA_MAX, 1)


def collect_seldom() -> None:
    """Let the garbage collector run less often.

    Intervals and samples are tuples and numbers, which are freed without it. Looking through all of them after every
    700 new objects took a third of a backfill's own time.
    """
    gc.set_threshold(100_000, 50, 1000)


class Stopping:
    """Waits for SIGINT or SIGTERM, which have no other effect once this exists.

    A threading.Event may miss a signal that comes just before the system call that waits, until something else wakes
    the thread. So signals are written to a socket (signal.set_wakeup_fd).
    """

    def __init__(self) -> None:
        self._asked, self._ask = socket.socketpair()
        self._ask.settimeout(0)
        signal.set_wakeup_fd(self._ask.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for a signal; return whether one has come, now or earlier.

        seconds: The longest time to wait; None waits forever.
        """
        return bool(select.select([self._asked], [], [], seconds)[0])
