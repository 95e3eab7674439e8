"""`simulate`: a SmartHub portal that is not there, for trying configurations, compose files and dashboards."""

import argparse
import json

from ..clock import SystemClock
from ..config import parse_listen_address, parse_zone
from ..errors import EXIT_DONE, ConfigError
from ..process import Stopping
from ..simulator.portal import SimulatedPortal
from ..simulator.server import CALLS, SETTINGS, PortalServer
from ..simulator.settings import Settings
from ..simulator.specs import UserSpec
from ..simulator.world import World

DEFAULT_ADDRESS = "127.0.0.1:10059"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `simulate`."""
    parser.add_argument(
        "--listen-address",
        dest="portal_address",
        metavar="HOST:PORT",
        default=DEFAULT_ADDRESS,
        help=f"where to listen (default {DEFAULT_ADDRESS})",
    )
    parser.add_argument("--timezone", default=World().zone, help=f"the co-op's zone (default {World().zone})")
    parser.add_argument(
        "--set",
        dest="switches",
        metavar="SWITCH=VALUE",
        action="append",
        default=[],
        help=f"make it misbehave, e.g. --set lag=3600 --set dst=merged (repeatable; {SETTINGS} lists them all)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run until asked to end. Raises ConfigError or ListenError."""
    stopping = Stopping()
    try:
        host, port = parse_listen_address(arguments.portal_address)
        zone = parse_zone(arguments.timezone).key
    except ValueError as error:
        raise ConfigError(f"simulate: {error}") from None
    world = World(zone=zone)
    server = PortalServer(SimulatedPortal(world, SystemClock(), _settings(arguments.switches)), host, port).start()
    print(introduction(server.url, world), flush=True)  # noqa: T201 - the result
    print(f'\nIts switches: curl {server.url}{SETTINGS}; change one with -d \'{{"sign_in": "failure"}}\'')  # noqa: T201
    print(f"Its calls so far: curl {server.url}{CALLS}", flush=True)  # noqa: T201
    stopping.wait()
    server.stop()
    return EXIT_DONE


def introduction(url: str, world: World) -> str:
    """Where the simulated portal is and what a configuration for it looks like."""
    user: UserSpec = world.users[0]
    return (
        f"Simulated portal on {url}, for this configuration:\n\n"
        "smarthub:\n"
        f"  api_url: {url}\n"
        f"  username: {user.username}\n"
        f"  password: {user.password}\n"
        f"  timezone: {world.zone}"
    )


def _settings(switches: list[str]) -> Settings:
    changes = {}
    for switch in switches:
        name, equals, value = switch.partition("=")
        if not equals:
            raise ConfigError(f"--set {switch}: give SWITCH=VALUE, for example lag=3600")
        try:
            changes[name] = json.loads(value)
        except ValueError:
            changes[name] = value
    try:
        return Settings().changed(changes)
    except ValueError as error:
        raise ConfigError(f"--set: {error}") from None
