"""A test double of InfluxDB, or of VictoriaMetrics in its place."""

import gzip
import json
import re
from collections.abc import Callable
from contextlib import ExitStack

from .http_server import Answer, Asked, serving

Tags = tuple[tuple[str, str], ...]
FIELDS = ("watts", "kwh", "cost", "exported_kwh")
V1 = {"X-Influxdb-Version": "1.6.7", "X-Influxdb-Build": "OSS"}
V2 = {"X-Influxdb-Version": "v2.7.11", "X-Influxdb-Build": "OSS"}
VM = {"X-Server-Hostname": "vm"}
_LINE = re.compile(r"electric((?:,\w+=(?:\\.|[^ ,\\])+)*) (\S+) (\d+)")
_TAG = re.compile(r",(\w+)=((?:\\.|[^ ,\\])+)")
Reply = tuple[int, bytes | str]


class Influx(ExitStack):
    """Requests by path, and points as fields by tags and time.

    `headers` say which database it is. `refusals` are the answers for paths that it refuses. `keeps` decides which
    value is stored for a written one, given the old one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.url = self.enter_context(serving(self._respond))
        self.headers = dict(V1)
        self.names = ["electric"]
        self.refusals: dict[str, Reply] = {}
        self.keeps: Callable[[float | None, float], float | None] = lambda _, new: new
        self.held: dict[Tags, dict[int, dict[str, float]]] = {}
        self.label: dict[str, str] = {}
        self.flags = '-retentionPeriod="100y"\n'
        self.lines: list[str] = []
        self.sizes: list[int] = []
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.asked]

    def put(self, line: str) -> None:
        match = _LINE.fullmatch(line)
        assert match, line
        tags = tuple(sorted((name, re.sub(r"\\([ ,=])", r"\1", value)) for name, value in _TAG.findall(match[1])))
        fields = self.held.setdefault(tags, {}).setdefault(int(match[3]), {})
        for name, value in (field.split("=") for field in match[2].split(",")):
            kept = self.keeps(fields.get(name), float(value))
            if kept is not None:
                fields[name] = kept
        if not fields:
            del self.held[tags][int(match[3])]

    def _respond(self, asked: Asked) -> Answer:
        self.asked.append((asked.method, asked.path, asked.params))
        status, content = self.refusals.get(asked.path) or self._reply(asked)
        return status, self.headers, content

    def _reply(self, asked: Asked) -> Reply:
        params = asked.params
        if asked.path in ("/write", "/api/v2/write"):
            lines = gzip.decompress(asked.body).decode().splitlines()
            self.lines += lines
            self.sizes.append(len(lines))
            self.label = {"db": params["db"]} if "db" in params else {}
            for line in lines:
                self.put(line)
            return 204, b""
        answers: dict[str, Callable[[], str]] = {
            "/ping": lambda: "",
            "/query": lambda: self._query(params),
            "/api/v2/buckets": lambda: json.dumps({"buckets": [{}] * ("electric" in self.names)}),
            "/api/v1/export": lambda: self._export(params),
            "/api/v1/series": lambda: json.dumps({"data": [{}] if () in self.held and not self.label else []}),
            "/flags": lambda: self.flags,
            "/internal/force_flush": lambda: "",
            "/internal/resetRollupResultCache": lambda: "",
        }
        return (200, answers[asked.path]()) if asked.path in answers else (404, "not found")

    def _query(self, params: dict[str, str]) -> str:
        if params["q"] == "SHOW DATABASES":
            return json.dumps({"results": [{"series": [{"values": [[name] for name in self.names]}]}]})
        query = re.fullmatch(
            r'SELECT "watts", "kwh", "cost", "exported_kwh" FROM "electric"'
            r" WHERE time >= (\d+)s AND time < (\d+)s(.*) GROUP BY \*",
            params["q"],
        )
        assert query
        where = {
            name: value.replace("\\'", "'") for name, value in re.findall(r" AND \"(\w+)\" = '(.*?)(?<!\\)'", query[3])
        }
        lines = []
        for tags, points in self.held.items():
            rows = [
                [second, *(points[second].get(field) for field in FIELDS)]
                for second in sorted(points)
                if int(query[1]) <= second < int(query[2])
            ]
            if where.items() <= dict(tags).items() and rows:
                # Like InfluxDB: all tags of the measurement, empty for those that a series does not have.
                every = {name: dict(tags).get(name, "") for other in self.held for name, _ in other}
                lines += [
                    {"results": [{"series": [{"tags": every, "values": [row]}], "partial": True}]} for row in rows
                ]
        return "\n".join(map(json.dumps, [*lines, {"results": [{"statement_id": 0}]}]))

    def _export(self, params: dict[str, str]) -> str:
        match = params["match[]"]
        where = dict(re.findall(r'(\w+)="(.*?)"', match))
        lines = []
        for tags, points in self.held.items():
            labels = {**dict(tags), **self.label}
            for field in FIELDS:
                samples = [(second * 1000, points[second][field]) for second in points if field in points[second]]
                if samples and all(labels.get(name, "") == value for name, value in where.items()):
                    stamps, values = zip(*samples, strict=True)
                    metric = {"__name__": f"electric_{field}", **labels}
                    lines.append(json.dumps({"metric": metric, "timestamps": stamps, "values": values}))
        return "\n".join(lines)
