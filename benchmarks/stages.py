"""The stages of a year of one solar meter, each by itself, from the portal's bytes to the database and the page."""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from exporter.clock import SystemClock
from exporter.config import VictoriaMetricsConfig
from exporter.intervals.model import Location, LocationKey, Meter, Snapshot
from exporter.intervals.updates import update_meter
from exporter.metrics.exposition import Format
from exporter.metrics.page import PageTexts
from exporter.portal.poll_json import read_poll
from exporter.portal.readings import read_intervals
from exporter.portal.usage import decode
from exporter.portal.walltime import WallClock
from exporter.simulator.answers import usage_answer
from exporter.simulator.points import Question
from exporter.simulator.settings import Settings
from exporter.simulator.truth import Almanac
from exporter.sinks.base import Chunk
from exporter.sinks.victoriametrics import VictoriaMetricsSink
from tests.support.services import Services

from .backfill import SOLAR_HOUSE, loads
from .lines import Line
from .worlds import ZONE

CHUNK = 30  # days
YEAR = 12 * CHUNK

T = TypeVar("T")


def stages() -> Iterator[Line]:
    """Measure 360 days in chunks of 30."""
    zone, now = ZoneInfo(ZONE), time.time()
    clock = WallClock(zone)
    bounds = [clock.days_before(int(now), days) for days in range(YEAR, -1, -CHUNK)]
    answers = [(start, end, _answer(start, end, now)) for start, end in pairwise(bounds)]
    seconds: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, Services(Path(folder)) as services:
        limit = loads(Path(folder), [body for _, _, body in answers])
        sink = VictoriaMetricsSink(VictoriaMetricsConfig(services.victoria_metrics().url), SystemClock())
        for received in answers:
            for stage, spent in _chunk(sink, clock, received, now):
                seconds[stage] += spent  # type: ignore[assignment] # a Counter of seconds
        sink.close()
    for stage, spent in seconds.items():
        yield Line(f"a year of a solar meter: {stage}", spent, "s", "json.loads of its answers", limit)


def _answer(start: int, end: int, now: float) -> bytes:
    (location,) = SOLAR_HOUSE.locations
    almanac = Almanac(ZoneInfo(ZONE), SOLAR_HOUSE.locations, Settings(), now)
    return json.dumps(usage_answer(Question(location, "HOURLY", start, end, {}), almanac)).encode()


def _chunk(
    sink: VictoriaMetricsSink, clock: WallClock, received: tuple[int, int, bytes], now: float
) -> Iterator[tuple[str, float]]:
    """Take one answer through all stages; return the CPU seconds of each."""
    key = LocationKey("novec", "55001", "70001")
    start, end, body = received

    def take(action: Callable[[], T]) -> tuple[T, float]:
        began = time.thread_time()
        return action(), time.thread_time() - began

    answer, spent = take(lambda: decode(read_poll(body)["data"]))
    yield "decode", spent
    found, spent = take(lambda: read_intervals(answer, clock, start, end, {}))
    yield "place", spent
    (readings,) = found.meters
    updated, spent = take(lambda: update_meter(Meter(readings.info), readings, clock, now=now, keep_from=start))
    yield "merge", spent
    snapshot = Snapshot({key: Location(key, "", ZONE, (updated.meter,))})
    _, spent = take(lambda: PageTexts(Format.TEXT).page(snapshot, 0).parts())
    yield "page", spent
    written, spent = take(lambda: sink.write(Chunk(key, clock.zone, start, end, (updated.meter,))))
    yield "JSON out, read back and compared", spent
    _, spent = take(lambda: sink.still_holds(written))
    yield "read back once more", spent
