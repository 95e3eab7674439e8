"""The keys of each section and their environment variables, as tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

from .addresses import database_url, parse_listen_address, portal_address
from .files import read_file
from .totp import second_factor
from .values import (
    check_header_text,
    parse_boolean,
    parse_bounded_duration,
    parse_count,
    parse_snapshots,
    parse_zone,
)

FILE_KEY = "_file"
_SHORTEST_WINDOW = 60
_MAX_EXTRACT_DAYS = 36500


@dataclass(frozen=True, slots=True)
class Key:
    """One key; its default is that of the field in the model.

    parse: Converts the text (a Path for kind `path`), or raises ValueError with a message for the user. The result is
        dropped for a secret, which stays as it is.
    variable: The environment variable that overrides the file, empty if there is none.
    null_is_text: An unquoted `null` is the text itself, not an unset value.
    secret: The key of the secret that the file named here contains.
    """

    parse: Callable[[Any], Any] = str
    variable: str = ""
    kind: Literal["value", "path", "secret", "nested"] = "value"
    null_is_text: bool = False
    secret: str = ""


Shape: TypeAlias = Mapping[str, Key]
"""The keys of one mapping by name."""

_NESTED = Key(kind="nested")


def _with_files(shape: Shape) -> Shape:
    """Add the `_file` variant of each secret."""
    files = {
        name + FILE_KEY: Key(variable=key.variable and key.variable + FILE_KEY.upper(), secret=name)
        for name, key in shape.items()
        if key.kind == "secret"
    }
    return {**shape, **files}


def _listen_address(text: str) -> str:
    parse_listen_address(text)
    return text.strip()


def _readable(path: Path) -> Path:
    read_file(path)
    return path


LOGIN = _with_files(
    {
        "name": Key(),
        "api_url": Key(portal_address, "SMARTHUB_API_URL"),
        "username": Key(variable="SMARTHUB_USERNAME"),
        "password": Key(str, "SMARTHUB_PASSWORD", "secret", null_is_text=True),
        "totp_secret": Key(second_factor, "SMARTHUB_TOTP_SECRET", "secret"),
        "timezone": Key(parse_zone, "SMARTHUB_TIMEZONE"),
        "account": Key(str.strip, "SMARTHUB_ACCOUNT"),
        "service_location": Key(str.strip, "SMARTHUB_SERVICE_LOCATION"),
        "locations": _NESTED,
    }
)
LOCATION = {"account": Key(str.strip), "service_location": Key(str.strip), "name": Key(), "submeters": _NESTED}
EXPORTER = {
    "listen_address": Key(_listen_address, "SMARTHUB_LISTEN_ADDRESS"),
    "refresh_interval": Key(parse_bounded_duration, "SMARTHUB_REFRESH_INTERVAL"),
    "window": Key(partial(parse_bounded_duration, least=_SHORTEST_WINDOW), "SMARTHUB_WINDOW"),
    "state_dir": Key(Path, "SMARTHUB_STATE_DIR", "path"),
}
VICTORIAMETRICS = _with_files(
    {
        "url": Key(database_url, "VICTORIAMETRICS_URL"),
        "query_url": Key(database_url),
        "username": Key(variable="VICTORIAMETRICS_USERNAME"),
        "password": Key(str, "VICTORIAMETRICS_PASSWORD", "secret", null_is_text=True),
        "bearer_token": Key(check_header_text, kind="secret"),
        "ca_file": Key(_readable, kind="path"),
        "insecure": Key(parse_boolean),
        "snapshots": Key(parse_snapshots),
        "extra_labels": _NESTED,
    }
)
INFLUXDB = _with_files(
    {
        "host": Key(database_url),
        "auth_token": Key(check_header_text, kind="secret"),
        "org": Key(),
        "database": Key(),
        "insecure": Key(parse_boolean),
        "per_minute": Key(parse_boolean),
    }
)
SECTIONS = {"smarthub": LOGIN, "exporter": EXPORTER, "victoriametrics": VICTORIAMETRICS, "influxdb": INFLUXDB}
TOP = {"extract_days": Key(partial(parse_count, most=_MAX_EXTRACT_DAYS)), **dict.fromkeys(SECTIONS, _NESTED)}
FORMER_SECTIONS = {"utility": "smarthub"}
"""Sections by the names that they had in earlier versions of the Go tool."""
VARIABLES = tuple(key.variable for shape in SECTIONS.values() for key in shape.values() if key.variable)
