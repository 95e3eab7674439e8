"""`check`: test every step from the configuration to the database and explain what to fix."""

import argparse
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing

from ..checks.databases import database_findings
from ..checks.findings import CheckItem, Finding, Heading, Verdict, ok, skipped, warning
from ..checks.login import login_findings
from ..checks.page_sizes import PageSizes
from ..checks.scraper import scraper_findings
from ..clock import SystemClock
from ..config import Config, Overrides, database_url, load_config
from ..databases.scraper import FLAG
from ..discovery.look_around import Busy, LookAround
from ..errors import EXIT_DONE, EXIT_FAILED, ConfigError
from ..formatting import counted
from ..intervals.model import LocationKey
from ..storage.state import StateFile
from ..terminal import Terminal


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `check`."""
    parser.add_argument(
        FLAG,
        dest="scrapers",
        metavar="URL",
        action="append",
        default=[],
        help="also check the Prometheus, vmagent or VictoriaMetrics that scrapes the exporter (repeatable)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Check everything; return EXIT_DONE, also with warnings, or EXIT_FAILED if a step failed. Raises ConfigError."""
    scrapers = [_url(each) for each in arguments.scrapers]
    config = load_config(
        arguments.config_file, os.environ, Overrides(state_dir=arguments.state_dir), require_zone=False
    )
    terminal = Terminal()
    findings: list[Finding] = []
    with terminal.waiting() as busy:
        for part in _parts(config, scrapers, busy):
            terminal.show(part)
            if isinstance(part, Finding):
                findings.append(part)
    terminal.say()
    terminal.say(_summary(findings))
    return EXIT_FAILED if any(each.verdict is Verdict.FAILED for each in findings) else EXIT_DONE


def _url(text: str) -> str:
    try:
        return database_url(text if "://" in text else f"http://{text}")
    except ValueError as error:
        # Without its advice: only a URL in the configuration has credentials.
        raise ConfigError(f"{FLAG}: {str(error).partition(';')[0]}") from None


def _summary(findings: Sequence[Finding]) -> str:
    """Return the last line, which claims no more than was checked."""
    count = Counter(each.verdict for each in findings)
    failures, warnings, left_out = (count[each] for each in (Verdict.FAILED, Verdict.WARNING, Verdict.SKIPPED))
    if failures:
        said = f"{failures} failed, {counted(warnings, 'warning')}"
    elif warnings:
        said = f"No failures, {counted(warnings, 'warning')}"
    else:
        said = "No problems found" if left_out else "All good"
    said += f", {counted(left_out, 'step')} skipped" if left_out else ""
    what = "it is" if failures + warnings == 1 else "they are"
    lost = f"; data is lost until {what} fixed" if any(each.loses_data for each in findings) else ""
    return f"{said}{lost}."


def _parts(config: Config, scrapers: Sequence[str], busy: Busy) -> Iterator[CheckItem]:
    yield Heading("Configuration")
    names = ", ".join(login.name for login in config.logins)
    yield ok("config", f"valid, {counted(len(config.logins), 'login')}: {names}")
    for text in config.warnings:
        yield warning("config", text)
    clock = SystemClock()
    state = StateFile(config.exporter.state_dir)
    looks = [LookAround(login, state, clock, busy) for login in config.logins]
    readers: dict[LocationKey, str] = {}
    with closing(state):
        for look in looks:
            yield from login_findings(look, readers)
        if state.sign_ins.unreadable:
            yield Heading("State")
            yield warning("state", f"sign-ins are paused: {state.sign_ins.unreadable}")
        elif not state.sign_ins.is_saved:
            yield Heading("State")
            yield warning(
                "state",
                f"cannot be saved in {config.exporter.state_dir}, so only one sign-in may be rejected until a restart",
                state.sign_ins.how_to_save,
            )
    pages = PageSizes.of(looks, config.exporter.window)
    busy("the databases")
    yield from database_findings(config, looks, now=clock.now(), pages=None if scrapers else pages)
    for url in scrapers:
        busy("the scraper")
        yield from scraper_findings(url, config, pages)
    yield from _not_checked(config, scrapers)


def _not_checked(config: Config, scrapers: Sequence[str]) -> Iterator[CheckItem]:
    left_out = []
    if config.victoriametrics is None and config.influxdb is None:
        left_out.append(skipped("database", "no database configured"))
    if not scrapers:
        advice = f"add {FLAG} URL, the address of the Prometheus, vmagent or VictoriaMetrics that scrapes"
        left_out.append(skipped("scraper", f"no scraper given ({FLAG})", advice))
    if left_out:
        yield Heading("Not checked")
        yield from left_out
