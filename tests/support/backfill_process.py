"""`smarthub-exporter backfill` as a process, with its files in a folder."""

import re
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

from exporter.clock import SystemClock
from exporter.simulator.points import Question
from exporter.simulator.settings import Settings
from exporter.simulator.specs import UserSpec
from exporter.simulator.truth import Almanac
from exporter.simulator.world import World

from .portal import CachingPortal
from .program import Program, Starter, login
from .worlds import ZONE, instant


class InstantPortal(CachingPortal):
    """A simulated portal that computes each answer only once, whatever the time."""

    def __init__(self, world: World, settings: Settings) -> None:
        super().__init__(world, SystemClock(), settings)
        self.answers: dict[tuple[bytes, Settings], bytes] = {}

    def _answer(self, question: Question, body: bytes, almanac: Almanac) -> bytes:
        key = body, replace(almanac.settings, pending=0)
        if key not in self.answers:
            self.answers[key] = super()._answer(question, body, almanac)
        return self.answers[key]


def days_ago(days: int) -> date:
    """Return the local day `days` days ago."""
    return datetime.now(ZONE).date() - timedelta(days=days)


def midnight(days: int) -> int:
    """Return the instant at which the local day `days` days ago began."""
    return instant(days_ago(days).isoformat())


class Backfiller(Starter):
    """Run backfills into VictoriaMetrics.

    `database` holds more keys for its section of the configuration.
    """

    def __init__(self, folder: Path, portal_url: str, database_url: str, **database: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder)
        self.state = folder / "state"
        self._portal_url = portal_url
        self.configure(url=database_url, **database)

    def configure(self, **database: object) -> None:
        """Replace the victoriametrics section from the next run on."""
        who = login(api_url=self._portal_url, password=UserSpec().password)
        self.config({**who, "exporter": {"state_dir": str(self.state)}, "victoriametrics": database})

    def start(self, *arguments: str, **variables: str) -> Program:
        """Start a backfill and return while it is running."""
        return super().start("backfill", "--yes", *arguments, **variables)


def figure(done: Program, name: str) -> str:
    """Return what the summary of a backfill says after a word."""
    found = re.search(rf"^  {name} +(.*)$", done.stdout, re.MULTILINE)
    assert found is not None, done.stdout
    return found[1]
