"""Calls in the background, retried or abandoned as needed."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from typing import TypeVar

from ..backoff import Backoff, retry
from ..clock import Clock
from ..errors import DatabaseError

_LOOK = 0.05  # seconds between checks for a stop

_Result = TypeVar("_Result")


def in_background(action: Callable[[], _Result]) -> "Future[_Result]":
    """Start an action in a thread that does not keep the program from ending."""
    result: Future[_Result] = Future()

    def work() -> None:
        try:
            result.set_result(action())
        except BaseException as error:  # noqa: BLE001 - raised again where the result is read
            result.set_exception(error)

    threading.Thread(target=work, name="background", daemon=True).start()
    return result


def outcome(result: "Future[_Result]", clock: Clock) -> _Result:
    """Wait for the result of an action.

    Raises Stopped when the program ends, even if the action hangs.
    """
    clock.sleep(0)  # raises Stopped
    while not wait([result], _LOOK).done:
        clock.sleep(0)
    return result.result()


def interruptible(action: Callable[[], _Result], clock: Clock) -> _Result:
    """Run an action and return its result.

    Raises Stopped when the program ends, even if the action hangs.
    """
    clock.sleep(0)
    return outcome(in_background(action), clock)


def retry_database(
    action: Callable[[], _Result], clock: Clock, announce: Callable[[str], None], waits: Sequence[float]
) -> _Result:
    """Retry while the database is restarting.

    Raises DatabaseError if that does not help.

    `announce` receives the reason for each wait in `waits` (seconds), and "" when the wait is over.
    """
    backoff = Backoff(waits, clock, announce=announce)
    return retry(action, backoff, if_=lambda error: isinstance(error, DatabaseError) and error.passes_by_itself)
