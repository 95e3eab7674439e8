"""Test writing to InfluxDB 1.x and 2, and to VictoriaMetrics in its place."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from exporter.config import InfluxDBConfig, Secret
from exporter.errors import DatabaseError
from exporter.intervals.model import LocationKey
from exporter.portal.raw_series import RawPoint, RawSeries
from exporter.sinks.base import Chunk, Written
from exporter.sinks.influxdb import InfluxDBSink

from ..support.chunks import HOUR, KEY, chunk, meter, usage
from ..support.clocks import ManualClock
from ..support.fake_influxdb import V2, VM, Influx
from ..support.worlds import instant

START = instant("2026-01-05")
NOW = START + 30 * 86400.0
TAGS = "account=0012345001,location=70001,meter=M1,portal=novec"

MakeSink = Callable[..., InfluxDBSink]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def sink_of(influx: Influx, clock: ManualClock) -> Iterator[MakeSink]:
    with ExitStack() as stack:

        def make(*, per_minute: bool = False, token: str = "", name: str = "electric", org: str = "") -> InfluxDBSink:
            config = InfluxDBConfig(
                influx.url, Secret(token) if token else None, org, name, insecure=False, per_minute=per_minute
            )
            return stack.enter_context(closing(InfluxDBSink(config, clock)))

        yield make


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(DatabaseError) as caught:
        action()
    return str(caught.value)


def opened(sink: InfluxDBSink, notes: list[str] | None = None) -> InfluxDBSink:
    assert sink.open(START) == (notes or [])
    return sink


def hours(*values: float | None, start: int = START) -> Chunk:
    return chunk("2026-01-05", meter("M1", [usage(start + n * HOUR, kwh) for n, kwh in enumerate(values)]))


def raw(start: int, *values: tuple[float, float | None], length: int = 120) -> tuple[RawPoint, ...]:
    return tuple((start + n * length, start + (n + 1) * length, kwh, usd) for n, (kwh, usd) in enumerate(values))


def minutes(*series: RawSeries, start: int = START, count: int = 2, length: int = 120) -> Chunk:
    """Return a chunk with series of meter M1 and all of its intervals."""
    intervals = [usage(start + n * length, 1.0, length) for n in range(count)]
    return chunk("2026-01-05", meter("M1", intervals), series=series)


# -- one point per interval


def test_an_interval_is_a_point_at_its_start(influx: Influx, sink_of: MakeSink) -> None:
    intervals = [
        usage(START, 0.123456, 900, export=0.0, cost=0.07),
        usage(START + 900, None, 900, export=1.5),
        usage(START + 1800, None, 900, cost=-0.29),
        usage(START + 2700, None, 900),
    ]
    each = chunk("2026-01-05", meter("M1", intervals))
    written = opened(sink_of()).write(each)
    assert influx.lines == [
        f"electric,{TAGS} watts=493.824,kwh=0.123456,cost=7.0,exported_kwh=0.0 {START}",
        f"electric,{TAGS} exported_kwh=1.5 {START + 900}",
        f"electric,{TAGS} cost=-29.0 {START + 1800}",
    ]
    assert written == Written(KEY, each.start, each.end, samples=3)
    assert [params for _, path, params in influx.asked if path == "/write"] == [
        {"db": "electric", "precision": "s"}
    ] * 2


def test_spaces_commas_and_quotes_are_escaped(influx: Influx, sink_of: MakeSink) -> None:
    key = LocationKey("co op", "12,3'x", '7=1"y')
    each = chunk("2026-01-05", meter("a\\b\nc", [usage(START, 1.0)]), key=key)
    sink = opened(sink_of())
    sink.write(each)
    assert influx.lines == [
        f"electric,account=12\\,3'x,location=7\\=1\"y,meter=a_b_c,portal=co\\ op watts=1000.0,kwh=1.0 {START}"
    ]
    assert sink.write(each).samples == 0


def test_stored_values_are_not_sent_again(influx: Influx, sink_of: MakeSink) -> None:
    sink = opened(sink_of())
    sink.write(hours(1.0, 2.0))
    influx.lines.clear()
    each = hours(1.0, 2.0, 3.0)
    assert sink.write(each) == Written(KEY, each.start, each.end, samples=1)
    assert influx.lines == [f"electric,{TAGS} watts=3000.0,kwh=3.0 {START + 2 * HOUR}"]


def test_a_correction_replaces_the_value(influx: Influx, sink_of: MakeSink) -> None:
    sink = opened(sink_of())
    sink.write(hours(2.0, 2.0))
    assert sink.write(hours(2.0, 1.0)).corrected == 1
    ((_, points),) = influx.held.items()
    assert [points[START + n * HOUR]["kwh"] for n in range(2)] == [2.0, 1.0]


def test_a_later_field_is_not_a_correction(influx: Influx, sink_of: MakeSink) -> None:
    sink = opened(sink_of())
    sink.write(hours(1.0))
    influx.lines.clear()
    written = sink.write(chunk("2026-01-05", meter("M1", [usage(START, 1.0, cost=0.11)])))
    assert (written.samples, written.corrected) == (1, 0)
    assert influx.lines == [f"electric,{TAGS} cost=11.0 {START}"]


def test_points_gone_at_the_portal_are_counted_and_kept(influx: Influx, sink_of: MakeSink) -> None:
    sink = opened(sink_of())
    sink.write(hours(1.0, 2.0, 3.0))
    assert sink.write(hours(1.0)).gone == 2
    assert [len(points) for points in influx.held.values()] == [3]


def test_points_of_others_are_left_alone(influx: Influx, sink_of: MakeSink) -> None:
    others = [f"electric watts=5.0 {START}", f"electric,host=x,{TAGS} kwh=5.0 {START}"]
    others += [f"electric,{TAGS.replace('70001', '70002')} kwh=5.0 {START}", f"electric,{TAGS} kwh=5.0 {START - HOUR}"]
    for line in others:
        influx.put(line)
    assert opened(sink_of()).write(hours(1.0)).gone == 0
    assert len(influx.lines) == 1
    assert [
        fields for points in influx.held.values() for fields in points.values() if fields.get("watts") != 1000.0
    ] == [
        {"watts": 5.0},
        {"kwh": 5.0},
        {"kwh": 5.0},
        {"kwh": 5.0},
    ]


@pytest.mark.slow
def test_a_long_chunk_is_sent_in_requests_of_bounded_size(influx: Influx, sink_of: MakeSink) -> None:
    intervals = [usage(START - 60 * 25_000 + n * 60, 1.0, 60) for n in range(25_000)]
    each = chunk("2025-12-01", meter("M1", intervals), days=60)
    assert opened(sink_of()).write(each).samples == 25_000
    assert influx.sizes == [0, 10_000, 10_000, 5_000]


# -- one point per minute


def test_a_single_series_has_minute_points_without_tags(influx: Influx, sink_of: MakeSink) -> None:
    each = minutes(RawSeries("M1", "M1", raw(START, (0.1, 0.07), (0.3, None))))
    written = opened(sink_of(per_minute=True)).write(each)
    assert influx.lines == [
        f"electric watts=3000.0,cost=3.5000000000000004 {START}",
        f"electric watts=3000.0,cost=3.5000000000000004 {START + 60}",
        f"electric watts=9000.0 {START + 120}",
        f"electric watts=9000.0 {START + 180}",
    ]
    assert written == Written(KEY, each.start, each.end, samples=4)


def test_several_series_have_a_name_tag(influx: Influx, sink_of: MakeSink) -> None:
    each = minutes(
        RawSeries("M1", "Consumption", raw(START, (0.1, None), length=60)),
        RawSeries("M1", "Generation", raw(START, (-0.5, None), length=60)),
        RawSeries("M1", "Net", raw(START, (-0.4, -0.01), length=60)),
        count=1,
        length=60,
    )
    opened(sink_of(per_minute=True)).write(each)
    assert influx.lines == [
        f"electric,name=Consumption watts=6000.0 {START}",
        f"electric,name=Generation watts=-30000.0 {START}",
        f"electric,name=Net watts=-24000.0,cost=-1.0 {START}",
    ]


@pytest.mark.parametrize(
    "points",
    [
        # Placeholders, and daily values of a meter with finer data.
        raw(START, (0.1, None), (0.0, None), (0.0, None), length=60),
        ((START, START + 86400, 24.0, None), *raw(START, (0.1, None), length=60)),
    ],
)
def test_only_minutes_of_written_intervals_are_sent(
    influx: Influx, sink_of: MakeSink, points: tuple[RawPoint, ...]
) -> None:
    opened(sink_of(per_minute=True)).write(minutes(RawSeries("M1", "M1", points), count=1, length=60))
    assert influx.lines == [f"electric watts=6000.0 {START}"]


def test_different_series_with_one_name_are_refused(influx: Influx, sink_of: MakeSink) -> None:
    sink = opened(sink_of(per_minute=True))
    each = minutes(
        RawSeries("M1", "Net", raw(START, (0.1, None))), RawSeries("M1", "Net", raw(START, (0.2, None))), count=1
    )
    assert refusal(lambda: sink.write(each)) == (
        f"influxdb {influx.url}: two series of location 70001 are both called Net in the per-minute layout;"
        " set per_minute: false"
    )
    assert influx.lines == []


def test_minutes_of_one_interval_are_one_correction(influx: Influx, sink_of: MakeSink) -> None:
    sink = opened(sink_of(per_minute=True))
    sink.write(minutes(RawSeries("M1", "M1", raw(START, (0.1, 0.5), (0.2, 0.5)))))
    influx.lines.clear()
    written = sink.write(minutes(RawSeries("M1", "M1", raw(START, (0.1, 0.5), (0.15, 0.5)))))
    assert (written.samples, written.corrected, written.gone) == (2, 1, 0)
    assert influx.lines == [f"electric watts=4500.0 {START + second}" for second in (120, 180)]


def test_only_minutes_of_the_same_series_can_be_gone(influx: Influx, sink_of: MakeSink) -> None:
    influx.put(f"electric,name=Other watts=1 {START}")
    influx.put(f"electric,{TAGS} watts=1 {START}")
    influx.put(f"electric watts=1 {START + 3600}")
    written = opened(sink_of(per_minute=True)).write(minutes(RawSeries("M1", "M1", raw(START, (0.1, None)))))
    assert written.gone == 1


# -- the database


@pytest.mark.parametrize(
    ("per_minute", "layout"),
    [(False, "per interval"), (True, "per minute")],
)
def test_the_name_shows_the_layout(influx: Influx, sink_of: MakeSink, per_minute: bool, layout: str) -> None:  # noqa: FBT001
    sink = sink_of(per_minute=per_minute, name="electric/autogen")
    # Journals of earlier versions have this name.
    assert sink.name == f"influxdb {influx.url}/electric/autogen ({layout})"
    assert sink.title == f"InfluxDB at {influx.url}/electric/autogen ({layout})"
    assert (sink.wants_series, sink.settling, sink.resumes, sink.oldest_first) == (per_minute, 0.0, True, False)


def test_a_retention_policy_may_be_named_with_the_database(influx: Influx, sink_of: MakeSink) -> None:
    opened(sink_of(name="electric/week")).write(hours(1.0))
    assert {(params.get("db"), params.get("rp")) for _, _, params in influx.asked if "precision" in params} == {
        ("electric", "week")
    }
    assert [params["rp"] for _, _, params in influx.asked if "SELECT" in params.get("q", "")] == ["week"] * 3


def test_a_missing_database_is_reported_with_a_fix(influx: Influx, sink_of: MakeSink) -> None:
    influx.names = ["_internal"]
    assert refusal(lambda: sink_of(name="electric/week").open(START)) == (
        f'influxdb {influx.url}: has no database electric/week; create it with CREATE DATABASE "electric"'
    )


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (
            "partial write: field type conflict: input field 'watts' is type float, already exists as type integer",
            "another program writes this field with another type; use another database",
        ),
        (
            "partial write: points beyond retention policy dropped=1",
            "its retention is too short; run ALTER RETENTION POLICY ... DURATION INF first",
        ),
        ("something else", "check its log"),
    ],
)
def test_a_refused_write_is_quoted_with_advice(influx: Influx, sink_of: MakeSink, said: str, advice: str) -> None:
    sink = opened(sink_of())
    influx.refusals["/write"] = 400, f'{{"error":"{said}"}}'
    assert refusal(lambda: sink.write(hours(1.0))) == (
        f'influxdb {influx.url}: refused /write (status 400: {{"error":"{said}"}}); {advice}'
    )


def test_an_unexpected_response_is_an_error(influx: Influx, sink_of: MakeSink) -> None:
    sink = opened(sink_of())
    influx.refusals["/query"] = 200, '{"results": [{"series": [{"values": [[]]}]}]}'
    refusal(lambda: sink.write(hours(1.0)))


@pytest.mark.parametrize("value", ['"1.0"', "true", '"seven"'])
def test_stored_text_is_not_a_number_and_is_replaced(influx: Influx, sink_of: MakeSink, value: str) -> None:
    sink = opened(sink_of())
    tags = "{" + ",".join(f'"{name}":"{text}"' for name, text in (tag.split("=") for tag in TAGS.split(","))) + "}"
    row = f'{{"results":[{{"series":[{{"tags":{tags},"values":[[{START},1000,{value},null,null]]}}]}}]}}'
    influx.refusals["/query"] = 200, row
    assert "1 of 1 points still have different values" in refusal(lambda: sink.write(hours(1.0)))
    assert influx.lines == [f"electric,{TAGS} kwh=1.0 {START}"]


def test_lost_points_are_reported(influx: Influx, sink_of: MakeSink) -> None:
    sink = opened(sink_of())
    influx.keeps = lambda _, new: None if new in (2.0, 2000.0) else new
    assert refusal(lambda: sink.write(hours(1.0, 2.0))) == (
        f"influxdb {influx.url}: lost 1 of 2 accepted points, the first at 2026-01-05 06:00 UTC; check its log"
        " and SHOW RETENTION POLICIES"
    )


def test_points_with_other_values_are_reported(influx: Influx, sink_of: MakeSink) -> None:
    sink = opened(sink_of())
    influx.keeps = lambda _, new: new + 1
    assert refusal(lambda: sink.write(hours(1.0, 2.0))) == (
        f"influxdb {influx.url}: 2 of 2 points still have different values after writing;"
        " check whether another program writes to it"
    )


def test_written_points_are_recognized_by_their_digest(sink_of: MakeSink) -> None:
    sink = opened(sink_of())
    written = sink.write(hours(1.0, 2.0))
    assert sink.still_holds(written)
    assert opened(sink_of()).still_holds(written)
    opened(sink_of()).write(hours(1.0, 2.5))
    assert not sink.still_holds(written)


# -- version 2


def test_version_2_is_written_by_its_own_api(influx: Influx, sink_of: MakeSink) -> None:
    influx.headers = dict(V2)
    sink = opened(sink_of(token="token", org="home"))
    assert sink.write(hours(1.0)).samples == 1
    assert sink.write(hours(1.0)).samples == 0
    writes = [params for _, path, params in influx.asked if path == "/api/v2/write"]
    assert writes == [{"org": "home", "bucket": "electric", "precision": "s"}] * 2
    reads = [params for _, path, params in influx.asked if path == "/query"]
    assert {params["db"] for params in reads} == {"electric"}


@pytest.mark.parametrize(
    "refusal", [(404, "not found"), (403, "forbidden"), (200, '{"results":[{"error":"database not found"}]}')]
)
def test_unreadable_version_2_is_written_unverified(
    influx: Influx, sink_of: MakeSink, refusal: tuple[int, str]
) -> None:
    influx.headers = dict(V2)
    influx.refusals["/query"] = refusal
    note = (
        "data will be written but not verified, because InfluxQL queries of this bucket fail;"
        " give the token read access and the bucket a DBRP mapping"
    )
    sink = opened(sink_of(token="token"), [note])
    for _ in range(2):
        each = hours(1.0)
        assert sink.write(each) == Written(KEY, each.start, each.end, samples=1)
    assert influx.lines == [f"electric,{TAGS} watts=1000.0,kwh=1.0 {START}"] * 2
    assert (sink.is_verified, sink.still_holds(sink.write(hours(1.0)))) == (False, True)


def test_an_error_of_version_2_is_not_taken_for_no_access(influx: Influx, sink_of: MakeSink) -> None:
    influx.headers = dict(V2)
    influx.refusals["/query"] = 503, "busy"
    assert "returned an error" in refusal(lambda: sink_of(token="token").open(START))


def test_a_missing_bucket_is_reported(influx: Influx, sink_of: MakeSink) -> None:
    influx.headers, influx.names = dict(V2), []
    influx.refusals["/api/v2/write"] = 404, '{"code":"not found","message":"bucket not found"}'
    assert refusal(lambda: sink_of(token="token").open(START)) == (
        f"influxdb {influx.url}: has no bucket electric, or the token has no access to it; create it, or fix database"
    )


def test_a_write_only_bucket_is_written(influx: Influx, sink_of: MakeSink) -> None:
    influx.headers, influx.names = dict(V2), []
    assert opened(sink_of(token="token")).write(hours(1.0)).samples == 1


# -- VictoriaMetrics in its place


@pytest.fixture
def vm(influx: Influx) -> Influx:
    influx.headers = dict(VM)
    return influx


@pytest.mark.parametrize(("token", "path"), [("me:pw", "/write"), ("", "/write"), ("token", "/api/v2/write")])
@pytest.mark.parametrize("per_minute", [True, False])
def test_victoriametrics_is_flushed_and_read_by_export(
    vm: Influx,
    sink_of: MakeSink,
    token: str,
    path: str,
    per_minute: bool,  # noqa: FBT001
) -> None:
    sink = opened(sink_of(token=token, per_minute=per_minute))
    each = minutes(RawSeries("M1", "M1", raw(START, (0.1, 0.07), (0.3, None))))
    written = sink.write(each)
    assert (written.samples, written.corrected, written.gone) == (4 if per_minute else 2, 0, 0)
    assert (vm.label, sink.settling) == ({"db": "electric"} if path == "/write" else {}, 15.0)
    assert vm.paths()[-4:] == ["/api/v1/export", path, "/internal/force_flush", "/api/v1/export"]
    assert sink.still_holds(written)
    assert sink.write(each).samples == 0
    for points in vm.held.values():
        del points[START]
    assert not sink.still_holds(written)
    sink.finish()
    assert vm.paths()[-1] == "/internal/resetRollupResultCache"


def test_series_of_the_go_tool_continue_without_a_label(vm: Influx, sink_of: MakeSink) -> None:
    vm.put(f"electric watts=3000 {START}")
    sink = opened(sink_of(token="me:pw", per_minute=True))
    each = minutes(RawSeries("M1", "M1", raw(START, (0.1, None), length=60)), count=1, length=60)
    assert sink.write(each).corrected == 1
    assert "/write" not in vm.paths()


def test_fifteen_digits_are_enough_for_victoriametrics(vm: Influx, sink_of: MakeSink) -> None:
    vm.keeps = lambda _, new: float(f"{new:.15g}")
    sink = opened(sink_of(per_minute=True))
    each = minutes(RawSeries("M1", "M1", raw(START, (1 / 3, 0.1 / 3))))
    assert sink.write(each).samples == 2
    assert sink.write(each).samples == 0


def test_victoriametrics_keeping_the_larger_value_is_reported(vm: Influx, sink_of: MakeSink) -> None:
    vm.keeps = lambda old, new: max(old or 0.0, new)
    sink = opened(sink_of())
    sink.write(hours(2.0, 2.0))
    assert sink.write(hours(2.0, 3.0)).corrected == 1
    assert refusal(lambda: sink.write(hours(2.0, 1.0))) == (
        f"influxdb {vm.url}: 1 of 2 points still have different values after writing, because VictoriaMetrics"
        " cannot replace a value that has the same timestamp; use --to victoriametrics, or another database"
    )


def test_different_copies_are_not_equal(vm: Influx, sink_of: MakeSink) -> None:
    sink = opened(sink_of())
    labels = {"db": "electric", **dict(tag.split("=") for tag in TAGS.split(","))}
    stored = {"electric_watts": [1000, 1000], "electric_kwh": [2, 1]}
    vm.refusals["/api/v1/export"] = (
        200,
        "\n".join(
            json.dumps({"metric": {"__name__": name, **labels}, "timestamps": [START * 1000] * 2, "values": values})
            for name, values in stored.items()
        ),
    )
    refusal(lambda: sink.write(hours(1.0)))
    assert vm.lines == [f"electric,{TAGS} kwh=1.0 {START}"]


def test_points_too_old_are_reported_before_and_after(vm: Influx, sink_of: MakeSink) -> None:
    vm.flags = '-retentionPeriod="10d"\n'
    sink = sink_of()
    (note,) = sink.open(START)
    assert "10 days" in note
    vm.keeps = lambda *_: None
    assert refusal(lambda: sink.write(hours(1.0, 2.0))) == (
        f"influxdb {vm.url}: lost 2 of 2 accepted points, the first at 2026-01-05 05:00 UTC, because they are"
        " older than its retention; start it with -retentionPeriod=10y"
    )


def test_without_flush_access_it_waits_twelve_seconds(vm: Influx, sink_of: MakeSink, clock: ManualClock) -> None:
    vm.refusals["/internal/force_flush"] = 401, ""
    sink = opened(sink_of())
    vm.keeps = lambda *_: None
    assert "check its log and its metric vm_rows_ignored_total" in refusal(lambda: sink.write(hours(1.0)))
    assert 12 <= sum(clock.slept) <= 13
