"""The simulated portal's answers to the usage poll, taken apart by hand: as nasty as those of real portals."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from exporter.simulator.settings import Dst, Poll, Settings, Span, Stray
from exporter.simulator.specs import Channels, Resolution

from ..support.member import (
    AUTUMN,
    DAY,
    HOUR,
    MIDNIGHT,
    NEXT,
    QUARTER,
    REPEATED,
    SPRING,
    ZONE,
    Json,
    Member,
    at,
    autumn_hour,
    meter,
    place,
    points,
    times,
    wall,
)

# -- times


@pytest.mark.parametrize("step", [300, 900, 1800, 3600])
def test_each_interval_of_the_day_has_the_wall_clock_as_its_x(step: int) -> None:
    entry = Member(place(meter(step=step))).usage()
    assert times(entry) == list(range(wall(2026, 6, 10), wall(2026, 6, 11), step * 1000))


def test_the_bounds_of_the_usage_are_instants_and_those_of_the_periods_are_wall_clock() -> None:
    entries = Member(place(meter(periods=True))).entries()
    assert (entries["USAGE"]["startDateTime"], entries["USAGE"]["endDateTime"]) == (MIDNIGHT * 1000, NEXT * 1000)
    assert entries["TIME_OF_USE"]["startDateTime"] == wall(2026, 6, 10)


def test_the_charted_intervals_are_wall_clock_too_and_each_ends_with_the_next() -> None:
    charted = Member(place(meter())).usage()["xToOrderedInterval"]
    starts = list(range(wall(2026, 6, 10), wall(2026, 6, 11), QUARTER * 1000))
    assert {x: item["interval"] for x, item in charted.items()} == {
        str(x): {"start": x, "end": x + QUARTER * 1000} for x in starts
    }


def test_a_charted_interval_stretches_over_a_gap() -> None:
    gap = Span("81001", MIDNIGHT + HOUR, MIDNIGHT + 3 * HOUR)
    entry = Member(place(meter()), settings=Settings(pending=0, gaps=(gap,))).usage()
    before, after = wall(2026, 6, 10, 0, 45), wall(2026, 6, 10, 3)
    assert len(times(entry)) == 96 - 8
    assert not [x for x in times(entry) if before < x < after]
    assert entry["xToOrderedInterval"][str(before)]["interval"] == {"start": before, "end": after}


def test_a_charted_interval_stretches_over_the_change_in_spring() -> None:
    entry = Member(place(meter())).usage(at(2026, 3, 8), at(2026, 3, 9))
    before, after = wall(2026, 3, 8, 1, 45), wall(2026, 3, 8, 3)
    assert entry["xToOrderedInterval"][str(before)]["interval"] == {"start": before, "end": after}


@pytest.mark.parametrize(("month", "day"), [(3, 7), (6, 10), (10, 31)])
def test_a_daily_point_stands_at_midnight_of_the_wall_clock(month: int, day: int) -> None:
    start = at(2026, month, day)
    end = int((datetime(2026, month, day) + timedelta(days=3)).replace(tzinfo=ZONE).timestamp())  # noqa: DTZ001
    entry = Member(place(meter(resolution=Resolution.DAYS)), now=at(2026, 12, 1)).usage(start, end, "DAILY")
    first = wall(2026, month, day)
    assert times(entry) == [first, first + DAY * 1000, first + 2 * DAY * 1000]


def test_a_shifted_wall_clock_is_that_of_another_zone() -> None:
    straight, shifted = (
        times(Member(place(meter()), settings=Settings(pending=0, shifted=hours * HOUR)).usage()) for hours in (0, -2)
    )
    assert shifted == [x - 2 * HOUR * 1000 for x in straight]


# -- the clocks change


@pytest.mark.parametrize(
    ("mode", "spring", "autumn"),
    [(Dst.DUPLICATE, 92, 100), (Dst.MERGED, 92, 96), (Dst.LOST, 92, 96), (Dst.PHANTOM, 96, 100)],
)
def test_each_mode_has_its_own_number_of_points_when_clocks_change(mode: Dst, spring: int, autumn: int) -> None:
    member = Member(place(meter()), settings=Settings(pending=0, dst=mode), now=at(2026, 12, 1))
    assert [len(times(member.usage(*bounds))) for bounds in (SPRING, AUTUMN)] == [spring, autumn]


def test_the_repeated_hour_is_given_twice_merged_or_lost() -> None:
    twice = autumn_hour(Dst.DUPLICATE)
    assert [x for x, _ in twice] == REPEATED * 2
    first, second = [[y or 0.0 for _, y in half] for half in (twice[:4], twice[4:])]
    assert autumn_hour(Dst.PHANTOM) == twice
    assert autumn_hour(Dst.MERGED) == [
        (x, round(one + other, 2)) for x, one, other in zip(REPEATED, first, second, strict=True)
    ]
    assert autumn_hour(Dst.LOST) == list(zip(REPEATED, second, strict=True))


def test_phantom_points_of_spring_are_zeros_in_the_hour_that_there_is_not() -> None:
    entry = Member(place(meter()), settings=Settings(pending=0, dst=Dst.PHANTOM)).usage(*SPRING)
    hour = [(x, y) for x, y in points(entry) if wall(2026, 3, 8, 2) <= x < wall(2026, 3, 8, 3)]
    assert sorted(hour) == [(wall(2026, 3, 8, 2, minute), 0.0) for minute in (0, 15, 30, 45)]


def test_shuffled_points_keep_the_order_of_a_repeated_x() -> None:
    straight, shuffled = (
        points(Member(place(meter()), settings=Settings(pending=0, shuffled=mixed), now=at(2026, 12, 1)).usage(*AUTUMN))
        for mixed in (False, True)
    )
    assert straight != shuffled
    assert sorted(straight, key=lambda point: point[0]) == sorted(shuffled, key=lambda point: point[0])


# -- what is missing, late or not final


def test_nulls_are_null_or_have_no_y_at_all() -> None:
    span = Span("81001", MIDNIGHT + HOUR, MIDNIGHT + 2 * HOUR)
    data = Member(place(meter()), settings=Settings(pending=0, nulls=(span,))).usage()["series"][0]["data"]
    found = [point for point in data if point.get("y") is None]
    assert [point["x"] for point in found] == [wall(2026, 6, 10, 1, minute) for minute in (0, 15, 30, 45)]
    assert {"y" in point for point in found} == {True, False}


def test_intervals_are_posted_only_after_the_lag() -> None:
    now = MIDNIGHT + 12 * HOUR
    entry = Member(place(meter()), settings=Settings(pending=0, lag=2 * HOUR), now=now).usage()
    assert times(entry)[-1] == wall(2026, 6, 10, 9, 45)


def test_without_lag_an_interval_is_there_as_soon_as_it_has_ended() -> None:
    for now, last in ((MIDNIGHT + 10 * HOUR - 1, (9, 30)), (MIDNIGHT + 10 * HOUR, (9, 45))):
        assert times(Member(place(meter()), now=now).usage())[-1] == wall(2026, 6, 10, *last)


def test_the_newest_interval_can_be_a_part_of_itself() -> None:
    spec = meter(step=HOUR)
    full = dict(points(Member(place(spec)).usage()))
    now = MIDNIGHT + 12 * HOUR + QUARTER
    entry = Member(place(spec), settings=Settings(pending=0, partial_newest=True), now=now).usage()
    x, y = points(entry)[-1]
    assert x == wall(2026, 6, 10, 12)
    assert y == pytest.approx((full[x] or 0) / 4, abs=0.01)


def test_placeholders_are_zeros_until_the_end_of_the_day() -> None:
    now = MIDNIGHT + 12 * HOUR
    settings = Settings(pending=0, placeholders=True, lag=HOUR)
    found = points(Member(place(meter(Channels.THREE)), settings=settings, now=now).usage())
    assert len(found) == 96
    assert {y for x, y in found if x >= wall(2026, 6, 10, 11)} == {0.0}
    assert all(y for x, y in found if x < wall(2026, 6, 10, 8))


def test_cost_can_come_later_than_the_energy() -> None:
    settings = Settings(pending=0, cost_lag=3 * HOUR)
    entries = Member(place(meter()), settings=settings, now=MIDNIGHT + 12 * HOUR).entries()
    assert times(entries["USAGE"])[-1] == wall(2026, 6, 10, 11, 45)
    assert times(entries["COST"])[-1] == wall(2026, 6, 10, 8, 45)


def test_a_stray_point_stands_where_no_interval_is() -> None:
    stray = Stray("81001", wall(2026, 6, 10, 10, 7) // 1000, 0.0)
    found = points(Member(place(meter()), settings=Settings(pending=0, strays=(stray,))).usage())
    assert (wall(2026, 6, 10, 10, 7), 0.0) in found
    assert len(found) == 97


# -- shape


def test_the_chart_data_of_a_meter_hold_every_point_twice() -> None:
    entry = Member(place(meter())).usage()
    data = entry["series"][0]["data"]
    ((name, doubled),) = entry["meterToChartData"].items()
    assert name.startswith("Meter{")
    assert doubled == data + data
    assert entry["baseSeries"]["data"] == data


@pytest.mark.parametrize(
    ("channels", "directions"),
    [
        (Channels.FORWARD, ["FORWARD"]),
        (Channels.TOTAL, ["TOTAL"]),
        (Channels.UNNAMED, [None]),
        (Channels.UNKNOWN, ["SIDEWAYS"]),
        (Channels.FORWARD_RETURN, ["FORWARD", "RETURN"]),
        (Channels.FORWARD_REVERSE, ["FORWARD", "REVERSE"]),
        (Channels.NET, ["NET"]),
        (Channels.THREE, ["FORWARD", "REVERSE", "NET"]),
        (Channels.FORWARD_NET, ["FORWARD", "NET"]),
        (Channels.REVERSE_NET, ["REVERSE", "NET"]),
        (Channels.SIGNED, ["FORWARD"]),
        (Channels.FORWARD_TOTAL, ["FORWARD", "TOTAL"]),
        (Channels.TWO_FORWARD, ["FORWARD", "FORWARD"]),
        (Channels.SAME_TWICE, ["FORWARD", "FORWARD"]),
    ],
)
def test_a_meter_has_its_channels_each_joined_to_its_series(channels: Channels, directions: list[str | None]) -> None:
    entry = Member(place(meter(channels))).usage()
    assert [each.get("flowDirection") for each in entry["meters"]] == directions
    assert [each["seriesId"] for each in entry["meters"]] == [series["name"] for series in entry["series"]]
    assert len({each["seriesId"] for each in entry["meters"]}) == len(directions)
    assert [each["channel"] for each in entry["meters"]] == list(range(1, len(directions) + 1))
    assert [series["isNet"] for series in entry["series"]] == [direction == "NET" for direction in directions]


def test_reverse_is_negative_return_is_positive_and_net_is_either() -> None:
    three, returned = (Member(place(meter(each))).usage() for each in (Channels.THREE, Channels.FORWARD_RETURN))
    reverse, net, back = ([y or 0.0 for _, y in points(*each)] for each in ((three, 1), (three, 2), (returned, 1)))
    assert min(reverse) < -0.5
    assert max(reverse) == 0.0
    assert min(net) < -0.5 < 0.1 < max(net)
    assert [abs(y) for y in reverse] == back


def test_every_value_has_two_decimals() -> None:
    entries = Member(place(meter(Channels.THREE, periods=True))).entries()
    values = [
        y for entry in entries.values() for series in range(len(entry["series"])) for _, y in points(entry, series)
    ]
    assert len(values) == 96 * (3 + 3 + 3)
    assert all(y is not None and round(y, 2) == y for y in values)


def test_each_interval_has_its_energy_in_exactly_one_rate_period() -> None:
    entries = Member(place(meter(periods=True))).entries()
    by_name = {
        series["rateName"]: dict(points(entries["TIME_OF_USE"], n))
        for n, series in enumerate(entries["TIME_OF_USE"]["series"])
    }
    assert sorted(by_name) == ["Off Peak", "On Peak", "Super Off Peak"]
    for x, y in points(entries["USAGE"]):
        shares = sorted(values[x] or 0.0 for values in by_name.values())
        assert shares == [0.0, 0.0, y]
    night = [x for x in times(entries["USAGE"]) if x < wall(2026, 6, 10, 6)]
    assert all(by_name["Super Off Peak"][x] for x in night)


def test_cost_and_periods_are_given_only_where_the_coop_has_them() -> None:
    assert list(Member(place(meter(cost=False))).entries()) == ["USAGE"]
    assert sorted(Member(place(meter(periods=True))).entries()) == ["COST", "TIME_OF_USE", "USAGE"]


@pytest.mark.parametrize(
    ("resolution", "time_frame", "count", "flags"),
    [
        (Resolution.INTERVALS, "HOURLY", 96, (True, True)),
        (Resolution.INTERVALS, "DAILY", 1, (True, True)),
        (Resolution.DAYS, "HOURLY", 0, (False, True)),
        (Resolution.DAYS, "DAILY", 1, (False, True)),
        (Resolution.MONTHS, "HOURLY", 0, (False, False)),
        (Resolution.MONTHS, "DAILY", 0, (False, False)),
    ],
)
def test_a_meter_is_given_as_it_is_read(
    resolution: Resolution, time_frame: str, count: int, flags: tuple[bool, bool]
) -> None:
    entry = Member(place(meter(resolution=resolution))).usage(MIDNIGHT, NEXT, time_frame)
    assert len(times(entry)) == count
    assert (entry["hasHourly"], entry["hasDaily"]) == flags
    silent = Member(place(meter(resolution=resolution)), settings=Settings(pending=0, silent_flags=True))
    assert not {"hasHourly", "hasDaily"} & set(silent.usage(MIDNIGHT, NEXT, time_frame))


def test_ids_can_be_numbers() -> None:
    entry = Member(place(meter()), settings=Settings(pending=0, numeric_ids=True)).usage()
    assert (entry["serviceLocationNumber"], entry["accountNumber"]) == (70001, 55001)
    assert entry["meters"][0]["meterNumber"] == 81001


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (Poll.NO_DATA, {"status": "COMPLETE"}),
        (Poll.NO_ELECTRIC, {"status": "COMPLETE", "data": {}}),
        (Poll.NO_ENTRY, {"status": "COMPLETE", "data": {"ELECTRIC": []}}),
    ],
)
def test_an_answer_can_be_empty_in_several_ways(how: Poll, said: Json) -> None:
    member = Member(place(meter()), settings=Settings(pending=0, poll=how))
    member.sign_in()
    assert json.loads(member.poll(MIDNIGHT, NEXT).body) == said


def test_entries_can_be_without_usage_series_or_points() -> None:
    settings = Settings(pending=0)
    found = {
        how: Member(place(meter()), settings=replace(settings, poll=how)).entries()
        for how in (Poll.NO_USAGE, Poll.NO_SERIES, Poll.NO_POINTS)
    }
    assert list(found[Poll.NO_USAGE]) == ["COST"]
    assert found[Poll.NO_SERIES]["USAGE"]["series"] == []
    assert points(found[Poll.NO_POINTS]["USAGE"]) == []


def test_several_meters_of_a_location_are_in_one_entry() -> None:
    entry = Member(place(meter(), meter(number="81002"))).usage()
    assert [series["meterNumber"] for series in entry["series"]] == ["81001", "81002"]
