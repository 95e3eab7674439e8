"""What a database must hold of a simulated portal, sample by sample, and how what it holds is compared with that."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil, floor, fsum, log
from zoneinfo import ZoneInfo

from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.specs import LocationSpec, MeterSpec, Resolution
from exporter.simulator.truth import Truth

from .services import Labels, Sample, series

PERIODS = ("Super Off Peak", "Off Peak", "On Peak")
"""What the simulated co-op calls the times of its rates."""

Expected = dict[Labels, dict[int, float]]
"""For each series the value by the end of its interval or day, in seconds UTC."""


def local_days(zone: ZoneInfo, start: float, end: float) -> Iterator[tuple[int, int]]:
    """Start and end of every local day that begins in [start, end)."""
    day = datetime.fromtimestamp(start, zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    while day.replace(tzinfo=zone).timestamp() < end:
        following = day + timedelta(days=1)
        first, last = (int(each.replace(tzinfo=zone).timestamp()) for each in (day, following))
        if first >= start:
            yield first, last
        day = following


def expected(portal: SimulatedPortal, label: str, since: float, until: float) -> Expected:
    """Every sample of every timestamped family whose interval or day ends in (since, until]."""
    found: Expected = defaultdict(dict)
    zone = ZoneInfo(portal.world.zone)
    for location in portal.world.locations:
        if location.inactive:
            continue
        for meter in location.meters:
            for start, end in local_days(zone, since - 2 * 86400, until):
                truths = portal.almanac.intervals(meter, start, end)
                for truth in truths:
                    _add_interval(found, label, location, meter, truth)
                _add_day(found, label, location, meter, (start, end), truths, zone)
    return {
        labels: inside
        for labels, values in found.items()
        if (inside := {end: value for end, value in values.items() if since < end <= until})
    }


def _labels(name: str, label: str, location: LocationSpec, meter: MeterSpec, **more: str) -> Labels:
    return series(name, portal=label, account=location.account, location=location.number, meter=meter.number, **more)


def _add_interval(found: Expected, label: str, location: LocationSpec, meter: MeterSpec, truth: Truth) -> None:
    def add(name: str, value: float | None, **more: str) -> None:
        if value is not None:
            found[_labels(f"smarthub_interval_{name}", label, location, meter, **more)][truth.end] = value

    add("usage_kwh", truth.usage)
    add("export_kwh", truth.export)
    add("cost_usd", truth.cost)
    if truth.usage is not None:
        add("usage_watts", round(truth.usage * 3_600_000 / (truth.end - truth.start), 3))
        # No other period has the energy where there is none: then all of them say so.
        periods = () if not truth.period else PERIODS if truth.usage == 0 else (truth.period,)
        for period in periods:
            add("tou_usage_kwh", truth.usage, period=period)


def _add_day(  # noqa: PLR0917
    found: Expected,
    label: str,
    location: LocationSpec,
    meter: MeterSpec,
    day: tuple[int, int],
    truths: Sequence[Truth],
    zone: ZoneInfo,
) -> None:
    start, end = day
    step = meter.step if meter.resolution is Resolution.INTERVALS else end - start
    grid = {datetime.fromtimestamp(each, zone).replace(tzinfo=None) for each in range(start, end, step)}
    for name in ("usage", "export", "cost"):
        values = {
            datetime.fromtimestamp(truth.start, zone).replace(tzinfo=None): None
            for truth in truths
            if getattr(truth, name) is not None
        }
        if values.keys() == grid:
            unit = "usd" if name == "cost" else "kwh"
            total = round(fsum(getattr(truth, name) for truth in truths), 6)
            found[_labels(f"smarthub_day_{name}_{unit}", label, location, meter)][end] = total


def by_end(samples: Mapping[Labels, Sequence[Sample]]) -> Expected:
    """What is stored, as the databases' newest version of each interval: the last sample of each second."""
    found: Expected = {}
    for labels, stored in samples.items():
        found[labels] = {ceil(stamp / 1000): value for stamp, value in sorted(stored)}
    return found


def differences(stored: Expected, wanted: Expected, allowed: Expected | None = None) -> list[str]:
    """Everything that is missing, wrong or too much; `allowed` may be there but need not."""
    allowed = allowed or {}
    found: list[str] = []
    for labels in sorted({*stored, *wanted}):
        have, want, may = (each.get(labels, {}) for each in (stored, wanted, allowed))
        found += [f"{_shown(labels)} missing at {end}" for end in sorted(want.keys() - have.keys())]
        for end, value in sorted(have.items()):
            right = want.get(end, may.get(end))
            if right is None:
                found.append(f"{_shown(labels)} too much at {end}: {value}")
            elif right != value:
                found.append(f"{_shown(labels)} wrong at {end}: {value}, not {right}")
    return found


def _shown(labels: Labels) -> str:
    return " ".join(f"{name}={value}" for name, value in labels)


def version(hours: float) -> int:
    """The version of a value first seen so many hours after its interval's end, from the contract's formula."""
    return min(999, max(1, 1 + floor(998 * log(1 + max(0.0, hours)) / log(175201))))


def versions_of(samples: Sequence[Sample], end: int) -> list[int]:
    """The versions of the interval that ends at `end`, in the order of their stamps."""
    return sorted(stamp - end * 1000 + 1000 for stamp, _ in samples if ceil(stamp / 1000) == end)


def wrong_versions(
    samples: Mapping[Labels, Sequence[Sample]], first_seen: tuple[float, float], revised: Mapping[int, int]
) -> list[str]:
    """Stamps outside the last second of their interval, or with another version than the rule gives.

    first_seen: the earliest and latest moment at which the exporter can have seen a value that was not revised.
    revised: how many versions an interval (by its end) has had, where more than one.
    """
    found: list[str] = []
    for labels, stored in samples.items():
        by_interval: dict[int, list[int]] = defaultdict(list)
        for stamp, _ in stored:
            end = ceil(stamp / 1000)
            by_interval[end].append(stamp - end * 1000 + 1000)
        for end, versions in by_interval.items():
            lowest, highest = (version((seen - end) / 3600) for seen in first_seen)
            distinct = sorted(set(versions))
            if not (lowest <= distinct[0] <= highest) and end not in revised:
                found.append(f"{_shown(labels)} at {end}: version {distinct[0]}, not {lowest} to {highest}")
            if len(distinct) > revised.get(end, 1):
                found.append(f"{_shown(labels)} at {end}: {len(distinct)} versions")
            if not all(1 <= k <= 999 for k in distinct):
                found.append(f"{_shown(labels)} at {end}: stamped outside the last second")
    return found
