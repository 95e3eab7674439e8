"""The JSON of `user-data`, account by account (docs/portal.md, "Accounts and locations")."""

from collections.abc import Iterable, Mapping
from typing import Any

from .specs import LocationSpec
from .truth import Almanac

_PROVIDER = "COOP"
_CITY = "City Utilities"
_NO_DESCRIPTION = ("VELEC", "GELEC")
Json = dict[str, Any]


def user_data(locations: Iterable[LocationSpec], almanac: Almanac) -> list[Json]:
    """Return an entry per account, and another one for its closed locations."""
    accounts: dict[tuple[str, bool], dict[LocationSpec, Json]] = {}
    for location in locations:
        entry = accounts.setdefault((location.account, location.inactive), {})
        entry[location] = _summary(location, almanac)
    return [_account(account, summaries) for (account, _), summaries in accounts.items()]


def _account(account: str, summaries: Mapping[LocationSpec, Json]) -> Json:
    """Return the entry of an account from the summaries of its locations."""
    first = next(iter(summaries))
    codes = list(dict.fromkeys(each.service_code for each in summaries))
    by_service = {service: [provider] for code in codes for service, provider in _providers(code).items()}
    providers = {"ALL" if "|" in code else _PROVIDER: _CITY if "|" in code else "The Co-op" for code in codes}
    descriptions = {
        code: _CITY if "|" in code else f"{'Electric' if code.endswith('ELEC') else code.capitalize()} Service"
        for code in codes
        if code not in _NO_DESCRIPTION
    }
    entry = {
        "account": account,
        "customer": "9001",
        "customerName": "A MEMBER OF THE COOP",
        "additionalCustomerName": "ANOTHER MEMBER OF THE COOP",
        "address": first.street,
        "email": "member@example.org",
        "inactive": first.inactive,
        "primaryServiceLocationId": first.number,
        "services": list(by_service),
        "serviceLocationIdToServiceLocationSummary": {
            each.number: summary
            | {
                "meterNumbersToExternalMeterBaseIds": {
                    meter.number: f"{each.number}+{count}" for count, meter in enumerate(each.meters, 1)
                }
            }
            for each, summary in summaries.items()
        },
        "serviceLocationToUserDataServiceLocationSummaries": {
            each.number: [{"services": each.service_code.split("|")} | summary] for each, summary in summaries.items()
        },
        "serviceLocationToIndustries": {each.number: list(each.industries) for each in summaries if each.industries},
        "serviceLocationToProviders": {each.number: [*_providers(each.service_code).values()] for each in summaries},
        "serviceToProviders": by_service,
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
        "isMultiService": len(by_service) > 1,
        "disconnectNonPay": False,
    }
    return entry | ({"serviceToServiceDescription": descriptions} if descriptions else {})


def _summary(location: LocationSpec, almanac: Almanac) -> Json:
    number = almanac.settings.identifier(location.number)
    summary: Json = {
        "id": {"srvLocNbr": number, "serviceLocation": number},
        "location": location.street,
        "address": {"addr1": location.street, "city": "Springfield", "state": "VA", "zip": "00000"},
        "serviceStatus": "ACTIVE",
        "activeRateSchedules": [f"R1:{_PROVIDER}"],
    }
    if location.nickname:
        summary["description"] = location.nickname
    periods = almanac.billing_periods(location.connected, until=almanac.now)
    if billed := [each for each in periods if each.end <= almanac.now]:
        summary["lastBillPrevReadDtTm"] = billed[-1].start * 1000
        summary["lastBillPresReadDtTm"] = billed[-1].end * 1000
    return summary


def _providers(code: str) -> dict[str, str]:
    """Return the provider of each service; a city that sells several numbers them."""
    if "|" not in code:
        return {code: _PROVIDER}
    return {service: f"{count}{service}" for count, service in enumerate(code.split("|"), 1)}
