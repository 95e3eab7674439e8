"""Scrapes cause no requests to the portal, and all are answered under load."""

import socket
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter.clock import SystemClock
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Settings

from ..support.exporter_process import STREET, Exporter
from ..support.portal import change
from ..support.services import Labels, Services, http, series
from ..support.snapshots import read_openmetrics

OPENMETRICS = "application/openmetrics-text;version=1.0.0"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PortalServer, Exporter]]:
    """A portal, and an exporter that has refreshed once and waits an hour."""
    folder = tmp_path_factory.mktemp("load")
    portal = SimulatedPortal(STREET, SystemClock(), Settings(pending=0, lag=900))
    with PortalServer(portal) as server, Services(folder) as services:
        yield server, Exporter(services, folder / "exporter", server, refresh_interval="1h")


def test_a_scrape_causes_no_portal_request(running: tuple[PortalServer, Exporter]) -> None:
    server, exporter = running
    for _ in range(50):
        assert len(exporter.page()) > 100_000
    # A sign-in, the accounts, two ranges of each location, and daily ones of two.
    assert server.portal.count == 1 + 1 + 2 * 9 + 2 * 2, (
        "a sign-in, the accounts, two ranges a location, daily ones for two"
    )


def test_both_formats_have_the_same_samples(running: tuple[PortalServer, Exporter]) -> None:
    _, exporter = running
    text, openmetrics = (exporter.page("intervals", Accept=accept) for accept in ("*/*", OPENMETRICS))

    def samples(families: Iterable[Metric]) -> list[tuple[Labels, float, float]]:
        return [
            (series(sample.name, **sample.labels), sample.value, float(sample.timestamp or 0))
            for family in families
            for sample in family.samples
        ]

    assert openmetrics != text
    assert len(samples(read_text(text))) > 15_000
    assert samples(read_text(text)) == samples(read_openmetrics(openmetrics))


@pytest.mark.parametrize("collect", ["intervals", "exporter", None])
def test_the_compressed_page_is_the_same_page(running: tuple[PortalServer, Exporter], collect: str | None) -> None:
    _, exporter = running
    plain = exporter.page(collect, **{"Accept-Encoding": "identity"})
    parameters = {"collect[]": collect}
    packed = requests.get(f"{exporter.url}/metrics", params=parameters, stream=True, timeout=10)  # asks for gzip
    body = packed.raw.read(decode_content=False)

    assert packed.headers["Content-Encoding"] == "gzip"
    member = zlib.decompressobj(wbits=31)
    unpacked = member.decompress(body)
    assert (member.eof, member.unused_data) == (True, b"")
    assert _without_own_samples(unpacked.decode()) == _without_own_samples(plain)


def _without_own_samples(page: str) -> str:
    """Return the page without metrics that change with each scrape."""
    return "\n".join(line for line in page.splitlines() if not line.startswith(("process_", "smarthub_portal", "# ")))


def test_parallel_scrapes_during_a_refresh_are_answered(
    running: tuple[PortalServer, Exporter], services: Services, tmp_path: Path
) -> None:
    server, _ = running
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
