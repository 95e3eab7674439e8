"""Calls in the background: retried while a database restarts, and never waited for when the program is to end."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from typing import TypeVar

from ..backoff import Backoff, retry
from ..clock import Clock
from ..errors import DatabaseError

_LOOK = 0.05  # seconds between two looks whether to stop

_Result = TypeVar("_Result")


def in_background(action: Callable[[], _Result]) -> "Future[_Result]":
    """Begin an action in a thread that keeps nobody from ending."""
    result: Future[_Result] = Future()

    def work() -> None:
        try:
            result.set_result(action())
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits for the result
            result.set_exception(error)

    threading.Thread(target=work, name="background", daemon=True).start()
    return result


def outcome(result: "Future[_Result]", clock: Clock) -> _Result:
    """What came of it. Raises Stopped when everything is to end, whatever the action waits for."""
    clock.sleep(0)  # raises Stopped
    while not wait([result], _LOOK).done:
        clock.sleep(0)
    return result.result()


def interruptible(action: Callable[[], _Result], clock: Clock) -> _Result:
    """What an action gives or raises. Raises Stopped when everything is to end, whatever the action waits for."""
    clock.sleep(0)
    return outcome(in_background(action), clock)


def retry_database(
    action: Callable[[], _Result], clock: Clock, announce: Callable[[str], None], waits: Sequence[float]
) -> _Result:
    """Retry while the database is restarting. Raises DatabaseError where that does not help.

    announce: told why it is tried again and when; "" when it is.
    """
    backoff = Backoff(waits, clock, announce=announce)
    return retry(action, backoff, if_=lambda error: isinstance(error, DatabaseError) and error.passes_by_itself)
