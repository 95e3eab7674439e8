"""Locations with known data, and logins after a refresh, for the status page."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from exporter.formatting import midnight
from exporter.intervals.interval import Interval
from exporter.intervals.model import Location, LocationKey, Meter, MeterInfo, Snapshot
from exporter.intervals.samples import version
from exporter.refresh.status import Failure, FailureKind, LocationStatus, LoginStatus

from .worlds import ZONE

HOUR = 3600
NOON = midnight(date(2026, 6, 15), ZONE) + 12 * HOUR


def full_day(day: date, usage: float | None = 10.0, export: float | None = None, cost: float | None = None) -> Interval:
    start, end = midnight(day, ZONE), midnight(day + timedelta(days=1), ZONE)
    return Interval(start, end, usage, export=export, cost=cost)


def location(
    *days: Interval,
    number: int = 70001,
    name: str = "",
    zone: str = ZONE.key,
    age: float = 2 * HOUR,
    export: float | None = None,
) -> Location:
    """Return a location with one meter, whose data ends `age` seconds before NOON."""
    end = NOON - int(age)
    newest = Interval(end - 900, end, 0.25, version(end, NOON), export)
    meter = Meter.of(MeterInfo(f"8{number}"), (newest,), days)
    return Location(LocationKey("novec", "55001", str(number)), name, zone, (meter,))


def snapshot_of(*locations: Location) -> Snapshot:
    return Snapshot({each.key: each for each in locations})


def login(
    *up: Location,
    down: Mapping[str, Iterable[Location]] | None = None,
    kind: FailureKind = FailureKind.FAILED,
    failing_for: float = 600,
    next_refresh: float = 0,
) -> LoginStatus:
    """Return a login ten minutes after a refresh.

    `down` maps failures of one kind to the locations that they affect. They have lasted for `failing_for` seconds.
    """
    found = {each.key: LocationStatus(up=True) for each in up}
    failures = {what: Failure(kind, what, "there") for what in down or {}}
    for what, places in (down or {}).items():
        found |= {each.key: LocationStatus(up=False, failure=failures[what]) for each in places}
    return LoginStatus(
        up=not failures,
        failures=tuple(failures.values()),
        last_refresh=NOON - 600,
        last_success=0.0 if failures else NOON - 600,
        failing_since=NOON - failing_for if failures else 0.0,
        next_refresh=next_refresh,
        locations=found,
    )
