"""A program on a pseudo-terminal, with input typed by a test."""

import os
import pty
import re
import select
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from .deadlines import DEADLINE
from .services import spawn


class Typist:
    """A running program. `shown` is everything that the terminal has received so far.

    With `result_apart`, standard output goes to a file, `stdout`, and not to the terminal.
    """

    def __init__(
        self,
        *arguments: str,
        folder: Path,
        environment: Mapping[str, str],
        result_apart: bool = False,
        module: str = "exporter",
    ) -> None:
        self._master, slave = pty.openpty()
        self._at = 0
        self._file = folder / f"{len(list(folder.glob('*.stdout')))}.stdout"
        self.shown = ""
        with self._file.open("wb") as file:
            self.process = spawn(
                ["setsid", "--ctty", sys.executable, "-m", module, *arguments],
                folder=folder,
                stdin=slave,
                stdout=file if result_apart else slave,
                stderr=slave,
                environment=environment,
            )
        os.close(slave)

    @property
    def stdout(self) -> str:
        return self._file.read_text(encoding="utf-8")

    @property
    def text(self) -> str:
        """The final content of the screen, without colors and the spinner."""
        lines, row, column = [""], 0, 0
        for piece in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", self.shown):
            if piece == "\r":
                column = 0
            elif piece == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            elif piece == "\x1b[1A":
                row -= 1
            elif piece == "\x1b[2K":
                lines[row] = ""
            elif not piece.startswith("\x1b"):
                lines[row] = lines[row][:column].ljust(column) + piece + lines[row][column + len(piece) :]
                column += len(piece)
        return "\n".join(line.rstrip() for line in lines)

    def type(self, keys: str | bytes) -> None:
        os.write(self._master, keys.encode() if isinstance(keys, str) else keys)

    def answer(self, question: str, line: str) -> None:
        """Type a line once a question is shown."""
        self.see(question)
        self.type(f"{line}\n")

    def see(self, text: str) -> None:
        """Wait until a text is shown after the last text that was waited for."""
        deadline = time.monotonic() + DEADLINE
        while (found := self.shown.find(text, self._at)) < 0:
            assert time.monotonic() < deadline, f"timed out waiting for {text!r}: {self.shown!r}"
            assert self.reads(), f"ended without {text!r}: {self.shown!r}"
        self._at = found + len(text)

    def wait(self) -> int:
        """Read all output until the program ends and return the exit code."""
        deadline = time.monotonic() + DEADLINE
        while self.reads():
            assert time.monotonic() < deadline, f"still running: {self.shown!r}"
        assert "Traceback" not in self.shown + self.stdout
        return self.process.wait(DEADLINE)

    def reads(self) -> bool:
        """Read available output. Return False once the program has closed the terminal."""
        if not select.select([self._master], [], [], 0.2)[0]:
            return True
        try:
            part = os.read(self._master, 65536)
        except OSError:  # EIO: the other end is closed
            return False
        self.shown += part.decode("utf-8", "replace")
        return bool(part)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)
