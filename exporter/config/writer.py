"""Writing a configuration: the text of the file, and files that only their owner can read."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

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
    fields = {"account": choice.account, "service_location": choice.service_location, "name": choice.name}
    return "{" + ", ".join(f"{key}: {_quoted(value)}" for key, value in fields.items() if value) + "}"


def _quoted(text: str) -> str:
    """A double-quoted YAML scalar, ASCII only, so that it is the same text whoever reads it."""

    def shown(character: str) -> str:
        if character in '"\\':
            return "\\" + character
        return character if " " <= character <= "~" else f"\\U{ord(character):08X}"

    return '"' + "".join(map(shown, text)) + '"'


def check_is_free(path: Path, *, force: bool) -> None:
    """Raises ConfigError where a file would be overwritten without being asked for, or the folder is not there."""
    target = _target(path)
    if not target.parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {target.parent}")
    if target.is_dir():
        raise ConfigError(f"{path}: is a folder, name a file")
    if target.exists() and not force:
        raise ConfigError(f"{path}: is there already, --force writes over it and keeps it as {backup_of(path).name}")


def backup_of(path: Path) -> Path:
    """Where a file goes that is written over: beside it, to a name that nothing has yet."""
    target = _target(path)
    endings = chain([".bak"], (f".bak.{number}" for number in count(2)))
    candidates = (target.with_name(target.name + ending) for ending in endings)
    return next(each for each in candidates if not os.path.lexists(each))


def write_private(path: Path, text: str, *, force: bool = False) -> Path | None:
    """Write a file that only its owner can read, whole or not at all. Raises ConfigError.

    An older one is kept, unless it says the same; gives where. A link stays one: what it leads to is written.
    """
    check_is_free(path, force=force)
    target, content = _target(path), text.encode()
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    backup: Path | None = None
    try:
        _create(fresh, content)
        if target.exists() and not _says(target, content):
            backup = backup_of(path)
            _keep(target, backup)
        fresh.replace(target)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written, {error.strerror}") from None
    finally:
        with suppress(OSError):
            fresh.unlink()
    return backup


def _create(path: Path, content: bytes) -> None:
    """A new file that is private before it holds anything, and that is there after a power cut."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _target(path: Path) -> Path:
    """The file itself where the path is a link to it."""
    if not path.is_symlink():
        return path
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        raise ConfigError(f"{path}: is a link that leads nowhere") from None


def _says(path: Path, content: bytes) -> bool:
    with suppress(OSError):
        return path.read_bytes() == content
    return False


def _keep(path: Path, backup: Path) -> None:
    """Keep the older file beside it, without a moment in which there is none of its name."""
    try:
        backup.hardlink_to(path)
    except OSError:  # a file system without links
        _create(backup, path.read_bytes())
