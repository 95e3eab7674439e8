"""What of a chunk is written: its values, their versions, whole days, and where it has holes."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.backfill.chunks import build_chunk, coverage_of, totals_of
from exporter.backfill.fetcher import Fetched
from exporter.backfill.journal import Totals
from exporter.backfill.plan import Job
from exporter.intervals.model import Interval, Location, Meter, MeterInfo, Reading
from exporter.intervals.samples import version
from exporter.portal.history import History
from exporter.portal.readings import MeterReadings
from exporter.portal.walltime import WallClock
from exporter.refresh.schedule import kept_from
from exporter.sinks.base import Chunk
from exporter.storage.snapshots import SnapshotStore
from exporter.storage.state import StateFile

from ..support.jobs import HOUSE, NEW_YORK, instant, job
from ..support.portal_answers import bounds_of
from ..support.worlds import NOW

HOUR, DAY = 3600, 86400
WINDOW = 7 * 86400
WALL = WallClock(ZoneInfo(NEW_YORK))
KEEP_FROM = kept_from(WALL, NOW, WINDOW)
INFO = MeterInfo("81001", ("FORWARD",), step=HOUR)
EXPORTING = replace(INFO, exports=True, flows=("FORWARD", "REVERSE"), signed=False)

OpenStore = Callable[[], SnapshotStore]


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[OpenStore]:
    """Opens the exporter's store on the same folder again, as another process would."""
    with ExitStack() as stack:
        yield lambda: SnapshotStore(
            stack.enter_context(closing(StateFile(tmp_path))), WINDOW, lambda _: "America/New_York"
        )


@pytest.fixture
def store(open_store: OpenStore) -> SnapshotStore:
    return open_store()


def hours(start: int, count: int, usage: float | None = 1.0, **more: float | None) -> list[Reading]:
    return [
        Reading(each, each + HOUR, usage, more.get("export"), more.get("cost"))
        for each in range(start, start + count * HOUR, HOUR)
    ]


def meter(readings: Iterable[Reading], info: MeterInfo = INFO) -> MeterReadings:
    return MeterReadings(info, tuple(readings))


def fetched(whole: Job, *meters: MeterReadings) -> Fetched:
    return Fetched(whole, whole.start, whole.end, History(list(meters)))


def refresh(store: SnapshotStore, *meters: MeterReadings, now: float) -> None:
    """What the exporter does with what it fetches."""
    keep_from = kept_from(WALL, now, WINDOW)
    store.merge(Location(HOUSE, "House", NEW_YORK), meters, WALL, now=now, keep_from=keep_from)


def only(chunk: Chunk) -> Meter:
    (meter,) = chunk.meters
    return meter


def versions(intervals: Iterable[Interval]) -> set[int]:
    return {each.usage_k for each in intervals}


def chunk(store: SnapshotStore, whole: Job, *meters: MeterReadings, now: float = NOW) -> Chunk:
    return build_chunk(fetched(whole, *meters), store, now=now, keep_from=kept_from(WALL, now, WINDOW))


# -- versions


def test_what_is_older_than_the_state_counts_as_first_seen_now(store: SnapshotStore) -> None:
    days = job("2025-01-05", "2025-01-05")
    result = chunk(store, days, meter(hours(days.start, 24, cost=0.25)))
    assert [(each.usage, each.cost) for each in only(result).intervals] == [(1.0, 0.25)] * 24
    for each in only(result).intervals:
        assert each.usage_k == each.cost_k == version(each.end, NOW)
    (day,) = only(result).days
    assert day == Interval(days.start, days.end, 24.0, version(days.end, NOW), cost=6.0, cost_k=version(days.end, NOW))
    assert store.snapshot.locations == {}


def test_the_version_is_that_of_the_contract() -> None:
    # A year and nine days after its end: 1 + floor(998 * ln(1 + 8977) / ln(175201)).
    assert version(NOW - 8977 * HOUR, NOW) == 753


def test_what_the_exporter_knows_keeps_the_version_under_which_it_serves_it(store: SnapshotStore) -> None:
    days = job("2026-01-10", "2026-01-10")
    seen = days.end + 2 * HOUR
    refresh(store, meter(hours(days.start, 24)), now=seen)
    served = store.snapshot.locations[HOUSE].meters[0]
    result = only(chunk(store, days, meter(hours(days.start, 24))))
    assert result.intervals == served.intervals
    assert result.days == served.days
    assert result.intervals[-1].usage_k == version(days.end, seen) < version(days.end, NOW)


def test_a_value_that_the_portal_changed_since_gets_a_later_version_and_the_others_keep_theirs(
    store: SnapshotStore,
) -> None:
    days = job("2026-01-10", "2026-01-10")
    refresh(store, meter(hours(days.start, 24)), now=days.end + 2 * HOUR)
    before = store.snapshot.locations[HOUSE].meters[0].intervals
    readings = hours(days.start, 24)
    readings[5] = replace(readings[5], usage=0.5)
    result = only(chunk(store, days, meter(readings)))
    assert result.intervals[:5] + result.intervals[6:] == before[:5] + before[6:]
    assert (result.intervals[5].usage, result.intervals[5].usage_k) == (0.5, version(readings[5].end, NOW))
    assert result.intervals[5].usage_k > before[5].usage_k
    assert result.days[0].usage == 23.5


def test_a_chunk_over_the_border_of_the_state_has_each_interval_once(store: SnapshotStore) -> None:
    border = WALL.date_text(KEEP_FROM)
    whole = job(WALL.date_text(KEEP_FROM - 40 * HOUR), WALL.date_text(KEEP_FROM + 40 * HOUR))
    assert whole.start < KEEP_FROM == instant(border) < whole.end
    readings = hours(whole.start, (whole.end - whole.start) // HOUR)
    result = only(chunk(store, whole, meter(readings)))
    assert [each.start for each in result.intervals] == [each.start for each in readings]
    assert [each.start for each in result.days] == WALL.midnights(whole.start, whole.end)[:-1]
    known = store.snapshot.locations[HOUSE].meters[0].intervals
    assert [each.start for each in known] == [each.start for each in readings if each.end > KEEP_FROM]


# -- what the exporter learns


def test_a_running_exporter_takes_over_what_a_backfill_brought(store: SnapshotStore, open_store: OpenStore) -> None:
    serving = open_store()
    days = job("2026-01-10", "2026-01-11")
    result = only(chunk(store, days, meter(hours(days.start, 48))))
    assert serving.snapshot.locations == {}
    serving.reload_if_changed()
    (location,) = serving.snapshot.locations.values()
    assert (location.key, location.timezone) == (HOUSE, NEW_YORK)
    assert location.meters[0].intervals == result.intervals
    assert location.meters[0].days == result.days
    assert versions(result.intervals) <= {version(each.end, NOW) for each in result.intervals}


def test_an_exporter_that_saw_a_value_meanwhile_gives_its_version_to_the_backfill(
    store: SnapshotStore, open_store: OpenStore
) -> None:
    days = job("2026-01-10", "2026-01-10")
    refresh(open_store(), meter(hours(days.start, 24)), now=days.end + HOUR)
    result = only(chunk(store, days, meter(hours(days.start, 24))))
    assert result.intervals[0].usage_k == version(result.intervals[0].end, days.end + HOUR)


def test_days_beside_the_chunk_are_learnt_and_not_written(store: SnapshotStore) -> None:
    """Later days are fetched along so that placeholders can be told."""
    days = job("2026-01-10", "2026-01-10")
    result = only(chunk(store, days, meter(hours(days.start, 60))))
    assert {each.start for each in result.intervals} == set(range(days.start, days.end, HOUR))
    assert [each.start for each in result.days] == [days.start]
    assert len(store.snapshot.locations[HOUSE].meters[0].intervals) == 60


def test_a_chunk_forgets_no_other_meter_of_the_location(store: SnapshotStore) -> None:
    days = job("2026-01-10", "2026-01-10")
    other = replace(INFO, number="81009")
    refresh(store, meter(hours(days.start, 24)), meter(hours(days.start, 24), other), now=days.end + HOUR)
    chunk(store, days, meter(hours(days.start, 24)))
    chunk(store, days)
    assert [each.info.number for each in store.snapshot.locations[HOUSE].meters] == ["81001", "81009"]


def test_a_meter_that_is_known_to_export_exports_nothing_in_the_other_hours_of_years_ago(store: SnapshotStore) -> None:
    """Signed meters show export only where there was some; whether there was any is known from other days."""
    recent, old = job("2026-01-10", "2026-01-10"), job("2024-01-10", "2024-01-10")
    signed = replace(INFO, exports=True, signed=True)
    chunk(store, recent, meter(hours(recent.start, 1, None, export=2.0), signed))
    result = only(chunk(store, old, meter(hours(old.start, 24))))
    assert {(each.usage, each.export) for each in result.intervals} == {(1.0, 0.0)}
    assert result.days[0].export == 0.0


def test_what_a_withdrawn_value_was_is_not_written_again(store: SnapshotStore) -> None:
    days = job("2026-01-10", "2026-01-10")
    refresh(store, meter(hours(days.start, 24)), now=days.end + HOUR)
    result = only(chunk(store, days, meter(hours(days.start, 20))))
    assert len(result.intervals) == 20
    assert result.days[0].usage == 24.0


# -- placeholders


def test_zeros_at_the_very_end_are_held_back(store: SnapshotStore) -> None:
    days = job("2026-01-13", "2026-01-13")
    result = only(chunk(store, days, meter(hours(days.start, 20) + hours(days.start + 20 * HOUR, 4, 0.0))))
    assert [each.usage for each in result.intervals] == [1.0] * 20
    assert result.days == ()


def test_zeros_at_the_end_of_a_chunk_count_when_something_follows_them(store: SnapshotStore) -> None:
    days = job("2026-01-13", "2026-01-13")
    after = hours(days.end, 1)
    result = only(chunk(store, days, meter(hours(days.start, 20) + hours(days.start + 20 * HOUR, 4, 0.0) + after)))
    assert [each.usage for each in result.intervals] == [1.0] * 20 + [0.0] * 4
    assert result.days[0].usage == 20.0


def test_zeros_that_are_old_enough_count_at_the_end_of_a_chunk(store: SnapshotStore) -> None:
    for days in (job("2026-01-09", "2026-01-09"), job("2025-01-09", "2025-01-09")):
        result = only(chunk(store, days, meter(hours(days.start, 24, 0.0))))
        assert [each.usage for each in result.intervals] == [0.0] * 24
        assert result.days[0].usage == 0.0


def test_an_interval_that_is_still_running_is_not_written(store: SnapshotStore) -> None:
    today = job("2026-01-14", "2026-01-14")
    result = only(chunk(store, today, meter(hours(today.start, 24)), now=NOW + 100))
    assert len(result.intervals) == 12
    assert result.intervals[-1].end == NOW


# -- days


@pytest.mark.parametrize(("day", "length"), [("2024-03-10", 23), ("2024-11-03", 25), ("2024-03-11", 24)])
def test_a_day_is_whole_with_as_many_hours_as_it_has(store: SnapshotStore, day: str, length: int) -> None:
    days = job(day, day)
    result = only(chunk(store, days, meter(hours(days.start, length))))
    assert [(each.start, each.end, each.usage) for each in result.days] == [(days.start, days.end, float(length))]


def test_a_day_without_one_of_its_intervals_has_no_total(store: SnapshotStore) -> None:
    days = job("2024-03-11", "2024-03-12")
    readings = hours(days.start, 48)
    result = only(chunk(store, days, meter(readings[:7] + readings[8:])))
    assert [each.start for each in result.days] == [instant("2024-03-12")]


# -- figures


def test_figures_are_counts_and_sums_of_all_meters(store: SnapshotStore) -> None:
    days = job("2024-03-11", "2024-03-11")
    solar = replace(EXPORTING, number="81002")
    one = meter(hours(days.start, 24, 0.5, cost=0.25))
    two = meter(hours(days.start, 10, None, export=2.0) + hours(days.start + 10 * HOUR, 2, 1.0, export=0.0), solar)
    assert totals_of(chunk(store, days, one, two)) == Totals(36, 14.0, 20.0, 6.0)
    assert totals_of(chunk(store, days)) == Totals()


# -- holes


def holes(whole: Job, *meters: Meter, newest: float = NOW) -> dict[tuple[str, int], tuple[int, int]]:
    wall = whole.wall
    coverage = coverage_of(Chunk(HOUSE, wall.zone, whole.start, whole.end, meters), wall, newest)
    return {(meter, day): (missing, all_) for meter, day, missing, all_ in coverage.holes}


def stored(readings: Iterable[Reading], info: MeterInfo = INFO) -> Meter:
    return Meter(info, tuple(Interval(each.start, each.end, each.usage, 1) for each in readings))


def test_whole_days_have_no_holes() -> None:
    days = job("2024-03-09", "2024-03-11")
    assert holes(days, stored(hours(days.start, 71))) == {}


def test_a_hole_is_counted_for_the_day_in_which_it_lies() -> None:
    days = job("2024-06-01", "2024-06-03")
    readings = hours(days.start, 72)
    # Two hours before midnight and three after it.
    assert holes(days, stored(readings[:22] + readings[27:])) == {
        ("81001", instant("2024-06-01")): (2, 24),
        ("81001", instant("2024-06-02")): (3, 24),
    }


def test_the_hour_that_does_not_exist_is_no_hole() -> None:
    days = job("2024-03-10", "2024-03-10")
    readings = hours(days.start, 23)
    assert holes(days, stored(readings)) == {}
    assert holes(days, stored(readings[1:])) == {("81001", days.start): (1, 23)}


def test_the_hour_that_occurs_twice_is_there_with_one_of_the_two() -> None:
    days = job("2024-11-03", "2024-11-03")
    readings = hours(days.start, 25)
    assert holes(days, stored(readings)) == {}
    assert holes(days, stored(readings[:2] + readings[3:])) == {}
    assert holes(days, stored(readings[:1] + readings[3:])) == {("81001", days.start): (1, 24)}


def test_a_quarter_hour_is_a_hole_of_its_own() -> None:
    days = job("2024-06-01", "2024-06-01")
    quarters = [Reading(each, each + 900, 1.0) for each in range(days.start, days.end, 900)]
    assert holes(days, stored(quarters[:-1], replace(INFO, step=900))) == {("81001", days.start): (1, 96)}


def test_a_daily_meter_has_one_interval_a_day_also_when_clocks_change() -> None:
    days = job("2024-11-02", "2024-11-04")
    every = [Reading(*bounds_of(date(2024, 11, day), NEW_YORK), 20.0) for day in (2, 3, 4)]
    daily = replace(INFO, step=86400)
    assert holes(days, stored(every, daily)) == {}
    assert holes(days, stored([every[0], every[2]], daily)) == {("81001", instant("2024-11-03")): (1, 1)}


def test_each_meter_has_its_own_holes() -> None:
    days = job("2024-06-01", "2024-06-01")
    second = replace(INFO, number="81002")
    assert holes(days, stored(hours(days.start, 23)), stored(hours(days.start, 12), second)) == {
        ("81001", days.start): (1, 24),
        ("81002", days.start): (12, 24),
    }


def test_what_cannot_be_there_yet_is_no_hole() -> None:
    days = job("2026-01-13", "2026-01-14")
    assert holes(days, stored(hours(days.start, 24))) == {}
    assert holes(days, stored(hours(days.start, 23))) == {("81001", days.start): (1, 24)}


# -- a state that nobody kept up to date


def stale(store: SnapshotStore, *infos: MeterInfo) -> int:
    """A state that was last written 12 days ago, whose rows say 5 kWh an hour; gives where they begin."""
    then = NOW - 12 * DAY
    first = kept_from(WALL, then, WINDOW)
    count = (int(then) - first) // HOUR
    refresh(store, *(meter(hours(first, count, 5.0), info) for info in infos or (INFO,)), now=then)
    (known, *_) = store.snapshot.locations[HOUSE].meters
    assert len(known.intervals) == count
    return first


def test_a_stale_state_stands_neither_beside_nor_over_what_the_portal_gives_now(store: SnapshotStore) -> None:
    first = stale(store)
    assert KEEP_FROM - first == 12 * DAY
    whole = job(WALL.date_text(first - 3 * DAY), WALL.date_text(KEEP_FROM + 4 * DAY))
    readings = hours(whole.start, (whole.end - whole.start) // HOUR, cost=0.25)
    result = chunk(store, whole, meter(readings))
    assert [(each.start, each.end, each.usage, each.cost) for each in only(result).intervals] == [
        (each.start, each.end, 1.0, 0.25) for each in readings
    ]
    assert [(each.start, each.usage, each.cost) for each in only(result).days] == [
        (midnight, 24.0, 6.0) for midnight in WALL.midnights(whole.start, whole.end)[:-1]
    ]
    assert totals_of(result) == Totals(len(readings), len(readings) * 1.0, 0.0, len(readings) * 0.25)
    assert coverage_of(result, WALL, NOW).holes == ()


def test_a_chunk_before_the_border_has_nothing_of_a_stale_state(store: SnapshotStore) -> None:
    first = stale(store)
    before = job(WALL.date_text(first + DAY), WALL.date_text(KEEP_FROM - DAY))
    assert before.end == KEEP_FROM
    readings = hours(before.start, (before.end - before.start) // HOUR)
    whole = chunk(store, before, meter(readings))
    assert [(each.start, each.usage) for each in only(whole).intervals] == [(each.start, 1.0) for each in readings]
    # What the portal does not give any more is not written from the state.
    part = chunk(store, before, meter(readings[:10] + readings[34:]))
    assert [each.start for each in only(part).intervals] == [each.start for each in readings[:10] + readings[34:]]
    assert totals_of(part) == Totals(len(readings) - 24, len(readings) - 24.0)
    assert only(chunk(store, before, meter([]))) == Meter(INFO)


def test_a_stale_state_is_no_reason_to_leave_out_a_meter_or_to_add_one(store: SnapshotStore) -> None:
    other = replace(INFO, number="81009")
    first = stale(store, INFO, other)
    whole = job(WALL.date_text(first), WALL.date_text(KEEP_FROM + DAY))
    count = (whole.end - whole.start) // HOUR
    result = chunk(store, whole, meter(hours(whole.start, count)))
    assert [each.info.number for each in result.meters] == ["81001"]
    assert totals_of(result) == Totals(count, float(count))
    both = chunk(store, whole, meter(hours(whole.start, count)), meter(hours(whole.start, count, 2.0), other))
    assert totals_of(both) == Totals(2 * count, 3.0 * count)


def test_known_hours_of_a_meter_whose_step_changed_do_not_stand_beside_the_new_ones(store: SnapshotStore) -> None:
    first = stale(store)
    whole = job(WALL.date_text(first), WALL.date_text(KEEP_FROM + DAY))
    quarters = [Reading(each, each + 900, 0.25) for each in range(whole.start, whole.end, 900)]
    result = only(chunk(store, whole, meter(quarters, replace(INFO, step=900))))
    assert [(each.start, each.end, each.usage) for each in result.intervals] == [
        (each.start, each.end, 0.25) for each in quarters
    ]
    assert {each.usage for each in result.days} == {24.0}
