"""Stored locations with their meters and intervals, and days to backfill."""

from collections.abc import Callable, Iterable

from ..intervals.model import Location, LocationKey
from .database import Database
from .entries import DAYS, INTERVALS, LOCATION, METER, NEEDED, Changes, EntryKey, checked_time
from .location_entries import changes_of, location_of

_KEPT_UNREAD = 30 * 86400  # seconds longer, for locations that no login reads


class LocationEntries(Database):
    """The part of the state that the snapshot is loaded from."""

    _pruned_to = 0

    def locations(self, wanted: Callable[[LocationKey], bool] = lambda _: True) -> list[Location]:
        """Return everything that is stored for the wanted locations."""
        found = self.read_by_location(location_of, LOCATION, METER, INTERVALS, DAYS, wanted=wanted)
        return sorted(filter(None, found), key=lambda location: location.key)

    def location(self, key: LocationKey) -> Location | None:
        """Return everything that is stored for a location."""
        return self.read(location_of, LOCATION, METER, INTERVALS, DAYS, of=key)

    def save(
        self,
        before: Location | None,
        after: Location,
        *,
        replaces_all: bool = False,
        needed_days: Iterable[int] = (),
        keep_from: int = 0,
    ) -> None:
        """Write what changed in a location, all or nothing.

        before: What is stored, as it was loaded or saved. replaces_all: Whatever else is stored for it is deleted.
        needed_days: Starts of local days that now need a backfill. keep_from: Other locations may no longer be
        configured; their intervals are kept 30 days longer.
        """
        kinds = LOCATION, METER, INTERVALS, DAYS, NEEDED
        changes: Changes = self.read(dict.fromkeys, *kinds, of=after.key) if replaces_all else {}
        changes.update(changes_of(before, after))
        changes.update({EntryKey.of(NEEDED, after.key, start=checked_time(day)): b"" for day in needed_days})
        if keep_from > self._pruned_to:
            self._pruned_to = keep_from
            changes.update(dict.fromkeys(self.keys_before(INTERVALS, keep_from - _KEPT_UNREAD)))
        self.write(changes)

    def backfill_needed(self, of: LocationKey | None = None) -> dict[LocationKey, int]:
        """Return the start of the oldest day that needs a backfill, by location; of: only for this one."""
        needed: dict[LocationKey, int] = {}
        for key in self._needed(of):
            needed.setdefault(key.location_key, key.start)
        return needed

    def needs_backfill(self, location: LocationKey, start: int, end: int) -> bool:
        """Return whether a day of a location that starts in [start, end) needs a backfill."""
        return bool(self._needed_days(location, start, end))

    def backfilled(self, location: LocationKey, start: int, end: int) -> None:
        """Remove the needed days of a location that start in [start, end)."""
        self.write(dict.fromkeys(self._needed_days(location, start, end)))

    def _needed_days(self, location: LocationKey, start: int, end: int) -> list[EntryKey]:
        return [key for key in self._needed(location) if start <= key.start < end]

    def _needed(self, of: LocationKey | None) -> list[EntryKey]:
        return self.read(lambda found: [key for key in found if checked_time(key.start)], NEEDED, of=of)
