"""docker-compose.yml, what it mounts, and the Dockerfile: what they promise, by their text and by the programs."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from exporter import __version__
from exporter.config import ExporterConfig, Overrides, load_config, parse_listen_address
from exporter.config.model import PLACEHOLDER
from exporter.config.schema import VARIABLES
from exporter.errors import ConfigError
from exporter.simulator.world import World

from ..support.compose import compose_commands, read
from ..support.services import EXPORTER_JOB, INTERVALS_JOB, ROOT, find_program, job

Json = Any

STAYING: Final = ("exporter", "victoriametrics", "vmagent", "vmalert", "grafana", "demo-portal", "prometheus")
ONCE: Final = ("backfill", "check", "volumes")
OURS: Final = ("exporter", "backfill", "check", "volumes", "demo-portal")
PROFILES: Final = {
    "backfill": ["backfill"],
    "check": ["check"],
    "demo-portal": ["demo"],
    "prometheus": ["prometheus"],
}
NEEDS: Final = {
    "backfill": {"victoriametrics"},
    "victoriametrics": {"volumes"},
    "vmagent": {"exporter", "victoriametrics", "volumes"},
    "vmalert": {"victoriametrics"},
    "prometheus": {"exporter"},
}
PORTS: Final = {"exporter": 10058, "victoriametrics": 8428, "grafana": 3000, "prometheus": 9090}
THE_FOUR: Final = ("SMARTHUB_API_URL", "SMARTHUB_USERNAME", "SMARTHUB_PASSWORD", "SMARTHUB_TIMEZONE")
VARIABLE: Final = re.compile(r"\$\{(\w+)(:?-)([^}]*)\}")


COMPOSE: Final[Json] = yaml.safe_load(read("docker-compose.yml"))
SERVICES: Final[dict[str, Json]] = COMPOSE["services"]
SECRETS: Final[Json] = yaml.safe_load(read("compose/secrets.yml"))

every_service = pytest.mark.parametrize("name", SERVICES)


def resolved(value: str, variables: Mapping[str, str]) -> str:
    """As compose replaces variables: `:-` also stands in for an empty one."""

    def replacement(found: re.Match[str]) -> str:
        name, operator, default = found.groups()
        given = variables.get(name)
        return default if given is None or (operator == ":-" and not given) else given

    return VARIABLE.sub(replacement, value)


def environment(name: str, variables: Mapping[str, str], over: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a container is started with."""
    return {key: resolved(each, variables) for key, each in {**SERVICES[name]["environment"], **(over or {})}.items()}


def mounts(name: str) -> dict[str, tuple[str, bool]]:
    """What is mounted, and whether it can be written to, by the place in the container."""
    found = {}
    for each in SERVICES[name].get("volumes", ()):
        source, target, *mode = each.split(":")
        found[target] = (source, mode != ["ro"])
    return found


def flags(name: str) -> dict[str, str]:
    """The flags of a command by their names, with their dashes."""
    return {flag: value for flag, _, value in (each.partition("=") for each in SERVICES[name]["command"])}


# -- every service


def test_there_is_everything_from_the_meter_to_the_wall() -> None:
    assert set(SERVICES) == {*STAYING, *ONCE}
    assert {name: each["profiles"] for name, each in SERVICES.items() if "profiles" in each} == PROFILES


@every_service
def test_an_image_is_pinned_to_a_version_or_built_here(name: str) -> None:
    service = SERVICES[name]
    if name in OURS:
        # Without a name of its own no two builds write the same image at once; built at each start, none is outdated.
        assert (service["build"], service["pull_policy"], service.get("image")) == (".", "build", None)
    else:
        assert re.fullmatch(r"[a-z-]+/[a-z-]+:v?\d+\.\d+\.\d+", service["image"])
        assert not {"build", "pull_policy"} & service.keys()


def test_the_parts_of_victoria_metrics_are_of_one_version() -> None:
    versions = {SERVICES[name]["image"].partition(":")[2] for name in ("victoriametrics", "vmagent", "vmalert")}
    assert len(versions) == 1


@every_service
def test_a_service_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "devices", "pid", "ipc", "userns_mode"} & service.keys()
    if name != "volumes":
        assert re.fullmatch(r"[1-9]\d*:\d+", service["user"])
        assert not {"cap_add", "network_mode"} & service.keys()


def test_the_one_that_hands_over_the_volumes_is_root_and_can_do_nothing_else() -> None:
    volumes = SERVICES["volumes"]
    assert (volumes["user"], volumes["cap_add"], volumes["network_mode"]) == ("0:0", ["CHOWN"], "none")
    assert (volumes["entrypoint"][0], volumes["command"]) == ("chown", [])
    owner, folders = volumes["entrypoint"][1], volumes["entrypoint"][2:]
    # Each folder is the same volume as where the service of that user writes.
    given = {volume: owner for place, (volume, _) in mounts("volumes").items() if place in folders}
    assert given == {
        volume: SERVICES[name]["user"]
        for name in ("victoriametrics", "vmagent")
        for volume, writable in mounts(name).values()
        if writable
    }


@pytest.mark.parametrize("name", STAYING)
def test_what_stays_is_restarted_and_watched(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    health = SERVICES[name]["healthcheck"]
    assert health["test"][0] == "CMD"
    assert {"interval", "timeout", "start_period"} <= health.keys()


@pytest.mark.parametrize("name", ONCE)
def test_what_ends_is_not_started_again(name: str) -> None:
    assert SERVICES[name].get("restart", "no") == "no"
    assert SERVICES[name]["healthcheck"] == {"disable": True}


def test_a_service_waits_until_what_it_needs_works() -> None:
    assert {name: set(each["depends_on"]) for name, each in SERVICES.items() if "depends_on" in each} == NEEDS
    for name, needed in NEEDS.items():
        for each in needed:
            wanted = "service_completed_successfully" if each in ONCE else "service_healthy"
            assert SERVICES[name]["depends_on"][each] == {"condition": wanted}
            # What is started for another profile alone cannot be waited for.
            assert each not in PROFILES


def test_ports_are_open_to_this_machine_alone() -> None:
    assert {name: each["ports"] for name, each in SERVICES.items() if "ports" in each} == {
        name: [f"127.0.0.1:{port}:{port}"] for name, port in PORTS.items()
    }


def test_named_volumes_are_declared_and_used_and_everything_else_is_a_file_that_nobody_changes() -> None:
    named = set()
    for name in SERVICES:
        for source, writable in mounts(name).values():
            if source.startswith("./"):
                assert not writable
                assert (ROOT / source).exists()
            else:
                named.add(source)
    assert named == set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", ["victoriametrics", "vmagent", "prometheus"])
def test_programs_write_only_into_volumes(name: str) -> None:
    writing = {"-storageDataPath", "-remoteWrite.tmpDataPath", "--storage.tsdb.path"}
    folders = [folder for flag, folder in flags(name).items() if flag in writing]
    reading = {"-promscrape.config", "-rule", "--config.file"}
    files = [file for flag, file in flags(name).items() if flag in reading]
    assert folders
    assert all(mounts(name)[folder][1] for folder in folders)
    assert all(not mounts(name)[file][1] for file in files)


def test_promtool_has_a_place_for_what_it_makes_blocks_of() -> None:
    # Its scratch folder is in /tmp otherwise, which cannot be written.
    assert "tmpfs" not in SERVICES["prometheus"]
    assert mounts("prometheus")[SERVICES["prometheus"]["environment"]["TMPDIR"]] == ("prometheus", True)


def test_exporter_backfill_and_check_share_the_state() -> None:
    for name in ("exporter", "backfill", "check"):
        folder = environment(name, {})["SMARTHUB_STATE_DIR"]
        assert mounts(name) == {folder: ("state", True)}
        assert SERVICES[name]["tmpfs"] == ["/tmp"]
    assert environment("exporter", {}) == environment("backfill", {}) == environment("check", {})


def test_a_backfill_takes_flags_after_its_name() -> None:
    for name in ("backfill", "check"):
        assert SERVICES[name]["entrypoint"] == ["smarthub-exporter", name]
        assert SERVICES[name]["command"] == []


# -- what newer versions do otherwise than Debian's, by the text


def test_victoria_metrics_keeps_years_and_each_sample_once() -> None:
    known = flags("victoriametrics")
    years = re.fullmatch(r"(\d+)y", known["-retentionPeriod"])
    assert years is not None
    assert int(years[1]) >= 5
    assert known["-dedup.minScrapeInterval"] == "1s"
    # The cumulative curve over all that is kept: a subquery in steps of five minutes over twice the range.
    for flag in ("-search.maxPointsPerTimeseries", "-search.maxPointsSubqueryPerTimeseries"):
        assert int(known[flag]) >= 2 * int(years[1]) * 366 * 288


def test_prometheus_keeps_years_and_takes_what_is_late() -> None:
    years = re.fullmatch(r"(\d+)y", flags("prometheus")["--storage.tsdb.retention.time"])
    assert years is not None
    assert int(years[1]) >= 5
    config = yaml.safe_load(read("compose/prometheus.yml"))
    window = re.fullmatch(r"(\d+)d", config["storage"]["tsdb"]["out_of_order_time_window"])
    assert window is not None
    assert int(window[1]) * 86400 >= 2 * ExporterConfig().window
    assert mounts("prometheus")[config["rule_files"][0]] == ("./grafana/alerts/smarthub.yml", False)


def test_vmagent_writes_no_stale_markers_into_the_past_and_keeps_what_it_cannot_send() -> None:
    assert "-promscrape.noStaleMarkers" in SERVICES["vmagent"]["command"]
    known = flags("vmagent")
    assert known["-remoteWrite.url"] == "http://victoriametrics:8428/api/v1/write"
    assert mounts("vmagent")[known["-remoteWrite.tmpDataPath"]] == ("queue", True)
    assert int(known["-promscrape.maxScrapeSize"].removesuffix("MB")) >= 16


@pytest.mark.parametrize("path", ["compose/vmagent.yml", "compose/prometheus.yml"])
def test_scrape_jobs_are_those_of_readme_and_of_the_other_tests(path: str) -> None:
    jobs = [
        job(INTERVALS_JOB, "exporter:10058", scrape_interval="15m"),
        job(EXPORTER_JOB, "exporter:10058", scrape_interval="1m"),
    ]
    config = yaml.safe_load(read(path))
    assert config["scrape_configs"] == jobs
    (intervals, _) = config["scrape_configs"]
    # vmagent's default is false since 1.93; Debian's is true and shows nothing of it.
    assert "honor_timestamps: true" in read(path)
    assert intervals["params"] == {"collect[]": ["intervals"]}
    blocks = [
        yaml.safe_load(each) for each in re.findall(r"^```yaml\n(.*?)^```", read("README.md"), re.MULTILINE | re.DOTALL)
    ]
    shown = [each["scrape_configs"] for each in blocks if "scrape_configs" in each]
    assert shown
    here = json.loads(json.dumps(jobs).replace("exporter:10058", "localhost:10058"))
    assert all(each == here for each in shown)


def test_vmalert_evaluates_the_rules_on_the_database_and_remembers_there() -> None:
    known = flags("vmalert")
    assert {known[f"-{each}.url"] for each in ("datasource", "remoteWrite", "remoteRead")} == {
        "http://victoriametrics:8428"
    }
    assert mounts("vmalert") == {known["-rule"]: ("./grafana/alerts/smarthub.yml", False)}
    # Without a notifier it does not start.
    assert "-notifier.blackhole" in known


def test_programs_listen_where_they_are_asked_for() -> None:
    for name in ("victoriametrics", "vmagent", "vmalert", "prometheus"):
        known = flags(name)
        address = known.get("-httpListenAddr", known.get("--web.listen-address"))
        assert address is not None
        url = SERVICES[name]["healthcheck"]["test"][-1]
        assert url.startswith(f"http://127.0.0.1{address}/")
        if name in PORTS:
            assert address == f":{PORTS[name]}"


def test_grafana_shows_and_nobody_can_change() -> None:
    variables = {key: resolved(value, {}) for key, value in SERVICES["grafana"]["environment"].items()}
    assert (variables["GF_AUTH_ANONYMOUS_ENABLED"], variables["GF_AUTH_ANONYMOUS_ORG_ROLE"]) == ("true", "Viewer")
    assert variables["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert variables["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert variables["SMARTHUB_DATABASE_URL"] == "http://victoriametrics:8428"
    source, dashboards = (read(f"grafana/provisioning/{each}/smarthub.yml") for each in ("datasources", "dashboards"))
    assert "url: ${SMARTHUB_DATABASE_URL}" in source
    (provider,) = yaml.safe_load(dashboards)["providers"]
    home = Path(variables["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]
    folder, _ = mounts("grafana")[provider["options"]["path"]]
    assert (ROOT / folder / home.name).exists()


def test_nothing_of_grafana_talks_to_its_maker() -> None:
    variables = SERVICES["grafana"]["environment"]
    for name in ("ANALYTICS_REPORTING", "ANALYTICS_CHECK_FOR_UPDATES", "ANALYTICS_CHECK_FOR_PLUGIN_UPDATES"):
        assert variables[f"GF_{name}{'_ENABLED' if name.endswith('REPORTING') else ''}"] == "false"
    assert variables["GF_NEWS_NEWS_FEED_ENABLED"] == "false"
    for name in ("PREINSTALL", "PUBLIC_KEY_RETRIEVAL"):
        assert variables[f"GF_PLUGINS_{name}_DISABLED"] == "true"


# -- the four variables


def example() -> dict[str, str]:
    lines = [line for line in read(".env.example").splitlines() if line and not line.startswith("#")]
    return {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)}


def test_the_example_has_the_four_variables() -> None:
    assert tuple(example()) == THE_FOUR


def test_nobody_is_signed_in_with_the_example(tmp_path: Path) -> None:
    assert example()["SMARTHUB_PASSWORD"] == PLACEHOLDER
    config = load_config(None, environment("exporter", example()), Overrides())
    assert config.warnings == ("SMARTHUB_PASSWORD: still the one of the example, nobody is signed in with it",)


def test_four_variables_are_enough() -> None:
    config = load_config(
        None, environment("exporter", {**example(), "SMARTHUB_PASSWORD": "it's $1 & more"}), Overrides()
    )
    (login,) = config.logins
    assert (login.portal.base_url, login.username) == ("https://novec.smarthub.coop", "member@example.org")
    assert (login.password.reveal(), str(login.zone)) == ("it's $1 & more", "America/New_York")
    assert (login.totp_secret, login.locations, config.warnings) == (None, (), ())
    assert config.exporter == ExporterConfig(state_dir=Path("/var/lib/smarthub-exporter"))
    assert config.victoriametrics is not None
    assert config.victoriametrics.url == "http://victoriametrics:8428"


def test_a_stack_without_victoria_metrics_says_so_by_an_empty_address() -> None:
    config = load_config(None, environment("check", {**example(), "VICTORIAMETRICS_URL": ""}), Overrides())
    assert config.victoriametrics is None


def test_without_any_it_is_the_simulated_portal() -> None:
    (login,) = load_config(None, environment("exporter", {}), Overrides()).logins
    world = World()
    (user,) = world.users
    assert (login.username, login.password.reveal(), str(login.zone)) == (user.username, user.password, world.zone)
    command = SERVICES["demo-portal"]["command"]
    _, port = parse_listen_address(command[command.index("--listen-address") + 1])
    assert login.portal.base_url == f"http://demo-portal:{port}"


@pytest.mark.parametrize("name", ["exporter", "backfill", "check"])
def test_each_variable_is_one_that_the_program_reads(name: str) -> None:
    assert set(SERVICES[name]["environment"]) <= set(VARIABLES)


def test_no_file_of_the_stack_holds_a_secret() -> None:
    files = ["docker-compose.yml", ".env.example", "Dockerfile", *(f"compose/{each.name}" for each in _in("compose"))]
    for path in files:
        for line in read(path).splitlines():
            found = re.search(r"^\s*[A-Z_]*(?:PASSWORD|SECRET|TOKEN)(?:_FILE)?\s*[:=]\s*(.+)$", line)
            if found is not None:
                value = resolved(found[1], {}).strip("\"'")
                assert value in {"", PLACEHOLDER, World().users[0].password, "/run/secrets/smarthub_password"}, path


def _in(folder: str) -> list[Path]:
    return sorted((ROOT / folder).iterdir())


def test_files_with_secrets_are_not_committed_by_accident() -> None:
    ignored = read(".gitignore").splitlines()
    assert {"/.env", "/secrets/"} <= set(ignored)


# -- what is said of it


def test_the_commands_in_its_head_are_those_of_readme() -> None:
    head = compose_commands("docker-compose.yml")
    assert len(head) == 4
    assert set(head) <= set(compose_commands("README.md"))


def test_the_demo_does_not_look_at_a_real_portals_env() -> None:
    for path in ("docker-compose.yml", "README.md"):
        (demo,) = (each for each in compose_commands(path) if "--profile demo" in each)
        assert demo == "docker compose --env-file /dev/null --profile demo up -d"


# -- the password as a file


def test_the_secret_is_mounted_where_everything_that_signs_in_looks() -> None:
    assert set(SECRETS["services"]) == {"exporter", "backfill", "check"}
    for each in SECRETS["services"].values():
        assert each["secrets"] == list(SECRETS["secrets"]) == ["smarthub_password"]
        assert each["environment"] == {
            "SMARTHUB_PASSWORD": "",
            "SMARTHUB_PASSWORD_FILE": "/run/secrets/smarthub_password",
        }
    assert SECRETS["secrets"]["smarthub_password"]["file"] == "./secrets/smarthub_password"


def test_the_password_comes_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "smarthub_password"
    over = {**SECRETS["services"]["exporter"]["environment"], "SMARTHUB_PASSWORD_FILE": str(file)}
    variables = environment("exporter", {**example(), "SMARTHUB_PASSWORD": ""}, over)
    with pytest.raises(ConfigError, match="smarthub_password"):
        load_config(None, variables, Overrides())
    file.write_text("from a file\n", encoding="utf-8")
    file.chmod(0o600)
    (login,) = load_config(None, variables, Overrides()).logins
    assert login.password.reveal() == "from a file"


# -- the image


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", "", read("Dockerfile"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def last_stage() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word, rest in instructions():
        found = {} if word == "FROM" else found
        found.setdefault(word, []).append(rest)
    return found


def test_the_image_is_built_in_one_stage_and_runs_in_another() -> None:
    bases = [rest for word, rest in instructions() if word == "FROM"]
    assert bases == ["python:3.11-slim-bookworm AS build", "python:3.11-slim-bookworm"]
    assert last_stage()["COPY"] == ["--from=build /app /app"]
    assert not any("pip" in each or "apt-get" in each for each in last_stage()["RUN"])


def test_only_locked_requirements_are_installed() -> None:
    installs = re.findall(r"pip install ([^&]+)", " && ".join(rest for word, rest in instructions() if word == "RUN"))
    assert len(installs) == 3
    for each in installs:
        assert "--no-cache-dir" in each
        assert "--require-hashes -r requirements" in each or "--no-deps dist/*.whl" in each
    assert "requirements-dev" not in read("Dockerfile")


def test_the_image_runs_as_the_user_and_on_the_folder_and_port_of_the_stack() -> None:
    stage = last_stage()
    assert stage["USER"] == [SERVICES["exporter"]["user"]]
    (folder,) = stage["VOLUME"]
    assert [folder] == list(mounts("exporter"))
    assert f"SMARTHUB_STATE_DIR={folder}" in stage["ENV"][0]
    # A new named volume takes its owner from the image.
    uid, gid = SERVICES["exporter"]["user"].split(":")
    assert f"install -d -o {uid} -g {gid} -m 0700 {folder}" in stage["RUN"][0]
    assert stage["EXPOSE"] == [str(parse_listen_address(ExporterConfig().listen_address)[1])]
    assert stage["STOPSIGNAL"] == ["SIGTERM"]
    assert (stage["ENTRYPOINT"], stage["CMD"]) == (['["smarthub-exporter"]'], ['["serve"]'])


def test_the_image_is_healthy_when_our_own_command_says_so() -> None:
    (check,) = last_stage()["HEALTHCHECK"]
    assert check.partition(" CMD ")[2] == '["smarthub-exporter", "healthcheck"]'
    assert SERVICES["exporter"]["healthcheck"]["test"] == ["CMD", "smarthub-exporter", "healthcheck"]


def test_the_labels_tell_name_and_version() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]+)"', last_stage()["LABEL"][0]))
    assert labels["version"] == __version__
    assert (labels["title"], labels["licenses"]) == ("smarthub-exporter", "MIT")
    assert labels["description"]


def context() -> list[str]:
    """The files that are sent to the build, as .dockerignore says."""
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


def test_the_build_is_sent_what_it_copies_and_no_more() -> None:
    copied = [each for word, rest in instructions() if word == "COPY" and "--from" not in rest for each in rest.split()]
    sources = {each for each in copied if not each.startswith(".")}
    assert {each.partition("/")[0] for each in context()} == sources
    assert not {".pyc", ".db", ".yaml", ".env", ".log"} & {Path(each).suffix for each in context()}


@pytest.mark.process
def test_the_wheel_of_the_image_holds_the_whole_package(tmp_path: Path) -> None:
    for each in context():
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / each, tmp_path / each)
    # As the Dockerfile does it, from these files alone.
    assert "python -m hatchling build -t wheel" in read("Dockerfile")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"], cwd=tmp_path, check=True, capture_output=True
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert wheel.name == f"smarthub_exporter-{__version__}-py3-none-any.whl"
    packed = {each for each in zipfile.ZipFile(wheel).namelist() if each.startswith("exporter/")}
    assert packed == {each for each in context() if each.startswith("exporter/")}


# -- by the programs


def outcome(program: str | Path, *arguments: str | Path, folder: Path = ROOT) -> tuple[int, str]:
    """The exit code of a program, and what it said."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("SMARTHUB_", "COMPOSE_"))}
    command = [find_program(str(program)), *arguments]
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what compose reads, and nobody's .env."""
    for each in ("compose", "grafana"):
        shutil.copytree(ROOT / each, tmp_path / each)
    for each in ("docker-compose.yml", "Dockerfile"):
        shutil.copy(ROOT / each, tmp_path / each)
    return tmp_path


@pytest.mark.process
@pytest.mark.parametrize("with_variables", [False, True], ids=["without .env", "with .env"])
@pytest.mark.parametrize("profile", [None, *(profile for profiles in PROFILES.values() for profile in profiles)])
def test_compose_takes_the_stack(profile: str | None, checkout: Path, *, with_variables: bool) -> None:
    if with_variables:
        (checkout / ".env").write_text(read(".env.example"), encoding="utf-8")
    profiles = ["--profile", profile] if profile else []
    code, said = outcome("docker-compose", *profiles, "config", folder=checkout)
    assert code == 0, said
    variables = example() if with_variables else {}
    assert yaml.safe_load(said)["services"]["exporter"]["environment"] == environment("exporter", variables)


@pytest.mark.process
@pytest.mark.parametrize("password", ["$PATH a$b$$", "# # no comment", 'a "b" & \\c=d;e', "correct horse"])
def test_a_password_in_single_quotes_stays_as_it_is(password: str, checkout: Path) -> None:
    # Debian's compose replaces ${NAME} even there, today's does not.
    assert f"SMARTHUB_PASSWORD='{PLACEHOLDER}'\n" in read(".env.example")
    (checkout / ".env").write_text(read(".env.example").replace(PLACEHOLDER, password), encoding="utf-8")
    code, said = outcome("docker-compose", "config", folder=checkout)
    assert code == 0, said
    # compose writes each $ twice, so that what it prints can be read again.
    for name in ("exporter", "backfill", "check"):
        found = yaml.safe_load(said)["services"][name]["environment"]["SMARTHUB_PASSWORD"]
        assert found.replace("$$", "$") == password


@pytest.mark.process
def test_compose_takes_the_secret_in_a_file(checkout: Path) -> None:
    lines = [line for line in read(".env.example").splitlines() if "PASSWORD" not in line]
    (checkout / ".env").write_text("\n".join(lines), encoding="utf-8")
    files = ["-f", "docker-compose.yml", "-f", "compose/secrets.yml"]
    code, said = outcome("docker-compose", *files, "config", folder=checkout)
    assert code == 0, said
    merged = yaml.safe_load(said)
    # Beside docker-compose.yml, not beside the file that names it.
    assert merged["secrets"]["smarthub_password"] == {"file": str(checkout / "secrets" / "smarthub_password")}
    variables = {**example(), "SMARTHUB_PASSWORD": ""}
    for name in ("exporter", "backfill", "check"):
        over = SECRETS["services"][name]["environment"]
        assert merged["services"][name]["environment"] == environment(name, variables, over)
        assert merged["services"][name]["secrets"] == [{"source": "smarthub_password"}]


@pytest.mark.process
def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    assert outcome(Path(sys.executable).with_name("hadolint"), "Dockerfile") == (0, "")


@pytest.mark.process
def test_vmagent_takes_its_jobs() -> None:
    code, said = outcome(
        "vmagent", "-dryRun", "-promscrape.config=compose/vmagent.yml", "-promscrape.config.strictParse"
    )
    assert code == 0, said


@pytest.mark.process
def test_promtool_takes_the_configuration_and_its_rules(tmp_path: Path) -> None:
    place, file = "/etc/prometheus/alerts/smarthub.yml", ROOT / "grafana" / "alerts" / "smarthub.yml"
    text = read("compose/prometheus.yml")
    assert place in text
    config = tmp_path / "prometheus.yml"
    config.write_text(text.replace(place, str(file)), encoding="utf-8")
    code, said = outcome("promtool", "check", "config", config)
    assert (code, "SUCCESS: 1 rule files found" in said, "7 rules found" in said) == (0, True, True), said
