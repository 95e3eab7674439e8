"""`smarthub-exporter backfill` as people run it, with its configuration and state in a folder."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

import yaml

from exporter.clock import SystemClock
from exporter.simulator.answers import Question
from exporter.simulator.portal import SimulatedPortal, SimulatedResponse
from exporter.simulator.settings import Settings
from exporter.simulator.specs import UserSpec
from exporter.simulator.world import World

from .services import ROOT, ServiceError

ZONE = ZoneInfo(World().zone)


class InstantPortal(SimulatedPortal):
    """A portal that computes each answer once: what its simulation costs is nothing of what is tested."""

    def __init__(self, world: World, settings: Settings) -> None:
        super().__init__(world, SystemClock(), settings)
        self.polled: list[bytes] = []
        self._answers: dict[tuple[bytes, Settings], SimulatedResponse] = {}

    def _job(self, question: Question, body: bytes, settings: Settings) -> SimulatedResponse:
        self.polled.append(body)
        if (body, settings) not in self._answers:
            self._answers[body, settings] = super()._job(question, body, settings)
        return self._answers[body, settings]


def today() -> date:
    """The local day."""
    return datetime.now(ZONE).date()


def days_ago(days: int) -> date:
    """The local day so many days ago."""
    return today() - timedelta(days=days)


def midnight(day: date) -> int:
    """The instant at which a local day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp())


@dataclass(frozen=True)
class Result:
    """How a command ended and what it said."""

    code: int
    output: str
    errors: str

    def figure(self, name: str) -> str:
        """What the summary says after a word."""
        return next(
            line.removeprefix(f"  {name} ").strip() for line in self.output.splitlines() if f"  {name} " in line
        )


class Running:
    """A backfill on its way."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._files = [folder / name for name in ("output.txt", "errors.txt")]
        with self._files[0].open("wb") as output, self._files[1].open("wb") as errors:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it has ended by itself or was ended."""
        return self._process.poll() is not None

    @property
    def errors(self) -> str:
        """What it has said so far on standard error: a line a chunk that was written and read back, and trouble."""
        return self._files[1].read_text(encoding="utf-8")

    def kill(self) -> None:
        """End it at once, as a power failure would."""
        self._process.kill()
        self._process.wait()

    def wait(self, within: float = 150.0) -> Result:
        """How it ended."""
        try:
            code = self._process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServiceError(f"the backfill did not end within {within:g} s: {self.errors}") from None
        return Result(code, self._files[0].read_text(encoding="utf-8"), self.errors)


class Backfiller:
    """Runs backfills with one configuration. victoriametrics: its section; exporter: more keys of that one."""

    def __init__(
        self,
        folder: Path,
        portal_url: str,
        victoriametrics: Mapping[str, object],
        *,
        state: Path | None = None,
        exporter: Mapping[str, object] | None = None,
    ) -> None:
        self.folder = folder
        self.state = state or folder / "state"
        folder.mkdir(parents=True, exist_ok=True)
        user = UserSpec()
        login = {"api_url": portal_url, "username": user.username, "password": user.password, "timezone": ZONE.key}
        self._config = folder / "backfill.yaml"
        self._content: dict[str, object] = {
            "smarthub": login,
            "exporter": {"state_dir": str(self.state), **(exporter or {})},
        }
        self.configure(victoriametrics)

    def configure(self, victoriametrics: Mapping[str, object]) -> None:
        """Another victoriametrics section from the next run on."""
        content = self._content | {"victoriametrics": dict(victoriametrics)}
        self._config.touch(mode=0o600)
        self._config.write_text(yaml.safe_dump(content), encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        """The command with its flags."""
        return [sys.executable, "-m", "exporter", "backfill", "--config.file", str(self._config), "--yes", *arguments]

    def start(self, *arguments: str) -> Running:
        """Start it and leave it on its way."""
        return Running(self.command(*arguments), self.folder)

    def run(self, *arguments: str, within: float = 150.0) -> Result:
        """Run it to its end."""
        with self.start(*arguments) as running:
            return running.wait(within)
