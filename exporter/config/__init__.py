"""Load the configuration and check it as a whole; the result is immutable."""

from .addresses import bracketed, database_url, is_loopback, parse_listen_address, portal_address
from .loader import DEFAULT_FILE, Overrides, load_config
from .model import (
    LOCAL_VICTORIAMETRICS,
    Config,
    ExporterConfig,
    InfluxDBConfig,
    LocationChoice,
    Login,
    PortalAddress,
    Secret,
    VictoriaMetricsConfig,
)
from .totp import second_factor
from .values import format_duration, nearest, parse_duration, parse_zone

__all__ = [
    "DEFAULT_FILE",
    "LOCAL_VICTORIAMETRICS",
    "Config",
    "ExporterConfig",
    "InfluxDBConfig",
    "LocationChoice",
    "Login",
    "Overrides",
    "PortalAddress",
    "Secret",
    "VictoriaMetricsConfig",
    "bracketed",
    "database_url",
    "format_duration",
    "is_loopback",
    "load_config",
    "nearest",
    "parse_duration",
    "parse_listen_address",
    "parse_zone",
    "portal_address",
    "second_factor",
]
