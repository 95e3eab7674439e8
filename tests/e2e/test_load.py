"""Scrapes cause no requests to the portal, and all are answered under load."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from exporter.clock import SystemClock
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Settings

from ..support.exporter_process import STREET, Exporter
from ..support.portal import change
from ..support.services import Services, http


@pytest.fixture
def server() -> Iterator[PortalServer]:
    with PortalServer(SimulatedPortal(STREET, SystemClock(), Settings(pending=0, lag=900))) as server:
        yield server


def test_a_scrape_causes_no_portal_request(server: PortalServer, services: Services, tmp_path: Path) -> None:
    exporter = Exporter(services, tmp_path / "exporter", server, refresh_interval="1h")
    for _ in range(50):
        assert len(exporter.page()) > 100_000
    assert server.portal.count == 2 + 1 + 1 + 2 * 9 + 2 * 2, (
        "a sign-in with the question for its second factor, the portal's name, the accounts, two ranges per location,"
        " daily ones for two"
    )


def test_parallel_scrapes_during_a_refresh_are_answered(
    server: PortalServer, services: Services, tmp_path: Path
) -> None:
    exporter = Exporter(services, tmp_path / "exporter", server, refresh_interval="1s")
    change(server, latency=0.3)
    silent = [socket.create_connection(("127.0.0.1", int(exporter.address.rpartition(":")[2]))) for _ in range(50)]
    try:
        with ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(lambda _: http("GET", f"{exporter.url}/metrics", timeout=10), range(200)))
    finally:
        for each in silent:
            each.close()

    assert [answer.status_code for answer in answers] == [200] * 200
    assert all(answer.text.count("smarthub_interval_usage_kwh{") > 4000 for answer in answers)
