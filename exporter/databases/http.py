"""HTTP calls to one database.

Each failure is a one-line DatabaseError with advice and without secrets.
"""

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
from ..formatting import counted
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

Json = Any  # decoded JSON of a database; its readers check the shape
_Taken = TypeVar("_Taken")

_LONGEST_QUOTE = 200
_PACKING = 1  # gzip level, the fastest for imports: docs/samples.md, "Proof"
_LOG = "check its log"
_LASTING = (CallFailure.UNTRUSTED, CallFailure.TLS, CallFailure.PROXY, CallFailure.UNKNOWN_HOST, CallFailure.NO_CA_FILE)
"""Failures that a retry does not fix."""


@dataclass(frozen=True, slots=True)
class Target:
    """The address and credentials of a database, and advice for failed calls.

    `section` and `key` name the setting that has the URL. `credentials` names the settings to check if the database
    refuses them. `trust` is the advice for an untrusted certificate, `path` the one for a path that does not exist.
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
        """The URL without its path, which may contain a secret of a proxy."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def name(self) -> str:
        """The name of the database in messages."""
        return f"{self.section} {self.address}"

    def error(self, what: str, advice: str = "", *, passes_by_itself: bool = False) -> DatabaseError:
        """Return an error of this database."""
        return DatabaseError(what, about=self.name, advice=advice, passes_by_itself=passes_by_itself)

    def quoted(self, said: bytes | str) -> str:
        """Return the beginning of a response on one line, without the repeated request.

        Empty for a web page, and for text that contains a secret.
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
        """Return the secrets: credentials, and the URL's path, which may have a token."""
        scheme, _, sent = self.authorization.header.partition(" ")
        secrets = {sent, urlsplit(self.url).path}
        if scheme == "Basic":
            pair = b64decode(sent).decode()
            username, _, password = pair.partition(":")
            # Some use a token as user name, without a password.
            secrets |= {pair, username, password}
        return secrets - {"", "/"}


class DatabaseHttp:
    """The connection to one database.

    Proxies of the environment are used, except for this machine.
    """

    def __init__(self, target: Target, *, limits: CallLimits = DEFAULT_LIMITS) -> None:
        self.target = target
        host = urlsplit(target.url).hostname or ""
        self._client = HttpClient(
            target.url,
            limits,
            auth=target.authorization,
            # Passed with each call, since REQUESTS_CA_BUNDLE overrides the setting of a session.
            verify=False if target.insecure else str(target.ca_file) if target.ca_file else True,
            proxies={"no_proxy": host} if is_loopback(host) else None,
        )
        if target.insecure:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(
        self, path: str, params: Mapping[str, str] | None = None, *, accept: Collection[int] = ()
    ) -> ClientResponse:
        """Send a GET request.

        Raises DatabaseError unless the status is 2xx or in `accept`.
        """
        with self._open("GET", path, accept, params=params) as response:
            return self._client.read(response)

    def post(self, path: str, body: bytes, params: Mapping[str, str] | None = None) -> ClientResponse:
        """Send a body compressed with gzip.

        Raises DatabaseError, but success proves nothing.
        """
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
        is_quoted: bool = True,
    ) -> _Taken:
        """Request JSON and extract from it with `take`.

        is_quoted: whether an error may quote the response. Raises DatabaseError, also for an unexpected shape.
        """
        response = self.get(path, params, accept=accept)
        if response.is_page:
            raise self.target.error(
                "returned a web page instead of data", f"check that {self.target.key} is the right address"
            )
        return self._taken(response.body, lambda body: take(json.loads(body)), is_quoted=is_quoted)

    def lines(self, path: str, params: Mapping[str, str], take: Callable[[bytes], _Taken]) -> Iterator[_Taken]:
        """Do the same for each line of a response of any length; `take` also decodes it.

        Raises DatabaseError.
        """
        with self._open("GET", path, (), params=params, is_stream=True) as response:
            for line in self._client.lines(response):
                yield self._taken(line, take)

    def _taken(self, body: bytes, take: Callable[[bytes], _Taken], *, is_quoted: bool = True) -> _Taken:
        try:
            return take(body)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            quoted = self.target.quoted(body) if is_quoted else ""
            what = ": ".join(filter(None, (counted(len(body), "byte"), quoted)))
            raise self.target.error(f"returned an unexpected response ({what})", f"check {self.target.key}") from None

    @contextmanager
    def _open(self, method: str, path: str, accept: Collection[int], **content: Any) -> Iterator[requests.Response]:  # noqa: ANN401
        try:
            with self._client.open(method, path, **content) as response:
                status = response.status_code
                if not (200 <= status < 300 or status in accept):  # noqa: PLR2004
                    refusal = self._client.read(response)
                    error = self._refusal(status, path, refusal.body)
                    error.retry_after = refusal.retry_after
                    raise error
                yield response
        except CallFailedError as failed:
            what, advice = self._explained(failed.kind)
            raise self.target.error(what, advice, passes_by_itself=failed.kind not in _LASTING) from failed

    def _refusal(self, status: int, path: str, body: bytes) -> DatabaseError:
        target = self.target
        what = ": ".join(filter(None, (f"status {status}", target.quoted(body))))
        # Older versions of vmauth, 1.79.5 among them, answer unknown credentials with 400.
        if status in (401, 403) or (status == 400 and b"auth token" in body):  # noqa: PLR2004
            how, verb = ("refused the", "check") if target.authorization.header else ("requires", "set")
            return target.error(f"{how} credentials (status {status})", f"{verb} {target.credentials}")
        if 300 <= status < 400:  # noqa: PLR2004
            return target.error(f"redirects to another address (status {status})", f"fix {target.key}")
        if status == 404 or (status == 400 and b"unsupported path" in body):  # noqa: PLR2004
            return target.error(f"has no {path} (status {status})", target.path)
        if status >= 500 or status == 429:  # noqa: PLR2004
            return target.error(f"returned an error ({what})", f"{_LOG}, or try again later", passes_by_itself=True)
        refusal = target.error(f"refused {path} ({what})", _LOG)
        refusal.said = body
        return refusal

    def _explained(self, kind: CallFailure) -> tuple[str, str]:
        key, trust = self.target.key, self.target.trust
        failures = {
            CallFailure.NO_CA_FILE: ("cannot read the file with CA certificates", trust),
            CallFailure.UNTRUSTED: ("its certificate is not trusted", trust),
            CallFailure.TLS: ("TLS handshake failed", f"{trust}, or use http:// in {key} if it has no TLS"),
            CallFailure.PROXY: (
                "cannot be reached through the proxy",
                "fix HTTP_PROXY, HTTPS_PROXY or NO_PROXY in the environment",
            ),
            CallFailure.UNKNOWN_HOST: ("host not found", f"fix {key}"),
            CallFailure.REFUSED: ("connection refused", f"start it, or fix {key}"),
            CallFailure.TIMED_OUT: ("did not answer in time", "check whether it is overloaded, or try again later"),
        }
        return failures.get(kind, ("cannot be reached, or the connection was lost", f"check {key} and the network"))
