"""Nothing before a location is connected, days before intervals: where the simulated portal's data begin and end."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from exporter.simulator.settings import Dst, Poll, Settings, Span
from exporter.simulator.specs import Channels, LocationSpec, MeterSpec, Resolution
from exporter.simulator.truth import Truth

from ..support.decoding import compare
from ..support.member import DAY, HOUR, MIDNIGHT, NEXT, Json, Member, at, meter, place, times, wall

BEFORE = at(2026, 6, 7)


def connected(day: str, *meters: MeterSpec, **more: Any) -> LocationSpec:  # noqa: ANN401
    return LocationSpec("55001", "70001", meters or (meter(),), connected=day, **more)


def read_dates(entry: Json, number: int = 0) -> tuple[int | None, int | None]:
    each = entry["meters"][number]
    return each.get("minReadDate"), each.get("maxReadDate")


# -- the connection


def test_the_first_interval_begins_at_the_midnight_of_the_connection() -> None:
    found = times(Member(connected("2026-06-10")).usage(BEFORE, at(2026, 6, 12)))
    assert found[0] == wall(2026, 6, 10)
    assert len(found) == 2 * 96


def test_the_first_day_is_that_of_the_connection() -> None:
    found = times(Member(connected("2026-06-10")).usage(BEFORE, at(2026, 6, 12), "DAILY"))
    assert found == [wall(2026, 6, 10), wall(2026, 6, 11)]


@pytest.mark.parametrize("resolution", [Resolution.INTERVALS, Resolution.DAYS])
def test_the_truth_begins_with_the_connection_too(resolution: Resolution) -> None:
    spec = meter(resolution=resolution)
    member = Member(connected("2026-06-10", spec))
    assert min(compare(member, spec, BEFORE, NEXT)) == MIDNIGHT
    assert member.portal.truth(spec, BEFORE, MIDNIGHT) == Truth(BEFORE, MIDNIGHT, None, None, None)
    assert member.portal.almanac.intervals(spec, BEFORE, NEXT)[0].start == MIDNIGHT


@pytest.mark.parametrize(
    ("zone", "day", "hours_after_midnight_utc"),
    [
        ("America/Phoenix", (2026, 6, 10), 7),
        ("America/New_York", (2026, 3, 8), 5),
        ("America/New_York", (2026, 3, 9), 4),
        ("America/New_York", (2026, 11, 1), 4),
        ("America/New_York", (2026, 11, 2), 5),
    ],
)
def test_the_midnight_of_the_connection_is_that_of_its_zone_on_its_day(
    zone: str, day: tuple[int, int, int], hours_after_midnight_utc: int
) -> None:
    spec = meter()
    member = Member(connected("{:04}-{:02}-{:02}".format(*day), spec), zone=zone, now=at(2026, 12, 1))
    start = int(datetime(*day, hours_after_midnight_utc, tzinfo=UTC).timestamp())
    assert member.portal.almanac.intervals(spec, start - 2 * DAY, start + DAY)[0].start == start
    assert times(member.usage(start - 2 * DAY, start + DAY))[0] == wall(*day)


def test_phantoms_are_not_given_before_the_connection() -> None:
    settings = Settings(pending=0, dst=Dst.PHANTOM)
    for day, phantoms in (("2026-03-08", 4), ("2026-03-09", 0)):
        found = times(Member(connected(day), settings=settings).usage(at(2026, 3, 7), at(2026, 3, 10)))
        assert len([x for x in found if wall(2026, 3, 8, 2) <= x < wall(2026, 3, 8, 3)]) == phantoms


@pytest.mark.parametrize(
    ("location", "said"), [(place(meter()), "May 4, 2019"), (connected("2026-06-10"), "June 10, 2026")]
)
def test_the_day_of_the_connection_is_told_in_words(location: LocationSpec, said: str) -> None:
    assert Member(location).usage()["connectDate"] == said


def test_a_meter_that_has_moved_begins_with_its_present_member() -> None:
    spec = meter()
    closed = LocationSpec("55009", "70009", (spec,), connected="2010-01-01", inactive=True)
    member = Member(connected("2026-06-10", spec), closed)
    assert member.portal.almanac.intervals(spec, BEFORE, NEXT)[0].start == MIDNIGHT


# -- days before intervals


def test_a_meter_can_have_days_from_a_time_before_its_intervals() -> None:
    spec = meter(hourly_since="2026-06-10")
    member = Member(place(spec))
    hourly, daily = (times(member.usage(BEFORE, at(2026, 6, 12), frame)) for frame in ("HOURLY", "DAILY"))
    assert (hourly[0], len(hourly)) == (wall(2026, 6, 10), 2 * 96)
    assert daily == [wall(2026, 6, day) for day in (7, 8, 9, 10, 11)]
    assert min(compare(member, spec, BEFORE, NEXT)) == MIDNIGHT


def test_the_days_before_the_intervals_are_whole() -> None:
    plain, late = (
        Member(place(meter(hourly_since=since))).usage(BEFORE, NEXT, "DAILY") for since in ("", "2026-06-10")
    )
    assert late["series"] == plain["series"]


def test_intervals_begin_with_the_later_of_connection_and_smart_meter() -> None:
    for day, since in (("2026-06-10", "2026-06-08"), ("2026-06-08", "2026-06-10")):
        spec = meter(hourly_since=since)
        member = Member(connected(day, spec))
        assert times(member.usage(BEFORE, NEXT))[0] == wall(2026, 6, 10)
        assert member.portal.almanac.intervals(spec, BEFORE, NEXT)[0].start == MIDNIGHT
        assert times(member.usage(BEFORE, NEXT, "DAILY"))[0] == wall(2026, 6, int(day[-2:]))


def test_two_meters_of_a_location_can_begin_on_different_days() -> None:
    old, new = meter(), meter(number="81002", hourly_since="2026-06-10")
    entry = Member(place(old, new)).usage(BEFORE, NEXT)
    assert [times(entry, n)[0] for n in (0, 1)] == [wall(2026, 6, 7), wall(2026, 6, 10)]
    assert [read_dates(entry, n)[0] for n in (0, 1)] == [BEFORE * 1000, MIDNIGHT * 1000]


# -- the range that has data


def test_a_meter_says_from_when_to_when_it_has_data() -> None:
    entries = Member(place(meter(periods=True))).entries()
    assert read_dates(entries["USAGE"]) == (MIDNIGHT * 1000, NEXT * 1000)
    assert {read_dates(entries["TIME_OF_USE"], n) for n in range(3)} == {(wall(2026, 6, 10), wall(2026, 6, 11))}
    assert entries["TIME_OF_USE"]["endDateTime"] == wall(2026, 6, 11)


@pytest.mark.parametrize(
    ("settings", "last"),
    [
        (Settings(pending=0), 12 * HOUR),
        (Settings(pending=0, lag=2 * HOUR), 10 * HOUR),
        (Settings(pending=0, lag=2 * HOUR, placeholders=True), 10 * HOUR),
        (Settings(pending=0, lag=2 * HOUR - 60, partial_newest=True), 10 * HOUR + 60),
        (Settings(pending=0, nulls=(Span("81001", MIDNIGHT + 9 * HOUR, NEXT),)), 9 * HOUR),
    ],
)
def test_the_range_ends_with_what_has_been_read(settings: Settings, last: int) -> None:
    entry = Member(place(meter()), settings=settings, now=MIDNIGHT + 12 * HOUR).usage()
    assert read_dates(entry) == (MIDNIGHT * 1000, (MIDNIGHT + last) * 1000)


def test_the_range_of_days_ends_at_a_midnight_also_when_clocks_change() -> None:
    entry = Member(place(meter()), now=at(2026, 12, 1)).usage(at(2026, 10, 31), at(2026, 11, 3), "DAILY")
    assert read_dates(entry) == (at(2026, 10, 31) * 1000, at(2026, 11, 3) * 1000)


@pytest.mark.parametrize("mode", Dst)
def test_the_repeated_hour_is_within_the_range(mode: Dst) -> None:
    settings = Settings(pending=0, dst=mode)
    zone = ZoneInfo("America/New_York")
    start, end = (int(datetime(2026, 11, 1, hour, tzinfo=zone).timestamp()) for hour in (0, 2))
    entry = Member(place(meter()), settings=settings, now=at(2026, 12, 1)).usage(start, end)
    first, last = read_dates(entry)
    assert (first, last) == (start * 1000, end * 1000)
    assert end - start == 3 * HOUR


def test_without_data_there_is_no_range() -> None:
    nothing = Settings(pending=0, poll=Poll.NO_POINTS)
    for member in (Member(connected("2026-06-11")), Member(place(meter(Channels.THREE)), settings=nothing)):
        assert read_dates(member.usage()) == (None, None)
