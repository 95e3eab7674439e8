"""Real databases and scrapers for the end-to-end tests, each a process of its own on a free port of loopback.

Every service starts in its constructor, is ready when the constructor returns, and ends by its process id: at the end
of a `with`, at the exit of the interpreter, and by the kernel's hand when the interpreter is killed.

Samples are pairs of a timestamp in milliseconds and a value; a series is the sorted tuple of its labels, see `series`.
"""

import atexit
import contextlib
import json
import math
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import requests
import yaml

Json = Any  # what a database answers; tests compare it whole

Labels = tuple[tuple[str, str], ...]
Sample = tuple[int, float]
Config = Mapping[str, object]

ROOT: Final = Path(__file__).parents[2]
POLL: Final = 0.02
"""Seconds between two looks at something that is waited for."""

LABELS_OF_SCRAPES_DROPPED: Final = [{"action": "labeldrop", "regex": "instance|job"}]

INTERVALS_JOB: Final[Config] = {
    "job_name": "smarthub_intervals",
    "params": {"collect[]": ["intervals"]},
    "honor_timestamps": True,
    "metric_relabel_configs": LABELS_OF_SCRAPES_DROPPED,
}
"""The job for the samples with timestamps of their own, as it is shipped but for its targets and interval."""

EXPORTER_JOB: Final[Config] = {
    "job_name": "smarthub_exporter",
    "params": {"collect[]": ["exporter"]},
}
"""The job for the state of the exporter itself."""


class ServiceError(RuntimeError):
    """A program is missing, did not start, ended, or did not do in time what was waited for."""


def series(name: str, /, **labels: str) -> Labels:
    """The key of a series in what the databases give back."""
    return _labels({"__name__": name, **labels})


def _labels(metric: Mapping[str, str]) -> Labels:
    return tuple(sorted(metric.items()))


def find_program(name: str) -> Path:
    """The program on PATH, or the one that `.ci/debian-programs` unpacked."""
    if found := shutil.which(name):
        return Path(found)
    for unpacked in sorted((ROOT / ".cache" / "debian").glob(f"*/usr/bin/{name}")):
        return unpacked
    raise ServiceError(f"{name} is not on this machine: `make test` fetches it")


_ports_given: set[int] = set()
_WORKERS = 8


def free_port() -> int:
    """A port of loopback that nothing listens on, given out once.

    From below the range that the kernel takes for outgoing connections: one of those cannot take it before the program
    that it is meant for does.
    """
    # Tests that run in several processes at once draw from ports of their own.
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    for port in random.sample(range(20_000 + worker, 32_000, _WORKERS), 1_000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _ports_given:
                _ports_given.add(port)
                return port
    raise ServiceError("no free port on loopback")


def wait_until(condition: Callable[[], bool], what: str, *, within: float = 20.0) -> None:
    """Return as soon as the condition holds; `what` ends the sentence 'waited in vain for ...'."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise ServiceError(f"waited {within:g} s in vain for {what}")
        time.sleep(POLL)


def is_running(pid: int) -> bool:
    """Whether the process lives; one that only waits for its parent to notice its end does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


class Process:
    """A program with its own folder and log, ready when an address answers 200.

    Start it from the main thread only: the kernel ends it with the thread that started it.
    """

    def __init__(
        self,
        program: str,
        arguments: Sequence[str],
        *,
        folder: Path,
        ready_url: str,
        ready_within: float = 20.0,
        environment: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name or Path(program).name
        self.folder = folder
        self.log_file = folder / f"{self.name}.log"
        self._command = [str(find_program(program)), *arguments]
        self._ready_url = ready_url
        self._ready_within = ready_within
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.terminate()

    @property
    def pid(self) -> int:
        """The process id, of the last start."""
        assert self._process is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """How it ended, None while it runs; negative for a signal."""
        return self._process.poll() if self._process else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """Everything that it printed, over all its starts."""
        return self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.exists() else ""

    def start(self) -> None:
        """Start and wait until it is ready."""
        if self.running:
            raise ServiceError(f"{self.name} runs already")
        self._check_port_is_free()
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                # Not by preexec_fn, which is not safe beside threads. The signal follows the program through exec.
                ["setpriv", "--pdeathsig", "KILL", "--", *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={**os.environ, **(self._environment or {})},
            )
        atexit.register(self.kill)
        try:
            wait_until(self._is_ready, f"{self._ready_url} to answer 200", within=self._ready_within)
        except ServiceError as error:
            self.kill()
            raise self._error(str(error)) from None
        except BaseException:
            self.kill()
            raise

    def terminate(self, *, within: float = 20.0) -> None:
        """Ask it to end, insist after a while; nothing to do where it has ended."""
        if self._process is not None and self.running:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(within)
        self.kill()

    def kill(self) -> None:
        """End it at once, as a power failure would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        atexit.unregister(self.kill)

    def restart(self, *more: str) -> None:
        """End it in order, if it runs, and start it with the same folder, port and arguments, from now on with more."""
        self.terminate()
        self._command += more
        self.start()

    def check_running(self) -> None:
        """Complain, with the end of its log, where it has ended by itself."""
        if not self.running:
            raise self._error(f"it ended with {self.returncode}")

    def _check_port_is_free(self) -> None:
        # Another program's answer would be taken for this one's.
        address = urlsplit(self._ready_url)
        with contextlib.suppress(OSError), socket.create_connection((address.hostname, address.port), timeout=1):
            raise ServiceError(f"{self.name}: another program listens on {address.netloc}")

    def _is_ready(self) -> bool:
        self.check_running()
        try:
            answer = http("GET", self._ready_url, timeout=1)
        except requests.RequestException:
            return False
        return answer.status_code == requests.codes.ok

    def _error(self, what: str) -> ServiceError:
        tail = "".join(f"\n  {line}" for line in self.log.splitlines()[-15:])
        return ServiceError(f"{self.name}: {what}; the end of its log:{tail or ' nothing'}")


def http(method: str, url: str, *, timeout: float = 30, **arguments: Json) -> requests.Response:
    """One request to loopback, whatever proxy the environment names."""
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, timeout=timeout, **arguments)


class _HttpService(Process):
    """A program that answers over HTTP on a port of its own."""

    def __init__(
        self,
        program: str,
        arguments: Callable[[int], Sequence[str]],
        *,
        folder: Path,
        ready_path: str,
        environment: Callable[[int], Mapping[str, str]] | None = None,
    ) -> None:
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        self.url = f"http://{self.address}"
        super().__init__(
            program,
            arguments(port),
            folder=folder,
            ready_url=self.url + ready_path,
            environment=environment(port) if environment else None,
        )

    def ask(self, method: str, path: str, **arguments: Json) -> requests.Response:
        """The answer to a request, which must be a good one; an ended program is reported with its log."""
        try:
            answer = http(method, self.url + path, **arguments)
        except requests.RequestException as error:
            with contextlib.suppress(ServiceError):
                # It can take a moment until the end of a process is known that closed its connections already.
                wait_until(lambda: not self.running, "its end", within=0.2)
            self.check_running()
            raise self._error(str(error)) from error
        if not answer.ok:
            raise self._error(f"{method} {path}: {answer.status_code} {answer.text.strip()}")
        return answer

    def metrics(self) -> dict[str, float]:
        """Its own metrics by name, the values of all series of a name added up."""
        sums: defaultdict[str, float] = defaultdict(float)
        for line in self.ask("GET", "/metrics").text.splitlines():
            if line and not line.startswith("#"):
                name_and_labels, _, value = line.rpartition(" ")
                sums[name_and_labels.partition("{")[0]] += float(value)
        return dict(sums)


class _QueryableService(_HttpService):
    """A database with the query API that Prometheus and VictoriaMetrics share."""

    def query(self, expression: str, at: float, **parameters: str) -> dict[Labels, float]:
        """An instant query; a scalar comes without labels."""
        data = self._data("/api/v1/query", query=expression, time=_seconds(at), **parameters)
        if data["resultType"] == "scalar":
            return {(): float(data["result"][1])}
        return {_labels(entry["metric"]): float(entry["value"][1]) for entry in data["result"]}

    def query_range(
        self, expression: str, start: float, end: float, step: str, *, nocache: bool = True
    ) -> dict[Labels, list[Sample]]:
        """A graph; without `nocache` VictoriaMetrics moves the grid to multiples of the step."""
        parameters = {"nocache": "1"} if nocache else {}
        data = self._data(
            "/api/v1/query_range", query=expression, start=_seconds(start), end=_seconds(end), step=step, **parameters
        )
        return _matrix(data)

    def _data(self, path: str, **parameters: str) -> Json:
        return self.ask("POST", path, data=parameters).json()["data"]


def _seconds(moment: float) -> str:
    return f"{moment:.3f}"


def _matrix(data: Json) -> dict[Labels, list[Sample]]:
    return {
        _labels(entry["metric"]): [(round(moment * 1000), float(value)) for moment, value in entry["values"]]
        for entry in data["result"]
    }


class VictoriaMetrics(_QueryableService):
    """A single node, with the flags that the README asks for; scrapes by itself where it is given a configuration.

    without: names of such flags that are forgotten.
    """

    def __init__(
        self,
        folder: Path,
        *,
        scrape_config: Path | Config | None = None,
        extra_args: Sequence[str] = (),
        without: Collection[str] = (),
    ) -> None:
        scraping: list[str] = []
        if scrape_config is not None:
            scraping = [f"-promscrape.config={_config_file(folder, scrape_config)}", "-promscrape.noStaleMarkers"]
        recommended = ("-retentionPeriod=100y", "-dedup.minScrapeInterval=1s", *scraping)
        super().__init__(
            "victoria-metrics",
            lambda port: [
                f"-storageDataPath={folder / 'data'}",
                f"-httpListenAddr=127.0.0.1:{port}",
                *(flag for flag in recommended if flag.partition("=")[0] not in without),
                *extra_args,
            ],
            folder=folder,
            ready_path="/health",
        )

    def force_flush(self) -> None:
        """Make everything that was accepted visible to queries."""
        self.ask("GET", "/internal/force_flush")

    def force_merge(self) -> None:
        """Merge the parts of all partitions, which drops duplicates for good."""
        self.ask("GET", "/internal/force_merge")

    def export(
        self, match: str = '{__name__!=""}', *, raw: bool = False, flush: bool = True
    ) -> dict[Labels, list[Sample]]:
        """Every stored sample of the matching series by time; `raw` tells also those that deduplication hides.

        A stale marker comes as NaN.
        """
        if flush:
            self.force_flush()
        # Without an end, samples of the next two days, which the database accepts, would be left out.
        parameters = {"match[]": match, "end": _seconds(time.time() + 3 * 86_400)}
        if raw:
            parameters["reduce_mem_usage"] = "1"
        found: defaultdict[Labels, list[Sample]] = defaultdict(list)
        for line in self.ask("GET", "/api/v1/export", params=parameters).text.splitlines():
            block = json.loads(line)
            values = (math.nan if value is None else float(value) for value in block["values"])
            found[_labels(block["metric"])].extend(zip(block["timestamps"], values, strict=True))
        for samples in found.values():
            samples.sort(key=lambda sample: sample[0])
        return dict(found)

    def import_lines(self, lines: Iterable[str]) -> None:
        """Write lines of the JSON import format."""
        self.ask("POST", "/api/v1/import", data="\n".join(lines).encode())

    def import_samples(self, samples: Mapping[Labels, Sequence[Sample]]) -> None:
        """Write samples as `export` gives them."""
        self.import_lines(
            json.dumps(
                {
                    "metric": dict(labels),
                    "timestamps": [timestamp for timestamp, _ in points],
                    "values": [value for _, value in points],
                }
            )
            for labels, points in samples.items()
        )


class InfluxDB(_HttpService):
    """An InfluxDB 1.6 with one database and without authentication."""

    def __init__(self, folder: Path, database: str = "electric") -> None:
        self.database = database
        super().__init__(
            "influxd",
            lambda _: [],
            folder=folder,
            # Its /ping answers 204.
            ready_path="/query?q=SHOW+DATABASES",
            environment=lambda port: {
                "HOME": str(folder),
                "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{free_port()}",
                "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{port}",
                "INFLUXDB_META_DIR": str(folder / "meta"),
                "INFLUXDB_DATA_DIR": str(folder / "data"),
                "INFLUXDB_DATA_WAL_DIR": str(folder / "wal"),
                "INFLUXDB_REPORTING_DISABLED": "true",
            },
        )
        self.query(f'CREATE DATABASE "{database}"')

    def query(self, statement: str) -> list[Json]:
        """The series of one statement: `name`, `tags`, `columns`, `values` with times in seconds."""
        parameters = {"db": self.database, "epoch": "s", "q": statement}
        (result,) = self.ask("POST", "/query", params=parameters).json()["results"]
        if "error" in result:
            raise ServiceError(f"{self.name}: {statement}: {result['error']}")
        found: list[Json] = result.get("series", [])
        return found

    def write(self, *lines: str) -> None:
        """Write points in line protocol with times in seconds."""
        self.ask("POST", "/write", params={"db": self.database, "precision": "s"}, data="\n".join(lines).encode())


class VmAgent(_HttpService):
    """The scraper alone, which sends what it scraped to a database."""

    def __init__(
        self, folder: Path, scrape_config: Path | Config, remote_write_url: str, *, extra_args: Sequence[str] = ()
    ) -> None:
        config = _config_file(folder, scrape_config)
        super().__init__(
            "vmagent",
            lambda port: [
                f"-httpListenAddr=127.0.0.1:{port}",
                f"-promscrape.config={config}",
                "-promscrape.noStaleMarkers",
                f"-remoteWrite.url={remote_write_url}",
                f"-remoteWrite.tmpDataPath={folder / 'queue'}",
                "-remoteWrite.flushInterval=50ms",
                *extra_args,
            ],
            folder=folder,
            ready_path="/health",
        )

    def wait_until_sent(self, *, within: float = 30.0) -> None:
        """Return when something was scraped, and all that was scraped before this call is in the database."""
        # The metrics are rendered at most once a second: only a later rendering knows what was scraped until now.
        before = self.metrics()["vm_app_uptime_seconds"]
        scraped = 0.0

        def is_scraped() -> bool:
            nonlocal scraped
            now = self.metrics()
            scraped = now.get("vmagent_remotewrite_rows_pushed_after_relabel_total", 0)
            return now["vm_app_uptime_seconds"] > before and scraped > 0

        def is_sent() -> bool:
            now = self.metrics()
            # Not equal but at least: the next scrape can be on its way whenever the metrics are rendered.
            return (
                now.get("vmagent_remotewrite_block_size_rows_sum", 0) >= scraped
                and now["vmagent_remotewrite_block_size_rows_count"] == now["vmagent_remotewrite_blocks_sent_total"]
            )

        wait_until(is_scraped, "vmagent to scrape", within=within)
        wait_until(is_sent, "vmagent to have sent what it scraped", within=within)


class VmAuth(_HttpService):
    """A proxy before a database, as one part of a cluster: what it does not know by path is refused.

    prefix: the path under which it answers, such as `/insert/0/prometheus`. paths: what it passes on, as patterns.
    """

    def __init__(self, folder: Path, database_url: str, prefix: str, paths: Sequence[str]) -> None:
        self.username, self.password = "proxy", "through"
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "auth.yml"
        route = {"src_paths": list(paths), "url_prefix": database_url}
        user = {"username": self.username, "password": self.password, "url_map": [route]}
        config.write_text(_yaml({"users": [user]}), encoding="utf-8")
        prefixed = [f"-http.pathPrefix={prefix}"] if prefix else []
        super().__init__(
            "vmauth",
            lambda port: [f"-auth.config={config}", f"-httpListenAddr=127.0.0.1:{port}", *prefixed],
            folder=folder,
            ready_path=f"{prefix}/health",
        )
        self.url += prefix


class Prometheus(_QueryableService):
    """A Prometheus server with the given configuration."""

    def __init__(self, folder: Path, config: Config | str, *, extra_args: Sequence[str] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        config_file = folder / "prometheus.yml"
        config_file.write_text(config if isinstance(config, str) else _yaml(config), encoding="utf-8")
        super().__init__(
            "prometheus",
            lambda port: [
                f"--config.file={config_file}",
                f"--web.listen-address=127.0.0.1:{port}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--storage.tsdb.retention.time=100y",
                *extra_args,
            ],
            folder=folder,
            ready_path="/-/ready",
        )

    def series_samples(self, match: str, start: float, end: float) -> dict[Labels, list[Sample]]:
        """Every stored sample from start to end, both included, with its own timestamp."""
        # Newer versions leave out the sample at the open end of a range: one millisecond more takes it in.
        reach = round((end - start) * 1000) + 1
        data = self._data("/api/v1/query", query=f"{match}[{reach}ms]", time=_seconds(end))
        first = round(start * 1000)
        found = {labels: [s for s in samples if s[0] >= first] for labels, samples in _matrix(data).items()}
        return {labels: samples for labels, samples in found.items() if samples}

    def active_targets(self) -> list[dict[str, Json]]:
        """What it scrapes: `labels`, `health`, `lastError`, `lastScrape` and more of each."""
        targets: list[dict[str, Json]] = self.ask("GET", "/api/v1/targets", params={"state": "active"}).json()["data"][
            "activeTargets"
        ]
        return targets


def job(template: Config, *targets: str, scrape_interval: str = "1s", **more: object) -> dict[str, object]:
    """A scrape job made of one of the shipped ones, for `host:port` targets."""
    return {
        **template,
        "scrape_interval": scrape_interval,
        "static_configs": [{"targets": list(targets)}],
        **more,
    }


def scrape_config(jobs: Iterable[Config], **more: object) -> dict[str, object]:
    """A configuration for VictoriaMetrics, vmagent and Prometheus alike."""
    return {"scrape_configs": [dict(each) for each in jobs], **more}


def prometheus_config(
    jobs: Iterable[Config], *, out_of_order_time_window: str | None = "14d", **more: object
) -> dict[str, object]:
    """A configuration for Prometheus, which takes late samples only within a window that it is given."""
    if out_of_order_time_window is not None:
        more["storage"] = {"tsdb": {"out_of_order_time_window": out_of_order_time_window}}
    return scrape_config(jobs, **more)


def _yaml(config: Config) -> str:
    # By way of JSON, so that what jobs share does not become an anchor.
    text: str = yaml.safe_dump(json.loads(json.dumps(config)), sort_keys=False)
    return text


def _config_file(folder: Path, config: Path | Config) -> Path:
    if isinstance(config, Path):
        return config
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "scrape.yml"
    path.write_text(_yaml(config), encoding="utf-8")
    return path


class Services(contextlib.ExitStack):
    """Starts services, each in a folder of its own, and ends them all, the last one first."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._count = 0

    def victoria_metrics(
        self,
        *,
        scrape_config: Path | Config | None = None,
        extra_args: Sequence[str] = (),
        without: Collection[str] = (),
    ) -> VictoriaMetrics:
        """Start VictoriaMetrics."""
        folder = self._new_folder("victoria-metrics")
        database = VictoriaMetrics(folder, scrape_config=scrape_config, extra_args=extra_args, without=without)
        return self.enter_context(database)

    def influxdb(self) -> InfluxDB:
        """Start InfluxDB."""
        return self.enter_context(InfluxDB(self._new_folder("influxdb")))

    def vmagent(
        self, scrape_config: Path | Config, database: VictoriaMetrics, *, extra_args: Sequence[str] = ()
    ) -> VmAgent:
        """Start vmagent, which writes to the database."""
        folder = self._new_folder("vmagent")
        return self.enter_context(VmAgent(folder, scrape_config, f"{database.url}/api/v1/write", extra_args=extra_args))

    def vmauth(self, database: VictoriaMetrics, prefix: str, *paths: str) -> VmAuth:
        """Start vmauth before a database."""
        return self.enter_context(VmAuth(self._new_folder("vmauth"), database.url, prefix, paths))

    def prometheus(self, config: Config | str, *, extra_args: Sequence[str] = ()) -> Prometheus:
        """Start Prometheus."""
        return self.enter_context(Prometheus(self._new_folder("prometheus"), config, extra_args=extra_args))

    def process(
        self,
        program: str,
        arguments: Sequence[str],
        *,
        ready_url: str,
        ready_within: float = 20.0,
        environment: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> Process:
        """Start any other program, for example the exporter itself."""
        name = name or Path(program).name
        return self.enter_context(
            Process(
                program,
                arguments,
                folder=self._new_folder(name),
                ready_url=ready_url,
                ready_within=ready_within,
                environment=environment,
                name=name,
            )
        )

    def _new_folder(self, name: str) -> Path:
        self._count += 1
        return self._folder / f"{self._count}-{name}"
