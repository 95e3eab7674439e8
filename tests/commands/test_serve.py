"""`serve` as a process: output, errors of the portal, and the end."""

import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from exporter.clock import SystemClock
from exporter.commands.serve import checked_path
from exporter.errors import ConfigError
from exporter.simulator.household import Household
from exporter.simulator.portal import SimulatedPortal
from exporter.simulator.server import PortalServer
from exporter.simulator.settings import Poll, Settings, SignIn
from exporter.simulator.specs import LocationSpec, MeterSpec, UserSpec
from exporter.simulator.world import World
from exporter.storage.state import StateFile

from ..support.deadlines import AT_ONCE
from ..support.program import PASSWORD, Starter
from ..support.serving import USER, Serving, http, serve

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
HOUSE = LocationSpec("55001", "70001", (MeterSpec("81001", Household(1), step=3600),), nickname="House")
PLAIN = Settings(pending=0)


def portal_of(user: UserSpec = USER, settings: Settings = PLAIN, location: LocationSpec = HOUSE) -> PortalServer:
    return PortalServer(SimulatedPortal(World(users=(user,), locations=(location,)), SystemClock(), settings))


def variables(api_url: str, **more: str) -> dict[str, str]:
    """Return the four variables that are enough, and more."""
    return {
        "SMARTHUB_API_URL": api_url,
        "SMARTHUB_USERNAME": USER.username,
        "SMARTHUB_PASSWORD": PASSWORD,
        "SMARTHUB_TIMEZONE": "America/New_York",
        **more,
    }


@pytest.fixture
def black_hole() -> Iterator[str]:
    """A portal that accepts every connection and never responds."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


# -- serving


def test_four_variables_are_enough_to_serve(starter: Starter) -> None:
    with portal_of() as portal:
        serving = serve(starter, **variables(portal.url))
        serving.program.wait_for(lambda: serving.get("/-/ready")[0] == 200, "readiness")
        label = portal.host
        assert serving.value(f'smarthub_up{{login="{label}"}}') == 1.0
        page = serving.get("/metrics?collect[]=intervals")[1]
        labels = f'portal="{label}",account="55001",location="70001",meter="81001"'
        assert page.count(f"\nsmarthub_interval_usage_kwh{{{labels}}} ") in range(7 * 24 - 2, 7 * 24 + 1)
        assert serving.get("/-/healthy") == (200, "healthy\n")
        assert serving.get("/nothing")[0] == 404
        assert http(f"{serving.url}/metrics", "POST").status_code == 405
        code, seconds = serving.program.end()
    assert (code, seconds < AT_ONCE) == (0, True)
    assert serving.program.stdout == ""
    assert PASSWORD not in serving.program.stderr
    assert (starter.folder / "state-home" / "smarthub-exporter").is_dir()


def test_a_restart_serves_saved_data_at_once(starter: Starter, black_hole: str) -> None:
    state = ("--state.dir", str(starter.folder / "state"))
    with portal_of() as portal:
        label = portal.host
        serving = serve(starter, *state, **variables(portal.url))
        serving.program.wait_for(lambda: serving.get("/-/ready")[0] == 200, "readiness")
        before = serving.get("/metrics?collect[]=intervals")[1].splitlines()
        serving.program.end()
    # The portal is gone, and the program that now has its port does not respond.
    with socket.create_server(("127.0.0.1", int(label.rpartition(":")[2])), backlog=8):
        serving = serve(starter, *state, **variables(f"http://{label}"))
        assert serving.get("/-/ready") == (200, "ready\n")
        assert serving.get("/metrics?collect[]=intervals")[1].splitlines() == before
        assert serving.value(f'smarthub_up{{login="{label}"}}') == 0.0


def test_it_listens_before_it_has_loaded_the_state(starter: Starter, black_hole: str) -> None:
    StateFile(starter.folder / "state").close()
    with closing(sqlite3.connect(starter.folder / "state" / "state.db", isolation_level=None)) as file:
        file.execute("BEGIN EXCLUSIVE")  # what loads it waits for two seconds
        serving = serve(starter, "--state.dir", str(starter.folder / "state"), **variables(black_hole))
        assert serving.get("/-/healthy")[0] == 200
        serving.program.wait_for(lambda: "cannot save the state" in serving.program.stderr, "the state to be loaded")
        assert serving.value("smarthub_state_kept") == 0.0
    listening, loaded = map(serving.program.stderr.index, ("msg=listening", "cannot save the state"))
    assert listening < loaded


def test_the_metrics_are_at_the_configured_path(starter: Starter, black_hole: str) -> None:
    serving = serve(starter, "--web.telemetry-path", "/energy", **variables(black_hole))
    assert "smarthub_up" in serving.get("/energy")[1]
    assert serving.get("/metrics")[0] == 404


# -- addresses that cannot be used


def test_a_port_in_use_is_one_line_and_exit_code_1(starter: Starter, black_hole: str) -> None:
    address = black_hole.removeprefix("http://")
    for command in ("serve", "demo"):
        program = starter.run(command, f"--web.listen-address={address}", **variables(black_hole))
        assert (program.wait(), program.stdout) == (1, "")
        (line,) = [line for line in program.stderr.splitlines() if line.startswith("smarthub-exporter: ")]
        assert line.startswith(f"smarthub-exporter: cannot listen on {address}: the address is already in use; ")
        assert "Traceback" not in program.stderr


@pytest.mark.parametrize("path", ["", "metrics", "/", "/-/healthy", "/-/x", "/metrics?x=1", "/a#b"])
def test_the_telemetry_path_must_not_hide_another_page(path: str) -> None:
    with pytest.raises(ConfigError) as raised:
        checked_path(path)
    assert str(raised.value) == f"--web.telemetry-path: {path!r} cannot be used; choose a path such as /metrics"


# -- ending


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_while_the_portal_hangs(
    starter: Starter, black_hole: str, number: signal.Signals
) -> None:
    serving = serve(starter, **variables(black_hole))
    assert serving.get("/-/ready") == (503, "not ready: the first refresh is running\n")
    code, seconds = serving.program.end(number)
    assert (code, seconds < AT_ONCE) == (0, True)
    assert "Traceback" not in serving.program.stderr
    assert serving.program.stdout == ""


def test_a_signal_right_after_the_start_is_not_lost(starter: Starter, black_hole: str) -> None:
    for _ in range(4):
        serving = serve(starter, **variables(black_hole))
        host, _, port = serving.url.removeprefix("http://").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=5) as client:
            client.sendall(b"GET /metr")
            code, seconds = serving.program.end()
        assert (code, seconds < AT_ONCE) == (0, True)


# -- errors of the portal are a state, not an end


def all_it_says(serving: Serving) -> str:
    pages = [serving.get(path)[1] for path in ("/", "/metrics", "/-/ready", "/-/healthy")]
    return "\n".join([*pages, serving.program.stdout, serving.program.stderr])


def assert_down(serving: Serving, label: str, reason: str, *secrets: str) -> None:
    """Check that it runs, is not ready, and says the same on the page and in the log, without secrets."""
    serving.wait_for_refresh()
    assert serving.get("/-/healthy") == (200, "healthy\n")
    status, text = serving.get("/-/ready")
    assert status == 503
    assert text.startswith("not ready: ")
    said = text.removeprefix("not ready: ").splitlines()[0]
    assert serving.value(f'smarthub_up{{login="{label}"}}') == 0.0
    reasons = ("credentials", "two_factor", "permission", "pending", "transport", "protocol")
    counts = {
        each: serving.value(f'smarthub_refresh_failures_total{{login="{label}",reason="{each}"}}') for each in reasons
    }
    assert {each for each, count in counts.items() if count} == {reason}
    assert None not in counts.values()
    assert serving.value(f'smarthub_last_refresh_success_timestamp_seconds{{login="{label}"}}') == 0.0
    everything = all_it_says(serving)
    assert "Traceback" not in everything
    for secret in (PASSWORD, SECRET, USER.username, *secrets):
        assert secret not in everything
    assert said in serving.program.stderr
    code, _ = serving.program.end()
    assert code == 0


@pytest.mark.parametrize(
    ("user", "settings", "more", "reason"),
    [
        pytest.param(
            UserSpec(password="another"),
            PLAIN,
            {},
            "credentials",
            id="wrong password",
        ),
        pytest.param(UserSpec(password=PASSWORD, totp_secret=SECRET), PLAIN, {}, "two_factor", id="no TOTP"),
        pytest.param(
            USER,
            replace(PLAIN, sign_in=SignIn.SECOND_FACTOR),
            {"SMARTHUB_TOTP_SECRET": SECRET},
            "two_factor",
            id="wrong TOTP",
        ),
        pytest.param(USER, replace(PLAIN, sign_in=SignIn.PAGE), {}, "transport", id="HTML at sign-in"),
        pytest.param(USER, replace(PLAIN, poll=Poll.PAGE), {}, "transport", id="HTML instead of data"),
        pytest.param(USER, replace(PLAIN, poll=Poll.STATUS_403), {}, "permission", id="no permission"),
        pytest.param(
            USER,
            PLAIN,
            {"SMARTHUB_ACCOUNT": "55001", "SMARTHUB_SERVICE_LOCATION": "99999"},
            "permission",
            id="a location that the login does not see",
        ),
    ],
)
def test_a_portal_that_refuses_is_a_reported_state(
    starter: Starter, user: UserSpec, settings: Settings, more: dict[str, str], reason: str
) -> None:
    with portal_of(user, settings) as portal:
        serving = serve(starter, "--log.level=debug", **variables(portal.url, **more))
        assert_down(serving, portal.host, reason, "12 Secret Lane")


def test_an_unreachable_portal_is_a_reported_state(starter: Starter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
    serving = serve(starter, "--log.level=debug", **variables(f"http://{host}"))
    assert_down(serving, host, "transport")


def test_half_an_emoji_in_a_nickname_does_no_harm(starter: Starter) -> None:
    nickname = "Farm \ud83d"  # what is left of an emoji in a text that was cut
    location = LocationSpec(HOUSE.account, HOUSE.number, HOUSE.meters, nickname)
    with portal_of(location=location) as portal:
        serving = serve(starter, **variables(portal.url))
        serving.wait_for_refresh()
        assert serving.value(f'smarthub_up{{login="{portal.host}"}}') == 1.0
        assert serving.get("/")[0] == 200
        assert "Farm " in serving.get("/metrics?name[]=smarthub_location_info")[1]
    assert "Traceback" not in serving.program.stderr
