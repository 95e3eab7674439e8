"""The output of a check, as lines that tests compare whole."""

from collections.abc import Callable, Iterable
from contextlib import closing

from exporter.checks.findings import Bars, CheckItem, Finding, Heading
from exporter.checks.login import login_findings
from exporter.clock import Clock
from exporter.config import Login
from exporter.discovery.look_around import Busy, LookAround, Step
from exporter.storage.state import StateFile

from .clocks import ManualClock

Check = Callable[..., list[str]]


def lines(parts: Iterable[CheckItem]) -> list[str]:
    """Return a line for each part: `# heading`, `ok step: text -> advice`, `| title of bars`."""
    return [_line(part) for part in parts]


def _line(part: CheckItem) -> str:
    match part:
        case Heading(text):
            return f"# {text}"
        case Finding(verdict, step, text, advice):
            return f"{verdict} {step}: {text}" + (f" -> {advice}" if advice else "")
        case Bars(title):
            return f"| {title}"


def run_check(login: Login, clock: Clock, busy: Busy = lambda _: None) -> tuple[LookAround, list[CheckItem]]:
    """Check a login with a state in memory; return its look around and what the check says.

    What the portal says about itself is left out: it is the same in nearly all of them.
    """
    with closing(StateFile(None)) as state:
        look = LookAround(login, state, clock, busy)
        items = list(login_findings(look, {}))
    return look, [each for each in items if not (isinstance(each, Finding) and each.step is Step.PORTAL)]


def checked(login: Login, clock: ManualClock) -> list[str]:
    """Return what the check of a login says."""
    return lines(run_check(login, clock)[1])
