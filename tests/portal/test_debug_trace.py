"""Tests of the debug log of portal calls: one line per call, and no personal data."""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from io import StringIO
from typing import Any, Never
from urllib.parse import quote, quote_plus

import pyotp
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from requests_mock import ANY, Mocker

from exporter import logs
from exporter.errors import TransportError
from exporter.httpcall import ClientResponse
from exporter.portal.client import ACCOUNTS, USER_DATA
from exporter.portal.debug_trace import FIELDS, WORDS, FieldKind, shape
from exporter.portal.debug_trace import trace as trace_call
from exporter.portal.http import Transport
from exporter.portal.query import POLL
from exporter.portal.signin import METHOD, RENEW, SIGN_IN
from exporter.simulator.household import Household
from exporter.simulator.settings import Poll, SignIn
from exporter.simulator.specs import Channels, LocationSpec, MeterSpec, UserSpec
from exporter.simulator.world import World

from ..support.clocks import ManualClock
from ..support.exporter import StartExporter
from ..support.portal import Record, StartPortal, login_of

Json = Any
Lines = Callable[[], list[str]]

LONGEST = 4000
CALL = 'level=debug msg="portal call" '


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Return a function that reads the log so far, at level debug and without times."""
    loggers = [logging.getLogger(name) for name in (None, "exporter", "urllib3")]
    levels = [logger.level for logger in loggers]
    written = StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    logs.set_up("debug", "logfmt")
    yield lambda: [line.partition(" ")[2] for line in written.getvalue().splitlines()]
    logging.getLogger().handlers.clear()
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def trace(body: bytes = b"{}", content_type: str = "", *, path: str = POLL) -> None:
    trace_call("poll", "POST", path, 0.07149, ClientResponse(200, {"Content-Type": content_type}, body))


# -- the line


def test_call_is_logged_in_one_line(lines: Lines) -> None:
    trace(b'{"status": "PENDING"}', "application/json;charset=UTF-8")
    told = "status=200 seconds=0.071 bytes=21 content_type=application/json shape={status:PENDING}"
    assert lines() == [f"{CALL}endpoint=poll method=POST path=/services/secured/utility-usage/poll {told}"]


PAGE: dict[str, Json] = {"content": b"<html>", "headers": {"Content-Type": "text/html"}}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"exc": requests.ConnectTimeout("url: ?userId=member%40example.org")}, "seconds=0.0 error=ConnectTimeout"),
        (PAGE | {"status_code": 503}, "status=503 seconds=0.0 bytes=6 content_type=text/html shape=page"),
    ],
)
def test_failed_call_is_logged_without_its_error_message(
    lines: Lines, clock: ManualClock, requests_mock: Mocker, answer: dict[str, Json], told: str
) -> None:
    requests_mock.post(ANY, **answer)
    with pytest.raises(TransportError):
        Transport("https://coop.example", clock, lambda *_: None).call("auth", "POST", SIGN_IN)
    assert lines() == [f"{CALL}endpoint=auth method=POST path=/services/oauth/auth/v2 {told}"]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        *((path, path) for path in (SIGN_IN, RENEW, METHOD, USER_DATA, ACCOUNTS, POLL)),
        (f"{USER_DATA}?userId=member@example.org", "other"),
        ("/services/secured/service-locations/70001", "other"),
        (f"{USER_DATA}\n", "other"),
    ],
)
def test_path_with_a_value_is_not_shown(lines: Lines, path: str, shown: str) -> None:
    trace(path=path)
    trace_call("x", "GET", path, 0.0, OSError(path))
    assert [re.findall(r" path=(\S+) ", line) for line in lines()] == [[shown], [shown]]


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("Application/JSON ; charset=utf-8", "application/json"),
        ("", "none"),
        ("application/json member@example.org", "other"),
        ('multipart/form-data; boundary="12 Secret Lane"', "other"),
    ],
)
def test_only_a_known_media_type_is_shown(lines: Lines, header: str, shown: str) -> None:
    trace(content_type=header)
    assert f" content_type={shown} shape=" in lines()[0]


EVERYTHING = {name: [dict.fromkeys(FIELDS)] for name in FIELDS}


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b"<!DOCTYPE html><p>Dear member@example.org", "page", id="a page"),
        pytest.param(b"Your data could not be verified.", "other", id="words"),
        pytest.param(b"\xff\xfe\x00", "other", id="bytes"),
        pytest.param(b"[" * 200_000 + b"]" * 200_000, "other", id="deep"),
        pytest.param(b"9" * 5000, "other", id="a number with too many digits"),
        pytest.param(b"\xef\xbb\xbf{}", "{}", id="JSON after a byte order mark"),
        pytest.param(b"[" + b"1," * 1_000_000 + b"1]", "other", id="too many values"),
    ],
)
def test_only_the_size_of_other_bodies_is_shown(lines: Lines, body: bytes, shown: str) -> None:
    trace(body)
    assert lines()[0].endswith(f" bytes={len(body)} content_type=none shape={shown}")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 900 + b"]" * 900, id="deep"),
        pytest.param(b"[" + b"1," * 2_000_000 + b"1]", id="a list without end"),
        pytest.param(json.dumps({str(number): number for number in range(200_000)}).encode(), id="keys"),
        pytest.param(json.dumps(EVERYTHING).encode(), id="all that we know"),
        pytest.param(json.dumps({"a" * 8_000_000: "a" * 8_000_000, "status": "COMPLETE" * 10**6}).encode(), id="long"),
    ],
)
def test_line_of_a_hostile_response_is_short(lines: Lines, body: bytes) -> None:
    trace(body)
    (line,) = lines()
    assert len(line) < LONGEST


def test_nothing_is_computed_at_other_levels(lines: Lines) -> None:
    class Untouchable(ClientResponse):
        def __getattribute__(self, name: str) -> Never:
            raise AssertionError(name)

    logs.set_up("info", "logfmt")
    trace_call("x", "GET", POLL, 0.0, Untouchable(200, {}, b""))
    trace_call("x", "GET", POLL, 0.0, OSError())
    assert lines() == []


# -- the shape


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        ("TOTP", "text"),
        (float("nan"), "number"),
        (True, "true/false"),
        ({}, "{}"),
        ([], "[0]"),
        (["a", "b"], "[2 of text]"),
        ([{"x": 1, "y": None}, {"x": 2}], "[2 of {x:number,y:null}]"),
        ([{"type": "COST"}, {"type": "USAGE"}, {"type": "USAGE", "x": 1}], "[3 of {type:COST}|{type:USAGE}]"),
        ([*[{"x": 1}] * 10, {"type": "USAGE"}], "[11 of {x:number}]"),
        ([{"type": "Ms Miller"}, {"type": "Mr Miller"}, {"type": ["x"]}], "[3 of {type:text}|{type:[1 of text]}]"),
        ({"70001": [1], "x": 3, "70002": "b"}, "{<key>*2:text,x:number}"),
        ({"status": "complete", "name": "USAGE", "timeFrame": 5}, "{status:text,name:text,timeFrame:number}"),
        ({"industries": ["WATER", "GAS", "x"]}, "{industries:[3 of WATER|GAS|text]}"),
        ({"serviceLocationToIndustries": {"70001": ["GAS"]}}, "{serviceLocationToIndustries:{<key>*1:[1 of GAS]}}"),
        ({"hasHourly": True, "isNet": False, "hasDaily": "true"}, "{hasHourly:true,isNet:false,hasDaily:text}"),
        ({"inactive": True, "x": {"status": "FAILED"}}, "{inactive:true/false,x:{status:FAILED}}"),
    ],
)
def test_shape_of_a_value(value: Json, shown: str) -> None:
    assert shape(value) == shown


def test_long_shape_is_cut() -> None:
    assert re.fullmatch(r"\{services:.{3490}\.\.\.", shape(EVERYTHING))


ALLOWED = [*FIELDS, *WORDS, "text", "number", "null", "true/false", "true", "false", "<key>", "of"]
SHAPE = re.compile(rf"(({'|'.join(ALLOWED)})(?![A-Za-z_])|\[\d+|\*\d+|[ {{}}\],:|])*")
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(sorted(WORDS))
ANSWERS = st.recursive(
    VALUES,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(sorted(FIELDS)), inner, max_size=6),
    max_leaves=40,
)


@pytest.mark.slow
@settings(max_examples=100)
@given(ANSWERS)
def test_shape_contains_only_listed_words(answer: Json) -> None:
    shown = shape(answer)
    assert SHAPE.fullmatch(shown)
    assert all(int(count) < 100 for count in re.findall(r"\d+", shown))


def test_no_field_has_two_kinds() -> None:
    assert len(FIELDS) == sum(len(kind.value.split()) for kind in FieldKind)


# -- the whole exporter

USER = UserSpec("m.miller@private.example", "a Very&Secret+pass word", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
SOLAR = MeterSpec("MTR8100199553", Household(1, solar=5.0), Channels.THREE, step=3600)
PLAIN = MeterSpec("MTR8100288664", Household(2), step=3600, periods=True)
PRIVATE = World(
    users=(USER,),
    locations=(
        LocationSpec(
            "5500177331", "7000188442", (SOLAR,), nickname="Grandma's cottage", street="77 Hidden Hollow Road"
        ),
        LocationSpec("5500277442", "7000299553", (PLAIN,), nickname="", street="78 Hidden Hollow Road"),
    ),
)
PERSONAL = re.compile(
    "miller|private.example|very|word|8100|5500[12]|7000[12]|grandma|hidden|springfield|member@", re.IGNORECASE
)
SWITCHES: dict[str, dict[str, object]] = {
    "as it should be": {},
    "ids as numbers": {"numeric_ids": True},
    "only the plain list": {"discovery": Poll.STATUS_403},
    "a refused location": {"refused_locations": ("7000188442",)},
    **{f"poll {how}": {"poll": how} for how in Poll if how not in (Poll.OK, Poll.PENDING)},
    **{f"sign-in {how}": {"sign_in": how} for how in SignIn if how is not SignIn.OK},
}


@pytest.mark.parametrize("name", SWITCHES)
def test_refresh_logs_nothing_personal(
    lines: Lines,
    clock: ManualClock,
    start_portal: StartPortal,
    start_exporter: StartExporter,
    record: Record,
    *,
    name: str,
) -> None:
    portal = start_portal(PRIVATE, 2, **SWITCHES[name])
    calls = record(portal)
    code = pyotp.TOTP(USER.totp_secret).at(datetime.fromtimestamp(clock.now()).astimezone())

    start_exporter(login_of(portal, USER)).refresh()

    written = lines()
    traced = [line for line in written if line.startswith(CALL)]
    tokens = {call.headers.get("authorization", "").removeprefix("Bearer ") for call in calls} - {""}
    assert len(traced) == len(calls) > 0
    assert any(call.form.get("twoFactorCode") == code for call in calls)
    assert bool(tokens) is not name.startswith("sign-in")
    assert all(len(line) < LONGEST for line in traced)
    assert not [line for line in traced if code in line or PERSONAL.search(line)]
    secrets = [USER.password, quote(USER.password), quote_plus(USER.password), USER.totp_secret, *tokens]
    assert not [line for line in written for secret in secrets if secret in line]


def test_shapes_of_real_responses(lines: Lines, start_portal: StartPortal, start_exporter: StartExporter) -> None:
    start_exporter(login_of(start_portal(PRIVATE, 2), USER)).refresh()
    written = "".join(lines())
    for part in (
        "shape={status:SUCCESS,authorizationToken:text,username:text,primaryUsername:text,isSecondaryRegistration:",
        "{ELECTRIC:[2 of {type:COST,industry:ELECTRIC,unitOfMeasure:USD,meters:[0],",
        "|{type:USAGE,industry:ELECTRIC,timeFrame:HOURLY,unitOfMeasure:KWH,serviceLocationNumber:text,",
        "series:[3 of {name:text,meterNumber:text,channel:number,isNet:false,type:column,data:[60 of {x:number",
    ):
        assert part in written


def test_libraries_do_not_log_addresses_by_default(
    lines: Lines, start_portal: StartPortal, start_exporter: StartExporter
) -> None:
    login = login_of(start_portal(PRIVATE, 2), USER)
    start_exporter(login).refresh()
    written = lines()
    assert [line for line in written if f"path={USER_DATA}" in line]
    assert not [line for line in written if "?" in line or "HTTP/1.1" in line or "HTTP connection" in line]
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    start_exporter(login).refresh()
    assert [line for line in lines() if f"GET {USER_DATA}?userId=m.miller" in line]
