"""`make pictures`: the pictures in docs/, made from demo data.

The dashboards are drawn as in the tests, with a year of the demo's homes. The status page is a running exporter's.
"""

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Final

from exporter.clock import SystemClock
from exporter.simulator.demo_homes import DEMO_HOMES
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Settings
from exporter.simulator.world import World

from .support.browser import Browser
from .support.clocks import ManualClock
from .support.dashboard_data import PORTAL, healthy
from .support.dashboard_truth import LAG, NOW, last
from .support.exporter_process import Exporter
from .support.rendering import NARROW, draw
from .support.services import ROOT, Services, find_program
from .support.truth import expected

DOCS: Final = ROOT / "docs"
SCALE: Final = 0.75
"""Keeps the pictures of dashboards sharp enough and below 300 kB."""


def dashboards(services: Services, browser: Browser) -> None:
    """Draw the upper part of both dashboards."""
    homes = tuple(each for each in DEMO_HOMES if each.meters)
    portal = SimulatedPortal(World(locations=homes), ManualClock(NOW.timestamp()), Settings(lag=LAG))
    values = expected(portal, PORTAL, (NOW - timedelta(days=400)).timestamp(), NOW.timestamp())
    database = services.victoria_metrics()
    database.import_samples(healthy(portal, values, NOW))
    for name, days, height in (("home", 14, 1254), ("exporter", 0.25, 1710)):
        draw(browser, database, name, last(days), services.folder(name), width=NARROW)
        browser.screenshot(DOCS / f"{name}-dashboard.png", height=height, scale=SCALE)


def status_page(services: Services, browser: Browser) -> None:
    """Show the page of a fresh exporter on a desktop, and on a phone in dark mode."""
    portal = services.enter_context(PortalServer(SimulatedPortal(World(), SystemClock(), Settings(pending=0, lag=0.0))))
    exporter = Exporter(services, services.folder("exporter"), portal)
    for name, width, height, dark in (("status-page", 1180, 1163, False), ("status-page-phone", 390, 851, True)):
        browser.open(f"{exporter.url}/", size=(width, height), dark=dark)
        browser.screenshot(DOCS / f"{name}.png", height=height)


def main() -> None:
    """Make all pictures."""
    with (
        tempfile.TemporaryDirectory(prefix="pictures-") as folder,
        Browser(find_program("chromium")) as browser,
        Services(Path(folder)) as services,
    ):
        dashboards(services, browser)
        status_page(services, browser)


if __name__ == "__main__":
    main()
