"""`smarthub-exporter serve` as a process, with a simulated portal in this one."""

import sys
import time
from pathlib import Path

from exporter.simulator.household import Household
from exporter.simulator.server import PortalServer
from exporter.simulator.specs import Channels, LocationSpec, MeterSpec, Resolution, UserSpec
from exporter.simulator.world import World

from .program import Starter, login
from .services import ROOT, Service, Services, free_address, wait_until

SOLAR = Household(5, people=1.2, heating=1.0, solar=7.0)


def house(number: int, *meters: MeterSpec, nickname: str = "") -> LocationSpec:
    """Return a service location. `number` is the end of its real number."""
    return LocationSpec("55001", f"7{number:04}", meters, nickname)


def meter(number: int, channels: Channels = Channels.FORWARD, step: int = 900, **more: object) -> MeterSpec:
    """Return a meter. `number` is the end of its real number."""
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
"""A street with a meter of every kind."""


class Exporter(Service):
    """`smarthub-exporter serve` as a process, with its files in a folder."""

    def __init__(self, services: Services, folder: Path, portal: PortalServer, **settings: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        address = free_address()
        world = portal.portal.world
        who = login(api_url=portal.url, password=world.users[0].password, timezone=world.zone)
        own = {"listen_address": address, "refresh_interval": "1s", "state_dir": str(folder / "state"), **settings}
        config = Starter(folder).config({**who, "exporter": own})
        super().__init__(
            sys.executable,
            ["-m", "exporter", "serve", "--config.file", str(config)],
            folder=folder,
            address=address,
            ready="/-/healthy",
            environment={"PYTHONPATH": str(ROOT)},
            name="exporter",
        )
        services.enter_context(self)
        self.wait_for_refresh(after=0)

    def page(self, collect: str | None = None, **headers: str) -> str:
        """Return the metrics page as text."""
        return self.ask("GET", "/metrics", params={"collect[]": collect}, headers=headers).text

    def wait_for_refresh(self, *, after: float | None = None) -> None:
        """Wait for a successful refresh that began after `after`, which is now by default."""
        begins = time.time() if after is None else after
        name = "smarthub_last_refresh_success_timestamp_seconds"
        wait_until(lambda: self.metrics()[name] > begins, "a successful refresh")
