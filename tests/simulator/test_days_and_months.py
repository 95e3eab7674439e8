"""The simulated portal's DAILY and MONTHLY answers: sums of what its meters measured, by local day and by bill."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from exporter.simulator.energy import MeteredEnergy, metered_energy
from exporter.simulator.settings import MonthlyBounds, Revision, Span, Stray
from exporter.simulator.specs import Channels, MeterSpec, Resolution

from ..support.member import (
    AUTUMN,
    HOUR,
    MIDNIGHT,
    NEXT,
    SPRING,
    ZONE,
    Json,
    Member,
    at,
    june,
    meter,
    place,
    points,
    times,
    wall,
)

JUNE = at(2026, 5, 5), at(2026, 6, 5)
"""The billing period that is called June."""
JUNE_X = wall(2026, 6, 1)


def crossed(spec: MeterSpec, start: int = MIDNIGHT, end: int = NEXT) -> list[MeteredEnergy]:
    return [metered_energy(spec, each, spec.step, ZONE) for each in range(start, end, spec.step)]


def drawn(spec: MeterSpec, start: int = MIDNIGHT, end: int = NEXT) -> float:
    return sum(each.drawn for each in crossed(spec, start, end))


def paid(spec: MeterSpec, start: int = MIDNIGHT, end: int = NEXT) -> float:
    return sum(each.drawn * each.price for each in crossed(spec, start, end))


def day_of(spec: MeterSpec, *bounds: int, **switches: Any) -> float:  # noqa: ANN401
    start, end = bounds or (MIDNIGHT, NEXT)
    ((_, value),) = points(Member(spec, **switches).usage(start, end, "DAILY"))
    assert value is not None
    return value


# -- days


@pytest.mark.parametrize("bounds", [(MIDNIGHT, NEXT), SPRING, AUTUMN], ids=["24 hours", "23 hours", "25 hours"])
def test_a_day_is_the_sum_of_its_intervals_rounded_once(bounds: tuple[int, int]) -> None:
    spec = meter()
    assert day_of(spec, *bounds) == round(drawn(spec, *bounds), 2)


def test_each_series_of_a_day_is_rounded_by_itself() -> None:
    spec = meter(Channels.THREE)
    entry = Member(spec).usage(MIDNIGHT, NEXT, "DAILY")
    forward, reverse = drawn(spec), sum(each.sent for each in crossed(spec))
    sums = [round(forward, 2), -round(reverse, 2), round(forward - reverse, 2)]
    assert [points(entry, n) for n in range(3)] == [[(june(0), each)] for each in sums]


def test_a_revision_changes_its_day_by_what_it_changed_when_due() -> None:
    spec, evening, due = meter(), MIDNIGHT + 19 * HOUR, NEXT + HOUR
    revised = {"revisions": (Revision("81001", evening, due, 41.0),)}
    added = 40 * drawn(spec, evening, evening + spec.step)
    assert added > 5
    assert day_of(spec, now=due - 1, **revised) == day_of(spec)
    assert day_of(spec, now=due, **revised) == round(drawn(spec) + added, 2)
    following = NEXT, at(2026, 6, 12)
    assert day_of(spec, *following, **revised) == day_of(spec, *following)


@pytest.mark.parametrize("switch", ["gaps", "nulls"])
def test_energy_that_is_missing_by_the_hour_is_in_the_day(switch: str) -> None:
    spec, span = meter(), Span("81001", MIDNIGHT + HOUR, MIDNIGHT + 3 * HOUR)
    assert day_of(spec, **{switch: (span,)}) == day_of(spec)


def test_a_day_that_still_runs_has_what_is_posted_of_it() -> None:
    spec = meter()
    found = day_of(spec, partial_newest=True, lag=2 * HOUR, now=MIDNIGHT + 12 * HOUR)
    assert found == round(drawn(spec, MIDNIGHT, MIDNIGHT + 10 * HOUR), 2)


def test_a_day_has_the_cost_and_rate_periods_of_its_intervals() -> None:
    spec = meter(periods=True)
    entries = Member(spec).entries(MIDNIGHT, NEXT, "DAILY")
    assert points(entries["COST"]) == [(june(0), round(paid(spec), 2))]
    for n, series in enumerate(entries["TIME_OF_USE"]["series"]):
        kwh = sum(part.drawn for part in crossed(spec) if part.period == series["rateName"])
        assert kwh
        assert points(entries["TIME_OF_USE"], n) == [(june(0), round(kwh, 2))]


# -- billing periods

YEAR = at(2026, 1, 1), at(2026, 12, 1), "MONTHLY"
NOVEMBER = at(2026, 11, 20, 12)
OPEN_X, OPEN_END = wall(9999, 12, 1), wall(9999, 12, 31)
SPEC = meter(step=HOUR)


def months(spec: MeterSpec = SPEC, day: str = "2019-05-04", now: float = NOVEMBER, **more: Any) -> Json:  # noqa: ANN401
    return Member(replace(place(spec), connected=day), now=now, **more).usage(*YEAR)


def named(entry: Json) -> dict[str, tuple[int, int]]:
    """The bounds of the billing periods by their names."""
    return {
        each["orderedName"]: (each["interval"]["start"], each["interval"]["end"])
        for each in entry["xToOrderedInterval"].values()
    }


def test_a_billing_period_from_fifth_to_fifth_is_named_by_its_end() -> None:
    entry = months()
    expected = {
        f"{date(2026, month, 1):%b} 2026": (wall(2026, month - 1, 5), wall(2026, month, 5)) for month in range(2, 12)
    }
    assert list(named(entry).items()) == [*expected.items(), ("Dec 9999", (wall(2026, 11, 5), OPEN_END))]
    assert times(entry) == [wall(2026, month, 1) for month in range(2, 12)] + [OPEN_X]
    assert list(entry["xToOrderedInterval"]) == [str(x) for x in times(entry)]


@pytest.mark.parametrize(
    ("zone", "shifted", "hours"),
    [
        ("America/New_York", 0, (5, 4, 4, 5)),
        ("America/Phoenix", 0, (7, 7, 7, 7)),
        ("America/New_York", -2 * HOUR, (7, 6, 6, 7)),
    ],
    ids=str,
)
def test_bounds_can_be_real_instants(zone: str, shifted: int, hours: tuple[int, ...]) -> None:
    found = named(months(monthly_bounds=MonthlyBounds.REAL, zone=zone, shifted=shifted))
    march, april, october, november = hours
    assert found["Apr 2026"] == (wall(2026, 3, 5, march), wall(2026, 4, 5, april))
    assert found["Nov 2026"] == (wall(2026, 10, 5, october), wall(2026, 11, 5, november))
    assert found["Dec 9999"] == (wall(2026, 11, 5, november), OPEN_END + november * HOUR * 1000)
    assert named(months(zone=zone, shifted=shifted)) == named(months())


def test_a_billing_period_has_the_energy_of_its_intervals() -> None:
    revised = at(2026, 5, 20, 19)
    whole, added = drawn(SPEC, *JUNE), 40 * drawn(SPEC, revised, revised + HOUR)
    assert dict(points(months()))[JUNE_X] == round(whole, 2)
    entry = months(revisions=(Revision("81001", revised, 0.0, 41.0),), lag=2 * HOUR)
    assert dict(points(entry))[JUNE_X] == pytest.approx(whole + added, abs=0.0051)
    so_far = NOVEMBER - 2 * HOUR
    assert points(entry)[-1] == (OPEN_X, round(drawn(SPEC, at(2026, 11, 5), so_far), 2))
    assert entry["meters"][0]["maxReadDate"] == so_far * 1000


@pytest.mark.parametrize("resolution", Resolution)
def test_every_meter_is_billed_however_it_is_read(resolution: Resolution) -> None:
    entry = months(replace(SPEC, resolution=resolution))
    assert dict(points(entry))[JUNE_X] == round(drawn(SPEC, *JUNE), 2)
    assert len(points(entry)) == 11


@pytest.mark.parametrize(
    ("day", "name"),
    [
        ("2026-06-04", "Jun 2026"),
        ("2026-06-05", "Jul 2026"),
        ("2026-06-06", "Jul 2026"),
    ],
)
def test_the_first_billing_period_begins_with_the_connection(day: str, name: str) -> None:
    entry = months(day=day)
    first, (start, _) = next(iter(named(entry).items()))
    connected = datetime.fromisoformat(day)
    assert (first, start) == (name, int(connected.replace(tzinfo=UTC).timestamp() * 1000))
    assert entry["meters"][0]["minReadDate"] == connected.replace(tzinfo=ZONE).timestamp() * 1000


def test_before_the_connection_nothing_is_billed() -> None:
    entry = months(day="2026-11-21")
    assert (points(entry), named(entry)) == ([], {})


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
    assert list(named(months(now=now, lag=lag)))[-2:] == last


def test_only_periods_that_begin_in_the_range_are_given() -> None:
    member = Member(SPEC)
    assert list(named(member.usage(at(2026, 5, 5), at(2026, 7, 5), "MONTHLY"))) == ["Jun 2026", "Jul 2026"]
    assert list(named(member.usage(at(2026, 5, 6), at(2026, 7, 6), "MONTHLY"))) == ["Jul 2026", "Aug 2026"]


def test_months_tell_no_directions_rate_periods_or_strays() -> None:
    stray = Stray("81001", june(10, 7) // 1000, 0.0)
    entries = Member(meter(Channels.THREE, step=HOUR, periods=True), strays=(stray,), now=NOVEMBER).entries(*YEAR)
    assert list(entries) == ["COST", "USAGE"]
    assert not [each for each in entries["USAGE"]["meters"] if "flowDirection" in each]
    assert [len(times(entries["USAGE"], n)) for n in range(3)] == [11] * 3


def test_only_what_is_billed_has_cost() -> None:
    entries = Member(SPEC, now=NOVEMBER).entries(*YEAR)
    assert times(entries["COST"]) == times(entries["USAGE"])[:-1]
    assert dict(points(entries["COST"]))[JUNE_X] == round(paid(SPEC, *JUNE), 2)
