from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.config import (
    Config,
    ExporterConfig,
    InfluxDBConfig,
    LocationChoice,
    Login,
    Overrides,
    PortalAddress,
    Secret,
    load_config,
)
from exporter.config.schema import VARIABLES

from ..support.config_files import HOME, SAMPLE, Load, Problems, Write, yaml_text

STATE = Path(HOME, ".local/state/smarthub-exporter")
ENVIRONMENT = {f"SMARTHUB_{key.removeprefix('smarthub.').upper()}": value for key, value in SAMPLE.items()}
LOGIN = Login(
    name="novec",
    portal=PortalAddress("https://novec.smarthub.coop", "novec", loopback=False),
    username="member@example.org",
    password=Secret("hunter2"),
    zone=ZoneInfo("America/New_York"),
)
CONFIG = Config(logins=(LOGIN,), exporter=ExporterConfig(":10058", 3600, 7 * 86400, STATE), extract_days=10)
GO_TOOL_CONFIG = """\
extract_days: 11
smarthub:
  api_url: https://novec.smarthub.coop
  username: member@example.org
  password: smarthub_password
  account: 1234567001
  service_location: 123456
  timezone: America/New_York
influxdb:
  host: https://localhost:8428
  auth_token: influx_user:influx_password
  org: ""
  database: db_name
  insecure: false
"""
LOGINS = "smarthub:\n- {api_url: http://127.0.0.1:10059, username: a, password: b, timezone: America/Chicago}\n"


def test_four_keys_or_four_variables_are_enough(load: Load) -> None:
    assert load(text="", environ=ENVIRONMENT) == CONFIG
    assert load() == CONFIG


def test_the_config_of_the_go_tool_works_unchanged(load: Load) -> None:
    config = load(text=GO_TOOL_CONFIG)
    (login,) = config.logins
    assert (login.username, login.password) == ("member@example.org", Secret("smarthub_password"))
    assert login.locations == (LocationChoice(account="1234567001", service_location="123456"),)
    assert config.extract_days == 11
    assert config.influxdb == InfluxDBConfig(
        host="https://localhost:8428", auth_token=Secret("influx_user:influx_password"), database="db_name"
    )
    assert config.influxdb.per_minute


def test_empty_and_null_keys_are_not_set(load: Load) -> None:
    empty = ("smarthub.account", "extract_days", "exporter", "smarthub.locations", "victoriametrics.username")
    null = ("smarthub.service_location", "smarthub.totp_secret", "influxdb")
    changes = {"smarthub.name": '""', "victoriametrics.extra_labels": "{}", "smarthub.locations": "[]"}
    assert load({**changes, **dict.fromkeys(empty, ""), **dict.fromkeys(null, "~")}) == CONFIG


def test_the_exporter_section_is_read(load: Load) -> None:
    changes = {
        "exporter.listen_address": '" [::1]:0 "',
        "exporter.refresh_interval": "15m",
        "exporter.window": "5w",
        "exporter.state_dir": "~/state",
        "extract_days": "36500",
    }
    config = load(changes)
    assert config.exporter == ExporterConfig("[::1]:0", 900, 35 * 86400, Path(HOME, "state"))
    assert config.extract_days == 36500


def test_flags_override_the_environment_and_it_the_file(load: Load) -> None:
    changes = {
        "exporter.listen_address": ":1",
        "exporter.state_dir": "/file",
        "exporter.window": "1d",
        "exporter.refresh_interval": "nonsense that the environment replaces",
    }
    environ = {
        "SMARTHUB_USERNAME": "other@example.org",
        "SMARTHUB_LISTEN_ADDRESS": ":2",
        "SMARTHUB_STATE_DIR": "/environment",
        "SMARTHUB_REFRESH_INTERVAL": "2h",
        "SMARTHUB_WINDOW": "",
    }
    config = load(changes, environ=environ, overrides=Overrides(listen_address=":3", state_dir=""))
    assert config.logins[0].username == "other@example.org"
    assert config.exporter == ExporterConfig(":3", 7200, 86400, Path("/environment"))
    assert load(changes, environ=environ, overrides=Overrides(state_dir="flag")).exporter.state_dir == Path("flag")


@pytest.mark.parametrize("variable", VARIABLES)
def test_an_invalid_variable_is_named(variable: str, problems: Problems) -> None:
    database = {"VICTORIAMETRICS_URL": "http://vm", "VICTORIAMETRICS_USERNAME": "writer"}
    (problem,) = problems(environ={**database, variable: "\udcff"})
    assert problem.startswith(f"{variable}: ")


def test_an_invalid_flag_is_named(problems: Problems) -> None:
    found = problems(overrides=Overrides(listen_address="x", state_dir="\n"))
    assert [problem.partition(": ")[0] for problem in found] == ["--web.listen-address", "--state.dir"]


def test_a_secret_variable_and_its_file_variable_conflict(problems: Problems) -> None:
    environ = {**ENVIRONMENT, "SMARTHUB_PASSWORD_FILE": "/run/secrets/password"}
    assert problems(text="", environ=environ) == (
        "SMARTHUB_PASSWORD_FILE: conflicts with SMARTHUB_PASSWORD; remove one of them",
    )


@pytest.mark.parametrize("changes", [{}, {"smarthub.password": None, "smarthub.password_file": "none"}])
@pytest.mark.parametrize(("variable", "value"), [("SMARTHUB_PASSWORD", "text"), ("SMARTHUB_PASSWORD_FILE", "secret")])
def test_a_secret_variable_overrides_both_keys_of_the_file(
    changes: dict[str, str | None], variable: str, value: str, load: Load, write: Write
) -> None:
    write("text", "secret")
    assert load(changes, environ={variable: value}).logins[0].password == Secret("text")


def test_without_a_file_missing_variables_are_named(problems: Problems) -> None:
    found = problems(text="", environ={"SMARTHUB_API_URL": "novec"})
    assert found[:2] == (
        "SMARTHUB_USERNAME: missing",
        "SMARTHUB_PASSWORD: missing (or set SMARTHUB_PASSWORD_FILE)",
    )
    assert found[2].startswith("SMARTHUB_TIMEZONE: missing; set the co-op's time zone")


def test_no_configuration_at_all_is_one_problem(problems: Problems) -> None:
    assert len(problems(text="", environ={"VICTORIAMETRICS_URL": "http://vm"})) == 1


def test_variables_can_complete_a_file_without_a_login(load: Load) -> None:
    config = load(text="extract_days: 3\n", environ=ENVIRONMENT)
    assert (config.logins, config.extract_days) == ((LOGIN,), 3)


def test_the_zone_may_be_missing_if_it_is_not_required(load: Load) -> None:
    assert load({"smarthub.timezone": None}, require_zone=False).logins[0].zone is None


def test_variables_of_a_login_conflict_with_a_list(problems: Problems) -> None:
    environ = {"SMARTHUB_USERNAME": "c", "SMARTHUB_PASSWORD_FILE": "d", "SMARTHUB_WINDOW": "1d"}
    assert problems(text=LOGINS, environ=environ) == (
        "SMARTHUB_USERNAME: cannot be used with a list of logins in config.yaml; unset it",
        "SMARTHUB_PASSWORD_FILE: cannot be used with a list of logins in config.yaml; unset it",
    )


def test_files_are_relative_to_the_directory_of_the_config(folder: Path, write: Write) -> None:
    (folder / "etc").mkdir()
    changes = {"smarthub.password": None, "smarthub.password_file": "p", "exporter.state_dir": "s"}
    write(yaml_text(changes), "etc/c.yaml")
    write("hunter2\n", "etc/p")
    write("JBSWY3DPEHPK3PXP\n", "totp")
    config = load_config(Path("etc/c.yaml"), {"SMARTHUB_TOTP_SECRET_FILE": "totp"}, Overrides())
    assert (config.logins[0].password, config.exporter.state_dir) == (Secret("hunter2"), Path("etc/s"))


def test_short_refresh_intervals_need_every_portal_on_loopback(load: Load, problems: Problems) -> None:
    exporter = "exporter: {refresh_interval: %s}\n"
    assert load(text=LOGINS + exporter % "1s").exporter.refresh_interval == 1
    assert len(problems(text=LOGINS + exporter % "0s")) == 1
    both = LOGINS + LOGINS.partition("\n")[2].replace("http://127.0.0.1:10059", "novec")
    assert problems(text=both + exporter % "1s") == (
        "config.yaml:4: exporter.refresh_interval: 1s is too short; the minimum is 15m",
    )


def test_http_to_another_machine_gives_a_warning(load: Load) -> None:
    assert load({"smarthub.api_url": "http://simulator:10059"}).warnings == (
        "config.yaml:2: smarthub.api_url: http:// sends the password in clear text; use https://",
    )
    assert load({"smarthub.api_url": "http://localhost:10059"}).warnings == ()


def test_a_world_readable_password_gives_a_warning(write: Write) -> None:
    path = write(yaml_text({"smarthub.totp_secret_file": "totp", "victoriametrics.password": "x"}), mode=0o644)
    totp = write("JBSWY3DPEHPK3PXP", "totp", mode=0o604)
    environ = {"VICTORIAMETRICS_URL": "http://vm", "VICTORIAMETRICS_USERNAME": "writer"}
    assert load_config(path, environ, Overrides()).warnings == tuple(
        f"{each}: contains a password and is world-readable; run: chmod 600 {each}" for each in (path, totp)
    )
    without = write(yaml_text({"smarthub.password": None}), mode=0o644)
    assert load_config(without, {"SMARTHUB_PASSWORD": "x"}, Overrides()).warnings == ()


def test_a_variable_with_a_similar_name_gives_a_warning(load: Load) -> None:
    environ = {
        "SMARTHUB_PASWORD": "hunter2",
        "SMARTHUB_EXPORTER_PORT": "tcp://10.0.0.1:10058",
        "SMARTHUB_USERNAMES": "",
        "SMARTHUB_STATE": "running",
        "PASSWORDS": "x",
        "VICTORIAMETRICS_PASWORD": "hunter2",
    }
    assert load(environ=environ).warnings == (
        "SMARTHUB_PASWORD: unknown variable; did you mean SMARTHUB_PASSWORD?",
        "VICTORIAMETRICS_PASWORD: unknown variable; did you mean VICTORIAMETRICS_PASSWORD?",
    )
