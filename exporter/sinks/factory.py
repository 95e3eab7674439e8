"""Choose the sink by command line and configuration."""

from pathlib import Path

from ..clock import Clock
from ..config import LOCAL_VICTORIAMETRICS, Config, VictoriaMetricsConfig
from ..errors import ConfigError
from .base import DEFAULT_PATIENCE, Patience, Sink
from .csv_file import CSVSink
from .influxdb import InfluxDBSink
from .openmetrics import OpenMetricsSink
from .victoriametrics import VictoriaMetricsSink

VICTORIAMETRICS, INFLUXDB, CSV, OPENMETRICS = KINDS = ("victoriametrics", "influxdb", "csv", "openmetrics")


def make_sink(
    kind: str | None,
    output: str | None,
    config: Config,
    clock: Clock,
    patience: Patience = DEFAULT_PATIENCE,
    *,
    overwrite: bool,
) -> Sink:
    """Return the sink to write to. Raises ConfigError if a setting is missing."""
    if kind is None:
        kind = INFLUXDB if config.influxdb and not config.victoriametrics else VICTORIAMETRICS
    if kind in (CSV, OPENMETRICS):
        if not output:
            raise ConfigError(f"--to {kind} needs a file; name one with --output FILE, or - for standard output")
        make = CSVSink if kind == CSV else OpenMetricsSink
        return make(None if output == "-" else Path(output), overwrite=overwrite)
    if output:
        raise ConfigError(
            f"--output cannot be used with {kind}, which is a database; use it with --to csv or --to openmetrics"
        )
    if kind == INFLUXDB:
        if config.influxdb is None:
            raise ConfigError(
                "--to influxdb needs an influxdb section; add one with host and database to the configuration"
            )
        return InfluxDBSink(config.influxdb, clock, patience)
    sink = VictoriaMetricsSink(config.victoriametrics or VictoriaMetricsConfig(LOCAL_VICTORIAMETRICS), clock, patience)
    sink.is_configured = config.victoriametrics is not None
    return sink
