"""A clock that stands still until a test moves it."""

import threading

from exporter.clock import Stopped


class ManualClock:
    """A Clock whose time advances only when `sleep` or a test moves it.

    Safe to use from several threads. `slept` lists every wait in seconds. Once the time reaches `ends_at`, sleeping
    raises Stopped.
    """

    def __init__(self, now: float) -> None:
        self._lock = threading.RLock()
        self._now = float(now)
        self._monotonic = 1000.0
        self._stopped = False
        self.ends_at = float("inf")
        self.slept: list[float] = []

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.advance(max(0.0, seconds))
            if self._stopped or self._now >= self.ends_at:
                raise Stopped

    def stop(self) -> None:
        self._stopped = True

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now += seconds
            self._monotonic += seconds

    def move_to(self, now: float) -> None:
        """Set the time to `now`, which must not be in the past."""
        with self._lock:
            assert now >= self._now
            self.advance(now - self._now)
