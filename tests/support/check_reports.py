"""What a check says, as lines that tests compare whole."""

from collections.abc import Callable, Iterable
from contextlib import closing

from exporter.checks.findings import Bars, CheckItem, Finding, Heading
from exporter.checks.login import LoginCheck
from exporter.config import Login
from exporter.portal.timezone_search import Busy
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


def run_check(login: Login, clock: ManualClock, busy: Busy = lambda _: None) -> tuple[LoginCheck, list[CheckItem]]:
    """The check of a login after it was run, and all that it says; with a state in memory."""
    with closing(StateFile(None)) as state:
        check = LoginCheck(login, state, clock, busy=busy)
        return check, list(check.run())


def checked(login: Login, clock: ManualClock) -> list[str]:
    """All that the check of a login says."""
    return lines(run_check(login, clock)[1])
