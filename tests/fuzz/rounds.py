"""The rounds of the fuzz tests: few in the suite, many with `make fuzz`.

FUZZ_TIMES multiplies the rounds, FUZZ_SEED changes what they do. A round that fails says which one it was.
"""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
_GROWTH = 32 * 1024 * 1024  # bytes: caches fill, but what each round leaves behind is far more


def rounds(usual: int) -> Iterator[Random]:
    """Yield a random source for each round; `usual` is how many there are in the suite.

    Fails if memory keeps growing.
    """
    count = usual * TIMES
    warm = 0
    for number in range(count):
        if number == count // 2:
            warm = _resident()
        name = f"FUZZ_SEED={SEED} round {number}"
        try:
            yield Random(name)
        except BaseException as error:
            error.add_note(name)
            raise
    assert _resident() - warm < _GROWTH


def _resident() -> int:
    gc.collect()
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
