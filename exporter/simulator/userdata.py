"""The JSON of `user-data`: what a login sees, account by account (portal-facts 2.1)."""

from collections.abc import Iterable, Sequence
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
    accounts: dict[tuple[str, bool], list[LocationSpec]] = {}
    for location in locations:
        accounts.setdefault((location.account, location.inactive), []).append(location)
    return [
        _account(account, each, [_summary(location, zone, settings, now) for location in each])
        for (account, _), each in accounts.items()
    ]


def _account(account: str, locations: Sequence[LocationSpec], summaries: Sequence[Json]) -> Json:
    first = locations[0]
    codes = list(dict.fromkeys(each.service_code for each in locations))
    services = list(dict.fromkeys(service for code in codes for service in code.split("|")))
    providers = {_provider_of(code): _CITY if "|" in code else "The Co-op" for code in codes}
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
            location.number: {key: value for key, value in summary.items() if key != "services"}
            | {"meterNumbersToExternalMeterBaseIds": _base_ids(location)}
            for location, summary in zip(locations, summaries, strict=True)
        },
        "serviceLocationToUserDataServiceLocationSummaries": {
            location.number: [summary] for location, summary in zip(locations, summaries, strict=True)
        },
        "serviceLocationToIndustries": {each.number: list(each.industries) for each in locations if each.industries},
        "serviceLocationToProviders": {
            each.number: [provider for providers in _providers(each.service_code).values() for provider in providers]
            for each in locations
        },
        "serviceToProviders": {service: providers for code in codes for service, providers in _providers(code).items()},
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
    number = int(location.number) if settings.numeric_ids else location.number
    summary: Json = {
        "services": location.service_code.split("|"),
        "id": {"srvLocNbr": number, "serviceLocation": number},
        "location": location.street,
        "address": {"addr1": location.street, "city": "Springfield", "state": "VA", "zip": "00000"},
        "serviceStatus": "ACTIVE",
        "activeRateSchedules": [f"R1:{_PROVIDER}"],
    }
    if location.nickname:
        summary["description"] = location.nickname
    billed = [each for each in billing_periods(location.connected, zone, settings, now) if each.end <= now]
    if billed:
        summary["lastBillPrevReadDtTm"] = billed[-1].start * 1000
        summary["lastBillPresReadDtTm"] = billed[-1].end * 1000
    return summary


def _base_ids(location: LocationSpec) -> dict[str, str]:
    return {meter.number: f"{location.number}+{count}" for count, meter in enumerate(location.meters, 1)}


def _providers(code: str) -> dict[str, list[str]]:
    """The providers of each service: a city that sells everything numbers them."""
    services = code.split("|")
    if len(services) == 1:
        return {code: [_PROVIDER]}
    return {service: [f"{count}{service}"] for count, service in enumerate(services, 1)}


def _provider_of(code: str) -> str:
    return "ALL" if "|" in code else _PROVIDER


def _description(code: str) -> str:
    if "|" in code:
        return _CITY
    return "Electric Service" if code.endswith("ELEC") else f"{code.capitalize()} Service"
