"""`check`: test every step from the configuration to the database and explain what to fix."""

import argparse
import os
from collections.abc import Iterator
from contextlib import closing

from ..checks.databases import database_findings
from ..checks.findings import CheckItem, Finding, Heading, Verdict, ok, warning
from ..checks.login import login_findings
from ..clock import SystemClock
from ..config import Config, Overrides, load_config
from ..discovery.look_around import Busy, LookAround
from ..errors import EXIT_DONE, EXIT_FAILED
from ..formatting import counted
from ..storage.state import StateFile
from ..terminal import Terminal


def add_flags(_: argparse.ArgumentParser) -> None:
    """`check` has no flags of its own."""


def run(arguments: argparse.Namespace) -> int:
    """Check everything; return EXIT_DONE, also with warnings, or EXIT_FAILED if a step failed. Raises ConfigError."""
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
    failed, warnings = verdicts.count(Verdict.FAILED), counted(verdicts.count(Verdict.WARNING), "warning")
    if failed:
        terminal.say(f"{failed} failed, {warnings}.")
        return EXIT_FAILED
    terminal.say(f"No failures, {warnings}." if Verdict.WARNING in verdicts else "All good.")
    return EXIT_DONE


def _parts(config: Config, busy: Busy) -> Iterator[CheckItem]:
    yield Heading("Configuration")
    names = ", ".join(login.name for login in config.logins)
    yield ok("configuration", f"valid, {counted(len(config.logins), 'login')}: {names}")
    for text in config.warnings:
        yield warning("configuration", text)
    clock = SystemClock()
    state = StateFile(config.exporter.state_dir)
    looks = [LookAround(login, state, clock, busy) for login in config.logins]
    with closing(state):
        for look in looks:
            yield from login_findings(look)
        if state.sign_ins.unreadable:
            yield Heading("State")
            yield warning("state", f"no sign-in is allowed: {state.sign_ins.unreadable}")
        elif not state.sign_ins.is_saved:
            yield Heading("State")
            yield warning(
                "state",
                f"cannot be saved in {config.exporter.state_dir}, so one rejected sign-in is the last until a restart",
                state.sign_ins.how_to_save,
            )
    busy("the databases")
    yield from database_findings(config, looks, now=clock.now())
