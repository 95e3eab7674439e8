"""The second VictoriaMetrics of docs/scraping.md: its one command takes scrapes and a backfill as the same series."""

import re
import shlex
import time
from pathlib import Path
from typing import Final

from exporter.clock import SystemClock
from exporter.errors import EXIT_DONE
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Settings
from exporter.simulator.world import World

from ..support.backfill_process import Backfiller, days_ago, midnight
from ..support.exporter_process import Exporter, house, meter
from ..support.project_files import read
from ..support.services import Services, VictoriaMetrics, free_address, http, wait_until
from ..support.truth import by_end, differences, expected

IMAGE: Final = "victoriametrics/victoria-metrics:"
UNKNOWN_TO_DEBIAN: Final = "-search.maxPointsSubqueryPerTimeseries"
HISTORY: Final = '{__name__=~"smarthub_(interval|day)_.+_(kwh|watts|usd|info)"}'


def documented_flags() -> list[str]:
    """Return the flags after the image in the command of the guide."""
    (command,) = re.findall(r"^docker run .*?[^\\]$", read("docs/scraping.md"), re.MULTILINE | re.DOTALL)
    words = shlex.split(command.replace("\\\n", " "))
    (image,) = (place for place, word in enumerate(words) if word.startswith(IMAGE))
    return words[image + 1 :]


def test_the_documented_command_takes_scrapes_and_history(services: Services, tmp_path: Path) -> None:
    portal = SimulatedPortal(World(locations=(house(1, meter(1)),)), SystemClock(), Settings(pending=0))
    server = services.enter_context(PortalServer(portal))
    exporter = Exporter(services, tmp_path / "exporter", server, window="3d")
    address, scrape = free_address(), tmp_path / "scrape.yml"
    jobs = read("docs/scrape.yml").replace("localhost:10058", exporter.address)
    scrape.write_text(jobs.replace(": 15m", ": 1s").replace(": 1m", ": 1s"), encoding="utf-8")
    places = {"/storage": str(tmp_path / "storage"), "127.0.0.1:8438": address, "/scrape.yml": str(scrape)}
    flags = [flag for flag in documented_flags() if not flag.startswith(UNKNOWN_TO_DEBIAN)]
    arguments = [
        f"{name}={places.get(value, value)}" if value else name for name, _, value in (f.partition("=") for f in flags)
    ]
    assert all(any(each.endswith(place) for each in arguments) for place in places.values())
    database = services.start(VictoriaMetrics, "victoria-metrics", arguments, address=address, ready="/health")

    backfill = Backfiller(tmp_path / "backfill", server.url, database.url).start("--start", str(days_ago(40)))
    assert backfill.wait(120) == EXIT_DONE, backfill.stderr
    database.wait_for_scrapes(6)
    wait_until(lambda: len(database.query("up", time.time())) == 2, "both jobs")

    # A restart of the exporter: stale markers would replace samples.
    exporter.terminate()
    wait_until(lambda: database.metrics()["vm_promscrape_scrapes_failed_total"] >= 4, "scrapes that fail")

    wanted = expected(portal, server.host, midnight(40), time.time() - 7200)
    stored = database.export(HISTORY)
    # Neither a second series nor a copy, although the scrapes overlap with the history.
    assert stored.keys() == wanted.keys()
    assert differences(by_end(stored), wanted, expected(portal, server.host, midnight(40), time.time())) == []
    counts = [{labels: len(each) for labels, each in found.items()} for found in (stored, by_end(stored))]
    assert counts[0] == counts[1]
    # A web page does not know the key.
    assert not http("POST", f"{database.url}/api/v1/admin/tsdb/delete_series", params={"match[]": "up"}).ok
