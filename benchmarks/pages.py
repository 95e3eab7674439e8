"""The page: scrapes beside the same bytes, rendering, changes, many scrapers at once."""

import http.client
import statistics
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from typing import Self

from exporter.app import Exporter
from exporter.clock import SystemClock
from exporter.config import Config, ExporterConfig
from exporter.intervals.model import Snapshot
from exporter.metrics.endpoint import MetricsEndpoint
from exporter.routes import Pages
from exporter.storage.state import StateFile
from exporter.web.server import Server
from exporter.web.types import Response

from .lines import Line
from .measuring import best_of, cpu_during
from .worlds import DAY, snapshot

METERS = 100
SCRAPES = 100
SCRAPERS = 20
RUNS = 3
PATH = "/metrics?collect[]=intervals"


class Scraped:
    """A served exporter without logins, whose snapshot can be replaced."""

    def __init__(self) -> None:
        clock = SystemClock()
        window = 7 * DAY
        exporter = Exporter(Config((), ExporterConfig(window=window)), StateFile(None), clock)
        store, refresher = exporter.store, exporter.refresher
        metrics = MetricsEndpoint(store, refresher, exporter.ownership, exporter.telemetry, window=window, clock=clock)
        self._store = store
        self._server = Server("127.0.0.1:0", Pages(metrics, "/metrics", store, refresher, clock))
        self.port = self._server.address[1]

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def show(self, shown: Snapshot) -> None:
        self._store.snapshot = shown

    def scrape(self, encoding: str = "gzip") -> Response:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            return scrape(connection, encoding)
        finally:
            connection.close()

    def cpu_after(self, shown: Snapshot, scrapers: int = 1, encoding: str = "gzip") -> float:
        """Return the CPU seconds of the first scrapes of a snapshot, those of the scrapers included."""
        threads = [threading.Thread(target=self.scrape, args=(encoding,)) for _ in range(scrapers)]
        self.show(shown)

        def together() -> None:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        return cpu_during(together)


def pages() -> Iterator[Line]:
    """Measure the page of 100 meters with 7 days of 15-minute usage, watts and cost."""
    yield _memory()
    every = snapshot(METERS)
    another = snapshot(METERS, more=0.001)
    key = next(iter(every.locations))
    with Scraped() as scraped:

        def after_all(scrapers: int = 1, encoding: str = "gzip") -> float:
            scraped.show(every)
            scraped.scrape()
            return scraped.cpu_after(another, scrapers, encoding)

        def after_one() -> float:
            scraped.show(every)
            scraped.scrape()
            return scraped.cpu_after(every.with_location(another.locations[key]))

        scraped.show(every)
        lines = best_of(RUNS, partial(_joining, scraped.scrape("identity").body.decode()))
        scraped.scrape()
        again = best_of(RUNS, lambda: cpu_during(scraped.scrape))
        again_plain = best_of(RUNS, lambda: cpu_during(partial(scraped.scrape, "identity")))
        rendering = best_of(RUNS, partial(after_all, encoding="identity")) - again_plain
        whole = best_of(RUNS, after_all)
        yield Line(
            f"CPU of rendering {METERS} meters", rendering, "s", "formatting and joining the same lines", lines, 2.0
        )
        yield Line(
            f"CPU of a scrape after 1 of {METERS} meters changed",
            best_of(RUNS, after_one),
            "s",
            "after all changed",
            whole,
            0.1,
        )
        yield Line(
            f"CPU of {SCRAPERS} scrapers at once after a change",
            best_of(RUNS, partial(after_all, SCRAPERS)),
            "s",
            f"one render and packing, {SCRAPERS} scrapes from memory",
            whole + (SCRAPERS - 1) * again,
            1.3,
        )
        for encoding in ("identity", "gzip"):
            yield _beside_bytes(scraped, encoding)


def scrape(connection: http.client.HTTPConnection, encoding: str) -> Response:
    connection.request("GET", PATH, headers={"Accept-Encoding": encoding})
    answer = connection.getresponse()
    body = answer.read()
    kept = tuple((name, answer.headers[name]) for name in ("Vary", "Content-Encoding") if answer.headers[name])
    return Response(answer.status, body, answer.headers["Content-Type"], kept)


def _memory() -> Line:
    """Measure the memory of 35 days of 100 meters that share nothing."""
    tracemalloc.start()
    shown = snapshot(METERS, 35)
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    count = sum(len(meter.intervals) for location in shown.locations.values() for meter in location.meters)
    return Line("memory per interval", taken / count, "B", bar=60)


def _joining(page: str) -> float:
    """Return the CPU seconds of the least that makes these lines from numbers."""
    rows = [line.rsplit(" ", 2) for line in page.splitlines() if not line.startswith("#")]
    series = [
        (start, [float(value) for _, value, _ in found], [int(stamp) for _, _, stamp in found])
        for start, group in groupby(rows, key=lambda row: row[0])
        for found in [list(group)]
    ]

    def join() -> bytes:
        return "".join(
            f"{start} {value!r} {stamp}\n"
            for start, values, stamps in series
            for value, stamp in zip(values, stamps, strict=True)
        ).encode()

    return cpu_during(join)


def _beside_bytes(scraped: Scraped, encoding: str) -> Line:
    """Measure scrapes and plain bytes by turns: the median of their wall times."""
    stored = scraped.scrape(encoding)
    with Server("127.0.0.1:0", lambda _: stored) as plain:
        ports = scraped.port, plain.address[1]
        connections = [http.client.HTTPConnection("127.0.0.1", port) for port in ports]
        seconds: tuple[list[float], list[float]] = ([], [])
        for turn in range(2 * SCRAPES):
            seconds[turn % 2].append(_timed(partial(scrape, connections[turn % 2], encoding)))
        for connection in connections:
            connection.close()
    ours, bytes_only = (statistics.median(each) * 1000 for each in seconds)
    size = f"the same {len(stored.body) / 1e6:.1f} MB from memory"
    return Line(f"wall time of a scrape of {METERS} meters, {encoding}", ours, "ms", size, bytes_only, 1.15)


def _timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
