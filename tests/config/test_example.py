"""config.example.yaml loads, and shows every key and every default."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.config import Config, ExporterConfig, InfluxDBConfig, Overrides, VictoriaMetricsConfig, load_config
from exporter.config.files import default_state_folder
from exporter.config.schema import LOCATION, SECTIONS, TOP

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
ENVIRON = {"HOME": "/home/member"}


@pytest.fixture(scope="module")
def all_keys() -> dict[str, Any]:
    """Load the example with every commented-out key in use."""
    text = re.sub(r"^( *)#(?=\S|  )", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)
    return dict(yaml.safe_load(text))


def test_the_example_loads_and_shows_the_defaults() -> None:
    config = load_config(EXAMPLE, ENVIRON, Overrides())
    assert config == Config(
        logins=config.logins,
        exporter=ExporterConfig(state_dir=default_state_folder(ENVIRON)),
        victoriametrics=VictoriaMetricsConfig("http://localhost:8428"),
        warnings=config.warnings,
    )
    (login,) = config.logins
    assert (login.name, login.locations) == ("novec", ())


def test_the_example_shows_every_key(all_keys: dict[str, Any]) -> None:
    shown: list[tuple[Iterable[str], Iterable[str]]] = [
        (all_keys, TOP),
        *((all_keys[name], shape) for name, shape in SECTIONS.items()),
        (all_keys["smarthub"]["locations"][0], LOCATION),
    ]
    for keys, shape in shown:
        assert sorted(keys) == sorted(shape)


def test_the_example_shows_the_defaults_of_influxdb(all_keys: dict[str, Any]) -> None:
    default = InfluxDBConfig(host="")
    for key in ("per_minute", "insecure", "org"):
        assert all_keys["influxdb"][key] == getattr(default, key)


@pytest.mark.parametrize("secret", ["password", "totp_secret", "bearer_token", "auth_token"])
def test_secrets_of_the_example_are_placeholders(secret: str) -> None:
    shown = re.findall(rf"^[ #]*{secret}: (.*)$", EXAMPLE.read_text(), flags=re.MULTILINE)
    assert shown
    assert all("CHANGEME" in value.replace("-", "") for value in shown)
