"""From wall-clock points to values at instants, and the length of their intervals.

See docs/portal.md, "Resolution".
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter, sub

from .usage_answer import WallPoint
from .walltime import DAY, WallClock, plausible

HOUR = 3600
_SELDOM = 10  # one in this many distances may come from a stray point
_ENOUGH = 3  # distances between points that are enough to know the step of a meter


@dataclass(slots=True)
class Placed:
    """The values of one series by the start of the interval, with warnings.

    Starts are in seconds UTC.
    """

    values: dict[int, float | None] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


Placing = Callable[[Sequence[WallPoint], WallClock, tuple[int, int]], Placed]
"""`place` or `place_days`."""


def place(points: Sequence[WallPoint], clock: WallClock, bounds: tuple[int, int]) -> Placed:
    """Place points at their instants.

    points: in the portal's order. bounds: the wall times of the request, [start, end). The n-th point with the same
    wall time gets its n-th instant; a wall time that is missing in the first pass of the repeated hour gets its second.
    A point at a wall time that does not exist is dropped if it has no energy; otherwise it is added at the instant that
    the offset before the change yields. Any other repeated point is dropped if equal; if different, it wins with a
    warning.
    """
    placed = Placed()
    ordered = sorted(points, key=itemgetter(0))
    walls = [wall for wall, _ in ordered]
    first, last = (bisect_left(walls, bound) for bound in plausible(bounds))
    for wall in walls[:first] + walls[last:]:
        _outside(placed, wall, bounds[1])
    # Nearly all days have one offset, and so do those around them.
    while first < last:
        day = walls[first] // DAY
        ahead = clock.ahead_on(day)
        following = day + 1
        while ahead is not None and following * DAY <= walls[last - 1] and clock.ahead_on(following) == ahead:
            following += 1
        until = bisect_left(walls, following * DAY, first, last)
        if ahead is None:
            _place_on_change(placed, ordered[first:until], _only_in_second_pass(points, clock, day), clock)
        else:
            _place_plain(placed, ordered[first:until], ahead)
        first = until
    return placed


def _place_plain(placed: Placed, points: Sequence[WallPoint], ahead: int) -> None:
    """Place points of days on which the clock is this far ahead of UTC."""
    found = {wall - ahead: value for wall, value in points}
    if len(found) == len(points):
        placed.values.update(found)
        return
    known: set[int] = set()
    for wall, value in points:
        if wall in known:
            _repeat(placed, wall - ahead, value)
        else:
            placed.values[wall - ahead] = value
        known.add(wall)


def _place_on_change(
    placed: Placed, points: Iterable[WallPoint], only_in_second_pass: Collection[int], clock: WallClock
) -> None:
    """Place the points of a day on which the clock's offset changes."""
    values = placed.values
    nowhere: dict[int, float] = {}
    turn, last = 0, None
    for wall, value in points:
        instants = clock.instants(wall)
        if not instants:
            if value:
                if nowhere.get(wall, value) != value:
                    placed.warnings.append("a time occurs twice with different values; used the later one")
                nowhere[wall] = value
            continue
        turn, last = (turn + 1 if wall == last else int(wall in only_in_second_pass)), wall
        if turn < len(instants):
            values[instants[turn]] = value
        else:
            _repeat(placed, instants[-1], value)
    for wall, value in nowhere.items():
        instant = clock.instant_before_change(wall)
        values[instant] = (values.get(instant) or 0.0) + value


def _outside(placed: Placed, wall: int, end: int) -> None:
    # Some portals include the end bound; the next request has that point too.
    if wall != end:
        placed.warnings.append("dropped points outside the requested range")


def _only_in_second_pass(points: Iterable[WallPoint], clock: WallClock, day: int) -> set[int]:
    """Return the wall times of a day's repeated hour that are missing in the first pass.

    They follow a later wall time of that pass. Only an order that goes back once shows where the pass ends.
    """
    walls = [wall for wall, _ in points if wall // DAY == day and len(clock.instants(wall)) > 1]
    turns = [number for number, (earlier, later) in enumerate(pairwise(walls), 1) if later <= earlier]
    if len(turns) != 1:
        return set()
    first, second = walls[: turns[0]], walls[turns[0] :]
    return {wall for wall in second if wall < first[-1]}.difference(first)


def _repeat(placed: Placed, instant: int, value: float | None) -> None:
    before = placed.values.get(instant)
    if value is None or value == before:
        return
    if before is not None:
        placed.warnings.append("a time occurs twice with different values; used the later one")
    placed.values[instant] = value


def place_days(points: Sequence[WallPoint], clock: WallClock, bounds: tuple[int, int]) -> Placed:
    """Place points that stand for local days at the start of the day."""
    at_midnight: list[WallPoint] = []
    placed = Placed()
    for wall, value in points:
        if wall % DAY == 0:
            at_midnight.append((wall, value))
        elif value:
            placed.warnings.append("dropped a daily value that is not at midnight")
    result = place(at_midnight, clock, bounds)
    # If clocks change at midnight, 00:00 may not exist or exist twice; the day begins once.
    for instant, value in result.values.items():
        placed.values.setdefault(clock.day(instant).start, value)
    placed.warnings += result.warnings
    return placed


def day_steps(walls: Iterable[int], interval_ends: Mapping[int, int]) -> dict[int, int]:
    """Return the step in seconds for each local day whose data reveals it, by day number.

    It is the most common length of the charted intervals, else the most common distance between points. A charted end
    is only the next charted time: a length that hardly ever lies between two points of this meter belongs to a finer
    meter on the same chart and is ignored.
    """
    every = sorted(set(walls))
    distances = Counter(map(sub, every[1:], every))

    def is_foreign(step: int) -> bool:
        return distances.total() >= _ENOUGH and distances[step] * _SELDOM < distances.total()

    lengths = set(map(sub, map(interval_ends.get, every, every), every))
    if len(lengths) == 1 and 0 < (step := lengths.pop()) <= HOUR and not is_foreign(step):
        return dict.fromkeys((wall // DAY for wall in every), step)
    by_day: dict[int, list[int]] = {}
    for wall in every:
        by_day.setdefault(wall // DAY, []).append(wall)
    steps: dict[int, int] = {}
    for day, times in by_day.items():
        step = _most_common(interval_ends[wall] - wall for wall in times if wall in interval_ends)
        if step is None or is_foreign(step):
            step = _most_common(later - earlier for earlier, later in pairwise(times))
        if step is not None:
            steps[day] = step
    return steps


def is_once_a_day(walls: Iterable[int], interval_ends: Mapping[int, int], known_step: int) -> bool:
    """Check whether a meter has one point per day, at midnight.

    A single point may also be the first one of a day that is still coming in, unless its interval or the known step of
    the meter is a day.
    """
    midnights = set(walls)
    is_day = known_step == DAY or any(interval_ends.get(wall, wall) - wall == DAY for wall in midnights)
    return bool(midnights) and not any(wall % DAY for wall in midnights) and (len(midnights) > 1 or is_day)


def _most_common(lengths: Iterable[int]) -> int | None:
    """Return the most common length, the shorter in a draw.

    More than an hour can only be a gap.
    """
    counts = Counter(length for length in lengths if 0 < length <= HOUR)
    return min(counts, key=lambda length: (-counts[length], length)) if counts else None


def step_of_day(day: int, steps: Mapping[int, int]) -> int:
    """Return the step of a day, or of the nearest day that has one, earlier first."""
    if day in steps:
        return steps[day]
    return steps[min(steps, key=lambda other: (abs(other - day), other))]
