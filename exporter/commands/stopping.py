"""Ending cleanly: Ctrl-C and SIGTERM set an event instead of breaking off."""

import signal
import threading
from types import FrameType


def stop_on_signals() -> threading.Event:
    """An event that is set when the user or the system asks the program to end."""
    stopping = threading.Event()

    def stop(_: int, __: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return stopping
