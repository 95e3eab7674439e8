"""Test fetching: one chunk ahead, retries, and where it ends."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from exporter.backfill.fetcher import Fetched, Fetcher
from exporter.backfill.plan import Job, KnownSteps, in_order
from exporter.clock import Stopped, SystemClock
from exporter.errors import AccessError, CredentialsError, PendingError, PortalError, ProtocolError, TransportError
from exporter.portal.accounts import AccountLocation
from exporter.portal.client import PortalClient
from exporter.portal.query import HOURLY, UsageQuery
from exporter.portal.timezone import ZoneVerdict
from exporter.portal.usage_answer import UsageAnswer
from exporter.portal.zone_judge import ZoneJudge

from ..support.clocks import ManualClock
from ..support.jobs import BARN, job
from ..support.poll_double import Portal
from ..support.worlds import instant

DAY = 86400
LATER = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp())


class Client(PortalClient):
    """Answers without a portal; counts the rounds and the `most` requests at a time."""

    concurrency = 1
    is_overloaded = False

    def __init__(self, ask: Callable[[UsageQuery], UsageAnswer]) -> None:
        self._ask_portal = ask
        self._asking = 0
        self._lock = threading.Lock()
        self.rounds = 0
        self.most = 0

    def begin(self) -> None:
        self.rounds += 1

    def usage(self, query: UsageQuery) -> UsageAnswer:
        with self._lock:
            self._asking += 1
            self.most = max(self.most, self._asking)
        try:
            return self._ask_portal(query)
        finally:
            with self._lock:
                self._asking -= 1


class Judge(ZoneJudge):
    """Knows nothing of the zone and asks nothing; `shown` is what it was last given."""

    def __init__(self) -> None:
        self.shown: list[AccountLocation] = []
        self.error = None

    def judge(self, shown: Iterable[AccountLocation], *_: object, **__: object) -> ZoneVerdict:
        self.shown = list(shown)
        return ZoneVerdict()


class Failing(Portal):
    """Fails the first calls with these errors."""

    def __init__(self, *errors: PortalError) -> None:
        rest = list(errors)
        super().__init__(refuses=lambda _: rest.pop(0) if rest else None)


class Asking:
    """A fetcher with its clients and the announced retries."""

    def __init__(
        self,
        *asks: Callable[[UsageQuery], UsageAnswer],
        clock: ManualClock | SystemClock,
        steps: Mapping[str, int] | None = None,
        troubles: Sequence[PortalError] = (),
        doubts: Sequence[PortalError] = (),
        **options: bool,
    ) -> None:
        self.clients = [Client(ask) for ask in asks]
        self.said: list[str] = []
        self.troubles = list(troubles)
        self.doubts = list(doubts)

        def known(_: Job) -> KnownSteps:
            if self.troubles:
                raise self.troubles.pop(0)
            doubt = self.doubts.pop(0) if self.doubts else None
            return KnownSteps(steps or {}, doubt)

        clients = dict(enumerate(self.clients))
        self.judge = Judge()
        judges = dict.fromkeys(clients, self.judge)
        self.fetcher = Fetcher(clients, judges, known, clock, self.said.append, **options)

    def begin(self, *jobs: Job, oldest_first: bool = False) -> Iterator[Fetched]:
        return self.fetcher.fetch(in_order(jobs, oldest_first=oldest_first))

    def all(self, *jobs: Job, oldest_first: bool = False) -> list[Fetched]:
        return list(self.begin(*jobs, oldest_first=oldest_first))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(LATER)


def waits(clock: ManualClock) -> list[float]:
    """Return its waits in seconds, without the checks for a stop."""
    return [seconds for seconds in clock.slept if seconds]


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until another thread makes the condition true."""
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


def days_in(fetched: Fetched) -> set[str]:
    wall = fetched.job.wall
    return {wall.date_text(each.start) for meter in fetched.history.meters for each in meter.readings}


def refusing(error: PortalError, **attributes: object) -> PortalError:
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


# -- order and content


@pytest.mark.parametrize(("portal", "is_judged"), [(Portal(), True), (Portal((), daily=("M1",)), False)])
def test_only_intervals_show_the_zone(clock: ManualClock, portal: Portal, *, is_judged: bool) -> None:
    asking = Asking(portal, clock=clock)
    asking.all(job("2026-01-05", "2026-01-06"))
    assert bool(asking.judge.shown) is is_judged


def test_each_chunk_is_fetched_once_in_order_with_all_days(clock: ManualClock) -> None:
    days = job("2026-01-05", "2026-04-10")
    results = Asking(Portal(), clock=clock).all(days)
    assert [(each.start, each.end) for each in results] == days.chunks()[::-1]
    assert {each.error for each in results} == {None}
    assert [len(days_in(each)) for each in results] == [6, 30, 30, 30]
    oldest_first = Asking(Portal(), clock=clock).all(days, oldest_first=True)
    assert [each.start for each in oldest_first] == [start for start, _ in days.chunks()]


@pytest.mark.parametrize(
    ("last", "until"),
    [
        ("2026-12-21", "2026-12-22"),
        ("2026-12-28", "2026-12-29"),
        ("2026-12-30", "2027-01-01"),
        ("2026-12-31", "2027-01-01"),
    ],
)
def test_recent_days_are_fetched_with_the_days_after_them(clock: ManualClock, last: str, until: str) -> None:
    """It is the evening of December 31.

    Later values show whether zeros are placeholders.
    """
    portal = Portal()
    (only,) = Asking(portal, clock=clock).all(job("2026-12-20", last))
    assert [(each.start, each.end) for each in portal.asked] == [(instant("2026-12-20"), instant(until))]
    assert only.end == job("2026-12-20", last).end


# -- one ahead, one at a time


def test_one_chunk_is_fetched_ahead_and_no_more(clock: ManualClock) -> None:
    portal = Portal()
    results = Asking(portal, clock=clock).begin(job("2026-01-01", "2026-06-30"))
    assert portal.asked == []
    for number in range(1, 5):
        next(results)
        wait_for(lambda number=number: len(portal.asked) > number)  # type: ignore[misc]
        time.sleep(0.02)
        assert len(portal.asked) == number + 1


def test_a_portal_gets_one_request_at_a_time(clock: ManualClock) -> None:
    def slowly(query: UsageQuery) -> UsageAnswer:
        time.sleep(0.01)
        return portal(query)

    portal = Portal()
    asking = Asking(slowly, clock=clock)
    asking.all(job("2026-01-01", "2026-04-30"), job("2026-01-01", "2026-02-28", BARN))
    assert asking.clients[0].most == 1
    assert asking.clients[0].rounds == len(portal.asked) == 6


# -- several at a time


class Gate:
    """A portal whose answers wait until they are let through, in any order."""

    def __init__(self, portal: Portal | None = None) -> None:
        self.portal = portal or Portal()
        self.open: dict[str, threading.Event] = {}
        self.lock = threading.Lock()
        self.waiting: list[str] = []
        self.answered = 0

    def __call__(self, query: UsageQuery) -> UsageAnswer:
        first = query.clock.date_text(query.start)
        with self.lock:
            self.waiting.append(first)
            event = self.open.setdefault(first, threading.Event())
        assert event.wait(30)
        with self.lock:
            self.answered += 1
            return self.portal(query)

    def let(self, *firsts: str) -> None:
        with self.lock:
            for first in firsts:
                self.open.setdefault(first, threading.Event()).set()


FIRST, SECOND, THIRD, FOURTH = "2026-04-01", "2026-03-02", "2026-01-31", "2026-01-01"
"""The first days of the chunks of SPRING, newest first."""
SPRING = job("2026-01-01", "2026-04-30")


def side_by_side(*asks: Callable[[UsageQuery], UsageAnswer], clock: ManualClock, most: int = 2) -> Asking:
    asking = Asking(*asks, clock=clock)
    for client in asking.clients:
        client.concurrency = most
    return asking


def quiet() -> None:
    """Give other threads time for what they must not do."""
    time.sleep(0.05)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_as_many_polls_are_in_progress_as_allowed(clock: ManualClock, most: int) -> None:
    gate = Gate()
    asking = side_by_side(gate, clock=clock, most=most)
    results = asking.begin(SPRING)
    gate.let(FIRST)
    next(results)
    # Then one chunk is being written, and as many others are asked for as are allowed.
    wait_for(lambda: len(gate.waiting) == 1 + most)
    quiet()
    assert gate.waiting[: 1 + most] == [FIRST, SECOND, THIRD, FOURTH][: 1 + most]
    gate.let(SECOND, THIRD, FOURTH)
    assert [each.start for each in results] == [start for start, _ in SPRING.chunks()[-2::-1]]
    assert asking.clients[0].most == most
    assert sorted(gate.waiting) == [FOURTH, THIRD, SECOND, FIRST], "each is asked once"


def test_a_pending_range_does_not_stop_the_others(clock: ManualClock) -> None:
    gate = Gate()
    results = side_by_side(gate, clock=clock).begin(SPRING)
    gate.let(SECOND)

    def then_the_first() -> None:
        wait_for(lambda: gate.answered == 1)
        gate.let(FIRST)

    threading.Thread(target=then_the_first).start()
    assert next(results).start == instant(FIRST)
    gate.let(THIRD, FOURTH)
    assert next(results).start == instant(SECOND)
    assert len(list(results)) == 2


def test_no_more_answers_are_kept_than_allowed(clock: ManualClock) -> None:
    gate = Gate()
    gate.let(FIRST, SECOND, THIRD, FOURTH)
    results = side_by_side(gate, clock=clock).begin(SPRING)
    next(results)
    quiet()
    assert gate.answered == 3, "the one that is written, the next one, and one more"
    assert len(list(results)) == 3


def test_the_next_location_is_asked_while_one_is_finished(clock: ManualClock) -> None:
    house, barn = Portal(), Gate()
    results = side_by_side(house, barn, clock=clock).begin(
        job("2026-04-01", "2026-04-30"), job("2026-04-01", "2026-04-30", BARN, source=1)
    )
    next(results)
    wait_for(lambda: barn.waiting == [FIRST])
    barn.let(FIRST)
    assert [each.job.key for each in results] == [BARN]


def test_nothing_is_asked_ahead_of_an_overloaded_portal(clock: ManualClock) -> None:
    gate = Gate()
    asking = side_by_side(gate, clock=clock)
    asking.clients[0].is_overloaded = True
    gate.let(FIRST)
    results = asking.begin(SPRING)
    next(results)
    wait_for(lambda: gate.waiting == [FIRST, SECOND])
    quiet()
    assert gate.waiting == [FIRST, SECOND]
    gate.let(SECOND, THIRD, FOURTH)
    assert (len(list(results)), asking.clients[0].most) == (3, 1)


def test_a_range_that_fails_is_halved_as_without_others(clock: ManualClock) -> None:
    def halving(query: UsageQuery) -> PortalError | None:
        return ProtocolError("FAILED") if query.end - query.start > 16 * DAY else None

    alone = Asking(Portal(refuses=halving), clock=clock).all(SPRING)
    both = side_by_side(Portal(refuses=halving), clock=clock).all(SPRING)
    assert [days_in(each) for each in both] == [days_in(each) for each in alone]
    assert {each.error for each in both} == {None}


@pytest.mark.parametrize("error", [CredentialsError("rejected"), TransportError("gone")])
def test_a_fatal_error_of_the_next_chunk_ends_after_this_one(clock: ManualClock, error: PortalError) -> None:
    portal = Portal(refuses=lambda query: error if query.start < instant(FIRST) else None)
    results = side_by_side(portal, clock=clock).all(SPRING)
    assert [each.error for each in results] == [None, error]
    assert instant(FOURTH) not in {query.start for query in portal.asked} or isinstance(error, TransportError)


def test_chunks_that_are_not_wanted_are_not_asked_ahead(clock: ManualClock) -> None:
    portal = Portal()
    asking = side_by_side(portal, clock=clock)
    found = list(
        asking.fetcher.fetch(
            in_order([SPRING], oldest_first=False), lambda chunk: chunk[1] not in (instant(SECOND), instant(FOURTH))
        )
    )
    assert [each.start for each in found] == [query.start for query in portal.asked] == [instant(FIRST), instant(THIRD)]


# -- retries


@pytest.mark.parametrize("error", [TransportError("gone"), PendingError("PENDING")])
def test_temporary_errors_are_retried(clock: ManualClock, error: PortalError) -> None:
    # A range that stays pending is halved once before it fails.
    asking = Asking(Failing(*[error] * (1 if isinstance(error, TransportError) else 2)), clock=clock)
    (only,) = asking.all(job("2026-01-05", "2026-01-10"))
    assert (only.error, len(days_in(only)), waits(clock)) == (None, 6, [5.0])
    first, last = asking.said
    assert (str(error) in first, last) == (True, "")


def test_fetching_the_current_meters_is_retried(clock: ManualClock) -> None:
    gone = TransportError("gone")
    asking = Asking(Portal(), clock=clock, troubles=[gone, gone])
    (only,) = asking.all(job("2026-01-05", "2026-01-10"))
    assert (only.error, len(days_in(only)), waits(clock)) == (None, 6, [5.0, 20.0])


def test_without_the_current_meters_nothing_is_guessed(clock: ManualClock) -> None:
    failed, portal = ProtocolError("the portal gave up on it"), Portal()
    first, second = Asking(portal, clock=clock, troubles=[failed]).all(job("2026-01-01", "2026-02-28"))
    assert (first.error, first.history.meters) == (failed, [])
    assert (second.error, len(portal.asked)) == (None, 1)


def test_waits_grow_before_the_error_is_returned(clock: ManualClock) -> None:
    gone = TransportError("gone")
    asking = Asking(Portal(refuses=lambda _: gone), clock=clock)
    (only,) = asking.all(job("2026-01-05", "2026-01-10"))
    assert (only.error, only.history.meters, waits(clock)) == (gone, [], [5.0, 20.0, 60.0])
    assert asking.clients[0].rounds == 4


class OnlyDays(Portal):
    """Answers the first HOURLY requests with a server error."""

    def __init__(self, times: int) -> None:
        rest = [TransportError.of_answer("status 500")] * times
        super().__init__(["A"], refuses=lambda query: rest.pop() if rest and query.time_frame == HOURLY else None)


def test_hours_that_fail_in_all_retries_are_not_waited_for_again(clock: ManualClock) -> None:
    results = Asking(OnlyDays(99), clock=clock).all(job("2026-01-01", "2026-03-31"))
    assert [each.error for each in results] == [None] * 3
    assert {step for each in results for meter in each.history.meters for step in meter.readings.lengths} >= {86400}
    assert waits(clock) == [5.0, 20.0, 60.0]


def test_hours_that_fail_once_are_asked_for_again(clock: ManualClock) -> None:
    (only,) = Asking(OnlyDays(2), clock=clock).all(job("2026-01-05", "2026-01-10"))
    (meter,) = only.history.meters
    assert (only.error, only.history.doubt, {*meter.readings.lengths}) == (None, None, {3600})
    assert waits(clock) == [5.0, 20.0]


def test_doubtful_meters_are_asked_for_again(clock: ManualClock) -> None:
    doubts = [TransportError.of_answer("status 500")] * 3
    asking = Asking(Portal(["A"]), clock=clock, doubts=doubts)
    (only,) = asking.all(job("2026-01-05", "2026-01-10"))
    assert (only.error, waits(clock), asking.doubts) == (None, [5.0, 20.0, 60.0], [])


def test_retry_after_is_honored(clock: ManualClock) -> None:
    asking = Asking(Failing(refusing(TransportError("busy"), retry_after=42.0)), clock=clock)
    (only,) = asking.all(job("2026-01-05", "2026-01-10"))
    assert (only.error, waits(clock)) == (None, [42.0])


@pytest.mark.parametrize(
    "error",
    [
        AccessError("no"),
        CredentialsError("refused"),
        ProtocolError("FAILED"),
        refusing(TransportError("no sign-in"), while_signing_in=True),
    ],
)
def test_permanent_errors_are_not_retried(clock: ManualClock, error: PortalError) -> None:
    asking = Asking(Portal(refuses=lambda _: error), clock=clock)
    (only,) = asking.all(job("2026-01-05", "2026-01-05"))
    assert (only.error, waits(clock)) == (error, [])


@pytest.mark.parametrize(
    "error",
    [CredentialsError("rejected"), refusing(ProtocolError("no"), while_signing_in=True), TransportError("gone")],
)
def test_nothing_is_fetched_after_a_fatal_error(clock: ManualClock, error: PortalError) -> None:
    portal = Portal(refuses=lambda query: error if query.start < instant("2026-03-01") else None)
    asking = Asking(portal, clock=clock)
    results = asking.all(job("2026-01-01", "2026-03-31"), job("2026-01-01", "2026-01-31", BARN))
    assert [each.error for each in results] == [None, error]
    assert asking.clients[0].rounds == (5 if isinstance(error, TransportError) else 2)


# -- meters


def test_hourly_data_is_requested_even_if_daily_is_known(clock: ManualClock) -> None:
    portal = Portal()
    (only,) = Asking(portal, clock=clock, steps={"M1": DAY}).all(job("2026-01-05", "2026-01-06"))
    assert portal.frames() == {HOURLY}
    assert {each.end - each.start for each in only.history.meters[0].readings} == {3600}


def test_the_newest_chunk_sets_the_step_for_older_ones(clock: ManualClock) -> None:
    """A meter with hourly data gets no daily values, even for old years."""

    class Newer(Portal):
        def __call__(self, query: UsageQuery) -> UsageAnswer:
            self.hourly = ["M1"] if query.end > instant("2026-03-01") else []
            return super().__call__(query)

    portal = Newer(["M1"], lists=["M1"])
    newest, oldest = Asking(portal, clock=clock).all(job("2026-02-01", "2026-03-31"))
    assert len(newest.history.meters[0].readings) == 3 * 29
    assert [len(each.readings) for each in oldest.history.meters if each.info.step == DAY] == []


def test_a_known_step_is_used_if_a_chunk_is_too_short_to_tell(clock: ManualClock) -> None:
    class Lonely(Portal):
        def _pairs(self, query: UsageQuery) -> Iterator[tuple[int, float | None]]:
            first, *_ = super()._pairs(query)
            yield first

        def __call__(self, query: UsageQuery) -> UsageAnswer:
            return replace(super().__call__(query), interval_ends={})

    day = job("2026-01-05", "2026-01-05")
    (unknown,) = Asking(Lonely(), clock=clock).all(day)
    (known,) = Asking(Lonely(), clock=clock, steps={"M1": 900}).all(day)
    assert [len(each.readings) for each in unknown.history.meters] == [0]
    assert [each.end - each.start for each in known.history.meters[0].readings] == [900]


# -- series


def test_series_are_kept_only_for_sinks_that_want_them(clock: ManualClock) -> None:
    days = job("2026-01-05", "2026-01-10")
    (without,) = Asking(Portal(), clock=clock).all(days)
    (having,) = Asking(Portal(), clock=clock, wants_series=True).all(days)
    assert without.series == ()
    (series,) = having.series
    assert (series.meter, series.name) == ("M1", "M1")
    assert [point[:2] for point in series.points] == [
        (each.start, each.end) for each in having.history.meters[0].readings
    ]


def test_series_of_several_answers_are_joined_in_order(clock: ManualClock) -> None:
    portal = Portal(refuses=lambda query: ProtocolError("FAILED") if query.end - query.start > 8 * DAY else None)
    results = Asking(portal, clock=clock, wants_series=True).all(job("2026-01-01", "2026-03-01"))
    assert len(portal.asked) > 8
    for each in results:
        (series,) = each.series
        starts = [point[0] for point in series.points]
        assert starts == sorted(set(starts))
        assert (len(starts), each.start <= starts[0], starts[-1] < each.end) == (90, True, True)


def test_series_of_a_retried_request_appear_once(clock: ManualClock) -> None:
    asking = Asking(Failing(TransportError("gone")), clock=clock, wants_series=True)
    (only,) = asking.all(job("2026-01-05", "2026-01-06"))
    assert [len(each.points) for each in only.series] == [6]


# -- stopping


def test_a_stop_does_not_wait_for_the_portal() -> None:
    clock, hangs = SystemClock(), threading.Event()

    def never(_: UsageQuery) -> UsageAnswer:
        clock.stop()
        hangs.wait()
        raise TransportError("gone")

    with pytest.raises(Stopped):
        next(Asking(never, clock=clock).begin(job("2026-01-05", "2026-01-06")))
    hangs.set()


def test_a_stop_interrupts_the_wait_before_a_retry() -> None:
    clock = SystemClock()

    def fails(_: UsageQuery) -> UsageAnswer:
        threading.Timer(0.05, clock.stop).start()
        raise TransportError("gone")

    with pytest.raises(Stopped):
        next(Asking(fails, clock=clock).begin(job("2026-01-05", "2026-01-06")))


def test_fetched_chunks_are_dropped_after_a_stop(clock: ManualClock) -> None:
    results = Asking(Portal(), clock=clock).begin(job("2020-01-01", "2026-06-30"))
    next(results)
    clock.stop()
    with pytest.raises(Stopped):
        next(results)
