"""HTTP to one database: bounded in time and memory, and every failure a DatabaseError of one line with advice."""

import gzip
import json
import re
import ssl
import time
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import urllib3
from urllib3.exceptions import HTTPError, NameResolutionError
from urllib3.exceptions import TimeoutError as TimedOut

from .. import __version__
from ..config import is_loopback
from ..errors import DatabaseError
from ..httpcall import causes
from .redaction import redact

Json = Any  # what a database answers; whoever reads it checks its shape

_CONNECT_SECONDS: Final = 10.0
_READ_SECONDS: Final = 60.0
_TOTAL_SECONDS: Final = 120.0
_STREAM_SECONDS: Final = 3600.0
_LARGEST_BODY: Final = 32 * 1024 * 1024
_LARGEST_LINE: Final = 32 * 1024 * 1024
_CHUNK: Final = 64 * 1024
_LONGEST_QUOTE: Final = 200
_PACKING: Final = 1  # of gzip: measured best for imports (tsdb-facts D2)
_LASTING = (ssl.SSLError, requests.exceptions.SSLError, requests.exceptions.ProxyError, NameResolutionError)
"""What trying again soon does not help against."""


class Authorization(requests.auth.AuthBase):
    """The one `Authorization` header of all calls, or none.

    Always given explicitly and never falsy, so that requests does not look into ~/.netrc for one.
    """

    def __init__(self, header: str = "") -> None:
        self._header = header

    @property
    def is_given(self) -> bool:
        """Whether there are credentials at all."""
        return bool(self._header)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        if self._header:
            request.headers["Authorization"] = self._header
        return request

    def __repr__(self) -> str:
        return "<authorization>"

    def hidden_in(self, text: str, *more: str) -> str:
        """A text without these credentials and what else nobody may see."""
        scheme, _, sent = self._header.partition(" ")
        secrets, username = {sent, *more}, ""
        if scheme == "Basic":
            pair = b64decode(sent).decode()
            username, _, password = pair.partition(":")
            # Some give a token as the name of a user without password.
            secrets |= {pair, password or username, sent.replace("+", "-").replace("/", "_")}
        return redact(text, {form for each in secrets for form in (each, each.rstrip("="))}, [username])

    @classmethod
    def basic(cls, username: str, password: str) -> "Authorization":
        """User name and password, in UTF-8."""
        return cls("Basic " + b64encode(f"{username}:{password}".encode()).decode())


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

    def error(self, what: str) -> DatabaseError:
        """An error of this database."""
        return DatabaseError(f"{self.name}: {what}")

    def quoted(self, said: bytes | str) -> str:
        """The beginning of what it says, on one line, without the request and the secrets that it repeats.

        Empty for a page.
        """
        text = said[: 16 * _LONGEST_QUOTE]
        text = text.decode(errors="replace") if isinstance(text, bytes) else text
        if text.lstrip()[:1] == "<":
            return ""
        text = re.sub(r"^remoteAddr: .*?; requestURI: [^;]*; ", "", text)
        # Before it is cut to what is shown: half a secret would not be known for one.
        text = self.authorization.hidden_in(text, urlsplit(self.url).path)
        text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
        return text[:_LONGEST_QUOTE]


@dataclass(frozen=True, slots=True)
class DatabaseResponse:
    """An answer, read whole. Header names in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_page(self) -> bool:
        """An HTML page, where data were expected."""
        return self.body.lstrip()[:1] == b"<"


class DatabaseHttp:
    """The connection to one database. Proxies of the environment are used, but for this machine itself."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"smarthub-exporter/{__version__}"
        if target.insecure:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def close(self) -> None:
        """End the connections."""
        self._session.close()

    def get(
        self, path: str, params: Mapping[str, str] | None = None, *, accept: Collection[int] = ()
    ) -> DatabaseResponse:
        """Ask for something. Raises DatabaseError for any status but a good one and those to accept."""
        return self._call("GET", path, accept, params=params)

    def post(
        self,
        path: str,
        body: bytes,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> DatabaseResponse:
        """Send a body, packed by gzip. Raises DatabaseError; a good answer proves nothing (tsdb-facts D1)."""
        packed = gzip.compress(body, _PACKING, mtime=0)
        return self._call(
            "POST", path, (), params=params, data=packed, headers={**(headers or {}), "Content-Encoding": "gzip"}
        )

    def json(self, path: str, params: Mapping[str, str] | None = None) -> Json:
        """Ask for JSON. Raises DatabaseError, also for a web page or anything else."""
        return self.parsed(self.get(path, params))

    def parsed(self, answer: DatabaseResponse) -> Json:
        """The JSON of an answer. Raises DatabaseError."""
        if answer.is_page:
            raise self.target.error(
                f"answered with a web page instead of data; {self.target.key} is not this database, correct it"
            )
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise self.not_understood(answer.body) from None

    def not_understood(self, answer: bytes) -> DatabaseError:
        """The error for an answer of unknown shape."""
        what = ": ".join(filter(None, (f"{len(answer)} bytes", self.target.quoted(answer))))
        return self.target.error(f"answered what cannot be understood ({what}); check {self.target.key}")

    def lines(self, path: str, params: Mapping[str, str]) -> Iterator[bytes]:
        """Ask for something line by line, however long it is; no line is empty. Raises DatabaseError."""
        rest = b""
        with self._open("GET", path, (), params=params) as response:
            for part in _parts(response, _STREAM_SECONDS):
                *whole, rest = (rest + part).split(b"\n")
                yield from filter(None, whole)
                if len(rest) > _LARGEST_LINE:
                    raise requests.ConnectionError("a line is too large")
        if rest:
            yield rest

    def _call(self, method: str, path: str, accept: Collection[int], **content: Any) -> DatabaseResponse:  # noqa: ANN401
        with self._open(method, path, accept, **content) as response:
            return DatabaseResponse(response.status_code, response.headers, _body(response))

    @contextmanager
    def _open(
        self,
        method: str,
        path: str,
        accept: Collection[int],
        **content: Any,  # noqa: ANN401 - params, data, headers: whatever requests takes
    ) -> Iterator[requests.Response]:
        host = urlsplit(self.target.url).hostname or ""
        try:
            with self._session.request(
                method,
                self.target.url + path,
                auth=self.target.authorization,
                timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                allow_redirects=False,
                stream=True,
                # With each call, for a session's own setting gives way to REQUESTS_CA_BUNDLE.
                verify=False if self.target.insecure else str(self.target.ca_file) if self.target.ca_file else True,
                proxies={"no_proxy": host} if is_loopback(host) else None,
                **content,
            ) as response:
                status = response.status_code
                if not (200 <= status < 300 or status in accept):  # noqa: PLR2004
                    raise self._refusal(status, path, _body(response))
                yield response
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            failure = self.target.error(self._explained(error))
            failure.passes_by_itself = not any(isinstance(cause, _LASTING) for cause in causes(error))
            raise failure from error

    def _refusal(self, status: int, path: str, body: bytes) -> DatabaseError:
        target = self.target
        what = ": ".join(filter(None, (f"status {status}", target.quoted(body))))
        # vmauth says 400 of credentials that it does not know, up to some version later than 1.79.5.
        if status in (401, 403) or (status == 400 and b"auth token" in body):  # noqa: PLR2004
            how = "refused the credentials" if target.authorization.is_given else "wants credentials"
            return target.error(f"{how} (status {status}); {target.credentials}")
        if 300 <= status < 400:  # noqa: PLR2004
            return target.error(f"redirects elsewhere (status {status}); correct {target.key}")
        if status == 404 or (status == 400 and b"unsupported path" in body):  # noqa: PLR2004
            return target.error(f"has no {path} (status {status}); {target.path}")
        if status >= 500 or status == 429:  # noqa: PLR2004
            trouble = target.error(f"is in trouble ({what}); look into its log, try again later")
            trouble.passes_by_itself = True
            return trouble
        return target.error(f"refused {path} ({what}); look into its log")

    def _explained(self, error: Exception) -> str:
        key, trust = self.target.key, self.target.trust
        if type(error) is OSError:
            return f"the file of trusted authorities cannot be read; {trust}"
        cases: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
            ((ssl.SSLCertVerificationError,), f"its certificate is not trusted; {trust}"),
            (
                (requests.exceptions.SSLError, ssl.SSLError),
                f"TLS failed; {trust}, or correct {key} where it speaks http",
            ),
            (
                (requests.exceptions.ProxyError,),
                "not reached through the proxy; correct HTTP_PROXY, HTTPS_PROXY or NO_PROXY of the environment",
            ),
            ((NameResolutionError,), f"there is no such host; correct {key}"),
            ((ConnectionRefusedError,), f"connection refused; start it, or correct {key}"),
            ((requests.Timeout, TimedOut), "did not answer in time; see whether it is overloaded, try again later"),
        )
        behind = tuple(causes(error))
        fitting = (text for kinds, text in cases if any(isinstance(cause, kinds) for cause in behind))
        return next(fitting, f"cannot be reached, or broke off; check {key} and the network")


def _parts(response: requests.Response, seconds: float) -> Iterator[bytes]:
    """An answer as it comes. A read timeout alone would bear one that dribbles in for ever."""
    until = time.monotonic() + seconds
    # read1 gives what has come so far; iter_content would wait for a full chunk.
    while part := response.raw.read1(_CHUNK, decode_content=True):
        yield part
        if time.monotonic() > until:
            raise requests.Timeout("the answer took too long")


def _body(response: requests.Response) -> bytes:
    body = bytearray()
    for part in _parts(response, _TOTAL_SECONDS):
        body += part
        if len(body) > _LARGEST_BODY:
            raise requests.ConnectionError("the answer is too large")
    return bytes(body)
