"""The accounts and service locations of a login.

See docs/portal.md, "Accounts and locations". Electric locations are found by their industry, because service codes
have too many spellings.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..intervals.model import LocationKey
from .parsing import Json, flag, mapping, mappings, sequence, text

_LATEST_BILL = 4_102_444_800_000  # ms, the year 2100


@dataclass(frozen=True, slots=True)
class AccountLocation:
    """A service location with its account, as the portal lists it.

    name: the member's nickname, never an address; None if the list has no names. bill_reads: when the meters were read
    for the last bills, in seconds UTC.
    """

    account: str
    number: str
    name: str | None
    electric: bool
    active: bool
    industries: tuple[str, ...] = ()
    bill_reads: tuple[int, ...] = ()

    def key(self, portal: str) -> LocationKey:
        """Return its identity at the portal with this label."""
        return LocationKey(portal, self.account, self.number)


def from_user_data(payload: Json) -> list[AccountLocation]:
    """Return every location of `user-data`.

    An active entry replaces an inactive one with the same numbers.
    """
    # One client expected a single object, so perhaps some portal sends one.
    is_single = isinstance(payload, dict) and "account" in payload
    found: dict[tuple[str, str], AccountLocation] = {}
    for item in mappings([payload] if is_single else payload, "user-data"):
        for location in _of_account(item):
            key = (location.account, location.number)
            if key not in found or (location.active and not found[key].active):
                found[key] = location
    return list(found.values())


def from_accounts(payload: Json) -> list[AccountLocation]:
    """Return every location of the plain list, which has no industries or names."""
    found: list[AccountLocation] = []
    for item in mappings(payload, "accounts"):
        account = text(item.get("account"))
        for entry in sequence(item.get("serviceLocations"), "accounts[].serviceLocations"):
            number = text(entry.get("id") or entry.get("serviceLocation")) if isinstance(entry, dict) else text(entry)
            if account and number:
                found.append(AccountLocation(account, number, None, electric=True, active=True))
    return list(dict.fromkeys(found))


def _of_account(item: dict[str, Json]) -> Iterator[AccountLocation]:
    account = text(item.get("account"))
    industries = _map(item, "serviceLocationToIndustries")
    summaries = _summaries(item)
    descriptions = _map(item, "serviceToServiceDescription")
    address = _words(text(item.get("address")))
    for key in dict.fromkeys([*industries, *summaries]):
        number, summary = text(key), summaries.get(key, {})
        if not account or not number:
            continue
        kinds = tuple(text(kind).upper() for kind in sequence(industries.get(key), "serviceLocationToIndustries[]"))
        reads = map(summary.get, ("lastBillPrevReadDtTm", "lastBillPresReadDtTm"))
        yield AccountLocation(
            account,
            number,
            _nickname(summary, address),
            electric="ELECTRIC" in kinds if kinds else _sounds_electric(item, summary, descriptions),
            active=not flag(item.get("inactive")) and not _is_closed(summary),
            industries=kinds,
            bill_reads=tuple(each // 1000 for each in reads if type(each) is int and 0 < each < _LATEST_BILL),
        )


def _map(item: dict[str, Json], key: str) -> dict[str, Json]:
    return mapping(item.get(key) or {}, key)


def _summaries(item: dict[str, Json]) -> dict[str, dict[str, Json]]:
    """Return one summary per location, from either map of summaries."""
    found: dict[str, dict[str, Json]] = {}
    single = _map(item, "serviceLocationIdToServiceLocationSummary")
    lists = _map(item, "serviceLocationToUserDataServiceLocationSummaries")
    for key, value in {**single, **lists}.items():
        several = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]
        found[key] = min(several, key=_rank, default={})
    return found


def _rank(summary: dict[str, Json]) -> tuple[bool, bool]:
    """Rank the summaries of a location: those in use first, then the electric one."""
    codes = " ".join(text(code) for code in sequence(summary.get("services"), "services"))
    return _is_closed(summary), "ELEC" not in codes.upper()


def _nickname(summary: dict[str, Json], line: str) -> str:
    """Return the member's name for the location, unless the portal filled it with the address.

    line: the address of the account.
    """
    name = text(summary.get("description"))
    address = summary.get("address")
    fields = address if isinstance(address, dict) else {"addr1": address}
    lines = [_words(text(fields.get(key))) for key in ("addr1", "addr2", "city", "state", "zip")]
    streets = {*lines[:2], " ".join(filter(None, lines)), line} - {""}
    words = _words(name)
    return "" if any(f" {street} " in f" {words} " or f" {words} " in f" {street} " for street in streets) else name


def _words(value: str) -> str:
    return " ".join(re.findall(r"\w+", value.casefold()))


def _sounds_electric(item: dict[str, Json], summary: dict[str, Json], descriptions: dict[str, Json]) -> bool:
    codes = [text(code) for code in sequence(summary.get("services") or item.get("services"), "services")]
    described = " ".join(text(descriptions.get(code)) for code in codes)
    parts = [part for code in codes for part in code.upper().split("|")]
    return "electric" in described.casefold() or any(part.endswith("ELEC") for part in parts)


def _is_closed(summary: dict[str, Json]) -> bool:
    return text(summary.get("serviceStatus")).upper() in ("INACTIVE", "CLOSED", "FINAL", "DISCONNECTED")
