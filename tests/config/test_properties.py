"""What holds for any text at all."""

import os
import re
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from exporter.config import Config, Overrides, Secret, load_config
from exporter.errors import ConfigError

from ..support.config_files import yaml_text

SECRET = "Xq7vKz"
BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
CHARACTERS = st.characters(exclude_categories=["Cs"])
PASSWORDS = st.text(CHARACTERS, min_size=1)
ALIKE = ["smarthub", "api_url", "username", "password", "totp_secret", "locations", "exporter", "window", "influxdb"]
SYNTAX = [*"\n\n\n  -:#&*!|>'\"%@`{}[],?~\t\\", ": ", "\n  ", "---", "null", "<<", "\\U", "é", "\x00", "7d", "novec"]
FRAGMENTS = st.lists(st.sampled_from([*ALIKE, *SYNTAX]), max_size=30).map("".join)


def load(content: bytes, environ: dict[str, str] | None = None) -> Config:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.yaml")
        path.write_bytes(content)
        return load_config(path, environ or {}, Overrides())


def messages_of(content: bytes, environ: dict[str, str] | None = None) -> str:
    """Everything that loading says, whether it succeeds or not."""
    try:
        return repr(load(content, environ))
    except ConfigError as error:
        problems = error.problems
    assert all(problem.isprintable() for problem in problems)
    return "\n".join(problems)


@given(PASSWORDS)
def test_any_password_survives_double_quotes(password: str) -> None:
    quoted = '"' + "".join(f"\\U{ord(character):08X}" for character in password) + '"'
    assert load(yaml_text({"smarthub.password": quoted}).encode()).logins[0].password == Secret(password)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1))
def test_any_password_on_a_keyboard_survives_single_quotes(password: str) -> None:
    quoted = "'" + password.replace("'", "''") + "'"
    assert load(yaml_text({"smarthub.password": quoted}).encode()).logins[0].password == Secret(password)


@given(PASSWORDS.filter(lambda password: "\0" not in password))
def test_any_password_survives_the_environment(password: str) -> None:
    content = yaml_text({"smarthub.password": None}).encode()
    assert load(content, {"SMARTHUB_PASSWORD": password}).logins[0].password == Secret(password)


@given(PASSWORDS.filter(lambda password: not password.endswith("\r") and password != BYTE_ORDER_MARK))
def test_any_password_survives_a_file(password: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        secret = Path(folder, "secret")
        secret.write_bytes(password.encode() + b"\n")
        environ = {"SMARTHUB_PASSWORD_FILE": os.fspath(secret)}
        login = load(yaml_text({"smarthub.password": None}).encode(), environ).logins[0]
    # A file may begin with a byte order mark, which then belongs to the file.
    assert login.password == Secret(password.removeprefix(BYTE_ORDER_MARK))


@given(
    st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "surrogatepass")), FRAGMENTS.map(str.encode))
)
def test_any_file_is_a_config_or_a_config_error(content: bytes) -> None:
    messages_of(content)


@given(FRAGMENTS)
def test_any_end_of_a_file_is_a_config_or_a_config_error(end: str) -> None:
    messages_of((yaml_text({}) + end).encode())


@given(FRAGMENTS, FRAGMENTS, FRAGMENTS)
def test_a_password_is_in_no_message_whatever_stands_around_it(before: str, after: str, end: str) -> None:
    # Without what makes a key of it: keys are named in messages.
    password = re.sub("[:?]", "", f"{before}{SECRET}{after}")
    text = yaml_text({"smarthub.password": password})
    assert SECRET not in messages_of((text + end).encode())


@given(st.sampled_from(["password", "totp_secret", "bearer_token", "auth_token"]), FRAGMENTS)
def test_a_wrong_secret_is_in_no_message(key: str, rest: str) -> None:
    quoted = '"' + "".join(f"\\U{ord(character):08X}" for character in SECRET + rest) + '"'
    text = "".join(f"{section}:\n  {key}: {quoted}\n" for section in ("smarthub", "victoriametrics", "influxdb"))
    assert SECRET not in messages_of(text.encode())


@given(st.dictionaries(st.sampled_from(["API_URL", "USERNAME", "TIMEZONE", "WINDOW", "ACCOUNT", "X"]), st.text()))
def test_any_environment_is_a_config_or_a_config_error(values: dict[str, str]) -> None:
    messages_of(b"", {f"SMARTHUB_{name}": value for name, value in values.items()})
