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
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from hashlib import blake2b
from itertools import chain, pairwise
from typing import Any, NamedTuple

from ..intervals.model import Interval, LocationKey, MeterInfo
from ..intervals.samples import VERSIONS

LOCATION, METER, INTERVALS, DAYS, NEEDED, CHUNK = "location", "meter", "intervals", "days", "backfill_needed", "chunk"
"""The kinds of entries. All but a chunk of a backfill are about what is known of a location."""

_HEADER = struct.Struct("<II")
_NAN = math.nan
_LARGEST = 1e18  # kWh or USD, above everything that a portal's answer may hold
_LONGEST = 400 * 86400  # seconds
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


def encode_intervals(intervals: Sequence[Interval]) -> bytes:
    """Return intervals, or day totals, as columns. They are sorted by time, and their periods by name."""
    names = sorted({name for each in intervals for name, _, _ in each.periods})
    text = json.dumps(names).encode()
    columns = zip(*(_row(each, names) for each in intervals), strict=True)
    layout = _layout(len(intervals), len(names))
    return _HEADER.pack(len(intervals), len(text)) + text + struct.pack(layout, *chain(*columns))


def _layout(count: int, periods: int) -> str:
    return f"<{2 * count}I{3 * count}d{3 * count}H" + f"{count}d{count}H" * periods


def _row(interval: Interval, names: Iterable[str]) -> tuple[float, ...]:
    known = {name: (kwh, k) for name, kwh, k in interval.periods}
    values = (_NAN if value is None else value for value in (interval.usage, interval.export, interval.cost))
    versions = (interval.usage_k, interval.export_k, interval.cost_k)
    periods = chain(*(known.get(name, (_NAN, 0)) for name in names))
    return (interval.start, interval.end - interval.start, *values, *versions, *periods)


def decode_intervals(data: bytes) -> list[Interval]:
    """Return the intervals, or day totals, of an entry."""
    count, size = _HEADER.unpack_from(data)
    body = _HEADER.size + size
    names = json.loads(data[_HEADER.size : body])
    flat = struct.unpack(_layout(count, len(names)), data[body:])
    if not count:
        return []
    starts, lengths, usage, export, cost, usage_k, export_k, cost_k, *periods = (
        flat[at : at + count] for at in range(0, len(flat), count)
    )
    energies = (usage, export, *periods[::2])
    if not (
        names == sorted(set(map(str, names)))
        and starts[-1] < _LATEST
        and all(before < after for before, after in pairwise(starts))
        and 0 < min(lengths) <= max(lengths) <= _LONGEST
        and all(math.isnan(kwh) or 0 <= kwh <= _LARGEST for kwh in chain(*energies))
        and all(math.isnan(usd) or -_LARGEST <= usd <= _LARGEST for usd in cost)
    ):
        raise ValueError("intervals out of range")
    in_periods = [
        tuple(
            (name, kwh, VERSIONS[k])
            for name, kwh, k in zip(names, row[::2], row[1::2], strict=True)
            if not math.isnan(kwh)
        )
        for row in zip(*periods, strict=True)
    ] or [()] * count
    return [
        Interval(
            *(start, start + length),
            *(_known(used), VERSIONS[used_k]),
            *(_known(sent), VERSIONS[sent_k]),
            *(_known(usd), VERSIONS[usd_k]),
            periods_then,
        )
        for start, length, used, used_k, sent, sent_k, usd, usd_k, periods_then in zip(
            *(starts, lengths, usage, usage_k, export, export_k, cost, cost_k), in_periods, strict=True
        )
    ]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


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
    if not is_typed or not all(isinstance(flow, str) for flow in info.flows) or not 0 <= info.step < _LONGEST:
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
