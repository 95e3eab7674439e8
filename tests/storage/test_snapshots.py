"""What a fetch changes: snapshot, state, revisions and days to backfill."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from cProfile import Profile
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from exporter.intervals.columns import Intervals
from exporter.intervals.interval import Interval, Reading
from exporter.intervals.model import Location, LocationKey, MeterInfo
from exporter.storage.snapshots import SnapshotStore
from exporter.storage.state import StateFile

from ..support.worlds import DAY, NOW, WALL, ZONE

HOUR = 3600
WINDOW = 7 * DAY
TODAY = WALL.day(NOW).start
HOUSE = LocationKey("novec", "55001", "70001")
BARN = LocationKey("novec", "55002", "70002")
INFO = MeterInfo("81001", ("FORWARD",), step=HOUR)

StartStore = Callable[..., SnapshotStore]


@dataclass(frozen=True)
class Fetched:
    given: tuple[Reading, ...]
    info: MeterInfo = field(default=INFO)

    @property
    def readings(self) -> Intervals:
        return Intervals.of_readings(self.given)


@pytest.fixture
def start_store(tmp_path: Path) -> Iterator[StartStore]:
    """Return a function that opens a store on the same directory, as after a restart."""
    with ExitStack() as stack:

        def start(wanted: Callable[[LocationKey], bool] = lambda _: True, window: int = WINDOW) -> SnapshotStore:
            state = stack.enter_context(closing(StateFile(tmp_path)))
            return SnapshotStore(state, window, lambda key: str(ZONE) if wanted(key) else None)

        yield start


@pytest.fixture
def store(start_store: StartStore) -> SnapshotStore:
    return start_store()


def put(
    store: SnapshotStore, *fetched: Fetched, key: LocationKey = HOUSE, now: float = NOW, name: str = "House"
) -> list[tuple[str, str]]:
    keep_from = WALL.days_before(int(now), 35)
    return store.merge(Location(key, name, str(ZONE)), fetched, WALL, now=now, keep_from=keep_from)


def hours(
    start: int, count: int, usage: float | None = 1.0, export: float | None = None, cost: float | None = None
) -> tuple[Reading, ...]:
    return tuple(Reading(at, at + HOUR, usage, export, cost) for at in range(start, start + count * HOUR, HOUR))


def hour(start: int, usage: float | None = 1.0, **values: float) -> Fetched:
    return Fetched(hours(start, 1, usage, **values))


def intervals(store: SnapshotStore, key: LocationKey = HOUSE) -> list[Interval]:
    return list(store.snapshot.locations[key].meters[0].intervals)


# -- what a fetch leaves alone


def test_an_empty_fetch_keeps_everything_known(store: SnapshotStore, start_store: StartStore) -> None:
    put(store, Fetched(hours(TODAY - DAY, 30)), Fetched((), replace(INFO, number="81009")))
    before = store.snapshot.locations[HOUSE]

    assert put(store, now=NOW + HOUR) == []

    assert store.snapshot.locations[HOUSE] == before
    assert start_store().snapshot.locations[HOUSE] == before

    put(store, now=NOW + 40 * DAY)

    assert not intervals(store)
    assert dict(start_store().snapshot.locations) == dict(store.snapshot.locations)


def test_an_unlisted_meter_stays_while_it_has_data(store: SnapshotStore) -> None:
    other = replace(INFO, number="81009")
    put(store, hour(TODAY), Fetched(hours(TODAY, 1), other))

    put(store, hour(TODAY + HOUR))
    assert [meter.info.number for meter in store.snapshot.locations[HOUSE].meters] == ["81001", "81009"]

    put(store, hour(TODAY + 40 * DAY), now=NOW + 40 * DAY)
    assert [meter.info.number for meter in store.snapshot.locations[HOUSE].meters] == ["81001"]


# -- cost


def test_a_merge_costs_the_same_however_many_locations(store: SnapshotStore) -> None:
    keys = [LocationKey("novec", "55001", f"{number:05}") for number in range(100)]

    def calls(count: int) -> int:
        """Return how many functions a change in the last location, on another day to backfill, calls."""
        for key in keys[len(store.snapshot.locations) : count]:
            put(store, Fetched(hours(TODAY - 20 * DAY, 1) + hours(TODAY - 10 * DAY, 1)), key=key)
            put(store, hour(TODAY - 10 * DAY, 2.0), key=key)
        profile = Profile(builtins=False)
        profile.enable()
        put(store, hour(TODAY - 20 * DAY, 3.0), key=keys[count - 1])
        profile.disable()
        assert len(store.snapshot.locations) == len(store.backfill_needed) == count
        return sum(each.callcount for each in profile.getstats())

    calls(5)  # fills caches
    few = calls(10)
    assert calls(100) < 1.05 * few


# -- restarts


def test_a_restart_restores_the_snapshot(store: SnapshotStore, start_store: StartStore) -> None:
    rng = random.Random(5)
    now = NOW
    for _ in range(40):
        now += rng.choice((HOUR, 5 * HOUR, DAY))
        start = WALL.days_before(now, rng.randrange(1, 9)) + rng.randrange(24) * HOUR
        readings = tuple(
            Reading(
                at,
                at + HOUR,
                rng.choice((None, 0.0, round(rng.random(), 2))),
                rng.choice((None, 0.0, round(rng.random(), 2))),
                rng.choice((None, -0.04, 0.11)),
                rng.choice(((), (("On", 0.5),), (("On", 0.0), ("Off", 0.25)))),
            )
            for at in range(start, start + 30 * HOUR, HOUR)
        )
        info = MeterInfo(rng.choice("ab"), ("FORWARD",), exports=rng.random() < 0.3, step=HOUR)
        put(store, Fetched(readings, info), key=rng.choice((HOUSE, BARN)), now=now)

        again = start_store()
        assert dict(again.snapshot.locations) == dict(store.snapshot.locations)
        assert again.backfill_needed == store.backfill_needed


def test_only_locations_that_are_read_are_served(store: SnapshotStore, start_store: StartStore) -> None:
    for key in (HOUSE, BARN):
        put(store, Fetched(hours(TODAY - 20 * DAY, 20 * 24)), key=key)
        put(store, hour(TODAY - 15 * DAY, 2.0), key=key)
    again = start_store(lambda key: key == BARN)
    assert list(again.snapshot.locations) == list(again.backfill_needed) == [BARN]

    store.retain([HOUSE, LocationKey("novec", "1", "1")])
    assert list(store.snapshot.locations) == [HOUSE]


def test_a_location_that_is_configured_again_keeps_its_data(store: SnapshotStore, start_store: StartStore) -> None:
    put(store, hour(TODAY))
    without = start_store(lambda key: key == BARN)

    put(without, hour(TODAY + HOUR))

    assert [each.start for each in intervals(without)] == [TODAY, TODAY + HOUR]


def test_data_written_by_another_command_is_loaded(store: SnapshotStore, start_store: StartStore) -> None:
    other = start_store()
    put(other, hour(TODAY, 3.0))
    assert store.snapshot.locations == {}

    store.reload_if_changed()

    assert store.snapshot == other.snapshot
    taken = store.snapshot
    version = store.version
    store.reload_if_changed()
    assert (store.snapshot, store.version) == (taken, version)
    assert store.snapshot is taken


def test_the_version_changes_with_what_is_served(store: SnapshotStore, start_store: StartStore) -> None:
    versions = [store.version]

    def note() -> None:
        versions.append(store.version)

    put(store, Fetched(hours(TODAY - 20 * DAY, 20 * 24)))
    note()
    put(store, hour(TODAY - 10 * DAY, 2.0))
    note()
    put(start_store(), hour(TODAY - 12 * DAY, 2.0))
    store.reload_if_changed()
    note()
    store.retain([])
    note()
    assert versions == sorted(set(versions))

    store.retain([])
    assert store.version == versions[-1]


def test_a_merge_loads_data_of_other_commands_first(store: SnapshotStore, start_store: StartStore) -> None:
    put(start_store(), hour(TODAY, 3.0))

    put(store, hour(TODAY + HOUR))

    assert [each.usage for each in intervals(store)] == [3.0, 1.0]


# -- revisions


def test_revisions_have_a_direction_and_a_reach(store: SnapshotStore) -> None:
    # The sample of the interval that ends at the start of the window is one second before it.
    start = NOW - WINDOW - HOUR
    put(store, Fetched(hours(start, 3)))

    changed = Fetched((*hours(start, 1, 2.0), *hours(start + HOUR, 1, 0.5), *hours(start + 2 * HOUR, 1, 1.0004)))

    assert put(store, changed) == [("up", "older"), ("down", "window")]
    assert put(store, changed) == []


# -- what needs a backfill


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        pytest.param((), None, id="a first refresh"),
        pytest.param(hours(TODAY - 22 * DAY, 48), None, id="older than everything known"),
        pytest.param(hours(TODAY - 6 * DAY, 24, 2.0), None, id="a revision in the window"),
        pytest.param(hours(TODAY - 10 * DAY + 9 * HOUR, 1, 2.0), 10, id="an older revision"),
        pytest.param(hours(TODAY - 9 * DAY - HOUR, 1, 2.0), 10, id="at the end of the local day"),
        pytest.param(hours(TODAY - 10 * DAY, 1, cost=0.1), 10, id="an older cost"),
        pytest.param(hours(TODAY - 10 * DAY, 1, export=0.0), 10, id="an older export"),
        pytest.param(hours(TODAY - 8 * DAY + 12 * HOUR, 1), 8, id="an older gap that closes"),
    ],
)
def test_a_late_change_outside_the_window_needs_a_backfill(
    store: SnapshotStore, start_store: StartStore, change: tuple[Reading, ...], needed: int | None
) -> None:
    readings = list(hours(TODAY - 20 * DAY, 20 * 24))
    del readings[-8 * 24 + 12]
    put(store, Fetched(tuple(readings)))

    put(store, Fetched(change))

    expected = {} if needed is None else {HOUSE: TODAY - needed * DAY}
    assert store.backfill_needed == start_store().backfill_needed == expected


@pytest.mark.parametrize(("days", "needed"), [(5, {}), (20, {HOUSE: TODAY})], ids=["shorter", "longer"])
def test_a_downtime_longer_than_the_window_needs_a_backfill(
    store: SnapshotStore, start_store: StartStore, days: int, needed: dict[LocationKey, int]
) -> None:
    put(store, Fetched(hours(TODAY - 5 * DAY, 5 * 24)))

    put(again := start_store(), Fetched(hours(TODAY - 5 * DAY, (5 + days) * 24)), now=NOW + days * DAY)

    assert again.backfill_needed == needed


def test_a_downtime_beyond_a_refresh_needs_a_backfill(store: SnapshotStore) -> None:
    put(store, Fetched(hours(TODAY - 5 * DAY, 5 * 24 + 1)))

    put(store, hour(TODAY + 39 * DAY), now=NOW + 40 * DAY)

    assert store.backfill_needed == {HOUSE: TODAY}


def test_zeros_before_the_first_export_need_a_backfill(store: SnapshotStore, start_store: StartStore) -> None:
    put(store, Fetched(hours(TODAY - 20 * DAY, 20 * 24)))
    put(store, Fetched((Reading(TODAY - DAY, TODAY - DAY + HOUR, 1.0, periods=(("On", 1.0),)),)))
    readings = (
        Reading(TODAY - DAY, TODAY - DAY + HOUR, 2.0, periods=(("On", 2.0),)),
        Reading(TODAY, TODAY + HOUR, 0.0, 0.4),
    )

    put(store, Fetched(readings, replace(INFO, exports=True)))

    assert store.backfill_needed == {HOUSE: TODAY - 20 * DAY}
    assert {each.export for each in intervals(store)[:-1]} == {0.0}
    assert start_store().snapshot.locations == store.snapshot.locations
