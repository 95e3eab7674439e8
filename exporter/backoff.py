"""Retries: the waits between attempts, and the loop around them."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from .clock import Clock
from .errors import SmartHubError, one_line

_Result = TypeVar("_Result")


class Backoff:
    """The waits between attempts, until the list ends or the budget is used up.

    waits: the wait before each retry, in seconds. budget: the time for all attempts together, in seconds. obeyed: how
    long all waits that the server asked for may be together, in seconds. announce: called with the reason and length
    of each wait, and with "" when it is over.
    """

    def __init__(
        self,
        waits: Iterable[float],
        clock: Clock,
        *,
        budget: float = float("inf"),
        obeyed: float = 300.0,
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._waits = iter(waits)
        self._clock = clock
        self._until = clock.monotonic() + budget
        self._obeyed = obeyed
        self._announce = announce

    def wait(self, error: SmartHubError | None = None) -> bool:
        """Wait before the next attempt, as long as the server asked for if it is allowed.

        Returns False without waiting if no attempt is left, or if the server still asks for a wait after the longest
        one. Raises Stopped.
        """
        wait = next(self._waits, None)
        if wait is None or self._clock.monotonic() + wait > self._until:
            return False
        requested = (error and error.retry_after) or 0.0
        pause = wait
        if requested > wait:
            if self._obeyed <= 0:
                return False
            pause = max(wait, min(requested, self._obeyed))
            self._obeyed -= pause
        # Without the advice, which the retry may make unnecessary; the last error has it.
        failed = one_line(error.what, error.about, "") if error else "no result yet"
        self._announce(f"{failed}; retrying in {pause:.0f} s")
        self._clock.sleep(pause)
        self._announce("")
        return True


def retry(action: Callable[[], _Result], backoff: Backoff, *, if_: Callable[[SmartHubError], bool]) -> _Result:
    """Call `action` until it succeeds.

    Raises its last error if `if_` rejects a retry or no attempt is left.
    """
    while True:
        try:
            return action()
        except SmartHubError as error:
            if not if_(error) or not backoff.wait(error):
                raise
