"""What is served beside /metrics: the status page, health and readiness, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import requests

from exporter import __version__
from exporter.intervals.model import Interval, Location, LocationKey, Meter, MeterInfo, Snapshot
from exporter.refresh.status import Failure, FailureKind, LocationStatus, LoginStatus
from exporter.routes import Pages
from exporter.web.server import Server
from exporter.web.types import Request, Response

from .support.clocks import ManualClock
from .support.html import all_of, one, parsed, sections, words

T = 1_795_001_400  # 2026-11-18 11:30 UTC
KEY = LocationKey("novec", "55001", "70001")
METERED = Location(KEY, "Farm house", "America/New_York", (Meter(MeterInfo("81001"), (Interval(T - 900, T, 0.2, 1),)),))
UNDER_WAY = "the first refresh is under way"


@dataclass
class Site:
    """The pages, with everything that they show."""

    snapshot: Snapshot = field(default_factory=Snapshot)
    needed: dict[LocationKey, int] = field(default_factory=dict)
    statuses: dict[str, LoginStatus] = field(default_factory=lambda: {"farm": LoginStatus()})
    is_alive: bool = True
    telemetry_path: str = "/metrics"

    def __post_init__(self) -> None:
        self.pages = Pages(
            metrics=lambda request: Response(200, b"the metrics\n"),
            telemetry_path=self.telemetry_path,
            snapshot=lambda: self.snapshot,
            statuses=lambda: self.statuses,
            backfill_needed=lambda: self.needed,
            is_alive=lambda: self.is_alive,
            clock=ManualClock(T + 3 * 3600),
        )

    def get(self, path: str) -> Response:
        return self.pages(Request("GET", path, {}, {}))

    def answer(self, path: str) -> tuple[int, str]:
        answer = self.get(path)
        return answer.status, answer.body.decode()


def login(*, up: bool, message: str = "", **locations: bool) -> LoginStatus:
    keys = {LocationKey("novec", "55001", number.strip("_")): is_up for number, is_up in locations.items()}
    failures = (Failure(FailureKind.FAILED, message, message=message),) if message else ()
    outcomes = {
        key: LocationStatus(is_up, None if is_up else next(iter(failures), None)) for key, is_up in keys.items()
    }
    return LoginStatus(up=up, failures=failures, last_refresh=T, locations=outcomes)


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def server(site: Site) -> Iterator[Server]:
    with Server("127.0.0.1:0", site.pages) as server:
        yield server


# -- health


def test_the_exporter_is_healthy_while_its_refresh_threads_live(site: Site) -> None:
    assert site.answer("/-/healthy") == (200, "healthy\n")


def test_the_exporter_is_not_healthy_when_a_refresh_thread_has_ended(site: Site) -> None:
    site.is_alive = False
    status, text = site.answer("/-/healthy")
    assert status == 503
    assert "refresh thread" in text


def test_a_failing_portal_is_no_matter_of_health(site: Site) -> None:
    site.statuses = {"farm": login(up=False, message="the portal refused user name or password")}
    assert site.answer("/-/healthy") == (200, "healthy\n")


# -- readiness


def test_the_exporter_is_not_ready_before_the_first_refresh(site: Site) -> None:
    assert site.answer("/-/ready") == (503, f"not ready: {UNDER_WAY}\n")


def test_stored_data_make_the_exporter_ready_at_once(site: Site) -> None:
    site.snapshot = Snapshot({KEY: METERED})
    assert site.answer("/-/ready") == (200, "ready\n")


def test_a_first_success_without_any_data_makes_the_exporter_ready(site: Site) -> None:
    site.statuses = {"farm": login(up=True, _70001=True)}
    assert site.answer("/-/ready") == (200, "ready\n")


def test_one_location_that_succeeded_is_enough(site: Site) -> None:
    site.statuses = {"farm": login(up=False, message="still computing", _70001=False, _70002=True)}
    assert site.answer("/-/ready") == (200, "ready\n")


def test_a_failed_first_refresh_is_the_reason_for_not_being_ready(site: Site) -> None:
    site.statuses = {"farm": login(up=False, message="login farm: the portal refused it", _70001=False)}
    assert site.answer("/-/ready") == (503, "not ready: login farm: the portal refused it\n")


def test_each_reason_of_several_logins_is_told_once(site: Site) -> None:
    site.statuses = {
        "farm": login(up=False, message="one"),
        "cabin": login(up=False, message="other"),
        "barn": login(up=False, message="one"),
    }
    assert site.answer("/-/ready") == (503, "not ready: one; other\n")


def test_a_location_known_without_intervals_is_no_data(site: Site) -> None:
    site.snapshot = Snapshot({KEY: Location(KEY, meters=(Meter(MeterInfo("81001")),))})
    assert site.answer("/-/ready")[0] == 503


def test_once_a_first_refresh_has_succeeded_the_exporter_stays_ready(site: Site) -> None:
    site.statuses = {"farm": login(up=True, _70001=True)}
    assert site.answer("/-/ready")[0] == 200
    failed = login(up=False, message="no answer", _70001=False)
    site.statuses = {
        "farm": LoginStatus(failures=failed.failures, last_refresh=T, last_success=T, locations=failed.locations)
    }
    assert site.answer("/-/ready") == (200, "ready\n")


# -- other paths and methods


@pytest.mark.parametrize("path", ["/nothing", "/metrics/", "/-/", "/-/reload", "/index.html", "//", "/Metrics", ""])
def test_there_is_nothing_elsewhere(site: Site, path: str) -> None:
    assert site.get(path).status == 404


def test_metrics_are_where_they_were_asked_for_and_only_there() -> None:
    site = Site(telemetry_path="/energy")
    assert site.answer("/energy") == (200, "the metrics\n")
    assert site.get("/metrics").status == 404
    assert 'href="/energy"' in site.answer("/")[1]


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/nothing"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_405_and_told_which_there_are(server: Server, method: str, path: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request(method, f"{server.url}{path}", timeout=5)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/nothing"])
def test_head_gives_the_head_of_what_get_gives(server: Server, path: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        got, head = (session.request(method, f"{server.url}{path}", timeout=5) for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert {**head.headers, "Date": ""} == {**got.headers, "Date": ""}
    assert int(head.headers["Content-Length"]) == len(got.content)


# -- the status page, whose content has tests of its own


def test_the_status_page_tells_what_this_is_and_links_to_the_rest(site: Site) -> None:
    answer = site.get("/")
    assert (answer.status, answer.content_type) == (200, "text/html; charset=utf-8")
    page = parsed(answer.body)
    assert words(one(page, "header")).startswith(f"SmartHub exporter {__version__}")
    assert [each.get("href") for each in all_of(page, "a")] == ["/metrics", "/-/healthy", "/-/ready"]


def test_the_status_page_shows_what_is_known_at_the_time_of_the_request(site: Site) -> None:
    assert words(one(parsed(site.get("/").body), "h1")) == "The first refresh is under way"
    site.snapshot = Snapshot({KEY: METERED})
    site.statuses = {"farm": login(up=True, _70001=True)}
    page = parsed(site.get("/").body)
    assert words(one(page, "h1")) == "All is well"
    assert "Farm house" in sections(page)


def test_the_status_page_says_what_only_a_backfill_can_bring(site: Site) -> None:
    site.snapshot = Snapshot({KEY: METERED})
    site.needed = {KEY: T - 40 * 86400}
    site.statuses = {"farm": login(up=True, _70001=True)}
    page = parsed(site.get("/").body)
    said = "Older data have changed at Farm house: smarthub-exporter backfill --start 2026-10-09 brings them"
    assert [words(each) for each in all_of(page, "li") if "backfill" in words(each)] == [f"{said} to the database."]


def test_the_status_page_says_that_a_refresh_thread_has_ended(site: Site) -> None:
    site.is_alive = False
    assert words(one(parsed(site.get("/").body), "h1")) == "Refreshing has stopped"


def test_the_status_page_forbids_everything_that_it_does_not_need(site: Site) -> None:
    headers = dict(site.get("/").headers)
    policy = {part.split()[0]: part.split()[1:] for part in headers["Content-Security-Policy"].split(";")}
    assert policy["default-src"] == ["'none'"]
    assert policy["frame-ancestors"] == ["'none'"]
    assert "script-src" not in policy
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
