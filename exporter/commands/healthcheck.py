"""`healthcheck`: is the exporter healthy? For containers without curl.

It runs once a minute, so it imports as little as it can.
"""

import argparse
import os
import ssl
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path

from ..config import Overrides, bracketed, load_config, parse_listen_address
from ..errors import EXIT_DONE, EXIT_FAILED, ConfigError

_PATH = "/-/healthy"
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
    name = {"": "localhost", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, bracketed(host))  # noqa: S104
    connection = HTTPConnection(name, port, timeout=_SECONDS)
    scheme = "http"
    if arguments.web_config and _uses_tls(arguments.web_config):
        # The certificate names the public host of the exporter, not the loopback address.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = HTTPSConnection(name, port, timeout=_SECONDS, context=context)
        scheme = "https"
    try:
        with closing(connection):
            connection.request("GET", _PATH)
            response = connection.getresponse()
            text = response.read().decode(errors="replace").strip()
    except (OSError, HTTPException) as error:
        print(f"no response from {scheme}://{name}:{port}{_PATH}: {type(error).__name__}")  # noqa: T201 - the result
        return EXIT_FAILED
    print(text)  # noqa: T201 - the result
    return EXIT_DONE if response.status == 200 else EXIT_FAILED  # noqa: PLR2004


def _uses_tls(web_config: Path) -> bool:
    from ..web.auth import WebConfig  # noqa: PLC0415 - only if there is such a file

    return WebConfig(web_config).uses_tls
