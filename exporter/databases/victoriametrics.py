"""Client of VictoriaMetrics, a single node or a cluster."""

import json
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Self

import msgspec

from ..config import VictoriaMetricsConfig
from ..errors import DatabaseError
from ..httpcall import Authorization
from .http import DatabaseHttp, Json, Target
from .vm_flags import parsed_flags, prometheus_flags

_CREDENTIALS = "username and password, or bearer_token"
_TRUST = "set ca_file to its CA certificate, or set insecure: true"
_PATH = (
    "check the path: none for a single node; for a cluster url: http://vminsert:8480/insert/0/prometheus and query_url:"
    " http://vmselect:8481/select/0/prometheus, with the tenant"
)
_RESET_CACHE = "/internal/resetRollupResultCache"
_SAMPLES_PER_LINE = "10000"
_START_TIME = re.compile(rb"^process_start_time_seconds ([\d.e+]+)$", re.MULTILINE)
_FREE_DISK = re.compile(rb"^vm_free_disk_space_bytes\{[^}]*\} (\S+)$", re.MULTILINE)
_AGENT = "remoteWrite.url"
_BEHIND = "give the address of the VictoriaMetrics behind it"
_OPENMETRICS = (
    "remove victoriametrics.url, and load history with smarthub-exporter backfill --start first --to openmetrics"
)
_NOT_ALONE = ("storageNode",)
"""Flags of the parts of a cluster."""


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """Some samples of one series; long series come in several parts.

    `labels` include `__name__`. `stamps` are in ms. A value of NaN is a stale marker: docs/samples.md, "Stale markers".
    """

    labels: Mapping[str, str]
    stamps: Sequence[int]
    values: Sequence[float]


class VictoriaMetrics:
    """The configured VictoriaMetrics. `reading` is `writing`, unless they have different URLs, as in a cluster."""

    def __init__(self, config: VictoriaMetricsConfig) -> None:
        self.writing = DatabaseHttp(_target(config, "url", config.url))
        self.reading = (
            DatabaseHttp(_target(config, "query_url", config.query_url))
            if config.query_url and config.query_url != config.url
            else self.writing
        )
        self.reads_back: bool = config.query_url is not None or "/insert/" not in config.url
        """False if there is only the URL of vminsert, which accepts samples but cannot be queried."""

        self.is_cluster: bool = "/select/" in self.reading.target.url or "/insert/" in config.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.reading.close()
        self.writing.close()

    def forget_answers(self) -> None:
        """Reset the result cache, if allowed, so that it shows past samples.

        See docs/samples.md, "Cached answers".
        """
        with suppress(DatabaseError):
            self.reading.get(_RESET_CACHE)

    def is_one_node(self, flags: Mapping[str, str] | None) -> bool:
        """Return whether what is written and read is a single node, given the `flags` that it returned."""
        return self.reading is self.writing and flags is not None and flags.keys().isdisjoint(_NOT_ALONE)

    def free_disk(self) -> float:
        """Return the free space of its disk in bytes; 0 if unknown. Raises DatabaseError."""
        found = _FREE_DISK.findall(self.writing.get("/metrics").body)
        try:
            return min(map(float, found), default=0.0)
        except ValueError:
            return 0.0

    def start_time(self) -> str:
        """Return when its process was started, in seconds UTC; empty if it does not say or does not answer."""
        with suppress(DatabaseError):
            found = _START_TIME.findall(self.writing.get("/metrics").body)
            return found[0].decode() if len(found) == 1 else ""
        return ""

    def create_snapshot(self) -> str:
        """Write everything that was accepted to disk, and return the name of a snapshot of it.

        See docs/samples.md, "Durability". Raises DatabaseError.
        """
        return self.writing.json("/snapshot/create", {}, _snapshot)

    def delete_snapshot(self, name: str) -> None:
        """Delete a snapshot, unless it is gone. Raises DatabaseError."""
        self.writing.get("/snapshot/delete", {"snapshot": name}, accept=(404,))

    def ping(self) -> None:
        """Check that it answers queries and accepts the credentials.

        See docs/samples.md, "Access". Raises DatabaseError, also for a vmagent or Prometheus.
        """
        try:
            self.query("1")
        except DatabaseError:
            self.flags()  # raises a better error for vmagent
            raise
        if prometheus_flags(self.reading.get("/api/v1/status/flags", accept=range(300, 500))) is not None:
            raise self.reading.target.error("this is Prometheus, which cannot be read back or filled", _OPENMETRICS)

    def query(self, expression: str, at: float | None = None) -> list[tuple[Mapping[str, str], float]]:
        """Run an instant query, now or `at` seconds UTC, without the result cache.

        A scalar has no labels.

        Raises DatabaseError.
        """
        params = {"query": expression, "nocache": "1"}
        if at is not None:
            params["time"] = f"{at:.3f}"
        return self.reading.json("/api/v1/query", params, _instant)

    def export(self, match: str, start_ms: int, end_ms: int, *, raw: bool = False) -> Iterator[StoredSeries]:
        """Return every sample that a selector matches from start to end, both included.

        With `raw`, samples that deduplication hides from queries are included: docs/samples.md, "Copies". The response
        is read as it arrives, so memory use does not grow with it. Raises DatabaseError.
        """
        params = {
            "match[]": match,
            # A second more on both sides, since fractions of seconds may lose a millisecond.
            "start": str(start_ms // 1000 - 1),
            "end": str(end_ms // 1000 + 2),
            "max_rows_per_line": _SAMPLES_PER_LINE,
        }
        if raw:
            params["reduce_mem_usage"] = "1"
        for found in self.reading.lines("/api/v1/export", params, partial(_series, start_ms, end_ms)):
            if found.stamps:
                yield found

    def flags(self) -> Mapping[str, str] | None:
        """Return the flags of a single node by name without the dash.

        Flags that were not set may be missing.

        None if they are unknown, as for a cluster or behind a proxy. Raises DatabaseError, also for a vmagent.
        """
        found = parsed_flags(self.reading.get("/flags", accept=range(300, 500)))
        if found and _AGENT in found:
            raise self.reading.target.error("this is vmagent, which stores nothing", _BEHIND)
        return found


def authorization_of(config: VictoriaMetricsConfig) -> Authorization:
    """Return the configured credentials."""
    if config.bearer_token:
        return Authorization.bearer(config.bearer_token.reveal())
    if config.username:
        return Authorization.basic(config.username, config.password.reveal() if config.password else "")
    return Authorization()


def _target(config: VictoriaMetricsConfig, key: str, url: str) -> Target:
    return Target(
        "victoriametrics",
        key,
        url,
        _CREDENTIALS,
        _TRUST,
        _PATH,
        authorization_of(config),
        config.ca_file,
        config.insecure,
    )


def _instant(answer: Json) -> list[tuple[Mapping[str, str], float]]:
    data = answer["data"]
    if data["resultType"] == "scalar":
        return [({}, float(data["result"][1]))]
    return [(dict(each["metric"]), float(each["value"][1])) for each in data["result"]]


def _snapshot(answer: Json) -> str:
    if answer["status"] != "ok" or not isinstance(answer["snapshot"], str) or not answer["snapshot"]:
        raise ValueError
    return answer["snapshot"]


class _Line(msgspec.Struct):
    metric: dict[str, str]
    values: list[float]
    timestamps: list[int]


_LINE = msgspec.json.Decoder(_Line)


def _series(start_ms: int, end_ms: int, line: bytes) -> StoredSeries:
    try:
        read = _LINE.decode(line)
    except msgspec.DecodeError:
        # A stale marker is null, or NaN at the beginning of a line, which is not JSON.
        found = json.loads(line)
        found["values"] = [math.nan if value is None else float(value) for value in found["values"]]
        read = _Line(**found)
    if len(read.values) != len(read.timestamps):
        raise ValueError
    first, last = bisect_left(read.timestamps, start_ms), bisect_right(read.timestamps, end_ms)
    return StoredSeries(read.metric, read.timestamps[first:last], read.values[first:last])
