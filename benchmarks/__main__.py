"""Measure scrapes, decoding, start, memory and backfills, and print a table."""

import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import yaml

from exporter.clock import SystemClock
from exporter.intervals.interval import Interval
from exporter.intervals.model import Location, LocationKey, Meter, MeterInfo, Snapshot
from exporter.intervals.samples import version
from exporter.metrics.endpoint import MetricsEndpoint
from exporter.metrics.exposition import Format
from exporter.metrics.page import PageTexts
from exporter.metrics.telemetry import Telemetry
from exporter.portal.readings import read_intervals
from exporter.portal.usage import decode
from exporter.portal.walltime import WallClock
from exporter.refresh.ownership import Ownership
from exporter.refresh.refresher import Refresher
from exporter.simulator.answers import usage_answer
from exporter.simulator.household import Household
from exporter.simulator.points import Question
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Settings
from exporter.simulator.specs import Channels, LocationSpec, MeterSpec
from exporter.simulator.world import World
from exporter.storage.snapshots import SnapshotStore
from exporter.storage.state import StateFile
from exporter.web.server import Server
from exporter.web.types import Request, Response

from .backfill import backfills

DAYS = 7
WINDOW = DAYS * 86400
SCRAPES = 200
CLIENTS = 4


def main() -> None:
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores\n")
    scrapes()
    decoding()
    processes()
    backfills()


def scrapes() -> None:
    print(f"Scrape of {DAYS} days of 15-minute usage, watts and cost, beside the same bytes from memory")
    print(
        f"{'meters':>7} {'samples':>8} {'page':>9} {'render':>9}"
        f"  {'plain: ours / bytes':>26}  {'gzip: ours / bytes':>26}  {'answers/s, gzip: ours / bytes':>30}"
    )
    for count in (1, 10, 100):
        snapshot = made_up(count)
        started = time.perf_counter()
        page = PageTexts(Format.TEXT).page(snapshot, 0).parts()
        rendering = time.perf_counter() - started
        samples = b"".join(page.bodies).count(b"\n")
        measured = [both(snapshot, encoding) for encoding in ("identity", "gzip")]
        columns = [f"{ours * 1e3:.2f} / {own * 1e3:.2f} ms = {ours / own:.2f}" for ours, own, _, _ in measured]
        columns.append(f"{measured[-1][2]:.0f} / {measured[-1][3]:.0f}")
        size = f"{page.size / 1e6:.2f} MB"
        print(
            f"{count:>7} {samples:>8} {size:>9} {rendering * 1e3:>6.1f} ms"
            f"  {columns[0]:>26}  {columns[1]:>26}  {columns[2]:>30}"
        )
    print()


def made_up(count: int) -> Snapshot:
    """Return a snapshot of meters with a full window of intervals."""
    now = time.time()
    last = int(now) // 900 * 900
    locations = {}
    for number in range(count):
        intervals = tuple(
            Interval(end - 900, end, (k := number + end % 977) / 1000, (v := version(end, now)), None, 0, k / 9000, v)
            for end in range(last - WINDOW + 900, last + 1, 900)
        )
        key = LocationKey("novec", "55001", f"7{number:04}")
        locations[key] = Location(key, "", "America/New_York", (Meter.of(MeterInfo(f"8{number:04}"), intervals),))
    return Snapshot(locations)


def both(snapshot: Snapshot, encoding: str) -> tuple[float, float, float, float]:
    """Measure a scrape and plain bytes: median seconds, and responses per second."""
    with closing(StateFile(None)) as state:
        store = SnapshotStore(state, WINDOW, lambda _: None)
    store.snapshot = snapshot
    endpoint = MetricsEndpoint(store, Refresher(()), Ownership(()), Telemetry(), window=WINDOW, clock=SystemClock())
    answer = endpoint(Request("GET", "/metrics", {"collect[]": ("intervals",)}, {"accept-encoding": encoding}))
    stored = Response(200, answer.body, answer.content_type, answer.headers)
    path = "/metrics?collect[]=intervals"
    with Server("127.0.0.1:0", endpoint) as ours, Server("127.0.0.1:0", lambda _: stored) as plain:
        seconds: tuple[list[float], list[float]] = ([], [])
        connections = [http.client.HTTPConnection("127.0.0.1", server.address[1]) for server in (ours, plain)]
        for turn in range(2 * SCRAPES):
            connection = connections[turn % 2]
            seconds[turn % 2].append(timed(partial(scrape, connection, path, encoding)))
        for connection in connections:
            connection.close()
        rates = [answers_a_second(server, path, encoding) for server in (ours, plain)]
    return statistics.median(seconds[0]), statistics.median(seconds[1]), rates[0], rates[1]


def scrape(connection: http.client.HTTPConnection, path: str, encoding: str) -> None:
    connection.request("GET", path, headers={"Accept-Encoding": encoding})
    connection.getresponse().read()


def answers_a_second(server: Server, path: str, encoding: str) -> float:
    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.address[1])
        for _ in range(SCRAPES // CLIENTS):
            scrape(connection, path, encoding)
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return SCRAPES / (time.perf_counter() - started)


def decoding() -> None:
    print("A 30-day answer of 15-minute data, from bytes to readings")
    zone = "America/New_York"
    clock = WallClock(ZoneInfo(zone))
    for channels in (Channels.FORWARD, Channels.THREE):
        location = LocationSpec("55001", "70001", (MeterSpec("81001", Household(1, solar=5), channels),))
        portal = SimulatedPortal(World(zone=zone, locations=(location,)), SystemClock(), Settings())
        end = clock.days_before(int(time.time()), 0)
        start = clock.days_before(end, 30)
        answer = usage_answer(Question(location, "HOURLY", start, end, {}), portal.almanac)
        body = json.dumps(answer).encode()
        best = min(timed(partial(json.loads, body)) for _ in range(5))
        whole = min(timed(partial(read, body, clock, start, end)) for _ in range(5))
        print(f"  {channels:<22} {len(body) / 1e6:5.2f} MB: {whole * 1e3:6.1f} ms, of which JSON {best * 1e3:5.1f} ms")
    print()


def read(body: bytes, clock: WallClock, start: int, end: int) -> object:
    return read_intervals(decode(json.loads(body)["data"]), clock, start, end, {})


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def processes() -> None:
    print("The exporter as a process")
    for count in (1, 10, 30):
        first, ready, resident, end = started_with(count)
        print(
            f"  {count:>3} meters: first answer after {first:.2f} s, data after {ready:.2f} s,"
            f" at rest {resident / 1e6:.1f} MB resident, ended {end:.2f} s after SIGTERM"
        )


def started_with(count: int) -> tuple[float, float, float, float]:
    """Measure a restart: seconds to respond, to data and to stop, and memory."""
    locations = tuple(
        LocationSpec("55001", f"7{number:04}", (MeterSpec(f"8{number:04}", Household(number)),))
        for number in range(count)
    )
    with tempfile.TemporaryDirectory() as folder:
        portal = SimulatedPortal(World(locations=locations), SystemClock(), Settings(pending=0))
        with PortalServer(portal) as server, exporter(Path(folder), server) as (_, address):
            port = int(server.host.rpartition(":")[2])
            wait_for(address, '\nsmarthub_up{login="127', "} 1.0", 300)
        with PortalServer(portal, port=port) as server, exporter(Path(folder), server) as (process, address):
            began = time.perf_counter()
            wait_for(address, "", "", 20)
            first = time.perf_counter() - began
            wait_for(address, 'smarthub_interval_usage_kwh{portal="127', "", 20, "")
            data = time.perf_counter() - began
            wait_for(address, '\nsmarthub_up{login="127', "} 1.0", 300)
            for _ in range(3):
                page(address, "", "gzip")
            time.sleep(2)
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
            began = time.perf_counter()
            process.terminate()
            process.wait()
            end = time.perf_counter() - began
    resident = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert resident
    return first, data, int(resident[1]) * 1024, end


@contextmanager
def exporter(folder: Path, portal: PortalServer) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    user = portal.portal.world.users[0]
    login = {"api_url": portal.url, "username": user.username, "password": user.password, "name": "127"}
    config = {
        "smarthub": login | {"timezone": portal.portal.world.zone},
        "exporter": {"listen_address": "127.0.0.1:10098", "state_dir": str(folder / "state")},
    }
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    file.chmod(0o600)
    command = [sys.executable, "-m", "exporter", "serve", "--config.file", str(file), "--log.level", "error"]
    process = subprocess.Popen(command)
    try:
        yield process, "127.0.0.1:10098"
    finally:
        process.terminate()
        process.wait()


def page(address: str, query: str, encoding: str = "identity") -> str:
    connection = http.client.HTTPConnection(address)
    try:
        connection.request("GET", f"/metrics{query}", headers={"Accept-Encoding": encoding})
        return connection.getresponse().read().decode("utf-8", "replace")
    finally:
        connection.close()


def wait_for(address: str, first: str, rest: str, within: float, query: str = "?collect[]=exporter") -> None:
    deadline = time.perf_counter() + within
    while time.perf_counter() < deadline:
        try:
            text = page(address, query)
        except OSError:
            time.sleep(0.01)
            continue
        if first in text and rest in text[text.index(first) :]:
            return
        time.sleep(0.05)
    raise SystemExit(f"no {first!r} within {within} s")


if __name__ == "__main__":
    main()
