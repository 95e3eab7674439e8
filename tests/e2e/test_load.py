"""Scrapes cost the portal nothing, and are all answered, whatever else goes on."""

import socket
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter.clock import SystemClock
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Settings

from ..support.exporter_process import STREET, Exporter
from ..support.services import Services, http

OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def test_a_scrape_causes_no_portal_request(services: Services, tmp_path: Path) -> None:
    portal = SimulatedPortal(STREET, SystemClock(), Settings(pending=0))
    with PortalServer(portal) as server:
        exporter = Exporter(services, tmp_path, server, refresh_interval="1h")
        exporter.wait_for_data()
        calls = portal.count

        for _ in range(50):
            assert len(exporter.page()) > 100_000

        assert portal.count == calls
        assert calls == 1 + 1 + 2 * 9 + 2 * 2, "a sign-in, the accounts, two ranges a location, daily ones for two"


def test_forty_parallel_scrapes_during_a_refresh_are_all_answered(services: Services, tmp_path: Path) -> None:
    portal = SimulatedPortal(STREET, SystemClock(), Settings(pending=0))
    with PortalServer(portal) as server:
        exporter = Exporter(services, tmp_path, server)
        exporter.wait_for_data()
        portal.settings = portal.settings.changed({"latency": 0.3})
        silent = [socket.create_connection(("127.0.0.1", int(exporter.address.rpartition(":")[2]))) for _ in range(50)]
        try:
            with ThreadPoolExecutor(40) as pool:
                answers = list(pool.map(lambda _: http("GET", f"{exporter.url}/metrics", timeout=10), range(200)))
        finally:
            for each in silent:
                each.close()

        assert [answer.status_code for answer in answers] == [200] * 200
        pages = {_without_own_samples(answer.text) for answer in answers}
        assert all(page.count("smarthub_interval_usage_kwh{") > 4000 for page in pages)


def test_both_formats_say_the_same(services: Services, tmp_path: Path) -> None:
    with PortalServer(SimulatedPortal(STREET, SystemClock(), Settings(pending=0, lag=900))) as server:
        exporter = Exporter(services, tmp_path, server, refresh_interval="1h")
        exporter.wait_for_data()
        text = http("GET", f"{exporter.url}/metrics", params={"collect[]": "intervals"})
        openmetrics = http(
            "GET", f"{exporter.url}/metrics", params={"collect[]": "intervals"}, headers={"Accept": OPENMETRICS}
        )

        def samples(families: object) -> list[tuple[str, tuple[tuple[str, str], ...], float, int]]:
            return [
                (sample.name, tuple(sorted(sample.labels.items())), sample.value, round(float(sample.timestamp) * 1000))
                for family in families  # type: ignore[attr-defined]
                for sample in family.samples
            ]

        assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        assert len(samples(read_text(text.text))) > 15_000
        assert samples(read_text(text.text)) == samples(read_openmetrics(openmetrics.text))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("collect", ["intervals", "exporter", None])
def test_the_packed_page_is_one_gzip_member_with_the_plain_page_in_it(
    services: Services, tmp_path: Path, collect: str | None
) -> None:
    with PortalServer(SimulatedPortal(STREET, SystemClock(), Settings(pending=0))) as server:
        exporter = Exporter(services, tmp_path, server, refresh_interval="1h")
        exporter.wait_for_data()
        parameters = {} if collect is None else {"collect[]": collect}
        plain = http("GET", f"{exporter.url}/metrics", params=parameters, headers={"Accept-Encoding": "identity"})
        packed = requests.get(
            f"{exporter.url}/metrics", params=parameters, headers={"Accept-Encoding": "gzip"}, stream=True, timeout=10
        )
        body = packed.raw.read(decode_content=False)

        assert packed.headers["Content-Encoding"] == "gzip"
        member = zlib.decompressobj(wbits=31)
        unpacked = member.decompress(body)
        assert (member.eof, member.unused_data) == (True, b"")
        assert _without_own_samples(unpacked.decode()) == _without_own_samples(plain.text)


def _without_own_samples(page: str) -> str:
    """The page without what changes from scrape to scrape."""
    return "\n".join(line for line in page.splitlines() if not line.startswith(("process_", "smarthub_portal", "# ")))
