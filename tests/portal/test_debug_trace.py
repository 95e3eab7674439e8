"""The trace at level debug: one line a call, what an answer looks like, and nothing of whom it is about."""

import json
import logging
import random
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from io import StringIO
from typing import Any, Never
from urllib.parse import quote, quote_plus

import pyotp
import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from requests_mock import ANY, Mocker

from exporter import logs
from exporter.errors import TransportError
from exporter.portal import debug_trace
from exporter.portal.client import ACCOUNTS, USER_DATA
from exporter.portal.http import PortalResponse, Transport
from exporter.portal.query import POLL
from exporter.portal.signin import METHOD, RENEW, SIGN_IN
from exporter.simulator.household import Household
from exporter.simulator.settings import Poll, SignIn, Span
from exporter.simulator.specs import Channels, LocationSpec, MeterSpec, UserSpec
from exporter.simulator.world import World

from ..support.clocks import ManualClock
from ..support.exporter import StartExporter
from ..support.portal import Record, StartPortal, login_of
from ..support.worlds import NOW

Json = Any
Lines = Callable[[], list[str]]

LONGEST = 4000
CALL = 'level=debug msg="portal call" '
POINT = {"x": 1767225600000, "y": 0.31, "enableDrilldown": False}


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Reads what the log got since the last time, at level debug and without its times."""
    root = logging.getLogger()
    levels = {logger: logger.level for logger in (root, logging.getLogger("exporter"), logging.getLogger("urllib3"))}
    logs.set_up("debug", "logfmt")
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    written = StringIO()
    handler.setStream(written)

    def read() -> list[str]:
        text = written.getvalue()
        written.seek(0)
        written.truncate()
        return [line.partition(" ")[2] for line in text.splitlines()]

    yield read
    root.removeHandler(handler)
    for logger, level in levels.items():
        logger.setLevel(level)


class Collected(logging.Handler):
    """Keeps the lines of the trace as both formats write them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += [logs._Logfmt().format(record), logs._Json().format(record)]


def traced(body: bytes, content_type: str = "application/json") -> list[str]:
    """The line of an answer, in logfmt and in JSON."""
    collected, level = Collected(), debug_trace.log.level
    debug_trace.log.addHandler(collected)
    debug_trace.log.setLevel(logging.DEBUG)
    try:
        debug_trace.trace_response("poll", "POST", POLL, 0.0714, PortalResponse(200, body, content_type=content_type))
    finally:
        debug_trace.log.removeHandler(collected)
        debug_trace.log.setLevel(level)
    assert len(collected.lines) == 2
    return collected.lines


def encoded(value: Json) -> bytes:
    return json.dumps(value).encode()


# -- the line


def test_a_call_is_one_line_with_all_that_is_known_of_it(lines: Lines) -> None:
    body = encoded({"status": "PENDING"})

    debug_trace.trace_response(
        "poll", "POST", POLL, 0.07149, PortalResponse(200, body, content_type="application/json;charset=UTF-8")
    )

    (line,) = lines()
    assert line == (
        f"{CALL}endpoint=poll method=POST path=/services/secured/utility-usage/poll status=200 seconds=0.071 bytes=21"
        " content_type=application/json shape={status:PENDING}"
    )


def test_a_call_that_failed_is_one_line_with_the_kind_of_the_error_alone(
    lines: Lines, clock: ManualClock, requests_mock: Mocker
) -> None:
    words = "Max retries exceeded with url: /services/secured/user-data?userId=member%40example.org"
    requests_mock.get(ANY, exc=requests.ConnectTimeout(words))

    with pytest.raises(TransportError):
        Transport("https://coop.example", clock, lambda *_: None).call(
            "user_data", "GET", USER_DATA, params={"userId": "member@example.org"}
        )

    assert lines() == [
        f"{CALL}endpoint=user_data method=GET path=/services/secured/user-data seconds=0.0 error=ConnectTimeout"
    ]


@pytest.mark.parametrize(("status", "kind"), [(302, "redirects"), (429, "busy"), (503, "busy")])
def test_an_answer_that_is_an_error_for_the_caller_is_traced_too(
    lines: Lines, clock: ManualClock, requests_mock: Mocker, status: int, kind: str
) -> None:
    requests_mock.post(ANY, status_code=status, content=b"<html>", headers={"Content-Type": "text/html"})

    with pytest.raises(TransportError, match=kind):
        Transport("https://coop.example", clock, lambda *_: None).call("auth", "POST", SIGN_IN)

    (line,) = lines()
    assert line == (
        f"{CALL}endpoint=auth method=POST path=/services/oauth/auth/v2 status={status} seconds=0.0 bytes=6"
        " content_type=text/html shape=page"
    )


@pytest.mark.parametrize("path", [SIGN_IN, RENEW, METHOD, USER_DATA, ACCOUNTS, POLL])
def test_every_path_of_ours_is_shown(lines: Lines, path: str) -> None:
    debug_trace.trace_response("x", "GET", path, 0.0, PortalResponse(200, b"{}"))
    assert f" path={path} " in lines()[0]


@pytest.mark.parametrize(
    "path",
    [
        f"{USER_DATA}?userId=member@example.org",
        f"{USER_DATA}#member",
        "/services/secured/service-locations/70001",
        "/services/secured/user/member@example.org",
        "/services/secured/user/member%40example.org",
        f"{USER_DATA}\nmember",
        f"{USER_DATA}\n",
        "",
    ],
)
def test_a_path_with_a_value_in_it_is_not_shown(lines: Lines, path: str) -> None:
    debug_trace.trace_response("x", "GET", path, 0.0, PortalResponse(200, b"{}"))
    debug_trace.trace_failure("x", "GET", path, 0.0, OSError(path))
    assert [re.findall(r" path=(\S+) ", line) for line in lines()] == [["other"], ["other"]]


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("application/json", "application/json"),
        ("Application/JSON ; charset=utf-8", "application/json"),
        ("text/html;charset=ISO-8859-1", "text/html"),
        ("text/plain", "text/plain"),
        ("", "none"),
        (";charset=utf-8", "none"),
        ("member@example.org", "other"),
        ("application/json member@example.org", "other"),
        ("application/json, text/member", "other"),
        ('multipart/form-data; boundary="12 Secret Lane"', "other"),
    ],
)
def test_of_a_content_type_only_a_known_media_type_is_shown(lines: Lines, header: str, shown: str) -> None:
    debug_trace.trace_response("x", "GET", POLL, 0.0, PortalResponse(200, b"{}", content_type=header))
    assert f" content_type={shown} shape=" in lines()[0]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b"<!DOCTYPE html><p>Dear member@example.org", "page", id="a page"),
        pytest.param(b"\xef\xbb\xbf \r\n<html>", "page", id="a page after a byte order mark"),
        pytest.param(b"Your data could not be verified.", "other", id="words"),
        pytest.param(b'{"status":"COMPLETE"', "other", id="cut off"),
        pytest.param(b"\xff\xfe\x00", "other", id="bytes"),
        pytest.param(b"[" * 200_000, "other", id="deep and cut off"),
        pytest.param(b"[" * 200_000 + b"]" * 200_000, "other", id="deep"),
        pytest.param(b"9" * 5000, "other", id="a number with too many digits"),
        pytest.param(b"\xef\xbb\xbf{}", "{}", id="JSON after a byte order mark"),
        pytest.param('{"status":"FAILED"}'.encode("utf-16"), "{status:FAILED}", id="JSON in UTF-16"),
    ],
)
def test_what_is_no_json_is_only_told_by_its_size(lines: Lines, body: bytes, shown: str) -> None:
    debug_trace.trace_response("x", "GET", POLL, 0.0, PortalResponse(200, body))
    assert lines()[0].endswith(f" bytes={len(body)} content_type=none shape={shown}")


def test_an_answer_without_measure_is_not_looked_at(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debug_trace, "_LARGEST_BODY", 10)
    debug_trace.trace_response("x", "GET", POLL, 0.0, PortalResponse(200, b'"87654321"'))
    debug_trace.trace_response("x", "GET", POLL, 0.0, PortalResponse(200, b'"987654321"'))
    assert [line.partition(" shape=")[2] for line in lines()] == ["text", '"too large to look at"']


@pytest.mark.parametrize("level", ["info", "warn", "error"])
def test_nothing_is_computed_at_another_level(lines: Lines, level: str) -> None:
    class Untouchable:
        def __getattribute__(self, name: str) -> Never:
            raise AssertionError(name)

    logs.set_up(level, "logfmt")
    debug_trace.trace_response("x", "GET", POLL, 0.0, Untouchable())
    debug_trace.trace_failure("x", "GET", POLL, 0.0, OSError())
    assert lines() == []


# -- the shape


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(None, "null", id="null"),
        pytest.param("TOTP", "text", id="text"),
        pytest.param("", "empty text", id="empty text"),
        pytest.param(7, "number", id="number"),
        pytest.param(0.5, "number", id="fraction"),
        pytest.param(float("nan"), "no finite number", id="no number"),
        pytest.param(float("inf"), "no finite number", id="infinity"),
        pytest.param(10**4000, "number", id="huge number"),
        pytest.param(True, "true/false", id="yes"),
        pytest.param({}, "{}", id="empty object"),
        pytest.param([], "[0]", id="empty list"),
        pytest.param(["a", "b"], "[2 of text]", id="list"),
        pytest.param(["a", None, "b"], "[3 of 2 text|1 null]", id="mixed list"),
        pytest.param([[], []], "[2 of [0 each]]", id="empty lists"),
        pytest.param([[1], [2]], "[2 of [1 each of number]]", id="lists of one length"),
        pytest.param([[], [1], [1, None]], "[3 of [0 to 2 each of 2 number|1 null]]", id="lists of several lengths"),
        pytest.param({"\ud800": "\udfff"}, "{<key>*1:text}", id="half a character"),
        pytest.param({"70001": 1, "70002": 2, "x": 3}, "{x:number,<key>*2:number}", id="keys that are not shown"),
        pytest.param(
            {"70001": [1], "70002": None}, "{<key>*2:1 [1 of number]|1 null}", id="different values of such keys"
        ),
        pytest.param(
            [{"x": 1, "y": 1.5}, {"x": 2, "y": None}, {"x": 3}, {}],
            "[4 of {x:3 number|1 missing,y:1 number|1 null|2 missing}]",
            id="fields that are missing",
        ),
        pytest.param([{"y": {}}, {"y": {"x": 1}}, {}], "[3 of {y:2 {x:1 number|1 missing}|1 missing}]", id="nested"),
        pytest.param((1, 2), "other", id="no JSON"),
        pytest.param({1: object()}, "{<key>*1:other}", id="no JSON inside"),
    ],
)
def test_the_shape_of_a_value(value: Json, shown: str) -> None:
    assert debug_trace.shape(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"status": "INVALID_TOKEN"}, "{status:INVALID_TOKEN}"),
        ({"status": "complete"}, "{status:text}"),
        ({"status": 500}, "{status:number}"),
        ({"status": "USAGE"}, "{status:text}"),
        ({"name": "USAGE"}, "{name:text}"),
        ({"type": ["column", "line", "area"]}, "{type:[3 of 1 column|1 line|1 text]}"),
        ({"timeFrame": "MONTHLY"}, "{timeFrame:MONTHLY}"),
        ({"flowDirection": "SIDEWAYS"}, "{flowDirection:text}"),
        ({"unitOfMeasure": "KGAL"}, "{unitOfMeasure:KGAL}"),
        ({"industry": "GAS", "industries": ["GAS", "x"]}, "{industry:GAS,industries:[2 of 1 GAS|1 text]}"),
        (
            {"serviceLocationToIndustries": {"70001": ["ELECTRIC", "WATER"], "70002": ["Ms Miller"]}},
            "{serviceLocationToIndustries:{<key>*2:[1 to 2 each of 1 ELECTRIC|1 WATER|1 text]}}",
        ),
        (
            {"hasHourly": True, "hasDaily": "true", "inactive": True},
            "{hasHourly:true,hasDaily:text,inactive:true/false}",
        ),
        ([{"isNet": True}, {"isNet": False}], "[2 of {isNet:1 true|1 false}]"),
        ({"expiresIn": 299, "expiration": 1768410000}, "{expiresIn:299,expiration:number}"),
        ({"expiresIn": 70001}, "{expiresIn:number}"),
        ({"expiresIn": True}, "{expiresIn:true/false}"),
        ({"expiresIn": 299.0}, "{expiresIn:number}"),
        ({"expiresIn": "299"}, "{expiresIn:text}"),
        ({"expiresIn": [299], "status": {"a": "SUCCESS"}}, "{expiresIn:[1 of number],status:{<key>*1:SUCCESS}}"),
    ],
)
def test_only_known_words_are_shown_and_only_where_they_belong(value: Json, shown: str) -> None:
    assert debug_trace.shape(value) == shown


def test_what_is_shown_needs_no_quotes_and_names_nobody() -> None:
    words = {word for words in debug_trace._WORDS.values() for word in words} | debug_trace._FLAGS | debug_trace._FIELDS
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", word) for word in words)


def test_entries_of_different_type_are_kept_apart() -> None:
    series = [{"name": "81001", "data": [POINT, POINT | {"y": None}]}]
    answer = {
        "status": "COMPLETE",
        "data": {
            "ELECTRIC": [
                {"type": "COST", "unitOfMeasure": "USD", "series": []},
                {"type": "USAGE", "unitOfMeasure": "KWH", "hasHourly": True, "series": series},
            ]
        },
    }
    assert debug_trace.shape(answer) == (
        "{status:COMPLETE,data:{ELECTRIC:[2 of 1 {type:COST,unitOfMeasure:USD,series:[0]}"
        "|1 {type:USAGE,unitOfMeasure:KWH,hasHourly:true,series:[1 of {name:text,"
        "data:[2 of {x:number,y:1 number|1 null,enableDrilldown:true/false}]}]}]}}"
    )


def test_entries_of_unknown_types_are_merged() -> None:
    assert debug_trace.shape([{"type": "Ms Miller"}, {"type": "Mr Miller"}]) == "[2 of {type:text}]"


def test_the_answers_of_a_refresh(lines: Lines, start_portal: StartPortal, start_exporter: StartExporter) -> None:
    meter = MeterSpec("81001", Household(1), Channels.THREE, step=3600)
    world = World(locations=(LocationSpec("55001", "70001", (meter,), nickname="House"),))
    nulls = (Span("81001", NOW - 4 * 3600, NOW - 3600),)
    portal = start_portal(world, 2, latency=0.25, pending=1, nulls=nulls)

    start_exporter(login_of(portal)).refresh()

    calls = [line.removeprefix(CALL) for line in lines() if line.startswith(CALL)]
    assert calls[0] == (
        "endpoint=auth method=POST path=/services/oauth/auth/v2 status=200 seconds=0.25 bytes=257"
        " content_type=application/json shape={status:SUCCESS,authorizationToken:text,username:text,"
        "primaryUsername:text,isSecondaryRegistration:true/false,isBusinessUser:true/false,expiration:number,"
        "expiresIn:299}"
    )
    summary = (
        "id:{srvLocNbr:text,serviceLocation:text},location:text,address:{addr1:text,city:text,state:text,zip:text},"
        "serviceStatus:text,activeRateSchedules:[1 of text],description:text,lastBillPrevReadDtTm:number,"
        "lastBillPresReadDtTm:number"
    )
    assert re.sub(r"bytes=\d+", "bytes=N", calls[1]) == (
        "endpoint=user_data method=GET path=/services/secured/user-data status=200 seconds=0.25 bytes=N"
        ' content_type=application/json shape="[1 of {account:text,customer:text,customerName:text,'
        "additionalCustomerName:text,address:text,email:text,inactive:true/false,primaryServiceLocationId:text,"
        f"services:[1 of text],serviceLocationIdToServiceLocationSummary:{{<key>*1:{{{summary},"
        "meterNumbersToExternalMeterBaseIds:{<key>*1:text}}},serviceLocationToUserDataServiceLocationSummaries:"
        f"{{<key>*1:[1 of {{services:[1 of text],{summary}}}]}},"
        "serviceLocationToIndustries:{<key>*1:[1 of ELECTRIC]},serviceLocationToProviders:{<key>*1:[1 of text]},"
        "serviceToProviders:{<key>*1:[1 of text]},"
        "providerToDescription:{<key>*1:text},providerToProviderDescription:{<key>*1:text},"
        "providerOrServiceDescription:text,consumerClassCode:empty text,invoiceGroupNumber:empty text,"
        "agreementStatus:number,isAutoPay:true/false,isDisconnected:true/false,isPendingDisconnect:true/false,"
        "isUnCollectible:true/false,isMultiService:true/false,disconnectNonPay:true/false,"
        'serviceToServiceDescription:{<key>*1:text}}]"'
    )
    assert calls[2] == (
        "endpoint=poll method=POST path=/services/secured/utility-usage/poll status=200 seconds=0.25 bytes=21"
        " content_type=application/json shape={status:PENDING}"
    )
    point = "x:number,enableDrilldown:true/false,y:"
    assert re.sub(r"bytes=\d+", "bytes=N", calls[3]) == (
        "endpoint=poll method=POST path=/services/secured/utility-usage/poll status=200 seconds=0.25 bytes=N"
        ' content_type=application/json shape="{status:COMPLETE,data:{ELECTRIC:[2 of 1 {type:COST,industry:ELECTRIC,'
        "unitOfMeasure:USD,meters:[0],series:[3 of {name:text,meterNumber:text,channel:number,isNet:2 false|1 true,"
        "type:column,data:[57 each of {x:number,y:number}]}]}|1 {type:USAGE,industry:ELECTRIC,timeFrame:HOURLY,"
        "unitOfMeasure:KWH,serviceLocationNumber:text,accountNumber:text,startDateTime:number,endDateTime:number,"
        "baseUsageParameters:{timeFrame:HOURLY,userId:text,screen:text,includeDemand:true/false,"
        "serviceLocationNumber:text,accountNumber:text,industries:[1 of ELECTRIC],startDateTime:number,"
        "endDateTime:number},connectDate:text,meters:[3 of {serviceLocationNumber:text,accountNumber:text,"
        "industry:ELECTRIC,meterNumber:text,meterName:text,meterLocation:text,channel:number,unitOfMeasure:KWH,"
        "isParentMeter:false,parentMeters:[0 each],isNetMeter:true,visible:true/false,seriesId:text,"
        "flowDirection:1 FORWARD|1 REVERSE|1 NET,minReadDate:number,maxReadDate:number}],"
        "series:[3 of {name:text,meterNumber:text,channel:number,"
        f"isNet:2 false|1 true,type:column,data:[60 each of {{{point}171 number|3 null|6 missing}}]}}],"
        "estimatedSeries:{},editedSeries:{},xToOrderedInterval:{<key>*60:{createTickDrillDownLink:true/false,"
        "interval:{start:number,end:number}}},baseSeries:{name:text,lineWidth:number,"
        f"data:[60 of {{{point}57 number|1 null|2 missing}}]}},"
        f"meterToChartData:{{<key>*1:[120 of {{{point}114 number|2 null|4 missing}}]}},hasHourly:true,"
        'hasDaily:true}]}}"'
    )


# -- bounds


def _tree(depth: int, width: int, chance: random.Random) -> Json:
    names = chance.sample(sorted(debug_trace._FIELDS), width)
    return {name: _tree(depth - 1, width, chance) for name in names} if depth else 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" + b"1," * 2_000_000 + b"1]", id="a list without end"),
        pytest.param(b"[" + b"[]," * 700_000 + b"[]]", id="lists"),
        pytest.param(b"[" + b'{"x":1},' * 300_000 + b"{}]", id="objects"),
        pytest.param(encoded({str(number): number for number in range(200_000)}), id="keys"),
        pytest.param(
            encoded({one: {other: [{}] for other in debug_trace._FIELDS} for one in debug_trace._FIELDS}),
            id="all that we know",
        ),
        pytest.param(encoded(_tree(7, 5, random.Random(1))), id="a tree"),
        pytest.param(b"[" * 900 + b"]" * 900, id="deep"),
        pytest.param(b'{"data":' * 900 + b"1" + b"}" * 900, id="deep in objects"),
        pytest.param(encoded(["a" * 8_000_000]), id="a long text"),
        pytest.param(encoded({"status": "COMPLETE" * 1_000_000}), id="a long status"),
        pytest.param(encoded({"a" * 8_000_000: 1}), id="a long key"),
    ],
)
def test_a_hostile_answer_costs_little_and_its_line_is_short(body: bytes) -> None:
    started = time.process_time()
    written = traced(body)
    assert time.process_time() - started < 5
    assert all(len(line) < LONGEST for line in written)


def test_a_shape_that_is_too_long_ends_in_dots() -> None:
    written = debug_trace.shape({name: {"interval": {"start": 1, "end": 2}} for name in debug_trace._FIELDS})
    assert len(written) == debug_trace._LONGEST_SHAPE + len("...")
    assert written.endswith("...")


def test_what_lies_too_deep_is_dots() -> None:
    value: Json = 1
    for _ in range(100):
        value = {"data": [value]}
    assert debug_trace.shape(value) == "{data:[1 of " * 6 + "{...}" + "]}" * 6


def test_what_would_be_too_much_to_look_at_is_dots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debug_trace, "_MOST_VALUES", 10)
    assert debug_trace.shape([1] * 10) == "[10 of number]"
    assert debug_trace.shape([1] * 11) == "[11 of number...]"
    assert debug_trace.shape([{"x": 1}] * 5) == "[5 of {x:number}]"
    assert debug_trace.shape([{"x": 1}] * 6) == "[6 of {x:number...}]"
    assert debug_trace.shape([{"x": 1}] * 11) == "[11 of {...}...]"
    assert debug_trace.shape({str(number): [] for number in range(11)}) == "{<key>*10:[0 each...]...}"


# -- what never appears

SECRETS = {
    "password": 'correct horse & "battery"+staple',
    "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZW1iZXIifQ.c2lnbmF0dXJl",
    "e-mail": "member@example.org",
    "name": "MILLER, JOSÉ",
    "street": "12 Secret Lane",
    "account": "5500177331",
    "location": "7000188442",
    "meter": "8100199553",
    "a meter in Java": "Meter{serviceLocationNumber='7000188442', flowDirection=FORWARD, rate='null'}",
    "words between ours": "COMPLETE member@example.org",
    "line breaks": 'SUCCESS"\nlevel=error msg="member"',
}
PLACES: dict[str, Callable[[str], Json]] = {
    "alone": lambda secret: secret,
    "an element": lambda secret: [1, [secret, None]],
    "a key": lambda secret: {secret: {secret: [secret]}},
    "a key among ours": lambda secret: {"status": "COMPLETE", secret: 1, "data": {"ELECTRIC": [{secret: "USAGE"}]}},
    "an unknown field": lambda secret: {"greeting": {"to": secret}},
    "every field": lambda secret: dict.fromkeys(debug_trace._FIELDS, secret),
    "a list in every field": lambda secret: {
        name: [secret, [secret], {secret: secret}] for name in debug_trace._FIELDS
    },
    "an object in every field": lambda secret: {name: {name: secret, secret: secret} for name in debug_trace._FIELDS},
    "the type of an entry": lambda secret: [{"type": secret}, {"type": "USAGE", "name": secret}, {"type": [secret]}],
    "industries": lambda secret: {"serviceLocationToIndustries": {secret: [secret, {secret: secret}]}},
    "points": lambda secret: {"meterToChartData": {secret: [{"x": secret, "y": secret}] * 50}},
    "deep": lambda secret: {"data": [[[[[[[[[[[[[[secret]]]]]]]]]]]]]]},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_appears_from_no_place(secret: str, place: str) -> None:
    value = SECRETS[secret]
    _assert_absent(value, traced(encoded(PLACES[place](value))))
    _assert_absent(value, traced(encoded(PLACES[place](value.upper()))))
    if value.isdecimal():
        _assert_absent(value, traced(encoded(_with_numbers(PLACES[place](value)))))


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_does_not_appear_from_where_no_json_is(secret: str) -> None:
    value = SECRETS[secret]
    for body in (value, f"<p>{value}", f'"{value}', f"{{{value}", f"status={value}"):
        _assert_absent(value, traced(body.encode()))
    for header in (value, f"application/json;charset={value}", f"{value};application/json", f"text/{value}"):
        _assert_absent(value, traced(b"{}", header))


def _with_numbers(value: Json) -> Json:
    """The same with numbers instead of texts of digits."""
    if isinstance(value, dict):
        return {key: _with_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_numbers(item) for item in value]
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _assert_absent(secret: str, written: list[str]) -> None:
    forms = {secret, json.dumps(secret)[1:-1], quote(secret), quote_plus(secret), *re.findall(r"[\w@.]{6,}", secret)}
    forms -= debug_trace._FIELDS | {"COMPLETE", "SUCCESS", "FORWARD"}
    for line in written:
        assert "\n" not in line
        assert len(line) < LONGEST
        assert not [form for form in forms if form.casefold() in line.casefold()]


MARKERS = st.from_regex(r"[QX]{2}[0-9]{8}", fullmatch=True)
NAMES = st.sampled_from(sorted(debug_trace._FIELDS))
WORDS = st.sampled_from(sorted({word for words in debug_trace._WORDS.values() for word in words}))
LEAVES = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats() | st.text(max_size=5) | WORDS


def _json_with(marker: str) -> st.SearchStrategy[Json]:
    """JSON in which the marker may be anything and be part of anything."""
    parts = st.sampled_from([marker, f"COMPLETE{marker}", f"{marker} USAGE", f"\ud800{marker}", f'"{marker}\n='])
    keys = NAMES | parts | st.text(max_size=3)
    values = LEAVES | parts | st.just(int(marker[2:]) + 10**8)
    return st.recursive(
        values,
        lambda inner: st.lists(inner, max_size=6) | st.dictionaries(keys, inner, max_size=6),
        max_leaves=40,
    )


@given(st.data(), MARKERS, st.text(max_size=30))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_marker_anywhere_in_an_answer_never_appears(data: st.DataObject, marker: str, around: str) -> None:
    value = data.draw(_json_with(marker))
    header = data.draw(st.sampled_from(["application/json", f"{around}{marker}", f"application/json;{marker}"]))
    for line in traced(encoded(value), header):
        assert marker not in line
        assert marker[2:] not in line
        assert len(line) < LONGEST
        assert line.isprintable()


@given(st.binary(max_size=200), MARKERS)
@example(b"\xff", "QX12345678")
def test_a_marker_among_any_bytes_never_appears(noise: bytes, marker: str) -> None:
    for body in (noise + marker.encode(), b'{"' + noise + marker.encode() + b'":1}', b"<" + noise + marker.encode()):
        for line in traced(body, noise.decode("latin-1") + marker):
            assert marker not in line
            assert len(line) < LONGEST


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
PERSONAL = [
    "miller",
    "private.example",
    "Very",
    "pass word",
    USER.totp_secret,
    "81001",
    "81002",
    "55001",
    "55002",
    "70001",
    "70002",
    "Grandma",
    "Hidden",
    "Springfield",
    "MEMBER OF",
    "member@",
]
SWITCHES: dict[str, dict[str, object]] = {
    "as it should be": {},
    "pending": {"pending": 2},
    "ids as numbers": {"numeric_ids": True},
    "only the plain list": {"discovery": Poll.STATUS_403},
    "a refused location": {"refused_locations": ("7000188442",)},
    **{f"poll {how}": {"poll": how} for how in Poll if how not in (Poll.OK, Poll.PENDING)},
    **{f"sign-in {how}": {"sign_in": how} for how in SignIn if how is not SignIn.OK},
}


@pytest.mark.parametrize("name", SWITCHES)
def test_a_refresh_leaves_nothing_personal_in_the_trace(
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
    called = [line for line in written if line.startswith(CALL)]
    tokens = {call.headers.get("authorization", "").removeprefix("Bearer ") for call in calls} - {""}
    assert len(called) == len(calls) > 0
    assert any(call.form.get("twoFactorCode") == code for call in calls)
    assert bool(tokens) is not name.startswith("sign-in")
    for line in called:
        assert len(line) < LONGEST
        assert not [each for each in [*PERSONAL, *tokens, code] if each.casefold() in line.casefold()]
    secrets = [USER.password, quote(USER.password), quote_plus(USER.password), USER.totp_secret, *tokens]
    assert not [line for line in written for secret in secrets if secret in line]


def test_libraries_do_not_print_addresses_at_level_debug(
    lines: Lines, start_portal: StartPortal, start_exporter: StartExporter
) -> None:
    start_exporter(login_of(start_portal(PRIVATE, 2), USER)).refresh()
    written = lines()
    assert [line for line in written if f"path={USER_DATA}" in line]
    assert not [line for line in written if "userId" in line and not line.startswith(CALL)]
    assert not [line for line in written if "?" in line or "HTTP/1.1" in line or "HTTP connection" in line]
    assert not [line for line in written if "miller" in line.casefold()]


def test_libraries_would_print_addresses_if_they_were_let(
    lines: Lines, start_portal: StartPortal, start_exporter: StartExporter
) -> None:
    """The test above finds what it looks for."""
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    start_exporter(login_of(start_portal(PRIVATE, 2), USER)).refresh()
    assert [line for line in lines() if f"GET {USER_DATA}?userId=m.miller" in line]
