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
from ..process import Stopping
from ..storage.state import StateFile
from ..web.auth import WebConfig

log = logging.getLogger(__name__)


def add_web_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of whatever serves, as other Prometheus exporters have them."""
    parser.add_argument(
        "--web.listen-address", dest="listen_address", metavar="HOST:PORT", help="where to listen (default :10058)"
    )
    parser.add_argument(
        "--web.telemetry-path",
        dest="telemetry_path",
        metavar="PATH",
        default="/metrics",
        help="path of the metrics (default /metrics)",
    )
    parser.add_argument(
        "--web.config.file",
        dest="web_config",
        metavar="FILE",
        type=Path,
        help="TLS and basic authentication, in the format of the Prometheus exporter toolkit",
    )


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `serve`."""
    add_web_flags(parser)
    parser.add_argument(
        "--config.check", dest="check_only", action="store_true", help="only check the configuration, then end"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until asked to end. Raises ConfigError or ListenError."""
    stopping = Stopping()
    overrides = Overrides(listen_address=arguments.listen_address, state_dir=arguments.state_dir)
    config = load_config(arguments.config_file, os.environ, overrides)
    telemetry_path = checked_path(arguments.telemetry_path)
    web_config = WebConfig(arguments.web_config) if arguments.web_config else None
    for warning in config.warnings:
        log.warning("%s", warning)
    if arguments.check_only:
        print(f"The configuration is valid: {len(config.logins)} login(s).")  # noqa: T201 - the result
        return EXIT_DONE
    log.info("smarthub-exporter %s starts", __version__)
    clock = SystemClock()
    state = StateFile(config.exporter.state_dir)
    service = Service(config, state, clock, web_config=web_config, telemetry_path=telemetry_path).start()
    log.info("listening", extra={"address": address_of(service), "url": service.server.url})
    stopping.wait()
    log.info("ending")
    clock.stop()
    service.stop()
    return EXIT_DONE


def checked_path(path: str) -> str:
    """A telemetry path that does not hide another page. Raises ConfigError."""
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path) or path.startswith("/-/"):
        raise ConfigError(f"--web.telemetry-path: {path!r} is no path of its own, give one such as /metrics")
    return path


def address_of(service: Service) -> str:
    """Host and port that the service is really bound to."""
    host, port = service.server.address
    return f"{bracketed(host)}:{port}"
