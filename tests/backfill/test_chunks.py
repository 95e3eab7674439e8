"""Test how fetched data becomes a chunk: values, versions, full days and coverage."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.backfill.chunks import build_chunk, coverage_of, full_days_of, totals_of
from exporter.backfill.fetcher import Fetched
from exporter.backfill.journal import Coverage, Totals
from exporter.backfill.plan import Job
from exporter.intervals.columns import Intervals
from exporter.intervals.interval import Interval, Reading
from exporter.intervals.model import Location, Meter, MeterInfo
from exporter.intervals.samples import version
from exporter.portal.history import History
from exporter.portal.readings import MeterReadings
from exporter.portal.walltime import WallClock
from exporter.refresh.schedule import kept_from
from exporter.sinks.base import Chunk
from exporter.storage.snapshots import SnapshotStore
from exporter.storage.state import StateFile

from ..support.jobs import HOUSE, NEW_YORK, job
from ..support.worlds import DAY, NOW

HOUR = 3600
WINDOW = 7 * DAY
WALL = WallClock(ZoneInfo(NEW_YORK))
KEEP_FROM = kept_from(WALL, NOW, WINDOW)
INFO = MeterInfo("81001", ("FORWARD",), step=HOUR)

OpenStore = Callable[[], SnapshotStore]


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[OpenStore]:
    """Open the exporter's store on the same folder again, like another process."""
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
    return MeterReadings(info, Intervals.of_readings(readings))


def fetched(whole: Job, *meters: MeterReadings) -> Fetched:
    return Fetched(whole, whole.start, whole.end, History(list(meters)))


def refresh(store: SnapshotStore, *meters: MeterReadings, now: float) -> None:
    """Store readings like the exporter does."""
    keep_from = kept_from(WALL, now, WINDOW)
    store.merge(Location(HOUSE, "House", NEW_YORK), meters, WALL, now=now, keep_from=keep_from)


def only(chunk: Chunk) -> Meter:
    (meter,) = chunk.meters
    return meter


def usages(chunk: Chunk) -> list[float | None]:
    return [each.usage for each in only(chunk).intervals]


def chunk(store: SnapshotStore, whole: Job, *meters: MeterReadings, now: float = NOW) -> Chunk:
    return build_chunk(fetched(whole, *meters), store, now=now, keep_from=kept_from(WALL, now, WINDOW))


# -- versions


def test_data_older_than_the_state_is_first_seen_now(store: SnapshotStore) -> None:
    days = job("2025-01-05", "2025-01-05")
    result = chunk(store, days, meter(hours(days.start, 24, cost=0.25)))
    assert [(each.usage, each.cost) for each in only(result).intervals] == [(1.0, 0.25)] * 24
    for each in only(result).intervals:
        assert each.usage_k == each.cost_k == version(each.end, NOW)
    (day,) = only(result).days
    assert day == Interval(days.start, days.end, 24.0, version(days.end, NOW), cost=6.0, cost_k=version(days.end, NOW))
    assert store.snapshot.locations == {}


def test_known_values_keep_their_versions(store: SnapshotStore, open_store: OpenStore) -> None:
    """The exporter may have seen them after the backfill started."""
    days = job("2026-01-10", "2026-01-10")
    seen = days.end + 2 * HOUR
    serving = open_store()
    refresh(serving, meter(hours(days.start, 24)), now=seen)
    served = serving.snapshot.locations[HOUSE].meters[0]
    result = only(chunk(store, days, meter(hours(days.start, 24))))
    assert result.intervals == served.intervals
    assert result.days == served.days
    assert result.intervals[-1].usage_k == version(days.end, seen) < version(days.end, NOW)


def test_only_a_changed_value_gets_a_later_version(store: SnapshotStore) -> None:
    days = job("2026-01-10", "2026-01-10")
    refresh(store, meter(hours(days.start, 24)), now=days.end + 2 * HOUR)
    before = store.snapshot.locations[HOUSE].meters[0].intervals
    readings = hours(days.start, 24)
    readings[5] = replace(readings[5], usage=0.5)
    result = only(chunk(store, days, meter(readings)))
    assert [*result.intervals[:5], *result.intervals[6:]] == [*before[:5], *before[6:]]
    assert (result.intervals[5].usage, result.intervals[5].usage_k) == (0.5, version(readings[5].end, NOW))
    assert result.days[0].usage == 23.5


def test_a_chunk_across_the_border_has_each_interval_once(store: SnapshotStore) -> None:
    whole = job(WALL.date_text(KEEP_FROM - 40 * HOUR), WALL.date_text(KEEP_FROM + 40 * HOUR))
    assert whole.start < KEEP_FROM < whole.end
    readings = hours(whole.start, (whole.end - whole.start) // HOUR)
    result = only(chunk(store, whole, meter(readings)))
    assert [each.start for each in result.intervals] == [each.start for each in readings]
    assert [each.start for each in result.days] == WALL.midnights(whole.start, whole.end)[:-1]
    known = store.snapshot.locations[HOUSE].meters[0].intervals
    assert [each.start for each in known] == [each.start for each in readings if each.end > KEEP_FROM]


# -- what the exporter learns


def test_a_running_exporter_picks_up_backfilled_values(store: SnapshotStore, open_store: OpenStore) -> None:
    serving = open_store()
    days = job("2026-01-10", "2026-01-11")
    result = only(chunk(store, days, meter(hours(days.start, 48))))
    assert serving.snapshot.locations == {}
    serving.reload_if_changed()
    (location,) = serving.snapshot.locations.values()
    assert (location.key, location.timezone) == (HOUSE, NEW_YORK)
    assert (location.meters[0].intervals, location.meters[0].days) == (result.intervals, result.days)


@pytest.mark.parametrize(("told", "kept"), [(None, "House"), ("", ""), ("Farm", "Farm")])
def test_a_location_keeps_its_name_if_the_portal_gives_none(store: SnapshotStore, told: str | None, kept: str) -> None:
    days = replace(job("2026-01-10", "2026-01-10"), name=told)
    refresh(store, meter(hours(days.start, 24)), now=days.end + HOUR)
    chunk(store, days, meter(hours(days.start, 24)))
    assert store.snapshot.locations[HOUSE].name == kept


def test_days_outside_the_chunk_are_stored_but_not_written(store: SnapshotStore) -> None:
    """Later days are fetched too, to recognize placeholders."""
    days = job("2026-01-10", "2026-01-10")
    result = only(chunk(store, days, meter(hours(days.start, 60))))
    assert {each.start for each in result.intervals} == set(range(days.start, days.end, HOUR))
    assert [each.start for each in result.days] == [days.start]
    assert len(store.snapshot.locations[HOUSE].meters[0].intervals) == 60


def test_other_meters_of_the_location_are_kept(store: SnapshotStore) -> None:
    days = job("2026-01-10", "2026-01-10")
    other = replace(INFO, number="81009")
    refresh(store, meter(hours(days.start, 24)), meter(hours(days.start, 24), other), now=days.end + HOUR)
    chunk(store, days, meter(hours(days.start, 24)))
    chunk(store, days)
    assert [each.info.number for each in store.snapshot.locations[HOUSE].meters] == ["81001", "81009"]


def test_an_exporting_meter_has_zeros_in_old_chunks(store: SnapshotStore) -> None:
    """Signed meters show export only on days on which there is some."""
    recent, old = job("2026-01-10", "2026-01-10"), job("2024-01-10", "2024-01-10")
    signed = replace(INFO, exports=True, signed=True)
    chunk(store, recent, meter(hours(recent.start, 1, None, export=2.0), signed))
    result = only(chunk(store, old, meter(hours(old.start, 24))))
    assert {(each.usage, each.export) for each in result.intervals} == {(1.0, 0.0)}
    assert result.days[0].export == 0.0


def test_withdrawn_values_are_not_written_again(store: SnapshotStore) -> None:
    days = job("2026-01-10", "2026-01-10")
    refresh(store, meter(hours(days.start, 24)), now=days.end + HOUR)
    result = only(chunk(store, days, meter(hours(days.start, 20))))
    assert len(result.intervals) == 20
    assert result.days[0].usage == 24.0


# -- placeholders


@pytest.mark.parametrize(
    ("day", "zeros", "following", "kept"),
    [
        ("2026-01-13", 4, 0, [1.0] * 20),
        ("2026-01-13", 4, 1, [1.0] * 20 + [0.0] * 4),
        ("2026-01-09", 24, 0, [0.0] * 24),
        ("2025-01-09", 24, 0, [0.0] * 24),
    ],
)
def test_recent_zeros_count_only_if_data_follows(
    store: SnapshotStore, day: str, zeros: int, following: int, kept: list[float]
) -> None:
    days = job(day, day)
    end = days.end - zeros * HOUR
    readings = hours(days.start, 24 - zeros) + hours(end, zeros, 0.0) + hours(days.end, following)
    result = chunk(store, days, meter(readings))
    assert usages(result) == kept
    assert [each.usage for each in only(result).days] == ([sum(kept)] if len(kept) == 24 else [])


# -- days


@pytest.mark.parametrize(("day", "length"), [("2024-03-10", 23), ("2024-11-03", 25), ("2024-03-11", 24)])
def test_a_day_is_full_with_23_24_or_25_hours(store: SnapshotStore, day: str, length: int) -> None:
    days = job(day, day)
    readings = hours(days.start, length)
    result = chunk(store, days, meter(readings))
    assert [(each.start, each.end, each.usage) for each in only(result).days] == [(days.start, days.end, float(length))]
    assert full_days_of(result) == {"81001": {days.start}}
    assert full_days_of(chunk(store, days, meter(readings[1:]))) == {"81001": set()}


def test_full_days_are_decided_per_meter_and_day(store: SnapshotStore) -> None:
    days = job("2024-06-01", "2024-06-02")
    second, daily = replace(INFO, number="81002", exports=True), replace(INFO, number="81003", step=DAY)
    readings = hours(days.start, 48)
    result = chunk(
        store,
        days,
        meter(readings[:7] + readings[8:]),
        meter(hours(days.start, 48, None, export=1.0), second),
        meter([Reading(days.start, days.start + DAY, 20.0)], daily),
    )
    first, last = days.start, days.start + DAY
    assert full_days_of(result) == {"81001": {last}, "81002": {first, last}, "81003": {first}}


def test_coverage_has_the_span_of_energy_and_one_way_meters(store: SnapshotStore) -> None:
    days = job("2024-06-01", "2024-06-01")
    costs = hours(days.start, 3, None, cost=1.0)
    exporting = replace(INFO, number="81002", exports=True)
    unsigned, nothing = replace(INFO, number="81003", signed=False), replace(INFO, number="81004")
    result = chunk(
        store,
        days,
        meter(costs + hours(days.start + 3 * HOUR, 5)),
        *(meter(hours(days.start, 1), info) for info in (exporting, unsigned)),
        meter(costs, nothing),
    )
    first = days.start, days.start + HOUR
    assert coverage_of(result) == Coverage(
        {"81001": (days.start + 3 * HOUR, days.start + 8 * HOUR), "81002": first, "81003": first}, ("81001", "81004")
    )


# -- totals


def test_totals_are_counts_and_sums_of_all_meters(store: SnapshotStore) -> None:
    days = job("2024-03-11", "2024-03-11")
    solar = replace(INFO, number="81002", exports=True, signed=False)
    one = meter(hours(days.start, 24, 0.5, cost=0.25))
    two = meter(hours(days.start, 10, None, export=2.0) + hours(days.start + 10 * HOUR, 2, 1.0, export=0.0), solar)
    assert totals_of(chunk(store, days, one, two)) == Totals(36, 14.0, 20.0, 6.0)
    assert totals_of(chunk(store, days)) == Totals()


def test_totals_leave_out_what_a_submeter_repeats(store: SnapshotStore) -> None:
    days = job("2024-03-11", "2024-03-11")
    barn = replace(INFO, number="B7001", parents=(INFO.number,))
    house, inside = meter(hours(days.start, 24, 0.5, cost=0.25)), meter(hours(days.start, 24, 0.25, cost=0.125), barn)
    assert totals_of(chunk(store, days, house, inside)) == Totals(48, 12.0, 0.0, 6.0)
    assert totals_of(chunk(store, days, inside)) == Totals(24, 6.0, 0.0, 3.0)


# -- a state that was not kept up to date


def stale(store: SnapshotStore, *infos: MeterInfo) -> int:
    """Create a state last written 12 days ago with 5 kWh per hour.

    Return where it starts.
    """
    then = NOW - 12 * DAY
    first = kept_from(WALL, then, WINDOW)
    count = (int(then) - first) // HOUR
    refresh(store, *(meter(hours(first, count, 5.0), info) for info in infos or (INFO,)), now=then)
    (known, *_) = store.snapshot.locations[HOUSE].meters
    assert len(known.intervals) == count
    return first


def test_a_stale_state_neither_adds_nor_hides_values(store: SnapshotStore) -> None:
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


def test_a_chunk_before_the_border_ignores_a_stale_state(store: SnapshotStore) -> None:
    first = stale(store)
    before = job(WALL.date_text(first + DAY), WALL.date_text(KEEP_FROM - DAY))
    assert before.end == KEEP_FROM
    readings = hours(before.start, (before.end - before.start) // HOUR)
    whole = chunk(store, before, meter(readings))
    assert [(each.start, each.usage) for each in only(whole).intervals] == [(each.start, 1.0) for each in readings]
    # Values that the portal no longer returns are not written from the state.
    part = chunk(store, before, meter(readings[:10] + readings[34:]))
    assert [each.start for each in only(part).intervals] == [each.start for each in readings[:10] + readings[34:]]
    assert totals_of(part) == Totals(len(readings) - 24, len(readings) - 24.0)
    assert only(chunk(store, before, meter([]))) == Meter.of(INFO)


def test_known_hours_are_not_written_beside_new_quarters(store: SnapshotStore) -> None:
    first = stale(store)
    whole = job(WALL.date_text(first), WALL.date_text(KEEP_FROM + DAY))
    quarters = [Reading(each, each + 900, 0.25) for each in range(whole.start, whole.end, 900)]
    result = only(chunk(store, whole, meter(quarters, replace(INFO, step=900))))
    assert [(each.start, each.end, each.usage) for each in result.intervals] == [
        (each.start, each.end, 0.25) for each in quarters
    ]
    assert {each.usage for each in result.days} == {24.0}
