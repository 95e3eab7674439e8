"""The JSON of `user-data`: what a login sees, account by account (portal-facts 2.1)."""

from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from .billing import billing_periods
from .settings import Settings
from .specs import LocationSpec

_PROVIDER = "COOP"
_CITY = "City Utilities"
_NO_DESCRIPTION = ("VELEC", "GELEC")
Json = dict[str, Any]


def user_data(locations: Iterable[LocationSpec], zone: ZoneInfo, settings: Settings, now: float) -> list[Json]:
    """An entry for each account, one for its closed locations apart. `now` is the present in seconds UTC."""
    accounts: dict[tuple[str, bool], dict[LocationSpec, Json]] = {}
    for location in locations:
        entry = accounts.setdefault((location.account, location.inactive), {})
        entry[location] = _summary(location, zone, settings, now)
    return [_account(account, summaries) for (account, _), summaries in accounts.items()]


def _account(account: str, summaries: Mapping[LocationSpec, Json]) -> Json:
    """The entry of an account. summaries: what is told of each of its locations."""
    first = next(iter(summaries))
    codes = list(dict.fromkeys(each.service_code for each in summaries))
    services = list(dict.fromkeys(service for code in codes for service in code.split("|")))
    providers = {"ALL" if "|" in code else _PROVIDER: _CITY if "|" in code else "The Co-op" for code in codes}
    descriptions = {code: _description(code) for code in codes if code not in _NO_DESCRIPTION}
    entry = {
        "account": account,
        "customer": "9001",
        "customerName": "A MEMBER OF THE COOP",
        "additionalCustomerName": "ANOTHER MEMBER OF THE COOP",
        "address": first.street,
        "email": "member@example.org",
        "inactive": first.inactive,
        "primaryServiceLocationId": first.number,
        "services": services,
        "serviceLocationIdToServiceLocationSummary": {
            each.number: summary | {"meterNumbersToExternalMeterBaseIds": _base_ids(each)}
            for each, summary in summaries.items()
        },
        "serviceLocationToUserDataServiceLocationSummaries": {
            each.number: [{"services": each.service_code.split("|")} | summary] for each, summary in summaries.items()
        },
        "serviceLocationToIndustries": {each.number: list(each.industries) for each in summaries if each.industries},
        "serviceLocationToProviders": {each.number: [*_providers(each.service_code).values()] for each in summaries},
        "serviceToProviders": {service: [provider] for code in codes for service, provider in _providers(code).items()},
        "providerToDescription": providers,
        "providerToProviderDescription": providers,
        "providerOrServiceDescription": next(iter(providers.values())),
        "consumerClassCode": "",
        "invoiceGroupNumber": "",
        "agreementStatus": 0,
        "isAutoPay": False,
        "isDisconnected": first.inactive,
        "isPendingDisconnect": False,
        "isUnCollectible": False,
        "isMultiService": len(services) > 1,
        "disconnectNonPay": False,
    }
    return entry | ({"serviceToServiceDescription": descriptions} if descriptions else {})


def _summary(location: LocationSpec, zone: ZoneInfo, settings: Settings, now: float) -> Json:
    number = settings.identifier(location.number)
    summary: Json = {
        "id": {"srvLocNbr": number, "serviceLocation": number},
        "location": location.street,
        "address": {"addr1": location.street, "city": "Springfield", "state": "VA", "zip": "00000"},
        "serviceStatus": "ACTIVE",
        "activeRateSchedules": [f"R1:{_PROVIDER}"],
    }
    if location.nickname:
        summary["description"] = location.nickname
    billed = [each for each in billing_periods(location.connected, zone, settings.shifted, now) if each.end <= now]
    if billed:
        summary["lastBillPrevReadDtTm"] = billed[-1].start * 1000
        summary["lastBillPresReadDtTm"] = billed[-1].end * 1000
    return summary


def _base_ids(location: LocationSpec) -> dict[str, str]:
    return {meter.number: f"{location.number}+{count}" for count, meter in enumerate(location.meters, 1)}


def _providers(code: str) -> dict[str, str]:
    """The provider of each service: a city that sells everything numbers them."""
    services = code.split("|")
    if len(services) == 1:
        return {code: _PROVIDER}
    return {service: f"{count}{service}" for count, service in enumerate(services, 1)}


def _description(code: str) -> str:
    if "|" in code:
        return _CITY
    return "Electric Service" if code.endswith("ELEC") else f"{code.capitalize()} Service"
