"""The one place where knowledge changes: fetched readings become the next snapshot and the next state."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ..intervals.days import Calendar
from ..intervals.model import Change, Interval, Location, LocationKey, Meter, Snapshot
from ..intervals.samples import timestamp_ms
from ..intervals.updates import FetchedMeter, MeterUpdate, drop_before, raise_versions, revision_direction, update_meter
from .state import StateFile

log = logging.getLogger(__name__)

Revision = tuple[str, str]
"""An interval whose energy the portal changed: direction (up, down) and reach (window, older)."""


class SnapshotStore:
    """Holds the present snapshot. Reading it takes no lock; changing it goes one at a time.

    window: seconds of the recent past that /metrics carries. zone_of: the configured zone of a location, None if no
    login reads it. What was stored of such a location, or by another zone's clock, is not served.
    """

    def __init__(
        self,
        state: StateFile,
        window: int,
        zone_of: Callable[[LocationKey], str | None],
    ) -> None:
        self._state = state
        self._window = window
        self._zone_of = zone_of
        self._lock = threading.Lock()
        self._backfill_needed = self._needed()
        self._snapshot = Snapshot()
        self._version = 0
        self._load()

    @property
    def snapshot(self) -> Snapshot:
        """What is known now."""
        return self._snapshot

    @property
    def version(self) -> int:
        """Changes with the snapshot and with what a backfill is needed for."""
        return self._version

    @property
    def backfill_needed(self) -> dict[LocationKey, int]:
        """The start of the oldest local day with a change that the window no longer carries."""
        return self._backfill_needed

    def reload_if_changed(self) -> None:
        """Take over what another command, a backfill, wrote into the state."""
        with self._lock:
            self._take_over()

    def _take_over(self) -> None:
        if self._state.changed_elsewhere():
            self._load()
            self._backfill_needed = self._needed()
            self._version += 1

    def retain(self, keys: Iterable[LocationKey]) -> None:
        """Serve no other locations than these."""
        with self._lock:
            self._show(self._snapshot.keep_only(keys))

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
            self._take_over()
            before, former = self._before(location)
            updates = self._updates(before, fetched, calendar, now=now, keep_from=keep_from)
            if former:
                meters = {meter.info.number: meter for meter in former.meters}
                updates = [raise_versions(update, meters.get(update.meter.info.number)) for update in updates]
            complete = complete and bool(fetched)
            after = replace(location, meters=_kept(before, updates, keep_from, complete=complete))
            days_to_do = self._days_to_do(before, updates, calendar, now=now, keep_from=keep_from)
            self._state.save(
                after,
                [(update.meter.info.number, _after(update.changes), _after(update.days)) for update in updates],
                days_to_do,
                keep_from,
                [(update.meter.info.number, start) for update in updates for start in update.dropped],
            )
            self._show(self._snapshot.with_location(after))
            if days_to_do:
                self._backfill_needed = self._needed()
                self._version += 1
        return self._revisions([change for update in updates for change in update.changes], now)

    def _before(self, location: Location) -> tuple[Location | None, Location | None]:
        """What is known of a location, and what was known by another zone's clock, which is then forgotten."""
        before = self._snapshot.locations.get(location.key) or self._stored(location.key)
        if before and before.timezone not in ("", location.timezone):
            # Its days, and the instants of all its intervals, were those of another clock.
            self._state.forget(location.key)
            return None, before
        return before, None

    def _updates(
        self,
        before: Location | None,
        fetched: Sequence[FetchedMeter],
        calendar: Calendar,
        *,
        now: float,
        keep_from: int,
    ) -> list[MeterUpdate]:
        meters = {meter.info.number: meter for meter in before.meters} if before else {}
        return [
            update_meter(meters.get(each.info.number), each, calendar, now=now, keep_from=keep_from) for each in fetched
        ]

    def _days_to_do(
        self,
        before: Location | None,
        updates: Sequence[MeterUpdate],
        calendar: Calendar,
        *,
        now: float,
        keep_from: int,
    ) -> set[int]:
        """The starts of the days with changes that no scrape will see any more."""
        late = [change for update in updates for change in update.late if self._is_out_of_window(change, now)]
        days = {calendar.day(change.after.start).start for change in late}
        return days | _days_out_of_reach(before, calendar, keep_from) if before and updates else days

    def _show(self, snapshot: Snapshot) -> None:
        """Swap the snapshot; one in which nothing is different need not be rendered again."""
        if snapshot is not self._snapshot:
            self._snapshot = snapshot
            self._version += 1

    def _load(self) -> None:
        stored = self._state.locations(self._is_read)
        self._snapshot = Snapshot({each.key: each for each in stored if self._is_of_our_clock(each)})

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

    def _stored(self, key: LocationKey) -> Location | None:
        """A location that was not served for a while may still be in the state."""
        return next(iter(self._state.locations(lambda stored: stored == key)), None)

    def _revisions(self, changes: Sequence[Change], now: float) -> list[Revision]:
        counts: list[Revision] = []
        for change in changes:
            direction = revision_direction(change)
            if direction:
                counts.append((direction, "older" if self._is_out_of_window(change, now) else "window"))
        return counts

    def _is_out_of_window(self, change: Change, now: float) -> bool:
        return timestamp_ms(change.after.end, 0) < (now - self._window) * 1000


def _days_out_of_reach(before: Location, calendar: Calendar, keep_from: int) -> set[int]:
    """Where nothing was read for longer than a refresh reaches back: the day on which that began."""
    newest = [meter.intervals[-1].end for meter in before.meters if meter.intervals]
    return {calendar.day(max(newest)).start} if newest and max(newest) < keep_from else set()


def _kept(
    before: Location | None, updates: Sequence[MeterUpdate], keep_from: int, *, complete: bool
) -> tuple[Meter, ...]:
    """All meters of a location, by number; one that was not named in a complete fetch only as long as it has data."""
    meters = {meter.info.number: meter for meter in before.meters} if before else {}
    meters.update({update.meter.info.number: update.meter for update in updates})
    named = {update.meter.info.number for update in updates}
    return tuple(
        meter
        for number, each in sorted(meters.items())
        if (meter := drop_before(each, keep_from)).intervals or number in named or not complete
    )


def _after(changes: Iterable[Change]) -> list[Interval]:
    return [change.after for change in changes]
