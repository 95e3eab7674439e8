"""Load the configuration from the file, the environment and the command line."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import ConfigError
from .databases import read_influxdb, read_victoriametrics
from .files import default_state_folder, home_folder, read_file
from .logins import Ask, read_logins
from .model import Config, ExporterConfig, Login
from .node import ConfigNode, Source
from .schema import TOP, VARIABLES
from .section import Section
from .values import format_duration, nearest
from .yaml_nodes import YamlError, parse_yaml

DEFAULT_FILE = Path("config.yaml")
"""The file in the current directory that is read if no other is named."""
_SHORTEST_REFRESH = 15 * 60
_VERY_NEAR = 0.9


@dataclass(frozen=True, slots=True)
class Overrides:
    """Values from the command line; None or empty if a flag is not set."""

    listen_address: str | None = None
    state_dir: str | None = None


def load_config(
    path: Path | None,
    environ: Mapping[str, str],
    overrides: Overrides,
    *,
    require_zone: bool = True,
    ask: Ask | None = None,
) -> Config:
    """Load the configuration: flags override the environment, and both the file.

    path: The file to read; None reads config.yaml in the current directory, if it exists.
    require_zone: Whether each login must have a time zone.
    ask: Asks the user for what a single login lacks.

    Raises ConfigError with every problem found.
    """
    top = _read_file(path, environ)
    logins = read_logins(top, environ, require_zone=require_zone, ask=ask)
    exporter = _read_exporter(top.subsection("exporter", environ), overrides, logins, environ)
    victoriametrics = read_victoriametrics(top.subsection("victoriametrics", environ))
    influxdb = read_influxdb(top.subsection("influxdb", environ))
    values = top.values()
    if top.source.problems:
        raise ConfigError(top.source.problems)
    return Config(
        logins=logins,
        exporter=exporter,
        victoriametrics=victoriametrics,
        influxdb=influxdb,
        warnings=(*top.source.warnings, *_misspelled_variables(environ)),
        **values,
    )


def _read_file(path: Path | None, environ: Mapping[str, str]) -> Section:
    """Return the top level of the file.

    Without a file the section is empty, unless `path` names one.
    """
    file = path or DEFAULT_FILE
    source = Source(str(file), file.parent, home_folder(environ))
    if path is None and not file.exists():
        return Section(TOP, source, None)
    try:
        content = read_file(file)
        root = parse_yaml(content.data)
    except YamlError as error:
        raise ConfigError(f"{file}:{error.line}: {error}") from None
    except ValueError as error:
        raise ConfigError(str(error)) from None
    source = replace(source, is_exposed=content.is_public)
    return Section(TOP, source, ConfigNode(source, "", 1, root))


def _read_exporter(
    section: Section, overrides: Overrides, logins: tuple[Login, ...], environ: Mapping[str, str]
) -> ExporterConfig:
    section.override("listen_address", "--web.listen-address", overrides.listen_address)
    section.override("state_dir", "--state.dir", overrides.state_dir)
    config = ExporterConfig(**{"state_dir": default_state_folder(environ), **section.values()})
    if config.refresh_interval < _SHORTEST_REFRESH and not all(login.portal.loopback for login in logins):
        section.problem(
            "refresh_interval", f"{format_duration(config.refresh_interval)} is too short; the minimum is 15m"
        )
    return config


def _misspelled_variables(environ: Mapping[str, str]) -> list[str]:
    """Warn about variables with a similar name.

    Not about each unknown one: other programs may use the same prefix.
    """
    return [
        f"{name}: unknown variable; did you mean {near}?"
        for name in sorted(environ)
        if name not in VARIABLES and environ[name] and (near := nearest(name, VARIABLES, cutoff=_VERY_NEAR))
    ]
