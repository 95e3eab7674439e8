"""A file that appears only when complete, by renaming it into place."""

import fcntl
import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ConfigError, DatabaseError
from .base import Sink

Key = tuple[str, ...]

_BLOCK = 256 * 1024


class FileSink(Sink):
    """A file, or standard output if `output` is None.

    It can be neither verified nor resumed.

    Each part is a file on disk that is open only while something is added, so that
    memory use and open files do not grow with the parts.
    """

    oldest_first = True
    resumes = False
    is_verified = False
    is_remote = False

    def __init__(self, output: Path | None, *, overwrite: bool) -> None:
        self.name = self.title = str(output or "standard output")
        # A symbolic link is kept: the file it points to is written.
        self._path = output.resolve() if output else None
        self._overwrite = overwrite
        self._folder: Path | None = None
        self._lock: int | None = None
        self._parts: dict[Key, Path] = {}

    def open(self, oldest: int) -> list[str]:  # noqa: ARG002 - a file keeps everything
        """Check that the file can be written. Raises ConfigError."""
        path = self._path
        if path and path.exists() and not path.is_file():
            raise ConfigError(f"{self.name}: not a regular file; name a file, or - for standard output")
        if path and path.exists() and not self._overwrite:
            raise ConfigError(f"{self.name}: already exists; use --yes to overwrite it, or name another file")
        if path and not path.parent.is_dir():
            raise ConfigError(f"{self.name}: no such directory: {path.parent}; create it first")
        try:
            if path:
                _remove_abandoned(path)
            self._folder = Path(tempfile.mkdtemp(f".{path.name}.part" if path else ".part", ".", path and path.parent))
            self._lock = _lock(self._folder)
        except OSError as error:
            raise ConfigError(
                f"{self.name}: cannot create a file there ({error.strerror}); choose another directory"
            ) from None
        return []

    def stream(self, data: bytes) -> None:
        """Write data to standard output at once. Raises DatabaseError."""
        with self._wrapped_errors():
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            self.has_streamed = True

    def append(self, key: Key, text: str) -> None:
        """Append text to a part. Raises DatabaseError."""
        assert self._folder is not None
        with self._wrapped_errors():
            part = self._parts.setdefault(key, self._folder / str(len(self._parts)))
            with part.open("ab") as file:
                file.write(text.encode())

    def publish(self) -> None:
        """Join all parts in the order of their keys and move the file into place.

        Raises DatabaseError.
        """
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
                    "another program created it in the meantime",
                    about=self.name,
                    advice="remove it and run the command again",
                )
            self.size = whole.stat().st_size
            whole.replace(self._path)
            # The rename, too, must survive a power failure.
            handle = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def _blocks(self) -> Iterator[bytes]:
        for _, part in sorted(self._parts.items()):
            with part.open("rb") as file:
                while block := file.read(_BLOCK):
                    yield block

    def close(self) -> None:
        """Remove the parts."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def _wrapped_errors(self) -> Iterator[None]:
        """Turn errors of the disk or of a pipe into a DatabaseError."""
        try:
            yield
        except BrokenPipeError:
            # Otherwise the interpreter fails again when it flushes the rest at its end.
            self.has_streamed = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise DatabaseError("the reader closed the pipe", about=self.name, advice="run the command again") from None
        except OSError as error:
            raise DatabaseError(
                f"cannot write ({error.strerror})",
                about=self.name,
                advice="free some space or choose another directory",
            ) from error


def _lock(folder: Path) -> int | None:
    """Lock a folder for the lifetime of this process.

    Return None if another process holds it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _remove_abandoned(path: Path) -> None:
    """Remove what killed runs for the same file left behind."""
    for folder in path.parent.glob(f".*.{glob.escape(path.name)}.part"):
        lock = _lock(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
