"""A test double of VictoriaMetrics that keeps, drops and hides samples like it."""

import json
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

from exporter.clock import Clock

from .http_server import Answer, Asked, serving

Labels = tuple[tuple[str, str], ...]
Reply = tuple[int, bytes | str]

_MATCHER = re.compile(r'(\w+)(=~|=)"((?:\\.|[^"\\])*)"')
MONTH = 31 * 86400


class MetricsDouble(ExitStack):
    """A single node, as in docs/samples.md, "Retention". Attributes change it.

    `held` are the samples by series. `retention` is in seconds; older samples are dropped silently. `flags` is the
    answer of /flags, or None for 404. `dedup` is in seconds. `flushes` says whether /internal/force_flush exists, and
    `unseen` how many seconds a sample stays hidden without it. `authorization` is the header that it requires.
    `replies` are answers by path, each used once; `always` are answers for every request. `takes` decides which samples
    are kept. With `cuts`, exports end in the middle. `before` is called with each request. `prefix` precedes every
    path, as in a cluster.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._hidden: list[tuple[float, Labels, int, float]] = []
        self.held: dict[Labels, dict[int, float]] = defaultdict(dict)
        self.retention: float | None = None
        self.flags: str | None = '-retentionPeriod="100y"\n'
        self.dedup = 1.0
        self.flushes = True
        self.free_disk: float | None = 2.0**40
        self.started: int | None = 1_795_000_000
        self.snapshots: list[str] = []
        self.unseen = 0.0
        self.authorization: str | None = None
        self.replies: dict[str, list[Reply]] = defaultdict(list)
        self.always: dict[str, Reply] = {}
        self.takes: Callable[[Labels, int, float], bool] = lambda *_: True
        self.cuts = False
        self.prefix = ""
        self.calls: list[Asked] = []
        self.before: Callable[[Asked], None] = lambda _: None
        self.url = self.enter_context(serving(self._respond))

    # -- for tests

    def put(self, labels: dict[str, str], stamp: int, value: float) -> None:
        """Store a sample.

        Of two at the same time the larger one stays (docs/samples.md, "Corrections").
        """
        samples = self.held[tuple(sorted(labels.items()))]
        samples[stamp] = max(value, samples.get(stamp, value))

    def kill(self) -> None:
        """Lose everything, as after `kill -9`."""
        with self._lock:
            self.held.clear()
            self._hidden.clear()

    def series(self, name: str) -> dict[int, float]:
        """Return what is stored in the only series with this name."""
        (samples,) = [each for labels, each in self.held.items() if dict(labels)["__name__"] == name and each]
        return dict(sorted(samples.items()))

    def imported(self) -> list[tuple[str, int, float]]:
        """Return name, timestamp and value of every sample that was sent."""
        return [
            (line["metric"]["__name__"], stamp, value)
            for call in self.calls
            for line in call.lines
            for stamp, value in zip(line["timestamps"], line["values"], strict=True)
        ]

    def count(self, path: str) -> int:
        return sum(call.path == path for call in self.calls)

    # -- as a server

    def _respond(self, asked: Asked) -> Answer:
        self.before(asked)
        with self._lock:
            self.calls.append(asked)
            status, content = self._reply(asked, asked.path.removeprefix(self.prefix))
        if self.cuts and asked.path.endswith("/export"):
            return status, {"Content-Length": str(len(content)), "Connection": "close"}, content[: len(content) // 2]
        return status, {}, content

    def _reply(self, asked: Asked, path: str) -> Reply:
        if self.authorization not in (None, asked.headers.get("authorization")):
            return 401, b""
        if self.replies[path]:
            return self.replies[path].pop(0)
        if path in self.always:
            return self.always[path]
        if not asked.path.startswith(self.prefix):
            return 400, "unsupported path requested: " + asked.path
        if path == "/api/v1/import":
            self._take(asked.lines)
            return 204, b""
        if path == "/internal/force_flush" and self.flushes:
            self._show(float("inf"))
        if path == "/snapshot/create":
            self.snapshots.append(f"20260115-{self.count(asked.path):X}")
        if path == "/snapshot/delete":
            self.snapshots.remove(asked.params["snapshot"])
        free = "" if self.free_disk is None else f'vm_free_disk_space_bytes{{path="/data"}} {self.free_disk:.0f}\n'
        started = "" if self.started is None else f"process_start_time_seconds {self.started}\n"
        texts: dict[str, str | None] = {
            "/metrics": f'vm_free_disk_space_limit_bytes{{path="/data"}} 10000000\n{started}{free}vm_rows 1\n',
            "/snapshot/create": json.dumps({"status": "ok", "snapshot": self.snapshots[-1]}) if self.snapshots else "",
            "/snapshot/delete": json.dumps({"status": "ok"}),
            "/api/v1/query": json.dumps({"data": {"resultType": "scalar", "result": [1, "1"]}}),
            "/internal/force_flush": "" if self.flushes else None,
            "/internal/resetRollupResultCache": "",
            "/flags": self.flags,
        }
        text = "".join(self._export(asked.params)) if path == "/api/v1/export" else texts.get(path)
        return (404, "not found") if text is None else (200, text)

    def _take(self, lines: list[Any]) -> None:
        oldest = 0.0 if self.retention is None else self._clock.now() - self.retention
        due = self._clock.monotonic() + self.unseen
        for line in lines:
            # A broken line is ignored and the rest is stored (docs/samples.md, "Proof").
            with suppress(KeyError, TypeError, ValueError):
                labels = tuple(sorted(line["metric"].items()))
                for stamp, value in zip(line["timestamps"], line["values"], strict=True):
                    if stamp >= oldest * 1000 and self.takes(labels, stamp, value):
                        self._hidden.append((due, labels, stamp, value))
        if not self.unseen:
            self._show(due)

    def _show(self, until: float) -> None:
        for due, labels, stamp, value in self._hidden:
            if due <= until:
                self.put(dict(labels), stamp, value)
        self._hidden = [each for each in self._hidden if each[0] > until]

    def _export(self, params: dict[str, str]) -> Iterator[str]:
        self._show(self._clock.monotonic())
        start, end = int(params["start"]) * 1000, int(params["end"]) * 1000
        matchers = [(name, how, json.loads(f'"{value}"')) for name, how, value in _MATCHER.findall(params["match[]"])]
        for labels, samples in self.held.items():
            own = dict(labels)
            if not all(
                re.fullmatch(value, own.get(name, "")) if how == "=~" else own.get(name, "") == value
                for name, how, value in matchers
            ):
                continue
            matching = (stamp for stamp in sorted(samples) if start <= stamp <= end)
            last = {-(-stamp // int(self.dedup * 1000)): stamp for stamp in matching}
            stamps = list(last.values())
            for first in range(0, len(stamps), int(params["max_rows_per_line"])):
                part = stamps[first : first + int(params["max_rows_per_line"])]
                yield json.dumps({"metric": own, "values": [samples[each] for each in part], "timestamps": part}) + "\n"
