import pytest
import yaml

from exporter.config.yaml_nodes import NULL_TAG, YamlError, line_of, parse_yaml

ANCHORS = "anchors and aliases are not supported; put text that begins with & or * in quotes"
TAGS = "tags are not supported; put text that begins with ! in quotes"
ESCAPES = "not valid YAML: unknown escape in double quotes; single quotes keep a backslash as it is"
BAD_KEY = 'key without a value; put text that begins with { or [ or contains a comma in quotes, or write ""'
Tree = tuple[int, object]


def tree(node: yaml.Node) -> Tree:
    """Return the line of a node, and its text, items, or keys and values."""
    if isinstance(node, yaml.MappingNode):
        return line_of(node), [(tree(key), tree(value)) for key, value in node.value]
    return line_of(node), [tree(item) for item in node.value] if isinstance(node, yaml.SequenceNode) else node.value


def scalar(text: str) -> yaml.ScalarNode:
    root = parse_yaml(f"key: {text}\n".encode())
    assert isinstance(root, yaml.MappingNode)
    ((_, value),) = root.value
    assert isinstance(value, yaml.ScalarNode)
    return value


@pytest.mark.parametrize(
    "text",
    ["0012345001", "no", "1e5", "12:30", "0x10", "1_000", "2024-01-02", "TRUE", "3.10", "=", "<<", ".inf", "null ish"],
)
def test_a_scalar_is_exactly_what_was_typed(text: str) -> None:
    assert (scalar(text).value, scalar(text).tag == NULL_TAG) == (text, False)


@pytest.mark.parametrize("text", ["null", "Null", "NULL", "~"])
def test_an_unquoted_null_keeps_its_text_and_is_marked(text: str) -> None:
    assert (scalar(text).value, scalar(text).tag == NULL_TAG) == (text, True)


@pytest.mark.parametrize(("text", "value"), [('"null"', "null"), ("'~'", "~"), ("!!str null", "null"), ("", "")])
def test_a_quoted_null_is_text_and_an_empty_value_is_null(text: str, value: str) -> None:
    assert (scalar(text).value, scalar(text).tag == NULL_TAG) == (value, not text)


def test_nodes_know_their_lines_and_keep_repeated_keys() -> None:
    root = parse_yaml(b"\xef\xbb\xbf# comment\r\na: 1\r\nb:\n  - c: ''\n\n  - x\na: 2\n")
    items = [(4, [((4, "c"), (4, ""))]), (6, "x")]
    assert tree(root) == (2, [((2, "a"), (2, "1")), ((3, "b"), (4, items)), ((7, "a"), (7, "2"))])


@pytest.mark.parametrize("data", [b"", b"# nothing\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_an_empty_value(data: bytes) -> None:
    assert parse_yaml(data).value == ""


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b"a: b\nc: \xff\n", 2, "not UTF-8 text; save the file as UTF-8"),
        (b"a: b\n---\nc: d\n", 2, "not valid YAML: a second document begins here; keep only one"),
        (b"a: b\nc: d: e\n", 2, 'not valid YAML: unexpected ":"; put text that contains one in quotes'),
        (b"a: b\nc\nd: e\n", 3, 'not valid YAML: missing ":" here or in the line before'),
        (b"a:\n\tb: c\n", 2, "not valid YAML: tab in the indentation; use spaces"),
        (b"a: b\nc: @d\n", 2, "not valid YAML: put text that begins with @, ` or % in quotes"),
        (b"a: b\nc: 'd\ne: f\n", 2, "not valid YAML: the quotation mark that opens here is never closed"),
        (
            b'a: "b" c\n',
            1,
            "not valid YAML: wrong indentation, or text after a closing quotation mark or bracket",
        ),
        (b"a: [b\nc: d\n", 2, "not valid YAML: missing comma or closing bracket"),
        (b'a: "\\d"\n', 1, ESCAPES),
        (b'a: b\nc: "\\UFFFFFFFF"\n', 2, ESCAPES),
        (b"a: b\nc: \x07\n", 2, "not valid YAML: control character; use printable text only"),
        (b"a: !b!c d\n", 1, "not valid YAML: put text that begins with ! in quotes"),
        (b"a: - b\n", 1, 'not valid YAML: unexpected list; put text that begins with "- " in quotes'),
        (b"a: ? b\n", 1, "not valid YAML"),
        (b"a: &b c\n", 1, ANCHORS),
        (b"a: *b\n", 1, ANCHORS),
        (b"a: !b c\n", 1, TAGS),
        (b"a: !!binary aGk=\n", 1, TAGS),
        (b"a: !!str {b: c}\n", 1, TAGS),
        (b"a:\n  " + b"[" * 5000, 2, "nested too deeply"),
        (b"a: [{{ b }}]\n", 1, BAD_KEY),
        (b"? [a]\n: b\n", 1, BAD_KEY),
        (b"{a: b,c}\n", 1, BAD_KEY),
    ],
)
def test_other_yaml_is_refused_with_line_and_advice(data: bytes, line: int, message: str) -> None:
    with pytest.raises(YamlError) as caught:
        parse_yaml(data)
    assert (caught.value.line, str(caught.value)) == (line, message)
