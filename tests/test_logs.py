"""The log: logfmt or JSON, one line per event, on standard error, by level."""

import json
import logging
import re
from collections.abc import Iterator

import pytest

from exporter import logs

EVENT = logging.getLogger("exporter.some.part")
TIME = r"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Restore what `set_up` changes for the whole process."""
    root, own = logging.getLogger(), logging.getLogger("exporter")
    handlers, levels = root.handlers[:], (root.level, own.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    own.setLevel(levels[1])


def line(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the only line of the log."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.endswith("\n")
    return err.removesuffix("\n")


def test_an_event_is_one_line_of_logfmt_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("info", "logfmt")
    EVENT.info("listening", extra={"address": "127.0.0.1:10058"})
    assert re.fullmatch(rf"{TIME} level=info msg=listening address=127\.0\.0\.1:10058", line(capsys))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param("plain", "plain", id="a word"),
        pytest.param("two words", '"two words"', id="a space"),
        pytest.param("", '""', id="nothing"),
        pytest.param('say "no"', r'"say \"no\""', id="quotes"),
        pytest.param("a=b", '"a=b"', id="an equals sign"),
        pytest.param("back\\slash and space", r'"back\\slash and space"', id="a backslash"),
        pytest.param("one\ntwo", r'"one\ntwo"', id="a line break"),
        pytest.param("one\r\ttwo", r'"one\r\ttwo"', id="other control characters"),
        pytest.param("Käse", "Käse", id="other letters"),
        pytest.param("Käse\x1b[2J\x9b", r'"K\u00e4se\u001b[2J\u009b"', id="escapes"),
        pytest.param(12, "12", id="a number"),
    ],
)
def test_logfmt_quotes_values_that_are_not_one_word(
    capsys: pytest.CaptureFixture[str], value: object, written: str
) -> None:
    logs.set_up("info", "logfmt")
    EVENT.info("%s", value)
    assert line(capsys).partition(" msg=")[2] == written


def test_an_event_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("info", "json")
    EVENT.warning("two\nlines of %s", "Käse", extra={"count": 3})
    event = json.loads(line(capsys))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event.pop("time"))
    assert event == {"level": "warn", "msg": "two\nlines of Käse", "count": 3}


@pytest.mark.parametrize(
    ("level", "logged"),
    [
        ("debug", ["debug", "info", "warn", "error", "error"]),
        ("info", ["info", "warn", "error", "error"]),
        ("warn", ["warn", "error", "error"]),
        ("error", ["error", "error"]),
    ],
)
def test_a_level_includes_the_more_severe_ones(
    capsys: pytest.CaptureFixture[str], level: str, logged: list[str]
) -> None:
    logs.set_up(level, "logfmt")
    for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        EVENT.log(number, "said")
    assert re.findall(r"level=(\w+)", capsys.readouterr().err) == logged


def test_libraries_only_log_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("debug", "logfmt")
    library = logging.getLogger("somelibrary")
    library.info("POST /services/oauth/auth/v2 with a password")
    library.warning("retrying")
    assert re.fullmatch(rf"{TIME} level=warn msg=retrying", line(capsys))


def test_urllib3_logs_no_urls_with_user_names(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("debug", "logfmt")
    logging.getLogger("urllib3.connectionpool").warning("Failed to parse headers (url=...?userId=member@example.org)")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_an_internal_error_is_logged_with_its_traceback(capsys: pytest.CaptureFixture[str], form: str) -> None:
    logs.set_up("info", form)
    EVENT.error("the refresh broke", exc_info=RuntimeError("a mistake"))
    err = capsys.readouterr().err
    assert "the refresh broke" in err
    assert "RuntimeError: a mistake" in err
    assert form == "logfmt" or json.loads(err)["traceback"] == "RuntimeError: a mistake"


def test_a_second_setup_does_not_log_everything_twice(capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("json", "logfmt"):
        logs.set_up("info", form)
    EVENT.info("once")
    assert re.fullmatch(rf"{TIME} level=info msg=once", line(capsys))
