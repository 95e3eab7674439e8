"""Tests of the waits between attempts, and of their end."""

from itertools import repeat

import pytest

from exporter.backoff import Backoff, retry
from exporter.clock import Stopped
from exporter.errors import DatabaseError, SmartHubError

from .support.clocks import ManualClock


def away(retry_after: float | None = None) -> DatabaseError:
    error = DatabaseError("the database is down", advice="start it")
    error.retry_after = retry_after
    return error


class Flaky:
    """Fail a number of times, then return its name."""

    def __init__(self, failures: int) -> None:
        self.left = failures

    def __call__(self) -> str:
        self.left -= 1
        if self.left >= 0:
            raise away()
        return "done"


def test_action_is_repeated_until_it_succeeds(clock: ManualClock) -> None:
    said: list[str] = []
    backoff = Backoff((2.0, 10.0, 30.0), clock, announce=said.append)
    assert retry(Flaky(2), backoff, if_=lambda _: True) == "done"
    assert clock.slept == [2.0, 10.0]
    assert said == ["the database is down; retrying in 2 s", "", "the database is down; retrying in 10 s", ""]


def test_last_error_is_raised_when_no_attempt_is_left(clock: ManualClock) -> None:
    with pytest.raises(DatabaseError):
        retry(Flaky(3), Backoff((1.0, 2.0), clock), if_=lambda _: True)
    assert clock.slept == [1.0, 2.0]


def test_permanent_error_is_raised_at_once(clock: ManualClock) -> None:
    seen: list[SmartHubError] = []

    def is_useless(error: SmartHubError) -> bool:
        seen.append(error)
        return False

    with pytest.raises(DatabaseError) as caught:
        retry(Flaky(1), Backoff((1.0,), clock), if_=is_useless)
    assert (seen, clock.slept) == ([caught.value], [])


@pytest.mark.parametrize(("asked", "waited"), [(None, 5.0), (3.0, 5.0), (60.0, 60.0), (86400.0, 300.0)])
def test_requested_wait_is_obeyed(clock: ManualClock, asked: float | None, waited: float) -> None:
    assert Backoff((5.0,), clock).wait(away(asked))
    assert clock.slept == [waited]


def test_requested_waits_are_limited_together(clock: ManualClock) -> None:
    backoff = Backoff(repeat(5.0), clock, obeyed=300.0)
    assert [backoff.wait(away(200.0)) for _ in range(3)] == [True, True, False]
    assert clock.slept == [200.0, 100.0]
    assert backoff.wait(away())


def test_budget_ends_the_attempts(clock: ManualClock) -> None:
    backoff = Backoff(repeat(4.0), clock, budget=10.0)
    assert [backoff.wait() for _ in range(4)] == [True, True, False, False]
    assert clock.slept == [4.0, 4.0]


def test_stop_ends_the_wait(clock: ManualClock) -> None:
    clock.stop()
    with pytest.raises(Stopped):
        Backoff((1.0,), clock).wait()
