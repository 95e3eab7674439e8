"""The answer of the usage poll decoded: every shape of portal-facts 3.5, and any other shape refused cleanly."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import ProtocolError
from exporter.portal.directions import Flow
from exporter.portal.usage import UsageAnswer, decode

from ..support.portal_answers import (
    NET_METER,
    QUARTER,
    Json,
    answer,
    chart,
    cost,
    electric,
    examples,
    meter,
    net_series,
    one_meter,
    points,
    refusal,
    series,
    time_of_use,
    usage,
    wall,
)

T0 = wall("2026-01-05 00:00")
T1, T2 = T0 + QUARTER, T0 + 2 * QUARTER
PAIRS = [(T0, 0.31), (T1, 0.28)]


# -- nothing there


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"ELECTRIC": None},
        {"ELECTRIC": []},
        {"WATER": [{"type": "USAGE", "series": "never read"}]},
        {"ELECTRIC": [{}]},
        {"ELECTRIC": [{"type": "DEMAND", "series": "never read"}]},
        {"ELECTRIC": [{"type": None}]},
        {"ELECTRIC": [{"type": "USAGE"}]},
        {"ELECTRIC": [{"type": "USAGE", "meters": None, "series": None, "xToOrderedInterval": None}]},
        {"ELECTRIC": [{"type": "USAGE", "meters": [], "series": [], "xToOrderedInterval": {}}]},
    ],
)
def test_an_answer_without_data_is_empty_and_no_mistake(data: Json) -> None:
    assert decode(data) == UsageAnswer()


def test_a_series_without_points_is_there_and_empty() -> None:
    found = decode(one_meter([]))
    assert [each.points for each in found.usage] == [()]
    assert found.warnings == ()


def test_a_cost_without_usage_is_dropped_with_a_warning() -> None:
    found = answer(cost([series(pairs=PAIRS)]))
    assert (found.usage, found.cost) == ((), ())
    assert len(found.warnings) == 1


# -- points


@pytest.mark.parametrize(
    ("point", "value"),
    [
        ({"x": T0 * 1000, "y": 0.31}, 0.31),
        ({"x": T0 * 1000, "y": 0}, 0.0),
        ({"x": T0 * 1000, "y": -0.5}, -0.5),
        ({"x": T0 * 1000, "y": None}, None),
        ({"x": T0 * 1000}, None),
        ({"x": str(T0 * 1000), "y": 1}, 1.0),
        ({"x": float(T0 * 1000), "y": 1, "enableDrilldown": True, "name": "00:00"}, 1.0),
    ],
)
def test_a_point_has_a_wall_time_and_a_value_or_none(point: Json, value: float | None) -> None:
    (only,) = answer(usage([meter()], [series(data=[point])])).usage
    assert only.points == ((T0, value),)


def test_points_are_sorted_by_x_and_repeated_ones_keep_their_order() -> None:
    mixed = [(T2, 5.0), (T1, 3.0), (T0, 1.0), (T1, 2.0), (T1, 4.0)]
    (only,) = decode(one_meter(mixed)).usage
    assert only.points == ((T0, 1.0), (T1, 3.0), (T1, 2.0), (T1, 4.0), (T2, 5.0))


def test_a_point_in_the_year_9999_is_decoded_without_harm() -> None:
    (only,) = decode(one_meter([(wall("9999-12-01"), 1.0)])).usage
    assert only.points == ((wall("9999-12-01"), 1.0),)


def test_the_doubled_and_base_copies_of_the_points_are_never_read() -> None:
    copies = {"meterToChartData": {"Meter{}": points(PAIRS * 2)}, "baseSeries": series("base", PAIRS)}
    assert decode(one_meter(PAIRS, **copies)).usage == decode(one_meter(PAIRS)).usage
    assert decode(one_meter(PAIRS, meterToChartData="junk", baseSeries=7)).usage == decode(one_meter(PAIRS)).usage


# -- charted intervals


def test_charted_intervals_are_a_map_by_x() -> None:
    entry = usage([meter()], [series(pairs=PAIRS)], xToOrderedInterval=chart([T0, T1]))
    assert answer(entry).interval_ends == ((T0, T1), (T1, T2))


@pytest.mark.parametrize(
    "item",
    [
        {"x": T0 * 1000, "interval": {"start": T0 * 1000, "end": T1 * 1000}},
        {"x": str(T0 * 1000), "interval": {"start": str(T0 * 1000), "end": str(T1 * 1000)}},
        {"x": T0 * 1000, "interval": {"end": T1 * 1000}},
    ],
)
def test_charted_intervals_are_a_list_too(item: Json) -> None:
    assert answer(usage([meter()], [], xToOrderedInterval=[item])).interval_ends == ((T0, T1),)


@pytest.mark.parametrize(
    "item", [{}, {"interval": None}, {"interval": {}}, {"interval": {"start": 1, "end": None}}, {"orderedName": "x"}]
)
def test_an_interval_without_an_end_tells_nothing(item: Json) -> None:
    assert answer(usage([meter()], [], xToOrderedInterval={str(T0 * 1000): item})).interval_ends == ()


# -- flags


@pytest.mark.parametrize(
    ("entries", "hourly"),
    [
        ([{}], None),
        ([{"hasHourly": True, "hasDaily": True}], True),
        ([{"hasHourly": False, "hasDaily": True}], False),
        ([{"hasHourly": "false", "hasDaily": 0}], None),
        ([{"hasHourly": False}, {"hasHourly": True}], True),
        ([{"hasHourly": True}, {"hasHourly": False}], True),
        ([{}, {"hasHourly": False, "hasDaily": False}], False),
    ],
)
def test_the_flags_of_several_entries_hold_where_one_says_yes(
    entries: list[dict[str, Json]], *, hourly: bool | None
) -> None:
    found = answer(*(usage([], [], **each) for each in entries))
    assert found.has_hourly is hourly


# -- directions and meters


@pytest.mark.parametrize(
    ("direction", "flow", "warned"),
    [
        ("FORWARD", Flow.IMPORT, False),
        ("forward", Flow.IMPORT, False),
        ("TOTAL", Flow.TOTAL, False),
        (None, Flow.IMPORT, False),
        ("", Flow.IMPORT, False),
        ("RETURN", Flow.EXPORT, False),
        ("REVERSE", Flow.EXPORT, False),
        ("NET", Flow.NET, False),
        ("SIDEWAYS", Flow.IMPORT, True),
        ("ÜBER-ALL\n<script>", Flow.IMPORT, True),
    ],
)
def test_each_direction_is_known_and_an_unknown_one_is_import_with_a_warning(
    direction: str | None, flow: Flow, *, warned: bool
) -> None:
    found = decode(one_meter(PAIRS, flow=direction))
    assert [each.flow for each in found.channels] == [flow]
    assert [each.channel.flow for each in found.usage] == [flow]
    assert len(found.warnings) == int(warned)
    assert all(warning.isprintable() for warning in found.warnings)


def test_a_null_direction_is_none_given() -> None:
    found = answer(usage([meter(flowDirection=None)], [series(pairs=PAIRS)]))
    assert [each.channel.flow for each in found.usage] == [Flow.IMPORT]
    assert found.warnings == ()


def test_an_unknown_direction_is_warned_about_once_however_many_meters_have_it() -> None:
    meters = [meter(number, flow="SIDEWAYS") for number in ("A", "B", "C")]
    entry = usage(meters, [series(number, PAIRS) for number in ("A", "B", "C")])
    found = answer(entry, cost([], meters), time_of_use(meters, []))
    assert len(found.warnings) == 1
    assert "SIDEWAYS" in found.warnings[0]


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({"meterNumber": "M7"}, "M7"),
        ({"meterNumber": 7}, "7"),
        ({"meterNumber": None, "seriesId": "S"}, "S"),
        ({"meterNumber": "", "seriesId": 8}, "8"),
    ],
)
def test_a_meter_is_its_number_else_its_series_id(fields: dict[str, Json], number: str) -> None:
    (only,) = answer(usage([meter(**fields)], [])).channels
    assert only.meter == number


def test_what_a_meter_is_said_to_be_is_kept() -> None:
    plain, parent = answer(usage([meter("A"), meter("B", isParentMeter=True, isNetMeter=True)], [])).channels
    assert (plain.parent, plain.net, parent.parent, parent.net) == (False, False, True, True)


# -- which series belongs to which channel


def joined(meters: list[Json], *serieses: Json) -> list[tuple[str, Flow]]:
    return [(each.channel.meter, each.channel.flow) for each in answer(usage(meters, list(serieses))).usage]


def test_series_are_joined_by_series_id_in_whatever_order() -> None:
    serieses = net_series(PAIRS, PAIRS, PAIRS)
    assert joined(list(NET_METER), *serieses) == [("M7", Flow.IMPORT), ("M7", Flow.EXPORT), ("M7", Flow.NET)]
    assert joined(list(NET_METER), *reversed(serieses)) == [("M7", Flow.NET), ("M7", Flow.EXPORT), ("M7", Flow.IMPORT)]
    assert joined(list(reversed(NET_METER)), serieses[1], serieses[0]) == [("M7", Flow.EXPORT), ("M7", Flow.IMPORT)]


def test_series_with_other_names_are_joined_by_meter_and_channel() -> None:
    serieses = [series("anything", PAIRS, meterNumber="M7", channel=number) for number in (3, 1, 2)]
    assert joined(list(NET_METER), *serieses) == [("M7", Flow.NET), ("M7", Flow.IMPORT), ("M7", Flow.EXPORT)]


def test_numbers_and_texts_are_the_same_id() -> None:
    meters = [meter(77, "77 - A", channel="1"), meter("77", "77 - B", channel=2, flow="REVERSE")]
    serieses = [series("x", PAIRS, meterNumber="77", channel=1), series("y", PAIRS, meterNumber=77, channel="2")]
    assert joined(meters, *serieses) == [("77", Flow.IMPORT), ("77", Flow.EXPORT)]
    assert joined([meter("5", 900)], series("900", PAIRS, meterNumber=None)) == [("5", Flow.IMPORT)]


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "M1", "meterNumber": None, "channel": None},
        {"name": None, "meterNumber": "M1", "channel": None},
        {"name": "M1", "meterNumber": "M1", "channel": 1},
    ],
)
def test_a_series_named_by_its_meter_is_joined_to_the_only_channel(fields: dict[str, Json]) -> None:
    assert joined([meter("M1", "S-1", flow="TOTAL")], series(pairs=PAIRS) | fields) == [("M1", Flow.TOTAL)]


def test_a_series_that_no_meter_describes_keeps_its_energy() -> None:
    assert joined([], series("M9", PAIRS)) == [("M9", Flow.IMPORT)]
    assert joined([meter("M1")], series("M9", PAIRS), series("M1", PAIRS)) == [
        ("M9", Flow.IMPORT),
        ("M1", Flow.IMPORT),
    ]


def test_a_series_that_says_of_itself_that_it_is_net_is_net() -> None:
    assert joined([], series("M9 - Net", PAIRS, isNet=True)) == [("M9", Flow.NET)]


def test_several_usage_entries_are_read_together() -> None:
    found = answer(usage([meter("A")], [series("A", PAIRS)]), usage([meter("B")], [series("B", [(T2, 1.0)])]))
    assert [(each.channel.meter, each.points) for each in found.usage] == [("A", tuple(PAIRS)), ("B", ((T2, 1.0),))]


def test_the_order_of_entries_does_not_matter() -> None:
    entries = [usage([meter()], [series(pairs=PAIRS)]), cost([series(pairs=[(T0, 0.04)])])]
    assert answer(*entries) == answer(*reversed(entries))


def test_only_kwh_is_energy() -> None:
    found = answer(usage([meter(unitOfMeasure="KW")], [series(pairs=PAIRS)]))
    assert found.usage == ()
    assert len(found.warnings) == 1


@pytest.mark.parametrize("unit", ["KWH", "kWh", "", None])
def test_energy_is_kwh_or_has_no_unit(unit: str | None) -> None:
    assert len(answer(usage([meter(unitOfMeasure=unit)], [series(pairs=PAIRS)], unitOfMeasure=unit)).usage) == 1


# -- cost


def costs(meters: list[Json], *serieses: Json, own: tuple[Json, ...] = ()) -> list[tuple[str, Flow, float | None]]:
    entry = usage(meters, [])
    found = answer(entry, cost(list(serieses), own)).cost
    return [(each.channel.meter, each.channel.flow, each.points[0][1]) for each in found]


def test_cost_is_joined_by_series_id() -> None:
    assert costs(list(NET_METER), series("M7 - Consumption", [(T0, 0.04)], meterNumber=None, channel=None)) == [
        ("M7", Flow.IMPORT, 0.04)
    ]


def test_cost_is_joined_by_meter_and_channel() -> None:
    assert costs(list(NET_METER), series("Dollars", [(T0, -0.02)], meterNumber="M7", channel=2)) == [
        ("M7", Flow.EXPORT, -0.02)
    ]


def test_cost_named_by_its_meter_alone_is_that_meters_cost() -> None:
    bare = series("M7", [(T0, 0.04)], channel=None)
    assert [(number, value) for number, _, value in costs(list(NET_METER), bare)] == [("M7", 0.04)]


def test_cost_is_joined_through_its_own_meters_entry() -> None:
    own = meter("M7", "M7 - Dollars", channel=1)
    assert costs(list(NET_METER), series("M7 - Dollars", [(T0, 1.0)], meterNumber=None, channel=None), own=(own,)) == [
        ("M7", Flow.IMPORT, 1.0)
    ]


def test_cost_may_have_fewer_series_than_usage() -> None:
    assert costs([meter("A"), meter("B")], series("B", [(T0, 1.0)])) == [("B", Flow.IMPORT, 1.0)]


def test_cost_in_another_order_than_usage_is_not_joined_by_position() -> None:
    found = costs([meter("A"), meter("B")], series("B", [(T0, 2.0)]), series("A", [(T0, 1.0)]))
    assert found == [("B", Flow.IMPORT, 2.0), ("A", Flow.IMPORT, 1.0)]


def test_cost_that_cannot_be_joined_is_dropped_with_one_warning() -> None:
    strangers = [series("M99", [(T0, 1.0)]), series("M98", [(T0, 1.0)]), series("M1", [(T0, 3.0)])]
    found = answer(usage([meter()], []), cost(strangers))
    assert [each.points for each in found.cost] == [((T0, 3.0),)]
    assert found.warnings == ("a COST series belongs to no meter of USAGE and was dropped",)


@pytest.mark.parametrize(("unit", "kept"), [("USD", 1), ("usd", 1), (None, 1), ("CAD", 0)])
def test_only_dollars_are_cost(unit: str | None, kept: int) -> None:
    found = answer(usage([meter()], []), cost([series(pairs=[(T0, 1.0)])], unitOfMeasure=unit))
    assert len(found.cost) == kept
    assert len(found.warnings) == 1 - kept


# -- periods of a rate


def test_a_time_of_use_series_has_the_name_of_its_period() -> None:
    own = [meter("M1", "M1 - On Peak", rateName="On Peak"), meter("M1", "M1 - Off Peak", rateName="Off Peak")]
    serieses = [
        series("M1 - On Peak", [(T0, 0.31)], rateName="On Peak"),
        series("M1 - Off Peak", [(T1, 0.28)], rateName="Off Peak"),
    ]
    found = answer(usage([meter()], [series(pairs=PAIRS)]), time_of_use(own, serieses))
    assert [(period, each.channel.meter, each.points) for period, each in found.periods] == [
        ("On Peak", "M1", ((T0, 0.31),)),
        ("Off Peak", "M1", ((T1, 0.28),)),
    ]


@pytest.mark.parametrize(
    ("fields", "own"),
    [
        ({"rateName": "Super Off Peak"}, {}),
        ({}, {"rateName": "Super Off Peak"}),
        ({}, {}),
    ],
)
def test_a_period_is_named_by_series_or_meter_or_label(fields: dict[str, Json], own: dict[str, Json]) -> None:
    label = "M1 - Super Off Peak"
    entry = time_of_use([meter("M1", label, **own)], [series(label, [(T0, 1.0)], **fields)])
    assert [period for period, _ in answer(usage([meter()], []), entry).periods] == ["Super Off Peak"]


@pytest.mark.parametrize("flow", ["REVERSE", "RETURN", "NET"])
def test_periods_are_of_the_energy_drawn_only(flow: str) -> None:
    entry = time_of_use([meter("M1", "M1 - On Peak", flow=flow)], [series("M1 - On Peak", [(T0, 1.0)])])
    assert answer(usage([meter()], []), entry).periods == ()


# -- whatever else a portal may write

LEAK = "Xq7vKz"
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.sampled_from([LEAK, f"12 {LEAK} Road", "", "USAGE", "KWH", "-1", "9" * 30, 10**400, -(10**400)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y", LEAK]), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["ELECTRIC", "type", "meters", "series", "data", "x", "y", "interval", "start", "end", "xToOrderedInterval", LEAK]
)
HOSTILE = st.recursive(
    JUNK, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


def full() -> Json:
    """A valid answer with every kind of entry."""
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


def assert_answer_or_protocol_error(data: Json) -> None:
    error = refusal(lambda: decode(data))
    assert error is None or (LEAK not in str(error) and str(error).isprintable())


@examples
@given(HOSTILE)
def test_any_json_gives_an_answer_or_a_protocol_error(data: Json) -> None:
    assert_answer_or_protocol_error(data)


@examples
@given(HOSTILE)
def test_any_entries_give_an_answer_or_a_protocol_error(entries: Json) -> None:
    assert_answer_or_protocol_error({"ELECTRIC": [{"type": "USAGE", "meters": entries}, entries]})
    assert_answer_or_protocol_error({"ELECTRIC": [{"type": "USAGE", "series": [{"name": "M", "data": entries}]}]})


@settings(examples, max_examples=200)
@given(path=st.sampled_from(PLACES), junk=JUNK, remove=st.booleans())
def test_a_valid_answer_with_one_change_gives_an_answer_or_a_protocol_error(
    path: tuple[Any, ...], junk: Json, *, remove: bool
) -> None:
    data = copy.deepcopy(full())
    node = data
    for key in path[:-1]:
        node = node[key]
    if remove:
        del node[path[-1]]
    else:
        node[path[-1]] = junk
    assert_answer_or_protocol_error(data)


ENDLESS = json.loads("9" * 400)


@pytest.mark.parametrize(
    "entry",
    [
        usage([], [series(data=[{"x": ENDLESS, "y": 1}])]),
        usage([], [series(data=[{"x": str(ENDLESS), "y": 1}])]),
        usage([], [series(data=[{"x": 0, "y": ENDLESS}])]),
        usage([], [], xToOrderedInterval={"0": {"interval": {"start": 0, "end": ENDLESS}}}),
    ],
    ids=["x", "x as text", "y", "end"],
)
def test_a_number_beyond_every_float_is_a_protocol_error(entry: Json) -> None:
    with pytest.raises(ProtocolError):
        answer(entry)


@pytest.mark.parametrize(
    "data",
    [
        [],
        LEAK,
        {"ELECTRIC": {}},
        {"ELECTRIC": [LEAK]},
        {"ELECTRIC": [{"type": "USAGE", "meters": {}}]},
        {"ELECTRIC": [{"type": "USAGE", "meters": [LEAK]}]},
        {"ELECTRIC": [{"type": "USAGE", "series": [[]]}]},
        {"ELECTRIC": [{"type": "USAGE", "series": [{"name": "M", "data": LEAK}]}]},
        {"ELECTRIC": [{"type": "USAGE", "series": [{"name": "M", "data": [{"y": 1}]}]}]},
        {"ELECTRIC": [{"type": "USAGE", "series": [{"name": "M", "data": [{"x": 0, "y": LEAK}]}]}]},
        {"ELECTRIC": [{"type": "USAGE", "xToOrderedInterval": {LEAK: {"interval": {"end": 1}}}}]},
    ],
)
def test_a_shape_that_is_not_known_is_a_protocol_error_without_its_values(data: Json) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(data)
    assert LEAK not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("field", ["meterNumber", "seriesId"])
def test_an_id_with_half_a_character_can_still_be_written_as_text(field: str) -> None:
    half = json.loads(r'"M\ud83d"')
    found = answer(usage([meter(**{"meterNumber": "", "seriesId": "", field: half})], []))
    assert all(each.meter.encode() for each in found.channels)
