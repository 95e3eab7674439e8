"""Versions, timestamps and rounding, and what a merge keeps, replaces, holds back."""

from collections.abc import Iterable, Mapping
from decimal import Decimal, getcontext
from math import floor
from operator import attrgetter
from types import MappingProxyType

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exporter.intervals.columns import NOTHING, Intervals
from exporter.intervals.interval import Change, Interval, Reading
from exporter.intervals.merge import ENERGY_PLACEHOLDERS, versions_at, volume_placeholders, with_later_versions
from exporter.intervals.merge import merge as merge_columns
from exporter.intervals.samples import amount, newer_version, timestamp_ms, version, watts

getcontext().prec = 40

QUARTER = 900
HOUR = 3600
DAY = 86400
YEAR = 365 * DAY
START = 1_795_000_500
END = START + QUARTER

ends = st.integers(1_000_000_000, 4_000_000_000)
ages = st.integers(-DAY, 50 * YEAR)


def exact_rule(age: int) -> Decimal:
    """998 * ln(1 + h) / ln(175201) with 40 digits; `age` in seconds.

    See docs/samples.md, "Timestamps and versions".
    """
    hours = Decimal(max(age, 0)) / 3600
    return 998 * (1 + hours).ln() / Decimal(175_201).ln()


def quarter(number: int, usage: float | None = None, **values: object) -> Reading:
    """Return the reading of the n-th quarter of an hour after START."""
    start = START + number * QUARTER
    return Reading(start, start + QUARTER, usage, **values)  # type: ignore[arg-type]


def soon(number: int) -> int:
    """Return the end of the n-th quarter of an hour."""
    return START + (number + 1) * QUARTER


def merge(
    before: Mapping[int, Interval], readings: Iterable[Reading], *, now: float, hold_zeros: bool = True
) -> tuple[dict[int, Interval], list[Change]]:
    """Merge single intervals and readings; return the result by start, and the changes by start."""
    merged = merge_columns(
        Intervals.of(before[start] for start in sorted(before)),
        Intervals.of_readings(sorted(readings, key=attrgetter("start"))),
        now=now,
        placeholders=ENERGY_PLACEHOLDERS if hold_zeros else None,
    )
    after = {each.start: each for each in merged.intervals}
    changes = [*(Change(None, after[start]) for start in merged.added), *merged.changes]
    return after, sorted(changes, key=lambda change: change.after.start)


def known(*readings: Reading, now: int | None = None) -> dict[int, Interval]:
    """Return the intervals of readings that were seen at `now`, by default at their end."""
    moment = now if now is not None else max(reading.end for reading in readings)
    return merge({}, readings, now=moment, hold_zeros=False)[0]


def usages(intervals: Mapping[int, Interval]) -> dict[int, float | None]:
    """Return the usage by the number of the quarter of an hour."""
    return {(start - START) // QUARTER: interval.usage for start, interval in sorted(intervals.items())}


# -- the version


@pytest.mark.parametrize(
    ("age", "k"),
    [
        pytest.param(0, 1, id="at the end of the interval"),
        pytest.param(DAY, 267, id="a day"),
        pytest.param(20 * YEAR - 1, 998, id="a second short of twenty years"),
        pytest.param(20 * YEAR, 999, id="twenty years"),
        pytest.param(100 * YEAR, 999, id="a hundred years"),
        pytest.param(-HOUR, 1, id="before the end"),
    ],
)
def test_the_version_follows_from_the_age(age: int, k: int) -> None:
    assert version(END, END + age) == k


@given(ages=st.lists(st.integers(-DAY, 50 * YEAR), min_size=1, max_size=60))
def test_versions_of_a_column_are_those_of_its_intervals(ages: list[int]) -> None:
    for column in ([END - age for age in ages], sorted(END - age for age in ages)):
        assert list(versions_at(column, END)) == [version(end, END) for end in column]


@given(end=ends, age=ages)
def test_the_version_follows_the_formula_exactly(end: int, age: int) -> None:
    exact = exact_rule(age)
    assume(exact == exact.to_integral_value() or abs(exact - exact.to_integral_value()) > Decimal("1e-9"))
    assert version(end, end + age) == min(999, 1 + floor(exact))


@given(end=ends, age=ages, later=st.integers(0, YEAR))
def test_a_value_seen_later_never_has_an_earlier_version(end: int, age: int, later: int) -> None:
    assert version(end, end + age) <= version(end, end + age + later)


@given(end=ends, age=ages, replaced=st.integers(1, 999))
def test_a_version_is_later_than_the_one_it_replaces(end: int, age: int, replaced: int) -> None:
    fresh = version(end, end + age)
    assert newer_version(fresh, replaced) == min(999, max(fresh, replaced + 1))


@given(end=ends, age=ages, replaced=st.integers(0, 999))
def test_a_sample_is_in_the_last_second_of_its_interval(end: int, age: int, replaced: int) -> None:
    k = newer_version(version(end, end + age), replaced)
    stamp = timestamp_ms(end, k)
    assert stamp == end * 1000 - 1000 + k
    assert (end - 1) * 1000 < stamp < end * 1000


# -- rounding


@pytest.mark.parametrize(
    ("value", "rounded"),
    [(57.029999999999994, "57.03"), (0.1 + 0.2, "0.3"), (1.23456749, "1.234567"), (-2.0000004, "-2.0"), (0, "0.0")],
)
def test_energy_and_money_have_six_decimals(value: float, rounded: str) -> None:
    assert repr(amount(value)) == rounded


@pytest.mark.parametrize("value", [-0.0, -1e-9, -4.9e-7, 0.0, 4.9e-7])
def test_there_is_no_negative_zero(value: float) -> None:
    assert repr(amount(value)) == "0.0"
    assert repr(watts(value / 1e6, HOUR)) == "0.0"


@given(st.floats(-1e6, 1e6))
def test_an_amount_is_rounded_to_the_nearest(value: float) -> None:
    rounded = amount(value)
    assert abs(Decimal(rounded) - Decimal(value)) <= Decimal("5.001e-7")
    assert -Decimal(repr(rounded)).as_tuple().exponent <= 6  # type: ignore[operator]


@pytest.mark.parametrize(
    ("kwh", "seconds", "power"),
    [
        (0.25, QUARTER, "1000.0"),
        (1.0, 3 * HOUR, "333.333"),
        (25.0, 25 * HOUR, "1000.0"),
        (0.0000007, HOUR, "0.001"),
        (0.0, QUARTER, "0.0"),
    ],
)
def test_watts_are_average_power_with_three_decimals(kwh: float, seconds: int, power: str) -> None:
    assert repr(watts(kwh, seconds)) == power


# -- merging


def test_new_values_have_the_version_of_their_age() -> None:
    reading = quarter(0, 0.31, export=0.02, cost=0.04, periods=(("Off Peak", 0.31),))
    merged, changes = merge({}, [reading], now=END + DAY)
    expected = Interval(START, END, 0.31, 267, 0.02, 267, 0.04, 267, (("Off Peak", 0.31, 267),))
    assert merged == {START: expected}
    assert changes == [Change(None, expected)]


def test_an_unchanged_reading_changes_nothing() -> None:
    reading = quarter(0, 0.31, export=0.0, cost=0.04, periods=(("Off Peak", 0.31),))
    before = known(reading)
    merged, changes = merge(before, [reading], now=END + 10 * DAY)
    assert (merged, changes) == (before, [])


@pytest.mark.parametrize("value", [0.4, 0.2], ids=["up", "down"])
def test_a_revised_value_has_a_later_version(value: float) -> None:
    before = known(quarter(0, 0.31))
    merged, changes = merge(before, [quarter(0, value)], now=END + DAY)
    assert merged[START] == Interval(START, END, value, 267)
    assert changes == [Change(before[START], merged[START])]


def test_versions_rise_above_a_former_interval() -> None:
    now = Interval(START, END, 1.0, 7, 0.5, 7, 0.1, 7, (("On Peak", 0.4, 7), ("Off Peak", 0.6, 7)))
    former = Interval(START - QUARTER, END, 1.5, 7, 0.5, 9, None, 0, (("On Peak", 0.9, 20),))
    assert with_later_versions(now, former) == Interval(
        START, END, 1.0, 8, 0.5, 7, 0.1, 7, (("On Peak", 0.4, 21), ("Off Peak", 0.6, 7))
    )
    assert with_later_versions(now, None) == now


def test_a_value_that_comes_back_is_a_new_version() -> None:
    intervals = known(quarter(0, 0.31))
    for value in (0.32, 0.31):
        intervals, _ = merge(intervals, [quarter(0, value)], now=END)
    assert intervals[START] == Interval(START, END, 0.31, 3)


def test_a_late_cost_has_its_own_version() -> None:
    merged, _ = merge(known(quarter(0, 0.31)), [quarter(0, 0.31, cost=0.04)], now=END + DAY)
    assert merged[START] == Interval(START, END, 0.31, 1, cost=0.04, cost_k=267)


def test_a_late_interval_is_inserted_in_order() -> None:
    before = known(quarter(0, 0.1), quarter(2, 0.3))
    merged, changes = merge(before, [quarter(1, 0.2)], now=soon(2) + DAY)
    assert usages(merged) == {0: 0.1, 1: 0.2, 2: 0.3}
    assert [change.before for change in changes] == [None]


def test_a_withdrawn_value_keeps_its_last_state() -> None:
    reading = quarter(0, 0.31, export=0.02, cost=0.04, periods=(("Off Peak", 0.31),))
    before = known(reading, quarter(1, 0.5))
    assert merge(before, [quarter(0), quarter(1, 0.5)], now=END + DAY) == (before, [])
    assert merge(before, [], now=END + DAY) == (before, [])


def test_a_withdrawn_value_does_not_block_other_values() -> None:
    before = known(quarter(0, 0.31, export=0.02, cost=0.04))
    merged, _ = merge(before, [quarter(0, None, export=0.03)], now=END + DAY)
    assert merged[START] == Interval(START, END, 0.31, 1, 0.03, 267, 0.04, 1)


def test_missing_is_missing_and_never_zero() -> None:
    merged, changes = merge({}, [quarter(0), quarter(1, 0.2)], now=soon(1))
    assert (usages(merged), len(changes)) == ({1: 0.2}, 1)
    assert merged[START + QUARTER] == Interval(START + QUARTER, END + QUARTER, 0.2, 1)


def test_an_interval_is_merged_once_it_has_ended() -> None:
    assert merge({}, [quarter(0, 0.31)], now=END - 0.001) == ({}, [])
    assert usages(merge({}, [quarter(0, 0.31)], now=END)[0]) == {0: 0.31}


def test_a_merge_does_not_change_its_input() -> None:
    before = MappingProxyType(known(quarter(0, 0.31)))
    merge(before, [quarter(0, 0.4), quarter(1, 0.5)], now=soon(1))
    assert usages(before) == {0: 0.31}


@pytest.mark.parametrize("usage", [0.31, 0.4], ids=["the same", "another"])
def test_a_reading_replaces_the_intervals_it_overlaps(usage: float) -> None:
    before = known(*(quarter(number, 0.1) for number in range(6)))
    hour = Reading(START + QUARTER, START + QUARTER + HOUR, usage)
    merged, changes = merge(before, [hour], now=soon(5))
    assert usages(merged) == {0: 0.1, 1: usage, 5: 0.1}
    # It ends with the fourth quarter, whose sample it has to replace.
    assert merged[hour.start].usage_k == before[START + 4 * QUARTER].usage_k + 1
    assert [change.after for change in changes] == [merged[hour.start]]


def test_a_reading_inside_a_known_interval_replaces_it() -> None:
    day = Reading(START, START + DAY, 24.0)
    assert usages(merge(known(day), [quarter(2, 0.1)], now=day.end)[0]) == {2: 0.1}


# -- placeholders


def test_zeros_at_the_end_are_held_back_with_cost_and_periods() -> None:
    zero = {"export": 0.0, "cost": 0.02, "periods": (("Off Peak", 0.0),)}
    readings = [quarter(0, 0.3, export=0.0), quarter(1, 0.0, **zero), quarter(2, 0.0, **zero)]
    merged, changes = merge({}, readings, now=soon(2))
    assert (usages(merged), len(changes)) == ({0: 0.3}, 1)


@pytest.mark.parametrize("following", [{"usage": 0.2}, {"usage": 0.0, "export": 0.2}], ids=["usage", "export"])
def test_zeros_are_served_once_something_follows_them(following: dict[str, float]) -> None:
    before, _ = merge({}, [quarter(0, 0.3), quarter(1, 0.0)], now=soon(1))
    merged, _ = merge(before, [quarter(1, 0.0), quarter(2, **following), quarter(3, 0.0)], now=soon(1) + DAY)
    assert usages(merged) == {0: 0.3, 1: 0.0, 2: following["usage"]}
    assert merged[START + QUARTER].usage_k == 267


def test_zeros_before_known_energy_are_served() -> None:
    before = known(quarter(0, 0.3), quarter(2, 0.2))
    for withdrawn in ([], [quarter(2)]):
        assert usages(merge(before, [quarter(1, 0.0), *withdrawn], now=soon(2))[0]) == {0: 0.3, 1: 0.0, 2: 0.2}


def test_zeros_are_served_at_the_age_of_48_hours() -> None:
    readings = [quarter(0, 0.3), quarter(1, 0.0), quarter(2, 0.0)]
    before, _ = merge({}, readings, now=soon(1) + 48 * HOUR - 1)
    assert usages(before) == {0: 0.3}
    merged, _ = merge(before, readings, now=soon(1) + 48 * HOUR)
    assert usages(merged) == {0: 0.3, 1: 0.0}
    assert merged[START + QUARTER].usage_k == version(0, 48 * HOUR)


def test_zeros_of_an_empty_house_wait_48_hours() -> None:
    readings = [quarter(number, 0.0) for number in range(3)]
    assert usages(merge({}, readings, now=soon(0) + 48 * HOUR)[0]) == {0: 0.0}


@pytest.mark.parametrize(
    ("usage", "export", "served"),
    [
        pytest.param(0.0, 0.4, True, id="export alone is energy"),
        pytest.param(0.4, 0.0, True, id="usage alone is energy"),
        pytest.param(0.0, 0.0, False, id="zeros in both channels"),
        pytest.param(None, 0.0, False, id="zero in the only channel with a value"),
    ],
)
def test_a_placeholder_is_zero_in_all_channels(usage: float | None, export: float, served: bool) -> None:  # noqa: FBT001
    merged, _ = merge({}, [quarter(0, 0.3, export=0.0), quarter(1, usage, export=export)], now=soon(1))
    assert (START + QUARTER in merged) is served


def test_zeros_at_the_end_of_a_chunk_are_not_held_back() -> None:
    merged, _ = merge({}, [quarter(0, 0.3), quarter(1, 0.0)], now=soon(1), hold_zeros=False)
    assert usages(merged) == {0: 0.3, 1: 0.0}


@pytest.mark.parametrize(
    ("newest_electric", "age", "served"),
    [
        pytest.param(2, 0, [0, 1], id="only zeros after the newest energy of the house are doubtful"),
        pytest.param(4, 0, [0, 1, 2, 3], id="a house that uses energy may use no water"),
        pytest.param(2, 47 * HOUR, [0, 1], id="almost two days old"),
        pytest.param(2, 48 * HOUR, [0, 1, 2, 3], id="two days old"),
        pytest.param(None, 23 * HOUR, [0], id="a day without electricity to compare with"),
        pytest.param(None, 24 * HOUR, [0, 1, 2, 3], id="more than a day"),
    ],
)
def test_zeros_of_water_are_judged_by_electricity(newest_electric: int | None, age: int, served: list[int]) -> None:
    rule = volume_placeholders(None if newest_electric is None else START + newest_electric * QUARTER)
    readings = Intervals.of_readings([quarter(0, 3.0), *(quarter(number, 0.0) for number in (1, 2, 3))])
    merged = merge_columns(NOTHING, readings, now=START + 4 * QUARTER + age, placeholders=rule).intervals
    assert [(start - START) // QUARTER for start in merged.starts] == served


def test_a_placeholder_does_not_replace_a_known_value() -> None:
    before = known(quarter(0, 0.3), quarter(1, 0.2))
    assert merge(before, [quarter(0, 0.3), quarter(1, 0.0)], now=soon(1) + HOUR) == (before, [])


@pytest.mark.parametrize(("cost", "served"), [(0.0, {0: 0.3}), (0.02, {0: 0.3, 2: None})])
def test_only_a_zero_cost_alone_is_a_placeholder(cost: float, served: dict[int, float | None]) -> None:
    merged, _ = merge({}, [quarter(0, 0.3), quarter(1, 0.0), quarter(2, None, cost=cost)], now=soon(2))
    assert usages(merged) == served


# -- rate periods


def periods(*pairs: tuple[str, float]) -> Reading:
    return quarter(0, round(sum(kwh for _, kwh in pairs), 6), periods=pairs)


def test_zeros_are_dropped_if_another_period_has_the_energy() -> None:
    merged, _ = merge({}, [periods(("Off Peak", 0.0), ("On Peak", 0.3), ("Super Off Peak", 0.0))], now=END)
    assert merged[START].periods == (("On Peak", 0.3, 1),)
    merged, _ = merge({}, [periods(("Off Peak", 0.0), ("On Peak", 0.0))], now=END, hold_zeros=False)
    assert merged[START].periods == (("Off Peak", 0.0, 1), ("On Peak", 0.0, 1))


def test_a_period_is_zero_if_others_have_all_the_energy() -> None:
    before, _ = merge({}, [periods(("Off Peak", 0.3))], now=END)
    moved, _ = merge(before, [periods(("On Peak", 0.3))], now=END)
    assert moved[START].periods == (("Off Peak", 0.0, 2), ("On Peak", 0.3, 1))
    partly, _ = merge(before, [quarter(0, 0.3, periods=(("On Peak", 0.1),))], now=END)
    assert partly[START].periods == (("Off Peak", 0.3, 1), ("On Peak", 0.1, 1))


def test_energy_moved_to_another_period_leaves_a_zero() -> None:
    before, _ = merge({}, [periods(("Off Peak", 0.3), ("On Peak", 0.0))], now=END)
    moved, changes = merge(before, [periods(("Off Peak", 0.0), ("On Peak", 0.3))], now=END + DAY)
    assert moved[START].periods == (("Off Peak", 0.0, 267), ("On Peak", 0.3, 267))
    assert moved[START].usage_k == 1
    assert len(changes) == 1
    back, _ = merge(moved, [periods(("Off Peak", 0.3), ("On Peak", 0.0))], now=END + DAY)
    assert back[START].periods == (("Off Peak", 0.3, 268), ("On Peak", 0.0, 268))


def test_energy_that_moves_in_part_is_split() -> None:
    before, _ = merge({}, [periods(("Off Peak", 0.3))], now=END)
    moved, _ = merge(before, [periods(("Off Peak", 0.1), ("On Peak", 0.2))], now=END)
    assert moved[START].periods == (("Off Peak", 0.1, 2), ("On Peak", 0.2, 1))


def test_a_withdrawn_period_keeps_its_last_state() -> None:
    before, _ = merge({}, [periods(("Off Peak", 0.1), ("On Peak", 0.2))], now=END)
    merged, _ = merge(before, [quarter(0, 0.3)], now=END + DAY)
    assert merged == before


# -- any sequence of readings

values = st.one_of(st.none(), st.sampled_from([0.0, 0.01, 0.25, 1.5]))
readings_of_a_look = st.lists(st.tuples(st.integers(0, 5), values, values, values), max_size=6)


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 3 * DAY), readings_of_a_look), max_size=8))
def test_changed_values_get_later_versions_and_none_vanishes(
    looks: list[tuple[int, list[tuple[int, float | None, float | None, float | None]]]],
) -> None:
    now = soon(5)
    intervals: dict[int, Interval] = {}
    for wait, said in looks:
        now += wait
        readings = [quarter(number, usage, export=export, cost=cost) for number, usage, export, cost in said]
        merged, changes = merge(intervals, readings, now=now)
        assert {change.after.start for change in changes} == {
            start for start in merged if merged[start] != intervals.get(start)
        }
        for start, before in intervals.items():
            after = merged[start]
            for old, old_k, new, new_k in (
                (before.usage, before.usage_k, after.usage, after.usage_k),
                (before.export, before.export_k, after.export, after.export_k),
                (before.cost, before.cost_k, after.cost, after.cost_k),
            ):
                assert old is None or new is not None
                assert new_k == old_k if new == old else new_k > old_k
        intervals = merged
