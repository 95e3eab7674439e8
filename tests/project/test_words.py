"""The words of the project: none of those that readers stumbled over, and no citation that leads nowhere."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SOURCES = sorted(path for folder in ("exporter", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py"))
PROGRAM = [path for path in SOURCES if path.is_relative_to(ROOT / "exporter")]

DOCUMENTS = [
    *(path for folder in (ROOT, ROOT / "docs") for path in sorted(folder.glob("*.md"))),
    ROOT / "config.example.yaml",
]

STACK = [
    ROOT / "docker-compose.yml",
    ROOT / ".env.example",
    ROOT / "exporter/status_page/page.html",
    *sorted((ROOT / "compose").iterdir()),
    *(path for kind in ("yml", "json") for path in sorted((ROOT / "grafana").rglob(f"*.{kind}"))),
]

LONGEST_TEST_NAME = 60

STUMBLED_OVER = re.compile(
    r"\b(anew|nevertheless|whoever|whosoever|for ever|amid|afar|without a word|changes? of clocks|somebody|"
    r"everybody|hitherto|wherein|thereof|, of which|gives? nothing back|go on\?|going on:|"
    r"(?<!there )is no (text|date|json|number|folder|file|address|list|mapping|terminal|value|state)|"
    r"(lies|lie) in the future|refused sign-ins?|works? not|knows? not|likeliest|in spite of|taken for|"
    r"is no (smarthub|money|problem|full)|nothing is listening|portal (gives?|gave|tells?|told|has given)|"
    r"(does|do) not tell|nobody knows|try again later; retrying|its web page|(the|all) whole (day|scrape)s?|"
    r"(kwh|cost|usage|energy|points?|samples?|series) an? (day|meter|minute|month|hour))\b",
    re.IGNORECASE,
)

CITED_SHEET = re.compile(r"\b(portal-facts|features-facts|tsdb-facts|target-layout|contract \d|conventions \d)")

CITATION = re.compile(r'\b(docs/[a-z-]+\.md|CONTRIBUTING\.md), "([^"]+)"')


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """What people read of a file, by line: of a module its comments, docstrings and messages, else everything."""
    content = path.read_text("utf-8")
    if path.suffix != ".py":
        yield from enumerate(content.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def places(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line}: {match[0]}"
        for path in paths
        if pattern.search(path.read_text("utf-8"))
        for line, text in texts_of(path)
        for match in pattern.finditer(text)
    ]


def test_no_text_has_words_that_readers_stumbled_over() -> None:
    assert places(STUMBLED_OVER, [*PROGRAM, *DOCUMENTS, *STACK]) == []


def test_no_text_cites_what_is_not_here() -> None:
    assert places(CITED_SHEET, [path for path in [*SOURCES, *DOCUMENTS] if path != Path(__file__)]) == []


@pytest.mark.parametrize("path", [*SOURCES, *DOCUMENTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_each_cited_heading_exists(path: Path) -> None:
    for document, heading in CITATION.findall(path.read_text("utf-8")):
        headings = re.findall(r"^#+ (.+)$", (ROOT / document).read_text("utf-8"), re.MULTILINE)
        assert heading in headings


def test_names_of_tests_are_short() -> None:
    names = [
        node.name
        for path in SOURCES
        if path.is_relative_to(ROOT / "tests")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert [name for name in names if len(name) > LONGEST_TEST_NAME] == []
