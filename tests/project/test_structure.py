"""The floor plan in docs/architecture.md, checked by imports."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "exporter"

LAYERS = (
    ("errors", "clock", "logs"),
    ("httpcall", "backoff", "process"),
    ("intervals",),
    ("formatting", "config", "storage"),
    ("portal", "simulator"),
    ("web", "lockout", "locations", "listing"),
    ("refresh",),
    ("metrics", "status_page", "discovery"),
    ("databases",),
    ("sinks", "checks"),
    ("terminal",),
    ("backfill", "guide", "routes"),
    ("app",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
"""From the bottom up: each part imports only parts in the lines above its own."""

LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}

WIRING = {"app"}
"""Top-level modules that may serve a single package."""


def modules() -> dict[str, ast.Module]:
    """Return every module by its dotted name inside the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text("utf-8"))
    return found


MODULES = modules()


def imported(name: str) -> Iterator[str]:
    """Yield the modules of the package that a module imports."""
    is_package = (PACKAGE / name.replace(".", "/")).is_dir()
    here = name.split(".") if is_package else name.split(".")[:-1]
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*here[: len(here) - node.level + 1], *(node.module or "").split(".")]
            target = ".".join(filter(None, base))
            for alias in node.names:
                module = f"{target}.{alias.name}".strip(".")
                yield module if module in MODULES else target


def part_of(module: str) -> str:
    return module.partition(".")[0]


def test_every_part_has_a_level() -> None:
    assert {part_of(module) for module in MODULES} - {""} == set(LEVEL)


def test_imports_only_go_down() -> None:
    upwards = [
        f"{module} imports {target}"
        for module in MODULES
        for target in imported(module)
        if target and part_of(module) not in ("", part_of(target)) and LEVEL[part_of(target)] >= LEVEL[part_of(module)]
    ]
    assert upwards == []


def test_modules_import_each_other_in_one_direction() -> None:
    targets = {module: {*imported(module)} - {module} for module in MODULES}
    while leaves := [module for module, needs in targets.items() if not needs & targets.keys()]:
        for leaf in leaves:
            del targets[leaf]
    assert targets == {}


def test_a_top_level_module_serves_more_than_one_package() -> None:
    users: dict[str, set[str]] = defaultdict(set)
    for module in MODULES:
        for target in imported(module):
            users[target].add(part_of(module))
    packages = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    single = {name for name in MODULES if "." not in name and len(users[name]) == 1 and users[name] <= packages}
    assert single - packages == WIRING


def test_a_public_class_is_defined_once() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for module, tree in MODULES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(module)
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


TESTS = Path(__file__).parents[1]
SCENARIOS = {"config": {"example", "properties", "rejections"}, "simulator": {"beginnings", "days_and_months"}}
"""Test files that belong to a package but to no single module of it."""


def test_tests_mirror_the_packages() -> None:
    strangers = []
    for path in TESTS.rglob("test_*.py"):
        package, name = path.parent.name, path.stem.removeprefix("test_")
        module = name if path.parent == TESTS else f"{package}.{name}"
        is_mirrored = path.parent == TESTS or package in MODULES
        if is_mirrored and module not in MODULES and name not in SCENARIOS.get(package, ()):
            strangers.append(module)
    assert strangers == []


def test_no_import_from_a_conftest_or_a_test_module() -> None:
    lines = [
        f"{path.relative_to(TESTS)}: {node.module}"
        for path in TESTS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module
        if {part for part in node.module.split(".") if part == "conftest" or part.startswith("test_")}
    ]
    assert lines == []
