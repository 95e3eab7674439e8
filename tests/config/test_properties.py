"""Rules that hold for any text."""

import os
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import Config, Overrides, Secret, load_config
from exporter.errors import ConfigError

from ..support.config_files import yaml_text

pytestmark = pytest.mark.slow

SECRET = "Xq7vKz"
BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
PASSWORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
TYPED = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1)
ALIKE = ["smarthub", "api_url", "username", "password", "totp_secret", "locations", "exporter", "window", "influxdb"]
SYNTAX = [*"\n\n\n  -:#&*!|>'\"%@`{}[],?~\t\\", ": ", "\n  ", "---", "null", "<<", "\\U", "é", "\x00", "7d", "novec"]
FRAGMENTS = st.lists(st.sampled_from([*ALIKE, *SYNTAX]), max_size=30).map("".join)
VARIABLES = ["API_URL", "USERNAME", "TIMEZONE", "WINDOW", "ACCOUNT", "X"]


def load(content: bytes, environ: dict[str, str] | None = None) -> Config:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.yaml")
        path.write_bytes(content)
        return load_config(path, environ or {}, Overrides())


def password_of(typed: str | None, **environ: str) -> Secret:
    return load(yaml_text({"smarthub.password": typed}).encode(), environ).logins[0].password


def messages_of(content: bytes, environ: dict[str, str] | None = None) -> str:
    """Return the result of loading, or all problems."""
    try:
        return repr(load(content, environ))
    except ConfigError as error:
        problems = error.problems
    assert all(problem.isprintable() for problem in problems)
    return "\n".join(problems)


def escaped(text: str) -> str:
    return '"' + "".join(f"\\U{ord(character):08X}" for character in text) + '"'


@given(PASSWORDS, TYPED)
def test_any_password_survives_both_kinds_of_quotes(password: str, typed: str) -> None:
    assert password_of(escaped(password)) == Secret(password)
    assert password_of("'" + typed.replace("'", "''") + "'") == Secret(typed)


@given(PASSWORDS)
def test_any_password_survives_the_environment(password: str) -> None:
    assert password_of(None, SMARTHUB_PASSWORD=password) == Secret(password)


@given(
    PASSWORDS.filter(
        lambda password: not password.endswith("\r") and "\n" not in password and password != BYTE_ORDER_MARK
    )
)
def test_any_password_survives_a_file(password: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "secret")
        file.write_bytes(password.encode() + b"\n")
        read = password_of(None, SMARTHUB_PASSWORD_FILE=os.fspath(file))
    # A byte order mark at the beginning belongs to the file, not to the password.
    assert read == Secret(password.removeprefix(BYTE_ORDER_MARK))


@given(
    st.one_of(
        st.binary(),
        st.text().map(lambda text: text.encode("utf-8", "surrogatepass")),
        FRAGMENTS.map(str.encode),
        FRAGMENTS.map(lambda end: (yaml_text({}) + end).encode()),
    ),
    st.dictionaries(st.sampled_from(VARIABLES).map("SMARTHUB_{}".format), st.text()),
)
def test_any_input_is_a_config_or_a_config_error(content: bytes, environ: dict[str, str]) -> None:
    messages_of(content, environ)


@given(FRAGMENTS, FRAGMENTS, FRAGMENTS)
def test_no_message_contains_a_password(before: str, after: str, end: str) -> None:
    # Without the characters that make it a key: messages quote keys.
    password = re.sub("[:?]", "", f"{before}{SECRET}{after}")
    assert SECRET not in messages_of((yaml_text({"smarthub.password": password}) + end).encode())


@given(st.sampled_from(["password", "totp_secret", "bearer_token", "auth_token"]), FRAGMENTS)
def test_no_message_contains_an_invalid_secret(key: str, rest: str) -> None:
    sections = ("smarthub", "victoriametrics", "influxdb")
    text = "".join(f"{section}:\n  {key}: {escaped(SECRET + rest)}\n" for section in sections)
    assert SECRET not in messages_of(text.encode())
