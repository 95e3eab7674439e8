"""Summarizing an export, and the common mistakes that show in it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.stored_series import (
    DEDUP,
    DEDUP_OF_CLUSTER,
    HONOR,
    LABELDROP,
    NO_STALE_MARKERS,
    StoredData,
    collect_stored,
    mistakes,
    series_of,
)
from exporter.databases.victoriametrics import StoredSeries
from exporter.intervals.samples import timestamp_ms as at

from ..support.check_reports import lines

END = 1_795_000_500
USAGE = {"__name__": "smarthub_interval_usage_kwh", "portal": "p", "account": "a", "location": "l", "meter": "m"}
SERIES = series_of(USAGE)
STEPS = {"m": 900}


def stored(*samples: tuple[int, float | None], **labels: str) -> StoredSeries:
    stamps, values = zip(*(samples or ((at(END, 1), 1.0),)), strict=True)
    return StoredSeries({**USAGE, **labels}, stamps, [math.nan if value is None else value for value in values])


def found_in(*parts: StoredSeries) -> list[str]:
    return lines(mistakes(collect_stored(parts, STEPS), "step"))


def test_labels_added_by_a_scrape_make_no_other_series() -> None:
    added = {**USAGE, "job": "j", "instance": "i", "cluster": "c", "period": "peak"}
    assert series_of(added) == series_of({**USAGE, "period": "peak"}) != SERIES
    assert series_of({**USAGE, "account": "", "period": ""})[1] == (("location", "l"), ("meter", "m"), ("portal", "p"))


def test_an_empty_export_has_no_findings() -> None:
    assert collect_stored((), STEPS) == StoredData({}, 0, 0, 0, 0, 0, 0, 0, ())
    assert found_in() == []


def test_a_series_without_mistakes_is_reported_with_its_size() -> None:
    parts = stored((at(END, 1), 1.5), (at(END + 900, 999), 0.0)), stored((at(END + 1800, 400), 2.0))
    assert collect_stored(parts, STEPS).values == {SERIES: {END: 1.5, END + 900: 0.0, END + 1800: 2.0}}
    assert found_in(*parts) == ["ok step: 3 samples in 1 series, each stored once, in the last second of its interval"]


@given(st.integers(1_000, 2_000_000), st.integers(1, 999), st.sampled_from([300, 900, 1800, 3600, 86400]))
def test_no_sample_of_the_exporter_is_astray(index: int, k: int, step: int) -> None:
    assert collect_stored([stored((at(index * step, k), 1.0))], {"m": step}).astray == 0


@pytest.mark.parametrize(
    "stamp", [END * 1000, END * 1000 - 1000, END * 1000 + 1, END * 1000 - 1001, (END + 300) * 1000 - 999]
)
def test_a_sample_outside_a_last_second_has_a_scrape_time(stamp: int) -> None:
    told = found_in(stored((at(END - 900, 1), 1.0), (stamp, 1.0)))[0]
    assert told == f"warning step: 1 of 2 samples have the time of a scrape instead of their interval -> {HONOR}"


@pytest.mark.parametrize(
    ("steps", "end", "astray"),
    [({"m": 3600}, END + 900, 0), ({"m": 86400}, END + 900, 0), ({}, END + 300, 0), ({}, END + 301, 1)],
)
def test_zones_and_unknown_meters_allow_more_interval_ends(steps: dict[str, int], end: int, astray: int) -> None:
    assert collect_stored([stored((at(end, 1), 1.0))], steps).astray == astray


TWICE = (at(END, 1), 1.0), (at(END, 5), 1.0), (at(END, 5), 1.0), (at(END + 900, 1), 1.0)


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([stored(*TWICE)], f"1 value stored more than once; sums count each copy -> {DEDUP}"),
        (
            [stored((at(END, 1), 1.0), (at(END + 900, 1), 1.0))] * 3,
            f"2 values stored more than once; sums count each copy -> {DEDUP}",
        ),
        ([stored((at(END, 1), None))], f"1 stale marker hiding values -> {NO_STALE_MARKERS}"),
        ([stored(*((at(END, 1), None),) * 2)], f"2 stale markers hiding values -> {NO_STALE_MARKERS}"),
        (
            [stored(job="j", instance="i"), stored(meter="other")],
            f"1 of 2 series have a job or instance label -> {LABELDROP}",
        ),
        (
            [stored(site="x", cluster="c"), stored()],
            (
                "series stored more than once, with different cluster and site labels; sums count each copy"
                " -> set the same labels in the scrape job and in extra_labels of victoriametrics"
            ),
        ),
    ],
)
def test_each_mistake_is_reported_with_its_fix(parts: list[StoredSeries], text: str) -> None:
    assert found_in(*parts) == [f"warning step: {text}"]


def test_copies_in_a_cluster_are_hidden_by_two_programs() -> None:
    (told,) = mistakes(collect_stored([stored(*TWICE)], STEPS), "step", is_cluster=True)
    assert told.advice == DEDUP_OF_CLUSTER


def test_series_with_different_scrape_labels_are_doubled() -> None:
    doubled = f"stored with different job and instance labels; sums count each copy -> {LABELDROP}"
    parts = stored(instance="i"), stored(job="k"), stored(meter="n", instance="i"), stored(meter="n")
    assert found_in(*parts[:2])[1] == f"warning step: 1 series {doubled}"
    assert found_in(*parts)[1] == f"warning step: 2 series {doubled}"


def test_the_newest_version_counts_in_any_order() -> None:
    parts = stored((at(END, 7), 3.0)), stored((at(END, 2), 9.0)), stored((at(END, 5), 1.0), job="j")
    assert collect_stored(parts, STEPS).values == {SERIES: {END: 3.0}}


def test_stale_markers_are_not_values() -> None:
    part = stored((at(END, 1), None), (at(END + 900, 1), 1.0))
    assert collect_stored([part], STEPS).values == {SERIES: {END + 900: 1.0}}
