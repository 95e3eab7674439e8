"""From the portal to real databases: every sample of every meter is correct."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.clock import SystemClock
from exporter.metrics.families import TIMESTAMPED
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Revision, Settings, Span

from ..support.clocks import ManualClock
from ..support.exporter_process import STREET, Exporter
from ..support.portal import change
from ..support.services import (
    EXPORTER_JOB,
    INTERVALS_JOB,
    Database,
    Labels,
    Sample,
    Service,
    Services,
    job,
    prometheus_config,
    scrape_config,
)
from ..support.truth import by_end, differences, expected, local_days, versions_of, wrong_versions

TIMESTAMPED_FAMILIES = {each.family.name for each in TIMESTAMPED}
FAMILIES = f'{{__name__=~"{"|".join(sorted(TIMESTAMPED_FAMILIES))}"}}'
WINDOW = 3 * 86400
ZONE = ZoneInfo(STREET.zone)


def test_a_scraping_victoria_metrics_holds_the_truth(street: "Street", services: Services) -> None:
    database = services.victoria_metrics(scrape=scrape_config(*street.jobs))
    street.live_through_revisions_and_a_restart(database)

    street.check(database.export(FAMILIES), versions_stored=1)
    street.check_day_sums(database)


def test_vmagent_and_victoria_metrics_hold_the_truth(street: "Street", services: Services) -> None:
    database = services.victoria_metrics()
    agent = services.vmagent(scrape_config(*street.jobs), database)
    street.live_through_revisions_and_a_restart(agent)
    agent.wait_until_sent()

    street.check(database.export(FAMILIES), versions_stored=1)
    street.check_day_sums(database)


def test_prometheus_with_a_window_holds_the_truth(street: "Street", services: Services) -> None:
    database = services.prometheus(prometheus_config(*street.jobs))
    street.live_through_revisions_and_a_restart(database)

    stored = database.series_samples(FAMILIES, time.time() - 10 * 86400, time.time())
    street.check(stored, versions_stored=2)
    street.check_day_sums(database)
    assert [target["lastError"] for target in database.active_targets()] == ["", ""]


@dataclass
class Street:
    """The simulated street, its exporter, and the history of both."""

    server: PortalServer
    exporter: Exporter
    began: float
    restarted: float = 0.0
    revised: dict[int, int] = field(default_factory=dict)

    @property
    def jobs(self) -> list[dict[str, object]]:
        return [job(INTERVALS_JOB, self.exporter.address), job(EXPORTER_JOB, self.exporter.address)]

    def live_through_revisions_and_a_restart(self, scraper: Service) -> None:
        """Scrape several times: first page, revisions up and down, a kill, a restart."""
        scraper.wait_for_scrapes(6)
        now = time.time()
        quarter = int(now - 30 * 3600) // 3600 * 3600
        up, down = Revision("80001", quarter, now, 1.7), Revision("80002", quarter - 3600, now, 0.4)
        hour_down = Revision("80003", quarter, now, 0.5)
        change(self.server, revisions=(up, down, hour_down))
        before = self.exporter.page("intervals")
        self.exporter.wait_for_refresh()
        assert before != self.exporter.page("intervals")
        scraper.wait_for_scrapes(6)
        ends = {up.start + 900, down.start + 900, hour_down.start + 3600}
        days = {end for start, end in local_days(ZONE, now - 5 * 86400, now) for each in ends if start < each <= end}
        self.revised = dict.fromkeys(ends | days, 2)
        self.exporter.kill()
        time.sleep(2.5)
        self.restarted = time.time()
        self.exporter.start()
        self.exporter.wait_for_refresh()
        scraper.wait_for_scrapes(6)

    def check(self, stored: Mapping[Labels, Sequence[Sample]], *, versions_stored: int) -> None:
        """Compare values, timestamps and versions: nothing missing, nothing unexpected."""
        portal, label, now = self.server.portal, self.server.host, time.time()
        # What the portal posts later may come too late for the last scrape.
        then = SimulatedPortal(portal.world, ManualClock(self.restarted), portal.settings)
        wanted = expected(then, label, self.began - WINDOW + 120, self.began)
        allowed = expected(portal, label, self.began - WINDOW - 60, now)
        assert {dict(labels)["__name__"] for labels in wanted} == TIMESTAMPED_FAMILIES
        assert differences(by_end(stored), wanted, allowed) == []
        assert wrong_versions(stored, (self.began - 5, now), self.revised) == []
        revised = [versions_of(samples).get(end, []) for samples in stored.values() for end in self.revised]
        assert max(map(len, revised)) == versions_stored

    def check_day_sums(self, database: Database) -> None:
        """Check the energy of full days with the query of docs/samples.md, "Queries"."""
        location, meter = STREET.locations[1], STREET.locations[1].meters[0]
        days = [
            (start, end)
            for start, end in local_days(ZONE, self.began - WINDOW, self.began)
            if end < self.began and start > self.began - WINDOW + 120
        ]
        assert len(days) >= 1
        for start, end in days:
            for name in ("usage", "export"):
                selector = f'smarthub_interval_{name}_kwh{{location="{location.number}",meter="{meter.number}"}}'
                answer = database.query(f"sum_over_time(last_over_time({selector}[5m])[{end - start - 1}s:5m])", end)
                truth = getattr(self.server.portal.truth(meter, start, end), name)
                assert [round(value, 6) for value in answer.values()] == [truth]


@pytest.fixture
def street(services: Services, tmp_path: Path) -> Iterator[Street]:
    """A portal with gaps, nulls and late data, and an exporter that has read it once."""
    now = time.time()
    gap = int(now - 50 * 3600) // 3600 * 3600
    settings = Settings(
        pending=0,
        lag=5400,
        cost_lag=7200,
        shuffled=True,
        gaps=(Span("80001", gap, gap + 5400), Span("80002", gap, gap + 900)),
        nulls=(Span("80006", gap, gap + 3600), Span("80003", gap - 7200, gap)),
    )
    with PortalServer(SimulatedPortal(STREET, SystemClock(), settings)) as server:
        began = time.time()
        exporter = Exporter(services, tmp_path / "exporter", server, window="3d")
        yield Street(server, exporter, began)
        exporter.terminate()
        assert exporter.returncode == 0
