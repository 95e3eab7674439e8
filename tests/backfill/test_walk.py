"""Test how far back a backfill asks, whatever the portal holds."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.backfill.fetcher import Fetched
from exporter.backfill.journal import CompletedChunk, Coverage, Totals
from exporter.backfill.plan import DayRange, Job, JobChunk
from exporter.backfill.progress import Progress
from exporter.backfill.walk import Walk
from exporter.errors import PendingError, PortalError, TransportError
from exporter.intervals.columns import Intervals
from exporter.intervals.interval import Reading
from exporter.intervals.model import LocationKey, MeterInfo
from exporter.portal.history import History
from exporter.portal.readings import MeterReadings
from exporter.portal.timezone import ZoneState, ZoneVerdict
from exporter.portal.walltime import WallClock
from exporter.terminal import plain_console

from ..support.jobs import BARN, HOUSE, job, place_of
from ..support.portal_answers import examples
from ..support.worlds import ZONE, instant

END = date(2026, 1, 14)
LATE = PendingError("PENDING")
WALL = WallClock(ZONE)

Days = Sequence[tuple[date, date]]
"""Spans of days, both included."""


def whole(key: LocationKey = HOUSE, last: date = END) -> Job:
    """Return a job as far back as there are intervals."""
    bounds = DayRange(None, last, 10, from_first=True).bounds(WALL, instant("2035-01-01"))
    return Job(0, key, place_of(key), None, WALL, *bounds, from_first=True)


class Portal:
    """A portal with 1 kWh per day on some days, errors on others, and a connection date."""

    def __init__(self, days: Days = (), errors: Mapping[date, PortalError] | None = None, connected: str = "") -> None:
        self.starts = [
            WALL.midnight_of(first + timedelta(days=number))
            for first, last in days
            for number in range((last - first).days + 1)
        ]
        self.errors = {WALL.midnight_of(day): error for day, error in (errors or {}).items()}
        self.connected = instant(connected) if connected else None
        self.kwh = 1.0
        self.asked: list[JobChunk] = []

    def fetch(self, job: Job, start: int, end: int) -> Fetched:
        self.asked.append((job, start, end))
        readings = [Reading(each, each + 3600, self.kwh, None, None, ()) for each in self.starts if start <= each < end]
        meters = [MeterReadings(MeterInfo("81001"), Intervals.of_readings(readings))] if readings else []
        error = next((error for day, error in self.errors.items() if start <= day < end), None)
        return Fetched(job, start, end, History(meters, error=error, connected=self.connected))

    def walked(self, walk: Walk) -> int:
        """Fetch everything that is needed, and return how many chunks were asked for."""
        before = len(self.asked)
        for chunk in walk.chunks:
            if walk.is_needed(chunk):
                walk.notice(self.fetch(*chunk))
        return len(self.asked) - before

    def found(self, walk: Walk) -> bool:
        """Check that every day with energy was asked for exactly once."""
        spans = [(start, end) for _, start, end in self.asked]
        return all(sum(start <= each < end for start, end in spans) == 1 for each in self.starts)


def back(days: int) -> date:
    return END - timedelta(days=days)


def newest_days(walk: Walk) -> int:
    """Return how many days the newest chunk has, which is not a full one."""
    job, start, end = walk.chunks[0]
    return job.wall.days_between(start, end)


# -- as far back as there are intervals


def test_thirteen_empty_chunks_end_the_walk() -> None:
    walk, portal = Walk([whole()]), Portal([(back(100), END)])
    holding = 1 + -(-(101 - newest_days(walk)) // 30)
    assert portal.walked(walk) == holding + 13
    assert portal.found(walk)
    assert (len(walk.counted()), walk.next_end(walk.jobs[0])) == (holding, None)


def test_without_any_interval_thirteen_full_chunks_are_asked_for() -> None:
    walk, portal = Walk([whole()]), Portal()
    assert newest_days(walk) < 30
    assert portal.walked(walk) == 1 + 13
    assert (walk.counted(), walk.next_end(walk.jobs[0])) == ([], None)


@examples
@given(
    end=st.dates(date(2024, 1, 1), date(2026, 1, 14)),
    vacancy=st.integers(0, 366),
    newer=st.integers(0, 80),
    older=st.integers(1, 80),
)
def test_a_vacancy_of_a_year_does_not_end_it(end: date, vacancy: int, newer: int, older: int) -> None:
    moved_in = end - timedelta(days=newer - 1)
    moved_out = moved_in - timedelta(days=vacancy + 1)
    spans = [(moved_in, end), (moved_out - timedelta(days=older - 1), moved_out)]
    walk, portal = Walk([whole(last=end)]), Portal(spans)
    portal.walked(walk)
    assert portal.found(walk)
    assert walk.next_end(walk.jobs[0]) is None


def test_each_location_has_its_own_end() -> None:
    walk = Walk([whole(HOUSE), whole(BARN)])
    portals = {HOUSE: Portal([(back(400), END)]), BARN: Portal([(back(10), END)])}
    for chunk in walk.chunks:
        if walk.is_needed(chunk):
            walk.notice(portals[chunk[0].key].fetch(*chunk))
    house, barn = (len(each.asked) for each in portals.values())
    assert house - barn == len([each for each in walk.counted() if each[0].key == HOUSE]) - len(
        [each for each in walk.counted() if each[0].key == BARN]
    )
    assert 13 <= house - barn + 1 <= 15


def test_the_last_empty_chunks_are_not_asked_for_ahead() -> None:
    """While a chunk is being fetched, it counts as empty."""
    walk, portal = Walk([whole()]), Portal()
    for number in range(14):
        assert walk.is_needed(walk.chunks[number])
        assert walk.is_needed(walk.chunks[number + 1]) is (number < 13)
        walk.notice(portal.fetch(*walk.chunks[number]))
    assert not walk.is_needed(walk.chunks[14])


# -- failures are no end


def test_an_error_among_empty_chunks_starts_the_count_again() -> None:
    walk, portal = Walk([whole()]), Portal(errors={back(200): LATE})
    place = next(n for n, (_, start, end) in enumerate(walk.chunks) if start <= WALL.midnight_of(back(200)) < end)
    assert portal.walked(walk) == place + 1 + 13
    # What failed is left, and so it counts.
    assert len(walk.counted()) == place + 1


def test_three_errors_in_a_row_are_not_the_end_of_history() -> None:
    failing = {back(day): LATE for day in range(100, 200)}
    walk, portal = Walk([whole(), whole(BARN)]), Portal([(back(500), END)], failing)
    failed = next(n for n, (_, start, end) in enumerate(walk.chunks) if start <= WALL.midnight_of(back(100)) < end)
    portal.walked(walk)
    asked = [chunk for chunk in portal.asked if chunk[0].key == HOUSE]
    assert len(asked) == failed + 3
    assert walk.next_end(walk.jobs[0]) == asked[-1][1]
    assert len([each for each in walk.counted() if each[0].key == HOUSE]) == failed + 3 + 1


def test_a_contradicted_zone_ends_a_location() -> None:
    walk, portal = Walk([whole()]), Portal([(back(500), END)])
    verdict = ZoneVerdict(ZoneState.CONTRADICTED, ("America/Denver",), "America/New_York")
    fetched = portal.fetch(*walk.chunks[0])
    walk.notice(Fetched(fetched.job, fetched.start, fetched.end, fetched.history, verdict))
    assert portal.walked(walk) == 0
    assert walk.next_end(walk.jobs[0]) == fetched.start


# -- after an earlier run


def completed(chunk: JobChunk, *, holds: bool) -> CompletedChunk:
    job, start, end = chunk
    return CompletedChunk(job.key, start, end, Totals(), Coverage({"81001": (start, end)} if holds else {}))


def test_chunks_of_an_earlier_run_count_as_they_were() -> None:
    walk, portal = Walk([whole()]), Portal()
    holding = [completed(walk.chunks[number], holds=number < 3) for number in range(10)]
    walk.notice_done(holding)
    done = {(each.start, each.end) for each in holding}
    for chunk in walk.chunks:
        if chunk[1:] not in done and walk.is_needed(chunk):
            walk.notice(portal.fetch(*chunk))
    assert [chunk for _, *chunk in portal.asked] == [list(chunk[1:]) for chunk in walk.chunks[10 : 3 + 13]]
    assert len(walk.counted()) == 3


# -- connection dates


def test_the_connection_date_ends_the_walk_a_day_later() -> None:
    for connected, count in (("2025-12-20", 2), (WALL.date_text(Walk([whole()]).chunks[1][1]), 3)):
        walk, portal = Walk([whole()]), Portal([(date.fromisoformat(connected), END)], connected=connected)
        assert portal.walked(walk) == count
        assert walk.connected(HOUSE) == instant(connected)
        assert walk.next_end(walk.jobs[0]) is None


@pytest.mark.parametrize("days", range(25, 60))
def test_a_date_after_the_first_energy_is_not_believed(days: int) -> None:
    walk, portal = Walk([whole()]), Portal([(back(400), END)], connected=back(days).isoformat())
    portal.walked(walk)
    assert portal.found(walk)
    assert walk.connected(HOUSE) is None


def test_zeros_before_a_connection_do_not_contradict_it() -> None:
    walk, portal = Walk([whole()]), Portal([(back(400), END)], connected=back(40).isoformat())
    portal.kwh = 0.0
    assert portal.walked(walk) <= 3
    assert walk.connected(HOUSE) == WALL.midnight_of(back(40))


def test_dated_chunks_before_the_connection_are_not_needed() -> None:
    dated = Walk([job("2026-01-01", "2026-03-31"), job("2026-01-01", "2026-03-31", BARN)])
    connected = Portal([(date(2026, 3, 15), date(2026, 3, 31))], connected="2026-03-15")
    assert connected.walked(dated) == 2
    assert [dated.is_before_connection(chunk) for chunk in dated.chunks] == [False, True, True] * 2
    assert len(dated.counted()) == 6
    oldest = Walk([job("2026-01-01", "2026-03-31")], oldest_first=True)
    assert [start for _, start, _ in oldest.chunks] == [start for _, start, _ in dated.chunks[2::-1]]


# -- files, which need the oldest days first


def reading(errors: Mapping[date, PortalError] | None = None) -> tuple[list[Fetched], list[int]]:
    """Walk two locations and return what a file gets, and how far back the progress was."""
    walk = Walk([whole(HOUSE), whole(BARN)], oldest_first=True)
    portal = Portal([(back(100), END)], errors)
    shown: list[int] = []

    class Shown(Progress):
        def read(self, job: Job, start: int, end: int, connected: int | None) -> None:
            shown.append(start)

    def fetched() -> Iterable[Fetched]:
        for chunk in filter(walk.is_needed, walk.chunks):
            found = portal.fetch(*chunk)
            walk.notice(found)
            yield found
            if isinstance(found.error, TransportError):
                return

    return list(walk.turned(fetched(), Shown(plain_console()))), shown


def test_a_file_gets_each_location_oldest_first() -> None:
    given, shown = reading()
    keys = [each.job.key for each in given]
    assert keys == sorted(keys)
    for key in (HOUSE, BARN):
        starts = [each.start for each in given if each.job.key == key]
        assert starts == sorted(starts) == [*reversed(shown[: len(starts)])]


def test_an_error_that_ends_the_run_leaves_a_file_empty() -> None:
    gone = TransportError("gone")
    given, _ = reading({back(90): gone})
    assert [each.error for each in given] == [gone]
    given, _ = reading({back(90): LATE})
    assert [each.error for each in given].count(LATE) == 2
