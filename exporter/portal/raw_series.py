"""The series of an answer at their instants, as the Go tool stores them.

Usage and export are not separated yet.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from .directions import Channel, last_word, total
from .placement import day_steps, place, place_days, step_of_day
from .query import DAILY
from .usage_answer import ChannelSeries, UsageAnswer
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
    """Return every USAGE series of the local days from `start` to `end`.

    start, end: local midnights, in seconds UTC.
    """
    bounds = clock.wall(start), clock.wall(end)
    is_daily = time_frame == DAILY
    placing = place_days if is_daily else place

    def placed(series: ChannelSeries) -> dict[int, float | None]:
        return placing(series.points, clock, bounds).values

    def points_of(series: ChannelSeries) -> Iterator[RawPoint]:
        steps = {} if is_daily else day_steps((wall for wall, _ in series.points), answer.interval_ends)
        if not steps and not is_daily:
            return
        cost = total(placed(each) for each in answer.cost if each.channel == series.channel)
        for instant, value in sorted(placed(series).items()):
            if value is not None:
                step = step_of_day(clock.wall(instant) // DAY, steps) if steps else 0
                yield instant, instant + step if steps else clock.day(instant).end, value, cost.get(instant)

    return tuple(
        RawSeries(series.channel.meter, _last_word(series.channel), tuple(points_of(series))) for series in answer.usage
    )


def _last_word(channel: Channel) -> str:
    return last_word(channel.series_id or channel.meter)
