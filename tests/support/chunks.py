"""Chunks made by hand."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from exporter.intervals.model import Interval, LocationKey, Meter, MeterInfo
from exporter.portal.raw_series import RawSeries
from exporter.sinks.base import Chunk

ZONE = ZoneInfo("America/New_York")
KEY = LocationKey("novec", "0012345001", "70001")
HOUR = 3600


def instant(text: str, zone: ZoneInfo = ZONE) -> int:
    """A local time, given as `2026-01-05` or `2026-01-05 13:45`; the first of two."""
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())


def meter(number: str, intervals: Iterable[Interval] = (), days: Iterable[Interval] = ()) -> Meter:
    return Meter(MeterInfo(number), tuple(intervals), tuple(days))


def chunk(day: str, *meters: Meter, series: Iterable[RawSeries] = (), key: LocationKey = KEY, days: int = 1) -> Chunk:
    """Whole local days from one on."""
    after = (datetime.fromisoformat(day) + timedelta(days=days)).date().isoformat()
    return Chunk(key, ZONE, instant(day), instant(after), meters, tuple(series))


def usage(start: int, kwh: float | None, length: int = HOUR, **more: float | None) -> Interval:
    """An interval with versions of which each is another number."""
    return replace(
        Interval(start, start + length, kwh, usage_k=7, export_k=8, cost_k=9),
        export=more.get("export"),
        cost=more.get("cost"),
    )


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
