"""What the flags and the configuration of a Prometheus say about what it keeps and accepts."""

import pytest

from exporter.checks.findings import Finding
from exporter.checks.prometheus_settings import late_samples, retention

from ..support.check_reports import lines

TIME = "storage.tsdb.retention.time"
SIZE = "storage.tsdb.retention.size"
LONGER = f"start Prometheus with --{TIME}=10y before you load history"
DEFAULT = f"warning s: {TIME} is not set; Prometheus deletes samples after 15 days -> {LONGER}"
DAY = 86400
WINDOW = 7 * DAY


def line(finding: Finding) -> str:
    return lines([finding])[0]


def in_file(**retention_keys: str) -> dict[str, object]:
    return {"storage": {"tsdb": {"retention": retention_keys}}}


@pytest.mark.parametrize(
    ("flags", "config", "told"),
    [
        ({}, {}, DEFAULT),
        ({TIME: "0s", SIZE: "0B"}, {"storage": {"tsdb": ""}}, DEFAULT),
        ({TIME: "15d"}, {}, f"warning s: {TIME} is 15d; Prometheus deletes samples after 15 days -> {LONGER}"),
        ({TIME: "10y"}, {}, f"ok s: {TIME} is 10y"),
        ({TIME: "a new notation"}, {}, f"ok s: {TIME} is a new notation"),
        ({TIME: "15d"}, in_file(time="5y"), f"ok s: {TIME} is 5y"),
        ({TIME: "0s", SIZE: "50GB"}, {}, f"ok s: {SIZE} is 50GB; the oldest samples are deleted when it is reached"),
        ({TIME: "10y"}, in_file(size="50GB"), f"ok s: {TIME} is 10y, {SIZE} is 50GB"),
    ],
)
def test_the_retention_may_be_a_flag_or_in_the_file(
    flags: dict[str, str], config: dict[str, object], told: str
) -> None:
    found = retention(flags, config, "s")
    assert (line(found), found.loses_data) == (told, told.startswith("warning"))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("14d", "ok s: out_of_order_time_window is 14d, at least twice the exporter's window (7d)"),
        (None, "warning s: out_of_order_time_window is not set; Prometheus drops samples that are older than an hour"),
        (
            "13d",
            (
                "warning s: out_of_order_time_window is 13d, less than twice the exporter's window (7d); one older"
                " sample makes Prometheus drop the entire scrape"
            ),
        ),
    ],
)
def test_late_samples_need_twice_the_window(value: str | None, told: str) -> None:
    found = late_samples({"storage": {"tsdb": {"out_of_order_time_window": value}}} if value else {}, WINDOW, "s")
    fix = " -> set storage.tsdb.out_of_order_time_window: 14d" if found.loses_data else ""
    assert line(found) == told + fix
    assert found.loses_data == told.startswith("warning")
