"""How a value becomes a sample: rounding, version and timestamp.

The rules are in docs/samples.md, "Timestamps and versions".
"""

import math
from collections.abc import Iterable

_LARGEST_VERSION = 999
# Shared objects: tens of thousands of intervals would otherwise hold copies of their own.
VERSIONS = tuple(range(_LARGEST_VERSION + 1))
_DECIMALS = 6
_WATT_DECIMALS = 3
_HOURS_OF_LARGEST_VERSION = 175_200  # twenty years


def amount(value: float) -> float:
    """Round kWh or USD to six decimals, as stored and served; without a negative zero."""
    return round(value, _DECIMALS) + 0.0


def watts(kwh: float, seconds: int) -> float:
    """Return the average power in W of an energy over a time."""
    return round(kwh * 3_600_000 / seconds, _WATT_DECIMALS) + 0.0


def version(end: int, seen: float) -> int:
    """Return the version of a value that was first seen at `seen`.

    end: The end of its interval; both in seconds UTC. The version grows with the age at which the value was seen, so
    that in a database the value seen later wins, no matter who wrote it.
    """
    hours = max(0.0, (seen - end) / 3600)
    by_age = 1 + math.floor(998 * math.log(1 + hours) / math.log(1 + _HOURS_OF_LARGEST_VERSION))
    return VERSIONS[min(by_age, _LARGEST_VERSION)]


def newer_version(fresh: int, replaced: int) -> int:
    """Return the version of a value that replaces another one.

    fresh: Its version by age. replaced: The version of the other value, which it must exceed; 0 if there is none.
    """
    return VERSIONS[min(max(fresh, replaced + 1), _LARGEST_VERSION)]


def timestamp_ms(end: int, k: int) -> int:
    """Return the timestamp of a sample in ms, in the last second of its interval."""
    return timestamps_ms((end,), (k,))[0]


def timestamps_ms(ends: Iterable[int], versions: Iterable[int]) -> list[int]:
    """Return the timestamps of many samples."""
    return [end * 1000 - 1000 + k for end, k in zip(ends, versions, strict=True)]
