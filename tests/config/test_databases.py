from pathlib import Path

import pytest

from exporter.config import InfluxDBConfig, Secret, VictoriaMetricsConfig

from ..support.config_files import HOME, Load, Problems, Write


def test_every_key_of_victoriametrics_is_read(load: Load, write: Write) -> None:
    write("certificate", "ca.pem")
    write("hunter2\n", "password")
    changes = {
        "victoriametrics.url": "https://vm/insert/0/prometheus",
        "victoriametrics.query_url": "https://vm/select/0/prometheus",
        "victoriametrics.username": "writer",
        "victoriametrics.password_file": "password",
        "victoriametrics.ca_file": "ca.pem",
        "victoriametrics.insecure": "yes",
        "victoriametrics.extra_labels": "{site: farm, tier: 1e5, empty: '', unset: null}",
    }
    assert load(changes).victoriametrics == VictoriaMetricsConfig(
        url="https://vm/insert/0/prometheus",
        query_url="https://vm/select/0/prometheus",
        username="writer",
        password=Secret("hunter2"),
        ca_file=Path("ca.pem"),
        insecure=True,
        extra_labels=(("site", "farm"), ("tier", "1e5")),
    )


def test_a_bearer_token_is_read(load: Load) -> None:
    changes = {"victoriametrics.url": "http://vm", "victoriametrics.bearer_token": "1e5"}
    assert load(changes).victoriametrics == VictoriaMetricsConfig("http://vm", bearer_token=Secret("1e5"))


def test_the_environment_alone_can_set_victoriametrics(load: Load) -> None:
    environ = {
        "VICTORIAMETRICS_URL": "http://vm:8428",
        "VICTORIAMETRICS_USERNAME": "writer",
        "VICTORIAMETRICS_PASSWORD": "hunter2",
    }
    expected = VictoriaMetricsConfig("http://vm:8428", username="writer", password=Secret("hunter2"))
    assert load(environ=environ).victoriametrics == expected


def test_a_token_file_and_a_password_variable_conflict(problems: Problems, write: Write) -> None:
    write("token", "token")
    environ = {"VICTORIAMETRICS_URL": "http://vm", "VICTORIAMETRICS_PASSWORD": "hunter2"}
    (problem,) = problems({"victoriametrics.bearer_token_file": "token"}, environ=environ)
    assert problem.startswith("config.yaml:7: victoriametrics.bearer_token_file: cannot be combined")


@pytest.mark.parametrize(
    ("changes", "environ", "where"),
    [
        ({"victoriametrics.username": "writer"}, {}, "config.yaml:6: victoriametrics.url"),
        ({}, {"VICTORIAMETRICS_USERNAME": "writer"}, "VICTORIAMETRICS_URL"),
    ],
)
def test_victoriametrics_without_a_url_is_ignored_with_a_warning(
    changes: dict[str, str | None], environ: dict[str, str], where: str, load: Load
) -> None:
    config = load(changes, environ=environ)
    assert config.victoriametrics is None
    assert config.warnings == (f"{where}: missing; the victoriametrics section is ignored",)


def test_every_key_of_influxdb_is_read(load: Load, write: Write) -> None:
    write("token\n", "token")
    changes = {
        "influxdb.host": "http://influx:8086/",
        "influxdb.auth_token_file": "~/token",
        "influxdb.org": "home",
        "influxdb.database": "electric",
        "influxdb.insecure": "true",
        "influxdb.per_minute": "off",
    }
    expected = InfluxDBConfig(
        "http://influx:8086", Secret("token"), "home", "electric", insecure=True, per_minute=False
    )
    assert load(changes, environ={"HOME": "."}).influxdb == expected


def test_home_is_taken_from_the_environment(problems: Problems) -> None:
    (problem,) = problems({"smarthub.totp_secret_file": "~/none"})
    assert f"{HOME}/none" in problem
