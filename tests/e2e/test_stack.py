"""The home stack without Docker: the own command line of each service, by the real programs, on the simulated portal.

Hosts, ports and paths are replaced as the tables below say, and nothing else. A year of three homes is backfilled and
scraped, then every query of every dashboard and rule is asked of VictoriaMetrics and of Prometheus.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import fsum
from pathlib import Path
from statistics import median
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
import yaml

from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.settings import Settings, Span
from exporter.simulator.world import World

from ..support.clocks import ManualClock
from ..support.compose import compose_commands
from ..support.dashboard_truth import Points, Truth, by_date, close, last, run, whole_days
from ..support.dashboards import DASHBOARDS, GRAFANA, Panel, TimeRange, all_panels, find, load
from ..support.services import (
    ROOT,
    Labels,
    Process,
    Prometheus,
    Services,
    VictoriaMetrics,
    find_program,
    free_port,
    http,
    wait_until,
)
from ..support.truth import Expected, by_end, differences, expected

Json = Any
Database = VictoriaMetrics | Prometheus

# -- all that differs from Docker

HOSTS: Final = (
    "demo-portal:10059",
    "exporter:10058",
    "victoriametrics:8428",
    "vmagent:8429",
    "vmalert:8880",
    "prometheus:9090",
)
"""What the containers call each other; here each is a free port of loopback."""

OWN_ADDRESSES: Final = {
    "0.0.0.0:10059": "demo-portal:10059",
    "127.0.0.1:10059": "demo-portal:10059",
    ":8428": "victoriametrics:8428",
    "127.0.0.1:8428": "victoriametrics:8428",
    ":8429": "vmagent:8429",
    "127.0.0.1:8429": "vmagent:8429",
    ":8880": "vmalert:8880",
    "127.0.0.1:8880": "vmalert:8880",
    ":9090": "prometheus:9090",
    "127.0.0.1:9090": "prometheus:9090",
}
"""What the containers call themselves."""

PATHS: Final = {
    "/var/lib/smarthub-exporter": "state",
    "/storage": "storage",
    "/queue": "queue",
    "/prometheus": "blocks",
    "/etc/vmagent/vmagent.yml": "vmagent.yml",
    "/etc/prometheus/prometheus.yml": "prometheus.yml",
    "/etc/prometheus/alerts/smarthub.yml": "smarthub.yml",
    "/etc/alerts/smarthub.yml": "smarthub.yml",
}
"""Volumes and mounted files; here all of them are in one folder."""

UNKNOWN_TO_DEBIAN: Final[dict[str, str | None]] = {
    "-search.maxPointsSubqueryPerTimeseries=3000000": None,
    "-notifier.blackhole": "-notifier.url=http://127.0.0.1:9",
}
"""Flags that came after 1.79.5, and what does the same there."""

PROGRAMS: Final = {
    "victoriametrics": "victoria-metrics",
    "vmagent": "vmagent",
    "vmalert": "vmalert",
    "prometheus": "prometheus",
}
"""What the images of others start."""

FASTER: Final = {
    "scrape_interval: 15m": "scrape_interval: 5s",
    "scrape_interval: 1m": "scrape_interval: 1s",
    "    interval: 15m": "    interval: 5s",
    "    interval: 1m": "    interval: 1s",
}
"""In the mounted files, so that a test need not wait for hours."""

ADDED: Final = {"SMARTHUB_LISTEN_ADDRESS": "exporter:10058", "SMARTHUB_REFRESH_INTERVAL": "5s"}
"""Variables of the exporter: it listens on 10058 and refreshes once an hour where nobody says otherwise."""

# -- what README says to type

DAYS: Final = 400
FILL: Final = f"docker compose --env-file /dev/null run --rm backfill --days {DAYS}"
EXPORT: Final = (
    f"docker compose exec -T exporter smarthub-exporter backfill --days {DAYS} --to openmetrics --output - >history.om"
)
MAKE_BLOCKS: Final = (
    'docker compose run --rm --no-deps -v "$PWD/history.om:/history.om:ro" --entrypoint promtool prometheus'
    " tsdb create-blocks-from openmetrics --max-block-duration=8760h /history.om /prometheus"
)

# -- what comes back empty, and why

OF_THE_LAST_MINUTES: Final = {(title, "A") for title in ("Newest power", "Newest interval ended", "Age of the data")}
NOBODY_HAS_ONE: Final = {("Thermostat over power", letter) for letter in "BCDEF"}
ALL_IS_WELL: Final = {("Backfill needed since", "A")}

ZONE: Final = ZoneInfo(World().zone)
HOUSE, SOLAR, BARN = "81001", "81002", "81003"
METERS: Final = {HOUSE, SOLAR, BARN}
HISTORY: Final = '{__name__=~"smarthub_(interval|day)_.+_(kwh|watts|usd)"}'
FOREVER: Final = 1 << 40


@dataclass
class Line:
    """How a service is started here."""

    program: str
    arguments: list[str]
    environment: dict[str, str] = field(default_factory=dict)


class Native:
    """docker-compose.yml as compose reads it without .env, and its services as they are started here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.addresses = {host: f"127.0.0.1:{free_port()}" for host in HOSTS}
        (folder / "docker-compose.yml").write_bytes((ROOT / "docker-compose.yml").read_bytes())
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("SMARTHUB_", "COMPOSE_"))}
        every = ["--profile", "demo", "--profile", "prometheus", "--profile", "backfill", "--profile", "check"]
        command = [str(find_program("docker-compose")), *every, "config"]
        done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=True, timeout=60)
        self.services: dict[str, Json] = yaml.safe_load(done.stdout)["services"]
        self._table = {
            **self.addresses,
            **{own: self.addresses[host] for own, host in OWN_ADDRESSES.items()},
            **{path: str(folder / name) for path, name in PATHS.items()},
        }
        for name in ("state", "storage", "queue", "blocks"):
            (folder / name).mkdir()
        for source in ("compose/vmagent.yml", "compose/prometheus.yml", "grafana/alerts/smarthub.yml"):
            text = self.here((ROOT / source).read_text(encoding="utf-8"))
            for slow, fast in FASTER.items():
                text = text.replace(slow, fast)
            (folder / Path(source).name).write_text(text, encoding="utf-8")

    def here(self, text: str) -> str:
        """A text with everything replaced that the tables replace, the longest first."""
        keys = sorted(self._table, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, keys)), lambda found: self._table[found[0]], text)

    def there(self, text: str) -> str:
        """The other way round, as the containers call each other."""
        back = {here: there for there, here in self._table.items() if there not in OWN_ADDRESSES}
        return re.sub("|".join(map(re.escape, back)), lambda found: back[found[0]], text)

    def url(self, host: str) -> str:
        """Where a service answers."""
        return f"http://{self.addresses[host]}"

    def original(self, name: str) -> list[str]:
        """The command line of a service in its container, without the program of an image of others."""
        service = self.services[name]
        if name in PROGRAMS:
            return list(service["command"])
        dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
        found = re.findall(r"^(ENTRYPOINT|CMD) (.*)$", dockerfile, re.MULTILINE)
        image = {word.lower(): json.loads(rest) for word, rest in found}
        entrypoint = service.get("entrypoint", image["entrypoint"])
        return [*entrypoint, *service.get("command", image["cmd"])]

    def line(self, name: str) -> Line:
        """The command line of a service here."""
        arguments = [self.here(each) for each in self.original(name) if each not in UNKNOWN_TO_DEBIAN]
        arguments += [new for old, new in UNKNOWN_TO_DEBIAN.items() if old in self.original(name) and new is not None]
        variables = self.services[name].get("environment", {})
        if name in PROGRAMS:
            return Line(PROGRAMS[name], arguments, {key: self.here(value) for key, value in variables.items()})
        program, *arguments = arguments
        assert program == "smarthub-exporter"
        environment = {key: self.here(value) for key, value in {**variables, **ADDED}.items()}
        return Line(str(Path(sys.executable).with_name(program)), arguments, environment if variables else {})

    def popen(self, name: str, *more: str, output: Path) -> subprocess.Popen[bytes]:
        """Begin a service that ends by itself."""
        line = self.line(name)
        folder = self.folder / f"{output.name}-cwd"
        folder.mkdir()
        with output.open("wb") as stdout, output.with_suffix(".err").open("wb") as stderr:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", line.program, *line.arguments, *more],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=folder,
                env={**os.environ, **line.environment},
            )


class _Victoria(VictoriaMetrics):
    """A VictoriaMetrics that somebody else started."""

    def __init__(self, process: Process, url: str) -> None:
        self.__dict__ = process.__dict__  # so that it is seen here when it is started again
        self.url = url


class _Prometheus(Prometheus):
    """A Prometheus that somebody else started."""

    def __init__(self, process: Process, url: str) -> None:
        self.__dict__ = process.__dict__  # so that it is seen here when it is started again
        self.url = url


READY: Final = {
    "demo-portal": "/simulator/calls",
    "exporter": "/-/healthy",
    "victoriametrics": "/health",
    "vmagent": "/health",
    "vmalert": "/health",
    "prometheus": "/-/ready",
}


class Stack:
    """Everything that `docker compose --profile demo --profile prometheus up` starts but Grafana, with its history."""

    def __init__(self, folder: Path, services: Services) -> None:
        self.native = Native(folder)
        self.processes: dict[str, Process] = {}
        self.portal = self.native.addresses["demo-portal:10059"]
        self._services = services
        began = int(time.time())
        midnight = datetime.fromtimestamp(began, ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
        self.since = (midnight.replace(tzinfo=None) - timedelta(days=DAYS - 1)).replace(tzinfo=ZONE).timestamp()
        self.start("demo-portal")
        # What is posted later is not, so that the truth does not change under the test.
        self.post_until(began // 3600 * 3600 - 3 * 3600)
        for name in ("victoriametrics", "exporter"):
            self.start(name)
        self.summary = self._backfill()
        self.empty = self._empty_panels()
        for name in ("vmagent", "vmalert", "prometheus"):
            self.start(name)
        self.databases: dict[str, Database] = {
            "victoriametrics": _Victoria(self.processes["victoriametrics"], self.native.url("victoriametrics:8428")),
            "prometheus": _Prometheus(self.processes["prometheus"], self.native.url("prometheus:9090")),
        }
        for database in self.databases.values():
            self.wait_for_scrapes(database)
        self.now = time.time()

    def start(self, name: str) -> None:
        """Start a service by its own command line."""
        line = self.native.line(name)
        (host,) = (each for each in HOSTS if each.partition(":")[0] == name)
        self.processes[name] = self._services.process(
            line.program,
            line.arguments,
            ready_url=self.native.url(host) + READY[name],
            environment=line.environment,
            name=name,
        )

    def post_until(self, instant: int) -> None:
        """Let the portal give what ended by an instant, at once when it is asked."""
        self.posted = instant
        gaps = [{"meter": number, "start": instant, "end": FOREVER} for number in sorted(METERS)]
        url = self.native.url("demo-portal:10059") + "/simulator/settings"
        assert http("POST", url, json={"pending": 0, "gaps": gaps}).ok

    def _backfill(self) -> str:
        """The backfill of the demo, and the same into a file and blocks for Prometheus; what it said."""
        summary, history = self.native.folder / "backfill.txt", self.native.folder / "history.om"
        running = [
            self.native.popen("backfill", *_after("backfill", FILL), output=summary),
            self.native.popen("backfill", *_after("backfill", EXPORT.removesuffix(" >history.om")), output=history),
        ]
        try:
            codes = [each.wait(240) for each in running]
        finally:
            for each in running:
                each.kill()
                each.wait()
        said = summary.read_text(encoding="utf-8")
        assert codes == [0, 0], said + history.with_suffix(".err").read_text(encoding="utf-8")
        # The container has no /tmp to write into.
        environment = {"TMPDIR": str(history.with_name("missing")), **self.native.line("prometheus").environment}
        arguments = [
            str(history) if each == "/history.om" else self.native.here(each)
            for each in _after("prometheus", MAKE_BLOCKS)
        ]
        done = subprocess.run(
            [find_program("promtool"), *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return said

    def _empty_panels(self) -> set[tuple[str, str]]:
        """The queries of *Home* that find nothing in VictoriaMetrics."""
        database = _Victoria(self.processes["victoriametrics"], self.native.url("victoriametrics:8428"))
        shown = last(7, datetime.fromtimestamp(time.time(), ZONE))
        home = [panel for panel in all_panels() if panel.dashboard == "home"]
        queries = [(panel, letter) for panel in home for letter in panel.targets]
        return {
            (panel.json["title"], letter) for panel, letter in queries if not run(database, panel, letter, shown, {})
        }

    def wait_for_scrapes(self, database: Database) -> None:
        """Until both jobs have brought something, the newest intervals included."""

        def is_there() -> bool:
            now = time.time()
            up = database.query("min(last_over_time(up[30s])) + count(last_over_time(up[30s]))", now)
            newest = database.query("max_over_time(smarthub_latest_interval_end_timestamp_seconds[30s])", now)
            counters = database.query("changes(smarthub_refreshes_total[5m])", now)
            return (
                [*up.values()] == [3.0]
                and {*newest.values()} == {float(self.posted)}
                and any(counters.values())
                and self.has_newest(database)
            )

        wait_until(is_there, "both jobs to be scraped", within=90)

    def has_newest(self, database: Database) -> bool:
        """Whether the interval of each meter is there that ended last."""
        found = database.query("last_over_time(smarthub_interval_usage_kwh[1s])", self.posted, nocache="1")
        return {dict(labels)["meter"] for labels in found} == METERS

    def expected(self) -> Expected:
        """Every sample of the history."""
        gaps = tuple(Span(number, self.posted, FOREVER) for number in METERS)
        portal = SimulatedPortal(World(), ManualClock(int(time.time())), Settings(gaps=gaps))
        return expected(portal, self.portal, self.since, time.time())


def _after(word: str, command: str) -> list[str]:
    """The arguments of a command from a word on."""
    words = shlex.split(command)
    return words[words.index(word) + 1 :]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    with Services(folder / "services") as services:
        (folder / "native").mkdir()
        yield Stack(folder / "native", services)


@pytest.fixture(scope="module")
def history(stack: Stack) -> Expected:
    return stack.expected()


@pytest.fixture(scope="module")
def truth(history: Expected) -> Truth:
    values: dict[tuple[str, str], dict[int, float]] = {}
    for labels, found in history.items():
        known = dict(labels)
        name = known["__name__"] + (f" {known['period']}" if "period" in known else "")
        values[name, known["meter"]] = found
    return Truth(values)


@pytest.fixture(params=["victoriametrics", "prometheus"])
def database(request: pytest.FixtureRequest, stack: Stack) -> Database:
    return stack.databases[request.param]


# -- the services


def test_what_was_typed_is_what_readme_says() -> None:
    assert {FILL, EXPORT, MAKE_BLOCKS} <= set(compose_commands("README.md"))


def test_nothing_but_places_and_two_flags_differs_from_the_containers(stack: Stack) -> None:
    native = stack.native
    replaced = set()
    for name, process in stack.processes.items():
        _, *arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
        if name not in PROGRAMS:
            program, *arguments = arguments
            assert Path(program).name == "smarthub-exporter"
            arguments = ["smarthub-exporter", *arguments]
        original = native.original(name)
        here = {new: old for old, new in UNKNOWN_TO_DEBIAN.items() if old in original}
        replaced |= {*here.values()}
        known = [each for each in original if each not in here.values()]
        assert [native.there(each) for each in arguments if each not in here] == [
            re.sub("|".join(map(re.escape, OWN_ADDRESSES)), lambda found: OWN_ADDRESSES[found[0]], each)
            if "://" not in each
            else each
            for each in known
        ]
    assert replaced == UNKNOWN_TO_DEBIAN.keys()


def test_the_mounted_files_differ_in_places_and_intervals_alone(stack: Stack) -> None:
    for source in ("compose/vmagent.yml", "compose/prometheus.yml", "grafana/alerts/smarthub.yml"):
        text = stack.native.there((stack.native.folder / Path(source).name).read_text(encoding="utf-8"))
        for slow, fast in FASTER.items():
            text = text.replace(fast, slow)
        text = text.replace("/etc/alerts/", "/etc/prometheus/alerts/")
        assert text == (ROOT / source).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", READY)
def test_a_service_is_healthy_by_its_own_check(name: str, stack: Stack) -> None:
    test = [stack.native.here(each) for each in stack.native.services[name]["healthcheck"]["test"]]
    assert test[0] == "CMD"
    if test[1] == "wget":
        assert http("GET", test[-1]).status_code == 200
        return
    programs = {"python": sys.executable, "smarthub-exporter": str(Path(sys.executable).with_name("smarthub-exporter"))}
    environment = {**os.environ, **stack.native.line(name).environment}
    done = subprocess.run([programs[test[1]], *test[2:]], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_says_that_all_is_good(stack: Stack) -> None:
    output = stack.native.folder / "check.txt"
    code = stack.native.popen("check", output=output).wait(60)
    said = output.read_text(encoding="utf-8")
    assert code == 0, said + output.with_suffix(".err").read_text(encoding="utf-8")
    assert "All good." in said


def test_the_backfill_sums_up_what_is_true(stack: Stack, truth: Truth) -> None:
    energy = re.search(r"^  energy +([\d,.]+) kWh drawn, ([\d,.]+) kWh sent$", stack.summary, re.MULTILINE)
    cost = re.search(r"^  cost +\$([\d,.]+)$", stack.summary, re.MULTILINE)
    assert energy is not None
    assert cost is not None
    told = [float(each.replace(",", "")) for each in (*energy.groups(), *cost.groups())]
    names = ("usage_kwh", "export_kwh", "cost_usd")
    wanted = [
        fsum(fsum(each.values()) for (family, _), each in truth.values.items() if family == f"smarthub_interval_{name}")
        for name in names
    ]
    assert told == pytest.approx(wanted, abs=0.006)


def test_the_history_is_complete_and_each_interval_is_there_once(stack: Stack, history: Expected) -> None:
    victoria, prometheus = stack.databases.values()
    assert isinstance(victoria, VictoriaMetrics)
    assert isinstance(prometheus, Prometheus)
    stored = victoria.export(HISTORY)
    assert differences(by_end(stored), history) == []
    assert _counts(stored) == _counts(history)
    assert differences(by_end(prometheus.series_samples(HISTORY, stack.since, time.time())), history) == []


# -- every query


def test_the_backfill_fills_home_before_anything_is_scraped(stack: Stack, truth: Truth) -> None:
    assert stack.empty == OF_THE_LAST_MINUTES | NOBODY_HAS_ONE | _empty_months(stack, truth)


def _empty_months(stack: Stack, truth: Truth) -> set[tuple[str, str]]:
    """What has no whole day yet on the first days of a month."""
    if truth.within("smarthub_day_usage_kwh", HOUSE, _month(stack.now) + 1, stack.now):
        return set()
    return {("This month so far", letter) for letter in "ABC"}


def shown_of(panel: Panel, stack: Stack) -> TimeRange:
    """The dashboard's own range; points are at quarters of an hour, so a graph of the first minutes waits for one."""
    if panel.dashboard == "home":
        return last(7, datetime.fromtimestamp(stack.now, ZONE))
    graph = not any(target["instant"] for target in panel.targets.values())
    end = (int(stack.now) // 900 + 1) * 900 if graph else stack.now
    return TimeRange(end - 86400, end, ZoneInfo("UTC"))


@pytest.mark.parametrize("panel", all_panels(), ids=str)
def test_every_query_finds_the_demo_in_both_databases(panel: Panel, stack: Stack, truth: Truth) -> None:
    shown = shown_of(panel, stack)
    empty = NOBODY_HAS_ONE | ALL_IS_WELL | _empty_months(stack, truth)
    for letter in panel.targets:
        ours, theirs = (run(each, panel, letter, shown, {}) for each in stack.databases.values())
        is_empty = (panel.json["title"], letter) in empty
        assert (bool(ours), bool(theirs)) == (not is_empty, not is_empty), letter
        assert ours.keys() == theirs.keys()
        if panel.dashboard == "home":
            for labels, points in ours.items():
                assert theirs[labels] == close(points), letter


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: str(path.stem))
def test_the_variables_offer_what_there_is(path: Path, stack: Stack, database: Database) -> None:
    wanted = {
        "portal": {stack.portal},
        "location": {"70001", "70002", "70003"},
        "meter": METERS,
        "login": {stack.portal},
    }
    queries = {each["name"]: each["definition"] for each in load(path)["templating"]["list"] if each["type"] == "query"}
    for name, query in queries.items():
        found = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
        assert found is not None
        selector = re.sub(r"\$\w+", ".+", found[1])
        times = {"start": f"{stack.now - 7 * 86400:.0f}", "end": f"{stack.now:.0f}"}
        answer = database.ask("GET", f"/api/v1/label/{found[2]}/values", params={"match[]": selector, **times})
        assert set(answer.json()["data"]) == wanted[name], query


def _month(moment: float) -> float:
    """When the local month of an instant began."""
    local = datetime.fromtimestamp(moment, ZONE)
    return local.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0).timestamp()


RULES: Final[dict[str, Json]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((GRAFANA / "alerts" / "smarthub.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}


@pytest.mark.parametrize("alert", RULES)
def test_no_alert_fires_while_all_is_well(alert: str, stack: Stack, database: Database, truth: Truth) -> None:
    found = {dict(labels).get("meter", "") for labels in database.query(RULES[alert]["expr"], stack.now)}
    assert found == (unusual(truth, stack.now) if alert == "SmartHubUnusualUsage" else set())


def unusual(truth: Truth, now: float) -> set[str]:
    """The meters that on their newest whole day used twice as much as usual: that can happen to simulated people."""
    meters = set()
    for number in METERS:
        days = truth.within("smarthub_day_usage_kwh", number, now - 4 * 86400, now)
        by_day = whole_days(truth, "smarthub_day_usage_kwh", number, last(60, datetime.fromtimestamp(now, ZONE)))
        noon = datetime.fromtimestamp(max(days) - 12 * 3600, ZONE)
        before = [by_day[f"{noon - timedelta(weeks=weeks):%Y-%m-%d}"] for weeks in range(1, 6)]
        if days[max(days)] > 2 * max(5.0, median(before)):
            meters.add(number)
    return meters


@pytest.mark.parametrize("host", ["vmalert:8880", "prometheus:9090"])
def test_all_rules_are_evaluated_without_errors(host: str, stack: Stack) -> None:
    def rules() -> list[Json]:
        groups = http("GET", stack.native.url(host) + "/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    wait_until(
        lambda: all(not str(rule["lastEvaluation"]).startswith("0001") for rule in rules()), "every rule's first turn"
    )
    assert {rule["name"]: rule.get("lastError", "") for rule in rules()} == dict.fromkeys(RULES, "")


# -- the figures


def ask(database: Database, title: str, letter: str, shown: TimeRange, by: str = "meter") -> dict[str, Points]:
    """What a panel shows, by the value of a label."""
    return {
        dict(labels).get(by, ""): points for labels, points in run(database, find(title), letter, shown, {}).items()
    }


def only(found: Mapping[str, Points], key: str = "") -> float:
    (value,) = found[key].values()
    return value


def range_of(stack: Stack, days: float) -> TimeRange:
    return last(days, datetime.fromtimestamp(stack.now, ZONE))


def test_energy_and_cost_a_day_are_true_for_a_year(stack: Stack, database: Database, truth: Truth) -> None:
    shown = range_of(stack, 395)
    for title, name, meters in (
        ("Energy a day", "smarthub_day_usage_kwh", METERS),
        ("Cost a day", "smarthub_day_cost_usd", {HOUSE, SOLAR}),
    ):
        found = ask(database, title, "A", shown)
        assert found.keys() == meters
        for number in meters:
            bars = by_date(found[number])
            assert bars == close(whole_days(truth, name, number, shown))
            assert len(bars) >= 394
    lengths = {_length(day) for day in by_date(ask(database, "Energy a day", "A", shown)[HOUSE])}
    assert lengths == {23, 24, 25}


def _length(day: str) -> int:
    start = datetime.fromisoformat(day)
    first, after = (each.replace(tzinfo=ZONE).timestamp() for each in (start, start + timedelta(days=1)))
    return round((after - first) / 3600)


def test_drawn_sent_and_net_a_day_are_of_the_solar_house(stack: Stack, database: Database, truth: Truth) -> None:
    shown = range_of(stack, 395)
    drawn, sent = (whole_days(truth, f"smarthub_day_{each}_kwh", SOLAR, shown) for each in ("usage", "export"))
    found = [ask(database, "Drawn, sent and net a day", letter, shown) for letter in "ABC"]
    assert [each.keys() for each in found] == [{SOLAR}] * 3
    wanted = [drawn, {day: -kwh for day, kwh in sent.items()}, {day: drawn[day] - kwh for day, kwh in sent.items()}]
    assert [by_date(each[SOLAR]) for each in found] == [close(each) for each in wanted]


@pytest.mark.parametrize(
    ("title", "years", "months"),
    [("This month so far", 0, 0), ("Last month to the same day", 0, 1), ("Same month last year", 1, 0)],
)
def test_months_are_the_sums_of_their_whole_days(  # noqa: PLR0917
    title: str, years: int, months: int, stack: Stack, database: Database, truth: Truth
) -> None:
    shown = find(title).json.get("timeShift")
    window = range_of(stack, 7).overridden("now/M", shown)
    assert _month(window.start) == window.start
    local = datetime.fromtimestamp(stack.now, ZONE)
    begins = datetime.fromtimestamp(window.start, ZONE)
    assert local.year * 12 + local.month - begins.year * 12 - begins.month == 12 * years + months
    energy = [truth.within("smarthub_day_usage_kwh", each, window.start + 1, window.end) for each in METERS]
    cost = [truth.within("smarthub_day_cost_usd", each, window.start + 1, window.end) for each in METERS - {BARN}]
    found = {letter: ask(database, title, letter, range_of(stack, 7), by="") for letter in "ABC"}
    if not any(energy):
        assert found == {"A": {}, "B": {}, "C": {}}
        return
    assert only(found["A"]) == close(fsum(fsum(days.values()) for days in energy))
    assert only(found["B"]) == close(fsum(fsum(days.values()) for days in cost))
    assert only(found["C"]) == close(fsum(fsum(days.values()) / len(days) for days in energy))


def test_the_latest_whole_day_tells_its_energy_and_cost(stack: Stack, database: Database, truth: Truth) -> None:
    energy, cost = (ask(database, "Latest whole day", letter, range_of(stack, 7)) for letter in "AB")
    assert [set(energy), set(cost)] == [METERS, {HOUSE, SOLAR}]
    for found, name in ((energy, "smarthub_day_usage_kwh"), (cost, "smarthub_day_cost_usd")):
        for number in found:
            days = truth.of(name, number)
            assert only(found, number) == days[max(days)]


@pytest.mark.parametrize(("letter", "length"), [("B", 86400), ("C", 604800)])
def test_averages_look_back_a_day_and_a_week(
    letter: str, length: int, stack: Stack, database: Database, truth: Truth
) -> None:
    found = ask(database, "Power and cumulative usage", letter, range_of(stack, 7))
    assert found.keys() == METERS
    for number, points in found.items():
        assert len(points) > 7 * 24
        for moment, watts in [*points.items()][::7]:
            mean = truth.mean("smarthub_interval_usage_watts", number, moment - length, moment)
            assert watts == close(mean), (number, moment)


def test_power_and_cumulative_usage_are_those_of_the_intervals(stack: Stack, database: Database, truth: Truth) -> None:
    shown = range_of(stack, 7)
    power, cumulative = (ask(database, "Power and cumulative usage", letter, shown) for letter in "AD")
    assert power.keys() == cumulative.keys() == METERS
    for number, step in ((HOUSE, 900), (SOLAR, 900), (BARN, 3600)):
        ends = truth.of("smarthub_interval_usage_watts", number)
        for moment, watts in power[number].items():
            assert watts == close(ends[int(moment) // step * step + step])
        known = sorted(truth.within("smarthub_interval_usage_kwh", number, shown.start, shown.end).items())
        for moment, kwh in cumulative[number].items():
            assert kwh == close(fsum(each for end, each in known if end <= moment))


def test_energy_cost_and_export_of_a_range_are_those_of_its_intervals(
    stack: Stack, database: Database, truth: Truth
) -> None:
    for days in (7, 45):
        shown = range_of(stack, days)
        energy, cost = (ask(database, "Energy in this range", letter, shown) for letter in "AB")
        assert [set(energy), set(cost)] == [METERS, {HOUSE, SOLAR}]
        for found, name in ((energy, "usage_kwh"), (cost, "cost_usd")):
            for number in found:
                total = truth.total(f"smarthub_interval_{name}", number, shown.start, shown.end)
                assert only(found, number) == close(total)
        sent, net = (only(ask(database, "Sent and net in this range", letter, shown), SOLAR) for letter in "AB")
        assert sent == close(truth.total("smarthub_interval_export_kwh", SOLAR, shown.start, shown.end))
        assert sent > 0
        assert net == close(only(energy, SOLAR) - sent)


def test_shares_are_the_energy_of_the_rate_periods_of_the_house(stack: Stack, database: Database, truth: Truth) -> None:
    shown = range_of(stack, 30)
    found = ask(database, "Time-of-use shares", "A", shown, by="period")
    names = {name for name, number in truth.values if " " in name and number == HOUSE}
    wanted = {name.partition(" ")[2]: truth.total(name, HOUSE, shown.start, shown.end) for name in names}
    assert len(wanted) == 3
    assert {period: only(found, period) for period in found} == close(wanted)


def test_the_hours_of_the_week_are_the_energy_of_all_homes(stack: Stack, database: Database, truth: Truth) -> None:
    shown = range_of(stack, 30)
    (points,) = ask(database, "Hour by weekday", "A", shown, by="").values()
    hours: defaultdict[int, float] = defaultdict(float)
    for number in METERS:
        for end, kwh in truth.of("smarthub_interval_usage_kwh", number).items():
            hours[(end - 1) // 3600 * 3600] += kwh
    assert points == close(
        {float(hour): kwh for hour, kwh in hours.items() if shown.start - 3600 < hour <= shown.end and hour in points}
    )
    assert len(points) > 29 * 24


# -- power failures, last because they change what is there


def test_a_killed_service_comes_back_with_nothing_lost_or_doubled(stack: Stack) -> None:
    victoria, prometheus = stack.databases.values()
    assert isinstance(victoria, VictoriaMetrics)
    assert isinstance(prometheus, Prometheus)
    for name in ("exporter", "vmagent", "victoriametrics"):
        process = stack.processes[name]
        process.kill()
        killed = time.time()
        # New data come just when somebody is missing.
        stack.post_until(stack.posted + 3600)
        time.sleep(5)
        process.start()
        back = time.time()
        wait_until(lambda: stack.has_newest(victoria), f"the newest data after {name} was killed", within=60)
        if name == "victoriametrics":
            # What vmagent scraped meanwhile, once a second, was kept on its disk.
            wait_until(lambda: _scrapes(victoria, killed, back) >= back - killed - 2, "what vmagent kept", within=60)  # noqa: B023
    wait_until(lambda: stack.has_newest(prometheus), "the newest data in Prometheus")
    wanted = stack.expected()
    stored = victoria.export(HISTORY)
    assert differences(by_end(stored), wanted) == []
    assert _counts(stored) == _counts(wanted)
    assert differences(by_end(prometheus.series_samples(HISTORY, stack.since, time.time())), wanted) == []


def _scrapes(database: VictoriaMetrics, start: float, end: float) -> int:
    """How often the exporter was looked at."""
    (samples,) = database.export('up{job="smarthub_exporter"}').values()
    return sum(start * 1000 <= stamp <= end * 1000 for stamp, _ in samples)


def _counts(samples: Mapping[Labels, Sized]) -> dict[Labels, int]:
    return {labels: len(each) for labels, each in samples.items()}
