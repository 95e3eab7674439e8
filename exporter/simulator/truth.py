"""The true values of meters, as far as the portal has posted them: what tests compare with.

Derived from the simulated energy by the rules in docs/samples.md, without the exporter's code.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from .calendar import local_days, midnight, once_per_x, pieces, wall
from .energy import VOLUMES, MeteredEnergy, channels_of, metered_energy, together, without_sign_of_solar
from .settings import Cost, Dst, Settings, covers
from .specs import Channels, LocationSpec, MeterSpec, Resolution

_BILLING_DAY = 5
_EXPORTING = ("return", "reverse", "received", "generation", "net", "signed")
_SUNRISE, _SUNSET = 7, 18  # hours


@dataclass(frozen=True, slots=True)
class Truth:
    """The true kWh and USD from `start` to `end` (seconds UTC); None where the portal has not posted them."""

    start: int
    end: int
    usage: float | None
    export: float | None
    cost: float | None
    period: str = ""


@dataclass(frozen=True, slots=True)
class BillingPeriod:
    """A billing period in seconds UTC, and the month it ends in, which its bill is named after."""

    start: int
    end: int
    month: date


@dataclass(frozen=True, slots=True)
class Almanac:
    """What a co-op knows about its meters at the instant `now` (seconds UTC)."""

    zone: ZoneInfo
    locations: tuple[LocationSpec, ...]
    settings: Settings
    now: float

    @property
    def posted(self) -> float:
        """The instant up to which energy is posted."""
        return self.now - self.settings.lag

    def share(self, start: int, end: int) -> float:
        """Return the posted share of a time span: 0 or 1, or between them with the switch `partial_newest`."""
        if end <= self.posted:
            return 1.0
        return max(0.0, (self.posted - start) / (end - start)) if self.settings.partial_newest else 0.0

    def intervals(self, meter: MeterSpec, start: int, end: int) -> list[Truth]:
        """List the intervals that begin in [start, end), as far as the portal has posted them."""
        if meter.resolution is Resolution.MONTHS:
            return []
        settings = self.settings
        # A meter of a closed account may have moved to another member, whose connection then counts.
        homes = [home for home in self.locations if meter.number in [known.number for known in home.meters]]
        _, connected = min(((home.inactive, home.connected) for home in homes), default=(False, "1970-01-01"))
        by_interval = meter.resolution is Resolution.INTERVALS
        given = [
            self._truth(meter, first, last, share)
            for first, last in self.spans(meter, connected, start, end, by_interval=by_interval)
            if last <= self.now and not covers(settings.gaps + settings.nulls, meter.number, first)
            if (share := self.share(first, last))
        ]
        if settings.dst not in (Dst.MERGED, Dst.LOST):
            return given
        # Two points of the repeated hour become one, which stands for the earlier hour.
        join = _merged if settings.dst is Dst.MERGED else lambda one, two: replace(two, start=one.start, end=one.end)
        return once_per_x(((wall(each.start, self.zone), each) for each in given), join)

    def total(self, meter: MeterSpec, start: int, end: int) -> Truth:
        """Add up all intervals that begin in [start, end), to six decimals."""
        each = self.intervals(meter, start, end)
        return Truth(
            start,
            end,
            _sum(one.usage for one in each),
            _sum(one.export for one in each),
            _sum(one.cost for one in each),
        )

    def spans(
        self, meter: MeterSpec, connected: str, start: int, end: int, *, by_interval: bool
    ) -> list[tuple[int, int]]:
        """List the intervals or days that begin in [start, end) and can have data of a meter.

        `connected` is the ISO day on which the meter's location was connected.
        """
        since = max(connected, self.settings.history_from)
        first = date.fromisoformat(max(since, meter.hourly_since) if by_interval else since)
        begin = max(start, midnight(first, self.zone))
        if by_interval:
            every = pieces(-(-begin // meter.step) * meter.step, end, meter.step)
            return [each for each in every if not self._is_dark(meter, each[0])]
        return local_days(begin, end, self.zone)

    def _is_dark(self, meter: MeterSpec, instant: int) -> bool:
        hour = wall(instant, self.zone) // 3600 % 24
        return meter.number in self.settings.daylight_only and not _SUNRISE <= hour < _SUNSET

    def billing_periods(self, connected: str, until: float) -> list[BillingPeriod]:
        """List the periods that begin from the ISO day `connected` until `until`; the last one may be in progress.

        A period runs from the 5th of a month to the 5th of the next, by the portal's wall clock.
        """
        day = date.fromisoformat(connected)
        start = midnight(day, self.zone) - self.settings.shifted
        periods: list[BillingPeriod] = []
        while start < until:
            if day.day >= _BILLING_DAY:
                day = day.replace(day=1) + timedelta(days=32)
            day = day.replace(day=_BILLING_DAY)
            end = midnight(day, self.zone) - self.settings.shifted
            periods.append(BillingPeriod(start, end, day.replace(day=1)))
            start = end
        return periods

    def metered_energy(self, meter: MeterSpec, start: int, end: int) -> MeteredEnergy:
        """Meter the time from `start` to `end`, with the revisions that are due."""
        if meter.resolution is Resolution.DAYS:
            hours = [metered_energy(meter, each, 3600, self.zone) for each in range(start, end, 3600)]
            energy = replace(together(hours), price=0.11)
        else:
            energy = metered_energy(meter, start, end - start, self.zone)
        for revision in self.settings.revisions:
            if (revision.meter, revision.start) == (meter.number, start) and self.now >= revision.since:
                energy = energy.scaled(revision.factor)
        return energy

    def _exports(self, meter: MeterSpec) -> bool:
        return meter.industry == "ELECTRIC" and any(word in meter.channels for word in _EXPORTING)

    def _has_cost(self, meter: MeterSpec) -> bool:
        return meter.cost and self.settings.cost not in (Cost.ZEROS, Cost.USAGE)

    def _truth(self, meter: MeterSpec, start: int, end: int, share: float) -> Truth:
        energy = self.metered_energy(meter, start, end).scaled(share)
        usage, export = _usage_and_export(meter, energy)
        shown = channels_of(meter, energy)
        cost = sum(value.usd for value in shown if value.direction != "NET" or len(shown) == 1)
        return Truth(
            start,
            end,
            usage,
            export if self._exports(meter) else None,
            round(cost, 6) if self._has_cost(meter) and end <= self.posted - self.settings.cost_lag else None,
            energy.period if meter.periods else "",
        )


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 6) if known else None


def _merged(first: Truth, second: Truth) -> Truth:
    return replace(
        first,
        usage=_sum((first.usage, second.usage)),
        export=_sum((first.export, second.export)),
        cost=None if second.cost is None else _sum((first.cost, second.cost)),
    )


def _usage_and_export(meter: MeterSpec, energy: MeteredEnergy) -> tuple[float, float]:
    if meter.industry != "ELECTRIC":
        (shown,), (size, _) = channels_of(meter, energy), VOLUMES[meter.industry][meter.unit]
        return round(shown.kwh * size, 6), 0.0
    usage, export, net = round(energy.usage, 2), round(energy.export, 2), round(energy.usage - energy.export, 2)
    by_sign = max(0.0, net), max(0.0, -net)
    cases = {
        Channels.NET: by_sign,
        Channels.SIGNED: by_sign,
        Channels.FORWARD_NET: (usage, _derived(usage - net)),
        Channels.REVERSE_NET: (_derived(net + export), export),
        Channels.MISNAMED: by_sign,
        Channels.SLIGHTLY_NEGATIVE: (max(0.0, without_sign_of_solar(usage)), export),
        Channels.TWO_FORWARD: (round(usage + 0.01, 2), export),
    }
    return cases.get(meter.channels, (usage, export))


def _derived(kwh: float) -> float:
    """A difference of rounded values, which counts as 0 if rounding may have made it."""
    return round(kwh, 6) if round(kwh, 6) > 0.02 else 0.0  # noqa: PLR2004
