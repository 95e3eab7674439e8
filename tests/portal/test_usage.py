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
from exporter.portal.usage import decode
from exporter.portal.usage_answer import UsageAnswer

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


def test_points_stay_in_the_portals_order() -> None:
    mixed = [(T2, 5.0), (T1, 3.0), (T0, 1.0), (T1, 2.0), (T1, 4.0)]
    (only,) = decode(one_meter(mixed)).usage
    assert list(only.points) == mixed


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


@pytest.mark.parametrize(
    ("text", "day"),
    [("May 4, 2019", date(2019, 5, 4)), ("2019-05-04", None), ("December 31, 9999", None), (None, None)],
)
def test_connection_day_is_an_english_date(text: str | None, day: date | None) -> None:
    assert answer(usage([], [], connectDate=text)).connected == day


def test_points_at_one_time_are_added_to_the_same_channels() -> None:
    def of(**pairs: list[tuple[int, float]]) -> UsageAnswer:
        serieses = [series(number, each) for number, each in pairs.items()]
        prices = [series(number, [(time, value / 10) for time, value in each]) for number, each in pairs.items()]
        meters = [meter(number) for number in pairs]
        return answer(usage(meters, serieses), cost(prices, meters))

    found = of(A=[(QUARTER, 2.0)], B=[(QUARTER, 5.0)])
    assert not found.add_points_at(0, of(A=[(QUARTER, 1.0)]))
    assert found.add_points_at(0, of(A=[(0, 1.0), (QUARTER, 9.0)], C=[(0, 7.0)]))
    assert [each.points for each in found.usage] == [((0, 1.0), (QUARTER, 2.0)), ((QUARTER, 5.0),)]
    assert [each.points for each in found.cost] == [((0, 0.1), (QUARTER, 0.2)), ((QUARTER, 0.5),)]


# -- directions and meters


@pytest.mark.parametrize(
    ("direction", "flow", "words"),
    [
        ("forward", Flow.IMPORT, []),
        ("TOTAL", Flow.TOTAL, []),
        (None, Flow.IMPORT, []),
        ("RETURN", Flow.EXPORT, []),
        ("REVERSE", Flow.EXPORT, []),
        ("NET", Flow.NET, []),
        ("DELIVERED", Flow.IMPORT, ["DELIVERED"]),
        ("RECEIVED", Flow.EXPORT, ["RECEIVED"]),
        ("GENERATION", Flow.EXPORT, ["GENERATION"]),
        ("SIDEWAYS", Flow.IMPORT, ["SIDEWAYS"]),
        ("ÜBER-ALL\n<script>", Flow.IMPORT, ["(unreadable)"]),
    ],
)
def test_uncertain_direction_is_reported_once(direction: str | None, flow: Flow, words: list[str]) -> None:
    meters = [meter(number, flowDirection=direction) for number in ("A", "B")]
    entry = usage(meters, [series(number, PAIRS) for number in ("A", "B")])
    found = answer(entry, cost([], meters), time_of_use(meters, []))
    assert [each.flow for each in found.channels] == [flow] * 2
    assert [each.channel.flow for each in found.usage] == [flow] * 2
    assert (found.words, found.warnings) == (words, [])


def flows(meters: Sequence[Json], *serieses: Json) -> list[Flow]:
    return [each.channel.flow for each in answer(usage(meters, serieses)).usage]


USED, EXPORTED, IGNORED = Flow.IMPORT, Flow.EXPORT, Flow.IGNORED
UNSURE: dict[str, tuple[Sequence[tuple[str | None, str]], list[Flow]]] = {
    "beside FORWARD": ([("FORWARD", "A"), ("SIDEWAYS", "B")], [USED, IGNORED]),
    "beside no word": ([("SIDEWAYS", "A"), (None, "B")], [IGNORED, USED]),
    "beside TOTAL": ([("TOTAL", "A"), ("SIDEWAYS", "B")], [Flow.TOTAL, IGNORED]),
    "beside RETURN": ([("RETURN", "A"), ("SIDEWAYS", "B")], [EXPORTED, USED]),
    "several words": ([("UP", "A"), ("DOWN", "B"), ("UP", "C")], [USED, IGNORED, IGNORED]),
    "several without a word": ([(None, "A"), (None, "B")], [USED, IGNORED]),
    "labelled generation": ([("FORWARD", "A"), ("SIDEWAYS", "M - Generation")], [USED, EXPORTED]),
    "labelled consumption": ([("SIDEWAYS", "M - Consumption"), ("UP", "B")], [USED, IGNORED]),
    "labelled net": ([("FORWARD", "A"), ("SIDEWAYS", "M - net")], [USED, Flow.NET]),
    "no word, but labelled generation": ([("FORWARD", "A"), (None, "M - Generation")], [USED, EXPORTED]),
    "labelled consumption beside FORWARD": (
        [("FORWARD", "M - Consumption"), ("UP", "B - Consumption")],
        [USED, IGNORED],
    ),
    "labelled like TOTAL": ([("TOTAL", "A"), ("UP", "M - Consumption")], [Flow.TOTAL, IGNORED]),
    "labelled like RETURN": ([("UP", "M - Generation"), ("RETURN", "A")], [IGNORED, EXPORTED]),
    "labelled like NET": ([("NET", "A"), (None, "M - Net")], [Flow.NET, IGNORED]),
    "labelled alike": ([("UP", "A - Generation"), ("DOWN", "B - Generation"), (None, "C")], [EXPORTED, IGNORED, USED]),
    "a known word, whatever the label says": ([("FORWARD", "A - Generation")], [USED]),
}


@pytest.mark.parametrize(("given", "expected"), UNSURE.values(), ids=UNSURE)
def test_uncertain_channel_never_adds_to_usage(given: Sequence[tuple[str | None, str]], expected: list[Flow]) -> None:
    meters = [meter("M", label, flow=word, channel=number) for number, (word, label) in enumerate(given, 1)]
    serieses = [series(label, PAIRS, meterNumber="M") for _, label in given]
    assert flows(meters, *serieses) == expected


def test_lowest_channel_number_counts_in_any_order() -> None:
    meters = [meter("M", str(number), flow="SIDEWAYS", channel=number) for number in (10, 9)]
    assert flows(meters, *(series(name, PAIRS, meterNumber="M") for name in ("10", "9"))) == [IGNORED, USED]


def test_channel_without_a_series_does_not_displace_one_that_has() -> None:
    meters = [meter("M", "A", flow="UP", channel=1), meter("M", "B", flow="DOWN", channel=2)]
    assert flows(meters, series("B", PAIRS, meterNumber="M", channel=2)) == [USED]


def test_channel_without_a_series_does_not_displace_a_label() -> None:
    meters = [meter("M", "A", flow="FORWARD", channel=1), meter("M", "M - Consumption", flow="UP", channel=2)]
    assert flows(meters, series("M - Consumption", PAIRS, meterNumber="M", channel=2)) == [USED]


def test_channels_with_one_label_are_told_apart_by_number() -> None:
    label = "M - Consumption"
    meters = [meter("M", label, flow=word, channel=number) for number, word in ((1, "FORWARD"), (2, "UP"))]
    serieses = (series(label, PAIRS, meterNumber="M", channel=number) for number in (1, 2))
    assert flows(meters, *serieses) == [USED, IGNORED]


def test_directions_of_labels_are_never_added() -> None:
    meters = [meter("M", f"{number} - Consumption", flow=word, channel=number) for number, word in ((2, "A"), (1, "B"))]
    serieses = (series(f"{number} - Consumption", PAIRS, meterNumber="M", channel=number) for number in (2, 1))
    assert flows(meters, *serieses) == [IGNORED, USED]


@pytest.mark.parametrize(
    ("labels", "expected", "words"),
    [
        (["M - Consumption", "M - Generation", "M - Net"], [USED, EXPORTED, Flow.NET], []),
        (["M"], [USED], []),
        (["M - Solar"], [USED], ["SOLAR"]),
        (["M - Consumption", "M - Solar"], [USED, IGNORED], ["SOLAR"]),
        (["M - A Net", "M - B Net"], [Flow.NET, IGNORED], []),
        (["M - Solar", "M - Wind"], [USED, IGNORED], ["SOLAR", "WIND"]),
    ],
)
def test_series_without_an_item_of_meters_is_read_by_label(
    labels: list[str], expected: list[Flow], words: list[str]
) -> None:
    found = answer(usage([], [series(label, PAIRS, channel=number) for number, label in enumerate(labels, 1)]))
    assert [each.channel.flow for each in found.usage] == expected
    assert {each.channel.meter for each in found.usage} == {"M"}
    assert found.words == words


def test_second_series_of_the_same_name_is_left_out() -> None:
    found = answer(usage([], [series("M", PAIRS), series("M", ONE)]))
    assert [each.points for each in found.usage] == [tuple(PAIRS)]
    assert len(found.warnings) == 1


def test_series_beside_a_described_channel_is_left_out() -> None:
    found = answer(usage([meter("M")], [series("M", PAIRS), series("M rest", PAIRS, meterNumber="M", channel=2)]))
    assert [each.channel.flow for each in found.usage] == [USED, IGNORED]
    assert len(found.warnings) == 1


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({"meterNumber": 7}, "7"),
        ({"meterNumber": "", "seriesId": 8}, "8"),
        ({"meterNumber": None, "seriesId": "8 - Generation"}, "8"),
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


def test_meters_without_numbers_are_named_by_their_series() -> None:
    nameless: list[Json] = [
        {"channel": number, "flowDirection": flow} for number, flow in ((1, "FORWARD"), (2, "REVERSE"))
    ]
    labels = [("A - Consumption", 1), ("A - Generation", 2), ("B - Consumption", 1), ("B - Generation", 2)]
    serieses = [{**series(name, PAIRS, channel=number), "meterNumber": None} for name, number in labels]
    found = answer(usage(nameless * 2, serieses))
    assert [(each.channel.meter, each.channel.flow) for each in found.usage] == [
        ("A", USED),
        ("A", EXPORTED),
        ("B", USED),
        ("B", EXPORTED),
    ]
    assert {each.meter for each in found.channels} == {"A", "B"}


def test_each_item_without_a_number_belongs_to_one_series() -> None:
    nameless: list[Json] = [{"channel": 1, "flowDirection": "FORWARD"}, {"channel": 1, "flowDirection": "RETURN"}]
    found = answer(usage(nameless, [{**series(name, PAIRS), "meterNumber": None} for name in ("A", "B", "C")]))
    assert [(each.channel.meter, each.channel.flow) for each in found.usage] == [
        ("A", USED),
        ("B", EXPORTED),
        ("C", USED),
    ]


def test_number_in_the_series_beats_a_series_id() -> None:
    (only,) = answer(usage([meter(None, "S")], [series("S", PAIRS, meterNumber="7")])).usage
    assert only.channel.meter == "7"


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
    "by the label's prefix": (OTHERS, [series("B - Cost", ONE, **NO_METER)], [("B", Flow.IMPORT, 1.0)]),
    "by its direction in the label": (NET_METER, [series("M7 - Cost Net", ONE, **NO_METER)], [(*NET, 1.0)]),
    "to the only meter": (NET_METER, [series("Cost", ONE, **NO_METER)], [(*DRAWN, 1.0)]),
    "to none of several": (OTHERS, [series("Cost", ONE, **NO_METER)], []),
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


@pytest.mark.parametrize("where", ["series", "meters", "entry"])
@pytest.mark.parametrize(
    ("unit", "usd", "warned"),
    [
        *(
            (unit, 1.0, 0)
            for unit in ("usd", "$", "DOLLAR", "Dollars", "US_DOLLARS", "US Dollars", "CURRENCY", "", None)
        ),
        *((unit, 0.01, 0) for unit in ("CENT", "cents", "USC")),
        ("CAD", 1.0, 1),
        ("\n<script>", 1.0, 1),
        *((unit, None, 1) for unit in ("KWH", "KW", "GAL")),
    ],
)
def test_unit_of_cost(where: str, unit: str | None, usd: float | None, warned: int) -> None:
    units = {where: unit}
    entry = cost(
        [series(pairs=ONE, unitOfMeasure=units.get("series"))],
        [meter(unitOfMeasure=units.get("meters"))],
        unitOfMeasure=units.get("entry"),
    )
    found = answer(usage([meter()], []), entry)
    if usd is None and where != "series":
        usd, warned = 1.0, 0  # the energy's unit, which portals repeat there
    assert [each.points[0][1] for each in found.cost] == ([] if usd is None else [usd])
    assert len(found.warnings) == warned
    assert all(warning.isprintable() for warning in found.warnings)


@pytest.mark.parametrize(
    ("costs", "used", "kept"),
    [
        ([0.0, 0.0], [0.3, 0.2], False),
        ([0.0, None], [0.3, 0.2], False),
        ([0.0, 0.01], [0.3, 0.2], True),
        ([0.0, 0.0], [0.0, 0.0], True),
        ([0.3, 0.2], [0.3, 0.2], False),
        ([0.3, None], [0.3, 0.2], False),
        ([0.3, 0.1], [0.3, 0.2], True),
    ],
)
def test_zeros_and_the_energy_itself_are_no_cost(costs: list[float | None], used: list[float], *, kept: bool) -> None:
    data = usage([meter()], [series(pairs=zip((T0, T1), used, strict=True))])
    found = answer(data, cost([series(pairs=zip((T0, T1), costs, strict=True))]))
    assert [each.points for each in found.cost] == ([((T0, costs[0]), (T1, costs[1]))] if kept else [])


# -- periods of a rate


@pytest.mark.parametrize(
    ("fields", "own"), [({"rateName": "Peak"}, {}), ({}, {"rateName": "Peak"}), ({}, {"rate": "Peak"}), ({}, {})]
)
def test_period_is_named_by_series_meter_or_label(fields: dict[str, Json], own: dict[str, Json]) -> None:
    entry = time_of_use([meter("M1", "M1 - Peak", **own)], [series("M1 - Peak", ONE, **fields), series("M9", ONE)])
    found = answer(usage([meter()], []), entry)
    assert [(name, each.channel.meter, each.points) for name, each in found.periods] == [("Peak", "M1", tuple(ONE))]
    assert found.warnings == ["skipped a TIME_OF_USE series that belongs to no meter"]


def time_of_use_of(*flows: str | None) -> Json:
    """Return two periods of each of several channels of one meter."""
    kinds = [(number, flow, name) for number, flow in enumerate(flows, 1) for name in ("Peak", "Rest")]
    own = [meter("M1", f"M1 - {n} {name}", flow=flow, channel=n, rateName=name) for n, flow, name in kinds]
    return time_of_use(own, [series(each["seriesId"], [(T0, 1.0), (T1, 2.0)], channel=each["channel"]) for each in own])


@pytest.mark.parametrize("empty", [None, usage([], []), usage([meter()], [series()])])
def test_periods_without_usage_are_usage(empty: Json) -> None:
    entry = {**time_of_use_of("FORWARD"), "hasHourly": True, "xToOrderedInterval": chart([T0, T1])}
    found = answer(*filter(None, (empty, entry)), cost([series("M1", ONE)]))
    assert [(each.channel.meter, each.points) for each in found.usage if each.points] == [
        ("M1", ((T0, 2.0), (T1, 4.0)))
    ]
    assert [each.points for each in found.cost] == [tuple(ONE)]
    assert (found.has_hourly, found.interval_ends) == (True, {T0: T1, T1: T2})
    assert len(found.periods) == 2


def test_repeated_hour_and_nulls_of_periods_are_added_in_order() -> None:
    periods = [[(T0, 1.0), (T0, 2.0), (T1, None)], [(T0, 0.25), (T1, None), (T2, 0.5)]]
    own = [meter("M1", f"M1 - {name}") for name in ("A", "B")]
    entry = time_of_use(own, [series(f"M1 - {name}", pairs) for name, pairs in zip("AB", periods, strict=True)])
    assert answer(entry).usage[0].points == ((T0, 1.25), (T0, 2.0), (T1, None), (T2, 0.5))


@pytest.mark.parametrize(
    ("directions", "used"),
    [
        (("SIDEWAYS",), 2.0),
        ((None, "SIDEWAYS"), 2.0),
        (("UP", "DOWN"), 2.0),
        (("REVERSE", "SIDEWAYS"), 2.0),
        (("NET",), None),
    ],
)
def test_periods_of_uncertain_channels_are_never_added(directions: Sequence[str | None], used: float | None) -> None:
    assert [each.points[0][1] for each in answer(time_of_use_of(*directions)).usage] == ([] if used is None else [used])


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


@pytest.mark.parametrize("value", ["0.13", float("nan"), float("inf"), 1e15, True, {}])
def test_unusable_cost_costs_only_the_cost_of_its_meter(value: Json) -> None:
    meters = [meter("A"), meter("B")]
    bad = series("A", data=[{"x": 0, "y": value}])
    good = [series(number, [(0, 0.1)]) for number in ("A", "B")]
    found = answer(usage(meters, [series("A", ONE), series("B", ONE)]), cost([*good, bad], meters))
    assert [each.points for each in found.usage] == [tuple(ONE)] * 2
    assert [each.channel.meter for each in found.cost] == ["B"]
    assert len(found.warnings) == 1


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


# -- texts


def test_every_text_is_printable() -> None:
    odd = "M\ud83d\x1b[2J\u202e"
    texts = dict.fromkeys(("flowDirection", "unitOfMeasure", "channel", "rateName"), odd)
    described = meter(odd, odd, **texts)
    decoded = answer(
        usage([described], [series(odd, ONE, meterNumber=odd), series(f"{odd} 2", ONE)], connectDate=odd),
        usage([meter(odd, "kWh")], [series("kWh", ONE)], unitOfMeasure=odd),
        cost([series(odd, ONE)], [described], unitOfMeasure=odd),
        time_of_use([meter(odd, "kWh")], [series("kWh", ONE, rateName=odd)]),
    )
    for channel in decoded.channels:
        for each in (channel.meter, channel.series_id, channel.number, channel.direction, channel.unit):
            assert each.isprintable()
    assert all(period.isprintable() for period, _ in decoded.periods)
    assert all(warning.isprintable() for warning in decoded.warnings)


# -- limits


def test_endless_lists_are_cut() -> None:
    assert len(answer(*(usage([meter(f"M{number}")], []) for number in range(11))).channels) == 10
    assert len(answer(usage([meter(f"M{number}") for number in range(2001)], [])).channels) == 2000
    periods = time_of_use([meter()], [series("M1", rateName="Peak")] * 2001)
    assert len(answer(usage([meter()], []), periods).periods) == 2000


# -- water and gas


def volumes(*serieses: Json, unit: str = "GAL", industry: str = "WATER", **more: Json) -> UsageAnswer:
    """Decode an answer with one meter for each series, which are named after their meters."""
    meters = [meter(each["name"], flow="TOTAL", unitOfMeasure=unit) for each in serieses]
    return decode({industry: [usage(meters, serieses, unitOfMeasure=unit, **more)]}, industry.lower())


@pytest.mark.parametrize(
    ("industry", "unit", "ours", "size"),
    [("WATER", "GAL", "gallons", 1.0), ("WATER", "FT3", "gallons", 7.480519), ("GAS", "MCF", "ccf", 10.0)],
)
def test_volumes_are_converted_to_our_unit(industry: str, unit: str, ours: str, size: float) -> None:
    found = volumes(series(pairs=[(T0, 3.0), (T1, None)]), unit=unit, industry=industry)
    assert found.units == {"M1": ours}
    assert [each.points for each in found.usage] == [((T0, 3.0 * size), (T1, None))]
    assert [(each.channel.flow, each.channel.direction) for each in found.usage] == [(Flow.TOTAL, "")]
    assert (found.words, found.warnings, found.periods) == ([], [], [])


def test_only_the_industry_that_was_asked_for_is_read() -> None:
    both = {"ELECTRIC": [usage([meter()], [series(pairs=ONE)])], "WATER": [{"type": "USAGE", "series": "never read"}]}
    assert [each.points for each in decode(both).usage] == [tuple(ONE)]
    assert decode(both, "gas") == UsageAnswer("gas")


def test_negative_water_is_dropped_with_one_warning() -> None:
    found = volumes(series(pairs=[(T0, -1.0), (T1, -2.0), (T2, 4.0)]))
    assert [each.points for each in found.usage] == [((T0, None), (T1, None), (T2, 4.0))]
    assert found.warnings == ["dropped negative water values"]


@pytest.mark.parametrize("unit", ["M3", "LITER", ""])
def test_a_volume_in_an_unknown_unit_is_skipped(unit: str) -> None:
    found = volumes(series(pairs=ONE), unit=unit)
    assert (found.usage, found.units, found.skipped, len(found.warnings)) == ([], {}, True, 1)


def test_a_meter_is_read_in_one_unit() -> None:
    meters = [meter("M1", unitOfMeasure="CCF"), meter("M1", "M1 - Heat", unitOfMeasure="THERM", channel=2)]
    found = decode({"GAS": [usage(meters, [series(pairs=ONE), series("M1 - Heat", ONE, channel=2)])]}, "gas")
    assert (found.units, len(found.usage), len(found.warnings)) == ({"M1": "ccf"}, 1, 1)


def test_water_can_have_a_cost() -> None:
    entries = [usage([meter(unitOfMeasure="GAL")], [series(pairs=PAIRS)]), cost([series(pairs=[(T0, 0.04)])])]
    assert [each.points for each in decode({"WATER": entries}, "water").cost] == [((T0, 0.04),)]


def test_a_number_of_another_industry_gets_the_own_one_added() -> None:
    found = decode({"WATER": [usage([meter(unitOfMeasure="GAL")], [series(pairs=ONE)])]}, "water")
    found.rename_meters(["M1", "M2"])
    assert found.units == {"M1 water": "gallons"}
    assert {each.channel.meter for each in found.usage} == {each.meter for each in found.channels} == {"M1 water"}


@settings(max_examples=200)
@given(hostile("type", "series", "meters", "data", "x", "y", "unitOfMeasure", "GAS"), st.sampled_from(["water", "gas"]))
def test_any_volumes_are_decoded_or_refused(data: Json, industry: str) -> None:
    assert_read_or_refused(lambda: decode({industry.upper(): [data]}, industry))
