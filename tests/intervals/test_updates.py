"""A meter's intervals after a fetch: values, versions, placeholders, whole days (contract 3 and 4)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from exporter.intervals.model import Change, Interval, Location, LocationKey, Meter, MeterInfo, Reading, Snapshot
from exporter.intervals.updates import MeterUpdate, revision_direction, update_meter
from exporter.portal.walltime import WallClock

from ..support.worlds import DAY, NOW, WALL

HOUR = 3600
TODAY = WALL.day(NOW).start
PLAIN = MeterInfo("81001", ("FORWARD",), step=HOUR)
TWO_WAY = replace(PLAIN, flows=("FORWARD", "REVERSE"), exports=True, signed=False)
SIGNED_EXPORT = replace(PLAIN, exports=True)


@dataclass(frozen=True)
class Fetched:
    readings: tuple[Reading, ...]
    info: MeterInfo = field(default=PLAIN)


def k_of(end: int, seen: float) -> int:
    """The contract's formula, written down once more."""
    hours = max(0.0, (seen - end) / 3600)
    return min(999, max(1, 1 + math.floor(998 * math.log(1 + hours) / math.log(175201))))


def update(  # noqa: PLR0917 - short calls
    before: Meter | None,
    readings: Iterable[Reading],
    info: MeterInfo = PLAIN,
    now: float = NOW,
    keep_from: int = 0,
    wall: WallClock = WALL,
) -> MeterUpdate:
    return update_meter(before, Fetched(tuple(readings), info), wall, now=now, keep_from=keep_from)


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


def usages(meter: Meter) -> list[float | None]:
    return [interval.usage for interval in meter.intervals]


# -- values and versions


def test_a_first_value_is_stamped_by_its_age() -> None:
    meter = update(None, [Reading(NOW - 5 * HOUR, NOW - 4 * HOUR, 1.5, cost=0.2)]).meter

    k = k_of(NOW - 4 * HOUR, NOW)
    assert k == 134
    assert meter.intervals == (Interval(NOW - 5 * HOUR, NOW - 4 * HOUR, 1.5, k, None, 0, 0.2, k, ()),)


@pytest.mark.parametrize(
    ("hours_ago", "k"),
    [(0, 1), (0.01, 1), (1, 58), (24, 267), (48, 322), (35 * 24, 557), (365 * 24, 751), (175200, 999), (400000, 999)],
)
def test_the_version_grows_with_the_age_at_which_a_value_is_first_seen(hours_ago: float, k: int) -> None:
    end = 2_000_000_000
    meter = update(None, [Reading(end - HOUR, end, 1.0)], now=end + hours_ago * 3600).meter

    assert meter.intervals[0].usage_k == k


def test_the_same_value_again_keeps_its_version() -> None:
    first = update(None, [Reading(TODAY, TODAY + HOUR, 1.0)]).meter

    again = update(first, [Reading(TODAY, TODAY + HOUR, 1.0)], now=NOW + 9 * HOUR)

    assert again.meter == first
    assert again.changes == ()


def test_a_value_that_is_changed_at_once_comes_one_version_later() -> None:
    first = update(None, [Reading(TODAY, TODAY + HOUR, 1.0)]).meter
    second = update(first, [Reading(TODAY, TODAY + HOUR, 2.0)]).meter
    third = update(second, [Reading(TODAY, TODAY + HOUR, 1.0)]).meter

    k = k_of(TODAY + HOUR, NOW)
    assert [meter.intervals[0].usage_k for meter in (first, second, third)] == [k, k + 1, k + 2]
    assert third.intervals[0].usage == 1.0


def test_versions_end_at_999() -> None:
    known = Meter(PLAIN, (Interval(TODAY, TODAY + HOUR, 1.0, 999),))

    assert update(known, [Reading(TODAY, TODAY + HOUR, 2.0)]).meter.intervals == (
        Interval(TODAY, TODAY + HOUR, 2.0, 999),
    )


def test_a_late_cost_has_its_own_version() -> None:
    first = update(None, [Reading(TODAY, TODAY + HOUR, 1.0)]).meter
    later = NOW + 20 * HOUR

    meter = update(first, [Reading(TODAY, TODAY + HOUR, 1.0, cost=0.11)], now=later).meter

    end = TODAY + HOUR
    assert meter.intervals == (Interval(TODAY, end, 1.0, k_of(end, NOW), None, 0, 0.11, k_of(end, later)),)


def test_each_value_of_an_interval_is_versioned_by_itself() -> None:
    end = TODAY + HOUR
    first = update(None, [Reading(TODAY, end, 1.0, 0.5, 0.1, (("On", 1.0),))], TWO_WAY).meter
    later = NOW + 50 * HOUR

    meter = update(first, [Reading(TODAY, end, 1.0, 0.7, 0.1, (("On", 0.0), ("Off", 1.0)))], TWO_WAY, now=later).meter

    k, late = k_of(end, NOW), k_of(end, later)
    assert meter.intervals == (
        Interval(TODAY, end, 1.0, k, 0.7, late, 0.1, k, (("Off", 1.0, late), ("On", 0.0, late))),
    )


def test_a_period_without_energy_says_nothing_where_another_has_it() -> None:
    readings = [
        Reading(TODAY, TODAY + HOUR, 1.0, periods=(("Off", 1.0), ("On", 0.0))),
        Reading(TODAY + HOUR, TODAY + 2 * HOUR, 0.0, periods=(("Off", 0.0), ("On", 0.0))),
        Reading(TODAY + 2 * HOUR, TODAY + 3 * HOUR, 1.0, periods=(("Off", 0.0), ("On", 1.0))),
    ]

    meter = update(None, readings).meter

    assert [[name for name, _, _ in each.periods] for each in meter.intervals] == [["Off"], ["Off", "On"], ["On"]]


@pytest.mark.parametrize("withdrawn", [[], [Reading(TODAY, TODAY + HOUR)]], ids=["absent", "null"])
def test_a_value_that_is_withdrawn_keeps_its_last_state(withdrawn: list[Reading]) -> None:
    readings = [Reading(TODAY, TODAY + HOUR, 1.0, 0.25, 0.1, (("On", 1.0),)), *hours(TODAY + HOUR, 2, export=0.0)]
    first = update(None, readings, TWO_WAY).meter

    later = update(first, [*withdrawn, *readings[1:]], TWO_WAY, now=NOW + 5 * HOUR)

    assert later.meter == first
    assert later.changes == ()


def test_an_interval_that_still_runs_is_not_served() -> None:
    assert usages(update(None, [Reading(NOW - HOUR, NOW, 1.0), Reading(NOW, NOW + HOUR, 2.0)]).meter) == [1.0]
    assert usages(update(None, [Reading(NOW - HOUR, NOW + 1, 1.0)]).meter) == []


def test_a_value_that_is_missing_makes_no_interval() -> None:
    meter = update(None, [Reading(TODAY, TODAY + HOUR), Reading(TODAY + HOUR, TODAY + 2 * HOUR, 1.0)]).meter

    assert [interval.start for interval in meter.intervals] == [TODAY + HOUR]


# -- export of signed meters


def test_a_signed_meter_exports_from_its_first_negative_value_on_and_zeros_before_it() -> None:
    first = update(None, hours(TODAY, 3)).meter
    assert [interval.export for interval in first.intervals] == [None, None, None]

    later = NOW + 3 * HOUR
    readings = [*hours(TODAY + 2 * HOUR, 2), Reading(TODAY + 4 * HOUR, TODAY + 5 * HOUR, 0.0, 0.75)]
    meter = update(first, readings, SIGNED_EXPORT, now=later).meter

    assert [interval.export for interval in meter.intervals] == [0.0, 0.0, 0.0, 0.0, 0.75]
    assert [interval.export_k for interval in meter.intervals] == [k_of(each.end, later) for each in meter.intervals]
    assert [interval.usage_k for interval in meter.intervals[:3]] == [k_of(each.end, NOW) for each in first.intervals]


def test_a_signed_meter_keeps_exporting_zeros_when_it_only_draws() -> None:
    first = update(None, [Reading(TODAY, TODAY + HOUR, 0.0, 0.5), *hours(TODAY + HOUR, 1)], SIGNED_EXPORT).meter

    meter = update(first, hours(TODAY + HOUR, 3), PLAIN).meter

    assert meter.info.exports
    assert [interval.export for interval in meter.intervals] == [0.5, 0.0, 0.0, 0.0]


def test_a_meter_with_an_export_channel_gets_no_zeros_where_it_gives_nothing() -> None:
    meter = update(None, [Reading(TODAY, TODAY + HOUR, 1.0), *hours(TODAY + HOUR, 1, export=0.5)], TWO_WAY).meter

    assert [interval.export for interval in meter.intervals] == [None, 0.5]


def test_a_meter_that_only_draws_exports_nothing() -> None:
    assert [interval.export for interval in update(None, hours(TODAY, 3)).meter.intervals] == [None] * 3


def test_days_known_before_the_first_export_get_a_total_of_it() -> None:
    yesterday = TODAY - DAY
    first = update(None, hours(yesterday, 24)).meter
    assert [day.export for day in first.days] == [None]

    meter = update(first, [Reading(TODAY, TODAY + HOUR, 0.0, 0.5)], SIGNED_EXPORT).meter

    assert [(day.usage, day.export, day.export_k) for day in meter.days] == [(24.0, 0.0, k_of(TODAY, NOW))]


# -- zeros at the end


def zeros(start: int, count: int, export: float | None = None) -> list[Reading]:
    return hours(start, count, 0.0, export=export)


def test_zeros_at_the_end_are_held_back_with_cost_and_periods() -> None:
    placeholder = Reading(TODAY + 2 * HOUR, TODAY + 3 * HOUR, 0.0, 0.0, 0.5, (("On", 0.0),))

    meter = update(None, [*hours(TODAY, 2, export=0.0), placeholder], TWO_WAY).meter

    assert [interval.start for interval in meter.intervals] == [TODAY, TODAY + HOUR]


def test_zeros_are_served_once_something_follows_them() -> None:
    first = update(None, [*hours(TODAY, 2), *zeros(TODAY + 2 * HOUR, 3)]).meter

    meter = update(first, [*hours(TODAY, 2), *zeros(TODAY + 2 * HOUR, 3), *hours(TODAY + 5 * HOUR, 1)]).meter

    assert usages(meter) == [1.0, 1.0, 0.0, 0.0, 0.0, 1.0]


def test_export_that_follows_releases_zeros_too() -> None:
    readings = [*zeros(TODAY, 2, export=0.0), Reading(TODAY + 2 * HOUR, TODAY + 3 * HOUR, 0.0, 0.3)]

    assert usages(update(None, readings, TWO_WAY).meter) == [0.0, 0.0, 0.0]


def test_export_alone_is_no_placeholder() -> None:
    meter = update(None, [Reading(TODAY, TODAY + HOUR, 0.0, 0.3)], TWO_WAY).meter

    assert [(interval.usage, interval.export) for interval in meter.intervals] == [(0.0, 0.3)]


def test_zeros_are_served_once_they_are_48_hours_old() -> None:
    readings = zeros(TODAY, 3)
    release = TODAY + HOUR + 48 * HOUR

    before = update(None, readings, now=release - 1).meter
    meter = update(before, readings, now=release).meter

    assert usages(before) == []
    assert [interval.end for interval in meter.intervals] == [TODAY + HOUR]
    assert meter.intervals[0].usage_k == k_of(TODAY + HOUR, release) == 322


def test_a_vacant_house_is_served_two_days_late() -> None:
    meter = update(None, zeros(TODAY - 5 * DAY, 5 * 24), now=TODAY).meter

    assert usages(meter) == [0.0] * (3 * 24)
    assert [day.usage for day in meter.days] == [0.0, 0.0, 0.0]


def test_zeros_amid_energy_are_served_at_once() -> None:
    readings = [*hours(TODAY, 1), *zeros(TODAY + HOUR, 2), *hours(TODAY + 3 * HOUR, 1)]

    assert usages(update(None, readings).meter) == [1.0, 0.0, 0.0, 1.0]


def test_zeros_before_energy_that_is_known_from_before_are_served_at_once() -> None:
    known = update(None, hours(TODAY + 5 * HOUR, 1)).meter

    assert usages(update(known, zeros(TODAY, 2)).meter) == [0.0, 0.0, 1.0]


def test_energy_that_turns_into_zeros_at_the_end_keeps_its_last_state_until_something_follows() -> None:
    known = update(None, hours(TODAY, 3)).meter
    readings = [*hours(TODAY, 2), *zeros(TODAY + 2 * HOUR, 1)]

    held = update(known, readings)
    assert held.meter == known
    assert held.changes == ()

    assert usages(update(known, [*readings, *hours(TODAY + 3 * HOUR, 1)]).meter) == [1.0, 1.0, 0.0, 1.0]


def test_a_day_that_ends_in_zeros_waits_for_them() -> None:
    yesterday = TODAY - DAY
    readings = [*hours(yesterday, 20), *zeros(yesterday + 20 * HOUR, 4)]
    assert update(None, readings).meter.days == ()

    assert [day.usage for day in update(None, [*readings, *hours(TODAY, 1)]).meter.days] == [20.0]


# -- whole days


def at(zone: str, *when: int) -> int:
    return int(datetime(*when, tzinfo=ZoneInfo(zone)).timestamp())  # type: ignore[arg-type,misc]


def test_a_whole_day_has_a_total_stamped_by_its_own_end() -> None:
    start = TODAY - DAY
    meter = update(None, hours(start, 24, 0.1, export=0.2, cost=0.03), TWO_WAY).meter

    k = k_of(TODAY, NOW)
    assert meter.days == (Interval(start, TODAY, 2.4, k, 4.8, k, 0.72, k),)


@pytest.mark.parametrize("missing", [0, 11, 23])
def test_a_day_with_a_gap_has_none(missing: int) -> None:
    readings = hours(TODAY - DAY, 24)
    del readings[missing]

    assert update(None, readings).meter.days == ()


def test_a_day_gets_its_total_with_the_interval_that_was_missing() -> None:
    readings = hours(TODAY - DAY, 24)
    first = update(None, readings[:-1]).meter
    later = NOW + 3 * HOUR

    meter = update(first, readings[-1:], now=later).meter

    assert meter.days == (Interval(TODAY - DAY, TODAY, 24.0, k_of(TODAY, later)),)


def test_today_has_none() -> None:
    assert update(None, hours(TODAY, 24), now=TODAY + 23 * HOUR + 1800).meter.days == ()


@pytest.mark.parametrize(("step", "count"), [(900, 96), (1800, 48), (300, 288)])
def test_a_day_of_finer_intervals_needs_all_of_them(step: int, count: int) -> None:
    readings = hours(TODAY - DAY, count, 0.25, step=step)
    info = replace(PLAIN, step=step)

    assert [day.usage for day in update(None, readings, info).meter.days] == [count / 4]
    assert update(None, readings[1:], info).meter.days == ()


def test_one_export_or_cost_that_is_missing_leaves_out_that_total_alone() -> None:
    readings = hours(TODAY - DAY, 24, export=0.5, cost=0.1)
    readings[5] = replace(readings[5], export=None)
    readings[6] = replace(readings[6], cost=None)

    (day,) = update(None, readings, TWO_WAY).meter.days

    assert (day.usage, day.export, day.cost) == (24.0, None, None)


def test_a_revision_changes_the_total_with_a_later_version() -> None:
    readings = hours(TODAY - DAY, 24)
    first = update(None, readings).meter

    later = update(first, [replace(readings[3], usage=3.5)], now=NOW + DAY)

    assert later.meter.days == (Interval(TODAY - DAY, TODAY, 26.5, k_of(TODAY, NOW + DAY)),)
    assert [change.after.usage for change in later.days] == [26.5]


def test_a_revision_that_leaves_the_total_as_it_was_leaves_its_version() -> None:
    readings = hours(TODAY - DAY, 24)
    first = update(None, readings).meter

    later = update(first, [replace(readings[3], usage=1.5), replace(readings[4], usage=0.5)], now=NOW + DAY)

    assert later.meter.days == first.days
    assert later.days == ()


def test_a_day_keeps_its_total_when_an_interval_is_withdrawn() -> None:
    readings = hours(TODAY - DAY, 24)
    first = update(None, readings).meter

    meter = update(first, [*readings[:7], *readings[8:]], now=NOW + DAY).meter

    assert meter.days == first.days


def test_late_costs_give_a_late_total_of_its_own_version() -> None:
    first = update(None, hours(TODAY - DAY, 24)).meter
    later = NOW + 2 * DAY

    meter = update(first, hours(TODAY - DAY, 24, cost=0.05), now=later).meter

    assert meter.days == (Interval(TODAY - DAY, TODAY, 24.0, k_of(TODAY, NOW), None, 0, 1.2, k_of(TODAY, later)),)


def test_a_daily_meter_has_one_interval_and_one_total_a_day() -> None:
    meter = update(None, [Reading(TODAY - DAY, TODAY, 17.5)], replace(PLAIN, step=DAY)).meter

    assert meter.intervals == meter.days == (Interval(TODAY - DAY, TODAY, 17.5, k_of(TODAY, NOW)),)


@pytest.mark.parametrize("step", [900, 3600])
def test_a_day_of_23_hours_is_whole(step: int) -> None:
    start, end = at("America/New_York", 2026, 3, 8), at("America/New_York", 2026, 3, 9)
    readings = hours(start, 23 * 3600 // step, step=step)
    assert end - start == 23 * 3600

    (day,) = update(None, readings, now=end + HOUR).meter.days

    assert (day.start, day.end, day.usage) == (start, end, 23 * 3600 / step)
    assert update(None, readings[:-1], now=end + HOUR).meter.days == ()


@pytest.mark.parametrize("step", [900, 3600])
def test_a_day_of_25_hours_is_whole_with_the_repeated_hour_once_or_twice(step: int) -> None:
    start, end = at("America/New_York", 2026, 11, 1), at("America/New_York", 2026, 11, 2)
    readings = hours(start, 25 * 3600 // step, step=step)
    second = [each for each in readings if start + 2 * HOUR <= each.start < start + 3 * HOUR]
    once = [each for each in readings if each not in second]
    assert end - start == 25 * 3600

    for points in (readings, once):
        (day,) = update(None, points, now=end + HOUR).meter.days
        assert (day.start, day.end, day.usage) == (start, end, float(len(points)))
    neither = [each for each in once if not start + HOUR <= each.start < start + 2 * HOUR]
    assert update(None, neither, now=end + HOUR).meter.days == ()


def test_the_second_autumn_hour_that_comes_later_is_added() -> None:
    start, end = at("America/New_York", 2026, 11, 1), at("America/New_York", 2026, 11, 2)
    readings = hours(start, 25)
    first = update(None, [*readings[:2], *readings[3:]], now=end + HOUR).meter

    meter = update(first, readings, now=end + 9 * HOUR).meter

    assert meter.days == (Interval(start, end, 25.0, k_of(end, end + 9 * HOUR)),)


def test_where_clocks_change_at_midnight_a_day_is_whole_too() -> None:
    zone = "America/Havana"
    wall = WallClock(ZoneInfo(zone))
    start = wall.day(at(zone, 2026, 3, 8, 12)).start
    end = wall.day(at(zone, 2026, 3, 9, 12)).start
    assert end - start == 23 * 3600

    (day,) = update(None, hours(start, 23), now=end + HOUR, wall=wall).meter.days

    assert (day.start, day.end, day.usage) == (start, end, 23.0)


# -- forgetting, late changes, what is said of the meter


def test_what_ended_before_is_forgotten_and_what_is_older_is_not_taken() -> None:
    first = update(None, hours(TODAY - 2 * DAY, 48)).meter
    keep_from = TODAY - DAY

    meter = update(first, hours(TODAY - 3 * DAY, 1), keep_from=keep_from).meter

    assert meter.intervals[0].start == keep_from
    assert [day.start for day in meter.days] == [keep_from]


def test_late_is_what_was_known_or_lies_behind_the_oldest_known() -> None:
    known = Meter(PLAIN, (Interval(TODAY, TODAY + HOUR, 1.0, 1), Interval(TODAY + HOUR, TODAY + 2 * HOUR, 1.0, 1)))
    readings = [*hours(TODAY - HOUR, 2, 2.0), *hours(TODAY + 2 * HOUR, 1)]

    changed = update(known, readings)

    assert [change.after.start for change in changed.changes] == [TODAY - HOUR, TODAY, TODAY + 2 * HOUR]
    assert [change.after.start for change in changed.late] == [TODAY, TODAY + 2 * HOUR]
    assert update(None, readings).late == ()


def test_the_newest_word_on_a_meter_counts_and_what_it_leaves_out_stays() -> None:
    known = Meter(MeterInfo("81001", ("FORWARD",), exports=True, signed=False, step=900))

    info = update(known, [], MeterInfo("81001", (), parent=True, net=True, step=0)).meter.info

    assert info == MeterInfo("81001", ("FORWARD",), parent=True, net=True, exports=True, signed=False, step=900)


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
def test_a_revision_is_a_change_of_energy_by_a_thousandth(after: Interval, direction: str | None) -> None:
    assert revision_direction(Change(BEFORE, after)) == direction


def test_a_new_interval_is_no_revision() -> None:
    assert revision_direction(Change(None, BEFORE)) is None


def test_a_value_that_comes_later_is_no_revision() -> None:
    assert revision_direction(Change(replace(BEFORE, usage=None, export=None), BEFORE)) is None


# -- snapshots


def test_the_latest_interval_is_the_newest_with_energy() -> None:
    energy = Interval(TODAY, TODAY + HOUR, 0.0, 1)
    cost = Interval(TODAY + HOUR, TODAY + 2 * HOUR, cost=0.1, cost_k=1)

    assert Meter(PLAIN, (energy, cost)).latest == energy
    assert Meter(PLAIN, (cost,)).latest is None
    assert Meter(PLAIN, (replace(energy, usage=None, export=0.2),)).latest is not None


def test_a_snapshot_changes_by_giving_another() -> None:
    keys = [LocationKey("novec", "1", number) for number in ("3", "1", "2")]
    empty = Snapshot()
    full = empty
    for key in keys:
        full = full.with_location(Location(key))

    assert list(full.locations) == sorted(keys)
    assert full.keep_only([keys[0], LocationKey("novec", "1", "9")]).locations == {keys[0]: Location(keys[0])}
    assert full.with_location(Location(keys[0], "Mill")).locations[keys[0]].name == "Mill"
    assert full.locations[keys[0]].name == ""
    assert empty.locations == {}
