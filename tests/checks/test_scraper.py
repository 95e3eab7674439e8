"""The findings about a scraper: each line that loses data is named, with the fix."""

import json

import pytest

from exporter.checks.page_sizes import PageSize, PageSizes
from exporter.checks.scraper import scraper_findings
from exporter.checks.stored_series import HONOR, LABELDROP
from exporter.config import Config, ExporterConfig

from ..support.check_reports import lines
from ..support.fake_database import Database
from ..support.portal import login_of

PLACE = "exporter:10058/metrics"
GUIDE = "see docs/scraping.md"
STEP = "scraper: "
OF_JOB = f"{STEP}job smarthub_intervals: "
UP = [f"ok {OF_JOB}{PLACE} is up", f"ok {STEP}job smarthub_exporter: {PLACE} is up"]
WINDOW = f"ok {STEP}out_of_order_time_window is 2w, at least twice the exporter's window (7d)"
KEPT = f"ok {STEP}storage.tsdb.retention.time is 10y"
NOT_COMPARED = "skipped stored data: the data stored in Prometheus is not compared with the portal's"
GOOD_FLAGS = {"storage.tsdb.retention.time": "10y", "promscrape.noStaleMarkers": "true"}
DROP = {"action": "labeldrop", "regex": "instance|job"}
CONFIG = Config(
    tuple(login_of("http://127.0.0.1:9", name=name) for name in ("home", "farm")),
    ExporterConfig(listen_address="[::1]:10058"),
)
PAGES = PageSizes({"home": PageSize(5e6, 40_000), "farm": PageSize(7e6, 60_000)})

Jobs = dict[str, dict[str, object]]


def jobs(**changes: object) -> Jobs:
    """Return the shipped jobs, with changes to that of the intervals; None removes a line."""
    intervals = {
        "params": {"collect[]": ["intervals"]},
        "honor_timestamps": "true",
        "metric_relabel_configs": [DROP],
        **changes,
    }
    return {
        "smarthub_intervals": {key: value for key, value in intervals.items() if value is not None},
        "smarthub_exporter": {"params": {"collect[]": ["exporter"]}},
    }


class Scraper:
    """A scraper with the given jobs, each with one target."""

    def __init__(self, server: Database) -> None:
        self.server = server
        self.target: dict[str, object] = {}
        self.flags: dict[str, str] | None = GOOD_FLAGS
        self.top: dict[str, object] = {}
        self.pages = PAGES

    def says(self, given: Jobs | None = None, *, prometheus: bool = False, bare: tuple[str, ...] = ()) -> list[str]:
        """Return the findings below the heading. bare: jobs without a target."""
        known = jobs() if given is None else given
        config = {**self.top, "scrape_configs": [{"job_name": name, **job} for name, job in known.items()]}
        if prometheus:
            config.setdefault("storage", {"tsdb": {"out_of_order_time_window": "2w"}})
        self._answer("/api/v1/status/config", {"yaml": json.dumps(config)})
        targets = [self._target(name, job) for name, job in known.items() if name not in bare]
        self._answer("/api/v1/targets", {"activeTargets": targets})
        if prometheus:
            self._answer("/api/v1/status/flags", self.flags)
        elif self.flags is not None:
            self.server.answer("/flags", "".join(f'-{name}="{value}"\n' for name, value in self.flags.items()))
        heading, *found = lines(scraper_findings(self.server.url, CONFIG, self.pages))
        assert heading == f"# Scraper {self.server.url}"
        return found

    def problems(self, given: Jobs | None = None, *, prometheus: bool = False) -> list[str]:
        said = self.says(given, prometheus=prometheus)
        return [line for line in said if not line.startswith("ok ") and line != NOT_COMPARED]

    def _answer(self, path: str, data: object) -> None:
        self.server.answer(path, json.dumps({"data": data}))

    def _target(self, name: str, job: dict[str, object]) -> dict[str, object]:
        params = job.get("params") or {}
        assert isinstance(params, dict)
        query = "&".join(f"{key}={value}" for key, values in params.items() for value in values)
        return {
            "discoveredLabels": {"job": name, "__scrape_timeout__": "10s"},
            "scrapeUrl": f"http://exporter:10058{job.get('metrics_path', '/metrics')}?{query}",
            "lastError": "",
            "lastScrape": "2026-11-28T10:48:06.271Z",
            "lastScrapeDuration": 0.25,
            "health": "up",
            **self.target,
        }


@pytest.fixture
def scraper(database: Database) -> Scraper:
    return Scraper(database)


def test_the_shipped_jobs_are_fine(scraper: Scraper) -> None:
    assert scraper.says() == UP
    assert scraper.says(prometheus=True) == [KEPT, WINDOW, *UP, NOT_COMPARED]
    assert scraper.says(jobs(honor_timestamps=None), prometheus=True) == [KEPT, WINDOW, *UP, NOT_COMPARED]


# -- lines of the interval job

STALE = (
    f"warning {OF_JOB}no_stale_markers is missing; when the exporter is down, stale markers hide its last values"
    " -> set no_stale_markers: true in the job (1.83 and newer), or start the scraper with -promscrape.noStaleMarkers"
)
SPLIT = "shorten window, or split the job by login="


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"honor_timestamps": "false"},
            f"honor_timestamps is false; intervals get the time of the scrape -> {HONOR}",
        ),
        (
            {"honor_timestamps": None},
            (
                "honor_timestamps is missing; if this is VictoriaMetrics or vmagent 1.93 or newer, intervals get the"
                f" time of the scrape -> {HONOR}"
            ),
        ),
        (
            {"metric_relabel_configs": None},
            f"the labels job and instance are kept; backfilled history does not have them -> {LABELDROP}",
        ),
        (
            {"metric_relabel_configs": [{"action": "labeldrop", "regex": "inst|job"}, {"source_labels": ["a"]}]},
            f"the labels instance are kept; backfilled history does not have them -> {LABELDROP}",
        ),
        (
            {"max_scrape_size": "12MiB"},
            f"max_scrape_size is 12 MiB, and the page is 11.4 MiB -> raise max_scrape_size, {SPLIT}; {GUIDE}",
        ),
        (
            {"sample_limit": "100000"},
            f"sample_limit is 100,000, and the page has 100,000 samples -> raise sample_limit, {SPLIT}",
        ),
    ],
)
def test_a_wrong_line_is_named(scraper: Scraper, changes: dict[str, object], told: str) -> None:
    scraper.flags = {**GOOD_FLAGS, "promscrape.maxScrapeSize": "64MB"}
    assert scraper.problems(jobs(**changes)) == [f"warning {OF_JOB}{told}"]


@pytest.mark.parametrize(
    "rules",
    [
        [{"action": "labeldrop", "regex": ["instance", "job"]}],
        [{"action": "labeldrop", "regex": "job"}, {"action": "labeldrop", "regex": "inst.*"}],
        [{"action": "labelkeep", "regex": "__name__|portal|account|location|meter|period"}],
        [{"action": "labeldrop", "regex": "(?-u:job)(", "if": "{}"}],
    ],
)
def test_there_are_several_ways_to_drop_labels(scraper: Scraper, rules: list[object]) -> None:
    assert scraper.says(jobs(metric_relabel_configs=rules)) == UP


def test_stale_markers_are_avoided_by_job_or_flag(scraper: Scraper) -> None:
    scraper.flags = {"promscrape.config": "x.yml"}
    assert scraper.problems() == [STALE]
    assert scraper.problems(jobs(no_stale_markers="true")) == []
    scraper.flags = GOOD_FLAGS
    assert scraper.problems(jobs(no_stale_markers="false")) == [STALE]
    scraper.flags = None
    scraper.server.answer("/flags", "<html>")
    unknown = f"skipped {STEP}cannot read its flags, so it is unknown whether -promscrape.noStaleMarkers is set"
    assert scraper.problems() == [unknown]


def test_the_limit_of_a_page_may_be_a_flag_or_its_default(scraper: Scraper) -> None:
    scraper.flags = {**GOOD_FLAGS, "promscrape.maxScrapeSize": "1MiB"}
    (told,) = scraper.problems()
    assert "-promscrape.maxScrapeSize is 1 MiB, and the page is 11.4 MiB" in told
    scraper.flags = GOOD_FLAGS
    scraper.pages = PageSizes({"home": PageSize(5e6, 40_000), "farm": PageSize(9e6, 60_000)})
    (told,) = scraper.problems()
    assert "-promscrape.maxScrapeSize is 16 MiB" in told
    only_home = {"collect[]": ["intervals"], "login": ["home"]}
    assert "maxScrapeSize" not in "".join(scraper.problems(jobs(params=only_home)))


@pytest.mark.parametrize("where", ["job", "global"])
def test_prometheus_may_limit_the_page(scraper: Scraper, where: str) -> None:
    limit = {"body_size_limit": "1MiB512KiB"}
    if where == "global":
        scraper.top = {"global": limit}
    (told,) = scraper.problems(jobs(**limit) if where == "job" else None, prometheus=True)
    assert "body_size_limit is 1.5 MiB, and the page is 11.4 MiB" in told


def test_the_settings_of_prometheus_are_judged(scraper: Scraper) -> None:
    scraper.top = {"storage": {"tsdb": {"out_of_order_time_window": "13d"}}}
    scraper.flags = {"storage.tsdb.retention.time": "15d"}
    kept, window = scraper.problems(prometheus=True)
    assert kept.startswith(f"warning {STEP}storage.tsdb.retention.time is 15d")
    assert window.startswith(f"warning {STEP}out_of_order_time_window is 13d")
    scraper.top["remote_write"] = [{"url": "http://127.0.0.1:9"}]
    assert scraper.problems(prometheus=True) == [window]


def test_staleness_of_timestamps_is_named(scraper: Scraper) -> None:
    assert scraper.problems(jobs(track_timestamps_staleness="true"), prometheus=True) == [
        (
            f"warning {OF_JOB}track_timestamps_staleness is true -> remove track_timestamps_staleness from the job: its"
            " stale markers keep older samples out"
        )
    ]


# -- jobs

BOTH = "smarthub_intervals and smarthub_exporter"


def test_a_missing_job_is_named(scraper: Scraper) -> None:
    intervals, exporter = ({name: job} for name, job in jobs().items())
    assert scraper.says({"node": {}}, bare=("node",)) == [
        (
            f"failed {STEP}no job fetches the exporter -> add the jobs {BOTH}, or give the address of the vmagent that"
            f" scrapes (port 8429); {GUIDE}"
        )
    ]
    assert scraper.problems(exporter) == [
        (
            f"failed {STEP}no job fetches the intervals (collect[]=intervals), so none are stored -> add the"
            f" job smarthub_intervals; {GUIDE}"
        )
    ]
    assert scraper.problems(intervals) == [
        (
            f"warning {STEP}no job fetches the exporter's own metrics (collect[]=exporter), so most alerts cannot"
            f" fire -> add the job smarthub_exporter; {GUIDE}"
        )
    ]


def test_jobs_are_found_by_parameter_name_or_port(scraper: Scraper) -> None:
    one = (
        f"warning {STEP}job {{}} fetches the intervals together with the exporter's own metrics -> split it into two"
        f" jobs, {BOTH}, with collect[] in params; {GUIDE}"
    )
    for name in ("smarthub", "energy"):
        job = {**jobs()["smarthub_intervals"], "params": None}
        assert scraper.problems({name: job, "node": {}})[0] == one.format(name)
        scraper.target = {"scrapeUrl": "http://exporter:10058/metrics"}


def test_names_that_alerts_look_for_are_asked_for(scraper: Scraper) -> None:
    first, second = jobs().values()
    assert scraper.problems({"power": first, "smarthub_exporter": second}) == [
        (
            f"warning {STEP}no job is named smarthub_intervals; the alerts and the SmartHub exporter dashboard look"
            " for that name -> rename power to smarthub_intervals"
        )
    ]


def test_jobs_may_be_split_by_login(scraper: Scraper) -> None:
    def split(*logins: str) -> Jobs:
        parts = {
            f"smarthub_intervals{number or ''}": jobs(params={"collect[]": ["intervals"], "login": [name]})
            for number, name in enumerate(logins)
        }
        return {name: part["smarthub_intervals"] for name, part in parts.items()} | {
            "smarthub_exporter": jobs()["smarthub_exporter"]
        }

    assert scraper.problems(split("home", "farm")) == []
    assert scraper.problems(split("home")) == [
        f"warning {STEP}no job fetches the intervals of farm -> add these to login in params of a job"
    ]
    assert scraper.problems(split("home", "farm", "gone")) == [
        f"warning {STEP}no login is named gone; the exporter answers 400 -> fix login in params of the job"
    ]


# -- targets


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (
            {"health": "down", "lastError": "connection refused"},
            (
                f"failed {{}}{PLACE} is down: connection refused -> if it cannot connect, check that serve is running"
                " and that the scraper's machine can reach it"
            ),
        ),
        (
            {"health": "unknown", "lastScrape": "0001-01-01T00:00:00Z"},
            f"skipped {{}}{PLACE} was not scraped yet -> run this check again after scrape_interval",
        ),
        (
            {"lastScrapeDuration": 8.5},
            (
                f"warning {{}}the last scrape of {PLACE} took 8.5 s; scrape_timeout is 10 s -> raise scrape_timeout of"
                " the job"
            ),
        ),
    ],
)
def test_each_target_is_judged(scraper: Scraper, target: dict[str, object], told: str) -> None:
    scraper.target = target
    assert scraper.problems() == [told.format(f"{STEP}job {name}: ") for name in jobs()]


def test_a_job_without_targets_is_named(scraper: Scraper) -> None:
    assert scraper.says(bare=("smarthub_intervals",))[0] == (
        f'failed {OF_JOB}it has no target -> add static_configs: [{{targets: ["HOST:10058"]}}]'
    )


@pytest.mark.parametrize("found", [{"health": "down"}, {"lastSamplesScraped": 0}])
def test_a_page_that_is_not_the_exporters_is_named(scraper: Scraper, found: dict[str, object]) -> None:
    scraper.target = found
    assert scraper.says(jobs(metrics_path="/metric"))[0] == (
        f"failed {OF_JOB}exporter:10058/metric is not the exporter's page -> set metrics_path: /metrics, or the"
        " value of --web.telemetry-path"
    )


def test_another_path_that_is_up_is_fine(scraper: Scraper) -> None:
    assert scraper.problems(jobs(metrics_path="/energy")) == []


def test_a_scraper_that_does_not_answer_fails(database: Database) -> None:
    heading, told = lines(scraper_findings(f"{database.url}/prefix", CONFIG, PAGES))
    assert heading == f"# Scraper {database.url}"
    assert told.startswith(
        f"failed {STEP}scraper {database.url}: has no /api/v1/status/config (status 404); check that"
    )
