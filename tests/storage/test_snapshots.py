"""Where knowledge changes: what a fetch does to snapshot, state, counters and days to do (contract 2 to 4)."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from exporter.intervals.model import Interval, Location, LocationKey, MeterInfo, Reading
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
    readings: tuple[Reading, ...]
    info: MeterInfo = field(default=INFO)


@pytest.fixture
def start_store(tmp_path: Path) -> Iterator[StartStore]:
    """Opens a store on the same folder again, as after a restart."""
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


def intervals(store: SnapshotStore, key: LocationKey = HOUSE) -> tuple[Interval, ...]:
    return store.snapshot.locations[key].meters[0].intervals


# -- locations do not disturb each other


def test_a_merge_leaves_the_other_locations_as_they_are(store: SnapshotStore) -> None:
    put(store, hour(TODAY), key=BARN, name="Barn")
    barn = store.snapshot.locations[BARN]

    put(store, hour(TODAY, 2.0))

    assert store.snapshot.locations[BARN] is barn
    assert [each.usage for each in intervals(store)] == [2.0]


def test_a_reader_keeps_the_snapshot_that_it_took(store: SnapshotStore) -> None:
    put(store, hour(TODAY))
    taken = store.snapshot

    put(store, hour(TODAY, 2.0))

    assert taken.locations[HOUSE].meters[0].intervals[0].usage == 1.0


def test_a_fetch_that_gave_nothing_leaves_all_that_was_known(store: SnapshotStore, start_store: StartStore) -> None:
    put(store, Fetched(hours(TODAY - DAY, 30)))
    before = store.snapshot.locations[HOUSE]

    assert put(store, now=NOW + HOUR) == []

    assert store.snapshot.locations[HOUSE] == before
    assert start_store().snapshot.locations[HOUSE] == before


def test_a_fetch_that_gave_nothing_leaves_a_meter_without_intervals(
    store: SnapshotStore, start_store: StartStore
) -> None:
    put(store, Fetched((), INFO))
    before = store.snapshot.locations[HOUSE]
    assert [meter.info for meter in before.meters] == [INFO]

    put(store, now=NOW + HOUR)

    assert store.snapshot.locations[HOUSE] == before
    assert start_store().snapshot.locations[HOUSE] == before


def test_a_meter_that_the_portal_stops_naming_stays_while_it_has_data(store: SnapshotStore) -> None:
    other = replace(INFO, number="81009")
    put(store, hour(TODAY), Fetched(hours(TODAY, 1), other))

    put(store, hour(TODAY + HOUR))
    assert [meter.info.number for meter in store.snapshot.locations[HOUSE].meters] == ["81001", "81009"]

    put(store, hour(TODAY + 40 * DAY), now=NOW + 40 * DAY)
    assert [meter.info.number for meter in store.snapshot.locations[HOUSE].meters] == ["81001"]


# -- restarts


def test_a_restart_knows_all_at_once(store: SnapshotStore, start_store: StartStore) -> None:
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


def test_a_version_goes_on_counting_after_a_restart(store: SnapshotStore, start_store: StartStore) -> None:
    put(store, hour(TODAY))
    first = intervals(store)[0].usage_k
    again = start_store()

    put(again, hour(TODAY, 2.0))

    assert intervals(again)[0].usage_k == first + 1


def test_only_what_is_configured_is_served_after_a_restart(store: SnapshotStore, start_store: StartStore) -> None:
    put(store, hour(TODAY))
    put(store, hour(TODAY), key=BARN)

    assert list(start_store(lambda key: key == BARN).snapshot.locations) == [BARN]


def test_a_location_that_comes_back_into_the_configuration_has_its_past(
    store: SnapshotStore, start_store: StartStore
) -> None:
    put(store, hour(TODAY))
    without = start_store(lambda key: key == BARN)

    put(without, hour(TODAY + HOUR))

    assert [each.start for each in intervals(without)] == [TODAY, TODAY + HOUR]


def test_no_other_locations_are_served_than_those_that_are_there(store: SnapshotStore) -> None:
    put(store, hour(TODAY))
    put(store, hour(TODAY), key=BARN)

    store.retain([HOUSE, LocationKey("novec", "1", "1")])

    assert list(store.snapshot.locations) == [HOUSE]


def test_what_another_command_wrote_is_taken_over(store: SnapshotStore, start_store: StartStore) -> None:
    other = start_store()
    put(other, hour(TODAY, 3.0))
    assert store.snapshot.locations == {}

    store.reload_if_changed()

    assert store.snapshot == other.snapshot
    taken = store.snapshot
    store.reload_if_changed()
    assert store.snapshot is taken


# -- revisions


def test_revisions_are_counted_by_direction_and_reach(store: SnapshotStore) -> None:
    old, recent = TODAY - 10 * DAY, TODAY - DAY
    put(store, Fetched((*hours(old, 4), *hours(recent, 4))))

    changed = (
        *(Reading(old + at * HOUR, old + (at + 1) * HOUR, usage) for at, usage in enumerate((2.0, 0.5, 1.0004, 1.0))),
        *(
            Reading(recent + at * HOUR, recent + (at + 1) * HOUR, usage)
            for at, usage in enumerate((3.0, 2.0, 0.9, 1.0))
        ),
    )

    assert sorted(put(store, Fetched(changed))) == [
        ("down", "older"),
        ("down", "window"),
        ("up", "older"),
        ("up", "window"),
        ("up", "window"),
    ]
    assert put(store, Fetched(changed)) == []


def test_a_first_fetch_counts_nothing(store: SnapshotStore) -> None:
    assert put(store, Fetched(hours(TODAY - 20 * DAY, 20 * 24))) == []


@pytest.mark.parametrize(("usage", "counted"), [(1.001, ["up"]), (1.0009, []), (0.999, ["down"]), (0.9991, [])])
def test_a_thousandth_of_a_kwh_is_counted_and_less_is_served_all_the_same(
    store: SnapshotStore, usage: float, counted: list[str]
) -> None:
    put(store, hour(TODAY))

    assert put(store, hour(TODAY, usage)) == [(direction, "window") for direction in counted]
    assert intervals(store)[0].usage == usage


def test_reach_is_told_by_the_sample_that_the_window_carries(store: SnapshotStore) -> None:
    edge = NOW - WINDOW
    first = edge - HOUR
    put(store, Fetched(tuple(Reading(first + at, first + at + HOUR, 1.0) for at in (0, HOUR))))

    changed = tuple(Reading(first + at, first + at + HOUR, 2.0) for at in (0, HOUR))

    # The sample of the interval that ended with the window's beginning lies a second before it.
    assert put(store, Fetched(changed)) == [("up", "older"), ("up", "window")]


def test_late_cost_is_no_revision(store: SnapshotStore) -> None:
    put(store, hour(TODAY))

    assert put(store, hour(TODAY, 1.0, cost=0.3)) == []


def test_revisions_are_counted_after_a_restart_too(store: SnapshotStore, start_store: StartStore) -> None:
    put(store, hour(TODAY))

    assert put(start_store(), hour(TODAY, 2.0)) == [("up", "window")]


# -- what only a backfill can bring to the databases


def test_a_first_refresh_needs_no_backfill(store: SnapshotStore) -> None:
    put(store, Fetched(hours(TODAY - 34 * DAY, 34 * 24)))

    assert store.backfill_needed == {}


def test_a_first_refresh_in_two_parts_needs_none_either(store: SnapshotStore) -> None:
    put(store, Fetched(hours(TODAY - 5 * DAY, 5 * 24)))
    put(store, Fetched(hours(TODAY - 34 * DAY, 34 * 24)), now=NOW + 60)

    assert store.backfill_needed == {}


def test_a_change_within_the_window_needs_none(store: SnapshotStore) -> None:
    put(store, Fetched(hours(TODAY - 6 * DAY, 6 * 24)))

    put(store, Fetched(hours(TODAY - 6 * DAY, 6 * 24, 2.0)))

    assert store.backfill_needed == {}


def test_a_revision_older_than_the_window_needs_one_from_its_local_day(
    store: SnapshotStore, start_store: StartStore
) -> None:
    put(store, Fetched(hours(TODAY - 20 * DAY, 20 * 24)))

    put(store, hour(TODAY - 10 * DAY + 9 * HOUR, 2.0))

    assert store.backfill_needed == {HOUSE: TODAY - 10 * DAY}
    assert start_store().backfill_needed == {HOUSE: TODAY - 10 * DAY}


def test_of_several_changes_the_oldest_day_counts(store: SnapshotStore) -> None:
    put(store, Fetched(hours(TODAY - 20 * DAY, 20 * 24)))

    for days in (12, 15, 9):
        put(store, hour(TODAY - days * DAY, 2.0))

    assert store.backfill_needed == {HOUSE: TODAY - 15 * DAY}


def test_each_location_has_its_own(store: SnapshotStore) -> None:
    for key in (HOUSE, BARN):
        put(store, Fetched(hours(TODAY - 20 * DAY, 20 * 24)), key=key)

    put(store, hour(TODAY - 15 * DAY, 2.0), key=BARN)

    assert store.backfill_needed == {BARN: TODAY - 15 * DAY}


@pytest.mark.parametrize("late", [{"cost": 0.1}, {"export": 0.0}], ids=str)
def test_a_value_that_comes_later_than_the_window_needs_one(store: SnapshotStore, late: dict[str, float]) -> None:
    put(store, Fetched(hours(TODAY - 20 * DAY, 20 * 24)))

    put(store, hour(TODAY - 10 * DAY, 1.0, **late))

    assert store.backfill_needed == {HOUSE: TODAY - 10 * DAY}


def test_a_gap_that_is_filled_later_than_the_window_needs_one(store: SnapshotStore) -> None:
    readings = hours(TODAY - 20 * DAY, 20 * 24)
    put(store, Fetched((*readings[:200], *readings[210:])))

    put(store, Fetched(readings))

    assert store.backfill_needed == {HOUSE: TODAY - 12 * DAY}


def test_the_time_of_a_downtime_longer_than_the_window_needs_one(store: SnapshotStore, start_store: StartStore) -> None:
    put(store, Fetched(hours(TODAY - 5 * DAY, 5 * 24)))
    later = NOW + 20 * DAY

    put(again := start_store(), Fetched(hours(TODAY - 5 * DAY, 24 * 24)), now=later)

    assert again.backfill_needed == {HOUSE: TODAY}


def test_a_downtime_shorter_than_the_window_needs_none(store: SnapshotStore, start_store: StartStore) -> None:
    put(store, Fetched(hours(TODAY - 5 * DAY, 5 * 24)))

    put(again := start_store(), Fetched(hours(TODAY - 5 * DAY, 10 * 24)), now=NOW + 5 * DAY)

    assert again.backfill_needed == {}


def test_the_first_export_of_a_signed_meter_needs_one_for_the_zeros_before_it(store: SnapshotStore) -> None:
    put(store, Fetched(hours(TODAY - 20 * DAY, 20 * 24)))
    negative = Fetched((Reading(TODAY, TODAY + HOUR, 0.0, 0.4),), replace(INFO, exports=True))

    put(store, negative)

    assert store.backfill_needed == {HOUSE: TODAY - 20 * DAY}
    assert {each.export for each in intervals(store)[:-1]} == {0.0}


def test_the_day_is_the_local_one(store: SnapshotStore) -> None:
    put(store, Fetched(hours(TODAY - 20 * DAY, 20 * 24)))

    put(store, hour(TODAY - 9 * DAY - HOUR, 2.0))

    assert store.backfill_needed == {HOUSE: TODAY - 10 * DAY}


# -- forgetting


def test_after_35_days_intervals_and_days_are_forgotten(store: SnapshotStore, start_store: StartStore) -> None:
    put(store, Fetched(hours(TODAY - 34 * DAY, 34 * 24 + 12)))
    assert intervals(store)[0].start == TODAY - 34 * DAY

    put(store, hour(TODAY + 10 * DAY), now=NOW + 10 * DAY)

    for each in (store, start_store()):
        assert intervals(each)[0].start == TODAY - 25 * DAY
        assert each.snapshot.locations[HOUSE].meters[0].days[0].start == TODAY - 25 * DAY


def test_a_fetch_that_gave_nothing_forgets_alike_in_memory_and_in_the_state(
    store: SnapshotStore, start_store: StartStore
) -> None:
    put(store, Fetched(hours(TODAY - 34 * DAY, 34 * 24)))

    put(store, now=NOW + 10 * DAY)

    assert dict(start_store().snapshot.locations) == dict(store.snapshot.locations)
