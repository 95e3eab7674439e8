"""A whole answer made readings: times, energy, cost and periods of each meter (contract 3)."""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.intervals.model import DAILY, MeterInfo, Reading
from exporter.portal.readings import MeterReadings, RangeReadings, read_days, read_intervals
from exporter.portal.usage import decode
from exporter.portal.walltime import WallClock

from ..support.portal_answers import (
    CHANGING_ZONES,
    DAY,
    HOUR,
    INDIANA,
    MINUTE,
    NET_METER,
    QUARTER,
    STEPS,
    US_ZONES,
    Json,
    Pair,
    autumn,
    bounds_of,
    changes,
    chart,
    cost,
    electric,
    examples,
    firsts_of,
    instant,
    instants_of,
    meter,
    net_series,
    one_meter,
    series,
    spring,
    time_of_use,
    usage,
    wall,
    wall_of,
    walls_of,
)

ZONE = "America/New_York"
MONDAY = date(2026, 1, 5)
START = instant("2026-01-05 00:00-05:00")
T0 = wall("2026-01-05 00:00")
NONE: Mapping[str, int] = {}


def read(
    data: Json,
    day: date = MONDAY,
    *,
    days: int = 1,
    zone: str = ZONE,
    known: Mapping[str, int] = NONE,
) -> RangeReadings:
    bounds = bounds_of(day, zone)[0], bounds_of(day + timedelta(days=days), zone)[0]
    return read_intervals(decode(data), WallClock(ZoneInfo(zone)), *bounds, known)


def only(found: RangeReadings) -> MeterReadings:
    (meter_readings,) = found.meters
    return meter_readings


def spans(found: MeterReadings) -> list[tuple[int, int]]:
    return [(reading.start, reading.end) for reading in found.readings]


def energies(found: MeterReadings) -> list[tuple[float | None, float | None]]:
    return [(reading.usage, reading.export) for reading in found.readings]


def shuffled(pairs: Sequence[Pair]) -> list[Pair]:
    """Out of order, but what has the same time still in its order."""
    times = [time for time, _ in pairs]
    random.Random(7).shuffle(times)
    queues: dict[int, list[float | None]] = {}
    for time, value in pairs:
        queues.setdefault(time, []).append(value)
    return [(time, queues[time].pop(0)) for time in times]


# -- a day in each of the four ways of portal-facts 4.3


def values_of(instants: Sequence[int]) -> dict[int, float]:
    return {moment: round(0.01 + number / 100, 2) for number, moment in enumerate(instants)}


def as_written(day: date, zone: str, step: int, mode: str) -> tuple[list[Pair], dict[int, float]]:
    """The points that a portal of this kind writes for a day, and the readings that they stand for."""
    values = values_of(instants_of(day, zone, step))
    firsts = firsts_of(day, zone, step)
    written: dict[int, list[float]] = {}
    for moment, value in values.items():
        written.setdefault(wall_of(moment, zone), []).append(value)
    if mode == "duplicate":
        return [(time, value) for time, several in written.items() for value in several], values
    if mode == "phantom zero":
        zeros = [(time, 0.0) for time in walls_of(day, step) if time not in written]
        return [*((time, several[0]) for time, several in written.items()), *zeros], {
            moment: values[moment] for moment in firsts
        }
    keep: Callable[[list[float]], float] = sum if mode == "merged" else max
    kept = [keep(several) for several in written.values()]
    return list(zip(written, kept, strict=True)), dict(zip(firsts, kept, strict=True))


@pytest.mark.parametrize("mode", ["duplicate", "merged", "lost", "phantom zero"])
@pytest.mark.parametrize("zone", [zone for zone in US_ZONES if zone not in INDIANA[1:]])
def test_a_full_day_gives_exactly_the_intervals_of_the_day(zone: str, mode: str) -> None:
    for year, step in enumerate(STEPS, start=2022):
        for day in changes(zone, year) or (date(2026, 3, 8),):
            pairs, expected = as_written(day, zone, step, mode)
            found = read(one_meter(shuffled(pairs), charted=step != 10 * MINUTE), day, zone=zone)
            readings = only(found).readings
            assert {reading.start: reading.usage for reading in readings} == pytest.approx(expected, abs=1e-9)
            assert {reading.end - reading.start for reading in readings} == {step}
            assert [reading.start for reading in readings] == sorted(expected)
            assert found.warnings == ()
            assert only(found).info.step == step


@settings(examples, max_examples=12)
@given(st.sampled_from(CHANGING_ZONES), st.integers(2020, 2035), st.sampled_from(STEPS), st.integers(-3, 0))
def test_days_around_a_change_join_without_gap_or_overlap(zone: str, year: int, step: int, before: int) -> None:
    for change in (spring(zone, year), autumn(zone, year)):
        first = change + timedelta(days=before)
        every = [moment for number in range(4) for moment in instants_of(first + timedelta(days=number), zone, step)]
        pairs: list[Pair] = [(wall_of(moment, zone), 0.5) for moment in every]
        found = read(one_meter(pairs), first, days=4, zone=zone)
        assert spans(only(found)) == [(moment, moment + step) for moment in every]
        assert found.zone_contradicted is False


@pytest.mark.parametrize("zone", [*US_ZONES, "Australia/Lord_Howe"])
def test_a_daily_reading_lasts_until_the_next_local_midnight(zone: str) -> None:
    clock = WallClock(ZoneInfo(zone))
    for change in [*changes(zone, 2026), date(2026, 6, 1)]:
        days = [change + timedelta(days=number) for number in (-1, 0, 1)]
        data = one_meter([(wall(day.isoformat()), 24.5) for day in days], charted=False)
        bounds = bounds_of(days[0], zone)[0], bounds_of(days[-1], zone)[1]
        found = only(read_days(decode(data), clock, *bounds))
        assert spans(found) == [bounds_of(day, zone) for day in days]
        assert found.info.step == DAILY


def test_a_single_daily_point_is_a_whole_day() -> None:
    found = read_days(decode(one_meter([(T0, 24.5)])), WallClock(ZoneInfo(ZONE)), START, START + DAY)
    assert only(found).readings == (Reading(START, START + DAY, 24.5),)


# -- how long an interval lasts


def quarters(numbers: Sequence[int], value: float | None = 0.25) -> list[Pair]:
    return [(T0 + number * QUARTER, value) for number in numbers]


@pytest.mark.parametrize("charted", [True, False])
def test_an_interval_before_a_gap_is_not_stretched_over_it(*, charted: bool) -> None:
    present = [number for number in range(96) if number not in (3, 4, 5, 20, 50, 51)]
    found = only(read(one_meter(quarters(present), charted=charted)))
    assert spans(found) == [(START + number * QUARTER, START + (number + 1) * QUARTER) for number in present]


def test_an_interval_before_the_spring_change_is_not_stretched_over_it() -> None:
    day = date(2026, 3, 8)
    pairs: list[Pair] = [(wall_of(moment, ZONE), 1.0) for moment in instants_of(day, ZONE, HOUR)]
    found = spans(only(read(one_meter(pairs), day)))
    assert (instant("2026-03-08 01:00-05:00"), instant("2026-03-08 03:00-04:00")) in found
    assert len(found) == 23


def test_missing_values_make_no_readings() -> None:
    pairs = [*quarters([0]), *quarters([1], None), *quarters([2])]
    data = one_meter(pairs)
    del data["ELECTRIC"][0]["series"][0]["data"][2]["y"]
    assert energies(only(read(data))) == [(0.25, None)]
    assert spans(only(read(data))) == [(START, START + QUARTER)]


def test_a_range_of_nothing_but_nulls_is_empty() -> None:
    assert read(one_meter(quarters(range(96), None))).is_empty


def test_a_zero_is_a_reading() -> None:
    found = read(one_meter(quarters(range(4), 0.0)))
    assert not found.is_empty
    assert energies(only(found)) == [(0.0, None)] * 4


def test_a_day_of_one_point_has_the_step_of_the_day_beside_it() -> None:
    pairs = [*quarters(range(96)), (T0 + DAY, 0.5)]
    found = only(read(one_meter(pairs, charted=False), days=2))
    assert spans(found)[-1] == (START + DAY, START + DAY + QUARTER)


def test_a_single_point_has_the_step_that_is_charted_else_the_known_one_else_it_waits() -> None:
    uncharted = one_meter(quarters([0]), charted=False)
    assert spans(only(read(one_meter(quarters([0]))))) == [(START, START + QUARTER)]
    assert spans(only(read(uncharted, known={"M1": HOUR}))) == [(START, START + HOUR)]
    waiting = read(uncharted)
    assert only(waiting).readings == ()
    assert len(waiting.warnings) == 1


def test_an_hourly_point_of_a_meter_known_as_daily_is_not_a_day_long() -> None:
    found = only(read(one_meter([(T0 + 13 * HOUR, 1.0)], charted=False), known={"M1": DAILY}))
    assert all(reading.end - reading.start <= HOUR for reading in found.readings)


def test_a_coarser_meter_beside_a_finer_one_keeps_its_hours() -> None:
    fine, coarse = quarters(range(96)), [(T0 + number * HOUR, 1.0) for number in range(24) if number != 5]
    times = [time for time, _ in fine]
    entry = usage([meter("F"), meter("C")], [series("F", fine), series("C", coarse)], xToOrderedInterval=chart(times))
    found = {each.info.number: each for each in read(electric(entry)).meters}
    assert {end - start for start, end in spans(found["F"])} == {QUARTER}
    assert {end - start for start, end in spans(found["C"])} == {HOUR}
    assert (found["F"].info.step, found["C"].info.step) == (QUARTER, HOUR)


def test_a_series_that_begins_within_the_hour_keeps_its_times() -> None:
    found = only(read(one_meter(quarters(range(1, 96)))))
    assert spans(found)[0] == (START + QUARTER, START + 2 * QUARTER)


# -- what does not belong


@pytest.mark.parametrize("charted", [True, False])
def test_the_zero_off_the_grid_on_the_day_of_connection_is_dropped(*, charted: bool) -> None:
    hours: list[Pair] = [(T0 + number * HOUR, 1.0) for number in range(13, 24)]
    stray: Pair = (T0 + 13 * HOUR + 7 * MINUTE, 0.0)
    found = read(one_meter(sorted([*hours, stray], key=lambda pair: pair[0]), charted=charted))
    assert spans(only(found)) == [(START + n * HOUR, START + (n + 1) * HOUR) for n in range(13, 24)]


def test_points_outside_the_range_are_dropped_with_a_warning() -> None:
    far = [(T0 - DAY, 9.0), (T0 + DAY, 9.0), (wall("9999-12-01"), 9.0)]
    found = read(one_meter([*quarters(range(96)), *far]))
    assert len(only(found).readings) == 96
    assert len(found.warnings) == 1


def test_an_answer_for_the_year_9999_alone_is_empty_and_no_mistake() -> None:
    assert read(one_meter([(wall("9999-12-01"), 9.0)])).is_empty


def test_a_repeated_time_is_the_later_one_with_one_warning() -> None:
    pairs: list[Pair] = [*quarters(range(8)), (T0, 0.5), (T0 + QUARTER, 0.25), (T0 + 2 * QUARTER, 0.75)]
    found = read(one_meter(pairs))
    assert [reading.usage for reading in only(found).readings] == [0.5, 0.25, 0.75, *[0.25] * 5]
    assert len(found.warnings) == 1


# -- energy


def net_data(drawn: Sequence[float], sent: Sequence[float], net: Sequence[float]) -> Json:
    def pairs(values: Sequence[float]) -> list[Pair]:
        return [(T0 + number * QUARTER, value) for number, value in enumerate(values)]

    given = [
        (found, item)
        for found, item, values in zip(
            NET_METER, net_series(pairs(drawn), pairs(sent), pairs(net)), (drawn, sent, net), strict=True
        )
        if values
    ]
    entry = usage([found for found, _ in given], [item for _, item in given])
    return electric(entry)


@pytest.mark.parametrize(
    ("drawn", "sent", "net", "expected"),
    [
        ([0.3, 0.1], [], [], [(0.3, None), (0.1, None)]),
        ([0.3, -0.4], [], [], [(0.3, 0.0), (0.0, 0.4)]),
        ([0.3, 0.1], [0.0, 0.5], [], [(0.3, 0.0), (0.1, 0.5)]),
        ([0.3, 0.1], [0.0, -0.5], [], [(0.3, 0.0), (0.1, 0.5)]),
        ([0.3, 0.1], [0.0, -0.5], [0.3, -0.4], [(0.3, 0.0), (0.1, 0.5)]),
        ([0.3, 0.1], [], [0.3, -0.4], [(0.3, 0.0), (0.1, 0.5)]),
        ([], [0.0, -0.5], [0.3, -0.4], [(0.3, 0.0), (0.1, 0.5)]),
        ([], [], [0.3, -0.4], [(0.3, 0.0), (0.0, 0.4)]),
    ],
)
def test_each_set_of_channels_gives_import_and_export(
    drawn: list[float], sent: list[float], net: list[float], expected: list[tuple[float, float | None]]
) -> None:
    assert energies(only(read(net_data(drawn, sent, net)))) == expected


def test_a_meter_tells_its_channels_and_what_it_is() -> None:
    info = only(read(net_data([0.3, 0.1], [0.0, -0.5], [0.3, -0.4]))).info
    assert info == MeterInfo("M7", ("FORWARD", "NET", "REVERSE"), net=True, exports=True, signed=False, step=QUARTER)
    parent = only(read(electric(usage([meter(flow=None, isParentMeter=True)], [series(pairs=quarters([0, 1]))])))).info
    assert parent == MeterInfo("M1", (), parent=True, step=QUARTER)


def test_the_meters_of_a_location_are_never_added() -> None:
    meters = [meter("P", isParentMeter=True), meter("C", parentMeters=["P"]), meter("S")]
    serieses = [series("P", quarters([0, 1], 3.0)), series("C", quarters([0, 1], 1.0)), series("S", quarters([0], 7.0))]
    found = read(electric(usage(meters, serieses, xToOrderedInterval=chart([T0, T0 + QUARTER]))))
    assert {each.info.number: energies(each) for each in found.meters} == {
        "P": [(3.0, None)] * 2,
        "C": [(1.0, None)] * 2,
        "S": [(7.0, None)],
    }
    assert {each.info.number: each.info.parent for each in found.meters} == {"P": True, "C": False, "S": False}


def test_several_usage_entries_are_one_location() -> None:
    first = usage([meter("A")], [series("A", quarters([0, 1]))])
    second = usage([meter("B")], [series("B", quarters([2, 3]))])
    found = read(electric(first, second))
    assert {each.info.number: spans(each)[0][0] for each in found.meters} == {"A": START, "B": START + 2 * QUARTER}


def test_an_exchanged_meter_and_its_successor_have_their_own_days() -> None:
    entry = usage([meter("A"), meter("B")], [series("A", quarters(range(40))), series("B", quarters(range(40, 96)))])
    assert {each.info.number: len(each.readings) for each in read(electric(entry)).meters} == {"A": 40, "B": 56}


def test_an_unknown_direction_is_import_and_is_warned_about_once() -> None:
    found = read(one_meter(quarters([0, 1]), flow="SIDEWAYS"))
    assert energies(only(found)) == [(0.25, None)] * 2
    assert len(found.warnings) == 1
    assert "SIDEWAYS" in found.warnings[0]


@pytest.mark.parametrize(
    ("value", "stored"),
    [(57.029999999999994, 57.03), (0.1234564, 0.123456), (0.1234567, 0.123457), (1e-9, 0.0), (-0.0, 0.0)],
)
def test_energy_is_rounded_to_six_decimals_without_a_negative_zero(value: float, stored: float) -> None:
    found = only(read(one_meter(quarters([0, 1], value)))).readings[0].usage
    assert str(found) == str(stored)


# -- cost


def with_cost(serieses: Sequence[Json], usages: Sequence[Json] | None = None, **more: Json) -> RangeReadings:
    own = usages or [series(pairs=quarters([0, 1]))]
    numbers = dict.fromkeys(item["meterNumber"] for item in own)
    return read(electric(usage([meter(number) for number in numbers], own), cost(serieses, **more)))


def costs(found: RangeReadings) -> dict[str, list[float | None]]:
    return {each.info.number: [reading.cost for reading in each.readings] for each in found.meters}


def test_cost_is_that_of_the_same_interval() -> None:
    found = with_cost([series(pairs=[(T0 + QUARTER, 0.03), (T0, 0.04)])])
    assert only(found).readings == (
        Reading(START, START + QUARTER, 0.25, None, 0.04),
        Reading(START + QUARTER, START + 2 * QUARTER, 0.25, None, 0.03),
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.04, None], [0.04, None]), ([0.0, -0.02], [0.0, -0.02]), ([None, None], [None, None])],
)
def test_cost_may_be_missing_or_negative_or_nothing(values: list[float | None], expected: list[float | None]) -> None:
    pairs: list[Pair] = [(T0 + number * QUARTER, value) for number, value in enumerate(values)]
    assert costs(with_cost([series(pairs=pairs)])) == {"M1": expected}


def test_cost_at_a_time_without_usage_is_an_interval_with_cost_alone() -> None:
    found = only(with_cost([series(pairs=[(T0 + 2 * QUARTER, 0.05)])]))
    assert found.readings[-1] == Reading(START + 2 * QUARTER, START + 3 * QUARTER, cost=0.05)
    assert [reading.cost for reading in found.readings] == [None, None, 0.05]


def test_fewer_cost_series_than_usage_series_leave_the_others_without_cost() -> None:
    usages = [series("A", quarters([0, 1])), series("B", quarters([0, 1]))]
    assert costs(with_cost([series("B", [(T0, 0.04)])], usages)) == {"A": [None, None], "B": [0.04, None]}


def test_cost_that_belongs_to_no_meter_is_dropped_with_a_warning() -> None:
    found = with_cost([series("M99", [(T0, 0.04)])])
    assert costs(found) == {"M1": [None, None]}
    assert len(found.warnings) == 1


def net_cost(*serieses: Json) -> float | None:
    pairs = quarters([0, 1])
    data = electric(usage(NET_METER, net_series(pairs, pairs, pairs)), cost(serieses))
    return only(read(data)).readings[0].cost


@pytest.mark.parametrize(
    ("labels", "total"),
    [
        ({"Consumption": 0.05}, 0.05),
        ({"Consumption": 0.05, "Generation": -0.02}, 0.03),
        ({"Generation": -0.02}, -0.02),
        ({"Consumption": 0.05, "Generation": -0.02, "Net": 0.03}, 0.03),
        ({"Net": 0.03, "Consumption": 0.05}, 0.05),
        ({"Net": 0.03}, 0.03),
    ],
)
def test_cost_is_the_sum_as_signed_and_that_of_net_counts_only_alone(labels: dict[str, float], total: float) -> None:
    assert net_cost(*(series(f"M7 - {label}", [(T0, value)]) for label, value in labels.items())) == total


def test_cost_is_summed_by_meter_and_channel_too() -> None:
    serieses = [series(f"$ {n}", [(T0, value)], meterNumber="M7", channel=n) for n, value in ((1, 0.05), (2, -0.02))]
    assert net_cost(*serieses) == 0.03


def test_cost_in_the_repeated_hour_goes_to_the_same_instants_as_the_energy() -> None:
    day = date(2026, 11, 1)
    every = instants_of(day, ZONE, HOUR)
    pairs: list[Pair] = [(wall_of(moment, ZONE), number / 10) for number, moment in enumerate(every)]
    found = only(read(electric(usage([meter()], [series(pairs=pairs)]), cost([series(pairs=pairs)])), day))
    assert {reading.start: reading.cost for reading in found.readings} == dict(
        zip(every, (value for _, value in pairs), strict=True)
    )


def test_cost_is_rounded_to_six_decimals() -> None:
    assert costs(with_cost([series(pairs=[(T0, 0.1234567)])])) == {"M1": [0.123457, None]}


def test_daily_readings_have_their_cost() -> None:
    data = electric(usage([meter()], [series(pairs=[(T0, 24.5)])]), cost([series(pairs=[(T0, 3.21)])]))
    found = read_days(decode(data), WallClock(ZoneInfo(ZONE)), START, START + DAY)
    assert only(found).readings == (Reading(START, START + DAY, 24.5, None, 3.21),)


# -- periods of a rate


def test_energy_is_classified_by_period() -> None:
    own = [meter("M1", f"M1 - {name}", rateName=name) for name in ("On Peak", "Off Peak")]
    serieses = [
        series("M1 - On Peak", [(T0, 0.25), (T0 + QUARTER, None)], rateName="On Peak"),
        series("M1 - Off Peak", [(T0 + QUARTER, 0.25)], rateName="Off Peak"),
    ]
    data = electric(usage([meter()], [series(pairs=quarters([0, 1]))]), time_of_use(own, serieses))
    found = only(read(data))
    assert [dict(reading.periods) for reading in found.readings] == [{"On Peak": 0.25}, {"Off Peak": 0.25}]
    assert energies(found) == [(0.25, None)] * 2


def test_energy_sent_is_never_negative_energy_of_a_period() -> None:
    pairs: list[Pair] = [(T0, 0.25), (T0 + QUARTER, -0.4)]
    entry = time_of_use([meter("M1", "M1 - Peak", rateName="Peak")], [series("M1 - Peak", pairs)])
    found = only(read(electric(usage([meter()], [series(pairs=pairs)]), entry)))
    assert [reading.periods for reading in found.readings] == [(("Peak", 0.25),), ()]


def test_periods_make_no_meters_of_their_own() -> None:
    own = [meter("M9", "M9 - On Peak", rateName="On Peak")]
    data = electric(
        usage([meter()], [series(pairs=quarters([0, 1]))]),
        time_of_use(own, [series("M9 - On Peak", quarters([0, 1]), rateName="On Peak")]),
    )
    assert [each.info.number for each in read(data).meters] == ["M1"]


# -- a zone that does not fit


def full_days(zone: str, day: date, days: int, step: int, *, as_if: str) -> Json:
    """What a portal in `zone` answers for local days of `as_if`."""
    start, end = bounds_of(day, as_if)[0], bounds_of(day + timedelta(days=days), as_if)[0]
    return one_meter([(wall_of(moment, zone), 0.5) for moment in range(start, end, step)])


@pytest.mark.parametrize("step", [QUARTER, HOUR])
@pytest.mark.parametrize(
    ("portal", "configured"),
    [
        ("America/Chicago", "America/New_York"),
        ("America/New_York", "America/Chicago"),
        ("America/Denver", "America/New_York"),
        ("America/New_York", "America/Denver"),
        ("America/Los_Angeles", "America/New_York"),
        ("America/Chicago", "Etc/GMT"),
        ("Pacific/Honolulu", "America/Los_Angeles"),
    ],
)
def test_data_of_another_zone_contradict_the_configured_one(portal: str, configured: str, step: int) -> None:
    data = full_days(portal, MONDAY, 3, step, as_if=configured)
    assert read(data, days=3, zone=configured).zone_contradicted is True


@pytest.mark.parametrize("zone", US_ZONES)
@pytest.mark.parametrize("step", [QUARTER, HOUR])
def test_data_of_the_configured_zone_confirm_it(zone: str, step: int) -> None:
    for day in (*changes(zone, 2026), MONDAY):
        assert read(full_days(zone, day, 2, step, as_if=zone), day, days=2, zone=zone).zone_contradicted is False


@pytest.mark.parametrize("pairs", [[], [(wall("9999-12-01"), 1.0)], [(T0 + 5 * HOUR, 1.0)], quarters(range(20, 40))])
def test_data_that_begin_later_tell_nothing_of_the_zone(pairs: list[Pair]) -> None:
    assert read(one_meter(pairs)).zone_contradicted is None


def test_a_single_point_far_outside_does_not_speak_against_the_zone() -> None:
    for far in (T0 - 30 * DAY, T0 - 7 * HOUR, T0 + DAY + 7 * HOUR, T0 + 30 * DAY):
        assert read(one_meter([*quarters(range(96)), (far, 1.0)])).zone_contradicted is not True


# -- whatever is written

HOURS = st.integers(-2, 26).map(lambda number: T0 + number * HOUR)
VALUES = st.none() | st.floats(-100, 100)


@examples
@given(st.lists(st.tuples(HOURS | st.integers(-(10**12), 10**12), VALUES), max_size=12), st.booleans())
def test_any_points_give_sound_readings(pairs: list[Pair], charted: bool) -> None:  # noqa: FBT001 - drawn by position
    found = only(read(one_meter(pairs, charted=charted)))
    starts = [reading.start for reading in found.readings]
    assert starts == sorted(set(starts))
    for reading in found.readings:
        assert START <= reading.start < reading.end
        assert reading.start < START + DAY
        assert reading.end - reading.start <= HOUR
        assert reading.usage is None or reading.usage >= 0
        assert reading.export is None or reading.export >= 0
