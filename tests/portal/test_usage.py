"""Tests of decoding the usage poll (docs/portal.md, "Shape of a usage answer")."""

import copy
from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import ProtocolError
from exporter.portal.directions import Flow
from exporter.portal.usage import UsageAnswer, decode

from ..support.portal_answers import (
    LEAK,
    NET_METER,
    QUARTER,
    Json,
    answer,
    assert_read_or_refused,
    chart,
    cost,
    electric,
    examples,
    hostile,
    meter,
    net_series,
    one_meter,
    points,
    series,
    time_of_use,
    usage,
    wall,
)

T0 = wall("2026-01-05 00:00")
T1, T2 = T0 + QUARTER, T0 + 2 * QUARTER
PAIRS = [(T0, 0.31), (T1, 0.28)]
ONE = [(T0, 1.0)]


# -- empty answers


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"ELECTRIC": None},
        {"WATER": [{"type": "USAGE", "series": "never read"}]},
        electric({}, {"type": None}, {"type": "USAGE"}, {"type": "DEMAND", "series": "never read"}),
        electric({"type": "USAGE", "meters": None, "series": None, "xToOrderedInterval": None}),
    ],
)
def test_answer_without_data_is_empty(data: Json) -> None:
    assert decode(data) == UsageAnswer()


# -- points


@pytest.mark.parametrize(
    ("point", "value"),
    [
        ({"x": T0 * 1000, "y": None}, None),
        ({"x": T0 * 1000}, None),
        ({"x": float(T0 * 1000), "y": 1, "enableDrilldown": True, "name": "00:00"}, 1.0),
    ],
)
def test_point_has_a_wall_time_and_a_value_or_none(point: Json, value: float | None) -> None:
    (only,) = answer(usage([meter()], [series(data=[point])])).usage
    assert only.points == ((T0, value),)


def test_points_are_sorted_and_repeated_ones_keep_their_order() -> None:
    mixed = [(T2, 5.0), (T1, 3.0), (T0, 1.0), (T1, 2.0), (T1, 4.0)]
    (only,) = decode(one_meter(mixed)).usage
    assert only.points == ((T0, 1.0), (T1, 3.0), (T1, 2.0), (T1, 4.0), (T2, 5.0))


def test_copies_of_the_points_are_never_read() -> None:
    copies: dict[str, Any] = {"meterToChartData": {"Meter{}": points(PAIRS * 2)}, "baseSeries": "junk"}
    assert decode(one_meter(PAIRS, **copies)) == decode(one_meter(PAIRS))


# -- charted intervals


@pytest.mark.parametrize(
    "intervals",
    [
        chart([T0]),
        [{"x": str(T0 * 1000), "interval": {"start": str(T0 * 1000), "end": str(T1 * 1000)}}],
        [{"x": T0 * 1000, "interval": {"end": T1 * 1000}}],
    ],
)
def test_charted_intervals_are_a_map_or_a_list(intervals: Json) -> None:
    assert answer(usage([meter()], [], xToOrderedInterval=intervals)).interval_ends == {T0: T1}


@pytest.mark.parametrize("item", [{}, {"interval": {"start": 1, "end": None}}])
def test_interval_without_an_end_is_ignored(item: Json) -> None:
    assert answer(usage([meter()], [], xToOrderedInterval={str(T0 * 1000): item})).interval_ends == {}


# -- flags


@pytest.mark.parametrize(
    ("entries", "hourly"),
    [
        ([{}], None),
        ([{"hasHourly": "false", "hasDaily": 0}], None),
        ([{"hasHourly": False}, {"hasHourly": True}], True),
        ([{"hasHourly": True}, {"hasHourly": False}], True),
        ([{}, {"hasHourly": False, "hasDaily": False}], False),
    ],
)
def test_one_positive_flag_of_several_entries_is_enough(entries: list[dict[str, Json]], *, hourly: bool | None) -> None:
    found = answer(*(usage([], [], **each) for each in entries))
    assert found.has_hourly is hourly


@pytest.mark.parametrize(("text", "day"), [("May 4, 2019", date(2019, 5, 4)), ("2019-05-04", None), (None, None)])
def test_connection_day_is_an_english_date(text: str | None, day: date | None) -> None:
    assert answer(usage([], [], connectDate=text)).connected == day


# -- directions and meters


@pytest.mark.parametrize(
    ("direction", "flow", "warned"),
    [
        ("forward", Flow.IMPORT, False),
        ("TOTAL", Flow.TOTAL, False),
        (None, Flow.IMPORT, False),
        ("RETURN", Flow.EXPORT, False),
        ("REVERSE", Flow.EXPORT, False),
        ("NET", Flow.NET, False),
        ("SIDEWAYS", Flow.IMPORT, True),
        ("ÜBER-ALL\n<script>", Flow.IMPORT, True),
    ],
)
def test_unknown_direction_is_usage_with_one_warning(direction: str | None, flow: Flow, *, warned: bool) -> None:
    meters = [meter(number, flowDirection=direction) for number in ("A", "B")]
    entry = usage(meters, [series(number, PAIRS) for number in ("A", "B")])
    found = answer(entry, cost([], meters), time_of_use(meters, []))
    assert [each.flow for each in found.channels] == [flow] * 2
    assert [each.channel.flow for each in found.usage] == [flow] * 2
    assert len(found.warnings) == int(warned)
    assert all(warning.isprintable() for warning in found.warnings)


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({"meterNumber": 7}, "7"),
        ({"meterNumber": "", "seriesId": 8}, "8"),
    ],
)
def test_meter_is_identified_by_number_or_series_id(fields: dict[str, Json], number: str) -> None:
    (only,) = answer(usage([meter(**fields)], [])).channels
    assert only.meter == number


def test_parent_and_net_flags_are_kept() -> None:
    plain, parent = answer(usage([meter("A"), meter("B", isParentMeter=True, isNetMeter=True)], [])).channels
    assert (plain.parent, plain.net, parent.parent, parent.net) == (False, False, True, True)


# -- which series belongs to which channel

DRAWN, SENT, NET = ("M7", Flow.IMPORT), ("M7", Flow.EXPORT), ("M7", Flow.NET)
BY_ID = net_series(PAIRS, PAIRS, PAIRS)
BY_CHANNEL = [series("anything", PAIRS, meterNumber="M7", channel=number) for number in (1, 2, 3)]
NO_METER: dict[str, Any] = {"meterNumber": None, "channel": None}
JOINS: dict[str, tuple[Sequence[Json], Sequence[Json], list[tuple[str, Flow]]]] = {
    "in another order": (NET_METER, BY_ID[::-1], [NET, SENT, DRAWN]),
    "with meters in another order": (NET_METER[::-1], BY_ID[:2], [DRAWN, SENT]),
    "by meter and channel": (NET_METER, BY_CHANNEL[::-1], [NET, SENT, DRAWN]),
    "numbers and texts are the same": (
        [meter(7, "A", channel="1"), meter("7", "B", channel=2, flow="REVERSE")],
        [series("x", PAIRS, meterNumber="7", channel=1), series("y", PAIRS, meterNumber=7, channel="2")],
        [("7", Flow.IMPORT), ("7", Flow.EXPORT)],
    ),
    "a series id is a number": ([meter("5", 900)], [series("900", PAIRS, **NO_METER)], [("5", Flow.IMPORT)]),
    "by the meter's name": ([meter("M1", "S", flow="TOTAL")], [series("M1", **NO_METER)], [("M1", Flow.TOTAL)]),
    "by the meter alone": (
        [meter("M1", "S", flow="TOTAL")],
        [series("", meterNumber="M1", channel=None)],
        [("M1", Flow.TOTAL)],
    ),
    "another channel of its meter": (
        [meter("M1", "S", flow="REVERSE", channel=1)],
        [series("M1", channel=2)],
        [("M1", Flow.IMPORT)],
    ),
    "a series of no meter": ([meter()], [series("M9"), series("M1")], [("M9", Flow.IMPORT), ("M1", Flow.IMPORT)]),
    "a series that says it is net": ([], [series("M9 - Net", isNet=True)], [("M9", Flow.NET)]),
    "a meter whose series is net": ([meter(flow=None)], [series(isNet=True)], [("M1", Flow.NET)]),
    "a meter that says otherwise": ([meter()], [series(isNet=True)], [("M1", Flow.IMPORT)]),
}


@pytest.mark.parametrize(("meters", "serieses", "joined"), JOINS.values(), ids=JOINS)
def test_series_is_joined_to_its_channel(
    meters: Sequence[Json], serieses: Sequence[Json], joined: list[tuple[str, Flow]]
) -> None:
    assert [(each.channel.meter, each.channel.flow) for each in answer(usage(meters, serieses)).usage] == joined


def test_several_usage_entries_are_read_together() -> None:
    found = answer(usage([meter("A")], [series("A", PAIRS)]), usage([meter("B")], [series("B", [(T2, 1.0)])]))
    assert [(each.channel.meter, each.points) for each in found.usage] == [("A", tuple(PAIRS)), ("B", ((T2, 1.0),))]


def test_order_of_entries_does_not_matter() -> None:
    entries = [usage([meter()], [series(pairs=PAIRS)]), cost([series(pairs=[(T0, 0.04)])])]
    assert answer(*entries) == answer(*reversed(entries))


@pytest.mark.parametrize(("unit", "kept"), [("kWh", 1), (None, 1), ("KW", 0)])
def test_only_kwh_is_energy(unit: str | None, kept: int) -> None:
    found = answer(usage([meter(unitOfMeasure=unit)], [series(pairs=PAIRS)], unitOfMeasure=unit))
    assert (len(found.usage), len(found.warnings)) == (kept, 1 - kept)


# -- cost

OTHERS = [meter("A"), meter("B")]
COSTS: dict[str, tuple[Sequence[Json], Sequence[Json], list[tuple[str, Flow, float]]]] = {
    "by series id": (NET_METER, [series("M7 - Generation", ONE, **NO_METER)], [(*SENT, 1.0)]),
    "by meter and channel": (NET_METER, [series("Dollars", ONE, meterNumber="M7", channel=2)], [(*SENT, 1.0)]),
    "by the meter alone": (NET_METER[::-1], [series("M7", ONE, channel=None)], [(*DRAWN, 1.0)]),
    "not by position": (
        OTHERS,
        [series("B", [(T0, 2.0)]), series("A", ONE)],
        [("B", Flow.IMPORT, 2.0), ("A", Flow.IMPORT, 1.0)],
    ),
}


@pytest.mark.parametrize(("meters", "serieses", "joined"), COSTS.values(), ids=COSTS)
def test_cost_is_joined_to_a_channel_of_usage(
    meters: Sequence[Json], serieses: Sequence[Json], joined: list[tuple[str, Flow, float]]
) -> None:
    found = answer(usage(meters, []), cost(serieses)).cost
    assert [(each.channel.meter, each.channel.flow, each.points[0][1]) for each in found] == joined


def test_cost_is_joined_through_its_own_meters() -> None:
    entry = cost([series("Dollars", ONE, **NO_METER)], [meter("M7", "Dollars", channel=2)])
    (only,) = answer(usage(NET_METER, []), entry).cost
    assert only.channel.flow is Flow.EXPORT


def test_cost_without_a_meter_is_skipped_with_one_warning() -> None:
    found = answer(usage([meter()], []), cost([series("M99", ONE), series("M98", ONE), series("M1", ONE)]))
    assert [each.points for each in found.cost] == [tuple(ONE)]
    assert found.warnings == ["skipped a COST series that belongs to no meter of USAGE"]


@pytest.mark.parametrize(("unit", "kept"), [("usd", 1), (None, 1), ("CAD", 0)])
def test_only_usd_is_cost(unit: str | None, kept: int) -> None:
    found = answer(usage([meter()], []), cost([series(pairs=ONE)], unitOfMeasure=unit))
    assert (len(found.cost), len(found.warnings)) == (kept, 1 - kept)


# -- periods of a rate


@pytest.mark.parametrize(
    ("fields", "own"), [({"rateName": "Peak"}, {}), ({}, {"rateName": "Peak"}), ({}, {"rate": "Peak"}), ({}, {})]
)
def test_period_is_named_by_series_meter_or_label(fields: dict[str, Json], own: dict[str, Json]) -> None:
    entry = time_of_use([meter("M1", "M1 - Peak", **own)], [series("M1 - Peak", ONE, **fields), series("M9", ONE)])
    found = answer(usage([meter()], []), entry)
    assert [(name, each.channel.meter, each.points) for name, each in found.periods] == [("Peak", "M1", tuple(ONE))]
    assert found.warnings == ["skipped a TIME_OF_USE series that belongs to no meter"]


@pytest.mark.parametrize("flow", ["REVERSE", "NET"])
def test_periods_are_for_usage_only(flow: str) -> None:
    entry = time_of_use([meter("M1", "M1 - On Peak", flow=flow)], [series("M1 - On Peak", ONE)])
    assert answer(usage([meter()], []), entry).periods == []


# -- any other JSON

KEYS = ("ELECTRIC", "type", "meters", "series", "data", "x", "y", "interval", "start", "end", "xToOrderedInterval")


def full() -> Json:
    """Return a valid answer with every kind of entry."""
    own = [meter("M7", "M7 - On Peak", rateName="On Peak")]
    return electric(
        usage(NET_METER, net_series(PAIRS, [(T0, -0.1)], [(T0, 0.21)]), xToOrderedInterval=chart([T0, T1])),
        cost([series("M7 - Consumption", [(T0, 0.04)])], [NET_METER[0]]),
        time_of_use(own, [series("M7 - On Peak", PAIRS)]),
    )


def places(node: Json, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


PLACES = list(places(full()))


@examples
@given(hostile(*KEYS))
def test_any_json_is_decoded_or_refused(data: Json) -> None:
    for answered in (data, electric(data, {"type": "USAGE", "meters": data}), electric(usage([], [series(data=data)]))):
        assert_read_or_refused(partial(decode, answered))


@pytest.mark.slow
@settings(examples, max_examples=200)
@given(path=st.sampled_from(PLACES), junk=hostile("x", "y"), remove=st.booleans())
def test_any_single_change_is_decoded_or_refused(path: tuple[Any, ...], junk: Json, *, remove: bool) -> None:
    data = copy.deepcopy(full())
    node = data
    for key in path[:-1]:
        node = node[key]
    if remove:
        del node[path[-1]]
    else:
        node[path[-1]] = junk
    assert_read_or_refused(partial(decode, data))


def of_point(**point: Json) -> Json:
    return electric(usage([], [series(data=[point])]))


@pytest.mark.parametrize(
    "data",
    [
        [],
        {"ELECTRIC": {}},
        electric(LEAK),
        electric(usage([LEAK], [])),
        electric(usage([], [[]])),
        electric(usage([], [{}])),
        electric(usage([], [series(data=LEAK)])),
        of_point(y=1),
        of_point(x=0, y=LEAK),
        electric(usage([], [], xToOrderedInterval={LEAK: {"interval": {"end": 1}}})),
    ],
)
def test_unknown_shape_is_an_error_without_values(data: Json) -> None:
    assert_read_or_refused(partial(decode, data))
    with pytest.raises(ProtocolError):
        decode(data)
