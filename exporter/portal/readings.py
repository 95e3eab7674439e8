"""From a poll's answer to readings: each meter's energy and cost at instants. No wall-clock time is left."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..intervals.model import DAILY, MeterInfo, Reading
from ..intervals.samples import amount
from .directions import Channel, Energy, Flow, resolve
from .placement import Placed, day_steps, place, place_days, step_of_day
from .timezone import OffsetEvidence, evidence_in
from .usage import ChannelSeries, UsageAnswer, WallPoint
from .walltime import DAY, WallClock


@dataclass(frozen=True, slots=True)
class MeterReadings:
    """One meter of a location and its readings, by start. waits: it has too few points to know their length."""

    info: MeterInfo
    readings: tuple[Reading, ...]
    waits: bool = False


@dataclass(frozen=True, slots=True)
class RangeReadings:
    """One answer of the poll for a range of local days.

    has_hourly: whether the portal says that finer than daily data exists; None if it says nothing. evidence: what the
    answer shows of the portal's zone. connected: the start of the day on which the location was connected.
    """

    meters: tuple[MeterReadings, ...] = ()
    has_hourly: bool | None = None
    warnings: tuple[str, ...] = ()
    evidence: tuple[OffsetEvidence, ...] = ()
    connected: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it has no values at all."""
        return not any(meter.readings or meter.waits for meter in self.meters)


def read_intervals(
    answer: UsageAnswer, clock: WallClock, start: int, end: int, known_steps: Mapping[str, int]
) -> RangeReadings:
    """Read an HOURLY answer for the local days from `start` to `end` (local midnights, seconds UTC).

    known_steps: the step of each meter in earlier answers, for an answer that is too short to show it.
    """
    bounds = clock.wall(start), clock.wall(end)

    def read(meter: _Meter) -> tuple[list[Reading], int]:
        return _intervals_of(meter, clock, dict(answer.interval_ends), _finer(known_steps.get(meter.number)))

    readings = _read(answer, lambda points: place(points, clock, bounds), read, clock)
    return replace(readings, evidence=evidence_in(answer, start, end))


def read_days(answer: UsageAnswer, clock: WallClock, start: int, end: int) -> RangeReadings:
    """Read a DAILY answer: each reading is one local day."""
    bounds = clock.wall(start), clock.wall(end)

    def read(meter: _Meter) -> tuple[list[Reading], int]:
        return [meter.reading(instant, clock.day(instant).end) for instant in meter.instants()], DAILY

    return _read(answer, lambda points: place_days(points, clock, bounds), read, clock)


@dataclass(slots=True)
class _Meter:
    number: str
    channels: list[Channel] = field(default_factory=list)
    energy: Energy = field(default_factory=Energy)
    cost: dict[int, float] = field(default_factory=dict)
    periods: dict[str, dict[int, float]] = field(default_factory=dict)
    walls: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def instants(self) -> list[int]:
        every = {*self.energy.usage, *self.energy.export, *self.cost}
        return sorted(every.union(*self.periods.values()))

    def reading(self, start: int, end: int) -> Reading:
        usage, export, cost = self.energy.usage.get(start), self.energy.export.get(start), self.cost.get(start)
        periods = self.periods
        return Reading(
            start,
            end,
            None if usage is None else amount(usage),
            None if export is None else amount(export),
            None if cost is None else amount(cost),
            tuple((period, amount(values[start])) for period, values in periods.items() if start in values)
            if periods
            else (),
        )


def _read(
    answer: UsageAnswer,
    placing: Callable[[Sequence[WallPoint]], Placed],
    read: Callable[[_Meter], tuple[list[Reading], int]],
    clock: WallClock,
) -> RangeReadings:
    warnings = list(answer.warnings)
    meters: list[MeterReadings] = []
    for meter in _meters(answer, placing):
        readings, step = read(meter)
        warnings += [f"meter {meter.number}: {warning}" for warning in dict.fromkeys(meter.warnings)]
        meters.append(MeterReadings(_info(meter, step), tuple(readings), bool(meter.instants()) and not readings))
    connected = clock.midnight_of(answer.connected) if answer.connected else None
    return RangeReadings(tuple(meters), answer.has_hourly, warnings=tuple(dict.fromkeys(warnings)), connected=connected)


def _meters(answer: UsageAnswer, placing: Callable[[Sequence[WallPoint]], Placed]) -> list[_Meter]:
    meters: dict[str, _Meter] = {}
    for channel in answer.channels:
        meter = meters.setdefault(channel.meter, _Meter(channel.meter))
        meter.channels.append(channel)

    def placed(series: ChannelSeries) -> dict[int, float | None]:
        result = placing(series.points)
        meters[series.channel.meter].warnings += result.warnings
        return result.values

    energies: dict[str, list[tuple[Channel, dict[int, float | None]]]] = defaultdict(list)
    for series in answer.usage:
        energies[series.channel.meter].append((series.channel, placed(series)))
        meters[series.channel.meter].walls += [wall for wall, _ in series.points]
    costs: dict[str, list[tuple[Channel, dict[int, float | None]]]] = defaultdict(list)
    for series in answer.cost:
        costs[series.channel.meter].append((series.channel, placed(series)))
    known = {channel.meter for channel in answer.channels}
    for period, series in answer.periods:
        if series.channel.meter in known:
            _add(meters[series.channel.meter].periods.setdefault(period, {}), _positive(placed(series)))
    for number, meter in meters.items():
        meter.energy = resolve(energies[number])
        meter.warnings += meter.energy.warnings
        meter.cost = _cost(costs[number])
    return list(meters.values())


def _cost(series: Sequence[tuple[Channel, Mapping[int, float | None]]]) -> dict[int, float]:
    """Add up cost as signed, without that of NET if other channels have their own."""
    others = [values for channel, values in series if channel.flow is not Flow.NET]
    total: dict[int, float] = {}
    for values in others or [values for _, values in series]:
        _add(total, {instant: value for instant, value in values.items() if value is not None})
    return total


def _add(total: dict[int, float], values: Mapping[int, float]) -> None:
    for instant, value in values.items():
        total[instant] = total.get(instant, 0.0) + value


def _positive(values: Mapping[int, float | None]) -> dict[int, float]:
    return {instant: value for instant, value in values.items() if value is not None and value >= 0}


def _intervals_of(
    meter: _Meter, clock: WallClock, interval_ends: Mapping[int, int], known_step: int | None
) -> tuple[list[Reading], int]:
    steps = day_steps(meter.walls, interval_ends)
    readings: list[Reading] = []
    walls: list[int] = []
    for instant in meter.instants():
        wall = clock.wall(instant)
        step = step_of_day(wall // DAY, steps, known_step)
        if step is None:
            meter.warnings.append("too few points to tell how long their intervals are, they wait for more")
            continue
        readings.append(meter.reading(instant, instant + step))
        walls.append(wall)
    newest = step_of_day(max(steps, default=0), steps, known_step) or known_step or 0
    return _without_strays(meter, readings, walls), newest


def _finer(step: int | None) -> int | None:
    """Return a known step, unless it is that of daily readings."""
    return step if step and step < DAILY else None


def _without_strays(meter: _Meter, readings: Sequence[Reading], walls: Sequence[int]) -> list[Reading]:
    """Drop a stray zero off the grid (docs/portal.md, "Oddities of usage answers")."""
    phases: dict[int, Counter[int]] = defaultdict(Counter)
    for reading, wall in zip(readings, walls, strict=True):
        step = reading.end - reading.start
        phases[step][wall % step] += 1
    usual = {step: counts.most_common(1)[0][0] for step, counts in phases.items()}
    kept: list[Reading] = []
    for reading, wall in zip(readings, walls, strict=True):
        step = reading.end - reading.start
        if wall % step != usual[step]:
            if not (reading.usage or reading.export or reading.cost):
                continue
            meter.warnings.append("an interval lies off the grid of the others")
        kept.append(reading)
    return kept


def _info(meter: _Meter, step: int) -> MeterInfo:
    return MeterInfo(
        number=meter.number,
        flows=tuple(sorted({channel.direction for channel in meter.channels if channel.direction})),
        parent=any(channel.parent for channel in meter.channels),
        net=any(channel.net for channel in meter.channels),
        exports=meter.energy.exports,
        signed=meter.energy.signed,
        step=step,
    )
