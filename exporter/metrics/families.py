"""All metric families, for the page, the collectors, the README and the tests."""

import math
from collections.abc import Callable, Iterable
from itertools import compress
from typing import NamedTuple

from ..intervals.columns import Intervals
from ..intervals.model import LocationKey, Meter
from ..intervals.samples import timestamps_ms, watts

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


class TimestampedFamily(NamedTuple):
    """A family with timestamps.

    samples: Returns the series of a meter that have samples, by the label `period`, which is empty in most families.
    """

    family: Family
    samples: Callable[[Meter], dict[str, Samples]]


def _values(name: str, what: str, quantity: str, *, of: str = "intervals", in_watts: bool = False) -> TimestampedFamily:
    """Define a family of one value per interval or day, by the names of the fields."""

    def samples(meter: Meter) -> dict[str, Samples]:
        intervals: Intervals = getattr(meter, of)
        values, versions = getattr(intervals, quantity)
        found: Iterable[float] = map(watts, values, intervals.lengths) if in_watts else values
        return _present("", timestamps_ms(intervals.ends(), versions), found)

    return TimestampedFamily(Family(name, f"{what} {_STAMPED[of]}"), samples)


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


_USED = "Energy used from the grid (kWh)"
_EXPORTED = "Energy exported to the grid (kWh)"
_POWER = "Average power used from the grid (W)"
_COST = "Cost (USD)"

TIMESTAMPED = (
    _values("smarthub_interval_usage_kwh", _USED, "usage"),
    _values("smarthub_interval_usage_watts", _POWER, "usage", in_watts=True),
    _values("smarthub_interval_export_kwh", _EXPORTED, "export"),
    _values("smarthub_interval_cost_usd", _COST, "cost"),
    TimestampedFamily(
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

_LATEST = "in the newest known interval of the meter, as of the last refresh."

LATEST_USAGE = Family("smarthub_latest_usage_kwh", f"{_USED} {_LATEST}")
LATEST_WATTS = Family("smarthub_latest_usage_watts", f"{_POWER} {_LATEST}")
LATEST_EXPORT = Family("smarthub_latest_export_kwh", f"{_EXPORTED} {_LATEST}")
LATEST_COST = Family("smarthub_latest_cost_usd", f"{_COST} {_LATEST}")
LATEST_END = Family("smarthub_latest_interval_end_timestamp_seconds", "End of the newest known interval of the meter.")
INTERVAL_SECONDS = Family("smarthub_interval_seconds", "Length of the meter's intervals.")
LOCATION_INFO = Family(
    "smarthub_location_info",
    "A service location, with its name from the configuration or the portal.",
    (*LOCATION_LABELS, "name", "timezone"),
)
METER_INFO = Family(
    "smarthub_meter_info",
    "A meter: the directions of its channels, whether the portal flags it as a parent or net meter, and the meter that"
    " contains it.",
    (*DATA_LABELS, "flows", "parent", "net", "submeter_of"),
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
    "smarthub_state_kept", "1 while the state is saved, 0 while its file cannot be written or there is none.", ()
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
FAILURES = Family("smarthub_refresh_failures_total", "Failed refreshes, by reason.", ("login", "reason"), "counter")
REVISIONS = Family(
    "smarthub_interval_revisions_total",
    "Intervals whose energy the portal changed after an earlier refresh had read it.",
    ("login", "direction", "reach"),
    "counter",
)
REQUESTS = Family("smarthub_portal_requests_total", "Requests to the portal.", ("login", "endpoint", "code"), "counter")
REQUEST_SECONDS = Family(
    "smarthub_portal_request_duration_seconds",
    "Duration of requests to the portal.",
    ("login", "endpoint"),
    "histogram",
)
BUILD_INFO = Family(
    "smarthub_exporter_build_info", "Version of the exporter and of Python.", ("version", "pythonversion")
)

OWN = (REFRESHES, FAILURES, REVISIONS, REQUESTS, REQUEST_SECONDS, BUILD_INFO)
