"""Weeks with a daylight saving change, in all resolutions and modes of portals."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from exporter.app import Service
from exporter.clock import SystemClock
from exporter.config import Config, ExporterConfig
from exporter.metrics.families import TIMESTAMPED
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Dst, Settings
from exporter.simulator.specs import Channels, Resolution
from exporter.simulator.world import World
from exporter.storage.state import StateFile

from ..support.exporter_process import house, meter
from ..support.portal import login_of
from ..support.services import (
    INTERVALS_JOB,
    Database,
    Labels,
    Sample,
    Services,
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
    """A clock that runs at normal speed from a time in the past."""

    def __init__(self, began: datetime) -> None:
        super().__init__()
        self._behind = time.time() - began.timestamp()

    def now(self) -> float:
        return time.time() - self._behind


@dataclass
class Week:
    """An exporter in the week of a change, with a portal in one of the modes."""

    moment: datetime
    portal: SimulatedPortal
    label: str
    service: Service

    def __str__(self) -> str:
        return f"{self.moment:%B} {self.portal.settings.dst}"

    @property
    def address(self) -> str:
        return "{}:{}".format(*self.service.server.address)

    def truth(self, edge: int, later: int) -> Expected:
        """Return all samples from `edge` seconds after the start of the window to `later` seconds after now."""
        now = self.moment.timestamp()
        return expected(self.portal, self.label, now - WINDOW + edge, now + later)


def test_both_weeks_are_correct_in_victoria_metrics(weeks: list[Week], services: Services) -> None:
    scrape = scrape_config(job(INTERVALS_JOB, *(week.address for week in weeks)))
    database = services.victoria_metrics(scrape=scrape)
    database.wait_for_scrapes(3 * len(weeks))

    check_all(weeks, database.export(FAMILIES))
    check_change_days(weeks, database)


def test_both_weeks_are_correct_in_prometheus(weeks: list[Week], services: Services) -> None:
    scrape = job(INTERVALS_JOB, *(week.address for week in weeks))
    database = services.prometheus(prometheus_config(scrape, window="3650d"))
    # Not by its list of targets: a target is healthy shortly before its samples are stored.
    wait_until(lambda: len(database.query("up == 1", time.time())) == len(weeks), "scrapes")

    stored: dict[Labels, list[Sample]] = {}
    for moment in CHANGES:
        end = moment.timestamp() + 600
        stored |= database.series_samples(FAMILIES, end - 2 * WINDOW, end)
    check_all(weeks, stored)
    check_change_days(weeks, database)


def check_all(weeks: list[Week], stored: dict[Labels, list[Sample]]) -> None:
    """Compare all samples of all weeks."""
    wanted, allowed = (
        {key: values for week in weeks for key, values in week.truth(edge, later).items()}
        for edge, later in ((300, 0), (-300, 900))
    )
    assert {dict(labels)["__name__"] for labels in wanted} == {each.family.name for each in TIMESTAMPED}
    assert differences(by_end(stored), wanted, allowed) == []


def check_change_days(weeks: list[Week], database: Database) -> None:
    """Check the samples on the day of the change with the query of the dashboards."""
    autumn = {Dst.DUPLICATE: 100, Dst.MERGED: 96, Dst.LOST: 96, Dst.PHANTOM: 100}
    points = {SPRING: dict.fromkeys(Dst, 92), AUTUMN: autumn}
    quarter_hours = WORLD.locations[0].meters[0]
    for week in weeks:
        start, end = next(local_days(ZONE, CHANGES[week.moment].timestamp(), week.moment.timestamp()))
        of_meter = f'{{portal="{week.label}",meter="{quarter_hours.number}"}}'
        usage = week.portal.truth(quarter_hours, start, end).usage
        each_once = f"(last_over_time(smarthub_interval_usage_kwh{of_meter}[5m])[{end - start - 1}s:5m])"
        for expression, right in (
            (f"count_over_time{each_once}", points[week.moment][week.portal.settings.dst]),
            (f"sum_over_time{each_once}", usage),
            (f"smarthub_day_usage_kwh{of_meter}", usage),
        ):
            answer = database.query(expression, end)
            assert [round(value, 6) for value in answer.values()] == [right], (str(week), expression)


@pytest.fixture(scope="module")
def weeks() -> Iterator[list[Week]]:
    """Eight exporters in this process: two changes in four modes."""
    with ExitStack() as stack:

        def week(moment: datetime, mode: Dst) -> Week:
            clock = PastClock(moment)
            portal = SimulatedPortal(WORLD, clock, Settings(pending=0, dst=mode))
            server = stack.enter_context(PortalServer(portal))
            config = Config((login_of(server),), ExporterConfig("127.0.0.1:0", window=WINDOW))
            service = Service(config, clock)
            service.listen()
            service.start(stack.enter_context(closing(StateFile(None))))
            stack.callback(service.stop)
            stack.callback(clock.stop)
            return Week(moment, portal, server.host, service)

        running = [week(moment, mode) for moment in CHANGES for mode in Dst]
        for each in running:
            page = f"http://{each.address}/metrics"
            wait_until(lambda page=page: 'smarthub_up{login="coop"} 1.0' in http("GET", page).text, page)  # type: ignore[misc]
        yield running
