"""A call that may hang, and being stopped meanwhile."""

import threading
import time

import pytest

from exporter.backfill.retry import interruptible
from exporter.clock import Stopped, SystemClock
from exporter.errors import DatabaseError

from ..support.deadlines import AT_ONCE


def test_what_an_action_gives_is_given() -> None:
    assert interruptible(lambda: 7, SystemClock()) == 7
    assert interruptible(lambda: None, SystemClock()) is None


def test_what_an_action_raises_is_raised() -> None:
    def fail() -> None:
        raise DatabaseError("gone")

    with pytest.raises(DatabaseError, match="gone"):
        interruptible(fail, SystemClock())


def test_a_stop_does_not_wait_for_an_action_that_hangs() -> None:
    clock, hangs = SystemClock(), threading.Event()
    threading.Timer(0.1, clock.stop).start()
    started = time.monotonic()
    with pytest.raises(Stopped):
        interruptible(lambda: hangs.wait(30), clock)
    assert time.monotonic() - started < AT_ONCE
    hangs.set()


def test_nothing_is_begun_once_all_is_to_end() -> None:
    clock = SystemClock()
    clock.stop()
    begun: list[int] = []
    with pytest.raises(Stopped):
        interruptible(lambda: begun.append(1), clock)
    assert begun == []
