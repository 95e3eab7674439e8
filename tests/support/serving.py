"""`serve` as a process, and its HTTP responses."""

import re
from dataclasses import dataclass

import requests

from exporter.simulator.specs import UserSpec

from . import services
from .program import PASSWORD, Program, Starter

USER = UserSpec(password=PASSWORD)


def http(url: str, method: str = "GET") -> requests.Response:
    return services.http(method, url, timeout=5)


@dataclass
class Serving:
    """A running `serve` and its URL."""

    program: Program
    url: str

    def get(self, path: str) -> tuple[int, str]:
        answer = http(self.url + path)
        return answer.status_code, answer.text

    def value(self, line: str) -> float | None:
        """Return the value of a series on the metrics page, or None if it is not there."""
        for each in self.get("/metrics")[1].splitlines():
            start, _, value = each.rpartition(" ")
            if start == line:
                return float(value)
        return None

    def wait_for_refresh(self) -> None:
        """Wait until a login has refreshed at least once."""

        def is_refreshed() -> bool:
            lines = self.get("/metrics?name[]=smarthub_refreshes_total")[1].splitlines()
            return any(line.startswith("smarthub") and not line.endswith(" 0.0") for line in lines)

        self.program.wait_for(is_refreshed, "the first refresh")


def serve(starter: Starter, *arguments: str, **variables: str) -> Serving:
    """Start `serve` on a free port and wait until the log shows its address."""
    flags = () if any("listen-address" in flag for flag in arguments) else ("--web.listen-address=127.0.0.1:0",)
    program = starter.start("serve", *flags, *arguments, **variables)

    listening = re.compile(r"msg=listening address=\S+:(\d+) url=(\S+:\1)\s")
    program.wait_for(lambda: listening.search(program.stderr) is not None, "its address in the log")
    return Serving(program, listening.findall(program.stderr)[0][1])
