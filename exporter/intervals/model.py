"""Data types: meters, locations, and their snapshot.

Energy in kWh, money in USD, times in seconds UTC.
"""

from bisect import insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Self, TypeVar

from .columns import NOTHING, Intervals
from .industries import ELECTRIC, KWH
from .interval import Interval

DAILY = 86400
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class MeterInfo:
    """What the portal says about a meter, apart from its readings.

    flows: The directions of its channels, in the portal's words.
    exports: It has a channel for export or net energy, or has exported before.
    signed: It has no such channel, so export shows only as negative usage.
    step: Its resolution in seconds; 86400 for a meter that is read once a day.
    parents: The meters that may contain it, by number, most likely first.
    industry, unit: What it measures, and the unit of its usage; the unit is empty until a reading shows it.
    """

    number: str
    flows: tuple[str, ...] = ()
    parent: bool = False
    net: bool = False
    exports: bool = False
    signed: bool = True
    step: int = 900
    parents: tuple[str, ...] = ()
    industry: str = ELECTRIC
    unit: str = KWH


@dataclass(frozen=True, slots=True, order=True)
class LocationKey:
    """The identity of a service location: the labels of all its data."""

    portal: str
    account: str
    location: str

    def labels(self) -> dict[str, str]:
        """Return the labels by name, in output order."""
        return {"portal": self.portal, "account": self.account, "location": self.location}


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter with its intervals and full local days, each sorted by time."""

    info: MeterInfo
    intervals: Intervals = NOTHING
    days: Intervals = NOTHING

    @classmethod
    def of(cls, info: MeterInfo, intervals: Iterable[Interval] = (), days: Iterable[Interval] = ()) -> Self:
        """Return a meter with intervals and days that are given one by one, each sorted by time."""
        return cls(info, Intervals.of(intervals), Intervals.of(days))

    @property
    def latest(self) -> Interval | None:
        """The newest interval with usage or export."""
        return next((interval for interval in reversed(self.intervals) if interval.has_energy), None)


@dataclass(frozen=True, slots=True)
class Location:
    """A service location and its meters, sorted by number.

    name: From the configuration, else the nickname in the portal.
    """

    key: LocationKey
    name: str = ""
    timezone: str = ""
    meters: tuple[Meter, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is known, by location."""

    locations: Mapping[LocationKey, Location] = field(default_factory=dict)

    def with_location(self, location: Location) -> "Snapshot":
        """Return a snapshot in which this location is added or replaced."""
        return Snapshot(with_value(self.locations, location.key, location))


def with_value(known: Mapping[LocationKey, _Value], key: LocationKey, value: _Value) -> dict[LocationKey, _Value]:
    """Return a mapping, sorted by key, in which a value is added or replaced."""
    if key in known:
        return {**known, key: value}
    items = list(known.items())
    insort(items, (key, value), key=itemgetter(0))
    return dict(items)
