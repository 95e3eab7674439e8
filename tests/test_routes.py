"""The routes: status page, metrics, health and readiness, and nothing else."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from exporter import __version__
from exporter.intervals.interval import Interval
from exporter.intervals.model import Location, LocationKey, Meter, MeterInfo, Snapshot
from exporter.portal.timezone import ZoneState, ZoneVerdict
from exporter.refresh.status import Failure, FailureKind, LocationStatus, LoginStatus
from exporter.routes import Pages, PagesOnceLoaded
from exporter.web.server import Server
from exporter.web.types import Request, Response

from .support.clocks import ManualClock
from .support.exposition import GivenStatuses, store_of
from .support.html import all_of, one, parsed, sections, words

T = 1_795_001_400  # 2026-11-18 11:30 UTC
KEY = LocationKey("novec", "55001", "70001")
METERED = Location(
    KEY, "Farm house", "America/New_York", (Meter.of(MeterInfo("81001"), (Interval(T - 900, T, 0.2, 1),)),)
)


class Site:
    """The routes, with everything that they show."""

    def __init__(
        self, snapshot: Snapshot | None = None, status: LoginStatus | None = None, telemetry_path: str = "/metrics"
    ) -> None:
        self.store = store_of(snapshot)
        self.refresher = GivenStatuses({"farm": status or LoginStatus()})
        answer = Response(200, b"the metrics\n")
        clock = ManualClock(T + 3 * 3600)
        self.pages = Pages(lambda _: answer, telemetry_path, self.store, self.refresher, clock)

    def stop(self) -> None:
        """Add the thread of a login that is no longer refreshed."""
        self.refresher._threads.append(threading.Thread())

    def get(self, path: str) -> Response:
        return self.pages(Request("GET", path, {}, {}))

    def answer(self, path: str) -> tuple[int, str]:
        answer = self.get(path)
        return answer.status, answer.body.decode()


def login(*, up: bool, message: str = "", **locations: bool) -> LoginStatus:
    keys = {LocationKey("novec", "55001", number.strip("_")): is_up for number, is_up in locations.items()}
    failures = (Failure(FailureKind.FAILED, message),) if message else ()
    outcomes = {key: LocationStatus(is_up) for key, is_up in keys.items()}
    return LoginStatus(up=up, failures=failures, last_refresh=T, locations=outcomes)


@pytest.fixture
def site() -> Site:
    return Site()


# -- while the saved state is being loaded


def test_requests_wait_until_the_state_is_loaded(site: Site) -> None:
    pages = PagesOnceLoaded(patience=60)
    with ThreadPoolExecutor() as threads:
        early = threads.submit(pages, Request("GET", "/metrics", {}, {}))
        assert pages(Request("GET", "/-/healthy", {}, {})).status == 200
        assert not early.done()
        pages.open(site.pages)
        assert early.result().body == b"the metrics\n"


def test_requests_do_not_wait_long_for_the_state(site: Site) -> None:
    pages = PagesOnceLoaded(patience=0)
    for path in ("/", "/metrics", "/-/ready", "/nothing"):
        assert pages(Request("GET", path, {}, {})).status == 503
    pages.open(site.pages)
    assert pages(Request("GET", "/nothing", {}, {})).status == 404
    site.stop()
    assert pages(Request("GET", "/-/healthy", {}, {})).status == 503


# -- health


def test_the_exporter_is_healthy_while_its_threads_live(site: Site) -> None:
    site.refresher.given = {"farm": login(up=False, message="rejected")}
    assert site.answer("/-/healthy") == (200, "healthy\n")
    site.stop()
    assert site.answer("/-/healthy") == (503, "a refresh thread has stopped; restart the exporter\n")


# -- readiness


@pytest.mark.parametrize(
    "known",
    [
        pytest.param({"snapshot": Snapshot({KEY: METERED})}, id="stored data"),
        pytest.param({"status": login(up=True, _70001=True)}, id="a success without data"),
        pytest.param({"status": login(up=False, message="later", _70001=False, _70002=True)}, id="one location"),
    ],
)
def test_the_exporter_is_ready_once_it_has_data(known: dict[str, Any]) -> None:
    site = Site(**known)
    assert site.answer("/-/ready") == (200, "ready\n")
    site.store.snapshot, site.refresher.given = Snapshot(), {"farm": login(up=False, message="no answer", _70001=False)}
    assert site.answer("/-/ready")[0] == 200


def test_an_exporter_that_is_not_ready_says_why(site: Site) -> None:
    # A location without intervals does not count as data.
    site.store.snapshot = Snapshot({KEY: Location(KEY, meters=(Meter.of(MeterInfo("81001")),))})
    site.refresher.given = {
        each: login(up=False, message=each[:3], _70001=False) for each in ("one", "other", "one more")
    }
    assert site.answer("/-/ready") == (503, "not ready: one; oth\n")


@pytest.mark.parametrize("known", [Snapshot(), Snapshot({KEY: METERED})])
def test_readiness_names_a_wrong_zone(site: Site, known: Snapshot) -> None:
    fitting = site.get("/-/ready")
    site.store.snapshot = known
    zone = ZoneVerdict(ZoneState.CONTRADICTED, ("America/Denver", "America/Phoenix"), "UTC")
    site.refresher.given = {"farm": LoginStatus(zone=zone), "barn": LoginStatus()}
    wrong = site.get("/-/ready")
    assert wrong.status == (200 if known.locations else fitting.status)
    _, said, end = wrong.body.decode().split("\n")
    assert (said, end) == (f"login farm: no data on /metrics because {zone.message}", "")


def test_a_reason_that_cannot_be_encoded_is_still_said(site: Site) -> None:
    site.refresher.given = {"farm": login(up=False, message="7\ud800", _70001=False)}
    assert site.answer("/-/ready") == (503, "not ready: 7?\n")


# -- other paths and methods


@pytest.mark.parametrize("path", ["/nothing", "/metrics/", "/-/", "/-/reload", "/index.html", "//", "/Metrics", ""])
def test_other_paths_are_not_found(site: Site, path: str) -> None:
    assert site.get(path).status == 404


def test_metrics_are_only_at_the_configured_path() -> None:
    site = Site(telemetry_path="/energy")
    assert site.answer("/energy") == (200, "the metrics\n")
    assert site.get("/metrics").status == 404
    assert 'href="/energy"' in site.answer("/")[1]


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/nothing"])
def test_only_get_and_head_are_answered(site: Site, path: str) -> None:
    with Server("127.0.0.1:0", site.pages) as server, requests.Session() as session:
        session.trust_env = False
        got, head, *others = (
            session.request(method, f"{server.url}{path}", timeout=5) for method in ("GET", "HEAD", "POST", "OPTIONS")
        )
    assert {(other.status_code, other.headers["Allow"]) for other in others} == {(405, "GET, HEAD")}
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert {**head.headers, "Date": ""} == {**got.headers, "Date": ""}
    assert int(head.headers["Content-Length"]) == len(got.content)


# -- the status page, whose content is tested elsewhere


def test_the_status_page_links_to_the_other_pages(site: Site) -> None:
    answer = site.get("/")
    assert (answer.status, answer.content_type) == (200, "text/html; charset=utf-8")
    page = parsed(answer.body)
    assert f"SmartHub exporter {__version__}." in words(one(page, "footer"))
    assert [each.get("href") for each in all_of(page, "a")] == ["/metrics", "/-/healthy", "/-/ready"]


def test_the_status_page_shows_the_current_state(site: Site) -> None:
    assert words(one(parsed(site.get("/").body), "h1")) == "The first refresh is running"
    site.store.snapshot = Snapshot({KEY: METERED})
    site.refresher.given = {"farm": login(up=True, _70001=True)}
    page = parsed(site.get("/").body)
    assert words(one(page, "h1")) == "Everything is working"
    assert "Farm house" in sections(page)
    site.stop()
    assert words(one(parsed(site.get("/").body), "h1")) == "Refreshing has stopped"


def test_the_status_page_says_that_a_backfill_is_needed(site: Site) -> None:
    site.store.snapshot = Snapshot({KEY: METERED})
    site.store.backfill_needed = {KEY: T - 40 * 86400}
    site.refresher.given = {"farm": login(up=True, _70001=True)}
    page = parsed(site.get("/").body)
    assert any("backfill --start 2026-10-09" in words(each) for each in all_of(page, "li"))


def test_the_status_page_has_strict_security_headers(site: Site) -> None:
    headers = dict(site.get("/").headers)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
