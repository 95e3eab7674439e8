"""The findings of a check as lines of text that tests compare."""

from collections.abc import Callable, Iterable
from contextlib import closing

from exporter.checks.findings import Bars, CheckItem, Finding, Heading
from exporter.checks.login import login_findings
from exporter.config import Login
from exporter.discovery.look_around import LookAround
from exporter.portal.timezone_search import Busy
from exporter.storage.state import StateFile

from .clocks import ManualClock

Check = Callable[..., list[str]]


def lines(parts: Iterable[CheckItem]) -> list[str]:
    """Return one line per item: `# heading`, `ok step: text -> advice`, `| bars`."""
    return [_line(part) for part in parts]


def _line(part: CheckItem) -> str:
    match part:
        case Heading(text):
            return f"# {text}"
        case Finding(verdict, step, text, advice):
            return f"{verdict} {step}: {text}" + (f" -> {advice}" if advice else "")
        case Bars(title):
            return f"| {title}"


def check_of(login: Login, clock: ManualClock) -> LoginCheck:
    """Return the check of a login, with its state in memory."""
    return LoginCheck(login, StateFile(None), clock)


def checked(login: Login, clock: ManualClock) -> list[str]:
    """Return all findings of the check of a login."""
    return lines(check_of(login, clock).run())


def without_zone(login: Login) -> Login:
    """Return the login without a configured time zone."""
    return replace(login, zone=None)
