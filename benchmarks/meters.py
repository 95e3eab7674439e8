"""What grows with the number of meters: a restart, memory, a refresh."""

import http.client
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import yaml

from exporter.clock import SystemClock
from exporter.config import portal_address
from exporter.simulator.server import PortalServer
from exporter.simulator.specs import UserSpec
from exporter.storage.state import StateFile
from tests.support.clocks import ManualClock
from tests.support.exporter import Exporter
from tests.support.portal import login_of
from tests.support.services import free_address

from .lines import Line
from .measuring import best_of, cpu_during, cpu_of, memory_of
from .worlds import ZONE, Street, snapshot

DEADLINE = 600.0
RESTARTS = 3
REFRESHES = 3
CLOSED = "http://127.0.0.1:9"


def meters() -> Iterator[Line]:
    """Measure what should not depend on the number of meters, or grow only in proportion to it."""
    with tempfile.TemporaryDirectory() as folder:
        single, many = (_restart(Path(folder) / f"{count}", count) for count in (1, 200))
        yield Line("CPU before the first answer after a restart, 200 meters", many, "s", "1 meter", single, 2.0)
        for count, bar in ((10, 55), (100, 120)):
            used = _resident(Path(folder) / f"resident-{count}", count) / 1e6
            yield Line(f"resident memory, {count} meters, 7 days", used, "MB", bar=bar)
        few, *more = ((count, _refresh(Path(folder) / f"refresh-{count}", count)) for count in (10, 100, 300))
        for count, cpu in more:
            what = f"CPU of a refresh per meter, {count} meters"
            yield Line(what, cpu * 1000, "ms", f"{few[0]} meters", few[1] * 1000, 1.15)


def _restart(folder: Path, count: int) -> float:
    """Return the CPU seconds until the exporter serves what it knows; the portal is down."""
    (location,) = snapshot(1, 35, portal=portal_address(CLOSED).label).locations.values()
    with closing(StateFile(folder / "state")) as state:
        for number in range(count):
            state.save(None, replace(location, key=replace(location.key, location=f"7{number:04}")))

    def once() -> float:
        with _serving(folder, CLOSED) as (process, address):
            _wait_until(lambda: _get(address, "/-/ready")[0] == 200)
            return cpu_of(process.pid)

    return best_of(RESTARTS, once)


def _resident(folder: Path, count: int) -> int:
    """Return the resident memory after a first refresh and some scrapes."""
    with PortalServer(Street(count, SystemClock())) as portal, _serving(folder, portal.url) as (process, address):
        _wait_until(lambda: re.search(r"\nsmarthub_up\{.*\} 1\.0\n", _get(address, "/metrics?collect[]=exporter")[1]))
        for _ in range(3):
            _get(address, "/metrics", "gzip")
        time.sleep(2)
        return memory_of(process.pid)


def _refresh(folder: Path, count: int) -> float:
    """Return the CPU seconds per meter of a refresh with a new interval for each."""
    clock = ManualClock(int(time.time()) // 3600 * 3600)
    with PortalServer(Street(count, clock)) as portal:
        exporter = Exporter(clock, login_of(portal), folder=folder)
        with closing(exporter):
            exporter.refresh()
            seconds = []
            for _ in range(REFRESHES):
                clock.advance(3600)
                # Of this thread only: those of the portal share the process.
                seconds.append(cpu_during(exporter.refresh, time.thread_time))
            if exporter.status.up != 1:
                raise SystemExit(f"the refresh of {count} meters failed")
    return statistics.median(seconds) / count


@contextmanager
def _serving(folder: Path, portal: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run `serve` with its state in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    user, address = UserSpec(), free_address()
    config = {
        "smarthub": {"api_url": portal, "username": user.username, "password": user.password, "timezone": ZONE},
        "exporter": {"listen_address": address, "state_dir": str(folder / "state")},
    }
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    file.chmod(0o600)
    command = [sys.executable, "-m", "exporter", "serve", "--config.file", str(file), "--log.level", "error"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield process, address
    finally:
        process.terminate()
        process.wait()


def _get(address: str, path: str, encoding: str = "identity") -> tuple[int, str]:
    """Return the status and the text of a page; the status is 0 while nothing listens."""
    connection = http.client.HTTPConnection(address)
    try:
        connection.request("GET", path, headers={"Accept-Encoding": encoding})
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    except OSError:
        return 0, ""
    finally:
        connection.close()


def _wait_until(condition: Callable[[], object]) -> None:
    deadline = time.perf_counter() + DEADLINE
    while not condition():
        if time.perf_counter() > deadline:
            raise SystemExit(f"nothing happened within {DEADLINE:.0f} s")
        time.sleep(0.02)
