"""Times, durations, amounts and counts for people."""

# ruff: noqa: RUF001 - typographic dashes and minus signs
from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from exporter.formatting import (
    ago,
    briefly,
    counted,
    day_text,
    every,
    iso,
    kwh,
    lasting,
    length,
    local_date,
    local_time,
    midnights,
    moment,
    number,
    power,
    printable,
    span,
    usd,
)

from .support.worlds import NOW

MINUTE, HOUR, DAY = 60, 3600, 86400
NEW_YORK = ZoneInfo("America/New_York")


def test_a_duration_is_shown_in_its_two_largest_units() -> None:
    expected = {
        0.9: "0 seconds",
        1: "1 second",
        59: "59 seconds",
        MINUTE: "1 minute",
        15 * MINUTE: "15 minutes",
        HOUR + 5: "1 hour",
        HOUR + MINUTE: "1 hour 1 minute",
        2 * HOUR + 30 * MINUTE + 59: "2 hours 30 minutes",
        DAY: "1 day",
        2 * DAY + 3 * HOUR + 59 * MINUTE: "2 days 3 hours",
    }
    assert {seconds: length(seconds) for seconds in expected} == expected


def test_a_resolution_is_shown_as_how_often_a_meter_is_read() -> None:
    expected = {900: "every 15 minutes", HOUR: "every hour", DAY: "once a day", 0: "at unknown intervals"}
    assert {step: every(step) for step in expected} == expected


def test_a_duration_in_a_table_has_one_unit() -> None:
    expected = {
        -5: "0 s",
        59: "59 s",
        MINUTE: "1 min",
        HOUR - 1: "59 min",
        HOUR: "1 h",
        2 * DAY - 1: "47 h",
        2 * DAY: "2 d",
        10 * DAY + HOUR: "10 d",
    }
    assert {seconds: briefly(seconds) for seconds in expected} == expected


def test_times_are_in_the_zone_of_the_co_op() -> None:
    palau = ZoneInfo("Pacific/Palau")
    assert (local_time(NOW, palau), local_date(NOW, palau)) == ("2026-01-15 02:00", "2026-01-15")
    assert local_time(NOW, NEW_YORK) == "2026-01-14 12:00"
    assert local_time(NOW + 180 * DAY, NEW_YORK) == "2026-07-13 13:00"


def at(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]


def test_a_duration_is_rounded_down() -> None:
    expected = {
        -5: "less than a minute",
        59: "less than a minute",
        60: "1 minute",
        119 * MINUTE + 59: "119 minutes",
        2 * HOUR: "2 hours",
        71 * HOUR + 3599: "71 hours",
        72 * HOUR: "3 days",
        10 * DAY - 1: "9 days",
    }
    assert {seconds: lasting(seconds) for seconds in expected} == expected


def test_a_moment_ago_and_the_future_are_just_now() -> None:
    assert [ago(seconds) for seconds in (-100, 59.9, 60)] == ["just now", "just now", "1 minute ago"]


def test_energy_has_its_unit_and_two_decimals() -> None:
    assert [kwh(value) for value in (31.4249, 1234.5, -0.001)] == ["31.42 kWh", "1,234.50 kWh", "0.00 kWh"]


def test_money_has_its_unit_and_a_credit_its_sign() -> None:
    assert [usd(value) for value in (3.905, 1234.0, -1.2, -0.001)] == ["$3.90", "$1,234.00", "−$1.20", "$0.00"]


def test_power_changes_its_unit_from_10_kw_on() -> None:
    assert [power(value) for value in (0.0, 9999.4, 10_000.0)] == ["0 W", "9,999 W", "10.0 kW"]


def test_plain_figures_and_counts() -> None:
    assert (number(1234.567), number(0.25, 1)) == ("1,234.57", "0.2")
    assert [counted(count, "day") for count in (0, 1, 2)] == ["0 days", "1 day", "2 days"]


def test_an_instant_has_the_name_of_its_zone() -> None:
    assert moment(at(2026, 11, 22, 13, 15), NEW_YORK) == "Sun Nov 22 08:15 EST"
    assert moment(at(2026, 7, 4, 12), NEW_YORK) == "Sat Jul 4 08:00 EDT"
    assert iso(at(2026, 7, 4, 12), NEW_YORK) == "2026-07-04T08:00:00-04:00"


def test_an_instant_of_another_year_has_the_year() -> None:
    now = at(2027, 1, 2, 12)
    assert moment(at(2026, 12, 31, 12), NEW_YORK, now) == "Thu Dec 31 2026 07:00 EST"
    assert moment(at(2027, 1, 1, 12), NEW_YORK, now) == "Fri Jan 1 07:00 EST"


def test_an_interval_across_a_clock_change_names_both_zones() -> None:
    assert span(at(2026, 11, 22, 13), at(2026, 11, 22, 13, 15), NEW_YORK) == "Sun Nov 22 08:00–08:15 EST"
    assert span(at(2026, 11, 1, 5, 45), at(2026, 11, 1, 6), NEW_YORK) == "Sun Nov 1 01:45 EDT–01:00 EST"
    assert span(at(2026, 11, 1, 6, 45), at(2026, 11, 1, 7), NEW_YORK) == "Sun Nov 1 01:45–02:00 EST"


def test_local_days_have_23_24_and_25_hours() -> None:
    for first, hours in ((date(2026, 3, 7), 23), (date(2026, 10, 31), 25)):
        bounds = midnights(first, 3, NEW_YORK)
        assert [(end - start) / HOUR for start, end in pairwise(bounds)] == [24, hours, 24]
    assert day_text(date(2026, 11, 1)) == "Sun Nov 1"


def test_text_that_would_control_a_terminal_is_escaped() -> None:
    text = "a\x1b[2J\x7f\x9b\u202e\ud83d\r\nb Käse 😀"
    assert printable(text) == "a\\x1b[2J\\x7f\\x9b\\u202e\\ud83d\\r\nb Käse 😀"
