"""When a login is refreshed next, and how far back.

Times are in seconds: UTC for instants, monotonic for `ticks`.
"""

import random
from collections.abc import Sequence

from ..errors import PortalError
from ..portal.walltime import WallClock

REACH = 35  # days that a full refresh reads: the first one, and one per day
_SHORTEST_REACH = 2 * 86400  # zeros may be placeholders for 48 hours, so every refresh reads that far back
_FULL_EVERY = 24 * 3600
_PROMPT_RETRIES = 12  # full refreshes that failed in a row before the next one waits longer
_LATE_RETRY = 6 * 3600
_FIRST_RETRY = 60.0
_LONGEST_RETRY = 900.0
_LONGEST_REQUESTED_WAIT = 3600  # seconds of a Retry-After that are obeyed
_JITTER = 0.05


def recent_from(wall: WallClock, now: float, window: int) -> int:
    """Return the local midnight from which every refresh reads.

    This is a day more than the window of /metrics.
    """
    return wall.days_before(int(now - max(window, _SHORTEST_REACH)), 1)


def kept_from(wall: WallClock, now: float, window: int) -> int:
    """Return the local midnight from which intervals are kept in the state."""
    return min(recent_from(wall, now, window), wall.days_before(int(now), REACH))


class FullRefreshes:
    """When the next full refresh is due: now, then daily, or sooner after a failure."""

    def __init__(self) -> None:
        self._due_at = float("-inf")
        self._failures = 0

    def is_due(self, ticks: float) -> bool:
        """Check whether the next refresh should be a full one."""
        return ticks >= self._due_at

    def note(self, ticks: float, error: PortalError | None) -> None:
        """Note how a full refresh that began at `ticks` went."""
        if error is None or not error.reason.passes_by_itself:
            self._due_at, self._failures = ticks + _FULL_EVERY, 0
            return
        self._failures += 1
        if self._failures >= _PROMPT_RETRIES:
            self._due_at = ticks + _LATE_RETRY


class ClockWatch:
    """Notices that the system clock was set, by more than a day, since the last look."""

    def __init__(self) -> None:
        self._ahead: float | None = None

    def was_set(self, now: float, ticks: float) -> bool:
        """Compare the clock with the monotonic one."""
        before, self._ahead = self._ahead, now - ticks
        return before is not None and abs(self._ahead - before) > _FULL_EVERY


class RefreshWaits:
    """How long to wait between refreshes: the interval, or a growing backoff."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._first = self._retry = min(_FIRST_RETRY, self._interval)

    def after(self, errors: Sequence[PortalError]) -> float:
        """Return the seconds until the next refresh, after one with these errors."""
        wait, next_retry = self._interval, self._first
        if any(error.reason.passes_by_itself for error in errors):
            longest = max(self._interval, min(_LONGEST_RETRY, 8 * self._interval))
            wait, next_retry = self._retry, min(2 * self._retry, longest)
        self._retry = next_retry
        requested = max((error.retry_after or 0.0 for error in errors), default=0.0)
        jitter = 1 + random.uniform(-_JITTER, _JITTER)  # noqa: S311 - spreads load, keeps no secret
        return max(wait * jitter, min(requested, _LONGEST_REQUESTED_WAIT))
