"""Which login reads a location that several logins see: the first one in the file."""

import logging
import threading
from collections.abc import Iterable, Sequence

from ..config import Login
from ..intervals.model import LocationKey
from ..locations import is_configured, owners

log = logging.getLogger(__name__)

_PATIENCE = 60.0  # seconds to wait for the first answer of earlier logins


class Ownership:
    """Which locations each login sees. One object is shared by all logins."""

    def __init__(self, logins: Sequence[Login]) -> None:
        self._logins = logins
        self._seen: dict[int, frozenset[LocationKey]] = {}
        self._seen_before: dict[int, frozenset[LocationKey]] = {}
        self._readers: dict[LocationKey, int] = {}
        self._all: frozenset[LocationKey] | None = None
        self._asked: set[int] = set()
        self._told: set[tuple[int, LocationKey]] = set()
        self._condition = threading.Condition()

    def expect(self, index: int, keys: Iterable[LocationKey]) -> None:
        """Note which locations a login saw when it was last asked, by an earlier process."""
        with self._condition:
            self._seen_before[index] = frozenset(keys)
            self._note_readers()

    def reader(self, key: LocationKey) -> str | None:
        """Return the name of the login that reads a location, without waiting for anything.

        It is the first that sees it, else the first that did before, else the first that is configured to read it.
        """
        index = self._readers.get(key)
        if index is not None:
            return self._logins[index].name
        return next((login.name for login in self._logins if is_configured(login, key)), None)

    def _note_readers(self) -> None:
        self._readers = owners(self._seen_before) | owners(self._seen)

    def failed(self, index: int, *, is_rejected: bool = False) -> None:
        """Note that a login could not get its locations, so that others need not wait.

        is_rejected: whether its sign-in was rejected, so that other logins take over its locations.
        """
        with self._condition:
            if is_rejected:
                self._seen.pop(index, None)
                self._all = None
                self._note_readers()
            self._note_answer(index)

    def _note_answer(self, index: int) -> None:
        self._asked.add(index)
        self._condition.notify_all()

    def claim(self, index: int, keys: Iterable[LocationKey]) -> frozenset[LocationKey]:
        """Note which locations a login sees, and return those that it is to read."""
        with self._condition:
            seen = frozenset(keys)
            if self._seen.get(index) != seen or self._seen_before.get(index) != seen:
                self._seen[index] = self._seen_before[index] = seen
                self._all = None
                self._note_readers()
            self._note_answer(index)
            portals = [login.portal.label for login in self._logins]
            before = [other for other in range(index) if portals[other] == portals[index]]
            self._condition.wait_for(lambda: self._asked.issuperset(before), timeout=_PATIENCE)
            owner = owners({other: self._seen[other] & seen for other in (*before, index) if other in self._seen})
            own = frozenset(key for key in seen if owner[key] == index)
            for key in sorted(seen - own):
                if (index, key) not in self._told:
                    self._told.add((index, key))
                    log.info(
                        "location %s of account %s is read by login %s, the first in the file; login %s skips it",
                        *(key.location, key.account, self._logins[owner[key]].name, self._logins[index].name),
                    )
            return own

    def all_locations(self) -> frozenset[LocationKey] | None:
        """Return the locations that at least one login sees; None until all were asked.

        It is the same object until they change.
        """
        with self._condition:
            if self._all is None and len(self._seen) == len(self._logins):
                self._all = frozenset().union(*self._seen.values())
            return self._all
