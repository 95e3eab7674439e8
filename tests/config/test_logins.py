import os
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.config import LocationChoice, Secret

from ..support.config_files import Load, Problems, Write

SEVERAL = """\
smarthub:
- api_url: novec
  username: a
  password: b
  timezone: America/New_York
- name: farm
  api_url: novec
  username: c
  password: d
  totp_secret: jbsw y3dp ehpk 3pxp
  timezone: America/Chicago
  locations:
  - {account: 0012345001, service_location: 070001, name: Farm house}
  - service_location: 70002
"""


def test_a_list_gives_several_logins(load: Load) -> None:
    first, second = load(text=SEVERAL).logins
    assert (first.name, first.username, first.zone) == ("novec", "a", ZoneInfo("America/New_York"))
    assert (second.name, second.username, second.zone) == ("farm", "c", ZoneInfo("America/Chicago"))
    assert second.totp_secret == Secret("jbsw y3dp ehpk 3pxp")
    assert second.locations == (LocationChoice("0012345001", "070001", "Farm house"), LocationChoice(None, "70002"))


@pytest.mark.parametrize(
    ("changes", "choice"),
    [
        ({"smarthub.account": "0012345001"}, LocationChoice(account="0012345001")),
        ({"smarthub.service_location": "1e5"}, LocationChoice(service_location="1e5")),
        ({"smarthub.account": '"1 "', "smarthub.service_location": "0"}, LocationChoice("1", "0")),
    ],
)
def test_account_and_service_location_choose_one(
    changes: dict[str, str | None], choice: LocationChoice, load: Load
) -> None:
    assert load(changes).logins[0].locations == (choice,)


def test_the_same_number_in_two_accounts_is_two_locations(load: Load) -> None:
    locations = "[{account: 1, service_location: 7}, {account: 2, service_location: 7}]"
    assert len(load({"smarthub.locations": locations}).logins[0].locations) == 2


def test_an_account_variable_conflicts_with_locations(problems: Problems) -> None:
    (problem,) = problems({"smarthub.locations": "[{service_location: 7}]"}, environ={"SMARTHUB_ACCOUNT": "1"})
    assert problem.startswith("SMARTHUB_ACCOUNT: cannot be combined")


@pytest.mark.parametrize("text", ["0012", "null", "~", "'null'", "x  y"])
@pytest.mark.parametrize("section", ["smarthub", "victoriametrics"])
def test_a_password_is_exactly_what_was_typed(text: str, section: str, load: Load) -> None:
    database = {"victoriametrics.url": "http://vm", "victoriametrics.username": "writer"}
    config = load({**database, f"{section}.password": text})
    assert config.victoriametrics
    secret = config.logins[0].password if section == "smarthub" else config.victoriametrics.password
    assert secret == Secret(text.strip("'"))


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        ("hunter2", "hunter2"),
        ("hunter2\r\n", "hunter2"),
        (" hunter2 \n", " hunter2 "),
        ("hunter2\r", "hunter2\r"),
        ("\N{ZERO WIDTH NO-BREAK SPACE}höpla\n", "höpla"),
    ],
)
def test_one_line_break_is_removed_from_a_secret_file(content: str, secret: str, load: Load, write: Write) -> None:
    write(content, "secret")
    changes = {"smarthub.password": None, "smarthub.password_file": "secret"}
    assert load(changes).logins[0].password == Secret(secret)


def test_a_link_to_a_secret_file_is_followed(load: Load, write: Write) -> None:
    write("hunter2\n", "target").with_name("secret").symlink_to("target")
    changes = {"smarthub.password": None, "smarthub.password_file": "secret"}
    assert load(changes).logins[0].password == Secret("hunter2")


def test_a_secret_file_has_one_short_line(problems: Problems, load: Load, write: Write) -> None:
    changes = {"smarthub.password": None, "smarthub.password_file": "secret"}
    for content in ("a\nb", "a\n\n", "\na\n", "x" * 4097):
        write(content, "secret")
        (problem,) = problems(changes)
        assert problem.startswith("config.yaml:")
    write("x" * 4095 + "\n", "secret")
    assert load(changes).logins[0].password == Secret("x" * 4095)


@pytest.mark.parametrize("key", ["password", "totp_secret"])
@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir], ids=["pipe", "directory"])
def test_a_secret_file_is_a_regular_file(
    problems: Problems, write: Write, make: Callable[[Path], object], key: str
) -> None:
    make(write("", "unused").with_name("secret"))
    (problem,) = problems({f"smarthub.{key}": None, f"smarthub.{key}_file": "secret"})
    assert problem.startswith("config.yaml:")


def test_submeters_name_the_meter_that_contains_them(load: Load) -> None:
    login = load(
        {"smarthub.locations": '[{service_location: 70001, submeters: {B7001: 0071, "0072 ": " 0071"}}]'}
    ).logins[0]
    assert login.locations == (LocationChoice(None, "70001", submeters=(("B7001", "0071"), ("0072", "0071"))),)


def test_a_secret_is_never_printed(load: Load) -> None:
    assert "hunter2" not in repr(load()) + f"{load().logins[0].password}"


@pytest.mark.parametrize(
    ("changes", "warnings"),
    [
        (
            {"smarthub.password": "CHANGE-ME"},
            ["smarthub.password: still the placeholder from the example; replace it (sign-in is skipped until then)"],
        ),
        (
            {"smarthub.password": "correct horse & battery+staple"},
            ["smarthub.password: still the placeholder from the example; replace it (sign-in is skipped until then)"],
        ),
        ({"smarthub.api_url": "http://127.0.0.1:1", "smarthub.password": "correct horse & battery+staple"}, []),
        (
            {"smarthub.timezone": "EST"},
            ["smarthub.timezone: EST has no daylight saving time; use Area/City, such as America/New_York"],
        ),
        ({"smarthub.timezone": "America/Phoenix"}, []),
    ],
)
def test_probable_mistakes_give_a_warning(changes: dict[str, str | None], warnings: list[str], load: Load) -> None:
    assert [warning.partition(": ")[2] for warning in load(changes).warnings] == warnings


def test_secret_files_are_read_again(load: Load, write: Write, caplog: pytest.LogCaptureFixture) -> None:
    write("first\n", "p")
    write("JBSWY3DPEHPK3PXP", "t")
    changes = {"smarthub.password": None, "smarthub.password_file": "p", "smarthub.totp_secret_file": "t"}
    login = load(changes).logins[0]

    write("second", "p")
    write("123456", "t")

    again = login.reread()
    assert again.password == Secret("second")
    assert again.totp_secret == Secret("JBSWY3DPEHPK3PXP")
    assert len(caplog.records) == 1
    assert again.reread().password == Secret("second")


# -- the Go tool's older file

OLD = """\
extract_days: 11
utility:
  api_url: https://novec.smarthub.coop
  username: member@example.org
  password: hunter2
  account: 1234567001
  service_location: 123456
influxdb: {host: http://localhost:8086, database: electric}
"""
RENAMED = "config.yaml:2: utility: this section is now called smarthub; rename it"
PLAIN = "this must be the plain text password that you sign in with, not the hash from the browser"


def test_the_former_name_of_the_section_is_accepted(load: Load) -> None:
    config = load(text=OLD, require_zone=False)
    (login,) = config.logins
    assert (login.username, login.zone) == ("member@example.org", None)
    assert login.locations == (LocationChoice(account="1234567001", service_location="123456"),)
    assert config.warnings == (RENAMED, f"config.yaml:5: utility.password: {PLAIN}")


def test_the_former_name_may_have_a_list_and_variables(load: Load) -> None:
    listed = load(text="utility: [{api_url: novec, username: a, password: b, timezone: America/New_York}]")
    assert [login.username for login in listed.logins] == ["a"]
    assert len(listed.warnings) == 2
    (login,) = load(text=OLD, environ={"SMARTHUB_TIMEZONE": "America/New_York"}).logins
    assert login.zone == ZoneInfo("America/New_York")


def test_an_older_file_needs_a_zone_for_serve_and_backfill(problems: Problems) -> None:
    (problem,) = problems(text=OLD)
    assert problem.startswith("config.yaml:2: utility.timezone: missing (or set SMARTHUB_TIMEZONE); ")
    assert "smarthub-exporter discover" in problem


def test_both_names_of_a_section_conflict(problems: Problems) -> None:
    both = OLD.replace("influxdb:", "smarthub: {}\ninfluxdb:")
    assert "config.yaml:8: smarthub: conflicts with config.yaml:2: utility; remove one of them" in problems(text=both)


@pytest.mark.parametrize("place", ["exporter.utility", "smarthub.utility"])
def test_the_former_name_means_nothing_elsewhere(problems: Problems, place: str) -> None:
    (problem,) = problems({place: "x"})
    assert f"{place}: unknown key" in problem


@pytest.mark.parametrize(
    ("password", "is_hash"),
    [
        ("5f4dcc3b5aa765d61d8327deb882cf99", True),
        ("5F4DCC3B5AA765D61D8327DEB882CF995BAA61E4", True),
        ("XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg=", True),
        ("X03MO1qnZdYdgyfeuILPmQ==", True),
        ("hunter2", False),
        ("correct horse & battery staple", False),
        ("onlylettersthoughaslongasthehashofapassword", False),
        ("1234567890123456", False),
        ("caf\u00e9caf\u00e9", False),
    ],
)
def test_a_password_that_looks_like_a_hash_is_warned_about(load: Load, password: str, *, is_hash: bool) -> None:
    config = load({"smarthub.password": f'"{password}"'})
    assert config.warnings == ((f"config.yaml:4: smarthub.password: {PLAIN}",) if is_hash else ())
    assert password not in "".join(config.warnings)
