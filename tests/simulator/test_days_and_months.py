"""The simulated portal's DAILY and MONTHLY answers: sums per local day and per billing period."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from exporter.simulator.energy import MeteredEnergy, metered_energy
from exporter.simulator.settings import MonthlyBounds, Revision, Span, Stray
from exporter.simulator.specs import Channels, MeterSpec, Resolution

from ..support.member import (
    AUTUMN,
    DAY,
    HOUR,
    MIDNIGHT,
    NEXT,
    SPRING,
    ZONE,
    Json,
    Member,
    at,
    home,
    june,
    meter,
    points,
    times,
    wall,
)

JUNE = at(2026, 5, 5), at(2026, 6, 5)
"""The billing period named June."""
JUNE_X = wall(2026, 6, 1)


def metered(spec: MeterSpec, start: int = MIDNIGHT, end: int = NEXT) -> list[MeteredEnergy]:
    return [metered_energy(spec, each, spec.step, ZONE) for each in range(start, end, spec.step)]


def usage_of(spec: MeterSpec, start: int = MIDNIGHT, end: int = NEXT) -> float:
    return sum(each.usage for each in metered(spec, start, end))


def cost_of(spec: MeterSpec, start: int = MIDNIGHT, end: int = NEXT) -> float:
    return sum(each.usage * each.price for each in metered(spec, start, end))


def daily_value(spec: MeterSpec, *bounds: int, **switches: Any) -> float:  # noqa: ANN401
    start, end = bounds or (MIDNIGHT, NEXT)
    ((_, value),) = points(Member(spec, **switches).usage(start, end, "DAILY"))
    assert value is not None
    return value


# -- days


@pytest.mark.parametrize("bounds", [(MIDNIGHT, NEXT), SPRING, AUTUMN], ids=["24 hours", "23 hours", "25 hours"])
def test_a_day_is_the_sum_of_its_intervals_rounded_once(bounds: tuple[int, int]) -> None:
    spec = meter()
    assert daily_value(spec, *bounds) == round(usage_of(spec, *bounds), 2)


def test_each_series_of_a_day_is_rounded_on_its_own() -> None:
    spec = meter(Channels.THREE)
    entry = Member(spec).usage(MIDNIGHT, NEXT, "DAILY")
    forward, reverse = usage_of(spec), sum(each.export for each in metered(spec))
    sums = [round(forward, 2), -round(reverse, 2), round(forward - reverse, 2)]
    assert [points(entry, n) for n in range(3)] == [[(june(0), each)] for each in sums]


def test_a_revision_changes_its_day_when_it_is_due() -> None:
    spec, evening, due = meter(), MIDNIGHT + 19 * HOUR, NEXT + HOUR
    revised = {"revisions": (Revision("81001", evening, due, 41.0),)}
    added = 40 * usage_of(spec, evening, evening + spec.step)
    assert added > 5
    assert daily_value(spec, now=due - 1, **revised) == daily_value(spec)
    assert daily_value(spec, now=due, **revised) == round(usage_of(spec) + added, 2)
    following = NEXT, at(2026, 6, 12)
    assert daily_value(spec, *following, **revised) == daily_value(spec, *following)


@pytest.mark.parametrize("switch", ["gaps", "nulls"])
def test_a_day_includes_what_its_intervals_lack(switch: str) -> None:
    spec, span = meter(), Span("81001", MIDNIGHT + HOUR, MIDNIGHT + 3 * HOUR)
    assert daily_value(spec, **{switch: (span,)}) == daily_value(spec)


def test_the_current_day_has_what_is_posted_so_far() -> None:
    spec = meter()
    found = daily_value(spec, partial_newest=True, lag=2 * HOUR, now=MIDNIGHT + 12 * HOUR)
    assert found == round(usage_of(spec, MIDNIGHT, MIDNIGHT + 10 * HOUR), 2)


def test_a_day_has_the_cost_and_rate_periods_of_its_intervals() -> None:
    spec = meter(periods=True)
    entries = Member(spec).entries(MIDNIGHT, NEXT, "DAILY")
    assert points(entries["COST"]) == [(june(0), round(cost_of(spec), 2))]
    for n, series in enumerate(entries["TIME_OF_USE"]["series"]):
        kwh = sum(part.usage for part in metered(spec) if part.period == series["rateName"])
        assert kwh
        assert points(entries["TIME_OF_USE"], n) == [(june(0), round(kwh, 2))]


# -- billing periods

YEAR = at(2026, 1, 1), at(2026, 12, 1), "MONTHLY"
NOVEMBER = at(2026, 11, 20, 12)
OPEN_X, OPEN_END = wall(9999, 12, 1), wall(9999, 12, 31)
SPEC = meter(step=HOUR)


def months(spec: MeterSpec = SPEC, day: str = "2019-05-04", now: float = NOVEMBER, **more: Any) -> Json:  # noqa: ANN401
    return Member(replace(home(spec), connected=day), now=now, **more).usage(*YEAR)


def named(entry: Json) -> dict[str, tuple[int, int]]:
    """Return the bounds of the billing periods by name."""
    return {
        each["orderedName"]: (each["interval"]["start"], each["interval"]["end"])
        for each in entry["xToOrderedInterval"].values()
    }


def test_a_billing_period_is_named_after_the_month_it_ends_in() -> None:
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
def test_the_bounds_of_periods_can_be_real_instants(zone: str, shifted: int, hours: tuple[int, ...]) -> None:
    found = named(months(monthly_bounds=MonthlyBounds.REAL, zone=zone, shifted=shifted))
    march, april, october, november = hours
    assert found["Apr 2026"] == (wall(2026, 3, 5, march), wall(2026, 4, 5, april))
    assert found["Nov 2026"] == (wall(2026, 10, 5, october), wall(2026, 11, 5, november))
    assert found["Dec 9999"] == (wall(2026, 11, 5, november), OPEN_END + november * HOUR * 1000)
    assert named(months(zone=zone, shifted=shifted)) == named(months())


def test_a_billing_period_has_the_energy_of_its_intervals() -> None:
    revised = at(2026, 5, 20, 19)
    usage, added = usage_of(SPEC, *JUNE), 40 * usage_of(SPEC, revised, revised + HOUR)
    assert dict(points(months()))[JUNE_X] == round(usage, 2)
    entry = months(revisions=(Revision("81001", revised, 0.0, 41.0),), lag=2 * HOUR)
    assert dict(points(entry))[JUNE_X] == pytest.approx(usage + added, abs=0.0051)
    so_far = NOVEMBER - 2 * HOUR
    assert points(entry)[-1] == (OPEN_X, round(usage_of(SPEC, at(2026, 11, 5), so_far), 2))
    assert entry["meters"][0]["maxReadDate"] == so_far * 1000


@pytest.mark.parametrize("resolution", Resolution)
def test_meters_of_every_resolution_are_billed(resolution: Resolution) -> None:
    entry = months(replace(SPEC, resolution=resolution))
    assert dict(points(entry))[JUNE_X] == round(usage_of(SPEC, *JUNE), 2)
    assert len(points(entry)) == 11


@pytest.mark.parametrize(("day", "name"), [("2026-06-04", "Jun 2026"), ("2026-06-05", "Jul 2026")])
def test_the_first_billing_period_starts_with_the_connection(day: str, name: str) -> None:
    entry = months(day=day)
    first, (start, _) = next(iter(named(entry).items()))
    connected = datetime.fromisoformat(day)
    assert (first, start) == (name, int(connected.replace(tzinfo=UTC).timestamp() * 1000))
    assert entry["meters"][0]["minReadDate"] == connected.replace(tzinfo=ZONE).timestamp() * 1000


def test_nothing_is_billed_before_the_connection() -> None:
    entry = months(day="2026-11-21")
    assert (points(entry), named(entry)) == ([], {})


@pytest.mark.parametrize(
    ("seconds", "last"),
    [(-1, ["Oct 2026", "Dec 9999"]), (0, ["Oct 2026", "Nov 2026"]), (1, ["Nov 2026", "Dec 9999"])],
)
def test_a_billing_period_is_open_until_it_is_fully_posted(seconds: int, last: list[str]) -> None:
    now = at(2026, 11, 5) + seconds
    for lag in (0, DAY):
        assert list(named(months(now=now + lag, lag=lag)))[-2:] == last


def test_periods_are_selected_by_their_start() -> None:
    member = Member(SPEC)
    assert list(named(member.usage(at(2026, 5, 5), at(2026, 7, 5), "MONTHLY"))) == ["Jun 2026", "Jul 2026"]
    assert list(named(member.usage(at(2026, 5, 6), at(2026, 7, 6), "MONTHLY"))) == ["Jul 2026", "Aug 2026"]


def test_months_have_no_directions_rate_periods_or_strays() -> None:
    stray = Stray("81001", june(10, 7) // 1000, 0.0)
    entries = Member(meter(Channels.THREE, step=HOUR, periods=True), strays=(stray,), now=NOVEMBER).entries(*YEAR)
    assert list(entries) == ["COST", "USAGE"]
    assert not [each for each in entries["USAGE"]["meters"] if "flowDirection" in each]
    assert [len(times(entries["USAGE"], n)) for n in range(3)] == [11] * 3


def test_only_billed_periods_have_cost() -> None:
    entries = Member(SPEC, now=NOVEMBER).entries(*YEAR)
    assert times(entries["COST"]) == times(entries["USAGE"])[:-1]
    assert dict(points(entries["COST"]))[JUNE_X] == round(cost_of(SPEC, *JUNE), 2)
