"""`serve` as a process, and its pages."""

import re
from dataclasses import dataclass

import requests

from exporter.simulator.specs import UserSpec

from . import services
from .program import PASSWORD, Program, Starter

USER = UserSpec(password=PASSWORD)
ANYWHERE = "127.0.0.1:0"


def http(url: str, method: str = "GET") -> requests.Response:
    return services.http(method, url, timeout=5)


@dataclass
class Serving:
    """A running `serve` and where it is."""

    program: Program
    url: str

    def get(self, path: str) -> tuple[int, str]:
        answer = http(self.url + path)
        return answer.status_code, answer.text

    def value(self, line: str) -> float | None:
        """The value of a series on the page, None where it is not there."""
        for each in self.get("/metrics")[1].splitlines():
            start, _, value = each.rpartition(" ")
            if start == line:
                return float(value)
        return None

    def wait_for_refresh(self) -> None:
        self.program.wait_for(lambda: "smarthub_refreshes_total" in self.refreshes(), "the first refresh")

    def refreshes(self) -> str:
        """The line of a login that has refreshed at least once; empty before."""
        lines = self.get("/metrics?name[]=smarthub_refreshes_total")[1].splitlines()
        return next((line for line in lines if line.startswith("smarthub") and not line.endswith(" 0.0")), "")


def serve(starter: Starter, *arguments: str, **variables: str) -> Serving:
    """Start `serve` on a free port and wait until the log tells where that is."""
    flags = () if any("listen-address" in flag for flag in arguments) else (f"--web.listen-address={ANYWHERE}",)
    program = starter.start("serve", *flags, *arguments, **variables)

    listening = re.compile(r"msg=listening address=\S+:(\d+) url=(\S+:\1)\s")
    program.wait_for(lambda: listening.search(program.stderr) is not None, "its address in the log")
    return Serving(program, listening.findall(program.stderr)[0][1])
