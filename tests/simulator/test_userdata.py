"""The simulated portal's `user-data`: accounts, locations, services, providers and last bills."""

import json
from dataclasses import replace
from typing import Any

import pytest

from exporter.simulator.demo_homes import DEMO_HOMES
from exporter.simulator.specs import LocationSpec

from ..support.member import Json, Member, at, home, meter

HOME = home(meter())


def accounts(*locations: LocationSpec, **more: Any) -> list[Json]:  # noqa: ANN401
    member = Member(*locations, **more)
    member.sign_in()
    found: list[Json] = json.loads(member.user_data().body)
    return found


def summary(account: Json, number: str = "70001") -> Json:
    (found,) = account["serviceLocationToUserDataServiceLocationSummaries"][number]
    return found


def bills(now: float, connected: str = "2019-05-04") -> tuple[float | None, ...]:
    """Return the two read dates of the last bill, in seconds UTC."""
    (account,) = accounts(replace(HOME, connected=connected), now=now)
    stamps = [summary(account).get(f"lastBill{which}ReadDtTm") for which in ("Prev", "Pres")]
    return tuple(stamp and stamp / 1000 for stamp in stamps)


# -- bills


def test_a_bill_appears_at_midnight_on_the_fifth() -> None:
    april, may, june = (at(2026, month, 5) for month in (4, 5, 6))
    assert bills(june - 1) == (april, may)
    assert bills(june) == (may, june)


def test_the_first_bill_starts_with_the_connection() -> None:
    for before in (at(2026, 6, 1), at(2026, 6, 20)):
        assert bills(before, "2026-06-10") == (None, None)
    assert bills(at(2026, 7, 6), "2026-06-10") == (at(2026, 6, 10), at(2026, 7, 5))


# -- accounts


def test_an_account_lists_its_locations_twice() -> None:
    (account,) = accounts(home(meter(), meter(number="81002")))
    listed, single = summary(account), account["serviceLocationIdToServiceLocationSummary"]["70001"]
    assert {"lastBillPrevReadDtTm", "lastBillPresReadDtTm", "location"} <= single.keys()
    assert single == {key: value for key, value in listed.items() if key != "services"} | {
        "meterNumbersToExternalMeterBaseIds": {"81001": "70001+1", "81002": "70001+2"}
    }
    assert (listed["services"], listed["description"]) == (["ELEC"], "House")
    assert account["primaryServiceLocationId"] == "70001"


@pytest.mark.parametrize(
    ("code", "providers", "name", "description"),
    [
        ("ELEC", {"ELEC": ["COOP"]}, {"COOP": "The Co-op"}, "Electric Service"),
        ("1ELEC", {"1ELEC": ["COOP"]}, {"COOP": "The Co-op"}, "Electric Service"),
        ("VELEC", {"VELEC": ["COOP"]}, {"COOP": "The Co-op"}, None),
        ("GELEC", {"GELEC": ["COOP"]}, {"COOP": "The Co-op"}, None),
        ("WATER", {"WATER": ["COOP"]}, {"COOP": "The Co-op"}, "Water Service"),
        (
            "WATER|NGAS|ELEC",
            {"WATER": ["1WATER"], "NGAS": ["2NGAS"], "ELEC": ["3ELEC"]},
            {"ALL": "City Utilities"},
            "City Utilities",
        ),
    ],
)
def test_services_and_providers_follow_the_service_code(
    code: str, providers: dict[str, list[str]], name: dict[str, str], description: str | None
) -> None:
    (account,) = accounts(replace(HOME, service_code=code))
    assert account["services"] == summary(account)["services"] == list(providers)
    assert account.get("serviceToServiceDescription") == (description and {code: description})
    assert account["isMultiService"] is (len(providers) > 1)
    assert account["serviceToProviders"] == providers
    assert account["serviceLocationToProviders"] == {"70001": [each for (each,) in providers.values()]}
    assert account["providerToDescription"] == name


def test_a_closed_account_is_inactive_and_disconnected() -> None:
    active, closed = accounts(HOME, replace(HOME, number="70002", inactive=True))
    keys = ("inactive", "isDisconnected", "isAutoPay", "agreementStatus", "consumerClassCode", "invoiceGroupNumber")
    assert [[each[key] for key in keys] for each in (active, closed)] == [
        [False, False, False, 0, "", ""],
        [True, True, False, 0, "", ""],
    ]
    assert active["additionalCustomerName"] == "ANOTHER MEMBER OF THE COOP"


def test_location_numbers_can_be_numeric() -> None:
    (account,) = accounts(HOME, numeric_ids=True)
    assert summary(account)["id"] == {"srvLocNbr": 70001, "serviceLocation": 70001}
    assert list(account["serviceLocationIdToServiceLocationSummary"]) == ["70001"]


def test_the_demo_also_has_homes_that_are_not_read() -> None:
    found = accounts(*DEMO_HOMES)
    assert [(each["account"], each["serviceLocationToIndustries"], each["inactive"]) for each in found] == [
        ("55001", {"70001": ["ELECTRIC"], "70002": ["ELECTRIC"]}, False),
        ("55002", {"70003": ["ELECTRIC"], "70005": ["WATER"]}, False),
        ("55003", {"70004": ["ELECTRIC"]}, True),
    ]
    assert summary(found[2], "70004")["description"] == "Old flat"
    assert found[1]["services"] == ["ELEC", "WATER"]
