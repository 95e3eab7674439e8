"""A decoded answer of the usage poll: typed series with wall-clock times."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import date

from ..intervals.industries import ELECTRIC
from .directions import Channel

WallPoint = tuple[int, float | None]
"""Wall-clock seconds and a value, None if the portal has none."""


@dataclass(frozen=True, slots=True)
class ChannelSeries:
    """The points of one channel, in the portal's order."""

    channel: Channel
    points: tuple[WallPoint, ...]


@dataclass(slots=True)
class UsageAnswer:
    """A decoded poll; every part is empty if the portal sent nothing.

    industry: what was asked for. units: the unit of each meter that has points.
    periods: TIME_OF_USE series with the name of their rate period.
    interval_ends: the charted intervals, end by start, both wall-clock.
    has_hourly: whether the portal says it has data finer than daily; None if it does not say.
    connected: the local day on which the location was connected, if the portal says it.
    skipped: whether points of USAGE were left out because of their unit.
    words: the words for directions that are not known for certain.
    warnings: what was ignored, each a sentence without personal data.
    """

    industry: str = ELECTRIC
    units: dict[str, str] = field(default_factory=dict)
    channels: list[Channel] = field(default_factory=list)
    usage: list[ChannelSeries] = field(default_factory=list)
    cost: list[ChannelSeries] = field(default_factory=list)
    periods: list[tuple[str, ChannelSeries]] = field(default_factory=list)
    interval_ends: dict[int, int] = field(default_factory=dict)
    has_hourly: bool | None = None
    connected: date | None = None
    skipped: bool = False
    words: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def has_usage(self) -> bool:
        """Whether USAGE has any value."""
        return any(value is not None for each in self.usage for _, value in each.points)

    @property
    def has_points(self) -> bool:
        """Whether the portal sent any energy, even if it is not used."""
        return self.skipped or self.has_usage

    def add_points_at(self, wall: int, other: "UsageAnswer") -> bool:
        """Add the points of another answer at one wall time to the same channels; return whether there are any."""
        has_usage = self.has_usage_at(wall)
        self.usage = [_extended(each, other.usage, wall) for each in self.usage]
        self.cost = [_extended(each, other.cost, wall) for each in self.cost]
        self.periods = [
            (period, _extended(each, [found for name, found in other.periods if name == period], wall))
            for period, each in self.periods
        ]
        return self.has_usage_at(wall) and not has_usage

    def rename_meters(self, numbers: Collection[str]) -> None:
        """Add the industry to the names of meters with these numbers, which meters of another industry have too."""

        def renamed(channel: Channel) -> Channel:
            return replace(channel, meter=self._own_name(channel.meter, numbers))

        self.channels = list(map(renamed, self.channels))
        self.units = {self._own_name(meter, numbers): unit for meter, unit in self.units.items()}
        self.usage = [replace(each, channel=renamed(each.channel)) for each in self.usage]
        self.cost = [replace(each, channel=renamed(each.channel)) for each in self.cost]

    def _own_name(self, meter: str, numbers: Collection[str]) -> str:
        return f"{meter} {self.industry}" if meter in numbers else meter

    def has_usage_at(self, wall: int) -> bool:
        """Check whether USAGE has a point at a wall time."""
        return any(wall == each for series in self.usage for each, _ in series.points)


def _extended(series: ChannelSeries, others: Iterable[ChannelSeries], wall: int) -> ChannelSeries:
    """Add the points of the same channel in other series that are at one wall time."""
    added = [point for each in others if each.channel == series.channel for point in each.points if point[0] == wall]
    return replace(series, points=(*added, *series.points))
