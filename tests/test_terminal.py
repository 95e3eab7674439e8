"""What a person reads: tables and findings on standard output, questions on standard error, and never markup."""

import io
import sys
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import terminal as module
from exporter.checks.findings import Bars, Finding, Heading, Verdict
from exporter.terminal import Terminal, chart

from .support.portal_answers import examples

Type = Callable[..., None]


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Type:
    """Types lines; behind the last one the input ends. Secrets come from the same lines."""

    def type_lines(*lines: str) -> None:
        left = iter([*lines])

        def secret(prompt: str) -> str:
            sys.stderr.write(prompt)
            try:
                return next(left)
            except StopIteration:
                raise EOFError from None

        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        monkeypatch.setattr(module, "getpass", secret)

    return type_lines


def number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("give a number")
    return int(text)


# -- output


def test_a_line_is_printed_as_it_is_however_long_and_odd(capsys: pytest.CaptureFixture[str]) -> None:
    line = "[bold]no markup[/bold] :house: {} %s " + "x" * 400
    Terminal().say(line)
    assert capsys.readouterr() == (line + "\n", "")


def test_a_table_of_a_pipe_is_as_wide_as_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().table(("Account", "Data"), [("0012345001", "one\ntwo"), ("[red]", "😀")])
    out, error = capsys.readouterr()
    assert [line.rstrip() for line in out.splitlines()] == [
        "Account     Data",
        "0012345001  one",
        "            two",
        "[red]       😀",
    ]
    assert error == ""


def test_no_cell_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().table(("A", "B"), [("name " * 30, "data " * 30)])
    out = capsys.readouterr().out
    assert (out.count("name"), out.count("data")) == (30, 30)
    assert max(map(len, out.splitlines())) <= 120


def test_a_check_is_printed_exactly_so(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.show(Heading("Login coop"))
    terminal.show(Finding(Verdict.OK, "sign-in", "accepted"))
    terminal.show(Finding(Verdict.FAILED, "zone", "does not fit [UTC]", "set timezone: America/New_York"))
    terminal.show(Bars("Yesterday", [("00:00", 1.0), ("01:00", None)]))
    out, error = capsys.readouterr()
    assert [line.split(maxsplit=2) for line in out.splitlines()[:7]] == [
        [],
        ["Login", "coop"],
        ["ok", "sign-in", "accepted"],
        ["failed", "zone", "does not fit [UTC]"],
        ["->", "set", "timezone: America/New_York"],
        [],
        ["Yesterday"],
    ]
    lines = chart([("00:00", 1.0), ("01:00", None)], plain="·" not in out)
    assert out.splitlines()[7:] == [f"  {line}" for line in lines]
    assert error == ""


def test_without_a_terminal_nothing_is_shown_while_it_waits(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal().waiting() as busy:
        busy("the portal")
        busy("")
    assert capsys.readouterr() == ("", "")


def test_a_complaint_is_no_part_of_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().complain("[bold] refused")
    assert capsys.readouterr() == ("", "[bold] refused\n")


# -- questions


def test_a_question_goes_to_standard_error_and_its_answer_is_trimmed(
    keyboard: Type, capsys: pytest.CaptureFixture[str]
) -> None:
    keyboard("  member@example.org ")
    assert Terminal().ask("User name") == "member@example.org"
    assert capsys.readouterr() == ("", "User name: ")


def test_a_question_is_asked_again_until_its_answer_will_do(keyboard: Type, capsys: pytest.CaptureFixture[str]) -> None:
    keyboard("many", "7")
    assert Terminal().ask("How many", number) == "7"
    assert capsys.readouterr() == ("", "How many:   give a number\nHow many: ")


def test_a_secret_is_kept_with_its_spaces(keyboard: Type) -> None:
    keyboard("  two words ")
    assert Terminal().ask_secret("Password") == "  two words "


def test_a_secret_that_will_not_do_is_not_repeated(keyboard: Type, capsys: pytest.CaptureFixture[str]) -> None:
    keyboard("hunter2", "7")
    assert Terminal().ask_secret("Secret", number) == "7"
    assert "hunter2" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("lines", [[""], []])
def test_enter_and_the_end_of_the_input_give_nothing(keyboard: Type, lines: Iterable[str]) -> None:
    keyboard(*lines)
    terminal = Terminal()
    assert terminal.ask("A", number) == ""
    keyboard(*lines)
    assert terminal.ask_secret("B", number) == ""


@pytest.mark.parametrize(
    ("answer", "meant"),
    [("y", True), ("Y", True), ("yes", True), (" YES ", True), ("", False), ("n", False), ("no", False), ("ja", False)],
)
def test_only_yes_is_yes(keyboard: Type, answer: str, *, meant: bool) -> None:
    keyboard(answer)
    assert Terminal().confirm("Sure?") is meant


def test_the_end_of_the_input_is_no(keyboard: Type) -> None:
    keyboard()
    assert Terminal().confirm("Sure?") is False


def test_a_key_that_is_no_text_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # As from a terminal with another encoding.
    stream = io.TextIOWrapper(io.BytesIO(b"caf\xe9\nplain\n"), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stream)
    Terminal().ask("User name")
    told = "User name:   that is no text in the encoding of this terminal\nUser name: "
    assert capsys.readouterr().err.startswith(told)


def test_nobody_is_there_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert module.is_interactive() is False


BLOCKS = " ▁▂▃▄▅▆▇█"
Bar = tuple[str, float | None]


def hours(*values: float | None) -> list[Bar]:
    return [(f"{number:02}:00", value) for number, value in enumerate(values)]


def heights(bars: list[Bar], levels: int) -> list[int]:
    """How many eighths of a line each bar is high, as drawn."""
    lines = [line[8:].ljust(3 * len(bars)) for line in chart(bars, levels=levels)[:-1]]
    return [sum(BLOCKS.index(line[3 * number]) for line in lines) for number in range(len(bars))]


def test_a_chart_is_drawn_exactly_so() -> None:
    assert chart(hours(1.0, 0.5, 0.25, 0.0, None, 2.0), levels=2) == [
        "   2.00                ██",
        "   1.00 ██ ▄▄ ▂▂    ·  ██",
        "        00:00    03:00",
    ]


def test_a_chart_for_a_terminal_of_ascii_alone() -> None:
    lines = chart(hours(1.0, 0.5, 0.25, 0.0, None, 2.0), plain=True, levels=2)
    assert lines == [
        "   2.00                ##",
        "   1.00 ## .. ..    ?  ##",
        "        00:00    03:00",
    ]
    assert "".join(lines).isascii()


def test_a_chart_has_five_lines_and_one_of_labels() -> None:
    lines = chart(hours(*range(24)))
    assert len(lines) == 6
    assert lines[-1].split() == [f"{hour:02}:00" for hour in range(0, 24, 3)]
    assert max(map(len, lines)) <= 80


def test_each_label_begins_under_its_own_bar() -> None:
    lines = chart(hours(*([1.0] * 9)))
    assert [lines[-1].index(label) for label in ("00:00", "03:00", "06:00")] == [8, 17, 26]
    assert [lines[0][at] for at in (8, 17, 26)] == ["█"] * 3


@given(values=st.lists(st.floats(0.0, 999.0), min_size=1, max_size=48), levels=st.integers(1, 8))
@examples
def test_bars_are_as_high_as_their_values(values: list[float], levels: int) -> None:
    bars = hours(*values)
    top = max(values)
    for value, height in zip(values, heights(bars, levels), strict=True):
        expected = value / top * 8 * levels if top else 0.0
        assert height == pytest.approx(max(expected, 1.0 if value else 0.0), abs=0.5001)


def test_little_is_not_nothing() -> None:
    assert heights(hours(1000.0, 0.001, 0.0), 5) == [40, 1, 0]


@pytest.mark.parametrize("plain", [True, False])
def test_missing_is_neither_nothing_nor_a_bar(*, plain: bool) -> None:
    (*_, ground, _labels) = chart(hours(5.0, None, 0.0), plain=plain)
    assert ground[11:].rstrip() == ("?" if plain else "·")


def test_a_day_of_zeros_and_a_day_without_any_value_are_drawn_too() -> None:
    assert set("".join(chart(hours(0.0, 0.0))[:-1])) <= set(" 0.")
    assert chart(hours(None, None))[-2].split() == ["0.00", "·", "·"]
    assert len(chart([])) == 6
