"""Which of the locations that a login sees are read."""

from collections.abc import Iterable, Mapping, Sequence

from .config import LocationChoice, Login
from .intervals.model import Location, LocationKey
from .portal.accounts import AccountLocation

MOST_LOCATIONS = 1000  # of a login


def is_configured(login: Login, key: LocationKey) -> bool:
    """Return whether a login is configured to read a stored location."""
    chosen = login.locations or [LocationChoice()]
    return key.portal == login.portal.label and any(_matches(each, key.account, key.location) for each in chosen)


def configured_zone(logins: Sequence[Login], key: LocationKey) -> str | None:
    """Return the zone of the first login that may read a location; None if none may."""
    return next((str(login.zone) for login in logins if is_configured(login, key)), None)


def owners(seen: Mapping[int, Iterable[LocationKey]]) -> dict[LocationKey, int]:
    """Return the number of the login that reads each location: the first that sees it."""
    return {key: number for number in sorted(seen, reverse=True) for key in seen[number]}


def told_name(login: Login, location: AccountLocation) -> str | None:
    """Return the configured name of a location, else its nickname; None if unknown."""
    own = next((choice.name for choice in login.locations if _matches(choice, location.account, location.number)), "")
    return own or location.name


def configured_submeters(login: Login, location: AccountLocation) -> dict[str, str]:
    """Return the configured parent of each sub-meter of a location."""
    chosen = (choice for choice in login.locations if _matches(choice, location.account, location.number))
    return {child: parent for choice in chosen for child, parent in choice.submeters}


def location_name(told: str | None, before: Location | None) -> str:
    """Return the name of a location: the current name, else the last known one."""
    return told if told is not None else before.name if before else ""


def choose(login: Login, found: Sequence[AccountLocation]) -> tuple[list[AccountLocation], list[LocationChoice]]:
    """Return the locations to read, and the configured choices that match none.

    A location that is chosen by its number is always read; any other must be active and electric. There are at most
    MOST_LOCATIONS.
    """
    locations: dict[tuple[str, str], AccountLocation] = {}
    missing: list[LocationChoice] = []
    for choice in login.locations or [LocationChoice()]:
        matching = [location for location in found if _matches(choice, location.account, location.number)]
        good = [location for location in matching if location.active and location.electric]
        if choice.service_location and not good:
            good = matching
        locations.update({(location.account, location.number): location for location in good})
        if not good and login.locations:
            missing.append(choice)
    return list(locations.values())[:MOST_LOCATIONS], missing


def _matches(choice: LocationChoice, account: str, number: str) -> bool:
    return choice.account in (None, account) and choice.service_location in (None, number)


def unseen_message(login: Login, choice: LocationChoice, found: Sequence[AccountLocation]) -> str:
    """Return the message for a choice without a location."""
    location = f"location {choice.service_location}" if choice.service_location else "an active electric location"
    account = f" of account {choice.account}" if choice.account else ""
    seen = location_list(found)
    return f"login {login.name} does not see {location}{account}; it sees {seen}; fix the configuration"


def nothing_to_read_message(login: Login, found: Sequence[AccountLocation]) -> str:
    """Return the message for a login without a location to read."""
    advice = (
        "; to read a closed one, set its account and service_location" if any(each.electric for each in found) else ""
    )
    return f"login {login.name} sees no active electric service location; it sees {location_list(found)}{advice}"


def location_list(found: Sequence[AccountLocation]) -> str:
    """Describe the locations that a login sees, and why some are not read unless they are chosen."""
    most = 8
    names = [
        f"location {location.number} of account {location.account}"
        + (f" ({why})" if (why := unread_reason(location)) else "")
        for location in found[:most]
    ]
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(names) + more


def unread_reason(location: AccountLocation) -> str:
    """Why a location is skipped unless it is chosen by its number; empty if it is read."""
    if not location.active:
        return "closed"
    if not location.electric:
        return f"no electricity, only {', '.join(location.industries).lower() or 'unknown services'}"
    return ""
