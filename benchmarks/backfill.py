"""Measure backfills into a real VictoriaMetrics: time, requests and memory."""

import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Settings
from exporter.simulator.specs import Channels
from exporter.simulator.world import World
from tests.support.backfill_process import Backfiller, InstantPortal, figure
from tests.support.exporter_process import house, meter
from tests.support.services import Services

YEARS = (1, 5)
SETTLING = 15  # seconds that a backfill waits at the end until everything is durable
SOLAR_HOUSE = World(locations=(house(2, meter(2, Channels.THREE)),))


@dataclass
class Measured:
    """One run: seconds, CPU seconds of both processes, bytes, requests, samples."""

    wall: float
    cpu: float
    database_cpu: float
    peak: int
    requests: int
    samples: str


def backfills() -> None:
    print("Backfill of 15-minute import, export and cost of one solar meter into VictoriaMetrics")
    print(
        f"{'years':>7} {'':<28} {'wall':>8} {'but for waiting':>16} {'own CPU':>9} {'a year':>8} {'database':>9}"
        f" {'peak memory':>12} {'requests':>9} {'samples sent':>13}"
    )
    portal = InstantPortal(SOLAR_HOUSE, Settings(pending=0))
    with PortalServer(portal) as server, tempfile.TemporaryDirectory() as folder:
        nothing = run(Path(folder) / "start", server, 1, times=1)[0]
        for years in YEARS:
            # The first run includes the time of the simulation; later ones reuse its answers.
            runs = run(Path(folder) / f"years-{years}", server, 365 * years, times=1)
            runs += run(Path(folder) / f"years-{years}-again", server, 365 * years, times=2)
            for title, each in zip(("simulated portal", "portal that answers at once", "again"), runs, strict=True):
                print(
                    f"{years:>7} {title:<28} {each.wall:>6.1f} s {each.wall - SETTLING:>14.1f} s {each.cpu:>7.2f} s"
                    f" {(each.cpu - nothing.cpu) / years:>6.2f} s {each.database_cpu:>7.2f} s"
                    f" {each.peak / 1e6:>9.1f} MB {each.requests:>9} {each.samples:>13}"
                )
    print(
        f"One day takes {nothing.cpu:.2f} s of its CPU and {nothing.peak / 1e6:.1f} MB; not counted above in a year's"
    )
    print()


def run(folder: Path, server: PortalServer, days: int, *, times: int) -> list[Measured]:
    """Backfill the same days several times into one new database."""
    with Services(folder) as services:
        database = services.victoria_metrics()
        command = Backfiller(folder / "backfill", server.url, database.url)
        return [measured(command, server, database.pid, days) for _ in range(times)]


def measured(command: Backfiller, server: PortalServer, database: int, days: int) -> Measured:
    requests, busy, began = server.portal.count, cpu_of(database), time.perf_counter()
    started = command.start("--days", str(days), "--no-progress")
    process, peak = started.process, 0
    # ru_maxrss would start with the size of the parent process.
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        peak = max(peak, peak_of(process.pid))
        time.sleep(0.02)
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    wall = time.perf_counter() - began
    if process.returncode:
        sys.exit(f"the backfill ended with {process.returncode}")
    return Measured(
        wall,
        ended[2].ru_utime + ended[2].ru_stime,
        cpu_of(database) - busy,
        peak,
        server.portal.count - requests,
        figure(started, "samples").removesuffix(" sent"),
    )


def peak_of(pid: int) -> int:
    """Return the peak memory of a process in bytes, or 0 if it has just ended."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    return int(found[1]) * 1024 if found else 0


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
