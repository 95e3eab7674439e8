"""Requests that the HTTP server passes on, and responses that it expects."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """A GET or HEAD request.

    query: All values of each key.
    headers: The values by name in lower case.
    """

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response. The server omits the body for HEAD but sends its length.

    content: The body, whole or in parts that follow each other.
    """

    status: int
    content: bytes | Sequence[bytes]
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def parts(self) -> Sequence[bytes]:
        """The parts of the body."""
        return [self.content] if isinstance(self.content, bytes) else self.content

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.parts)


App = Callable[[Request], Response]
