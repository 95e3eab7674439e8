"""How long tests wait.

The limits catch hangs, not slowness: the machine may be busy.
"""

import time
from collections.abc import Callable

DEADLINE = 60.0
"""Seconds for anything that should happen."""

AT_ONCE = 4.0
"""Seconds for actions that must not wait.

Anything they could wait for by mistake takes longer.
"""


def until(condition: Callable[[], bool]) -> None:
    """Wait until something happens in another thread."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
