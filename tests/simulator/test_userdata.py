"""What the simulated portal tells a login of its accounts: locations, services, providers, meters and last bills."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.demo_homes import DEMO_HOMES
from exporter.simulator.settings import Settings
from exporter.simulator.specs import LocationSpec

from ..support.member import HOUR, Json, Member, at, meter, place

DAY_OF_BILL = 5


def utc(month: int, day: int, hour: int, year: int = 2026) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp())


def accounts(*locations: LocationSpec, **more: Any) -> list[Json]:  # noqa: ANN401
    member = Member(*locations, **more)
    member.sign_in()
    found: list[Json] = json.loads(member.get("/services/secured/user-data", userId=member.user.username).body)
    return found


def summary(account: Json, number: str = "70001") -> Json:
    (found,) = account["serviceLocationToUserDataServiceLocationSummaries"][number]
    return found


def bills(now: float, connected: str = "2019-05-04", **more: Any) -> tuple[float | None, float | None]:  # noqa: ANN401
    """When the meter was read for the last bill, before and at its end, in seconds UTC."""
    (account,) = accounts(LocationSpec("55001", "70001", (meter(),), connected=connected), now=now, **more)
    found = summary(account)
    assert (
        account["serviceLocationIdToServiceLocationSummary"]["70001"].items()
        >= {key: value for key, value in found.items() if key.startswith("lastBill")}.items()
    )
    before, last = (found.get(f"lastBill{which}ReadDtTm") for which in ("Prev", "Pres"))
    return before and before / 1000, last and last / 1000


# -- bills


@pytest.mark.parametrize(
    ("zone", "now", "expected"),
    [
        ("America/New_York", utc(2, 20, 12), (utc(1, 5, 5), utc(2, 5, 5))),
        ("America/New_York", utc(4, 20, 12), (utc(3, 5, 5), utc(4, 5, 4))),
        ("America/New_York", utc(7, 20, 12), (utc(6, 5, 4), utc(7, 5, 4))),
        ("America/New_York", utc(11, 20, 12), (utc(10, 5, 4), utc(11, 5, 5))),
        ("America/New_York", utc(1, 20, 12), (utc(12, 5, 5, 2025), utc(1, 5, 5))),
        ("America/Phoenix", utc(4, 20, 12), (utc(3, 5, 7), utc(4, 5, 7))),
        ("America/Phoenix", utc(11, 20, 12), (utc(10, 5, 7), utc(11, 5, 7))),
        ("America/Denver", utc(4, 20, 12), (utc(3, 5, 7), utc(4, 5, 6))),
        ("Pacific/Honolulu", utc(7, 20, 12), (utc(6, 5, 10), utc(7, 5, 10))),
        ("Pacific/Palau", utc(7, 20, 12), (utc(6, 4, 15), utc(7, 4, 15))),
    ],
)
def test_meters_are_read_for_bills_at_local_midnight_by_the_rules_of_that_date(
    zone: str, now: int, expected: tuple[int, int]
) -> None:
    assert bills(now, zone=zone) == expected


def test_a_bill_comes_with_the_midnight_of_the_fifth() -> None:
    midnight = utc(6, 5, 4)
    assert bills(midnight - 1) == (utc(4, 5, 4), utc(5, 5, 4))
    assert bills(midnight) == (utc(5, 5, 4), midnight)


def test_before_the_first_bill_there_are_no_dates() -> None:
    assert bills(at(2026, 6, 20), "2026-06-10") == (None, None)
    assert bills(at(2026, 6, 20), "2026-07-01") == (None, None)


def test_the_first_bill_counts_from_the_connection() -> None:
    assert bills(at(2026, 7, 6), "2026-06-10") == (at(2026, 6, 10), at(2026, 7, 5))
    assert bills(at(2026, 8, 6), "2026-06-10") == (at(2026, 7, 5), at(2026, 8, 5))


def test_a_portal_in_another_zone_reads_at_its_own_midnight() -> None:
    settings = Settings(pending=0, shifted=-2 * HOUR)
    assert bills(utc(11, 20, 12), settings=settings) == (utc(10, 5, 6), utc(11, 5, 7))


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),  # noqa: DTZ001 - the zone comes with it
    st.sampled_from(["America/New_York", "America/Phoenix", "America/Anchorage", "Pacific/Palau"]),
)
def test_at_any_time_the_last_bill_is_a_month_at_most_old_and_the_one_before_a_month_older(
    moment: datetime, zone: str
) -> None:
    member = Member(place(meter()), now=moment.replace(tzinfo=UTC).timestamp(), zone=zone)
    before, last = bills(member.clock.now(), zone=zone)
    assert before is not None
    assert last is not None
    locals_ = [datetime.fromtimestamp(each, ZoneInfo(zone)) for each in (before, last)]
    assert [(each.day, each.hour, each.minute) for each in locals_] == [(DAY_OF_BILL, 0, 0)] * 2
    assert last <= member.clock.now() < last + timedelta(days=31, hours=1).total_seconds()
    assert (locals_[1] - timedelta(days=DAY_OF_BILL)).month == locals_[0].month


# -- accounts


def test_an_account_tells_its_locations_twice() -> None:
    (account,) = accounts(place(meter(), meter(number="81002")))
    listed, single = summary(account), account["serviceLocationIdToServiceLocationSummary"]["70001"]
    assert single == {key: value for key, value in listed.items() if key != "services"} | {
        "meterNumbersToExternalMeterBaseIds": {"81001": "70001+1", "81002": "70001+2"}
    }
    assert (listed["services"], listed["description"]) == (["ELEC"], "House")
    assert account["primaryServiceLocationId"] == "70001"


@pytest.mark.parametrize(
    ("code", "services", "descriptions"),
    [
        ("ELEC", ["ELEC"], {"ELEC": "Electric Service"}),
        ("1ELEC", ["1ELEC"], {"1ELEC": "Electric Service"}),
        ("VELEC", ["VELEC"], None),
        ("GELEC", ["GELEC"], None),
        ("WATER", ["WATER"], {"WATER": "Water Service"}),
        ("WATER|NGAS|ELEC", ["WATER", "NGAS", "ELEC"], {"WATER|NGAS|ELEC": "City Utilities"}),
    ],
)
def test_services_are_described_in_the_ways_that_portals_were_seen_with(
    code: str, services: list[str], descriptions: Json
) -> None:
    (account,) = accounts(LocationSpec("55001", "70001", (meter(),), service_code=code))
    assert account["services"] == summary(account)["services"] == services
    assert account.get("serviceToServiceDescription") == descriptions
    assert account["isMultiService"] is (len(services) > 1)


def test_a_provider_for_each_service() -> None:
    (plain,) = accounts(place(meter()))
    assert plain["serviceToProviders"] == {"ELEC": ["COOP"]}
    assert plain["serviceLocationToProviders"] == {"70001": ["COOP"]}
    assert plain["providerToDescription"] == {"COOP": "The Co-op"}
    (city,) = accounts(LocationSpec("55001", "70001", (meter(),), service_code="WATER|NGAS|ELEC"))
    assert city["serviceToProviders"] == {"WATER": ["1WATER"], "NGAS": ["2NGAS"], "ELEC": ["3ELEC"]}
    assert city["serviceLocationToProviders"] == {"70001": ["1WATER", "2NGAS", "3ELEC"]}
    assert city["providerToDescription"] == {"ALL": "City Utilities"}


def test_an_account_tells_how_its_member_stands_with_the_coop() -> None:
    active, closed = accounts(place(meter()), LocationSpec("55001", "70002", (), inactive=True))
    keys = ("inactive", "isDisconnected", "isAutoPay", "agreementStatus", "consumerClassCode", "invoiceGroupNumber")
    assert [[each[key] for key in keys] for each in (active, closed)] == [
        [False, False, False, 0, "", ""],
        [True, True, False, 0, "", ""],
    ]
    assert active["additionalCustomerName"] == "ANOTHER MEMBER OF THE COOP"


def test_numbers_of_locations_can_be_numbers() -> None:
    (account,) = accounts(place(meter()), settings=Settings(pending=0, numeric_ids=True))
    assert summary(account)["id"] == {"srvLocNbr": 70001, "serviceLocation": 70001}
    assert list(account["serviceLocationIdToServiceLocationSummary"]) == ["70001"]


def test_the_member_of_the_demo_has_more_than_the_three_homes_that_are_read() -> None:
    found = accounts(*DEMO_HOMES)
    assert [
        (each["account"], number, industries, each["inactive"])
        for each in found
        for number, industries in each["serviceLocationToIndustries"].items()
    ] == [
        ("55001", "70001", ["ELECTRIC"], False),
        ("55001", "70002", ["ELECTRIC"], False),
        ("55002", "70003", ["ELECTRIC"], False),
        ("55002", "70005", ["WATER"], False),
        ("55003", "70004", ["ELECTRIC"], True),
    ]
    assert summary(found[2], "70004")["description"] == "Old flat"
    assert found[1]["services"] == ["ELEC", "WATER"]
