"""Files and directories that a configuration names."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_LARGEST_SECRET = 4096  # bytes


@dataclass(frozen=True, slots=True)
class FileContent:
    """The content of a file and who can read it.

    is_public: Every user of this machine can read the file.
    is_exposed: It is public and owned by this user, who can change that. The secrets of a container are often public,
        but owned by another user.
    """

    data: bytes
    is_public: bool
    is_exposed: bool


def read_file(path: Path) -> FileContent:
    """Read a file. Raises ValueError with the operating system's reason."""
    try:
        with path.open("rb") as stream:
            return _content(stream)
    except (OSError, ValueError) as error:
        raise _invalid(path, error) from None


def read_secret_file(path: Path) -> FileContent:
    """Read the file of a secret, without waiting for a pipe. Raises ValueError with the reason."""
    try:
        with open(path, "rb", opener=_open_without_waiting) as stream:
            is_regular = stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
            content = _content(stream, _LARGEST_SECRET + 1) if is_regular else None
    except (OSError, ValueError) as error:
        raise _invalid(path, error) from None
    if content is None:
        raise ValueError(f"{path}: not a regular file; write the secret to a file")
    if len(content.data) > _LARGEST_SECRET:
        raise ValueError(f"{path}: larger than {_LARGEST_SECRET} bytes; write only the secret to it")
    return content


def _content(stream: BinaryIO, most: int = -1) -> FileContent:
    status = os.fstat(stream.fileno())
    is_public = stat.S_ISREG(status.st_mode) and bool(status.st_mode & stat.S_IROTH)
    return FileContent(stream.read(most), is_public, is_public and status.st_uid == os.geteuid())


def _invalid(path: Path, error: OSError | ValueError) -> ValueError:
    return ValueError(f"{path}: {getattr(error, 'strerror', None) or 'not a valid path'}")


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def home_folder(environ: Mapping[str, str]) -> Path:
    """Return the home directory.

    A user without one, as in some containers, gets the current directory.
    """
    if home := environ.get("HOME"):
        return Path(home)
    try:
        return Path.home()
    except RuntimeError:
        return Path.cwd()


def default_state_folder(environ: Mapping[str, str]) -> Path:
    """Return the directory for state that the XDG standard names.

    The standard says to ignore a relative XDG_STATE_HOME.
    """
    base = Path(environ.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        base = home_folder(environ) / ".local/state"
    return base / "smarthub-exporter"


def expand(text: str, *, folder: Path, home: Path) -> Path:
    """Return the path that `text` means, relative to `folder`; `~` is `home`."""
    if text == "~" or text.startswith("~/"):
        return home / text[2:]
    return folder / text
