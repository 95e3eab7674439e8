"""Tests of meters that are part of another one (docs/portal.md, "Sub-meters")."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.intervals.interval import Interval
from exporter.intervals.model import Meter, MeterInfo
from exporter.intervals.submeters import circular_submeters, submeters_of

from ..support.portal_answers import examples

DATA = (Interval(0, 900, 0.5, 1),)
Parents = dict[str, tuple[str, ...]]


def meters(parents: Parents, silent: str = "") -> list[Meter]:
    return [
        Meter.of(MeterInfo(number, parents=each), () if number in silent else DATA) for number, each in parents.items()
    ]


@pytest.mark.parametrize(
    ("parents", "silent", "expected"),
    [
        ({"A": (), "B": ("A",)}, "", {"B": "A"}),
        ({"A": (), "B": ("A",), "C": ("B",)}, "", {"B": "A", "C": "B"}),
        ({"A": (), "B": ("Z", "A", "C"), "C": ()}, "", {"B": "A"}),
        ({"A": (), "B": ("A", "C"), "C": ()}, "A", {"B": "C"}),
        ({"A": (), "B": ("A",)}, "A", {}),
        ({"A": (), "B": ("A",)}, "B", {"B": "A"}),
        ({"A": ("A",)}, "", {}),
        ({"A": ("B",), "B": ("A",), "C": ("A",)}, "", {"C": "A"}),
        ({"A": ("C",), "B": ("A",), "C": ("B",)}, "", {}),
    ],
)
def test_first_parent_with_data_contains_a_meter(parents: Parents, silent: str, expected: dict[str, str]) -> None:
    assert submeters_of(meters(parents, silent)) == expected


def test_circles_are_found() -> None:
    parents: Parents = {"A": ("B",), "B": ("A",), "C": ("A",), "D": ("D",)}
    assert circular_submeters(each.info for each in meters(parents)) == ["A", "B", "D"]


@examples
@given(st.dictionaries(st.sampled_from("ABCDE"), st.tuples(st.sampled_from("ABCDE"))))
def test_some_meter_always_counts(parents: Parents) -> None:
    """A sum over meters that contain each other would otherwise be empty."""
    assert not parents or set(submeters_of(meters(parents))) < set(parents)
