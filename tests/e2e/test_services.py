"""The support of these tests, and what the exporter relies on in databases."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent

import pytest

from ..support.http_server import Answer, Asked, serving
from ..support.services import (
    EXPORTER_JOB,
    INTERVALS_JOB,
    ROOT,
    Labels,
    Sample,
    Service,
    ServiceError,
    Services,
    VictoriaMetrics,
    find_program,
    free_address,
    is_running,
    job,
    prometheus_config,
    scrape_config,
    series,
    wait_until,
)

QUARTER = 900_000
USAGE = series("smarthub_interval_usage_kwh", meter="m0")
ALL = '{meter!=""}'


class Page(ExitStack):
    """A page of samples with timestamps, like that of the exporter."""

    def __init__(self) -> None:
        super().__init__()
        self.samples: list[Sample] = []
        self.scrapes = 0
        self.address = self.enter_context(serving(self._answer)).removeprefix("http://")

    def _answer(self, _: Asked) -> Answer:
        self.scrapes += 1
        lines = [f'smarthub_interval_usage_kwh{{meter="m0"}} {value} {stamp}\n' for stamp, value in self.samples]
        # An open connection would still be answered after the end of the server.
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8", "Connection": "close"}
        return 200, headers, "".join(lines)

    def wait_for_scrapes(self, count: int) -> None:
        enough = self.scrapes + count
        wait_until(lambda: self.scrapes >= enough, f"{count} scrapes of the page")

    @property
    def stored(self) -> dict[Labels, list[Sample]]:
        """The samples of a database that has scraped the page."""
        return {USAGE: self.samples}


@pytest.fixture
def page() -> Iterator[Page]:
    with Page() as opened:
        yield opened


def quarters(count: int) -> list[Sample]:
    """Return samples in the last second of intervals, all at least 26 hours old."""
    end = (int(time.time() * 1000) - 26 * 3_600_000) // QUARTER * QUARTER
    return [(end - back * QUARTER - 999, float(10 + back % 7)) for back in reversed(range(count))]


def scraping(services: Services, page: Page) -> VictoriaMetrics:
    """Return a VictoriaMetrics that has stored the samples of the page."""
    database = services.victoria_metrics(scrape=scrape_config(job(INTERVALS_JOB, page.address)))
    wait_until(lambda: database.export(ALL) == page.stored, "exactly the page's samples")
    return database


# -- the databases


def test_a_shrinking_page_leaves_no_stale_markers(services: Services, page: Page) -> None:
    scrape, scraped = scrape_config(job(INTERVALS_JOB, page.address)), quarters(96)
    # Without deduplication every copy is visible, and any marker would be too.
    database = services.victoria_metrics(scrape=scrape, without=["-dedup.minScrapeInterval"])
    for left in (96, 48, 0):
        page.samples = scraped[:left]
        page.wait_for_scrapes(2)
    page.close()
    wait_until(lambda: '"health":"down"' in database.ask("GET", "/api/v1/targets").text, "the target to be down")

    everything = database.export(ALL)
    assert sorted(set(everything[USAGE])) == scraped
    assert len(everything[USAGE]) > len(scraped)


def test_the_later_millisecond_wins_even_after_a_merge(services: Services, page: Page) -> None:
    page.samples = quarters(8)
    database = scraping(services, page)
    lower = [(timestamp + 5, value / 2) for timestamp, value in page.samples]
    database.import_samples({USAGE: lower})
    page.wait_for_scrapes(2)
    assert database.export(ALL) == {USAGE: lower}
    database.force_merge()
    assert database.export(ALL) == {USAGE: lower}


def test_prometheus_drops_samples_older_than_its_window(services: Services) -> None:
    # The pages are empty at first, since an empty database accepts samples of any age.
    pages = [services.enter_context(Page()) for _ in range(2)]
    without, two_days = (
        services.prometheus(
            prometheus_config(job(INTERVALS_JOB, page.address), job(EXPORTER_JOB, page.address), window=window)
        )
        for page, window in zip(pages, (None, "2d"), strict=True)
    )
    for database in (without, two_days):
        wait_until(lambda database=database: len(database.query("up == 1", time.time())) == 2, "both jobs to be up")  # type: ignore[misc]
    pages[0].samples = quarters(192)
    recent = quarters(8)
    pages[1].samples = [(recent[-1][0] - 2 * 86_400_000, 1.0), *recent]

    out_of_bounds = "prometheus_target_scrapes_sample_out_of_bounds_total"
    wait_until(lambda: without.metrics()[out_of_bounds] > 0, "late samples to be dropped")
    assert {target["health"] for target in without.active_targets()} == {"up"}

    def errors() -> set[str]:
        return {target["lastError"] for target in two_days.active_targets()}

    wait_until(lambda: errors() == {"too old sample"}, "the whole page to be refused")
    now = time.time()
    for database in (without, two_days):
        assert database.series_samples(ALL, now - 20 * 86_400, now) == {}


# -- the support of the tests


def sleeper(folder: Path, program: str, *, ready_within: float = 5.0) -> Service:
    """Return a service that runs a line of Python."""
    return Service(
        sys.executable,
        ["-c", program],
        folder=folder,
        address=free_address(),
        ready="/",
        ready_within=ready_within,
        name="sleeper",
    )


def test_a_program_that_exits_at_its_start_shows_its_log(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"(?s)exited with 3; .*log:\n  no room on disk"):
        sleeper(tmp_path, "import sys; print('no room on disk', flush=True); sys.exit(3)")


def test_a_program_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with pytest.raises(ServiceError, match=r"(?s)timed out .*log:\n  \d+$"):
        sleeper(tmp_path, program, ready_within=0.5)
    assert not is_running(int((tmp_path / "sleeper.log").read_text()))


def test_another_program_on_the_port_is_an_error(tmp_path: Path, page: Page) -> None:
    with pytest.raises(ServiceError, match="another program"):
        Service(sys.executable, ["-c", "pass"], folder=tmp_path, address=page.address, ready="/")


def test_a_killed_database_and_a_bad_request_are_errors(services: Services) -> None:
    database = services.victoria_metrics()
    with pytest.raises(ServiceError, match=r"4\d\d .*parse"):
        database.query("sum(", time.time())
    os.kill(database.pid, 9)
    with pytest.raises(ServiceError, match=r"(?s)exited with -9; .*log:\n.*info"):
        database.force_flush()


def test_a_program_that_ignores_sigterm_is_killed(services: Services) -> None:
    serve = "h.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), h.SimpleHTTPRequestHandler).serve_forever()"
    program = f"import http.server as h, signal, sys; signal.signal(15, signal.SIG_IGN); {serve}"
    address = free_address()
    arguments = ["-c", program, address.rpartition(":")[2]]
    service = services.start(Service, sys.executable, arguments, address=address, ready="/")
    service.terminate(within=0.2)
    assert service.returncode == -9


def test_nothing_is_left_running_when_a_test_fails(tmp_path: Path) -> None:
    pids: list[int] = []

    def failing_test() -> None:
        with Services(tmp_path) as services:
            database = services.victoria_metrics()
            pids.extend([database.pid, services.vmagent(scrape_config(), database).pid])
            assert all(is_running(pid) for pid in pids)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing_test()
    assert [is_running(pid) for pid in pids] == [False, False]


def test_nothing_is_left_running_when_the_tests_are_killed(tmp_path: Path) -> None:
    program = f"""
        import os
        from pathlib import Path
        from tests.support.services import Services
        print(Services(Path({str(tmp_path)!r})).victoria_metrics().pid, flush=True)
        os.kill(os.getpid(), 9)
    """
    command = [sys.executable, "-c", dedent(program)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    wait_until(lambda: not is_running(int(ended.stdout)), "the database to end with the process that started it")


def test_a_missing_program_is_an_error_with_advice() -> None:
    with pytest.raises(ServiceError, match="make test"):
        find_program("no-such-database")
