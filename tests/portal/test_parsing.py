"""Tests of reading JSON of unknown shape: a type, or an error that quotes no value."""

import json
import math
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import ProtocolError, TooLargeError
from exporter.portal import parsing

from ..support.portal_answers import LEAK, Json, assert_read_or_refused, examples, hostile

HUGE = json.loads("9" * 400)


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, True, "é"]}, [], "", {"a": {"b": {}}}])
def test_json_is_parsed(value: object) -> None:
    assert parsing.loads(json.dumps(value).encode()) == value


@pytest.mark.parametrize("item", [b"1", b"[]", b"{}"])
def test_json_has_a_maximum_number_of_values(item: bytes) -> None:
    assert len(parsing.loads(b"[" + b",".join([item] * 300_000) + b"]")) == 300_000
    with pytest.raises(TooLargeError, match="too many values"):
        parsing.loads(b"[" + b",".join([item] * 1_100_000) + b"]")


def test_json_has_a_maximum_size() -> None:
    with pytest.raises(TooLargeError):
        parsing.loads(b'"' + b"a" * 16 * 1024 * 1024 + b'"')


def test_other_threads_run_while_json_is_parsed() -> None:
    seen = 0
    is_done = threading.Event()

    def count() -> None:
        nonlocal seen
        while not is_done.is_set():
            seen += 1
            is_done.wait(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    before = seen
    parsing.loads(b"[" + b",".join([b'{"x":1}'] * 300_000) + b"]")
    during = seen
    is_done.set()
    thread.join()
    assert during - before > 5


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        ([], "a list"),
        (LEAK, "text"),
        (5, "a number"),
        (True, "true or false"),
        (math.inf, "a number"),
    ],
)
def test_message_names_what_is_not_an_object(value: object, kind: str) -> None:
    assert parsing.mapping({"a": 1}, "data") == {"a": 1}
    with pytest.raises(ProtocolError) as caught:
        parsing.mapping(value, "data.ELECTRIC[]")
    assert str(caught.value) == f"unexpected response from the portal: data.ELECTRIC[] is {kind}, expected an object"


@pytest.mark.parametrize(("value", "items"), [([], []), ([1, None], [1, None]), (None, [])])
def test_absent_list_counts_as_empty(value: object, items: list[object]) -> None:
    assert parsing.sequence(value, "series") == items


@pytest.mark.parametrize("value", [{}, LEAK, 0])
def test_anything_else_is_not_a_list(value: object) -> None:
    with pytest.raises(ProtocolError, match=r"series is .*, expected a list"):
        parsing.sequence(value, "series")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" M7\t", "M7"),
        ("M\ud83d", r"M\ud83d"),
        ("\x1b[2J\x1b[31mM\x07", r"\x1b[2J\x1b[31mM\x07"),
        ("\u202e7M\x9b", r"\u202e7M\x9b"),
        ("Farm\xa0house\none", "Farm house one"),
        ("😀 Käse", "😀 Käse"),
        ("x" * 200, "x" * 200),
        (0, "0"),
        (None, ""),
        (False, ""),
        (1.5, ""),
        ({"addr1": "12 OAK RD"}, ""),
    ],
)
def test_ids_are_text_or_whole_numbers(value: object, text: str) -> None:
    assert parsing.text(value) == text


def test_numbers_never_become_the_same() -> None:
    numbers = ["M\x00", "M\x01", "M\ud83d", "M\ud83e", "M", *("9" * count for count in (200, 201, 300, 4000))]
    read = [parsing.text(number) for number in numbers]
    assert len(set(read)) == len(numbers)
    assert all(each.isprintable() and len(each) <= 200 for each in read)


@pytest.mark.parametrize(("value", "answer"), [(True, True), (False, False), ("true", None), (1, None)])
def test_only_booleans_are_flags(value: object, *, answer: bool | None) -> None:
    assert parsing.flag(value) is answer


def test_value_is_a_float_or_null() -> None:
    assert str(parsing.optional_numbers([0.5, None, -2, 57.029999999999994], "y")) == (
        "[0.5, None, -2.0, 57.029999999999994]"
    )


@pytest.mark.parametrize("value", [True, "1.5", [], math.nan, HUGE, 1e15, -1e15])
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(ProtocolError, match=r"y is .*, expected a finite number below 1e15"):
        parsing.optional_numbers([0.5, value], "y")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1767225600000.0, 1767225600),
        ("1767225600000", 1767225600),
        (1767225600999, 1767225600),
        (-1, -1),
        (253402300799000, 253402300799),
    ],
)
def test_time_in_ms_becomes_whole_seconds(value: object, seconds: int) -> None:
    assert parsing.all_seconds([5000, value], "x") == [5, seconds]


ENDLESS = [
    pytest.param("9" * 5000, id="endless text"),
    pytest.param(HUGE, id="endless"),
    pytest.param(-HUGE, id="negative"),
]


@pytest.mark.parametrize("value", [None, True, "2026-01-01T00:00", [], math.inf, "1e400", *ENDLESS])
def test_other_times_are_refused(value: object) -> None:
    with pytest.raises(ProtocolError, match=r"x is .*, expected a finite number below 1e15"):
        parsing.all_seconds([5000, value], "x")


READERS: dict[str, Callable[[Json, str], object]] = {
    "object": parsing.mapping,
    "list": parsing.sequence,
    "objects": parsing.mappings,
    "values": lambda value, where: parsing.optional_numbers([value], where),
    "times": lambda value, where: parsing.all_seconds([value], where),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@examples
@given(value=hostile("a"))
def test_any_json_is_read_or_refused(read: Callable[[Json, str], object], value: Json) -> None:
    assert_read_or_refused(lambda: read(value, "the place"))
    assert isinstance(parsing.text(value), str)
    assert parsing.flag(value) in (True, False, None)


# -- names for display


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("  Wake\t Electric\n", "Wake Electric"),
        ("<b>Wake</b> <script>x()</script>", "Wake x()"),
        ("Wake &amp; Electric &lt;i&gt;", "Wake & Electric"),
        ("Wake < Electric > <b", "Wake Electric b"),
        ("Wake\x00\x1b[2J\u2028Electric\ud83d", "Wake [2J Electric"),
        ("Ñandú Eléctrica", "Ñandú Eléctrica"),
        ("x" * 10_000, "x" * 80),
        ("<" * 10_000, ""),
        (None, ""),
        (["Wake"], ""),
    ],
)
def test_a_name_for_display_is_clean_and_short(value: Json, shown: str) -> None:
    assert parsing.display_name(value) == shown


@given(st.text())
def test_any_name_can_be_shown(value: str) -> None:
    shown = parsing.display_name(value)
    assert (shown.isprintable(), len(shown) <= 80, set("<>") & set(shown)) == (True, True, set())
