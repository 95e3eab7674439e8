"""Every metric family by name: the one list for the page, the collectors, the README and the tests."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

from ..intervals.model import LocationKey, Meter
from ..intervals.samples import timestamp_ms

_OF_INTERVAL = "of one interval, stamped in its last second, served from memory."
_OF_DAY = "of one interval, a whole local day, stamped in its last second, served from memory."

Sample = tuple[str, float, int]
"""An extra label (`period`, or empty), a value, and a timestamp in ms."""


@dataclass(frozen=True, slots=True)
class Family:
    """A metric family. `labels` in the order in which they are written."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]


LOCATION_LABELS = tuple(LocationKey("", "", "").labels())
DATA_LABELS = (*LOCATION_LABELS, "meter")


@dataclass(frozen=True, slots=True)
class TimestampedFamily:
    """A family whose samples carry the time of their interval, and how a meter's samples come about."""

    family: Family
    samples: Callable[[Meter], list[Sample]]


def _gauge(name: str, help_text: str, labels: tuple[str, ...] = DATA_LABELS) -> Family:
    return Family(name, "gauge", help_text, labels)


def _timestamped(
    name: str, what: str, samples: Callable[[Meter], list[Sample]], *labels: str, of: str = _OF_INTERVAL
) -> TimestampedFamily:
    return TimestampedFamily(_gauge(name, f"{what}, amount {of}", (*DATA_LABELS, *labels)), samples)


def _values(value: str, version: str, of: str = "intervals") -> Callable[[Meter], list[Sample]]:
    """One value of all intervals, or days, of a meter, by the names of the fields."""
    fields = attrgetter(value, "end", version)
    return lambda meter: [
        ("", amount, timestamp_ms(end, k)) for amount, end, k in map(fields, getattr(meter, of)) if amount is not None
    ]


def _periods(meter: Meter) -> list[Sample]:
    return [(period, kwh, timestamp_ms(each.end, k)) for each in meter.intervals for period, kwh, k in each.periods]


_USED = "Energy drawn from the grid in kWh"
_EXPORTED = "Energy sent to the grid in kWh"
_COST = "Cost in US dollars"

TIMESTAMPED = (
    _timestamped("smarthub_interval_usage_kwh", _USED, _values("usage", "usage_k")),
    _timestamped(
        "smarthub_interval_usage_watts",
        "Energy drawn from the grid as average power in W",
        _values("watts", "usage_k"),
    ),
    _timestamped("smarthub_interval_export_kwh", _EXPORTED, _values("export", "export_k")),
    _timestamped("smarthub_interval_cost_usd", _COST, _values("cost", "cost_k")),
    _timestamped("smarthub_interval_tou_usage_kwh", f"{_USED} by rate period", _periods, "period"),
    _timestamped("smarthub_day_usage_kwh", _USED, _values("usage", "usage_k", "days"), of=_OF_DAY),
    _timestamped("smarthub_day_export_kwh", _EXPORTED, _values("export", "export_k", "days"), of=_OF_DAY),
    _timestamped("smarthub_day_cost_usd", _COST, _values("cost", "cost_k", "days"), of=_OF_DAY),
)

_LATEST = "of the newest known interval of the meter, as of the last refresh."

LATEST_USAGE = _gauge("smarthub_latest_usage_kwh", f"{_USED} {_LATEST}")
LATEST_WATTS = _gauge("smarthub_latest_usage_watts", f"Average power drawn in W {_LATEST}")
LATEST_EXPORT = _gauge("smarthub_latest_export_kwh", f"{_EXPORTED} {_LATEST}")
LATEST_COST = _gauge("smarthub_latest_cost_usd", f"{_COST} {_LATEST}")
LATEST_END = _gauge("smarthub_latest_interval_end_timestamp_seconds", "End of the newest known interval of the meter.")
INTERVAL_SECONDS = _gauge("smarthub_interval_seconds", "Resolution of the meter.")
LOCATION_INFO = _gauge(
    "smarthub_location_info",
    "A service location, with the name that the configuration or the member gave it.",
    (*LOCATION_LABELS, "name", "timezone"),
)
METER_INFO = _gauge(
    "smarthub_meter_info",
    "A meter: the directions of its channels, if it is the parent of others, if the portal calls it a net meter.",
    (*DATA_LABELS, "flows", "parent", "net"),
)
UP = _gauge("smarthub_up", "1 if every location of the last refresh succeeded, 0 before the first.", ("login",))
LOCATION_UP = _gauge("smarthub_location_up", "1 if the last refresh of the location succeeded.", LOCATION_LABELS)
LAST_REFRESH = _gauge(
    "smarthub_last_refresh_timestamp_seconds", "Start of the last refresh, 0 before the first.", ("login",)
)
LAST_SUCCESS = _gauge(
    "smarthub_last_refresh_success_timestamp_seconds",
    "Start of the last refresh in which every location succeeded, 0 before the first.",
    ("login",),
)
LAST_DURATION = _gauge("smarthub_last_refresh_duration_seconds", "Duration of the last refresh.", ("login",))
BACKFILL_NEEDED = _gauge(
    "smarthub_backfill_needed_since_timestamp_seconds",
    "Start of the oldest local day with a change that only a backfill can bring to the database now.",
    LOCATION_LABELS,
)
TIMEZONE_MISMATCH = _gauge(
    "smarthub_timezone_mismatch", "1 where the portal's times contradict the configured time zone.", ("login",)
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
)

REFRESHES = Family("smarthub_refreshes_total", "counter", "Refreshes of the login, failed ones included.", ("login",))
FAILURES = Family(
    "smarthub_refresh_failures_total", "counter", "Refreshes that failed, by what kept them.", ("login", "reason")
)
REVISIONS = Family(
    "smarthub_interval_revisions_total",
    "counter",
    "Intervals whose energy the portal changed after an earlier refresh had seen them.",
    ("login", "direction", "reach"),
)
REQUESTS = Family("smarthub_portal_requests_total", "counter", "Calls to the portal.", ("login", "endpoint", "code"))
REQUEST_SECONDS = Family(
    "smarthub_portal_request_duration_seconds", "histogram", "Duration of calls to the portal.", ("login", "endpoint")
)
BUILD_INFO = Family(
    "smarthub_exporter_build_info", "gauge", "The program and what it runs on.", ("version", "pythonversion")
)

OWN = (REFRESHES, FAILURES, REVISIONS, REQUESTS, REQUEST_SECONDS, BUILD_INFO)
