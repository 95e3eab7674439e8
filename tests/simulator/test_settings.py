"""The switches of the simulated portal: what they may be set to, from JSON, and what is refused."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from exporter.simulator.settings import Dst, MonthlyBounds, Poll, Revision, Settings, SignIn, Span, Stray

SPAN = {"meter": "81001", "start": 1, "end": 2}
REVISION = {"meter": "81001", "start": 1, "since": 2, "factor": 0.5}
STRAY = {"meter": "81001", "wall": 7, "value": 0.0}


@pytest.mark.parametrize(
    "expected",
    [
        Settings(),
        Settings(lag=0.5, pending=3, placeholders=True),
        Settings(dst=Dst.MERGED, monthly_bounds=MonthlyBounds.REAL),
        Settings(sign_in=SignIn.STATUS_403, poll=Poll.NO_USAGE, discovery=Poll.STATUS_503),
        Settings(gaps=(Span(**SPAN),), nulls=(Span(**SPAN),), refused_locations=("70001",)),  # type: ignore[arg-type]
        Settings(revisions=(Revision(**REVISION),), strays=(Stray(**STRAY),)),  # type: ignore[arg-type]
    ],
)
def test_what_is_shown_of_the_switches_sets_them_again(expected: Settings) -> None:
    assert Settings(lag=9.0, pending=9).changed(json.loads(expected.as_json())) == expected


def test_other_switches_stay_as_they_were() -> None:
    before = Settings(lag=5.0, dst=Dst.LOST)
    after = before.changed({"pending": 2, "token_life": 3})
    assert after == replace(before, pending=2, token_life=3.0)
    assert isinstance(after.token_life, float)


def test_an_unknown_switch_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="no such switch: lagg, nonsense; there are: ") as raised:
        Settings().changed({"lagg": 1, "nonsense": 2, "lag": 3})
    assert all(each.name in str(raised.value) for each in fields(Settings))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lag", "an hour"),
        ("lag", None),
        ("lag", True),
        ("placeholders", 1),
        ("dst", "summer"),
        ("sign_in", 402),
        ("gaps", [{"meter": "81001"}]),
        ("gaps", SPAN),
        ("revisions", [REVISION | {"more": 1}]),
        ("refused_locations", 70001),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_switch(name: str, value: Any) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=f"^{name}: "):
        Settings().changed({name: value})
