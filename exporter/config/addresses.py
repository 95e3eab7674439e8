"""Parse the addresses of portals and databases, and the address to listen on.

The functions raise ValueError with a message that does not repeat the text, which may contain a password.
"""

import re
from ipaddress import IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

from .model import REAL_PORTALS, PortalAddress

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_PORT = 65535
_HOST_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*")
_COOP_NAME = re.compile(_HOST_LABEL)
_HAS_SCHEME = re.compile("https?:|.*://", re.IGNORECASE)


def portal_address(text: str) -> PortalAddress:
    """Parse a portal's URL, its host (https) or the bare name of a co-op.

    Path, query and a trailing slash are dropped. Raises ValueError.
    """
    text = text.strip()
    parts, host, port = _split(text if _HAS_SCHEME.match(text) else f"https://{text}")
    # With http://, a single word is the name of a container; it must not become a public address.
    if parts.scheme == "https" and port is None and host != "localhost" and _COOP_NAME.fullmatch(host):
        host += REAL_PORTALS
    subdomain = host.removesuffix(REAL_PORTALS)
    is_coop = subdomain != host and "." not in subdomain
    if is_coop and port == _DEFAULT_PORTS[parts.scheme]:
        port = None
    place = _place(host, port)
    return PortalAddress(
        base_url=f"{parts.scheme}://{place}",
        label=subdomain if is_coop and port is None else place,
        loopback=is_loopback(host),
    )


def database_url(text: str) -> str:
    """Parse the URL of a database, with its path, without a trailing slash.

    Raises ValueError.
    """
    parts, host, port = _split(text.strip())
    if parts.query or parts.fragment:
        raise ValueError("must be a URL without ? or #")
    return f"{parts.scheme}://{_place(host, port)}{parts.path.rstrip('/')}"


def parse_listen_address(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`, `[::1]:9` or `:0`.

    The host has no brackets, and is empty for all addresses of this machine. Raises ValueError.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or (host and not _is_host(host.lower())):
        raise ValueError("must be HOST:PORT, [IPV6]:PORT or :PORT, such as :10058")
    if int(port) > _MAX_PORT:
        raise ValueError(f"the port must be at most {_MAX_PORT}")
    return host.strip("[]"), int(port)


def bracketed(host: str) -> str:
    """Return the host as written before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Whether a host is this machine; an IPv6 address may be in brackets."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _place(host: str, port: int | None) -> str:
    return host if port is None else f"{host}:{port}"


def _split(url: str) -> tuple[SplitResult, str, int | None]:
    """Return the parts of a URL, plus its validated host and port."""
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("must not contain spaces or line breaks")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("not a valid URL or host") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError("must begin with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("must not contain a user name or password; set username and password instead")
    host = re.sub(r":[^\]:]*$", "", parts.netloc.lower()).removesuffix(".")
    if not _is_host(host):
        raise ValueError("not a valid URL or host")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(f"the port must be a number from 1 to {_MAX_PORT}")
    return parts, host, port


def _is_host(host: str) -> bool:
    if not host.startswith("["):
        return _HOST_NAME.fullmatch(host) is not None
    try:
        return host.endswith("]") and IPv6Address(host[1:-1]).scope_id is None
    except ValueError:
        return False
