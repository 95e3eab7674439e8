"""What a check says, as lines that tests compare whole."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from exporter.checks.findings import Bars, CheckItem, Finding, Heading
from exporter.checks.login import LoginCheck
from exporter.config import Login
from exporter.storage.state import StateFile

from .clocks import ManualClock

Check = Callable[..., list[str]]


def lines(parts: Iterable[CheckItem]) -> list[str]:
    """A line for each part: `# heading`, `ok step: text -> advice`, `| title of bars`."""
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
    """The check of a login, with a state in memory."""
    return LoginCheck(login, StateFile(None), clock)


def checked(login: Login, clock: ManualClock) -> list[str]:
    """All that the check of a login says."""
    return lines(check_of(login, clock).run())


def without_zone(login: Login) -> Login:
    """The login as somebody has it who does not know the co-op's zone."""
    return replace(login, zone=None)
