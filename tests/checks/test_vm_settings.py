"""What the flags of a database say of what it will keep and take."""

from datetime import UTC, datetime

import pytest

from exporter.checks.findings import Finding, Verdict
from exporter.checks.stored_series import DEDUP
from exporter.checks.vm_settings import deduplication, page_size, retention

DAY = 86400
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp()
MORE = "start VictoriaMetrics with -retentionPeriod=10y (in a cluster: vmstorage), then run smarthub-exporter backfill"
BACKFILL = "smarthub-exporter backfill --start DATE brings it"
RAISE = "raise -promscrape.maxScrapeSize on the scraper (VictoriaMetrics or vmagent), or shorten window"
MIB = 2**20


@pytest.mark.parametrize("oldest", [None, NOW - 3 * DAY, NOW - 31 * DAY])
def test_no_flag_is_a_month(oldest: float | None) -> None:
    text = "-retentionPeriod is not set: VictoriaMetrics keeps one month and drops what is older without a word"
    assert retention({"httpListenAddr": ":8428"}, oldest, NOW, "s") == Finding(Verdict.WARNING, "s", text, MORE)


@pytest.mark.parametrize(("value", "days"), [("1", 31), ("35d", 35), ("1M", 31), ("6w", 42), ("1.5", 46), ("720h", 30)])
def test_a_short_retention_is_named_in_days(value: str, days: int) -> None:
    text = f"-retentionPeriod={value}: samples older than {days} days are dropped without a word"
    assert retention({"retentionPeriod": value}, None, NOW, "s") == Finding(Verdict.WARNING, "s", text, MORE)


@pytest.mark.parametrize("value", ["100y", "12", "3M", "90d", "a new notation"])
def test_a_long_retention_is_well_and_a_young_series_is_no_fault_of_it(value: str) -> None:
    flags = {"retentionPeriod": value}
    text = f"-retentionPeriod={value}; history before 2026-11-15 UTC is not there"
    assert retention(flags, NOW - 7 * DAY, NOW, "s") == Finding(Verdict.OK, "s", text, BACKFILL)
    text = f"-retentionPeriod={value}; history begins 2026-10-03 UTC"
    assert retention(flags, NOW - 50 * DAY, NOW, "s") == Finding(Verdict.OK, "s", text)
    assert retention(flags, None, NOW, "s") == Finding(
        Verdict.OK, "s", f"-retentionPeriod={value}; nothing is stored yet"
    )


def test_without_having_asked_nothing_is_said_of_what_is_stored() -> None:
    flags = {"retentionPeriod": "10y"}
    assert retention(flags, None, NOW, "s", is_asked=False) == Finding(Verdict.OK, "s", "-retentionPeriod=10y")
    found = retention(flags, NOW - 50 * DAY, NOW, "s", is_asked=False)
    assert found == Finding(Verdict.OK, "s", "-retentionPeriod=10y; history begins 2026-10-03 UTC")
    assert retention(None, None, NOW, "s", is_asked=False) is None


@pytest.mark.parametrize("age", [30.2, 31, 31.9])
def test_without_flags_a_history_of_just_a_month_is_suspicious(age: float) -> None:
    found = retention(None, NOW - age * DAY, NOW, "s")
    assert found is not None
    assert (found.verdict, found.advice) == (Verdict.WARNING, MORE)
    assert found.text.endswith(" UTC, a month ago: perhaps -retentionPeriod is not set")


def test_without_flags_any_other_history_is_told_as_it_is() -> None:
    assert retention(None, None, NOW, "s") is None
    assert retention(None, NOW - 7 * DAY, NOW, "s") == Finding(
        Verdict.OK, "s", "history before 2026-11-15 UTC is not there", BACKFILL
    )
    assert retention(None, NOW - 50 * DAY, NOW, "s") == Finding(Verdict.OK, "s", "history begins 2026-10-03 UTC")


@pytest.mark.parametrize("value", ["1s", "15s", "1m", "1m30s", "1000ms", "a new notation"])
def test_deduplication_by_the_second_or_more_is_well(value: str) -> None:
    flags = {"dedup.minScrapeInterval": value}
    assert deduplication(flags, "s") == Finding(Verdict.OK, "s", f"-dedup.minScrapeInterval={value}")


@pytest.mark.parametrize("flags", [{}, {"dedup.minScrapeInterval": "0s"}, {"dedup.minScrapeInterval": "0"}])
def test_no_deduplication_is_named_before_it_does_harm(flags: dict[str, str]) -> None:
    text = "-dedup.minScrapeInterval is not set: every scrape stores its samples once more"
    assert deduplication(flags, "s") == Finding(Verdict.WARNING, "s", text, DEDUP)


def test_deduplication_by_the_millisecond_does_not_hide_older_versions() -> None:
    text = "-dedup.minScrapeInterval=1ms leaves older versions of a corrected value beside the new one"
    assert deduplication({"dedup.minScrapeInterval": "1ms"}, "s") == Finding(Verdict.WARNING, "s", text, DEDUP)


def test_unknown_flags_say_nothing_of_deduplication() -> None:
    assert deduplication(None, "s") is None


@pytest.mark.parametrize(
    ("size", "verdict", "text"),
    [
        (100_000, Verdict.OK, "97.7 KiB, less than"),
        (12 * MIB, Verdict.OK, "12.0 MiB, less than"),
        (13 * MIB, Verdict.WARNING, "13.0 MiB, close to"),
        (16 * MIB - 1, Verdict.WARNING, "16.0 MiB, close to"),
        (16 * MIB, Verdict.WARNING, "16.0 MiB, more than"),
        (20 * MIB, Verdict.WARNING, "20.0 MiB, more than"),
    ],
)
@pytest.mark.parametrize("flags", [None, {}])
def test_a_page_is_held_against_the_default_limit(
    size: int, verdict: Verdict, text: str, flags: dict[str, str] | None
) -> None:
    told = f"the page of the intervals has {text} 16.0 MiB, the default of -promscrape.maxScrapeSize"
    assert page_size(size, flags, "s") == Finding(verdict, "s", told, "" if verdict is Verdict.OK else RAISE)


@pytest.mark.parametrize(
    ("value", "limit"),
    [("1048576", MIB), ("1MiB", MIB), ("1.5MB", 1_500_000), ("512KiB", MIB // 2), ("2GB", 2 * 10**9)],
)
def test_a_page_is_held_against_the_limit_of_the_flags(value: str, limit: int) -> None:
    flags = {"promscrape.maxScrapeSize": value}
    assert page_size(limit * 7 // 10, flags, "s").verdict is Verdict.OK
    assert page_size(limit, flags, "s").text.endswith(f", more than -promscrape.maxScrapeSize={value}")
    assert page_size(limit - 1, flags, "s").text.endswith(f", close to -promscrape.maxScrapeSize={value}")


def test_a_limit_in_an_unknown_notation_is_taken_for_the_default() -> None:
    told = page_size(MIB, {"promscrape.maxScrapeSize": "lots"}, "s").text
    assert told == "the page of the intervals has 1.0 MiB, less than 16.0 MiB, the default of -promscrape.maxScrapeSize"
