"""config.example.yaml: it loads, it shows every key, and what it shows as default is the default."""

import re
from pathlib import Path

import pytest

from exporter.config import (
    Config,
    ExporterConfig,
    InfluxDBConfig,
    Overrides,
    VictoriaMetricsConfig,
    load_config,
)
from exporter.config.files import default_state_folder
from exporter.config.schema import LOCATION, SECTIONS, TOP
from exporter.config.yaml_nodes import Node, YamlMapping, YamlScalar, YamlSequence, parse_yaml

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
ENVIRON = {"HOME": "/home/member"}


@pytest.fixture(scope="module")
def all_keys() -> YamlMapping:
    """The example with every line in use that is shown as #key, or indented after the #."""
    text = re.sub(r"^( *)#(?=\S|  )", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)
    root = parse_yaml(text.encode())
    assert isinstance(root, YamlMapping)
    return root


def value_of(mapping: Node, key: str) -> Node:
    assert isinstance(mapping, YamlMapping)
    return next(entry.value for entry in mapping.entries if entry.key == key)


def keys_of(mapping: Node) -> list[str]:
    assert isinstance(mapping, YamlMapping)
    return sorted(entry.key for entry in mapping.entries)


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


def test_the_example_shows_every_key(all_keys: YamlMapping) -> None:
    assert keys_of(all_keys) == sorted(TOP.keys)
    for name, shape in SECTIONS.items():
        assert keys_of(value_of(all_keys, name)) == sorted(shape.keys)
    locations = value_of(value_of(all_keys, "smarthub"), "locations")
    assert isinstance(locations, YamlSequence)
    assert keys_of(locations.items[0]) == sorted(LOCATION.keys)


def test_the_example_shows_the_defaults_of_influxdb(all_keys: YamlMapping) -> None:
    section = value_of(all_keys, "influxdb")
    assert isinstance(section, YamlMapping)
    shown = {entry.key: entry.value.text for entry in section.entries if isinstance(entry.value, YamlScalar)}
    default = InfluxDBConfig(host="")
    assert shown["per_minute"] == str(default.per_minute).lower()
    assert shown["insecure"] == str(default.insecure).lower()
    assert shown["org"] == default.org


@pytest.mark.parametrize("secret", ["password", "totp_secret", "bearer_token", "auth_token"])
def test_secrets_of_the_example_are_placeholders(secret: str) -> None:
    shown = re.findall(rf"^[ #]*{secret}: (.*)$", EXAMPLE.read_text(), flags=re.MULTILINE)
    assert shown
    assert all("CHANGEME" in value.replace("-", "") for value in shown)
