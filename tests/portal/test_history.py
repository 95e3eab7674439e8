"""Tests of histories: ranges, failures, and the resolution of each meter."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import cycle, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import CredentialsError, PendingError, PortalError, ProtocolError, TooLargeError, TransportError
from exporter.intervals.interval import Interval, Reading
from exporter.intervals.model import DAILY as DAY_STEP
from exporter.intervals.model import Meter, MeterInfo
from exporter.portal.history import History, KnownMeters, LocationHistory
from exporter.portal.query import DAILY, HOURLY, UsageQuery
from exporter.portal.usage import decode
from exporter.portal.usage_answer import UsageAnswer
from exporter.portal.walltime import WallClock

from ..support.poll_double import ZONE, Portal, days_of
from ..support.portal_answers import (
    DAY,
    HOUR,
    US_ZONES,
    Pair,
    bounds_of,
    electric,
    examples,
    meter,
    series,
    time_of_use,
    usage,
    wall_of,
)

FIRST = date(2026, 1, 5)
NOTHING = KnownMeters()


def history_of(portal: Portal) -> LocationHistory:
    return LocationHistory(portal, "55001", "4411", WallClock(ZoneInfo(portal.zone)))


def fetch(
    portal: Portal | LocationHistory,
    days: int = 5,
    known: KnownMeters = NOTHING,
    *,
    first: date = FIRST,
    try_hourly: bool = False,
    zone: str = ZONE,
) -> History:
    location = history_of(portal) if isinstance(portal, Portal) else portal
    start, end = bounds_of(first, zone)[0], bounds_of(first + timedelta(days=days), zone)[0]
    return location.fetch(start, end, known, try_hourly=try_hourly)


def readings_of(history: History) -> dict[str, tuple[Reading, ...]]:
    return {each.info.number: tuple(each.readings.readings()) for each in history.meters}


def lengths(history: History, number: str = "M1") -> set[int]:
    return {reading.end - reading.start for reading in readings_of(history)[number]}


def days_had(history: History, number: str = "M1") -> set[str]:
    clock = WallClock(ZoneInfo(ZONE))
    return {clock.date_text(reading.start) for reading in readings_of(history)[number]}


def dates(days: int, first: date = FIRST) -> set[str]:
    return {(first + timedelta(days=number)).isoformat() for number in range(days)}


# -- ranges


@pytest.mark.parametrize(("days", "ranges"), [(1, [1]), (30, [30]), (31, [30, 1]), (90, [30, 30, 30])])
def test_range_has_at_most_30_days(days: int, ranges: list[int]) -> None:
    portal = Portal()
    history = fetch(portal, days)
    assert portal.days() == ranges
    assert (days_had(history), history.error) == (dates(days), None)


@settings(examples, max_examples=25)
@given(st.sampled_from(US_ZONES), st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(1, 100))
def test_ranges_join_at_local_midnights_newest_first(zone: str, first: date, days: int) -> None:
    portal = Portal(zone=zone)
    history = fetch(portal, days, first=first, zone=zone)
    assert all(0 < days_of(query) <= 30 for query in portal.asked)
    assert [query.start for query in portal.asked[:-1]] == [query.end for query in portal.asked[1:]]
    assert portal.asked[-1].start == bounds_of(first, zone)[0]
    assert portal.asked[0].end == bounds_of(first + timedelta(days=days), zone)[0]
    (only,) = history.meters
    starts = [reading.start for reading in only.readings]
    assert starts == sorted(set(starts))
    assert len(starts) == 3 * days


def test_query_contains_what_the_portal_needs() -> None:
    portal = Portal()
    fetch(portal, 1, first=date(2026, 11, 1))
    (query,) = portal.asked
    assert query.body("member@example.org") == {
        "timeFrame": "HOURLY",
        "userId": "member@example.org",
        "screen": "USAGE_EXPLORER",
        "includeDemand": False,
        "serviceLocationNumber": "4411",
        "accountNumber": "55001",
        "industries": ["ELECTRIC"],
        "startDateTime": 1793505600000,
        "endDateTime": 1793595600000,
    }
    assert query.what == "HOURLY data of location 4411 from 2026-11-01 to 2026-11-01"


@pytest.mark.parametrize("days", [1, 30, 31, 75])
def test_the_next_queries_are_known_unless_one_fails(days: int) -> None:
    portal = Portal(refuses=lambda query: ProtocolError("FAILED") if query.end - query.start > 20 * DAY else None)
    clock = WallClock(ZoneInfo(ZONE))
    history = LocationHistory(portal, "55001", "70001", clock)
    start, end = clock.midnight_of(date(2026, 1, 5)), clock.midnight_of(date(2026, 1, 5) + timedelta(days=days))
    expected = history.expected(start, end)
    history.fetch(start, end, KnownMeters({"M1": HOUR}), try_hourly=True)
    assert portal.asked[0] == expected[0]
    assert (len(expected), history.is_halving) == (-(-days // 30), days >= 30)
    if days == 1:
        assert portal.asked == expected


def test_no_days_need_no_request() -> None:
    portal = Portal()
    assert fetch(portal, 0) == History()
    assert portal.asked == []


# -- ranges that fail


def beyond(longest: int, kind: type[PortalError] = ProtocolError) -> Callable[[UsageQuery], PortalError | None]:
    """Return a function that refuses longer ranges."""
    return lambda query: kind("FAILED") if days_of(query) > longest else None


@pytest.mark.parametrize("first", [date(2026, 2, 20), date(2026, 10, 15)])
@pytest.mark.parametrize("longest", [1, 4, 29])
def test_failed_range_is_halved_down_to_single_days(longest: int, first: date) -> None:
    portal = Portal(refuses=beyond(longest))
    history = fetch(portal, 35, first=first)
    assert (days_had(history), history.error) == (dates(35, first), None)
    answered = [query for query in portal.asked if days_of(query) <= longest]
    assert all(later.start == earlier.end for later, earlier in pairwise(answered))


def test_pending_range_is_halved() -> None:
    portal = Portal(refuses=beyond(15, PendingError))
    history = fetch(portal, 35)
    assert portal.days()[:3] == [30, 15, 15]
    assert (days_had(history), history.error) == (dates(35), None)


@pytest.mark.parametrize("longest", [1, 3, 7])
def test_length_that_the_portal_can_answer_is_found_soon(longest: int) -> None:
    portal = Portal(refuses=beyond(longest, PendingError))
    location = history_of(portal)
    history = [fetch(location, 35) for _ in range(6)][-1]
    assert (days_had(history), history.error) == (dates(35), None)


@pytest.mark.parametrize(
    ("longest", "requests"),
    [
        (15, [30, 15, 15, 15]),
        (7, [30, 15, 8, *[4, 4, 4, 3] * 3]),
        (1, [30, 15, 8, 4, 2, *[1] * 45]),
    ],
)
def test_length_of_large_answers_is_tried_once(longest: int, requests: list[int]) -> None:
    portal = Portal(refuses=beyond(longest, TooLargeError))
    history = fetch(portal, 45)
    assert (days_had(history), history.error) == (dates(45), None)
    assert portal.days() == requests


def test_portal_that_is_always_pending_gets_few_requests() -> None:
    portal = Portal(refuses=beyond(0, PendingError))
    location = history_of(portal)
    for _ in range(8):
        before = len(portal.asked)
        history = fetch(location, 35)
        assert isinstance(history.error, PendingError)
        assert len(portal.asked) - before <= 3
    assert days_of(portal.asked[-1]) == 1


def test_shorter_range_is_remembered_and_recovers() -> None:
    troubled = True
    portal = Portal(refuses=lambda query: ProtocolError("FAILED") if troubled and days_of(query) > 4 else None)
    location = history_of(portal)
    fetch(location, 30)
    portal.asked.clear()
    fetch(location, 30)
    assert portal.days()[0] < 30
    troubled = False
    for _ in range(6):
        portal.asked.clear()
        assert fetch(location, 60).error is None
    assert portal.days() == [30, 30]


def test_failed_single_day_does_not_shorten_later_ranges() -> None:
    portal = Portal(refuses=lambda query: ProtocolError("FAILED") if len(portal.asked) <= 2 else None)
    location = history_of(portal)
    fetch(location, 1)
    fetch(location, 60)
    assert portal.days() == [1, 30, 30]


def fails_on(*days: date) -> Callable[[UsageQuery], PortalError | None]:
    starts = [bounds_of(day, ZONE)[0] for day in days]
    return lambda query: ProtocolError("FAILED") if any(query.start <= each < query.end for each in starts) else None


@pytest.mark.parametrize("numbers", [[0], [34], [3, 20]])
def test_failed_day_costs_no_other_day(numbers: list[int]) -> None:
    bad = [FIRST + timedelta(days=number) for number in numbers]
    history = fetch(Portal(refuses=fails_on(*bad)), 35)
    assert isinstance(history.error, ProtocolError)
    assert days_had(history) == dates(35) - {day.isoformat() for day in bad}


def test_portal_that_always_fails_is_not_asked_for_every_day() -> None:
    portal = Portal(refuses=beyond(0))
    history = fetch(portal, 35)
    assert isinstance(history.error, ProtocolError)
    assert history.meters == []
    assert len(portal.asked) < 20


@pytest.mark.parametrize("error", [TransportError("gone"), CredentialsError("no")])
def test_data_before_an_error_is_kept(error: PortalError) -> None:
    portal = Portal(refuses=lambda query: error if len(portal.asked) == 3 else None)
    history = fetch(portal, 100)
    assert history.error is error
    assert days_had(history) == dates(60, FIRST + timedelta(days=40))
    assert portal.days() == [30, 30, 30]


def hourly_fails(error: PortalError) -> Callable[[UsageQuery], PortalError | None]:
    return lambda query: error if query.time_frame == HOURLY else None


@pytest.mark.parametrize("error", [TransportError("gone"), ProtocolError("FAILED"), PendingError("PENDING")])
def test_error_keeps_no_response_alive(error: PortalError) -> None:
    def refuse(query: UsageQuery) -> PortalError:
        error.__cause__ = ValueError()
        return error

    kept = fetch(Portal(refuses=refuse)).error
    assert kept is error
    assert (kept.__traceback__, kept.__cause__, kept.__context__) == (None, None, None)


def test_daily_data_never_replaces_failed_hourly_data() -> None:
    error = ProtocolError("FAILED")
    history = fetch(Portal(["A"], refuses=hourly_fails(error)), known=KnownMeters({"A": HOUR}))
    assert history.error is error
    assert readings_of(history).get("A", ()) == ()


def test_failed_hours_are_an_error_if_finer_data_is_known() -> None:
    bad = fails_on(FIRST)
    portal = Portal(
        [], ["A"], has_hourly=False, refuses=lambda query: bad(query) if query.time_frame == HOURLY else None
    )
    history = fetch(portal, known=KnownMeters({"A": HOUR}))
    assert isinstance(history.error, ProtocolError)
    assert readings_of(history).get("A", ()) == ()


@pytest.mark.parametrize("has_hourly", [True, False, None])
def test_hourly_that_always_fails_leaves_daily_data(*, has_hourly: bool | None) -> None:
    portal = Portal(["A"], has_hourly=has_hourly, refuses=hourly_fails(ProtocolError("FAILED")))
    location = history_of(portal)
    history = fetch(location, 35)
    assert (days_had(history, "A"), lengths(history, "A"), history.error) == (dates(35), {DAY}, None)
    assert len(history.warnings) == 1
    assert (len(portal.days()), portal.days(DAILY)) == (9, [30, 5])

    portal.asked.clear()
    fetch(location, 35, KnownMeters({"A": DAY_STEP}))
    assert (portal.days(), portal.days(DAILY)) == ([], [30, 5])

    portal.asked.clear()
    fetch(location, 35, KnownMeters({"A": DAY_STEP}), try_hourly=True)
    assert (portal.days(), portal.days(DAILY)) == ([1, 1, 1], [30, 5])


def test_trouble_with_hourly_is_reported_beside_daily_data() -> None:
    error = TransportError("status 500")
    history = fetch(Portal(["A"], refuses=hourly_fails(error)))
    assert history.error is error
    assert days_had(history, "A") == dates(5)


@pytest.mark.parametrize("known", [{}, {"A": DAY_STEP}])
def test_server_error_of_hourly_leaves_daily_data(known: dict[str, int]) -> None:
    error = TransportError.of_answer("status 500")
    history = fetch(Portal(["A"], refuses=hourly_fails(error)), known=KnownMeters(known), try_hourly=True)
    assert (days_had(history, "A"), lengths(history, "A")) == (dates(5), {DAY})
    assert (history.error, history.doubt, len(history.warnings)) == (None, error, 1)


def test_server_error_is_an_error_if_finer_data_is_known() -> None:
    error = TransportError.of_answer("status 500")
    history = fetch(Portal(["A"], refuses=hourly_fails(error)), known=KnownMeters({"A": HOUR, "B": DAY_STEP}))
    assert (history.error, history.doubt) == (error, None)


def test_server_error_of_all_requests_stays_an_error() -> None:
    history = fetch(Portal(["A"], refuses=lambda _: TransportError.of_answer("status 500")))
    assert isinstance(history.error, TransportError)
    assert history.doubt is None


@pytest.mark.parametrize("kind", [TransportError, ProtocolError])
def test_failed_sign_in_ends_the_requests(kind: type[PortalError]) -> None:
    error = kind("no sign-in")
    error.while_signing_in = True
    portal = Portal(["A"], refuses=lambda query: error)
    assert fetch(portal, 35).error is error
    assert len(portal.asked) == 1


@pytest.mark.parametrize("daily_error", [TransportError("gone"), ProtocolError("FAILED"), PendingError("PENDING")])
def test_error_of_the_daily_data_keeps_the_hourly_data(daily_error: PortalError) -> None:
    portal = Portal(["A"], ["B"], refuses=lambda query: daily_error if query.time_frame == DAILY else None)
    history = fetch(portal)
    assert history.error is daily_error
    assert lengths(history, "A") == {HOUR}
    assert len(readings_of(history)["A"]) == 15
    assert readings_of(history).get("B", ()) == ()


# -- hourly or daily


@dataclass
class Case:
    """A location, its known steps, and the expected length of each meter's readings."""

    portal: Portal
    expected: dict[str, set[int]]
    frames: set[str]
    steps: dict[str, int] = field(default_factory=dict)
    try_hourly: bool = False


def cases() -> dict[str, Case]:
    both = {HOURLY, DAILY}
    return {
        "an interval meter": Case(Portal(["A"], has_hourly=True), {"A": {HOUR}}, {HOURLY}),
        "daily only, the flags say so": Case(Portal([], ["A"], has_hourly=False), {"A": {DAY}}, both),
        "daily only, hourly is empty": Case(Portal([], ["A"]), {"A": {DAY}}, both),
        "monthly only": Case(Portal([], [], lists=["A"], has_hourly=False), {"A": set()}, both),
        "one of each": Case(Portal(["A"], ["B"]), {"A": {HOUR}, "B": {DAY}}, both),
        "one of each, known": Case(Portal(["A"], ["B"]), {"A": {HOUR}, "B": {DAY}}, both, {"A": HOUR, "B": DAY_STEP}),
        "one of each, the daily one known though hourly lists it not": Case(
            Portal(["A"], ["B"], lists=["A"]), {"A": {HOUR}, "B": {DAY}}, both, {"A": HOUR, "B": DAY_STEP}
        ),
        "known without a step": Case(Portal([], ["A"]), {"A": {DAY}}, both, {"A": 0}),
        "known as daily": Case(Portal([], ["A"]), {"A": {DAY}}, {DAILY}, {"A": DAY_STEP}),
        "known as daily, tried again": Case(Portal([], ["A"]), {"A": {DAY}}, both, {"A": DAY_STEP}, try_hourly=True),
        "known as daily, now an interval meter": Case(
            Portal(["A"]), {"A": {HOUR}}, {HOURLY}, {"A": DAY_STEP}, try_hourly=True
        ),
        "known as hourly, nothing for now": Case(Portal([], ["A"]), {"A": set()}, {HOURLY}, {"A": HOUR}),
        "known as hourly, nothing for now, the flags deny it": Case(
            Portal([], ["A"], has_hourly=False), {"A": set()}, both, {"A": HOUR}
        ),
        "known as hourly, nothing for now, beside a daily one": Case(
            Portal(["C"], ["A", "B"]), {"A": set(), "B": {DAY}, "C": {HOUR}}, both, {"A": HOUR, "B": DAY_STEP}
        ),
    }


@pytest.mark.parametrize("name", cases())
def test_each_meter_has_hourly_or_daily_readings(name: str) -> None:
    case = cases()[name]
    history = fetch(case.portal, 5, KnownMeters(case.steps), try_hourly=case.try_hourly)
    assert {number: lengths(history, number) for number in readings_of(history)} == case.expected
    assert case.portal.frames() == case.frames
    assert history.error is None


def test_daily_data_is_requested_in_ranges_too() -> None:
    portal = Portal([], ["A"])
    history = fetch(portal, 70)
    assert portal.days(DAILY) == [30, 30, 10]
    assert days_had(history, "A") == dates(70)


def one_meter(points_of: Callable[[UsageQuery], list[Pair]], flow: str = "FORWARD") -> LocationHistory:
    """Return a location with one meter that has these points."""

    def ask(query: UsageQuery) -> UsageAnswer:
        return decode(electric(usage([meter("A", flow=flow)], [series("A", points_of(query))])))

    return LocationHistory(ask, "55001", "4411", WallClock(ZoneInfo(ZONE)))


def test_first_hourly_point_is_not_a_daily_one() -> None:
    def first(query: UsageQuery) -> list[Pair]:
        return [(wall_of(query.start, ZONE) + (0 if query.time_frame == DAILY else 23 * HOUR), 1.0)]

    history = fetch(one_meter(first), 1)
    assert readings_of(history) == {"A": ()}
    assert {each.info.step for each in history.meters}.isdisjoint({DAY_STEP})


def each_midnight(query: UsageQuery) -> list[Pair]:
    return [(time, 24.5) for time in range(wall_of(query.start, ZONE), wall_of(query.end, ZONE), DAY)]


@pytest.mark.parametrize(
    ("days", "step", "expected"),
    [
        (5, 0, dates(5)),
        (1, DAY_STEP, dates(1)),
        (1, 0, set()),  # it may be the first point of a meter with finer data
        (5, HOUR, set()),
        (1, HOUR, dates(1)),  # it is the first point of the day
    ],
)
def test_hourly_answer_with_a_point_per_day_leads_to_daily(days: int, step: int, expected: set[str]) -> None:
    known = KnownMeters({"A": step} if step else {})
    history = fetch(one_meter(each_midnight), days, known, try_hourly=True)
    assert days_had(history, "A") == expected
    assert (lengths(history, "A") <= {DAY}) is (days > 1 or step != HOUR)
    assert (history.error, history.dropped) == (None, not expected)


# -- warnings and evidence


def hours_in(zone: str, *values: float) -> Callable[[UsageQuery], list[Pair]]:
    return lambda query: [
        (wall_of(moment, zone), value)
        for moment, value in zip(range(query.start, query.end, HOUR), cycle(values), strict=False)
    ]


def test_word_of_several_ranges_is_reported_once() -> None:
    assert fetch(one_meter(hours_in(ZONE, 1.0), "SIDEWAYS"), 65).words == ["SIDEWAYS"]


def test_evidence_of_all_ranges_is_kept() -> None:
    found = fetch(one_meter(hours_in("America/Chicago", 1.0)), 65).evidence
    assert len(found) > 1
    assert all(evidence.agrees(ZoneInfo("America/Chicago")) for evidence in found)


def at_the_end(query: UsageQuery) -> list[Pair]:
    return [(wall + HOUR, float(wall % 7)) for wall, _ in hours_in(ZONE, 1.0)(query)]


def test_labels_at_the_end_lose_no_interval_between_ranges() -> None:
    history = fetch(one_meter(at_the_end), 65, first=date(2026, 5, 1))
    readings = readings_of(history)["A"]
    first, _ = bounds_of(date(2026, 5, 1), ZONE)
    assert [each.start for each in readings] == list(range(first, first + 65 * DAY, HOUR))
    assert [each.usage for each in readings] == [float((wall_of(each.start, ZONE) - HOUR) % 7) for each in readings]
    assert not any(evidence.agrees(ZoneInfo(ZONE)) for evidence in history.evidence)


def test_missing_first_points_are_looked_for_twice() -> None:
    queries: list[UsageQuery] = []

    def late(query: UsageQuery) -> list[Pair]:
        if query.time_frame == HOURLY:
            queries.append(query)
        return hours_in(ZONE, 1.0)(query)[1:]

    history = fetch(one_meter(late), 120)
    assert [days_of(query) for query in queries] == [30, 1, 30, 1, 30, 30]
    assert history.error is None


@pytest.mark.parametrize("error", [ProtocolError("FAILED"), PendingError("PENDING")])
def test_failure_to_look_for_a_first_point_loses_nothing(error: PortalError) -> None:
    def once(query: UsageQuery) -> list[Pair]:
        if days_of(query) == 1:
            raise error
        return at_the_end(query)

    history = fetch(one_meter(once), 2)
    assert (len(readings_of(history)["A"]), history.error) == (47, None)


def test_meter_that_exports_in_one_range_exports_in_all() -> None:
    def negative_at_first(query: UsageQuery) -> list[Pair]:
        return hours_in(ZONE, -1.0 if query.start == bounds_of(FIRST, ZONE)[0] else 1.0)(query)

    (only,) = fetch(one_meter(negative_at_first), 31).meters
    assert (only.info.exports, only.info.signed) == (True, True)


# -- sub-meters


def nested(parents: dict[str, list[str]]) -> Portal:
    """Return a portal whose meters have parents."""

    class Nested(Portal):
        def __call__(self, query: UsageQuery) -> UsageAnswer:
            found = super().__call__(query)
            found.channels = [replace(each, parents=tuple(parents.get(each.meter, ()))) for each in found.channels]
            return found

    return Nested(["A", "B"])


def test_configured_parent_follows_those_of_the_portal() -> None:
    portal = nested({"B": ["P"]})
    clock = WallClock(ZoneInfo(ZONE))
    configured = LocationHistory(portal, "55001", "4411", clock, submeters={"B": "A", "X": "Y"})
    parents = {each.info.number: each.info.parents for each in fetch(configured).meters}
    assert parents == {"A": (), "B": ("P", "A")}


@pytest.mark.parametrize(
    ("submeters", "unknown"), [({}, ""), ({"B": "A"}, ""), ({"B": "a"}, "a"), ({"C": "A", "B": "P"}, "C, P")]
)
def test_configured_submeters_that_do_not_exist_have_a_warning(submeters: dict[str, str], unknown: str) -> None:
    location = LocationHistory(Portal(["A", "B"]), "55001", "4411", WallClock(ZoneInfo(ZONE)), submeters=submeters)
    told = f"submeters in the configuration names {unknown}, but the meters of this location are A, B"
    assert fetch(location, 65).warnings == ([told] if unknown else [])
    assert fetch(location, known=KnownMeters(dict.fromkeys(("C", "P", "a"), HOUR))).warnings == []


def test_circle_of_submeters_has_one_warning() -> None:
    assert fetch(nested({"B": ["A"]}), 65).warnings == []
    assert fetch(nested({"A": ["B"], "B": ["A"]}), 65).warnings == ["ignored sub-meters that contain themselves: A, B"]


# -- limits


def test_location_has_at_most_200_meters() -> None:
    numbers = [f"M{number}" for number in range(201)]
    history = fetch(Portal(numbers), 31)
    assert [*readings_of(history)] == numbers[:200]
    assert history.warnings == ["more than 200 meters; left out the others"]
    assert fetch(Portal(numbers[:200])).warnings == []


def test_location_has_a_maximum_number_of_readings() -> None:
    location = LocationHistory(Portal(), "55001", "4411", WallClock(ZoneInfo(ZONE)), most_readings=100)
    history = fetch(location, 90)
    assert isinstance(history.error, TooLargeError)
    assert days_had(history) == dates(60, FIRST + timedelta(days=30))
    assert fetch(location, 30).error is None


def test_known_meters_count_before_new_ones() -> None:
    known = KnownMeters(dict.fromkeys((f"K{number}" for number in range(199)), HOUR))
    history = fetch(Portal(["M1", "M2", "K7"]), 5, known)
    assert sorted(readings_of(history)) == ["K7", "M1"]


def with_periods(*names: str) -> LocationHistory:
    """Return a location whose three intervals per day are in these periods, one after the other."""

    def ask(query: UsageQuery) -> UsageAnswer:
        pairs = [(wall_of(start, ZONE), 1.0) for start in range(query.start, query.end, HOUR)]
        by_period = {name: pairs[number :: len(names)] for number, name in enumerate(names)}
        serieses = [series("A", some, rateName=name) for name, some in by_period.items()]
        listed = [meter("A")]
        return decode(electric(usage(listed, [series("A", pairs)]), time_of_use(listed, serieses)))

    return LocationHistory(ask, "55001", "4411", WallClock(ZoneInfo(ZONE)))


def periods_of(history: History) -> set[str]:
    return {period for reading in readings_of(history)["A"] for period, _ in reading.periods}


def test_meter_has_at_most_50_rate_periods() -> None:
    names = [f"period {number:02}" for number in range(51)]
    history = fetch(with_periods(*names), 31)
    assert periods_of(history) == {*names[:50]}
    assert history.warnings == ["meter A: more than 50 rate periods; left out the others"]
    assert {reading.usage for reading in readings_of(history)["A"]} == {1.0}
    assert fetch(with_periods(*names[:50])).warnings == []


def test_known_rate_periods_count_before_new_ones() -> None:
    intervals = tuple(
        Interval(number * HOUR, (number + 1) * HOUR, 1.0, 1, periods=((f"known {number}", 1.0, 1),))
        for number in range(49)
    )
    known = KnownMeters.of([Meter.of(MeterInfo("A", step=HOUR), intervals)])
    assert periods_of(fetch(with_periods("a", "b", "known 7"), 5, known)) == {"a", "known 7"}
