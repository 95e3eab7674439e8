"""Calls that may hang, in threads of their own, so that being stopped does not wait for them."""

import threading
from collections.abc import Callable
from queue import Empty, Queue
from typing import TypeVar

from ..clock import Clock

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
