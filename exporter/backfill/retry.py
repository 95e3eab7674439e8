"""Calls that are worth repeating, or may hang: retried, and never waited for when the program is to end."""

import threading
from collections.abc import Callable
from queue import Empty, Queue
from typing import TypeVar

from ..clock import Clock
from ..errors import DatabaseError

_LOOK = 0.05  # seconds between two looks whether to stop

_Result = TypeVar("_Result")


def interruptible(action: Callable[[], _Result], clock: Clock) -> _Result:
    """What an action gives or raises. Raises Stopped when everything is to end, whatever the action waits for."""
    results: Queue[tuple[_Result | None, BaseException | None]] = Queue()

    def work() -> None:
        try:
            results.put((action(), None))
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits for the result
            results.put((None, error))

    clock.sleep(0)  # raises Stopped
    threading.Thread(target=work, name="sink", daemon=True).start()
    while True:
        try:
            result, error = results.get(timeout=_LOOK)
        except Empty:
            clock.sleep(0)
            continue
        if error is not None:
            raise error
        return result  # type: ignore[return-value] # no error, hence the action's result


_WAITS = (2.0, 10.0, 30.0)  # seconds before a chunk is offered to the database again


def retry(action: Callable[[], _Result], clock: Clock, retries: Callable[[str], None]) -> _Result:
    """Give a database that is being restarted some time. Raises DatabaseError where that does not help.

    retries: told why it is tried again and when; empty when it is.
    """
    for wait in _WAITS:
        try:
            return action()
        except DatabaseError as error:
            if not error.passes_by_itself:
                raise
            retries(f"{error}; trying again in {wait:.0f} s")
            clock.sleep(wait)
            retries("")
    return action()
