"""Tests of the zone of a portal, from its answers at any time of the year."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.portal.timezone import (
    OffsetEvidence,
    ZoneState,
    ZoneVerdict,
    begins_late,
    bills_fit,
    evidence_in,
    judge_zone,
    matching_zones,
    zone_advice,
)
from exporter.portal.us_timezones import other_season
from exporter.portal.usage import decode
from exporter.portal.usage_answer import UsageAnswer

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
"""Zones of co-ops that differ from each other at some time of the year."""
SUMMER, WINTER = date(2025, 7, 20), date(2026, 1, 13)
NEW_YORK = ZoneInfo("America/New_York")

zones = st.sampled_from(COOP_ZONES)
steps = st.sampled_from((15 * MINUTE, 30 * MINUTE, HOUR))
instants = st.integers(instant("2025-01-01 00:00+00:00"), instant("2026-12-31 00:00+00:00"))
days = st.dates(date(2025, 1, 2), date(2026, 12, 1))


def shown(zone: str, start: int, end: int, step: int = QUARTER) -> UsageAnswer:
    """Return the complete answer of a portal in this zone for a range of instants."""
    return decode(one_meter([(wall_of(moment, zone), 0.25) for moment in range(start, end, step)]))


@pytest.mark.parametrize(("missing", "late"), [(0, False), (1, True), (2, False)])
def test_range_begins_late_without_its_first_point(missing: int, *, late: bool) -> None:
    start = midnight(SUMMER, "America/New_York")
    answer = shown("America/New_York", start + missing * QUARTER, start + DAY)
    assert begins_late(answer, wall_of(start, "America/New_York")) is late


def offset(zone: str, moment: int) -> int:
    """Return how far the zone is ahead of UTC, by the standard library alone."""
    return wall_of(moment, zone) - moment


def two_days(zone: str, day: date, step: int = QUARTER) -> tuple[OffsetEvidence, ...]:
    """Return the evidence of a portal in this zone for two days from a UTC midnight."""
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    return evidence_in(shown(zone, start, start + 2 * DAY, step), start, start + 2 * DAY)


def both_seasons(zone: str, step: int = QUARTER) -> tuple[OffsetEvidence, ...]:
    return two_days(zone, SUMMER, step) + two_days(zone, WINTER, step)


# -- evidence


@given(zone=zones, day=days, step=steps)
@examples
def test_full_answer_shows_the_offset(zone: str, day: date, step: int) -> None:
    for seen in two_days(zone, day, step):
        assert seen.offset == offset(zone, seen.start) == offset(zone, seen.end - 1)


def test_most_full_answers_show_it() -> None:
    assert all(len(two_days(zone, day)) == 1 for zone in COOP_ZONES for day in (SUMMER, WINTER))


@given(zone=zones, day=days, step=steps, gap=st.integers(0, 30), lag=st.integers(0, 30))
@examples
def test_gap_and_lag_never_fake_an_offset(zone: str, day: date, step: int, gap: int, lag: int) -> None:
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    end = start + 7 * DAY
    for seen in evidence_in(shown(zone, start + gap * step, end - lag * step, step), start, end):
        assert seen.offset == offset(zone, seen.start)


@pytest.mark.parametrize(("gap", "lag"), [(HOUR, 0), (0, HOUR), (30 * MINUTE, 30 * MINUTE)])
def test_missing_hour_across_a_clock_change_shows_nothing(gap: int, lag: int) -> None:
    start, end = instant("2026-03-06 00:00-05:00"), instant("2026-03-12 00:00-04:00")
    assert evidence_in(shown("America/New_York", start + gap, end - lag), start, end) == ()


@pytest.mark.parametrize(
    ("begin", "end"),
    [(HOUR, 0), (0, -3 * HOUR), (MINUTE, 0), (21 * HOUR, 21 * HOUR), (6 * HOUR, -5 * HOUR), (0, HOUR)],
    ids=["gap", "lag", "off the quarter", "far away", "daylight only", "an hour too many"],
)
def test_data_shifted_at_one_end_shows_nothing(begin: int, end: int) -> None:
    first, last = bounds_of(WINTER, "America/New_York")
    assert evidence_in(shown("America/New_York", first + begin, last + end), first, last) == ()


@pytest.mark.parametrize(("late", "shows"), [(0, True), (1, True), (2, False)])
@pytest.mark.parametrize("step", [QUARTER, HOUR])
def test_included_end_bound_is_no_shift(step: int, late: int, *, shows: bool) -> None:
    start, end = bounds_of(WINTER, "America/New_York")
    seen = evidence_in(shown("America/New_York", start, end + step - late * step, step), start, end)
    assert [each.offset for each in seen] == [-5 * HOUR] * shows


@pytest.mark.parametrize("points", [[], [(0, 1.0)]])
def test_too_few_points_show_nothing(points: list[tuple[int, float]]) -> None:
    assert evidence_in(decode(one_meter(points, charted=False)), 0, DAY) == ()
    assert evidence_in(UsageAnswer(), 0, DAY) == ()


# -- bills


@given(zone=zones, day=days)
@examples
def test_bill_read_at_local_midnight_fits_its_zone(zone: str, day: date) -> None:
    assert bills_fit(ZoneInfo(zone), [midnight(day, zone)])
    assert not bills_fit(ZoneInfo(zone), [midnight(day, zone) + 12 * HOUR])


def test_majority_of_bills_decides() -> None:
    reads = [midnight(day, "America/New_York") for day in (date(2025, 7, 5), date(2025, 12, 5), WINTER)]
    assert bills_fit(NEW_YORK, [reads[0], reads[1] + 3 * HOUR, reads[2]])
    assert not bills_fit(NEW_YORK, [reads[0], reads[1] + 3 * HOUR])
    assert not bills_fit(NEW_YORK, [])


def test_bill_read_off_the_quarter_hour_does_not_count() -> None:
    read = midnight(WINTER, "America/New_York")
    assert bills_fit(NEW_YORK, [read, read + 1, read + 7 * MINUTE])
    assert not bills_fit(NEW_YORK, [read + 1])


# -- which zones fit


def test_bills_of_both_seasons_show_the_zone() -> None:
    assert matching_zones(()) == ()
    for zone in COOP_ZONES:
        assert matching_zones((), [midnight(day, zone) for day in (SUMMER, WINTER)]) == (zone,)


@pytest.mark.slow
@given(zone=zones, step=steps)
@examples
def test_one_range_per_season_leaves_one_zone(zone: str, step: int) -> None:
    assert matching_zones(both_seasons(zone, step))[0] == zone
    assert [name for name in COOP_ZONES if name in matching_zones(both_seasons(zone, step))] == [zone]


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        ("America/Phoenix", WINTER, ("America/Denver", "America/Phoenix")),
        ("America/Phoenix", SUMMER, ("America/Phoenix", "America/Los_Angeles")),
        ("Pacific/Honolulu", WINTER, ("Pacific/Honolulu", "America/Adak")),
        ("America/New_York", SUMMER, ("America/New_York", "America/Puerto_Rico")),
    ],
)
def test_one_season_leaves_the_zones_that_are_equal_in_it(zone: str, day: date, expected: tuple[str, ...]) -> None:
    assert matching_zones(two_days(zone, day)) == expected


def test_bills_tell_equal_zones_apart() -> None:
    reads = [midnight(SUMMER, "America/Phoenix")]
    assert matching_zones(two_days("America/Phoenix", WINTER), reads) == ("America/Phoenix",)
    assert matching_zones(two_days("America/Phoenix", WINTER), [reads[0] + HOUR * 5]) == (
        "America/Denver",
        "America/Phoenix",
    )


@pytest.mark.parametrize(
    ("zones", "advice"),
    [
        ((), "set timezone to the co-op's, such as America/New_York"),
        (("A", "B", "C"), "set timezone: A (B or C would also match)"),
    ],
)
def test_advice_names_every_zone_that_fits(zones: tuple[str, ...], advice: str) -> None:
    assert zone_advice(zones) == advice


def test_standard_time_all_year_needs_both_seasons() -> None:
    assert matching_zones(two_days("Etc/GMT+5", WINTER)) == ("America/New_York",)
    assert matching_zones(both_seasons("Etc/GMT+5")) == ("Etc/GMT+5",)


@given(zone=zones, moment=instants, step=steps)
@examples
def test_probes_in_both_seasons_show_the_zone(zone: str, moment: int, step: int) -> None:
    seen: list[OffsetEvidence] = []
    for age in (moment, other_season(moment)):
        start = age // DAY * DAY
        seen += evidence_in(shown(zone, start, start + 2 * DAY, step), start, start + 2 * DAY)
    if len(seen) == 2:
        assert judge_zone(ZoneInfo(zone), seen).fits
        assert matching_zones(seen)[0] == zone


# -- the verdict


def test_all_evidence_for_a_zone_makes_it_fit() -> None:
    verdict = judge_zone(NEW_YORK, two_days("America/New_York", WINTER))
    assert verdict == ZoneVerdict(ZoneState.FITS, (), "America/New_York")
    assert verdict.message == ""
    for name in ("America/Indiana/Indianapolis", "America/Detroit"):
        assert judge_zone(ZoneInfo(name), both_seasons("America/New_York")).fits


@given(zone=zones, step=steps, configured=zones)
@examples
def test_wrong_zone_is_contradicted_by_both_seasons(zone: str, step: int, configured: str) -> None:
    verdict = judge_zone(ZoneInfo(configured), both_seasons(zone, step))
    if zone == configured:
        assert verdict.fits
    elif verdict.is_contradicted:
        assert verdict.others[0] == zone
        assert configured not in verdict.others
    else:  # equal in one of the seasons
        assert verdict.fits is None


def test_utc_is_contradicted() -> None:
    verdict = judge_zone(ZoneInfo("UTC"), both_seasons("America/New_York"))
    assert (verdict.fits, verdict.others) == (False, ("America/New_York",))
    assert verdict.problem == "the portal's times do not match UTC"
    assert verdict.advice == zone_advice(verdict.others) == "set timezone: America/New_York"


def test_one_range_only_makes_a_zone_suspect() -> None:
    seen = two_days("America/New_York", WINTER)
    suspect = judge_zone(ZoneInfo("America/Chicago"), seen)
    assert suspect.state is ZoneState.SUSPECT
    assert suspect.problem == "so far, the portal's times do not match America/Chicago"
    (one,) = seen
    neighbour = OffsetEvidence(one.end, one.end + DAY, one.offset)
    assert judge_zone(ZoneInfo("America/Chicago"), [one, neighbour]).state is ZoneState.SUSPECT
    apart = OffsetEvidence(one.end + DAY, one.end + 2 * DAY, one.offset)
    assert judge_zone(ZoneInfo("America/Chicago"), [one, apart]).is_contradicted


def test_zone_that_fits_in_part_is_not_contradicted() -> None:
    verdict = judge_zone(NEW_YORK, both_seasons("Etc/GMT+5"))
    assert (verdict.state, verdict.others) == (ZoneState.PARTLY, ("Etc/GMT+5",))
    assert verdict.message == (
        "not all of the portal's times match America/New_York; set timezone: Etc/GMT+5; run smarthub-exporter check"
    )


def shifted(zone: str, by: int) -> list[OffsetEvidence]:
    """Return the evidence of both seasons with later labels."""
    return [OffsetEvidence(each.start, each.end, each.offset + by) for each in both_seasons(zone)]


def test_nothing_can_be_told_if_no_zone_fits() -> None:
    verdict = judge_zone(NEW_YORK, shifted("America/Chicago", 45 * MINUTE))
    assert (verdict.state, verdict.others) == (ZoneState.NO_ZONE, ())
    assert verdict.problem == (
        "the portal's times match no time zone of a US co-op, so America/New_York cannot be verified"
    )
    assert verdict.advice == "compare an hour of use with the SmartHub website"
    assert judge_zone(NEW_YORK, ()).state is ZoneState.UNKNOWN


@pytest.mark.parametrize("step", [QUARTER, HOUR])
def test_bills_support_a_zone_with_shifted_labels(step: int) -> None:
    """If labels are the ends of intervals, hourly ones are an hour later, like the next zone."""
    late, chicago = shifted("America/Chicago", step), ZoneInfo("America/Chicago")
    assert judge_zone(chicago, late).is_contradicted is (step == HOUR)
    verdict = judge_zone(chicago, late, [midnight(WINTER, "America/Chicago")])
    assert verdict.state is ZoneState.END_LABELS
    assert verdict.problem == "the portal's billing dates match America/Chicago, its other times do not"
    assert verdict.advice == "keep America/Chicago; the portal may label its intervals with their end"


def test_bills_alone_support_but_never_contradict_a_zone() -> None:
    reads = [midnight(day, "America/Chicago") for day in (SUMMER, WINTER)]
    assert judge_zone(ZoneInfo("America/Chicago"), (), reads).fits
    assert judge_zone(NEW_YORK, (), reads).fits is None
    assert judge_zone(NEW_YORK, ()).fits is None


# -- the other season


@given(moment=instants)
@examples
def test_other_season_is_within_the_last_year(moment: int) -> None:
    new_york = ZoneInfo("America/New_York")
    other = other_season(moment)
    assert 0 < moment - other <= 366 * DAY
    seasons = {bool(datetime.fromtimestamp(each, new_york).dst()) for each in (moment, other)}
    assert seasons == {False, True}


@pytest.mark.parametrize(
    ("now", "other"),
    [
        ("2026-07-25 17:00+00:00", "2026-01-20 12:00+00:00"),
        ("2026-03-07 17:00+00:00", "2025-07-20 12:00+00:00"),
        ("2026-03-09 17:00+00:00", "2026-01-20 12:00+00:00"),
        ("2026-11-22 10:00+00:00", "2026-07-20 12:00+00:00"),
    ],
)
def test_other_season_is_the_nearest_one_before(now: str, other: str) -> None:
    assert other_season(instant(now)) == instant(other)
