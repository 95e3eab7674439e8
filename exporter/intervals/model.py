"""The data types: readings, intervals, meters, locations, and the snapshot that everything serves from.

Energy in kWh, money in USD, times in seconds UTC.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from .samples import watts

DAILY = 86400


@dataclass(frozen=True, slots=True)
class MeterInfo:
    """What the portal says of a meter beside its readings.

    flows: the directions of its channels, as the portal names them.
    exports: it has a channel for export or net energy, or sent energy once.
    signed: it has no such channel, so that export shows only as negative import.
    step: its resolution in seconds; 86400 for a meter read once a day.
    """

    number: str
    flows: tuple[str, ...] = ()
    parent: bool = False
    net: bool = False
    exports: bool = False
    signed: bool = True
    step: int = 900


@dataclass(frozen=True, slots=True)
class Reading:
    """One interval as the portal gives it now; None is a value that it does not give."""

    start: int
    end: int
    usage: float | None = None
    export: float | None = None
    cost: float | None = None
    periods: tuple[tuple[str, float], ...] = ()

    @property
    def is_zero(self) -> bool:
        """No energy in any channel that has a value: perhaps only a placeholder (portal-facts 3.5)."""
        return 0 in (self.usage, self.export) and not self.usage and not self.export


@dataclass(frozen=True, slots=True)
class Interval:
    """One interval, or one whole local day, as it is served: each value with the version that its sample has."""

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
        """Whether there is a value for import or export, be it 0."""
        return self.usage is not None or self.export is not None

    @property
    def watts(self) -> float | None:
        """The average power of the usage."""
        return None if self.usage is None else watts(self.usage, self.end - self.start)


@dataclass(frozen=True, slots=True)
class Change:
    """An interval that a merge changed. `before` is None where there was none."""

    before: Interval | None
    after: Interval


@dataclass(frozen=True, slots=True, order=True)
class LocationKey:
    """Which service location: the labels that all its data carry."""

    portal: str
    account: str
    location: str

    def labels(self) -> dict[str, str]:
        """The labels by name, in the order in which they are written."""
        return {"portal": self.portal, "account": self.account, "location": self.location}


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter with its intervals and whole local days, each sorted by time."""

    info: MeterInfo
    intervals: tuple[Interval, ...] = ()
    days: tuple[Interval, ...] = ()

    @property
    def latest(self) -> Interval | None:
        """The newest interval with import or export."""
        return next((interval for interval in reversed(self.intervals) if interval.has_energy), None)


@dataclass(frozen=True, slots=True)
class Location:
    """A service location and its meters, sorted by number. `name` is the user's or the member's own."""

    key: LocationKey
    name: str = ""
    timezone: str = ""
    meters: tuple[Meter, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is known, by location."""

    locations: Mapping[LocationKey, Location] = field(default_factory=dict)

    def with_location(self, location: Location) -> "Snapshot":
        """A snapshot in which one location is another."""
        return Snapshot(dict(sorted({**self.locations, location.key: location}.items())))

    def keep_only(self, keys: Container[LocationKey]) -> "Snapshot":
        """A snapshot without the locations that are not named."""
        return Snapshot({key: location for key, location in self.locations.items() if key in keys})
