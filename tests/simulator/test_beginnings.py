"""When the simulated portal's data starts and ends: connection, first intervals, and read dates."""

from dataclasses import replace
from datetime import datetime

import pytest

from exporter.simulator.settings import Dst, Poll, Span
from exporter.simulator.specs import Channels, LocationSpec, MeterSpec, Resolution
from exporter.simulator.truth import Truth

from ..support.decoding import compare
from ..support.member import AUTUMN, DAY, HOUR, MIDNIGHT, NEXT, Json, Member, at, home, june, meter, times, wall

BEFORE = at(2026, 6, 7)


def connected(day: str, *meters: MeterSpec) -> LocationSpec:
    return replace(home(*meters or [meter()]), connected=day)


def read_dates(entry: Json, number: int = 0) -> tuple[int | None, int | None]:
    each = entry["meters"][number]
    return each.get("minReadDate"), each.get("maxReadDate")


# -- the connection


@pytest.mark.parametrize(
    ("zone", "day", "hour_utc"),
    [
        ("America/Phoenix", "2026-06-10", 7),
        ("America/New_York", "2026-03-08", 5),
    ],
)
@pytest.mark.parametrize("resolution", [Resolution.INTERVALS, Resolution.DAYS])
def test_data_starts_at_midnight_of_the_connection_day(
    resolution: Resolution, zone: str, day: str, hour_utc: int
) -> None:
    spec = meter(resolution=resolution)
    member = Member(connected(day, spec), zone=zone)
    midnight_utc = int(datetime.fromisoformat(f"{day}T00Z").timestamp())
    start = midnight_utc + hour_utc * HOUR
    bounds = start - 2 * DAY, start + DAY
    assert min(compare(member, spec, *bounds)) == start
    assert member.portal.truth(spec, bounds[0], start) == Truth(bounds[0], start, None, None, None)
    assert times(member.usage(*bounds, "DAILY"))[0] == midnight_utc * 1000


def test_there_are_no_phantoms_before_the_connection() -> None:
    found = times(Member(connected("2026-03-09"), dst=Dst.PHANTOM).usage(at(2026, 3, 7), at(2026, 3, 10)))
    assert min(found) == wall(2026, 3, 9)


@pytest.mark.parametrize(("day", "text"), [("2019-05-04", "May 4, 2019"), ("2026-06-10", "June 10, 2026")])
def test_the_connection_date_is_written_in_english(day: str, text: str) -> None:
    assert Member(connected(day)).usage()["connectDate"] == text


def test_a_connection_date_can_be_wrong_or_absent() -> None:
    late = Member(meter(), connect_date="2026-06-12")
    assert late.usage()["connectDate"] == "June 12, 2026"
    assert min(compare(late, meter(), BEFORE, NEXT)) == BEFORE
    assert "connectDate" not in Member(meter(), connect_date="").usage()


@pytest.mark.parametrize("resolution", [Resolution.INTERVALS, Resolution.DAYS])
def test_a_portal_may_not_keep_old_days(resolution: Resolution) -> None:
    spec = meter(resolution=resolution)
    member = Member(spec, history_from="2026-06-08")
    assert min(compare(member, spec, BEFORE, NEXT)) == at(2026, 6, 8)
    assert member.usage()["connectDate"] == "May 4, 2019"


def test_a_moved_meter_starts_with_its_current_member() -> None:
    spec = meter()
    closed = LocationSpec("55009", "70009", (spec,), connected="2010-01-01", inactive=True)
    member = Member(connected("2026-06-10", spec), closed)
    assert member.portal.almanac.intervals(spec, BEFORE, NEXT)[0].start == MIDNIGHT


# -- days before intervals


def test_days_exist_before_the_first_intervals() -> None:
    plain, late = (Member(meter(hourly_since=since)) for since in ("", "2026-06-10"))
    asked = BEFORE, at(2026, 6, 12), "DAILY"
    assert late.usage(*asked)["series"] == plain.usage(*asked)["series"]
    assert times(late.usage(*asked)) == [wall(2026, 6, day) for day in (7, 8, 9, 10, 11)]


@pytest.mark.parametrize(("day", "since"), [("2026-06-10", "2026-06-08"), ("2026-06-08", "2026-06-10")])
def test_intervals_start_with_connection_or_smart_meter(day: str, since: str) -> None:
    spec = meter(hourly_since=since)
    member = Member(connected(day, spec))
    assert min(compare(member, spec, BEFORE, NEXT)) == MIDNIGHT
    assert times(member.usage(BEFORE, NEXT, "DAILY"))[0] == wall(2026, 6, int(day[-2:]))


def test_two_meters_of_a_location_can_start_on_different_days() -> None:
    entry = Member(meter(), meter(number="81002", hourly_since="2026-06-10")).usage(BEFORE, NEXT)
    assert [times(entry, n)[0] for n in (0, 1)] == [wall(2026, 6, 7), june(0)]
    assert [read_dates(entry, n)[0] for n in (0, 1)] == [BEFORE * 1000, MIDNIGHT * 1000]


# -- read dates


def test_only_rate_periods_have_wall_clock_ranges() -> None:
    entries = Member(meter(periods=True)).entries()
    for kind, bounds in (("USAGE", (MIDNIGHT * 1000, NEXT * 1000)), ("TIME_OF_USE", (june(0), wall(2026, 6, 11)))):
        entry = entries[kind]
        assert (entry["startDateTime"], entry["endDateTime"]) == bounds
        assert {read_dates(entry, n) for n in range(len(entry["meters"]))} == {bounds}


@pytest.mark.parametrize(
    ("switches", "last"),
    [
        ({}, 12 * HOUR),
        ({"lag": 2 * HOUR, "placeholders": True}, 10 * HOUR),
        ({"lag": 2 * HOUR - 60, "partial_newest": True}, 10 * HOUR + 60),
        ({"nulls": (Span("81001", MIDNIGHT + 9 * HOUR, NEXT),)}, 9 * HOUR),
    ],
)
def test_read_dates_end_with_the_last_reading(switches: Json, last: int) -> None:
    entry = Member(now=MIDNIGHT + 12 * HOUR, **switches).usage()
    assert read_dates(entry) == (MIDNIGHT * 1000, (MIDNIGHT + last) * 1000)


@pytest.mark.parametrize("mode", Dst)
@pytest.mark.parametrize(
    ("start", "end", "frame"), [(AUTUMN[0], AUTUMN[0] + 3 * HOUR, "HOURLY"), (AUTUMN[0] - DAY, AUTUMN[1], "DAILY")]
)
def test_read_dates_cover_a_daylight_saving_change(mode: Dst, start: int, end: int, frame: str) -> None:
    assert read_dates(Member(dst=mode).usage(start, end, frame)) == (start * 1000, end * 1000)


def test_there_are_no_read_dates_without_data() -> None:
    for member in (Member(connected("2026-06-11")), Member(meter(Channels.THREE), poll=Poll.NO_POINTS)):
        assert read_dates(member.usage()) == (None, None)
