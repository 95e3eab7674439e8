"""The console: results on standard output, questions on standard error."""

import getpass
import io
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.findings import Bars, Finding, Heading, Verdict
from exporter.terminal import Terminal, chart, input_on_stderr, is_interactive

from .support.portal_answers import examples

Type = Callable[..., None]


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Type:
    """Type lines, then end the input. Secrets come from the same lines."""

    def type_lines(*lines: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        monkeypatch.setattr(getpass, "getpass", input_on_stderr)

    return type_lines


def number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("give a [number]")
    return int(text)


# -- output


def test_a_line_is_printed_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    line = "[bold]no markup[/bold] :house: {} %s " + "x" * 400
    Terminal().say(line)
    assert capsys.readouterr() == (line + "\n", "")


WORDS = "five words of some length " * 9


def test_a_note_is_wrapped_at_words(capsys: pytest.CaptureFixture[str]) -> None:
    link = "http://127.0.0.1:8428/" + "x" * 90
    Terminal().note(f"{WORDS}{link} end")
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines).split() == f"{WORDS}{link} end".split()
    assert [line.strip() for line in lines if len(line) > 80] == [link]
    assert [line[:2].isspace() for line in lines] == [False, *(True for _ in lines[1:])]


def test_a_table_in_a_pipe_is_as_wide_as_needed(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().table(("Account", "Data"), [("0012345001", "one\ntwo"), ("[red]", "😀")])
    lines = ["Account     Data", "0012345001  one", "            two", "[red]       😀"]
    assert capsys.readouterr() == ("\n".join([*lines, ""]), "")


def test_a_wide_table_breaks_no_word(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().table(("Account", "Name", "Data"), [("0012345001", "name " * 30, "data " * 60)])
    out = capsys.readouterr().out
    assert (out.count("name"), out.count("data"), out.count("0012345001")) == (30, 60, 1)
    assert 70 < max(map(len, out.splitlines())) <= 80


def test_a_table_of_long_words_is_wider(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().table(("A", "B"), [("a" * 50, "b" * 50)])
    assert capsys.readouterr().out.splitlines()[1] == f"{'a' * 50}  {'b' * 50}"


def test_a_terminal_has_its_own_width(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    Terminal().show(Finding(Verdict.OK, "zone", WORDS, WORDS))
    assert 40 < max(map(len, capsys.readouterr().out.splitlines())) <= 50


def test_no_text_controls_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    odd, terminal = "\x1b[2J\u202e", Terminal()
    terminal.say(odd)
    terminal.complain(odd)
    terminal.table(("Name",), [(odd,)])
    for item in (Heading(odd), Finding(Verdict.FAILED, "step", odd, odd), Bars(odd, [(odd, 1.0)])):
        terminal.show(item)
    for text in capsys.readouterr():
        assert text.replace("\n", "").isprintable()


def test_a_check_is_printed_exactly_like_this(capsys: pytest.CaptureFixture[str]) -> None:
    terminal, bars = Terminal(), [("00:00", 1.0), ("01:00", None)]
    terminal.show(Heading("Login coop"))
    terminal.show(Finding(Verdict.OK, "sign-in", "accepted"))
    terminal.show(Finding(Verdict.FAILED, "zone", "does not fit [UTC]", "set timezone: America/New_York"))
    terminal.show(Finding(Verdict.WARNING, "newest data", WORDS[:77], WORDS[:77]))
    terminal.show(Bars("Yesterday", bars))
    out, error = capsys.readouterr()
    assert out.splitlines() == [
        "",
        "Login coop",
        "  ok       sign-in      accepted",
        "  failed   zone         does not fit [UTC]",
        "                        -> set timezone: America/New_York",
        "  warning  newest data  five words of some length five words of some length five",
        "                        words of some length",
        "                        -> five words of some length five words of some length",
        "                           five words of some length",
        "",
        "  Yesterday",
        *(f"  {line}" for line in chart(bars, 78, plain="·" not in out)),
    ]
    assert error == ""


def test_without_a_terminal_there_is_no_spinner(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal().waiting() as busy:
        busy("the portal")
        busy("")
    assert capsys.readouterr() == ("", "")


# -- questions


def test_an_answer_is_trimmed_and_a_secret_is_not(keyboard: Type, capsys: pytest.CaptureFixture[str]) -> None:
    keyboard("  member@example.org ", "  two words ")
    terminal = Terminal()
    assert (terminal.ask("User name"), terminal.ask_secret("Password")) == ("member@example.org", "  two words ")
    assert capsys.readouterr() == ("", "User name: Password: ")


def test_a_question_is_repeated_until_the_answer_is_valid(keyboard: Type, capsys: pytest.CaptureFixture[str]) -> None:
    for ask in (Terminal().ask, Terminal().ask_secret):
        keyboard("[bold]", "7")
        assert ask("How many", number) == "7"
        assert capsys.readouterr() == ("", "How many:   give a [number]\nHow many: ")


def test_enter_and_the_end_of_input_are_no_answer(keyboard: Type) -> None:
    terminal = Terminal()
    keyboard("", "", "")
    for _ in ("Enter", "end of input"):
        assert (terminal.ask("A", number), terminal.ask_secret("B", number), terminal.confirm("C?")) == ("", "", False)


def test_only_yes_is_yes(keyboard: Type) -> None:
    keyboard("Y", " YES ", "no", "yes please")
    assert [Terminal().confirm("Sure?") for _ in range(4)] == [True, True, False, False]


def test_enter_means_the_default_and_the_end_of_input_does_not(
    keyboard: Type, capsys: pytest.CaptureFixture[str]
) -> None:
    keyboard("", "other", "")
    terminal = Terminal()
    assert terminal.ask("A", number, default="7") == "7"
    assert terminal.ask("A", default="7") == "other"
    assert terminal.confirm("B?", default=True)
    assert (terminal.ask("A", default="7"), terminal.confirm("B?", default=True)) == ("", False)
    assert capsys.readouterr().err.startswith("A [7]: A [7]: B? [Y/n]: ")


def test_a_key_that_is_not_text_repeats_the_question(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # As if typed in a terminal with another encoding.
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9\nplain\n"), encoding="utf-8"))
    Terminal().ask("User name")
    told = "User name:   not valid text in this terminal's encoding; type it again\nUser name: "
    assert capsys.readouterr().err.startswith(told)


def test_without_a_terminal_a_line_stays_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().complain("word " * 50 + "end")
    assert capsys.readouterr().err == "word " * 50 + "end\n"


def test_without_a_terminal_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert not is_interactive()


def hours(*values: float | None) -> list[tuple[str, float | None]]:
    return [(f"{number:02}", value) for number, value in enumerate(values)]


def heights(*values: float) -> list[int]:
    """Return the height of each bar as drawn, in eighths of a line."""
    lines = [line.partition("│")[2].ljust(3 * len(values)) for line in chart(hours(*values), 200)[1:-2]]
    return [sum(" ▁▂▃▄▅▆▇█".index(line[3 * number]) for line in lines) for number in range(len(values))]


def test_a_chart_looks_exactly_like_this() -> None:
    bars = hours(0.5, 0.2, 0.1, 0.0, None, 2.0)
    lines = [
        " kWh",
        "2.00 │               ██",
        "     │               ██",
        "     │               ██",
        "     │▂▂             ██",
        "     │██ ▄▄ ▂▂    ·· ██",
        "   0 └──────────────────",
        "      00       03",
    ]
    assert chart(bars, 80) == lines
    assert chart(bars, 80, plain=True) == [line.translate(str.maketrans("█▄▂·│└─", "#..?|+-")) for line in lines]


@given(st.integers(1, 50), st.floats(0.0, 99_999.0), st.integers(62, 200))
@examples
def test_a_chart_fits_a_terminal(count: int, value: float, width: int) -> None:
    lines = chart(hours(*[value] * count), width)
    assert max(map(len, lines)) <= width
    shown = lines[-3].partition("│")[2]
    assert len([each for each in shown if each != " "]) >= count * bool(value)


@given(st.lists(st.floats(0.0, 999.0), min_size=1, max_size=48))
@examples
def test_bars_are_as_high_as_their_values(values: list[float]) -> None:
    top = max(values)
    for value, height in zip(values, heights(*values), strict=True):
        expected = value / top * 40 if top else 0.0
        assert height == pytest.approx(max(expected, 1.0 if value else 0.0), abs=0.5001)


def test_a_small_value_is_not_zero() -> None:
    assert heights(1000.0, 0.001, 0.0) == [40, 1, 0]


def test_days_of_zeros_or_without_values_are_drawn_too() -> None:
    assert set("".join(chart(hours(0.0, 0.0), 80)[1:-1])) <= set(" 0.│└─")
    assert chart(hours(None, None), 80)[-3].split() == ["│··", "··"]
    assert len(chart([], 80)) == 8
