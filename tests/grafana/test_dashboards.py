"""The rules of dashboard-linter, and more rules of these dashboards."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from exporter.metrics import families

from ..support.dashboards import DASHBOARDS, Json, Panel, TimeRange, all_panels, boxes, constants, find, load, panels

UIDS: Final = {"home": "smarthub-home", "exporter": "smarthub-exporter"}
OURS: Final = {each.family.name for each in families.TIMESTAMPED} | {each.name for each in families.CURRENT}
COUNTED: Final = {each.name for each in families.OWN}
OF_HISTOGRAM: Final = {f"{families.REQUEST_SECONDS.name}_{suffix}" for suffix in ("bucket", "sum", "count")}
THERMOSTAT: Final = {f"thermostat_{stage}" for stage in ("heat_1", "heat_2", "cool_1", "cool_2", "aux_heat_1")}
KNOWN: Final = OURS | COUNTED | OF_HISTOGRAM | THERMOSTAT | {"up"}
METRIC: Final = re.compile(r"\b(?:smarthub|thermostat)_[a-z0-9_]+|\bup(?=\{)")
SELECTOR: Final = re.compile(r"(\w+)\{([^}]*)\}")
OF_DATA: Final = ("portal", "location", "meter")
UTC: Final = ZoneInfo("UTC")
NAMES: Final = {"locations", "meters"}
"""The constant variables that give each location and meter a name."""
CONTAINING: Final = {("15m", "-10m"), ("30m", "-25m"), ("1h", "-55m")}
KWH, USD, WATTS = "currency:financial: kWh:suffix", "currency:financial:$", "currency:financial: W:suffix"
"""Grafana's only units with thousands separators, which it never scales to MWh, $K or 1.3 kW."""
PLAIN_UNITS: Final = {
    *(KWH, USD, WATTS, "suffix:hours", "time:M/D/YYYY"),
    *("percentunit", "s", "short", "none", "string"),
}

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
    assert dashboard["timezone"] == ""  # Grafana's default, which the home stack sets to the co-op's
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
        *(each["datasource"] for each in variables(path) if each["type"] == "query"),
        *(each["datasource"] for each in boxes(dashboard) if each["type"] != "row"),
        *(target["datasource"] for panel in panels(path) for target in panel.json["targets"]),
    ]
    assert all(each == {"type": "prometheus", "uid": "${datasource}"} for each in named)


@dashboards
def test_variables_accept_several_values(path: Path) -> None:
    known = {each["name"]: each for each in variables(path) if each["type"] == "query"}
    assert set(OF_DATA) <= known.keys() <= {*OF_DATA, "login", "timezone"}
    for name, each in known.items():
        assert each["refresh"] == 2
        assert set(METRIC.findall(each["query"]["query"])) <= {*KNOWN, "smarthub_"}
        assert each["definition"] == each["query"]["query"]
        if name != "timezone":
            assert (each["multi"], each["includeAll"], each["allValue"], each["hide"]) == (True, True, ".+", 0)


@dashboards
def test_locations_and_meters_are_chosen_by_name(path: Path) -> None:
    known = {each["name"]: each for each in variables(path)}
    assert known.keys() >= NAMES
    assert all((known[name]["type"], known[name]["hide"]) == ("constant", 2) for name in NAMES)
    for variable, names in (("location", "${locations:raw}"), ("meter", "${meters:raw}")):
        assert names in known[variable]["query"]["query"]
        assert {"(?<text>", "(?<value>"} <= set(re.findall(r"\(\?<\w+>", known[variable]["regex"]))


def test_both_dashboards_name_things_alike() -> None:
    one, other = (constants(load(path)) for path in DASHBOARDS)
    assert one == other
    # Grafana reads query_result(...) on a single line only.
    assert not [name for name, text in one.items() if "\n" in text]


@dashboards
def test_shared_parts_of_queries_are_taken_as_they_are(path: Path) -> None:
    # Otherwise Grafana may escape their quotes.
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{?(?:locations|meters)\b\S{0,5}", text)) == {"${locations:raw}", "${meters:raw}"}


def test_the_clock_of_hours_is_the_one_of_the_coop() -> None:
    (zone,) = (each for each in variables(DASHBOARDS[1]) if each["name"] == "timezone")
    expected = 'label_values(smarthub_location_info{portal=~"$portal",location=~"$location"}, timezone)'
    assert (zone["query"]["query"], zone["hide"], zone["multi"]) == (expected, 2, False)


@dashboards
def test_no_query_depends_on_the_name_of_a_job(path: Path) -> None:
    assert not re.search(r"job=|smarthub_intervals", path.read_text(encoding="utf-8"))


@dashboards
def test_no_two_panels_have_the_same_id_or_title(path: Path) -> None:
    every = list(boxes(load(path)))
    for key in ("id", "title"):
        assert len({each[key] for each in every}) == len(every)


@dashboards
def test_no_panel_covers_another_or_leaves_the_grid(path: Path) -> None:
    dashboard = load(path)
    for box in (each["gridPos"] for each in boxes(dashboard)):
        assert 0 <= box["x"] < box["x"] + box["w"] <= 24
    # An open row pushes those below it down.
    for together in (dashboard["panels"], *(each.get("panels", ()) for each in dashboard["panels"])):
        for one, other in combinations(together, 2):
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
    config = panel.json["fieldConfig"]
    properties = [{each["id"]: each["value"] for each in override["properties"]} for override in config["overrides"]]
    for settings in (config["defaults"], *(each for each in properties if "unit" in each)):
        assert settings["unit"] in PLAIN_UNITS
        if settings["unit"] in {KWH, USD, WATTS}:
            assert settings["decimals"] in {KWH: (0, 1, 2), USD: (2,), WATTS: (0,)}[settings["unit"]]
    assert len(panel.targets) == len(panel.json["targets"]) >= 1


@each_panel
def test_no_panel_has_steps_finer_than_the_data(panel: Panel) -> None:
    assert panel.json["interval"] in {"15m", "1h", "1d"}
    hourly = "[3599s:5m]" in expressions(panel) or "[$__interval] offset -22h" in expressions(panel)
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
    left_out = "and on (portal, account, location, meter, inside) label_replace(${meters:raw}, "
    for target in panel.json["targets"]:
        is_sum = bool(re.match(r"sum(?: by \(period\))? ?\(", target["expr"])) and panel.dashboard == "home"
        is_stacked = panel.json["type"] == "barchart"
        assert (is_sum or is_stacked) is (left_out in target["expr"])
        assert left_out not in target["expr"] or '"inside", "yes", "submeter_of", "$meter")' in target["expr"]


@each_panel
def test_no_legend_or_column_is_a_number_without_a_name(panel: Panel) -> None:
    shown = {label for target in panel.json["targets"] for label in re.findall(r"{{(\w+)}}", target["legendFormat"])}
    assert not shown & {"account", "location", "meter", "portal"}
    for target in panel.json["targets"]:
        if target["format"] == "table":
            assert re.match(r"(?:max|sum)(?: by \((?:place|period|where, problem)\))? ?\(", target["expr"])


@each_panel
def test_counters_are_shown_as_increases(panel: Panel) -> None:
    for name in METRIC.findall(expressions(panel)):
        if name in OF_HISTOGRAM | {each.name for each in families.OWN if each.kind == "counter"}:
            assert re.search(rf"(?:increase|rate)\({name}\{{[^}}]*\}}\[\$__rate_interval\]\)", expressions(panel))


@each_panel
def test_current_values_are_instant_and_graphs_are_ranges(panel: Panel) -> None:
    # A table of hours is made from a graph's points.
    instant = panel.json["type"] == "stat" or (panel.json["type"] == "table" and panel.json["interval"] == "15m")
    assert {each["instant"] for each in panel.json["targets"]} == {instant}
    assert {each["range"] for each in panel.json["targets"]} == {not instant}


def test_only_panels_with_the_dashboards_range_use_its_start() -> None:
    # Grafana versions differ in the meaning of ${__from} in a panel with its own range.
    asking = [panel for panel in all_panels() if "${__from" in expressions(panel)]
    assert [str(each) for each in asking] == ["home/Energy added up"]
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


def test_bars_are_named_by_the_date_of_their_local_day() -> None:
    bars = [panel for panel in all_panels() if panel.json["type"] == "barchart"]
    assert len(bars) == 3
    for panel in bars:
        join, name, order = panel.json["transformations"]
        assert join == {"id": "joinByField", "options": {"byField": "Time", "mode": "outer"}}
        assert (name["id"], name["options"]["timeField"]) == ("formatTime", "Time")
        # They stand where every US zone has the date of UTC, so that no browser's or dashboard's zone matters.
        assert (name["options"]["outputFormat"], name["options"]["timezone"]) == ("ddd M/D/YYYY", "utc")
        assert panel.json["options"]["xField"] == "Time"
        # Behind all meters, so that the first meter has the first color, as in graphs.
        assert order["options"]["indexByName"] == {"Time": 10**16}


HEAT_MAP: Final = "Average energy by hour and weekday (kWh)"


def test_the_heat_map_is_a_matrix_of_weekdays_by_hours() -> None:
    steps = [(each["id"], each["options"]) for each in find(HEAT_MAP).json["transformations"]]
    kinds = ["formatTime", "sortBy", "extractFields", "groupBy", "groupingToMatrix", "sortBy"]
    assert [kind for kind, _ in steps] == kinds
    time, _, extract, group, matrix, order = (options for _, options in steps)
    assert (time["outputFormat"], time["timezone"]) == ("HH h A E ddd", "$timezone")
    # The result of that format for a Saturday morning. JavaScript writes named groups without the P.
    found = re.fullmatch(extract["regExp"].strip("/").replace("(?<", "(?P<"), "07 7 AM 6 Sat")
    assert found is not None
    assert found.groupdict() == {"Weekday": "6 Sat", "Hour": "7 AM"}
    assert {each for each, how in group["fields"].items() if how["operation"] == "groupby"} == {
        matrix["columnField"],
        matrix["rowField"],
    }
    assert group["fields"]["Value"]["aggregations"] == ["mean"]
    assert matrix["valueField"] == "Value (mean)"
    assert order["sort"] == [{"field": "Weekday\\Hour", "desc": False}]


@each_panel
def test_no_transformation_uses_the_zone_of_the_browser(panel: Panel) -> None:
    zones = {each["options"].get("timezone", "utc") for each in panel.json.get("transformations", ())}
    assert zones <= {"utc", "$timezone"}


def test_a_panel_of_hours_states_its_longest_range() -> None:
    limited = [panel for panel in all_panels() if "(vector($__interval_ms) == 3600000)" in expressions(panel)]
    assert {panel.json["title"] for panel in limited} == {HEAT_MAP, "Peak hours"}
    for panel in limited:
        assert panel.json["fieldConfig"]["defaults"]["noValue"] == "no data in this range; choose one of up to a year"
        assert "Shown for ranges of up to 456 days:" in panel.json["description"]


def test_what_not_everybody_has_is_in_a_collapsed_row() -> None:
    rows = {each["title"]: each["collapsed"] for each in load(DASHBOARDS[1])["panels"] if each["type"] == "row"}
    assert {title.partition(" (")[0] for title, is_collapsed in rows.items() if is_collapsed} == {
        "Solar",
        "Rate periods",
        "Thermostat",
    }
    assert set(re.findall(r"thermostat_\w+", expressions(find("Thermostat over power")))) == THERMOSTAT


def test_the_band_of_power_is_drawn_for_each_meter() -> None:
    panel = find("Power per day: $meter").json
    assert (panel["repeat"], panel["interval"]) == ("meter", "1d")
    assert {each["refId"]: each["legendFormat"] for each in panel["targets"]} == {
        "A": "Lowest",
        "B": "Average",
        "C": "Lowest to highest",
        "D": "7-day average",
    }
    looks = {
        each["matcher"]["options"]: {found["id"]: found["value"] for found in each["properties"]}
        for each in panel["fieldConfig"]["overrides"]
    }
    assert looks["Lowest to highest"]["custom.fillBelowTo"] == "Lowest"
    assert looks["Lowest"]["custom.hideFrom"]["legend"] is True


def test_export_has_a_color_of_its_own() -> None:
    for title in ("Energy per day", "Used and exported per day", "Power used, exported and net"):
        panel = find(title).json
        (exported,) = (each for each in panel["fieldConfig"]["overrides"] if each["matcher"]["id"] == "byRegexp")
        assert exported["matcher"]["options"] == "/ exported$/"
        assert {each["legendFormat"] for each in panel["targets"]} >= {"{{place}} exported"}
        assert exported["properties"] == [{"id": "color", "value": {"mode": "fixed", "fixedColor": "#9aa0a6"}}]


def test_problems_come_first_on_the_exporters_dashboard() -> None:
    row, table = load(DASHBOARDS[0])["panels"][:2]
    assert (row["type"], table["type"], table["title"]) == ("row", "table", "What needs attention")


def variables(path: Path) -> list[Json]:
    found: list[Json] = load(path)["templating"]["list"]
    return found


def expressions(panel: Panel) -> str:
    return "\n".join(target["expr"] for target in panel.json["targets"])


def known_families() -> list[families.Family]:
    return [*(each.family for each in families.TIMESTAMPED), *families.CURRENT, *families.OWN]
