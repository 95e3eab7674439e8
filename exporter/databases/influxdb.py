"""Client of InfluxDB 1.x and 2, and of VictoriaMetrics by their protocol."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from math import isnan, nan
from typing import Self

from ..config import InfluxDBConfig
from ..errors import DatabaseError
from ..httpcall import Authorization
from ..metrics.exposition import escaped
from .http import DatabaseHttp, Json, Target
from .victoriametrics import VictoriaMetrics

_RIGHTS = "the read access of the user or token"
_TRUST = "set the variable REQUESTS_CA_BUNDLE to its CA certificate, or set insecure: true"
_CREDENTIALS = "auth_token: user:password for InfluxDB 1, an API token for InfluxDB 2"
_PATH = "check host, the address of InfluxDB or VictoriaMetrics without /write"

MEASUREMENT = "electric"
FIELDS = ("watts", "kwh", "cost", "exported_kwh")
_LINES_PER_REQUEST = 10_000
_ROWS_PER_LINE = "10000"
_UNSAFE = str.maketrans(dict.fromkeys("\\\r\n", "_"))
_ADVICE = {
    b"field type conflict": "another program writes this field with another type; use another database",
    b"beyond retention policy": "its retention is too short; run ALTER RETENTION POLICY ... DURATION INF first",
    b"retention policy not found": "fix database, or create the policy with CREATE RETENTION POLICY",
}
"""Advice on a refused write, by what its response contains."""

Tags = tuple[tuple[str, str], ...]
"""Names and values, sorted."""
FieldValues = tuple[float | None, ...]
"""The values of FIELDS; None if there is none."""
PointsByTags = Mapping[Tags, Mapping[int, FieldValues]]
"""Points by tags and time, in seconds UTC."""


@dataclass(frozen=True, slots=True)
class InfluxState:
    """What answers at the address.

    `version` may be empty. `exists` says whether the configured database or bucket exists; it is None for
    VictoriaMetrics, which has none.
    """

    product: str
    version: str
    exists: bool | None


class InfluxDB:
    """The configured InfluxDB."""

    def __init__(self, config: InfluxDBConfig) -> None:
        self._config = config
        token = config.auth_token.reveal() if config.auth_token else ""
        self._token_of_v2 = bool(token) and ":" not in token
        # The Go tool sent both kinds as a token; every version and proxy understands user and password as such.
        username, _, password = token.partition(":")
        if self._token_of_v2:
            authorization = Authorization(f"Token {token}")
        else:
            authorization = Authorization.basic(username, password) if token else Authorization()
        self.api = DatabaseHttp(
            Target(
                "influxdb",
                "host",
                config.host,
                _CREDENTIALS,
                _TRUST,
                _PATH,
                authorization,
                insecure=config.insecure,
            )
        )
        # The name can include a retention policy: `electric/autogen`. InfluxDB 2 maps such names to its buckets itself.
        name, _, policy = config.database.partition("/")
        self._place = {"db": name, **({"rp": policy} if policy else {})}
        self.speaks_v2 = self._token_of_v2
        """Whether points are written by the API of InfluxDB 2."""
        self.victoriametrics: VictoriaMetrics | None = None
        """The VictoriaMetrics behind the address, if `check` found one."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.api.close()

    def check(self) -> InfluxState:
        """Check that it accepts the credentials, and look for the database.

        Raises DatabaseError.
        """
        ping = self.api.get("/ping", accept=range(400, 500))
        version = ping.headers.get("X-Influxdb-Version", "").removeprefix("v")
        # VictoriaMetrics names its host in every response; InfluxDB behind vmauth also sends its build.
        if "X-Server-Hostname" in ping.headers and "X-Influxdb-Build" not in ping.headers:
            # It has no databases, so any name will do. vmauth in front of it answers /ping itself, to anyone.
            self.victoriametrics = _Behind(self.api)
            self.read((), 1, 2)
            return InfluxState("VictoriaMetrics", "", None)
        self.speaks_v2 = version.startswith("2") or (self._token_of_v2 and not version.startswith("1"))
        if self.speaks_v2:
            exists = self._has_bucket()
        else:
            exists = self._place["db"] in self.api.json("/query", {"q": "SHOW DATABASES"}, _databases)
        return InfluxState("InfluxDB", self.api.target.quoted(version), exists)

    def go_on_without_label(self) -> None:
        """Continue series of the Go tool if VictoriaMetrics has any. Raises DatabaseError.

        That tool writes to /api/v2/write, for which VictoriaMetrics adds no label `db`, unlike for /write.
        """
        params = {"match[]": f'{MEASUREMENT}_watts{{db="",portal=""}}', "start": "1"}
        has_some = self.api.json("/api/v1/series", params, lambda answer: bool(answer["data"]))
        self.speaks_v2 = self.speaks_v2 or has_some

    def write(self, lines: Iterable[str]) -> None:
        """Send points in requests of bounded size.

        Without points, only check that it accepts writes.

        Raises DatabaseError.
        """
        if self.speaks_v2:
            path, params = "/api/v2/write", {"org": self._config.org, "bucket": self._config.database}
        else:
            path, params = "/write", self._place
        rest = iter(lines)
        batches = iter(lambda: list(islice(rest, _LINES_PER_REQUEST)), [])
        for batch in chain([next(batches, [])], batches):
            try:
                self.api.post(path, "\n".join(batch).encode(), params={**params, "precision": "s"})
            except DatabaseError as error:
                advice = next((advice for said, advice in _ADVICE.items() if said in error.said), "")
                if not advice:
                    raise
                raise DatabaseError(error.what, about=error.about, advice=advice) from error

    def read(self, where: Tags, start: int, end: int) -> dict[Tags, dict[int, FieldValues]]:
        """Return the points from `start` until before `end` with at least these tags.

        Raises DatabaseError.
        """
        if self.victoriametrics:
            return self._exported(self.victoriametrics, where, start, end)
        found: dict[Tags, dict[int, FieldValues]] = {}
        fields = ", ".join(f'"{field}"' for field in FIELDS)
        conditions = "".join(f' AND "{name}" = {_quoted(value)}' for name, value in where)
        query = f'SELECT {fields} FROM "{MEASUREMENT}" WHERE time >= {start}s AND time < {end}s{conditions} GROUP BY *'  # noqa: S608
        # In chunks, since a server may cut off results longer than its max-row-limit otherwise.
        params = {**self._place, "q": query, "epoch": "s", "chunked": "true", "chunk_size": _ROWS_PER_LINE}
        for told, parts in self.api.lines("/query", params, lambda line: _answered(json.loads(line))):
            if told is not None:
                said = self.api.target.quoted(told)
                raise self.api.target.error(
                    f"refused a query ({said or 'no reason given'})", f"check database and {_RIGHTS}"
                )
            for tags, rows in parts:
                found.setdefault(tags, {}).update(rows)
        return found

    def _exported(
        self, database: VictoriaMetrics, where: Tags, start: int, end: int
    ) -> dict[Tags, dict[int, FieldValues]]:
        found: dict[Tags, dict[int, FieldValues]] = {}
        label = "" if self.speaks_v2 else self._place["db"]
        match = ",".join(f'{name}="{escaped(value)}"' for name, value in (*where, ("db", label)))
        names = {f"{MEASUREMENT}_{field}": number for number, field in enumerate(FIELDS)}
        for part in database.export(f'{{__name__=~"{"|".join(names)}",{match}}}', start * 1000, end * 1000 - 1):
            labels = dict(part.labels)
            field = names[labels.pop("__name__")]
            labels.pop("db", None)
            points = found.setdefault(tuple(sorted(labels.items())), {})
            for stamp, value in zip(part.stamps, part.values, strict=True):
                if not isnan(value) and stamp % 1000 == 0:
                    fields = list(points.get(stamp // 1000, (None,) * len(FIELDS)))
                    # Of different copies, queries see one or the other: docs/samples.md, "Corrections"
                    fields[field] = value if fields[field] in (None, value) else nan
                    points[stamp // 1000] = tuple(fields)
        return found

    def _has_bucket(self) -> bool:
        params = {"name": self._config.database}
        if self._config.org:
            params["org"] = self._config.org
        buckets, message = self.api.json(
            "/api/v2/buckets",
            params,
            lambda answer: (answer.get("buckets"), str(answer.get("message"))),
            accept=(404,),
        )
        if "organization" in message:
            raise self.api.target.error("has no such organization, or the token has no access to it", "fix org")
        return bool(buckets)


def _databases(answer: Json) -> set[str]:
    return {str(row[0]) for result in answer["results"] for each in result["series"] for row in each.get("values", ())}


def lines(tags: Tags, points: Iterable[tuple[int, FieldValues]]) -> Iterator[str]:
    """Format points in line protocol, with numbers that read back exactly."""
    head = MEASUREMENT + "".join(f",{_escaped(name)}={_escaped(value)}" for name, value in tags if value)
    for second, point in points:
        fields = ",".join(f"{name}={value!r}" for name, value in zip(FIELDS, point, strict=True) if value is not None)
        yield f"{head} {fields} {second}"


def tag_text(value: str) -> str:
    """Return a tag value without backslashes and line breaks.

    Versions treat backslashes differently, and a line break would end the line.
    """
    return value.translate(_UNSAFE)


def _escaped(text: str) -> str:
    return text.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


def _quoted(text: str) -> str:
    """Return a string literal of InfluxQL."""
    text = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


def _answered(line: Json) -> tuple[str | None, list[tuple[Tags, dict[int, FieldValues]]]]:
    """Return the error and the points in one line of a query's response."""
    results = line["results"]
    told = next((str(result["error"]) for result in results if "error" in result), None)
    return told, [_rows(series) for result in results for series in result.get("series", ())]


def _rows(series: Json) -> tuple[Tags, dict[int, FieldValues]]:
    tags = sorted((str(name), str(value)) for name, value in (series.get("tags") or {}).items() if value)
    return tuple(tags), {
        int(second): tuple(None if value is None else _number(value) for value in fields)
        for second, *fields in series["values"]
    }


def _number(value: Json) -> float:
    """Read a number.

    Text or a boolean equals nothing, and the write that follows reports the problem.
    """
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else nan


class _Behind(VictoriaMetrics):
    """VictoriaMetrics at the address and with the credentials of InfluxDB."""

    def __init__(self, api: DatabaseHttp) -> None:
        self.reading = self.writing = api
        self.reads_back = True
