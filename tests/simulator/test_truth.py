"""What the simulator says is true equals what its answers say, worked out here from the JSON by the contract alone."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from exporter.simulator.settings import Dst, Revision, Settings, Span, Stray
from exporter.simulator.truth import Truth
from exporter.simulator.world import HOME, Channels, MeterSpec, Resolution

from .test_answers import AUTUMN, DAY, HOUR, MIDNIGHT, NEXT, SPRING, Member, at, meter, place, wall

Json = Any
Values = dict[int, float]
Decoded = dict[int, tuple[float | None, float | None, float | None]]
"""Usage, export and cost by instant."""

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock has no zone
PLAIN = Settings(pending=0)


# -- reading an answer by hand


def instants_of(x: int, zone: ZoneInfo) -> list[int]:
    """The instants at which the clock shows x (ms, wall clock as if UTC): none, one or two."""
    naive = EPOCH + timedelta(milliseconds=x)
    found = {int(naive.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1)}
    back = {
        instant: datetime.fromtimestamp(instant, UTC).astimezone(zone).replace(tzinfo=None, fold=0) for instant in found
    }
    return sorted(instant for instant, clock in back.items() if clock == naive)


def placed(data: list[Json], zone: ZoneInfo) -> Values:
    """The values of a series at real instants: the n-th point with the same x is its n-th instant."""
    turns: defaultdict[int, int] = defaultdict(int)
    values: Values = {}
    for point in sorted(data, key=lambda point: int(point["x"])):
        turn = turns[point["x"]]
        turns[point["x"]] += 1
        instants = instants_of(point["x"], zone)
        if not instants:
            assert not point.get("y"), "only zeros stand in the hour that there is not"
            continue
        if point.get("y") is not None:
            values[instants[turn]] = point["y"]
    return values


def added(series: list[Values]) -> Values:
    """Channels of one direction: added unless identical."""
    different = [values for n, values in enumerate(series) if values not in series[:n]]
    return {
        instant: sum(values.get(instant, 0.0) for values in different) for values in different for instant in values
    }


def drawn_and_sent(channels: dict[str, list[Values]]) -> tuple[Values, Values]:
    """Import and export by the directions of contract 3."""
    total = channels.get("TOTAL")
    drawn = added([values for name, each in channels.items() for values in each if name not in _OTHERS]) or (
        added(total) if total else {}
    )
    sent = {at: abs(kwh) for at, kwh in added(channels.get("RETURN", []) + channels.get("REVERSE", [])).items()}
    net = added(channels.get("NET", []))
    if net and not drawn and not sent:
        return {at: max(0.0, kwh) for at, kwh in net.items()}, {at: max(0.0, -kwh) for at, kwh in net.items()}
    if net and not sent:
        sent = {at: _over(drawn[at] - kwh) for at, kwh in net.items()}
    if net and not drawn:
        drawn = {at: _over(kwh + sent[at]) for at, kwh in net.items()}
    if not sent and any(kwh < 0 for kwh in drawn.values()):
        return {at: max(0.0, kwh) for at, kwh in drawn.items()}, {at: max(0.0, -kwh) for at, kwh in drawn.items()}
    return drawn, sent


_OTHERS = ("TOTAL", "RETURN", "REVERSE", "NET")


def _over(kwh: float) -> float:
    return round(kwh, 6) if round(kwh, 6) > 0.02 else 0.0


def decoded(member: Member, spec: MeterSpec, start: int, end: int) -> Decoded:
    """What an answer says of one meter, without intervals that still run and without placeholders at the end."""
    zone = ZoneInfo(member.portal.world.zone)
    is_daily = spec.resolution is Resolution.DAYS
    entries = member.entries(start, end, "DAILY" if is_daily else "HOURLY")
    direction_of = {each["seriesId"]: each.get("flowDirection", "") for each in entries["USAGE"]["meters"]}
    channels: defaultdict[str, list[Values]] = defaultdict(list)
    for series in entries["USAGE"]["series"]:
        if series["meterNumber"] == spec.number:
            channels[direction_of[series["name"]]].append(placed(series["data"], zone))
    costs = [
        placed(series["data"], zone)
        for series in entries.get("COST", {"series": []})["series"]
        if series["meterNumber"] == spec.number and (direction_of[series["name"]] != "NET" or len(direction_of) == 1)
    ]
    drawn, sent = drawn_and_sent(dict(channels))
    cost = {at: sum(values.get(at, 0.0) for values in costs) for values in costs for at in values}
    found = {
        at: (_six(drawn.get(at)), _six(sent.get(at)), _six(cost.get(at)))
        for at in sorted({*drawn, *sent, *cost})
        if is_daily or (at + spec.step <= member.clock.now() and at % spec.step == 0)
    }
    while found and not any(found[max(found)][:2]) and member.clock.now() - max(found) < 2 * DAY:
        del found[max(found)]
    return found


def _six(value: float | None) -> float | None:
    return None if value is None else round(value, 6) + 0.0


def shape(truths: list[Truth]) -> Decoded:
    return {each.start: (each.usage, each.export, each.cost) for each in truths}


def total(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 6) if known else None


def compare(member: Member, spec: MeterSpec, start: int, end: int) -> Decoded:
    """Answer and truth agree, interval by interval and in their sums."""
    found = decoded(member, spec, start, end)
    assert found == shape(member.portal.almanac.intervals(spec, start, end))
    whole = member.portal.truth(spec, start, end)
    sums = tuple(total([values[n] for values in found.values()]) for n in range(3))
    assert (whole.usage, whole.export, whole.cost) == sums
    assert (whole.start, whole.end) == (start, end)
    return found


# -- comparing


@pytest.mark.parametrize("channels", Channels)
def test_the_answer_for_each_set_of_channels_says_what_is_true(channels: Channels) -> None:
    spec = meter(channels)
    found = compare(Member(place(spec)), spec, MIDNIGHT, NEXT)
    assert len(found) == 96
    exporting = {
        *(Channels.FORWARD_RETURN, Channels.FORWARD_REVERSE, Channels.NET, Channels.THREE),
        *(Channels.FORWARD_NET, Channels.REVERSE_NET, Channels.SIGNED),
    }
    assert {export is not None for _, export, _ in found.values()} == {channels in exporting}


@pytest.mark.parametrize("location", [each for each in HOME if each.meters], ids=lambda location: location.nickname)
def test_the_homes_of_the_demo_tell_the_truth_for_a_month(location: Any) -> None:  # noqa: ANN401
    (spec,) = location.meters
    start = at(2026, 10, 20)
    found = compare(Member(location, now=at(2026, 12, 1)), spec, start, at(2026, 11, 19))
    assert len(found) == (30 * DAY + HOUR) // spec.step


@pytest.mark.parametrize("channels", [Channels.FORWARD, Channels.THREE, Channels.SIGNED])
@pytest.mark.parametrize("step", [300, 900, 3600])
@pytest.mark.parametrize("bounds", [SPRING, AUTUMN], ids=["spring", "autumn"])
@pytest.mark.parametrize("mode", Dst)
def test_whatever_a_portal_does_when_clocks_change_the_truth_knows_it(
    mode: Dst, bounds: tuple[int, int], step: int, channels: Channels
) -> None:
    spec = meter(channels, step=step)
    member = Member(place(spec), settings=replace(PLAIN, dst=mode), now=at(2026, 12, 1))
    start, end = bounds
    hours = 23 if bounds == SPRING else 24 if mode in (Dst.MERGED, Dst.LOST) else 25
    assert len(compare(member, spec, start, end)) == hours * HOUR // step


def test_merging_keeps_all_the_energy_and_losing_does_not() -> None:
    spec = meter()
    usage = {
        mode: Member(place(spec), settings=replace(PLAIN, dst=mode), now=at(2026, 12, 1)).portal.truth(spec, *AUTUMN)
        for mode in Dst
    }
    assert usage[Dst.MERGED].usage == usage[Dst.DUPLICATE].usage == usage[Dst.PHANTOM].usage
    assert (usage[Dst.LOST].usage or 0) < (usage[Dst.DUPLICATE].usage or 0)


@pytest.mark.parametrize("zone", ["America/Phoenix", "Pacific/Honolulu", "America/Denver", "Pacific/Palau"])
def test_the_truth_holds_in_other_zones(zone: str) -> None:
    spec = meter()
    start = int(datetime(2026, 10, 30, tzinfo=ZoneInfo(zone)).timestamp())
    member = Member(place(spec), zone=zone, now=at(2026, 12, 1))
    compare(member, spec, start, int(datetime(2026, 11, 3, tzinfo=ZoneInfo(zone)).timestamp()))


@pytest.mark.parametrize("bounds", [(MIDNIGHT, NEXT), SPRING, AUTUMN], ids=["24 hours", "23 hours", "25 hours"])
def test_a_daily_meter_tells_the_truth(bounds: tuple[int, int]) -> None:
    spec = meter(Channels.FORWARD_RETURN, resolution=Resolution.DAYS)
    start, end = bounds
    member = Member(place(spec), now=at(2026, 12, 1))
    found = compare(member, spec, start, end)
    assert list(found) == [start]
    (truth,) = member.portal.almanac.intervals(spec, start, end)
    assert (truth.start, truth.end) == bounds


def test_a_monthly_meter_has_no_truth_to_tell() -> None:
    spec = meter(resolution=Resolution.MONTHS)
    assert Member(place(spec)).portal.truth(spec, MIDNIGHT, NEXT) == Truth(MIDNIGHT, NEXT, None, None, None)


NOON = MIDNIGHT + 12 * HOUR


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(replace(PLAIN, lag=5000.0), id="lag"),
        pytest.param(replace(PLAIN, cost_lag=7000.0), id="late cost"),
        pytest.param(replace(PLAIN, lag=5000.0, partial_newest=True), id="a partial newest interval"),
        pytest.param(replace(PLAIN, partial_newest=True), id="a newest interval that still runs"),
        pytest.param(replace(PLAIN, lag=5000.0, placeholders=True), id="placeholders"),
        pytest.param(replace(PLAIN, gaps=(Span("81001", MIDNIGHT + HOUR, MIDNIGHT + 3 * HOUR),)), id="a gap"),
        pytest.param(replace(PLAIN, nulls=(Span("81001", MIDNIGHT + HOUR, MIDNIGHT + 3 * HOUR),)), id="nulls"),
        pytest.param(replace(PLAIN, gaps=(Span("80000", 0, 2**40),)), id="a gap of another meter"),
        pytest.param(replace(PLAIN, strays=(Stray("81001", wall(2026, 6, 10, 5, 7) // 1000, 0.0),)), id="a stray"),
        pytest.param(replace(PLAIN, shuffled=True), id="no order"),
        pytest.param(replace(PLAIN, revisions=(Revision("81001", MIDNIGHT + HOUR, 0.0, 3.0),)), id="a revision"),
        pytest.param(
            replace(PLAIN, revisions=(Revision("81001", MIDNIGHT + HOUR, NOON + 1, 3.0),)), id="a revision to come"
        ),
    ],
)
@pytest.mark.parametrize("channels", [Channels.FORWARD, Channels.THREE, Channels.NET])
def test_what_is_late_missing_or_not_final_is_so_in_the_truth(channels: Channels, settings: Settings) -> None:
    spec = meter(channels)
    compare(Member(place(spec), settings=settings, now=NOON + 100), spec, MIDNIGHT, NEXT)


@pytest.mark.parametrize("mode", Dst)
def test_late_costs_are_late_in_the_repeated_hour_too(mode: Dst) -> None:
    spec = meter()
    settings = replace(PLAIN, dst=mode, cost_lag=DAY)
    compare(Member(place(spec), settings=settings, now=AUTUMN[0] + 12 * HOUR), spec, *AUTUMN)


def test_a_revision_takes_effect_when_it_is_due_and_not_before() -> None:
    spec = meter()
    at_one = MIDNIGHT + HOUR
    settings = replace(PLAIN, revisions=(Revision("81001", at_one, NOON, 3.0),))
    member = Member(place(spec), settings=settings, now=NOON - 1)
    before = compare(member, spec, MIDNIGHT, NEXT)
    member.clock.move_to(NOON)
    after = compare(member, spec, MIDNIGHT, NEXT)
    assert {start for start in before if before[start] != after[start]} == {at_one}
    assert (after[at_one][0] or 0) == pytest.approx(3 * (before[at_one][0] or 0), abs=0.02)


def test_two_meters_of_a_location_do_not_mix() -> None:
    one, other = meter(Channels.THREE), meter(Channels.FORWARD, number="81002", step=3600, cost=False)
    member = Member(place(one, other))
    for spec in (one, other):
        compare(member, spec, MIDNIGHT, NEXT)


def test_the_truth_is_the_same_whatever_was_asked_before() -> None:
    spec = meter()
    whole, again = (Member(place(spec)) for _ in range(2))
    by_hour = [again.portal.truth(spec, start, start + HOUR).usage for start in range(MIDNIGHT, NEXT, HOUR)]
    assert whole.portal.truth(spec, MIDNIGHT, NEXT).usage == total(by_hour)
