"""The command line, as a process of its own or inside this one."""

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self
from unittest.mock import patch

import pytest
import yaml

from exporter import cli

from .deadlines import DEADLINE
from .services import ROOT, spawn, wait_until

PASSWORD = "pass-w0rd-that-nobody-may-see"
_LOGGERS = ("exporter", "urllib3")


class Result(Protocol):
    """What a command printed, and its exit code."""

    @property
    def stdout(self) -> str: ...
    @property
    def stderr(self) -> str: ...
    def wait(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    def wait(self) -> int:
        """Return the exit code, like a Program."""
        return self.code


class Program:
    """`python -m exporter` as a process of its own, killed at the end of the test."""

    def __init__(self, *arguments: str, folder: Path, environment: Mapping[str, str], module: str = "exporter") -> None:
        number = len(list(folder.glob("*.stdout")))
        self._stdout, self._stderr = (folder / f"{number}.{name}" for name in ("stdout", "stderr"))
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            command = [sys.executable, "-m", module, *arguments]
            self.process = spawn(command, folder=folder, stdout=stdout, stderr=stderr, environment=environment)

    @property
    def stdout(self) -> str:
        return self._stdout.read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        return self._stderr.read_text(encoding="utf-8")

    def wait(self, within: float = DEADLINE) -> int:
        """Wait for the end of the program and return the exit code."""
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still running: {self.stderr}")

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Return once the condition holds.

        `what` completes the error 'timed out waiting for ...'.
        """

        def holds() -> bool:
            assert self.process.poll() is None, f"ended while waiting for {what}: {self.stderr}"
            return condition()

        wait_until(holds, what)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; return the exit code and how many seconds the end took."""
        started = time.monotonic()
        self.process.send_signal(number)
        return self.wait(), time.monotonic() - started

    def kill(self) -> None:
        """Kill it at once, like a power failure."""
        self.process.kill()
        self.process.wait()


class Starter(ExitStack):
    """Start programs in a folder, with an environment in which nothing is configured."""

    def __init__(self, folder: Path, module: str = "exporter") -> None:
        super().__init__()
        self.folder = folder
        self.module = module
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state-home"),
            "NO_PROXY": "*",
            "SMARTHUB_DIRECTORY_URL": "http://127.0.0.1:9",  # nothing is looked up outside this machine
        }

    def start(self, *arguments: str, **variables: str) -> Program:
        environment = {**self.environment, **variables}
        program = Program(*arguments, folder=self.folder, environment=environment, module=self.module)
        self.callback(program.kill)
        return program

    def run(self, *arguments: str, **variables: str) -> Program:
        """Start a program and wait until it has ended."""
        program = self.start(*arguments, **variables)
        program.wait()
        return program

    def call(self, *arguments: str, **variables: str) -> Ended:
        """Run a command inside this process, which takes less time.

        For tests about its exit code and output; signals and terminals need a process.
        """
        stdout, stderr = self.folder / "call.stdout", self.folder / "call.stderr"
        with (
            _process_state(self.folder, {**self.environment, **variables}, arguments),
            stdout.open("w", encoding="utf-8") as out,
            stderr.open("w", encoding="utf-8") as error,
            redirect_stdout(out),
            redirect_stderr(error),
        ):
            try:
                code = self.main()
            except SystemExit as ended:  # from argparse
                code = int(ended.code or 0)
        return Ended(code, stdout.read_text(encoding="utf-8"), stderr.read_text(encoding="utf-8"))

    def main(self) -> int:
        """Run the command in `sys.argv`."""
        return cli.main()

    def call_all(self, lines: Mapping[str, Sequence[str]]) -> dict[str, Ended]:
        """Run several commands inside this process, each under a name."""
        return {name: self.call(*arguments) for name, arguments in lines.items()}

    def config(self, content: Mapping[str, object] | str | bytes, name: str = "config.yaml") -> Path:
        """Write a configuration file."""
        text = content if isinstance(content, str | bytes) else yaml.safe_dump(dict(content))
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o600)
        return path


class _Signals:
    """Stands for the class Stopping: no signal comes before the end, and this process keeps its handlers."""

    def __init__(self) -> None:
        self._ended = threading.Event()

    def __call__(self) -> Self:
        return self

    def wait(self) -> bool:
        return self._ended.wait()

    def close(self) -> None:
        self._ended.set()


@contextmanager
def _process_state(folder: Path, environment: Mapping[str, str], arguments: Sequence[str]) -> Iterator[None]:
    """Set what belongs to the process as a new one has it, and restore it afterwards."""
    before, thresholds, root = Path.cwd(), gc.get_threshold(), logging.getLogger()
    handlers, level, levels = root.handlers[:], root.level, {name: logging.getLogger(name).level for name in _LOGGERS}
    with (
        patch.dict(os.environ, environment, clear=True),
        patch.object(sys, "argv", ["smarthub-exporter", *arguments]),
        Path(os.devnull).open(encoding="utf-8") as nothing,
        patch.object(sys, "stdin", nothing),
        closing(_Signals()) as signals,
        ExitStack() as stack,
    ):
        for command in ("backfill", "demo", "serve", "simulate"):
            stack.enter_context(patch(f"exporter.commands.{command}.Stopping", signals))
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
            gc.set_threshold(*thresholds)
            root.handlers[:] = handlers
            root.setLevel(level)
            for name, former in levels.items():
                logging.getLogger(name).setLevel(former)


def login(**changes: object) -> dict[str, object]:
    """Return the configuration of a complete login, for a portal that does not exist."""
    given = {
        "api_url": "http://127.0.0.1:9",
        "username": "member@example.org",
        "password": PASSWORD,
        "timezone": "America/New_York",
        **changes,
    }
    return {"smarthub": {key: value for key, value in given.items() if value is not None}}


def one_line(program: Result) -> str:
    """Return the only line of output, which must be an error message."""
    assert program.stdout == ""
    assert "Traceback" not in program.stderr
    assert PASSWORD not in program.stderr
    (line,) = program.stderr.splitlines()
    assert line.startswith("smarthub-exporter: ")
    return line.removeprefix("smarthub-exporter: ")
