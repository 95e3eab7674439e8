"""`check`: every step from the configuration to the database, each ok or with what to do."""

import argparse
import os
from collections.abc import Iterator

from ..checks.databases import database_findings
from ..checks.findings import CheckItem, Finding, Heading, Verdict
from ..checks.login import LoginCheck
from ..clock import SystemClock
from ..config import Config, Overrides, load_config
from ..errors import EXIT_DONE, EXIT_FAILED
from ..portal.timezone_search import Busy
from ..storage.state import StateFile
from ..terminal import Terminal


def add_flags(_: argparse.ArgumentParser) -> None:
    """`check` has none of its own."""


def run(arguments: argparse.Namespace) -> int:
    """Check everything; gives EXIT_DONE with warnings too, EXIT_FAILED where a step failed. Raises ConfigError."""
    config = load_config(
        arguments.config_file, os.environ, Overrides(state_dir=arguments.state_dir), require_zone=False
    )
    terminal = Terminal()
    verdicts: list[Verdict] = []
    with terminal.waiting() as busy:
        for part in _parts(config, busy):
            terminal.show(part)
            if isinstance(part, Finding):
                verdicts.append(part.verdict)
    terminal.say()
    terminal.say(_summary(verdicts))
    return EXIT_FAILED if Verdict.FAILED in verdicts else EXIT_DONE


def _parts(config: Config, busy: Busy) -> Iterator[CheckItem]:
    yield Heading("Configuration")
    names = ", ".join(login.name for login in config.logins)
    count = len(config.logins)
    yield Finding(Verdict.OK, "configuration", f"valid, {count} login{'' if count == 1 else 's'}: {names}")
    for warning in config.warnings:
        yield Finding(Verdict.WARNING, "configuration", warning)
    clock = SystemClock()
    state = StateFile(config.exporter.state_dir)
    checks = [LoginCheck(login, state, clock, busy=busy) for login in config.logins]
    try:
        for check in checks:
            yield from check.run()
    finally:
        state.close()
    busy("the databases")
    yield from database_findings(config, checks, now=clock.now())


def _summary(verdicts: list[Verdict]) -> str:
    failed, count = verdicts.count(Verdict.FAILED), verdicts.count(Verdict.WARNING)
    warnings = f"{count} warning" + ("" if count == 1 else "s")
    if failed:
        return f"{failed} failed, {warnings}."
    return f"Good, with {warnings}." if count else "All good."
