"""How the portals are asked: one chunk ahead, one poll at a time, patiently, and no further back than there is data."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from exporter.backfill.fetcher import Fetched, Fetcher
from exporter.backfill.plan import Job, in_order
from exporter.clock import Stopped, SystemClock
from exporter.errors import AccessError, CredentialsError, PendingError, PortalError, ProtocolError, TransportError
from exporter.portal.client import PortalClient
from exporter.portal.query import DAILY, HOURLY, UsageQuery
from exporter.portal.usage import UsageAnswer

from ..support.clocks import ManualClock
from ..support.deadlines import AT_ONCE
from ..support.jobs import BARN, HOUSE, instant, job
from ..support.poll_double import Portal

DAY = 86400
SOON = 5.0
LATER = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp())


class Client(PortalClient):
    """Answers without a portal. rounds: how often a new round was begun. most: so many asked at a time."""

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


class Failing(Portal):
    """Ends the first calls with these errors."""

    def __init__(self, *errors: PortalError) -> None:
        super().__init__(refuses=lambda _: self._errors.pop(0) if self._errors else None)
        self._errors = list(errors)


class Asking:
    """A fetcher over clients, and what it said it waits for."""

    def __init__(
        self,
        *asks: Callable[[UsageQuery], UsageAnswer],
        clock: ManualClock | SystemClock,
        steps: Mapping[str, int] | None = None,
        troubles: Sequence[PortalError] = (),
        **options: bool,
    ) -> None:
        self.clients = [Client(ask) for ask in asks]
        self.said: list[str] = []
        self.troubles = list(troubles)

        def known(_: Job) -> Mapping[str, int]:
            if self.troubles:
                raise self.troubles.pop(0)
            return steps or {}

        self.fetcher = Fetcher(dict(enumerate(self.clients)), known, clock, self.said.append, **options)

    def begin(self, *jobs: Job, oldest_first: bool = False) -> Iterator[Fetched]:
        return self.fetcher.fetch(in_order(jobs, oldest_first=oldest_first))

    def all(self, *jobs: Job, oldest_first: bool = False) -> list[Fetched]:
        return list(self.begin(*jobs, oldest_first=oldest_first))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(LATER)


def waits(clock: ManualClock) -> list[float]:
    """How long it waited, without the looks at whether all is to end."""
    return [seconds for seconds in clock.slept if seconds]


def soon(condition: Callable[[], bool]) -> bool:
    """Whether something that another thread does comes true."""
    until = time.monotonic() + SOON
    while not condition() and time.monotonic() < until:
        time.sleep(0.005)
    return condition()


def days_in(fetched: Fetched) -> set[str]:
    wall = fetched.job.wall
    return {wall.date_text(each.start) for meter in fetched.history.meters for each in meter.readings}


def refusing(error: PortalError, **attributes: object) -> PortalError:
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


# -- order and content


def test_every_chunk_comes_once_in_order_with_all_its_days(clock: ManualClock) -> None:
    days = job("2026-01-05", "2026-04-10")
    results = Asking(Portal(), clock=clock).all(days)
    assert [(each.start, each.end) for each in results] == days.chunks()[::-1]
    assert {each.error for each in results} == {None}
    assert [len(days_in(each)) for each in results] == [6, 30, 30, 30]
    assert [len(each.history.meters[0].readings) for each in results] == [18, 90, 90, 90]
    assert [each.start for each in Asking(Portal(), clock=clock).all(days, oldest_first=True)] == [
        start for start, _ in days.chunks()
    ]


def test_each_location_is_asked_for_through_the_login_that_sees_it(clock: ManualClock) -> None:
    first, second = Portal(), Portal()
    jobs = (job("2026-01-05", "2026-01-06"), job("2026-01-05", "2026-01-06", BARN, source=1))
    results = Asking(first, second, clock=clock).all(*jobs)
    assert [each.job.key for each in results] == [HOUSE, BARN]
    assert [(each.account, each.location) for each in first.asked] == [("55001", "70001")]
    assert [(each.account, each.location) for each in second.asked] == [("55002", "70002")]


def test_old_days_are_asked_for_alone(clock: ManualClock) -> None:
    portal = Portal()
    Asking(portal, clock=clock).all(job("2026-01-05", "2026-01-06"))
    assert [(each.start, each.end) for each in portal.asked] == [(instant("2026-01-05"), instant("2026-01-07"))]


@pytest.mark.parametrize(
    ("last", "until"), [("2026-12-28", "2026-12-29"), ("2026-12-30", "2027-01-01"), ("2026-12-31", "2027-01-01")]
)
def test_young_days_are_asked_for_with_what_follows_them(clock: ManualClock, last: str, until: str) -> None:
    """By the clock it is the evening of December 31: whether zeros are placeholders shows by what follows."""
    portal = Portal()
    (only,) = Asking(portal, clock=clock).all(job("2026-12-20", last))
    assert [each.end for each in portal.asked] == [instant(until)]
    assert only.end == job("2026-12-20", last).end


# -- one ahead, one at a time


def test_one_chunk_is_fetched_ahead_and_no_more(clock: ManualClock) -> None:
    portal = Portal()
    asking = Asking(portal, clock=clock)
    results = asking.begin(job("2026-01-01", "2026-06-30"))
    assert portal.asked == []
    for number in range(1, 5):
        next(results)
        assert soon(lambda number=number: len(portal.asked) == number + 1)  # type: ignore[misc]
        time.sleep(0.05)
        assert len(portal.asked) == number + 1
    results.close()  # type: ignore[attr-defined]


def test_a_portal_gets_one_question_at_a_time(clock: ManualClock) -> None:
    def slowly(query: UsageQuery) -> UsageAnswer:
        time.sleep(0.01)
        return portal(query)

    portal = Portal()
    asking = Asking(slowly, clock=clock)
    asking.all(job("2026-01-01", "2026-04-30"), job("2026-01-01", "2026-02-28", BARN))
    assert asking.clients[0].most == 1
    assert asking.clients[0].rounds == len(portal.asked) == 6


def test_a_second_round_asks_for_what_it_is_given(clock: ManualClock) -> None:
    portal = Portal()
    asking = Asking(portal, clock=clock)
    days = job("2026-01-01", "2026-02-28")
    asking.all(days)
    again = list(asking.fetcher.fetch([(days, *days.chunks()[0])]))
    assert [each.start for each in again] == [days.start]
    assert len(portal.asked) == 3


# -- patience


@pytest.mark.parametrize("error", [TransportError("gone"), PendingError("PENDING")])
def test_what_may_pass_is_asked_for_again_after_a_while(clock: ManualClock, error: PortalError) -> None:
    # A range that stays pending is halved once before it counts as failed.
    times = 1 if isinstance(error, TransportError) else 2
    portal = Failing(*[error] * times)
    asking = Asking(portal, clock=clock)
    (only,) = asking.all(job("2026-01-05", "2026-01-10"))
    assert only.error is None
    assert len(days_in(only)) == 6
    assert waits(clock) == [5.0]
    assert asking.said == [f"{error}; asking again in 5 s", ""]


def test_the_present_meters_are_looked_at_again_too_before_any_chunk_is_asked_for(clock: ManualClock) -> None:
    gone, portal = TransportError("gone"), Portal()
    asking = Asking(portal, clock=clock, troubles=[gone, gone])
    (only,) = asking.all(job("2026-01-05", "2026-01-10"))
    assert (only.error, len(days_in(only))) == (None, 6)
    assert waits(clock) == [5.0, 20.0]


def test_where_the_present_meters_are_not_told_nothing_is_fetched_on_a_guess(clock: ManualClock) -> None:
    failed, portal = ProtocolError("the portal gave up on it"), Portal()
    asking = Asking(portal, clock=clock, troubles=[failed])
    first, second = asking.all(job("2026-01-01", "2026-02-28"))
    assert (first.error, first.history.meters) == (failed, [])
    assert (second.error, len(portal.asked)) == (None, 1)


def test_it_waits_longer_each_time_and_then_hands_over_the_error(clock: ManualClock) -> None:
    gone = TransportError("the portal has trouble")
    asking = Asking(Portal(refuses=lambda _: gone), clock=clock)
    (only,) = asking.all(job("2026-01-05", "2026-01-10"))
    assert only.error is gone
    assert only.history.meters == []
    assert waits(clock) == [5.0, 20.0, 60.0]
    assert [text for text in asking.said if text] == [
        f"the portal has trouble; asking again in {seconds} s" for seconds in (5, 20, 60)
    ]
    assert asking.clients[0].rounds == 4


@pytest.mark.parametrize(("asked_for", "waited"), [(3.0, 5.0), (42.0, 42.0), (100_000.0, 300.0)])
def test_a_portal_that_asks_to_be_left_alone_is_for_some_minutes(
    clock: ManualClock, asked_for: float, waited: float
) -> None:
    asking = Asking(Failing(refusing(TransportError("busy"), retry_after=asked_for)), clock=clock)
    (only,) = asking.all(job("2026-01-05", "2026-01-10"))
    assert only.error is None
    assert waits(clock) == [waited]


@pytest.mark.parametrize(
    "error",
    [
        AccessError("no"),
        CredentialsError("refused"),
        ProtocolError("FAILED"),
        refusing(TransportError("no sign-in"), while_signing_in=True),
    ],
)
def test_what_does_not_pass_is_not_waited_for(clock: ManualClock, error: PortalError) -> None:
    asking = Asking(Portal(refuses=lambda _: error), clock=clock)
    (only,) = asking.all(job("2026-01-05", "2026-01-05"))
    assert only.error is error
    assert waits(clock) == []


def test_what_came_before_an_error_comes_with_it(clock: ManualClock) -> None:
    bad = instant("2026-01-07")
    portal = Portal(refuses=lambda query: ProtocolError("FAILED") if query.start <= bad < query.end else None)
    (only,) = Asking(portal, clock=clock).all(job("2026-01-05", "2026-01-10"))
    assert isinstance(only.error, ProtocolError)
    assert days_in(only) == {"2026-01-05", "2026-01-06", "2026-01-08", "2026-01-09", "2026-01-10"}


def test_an_error_of_one_chunk_keeps_none_of_the_next_ones_away(clock: ManualClock) -> None:
    newest = job("2026-01-01", "2026-03-31").chunks()[-1]

    def refuses(query: UsageQuery) -> PortalError | None:
        return AccessError("no") if query.end == newest[1] else None

    results = Asking(Portal(refuses=refuses), clock=clock).all(job("2026-01-01", "2026-03-31"))
    assert [each.error is None for each in results] == [False, True, True]


def test_any_other_error_reaches_the_one_who_waits(clock: ManualClock) -> None:
    def breaks(_: UsageQuery) -> UsageAnswer:
        raise ZeroDivisionError

    results = Asking(breaks, clock=clock).begin(job("2026-01-01", "2026-03-31"))
    with pytest.raises(ZeroDivisionError):
        list(results)


# -- how far back


class Connected(Portal):
    """Has nothing before a day, and says so."""

    def __init__(self, first: str) -> None:
        super().__init__()
        self.first = date.fromisoformat(first)

    def __call__(self, query: UsageQuery) -> UsageAnswer:
        return replace(super().__call__(query), connected=self.first)


def test_days_before_the_location_was_connected_are_not_asked_for(clock: ManualClock) -> None:
    portal = Connected("2026-03-20")
    asking = Asking(portal, clock=clock)
    assert asking.fetcher.connected(HOUSE) is None
    results = asking.all(job("2020-01-01", "2026-04-10"))
    assert asking.fetcher.connected(HOUSE) == instant("2026-03-20")
    assert results[-1].start <= instant("2026-03-20") < results[-1].end
    assert len(portal.asked) == len(results) == 1 + (results[0].start > instant("2026-03-20"))


def test_a_day_of_connection_at_the_edge_of_a_chunk_ends_it_there(clock: ManualClock) -> None:
    days = job("2026-01-01", "2026-03-31")
    for first, count in (("2026-01-31", 2), ("2026-01-30", 3)):
        assert len(Asking(Connected(first), clock=clock).all(days)) == count


def test_the_connection_of_one_location_is_not_that_of_another(clock: ManualClock) -> None:
    jobs = (job("2026-01-01", "2026-03-31"), job("2026-01-01", "2026-03-31", BARN, source=1))
    results = Asking(Connected("2026-03-15"), Portal(), clock=clock).all(*jobs)
    assert [each.job.key for each in results] == [HOUSE, BARN, BARN, BARN]


# -- meters


def test_hourly_data_are_asked_for_even_where_only_daily_ones_are_known(clock: ManualClock) -> None:
    portal = Portal()
    (only,) = Asking(portal, clock=clock, steps={"M1": DAY}).all(job("2026-01-05", "2026-01-06"))
    assert portal.frames() == {HOURLY}
    assert {each.end - each.start for each in only.history.meters[0].readings} == {3600}


def test_the_step_of_a_meter_is_learnt_from_the_newest_chunk_for_older_ones(clock: ManualClock) -> None:
    """Years ago the portal may have nothing finer than days: those are not taken for a meter that has hours."""

    class Newer(Portal):
        def __call__(self, query: UsageQuery) -> UsageAnswer:
            self.hourly = ["M1"] if query.end > instant("2026-03-01") else []
            return super().__call__(query)

    portal = Newer(["M1"], lists=["M1"])
    newest, oldest = Asking(portal, clock=clock).all(job("2026-02-01", "2026-03-31"))
    assert len(newest.history.meters[0].readings) == 3 * 29
    assert [len(each.readings) for each in oldest.history.meters if each.info.step == DAY] == []


def test_a_step_that_the_state_knows_is_used_for_a_chunk_too_short_to_tell(clock: ManualClock) -> None:
    class Lonely(Portal):
        def _pairs(self, query: UsageQuery) -> Iterator[tuple[int, float | None]]:
            first, *_ = super()._pairs(query)
            yield first

        def __call__(self, query: UsageQuery) -> UsageAnswer:
            return replace(super().__call__(query), interval_ends=())

    day = job("2026-01-05", "2026-01-05")
    (unknown,) = Asking(Lonely(), clock=clock).all(day)
    (known,) = Asking(Lonely(), clock=clock, steps={"M1": 900}).all(day)
    assert [each.readings for each in unknown.history.meters] == [()]
    assert [each.end - each.start for each in known.history.meters[0].readings] == [900]


# -- series


def test_series_come_only_to_a_sink_that_wants_them(clock: ManualClock) -> None:
    days = job("2026-01-05", "2026-01-10")
    (without,) = Asking(Portal(), clock=clock).all(days)
    (having,) = Asking(Portal(), clock=clock, wants_series=True).all(days)
    assert without.series == ()
    (series,) = having.series
    assert (series.meter, series.name) == ("M1", "M1")
    assert [point[:2] for point in series.points] == [
        (each.start, each.end) for each in having.history.meters[0].readings
    ]


def test_series_of_several_questions_are_one_in_order_and_not_those_of_the_chunk_before(clock: ManualClock) -> None:
    portal = Portal(refuses=lambda query: ProtocolError("FAILED") if query.end - query.start > 8 * DAY else None)
    results = Asking(portal, clock=clock, wants_series=True).all(job("2026-01-01", "2026-03-01"))
    assert len(portal.asked) > 8
    for each in results:
        (series,) = each.series
        starts = [point[0] for point in series.points]
        assert starts == sorted(set(starts))
        assert len(starts) == 90
        assert each.start <= starts[0]
        assert starts[-1] < each.end


def test_series_of_a_question_that_was_asked_again_come_once(clock: ManualClock) -> None:
    asking = Asking(Failing(TransportError("gone")), clock=clock, wants_series=True)
    (only,) = asking.all(job("2026-01-05", "2026-01-06"))
    assert [len(each.points) for each in only.series] == [6]


def test_daily_data_are_asked_for_where_there_are_no_others(clock: ManualClock) -> None:
    portal = Portal([], ["M1"])
    (only,) = Asking(portal, clock=clock).all(job("2026-01-05", "2026-01-06"))
    assert [query.time_frame for query in portal.asked] == [HOURLY, DAILY]
    assert [(each.start, each.end) for each in only.history.meters[0].readings] == [
        (instant("2026-01-05"), instant("2026-01-06")),
        (instant("2026-01-06"), instant("2026-01-07")),
    ]


# -- stopping


def test_it_stops_at_once_though_the_portal_does_not_answer() -> None:
    clock, hangs = SystemClock(), threading.Event()

    def never(_: UsageQuery) -> UsageAnswer:
        hangs.wait(30)
        raise TransportError("gone")

    results = Asking(never, clock=clock).begin(job("2026-01-05", "2026-01-06"))
    threading.Timer(0.1, clock.stop).start()
    started = time.monotonic()
    with pytest.raises(Stopped):
        next(results)
    assert time.monotonic() - started < AT_ONCE
    hangs.set()


def test_it_stops_at_once_while_it_waits_to_ask_again() -> None:
    clock = SystemClock()
    asking = Asking(Portal(refuses=lambda _: TransportError("gone")), clock=clock)
    results = asking.begin(job("2026-01-05", "2026-01-06"))
    started = time.monotonic()
    threading.Timer(0.1, clock.stop).start()
    with pytest.raises(Stopped):
        next(results)
    assert time.monotonic() - started < AT_ONCE


def test_nothing_more_is_asked_for_when_nobody_takes_what_comes(clock: ManualClock) -> None:
    portal = Portal()
    with closing(Asking(portal, clock=clock).begin(job("2020-01-01", "2026-06-30"))) as results:  # type: ignore[type-var]
        next(results)
    assert soon(lambda: "fetch" not in {thread.name for thread in threading.enumerate()})
    assert len(portal.asked) <= 2
