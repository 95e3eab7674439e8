"""`demo`: data at once, new intervals every few seconds, and nothing to configure."""

import re
import signal
import time

from ..support.deadlines import AT_ONCE
from ..support.program import Program, Starter
from ..support.services import http

FREE = "--web.listen-address=127.0.0.1:0"


class Demo:
    """A running demo and the addresses that it prints."""

    def __init__(self, starter: Starter, *arguments: str) -> None:
        self.program: Program = starter.start("demo", FREE, *arguments)
        self.program.wait_for(lambda: "Ctrl-C" in self.program.stdout, "its introduction")
        self.page, self.metrics, self.portal = re.findall(r"https?://\S+", self.program.stdout)

    def newest(self) -> int:
        """Return the end of the newest interval of any meter, or 0 if there is none."""
        name = "smarthub_latest_interval_end_timestamp_seconds"
        return max((int(value) for value in self.values(name)), default=0)

    def last_refresh_ended(self) -> float:
        (start,) = self.values("smarthub_last_refresh_timestamp_seconds")
        (duration,) = self.values("smarthub_last_refresh_duration_seconds")
        return start + duration

    def values(self, name: str) -> list[float]:
        lines = http("GET", f"{self.metrics}?name[]={name}").text.splitlines()
        return [float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")]


def test_the_demo_shows_new_data_and_stops_on_a_signal(starter: Starter) -> None:
    demo = Demo(starter)
    demo.program.wait_for(lambda: demo.newest() > 0, "data")
    demo.program.wait_for(lambda: demo.values("smarthub_up") == [1.0], "the end of the first refresh")

    text = http("GET", demo.metrics).text
    for family in ("interval_usage_kwh", "interval_export_kwh", "interval_cost_usd", "interval_tou_usage_kwh"):
        assert text.count(f"\nsmarthub_{family}{{") > 96 * 3
    for family in ("day_usage_kwh", "day_export_kwh", "day_cost_usd"):
        assert text.count(f"\nsmarthub_{family}{{") >= 3
    assert len(re.findall(r"\nsmarthub_location_info\{", text)) == 3
    status_page = http("GET", demo.page)
    assert (status_page.status_code, "Solar house" in status_page.text) == (200, True)

    first = demo.newest()
    demo.program.wait_for(lambda: demo.newest() > first, "a new interval")
    newest = demo.newest()
    # Usually there is one more; a late refresh on a busy machine brings several.
    text = http("GET", demo.metrics).text
    assert (newest - first) % 900 == 0
    for end in range(first, newest + 900, 900):
        assert re.search(rf"\nsmarthub_interval_usage_kwh\{{.+\}} \S+ {end - 1}\d{{3}}\n", text)

    # The current refresh, or the next one in about three seconds, gets no answer.
    http("POST", f"{demo.portal}/simulator/settings", json={"latency": 30}).raise_for_status()
    demo.program.wait_for(lambda: time.time() > demo.last_refresh_ended() + 3.3, "a refresh that hangs")
    code, seconds = demo.program.end()
    assert (code, seconds < AT_ONCE) == (0, True)
    assert "Traceback" not in demo.program.stderr


def test_the_demo_ignores_configuration_and_keeps_no_state(starter: Starter) -> None:
    starter.config("not: [a, configuration")
    variables = {"SMARTHUB_API_URL": "https://nosuch.invalid", "SMARTHUB_PASSWORD": "x", "SMARTHUB_WINDOW": "nonsense"}
    starter.environment |= variables
    demo = Demo(starter, "--web.telemetry-path", "/energy")
    assert demo.metrics.endswith("/energy")
    assert http("GET", demo.metrics).status_code == 200
    code, seconds = demo.program.end(signal.SIGINT)
    assert (code, seconds < AT_ONCE) == (0, True)
    assert "Traceback" not in demo.program.stderr
    assert not (starter.folder / "state-home").exists()


def test_two_demos_can_run_side_by_side(starter: Starter) -> None:
    one, other = Demo(starter), Demo(starter)
    assert len({one.page, other.page, one.portal, other.portal}) == 4
    assert http("GET", f"{other.portal}/simulator/settings").status_code == 200
