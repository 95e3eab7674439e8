"""The JSON of a usage poll, read at the speed of the parser.

An answer holds megabytes, most of it repetitions that are never read: see
docs/portal.md, "Shape of a usage answer". Of an answer in the usual shape only what is used becomes Python objects. Any
other shape is left to `loads` and to the tolerant decoder, with its messages; both return the same result.
"""

from typing import Any, NamedTuple

import msgspec

from ..errors import TooLargeError
from .parsing import PLAUSIBLE, Json, loads

_MOST_POINTS = 2_000_000  # in all; the largest answer in the usual shape has half as many
_SHORTEST_POINT = b'{"x":0},'


class WallPoints(NamedTuple):
    """The points of a series in the order of the portal: wall-clock seconds and values, None if it has none."""

    walls: list[int]
    values: list[float | None]


class IntervalEnds(dict[int, int]):
    """The end of each charted interval by its start, both in wall-clock seconds."""


class _Point(msgspec.Struct, gc=False):
    x: int
    y: float | None = None


class _Series(msgspec.Struct):
    data: list[_Point] | None = None
    name: Any = None
    meterNumber: Any = None  # noqa: N815 - here and below: the portal's names
    channel: Any = None
    isNet: Any = None  # noqa: N815
    rateName: Any = None  # noqa: N815


class _Span(msgspec.Struct, gc=False):
    start: int
    end: int


class _Charted(msgspec.Struct, gc=False):
    interval: _Span


class _Entry(msgspec.Struct):
    type: Any = None
    unitOfMeasure: Any = None  # noqa: N815
    meters: Any = None
    series: list[_Series] | None = None
    xToOrderedInterval: dict[str, _Charted] | None = None  # noqa: N815
    hasHourly: Any = None  # noqa: N815
    connectDate: Any = None  # noqa: N815


class _Answer(msgspec.Struct):
    status: Any = None
    data: dict[str, list[_Entry] | None] | None = None


_DECODER = msgspec.json.Decoder(_Answer)


def read_poll(body: bytes) -> Json:
    """Return the JSON of an answer, like `loads`.

    In the usual shape `data` of a series is `WallPoints` and `xToOrderedInterval` is `IntervalEnds`.
    """
    if len(body) > _MOST_POINTS * len(_SHORTEST_POINT) and body.count(b'"x"') > _MOST_POINTS:
        raise TooLargeError("the portal's response has too many points")
    try:
        answer = _DECODER.decode(body)
        read: Json = answer.data
        if answer.data is not None:
            read = {key: None if each is None else [_entry(one) for one in each] for key, each in answer.data.items()}
    except (msgspec.DecodeError, _UnusualError):
        return loads(body)
    return {"status": answer.status, "data": read}


class _UnusualError(Exception):
    """The answer needs the tolerant decoder."""


def _entry(entry: _Entry) -> dict[str, Json]:
    fields = {name: getattr(entry, name) for name in ("type", "unitOfMeasure", "meters", "hasHourly", "connectDate")}
    if entry.series is not None:
        fields["series"] = [_series(each) for each in entry.series]
    if entry.xToOrderedInterval is not None:
        spans = [each.interval for each in entry.xToOrderedInterval.values()]
        starts, ends = _seconds([each.start for each in spans]), _seconds([each.end for each in spans])
        fields["xToOrderedInterval"] = IntervalEnds(zip(starts, ends, strict=True))
    return fields


def _series(series: _Series) -> dict[str, Json]:
    fields = {name: getattr(series, name) for name in ("name", "meterNumber", "channel", "isNet", "rateName")}
    if series.data is not None:
        walls, values = _seconds([each.x for each in series.data]), [each.y for each in series.data]
        known = [value for value in values if value is not None]
        if known and not -PLAUSIBLE < min(known) <= max(known) < PLAUSIBLE:
            raise _UnusualError
        fields["data"] = WallPoints(walls, values)
    return fields


def _seconds(milliseconds: list[int]) -> list[int]:
    if milliseconds and not -PLAUSIBLE < min(milliseconds) <= max(milliseconds) < PLAUSIBLE:
        raise _UnusualError
    return [each // 1000 for each in milliseconds]
