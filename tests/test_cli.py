"""The command line as people use it: real processes, their exit codes, and what they print where."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
import yaml

from exporter import __version__

from .support.deadlines import DEADLINE

ROOT = Path(__file__).parents[1]
COMMANDS = ("serve", "backfill", "discover", "check", "demo", "simulate", "healthcheck")
PASSWORD = "pass-w0rd-that-nobody-may-see"


class Program:
    """`python -m exporter` as a process of its own, ended by its id when the test is over."""

    def __init__(self, *arguments: str, folder: Path, environment: Mapping[str, str]) -> None:
        number = len(list(folder.glob("*.stdout")))
        self._stdout, self._stderr = (folder / f"{number}.{name}" for name in ("stdout", "stderr"))
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "exporter", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=folder,
                env=dict(environment),
            )

    @property
    def stdout(self) -> str:
        return self._stdout.read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        return self._stderr.read_text(encoding="utf-8")

    def wait(self) -> int:
        """The exit code."""
        return self.process.wait(DEADLINE)

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Return as soon as the condition holds."""
        deadline = time.monotonic() + DEADLINE
        while not condition():
            assert self.process.poll() is None, f"ended while waiting for {what}: {self.stderr}"
            assert time.monotonic() < deadline, f"waited in vain for {what}: {self.stdout}{self.stderr}"
            time.sleep(0.01)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Ask it to end; gives the exit code and how many seconds that took."""
        started = time.monotonic()
        self.process.send_signal(number)
        try:
            code = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            pytest.fail(f"it does not end after {number.name}: {self.stderr}")
        return code, time.monotonic() - started

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()


class Starter:
    """Starts programs in a folder of their own, with an environment in which nothing is configured."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state-home"),
            "NO_PROXY": "*",
        }
        self._stack = ExitStack()

    def start(self, *arguments: str, **variables: str) -> Program:
        environment = {**self.environment, **variables}
        return self._stack.enter_context(Program(*arguments, folder=self.folder, environment=environment))

    def run(self, *arguments: str, **variables: str) -> Program:
        """Start a program and wait for its end."""
        program = self.start(*arguments, **variables)
        program.wait()
        return program

    def run_all(self, lines: Mapping[str, Sequence[str]]) -> dict[str, Program]:
        """The same for several at a time, by a name for each."""
        programs = {name: self.start(*arguments) for name, arguments in lines.items()}
        for program in programs.values():
            program.wait()
        return programs

    def config(self, content: Mapping[str, object] | str | bytes, name: str = "config.yaml") -> Path:
        """Write a configuration file."""
        text = content if isinstance(content, str | bytes) else yaml.safe_dump(dict(content))
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o600)
        return path

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[Starter]:
    starter = Starter(tmp_path)
    yield starter
    starter.close()


def login(**changes: object) -> dict[str, object]:
    """A complete login of a portal that nobody runs."""
    given = {
        "api_url": "http://127.0.0.1:9",
        "username": "member@example.org",
        "password": PASSWORD,
        "timezone": "America/New_York",
        **changes,
    }
    return {"smarthub": {key: value for key, value in given.items() if value is not None}}


def one_line(program: Program) -> str:
    """The only line that was printed, which is on standard error and no traceback."""
    assert program.stdout == ""
    assert "Traceback" not in program.stderr
    assert PASSWORD not in program.stderr
    (line,) = program.stderr.splitlines()
    assert line.startswith("smarthub-exporter: ")
    return line.removeprefix("smarthub-exporter: ")


# -- help and version


def test_the_version_is_told_everywhere(starter: Starter) -> None:
    programs = starter.run_all({name: (*name.split(), "--version") for name in ("", *COMMANDS)})
    told = f"smarthub-exporter {__version__}\n"
    assert {(each.wait(), each.stdout, each.stderr) for each in programs.values()} == {(0, told, "")}


SHARED_FLAGS = {"--config.file", "--config", "--state.dir", "--log.level", "--log.format", "--version", "-h"}
WEB_FLAGS = {"--web.listen-address", "--web.telemetry-path", "--web.config.file"}
FLAGS = {
    "serve": SHARED_FLAGS | WEB_FLAGS | {"--config.check"},
    "backfill": SHARED_FLAGS
    | {"--start", "--end", "--days", "--to", "--output", "--location"}
    | {"--dry-run", "--restart", "--yes", "--no-progress"},
    "discover": SHARED_FLAGS | {"--write", "--format", "--secrets", "--force"},
    "check": SHARED_FLAGS,
    "demo": SHARED_FLAGS | WEB_FLAGS,
    "simulate": SHARED_FLAGS | {"--listen-address"},
    "healthcheck": SHARED_FLAGS | {"--web.listen-address"},
    "": {*COMMANDS, "--version", "-h"},
}


def test_the_help_of_each_command_names_its_flags(starter: Starter) -> None:
    programs = starter.run_all({name: (*name.split(), "-h") for name in FLAGS})
    assert {(each.wait(), each.stderr) for each in programs.values()} == {(0, "")}
    for name, program in programs.items():
        assert FLAGS[name] <= set(program.stdout.replace(",", " ").split())


# -- bad flags


def test_a_bad_command_line_is_one_line_and_exit_code_2(starter: Starter) -> None:
    programs = starter.run_all(
        {
            "no command": (),
            "an unknown command": ("surf",),
            "an unknown flag": ("serve", "--nonsense", PASSWORD),
            "an unknown level": ("serve", "--log.level", "loud"),
            "a word too many": ("healthcheck", "now"),
        }
    )
    assert {name: (each.wait(), each.stdout) for name, each in programs.items()} == dict.fromkeys(programs, (2, ""))
    for program in programs.values():
        assert "Traceback" not in program.stderr
        assert "error: " in program.stderr.splitlines()[-1]
    assert {name: len(each.stderr.splitlines()) for name, each in programs.items()} == dict.fromkeys(programs, 1)


# -- bad configurations

BAD_CONFIGS: dict[str, tuple[Mapping[str, object] | str | bytes, str]] = {
    "no zone": (login(timezone=None), ": smarthub.timezone: missing"),
    "an unknown zone": (
        login(timezone="America/New_Yorck"),
        ': smarthub.timezone: unknown time zone "America/New_Yorck"',
    ),
    "an unknown key": (login(passwort="x"), ': smarthub.passwort: unknown key, did you mean "password"?'),
    "a bad address to listen on": ({**login(), "exporter": {"listen_address": "x"}}, ": exporter.listen_address: "),
    "no YAML": ("smarthub: [", ""),
    "no text": (b"\xff\xfe\x00smarthub", ""),
}


def test_a_bad_configuration_is_one_line_and_exit_code_2(starter: Starter) -> None:
    lines: dict[str, tuple[str, ...]] = {}
    for number, (name, (content, _)) in enumerate(BAD_CONFIGS.items()):
        starter.config(content, f"{number}.yaml")
        lines[name] = ("serve", "--web.listen-address=127.0.0.1:0", "--config.file", f"{number}.yaml")
        if name == "a bad address to listen on":
            lines[name] = ("serve", "--config.file", f"{number}.yaml")
    programs = starter.run_all(lines)
    assert {name: each.wait() for name, each in programs.items()} == dict.fromkeys(programs, 2)
    for number, (name, program) in enumerate(programs.items()):
        assert one_line(program).startswith(f"{number}.yaml")
        assert BAD_CONFIGS[name][1] in one_line(program)


def test_all_mistakes_are_told_at_once_each_with_its_place(starter: Starter) -> None:
    starter.config({**login(timezone="Mars/Olympus", usrname="x"), "extract_days": "many"})
    program = starter.run("serve")
    assert (program.wait(), program.stdout) == (2, "")
    lines = program.stderr.splitlines()
    assert len(lines) == 3
    for place in ("smarthub.timezone: ", "smarthub.usrname: ", "extract_days: "):
        assert sum(place in line for line in lines) == 1
    assert PASSWORD not in program.stderr


def test_without_any_configuration_it_is_told_what_to_do(starter: Starter) -> None:
    program = starter.run("serve")
    assert program.wait() == 2
    assert one_line(program) == (
        "no configuration: write a config.yaml, name a file with --config.file, or set SMARTHUB_API_URL,"
        " SMARTHUB_USERNAME, SMARTHUB_PASSWORD and SMARTHUB_TIMEZONE"
    )


def test_a_file_that_cannot_be_read_is_one_line_and_exit_code_2(starter: Starter) -> None:
    (starter.folder / "folder").mkdir()
    programs = starter.run_all(
        {"missing.yaml": ("serve", "--config.file", "missing.yaml"), "folder": ("serve", "--config", "folder")}
    )
    for name, program in programs.items():
        assert program.wait() == 2
        assert one_line(program).startswith(f"{name}: ")


def test_a_path_that_cannot_be_that_of_the_metrics_is_one_line_and_exit_code_2(starter: Starter) -> None:
    starter.config(login())
    paths = ("metrics", "/-/healthy")
    programs = starter.run_all({path: ("serve", f"--web.telemetry-path={path}", "--config.check") for path in paths})
    for path, program in programs.items():
        assert program.wait() == 2
        assert one_line(program) == f"--web.telemetry-path: {path!r} is no path of its own, give one such as /metrics"


def test_a_bad_web_configuration_is_told_without_secrets_and_exit_code_2(starter: Starter) -> None:
    starter.config(login())
    starter.config("basic_auth_users: {farm: " + PASSWORD + "}", "hash.yaml")
    starter.config("tls_server_config: {cert_file: a.pem, key_file: b.pem}", "certificate.yaml")
    flags = ("--web.listen-address=127.0.0.1:0", "--web.config.file")
    programs = starter.run_all(
        {
            "basic_auth_users": ("serve", *flags, "hash.yaml"),
            "a.pem": ("demo", *flags, "certificate.yaml"),
            "missing.yaml": ("serve", *flags, "missing.yaml"),
        }
    )
    for said, program in programs.items():
        assert (program.wait(), program.stdout) == (2, "")
        assert said in program.stderr
        assert PASSWORD not in program.stderr
        assert "Traceback" not in program.stderr
        assert all(line.startswith("smarthub-exporter: ") for line in program.stderr.splitlines())


# -- checking a configuration


def test_a_good_configuration_can_be_checked(starter: Starter) -> None:
    config = starter.config(login())
    program = starter.run("serve", "--config.check", "--config.file", str(config))
    assert program.wait() == 0
    assert program.stdout == "The configuration is valid: 1 login(s).\n"
    assert program.stderr == ""
    assert not (starter.folder / "state-home").exists()


def test_warnings_do_not_make_a_configuration_wrong(starter: Starter) -> None:
    starter.config(login()).chmod(0o644)
    program = starter.run("serve", "--config.check")
    assert program.wait() == 0
    assert "level=warn" in program.stderr
    assert PASSWORD not in program.stdout + program.stderr


def test_serve_and_healthcheck_load_nothing_that_only_people_need(starter: Starter) -> None:
    config = starter.config(login())
    for command in (
        ("serve", "--config.check", "--config.file", str(config)),
        ("healthcheck", "--config", str(config)),
    ):
        script = "import sys; from exporter.cli import main; main(sys.argv[1:]); print('rich' in sys.modules)"
        told = subprocess.run(
            [sys.executable, "-c", script, *command],
            env=starter.environment,
            cwd=starter.folder,
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.splitlines()[-1] == "False"
