"""Snapshots with known values, and the metrics pages made from them."""

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from exporter.intervals.interval import Interval
from exporter.intervals.model import Location, LocationKey, Meter, MeterInfo, Snapshot

T = 1_795_001_400  # the end of a quarter of an hour
MIDNIGHT = 1_795_039_200
KEY = LocationKey("novec", "55001", "70001")


def snapshot_of(*meters: Meter, key: LocationKey = KEY, name: str = "", zone: str = "America/Chicago") -> Snapshot:
    return Snapshot().with_location(Location(key, name, zone, meters))


def quarters(count: int, usage: float = 0.25) -> tuple[Interval, ...]:
    """Return 15-minute intervals, the first one ending at T."""
    return tuple(Interval(T + (n - 1) * 900, T + n * 900, usage + n, 1 + n) for n in range(count))


SOLAR_METER = Meter.of(
    MeterInfo("81002", ("FORWARD", "REVERSE"), net=True, exports=True, signed=False),
    (
        Interval(T - 900, T, 0.31, 1, 0.0, 1, 0.04, 58, (("Off Peak", 0.31, 1),)),
        Interval(T, T + 900, 0.0, 267, 1.25, 268, -0.05, 267, (("Off Peak", 0.0, 268), ("On Peak", 0.0, 267))),
    ),
    (Interval(MIDNIGHT - 90000, MIDNIGHT, 21.5, 99, 3.0, 100, 2.4, 101),),
)
SOLAR = snapshot_of(SOLAR_METER)
KWH = "smarthub_interval_usage_kwh"
LOCATION = 'portal="novec",account="55001",location="70001"'
LABELS = f'{LOCATION},meter="81002"'
OF_INTERVAL = "of one interval, timestamped in its last second; served from memory."
OF_DAY = "of one full local day, timestamped in its last second; served from memory."
EACH_DAY = "one sample per full local day, timestamped in its last second."
GOLDEN = f"""\
# HELP smarthub_interval_usage_kwh Energy used from the grid (kWh) {OF_INTERVAL}
# TYPE smarthub_interval_usage_kwh gauge
smarthub_interval_usage_kwh{{{LABELS}}} 0.31 1795001399001
smarthub_interval_usage_kwh{{{LABELS}}} 0.0 1795002299267
# HELP smarthub_interval_usage_watts Average power used from the grid (W) {OF_INTERVAL}
# TYPE smarthub_interval_usage_watts gauge
smarthub_interval_usage_watts{{{LABELS}}} 1240.0 1795001399001
smarthub_interval_usage_watts{{{LABELS}}} 0.0 1795002299267
# HELP smarthub_interval_export_kwh Energy exported to the grid (kWh) {OF_INTERVAL}
# TYPE smarthub_interval_export_kwh gauge
smarthub_interval_export_kwh{{{LABELS}}} 0.0 1795001399001
smarthub_interval_export_kwh{{{LABELS}}} 1.25 1795002299268
# HELP smarthub_interval_cost_usd Cost (USD) {OF_INTERVAL}
# TYPE smarthub_interval_cost_usd gauge
smarthub_interval_cost_usd{{{LABELS}}} 0.04 1795001399058
smarthub_interval_cost_usd{{{LABELS}}} -0.05 1795002299267
# HELP smarthub_interval_tou_usage_kwh Energy used from the grid (kWh) by rate period, {OF_INTERVAL}
# TYPE smarthub_interval_tou_usage_kwh gauge
smarthub_interval_tou_usage_kwh{{{LABELS},period="Off Peak"}} 0.31 1795001399001
smarthub_interval_tou_usage_kwh{{{LABELS},period="Off Peak"}} 0.0 1795002299268
smarthub_interval_tou_usage_kwh{{{LABELS},period="On Peak"}} 0.0 1795002299267
# HELP smarthub_day_usage_kwh Energy used from the grid (kWh) {OF_DAY}
# TYPE smarthub_day_usage_kwh gauge
smarthub_day_usage_kwh{{{LABELS}}} 21.5 1795039199099
# HELP smarthub_day_export_kwh Energy exported to the grid (kWh) {OF_DAY}
# TYPE smarthub_day_export_kwh gauge
smarthub_day_export_kwh{{{LABELS}}} 3.0 1795039199100
# HELP smarthub_day_cost_usd Cost (USD) {OF_DAY}
# TYPE smarthub_day_cost_usd gauge
smarthub_day_cost_usd{{{LABELS}}} 2.4 1795039199101
# HELP smarthub_day_location_info Name of a location as a label, always 1; {EACH_DAY}
# TYPE smarthub_day_location_info gauge
smarthub_day_location_info{{{LOCATION},name=""}} 1.0 1795039199099
# HELP smarthub_day_meter_info Industry of a meter and the meter that contains it as labels, always 1; {EACH_DAY}
# TYPE smarthub_day_meter_info gauge
smarthub_day_meter_info{{{LABELS},submeter_of="",industry="electric"}} 1.0 1795039199099
"""


def read_openmetrics(text: str) -> list[Metric]:
    return list(parse_openmetrics(text))  # type: ignore[no-untyped-call]
