"""The rules, by the programs that read them."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.metrics import families

from ..support.dashboards import GRAFANA
from ..support.services import find_program

ALERTS = GRAFANA / "alerts"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ALERTS / "smarthub.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
TESTS = sorted(ALERTS.glob("tests*.yml"))
NAMES = [rule["alert"] for rule in RULES]


def outcome(program: str, *arguments: str | Path) -> tuple[int, str]:
    done = subprocess.run(
        [find_program(program), *arguments], cwd=ALERTS, capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.process
def test_promtool_takes_the_rules() -> None:
    code, said = outcome("promtool", "check", "rules", "smarthub.yml")
    assert (code, f"SUCCESS: {len(RULES)} rules found" in said) == (0, True), said


@pytest.mark.process
def test_vmalert_takes_the_rules() -> None:
    code, said = outcome("vmalert", "-dryRun", "-rule=smarthub.yml")
    assert code == 0, said


@pytest.mark.process
@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.name))
def test_each_alert_fires_when_it_must_and_only_then(path: Path) -> None:
    code, said = outcome("promtool", "test", "rules", path.name)
    assert code == 0, said


@pytest.mark.parametrize("name", NAMES)
def test_each_alert_is_tested_both_firing_and_not(name: str) -> None:
    checks = [
        check
        for path in TESTS
        for case in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
        for check in case["alert_rule_test"]
        if check["alertname"] == name
    ]
    assert {bool(check["exp_alerts"]) for check in checks} == {True, False}


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_a_rule_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
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
    used = {word for rule in RULES for word in _words(rule["expr"]) if word.startswith("smarthub_")}
    assert used - {"smarthub_intervals"} <= known


def _words(text: str) -> list[str]:
    return "".join(each if each.isalnum() or each == "_" else " " for each in text).split()
