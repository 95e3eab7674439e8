"""The exporter as people run it, on a simulated portal of this process."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from exporter.simulator.household import Household
from exporter.simulator.server import PortalServer
from exporter.simulator.specs import Channels, LocationSpec, MeterSpec, Resolution, UserSpec
from exporter.simulator.world import World

from .services import ROOT, Process, Services, free_port, http, wait_until

SOLAR = Household(5, people=1.2, heating=1.0, solar=7.0)


def house(number: int, *meters: MeterSpec, nickname: str = "") -> LocationSpec:
    """A service location by a small number."""
    return LocationSpec("55001", f"7{number:04}", meters, nickname)


def meter(number: int, channels: Channels = Channels.FORWARD, step: int = 900, **more: object) -> MeterSpec:
    """A meter by a small number."""
    household = Household(number) if channels is Channels.FORWARD else SOLAR
    return MeterSpec(f"8{number:04}", household, channels, step, **more)  # type: ignore[arg-type]


STREET = World(
    users=(UserSpec(),),
    locations=(
        house(1, meter(1, periods=True), nickname="House"),
        house(2, meter(2, Channels.THREE), nickname="Solar house"),
        house(3, meter(3, step=3600, cost=False), nickname="Barn"),
        house(4, meter(41, Channels.FORWARD_RETURN, 1800), meter(42, Channels.TOTAL, 300, cost=False)),
        house(5, meter(5, resolution=Resolution.DAYS)),
        house(6, meter(6, Channels.NET)),
        house(7, meter(7, Channels.SIGNED)),
        house(8, meter(8, Channels.UNKNOWN, 3600)),
        house(9, meter(9, resolution=Resolution.MONTHS)),
        LocationSpec("55009", "79999", (meter(99),), inactive=True),
    ),
)
"""A street with one of each kind of meter."""


class Exporter:
    """`smarthub-exporter serve` as a process of its own, with its configuration and state in a folder."""

    def __init__(self, services: Services, folder: Path, portal: PortalServer, **settings: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        user = portal.portal.world.users[0]
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self.config = folder / "config.yaml"
        content = {
            "smarthub": {
                "api_url": portal.url,
                "username": user.username,
                "password": user.password,
                "timezone": portal.portal.world.zone,
            },
            "exporter": {
                "listen_address": self.address,
                "refresh_interval": "1s",
                "state_dir": str(folder / "state"),
                **settings,
            },
        }
        self.config.write_text(yaml.safe_dump(content), encoding="utf-8")
        self.config.chmod(0o600)
        self.process: Process = services.process(
            sys.executable,
            ["-m", "exporter", "serve", "--config.file", str(self.config)],
            ready_url=f"{self.url}/-/healthy",
            environment={"PYTHONPATH": str(ROOT)},
            name="exporter",
        )

    def page(self, **query: str) -> str:
        """The metrics as text."""
        parameters = {f"{name}[]": value for name, value in query.items()}
        return http("GET", f"{self.url}/metrics", params=parameters).text

    def wait_for(self, condition: Callable[[str], bool], what: str, *, within: float = 30.0) -> None:
        """Until the page fulfils a condition."""
        wait_until(lambda: condition(self.page()), what, within=within)

    def wait_for_data(self, *, within: float = 60.0) -> None:
        """Until the first refresh has succeeded."""
        self.wait_for(lambda page: _last_success(page) > 0, "the first successful refresh", within=within)

    def wait_for_refreshes(self, count: int = 1, *, within: float = 60.0) -> None:
        """Until so many more refreshes have succeeded, begun after now."""
        for _ in range(count):
            asked = time.time()
            self.wait_for(
                lambda page, asked=asked: _last_success(page) > asked,  # type: ignore[misc]
                "a successful refresh",
                within=within,
            )


def _last_success(page: str) -> float:
    lines = [line for line in page.splitlines() if line.startswith("smarthub_last_refresh_success_timestamp_seconds{")]
    return max((float(line.rpartition(" ")[2]) for line in lines), default=0.0)
