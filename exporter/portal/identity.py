"""What a host says about itself without a sign-in: whether it is SmartHub, and its own name.

Nothing about the member is sent. See docs/portal.md, "Names and the directory".
"""

import json
import re
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..clock import Clock
from ..config import PortalAddress
from ..errors import PortalError, ProtocolError, TransportError
from ..httpcall import CallLimits, ClientResponse
from .http import Observer, Transport
from .parsing import Json, display_name
from .signin import METHOD

SITE_NAME = "/services/member/siteName"
MEMBER_LOOKUP = "/services/memberLookup/domain"
UI = "/ui/"

_LIMITS = CallLimits(connect=10, read=10, total=20, body=2**20)  # someone may be waiting for the next question
_OK = 200
_LOADING = re.compile(r'"?Loading\b(?P<name>.*)\bSmartHub Application\b', re.DOTALL)
_TITLE = re.compile(rb"<title[^>]*>[^<]*smarthub", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PortalIdentity:
    """What a host says about itself.

    name: its own name for the co-op, empty if not known. error: why it is not known to be SmartHub; None if it is.
    """

    name: str = ""
    error: PortalError | None = None

    @property
    def is_foreign(self) -> bool:
        """Whether the host answers, but not like SmartHub."""
        return isinstance(self.error, ProtocolError)


def identify(portal: PortalAddress, clock: Clock, limits: CallLimits = _LIMITS) -> PortalIdentity:
    """Ask a host what it is, with as few requests as it takes to recognize SmartHub."""
    busy: list[PortalError] = []
    with closing(Transport(portal.base_url, clock, lambda *_: None, limits)) as transport:
        for endpoint, path, params, read in _PATHS:
            try:
                name = read(transport.call(endpoint, "GET", path, params=params(portal)))
            except TransportError as error:
                if error.is_answer:
                    busy.append(error)
                elif not error.answered:
                    return PortalIdentity(error=error)  # nor would it answer the others
            except ProtocolError:  # too large
                pass
            else:
                if name is not None:
                    return PortalIdentity(name)
    if len(busy) == len(_PATHS):
        return PortalIdentity(error=busy[-1])
    host = urlsplit(portal.base_url).netloc
    return PortalIdentity(error=ProtocolError(f"{host} does not look like a SmartHub portal", advice="check api_url"))


def site_name(portal: PortalAddress, clock: Clock, observer: Observer) -> str:
    """Return a portal's own name, empty if its answer has none. Raises PortalError."""
    with closing(Transport(portal.base_url, clock, observer, _LIMITS)) as transport:
        return _site_name(transport.call("site_name", "GET", SITE_NAME)) or ""


# Each of these returns the name in an answer, empty if it has none; None if SmartHub would not answer like that.


def _site_name(response: ClientResponse) -> str | None:
    text = response.body.decode("utf-8", "replace").strip()
    found = _LOADING.match(text) if response.status == _OK else None
    return display_name(found["name"]) if found else None


def _member_lookup(response: ClientResponse) -> str | None:
    answer = _json(response)
    first = answer[0] if isinstance(answer, list) and answer else answer
    return display_name(first.get("name")) if isinstance(first, dict) and "domain" in first else None


def _second_factor(response: ClientResponse) -> str | None:
    return "" if isinstance(_json(response), str) else None


def _page(response: ClientResponse) -> str | None:
    is_named = _TITLE.search(response.body) is not None
    has_cookie = "XSRF-TOKEN" in response.headers.get("Set-Cookie", "")
    is_smarthub = is_named or (has_cookie and b"smarthub" in response.body.lower())
    return "" if response.status == _OK and response.is_page and is_smarthub else None


def _json(response: ClientResponse) -> Json:
    with suppress(ValueError, RecursionError):
        return json.loads(response.body) if response.status == _OK else None
    return None


def _nothing(_: PortalAddress) -> dict[str, str]:
    return {}


def _domain(portal: PortalAddress) -> dict[str, str]:
    return {"domain": portal.label}


_PATHS: tuple[
    tuple[str, str, Callable[[PortalAddress], dict[str, str]], Callable[[ClientResponse], str | None]], ...
] = (
    ("site_name", SITE_NAME, _nothing, _site_name),
    ("member_lookup", MEMBER_LOOKUP, _domain, _member_lookup),
    ("two_factor", METHOD, _nothing, _second_factor),
    ("ui", UI, _nothing, _page),
)
