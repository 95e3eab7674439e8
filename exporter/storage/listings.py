"""What `user-data` listed for each login when it last did."""

from .database import Database
from .entries import EntryKey

_KIND = "listing"


class ListingEntries(Database):
    """The part of the state that stands in for `user-data` while that fails."""

    def listing(self, login: str) -> str:
        """Return the text that was kept for a login; empty if there is none."""
        key = _key(login)
        return self.read(lambda found: found.get(key, b"").decode(), _KIND, of=key.location_key)

    def keep_listing(self, login: str, locations: str) -> None:
        """Keep a text for a login instead of the one before."""
        if locations != self.listing(login):
            self.write({_key(login): locations.encode()})


def _key(login: str) -> EntryKey:
    return EntryKey(_KIND, "", login, "")
