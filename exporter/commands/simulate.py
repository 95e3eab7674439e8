"""`simulate`: a simulated SmartHub portal, for trying out configurations, compose files and dashboards."""

import argparse
import json

from ..clock import SystemClock
from ..config import parse_listen_address, parse_zone
from ..errors import EXIT_DONE, ConfigError
from ..process import Stopping
from ..simulator.portal import SimulatedPortal
from ..simulator.server import CALLS, SETTINGS, PortalServer
from ..simulator.settings import Settings
from ..simulator.world import World

DEFAULT_ADDRESS = "127.0.0.1:10059"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `simulate`."""
    parser.add_argument(
        "--listen-address",
        dest="portal_address",
        metavar="HOST:PORT",
        default=DEFAULT_ADDRESS,
        help=f"address to listen on (default: {DEFAULT_ADDRESS})",
    )
    parser.add_argument("--timezone", default=World().zone, help=f"the co-op's time zone (default: {World().zone})")
    parser.add_argument(
        "--set",
        dest="switches",
        metavar="SWITCH=VALUE",
        action="append",
        default=[],
        help=f"change how the portal behaves, such as lag=3600 (repeatable; {SETTINGS} lists all switches)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve the simulated portal until a signal stops it. Raises ConfigError or ListenError."""
    stopping = Stopping()
    try:
        host, port = parse_listen_address(arguments.portal_address)
    except ValueError as error:
        raise ConfigError(f"--listen-address: {error}") from None
    try:
        zone = parse_zone(arguments.timezone).key
    except ValueError as error:
        raise ConfigError(f"--timezone: {error}") from None
    world = World(zone=zone)
    server = PortalServer(SimulatedPortal(world, SystemClock(), _settings(arguments.switches)), host, port).start()
    print(_introduction(server.url, world), flush=True)  # noqa: T201 - the result
    stopping.wait()
    server.stop()
    return EXIT_DONE


def _introduction(url: str, world: World) -> str:
    """Return the portal's address, a configuration for it, and how to change it."""
    user = world.users[0]
    return (
        f"The simulated portal is running on {url}. To use it, put this in config.yaml:\n\n"
        "smarthub:\n"
        f"  api_url: {url}\n"
        f"  username: {user.username}\n"
        f"  password: {user.password}\n"
        f"  timezone: {world.zone}\n\n"
        f"List its settings: curl {url}{SETTINGS}\n"
        f'Change a setting: curl {url}{SETTINGS} -d \'{{"sign_in": "failure"}}\'\n'
        f"Count its calls: curl {url}{CALLS}\n"
        f"Find it by its name, {world.name}, in discover: SMARTHUB_DIRECTORY_URL={url}"
    )


def _settings(switches: list[str]) -> Settings:
    changes = {}
    for switch in switches:
        name, equals, value = switch.partition("=")
        if not equals:
            raise ConfigError(f"--set {switch}: expected SWITCH=VALUE, such as lag=3600")
        try:
            changes[name] = json.loads(value)
        except ValueError:
            changes[name] = value
    try:
        return Settings().changed(changes)
    except ValueError as error:
        raise ConfigError(f"--set: {error}") from None
