"""The weeks in which clocks change, at 15 and 60 minutes and daily, in all modes that portals may have for them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from exporter.app import Service
from exporter.clock import SystemClock
from exporter.config import Config, ExporterConfig, Login, Secret, portal_address
from exporter.metrics.families import TIMESTAMPED
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Dst, Settings
from exporter.simulator.specs import Channels, Resolution
from exporter.simulator.world import World
from exporter.storage.state import StateFile

from ..support.exporter_process import house, meter
from ..support.services import (
    INTERVALS_JOB,
    Labels,
    Prometheus,
    Sample,
    Services,
    VictoriaMetrics,
    http,
    job,
    prometheus_config,
    scrape_config,
    wait_until,
)
from ..support.truth import Expected, by_end, differences, expected, local_days

ZONE = ZoneInfo("America/New_York")
WORLD = World(
    zone=ZONE.key,
    locations=(
        house(1, meter(1, Channels.THREE)),
        house(2, meter(2, step=3600)),
        house(3, meter(3, resolution=Resolution.DAYS)),
        house(4, meter(4, periods=True)),
    ),
)
SPRING, AUTUMN = datetime(2026, 3, 12, 15, 7, tzinfo=ZONE), datetime(2026, 11, 5, 15, 7, tzinfo=ZONE)
CHANGES = {SPRING: datetime(2026, 3, 8, tzinfo=ZONE), AUTUMN: datetime(2026, 11, 1, tzinfo=ZONE)}
FAMILIES = f'{{__name__=~"{"|".join(each.family.name for each in TIMESTAMPED)}"}}'
WINDOW = 7 * 86400


class PastClock(SystemClock):
    """Runs as fast as the machine's, but began at another time."""

    def __init__(self, began: datetime) -> None:
        super().__init__()
        self._behind = time.time() - began.timestamp()

    def now(self) -> float:
        return time.time() - self._behind


@dataclass
class Week:
    """An exporter in the week of a change, on a portal with one of the modes."""

    name: str
    moment: datetime
    portal: SimulatedPortal
    label: str
    address: str

    def truth(self) -> Expected:
        """The whole window but its very edge."""
        now = self.moment.timestamp()
        return expected(self.portal, self.label, now - WINDOW + 300, now)

    def may_be(self) -> Expected:
        now = self.moment.timestamp()
        return expected(self.portal, self.label, now - WINDOW - 300, now + 900)


def test_all_samples_of_both_weeks_are_true_in_victoria_metrics(weeks: list[Week], services: Services) -> None:
    jobs = [job(INTERVALS_JOB, *(week.address for week in weeks))]
    database = services.victoria_metrics(scrape_config=scrape_config(jobs))
    wait_until(lambda: database.metrics()["vm_promscrape_scrapes_total"] >= 3 * len(weeks), "scrapes", within=60)

    check_all(weeks, database.export(FAMILIES))
    check_change_days(weeks, database)


def test_all_samples_of_both_weeks_are_true_in_prometheus(weeks: list[Week], services: Services) -> None:
    jobs = [job(INTERVALS_JOB, *(week.address for week in weeks))]
    database = services.prometheus(prometheus_config(jobs, out_of_order_time_window="3650d"))
    # Not by its page of targets: one is called healthy a moment before its samples are there.
    wait_until(lambda: len(database.query("up == 1", time.time())) == len(weeks), "scrapes", within=60)

    stored: dict[Labels, list[Sample]] = {}
    for moment in CHANGES:
        end = moment.timestamp() + 600
        stored |= database.series_samples(FAMILIES, end - 2 * WINDOW, end)
    check_all(weeks, stored)
    check_change_days(weeks, database)


def check_all(weeks: list[Week], stored: dict[Labels, list[Sample]]) -> None:
    """Every sample of every week."""
    wanted: Expected = {}
    allowed: Expected = {}
    for week in weeks:
        wanted |= week.truth()
        allowed |= week.may_be()
    assert {dict(labels)["__name__"] for labels in wanted} == {each.family.name for each in TIMESTAMPED}
    assert differences(by_end(stored), wanted, allowed) == []


def check_change_days(weeks: list[Week], database: VictoriaMetrics | Prometheus) -> None:
    """The day of the change itself: its number of samples and its sum, by the query that dashboards use."""
    points = {
        (SPRING, Dst.DUPLICATE): 92,
        (SPRING, Dst.MERGED): 92,
        (SPRING, Dst.LOST): 92,
        (SPRING, Dst.PHANTOM): 92,
        (AUTUMN, Dst.DUPLICATE): 100,
        (AUTUMN, Dst.MERGED): 96,
        (AUTUMN, Dst.LOST): 96,
        (AUTUMN, Dst.PHANTOM): 100,
    }
    quarter_hours = WORLD.locations[0].meters[0]
    for week in weeks:
        start, end = next(local_days(ZONE, CHANGES[week.moment].timestamp(), week.moment.timestamp()))
        selector = f'smarthub_interval_usage_kwh{{portal="{week.label}",meter="{quarter_hours.number}"}}'
        reach = f"[{end - start - 1}s:5m]"
        mode = week.portal.settings.dst
        for function, right in (
            ("count_over_time", points[week.moment, mode]),
            ("sum_over_time", week.portal.truth(quarter_hours, start, end).usage),
        ):
            answer = database.query(f"{function}(last_over_time({selector}[5m]){reach})", end)
            assert [round(value, 6) for value in answer.values()] == [right], (week.name, function)
        day = database.query(f'smarthub_day_usage_kwh{{portal="{week.label}",meter="{quarter_hours.number}"}}', end)
        assert list(day.values()) == [week.portal.truth(quarter_hours, start, end).usage], week.name


@pytest.fixture(scope="module")
def weeks() -> Iterator[list[Week]]:
    """Eight exporters in this process: two changes, four modes."""
    running: list[Week] = []
    ends = []
    for moment in CHANGES:
        for mode in Dst:
            clock = PastClock(moment)
            portal = SimulatedPortal(WORLD, clock, Settings(pending=0, dst=mode))
            server = PortalServer(portal).start()
            user = WORLD.users[0]
            login = Login("week", portal_address(server.url), user.username, Secret(user.password), zone=ZONE)
            config = Config((login,), ExporterConfig("127.0.0.1:0", refresh_interval=3600, window=WINDOW))
            state = StateFile(None)
            service = Service(config, state, clock).start()
            ends.append((clock, service, server, state))
            host, port = service.server.address
            running.append(Week(f"{moment:%B} {mode}", moment, portal, server.host, f"{host}:{port}"))
    try:
        for week in running:
            page = f"http://{week.address}/metrics"
            wait_until(lambda page=page: 'smarthub_up{login="week"} 1.0' in http("GET", page).text, page, within=60)  # type: ignore[misc]
        yield running
    finally:
        for clock, service, server, state in ends:
            clock.stop()
            service.stop()
            server.stop()
            state.close()
