"""The tables and links of the README, checked against the code."""

import argparse
import re
from pathlib import Path

from exporter.cli import COMMANDS, build_parser
from exporter.config.schema import SECTIONS, TOP
from exporter.metrics.families import CURRENT, OWN, TIMESTAMPED

from ..support.dashboards import RULES
from ..support.project_files import read
from ..support.services import ROOT

README = read("README.md")
CELL = r"`([^`]+)`"


def test_the_metrics_tables_list_exactly_the_families() -> None:
    rows = re.findall(rf"^\| {CELL} \| (gauge|counter|histogram) \|", README, re.MULTILINE)
    families = [*(each.family for each in TIMESTAMPED), *CURRENT, *OWN]
    assert sorted(rows) == sorted((family.name, family.kind) for family in families)


def test_the_command_table_lists_exactly_the_commands() -> None:
    section = README.partition("## Commands")[2].partition("| flag |")[0]
    assert re.findall(rf"^\| {CELL} \|", section, re.MULTILINE) == list(COMMANDS)


def test_the_flag_table_matches_the_program() -> None:
    section = README.partition("| flag |")[2].partition("Exit codes")[0]
    claimed: dict[str, set[str]] = {}
    for flags, commands in re.findall(r"^\| (`--.+`) \| ([a-z, ]+) \|", section, re.MULTILINE):
        for flag in re.findall(CELL, flags):
            claimed[flag] = set(COMMANDS) if commands == "all" else set(commands.split(", "))

    accepted: dict[str, set[str]] = {}
    (commands,) = (each for each in build_parser()._actions if isinstance(each, argparse._SubParsersAction))
    for command, parser in commands.choices.items():
        for flag in (flag for action in parser._actions for flag in action.option_strings if flag.startswith("--")):
            accepted.setdefault(flag, set()).add(command)
    assert claimed == accepted


def test_the_key_table_lists_every_key_and_its_variable() -> None:
    section = README.partition("## Configuration")[2].partition("## HTTP")[0]
    rows = dict(re.findall(rf"^\| {CELL} \| (?:{CELL})? ?\|", section, re.MULTILINE))
    wanted = dict.fromkeys(TOP.keys() - SECTIONS.keys(), "")
    for name, shape in SECTIONS.items():
        wanted |= {f"{name}.{key}": spec.variable for key, spec in shape.items() if not spec.secret}
    assert rows == wanted


def test_the_alert_table_lists_exactly_the_alerts() -> None:
    section = README.partition("| alert | when |")[2].partition("\n## ")[0]
    assert re.findall(rf"^\| {CELL} \|", section, re.MULTILINE) == list(RULES)


def test_every_linked_file_exists() -> None:
    linked = re.findall(r"\]\((?!http)([^)]+)\)", README)
    assert len(linked) >= 2
    assert [name for name in linked if not Path(ROOT, name).exists()] == []
