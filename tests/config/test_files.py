import os
from pathlib import Path

import pytest

from exporter.config.files import default_state_folder, expand, home_folder, read_file


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"XDG_STATE_HOME": "/var/state", "HOME": "/home/member"}, "/var/state/smarthub-exporter"),
        ({"XDG_STATE_HOME": "state", "HOME": "/home/member"}, "/home/member/.local/state/smarthub-exporter"),
        ({"XDG_STATE_HOME": "", "HOME": "/home/member"}, "/home/member/.local/state/smarthub-exporter"),
        ({"HOME": "/"}, "/.local/state/smarthub-exporter"),
    ],
)
def test_state_goes_where_the_xdg_convention_says(environ: dict[str, str], folder: str) -> None:
    assert default_state_folder(environ) == Path(folder)


def test_without_home_variable_the_home_of_the_account_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/home/of-account"))
    assert home_folder({}) == Path("/home/of-account")


def test_without_any_home_the_current_folder_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.chdir(tmp_path)
    assert home_folder({"HOME": ""}) == tmp_path


@pytest.mark.parametrize(
    ("text", "path"),
    [("x", "/etc/app/x"), ("/x", "/x"), ("~", "/home/member"), ("~/x", "/home/member/x"), ("~x", "/etc/app/~x")],
)
def test_paths_are_relative_to_their_folder_or_home(text: str, path: str) -> None:
    assert expand(text, folder=Path("/etc/app"), home=Path("/home/member")) == Path(path)


@pytest.mark.parametrize(("mode", "is_exposed"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_file_that_everybody_can_read_is_exposed(tmp_path: Path, mode: int, *, is_exposed: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    path.chmod(mode)
    assert read_file(path).is_exposed is is_exposed


@pytest.mark.parametrize("is_ours", [False, True])
def test_a_file_of_somebody_else_is_public_and_not_exposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_ours: bool
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    path.chmod(0o644)
    user = os.geteuid() + (0 if is_ours else 1)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    content = read_file(path)
    assert (content.is_public, content.is_ours, content.is_exposed) == (True, is_ours, is_ours)


def test_a_device_is_not_exposed() -> None:
    assert not read_file(Path("/dev/null")).is_public
