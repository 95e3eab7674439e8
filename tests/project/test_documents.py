"""The documents, checked against the code, the program and each other."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import asdict
from itertools import dropwhile

import pytest
import yaml

from exporter.cli import COMMANDS, PROGRAM, build_parser
from exporter.commands.discover import DIRECTORY_VARIABLE
from exporter.commands.simulate import DEFAULT_ADDRESS
from exporter.config.model import Config, ExporterConfig, InfluxDBConfig, VictoriaMetricsConfig
from exporter.config.schema import LOCATION, SECTIONS, TOP, VARIABLES
from exporter.errors import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, EXIT_USAGE, Reason
from exporter.metrics.families import CURRENT, OWN, TIMESTAMPED
from tools.reference import ABSENT, DOCUMENTS, PARTS, parsers, updated

from ..support.dashboards import RULES
from ..support.project_files import blocks, documents, read
from ..support.services import ROOT

LONGEST_README = 1200
FAMILIES = {each.name for each in (*(stamped.family for stamped in TIMESTAMPED), *CURRENT, *OWN)}
GUIDES = [name for name in documents() if name != "CHANGELOG.md"]

OTHERS_FLAGS = {
    "docker": {"--name", "--network", "--restart", "--volumes-from"},
    "docker compose": {"--env-file", "--profile", "--rm", "--no-deps", "--entrypoint", "--pull", "--format"},
    "docker compose up": {"--build", "--force-recreate", "--remove-orphans"},
    "docker compose down": {"--volumes", "--rmi"},
    "wget": {"--post-data"},
    "curl": {"--data-urlencode"},
    "promtool": {"--max-block-duration"},
    "Prometheus": {"--storage.tsdb.retention.time", "--web.enable-admin-api"},
    "amtool": {"--annotation", "--alertmanager.url"},
    "npm": {"--package-lock-only"},
    "systemctl": {"--now"},
    "apt": {"--no-install-recommends"},
    "the benchmarks": {"--json", "--markdown"},
}
"""Flags of other programs."""

OTHERS_NAMES = {"smarthub_intervals", "smarthub_intervals_2", "smarthub_exporter", "smarthub_backfill_probe"}
"""Scrape jobs, and the sample that a backfill sends."""


def each_document(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", names or GUIDES)


# -- generated tables


@each_document(*DOCUMENTS)
def test_the_generated_tables_are_up_to_date(name: str) -> None:
    assert updated(read(name)) == read(name), "run `make docs`"


def test_every_generated_table_is_in_a_document_once() -> None:
    begun = re.findall(r"<!-- begin ([a-z ]+): written by make docs -->", "".join(map(read, DOCUMENTS)))
    assert sorted(begun) == sorted(PARTS)


def test_every_family_is_in_a_table_once() -> None:
    named = re.findall(r"^\| `([^`]+)`<br>(?:gauge|counter|histogram)[ ,]", read("docs/metrics.md"), re.MULTILINE)
    assert sorted(named) == sorted(FAMILIES)
    assert ABSENT.keys() == FAMILIES


# -- tables written by hand


def rows(name: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    section = read(name).partition(f"\n{heading}\n")[2]
    table = re.search(r"^\|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", section, re.MULTILINE)
    assert table, f"{name} has no table below {heading}"
    return [[cell.strip(" `") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table[1].splitlines()]


def keys() -> dict[str, tuple[str, str]]:
    """Return the variable and the default of each key in the tables."""
    headings = [*(f"## {section}" for section in SECTIONS), "## Other keys"]
    cells = [row for heading in headings for row in rows("docs/configuration.md", heading)]
    return {key: (variable, told) for key, variable, told in cells}


def test_the_key_tables_list_every_key_and_its_variable() -> None:
    wanted = dict.fromkeys(TOP.keys() - SECTIONS.keys(), "")
    for section, shape in SECTIONS.items():
        wanted |= {f"{section}.{key}": spec.variable for key, spec in shape.items() if not spec.secret}
    assert {key: variable for key, (variable, _) in keys().items()} == wanted


DEFAULTS = {
    **{f"exporter.{key}": value for key, value in asdict(ExporterConfig()).items() if key != "state_dir"},
    "extract_days": Config((), ExporterConfig()).extract_days,
    "victoriametrics.insecure": VictoriaMetricsConfig("").insecure,
    "victoriametrics.snapshots": VictoriaMetricsConfig("").snapshots,
    "influxdb.insecure": InfluxDBConfig("").insecure,
    "influxdb.per_minute": InfluxDBConfig("").per_minute,
}


@pytest.mark.parametrize(("key", "value"), DEFAULTS.items(), ids=DEFAULTS)
def test_the_key_tables_have_the_defaults(key: str, value: object) -> None:
    section, _, name = key.rpartition(".")
    told = keys()[key][1].partition("`")[0]
    assert {**TOP, **SECTIONS.get(section, {})}[name].parse(told) == value


def test_the_table_of_locations_lists_every_key() -> None:
    listed = rows("docs/configuration.md", "An entry of `locations` has these keys:")
    assert {key for key, _ in listed} == set(LOCATION)


def test_the_alert_table_lists_exactly_the_alerts() -> None:
    listed = [(name, severity) for name, severity, _ in rows("docs/dashboards.md", "## Alerts")]
    assert listed == [(name, rule["labels"]["severity"]) for name, rule in RULES.items()]


def test_the_lines_of_the_summary_are_complete() -> None:
    printed = re.findall(r'yield f"  ([a-z ]+?) {2,}', read("exporter/backfill/report.py"))
    listed = [name.strip("`") for names, _ in rows("docs/backfill.md", "## The summary") for name in names.split(", ")]
    assert sorted(listed) == sorted(printed)


def test_the_exit_codes_are_complete() -> None:
    codes = {int(code) for code, _ in rows("docs/commands.md", "## Exit codes")}
    assert codes == {EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_PARTLY}


def test_the_reasons_are_complete() -> None:
    assert {reason for reason, *_ in rows("docs/troubleshooting.md", "## smarthub_up is 0")} == set(Reason)
    (line,) = (values for label, values in rows("docs/metrics.md", "<!-- end logins -->") if label == "reason")
    assert set(re.findall(r"[a-z_]+", line.partition(";")[0])) == set(Reason)


# -- links


def anchors(name: str) -> set[str]:
    """Return the anchors of the headings of a document, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", read(name), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@each_document(*documents())
def test_every_link_leads_somewhere(name: str) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", read(name)):
        path = (ROOT / name).parent / target if target else ROOT / name
        assert path.exists(), f"{name} links to {target}"
        if anchor:
            assert anchor in anchors(str(path.resolve().relative_to(ROOT))), f"{name} links to {target}#{anchor}"


def test_every_document_is_linked_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[a-z-]+\.md)", read("README.md")))
    assert {name for name in documents() if name.startswith("docs/")} - linked == {"docs/wrong-zone.md"}


@each_document()
def test_every_named_file_exists(name: str) -> None:
    named = re.findall(r"`((?:docs|exporter|tests|grafana|compose|benchmarks|tools)/[\w./-]*)`", read(name))
    assert [each for each in named if not (ROOT / each).exists() and not re.search("[A-Z]{3}", each)] == []


# -- commands, flags and names


def typed(name: str) -> Iterator[list[str]]:
    """Yield the words of each command in the blocks of a document, without sudo, variables and redirection."""
    for language, block in blocks(name):
        lines = re.sub(r" *\\\n\s*", " ", block).splitlines()
        if language == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        elif language:
            continue
        for line in lines:
            words = shlex.split(re.sub(r">+\S+$", "", line), comments=True)
            yield list(dropwhile(lambda word: word in ("sudo", "env") or "=" in word, words))


def arguments_of(words: list[str]) -> list[str]:
    """Return the arguments of our program in a command; none if it runs another program."""
    if words[0] == PROGRAM:
        return words[1:]
    if words[:2] != ["docker", "compose"] or "--entrypoint" in words:
        return []
    is_ours = {"exec": {PROGRAM}, "run": {*COMMANDS}}.get(next(iter({"exec", "run"} & {*words}), ""), set())
    found = list(dropwhile(lambda word: word not in is_ours, words))
    return found[1:] if found[:1] == [PROGRAM] else found


@each_document()
def test_every_command_is_accepted_by_the_program(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in filter(None, map(arguments_of, filter(None, typed(name)))):
        try:
            build_parser().parse_args(words)
        except SystemExit:
            pytest.fail(f"{shlex.join(words)}: {capsys.readouterr().err}")


@each_document()
def test_every_yaml_block_can_be_parsed(name: str) -> None:
    for language, block in blocks(name):
        if language == "yaml":
            assert yaml.safe_load(block)


@each_document()
def test_every_flag_exists(name: str) -> None:
    ours = {flag for parser in parsers().values() for action in parser._actions for flag in action.option_strings}
    flags = set(re.findall(r"(?<![\w-])--[a-z][\w.-]*\w", re.sub(r"<!--.*?-->", "", read(name))))
    assert flags - ours - set().union(*OTHERS_FLAGS.values()) == set()


@each_document()
def test_every_metric_exists(name: str) -> None:
    named = set(re.findall(r"(?<![\w/])smarthub_[a-z_0-9]*[a-z0-9]\b(?![*.(/])", read(name)))
    assert named - FAMILIES - OTHERS_NAMES == set()


@each_document()
def test_every_variable_exists(name: str) -> None:
    named = set(re.findall(r"\b(?:SMARTHUB|VICTORIAMETRICS)_[A-Z_]+\b", read(name)))
    of_compose = set(re.findall(r"\$\{(\w+)", read("docker-compose.yml") + read("compose/publish-victoriametrics.yml")))
    assert named - {*VARIABLES, DIRECTORY_VARIABLE} - of_compose == set()


@each_document()
def test_every_port_is_one_that_something_listens_on(name: str) -> None:
    ports = set(re.findall(r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|HOST):(\d+)", read(name)))
    settings = read("docker-compose.yml") + read("docs/scraping.md")
    others = set(re.findall(r"(?:listen-address|httpListenAddr)=[\d.]*:(\d+)|[:-](\d+)}?:\d+\"]", settings))
    own = {each.rpartition(":")[2] for each in (ExporterConfig().listen_address, DEFAULT_ADDRESS)}
    assert ports <= own.union(*others)


@each_document()
def test_every_make_target_exists(name: str) -> None:
    targets = re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE)
    named = re.findall(r"`make ([a-z]+)\b", read(name)) + [words[1] for words in typed(name) if words[:1] == ["make"]]
    assert set(named) <= set(targets)


# -- the README


def test_the_readme_is_short() -> None:
    assert len(read("README.md").split()) <= LONGEST_README


def test_each_document_has_one_title() -> None:
    for name in documents():
        text = re.sub(r"^```.*?^```", "", read(name), flags=re.MULTILINE | re.DOTALL)
        assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1, name
