"""Every rejection of a file: its text and the exact message, or messages, in the order of the report."""

import errno
import os
from pathlib import Path

import pytest

from exporter.config import Overrides, load_config
from exporter.errors import ConfigError

from ..support.config_files import HOME, SAMPLE, Problems, Write

MISSING_ZONE = (
    ', give the zone of the co-op, such as America/New_York ("smarthub-exporter discover" finds out which one it is)'
)

# What is wrong with one key of the sample, in whose file the section "smarthub" is at line 1 and has lines 2 to 5.
KEYS: list[tuple[dict[str, str | None], str | list[str]]] = [
    ({"smarthub.pasword": "x"}, 'config.yaml:6: smarthub.pasword: unknown key, did you mean "password"?'),
    ({"smarthub.Api-URL": "x"}, 'config.yaml:6: smarthub.Api-URL: unknown key, did you mean "api_url"?'),
    (
        {"smarthub.password": None, "smarthub.pasword": "x"},
        'config.yaml:5: smarthub.pasword: unknown key, did you mean "password"?',
    ),
    ({"smarthub.window": "7d"}, "config.yaml:6: smarthub.window: unknown key, it belongs into exporter"),
    (
        {"smarthub.locations": "[{zzz: 1, service_location: 7}]"},
        "config.yaml:6: smarthub.locations[0].zzz: unknown key, known here: account, service_location, name",
    ),
    (
        {'smarthub."a\\nb c"': "x"},
        (
            'config.yaml:6: smarthub."a\\nb c": unknown key, known here: name, api_url, username, '
            "timezone, account, service_location, password, totp_secret, password_file, totp_secret_file, locations"
        ),
    ),
    (
        {"zzz": "1"},
        "config.yaml:6: zzz: unknown key, known here: extract_days, smarthub, exporter, victoriametrics, influxdb",
    ),
    ({'smarthub."api_url"': "x"}, "config.yaml:6: smarthub.api_url: given twice, first in line 2"),
    ({"smarthub.username": "[a, b]"}, "config.yaml:3: smarthub.username: must be a single value, not a list"),
    (
        {"smarthub.password": "{hunter2: x, hunter3: y}"},
        "config.yaml:4: smarthub.password: must be a single value, not keys and values",
    ),
    (
        {"smarthub.api_url": None},
        "config.yaml:1: smarthub.api_url: missing (SMARTHUB_API_URL would do too)",
    ),
    ({"smarthub.username": ""}, "config.yaml:1: smarthub.username: missing (SMARTHUB_USERNAME would do too)"),
    ({"smarthub.username": "~"}, "config.yaml:1: smarthub.username: missing (SMARTHUB_USERNAME would do too)"),
    (
        {"smarthub.password": '""'},
        "config.yaml:1: smarthub.password: missing (password_file or SMARTHUB_PASSWORD would do too)",
    ),
    (
        {"smarthub.timezone": "null"},
        f"config.yaml:1: smarthub.timezone: missing (SMARTHUB_TIMEZONE would do too){MISSING_ZONE}",
    ),
    (
        {"smarthub.timezone": "US/East"},
        'config.yaml:5: smarthub.timezone: unknown time zone "US/East", did you mean "US/Eastern"?',
    ),
    (
        {"smarthub.timezone": "../etc"},
        'config.yaml:5: smarthub.timezone: unknown time zone "../etc", write it as Area/City, such as America/New_York',
    ),
    (
        {"smarthub.api_url": "https://member:hunter2@novec"},
        "config.yaml:2: smarthub.api_url: must not hold a user name or password, they have keys of their own",
    ),
    ({"smarthub.api_url": "ftp://novec"}, "config.yaml:2: smarthub.api_url: must begin with http:// or https://"),
    ({"smarthub.username": '"a\\nb"'}, "config.yaml:3: smarthub.username: holds a line break or a control character"),
    ({"smarthub.password": '"\\ud800"'}, "config.yaml:4: smarthub.password: holds what is no text"),
    (
        {"smarthub.password_file": "p"},
        "config.yaml:6: smarthub.password_file: password is given too, keep one of the two",
    ),
    (
        {"smarthub.password": None, "smarthub.password_file": "none"},
        "config.yaml:5: smarthub.password_file: none: No such file or directory",
    ),
    (
        {"smarthub.password": None, "smarthub.password_file": '"."'},
        "config.yaml:5: smarthub.password_file: .: Is a directory",
    ),
    (
        {"smarthub.password": None, "smarthub.password_file": '"a\\0b"'},
        "config.yaml:5: smarthub.password_file: holds a line break or a control character",
    ),
    (
        {"smarthub.totp_secret": "JBSWY3DPEHPK3PXP", "smarthub.totp_secret_file": "t"},
        "config.yaml:7: smarthub.totp_secret_file: totp_secret is given too, keep one of the two",
    ),
    (
        {"smarthub.totp_secret": "hunter2!"},
        (
            "config.yaml:6: smarthub.totp_secret: neither base32 text nor an otpauth://totp URI, copy it again from "
            "where the portal shows it"
        ),
    ),
    ({"smarthub.locations": "7"}, "config.yaml:6: smarthub.locations: must be a list, not a single value"),
    (
        {"smarthub.locations": "[7]"},
        "config.yaml:6: smarthub.locations[0]: must be keys and values, not a single value",
    ),
    (
        {"smarthub.locations": "[{account: 1}]"},
        "config.yaml:6: smarthub.locations[0].service_location: missing",
    ),
    (
        {"smarthub.locations": "[{service_location: 7}]", "smarthub.account": "1", "smarthub.service_location": "2"},
        [
            "config.yaml:7: smarthub.account: not together with locations, give one of the two",
            "config.yaml:8: smarthub.service_location: not together with locations, give one of the two",
        ],
    ),
    (
        {"smarthub.locations": "[{service_location: 7}, {service_location: 8}, {account: 1, service_location: 7}]"},
        'config.yaml:6: smarthub.locations[2].service_location: "7" is given twice',
    ),
    (
        {"exporter.listen_address": "10058"},
        "config.yaml:7: exporter.listen_address: must be HOST:PORT, [IPV6]:PORT or :PORT, such as :10058",
    ),
    ({"exporter.listen_address": '":65536"'}, "config.yaml:7: exporter.listen_address: the port must be at most 65535"),
    (
        {"exporter.refresh_interval": "3600"},
        'config.yaml:7: exporter.refresh_interval: "3600" has no unit, for seconds write 3600s',
    ),
    (
        {"exporter.refresh_interval": "soon"},
        'config.yaml:7: exporter.refresh_interval: "soon" is not a duration such as 90s, 15m, 1h30m or 7d',
    ),
    (
        {"exporter.refresh_interval": "899s"},
        "config.yaml:7: exporter.refresh_interval: 14m59s is too short, at least 15m",
    ),
    ({"exporter.refresh_interval": "36d"}, "config.yaml:7: exporter.refresh_interval: 36d is too long, at most 35d"),
    (
        {"smarthub.api_url": "http://localhost:1", "exporter.refresh_interval": "0s"},
        "config.yaml:7: exporter.refresh_interval: 0s is too short, at least 1s",
    ),
    ({"exporter.window": "59s"}, "config.yaml:7: exporter.window: 59s is too short, at least 1m"),
    ({"exporter.window": "841h"}, "config.yaml:7: exporter.window: 35d1h is too long, at most 35d"),
    ({"exporter": "[]"}, "config.yaml:6: exporter: must be keys and values, not a list"),
    ({"victoriametrics.url": "localhost"}, "config.yaml:7: victoriametrics.url: must begin with http:// or https://"),
    (
        {"victoriametrics.url": "http://vm", "victoriametrics.query_url": "http://a:b@vm"},
        "config.yaml:8: victoriametrics.query_url: must not hold a user name or password, they have keys of their own",
    ),
    (
        {"victoriametrics.url": "http://vm", "victoriametrics.password": "x"},
        "config.yaml:6: victoriametrics.username: missing (VICTORIAMETRICS_USERNAME would do too)",
    ),
    (
        {"victoriametrics.username": "x", "victoriametrics.bearer_token": "y"},
        "config.yaml:8: victoriametrics.bearer_token: not together with username and password, give one of the two",
    ),
    (
        {"victoriametrics.bearer_token": '"hunter2\\n"'},
        "config.yaml:7: victoriametrics.bearer_token: holds characters that a token cannot have, such as a line break",
    ),
    ({"victoriametrics.ca_file": "none"}, "config.yaml:7: victoriametrics.ca_file: none: No such file or directory"),
    (
        {"victoriametrics.insecure": "maybe"},
        'config.yaml:7: victoriametrics.insecure: "maybe" is neither true nor false',
    ),
    (
        {"victoriametrics.extra_labels": "{a-b: c}"},
        (
            "config.yaml:7: victoriametrics.extra_labels.a-b: not a valid label name: letters, digits and _, no digit "
            "first, not __ first"
        ),
    ),
    (
        {"victoriametrics.extra_labels": "{meter: c}"},
        "config.yaml:7: victoriametrics.extra_labels.meter: the exporter's series have this label already",
    ),
    (
        {"victoriametrics.extra_labels": "{site: [c]}"},
        "config.yaml:7: victoriametrics.extra_labels.site: must be a single value, not a list",
    ),
    (
        {"victoriametrics.extra_labels": "[site]"},
        "config.yaml:7: victoriametrics.extra_labels: must be keys and values, not a list",
    ),
    ({"influxdb.org": "x"}, ["config.yaml:6: influxdb.host: missing", "config.yaml:6: influxdb.database: missing"]),
    (
        {"influxdb.host": "influx:8086", "influxdb.database": "x"},
        "config.yaml:7: influxdb.host: must begin with http:// or https://",
    ),
    ({"extract_days": "0"}, 'config.yaml:6: extract_days: "0" is not a positive whole number'),
    ({"extract_days": "36501"}, "config.yaml:6: extract_days: 36501 is too much, at most 36500"),
    ({"smarthub.api_url": '"https://no vec"'}, "config.yaml:2: smarthub.api_url: must not hold spaces or line breaks"),
    ({"smarthub.api_url": '"https://[::1"'}, "config.yaml:2: smarthub.api_url: not a valid URL or host"),
    ({"smarthub.api_url": "novec!"}, "config.yaml:2: smarthub.api_url: not a valid URL or host"),
    (
        {"smarthub.api_url": "https:novec.smarthub.coop"},
        "config.yaml:2: smarthub.api_url: must begin with http:// or https://",
    ),
    (
        {"smarthub.api_url": "https://novec:99999"},
        "config.yaml:2: smarthub.api_url: the port must be a number from 1 to 65535",
    ),
    ({"smarthub.name": '"a\\nb"'}, "config.yaml:6: smarthub.name: holds a line break or a control character"),
    ({"smarthub.account": '"a\\tb"'}, "config.yaml:6: smarthub.account: holds a line break or a control character"),
    (
        {"smarthub.service_location": "[1]"},
        "config.yaml:6: smarthub.service_location: must be a single value, not a list",
    ),
    (
        {"smarthub.totp_secret_file": "none"},
        "config.yaml:6: smarthub.totp_secret_file: none: No such file or directory",
    ),
    (
        {"smarthub.totp_secret": "otpauth://hotp/x?secret=HUNTER2"},
        (
            "config.yaml:6: smarthub.totp_secret: neither base32 text nor an otpauth://totp URI, copy it again from "
            "where the portal shows it"
        ),
    ),
    ({"smarthub.locations": "{account: 7}"}, "config.yaml:6: smarthub.locations: must be a list, not keys and values"),
    ({"smarthub.locations": "[[7]]"}, "config.yaml:6: smarthub.locations[0]: must be keys and values, not a list"),
    (
        {"smarthub.locations": "[{service_location: 7, name: {a: b}}]"},
        "config.yaml:6: smarthub.locations[0].name: must be a single value, not keys and values",
    ),
    (
        {"exporter.refresh": "1h"},
        'config.yaml:7: exporter.refresh: unknown key, did you mean "refresh_interval"?',
    ),
    ({"exporter.timezone": "UTC"}, "config.yaml:7: exporter.timezone: unknown key, it belongs into smarthub"),
    (
        {"exporter.zzz": "x"},
        ("config.yaml:7: exporter.zzz: unknown key, known here: listen_address, refresh_interval, window, state_dir"),
    ),
    (
        {"exporter.listen_address": '"[::1:9"'},
        "config.yaml:7: exporter.listen_address: must be HOST:PORT, [IPV6]:PORT or :PORT, such as :10058",
    ),
    (
        {"exporter.refresh_interval": "[]"},
        "config.yaml:7: exporter.refresh_interval: must be a single value, not a list",
    ),
    (
        {"exporter.state_dir": '"a\\0b"'},
        "config.yaml:7: exporter.state_dir: holds a line break or a control character",
    ),
    (
        {"victoriametrics.zzz": "x"},
        (
            "config.yaml:7: victoriametrics.zzz: unknown key, known here: url, query_url, username, ca_file, insecure, "
            "password, bearer_token, password_file, bearer_token_file, extra_labels"
        ),
    ),
    (
        {"victoriametrics.url": "http://vm:8428/?x=1"},
        "config.yaml:7: victoriametrics.url: must be a URL without ? and #",
    ),
    (
        {"victoriametrics.url": "http://vm:0"},
        "config.yaml:7: victoriametrics.url: the port must be a number from 1 to 65535",
    ),
    ({"victoriametrics.url": "http://"}, "config.yaml:7: victoriametrics.url: not a valid URL or host"),
    (
        {
            "victoriametrics.url": "http://vm",
            "victoriametrics.username": "x",
            "victoriametrics.password": "y",
            "victoriametrics.password_file": "z",
        },
        "config.yaml:10: victoriametrics.password_file: password is given too, keep one of the two",
    ),
    (
        {"victoriametrics.bearer_token": "x", "victoriametrics.bearer_token_file": "y"},
        "config.yaml:8: victoriametrics.bearer_token_file: bearer_token is given too, keep one of the two",
    ),
    ({"victoriametrics.ca_file": '"."'}, "config.yaml:7: victoriametrics.ca_file: .: Is a directory"),
    (
        {"victoriametrics.extra_labels": "{__name__: c}"},
        (
            "config.yaml:7: victoriametrics.extra_labels.__name__: not a valid label name: letters, digits and _, no "
            "digit first, not __ first"
        ),
    ),
    ({"victoriametrics": "7"}, "config.yaml:6: victoriametrics: must be keys and values, not a single value"),
    (
        {"influxdb.bucket": "x"},
        (
            "config.yaml:7: influxdb.bucket: unknown key, known here: host, org, database, insecure, per_minute, "
            "auth_token, auth_token_file"
        ),
    ),
    (
        {"influxdb.host": "http://influx:8086/#x", "influxdb.database": "x"},
        "config.yaml:7: influxdb.host: must be a URL without ? and #",
    ),
    (
        {"influxdb.host": "http://influx", "influxdb.database": "x", "influxdb.auth_token": '"hunter2\\tx"'},
        "config.yaml:9: influxdb.auth_token: holds characters that a token cannot have, such as a line break",
    ),
    (
        {
            "influxdb.host": "http://influx",
            "influxdb.database": "x",
            "influxdb.auth_token": "x",
            "influxdb.auth_token_file": "y",
        },
        "config.yaml:10: influxdb.auth_token_file: auth_token is given too, keep one of the two",
    ),
    (
        {"influxdb.host": "http://influx", "influxdb.database": "x", "influxdb.insecure": "1"},
        'config.yaml:9: influxdb.insecure: "1" is neither true nor false',
    ),
    ({"influxdb": "[]"}, "config.yaml:6: influxdb: must be keys and values, not a list"),
    ({"extract_days": "1.5"}, 'config.yaml:6: extract_days: "1.5" is not a positive whole number'),
    ({"extract_days": "[1]"}, "config.yaml:6: extract_days: must be a single value, not a list"),
]

# What is wrong with a file as a whole.
FILES: list[tuple[str | bytes, str | list[str]]] = [
    ("\n", "config.yaml:1: smarthub: missing, it takes api_url, username, password and timezone"),
    ("---\n...\n", "config.yaml:1: smarthub: missing, it takes api_url, username, password and timezone"),
    ("smarthbu: {}\n", 'config.yaml:1: smarthbu: unknown key, did you mean "smarthub"?'),
    ("hunter2\n", 'config.yaml:1: must be keys and values, such as "smarthub:"'),
    ("- hunter2\n", 'config.yaml:1: must be keys and values, such as "smarthub:"'),
    ("smarthub: hunter2\n", "config.yaml:1: smarthub: must be keys and values, not a single value"),
    ("smarthub: []\n", "config.yaml:1: smarthub: an empty list, give at least one login"),
    ("smarthub: [hunter2]\n", "config.yaml:1: smarthub[0]: must be keys and values, not a single value"),
    (
        "smarthub:\n- api_url: novec\n  username: a\n- {api_url: novec, password: b, timezone: UTC}\n",
        [
            "config.yaml:2: smarthub[0].password: missing (password_file would do too)",
            f"config.yaml:2: smarthub[0].timezone: missing{MISSING_ZONE}",
            "config.yaml:4: smarthub[1].username: missing",
            'config.yaml:4: smarthub[1].name: two logins are called "novec", give each a name of its own',
        ],
    ),
    (
        (
            "smarthub:\n"
            "- {api_url: novec, username: a, password: b, timezone: UTC, name: x}\n"
            "- {api_url: cobbemc, username: a, password: b, timezone: UTC, name: x}\n"
        ),
        'config.yaml:3: smarthub[1].name: two logins are called "x", give each a name of its own',
    ),
    (
        "smarthub:\n  password: hunter2: x\n",
        'config.yaml:2: not valid YAML: a ":" is not expected here; text that holds one needs quotes',
    ),
    (
        "smarthub: {username: a, password: hunter2,hunter3}\n",
        'config.yaml:1: a key without a value between { and }; text with a comma needs quotes, nothing is ""',
    ),
    ("smarthub:\n---\n", "config.yaml:2: not valid YAML: a second YAML document begins here, only one is read"),
    (b"smarthub:\n  password: \xe4\n", "config.yaml:2: not UTF-8 text, save the file with that encoding"),
]


def typed(password: str) -> str:
    """A whole file with a password that begins in line 4, as somebody types it without quotes or with half of them."""
    return f"smarthub:\n  api_url: novec\n  username: a\n  password: {password}\n  timezone: UTC\n"


# What becomes of a password that YAML takes for something else: what to do, and the password nowhere in it.
PASSWORDS = [
    ("&hunter2", "4: anchors and aliases are not supported; text that begins with & or * needs quotes"),
    ("*hunter2", "4: anchors and aliases are not supported; text that begins with & or * needs quotes"),
    ("!hunter2", "4: tags are not supported; text that begins with ! needs quotes"),
    ("!a!hunter2 x", "4: not valid YAML: text that begins with ! needs quotes"),
    ("@hunter2", "4: not valid YAML: text that begins with one of @ ` % needs quotes"),
    ("`hunter2", "4: not valid YAML: text that begins with one of @ ` % needs quotes"),
    ("%hunter2", "4: not valid YAML: text that begins with one of @ ` % needs quotes"),
    ("- hunter2", '4: not valid YAML: a list does not belong here; text that begins with "- " needs quotes'),
    ("[hunter2", "5: not valid YAML: a comma or a closing bracket is missing"),
    ("{{hunter2}}", "4: a key must be text; a value that begins with { or [ needs quotes"),
    ("'hunter2", "4: not valid YAML: a quotation mark is opened here and never closed"),
    (
        '"hunter2"x',
        ("4: not valid YAML: the indentation does not fit, or something follows a closing quotation mark or bracket"),
    ),
    (
        '"hunter2\\q"',
        "4: not valid YAML: an unknown escape in double quotes; single quotes take a backslash as it is",
    ),
    ('"hunter2\x07"', "4: not valid YAML: a control character, only printable text is allowed"),
    ("\thunter2", "4: not valid YAML: a tab in the indentation, use spaces"),
    ("> hunter2", "4: not valid YAML"),
    ("hunter2\n  x", '6: not valid YAML: a ":" is missing here or in the line before'),
    ("[" * 5000, "4: nested too deeply"),
    ("#hunter2", "1: smarthub.password: missing (password_file or SMARTHUB_PASSWORD would do too)"),
    ("|", "1: smarthub.password: missing (password_file or SMARTHUB_PASSWORD would do too)"),
]

# What a file with a secret may not be.
SECRET_FILES = [
    (b"", "secret: empty"),
    (b"\n", "secret: empty"),
    (b"hunter2\xff\n", "secret: not UTF-8 text"),
]


@pytest.mark.parametrize(("password", "message"), PASSWORDS)
def test_a_password_that_is_no_text_in_yaml_is_refused_with_its_line(
    password: str, message: str, problems: Problems
) -> None:
    found = problems(text=typed(password))
    assert found == (f"config.yaml:{message}",)
    assert "hunter2" not in "".join(found)


@pytest.mark.parametrize("key", ["smarthub.password", "smarthub.totp_secret"])
@pytest.mark.parametrize(("content", "message"), SECRET_FILES)
def test_a_wrong_file_with_a_secret_is_refused_with_its_message(
    key: str, content: bytes, message: str, problems: Problems, write: Write
) -> None:
    write(content, "secret")
    found = problems({"smarthub.password": None if key == "smarthub.password" else "x", f"{key}_file": "secret"})
    line = 5 if key == "smarthub.password" else 6
    assert found == (f"config.yaml:{line}: {key}_file: {message}",)


@pytest.mark.parametrize(
    ("path", "message"),
    [("none.yaml", "No such file or directory"), (".", "Is a directory"), ("a\0b", "not a valid path")],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(folder: Path, path: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Path(path), {"HOME": HOME}, Overrides())
    assert caught.value.problems == (f"{path}: {message}",)


def test_a_file_that_is_not_ours_to_read_is_refused_with_the_reason(
    write: Write, problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_: Path, *__: object, **___: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", forbidden)
    assert problems(text="") == ("config.yaml: Permission denied",)


@pytest.mark.parametrize(("changes", "messages"), KEYS)
def test_a_wrong_key_is_refused_with_its_message(
    changes: dict[str, str | None],
    messages: str | list[str],
    problems: Problems,
) -> None:
    found = problems(changes)
    assert list(found) == ([messages] if isinstance(messages, str) else messages)
    assert SAMPLE["smarthub.password"] not in "".join(found)


@pytest.mark.parametrize(("text", "messages"), FILES)
def test_a_wrong_file_is_refused_with_its_message(
    text: str | bytes,
    messages: str | list[str],
    problems: Problems,
) -> None:
    found = problems(text=text)
    assert list(found) == ([messages] if isinstance(messages, str) else messages)
    assert SAMPLE["smarthub.password"] not in "".join(found)


def test_all_problems_are_reported_at_once(problems: Problems) -> None:
    changes = {"smarthub.password": None, "exporter.window": "1", "influxdb.per_minute": "2", "extract_days": "-3"}
    assert problems(changes) == (
        "config.yaml:1: smarthub.password: missing (password_file or SMARTHUB_PASSWORD would do too)",
        'config.yaml:6: exporter.window: "1" has no unit, for seconds write 1s',
        'config.yaml:8: influxdb.per_minute: "2" is neither true nor false',
        "config.yaml:7: influxdb.host: missing",
        "config.yaml:7: influxdb.database: missing",
        'config.yaml:9: extract_days: "-3" is not a positive whole number',
    )
