"""Real databases and scrapers, each a process on a free port of loopback.

Every service starts in its constructor and is ready when the constructor returns. It ends at the end of a `with`, or,
at the end of the interpreter, by a signal from the kernel.

Samples are pairs of a timestamp in milliseconds and a value; a series is the sorted tuple of its labels, see `series`.
"""

import contextlib
import json
import math
import os
import random
import shutil
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, Self, TypeVar
from urllib.parse import urlsplit

import requests

from .deadlines import DEADLINE

Json = Any  # the response of a database, which tests compare as a whole

Labels = tuple[tuple[str, str], ...]
Sample = tuple[int, float]
Config = Mapping[str, object]

ROOT: Final = Path(__file__).parents[2]
POLL: Final = 0.02
"""Seconds between two checks of a condition that is waited for."""

INTERVALS_JOB: Final[Config] = {
    "job_name": "smarthub_intervals",
    "params": {"collect[]": ["intervals"]},
    "honor_timestamps": True,
    "metric_relabel_configs": [{"action": "labeldrop", "regex": "instance|job"}],
}
"""The shipped scrape job for samples with timestamps, without targets."""

EXPORTER_JOB: Final[Config] = {
    "job_name": "smarthub_exporter",
    "params": {"collect[]": ["exporter"]},
}
"""The shipped scrape job for the exporter's own metrics, without targets."""


class ServiceError(RuntimeError):
    """A program is missing, did not start, ended too early, or took too long."""


def series(name: str, /, **labels: str) -> Labels:
    """Return the key of a series in the results of queries and exports."""
    return _labels({"__name__": name, **labels})


def _labels(metric: Mapping[str, str]) -> Labels:
    return tuple(sorted(metric.items()))


def find_program(name: str) -> Path:
    """Find a program on PATH or among those that `.ci/debian-programs` unpacked."""
    unpacked = sorted((ROOT / ".cache" / "debian").glob(f"*/usr/bin/{name}"))
    if found := shutil.which(name) or next(iter(unpacked), None):
        return Path(found)
    raise ServiceError(f"{name} is not installed; run `make test` to fetch it")


def outcome(
    program: str | Path,
    *arguments: str | Path,
    folder: Path = ROOT,
    environment: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Run a program without variables of ours or of compose; return code and output."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("SMARTHUB_", "COMPOSE_"))}
    done = subprocess.run(
        [find_program(str(program)), *arguments],
        cwd=folder,
        env={**clean, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * DEADLINE,
    )
    return done.returncode, done.stdout + done.stderr


def spawn(
    command: Sequence[str | Path],
    *,
    folder: Path,
    stdin: int = subprocess.DEVNULL,
    stdout: IO[bytes] | int,
    stderr: IO[bytes] | int = subprocess.STDOUT,
    environment: Mapping[str, str],
) -> subprocess.Popen[bytes]:
    """Start a program that the kernel kills when the thread that started it ends."""
    return subprocess.Popen(
        # preexec_fn is not safe with threads. The setting survives exec.
        ["setpriv", "--pdeathsig", "KILL", "--", *command],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        cwd=folder,
        env=dict(environment),
    )


_ports_given: set[int] = set()
_WORKERS = 8


def free_port() -> int:
    """Return a free port of loopback, each only once.

    Ports are below the range that the kernel uses for outgoing connections, so that none of those takes the port before
    the program does.
    """
    # Each process of a parallel test run has its own ports.
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    for port in random.sample(range(20_000 + worker, 32_000, _WORKERS), 1_000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _ports_given:
                _ports_given.add(port)
                return port
    raise ServiceError("no free port on loopback")


def free_address() -> str:
    """Return `host:port` with a free port of loopback."""
    return f"127.0.0.1:{free_port()}"


def wait_until(condition: Callable[[], bool], what: str, *, within: float = DEADLINE) -> None:
    """Return once the condition holds.

    `what` completes the error 'timed out waiting for ...'.
    """
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise ServiceError(f"timed out after {within:g} s waiting for {what}")
        time.sleep(POLL)


def is_running(pid: int) -> bool:
    """Check whether a process is running. A zombie is not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def http(method: str, url: str, *, timeout: float = 30, **arguments: Json) -> requests.Response:
    """Send one request, ignoring the proxy settings of the environment."""
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, timeout=timeout, **arguments)


class Service:
    """A program with its own folder, log and address.

    It is ready when the path `ready` returns 200. Start it from the main thread only: the kernel ends it with the
    thread that started it. `prefix` precedes every path.
    """

    def __init__(
        self,
        program: str | Path,
        arguments: Sequence[str],
        *,
        folder: Path,
        address: str,
        ready: str,
        prefix: str = "",
        ready_within: float = DEADLINE,
        environment: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name or Path(program).name
        self.folder = folder
        self.log_file = folder / f"{self.name}.log"
        self.address = address
        self.url = f"http://{address}{prefix}"
        self._command = [str(find_program(str(program))), *arguments]
        self._ready_url = self.url + ready
        self._ready_within = ready_within
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes]
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.terminate()

    @property
    def pid(self) -> int:
        """The process ID since the last start."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal, or None while it is running."""
        return self._process.poll()

    @property
    def log(self) -> str:
        """Everything it has printed since its first start."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start the program and wait until it is ready."""
        # Otherwise the response of another program would look like this one's.
        address = urlsplit(self._ready_url)
        with contextlib.suppress(OSError), socket.create_connection((address.hostname, address.port), timeout=1):
            raise ServiceError(f"{self.name}: another program is listening on {address.netloc}")
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self._process = spawn(self._command, folder=self.folder, stdout=log, environment=self._environment)
        try:
            wait_until(self._is_ready, f"{self._ready_url} to return 200", within=self._ready_within)
        except ServiceError as error:
            self.kill()
            raise self._error(str(error)) from None
        except BaseException:
            self.kill()
            raise

    def terminate(self, *, within: float = 20.0) -> None:
        """Send SIGTERM, then SIGKILL if it is still running after `within` seconds."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(within)
        self.kill()

    def kill(self) -> None:
        """Kill it at once, like a power failure."""
        self._process.kill()
        self._process.wait()

    def restart(self, *more: str) -> None:
        """Stop and start it with the same folder, port and arguments, plus `more`."""
        self.terminate()
        self._command += more
        self.start()

    def ask(self, method: str, path: str, **arguments: Json) -> requests.Response:
        """Send a request and return the response.

        Any error is raised with the end of the log.
        """
        try:
            answer = http(method, self.url + path, **arguments)
        except requests.RequestException as error:
            with contextlib.suppress(subprocess.TimeoutExpired):
                # A process that has closed its connections may take a moment to end.
                self._process.wait(0.2)
            self._check_running()
            raise self._error(str(error)) from error
        if not answer.ok:
            raise self._error(f"{method} {path}: {answer.status_code} {answer.text.strip()}")
        return answer

    def metrics(self) -> dict[str, float]:
        """Return its own metrics by name, summed over series. Unknown names are 0."""
        sums: defaultdict[str, float] = defaultdict(float)
        for line in self.ask("GET", "/metrics").text.splitlines():
            if line and not line.startswith("#"):
                name_and_labels, _, value = line.rpartition(" ")
                sums[name_and_labels.partition("{")[0]] += float(value)
        return sums

    def wait_for_scrapes(self, count: int) -> None:
        """Wait until it has scraped `count` times from now on."""

        def scrapes() -> float:
            found = self.metrics()
            return found["vm_promscrape_scrapes_total"] + found["prometheus_target_interval_length_seconds_count"]

        enough = scrapes() + count
        wait_until(lambda: scrapes() >= enough, f"{count} scrapes of {self.name}")

    def _check_running(self) -> None:
        if self.returncode is not None:
            raise self._error(f"exited with {self.returncode}")

    def _is_ready(self) -> bool:
        self._check_running()
        try:
            answer = http("GET", self._ready_url, timeout=1)
        except requests.RequestException:
            return False
        return answer.status_code == requests.codes.ok

    def _error(self, what: str) -> ServiceError:
        tail = "".join(f"\n  {line}" for line in self.log.splitlines()[-15:])
        return ServiceError(f"{self.name}: {what}; last lines of its log:{tail or ' none'}")


S = TypeVar("S", bound=Service)


class Database(Service):
    """A database with the query API of Prometheus."""

    def query(self, expression: str, at: float, **parameters: str) -> dict[Labels, float]:
        """Run an instant query at `at`, in seconds."""
        data = self._data("/api/v1/query", query=expression, time=_seconds(at), nocache="1", **parameters)
        return {_labels(entry["metric"]): float(entry["value"][1]) for entry in data["result"]}

    def query_range(self, expression: str, start: float, end: float, step: str) -> dict[Labels, list[Sample]]:
        """Run a range query.

        Without the cache, VictoriaMetrics does not align it to multiples of the step.
        """
        times = {"start": _seconds(start), "end": _seconds(end), "step": step}
        return _matrix(self._data("/api/v1/query_range", query=expression, nocache="1", **times))

    def label_values(self, label: str, match: str, start: float, end: float) -> list[str]:
        """Return the values of a label in the series that match within a range."""
        times = {"start": _seconds(start), "end": _seconds(end)}
        answer = self.ask("GET", f"/api/v1/label/{label}/values", params={"match[]": match, **times})
        found: list[str] = answer.json()["data"]
        return found

    def _data(self, path: str, **parameters: str) -> Json:
        return self.ask("POST", path, data=parameters).json()["data"]


def _seconds(moment: float) -> str:
    return f"{moment:.3f}"


def _matrix(data: Json) -> dict[Labels, list[Sample]]:
    return {
        _labels(entry["metric"]): [(round(moment * 1000), float(value)) for moment, value in entry["values"]]
        for entry in data["result"]
    }


class VictoriaMetrics(Database):
    """A single-node VictoriaMetrics."""

    def force_flush(self) -> None:
        """Make all accepted samples visible to queries."""
        self.ask("GET", "/internal/force_flush")

    def force_merge(self) -> None:
        """Merge all partitions, which removes duplicates from disk."""
        self.ask("GET", "/internal/force_merge")

    def export(self, match: str = '{__name__!=""}') -> dict[Labels, list[Sample]]:
        """Return all stored samples of matching series in order of time.

        Stale markers are NaN.
        """
        self.force_flush()
        # The default end is now, but the database accepts samples of the next two days.
        parameters = {"match[]": match, "end": _seconds(time.time() + 3 * 86_400)}
        found: defaultdict[Labels, list[Sample]] = defaultdict(list)
        for line in self.ask("GET", "/api/v1/export", params=parameters).text.splitlines():
            block = json.loads(line)
            values = (math.nan if value is None else float(value) for value in block["values"])
            found[_labels(block["metric"])].extend(zip(block["timestamps"], values, strict=True))
        for samples in found.values():
            samples.sort(key=lambda sample: sample[0])
        return dict(found)

    def import_samples(self, samples: Mapping[Labels, Sequence[Sample]]) -> None:
        """Write samples in the form that `export` returns, and make them visible."""
        lines = []
        for labels, points in samples.items():
            timestamps, values = zip(*points, strict=True)
            lines.append(json.dumps({"metric": dict(labels), "timestamps": timestamps, "values": values}))
        self.ask("POST", "/api/v1/import", data="\n".join(lines).encode())
        self.force_flush()


class InfluxDB(Service):
    """An InfluxDB 1.6 without authentication and with the database `electric`."""

    def query(self, statement: str) -> list[Json]:
        """Return the series of one statement, with times in seconds."""
        parameters = {"db": "electric", "epoch": "s", "q": statement}
        (result,) = self.ask("POST", "/query", params=parameters).json()["results"]
        if "error" in result:
            raise ServiceError(f"{self.name}: {statement}: {result['error']}")
        found: list[Json] = result.get("series", [])
        return found

    def write(self, *lines: str) -> None:
        """Write points in line protocol, with times in seconds."""
        self.ask("POST", "/write", params={"db": "electric", "precision": "s"}, data="\n".join(lines).encode())


class VmAgent(Service):
    """A scraper that sends what it scraped to a database."""

    def wait_until_sent(self) -> None:
        """Wait until at least one page and everything scraped so far is in the database."""
        # Its metrics are rendered at most once per second: only a later page includes everything so far.
        before = self.metrics()["vm_app_uptime_seconds"]
        scraped = 0.0

        def is_scraped() -> bool:
            nonlocal scraped
            now = self.metrics()
            scraped = now["vmagent_remotewrite_rows_pushed_after_relabel_total"]
            return now["vm_app_uptime_seconds"] > before and scraped > 0

        def is_sent() -> bool:
            now = self.metrics()
            # At least, not equal: the next scrape can already be under way.
            return (
                now["vmagent_remotewrite_block_size_rows_sum"] >= scraped
                and now["vmagent_remotewrite_block_size_rows_count"] == now["vmagent_remotewrite_blocks_sent_total"]
            )

        wait_until(is_scraped, "vmagent to scrape")
        wait_until(is_sent, "vmagent to have sent what it scraped")


class VmAuth(Service):
    """A proxy in front of a database that rejects other paths, like a cluster."""

    username, password = "proxy", "through"


class Prometheus(Database):
    """A Prometheus server."""

    def series_samples(self, match: str, start: float, end: float) -> dict[Labels, list[Sample]]:
        """Return all stored samples from start to end, both included."""
        # Newer versions exclude the start of a range: one more millisecond includes it.
        reach = round((end - start) * 1000) + 1
        data = self._data("/api/v1/query", query=f"{match}[{reach}ms]", time=_seconds(end))
        first = round(start * 1000)
        found = {labels: [s for s in samples if s[0] >= first] for labels, samples in _matrix(data).items()}
        return {labels: samples for labels, samples in found.items() if samples}

    def active_targets(self) -> list[dict[str, Json]]:
        """Return its scrape targets: `labels`, `health`, `lastError` and more."""
        answer = self.ask("GET", "/api/v1/targets", params={"state": "active"})
        targets: list[dict[str, Json]] = answer.json()["data"]["activeTargets"]
        return targets


def job(template: Config, *targets: str, **more: object) -> dict[str, object]:
    """Return a shipped scrape job for `host:port` targets, every second by default."""
    return {**template, "scrape_interval": "1s", "static_configs": [{"targets": list(targets)}], **more}


def scrape_config(*jobs: Config, **more: object) -> dict[str, object]:
    """Return a configuration for VictoriaMetrics, vmagent or Prometheus."""
    return {"scrape_configs": list(jobs), **more}


def prometheus_config(*jobs: Config, window: str | None = "14d", **more: object) -> dict[str, object]:
    """Return a configuration for Prometheus that accepts samples as old as `window`."""
    storage = {} if window is None else {"storage": {"tsdb": {"out_of_order_time_window": window}}}
    return scrape_config(*jobs, **storage, **more)


class Services(contextlib.ExitStack):
    """Start services, each in its own folder, and stop them all, the last one first."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._count = 0

    def victoria_metrics(
        self,
        *flags: str,
        scrape: Config | None = None,
        without: Collection[str] = (),
        folder: Path | None = None,
    ) -> VictoriaMetrics:
        """Start VictoriaMetrics with the flags that the README recommends.

        It scrapes if `scrape` is given. `without` names recommended flags to leave out. `folder` is that of a stopped
        one, whose data is used again.
        """
        folder, address = folder or self.folder("victoria-metrics"), free_address()
        recommended = ["-retentionPeriod=100y", "-dedup.minScrapeInterval=1s"]
        if scrape is not None:
            recommended += [f"-promscrape.config={_config_file(folder, scrape)}", "-promscrape.noStaleMarkers"]
        arguments = [
            f"-storageDataPath={folder / 'data'}",
            f"-httpListenAddr={address}",
            *(flag for flag in recommended if flag.partition("=")[0] not in without),
            *flags,
        ]
        return self.start(
            VictoriaMetrics, "victoria-metrics", arguments, folder=folder, address=address, ready="/health"
        )

    def influxdb(self) -> InfluxDB:
        """Start InfluxDB with an empty database."""
        folder, address = self.folder("influxdb"), free_address()
        environment = {
            "HOME": str(folder),
            "INFLUXDB_BIND_ADDRESS": free_address(),
            "INFLUXDB_HTTP_BIND_ADDRESS": address,
            "INFLUXDB_META_DIR": str(folder / "meta"),
            "INFLUXDB_DATA_DIR": str(folder / "data"),
            "INFLUXDB_DATA_WAL_DIR": str(folder / "wal"),
            "INFLUXDB_REPORTING_DISABLED": "true",
        }
        # Its /ping returns 204.
        ready = "/query?q=SHOW+DATABASES"
        started = self.start(
            InfluxDB, "influxd", [], folder=folder, address=address, ready=ready, environment=environment
        )
        started.query("CREATE DATABASE electric")
        return started

    def vmagent(self, scrape: Config, database: VictoriaMetrics, *flags: str) -> VmAgent:
        """Start vmagent, writing to the database."""
        folder, address = self.folder("vmagent"), free_address()
        arguments = [
            f"-httpListenAddr={address}",
            f"-promscrape.config={_config_file(folder, scrape)}",
            "-promscrape.noStaleMarkers",
            f"-remoteWrite.url={database.url}/api/v1/write",
            f"-remoteWrite.tmpDataPath={folder / 'queue'}",
            "-remoteWrite.flushInterval=50ms",
            *flags,
        ]
        return self.start(VmAgent, "vmagent", arguments, folder=folder, address=address, ready="/health")

    def vmauth(self, database: VictoriaMetrics, prefix: str, *paths: str) -> VmAuth:
        """Start vmauth in front of a database.

        `prefix` is the path under which it answers, such as `/insert/0/prometheus`. `paths` are patterns of the paths
        that it forwards.
        """
        folder, address = self.folder("vmauth"), free_address()
        route = {"src_paths": paths, "url_prefix": database.url}
        user = {"username": VmAuth.username, "password": VmAuth.password, "url_map": [route]}
        arguments = [f"-auth.config={_config_file(folder, {'users': [user]})}", f"-httpListenAddr={address}"]
        arguments += [f"-http.pathPrefix={prefix}"] if prefix else []
        return self.start(VmAuth, "vmauth", arguments, folder=folder, address=address, ready="/health", prefix=prefix)

    def prometheus(self, config: Config, *, history: Path | None = None) -> Prometheus:
        """Start Prometheus, with the history in an OpenMetrics file if there is one."""
        folder, address = self.folder("prometheus"), free_address()
        if history is not None:
            command = ("tsdb", "create-blocks-from", "openmetrics", "--quiet", "--max-block-duration=8760h")
            code, output = outcome("promtool", *command, history, folder / "data")
            assert code == 0, output
        arguments = [
            f"--config.file={_config_file(folder, config)}",
            f"--web.listen-address={address}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=100y",
        ]
        return self.start(Prometheus, "prometheus", arguments, folder=folder, address=address, ready="/-/ready")

    def start(self, kind: type[S], program: str | Path, arguments: Sequence[str], **how: Json) -> S:
        """Start any program, in a new folder unless one is given.

        `how` are more arguments of Service.
        """
        if "folder" not in how:
            how["folder"] = self.folder(how.get("name") or Path(program).name)
        started = kind(program, arguments, **how)
        self.enter_context(started)
        return started

    def folder(self, name: str) -> Path:
        """Create a new folder."""
        self._count += 1
        made = self._folder / f"{self._count}-{name}"
        made.mkdir(parents=True)
        return made


def _config_file(folder: Path, config: Config) -> Path:
    path = folder / "config.yml"
    path.write_text(json.dumps(config), encoding="utf-8")  # JSON is also YAML, here without anchors
    return path
