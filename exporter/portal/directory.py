"""NISC's directory of co-ops: from a name to the portals that have it.

Only what the user typed is sent. See docs/portal.md, "Names and the directory".
"""

import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..config import PortalAddress, is_loopback, portal_address
from ..config.model import REAL_PORTALS
from ..errors import TRY_LATER, DirectoryError, ProtocolError
from ..httpcall import Authorization, CallFailedError, CallLimits, ClientResponse, HttpClient
from .debug_trace import trace
from .parsing import Json, display_name, loads, mappings

DEFAULT_DIRECTORY = "https://config.smarthub.coop"
FEWEST_LETTERS = 3

_PATH = "/services/memberLookup/name"
_LIMITS = CallLimits(connect=10, read=10, total=20, body=4 * 2**20)
_OK = 200
_DIRECTORY = "the directory of co-ops"


@dataclass(frozen=True, slots=True)
class Coop:
    """A co-op in the directory. city, state: of its first address, empty if there is none."""

    portal: PortalAddress
    name: str
    city: str = ""
    state: str = ""

    @property
    def place(self) -> str:
        """City and state."""
        return ", ".join(filter(None, (self.city, self.state)))


def is_name(text: str) -> bool:
    """Whether a text may be a co-op's name: no URL, no host with a dot (as in `a.b`), and not this machine."""
    text = text.strip()
    return not (re.search(r"[:/@\[\]]|\.\S", text) or is_loopback(text.casefold().rstrip(".")))


def has_enough_letters(name: str) -> bool:
    """Whether a name is long enough to be looked up."""
    return sum(map(str.isalnum, name)) >= FEWEST_LETTERS


class Directory:
    """The directory at a URL."""

    def __init__(self, url: str = DEFAULT_DIRECTORY, limits: CallLimits = _LIMITS) -> None:
        self._url = url
        self._limits = limits

    def search(self, name: str) -> list[Coop]:
        """Return the co-ops with a name that begins like this, or with a word that does. Raises DirectoryError."""
        assert is_name(name)
        if not has_enough_letters(name):
            raise DirectoryError(f"type at least {FEWEST_LETTERS} letters of the name")
        response = self._ask(name.strip())
        if response.status != _OK:
            raise DirectoryError(f"{_DIRECTORY} returned status {response.status}", advice=TRY_LATER)
        if response.is_page:
            raise DirectoryError(f"{_DIRECTORY} sent a web page instead of data", advice=TRY_LATER)
        try:
            entries = mappings(loads(response.body), "the list")
            found = list(self._coops(entries))
        except (ValueError, RecursionError, ProtocolError):
            raise DirectoryError(f"{_DIRECTORY} sent a response of unknown shape") from None
        if entries and not found:
            raise DirectoryError(f"{_DIRECTORY} lists it without an address")
        return found

    def _ask(self, name: str) -> ClientResponse:
        started = time.monotonic()
        with closing(HttpClient(self._url, self._limits, headers={"Accept": "application/json"})) as client:
            try:
                response = client.call("GET", _PATH, params={"name": name}, auth=Authorization())
            except CallFailedError as failed:
                trace("directory", "GET", _PATH, time.monotonic() - started, failed.error)
                raise DirectoryError(f"{_DIRECTORY} cannot be reached", advice="check the network") from failed
        trace("directory", "GET", _PATH, time.monotonic() - started, response)
        return response

    def _coops(self, entries: list[dict[str, Json]]) -> Iterator[Coop]:
        for entry in entries:
            portal = self._portal(entry.get("domain"))
            if portal is not None:
                addresses = entry.get("addressList")
                first = addresses[0] if isinstance(addresses, list) and addresses else None
                given = first if isinstance(first, dict) else {}
                city, state = [display_name(given.get(key)) for key in ("city", "state")]
                yield Coop(portal, display_name(entry.get("name")), city, state)

    def _portal(self, domain: Json) -> PortalAddress | None:
        """Return the portal of a domain; one that is not SmartHub's may only come from a simulated directory."""
        try:
            portal = portal_address(domain) if isinstance(domain, str) else None
        except ValueError:
            return None
        is_simulated = is_loopback(urlsplit(self._url).hostname or "")
        is_real = portal is not None and portal.base_url.endswith(REAL_PORTALS)
        return portal if is_real or is_simulated else None
