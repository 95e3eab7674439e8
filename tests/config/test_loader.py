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
from exporter.errors import ConfigError

from ..support.config_files import HOME, Load, Problems, Write, yaml_text

NOVEC = PortalAddress("https://novec.smarthub.coop", "novec", loopback=False)
STATE = Path(HOME, ".local/state/smarthub-exporter")
ENVIRONMENT = {
    "SMARTHUB_API_URL": "novec",
    "SMARTHUB_USERNAME": "member@example.org",
    "SMARTHUB_PASSWORD": "hunter2",
    "SMARTHUB_TIMEZONE": "America/New_York",
}
LOGIN = Login(
    name="novec",
    portal=NOVEC,
    username="member@example.org",
    password=Secret("hunter2"),
    zone=ZoneInfo("America/New_York"),
)
GO_TOOL_CONFIG = """\
extract_days: 10
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


def test_the_four_keys_of_a_login_are_enough(load: Load) -> None:
    assert load() == Config(logins=(LOGIN,), exporter=ExporterConfig(state_dir=STATE))


def test_four_variables_are_enough_without_a_file(load: Load) -> None:
    assert load(text="", environ=ENVIRONMENT) == Config(logins=(LOGIN,), exporter=ExporterConfig(state_dir=STATE))


def test_the_config_of_the_go_tool_works_unchanged(load: Load) -> None:
    assert load(text=GO_TOOL_CONFIG) == Config(
        logins=(
            Login(
                name="novec",
                portal=NOVEC,
                username="member@example.org",
                password=Secret("smarthub_password"),
                zone=ZoneInfo("America/New_York"),
                locations=(LocationChoice(account="1234567001", service_location="123456"),),
            ),
        ),
        exporter=ExporterConfig(state_dir=STATE),
        influxdb=InfluxDBConfig(
            host="https://localhost:8428",
            auth_token=Secret("influx_user:influx_password"),
            database="db_name",
            per_minute=True,
        ),
        extract_days=10,
    )


def test_empty_and_null_keys_are_not_set(load: Load) -> None:
    changes = {
        "smarthub.name": '""',
        "smarthub.account": "",
        "smarthub.service_location": "null",
        "smarthub.locations": "[]",
        "smarthub.totp_secret": "~",
        "exporter": "",
        "victoriametrics": "~",
        "influxdb": "{}",
        "extract_days": "",
    }
    assert load(changes) == Config(logins=(LOGIN,), exporter=ExporterConfig(state_dir=STATE))


def test_the_exporter_section_is_read(load: Load) -> None:
    changes = {
        "exporter.listen_address": '"[::1]:0"',
        "exporter.refresh_interval": "15m",
        "exporter.window": "5w",
        "exporter.state_dir": "~/state",
        "extract_days": "365",
    }
    config = load(changes)
    assert config.exporter == ExporterConfig("[::1]:0", 900, 35 * 86400, Path(HOME, "state"))
    assert config.extract_days == 365


def test_the_environment_goes_over_the_file_and_the_command_line_over_both(load: Load) -> None:
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


def test_a_wrong_value_of_the_command_line_is_named_by_its_flag(problems: Problems) -> None:
    assert problems(overrides=Overrides(listen_address="x")) == (
        "--web.listen-address: must be HOST:PORT, [IPV6]:PORT or :PORT, such as :10058",
    )


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"SMARTHUB_TIMEZONE": "US/East"}, 'unknown time zone "US/East", did you mean "US/Eastern"?'),
        ({"SMARTHUB_API_URL": "a@b"}, "must not hold a user name or password, they have keys of their own"),
        ({"SMARTHUB_WINDOW": "7"}, '"7" has no unit, for seconds write 7s'),
        ({"SMARTHUB_PASSWORD": "\udcff"}, "holds what is no text"),
        ({"SMARTHUB_PASSWORD_FILE": "none"}, "none: No such file or directory"),
        ({"VICTORIAMETRICS_URL": "vm"}, "must begin with http:// or https://"),
    ],
)
def test_a_wrong_variable_is_named(environ: dict[str, str], message: str, problems: Problems) -> None:
    assert problems(environ=environ) == (f"{next(iter(environ))}: {message}",)


def test_a_secret_and_its_file_are_not_both_taken_from_the_environment(problems: Problems) -> None:
    environ = {**ENVIRONMENT, "SMARTHUB_PASSWORD_FILE": "/run/secrets/password"}
    assert problems(text="", environ=environ) == (
        "SMARTHUB_PASSWORD_FILE: SMARTHUB_PASSWORD is given too, keep one of the two",
    )


@pytest.mark.parametrize("changes", [{}, {"smarthub.password": None, "smarthub.password_file": "none"}])
@pytest.mark.parametrize("variable", ["SMARTHUB_PASSWORD", "SMARTHUB_PASSWORD_FILE"])
def test_a_secret_of_the_environment_replaces_both_twins_of_the_file(
    changes: dict[str, str | None],
    variable: str,
    load: Load,
    write: Write,
) -> None:
    write("secret-text", "secret")
    value = "secret" if variable.endswith("_FILE") else "secret-text"
    assert load(changes, environ={variable: value}).logins[0].password == Secret("secret-text")


def test_without_file_missing_variables_are_named(problems: Problems) -> None:
    assert problems(text="", environ={"SMARTHUB_API_URL": "novec"}) == (
        "SMARTHUB_USERNAME: missing",
        "SMARTHUB_PASSWORD: missing (SMARTHUB_PASSWORD_FILE would do too)",
        (
            "SMARTHUB_TIMEZONE: missing, give the zone of the co-op, such as America/New_York "
            '("smarthub-exporter discover" finds out which one it is)'
        ),
    )


def test_nothing_at_all_is_one_problem_that_says_what_to_give(problems: Problems) -> None:
    assert problems(text="", environ={"VICTORIAMETRICS_URL": "http://vm"}) == (
        (
            "no configuration: write a config.yaml, name a file with --config.file, or set SMARTHUB_API_URL, "
            "SMARTHUB_USERNAME, SMARTHUB_PASSWORD and SMARTHUB_TIMEZONE"
        ),
    )


def test_a_file_without_login_and_variables_go_together(load: Load) -> None:
    config = load(text="extract_days: 3\n", environ=ENVIRONMENT)
    assert (config.logins, config.extract_days) == ((LOGIN,), 3)


def test_the_zone_may_be_missing_where_it_is_not_needed(load: Load) -> None:
    assert load({"smarthub.timezone": None}, require_zone=False).logins[0].zone is None


def test_variables_of_a_login_do_not_go_with_a_list(problems: Problems) -> None:
    text = "smarthub: [{api_url: novec, username: a, password: b, timezone: UTC}]\n"
    environ = {"SMARTHUB_USERNAME": "c", "SMARTHUB_PASSWORD_FILE": "d", "SMARTHUB_WINDOW": "1d"}
    assert problems(text=text, environ=environ) == (
        "SMARTHUB_USERNAME: only for a single login, but smarthub in config.yaml is a list",
        "SMARTHUB_PASSWORD_FILE: only for a single login, but smarthub in config.yaml is a list",
    )


def test_a_location_of_the_environment_does_not_go_with_locations_of_the_file(problems: Problems) -> None:
    changes = {"smarthub.locations": "[{service_location: 7}]"}
    assert problems(changes, environ={"SMARTHUB_ACCOUNT": "1"}) == (
        "SMARTHUB_ACCOUNT: not together with locations, give one of the two",
    )


def test_an_asked_for_file_must_be_there(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"^none\.yaml: No such file or directory$"):
        load_config(Path("none.yaml"), ENVIRONMENT, Overrides())


@pytest.mark.parametrize(("name", "message"), [("", ".: Is a directory"), ("a\0b", "a\0b: not a valid path")])
def test_an_asked_for_file_must_be_a_file(folder: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Path(name), ENVIRONMENT, Overrides())
    assert caught.value.problems == (message,)


def test_a_folder_in_place_of_the_default_file_is_not_passed_over(folder: Path) -> None:
    (folder / "config.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"^config\.yaml: Is a directory$"):
        load_config(None, ENVIRONMENT, Overrides())


def test_files_are_relative_to_the_folder_of_the_config(folder: Path, write: Write) -> None:
    (folder / "etc").mkdir()
    write(
        yaml_text({"smarthub.password": None, "smarthub.password_file": "p", "exporter.state_dir": "s"}), "etc/c.yaml"
    )
    write("hunter2\n", "etc/p")
    config = load_config(Path("etc/c.yaml"), {}, Overrides())
    assert config.logins[0].password == Secret("hunter2")
    assert config.exporter.state_dir == Path("etc/s")


def test_short_refresh_intervals_need_every_portal_on_loopback(load: Load, problems: Problems) -> None:
    login = "- {api_url: %s, username: a, password: b, timezone: UTC}\n"
    exporter = "exporter: {refresh_interval: 1s}\n"
    local, remote = login % "http://127.0.0.1:10059", login % "novec"
    assert load(text=f"smarthub:\n{local}{exporter}").exporter.refresh_interval == 1
    assert problems(text=f"smarthub:\n{local}{remote}{exporter}") == (
        "config.yaml:4: exporter.refresh_interval: 1s is too short, at least 15m",
    )


def test_http_to_another_machine_gives_a_warning(load: Load) -> None:
    assert load({"smarthub.api_url": "http://simulator:10059"}).warnings == (
        "config.yaml:2: smarthub.api_url: http sends the password in the clear, use https",
    )
    assert load({"smarthub.api_url": "http://localhost:10059"}).warnings == ()


def test_a_password_that_everybody_can_read_gives_a_warning(write: Write) -> None:
    path = write(yaml_text({"smarthub.totp_secret_file": "totp"}), mode=0o644)
    write("JBSWY3DPEHPK3PXP", "totp", mode=0o604)
    assert load_config(path, {}, Overrides()).warnings == (
        f"{path}: holds a password and every user can read it, chmod 600 {path}",
        f"{path.parent}/totp: holds a password and every user can read it, chmod 600 {path.parent}/totp",
    )


def test_a_readable_file_without_password_gives_no_warning(write: Write) -> None:
    path = write(yaml_text({"smarthub.password": None}), mode=0o644)
    assert load_config(path, {"SMARTHUB_PASSWORD": "x"}, Overrides()).warnings == ()


def test_a_variable_that_looks_like_ours_gives_a_warning(load: Load) -> None:
    environ = {
        "SMARTHUB_PASWORD": "hunter2",
        "SMARTHUB_EMPTYWORD": "",
        "SMARTHUB_EXPORTER_PORT": "tcp://10.0.0.1:10058",
        "SMARTHUB_USERNAMES": "",
        "SMART": "x",
    }
    assert load(environ=environ).warnings == (
        "SMARTHUB_PASWORD: not a variable of this program, did you mean SMARTHUB_PASSWORD?",
    )
