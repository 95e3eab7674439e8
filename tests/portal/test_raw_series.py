"""Tests of the unchanged series of an answer (docs/samples.md, "InfluxDB layouts")."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from exporter.portal.query import DAILY, HOURLY
from exporter.portal.raw_series import RawSeries, raw_series
from exporter.portal.walltime import WallClock

from ..support.portal_answers import (
    HOUR,
    NET_METER,
    Json,
    Pair,
    answer,
    autumn,
    bounds_of,
    chart,
    cost,
    instants_of,
    meter,
    net_series,
    series,
    usage,
    wall,
    walls_of,
)

ZONE = "America/New_York"
CLOCK = WallClock(ZoneInfo(ZONE))
MONDAY = date(2026, 1, 5)


def read(*entries: Json, day: date = MONDAY) -> tuple[RawSeries, ...]:
    return raw_series(answer(*entries), HOURLY, CLOCK, *bounds_of(day, ZONE))


def day_of(value: float = 1.0, step: int = HOUR, day: date = MONDAY) -> list[Pair]:
    return [(time, value) for time in walls_of(day, step)]


def one(pairs: list[Pair], *more: Json) -> tuple[Json, ...]:
    charted = chart((time for time, _ in pairs), HOUR)
    return usage([meter()], [series(pairs=pairs)], xToOrderedInterval=charted), *more


def test_interval_has_real_bounds_and_an_unrounded_value() -> None:
    (only,) = read(*one(day_of(0.1234567891)))
    assert (only.meter, only.name) == ("M1", "M1")
    assert only.points == tuple((each, each + HOUR, 0.1234567891, None) for each in instants_of(MONDAY, ZONE, HOUR))


@pytest.mark.parametrize(
    ("series_id", "name"),
    [("M1", "M1"), ("M1 - Consumption", "Consumption"), ("M1 - Net Usage", "Usage"), ("81001\t FWD  ", "FWD")],
)
def test_series_is_named_by_the_last_word_of_its_name(series_id: str, name: str) -> None:
    entry = usage([meter("M1", series_id)], [series(series_id, day_of(), meterNumber="M1")])
    assert [each.name for each in read(entry)] == [name]


def test_each_channel_is_a_series_with_signed_values() -> None:
    drawn, sent, net = day_of(3.0), day_of(-1.25), day_of(1.75)
    found = read(usage(NET_METER, net_series(drawn, sent, net)))
    values = [(each.meter, each.name, {value for _, _, value, _ in each.points}) for each in found]
    assert values == [("M7", "Consumption", {3.0}), ("M7", "Generation", {-1.25}), ("M7", "Net", {1.75})]


def test_cost_is_joined_to_its_own_series_and_interval() -> None:
    pairs = day_of(1.0)
    costs: list[Pair] = [*day_of(0.125)[:10], (pairs[10][0], None)]
    (only,) = read(*one(pairs, cost([series("M1", costs)])))
    assert [usd for _, _, _, usd in only.points] == [0.125] * 10 + [None] * 14


def test_two_costs_of_one_series_are_added() -> None:
    entry = usage([meter("A"), meter("B")], [series("A", day_of(1.0)), series("B", day_of(2.0))])
    first, second = read(entry, cost([series("B", day_of(0.25)), series("B", day_of(0.5))]))
    assert {usd for _, _, _, usd in first.points} == {None}
    assert {usd for _, _, _, usd in second.points} == {0.75}


def test_missing_value_has_no_point() -> None:
    pairs = day_of(1.0)
    pairs[3] = (pairs[3][0], None)
    del pairs[8]
    (only,) = read(*one(pairs))
    starts = instants_of(MONDAY, ZONE, HOUR)
    assert [each[0] for each in only.points] == starts[:3] + starts[4:8] + starts[9:]
    # A charted interval includes the gap; an interval of the meter does not.
    assert {end - start for start, end, *_ in only.points} == {HOUR}


def test_single_point_of_unknown_length_is_omitted() -> None:
    (only,) = read(usage([meter()], [series(pairs=[(wall("2026-01-05 23:00"), 1.0)])]))
    assert only.points == ()


def test_second_point_in_autumn_is_the_second_instant() -> None:
    day = autumn(ZONE, 2026)
    (only,) = read(*one(sorted([*day_of(1.0, day=day), (wall("2026-11-01 01:00"), 5.0)])), day=day)
    assert [each[0] for each in only.points] == instants_of(day, ZONE, HOUR)
    assert [value for _, _, value, _ in only.points] == [1.0, 1.0, 5.0] + [1.0] * 22


def test_daily_values_last_from_midnight_to_midnight() -> None:
    day = autumn(ZONE, 2026)
    pairs: list[Pair] = [(wall("2026-10-31"), 20.0), (wall("2026-11-01"), 21.0)]
    costs: list[Pair] = [(wall("2026-11-01"), 2.5)]
    entry = usage([meter()], [series(pairs=pairs)], timeFrame="DAILY")
    start, end = bounds_of(date(2026, 10, 31), ZONE)[0], bounds_of(day, ZONE)[1]
    (only,) = raw_series(answer(entry, cost([series("M1", costs)])), DAILY, CLOCK, start, end)
    middle = bounds_of(day, ZONE)[0]
    assert only.points == ((start, middle, 20.0, None), (middle, end, 21.0, 2.5))
    assert end - middle == 25 * HOUR
