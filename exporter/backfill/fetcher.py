"""Fetch chunks from the portals, ahead of the chunk that is being written."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TypeGuard

from ..backoff import Backoff, retry
from ..clock import Clock
from ..errors import AccessError, PendingError, PortalError, ProtocolError, SmartHubError, TransportError
from ..intervals.merge import PLACEHOLDER_AGE
from ..intervals.model import LocationKey
from ..portal.accounts import AccountLocation
from ..portal.client import PortalClient
from ..portal.history import History, KnownMeters, LocationHistory
from ..portal.query import UsageQuery
from ..portal.raw_series import RawPoint, RawSeries, raw_series
from ..portal.timezone import OffsetEvidence, ZoneState, ZoneVerdict
from ..portal.timezone_search import bill_reads_of
from ..portal.usage_answer import UsageAnswer
from ..portal.zone_judge import ZoneJudge
from .plan import Job, JobChunk, KnownSteps
from .retry import in_background, outcome

_WAITS = (5.0, 20.0, 60.0)  # seconds before each retry


@dataclass(frozen=True, slots=True)
class Fetched:
    """One fetched chunk.

    `zone` is the verdict on the time zone so far. `series` are the portal's own series, for the layout that needs them.
    """

    job: Job
    start: int
    end: int
    history: History
    zone: ZoneVerdict = field(default_factory=ZoneVerdict)
    series: tuple[RawSeries, ...] = ()

    @property
    def error(self) -> PortalError | None:
        """Why some of the chunk is missing."""
        return self.history.error


@dataclass(slots=True)
class _LocationState:
    """What is known about a location so far.

    is_sure: whether HOURLY requests failed in all retries while DAILY ones were answered.
    """

    history: LocationHistory
    series: dict[tuple[str, str], set[RawPoint]]
    steps: dict[str, int] | None = None
    is_sure: bool = False


@dataclass
class Fetcher:
    """Fetches chunks in a background thread, one ahead of the chunk that is being written.

    Chunks are put together one after the other. The requests of the next ones are sent meanwhile, as far as a
    client's concurrency allows: with two, a poll can start while another one is pending, and at most three chunks are
    in memory. Once the portal is overloaded, nothing is asked ahead.

    `clients` and `judges` have a client and a judge of the zone per login number. `known_steps` returns the resolution
    of a job's meters before the first chunk is fetched; it may call the portal and raise PortalError. `retries`
    receives the reason for each wait before a retry. `wants_series` is set if the sink needs the portal's own series.
    """

    clients: Mapping[int, PortalClient]
    judges: Mapping[int, ZoneJudge]
    known_steps: Callable[[Job], KnownSteps]
    clock: Clock
    retries: Callable[[str], None]
    wants_series: bool = False

    def __post_init__(self) -> None:
        self._states: dict[LocationKey, _LocationState] = {}
        self._upcoming: Sequence[JobChunk] = ()  # the chunk that is fetched now, and those after it
        self._expected: list[UsageQuery] = []  # what is left to ask for that chunk, if nothing fails
        self._ahead: dict[UsageQuery, tuple[JobChunk, Future[UsageAnswer]]] = {}
        self._is_wanted: Callable[[JobChunk], bool]
        self._notice: Callable[[Fetched], None]
        self._evidence: dict[int, dict[AccountLocation, set[OffsetEvidence]]] = defaultdict(lambda: defaultdict(set))

    def fetch(
        self,
        chunks: Sequence[JobChunk],
        is_wanted: Callable[[JobChunk], bool] = lambda _: True,
        notice: Callable[[Fetched], None] = lambda _: None,
    ) -> Iterator[Fetched]:
        """Fetch the chunks in order.

        `is_wanted` is asked before each chunk, and before one is asked for ahead. `notice` is called with each chunk
        before the next one is considered. Raises Stopped when the program ends.
        """
        self._is_wanted = is_wanted
        self._notice = notice
        results = self._results(chunks)
        upcoming = in_background(partial(next, results, None))
        while (fetched := outcome(upcoming, self.clock)) is not None:
            upcoming = in_background(partial(next, results, None))
            yield fetched

    def _results(self, chunks: Sequence[JobChunk]) -> Iterator[Fetched]:
        for number, chunk in enumerate(chunks):
            if self._is_wanted(chunk):
                self._upcoming = chunks[number:]
                self._ahead = {query: each for query, each in self._ahead.items() if each[0] in self._upcoming}
                self._expected = self._queries(chunk)
                fetched = self._fetch(*chunk)
                self._notice(fetched)
                yield fetched
                if ends_run(fetched.error):
                    return  # the runner raises it

    def _fetch(self, job: Job, start: int, end: int) -> Fetched:
        state = self._state_of(job)
        if state.steps is None:
            self._ask_ahead()
            try:
                state.steps = self._known_steps(job, state)
            except PortalError as error:
                return Fetched(job, start, end, History(error=error))
        steps = state.steps
        until = self._until(job, end)
        backoff = self._backoff()
        while True:
            state.series.clear()
            self.clients[job.source].begin()
            history = state.history.fetch(start, until, KnownMeters(steps), try_hourly=True)
            # The last error is part of the history.
            doubt = history.error or (None if state.is_sure else history.doubt)
            if not (_may_pass(doubt) and backoff.wait(doubt)):
                break
        state.is_sure |= history.doubt is not None
        state.steps = {**steps, **{meter.info.number: meter.info.step for meter in history.meters if meter.info.step}}
        zone = self._judge_zone(job, history.evidence, KnownMeters(state.steps))
        doubt = self.judges[job.source].error
        if zone.state is ZoneState.SUSPECT and ends_run(doubt):
            return Fetched(job, start, end, History(error=doubt))  # data at wrong hours would stay in a database
        # Answers arrive newest first.
        series = tuple(RawSeries(*key, tuple(sorted(points))) for key, points in state.series.items())
        return Fetched(job, start, end, history, zone, series)

    def _known_steps(self, job: Job, state: _LocationState) -> dict[str, int]:
        """Return the current resolution of a job's meters. Raises PortalError."""
        backoff = self._backoff()
        while True:
            known = retry(lambda: self.known_steps(job), backoff, if_=_may_pass)
            if not (_may_pass(known.doubt) and backoff.wait(known.doubt)):
                state.is_sure = known.doubt is not None
                return {**known.steps}

    def _until(self, job: Job, end: int) -> int:
        """Return the end of the days to ask for.

        Only later values show whether trailing zeros are placeholders: docs/samples.md, "Intervals and days".
        """
        now = int(self.clock.now())
        return max(end, job.wall.day(now).end) if end > now - PLACEHOLDER_AGE else end

    def _queries(self, chunk: JobChunk) -> list[UsageQuery]:
        job, start, end = chunk
        return self._state_of(job).history.expected(start, self._until(job, end))

    def _ask(self, client: PortalClient, query: UsageQuery) -> UsageAnswer:
        """Return the answer to a query, which may have been asked ahead. Raises PortalError."""
        _, asked = self._ahead.pop(query, (None, None))
        if query in self._expected:
            self._expected.remove(query)
        # A sign-in that failed must not be tried again for the next chunk.
        if asked is None or not asked.done() or asked.exception() is None:
            self._ask_ahead()
        try:
            return asked.result() if asked else client.usage(query)
        except PortalError:
            self._expected = []  # other ranges come instead
            raise

    def _ask_ahead(self) -> None:
        """Ask what comes next, as long as less is in progress or waiting than allowed, without the current query."""
        job = self._upcoming[0][0]
        most = 1 if any(each.is_overloaded for each in self.clients.values()) else self.clients[job.source].concurrency
        for chunk, query in islice(self._next_queries(), most - 1):
            if query not in self._ahead:
                asked = in_background(partial(self.clients[chunk[0].source].usage, query))
                self._ahead[query] = chunk, asked

    def _next_queries(self) -> Iterator[tuple[JobChunk, UsageQuery]]:
        current, *others = self._upcoming
        yield from ((current, query) for query in self._expected)
        for chunk in filter(self._is_wanted, others):
            if current[0].from_first and chunk[0] is not current[0]:
                return  # it is not known yet whether more of this location comes first
            if not self._state_of(chunk[0]).history.is_halving:
                yield from ((chunk, query) for query in self._queries(chunk))

    def _judge_zone(self, job: Job, evidence: Iterable[OffsetEvidence], known: KnownMeters) -> ZoneVerdict:
        """Judge the zone by all chunks of a login so far."""
        shown = self._evidence[job.source]
        if known.some_hourly:
            shown[job.location].update(evidence)
        return self.judges[job.source].judge(shown, bill_reads_of([job.location, *shown]))

    def _backoff(self) -> Backoff:
        return Backoff(_WAITS, self.clock, announce=self.retries)

    def _state_of(self, job: Job) -> _LocationState:
        if job.key not in self._states:
            client = self.clients[job.source]
            series: dict[tuple[str, str], set[RawPoint]] = defaultdict(set)

            def watch(answer: UsageAnswer, time_frame: str, start: int, end: int) -> None:
                for each in raw_series(answer, time_frame, job.wall, start, end):
                    series[each.meter, each.name].update(each.points)

            history = LocationHistory(
                partial(self._ask, client),
                job.location.account,
                job.location.number,
                job.wall,
                watch if self.wants_series else None,
                submeters=job.submeters,
            )
            self._states[job.key] = _LocationState(history, series)
        return self._states[job.key]


def is_hopeless(error: PortalError | None) -> TypeGuard[PortalError]:
    """Check whether other chunks would fail too, because the sign-in failed."""
    return error is not None and (
        error.while_signing_in or not isinstance(error, AccessError | PendingError | ProtocolError | TransportError)
    )


def ends_run(error: PortalError | None) -> bool:
    """Check whether no other chunk is fetched after this error."""
    return is_hopeless(error) or isinstance(error, TransportError)


def _may_pass(error: SmartHubError | None) -> bool:
    return isinstance(error, PendingError | TransportError) and not error.while_signing_in
