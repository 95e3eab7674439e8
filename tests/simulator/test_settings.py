"""The switches of the simulated portal: what they may be set to, from JSON, and what is refused."""

import json
from dataclasses import asdict, fields, replace
from typing import Any

import pytest

from exporter.simulator.settings import Dst, MonthlyBounds, Poll, Revision, Settings, SignIn, Span, Stray

SPAN = {"meter": "81001", "start": 1, "end": 2}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Settings()),
        ({"lag": 3600}, Settings(lag=3600.0)),
        ({"lag": 0.5, "pending": 3}, Settings(lag=0.5, pending=3)),
        ({"placeholders": True}, Settings(placeholders=True)),
        ({"dst": "merged"}, Settings(dst=Dst.MERGED)),
        ({"monthly_bounds": "real"}, Settings(monthly_bounds=MonthlyBounds.REAL)),
        ({"sign_in": "second_factor"}, Settings(sign_in=SignIn.SECOND_FACTOR)),
        ({"sign_in": "403"}, Settings(sign_in=SignIn.STATUS_403)),
        ({"poll": "no_usage", "discovery": "503"}, Settings(poll=Poll.NO_USAGE, discovery=Poll.STATUS_503)),
        ({"gaps": [SPAN], "nulls": [SPAN]}, Settings(gaps=(Span("81001", 1, 2),), nulls=(Span("81001", 1, 2),))),
        (
            {"revisions": [{"meter": "81001", "start": 1, "since": 2, "factor": 0.5}]},
            Settings(revisions=(Revision("81001", 1, 2, 0.5),)),
        ),
        ({"strays": [{"meter": "81001", "wall": 7, "value": 0.0}]}, Settings(strays=(Stray("81001", 7, 0.0),))),
        ({"refused_locations": ["70001"]}, Settings(refused_locations=("70001",))),
    ],
)
def test_switches_change_as_told(changes: dict[str, Any], expected: Settings) -> None:
    assert Settings().changed(changes) == expected


def test_other_switches_stay_as_they_were() -> None:
    before = Settings(lag=5.0, dst=Dst.LOST)
    assert before.changed({"pending": 2}) == replace(before, pending=2)
    assert before == Settings(lag=5.0, dst=Dst.LOST)


def test_an_unknown_switch_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="no such switch: lagg, nonsense; there are: ") as raised:
        Settings().changed({"lagg": 1, "nonsense": 2, "lag": 3})
    assert all(each.name in str(raised.value) for each in fields(Settings))


@pytest.mark.parametrize(
    "changes",
    [
        {"lag": "an hour"},
        {"lag": None},
        {"lag": True},
        {"placeholders": 1},
        {"placeholders": "yes"},
        {"dst": "summer"},
        {"monthly_bounds": "both"},
        {"sign_in": 402},
        {"poll": "broken"},
        {"gaps": [{"meter": "81001"}]},
        {"gaps": {"meter": "81001", "start": 1, "end": 2}},
        {"revisions": [{"meter": "81001", "start": 1, "since": 2, "factor": 1, "more": 1}]},
        {"refused_locations": 70001},
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_the_name_of_its_switch(changes: dict[str, Any]) -> None:
    (name,) = changes
    with pytest.raises(ValueError, match=f"^{name}: "):
        Settings().changed(changes)


def test_all_switches_can_be_shown_and_set_again() -> None:
    settings = Settings(
        lag=5.0,
        gaps=(Span("81001", 1, 2),),
        revisions=(Revision("81001", 1, 2.0, 0.5),),
        strays=(Stray("81001", 7, 0.0),),
        dst=Dst.PHANTOM,
        monthly_bounds=MonthlyBounds.REAL,
        sign_in=SignIn.PAGE,
        refused_locations=("70001",),
    )
    shown = json.loads(settings.as_json())
    assert shown == json.loads(json.dumps(asdict(settings)))
    assert Settings().changed(shown) == settings
