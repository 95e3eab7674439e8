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
    assert second.locations == (
        LocationChoice("0012345001", "070001", "Farm house"),
        LocationChoice(None, "70002"),
    )


@pytest.mark.parametrize(
    ("changes", "choice"),
    [
        ({"smarthub.account": "0012345001"}, LocationChoice(account="0012345001")),
        ({"smarthub.service_location": "1e5"}, LocationChoice(service_location="1e5")),
        ({"smarthub.account": '"1 "', "smarthub.service_location": "0"}, LocationChoice("1", "0")),
    ],
)
def test_account_and_service_location_choose_one(
    changes: dict[str, str | None],
    choice: LocationChoice,
    load: Load,
) -> None:
    assert load(changes).logins[0].locations == (choice,)


def test_the_same_location_number_in_two_accounts_is_two_locations(load: Load) -> None:
    locations = "[{account: 1, service_location: 7}, {account: 2, service_location: 7}]"
    assert len(load({"smarthub.locations": locations}).logins[0].locations) == 2


@pytest.mark.parametrize(
    "text", ["no", "1e5", "0012", "12:30", "null", "~", "a#b", "-x", "'null'", "true", "é", "x  y"]
)
def test_a_password_is_the_text_that_was_typed(text: str, load: Load) -> None:
    assert load({"smarthub.password": text}).logins[0].password == Secret(text.strip("'"))


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        ("hunter2", "hunter2"),
        ("hunter2\n", "hunter2"),
        ("hunter2\r\n", "hunter2"),
        (" hunter2 \n\n", " hunter2 \n"),
        ("hunter2\r", "hunter2\r"),
        ("\N{ZERO WIDTH NO-BREAK SPACE}höpla\n", "höpla"),
    ],
)
def test_one_line_end_is_cut_from_a_secret_file(content: str, secret: str, load: Load, write: Write) -> None:
    write(content, "secret")
    changes = {"smarthub.password": None, "smarthub.password_file": "secret"}
    assert load(changes).logins[0].password == Secret(secret)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "secret: empty"), (b"\n", "secret: empty"), (b"\xff", "secret: not UTF-8 text")],
)
def test_a_secret_file_must_hold_a_secret(content: bytes, message: str, problems: Problems, write: Write) -> None:
    write(content, "secret")
    changes = {"smarthub.password": None, "smarthub.password_file": "secret"}
    assert problems(changes) == (f"config.yaml:5: smarthub.password_file: {message}",)


def test_a_secret_does_not_show_itself(load: Load) -> None:
    assert "hunter2" not in repr(load())


@pytest.mark.parametrize("password", ["CHANGE-ME", "correct horse & battery+staple"])
def test_the_password_of_an_example_is_warned_about(password: str, load: Load) -> None:
    config = load({"smarthub.password": f'"{password}"'})
    assert [warning.partition(": ")[2] for warning in config.warnings] == [
        "smarthub.password: still the one of the example, nobody is signed in with it"
    ]


def test_the_simulated_portal_may_have_its_own_password(load: Load) -> None:
    changes = {"smarthub.api_url": "http://127.0.0.1:10059", "smarthub.password": '"correct horse & battery+staple"'}
    assert load(changes).warnings == ()


def test_a_zone_that_never_changes_its_clocks_by_mistake_is_warned_about(load: Load) -> None:
    assert [warning.partition(": ")[2] for warning in load({"smarthub.timezone": "EST"}).warnings] == [
        "smarthub.timezone: EST has no summer time, write the co-op's as Area/City, such as America/New_York"
    ]
    assert load({"smarthub.timezone": "America/Phoenix"}).warnings == ()
