"""Which sink the command line and the configuration mean."""

from pathlib import Path

from ..clock import Clock
from ..config import Config, VictoriaMetricsConfig
from ..errors import ConfigError
from .base import DEFAULT_PATIENCE, Patience, Sink
from .csv_file import CSVSink
from .influxdb import InfluxDBSink
from .openmetrics import OpenMetricsSink
from .victoriametrics import VictoriaMetricsSink

VICTORIAMETRICS, INFLUXDB, CSV, OPENMETRICS = KINDS = ("victoriametrics", "influxdb", "csv", "openmetrics")

_DEFAULT_URL = "http://localhost:8428"  # where a VictoriaMetrics is unless somebody moved it


def make_sink(
    kind: str | None,
    output: str | None,
    config: Config,
    clock: Clock,
    patience: Patience = DEFAULT_PATIENCE,
    *,
    overwrite: bool,
) -> Sink:
    """The sink to write to. Raises ConfigError where it is not told completely."""
    if kind is None:
        kind = INFLUXDB if config.influxdb and not config.victoriametrics else VICTORIAMETRICS
    if kind in (CSV, OPENMETRICS):
        if not output:
            raise ConfigError(f"--to {kind}: name a file with --output FILE, or - for standard output")
        make = CSVSink if kind == CSV else OpenMetricsSink
        return make(None if output == "-" else Path(output), overwrite=overwrite)
    if output:
        raise ConfigError(f"--output: only for --to csv and --to openmetrics, {kind} is a database")
    if kind == INFLUXDB:
        if config.influxdb is None:
            raise ConfigError("--to influxdb: the configuration has no influxdb section with host and database")
        return InfluxDBSink(config.influxdb, clock, patience)
    return VictoriaMetricsSink(config.victoriametrics or VictoriaMetricsConfig(_DEFAULT_URL), clock, patience)
