"""Pages of the timestamped families: their text, read back with the library, and what is kept between them."""

import gzip
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, replace
from itertools import groupby
from math import inf
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.intervals.columns import Intervals
from exporter.intervals.interval import Interval
from exporter.intervals.model import Location, LocationKey, Meter, MeterInfo, Snapshot
from exporter.metrics import families
from exporter.metrics import page as page_module
from exporter.metrics.compression import gzipped
from exporter.metrics.exposition import Format, header, sample_lines
from exporter.metrics.page import Page, PageTexts

from ..support.snapshots import GOLDEN, KEY, KWH, SOLAR, T, quarters, read_openmetrics, snapshot_of

YEARS = (1_100_000_000, 2_147_000_000)
"""2004 to 2037: outside them, seconds as a double do not distinguish all milliseconds."""

Labels = tuple[tuple[str, str], ...]
Samples = dict[tuple[str, Labels], list[tuple[int, float]]]
"""Timestamps in ms and values by name and labels, in the order of the page."""


COST = "smarthub_interval_cost_usd"
TOU = "smarthub_interval_tou_usage_kwh"
TIMESTAMPED = (
    KWH,
    "smarthub_interval_usage_watts",
    "smarthub_interval_export_kwh",
    COST,
    TOU,
    "smarthub_day_usage_kwh",
    "smarthub_day_export_kwh",
    "smarthub_day_cost_usd",
    "smarthub_day_location_info",
    "smarthub_day_meter_info",
)


def render(snapshot: Snapshot, since_ms: int, form: Format) -> Page:
    return PageTexts(form).page(snapshot, since_ms)


def text_of(page: Page, *names: str) -> str:
    return b"".join(page.parts(names).bodies).decode()


def sample_count(page: Page, name: str) -> int:
    return text_of(page, name).count("\nsmarthub_")


def read_back(text: str, form: Format) -> list[Metric]:
    return list(parse_text(text)) if form is Format.TEXT else read_openmetrics(f"{text}# EOF\n")


def samples_of(metrics: Iterable[Metric]) -> Samples:
    found: Samples = {}
    for metric in metrics:
        for sample in metric.samples:
            assert sample.timestamp is not None
            # Prometheus and VictoriaMetrics truncate it, they do not round.
            stamp = int(float(sample.timestamp) * 1000)
            found.setdefault((sample.name, tuple(sorted(sample.labels.items()))), []).append((stamp, sample.value))
    return found


def test_the_page_in_the_text_format_is_exact() -> None:
    page = render(SOLAR, 0, Format.TEXT)
    assert text_of(page) == GOLDEN
    assert page.oldest == 1_795_001_399_001


def test_openmetrics_timestamps_are_in_seconds() -> None:
    lines = []
    for line in GOLDEN.splitlines(keepends=True):
        if not line.startswith("#"):
            start, _, stamp = line.rstrip().rpartition(" ")
            line = f"{start} {stamp[:-3]}.{stamp[-3:]}\n"  # noqa: PLW2901
        lines.append(line)
    assert text_of(render(SOLAR, 0, Format.OPENMETRICS)) == "".join(lines)


@pytest.mark.parametrize("form", Format)
def test_a_page_consists_of_its_families(form: Format) -> None:
    page = render(SOLAR, 0, form)
    texts = {name: text_of(page, name) for name in TIMESTAMPED}
    assert "".join(texts.values()) == text_of(page)
    assert all(text.startswith(f"# HELP {name} ") for name, text in texts.items())
    assert text_of(page, "smarthub_nothing") == ""
    assert text_of(page, COST, KWH) == texts[KWH] + texts[COST]


@pytest.mark.parametrize("form", Format)
def test_a_page_without_data_lists_its_families(form: Format) -> None:
    page = render(Snapshot(), 0, form)
    assert page.oldest == inf
    assert [line.split()[1] for line in text_of(page).splitlines()] == ["HELP", "TYPE"] * len(TIMESTAMPED)
    assert [(metric.type, metric.samples) for metric in read_back(text_of(page), form)] == [("gauge", [])] * len(
        TIMESTAMPED
    )


@pytest.mark.parametrize("form", Format)
def test_series_that_cannot_be_encoded_are_left_out(form: Format) -> None:
    (key,) = SOLAR.locations
    with_unreadable = SOLAR.with_location(replace(SOLAR.locations[key], key=replace(key, location="7\ud800")))
    assert text_of(render(with_unreadable, 0, form)) == text_of(render(SOLAR, 0, form))


def test_one_period_that_cannot_be_encoded_is_left_out() -> None:
    periods = (("Off Peak", 0.25, 1), ("On\udc00", 0.75, 1))
    meter = Meter.of(MeterInfo("81001"), (Interval(T - 900, T, 1.0, 1, periods=periods),))
    page = render(snapshot_of(meter), 0, Format.TEXT)
    assert [sample_count(page, name) for name in (KWH, TOU)] == [1, 1]


# -- read back

hostile = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
names = st.one_of(
    st.sampled_from(['"', "\\", "\n", '\\n"', "\\\\", "Käse 🧀", "a b", "{},=#", 'x="y"', " ", "\r", "\u2028"]), hostile
)
amounts = st.floats(-1e6, 1e6).map(lambda value: round(value, 6) + 0.0)
versions = st.integers(1, 999)


@st.composite
def intervals(draw: st.DrawFn) -> tuple[Interval, ...]:
    found = []
    start = draw(st.integers(*YEARS))
    for _ in range(draw(st.integers(1, 4))):
        length = draw(st.sampled_from([300, 900, 3600, 82_800, 86_400]))
        rates = draw(st.dictionaries(names, st.tuples(amounts, versions), max_size=2))
        found.append(
            Interval(
                start,
                start + length,
                draw(st.one_of(st.none(), amounts)),
                draw(versions),
                draw(st.one_of(st.none(), amounts)),
                draw(versions),
                draw(st.one_of(st.none(), amounts)),
                draw(versions),
                tuple((period, kwh, k) for period, (kwh, k) in sorted(rates.items())),
            )
        )
        start += length + draw(st.sampled_from([0, 900]))
    return tuple(found)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    snapshot = Snapshot()
    for key in draw(st.sets(st.builds(LocationKey, names, names, names), min_size=1, max_size=2)):
        numbers = sorted(draw(st.sets(names, min_size=1, max_size=2)))
        meters = tuple(Meter.of(MeterInfo(number), draw(intervals()), draw(intervals())) for number in numbers)
        snapshot = snapshot.with_location(Location(key, "", "UTC", meters))
    return snapshot


def expected_samples(snapshot: Snapshot) -> Samples:
    """The samples of a snapshot, written down again without the code under test."""
    found: Samples = {}

    def add(name: str, labels: dict[str, str], end: int, k: int, value: float | None) -> None:
        if value is not None:
            key = (f"smarthub_{name}", tuple(sorted(labels.items())))
            found.setdefault(key, []).append((end * 1000 - 1000 + k, value))

    for key, location in snapshot.locations.items():
        for meter in location.meters:
            labels = {**asdict(key), "meter": meter.info.number}
            for each in meter.intervals:
                add("interval_usage_kwh", labels, each.end, each.usage_k, each.usage)
                power = None if each.usage is None else round(each.usage * 3_600_000 / (each.end - each.start), 3)
                add("interval_usage_watts", labels, each.end, each.usage_k, power)
                add("interval_export_kwh", labels, each.end, each.export_k, each.export)
                add("interval_cost_usd", labels, each.end, each.cost_k, each.cost)
                for period, kwh, k in each.periods:
                    add("interval_tou_usage_kwh", {**labels, "period": period}, each.end, k, kwh)
            for each in meter.days:
                add("day_usage_kwh", labels, each.end, each.usage_k, each.usage)
                add("day_export_kwh", labels, each.end, each.export_k, each.export)
                add("day_cost_usd", labels, each.end, each.cost_k, each.cost)
            for end, k in day_versions(meter).items():
                add("day_meter_info", {**labels, "submeter_of": "", "industry": "electric"}, end, k, 1.0)
        every = [day_versions(meter) for meter in location.meters]
        for end in sorted({end for each in every for end in each}):
            first = min(each[end] for each in every if end in each)
            add("day_location_info", {**asdict(key), "name": location.name}, end, first, 1.0)
    return found


def day_versions(meter: Meter) -> dict[int, int]:
    """The version of each full day of a meter by its end: that of its usage, otherwise of its export."""
    return {each.end: each.export_k if each.usage is None else each.usage_k for each in meter.days if each.has_energy}


@pytest.mark.slow
@settings(max_examples=25)
@given(snapshot=snapshots())
@pytest.mark.parametrize("form", Format)
def test_the_library_reads_back_the_exact_values(form: Format, snapshot: Snapshot) -> None:
    metrics = read_back(text_of(render(snapshot, 0, form)), form)
    assert samples_of(metrics) == expected_samples(snapshot)
    for metric in metrics:
        labels = [sorted(sample.labels.items()) for sample in metric.samples]
        assert len(list(groupby(labels))) == len(list(groupby(sorted(labels))))


# -- the window


def test_a_sample_at_the_edge_of_the_window_is_included() -> None:
    snapshot = snapshot_of(Meter.of(MeterInfo("81001"), quarters(3)))
    first, second = T * 1000 - 999, (T + 900) * 1000 - 998
    assert render(snapshot, first, Format.TEXT).oldest == first
    page = render(snapshot, first + 1, Format.TEXT)
    assert page.oldest == second
    assert sample_count(page, KWH) == 2


def test_the_window_applies_to_the_timestamp_of_each_value() -> None:
    meter = Meter.of(MeterInfo("81001"), (Interval(T - 900, T, 0.25, 1, cost=0.04, cost_k=267),))
    page = render(snapshot_of(meter), T * 1000 - 900, Format.TEXT)
    assert page.oldest == T * 1000 - 1000 + 267
    assert (sample_count(page, KWH), sample_count(page, COST)) == (0, 1)


# -- what is kept between pages


def plainly(snapshot: Snapshot, since_ms: int, form: Format, withheld: Collection[LocationKey] = ()) -> str:
    """Return the text of a page that is made from nothing."""
    text = ""
    for each in families.TIMESTAMPED:
        text += header(each.family)
        for key, location in snapshot.locations.items():
            for family, labels, (stamps, values) in () if key in withheld else families.series_of(location):
                if family is each.family:
                    inside = [(stamp, value) for stamp, value in zip(stamps, values, strict=True) if stamp >= since_ms]
                    found = families.Samples([stamp for stamp, _ in inside], [value for _, value in inside])
                    text += "".join(sample_lines(families.Series(family, labels, found), form))
    return text


@st.composite
def changed(draw: st.DrawFn, snapshot: Snapshot) -> Snapshot:
    """Change a meter, remove it, read all from the state again, or change nothing."""
    key = draw(st.sampled_from(sorted(snapshot.locations)))
    location = snapshot.locations[key]
    meters = list(location.meters)
    name = location.name
    match draw(st.integers(0, 5)):
        case 0 if meters:
            meters[0] = replace(meters[0], intervals=Intervals.of(draw(intervals())))
        case 1 if meters:
            meters[-1] = replace(meters[-1], days=Intervals.of(draw(intervals())))
        case 2:
            del meters[:1]
        case 3:
            meters = [Meter.of(each.info, list(each.intervals), list(each.days)) for each in meters]
        case 4:
            name = draw(names)
    return snapshot.with_location(replace(location, name=name, meters=tuple(meters)))


@settings(max_examples=40)
@pytest.mark.parametrize("form", Format)
@given(data=st.data())
def test_kept_texts_make_the_same_page_as_new_ones(form: Format, data: st.DataObject) -> None:
    snapshot = data.draw(snapshots())
    keys = sorted(snapshot.locations)
    texts = PageTexts(form)
    with patch.object(page_module, "_APART", data.draw(st.integers(1, 3))):
        for _ in range(data.draw(st.integers(1, 5))):
            snapshot = data.draw(changed(snapshot))
            stamps = [stamp for each in expected_samples(snapshot).values() for stamp, _ in each]
            edges = st.sampled_from([0, *stamps, *(stamp + 1 for stamp in stamps)])
            since, withheld = data.draw(edges), data.draw(st.sets(st.sampled_from(keys)))
            page = texts.page(snapshot, since, withheld)
            expected = plainly(snapshot, since, form, withheld)
            assert text_of(page) == expected
            assert gzip.decompress(b"".join(gzipped([page.parts()]))).decode() == expected
            assert page.oldest == min((stamp for stamp in stamps_on(page, snapshot, withheld)), default=inf)
            some = frozenset(data.draw(st.sets(st.sampled_from(keys))))
            selected = b"".join(page.parts(locations=some).bodies).decode()
            assert selected == plainly(snapshot, since, form, {*withheld, *keys} - (some - withheld))


def stamps_on(page: Page, snapshot: Snapshot, withheld: Collection[LocationKey]) -> Iterator[int]:
    shown = Snapshot({key: each for key, each in snapshot.locations.items() if key not in withheld})
    for samples in expected_samples(shown).values():
        yield from (stamp for stamp, _ in samples if stamp >= page.since)


def test_only_a_changed_meter_is_rendered_and_packed_again() -> None:
    house, barn = (Meter.of(MeterInfo(number), quarters(3)) for number in ("81001", "81002"))
    texts = PageTexts(Format.TEXT)
    before = texts.page(snapshot_of(house, barn), 0).families[KWH].locations[KEY]
    barn = replace(barn, intervals=Intervals.of(quarters(3, 0.5)))
    after = texts.page(snapshot_of(house, barn), 0).families[KWH].locations[KEY]
    assert [new is old for new, old in zip(after, before, strict=True)] == [True, False]


def test_only_lines_beside_one_that_leaves_are_packed_again() -> None:
    snapshot = snapshot_of(Meter.of(MeterInfo("81001"), quarters(6)))
    texts = PageTexts(Format.TEXT)
    with patch.object(page_module, "_APART", 2):
        before = texts.page(snapshot, 0).families[KWH].locations[KEY]
        after = texts.page(snapshot, T * 1000).families[KWH].locations[KEY]
    assert [new is old for new, old in zip(after, before, strict=True)] == [False, True]


@pytest.mark.parametrize("apart", [1, 2, 96])
@pytest.mark.parametrize("form", Format)
def test_lines_leave_one_after_the_other(form: Format, apart: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "_APART", apart)
    snapshot = snapshot_of(Meter.of(MeterInfo("81001"), quarters(6)))
    texts = PageTexts(form)
    for since in range(T * 1000 - 2000, (T + 6 * 900) * 1000, 450_000):
        assert text_of(texts.page(snapshot, since)) == plainly(snapshot, since, form)


def test_selections_of_a_page_do_not_fill_the_memory() -> None:
    page = render(SOLAR, 0, Format.TEXT)
    assert page.parts() is page.parts()
    for number in range(3000):
        page.parts(locations=frozenset({replace(KEY, location=str(number))}))
    assert len(page._selections) <= 1000
