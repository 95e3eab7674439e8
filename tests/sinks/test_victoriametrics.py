"""Test writing to VictoriaMetrics and reading back."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

import pytest

from exporter.config import VictoriaMetricsConfig
from exporter.errors import DatabaseError
from exporter.intervals.interval import Interval
from exporter.intervals.model import LocationKey
from exporter.sinks.base import Chunk
from exporter.sinks.victoriametrics import VictoriaMetricsSink

from ..support.chunks import HOUR, KEY, chunk, meter, usage
from ..support.clocks import ManualClock
from ..support.http_server import Asked
from ..support.metrics_double import MONTH, Labels, MetricsDouble
from ..support.worlds import DAY, NOW, instant

USAGE, WATTS, EXPORT, COST = (
    f"smarthub_interval_{name}" for name in ("usage_kwh", "usage_watts", "export_kwh", "cost_usd")
)
TOU, DAY_USAGE = "smarthub_interval_tou_usage_kwh", "smarthub_day_usage_kwh"
LOCATION_INFO, METER_INFO = "smarthub_day_location_info", "smarthub_day_meter_info"
LOCATION, ELECTRIC = KEY.labels(), {"industry": "electric"}
LABELS = {"portal": "novec", "account": "0012345001", "location": "70001", "meter": "M1"}
START = instant("2026-01-10")


Open = Callable[..., VictoriaMetricsSink]


@pytest.fixture
def vm(clock: ManualClock) -> Iterator[MetricsDouble]:
    with MetricsDouble(clock) as double:
        yield double


@pytest.fixture
def open_sink(vm: MetricsDouble, clock: ManualClock) -> Iterator[Open]:
    with ExitStack() as stack:

        def start(url: str = "", **settings: object) -> VictoriaMetricsSink:
            sink = VictoriaMetricsSink(VictoriaMetricsConfig(url or vm.url, **settings), clock)  # type: ignore[arg-type]
            stack.callback(sink.close)
            sink.open(START)
            return sink

        yield start


@pytest.fixture
def sink(open_sink: Open) -> VictoriaMetricsSink:
    return open_sink()


def hours(*kwh: float, k: int = 7, start: int = START) -> list[Interval]:
    return [replace(usage(start + number * HOUR, each), usage_k=k) for number, each in enumerate(kwh)]


def of(*intervals: Interval, number: str = "M1") -> Chunk:
    return chunk("2026-01-10", meter(number, intervals))


def stamp(number: int, k: int = 7, start: int = START) -> int:
    """Return the timestamp of an hour and version."""
    return (start + (number + 1) * HOUR) * 1000 - 1000 + k


def refusal(action: Callable[[], object]) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught:
        action()
    return caught.value


def classified(*periods: tuple[str, float, int]) -> Chunk:
    """Return one hour of 1.5 kWh with its rate periods."""
    return of(replace(usage(START, 1.5), periods=periods))


def stored_periods(vm: MetricsDouble) -> dict[str, tuple[int, float]]:
    """Return the last version of each rate period in that hour."""
    return {
        dict(series)["period"]: max(samples.items())
        for series, samples in vm.held.items()
        if dict(series)["__name__"] == "smarthub_interval_tou_usage_kwh"
    }


# -- before the first sample


@pytest.mark.parametrize(
    ("flags", "days", "noted"),
    [
        ('-retentionPeriod="30d"\n', 29, 0),
        ('-retentionPeriod="30d"\n', 31, 30),
        ('-retentionPeriod="1"\n', 32, 31),
        ('-httpListenAddr=":8428"\n', 32, 31),
        (None, 4000, 0),
    ],
)
def test_a_short_retention_is_reported_first(
    vm: MetricsDouble, clock: ManualClock, flags: str | None, days: int, noted: int
) -> None:
    vm.flags = flags
    told = (
        f"retention is {noted} days (-retentionPeriod); older samples are silently dropped: start it with"
        " -retentionPeriod=10y first"
    )
    with closing(VictoriaMetricsSink(VictoriaMetricsConfig(vm.url), clock)) as sink:
        # Journals of earlier versions have this name.
        assert sink.name == f"victoriametrics {vm.url}"
        assert sink.title == f"VictoriaMetrics at {vm.url}"
        assert sink.open(NOW - days * DAY) == ([told] if noted else [])
    assert [call.path for call in vm.calls] == ["/api/v1/query", "/api/v1/status/flags", "/flags"]


def test_vminsert_alone_is_refused_with_advice(open_sink: Open) -> None:
    assert str(refusal(lambda: open_sink("http://127.0.0.1:9/insert/0/prometheus"))) == (
        "victoriametrics http://127.0.0.1:9: url points to vminsert, which cannot be queried; set query_url,"
        " such as http://vmselect:8481/select/0/prometheus, with the same tenant as url"
    )


# -- what is sent


def test_every_value_has_its_name_and_time(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    first = Interval(START, START + HOUR, 1.25, 3, 0.5, 4, 0.125, 5, (("On Peak", 1.25, 6),))
    whole = Interval(START, START + DAY, 24.0, 2, 0.5, 2, 3.5, 2)
    written = sink.write(chunk("2026-01-10", meter("M1", [first], [whole])))
    assert {dict(labels)["__name__"]: samples for labels, samples in vm.held.items()} == {
        USAGE: {stamp(0, 3): 1.25},
        WATTS: {stamp(0, 3): 1250.0},
        EXPORT: {stamp(0, 4): 0.5},
        COST: {stamp(0, 5): 0.125},
        TOU: {stamp(0, 6): 1.25},
        DAY_USAGE: {stamp(23, 2): 24.0},
        "smarthub_day_export_kwh": {stamp(23, 2): 0.5},
        "smarthub_day_cost_usd": {stamp(23, 2): 3.5},
        LOCATION_INFO: {stamp(23, 2): 1.0},
        METER_INFO: {stamp(23, 2): 1.0},
    }
    own = {TOU: {**LABELS, "period": "On Peak"}, LOCATION_INFO: LOCATION, METER_INFO: {**LABELS, **ELECTRIC}}
    for labels in vm.held:
        name = dict(labels)["__name__"]
        assert dict(labels) == {"__name__": name, **own.get(name, LABELS)}
    assert (written.key, written.start, written.end) == (KEY, START, START + DAY)
    assert (written.samples, written.corrected, written.gone) == (10, 0, 0)


def test_a_new_name_is_added_and_the_old_one_kept(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    days = chunk("2026-01-10", meter("M1", (), [usage(START, 24.0, DAY)]))
    sink.write(replace(days, name="Barn"))
    written = sink.write(replace(days, name="Farm"))
    assert (written.samples, written.corrected, written.gone) == (1, 0, 0)
    names = {dict(labels).get("name") for labels in vm.held if dict(labels)["__name__"] == LOCATION_INFO}
    assert names == {"Barn", "Farm"}
    assert sink.write(replace(days, name="Farm")).samples == 0


def test_an_empty_chunk_sends_nothing(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    written = sink.write(chunk("2026-01-10"))
    assert (written.samples, vm.count("/api/v1/import"), sink.still_holds(written)) == (0, 0, True)


def test_long_series_are_split_at_ten_thousand_samples(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    intervals = [usage(START + number * 300, 1.0, 300) for number in range(10_001)]
    assert sink.write(chunk("2026-01-10", meter("M1", intervals), days=36)).samples == 20_002
    (call,) = [call for call in vm.calls if call.path == "/api/v1/import"]
    assert sorted(len(line["timestamps"]) for line in call.lines) == [1, 1, 10_000, 10_000]
    assert len(vm.series(USAGE)) == 10_001


def test_special_characters_in_labels_survive(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    odd = LocationKey("novec", 'a"b\\c', "7{0}")
    strange = chunk("2026-01-10", meter('M"1\\', hours(1.0)), key=odd)
    assert sink.write(strange).samples == 2
    assert sink.write(strange).samples == 0
    assert {dict(labels)["meter"] for labels in vm.held} == {'M"1\\'}


def test_extra_labels_are_another_series(vm: MetricsDouble, open_sink: Open) -> None:
    open_sink().write(of(*hours(1.0)))
    extra = open_sink(extra_labels=(("job", "smarthub"), ("instance", "farm")))
    assert extra.write(of(*hours(2.0))).samples == 2
    assert extra.write(of(*hours(2.0))).samples == 0
    found = {(dict(labels).get("job"), dict(labels).get("instance")): samples for labels, samples in vm.held.items()}
    assert set(found) == {(None, None), ("smarthub", "farm")}


def test_scrapes_with_other_labels_are_another_series(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    scraped = {"__name__": USAGE, **LABELS, "job": "x"}
    vm.put(scraped, stamp(0), 9.0)
    written = sink.write(of(*hours(1.0)))
    assert (written.samples, written.corrected, written.gone) == (2, 0, 0)
    vm.put(scraped, stamp(1), 9.0)
    assert sink.still_holds(written)


# -- what is already stored


def test_only_missing_or_different_samples_are_sent(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    sink.write(of(*hours(1.0, 2.0)))
    vm.calls.clear()
    written = sink.write(of(*hours(1.0, 2.5, 3.0, k=9)))
    assert sorted(vm.imported()) == [
        (USAGE, stamp(1, 9), 2.5),
        (USAGE, stamp(2, 9), 3.0),
        (WATTS, stamp(1, 9), 2500.0),
        (WATTS, stamp(2, 9), 3000.0),
    ]
    assert (written.samples, written.corrected, written.gone) == (4, 1, 0)
    again = sink.write(of(*hours(1.0, 2.5, 3.0, k=9)))
    assert (again.samples, again.corrected, again.gone, vm.count("/api/v1/import")) == (0, 0, 0, 1)
    assert sink.still_holds(written)
    sink.write(chunk("2026-01-11", meter("M1", hours(1.0, start=START + DAY))))
    assert sink.still_holds(again)


def test_energy_can_move_to_another_rate_period(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    sink.write(classified(("On Peak", 1.5, 20)))
    moved = classified(("Off Peak", 1.5, 20))
    written = sink.write(moved)
    assert stored_periods(vm) == {"On Peak": (stamp(0, 21), 0.0), "Off Peak": (stamp(0, 20), 1.5)}
    assert (written.samples, written.corrected, written.gone) == (2, 1, 0)
    again = sink.write(moved)
    assert (again.samples, again.corrected, again.gone) == (0, 0, 0)


def test_a_rate_period_keeps_energy_no_other_has(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    sink.write(classified(("On Peak", 1.0, 20), ("Off Peak", 0.5, 20)))
    written = sink.write(classified(("Off Peak", 0.5, 20)))
    assert stored_periods(vm) == {"On Peak": (stamp(0, 20), 1.0), "Off Peak": (stamp(0, 20), 0.5)}
    assert (written.samples, written.gone) == (0, 1)


@pytest.mark.parametrize(("stored", "sent"), [(1.0000004, 1), (1.000001, 2)])
def test_a_difference_in_the_sixth_decimal_counts(
    vm: MetricsDouble, sink: VictoriaMetricsSink, stored: float, sent: int
) -> None:
    """The version of an equal value does not matter."""
    vm.put({"__name__": USAGE, **LABELS}, stamp(0, 1), stored)
    assert sink.write(of(*hours(1.0, k=500))).samples == sent


@pytest.mark.parametrize("k", [1, 6, 7])
def test_a_correction_is_a_millisecond_after_the_stored_value(
    vm: MetricsDouble, sink: VictoriaMetricsSink, k: int
) -> None:
    """At the same time the larger value would win, and an earlier one is hidden."""
    sink.write(of(*hours(3.0, k=7)))
    written = sink.write(of(*hours(1.0, k=k)))
    assert vm.series(USAGE) == {stamp(0, 7): 3.0, stamp(0, 8): 1.0}
    assert (written.samples, written.corrected) == (2, 1)


def test_another_writer_is_overtaken_by_a_millisecond(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    others = {"__name__": USAGE, **LABELS}
    others_too = iter([stamp(0, 9), stamp(0, 11)])

    def keeps(*_: object) -> bool:
        for when in others_too:
            vm.put(others, when, 5.0)
            break
        return True

    vm.put(others, stamp(0, 7), 3.0)
    vm.put({"__name__": WATTS, **LABELS}, stamp(0, 7), 1000.0)
    vm.takes = keeps
    written = sink.write(of(*hours(1.0)))
    assert [sample for sample in vm.imported() if sample[0] == USAGE] == [
        (USAGE, stamp(0, 8), 1.0),
        (USAGE, stamp(0, 10), 1.0),
        (USAGE, stamp(0, 12), 1.0),
    ]
    assert (written.samples, written.corrected) == (3, 1)


def test_after_three_tries_older_values_are_reported(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    sink.write(of(*hours(3.0, 1.0)))
    vm.takes = lambda *_: False
    vm.calls.clear()
    error = refusal(lambda: sink.write(of(*hours(1.0, 1.0))))
    assert str(error) == (
        f"victoriametrics {vm.url}: 2 of 4 samples still have an older value after newer ones were sent; start it with"
        " -dedup.minScrapeInterval=1s"
    )
    assert vm.count("/api/v1/import") == 3
    assert not error.passes_by_itself


def test_samples_stay_in_the_last_second_of_the_interval(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    last = stamp(0, 999)
    vm.put({"__name__": USAGE, **LABELS}, last, 3.0)
    vm.put({"__name__": WATTS, **LABELS}, last, 1000.0)
    refusal(lambda: sink.write(of(*hours(1.0))))
    assert vm.imported() == [(USAGE, last, 1.0)] * 3
    # At the same time the database keeps the larger value.
    vm.calls.clear()
    assert sink.write(of(*hours(4.0))).samples == 2
    assert (USAGE, last, 4.0) in vm.imported()
    assert vm.series(USAGE) == {last: 4.0}


def test_samples_gone_at_the_portal_are_counted_and_kept(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    sink.write(of(*hours(1.0, 2.0, 3.0)))
    written = sink.write(of(*hours(1.0)))
    assert (written.samples, written.corrected, written.gone) == (0, 0, 4)
    assert len(vm.series(USAGE)) == 3
    other = sink.write(of(*hours(1.0), number="M2"))
    assert (other.samples, other.gone) == (2, 6)


def test_samples_next_to_a_chunk_do_not_count(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    labels = {"__name__": USAGE, **LABELS}
    vm.put(labels, START * 1000 - 1, 1.0)
    vm.put(labels, (START + DAY) * 1000 + 1, 1.0)
    written = sink.write(of(usage(START + DAY - HOUR, 1.0)))
    assert (written.samples, written.gone) == (2, 0)


def test_a_stale_marker_is_not_a_value(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    def mark(name: str, when: int) -> None:
        vm.held[tuple(sorted({"__name__": name, **LABELS}.items()))][when] = None  # type: ignore[assignment]

    mark(USAGE, stamp(0, 3))
    written = sink.write(of(*hours(1.0)))
    assert (written.samples, written.corrected, written.gone) == (2, 0, 0)
    mark(EXPORT, stamp(0, 3))
    assert sink.still_holds(written)


# -- lost samples


@pytest.mark.parametrize("flags", ['-httpListenAddr=":8428"\n', None])
def test_samples_beyond_the_retention_name_the_flag(vm: MetricsDouble, open_sink: Open, flags: str | None) -> None:
    """A cluster drops old samples too, but does not show its flags."""
    vm.retention, vm.flags = MONTH, flags
    sink = open_sink()
    old = chunk("2025-12-01", meter("M1", hours(1.0, 2.0, start=instant("2025-12-01"))))
    error = refusal(lambda: sink.write(old))
    assert str(error) == (
        f"victoriametrics {vm.url}: lost 4 of 4 accepted samples, the first at 2025-12-01 05:59 UTC, because they"
        " are older than its retention; start it with -retentionPeriod=10y and run the same command again"
    )
    assert not error.passes_by_itself


def test_the_retention_moves_during_a_long_backfill(vm: MetricsDouble, open_sink: Open, clock: ManualClock) -> None:
    vm.retention, vm.flags = 8 * DAY, '-retentionPeriod="8d"\n'
    sink = open_sink()
    clock.advance(5 * DAY)
    assert "retention" in str(refusal(lambda: sink.write(of(*hours(1.0)))))
    assert sum(clock.slept) <= 3.0, "samples that will be dropped are not worth a wait"


def test_a_partly_dropped_chunk_reports_how_much(vm: MetricsDouble, open_sink: Open) -> None:
    vm.retention, vm.flags = NOW - START - 2.5 * HOUR, f'-retentionPeriod="{NOW - START - 9000}s"\n'
    error = refusal(lambda: open_sink().write(of(*hours(1.0, 2.0, 3.0, 4.0))))
    assert "lost 4 of 8 accepted samples, the first at 2026-01-10 05:59 UTC, because they are" in str(error)


def test_losing_some_samples_is_reported(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    vm.takes = lambda _, when, __: when != stamp(1)
    assert str(refusal(lambda: sink.write(of(*hours(1.0, 2.0, 3.0))))) == (
        f"victoriametrics {vm.url}: lost 2 of 6 accepted samples, the first at 2026-01-10 06:59 UTC; check its"
        " -retentionPeriod, its -dedup.minScrapeInterval and its log"
    )


# -- samples that become visible later


def test_samples_not_flushed_are_waited_for(vm: MetricsDouble, sink: VictoriaMetricsSink, clock: ManualClock) -> None:
    vm.flushes, vm.unseen = False, 9.9
    assert sink.write(of(*hours(3.0))).samples == 2
    assert sum(clock.slept) == pytest.approx(10.0)
    written = sink.write(of(*hours(1.0, k=9)))
    assert (written.samples, written.corrected) == (2, 1)
    assert vm.count("/api/v1/import") == 2
    # After a refusal it is not asked to flush again.
    assert vm.count("/internal/force_flush") == 1


def test_a_slow_database_is_not_a_lossy_one(vm: MetricsDouble, sink: VictoriaMetricsSink, clock: ManualClock) -> None:
    """Each read takes nine seconds and shows one sample more."""
    late: list[tuple[Labels, int, float]] = []

    def keep_for_later(*sample: Any) -> bool:  # noqa: ANN401
        late.append(sample)
        return False

    def show_one(call: Asked) -> None:
        if call.path == "/api/v1/export" and late:
            clock.advance(9)
            labels, when, value = late.pop()
            vm.put(dict(labels), when, value)

    vm.flushes, vm.takes, vm.before = False, keep_for_later, show_one
    assert sink.write(of(*hours(1.0, 2.0, 3.0, 4.0, 5.0))).samples == 10
    assert vm.count("/api/v1/import") == 1


def test_one_slow_read_is_not_the_last(vm: MetricsDouble, sink: VictoriaMetricsSink, clock: ManualClock) -> None:
    vm.flushes, vm.unseen = False, 45.0
    vm.before = lambda call: clock.advance(20 if call.path == "/api/v1/export" else 0)
    assert sink.write(of(*hours(1.0))).samples == 2
    assert vm.count("/api/v1/import") == 1


def test_a_failing_flush_is_a_temporary_error(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    vm.replies["/internal/force_flush"] = [(503, "")]
    assert refusal(lambda: sink.write(of(*hours(3.0)))).passes_by_itself
    assert sink.write(of(*hours(3.0))).samples == 0


# -- a cluster


def test_a_cluster_is_written_and_read_at_two_addresses(clock: ManualClock) -> None:
    with MetricsDouble(clock) as insert, MetricsDouble(clock) as select:
        insert.prefix, select.prefix = "/insert/7/prometheus", "/select/7/prometheus"
        insert.flushes = select.flushes = False
        insert.flags = select.flags = None
        select.held = insert.held
        config = VictoriaMetricsConfig(insert.url + insert.prefix, select.url + select.prefix)
        sink = VictoriaMetricsSink(config, clock)
        sink.open(0)
        sink.begin()
        written = sink.write(of(*hours(1.0)))
        assert written.samples == 2
        assert sink.still_holds(written)
        sink.finish()
        sink.close()
        assert {call.path for call in insert.calls} == {
            "/insert/7/prometheus/api/v1/import",
            "/insert/7/prometheus/internal/force_flush",
        }
        assert {call.path.removeprefix(select.prefix) for call in select.calls} == {
            "/api/v1/query",
            "/api/v1/status/flags",
            "/flags",
            "/api/v1/export",
            "/internal/resetRollupResultCache",
        }


# -- a probe


Probing = Callable[..., tuple[VictoriaMetricsSink, MetricsDouble, MetricsDouble]]


@pytest.fixture
def probing(clock: ManualClock) -> Iterator[Probing]:
    """Open a sink with two addresses, of which the second is another database."""
    with ExitStack() as stack:

        def start(**settings: Any) -> tuple[VictoriaMetricsSink, MetricsDouble, MetricsDouble]:  # noqa: ANN401
            one, other = (stack.enter_context(MetricsDouble(clock)) for _ in range(2))
            sink = VictoriaMetricsSink(VictoriaMetricsConfig(one.url, other.url, **settings), clock)
            stack.callback(sink.close)
            sink.open(START)
            return sink, one, other

        yield start


@pytest.mark.parametrize("labels", [{}, {"house": 'a"b'}])
def test_a_probe_must_arrive_before_anything_is_sent(probing: Probing, labels: dict[str, str]) -> None:
    sink, one, other = probing(extra_labels=tuple(labels.items()))
    other.put({"__name__": "smarthub_backfill_probe", **labels}, int(NOW - 1) * 1000, 1.0)
    assert str(refusal(sink.begin)) == (
        f"victoriametrics {one.url}: the sample smarthub_backfill_probe was sent to url and did not appear at query_url"
        f" ({other.url}) within 30 s; nothing else was sent; check that both are the same database and tenant, that a"
        " vmagent or proxy in between passes it on, and that the clocks of both machines agree, then run the same"
        " command again"
    )
    assert one.held == {tuple(sorted({"__name__": "smarthub_backfill_probe", **labels}.items())): {NOW * 1000: 1.0}}
    assert not other.count("/api/v1/import")


def test_a_probe_that_arrives_late_is_sent_once(probing: Probing, clock: ManualClock) -> None:
    sink, one, other = probing()
    other.replies["/api/v1/export"] = [(503, "")]
    assert refusal(sink.begin).passes_by_itself
    clock.advance(10)
    other.before = lambda _: other.put({"__name__": "smarthub_backfill_probe"}, NOW * 1000 + 900, 1.0)
    sink.begin()
    assert len(one.imported()) == 1


def test_one_address_needs_no_probe(vm: MetricsDouble, open_sink: Open) -> None:
    open_sink().begin()
    open_sink(query_url=vm.url).begin()
    assert vm.imported() == []


# -- whether the samples are still stored


def test_a_lost_or_changed_sample_is_noticed(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    spoilt: list[dict[int, float]] = [{}, {stamp(1): 2.000001}, {stamp(1): 2.0, stamp(1, 8): 2.0}]
    for second in spoilt:
        written = sink.write(of(*hours(1.0, 2.0)))
        samples = next(samples for labels, samples in vm.held.items() if dict(labels)["__name__"] == USAGE)
        del samples[stamp(1)]
        samples.update(second)
        assert not sink.still_holds(written)
        vm.kill()
        assert not sink.still_holds(written)


# -- snapshots


def test_a_snapshot_is_made_and_deleted(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    name = sink.make_snapshot()
    assert [name] == vm.snapshots
    sink.delete_snapshot(name)
    assert vm.snapshots == []


@pytest.mark.parametrize("flags", [None, '-storageNode="a,b"\n', '-auth.config="a"\n'])
def test_only_a_single_node_makes_snapshots(vm: MetricsDouble, open_sink: Open, flags: str | None) -> None:
    vm.flags = flags
    assert open_sink().make_snapshot() == ""
    assert vm.snapshots == []


def test_no_snapshot_is_made_if_another_address_is_read(vm: MetricsDouble, open_sink: Open) -> None:
    assert open_sink(query_url=vm.url + "/").make_snapshot() == ""
    assert vm.snapshots == []


def test_no_snapshot_is_made_if_the_configuration_forbids_it(vm: MetricsDouble, open_sink: Open) -> None:
    assert open_sink(snapshots=False).make_snapshot() == ""
    assert vm.snapshots == []


@pytest.mark.parametrize("free", [2.0**30 - 1, None])
def test_no_snapshot_is_made_on_a_full_disk(vm: MetricsDouble, sink: VictoriaMetricsSink, free: float | None) -> None:
    vm.free_disk = free
    assert sink.make_snapshot() == ""
    assert vm.snapshots == []
    vm.free_disk = 2.0**30
    assert sink.make_snapshot() in vm.snapshots


@pytest.mark.parametrize("reply", [(500, "cannot create"), (200, '{"status":"error","msg":"no"}'), (401, "")])
def test_a_snapshot_that_fails_is_an_error(
    vm: MetricsDouble, sink: VictoriaMetricsSink, reply: tuple[int, str]
) -> None:
    vm.always["/snapshot/create"] = reply
    refusal(sink.make_snapshot)


def test_a_restart_of_the_database_is_noticed(vm: MetricsDouble, open_sink: Open) -> None:
    sink = open_sink()
    before = sink.instance()
    assert before == sink.instance() != ""
    assert vm.started
    vm.started += 1
    assert sink.instance() not in ("", before)
    vm.started = None
    assert sink.instance() == ""
    vm.always["/metrics"] = (401, "")
    assert sink.instance() == ""
    assert open_sink(query_url=vm.url + "/").instance() == ""


def test_a_snapshot_may_be_gone_already(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    vm.always["/snapshot/delete"] = (404, "cannot find it")
    sink.delete_snapshot("20260115-1")
    vm.always["/snapshot/delete"] = (500, "")
    refusal(lambda: sink.delete_snapshot("20260115-1"))


def test_it_settles_for_fifteen_seconds(sink: VictoriaMetricsSink) -> None:
    assert (sink.settling, sink.resumes, sink.oldest_first) == (15.0, True, False)


def test_the_cache_is_reset_at_the_end(vm: MetricsDouble, sink: VictoriaMetricsSink) -> None:
    sink.finish()
    assert vm.calls[-1].path == "/internal/resetRollupResultCache"
    vm.always["/internal/resetRollupResultCache"] = (401, "")
    sink.finish()
