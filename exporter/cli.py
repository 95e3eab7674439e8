"""The command line: commands, shared flags, and how errors are printed."""

import argparse
import errno
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn, Protocol

from . import __version__, logs
from .errors import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, EXIT_USAGE, SmartHubError
from .formatting import printable

PROGRAM = "smarthub-exporter"
COMMANDS = {
    "serve": "serve /metrics, refreshed from the portal in the background",
    "backfill": "load history into a database or a file",
    "discover": "sign in and list accounts, locations and meters; write a configuration",
    "check": "test everything from configuration to database and explain what to fix",
    "demo": "try everything on a simulated portal, without configuration, login or database",
    "simulate": "run only the simulated portal",
    "healthcheck": "exit with code 0 if the exporter is healthy",
}
"""What each command does; its module in `commands` has the same name."""

_NOT_WRITTEN = (errno.EPIPE, errno.ENOSPC, errno.EBADF)
_TALKING = ("backfill", "discover", "check")  # these print their results for people
_SERVING = ("serve", "demo", "simulate")  # these exit with 0 when interrupted


class _Command(Protocol):
    """The functions of a command's module."""

    def add_flags(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace) -> int: ...


def main(argv: Sequence[str] | None = None, load: "Callable[[str], _Command] | None" = None) -> int:
    """Run a command and return its exit code.

    load: Loads the module of a command by its name.
    """
    load = load or _module
    typed = sys.argv[1:] if argv is None else argv
    command = next((word for word in typed if word in COMMANDS), None)
    try:
        arguments = build_parser([command] if command else COMMANDS).parse_args(argv)
        logs.set_up(arguments.log_level or ("warn" if arguments.command in _TALKING else "info"), arguments.log_format)
        loaded = load(arguments.command)
        # Not earlier: an interrupt during an import may end the process by a signal even though it is handled.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
        code = int(loaded.run(arguments))
        sys.stdout.flush()
    except SmartHubError as error:
        for line in str(error).splitlines():
            print(f"{PROGRAM}: {printable(line)}", file=sys.stderr)  # noqa: T201 - for the person who typed the command
        return error.exit_code
    except OSError as error:
        if error.errno not in _NOT_WRITTEN or error.filename is not None:
            raise
        return _could_not_write(error)
    except KeyboardInterrupt:
        print(f"\n{PROGRAM}: interrupted", file=sys.stderr)  # noqa: T201
        return {"backfill": EXIT_PARTLY, **dict.fromkeys(_SERVING, EXIT_DONE)}.get(command or "", EXIT_FAILED)
    return code


def _module(command: str) -> _Command:
    """Load the module of a command; those of the others take time and memory."""
    return import_module(f".commands.{command}", __package__)


def _could_not_write(error: OSError) -> int:
    """Handle standard output that cannot be written: a full disk, or a pipe closed as by `| head`."""
    # Otherwise the interpreter tries again when it exits, and complains.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if not isinstance(error, BrokenPipeError):
        print(f"{PROGRAM}: cannot write the result: {error.strerror}", file=sys.stderr)  # noqa: T201
    return EXIT_FAILED


class _Parser(argparse.ArgumentParser):
    """Reports a wrong command line in one line, and where to find help."""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2."""
        self.exit(EXIT_USAGE, f"{PROGRAM}: error: {message}; see {self.prog} --help\n")


def build_parser(complete: Iterable[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """Return the parser of all commands; those in `complete` have their flags."""
    shared = _Parser(add_help=False)
    shared.add_argument(
        "--config.file",
        "--config",
        dest="config_file",
        metavar="FILE",
        type=Path,
        help="configuration file (default: config.yaml if it exists, otherwise only the environment)",
    )
    shared.add_argument(
        "--state.dir",
        dest="state_dir",
        metavar="DIR",
        help="directory for persistent state (default: $XDG_STATE_HOME/smarthub-exporter)",
    )
    shared.add_argument(
        "--log.level",
        dest="log_level",
        choices=tuple(logs.LEVELS),
        help="log level (default: info; warn for backfill, discover and check)",
    )
    shared.add_argument(
        "--log.format", dest="log_format", choices=logs.FORMATS, default="logfmt", help="log format (default: logfmt)"
    )
    version = _Parser(add_help=False)
    version.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser = _Parser(
        prog=PROGRAM,
        description="Usage and cost from NISC SmartHub portals, interval by interval, for Prometheus and"
        " VictoriaMetrics.",
        parents=[version],
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        subparser = commands.add_parser(
            name, help=purpose, description=purpose, parents=[shared, version], allow_abbrev=False
        )
        if name in complete:
            _module(name).add_flags(subparser)
    return parser
