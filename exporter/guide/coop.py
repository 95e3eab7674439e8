"""Find the co-op's address from what a member knows, and confirm it before anyone types a password."""

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from ..clock import Clock
from ..config import PortalAddress, portal_address
from ..errors import ConfigError, DirectoryError, PortalError
from ..portal.directory import Coop, Directory, has_enough_letters, is_name
from ..portal.identity import PortalIdentity, identify
from ..terminal import Terminal

_QUESTION = "Your co-op, or its SmartHub address"
_EXAMPLE = " (such as novec.smarthub.coop)"
_PICK = "Which one? Type its number, or press Enter for another name"
_MOST_LISTED = 20
_LONGEST_NAME = 50  # leaves room for the place in 80 columns


class CoopDialog:
    """Finds and confirms the portal. `identities` has what each host said about itself, by its base URL."""

    def __init__(self, terminal: Terminal, directory: Directory, clock: Clock) -> None:
        self._terminal = terminal
        self._directory = directory
        self._clock = clock
        self.identities: dict[str, PortalIdentity] = {}

    def ask(self) -> str:
        """Ask for the co-op until one is confirmed; return its base URL, empty without an answer."""
        typed = ""
        while typed := self._terminal.ask(_QUESTION + ("" if typed else _EXAMPLE), default=typed):
            portal = self._look_up(typed) if is_name(typed) else self._address(typed)
            if portal is not None and self._is_confirmed(portal):
                return portal.base_url
        return ""

    def check(self, address: str) -> None:
        """Confirm an address from the configuration. Raises PortalError, or ConfigError if it is not confirmed."""
        try:
            portal = portal_address(address)
        except ValueError:
            return  # reported with the other problems of the configuration
        if portal.base_url in self.identities:
            return
        if not self._is_confirmed(portal):
            raise self.identities[portal.base_url].error or ConfigError("api_url: set the address of your co-op")

    def accept(self, portal: PortalAddress, identity: PortalIdentity, *, is_interactive: bool) -> None:
        """Show what a configured portal said about itself. Raises PortalError if it is not SmartHub."""
        if portal.base_url in self.identities:
            return
        self.identities[portal.base_url] = identity
        if identity.error is not None:
            is_wanted = is_interactive and identity.is_foreign and self._wants_it_anyway(identity.error)
            if not is_wanted:
                raise identity.error
        elif is_interactive and identity.name:
            self._terminal.complain(_named(portal, identity.name))

    def _address(self, typed: str) -> PortalAddress | None:
        try:
            return portal_address(typed)
        except ValueError as error:
            self._terminal.complain(f"  {error}")
            return None

    def _look_up(self, name: str) -> PortalAddress | None:
        if not has_enough_letters(name):
            self._terminal.complain("  type at least 3 letters of the name, or the whole address")
            return None
        found: list[Coop] = []
        try:
            with self._terminal.waiting() as busy:
                busy("the directory of co-ops")
                found = self._directory.search(name)
            problem = "" if found else "not in the directory of co-ops"
        except DirectoryError as error:
            problem = error.what
        if len(found) > 1:
            return self._pick(found)
        if found:
            return found[0].portal
        try:
            portal = portal_address(name)
        except ValueError:
            self._terminal.complain(f"  {problem}; type the address of the page where you sign in")
            return None
        self._terminal.complain(f"  {problem}; trying {_host(portal)}")
        return portal

    def _pick(self, found: Sequence[Coop]) -> PortalAddress | None:
        shown = found[:_MOST_LISTED]
        for number, coop in enumerate(shown, 1):
            self._terminal.complain(f"  {number:>2}  {described(coop)}")
        if len(found) > len(shown):
            self._terminal.complain(f"      and {len(found) - len(shown)} others; type more of the name")

        def check(answer: str) -> None:
            if not (answer.isdecimal() and 1 <= int(answer) <= len(shown)):
                raise ValueError(f"enter a number from 1 to {len(shown)}")

        answer = self._terminal.ask(_PICK, check)
        return shown[int(answer) - 1].portal if answer else None

    def _is_confirmed(self, portal: PortalAddress) -> bool:
        with self._terminal.waiting() as busy:
            busy(_host(portal))
            identity = identify(portal, self._clock)
        self.identities[portal.base_url] = identity
        if identity.error is not None:
            return self._wants_it_anyway(identity.error)
        self._terminal.complain(_named(portal, identity.name or "a SmartHub portal that does not name its co-op"))
        return self._terminal.confirm("Is this your co-op?", default=True)

    def _wants_it_anyway(self, error: PortalError) -> bool:
        """Report why a host is not SmartHub, and ask whether to continue if it answers at all."""
        self._terminal.complain(f"  {error.what}")
        return PortalIdentity(error=error).is_foreign and self._terminal.confirm("  Use it anyway?")


def find_portal(name: str, search: Callable[[str], Sequence[Coop]]) -> str:
    """Return the base URL of the only co-op with that name, without asking. Raises ConfigError."""
    try:
        found = search(name)
    except DirectoryError as error:
        raise ConfigError(f"SMARTHUB_API_URL: {error}; set the address of the portal") from None
    if len(found) != 1:
        heading = f"SMARTHUB_API_URL: {len(found) or 'no'} co-ops have this name; set the address of the portal"
        raise ConfigError([heading, *(f"  {described(each)}: {_host(each.portal)}" for each in found[:_MOST_LISTED])])
    return found[0].portal.base_url


def search_rows(found: Sequence[Coop]) -> list[tuple[str, str, str]]:
    """Return co-ops as rows of a table: name, place, host."""
    return [(coop.name, coop.place, _host(coop.portal)) for coop in found]


def described(coop: Coop) -> str:
    """Return a co-op with its place, for a list."""
    return coop.name[:_LONGEST_NAME] + (f" ({coop.place})" if coop.place else "")


def _named(portal: PortalAddress, name: str) -> str:
    return f"{_host(portal)}: {name}"


def _host(portal: PortalAddress) -> str:
    return urlsplit(portal.base_url).netloc
