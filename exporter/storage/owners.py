"""Who owns the files in a directory, so that commands run as root leave them to the service."""

import os
import shlex
import stat
from contextlib import suppress
from pathlib import Path


def create(path: Path) -> int:
    """Create a private file for writing, owned like its directory. Raises FileExistsError if there is one."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    give_away(file, path.parent)
    return file


def give_away(file: int, folder: Path) -> None:
    """As root, give an open file the owner and group of its directory.

    A file with another name elsewhere is left alone, because the owner of the directory may have linked it there.
    """
    if os.geteuid() != 0:
        return
    found, owner = os.fstat(file), folder.stat()
    is_own = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
    if is_own and (found.st_uid, found.st_gid) != (owner.st_uid, owner.st_gid):
        with suppress(OSError):  # some file systems and containers do not allow it
            os.fchown(file, owner.st_uid, owner.st_gid)


def how_to_allow(path: Path, folder: Path) -> str:
    """Return what makes a file in a directory, or the directory itself, accessible to this process."""
    user = os.geteuid()
    try:
        is_own = path.lstat().st_uid == user
    except OSError:
        is_own = True
    if is_own:
        return f"make {path} readable and writable for its owner"
    return f"it belongs to another user; run: sudo chown -R {user}:{os.getegid()} {shlex.quote(str(folder))}"
