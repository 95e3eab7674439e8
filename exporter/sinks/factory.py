"""Which sink the command line and the configuration mean."""

from pathlib import Path

from ..clock import Clock
from ..config import Config, InfluxDBConfig, VictoriaMetricsConfig
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
        path = None if output == "-" else Path(output)
        return CSVSink(path, overwrite=overwrite) if kind == CSV else OpenMetricsSink(path, overwrite=overwrite)
    if output:
        raise ConfigError(f"--output: only for --to csv and --to openmetrics, {kind} is a database")
    if kind == INFLUXDB:
        return InfluxDBSink(_influxdb(config), clock, patience)
    return VictoriaMetricsSink(_victoriametrics(config), clock, patience)


def _influxdb(config: Config) -> InfluxDBConfig:
    if config.influxdb is None:
        raise ConfigError("--to influxdb: the configuration has no influxdb section with host and database")
    return config.influxdb


def _victoriametrics(config: Config) -> VictoriaMetricsConfig:
    return config.victoriametrics or VictoriaMetricsConfig(_DEFAULT_URL)
