"""Merge fetched readings into the current snapshot and the state file."""

import logging
import threading
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import replace

from ..intervals.days import Calendar
from ..intervals.industries import ELECTRIC
from ..intervals.merge import ENERGY_PLACEHOLDERS, Placeholders, volume_placeholders
from ..intervals.model import Location, LocationKey, Meter, Snapshot, with_value
from ..intervals.samples import timestamp_ms
from ..intervals.updates import FetchedMeter, drop_before, raise_versions, revision_direction, update_meter
from .state import StateFile

log = logging.getLogger(__name__)

Revision = tuple[str, str]
"""An interval whose energy the portal changed: direction (up, down) and reach (window, older)."""


class SnapshotStore:
    """Holds the current snapshot. Reads take no lock; changes are made one at a time.

    window: Seconds of the recent past that /metrics serves. zone_of: Returns the configured zone of a location, None if
    no login reads it. Data stored for such a location, or under another zone, is not served.

    snapshot: What is known now. backfill_needed: The start of the oldest local day with a change that has left the
    window, by location. version: A number that changes with both.
    """

    def __init__(self, state: StateFile, window: int, zone_of: Callable[[LocationKey], str | None]) -> None:
        self._state = state
        self._window = window
        self._zone_of = zone_of
        self._lock = threading.RLock()
        self.snapshot = Snapshot()
        self.backfill_needed: dict[LocationKey, int] = {}
        self.version = 0
        self._retained: Container[LocationKey] | None = None
        self._load()

    @property
    def is_kept(self) -> bool:
        """Whether everything is saved in the state."""
        return self._state.is_kept

    @property
    def problem(self) -> str:
        """Why the state cannot be saved now; empty if it can, or if there is no file."""
        return self._state.problem

    def reload_if_changed(self) -> None:
        """Load what another command, such as a backfill, wrote to the state; save what could not be saved before."""
        with self._lock:
            if self._state.changed_elsewhere():
                self._load()

    def retain(self, keys: Container[LocationKey]) -> None:
        """Serve only these locations, and those that are merged from now on."""
        with self._lock:
            if keys is not self._retained:
                self._retained = keys
                kept = {key: each for key, each in self.snapshot.locations.items() if key in keys}
                if len(kept) < len(self.snapshot.locations):
                    self._show(Snapshot(kept))

    def merge(
        self,
        location: Location,
        fetched: Sequence[FetchedMeter],
        calendar: Calendar,
        *,
        now: float,
        keep_from: int,
        complete: bool = True,
        clock_was_set: bool = False,
        industry: str = ELECTRIC,
    ) -> list[Revision]:
        """Merge fetched readings of one industry into the state and a new snapshot; return the revisions.

        location: Its key, name and zone; the meters come from what is known and fetched. now: Seconds UTC.
        keep_from: Intervals that ended before it are dropped. complete: Whether everything was fetched. Only then are
        meters dropped that have no intervals left and were not in the answer. clock_was_set: Days that seem to have
        passed since the last merge did not, so only changes of known intervals may need a backfill.
        """
        with self._lock:
            # Another process may have written during the fetch.
            self.reload_if_changed()
            before, former = self._before(location)
            known, known_in_other_zone = _by_number(before), _by_number(former)
            placeholders = _placeholders(industry, known.values())
            updates = {}
            for each in fetched:
                number = each.info.number
                update = update_meter(
                    known.get(number), each, calendar, now=now, keep_from=keep_from, placeholders=placeholders
                )
                updates[number] = raise_versions(update, known_in_other_zone.get(number))
            meters = known | {number: update.meter for number, update in updates.items()}
            forgotten = industry if complete and updates else None
            kept = (
                meter
                for number in sorted(meters)
                if (meter := drop_before(meters[number], keep_from)).intervals
                or number in updates
                or meter.info.industry != forgotten
            )
            after = replace(location, meters=tuple(kept))
            days_to_do = {
                calendar.day(start).start
                for update in updates.values()
                for start, end, was_known in update.late
                if self._is_out_of_window(end, now) and (was_known or not clock_was_set)
            }
            newest = _newest(known.values(), keep_from)
            has_newer = any(update.newest > keep_from for update in updates.values())
            if has_newer and newest < keep_from and not clock_was_set:
                # Nothing was read for longer than a refresh reaches back, so the days between are missing.
                days_to_do.add(calendar.day(newest).start)
            # The days, and the instants of all intervals, may have been those of another zone.
            self._state.save(before, after, replaces_all=before is None, needed_days=days_to_do, keep_from=keep_from)
            if after != self.snapshot.locations.get(location.key):
                self._show(self.snapshot.with_location(after))
            if location.key in self.backfill_needed and _newest(after.meters, 0) <= now:
                # /metrics carries these days, so the clock was ahead when their changes seemed to be late.
                self._state.backfilled(location.key, int(now - self._window), int(now))
            if days_to_do or location.key in self.backfill_needed:
                self._note_needed(location.key)
        return [
            (direction, "older" if self._is_out_of_window(change.after.end, now) else "window")
            for update in updates.values()
            for change in update.revised
            if (direction := revision_direction(change))
        ]

    def _before(self, location: Location) -> tuple[Location | None, Location | None]:
        """Return what is known of a location, and what was known under another zone."""
        # A location that is not served may still be in the state.
        served = self.snapshot.locations.get(location.key)
        stored = served or self._state.location(location.key)
        if stored is None or stored.timezone in ("", location.timezone):
            return stored, None
        return None, stored

    def _show(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.version += 1

    def _note_needed(self, key: LocationKey) -> None:
        """Look up the oldest day of a location that needs a backfill."""
        day = self._state.backfill_needed(key).get(key) if self._is_read(key) else None
        known = self.backfill_needed
        if day != known.get(key):
            needed = dict(known) if day is None else with_value(known, key, day)
            if day is None:
                del needed[key]
            self.backfill_needed = needed
            self.version += 1

    def _load(self) -> None:
        stored = {each.key: each for each in self._state.locations(self._is_read)}
        for key in self.snapshot.locations.keys() - stored.keys():
            # The file was deleted or set aside.
            stored[key] = self.snapshot.locations[key]
            self._state.save(None, stored[key], needed_days=[*filter(None, [self.backfill_needed.get(key)])])
        needed = self._state.backfill_needed()
        self.backfill_needed = {key: day for key, day in needed.items() if self._is_read(key)}
        self._retained = None
        self._show(Snapshot({key: each for key, each in sorted(stored.items()) if self._is_in_our_zone(each)}))

    def _is_read(self, key: LocationKey) -> bool:
        return self._zone_of(key) is not None

    def _is_in_our_zone(self, stored: Location) -> bool:
        zone = self._zone_of(stored.key)
        if stored.timezone in ("", zone):
            return True
        log.warning(
            "ignoring the saved data of location %s of account %s: it was stored for time zone %s, but %s is"
            " configured; the next refresh reads it again",
            *(stored.key.location, stored.key.account, stored.timezone, zone),
        )
        return False

    def _is_out_of_window(self, end: int, now: float) -> bool:
        return timestamp_ms(end, 0) < (now - self._window) * 1000


def _placeholders(industry: str, meters: Iterable[Meter]) -> Placeholders:
    """Return which zeros of an industry are held back beside these meters of the location."""
    if industry == ELECTRIC:
        return ENERGY_PLACEHOLDERS
    electric = [meter for meter in meters if meter.info.industry == ELECTRIC and meter.intervals]
    return volume_placeholders(_newest(electric, 0) or None)


def _newest(meters: Iterable[Meter], default: int) -> int:
    """Return the end of the newest interval."""
    return max((meter.intervals[-1].end for meter in meters if meter.intervals), default=default)


def _by_number(location: Location | None) -> dict[str, Meter]:
    return {meter.info.number: meter for meter in location.meters} if location else {}
