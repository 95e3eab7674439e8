"""From the file, the environment and the command line to one checked configuration."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import yaml

from ..errors import ConfigError
from .databases import read_influxdb, read_victoriametrics
from .files import UnreadableFileError, default_state_folder, home_folder, read_file
from .logins import Ask, read_logins
from .model import Config, ExporterConfig, Login
from .node import ConfigNode, Source
from .schema import TOP, VARIABLES
from .section import Section
from .values import nearest, parse_bounded_duration
from .yaml_nodes import YamlError, parse_yaml

DEFAULT_FILE = Path("config.yaml")
"""What is read where no file is named, in the current folder."""
_SHORTEST_REFRESH = 15 * 60
_SHORTEST_REFRESH_ON_LOOPBACK = 1
_PREFIX = "SMARTHUB_"
_VERY_NEAR = 0.8


@dataclass(frozen=True, slots=True)
class Overrides:
    """Values of the command line; None or empty where the flag is not given."""

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
    """The configuration of command line, environment, file and defaults, the earlier before the later.

    path: the file to read; None takes config.yaml of the current folder, where there is one.
    require_zone: whether a login without time zone is a mistake. ask: gets what a single login lacks from a person.

    Raises ConfigError with every problem that was found.
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
        warnings=(*top.source.warnings, *_misspelt_variables(environ)),
        **values,
    )


def _read_file(path: Path | None, environ: Mapping[str, str]) -> Section:
    """The top level of the file; an empty section where no file is asked for and there is none."""
    file = path or DEFAULT_FILE
    source = Source(str(file), file.parent, home_folder(environ))
    try:
        content = read_file(file)
        root = parse_yaml(content.data)
    except UnreadableFileError as error:
        if path is None and error.is_absent:
            return Section(TOP, source, None)
        raise ConfigError(str(error)) from None
    except YamlError as error:
        raise ConfigError(f"{file}:{error.line}: {error}") from None
    part = ConfigNode(replace(source, is_exposed=content.is_public), "", 1, root)
    if not isinstance(part.node, yaml.MappingNode) and not part.is_unset:
        raise ConfigError(f'{part.where}: must be keys and values, such as "smarthub:"')
    return Section(TOP, part.source, part)


def _read_exporter(
    section: Section, overrides: Overrides, logins: tuple[Login, ...], environ: Mapping[str, str]
) -> ExporterConfig:
    section.override("listen_address", "--web.listen-address", overrides.listen_address)
    section.override("state_dir", "--state.dir", overrides.state_dir)
    all_loopback = all(login.portal.loopback for login in logins)
    least = _SHORTEST_REFRESH_ON_LOOPBACK if all_loopback else _SHORTEST_REFRESH
    values = section.values(refresh_interval=partial(parse_bounded_duration, least=least))
    return ExporterConfig(**{"state_dir": default_state_folder(environ), **values})


def _misspelt_variables(environ: Mapping[str, str]) -> list[str]:
    """Warnings for variables that look like ours; other programs may have some with our prefix."""
    known = _without_prefix(VARIABLES)
    return [
        f"{_PREFIX}{name}: not a variable of this program, did you mean {_PREFIX}{near}?"
        for name in _without_prefix(sorted(environ))
        if name not in known and environ[_PREFIX + name] and (near := nearest(name, known, cutoff=_VERY_NEAR))
    ]


def _without_prefix(names: Iterable[str]) -> list[str]:
    return [name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX)]
