"""What the HTTP server gives to an application and gets back from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """A GET or HEAD request. `query` keeps every value of a repeated key; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    """A complete answer. The server leaves `body` away for HEAD but sends its length."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


App = Callable[[Request], Response]
