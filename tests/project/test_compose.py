"""docker-compose.yml, its files and the Dockerfile, also by the real programs."""

import os
import re
import shutil
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from signal import SIGKILL
from subprocess import DEVNULL
from typing import Any, Final

import pytest
import yaml

from exporter import __version__
from exporter.config import (
    Config,
    ExporterConfig,
    Overrides,
    VictoriaMetricsConfig,
    load_config,
    parse_listen_address,
)
from exporter.config.model import PLACEHOLDER
from exporter.config.schema import VARIABLES
from exporter.simulator.world import World

from ..support.deadlines import DEADLINE
from ..support.project_files import blocks, compose_commands, read, scraping_guide
from ..support.services import (
    EXPORTER_JOB,
    INTERVALS_JOB,
    ROOT,
    find_program,
    is_running,
    job,
    outcome,
    spawn,
    wait_until,
)

Json = Any

ONCE: Final = {"backfill", "check", "history", "volume-owner"}
SIGNING_IN: Final = ("exporter", "backfill", "history", "check")
OURS: Final = (*SIGNING_IN, "volume-owner", "demo-portal")
PROFILES: Final = {
    "backfill": ["backfill"],
    "check": ["check"],
    "demo-portal": ["demo"],
    "prometheus": ["prometheus"],
}
NEEDS: Final = {
    "backfill": {"victoriametrics"},
    "history": {"exporter", "victoriametrics"},
    "victoriametrics": {"volume-owner"},
    "vmagent": {"exporter", "victoriametrics", "volume-owner"},
    "vmalert": {"victoriametrics"},
    "alertmanager": {"volume-owner"},
    "prometheus": {"exporter"},
}
PORTS: Final = {"exporter": 10058, "grafana": 3000, "prometheus": 9090}
PUBLISHED: Final = "compose/publish-victoriametrics.yml"
THE_FOUR: Final = ("SMARTHUB_API_URL", "SMARTHUB_USERNAME", "SMARTHUB_PASSWORD", "SMARTHUB_TIMEZONE")
VARIABLE: Final = re.compile(r"\$\{(\w+)(:?[-?])([^}]*)\}")
HISTORY: Final = "/etc/smarthub-exporter/history.sh"
ALERTS: Final = "./grafana/alerts/smarthub.yml"
DATABASE: Final = "http://victoriametrics:8428"


COMPOSE: Final[Json] = yaml.safe_load(read("docker-compose.yml"))
SERVICES: Final[dict[str, Json]] = COMPOSE["services"]
SECRETS: Final[Json] = yaml.safe_load(read("compose/secrets.yml"))
ALERTMANAGER: Final = "alertmanager:9093"

every_service = pytest.mark.parametrize("name", SERVICES)


def resolved(value: str, variables: Mapping[str, str]) -> str:
    """Replace variables as compose does: `:-` also replaces an empty value, and `:?` requires one."""

    def replacement(found: re.Match[str]) -> str:
        name, operator, default = found.groups()
        if operator == ":?":
            return variables[name]
        value = variables.get(name, default)
        return default if operator == ":-" and not value else value

    return VARIABLE.sub(replacement, value)


def environment(name: str, variables: Mapping[str, str], over: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a container."""
    return {key: resolved(each, variables) for key, each in {**SERVICES[name]["environment"], **(over or {})}.items()}


def mounts(name: str) -> dict[str, tuple[str, bool]]:
    """Return source and writability of each mount, by its path in the container."""
    found = {}
    for each in SERVICES[name].get("volumes", ()):
        source, target, *mode = each.split(":")
        found[target] = (source, mode != ["ro"])
    return found


def flags(name: str) -> dict[str, str]:
    """Return the flags of a command by name, including the dashes."""
    return {flag: value for flag, _, value in (each.partition("=") for each in SERVICES[name]["command"])}


# -- every service


def test_the_stack_has_its_services_and_profiles() -> None:
    assert set(SERVICES) == {*OURS, *NEEDS, *PORTS}
    assert {name: each["profiles"] for name, each in SERVICES.items() if "profiles" in each} == PROFILES


@every_service
def test_an_image_is_pinned_to_a_version_or_built_here(name: str) -> None:
    service = SERVICES[name]
    if name in OURS:
        # Without image names, parallel builds never write the same image. Built at every start, no image is outdated.
        assert (service["build"], service["pull_policy"], service.get("image")) == (".", "build", None)
    else:
        assert re.fullmatch(r"[a-z-]+/[a-z-]+:v?\d+\.\d+\.\d+", service["image"])
        assert not {"build", "pull_policy"} & service.keys()


def test_all_parts_of_victoria_metrics_have_one_version() -> None:
    assert len({SERVICES[name]["image"].partition(":")[2] for name in ("victoriametrics", "vmagent", "vmalert")}) == 1


def test_no_get_request_deletes_series() -> None:
    """Grafana passes GET requests of its viewers on; since 1.149 deleting needs POST."""
    version = SERVICES["victoriametrics"]["image"].partition(":v")[2]
    assert tuple(map(int, version.split("."))) >= (1, 149)


@every_service
def test_services_have_few_privileges(name: str) -> None:
    service = SERVICES[name]
    limits = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}
    assert limits.items() <= service.items()
    assert not {"privileged", "devices", "pid", "ipc", "userns_mode"} & service.keys()
    if name != "volume-owner":
        assert re.fullmatch(r"[1-9]\d*:\d+", service["user"])
        assert not {"cap_add", "network_mode"} & service.keys()


@every_service
def test_logs_cannot_fill_the_disk(name: str) -> None:
    assert SERVICES[name]["logging"] == {"driver": "local", "options": {"max-size": "10m", "max-file": "3"}}


def test_the_root_service_may_only_change_owners() -> None:
    service = SERVICES["volume-owner"]
    assert (service["user"], service["cap_add"], service["network_mode"]) == ("0:0", ["CHOWN"], "none")
    assert (service["entrypoint"][0], service["command"]) == ("chown", [])
    _, owner, *folders = service["entrypoint"]
    # The services with that user write to the same volumes.
    given = {volume: owner for place, (volume, _) in mounts("volume-owner").items() if place in folders}
    assert given == {
        volume: SERVICES[name]["user"]
        for name in ("victoriametrics", "vmagent", "alertmanager")
        for volume, writable in mounts(name).values()
        if writable
    }


@every_service
def test_long_running_services_are_watched_and_restarted(name: str) -> None:
    restart, health = SERVICES[name].get("restart", "no"), SERVICES[name]["healthcheck"]
    if name in ONCE:
        assert (restart, health) == ("no", {"disable": True})
    else:
        assert (restart, health["test"][0]) == ("unless-stopped", "CMD")
        assert {"interval", "timeout", "start_period"} <= health.keys()


def test_a_service_waits_for_the_health_of_what_it_needs() -> None:
    assert {name: set(each["depends_on"]) for name, each in SERVICES.items() if "depends_on" in each} == NEEDS
    for name, needed in NEEDS.items():
        for each in needed:
            wanted = "service_completed_successfully" if each in ONCE else "service_healthy"
            assert SERVICES[name]["depends_on"][each] == {"condition": wanted}
            # A service of another profile may never start.
            assert each not in PROFILES


def test_ports_are_open_only_to_this_machine() -> None:
    published = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
    assert {name: [resolved(port, {}) for port in ports] for name, ports in published.items()} == {
        name: [f"127.0.0.1:{port}:{port}"] for name, port in PORTS.items()
    }


def test_only_grafana_can_be_opened_to_other_devices() -> None:
    published = [port for each in SERVICES.values() for port in each.get("ports", ())]
    assert [port for port in published if "$" in port] == SERVICES["grafana"]["ports"]
    (port,) = SERVICES["grafana"]["ports"]
    assert resolved(port, {"GRAFANA_LISTEN": "0.0.0.0", "GRAFANA_PORT": "3001"}) == "0.0.0.0:3001:3000"


def test_mounts_are_named_volumes_or_read_only_files() -> None:
    everything = {mount for name in SERVICES for mount in mounts(name).values()}
    files = {(source, writable) for source, writable in everything if source.startswith("./")}
    assert {(source, writable) for source, writable in files if writable or not (ROOT / source).exists()} == set()
    assert {source for source, _ in everything - files} == set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", ["victoriametrics", "vmagent", "prometheus"])
def test_programs_write_only_to_volumes(name: str) -> None:
    writing = {"-storageDataPath", "-remoteWrite.tmpDataPath", "--storage.tsdb.path"}
    reading = {"-promscrape.config", "-rule", "--config.file"}
    places = {flag: mounts(name)[place] for flag, place in flags(name).items() if flag in writing | reading}
    assert places.keys() & writing
    assert {flag for flag, (_, writable) in places.items() if writable} == places.keys() & writing


def test_promtool_has_a_folder_for_temporary_blocks() -> None:
    # The default, /tmp, is not writable.
    assert "tmpfs" not in SERVICES["prometheus"]
    assert mounts("prometheus")[SERVICES["prometheus"]["environment"]["TMPDIR"]] == ("prometheus", True)


def test_all_that_sign_in_share_the_state() -> None:
    for name in SIGNING_IN:
        variables = environment(name, demo())
        script = {HISTORY: (f"./compose/{Path(HISTORY).name}", False)} if name == "history" else {}
        assert mounts(name) == {variables["SMARTHUB_STATE_DIR"]: ("state", True), **script}
        assert SERVICES[name]["tmpfs"] == ["/tmp"]
        assert variables.pop("HISTORY_START", "first") == "first"
        assert variables == environment("exporter", demo())
        assert set(variables) <= set(VARIABLES)
        if name in PROFILES:
            # Flags can follow the name of the service.
            more = ["--scraper.url", "http://vmagent:8429"] if name == "check" else []
            assert (SERVICES[name]["entrypoint"], SERVICES[name]["command"]) == (["smarthub-exporter", name], more)


def test_nothing_waits_for_the_history() -> None:
    assert not [name for name, needed in NEEDS.items() if "history" in needed]
    assert (SERVICES["history"]["entrypoint"], SERVICES["history"]["command"]) == (["sh", HISTORY], [])


# -- settings for versions newer than those of Debian, checked by their text


def test_victoria_metrics_keeps_years_without_copies() -> None:
    known = flags("victoriametrics")
    years = int(known["-retentionPeriod"].removesuffix("y"))
    assert years >= 5
    assert known["-dedup.minScrapeInterval"] == "1s"
    # The cumulative curve over all data is a subquery in steps of five minutes over twice the range.
    for flag in ("-search.maxPointsPerTimeseries", "-search.maxPointsSubqueryPerTimeseries"):
        assert int(known[flag]) >= 2 * years * 366 * 288


def test_prometheus_keeps_years_and_accepts_late_samples() -> None:
    assert int(flags("prometheus")["--storage.tsdb.retention.time"].removesuffix("y")) >= 5
    config = yaml.safe_load(read("compose/prometheus.yml"))
    window = int(config["storage"]["tsdb"]["out_of_order_time_window"].removesuffix("d"))
    assert window * 86400 >= 2 * ExporterConfig().window
    assert mounts("prometheus")[config["rule_files"][0]] == (ALERTS, False)


def test_vmagent_writes_no_stale_markers_and_keeps_its_queue() -> None:
    assert "-promscrape.noStaleMarkers" in SERVICES["vmagent"]["command"]
    known = flags("vmagent")
    assert known["-remoteWrite.url"] == f"{DATABASE}/api/v1/write"
    assert mounts("vmagent")[known["-remoteWrite.tmpDataPath"]] == ("queue", True)
    assert int(known["-promscrape.maxScrapeSize"].removesuffix("MB")) >= 16


def test_scrape_jobs_match_the_guide_and_the_tests() -> None:
    shipped = [yaml.safe_load(read(path)) for path in ("compose/vmagent.yml", "compose/prometheus.yml")]
    shown = [*scraping_guide(), yaml.safe_load(read("docs/scrape.yml"))]
    assert len(shown) == 3
    # Only the first one is for a process with other jobs, where no flag stops the stale markers of all.
    assert shown[0]["scrape_configs"][0].pop("no_stale_markers") is True
    for host, configs in (("exporter", shipped), ("localhost", shown)):
        for config in configs:
            assert config["scrape_configs"] == [
                job(INTERVALS_JOB, f"{host}:10058", scrape_interval="15m"),
                job(EXPORTER_JOB, f"{host}:10058", scrape_interval="1m"),
            ]


def test_vmalert_reads_and_writes_the_database() -> None:
    known = flags("vmalert")
    assert {known[f"-{each}.url"] for each in ("datasource", "remoteWrite", "remoteRead")} == {DATABASE}
    assert mounts("vmalert") == {known["-rule"]: (ALERTS, False)}


def test_both_rule_evaluators_know_the_alertmanager() -> None:
    assert flags("vmalert")["-notifier.url"] == f"http://{ALERTMANAGER}"
    (known,) = yaml.safe_load(read("compose/prometheus.yml"))["alerting"]["alertmanagers"]
    assert known == {"static_configs": [{"targets": [ALERTMANAGER]}]}
    # The address is appended to the last receiver.
    *_, last = read("compose/alertmanager.yml").splitlines()
    assert last == "  - name: webhook"


@pytest.mark.process
@pytest.mark.parametrize(
    ("url", "said", "is_used"),
    [
        ("https://ntfy.sh/TOPIC?title=%7B", "", True),
        ("http://10.0.0.2:8123/api/webhook/ID", "", True),
        ("", "is not set", False),
        ("ntfy.sh/TOPIC", "must begin with http:// or https://", False),
    ],
)
def test_alertmanager_gets_only_addresses_that_it_accepts(
    url: str,
    said: str,
    is_used: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    (script,) = SERVICES["alertmanager"]["command"]
    assert SERVICES["alertmanager"]["entrypoint"] == ["/bin/sh", "-c"]
    (tmp_path / "alertmanager.yml").write_text(read("compose/alertmanager.yml") + emails(), encoding="utf-8")
    merged = tmp_path / "merged.yml"
    script = script.replace("$$", "$").replace("/etc/alertmanager/", f"{tmp_path}/")
    script = script.replace("/tmp/alertmanager.yml", str(merged)).replace("exec alertmanager", "exec true")
    code, log = outcome("sh", "-c", script, environment={"ALERT_WEBHOOK_URL": url})
    assert (code, said in log, bool(log)) == (0, True, bool(said))
    (receiver,) = yaml.safe_load(merged.read_text(encoding="utf-8"))["receivers"]
    assert receiver.get("webhook_configs", []) == ([{"url": url}] if is_used else [])
    amtool = find_program("prometheus-alertmanager").with_name("amtool")
    assert outcome(amtool, "check-config", merged)[0] == 0


def emails() -> str:
    """Return the receiver by email of the guide, without its first lines, which are shipped."""
    (example,) = (text for language, text in blocks("docs/home-stack.md") if language == "yaml")
    first = "receivers:\n  - name: webhook\n"
    assert example.startswith(first)
    assert read("compose/alertmanager.yml").endswith(first)
    return example.removeprefix(first)


def test_programs_listen_on_the_published_ports() -> None:
    for name in ("victoriametrics", "vmagent", "vmalert", "prometheus"):
        known = flags(name)
        address = known.get("-httpListenAddr") or known["--web.listen-address"]
        assert SERVICES[name]["healthcheck"]["test"][-1].startswith(f"http://127.0.0.1{address}/")
        assert name not in PORTS or address == f":{PORTS[name]}"


GRAFANA: Final = {
    "GF_AUTH_ANONYMOUS_ENABLED": "true",
    "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
    "GF_AUTH_DISABLE_LOGIN_FORM": "true",
    "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    "GF_NEWS_NEWS_FEED_ENABLED": "false",
    "GF_PLUGINS_PREINSTALL_DISABLED": "true",
    "GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED": "true",
    "SMARTHUB_DATABASE_URL": DATABASE,
}
"""Read-only access without a login, and no requests to Grafana Labs."""


def test_grafana_is_read_only() -> None:
    variables = environment("grafana", demo())
    assert GRAFANA.items() <= variables.items()
    (provider,) = yaml.safe_load(read("grafana/provisioning/dashboards/smarthub.yml"))["providers"]
    home = Path(variables["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]
    folder, _ = mounts("grafana")[provider["options"]["path"]]
    assert (ROOT / folder / home.name).exists()


def test_grafana_shows_the_time_of_the_co_op() -> None:
    assert environment("grafana", example())["GF_DATE_FORMATS_DEFAULT_TIMEZONE"] == example()["SMARTHUB_TIMEZONE"]


@pytest.mark.process
@pytest.mark.parametrize("password", ["", 'a "b" $c \\'])
def test_grafana_has_an_administrator_only_with_a_password(password: str) -> None:
    (script,) = SERVICES["grafana"]["command"]
    assert SERVICES["grafana"]["entrypoint"] == ["/bin/sh", "-c"]
    script = script.replace("$$", "$").replace("/run.sh", "env")
    code, said = outcome(
        "sh", "-c", script, environment=environment("grafana", {**demo(), "GRAFANA_ADMIN_PASSWORD": password})
    )
    started = dict(line.split("=", 1) for line in said.splitlines() if line.startswith("GF_"))
    assert code == 0
    assert started.get("GF_SECURITY_ADMIN_PASSWORD", "") == password
    switches = ("GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION", "GF_AUTH_DISABLE_LOGIN_FORM")
    assert {started[each] for each in switches} == {"false" if password else "true"}


# -- the four variables


def env_file(path: str) -> dict[str, str]:
    """Return the variables that a file for compose sets."""
    lines = [line for line in read(path).splitlines() if line and not line.startswith("#")]
    return {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)}


def example() -> dict[str, str]:
    return env_file(".env.example")


def demo() -> dict[str, str]:
    return env_file(".env.demo")


def loaded(**variables: str) -> Config:
    """Load the configuration of the exporter from .env.example and other variables."""
    return load_config(None, environment("exporter", {**example(), **variables}), Overrides())


def test_the_example_password_is_a_placeholder() -> None:
    assert (tuple(example()), example()["SMARTHUB_PASSWORD"]) == (THE_FOUR, PLACEHOLDER)
    (warning,) = loaded().warnings
    assert warning.startswith("SMARTHUB_PASSWORD")


def test_four_variables_are_enough() -> None:
    config = loaded(SMARTHUB_PASSWORD="it's $1 & more")
    (login,) = config.logins
    assert (login.portal.base_url, login.username) == ("https://novec.smarthub.coop", "member@example.org")
    assert (login.password.reveal(), str(login.zone)) == ("it's $1 & more", "America/New_York")
    assert (login.totp_secret, login.locations, config.warnings) == (None, (), ())
    assert config.exporter == ExporterConfig(state_dir=Path("/var/lib/smarthub-exporter"))
    assert config.victoriametrics == VictoriaMetricsConfig(DATABASE)


def test_the_example_of_alerts_is_that_of_the_guide() -> None:
    pattern = r"ALERT_WEBHOOK_URL='https:.*"
    (line,) = re.findall(pattern, read(".env.example"))
    assert [line] == re.findall(pattern, read("docs/home-stack.md"))


def test_an_empty_url_means_no_victoria_metrics() -> None:
    assert loaded(VICTORIAMETRICS_URL="").victoriametrics is None


def test_the_demo_signs_in_to_the_simulated_portal() -> None:
    (login,) = load_config(None, environment("exporter", demo()), Overrides()).logins
    world = World()
    (user,) = world.users
    assert (login.username, login.password.reveal(), str(login.zone)) == (user.username, user.password, world.zone)
    command = SERVICES["demo-portal"]["command"]
    _, port = parse_listen_address(command[command.index("--listen-address") + 1])
    assert login.portal.base_url == f"http://demo-portal:{port}"


def test_no_file_of_the_stack_contains_a_secret() -> None:
    known = {"", PLACEHOLDER, World().users[0].password, "/run/secrets/smarthub_password"}
    secret = re.compile(r"^\s*[A-Z_]*(?:PASSWORD|SECRET|TOKEN)(?:_FILE)?\s*[:=]\s*(.+)$", re.MULTILINE)
    for path in (
        "docker-compose.yml",
        ".env.example",
        ".env.demo",
        "Dockerfile",
        *map(str, (ROOT / "compose").iterdir()),
    ):
        for value in secret.findall((ROOT / path).read_text(encoding="utf-8")):
            assert resolved(value, {}).strip("\"'") in known, path
    # Files with secrets are not committed by accident.
    assert {"/.env", "/secrets/"} <= set(read(".gitignore").splitlines())


# -- the published database


@pytest.mark.process
def test_victoria_metrics_is_published_only_with_a_key(checkout: Path) -> None:
    variables, key = read(".env.example"), "VICTORIAMETRICS_DELETE_KEY=sesame\n"
    (checkout / ".env").write_text(variables + key, encoding="utf-8")
    alone = composed(checkout)["services"]["victoriametrics"]
    variables += added_file(PUBLISHED)
    (checkout / ".env").write_text(variables, encoding="utf-8")
    code, said = outcome("docker-compose", "config", folder=checkout)
    assert (code, "VICTORIAMETRICS_DELETE_KEY" in said) == (1, True), said
    (checkout / ".env").write_text(variables + key, encoding="utf-8")
    merged = composed(checkout)["services"]["victoriametrics"]
    assert "ports" not in alone
    assert "-envflag.enable" in alone["command"]
    more = {"ports": ["127.0.0.1:8428:8428/tcp"], "environment": {"deleteAuthKey": "sesame"}}
    assert merged == {**alone, **more}


# -- documentation


def added_file(path: str) -> str:
    """Return the line for .env that adds a compose file, as its head and the guide have it."""
    line = f"COMPOSE_FILE=docker-compose.yml:{path}"
    for name in (path, "docs/home-stack.md"):
        assert f"echo {line} >>.env\n" in read(name), name
    return f"{line}\n"


def test_the_commands_are_those_of_the_guide() -> None:
    guide = set(compose_commands("docs/home-stack.md"))
    head = compose_commands("docker-compose.yml")
    assert len(head) == 3
    assert {*head, *compose_commands("README.md"), *compose_commands(".env.demo")} <= guide


def test_the_backup_has_every_volume_that_needs_one() -> None:
    commands = re.findall(
        r"docker compose ps -aq ([a-z ]+) \|.*--volumes-from=&(:ro)?/.*\n +busybox:\S+ tar (-[cx]z) -C /(.*)",
        read("docs/home-stack.md"),
    )
    (names, read_only, _, saved), (*restored, _) = commands
    assert (read_only, *restored) == (":ro", names, "", "-xz")
    places = [place for name in names.split() for place, (_, writable) in mounts(name).items() if writable]
    assert sorted(f"/{each}" for each in saved.partition(" >")[0].split()) == sorted(places)
    kept = {volume for name in names.split() for volume, writable in mounts(name).values() if writable}
    # The exporter serves what is queued again, and Prometheus has its own words in the guide.
    assert set(COMPOSE["volumes"]) - kept == {"queue", "prometheus"}


# -- history at the first start


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with a backfill that ends with the code in `code`, and a `sleep` that does not wait."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {
        "smarthub-exporter": f'echo "$@" >>{tmp_path}/calls; exit "$(cat {tmp_path}/code)"',
        "sleep": f'echo "sleep $1" >>{tmp_path}/calls',
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder


def load_history(programs: Path, code: int, **variables: str) -> tuple[int, list[str]]:
    """Run the service while a backfill ends with a code; return its own and the calls since the last time."""
    folder = programs.parent
    calls = folder / "calls"
    calls.write_text("", encoding="utf-8")
    (folder / "code").write_text(str(code), encoding="utf-8")
    places = {"PATH": f"{programs}:/usr/bin:/bin", "SMARTHUB_STATE_DIR": str(folder)}
    known = {**environment("history", {**demo(), **variables}), **places}
    found, _ = outcome("sh", ROOT / "compose" / "history.sh", environment=known)
    return found, calls.read_text(encoding="utf-8").splitlines()


BACKFILL: Final = "backfill --start first --yes"


@pytest.mark.process
def test_history_is_loaded_once_for_each_login(programs: Path) -> None:
    assert load_history(programs, 0) == (0, [BACKFILL])
    assert load_history(programs, 0) == (0, [])
    assert load_history(programs, 0, SMARTHUB_USERNAME="other@example.org") == (0, [BACKFILL])
    since = {"SMARTHUB_USERNAME": "other@example.org", "HISTORY_START": "2024-01-01"}
    assert load_history(programs, 0, **since) == (0, [BACKFILL.replace("first", "2024-01-01")])
    assert load_history(programs, 0, **since) == (0, [])


@pytest.mark.process
@pytest.mark.parametrize("code", [1, 3])
def test_an_unfinished_history_is_resumed_with_pauses(code: int, programs: Path) -> None:
    waits = [f"sleep {hours * 3600}" for hours in (1, 2, 4, 8)]
    wanted = [BACKFILL, *(call for wait in waits for call in (wait, BACKFILL))]
    assert load_history(programs, code) == (code, wanted)
    assert load_history(programs, 0) == (0, [BACKFILL])


@pytest.mark.process
def test_a_wrong_configuration_is_not_tried_again(programs: Path) -> None:
    assert load_history(programs, 2) == (2, [BACKFILL])


@pytest.mark.process
def test_history_can_be_switched_off(programs: Path) -> None:
    assert load_history(programs, 0, HISTORY_START="") == (0, [])


def test_the_guide_quotes_the_log_of_the_history() -> None:
    quoted = re.findall(r'"(history [a-z ]+)"', read("docs/home-stack.md"))
    assert len(quoted) == 2
    for each in quoted:
        assert f"echo '{each}" in read("compose/history.sh")


@pytest.mark.process
def test_stopping_the_service_stops_its_backfill(programs: Path) -> None:
    started = programs.parent / "started"
    stub = programs / "smarthub-exporter"
    stub.write_text(
        f'#!/bin/sh\necho "$$" >{started}.new && mv {started}.new {started}\nexec /bin/sleep 60\n', encoding="utf-8"
    )
    variables = {**environment("history", demo()), "PATH": f"{programs}:/usr/bin:/bin"}
    variables["SMARTHUB_STATE_DIR"] = str(programs.parent)
    with spawn(["sh", ROOT / "compose" / "history.sh"], folder=ROOT, stdout=DEVNULL, environment=variables) as script:
        try:
            wait_until(started.exists, "the backfill")
            script.terminate()
            assert script.wait(DEADLINE) != 0
            assert not is_running(int(started.read_text(encoding="utf-8")))
        finally:
            script.kill()
            with suppress(OSError):
                os.kill(int(started.read_text(encoding="utf-8")), SIGKILL)


# -- several logins


LOGIN: Final = "  - {{name: {0}, api_url: {0}, username: m@example.org, password: secret, timezone: America/{1}}}\n"


@pytest.mark.process
def test_several_logins_come_from_the_configuration(checkout: Path) -> None:
    (checkout / ".env").write_text(read(".env.example") + added_file("compose/config.yml"), encoding="utf-8")
    merged = composed(checkout)["services"]
    config = checkout / "config.yaml"
    for name in SIGNING_IN:
        # The image sets no working directory, and config.yaml is read from there.
        assert f"{config}:/config.yaml:ro" in merged[name]["volumes"]
    assert "WORKDIR" not in IMAGE
    config.touch(mode=0o600)
    logins = LOGIN.format("novec", "New_York") + LOGIN.format("wemc", "Chicago")
    config.write_text(f"smarthub:\n{logins}", encoding="utf-8")
    variables = {**merged["exporter"]["environment"]}
    found = load_config(config, variables, Overrides())
    assert [str(login.zone) for login in found.logins] == ["America/New_York", "America/Chicago"]
    assert found.victoriametrics == VictoriaMetricsConfig(DATABASE)


# -- the password as a file


def test_the_password_comes_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "smarthub_password"
    over = {**SECRETS["services"]["exporter"]["environment"], "SMARTHUB_PASSWORD_FILE": str(file)}
    variables = environment("exporter", {**example(), "SMARTHUB_PASSWORD": ""}, over)
    file.touch(mode=0o600)
    file.write_text("from a file\n", encoding="utf-8")
    (login,) = load_config(None, variables, Overrides()).logins
    assert login.password.reveal() == "from a file"


# -- the image


def stages() -> Iterator[dict[str, list[str]]]:
    """Yield the instructions of each stage of the Dockerfile."""
    for stage in re.split(r"^(?=FROM )", re.sub(r"\\\n\s*", "", read("Dockerfile")), flags=re.MULTILINE)[1:]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for word, rest in re.findall(r"^([A-Z]+) (.*)$", stage, re.MULTILINE):
            found[word].append(rest)
        yield found


BUILD, IMAGE = stages()


def test_only_locked_requirements_are_installed() -> None:
    assert BUILD["FROM"] == ["python:3.11-slim-bookworm AS build"]
    installs = re.findall(r"pip install ([^&]+)", " && ".join(BUILD["RUN"]))
    assert len(installs) == 3
    for each in installs:
        assert "--no-cache-dir" in each
        assert "--require-hashes -r requirements" in each or "--no-deps dist/*.whl" in each
    assert "requirements-dev" not in read("Dockerfile")


def test_the_image_fits_the_stack() -> None:
    (folder,) = mounts("exporter")
    user = SERVICES["exporter"]["user"]
    wanted = {
        "FROM": "python:3.11-slim-bookworm",
        "COPY": "--from=build /app /app",
        "USER": user,
        "VOLUME": folder,
        "EXPOSE": str(parse_listen_address(ExporterConfig().listen_address)[1]),
        "STOPSIGNAL": "SIGTERM",
        "ENTRYPOINT": '["smarthub-exporter"]',
        "CMD": '["serve"]',
    }
    assert {word: IMAGE[word] for word in wanted} == {word: [rest] for word, rest in wanted.items()}
    (run,), (variables,), (check,), (labels,) = (IMAGE[word] for word in ("RUN", "ENV", "HEALTHCHECK", "LABEL"))
    # A new named volume gets its owner from the image.
    uid, gid = user.split(":")
    assert f"install -d -o {uid} -g {gid} -m 0700 {folder}" in run
    assert not re.search("pip|apt-get", run)
    assert f"SMARTHUB_STATE_DIR={folder}" in variables
    assert check.partition(" CMD ")[2] == '["smarthub-exporter", "healthcheck"]'
    assert SERVICES["exporter"]["healthcheck"]["test"] == ["CMD", "smarthub-exporter", "healthcheck"]
    for name, value in {"title": "smarthub-exporter", "version": __version__, "licenses": "MIT"}.items():
        assert f'org.opencontainers.image.{name}="{value}"' in labels


def context() -> list[str]:
    """Return the files of the build context, according to .dockerignore."""
    first, *patterns = read(".dockerignore").split()
    assert first == "*"
    taken = [each.removeprefix("!") for each in patterns if each.startswith("!")]
    dropped = [each.removeprefix("**/") for each in patterns if not each.startswith("!")]
    files = [
        path.relative_to(ROOT)
        for each in taken
        for path in ([ROOT / each] if (ROOT / each).is_file() else (ROOT / each).rglob("*"))
        if path.is_file()
    ]
    return [str(each) for each in files if not any(fnmatch(part, drop) for part in each.parts for drop in dropped)]


def test_the_build_context_has_only_what_is_copied() -> None:
    sources = {each for copied in BUILD["COPY"] for each in copied.split()} - {"./"}
    assert {each.partition("/")[0] for each in context()} == sources
    assert not {".pyc", ".db", ".yaml", ".env", ".log"} & {Path(each).suffix for each in context()}


@pytest.mark.process
def test_the_wheel_of_the_image_has_the_whole_package(tmp_path: Path) -> None:
    for each in context():
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / each, tmp_path / each)
    # Like the Dockerfile, from these files alone.
    assert "python -m hatchling build -t wheel" in read("Dockerfile")
    code, said = outcome(sys.executable, "-m", "hatchling", "build", "-t", "wheel", folder=tmp_path)
    assert code == 0, said
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert wheel.name == f"smarthub_exporter-{__version__}-py3-none-any.whl"
    packed = {each for each in zipfile.ZipFile(wheel).namelist() if each.startswith("exporter/")}
    assert packed == {each for each in context() if each.startswith("exporter/")}


# -- checked by the programs


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the files that compose reads, and no .env."""
    for each in ("compose", "grafana"):
        shutil.copytree(ROOT / each, tmp_path / each)
    for each in ("docker-compose.yml", "Dockerfile", ".env.demo"):
        shutil.copy(ROOT / each, tmp_path / each)
    return tmp_path


def composed(checkout: Path, *flags: str) -> Json:
    """Return the stack as compose resolves it."""
    code, said = outcome("docker-compose", *flags, "config", folder=checkout)
    assert code == 0, said
    return yaml.safe_load(said)


@pytest.mark.process
def test_compose_accepts_the_stack(checkout: Path) -> None:
    merged = composed(checkout, "--env-file", ".env.demo")
    assert merged["services"]["exporter"]["environment"] == environment("exporter", demo())


@pytest.mark.process
@pytest.mark.parametrize("missing", [None, "SMARTHUB_API_URL", "SMARTHUB_USERNAME", "SMARTHUB_TIMEZONE"])
def test_without_its_variables_compose_says_what_to_do(missing: str | None, checkout: Path) -> None:
    if missing:
        lines = [line for line in read(".env.example").splitlines() if not line.startswith(missing)]
        (checkout / ".env").write_text("\n".join([*lines, f"{missing}="]), encoding="utf-8")
    code, said = outcome("docker-compose", "config", folder=checkout)
    advice = "set it in .env, a copy of .env.example; for the demo, add --env-file .env.demo"
    assert (code, said.rpartition('"exporter": ')[2].strip()) == (1, advice)


@pytest.mark.process
@pytest.mark.parametrize("password", ["$PATH a$b$$", "# # no comment", 'a "b" & \\c=d;e'])
def test_a_password_in_single_quotes_stays_unchanged(password: str, checkout: Path) -> None:
    # Old versions of compose replace ${NAME} even there, new ones do not.
    assert f"SMARTHUB_PASSWORD='{PLACEHOLDER}'\n" in read(".env.example")
    (checkout / ".env").write_text(read(".env.example").replace(PLACEHOLDER, password), encoding="utf-8")
    merged = composed(checkout)
    for name in SIGNING_IN:
        found = merged["services"][name]["environment"]
        # compose doubles each $ in its output.
        plain = {key: value.replace("$$", "$") for key, value in found.items()}
        assert plain == environment(name, {**example(), "SMARTHUB_PASSWORD": password})


@pytest.mark.process
def test_compose_accepts_the_secret_as_a_file(checkout: Path) -> None:
    lines = [line for line in read(".env.example").splitlines() if "PASSWORD" not in line]
    (checkout / ".env").write_text("\n".join([*lines, added_file("compose/secrets.yml")]), encoding="utf-8")
    merged = composed(checkout)
    # Relative to docker-compose.yml, not to the file that names it.
    assert merged["secrets"]["smarthub_password"] == {"file": str(checkout / "secrets" / "smarthub_password")}
    variables = {**example(), "SMARTHUB_PASSWORD": ""}
    over = {"SMARTHUB_PASSWORD": "", "SMARTHUB_PASSWORD_FILE": "/run/secrets/smarthub_password"}
    assert set(SECRETS["services"]) == set(SIGNING_IN)
    for name in SIGNING_IN:
        assert merged["services"][name]["environment"] == environment(name, variables, over)
        assert merged["services"][name]["secrets"] == [{"source": "smarthub_password"}]


@pytest.mark.process
def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    assert outcome(Path(sys.executable).with_name("hadolint"), "Dockerfile") == (0, "")


@pytest.mark.process
@pytest.mark.parametrize("shipped", [True, False], ids=["compose", "guide"])
def test_scrapers_accept_their_configurations(shipped: bool, tmp_path: Path) -> None:  # noqa: FBT001
    place, file = "/etc/prometheus/alerts/smarthub.yml", ROOT / "grafana" / "alerts" / "smarthub.yml"
    if shipped:
        texts = [read(f"compose/{name}.yml") for name in ("vmagent", "prometheus")]
        assert place in texts[1]
    else:
        configs = scraping_guide()
        # Debian's vmagent is too old for this key.
        del configs[0]["scrape_configs"][0]["no_stale_markers"]
        texts = [yaml.safe_dump(each) for each in configs]
    agent, prometheus = tmp_path / "vmagent.yml", tmp_path / "prometheus.yml"
    agent.write_text(texts[0], encoding="utf-8")
    prometheus.write_text(texts[1].replace(place, str(file)), encoding="utf-8")
    code, said = outcome("vmagent", "-dryRun", f"-promscrape.config={agent}", "-promscrape.config.strictParse")
    assert code == 0, said
    code, said = outcome("promtool", "check", "config", prometheus)
    assert (code, "8 rules found" in said) == (0, shipped), said
