"""A written configuration can be read back, and only by its owner."""

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from exporter.config import Config, LocationChoice, Login, Overrides, Secret, load_config, portal_address
from exporter.config.writer import DiscoveredLogin, check_is_free, config_text, write_private
from exporter.errors import ConfigError

from ..support.config_files import exactly

HOUSE = LocationChoice("55001", "70001", "House")
BARN = LocationChoice("55002", "70003")
TOTP = "JBSWY3DPEHPK3PXP"
NASTY = (
    "no", "1e5", "0012345001", "12:30", "~", "null", " leading", "trailing ", 'quote " in it', "back \\ slash",
    "# hash", "a: b", "- dash", "{brace}", "[bracket]", "*star", "&and", "!tag", "%percent", "@at", "`tick", "'single'",
    "Großmutter 🏠", "$HOME ${HOME}",
)  # fmt: skip
visible = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp", "Cf", "Cn", "Co")), min_size=1, max_size=30)
secrets = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
numbers = st.text("0123456789", min_size=1, max_size=12)
choices = st.builds(LocationChoice, st.none() | numbers, numbers, st.just("") | visible)
locations = st.lists(choices, max_size=3, unique_by=lambda choice: choice.service_location)
urls = st.sampled_from(["novec", "https://coop.example.org:8443", "http://127.0.0.1:10059", "http://[::1]:9"])
written = settings(max_examples=60, derandomize=True)


def login(
    username: str = "member@example.org",
    *,
    url: str = "novec",
    name: str = "",
    locations: Sequence[LocationChoice] = (),
) -> Login:
    portal = portal_address(url)
    return Login(name or portal.label, portal, username, Secret("hunter2"), Secret(TOTP), None, tuple(locations))


def text_of(
    *logins: Login,
    zone: str = "America/New_York",
    or_zones: Sequence[str] = (),
    seen: Sequence[LocationChoice] = (),
    files: Sequence[tuple[str, Path | None]] = (("password", None),),
) -> str:
    """Return the configuration of logins with the same findings."""
    return config_text([DiscoveredLogin(each, zone, or_zones, seen, files) for each in logins])


def load(text: str, folder: Path, **environ: str) -> Config:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return load_config(path, {"HOME": "/nowhere", **environ}, Overrides())


def read_back(text: str, folder: Path) -> Login:
    (back,) = load(text, folder, SMARTHUB_PASSWORD="x").logins
    return back


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def assert_comes_back(of: Login, password: str, folder: Path) -> None:
    """Write a login and its password, read both, and compare."""
    write_private(folder / "secret", password + "\n")
    text = text_of(of, files=[("password", Path("secret"))])
    (back,) = load(text, folder).logins
    assert text.isascii()
    assert back == replace(of, password=Secret(password), totp_secret=None, zone=ZoneInfo("America/New_York"))


# -- reading back


@given(visible, secrets, urls, st.just("") | visible, locations | st.just([LocationChoice("55001")]))
@written
def test_any_login_can_be_read_back(
    username: str, password: str, url: str, name: str, locations: list[LocationChoice]
) -> None:
    # In a file, the last line break and a byte order mark do not belong to the secret.
    assume(not password.endswith(("\r", "\n")) and not password.startswith("\ufeff"))
    with TemporaryDirectory() as folder:
        assert_comes_back(login(username, url=url, name=name, locations=locations), password, Path(folder))


@pytest.mark.parametrize("text", NASTY)
def test_a_tricky_value_is_text_everywhere(text: str, tmp_path: Path) -> None:
    assert_comes_back(login(text, name=text, locations=[LocationChoice("0012", "007", text)]), text, tmp_path)


@given(st.text(max_size=40), st.sampled_from(("", "America/Denver")))
@written
def test_no_nickname_escapes_its_comment(nickname: str, zone: str) -> None:
    text = text_of(login(), zone=zone, seen=[replace(HOUSE, name=nickname), BARN], or_zones=["America/Phoenix"])
    expected = {"api_url": "https://novec.smarthub.coop", "username": "member@example.org"}
    assert yaml.safe_load(text) == {"smarthub": expected | ({"timezone": zone} if zone else {})}


def test_the_text_of_a_single_login() -> None:
    files = [("password", Path("config.password")), ("totp_secret", None)]
    text = text_of(login(), or_zones=["US/Eastern", "America/Toronto"], seen=[HOUSE, BARN], files=files)
    section, _, _ = text.partition("\n\n")
    assert section.splitlines()[2:] == [
        "smarthub:",
        '  api_url: "https://novec.smarthub.coop"',
        '  username: "member@example.org"',
        '  password_file: "config.password"',
        "  # totp_secret: not written; set SMARTHUB_TOTP_SECRET or SMARTHUB_TOTP_SECRET_FILE",
        '  timezone: "America/New_York"  # US/Eastern or America/Toronto would also match',
        "  # Every active electric location is read. To read only some, uncomment these:",
        "  # locations:",
        '  #   - {account: "55001", service_location: "70001", name: "House"}',
        '  #   - {account: "55002", service_location: "70003"}',
    ]
    assert "hunter2" not in text
    assert TOTP not in text


def test_the_locations_can_be_uncommented(tmp_path: Path) -> None:
    seen = (LocationChoice("55001", "70001", 'The "#1": House'), BARN)
    text = re.sub(r"^  # (?=locations|  -)", "  ", text_of(login(), seen=seen), flags=re.MULTILINE)
    assert read_back(text, tmp_path).locations == seen


# -- several logins


def test_several_logins_are_a_list_that_can_be_read_back(tmp_path: Path) -> None:
    files: list[tuple[str, Path | None]] = [("password", Path("p")), ("totp_secret", Path("t"))]
    write_private(tmp_path / "p", "hunter2\n")
    write_private(tmp_path / "t", f"{TOTP}\n")
    logins = (login("a: b"), login("b # c", url="cobb", name="Cobb"))
    back = load(text_of(*logins, seen=[HOUSE], files=files), tmp_path).logins
    assert back == tuple(replace(each, zone=ZoneInfo("America/New_York")) for each in logins)


def test_a_list_without_secrets_says_where_to_add_them(tmp_path: Path) -> None:
    text = text_of(login(name="A"), login(url="cobb", name="cobb"), zone="")
    # The environment does not apply to a list, so it must not be named.
    assert "SMARTHUB_" not in text
    assert text.count("# password: not written; add it here, or set password_file") == 2
    assert [entry["name"] for entry in yaml.safe_load(text)["smarthub"]] == ["A", "cobb"]
    with pytest.raises(ConfigError) as caught:
        load(text, tmp_path)
    places = [problem.split(": ")[1] for problem in caught.value.problems]
    assert places == [f"smarthub[{number}].{key}" for number in (0, 1) for key in ("password", "timezone")]


def test_without_a_zone_the_configuration_is_not_complete(tmp_path: Path) -> None:
    text = text_of(login(), zone="")
    assert '  # timezone: "America/New_York"  # CHANGE to the co-op\'s time zone; it was not found' in text
    with pytest.raises(ConfigError, match=r"smarthub\.timezone"):
        load(text, tmp_path, SMARTHUB_PASSWORD="x")


# -- private files


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An existing file."""
    path = tmp_path / "config.yaml"
    path.write_text("mine\n")
    path.chmod(0o640)
    return path


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_only_the_owner_can_read_a_file_with_any_umask(mask: int, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    with umask(mask):
        assert write_private(path, "one\n", force=True) is None
        assert (mode(path), names(tmp_path)) == (0o600, ["config.yaml"])
        path.chmod(0o644)
        write_private(path, "two\n", force=True)
    assert (path.read_text(), mode(path)) == ("two\n", 0o600)


def test_a_file_is_private_before_it_has_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    fdopen = os.fdopen

    def look_and_open(descriptor: int, *rest: str, **more: str) -> object:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return fdopen(descriptor, *rest, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "fdopen", look_and_open)
    with umask(0):
        write_private(tmp_path / "secret", "x\n")
    assert modes == [0o600]


def test_an_existing_file_is_only_replaced_by_force(path: Path) -> None:
    message = f"{path}: already exists; use --force to overwrite it (kept as config.yaml.bak)"
    with pytest.raises(ConfigError, match=exactly(message)):
        write_private(path, "other\n")
    assert (path.read_text(), names(path.parent)) == ("mine\n", ["config.yaml"])


def test_the_backup_has_the_previous_content(path: Path) -> None:
    backup = path.with_name("config.yaml.bak")
    assert [write_private(path, f"{number}\n", force=True) for number in range(2)] == [backup, backup]
    assert (path.read_text(), backup.read_text(), mode(backup)) == ("1\n", "0\n", 0o600)
    assert len(names(path.parent)) == 2


def test_the_same_content_needs_no_backup(path: Path) -> None:
    path.write_text("Käse\n", encoding="utf-8")
    assert write_private(path, "Käse\n", force=True) is None
    assert (names(path.parent), mode(path)) == (["config.yaml"], 0o600)


@pytest.mark.parametrize("is_there", [False, True])
def test_a_symbolic_link_stays_and_its_target_is_written(tmp_path: Path, *, is_there: bool) -> None:
    link, folder = tmp_path / "config.yaml", tmp_path / "dotfiles"
    target = folder / "smarthub.yaml"
    folder.mkdir()
    link.symlink_to("dotfiles/smarthub.yaml")
    if is_there:
        target.write_text("mine\n")
        with pytest.raises(ConfigError, match=r"kept as smarthub\.yaml\.bak\)$"):
            write_private(link, "other\n")
    backup = write_private(link, "other\n", force=True)
    assert (link.is_symlink(), target.read_text(), mode(target)) == (True, "other\n", 0o600)
    assert names(tmp_path) == ["config.yaml", "dotfiles"]
    assert backup == (folder / "smarthub.yaml.bak" if is_there else None)
    assert backup is None or backup.read_text() == "mine\n"


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (".", "is a directory; name a file"),
        ("none/config.yaml", "no such directory: {folder}/none"),
        ("into-none", "no such directory: {folder}/none"),
        ("into-itself", "is a broken symbolic link; remove it"),
    ],
)
def test_an_impossible_path_is_reported(tmp_path: Path, name: str, problem: str, *, force: bool) -> None:
    (tmp_path / "into-none").symlink_to("none/config.yaml")
    (tmp_path / "into-itself").symlink_to("into-itself")
    message = f"{tmp_path / name}: {problem.format(folder=tmp_path)}"
    with pytest.raises(ConfigError, match=exactly(message)):
        check_is_free(tmp_path / name, force=force)


@pytest.mark.parametrize("call", ["fsync", "open"])
@pytest.mark.parametrize(
    ("error", "seen"), [(OSError(errno.ENOSPC, "No space"), ConfigError), (KeyboardInterrupt(), KeyboardInterrupt)]
)
def test_a_failure_changes_nothing_and_leaves_no_files(
    call: str, error: BaseException, seen: type[BaseException], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(seen) as caught:
            write_private(path, "other\n" * 10_000, force=True)
    assert seen is KeyboardInterrupt or str(caught.value) == f"{path}: cannot be written: No space"
    assert (path.read_text(), names(path.parent)) == ("mine\n", ["config.yaml"])
    assert write_private(path, "other\n", force=True) is not None


# -- the database


def test_a_database_that_was_found_is_written(tmp_path: Path) -> None:
    found = DiscoveredLogin(login(), "America/New_York", (), (), (("password", None),))
    config = load(config_text([found], "http://localhost:8428"), tmp_path, SMARTHUB_PASSWORD="x")
    assert config.victoriametrics is not None
    assert config.victoriametrics.url == "http://localhost:8428"
    assert load(config_text([found]), tmp_path, SMARTHUB_PASSWORD="x").victoriametrics is None
    assert '\n# victoriametrics:\n#   url: "http://localhost:8428"\n' in config_text([found])


def test_a_state_directory_of_its_own_is_written(tmp_path: Path) -> None:
    found = DiscoveredLogin(login(), "America/New_York", (), (), (("password", None),))
    config = load(config_text([found], state=Path("/var/lib/a state")), tmp_path, SMARTHUB_PASSWORD="x")
    assert config.exporter.state_dir == Path("/var/lib/a state")
    assert "state_dir" not in config_text([found])
