"""Write a configuration, and files that only their owner can read."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from ..errors import ConfigError
from .model import LOCAL_VICTORIAMETRICS, LocationChoice, Login

_HEAD = """\
# Written by `smarthub-exporter discover`. All keys and their defaults: docs/configuration.md.
# Next: smarthub-exporter check
"""
_TAIL = """
# The database that `check` reads and `backfill` writes to:
{comment}victoriametrics:
{comment}  url: {url}
"""
_STATE = """
# Rejected sign-ins are counted there, so every command must use it:
exporter:
  state_dir: {}
"""


@dataclass(frozen=True, slots=True)
class DiscoveredLogin:
    """A login to be written.

    zone: The co-op's zone, empty if it was not found.
    or_zones: Other zones that fit as well.
    locations: The locations that the login can read, with their nicknames.
    secrets: The key of each secret (`password`, `totp_secret`) and the file that contains it; None leaves it out.
    """

    login: Login
    zone: str
    or_zones: Sequence[str]
    locations: Sequence[LocationChoice]
    secrets: Sequence[tuple[str, Path | None]]


def config_text(logins: Sequence[DiscoveredLogin], database: str = "", state: Path | None = None) -> str:
    """Return the text of the file: one login as `smarthub` itself, several as a list.

    database: The URL of a VictoriaMetrics; without it, the section is a comment. state: The state directory, if it is
    not the default.
    """
    lines = ["smarthub:"]
    first, other = ("  - ", "    ") if len(logins) > 1 else ("  ", "  ")
    for found in logins:
        own = _login_lines(found, is_one_of_several=len(logins) > 1)
        lines += [f"{other if number else first}{line}" for number, line in enumerate(own)]
    return (
        _HEAD
        + "\n".join(lines)
        + "\n"
        + (_STATE.format(_quoted(str(state))) if state else "")
        + _TAIL.format(comment="" if database else "# ", url=_quoted(database or LOCAL_VICTORIAMETRICS))
    )


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
            yield f"# {key}: not written; add it here, or set {key}_file"
        else:
            yield f"# {key}: not written; set SMARTHUB_{key.upper()} or SMARTHUB_{key.upper()}_FILE"
    if found.zone:
        others = f"  # {' or '.join(found.or_zones)} would also match" if found.or_zones else ""
        yield f"timezone: {_quoted(found.zone)}{others}"
    else:
        yield '# timezone: "America/New_York"  # CHANGE to the co-op\'s time zone; it was not found'
    chosen = login.locations
    if [choice.service_location for choice in chosen] == [None]:
        yield f"account: {_quoted(chosen[0].account or '')}"  # an item of `locations` needs a service_location
        return
    yield "locations:" if chosen else "# Every active electric location is read. To read only some, uncomment these:"
    if not chosen:
        yield "# locations:"
    for choice in chosen or found.locations:
        values = ", ".join(f"{key}: {_quoted(value)}" for key, value in asdict(choice).items() if value)
        yield f"{'' if chosen else '# '}  - {{{values}}}"


def _quoted(text: str) -> str:
    """Return a double-quoted YAML scalar on one line.

    It is ASCII, so that its encoding does not matter.
    """
    return str(yaml.safe_dump(text, default_style='"', width=sys.maxsize)).rstrip("\n")


def check_is_free(path: Path, *, force: bool) -> None:
    """Raise ConfigError if a file cannot be written to the path.

    force: An existing file may be overwritten.
    """
    target = _target(path)
    if not target.parent.is_dir():
        raise ConfigError(f"{path}: no such directory: {target.parent}")
    if target.is_dir():
        raise ConfigError(f"{path}: is a directory; name a file")
    if target.exists() and not force:
        raise ConfigError(f"{path}: already exists; use --force to overwrite it (kept as {_backup_of(target).name})")


def write_private(path: Path, text: str, *, force: bool = False) -> Path | None:
    """Write a file that only its owner can read. Raises ConfigError.

    The file is replaced as a whole. Its old content is kept in a backup unless it is the same; returns the backup. If
    the path is a symbolic link, its target is written.
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
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
    return backup


def _put(path: Path, content: bytes) -> None:
    """Replace a file by a private one, which survives a power failure."""
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
    """Follow a symbolic link."""
    try:
        return path.resolve() if path.is_symlink() else path
    except (OSError, RuntimeError):
        raise ConfigError(f"{path}: is a broken symbolic link; remove it") from None
