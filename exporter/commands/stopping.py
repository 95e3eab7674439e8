"""Ending cleanly: Ctrl-C and SIGTERM are something to wait for instead of breaking off."""

import select
import signal
import socket


class Stopping:
    """Whether the user or the system has asked the program to end; from its making on, signals do no more than that.

    A signal that comes between Python's last look for signals and the system call that waits is noticed by an Event
    only when something else wakes the thread, so signals are made bytes in a socket (signal.set_wakeup_fd).
    """

    def __init__(self) -> None:
        self._asked, self._ask = socket.socketpair()
        self._ask.settimeout(0)
        signal.set_wakeup_fd(self._ask.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for a signal, at most so long; gives whether one has come, now or earlier."""
        return bool(select.select([self._asked], [], [], seconds)[0])
