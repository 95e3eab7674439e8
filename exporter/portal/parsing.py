"""Reading JSON of unknown shape.

Each function returns the type it promises or raises ProtocolError. Messages name keys and types, never values,
because a value may be a person's name or address.
"""

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from html import unescape
from typing import Any
from zlib import crc32

from ..errors import ProtocolError, TooLargeError
from ..formatting import printable

Json = Any
"""Anything that json.loads returns; the functions below check its type."""

_LONGEST_WORD = 30
_LONGEST_TEXT = 200
_LONGEST_NAME = 80
_LOOKED_AT = 2000  # characters of a name; markup around it may be long
_LARGEST = 16 * 1024 * 1024  # bytes
_MOST_VALUES = 1_000_000  # they need up to 20 times as much memory as their text
PLAUSIBLE = 1e15  # times in the year 9999 are below it in ms; energies above it could not be added exactly


def loads(body: bytes) -> Json:
    """Parse JSON, while other threads can go on.

    Raises ValueError or RecursionError if it is not JSON, TooLargeError if it has more than 16 MiB or a million values.
    """
    if len(body) > _LARGEST or sum(map(body.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise TooLargeError("the portal's response has too many values")
    return json.loads(body, object_hook=_unchanged)


def _unchanged(value: dict[str, Json]) -> dict[str, Json]:
    """Return each object of a JSON text.

    The parser, written in C, lets no other thread run until it is done; it does so whenever it calls a function.
    """
    return value


def mapping(value: Json, where: str) -> dict[str, Json]:
    """Return an object."""
    if not isinstance(value, dict):
        raise _unexpected(value, where, "an object")
    return value


def sequence(value: Json, where: str) -> list[Json]:
    """Return a list, empty if it is absent."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise _unexpected(value, where, "a list")
    return value


def mappings(value: Json, where: str) -> list[dict[str, Json]]:
    """Return a list of objects, empty if it is absent."""
    items = sequence(value, where)
    # One look at all types is much faster than one per point.
    return items if set(map(type, items)) <= {dict} else [mapping(item, f"{where}[]") for item in items]


def text(value: Json) -> str:
    """Return an identifier or label, sent as text or number; empty for anything else.

    Every text of a portal is read here: labels, logs and terminals get nothing that they cannot show. What cannot be
    printed is escaped, and what is too long ends in a checksum, so that two numbers never become the same one.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return ""
    shown = printable(re.sub(r"\s", " ", value.strip()))
    return shown if len(shown) <= _LONGEST_TEXT else f"{shown[: _LONGEST_TEXT - 9]}~{crc32(shown.encode()):08x}"


def display_name(value: Json) -> str:
    """Return a name that the portal shows to everyone, without markup and control characters, at most 80 characters."""
    if not isinstance(value, str):
        return ""
    plain = re.sub(r"<[!/?a-zA-Z][^<>]*>|[<>]", " ", unescape(value[:_LOOKED_AT]))
    return " ".join("".join(each if each.isprintable() else " " for each in plain).split())[:_LONGEST_NAME].rstrip()


def safe_word(value: str) -> str:
    """Return a text of the portal if it is a single word; empty for anything else, which may be a name or address."""
    return value if value.replace("_", "").isalnum() and len(value) <= _LONGEST_WORD else ""


def flag(value: Json) -> bool | None:
    """Return true or false; None for anything else."""
    return value if isinstance(value, bool) else None


def all_seconds(values: Iterable[Json], where: str) -> list[int]:
    """Return times as whole seconds; they arrive in milliseconds, as numbers or text."""
    # Years of history have millions of times and values, and nearly all are of the type that is checked first.
    return [
        value // 1000 if type(value) is int and -PLAUSIBLE < value < PLAUSIBLE else _seconds(value, where)
        for value in values
    ]


def optional_numbers(values: Iterable[Json], where: str) -> list[float | None]:
    """Return finite numbers of a plausible size, None for each null."""
    return [
        value if value is None or (type(value) is float and -PLAUSIBLE < value < PLAUSIBLE) else _number(value, where)
        for value in values
    ]


def _seconds(value: Json, where: str) -> int:
    if isinstance(value, str):
        with suppress(ValueError):
            value = int(value)
    return int(_number(value, where) // 1000)


def _number(value: Json, where: str) -> float:
    # JSON has no other number types, and NaN is in no range.
    if type(value) not in (int, float) or not -PLAUSIBLE < value < PLAUSIBLE:
        raise _unexpected(value, where, "a finite number below 1e15")
    return float(value)


def _unexpected(value: Json, where: str, expected: str) -> ProtocolError:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    kind = names.get(type(value), "a number")
    return ProtocolError(f"unexpected response from the portal: {where} is {kind}, expected {expected}")
