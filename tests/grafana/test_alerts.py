"""The alert rules, checked by the programs that read them."""

import re
from pathlib import Path

import pytest
import yaml

from exporter.metrics import families

from ..support.dashboards import GRAFANA, RULES, Json
from ..support.services import outcome

ALERTS = GRAFANA / "alerts"
TESTS = sorted(ALERTS.glob("tests*.yml"))


@pytest.mark.process
def test_promtool_and_vmalert_accept_the_rules() -> None:
    code, said = outcome("promtool", "check", "rules", "smarthub.yml", folder=ALERTS)
    assert (code, f"SUCCESS: {len(RULES)} rules found" in said) == (0, True), said
    code, said = outcome("vmalert", "-dryRun", "-rule=smarthub.yml", folder=ALERTS)
    assert code == 0, said


@pytest.mark.process
@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.name))
def test_each_alert_fires_only_when_it_should(path: Path) -> None:
    code, said = outcome("promtool", "test", "rules", path.name, folder=ALERTS)
    assert code == 0, said


@pytest.mark.parametrize("name", RULES)
def test_each_alert_is_tested_both_firing_and_not(name: str) -> None:
    checks = [
        check
        for path in TESTS
        for case in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
        for check in case["alert_rule_test"]
        if check["alertname"] == name
    ]
    assert {bool(check["exp_alerts"]) for check in checks} == {True, False}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_has_a_severity_and_says_what_to_do(rule: Json) -> None:
    assert rule["alert"].startswith("SmartHub")
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    summary, description = (rule["annotations"][key] for key in ("summary", "description"))
    assert summary.endswith(".")
    assert "{{" not in summary
    assert "{{" in description


def test_rules_use_metrics_that_the_exporter_has() -> None:
    known = {each.name for each in (*families.CURRENT, *families.OWN)} | {
        each.family.name for each in families.TIMESTAMPED
    }
    used = {word for rule in RULES.values() for word in re.findall(r"\bsmarthub_\w+", rule["expr"])}
    assert used - {"smarthub_intervals"} <= known
