"""Damage JSON at one random place, without turning it into another valid answer."""

import math
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

Json = Any

GARBAGE: tuple[Json, ...] = (
    None,
    True,
    "",
    "x",
    "NaN",
    "9" * 400,
    "\ud800",
    "\x1b[31m\u202e",
    -1e300,
    10**400,
    math.nan,
    math.inf,
    [],
    {},
    [[]],
    {"a": {}},
)
"""Values that are no number, date or word of a portal."""

_MEANINGFUL_WITHOUT = {"flowDirection", "isNet"}
"""Fields whose absence means something: docs/portal.md, "Directions"."""


def damaged(answer: Json, random: Random) -> tuple[str, Json]:
    """Return what was done, and a copy of an answer with that damage."""
    answer = deepcopy(answer)
    place, holder, key = _place(answer, random)
    kinds: list[Callable[[], str]] = [lambda: _replace(holder, key, random)]
    if isinstance(holder, list) or key not in _MEANINGFUL_WITHOUT:
        kinds.append(lambda: _delete(holder, key))
    if isinstance(holder[key], list) and len(holder[key]) > 1:
        kinds += [
            lambda: _shorten(holder[key], random),
            lambda: _repeat(holder[key], random),
            lambda: _shuffle(holder[key], random),
        ]
    return f"{random.choice(kinds)()} at {place}", answer


def _place(value: Json, random: Random) -> tuple[str, Json, Any]:
    """Choose a place, level by level, so that the many points do not hide the rest."""
    words: list[str] = []
    while True:
        key = random.choice(list(value) if isinstance(value, dict) else range(len(value)))
        words.append(str(key))
        if not (isinstance(value[key], dict | list) and value[key]) or random.random() < 0.25:
            return ".".join(words), value, key
        value = value[key]


def _replace(holder: Json, key: Any, random: Random) -> str:  # noqa: ANN401
    garbage = [each for each in GARBAGE if key not in _MEANINGFUL_WITHOUT or (isinstance(each, str) and each)]
    holder[key] = random.choice(garbage)
    return f"{holder[key]!r:.40}"


def _delete(holder: Json, key: Any) -> str:  # noqa: ANN401
    del holder[key]
    return "deleted"


def _shorten(items: list[Json], random: Random) -> str:
    del items[random.randrange(1, len(items)) :]
    return "shortened"


def _repeat(items: list[Json], random: Random) -> str:
    items.append(deepcopy(random.choice(items)))
    return "repeated"


def _shuffle(items: list[Json], random: Random) -> str:
    random.shuffle(items)
    return "shuffled"
