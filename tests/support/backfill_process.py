"""`smarthub-exporter backfill` as a process, with its files in a folder."""

import re
from datetime import date, datetime, timedelta
from pathlib import Path

from exporter.clock import SystemClock
from exporter.simulator.points import Question
from exporter.simulator.portal import SimulatedPortal, SimulatedResponse
from exporter.simulator.settings import Settings
from exporter.simulator.specs import UserSpec
from exporter.simulator.world import World

from .program import Program, Starter, login
from .worlds import ZONE, instant


class InstantPortal(SimulatedPortal):
    """A simulated portal that computes each answer only once, to save time."""

    _PENDING = SimulatedResponse(200, b'{"status": "PENDING"}')

    def __init__(self, world: World, settings: Settings) -> None:
        super().__init__(world, SystemClock(), settings)
        self._answers: dict[tuple[bytes, Settings], SimulatedResponse] = {}

    def _job(self, question: Question, body: bytes, settings: Settings) -> SimulatedResponse:
        known = self._answers.get((body, settings))
        if known is not None:
            return self._PENDING if self._is_pending(body) else known
        response = super()._job(question, body, settings)
        if response != self._PENDING:
            self._answers[body, settings] = response
        return response


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
