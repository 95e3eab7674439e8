"""The lines of a benchmark: ratios, verdicts, and their three forms."""

import json

import pytest

from benchmarks.lines import HEAD, Line, as_json, as_markdown, as_text

SLOW = Line("own CPU", 3.0, "s", "json.loads", 1.5, 1.5)


@pytest.mark.parametrize(
    ("line", "result", "passed"),
    [
        (SLOW, 2.0, False),
        (Line("own CPU", 2.25, "s", "json.loads", 1.5, 1.5), 1.5, True),
        (Line("memory", 61.0, "B", bar=60), 61.0, False),
        (Line("memory", 59.0, "B", bar=60), 59.0, True),
        (Line("a stage", 3.0, "s", "json.loads", 1.5), 2.0, None),
    ],
)
def test_a_line_passes_if_its_result_is_within_its_bar(line: Line, result: float, passed: bool | None) -> None:  # noqa: FBT001
    assert (line.result, line.passed) == (result, passed)


def test_the_text_names_both_figures_and_the_verdict() -> None:
    assert as_text(SLOW).split() == ["own", "CPU", "3.00", "s", "1.50", "s,", "json.loads", "2.00", "1.5", "fail"]
    assert as_text(Line("memory", 4123.4, "B")).split() == ["memory", "4123", "B"]


def test_the_markdown_is_one_table_below_the_machine() -> None:
    where, empty, *rows = as_markdown([SLOW, SLOW]).splitlines()
    assert "cores, Python 3." in where
    assert (empty, len(rows)) == ("", 4)
    assert {row.count("|") for row in rows} == {len(HEAD) + 1}


def test_the_json_holds_each_line_and_the_machine() -> None:
    found = json.loads(as_json([SLOW]))
    assert {"date", "machine", "cores", "python"} < found.keys()
    assert [(each["what"], each["result"], each["passed"]) for each in found["lines"]] == [("own CPU", 2.0, False)]
