"""Configured zones that the portal's times contradict, by login."""

from collections.abc import Sequence

from .database import Database
from .entries import EntryKey

_KIND = "contradicted_zone"


class ZoneEntries(Database):
    """The part of the state that keeps wrong times from being served after a restart."""

    def contradicted_by(self, portal: str, login: str, zone: str) -> tuple[str, ...]:
        """Return the zones that fit if this one is contradicted, most likely first; empty if it is not."""
        key = EntryKey(_KIND, portal, login, "", zone)
        return self.read(lambda found: tuple(found.get(key, b"").decode().split()), _KIND, of=key.location_key)

    def note_contradiction(self, portal: str, login: str, zone: str, others: Sequence[str]) -> None:
        """Note the zones that fit instead of this one; none if it is not contradicted."""
        if tuple(others) != self.contradicted_by(portal, login, zone):
            self.write({EntryKey(_KIND, portal, login, "", zone): " ".join(others).encode() or None})
