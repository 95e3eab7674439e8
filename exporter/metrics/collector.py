"""Families without timestamps: the current state of logins, locations, meters."""

from collections.abc import Iterable
from dataclasses import astuple

from prometheus_client.core import GaugeMetricFamily

from ..intervals.model import Meter
from ..intervals.submeters import submeters_of
from ..refresh.refresher import Refresher
from ..refresh.status import location_statuses, withheld_locations
from ..storage.snapshots import SnapshotStore
from ..web.rows import encodable
from . import families
from .scope import Scope

Row = tuple[families.Family, tuple[str, ...], float | None]


class CurrentState:
    """Collects these families, from memory only."""

    def __init__(self, store: SnapshotStore, refresher: Refresher) -> None:
        self._store = store
        self._refresher = refresher

    def collect(self, scope: Scope) -> Iterable[GaugeMetricFamily]:
        """Return every family, including those without samples."""
        collected = {each: GaugeMetricFamily(each.name, each.help, labels=each.labels) for each in families.CURRENT}
        for family, labels, value in self._rows(scope):
            if value is not None and encodable("".join(labels)):
                collected[family].add_metric(labels, value)
        return collected.values()

    def _rows(self, scope: Scope) -> Iterable[Row]:
        snapshot, statuses = self._store.snapshot, self._refresher.statuses()
        withheld = withheld_locations(statuses.values())
        for location in snapshot.locations.values():
            if not scope.has(location.key):
                continue
            labels = astuple(location.key)
            yield families.LOCATION_INFO, (*labels, location.name, location.timezone), 1
            submeters = submeters_of(location.meters)
            for meter in location.meters:
                number = meter.info.number
                yield from _meter_rows(
                    meter, (*labels, number), submeters.get(number, ""), is_withheld=location.key in withheld
                )
        statuses = {login: status for login, status in statuses.items() if scope.has_login(login)}
        for labels in sorted({status.portal_name for status in statuses.values() if status.portal_name}):
            yield families.PORTAL_INFO, labels, 1
        for login, status in statuses.items():
            yield families.UP, (login,), status.up
            yield families.LAST_REFRESH, (login,), status.last_refresh
            yield families.LAST_SUCCESS, (login,), status.last_success
            yield families.LAST_DURATION, (login,), status.duration
            yield families.TIMEZONE_MISMATCH, (login,), status.zone.is_contradicted
        for key, outcome in location_statuses(statuses.values()).items():
            if scope.has(key):
                yield families.LOCATION_UP, astuple(key), outcome.up
        for key, day in self._store.backfill_needed.items():
            if scope.has(key):
                yield families.BACKFILL_NEEDED, astuple(key), day
        yield families.STATE_KEPT, (), self._store.is_kept


def _meter_rows(meter: Meter, labels: tuple[str, ...], submeter_of: str, *, is_withheld: bool) -> Iterable[Row]:
    info, latest = meter.info, meter.latest
    flags = ("true" if flag else "false" for flag in (info.parent, info.net))
    yield families.METER_INFO, (*labels, ",".join(info.flows), *flags, submeter_of), 1
    if latest:
        yield families.INTERVAL_SECONDS, labels, info.step
    if latest and not is_withheld:
        yield families.LATEST_END, labels, latest.end
        yield families.LATEST_USAGE, labels, latest.usage
        yield families.LATEST_WATTS, labels, latest.watts
        yield families.LATEST_EXPORT, labels, latest.export
        yield families.LATEST_COST, labels, latest.cost
