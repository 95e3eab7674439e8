"""A stand-in for VictoriaMetrics on loopback: it keeps samples, and loses and hides them as the real one does."""

import gzip
import json
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from exporter.clock import Clock

from .http_server import Answer, Asked, serving

Labels = tuple[tuple[str, str], ...]
Reply = tuple[int, bytes | str]

_MATCHER = re.compile(r'(\w+)(=~|=)"((?:\\.|[^"\\])*)"')
MONTH = 31 * 86400


@dataclass(frozen=True, slots=True)
class Call:
    """A request. lines: the series of an import."""

    method: str
    path: str
    params: dict[str, str]
    lines: tuple[Any, ...] = ()


class MetricsDouble:
    """A single node, as tsdb-facts C and D describe it; told to misbehave by its attributes.

    retention: seconds; what is older is dropped without a word. flags: what /flags tells, None for 404. dedup: seconds.
    flushes: whether it lets itself be flushed. unseen: seconds until a sample that was not flushed is seen.
    authorization: the header that it wants. replies: answers of its own by path, each used once, from the first on;
    `always` for ever. takes: the samples that it keeps. cuts: its exports break off half-way. before: called with each
    request. prefix: before every path, for a cluster.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._hidden: list[tuple[float, Labels, int, float]] = []
        self.held: dict[Labels, dict[int, float]] = defaultdict(dict)
        self.retention: float | None = None
        self.flags: str | None = '-retentionPeriod="100y"\n'
        self.dedup = 1.0
        self.flushes = True
        self.unseen = 0.0
        self.authorization: str | None = None
        self.replies: dict[str, list[Reply]] = defaultdict(list)
        self.always: dict[str, Reply] = {}
        self.takes: Callable[[Labels, int, float], bool] = lambda *_: True
        self.cuts = False
        self.prefix = ""
        self.calls: list[Call] = []
        self.before: Callable[[Call], None] = lambda _: None
        self.url = ""
        self._server = serving(self._respond)

    def __enter__(self) -> Self:
        self.url = self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__(None, None, None)

    # -- for tests

    def put(self, labels: dict[str, str], stamp: int, value: float) -> None:
        """A sample is there, whoever sent it. Of two at the same time the bigger one stays (tsdb-facts C3)."""
        samples = self.held[tuple(sorted(labels.items()))]
        samples[stamp] = max(value, samples.get(stamp, value))

    def kill(self) -> None:
        """kill -9: nothing that was taken is there any more."""
        with self._lock:
            self.held.clear()
            self._hidden.clear()

    def series(self, name: str) -> dict[int, float]:
        """What is held of the only series of a name."""
        (samples,) = [each for labels, each in self.held.items() if dict(labels)["__name__"] == name and each]
        return dict(sorted(samples.items()))

    def imported(self) -> list[tuple[str, int, float]]:
        """Every sample that was sent: name, timestamp, value."""
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
        lines = _lines(gzip.decompress(asked.body)) if asked.headers.get("content-encoding") == "gzip" else ()
        call = Call(asked.method, asked.path, asked.params, lines)
        status, content = self.answer(call, asked.headers.get("authorization"))
        body = content.encode() if isinstance(content, str) else content
        if self.cuts and asked.path.endswith("/export"):
            return status, {"Content-Length": str(len(body)), "Connection": "close"}, body[: len(body) // 2]
        return status, {}, body

    def answer(self, call: Call, authorization: str | None) -> Reply:
        self.before(call)
        with self._lock:
            self.calls.append(call)
            path = call.path.removeprefix(self.prefix)
            if self.authorization not in (None, authorization):
                return 401, b""
            if self.replies[path]:
                return self.replies[path].pop(0)
            if path in self.always:
                return self.always[path]
            return self._route(call, path)

    def _route(self, call: Call, path: str) -> Reply:
        if not call.path.startswith(self.prefix):
            return 400, "unsupported path requested: " + call.path
        if path == "/api/v1/import":
            self._take(call.lines)
            return 204, b""
        if path == "/internal/force_flush" and self.flushes:
            self._show(float("inf"))
        told: dict[str, str | None] = {
            "/api/v1/query": json.dumps({"data": {"resultType": "scalar", "result": [1, "1"]}}),
            "/internal/force_flush": "" if self.flushes else None,
            "/internal/resetRollupResultCache": "",
            "/flags": self.flags,
        }
        text = "".join(self._export(call.params)) if path == "/api/v1/export" else told.get(path)
        return (404, "not found") if text is None else (200, text)

    def _take(self, lines: tuple[Any, ...]) -> None:
        oldest = 0.0 if self.retention is None else self._clock.now() - self.retention
        due = self._clock.monotonic() + self.unseen
        for line in lines:
            # What cannot be understood is passed over, and the rest taken (tsdb-facts D1).
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
            last: dict[int, int] = {}
            for stamp in sorted(samples):
                if start <= stamp <= end:
                    last[-(-stamp // int(self.dedup * 1000)) if self.dedup else stamp] = stamp
            stamps = list(last.values())
            for first in range(0, len(stamps), int(params["max_rows_per_line"])):
                part = stamps[first : first + int(params["max_rows_per_line"])]
                yield json.dumps({"metric": own, "values": [samples[each] for each in part], "timestamps": part}) + "\n"


def _lines(body: bytes) -> tuple[Any, ...]:
    lines = []
    for line in body.splitlines():
        with suppress(ValueError):
            lines.append(json.loads(line))
    return tuple(lines)
