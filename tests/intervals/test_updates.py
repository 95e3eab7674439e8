"""A meter after a fetch: values, versions, placeholders, full days, late changes."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest

from exporter.intervals.columns import Intervals
from exporter.intervals.interval import Change, Interval, Reading
from exporter.intervals.model import Location, LocationKey, Meter, MeterInfo, Snapshot
from exporter.intervals.updates import MeterUpdate, raise_versions, revision_direction, update_meter

from ..support.worlds import DAY, NOW, WALL

HOUR = 3600
TODAY = WALL.day(NOW).start
PLAIN = MeterInfo("81001", ("FORWARD",), step=HOUR)
TWO_WAY = replace(PLAIN, flows=("FORWARD", "REVERSE"), exports=True, signed=False)
SIGNED_EXPORT = replace(PLAIN, exports=True)


@dataclass(frozen=True)
class Fetched:
    readings: Intervals
    info: MeterInfo = field(default=PLAIN)


def k_of(end: int, seen: float) -> int:
    """The formula of docs/samples.md, "Timestamps and versions", written down again."""
    hours = max(0.0, (seen - end) / 3600)
    return min(999, max(1, 1 + math.floor(998 * math.log(1 + hours) / math.log(175201))))


def update(
    before: Meter | None, readings: Iterable[Reading], info: MeterInfo = PLAIN, now: float = NOW, keep_from: int = 0
) -> MeterUpdate:
    return update_meter(before, Fetched(Intervals.of_readings(readings), info), WALL, now=now, keep_from=keep_from)


def hours(
    start: int,
    count: int,
    usage: float | None = 1.0,
    *,
    step: int = HOUR,
    export: float | None = None,
    cost: float | None = None,
) -> list[Reading]:
    return [Reading(at, at + step, usage, export, cost) for at in range(start, start + count * step, step)]


# -- export of signed meters


def test_the_first_export_of_a_signed_meter_adds_earlier_zeros() -> None:
    first = update(None, hours(TODAY, 3)).meter
    assert [interval.export for interval in first.intervals] == [None, None, None]

    later = NOW + 3 * HOUR
    readings = [*hours(TODAY + 2 * HOUR, 2), Reading(TODAY + 4 * HOUR, TODAY + 5 * HOUR, 0.0, 0.75)]
    meter = update(first, readings, SIGNED_EXPORT, now=later).meter

    assert [interval.export for interval in meter.intervals] == [0.0, 0.0, 0.0, 0.0, 0.75]
    assert [interval.export_k for interval in meter.intervals] == [k_of(each.end, later) for each in meter.intervals]
    assert [interval.usage_k for interval in meter.intervals[:3]] == [k_of(each.end, NOW) for each in first.intervals]


def test_a_signed_meter_without_new_export_exports_zeros() -> None:
    first = update(None, [Reading(TODAY, TODAY + HOUR, 0.0, 0.5), *hours(TODAY + HOUR, 1)], SIGNED_EXPORT).meter

    meter = update(first, hours(TODAY + HOUR, 3), PLAIN).meter

    assert meter.info.exports
    assert [interval.export for interval in meter.intervals] == [0.5, 0.0, 0.0, 0.0]


def test_a_slight_negative_counts_only_for_a_meter_that_exports() -> None:
    slight = [Reading(TODAY, TODAY + HOUR, 0.0, 0.02), *hours(TODAY + HOUR, 1)]
    plain = update(None, slight).meter
    assert ([interval.export for interval in plain.intervals], plain.info.exports) == ([None, None], False)

    solar = update(None, hours(TODAY, 2, export=0.5), SIGNED_EXPORT).meter
    assert [interval.export for interval in update(solar, slight).meter.intervals] == [0.02, 0.0]


def test_a_meter_with_an_export_channel_gets_no_zeros() -> None:
    meter = update(None, [Reading(TODAY, TODAY + HOUR, 1.0), *hours(TODAY + HOUR, 1, export=0.5)], TWO_WAY).meter

    assert [interval.export for interval in meter.intervals] == [None, 0.5]


def test_days_before_the_first_export_get_an_export_total() -> None:
    yesterday = TODAY - DAY
    first = update(None, hours(yesterday, 24)).meter
    assert [day.export for day in first.days] == [None]

    meter = update(first, [Reading(TODAY, TODAY + HOUR, 0.0, 0.5)], SIGNED_EXPORT).meter

    assert [(day.usage, day.export, day.export_k) for day in meter.days] == [(24.0, 0.0, k_of(TODAY, NOW))]


def test_a_day_that_ends_in_zeros_has_no_total_yet() -> None:
    yesterday = TODAY - DAY
    readings = [*hours(yesterday, 20), *hours(yesterday + 20 * HOUR, 4, 0.0)]
    assert not update(None, readings).meter.days

    assert [day.usage for day in update(None, [*readings, *hours(TODAY, 1)]).meter.days] == [20.0]


# -- full days


def test_the_total_of_a_full_day_has_the_version_of_its_age() -> None:
    start = TODAY - DAY
    meter = update(None, hours(start, 24, 0.1, export=0.2, cost=0.03), TWO_WAY).meter

    k = k_of(TODAY, NOW)
    assert list(meter.days) == [Interval(start, TODAY, 2.4, k, 4.8, k, 0.72, k)]


def test_a_revision_gives_the_total_a_later_version() -> None:
    readings = hours(TODAY - DAY, 24)
    first = update(None, readings).meter

    later = update(first, [replace(readings[3], usage=3.5)], now=NOW + DAY)

    assert list(later.meter.days) == [Interval(TODAY - DAY, TODAY, 26.5, k_of(TODAY, NOW + DAY))]


def test_an_unchanged_total_keeps_its_version() -> None:
    readings = hours(TODAY - DAY, 24)
    first = update(None, readings).meter

    later = update(first, [replace(readings[3], usage=1.5), replace(readings[4], usage=0.5)], now=NOW + DAY)

    assert later.meter.days is first.days


# -- old intervals, late changes, info about the meter


def test_old_intervals_are_dropped_and_not_merged_again() -> None:
    first = update(None, hours(TODAY - 2 * DAY, 48)).meter
    keep_from = TODAY - DAY

    meter = update(first, hours(TODAY - 3 * DAY, 1), keep_from=keep_from).meter

    assert meter.intervals[0].start == keep_from
    assert [day.start for day in meter.days] == [keep_from]


def test_late_changes_were_known_or_follow_a_known_interval() -> None:
    known = Meter.of(PLAIN, (Interval(TODAY, TODAY + HOUR, 1.0, 1), Interval(TODAY + HOUR, TODAY + 2 * HOUR, 1.0, 1)))
    readings = [*hours(TODAY - HOUR, 2, 2.0), *hours(TODAY + 2 * HOUR, 1)]

    changed = update(known, readings)

    assert changed.newest == TODAY + 3 * HOUR
    assert changed.late == [(TODAY, TODAY + HOUR, True), (TODAY + 2 * HOUR, TODAY + 3 * HOUR, False)]
    assert not update(None, readings).late


def test_new_info_about_a_meter_is_added_to_the_known() -> None:
    known = Meter.of(MeterInfo("81001", ("FORWARD",), exports=True, signed=False, step=900))

    info = update(known, [], MeterInfo("81001", (), parent=True, net=True, step=0)).meter.info

    assert info == MeterInfo("81001", ("FORWARD",), parent=True, net=True, exports=True, signed=False, step=900)


def test_replaced_intervals_are_dropped() -> None:
    known = update(None, hours(TODAY, 2)).meter

    changed = update(known, hours(TODAY, 4, 0.25, step=900))

    assert [each.start for each in changed.meter.intervals] == [TODAY + at for at in (0, 900, 1800, 2700, HOUR)]
    assert list(update(changed.meter, hours(TODAY, 1)).meter.intervals.starts) == [TODAY, TODAY + HOUR]


def test_versions_win_over_those_of_another_zone() -> None:
    former = update(None, hours(TODAY - DAY, 25, 2.0)).meter
    first = update(None, hours(TODAY - DAY, 24))

    raised = raise_versions(first, former)

    assert [each.usage_k for each in raised.meter.intervals] == [
        each.usage_k + 1 for each in former.intervals[: len(first.meter.intervals)]
    ]
    assert [each.usage_k for each in raised.meter.days] == [each.usage_k + 1 for each in former.days]
    assert raise_versions(first, None) == first


# -- counting revisions

BEFORE = Interval(TODAY, TODAY + HOUR, 1.0, 1, 0.5, 1, 0.1, 1)


@pytest.mark.parametrize(
    ("after", "direction"),
    [
        (replace(BEFORE, usage=1.001), "up"),
        (replace(BEFORE, usage=0.999), "down"),
        (replace(BEFORE, usage=1.0009), None),
        (replace(BEFORE, usage=0.9991), None),
        (replace(BEFORE, usage=7.0), "up"),
        (replace(BEFORE, export=0.501), "up"),
        (replace(BEFORE, export=0.499), "down"),
        (replace(BEFORE, export=0.5004), None),
        (replace(BEFORE, usage=1.0004, export=0.3), "down"),
        (replace(BEFORE, cost=99.0), None),
        (replace(BEFORE, periods=(("On", 1.0, 1),)), None),
    ],
)
def test_a_revision_is_a_change_of_at_least_a_watt_hour(after: Interval, direction: str | None) -> None:
    assert revision_direction(Change(BEFORE, after)) == direction
    assert revision_direction(Change(None, after)) is None
    assert revision_direction(Change(replace(BEFORE, usage=None, export=None), after)) is None


# -- snapshots


def test_the_latest_interval_is_the_newest_with_energy() -> None:
    energy = Interval(TODAY, TODAY + HOUR, 0.0, 1)
    cost = Interval(TODAY + HOUR, TODAY + 2 * HOUR, cost=0.1, cost_k=1)

    assert Meter.of(PLAIN, (energy, cost)).latest == energy
    assert Meter.of(PLAIN, (cost,)).latest is None
    assert Meter.of(PLAIN, (replace(energy, usage=None, export=0.2),)).latest is not None


def test_a_changed_snapshot_is_another_one() -> None:
    keys = [LocationKey("novec", "1", number) for number in ("3", "1", "2")]
    empty = Snapshot()
    full = empty
    for key in keys:
        full = full.with_location(Location(key))

    assert list(full.locations) == sorted(keys)
    assert full.with_location(Location(keys[0], "Mill")).locations[keys[0]].name == "Mill"
    assert full.locations[keys[0]].name == ""
    assert empty.locations == {}
