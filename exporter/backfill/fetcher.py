"""Asking the portals for one chunk after the other, one ahead of the one that is being written."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, Full, Queue

from ..backoff import Backoff
from ..clock import Clock, Stopped
from ..errors import AccessError, PendingError, PortalError, ProtocolError, TransportError
from ..intervals.merge import PLACEHOLDER_AGE
from ..intervals.model import LocationKey
from ..portal.client import PortalClient
from ..portal.history import History, KnownMeters, LocationHistory
from ..portal.raw_series import RawSeries, raw_series
from ..portal.timezone import OffsetEvidence, ZoneState, ZoneVerdict, judge_zone
from ..portal.timezone_search import probe_other_season
from ..portal.usage import UsageAnswer
from .plan import Job

_WAITS = (5.0, 20.0, 60.0)  # seconds before a chunk is asked for again
_LOOK = 0.2  # seconds between looks at whether everything is to end


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of one chunk. zone: the verdict so far. series: for the layout that wants them as they are."""

    job: Job
    start: int
    end: int
    history: History
    zone: ZoneVerdict = field(default_factory=ZoneVerdict)
    series: tuple[RawSeries, ...] = ()

    @property
    def error(self) -> PortalError | None:
        """What kept some of it from coming."""
        return self.history.error


@dataclass(slots=True)
class _LocationState:
    """What is learnt of a location on the way."""

    history: LocationHistory
    series: list[RawSeries]
    steps: dict[str, int] | None = None
    connected: int | None = None


@dataclass(slots=True)
class _ZoneState:
    """What the answers of one login have shown of its portal's clock."""

    evidence: set[OffsetEvidence] = field(default_factory=set)
    has_probed: bool = False


class Fetcher:
    """Fetches chunks in a thread of its own: one poll at a time per login, and one chunk ahead.

    clients: by the number of their login. known_steps: the resolution of the meters of a job before any of its chunks
    is asked for; it may ask the portal and raise PortalError. retries: told why it waits before it asks again.
    wants_series: a sink wants the series as they are.
    """

    def __init__(
        self,
        clients: Mapping[int, PortalClient],
        known_steps: Callable[[Job], Mapping[str, int]],
        clock: Clock,
        retries: Callable[[str], None],
        *,
        wants_series: bool = False,
    ) -> None:
        self._clients = clients
        self._known_steps = known_steps
        self._clock = clock
        self._retries = retries
        self._wants_series = wants_series
        self._states: dict[LocationKey, _LocationState] = {}
        self._zones: dict[int, _ZoneState] = defaultdict(_ZoneState)
        self._results: Queue[Fetched | Exception | None] = Queue(maxsize=1)
        self._ended = threading.Event()
        self._room = threading.Semaphore()

    def fetch(self, chunks: Iterable[tuple[Job, int, int]]) -> Iterator[Fetched]:
        """The chunks, as they come. Days before a location was connected are passed over.

        Raises Stopped when everything is to end.
        """
        self._ended.clear()
        self._room = threading.Semaphore()
        thread = threading.Thread(target=self._work, args=(iter(chunks),), name="fetch", daemon=True)
        thread.start()
        try:
            while True:
                self._clock.sleep(0)  # raises Stopped, whatever the portal is doing
                with suppress(Empty):
                    result = self._results.get(timeout=_LOOK)
                    if result is None:
                        return
                    if isinstance(result, Exception):
                        raise result
                    self._room.release()
                    yield result
        finally:
            self._ended.set()

    def connected(self, key: LocationKey) -> int | None:
        """The start of the day on which a location was connected, as far as the portal told."""
        return self._states[key].connected if key in self._states else None

    def _work(self, chunks: Iterator[tuple[Job, int, int]]) -> None:
        try:
            self._wait_for_room()
            for job, start, end in chunks:
                connected = self.connected(job.key)
                if connected is None or end > connected:
                    fetched = self._fetch(job, start, end)
                    self._put(fetched)
                    if is_hopeless(fetched.error) or isinstance(fetched.error, TransportError):
                        break  # the runner raises it
                    self._wait_for_room()
            self._put(None)
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits for the result
            with suppress(Stopped):
                self._put(error)

    def _wait_for_room(self) -> None:
        """Until the chunk before is being written."""
        while not self._room.acquire(timeout=_LOOK):
            if self._ended.is_set():
                raise Stopped

    def _put(self, result: Fetched | Exception | None) -> None:
        while not self._ended.is_set():
            with suppress(Full):
                self._results.put(result, timeout=_LOOK)
                return
        raise Stopped

    def _fetch(self, job: Job, start: int, end: int) -> Fetched:
        state = self._state_of(job)
        if state.steps is None:
            error = self._learn_steps(job, state)
            if error is not None:
                return Fetched(job, start, end, History(error=error))
        assert state.steps is not None
        steps = state.steps
        # Whether zeros at the end of young data are placeholders shows only by what follows them (contract 3).
        now = int(self._clock.now())
        until = max(end, job.wall.day(now).end) if end > now - PLACEHOLDER_AGE else end

        def ask() -> History:
            state.series.clear()
            self._clients[job.source].begin()
            return state.history.fetch(start, until, KnownMeters(steps), try_hourly=True)

        history = self._ask_with_retry(ask)
        zone = self._judge_zone(job, history.evidence)
        state.connected = history.connected or state.connected
        steps.update({meter.info.number: meter.info.step for meter in history.meters if meter.info.step})
        return Fetched(job, start, end, history, zone, _joined(state.series))

    def _learn_steps(self, job: Job, state: _LocationState) -> PortalError | None:
        """Look at the meters as they are now; gives what kept that from being told."""

        def look() -> History:
            try:
                state.steps = dict(self._known_steps(job))
            except PortalError as error:
                return History(error=error)
            return History()

        return self._ask_with_retry(look).error

    def _judge_zone(self, job: Job, evidence: Iterable[OffsetEvidence]) -> ZoneVerdict:
        """Judge the zone by all chunks so far; where it is suspect, look once at the other half of the year."""
        seen = self._zones[job.source]
        seen.evidence.update(evidence)
        verdict = judge_zone(job.wall.zone, seen.evidence, job.location.bill_reads)
        if verdict.state is ZoneState.SUSPECT and not seen.has_probed:
            seen.has_probed = True
            with suppress(PortalError):
                seen.evidence.update(
                    probe_other_season(self._clients[job.source], job.location, int(self._clock.now()))
                )
            verdict = judge_zone(job.wall.zone, seen.evidence, job.location.bill_reads)
        return verdict

    def _ask_with_retry(self, ask: Callable[[], History]) -> History:
        """Ask again where that may help; what cannot be had is part of the history."""
        backoff = Backoff(_WAITS, self._clock, announce=self._retries)
        while True:
            history = ask()
            error = history.error
            if not isinstance(error, PendingError | TransportError) or is_hopeless(error) or not backoff.wait(error):
                return history

    def _state_of(self, job: Job) -> _LocationState:
        if job.key not in self._states:
            client = self._clients[job.source]
            series: list[RawSeries] = []

            def watch(answer: UsageAnswer, time_frame: str, start: int, end: int) -> None:
                series.extend(raw_series(answer, time_frame, job.wall, start, end))

            history = LocationHistory(
                client.usage, job.location.account, job.location.number, job.wall, watch if self._wants_series else None
            )
            self._states[job.key] = _LocationState(history, series)
        return self._states[job.key]


def is_hopeless(error: PortalError | None) -> bool:
    """Check whether nothing else can be had either: nobody is signed in, or nobody may be."""
    if error is None:
        return False
    return error.while_signing_in or not isinstance(error, AccessError | PendingError | ProtocolError | TransportError)


def _joined(parts: Iterable[RawSeries]) -> tuple[RawSeries, ...]:
    """One entry a series, from answers that come newest first."""
    points: dict[tuple[str, str], list[tuple[int, int, float, float | None]]] = {}
    for part in parts:
        points.setdefault((part.meter, part.name), []).extend(part.points)
    return tuple(RawSeries(*key, tuple(sorted(set(each)))) for key, each in points.items())
