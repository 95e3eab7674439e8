"""The command line: which command, with which flags, and what its errors look like."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from . import __version__, logs
from .commands import demo, healthcheck, serve, simulate
from .errors import EXIT_USAGE, SmartHubError

PROGRAM = "smarthub-exporter"
COMMANDS = {"serve": serve, "demo": demo, "simulate": simulate, "healthcheck": healthcheck}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code (contract 1)."""
    arguments = build_parser().parse_args(argv)
    logs.set_up(arguments.log_level, arguments.log_format)
    try:
        return int(COMMANDS[arguments.command].run(arguments))
    except SmartHubError as error:
        for line in str(error).splitlines():
            print(f"{PROGRAM}: {line}", file=sys.stderr)  # noqa: T201 - for the person who typed the command
        return error.exit_code


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with a command line, and where to look."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(EXIT_USAGE, f"{PROGRAM}: error: {message}; see {self.prog} --help\n")


def build_parser() -> argparse.ArgumentParser:
    """All commands and flags."""
    shared = _Parser(add_help=False)
    shared.add_argument(
        "--config.file",
        "--config",
        dest="config_file",
        metavar="FILE",
        type=Path,
        help="configuration (default config.yaml where it exists, else the environment alone)",
    )
    shared.add_argument(
        "--state.dir",
        dest="state_dir",
        metavar="DIR",
        help="where to keep what outlives a restart (default $XDG_STATE_HOME/smarthub-exporter)",
    )
    shared.add_argument(
        "--log.level", dest="log_level", choices=tuple(logs.LEVELS), default="info", help="default info"
    )
    shared.add_argument(
        "--log.format", dest="log_format", choices=logs.FORMATS, default="logfmt", help="default logfmt"
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
    for name, command in COMMANDS.items():
        subparser = commands.add_parser(
            name, help=command.HELP, description=command.HELP, parents=[shared, version], allow_abbrev=False
        )
        command.add_flags(subparser)
    return parser
