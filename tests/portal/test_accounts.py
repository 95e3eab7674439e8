"""What a login sees: every spelling of portal-facts 2.1, its oddities, and the plain list of accounts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.portal.accounts import AccountLocation, from_accounts, from_user_data

from ..support.portal_answers import Json, account, examples, refusal, summary

SUMMARIES = "serviceLocationToUserDataServiceLocationSummaries"
SINGLE = "serviceLocationIdToServiceLocationSummary"
INDUSTRIES = "serviceLocationToIndustries"
PIPED = "WATER|NGAS|ELEC|SEWER|TRASH"


def found(*items: Json) -> list[tuple[str, str, bool, bool]]:
    return [(each.account, each.number, each.electric, each.active) for each in from_user_data(list(items))]


def only(*items: Json) -> AccountLocation:
    (location,) = from_user_data(list(items))
    return location


def test_a_location_comes_with_the_account_that_holds_it() -> None:
    assert from_user_data([account()]) == [
        AccountLocation("55001", "4411", "", electric=True, active=True, industries=("ELECTRIC",))
    ]


# -- which locations are electric

SPELLINGS: dict[str, tuple[list[str], dict[str, str]]] = {
    "novec, cobb, WEC": (["ELEC"], {"ELEC": "Electric Service"}),
    "tcectexas": (["1ELEC"], {"1ELEC": "Electric Service"}),
    "cvea, Valdez": (["VELEC"], {"VELEC": "Valdez Electric"}),
    "cvea, Glennallen": (["GELEC"], {"GELEC": "Glennallen Electric"}),
    "cvea, no description": (["VELEC", "GELEC"], {}),
    "hsvutil": (["WATER", "NGAS", "ELEC", "SEWER", "TRASH"], {PIPED: "City Utilities"}),
    "the piped key as a code": ([PIPED], {PIPED: "City Utilities"}),
    "elmhurst": (["ELEC"], {"ELEC": "ELECTRIC SERVICE"}),
    "another code with a telling description": (["E1"], {"E1": "Residential Electricity"}),
}


@pytest.mark.parametrize(("codes", "descriptions"), SPELLINGS.values(), ids=SPELLINGS)
def test_an_electric_location_is_told_by_its_industry_whatever_its_codes(
    codes: list[str], descriptions: dict[str, str]
) -> None:
    item = {
        "services": codes,
        "serviceToServiceDescription": descriptions,
        SUMMARIES: {"4411": [summary(services=codes)]},
    }
    assert found(account(**item)) == [("55001", "4411", True, True)]
    water = {**item, INDUSTRIES: {"4411": ["WATER", "GAS"]}}
    assert found(account(**water)) == [("55001", "4411", False, True)]


@pytest.mark.parametrize("industries", [None, {}, {"4411": []}, {"4411": None}])
@pytest.mark.parametrize(("codes", "descriptions"), SPELLINGS.values(), ids=SPELLINGS)
def test_without_industries_descriptions_and_codes_tell(
    codes: list[str], descriptions: dict[str, str], industries: Json
) -> None:
    item = {"services": codes, "serviceToServiceDescription": descriptions, INDUSTRIES: industries}
    assert found(account(**item, **{SUMMARIES: {"4411": [summary(services=codes)]}})) == [("55001", "4411", True, True)]
    assert found(account(**item, **{SUMMARIES: {"4411": [summary(services=None)]}})) == [("55001", "4411", True, True)]


@pytest.mark.parametrize("codes", [["WATER"], ["NGAS", "SEWER", "TRASH"], ["WATR"], ["1WATER"], []])
def test_without_industries_other_services_are_not_electric(codes: list[str]) -> None:
    item = account(services=codes, serviceToServiceDescription=dict.fromkeys(codes, "City Utilities"))
    item |= {INDUSTRIES: None, SUMMARIES: {"4411": [summary(services=codes)]}}
    assert found(item) == [("55001", "4411", False, True)]


def test_each_location_has_its_own_industries() -> None:
    item = account(**{INDUSTRIES: {"1": ["WATER"], "2": ["WATER", "ELECTRIC"], "3": ["electric"]}, SUMMARIES: {}})
    assert found(item) == [("55001", "1", False, True), ("55001", "2", True, True), ("55001", "3", True, True)]


# -- accounts and numbers


def test_several_accounts_each_keep_their_own_locations() -> None:
    other = account("55002", **{INDUSTRIES: {"4412": ["ELECTRIC"]}, SUMMARIES: {"4412": [summary()]}})
    assert found(account(), other) == [("55001", "4411", True, True), ("55002", "4412", True, True)]


def test_one_location_may_belong_to_two_accounts() -> None:
    assert found(account(), account("55002")) == [("55001", "4411", True, True), ("55002", "4411", True, True)]


@pytest.mark.parametrize("number", ["0012345001", 55001])
def test_an_account_is_text_or_number(number: Json) -> None:
    assert only(account(number)).account == str(number)


@pytest.mark.parametrize("number", [None, "", " ", {}, True])
def test_an_entry_without_account_is_passed_over(number: Json) -> None:
    assert found(account(number), account()) == [("55001", "4411", True, True)]


def test_a_blank_location_number_is_passed_over() -> None:
    assert found(account(**{INDUSTRIES: {" ": ["ELECTRIC"], "": ["ELECTRIC"], "4411": ["ELECTRIC"]}})) == [
        ("55001", "4411", True, True)
    ]


@pytest.mark.parametrize("payload", [[], None])
def test_a_login_may_see_nothing(payload: Json) -> None:
    assert from_user_data(payload) == []


def test_a_single_object_instead_of_a_list_is_one_account() -> None:
    assert from_user_data(account()) == from_user_data([account()])


def test_a_minimal_entry_and_an_entry_of_nothing_are_survived() -> None:
    assert found({}, {"account": "1"}, {"account": "1", INDUSTRIES: {"7": ["ELECTRIC"]}}) == [("1", "7", True, True)]


@pytest.mark.parametrize("key", [SUMMARIES, SINGLE])
@pytest.mark.parametrize("as_list", [True, False])
def test_a_location_is_found_in_either_map_of_summaries(key: str, *, as_list: bool) -> None:
    maps: Json = {INDUSTRIES: None, SUMMARIES: None, SINGLE: None}
    one = summary(description="Barn")
    location = only(account(**{**maps, key: {"4411": [one] if as_list else one}}))
    assert (location.number, location.name, location.electric) == ("4411", "Barn", True)


# -- active or not


def test_a_closed_account_is_inactive() -> None:
    assert found(account(inactive=True)) == [("55001", "4411", True, False)]


@pytest.mark.parametrize("order", [1, -1])
def test_an_inactive_duplicate_never_hides_the_active_entry(order: int) -> None:
    items = [account(inactive=True), account()][::order]
    assert found(*items) == [("55001", "4411", True, True)]


def test_the_same_entry_twice_is_one_location() -> None:
    assert found(account(), account()) == [("55001", "4411", True, True)]


@pytest.mark.parametrize(
    ("status", "active"), [("ACTIVE", True), ("active", True), (None, True), ("", True), ("INACTIVE", False)]
)
def test_the_status_of_a_location_counts(status: str | None, *, active: bool) -> None:
    assert only(account(**{SUMMARIES: {"4411": [summary(serviceStatus=status)]}})).active is active


@pytest.mark.parametrize("order", [1, -1])
def test_a_location_is_active_where_one_of_its_services_is(order: int) -> None:
    closed = summary(services=["WATER"], serviceStatus="INACTIVE")
    item = account(**{SUMMARIES: {"4411": [closed, summary()][::order]}})
    assert found(item) == [("55001", "4411", True, True)]


# -- names


def named(description: Json, *, address: Json = None, line: str = "12 OAK RD SPRINGFIELD VA 22150") -> str | None:
    more = {} if address is None else {"address": address}
    item = account(address=line, **{SUMMARIES: {"4411": [summary(description=description, **more)]}})
    return only(item).name


@pytest.mark.parametrize("nickname", ["Farm house", "Barn", "Großmutters Hütte", "Unit B", "Well pump 2"])
def test_a_nickname_is_kept(nickname: str) -> None:
    assert named(nickname) == nickname
    assert named(f"  {nickname} ") == nickname


@pytest.mark.parametrize("description", [None, "", "  ", {}, {"addr1": "12 OAK RD"}, ["12 OAK RD"], True])
def test_without_a_nickname_the_name_is_empty(description: Json) -> None:
    assert named(description) == ""


@pytest.mark.parametrize(
    "description",
    [
        "12 OAK RD",
        "12 Oak Rd",
        "12 OAK RD SPRINGFIELD VA 22150",
        "12 Oak Rd, Springfield, VA 22150",
        "12 Oak Rd, Springfield",
        "12  OAK  RD",
        "12 Oak Rd.",
        "House at 12 Oak Rd",
        "SPRINGFIELD VA 22150",
        "Springfield, VA",
    ],
)
def test_an_address_is_never_a_name(description: str) -> None:
    assert named(description) == ""


@pytest.mark.parametrize("address", [{}, "12 OAK RD", {"addr1": None}])
@pytest.mark.parametrize("description", ["12 Oak Rd", "12 OAK RD SPRINGFIELD", "12 Oak Rd, Springfield, VA"])
def test_an_address_is_recognized_by_the_one_line_of_the_account_too(description: str, address: Json) -> None:
    assert named(description, address=address) == ""


@pytest.mark.parametrize("street", ["12  OAK RD", " 12 OAK RD ", "12 OAK RD."])
def test_an_address_is_recognized_whatever_its_spaces_and_stops(street: str) -> None:
    assert named("12 Oak Rd", address={"addr1": street}, line="") == ""


# -- the plain list of accounts


@pytest.mark.parametrize(
    ("entries", "numbers"),
    [
        (["4411", "4412"], ["4411", "4412"]),
        ([4411], ["4411"]),
        ([{"id": "4411"}, {"id": 4412}], ["4411", "4412"]),
        ([{"serviceLocation": "4411"}], ["4411"]),
        ([None, "", {}, True, "4411"], ["4411"]),
        (["4411", "4411"], ["4411"]),
        ([], []),
        (None, []),
    ],
)
def test_the_plain_list_gives_active_locations_without_a_name(entries: Json, numbers: list[str]) -> None:
    assert from_accounts([{"account": "55001", "serviceLocations": entries}]) == [
        AccountLocation("55001", number, None, electric=True, active=True) for number in numbers
    ]


def test_the_plain_list_keeps_accounts_apart() -> None:
    payload = [{"account": 1, "serviceLocations": ["7"]}, {"account": "2", "serviceLocations": ["7"]}, {}]
    assert [(each.account, each.number) for each in from_accounts(payload)] == [("1", "7"), ("2", "7")]


@pytest.mark.parametrize("payload", [[], None])
def test_the_plain_list_may_be_empty(payload: Json) -> None:
    assert from_accounts(payload) == []


# -- whatever else a portal may write

LEAK = "Xq7vKz"
KEYS = st.sampled_from(
    [
        "account",
        "inactive",
        "address",
        "services",
        "description",
        "serviceLocations",
        "id",
        "serviceToServiceDescription",
        "serviceStatus",
        INDUSTRIES,
        SUMMARIES,
        SINGLE,
        LEAK,
    ]
)
HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([LEAK, "", "55001", "ELECTRIC"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)


@pytest.mark.parametrize("read", [from_user_data, from_accounts])
@examples
@given(payload=HOSTILE)
def test_any_json_gives_locations_or_a_protocol_error(read: object, payload: Json) -> None:
    assert callable(read)
    for shape in (payload, [payload], [{"account": "1", **payload}] if isinstance(payload, dict) else []):
        error = refusal(lambda shape=shape: read(shape))  # type: ignore[misc]
        assert error is None or LEAK not in str(error)


@pytest.mark.parametrize("key", [INDUSTRIES, SUMMARIES, SINGLE, "services", "serviceToServiceDescription", "address"])
@examples
@given(junk=HOSTILE)
def test_one_strange_field_gives_locations_or_a_protocol_error(key: str, junk: Json) -> None:
    error = refusal(lambda: from_user_data([account(**{key: junk})]))
    assert error is None or LEAK not in str(error)


# -- when bills were read

PREVIOUS, PRESENT = 1764910800000, 1767589200000  # local midnights of 5 December and 5 January in Virginia


def test_the_dates_of_the_last_bills_are_instants_in_seconds() -> None:
    bills = {"lastBillPrevReadDtTm": PREVIOUS, "lastBillPresReadDtTm": PRESENT}
    assert only(account(**{SUMMARIES: {"4411": [summary(**bills)]}})).bill_reads == (1764910800, 1767589200)


@pytest.mark.parametrize(
    "strange", [None, 0, -1, True, "1764910800000", "2025-12-05", 1764910800000.5, [], {}, 253402300799000]
)
def test_what_is_no_date_of_a_bill_is_passed_over(strange: Json) -> None:
    bills = {"lastBillPrevReadDtTm": strange, "lastBillPresReadDtTm": PRESENT}
    assert only(account(**{SUMMARIES: {"4411": [summary(**bills)]}})).bill_reads == (1767589200,)


def test_before_the_first_bill_there_are_none() -> None:
    assert only(account()).bill_reads == ()


def test_the_plain_list_knows_no_bills_and_no_industries() -> None:
    (location,) = from_accounts([{"account": "55001", "serviceLocations": ["4411"]}])
    assert (location.bill_reads, location.industries) == ((), ())


def test_industries_are_kept_in_the_portals_order() -> None:
    assert only(account(**{INDUSTRIES: {"4411": ["water", "ELECTRIC"]}})).industries == ("WATER", "ELECTRIC")
