"""What was found, as rows, notes and JSON."""

import json
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from exporter.discovery.explore import Exploration, ExploredLocation
from exporter.discovery.inventory import as_json, columns, notes, rows
from exporter.discovery.survey import LocationSurvey
from exporter.errors import AccessError, PortalError, TransportError
from exporter.intervals.model import Interval, Meter, MeterInfo
from exporter.portal.accounts import AccountLocation

from ..support.portal import login_of
from ..support.worlds import DAY, NOW, ZONE

HOUR = 3600
LOGIN = replace(login_of("https://novec.smarthub.coop"), name="novec", zone=None)
CONFIGURED = replace(LOGIN, zone=ZONE)
HOUSE = AccountLocation("0055001", "70001", "House", electric=True, active=True, industries=("ELECTRIC", "WATER"))
ALSO_WATER = "\nthe location has water too"
BARN = AccountLocation("55002", "70003", None, electric=True, active=True, industries=("ELECTRIC",))
CLOSED = AccountLocation("55003", "70004", "Old flat", electric=True, active=False, industries=("ELECTRIC",))
WELL = AccountLocation("55002", "70005", "Well", electric=False, active=True, industries=("WATER",))
SOLAR = Meter(
    MeterInfo("81001", ("FORWARD", "REVERSE"), parent=True, net=True, exports=True, step=900),
    (
        Interval(NOW - 2 * DAY, NOW - 2 * DAY + 900, 0.5, 1, 0.0, 1, 0.06, 1, (("On Peak", 0.5, 1),)),
        Interval(NOW - 5 * HOUR - 900, NOW - 5 * HOUR, 0.5, 1, 0.0, 1, None, 0, (("Off Peak", 0.5, 1),)),
    ),
)
SOLAR_DATA = """\
every 15 minutes (FORWARD, REVERSE): usage, export, cost, 2 rate periods
since 2024-12-10, newest 2026-01-14 07:00, 5 h ago"""
PLAIN = Meter(MeterInfo("81003", step=DAY), (Interval(NOW - 3 * DAY, NOW - 2 * DAY, 9.0, 1),))
SILENT = Meter(MeterInfo("81004", ("FORWARD",), step=0))


def explored(*seen: ExploredLocation, **changes: object) -> Exploration:
    basis = Exploration(CONFIGURED, ZONE, zone_fits=True, zones=(), locations=seen)
    return replace(basis, **changes)  # type: ignore[arg-type]


def seen(place: AccountLocation, *meters: Meter, first_day: int | None = None, **changes: object) -> ExploredLocation:
    survey = LocationSurvey(place, meters)
    return ExploredLocation(place, replace(survey, **changes), first_day)  # type: ignore[arg-type]


def table(*locations: ExploredLocation, **changes: object) -> list[tuple[str, ...]]:
    return rows([explored(*locations, **changes)], NOW)


def only_note(**changes: object) -> str:
    (note,) = notes([explored(**changes)])
    return note


# -- the table


def test_a_row_has_a_cell_for_each_column() -> None:
    assert columns() == ("Account", "Location", "Name", "Meter", "Data")
    assert {len(row) for row in table(seen(HOUSE, SOLAR), seen(BARN), ExploredLocation(WELL))} == {5}


def test_a_meter_is_shown_with_all_that_it_gives() -> None:
    (row,) = table(seen(HOUSE, SOLAR, first_day=NOW - 400 * DAY))
    assert row == (
        "0055001",
        "70001",
        "House",
        "81001",
        SOLAR_DATA + ALSO_WATER,
    )


def test_a_location_without_a_nickname_and_a_meter_without_extras() -> None:
    assert table(seen(BARN, PLAIN)) == [
        ("55002", "70003", "", "81003", "once a day: usage\nnewest 2026-01-12 12:00, 2 d ago")
    ]


def test_each_meter_of_a_location_has_a_row() -> None:
    both = table(seen(HOUSE, SOLAR, SILENT, first_day=NOW - DAY))
    assert [row[:4] for row in both] == [("0055001", "70001", "House", number) for number in ("81001", "81004")]
    assert both[1][4] == "at unknown intervals (FORWARD): usage\nno recent data" + ALSO_WATER


@pytest.mark.parametrize(
    ("location", "why"),
    [
        (ExploredLocation(CLOSED), "not read: closed"),
        (ExploredLocation(WELL), "not read: no electricity (water)"),
        (seen(BARN), "no data"),
        (seen(BARN, monthly=True), "figures by the month only"),
        (seen(BARN, error=AccessError("not for you")), "not readable, see below"),
    ],
)
def test_what_has_no_meter_is_listed_with_the_reason(location: ExploredLocation, why: str) -> None:
    (row,) = table(location)
    assert row[3:] == ("-", why)


def test_without_a_zone_a_location_is_listed_all_the_same() -> None:
    refused = seen(BARN, error=AccessError("not for you"))
    listed = table(seen(HOUSE), ExploredLocation(CLOSED), refused, zone=None, zone_fits=None)
    assert [row[4] for row in listed] == ["the zone is not known", "not read: closed", "not readable, see below"]
    assert notes([explored(refused, zone=None, zone_fits=None)])[1:] == ["novec, location 70003: not for you"]


def test_a_clock_that_is_behind_the_data_gives_no_negative_age() -> None:
    (row,) = rows([explored(seen(HOUSE, SOLAR))], NOW - DAY)
    assert row[4].endswith(", 0 s ago" + ALSO_WATER)


# -- the notes


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({}, "novec: the portal's times fit the zone America/New_York"),
        (
            {"zone_fits": False, "zones": ("America/Denver", "America/Phoenix")},
            "novec: the portal's times do not fit the zone America/New_York; set timezone: America/Denver",
        ),
        (
            {"zone_fits": False},
            "novec: the portal's times do not fit the zone America/New_York; set timezone to the co-op's zone",
        ),
        ({"zone_fits": None}, "novec: nothing at the portal tells whether the zone America/New_York is right"),
        (
            {"login": LOGIN, "zones": ("America/New_York",)},
            "novec: the portal's times fit the zone America/New_York",
        ),
        (
            {"login": LOGIN, "zone": ZoneInfo("America/Phoenix"), "zones": ("America/Denver", "America/Phoenix")},
            "novec: the portal's times fit the zone America/Phoenix; America/Denver would fit as well",
        ),
        (
            {"login": LOGIN, "zone": None, "zone_fits": None},
            "novec: the portal did not tell its time zone; set timezone to the co-op's, such as America/New_York",
        ),
    ],
)
def test_the_zone_is_told_of_each_login(changes: dict[str, object], note: str) -> None:
    assert only_note(**changes) == note


def test_errors_and_warnings_of_a_location_are_told() -> None:
    location = seen(BARN, error=AccessError("not for you"), warnings=("one", "two"))
    assert notes([explored(location)])[1:] == [
        f"novec, location 70003: {what}" for what in ("not for you", "one", "two")
    ]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (TransportError("the portal has trouble (status 500)"), "the portal has trouble (status 500)"),
        (AccessError("login novec may not see it; check account"), "the portal refuses to give older data"),
    ],
)
def test_a_first_day_that_is_not_known_is_a_note_and_no_error(error: PortalError, why: str) -> None:
    location = replace(seen(HOUSE, SOLAR, warnings=("one",)), first_day_error=error)
    assert notes([explored(location)])[1:] == [
        "novec, location 70001: one",
        f"novec, location 70001: first day not known: {why}",
    ]
    (row,) = table(location)
    assert row[4].splitlines()[1] == "newest 2026-01-14 07:00, 5 h ago"
    (as_read,) = json.loads(as_json([explored(location)], NOW))["logins"][0]["locations"]
    assert (as_read["first_day"], as_read["error"]) == (None, None)
    assert as_read["warnings"] == ["one", f"first day not known: {why}"]


# -- JSON


def test_the_json_holds_everything() -> None:
    locations = (seen(HOUSE, SOLAR, first_day=NOW - 400 * DAY), ExploredLocation(CLOSED), seen(BARN, monthly=True))
    (login,) = json.loads(as_json([explored(*locations)], NOW + 0.7))["logins"]
    house, closed, barn = login.pop("locations")
    assert login == {
        "login": "novec",
        "portal": "novec",
        "timezone": "America/New_York",
        "timezone_fits": True,
        "timezones_that_fit": ["America/New_York"],
    }
    assert house == {
        "account": "0055001",
        "service_location": "70001",
        "name": "House",
        "industries": ["ELECTRIC", "WATER"],
        "active": True,
        "electric": True,
        "is_read": True,
        "first_day": "2024-12-10",
        "newest_data": "2026-01-14T07:00:00-05:00",
        "lag_seconds": 5 * HOUR,
        "monthly_only": False,
        "meters": [
            {
                "meter": "81001",
                "flows": ["FORWARD", "REVERSE"],
                "interval_seconds": 900,
                "exports": True,
                "has_cost": True,
                "periods": ["Off Peak", "On Peak"],
                "parent": True,
                "net": True,
                "newest_data": "2026-01-14T07:00:00-05:00",
            }
        ],
        "error": None,
        "warnings": [],
    }
    assert closed == {
        "account": "55003",
        "service_location": "70004",
        "name": "Old flat",
        "industries": ["ELECTRIC"],
        "active": False,
        "electric": True,
        "is_read": False,
        "first_day": None,
        "newest_data": None,
        "lag_seconds": None,
        "monthly_only": False,
        "meters": [],
        "error": None,
        "warnings": [],
    }
    assert (barn["name"], barn["is_read"], barn["monthly_only"], barn["meters"]) == ("", True, True, [])
    assert barn.keys() == house.keys() == closed.keys()


def test_the_json_names_every_zone_that_fits() -> None:
    zones = ("America/Denver", "America/Phoenix")
    found = [
        explored(login=LOGIN, zone=ZoneInfo("America/Denver"), zones=zones),
        explored(zone_fits=False, zones=zones),
        explored(zone_fits=None),
        explored(login=LOGIN, zone=None, zone_fits=None),
    ]
    logins = json.loads(as_json(found, NOW))["logins"]
    assert [each["timezones_that_fit"] for each in logins] == [list(zones), list(zones), [], []]
    assert [each["timezone_fits"] for each in logins] == [True, False, None, None]
    assert [each["timezone"] for each in logins] == ["America/Denver", "America/New_York", "America/New_York", None]


def test_the_json_has_an_entry_for_each_login() -> None:
    other = explored(seen(BARN, error=AccessError("no")), login=replace(CONFIGURED, name="Farm"))
    logins = json.loads(as_json([explored(), other], NOW))["logins"]
    assert [each["login"] for each in logins] == ["novec", "Farm"]
    assert logins[1]["locations"][0]["error"] == "no"
    assert json.loads(as_json([], NOW)) == {"logins": []}


def test_neither_password_nor_user_name_is_in_any_form() -> None:
    found = [explored(seen(HOUSE, SOLAR))]
    everything = as_json(found, NOW) + repr(rows(found, NOW)) + repr(notes(found))
    assert LOGIN.username not in everything
    assert LOGIN.password.reveal() not in everything
