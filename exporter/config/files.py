"""Files and folders that a configuration names."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_STATE_FOLDER = "smarthub-exporter"


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a file holds. is_public: every user of the machine may read it. is_ours: it belongs to this user."""

    data: bytes
    is_public: bool
    is_ours: bool

    @property
    def is_exposed(self) -> bool:
        """Whether everybody may read it, and it is ours to change.

        Secrets that a container is given often are readable for all, and not ours.
        """
        return self.is_public and self.is_ours


class UnreadableFileError(ValueError):
    """A file that cannot be read; the message says why in the operating system's words."""

    def __init__(self, path: Path, error: OSError | ValueError) -> None:
        words = error.strerror if isinstance(error, OSError) else None
        super().__init__(f"{path}: {words or 'not a valid path'}")
        self.is_absent = isinstance(error, FileNotFoundError)


def read_file(path: Path) -> FileContent:
    """What a file holds. Raises UnreadableFileError."""
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            is_public = stat.S_ISREG(status.st_mode) and bool(status.st_mode & stat.S_IROTH)
            return FileContent(stream.read(), is_public, status.st_uid == os.geteuid())
    except (OSError, ValueError) as error:
        raise UnreadableFileError(path, error) from None


def exposed_warning(path: Path | str) -> str:
    """The warning for a file with a password that is_exposed."""
    return f"{path}: holds a password and every user can read it, chmod 600 {path}"


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
