"""The families without timestamps: the present state of logins, locations and meters, built anew for each scrape."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ..intervals.model import Location, LocationKey, Meter, Snapshot
from ..intervals.samples import watts
from ..refresh.status import LoginStatus, location_statuses
from . import families
from .families import CURRENT, Family

Row = tuple[Family, tuple[str, ...], float]


class CurrentState(Collector):
    """Reads the newest snapshot and statuses; never anything slower."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        statuses: Callable[[], Mapping[str, LoginStatus]],
        backfill_needed: Callable[[], Mapping[LocationKey, int]],
    ) -> None:
        self._snapshot = snapshot
        self._statuses = statuses
        self._backfill_needed = backfill_needed

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Every family by name, for `name[]`."""
        return [GaugeMetricFamily(family.name, family.help, labels=family.labels) for family in CURRENT]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Every family, also those without samples now."""
        collected = {family: GaugeMetricFamily(family.name, family.help, labels=family.labels) for family in CURRENT}
        for family, labels, value in self._rows():
            collected[family].add_metric(labels, value)
        return collected.values()

    def _rows(self) -> Iterable[Row]:
        for location in self._snapshot().locations.values():
            yield from _location_rows(location)
        for login, status in self._statuses().items():
            yield families.UP, (login,), status.up
            yield families.LAST_REFRESH, (login,), status.last_refresh
            yield families.LAST_SUCCESS, (login,), status.last_success
            yield families.LAST_DURATION, (login,), status.duration
            yield families.TIMEZONE_MISMATCH, (login,), status.zone.is_contradicted
        for key, outcome in location_statuses(self._statuses().values()).items():
            yield families.LOCATION_UP, _labels(key), outcome.up
        for key, day in self._backfill_needed().items():
            yield families.BACKFILL_NEEDED, _labels(key), day


def _labels(key: LocationKey) -> tuple[str, str, str]:
    return key.portal, key.account, key.location


def _location_rows(location: Location) -> Iterable[Row]:
    labels = _labels(location.key)
    yield families.LOCATION_INFO, (*labels, location.name, location.timezone), 1
    for meter in location.meters:
        yield from _meter_rows(meter, (*labels, meter.info.number))


def _meter_rows(meter: Meter, labels: tuple[str, ...]) -> Iterable[Row]:
    info = meter.info
    flags = ("true" if flag else "false" for flag in (info.parent, info.net))
    yield families.METER_INFO, (*labels, ",".join(info.flows), *flags), 1
    latest = meter.latest
    if latest is None:
        return
    yield families.INTERVAL_SECONDS, labels, info.step
    yield families.LATEST_END, labels, latest.end
    if latest.usage is not None:
        yield families.LATEST_USAGE, labels, latest.usage
        yield families.LATEST_WATTS, labels, watts(latest.usage, latest.end - latest.start)
    if latest.export is not None:
        yield families.LATEST_EXPORT, labels, latest.export
    if latest.cost is not None:
        yield families.LATEST_COST, labels, latest.cost
