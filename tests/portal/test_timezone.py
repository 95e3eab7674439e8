"""Which zone a portal keeps, told from its answers, at any time of the year and with whatever is missing."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.portal.timezone import (
    OffsetEvidence,
    evidence_in,
    evidence_of_bills,
    is_contradicted,
    matching_zones,
    zone_fits,
)
from exporter.portal.us_timezones import other_season
from exporter.portal.usage import UsageAnswer, decode

from ..support.portal_answers import (
    DAY,
    HOUR,
    MINUTE,
    QUARTER,
    bounds_of,
    examples,
    instant,
    midnight,
    one_meter,
    wall_of,
)

COOP_ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/Adak",
    "Pacific/Honolulu",
    "Pacific/Palau",
    "America/Puerto_Rico",
)
"""Zones in which co-ops are, no two of which show the same times all year round."""
SEASONS = (date(2025, 7, 20), date(2026, 1, 13))

zones = st.sampled_from(COOP_ZONES)
steps = st.sampled_from((15 * MINUTE, 30 * MINUTE, HOUR))
instants = st.integers(instant("2025-01-01 00:00+00:00"), instant("2026-12-31 00:00+00:00"))
days = st.dates(date(2025, 1, 2), date(2026, 12, 1))


def shown(zone: str, start: int, end: int, step: int = QUARTER) -> UsageAnswer:
    """What a portal of this zone answers for a range of real time in which it has everything."""
    return decode(one_meter([(wall_of(moment, zone), 0.25) for moment in range(start, end, step)]))


def utc_midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def offset(zone: str, moment: int) -> int:
    """How far the zone is ahead of UTC, modulo a day, by the standard library alone."""
    return (wall_of(moment, zone) - moment) % DAY


def changes_within(zone: str, start: int, end: int) -> bool:
    return offset(zone, start) != offset(zone, end)


def two_days(zone: str, day: date, step: int = QUARTER) -> tuple[OffsetEvidence, ...]:
    start = utc_midnight(day)
    return evidence_in(shown(zone, start, start + 2 * DAY, step), start, start + 2 * DAY)


# -- sightings of an answer


@given(zone=zones, day=days, step=steps)
@examples
def test_a_whole_answer_shows_the_offset_at_both_its_ends(zone: str, day: date, step: int) -> None:
    start, end = utc_midnight(day), utc_midnight(day) + 2 * DAY
    seen = evidence_in(shown(zone, start, end, step), start, end)

    assert next((each.instant, each.offset % DAY) for each in seen) == (start, offset(zone, start))
    if not changes_within(zone, start, end - 1):
        assert {(each.offset % DAY, each.certain) for each in seen} == {(offset(zone, start), True)}
        assert [each.instant for each in seen] == [start, end - 1]


@given(
    zone=zones,
    day=days,
    step=steps,
    gap=st.integers(0, 30),
    lag=st.integers(0, 30),
)
@examples
def test_no_gap_and_no_lag_ever_makes_a_certain_sighting_of_something_untrue(
    zone: str, day: date, step: int, gap: int, lag: int
) -> None:
    start, end = utc_midnight(day), utc_midnight(day) + 7 * DAY
    answer = shown(zone, start + gap * step, end - lag * step, step)
    for seen in evidence_in(answer, start, end):
        if seen.certain:
            assert seen.offset % DAY == offset(zone, seen.instant)


@pytest.mark.parametrize(("gap", "lag"), [(HOUR, 0), (0, HOUR), (30 * MINUTE, 30 * MINUTE)])
def test_an_hour_that_is_missing_does_not_feign_a_zone_without_summer_time(gap: int, lag: int) -> None:
    start, end = instant("2026-03-06 00:00-05:00"), instant("2026-03-12 00:00-04:00")
    seen = evidence_in(shown("America/New_York", start + gap, end - lag), start, end)

    assert zone_fits(ZoneInfo("America/New_York"), seen) is not False


def test_a_gap_at_the_start_leaves_an_uncertain_sighting() -> None:
    start, end = bounds_of(date(2026, 1, 13), "America/New_York")
    assert evidence_in(shown("America/New_York", start + HOUR, end), start, end) == (OffsetEvidence(start, -4 * HOUR),)


def test_a_lag_at_the_end_leaves_an_uncertain_sighting_of_what_is_true() -> None:
    start, end = bounds_of(date(2026, 1, 13), "America/New_York")
    assert evidence_in(shown("America/New_York", start, end - 3 * HOUR), start, end) == (
        OffsetEvidence(start, -5 * HOUR),
    )


@pytest.mark.parametrize("off", [MINUTE, 5 * MINUTE, 14 * MINUTE + 59])
def test_data_that_begin_off_the_quarter_show_nothing(off: int) -> None:
    start, end = bounds_of(date(2026, 1, 13), "America/New_York")
    assert evidence_in(shown("America/New_York", start + off, end, QUARTER), start, end) == ()


def test_data_from_far_away_show_nothing() -> None:
    start, end = bounds_of(date(2026, 1, 13), "America/New_York")
    late = shown("America/New_York", start + 21 * HOUR, end + 21 * HOUR)
    assert evidence_in(late, start, end) == ()


def test_an_answer_without_points_shows_nothing() -> None:
    assert evidence_in(decode(one_meter([])), 0, DAY) == ()
    assert evidence_in(UsageAnswer(), 0, DAY) == ()


def test_a_single_point_has_no_step_and_shows_nothing() -> None:
    assert evidence_in(decode(one_meter([(0, 1.0)], charted=False)), 0, DAY) == ()


# -- sightings of bills


@given(zone=zones, day=days)
@examples
def test_a_bill_read_at_local_midnight_shows_the_offset(zone: str, day: date) -> None:
    read = midnight(day, zone)
    assert evidence_of_bills([read]) == (OffsetEvidence(read, offset(zone, read)),)


def test_a_bill_read_off_the_quarter_of_an_hour_shows_nothing() -> None:
    read = midnight(date(2026, 1, 5), "America/New_York")
    assert evidence_of_bills([read + 1, read + 7 * MINUTE, read - 1]) == ()


def test_the_same_bill_of_several_locations_counts_once_and_in_order() -> None:
    first, last = (midnight(day, "America/Chicago") for day in (date(2025, 12, 5), date(2026, 1, 5)))
    seen = evidence_of_bills([last, first, last, first])
    assert seen == (OffsetEvidence(first, 18 * HOUR), OffsetEvidence(last, 18 * HOUR))


def test_bills_alone_tell_the_zone_where_they_lie_in_both_seasons() -> None:
    for zone in COOP_ZONES:
        assert matching_zones(evidence_of_bills(midnight(day, zone) for day in SEASONS)) == (zone,)


def test_one_bill_read_at_noon_amid_two_at_midnight_is_outvoted() -> None:
    reads = [midnight(day, "America/New_York") for day in (date(2025, 7, 5), date(2025, 12, 5), date(2026, 1, 5))]
    reads[1] += 12 * HOUR
    assert matching_zones(evidence_of_bills(reads)) == ("America/New_York",)


def test_as_many_bills_off_midnight_as_at_midnight_tell_nothing() -> None:
    read = midnight(date(2026, 1, 5), "America/New_York")
    seen = evidence_of_bills([read, read + DAY + 3 * HOUR])
    assert zone_fits(ZoneInfo("America/New_York"), seen) is None
    assert matching_zones(seen) == ()


def test_two_bills_at_another_zones_midnight_are_against_a_zone() -> None:
    reads = [midnight(day, "America/Chicago") for day in (date(2025, 12, 5), date(2026, 1, 5))]
    assert zone_fits(ZoneInfo("America/New_York"), evidence_of_bills(reads)) is False
    assert zone_fits(ZoneInfo("America/New_York"), evidence_of_bills(reads[:1])) is None


def test_data_that_begin_late_in_a_range_are_not_against_a_zone() -> None:
    # As for a member who moved in a week ago at ten: nothing else is known yet.
    start, end = bounds_of(date(2026, 1, 13), "America/New_York")
    seen = evidence_in(shown("America/New_York", start + 10 * HOUR, end - 5 * HOUR), start, end)
    assert zone_fits(ZoneInfo("America/New_York"), seen) is None


# -- which zones fit


def test_where_nothing_was_seen_nothing_can_be_told() -> None:
    assert zone_fits(ZoneInfo("America/New_York"), ()) is None
    assert matching_zones(()) == ()


@given(zone=zones, step=steps)
@examples
def test_one_range_in_each_season_leaves_exactly_the_zone(zone: str, step: int) -> None:
    seen = [sighting for day in SEASONS for sighting in two_days(zone, day, step)]
    assert matching_zones(seen) == (zone,)
    assert [name for name in COOP_ZONES if zone_fits(ZoneInfo(name), seen)] == [zone]


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        ("America/Phoenix", SEASONS[1], ("America/Denver", "America/Phoenix")),
        ("America/Denver", SEASONS[1], ("America/Denver", "America/Phoenix")),
        ("America/Phoenix", SEASONS[0], ("America/Phoenix", "America/Los_Angeles")),
        ("America/Denver", SEASONS[0], ("America/Denver",)),
        ("Pacific/Honolulu", SEASONS[1], ("Pacific/Honolulu", "America/Adak")),
        ("America/New_York", SEASONS[0], ("America/New_York", "America/Puerto_Rico")),
        ("Pacific/Palau", SEASONS[0], ("Pacific/Palau",)),
    ],
)
def test_one_season_alone_leaves_the_zones_that_look_alike_in_it(
    zone: str, day: date, expected: tuple[str, ...]
) -> None:
    assert matching_zones(two_days(zone, day)) == expected


@given(zone=zones, moment=instants, step=steps)
@examples
def test_a_probe_now_and_one_in_the_other_season_leave_exactly_the_zone(zone: str, moment: int, step: int) -> None:
    seen: list[OffsetEvidence] = []
    for age in (moment, other_season(moment)):
        start = age // DAY * DAY
        seen += evidence_in(shown(zone, start, start + 2 * DAY, step), start, start + 2 * DAY)
    assert zone_fits(ZoneInfo(zone), seen) is True
    assert matching_zones(seen) == (zone,)


@given(zone=zones, gap=st.integers(1, 12), step=steps)
@examples
def test_a_gap_at_the_start_does_not_outweigh_a_certain_sighting(zone: str, gap: int, step: int) -> None:
    start, end = utc_midnight(SEASONS[1]), utc_midnight(SEASONS[1]) + 2 * DAY
    gapped = evidence_in(shown(zone, start + gap * HOUR, end, step), start, end)
    certain = two_days(zone, SEASONS[0], step) + two_days(zone, SEASONS[1] + timedelta(days=4), step)

    assert matching_zones((*gapped, *certain)) == (zone,)
    assert zone_fits(ZoneInfo(zone), (*gapped, *certain)) is True


def test_one_certain_sighting_against_a_zone_is_enough() -> None:
    start = utc_midnight(SEASONS[1])
    for_it: Sequence[OffsetEvidence] = [OffsetEvidence(start + number, -5 * HOUR % DAY) for number in range(9)]
    against = OffsetEvidence(start, -6 * HOUR, certain=True)
    assert zone_fits(ZoneInfo("America/New_York"), for_it) is True
    assert zone_fits(ZoneInfo("America/New_York"), [*for_it, against]) is False
    assert zone_fits(ZoneInfo("America/Chicago"), [*for_it, against]) is True


def test_a_zone_of_another_name_with_the_same_clock_fits() -> None:
    seen = two_days("America/New_York", SEASONS[1])
    for name in ("America/Indiana/Indianapolis", "America/Detroit", "EST5EDT"):
        assert zone_fits(ZoneInfo(name), seen) is True


@pytest.mark.parametrize("wrong", ["UTC", "Etc/GMT", "America/Chicago", "America/Los_Angeles"])
def test_a_zone_that_users_leave_or_mistake_does_not_fit(wrong: str) -> None:
    assert zone_fits(ZoneInfo(wrong), two_days("America/New_York", SEASONS[1])) is False


# -- the other season


@given(moment=instants)
@examples
def test_the_other_season_is_past_within_a_year_and_has_the_other_time(moment: int) -> None:
    new_york = ZoneInfo("America/New_York")
    other = other_season(moment)
    assert 0 < moment - other <= 366 * DAY
    seasons = {bool(datetime.fromtimestamp(each, new_york).dst()) for each in (moment, other)}
    assert seasons == {False, True}


@pytest.mark.parametrize(
    ("now", "other"),
    [
        ("2026-01-14 17:00+00:00", "2025-07-20 12:00+00:00"),
        ("2026-07-25 17:00+00:00", "2026-01-20 12:00+00:00"),
        ("2026-03-07 17:00+00:00", "2025-07-20 12:00+00:00"),
        ("2026-03-09 17:00+00:00", "2026-01-20 12:00+00:00"),
        ("2026-11-22 10:00+00:00", "2026-07-20 12:00+00:00"),
    ],
)
def test_the_other_season_is_the_nearest_one_before(now: str, other: str) -> None:
    assert other_season(instant(now)) == instant(other)


def test_three_sights_that_all_disagree_contradict_a_zone_and_one_that_agrees_saves_it() -> None:
    january = int(datetime(2026, 1, 14, 5, tzinfo=UTC).timestamp())
    eastern = [OffsetEvidence(january - month * 30 * DAY, -5 * 3600) for month in range(3)]
    assert is_contradicted(ZoneInfo("America/Chicago"), eastern)
    assert not is_contradicted(ZoneInfo("America/Chicago"), eastern[:2])
    assert not is_contradicted(ZoneInfo("America/Chicago"), [*eastern, OffsetEvidence(january, -6 * 3600)])
    assert not is_contradicted(ZoneInfo("America/New_York"), eastern)
    assert not is_contradicted(ZoneInfo("America/New_York"), [])
