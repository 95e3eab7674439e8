"""The simulated portal's answers to the usage poll, with the oddities of real portals."""

import json

import pytest

from exporter.simulator.settings import Cost, Dst, Meters, Poll, Span, Stray
from exporter.simulator.specs import Channels, Resolution

from ..support.member import (
    AUTUMN,
    DAY,
    HOUR,
    MIDNIGHT,
    NEXT,
    QUARTER,
    SPRING,
    Json,
    Member,
    at,
    june,
    meter,
    points,
    times,
    wall,
)

NOON = MIDNIGHT + 12 * HOUR
MISSING = Span("81001", MIDNIGHT + HOUR, MIDNIGHT + 3 * HOUR)


def charted(entry: Json) -> dict[int, int]:
    """Return the end of each charted interval by its start."""
    found = {int(x): item["interval"] for x, item in entry["xToOrderedInterval"].items()}
    assert list(found) == [each["start"] for each in found.values()]
    return {x: each["end"] for x, each in found.items()}


# -- times


@pytest.mark.parametrize("step", [300, 3600])
def test_points_and_charted_intervals_follow_the_wall_clock(step: int) -> None:
    entry = Member(meter(step=step)).usage()
    starts = list(range(june(0), wall(2026, 6, 11), step * 1000))
    assert times(entry) == starts
    assert charted(entry) == {x: x + step * 1000 for x in starts}
    assert times(Member(meter(step=step)).usage(MIDNIGHT + 1)) == starts[1:]


def test_a_charted_interval_stretches_over_a_gap() -> None:
    entry = Member(gaps=(MISSING,)).usage()
    assert len(times(entry)) == 96 - 8
    assert not [x for x in times(entry) if june(0, 45) < x < june(3)]
    assert charted(entry)[june(0, 45)] == june(3)
    assert charted(Member().usage(*SPRING))[wall(2026, 3, 8, 1, 45)] == wall(2026, 3, 8, 3)


@pytest.mark.parametrize(("month", "day", "following"), [(3, 7, 10), (6, 10, 13), (10, 30, 2)])
def test_a_daily_point_is_at_midnight_on_the_wall_clock(month: int, day: int, following: int) -> None:
    bounds = at(2026, month, day), at(2026, month + (following < day), following)
    entry = Member(meter(resolution=Resolution.DAYS)).usage(*bounds, "DAILY")
    first = wall(2026, month, day)
    assert times(entry) == [first, first + DAY * 1000, first + 2 * DAY * 1000]
    assert charted(entry)[times(entry)[-1]] == first + 3 * DAY * 1000


def test_a_shifted_wall_clock_moves_every_point() -> None:
    assert times(Member(shifted=-2 * HOUR).usage()) == [x - 2 * HOUR * 1000 for x in times(Member().usage())]


# -- daylight saving changes


def test_the_repeated_hour_appears_twice_merged_or_once() -> None:
    repeated = range(wall(2026, 11, 1, 1), wall(2026, 11, 1, 2), QUARTER * 1000)
    hours = {mode: [(x, y or 0.0) for x, y in points(Member(dst=mode).usage(*AUTUMN)) if x in repeated] for mode in Dst}
    twice = hours[Dst.DUPLICATE]
    assert [x for x, _ in twice] == [*repeated] * 2
    assert hours[Dst.PHANTOM] == twice
    assert hours[Dst.MERGED] == [(x, round(y + twice[n + 4][1], 2)) for n, (x, y) in enumerate(twice[:4])]
    assert hours[Dst.LOST] == twice[4:]


def test_phantoms_are_zeros_in_the_skipped_hour() -> None:
    found = dict(points(Member(dst=Dst.PHANTOM).usage(*SPRING)))
    assert [found.get(wall(2026, 3, 8, 2, minute)) for minute in (0, 15, 30, 45)] == [0.0] * 4
    assert len(found) == 96


def test_shuffled_points_keep_the_order_of_a_repeated_x() -> None:
    ordered, shuffled = (points(Member(shuffled=mixed).usage(*AUTUMN)) for mixed in (False, True))
    assert ordered != shuffled
    assert sorted(ordered, key=lambda point: point[0]) == sorted(shuffled, key=lambda point: point[0])


# -- what is missing, late or not final


def test_nulls_are_null_or_have_no_y() -> None:
    data = Member(nulls=(MISSING,)).usage()["series"][0]["data"]
    found = [point for point in data if point.get("y") is None]
    assert [point["x"] for point in found] == [*range(june(1), june(3), QUARTER * 1000)]
    assert {"y" in point for point in found} == {True, False}


@pytest.mark.parametrize(
    ("now", "lag", "cost_lag", "usage", "cost"),
    [
        (NOON, 0, 0, (11, 45), (11, 45)),
        (NOON - 1, 0, 0, (11, 30), (11, 30)),
        (NOON, 2 * HOUR, 3 * HOUR, (9, 45), (6, 45)),
    ],
)
def test_energy_is_posted_after_the_lag_and_cost_later(
    now: int, lag: float, cost_lag: float, usage: tuple[int, int], cost: tuple[int, int]
) -> None:
    entries = Member(lag=lag, cost_lag=cost_lag, now=now).entries()
    assert [times(entries[kind])[-1] for kind in ("USAGE", "COST")] == [june(*usage), june(*cost)]


def test_the_newest_interval_can_be_partial() -> None:
    spec = meter(step=HOUR)
    full = dict(points(Member(spec).usage()))
    x, y = points(Member(spec, partial_newest=True, now=NOON + QUARTER).usage())[-1]
    assert x == june(12)
    assert y == pytest.approx((full[x] or 0) / 4, abs=0.01)


def test_placeholders_are_zeros_until_the_end_of_the_day() -> None:
    found = points(Member(meter(Channels.THREE), placeholders=True, lag=HOUR, now=NOON).usage())
    assert len(found) == 96
    assert {y for x, y in found if x >= june(11)} == {0.0}
    assert all(y for x, y in found if x < june(8))
    daily = Member(placeholders=True, now=NOON)
    assert times(daily.usage(MIDNIGHT, NEXT, "DAILY")) == []


def test_a_stray_point_is_in_the_first_channel_of_its_meter() -> None:
    stray = Stray("81001", june(10, 7) // 1000, 0.5)
    entry = Member(meter(Channels.FORWARD_REVERSE), meter(number="81002"), strays=(stray,)).usage()
    assert (june(10, 7), 0.5) in points(entry)
    assert [len(times(entry, n)) for n in range(3)] == [97, 96, 96]


# -- shape


@pytest.mark.parametrize("kind", ["USAGE", "COST", "TIME_OF_USE"])
def test_the_chart_data_repeats_every_point_of_each_series(kind: str) -> None:
    entry = Member(meter(Channels.THREE, periods=True)).entries()[kind]
    shown = [each["data"] for each in entry["series"]]
    assert len(shown) == 3
    assert all(name.startswith("Meter{") for name in entry["meterToChartData"])
    assert list(entry["meterToChartData"].values()) == [data + data for data in shown]
    assert entry["baseSeries"]["data"] == shown[0]
    assert [*charted(entry)] == [point["x"] for point in shown[0]]


@pytest.mark.parametrize(("channels", "count"), [(Channels.FORWARD, 1), (Channels.THREE, 3)])
def test_an_answer_is_as_large_as_a_real_one(channels: Channels, count: int) -> None:
    """About 500 bytes for an interval of a channel, with its cost."""
    member = Member(meter(channels))
    member.sign_in()
    assert 400 < len(member.poll(MIDNIGHT, NEXT).body) / 96 / count < 750


ODD_NAMES = {
    "unnamed": "",
    "unknown": "SIDEWAYS",
    "signed": "FORWARD",
    "forward+higher total": "FORWARD+TOTAL",
    "half+rest": "FORWARD+FORWARD",
    "forward+copy": "FORWARD+FORWARD",
    "received as delivered+delivered as received+net": "DELIVERED+RECEIVED+NET",
    "forward+aside": "FORWARD+SIDEWAYS",
    "forward+unknown generation": "FORWARD+SIDEWAYS",
    "slightly negative": "FORWARD",
}


@pytest.mark.parametrize("channels", Channels)
def test_each_channel_is_linked_to_its_series(channels: Channels) -> None:
    entry = Member(meter(channels)).usage()
    meters, series = entry["meters"], entry["series"]
    expected = ODD_NAMES.get(channels, channels.upper()).split("+")
    assert [each.get("flowDirection", "") for each in meters] == expected
    assert [each["seriesId"] for each in meters] == [each["name"] for each in series]
    assert len({each["seriesId"] for each in meters}) == len(expected)
    for known in (meters, series):
        assert [each["channel"] for each in known] == list(range(1, len(expected) + 1))
    assert [each["isNet"] for each in series] == [direction == "NET" for direction in expected]


@pytest.mark.parametrize(("how", "described"), [("full", 3), ("no_numbers", 3), ("none", 0)])
def test_items_of_meters_may_lack_numbers_or_be_missing(how: str, described: int) -> None:
    entry = Member(meter(Channels.THREE), meters=Meters(how)).usage()
    assert len(entry["meters"]) == described
    assert all(("meterNumber" in each) is (how == "full") for each in entry["meters"])
    assert all((each["meterNumber"] is None) is (how == "no_numbers") for each in entry["series"])
    assert [each["name"] for each in entry["series"]] == [
        f"81001 - {label}" for label in ("Consumption", "Generation", "Net")
    ]


def test_submeter_names_its_parent() -> None:
    house, barn = Member(meter(), meter(number="B", part_of="81001")).usage()["meters"]
    assert (house["isParentMeter"], house["parentMeters"]) == (True, [])
    assert (barn["isParentMeter"], barn["parentMeters"]) == (False, ["81001"])


def test_cost_is_written_in_different_ways() -> None:
    def written(how: Cost) -> tuple[str, str, list[float | None]]:
        entry = Member(meter(), cost=how).entries()["COST"]
        (only,) = entry["series"]
        return entry["unitOfMeasure"], only["name"], [y for _, y in points(entry)]

    usd = written(Cost.USD)[2]
    assert written(Cost.CENTS) == ("CENTS", "81001", [y and round(100 * y) for y in usd])
    assert written(Cost.LABELLED) == ("USD", "81001 - Cost", usd)
    assert written(Cost.ZEROS) == ("USD", "81001", [0.0] * 96)
    assert written(Cost.USAGE)[2] == [y or 0.0 for _, y in points(Member(meter()).usage())]


def test_reverse_is_negative_and_return_is_positive() -> None:
    three, returned = (Member(meter(each)).usage() for each in (Channels.THREE, Channels.FORWARD_RETURN))
    reverse, net, back = ([y or 0.0 for _, y in points(*each)] for each in ((three, 1), (three, 2), (returned, 1)))
    assert min(reverse) < -0.5
    assert max(reverse) == 0.0
    assert min(net) < -0.5 < 0.1 < max(net)
    assert [abs(y) for y in reverse] == back


def test_each_interval_has_exactly_one_rate_period() -> None:
    entries = Member(meter(periods=True)).entries()
    periods = entries["TIME_OF_USE"]
    by_name = {series["rateName"]: dict(points(periods, n)) for n, series in enumerate(periods["series"])}
    assert sorted(by_name) == ["Off Peak", "On Peak", "Super Off Peak"]
    for x, y in points(entries["USAGE"]):
        assert sorted(values[x] or 0.0 for values in by_name.values()) == [0.0, 0.0, y]
        assert bool(by_name["Super Off Peak"][x]) is (x < june(6))


def test_cost_and_rate_periods_are_optional() -> None:
    assert list(Member(meter(cost=False)).entries()) == ["USAGE"]
    assert list(Member(meter(periods=True)).entries()) == ["COST", "USAGE", "TIME_OF_USE"]


@pytest.mark.parametrize(
    ("resolution", "hourly", "daily"),
    [(Resolution.INTERVALS, 96, 1), (Resolution.DAYS, 0, 1), (Resolution.MONTHS, 0, 0)],
)
def test_answers_have_the_resolution_of_the_meter(resolution: Resolution, hourly: int, daily: int) -> None:
    spec = meter(resolution=resolution)
    for time_frame, count in (("HOURLY", hourly), ("DAILY", daily)):
        entry = Member(spec).usage(MIDNIGHT, NEXT, time_frame)
        assert len(times(entry)) == count
        assert (entry["hasHourly"], entry["hasDaily"]) == (hourly > 0, daily > 0)
        assert not {"hasHourly", "hasDaily"} & set(Member(spec, silent_flags=True).usage(MIDNIGHT, NEXT, time_frame))


@pytest.mark.parametrize("step", [900, 3600])
def test_the_end_of_the_range_can_be_included(step: int) -> None:
    spec = meter(step=step)
    xs = times(Member(spec, inclusive_end=True).usage(MIDNIGHT, NEXT))
    assert xs[:-1] == times(Member(spec).usage(MIDNIGHT, NEXT))
    assert xs[-1] == times(Member(spec).usage(NEXT, NEXT + DAY))[0]


def test_labels_can_be_the_ends_of_intervals() -> None:
    spec = meter(step=3600)
    starts = times(Member(spec).usage(MIDNIGHT, NEXT))
    assert times(Member(spec, end_labels=True).usage(MIDNIGHT, NEXT)) == [x + HOUR * 1000 for x in starts]


def test_ids_can_be_numbers() -> None:
    entry = Member(meter(), meter(number="8A"), numeric_ids=True).usage()
    assert (entry["serviceLocationNumber"], entry["accountNumber"]) == (70001, 55001)
    assert [each["meterNumber"] for each in entry["meters"]] == [81001, "8A"]
    assert [each["meterNumber"] for each in entry["series"]] == ["81001", "8A"]


def test_an_answer_can_be_empty() -> None:
    empty: dict[Poll, Json] = {
        Poll.NO_DATA: {},
        Poll.NO_ELECTRIC: {"data": {}},
        Poll.NO_ENTRY: {"data": {"ELECTRIC": []}},
    }
    for how, rest in empty.items():
        member = Member(poll=how)
        member.sign_in()
        assert json.loads(member.poll(MIDNIGHT, NEXT).body) == {"status": "COMPLETE"} | rest


def test_entries_can_lack_usage_series_or_points() -> None:
    assert list(Member(poll=Poll.NO_USAGE).entries()) == ["COST"]
    assert Member(poll=Poll.NO_SERIES).usage()["series"] == []
    assert times(Member(poll=Poll.NO_POINTS).usage()) == []
