"""Made-up HTTP requests: each gets what it deserves, and memory stays as it was."""

import pytest

from exporter.web.server import Server
from exporter.web.types import Request, Response

from ..support.fuzz_requests import bear_requests
from .rounds import SEED, rounds

pytestmark = pytest.mark.slow


def test_the_server_bears_any_request() -> None:
    seen: list[str] = []

    def app(request: Request) -> Response:
        seen.append(request.path)
        return Response(200, b"ok")

    with Server("127.0.0.1:0", app) as server:
        for number, _ in enumerate(rounds(10)):
            bear_requests(server, seen, 1000 * SEED + number, number=100)
