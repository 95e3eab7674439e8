"""What is stored held against what the portal gave."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from exporter.checks.comparison import PortalValues, stored_findings
from exporter.checks.findings import Finding, Verdict
from exporter.checks.stored_series import NO_STALE_MARKERS
from exporter.config import VictoriaMetricsConfig
from exporter.databases.victoriametrics import StoredSeries, VictoriaMetrics
from exporter.errors import DatabaseError
from exporter.intervals.model import Interval, LocationKey, Meter, MeterInfo
from exporter.intervals.samples import timestamp_ms

DAY = 86400
NOW = int(datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp())
SINCE = NOW - 7 * DAY
KEY = LocationKey("novec", "0012345001", "70001")
LABELS = {"portal": "novec", "account": "0012345001", "location": "70001", "meter": "m1"}
STEP = "victoriametrics 70001"
FLAGS = {"retentionPeriod": "10y", "dedup.minScrapeInterval": "1s"}
WELL = [
    Finding(
        Verdict.OK,
        "victoriametrics",
        "-retentionPeriod=10y; history before 2026-11-15 UTC is not there",
        "smarthub-exporter backfill --start DATE brings it",
    ),
    Finding(Verdict.OK, "victoriametrics", "-dedup.minScrapeInterval=1s"),
]


def interval(end: int, step: int = 3600, usage: float = 1.5) -> Interval:
    return Interval(end - step, end, usage=usage, usage_k=3)


METER = Meter(
    MeterInfo("m1", step=3600),
    tuple(interval(end) for end in range(SINCE + 3600, NOW + 1, 3600)),
    (interval(NOW - 5 * 3600, DAY, 36.0),),
)
MIDNIGHTS = range(NOW - 5 * 3600 - 7 * DAY, NOW, DAY)
RECENT = PortalValues.of(KEY, [METER], SINCE, NOW, MIDNIGHTS)

Stored = dict[str, dict[int, float | None]]


class Fake(VictoriaMetrics):
    """A VictoriaMetrics that holds what it is given, by family and end."""

    def __init__(self, stored: Stored, *, flags: Mapping[str, str] | None = None, oldest: float | None = SINCE) -> None:
        super().__init__(VictoriaMetricsConfig("http://vm:8428"))
        self.stored = stored
        self.oldest = oldest
        self.told = FLAGS if flags is None else flags
        self.asked: list[tuple[str, int, int]] = []
        self.queries: list[str] = []

    def query(self, expression: str, at: float | None = None) -> list[tuple[Mapping[str, str], float]]:
        self.queries.append(expression)
        if expression == "1":
            return [({}, 1.0)]
        return [] if self.oldest is None else [({}, self.oldest)]

    def export(self, match: str, start_ms: int, end_ms: int, *, raw: bool = False) -> Iterator[StoredSeries]:
        assert not raw
        self.asked.append((match, start_ms, end_ms))
        for family, values in self.stored.items():
            samples = tuple((timestamp_ms(end, 3), value) for end, value in sorted(values.items()))
            yield StoredSeries({"__name__": family, **LABELS}, samples)

    def flags(self) -> Mapping[str, str]:
        return self.told


@pytest.fixture
def stored() -> Stored:
    """Everything, as the portal gave it."""
    return {family: dict(values) for (family, _), values in RECENT.values.items()}


def found_in(stored: Stored, **database: float | None) -> list[Finding]:
    findings = stored_findings(Fake(stored, **database), [RECENT], NOW)  # type: ignore[arg-type]
    return [each for each in findings if each.step == STEP]


def without(stored: Stored, *ends: int) -> Stored:
    return {family: {end: v for end, v in values.items() if end not in ends} for family, values in stored.items()}


SOUND = Finding(Verdict.OK, STEP, "337 samples in 3 series, each once and in the last second of its interval")
INTERVALS = Finding(Verdict.OK, STEP, "168 intervals of the last 7 days equal the portal's")
DAYS = Finding(Verdict.OK, STEP, "1 day total of the last 7 days equals the portal's")


def test_everything_there_is_told_with_figures(stored: Stored) -> None:
    # 168 hours of energy and of power, and a day.
    assert stored_findings(Fake(stored), [RECENT], NOW) == [SOUND, INTERVALS, DAYS, *WELL]


def test_the_page_is_judged_where_its_size_is_known(stored: Stored) -> None:
    findings = stored_findings(Fake(stored), [RECENT], NOW, page_bytes=300_000)
    text = "the page of the intervals has 293.0 KiB, less than 16.0 MiB, the default of -promscrape.maxScrapeSize"
    assert findings[-1] == Finding(Verdict.OK, "victoriametrics", text)


def test_the_newest_missing_ones_are_told_since_when(stored: Stored) -> None:
    ends = range(NOW - 11 * 3600, NOW + 1, 3600)
    (finding,) = (each for each in found_in(without(stored, *ends)) if "intervals" in each.text)
    assert finding == Finding(
        Verdict.WARNING,
        STEP,
        "12 of 168 intervals of the last 7 days are missing since 2026-11-21 22:00 UTC",
        "see whether the target of the scrape job is up; the newest come with the next refresh and scrape",
    )


def test_missing_ones_in_between_are_told_with_the_first_and_the_backfill_that_brings_them(stored: Stored) -> None:
    findings = found_in(without(stored, NOW - 50 * 3600, NOW))
    text = "2 of 168 intervals of the last 7 days are missing, the first from 2026-11-20 07:00 UTC"
    assert findings[1:] == [
        Finding(Verdict.WARNING, STEP, text, "smarthub-exporter backfill --days 4 brings them"),
        DAYS,
    ]


def test_one_missing_sample_makes_its_interval_missing(stored: Stored) -> None:
    del stored["smarthub_interval_usage_watts"][NOW - 3600]
    text = "1 of 168 intervals of the last 7 days is missing, the first from 2026-11-22 08:00 UTC"
    assert found_in(stored)[1:] == [
        Finding(Verdict.WARNING, STEP, text, "smarthub-exporter backfill --days 2 brings it"),
        DAYS,
    ]


def test_another_value_is_told(stored: Stored) -> None:
    stored["smarthub_interval_usage_kwh"][NOW - 3600] = 1.500001
    stored["smarthub_interval_usage_kwh"][NOW - 7200] = 1.4
    text = "2 of 168 intervals of the last 7 days differ from the portal's, the first from 2026-11-22 07:00 UTC"
    advice = "the next refresh and scrape correct what the window carries, smarthub-exporter backfill --days 2 the rest"
    assert found_in(stored)[1:] == [Finding(Verdict.WARNING, STEP, text, advice), DAYS]


def test_the_thirteenth_digit_is_no_difference(stored: Stored) -> None:
    stored["smarthub_interval_usage_kwh"][NOW] = 1.5000000000001
    assert INTERVALS in found_in(stored)


def test_a_day_total_is_told_apart(stored: Stored) -> None:
    stored["smarthub_day_usage_kwh"] = {NOW - 5 * 3600: 35.0}
    text = "1 of 1 day total of the last 7 days differs from the portal's, the first from 2026-11-21 05:00 UTC"
    found = found_in(stored)
    assert found[1] == INTERVALS
    assert found[2].text == text


def test_nothing_at_all_is_told_with_what_to_do() -> None:
    assert found_in({}, oldest=None) == [
        Finding(
            Verdict.WARNING,
            STEP,
            "nothing of this location is stored",
            "see whether the scrape job of the intervals is there and its target up, or run smarthub-exporter backfill",
        )
    ]


def test_a_history_without_the_last_days_is_a_scrape_that_ended() -> None:
    found = found_in({}, oldest=NOW - 90 * DAY)
    assert found[0].text == "168 of 168 intervals of the last 7 days are missing since 2026-11-15 10:00 UTC"
    assert found[1].text == "1 of 1 day total of the last 7 days is missing since 2026-11-21 05:00 UTC"


def test_only_stale_markers_are_not_nothing() -> None:
    found = found_in({"smarthub_interval_usage_kwh": {NOW: None}}, oldest=None)
    assert found[0] == Finding(Verdict.WARNING, STEP, "1 stale marker among the values", NO_STALE_MARKERS)


def test_where_all_samples_are_astray_their_absence_is_not_told_again() -> None:
    found = found_in({"smarthub_interval_usage_kwh": {NOW - 77: 1.0, NOW - 99: 1.0}})
    assert [each.text for each in found] == ["2 of 2 samples have the time of a scrape, not of their interval"]


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (1, "1 day total ends at no local midnight, so sums count these days twice"),
        (3, "3 day totals end at no local midnight, so sums count these days twice"),
    ],
)
def test_days_of_another_zone_are_told(stored: Stored, days: int, text: str) -> None:
    stored["smarthub_day_usage_kwh"] |= {MIDNIGHTS[-1 - day] + 3600: 36.0 for day in range(days)}
    stored["smarthub_day_cost_usd"] = {MIDNIGHTS[-1] + 3600: 3.6}
    advice = (
        "another timezone was configured when they were stored: delete the series smarthub_day_* of this location in"
        " the database, then run smarthub-exporter backfill"
    )
    assert found_in(stored)[1] == Finding(Verdict.WARNING, STEP, text, advice)


def test_a_portal_without_intervals_gives_nothing_to_compare_with(stored: Stored) -> None:
    nothing = PortalValues.of(KEY, [], SINCE, NOW, MIDNIGHTS)
    assert stored_findings(Fake(stored), [nothing], NOW)[1] == Finding(
        Verdict.SKIPPED, STEP, "the portal has no intervals of these days to compare with"
    )


NOT_READ = Finding(Verdict.SKIPPED, "victoriametrics", "not read back: the portal gave nothing to compare with")
KEPT = Finding(Verdict.OK, "victoriametrics", "-retentionPeriod=10y")


@pytest.mark.parametrize("has_others", [False, True])
def test_without_locations_only_the_flags_are_told(stored: Stored, has_others: bool) -> None:  # noqa: FBT001
    fake = Fake(stored)
    assert stored_findings(fake, [], NOW, has_others=has_others) == [NOT_READ, KEPT, WELL[1]]
    assert (fake.asked, fake.queries) == ([], ["1"])


def test_beside_locations_that_were_not_asked_for_nothing_is_no_empty_database() -> None:
    findings = stored_findings(Fake({}, oldest=None), [RECENT], NOW, has_others=True)
    text = "the other locations are not read back: the portal gave nothing of them to compare with"
    assert findings[1:] == [Finding(Verdict.SKIPPED, "victoriametrics", text), KEPT, WELL[1]]


def test_the_flags_say_nothing_again_that_the_samples_have_said(stored: Stored) -> None:
    class Copying(Fake):
        def export(self, match: str, start_ms: int, end_ms: int, *, raw: bool = False) -> Iterator[StoredSeries]:
            yield from super().export(match, start_ms, end_ms, raw=raw)
            yield from super().export(match, start_ms, end_ms, raw=raw)

    texts = [each.text for each in stored_findings(Copying(stored, flags={"retentionPeriod": "10y"}), [RECENT], NOW)]
    assert texts[0] == "337 values are stored more than once, so sums count them again"
    assert [text for text in texts if "dedup" in text] == []


def test_the_oldest_of_all_locations_is_the_beginning_of_history(stored: Stored) -> None:
    class Two(Fake):
        def query(self, expression: str, at: float | None = None) -> list[tuple[Mapping[str, str], float]]:
            self.oldest = NOW - (400 if "70002" in expression else 7) * DAY
            return super().query(expression, at)

    other = replace(RECENT, key=replace(KEY, location="70002"))
    findings = stored_findings(Two(stored), [RECENT, other], NOW)
    assert findings[-2].text == "-retentionPeriod=10y; history begins 2025-10-18 UTC"
    assert {each.step for each in findings} == {STEP, "victoriametrics 70002", "victoriametrics"}


def test_a_database_that_fails_is_a_finding_after_what_was_found_before(stored: Stored) -> None:
    class Failing(Fake):
        def export(self, match: str, start_ms: int, end_ms: int, *, raw: bool = False) -> Iterator[StoredSeries]:
            if self.asked:
                raise DatabaseError("victoriametrics http://vm:8428: did not answer in time; try again later")
            return super().export(match, start_ms, end_ms, raw=raw)

    findings = stored_findings(Failing(stored), [RECENT, RECENT], NOW)
    assert [each.verdict for each in findings] == [Verdict.OK, Verdict.OK, Verdict.OK, Verdict.FAILED]
    assert findings[-1].text == "victoriametrics http://vm:8428: did not answer in time; try again later"


def test_a_vminsert_alone_is_not_asked() -> None:
    with VictoriaMetrics(VictoriaMetricsConfig("http://vminsert:8480/insert/0/prometheus")) as vm:
        assert stored_findings(vm, [RECENT], NOW) == [
            Finding(
                Verdict.WARNING,
                "victoriametrics",
                "cannot read back: url is the one of a vminsert",
                "set query_url, such as http://vmselect:8481/select/0/prometheus with the tenant of url",
            )
        ]


# -- what is asked for


def test_everything_from_the_first_expected_sample_until_now_is_read(stored: Stored) -> None:
    fake = Fake(stored)
    stored_findings(fake, [replace(RECENT, until=NOW - 7200)], NOW)
    assert fake.asked == [(RECENT.selector, SINCE * 1000 + 1, NOW * 1000)]
    assert fake.queries == ["1", f"min(tfirst_over_time({RECENT.selector}[20y]))"]
    assert RECENT.selector == (
        '{__name__=~"smarthub_interval_usage_kwh|smarthub_interval_usage_watts|smarthub_interval_export_kwh|'
        "smarthub_interval_cost_usd|smarthub_interval_tou_usage_kwh|smarthub_day_usage_kwh|smarthub_day_export_kwh|"
        'smarthub_day_cost_usd",portal="novec",account="0012345001",location="70001"}'
    )


def test_labels_are_escaped_in_what_is_asked_for() -> None:
    key = LocationKey('a"b', "c\\d", "e")
    assert PortalValues.of(key, [], SINCE, NOW, MIDNIGHTS).selector.endswith(
        ',portal="a\\"b",account="c\\\\d",location="e"}'
    )


def ends_of(recent: PortalValues, name: str) -> Sequence[int]:
    return [end for (family, _), values in recent.values.items() if family == name for end in values]


def test_expected_samples_are_those_of_the_metrics_page_that_end_in_the_time() -> None:
    each = replace(
        interval(NOW), export=0.5, export_k=2, cost=0.2, cost_k=4, periods=(("peak", 1.0, 1), ("off", 0.5, 9))
    )
    meter = Meter(MeterInfo("m1", step=3600), (interval(SINCE), interval(SINCE + 3600), each, interval(NOW + 3600)))
    recent = PortalValues.of(KEY, [meter], SINCE, NOW, MIDNIGHTS)
    own = tuple(sorted(LABELS.items()))
    assert recent.steps == {"m1": 3600}
    assert recent.values == {
        ("smarthub_interval_usage_kwh", own): {SINCE + 3600: 1.5, NOW: 1.5},
        ("smarthub_interval_usage_watts", own): {SINCE + 3600: 1500.0, NOW: 1500.0},
        ("smarthub_interval_export_kwh", own): {NOW: 0.5},
        ("smarthub_interval_cost_usd", own): {NOW: 0.2},
        ("smarthub_interval_tou_usage_kwh", tuple(sorted({**LABELS, "period": "peak"}.items()))): {NOW: 1.0},
        ("smarthub_interval_tou_usage_kwh", tuple(sorted({**LABELS, "period": "off"}.items()))): {NOW: 0.5},
    }
    assert ends_of(recent, "smarthub_day_usage_kwh") == []
