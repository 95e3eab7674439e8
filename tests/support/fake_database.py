"""A test double of a database with answers set by the test.

It remembers its requests.
"""

from collections.abc import Callable
from contextlib import ExitStack

from .http_server import Answer, Asked, serving

Body = bytes | str | Callable[[Asked], bytes]


class Database(ExitStack):
    """Answers by path; every other path is 404."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, tuple[int, dict[str, str], Body]] = {}
        self.asked: list[Asked] = []
        self.url = self.enter_context(serving(self._respond))

    def answer(self, path: str, body: Body = b"", status: int = 200, **headers: str) -> None:
        """Set the answer for a path.

        `headers` have _ for -; a `body` may be a function of the request.
        """
        self.answers[path] = status, {name.replace("_", "-"): value for name, value in headers.items()}, body

    def _respond(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        status, headers, body = self.answers.get(asked.path, (404, {}, b"not found"))
        return status, headers, body(asked) if callable(body) else body
