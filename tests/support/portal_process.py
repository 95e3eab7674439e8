"""A simulated portal as a process that can be killed, with a log of its polls.

python -m tests.support.portal_process PORT DIARY LATENCY
"""

import json
import sys
import threading
from pathlib import Path

from exporter.clock import SystemClock
from exporter.simulator.portal import Call, SimulatedPortal, SimulatedResponse
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Settings
from exporter.simulator.world import World

from .exporter_process import house, meter

HOURLY_HOUSE = World(locations=(house(3, meter(3, step=3600)),))


class DiaryPortal(SimulatedPortal):
    """Write the start of each poll (seconds UTC) to a file before answering it."""

    def __init__(self, diary: Path, latency: float) -> None:
        super().__init__(HOURLY_HOUSE, SystemClock(), Settings(pending=0, latency=latency))
        self._diary = diary

    def respond(self, call: Call) -> SimulatedResponse:
        if call.path.endswith("/poll"):
            with self._diary.open("a", encoding="utf-8") as diary:
                diary.write(f"{int(json.loads(call.body)['startDateTime']) // 1000}\n")
        return super().respond(call)


if __name__ == "__main__":
    port, diary_file, seconds = sys.argv[1:]
    with PortalServer(DiaryPortal(Path(diary_file), float(seconds)), port=int(port)):
        threading.Event().wait()
