"""What a value looks like as a sample: rounding, its version and its timestamp (contract 3)."""

import math

_LARGEST_VERSION = 999
# One object a number: tens of thousands of intervals would otherwise hold their own copies.
VERSIONS = tuple(range(_LARGEST_VERSION + 1))
_DECIMALS = 6
_WATT_DECIMALS = 3
_HOURS_OF_LARGEST_VERSION = 175_200  # twenty years


def amount(value: float) -> float:
    """KWh or USD as they are stored and served: six decimals, no negative zero."""
    return round(value, _DECIMALS) + 0.0


def watts(kwh: float, seconds: int) -> float:
    """The average power of an energy over a time, in W."""
    return round(kwh * 3_600_000 / seconds, _WATT_DECIMALS) + 0.0


def version(end: int, seen: float) -> int:
    """The version of a value first seen at `seen` for an interval that ended at `end` (contract 3).

    It grows with the age at which a value was seen, so that what is seen later wins in a database, whoever wrote it.
    """
    hours = max(0.0, (seen - end) / 3600)
    by_age = 1 + math.floor(998 * math.log(1 + hours) / math.log(1 + _HOURS_OF_LARGEST_VERSION))
    return VERSIONS[min(by_age, _LARGEST_VERSION)]


def newer_version(fresh: int, replaced: int) -> int:
    """The version of a value by its age alone, made later than that of the value that it replaces."""
    return VERSIONS[min(max(fresh, replaced + 1), _LARGEST_VERSION)]


def timestamp_ms(end: int, k: int) -> int:
    """The timestamp of a sample, in ms: within the last second of its interval, later for later versions."""
    return end * 1000 - 1000 + k
