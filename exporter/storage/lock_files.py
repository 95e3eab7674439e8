"""Locks that processes share, as files beside the state file."""

import fcntl
import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

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
                    file = stack.enter_context((folder / f"{name}.lock").open("w"))
                    fcntl.flock(file, fcntl.LOCK_EX)
                except OSError as error:
                    log.warning(
                        "cannot lock %s in %s (%s); check the permissions of the directory",
                        name,
                        folder,
                        error.strerror,
                    )
            yield
