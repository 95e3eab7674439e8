"""Figures in the words of a person."""

from zoneinfo import ZoneInfo

import pytest

from exporter.discovery.describe import extra_values, location_text, unread_reason
from exporter.formatting import briefly, every, length, local_date, local_time
from exporter.intervals.model import Interval, Meter, MeterInfo
from exporter.portal.accounts import AccountLocation

from .support.worlds import NOW

MINUTE, HOUR, DAY = 60, 3600, 86400
NEW_YORK = ZoneInfo("America/New_York")


def place(
    *, name: str | None = "House", electric: bool = True, active: bool = True, kinds: str = ""
) -> AccountLocation:
    return AccountLocation("55001", "70001", name, electric=electric, active=active, industries=tuple(kinds.split()))


def meter(*intervals: Interval, exports: bool = False) -> Meter:
    return Meter(MeterInfo("81001", exports=exports), intervals)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (0.9, "0 seconds"),
        (1, "1 second"),
        (59, "59 seconds"),
        (MINUTE, "1 minute"),
        (90, "1 minute"),
        (15 * MINUTE, "15 minutes"),
        (HOUR, "1 hour"),
        (HOUR + 5, "1 hour"),
        (HOUR + MINUTE, "1 hour 1 minute"),
        (2 * HOUR + 30 * MINUTE + 59, "2 hours 30 minutes"),
        (DAY, "1 day"),
        (2 * DAY + 3 * HOUR, "2 days 3 hours"),
        (2 * DAY + 3 * HOUR + 59 * MINUTE, "2 days 3 hours"),
        (35 * DAY, "35 days"),
    ],
)
def test_a_length_of_time_is_told_in_its_largest_units(seconds: float, words: str) -> None:
    assert length(seconds) == words


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (900, "every 15 minutes"),
        (1800, "every 30 minutes"),
        (300, "every 5 minutes"),
        (HOUR, "every hour"),
        (DAY, "once a day"),
        (0, "at unknown intervals"),
    ],
)
def test_a_resolution_is_told_as_how_often_a_meter_is_read(step: int, words: str) -> None:
    assert every(step) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59, "59 s"),
        (MINUTE, "1 min"),
        (HOUR - 1, "59 min"),
        (HOUR, "1 h"),
        (2 * DAY - 1, "47 h"),
        (2 * DAY, "2 d"),
        (10 * DAY + HOUR, "10 d"),
    ],
)
def test_a_table_has_only_the_largest_unit(seconds: float, words: str) -> None:
    assert briefly(seconds) == words


@pytest.mark.parametrize(
    ("zone", "time", "date"),
    [
        ("America/New_York", "2026-01-14 12:00", "2026-01-14"),
        ("Pacific/Honolulu", "2026-01-14 07:00", "2026-01-14"),
        ("Pacific/Palau", "2026-01-15 02:00", "2026-01-15"),
    ],
)
def test_times_are_those_of_the_coops_clock(zone: str, time: str, date: str) -> None:
    assert (local_time(NOW, ZoneInfo(zone)), local_date(NOW, ZoneInfo(zone))) == (time, date)


def test_a_time_is_told_by_the_rules_of_its_own_season() -> None:
    assert local_time(NOW + 180 * DAY, NEW_YORK) == "2026-07-13 13:00"


def test_a_location_is_named_by_its_numbers_and_nickname() -> None:
    assert location_text(place()) == 'location 70001 of account 55001 "House"'
    assert location_text(place(name="")) == location_text(place(name=None)) == "location 70001 of account 55001"


def test_what_a_meter_gives_is_what_its_intervals_have() -> None:
    plain = Interval(NOW - HOUR, NOW, 1.0, 1)
    with_cost = Interval(NOW, NOW + HOUR, 1.0, 1, None, 0, 0.0, 1)
    one_period = Interval(NOW, NOW + HOUR, 1.0, 1, periods=(("On Peak", 1.0, 1),))
    two_periods = Interval(NOW, NOW + HOUR, 1.0, 1, periods=(("On Peak", 0.4, 1), ("Off Peak", 0.6, 1)))
    assert extra_values(meter()) == extra_values(meter(plain)) == []
    assert extra_values(meter(plain, with_cost)) == ["cost"]
    assert extra_values(meter(one_period)) == ["1 rate period"]
    assert extra_values(meter(with_cost, one_period, two_periods, exports=True)) == ["export", "cost", "2 rate periods"]


def test_it_is_told_why_a_location_is_not_read() -> None:
    assert unread_reason(place(kinds="ELECTRIC WATER")) == ""
    assert unread_reason(place(active=False)) == unread_reason(place(active=False, electric=False)) == "closed"
    assert unread_reason(place(electric=False, kinds="WATER SEWER")) == "no electricity (water, sewer)"
    assert unread_reason(place(electric=False)) == "no electricity (unknown service)"
