"""Test calls that may hang, and stops during them."""

import threading

import pytest

from exporter.backfill.retry import interruptible
from exporter.clock import Stopped, SystemClock
from exporter.errors import DatabaseError


def test_results_and_errors_reach_the_caller() -> None:
    def fail() -> None:
        raise DatabaseError("gone")

    assert interruptible(lambda: 7, SystemClock()) == 7
    with pytest.raises(DatabaseError):
        interruptible(fail, SystemClock())


def test_a_stop_does_not_wait_for_an_action_that_hangs() -> None:
    clock, hangs = SystemClock(), threading.Event()

    def hang() -> None:
        clock.stop()
        hangs.wait()

    with pytest.raises(Stopped):
        interruptible(hang, clock)
    hangs.set()


def test_nothing_starts_after_a_stop() -> None:
    clock = SystemClock()
    clock.stop()
    begun: list[int] = []
    with pytest.raises(Stopped):
        interruptible(lambda: begun.append(1), clock)
    assert begun == []
