"""From an empty directory to a scraped page by three commands, as docs/commands.md shows them."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.clock import SystemClock
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Settings
from exporter.simulator.world import World

from ..support.program import Starter
from ..support.project_files import read
from ..support.services import free_address, http
from ..support.typist import Typist

PASSWORD = World().users[0].password


@pytest.fixture
def portal() -> Iterator[PortalServer]:
    settings = replace(Settings(), lag=9 * 3600.0, pending=0)
    with PortalServer(SimulatedPortal(World(), SystemClock(), settings)) as server:
        yield server


def shape(text: str) -> list[str]:
    """Return the lines of a screen without figures, ages, bars and dates."""
    text = re.sub(r"(\d+ (days?|hours?|minutes?|seconds?|h|min|d|s) ?)+ago", "(age) ago", text)
    text = re.sub(r"\w+day \d", "(weekday) 0", text)
    text = re.sub(r"(127\.0\.0\.1|localhost):\d+", "(host)", text)
    lines = [
        line for line in text.replace("\r\n", "\n").splitlines() if not re.fullmatch(r"[\s\d.▁▂▃▄▅▆▇█·│└─]*", line)
    ]
    return [re.sub(r"[\d,.]*\d", "0", line).rstrip() for line in lines]


def recorded(command: str) -> list[str]:
    """Return the output of a command in docs/commands.md, in the form of `shape`."""
    (block,) = re.findall(
        rf"^```console\n\$ (smarthub-exporter {command}\b.*?)^```", read("docs/commands.md"), re.MULTILINE | re.DOTALL
    )
    return shape(block.partition("\n")[2])


def test_the_recorded_commands_lead_to_a_scraped_page(portal: PortalServer, starter: Starter) -> None:
    # No spinner, no colors: the screen shows exactly the output.
    environment = {**starter.environment, "TERM": "dumb", "LANG": "C.UTF-8"}
    address = free_address()
    with ExitStack() as stack:

        def types(*arguments: str) -> Typist:
            screen = Typist(*arguments, folder=starter.folder, environment=environment)
            stack.callback(screen.close)
            return screen

        # Another program may be the database on this machine.
        discover = types("discover", "--write", "config.yaml", "--database", "none")
        discover.answer("such as novec.smarthub.coop):", portal.url)
        discover.answer("Is this your co-op? [Y/n]:", "")
        discover.answer("you sign in with):", "member@example.org")
        discover.answer("Password (not shown):", PASSWORD)
        discover.answer("readable only by you? [Y/n]:", "")
        assert discover.wait() == 0
        assert PASSWORD not in discover.shown
        assert shape(discover.shown) == [line for line in recorded("discover") if "connection refused" not in line]

        check = types("check")
        assert check.wait() == 0
        told, shown = recorded("check"), shape(check.shown)
        middle = told.index("[...]")
        first, last = told[:middle], told[middle + 1 :]
        assert (shown[: len(first)], shown[-len(last) :]) == (first, last)

        serve = types("serve", "--web.listen-address", address)
        serve.see('3 locations"')
        times = r"time=\S+ |address=\S+"
        assert shape(re.sub(times, "", serve.shown)) == [re.sub(times, "", each) for each in recorded("serve")]
        page = http("GET", f"http://{address}/metrics", params={"collect[]": "intervals"}).text
        serve.type("\x03")
        assert serve.wait() == 0

    house = World().locations[0].meters[0]
    family = next(each for each in text_string_to_metric_families(page) if each.name == "smarthub_interval_usage_kwh")
    found = {
        int(float(sample.timestamp or 0)) + 1: sample.value
        for sample in family.samples
        if sample.labels["meter"] == "81001"
    }
    ends = sorted(found)
    truth = {each.end: each.usage for each in portal.portal.almanac.intervals(house, ends[0] - 900, ends[-1])}
    assert len(found) > 600
    assert found == truth
