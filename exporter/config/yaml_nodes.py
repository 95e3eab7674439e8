"""Parse YAML so that every scalar is the text that the user typed.

This includes `no`, `1e5` and `0012`. Messages name the line and never quote the file, which may contain passwords.
Anchors, aliases and tags are refused: what looks like one is usually a password that begins with `&`, `*` or `!`, and
would otherwise be lost silently.
"""

from typing import Any

import yaml

_TEXT_TAG = "tag:yaml.org,2002:str"
NULL_TAG = "tag:yaml.org,2002:null"
"""The tag of an empty value and of an unquoted `null` or `~`; for most keys it means not set."""

# The parser's own messages quote the file. They only select one of these and are never shown.
_EXPLANATIONS = (
    ("another document", "a second document begins here; keep only one"),
    ("mapping values are not allowed", 'unexpected ":"; put text that contains one in quotes'),
    ("sequence entries are not allowed", 'unexpected list; put text that begins with "- " in quotes'),
    ("could not find expected ':'", 'missing ":" here or in the line before'),
    ("'\\t' that cannot start", "tab in the indentation; use spaces"),
    ("cannot start any token", "put text that begins with @, ` or % in quotes"),
    ("unexpected end of stream", "the quotation mark that opens here is never closed"),
    ("expected <block end>", "wrong indentation, or text after a closing quotation mark or bracket"),
    ("expected ','", "missing comma or closing bracket"),
    ("escape", "unknown escape in double quotes; single quotes keep a backslash as it is"),
    ("special characters are not allowed", "control character; use printable text only"),
    ("undefined tag handle", "put text that begins with ! in quotes"),
)


class YamlError(Exception):
    """The text is not YAML, or uses more of it than a configuration may.

    line: The line, counted from 1.
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def parse_yaml(data: bytes) -> yaml.Node:
    """Return the root of the only document; every key is a scalar.

    The root is an empty scalar if the document is empty. Raises YamlError for anything that is not UTF-8, not YAML, or
    more than a configuration may use.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise YamlError(line, "not UTF-8 text; save the file as UTF-8") from None
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        raise YamlError(text.count("\n", 0, error.position) + 1, _explain(error.reason)) from None
    try:
        return loader.get_single_node() or yaml.ScalarNode(NULL_TAG, "")
    except yaml.MarkedYAMLError as error:
        problem = error.problem or ""
        mark = error.context_mark if "end of stream" in problem else error.problem_mark
        raise YamlError(getattr(mark, "line", 0) + 1, _explain(problem)) from None
    except RecursionError:
        raise YamlError(loader.line + 1, "nested too deeply") from None
    except (ValueError, OverflowError):
        # The scanner does not check the numbers of characters that it passes to chr(), such as "\UFFFFFFFF".
        raise YamlError(loader.line + 1, _explain("escape")) from None


def line_of(piece: yaml.Node | yaml.Event) -> int:
    """Return the line where a piece of the document begins, counted from 1."""
    return int(getattr(piece.start_mark, "line", 0)) + 1


class _Loader(yaml.SafeLoader):
    """Composes nodes only, and refuses what hides or moves the text typed."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse anchors, aliases and tags."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        line = line_of(event)
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise YamlError(line, "anchors and aliases are not supported; put text that begins with & or * in quotes")
        tag = getattr(event, "tag", None)
        if tag is not None and not (tag == _TEXT_TAG and isinstance(event, yaml.ScalarEvent)):
            raise YamlError(line, "tags are not supported; put text that begins with ! in quotes")
        return super().compose_node(parent, index)

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        """Check the keys, because messages quote them."""
        node = super().compose_mapping_node(anchor)
        for key, value in node.value:
            is_empty = isinstance(value, yaml.ScalarNode) and not value.value and value.start_mark == value.end_mark
            # In {password: one,two} the second half of the password would be a key.
            if not isinstance(key, yaml.ScalarNode) or (node.flow_style and is_empty):
                raise YamlError(
                    line_of(key),
                    'key without a value; put text that begins with { or [ or contains a comma in quotes, or write ""',
                )
        return node


def _explain(problem: str) -> str:
    explanation = next((text for sign, text in _EXPLANATIONS if sign in problem), None)
    return "not valid YAML" if explanation is None else f"not valid YAML: {explanation}"
