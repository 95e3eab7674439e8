"""Locks that processes share, as files beside the state file."""

import errno
import fcntl
import logging
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .owners import give_away

log = logging.getLogger(__name__)


class LockFiles:
    """Named locks for the threads of this process and, given a folder, for other processes too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[str, threading.Lock] = {}

    @contextmanager
    def hold(self, name: str, folder: Path | None) -> Iterator[None]:
        """Hold a lock. It is released if its holder dies."""
        with self._lock:
            lock = self._names.setdefault(name, threading.Lock())
        with lock, ExitStack() as stack:
            if folder is not None:
                try:
                    fcntl.flock(stack.enter_context(_opened(folder / f"{name}.lock")), fcntl.LOCK_EX)
                except OSError as error:
                    log.warning(
                        "cannot lock %s in %s (%s); check the permissions of the directory",
                        name,
                        folder,
                        error.strerror,
                    )
            yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open a lock file, which must be neither a link nor, as it would hang, a pipe."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        os.fchmod(file, 0o600)
        give_away(file, path.parent)
        yield file
    finally:
        os.close(file)
