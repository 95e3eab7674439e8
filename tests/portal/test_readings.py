"""Tests of readings from an answer: times, energy, cost and periods of each meter."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.intervals.interval import Reading
from exporter.intervals.model import DAILY, MeterInfo
from exporter.portal.readings import MeterReadings, RangeReadings, read_days, read_intervals
from exporter.portal.usage import decode
from exporter.portal.walltime import WallClock

from ..support.portal_answers import (
    CHANGING_ZONES,
    DAY,
    HOUR,
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


def priced(pairs: Sequence[Pair], costs: Sequence[Pair]) -> Json:
    """Return the data of one meter with its cost."""
    return electric(usage([meter()], [series(pairs=pairs)]), cost([series(pairs=costs)]))


def only(found: RangeReadings) -> MeterReadings:
    (meter_readings,) = found.meters
    return meter_readings


def spans(found: MeterReadings) -> list[tuple[int, int]]:
    return [(reading.start, reading.end) for reading in found.readings]


def energies(found: MeterReadings) -> list[tuple[float | None, float | None]]:
    return [(reading.usage, reading.export) for reading in found.readings]


# -- the instants of a reading


@settings(examples, max_examples=12)
@given(st.sampled_from(CHANGING_ZONES), st.integers(2020, 2035), st.sampled_from(STEPS), st.integers(-3, 0))
def test_days_around_a_clock_change_have_no_gap_or_overlap(zone: str, year: int, step: int, before: int) -> None:
    for change in (spring(zone, year), autumn(zone, year)):
        first = change + timedelta(days=before)
        every = [moment for number in range(4) for moment in instants_of(first + timedelta(days=number), zone, step)]
        pairs: list[Pair] = [(wall_of(moment, zone), number / 100) for number, moment in enumerate(every)]
        costs: list[Pair] = [(time, value and value / 4) for time, value in pairs]
        found = read(priced(pairs, costs), first, days=4, zone=zone)
        assert spans(only(found)) == [(moment, moment + step) for moment in every]
        assert [reading.usage for reading in only(found).readings] == [value for _, value in pairs]
        assert [reading.cost for reading in only(found).readings] == [value for _, value in costs]


@pytest.mark.parametrize("zone", [*US_ZONES, "Australia/Lord_Howe"])
def test_daily_reading_lasts_until_the_next_local_midnight(zone: str) -> None:
    clock = WallClock(ZoneInfo(zone))
    for change in [*changes(zone, 2026), date(2026, 6, 1)]:
        days = [change + timedelta(days=number) for number in (-1, 0, 1)]
        data = one_meter([(wall(day.isoformat()), 24.5) for day in days], charted=False)
        bounds = bounds_of(days[0], zone)[0], bounds_of(days[-1], zone)[1]
        found = only(read_days(decode(data), clock, *bounds))
        assert spans(found) == [bounds_of(day, zone) for day in days]
        assert found.info.step == DAILY


# -- how long an interval lasts


def quarters(numbers: Sequence[int], value: float | None = 0.25) -> list[Pair]:
    return [(T0 + number * QUARTER, value) for number in numbers]


def test_only_values_are_readings() -> None:
    data = one_meter([*quarters([0], 0.0), *quarters([1], None), *quarters([2])])
    del data["ELECTRIC"][0]["series"][0]["data"][2]["y"]
    assert only(read(data)).readings.readings() == [Reading(START, START + QUARTER, 0.0)]
    assert not read(data).is_empty
    assert read(one_meter(quarters(range(96), None))).is_empty


def test_day_of_one_point_has_the_step_of_the_next_day() -> None:
    pairs = [*quarters(range(96)), (T0 + DAY, 0.5)]
    found = only(read(one_meter(pairs, charted=False), days=2))
    assert spans(found)[-1] == (START + DAY, START + DAY + QUARTER)


def test_single_point_has_the_charted_or_known_step() -> None:
    uncharted = one_meter(quarters([0]), charted=False)
    assert spans(only(read(one_meter(quarters([0]))))) == [(START, START + QUARTER)]
    assert spans(only(read(uncharted, known={"M1": HOUR}))) == [(START, START + HOUR)]
    waiting = read(uncharted)
    assert (len(only(waiting).readings), only(waiting).waits, waiting.is_empty) == (0, True, False)
    assert len(waiting.warnings) == 1


def test_hourly_point_of_a_daily_meter_is_not_a_day_long() -> None:
    found = only(read(one_meter([(T0 + 13 * HOUR, 1.0)], charted=False), known={"M1": DAILY}))
    assert all(reading.end - reading.start <= HOUR for reading in found.readings)


def test_coarser_meter_beside_a_finer_one_keeps_its_step() -> None:
    fine, coarse = quarters(range(96)), [(T0 + number * HOUR, 1.0) for number in range(24) if number != 5]
    times = [time for time, _ in fine]
    entry = usage([meter("F"), meter("C")], [series("F", fine), series("C", coarse)], xToOrderedInterval=chart(times))
    found = {each.info.number: each for each in read(electric(entry)).meters}
    assert {end - start for start, end in spans(found["F"])} == {QUARTER}
    assert {end - start for start, end in spans(found["C"])} == {HOUR}
    assert (found["F"].info.step, found["C"].info.step) == (QUARTER, HOUR)


# -- strays and repeated times


@pytest.mark.parametrize("charted", [True, False])
@pytest.mark.parametrize("stray", [0.0, 0.5])
def test_only_a_zero_off_the_grid_is_dropped(stray: float, *, charted: bool) -> None:
    """The day a meter is connected can begin with one (docs/portal.md, "Oddities of usage answers")."""
    hours: list[Pair] = [(T0 + number * HOUR, 1.0) for number in range(13, 24)]
    found = read(one_meter([*hours, (T0 + 13 * HOUR + 7 * MINUTE, stray)], charted=charted))
    assert len(only(found).readings) == (12 if stray else 11)
    assert len(found.warnings) == (1 if stray else 0)


def test_later_of_two_values_is_used_with_one_warning() -> None:
    pairs: list[Pair] = [*quarters(range(8)), (T0, 0.5), (T0 + QUARTER, 0.25), (T0 + 2 * QUARTER, 0.75)]
    found = read(one_meter(pairs))
    assert [reading.usage for reading in only(found).readings] == [0.5, 0.25, 0.75, *[0.25] * 5]
    assert len(found.warnings) == 1


# -- energy


def test_meter_info_describes_the_channels() -> None:
    drawn, sent, net = quarters([0, 1], 0.3), quarters([0, 1], -0.5), quarters([0, 1], -0.2)
    found = only(read(electric(usage(NET_METER, net_series(drawn, sent, net)))))
    assert energies(found) == [(0.3, 0.5)] * 2
    assert found.info == MeterInfo(
        "M7", ("FORWARD", "NET", "REVERSE"), net=True, exports=True, signed=False, step=QUARTER
    )
    parent = electric(usage([meter(flow=None, isParentMeter=True)], [series(pairs=quarters([0, 1]))]))
    assert only(read(parent)).info == MeterInfo("M1", (), parent=True, step=QUARTER)


def test_meters_of_a_location_are_never_added() -> None:
    meters = [meter("P", isParentMeter=True), meter("C", parentMeters=["P"]), meter("S")]
    serieses = [series("P", quarters([0, 1], 3.0)), series("C", quarters([0, 1], 1.0)), series("S", quarters([0], 7.0))]
    found = read(electric(usage(meters, serieses, xToOrderedInterval=chart([T0, T0 + QUARTER]))))
    assert {each.info.number: energies(each) for each in found.meters} == {
        "P": [(3.0, None)] * 2,
        "C": [(1.0, None)] * 2,
        "S": [(7.0, None)],
    }
    assert {each.info.number: each.info.parent for each in found.meters} == {"P": True, "C": False, "S": False}


def test_parents_of_a_meter_are_those_of_its_channels() -> None:
    channels = [meter("C", "C - A", parentMeters=["P", 7]), meter("C", "C - B", channel=2, parentMeters=["P", "Q"])]
    found = only(read(electric(usage(channels, [series(f"C - {each}", quarters([0, 1])) for each in "AB"]))))
    assert found.info.parents == ("P", "7", "Q")


def test_only_a_clear_negative_shows_that_a_meter_exports() -> None:
    slight = only(read(one_meter([*quarters([0, 1]), (T0 + 2 * QUARTER, -0.02)])))
    assert (energies(slight)[2], slight.info.exports) == ((0.0, 0.02), False)
    clear = only(read(one_meter([*quarters([0, 1]), (T0 + 2 * QUARTER, -0.03)])))
    assert (energies(clear), clear.info.exports) == ([(0.25, 0.0)] * 2 + [(0.0, 0.03)], True)


# -- points of which none can be used


@pytest.mark.parametrize(
    ("data", "dropped"),
    [
        (one_meter(quarters([0, 1])), False),
        (one_meter(quarters([0, 1], None)), False),
        (one_meter([]), False),
        (one_meter(quarters([0]), charted=False), True),
        (electric(usage([meter(unitOfMeasure="KW")], [series(pairs=quarters([0, 1]))])), True),
        (electric(usage([meter(unitOfMeasure="KW")], [series()])), False),
    ],
)
def test_points_without_readings_are_dropped(data: Json, *, dropped: bool) -> None:
    assert read(data).dropped is dropped


# -- cost


@pytest.mark.parametrize("values", [[0.04, None], [0.0, -0.02]])
def test_cost_belongs_to_the_same_interval(values: list[float | None]) -> None:
    pairs = [(T0 + number * QUARTER, value) for number, value in enumerate(values)]
    assert only(read(priced(quarters([0, 1]), pairs[::-1]))).readings.readings() == [
        Reading(START, START + QUARTER, 0.25, None, values[0]),
        Reading(START + QUARTER, START + 2 * QUARTER, 0.25, None, values[1]),
    ]


def test_cost_without_usage_is_an_interval_of_its_own() -> None:
    found = only(read(priced(quarters([0, 1]), [(T0 + 2 * QUARTER, 0.05)]))).readings.readings()
    assert found[2:] == [Reading(START + 2 * QUARTER, START + 3 * QUARTER, cost=0.05)]
    assert [reading.cost for reading in found] == [None, None, 0.05]


def test_energy_and_cost_are_rounded_to_six_decimals() -> None:
    found = only(read(priced(quarters([0, 1], 0.1234567), quarters([0, 1], 0.0123456)))).readings[0]
    assert (found.usage, found.cost) == (0.123457, 0.012346)


def net_cost(*serieses: Json) -> float | None:
    pairs = quarters([0, 1])
    data = electric(usage(NET_METER, net_series(pairs, pairs, pairs)), cost(serieses))
    return only(read(data)).readings[0].cost


@pytest.mark.parametrize(
    ("labels", "total"),
    [
        ({"Generation": -0.02}, -0.02),
        ({"Consumption": 0.05, "Generation": -0.02, "Net": 0.03}, 0.03),
        ({"Net": 0.03}, 0.03),
    ],
)
def test_cost_is_a_signed_sum_without_net(labels: dict[str, float], total: float) -> None:
    assert net_cost(*(series(f"M7 - {label}", [(T0, value)]) for label, value in labels.items())) == total


def test_daily_readings_have_their_cost() -> None:
    found = read_days(decode(priced([(T0, 24.5)], [(T0, 3.21)])), WallClock(ZoneInfo(ZONE)), START, START + DAY)
    assert only(found).readings.readings() == [Reading(START, START + DAY, 24.5, None, 3.21)]


# -- periods of a rate


def with_periods(*periods: tuple[str, Sequence[Pair]], number: str = "M1") -> RangeReadings:
    own = [meter(number, f"{number} - {name}", rateName=name) for name, _ in periods]
    serieses = [series(f"{number} - {name}", pairs, rateName=name) for name, pairs in periods]
    return read(electric(usage([meter()], [series(pairs=quarters([0, 1]))]), time_of_use(own, serieses)))


def test_energy_is_classified_by_period() -> None:
    peak: list[Pair] = [(T0, 0.25), (T0 + QUARTER, None)]
    found = only(with_periods(("On Peak", peak), ("Off Peak", [(T0 + QUARTER, -0.4)]), ("Rest", quarters([1]))))
    assert [reading.periods for reading in found.readings] == [(("On Peak", 0.25, 0),), (("Rest", 0.25, 0),)]
    assert energies(found) == [(0.25, None)] * 2


def test_periods_create_no_meters() -> None:
    found = with_periods(("On Peak", quarters([0, 1])), number="M9")
    assert [each.info.number for each in found.meters] == ["M1"]


# -- properties

HOURS = st.integers(-2, 26).map(lambda number: T0 + number * HOUR)
VALUES = st.none() | st.floats(-100, 100)


@examples
@given(st.lists(st.tuples(HOURS | st.integers(-(10**12), 10**12), VALUES), max_size=12), st.booleans())
def test_any_points_make_valid_readings(pairs: list[Pair], charted: bool) -> None:  # noqa: FBT001 - drawn by position
    found = only(read(one_meter(pairs, charted=charted)))
    starts = [reading.start for reading in found.readings]
    assert starts == sorted(set(starts))
    for reading in found.readings:
        assert START <= reading.start < reading.end
        assert reading.start < START + DAY
        assert reading.end - reading.start <= HOUR
        assert reading.usage is None or reading.usage >= 0
        assert reading.export is None or reading.export >= 0
