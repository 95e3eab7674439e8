"""Families without timestamps: the current state of logins, locations, meters."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ..intervals.model import Location, LocationKey, Meter, Snapshot
from ..refresh.status import LoginStatus, location_statuses
from . import families

Row = tuple[families.Family, tuple[str, ...], float | None]


class CurrentState(Collector):
    """Collects these families, from memory only."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        statuses: Callable[[], Mapping[str, LoginStatus]],
        backfill_needed: Callable[[], Mapping[LocationKey, int]],
    ) -> None:
        self._snapshot = snapshot
        self._statuses = statuses
        self._backfill_needed = backfill_needed

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return every family, including those without samples."""
        collected = {each: GaugeMetricFamily(each.name, each.help, labels=each.labels) for each in families.CURRENT}
        for family, labels, value in self._rows():
            if value is not None:
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
            yield families.LOCATION_UP, astuple(key), outcome.up
        for key, day in self._backfill_needed().items():
            yield families.BACKFILL_NEEDED, astuple(key), day


def _location_rows(location: Location) -> Iterable[Row]:
    labels = astuple(location.key)
    yield families.LOCATION_INFO, (*labels, location.name, location.timezone), 1
    for meter in location.meters:
        yield from _meter_rows(meter, (*labels, meter.info.number))


def _meter_rows(meter: Meter, labels: tuple[str, ...]) -> Iterable[Row]:
    info, latest = meter.info, meter.latest
    flags = ("true" if flag else "false" for flag in (info.parent, info.net))
    yield families.METER_INFO, (*labels, ",".join(info.flows), *flags), 1
    if latest:
        yield families.INTERVAL_SECONDS, labels, info.step
        yield families.LATEST_END, labels, latest.end
        yield families.LATEST_USAGE, labels, latest.usage
        yield families.LATEST_WATTS, labels, latest.watts
        yield families.LATEST_EXPORT, labels, latest.export
        yield families.LATEST_COST, labels, latest.cost
