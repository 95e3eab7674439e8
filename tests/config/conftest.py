from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter.config import Config, Overrides, load_config
from exporter.errors import ConfigError

from ..support.config_files import HOME, Load, Problems, Write, yaml_text


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(folder: Path) -> Write:
    def write_file(content: str | bytes, name: str = "config.yaml", mode: int = 0o600) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    return write_file


@pytest.fixture
def load(folder: Path, write: Write) -> Load:
    """Load the sample with changes, another text, or only the environment (text="")."""

    def load_it(
        changes: Mapping[str, str | None] | None = None,
        *,
        text: str | bytes | None = None,
        environ: Mapping[str, str] | None = None,
        overrides: Overrides | None = None,
        require_zone: bool = True,
    ) -> Config:
        content = yaml_text(changes or {}) if text is None else text
        if content:
            write(content)
        environ = {"HOME": HOME, **(environ or {})}
        return load_config(None, environ, overrides or Overrides(), require_zone=require_zone)

    return load_it


@pytest.fixture
def problems(load: Load) -> Problems:
    """Load like `load` and return the problems."""

    def fail_to_load(*args: object, **kwargs: object) -> tuple[str, ...]:
        with pytest.raises(ConfigError) as caught:
            load(*args, **kwargs)
        return caught.value.problems

    return fail_to_load
