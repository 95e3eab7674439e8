"""The home stack without Docker: each command line, run by the real programs.

Only hosts, ports and paths are replaced, as in the tables below. A year of three homes is backfilled and scraped, then
every query of every dashboard and alert is sent to VictoriaMetrics and to Prometheus.
"""

import json
import os
import re
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
import yaml

from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.settings import Settings, Span
from exporter.simulator.world import World

from ..support.clocks import ManualClock
from ..support.dashboard_truth import Truth, close, last, run, whole_days
from ..support.dashboards import DASHBOARDS, RULES, Panel, TimeRange, all_panels, load
from ..support.deadlines import DEADLINE
from ..support.http_server import Answer, Asked, serving
from ..support.program import Program
from ..support.project_files import compose_commands, read
from ..support.rendering import variables
from ..support.services import (
    ROOT,
    Database,
    Prometheus,
    S,
    Service,
    Services,
    VictoriaMetrics,
    find_program,
    free_address,
    http,
    outcome,
    series,
    spawn,
    wait_until,
)
from ..support.truth import Expected, by_end, differences, expected

Json = Any

# -- all differences from Docker

HOSTS: Final = (
    "demo-portal:10059",
    "exporter:10058",
    "victoriametrics:8428",
    "vmagent:8429",
    "vmalert:8880",
    "alertmanager:9093",
    "prometheus:9090",
)
"""Addresses of the containers. Here each is a free port of loopback."""

OWN_ADDRESSES: Final = {
    f"{own}:{port}": f"{host}:{port}"
    for host, port in (each.split(":") for each in HOSTS)
    if host != "exporter"
    for own in ("127.0.0.1", "0.0.0.0" if host == "demo-portal" else "")
}
"""Addresses that the containers listen on."""

PATHS: Final = {
    "/var/lib/smarthub-exporter": "state",
    "/storage": "storage",
    "/queue": "queue",
    "/alerts": "alerts",
    "/prometheus": "blocks",
    "/etc/vmagent/vmagent.yml": "vmagent.yml",
    "/etc/prometheus/prometheus.yml": "prometheus.yml",
    "/etc/prometheus/alerts/smarthub.yml": "smarthub.yml",
    "/etc/alerts/smarthub.yml": "smarthub.yml",
    "/etc/alertmanager/alertmanager.yml": "alertmanager.yml",
    "/tmp/alertmanager.yml": "with-address.yml",
    "/etc/smarthub-exporter/history.sh": "history.sh",
}
"""Volumes and mounted files. Here all of them are in one folder."""

MOUNTED: Final = (
    "compose/vmagent.yml",
    "compose/prometheus.yml",
    "compose/alertmanager.yml",
    "compose/history.sh",
    "grafana/alerts/smarthub.yml",
)

UNKNOWN_TO_DEBIAN: Final = {
    "-search.maxPointsSubqueryPerTimeseries=3000000",
}
"""Flags that are newer than 1.79.5."""

PROGRAMS: Final = {
    "victoriametrics": "victoria-metrics",
    "vmagent": "vmagent",
    "vmalert": "vmalert",
    "alertmanager": "",
    "prometheus": "prometheus",
}
"""The programs of the images that are not ours, if their command line does not name one."""

OURS: Final = Path(sys.executable).with_name("smarthub-exporter")

FASTER: Final = {
    "scrape_interval: 15m": "scrape_interval: 5s",
    "scrape_interval: 1m": "scrape_interval: 1s",
    "    interval: 15m": "    interval: 5s",
    "    interval: 1m": "    interval: 1s",
}
"""Shorter intervals in the mounted files, so that tests do not wait for hours."""

ADDED: Final = {"SMARTHUB_LISTEN_ADDRESS": "exporter:10058", "SMARTHUB_REFRESH_INTERVAL": "5s"}
"""Variables of the exporter, which replace the default port and refresh interval."""

# -- commands of the guide

DAYS: Final = 400
EXPORT: Final = (
    f"docker compose exec -T exporter smarthub-exporter backfill --days {DAYS} --to openmetrics --output - >history.om"
)
MAKE_BLOCKS: Final = (
    'docker compose run --rm --no-deps -v "$PWD/history.om:/history.om:ro" --entrypoint promtool prometheus'
    " tsdb create-blocks-from openmetrics --max-block-duration=8760h /history.om /prometheus"
)

# -- empty results, and why

OF_THE_LAST_MINUTES: Final = {("Newest data", letter) for letter in "ABC"}
NOBODY_HAS_ONE: Final = {("Thermostat over power", letter) for letter in "BCDEF"}
ALL_IS_WELL: Final = {
    (title, "A") for title in ("Missing corrections since", "What needs attention", "Failed refreshes by reason")
}

ZONE: Final = ZoneInfo(World().zone)
HOUSE, SOLAR, BARN = "81001", "81002", "81003"
METERS: Final = {HOUSE, SOLAR, BARN}
HISTORY: Final = '{__name__=~"smarthub_(interval|day)_.+_(kwh|watts|usd|info)"}'
FOREVER: Final = 1 << 40


@dataclass
class Line:
    """How a service is started in this test."""

    program: str | Path
    arguments: list[str]
    environment: dict[str, str]


class Native:
    """docker-compose.yml with .env.demo, and its services as started in this test.

    `override` is the path of a second compose file, `variables` are those that it reads.
    """

    def __init__(self, folder: Path, override: str | None = None, **variables: str) -> None:
        self.folder = folder
        self.addresses = {host: free_address() for host in HOSTS}
        (folder / "docker-compose.yml").write_text(read("docker-compose.yml"), encoding="utf-8")
        files: list[str | Path] = ["--env-file", ROOT / ".env.demo", "-f", "docker-compose.yml"]
        files += ("-f", ROOT / override) if override else ()
        every = [word for profile in ("demo", "prometheus", "backfill", "check") for word in ("--profile", profile)]
        code, said = outcome("docker-compose", *files, *every, "config", folder=folder, environment=variables)
        assert code == 0, said
        self.services: dict[str, Json] = yaml.safe_load(said)["services"]
        self._table = {
            **self.addresses,
            **{own: self.addresses[host] for own, host in OWN_ADDRESSES.items()},
            **{path: str(folder / name) for path, name in PATHS.items()},
            "exec alertmanager": f"exec {find_program('prometheus-alertmanager')}",
        }
        for name in ("state", "storage", "queue", "alerts", "blocks"):
            (folder / name).mkdir()
        for source in MOUNTED:
            text = self.here(read(source))
            for slow, fast in FASTER.items():
                text = text.replace(slow, fast)
            (folder / Path(source).name).write_text(text, encoding="utf-8")

    def here(self, text: str) -> str:
        """Apply the replacements of the tables to a text, longest first."""
        keys = sorted(self._table, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, keys)), lambda found: self._table[found[0]], text)

    def original(self, name: str) -> list[str]:
        """Return a container's command line, without the program of a third-party image."""
        service = self.services[name]
        found = re.findall(r"^(ENTRYPOINT|CMD) (.*)$", read("Dockerfile"), re.MULTILINE)
        image = {word.lower(): json.loads(rest) for word, rest in found} if name not in PROGRAMS else {"entrypoint": []}
        line = [*service.get("entrypoint", image["entrypoint"]), *service.get("command", image.get("cmd", []))]
        # compose doubles each $ in its output.
        return [each.replace("$$", "$") for each in line]

    def line(self, name: str) -> Line:
        """Return the command line of a service in this test."""
        arguments = [self.here(each) for each in self.original(name) if each not in UNKNOWN_TO_DEBIAN]
        variables = self.services[name].get("environment", {})
        ours = name not in PROGRAMS
        added = {**(ADDED if variables else {}), "PATH": f"{OURS.parent}:{os.environ['PATH']}"} if ours else {}
        environment = {key: self.here(value) for key, value in {**variables, **added}.items()}
        if not ours:
            program = PROGRAMS[name]
            return Line(program or arguments[0], arguments if program else arguments[1:], environment)
        program, *arguments = arguments
        assert program in {OURS.name, "sh"}
        return Line(OURS if program == OURS.name else program, arguments, environment)

    def begin(self, name: str, *more: str) -> Program:
        """Start one of our services that ends by itself."""
        line = self.line(name)
        return Program(*line.arguments, *more, folder=self.folder, environment={**os.environ, **line.environment})


READY: Final = {
    "demo-portal": "/simulator/calls",
    "exporter": "/-/healthy",
    "victoriametrics": "/health",
    "vmagent": "/health",
    "vmalert": "/health",
    "alertmanager": "/-/ready",
    "prometheus": "/-/ready",
}


def start_service(native: Native, services: Services, name: str, kind: type[S] = Service) -> S:  # type: ignore[assignment]
    """Start a service with its own command line."""
    line = native.line(name)
    (host,) = (each for each in HOSTS if each.partition(":")[0] == name)
    return services.start(
        kind,
        line.program,
        line.arguments,
        address=native.addresses[host],
        ready=READY[name],
        environment=line.environment,
        name=name,
    )


class Stack:
    """The services of the demo and Prometheus profiles with history, without Grafana."""

    def __init__(self, folder: Path, services: Services) -> None:
        began = int(time.time())
        midnight = datetime.fromtimestamp(began, ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
        first = midnight.replace(tzinfo=None) - timedelta(days=DAYS - 1)
        self.since = first.replace(tzinfo=ZONE).timestamp()
        self.native = Native(folder, HISTORY_START=f"{first:%Y-%m-%d}")
        self.processes: dict[str, Service] = {}
        self.portal = self.native.addresses["demo-portal:10059"]
        self._services = services
        self.start("demo-portal")
        # No later data is posted, so that the truth does not change during the tests.
        self.post_until(began // 3600 * 3600 - 3 * 3600)
        self.victoria = self.start("victoriametrics", VictoriaMetrics)
        self.start("exporter")
        self._backfill()
        self.empty = self._empty_panels()
        for name in ("vmagent", "vmalert", "alertmanager"):
            self.start(name)
        self.prometheus = self.start("prometheus", Prometheus)
        self.databases: dict[str, Database] = {"victoriametrics": self.victoria, "prometheus": self.prometheus}
        for database in self.databases.values():
            self.wait_for_scrapes(database)
        self.now = time.time()

    def start(self, name: str, kind: type[S] = Service) -> S:  # type: ignore[assignment]
        """Start a service with its own command line."""
        started = start_service(self.native, self._services, name, kind)
        self.processes[name] = started
        return started

    def post_until(self, instant: int) -> None:
        """Let the portal post all data that ended by an instant, without delay."""
        self.posted = instant
        gaps = [{"meter": number, "start": instant, "end": FOREVER} for number in sorted(METERS)]
        self.processes["demo-portal"].ask("POST", "/simulator/settings", json={"pending": 0, "gaps": gaps})

    def load_history(self) -> tuple[int, str]:
        """Run the service that loads the history; return its exit code and output."""
        line = self.native.line("history")
        with (
            (self.native.folder / "history.log").open("w+b") as log,
            spawn(
                [line.program, *line.arguments],
                folder=self.native.folder,
                stdout=log,
                environment={**os.environ, **line.environment},
            ) as script,
        ):
            try:
                code = script.wait(240)
            finally:
                script.terminate()
            log.seek(0)
            return code, log.read().decode()

    def _backfill(self) -> None:
        """Load the history of the demo, and that for Prometheus."""
        exporting = self.native.begin("backfill", *_after("backfill", EXPORT.removesuffix(" >history.om")))
        code, said = self.load_history()
        assert (code, exporting.wait(240)) == (0, 0), said + exporting.stderr
        history = self.native.folder / "history.om"
        history.write_text(exporting.stdout, encoding="utf-8")
        arguments = [
            str(history) if each == "/history.om" else self.native.here(each)
            for each in _after("prometheus", MAKE_BLOCKS)
        ]
        # /tmp of the container is not writable.
        variables = {"TMPDIR": str(history.with_name("missing")), **self.native.line("prometheus").environment}
        code, said = outcome("promtool", *arguments, environment=variables)
        assert code == 0, said

    def _empty_panels(self) -> set[tuple[str, str]]:
        """Return the queries of *Home* with empty results in VictoriaMetrics."""
        shown = last(7, datetime.fromtimestamp(time.time(), ZONE))
        home = [panel for panel in all_panels() if panel.dashboard == "home"]
        queries = [(panel, letter) for panel in home for letter in panel.targets]
        return {
            (panel.json["title"], letter)
            for panel, letter in queries
            if not run(self.victoria, panel, letter, shown, {})
        }

    def wait_for_scrapes(self, database: Database) -> None:
        """Wait until both jobs have stored samples, including the newest intervals."""

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

        wait_until(is_there, "both jobs to be scraped", within=1.5 * DEADLINE)

    def has_newest(self, database: Database) -> bool:
        """Check that the last interval of each meter is stored."""
        found = database.query("last_over_time(smarthub_interval_usage_kwh[1s])", self.posted)
        return {dict(labels)["meter"] for labels in found} == METERS

    def expected(self) -> Expected:
        """Return all samples of the history."""
        gaps = tuple(Span(number, self.posted, FOREVER) for number in METERS)
        portal = SimulatedPortal(World(), ManualClock(int(time.time())), Settings(gaps=gaps))
        return expected(portal, self.portal, self.since, time.time())


def _after(word: str, command: str) -> list[str]:
    """Return the arguments of a command that follow a word."""
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
    return Truth.of_series(history)


@pytest.fixture(params=["victoriametrics", "prometheus"])
def database(request: pytest.FixtureRequest, stack: Stack) -> Database:
    return stack.databases[request.param]


# -- the services


def test_the_commands_are_those_of_the_guide() -> None:
    assert {EXPORT, MAKE_BLOCKS} <= set(compose_commands("docs/home-stack.md"))


@pytest.mark.parametrize("name", READY)
def test_each_service_passes_its_health_check(name: str, stack: Stack) -> None:
    test = [stack.native.here(each) for each in stack.native.services[name]["healthcheck"]["test"]]
    assert test[0] == "CMD"
    if test[1] == "wget":
        assert http("GET", test[-1]).status_code == 200
        return
    program = sys.executable if test[1] == "python" else OURS.with_name(test[1])
    code, said = outcome(program, *test[2:], environment=stack.native.line(name).environment)
    assert code == 0, said


def test_check_finds_no_problem(stack: Stack) -> None:
    check = stack.native.begin("check", "--scraper.url", f"http://{stack.native.addresses['prometheus:9090']}")
    assert check.wait() == 0, check.stdout + check.stderr
    # What Prometheus stores is not compared, so one step is skipped.
    verdicts = re.findall(r"^  (ok|warning|failed|skipped) ", check.stdout, re.MULTILINE)
    assert (verdicts.count("skipped"), set(verdicts)) == (1, {"ok", "skipped"}), check.stdout


def test_a_later_start_loads_no_history(stack: Stack) -> None:
    def calls() -> Json:
        return stack.processes["demo-portal"].ask("GET", "/simulator/calls").json()

    def signed_in() -> int:
        return sum("user-data" in str(each) for each in calls())

    before = signed_in()
    code, said = stack.load_history()
    assert (code, len(said.splitlines()), signed_in()) == (0, 1, before)


def test_the_history_is_complete_and_without_copies(stack: Stack, history: Expected) -> None:
    check_history(stack, history)


def check_history(stack: Stack, wanted: Expected) -> None:
    stored = stack.victoria.export(HISTORY)
    assert differences(by_end(stored), wanted) == []
    counts = [{labels: len(each) for labels, each in samples.items()} for samples in (stored, wanted)]
    assert counts[0] == counts[1]
    assert differences(by_end(stack.prometheus.series_samples(HISTORY, stack.since, time.time())), wanted) == []


# -- alerts


@pytest.mark.parametrize("to_webhook", [True, False], ids=["webhook", "nobody"])
def test_an_alert_reaches_the_webhook_if_there_is_one(
    to_webhook: bool,  # noqa: FBT001
    services: Services,
    tmp_path: Path,
) -> None:
    received: list[Asked] = []

    def receive(asked: Asked) -> Answer:
        received.append(asked)
        return 200, {}, ""

    with serving(receive) as url:
        topic = {"template": "yes", "title": "{{.status}}: {{.commonAnnotations.summary}}"}
        hook = f"{url}/topic?{urlencode(topic)}"
        native = Native(tmp_path, **({"ALERT_WEBHOOK_URL": hook} if to_webhook else {}))
        for name, slow, fast in (
            ("smarthub", "for: 5m", "for: 1s"),
            ("alertmanager", "group_wait: 30s", "group_wait: 1s"),
        ):
            file = native.folder / f"{name}.yml"
            file.write_text(file.read_text(encoding="utf-8").replace(slow, fast), encoding="utf-8")
        database = start_service(native, services, "victoriametrics", VictoriaMetrics)
        alertmanager: Service = start_service(native, services, "alertmanager")
        start_service(native, services, "vmalert")
        mismatch = series(
            "smarthub_timezone_mismatch", login="novec", job="smarthub_exporter", instance="exporter:10058"
        )
        # Newer samples than 30 seconds are not queried.
        database.import_samples({mismatch: [(round((time.time() - 60) * 1000), 1.0)]})

        def known() -> Json:
            return alertmanager.ask("GET", "/api/v2/alerts").json()

        wait_until(
            lambda: any(each["labels"]["alertname"] == "SmartHubTimezoneMismatch" for each in known()), "the alert"
        )
        if not to_webhook:
            assert "ALERT_WEBHOOK_URL" in alertmanager.log
            return
        wait_until(lambda: bool(received), "a notification")
    (first, *_) = received
    told = json.loads(first.body)
    assert (first.method, first.path, first.params) == ("POST", "/topic", topic)
    assert (told["status"], told["groupLabels"]) == ("firing", {"alertname": "SmartHubTimezoneMismatch"})
    (rule,) = (RULES[each] for each in RULES if each == "SmartHubTimezoneMismatch")
    assert told["commonAnnotations"]["summary"] == rule["annotations"]["summary"]
    assert "login novec" in told["alerts"][0]["annotations"]["description"]


def test_prometheus_finds_the_alertmanager(stack: Stack) -> None:
    found = stack.prometheus.ask("GET", "/api/v1/alertmanagers").json()["data"]["activeAlertmanagers"]
    assert found == [{"url": f"{stack.processes['alertmanager'].url}/api/v2/alerts"}]


# -- deleting


def deletion() -> tuple[str, str, str]:
    """Return body, address and path of the request in docs/home-stack.md that deletes series."""
    (command,) = (each for each in compose_commands("docs/home-stack.md") if "delete_series" in each)
    *_, body, url = shlex.split(command)
    address, slash, path = url.removeprefix("http://").partition("/")
    return body, address, slash + path


@pytest.mark.parametrize("key", [None, "sesame"])
def test_series_are_deleted_with_the_key_if_there_is_one(key: str | None, services: Services, tmp_path: Path) -> None:
    override = {"override": "compose/publish-victoriametrics.yml", "VICTORIAMETRICS_DELETE_KEY": key} if key else {}
    native = Native(tmp_path, **override)
    body, address, path = deletion()
    assert native.here(address) == native.addresses["victoriametrics:8428"]
    database = start_service(native, services, "victoriametrics", VictoriaMetrics)
    ours = series("smarthub_interval_usage_kwh", portal="novec")
    others = series("smarthub_interval_usage_kwh", portal="wemc"), series("smarthub_up", portal="novec")
    database.import_samples({each: [(int(time.time()) * 1000, 1.0)] for each in (ours, *others)})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if key:
        for wrong in ("", "?authKey=", "?authKey=simsim"):
            # 1.79.5 answers 400, newer versions 401.
            assert not http("GET", f"{database.url}{path}{wrong}", params={"match[]": '{__name__!=""}'}).ok
            assert not http("POST", f"{database.url}{path}{wrong}", data=body, headers=headers).ok
        assert database.export().keys() == {ours, *others}
        path += f"?authKey={key}"
    assert http("POST", database.url + path, data=body, headers=headers).status_code == 204
    assert database.export().keys() == {*others}


# -- every query


def test_the_backfill_alone_fills_the_home_dashboard(stack: Stack, truth: Truth) -> None:
    assert stack.empty == OF_THE_LAST_MINUTES | NOBODY_HAS_ONE | _empty_months(stack, truth)


def _empty_months(stack: Stack, truth: Truth) -> set[tuple[str, str]]:
    """Return the queries without a full day on the first days of a month."""
    if truth.within("smarthub_day_usage_kwh", HOUSE, _month(stack.now) + 1, stack.now):
        return set()
    titles = ("This month so far", "Last month to the same day", "Same month last year")
    return {(title, letter) for title in titles for letter in "ABC"}


def shown_of(panel: Panel, stack: Stack) -> TimeRange:
    """Return the dashboard's own range.

    Points are 15 minutes apart, so a range needs at least that.
    """
    if panel.dashboard == "home":
        return last(7, datetime.fromtimestamp(stack.now, ZONE))
    graph = not any(target["instant"] for target in panel.targets.values())
    end = (int(stack.now) // 900 + 1) * 900 if graph else stack.now
    return TimeRange(end - 86400, end, ZoneInfo("UTC"))


@pytest.mark.parametrize("panel", all_panels(), ids=str)
def test_every_query_finds_data_in_both_databases(panel: Panel, stack: Stack, truth: Truth) -> None:
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
def test_the_variables_list_all_values(path: Path, stack: Stack, database: Database) -> None:
    names = ("House", "Solar house", "Barn")
    wanted = {
        "portal": {stack.portal: stack.portal},
        "location": dict(zip(("70001", "70002", "70003"), names, strict=True)),
        "meter": dict(zip((HOUSE, SOLAR, BARN), names, strict=True)),
        "timezone": {ZONE.key: ZONE.key},
        "login": {stack.portal: stack.portal},
    }
    shown = TimeRange(stack.now - 7 * 86400, stack.now, ZONE)
    options, _ = variables(database, load(path), shown, {})
    for name, found in options.items():
        assert {each.value: each.text for each in found} == wanted[name], name


def _month(moment: float) -> float:
    """Return the start of the local month of an instant."""
    local = datetime.fromtimestamp(moment, ZONE)
    return local.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0).timestamp()


@pytest.mark.parametrize("alert", RULES)
def test_no_alert_fires_without_a_problem(alert: str, stack: Stack, database: Database, truth: Truth) -> None:
    found = {dict(labels).get("meter", "") for labels in database.query(RULES[alert]["expr"], stack.now)}
    assert found == (unusual(truth, stack.now) if alert == "SmartHubUnusualUsage" else set())


def unusual(truth: Truth, now: float) -> set[str]:
    """Return the meters that by chance used twice the usual on the last full day."""
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
        groups = http("GET", f"http://{stack.native.addresses[host]}/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    wait_until(
        lambda: all(not str(rule["lastEvaluation"]).startswith("0001") for rule in rules()), "every rule's first turn"
    )
    assert {rule["name"]: rule.get("lastError", "") for rule in rules()} == dict.fromkeys(RULES, "")


# -- power failures, last because they change the stored data


def test_a_killed_service_loses_and_duplicates_nothing(stack: Stack) -> None:
    for name in ("exporter", "vmagent", "victoriametrics"):
        process = stack.processes[name]
        process.kill()
        killed = time.time()
        # New data arrives while a service is down.
        stack.post_until(stack.posted + 3600)
        time.sleep(5)
        process.start()
        back = time.time()
        wait_until(lambda: stack.has_newest(stack.victoria), f"the newest data after {name} was killed")
        if name == "victoriametrics":
            # vmagent has kept its scrapes, one per second, on disk.
            wait_until(lambda: _scrapes(stack, killed, back) >= back - killed - 2, "what vmagent kept")  # noqa: B023
    wait_until(lambda: stack.has_newest(stack.prometheus), "the newest data in Prometheus")
    check_history(stack, stack.expected())


def _scrapes(stack: Stack, start: float, end: float) -> int:
    """Return how many scrapes of the exporter are stored."""
    (samples,) = stack.victoria.export('up{job="smarthub_exporter"}').values()
    return sum(start * 1000 <= stamp <= end * 1000 for stamp, _ in samples)
