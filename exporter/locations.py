"""Which of the locations that a login sees are to be read (contract 2)."""

from collections.abc import Iterable, Mapping, Sequence

from .config import LocationChoice, Login
from .intervals.model import Location, LocationKey
from .portal.accounts import AccountLocation


def is_configured(login: Login, key: LocationKey) -> bool:
    """Whether a stored location is one that this login is configured to read."""
    if key.portal != login.portal.label:
        return False
    return not login.locations or any(
        choice.account in (None, key.account) and choice.service_location in (None, key.location)
        for choice in login.locations
    )


def configured_zone(logins: Sequence[Login], key: LocationKey) -> str | None:
    """Return the zone of the first login that is configured to read a location; None if no login is."""
    return next((str(login.zone) for login in logins if is_configured(login, key)), None)


def owners(seen: Mapping[int, Iterable[LocationKey]]) -> dict[LocationKey, int]:
    """Return which login reads each location: the first in the file that sees it (contract 3). Logins by number."""
    found: dict[LocationKey, int] = {}
    for number in sorted(seen):
        for key in seen[number]:
            found.setdefault(key, number)
    return found


def told_name(login: Login, location: AccountLocation) -> str | None:
    """Return the user's own name for a location, else the member's nickname; None where the portal does not tell it."""
    own = next((choice.name for choice in login.locations if matches(choice, location)), "")
    return own or location.name


def location_name(told: str | None, before: Location | None) -> str:
    """Return what to call a location: what is told now, else what it was called before."""
    if told is not None:
        return told
    return before.name if before else ""


def choose(login: Login, found: Sequence[AccountLocation]) -> tuple[list[AccountLocation], list[LocationChoice]]:
    """The locations to read, and the choices for which the login sees none.

    A location chosen by its number is read whatever the portal says of it; otherwise it must be active and electric.
    """
    if not login.locations:
        return [location for location in found if location.active and location.electric], []
    locations: dict[tuple[str, str], AccountLocation] = {}
    missing: list[LocationChoice] = []
    for choice in login.locations:
        matching = [location for location in found if matches(choice, location)]
        good = [location for location in matching if location.active and location.electric]
        if choice.service_location and not good:
            good = matching
        locations.update({(location.account, location.number): location for location in good})
        if not good:
            missing.append(choice)
    return list(locations.values()), missing


def matches(choice: LocationChoice, location: AccountLocation) -> bool:
    """Whether a choice means this location."""
    return choice.account in (None, location.account) and choice.service_location in (None, location.number)


def as_account_location(choice: LocationChoice) -> AccountLocation:
    """A location that is named in full, for a portal that does not tell which there are."""
    return AccountLocation(choice.account or "", choice.service_location or "", None, electric=True, active=True)


def unseen_message(login: Login, choice: LocationChoice, found: Sequence[AccountLocation]) -> str:
    """What to say of a choice for which the login sees no location."""
    location = f"location {choice.service_location}" if choice.service_location else "an active electric location"
    account = f" of account {choice.account}" if choice.account else ""
    seen = location_list(found)
    return f"login {login.name} does not see {location}{account}; it sees {seen}; correct the configuration"


def nothing_to_read_message(login: Login, found: Sequence[AccountLocation]) -> str:
    """What to say of a login that sees no location to read."""
    return f"login {login.name} sees no active electric service location; it sees {location_list(found)}"


def location_list(found: Sequence[AccountLocation]) -> str:
    """What a login sees, in words."""
    most = 8
    names = [f"location {location.number} of account {location.account}" for location in found[:most]]
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return (", ".join(names) + more) if names else "none at all"
