"""Calls to a database: retried while it restarts, and never waited for when the program is to end."""

import threading
from collections.abc import Callable, Sequence
from queue import Empty, Queue
from typing import TypeVar

from ..backoff import Backoff, retry
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


def retry_database(
    action: Callable[[], _Result], clock: Clock, announce: Callable[[str], None], waits: Sequence[float]
) -> _Result:
    """Retry while the database is restarting. Raises DatabaseError where that does not help.

    announce: told why it is tried again and when; "" when it is.
    """
    backoff = Backoff(waits, clock, announce=announce)
    return retry(action, backoff, if_=lambda error: isinstance(error, DatabaseError) and error.passes_by_itself)
