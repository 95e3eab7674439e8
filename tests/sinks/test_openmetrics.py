"""Test the lines of the OpenMetrics file, their order, and that they parse."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter.intervals.interval import Interval
from exporter.intervals.model import LocationKey, Meter
from exporter.metrics.families import TIMESTAMPED, series_of
from exporter.sinks.base import Chunk, Written
from exporter.sinks.openmetrics import OpenMetricsSink

from ..support.chunks import HOUR, KEY, chunk, meter, names_in, usage
from ..support.portal_answers import examples
from ..support.worlds import ZONE, instant

LOCATION = 'portal="novec",account="0012345001",location="70001"'
LABELS = f'{LOCATION},meter="M1"'
HELP = {each.family.name: each.family.help for each in TIMESTAMPED}


def written(output: Path, *chunks: Chunk) -> str:
    sink = OpenMetricsSink(output, overwrite=True)
    assert sink.open(0) == []
    for each in chunks:
        sink.write(each)
    sink.finish()
    sink.close()
    return output.read_text(encoding="utf-8")


def parsed(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


def head(name: str) -> list[str]:
    return [f"# HELP {name} {HELP[name]}", f"# TYPE {name} gauge"]


def test_families_are_written_one_after_the_other(tmp_path: Path) -> None:
    first, second = instant("2026-01-05"), instant("2026-01-06")
    chunks = [
        chunk("2026-01-05", meter("M1", [usage(first, 0.5, export=0.0)], [usage(first, 12.25, 24 * HOUR)])),
        chunk("2026-01-06", meter("M1", [usage(second, 0.25, 900, cost=0.04), usage(second + 900, 0.0, 900)])),
    ]
    assert written(tmp_path / "out.om", *chunks).splitlines() == [
        *head("smarthub_interval_usage_kwh"),
        f"smarthub_interval_usage_kwh{{{LABELS}}} 0.5 {first + HOUR - 1}.007",
        f"smarthub_interval_usage_kwh{{{LABELS}}} 0.25 {second + 899}.007",
        f"smarthub_interval_usage_kwh{{{LABELS}}} 0.0 {second + 1799}.007",
        *head("smarthub_interval_usage_watts"),
        f"smarthub_interval_usage_watts{{{LABELS}}} 500.0 {first + HOUR - 1}.007",
        f"smarthub_interval_usage_watts{{{LABELS}}} 1000.0 {second + 899}.007",
        f"smarthub_interval_usage_watts{{{LABELS}}} 0.0 {second + 1799}.007",
        *head("smarthub_interval_export_kwh"),
        f"smarthub_interval_export_kwh{{{LABELS}}} 0.0 {first + HOUR - 1}.008",
        *head("smarthub_interval_cost_usd"),
        f"smarthub_interval_cost_usd{{{LABELS}}} 0.04 {second + 899}.009",
        *head("smarthub_day_usage_kwh"),
        f"smarthub_day_usage_kwh{{{LABELS}}} 12.25 {second - 1}.007",
        *head("smarthub_day_location_info"),
        f'smarthub_day_location_info{{{LOCATION},name=""}} 1.0 {second - 1}.007',
        *head("smarthub_day_meter_info"),
        f'smarthub_day_meter_info{{{LABELS},submeter_of="",industry="electric"}} 1.0 {second - 1}.007',
        "# EOF",
    ]


def test_each_rate_period_is_its_own_series(tmp_path: Path) -> None:
    start = instant("2026-01-05")
    intervals = [
        Interval(start + hour * HOUR, start + (hour + 1) * HOUR, periods=tuple(periods))
        for hour, periods in enumerate(([("Off", 1.0, 1), ("On", 0.0, 2)], [("On", 2.0, 3)], [("Off", 3.0, 4)]))
    ]
    chunks = [chunk("2026-01-05", meter("M1", intervals[:1])), chunk("2026-01-06", meter("M1", intervals[1:]))]
    name = "smarthub_interval_tou_usage_kwh"
    assert written(tmp_path / "out.om", *chunks).splitlines() == [
        *head(name),
        f'{name}{{{LABELS},period="Off"}} 1.0 {start + HOUR - 1}.001',
        f'{name}{{{LABELS},period="Off"}} 3.0 {start + 3 * HOUR - 1}.004',
        f'{name}{{{LABELS},period="On"}} 0.0 {start + HOUR - 1}.002',
        f'{name}{{{LABELS},period="On"}} 2.0 {start + 2 * HOUR - 1}.003',
        "# EOF",
    ]


def test_only_the_finished_file_stays(tmp_path: Path) -> None:
    output = tmp_path / "out.om"
    sink = OpenMetricsSink(output, overwrite=False)
    assert sink.name == str(output)
    sink.open(0)
    each = chunk("2026-01-05", meter("M1", [usage(instant("2026-01-05"), 1.0, cost=0.5)]))
    assert sink.write(each) == Written(KEY, each.start, each.end, 3)
    assert not output.exists()
    sink.finish()
    sink.close()
    assert names_in(tmp_path) == ["out.om"]


def test_no_file_stays_open_with_many_series(tmp_path: Path) -> None:
    sink = OpenMetricsSink(tmp_path / "out.om", overwrite=False)
    sink.open(0)
    before = len(names_in(Path("/proc/self/fd")))
    meters = [meter(f"M{number}", [usage(instant("2026-01-05"), 1.0)]) for number in range(50)]
    sink.write(chunk("2026-01-05", *meters))
    # There may be fewer if sockets of earlier tests were closed meanwhile.
    assert len(names_in(Path("/proc/self/fd"))) <= before
    sink.close()


def test_standard_output_gets_everything_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    each = chunk("2026-01-05", meter("M1", [usage(instant("2026-01-05"), 1.0)]))
    expected = written(tmp_path / "out.om", each)
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spool))
    sink = OpenMetricsSink(None, overwrite=False)
    sink.open(0)
    sink.write(each)
    assert capsysbinary.readouterr().out == b""
    sink.finish()
    sink.close()
    assert capsysbinary.readouterr().out == expected.encode()
    assert names_in(spool) == []


values = st.none() | st.floats(0, 1e6).map(lambda value: round(value, 6))
versions = st.integers(1, 999)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=8)
interval_values = st.tuples(*[st.tuples(values, versions)] * 3)
periods = st.dictionaries(texts, st.tuples(st.floats(0, 10), versions), max_size=2)


def interval(start: int, end: int, given: Sequence[tuple[float | None, int]]) -> Interval:
    (usage, usage_k), (export, export_k), (cost, cost_k) = given
    return Interval(start, end, usage, usage_k, export, export_k, cost, cost_k)


@st.composite
def meters(draw: st.DrawFn, number: str, start: int, end: int) -> Meter:
    hours = draw(st.lists(st.integers(0, (end - start) // HOUR - 1), unique=True, max_size=4).map(sorted))
    intervals = []
    for first in (start + hour * HOUR for hour in hours):
        by_period = tuple((period, kwh, k) for period, (kwh, k) in sorted(draw(periods).items()))
        intervals.append(replace(interval(first, first + HOUR, draw(interval_values)), periods=by_period))
    days = [interval(start, end, draw(interval_values)) for _ in range(draw(st.integers(0, 1)))]
    return meter(number, intervals, days)


@st.composite
def histories(draw: st.DrawFn) -> list[Chunk]:
    """Generate days around a daylight saving change, each as one chunk."""
    first = date.fromisoformat(draw(st.sampled_from(["2026-03-07", "2026-10-31"])))
    key = LocationKey("novec", draw(texts), draw(texts))
    numbers = draw(st.lists(texts, unique=True, min_size=1, max_size=2))
    midnights = [instant((first + timedelta(days=day)).isoformat()) for day in range(draw(st.integers(1, 3)) + 1)]
    return [
        Chunk(key, ZONE, start, end, tuple(draw(meters(number, start, end)) for number in numbers))
        for start, end in pairwise(midnights)
    ]


Found = dict[tuple[str, tuple[tuple[str, str], ...]], list[tuple[str, float]]]


@examples
@given(histories())
def test_the_prometheus_parser_finds_every_sample(
    tmp_path_factory: pytest.TempPathFactory, history: list[Chunk]
) -> None:
    expected: Found = {}
    for each in history:
        for described, labels, samples in series_of(each.location):
            series = (described.name, tuple(sorted(labels.items())))
            for stamp, value in zip(*samples, strict=True):
                expected.setdefault(series, []).append((f"{stamp / 1000:.3f}", value))
    text = written(tmp_path_factory.mktemp("om") / "out.om", *history)
    found: Found = {}
    for family in parsed(text):
        assert (family.type, family.documentation) == ("gauge", HELP[family.name])
        for sample in family.samples:
            found_in = found.setdefault((sample.name, tuple(sorted(sample.labels.items()))), [])
            found_in.append((f"{float(sample.timestamp or 0):.3f}", sample.value))
    assert found == expected
