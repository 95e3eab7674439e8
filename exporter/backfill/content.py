"""From what the portal gave of a chunk to what is written of it, with the versions that the state knows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from ..days import Day
from ..intervals import DAILY, Interval
from ..portal.walltime import WallClock
from ..sinks.sink import Chunk
from ..snapshot import Location, Meter, update_meter
from ..store import Store
from .fetching import Fetched
from .journal import Figures, Sight


def chunk_of(fetched: Fetched, store: Store, *, now: float, keep_from: int) -> Chunk:
    """The chunk that a sink is to write.

    What ended after `keep_from` goes through the store: values that the exporter knows keep the versions under which
    it serves them, and what is new to it is known to both from now on. What is older counts as first seen now.
    """
    job = fetched.job
    if fetched.end > keep_from:
        location = Location(job.key, job.name, str(job.wall.zone))
        store.merge(location, fetched.history.meters, job.wall, now=now, keep_from=keep_from, complete=False)
    known = store.snapshot.locations.get(job.key)
    recent: Mapping[str, Meter] = {meter.info.number: meter for meter in known.meters} if known else {}
    meters = []
    for each in fetched.history.meters:
        older = replace(each, readings=tuple(one for one in each.readings if one.end <= keep_from))
        newer = recent.get(each.info.number)
        # That a meter exports may show in other days than these (contract 3).
        known_before = Meter(newer.info) if newer else None
        meter = update_meter(known_before, older, job.wall, now=now, keep_from=fetched.start).meter
        intervals, days = list(meter.intervals), list(meter.days)
        if newer is not None:
            given = {reading.start for reading in each.readings}
            # A state that was not written for a while still has what nobody keeps up to date any more.
            intervals += [one for one in newer.intervals if one.start in given and _is_of(one, fetched, keep_from)]
            days += [one for one in newer.days if _is_of(one, fetched, keep_from)]
        meters.append(Meter(each.info, tuple(intervals), tuple(days)))
    return Chunk(job.key, job.wall.zone, fetched.start, fetched.end, tuple(meters), fetched.series)


def figures_of(chunk: Chunk) -> Figures:
    """Counts and sums of a chunk's intervals."""
    every = [interval for meter in chunk.meters for interval in meter.intervals]
    return Figures(
        len(every),
        sum(each.usage or 0.0 for each in every),
        sum(each.export or 0.0 for each in every),
        sum(each.cost or 0.0 for each in every),
    )


def sight_of(chunk: Chunk, wall: WallClock, newest: float) -> Sight:
    """Where each meter's data begin and end in a chunk, and which of its local days are not whole.

    newest: what ends later cannot be there yet.
    """
    holes: list[tuple[str, int, int, int]] = []
    for meter in chunk.meters:
        step = meter.info.step
        starts = {interval.start for interval in meter.intervals}
        for midnight, following in _days(wall, chunk):
            if following > newest:
                break
            grid = [(midnight,)] if step >= DAILY or step <= 0 else wall.grid(Day(midnight, following), step)
            missing = sum(not starts.intersection(instants) for instants in grid)
            if missing:
                holes.append((meter.info.number, midnight, missing, len(grid)))
    spans = {
        meter.info.number: (meter.intervals[0].start, meter.intervals[-1].end)
        for meter in chunk.meters
        if meter.intervals
    }
    return Sight(spans, tuple(holes))


def _days(wall: WallClock, chunk: Chunk) -> Sequence[tuple[int, int]]:
    return list(pairwise(wall.midnights(chunk.start, chunk.end)))


def _is_of(interval: Interval, fetched: Fetched, keep_from: int) -> bool:
    return max(fetched.start, keep_from) <= interval.start and interval.end <= fetched.end
