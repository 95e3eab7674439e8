"""What the flags of a database say of what it will keep and take."""

from datetime import UTC, datetime

import pytest

from exporter.checks.findings import Finding
from exporter.checks.stored_series import DEDUP
from exporter.checks.vm_settings import deduplication, page_size, retention

from ..support.check_reports import lines

DAY = 86400
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp()
MORE = "start VictoriaMetrics with -retentionPeriod=10y (in a cluster: vmstorage), then run smarthub-exporter backfill"
UNSET = f"-retentionPeriod is not set: VictoriaMetrics keeps one month and drops what is older without a word -> {MORE}"
BACKFILL = "smarthub-exporter backfill --start DATE brings it"
YOUNG = f"history before 2026-11-15 UTC is not there -> {BACKFILL}"
RAISE = "raise -promscrape.maxScrapeSize on the scraper (VictoriaMetrics or vmagent), or shorten window"
MIB = 2**20


def line(finding: Finding | None) -> str:
    return lines([finding])[0] if finding else ""


def kept(value: str | None, days: float | None = None, *, is_asked: bool = True) -> str:
    """What is said of a -retentionPeriod and a history of so many days."""
    flags = {"httpListenAddr": ":8428"} | ({"retentionPeriod": value} if value else {})
    return line(retention(flags, None if days is None else NOW - days * DAY, NOW, "s", is_asked=is_asked))


@pytest.mark.parametrize("days", [None, 3, 31])
def test_no_flag_is_a_month(days: float | None) -> None:
    assert kept(None, days) == f"warning s: {UNSET}"


@pytest.mark.parametrize(("value", "days"), [("1", 31), ("35d", 35), ("6w", 42), ("1.5", 46), ("59d", 59)])
def test_a_short_retention_is_named_in_days(value: str, days: int) -> None:
    text = f"-retentionPeriod={value}: samples older than {days} days are dropped without a word"
    assert kept(value) == f"warning s: {text} -> {MORE}"


@pytest.mark.parametrize("value", ["100y", "12", "60d", "a new notation"])
def test_a_long_retention_is_well_and_a_young_series_no_fault_of_it(value: str) -> None:
    said = f"ok s: -retentionPeriod={value}"
    assert kept(value, 7) == f"{said}; {YOUNG}"
    assert kept(value, 50) == kept(value, 50, is_asked=False) == f"{said}; history begins 2026-10-03 UTC"
    assert kept(value) == f"{said}; nothing is stored yet"
    assert kept(value, is_asked=False) == said


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (None, ""),
        (7, f"ok s: {YOUNG}"),
        (29.9, f"ok s: history before 2026-10-23 UTC is not there -> {BACKFILL}"),
        (30.1, "warning s: nothing is stored before 2026-10-23 UTC, a month ago: perhaps -retentionPeriod is not set"),
        (31.9, "warning s: nothing is stored before 2026-10-21 UTC, a month ago: perhaps -retentionPeriod is not set"),
        (50, "ok s: history begins 2026-10-03 UTC"),
    ],
)
def test_without_flags_a_history_of_just_a_month_is_suspicious(days: float | None, said: str) -> None:
    found = line(retention(None, None if days is None else NOW - days * DAY, NOW, "s"))
    assert found == (f"{said} -> {MORE}" if "warning" in said else said)


ONCE_MORE = f"every scrape stores its samples once more -> {DEDUP}"
OLDER = f"older versions of a corrected value beside the new one -> {DEDUP}"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        *((value, f"ok s: -dedup.minScrapeInterval={value}") for value in ("1s", "15s", "1000ms", "a new notation")),
        *((value, f"warning s: -dedup.minScrapeInterval is not set: {ONCE_MORE}") for value in (None, "0s", "0")),
        ("999ms", f"warning s: -dedup.minScrapeInterval=999ms leaves {OLDER}"),
    ],
)
def test_deduplication_by_the_second_or_more_is_well(value: str | None, said: str) -> None:
    assert line(deduplication({"dedup.minScrapeInterval": value} if value else {}, "s")) == said


def test_unknown_flags_say_nothing_of_deduplication() -> None:
    assert deduplication(None, "s") is None


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (100_000, "97.7 KiB, less than"),
        (MIB, "1.0 MiB, less than"),
        (12 * MIB, "12.0 MiB, less than"),
        (13 * MIB, "13.0 MiB, close to"),
        (16 * MIB - 1, "16.0 MiB, close to"),
        (16 * MIB, "16.0 MiB, more than"),
    ],
)
@pytest.mark.parametrize("flags", [None, {}, {"promscrape.maxScrapeSize": "lots"}])
def test_a_page_is_held_against_the_default_limit(size: int, text: str, flags: dict[str, str] | None) -> None:
    said = f"the page of the intervals has {text} 16.0 MiB, the default of -promscrape.maxScrapeSize"
    expected = f"ok s: {said}" if "less" in said else f"warning s: {said} -> {RAISE}"
    assert line(page_size(size, flags, "s")) == expected


@pytest.mark.parametrize(
    ("value", "limit"),
    [("1048576", MIB), ("1MiB", MIB), ("1.5MB", 1_500_000), ("512KiB", MIB // 2), ("2GB", 2 * 10**9)],
)
def test_a_page_is_held_against_the_limit_of_the_flags(value: str, limit: int) -> None:
    flags = {"promscrape.maxScrapeSize": value}
    said = [page_size(size, flags, "s").text for size in (limit * 8 // 10, limit - 1, limit)]
    words = ["less than", "close to", "more than"]
    assert [text.partition(", ")[2] for text in said] == [f"{word} -promscrape.maxScrapeSize={value}" for word in words]
