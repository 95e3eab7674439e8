"""Reading JSON of unknown shape: each function returns the type it promises or raises ProtocolError.

Messages name keys and types, never values, because a value may be a person's name or address.
"""

from collections.abc import Iterable
from typing import Any

from ..errors import ProtocolError

Json = Any
"""Anything that json.loads returns; the functions below give it a type."""

_NUMBERS = (int, float)
_ABSURD = 1e15  # times in the year 9999 are below it in ms; energies above it could not be added exactly


def mapping(value: Json, where: str) -> dict[str, Json]:
    """Return an object."""
    if not isinstance(value, dict):
        raise ProtocolError(f"the portal's answer is not understood: {where} is {_kind(value)}, not an object")
    return value


def sequence(value: Json, where: str) -> list[Json]:
    """Return a list, empty if it is absent."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise ProtocolError(f"the portal's answer is not understood: {where} is {_kind(value)}, not a list")
    return value


def text(value: Json) -> str:
    """Return an identifier or label, which arrives as text or as number; empty for anything else."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ""


def flag(value: Json) -> bool | None:
    """Return true or false; None for anything else."""
    return value if isinstance(value, bool) else None


def number(value: Json, where: str) -> float:
    """Return a finite number of a plausible size."""
    # JSON has no other number types, and NaN is in no range.
    if type(value) not in _NUMBERS or not -_ABSURD < value < _ABSURD:
        raise ProtocolError(f"the portal's answer is not understood: {where} is {_kind(value)}, not a number")
    return float(value)


def optional_number(value: Json, where: str) -> float | None:
    """Return a finite number, or None for null."""
    return None if value is None else number(value, where)


def seconds(value: Json, where: str) -> int:
    """Return a time as whole seconds; it arrives in milliseconds, as number or text."""
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            raise ProtocolError(f"the portal's answer is not understood: {where} is text, not a time") from None
    if type(value) is int and -_ABSURD < value < _ABSURD:
        return value // 1000
    return int(number(value, where) // 1000)


def all_seconds(values: Iterable[Json], where: str) -> list[int]:
    """Return times as whole seconds, quickly: years of history have millions of them."""
    return [
        value // 1000 if type(value) is int and -_ABSURD < value < _ABSURD else seconds(value, where)
        for value in values
    ]


def optional_numbers(values: Iterable[Json], where: str) -> list[float | None]:
    """Return finite numbers, None for each null."""
    return [
        value if type(value) is float and -_ABSURD < value < _ABSURD else optional_number(value, where)
        for value in values
    ]


def _kind(value: Json) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number out of range" if isinstance(value, float) else "a number")
