"""The simulator's truth equals its answers, which are decoded here without the exporter's code."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from exporter.simulator.demo_homes import DEMO_HOMES
from exporter.simulator.settings import Dst, Revision, Span, Stray
from exporter.simulator.specs import Channels, LocationSpec, Resolution
from exporter.simulator.truth import Truth

from ..support.decoding import compare
from ..support.member import AUTUMN, DAY, HOUR, MIDNIGHT, NEXT, SPRING, Json, Member, at, june, meter

NOON = MIDNIGHT + 12 * HOUR
MISSING = (Span("81001", MIDNIGHT + HOUR, MIDNIGHT + 3 * HOUR),)


@pytest.mark.parametrize("channels", Channels)
def test_answers_are_true_for_each_set_of_channels(channels: Channels) -> None:
    spec = meter(channels)
    found = compare(Member(spec), spec, MIDNIGHT, NEXT)
    assert len(found) == 96
    words = ("return", "reverse", "net", "received", "generation")
    exporting = channels is Channels.SIGNED or any(word in channels for word in words)
    assert {export is not None for _, export, _ in found.values()} == {exporting}


@pytest.mark.parametrize("location", [each for each in DEMO_HOMES if each.meters], ids=lambda each: each.nickname)
def test_answers_for_the_demo_homes_are_true_for_a_month(location: LocationSpec) -> None:
    (spec,) = location.meters
    found = compare(Member(location), spec, at(2026, 10, 20), at(2026, 11, 19))
    assert len(found) == (30 * DAY + HOUR) // spec.step


@pytest.mark.parametrize("channels", [Channels.FORWARD, Channels.THREE, Channels.SIGNED])
@pytest.mark.parametrize("step", [300, 900, 3600])
@pytest.mark.parametrize("mode", Dst)
def test_the_truth_follows_daylight_saving_changes(mode: Dst, step: int, channels: Channels) -> None:
    spec = meter(channels, step=step)
    autumn = 24 if mode in (Dst.MERGED, Dst.LOST) else 25
    for bounds, hours in ((SPRING, 23), (AUTUMN, autumn)):
        assert len(compare(Member(spec, dst=mode), spec, *bounds)) == hours * HOUR // step
    # Cost is posted up to the end of the first of the two repeated hours.
    compare(Member(spec, dst=mode, cost_lag=10 * HOUR, now=AUTUMN[0] + 12 * HOUR), spec, *AUTUMN)


@pytest.mark.parametrize("zone", ["America/Phoenix", "America/Denver", "Pacific/Palau"])
def test_answers_are_true_in_other_zones(zone: str) -> None:
    spec = meter()
    start, end = (int(datetime(2026, *day, tzinfo=ZoneInfo(zone)).timestamp()) for day in ((10, 30), (11, 3)))
    compare(Member(spec, zone=zone), spec, start, end)


@pytest.mark.parametrize("bounds", [(MIDNIGHT, NEXT), SPRING, AUTUMN], ids=["24 hours", "23 hours", "25 hours"])
def test_answers_of_a_daily_meter_are_true(bounds: tuple[int, int]) -> None:
    spec = meter(Channels.FORWARD_RETURN, resolution=Resolution.DAYS)
    member = Member(spec)
    assert compare(member, spec, *bounds)
    assert [(each.start, each.end) for each in member.portal.almanac.intervals(spec, *bounds)] == [bounds]


def test_a_monthly_meter_has_no_true_intervals() -> None:
    spec = meter(resolution=Resolution.MONTHS)
    assert Member(spec).portal.truth(spec, MIDNIGHT, NEXT) == Truth(MIDNIGHT, NEXT, None, None, None)


SWITCHES: dict[str, Json] = {
    "daylight only": {"daylight_only": ("81001",)},
    "an included end": {"inclusive_end": True},
    "lag": {"lag": 5000.0},
    "cost_lag": {"cost_lag": 7000.0},
    "a partial newest interval": {"lag": 5000.0, "partial_newest": True},
    "a newest interval that still runs": {"partial_newest": True},
    "placeholders": {"lag": 5000.0, "placeholders": True},
    "a gap": {"gaps": MISSING},
    "nulls": {"nulls": MISSING},
    "a gap of another meter": {"gaps": (Span("80000", 0, 2**40),)},
    "a stray": {"strays": (Stray("81001", june(5, 7) // 1000, 0.0),)},
    "no order": {"shuffled": True},
}


@pytest.mark.parametrize("switches", SWITCHES.values(), ids=SWITCHES)
@pytest.mark.parametrize("channels", [Channels.FORWARD, Channels.THREE, Channels.NET])
def test_the_truth_lacks_what_is_late_or_missing(channels: Channels, switches: Json) -> None:
    spec = meter(channels)
    compare(Member(spec, now=NOON + 100, **switches), spec, MIDNIGHT, NEXT)


def test_a_revision_takes_effect_when_it_is_due() -> None:
    spec = meter()
    at_one = MIDNIGHT + HOUR
    member = Member(spec, revisions=(Revision("81001", at_one, NOON, 3.0),), now=NOON - 1)
    before = compare(member, spec, MIDNIGHT, NEXT)
    member.clock.move_to(NOON)
    after = compare(member, spec, MIDNIGHT, NEXT)
    assert {start for start in before if before[start] != after[start]} == {at_one}
    assert (after[at_one][0] or 0) == pytest.approx(3 * (before[at_one][0] or 0), abs=0.02)


def test_two_meters_of_a_location_are_kept_apart() -> None:
    both = meter(Channels.THREE), meter(number="81002", step=3600, cost=False)
    member = Member(*both)
    assert [series["meterNumber"] for series in member.usage()["series"]] == ["81001"] * 3 + ["81002"]
    for spec in both:
        compare(member, spec, MIDNIGHT, NEXT)
