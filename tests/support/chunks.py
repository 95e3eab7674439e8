"""Chunks with known values, for the tests of sinks."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from exporter.intervals.interval import Interval
from exporter.intervals.model import LocationKey, Meter, MeterInfo
from exporter.portal.raw_series import RawSeries
from exporter.sinks.base import Chunk

from .worlds import ZONE, instant

KEY = LocationKey("novec", "0012345001", "70001")
HOUR = 3600


def meter(number: str, intervals: Iterable[Interval] = (), days: Iterable[Interval] = ()) -> Meter:
    return Meter.of(MeterInfo(number), tuple(intervals), tuple(days))


def chunk(day: str, *meters: Meter, series: Iterable[RawSeries] = (), key: LocationKey = KEY, days: int = 1) -> Chunk:
    """Return a chunk of local days, starting with `day`."""
    after = (datetime.fromisoformat(day) + timedelta(days=days)).date().isoformat()
    return Chunk(key, ZONE, instant(day), instant(after), meters, tuple(series))


def usage(start: int, kwh: float | None, length: int = HOUR, **more: float | None) -> Interval:
    """Return an interval whose usage, export and cost have different versions."""
    return replace(
        Interval(start, start + length, kwh, usage_k=7, export_k=8, cost_k=9),
        export=more.get("export"),
        cost=more.get("cost"),
    )


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
