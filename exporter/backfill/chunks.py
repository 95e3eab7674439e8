"""Build chunks from fetched data, with the versions known to the state."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from itertools import chain, filterfalse

from ..intervals.columns import Intervals, Quantity, joined
from ..intervals.model import Location, Meter
from ..intervals.submeters import submeters_of
from ..intervals.updates import update_meter
from ..locations import location_name
from ..sinks.base import Chunk
from ..storage.snapshots import SnapshotStore
from .fetcher import Fetched
from .journal import Coverage, Totals


def build_chunk(
    fetched: Fetched, store: SnapshotStore, *, now: float, keep_from: int, exporting: Collection[str] = ()
) -> Chunk:
    """Return the chunk for a sink to write.

    `exporting` are the meters whose other chunks show export.

    Intervals that end after `keep_from` are merged into the store: values it knows keep the version the exporter serves
    them with, and new values are added. Values of older intervals count as first seen now.
    """
    job = fetched.job
    given_meters = [
        replace(each, info=replace(each.info, exports=True)) if each.info.number in exporting else each
        for each in fetched.history.meters
    ]
    name = location_name(job.name, store.snapshot.locations.get(job.key))
    if fetched.end > keep_from:
        location = Location(job.key, name, str(job.wall.zone))
        store.merge(location, given_meters, job.wall, now=now, keep_from=keep_from, complete=False)
    known = store.snapshot.locations.get(job.key)
    recent = {meter.info.number: meter for meter in known.meters} if known else {}
    first = max(fetched.start, keep_from)
    meters = []
    for each in given_meters:
        older = replace(each, readings=each.readings.select([end <= keep_from for end in each.readings.ends()]))
        newer = recent.get(each.info.number, Meter(each.info))
        # Other days may show that the meter exports: docs/samples.md, "Usage and export"
        meter = update_meter(Meter(newer.info), older, job.wall, now=now, keep_from=fetched.start).meter
        given = set(each.readings.starts)
        # A state that was not updated for a while still holds old values, which must not be written again.
        recent_intervals = _inside(newer.intervals, first, fetched.end)
        intervals = recent_intervals.select([start in given for start in recent_intervals.starts])
        info = replace(each.info, exports=meter.info.exports)
        days = _inside(newer.days, first, fetched.end)
        meters.append(Meter(info, joined((meter.intervals, intervals)), joined((meter.days, days))))
    return Chunk(job.key, job.wall.zone, fetched.start, fetched.end, tuple(meters), fetched.series, name)


def _inside(intervals: Intervals, start: int, end: int) -> Intervals:
    started = intervals.between(start, end)
    return started.select([each <= end for each in started.ends()])


def totals_of(chunk: Chunk) -> Totals:
    """Count the intervals of a chunk and add them up, those of sub-meters only as part of their parent."""
    submeters = submeters_of(chunk.meters)
    every = [meter.intervals for meter in chunk.meters if meter.info.number not in submeters]

    def total(columns: Iterable[Quantity]) -> float:
        return math.fsum(filterfalse(math.isnan, chain.from_iterable(column.values for column in columns)))

    return Totals(
        sum(len(meter.intervals) for meter in chunk.meters),
        total(each.usage for each in every),
        total(each.export for each in every),
        total(each.cost for each in every),
    )


def coverage_of(chunk: Chunk) -> Coverage:
    """Return the span of each meter's energy, and meters that may export elsewhere."""
    spans = {
        meter.info.number: (counted[0].start, counted[-1].end)
        for meter in chunk.meters
        if (counted := meter.intervals.with_energy())
    }
    one_way = tuple(meter.info.number for meter in chunk.meters if meter.info.signed and not meter.info.exports)
    return Coverage(spans, one_way)


def full_days_of(chunk: Chunk) -> Mapping[str, Collection[int]]:
    """Return the starts of the full local days of each meter."""
    return {meter.info.number: set(meter.days.with_energy().starts) for meter in chunk.meters}
