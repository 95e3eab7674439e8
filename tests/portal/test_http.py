"""Tests of one call to a portal: counts, logs, and messages for each failure."""

import logging
from collections.abc import Iterator
from contextlib import closing

import pytest
import requests
import requests_mock

from exporter.errors import ProtocolError, TooLargeError, TransportError
from exporter.httpcall import Authorization, ClientResponse
from exporter.portal.http import Transport, read_json

from ..support.clocks import ManualClock

HOST = "novec.smarthub.coop"
URL = f"https://{HOST}"

Seen = list[tuple[str, str, float]]


@pytest.fixture
def seen() -> Seen:
    return []


@pytest.fixture
def transport(clock: ManualClock, seen: Seen) -> Iterator[Transport]:
    with closing(Transport(URL, clock, lambda *call: seen.append(call))) as made:
        yield made


def message_of(transport: Transport) -> str:
    with pytest.raises(TransportError) as caught:
        transport.call("x", "GET", "/x")
    return str(caught.value)


@pytest.mark.parametrize("status", [200, 401, 403, 404, 500])
def test_statuses_left_to_the_caller_are_no_errors(
    transport: Transport, requests_mock: requests_mock.Mocker, seen: Seen, status: int
) -> None:
    requests_mock.get(f"{URL}/x", status_code=status, content=b"body")
    assert transport.call("x", "GET", "/x").status == status
    assert seen == [("x", str(status), 0.0)]


def test_redirect_is_not_followed(transport: Transport, requests_mock: requests_mock.Mocker, seen: Seen) -> None:
    requests_mock.get(f"{URL}/x", status_code=307, headers={"Location": "https://elsewhere.example/"})
    assert message_of(transport) == f"{HOST} redirects to another address (status 307); check api_url"
    assert seen == [("x", "307", 0.0)]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_busy_portal_says_how_long_to_wait(
    transport: Transport, requests_mock: requests_mock.Mocker, status: int
) -> None:
    requests_mock.get(f"{URL}/x", status_code=status, headers={"Retry-After": "7"}, content=b"<html>")
    with pytest.raises(TransportError) as caught:
        transport.call("x", "GET", "/x")
    assert str(caught.value) == f"{HOST} is busy or down (x: status {status}); try again later"
    assert caught.value.retry_after == 7.0
    assert caught.value.is_answer == (status >= 500)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (requests.ReadTimeout, f"{HOST} did not answer in time; try again later"),
        (requests.ConnectionError, f"cannot reach {HOST}, or the connection was lost; check api_url and the network"),
        (
            requests.exceptions.SSLError,
            f"TLS handshake with {HOST} failed; check api_url, and whether it should be https or http",
        ),
        (
            requests.TooManyRedirects,
            f"{HOST} sent a response that cannot be read; try again later",
        ),
    ],
)
def test_failure_is_one_line_with_advice(
    transport: Transport, requests_mock: requests_mock.Mocker, seen: Seen, error: type[Exception], message: str
) -> None:
    requests_mock.get(f"{URL}/x", exc=error("userId=member@example.org\nsecond line"))
    assert message_of(transport) == message
    assert seen == [("x", "error", 0.0)]


def test_response_that_is_too_large(transport: Transport, requests_mock: requests_mock.Mocker, seen: Seen) -> None:
    requests_mock.get(f"{URL}/x", content=b" " * (64 * 1024 * 1024 + 1))
    with pytest.raises(TooLargeError) as caught:
        transport.call("x", "GET", "/x")
    assert str(caught.value) == f"{HOST} sent a response of more than 64 MiB"
    assert seen == [("x", "error", 0.0)]


def test_observer_gets_endpoint_status_and_seconds(
    transport: Transport, requests_mock: requests_mock.Mocker, clock: ManualClock, seen: Seen
) -> None:
    def answer(*_: object) -> str:
        clock.advance(1.5)
        return "{}"

    requests_mock.get(f"{URL}/x", text=answer)
    transport.call("user_data", "GET", "/x", params={"userId": "member@example.org"})
    assert seen == [("user_data", "200", 1.5)]


def test_log_of_a_call_contains_nothing_personal(
    transport: Transport, requests_mock: requests_mock.Mocker, caplog: pytest.LogCaptureFixture
) -> None:
    requests_mock.post(f"{URL}/x", text="{}")
    caplog.set_level(logging.DEBUG, logger="exporter")
    transport.call(
        "x",
        "POST",
        "/x",
        auth=Authorization.bearer("the-token"),
        params={"userId": "member@example.org"},
        data={"password": "the-password"},
    )
    (record,) = caplog.records
    told = str(record.__dict__)
    assert not [word for word in ("the-token", "member", "the-password") if word in told]


# -- JSON


@pytest.mark.parametrize("body", [b"<!DOCTYPE html><html>offline</html>", b"<?xml version='1.0'?><html/>"])
def test_web_page_instead_of_data_is_a_transport_error(body: bytes) -> None:
    with pytest.raises(TransportError) as caught:
        read_json(ClientResponse(200, {}, body), "the list")
    assert str(caught.value) == (
        "the list: the portal sent a web page instead of data (status 200); it may be down for maintenance, or api_url"
        " is not a SmartHub portal"
    )
    assert caught.value.is_answer


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe\x00", b"[" * 200_000, b"1" * 10_000],
    ids=["empty", "bytes", "deep", "huge number"],
)
def test_other_bodies_are_protocol_errors(body: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        read_json(ClientResponse(200, {}, body), "the list")
    assert str(caught.value) == f"the list: the portal's response is not JSON ({len(body)} bytes)"


def test_json_is_read_with_any_media_type() -> None:
    body = '{"name": "é"}'.encode()
    assert read_json(ClientResponse(200, {"Content-Type": "text/plain"}, body), "it") == {"name": "é"}
