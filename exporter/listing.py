"""The locations that a login sees, from the first source that has any.

See docs/portal.md, "Accounts and locations".
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256

from .config import Login
from .errors import PortalError, one_line
from .portal.accounts import AccountLocation
from .portal.client import PortalClient
from .storage.state import StateFile


@dataclass(frozen=True, slots=True)
class Listing:
    """The locations that a login sees.

    warning: why `user-data` did not list them and what did; empty if it did.
    """

    locations: Sequence[AccountLocation]
    warning: str = ""


def list_locations(login: Login, client: PortalClient, state: StateFile) -> Listing:
    """Return the locations that a login sees.

    They are those of `user-data`, else those that it listed before, else those of the plain list of accounts, else
    those that the configuration names in full. Raises PortalError if there are none or the sign-in fails.
    """
    sources: dict[str, Callable[[], list[AccountLocation]]] = {
        "": client.locations,
        "the locations that it listed last": partial(listed_before, login, state),
        "the plain list of accounts": client.plain_locations,
        "the configured locations": partial(_configured_in_full, login),
    }
    errors: list[PortalError] = []
    for source, ask in sources.items():
        try:
            found = ask()
        except PortalError as error:
            if error.while_signing_in:
                raise
            errors.append(error)
            continue
        if not source:
            state.keep_listing(_identity(login), json.dumps([asdict(each) for each in found]))
        if found:
            return Listing(found, source and f"{_briefly(errors[0])}; using {source}")
    raise _nothing_listed(login, errors)


def listed_before(login: Login, state: StateFile) -> list[AccountLocation]:
    """Return what `user-data` listed when it last did; empty if that is not known."""
    try:
        return [
            AccountLocation(**each | {"industries": tuple(each["industries"]), "bill_reads": tuple(each["bill_reads"])})
            for each in json.loads(state.listing(_identity(login)))
        ]
    except (ValueError, TypeError, KeyError):  # nothing, or written by another version
        return []


def _configured_in_full(login: Login) -> list[AccountLocation]:
    return [
        AccountLocation(choice.account, choice.service_location, None, electric=True, active=True)
        for choice in login.locations
        if choice.account and choice.service_location
    ]


def _identity(login: Login) -> str:
    # The user name may be an email address, so the state file does not contain it.
    return sha256(f"{login.portal.label}\n{login.username}".encode()).hexdigest()


def _nothing_listed(login: Login, errors: Sequence[PortalError]) -> PortalError:
    """Return the error that is most likely temporary, naming everything that was tried."""
    reported = next((each for each in errors if each.reason.passes_by_itself), errors[0])
    error = type(reported)(
        f"found no locations ({'; '.join(map(_briefly, errors))})",
        about=f"login {login.name}",
        advice="check whether the SmartHub website shows an account, or set account and service_location",
    )
    error.retry_after = reported.retry_after
    return error


def _briefly(error: PortalError) -> str:
    return one_line(error.what, error.about, "")
