"""Both ways to read an answer give the same result, whatever its shape."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import ProtocolError, TooLargeError
from exporter.portal.parsing import Json, mapping
from exporter.portal.poll_json import WallPoints, read_poll
from exporter.portal.usage import decode
from exporter.portal.usage_answer import UsageAnswer
from exporter.simulator.answers import usage_answer
from exporter.simulator.points import Question
from exporter.simulator.settings import Dst
from exporter.simulator.specs import Channels

from ..fuzz.damage import damaged
from ..support.member import DAY, HOUR, Member, at, meter
from ..support.portal_answers import electric, examples, hostile, series, usage

KEYS = ("status", "data", "ELECTRIC", "type", "meters", "series", "xToOrderedInterval", "interval", "start", "end", "x")


def outcome(answer: Json) -> UsageAnswer | str:
    """Return what a poll's JSON is decoded to, or why it cannot be."""
    try:
        return decode(mapping(answer, "answer").get("data"))
    except ProtocolError as error:
        return str(error)


def assert_same(answer: Json) -> None:
    body = json.dumps(answer).encode()
    assert outcome(read_poll(body)) == outcome(json.loads(body))


def answer_of(channels: Channels, **switches: Any) -> Json:  # noqa: ANN401
    member = Member(meter(channels, step=HOUR, periods=True), **switches)
    (location,) = member.portal.world.locations
    start = at(2026, 10, 31)
    return usage_answer(Question(location, "HOURLY", start, start + 3 * DAY, {}), member.portal.almanac)


@pytest.mark.parametrize("dst", Dst)
@pytest.mark.parametrize("channels", Channels)
def test_whole_answers_are_read_alike(channels: Channels, dst: Dst) -> None:
    answer = answer_of(channels, dst=dst, shuffled=dst is Dst.DUPLICATE)
    assert_same(answer)
    (entry,) = (each for each in read_poll(json.dumps(answer).encode())["data"]["ELECTRIC"] if each["type"] == "USAGE")
    assert all(isinstance(each["data"], WallPoints) for each in entry["series"])


def test_damaged_answers_are_read_alike() -> None:
    answer = answer_of(Channels.THREE)
    for entry in answer["data"]["ELECTRIC"]:
        del entry["meterToChartData"]  # never read, and most of an answer
    for seed in range(400):
        assert_same(damaged(answer, Random(seed))[1])


@examples
@given(answer=hostile(*KEYS))
def test_any_json_is_read_alike(answer: Json) -> None:
    assert_same(answer)


@examples
@given(data=st.lists(hostile("x", "y"), max_size=3), ends=hostile("1700000000000", "interval", "start", "end", "x"))
def test_any_points_are_read_alike(data: list[Json], ends: Json) -> None:
    entry = usage([{"seriesId": "M1", "flowDirection": "FORWARD"}], [series("M1", []) | {"data": data}])
    assert_same({"status": "COMPLETE", "data": electric(entry | {"xToOrderedInterval": ends})})


def test_an_answer_with_too_many_points_is_refused() -> None:
    point = b'{"x":1},'
    with pytest.raises(TooLargeError):
        read_poll(b'{"data":{"ELECTRIC":[{"series":[{"data":[' + point * 2_000_001)


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        read_poll(body)
