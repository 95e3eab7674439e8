"""Trying again: the waits between the tries of one thing, and the loop around them."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from .clock import Clock
from .errors import SmartHubError

_LONGEST_REQUESTED_WAIT = 300.0  # seconds for which a server that asks for patience gets it

_Result = TypeVar("_Result")


def _say_nothing(_: str) -> None:
    """Nobody wants to know."""


class Backoff:
    """The waits between tries. They end with the list, or with the time that all tries together may take.

    waits, budget: seconds. announce: told why it waits and for how long; told "" when the wait is over.
    """

    def __init__(
        self,
        waits: Iterable[float],
        clock: Clock,
        *,
        budget: float = float("inf"),
        announce: Callable[[str], None] = _say_nothing,
    ) -> None:
        self._waits = iter(waits)
        self._clock = clock
        self._until = clock.monotonic() + budget
        self._announce = announce

    def wait(self, error: SmartHubError | None = None) -> bool:
        """Wait before the next try, at least as long as the server asked for. False: there is no next try.

        Raises Stopped.
        """
        wait = next(self._waits, None)
        if wait is None or self._clock.monotonic() + wait > self._until:
            return False
        requested = (error and error.retry_after) or 0.0
        pause = max(wait, min(requested, _LONGEST_REQUESTED_WAIT))
        self._announce(f"{error}; trying again in {pause:.0f} s")
        self._clock.sleep(pause)
        self._announce("")
        return True


def retry(action: Callable[[], _Result], backoff: Backoff, *, if_: Callable[[SmartHubError], bool]) -> _Result:
    """Call `action` until it succeeds. Raises its error where `if_` says that a retry is useless or no try is left."""
    while True:
        try:
            return action()
        except SmartHubError as error:
            if not if_(error) or not backoff.wait(error):
                raise
