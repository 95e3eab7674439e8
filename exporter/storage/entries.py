"""The entries of the state file: what they are about, and their bytes.

The intervals of a meter on a local day are one entry, and so are its day totals. They are columns of fixed width, in
little-endian order without gaps, after the number of intervals, the length of the names, and the names:

    names of the rate periods      JSON
    start, length                  u32   seconds UTC, seconds
    usage, export, cost            f64   NaN if absent
    their versions                 u16
    for each period: kWh, version  f64 (NaN if absent), u16

Decoding raises an exception for anything that encoding does not write.
"""

import json
import math
import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from functools import lru_cache
from hashlib import blake2b
from itertools import groupby, pairwise
from operator import lt
from typing import Any, NamedTuple

from ..intervals.columns import Intervals, Period, Quantity, Real, Whole, joined, missing_quantity, starts_column
from ..intervals.industries import UNITS
from ..intervals.model import LocationKey, MeterInfo
from ..intervals.samples import VERSIONS

LOCATION, METER, INTERVALS, DAYS, NEEDED, CHUNK = "location", "meter", "intervals", "days", "backfill_needed", "chunk"
"""The kinds of entries. All but a chunk of a backfill are about what is known of a location."""

_HEADER = struct.Struct("<II")
_NAN = math.nan
_COLUMNS, _PERIOD_COLUMNS = "IidddHHH", "dH"
_LARGEST = 1e18  # kWh or USD, above everything that a portal's answer may hold
_LONGEST = 400 * 86400  # seconds
# The highest bytes of numbers that are certainly in range; others are looked at.
_USUAL_ENERGY = bytes(range(0x43))  # from 0 to 2**49
_USUAL_COST = _USUAL_ENERGY + bytes(range(0x80, 0xC3))
_USUAL_VERSIONS = bytes(range(3))
_LATEST = 4_102_444_800  # the end of 2099; later times, or those before 1970, are not read from a portal


class EntryKey(NamedTuple):
    """What an entry is about. name, start: which meter, day or chunk of a location."""

    kind: str
    portal: str
    account: str
    location: str
    name: str = ""
    start: int = 0

    @classmethod
    def of(cls, kind: str, location: LocationKey, name: str = "", start: int = 0) -> "EntryKey":
        """Return the key of an entry of a location."""
        return cls(kind, location.portal, location.account, location.location, name, start)

    @property
    def location_key(self) -> LocationKey:
        """The location that the entry belongs to."""
        return LocationKey(self.portal, self.account, self.location)


Changes = dict[EntryKey, bytes | None]
"""New entries, and None for those to delete."""


def encode_intervals(intervals: Intervals) -> bytes:
    """Return intervals, or day totals, as columns. They are sorted by time, and their periods by name."""
    names = json.dumps([period.name for period in intervals.periods]).encode()
    quantities = intervals.quantities()
    columns: list[array[Any]] = [array("I", intervals.starts), array("I", intervals.lengths)]
    columns += [each.values for each in quantities]
    columns += [each.versions for each in quantities]
    for period in intervals.periods:
        columns += _dense(period, intervals.starts)
    return _HEADER.pack(len(intervals), len(names)) + names + b"".join(map(_little_endian, columns))


def _dense(period: Period, starts: Sequence[int]) -> "tuple[array[float], array[int]]":
    known = {start: (kwh, k) for start, kwh, k in zip(period.starts, period.values, period.versions, strict=True)}
    rows = [known.get(start, (_NAN, 0)) for start in starts]
    return array("d", [kwh for kwh, _ in rows]), array("H", [k for _, k in rows])


def _little_endian(column: "array[Any]") -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()


def decode_intervals(*entries: bytes) -> Intervals:
    """Return the intervals, or day totals, of entries that follow each other."""
    parts = [part for part in map(_part, entries) if part.starts]
    if not all(earlier.starts[-1] < later.starts[0] for earlier, later in pairwise(parts)):
        raise ValueError("entries overlap")
    return joined(_decoded(names, list(run)) for names, run in groupby(parts, lambda part: part.names))


class _Part(NamedTuple):
    """An entry, cut into its columns. others: the bytes of all but the starts."""

    names: tuple[str, ...]
    starts: Whole
    others: list[bytes]


def _part(entry: bytes) -> _Part:
    count, size = _HEADER.unpack_from(entry)
    end = _HEADER.size + size
    names = _period_names(entry[_HEADER.size : end])
    starts, *others = _layout(count, len(names)).unpack(entry[end:])
    return _Part(names, _starts(starts), others)


@lru_cache(maxsize=64)  # few differ
def _layout(count: int, periods: int) -> struct.Struct:
    """Return where the columns of an entry are, each as bytes."""
    return struct.Struct("".join(f"{array(code).itemsize * count}s" for code in _codes(periods)))


def _codes(periods: int) -> str:
    return _COLUMNS + _PERIOD_COLUMNS * periods


@lru_cache(maxsize=64)  # few differ
def _period_names(text: bytes) -> tuple[str, ...]:
    names = json.loads(text)
    if names != sorted(set(map(str, names))):
        raise ValueError("not names of rate periods")
    return tuple(names)


@lru_cache(maxsize=64)  # most meters share those of a day
def _starts(data: bytes) -> Whole:
    starts = _column("I", data).tolist()
    if not all(map(lt, starts, starts[1:])) or not all(start < _LATEST for start in starts[-1:]):
        raise ValueError("starts out of range")
    return starts_column(starts)


def _decoded(names: Sequence[str], parts: Sequence[_Part]) -> Intervals:
    others = map(b"".join, zip(*(part.others for part in parts), strict=True))
    columns = map(_column, _codes(len(names))[1:], others)
    lengths, usage, export, cost, usage_k, export_k, cost_k, *dense = columns
    starts = array("q", b"".join(bytes(part.starts) for part in parts))
    periods = [
        Period(name, starts, values, versions).select([value == value for value in values])  # noqa: PLR0124 - not NaN
        for name, values, versions in zip(names, dense[::2], dense[1::2], strict=True)
    ]
    energies = usage, export, *(each.values for each in periods)
    if not (
        all(0 < length <= _LONGEST for length in _distinct(lengths))
        and all(_are_in_range(energy, 0.0, _USUAL_ENERGY) for energy in energies)
        and _are_in_range(cost, -_LARGEST, _USUAL_COST)
        and all(_are_versions(each) for each in (usage_k, export_k, cost_k, *dense[1::2]))
    ):
        raise ValueError("intervals out of range")
    return Intervals(
        starts,
        lengths,
        Quantity(usage, usage_k),
        Quantity(export, export_k),
        Quantity(cost, cost_k),
        tuple(each for each in periods if each.starts),
    )


def _column(code: str, data: bytes) -> "array[Any]":
    column: array[Any] = array(code, data)
    if sys.byteorder == "big":
        column.byteswap()
    return column


def _distinct(column: Whole) -> Iterable[int]:
    return column[:1] if column == column[:1] * len(column) else set(column)


def _are_in_range(values: Real, least: float, usual: bytes) -> bool:
    if _have_usual_bytes(values, usual) or bytes(values) == bytes(missing_quantity(len(values)).values):
        return True
    known = [value for value in values if not math.isnan(value)]
    return not known or least <= min(known) <= max(known) <= _LARGEST


def _are_versions(column: Whole) -> bool:
    return _have_usual_bytes(column, _USUAL_VERSIONS) or max(column) in VERSIONS


def _have_usual_bytes(column: "Whole | Real", usual: bytes) -> bool:
    """Check that the highest byte of every number is one of these, which is faster than to look at the numbers."""
    highest = column.itemsize - 1 if sys.byteorder == "little" else 0
    return not bytes(column)[highest :: column.itemsize].translate(None, usual)


def encode_meter(info: MeterInfo) -> bytes:
    """Return what is known about a meter, without its number."""
    values = asdict(info)
    del values["number"]
    return json.dumps(values).encode()


def decode_meter(number: str, data: bytes) -> MeterInfo:
    """Return what is known about the meter with this number."""
    values: dict[str, Any] = {
        name: tuple(each) if isinstance(each, list) else each for name, each in json.loads(data).items()
    }
    info = MeterInfo(number, **values)
    _, *others = fields(info)
    is_typed = all(type(getattr(info, each.name)) is type(each.default) for each in others)
    is_known = info.unit in ("", *UNITS.get(info.industry, ()))
    if not (is_typed and is_known and all(isinstance(flow, str) for flow in info.flows) and 0 <= info.step < _LONGEST):
        raise ValueError("meter out of range")
    return info


def encode_location(name: str, timezone: str) -> bytes:
    """Return the name and the zone of a location."""
    return json.dumps([name, timezone]).encode()


def decode_location(data: bytes) -> tuple[str, str]:
    """Return the name and the zone of a location."""
    name, timezone = json.loads(data)
    if not (isinstance(name, str) and isinstance(timezone, str)):
        raise TypeError("not text")
    return name, timezone


def checked_time(time: int) -> int:
    """Return a time in seconds UTC, if the program can have stored it."""
    if not 0 <= time < _LATEST:
        raise ValueError("time out of range")
    return time


def task_name(task: str) -> str:
    """Return the name of a backfill's chunks; the task itself may be long."""
    return blake2b(task.encode(), digest_size=16).hexdigest()


def encode_chunk(end: int, finished: float, text: str) -> bytes:
    """Return a finished chunk of a backfill: its end and when it was finished, in seconds UTC, and its figures."""
    return json.dumps([end, finished, text]).encode()


def decode_chunk(data: bytes) -> tuple[int, float, str]:
    """Return the end of a finished chunk, when it was finished, and its figures."""
    end, finished, text = json.loads(data)
    if not isinstance(text, str):
        raise TypeError("not text")
    checked_time(int(finished))
    return checked_time(end), finished, text
