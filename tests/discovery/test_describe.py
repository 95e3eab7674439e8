"""Locations and meters in words for people."""

import pytest

from exporter.discovery.describe import location_text, problem_text, resolution_text, values_text
from exporter.errors import AccessError
from exporter.intervals.interval import Interval
from exporter.intervals.model import Meter, MeterInfo
from exporter.portal.accounts import AccountLocation

HOUSE = 'location 70001 of account 55001 "House"'


def location(
    name: str | None = "House", kinds: str = "", *, electric: bool = True, active: bool = True
) -> AccountLocation:
    return AccountLocation("55001", "70001", name, electric=electric, active=active, industries=tuple(kinds.split()))


def test_a_location_is_named_by_numbers_and_nickname() -> None:
    assert location_text(location()) == HOUSE
    assert location_text(location("")) == location_text(location(None)) == HOUSE.removesuffix(' "House"')


@pytest.mark.parametrize(
    ("about", "text"),
    [(HOUSE.removesuffix(' "House"'), "no; why"), ("login coop", "login coop: no; why"), ("", "no; why")],
)
def test_a_problem_does_not_name_its_location_again(about: str, text: str) -> None:
    assert problem_text(location(), AccessError("no", about=about, advice="why")) == text


PLAIN = Interval(0, 3600, 1.0, 1)
COSTLESS = Interval(3600, 7200, 1.0, 1, None, 0, 0.0, 1)
ONE = Interval(7200, 10800, 1.0, 1, periods=(("On Peak", 1.0, 1),))
TWO = Interval(10800, 14400, 1.0, 1, periods=(("On Peak", 0.4, 1), ("Off Peak", 0.6, 1)))


@pytest.mark.parametrize(
    ("intervals", "exports", "text"),
    [
        ((), False, "usage"),
        ((PLAIN,), False, "usage"),
        ((PLAIN, COSTLESS), False, "usage, cost"),
        ((ONE,), False, "usage, 1 rate period"),
        ((COSTLESS, ONE, TWO), True, "usage, export, cost, 2 rate periods"),
    ],
)
def test_a_meter_has_the_values_of_its_intervals(intervals: tuple[Interval, ...], text: str, *, exports: bool) -> None:
    assert values_text(Meter.of(MeterInfo("81001", exports=exports), intervals)) == text


def test_the_resolution_includes_the_words_of_the_portal() -> None:
    assert (
        resolution_text(Meter.of(MeterInfo("81001", ("FORWARD", "NET"), step=900))) == "every 15 minutes (FORWARD, NET)"
    )
    assert resolution_text(Meter.of(MeterInfo("81001", step=86400))) == "once a day"
