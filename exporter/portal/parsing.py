"""Reading JSON of a foreign shape: each function gives what it promises or raises ProtocolError naming the place.

Messages name keys and types, never values: values may be somebody's name or address.
"""

from collections.abc import Iterable
from typing import Any

from ..errors import ProtocolError

Json = Any
"""Whatever json.loads gives; the functions below turn it into something typed."""

_NUMBERS = (int, float)
_ABSURD = 1e15  # times of the year 9999 in ms are below it, sums of energies above it would not be exact


def mapping(value: Json, where: str) -> dict[str, Json]:
    """An object."""
    if not isinstance(value, dict):
        raise ProtocolError(f"the portal's answer is not understood: {where} is {_kind(value)}, not an object")
    return value


def sequence(value: Json, where: str) -> list[Json]:
    """A list; an absent one counts as empty."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise ProtocolError(f"the portal's answer is not understood: {where} is {_kind(value)}, not a list")
    return value


def text(value: Json) -> str:
    """An identifier or label: ids arrive as text or as number (portal-facts 12); anything else is empty."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ""


def flag(value: Json) -> bool | None:
    """A yes or no; None where the portal says neither."""
    return value if isinstance(value, bool) else None


def number(value: Json, where: str) -> float:
    """A finite number, and none that no meter could count."""
    # JSON has no other kinds, and NaN is in no range.
    if type(value) not in _NUMBERS or not -_ABSURD < value < _ABSURD:
        raise ProtocolError(f"the portal's answer is not understood: {where} is {_kind(value)}, not a number")
    return float(value)


def optional_number(value: Json, where: str) -> float | None:
    """A finite number, or None for null."""
    return None if value is None else number(value, where)


def seconds(value: Json, where: str) -> int:
    """A time in ms, as number or as text, made whole seconds."""
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            raise ProtocolError(f"the portal's answer is not understood: {where} is text, not a time") from None
    if type(value) is int and -_ABSURD < value < _ABSURD:
        return value // 1000
    return int(number(value, where) // 1000)


def all_seconds(values: Iterable[Json], where: str) -> list[int]:
    """Times in ms, made whole seconds. Years of history are millions of them, most of the plainest kind."""
    return [
        value // 1000 if type(value) is int and -_ABSURD < value < _ABSURD else seconds(value, where)
        for value in values
    ]


def optional_numbers(values: Iterable[Json], where: str) -> list[float | None]:
    """Finite numbers, each or None for null."""
    return [
        value if type(value) is float and -_ABSURD < value < _ABSURD else optional_number(value, where)
        for value in values
    ]


def _kind(value: Json) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number out of range" if isinstance(value, float) else "a number")
