"""From an empty folder to a scraped page as README tells it: three commands, typed by a person on a terminal."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from exporter.clock import SystemClock
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Settings
from exporter.simulator.world import World

from ..support.deadlines import DEADLINE
from ..support.services import ROOT, free_port

pytestmark = pytest.mark.e2e

README = (ROOT / "README.md").read_text(encoding="utf-8")
PASSWORD = World().users[0].password
_TAKES_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    " os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


class Person:
    """Somebody at a terminal of 110 columns, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "TERM": "dumb",  # no spinner, no colours: what is seen is what was printed
            "COLUMNS": "110",
            "LANG": "C.UTF-8",
            "NO_PROXY": "*",
        }
        self._running: list[subprocess.Popen[bytes]] = []

    def runs(self, *arguments: str, answers: Sequence[tuple[str, str]] = (), until: str = "") -> str:
        """What the screen shows of a command, to its end or to some text. Each answer waits for its question."""
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-c", _TAKES_TERMINAL, "-m", "exporter", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=self._folder,
            env=self._environment,
            start_new_session=True,
        )
        os.close(slave)
        self._running.append(process)
        shown, typed, deadline = "", list(answers), time.monotonic() + DEADLINE
        while not (until and until in shown):
            assert time.monotonic() < deadline, f"waited in vain: {shown}"
            if not select.select([master], [], [], 0.5)[0]:
                continue
            try:
                part = os.read(master, 65536)
            except OSError:  # EIO: the program has let go of the terminal
                break
            shown += part.decode()
            if typed and shown.rstrip(" ").endswith(typed[0][0]):
                os.write(master, f"{typed.pop(0)[1]}\n".encode())
        assert not typed, f"never asked: {typed}; {shown}"
        if not until:
            assert process.wait(DEADLINE) == 0, shown
            os.close(master)
        return shown.replace("\r\n", "\n")

    def ends_what_runs(self) -> list[int]:
        """Ctrl-C; gives the exit codes of what was still running."""
        running = [process for process in self._running if process.poll() is None]
        for process in running:
            process.send_signal(signal.SIGINT)
        return [process.wait(10) for process in running]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            process.kill()
            process.wait()


@pytest.fixture
def portal() -> Iterator[PortalServer]:
    settings = replace(Settings(), lag=9 * 3600.0, pending=0)
    with PortalServer(SimulatedPortal(World(), SystemClock(), settings)) as server:
        yield server


def shape(text: str) -> list[str]:
    """The lines of a screen without what differs from day to day: figures, ages, bars, and the words of a date."""
    text = re.sub(r"(\d+ (days?|hours?|minutes?|seconds?|h|min|d|s) ?)+ago", "(age) ago", text)
    text = re.sub(r"\w+day \d", "(weekday) 0", text)
    text = re.sub(r"(127\.0\.0\.1|localhost):\d+", "(host)", text)
    lines = [line for line in text.splitlines() if not re.fullmatch(r"[\s\d.▁▂▃▄▅▆▇█·]*", line)]
    return [re.sub(r"[\d,.]*\d", "0", line).rstrip() for line in lines]


def recorded(command: str) -> list[str]:
    """The shape of what README shows of a command."""
    (block,) = re.findall(rf"^```console\n\$ (smarthub-exporter {command}\b.*?)^```", README, re.MULTILINE | re.DOTALL)
    return shape(block.partition("\n")[2])


def halves(lines: list[str]) -> tuple[list[str], list[str]]:
    """What stands before and behind the mark for what README leaves out."""
    middle = lines.index("[...]")
    return lines[:middle], lines[middle + 1 :]


def test_the_three_commands_of_readme_lead_from_nothing_to_a_scraped_page(portal: PortalServer, tmp_path: Path) -> None:
    with Person(tmp_path) as person:
        discovered = person.runs(
            "discover",
            "--write",
            "config.yaml",
            answers=[
                ("such as novec.smarthub.coop):", portal.url),
                ("that you sign in with):", "member@example.org"),
                ("Password (not shown):", PASSWORD),
                ("[y/N]:", "y"),
            ],
        )
        assert PASSWORD not in discovered
        assert shape(discovered) == recorded("discover")
        checked = person.runs("check")
        first, last = halves(recorded("check"))
        assert (shape(checked)[: len(first)], shape(checked)[-len(last) :]) == (first, last)

        port = free_port()
        person.runs("serve", "--web.listen-address", f"127.0.0.1:{port}", until="3 locations")
        page = requests.get(f"http://127.0.0.1:{port}/metrics", params={"collect[]": "intervals"}, timeout=10).text
        assert person.ends_what_runs() == [0]

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
