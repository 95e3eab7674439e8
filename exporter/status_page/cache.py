"""What was computed of a meter, kept until the meter or the time that it is as of is another one."""

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from ..intervals.model import LocationKey, Meter

T = TypeVar("T")
Place = tuple[LocationKey, str]
"""A meter by its location and number."""


class MeterCache(Generic[T]):
    """One result for each meter. Safe to use from several threads: at worst two compute the same."""

    def __init__(self) -> None:
        self._known: dict[Place, tuple[Meter, Hashable, T]] = {}

    def get(self, place: Place, meter: Meter, as_of: Hashable, compute: Callable[[], T]) -> T:
        """What is known of a meter, computed where it is not. Meters never change, they are replaced."""
        known = self._known.get(place)
        if known and known[0] is meter and known[1] == as_of:
            return known[2]
        result = compute()
        self._known[place] = (meter, as_of, result)
        return result

    def only(self, places: Iterable[Place]) -> None:
        """Forget what is not of these meters."""
        wanted = set(places)
        if not wanted.issuperset(self._known.copy()):
            self._known = {place: result for place, result in self._known.copy().items() if place in wanted}
