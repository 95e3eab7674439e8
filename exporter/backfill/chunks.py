"""From what the portal gave of a chunk to what is written of it, with the versions that the state knows."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from ..intervals.model import Location, Meter
from ..intervals.updates import update_meter
from ..locations import location_name
from ..sinks.base import Chunk
from ..storage.snapshots import SnapshotStore
from .fetcher import Fetched
from .journal import Coverage, Totals


def build_chunk(
    fetched: Fetched, store: SnapshotStore, *, now: float, keep_from: int, exporting: Collection[str] = ()
) -> Chunk:
    """The chunk that a sink is to write. exporting: meters of which other chunks show that they export.

    What ended after `keep_from` goes through the store: values that the exporter knows keep the versions under which
    it serves them, and what is new to it is known to both from now on. What is older counts as first seen now.
    """
    job = fetched.job
    given_meters = [
        replace(each, info=replace(each.info, exports=True)) if each.info.number in exporting else each
        for each in fetched.history.meters
    ]
    if fetched.end > keep_from:
        name = location_name(job.name, store.snapshot.locations.get(job.key))
        location = Location(job.key, name, str(job.wall.zone))
        store.merge(location, given_meters, job.wall, now=now, keep_from=keep_from, complete=False)
    known = store.snapshot.locations.get(job.key)
    recent = {meter.info.number: meter for meter in known.meters} if known else {}
    first = max(fetched.start, keep_from)
    meters = []
    for each in given_meters:
        older = replace(each, readings=tuple(one for one in each.readings if one.end <= keep_from))
        newer = recent.get(each.info.number, Meter(each.info))
        # That a meter exports may show in other days than these (contract 3).
        meter = update_meter(Meter(newer.info), older, job.wall, now=now, keep_from=fetched.start).meter
        given = {reading.start for reading in each.readings}
        # A state that was not written for a while still has what nobody keeps up to date any more.
        intervals = [
            one for one in newer.intervals if one.start in given and first <= one.start and one.end <= fetched.end
        ]
        days = [one for one in newer.days if first <= one.start and one.end <= fetched.end]
        info = replace(each.info, exports=meter.info.exports)
        meters.append(Meter(info, (*meter.intervals, *intervals), (*meter.days, *days)))
    return Chunk(job.key, job.wall.zone, fetched.start, fetched.end, tuple(meters), fetched.series)


def totals_of(chunk: Chunk) -> Totals:
    """Counts and sums of a chunk's intervals."""
    every = [interval for meter in chunk.meters for interval in meter.intervals]
    return Totals(
        len(every),
        sum(each.usage or 0.0 for each in every),
        sum(each.export or 0.0 for each in every),
        sum(each.cost or 0.0 for each in every),
    )


def coverage_of(chunk: Chunk) -> Coverage:
    """Where each meter's energy begins and ends in a chunk, and of which meters export may still turn up elsewhere."""
    spans = {
        meter.info.number: (counted[0].start, counted[-1].end)
        for meter in chunk.meters
        if (counted := [interval for interval in meter.intervals if interval.has_energy])
    }
    one_way = tuple(meter.info.number for meter in chunk.meters if meter.info.signed and not meter.info.exports)
    return Coverage(spans, one_way)


def full_days_of(chunk: Chunk) -> Mapping[str, Collection[int]]:
    """By meter the starts of the local days of which no interval is missing."""
    return {meter.info.number: {day.start for day in meter.days if day.has_energy} for meter in chunk.meters}
