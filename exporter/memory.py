"""Memory: small on glibc, and looked through seldom where much is made and nothing hangs on itself."""

import ctypes
import gc

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
