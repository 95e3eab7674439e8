"""The sections of the databases that the backfill writes to."""

from .addresses import database_url
from .model import InfluxDBConfig, VictoriaMetricsConfig
from .section import Section
from .values import check_header_text, parse_boolean, parse_label_name


def read_victoriametrics(section: Section) -> VictoriaMetricsConfig | None:
    """The VictoriaMetrics section; None where it gives no URL, with a warning if it gives anything else."""
    config = VictoriaMetricsConfig(
        url=section.value("url", database_url) or "",
        query_url=section.value("query_url", database_url),
        username=section.text("username"),
        password=section.secret("password"),
        bearer_token=section.secret("bearer_token", check_header_text),
        ca_file=section.readable_file("ca_file"),
        insecure=section.value("insecure", parse_boolean) or False,
        extra_labels=_extra_labels(section),
    )
    _check_one_authentication(section)
    if section.is_set("url"):
        return config
    if section.settings:
        section.report.warning(section.where("url"), "missing, so the victoriametrics settings are not used")
    return None


def read_influxdb(section: Section) -> InfluxDBConfig | None:
    """The InfluxDB section, None where there is none or nothing in it."""
    per_minute = section.value("per_minute", parse_boolean)
    config = InfluxDBConfig(
        host=section.value("host", database_url) or "",
        auth_token=section.secret("auth_token", check_header_text),
        org=section.text("org"),
        database=section.text("database"),
        insecure=section.value("insecure", parse_boolean) or False,
        per_minute=per_minute is not False,
    )
    if not section.settings:
        return None
    section.require("host", "database")
    return config


def _check_one_authentication(section: Section) -> None:
    basic = section.is_set("username") or section.is_set("password")
    if section.is_set("bearer_token") and basic:
        place = "bearer_token" if "bearer_token" in section.settings else "bearer_token_file"
        section.report.problem(section.where(place), "not together with username and password, give one of the two")
    elif section.is_set("password"):
        section.require("username")


def _extra_labels(section: Section) -> tuple[tuple[str, str], ...]:
    labels = []
    part = section.parts.get("extra_labels")
    for name, value in part.entries() if part else ():
        text = value.text()
        try:
            parse_label_name(name)
        except ValueError as error:
            section.report.problem(value.where, str(error))
        if text:
            labels.append((name, text))
    return tuple(labels)
