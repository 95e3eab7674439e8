"""What is true of a meter, and what of it the portal has given so far: the figures that tests compare with.

Written from contract 3 and the simulated energy alone, at real instants, without the exporter's code.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from zoneinfo import ZoneInfo

from .calendar import local_days, midnight, steps, wall
from .energy import MeteredEnergy, channels_of, metered_energy, together
from .settings import Dst, Settings, covers
from .specs import Channels, LocationSpec, MeterSpec, Resolution

_EXPORTED = {"RETURN", "REVERSE", "NET"}


@dataclass(frozen=True, slots=True)
class Truth:
    """One interval: start and end in seconds UTC, kWh and USD; None where the portal has not given it."""

    start: int
    end: int
    usage: float | None
    export: float | None
    cost: float | None
    period: str = ""


class Almanac:
    """The true intervals of the meters of one co-op, at its present locations.

    `settings` and `now` tell what the portal has given so far.
    """

    def __init__(
        self,
        zone: str,
        locations: Callable[[], Iterable[LocationSpec]],
        settings: Callable[[], Settings],
        now: Callable[[], float],
    ) -> None:
        self._zone = ZoneInfo(zone)
        self._locations = locations
        self._settings = settings
        self._now = now

    def intervals(self, meter: MeterSpec, start: int, end: int) -> list[Truth]:
        """The intervals that begin in [start, end) and that the portal has given by now."""
        settings, now = self._settings(), self._now()
        missing = (*settings.gaps, *settings.nulls)
        given = [
            self._truth(meter, first, last, share)
            for first, last in self._spans(meter, start, end)
            if last <= now and not covers(missing, meter.number, first)
            if (share := settings.share(first, last, now - settings.lag))
        ]
        return self._as_clocks_change(given, settings.dst)

    def total(self, meter: MeterSpec, start: int, end: int) -> Truth:
        """The sums of all intervals that begin in [start, end), with six decimals."""
        each = self.intervals(meter, start, end)

        def add(values: Iterable[float | None]) -> float | None:
            known = [value for value in values if value is not None]
            return round(sum(known), 6) if known else None

        return Truth(
            start, end, add(one.usage for one in each), add(one.export for one in each), add(one.cost for one in each)
        )

    def _spans(self, meter: MeterSpec, start: int, end: int) -> Iterable[tuple[int, int]]:
        if meter.resolution is Resolution.MONTHS:
            return ()
        begin = max(start, self._since(meter))
        if meter.resolution is Resolution.INTERVALS:
            return steps(begin, end, meter.step)
        return local_days(begin, end, self._zone)

    def _since(self, meter: MeterSpec) -> int:
        """The instant before which the portal has nothing of a meter in its own resolution."""
        places = [each for each in self._locations() if any(known.number == meter.number for known in each.meters)]
        # A meter of a closed account may have gone to another member: then that one's connection counts.
        days = [place.connected for place in sorted(places, key=lambda each: (each.inactive, each.connected))[:1]]
        if meter.hourly_since and meter.resolution is Resolution.INTERVALS:
            days.append(meter.hourly_since)
        return max((midnight(date.fromisoformat(day), self._zone) for day in days), default=0)

    def metered_energy(self, meter: MeterSpec, start: int, end: int) -> MeteredEnergy:
        """What crossed the meter, revisions included that are known by now."""
        now = self._now()
        if meter.resolution is Resolution.DAYS:
            parts = [metered_energy(meter, each, 3600, self._zone) for each in range(start, end, 3600)]
            whole = replace(together(parts), price=0.11)
        else:
            whole = metered_energy(meter, start, end - start, self._zone)
        for revision in self._settings().revisions:
            if revision.meter == meter.number and revision.start == start and now >= revision.since:
                whole = whole.scaled(revision.factor)
        return whole

    def _truth(self, meter: MeterSpec, start: int, end: int, share: float) -> Truth:
        each = self.metered_energy(meter, start, end).scaled(share)
        usage, export = _drawn_and_sent(meter, each)
        shown = channels_of(meter, each)
        exports = meter.channels is Channels.SIGNED or any(value.direction in _EXPORTED for value in shown)
        paid = sum(value.usd for value in shown if value.direction != "NET" or len(shown) == 1)
        settings = self._settings()
        has_cost = meter.cost and end <= self._now() - settings.lag - settings.cost_lag
        return Truth(
            start,
            end,
            usage,
            export if exports else None,
            round(paid, 6) if has_cost else None,
            each.period if meter.periods else "",
        )

    def _as_clocks_change(self, truths: list[Truth], mode: Dst) -> list[Truth]:
        """In the autumn hour that occurs twice, portals that merge or lose leave one point: it stands for the first."""
        if mode not in (Dst.MERGED, Dst.LOST):
            return truths
        by_wall: dict[int, Truth] = {}
        for each in truths:
            x = wall(each.start, self._zone)
            by_wall[x] = _one_of_two(by_wall[x], each, mode) if x in by_wall else each
        return list(by_wall.values())


def _one_of_two(first: Truth, second: Truth, mode: Dst) -> Truth:
    if mode is Dst.LOST:
        return replace(second, start=first.start, end=first.end)

    def add(one: float | None, other: float | None) -> float | None:
        return None if one is None or other is None else round(one + other, 6)

    return replace(
        first,
        usage=add(first.usage, second.usage),
        export=add(first.export, second.export),
        cost=add(first.cost, second.cost),
    )


def _drawn_and_sent(meter: MeterSpec, each: MeteredEnergy) -> tuple[float, float]:
    drawn, sent, net = round(each.drawn, 2), round(each.sent, 2), round(each.drawn - each.sent, 2)
    near = 0.02
    derived_sent, derived_drawn = round(max(0.0, drawn - net), 6), round(max(0.0, net + sent), 6)
    cases = {
        Channels.NET: (max(0.0, net), max(0.0, -net)),
        Channels.SIGNED: (max(0.0, net), max(0.0, -net)),
        Channels.FORWARD_NET: (drawn, derived_sent if derived_sent > near else 0.0),
        Channels.REVERSE_NET: (derived_drawn if derived_drawn > near else 0.0, sent),
        Channels.TWO_FORWARD: (round(drawn + 0.01, 2), sent),
    }
    return cases.get(meter.channels, (drawn, sent))
