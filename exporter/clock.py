"""Time as the program sees it, so that tests can bring their own."""

import threading
import time
from typing import Protocol


class Stopped(Exception):  # noqa: N818 - not an error: somebody asked the program to end
    """Raised out of a wait when the program is ending."""


class Clock(Protocol):
    """Where the program gets the time from and where it waits."""

    def now(self) -> float:
        """Seconds since 1970, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever grow, for durations."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; raises Stopped as soon as the program is ending."""
        ...


class SystemClock:
    """The machine's clock; `stop` wakes every sleeper."""

    def __init__(self) -> None:
        self._stopping = threading.Event()

    def now(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that only ever grow, for durations."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait; raises Stopped as soon as `stop` is called."""
        if self._stopping.wait(seconds):
            raise Stopped

    def stop(self) -> None:
        """End all waits, now and later."""
        self._stopping.set()
