"""Read the sections of the databases that backfill writes to."""

from .model import InfluxDBConfig, VictoriaMetricsConfig
from .section import Section
from .values import parse_label_name


def read_victoriametrics(section: Section) -> VictoriaMetricsConfig | None:
    """Return the VictoriaMetrics section, None without a URL.

    Reports a warning if anything but the URL is set.
    """
    values = section.values()
    extra_labels = _extra_labels(section)
    if "bearer_token" in section.settings and not section.settings.keys().isdisjoint(("username", "password")):
        section.problem("bearer_token", "cannot be combined with username and password; use one or the other")
    elif "password" in section.settings:
        section.require("username")
    if section.settings and "url" not in section.settings:
        section.warning("url", "missing; the victoriametrics section is ignored")
    return VictoriaMetricsConfig(**values, extra_labels=extra_labels) if "url" in values else None


def read_influxdb(section: Section) -> InfluxDBConfig | None:
    """Return the InfluxDB section; None if it is absent or empty."""
    values = section.values()
    if section.settings:
        section.require("host", "database")
    return InfluxDBConfig(**values) if "host" in values else None


def _extra_labels(section: Section) -> tuple[tuple[str, str], ...]:
    labels = []
    part = section.parts.get("extra_labels")
    for name, value in ((part and part.entries()) or {}).items():
        text = value.text()
        try:
            parse_label_name(name)
        except ValueError as error:
            section.source.problem(value.where, str(error))
        if text:
            labels.append((name, text))
    return tuple(labels)
