"""Columns behave like the list of intervals that they hold."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.intervals.columns import NOTHING, Intervals, joined
from exporter.intervals.interval import Interval, Reading

from ..support.portal_answers import examples

values = st.none() | st.floats(0, 1e6)
versions = st.integers(0, 999)
periods = st.dictionaries(st.sampled_from("ABC"), st.tuples(st.floats(0, 1e6), versions), max_size=3)


@st.composite
def interval_lists(draw: st.DrawFn) -> list[Interval]:
    """Draw intervals of any length, sorted, with gaps."""
    gaps = draw(st.lists(st.integers(900, 7200), max_size=8))
    return [
        Interval(
            *(start, start + draw(st.integers(1, 900))),
            *(draw(values), draw(versions), draw(values), draw(versions), draw(values), draw(versions)),
            tuple((name, kwh, k) for name, (kwh, k) in sorted(draw(periods).items())),
        )
        for start in accumulate(gaps, initial=1_795_000_500)
    ]


@examples
@given(intervals=interval_lists(), first=st.integers(0, 9), count=st.integers(0, 9), keep=st.lists(st.booleans()))
def test_columns_are_like_a_list(intervals: list[Interval], first: int, count: int, keep: list[bool]) -> None:
    columns = Intervals.of(intervals)
    assert list(columns) == intervals
    assert [columns[place] for place in range(-len(intervals), len(intervals))] == [*intervals, *intervals]
    assert list(columns[first : first + count]) == intervals[first : first + count]
    start, end = 1_795_000_500 + 3000 * first, 1_795_000_500 + 3000 * (first + count)
    assert list(columns.between(start, end)) == [each for each in intervals if start <= each.start < end]
    flags = [keep[place % len(keep)] if keep else True for place in range(len(intervals))]
    assert list(columns.select(flags)) == [each for each, flag in zip(intervals, flags, strict=True) if flag]
    assert columns.ends() == [each.end for each in intervals]


@examples
@given(intervals=interval_lists(), first=st.integers(0, 9), second=st.integers(0, 9))
def test_parts_make_the_whole(intervals: list[Interval], first: int, second: int) -> None:
    columns = Intervals.of(intervals)
    one, two = sorted((first, second))
    whole = joined((columns[:one], columns[one:two], columns[two:]))
    assert (whole, hash(whole)) == (columns, hash(columns))


@examples
@given(one=interval_lists(), other=interval_lists())
def test_columns_are_equal_if_their_intervals_are(one: list[Interval], other: list[Interval]) -> None:
    assert (Intervals.of(one) == Intervals.of(other)) is (one == other)


def test_rate_periods_of_parts_are_in_order() -> None:
    parts = [Intervals.of([Interval(at, at + 900, periods=((name, 1.0, 1),))]) for at, name in ((0, "B"), (900, "A"))]
    assert [period.name for period in joined(parts).periods] == ["A", "B"]
    assert joined(parts) == Intervals.of([interval for part in parts for interval in part])


def test_there_is_no_interval_behind_the_last() -> None:
    columns = Intervals.of([Interval(900, 1800, 1.0, 1)])
    for place in (1, -2):
        with pytest.raises(IndexError):
            columns[place]
    assert not NOTHING
    assert joined(()) == NOTHING


def test_readings_have_no_versions() -> None:
    reading = Reading(900, 1800, 1.0, None, 0.1, (("Peak", 1.0),))
    columns = Intervals.of_readings([reading])
    assert list(columns) == [Interval(900, 1800, 1.0, 0, None, 0, 0.1, 0, (("Peak", 1.0, 0),))]
    assert columns.readings() == [reading]
