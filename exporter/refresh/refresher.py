"""The background refresh: one thread per login reads its portal into the store."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Protocol, TypeVar

from ..clock import Clock, Stopped
from ..config import ExporterConfig, Login
from ..errors import AccessError, PortalError, ProtocolError, Reason
from ..formatting import counted
from ..intervals.model import DAILY, Location, LocationKey
from ..listing import list_locations, listed_before
from ..locations import (
    MOST_LOCATIONS,
    choose,
    configured_submeters,
    is_configured,
    location_name,
    nothing_to_read_message,
    told_name,
    unseen_message,
)
from ..lockout import Lockout
from ..portal.accounts import AccountLocation
from ..portal.client import PortalClient
from ..portal.directions import UnusualWords, about_word
from ..portal.history import LocationHistory
from ..portal.identity import site_name
from ..portal.timezone import OffsetEvidence
from ..portal.timezone_search import bill_reads_of
from ..portal.walltime import WallClock
from ..portal.zone_judge import ZoneJudge
from ..storage.snapshots import SnapshotStore
from ..storage.state import StateFile
from .ownership import Ownership
from .reading import LocationReader
from .schedule import RefreshWaits
from .status import Failure, LocationStatus, LoginStatus

log = logging.getLogger(__name__)

_LIST_EVERY = 24 * 3600  # seconds between two requests for the list of locations
_NEVER = float("-inf")
_LOOK_AT_STATE = 10.0  # seconds between two checks whether a backfill wrote to the state, or it can be written again
_UNREACHABLE = 2  # locations in a row; after these the rest are not requested

_Result = TypeVar("_Result")


class RefreshCounters(Protocol):
    """Counters of one login's refreshes."""

    def refreshed(self, failures: Iterable[Reason]) -> None:
        """Count a refresh, and each reason why some of it failed."""
        ...

    def revised(self, direction: str, reach: str) -> None:
        """Count an interval that the portal changed."""
        ...

    def portal_call(self, endpoint: str, code: str, seconds: float) -> None:
        """Count a call to the portal."""
        ...


class LoginRefresher:
    """Refreshes one login: `refresh` once, `run` until the clock is stopped."""

    def __init__(
        self,
        index: int,
        login: Login,
        config: ExporterConfig,
        *,
        store: SnapshotStore,
        state: StateFile,
        ownership: Ownership,
        counters: RefreshCounters,
        clock: Clock,
    ) -> None:
        assert login.zone is not None
        self.login = login
        self._index = index
        self._config = config
        self._store = store
        self._state = state
        self._ownership = ownership
        self._counters = counters
        self._clock = clock
        self._wall = WallClock(login.zone)
        self._client = PortalClient(login, Lockout(login, state, clock), clock, self._counters.portal_call)
        self._states: dict[LocationKey, _LocationState] = {}
        self._list = partial(list_locations, login, self._client, state)
        self._found: Sequence[AccountLocation] | None = None
        self._found_at = _NEVER
        self._named_at = _NEVER
        self._portal_name: tuple[str, str] | None = None
        self._waits = RefreshWaits(config.refresh_interval)
        self._judge = ZoneJudge(login, self._client, state, clock)
        self._judged: frozenset[OffsetEvidence] | None = None
        self._has_new_evidence = False
        self._warned: set[str] = set()
        self._words = UnusualWords()
        stored = [key for key in store.snapshot.locations if is_configured(login, key)]
        self.status = LoginStatus(zone=self._judge.verdict, locations=dict.fromkeys(stored, LocationStatus(up=False)))

    def run(self) -> None:
        """Refresh now and then periodically, until the clock is stopped."""
        try:
            self._guard(self._expect)
            while True:
                self._rest(self.refresh())
        except Stopped:
            pass
        finally:
            self._client.close()

    def _expect(self) -> None:
        """Announce which locations the login will probably read, before the portal is asked."""
        locations, _ = choose(self.login, listed_before(self.login, self._state))
        self._ownership.expect(self._index, (each.key(self.login.portal.label) for each in locations))

    def _rest(self, seconds: float) -> None:
        """Wait, and meanwhile load what a backfill with the same state has written."""
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, _LOOK_AT_STATE))
            self._guard(self._store.reload_if_changed)

    def refresh(self) -> float:
        """Refresh once without ever raising. Returns the seconds until the next refresh."""
        started = self._clock.now()
        ticks = self._clock.monotonic()
        result = self._guard(partial(self._attempt, started))
        if isinstance(result, PortalError):
            result = _RefreshResult(dict.fromkeys(self.status.locations, _down(result)), [result])
        if any(error.reason.is_rejected_sign_in for error in result.errors):
            self._ownership.failed(self._index, is_rejected=True)
        return self._publish(result, started, ticks)

    def _guard(self, action: Callable[[], _Result]) -> _Result | PortalError:
        """Return the result of `action`, or its error: only Stopped may end the thread."""
        try:
            return action()
        except PortalError as error:
            return error
        except Stopped:
            raise
        except Exception:
            log.exception(
                "login %s: internal error during refresh (bug); please report it with this log", self.login.name
            )
            return ProtocolError(
                "internal error (bug)", about=f"login {self.login.name}", advice="please report it with the log"
            )

    # -- one refresh

    def _attempt(self, now: float) -> "_RefreshResult":
        self._store.reload_if_changed()
        self._client.begin()
        result = _RefreshResult()
        own = self._claim(self._discover(), result)
        for key in own:
            error = self._guard(partial(self._refresh_location, key, own, now))
            result.add(key, error)
            if result.is_hopeless:
                result.locations = dict.fromkeys(own, _down(result.errors[-1])) | result.locations
                return result
        if self._has_new_evidence and self._judged is not None:
            self._judge_zone(own)  # without what it replaced
        return result

    def _discover(self) -> Sequence[AccountLocation]:
        """Return the locations that the login sees.

        `user-data` is requested once per day, or at each refresh while something else has to do. If nothing lists any,
        the last known ones are used.
        """
        # Monotonic, because the system clock may be corrected by years at any time.
        ticks = self._clock.monotonic()
        if self._found is not None and ticks - self._found_at < _LIST_EVERY:
            return self._found
        try:
            listing = self._list()
        except PortalError as error:
            if self._found is None or error.while_signing_in:
                self._ownership.failed(self._index)
                raise
            self._warn_once(f"{Failure.of(error).message}; using the locations that are already known")
            return self._found
        if listing.warning:
            self._warn_once(listing.warning)
        self._found, self._found_at = listing.locations, _NEVER if listing.warning else ticks
        if ticks - self._named_at >= _LIST_EVERY:
            self._named_at = ticks
            self._guard(self._ask_for_name)
        return self._found

    def _ask_for_name(self) -> None:
        """Ask the portal for its own name. Raises PortalError, which affects nothing else."""
        portal = self.login.portal
        if name := site_name(portal, self._clock, self._counters.portal_call):
            self._portal_name = portal.label, name

    def _claim(self, found: Sequence[AccountLocation], result: "_RefreshResult") -> dict[LocationKey, AccountLocation]:
        """Return the locations that this login reads.

        Locations that are configured but not found are added to the result as failed.
        """
        locations, missing = choose(self.login, found)
        if missing or not locations:
            self._found_at = _NEVER  # may be temporary, so request the list again at the next refresh
        if len(locations) == MOST_LOCATIONS:
            self._warn_once(f"{MOST_LOCATIONS} locations or more; only the first {MOST_LOCATIONS} are read")
        by_key = {location.key(self.login.portal.label): location for location in locations}
        own = self._ownership.claim(self._index, by_key)
        all_locations = self._ownership.all_locations()
        if all_locations is not None:
            self._store.retain(all_locations)
        for choice in missing:
            error = AccessError(unseen_message(self.login, choice, found))
            result.add(LocationKey(self.login.portal.label, choice.account or "", choice.service_location or ""), error)
        if not locations and not missing:
            raise AccessError(nothing_to_read_message(self.login, found))
        return {key: location for key, location in by_key.items() if key in own}

    def _refresh_location(
        self, key: LocationKey, own: Mapping[LocationKey, AccountLocation], now: float
    ) -> PortalError | None:
        """Fetch and merge one of the login's own locations. Returns why some of it is missing, if so."""
        location = own[key]
        if key not in self._states:
            submeters = configured_submeters(self.login, location)
            history = LocationHistory(
                self._client.usage, location.account, location.number, self._wall, submeters=submeters
            )
            self._states[key] = _LocationState(self._reader(key, history))
        state = self._states[key]
        fetched = state.reader.fetch(now)
        if state.reader.was_full and fetched.evidence and fetched.evidence != state.evidence:
            state.evidence, self._has_new_evidence = fetched.evidence, True
        state.is_hourly |= any(meter.info.step < DAILY for meter in fetched.meters if meter.readings)
        if state.is_hourly and (state.reader.was_full or self._judge.error):
            self._check_zone(key, own)  # before anything wrong is served
        for revision in state.reader.merge(self._described(key, location), fetched, now):
            self._counters.revised(*revision)
        for warning in fetched.warnings:
            self._warn_once(f"location {key.location} of account {key.account}: {warning}")
        for word in self._words.new(fetched.words):
            log.warning(
                "login %s: location %s of account %s: %s", self.login.name, key.location, key.account, about_word(word)
            )
        return fetched.error

    def _reader(self, key: LocationKey, history: LocationHistory) -> LocationReader:
        return LocationReader(key, history, self._store, self._wall, self._clock, self._config.window)

    def _described(self, key: LocationKey, location: AccountLocation) -> Location:
        """Return a location with its name and zone, without meters."""
        name = location_name(told_name(self.login, location), self._store.snapshot.locations.get(key))
        return Location(key, name, str(self._wall.zone))

    def _check_zone(self, key: LocationKey, own: Mapping[LocationKey, AccountLocation]) -> None:
        if self._judge.error or self._judged is None or not self._judged.issuperset(self._states[key].evidence):
            self._judge_zone(own)
        if self._judge.verdict.is_contradicted:
            locations = {key: LocationStatus(up=False), **self.status.locations}
            self.status = replace(self.status, zone=self._judge.verdict, locations=locations)

    def _judge_zone(self, own: Mapping[LocationKey, AccountLocation]) -> None:
        """Judge the zone by the last evidence of every location."""
        shown = {own[each]: state.evidence for each, state in self._states.items() if each in own and state.is_hourly}
        self._judged = frozenset(chain.from_iterable(shown.values()))
        self._has_new_evidence = False
        verdict = self._judge.judge(shown, bill_reads_of(own.values()))
        if verdict.is_contradicted:
            self._warn_once(f"data is withheld from /metrics: {verdict.message}")
        elif verdict.message:
            self._warn_once(verdict.message)

    def _warn_once(self, warning: str) -> None:
        """Log a warning once instead of at every refresh."""
        if warning not in self._warned:
            self._warned.add(warning)
            log.warning("login %s: %s", self.login.name, warning)

    # -- the result

    def _publish(self, result: "_RefreshResult", started: float, ticks: float) -> float:
        before = self.status
        errors = result.errors
        wait = self._waits.after(errors)
        self._counters.refreshed({error.reason for error in errors})
        self.status = LoginStatus(
            up=not errors,
            failures=tuple(map(Failure.of, errors)),
            last_refresh=started,
            last_success=before.last_success if errors else started,
            failing_since=(before.failing_since or started) if errors else 0.0,
            duration=self._clock.monotonic() - ticks,
            next_refresh=self._clock.now() + wait,
            zone=self._judge.verdict,
            portal_name=self._portal_name,
            locations=result.locations,
        )
        if errors and self.status.message != before.message:
            log.error("%s", self.status.message)
        elif not errors and not before.up:
            log.info("login %s: refreshed, %s", self.login.name, counted(len(result.locations), "location"))
        return wait


@dataclass(slots=True)
class _LocationState:
    """What is kept of a location between refreshes."""

    reader: LocationReader
    evidence: Sequence[OffsetEvidence] = ()
    is_hourly: bool = False


@dataclass(slots=True)
class _RefreshResult:
    """The result of one refresh so far."""

    locations: dict[LocationKey, LocationStatus] = field(default_factory=dict)
    errors: list[PortalError] = field(default_factory=list)
    unreachable: int = 0

    def add(self, key: LocationKey, error: PortalError | None) -> None:
        self.locations[key] = _down(error) if error else LocationStatus(up=True)
        self.unreachable = self.unreachable + 1 if error and error.reason is Reason.TRANSPORT else 0
        if error:
            self.errors.append(error)

    @property
    def is_hopeless(self) -> bool:
        """Whether the other locations would fail too: the login is signed out, or the portal is down."""
        is_signed_out = bool(self.errors) and self.errors[-1].while_signing_in
        return is_signed_out or self.unreachable >= _UNREACHABLE


def _down(error: PortalError) -> LocationStatus:
    return LocationStatus(up=False, failure=Failure.of(error))


class Refresher:
    """The refreshes of all logins, each in its own thread."""

    def __init__(self, logins: Sequence[LoginRefresher]) -> None:
        self.logins = tuple(logins)
        self._threads = [
            threading.Thread(target=login.run, name=f"refresh-{login.login.name}", daemon=True) for login in logins
        ]

    def start(self) -> None:
        """Start refreshing."""
        for thread in self._threads:
            thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether every login is still being refreshed."""
        return all(thread.is_alive() for thread in self._threads)

    def statuses(self) -> dict[str, LoginStatus]:
        """Return the status of each login, by name."""
        return {login.login.name: login.status for login in self.logins}
