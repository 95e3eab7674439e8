"""`healthcheck`: is the exporter healthy? For containers without curl."""

import argparse
import os
from pathlib import Path

import requests
import urllib3

from ..config import Overrides, bracketed, load_config, parse_listen_address
from ..errors import EXIT_DONE, EXIT_FAILED, ConfigError
from ..web.auth import WebConfig

_SECONDS = 5.0


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `healthcheck`."""
    parser.add_argument(
        "--web.listen-address", dest="listen_address", metavar="HOST:PORT", help="address that the exporter listens on"
    )
    parser.add_argument(
        "--web.config.file",
        dest="web_config",
        metavar="FILE",
        type=Path,
        help="web configuration of the exporter, for TLS",
    )


def _address(arguments: argparse.Namespace) -> tuple[str, int]:
    """Return the address of the exporter.

    The rest of the configuration is only needed if neither the flag nor the variable is set.
    """
    given = arguments.listen_address or os.environ.get("SMARTHUB_LISTEN_ADDRESS")
    if not given:
        config = load_config(arguments.config_file, os.environ, Overrides(), require_zone=False)
        return parse_listen_address(config.exporter.listen_address)
    try:
        return parse_listen_address(given)
    except ValueError as error:
        raise ConfigError(f"--web.listen-address: {error}") from None


def run(arguments: argparse.Namespace) -> int:
    """Ask the exporter with this configuration on this machine. Raises ConfigError."""
    host, port = _address(arguments)
    scheme = "https" if arguments.web_config and WebConfig(arguments.web_config).context() else "http"
    name = {"": "localhost", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, bracketed(host))  # noqa: S104
    url = f"{scheme}://{name}:{port}/-/healthy"
    try:
        # The certificate names the public host of the exporter, not the loopback address.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        with requests.Session() as session:
            session.trust_env = False
            response = session.get(url, timeout=_SECONDS, verify=False)
    except requests.RequestException as error:
        print(f"no response from {url}: {type(error).__name__}")  # noqa: T201 - the result
        return EXIT_FAILED
    print(response.text.strip())  # noqa: T201 - the result
    return EXIT_DONE if response.status_code == 200 else EXIT_FAILED  # noqa: PLR2004
