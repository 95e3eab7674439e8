"""The one place where knowledge changes: fetched readings become the next snapshot and the next state."""

import logging
import threading
from collections.abc import Callable, Container, Sequence
from dataclasses import replace

from ..intervals.days import Calendar
from ..intervals.model import Change, Location, LocationKey, Meter, Snapshot
from ..intervals.samples import timestamp_ms
from ..intervals.updates import FetchedMeter, drop_before, raise_versions, revision_direction, update_meter
from .state import StateFile

log = logging.getLogger(__name__)

Revision = tuple[str, str]
"""An interval whose energy the portal changed: direction (up, down) and reach (window, older)."""


class SnapshotStore:
    """Holds the present snapshot. Reading it takes no lock; changing it goes one at a time.

    window: seconds of the recent past that /metrics carries. zone_of: the configured zone of a location, None if no
    login reads it. What was stored of such a location, or by another zone's clock, is not served.

    snapshot: what is known now. backfill_needed: the start of the oldest local day with a change that the window no
    longer carries, by location. version: changes with both.
    """

    def __init__(self, state: StateFile, window: int, zone_of: Callable[[LocationKey], str | None]) -> None:
        self._state = state
        self._window = window
        self._zone_of = zone_of
        self._lock = threading.RLock()
        self.snapshot = Snapshot()
        self.backfill_needed: dict[LocationKey, int] = {}
        self.version = 0
        self._load()

    def reload_if_changed(self) -> None:
        """Take over what another command, a backfill, wrote into the state."""
        with self._lock:
            if self._state.changed_elsewhere():
                self._load()

    def retain(self, keys: Container[LocationKey]) -> None:
        """Serve no other locations than these."""
        with self._lock:
            self._show(self.snapshot.keep_only(keys))

    def merge(
        self,
        location: Location,
        fetched: Sequence[FetchedMeter],
        calendar: Calendar,
        *,
        now: float,
        keep_from: int,
        complete: bool = True,
    ) -> list[Revision]:
        """Put what was fetched of a location over what is known, in the state and in a new snapshot.

        location: key, name and zone; its meters are the known ones. keep_from: what ended before it is forgotten.
        complete: the fetch brought all that it was meant to; only then are meters forgotten that it did not name.
        """
        with self._lock:
            # Another process may have written while the portal was being asked.
            self.reload_if_changed()
            before, former = self._before(location)
            known, known_by_other_clock = _by_number(before), _by_number(former)
            updates = {}
            for each in fetched:
                number = each.info.number
                update = update_meter(known.get(number), each, calendar, now=now, keep_from=keep_from)
                updates[number] = raise_versions(update, known_by_other_clock.get(number))
            meters = known | {number: update.meter for number, update in updates.items()}
            forgets = complete and updates
            kept = (
                meter
                for number in sorted(meters)
                if (meter := drop_before(meters[number], keep_from)).intervals or number in updates or not forgets
            )
            after = replace(location, meters=tuple(kept))
            days_to_do = {
                calendar.day(change.after.start).start
                for update in updates.values()
                for change in update.late
                if self._is_out_of_window(change, now)
            }
            newest = max((meter.intervals[-1].end for meter in known.values() if meter.intervals), default=keep_from)
            if updates and newest < keep_from:
                # Nothing was read for longer than a refresh reaches back.
                days_to_do.add(calendar.day(newest).start)
            self._state.save(after, updates.values(), days_to_do, keep_from)
            self._show(self.snapshot.with_location(after))
            if days_to_do:
                self.backfill_needed = self._needed()
                self.version += 1
        return [
            (direction, "older" if self._is_out_of_window(change, now) else "window")
            for update in updates.values()
            for change in update.changes
            if (direction := revision_direction(change))
        ]

    def _before(self, location: Location) -> tuple[Location | None, Location | None]:
        """What is known of a location, and what was known by another zone's clock, which is then forgotten."""
        # A location that was not served for a while may still be in the state.
        served = self.snapshot.locations.get(location.key)
        stored = served or next(iter(self._state.locations(lambda key: key == location.key)), None)
        if stored is None or stored.timezone in ("", location.timezone):
            return stored, None
        # Its days, and the instants of all its intervals, were those of another clock.
        self._state.forget(location.key)
        return None, stored

    def _show(self, snapshot: Snapshot) -> None:
        """Swap the snapshot; one in which nothing is different need not be rendered again."""
        if snapshot != self.snapshot:
            self.snapshot = snapshot
            self.version += 1

    def _load(self) -> None:
        stored = self._state.locations(self._is_read)
        self.snapshot = Snapshot({each.key: each for each in stored if self._is_of_our_clock(each)})
        self.backfill_needed = self._needed()
        self.version += 1

    def _is_read(self, key: LocationKey) -> bool:
        return self._zone_of(key) is not None

    def _is_of_our_clock(self, stored: Location) -> bool:
        zone = self._zone_of(stored.key)
        if stored.timezone in ("", zone):
            return True
        log.warning(
            "what is stored of location %s of account %s was placed by the zone %s, not %s: it is left out",
            *(stored.key.location, stored.key.account, stored.timezone, zone),
        )
        return False

    def _needed(self) -> dict[LocationKey, int]:
        return {key: day for key, day in self._state.backfill_needed().items() if self._is_read(key)}

    def _is_out_of_window(self, change: Change, now: float) -> bool:
        return timestamp_ms(change.after.end, 0) < (now - self._window) * 1000


def _by_number(location: Location | None) -> dict[str, Meter]:
    return {meter.info.number: meter for meter in location.meters} if location else {}
