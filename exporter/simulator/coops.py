"""What the simulated portal and its directory say about co-ops (docs/portal.md, "Names and the directory")."""

from typing import Any

from .settings import Search

LOADING = "Loading {} SmartHub Application"
"""The text with which a portal answers `siteName`."""

_MADE_UP = (("Piedmont Imagined Power", "imagined", "Fairview"), ("Piedmont Invented Light", "invented", "Riverside"))


def coop(name: str, domain: str, city: str = "Springfield", state: str = "NC") -> dict[str, Any]:
    """Return the public description of a co-op."""
    return {
        "domain": domain,
        "name": name,
        "addressList": [{"city": city, "state": state, "zip": "00000", "addressType": "PHYSICAL"}],
        "registrationInformation": {"failedLoginLockoutLimit": 5, "minimumPasswordLength": 8},
        "availableSystems": ["ELECTRIC"],
        "minVersion": "1.0",
        "consumerGlobalInformation": {"offlineMessage": "", "lockoutMessage": ""},
    }


def find_coops(words: str, how: Search, name: str, domain: str) -> list[dict[str, Any]]:
    """Return the co-ops with a name or a word of it that begins with `words`. name, domain: of the simulated co-op."""
    known = [coop(name, domain)]
    if how is Search.THREE:
        known += [coop(each, host, city, "VA") for each, host, city in _MADE_UP]
    wanted = words.casefold()
    found = [each for each in known if f" {each['name'].casefold()}".find(f" {wanted}") >= 0]
    if how is Search.NO_DOMAIN:
        return [{key: value for key, value in each.items() if key != "domain"} for each in found]
    return [] if how is Search.NONE else found
