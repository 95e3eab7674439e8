"""The status page in a real browser: layout, figures, keyboard, screen readers.

With SCREENSHOTS=FOLDER, screenshots of every state are saved there, at both widths, in light and dark mode.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from exporter.clock import SystemClock
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, Settings
from exporter.simulator.specs import LocationSpec, MeterSpec
from exporter.simulator.world import World

from ..support.browser import DESKTOP, PHONE, Browser
from ..support.exporter_process import Exporter
from ..support.portal import change
from ..support.services import Services, find_program, is_running, wait_until
from ..support.worlds import ZONE, instant

WORLD = World()
HOUR = 3600.0
NARROW = (320, 640)
"""The smallest width at which a page must not scroll horizontally (WCAG 1.4.10)."""

STATES = {
    "fresh": ("Everything is working", "good"),
    "stale": ("Data is stale: House, Solar house, Barn", "bad"),
    "failing": ("Last refresh failed", "wait"),
}


@dataclass
class Site:
    """An exporter as a process, its simulated portal in this process, and a browser."""

    portal: PortalServer
    exporter: Exporter
    browser: Browser

    @property
    def url(self) -> str:
        return f"{self.exporter.url}/"

    def open(self, size: tuple[int, int] = DESKTOP, *, dark: bool = False) -> None:
        self.browser.open(self.url, size=size, dark=dark)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(find_program("chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def site_in(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Site]]:
    """Return a function that starts the site in a state, once."""
    with Services(tmp_path_factory.mktemp("sites")) as services:

        @cache
        def site(state: str) -> Site:
            lag = 100 * HOUR if state == "stale" else 2 * HOUR
            settings = Settings(pending=0, lag=lag)
            portal = services.enter_context(PortalServer(SimulatedPortal(WORLD, SystemClock(), settings)))
            exporter = Exporter(services, services.folder(state), portal)
            if state == "failing":
                change(portal, poll=Poll.STATUS_503)
                wait_until(lambda: exporter.metrics()["smarthub_up"] == 0, "a failure")
            return Site(portal, exporter, browser)

        yield site


@pytest.fixture
def site(site_in: Callable[[str], Site]) -> Site:
    return site_in("fresh")


def day_of(instant: float) -> date:
    return datetime.fromtimestamp(instant, ZONE).date()


# -- every state, at every size, in light and dark mode


@pytest.mark.parametrize("state", list(STATES))
def test_the_page_fits_and_shows_the_verdict(state: str, site_in: Callable[[str], Site]) -> None:
    site = site_in(state)
    browser = site.browser
    words, tone = STATES[state]
    grounds: set[str] = set()
    for size, dark in [(DESKTOP, False), (DESKTOP, True), (PHONE, False), (PHONE, True), (NARROW, False)]:
        site.open(size, dark=dark)
        assert browser.complaints == []
        assert [each for each in browser.requests if not each.startswith("data:")] == [site.url]
        assert browser.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [size[0], size[0]]
        assert browser.texts("h1") == [words]
        assert browser.evaluate("document.querySelector('.verdict').className") == f"verdict {tone}"
        grounds.add(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
        if folder := os.environ.get("SCREENSHOTS"):
            name = f"{state}-{size[0]}-{'dark' if dark else 'light'}.png"
            browser.screenshot(Path(folder) / name)
    assert len(grounds) == 2


def test_the_first_screen_of_a_phone_shows_the_house(site_in: Callable[[str], Site]) -> None:
    for state in STATES:
        site = site_in(state)
        site.open(PHONE)
        bottom = "each => document.querySelector(each).getBoundingClientRect().bottom"
        bottoms = site.browser.evaluate(f"['.verdict', '.glance', '.newest'].map({bottom})")
        assert 0 < min(bottoms) <= max(bottoms) < PHONE[1]


def test_opened_tables_fit_a_phone(site: Site) -> None:
    for size in (PHONE, NARROW):
        site.open(size)
        site.browser.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert site.browser.evaluate("document.documentElement.scrollWidth") == size[0]


def test_a_failure_is_visible_without_scrolling(site_in: Callable[[str], Site]) -> None:
    site = site_in("failing")
    for size in (DESKTOP, PHONE):
        site.open(size)
        (said,) = site.browser.texts(".verdict p")
        assert "503" in said


# -- the figures


def test_the_figures_in_the_browser_are_correct(site: Site) -> None:
    site.open()
    for place in WORLD.locations[:3]:
        (meter,) = place.meters
        newest = int(site.browser.evaluate(_of_place(place, "", ".newest time", "Date.parse(each.dateTime)"))[0] / 1000)
        days = _days_in_the_browser(site.browser, place)
        assert next(iter(days)) == day_of(newest - 1).isoformat()
        truths = {}
        for day, values in days.items():
            start, end = (instant((date.fromisoformat(day) + timedelta(days=each)).isoformat()) for each in (0, 1))
            truths[day] = _truth(site, meter, start, min(end, newest))
            assert values == pytest.approx(truths[day], abs=2e-6)
        glance = site.browser.evaluate(_of_place(place, "", ".glance tbody tr", _VALUES))
        today, yesterday, *_, month = glance
        this_day = day_of(site.portal.portal.clock.now())
        for shown, at in ((today, this_day), (yesterday, this_day - timedelta(days=1))):
            assert shown == pytest.approx(truths.get(at.isoformat(), []), abs=2e-6)
        first = instant(day_of(newest - 1).replace(day=1).isoformat())
        assert month == pytest.approx(_truth(site, meter, first, newest), abs=1e-5)


def _truth(site: Site, meter: MeterSpec, start: int, end: int) -> list[float]:
    truth = site.portal.portal.truth(meter, start, end)
    return [value for value in (truth.usage, truth.export, truth.cost) if value is not None]


def _of_place(place: LocationSpec, what: str, elements: str, value: str) -> str:
    """Return a JavaScript expression for elements of a location's section, the one with this heading."""
    has_title = f"each.querySelector('h2').innerText == '{place.nickname}{what}'"
    card = f"[...document.querySelectorAll('section.card')].find(each => {has_title})"
    return f"[...{card}.querySelectorAll('{elements}')].map(each => {value})"


_VALUES = "[...each.querySelectorAll('data')].map(data => Number(data.value))"


def _days_in_the_browser(browser: Browser, place: LocationSpec) -> dict[str, list[float]]:
    day = "each.querySelector('time').dateTime"
    rows = ".values:first-of-type tbody tr:has(time)"
    return dict(browser.evaluate(_of_place(place, ": charts", rows, f"[{day}, {_VALUES}]")))


# -- pointer, keyboard and screen reader


def test_hovering_a_chart_shows_the_values_of_that_time(site: Site) -> None:
    site.open()
    browser = site.browser
    for chart in (0, 1, 2):
        group = f"document.querySelectorAll('.hover')[{chart}].children[3]"
        x, y = browser.evaluate(
            f"(() => {{ {group}.scrollIntoView({{block: 'center'}});"
            f" const box = {group}.querySelector('rect').getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2] })()"
        )
        assert browser.evaluate(f"getComputedStyle({group}).opacity") == "0"
        browser.hover(x, y)
        wait_until(lambda group=group: browser.evaluate(f"getComputedStyle({group}).opacity") == "1", "the words")  # type: ignore[misc]
        when, what = browser.evaluate(f"[...{group}.querySelectorAll('text')].map(each => each.textContent)")
        assert re.match("[MTWFS][a-z]{2} [A-Z][a-z]{2} [0-9]+", when)
        assert re.match(r"[0-9.,]+ k?Wh? used|\$[0-9.]+", what)


def test_the_hover_text_of_a_chart_fits_a_phone(site: Site) -> None:
    site.open(PHONE)
    wide = site.browser.evaluate(
        "Math.max(...[...document.querySelectorAll('.hover text')].map(e => e.getComputedTextLength()))"
        " - Math.min(...[...document.querySelectorAll('.plot')].map(e => e.clientWidth))"
    )
    assert wide <= 0


def test_keys_reach_every_link_in_order_and_open_the_table(site: Site) -> None:
    site.open()
    browser = site.browser
    reached: list[str] = []
    for _ in range(8):
        browser.press("Tab")
        reached.append(browser.evaluate("document.activeElement.innerText"))
        assert browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert [each.partition("\n")[0] for each in reached] == [
        *("House", "Solar house", "Barn"),
        *("House: charts", "Daily figures as a table", "Power used, by hour, as a table"),
        *("Solar house: charts", "Daily figures as a table"),
    ]
    table = "document.activeElement.parentElement.querySelector('table')"
    assert browser.evaluate(f"{table}.checkVisibility()") is False
    browser.press("Enter")
    assert browser.evaluate(f"{table}.checkVisibility()") is True


def test_a_link_to_folded_charts_opens_them(site: Site) -> None:
    site.open()
    browser = site.browser
    browser.evaluate("document.querySelectorAll('details').forEach(each => each.open = false)")
    browser.evaluate("document.querySelectorAll('.locations a')[1].click()")
    opened = "[...document.querySelectorAll('.meter > details')].map(each => each.open)"
    wait_until(lambda: browser.evaluate(opened) == [False, True, False], "the charts")


def test_a_reload_keeps_the_place_on_the_page(site: Site) -> None:
    site.open(PHONE)
    browser = site.browser
    browser.evaluate("(scrollTo(0, 1500), document.before = true)")
    # What the page's own element does after minutes.
    browser.evaluate("document.head.insertAdjacentHTML('beforeend', '<meta http-equiv=\"refresh\" content=\"0\">')")
    wait_until(lambda: browser.evaluate("!document.before && document.readyState == 'complete'"), "the reload")
    wait_until(lambda: browser.evaluate("scrollY") == 1500, "the place on the page")


def test_a_screen_reader_reads_everything_visible(site: Site) -> None:
    site.open()
    told = site.browser.accessible()
    roles = [role for role, _ in told]
    assert {"banner", "navigation", "main", "contentinfo", "heading", "table", "image"} <= set(roles)
    headings = {name for role, name in told if role == "heading"}
    assert headings >= {"Everything is working", "House", "Barn: charts", "Energy per day", "Cost per day", "Login"}
    pictures = [name for role, name in told if role == "image"]
    assert len(pictures) == 8
    assert all(name.startswith(("Average power from ", "Energy per day from ", "Cost per day")) for name in pictures)


def test_times_in_the_browser_are_instants(site: Site) -> None:
    site.open()
    times = site.browser.evaluate("[...document.querySelectorAll('.newest time')].map(each => each.dateTime)")
    newest, *_ = (datetime.fromisoformat(each).astimezone(UTC).timestamp() for each in times)
    assert 0 <= site.portal.portal.clock.now() - 2 * HOUR - newest < 1000


def test_the_browser_leaves_no_process_running() -> None:
    with Browser(find_program("chromium")) as browser:
        pid = browser._process.pid
        members = _group(pid)
        assert len(members) > 1
    assert not [each for each in members if is_running(each)]


def _group(leader: int) -> list[int]:
    """Return the processes of a process group."""
    pids = (int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal())
    return [pid for pid in pids if _leader(pid) == leader]


def _leader(pid: int) -> int | None:
    with suppress(ProcessLookupError):
        return os.getpgid(pid)
    return None
