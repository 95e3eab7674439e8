"""How large the interval page will be."""

import pytest

from exporter.checks.page_sizes import PageSize, PageSizes
from exporter.metrics.exposition import Format
from exporter.metrics.page import PageTexts
from exporter.simulator.server import PortalServer

from ..support.check_reports import run_check
from ..support.clocks import ManualClock
from ..support.exporter import StartExporter
from ..support.portal import StartPortal, login_of
from ..support.worlds import DAY, TWO


def test_a_page_grows_with_the_window(portal: PortalServer, clock: ManualClock) -> None:
    look, _ = run_check(login_of(portal), clock)
    short, long = (PageSizes.of([look], days * DAY).total() for days in (7, 35))
    assert 40 * 1024 < short.size < 120 * 1024
    assert long == pytest.approx([5 * each for each in short], rel=0.01)


def test_a_page_is_as_large_as_the_exporter_makes_it(
    portal: PortalServer, clock: ManualClock, start_exporter: StartExporter
) -> None:
    look, _ = run_check(login_of(portal), clock)
    exporter = start_exporter(login_of(portal))
    exporter.refresh()
    since = int(clock.now() - 7 * DAY) * 1000
    page = b"".join(PageTexts(Format.TEXT).page(exporter.store.snapshot, since).parts().bodies)
    samples = sum(not line.startswith(b"#") for line in page.splitlines())
    assert PageSizes.of([look], 7 * DAY).total() == pytest.approx((len(page), samples), rel=0.1)


def test_a_page_may_have_some_logins_only(start_portal: StartPortal, clock: ManualClock) -> None:
    names, servers = ("one", "two"), (start_portal(), start_portal(TWO))
    one, other = (run_check(login_of(server, name=name), clock)[0] for name, server in zip(names, servers, strict=True))
    pages = PageSizes.of([one, other], 7 * DAY)
    sizes = [pages.total([name]) for name in names]
    assert sizes[0].samples < sizes[1].samples
    assert pages.total() == pages.total(names) == tuple(map(sum, zip(*sizes, strict=True)))
    assert pages.total(["nobody"]) == PageSize(0, 0)
