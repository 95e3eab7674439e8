"""Tests of usage and export, derived from channels (docs/portal.md, "Directions")."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.portal.directions import (
    FLOWS,
    GUESSES,
    Channel,
    Energy,
    Flow,
    UnusualWords,
    Values,
    about_word,
    resolve,
)

from ..support.portal_answers import channel, examples

IMPORT, TOTAL, EXPORT, NET = Flow.IMPORT, Flow.TOTAL, Flow.EXPORT, Flow.NET
Given = tuple[Flow, Values]
Table = dict[int, float]


def energy(*given: Given) -> Energy:
    channels: list[tuple[Channel, Values]] = [(channel(flow), values) for flow, values in given]
    return resolve(channels)


CASES: dict[str, tuple[list[Given], Table, Table]] = {
    "FORWARD": ([(IMPORT, {0: 0.3, 1: 0.0})], {0: 0.3, 1: 0.0}, {}),
    "FORWARD and RETURN": (
        [(IMPORT, {0: 0.3, 1: 0.01}), (EXPORT, {0: 0.0, 1: 0.5})],
        {0: 0.3, 1: 0.01},
        {0: 0.0, 1: 0.5},
    ),
    "three channels": (
        [(IMPORT, {0: 0.3, 1: 0.1}), (EXPORT, {0: -0.01, 1: -0.5}), (NET, {0: 0.29, 1: -0.4})],
        {0: 0.3, 1: 0.1},
        {0: 0.01, 1: 0.5},
    ),
    "NET alone": ([(NET, {0: 0.01, 1: -0.02, 2: 0.0})], {0: 0.01, 1: 0.0, 2: 0.0}, {0: 0.0, 1: 0.02, 2: 0.0}),
    "FORWARD and NET": (
        [(IMPORT, {0: 0.3, 1: 0.1, 2: 0.2, 3: -0.4}), (NET, {0: 0.3, 1: -0.4, 2: 0.5})],
        {0: 0.3, 1: 0.1, 2: 0.2, 3: 0.0},
        {0: 0.0, 1: 0.5, 2: 0.0, 3: 0.4},
    ),
    "TOTAL and NET": ([(TOTAL, {0: 0.1}), (NET, {0: -0.4})], {0: 0.1}, {0: 0.5}),
    "REVERSE and NET": (
        [(EXPORT, {0: -0.5, 1: 0.0, 2: -0.5}), (NET, {0: -0.4, 1: 0.3, 2: -0.6})],
        {0: 0.1, 1: 0.3, 2: 0.0},
        {0: 0.5, 1: 0.0, 2: 0.5},
    ),
    "signed FORWARD": (
        [(IMPORT, {0: 0.3, 1: -0.01, 2: -0.021})],
        {0: 0.3, 1: 0.0, 2: 0.0},
        {0: 0.0, 1: 0.01, 2: 0.021},
    ),
    "signed TOTAL": ([(TOTAL, {0: 0.3, 1: -0.4})], {0: 0.3, 1: 0.0}, {0: 0.0, 1: 0.4}),
    "FORWARD beats TOTAL": ([(TOTAL, {0: 9.0, 1: 9.0}), (IMPORT, {0: 0.3})], {0: 0.3}, {}),
    "several FORWARD, one of them twice": (
        [(IMPORT, {0: 0.3, 1: 0.1}), (IMPORT, {0: 0.2, 2: 0.1}), (IMPORT, {0: 0.3, 1: 0.1})],
        {0: 0.5, 1: 0.1, 2: 0.1},
        {},
    ),
    "several REVERSE, one of them twice": (
        [(EXPORT, {0: -0.3}), (EXPORT, {0: -0.2}), (EXPORT, {0: -0.3})],
        {},
        {0: 0.5},
    ),
    "nulls": ([(IMPORT, {0: None, 1: 0.1}), (EXPORT, {0: 0.2, 1: None})], {1: 0.1}, {0: 0.2}),
    "FORWARD without points": ([(IMPORT, {})], {}, {}),
}


@pytest.mark.parametrize(("given", "usage", "export"), CASES.values(), ids=CASES)
def test_channels_are_resolved_in_any_order(given: list[Given], usage: Table, export: Table) -> None:
    for order in permutations(given):
        found = energy(*order)
        assert found.usage == pytest.approx(usage, abs=1e-9)
        assert found.export == pytest.approx(export, abs=1e-9)
        assert found.warnings == []


@pytest.mark.parametrize(
    ("given", "exports", "signed"),
    [
        ([(IMPORT, {0: 0.1})], False, True),
        ([(IMPORT, {0: 0.1, 1: -0.1})], True, True),
        ([(IMPORT, {0: 0.1, 1: -0.021})], True, True),
        ([(IMPORT, {0: 0.1, 1: -0.02})], False, True),
        ([(NET, {0: 0.1, 1: -0.02})], True, False),
        ([(IMPORT, {0: 0.1}), (EXPORT, {0: 0.1})], True, False),
        ([(IMPORT, {0: 0.1}), (NET, {0: 0.1})], True, False),
        ([(EXPORT, {0: 0.1}), (NET, {0: 0.1})], True, False),
        ([(NET, {0: 0.1})], True, False),
        ([(IMPORT, {0: 0.1}), (EXPORT, {0: None})], False, True),
    ],
)
def test_which_meters_export(given: list[Given], *, exports: bool, signed: bool) -> None:
    found = energy(*given)
    assert (found.exports, found.signed) == (exports, signed)


def received(net: list[float]) -> Energy:
    """Resolve three intervals with 0.3 kWh DELIVERED and 0.1 kWh RECEIVED in each."""
    words = ("DELIVERED", "RECEIVED", "NET")
    channels = [channel(FLOWS.get(word) or GUESSES[word]) for word in words]
    values: list[list[float]] = [[0.3] * 3, [0.1] * 3, net]
    return resolve(
        [
            (replace(each, direction=word), dict(enumerate(of_channel)))
            for each, word, of_channel in zip(channels, words, values, strict=True)
        ]
    )


@pytest.mark.parametrize(
    ("net", "usage", "export"),
    [
        ([0.2, 0.2, 0.2], [0.3] * 3, [0.1] * 3),
        ([0.18, 0.22, 0.2], [0.3] * 3, [0.1] * 3),
        ([-0.2, 0.2, 0.2], [0.3] * 3, [0.1] * 3),
        ([-0.2, -0.2, 0.2], [0.0, 0.0, 0.2], [0.2, 0.2, 0.0]),
    ],
)
def test_net_energy_overrules_guessed_words(net: list[float], usage: list[float], export: list[float]) -> None:
    found = received(net)
    assert [*found.usage.values()] == pytest.approx(usage)
    assert [*found.export.values()] == pytest.approx(export)
    assert len(found.warnings) == int(usage != [0.3] * 3)


def test_net_energy_never_overrules_known_words() -> None:
    found = energy((IMPORT, {0: 0.3}), (EXPORT, {0: 0.1}), (NET, {0: -0.2}))
    assert (found.usage, found.export) == ({0: 0.3}, {0: 0.1})


def test_words_are_new_once_and_limited() -> None:
    words = UnusualWords(most=3)
    assert words.new(["A", "B", "A"]) == ["A", "B"]
    assert words.new(["B", "C", "D"]) == ["C"]
    assert words.new(["D"]) == []


def test_warning_about_a_word_says_how_it_counts() -> None:
    advice = "; compare the meter's usage and export with the SmartHub website"
    assert about_word("RECEIVED") == f"the flow direction RECEIVED counts as export{advice}"
    assert about_word("DELIVERED") == f"the flow direction DELIVERED counts as usage{advice}"
    assert about_word("SIDEWAYS") == f"the flow direction SIDEWAYS is unknown{advice}"


def test_negative_usage_beside_an_export_channel_is_dropped() -> None:
    found = energy((IMPORT, {0: 0.3, 1: -0.4}), (EXPORT, {0: 0.1}))
    assert (found.usage, found.export) == ({0: 0.3}, {0: 0.1})
    assert len(found.warnings) == 1


# -- derived energy of up to 0.02 kWh counts as 0


@examples
@given(st.integers(-500, 5000), st.integers(0, 50000))
@example(20, 310)
@example(21, 279)
@example(-30, 300)
def test_derived_energy_within_rounding_is_zero(derived: int, given: int) -> None:
    """derived, given: the derived energy and the given channel, in thousandths of a kWh."""
    expected = 0.0 if derived <= 20 else pytest.approx(derived / 1000, abs=1e-9)
    assert energy((IMPORT, {0: given / 1000}), (NET, {0: (given - derived) / 1000})).export[0] == expected
    assert energy((EXPORT, {0: -given / 1000}), (NET, {0: (derived - given) / 1000})).usage[0] == expected


# -- properties

VALUES = st.dictionaries(
    st.integers(0, 5), st.none() | st.floats(-50, 50).map(lambda value: round(value, 2)), max_size=6
)


@examples
@given(st.lists(st.tuples(st.sampled_from(list(Flow)), VALUES), max_size=5))
def test_energy_is_never_negative_or_made_up(given: list[Given]) -> None:
    found = energy(*given)
    known = {time for _, values in given for time, value in values.items() if value is not None}
    assert all(value >= 0 for value in (*found.usage.values(), *found.export.values()))
    assert {*found.usage, *found.export} <= known
    assert found.exports or all(0 < value <= 0.02 for value in found.export.values())


@examples
@given(st.dictionaries(st.integers(0, 20), st.floats(-50, 50), min_size=1))
def test_signed_series_loses_nothing(values: dict[int, float]) -> None:
    for flow in (IMPORT, TOTAL, NET):
        found = energy((flow, values))
        assert {time: found.usage[time] - found.export.get(time, 0.0) for time in values} == values
        assert set(found.export) == {time for time in values if found.exports or values[time] < 0}
