"""What is stored, compared with what the portal gave."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from exporter.checks.comparison import PortalValues, stored_findings
from exporter.checks.stored_series import delete_command
from exporter.config import VictoriaMetricsConfig
from exporter.databases.victoriametrics import StoredSeries, VictoriaMetrics
from exporter.errors import DatabaseError
from exporter.intervals.interval import Interval
from exporter.intervals.model import LocationKey, Meter, MeterInfo
from exporter.intervals.samples import timestamp_ms

from ..support.check_reports import lines

DAY = 86400
NOW = int(datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp())
SINCE = NOW - 7 * DAY
KEY = LocationKey("novec", "0012345001", "70001")
LABELS = {"portal": "novec", "account": "0012345001", "location": "70001", "meter": "m1"}
STEP = "stored data: location 70001"
FLAGS = {"retentionPeriod": "10y", "dedup.minScrapeInterval": "1s"}


def interval(end: int, step: int = 3600, usage: float = 1.5) -> Interval:
    return Interval(end - step, end, usage=usage, usage_k=3)


METER = Meter.of(
    MeterInfo("m1", step=3600),
    tuple(interval(end) for end in range(SINCE + 3600, NOW + 1, 3600)),
    (interval(NOW - 5 * 3600, DAY, 36.0),),
)
MIDNIGHTS = range(NOW - 5 * 3600 - 7 * DAY, NOW, DAY)
RECENT = PortalValues.of(KEY, [METER], SINCE, NOW, MIDNIGHTS)

Stored = dict[str, dict[int, float | None]]
ALL: Stored = {family: dict(values) for (family, _), values in RECENT.values.items()}
"""Everything as the portal gave it: 168 hours of energy and of power, and a day."""


class Fake(VictoriaMetrics):
    """A VictoriaMetrics that holds the given values, by family and end."""

    def __init__(self, stored: Stored = ALL, *, oldest: float | None = SINCE) -> None:
        super().__init__(VictoriaMetricsConfig("http://vm:8428"))
        self.stored = stored
        self.oldest = oldest
        self.copies = 1
        self.told = FLAGS
        self.asked: list[tuple[str, int, int]] = []
        self.queries: list[str] = []

    def query(self, expression: str, at: float | None = None) -> list[tuple[Mapping[str, str], float]]:
        self.queries.append(expression)
        if expression == "1":
            return [({}, 1.0)]
        # Another location has a year more.
        oldest = NOW - 400 * DAY if "70002" in expression else self.oldest
        return [] if oldest is None else [({}, oldest)]

    def export(self, match: str, start_ms: int, end_ms: int, *, raw: bool = False) -> Iterator[StoredSeries]:
        assert not raw
        if "fails" in match:
            raise DatabaseError("did not answer in time")
        self.asked.append((match, start_ms, end_ms))
        for family, values in self.stored.items():
            stamps = [timestamp_ms(end, 3) for end in sorted(values)]
            numbers = [math.nan if (value := values[end]) is None else value for end in sorted(values)]
            yield from [StoredSeries({"__name__": family, **LABELS}, stamps, numbers)] * self.copies

    def ping(self) -> None:
        self.query("1")

    def flags(self) -> Mapping[str, str]:
        return self.told


def said(
    vm: VictoriaMetrics, *locations: PortalValues, page_bytes: int | None = None, others: bool = False
) -> list[str]:
    return lines(stored_findings(vm, locations, NOW, page_bytes=page_bytes, has_others=others))


def found_in(stored: Stored, oldest: float | None = SINCE) -> list[str]:
    return [line for line in said(Fake(stored, oldest=oldest), RECENT) if STEP in line]


SOUND = f"ok {STEP}: 337 samples in 3 series, each stored once, in the last second of its interval"
INTERVALS = f"ok {STEP}: values match the portal in 168 intervals of the last 7 days"
DAYS = f"ok {STEP}: values match the portal in 1 day total of the last 7 days"
KEPT = "ok database: -retentionPeriod=10y"
DEDUPLICATED = "ok database: -dedup.minScrapeInterval=1s"


def test_complete_data_is_reported_with_figures() -> None:
    *flags, sound, intervals, days = said(Fake(), RECENT, page_bytes=300_000)
    assert found_in(ALL) == [sound, intervals, days] == [SOUND, INTERVALS, DAYS]
    assert flags == [
        f"{KEPT}; history starts 2026-11-15 UTC -> for earlier days, run smarthub-exporter backfill --start first",
        DEDUPLICATED,
        ("ok database: interval page: 293 KiB (scraper limit 16 MiB, default of -promscrape.maxScrapeSize)"),
    ]


MIDNIGHT = NOW - 5 * 3600
KWH, WATTS, DAY_KWH = "smarthub_interval_usage_kwh", "smarthub_interval_usage_watts", "smarthub_day_usage_kwh"
REFRESH = (
    "the next refresh and scrape fix those inside `window`; for older ones, run smarthub-exporter backfill --days {}"
)
FOREIGN = (
    " whose end is not a local midnight; sums count these days twice -> they were stored under another timezone; delete"
    " the smarthub_day_* series of this location from the database, then run smarthub-exporter backfill --start first"
)


@pytest.mark.parametrize(
    ("families", "gone", "changed", "expected"),
    [
        (
            (KWH, WATTS),
            range(NOW - 11 * 3600, NOW + 1, 3600),
            {},
            (
                "missing 12 of 168 intervals of the last 7 days, all since 2026-11-21 22:00 UTC -> check that the"
                " scrape target is up; the newest values arrive with the next refresh and scrape"
            ),
        ),
        (
            (KWH, WATTS),
            (NOW - 50 * 3600, NOW),
            {},
            (
                "missing 2 of 168 intervals of the last 7 days, first at 2026-11-20 07:00 UTC"
                " -> run smarthub-exporter backfill --days 4"
            ),
        ),
        (
            (WATTS,),
            (NOW - 3600,),
            {},
            (
                "missing 1 of 168 intervals of the last 7 days, first at 2026-11-22 08:00 UTC"
                " -> run smarthub-exporter backfill --days 2"
            ),
        ),
        (
            (KWH,),
            (),
            {NOW - 3600: 1.500001, NOW - 7200: 1.4},
            "values differ from the portal in 2 of 168 intervals of the last 7 days, first at 2026-11-22 07:00 UTC -> "
            + REFRESH.format(2),
        ),
        (
            (DAY_KWH,),
            (),
            {MIDNIGHT: 35.0},
            "values differ from the portal in 1 of 1 day total of the last 7 days, first at 2026-11-21 05:00 UTC -> "
            + REFRESH.format(3),
        ),
        ((DAY_KWH, "smarthub_day_cost_usd"), (), {MIDNIGHT + 3600 - DAY: 36.0}, f"1 day total{FOREIGN}"),
        ((DAY_KWH,), (), {MIDNIGHT + 3600 - DAY: 36.0, MIDNIGHT - 3600: 36.0}, f"2 day totals{FOREIGN}"),
    ],
)
def test_missing_and_different_values_are_reported(
    families: tuple[str, ...], gone: range, changed: dict[int, float], expected: str
) -> None:
    stored = {family: dict(values) for family, values in ALL.items()}
    for family in families:
        own = {**stored.get(family, {}), **changed}
        stored[family] = {end: value for end, value in own.items() if end not in gone}
    (told,) = [line for line in found_in(stored) if line.startswith("warning")]
    assert told == f"warning {STEP}: {expected}"


def without(*ends: int) -> Stored:
    return {family: {end: value for end, value in own.items() if end not in ends} for family, own in ALL.items()}


def test_days_before_the_first_stored_sample_are_not_missing() -> None:
    first = SINCE + 40 * 3600
    stored = without(*range(SINCE, first, 3600))
    assert found_in(stored, oldest=timestamp_ms(first, 3) / 1000) == [
        f"ok {STEP}: 259 samples in 3 series, each stored once, in the last second of its interval",
        f"ok {STEP}: values match the portal in 129 intervals of the last 5 days",
        DAYS.replace("7 days", "5 days"),
    ]
    (lost,) = [line for line in found_in(stored, oldest=first - 30 * DAY) if "missing" in line]
    assert "missing 39 of 168 intervals of the last 7 days, first at 2026-11-15 10:00 UTC" in lost


def test_a_day_lost_in_the_middle_is_missing() -> None:
    first, lost = SINCE + 40 * 3600, range(NOW - 48 * 3600, NOW - 24 * 3600, 3600)
    stored = without(*range(SINCE, first, 3600), *lost)
    (told,) = [line for line in found_in(stored, oldest=timestamp_ms(first, 3) / 1000) if line.startswith("warning")]
    assert "missing 24 of 129 intervals of the last 5 days, first at 2026-11-20 09:00 UTC" in told


def test_data_stored_since_the_last_settled_day_is_not_judged() -> None:
    assert found_in({}, oldest=NOW + 60.0) == [
        f"skipped {STEP}: the portal has no intervals for the stored days to compare with"
    ]


def test_a_difference_in_the_thirteenth_digit_is_ignored() -> None:
    assert INTERVALS in found_in({**ALL, KWH: {**ALL[KWH], NOW: 1.5000000000001}})


def test_an_empty_database_is_reported_with_what_to_do() -> None:
    assert found_in({}, oldest=None) == [
        (
            f"warning {STEP}: nothing stored yet -> the first scrape comes within 15 minutes of the scraper's start;"
            " check that the smarthub_intervals job has a target that is up, or run smarthub-exporter backfill"
            " --start first"
        )
    ]


def test_history_without_the_last_days_means_scrapes_stopped() -> None:
    intervals, day = found_in({}, oldest=NOW - 90 * DAY)
    assert "missing 168 of 168 intervals of the last 7 days, all since 2026-11-15 10:00 UTC" in intervals
    assert "missing 1 of 1 day total of the last 7 days, all since 2026-11-21 05:00 UTC" in day


def test_stale_markers_alone_count_as_stored_data() -> None:
    assert "stale marker" in found_in({KWH: {NOW: None}}, oldest=None)[0]


def test_with_scrape_times_only_nothing_else_is_reported() -> None:
    (told,) = found_in({KWH: {NOW - 77: 1.0, NOW - 99: 1.0}})
    assert "2 of 2 samples have the time of a scrape" in told


def test_without_intervals_there_is_nothing_to_compare_with() -> None:
    nothing = PortalValues.of(KEY, [], SINCE, NOW, MIDNIGHTS)
    assert (
        said(Fake(), nothing)[-1] == f"skipped {STEP}: the portal has no intervals for the stored days to compare with"
    )


@pytest.mark.parametrize("others", [False, True])
def test_without_locations_only_the_flags_are_reported(*, others: bool) -> None:
    fake = Fake()
    not_read = "skipped database: locations not read back; the portal sent no data to compare with"
    assert said(fake, others=others) == [not_read, KEPT, DEDUPLICATED]
    assert (fake.asked, fake.queries) == ([], ["1"])


def test_other_locations_may_hold_the_stored_data() -> None:
    not_read = "other locations not read back; the portal sent no data to compare with"
    told = said(Fake({}, oldest=None), RECENT, others=True)
    assert told[:-1] == [f"skipped database: {not_read}", KEPT, DEDUPLICATED]


def test_flags_do_not_repeat_what_samples_show() -> None:
    fake = Fake()
    fake.copies, fake.told = 2, {"retentionPeriod": "10y"}
    told = said(fake, RECENT)
    assert "337 values stored more than once" in told[1]
    assert "is not set" not in "".join(told)


def test_history_starts_with_the_oldest_location() -> None:
    told = said(Fake(), RECENT, replace(RECENT, key=replace(KEY, location="70002")))
    assert told[0] == f"{KEPT}; history starts 2025-10-18 UTC"


def test_equal_findings_of_several_locations_are_one_line() -> None:
    others = [replace(RECENT, key=replace(KEY, location=number)) for number in ("70003", "70004")]
    told = said(Fake(), RECENT, *others)
    assert [line for line in told if "stored data" in line] == [
        line.replace("location 70001", "for 3 locations") for line in (SOUND, INTERVALS, DAYS)
    ]


def test_the_same_advice_is_shown_once() -> None:
    shorter = replace(RECENT, key=replace(KEY, location="70003"), steps={"m1": 7200})
    fake = Fake({KWH: {NOW: 1.0, NOW - 3600: 1.0, NOW - 77: 1.0}})
    found = stored_findings(fake, [RECENT, shorter], NOW)
    assert [each.command for each in found if each.command] == [delete_command("http://vm:8428")]
    assert "as above" in [each.advice for each in found]


def test_a_failure_is_reported_after_what_was_found() -> None:
    broken = replace(RECENT, key=replace(KEY, location="fails"))
    assert said(Fake(), RECENT, broken) == [SOUND, INTERVALS, DAYS, "failed database: did not answer in time"]


def test_a_vminsert_is_not_queried() -> None:
    with VictoriaMetrics(VictoriaMetricsConfig("http://vminsert:8480/insert/0/prometheus")) as vm:
        assert said(vm, RECENT) == [
            (
                "warning database: url points to vminsert, which cannot be queried -> set query_url, such as"
                " http://vmselect:8481/select/0/prometheus with the tenant from url"
            )
        ]


# -- what is asked for


def test_everything_until_now_is_read_back() -> None:
    fake = Fake()
    said(fake, replace(RECENT, until=NOW - 7200))
    assert fake.asked == [(RECENT.selector, SINCE * 1000 + 1, NOW * 1000)]
    assert fake.queries == ["1", f"min(tfirst_over_time({RECENT.selector}[20y]))"]
    assert RECENT.selector == (
        '{__name__=~"smarthub_interval_usage_kwh|smarthub_interval_usage_watts|smarthub_interval_export_kwh|'
        "smarthub_interval_cost_usd|smarthub_interval_tou_usage_kwh|smarthub_day_usage_kwh|smarthub_day_export_kwh|"
        'smarthub_day_cost_usd",portal="novec",account="0012345001",location="70001"}'
    )


def test_labels_are_escaped_in_queries() -> None:
    odd = replace(RECENT, key=LocationKey('a"b', "c\\d", "e"))
    assert odd.selector.endswith(',portal="a\\"b",account="c\\\\d",location="e"}')


def test_expected_values_are_those_on_the_metrics_page() -> None:
    each = replace(
        interval(NOW), export=0.5, export_k=2, cost=0.2, cost_k=4, periods=(("peak", 1.0, 1), ("off", 0.5, 9))
    )
    meter = Meter.of(MeterInfo("m1", step=3600), (interval(SINCE), interval(SINCE + 3600), each, interval(NOW + 3600)))
    recent = PortalValues.of(KEY, [meter], SINCE, NOW, MIDNIGHTS)
    own, tou = tuple(sorted(LABELS.items())), "smarthub_interval_tou_usage_kwh"
    assert recent.steps == {"m1": 3600}
    assert recent.values == {
        (KWH, own): {SINCE + 3600: 1.5, NOW: 1.5},
        (WATTS, own): {SINCE + 3600: 1500.0, NOW: 1500.0},
        ("smarthub_interval_export_kwh", own): {NOW: 0.5},
        ("smarthub_interval_cost_usd", own): {NOW: 0.2},
        (tou, (*own[:3], ("period", "peak"), own[3])): {NOW: 1.0},
        (tou, (*own[:3], ("period", "off"), own[3])): {NOW: 0.5},
    }
