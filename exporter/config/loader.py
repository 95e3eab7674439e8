"""From the file, the environment and the command line to one checked configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from ..errors import ConfigError
from .addresses import parse_listen_address
from .databases import read_influxdb, read_victoriametrics
from .files import default_state_folder, home_folder, read_file, reason
from .logins import Ask, read_logins
from .model import Config, ExporterConfig, Login
from .node import ConfigNode, Report, Source
from .schema import EXPORTER, INFLUXDB, TOP, VARIABLES, VICTORIAMETRICS, Shape
from .section import Section
from .values import format_duration, parse_count, parse_duration
from .yaml_nodes import YamlError, YamlMapping, parse_yaml

DEFAULT_FILE = Path("config.yaml")
"""What is read where no file is named, in the current folder."""
_DEFAULTS = Config(logins=(), exporter=ExporterConfig())
_LONGEST = 35 * 86400
_SHORTEST_WINDOW = 60
_SHORTEST_REFRESH = 15 * 60
_SHORTEST_REFRESH_ON_LOOPBACK = 1
_MAX_EXTRACT_DAYS = 36500
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
    report = Report()
    top = _read_file(path, environ, report)
    logins = read_logins(top, environ, require_zone=require_zone, ask=ask)
    exporter = _read_exporter(_subsection(top, "exporter", EXPORTER, environ), overrides, logins, environ)
    victoriametrics = read_victoriametrics(_subsection(top, "victoriametrics", VICTORIAMETRICS, environ))
    influxdb = read_influxdb(_subsection(top, "influxdb", INFLUXDB, environ))
    extract_days = top.value("extract_days", _extract_days) or _DEFAULTS.extract_days
    if report.problems:
        raise ConfigError(report.problems)
    return Config(
        logins=logins,
        exporter=exporter,
        victoriametrics=victoriametrics,
        influxdb=influxdb,
        extract_days=extract_days,
        warnings=(*report.warnings, *_misspelt_variables(environ)),
    )


def _read_file(path: Path | None, environ: Mapping[str, str], report: Report) -> Section:
    """The top level of the file; an empty section where no file is asked for and there is none."""
    file = path or DEFAULT_FILE
    home = home_folder(environ)
    try:
        content = read_file(file)
        root = parse_yaml(content.data)
    except (OSError, ValueError) as error:
        if path is None and isinstance(error, FileNotFoundError):
            return Section(TOP, place="", report=report, home=home)
        raise ConfigError(f"{file}: {reason(error)}") from None
    except YamlError as error:
        raise ConfigError(f"{file}:{error.line}: {error}") from None
    source = Source(
        name=str(file),
        folder=file.parent,
        home=home,
        is_exposed=content.is_public,
        report=report,
    )
    part = ConfigNode(source, "", 1, root or YamlMapping(1, ()))
    if not isinstance(part.node, YamlMapping) and not part.is_unset:
        raise ConfigError(f'{part.where}: must be keys and values, such as "smarthub:"')
    return Section.read(part, TOP)


def _subsection(top: Section, key: str, shape: Shape, environ: Mapping[str, str]) -> Section:
    section = top.subsection(key, shape)
    section.overlay(environ)
    return section


def _read_exporter(
    section: Section,
    overrides: Overrides,
    logins: tuple[Login, ...],
    environ: Mapping[str, str],
) -> ExporterConfig:
    section.override("listen_address", "--web.listen-address", overrides.listen_address)
    section.override("state_dir", "--state.dir", overrides.state_dir)
    all_loopback = all(login.portal.loopback for login in logins)
    refresh_interval = partial(
        _bounded_duration,
        least=_SHORTEST_REFRESH_ON_LOOPBACK if all_loopback else _SHORTEST_REFRESH,
    )
    window = partial(_bounded_duration, least=_SHORTEST_WINDOW)
    defaults = _DEFAULTS.exporter
    return ExporterConfig(
        listen_address=section.value("listen_address", _listen_address) or defaults.listen_address,
        refresh_interval=section.value("refresh_interval", refresh_interval) or defaults.refresh_interval,
        window=section.value("window", window) or defaults.window,
        state_dir=section.path("state_dir") or default_state_folder(environ),
    )


def _listen_address(text: str) -> str:
    parse_listen_address(text)
    return text.strip()


def _bounded_duration(text: str, *, least: int) -> int:
    seconds = parse_duration(text)
    if seconds < least:
        raise ValueError(f"{format_duration(seconds)} is too short, at least {format_duration(least)}")
    if seconds > _LONGEST:
        raise ValueError(f"{format_duration(seconds)} is too long, at most {format_duration(_LONGEST)}")
    return seconds


def _extract_days(text: str) -> int:
    days = parse_count(text)
    if days > _MAX_EXTRACT_DAYS:
        raise ValueError(f"{days} is too much, at most {_MAX_EXTRACT_DAYS}")
    return days


def _misspelt_variables(environ: Mapping[str, str]) -> list[str]:
    """Warnings for variables that look like ours; other programs may have some with our prefix."""
    known = [name.removeprefix(_PREFIX) for name in VARIABLES if name.startswith(_PREFIX)]
    warnings = []
    for name in sorted(environ):
        rest = name.removeprefix(_PREFIX)
        if rest == name or rest in known or not environ[name]:
            continue
        near = get_close_matches(rest, known, n=1, cutoff=_VERY_NEAR)
        if near:
            warnings.append(f"{name}: not a variable of this program, did you mean {_PREFIX}{near[0]}?")
    return warnings
