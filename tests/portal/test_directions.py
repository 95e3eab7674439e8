"""Import and export of a meter told apart: every rule of contract 3, Direction, and every meter of portal-facts 6."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.portal.directions import Channel, Energy, Flow, Values, resolve

from ..support.portal_answers import channel, examples

IMPORT, TOTAL, EXPORT, NET = Flow.IMPORT, Flow.TOTAL, Flow.EXPORT, Flow.NET
Given = tuple[Flow, Values]
Table = dict[int, float]


def energy(*given: Given) -> Energy:
    channels: list[tuple[Channel, Values]] = [(channel(flow), values) for flow, values in given]
    return resolve(channels)


CASES: dict[str, tuple[list[Given], Table, Table]] = {
    "FORWARD": ([(IMPORT, {0: 0.3, 1: 0.0})], {0: 0.3, 1: 0.0}, {}),
    "TOTAL": ([(TOTAL, {0: 0.3, 1: 0.0})], {0: 0.3, 1: 0.0}, {}),
    "FORWARD and RETURN, positive": (
        [(IMPORT, {0: 0.3, 1: 0.1}), (EXPORT, {0: 0.0, 1: 0.5})],
        {0: 0.3, 1: 0.1},
        {0: 0.0, 1: 0.5},
    ),
    "FORWARD and REVERSE, negative": (
        [(IMPORT, {0: 0.3, 1: 0.1}), (EXPORT, {0: 0.0, 1: -0.5})],
        {0: 0.3, 1: 0.1},
        {0: 0.0, 1: 0.5},
    ),
    "TOTAL and REVERSE": ([(TOTAL, {0: 0.3}), (EXPORT, {0: -0.5})], {0: 0.3}, {0: 0.5}),
    "three channels": (
        [(IMPORT, {0: 0.3, 1: 0.1}), (EXPORT, {0: -0.01, 1: -0.5}), (NET, {0: 0.29, 1: -0.4})],
        {0: 0.3, 1: 0.1},
        {0: 0.01, 1: 0.5},
    ),
    "NET alone": ([(NET, {0: 0.3, 1: -0.4, 2: 0.0})], {0: 0.3, 1: 0.0, 2: 0.0}, {0: 0.0, 1: 0.4, 2: 0.0}),
    "NET alone, never negative": ([(NET, {0: 0.3})], {0: 0.3}, {0: 0.0}),
    "FORWARD and NET": (
        [(IMPORT, {0: 0.3, 1: 0.1, 2: 0.2}), (NET, {0: 0.3, 1: -0.4, 2: 0.5})],
        {0: 0.3, 1: 0.1, 2: 0.2},
        {0: 0.0, 1: 0.5, 2: 0.0},
    ),
    "TOTAL and NET": ([(TOTAL, {0: 0.1}), (NET, {0: -0.4})], {0: 0.1}, {0: 0.5}),
    "REVERSE and NET": (
        [(EXPORT, {0: -0.5, 1: 0.0, 2: -0.5}), (NET, {0: -0.4, 1: 0.3, 2: -0.6})],
        {0: 0.1, 1: 0.3, 2: 0.0},
        {0: 0.5, 1: 0.0, 2: 0.5},
    ),
    "RETURN and NET": ([(EXPORT, {0: 0.5}), (NET, {0: -0.4})], {0: 0.1}, {0: 0.5}),
    "signed FORWARD": ([(IMPORT, {0: 0.3, 1: -0.4})], {0: 0.3, 1: 0.0}, {0: 0.0, 1: 0.4}),
    "signed TOTAL": ([(TOTAL, {0: 0.3, 1: -0.4})], {0: 0.3, 1: 0.0}, {0: 0.0, 1: 0.4}),
    "FORWARD beats TOTAL": ([(TOTAL, {0: 9.0, 1: 9.0}), (IMPORT, {0: 0.3})], {0: 0.3}, {}),
    "two FORWARD": ([(IMPORT, {0: 0.3, 1: 0.1}), (IMPORT, {0: 0.2, 1: 0.1})], {0: 0.5, 1: 0.2}, {}),
    "two identical FORWARD": ([(IMPORT, {0: 0.3, 1: 0.1}), (IMPORT, {0: 0.3, 1: 0.1})], {0: 0.3, 1: 0.1}, {}),
    "two identical FORWARD and another": (
        [(IMPORT, {0: 0.3}), (IMPORT, {0: 0.2}), (IMPORT, {0: 0.3})],
        {0: 0.5},
        {},
    ),
    "two REVERSE": ([(IMPORT, {0: 0.0}), (EXPORT, {0: -0.3}), (EXPORT, {0: -0.2})], {0: 0.0}, {0: 0.5}),
    "two identical REVERSE": ([(IMPORT, {0: 0.0}), (EXPORT, {0: -0.3}), (EXPORT, {0: -0.3})], {0: 0.0}, {0: 0.3}),
    "two FORWARD at different times": ([(IMPORT, {0: 0.3}), (IMPORT, {1: 0.2})], {0: 0.3, 1: 0.2}, {}),
    "RETURN alone": ([(EXPORT, {0: 0.5, 1: 0.0})], {}, {0: 0.5, 1: 0.0}),
    "nulls": ([(IMPORT, {0: None, 1: 0.1}), (EXPORT, {0: 0.2, 1: None})], {1: 0.1}, {0: 0.2}),
    "nulls beside values": ([(IMPORT, {0: None, 1: 0.1}), (IMPORT, {0: 0.2, 1: None})], {0: 0.2, 1: 0.1}, {}),
    "nothing": ([], {}, {}),
    "FORWARD without points": ([(IMPORT, {})], {}, {}),
}


@pytest.mark.parametrize(("given", "usage", "export"), CASES.values(), ids=CASES)
def test_import_and_export_are_told_apart(given: list[Given], usage: Table, export: Table) -> None:
    found = energy(*given)
    assert found.usage == pytest.approx(usage, abs=1e-9)
    assert found.export == pytest.approx(export, abs=1e-9)
    assert found.warnings == []


@pytest.mark.parametrize(("given", "usage", "export"), CASES.values(), ids=CASES)
def test_the_order_of_channels_does_not_matter(given: list[Given], usage: Table, export: Table) -> None:
    for order in permutations(given):
        found = energy(*order)
        assert found.usage == pytest.approx(usage, abs=1e-9)
        assert found.export == pytest.approx(export, abs=1e-9)


@pytest.mark.parametrize(
    ("flows", "exports", "signed"),
    [
        ([IMPORT], False, True),
        ([TOTAL], False, True),
        ([IMPORT, EXPORT], True, False),
        ([IMPORT, NET], True, False),
        ([EXPORT, NET], True, False),
        ([NET], True, False),
        ([IMPORT, EXPORT, NET], True, False),
    ],
)
def test_a_meter_with_an_export_or_net_channel_exports(flows: list[Flow], *, exports: bool, signed: bool) -> None:
    found = energy(*((flow, {0: 0.1}) for flow in flows))
    assert (found.exports, found.signed) == (exports, signed)


def test_a_meter_exports_once_its_import_was_negative() -> None:
    found = energy((IMPORT, {0: 0.1, 1: -0.1}))
    assert (found.exports, found.signed) == (True, True)


def test_a_negative_import_beside_net_is_export() -> None:
    found = energy((IMPORT, {0: -0.4}), (NET, {0: -0.4}))
    assert (found.usage, found.export) == ({0: 0.0}, {0: 0.4})


# -- up to 0.02 kWh counts as 0 where a direction is derived


@pytest.mark.parametrize(
    ("drawn", "net", "export"),
    [
        (0.30, 0.30, 0.0),
        (0.30, 0.29, 0.0),
        (0.30, 0.28, 0.0),
        (0.31, 0.29, 0.0),  # a hair above in binary
        (0.30, 0.279, 0.021),
        (0.30, 0.27, 0.03),
        (0.30, 0.33, 0.0),
        (0.0, -0.02, 0.0),
        (0.0, -0.03, 0.03),
    ],
)
def test_derived_export_up_to_the_rounding_is_none(drawn: float, net: float, export: float) -> None:
    found = energy((IMPORT, {0: drawn}), (NET, {0: net})).export[0]
    assert found == pytest.approx(export, abs=1e-9)
    assert (found == 0) is (export == 0)


@pytest.mark.parametrize(
    ("sent", "net", "drawn"),
    [
        (-0.30, -0.30, 0.0),
        (-0.30, -0.29, 0.0),
        (-0.30, -0.28, 0.0),
        (-0.31, -0.29, 0.0),
        (-0.30, -0.279, 0.021),
        (0.30, -0.27, 0.03),
        (0.30, -0.33, 0.0),
        (0.0, 0.02, 0.0),
        (0.0, 0.03, 0.03),
    ],
)
def test_derived_import_up_to_the_rounding_is_none(sent: float, net: float, drawn: float) -> None:
    found = energy((EXPORT, {0: sent}), (NET, {0: net})).usage[0]
    assert found == pytest.approx(drawn, abs=1e-9)
    assert (found == 0) is (drawn == 0)


@examples
@given(st.integers(0, 5000), st.integers(0, 5000))
def test_the_limit_is_exact_for_values_of_two_decimals(drawn: int, sent: int) -> None:
    net = {0: (drawn - sent) / 100}
    export = energy((IMPORT, {0: drawn / 100}), (NET, net)).export[0]
    assert export == (0.0 if sent <= 2 else pytest.approx(sent / 100, abs=1e-9))
    usage = energy((EXPORT, {0: -sent / 100}), (NET, net)).usage[0]
    assert usage == (0.0 if drawn <= 2 else pytest.approx(drawn / 100, abs=1e-9))


@pytest.mark.parametrize("net", [0.01, 0.02, -0.01, -0.02])
def test_net_alone_is_not_derived_and_keeps_small_values(net: float) -> None:
    found = energy((NET, {0: net}))
    assert (found.usage[0], found.export[0]) == (max(0.0, net), max(0.0, -net))


@pytest.mark.parametrize("given", [[(IMPORT, {0: 0.01}), (EXPORT, {0: -0.01})], [(IMPORT, {0: 0.01, 1: -0.01})]])
def test_given_values_are_never_rounded_away(given: list[Given]) -> None:
    found = energy(*given)
    assert found.usage[0] == 0.01
    assert 0.01 in found.export.values()


# -- what always holds

VALUES = st.dictionaries(
    st.integers(0, 5), st.none() | st.floats(-50, 50).map(lambda value: round(value, 2)), max_size=6
)


@examples
@given(st.lists(st.tuples(st.sampled_from(list(Flow)), VALUES), max_size=5))
def test_neither_direction_is_ever_negative_nor_out_of_nothing(given: list[Given]) -> None:
    found = energy(*given)
    known = {time for _, values in given for time, value in values.items() if value is not None}
    assert all(value >= 0 for value in (*found.usage.values(), *found.export.values()))
    assert {*found.usage, *found.export} <= known
    assert bool(found.export) <= found.exports


@examples
@given(st.dictionaries(st.integers(0, 20), st.floats(-50, 50), min_size=1))
def test_a_signed_series_loses_nothing(values: dict[int, float]) -> None:
    for flow in (IMPORT, TOTAL, NET):
        found = energy((flow, values))
        assert {time: found.usage[time] - found.export.get(time, 0.0) for time in values} == values


@examples
@given(st.dictionaries(st.integers(0, 20), st.floats(-50, 50), min_size=1))
def test_a_meter_that_exports_gives_export_for_every_interval(values: dict[int, float]) -> None:
    found = energy((IMPORT, values))
    assert set(found.export) == (set(values) if any(value < 0 for value in values.values()) else set())
