"""The rules of dashboard-linter, and more rules of these dashboards."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from exporter.metrics import families

from ..support.dashboards import DASHBOARDS, Json, Panel, TimeRange, all_panels, boxes, find, load, panels

UIDS: Final = {"home": "smarthub-home", "exporter": "smarthub-exporter"}
OURS: Final = {each.family.name for each in families.TIMESTAMPED} | {each.name for each in families.CURRENT}
COUNTED: Final = {each.name for each in families.OWN}
OF_HISTOGRAM: Final = {f"{families.REQUEST_SECONDS.name}_{suffix}" for suffix in ("bucket", "sum", "count")}
THERMOSTAT: Final = {f"thermostat_{stage}" for stage in ("heat_1", "heat_2", "cool_1", "cool_2", "aux_heat_1")}
JOBS: Final = {"smarthub_intervals", "smarthub_exporter"}
KNOWN: Final = OURS | COUNTED | OF_HISTOGRAM | THERMOSTAT | {"up", *JOBS}
METRIC: Final = re.compile(r"\b(?:smarthub|thermostat)_[a-z0-9_]+|\bup(?=\{)")
SELECTOR: Final = re.compile(r"(\w+)\{([^}]*)\}")
OF_DATA: Final = ("portal", "location", "meter")
UTC: Final = ZoneInfo("UTC")
CONTAINING: Final = {("15m", "-10m"), ("30m", "-25m"), ("1h", "-55m")}
COMMON_UNITS: Final = {"kwatth", "watt", "currencyUSD", "s", "short", "none", "dateTimeAsIso", "time:ddd YYYY-MM-DD"}

dashboards = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: str(path.stem))
each_panel = pytest.mark.parametrize("panel", all_panels(), ids=str)


def test_there_are_two_dashboards() -> None:
    assert {path.stem: load(path)["uid"] for path in DASHBOARDS} == UIDS


@dashboards
def test_a_dashboard_is_provisioned_not_edited(path: Path) -> None:
    dashboard = load(path)
    assert dashboard["id"] is None
    assert dashboard["editable"] is False
    assert 39 <= dashboard["schemaVersion"] <= 42
    assert dashboard["timezone"] == "browser"
    assert dashboard["refresh"] in {"5m", "15m"}
    assert dashboard["description"]
    assert dashboard["tags"] == ["smarthub"]
    assert {link["url"] for link in dashboard["links"]} == {f"/d/{uid}" for uid in UIDS.values()} - {
        f"/d/{dashboard['uid']}"
    }


@dashboards
def test_a_dashboard_is_indented_by_two_spaces(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


@dashboards
def test_everything_uses_one_data_source_variable(path: Path) -> None:
    dashboard = load(path)
    (source,) = (each for each in variables(path) if each["type"] == "datasource")
    assert (source["name"], source["label"], source["query"]) == ("datasource", "Data source", "prometheus")
    named = [
        *(each["datasource"] for each in variables(path) if each["type"] != "datasource"),
        *(each["datasource"] for each in boxes(dashboard) if each["type"] != "row"),
        *(target["datasource"] for panel in panels(path) for target in panel.json["targets"]),
    ]
    assert all(each == {"type": "prometheus", "uid": "${datasource}"} for each in named)


@dashboards
def test_label_variables_accept_several_values(path: Path) -> None:
    known = {each["name"]: each for each in variables(path) if each["type"] == "query"}
    assert set(OF_DATA) <= known.keys() <= {*OF_DATA, "login"}
    for name, each in known.items():
        assert each["query"]["query"].startswith("label_values(")
        assert each["query"]["query"].endswith(f", {name})")
        assert (each["multi"], each["includeAll"], each["allValue"]) == (True, True, ".+")
        assert each["refresh"] == 2
        assert set(METRIC.findall(each["query"]["query"])) <= {*KNOWN, "smarthub_"}


def test_locations_with_history_only_can_be_selected() -> None:
    # Backfilled data is older than the metrics of the exporter itself.
    (query,) = (each["definition"] for each in variables(DASHBOARDS[1]) if each["name"] == "location")
    assert query == ('label_values({__name__=~"smarthub_(meter_info|interval_usage_kwh)",portal=~"$portal"}, location)')


@dashboards
def test_no_two_panels_have_the_same_id_or_title(path: Path) -> None:
    every = list(boxes(load(path)))
    for key in ("id", "title"):
        assert len({each[key] for each in every}) == len(every)


@dashboards
def test_no_panel_covers_another_or_leaves_the_grid(path: Path) -> None:
    every = list(boxes(load(path)))
    for box in (each["gridPos"] for each in every):
        assert 0 <= box["x"] < box["x"] + box["w"] <= 24
    for one, other in combinations(every, 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def overlap(one: Json, other: Json) -> bool:
    return all(
        one[at] < other[at] + other[length] and other[at] < one[at] + one[length]
        for at, length in (("x", "w"), ("y", "h"))
    )


@each_panel
def test_a_panel_has_a_title_and_a_description(panel: Panel) -> None:
    assert panel.json["title"]
    assert re.fullmatch(r"[A-Z].{20,}\.", panel.json["description"])
    assert panel.json["fieldConfig"]["defaults"]["unit"] in COMMON_UNITS
    assert len(panel.targets) == len(panel.json["targets"]) >= 1


@each_panel
def test_no_panel_has_steps_finer_than_the_data(panel: Panel) -> None:
    assert panel.json["interval"] in {"15m", "1h"}
    hourly = "[3599s:5m]" in expressions(panel) or "[$__interval] offset -12h" in expressions(panel)
    if hourly:
        # The step is one hour for ranges of up to a year, whatever the width of the panel, and longer before Prometheus
        # returns too many points.
        assert (panel.json["interval"], panel.json["maxDataPoints"]) == ("1h", 7_300)
        longest = next(days for days in range(365, 1000) if panel.step(TimeRange(0, (days + 1) * 86400, UTC)) > 3600)
        assert (longest, longest * 24 < 11_000) == (456, True)


@each_panel
def test_queries_name_known_metrics_and_the_variables(panel: Panel) -> None:
    assert set(METRIC.findall(expressions(panel))) <= KNOWN
    for name, matchers in SELECTOR.findall(expressions(panel).replace("${__from:date:seconds}", "0")):
        labels = next((each.labels for each in known_families() if each.name == name), None)
        if labels is None:
            labels = ("login",) if name in COUNTED | OF_HISTOGRAM else ()
        for label in {*OF_DATA, "login"} & set(labels):
            assert f'{label}=~"${label}"' in matchers


@each_panel
def test_sums_over_time_count_each_interval_once(panel: Panel) -> None:
    """Only in the form that removes copies (docs/samples.md, "Queries")."""
    text = re.sub(r"\s+", " ", expressions(panel))
    for found in re.finditer(
        r"\b(?:sum|avg|count|quantile|max)_over_time\((?:0\.05, )?\(?(\w+)\((smarthub_(?:interval|day)_\w+)", text
    ):
        assert found[1] == "last_over_time"
    assert not re.search(
        r"\b(?:sum|avg|count|quantile|max|min)_over_time\((?:0\.05, )?smarthub_(?:interval|day)_", text
    )
    looks = re.findall(
        r"(\w+)_over_time\((?:0\.05, )?last_over_time\(smarthub_interval_\w+\{[^}]*\}\[(\w+)\](?: offset (\S+))?\)\[",
        text,
    )
    for how, length, offset in looks:
        if how == "avg" and offset:
            # A mean over time: every five minutes, the interval that contains them.
            assert (length, offset) in CONTAINING
        else:
            # A step longer than the shortest interval would skip intervals.
            assert length == "5m"


@each_panel
def test_sums_over_meters_leave_out_submeters(panel: Panel) -> None:
    for target in panel.json["targets"]:
        is_sum = re.match(r"sum(?: by \(period\) )?\(\w+_over_time", target["expr"])
        leaves_out = "unless on (portal, account, location, meter) last_over_time(smarthub_meter_info{"
        assert bool(is_sum) is (leaves_out in target["expr"])
        assert not is_sum or 'submeter_of=~"$meter"' in target["expr"]


@each_panel
def test_counters_are_shown_as_increases(panel: Panel) -> None:
    for name in METRIC.findall(expressions(panel)):
        if name in OF_HISTOGRAM | {each.name for each in families.OWN if each.kind == "counter"}:
            assert re.search(rf"(?:increase|rate)\({name}\{{[^}}]*\}}\[\$__rate_interval\]\)", expressions(panel))


@each_panel
def test_current_values_are_instant_and_graphs_are_ranges(panel: Panel) -> None:
    instant = panel.json["type"] in {"stat", "piechart"}
    assert {each["instant"] for each in panel.json["targets"]} == {instant}
    assert {each["range"] for each in panel.json["targets"]} == {not instant}


def test_only_panels_with_the_dashboards_range_use_its_start() -> None:
    # Grafana versions differ in the meaning of ${__from} in a panel with its own range.
    asking = [panel for panel in all_panels() if "${__from" in expressions(panel)]
    assert [str(each) for each in asking] == ["home/Power and cumulative usage"]
    assert "timeFrom" not in asking[0].json


def test_months_are_compared_by_the_panels_own_time_ranges() -> None:
    overrides = {
        panel.json["title"]: (panel.json["timeFrom"], panel.json.get("timeShift"))
        for panel in all_panels()
        if "timeFrom" in panel.json
    }
    assert overrides == {
        "This month so far": ("now/M", None),
        "Last month to the same day": ("now/M", "1M"),
        "Same month last year": ("now/M", "1y"),
    }


def test_bars_are_named_by_the_local_date_of_their_noon() -> None:
    bars = [panel for panel in all_panels() if panel.json["type"] == "barchart"]
    assert len(bars) == 3
    for panel in bars:
        join, name = panel.json["transformations"]
        assert join == {"id": "joinByField", "options": {"byField": "Time", "mode": "outer"}}
        assert (name["id"], name["options"]["timeField"]) == ("formatTime", "Time")
        assert (name["options"]["outputFormat"], name["options"]["timezone"]) == ("ddd YYYY-MM-DD", "browser")
        assert panel.json["options"]["xField"] == "Time"


def test_the_heat_map_is_a_matrix_of_hours_by_weekdays() -> None:
    steps = {each["id"]: each["options"] for each in find("Hour by weekday").json["transformations"]}
    assert list(steps) == ["formatTime", "sortBy", "extractFields", "groupBy", "groupingToMatrix"]
    assert (steps["formatTime"]["outputFormat"], steps["formatTime"]["timezone"]) == ("E ddd HH:00", "browser")
    # The result of that format for a Saturday morning. JavaScript writes named groups without the P.
    pattern = steps["extractFields"]["regExp"].strip("/").replace("(?<", "(?P<")
    found = re.fullmatch(pattern, "6 Sat 07:00")
    assert found is not None
    assert found.groupdict() == {"Weekday": "6 Sat", "Hour": "07:00"}
    assert {each for each, how in steps["groupBy"]["fields"].items() if how["operation"] == "groupby"} == {
        steps["groupingToMatrix"]["columnField"],
        steps["groupingToMatrix"]["rowField"],
    }
    assert steps["groupBy"]["fields"]["Value"]["aggregations"] == ["mean"]
    assert steps["groupingToMatrix"]["valueField"] == "Value (mean)"


def test_a_panel_of_hours_states_its_longest_range() -> None:
    limited = [panel for panel in all_panels() if "(vector($__interval_ms) == 3600000)" in expressions(panel)]
    assert {panel.json["title"] for panel in limited} == {"Hour by weekday", "Peak hours"}
    for panel in limited:
        assert panel.json["fieldConfig"]["defaults"]["noValue"] == "no data; choose at most a year"
        assert "Shown for ranges of up to 456 days:" in panel.json["description"]


def test_the_cumulative_curve_has_the_right_axis() -> None:
    panel = find("Power and cumulative usage").json
    (override,) = (each for each in panel["fieldConfig"]["overrides"] if each["matcher"]["options"] == "D")
    properties = {each["id"]: each["value"] for each in override["properties"]}
    assert properties["custom.axisPlacement"] == "right"
    assert properties["unit"] == "kwatth"


def test_the_thermostat_is_in_a_collapsed_row() -> None:
    (row,) = (each for each in load(DASHBOARDS[1])["panels"] if each["title"].startswith("Thermostat"))
    assert row["collapsed"] is True
    assert set(re.findall(r"thermostat_\w+", expressions(find("Thermostat over power")))) == THERMOSTAT


def variables(path: Path) -> list[Json]:
    found: list[Json] = load(path)["templating"]["list"]
    return found


def expressions(panel: Panel) -> str:
    return "\n".join(target["expr"] for target in panel.json["targets"])


def known_families() -> list[families.Family]:
    return [*(each.family for each in families.TIMESTAMPED), *families.CURRENT, *families.OWN]
