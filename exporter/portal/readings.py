"""Convert a poll's answer to readings: the energy and cost of each meter, with instants."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import mod

from ..intervals.columns import (
    NOTHING,
    Intervals,
    Period,
    Quantity,
    lengths_column,
    missing_quantity,
    readings_column,
    starts_column,
)
from ..intervals.model import DAILY, MeterInfo
from ..intervals.samples import amount
from .directions import Channel, Energy, Flow, Values, resolve, total
from .placement import Placing, day_steps, is_once_a_day, place, place_days, step_of_day
from .timezone import OffsetEvidence
from .usage_answer import ChannelSeries, UsageAnswer
from .walltime import DAY, WallClock


@dataclass(frozen=True, slots=True)
class MeterReadings:
    """One meter of a location and its readings, by start.

    waits: whether it has too few points to know how long its intervals are.
    """

    info: MeterInfo
    readings: Intervals
    waits: bool = False


@dataclass(frozen=True, slots=True)
class RangeReadings:
    """One answer of the poll for a range of local days.

    has_hourly: whether the portal says it has data finer than daily; None if it does not say. evidence: what the
    answer shows of the portal's zone. connected: the start of the day on which the location was connected.
    dropped: whether there were points but none could be used. words: the words for directions that are not known for
    certain.
    """

    meters: tuple[MeterReadings, ...] = ()
    has_hourly: bool | None = None
    warnings: tuple[str, ...] = ()
    evidence: tuple[OffsetEvidence, ...] = ()
    connected: int | None = None
    dropped: bool = False
    words: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it has no values at all."""
        return not any(meter.readings or meter.waits for meter in self.meters)


def read_intervals(
    answer: UsageAnswer, clock: WallClock, start: int, end: int, known_steps: Mapping[str, int]
) -> RangeReadings:
    """Read an HOURLY answer for the local days from `start` to `end`.

    start, end: local midnights, in seconds UTC. known_steps: the step of each meter in earlier answers, for an answer
    that is too short to show it.
    """
    found = [
        (meter, *_intervals_of(meter, clock, answer.interval_ends, known_steps.get(meter.number, 0)))
        for meter in _meters(answer, place, clock, start, end)
    ]
    return _read(answer, clock, found)


def read_days(answer: UsageAnswer, clock: WallClock, start: int, end: int) -> RangeReadings:
    """Read a DAILY answer: each reading is one local day."""
    found = [
        (meter, meter.readings(instants, [clock.day(each).end - each for each in instants]), DAILY)
        for meter in _meters(answer, place_days, clock, start, end)
        for instants in [meter.instants()]
    ]
    return _read(answer, clock, found)


@dataclass(slots=True)
class _Meter:
    number: str
    channels: list[Channel] = field(default_factory=list)
    energy: Energy = field(default_factory=Energy)
    cost: dict[int, float] = field(default_factory=dict)
    periods: dict[str, dict[int, float]] = field(default_factory=dict)
    walls: list[int] = field(default_factory=list)
    is_daily: bool = False
    warnings: list[str] = field(default_factory=list)

    def instants(self) -> list[int]:
        every = {*self.energy.usage, *self.energy.export, *self.cost}
        return sorted(every.union(*self.periods.values()))

    def readings(self, starts: Sequence[int], lengths: Iterable[int]) -> Intervals:
        """Return the readings that begin at these instants."""

        def quantity(values: Mapping[int, float]) -> Quantity:
            if not values:
                return missing_quantity(len(starts))
            found = map(values.get, starts)
            return readings_column([None if value is None else amount(value) for value in found])

        known = ((period, sorted(values)) for period, values in sorted(self.periods.items()))
        return Intervals(
            starts_column(starts),
            lengths_column(lengths),
            quantity(self.energy.usage),
            quantity(self.energy.export),
            quantity(self.cost),
            tuple(
                Period(
                    period, starts_column(times), *readings_column(amount(self.periods[period][time]) for time in times)
                )
                for period, times in known
                if times
            ),
        )


def _read(answer: UsageAnswer, clock: WallClock, found: Sequence[tuple[_Meter, Intervals, int]]) -> RangeReadings:
    """Make the result of each meter, its readings and their step."""
    warnings = list(answer.warnings)
    meters: list[MeterReadings] = []
    for meter, readings, step in found:
        warnings += [f"meter {meter.number}: {warning}" for warning in meter.warnings]
        info = MeterInfo(
            number=meter.number,
            flows=tuple(sorted({channel.direction for channel in meter.channels} - {""})),
            parent=any(channel.parent for channel in meter.channels),
            net=any(channel.net for channel in meter.channels),
            exports=meter.energy.exports,
            signed=meter.energy.signed,
            step=step,
            parents=tuple(dict.fromkeys(parent for channel in meter.channels for parent in channel.parents)),
            industry=answer.industry,
            unit=answer.units.get(meter.number, ""),
        )
        waits = bool(meter.instants()) and not readings and not meter.is_daily
        meters.append(MeterReadings(info, readings, waits))
    has_points = answer.has_points or any(meter.instants() for meter, *_ in found)
    return RangeReadings(
        tuple(meters),
        answer.has_hourly,
        warnings=tuple(dict.fromkeys(warnings)),
        connected=clock.midnight_of(answer.connected) if answer.connected else None,
        dropped=has_points and not any(meter.readings for meter in meters),
        words=tuple(answer.words),
    )


def _meters(answer: UsageAnswer, placing: Placing, clock: WallClock, start: int, end: int) -> Iterable[_Meter]:
    bounds = clock.wall(start), clock.wall(end)
    meters: dict[str, _Meter] = {}
    for channel in answer.channels:
        meters.setdefault(channel.meter, _Meter(channel.meter)).channels.append(channel)

    def placed(series: ChannelSeries) -> Values:
        result = placing(series.points, clock, bounds)
        meters[series.channel.meter].warnings += result.warnings
        return result.values

    def by_meter(every: Iterable[ChannelSeries]) -> dict[str, list[tuple[Channel, Values]]]:
        found: dict[str, list[tuple[Channel, Values]]] = defaultdict(list)
        for series in every:
            found[series.channel.meter].append((series.channel, placed(series)))
        return found

    energies, costs = by_meter(answer.usage), by_meter(answer.cost)
    for series in answer.usage:
        meters[series.channel.meter].walls += [wall for wall, _ in series.points]
    for period, series in answer.periods:
        if meter := meters.get(series.channel.meter):
            used = {instant: value for instant, value in placed(series).items() if value is not None and value >= 0}
            meter.periods[period] = total((meter.periods.get(period, {}), used))
    for number, meter in meters.items():
        meter.energy = resolve(energies[number])
        meter.warnings += meter.energy.warnings
        # The cost of NET counts only if no other channel has its own; costs keep their sign.
        own = [values for channel, values in costs[number] if channel.flow is not Flow.NET]
        meter.cost = total(own or [values for _, values in costs[number]])
    return meters.values()


def _intervals_of(
    meter: _Meter, clock: WallClock, interval_ends: Mapping[int, int], known_step: int
) -> tuple[Intervals, int]:
    meter.is_daily = is_once_a_day(meter.walls, interval_ends, known_step)
    if meter.is_daily:
        meter.warnings.append("skipped HOURLY data that has only one point per day")
        return NOTHING, 0
    steps = day_steps(meter.walls, interval_ends) or ({0: known_step} if 0 < known_step < DAILY else {})
    instants = meter.instants()
    if not steps:
        if instants:
            meter.warnings.append("too few points to determine the interval length; waiting for more")
        return NOTHING, 0
    walls = list(map(clock.wall, instants))
    step_on = {day: step_of_day(day, steps) for day in {wall // DAY for wall in walls}}
    lengths = [step_on[wall // DAY] for wall in walls]
    readings = meter.readings(instants, lengths)
    return _without_strays(meter, readings, list(map(mod, walls, lengths))), steps[max(steps)]


def _without_strays(meter: _Meter, readings: Intervals, phases: Sequence[int]) -> Intervals:
    """Drop stray zeros off the grid (docs/portal.md, "Oddities of usage answers").

    phases: how far into a step of the wall clock each reading begins.
    """
    counts: dict[int, Counter[int]] = defaultdict(Counter)
    for (length, phase), count in Counter(zip(readings.lengths, phases, strict=True)).items():
        counts[length][phase] = count
    usual = {length: each.most_common(1)[0][0] for length, each in counts.items()}
    is_usual = [usual[length] == phase for length, phase in zip(readings.lengths, phases, strict=True)]
    if all(is_usual):
        return readings
    keep = [fits or bool(each.usage or each.export or each.cost) for fits, each in zip(is_usual, readings, strict=True)]
    if sum(keep) > sum(is_usual):
        meter.warnings.append("an interval does not line up with the others")
    return readings.select(keep)
