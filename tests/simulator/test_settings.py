"""The switches of the simulated portal: setting them from JSON, and invalid values."""

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
def test_switches_can_be_set_from_their_own_output(expected: Settings) -> None:
    assert Settings(lag=9.0, pending=9).changed(json.loads(expected.as_json())) == expected


def test_other_switches_keep_their_values() -> None:
    before = Settings(lag=5.0, dst=Dst.LOST)
    after = before.changed({"pending": 2, "token_life": 3})
    assert after == replace(before, pending=2, token_life=3.0)
    assert isinstance(after.token_life, float)


def test_an_unknown_switch_is_reported_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown switch: lagg, nonsense; use one of ") as raised:
        Settings().changed({"lagg": 1, "nonsense": 2, "lag": 3})
    assert all(each.name in str(raised.value) for each in fields(Settings))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lag", "an hour"),
        ("lag", True),
        ("placeholders", 1),
        ("dst", "summer"),
        ("gaps", [{"meter": "81001"}]),
        ("gaps", SPAN),
        ("revisions", [REVISION | {"more": 1}]),
        ("refused_locations", 70001),
    ],
)
def test_a_value_of_the_wrong_type_is_reported_with_its_switch(name: str, value: Any) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=f"^{name}: "):
        Settings().changed({name: value})
