"""Build and test tools: matching lock files, and scripts that run anywhere."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from ..support.project_files import read
from ..support.services import ROOT

LOCKS = ("requirements.txt", "requirements-build.txt", "requirements-dev.txt")
SCRIPTS = (".ci/run", ".ci/debian-programs")

PROJECT: dict[str, Any] = tomllib.loads(read("pyproject.toml"))
RUNTIME: list[str] = PROJECT["project"]["dependencies"]
BUILD: list[str] = [*PROJECT["build-system"]["requires"], "editables~=0.3"]
DEV: list[str] = PROJECT["dependency-groups"]["dev"]

PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[^ ;]+)(?: ; (?P<marker>[^/\\]+))? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")
ORIGIN = re.compile(r"    #(?: via|  )(?: -c requirements[a-z-]*\.txt| [a-z0-9-]+(?: \(pyproject\.toml(?::dev)?\))?)?")


def locked(name: str) -> dict[str, Version]:
    return {pin["name"]: Version(pin["version"]) for pin in PIN.finditer(read(name))}


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        pytest.param("requirements.txt", RUNTIME, id="runtime"),
        pytest.param("requirements-build.txt", BUILD, id="build"),
        pytest.param("requirements-dev.txt", [*RUNTIME, *BUILD, *DEV], id="dev"),
    ],
)
def test_every_dependency_is_locked_within_its_range(lock: str, wanted: list[str]) -> None:
    versions = locked(lock)
    for requirement in map(Requirement, wanted):
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, f"run `make lock`, because {lock} has no {requirement}"
        assert version in requirement.specifier, f"run `make lock`, because {lock} does not match {requirement}"


def test_the_lock_files_agree_on_what_they_share() -> None:
    everything = locked("requirements-dev.txt")
    for lock in LOCKS:
        differing = {name for name, version in locked(lock).items() if everything.get(name) != version}
        assert not differing, f"run `make lock`, because {lock} and requirements-dev.txt differ in {differing}"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_has_only_pins_with_hashes(lock: str) -> None:
    lines = read(lock).splitlines()
    header, rest = lines[:2], lines[2:]
    assert header[1] == "#    make lock"
    assert [line for line in rest if not any(known.fullmatch(line) for known in (PIN, HASH, ORIGIN))] == []
    assert all(HASH.fullmatch(following) for line, following in pairwise(rest) if PIN.fullmatch(line))


ELSEWHERE = (
    r"https?:|--(?:extra-)?index-url|--find-links|--trusted-host",
    r"\b[\w-]+\.(?:org|com|net|io|dev)\b",
    r"(?:^|[\s\"'=])/(?:home|root|work|tmp|Users|opt)/",
)
"""Package sources and private paths, which no file may contain."""


@pytest.mark.parametrize("name", ["Makefile", *SCRIPTS, *LOCKS])
def test_no_file_depends_on_a_certain_machine(name: str) -> None:
    assert not re.findall("|".join(ELSEWHERE), read(name))


def test_libraries_of_the_drawing_are_exact_and_checked() -> None:
    folder = ROOT / "tests" / "grafana" / "rendering"
    wanted, locked = (json.loads((folder / name).read_text("utf-8")) for name in ("package.json", "package-lock.json"))
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted["dependencies"].values())
    root = locked["packages"].pop("")
    assert root["dependencies"] == wanted["dependencies"]
    # Where a package comes from is a matter of the machine.
    assert {("integrity" in each, "resolved" in each) for each in locked["packages"].values()} == {(True, False)}


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert read(".ci/run").splitlines()[-1] == "make test"
    assert re.search(r"^(?:\$ )?make test\b|`make test`", read("README.md"), re.MULTILINE)


def test_make_help_lists_every_phony_target() -> None:
    makefile = read("Makefile")
    (declared,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert sorted(re.findall(r"^([a-z]+):.* ## \S", makefile, re.MULTILINE)) == sorted(declared.split())


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_executable_and_stop_at_a_failure(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)
    assert "\nset -euo pipefail\n" in read(name)
    subprocess.run(["bash", "-n", ROOT / name], check=True)


class FakeDebian:
    """A folder with the script and with fake programs that record their calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "bin"
        self.calls = folder / "calls"
        self.system = "/usr/bin:/bin"
        (folder / ".ci").mkdir()
        self.programs.mkdir()
        shutil.copy(ROOT / ".ci/debian-programs", folder / ".ci")
        self.has("apt-get", 'case $4 in download) : >"$5_1_all.deb" ;; esac')
        self.has("dpkg", 'mkdir -p "$3/usr/bin"; : >"$3/usr/bin/some-database"; chmod +x "$3/usr/bin/some-database"')
        self.has("sleep", "")

    def has(self, name: str, what: str) -> None:
        program = self.programs / name
        program.write_text(f'#!/bin/sh -e\necho "{name} $*" >>{self.calls}\n{what}\n', encoding="utf-8")
        program.chmod(0o755)

    def hides(self, name: str) -> None:
        """Remove one program from the system."""
        everything = self.folder / "system"
        everything.mkdir()
        for program in Path("/usr/bin").iterdir():
            if program.name != name:
                (everything / program.name).symlink_to(program)
        self.system = str(everything)

    def fetch(self, *packages: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / ".ci/debian-programs", *packages],
            env={"PATH": f"{self.programs}:{self.system}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def called(self, name: str) -> list[str]:
        lines = self.calls.read_text(encoding="utf-8").splitlines() if self.calls.exists() else []
        return [line for line in lines if line.split()[0] == name]


@pytest.fixture
def debian(tmp_path: Path) -> FakeDebian:
    return FakeDebian(tmp_path)


def test_programs_on_path_are_not_fetched(debian: FakeDebian) -> None:
    debian.has("some-database", "")
    found = debian.fetch("some-database")
    assert (found.returncode, found.stdout) == (0, "")
    assert not debian.called("apt-get")


def test_a_missing_program_is_unpacked_once(debian: FakeDebian) -> None:
    folder = debian.folder / ".cache/debian/some-database/usr/bin"
    for _ in range(2):
        found = debian.fetch("some-database")
        assert (found.returncode, found.stdout) == (0, f"{folder}\n"), found.stderr
    assert (folder / "some-database").exists()
    assert [call.split()[-1] for call in debian.called("apt-get")] == ["update", "some-database"]


@pytest.mark.parametrize(
    ("program", "action", "code", "message"),
    [
        ("apt-get", "case $4 in download) exit 100 ;; esac", 1, "cannot be fetched"),
        ("apt-get", 'case $4 in update) exit 100 ;; download) : >"$5_1_all.deb" ;; esac', 0, "do not answer"),
        ("dpkg", 'mkdir -p "$3"', 1, "has no program"),
    ],
    ids=["download", "update", "no program"],
)
def test_only_a_program_that_cannot_be_had_is_a_failure(
    debian: FakeDebian, program: str, action: str, code: int, message: str
) -> None:
    debian.has(program, action)
    found = debian.fetch("some-database")
    assert (found.returncode, message in found.stderr) == (code, True)
    downloads = [call for call in debian.called("apt-get") if " -q download " in call]
    assert len(downloads) == (3 if message == "cannot be fetched" else 1)
    assert (debian.folder / ".cache/debian/some-database").exists() == (code == 0)


def test_a_script_is_unpacked_and_started_with_its_modules(debian: FakeDebian) -> None:
    debian.hides("docker-compose")
    debian.has("apt-get", 'case $4 in download) shift 4; for each in "$@"; do : >"${each}_1_all.deb"; done ;; esac')
    unpack = 'mkdir -p "$3/usr/bin" "$3/usr/lib/python3/dist-packages/compose"; : >"$3/usr/bin/docker-compose"'
    module = '"$3/usr/lib/python3/dist-packages/compose/__main__.py"'
    # A package, which comes before one of the system's; without __init__.py, a module of the system would win.
    package = module.replace("__main__", "__init__")
    start = f'echo "import sys; print(sys.argv[1:])" >{module}; : >{package}'
    debian.has("dpkg", f'{unpack}; chmod +x "$3"/usr/bin/*; {start}')
    found = debian.fetch("docker-compose")
    assert found.returncode == 0, found.stderr
    (download,) = (call for call in debian.called("apt-get") if " -q download " in call)
    assert {"docker-compose", "python3-yaml", "python3-docker"} <= set(download.split())
    assert len(debian.called("dpkg")) == len(download.partition(" -q download ")[2].split())
    starter = f"{found.stdout.strip()}/docker-compose"
    said = subprocess.run([starter, "config", "two words"], capture_output=True, text=True, check=True)
    assert said.stdout == "['config', 'two words']\n"


def test_ci_installs_programs_that_cannot_be_unpacked() -> None:
    assert "command -v chromium >/dev/null || missing+=(chromium)" in read(".ci/run")
    assert "command -v npm >/dev/null || missing+=(nodejs npm)" in read(".ci/run")
    assert "missing+=(docker-compose)" in read(".ci/run")
