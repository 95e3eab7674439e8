"""Files and folders that a configuration names."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_STATE_FOLDER = "smarthub-exporter"


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a file holds.

    is_public: every user of the machine may read it. is_exposed: it is ours to change, too; secrets that a container is
    given often are readable for all, and not ours.
    """

    data: bytes
    is_public: bool
    is_exposed: bool


def read_file(path: Path) -> FileContent:
    """What a file holds. Raises ValueError, which says why not in the operating system's words."""
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            is_public = stat.S_ISREG(status.st_mode) and bool(status.st_mode & stat.S_IROTH)
            return FileContent(stream.read(), is_public, is_public and status.st_uid == os.geteuid())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {getattr(error, 'strerror', None) or 'not a valid path'}") from None


def home_folder(environ: Mapping[str, str]) -> Path:
    """The user's home; the current folder for a user that has none, as in some containers."""
    if home := environ.get("HOME"):
        return Path(home)
    try:
        return Path.home()
    except RuntimeError:
        return Path.cwd()


def default_state_folder(environ: Mapping[str, str]) -> Path:
    """Where the XDG convention puts state; it says to ignore a relative XDG_STATE_HOME."""
    base = Path(environ.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        base = home_folder(environ) / ".local" / "state"
    return base / _STATE_FOLDER


def expand(text: str, *, folder: Path, home: Path) -> Path:
    """The path that `text` means in `folder`, `~` being `home`."""
    if text == "~" or text.startswith("~/"):
        return home / text[2:]
    return folder / text
