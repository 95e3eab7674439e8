"""Tests of when a login is refreshed next, and how far back."""

import pytest

from exporter.errors import AccessError, CredentialsError, PortalError, ProtocolError, TransportError
from exporter.refresh.schedule import ClockWatch, FullRefreshes, RefreshWaits, kept_from, recent_from

from ..support.worlds import DAY, NOW, WALL

HOUR = 3600.0
JITTER = 0.05


def failed(kind: type[PortalError] = TransportError, retry_after: float | None = None) -> PortalError:
    error = kind("reason")
    error.retry_after = retry_after
    return error


def test_usual_wait_is_the_interval_with_a_jitter() -> None:
    waits = [RefreshWaits(HOUR).after([]) for _ in range(50)]
    assert waits == pytest.approx([HOUR] * 50, rel=JITTER)
    assert len(set(waits)) == 50


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        (3600, [60, 120, 240, 480, 960, 1920, 3600, 3600]),
        (900, [60, 120, 240, 480, 900, 900]),
        (86400, [60, 120, 240, 480, 960]),
        (10, [10, 20, 40, 80, 80]),
    ],
)
def test_waits_double_while_the_portal_fails(interval: int, expected: list[int]) -> None:
    waits = RefreshWaits(interval)
    assert [waits.after([failed()]) for _ in expected] == pytest.approx(expected, rel=JITTER)
    waits.after([])
    assert waits.after([failed(ProtocolError)]) == pytest.approx(expected[0], rel=JITTER)


def test_permanent_failure_is_not_retried_early() -> None:
    waits = RefreshWaits(HOUR)
    assert waits.after([failed(AccessError), failed(CredentialsError)]) == pytest.approx(HOUR, rel=JITTER)
    assert waits.after([failed(AccessError), failed()]) == pytest.approx(60, rel=JITTER)


@pytest.mark.parametrize(("asked", "granted"), [(3000.0, 3000.0), (10.0, 60.0), (86400.0, 3600.0)])
def test_requested_wait_is_obeyed_for_an_hour_at_most(asked: float, granted: float) -> None:
    assert RefreshWaits(HOUR).after([failed(retry_after=asked)]) == pytest.approx(granted, rel=JITTER)


@pytest.mark.parametrize(("step", "was_set"), [(DAY + 1, True), (-DAY - 1, True), (DAY, False), (-DAY, False)])
def test_a_clock_that_was_set_is_noticed_once(step: float, was_set: bool) -> None:  # noqa: FBT001
    watch = ClockWatch()
    looks = [(NOW, 100.0), (NOW + HOUR + step, 100.0 + HOUR), (NOW + 5 * HOUR + step, 100.0 + 5 * HOUR)]
    assert [watch.was_set(*look) for look in looks] == [False, was_set, False]


def test_full_refresh_is_due_now_and_then_daily() -> None:
    full = FullRefreshes()
    assert full.is_due(0.0)
    full.note(100.0, None)
    assert not full.is_due(100.0 + DAY - 1)
    assert full.is_due(100.0 + DAY)


def test_failed_full_refresh_is_soon_due_again_a_few_times() -> None:
    full = FullRefreshes()
    for turn in range(11):
        full.note(float(turn), failed())
        assert full.is_due(float(turn))
    full.note(11.0, failed())
    assert not full.is_due(11.0 + 6 * HOUR - 1)
    assert full.is_due(11.0 + 6 * HOUR)


def test_permanent_failure_waits_for_the_next_day() -> None:
    full = FullRefreshes()
    full.note(0.0, failed(AccessError))
    assert not full.is_due(DAY - 1)


@pytest.mark.parametrize(("window", "recent", "kept"), [(HOUR, 3, 35), (7 * DAY, 8, 35), (35 * DAY, 36, 36)])
def test_refresh_reads_a_day_more_than_the_window(window: int, recent: int, kept: int) -> None:
    assert recent_from(WALL, NOW, window) == WALL.days_before(NOW, recent)
    assert kept_from(WALL, NOW, window) == WALL.days_before(NOW, kept)
