"""The console: results on standard output, questions on standard error."""

import getpass
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .checks.findings import Bars, CheckItem, Finding, Heading, Verdict
from .formatting import printable

_COLORS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "bold red", Verdict.SKIPPED: "dim"}
_VERDICT_WIDTH = max(len(verdict) for verdict in Verdict)
_STEP_WIDTH = 16
WIDTH_WITHOUT_TERMINAL = 120  # columns


class _PlainConsole(Console):
    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401
        super().print(*(printable(each) if isinstance(each, str) else each for each in objects), **options)


def plain_console(*, stderr: bool = False, width: int | None = None) -> Console:
    """Return a console that prints text as it is: no markup, emoji or highlighting, and nothing that controls it."""
    return _PlainConsole(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table without borders whose cells are shown as they are."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", min_width=len(column))
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def is_interactive() -> bool:
    """Check whether questions can be asked: input and errors are on a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


class Terminal:
    """Standard output and standard error of an interactive command."""

    def __init__(self) -> None:
        width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
        if isinstance(sys.stdout, TextIOWrapper):
            # Nicknames may have letters that the encoding of the terminal lacks.
            sys.stdout.reconfigure(errors="replace")
        self._out = plain_console(width=width)
        self._error = plain_console(stderr=True)
        self._status = self._error.status("")

    @contextmanager
    def waiting(self) -> Iterator[Callable[[str], None]]:
        """Yield a function that shows what is being waited for, on a terminal only."""
        spins = self._error.is_terminal

        def busy(what: str) -> None:
            if spins and what:
                self._status.update(Text(f"waiting for {what}"))
                self._status.start()
            else:
                self._status.stop()

        try:
            yield busy
        finally:
            self._status.stop()

    def say(self, line: str | Text = "") -> None:
        """Print a line of the result."""
        self._status.stop()
        self._out.print(line, soft_wrap=True)

    def show(self, part: CheckItem) -> None:
        """Print one item of a check."""
        match part:
            case Heading(text):
                self.say()
                self.say(Text(printable(text), style="bold"))
            case Finding(verdict, step, text, advice):
                line = Text("  ")
                line.append(f"{verdict:<{_VERDICT_WIDTH}}", style=_COLORS[verdict])
                line.append(f"  {step:<{_STEP_WIDTH}}  {printable(text)}")
                self.say(line)
                if advice:
                    self.say(" " * (_VERDICT_WIDTH + _STEP_WIDTH + 6) + "-> " + advice)
            case Bars(title, bars):
                plain = not (self._out.encoding or "").lower().startswith("utf")
                self.say()
                for drawn in (title, *chart(bars, plain=plain)):
                    self.say(f"  {drawn}")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table.

        The last column gets the remaining width; a row may have several lines.
        """
        self._status.stop()
        self._out.print(plain_table(columns, rows))

    # -- questions

    def ask(self, question: str, check: Callable[[str], object] = str) -> str:
        """Read a line, asking again while `check` raises ValueError.

        Return an empty text if there is no answer.
        """
        return self._asked(lambda: input_on_stderr(f"{question}: ").strip(), check)

    def ask_secret(self, question: str, check: Callable[[str], object] = str) -> str:
        """Read a line like `ask`, without showing it while it is typed."""
        return self._asked(lambda: getpass.getpass(f"{question}: "), check)

    def complain(self, line: str) -> None:
        """Print a line on standard error before the next question."""
        self._status.stop()
        self._error.print(line, soft_wrap=True)

    def confirm(self, question: str) -> bool:
        """Ask a yes or no question. Enter alone means no."""
        return self.ask(f"{question} [y/N]").lower() in ("y", "yes")

    def _asked(self, read: Callable[[], str], check: Callable[[str], object]) -> str:
        while True:
            self._status.stop()
            try:
                answer = read()
                if answer:
                    check(answer)
            except EOFError:
                self._error.print()
                return ""
            except UnicodeDecodeError:
                self.complain("  not text in the encoding of this terminal; type it again")
            except ValueError as error:
                self.complain(f"  {error}")
            else:
                return answer


def input_on_stderr(prompt: str) -> str:
    """Read a line like input(), with the prompt on standard error."""
    sys.stderr.write(prompt)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.removesuffix("\n")


_BLOCKS = " ▁▂▃▄▅▆▇█"
_PLAIN = " ....####"
_FULL = 8
_LEVELS = 5
_AXIS = 8
_WIDTH = 2


def chart(bars: Sequence[tuple[str, float | None]], *, plain: bool = False) -> list[str]:
    """Return a bar chart of kWh as lines, with a scale and every third label.

    With `plain`, only ASCII is used. A missing value is drawn as a dot on the baseline; zero is drawn empty.
    """
    top = max((value for _, value in bars if value), default=0.0)
    lines = []
    for level in reversed(range(_LEVELS)):
        cells = [_cell(value, top, level, plain=plain) for _, value in bars]
        scale = f"{top * (level + 1) / _LEVELS:.2f}" if level in (_LEVELS - 1, 0) else ""
        lines.append((f"{scale:>{_AXIS - 1}} " + " ".join(cells)).rstrip())
    baseline = "".join(f"{label:<{(_WIDTH + 1) * 3}}" for label, _ in bars[::3])
    return [*lines, (" " * _AXIS + baseline).rstrip()]


def _cell(value: float | None, top: float, level: int, *, plain: bool) -> str:
    if value is None:
        return " " * _WIDTH if level else ("?" if plain else "·").ljust(_WIDTH)
    eighths = round(value / top * _LEVELS * _FULL) if top else 0
    if value and level == 0:
        eighths = max(1, eighths)  # a small value is not zero
    filled = min(max(eighths - level * _FULL, 0), _FULL)
    return (_PLAIN if plain else _BLOCKS)[filled] * _WIDTH
