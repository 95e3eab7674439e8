"""The families without timestamps: current state, and the exporter's own counters."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from exporter import __version__
from exporter.errors import Reason
from exporter.intervals.interval import Interval
from exporter.intervals.model import Location, LocationKey, Meter, MeterInfo, Snapshot
from exporter.metrics.collector import CurrentState
from exporter.metrics.scope import Scope
from exporter.portal.timezone import ZoneState, ZoneVerdict
from exporter.refresh.status import LocationStatus, LoginStatus
from exporter.storage.snapshots import SnapshotStore
from exporter.storage.state import StateFile

from ..support.exposition import Exposition, GivenStatuses, store_of
from ..support.snapshots import KEY, SOLAR, T, quarters, snapshot_of

OTHER = LocationKey("127.0.0.1:10059", "55002", "70003")
LOCATION = {"portal": "novec", "account": "55001", "location": "70001"}
LABELS = {**LOCATION, "meter": "81001"}
EVERYTHING = Scope((), lambda _: None)
Values = dict[str, float | None]


def state(
    snapshot: Snapshot | None = None,
    statuses: Mapping[str, LoginStatus] | None = None,
    backfill_needed: Mapping[LocationKey, int] | None = None,
) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Return the samples of each family by name."""
    collector = CurrentState(store_of(snapshot, backfill_needed), GivenStatuses(statuses or {}))
    return {
        metric.name: [(sample.labels, sample.value) for sample in metric.samples]
        for metric in collector.collect(EVERYTHING)
    }


def latest(*intervals: Interval) -> Values:
    """Return the values of the newest interval, by the end of the family's name."""
    found = state(snapshot_of(Meter.of(MeterInfo("81001"), intervals)))
    prefix = "smarthub_latest_"
    values: Values = {}
    for name, samples in found.items():
        if name.startswith(prefix):
            assert [labels for labels, _ in samples] in ([], [LABELS])
            values[name.removeprefix(prefix)] = samples[0][1] if samples else None
    return values


# -- the newest interval


def test_the_latest_values_come_from_the_newest_interval() -> None:
    assert latest(
        Interval(T - 900, T, 0.5, 1, 0.1, 1, 0.06, 1),
        Interval(T, T + 900, 0.25, 1, 0.02, 1, 0.04, 1),
    ) == {
        "usage_kwh": 0.25,
        "usage_watts": 1000.0,
        "export_kwh": 0.02,
        "cost_usd": 0.04,
        "interval_end_timestamp_seconds": T + 900,
    }


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        pytest.param(
            Interval(T, T + 900, None, 0, 0.3, 1),
            {"usage_kwh": None, "usage_watts": None, "export_kwh": 0.3, "cost_usd": None},
            id="only export",
        ),
        pytest.param(
            Interval(T, T + 900, 0.0, 1),
            {"usage_kwh": 0.0, "usage_watts": 0.0, "export_kwh": None, "cost_usd": None},
            id="only usage, which is zero",
        ),
    ],
)
def test_all_latest_families_describe_the_same_interval(newest: Interval, expected: Values) -> None:
    before = Interval(T - 900, T, 0.5, 1, 0.1, 1, 0.06, 1)
    assert latest(before, newest) == {**expected, "interval_end_timestamp_seconds": T + 900}


def test_a_meter_without_data_only_has_an_info_metric() -> None:
    found = state(snapshot_of(Meter.of(MeterInfo("81001"))))
    about_it = [name for name, samples in found.items() if samples and samples[0][0]]
    assert about_it == ["smarthub_location_info", "smarthub_meter_info"]


def test_a_meter_reports_its_resolution() -> None:
    meter = Meter.of(MeterInfo("81001", step=300), (Interval(T - 300, T, 0.25, 1),))
    assert state(snapshot_of(meter))["smarthub_interval_seconds"] == [(LABELS, 300)]


def test_a_wrong_zone_leaves_only_what_has_no_time() -> None:
    meter = Meter.of(MeterInfo("81001"), (Interval(T - 900, T, 0.25, 1, 0.1, 1, 0.03, 1),))
    status = LoginStatus(
        up=True, locations={KEY: LocationStatus(up=True)}, zone=ZoneVerdict(ZoneState.CONTRADICTED, ("UTC",))
    )
    found = state(snapshot_of(meter), {"farm": status})
    for name in ("location_info", "meter_info", "interval_seconds", "up", "location_up", "timezone_mismatch"):
        assert [value for _, value in found.pop(f"smarthub_{name}")] == [900.0 if name == "interval_seconds" else 1.0]
    assert not [name for name, samples in found.items() if samples and "latest" in name]


# -- portals


def test_a_portal_reports_its_name_once() -> None:
    named = LoginStatus(portal_name=("novec", 'Northern "Electric"'))
    found = state(statuses={"one": named, "two": named, "three": LoginStatus()})
    assert found["smarthub_portal_info"] == [({"portal": "novec", "name": 'Northern "Electric"'}, 1.0)]


# -- locations and meters


@pytest.mark.parametrize("name", ["Farm house", ""])
def test_a_location_reports_its_name_and_zone(name: str) -> None:
    found = state(snapshot_of(name=name, zone="America/New_York"))
    labels = {**LOCATION, "name": name, "timezone": "America/New_York"}
    assert found["smarthub_location_info"] == [(labels, 1.0)]


@pytest.mark.parametrize(
    ("info", "flows", "parent", "net"),
    [
        (MeterInfo("81001"), "", "false", "false"),
        (MeterInfo("81001", ("FORWARD",), parent=True), "FORWARD", "true", "false"),
        (MeterInfo("81001", ("FORWARD", "NET", "REVERSE"), net=True), "FORWARD,NET,REVERSE", "false", "true"),
    ],
)
def test_a_meter_reports_its_flows_and_flags(info: MeterInfo, flows: str, parent: str, net: str) -> None:
    assert state(snapshot_of(Meter.of(info)))["smarthub_meter_info"] == [
        ({**LABELS, "flows": flows, "parent": parent, "net": net, "submeter_of": ""}, 1.0)
    ]


def test_a_submeter_names_the_meter_that_contains_it() -> None:
    house = Meter.of(MeterInfo("81001"), quarters(1))
    barn = Meter.of(MeterInfo("81002", parents=("81000", "81001")), quarters(1))
    found = state(snapshot_of(house, barn))["smarthub_meter_info"]
    assert [(labels["meter"], labels["submeter_of"]) for labels, _ in found] == [("81001", ""), ("81002", "81001")]


def test_rows_that_cannot_be_encoded_are_left_out() -> None:
    bad = LocationKey("novec", "55001", "7\ud800")
    meter = Meter.of(MeterInfo("81001"), quarters(1))
    snapshot = snapshot_of(meter, Meter.of(MeterInfo("8\udfff"), quarters(1)))
    outcomes = {key: LocationStatus(up=True) for key in (KEY, bad)}
    statuses = {"farm": LoginStatus(up=True, locations=outcomes)}
    good = state(snapshot_of(meter), {"farm": LoginStatus(up=True, locations={KEY: outcomes[KEY]})}, {KEY: T})
    snapshot = snapshot.with_location(Location(bad, "", "UTC", (meter,)))
    assert state(snapshot, statuses, {KEY: T, bad: T}) == good


# -- refreshes


def test_a_login_reports_when_it_refreshed_and_how_long() -> None:
    status = LoginStatus(up=True, last_refresh=T, last_success=T, duration=2.5)
    found = state(statuses={"farm": status})
    login = {"login": "farm"}
    assert {name: samples for name, samples in found.items() if samples} == {
        "smarthub_up": [(login, 1.0)],
        "smarthub_last_refresh_timestamp_seconds": [(login, T)],
        "smarthub_last_refresh_success_timestamp_seconds": [(login, T)],
        "smarthub_last_refresh_duration_seconds": [(login, 2.5)],
        "smarthub_timezone_mismatch": [(login, 0.0)],
        "smarthub_state_kept": [({}, 0.0)],
    }


def test_a_failed_refresh_keeps_the_time_of_the_last_success() -> None:
    status = LoginStatus(last_refresh=T, last_success=T - 3600, zone=ZoneVerdict(ZoneState.CONTRADICTED))
    values = [samples[0][1] for samples in state(statuses={"farm": status}).values() if samples]
    assert values == [0.0, T, T - 3600, 0.0, 1.0, 0.0]


def test_each_location_reports_if_its_last_refresh_succeeded() -> None:
    locations = {KEY: LocationStatus(up=True), OTHER: LocationStatus(up=False)}
    found = state(statuses={"farm": LoginStatus(locations=locations)})
    assert found["smarthub_location_up"] == [
        ({"portal": "127.0.0.1:10059", "account": "55002", "location": "70003"}, 0.0),
        (LOCATION, 1.0),
    ]


def test_a_state_that_cannot_be_saved_is_reported(tmp_path: Path) -> None:
    with closing(StateFile(tmp_path)) as saved:
        collector = CurrentState(SnapshotStore(saved, 0, lambda _: None), GivenStatuses({}))
        kept = []
        for saved.problem in ("", "full", ""):
            kept += [
                metric.samples[0].value
                for metric in collector.collect(EVERYTHING)
                if metric.name == "smarthub_state_kept"
            ]
    assert kept == [1.0, 0.0, 1.0]


def test_backfill_needed_is_absent_if_nothing_is_needed() -> None:
    assert state(SOLAR)["smarthub_backfill_needed_since_timestamp_seconds"] == []
    needed = state(SOLAR, backfill_needed={KEY: T})["smarthub_backfill_needed_since_timestamp_seconds"]
    assert needed == [(LOCATION, T)]


# -- counters


def test_refreshes_are_counted_and_their_reasons_of_failure() -> None:
    exposition = Exposition()
    exposition.login.refreshed([])
    exposition.login.refreshed({Reason.PENDING, Reason.TRANSPORT})
    exposition.login.refreshed({Reason.TRANSPORT})
    assert exposition.lines("smarthub_refreshes_total") == ['smarthub_refreshes_total{login="farm"} 3.0']
    assert [line for line in exposition.lines("smarthub_refresh_failures_total") if not line.endswith(" 0.0")] == [
        'smarthub_refresh_failures_total{login="farm",reason="pending"} 1.0',
        'smarthub_refresh_failures_total{login="farm",reason="transport"} 2.0',
    ]


def test_revisions_are_counted_by_direction_and_reach() -> None:
    exposition = Exposition()
    exposition.login.revised("down", "older")
    assert [line for line in exposition.lines("smarthub_interval_revisions_total") if not line.endswith(" 0.0")] == [
        'smarthub_interval_revisions_total{direction="down",login="farm",reach="older"} 1.0'
    ]


def test_portal_requests_are_counted_and_timed() -> None:
    exposition = Exposition()
    exposition.login.portal_call("poll", "200", 0.3)
    exposition.login.portal_call("poll", "503", 1.2)
    assert exposition.lines("smarthub_portal_requests_total{") == [
        'smarthub_portal_requests_total{code="200",endpoint="poll",login="farm"} 1.0',
        'smarthub_portal_requests_total{code="503",endpoint="poll",login="farm"} 1.0',
    ]
    assert exposition.lines("smarthub_portal_request_duration_seconds_count") == [
        'smarthub_portal_request_duration_seconds_count{endpoint="poll",login="farm"} 2.0'
    ]
    assert exposition.lines("smarthub_portal_request_duration_seconds_sum") == [
        'smarthub_portal_request_duration_seconds_sum{endpoint="poll",login="farm"} 1.5'
    ]


def test_the_build_info_has_the_version() -> None:
    (line,) = Exposition().lines("smarthub_exporter_build_info{")
    assert f'version="{__version__}"' in line
    assert line.endswith("} 1.0")
