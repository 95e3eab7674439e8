"""Which logins a page is about."""

from collections.abc import Callable, Iterable

from ..intervals.model import LocationKey


class Scope:
    """Some logins with the locations that they read, or all of them.

    logins: Their names; none means all. reader: Returns the name of the login that reads a location.
    """

    def __init__(self, logins: Iterable[str], reader: Callable[[LocationKey], str | None]) -> None:
        self.logins = frozenset(logins)
        self._reader = reader

    def has_login(self, name: str) -> bool:
        """Return whether a login is in scope."""
        return not self.logins or name in self.logins

    def has(self, key: LocationKey) -> bool:
        """Return whether a location is in scope."""
        return not self.logins or self._reader(key) in self.logins

    def locations(self, keys: Iterable[LocationKey]) -> frozenset[LocationKey] | None:
        """Return those of the locations that are in scope; None if all are."""
        return frozenset(filter(self.has, keys)) if self.logins else None
