"""What a configuration may hold: for each section one table of its keys, and the environment variables for them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from .addresses import database_url, parse_listen_address, portal_address
from .files import read_file
from .totp import second_factor
from .values import check_header_text, parse_boolean, parse_bounded_duration, parse_count, parse_zone

FILE_KEY = "_file"
_FILE_VARIABLE = "_FILE"
_SHORTEST_WINDOW = 60
_MAX_EXTRACT_DAYS = 36500

Parser: TypeAlias = Callable[[Any], Any]
"""Gives the value of a text (of a Path for paths), or raises ValueError with a message for the user."""


class Kind(Enum):
    """What stands under a key: one value, a secret or the file that holds it, or a list or mapping."""

    VALUE = auto()
    PATH = auto()
    SECRET = auto()
    SECRET_FILE = auto()
    NESTED = auto()


@dataclass(frozen=True, slots=True)
class Key:
    """One key; its default is that of the field in the model.

    parse: for a secret, which stays as it is, only a check.
    variable: the environment variable that goes over the file, empty where there is none.
    null_is_text: an unquoted `null` is meant as it stands there.
    """

    parse: Parser = str
    variable: str = ""
    kind: Kind = Kind.VALUE
    null_is_text: bool = False


Shape: TypeAlias = Mapping[str, Key]
"""The keys of one mapping by name."""


def _shape(values: Shape, *, secrets: Shape | None = None, nested: Iterable[str] = ()) -> Shape:
    """One table of values, secrets, a twin for each of these that names a file with it, and lists or mappings."""
    secrets = secrets or {}
    twins = {
        name + FILE_KEY: Key(variable=key.variable and key.variable + _FILE_VARIABLE, kind=Kind.SECRET_FILE)
        for name, key in secrets.items()
    }
    return {
        **values,
        **{name: replace(key, kind=Kind.SECRET) for name, key in secrets.items()},
        **twins,
        **dict.fromkeys(nested, Key(kind=Kind.NESTED)),
    }


def _listen_address(text: str) -> str:
    parse_listen_address(text)
    return text.strip()


def _readable(path: Path) -> Path:
    read_file(path)
    return path


LOGIN = _shape(
    {
        "name": Key(),
        "api_url": Key(portal_address, "SMARTHUB_API_URL"),
        "username": Key(variable="SMARTHUB_USERNAME"),
        "timezone": Key(parse_zone, "SMARTHUB_TIMEZONE"),
        "account": Key(str.strip, "SMARTHUB_ACCOUNT"),
        "service_location": Key(str.strip, "SMARTHUB_SERVICE_LOCATION"),
    },
    secrets={
        "password": Key(variable="SMARTHUB_PASSWORD", null_is_text=True),
        "totp_secret": Key(second_factor, "SMARTHUB_TOTP_SECRET"),
    },
    nested=["locations"],
)
LOCATION = _shape({"account": Key(str.strip), "service_location": Key(str.strip), "name": Key()})
EXPORTER = _shape(
    {
        "listen_address": Key(_listen_address, "SMARTHUB_LISTEN_ADDRESS"),
        "refresh_interval": Key(parse_bounded_duration, "SMARTHUB_REFRESH_INTERVAL"),
        "window": Key(partial(parse_bounded_duration, least=_SHORTEST_WINDOW), "SMARTHUB_WINDOW"),
        "state_dir": Key(Path, "SMARTHUB_STATE_DIR", Kind.PATH),
    }
)
VICTORIAMETRICS = _shape(
    {
        "url": Key(database_url, "VICTORIAMETRICS_URL"),
        "query_url": Key(database_url),
        "username": Key(variable="VICTORIAMETRICS_USERNAME"),
        "ca_file": Key(_readable, kind=Kind.PATH),
        "insecure": Key(parse_boolean),
    },
    secrets={
        "password": Key(variable="VICTORIAMETRICS_PASSWORD", null_is_text=True),
        "bearer_token": Key(check_header_text),
    },
    nested=["extra_labels"],
)
INFLUXDB = _shape(
    {
        "host": Key(database_url),
        "org": Key(),
        "database": Key(),
        "insecure": Key(parse_boolean),
        "per_minute": Key(parse_boolean),
    },
    secrets={"auth_token": Key(check_header_text)},
)
SECTIONS = {"smarthub": LOGIN, "exporter": EXPORTER, "victoriametrics": VICTORIAMETRICS, "influxdb": INFLUXDB}
TOP = _shape({"extract_days": Key(partial(parse_count, most=_MAX_EXTRACT_DAYS))}, nested=SECTIONS)
VARIABLES = tuple(key.variable for shape in SECTIONS.values() for key in shape.values() if key.variable)
