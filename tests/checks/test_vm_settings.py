"""What the flags of a database say about what it will keep and accept."""

from datetime import UTC, datetime

import pytest

from exporter.checks.findings import Finding, Verdict
from exporter.checks.stored_series import DEDUP
from exporter.checks.vm_settings import Needs, deduplication, page_size, retention
from exporter.discovery.survey import LocationSurvey
from exporter.intervals.model import Meter, MeterInfo
from exporter.portal.accounts import AccountLocation

from ..support.check_reports import lines

DAY = 86400
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp()
THEN = "-retentionPeriod=10y, then run smarthub-exporter backfill --start first"
MORE = f"start VictoriaMetrics with {THEN}"
IN_CLUSTER = f"start VictoriaMetrics (in a cluster: vmstorage) with {THEN}"
UNSET = f"-retentionPeriod is not set; VictoriaMetrics keeps one month and silently drops older samples -> {MORE}"
BACKFILL = "for earlier days, run smarthub-exporter backfill --start first"
YOUNG = f"history starts 2026-11-15 UTC -> {BACKFILL}"
RAISE = "raise -promscrape.maxScrapeSize on the scraper (VictoriaMetrics or vmagent), or shorten window"
MIB = 2**20


def line(finding: Finding | None) -> str:
    return lines([finding])[0] if finding else ""


def kept(value: str | None, days: float | None = None, *, is_asked: bool = True) -> str:
    """Return what is said about a -retentionPeriod and a history of this many days."""
    flags = {"httpListenAddr": ":8428"} | ({"retentionPeriod": value} if value else {})
    return line(retention(flags, None if days is None else NOW - days * DAY, NOW, "s", is_asked=is_asked))


@pytest.mark.parametrize("days", [None, 3, 31])
def test_no_flag_means_a_month(days: float | None) -> None:
    assert kept(None, days) == f"warning s: {UNSET}"


@pytest.mark.parametrize(("value", "days"), [("1", 31), ("35d", 35), ("6w", 42), ("1.5", 46), ("59d", 59)])
def test_a_short_retention_is_named_in_days(value: str, days: int) -> None:
    text = f"-retentionPeriod={value}; samples older than {days} days are silently dropped"
    assert kept(value) == f"warning s: {text} -> {MORE}"


@pytest.mark.parametrize(
    ("value", "more"),
    [
        ("100y", ""),
        ("12", " keeps samples for 372 days"),
        ("60d", " keeps samples for 60 days"),
        ("a new notation", ""),
    ],
)
def test_a_long_retention_is_ok_even_if_history_is_short(value: str, more: str) -> None:
    said = f"ok s: -retentionPeriod={value}{more}"
    assert kept(value, 7) == f"{said}; {YOUNG}"
    assert kept(value, 50) == kept(value, 50, is_asked=False) == f"{said}; history starts 2026-10-03 UTC"
    assert kept(value) == f"{said}; nothing stored yet"
    assert kept(value, is_asked=False) == said


@pytest.mark.parametrize(("value", "years", "is_short"), [("3", 1, True), ("2y", 1, False), ("10y", 30, False)])
def test_a_retention_is_compared_with_the_age_of_the_connection(value: str, years: int, is_short: bool) -> None:  # noqa: FBT001 - a parameter of the test
    found = retention({"retentionPeriod": value}, None, NOW, "s", first=NOW - years * 365 * DAY)
    assert found is not None
    assert found.loses_data is is_short
    if is_short:
        text = "samples older than 93 days are silently dropped, and the portal may have data since 2025-11-22"
        assert line(found) == f"warning s: -retentionPeriod=3; {text} -> {MORE}"


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (None, ""),
        (7, f"ok s: {YOUNG}"),
        (29.9, f"ok s: history starts 2026-10-23 UTC -> {BACKFILL}"),
        (30.1, "warning s: history starts 2026-10-23 UTC, a month ago; -retentionPeriod may not be set"),
        (31.9, "warning s: history starts 2026-10-21 UTC, a month ago; -retentionPeriod may not be set"),
        (50, "ok s: history starts 2026-10-03 UTC"),
    ],
)
def test_a_history_of_exactly_a_month_is_suspicious(days: float | None, said: str) -> None:
    found = line(retention(None, None if days is None else NOW - days * DAY, NOW, "s"))
    assert found == (f"{said} -> {IN_CLUSTER}" if "warning" in said else said)


ONCE_MORE = f"every scrape stores another copy of its samples -> {DEDUP}"
OLDER = f"old versions of corrected values stay visible -> {DEDUP}"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        *((value, f"ok s: -dedup.minScrapeInterval={value}") for value in ("1s", "15s", "1000ms", "a new notation")),
        *((value, f"warning s: -dedup.minScrapeInterval is not set; {ONCE_MORE}") for value in (None, "0s", "0")),
        ("999ms", f"warning s: -dedup.minScrapeInterval=999ms is too short; {OLDER}"),
    ],
)
def test_deduplication_of_a_second_or_more_is_ok(value: str | None, said: str) -> None:
    assert line(deduplication({"dedup.minScrapeInterval": value} if value else {}, "s")) == said


@pytest.mark.parametrize(
    ("value", "shortest", "name"),
    [("30m", None, "15 minutes"), ("30m", 900, "15 minutes"), ("10m", 300, "5 minutes")],
)
def test_deduplication_must_not_be_longer_than_an_interval(value: str, shortest: int | None, name: str) -> None:
    flags = {"dedup.minScrapeInterval": value}
    found = deduplication(flags, "s", shortest)
    assert found is not None
    assert found.loses_data
    text = f"-dedup.minScrapeInterval={value} is longer than an interval ({name})"
    assert line(found) == f"warning s: {text}; in each {value}, only the last interval is kept -> {DEDUP}"
    assert line(deduplication(flags, "s", 3600)).startswith("ok")


def test_needs_are_those_of_all_locations() -> None:
    location = AccountLocation("1", "2", None, electric=True, active=True)
    meters = tuple(Meter.of(MeterInfo(f"m{step}", step=step)) for step in (3600, 900, 0))
    surveys = (LocationSurvey(location, meters[:1], connected=5), LocationSurvey(location, meters[1:], connected=3))
    assert Needs.of(surveys) == Needs(900, 3)
    assert Needs.of(()) == Needs()


def test_unknown_flags_say_nothing_about_deduplication() -> None:
    assert deduplication(None, "s") is None


@pytest.mark.parametrize(
    ("size", "verdict", "text"),
    [
        (100_000, "ok", "98 KiB"),
        (MIB, "ok", "1 MiB"),
        (12 * MIB, "ok", "12 MiB"),
        (13 * MIB, "warning", "13 MiB"),
    ],
)
@pytest.mark.parametrize("flags", [None, {}, {"promscrape.maxScrapeSize": "lots"}])
def test_a_page_is_compared_with_the_default_limit(
    size: int, verdict: str, text: str, flags: dict[str, str] | None
) -> None:
    said = f"interval page: {text} (scraper limit 16 MiB, default of -promscrape.maxScrapeSize)"
    advice = f" -> {RAISE}" if verdict == "warning" else ""
    assert line(page_size(size, flags, "s")) == f"{verdict} s: {said}{advice}"


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        ("1048576", MIB),
        ("1MiB", MIB),
        ("1.5MB", 1_500_000),
        ("512KiB", MIB // 2),
        ("2GB", 2 * 10**9),
        ("1GiB512MiB", 1536 * MIB),
    ],
)
def test_a_page_is_compared_with_the_limit_of_the_flags(value: str, limit: int) -> None:
    near, over = (page_size(limit * 8 // 10 + more, {"promscrape.maxScrapeSize": value}, "s") for more in (0, 1))
    assert (near.verdict, over.verdict) == (Verdict.OK, Verdict.WARNING)
    assert over.text.endswith(f", -promscrape.maxScrapeSize={value})")
