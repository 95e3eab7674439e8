"""Data types: readings, intervals, meters, locations, and their snapshot.

Energy in kWh, money in USD, times in seconds UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .samples import watts

DAILY = 86400


@dataclass(frozen=True, slots=True)
class MeterInfo:
    """What the portal says about a meter, apart from its readings.

    flows: The directions of its channels, in the portal's words.
    exports: It has a channel for export or net energy, or has exported before.
    signed: It has no such channel, so export shows only as negative usage.
    step: Its resolution in seconds; 86400 for a meter that is read once a day.
    parents: The meters that may contain it, by number, likeliest first.
    """

    number: str
    flows: tuple[str, ...] = ()
    parent: bool = False
    net: bool = False
    exports: bool = False
    signed: bool = True
    step: int = 900
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """One interval as the portal reports it now; None if it reports no value."""

    start: int
    end: int
    usage: float | None = None
    export: float | None = None
    cost: float | None = None
    periods: tuple[tuple[str, float], ...] = ()

    @property
    def is_zero(self) -> bool:
        """Whether every energy value it has is 0, perhaps only as a placeholder."""
        return 0 in (self.usage, self.export) and not self.usage and not self.export


@dataclass(frozen=True, slots=True)
class Interval:
    """One interval, or one full local day, as it is served: values with versions."""

    start: int
    end: int
    usage: float | None = None
    usage_k: int = 0
    export: float | None = None
    export_k: int = 0
    cost: float | None = None
    cost_k: int = 0
    periods: tuple[tuple[str, float, int], ...] = ()

    @property
    def has_energy(self) -> bool:
        """Whether there is a value for usage or export, even if it is 0."""
        return self.usage is not None or self.export is not None

    @property
    def watts(self) -> float | None:
        """The average power of the usage in W."""
        return None if self.usage is None else watts(self.usage, self.end - self.start)


@dataclass(frozen=True, slots=True)
class Change:
    """An interval that a merge changed; `before` is None if it is new."""

    before: Interval | None
    after: Interval


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
    intervals: tuple[Interval, ...] = ()
    days: tuple[Interval, ...] = ()

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
        return Snapshot(dict(sorted({**self.locations, location.key: location}.items())))
