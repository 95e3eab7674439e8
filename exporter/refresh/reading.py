"""What a refresh reads of one industry of a location, how far back, and into the store."""

from dataclasses import dataclass, field

from ..clock import Clock
from ..intervals.industries import ELECTRIC
from ..intervals.model import Location, LocationKey
from ..portal.history import History, KnownMeters, LocationHistory
from ..portal.walltime import WallClock
from ..storage.snapshots import Revision, SnapshotStore
from .schedule import ClockWatch, FullRefreshes, kept_from, recent_from


@dataclass(slots=True)
class LocationReader:
    """Reads one industry of a location, refresh after refresh.

    window: seconds of the recent past that /metrics serves. was_full: whether the last fetch was a full one.
    """

    key: LocationKey
    history: LocationHistory
    store: SnapshotStore
    wall: WallClock
    clock: Clock
    window: int
    industry: str = ELECTRIC
    was_full: bool = False
    _full_refreshes: FullRefreshes = field(default_factory=FullRefreshes)
    _clock_watch: ClockWatch = field(default_factory=ClockWatch)
    _clock_was_set: bool = False

    def fetch(self, now: float) -> History:
        """Fetch what a refresh at `now` (seconds UTC) reads; an error is part of the result."""
        ticks = self.clock.monotonic()
        # Read again what was skipped or dropped because of a wrong clock.
        self._clock_was_set |= self._clock_watch.was_set(now, ticks)
        self.was_full = self._full_refreshes.is_due(ticks) or self._clock_was_set
        before = self.store.snapshot.locations.get(self.key)
        known = KnownMeters.of(before.meters if before else (), self.industry)
        reach = kept_from if self.was_full else recent_from
        start, end = reach(self.wall, now, self.window), self.wall.days_before(int(now), -1)
        fetched = self.history.fetch(start, end, known, try_hourly=self.was_full)
        if self.was_full:
            self._full_refreshes.note(ticks, fetched.error or fetched.doubt)
        return fetched

    def merge(self, described: Location, fetched: History, now: float) -> list[Revision]:
        """Merge what was fetched at `now` into the store, under the name and zone of `described`."""
        revisions = self.store.merge(
            described,
            fetched.meters,
            self.wall,
            now=self.clock.now(),
            keep_from=kept_from(self.wall, now, self.window),
            complete=fetched.error is None,
            clock_was_set=self._clock_was_set,
            industry=self.industry,
        )
        self._clock_was_set &= fetched.error is not None
        return revisions
