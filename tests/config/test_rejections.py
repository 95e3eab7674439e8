"""Problems of a file and its overrides: all at once, each with its place."""

from pathlib import Path

import pytest

from exporter.config import Overrides, load_config
from exporter.errors import ConfigError

from ..support.config_files import HOME, SAMPLE, Problems, Write

Changes = dict[str, str | None]

ZONE_ADVICE = "; set the co-op's time zone, such as America/New_York (smarthub-exporter discover can find it)"
_OR_ELSE = (
    "; use --config.file for another file, or set SMARTHUB_API_URL, SMARTHUB_USERNAME, SMARTHUB_PASSWORD and"
    " SMARTHUB_TIMEZONE"
)
NO_LOGIN = f"config.yaml: no login is configured; add a smarthub section{_OR_ELSE}"
NO_FILE = (
    "config.yaml: there is no such file in this directory; write one with smarthub-exporter discover --write"
    f" config.yaml{_OR_ELSE}"
)
NO_PASSWORD = (
    "config.yaml:1: smarthub.password: missing (or set password_file or SMARTHUB_PASSWORD or SMARTHUB_PASSWORD_FILE)"
)
NO_USERNAME = "config.yaml:1: smarthub.username: missing (or set SMARTHUB_USERNAME)"

BAD_KEY = (
    'config.yaml:1: key without a value; put text that begins with { or [ or contains a comma in quotes, or write ""'
)

# A change of the sample ("smarthub" is line 1, its keys are lines 2 to 5) and its message.
KEYS: list[tuple[Changes, str]] = [
    ({"smarthub.pasword": "x"}, '6: smarthub.pasword: unknown key; did you mean "password"?'),
    ({"smarthub.Api-URL": "x"}, '6: smarthub.Api-URL: unknown key; did you mean "api_url"?'),
    (
        {"smarthub.password": None, "smarthub.pasword_file": "x"},
        '5: smarthub.pasword_file: unknown key; did you mean "password_file"?',
    ),
    ({"smarthub.window": "7d"}, "6: smarthub.window: unknown key; it belongs in exporter"),
    (
        {"smarthub.locations": "[{zzz: 1, service_location: 7}]"},
        "6: smarthub.locations[0].zzz: unknown key; use one of account, service_location, name, submeters",
    ),
    (
        {'smarthub."a\\nb c"': "x"},
        (
            '6: smarthub."a\\nb c": unknown key; use one of name, api_url, username, password, '
            "totp_secret, timezone, account, service_location, locations, password_file, totp_secret_file"
        ),
    ),
    ({"zzz": "1"}, "6: zzz: unknown key; use one of extract_days, smarthub, exporter, victoriametrics, influxdb"),
    ({'smarthub."api_url"': "x"}, "6: smarthub.api_url: duplicate key, first defined in line 2; remove one"),
    ({"smarthub.username": "[a, b]"}, "3: smarthub.username: must be a single value, not a list"),
    ({"smarthub.password": "{hunter2: x}"}, "4: smarthub.password: must be a single value, not key: value pairs"),
    ({"smarthub.api_url": None}, "1: smarthub.api_url: missing (or set SMARTHUB_API_URL)"),
    (
        {"smarthub.timezone": "null"},
        f"1: smarthub.timezone: missing (or set SMARTHUB_TIMEZONE){ZONE_ADVICE}",
    ),
    ({"smarthub.username": '"a\\nb"'}, "3: smarthub.username: contains a line break or a control character; remove it"),
    ({"smarthub.password": '"\\ud800"'}, "4: smarthub.password: not valid Unicode text; enter it again"),
    (
        {"smarthub.password_file": "p"},
        "6: smarthub.password_file: conflicts with config.yaml:4: smarthub.password; remove one of them",
    ),
    ({"smarthub.locations": "7"}, "6: smarthub.locations: must be a list, not a single value"),
    ({"smarthub.locations": "[7]"}, "6: smarthub.locations[0]: must be key: value pairs, not a single value"),
    ({"smarthub.locations": "[{account: 1}]"}, "6: smarthub.locations[0].service_location: missing"),
    (
        {"smarthub.locations": "[{service_location: 7}, {service_location: 8}, {account: 1, service_location: 7}]"},
        '6: smarthub.locations[2].service_location: "7" is listed twice; remove one',
    ),
    (
        {"smarthub.locations": "[{service_location: 7}]", "smarthub.service_location": "2"},
        "7: smarthub.service_location: cannot be combined with locations; use one or the other",
    ),
    ({"exporter.refresh_interval": "899s"}, "7: exporter.refresh_interval: 14m59s is too short; the minimum is 15m"),
    ({"exporter": "[]"}, "6: exporter: must be key: value pairs, not a list"),
    (
        {"victoriametrics.url": "http://vm", "victoriametrics.password": "x"},
        "6: victoriametrics.username: missing (or set VICTORIAMETRICS_USERNAME)",
    ),
    (
        {"victoriametrics.username": "x", "victoriametrics.bearer_token": "y"},
        "8: victoriametrics.bearer_token: cannot be combined with username and password; use one or the other",
    ),
    (
        {"victoriametrics.extra_labels": "{site: [c]}"},
        "7: victoriametrics.extra_labels.site: must be a single value, not a list",
    ),
]

# Values that the parser of their key refuses, in files that are valid otherwise.
WRONG_VALUES = [
    ("smarthub.api_url", "ftp://novec"),
    ("smarthub.timezone", "US/East"),
    ("smarthub.totp_secret", "hunter2!"),
    ("smarthub.totp_secret_file", "none"),
    ("exporter.listen_address", "10058"),
    ("exporter.refresh_interval", "36d"),
    ("exporter.window", "59s"),
    ("exporter.window", "841h"),
    ("exporter.state_dir", '"a\\0b"'),
    ("victoriametrics.url", "vm"),
    ("victoriametrics.query_url", "http://a:b@vm"),
    ("victoriametrics.password_file", "none"),
    ("victoriametrics.bearer_token", '"hunter2\\n"'),
    ("victoriametrics.bearer_token_file", "none"),
    ("victoriametrics.ca_file", "none"),
    ("victoriametrics.insecure", "maybe"),
    ("victoriametrics.extra_labels.a-b", "c"),
    ("influxdb.host", "influx:8086"),
    ("influxdb.auth_token", '"hunter2\\tx"'),
    ("influxdb.insecure", "1"),
    ("influxdb.per_minute", "2"),
    ("extract_days", "0"),
    ("extract_days", "36501"),
]

# Problems of a whole file.
FILES: list[tuple[str | bytes, list[str]]] = [
    ("\n", [NO_LOGIN]),
    ("---\n...\n", [NO_LOGIN]),
    ("smarthbu: {}\n", ['config.yaml:1: smarthbu: unknown key; did you mean "smarthub"?']),
    ("hunter2\n", ["config.yaml:1: must be key: value pairs, not a single value"]),
    ("- hunter2\n", ["config.yaml:1: must be key: value pairs, not a list"]),
    ("smarthub: hunter2\n", ["config.yaml:1: smarthub: must be key: value pairs, not a single value"]),
    ("smarthub: []\n", ["config.yaml:1: smarthub: the list is empty; add at least one login"]),
    ("smarthub: [hunter2]\n", ["config.yaml:1: smarthub[0]: must be key: value pairs, not a single value"]),
    (
        "smarthub:\n- api_url: novec\n  username: a\n- {api_url: novec, password: b, timezone: UTC}\n",
        [
            "config.yaml:2: smarthub[0].password: missing (or set password_file)",
            f"config.yaml:2: smarthub[0].timezone: missing{ZONE_ADVICE}",
            "config.yaml:4: smarthub[1].username: missing",
            'config.yaml:4: smarthub[1].name: two logins are named "novec"; give each a different name',
        ],
    ),
    (
        (
            "smarthub:\n- {api_url: novec, username: a, password: b, timezone: UTC, name: x}\n"
            "- {api_url: cobbemc, username: a, password: b, timezone: UTC, name: x}\n"
        ),
        ['config.yaml:3: smarthub[1].name: two logins are named "x"; give each a different name'],
    ),
    (
        "smarthub: {username: a, password: hunter2,hunter3}\n",
        [BAD_KEY],
    ),
    (b"smarthub:\n  password: \xe4\n", ["config.yaml:2: not UTF-8 text; save the file as UTF-8"]),
]


@pytest.mark.parametrize(
    ("submeters", "message"),
    [
        ("{B7001: ''}", "submeters.B7001: name another meter: the one that contains this one"),
        ("{B7001: ' B7001'}", "submeters.B7001: name another meter: the one that contains this one"),
        ("{B7001: [1]}", "submeters.B7001: must be a single value, not a list"),
        ("[B7001]", "submeters: must be key: value pairs, not a list"),
        ("{B7001: 1, B7001: 2}", "submeters.B7001: duplicate key, first defined in line 6; remove one"),
    ],
)
def test_invalid_submeters_are_refused(submeters: str, message: str, problems: Problems) -> None:
    found = problems({"smarthub.locations": f"[{{service_location: 7, submeters: {submeters}}}]"})
    assert found == (f"config.yaml:6: smarthub.locations[0].{message}",)


@pytest.mark.parametrize(("changes", "message"), KEYS)
def test_an_invalid_key_is_refused_with_its_message(changes: Changes, message: str, problems: Problems) -> None:
    found = problems(changes)
    assert found == (f"config.yaml:{message}",)
    assert SAMPLE["smarthub.password"] not in found[0]


@pytest.mark.parametrize(("text", "messages"), FILES)
def test_an_invalid_file_is_refused_with_its_message(
    text: str | bytes, messages: list[str], problems: Problems
) -> None:
    found = problems(text=text)
    assert list(found) == messages
    assert SAMPLE["smarthub.password"] not in "".join(found)


@pytest.mark.parametrize(("key", "value"), WRONG_VALUES)
def test_an_invalid_value_is_reported_with_its_key(key: str, value: str, problems: Problems) -> None:
    section, _, name = key.rpartition(".")
    others: Changes = {
        "smarthub.api_url": "novec",
        "victoriametrics.url": "http://vm",
        "victoriametrics.username": "writer" if "password" in name else None,
        "influxdb.host": "http://influx",
        "influxdb.database": "x",
    }
    change = {"victoriametrics.extra_labels": f"{{{name}: {value}}}"} if "labels" in section else {key: value}
    (problem,) = problems({**others, **change})
    assert problem.partition(": ")[2].startswith(f"{key}: ")


@pytest.mark.parametrize("password", ['""', "", "#hunter2", "|"])
def test_an_empty_password_is_missing(password: str, problems: Problems) -> None:
    assert problems({"smarthub.password": password}) == (NO_PASSWORD,)


@pytest.mark.parametrize("username", ["", "~", "null"])
def test_a_null_user_name_is_missing(username: str, problems: Problems) -> None:
    assert problems({"smarthub.username": username}) == (NO_USERNAME,)


@pytest.mark.parametrize("key", ["smarthub.password", "smarthub.totp_secret"])
@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("secret", b"", "the file is empty; write the secret into it"),
        ("secret", b"\r\n", "the file is empty; write the secret into it"),
        ("secret", b"hunter2\xff\n", "not UTF-8 text; save the file as UTF-8"),
        ("none", b"", "No such file or directory"),
        (".", b"", "Is a directory"),
    ],
)
def test_an_unusable_secret_file_is_refused_with_the_reason(  # noqa: PLR0917
    key: str, file: str, content: bytes, message: str, problems: Problems, write: Write
) -> None:
    write(content, "secret")
    (problem,) = problems({"smarthub.password": None if key == "smarthub.password" else "x", f"{key}_file": file})
    assert problem.partition(": ")[2] == f"{key}_file: {file}: {message}"


@pytest.mark.parametrize(
    ("path", "message"),
    [("none.yaml", "No such file or directory"), (".", "Is a directory"), ("a\0b", "not a valid path")],
)
def test_an_unreadable_file_is_refused_with_the_reason(folder: Path, path: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Path(path), {"HOME": HOME}, Overrides())
    assert caught.value.problems == (f"{path}: {message}",)


@pytest.mark.usefixtures("folder")
def test_without_a_file_it_says_how_to_get_one(problems: Problems) -> None:
    assert problems(text="") == (NO_FILE,)


def test_an_unreadable_default_file_is_not_skipped(folder: Path, problems: Problems) -> None:
    (folder / "config.yaml").mkdir()
    assert problems(text="") == ("config.yaml: Is a directory",)


def test_all_problems_are_reported_at_once(problems: Problems) -> None:
    changes: Changes = {
        "smarthub.password": None,
        "exporter.window": "1",
        "influxdb.per_minute": "2",
        "extract_days": "-3",
    }
    assert problems(changes) == (
        NO_PASSWORD,
        'config.yaml:6: exporter.window: "1" has no unit; for seconds, write 1s',
        'config.yaml:8: influxdb.per_minute: "2" is not a boolean; use true or false',
        "config.yaml:7: influxdb.host: missing",
        "config.yaml:7: influxdb.database: missing",
        'config.yaml:9: extract_days: "-3" is not a whole number from 1 to 36500',
    )
