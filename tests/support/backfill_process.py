"""`smarthub-exporter backfill` as people run it, with its configuration and state in a folder."""

import re
from datetime import date, datetime, timedelta
from pathlib import Path

from exporter.clock import SystemClock
from exporter.simulator.answers import Question
from exporter.simulator.portal import SimulatedPortal, SimulatedResponse
from exporter.simulator.settings import Settings
from exporter.simulator.specs import UserSpec
from exporter.simulator.world import World

from .program import Program, Starter, login
from .worlds import ZONE, instant


class InstantPortal(SimulatedPortal):
    """A portal that computes each answer once: what its simulation costs is nothing of what is tested."""

    def __init__(self, world: World, settings: Settings) -> None:
        super().__init__(world, SystemClock(), settings)
        self._answers: dict[tuple[bytes, Settings], SimulatedResponse] = {}

    def _job(self, question: Question, body: bytes, settings: Settings) -> SimulatedResponse:
        if (body, settings) not in self._answers:
            self._answers[body, settings] = super()._job(question, body, settings)
        return self._answers[body, settings]


def days_ago(days: int) -> date:
    """The local day so many days ago."""
    return datetime.now(ZONE).date() - timedelta(days=days)


def midnight(day: date) -> int:
    """The instant at which a local day begins."""
    return instant(day.isoformat())


class Backfiller(Starter):
    """Runs backfills into a VictoriaMetrics, given as its section of the configuration."""

    def __init__(self, folder: Path, portal_url: str, database_url: str, **database: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder)
        self.state = folder / "state"
        self._portal_url = portal_url
        self.configure(url=database_url, **database)

    def configure(self, **database: object) -> None:
        """Another victoriametrics section from the next run on."""
        who = login(api_url=self._portal_url, password=UserSpec().password)
        self.config({**who, "exporter": {"state_dir": str(self.state)}, "victoriametrics": database})

    def start(self, *arguments: str, **variables: str) -> Program:
        """Start it and leave it on its way."""
        return super().start("backfill", "--yes", *arguments, **variables)


def figure(done: Program, name: str) -> str:
    """What the summary of a backfill says after a word."""
    found = re.search(rf"^  {name} +(.*)$", done.stdout, re.MULTILINE)
    assert found is not None, done.stdout
    return found[1]
