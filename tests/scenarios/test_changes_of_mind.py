"""Changes: of resolution, zone, clock, channels, and the locations of a login."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.intervals.columns import Intervals
from exporter.intervals.interval import Interval, Reading
from exporter.intervals.model import Location, LocationKey, Meter, MeterInfo
from exporter.intervals.samples import version
from exporter.portal.directions import Channel, Flow, resolve
from exporter.portal.readings import read_intervals
from exporter.portal.usage import decode
from exporter.portal.walltime import WallClock
from exporter.refresh.status import LocationStatus, LoginStatus, location_statuses
from exporter.simulator.portal import Call, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Hourly, Poll, SignIn
from exporter.simulator.specs import LocationSpec
from exporter.storage.snapshots import SnapshotStore
from exporter.storage.state import StateFile

from ..support.clocks import ManualClock
from ..support.exporter import StartExporter
from ..support.portal import change, login_of
from ..support.worlds import DAY, NOW, WALL, ZONE

pytestmark = pytest.mark.slow

KEY = LocationKey("novec", "55001", "70001")
YESTERDAY = WALL.days_before(int(NOW), 1)
FAILED = SimulatedResponse(200, b'{"status": "FAILED"}')


class Fetched:
    """What a fetch returns for one meter."""

    def __init__(self, *readings: Reading, step: int = 900) -> None:
        self.info = MeterInfo("81001", ("FORWARD",), step=step)
        self.readings = Intervals.of_readings(readings)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateFile]:
    with closing(StateFile(tmp_path)) as state:
        yield state


@pytest.fixture
def store(state: StateFile) -> SnapshotStore:
    return SnapshotStore(state, 7 * DAY, lambda _: str(ZONE))


def put(store: SnapshotStore, *readings: Reading, step: int = 900, zone: ZoneInfo = ZONE) -> Meter:
    """Merge the readings of one meter and return what is known of it."""
    store.merge(Location(KEY, "", zone.key), [Fetched(*readings, step=step)], WallClock(zone), now=NOW, keep_from=0)
    (meter,) = store.snapshot.locations[KEY].meters
    return meter


def quarters(start: int, count: int, usage: float = 0.25) -> list[Reading]:
    return [Reading(each, each + 900, usage) for each in range(start, start + count * 900, 900)]


# -- the resolution of a meter


def test_a_day_split_into_quarters_counts_energy_once(state: StateFile, store: SnapshotStore) -> None:
    (day,) = put(store, Reading(YESTERDAY, YESTERDAY + DAY, 30.0), step=DAY).intervals
    meter = put(store, *quarters(YESTERDAY, 96))

    assert [each.start for each in meter.intervals] == list(range(YESTERDAY, YESTERDAY + DAY, 900))
    assert [day.usage for day in meter.days] == [24.0]
    # The sample of the last quarter stands in the same second as that of the day.
    assert meter.intervals[-1].usage_k == day.usage_k + 1
    assert meter.intervals[0].usage_k == version(YESTERDAY + 900, NOW)
    assert state.locations() == [*store.snapshot.locations.values()]


def test_an_interval_with_a_new_length_loses_its_periods(state: StateFile, store: SnapshotStore) -> None:
    put(store, Reading(YESTERDAY, YESTERDAY + 3600, 1.0, periods=(("A", 1.0),)))
    put(store, Reading(YESTERDAY, YESTERDAY + 900, 0.5, periods=(("B", 0.5),)))

    assert [name for name, _, _ in state.locations()[0].meters[0].intervals[0].periods] == ["B"]


def test_a_meter_whose_hours_fail_does_not_become_daily(
    clock: ManualClock, portal: PortalServer, start_exporter: StartExporter
) -> None:
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    before = dict(exporter.locations)

    change(portal, hourly=Hourly.FAILED)
    exporter.refresh()
    assert exporter.failures() == {"protocol": 1.0}
    assert exporter.locations == before

    change(portal, hourly=Hourly.OK)
    clock.advance(3600)
    exporter.refresh()
    assert exporter.status.up
    assert {meter.info.step for location in exporter.locations.values() for meter in location.meters} == {3600}


# -- the time zone


def test_a_corrected_zone_leaves_no_days_of_the_wrong_one(state: StateFile, store: SnapshotStore) -> None:
    hours = range(NOW // DAY * DAY - 6 * DAY, NOW - 3600, 3600)
    readings = [Reading(each, each + 3600, 1.0) for each in hours]
    corrected = ZoneInfo("America/Los_Angeles")
    put(store, *readings, step=3600)
    meter = put(store, *readings, step=3600, zone=corrected)

    assert len(meter.days) >= 4
    assert [day.start for day in meter.days] == [WallClock(corrected).day(day.start).start for day in meter.days]
    assert [location.timezone for location in state.locations()] == [corrected.key]


def test_values_of_a_corrected_zone_replace_earlier_ones(state: StateFile, store: SnapshotStore) -> None:
    def intervals(zone: str, *, shifted: int) -> dict[int, Interval]:
        """Store the same wall-clock hours in a zone and return their intervals by end."""
        hours = range(YESTERDAY - 3 * DAY + shifted, YESTERDAY + shifted, 3600)
        # The usage changes every four hours, the cost never.
        readings = [Reading(each, each + 3600, (each - shifted) // 14_400 % 50 / 10, cost=1.5) for each in hours]
        return {each.end: each for each in put(store, *readings, step=3600, zone=ZoneInfo(zone)).intervals}

    wrong, right = intervals("America/Chicago", shifted=3600), intervals("America/New_York", shifted=0)
    common = wrong.keys() & right.keys()
    changed = {end for end in common if wrong[end].usage != right[end].usage}
    assert (len(common), len(changed) > 10) == (71, True)
    for end in common:
        assert right[end].usage_k == wrong[end].usage_k + (end in changed)
        assert (right[end].cost, right[end].cost_k) == (wrong[end].cost, wrong[end].cost_k)
    assert state.locations() == [*store.snapshot.locations.values()]


def test_data_stored_with_another_zone_is_not_served(
    state: StateFile, store: SnapshotStore, caplog: pytest.LogCaptureFixture
) -> None:
    put(store, *quarters(YESTERDAY, 4))

    assert SnapshotStore(state, 7 * DAY, lambda _: str(ZONE)).snapshot.locations.keys() == {KEY}
    assert not caplog.records
    assert SnapshotStore(state, 7 * DAY, lambda _: "America/Denver").snapshot.locations == {}
    (warning,) = (record.getMessage() for record in caplog.records)
    assert "location 70001 of account 55001" in warning
    assert ("America/New_York" in warning, "America/Denver" in warning) == (True, True)


def test_the_login_that_reads_a_location_decides_its_status() -> None:
    reads = LoginStatus(locations={KEY: LocationStatus(up=True)})
    refused = LoginStatus(locations={KEY: LocationStatus(up=False)})
    for statuses in ((reads, refused), (refused, reads)):
        assert location_statuses(statuses) == {KEY: LocationStatus(up=True)}


# -- the machine's clock


def test_a_clock_set_back_does_not_stop_the_full_refreshes(
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
def test_a_channel_without_a_value_removes_no_energy(
    channels: list[tuple[Flow, dict[int, float | None]]], usage: dict[int, float], export: dict[int, float]
) -> None:
    energy = resolve([(Channel("81001", "", "", flow, ""), values) for flow, values in channels])
    assert (energy.usage, energy.export) == (usage, export)


def test_the_cost_of_a_net_series_is_left_out() -> None:
    """Even where only the series, not its meter, is marked as net."""
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
    assert meter.readings == Intervals.of_readings((Reading(YESTERDAY, YESTERDAY + 900, 2.0, 0.5, 0.2),))


# -- what a login sees


@pytest.mark.parametrize("what", ["nothing", "another location"])
def test_a_list_without_the_location_is_read_again_soon(
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


def test_a_rejected_login_leaves_its_location_to_the_next(
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


# -- failures that last


def test_old_intervals_are_dropped_while_refreshes_fail(
    clock: ManualClock, portal: PortalServer, start_exporter: StartExporter, monkeypatch: pytest.MonkeyPatch
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


def test_a_bug_at_one_location_does_not_stop_the_others(
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


def test_a_refresh_without_news_keeps_the_same_snapshot(
    clock: ManualClock, portal: PortalServer, start_exporter: StartExporter
) -> None:
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    snapshot, number = exporter.store.snapshot, exporter.store.version
    change(portal, lag=clock.now() - exporter.status.last_refresh + 7200.0, poll=Poll.OK)

    exporter.refresh()

    assert exporter.store.snapshot is snapshot
    assert exporter.store.version == number
