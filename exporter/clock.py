"""The program's clock, which tests replace with their own."""

import threading
import time
from typing import Protocol


class Stopped(Exception):  # noqa: N818 - not an error: the program was asked to stop
    """Raised from a wait when the program shuts down."""


class Clock(Protocol):
    """The source of time, and the way to wait."""

    def now(self) -> float:
        """Return the seconds since 1970, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, for durations."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; raises Stopped as soon as the program shuts down."""
        ...


class SystemClock:
    """The system's clock; `stop` ends all waits."""

    def __init__(self) -> None:
        self._stopping = threading.Event()

    def now(self) -> float:
        """Return the seconds since 1970, UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go back, for durations."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait; raises Stopped as soon as `stop` is called."""
        if self._stopping.wait(seconds):
            raise Stopped

    def stop(self) -> None:
        """End all waits, now and later."""
        self._stopping.set()
