"""Backfills into a real VictoriaMetrics: own CPU, time and memory."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Settings
from exporter.simulator.specs import Channels
from exporter.simulator.world import World
from tests.support.backfill_process import Backfiller, InstantPortal
from tests.support.exporter_process import house, meter
from tests.support.portal import change
from tests.support.services import Services

from .lines import Line
from .measuring import memory_of

SOLAR_HOUSE = World(locations=(house(2, meter(2, Channels.THREE)),))
YEAR = ("--days", "365")
CHANGE = ("--start", "2024-10-08", "--end", "2024-11-08")
"""32 days with a daylight saving change."""
CONCURRENCY = 2  # the default of --concurrency
PENDING = 1.0  # seconds until a job that was PENDING is asked for again
RUNS = 3

_LOADS = """
import json, sys, time
bodies = [open(name, "rb").read() for name in sys.argv[1:]]
began = time.process_time()
for body in bodies:
    json.loads(body)
print(time.process_time() - began)
"""


def backfills() -> Iterator[Line]:
    """Measure a year of a 15-minute solar meter with cost, and 32 days over a daylight saving change."""
    portal = InstantPortal(SOLAR_HOUSE, Settings(pending=0))
    with PortalServer(portal) as server, tempfile.TemporaryDirectory() as folder:
        number = count()

        def run(*arguments: str) -> Measured:
            return measured(Path(folder) / f"{next(number)}", server, *arguments)

        start = min(run("--days", "1").cpu for _ in range(RUNS))
        portal.answers.clear()
        years = [run(*YEAR) for _ in range(RUNS)]
        bodies = list(portal.answers.values())
        size = f"json.loads of its {sum(map(len, bodies)) / 1e6:.0f} MB"
        cpu = min(each.cpu for each in years) - start
        yield Line("own CPU of a year of backfill", cpu, "s", size, loads(Path(folder), bodies), 1.5)
        yield Line("own CPU of a backfill of one day, mostly imports", start)
        yield Line("peak memory of a year of backfill", min(each.peak for each in years) / 1e6, "MB")
        change(server, pending=1)
        for what, arguments, bar in (("a year", YEAR, 1.3), ("32 days with a daylight saving change", CHANGE, 2.0)):
            # The first run includes the time of the simulation.
            _, *runs = (run(*arguments) for _ in range(3))
            polls = runs[0].polls
            limit = polls * PENDING / CONCURRENCY
            beside = f"{polls} polls x {PENDING:.0f} s / {CONCURRENCY}"
            wall = min(each.wall for each in runs)
            yield Line(f"wall time of {what}, one PENDING a poll", wall, "s", beside, limit, bar)


def loads(folder: Path, bodies: list[bytes]) -> float:
    """Return the CPU seconds of json.loads for these answers, in a new process."""
    files = [folder / f"{number}.json" for number in range(len(bodies))]
    for file, body in zip(files, bodies, strict=True):
        file.write_bytes(body)
    return min(float(subprocess.check_output([sys.executable, "-c", _LOADS, *files])) for _ in range(RUNS))


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: seconds, CPU seconds of the backfill, its peak memory in bytes, and its jobs at the portal."""

    wall: float
    cpu: float
    peak: int
    polls: int


def measured(folder: Path, server: PortalServer, *arguments: str) -> Measured:
    """Run a backfill into a new database."""
    with Services(folder) as services:
        command = Backfiller(folder / "backfill", server.url, services.victoria_metrics().url)
        calls = server.portal.calls["poll", 200]
        began = time.perf_counter()
        process, peak = command.start(*arguments, "--no-progress").process, 0
        # ru_maxrss would start with the size of the parent process.
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            peak = max(peak, memory_of(process.pid, peak=True))
            time.sleep(0.02)
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        wall = time.perf_counter() - began
    if process.returncode:
        sys.exit(f"the backfill ended with {process.returncode}")
    cpu = ended[2].ru_utime + ended[2].ru_stime
    polls = (server.portal.calls["poll", 200] - calls) // (1 + server.portal.settings.pending)
    return Measured(wall, cpu, peak, polls)
