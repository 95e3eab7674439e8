"""The command line as people use it: processes, exit codes and output."""

import signal
import subprocess
import sys
from collections.abc import Mapping

import pytest

from exporter import __version__

from .support.program import PASSWORD, Starter, login, one_line

COMMANDS = ("serve", "backfill", "discover", "check", "demo", "simulate", "healthcheck")


# -- help and version


def test_every_command_prints_the_version(starter: Starter) -> None:
    programs = starter.call_all({name: (*name.split(), "--version") for name in ("", *COMMANDS)})
    expected = f"smarthub-exporter {__version__}\n"
    assert {(each.wait(), each.stdout, each.stderr) for each in programs.values()} == {(0, expected, "")}


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
    programs = starter.call_all({name: (*name.split(), "-h") for name in FLAGS})
    assert {(each.wait(), each.stderr) for each in programs.values()} == {(0, "")}
    for name, program in programs.items():
        assert FLAGS[name] <= set(program.stdout.replace(",", " ").split())


# -- bad flags


def test_a_bad_command_line_is_one_line_and_exit_code_2(starter: Starter) -> None:
    programs = starter.call_all(
        {
            "no command": (),
            "an unknown command": ("surf",),
            "an unknown flag": ("serve", "--nonsense", PASSWORD),
            "an unknown level": ("serve", "--log.level", "loud"),
            "an extra argument": ("healthcheck", "now"),
        }
    )
    assert {name: (each.wait(), each.stdout) for name, each in programs.items()} == dict.fromkeys(programs, (2, ""))
    for program in programs.values():
        assert "error: " in program.stderr.splitlines()[-1]
    assert {name: len(each.stderr.splitlines()) for name, each in programs.items()} == dict.fromkeys(programs, 1)


# -- bad configurations

BAD_CONFIGS: dict[str, tuple[Mapping[str, object] | str | bytes, str]] = {
    "no zone": (login(timezone=None), ": smarthub.timezone: missing"),
    "an unknown zone": (login(timezone="America/New_Yorck"), ": smarthub.timezone: unknown time zone "),
    "an unknown key": (login(passwort="x"), ": smarthub.passwort: unknown key; "),
    "a bad address to listen on": ({**login(), "exporter": {"listen_address": "x"}}, ": exporter.listen_address: "),
    "not YAML": ("smarthub: [", ""),
    "not text": (b"\xff\xfe\x00smarthub", ""),
}


def test_a_bad_configuration_is_one_line_and_exit_code_2(starter: Starter) -> None:
    lines: dict[str, tuple[str, ...]] = {}
    for number, (name, (content, _)) in enumerate(BAD_CONFIGS.items()):
        starter.config(content, f"{number}.yaml")
        lines[name] = ("serve", "--config.file", f"{number}.yaml")
    programs = starter.call_all(lines)
    assert {name: each.wait() for name, each in programs.items()} == dict.fromkeys(programs, 2)
    for number, (name, program) in enumerate(programs.items()):
        assert one_line(program).startswith(f"{number}.yaml")
        assert BAD_CONFIGS[name][1] in one_line(program)


def test_without_any_configuration_it_says_what_to_do(starter: Starter) -> None:
    program = starter.call("serve")
    assert program.wait() == 2
    assert one_line(program).startswith("config.yaml: ")


def test_a_bad_telemetry_path_is_one_line_and_exit_code_2(starter: Starter) -> None:
    starter.config(login())
    program = starter.call("serve", "--web.telemetry-path=metrics", "--config.check")
    assert program.wait() == 2
    assert one_line(program).startswith("--web.telemetry-path: 'metrics' ")


def test_a_bad_web_configuration_is_reported_without_secrets(starter: Starter) -> None:
    starter.config(login())
    starter.config("basic_auth_users: {farm: " + PASSWORD + "}", "hash.yaml")
    starter.config("tls_server_config: {cert_file: a.pem, key_file: b.pem}", "certificate.yaml")
    flags = ("--web.listen-address=127.0.0.1:0", "--web.config.file")
    programs = starter.call_all(
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
        assert all(line.startswith("smarthub-exporter: ") for line in program.stderr.splitlines())


# -- checking a configuration


def test_a_good_configuration_can_be_checked(starter: Starter) -> None:
    config = starter.config(login())
    program = starter.call("serve", "--config.check", "--config.file", str(config))
    assert program.wait() == 0
    assert program.stdout == "The configuration is valid: 1 login.\n"
    assert program.stderr == ""
    assert not (starter.folder / "state-home").exists()


def test_warnings_do_not_make_a_configuration_invalid(starter: Starter) -> None:
    starter.config(login()).chmod(0o644)
    program = starter.call("serve", "--config.check")
    assert program.wait() == 0
    assert "level=warn" in program.stderr
    assert PASSWORD not in program.stdout + program.stderr


def test_serve_and_healthcheck_do_not_load_rich(starter: Starter) -> None:
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


# -- signals while it starts

EARLY = """
import os, sys
from exporter import __main__

class Finder:
    def find_spec(self, name, path, target=None):
        if name == module:
            os.kill(os.getpid(), int(number))

sys.meta_path.insert(0, Finder())
_, command, number, module = sys.argv
sys.argv = ["smarthub-exporter", command]
sys.exit(__main__.run())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("command", "code"), [("serve", 0), ("backfill", 3), ("check", 1)])
def test_a_signal_during_the_start_ends_it_cleanly(command: str, code: int, number: signal.Signals) -> None:
    for module in ("exporter.cli", f"exporter.commands.{command}"):
        script = [sys.executable, "-c", EARLY, command, str(int(number)), module]
        finished = subprocess.run(script, capture_output=True, text=True, check=False)
        assert (finished.returncode, finished.stdout) == (code, "")
        assert "Traceback" not in finished.stderr


# -- errors

REFUSING = r"""
import sys, types
from exporter import cli, errors

def run(arguments):
    raise errors.DatabaseError("version \x1b[2J")

sys.exit(cli.main(["serve"], lambda _: types.SimpleNamespace(run=run)))
"""


def test_an_error_never_controls_the_terminal() -> None:
    finished = subprocess.run([sys.executable, "-c", REFUSING], capture_output=True, check=False)
    assert (finished.returncode, finished.stderr) == (1, b"smarthub-exporter: version \\x1b[2J\n")
