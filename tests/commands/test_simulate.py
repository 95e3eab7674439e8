"""`simulate`: the portal alone, the configuration that it prints, and its switches."""

import re
import signal

import pytest
import yaml

from ..support.deadlines import AT_ONCE
from ..support.program import Program, Starter
from ..support.serving import http, serve

FREE = "--listen-address=127.0.0.1:0"


def simulate(starter: Starter, *arguments: str) -> tuple[Program, str]:
    """Start `simulate` on a free port; return the program and its URL."""
    program = starter.start("simulate", FREE, *arguments)
    program.wait_for(lambda: "/simulator/calls" in program.stdout, "its introduction")
    found = re.search(r"http://127\.0\.0\.1:\d+", program.stdout)
    assert found is not None
    return program, found[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_at_once(starter: Starter, number: signal.Signals) -> None:
    program, _ = simulate(starter)
    code, seconds = program.end(number)
    assert (code, seconds < AT_ONCE) == (0, True)
    assert program.stderr == ""


def test_the_printed_configuration_works(starter: Starter) -> None:
    program, url = simulate(starter, "--timezone", "America/Denver", "--set", "pending=0")
    text = program.stdout[program.stdout.index("smarthub:") :].partition("\n\nList ")[0]
    config = yaml.safe_load(text)
    assert (config["smarthub"]["api_url"], config["smarthub"]["timezone"]) == (url, "America/Denver")
    starter.config(text)
    serving = serve(starter)
    serving.wait_for_refresh()
    page = serving.get("/metrics")[1]
    assert page.count('timezone="America/Denver"') == 3
    assert re.findall(r"\nsmarthub_(?:location_)?up\{.*\} (.*)", page) == ["1.0"] * 4


def test_switches_can_be_set_on_the_command_line(starter: Starter) -> None:
    _, url = simulate(starter, "--set", "lag=3600", "--set", "dst=merged", "--set", "placeholders=true")
    switches = http(f"{url}/simulator/settings").json()
    assert (switches["lag"], switches["dst"], switches["placeholders"]) == (3600.0, "merged", True)


def test_an_invalid_command_line_prints_one_line_and_exits_2(starter: Starter) -> None:
    programs = starter.call_all(
        {
            "--set: unknown switch: nonsense; ": ("simulate", FREE, "--set", "nonsense=1"),
            '--set: dst: "summer" is not one of duplicate, ': ("simulate", FREE, "--set", "dst=summer"),
            "--set lag: expected SWITCH=VALUE, such as lag=3600": ("simulate", FREE, "--set", "lag"),
            "--timezone: ": ("simulate", FREE, "--timezone", "Mars/Olympus"),
            "--listen-address: ": ("simulate", "--listen-address", "nowhere"),
        }
    )
    for message, program in programs.items():
        assert (program.wait(), program.stdout) == (2, "")
        (line,) = program.stderr.splitlines()
        assert line.startswith(f"smarthub-exporter: {message}")
