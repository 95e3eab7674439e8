"""A clock that stands still until a test moves it."""

import threading

from exporter.clock import Stopped


class ManualClock:
    """A Clock whose time advances only when `sleep` or a test moves it.

    Safe to use from several threads. `slept` lists every wait in seconds. Once the time reaches `ends_at`, sleeping
    raises Stopped.
    """

    def __init__(self, now: float) -> None:
        self._lock = threading.Lock()
        self._now = float(now)
        self._monotonic = 1000.0
        self._stopped = False
        self.ends_at = float("inf")
        self.slept: list[float] = []

    def now(self) -> float:
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        with self._lock:
            return self._monotonic

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self._advance(max(0.0, seconds))
            if self._stopped or self._now >= self.ends_at:
                raise Stopped

    def stop(self) -> None:
        with self._lock:
            self._stopped = True

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._advance(seconds)

    def move_to(self, now: float) -> None:
        """Set the time to `now`, which must not be in the past."""
        with self._lock:
            assert now >= self._now
            self._advance(now - self._now)

    def _advance(self, seconds: float) -> None:
        self._now += seconds
        self._monotonic += seconds
