"""Writing a configuration: the text of the file, and files that only their owner can read."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from ..errors import ConfigError
from .model import LocationChoice, Login

_HEAD = """\
# Written by `smarthub-exporter discover`. All keys and their defaults: README, "Configuration".
# Next: smarthub-exporter check
"""
_TAIL = """
# The database that `check` looks into and `backfill` writes to:
# victoriametrics:
#   url: "http://localhost:8428"
"""


@dataclass(frozen=True, slots=True)
class DiscoveredLogin:
    """A login as it is to be written.

    zone: the co-op's zone, empty where it was not found. or_zones: others that fit as well. locations: what it sees
    and may be chosen, with the nicknames. secrets: key (`password`, `totp_secret`) and name of the file that holds it;
    those without a file are left out.
    """

    login: Login
    zone: str
    or_zones: Sequence[str]
    locations: Sequence[LocationChoice]
    secrets: Sequence[tuple[str, Path | None]]


def config_text(logins: Sequence[DiscoveredLogin]) -> str:
    """The file: one login as `smarthub` itself, several as a list."""
    lines = ["smarthub:"]
    for found in logins:
        own = list(_login_lines(found, is_one_of_several=len(logins) > 1))
        if len(logins) > 1:
            lines += [f"  - {own[0]}", *(f"    {line}" for line in own[1:])]
        else:
            lines += [f"  {line}" for line in own]
    return _HEAD + "\n".join(lines) + "\n" + _TAIL


def _login_lines(found: DiscoveredLogin, *, is_one_of_several: bool) -> Iterator[str]:
    login = found.login
    yield f"api_url: {_quoted(login.portal.base_url)}"
    yield f"username: {_quoted(login.username)}"
    if is_one_of_several or login.name != login.portal.label:
        yield f"name: {_quoted(login.name)}"
    for key, file in found.secrets:
        if file is not None:
            yield f"{key}_file: {_quoted(str(file))}"
        elif is_one_of_several:
            yield f"# {key}: not written; give it here, or {key}_file"
        else:
            yield f"# {key}: not written; set SMARTHUB_{key.upper()} or SMARTHUB_{key.upper()}_FILE"
    if found.zone:
        others = f"  # {' or '.join(found.or_zones)} would fit as well" if found.or_zones else ""
        yield f"timezone: {_quoted(found.zone)}{others}"
    else:
        yield '# timezone: "America/New_York"  # CHANGE to the co-op\'s zone: the portal did not tell'
    chosen = login.locations
    if [choice.service_location for choice in chosen] == [None]:
        yield f"account: {_quoted(chosen[0].account or '')}"  # no item of `locations` may be an account alone
        return
    yield "locations:" if chosen else "# Every active electric location is read. To read only some, uncomment these:"
    if not chosen:
        yield "# locations:"
    for choice in chosen or found.locations:
        yield f"{'' if chosen else '# '}  - {_choice(choice)}"


def _choice(choice: LocationChoice) -> str:
    return "{" + ", ".join(f"{key}: {_quoted(value)}" for key, value in asdict(choice).items() if value) + "}"


def _quoted(text: str) -> str:
    """A double-quoted YAML scalar on one line, ASCII only, so that it is the same text whoever reads it."""
    return str(yaml.safe_dump(text, default_style='"', width=sys.maxsize)).rstrip("\n")


def check_is_free(path: Path, *, force: bool) -> None:
    """Raises ConfigError where a file would be overwritten without being asked for, or the folder is not there."""
    target = _target(path)
    if not target.parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {target.parent}")
    if target.is_dir():
        raise ConfigError(f"{path}: is a folder, name a file")
    if target.exists() and not force:
        raise ConfigError(f"{path}: is there already, --force writes over it and keeps it as {_backup_of(target).name}")


def write_private(path: Path, text: str, *, force: bool = False) -> Path | None:
    """Write a file that only its owner can read, whole or not at all. Raises ConfigError.

    What stood there before is kept, unless it says the same; gives where.
    A link stays one: what it leads to is written.
    """
    check_is_free(path, force=force)
    target, content = _target(path), text.encode()
    backup: Path | None = None
    try:
        before = target.read_bytes() if target.exists() else content
        if before != content:
            backup = _backup_of(target)
            _put(backup, before)
        _put(target, content)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written, {error.strerror}") from None
    return backup


def _put(path: Path, content: bytes) -> None:
    """Write a file that is private before it holds anything, and that is there after a power cut."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _backup_of(path: Path) -> Path:
    return path.with_name(path.name + ".bak")


def _target(path: Path) -> Path:
    """The file itself where the path is a link to it."""
    try:
        return path.resolve() if path.is_symlink() else path
    except (OSError, RuntimeError):
        raise ConfigError(f"{path}: is a link that leads nowhere") from None
