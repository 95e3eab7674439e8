"""What happens when something that was settled changes: resolution, zone, clock, channels, what a login sees."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.intervals.merge import merge
from exporter.intervals.model import Interval, Location, LocationKey, MeterInfo, Reading
from exporter.intervals.samples import timestamp_ms, version
from exporter.portal.directions import Channel, Flow, resolve
from exporter.portal.readings import read_intervals
from exporter.portal.usage import decode
from exporter.portal.walltime import WallClock
from exporter.refresh.status import LocationStatus, LoginStatus, location_statuses
from exporter.simulator.portal import Call, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, SignIn
from exporter.simulator.specs import LocationSpec
from exporter.storage.snapshots import SnapshotStore
from exporter.storage.state import StateFile

from ..support.clocks import ManualClock
from ..support.exporter import StartExporter
from ..support.portal import change, login_of
from ..support.worlds import DAY, NOW, WALL, ZONE

KEY = LocationKey("novec", "55001", "70001")
YESTERDAY = WALL.days_before(int(NOW), 1)
FAILED = SimulatedResponse(200, b'{"status": "FAILED"}')


class Fetched:
    def __init__(self, *readings: Reading, step: int = 900) -> None:
        self.info = MeterInfo("81001", ("FORWARD",), step=step)
        self.readings = readings


def quarters(start: int, count: int, usage: float = 0.25) -> list[Reading]:
    return [Reading(each, each + 900, usage) for each in range(start, start + count * 900, 900)]


# -- the resolution of a meter


def test_quarters_take_the_place_of_the_day_that_they_belong_to() -> None:
    whole_day = Interval(YESTERDAY, YESTERDAY + DAY, 30.0, 40)
    merged, _ = merge({YESTERDAY: whole_day}, quarters(YESTERDAY + 900, 95), now=NOW)

    assert sorted(merged) == list(range(YESTERDAY + 900, YESTERDAY + DAY, 900))


def test_the_last_quarter_replaces_the_sample_of_the_day_that_stands_in_the_same_second() -> None:
    whole_day = Interval(YESTERDAY, YESTERDAY + DAY, 30.0, 700)
    merged, _ = merge({YESTERDAY: whole_day}, quarters(YESTERDAY, 96), now=NOW)

    assert merged[YESTERDAY + DAY - 900].usage_k == 701
    assert merged[YESTERDAY].usage_k == version(YESTERDAY + 900, NOW)


def test_a_meter_that_is_read_by_the_quarter_from_now_on_counts_no_energy_twice(tmp_path: Path) -> None:
    state = StateFile(tmp_path)
    store = SnapshotStore(state, 7 * DAY, lambda _: str(ZONE))
    place = Location(KEY, "", str(ZONE))
    store.merge(place, [Fetched(Reading(YESTERDAY, YESTERDAY + DAY, 30.0), step=DAY)], WALL, now=NOW, keep_from=0)
    store.merge(place, [Fetched(*quarters(YESTERDAY, 96))], WALL, now=NOW + 60, keep_from=0)

    (meter,) = store.snapshot.locations[KEY].meters
    assert [each.start for each in meter.intervals] == list(range(YESTERDAY, YESTERDAY + DAY, 900))
    assert [day.usage for day in meter.days] == [24.0]
    state.close()
    again = StateFile(tmp_path)
    assert again.locations() == list(store.snapshot.locations.values())
    again.close()


def test_periods_of_an_interval_that_changed_its_length_are_forgotten_with_it(tmp_path: Path) -> None:
    state = StateFile(tmp_path)
    store = SnapshotStore(state, 7 * DAY, lambda _: str(ZONE))
    place = Location(KEY, "", str(ZONE))
    hour = Reading(YESTERDAY, YESTERDAY + 3600, 1.0, periods=(("A", 1.0),))
    quarter = Reading(YESTERDAY, YESTERDAY + 900, 0.5, periods=(("B", 0.5),))
    for reading in (hour, quarter):
        store.merge(place, [Fetched(reading)], WALL, now=NOW, keep_from=0)

    assert [name for name, _, _ in state.locations()[0].meters[0].intervals[0].periods] == ["B"]
    state.close()


def test_an_hourly_meter_is_not_taken_for_a_daily_one_because_its_hours_fail(
    clock: ManualClock, portal: PortalServer, start_exporter: StartExporter
) -> None:
    asked: list[str] = []

    def only_days(call: Call) -> SimulatedResponse | None:
        if not call.path.endswith("/poll"):
            return None
        asked.append(json.loads(call.body)["timeFrame"])
        return FAILED if asked[-1] == "HOURLY" and not healed else None

    healed = False
    portal.portal.override = only_days
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    assert set(asked) == {"HOURLY", "DAILY"}
    assert exporter.failures() == {"protocol": 1.0}
    assert [meter.intervals for location in exporter.locations.values() for meter in location.meters] == []

    healed = True
    clock.advance(3600)
    exporter.refresh()
    assert exporter.status.up
    assert {meter.info.step for location in exporter.locations.values() for meter in location.meters} == {3600}


# -- the time zone


def test_a_corrected_zone_leaves_no_days_of_the_wrong_one() -> None:
    state = StateFile(None)
    store = SnapshotStore(state, 7 * DAY, lambda _: str(ZONE))
    readings = [
        Reading(each, each + 3600, 1.0) for each in range(int(NOW) // DAY * DAY - 6 * DAY, int(NOW) - 3600, 3600)
    ]
    wall = WallClock(ZoneInfo("America/Los_Angeles"))
    for clock in (WALL, wall):
        store.merge(Location(KEY, "", str(clock.zone)), [Fetched(*readings, step=3600)], clock, now=NOW, keep_from=0)

    (meter,) = store.snapshot.locations[KEY].meters
    assert len(meter.days) >= 4
    assert [day.start for day in meter.days] == [wall.day(day.start).start for day in meter.days]
    assert [location.timezone for location in state.locations()] == ["America/Los_Angeles"]
    state.close()


def test_values_of_a_corrected_zone_win_over_those_that_stood_in_their_place() -> None:
    state = StateFile(None)
    store = SnapshotStore(state, 7 * DAY, lambda _: str(ZONE))

    def samples(zone: str, *, shifted: int) -> dict[int, tuple[int, float | None, int, float | None]]:
        """By the end of each hour: timestamps and values of usage and cost."""
        hours = range(YESTERDAY - 3 * DAY, YESTERDAY, 3600)
        # The same hour of the wall is another instant; the energy changes every four hours, the cost never.
        readings = [
            Reading(each + shifted, each + shifted + 3600, each // 14_400 % 50 / 10, cost=1.5) for each in hours
        ]
        location = Location(KEY, "", zone)
        store.merge(location, [Fetched(*readings, step=3600)], WallClock(ZoneInfo(zone)), now=NOW, keep_from=0)
        (meter,) = store.snapshot.locations[KEY].meters
        return {
            each.end: (timestamp_ms(each.end, each.usage_k), each.usage, timestamp_ms(each.end, each.cost_k), each.cost)
            for each in meter.intervals
        }

    wrong, right = samples("America/Chicago", shifted=3600), samples("America/New_York", shifted=0)
    common = wrong.keys() & right.keys()
    assert len(common) == 71
    changed = {end for end in common if wrong[end][1] != right[end][1]}
    assert len(changed) > 10
    for end in common:
        assert right[end][0] == wrong[end][0] + (end in changed)
        assert right[end][2:] == wrong[end][2:]
    assert {each.end: each.usage_k for location in state.locations() for each in location.meters[0].intervals} == {
        end: stamp - (end - 1) * 1000 for end, (stamp, *_) in right.items()
    }
    state.close()


def test_what_was_stored_by_the_clock_of_another_zone_is_not_served(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    state = StateFile(tmp_path)
    store = SnapshotStore(state, 7 * DAY, lambda _: str(ZONE))
    store.merge(Location(KEY, "", str(ZONE)), [Fetched(*quarters(YESTERDAY, 4))], WALL, now=NOW, keep_from=0)

    assert SnapshotStore(state, 7 * DAY, lambda _: str(ZONE)).snapshot.locations.keys() == {KEY}
    assert SnapshotStore(state, 7 * DAY, lambda _: "America/Denver").snapshot.locations == {}
    assert [record.getMessage() for record in caplog.records if record.name == "exporter.storage.snapshots"] == [
        (
            "ignoring the saved data of location 70001 of account 55001: it was stored for time zone America/New_York,"
            " but America/Denver is configured; the next refresh reads it again"
        )
    ]
    state.close()


def test_a_location_of_two_logins_does_as_the_one_says_that_reads_it() -> None:
    reads = LoginStatus(locations={KEY: LocationStatus(up=True)})
    refused = LoginStatus(locations={KEY: LocationStatus(up=False)})
    for statuses in ((reads, refused), (refused, reads)):
        assert location_statuses(statuses) == {KEY: LocationStatus(up=True)}


# -- the machine's clock


def test_a_clock_that_is_put_back_does_not_stop_discovery_and_the_long_reach(
    clock: ManualClock, portal: PortalServer, start_exporter: StartExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = clock.now() + 400 * DAY
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: ahead)
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    monkeypatch.setattr(clock, "now", real)
    looked = portal.portal.calls["user_data", 200]

    clock.advance(DAY + 60)
    exporter.refresh()

    assert portal.portal.calls["user_data", 200] == looked + 1


# -- the channels of a meter


@pytest.mark.parametrize(
    ("channels", "usage", "export"),
    [
        ([(Flow.IMPORT, {}), (Flow.TOTAL, {0: 1.5})], {0: 1.5}, {}),
        ([(Flow.IMPORT, {0: -1.0, 900: 2.0}), (Flow.EXPORT, {})], {0: 0.0, 900: 2.0}, {0: 1.0, 900: 0.0}),
        ([(Flow.IMPORT, {0: 2.0}), (Flow.EXPORT, {0: None}), (Flow.NET, {0: -1.0})], {0: 2.0}, {0: 3.0}),
    ],
)
def test_a_channel_without_a_value_takes_no_energy_away(
    channels: list[tuple[Flow, dict[int, float | None]]], usage: dict[int, float], export: dict[int, float]
) -> None:
    energy = resolve([(Channel("81001", "", "", flow, ""), values) for flow, values in channels])
    assert (energy.usage, energy.export) == (usage, export)


def test_the_cost_of_a_net_series_is_left_out_also_where_only_its_series_says_that_it_is_net() -> None:
    x = WALL.wall(YESTERDAY) * 1000

    def series(number: int, y: float, *, net: bool) -> dict[str, object]:
        return {
            "name": f"M7 - {number}",
            "meterNumber": "M7",
            "channel": number,
            "isNet": net,
            "data": [{"x": x, "y": y}],
        }

    meters = [{"meterNumber": "M7", "seriesId": f"M7 - {number}", "channel": number} for number in (1, 2)]
    ends = {str(x): {"interval": {"start": x, "end": x + 900_000}}}
    usage = {"type": "USAGE", "meters": meters, "xToOrderedInterval": ends}
    cost = {"type": "COST", "series": [series(1, 0.2, net=False), series(2, 0.15, net=True)]}
    answer = decode({"ELECTRIC": [usage | {"series": [series(1, 2.0, net=False), series(2, 1.5, net=True)]}, cost]})

    (meter,) = read_intervals(answer, WALL, YESTERDAY, YESTERDAY + DAY, {}).meters
    assert meter.readings == (Reading(YESTERDAY, YESTERDAY + 900, 2.0, 0.5, 0.2),)


# -- what a login sees


@pytest.mark.parametrize("what", ["nothing", "another location"])
def test_a_list_of_accounts_that_lacks_what_is_wanted_is_asked_for_again_soon(
    clock: ManualClock, portal: PortalServer, start_exporter: StartExporter, what: str
) -> None:
    world = portal.portal.world
    other = (LocationSpec("55009", "79999", (), industries=("WATER",)),) if what == "another location" else ()
    portal.portal.world = replace(world, locations=other)
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    assert exporter.failures() == {"permission": 1.0}

    portal.portal.world = world
    clock.advance(3600)
    exporter.refresh()

    assert exporter.status.up
    assert len(exporter.locations) == len(world.locations)


def test_a_location_whose_login_is_refused_is_read_by_the_next_login_that_sees_it(
    clock: ManualClock, portal: PortalServer, start_exporter: StartExporter
) -> None:
    first, second = login_of(portal, name="first"), login_of(portal, name="second")
    exporter = start_exporter(first, second)
    exporter.refresh_all()
    assert len(exporter.logins[1].status.locations) == 0

    change(portal, sign_in=SignIn.FAILURE)
    clock.advance(3600)
    exporter.refresh(0)
    change(portal, sign_in=SignIn.OK)
    exporter.refresh(1)

    assert len(exporter.logins[1].status.locations) == len(portal.portal.world.locations)


# -- trouble that lasts


def test_old_intervals_are_forgotten_also_while_refreshes_keep_failing(
    clock: ManualClock, portal: PortalServer, start_exporter: StartExporter
) -> None:
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    oldest_day = clock.now()

    def all_but_one_day(call: Call) -> SimulatedResponse | None:
        if not call.path.endswith("/poll"):
            return None
        asked = json.loads(call.body)
        return FAILED if asked["startDateTime"] <= oldest_day * 1000 < asked["endDateTime"] else None

    portal.portal.override = all_but_one_day
    for _ in range(8):
        clock.advance(5 * DAY)
        exporter.refresh()

    starts = [each.start for location in exporter.locations.values() for m in location.meters for each in m.intervals]
    assert min(starts) >= WALL.days_before(int(clock.now()), 36)


def test_after_a_longer_downtime_than_a_refresh_reaches_back_the_backfill_begins_with_it() -> None:
    state = StateFile(None)
    store = SnapshotStore(state, 7 * DAY, lambda _: str(ZONE))
    place = Location(KEY, "", str(ZONE))
    store.merge(place, [Fetched(*quarters(YESTERDAY, 4))], WALL, now=NOW, keep_from=0)
    later = WALL.days_before(int(NOW) + 60 * DAY, 0)
    reached = WALL.days_before(later, 35)
    store.merge(place, [Fetched(*quarters(reached, 96))], WALL, now=later, keep_from=reached)

    assert store.backfill_needed == {KEY: YESTERDAY}
    state.close()


def test_energy_that_moved_to_another_period_leaves_the_old_one_though_that_is_not_mentioned() -> None:
    before = Interval(0, 900, 1.0, 5, periods=(("A", 1.0, 5),))
    moved = Reading(0, 900, 1.0, periods=(("B", 1.0),))
    merged, _ = merge({0: before}, [moved], now=1800.0)
    assert [(name, kwh) for name, kwh, _ in merged[0].periods] == [("A", 0.0), ("B", 1.0)]

    partly = Reading(0, 900, 1.0, periods=(("B", 0.4),))
    merged, _ = merge({0: before}, [partly], now=1800.0)
    assert [(name, kwh) for name, kwh, _ in merged[0].periods] == [("A", 1.0), ("B", 0.4)]


def test_a_mistake_at_one_location_keeps_no_other_from_being_read(
    portal: PortalServer, start_exporter: StartExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = start_exporter(login_of(portal))
    merge_location: Callable[..., object] = exporter.store.merge

    def broken(location: Location, *args: object, **more: object) -> object:
        if location.key.location == "70001":
            raise ZeroDivisionError
        return merge_location(location, *args, **more)

    monkeypatch.setattr(exporter.store, "merge", broken)
    exporter.refresh()

    assert {key.location for key in exporter.locations} == {
        each.number for each in portal.portal.world.locations if each.number != "70001"
    }
    assert exporter.failures() == {"protocol": 1.0}


def test_a_refresh_that_changes_nothing_leaves_the_very_snapshot(
    clock: ManualClock, portal: PortalServer, start_exporter: StartExporter
) -> None:
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    snapshot, number = exporter.store.snapshot, exporter.store.version
    change(portal, lag=clock.now() - exporter.status.last_refresh + 7200.0, poll=Poll.OK)

    exporter.refresh()

    assert exporter.store.snapshot is snapshot
    assert exporter.store.version == number
