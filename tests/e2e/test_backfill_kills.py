"""Backfills with random kills: in the end, the database holds the truth.

`make kill` runs more of them, with several seeds.
"""

import contextlib
import math
import os
import random
import sqlite3
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from exporter.clock import SystemClock
from exporter.errors import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.settings import Settings
from exporter.storage.entries import CHUNK
from exporter.storage.state import FILE

from ..support.backfill_process import Backfiller, days_ago, midnight
from ..support.deadlines import DEADLINE
from ..support.portal_process import HOURLY_HOUSE
from ..support.program import Program
from ..support.services import ROOT, Service, Services, free_address, free_port, wait_until
from ..support.truth import Expected, by_end, differences, expected

SEEDS = [int(seed) for seed in os.environ.get("KILL_SEEDS", "20261122").split()]
ROUNDS = int(os.environ.get("KILL_ROUNDS", "3"))
AT_ONCE = 3
VICTIMS = ("backfill", "serve", "database", "portal")
CHUNKS = 10
FIRST, LAST = 304, 5  # days ago; the newest days are fetched together
ALL = '{__name__=~"smarthub_.*"}'


@dataclass(frozen=True)
class Kill:
    """What to kill, and when: after polls, chunks written, or seconds."""

    victim: str
    event: str
    count: float
    later: float
    away: float

    @staticmethod
    def at_random(dice: random.Random) -> "Kill":
        victim = dice.choice(VICTIMS)
        event = dice.choice(["polls", "chunks", "seconds"])
        count = dice.uniform(0.3, 6) if event == "seconds" else dice.randint(1, CHUNKS)
        return Kill(victim, event, count, dice.uniform(0, 0.3), dice.uniform(0, 2.5))


@dataclass
class Round:
    """A portal, a database, a running exporter, and backfills of ten chunks of an hourly meter, with kills."""

    services: Services
    folder: Path
    dice: random.Random
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.diary = self.folder / "diary.txt"
        self.diary.touch()
        port = free_port()
        latency = self.dice.choice([0.0, 0.1, 0.4])
        self.portal = self.services.start(
            Service,
            sys.executable,
            ["-m", "tests.support.portal_process", str(port), str(self.diary), str(latency)],
            address=f"127.0.0.1:{port}",
            ready="/simulator/calls",
            environment={"PYTHONPATH": str(ROOT)},
            name="portal",
        )
        self.database = self.services.victoria_metrics()
        self.backfiller = Backfiller(self.folder, self.portal.url, self.database.url)
        address = free_address()
        # It has the same state.
        self.exporter = self.services.start(
            Service,
            sys.executable,
            ["-m", "exporter", "serve", "--web.listen-address", address],
            folder=self.folder,
            address=address,
            ready="/-/healthy",
            environment=self.backfiller.environment,
            name="exporter",
        )

    def live_through(self, kills: int) -> None:
        """Kill parts of the backfill and repeat the command until everything is done."""
        running = self._start()
        for _ in range(kills):
            kill = Kill.at_random(self.dice)
            if not self._comes(kill, running):
                break
            time.sleep(kill.later)
            self.told.append(f"{kill}")
            running = self._do(kill, running)
        for _ in range(5):
            code = running.wait(2 * DEADLINE)
            self._check_diary()
            self.told.append(f"ended with {code}: {running.stderr[-300:]}")
            if code == EXIT_DONE:
                return
            assert code in (EXIT_FAILED, EXIT_PARTLY)
            running = self._start()
        raise AssertionError("five runs were not enough")

    def _start(self) -> Program:
        """Run the command. Chunks done before must not be requested again."""
        self.done_before = set(self._done())
        self.asked_before = len(self._asked())
        return self.backfiller.start("--start", str(days_ago(FIRST)), "--end", str(days_ago(LAST)))

    def _comes(self, kill: Kill, running: Program) -> bool:
        """Wait for the moment of a kill. Return False if the backfill ends earlier."""
        began = time.monotonic()
        counts: dict[str, Callable[[], float]] = {
            "polls": lambda: len(self._asked()) - self.asked_before,
            "chunks": lambda: running.stderr.count("samples sent"),
            "seconds": lambda: time.monotonic() - began,
        }

        def has_ended() -> bool:
            return running.process.poll() is not None

        wait_until(lambda: has_ended() or counts[kill.event]() >= kill.count, f"{kill}", within=2 * DEADLINE)
        return not has_ended()

    def _do(self, kill: Kill, running: Program) -> Program:
        if kill.victim == "backfill":
            running.kill()
            self._check_diary()
            return self._start()
        service = {"database": self.database, "portal": self.portal, "serve": self.exporter}[kill.victim]
        service.kill()
        time.sleep(kill.away)
        service.start()
        return running

    def _check_diary(self) -> None:
        assert self.done_before.isdisjoint(self._asked()[self.asked_before :])

    def _asked(self) -> list[int]:
        """Return the chunks that were requested from the portal, by their start."""
        return [int(line) for line in self.diary.read_text(encoding="utf-8").splitlines()]

    def _done(self) -> list[int]:
        """Return the chunks that are done according to the journal."""
        return [start for start, _ in self._entries(CHUNK)]

    def _entries(self, kind: str) -> list[tuple[int, str]]:
        """Return start and name of the entries of a kind in the state."""
        if not (self.backfiller.state / FILE).exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{self.backfiller.state / FILE}?mode=ro", uri=True)) as state:
            try:
                return state.execute("SELECT start, name FROM entry WHERE kind = ?", [kind]).fetchall()
            except sqlite3.OperationalError:  # not created yet, or locked
                return []

    def check(self, wanted: Expected) -> None:
        """Expect exactly the truth without copies, and nothing left to do."""
        stored = self.database.export(ALL)
        assert differences(by_end(stored), wanted) == []
        for samples in stored.values():
            seconds = [math.ceil(stamp / 1000) for stamp, _ in samples]
            assert len(seconds) == len(set(seconds))
        assert self._done() == []
        assert self._entries("database_snapshot") == []
        self.database.terminate()
        # Without deduplication copies are visible. With reduce_mem_usage=1, 1.79.5 sometimes mixes up blocks.
        copy = self.services.victoria_metrics(without=["-dedup.minScrapeInterval"], folder=self.database.folder)
        for labels, samples in copy.export(ALL).items():
            assert {(math.ceil(stamp / 1000), value) for stamp, value in samples} == set(wanted[labels].items())


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_command_always_completes_the_history(tmp_path: Path, seed: int) -> None:
    first, after = midnight(FIRST), midnight(LAST - 1)
    almanac = SimulatedPortal(HOURLY_HOUSE, SystemClock(), Settings(pending=0))

    def live(number: int) -> list[str]:
        # The kernel ends a service with the thread that started it, so each round has one thread.
        folder = tmp_path / f"round-{number}"
        with Services(folder) as services:
            each = Round(services, folder / "backfill", random.Random(seed + number))
            try:
                each.live_through(kills=1 + number % 4)
                each.check(expected(almanac, each.portal.address, first, after))
            except Exception as error:
                error.add_note(f"round {number}: " + "\n".join(each.told))
                raise
            return each.told

    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = list(pool.map(live, range(ROUNDS)))

    kills = [line for lines in told for line in lines if line.startswith("Kill")]
    assert kills
    if len(kills) >= 20:  # with fewer, one may be missing by chance
        assert all(any(f"'{victim}'" in line for line in kills) for victim in VICTIMS)
