"""What is measured: made-up meters, and simulated portals that answer at once."""

import time
from dataclasses import replace

from exporter.clock import Clock
from exporter.intervals.interval import Interval
from exporter.intervals.model import Location, LocationKey, Meter, MeterInfo, Snapshot
from exporter.intervals.samples import version
from exporter.simulator.household import Household
from exporter.simulator.points import Question
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.settings import Settings
from exporter.simulator.specs import LocationSpec, MeterSpec
from exporter.simulator.truth import Almanac
from exporter.simulator.world import World

DAY = 86400
STEP = 900
ZONE = "America/New_York"
ACCOUNT = "55001"
HOUSE = MeterSpec("M0000", Household(1))
"""Its number occurs nowhere else in an answer."""


class Street(SimulatedPortal):
    """A portal with many equal houses, which computes one answer for all of them."""

    def __init__(self, count: int, clock: Clock) -> None:
        homes = (LocationSpec(ACCOUNT, f"7{n:04}", (replace(HOUSE, number=f"M{n:04}"),)) for n in range(1, count + 1))
        # Tokens live long, so that signing in again is not a part of every refresh.
        super().__init__(World(ZONE, locations=tuple(homes)), clock, Settings(pending=0, token_life=1e6))
        self._known: dict[tuple[str, int, int, float], bytes] = {}

    def _answer(self, question: Question, body: bytes, almanac: Almanac) -> bytes:
        (meter,) = question.location.meters
        key = question.time_frame, question.start, question.end, almanac.now
        if key not in self._known:
            home = replace(question.location, meters=(HOUSE,))
            self._known[key] = super()._answer(replace(question, location=home), body, almanac)
        return self._known[key].replace(HOUSE.number.encode(), meter.number.encode())


def snapshot(count: int, days: int = 7, *, portal: str = "novec", more: float = 0.0) -> Snapshot:
    """Return meters with usage and cost; `more` is added to each value."""
    now = time.time()
    last = int(now) // STEP * STEP
    locations = {}
    for number in range(1, count + 1):
        intervals = (
            Interval(
                end - STEP,
                end,
                (k := number + end % 977) / 1000 + more,
                (v := version(end, now)),
                None,
                0,
                round(k / 9000, 2) + more,
                v,
            )
            for end in range(last - days * DAY + STEP, last + 1, STEP)
        )
        key = LocationKey(portal, ACCOUNT, f"7{number:04}")
        locations[key] = Location(key, "", ZONE, (Meter.of(MeterInfo(f"M{number:04}"), intervals),))
    return Snapshot(locations)
