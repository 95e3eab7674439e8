"""The harness proven on a stand-in page, and what the databases do with timestamps, on which the exporter relies."""

import contextlib
import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from ..support.services import (
    EXPORTER_JOB,
    INTERVALS_JOB,
    ROOT,
    Labels,
    Process,
    Prometheus,
    Sample,
    ServiceError,
    Services,
    VictoriaMetrics,
    find_program,
    free_port,
    http,
    is_running,
    job,
    prometheus_config,
    scrape_config,
    series,
    wait_until,
)

QUARTER = 900_000
USAGE = series("smarthub_interval_usage_kwh", meter="m0")
EXPORT = series("smarthub_interval_export_kwh", meter="m0")


class Page:
    """A page of samples with timestamps of their own, as a scraper sees the exporter's."""

    def __init__(self) -> None:
        self.samples: dict[Labels, list[Sample]] = {}
        self.asked: list[dict[str, list[str]]] = []
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = page.text().encode()
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                page.asked.append(parse_qs(urlsplit(self.path).query))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_port}"

    def text(self) -> str:
        lines = []
        for key, samples in self.samples.items():
            labels = dict(key)
            name = labels.pop("__name__")
            shown = ",".join(f'{label}="{value}"' for label, value in labels.items())
            lines += [f"{name}{{{shown}}} {value} {timestamp}\n" for timestamp, value in samples]
        return "".join(lines)

    def wait_for_scrapes(self, count: int) -> None:
        enough = len(self.asked) + count
        wait_until(lambda: len(self.asked) >= enough, f"{count} scrapes of the page")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def page() -> Iterator[Page]:
    opened = Page()
    yield opened
    opened.close()


@pytest.fixture
def newest() -> int:
    """End of the newest interval, 26 hours ago and more, in milliseconds."""
    return (int(time.time() * 1000) - 26 * 3_600_000) // QUARTER * QUARTER


def quarters(end: int, count: int) -> list[Sample]:
    """Samples in the last second of each interval, the newest interval ending at `end`."""
    return [(end - back * QUARTER - 999, float(10 + back % 7)) for back in reversed(range(count))]


def sleeper(tmp_path: Path, program: str, *, ready_within: float = 5.0) -> Process:
    """A process made of a line of Python, with a port as its first argument."""
    port = free_port()
    return Process(
        sys.executable,
        ["-c", program, str(port)],
        folder=tmp_path,
        ready_url=f"http://127.0.0.1:{port}/",
        ready_within=ready_within,
        name="sleeper",
    )


SERVE = "import http.server as h, sys; h.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), h.SimpleHTTPRequestHandler).serve_forever()"  # noqa: E501


def wait_for_stored(database: VictoriaMetrics, expected: dict[Labels, list[Sample]]) -> None:
    wait_until(lambda: database.export('{meter!=""}') == expected, "VictoriaMetrics to have exactly the page's samples")


# The databases.


def test_victoria_metrics_stores_what_it_scrapes_at_the_samples_own_timestamps(
    services: Services, page: Page, newest: int
) -> None:
    page.samples = {USAGE: quarters(newest, 192), EXPORT: quarters(newest, 96)}
    database = services.victoria_metrics(scrape_config=scrape_config([job(INTERVALS_JOB, page.address)]))

    wait_for_stored(database, page.samples)
    assert page.asked[0]["collect[]"] == ["intervals"]


def test_vmagent_hands_over_samples_with_their_own_timestamps(services: Services, page: Page, newest: int) -> None:
    page.samples = {USAGE: quarters(newest, 192), EXPORT: quarters(newest, 96)}
    database = services.victoria_metrics()
    agent = services.vmagent(scrape_config([job(INTERVALS_JOB, page.address)]), database)

    agent.wait_until_sent()
    assert database.export('{meter!=""}') == page.samples


def test_vmagent_keeps_what_it_scraped_while_the_database_is_down(services: Services, page: Page, newest: int) -> None:
    database = services.victoria_metrics()
    database.terminate()
    page.samples = {USAGE: quarters(newest, 96)}
    agent = services.vmagent(scrape_config([job(INTERVALS_JOB, page.address)]), database)
    page.wait_for_scrapes(2)
    page.samples = {}

    database.start()
    agent.wait_until_sent()
    assert database.export('{meter!=""}') == {USAGE: quarters(newest, 96)}


def test_scraping_again_adds_copies_that_deduplication_hides(services: Services, page: Page, newest: int) -> None:
    page.samples = {USAGE: quarters(newest, 8)}
    database = services.victoria_metrics(scrape_config=scrape_config([job(INTERVALS_JOB, page.address)]))
    page.wait_for_scrapes(3)

    wait_for_stored(database, page.samples)
    wait_until(lambda: len(database.export("smarthub_interval_usage_kwh", raw=True)[USAGE]) >= 16, "two raw copies")
    at = (newest + QUARTER) / 1000
    counted = database.query('count_over_time(smarthub_interval_usage_kwh{meter="m0"}[1d])', at)
    assert list(counted.values()) == [8.0]


def test_no_stale_markers_come_when_the_page_shrinks_or_its_target_goes_down(
    services: Services, page: Page, newest: int
) -> None:
    page.samples = expected = {USAGE: quarters(newest, 96)}
    database = services.victoria_metrics(scrape_config=scrape_config([job(INTERVALS_JOB, page.address)]))
    wait_for_stored(database, expected)

    page.samples = {USAGE: quarters(newest, 48)}
    page.wait_for_scrapes(2)
    page.samples = {}
    page.wait_for_scrapes(1)
    page.close()

    def sees_it_down() -> bool:
        return '"health":"down"' in database.ask("GET", "/api/v1/targets").text

    wait_until(sees_it_down, "VictoriaMetrics to see that the target is down")
    database.restart()
    assert not any(math.isnan(value) for _, value in database.export('{meter!=""}', raw=True)[USAGE])
    assert database.export('{meter!=""}') == expected


def test_a_version_at_a_later_millisecond_wins_and_imports_join_the_scraped_series(
    services: Services, page: Page, newest: int
) -> None:
    first = quarters(newest, 8)
    page.samples = {USAGE: first}
    database = services.victoria_metrics(scrape_config=scrape_config([job(INTERVALS_JOB, page.address)]))
    wait_for_stored(database, page.samples)

    lower = [(timestamp + 5, value / 2) for timestamp, value in first]
    database.import_samples({USAGE: lower})
    page.wait_for_scrapes(2)
    assert database.export('{meter!=""}') == {USAGE: lower}
    database.force_merge()
    assert database.export('{meter!=""}') == {USAGE: lower}


def test_victoria_metrics_answers_queries_on_late_samples(services: Services, newest: int) -> None:
    database = services.victoria_metrics()
    samples = quarters(newest, 96)
    database.import_samples({USAGE: samples})
    database.force_flush()

    day = "sum_over_time(last_over_time(smarthub_interval_usage_kwh[15m])[86399s:15m])"
    assert database.query(day, newest / 1000) == {(("meter", "m0"),): sum(value for _, value in samples)}
    assert database.query("1 + 1", newest / 1000) == {(): 2.0}
    shown = database.query_range(
        "last_over_time(smarthub_interval_usage_kwh[15m])", (newest - 3 * QUARTER) / 1000, newest / 1000, "15m"
    )
    grid = [(timestamp + 999, value) for timestamp, value in samples[-4:]]
    assert list(shown.values()) == [grid]


def test_samples_survive_a_restart_of_victoria_metrics(services: Services, newest: int) -> None:
    database = services.victoria_metrics()
    database.import_samples({USAGE: quarters(newest, 96)})

    first = database.pid
    database.restart()
    assert database.pid != first
    assert database.export() == {USAGE: quarters(newest, 96)}


@pytest.fixture(scope="module", autouse=True)
def by_window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str | None, tuple[Prometheus, Page]]]:
    """A Prometheus and its page for each window, started before the first test: each takes 5 s until its first scrape.

    The page is empty then, because a database that has nothing yet takes samples of any age.
    """
    windows = (None, "2d", "14d")
    with Services(tmp_path_factory.mktemp("prometheus")) as services:
        pages = {window: services.enter_context(contextlib.closing(Page())) for window in windows}
        started = {}
        for window, page in pages.items():
            jobs = [job(INTERVALS_JOB, page.address), job(EXPORTER_JOB, page.address)]
            started[window] = services.prometheus(prometheus_config(jobs, out_of_order_time_window=window)), page
        yield started


def scraped_once(pair: tuple[Prometheus, Page]) -> tuple[Prometheus, Page]:
    prometheus, _ = pair
    wait_until(lambda: len(prometheus.query("up == 1", time.time())) == 2, "both jobs to be up")
    return pair


def stored(prometheus: Prometheus) -> dict[Labels, list[Sample]]:
    now = time.time()
    return prometheus.series_samples('{meter!="",job=""}', now - 20 * 86_400, now)


def test_prometheus_with_a_window_stores_late_samples_at_their_own_timestamps(
    by_window: dict[str | None, tuple[Prometheus, Page]], newest: int
) -> None:
    prometheus, page = scraped_once(by_window["14d"])
    page.samples = {USAGE: quarters(newest, 192), EXPORT: quarters(newest, 96)}

    wait_until(lambda: len(stored(prometheus)) == 2, "Prometheus to store the page")
    assert stored(prometheus) == page.samples
    page.wait_for_scrapes(3)
    assert stored(prometheus) == page.samples
    first, last = page.samples[EXPORT][3], page.samples[EXPORT][-3]
    exactly = prometheus.series_samples('smarthub_interval_export_kwh{job=""}', first[0] / 1000, last[0] / 1000)
    assert exactly == {EXPORT: page.samples[EXPORT][3:-2]}
    assert {query["collect[]"][0] for query in page.asked} == {"intervals", "exporter"}


def test_prometheus_without_a_window_drops_late_samples_and_calls_the_scrape_good(
    by_window: dict[str | None, tuple[Prometheus, Page]], newest: int
) -> None:
    prometheus, page = scraped_once(by_window[None])
    page.samples = {USAGE: quarters(newest, 192)}

    def has_dropped_some() -> bool:
        return prometheus.metrics()["prometheus_target_scrapes_sample_out_of_bounds_total"] > 0

    wait_until(has_dropped_some, "Prometheus to drop late samples")
    assert stored(prometheus) == {}
    assert [target["health"] for target in prometheus.active_targets()] == ["up", "up"]


def test_prometheus_loses_the_whole_scrape_to_one_sample_older_than_its_window(
    by_window: dict[str | None, tuple[Prometheus, Page]], newest: int
) -> None:
    prometheus, page = scraped_once(by_window["2d"])
    page.samples = {USAGE: [(newest - 2 * 86_400_000, 1.0), *quarters(newest, 8)]}

    def complains() -> bool:
        return {target["lastError"] for target in prometheus.active_targets()} == {"too old sample"}

    wait_until(complains, "Prometheus to refuse the page")
    assert stored(prometheus) == {}


# The harness.


def test_a_program_that_ends_at_its_start_is_reported_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"(?s)sleeper: it ended with 3; the end of its log:\n  no room on disk"):
        sleeper(tmp_path, "import sys; print('no room on disk', flush=True); sys.exit(3)")


def test_a_program_that_is_never_ready_is_ended_and_reported_with_its_log(tmp_path: Path) -> None:
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with pytest.raises(ServiceError, match=r"(?s)waited 0.5 s in vain for http\S+ to answer 200; .*log:\n  \d+$"):
        sleeper(tmp_path, program, ready_within=0.5)
    assert not is_running(int((tmp_path / "sleeper.log").read_text()))


def test_another_programs_answer_on_the_port_is_not_taken_for_readiness(tmp_path: Path, page: Page) -> None:
    with pytest.raises(ServiceError, match=f"another program listens on {page.address}"):
        Process(sys.executable, ["-c", "pass"], folder=tmp_path, ready_url=f"http://{page.address}/")


def test_a_killed_database_is_reported_with_its_log(services: Services) -> None:
    database = services.victoria_metrics()
    os.kill(database.pid, signal.SIGKILL)

    with pytest.raises(ServiceError, match=r"(?s)victoria-metrics: it ended with -9; the end of its log:\n.*info"):
        database.force_flush()


def test_a_refused_request_is_reported_with_its_answer(services: Services) -> None:
    with pytest.raises(ServiceError, match=r"POST /api/v1/query: 4\d\d .*parse"):
        services.victoria_metrics().query("sum(", time.time())


def test_a_program_that_does_not_listen_to_sigterm_is_killed(tmp_path: Path) -> None:
    process = sleeper(tmp_path, f"import signal; signal.signal(15, signal.SIG_IGN); {SERVE}")
    process.terminate(within=0.2)
    assert process.returncode == -signal.SIGKILL


def test_killed_and_restarted_it_has_the_same_address(tmp_path: Path) -> None:
    with sleeper(tmp_path, SERVE) as process:
        first = process.pid
        process.kill()
        assert not is_running(first)
        process.restart()
        assert process.running
        assert process.pid != first
        with pytest.raises(ServiceError, match="runs already"):
            process.start()


def test_nothing_is_left_running_when_a_test_fails(tmp_path: Path) -> None:
    def failing_test() -> None:
        with Services(tmp_path) as services:
            database = services.victoria_metrics()
            agent = services.vmagent(scrape_config([]), database)
            prometheus = services.prometheus(prometheus_config([]))
            pids.extend([database.pid, agent.pid, prometheus.pid])
            assert all(is_running(pid) for pid in pids)
            raise AssertionError("the test's own failure")

    pids: list[int] = []
    with pytest.raises(AssertionError, match="own failure"):
        failing_test()
    assert len(pids) == 3
    assert not any(is_running(pid) for pid in pids)


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "sys.exit()"])
def test_nothing_is_left_running_when_the_tests_end_without_tidying_up(tmp_path: Path, end: str) -> None:
    program = f"""
        import os, sys
        from pathlib import Path
        from tests.e2e.services import VictoriaMetrics
        database = VictoriaMetrics(Path({str(tmp_path)!r}))
        print(database.pid, flush=True)
        {end}
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.stdout.strip().isdecimal(), ended.stderr
    wait_until(lambda: not is_running(int(ended.stdout)), "the database to end with the process that started it")


def test_a_missing_program_is_a_failure_that_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match=r"no-such-database is not on this machine: `make test` fetches it"):
        find_program("no-such-database")


def test_an_unpacked_program_is_found_where_path_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / ".cache" / "debian" / "victoria-metrics" / "usr" / "bin" / "vmagent"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tests.e2e.services.ROOT", tmp_path)
    assert find_program("vmagent") == program


def test_every_port_is_given_once() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == 200


def test_requests_to_loopback_pass_by_a_proxy_of_the_environment(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert http("GET", f"http://{page.address}/").ok


def test_tests_of_this_folder_are_marked(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("e2e")
