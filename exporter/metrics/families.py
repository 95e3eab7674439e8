"""All metric families, for the page, the collectors, the documents and the tests."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple
from itertools import compress
from typing import NamedTuple

from ..intervals.columns import Intervals
from ..intervals.model import Location, LocationKey, Meter
from ..intervals.samples import timestamps_ms, watts
from ..intervals.submeters import submeters_of

_STAMPED = {
    "intervals": "of one interval, timestamped in its last second; served from memory.",
    "days": "of one full local day, timestamped in its last second; served from memory.",
}


class Samples(NamedTuple):
    """Samples of one series, oldest first: timestamps in ms, and values."""

    stamps: list[int]
    values: list[float]


LOCATION_LABELS = tuple(LocationKey("", "", "").labels())
DATA_LABELS = (*LOCATION_LABELS, "meter")


class Family(NamedTuple):
    """A metric family; `labels` in output order."""

    name: str
    help: str
    labels: tuple[str, ...] = DATA_LABELS
    kind: str = "gauge"


class Series(NamedTuple):
    """One series of a family with timestamps; `labels` in output order."""

    family: Family
    labels: dict[str, str]
    samples: Samples


class MeterFamily(NamedTuple):
    """A family with timestamps of the values of one meter.

    samples: Returns the series of a meter that have samples, by the label after `meter`; by "" if there is none.
    """

    family: Family
    samples: Callable[[Meter], dict[str, Samples]]

    def series(self, key: LocationKey, meter: Meter) -> Iterator[Series]:
        """Yield the series of a meter of this location that have samples."""
        for own, samples in self.samples(meter).items():
            values = (*astuple(key), meter.info.number, own)
            yield Series(self.family, dict(zip(self.family.labels, values, strict=False)), samples)


class LocationFamily(NamedTuple):
    """A family with timestamps that describes a location and its meters.

    samples: Returns the series of a location that have samples, by the values of the labels after `location`.
    """

    family: Family
    samples: Callable[[Location], dict[tuple[str, ...], Samples]]

    def series(self, location: Location) -> Iterator[Series]:
        """Yield the series of a location that have samples."""
        for own, samples in self.samples(location).items():
            yield Series(
                self.family, dict(zip(self.family.labels, (*astuple(location.key), *own), strict=True)), samples
            )


def _values(name: str, what: str, quantity: str, *, of: str = "intervals", in_watts: bool = False) -> MeterFamily:
    """Define a family of one value per interval or day, by the names of the fields."""

    def samples(meter: Meter) -> dict[str, Samples]:
        intervals: Intervals = getattr(meter, of)
        values, versions = getattr(intervals, quantity)
        found: Iterable[float] = map(watts, values, intervals.lengths) if in_watts else values
        return _present("", timestamps_ms(intervals.ends(), versions), found)

    return MeterFamily(Family(name, f"{what} {_STAMPED[of]}"), samples)


def _present(period: str, stamps: list[int], values: Iterable[float]) -> dict[str, Samples]:
    """Return samples without missing values, nothing if there are none."""
    samples = Samples(stamps, list(values))
    missing = list(map(math.isnan, samples.values))
    if any(missing):
        known = [not each for each in missing]
        samples = Samples(list(compress(samples.stamps, known)), list(compress(samples.values, known)))
    return {period: samples} if samples.stamps else {}


def _periods(meter: Meter) -> dict[str, Samples]:
    end_of = dict(zip(meter.intervals.starts, meter.intervals.ends(), strict=True))
    found: dict[str, Samples] = {}
    for period, starts, values, versions in meter.intervals.periods:
        found |= _present(period, timestamps_ms(map(end_of.__getitem__, starts), versions), values)
    return found


def _day_stamps(meter: Meter) -> dict[int, int]:
    """Return the timestamp of each full day of a meter by its end, with the version of its energy."""
    days = meter.days.with_energy()
    known = zip(days.ends(), days.usage.values, days.usage.versions, days.export.versions, strict=True)
    versions = {end: exported if math.isnan(kwh) else used for end, kwh, used, exported in known}
    return dict(zip(versions, timestamps_ms(versions, versions.values()), strict=True))


def _ones(stamps: Iterable[int]) -> Samples:
    oldest_first = sorted(stamps)
    return Samples(oldest_first, [1.0] * len(oldest_first))


def _location_days(location: Location) -> dict[tuple[str, ...], Samples]:
    first: dict[int, int] = {}
    for meter in location.meters:
        for end, stamp in _day_stamps(meter).items():
            first[end] = min(stamp, first.get(end, stamp))
    return {(location.name,): _ones(first.values())} if first else {}


def _meter_days(location: Location) -> dict[tuple[str, ...], Samples]:
    submeters = submeters_of(location.meters)
    return {
        (meter.info.number, submeters.get(meter.info.number, ""), meter.info.industry): _ones(stamps.values())
        for meter in location.meters
        if (stamps := _day_stamps(meter))
    }


_USED = "Energy used from the grid (kWh)"
_EXPORTED = "Energy exported to the grid (kWh)"
_POWER = "Average power used from the grid (W)"
_COST = "Cost (USD)"

METER_VALUES = (
    _values("smarthub_interval_usage_kwh", _USED, "usage"),
    _values("smarthub_interval_usage_watts", _POWER, "usage", in_watts=True),
    _values("smarthub_interval_export_kwh", _EXPORTED, "export"),
    _values("smarthub_interval_cost_usd", _COST, "cost"),
    MeterFamily(
        Family(
            "smarthub_interval_tou_usage_kwh",
            f"{_USED} by rate period, {_STAMPED['intervals']}",
            (*DATA_LABELS, "period"),
        ),
        _periods,
    ),
    _values("smarthub_day_usage_kwh", _USED, "usage", of="days"),
    _values("smarthub_day_export_kwh", _EXPORTED, "export", of="days"),
    _values("smarthub_day_cost_usd", _COST, "cost", of="days"),
)
"""Energy, power and cost of meters."""

LOCATION_INFOS = (
    LocationFamily(
        Family(
            "smarthub_day_location_info",
            "Name of a location as a label, always 1; one sample per full local day, timestamped in its last second.",
            (*LOCATION_LABELS, "name"),
        ),
        _location_days,
    ),
    LocationFamily(
        Family(
            "smarthub_day_meter_info",
            "Industry of a meter and the meter that contains it as labels, always 1; one sample per full local day,"
            " timestamped in its last second.",
            (*DATA_LABELS, "submeter_of", "industry"),
        ),
        _meter_days,
    ),
)
"""Names and relations of past days: a sample of 1 for each full local day."""

TIMESTAMPED: tuple[MeterFamily | LocationFamily, ...] = (*METER_VALUES, *LOCATION_INFOS)


def values_of(location: Location) -> Iterator[Series]:
    """Yield every series of a location that carries values, in output order."""
    for each in METER_VALUES:
        for meter in location.meters:
            yield from each.series(location.key, meter)


def series_of(location: Location) -> Iterator[Series]:
    """Yield every series of a location that carries timestamps, in output order."""
    yield from values_of(location)
    for each in LOCATION_INFOS:
        yield from each.series(location)


_LATEST = "in the newest known interval of the meter, as of the last refresh."

LATEST_USAGE = Family("smarthub_latest_usage_kwh", f"{_USED} {_LATEST}")
LATEST_WATTS = Family("smarthub_latest_usage_watts", f"{_POWER} {_LATEST}")
LATEST_EXPORT = Family("smarthub_latest_export_kwh", f"{_EXPORTED} {_LATEST}")
LATEST_COST = Family("smarthub_latest_cost_usd", f"{_COST} {_LATEST}")
LATEST_END = Family("smarthub_latest_interval_end_timestamp_seconds", "End of the newest known interval of the meter.")
INTERVAL_SECONDS = Family("smarthub_interval_seconds", "Length of the meter's intervals in seconds.")
LOCATION_INFO = Family(
    "smarthub_location_info",
    "Name and time zone of a service location as labels, always 1.",
    (*LOCATION_LABELS, "name", "timezone"),
)
METER_INFO = Family(
    "smarthub_meter_info",
    "Properties of a meter as labels, always 1: flows are the portal's words for the directions of its channels, parent"
    " and net the portal's flags, submeter_of the meter that contains it.",
    (*DATA_LABELS, "flows", "parent", "net", "submeter_of"),
)
PORTAL_INFO = Family(
    "smarthub_portal_info", "The portal's own name for the co-op as a label, always 1.", ("portal", "name")
)
UP = Family(
    "smarthub_up", "1 if the last refresh succeeded for every location, else 0; 0 before the first refresh.", ("login",)
)
LOCATION_UP = Family(
    "smarthub_location_up", "1 if the last refresh of the location succeeded, else 0.", LOCATION_LABELS
)
LAST_REFRESH = Family(
    "smarthub_last_refresh_timestamp_seconds", "Start of the last refresh; 0 before the first.", ("login",)
)
LAST_SUCCESS = Family(
    "smarthub_last_refresh_success_timestamp_seconds",
    "Start of the last refresh in which every location succeeded; 0 before the first.",
    ("login",),
)
LAST_DURATION = Family("smarthub_last_refresh_duration_seconds", "Duration of the last refresh.", ("login",))
BACKFILL_NEEDED = Family(
    "smarthub_backfill_needed_since_timestamp_seconds",
    "Start of the oldest local day with a change that only a backfill can write to the database.",
    LOCATION_LABELS,
)
TIMEZONE_MISMATCH = Family(
    "smarthub_timezone_mismatch", "1 if the portal's times contradict the configured time zone, else 0.", ("login",)
)
STATE_KEPT = Family(
    "smarthub_state_kept", "1 while the state is saved, 0 while its file cannot be written or no state is kept.", ()
)

CURRENT = (
    LATEST_USAGE,
    LATEST_WATTS,
    LATEST_EXPORT,
    LATEST_COST,
    LATEST_END,
    INTERVAL_SECONDS,
    LOCATION_INFO,
    METER_INFO,
    PORTAL_INFO,
    UP,
    LOCATION_UP,
    LAST_REFRESH,
    LAST_SUCCESS,
    LAST_DURATION,
    BACKFILL_NEEDED,
    TIMEZONE_MISMATCH,
    STATE_KEPT,
)

REFRESHES = Family("smarthub_refreshes_total", "Refreshes of the login, including failed ones.", ("login",), "counter")
FAILURES = Family("smarthub_refresh_failures_total", "Failed refreshes by reason.", ("login", "reason"), "counter")
REVISIONS = Family(
    "smarthub_interval_revisions_total",
    "Intervals whose energy the portal changed after an earlier refresh, by direction (up or down) and reach (window if"
    " /metrics still has them, otherwise older).",
    ("login", "direction", "reach"),
    "counter",
)
REQUESTS = Family(
    "smarthub_portal_requests_total",
    "Requests to the portal by endpoint and status code.",
    ("login", "endpoint", "code"),
    "counter",
)
REQUEST_SECONDS = Family(
    "smarthub_portal_request_duration_seconds",
    "Duration of requests to the portal by endpoint.",
    ("login", "endpoint"),
    "histogram",
)
BUILD_INFO = Family(
    "smarthub_exporter_build_info",
    "Versions of the exporter and of Python as labels, always 1.",
    ("version", "pythonversion"),
)

OWN = (REFRESHES, FAILURES, REVISIONS, REQUESTS, REQUEST_SECONDS, BUILD_INFO)
