"""What a location and its meters are, in words for people."""

from exporter.discovery.describe import extra_values, location_text, unread_reason
from exporter.intervals.model import Interval, Meter, MeterInfo
from exporter.portal.accounts import AccountLocation

from ..support.worlds import NOW

HOUR = 3600


def place(
    *, name: str | None = "House", electric: bool = True, active: bool = True, kinds: str = ""
) -> AccountLocation:
    return AccountLocation("55001", "70001", name, electric=electric, active=active, industries=tuple(kinds.split()))


def meter(*intervals: Interval, exports: bool = False) -> Meter:
    return Meter(MeterInfo("81001", exports=exports), intervals)


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
