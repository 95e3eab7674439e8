"""Tests of the locations of a login (docs/portal.md, "Accounts and locations")."""

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given

from exporter.portal.accounts import AccountLocation, from_accounts, from_user_data

from ..support.portal_answers import Json, account, assert_read_or_refused, examples, hostile, summary

SUMMARIES = "serviceLocationToUserDataServiceLocationSummaries"
SINGLE = "serviceLocationIdToServiceLocationSummary"
INDUSTRIES = "serviceLocationToIndustries"
PIPED = "WATER|NGAS|ELEC|SEWER|TRASH"


def found(*items: Json) -> list[tuple[str, str, bool, bool]]:
    return [(each.account, each.number, each.electric, each.active) for each in from_user_data(list(items))]


FOUND = ("55001", "4411", True, True)


def only(*items: Json) -> AccountLocation:
    (location,) = from_user_data(list(items))
    return location


def test_location_has_the_account_that_lists_it() -> None:
    assert from_user_data([account()]) == [
        AccountLocation("55001", "4411", "", electric=True, active=True, industries=("ELECTRIC",))
    ]


# -- which locations are electric

SPELLINGS: dict[str, tuple[list[str], dict[str, str]]] = {
    "novec, cobb, WEC": (["ELEC"], {"ELEC": "Electric Service"}),
    "tcectexas": (["1ELEC"], {"1ELEC": "Electric Service"}),
    "cvea, no description": (["VELEC", "GELEC"], {}),
    "hsvutil": (["WATER", "NGAS", "ELEC", "SEWER", "TRASH"], {PIPED: "City Utilities"}),
    "the piped key as a code": ([PIPED], {PIPED: "City Utilities"}),
    "another code with a telling description": (["E1"], {"E1": "RESIDENTIAL ELECTRICITY"}),
}


@pytest.mark.parametrize("industries", [None, {"4411": []}, {"4411": None}])
@pytest.mark.parametrize(("codes", "descriptions"), SPELLINGS.values(), ids=SPELLINGS)
def test_industries_decide_before_descriptions_and_codes(
    codes: list[str], descriptions: dict[str, str], industries: Json
) -> None:
    item = {"services": codes, "serviceToServiceDescription": descriptions, INDUSTRIES: industries}
    for services in (codes, None):
        item[SUMMARIES] = {"4411": [summary(services=services)]}
        assert found(account(**item)) == [FOUND]
        assert found(account(**item | {INDUSTRIES: {"4411": ["WATER", "GAS"]}})) == [("55001", "4411", False, True)]


@pytest.mark.parametrize("codes", [["NGAS", "SEWER"], []])
def test_without_industries_other_services_are_not_electric(codes: list[str]) -> None:
    item = account(services=codes, serviceToServiceDescription=dict.fromkeys(codes, "City Utilities"))
    item |= {INDUSTRIES: None, SUMMARIES: {"4411": [summary(services=codes)]}}
    assert found(item) == [("55001", "4411", False, True)]


def test_each_location_has_its_own_industries() -> None:
    kinds = {"1": ["WATER"], "2": ["water", "ELECTRIC"], " ": ["ELECTRIC"], "": ["ELECTRIC"]}
    item = account(**{INDUSTRIES: kinds, SUMMARIES: {}})
    assert found(item) == [("55001", "1", False, True), ("55001", "2", True, True)]
    assert from_user_data([item])[1].industries == ("WATER", "ELECTRIC")


# -- accounts and numbers


def test_one_location_may_belong_to_two_accounts() -> None:
    assert found(account(), account("55002")) == [FOUND, ("55002", "4411", True, True)]


@pytest.mark.parametrize("number", [None, " "])
def test_entry_without_account_is_skipped(number: Json) -> None:
    assert found(account(number), {}, {"account": "1"}, account()) == [FOUND]


@pytest.mark.parametrize("payload", [[], None])
def test_login_may_see_nothing(payload: Json) -> None:
    assert from_user_data(payload) == from_accounts(payload) == []


def test_single_object_counts_as_a_list_of_one() -> None:
    assert from_user_data(account()) == from_user_data([account()])


@pytest.mark.parametrize("key", [SUMMARIES, SINGLE])
@pytest.mark.parametrize("as_list", [True, False])
def test_location_is_found_in_either_map_of_summaries(key: str, *, as_list: bool) -> None:
    one = summary(description="Barn")
    maps: Json = {INDUSTRIES: None, SUMMARIES: None, key: {"4411": [one] if as_list else one}}
    location = only(account(**maps))
    assert (location.number, location.name, location.electric) == ("4411", "Barn", True)


# -- active or not


@pytest.mark.parametrize("order", [1, -1])
def test_inactive_duplicate_never_hides_the_active_entry(order: int) -> None:
    closed = account(inactive=True)
    assert found(closed) == [("55001", "4411", True, False)]
    assert found(*[closed, account(), account()][::order]) == [FOUND]


@pytest.mark.parametrize(
    ("status", "active"), [("active", True), (None, True), ("INACTIVE", False), ("Closed", False), ("FINAL", False)]
)
def test_closed_location_is_inactive(status: str | None, *, active: bool) -> None:
    assert only(account(**{SUMMARIES: {"4411": [summary(serviceStatus=status)]}})).active is active


@pytest.mark.parametrize("order", [1, -1])
def test_active_electric_service_is_preferred(order: int) -> None:
    closed = summary(serviceStatus="INACTIVE", description="closed")
    water = summary(services=["WATER"], description="water")
    item = account(**{SUMMARIES: {"4411": [closed, water, summary(description="Barn")][::order]}})
    assert (only(item).active, only(item).name) == (True, "Barn")


# -- names


def named(description: Json, *, address: Json = None, line: str = "12 OAK RD SPRINGFIELD VA 22150") -> str | None:
    more = {} if address is None else {"address": address}
    item = account(address=line, **{SUMMARIES: {"4411": [summary(description=description, **more)]}})
    return only(item).name


@pytest.mark.parametrize("nickname", ["Großmutters Hütte", "Well pump 2"])
def test_nickname_is_kept(nickname: str) -> None:
    assert named(f"  {nickname} ") == nickname


@pytest.mark.parametrize("description", [None, "  ", {"addr1": "12 OAK RD"}])
def test_name_is_empty_without_a_nickname(description: Json) -> None:
    assert named(description) == ""


@pytest.mark.parametrize(
    "description",
    [
        "12 Oak Rd",
        "12 Oak Rd, Springfield",
        "House at 12 Oak Rd",
        "Springfield, VA",
    ],
)
def test_address_is_never_a_name(description: str) -> None:
    assert named(description) == ""


@pytest.mark.parametrize("address", [{}, "12 OAK RD", {"addr1": None}])
def test_address_line_of_the_account_is_recognized(address: Json) -> None:
    assert named("12 Oak Rd, Springfield, VA", address=address) == ""


@pytest.mark.parametrize(
    "address", ["12  OAK RD", {"addr1": " 12 OAK RD."}, {"addr1": "PO BOX 9", "addr2": "12 OAK RD"}]
)
def test_address_is_recognized_with_other_punctuation(address: Json) -> None:
    assert named("House at 12 Oak Rd", address=address, line="") == ""


# -- the plain list of accounts


@pytest.mark.parametrize(
    ("entries", "numbers"),
    [
        (["4411", "4412"], ["4411", "4412"]),
        ([4411], ["4411"]),
        ([{"id": "4411"}, {"serviceLocation": 4412}, "4411"], ["4411", "4412"]),
        ([None, "", {}, True, "4411"], ["4411"]),
        (None, []),
    ],
)
def test_plain_list_has_active_locations(entries: Json, numbers: list[str]) -> None:
    assert from_accounts([{"account": "55001", "serviceLocations": entries}]) == [
        AccountLocation("55001", number, None, electric=True, active=True) for number in numbers
    ]


def test_plain_list_keeps_accounts_apart() -> None:
    payload = [{"account": 1, "serviceLocations": ["7"]}, {"account": "2", "serviceLocations": ["7"]}, {}]
    assert [(each.account, each.number) for each in from_accounts(payload)] == [("1", "7"), ("2", "7")]


# -- any other JSON

KEYS = {*account(), *summary(), "serviceLocations", INDUSTRIES, SUMMARIES, SINGLE}
ANYTHING = hostile(*sorted(KEYS))


@pytest.mark.parametrize("read", [from_user_data, from_accounts])
@examples
@given(payload=ANYTHING)
def test_any_list_of_locations_is_read_or_refused(read: Callable[[Json], object], payload: Json) -> None:
    for answer in (payload, [payload], [{"account": "1", **payload}] if isinstance(payload, dict) else []):
        assert_read_or_refused(partial(read, answer))


@pytest.mark.parametrize("key", [INDUSTRIES, SUMMARIES, SINGLE, "services", "serviceToServiceDescription", "address"])
@examples
@given(junk=ANYTHING)
def test_any_strange_field_is_read_or_refused(key: str, junk: Json) -> None:
    assert_read_or_refused(partial(from_user_data, [account(**{key: junk})]))


# -- when bills were read

PREVIOUS, PRESENT = 1764910800000, 1767589200000  # local midnights of 5 December and 5 January in Virginia


def test_bill_dates_are_instants_in_seconds() -> None:
    bills = {"lastBillPrevReadDtTm": PREVIOUS, "lastBillPresReadDtTm": PRESENT}
    assert only(account(**{SUMMARIES: {"4411": [summary(**bills)]}})).bill_reads == (1764910800, 1767589200)


@pytest.mark.parametrize("strange", [0, True, "1764910800000", 1764910800000.5, 253402300799000])
def test_invalid_bill_date_is_skipped(strange: Json) -> None:
    bills = {"lastBillPrevReadDtTm": strange, "lastBillPresReadDtTm": PRESENT}
    assert only(account(**{SUMMARIES: {"4411": [summary(**bills)]}})).bill_reads == (1767589200,)


def test_every_text_is_printable() -> None:
    odd = "7\ud83d\x1b[2J\u202e"
    details = summary(description=odd, services=[odd], serviceStatus=odd)
    item = account(odd, **{INDUSTRIES: {odd: ["ELECTRIC", odd]}, SUMMARIES: {odd: [details]}})
    listed = {"account": odd, "serviceLocations": [odd, {"id": odd}]}
    for location in (only(item), *from_accounts([listed])):
        for each in (location.account, location.number, location.name or "", *location.industries):
            assert each.isprintable()
        assert location.number == r"7\ud83d\x1b[2J\u202e"
