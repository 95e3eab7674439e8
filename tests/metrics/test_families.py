"""The names, types, labels and help texts of all families, and what linters say."""

import re
import subprocess

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.metrics import families
from exporter.refresh.status import LocationStatus, LoginStatus

from ..support.exposition import Exposition
from ..support.services import find_program
from ..support.snapshots import KEY, SOLAR_METER, T, snapshot_of

LOCATION = frozenset({"portal", "account", "location"})
METER = LOCATION | {"meter"}
LOGIN = frozenset({"login"})

TIMESTAMPED = {
    "smarthub_interval_usage_kwh": ("gauge", METER),
    "smarthub_interval_usage_watts": ("gauge", METER),
    "smarthub_interval_export_kwh": ("gauge", METER),
    "smarthub_interval_cost_usd": ("gauge", METER),
    "smarthub_interval_tou_usage_kwh": ("gauge", METER | {"period"}),
    "smarthub_day_usage_kwh": ("gauge", METER),
    "smarthub_day_export_kwh": ("gauge", METER),
    "smarthub_day_cost_usd": ("gauge", METER),
    "smarthub_day_location_info": ("gauge", LOCATION | {"name"}),
    "smarthub_day_meter_info": ("gauge", METER | {"submeter_of", "industry"}),
}
WITHOUT_TIMESTAMPS = {
    "smarthub_latest_usage_kwh": ("gauge", METER),
    "smarthub_latest_usage_watts": ("gauge", METER),
    "smarthub_latest_export_kwh": ("gauge", METER),
    "smarthub_latest_cost_usd": ("gauge", METER),
    "smarthub_latest_interval_end_timestamp_seconds": ("gauge", METER),
    "smarthub_interval_seconds": ("gauge", METER),
    "smarthub_location_info": ("gauge", LOCATION | {"name", "timezone"}),
    "smarthub_meter_info": ("gauge", METER | {"flows", "parent", "net", "submeter_of"}),
    "smarthub_portal_info": ("gauge", frozenset({"portal", "name"})),
    "smarthub_up": ("gauge", LOGIN),
    "smarthub_location_up": ("gauge", LOCATION),
    "smarthub_refreshes_total": ("counter", LOGIN),
    "smarthub_refresh_failures_total": ("counter", LOGIN | {"reason"}),
    "smarthub_last_refresh_timestamp_seconds": ("gauge", LOGIN),
    "smarthub_last_refresh_success_timestamp_seconds": ("gauge", LOGIN),
    "smarthub_last_refresh_duration_seconds": ("gauge", LOGIN),
    "smarthub_interval_revisions_total": ("counter", LOGIN | {"direction", "reach"}),
    "smarthub_backfill_needed_since_timestamp_seconds": ("gauge", LOCATION),
    "smarthub_timezone_mismatch": ("gauge", LOGIN),
    "smarthub_state_kept": ("gauge", frozenset()),
    "smarthub_portal_requests_total": ("counter", LOGIN | {"endpoint", "code"}),
    "smarthub_portal_request_duration_seconds": ("histogram", LOGIN | {"endpoint"}),
    "smarthub_exporter_build_info": ("gauge", frozenset({"version", "pythonversion"})),
}
TARGET_LABELS = {"region", "zone", "cluster", "env", "owner", "customer", "service", "instance", "job", "stage", "team"}


@pytest.fixture(scope="module")
def page() -> str:
    """A page on which every family has a sample."""
    exposition = Exposition(
        snapshot_of(SOLAR_METER, name="Farm house"),
        {
            "farm": LoginStatus(
                up=True,
                last_refresh=T,
                last_success=T,
                portal_name=("novec", "Northern Electric"),
                locations={KEY: LocationStatus(up=True)},
            )
        },
        {KEY: T},
    )
    exposition.login.portal_call("poll", "200", 0.3)
    return exposition.text()


@pytest.fixture(scope="module")
def metrics(page: str) -> dict[str, Metric]:
    """The families of the page, by the name in their TYPE line."""
    names = [line.split()[2] for line in page.splitlines() if line.startswith("# TYPE ")]
    return dict(zip(names, parse_text(page), strict=True))


@pytest.mark.parametrize("name", [*TIMESTAMPED, *WITHOUT_TIMESTAMPS])
def test_each_family_has_its_type_and_labels(metrics: dict[str, Metric], name: str) -> None:
    kind, labels = {**TIMESTAMPED, **WITHOUT_TIMESTAMPS}[name]
    metric = metrics[name]
    assert metric.type == kind
    assert metric.samples
    assert {frozenset(sample.labels) - {"le"} for sample in metric.samples} == {labels}


def test_there_are_no_other_families(metrics: dict[str, Metric]) -> None:
    others = {name for name in metrics if name not in TIMESTAMPED and name not in WITHOUT_TIMESTAMPS}
    assert {"process_cpu_seconds_total", "python_info"} <= others
    assert {name.partition("_")[0] for name in others} == {"process", "python"}


def test_only_the_timestamped_families_have_timestamps(metrics: dict[str, Metric]) -> None:
    for name, metric in metrics.items():
        assert {sample.timestamp is not None for sample in metric.samples} == {name in TIMESTAMPED}


def test_names_and_labels_follow_prometheus_conventions() -> None:
    listed = [each.family for each in families.TIMESTAMPED] + [*families.CURRENT, *families.OWN]
    assert len({family.name for family in listed}) == len(listed)
    for family in listed:
        assert re.fullmatch(r"smarthub(_[a-z]+)+", family.name)
        assert re.fullmatch(r"\S.{10,}\.", family.help)
        assert family.name.endswith("_total") == (family.kind == "counter")
        assert not set(family.labels) & TARGET_LABELS
        assert not any(
            label in family.name.split("_") for label in set(family.labels) - {"location", "meter", "login", "portal"}
        )


@pytest.mark.e2e
def test_promtool_reports_no_problem(page: str) -> None:
    checked = subprocess.run(
        [find_program("promtool"), "check", "metrics"], input=page, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
