"""YAML as the user typed it: every scalar is its text, `no`, `1e5` and `0012` included, with its line.

Messages name the line and never quote the file, which may hold passwords. Anchors, aliases and tags are refused: what
looks like one is mostly a password that begins with `&`, `*` or `!` and would otherwise be lost without a word.
"""

from typing import Any

import yaml

_TEXT_TAG = "tag:yaml.org,2002:str"
_NULL_TAG = "tag:yaml.org,2002:null"

# The parser's own words quote the text that it stumbled over, so they are only looked at, never shown.
_EXPLANATIONS = (
    ("another document", "a second YAML document begins here, only one is read"),
    ("mapping values are not allowed", 'a ":" is not expected here; text that holds one needs quotes'),
    ("sequence entries are not allowed", 'a list does not belong here; text that begins with "- " needs quotes'),
    ("could not find expected ':'", 'a ":" is missing here or in the line before'),
    ("'\\t' that cannot start", "a tab in the indentation, use spaces"),
    ("cannot start any token", "text that begins with one of @ ` % needs quotes"),
    ("unexpected end of stream", "a quotation mark is opened here and never closed"),
    ("expected <block end>", "the indentation does not fit, or something follows a closing quotation mark or bracket"),
    ("expected ','", "a comma or a closing bracket is missing"),
    ("escape", "an unknown escape in double quotes; single quotes take a backslash as it is"),
    ("special characters are not allowed", "a control character, only printable text is allowed"),
    ("undefined tag handle", "text that begins with ! needs quotes"),
)


class YamlError(Exception):
    """The text is no YAML that a configuration can be written in; `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def parse_yaml(data: bytes) -> yaml.Node:
    """The one document in `data`, an empty scalar for an empty one; every key in it is a scalar.

    Raises YamlError for anything that is not UTF-8, not YAML, or more than a configuration needs.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise YamlError(line, "not UTF-8 text, save the file with that encoding") from None
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        raise YamlError(text.count("\n", 0, error.position) + 1, _explain(error.reason)) from None
    try:
        return loader.get_single_node() or yaml.ScalarNode(_NULL_TAG, "")
    except yaml.MarkedYAMLError as error:
        problem = error.problem or ""
        mark = error.context_mark if "end of stream" in problem else error.problem_mark
        raise YamlError(_line(mark), _explain(problem)) from None
    except RecursionError:
        raise YamlError(loader.line + 1, "nested too deeply") from None
    except (ValueError, OverflowError):
        # The scanner passes numbers of characters beyond Unicode ("\UFFFFFFFF") on to chr() unchecked.
        raise YamlError(loader.line + 1, _explain("escape")) from None


def line_of(node: yaml.Node) -> int:
    """The line where a node begins, from 1."""
    return _line(node.start_mark)


def is_null(node: yaml.ScalarNode) -> bool:
    """Whether a value is an unquoted `null` or `~`, which means "not set" for most keys."""
    return bool(node.value) and node.tag == _NULL_TAG


class _Loader(yaml.SafeLoader):
    """Composes nodes only, and refuses what hides or moves the text that was typed."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Check the event that comes next, then let the base class compose it."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        line = _line(event.start_mark)
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise YamlError(line, "anchors and aliases are not supported; text that begins with & or * needs quotes")
        tag = getattr(event, "tag", None)
        if tag is not None and not (tag == _TEXT_TAG and isinstance(event, yaml.ScalarEvent)):
            raise YamlError(line, "tags are not supported; text that begins with ! needs quotes")
        return super().compose_node(parent, index)

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        """Check the keys, which messages name."""
        node = super().compose_mapping_node(anchor)
        for key, value in node.value:
            is_empty = isinstance(value, yaml.ScalarNode) and not value.value and value.start_mark == value.end_mark
            # {password: one,two} makes a key of the second half.
            if not isinstance(key, yaml.ScalarNode) or (node.flow_style and is_empty):
                raise YamlError(
                    line_of(key),
                    'a key without a value; text that begins with { or [ or holds a comma needs quotes, nothing is ""',
                )
        return node


def _explain(problem: str) -> str:
    explanation = next((text for sign, text in _EXPLANATIONS if sign in problem), None)
    return "not valid YAML" if explanation is None else f"not valid YAML: {explanation}"


def _line(mark: object) -> int:
    line = getattr(mark, "line", 0)
    return int(line) + 1
