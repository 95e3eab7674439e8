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
    """Let every large buffer be a mapping of its own, so that it goes back to the system when it is freed.

    After the first large buffer that is freed glibc raises this limit up to 32 MB; portal answers and pages then come
    from the heap and leave holes in it, in each thread's own heap unless they share one (measured with ten meters: 15
    of 85 MB). Elsewhere than on glibc: nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _BYTES)
        mallopt(_M_ARENA_MAX, 1)


def collect_seldom() -> None:
    """Look for objects that hang on each other only after very many new ones.

    Intervals and samples are tuples and numbers, freed as soon as nobody needs them; looking through all of them after
    every 700 new ones took a third of a backfill's own time.
    """
    gc.set_threshold(100_000, 50, 1000)


class Stopping:
    """Whether the user or the system has asked the program to end; from its making on, signals do no more than that.

    A signal that comes between Python's last look for signals and the system call that waits is noticed by an Event
    only when something else wakes the thread, so signals are made bytes in a socket (signal.set_wakeup_fd).
    """

    def __init__(self) -> None:
        self._asked, self._ask = socket.socketpair()
        self._ask.settimeout(0)
        signal.set_wakeup_fd(self._ask.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for a signal, at most so long; gives whether one has come, now or earlier."""
        return bool(select.select([self._asked], [], [], seconds)[0])
