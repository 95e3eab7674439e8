"""How far back the exporter looks and remembers. Instants of local midnights, seconds UTC."""

from ..portal.walltime import WallClock

REACH = 35  # days that the first refresh, and one a day, reaches back
_LEAST = 2 * 86400  # placeholders are decided on at 48 hours, so a refresh must see that far


def recent_from(wall: WallClock, now: float, window: int) -> int:
    """From when every refresh reads: a day more than the window of /metrics, in seconds."""
    return wall.days_before(int(now - max(window, _LEAST)), 1)


def kept_from(wall: WallClock, now: float, window: int) -> int:
    """From when intervals are kept in the state."""
    return min(recent_from(wall, now, window), wall.days_before(int(now), REACH))
