"""`demo`: the exporter on a simulated portal, with nothing to configure."""

import argparse
from dataclasses import replace
from pathlib import Path

from ..app import Service
from ..clock import SystemClock
from ..config import Config, ExporterConfig, Login, Secret, parse_zone, portal_address
from ..errors import EXIT_DONE, ListenError
from ..process import Stopping
from ..simulator.portal import SimulatedPortal
from ..simulator.server import PortalServer
from ..simulator.settings import Settings
from ..simulator.world import World
from ..storage.state import StateFile
from ..web.auth import WebConfig
from .serve import add_web_flags, checked_path
from .simulate import DEFAULT_ADDRESS

_LAG_AT_START = 36 * 3600.0  # below 48 hours, so that the status page does not report the data as late
_STEP = 900.0
_SECONDS_PER_STEP = 3.0  # one new interval each time, so that something happens on the status page
_REFRESH_SECONDS = 3


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `demo`."""
    add_web_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve the demo until a signal stops it. Raises ConfigError or ListenError."""
    stopping = Stopping()
    clock = SystemClock()
    world = World()
    portal = SimulatedPortal(world, clock, Settings(lag=_LAG_AT_START, pending=0))
    server = _portal_server(portal).start()
    config = _config(server.url, world, arguments.listen_address)
    web_config = WebConfig(arguments.web_config) if arguments.web_config else None
    path = checked_path(arguments.telemetry_path)
    service = Service(config, clock, web_config=web_config, telemetry_path=path)
    service.listen()
    service.start(StateFile(Path(arguments.state_dir) if arguments.state_dir else None))
    url = service.server.url.rstrip("/")
    print(_introduction(url, path, server.url), flush=True)  # noqa: T201 - the result
    # Post one interval after the other until the portal has caught up with the present, or a signal arrives.
    while not stopping.wait(_SECONDS_PER_STEP):
        lag = max(0.0, portal.settings.lag - _STEP - _SECONDS_PER_STEP)
        portal.settings = replace(portal.settings, lag=lag)
    clock.stop()
    service.stop()
    server.stop()
    return EXIT_DONE


def _portal_server(portal: SimulatedPortal) -> PortalServer:
    host, _, port = DEFAULT_ADDRESS.rpartition(":")
    try:
        return PortalServer(portal, host, int(port))
    except ListenError:
        return PortalServer(portal, host)


def _config(url: str, world: World, listen_address: str | None) -> Config:
    user = world.users[0]
    login = Login(
        name="demo",
        portal=portal_address(url),
        username=user.username,
        password=Secret(user.password),
        zone=parse_zone(world.zone),
    )
    exporter = ExporterConfig(refresh_interval=_REFRESH_SECONDS)
    return Config((login,), replace(exporter, listen_address=listen_address) if listen_address else exporter)


def _introduction(url: str, path: str, portal_url: str) -> str:
    return (
        "The demo is running: a simulated co-op with a house, a solar house and a barn, and a week of data.\n"
        f"  Status page  {url}/\n"
        f"  Metrics      {url}{path}\n"
        f"  Portal       {portal_url} (simulated)\n"
        f"A new interval is posted every {_SECONDS_PER_STEP:.0f} seconds. Press Ctrl-C to stop."
    )
