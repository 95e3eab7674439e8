"""The simulated portal's DAILY and MONTHLY answers: sums of what its meters measured, by local day and by bill."""

from datetime import UTC, datetime
from typing import Any

import pytest

from exporter.simulator.energy import MeteredEnergy, metered_energy
from exporter.simulator.settings import MonthlyBounds, Revision, Settings, Span, Stray
from exporter.simulator.specs import Channels, LocationSpec, MeterSpec, Resolution

from ..support.member import (
    AUTUMN,
    HOUR,
    MIDNIGHT,
    NEXT,
    NOON_AFTER,
    QUARTER,
    SPRING,
    ZONE,
    Json,
    Member,
    at,
    meter,
    place,
    points,
    times,
    wall,
)

PLAIN = Settings(pending=0)


def crossed(spec: MeterSpec, start: int, end: int) -> list[MeteredEnergy]:
    return [metered_energy(spec, each, spec.step, ZONE) for each in range(start, end, spec.step)]


def drawn(spec: MeterSpec, start: int, end: int) -> float:
    return sum(each.drawn for each in crossed(spec, start, end))


def day_of(
    spec: MeterSpec, start: int = MIDNIGHT, end: int = NEXT, settings: Settings = PLAIN, now: float = NOON_AFTER
) -> float | None:
    ((_, value),) = points(Member(place(spec), settings=settings, now=now).usage(start, end, "DAILY"))
    return value


# -- days


@pytest.mark.parametrize("bounds", [(MIDNIGHT, NEXT), SPRING, AUTUMN], ids=["24 hours", "23 hours", "25 hours"])
def test_a_day_is_the_sum_of_its_intervals_rounded_once(bounds: tuple[int, int]) -> None:
    spec = meter()
    member = Member(place(spec), now=at(2026, 12, 1))
    ((_, day),) = points(member.usage(*bounds, "DAILY"))
    intervals = [y or 0.0 for _, y in points(member.usage(*bounds))]
    assert day == round(drawn(spec, *bounds), 2)
    assert day == pytest.approx(sum(intervals), abs=0.005 * len(intervals))


def test_a_day_and_its_rounded_intervals_can_differ() -> None:
    spec = meter()
    rounded = sum(y or 0.0 for _, y in points(Member(place(spec)).usage()))
    assert day_of(spec) == pytest.approx(drawn(spec, MIDNIGHT, NEXT), abs=0.005)
    assert day_of(spec) != round(rounded, 2)


def test_each_series_of_a_day_is_rounded_by_itself() -> None:
    spec = meter(Channels.THREE)
    entry = Member(place(spec)).usage(MIDNIGHT, NEXT, "DAILY")
    forward, reverse = drawn(spec, MIDNIGHT, NEXT), sum(each.sent for each in crossed(spec, MIDNIGHT, NEXT))
    assert [points(entry, n)[0][1] for n in range(3)] == [
        round(forward, 2),
        -round(reverse, 2),
        round(forward - reverse, 2),
    ]


def test_a_revised_interval_changes_its_day_by_what_it_changed() -> None:
    spec, evening = meter(), MIDNIGHT + 19 * HOUR
    revised = Settings(pending=0, revisions=(Revision("81001", evening, 0.0, 41.0),))
    added = 40 * drawn(spec, evening, evening + QUARTER)
    assert added > 5
    assert day_of(spec, settings=revised) == round(drawn(spec, MIDNIGHT, NEXT) + added, 2)


def test_a_revision_changes_a_day_when_it_is_due_and_only_its_own() -> None:
    spec = meter()
    settings = Settings(pending=0, revisions=(Revision("81001", MIDNIGHT, NEXT + HOUR, 41.0),))
    plain = round(drawn(spec, MIDNIGHT, NEXT), 2)
    assert day_of(spec, settings=settings, now=NEXT + HOUR - 1) == plain
    assert (day_of(spec, settings=settings, now=NEXT + HOUR) or 0) > plain
    assert day_of(spec, NEXT, at(2026, 6, 12), settings) == day_of(spec, NEXT, at(2026, 6, 12))


def test_energy_that_is_missing_by_the_hour_is_in_the_day() -> None:
    spec, span = meter(), Span("81001", MIDNIGHT + HOUR, MIDNIGHT + 3 * HOUR)
    whole = day_of(spec)
    assert day_of(spec, settings=Settings(pending=0, gaps=(span,))) == whole
    assert day_of(spec, settings=Settings(pending=0, nulls=(span,))) == whole


def test_a_day_that_still_runs_has_what_is_posted_of_its_intervals() -> None:
    spec = meter()
    settings = Settings(pending=0, partial_newest=True, lag=2 * HOUR)
    entry = Member(place(spec), settings=settings, now=MIDNIGHT + 12 * HOUR).usage(MIDNIGHT, NEXT, "DAILY")
    assert points(entry) == [(wall(2026, 6, 10), round(drawn(spec, MIDNIGHT, MIDNIGHT + 10 * HOUR), 2))]


def test_the_cost_of_a_day_is_that_of_its_intervals() -> None:
    spec = meter()
    entries = Member(place(spec)).entries(MIDNIGHT, NEXT, "DAILY")
    paid = sum(each.drawn * each.price for each in crossed(spec, MIDNIGHT, NEXT))
    assert points(entries["COST"]) == [(wall(2026, 6, 10), round(paid, 2))]


def test_a_day_has_its_energy_by_rate_period() -> None:
    spec = meter(periods=True)
    entry = Member(place(spec)).entries(MIDNIGHT, NEXT, "DAILY")["TIME_OF_USE"]
    names = [series["rateName"] for series in entry["series"]]
    each = crossed(spec, MIDNIGHT, NEXT)
    assert [points(entry, n)[0][1] for n in range(3)] == [
        round(sum(part.drawn for part in each if part.period == name), 2) for name in names
    ]
    assert all(points(entry, n)[0][1] for n in range(3))


# -- billing periods

YEAR = at(2026, 1, 1), at(2026, 12, 1)
NOVEMBER = at(2026, 11, 20, 12)
OPEN_X = int(datetime(9999, 12, 1, tzinfo=UTC).timestamp()) * 1000
OPEN_END = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * 1000


def months(*meters: MeterSpec, now: float = NOVEMBER, settings: Settings = PLAIN, **more: Any) -> Json:  # noqa: ANN401
    location = LocationSpec("55001", "70001", meters or (meter(step=HOUR),), connected=more.pop("day", "2019-05-04"))
    return Member(location, now=now, settings=settings, **more).usage(*YEAR, "MONTHLY")


def named(entry: Json) -> dict[str, tuple[int, int]]:
    """The bounds of the billing periods by their names."""
    return {
        each["orderedName"]: (each["interval"]["start"], each["interval"]["end"])
        for each in entry["xToOrderedInterval"].values()
    }


def test_a_billing_period_goes_from_the_fifth_to_the_fifth_and_is_called_by_the_month_it_ends_in() -> None:
    found = named(months())
    names = ("Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov")
    assert list(found) == [*(f"{name} 2026" for name in names), "Dec 9999"]
    assert found["Jun 2026"] == (wall(2026, 5, 5), wall(2026, 6, 5))
    assert found["Nov 2026"] == (wall(2026, 10, 5), wall(2026, 11, 5))


def test_the_x_of_a_billing_period_is_its_month_and_there_is_one_point_for_each() -> None:
    entry = months()
    assert times(entry) == [wall(2026, month, 1) for month in range(2, 12)] + [OPEN_X]
    assert list(entry["xToOrderedInterval"]) == [str(x) for x in times(entry)]


def test_the_open_period_lies_in_the_year_9999_but_begins_now() -> None:
    entry = months()
    assert named(entry)["Dec 9999"] == (wall(2026, 11, 5), OPEN_END)
    assert times(entry)[-1] == OPEN_X


@pytest.mark.parametrize(
    ("zone", "hours"), [("America/New_York", (5, 4, 4, 5)), ("America/Phoenix", (7, 7, 7, 7))], ids=str
)
def test_bounds_can_be_real_instants(zone: str, hours: tuple[int, ...]) -> None:
    found = named(months(settings=Settings(pending=0, monthly_bounds=MonthlyBounds.REAL), zone=zone))
    march, april, october, november = hours
    assert found["Apr 2026"] == (wall(2026, 3, 5, march), wall(2026, 4, 5, april))
    assert found["Nov 2026"] == (wall(2026, 10, 5, october), wall(2026, 11, 5, november))
    assert found["Dec 9999"] == (wall(2026, 11, 5, november), OPEN_END + november * HOUR * 1000)


def test_a_shifted_portal_bills_at_its_own_midnight() -> None:
    shifted = Settings(pending=0, shifted=-2 * HOUR)
    assert named(months(settings=shifted))["Jun 2026"] == (wall(2026, 5, 5), wall(2026, 6, 5))
    real = Settings(pending=0, shifted=-2 * HOUR, monthly_bounds=MonthlyBounds.REAL)
    assert named(months(settings=real))["Jun 2026"] == (wall(2026, 5, 5, 6), wall(2026, 6, 5, 6))


def test_a_billing_period_has_the_energy_of_its_intervals_revisions_included() -> None:
    spec, revised = meter(step=HOUR), at(2026, 5, 20, 19)
    added = 40 * drawn(spec, revised, revised + HOUR)
    whole = drawn(spec, at(2026, 5, 5), at(2026, 6, 5))
    june = wall(2026, 6, 1)
    assert dict(points(months(spec)))[june] == round(whole, 2)
    settings = Settings(pending=0, revisions=(Revision("81001", revised, 0.0, 41.0),))
    assert dict(points(months(spec, settings=settings)))[june] == pytest.approx(whole + added, abs=0.0051)


def test_the_open_period_has_the_energy_so_far() -> None:
    spec = meter(step=HOUR)
    entry = months(spec, settings=Settings(pending=0, lag=2 * HOUR))
    assert points(entry)[-1] == (OPEN_X, round(drawn(spec, at(2026, 11, 5), NOVEMBER - 2 * HOUR), 2))
    assert entry["meters"][0]["maxReadDate"] == (NOVEMBER - 2 * HOUR) * 1000


@pytest.mark.parametrize("resolution", Resolution)
def test_every_meter_is_billed_however_it_is_read(resolution: Resolution) -> None:
    spec = meter(step=HOUR, resolution=resolution)
    entry = months(spec)
    assert dict(points(entry))[wall(2026, 6, 1)] == round(drawn(spec, at(2026, 5, 5), at(2026, 6, 5)), 2)
    assert len(points(entry)) == 11
    assert entry["hasDaily"] is (resolution is not Resolution.MONTHS)
    assert entry["hasHourly"] is (resolution is Resolution.INTERVALS)


def test_the_first_billing_period_begins_with_the_connection() -> None:
    found = months(day="2026-06-20")
    assert next(iter(named(found).items())) == ("Jul 2026", (wall(2026, 6, 20), wall(2026, 7, 5)))
    assert found["meters"][0]["minReadDate"] == at(2026, 6, 20) * 1000


@pytest.mark.parametrize(
    ("day", "first"),
    [("2026-06-04", ("Jun 2026", 4)), ("2026-06-05", ("Jul 2026", 5)), ("2026-06-06", ("Jul 2026", 6))],
)
def test_a_connection_about_the_billing_day_is_billed_on_the_next_one(day: str, first: tuple[str, int]) -> None:
    name, (start, _) = next(iter(named(months(day=day)).items()))
    assert (name, start) == (first[0], wall(2026, 6, first[1]))


def test_before_the_connection_nothing_is_billed() -> None:
    entry = months(day="2026-11-21")
    assert (points(entry), entry["xToOrderedInterval"]) == ([], {})


@pytest.mark.parametrize(
    ("now", "lag", "last"),
    [
        (at(2026, 11, 5) - 1, 0, ["Oct 2026", "Dec 9999"]),
        (at(2026, 11, 5), 0, ["Oct 2026", "Nov 2026"]),
        (at(2026, 11, 5) + 1, 0, ["Nov 2026", "Dec 9999"]),
        (at(2026, 11, 6), 2 * 86400, ["Oct 2026", "Dec 9999"]),
    ],
)
def test_a_period_is_open_until_all_of_it_is_posted(now: int, lag: float, last: list[str]) -> None:
    assert list(named(months(now=now, settings=Settings(pending=0, lag=lag))))[-2:] == last


def test_only_periods_that_begin_in_the_range_are_given() -> None:
    member = Member(place(meter(step=HOUR)), now=NOVEMBER)
    assert list(named(member.usage(at(2026, 5, 5), at(2026, 7, 5), "MONTHLY"))) == ["Jun 2026", "Jul 2026"]
    assert list(named(member.usage(at(2026, 5, 6), at(2026, 7, 6), "MONTHLY"))) == ["Jul 2026", "Aug 2026"]


def test_months_tell_no_directions_rate_periods_or_strays() -> None:
    stray = Stray("81001", wall(2026, 6, 10, 10, 7) // 1000, 0.0)
    member = Member(
        place(meter(Channels.THREE, step=HOUR, periods=True)),
        settings=Settings(pending=0, strays=(stray,)),
        now=NOVEMBER,
    )
    entries = member.entries(*YEAR, "MONTHLY")
    assert sorted(entries) == ["COST", "USAGE"]
    assert not [each for each in entries["USAGE"]["meters"] if "flowDirection" in each]
    assert len(entries["USAGE"]["series"]) == 3
    assert len(times(entries["USAGE"])) == 11


def test_only_what_is_billed_has_cost() -> None:
    member = Member(place(meter(step=HOUR)), now=NOVEMBER)
    entries = member.entries(*YEAR, "MONTHLY")
    assert times(entries["COST"]) == times(entries["USAGE"])[:-1]
    spec = meter(step=HOUR)
    paid = sum(each.drawn * each.price for each in crossed(spec, at(2026, 5, 5), at(2026, 6, 5)))
    assert dict(points(entries["COST"]))[wall(2026, 6, 1)] == round(paid, 2)
