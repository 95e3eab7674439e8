"""A file that is there only when it is whole: gathered in parts beside its place, and put there by one rename."""

import fcntl
import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from ..errors import ConfigError, DatabaseError
from .base import Sink

Key = tuple[str, ...]

_BLOCK = 256 * 1024


class FileSink(Sink):
    """A file, or standard output where `output` is None: it can neither be compared nor gone on with.

    kind: what messages call it. Parts grow on disk, one file each that is only open while something is added: neither
    memory nor open files grow with them.
    """

    kind: ClassVar[str]
    oldest_first = True
    resumes = False
    is_verified = False
    is_remote = False

    def __init__(self, output: Path | None, *, overwrite: bool) -> None:
        self.name = f"{self.kind} {output or 'to standard output'}"
        # A symbolic link stays one: what it points to is written.
        self._path = output.resolve() if output else None
        self._overwrite = overwrite
        self._folder: Path | None = None
        self._lock: int | None = None
        self._parts: dict[Key, Path] = {}

    def open(self, oldest: int) -> list[str]:  # noqa: ARG002 - a file keeps everything
        """Prove that it can be written. Raises ConfigError."""
        path = self._path
        if path and path.exists() and not path.is_file():
            raise ConfigError(f"{self.name}: that is no file; name a file, or - for standard output")
        if path and path.exists() and not self._overwrite:
            raise ConfigError(f"{self.name}: exists already; name another file, or write over it with --yes")
        if path and not path.parent.is_dir():
            raise ConfigError(f"{self.name}: there is no folder {path.parent}; make it first")
        try:
            if path:
                _remove_abandoned(path)
            self._folder = Path(tempfile.mkdtemp(f".{path.name}.part" if path else ".part", ".", path and path.parent))
            self._lock = _lock(self._folder)
        except OSError as error:
            raise ConfigError(
                f"{self.name}: no file can be made there ({error.strerror}); choose another place"
            ) from None
        return []

    def stream(self, data: bytes) -> None:
        """Hand data on to standard output at once. Raises DatabaseError."""
        with self._wrapped_errors():
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    def append(self, key: Key, text: str) -> None:
        """Add to a part. Raises DatabaseError."""
        assert self._folder is not None
        with self._wrapped_errors():
            part = self._parts.setdefault(key, self._folder / str(len(self._parts)))
            with part.open("ab") as file:
                file.write(text.encode())

    def publish(self) -> None:
        """Put the file where it belongs, made of all parts in the order of their keys. Raises DatabaseError."""
        assert self._folder is not None
        with self._wrapped_errors():
            if self._path is None:
                for block in self._blocks():
                    self.stream(block)
                return
            whole = self._folder / "whole"
            with whole.open("wb") as file:
                for block in self._blocks():
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            if self._path.exists() and not self._overwrite:
                raise DatabaseError(
                    "somebody else made it meanwhile", about=self.name, advice="remove it and run this again"
                )
            whole.replace(self._path)
            _sync_folder(self._path.parent)

    def _blocks(self) -> Iterator[bytes]:
        for _, part in sorted(self._parts.items()):
            with part.open("rb") as file:
                while block := file.read(_BLOCK):
                    yield block

    def close(self) -> None:
        """Remove all that was gathered."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def _wrapped_errors(self) -> Iterator[None]:
        """Make what the disk or a pipe complains of a DatabaseError."""
        try:
            yield
        except BrokenPipeError:
            # Else the interpreter complains once more when it ends and flushes what is left.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise DatabaseError("whoever read it has ended", about=self.name, advice="run it again") from None
        except OSError as error:
            raise DatabaseError(
                f"writing failed ({error.strerror})", about=self.name, advice="make room or choose another place"
            ) from error


def _lock(folder: Path) -> int | None:
    """Hold a folder for as long as this process lives; None where another one does."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _remove_abandoned(path: Path) -> None:
    """Remove what runs for the same file left behind that were killed."""
    for folder in path.parent.glob(f".*.{glob.escape(path.name)}.part"):
        lock = _lock(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _sync_folder(folder: Path) -> None:
    """So that the rename outlasts a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
