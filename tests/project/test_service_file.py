"""The systemd unit in docs, checked against the program that it starts."""

import shlex
import shutil
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from exporter.cli import build_parser
from exporter.config import Overrides, load_config
from exporter.config.schema import VARIABLES

from ..support.project_files import read
from ..support.services import outcome

UNIT = ConfigParser(interpolation=None)
UNIT.optionxform = str  # type: ignore[assignment,method-assign]
UNIT.read_string(read("docs/smarthub-exporter.service"))
SERVICE = UNIT["Service"]


def _words(key: str, credentials: Path = Path("/run/credentials")) -> list[str]:
    value = SERVICE[key].replace("\\\n", " ")
    return shlex.split(value.replace("%S", "/var/lib").replace("%d", str(credentials)))


def test_the_command_line_is_valid() -> None:
    program, *typed = _words("ExecStart")
    arguments = build_parser().parse_args(typed)
    assert Path(program).name == "smarthub-exporter"
    assert arguments.command == "serve"
    assert arguments.config_file == Path("/etc/smarthub-exporter/config.yaml")
    assert arguments.state_dir == f"/var/lib/{SERVICE['StateDirectory']}"


def test_the_variables_exist() -> None:
    names = [word.partition("=")[0] for word in _words("Environment")]
    assert names
    assert set(names) <= set(VARIABLES)


@pytest.mark.parametrize("in_file", ["", "  password_file: config.password\n"])
def test_the_password_comes_from_the_credential(tmp_path: Path, in_file: str) -> None:
    name, _, source = SERVICE["LoadCredential"].partition(":")
    # The file keeps the name that discover gave it, so that password_file in the configuration stays right.
    assert (name, source) == ("config.password", "/etc/smarthub-exporter/config.password")
    credential, config = tmp_path / name, tmp_path / "config.yaml"
    credential.touch(mode=0o600)
    credential.write_text("correct horse\n", encoding="utf-8")
    lines = ("api_url: novec", "username: member@example.org", "timezone: America/New_York")
    config.touch(mode=0o644)
    config.write_text("smarthub:\n" + "".join(f"  {line}\n" for line in lines) + in_file, encoding="utf-8")

    environ = dict(word.split("=", 1) for word in _words("Environment", credentials=tmp_path))
    loaded = load_config(config, environ, Overrides())

    assert [login.password.reveal() for login in loaded.logins] == ["correct horse"]
    assert loaded.warnings == ()


@pytest.mark.process
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "smarthub-exporter.service"
    program, *_ = _words("ExecStart")
    unit.write_text(read("docs/smarthub-exporter.service").replace(program, sys.executable), encoding="utf-8")
    assert outcome("systemd-analyze", "verify", unit) == (0, "")
