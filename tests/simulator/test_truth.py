"""What the simulator says is true equals what its answers say, worked out here from the JSON by the contract alone."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from exporter.simulator.demo_homes import DEMO_HOMES
from exporter.simulator.settings import Dst, Revision, Settings, Span, Stray
from exporter.simulator.specs import Channels, Resolution
from exporter.simulator.truth import Truth

from ..support.decoding import compare, total
from ..support.member import AUTUMN, DAY, HOUR, MIDNIGHT, NEXT, SPRING, Member, at, meter, place, wall

PLAIN = Settings(pending=0)


# -- reading an answer by hand


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


@pytest.mark.parametrize(
    "location", [each for each in DEMO_HOMES if each.meters], ids=lambda location: location.nickname
)
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
