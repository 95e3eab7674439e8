"""A stand-in for a database, which answers as it is told and remembers what it was asked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .http_server import Answer, Asked, serving

Body = bytes | Callable[[Asked], bytes]


@dataclass
class Database:
    """Answers by path; what is not told is 404."""

    answers: dict[str, tuple[int, dict[str, str], Body]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, body: Body | str = b"", status: int = 200, **headers: str) -> None:
        """Header names with _ for -. A body may be made of the request."""
        body = body.encode() if isinstance(body, str) else body
        self.answers[path] = status, {name.replace("_", "-"): value for name, value in headers.items()}, body

    def respond(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        status, headers, body = self.answers.get(asked.path, (404, {}, b"not found"))
        return status, headers, body(asked) if callable(body) else body


@contextmanager
def running_database() -> Iterator[Database]:
    """A database that answers until the end of the block."""
    database = Database()
    with serving(database.respond) as database.url:
        yield database
