"""HTTP to one database: every failure a DatabaseError of one line with advice, and no secret in it."""

import gzip
import json
import re
from base64 import b64decode
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3

from ..config import is_loopback
from ..errors import DatabaseError
from ..httpcall import (
    DEFAULT_LIMITS,
    Authorization,
    CallFailedError,
    CallFailure,
    CallLimits,
    ClientResponse,
    HttpClient,
)
from .redaction import reveals

Json = Any  # what a database answers; whoever reads it checks its shape
_Taken = TypeVar("_Taken")

_LONGEST_QUOTE = 200
_PACKING = 1  # of gzip: measured best for imports (tsdb-facts D2)
_LOG = "look into its log"
_LASTING = (CallFailure.UNTRUSTED, CallFailure.TLS, CallFailure.PROXY, CallFailure.UNKNOWN_HOST, CallFailure.NO_CA_FILE)
"""What trying again soon does not help against."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a database is and how to get in, with what to advise where that fails.

    section, key: which setting of the configuration gave the URL; messages name them.
    credentials, trust, path: what to do where it refuses the credentials, where its certificate is not trusted, and
    where it has nothing at the URL's path.
    """

    section: str
    key: str
    url: str
    credentials: str
    trust: str
    path: str
    authorization: Authorization
    ca_file: Path | None = None
    insecure: bool = False

    @property
    def address(self) -> str:
        """The URL without its path, in which proxies may have a secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.section} {self.address}"

    def error(self, what: str, advice: str = "", *, passes_by_itself: bool = False) -> DatabaseError:
        """An error of this database."""
        return DatabaseError(what, about=self.name, advice=advice, passes_by_itself=passes_by_itself)

    def quoted(self, said: bytes | str) -> str:
        """The beginning of what it says, on one line, without the request that it repeats.

        Empty for a page, and for a text in which a secret occurs.
        """
        text = said[: 16 * _LONGEST_QUOTE]
        text = text.decode(errors="replace") if isinstance(text, bytes) else text
        if text.lstrip()[:1] == "<":
            return ""
        text = re.sub(r"^remoteAddr: .*?; requestURI: [^;]*; ", "", text)
        if reveals(text, self._secrets()):
            return ""
        text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
        return text[:_LONGEST_QUOTE]

    def _secrets(self) -> set[str]:
        """What must not be shown: the credentials, and the path of the URL, in which proxies may have a token."""
        scheme, _, sent = self.authorization.header.partition(" ")
        secrets = {sent, urlsplit(self.url).path}
        if scheme == "Basic":
            pair = b64decode(sent).decode()
            username, _, password = pair.partition(":")
            # Some give a token as the name of a user without password.
            secrets |= {pair, username, password}
        return secrets - {"", "/"}


class DatabaseHttp:
    """The connection to one database. Proxies of the environment are used, but not for this machine itself."""

    def __init__(self, target: Target, *, limits: CallLimits = DEFAULT_LIMITS) -> None:
        self.target = target
        host = urlsplit(target.url).hostname or ""
        self._client = HttpClient(
            target.url,
            limits,
            auth=target.authorization,
            # With each call, for a session's own setting gives way to REQUESTS_CA_BUNDLE.
            verify=False if target.insecure else str(target.ca_file) if target.ca_file else True,
            proxies={"no_proxy": host} if is_loopback(host) else None,
        )
        if target.insecure:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def get(
        self, path: str, params: Mapping[str, str] | None = None, *, accept: Collection[int] = ()
    ) -> ClientResponse:
        """Ask for something. Raises DatabaseError for any status but a good one and those to accept."""
        with self._open("GET", path, accept, params=params) as response:
            return self._client.read(response)

    def post(self, path: str, body: bytes, params: Mapping[str, str] | None = None) -> ClientResponse:
        """Send a body, packed by gzip. Raises DatabaseError; a good answer proves nothing (tsdb-facts D1)."""
        packed = gzip.compress(body, _PACKING, mtime=0)
        with self._open("POST", path, (), params=params, data=packed, headers={"Content-Encoding": "gzip"}) as response:
            return self._client.read(response)

    def json(
        self,
        path: str,
        params: Mapping[str, str],
        take: Callable[[Json], _Taken],
        *,
        accept: Collection[int] = (),
    ) -> _Taken:
        """Ask for JSON and take from it what is wanted. Raises DatabaseError, also for JSON of another shape."""
        response = self.get(path, params, accept=accept)
        if response.is_page:
            raise self.target.error(
                "answered with a web page instead of data", f"{self.target.key} is not this database, correct it"
            )
        return self._taken(response.body, take)

    def json_lines(self, path: str, params: Mapping[str, str], take: Callable[[Json], _Taken]) -> Iterator[_Taken]:
        """The same for an answer with JSON on each line, however long it is. Raises DatabaseError."""
        with self._open("GET", path, (), params=params) as response:
            for line in self._client.lines(response):
                yield self._taken(line, take)

    def _taken(self, body: bytes, take: Callable[[Json], _Taken]) -> _Taken:
        try:
            return take(json.loads(body))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            what = ": ".join(filter(None, (f"{len(body)} bytes", self.target.quoted(body))))
            raise self.target.error(
                f"answered what cannot be understood ({what})", f"check {self.target.key}"
            ) from None

    @contextmanager
    def _open(self, method: str, path: str, accept: Collection[int], **content: Any) -> Iterator[requests.Response]:  # noqa: ANN401
        try:
            with self._client.open(method, path, **content) as response:
                status = response.status_code
                if not (200 <= status < 300 or status in accept):  # noqa: PLR2004
                    raise self._refusal(status, path, self._client.read(response).body)
                yield response
        except CallFailedError as failed:
            what, advice = self._explained(failed.kind)
            raise self.target.error(what, advice, passes_by_itself=failed.kind not in _LASTING) from failed

    def _refusal(self, status: int, path: str, body: bytes) -> DatabaseError:
        target = self.target
        what = ": ".join(filter(None, (f"status {status}", target.quoted(body))))
        # vmauth says 400 of credentials that it does not know, up to some version later than 1.79.5.
        if status in (401, 403) or (status == 400 and b"auth token" in body):  # noqa: PLR2004
            how, verb = ("refused the", "check") if target.authorization.header else ("requires", "set")
            return target.error(f"{how} credentials (status {status})", f"{verb} {target.credentials}")
        if 300 <= status < 400:  # noqa: PLR2004
            return target.error(f"redirects elsewhere (status {status})", f"correct {target.key}")
        if status == 404 or (status == 400 and b"unsupported path" in body):  # noqa: PLR2004
            return target.error(f"has no {path} (status {status})", target.path)
        if status >= 500 or status == 429:  # noqa: PLR2004
            return target.error(f"is in trouble ({what})", f"{_LOG}, try again later", passes_by_itself=True)
        refusal = target.error(f"refused {path} ({what})", _LOG)
        refusal.said = body
        return refusal

    def _explained(self, kind: CallFailure) -> tuple[str, str]:
        key, trust = self.target.key, self.target.trust
        failures = {
            CallFailure.NO_CA_FILE: ("the file of trusted authorities cannot be read", trust),
            CallFailure.UNTRUSTED: ("its certificate is not trusted", trust),
            CallFailure.TLS: ("TLS failed", f"{trust}, or correct {key} where it speaks http"),
            CallFailure.PROXY: (
                "not reached through the proxy",
                "correct HTTP_PROXY, HTTPS_PROXY or NO_PROXY of the environment",
            ),
            CallFailure.UNKNOWN_HOST: ("there is no such host", f"correct {key}"),
            CallFailure.REFUSED: ("connection refused", f"start it, or correct {key}"),
            CallFailure.TIMED_OUT: ("did not answer in time", "see whether it is overloaded, try again later"),
        }
        return failures.get(kind, ("cannot be reached, or broke off", f"check {key} and the network"))
