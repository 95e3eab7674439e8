"""A configuration that is written means what it was written from, and is nobody else's to read."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from exporter.config import Config, LocationChoice, Login, Overrides, Secret, load_config, portal_address
from exporter.config.writer import DiscoveredLogin, backup_of, check_is_free, config_text, write_private
from exporter.errors import ConfigError

NASTY = (
    "no",
    "1e5",
    "0012345001",
    "12:30",
    "~",
    "null",
    " leading",
    "trailing ",
    'quote " in it',
    "back \\ slash",
    "# hash",
    "a: b",
    "- dash",
    "{brace}",
    "[bracket]",
    "*star",
    "&and",
    "!tag",
    "%percent",
    "@at",
    "`tick",
    "'single'",
    "Großmutter 🏠",
    "\u2028line separator",
    "$HOME ${HOME}",
)
visible = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp", "Cf", "Cn", "Co")), min_size=1, max_size=30)
secrets = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
numbers = st.text("0123456789", min_size=1, max_size=12)
written = settings(max_examples=60, derandomize=True, deadline=None)


def login(  # noqa: PLR0917
    username: str = "member@example.org",
    password: str = "hunter2",
    totp_secret: str | None = None,
    url: str = "novec",
    name: str = "",
    locations: tuple[LocationChoice, ...] = (),
) -> Login:
    portal = portal_address(url)
    totp = Secret(totp_secret) if totp_secret else None
    return Login(name or portal.label, portal, username, Secret(password), totp, None, locations)


def found(
    of: Login,
    zone: str = "America/New_York",
    seen: Sequence[LocationChoice] = (),
    files: Sequence[tuple[str, Path | None]] = (("password", None),),
    or_zones: Sequence[str] = (),
) -> DiscoveredLogin:
    return DiscoveredLogin(of, zone, or_zones, seen, files)


def load(text: str, folder: Path, **environ: str) -> Config:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return load_config(path, {"HOME": "/nowhere", **environ}, Overrides())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


# -- what is written is what is read


@given(username=visible, password=secrets, name=visible, number=numbers, account=numbers, nickname=visible)
@written
def test_whatever_the_values_hold_the_same_login_comes_back(  # noqa: PLR0917
    username: str, password: str, name: str, number: str, account: str, nickname: str
) -> None:
    # A file cannot tell its own last line end from a secret's, nor a byte order mark.
    assume(not password.endswith(("\r", "\n")) and not password.startswith("\ufeff"))
    of = login(username, password, name=name, locations=(LocationChoice(account, number, nickname),))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "config.password"
        write_private(file, password + "\n")
        text = config_text([found(of, files=[("password", Path(file.name))])])
        (back,) = load(text, Path(folder)).logins
    assert text.isascii()
    assert back == Login(
        name,
        of.portal,
        username,
        Secret(password),
        None,
        ZoneInfo("America/New_York"),
        (LocationChoice(account, number, nickname),),
    )


@pytest.mark.parametrize("text", NASTY)
def test_a_nasty_value_is_text_in_every_place(text: str, tmp_path: Path) -> None:
    is_one_line = "\u2028" not in text
    value = text if is_one_line else "plain"
    of = login(value, text, name=value, locations=(LocationChoice("0012345001", "0070001", value),))
    write_private(tmp_path / "p", text + "\n")
    (back,) = load(config_text([found(of, files=[("password", Path("p"))])]), tmp_path).logins
    assert (back.username, back.password, back.name, back.locations) == (value, Secret(text), value, of.locations)


@given(nickname=st.text(max_size=40), zone=st.sampled_from(("", "America/Denver")))
@written
def test_no_nickname_breaks_out_of_its_comment(nickname: str, zone: str) -> None:
    seen = [LocationChoice("55001", "70001", nickname), LocationChoice("55002", "70002", "")]
    text = config_text([found(login(), zone, seen, or_zones=["America/Phoenix"])])
    expected = {"api_url": "https://novec.smarthub.coop", "username": "member@example.org"}
    assert yaml.safe_load(text) == {"smarthub": expected | ({"timezone": zone} if zone else {})}


def test_a_single_login_is_written_exactly_so() -> None:
    seen = [LocationChoice("55001", "70001", "House"), LocationChoice("55002", "70003", "")]
    text = config_text([found(login(), seen=seen, files=[("password", Path("config.password"))])])
    section, _, _ = text.partition("\n\n")
    assert section.splitlines()[2:] == [
        "smarthub:",
        '  api_url: "https://novec.smarthub.coop"',
        '  username: "member@example.org"',
        '  password_file: "config.password"',
        '  timezone: "America/New_York"',
        "  # Every active electric location is read. To read only some, uncomment these:",
        "  # locations:",
        '  #   - {account: "55001", service_location: "70001", name: "House"}',
        '  #   - {account: "55002", service_location: "70003"}',
    ]


def test_the_comment_with_the_locations_can_be_uncommented(tmp_path: Path) -> None:
    seen = [LocationChoice("55001", "70001", 'The "#1": House'), LocationChoice("55002", "70003", "")]
    text = config_text([found(login(), seen=seen)])
    lines = [
        line.replace("  # ", "  ", 1) if line.startswith(("  # locations", "  #   -")) else line
        for line in text.splitlines()
    ]
    (back,) = load("\n".join(lines), tmp_path, SMARTHUB_PASSWORD="x").logins
    assert back.locations == tuple(seen)


@pytest.mark.parametrize(
    "choice",
    [
        LocationChoice("55001", "70001"),
        LocationChoice("55001", "70001", "House"),
        LocationChoice(None, "70001"),
        LocationChoice("55001", None),
    ],
)
def test_a_choice_of_the_user_is_kept(choice: LocationChoice, tmp_path: Path) -> None:
    text = config_text([found(login(locations=(choice,)))])
    (back,) = load(text, tmp_path, SMARTHUB_PASSWORD="x").logins
    assert back.locations == (choice,)


def test_several_choices_are_kept_in_order(tmp_path: Path) -> None:
    choices = (LocationChoice("55002", "70003", "Barn"), LocationChoice("55001", "70001"), LocationChoice(None, "7"))
    text = config_text([found(login(locations=choices))])
    (back,) = load(text, tmp_path, SMARTHUB_PASSWORD="x").logins
    assert back.locations == choices


def test_a_name_is_written_only_where_it_is_not_the_portals() -> None:
    assert "name:" not in config_text([found(login())]).replace("username:", "")
    assert '  name: "Farm"' in config_text([found(login(name="Farm"))]).splitlines()


@pytest.mark.parametrize("url", ["novec", "https://coop.example.org:8443", "http://127.0.0.1:10059", "http://[::1]:9"])
def test_the_portal_is_the_same(url: str, tmp_path: Path) -> None:
    (back,) = load(config_text([found(login(url=url))]), tmp_path, SMARTHUB_PASSWORD="x").logins
    assert back.portal == portal_address(url)


# -- several logins


def test_several_logins_are_a_list_that_comes_back(tmp_path: Path) -> None:
    logins = [
        login("a: b", "one # two", url="novec", name="novec"),
        login("b@example.org", "three", "JBSWY3DPEHPK3PXP", url="cobb", name="Cobb"),
    ]
    files: list[list[tuple[str, Path | None]]] = []
    for number, each in enumerate(logins):
        known = {"password": each.password, "totp_secret": each.totp_secret}
        kept = {key: secret for key, secret in known.items() if secret}
        for key, secret in kept.items():
            write_private(tmp_path / f"{number}.{key}", secret.reveal() + "\n")
        files.append([(key, Path(f"{number}.{key}")) for key in kept])
    seen = [LocationChoice("55001", "70001", "House")]
    text = config_text([found(each, "America/Chicago", seen, own) for each, own in zip(logins, files, strict=True)])
    back = load(text, tmp_path).logins

    assert [(each.name, each.username, each.password) for each in back] == [
        ("novec", "a: b", Secret("one # two")),
        ("Cobb", "b@example.org", Secret("three")),
    ]
    assert [each.totp_secret for each in back] == [None, Secret("JBSWY3DPEHPK3PXP")]
    assert {str(each.zone) for each in back} == {"America/Chicago"}


def test_a_list_without_secrets_says_where_each_goes(tmp_path: Path) -> None:
    text = config_text([found(login(name="A")), found(login(url="cobb", name="B"), "")])
    parsed = yaml.safe_load(text)["smarthub"]
    assert [entry["name"] for entry in parsed] == ["A", "B"]
    assert [set(entry) & {"password", "password_file"} for entry in parsed] == [set(), set()]
    # The environment is no way for a list, so it must not be named.
    assert "SMARTHUB_" not in text
    assert text.count("# password: not written; give it here, or password_file") == 2
    with pytest.raises(ConfigError) as caught:
        load(text, tmp_path)
    places = [problem.partition(":")[2].partition(": ")[2].partition(":")[0] for problem in caught.value.problems]
    assert places == ["smarthub[0].password", "smarthub[1].password", "smarthub[1].timezone"]


# -- secrets and zones that are not written


def test_a_secret_without_a_file_is_left_out_and_its_variable_named(tmp_path: Path) -> None:
    of = login(password="hunter2", totp_secret="JBSWY3DPEHPK3PXP")
    text = config_text([found(of, files=[("password", None), ("totp_secret", None)])])
    assert "hunter2" not in text
    assert "JBSWY3DPEHPK3PXP" not in text
    assert "  # password: not written; set SMARTHUB_PASSWORD or SMARTHUB_PASSWORD_FILE" in text.splitlines()
    assert "  # totp_secret: not written; set SMARTHUB_TOTP_SECRET or SMARTHUB_TOTP_SECRET_FILE" in text.splitlines()
    variables = {"SMARTHUB_PASSWORD": "a", "SMARTHUB_TOTP_SECRET": "JBSWY3DPEHPK3PXP"}
    (back,) = load(text, tmp_path, **variables).logins
    assert (back.password, back.totp_secret) == (Secret("a"), Secret("JBSWY3DPEHPK3PXP"))


def test_no_secret_is_in_the_text_even_with_files() -> None:
    of = login(password="hunter2", totp_secret="JBSWY3DPEHPK3PXP")
    text = config_text([found(of, files=[("password", Path("p")), ("totp_secret", Path("t"))])])
    assert "hunter2" not in text
    assert "JBSWY3DPEHPK3PXP" not in text


def test_without_a_zone_serve_says_that_it_is_missing(tmp_path: Path) -> None:
    text = config_text([found(login(), "")])
    assert '  # timezone: "America/New_York"  # CHANGE to the co-op\'s zone: the portal did not tell' in text
    with pytest.raises(ConfigError, match=r"smarthub\.timezone: missing"):
        load(text, tmp_path, SMARTHUB_PASSWORD="x")


def test_other_zones_that_fit_are_named_beside_the_zone() -> None:
    text = config_text([found(login(), "America/Denver", or_zones=["America/Phoenix", "America/Boise"])])
    line = '  timezone: "America/Denver"  # America/Phoenix or America/Boise would fit as well'
    assert line in text.splitlines()


# -- private files


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_file_is_for_its_owner_alone_whatever_the_umask(mask: int, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    with umask(mask):
        write_private(path, "one\n")
        assert mode(path) == 0o600
        path.chmod(0o644)
        write_private(path, "two\n", force=True)
    assert (path.read_text(), mode(path)) == ("two\n", 0o600)


def test_a_file_is_private_before_it_holds_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    fdopen = os.fdopen

    def look_and_open(descriptor: int, *rest: str, **more: str) -> object:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return fdopen(descriptor, *rest, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "fdopen", look_and_open)
    with umask(0):
        write_private(tmp_path / "secret", "x\n")
    assert modes == [0o600]


def test_nothing_is_written_over_without_being_told_to(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("mine\n")
    with pytest.raises(ConfigError) as caught:
        write_private(path, "other\n")
    assert str(caught.value) == f"{path}: is there already, --force writes over it and keeps it as config.yaml.bak"
    assert (path.read_text(), sorted(each.name for each in tmp_path.iterdir())) == ("mine\n", ["config.yaml"])


def test_what_is_written_over_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("mine\n")
    path.chmod(0o640)
    backup = write_private(path, "other\n", force=True)
    assert backup == tmp_path / "config.yaml.bak"
    assert (path.read_text(), backup.read_text(), mode(backup)) == ("other\n", "mine\n", 0o640)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["config.yaml", "config.yaml.bak"]


def test_no_older_file_is_ever_lost(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("by hand\n")
    names = [write_private(path, f"{number}\n", force=True) for number in range(3)]
    assert names == [tmp_path / name for name in ("config.yaml.bak", "config.yaml.bak.2", "config.yaml.bak.3")]
    assert [name.read_text() for name in names if name] == ["by hand\n", "0\n", "1\n"]
    with pytest.raises(ConfigError, match=r"--force writes over it and keeps it as config\.yaml\.bak\.4$"):
        check_is_free(path, force=False)


def test_a_link_that_leads_nowhere_takes_the_name_of_a_backup_too(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("mine\n")
    (tmp_path / "config.yaml.bak").symlink_to("gone")
    assert backup_of(path) == tmp_path / "config.yaml.bak.2"


def test_a_file_that_says_the_same_needs_no_backup(tmp_path: Path) -> None:
    path = tmp_path / "config.password"
    path.write_text("Käse\n", encoding="utf-8")
    path.chmod(0o644)
    assert write_private(path, "Käse\n", force=True) is None
    assert ([each.name for each in tmp_path.iterdir()], mode(path)) == (["config.password"], 0o600)


def test_without_links_the_older_file_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    path = tmp_path / "config.yaml"
    path.write_text("mine\n")
    backup = write_private(path, "other\n", force=True)
    assert backup is not None
    assert (path.read_text(), backup.read_text(), mode(backup)) == ("other\n", "mine\n", 0o600)


@pytest.mark.parametrize("is_there", [False, True])
def test_a_link_stays_a_link_and_what_it_leads_to_is_written(tmp_path: Path, *, is_there: bool) -> None:
    folder, path = tmp_path / "dotfiles", tmp_path / "config.yaml"
    folder.mkdir()
    path.symlink_to("dotfiles/smarthub.yaml")
    if is_there:
        (folder / "smarthub.yaml").write_text("mine\n")
    backup = write_private(path, "other\n", force=True)
    assert (path.is_symlink(), path.read_text(), mode(folder / "smarthub.yaml")) == (True, "other\n", 0o600)
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["config.yaml"]
    assert backup == (folder / "smarthub.yaml.bak" if is_there else None)
    assert not is_there or (folder / "smarthub.yaml.bak").read_text() == "mine\n"


def test_a_link_to_what_is_there_is_not_written_over_without_being_told_to(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("mine\n")
    (tmp_path / "config.yaml").symlink_to("real.yaml")
    with pytest.raises(ConfigError, match=r"is there already, --force writes over it and keeps it as real\.yaml\.bak$"):
        write_private(tmp_path / "config.yaml", "other\n")


def test_a_link_into_an_absent_folder_or_to_itself_is_told(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.symlink_to("none/config.yaml")
    with pytest.raises(ConfigError) as caught:
        check_is_free(path, force=True)
    assert str(caught.value) == f"{path}: there is no folder {tmp_path / 'none'}"
    path.unlink()
    path.symlink_to("config.yaml")
    with pytest.raises(ConfigError, match="is a link that leads nowhere"):
        check_is_free(path, force=True)


def test_force_without_a_file_leaves_no_backup(tmp_path: Path) -> None:
    write_private(tmp_path / "config.yaml", "new\n", force=True)
    assert [each.name for each in tmp_path.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_is_no_file(tmp_path: Path, *, force: bool) -> None:
    with pytest.raises(ConfigError, match="is a folder, name a file"):
        check_is_free(tmp_path, force=force)


def test_an_absent_folder_is_told(tmp_path: Path) -> None:
    path = tmp_path / "none" / "config.yaml"
    with pytest.raises(ConfigError) as caught:
        check_is_free(path, force=True)
    assert str(caught.value) == f"{path}: there is no folder {path.parent}"


def test_a_bare_name_is_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_private(Path("config.yaml"), "x\n")
    assert (tmp_path / "config.yaml").read_text() == "x\n"


@pytest.mark.parametrize("call", ["fsync", "open"])
def test_a_full_disk_leaves_the_file_as_it_was_and_nothing_beside(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("mine\n")

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(ConfigError) as caught:
        write_private(path, "other\n", force=True)
    monkeypatch.undo()
    assert str(caught.value) == f"{path}: cannot be written, No space left on device"
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("config.yaml", "mine\n")]


def test_a_crash_before_the_end_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("mine\n")

    def die(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", die)
    with pytest.raises(KeyboardInterrupt):
        write_private(path, "other\n" * 10_000, force=True)
    monkeypatch.undo()
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("config.yaml", "mine\n")]
    backup = write_private(path, "other\n", force=True)
    assert backup is not None
    assert (path.read_text(), backup.read_text()) == ("other\n", "mine\n")
