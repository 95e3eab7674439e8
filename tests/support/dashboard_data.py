"""What a database holds of simulated homes: their history, and six hours of the exporter's own metrics."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from exporter.intervals.samples import timestamp_ms
from exporter.metrics import families
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.specs import LocationSpec, MeterSpec

from .dashboard_truth import LAG
from .services import Labels, Sample, series
from .truth import Expected, version

PORTAL = "novec"


def written(values: Expected, *, corrected: bool = False) -> dict[Labels, list[Sample]]:
    """Return the samples of an exporter, optionally of one that first saw many wrong values."""
    samples: dict[Labels, list[Sample]] = {}
    for labels, found in values.items():
        is_info = dict(labels)["__name__"].endswith("_info")
        samples[labels] = here = []
        for index, (end, amount) in enumerate(sorted(found.items())):
            if corrected and index % 7 == 3 and not is_info:
                here.append((timestamp_ms(end, 3), round(amount * 2 + 1, 6)))
            here.append((timestamp_ms(end, version(LAG / 3600)), amount))
    return samples


def scraped(family: str, job: str = "smarthub_exporter", /, **labels: str) -> Labels:
    """Return the key of a series of the exporter's own metrics."""
    return series(family, job=job, instance="exporter:10058", **labels)


def of_location(family: str, /, location: str, portal: str = PORTAL, account: str = "55001", **labels: str) -> Labels:
    """Return the key of a series about a location."""
    return scraped(family, portal=portal, account=account, location=location, **labels)


def constant(values: Mapping[Labels, float], moments: Iterable[int]) -> dict[Labels, list[Sample]]:
    """Return samples of constant series."""
    stamps = [each * 1000 for each in moments]
    return {labels: [(stamp, float(value)) for stamp in stamps] for labels, value in values.items()}


def counted(counters: Mapping[Labels, Callable[[int], float]], moments: Sequence[int]) -> dict[Labels, list[Sample]]:
    """Return samples of functions of time."""
    return {labels: [(each * 1000, count(each)) for each in moments] for labels, count in counters.items()}


def minutes(now: datetime, hours: int = 6) -> list[int]:
    """Return the times of the scrapes of the last hours, in seconds."""
    return [int(now.timestamp()) - each * 60 for each in reversed(range(hours * 60))]


def current(portal: SimulatedPortal, values: Expected, now: datetime) -> dict[Labels, float]:
    """Return the metrics without timestamps of a healthy exporter that reads all locations of a portal."""
    found: dict[Labels, float] = {
        scraped("up"): 1,
        scraped("up", "smarthub_intervals"): 1,
        scraped(families.STATE_KEPT.name): 1,
        scraped(families.BUILD_INFO.name, version="1.2.3", pythonversion="3.11.9"): 1,
        scraped(families.UP.name, login=PORTAL): 1,
        scraped(families.TIMEZONE_MISMATCH.name, login=PORTAL): 0,
        scraped(families.LAST_REFRESH.name, login=PORTAL): now.timestamp() - 1800,
        scraped(families.LAST_SUCCESS.name, login=PORTAL): now.timestamp() - 1800,
        scraped(families.LAST_DURATION.name, login=PORTAL): 3.5,
    }
    for location in portal.world.locations:
        if location.inactive:
            continue
        known = {"account": location.account, "location": location.number}
        name, zone = location.nickname, portal.world.zone
        found[of_location(families.LOCATION_INFO.name, **known, name=name, timezone=zone)] = 1
        found[of_location(families.LOCATION_UP.name, **known)] = 1
        for meter in location.meters:
            found |= _of_meter(location, meter, values)
    return found


def _of_meter(location: LocationSpec, meter: MeterSpec, values: Expected) -> dict[Labels, float]:
    known = {"account": location.account, "location": location.number, "meter": meter.number}
    data = {"portal": PORTAL, **known}
    usage, power = (values[series(f"smarthub_interval_usage_{unit}", **data)] for unit in ("kwh", "watts"))
    newest = max(usage)
    parts = {"flows": "FORWARD", "parent": "false", "net": "false", "submeter_of": meter.part_of}
    return {
        of_location(families.LATEST_END.name, **known): newest,
        of_location(families.LATEST_WATTS.name, **known): power[newest],
        of_location(families.INTERVAL_SECONDS.name, **known): meter.step,
        of_location(families.METER_INFO.name, **known, **parts): 1,
    }


def healthy(portal: SimulatedPortal, values: Expected, now: datetime) -> dict[Labels, list[Sample]]:
    """Return all samples of an exporter that reads the portal without trouble and has just been backfilled."""
    moments = minutes(now)
    first = moments[0] // 3600

    def hourly(moment: int) -> float:
        return float(moment // 3600 - first)

    counters = {
        scraped(name, login=PORTAL, **labels): hourly
        for name, labels in (
            (families.REFRESHES.name, {}),
            (families.REVISIONS.name, {"direction": "up", "reach": "window"}),
            (families.REQUESTS.name, {"endpoint": "poll", "code": "200"}),
            (f"{families.REQUEST_SECONDS.name}_sum", {"endpoint": "poll"}),
            (f"{families.REQUEST_SECONDS.name}_count", {"endpoint": "poll"}),
            (f"{families.REQUEST_SECONDS.name}_bucket", {"endpoint": "poll", "le": "+Inf"}),
        )
    }
    return {**written(values), **constant(current(portal, values, now), moments), **counted(counters, moments)}
