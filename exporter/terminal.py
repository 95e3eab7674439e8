"""The console: results on standard output, questions on standard error."""

import getpass
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import zip_longest
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from .checks.findings import Bars, CheckItem, Finding, Heading, Verdict
from .formatting import printable

_COLORS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "bold red", Verdict.SKIPPED: "dim"}
_VERDICT_WIDTH = max(len(verdict) for verdict in Verdict)
_STEP_WIDTH = len("newest data")  # the longest
_INDENT = _GAP = "  "
WIDTH_WITHOUT_TERMINAL = 80  # columns, since a saved result is read in a terminal or an editor


class _PlainConsole(Console):
    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401
        super().print(*(printable(each) if isinstance(each, str) else each for each in objects), **options)


def plain_console(*, stderr: bool = False, width: int | None = None) -> Console:
    """Return a console that prints text as it is: no markup, emoji or highlighting, and nothing that controls it."""
    return _PlainConsole(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[Text]:
    """Yield the lines of a table that fits the width; wide cells are wrapped at words."""
    cells = [[printable(cell) for cell in row] for row in (columns, *rows)]
    widths = _column_widths(cells, width)
    for number, row in enumerate(cells):
        wrapped = (wrap(cell, each) for cell, each in zip(row, widths, strict=True))
        for line in zip_longest(*wrapped, fillvalue=""):
            padded = (part + " " * (each - cell_len(part)) for part, each in zip(line, widths, strict=True))
            yield Text(_GAP.join(padded).rstrip(), style="" if number else "bold")


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

    def note(self, text: str) -> None:
        """Print a text of the result, wrapped at words."""
        for line in self._hanging("", text):
            self.say(line)

    def show(self, part: CheckItem) -> None:
        """Print one item of a check, wrapped at words."""
        match part:
            case Heading(text):
                self.say()
                for each in self._hanging("", text):
                    self.say(Text(each, style="bold"))
            case Finding(verdict, step, text, advice, command=command):
                head = f"{_INDENT}{verdict:<{_VERDICT_WIDTH}}{_GAP}{step:<{_STEP_WIDTH}}{_GAP}"
                first, *more = self._hanging(head, text)
                line = Text(first)
                line.stylize(_COLORS[verdict], len(_INDENT), len(_INDENT) + len(verdict))
                self.say(line)
                if advice:
                    more += self._hanging(" " * len(head) + "-> ", advice)
                for each in more:
                    self.say(each)
                if command:
                    self.say(f"{_INDENT}{command}")
            case Bars(title, bars):
                plain = not (self._out.encoding or "").lower().startswith("utf")
                self.say()
                drawn = chart(bars, self._out.width - len(_INDENT), plain=plain)
                for each in (*self._hanging(_INDENT, title), *(_INDENT + row for row in drawn)):
                    self.say(each)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table. A row may have several lines; wide cells are wrapped at words."""
        for line in table_lines(columns, rows, self._out.width):
            self.say(line)

    def _hanging(self, head: str, text: str) -> list[str]:
        """Return a text as lines behind a head; those after the first are indented."""
        indent = head or _INDENT
        first, *more = wrap(printable(text), self._out.width - len(indent))
        return [head + first, *(" " * len(indent) + each for each in more)]

    # -- questions

    def ask(self, question: str, check: Callable[[str], object] = str, *, default: str = "") -> str:
        """Read a line, asking again while `check` raises ValueError. Enter alone means the default.

        Return an empty text if there is no answer.
        """
        shown = f"{question} [{default}]: " if default else f"{question}: "
        answer = self._asked(lambda: input_on_stderr(shown).strip(), check)
        return default if answer == "" else answer or ""

    def ask_secret(self, question: str, check: Callable[[str], object] = str) -> str:
        """Read a line like `ask`, without showing it while it is typed."""
        return self._asked(lambda: getpass.getpass(f"{question}: "), check) or ""

    def complain(self, line: str) -> None:
        """Print a line on standard error before the next question; a terminal wraps it between words."""
        self._status.stop()
        self._error.print(line, soft_wrap=not self._error.is_terminal)

    def confirm(self, question: str, *, default: bool = False) -> bool:
        """Ask a yes or no question. Enter alone means the default."""
        shown = f"{question} {'[Y/n]' if default else '[y/N]'}: "
        answer = self._asked(lambda: input_on_stderr(shown).strip().lower(), str)
        return default if answer == "" else answer in ("y", "yes")

    def _asked(self, read: Callable[[], str], check: Callable[[str], object]) -> str | None:
        """Return the answer, None at the end of the input."""
        while True:
            self._status.stop()
            try:
                answer = read()
                if answer:
                    check(answer)
            except EOFError:
                self._error.print()
                return None
            except UnicodeDecodeError:
                self.complain("  not valid text in this terminal's encoding; type it again")
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


def wrap(text: str, width: int) -> list[str]:
    """Return a text as lines of at most this many columns; a longer word is not broken."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            if line and cell_len(line) + 1 + cell_len(word) > width:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}" if line else word
        lines.append(line)
    return lines


def _column_widths(rows: Sequence[Sequence[str]], most: int) -> list[int]:
    """Return the widths of the columns of a table; the widest are narrowed until it fits, but no word is broken."""
    columns = list(zip(*rows, strict=True))
    widths, least = (
        [max((cell_len(part) for cell in column for part in split(cell)), default=0) for column in columns]
        for split in (str.splitlines, str.split)
    )
    while sum(widths) + len(_GAP) * (len(widths) - 1) > most and widths != least:
        widest = max(range(len(widths)), key=lambda each: (widths[each] > least[each], widths[each]))
        widths[widest] -= 1
    return widths


_BLOCKS = " ▁▂▃▄▅▆▇█"
_PLAIN = " ....####"
_FULL = 8
_LEVELS = 5
_STRIDE = 3  # columns of a bar and the gap behind it, if there is room
_EACH = 3  # bars between two labels


def chart(bars: Sequence[tuple[str, float | None]], width: int, *, plain: bool = False) -> list[str]:
    """Return a bar chart of kWh as lines of at most `width` columns, with an axis from 0 and every third label.

    With `plain`, only ASCII is used. A missing value is drawn as a dot on the axis; zero is drawn empty.
    """
    top = max((value for _, value in bars if value), default=0.0)
    vertical, corner, horizontal = "|+-" if plain else "│└─"
    scale = len(f"{top:.2f}")
    room = width - scale - 2
    stride = max(1, min(_STRIDE, (room + 1) // max(1, len(bars))))
    lines = [f"{'kWh':>{scale}}"]
    for level in reversed(range(_LEVELS)):
        cells = (_cell(value, top, level, plain=plain) * max(1, stride - 1) for _, value in bars)
        mark = f"{top:.2f}" if level == _LEVELS - 1 else ""
        lines.append(f"{mark:>{scale}} {vertical}" + "".join(f"{cell:<{stride}}" for cell in cells).rstrip())
    labels = "".join(f"{label:<{stride * _EACH}}" for label, _ in bars[::_EACH])
    axis = f"{0:>{scale}} {corner}{horizontal * min(room, stride * len(bars))}"
    return [*lines, axis, f"{'':{scale + 2}}{labels}".rstrip()]


def _cell(value: float | None, top: float, level: int, *, plain: bool) -> str:
    if value is None:
        return " " if level else ("?" if plain else "·")
    eighths = round(value / top * _LEVELS * _FULL) if top else 0
    if value and level == 0:
        eighths = max(1, eighths)  # a small value is not zero
    filled = min(max(eighths - level * _FULL, 0), _FULL)
    return (_PLAIN if plain else _BLOCKS)[filled]
