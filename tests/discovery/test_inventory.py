"""What was found, as rows, as notes and as JSON."""

import json
from contextlib import closing
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from exporter.discovery.inventory import COLUMNS, as_json, notes, rows
from exporter.discovery.look_around import LookAround
from exporter.discovery.survey import LocationSurvey
from exporter.errors import AccessError
from exporter.intervals.interval import Interval
from exporter.intervals.model import Meter, MeterInfo
from exporter.portal.accounts import AccountLocation
from exporter.portal.directions import about_word
from exporter.portal.timezone import ZoneState, ZoneVerdict
from exporter.storage.state import StateFile

from ..support.clocks import ManualClock
from ..support.portal import login_of
from ..support.worlds import DAY, NOW, ZONE

HOUR = 3600
LOGIN = replace(login_of("https://novec.smarthub.coop"), name="novec")
HOUSE = AccountLocation("0055001", "70001", "House", electric=True, active=True, industries=("ELECTRIC", "WATER"))
BARN = AccountLocation("55002", "70003", None, electric=True, active=True, industries=("ELECTRIC",))
CLOSED = AccountLocation("55003", "70004", "Old flat", electric=True, active=False, industries=("ELECTRIC",))
WELL = AccountLocation("55002", "70005", "Well", electric=False, active=True, industries=("WATER",))
SOLAR = Meter.of(
    MeterInfo("81001", ("FORWARD", "REVERSE"), parent=True, net=True, exports=True, step=900),
    (
        Interval(NOW - 2 * DAY, NOW - 2 * DAY + 900, 0.5, 1, 0.0, 1, 0.06, 1, (("On Peak", 0.5, 1),)),
        Interval(NOW - 5 * HOUR - 900, NOW - 5 * HOUR, 0.5, 1, 0.0, 1, None, 0, (("Off Peak", 0.5, 1),)),
    ),
)
SILENT = Meter.of(MeterInfo("81004", ("FORWARD",), step=0))
PLAIN = Meter.of(MeterInfo("81003", step=DAY), (Interval(NOW - 3 * DAY, NOW - 2 * DAY, 9.0, 1),))
CONNECTED = NOW - 400 * DAY

Seen = tuple[AccountLocation, LocationSurvey | None]


def seen(location: AccountLocation, *meters: Meter, **changes: object) -> Seen:
    return location, replace(LocationSurvey(location, meters), **changes)  # type: ignore[arg-type]


def looked(
    *locations: Seen,
    name: str = "novec",
    configured: ZoneInfo | None = ZONE,
    zone: ZoneInfo | None = ZONE,
    zones: tuple[str, ...] = (),
    verdict: ZoneState = ZoneState.FITS,
) -> LookAround:
    """Return a look around that is done."""
    with closing(StateFile(None)) as state:
        look = LookAround(replace(LOGIN, name=name, zone=configured), state, ManualClock(NOW))
    look.close()
    look.found = [location for location, _ in locations]
    look.surveys = {location: survey for location, survey in locations if survey}
    look.zone, look.verdict = zone, ZoneVerdict(verdict, zones, str(zone))
    return look


def zoneless(*locations: Seen) -> LookAround:
    return looked(*locations, configured=None, zone=None, verdict=ZoneState.UNKNOWN)


def table(*locations: Seen, now: float = NOW) -> list[tuple[str, ...]]:
    return list(rows(looked(*locations), now))


# -- the table


def test_a_meter_is_shown_with_all_its_values() -> None:
    assert COLUMNS == ("Account", "Location", "Name", "Meter", "Data")
    first, second = table(seen(HOUSE, SOLAR, SILENT, connected=CONNECTED))
    data = (
        "every 15 minutes (FORWARD, REVERSE): usage, export, cost, 2 rate periods\n"
        "since 2024-12-10\nnewest 2026-01-14 07:00, 5 h ago\nlocation also has water"
    )
    assert first == ("0055001", "70001", "House", "81001", data)
    assert second[:4] == ("0055001", "70001", "House", "81004")
    assert second[4] == "at unknown intervals (FORWARD): usage\nno recent data\nlocation also has water"


def test_what_the_portal_does_not_give_is_left_out() -> None:
    assert table(seen(BARN, PLAIN)) == [
        ("55002", "70003", "", "81003", "once a day: usage\nnewest 2026-01-12 12:00, 2 d ago")
    ]


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ((CLOSED, None), "skipped: closed"),
        ((WELL, None), "skipped: no electricity, only water"),
        (seen(BARN), "no data"),
        (seen(BARN, monthly=True), "monthly figures only"),
        (seen(BARN, error=AccessError("not for you")), "not readable, see below"),
    ],
)
def test_a_location_without_meters_has_a_reason(location: Seen, why: str) -> None:
    assert [row[3:] for row in table(location)] == [("-", why)]


def test_without_a_zone_locations_are_still_listed() -> None:
    refused = seen(BARN, error=AccessError("not for you"))
    look = zoneless(seen(HOUSE), (CLOSED, None), refused)
    assert [row[4] for row in rows(look, NOW)] == [
        "time zone unknown",
        "skipped: closed",
        "not readable, see below",
    ]


def test_data_from_the_future_has_no_negative_age() -> None:
    assert table(seen(BARN, SOLAR), now=NOW - DAY)[0][4].endswith(", 0 s ago")


# -- the notes

PARTLY = ZoneVerdict(ZoneState.PARTLY, ("America/Denver",), ZONE.key)


@pytest.mark.parametrize(
    ("look", "note"),
    [
        (looked(), "the portal's times match the zone America/New_York"),
        (looked(zones=("America/Denver",), verdict=ZoneState.PARTLY), PARTLY.message),
        (looked(verdict=ZoneState.UNKNOWN), "not enough data yet to verify the zone America/New_York"),
        (
            looked(configured=None, zone=ZoneInfo("America/Phoenix"), zones=("America/Denver", "America/Phoenix")),
            "the portal's times match the zone America/Phoenix; America/Denver would also match",
        ),
        (
            zoneless(),
            "could not find the time zone; set timezone to the co-op's, such as America/New_York",
        ),
    ],
)
def test_the_first_note_is_about_the_zone(look: LookAround, note: str) -> None:
    assert list(notes(look)) == [f"novec: {note}"]


def test_errors_and_warnings_of_a_location_are_notes() -> None:
    refusal = AccessError("not for you", about="location 70003 of account 55002")
    look = looked(seen(BARN, error=refusal, warnings=("one", "two")))
    assert list(notes(look))[1:] == [f"novec, location 70003: {what}" for what in ("not for you", "one", "two")]


def test_a_submeter_names_the_meter_that_contains_it() -> None:
    barn = replace(PLAIN, info=replace(PLAIN.info, parents=("81001",)))
    (_, inside) = table(seen(HOUSE, SOLAR, barn))
    assert "; part of meter 81001, so sums leave it out" in inside[-1]
    (login,) = json.loads(as_json([looked(seen(HOUSE, SOLAR, barn))], NOW))["logins"]
    assert [each["submeter_of"] for each in login["locations"][0]["meters"]] == ["", "81001"]


def test_a_word_for_a_direction_is_noted_once_per_login() -> None:
    look = looked(seen(HOUSE, SOLAR, words=("SIDEWAYS",)), seen(BARN, PLAIN, words=("SIDEWAYS",)))
    assert list(notes(look))[1:] == [f"novec: {about_word('SIDEWAYS')}"]
    (login,) = json.loads(as_json([look], NOW))["logins"]
    assert [each["warnings"] for each in login["locations"]] == [[about_word("SIDEWAYS")]] * 2


# -- JSON


def test_the_json_holds_everything() -> None:
    look = looked(seen(HOUSE, SOLAR, connected=CONNECTED), (CLOSED, None), seen(BARN, monthly=True, warnings=("one",)))
    (login,) = json.loads(as_json([look], NOW + 0.7))["logins"]
    house, closed, barn = login.pop("locations")
    assert login == {
        "login": "novec",
        "portal": "novec",
        "portal_name": "",
        "timezone": "America/New_York",
        "timezone_fits": True,
        "timezones_that_fit": ["America/New_York"],
    }
    meter = {
        "meter": "81001",
        "flows": ["FORWARD", "REVERSE"],
        "interval_seconds": 900,
        "exports": True,
        "has_cost": True,
        "periods": ["Off Peak", "On Peak"],
        "parent": True,
        "net": True,
        "submeter_of": "",
        "newest_data": "2026-01-14T07:00:00-05:00",
    }
    nothing: dict[str, object] = {
        "first_day": None,
        "newest_data": None,
        "lag_seconds": None,
        "monthly_only": False,
        "meters": [],
        "error": None,
        "warnings": [],
    }
    assert house == nothing | {
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
        "meters": [meter],
    }
    assert closed == nothing | {
        "account": "55003",
        "service_location": "70004",
        "name": "Old flat",
        "industries": ["ELECTRIC"],
        "active": False,
        "electric": True,
        "is_read": False,
    }
    assert (barn["name"], barn["is_read"], barn["monthly_only"], barn["warnings"]) == ("", True, True, ["one"])


def test_the_json_lists_every_zone_that_fits() -> None:
    zones = ("America/Denver", "America/Phoenix")
    looks = [
        looked(configured=None, zone=ZoneInfo("America/Denver"), zones=zones),
        looked(zones=zones, verdict=ZoneState.CONTRADICTED),
        looked(verdict=ZoneState.UNKNOWN),
        zoneless(),
    ]
    logins = json.loads(as_json(looks, NOW))["logins"]
    assert [each["timezones_that_fit"] for each in logins] == [list(zones), list(zones), [], []]
    assert [each["timezone_fits"] for each in logins] == [True, False, None, None]
    assert [each["timezone"] for each in logins] == ["America/Denver", "America/New_York", "America/New_York", None]


def test_the_json_has_an_entry_for_each_login() -> None:
    refused = looked(seen(BARN, error=AccessError("no"), connected=CONNECTED), name="Farm", zone=None)
    logins = json.loads(as_json([looked(), refused], NOW))["logins"]
    assert [each["login"] for each in logins] == ["novec", "Farm"]
    (barn,) = logins[1]["locations"]
    assert (barn["error"], barn["first_day"]) == ("no", None)
    assert json.loads(as_json([], NOW)) == {"logins": []}


def test_no_format_shows_the_password_or_user_name() -> None:
    look = looked(seen(HOUSE, SOLAR))
    everything = as_json([look], NOW) + repr([*rows(look, NOW), *notes(look)])
    assert LOGIN.username not in everything
    assert LOGIN.password.reveal() not in everything
