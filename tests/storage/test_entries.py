"""The bytes of the state file's entries: every value survives, and nothing else is read."""

import json
import math
import struct
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.intervals.columns import Intervals
from exporter.intervals.interval import Interval
from exporter.intervals.model import MeterInfo
from exporter.storage.entries import (
    checked_time,
    decode_chunk,
    decode_intervals,
    decode_location,
    decode_meter,
    encode_chunk,
    encode_intervals,
    encode_location,
    encode_meter,
)

from ..support.portal_answers import examples
from ..support.worlds import DAY, NOW

energies = st.none() | st.floats(0, 1e15)
versions = st.integers(0, 999)
periods = st.dictionaries(st.text(max_size=5), st.tuples(st.floats(0, 1e15), versions), max_size=3)


@st.composite
def interval_lists(draw: st.DrawFn) -> list[Interval]:
    lengths = draw(st.lists(st.integers(1, 2 * DAY), max_size=8))
    return [
        Interval(
            *(end - length, end),
            *(draw(energies), draw(versions), draw(energies), draw(versions)),
            *(draw(st.none() | st.floats(-1e15, 1e15)), draw(versions)),
            tuple((name, kwh, k) for name, (kwh, k) in sorted(draw(periods).items())),
        )
        for length, end in zip(lengths, accumulate(lengths, initial=NOW), strict=False)
        if length <= end
    ]


def sorted_by_start(intervals: list[Interval]) -> list[Interval]:
    return [each for _, each in sorted({each.start: each for each in intervals}.items())]


@examples
@given(intervals=interval_lists())
def test_intervals_are_restored_unchanged(intervals: list[Interval]) -> None:
    known = sorted_by_start(intervals)
    assert list(decode_intervals(encode_intervals(Intervals.of(known)))) == known


@examples
@given(intervals=interval_lists(), cuts=st.lists(st.integers(0, 8), max_size=3))
def test_entries_that_follow_each_other_are_read_as_one(intervals: list[Interval], cuts: list[int]) -> None:
    known = sorted_by_start(intervals)
    bounds = [0, *sorted(cuts), len(known)]
    entries = [encode_intervals(Intervals.of(known[first:last])) for first, last in pairwise(bounds)]
    assert decode_intervals(*entries) == Intervals.of(known)


@pytest.mark.parametrize("order", [(0, 0), (1, 0), (0, 2, 1)])
def test_entries_that_overlap_are_not_read(order: tuple[int, ...]) -> None:
    entries = [encode_intervals(Intervals.of([Interval(at, at + 1, 1.0, 1)])) for at in range(3)]
    with pytest.raises(ValueError, match="overlap"):
        decode_intervals(*(entries[each] for each in order))


@pytest.mark.parametrize("value", [0.0, -0.0, 5e-324, 2.0**49 - 1, 2.0**49, 1e18])
@pytest.mark.parametrize("k", [767, 768, 999])
def test_unusual_values_and_versions_are_read(value: float, k: int) -> None:
    known = Intervals.of([Interval(NOW, NOW + 900, value, k, None, 0, -value, k)])
    assert decode_intervals(encode_intervals(known)) == known


def test_intervals_are_columns_of_fixed_width() -> None:
    first = Interval(NOW, NOW + 900, 0.25, 3, None, 0, -0.5, 12, (("Off", 0.25, 4),))
    second = Interval(NOW + 900, NOW + 4500, None, 0, 1.5, 999, None, 0, ())
    names = b'["Off"]'
    nan = math.nan

    expected = struct.pack("<II", 2, len(names)) + names
    expected += struct.pack("<4I", NOW, NOW + 900, 900, 3600)
    expected += struct.pack("<6d", 0.25, nan, nan, 1.5, -0.5, nan)
    expected += struct.pack("<6H", 3, 0, 0, 999, 12, 0)
    expected += struct.pack("<2d2H", 0.25, nan, 4, 0)
    assert encode_intervals(Intervals.of([first, second])) == expected


GOOD = encode_intervals(Intervals.of([Interval(NOW, NOW + 900, 0.25, 3, 0.5, 4, 0.75, 5, (("Off", 0.25, 6),))]))
START, LENGTH, USAGE, EXPORT, COST, USAGE_K, PERIOD, PERIOD_K = (15 + at for at in (0, 4, 8, 16, 24, 32, 38, 46))


def changed(at: int, layout: str, value: float) -> bytes:
    return GOOD[:at] + struct.pack(layout, value) + GOOD[at + struct.calcsize(layout) :]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:-1],
        GOOD + b"\0",
        changed(0, "<I", 2**32 - 1),
        changed(4, "<I", 2**32 - 1),
        changed(START, "<I", 2**32 - 1),
        changed(LENGTH, "<I", 0),
        changed(LENGTH, "<I", 2**32 - 1),
        changed(USAGE, "<d", -0.25),
        changed(USAGE, "<d", math.inf),
        changed(EXPORT, "<d", -1e-9),
        changed(COST, "<d", -math.inf),
        changed(COST, "<d", 1e300),
        changed(USAGE_K, "<H", 1000),
        changed(PERIOD, "<d", -1.0),
        changed(PERIOD_K, "<H", 2**16 - 1),
        GOOD.replace(b'["Off"]', b"[12345]"),
        GOOD.replace(b'["Off"]', b'"Off"  '),
        GOOD.replace(b'["Off"]', b'["O\xff"]'),
        encode_intervals(Intervals.of([Interval(NOW, NOW + 900, 1.0, 1), Interval(NOW, NOW + 900, 1.0, 1)])),
        encode_intervals(Intervals.of([Interval(NOW + 900, NOW + 1800, 1.0, 1), Interval(NOW, NOW + 900, 1.0, 1)])),
    ],
)
def test_other_intervals_are_not_read(data: bytes) -> None:
    with pytest.raises((ValueError, TypeError, IndexError, struct.error)):
        decode_intervals(data)


def test_meters_locations_and_chunks_are_restored() -> None:
    info = MeterInfo("0081", ("FORWARD", "NET"), parent=True, net=True, exports=True, signed=False, step=1800)
    assert decode_meter("0081", encode_meter(info)) == info
    assert decode_location(encode_location("Großmutter\n", "America/New_York")) == ("Großmutter\n", "America/New_York")
    assert decode_chunk(encode_chunk(NOW, NOW + 0.5, "{}")) == (NOW, NOW + 0.5, "{}")


def test_a_meter_of_a_version_with_fewer_fields_is_read() -> None:
    assert decode_meter("1", b'{"step": 3600}') == MeterInfo("1", step=3600)


@pytest.mark.parametrize(
    "values",
    [{"step": "900"}, {"step": -1}, {"step": 1e3}, {"net": 1}, {"flows": "NET"}, {"flows": [1]}, {"colour": 1}, [], 1],
)
def test_another_meter_is_not_read(values: object) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        decode_meter("1", json.dumps(values).encode())


@pytest.mark.parametrize("values", [["name"], ["name", 1], ["name", "UTC", "more"], {}, None])
def test_another_location_is_not_read(values: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        decode_location(json.dumps(values).encode())


@pytest.mark.parametrize("values", [[NOW, NOW], [NOW, NOW, 1], [-1, NOW, ""], [NOW, 1e300, ""], [NOW, math.nan, ""]])
def test_another_chunk_is_not_read(values: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        decode_chunk(json.dumps(values).encode())


@pytest.mark.parametrize("time", [-1, 2**40])
def test_times_of_other_centuries_are_not_read(time: int) -> None:
    with pytest.raises(ValueError, match="range"):
        checked_time(time)
