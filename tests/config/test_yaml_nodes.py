import pytest

from exporter.config.yaml_nodes import YamlEntry, YamlError, YamlMapping, YamlScalar, YamlSequence, parse_yaml


def scalar(text: str) -> YamlScalar:
    root = parse_yaml(f"key: {text}\n".encode())
    assert isinstance(root, YamlMapping)
    value = root.entries[0].value
    assert isinstance(value, YamlScalar)
    return value


@pytest.mark.parametrize(
    "text",
    ["0012345001", "no", "1e5", "12:30", "0x10", "1_000", "2024-01-02", "TRUE", "3.10", "=", "<<", ".inf", "null ish"],
)
def test_a_scalar_is_the_text_that_was_typed(text: str) -> None:
    assert scalar(text) == YamlScalar(1, text)


@pytest.mark.parametrize("text", ["null", "Null", "NULL", "~"])
def test_an_unquoted_null_keeps_its_text_and_is_marked(text: str) -> None:
    assert scalar(text) == YamlScalar(1, text, is_null=True)


@pytest.mark.parametrize(("text", "value"), [('"null"', "null"), ("'~'", "~"), ("!!str null", "null"), ("", "")])
def test_a_quoted_null_and_an_empty_value_are_text(text: str, value: str) -> None:
    assert scalar(text) == YamlScalar(1, value)


def test_nodes_know_their_lines_and_keep_repeated_keys() -> None:
    data = b"# comment\na: 1\nb:\n  - c: {d: ''}\n\n  - x\na: 2\n"
    assert parse_yaml(data) == YamlMapping(
        2,
        (
            YamlEntry(2, "a", YamlScalar(2, "1")),
            YamlEntry(
                3,
                "b",
                YamlSequence(
                    4,
                    (
                        YamlMapping(4, (YamlEntry(4, "c", YamlMapping(4, (YamlEntry(4, "d", YamlScalar(4, "")),))),)),
                        YamlScalar(6, "x"),
                    ),
                ),
            ),
            YamlEntry(7, "a", YamlScalar(7, "2")),
        ),
    )


@pytest.mark.parametrize("data", [b"", b"# nothing\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_nothing(data: bytes) -> None:
    assert parse_yaml(data) is None


def test_an_empty_document_is_an_empty_value() -> None:
    assert parse_yaml(b"---\n...\n") == YamlScalar(2, "")


def test_byte_order_mark_and_windows_line_ends_do_no_harm() -> None:
    assert parse_yaml(b"\xef\xbb\xbfa: b\r\nc: d\r\n") == YamlMapping(
        1,
        (YamlEntry(1, "a", YamlScalar(1, "b")), YamlEntry(2, "c", YamlScalar(2, "d"))),
    )


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b"a: b\nc: \xff\n", 2, "not UTF-8 text, save the file with that encoding"),
        (b"a: b\n---\nc: d\n", 2, "not valid YAML: a second YAML document begins here, only one is read"),
        (b"a: b\nc: d: e\n", 2, 'not valid YAML: a ":" is not expected here; text that holds one needs quotes'),
        (b"a: b\nc\nd: e\n", 3, 'not valid YAML: a ":" is missing here or in the line before'),
        (b"a:\n\tb: c\n", 2, "not valid YAML: a tab in the indentation, use spaces"),
        (b"a: b\nc: @d\n", 2, "not valid YAML: text that begins with one of @ ` % needs quotes"),
        (b"a: b\nc: 'd\ne: f\n", 2, "not valid YAML: a quotation mark is opened here and never closed"),
        (
            b'a: "b" c\n',
            1,
            "not valid YAML: the indentation does not fit, or something follows a closing quotation mark or bracket",
        ),
        (b"a: [b\nc: d\n", 2, "not valid YAML: a comma or a closing bracket is missing"),
        (
            b'a: "\\d"\n',
            1,
            "not valid YAML: an unknown escape in double quotes; single quotes take a backslash as it is",
        ),
        (
            b'a: b\nc: "\\UFFFFFFFF"\n',
            2,
            "not valid YAML: an unknown escape in double quotes; single quotes take a backslash as it is",
        ),
        (b"a: b\nc: \x07\n", 2, "not valid YAML: a control character, only printable text is allowed"),
        (b"a: !b!c d\n", 1, "not valid YAML: text that begins with ! needs quotes"),
        (b"a: - b\n", 1, 'not valid YAML: a list does not belong here; text that begins with "- " needs quotes'),
        (b"a: ? b\n", 1, "not valid YAML"),
        (b"a: &b c\n", 1, "anchors and aliases are not supported; text that begins with & or * needs quotes"),
        (b"a: *b\n", 1, "anchors and aliases are not supported; text that begins with & or * needs quotes"),
        (b"a: !b c\n", 1, "tags are not supported; text that begins with ! needs quotes"),
        (b"a: !!binary aGk=\n", 1, "tags are not supported; text that begins with ! needs quotes"),
        (b"a: !!str {b: c}\n", 1, "tags are not supported; text that begins with ! needs quotes"),
        (b"a:\n  " + b"[" * 5000, 2, "nested too deeply"),
        (b"a: {{ b }}\n", 1, "a key must be text; a value that begins with { or [ needs quotes"),
        (
            b"{a: b,c}\n",
            1,
            'a key without a value between { and }; text with a comma needs quotes, nothing is ""',
        ),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_line_and_advice(data: bytes, line: int, message: str) -> None:
    with pytest.raises(YamlError) as caught:
        parse_yaml(data)
    assert (caught.value.line, str(caught.value)) == (line, message)
