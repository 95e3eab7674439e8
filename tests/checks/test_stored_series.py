"""Taking stock of an export, and the classic mistakes that show in it."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.findings import Finding, Verdict
from exporter.checks.stored_series import (
    DEDUP,
    HONOR,
    LABELDROP,
    NO_STALE_MARKERS,
    StoredData,
    collect_stored,
    mistakes,
    series_of,
)
from exporter.databases.victoriametrics import StoredSeries
from exporter.intervals.samples import timestamp_ms

END = 1_795_000_500
USAGE = {"__name__": "smarthub_interval_usage_kwh", "portal": "p", "account": "a", "location": "l", "meter": "m"}
SERIES = series_of(USAGE)
STEPS = {"m": 900}


def stored(*samples: tuple[int, float | None], **labels: str) -> StoredSeries:
    return StoredSeries({**USAGE, **labels}, samples)


def at(end: int, k: int = 1) -> int:
    return timestamp_ms(end, k)


def found_in(*parts: StoredSeries) -> list[Finding]:
    return list(mistakes(collect_stored(parts, STEPS), "step"))


def warning(text: str, advice: str) -> Finding:
    return Finding(Verdict.WARNING, "step", text, advice)


def test_what_a_scrape_adds_does_not_make_another_series() -> None:
    added = {**USAGE, "job": "j", "instance": "i", "cluster": "c", "period": "peak"}
    assert series_of(added) == series_of({**USAGE, "period": "peak"}) != SERIES
    assert series_of({**USAGE, "account": "", "period": ""})[1] == (("location", "l"), ("meter", "m"), ("portal", "p"))


def test_nothing_stored_is_nothing_held() -> None:
    assert collect_stored((), STEPS) == StoredData({}, 0, 0, 0, 0, 0, 0, 0, ())
    assert found_in() == []


def test_a_sound_series_is_told_with_its_size() -> None:
    parts = stored((at(END), 1.5), (at(END + 900, 999), 0.0)), stored((at(END + 1800, 400), 2.0))
    assert collect_stored(parts, STEPS).values == {SERIES: {END: 1.5, END + 900: 0.0, END + 1800: 2.0}}
    text = "3 samples in 1 series, each once and in the last second of its interval"
    assert found_in(*parts) == [Finding(Verdict.OK, "step", text)]


@given(st.integers(1_000, 2_000_000), st.integers(1, 999), st.sampled_from([300, 900, 1800, 3600, 86400]))
def test_no_sample_of_the_exporter_is_astray(index: int, k: int, step: int) -> None:
    assert collect_stored([stored((at(index * step, k), 1.0))], {"m": step}).astray == 0


@pytest.mark.parametrize(
    "stamp",
    [END * 1000, END * 1000 - 1000, END * 1000 + 1, END * 1000 - 1001, (END + 300) * 1000 - 999],
)
def test_a_sample_outside_the_last_second_of_an_interval_has_the_time_of_a_scrape(stamp: int) -> None:
    text = "1 of 2 samples have the time of a scrape, not of their interval"
    assert found_in(stored((at(END - 900), 1.0), (stamp, 1.0)))[0] == warning(text, HONOR)


def test_days_and_hours_may_end_on_any_quarter_of_an_hour() -> None:
    for step in (3600, 86400):
        assert collect_stored([stored((at(END + 900), 1.0))], {"m": step}).astray == 0


def test_a_meter_that_the_portal_no_longer_has_may_be_as_fine_as_any() -> None:
    assert collect_stored([stored((at(END + 300), 1.0))], {}).astray == 0
    assert collect_stored([stored((at(END + 301), 1.0))], {}).astray == 1


def test_all_intervals_on_the_time_of_one_scrape_are_named() -> None:
    scrape = END * 1000 + 123_456
    text = "3 of 3 samples have the time of a scrape, not of their interval"
    assert found_in(stored(*[(scrape, float(value)) for value in range(3)]))[0] == warning(text, HONOR)


@pytest.mark.parametrize("second", [at(END), at(END, 5)])
def test_copies_and_versions_in_one_second_mean_that_nothing_deduplicates(second: int) -> None:
    samples = ((at(END), 1.0), (second, 1.0), (second, 1.0), (at(END + 900), 1.0))
    assert found_in(stored(*samples)) == [warning("1 value is stored more than once, so sums count them again", DEDUP)]


def test_copies_in_several_parts_of_a_series_are_copies_too() -> None:
    parts = [stored((at(END), 1.0), (at(END + 900), 1.0))] * 3
    assert found_in(*parts) == [warning("2 values are stored more than once, so sums count them again", DEDUP)]


def test_the_newest_version_counts_wherever_it_stands() -> None:
    parts = stored((at(END, 7), 3.0)), stored((at(END, 2), 9.0)), stored((at(END, 5), 1.0), job="j")
    assert collect_stored(parts, STEPS).values == {SERIES: {END: 3.0}}


def test_stale_markers_are_counted_and_are_no_values() -> None:
    part = stored((at(END), None), (at(END + 900), 1.0), (at(END + 1800), None))
    assert found_in(part) == [warning("2 stale markers among the values", NO_STALE_MARKERS)]
    assert collect_stored([part], STEPS).values == {SERIES: {END + 900: 1.0}}
    assert found_in(stored((at(END), None))) == [warning("1 stale marker among the values", NO_STALE_MARKERS)]


def test_the_labels_of_a_scrape_are_named() -> None:
    parts = stored((at(END), 1.0), job="j", instance="i"), stored((at(END), 1.0), meter="other")
    assert found_in(*parts) == [warning("1 of 2 series have the labels job or instance", LABELDROP)]


def test_a_series_with_and_without_the_labels_counts_twice() -> None:
    parts = stored((at(END), 1.0), job="j", instance="i"), stored((at(END), 1.0))
    assert found_in(*parts) == [
        warning("1 of 2 series have the labels job or instance", LABELDROP),
        warning("1 series is stored with and without job and instance, so sums count them again", LABELDROP),
    ]


def test_a_series_of_two_instances_counts_twice() -> None:
    parts = stored((at(END), 1.0), instance="i"), stored((at(END), 1.0), instance="k")
    assert collect_stored(parts, STEPS).doubled == 1


def test_a_series_with_and_without_another_label_is_named_with_it() -> None:
    parts: Iterable[StoredSeries] = (stored((at(END), 1.0), site="x", cluster="c"), stored((at(END), 1.0)))
    assert found_in(*parts) == [
        warning(
            "series are stored several times, with different cluster and site: sums count them again",
            "give the scrape job and extra_labels of victoriametrics the same labels",
        )
    ]
    assert collect_stored([stored((at(END), 1.0), site="x")], STEPS).others == ()
