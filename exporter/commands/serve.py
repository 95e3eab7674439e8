"""`serve`: the exporter itself."""

import argparse
import logging
import os
import re
from pathlib import Path

from .. import __version__
from ..app import Service
from ..clock import SystemClock
from ..config import Overrides, bracketed, load_config
from ..errors import EXIT_DONE, ConfigError
from ..formatting import counted
from ..process import Stopping
from ..storage.state import StateFile
from ..web.auth import WebConfig

log = logging.getLogger(__name__)


def add_web_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of an HTTP server, named as in other Prometheus exporters."""
    parser.add_argument(
        "--web.listen-address",
        dest="listen_address",
        metavar="HOST:PORT",
        help="address to listen on (default: :10058)",
    )
    parser.add_argument(
        "--web.telemetry-path",
        dest="telemetry_path",
        metavar="PATH",
        default="/metrics",
        help="path of the metrics (default: /metrics)",
    )
    parser.add_argument(
        "--web.config.file",
        dest="web_config",
        metavar="FILE",
        type=Path,
        help="TLS and basic authentication, in the format of the Prometheus exporter toolkit",
    )


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `serve`."""
    add_web_flags(parser)
    parser.add_argument(
        "--config.check", dest="check_only", action="store_true", help="check the configuration and exit"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal comes. Raises ConfigError or ListenError."""
    stopping = Stopping()
    overrides = Overrides(listen_address=arguments.listen_address, state_dir=arguments.state_dir)
    config = load_config(arguments.config_file, os.environ, overrides)
    telemetry_path = checked_path(arguments.telemetry_path)
    web_config = WebConfig(arguments.web_config) if arguments.web_config else None
    for warning in config.warnings:
        log.warning("%s", warning)
    if arguments.check_only:
        print(f"The configuration is valid: {counted(len(config.logins), 'login')}.")  # noqa: T201 - the result
        return EXIT_DONE
    log.info("starting smarthub-exporter %s", __version__)
    clock = SystemClock()
    service = Service(config, clock, web_config=web_config, telemetry_path=telemetry_path)
    service.listen()
    host, port = service.server.address
    log.info("listening", extra={"address": f"{bracketed(host)}:{port}", "url": service.server.url})
    service.start(StateFile(config.exporter.state_dir))
    stopping.wait()
    log.info("shutting down")
    clock.stop()
    service.stop()
    return EXIT_DONE


def checked_path(path: str) -> str:
    """Return a telemetry path that hides no other page. Raises ConfigError."""
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path) or path.startswith("/-/"):
        raise ConfigError(f"--web.telemetry-path: {path!r} cannot be used; choose a path such as /metrics")
    return path
