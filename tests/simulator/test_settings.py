"""The switches of the simulated portal: setting them from JSON, and invalid values."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from exporter.simulator.settings import Dst, Hourly, MonthlyBounds, Poll, Revision, Settings, SignIn, Span, Stray


def test_switches_can_be_set_from_their_own_output() -> None:
    span = Span("81001", 1, 2)
    expected = Settings(
        lag=0.5,
        pending=3,
        placeholders=True,
        dst=Dst.MERGED,
        monthly_bounds=MonthlyBounds.REAL,
        sign_in=SignIn.STATUS_403,
        poll=Poll.NO_USAGE,
        discovery=Poll.STATUS_503,
        accounts=Poll.NO_ENTRY,
        hourly=Hourly.DAILY,
        gaps=(span,),
        nulls=(span,),
        refused_locations=("70001",),
        revisions=(Revision("81001", 1, 2.0, 0.5),),
        strays=(Stray("81001", 7, 0.0),),
    )
    for before, after in ((Settings(), expected), (expected, Settings())):
        assert before.changed(json.loads(after.as_json())) == after


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
        ("gaps", {"meter": "81001", "start": 1, "end": 2}),
        ("revisions", [{"meter": "81001", "start": 1, "since": 2, "factor": 0.5, "more": 1}]),
        ("refused_locations", 70001),
    ],
)
def test_a_value_of_the_wrong_type_is_reported_with_its_switch(name: str, value: Any) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=f"^{name}: "):
        Settings().changed({name: value})
