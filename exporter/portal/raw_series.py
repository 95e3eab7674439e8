"""The series of an answer at their instants, before usage and export are told apart: the Go tool's layout."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from .directions import Channel
from .placement import day_steps, place, place_days, step_of_day
from .query import DAILY as DAILY_FRAME
from .usage import ChannelSeries, UsageAnswer
from .walltime import DAY, WallClock

RawPoint = tuple[int, int, float, float | None]
"""Start and end in seconds UTC, kWh and USD as the portal sends them."""


@dataclass(frozen=True, slots=True)
class RawSeries:
    """One USAGE series with its cost. name: the last word of the series' name."""

    meter: str
    name: str
    points: tuple[RawPoint, ...]


def raw_series(answer: UsageAnswer, time_frame: str, clock: WallClock, start: int, end: int) -> tuple[RawSeries, ...]:
    """Return every USAGE series of the local days from `start` to `end` (local midnights, seconds UTC)."""
    bounds = clock.wall(start), clock.wall(end)
    placing = place_days if time_frame == DAILY_FRAME else place
    costs: dict[Channel, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for series in answer.cost:
        for instant, value in placing(series.points, clock, bounds).values.items():
            if value is not None:
                costs[series.channel][instant] += value
    ends = dict(answer.interval_ends)

    def points_of(series: ChannelSeries) -> Iterator[RawPoint]:
        steps = day_steps((wall for wall, _ in series.points), ends)
        cost = costs.get(series.channel, {})
        for instant, value in sorted(placing(series.points, clock, bounds).values.items()):
            if time_frame == DAILY_FRAME:
                last: int | None = clock.day(instant).end
            else:
                step = step_of_day(clock.wall(instant) // DAY, steps, None)
                last = instant + step if step else None
            if value is not None and last is not None:
                yield instant, last, value, cost.get(instant)

    return tuple(
        RawSeries(series.channel.meter, _last_word(series.channel), tuple(points_of(series))) for series in answer.usage
    )


def _last_word(channel: Channel) -> str:
    return ((channel.series_id or channel.meter).split() or [""])[-1]
