"""The connections to one portal, and how many calls may be in progress."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..clock import Clock
from .http import Observer, Transport

_OVERLOAD = ("429", "503")


class Transports:
    """Connections to one portal, one for each call in progress. Safe to use from several threads.

    most: how many calls may be in progress once there is a session that all connections can use, each call from its
    first request to the complete answer. is_overloaded: from then on there is one at a time again.
    """

    def __init__(self, base_url: str, clock: Clock, observer: Observer, most: int) -> None:
        self._base_url = base_url
        self._clock = clock
        self._observer = observer
        self._most = most
        self._idle: list[Transport] = []
        self._is_shared = False
        self._changed = threading.Condition()
        self.in_progress = 0
        self.is_overloaded = False

    @property
    def most(self) -> int:
        """How many calls may be in progress now."""
        return self._most if self._is_shared and not self.is_overloaded else 1

    @contextmanager
    def one(self) -> Iterator[Transport]:
        """Wait until another call may begin, and lend it a connection."""
        with self._changed:
            self._changed.wait_for(lambda: self.in_progress < self.most)
            self.in_progress += 1
            transport = self._idle.pop() if self._idle else Transport(self._base_url, self._clock, self._observe)
        try:
            yield transport
        finally:
            with self._changed:
                self.in_progress -= 1
                self._idle.append(transport)
                self._changed.notify()

    def share(self, *, is_possible: bool) -> None:
        """Note whether all connections can use the session: a token, but not a cookie."""
        with self._changed:
            self._is_shared = is_possible
            self._changed.notify_all()

    def close(self) -> None:
        """Close the connections."""
        for transport in self._idle:
            transport.close()

    def _observe(self, endpoint: str, code: str, seconds: float) -> None:
        if code in _OVERLOAD:
            self.is_overloaded = True
        self._observer(endpoint, code, seconds)
