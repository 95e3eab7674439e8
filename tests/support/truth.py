"""What a database must hold of a simulated portal, and the comparison with it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from math import ceil, floor, fsum, log
from zoneinfo import ZoneInfo

from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.specs import LocationSpec, MeterSpec, Resolution
from exporter.simulator.truth import Truth

from .services import Labels, Sample, series

PERIODS = ("Super Off Peak", "Off Peak", "On Peak")
"""The rate periods of the simulated co-op."""

Expected = dict[Labels, dict[int, float]]
"""The values of each series by the end of their interval or day, in seconds UTC."""


def local_days(zone: ZoneInfo, start: float, end: float) -> Iterator[tuple[int, int]]:
    """Yield start and end of every local day that starts in [start, end)."""
    day = datetime.fromtimestamp(start, zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    while day.replace(tzinfo=zone).timestamp() < end:
        following = day + timedelta(days=1)
        first, last = (int(each.replace(tzinfo=zone).timestamp()) for each in (day, following))
        if first >= start:
            yield first, last
        day = following


def expected(portal: SimulatedPortal, label: str, since: float, until: float) -> Expected:
    """Return all samples with timestamps whose interval or day ends in (since, until]."""
    found: Expected = defaultdict(dict)
    zone = ZoneInfo(portal.world.zone)
    for location in portal.world.locations:
        for meter in () if location.inactive else location.meters:
            known = {
                "portal": label,
                "account": location.account,
                "location": location.number,
                "meter": meter.number,
            }
            for start, end in local_days(zone, since - 2 * 86400, until):
                truths = portal.almanac.intervals(meter, start, end)
                step = meter.step if meter.resolution is Resolution.INTERVALS else end - start
                samples = chain(_of_intervals(truths), _of_day(truths, range(start, end, step), zone))
                for name, labels, stamp, value in samples:
                    if value is not None and since < stamp <= until:
                        found[series(f"smarthub_{name}", **known, **labels)][stamp] = value
                        for info, described in _infos(location, meter) if name in _DAY_ENERGY else ():
                            own = {**known, **described}
                            shown = {key: each for key, each in own.items() if each}  # as databases do
                            found[series(f"smarthub_{info}", **shown)][stamp] = 1.0
    return dict(found)


_DAY_ENERGY = ("day_usage_kwh", "day_export_kwh")


def _infos(location: LocationSpec, meter: MeterSpec) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what describes a full day: the family, and its labels over those of the meter."""
    yield "day_location_info", {"meter": "", "name": location.nickname}
    yield "day_meter_info", {"submeter_of": meter.part_of, "industry": "electric"}


Samples = Iterator[tuple[str, dict[str, str], int, float | None]]
"""Name, labels, end and value."""


def _of_intervals(truths: Iterable[Truth]) -> Samples:
    for truth in truths:
        yield "interval_usage_kwh", {}, truth.end, truth.usage
        yield "interval_export_kwh", {}, truth.end, truth.export
        yield "interval_cost_usd", {}, truth.end, truth.cost
        if truth.usage is not None:
            watts = truth.usage * 3_600_000 / (truth.end - truth.start)
            yield "interval_usage_watts", {}, truth.end, round(watts, 3)
            # Without energy, every period is zero.
            periods = () if not truth.period else PERIODS if truth.usage == 0 else (truth.period,)
            for period in periods:
                yield "interval_tou_usage_kwh", {"period": period}, truth.end, truth.usage


def _of_day(truths: Sequence[Truth], grid: range, zone: ZoneInfo) -> Samples:
    """Yield the totals of a day.

    A value counts if every wall-clock time of the grid has one.
    """

    def wall(starts: Iterable[int]) -> set[datetime]:
        return {datetime.fromtimestamp(each, zone).replace(tzinfo=None) for each in starts}

    for name, unit in (("usage", "kwh"), ("export", "kwh"), ("cost", "usd")):
        values = {truth.start: getattr(truth, name) for truth in truths if getattr(truth, name) is not None}
        if wall(values) == wall(grid):
            yield f"day_{name}_{unit}", {}, grid.stop, round(fsum(values.values()), 6)


def by_end(samples: Mapping[Labels, Sequence[Sample]]) -> Expected:
    """Return the newest version of each interval: the last sample of each second."""
    return {
        labels: {ceil(stamp / 1000): value for stamp, value in sorted(stored)} for labels, stored in samples.items()
    }


def differences(stored: Expected, wanted: Expected, allowed: Expected | None = None) -> list[str]:
    """List all missing, wrong and unexpected samples. Those in `allowed` are optional."""
    allowed = allowed or {}
    found: list[str] = []
    for labels in sorted({*stored, *wanted}):
        have, want, may = (each.get(labels, {}) for each in (stored, wanted, allowed))
        found += [f"{_shown(labels)} missing at {end}" for end in sorted(want.keys() - have.keys())]
        for end, value in sorted(have.items()):
            right = want.get(end, may.get(end))
            if right is None:
                found.append(f"{_shown(labels)} unexpected at {end}: {value}")
            elif right != value:
                found.append(f"{_shown(labels)} wrong at {end}: {value}, not {right}")
    return found


def _shown(labels: Labels) -> str:
    return " ".join(f"{name}={value}" for name, value in labels)


def version(hours: float) -> int:
    """Compute the version as in docs/samples.md, "Timestamps and versions".

    `hours` is the time from the end of the interval until its value was first seen.
    """
    return min(999, max(1, 1 + floor(998 * log(1 + max(0.0, hours)) / log(175201))))


def versions_of(samples: Sequence[Sample]) -> dict[int, list[int]]:
    """Return the sorted versions of each interval by its end."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for stamp, _ in sorted(samples):
        end = ceil(stamp / 1000)
        found[end].append(stamp - end * 1000 + 1000)
    return found


def wrong_versions(
    samples: Mapping[Labels, Sequence[Sample]], first_seen: tuple[float, float], revised: Mapping[int, int]
) -> list[str]:
    """List samples with a wrong version or outside the last second of their interval.

    `first_seen` is the earliest and latest time at which the exporter can have seen a value that was not revised.
    `revised` is the number of versions of each revised interval, by its end.
    """
    found: list[str] = []
    for labels, stored in samples.items():
        for end, versions in versions_of(stored).items():
            lowest, highest = (version((seen - end) / 3600) for seen in first_seen)
            if not (lowest <= versions[0] <= highest) and end not in revised:
                found.append(f"{_shown(labels)} at {end}: version {versions[0]}, not {lowest} to {highest}")
            if len(set(versions)) > revised.get(end, 1):
                found.append(f"{_shown(labels)} at {end}: {len(set(versions))} versions")
            if not all(1 <= k <= 999 for k in versions):
                found.append(f"{_shown(labels)} at {end}: stamped outside the last second")
    return found
